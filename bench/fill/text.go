package fill

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// texts makes what people say: always the same, in the same order.
type texts struct{ rand *rand.Rand }

func newTexts() *texts { return &texts{rand.New(rand.NewPCG(7, 11))} }

// received is what contacts write: short, and often in several messages.
func (t *texts) received() string { return t.say(askedEnglish, askedRussian, 1, 3) }

// sent is what companies answer: longer, with a greeting and an order's number.
func (t *texts) sent() string {
	return t.say(answeredEnglish, answeredRussian, 1, 4) + " #" + strconv.Itoa(10_000+t.rand.IntN(90_000))
}

// say joins phrases of one language.
func (t *texts) say(english, russian []string, least, most int) string {
	phrases := english
	if t.rand.IntN(3) == 0 {
		phrases = russian
	}
	var said []string
	for range least + t.rand.IntN(most-least+1) {
		said = append(said, phrases[t.rand.IntN(len(phrases))])
	}
	return strings.Join(said, " ")
}

var askedEnglish = []string{
	"Hello!", "Hi, is anybody there?", "Is my order on its way?", "When will it be delivered?", "I have paid this morning.", "Thank you!", "Yes", "No, thanks.",
	"Do you have it in blue, size 42?", "Can I pick it up on Saturday?", "The address is the same as last time.", "Could you call me after six, please?",
	"Something is missing in the parcel: there is one cup instead of two.", "ok", "I would like to change the date, if that is still possible.",
	"How much is the delivery if I take three of them?", "I'll send you a photo in a minute.", "Great, see you tomorrow 👍",
}

var askedRussian = []string{
	"Здравствуйте!", "Добрый день, подскажите по заказу.", "Когда будет доставка?", "Спасибо!", "Да", "Нет, спасибо.", "Оплатил сегодня утром.",
	"Есть ли в наличии синий, 42 размер?", "Можно забрать самовывозом в субботу?", "Адрес тот же, что и в прошлый раз.", "Перезвоните, пожалуйста, после шести.",
	"Хотел бы перенести дату, если ещё возможно.", "Хорошо, жду 👍",
}

var answeredEnglish = []string{
	"Good morning, and thank you for writing to us!", "Your order has left our warehouse and will arrive on Thursday between 10:00 and 14:00.",
	"We have received your payment; the receipt is in your mailbox.", "Yes, we have it in stock.", "A colleague will call you back within an hour.",
	"You can pick it up at our shop every day from 9 to 20, without an appointment.", "We are sorry about that! We will send the missing part today, free of charge.",
	"Is there anything else that we can do for you?", "The delivery costs nothing from three pieces on.", "Please tell us the number of your order:",
}

var answeredRussian = []string{
	"Здравствуйте! Спасибо за обращение.", "Ваш заказ передан в службу доставки и прибудет в четверг с 10:00 до 14:00.", "Оплата получена, чек отправлен вам на почту.",
	"Да, этот товар есть в наличии.", "Специалист перезвонит вам в течение часа.", "Забрать заказ можно в нашем магазине ежедневно с 9 до 20.",
	"Приносим извинения! Отправим недостающее сегодня бесплатно.", "Можем ли мы ещё чем-нибудь помочь?",
}
