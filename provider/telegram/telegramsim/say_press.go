package telegramsim

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/parley-im/parley"
)

// A Tap is a press of an inline button under a bot's message.
type Tap struct {
	Account, Person string
	Chat            string // a group; "": the private chat
	MessageID       int64
	Data            string
	// Inaccessible shows only that there was a message, as for very old ones.
	Inaccessible bool
	// Inline presses a button under a message sent by way of the bot in some
	// other chat: the bot learns neither message nor chat. MessageID is ignored.
	Inline bool
}

// Press lets a person press the inline button with data under a bot's message.
// It returns the id of the question besides.
func (s *Server) Press(account, person string, messageID int64, data string) (Said, string, error) {
	return s.Tap(Tap{Account: account, Person: person, MessageID: messageID, Data: data})
}

// Tap is Press with all that may be said about it. Its errors are those of Say,
// and parley.KindNotFound if there is no such button.
func (s *Server) Tap(t Tap) (Said, string, error) {
	b, p, err := s.pair(t.Account, t.Person)
	if err != nil {
		return Said{}, "", err
	}
	chat := p.id
	if t.Chat != "" {
		g, err := s.findGroup(t.Chat)
		if err != nil {
			return Said{}, "", err
		}
		chat = g.id
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.mayTap(p, chat); err != nil {
		return Said{}, "", err
	}
	q := callbackQuery{ID: strconv.FormatInt(b.queue.next<<20|p.id&(1<<20-1), 10), From: &p.profile.Load().user,
		ChatInstance: strconv.FormatInt(-chat, 10), Data: t.Data}
	if err := t.show(b, chat, &q); err != nil {
		return Said{}, "", err
	}
	now := s.now()
	b.ask(q.ID, now)
	id, err := b.push("callback_query", p.id, q)
	return Said{Account: b.user.ID, Person: p.id, Chat: chat, MessageID: t.MessageID, UpdateID: id, Date: now.Unix()}, q.ID, err
}

func (b *bot) mayTap(p *person, chat int64) error {
	if chat == p.id {
		return b.hears(p)
	}
	if err := p.gone(); err != nil {
		return err
	}
	if !b.chats[chat].in() {
		return refuse("the bot is not in the chat; POST add first")
	}
	return b.room()
}

// show adds what the bot learns of the message.
func (t Tap) show(b *bot, chat int64, q *callbackQuery) error {
	if t.Inline {
		if t.Data == "" || len(t.Data) > maxData {
			return refuse("data has between 1 and 64 bytes")
		}
		q.InlineID = "AgAAA" + strconv.FormatInt(b.queue.next, 36) + "parley"
		return nil
	}
	m := b.s.messages.get(messageKey{b.user.ID, chat, t.MessageID})
	if !m.offers(t.Data) {
		return parley.Errorf(parley.KindNotFound, "message_id has no inline button with this callback_data")
	}
	if q.Message = m; t.Inaccessible {
		q.Message = &message{MessageID: m.MessageID, Chat: m.Chat}
	}
	return nil
}

func (m *message) offers(data string) bool {
	var k inlineKeyboard
	if m == nil || m.ReplyMarkup == nil || json.Unmarshal(m.ReplyMarkup, &k) != nil {
		return false
	}
	for _, row := range k.Rows {
		for _, button := range row {
			if button.Data == data && data != "" {
				return true
			}
		}
	}
	return false
}

// maxQueries bounds the questions kept open for one bot.
const maxQueries = 10_000

// ask remembers a question; beyond the bound those too old to be answered go.
func (b *bot) ask(id string, now time.Time) {
	if len(b.queries) >= maxQueries {
		for old, at := range b.queries {
			if now.Sub(at) > answerFor || len(b.queries) >= maxQueries {
				delete(b.queries, old)
			}
		}
	}
	b.queries[id] = now
}

// ExpireQueries makes all presses so far too old to be answered.
func (s *Server) ExpireQueries(account string) error {
	b, err := s.findBot(account)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.queries)
	return nil
}
