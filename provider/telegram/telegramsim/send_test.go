package telegramsim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const (
	yes      = `{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}`
	modified = "Bad Request: message is not modified: specified new message content and reply markup are " +
		"exactly the same as a current content and reply markup of the message"
)

// peopled is a server with Ann (message 1 from her, 2 from the bot), Bob who
// never wrote, Eve who blocked the bot and Old whose account is gone.
func peopled(t *testing.T, opts telegramsim.Options) *telegramsim.Server {
	t.Helper()
	s := newServer(t, opts)
	for i, name := range []string{"Ann", "Bob", "Eve", "Old"} {
		must(s.AddPerson(telegramsim.Person{ID: ann + int64(i), FirstName: name}))(t)
		if name != "Bob" {
			say(t, s, name, "hello")
		}
	}
	must(s.Block("", "Eve"))(t)
	must(s.Deactivate("Old"))(t)
	call(s, "sendMessage", params{"chat_id": "5550001", "text": "welcome"})
	return s
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const a = "5550001"
	tests := []struct {
		name, method string
		p            params
		code         int
		text         string
	}{
		{"no chat", "sendMessage", params{"text": "x"}, 400, "Bad Request: chat_id is empty"},
		{"unknown chat", "sendMessage", params{"chat_id": "42", "text": "x"}, 400, "Bad Request: chat not found"},
		{"channel name", "sendMessage", params{"chat_id": "@news", "text": "x"}, 400, "Bad Request: chat not found"},
		{"never started", "sendMessage", params{"chat_id": "5550002", "text": "x"}, 403, "Forbidden: bot can't initiate conversation with a user"},
		{"blocked", "sendMessage", params{"chat_id": "5550003", "text": "x"}, 403, "Forbidden: bot was blocked by the user"},
		{"deactivated", "sendMessage", params{"chat_id": "5550004", "text": "x"}, 403, "Forbidden: user is deactivated"},
		{"to a bot", "sendMessage", params{"chat_id": "123456789", "text": "x"}, 403, "Forbidden: the bot can't send messages to the bot"},
		{"no text", "sendMessage", params{"chat_id": a}, 400, "Bad Request: message text is empty"},
		{"only space", "sendMessage", params{"chat_id": a, "text": " \n\t "}, 400, "Bad Request: message text is empty"},
		{"only tags", "sendMessage", params{"chat_id": a, "text": "<b> </b>", "parse_mode": "HTML"}, 400, "Bad Request: message text is empty"},
		{"one unit too long", "sendMessage", params{"chat_id": a, "text": strings.Repeat("я", 4097)}, 400, "Bad Request: message is too long"},
		{"surrogates count twice", "sendMessage", params{"chat_id": a, "text": strings.Repeat("😀", 2048) + "x"}, 400, "Bad Request: message is too long"},
		{"raw too long", "sendMessage", params{"chat_id": a, "text": strings.Repeat(" ", 32768) + "x"}, 400, "Bad Request: text is too long"},
		{"no UTF-8", "sendMessage", params{"chat_id": a, "text": "a\xff"}, 400, "Bad Request: strings must be encoded in UTF-8"},
		{"parse mode", "sendMessage", params{"chat_id": a, "text": "x", "parse_mode": "BBCode"}, 400, "Bad Request: unsupported parse_mode"},
		{"markdown", "sendMessage", params{"chat_id": a, "text": "x", "parse_mode": "MarkdownV2"}, 400, "Bad Request: can't parse entities: the simulator reads only HTML and plain text"},
		{"tag", "sendMessage", params{"chat_id": a, "text": "<x>y</x>", "parse_mode": "html"}, 400, `Bad Request: can't parse entities: Unsupported start tag "x" at byte offset 0`},
		{"entities", "sendMessage", params{"chat_id": a, "text": "x", "entities": "x"}, 400, "Bad Request: can't parse entities: entities must be a JSON array"},
		{"reply gone", "sendMessage", params{"chat_id": a, "text": "x", "reply_parameters": `{"message_id":99}`}, 400, "Bad Request: message to be replied not found"},
		{"reply gone, old way", "sendMessage", params{"chat_id": a, "text": "x", "reply_to_message_id": "99"}, 400, "Bad Request: message to be replied not found"},
		{"reply in another chat", "sendMessage", params{"chat_id": a, "text": "x", "reply_parameters": `{"message_id":1,"chat_id":"42"}`}, 400, "Bad Request: message to be replied not found"},
		{"reply garbage", "sendMessage", params{"chat_id": a, "text": "x", "reply_parameters": "1"}, 400, "Bad Request: can't parse reply parameters JSON object"},
		{"markup garbage", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": "x"}, 400, "Bad Request: can't parse reply keyboard markup JSON object"},
		{"button without text", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": `{"inline_keyboard":[[{"callback_data":"y"}]]}`}, 400, `Bad Request: can't parse inline keyboard button: Can't find field "text"`},
		{"button without action", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": `{"inline_keyboard":[[{"text":"y"}]]}`}, 400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"},
		{"button address", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": `{"inline_keyboard":[[{"text":"y","url":"nowhere"}]]}`}, 400, "Bad Request: inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL"},
		{"key without text", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": `{"keyboard":[["ok",{"request_contact":true}]]}`}, 400, `Bad Request: can't parse keyboard button: Can't find field "text"`},
		{"markup too long", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": `{"keyboard":[["` + strings.Repeat("y", 10<<10) + `"]]}`}, 400, "Bad Request: reply markup is too long"},
		{"quote elsewhere", "sendMessage", params{"chat_id": a, "text": "x", "reply_parameters": `{"message_id":1,"quote":"bye"}`}, 400, "Bad Request: QUOTE_TEXT_INVALID"},
		{"no topics here", "sendMessage", params{"chat_id": a, "text": "x", "message_thread_id": "1"}, 400, "Bad Request: message thread not found"},
		{"button data", "sendMessage", params{"chat_id": a, "text": "x", "reply_markup": strings.Replace(yes, `"y"`, `"`+strings.Repeat("y", 65)+`"`, 1)}, 400, "Bad Request: BUTTON_DATA_INVALID"},
		{"action", "sendChatAction", params{"chat_id": a, "action": "dancing"}, 400, "Bad Request: wrong parameter action in request"},
		{"action, blocked", "sendChatAction", params{"chat_id": "5550003", "action": "typing"}, 403, "Forbidden: bot was blocked by the user"},
		{"action, unknown chat", "sendChatAction", params{"chat_id": "42", "action": "typing"}, 400, "Bad Request: chat not found"},
		{"edit nothing", "editMessageText", params{"text": "x"}, 400, "Bad Request: message identifier is not specified"},
		{"edit unknown chat", "editMessageText", params{"chat_id": "42", "message_id": "1", "text": "x"}, 400, "Bad Request: chat not found"},
		{"edit unknown", "editMessageText", params{"chat_id": a, "message_id": "99", "text": "x"}, 400, "Bad Request: message to edit not found"},
		{"edit hers", "editMessageText", params{"chat_id": a, "message_id": "1", "text": "x"}, 400, "Bad Request: message can't be edited"},
		{"edit nothing new", "editMessageText", params{"chat_id": a, "message_id": "2", "text": " welcome "}, 400, modified},
		{"edit to nothing", "editMessageText", params{"chat_id": a, "message_id": "2", "text": " "}, 400, "Bad Request: message text is empty"},
		{"edit garbage markup", "editMessageText", params{"chat_id": a, "message_id": "2", "text": "x", "reply_markup": "x"}, 400, "Bad Request: can't parse reply keyboard markup JSON object"},
		{"delete nothing", "deleteMessage", params{"chat_id": a}, 400, "Bad Request: message identifier is not specified"},
		{"delete unknown", "deleteMessage", params{"chat_id": a, "message_id": "99"}, 400, "Bad Request: message to delete not found"},
		{"no caption", "editMessageCaption", params{"chat_id": a, "message_id": "2", "caption": "x"}, 400, "Bad Request: there is no caption in the message to edit"},
		{"caption too long", "editMessageCaption", params{"chat_id": a, "message_id": "2", "caption": strings.Repeat("x", 1025)}, 400, "Bad Request: message caption is too long"},
		{"caption of nothing", "editMessageCaption", params{"chat_id": a, "message_id": "99", "caption": "x"}, 400, "Bad Request: message to edit not found"},
		{"no media", "editMessageMedia", params{"chat_id": a, "message_id": "2"}, 400, "Bad Request: can't parse input media JSON object"},
		{"garbage media", "editMessageMedia", params{"chat_id": a, "message_id": "2", "media": "{"}, 400, "Bad Request: can't parse input media JSON object"},
		{"media without type", "editMessageMedia", params{"chat_id": a, "message_id": "2", "media": `{"media":"x"}`}, 400, `Bad Request: can't parse InputMedia: Can't find field "type"`},
		{"media of another type", "editMessageMedia", params{"chat_id": a, "message_id": "2", "media": `{"type":"voice","media":"x"}`}, 400, "Bad Request: can't parse InputMedia: type must be one of photo, video, animation, audio, document"},
		{"media without file", "editMessageMedia", params{"chat_id": a, "message_id": "2", "media": `{"type":"photo"}`}, 400, "Bad Request: can't parse InputMedia: media not found"},
		{"media not attached", "editMessageMedia", params{"chat_id": a, "message_id": "2", "media": `{"type":"photo","media":"attach://x"}`}, 400, "Bad Request: there is no photo in the request"},
		{"delete none", "deleteMessages", params{"chat_id": a}, 400, "Bad Request: message identifiers are not specified"},
		{"delete empty list", "deleteMessages", params{"chat_id": a, "message_ids": "[]"}, 400, "Bad Request: message identifiers are not specified"},
		{"delete garbage", "deleteMessages", params{"chat_id": a, "message_ids": "1,2"}, 400, "Bad Request: can't parse message identifiers JSON object"},
		{"delete too many", "deleteMessages", params{"chat_id": a, "message_ids": "[1" + strings.Repeat(",1", 100) + "]"}, 400, "Bad Request: too many message identifiers specified"},
		{"delete in unknown chat", "deleteMessages", params{"chat_id": "42", "message_ids": "[1]"}, 400, "Bad Request: chat not found"},
		{"copy from nowhere", "copyMessage", params{"chat_id": a, "message_id": "1"}, 400, "Bad Request: chat_id is empty"},
		{"copy from unknown chat", "copyMessage", params{"chat_id": a, "from_chat_id": "42", "message_id": "1"}, 400, "Bad Request: chat not found"},
		{"copy nothing", "copyMessage", params{"chat_id": a, "from_chat_id": a}, 400, "Bad Request: message identifier is not specified"},
		{"copy unknown", "copyMessage", params{"chat_id": a, "from_chat_id": a, "message_id": "99"}, 400, "Bad Request: message to copy not found"},
		{"copy to blocked", "copyMessage", params{"chat_id": "5550003", "from_chat_id": a, "message_id": "1"}, 403, "Forbidden: bot was blocked by the user"},
		{"forward unknown", "forwardMessage", params{"chat_id": a, "from_chat_id": a, "message_id": "99"}, 400, "Bad Request: message to forward not found"},
		{"forward to blocked", "forwardMessage", params{"chat_id": "5550003", "from_chat_id": a, "message_id": "1"}, 403, "Forbidden: bot was blocked by the user"},
		{"no latitude", "sendLocation", params{"chat_id": a, "longitude": "1"}, 400, "Bad Request: latitude is empty"},
		{"no longitude", "sendLocation", params{"chat_id": a, "latitude": "1"}, 400, "Bad Request: longitude is empty"},
		{"latitude", "sendLocation", params{"chat_id": a, "latitude": "90.1", "longitude": "1"}, 400, "Bad Request: wrong location specified"},
		{"longitude", "sendLocation", params{"chat_id": a, "latitude": "1", "longitude": "-180.1"}, 400, "Bad Request: wrong location specified"},
		{"no number", "sendLocation", params{"chat_id": a, "latitude": "NaN", "longitude": "1"}, 400, "Bad Request: wrong location specified"},
		{"accuracy", "sendLocation", params{"chat_id": a, "latitude": "1", "longitude": "1", "horizontal_accuracy": "1501"}, 400, "Bad Request: wrong location specified"},
		{"live period", "sendLocation", params{"chat_id": a, "latitude": "1", "longitude": "1", "live_period": "59"}, 400, "Bad Request: wrong live location period specified"},
		{"heading", "sendLocation", params{"chat_id": a, "latitude": "1", "longitude": "1", "heading": "361"}, 400, "Bad Request: wrong live location heading specified"},
		{"venue without place", "sendVenue", params{"chat_id": a, "title": "x", "address": "y"}, 400, "Bad Request: latitude is empty"},
		{"venue without title", "sendVenue", params{"chat_id": a, "latitude": "1", "longitude": "1", "address": "y"}, 400, "Bad Request: title is empty"},
		{"venue without address", "sendVenue", params{"chat_id": a, "latitude": "1", "longitude": "1", "title": "x"}, 400, "Bad Request: address is empty"},
		{"contact without number", "sendContact", params{"chat_id": a, "first_name": "Ann"}, 400, "Bad Request: phone number is empty"},
		{"contact without name", "sendContact", params{"chat_id": a, "phone_number": "+1"}, 400, "Bad Request: first name is empty"},
		{"vcard", "sendContact", params{"chat_id": a, "phone_number": "+1", "first_name": "Ann", "vcard": strings.Repeat("x", 2049)}, 400, "Bad Request: vCard is too long"},
		{"dice", "sendDice", params{"chat_id": a, "emoji": "🙂"}, 400, "Bad Request: EMOTICON_INVALID"},
		{"no album", "sendMediaGroup", params{"chat_id": a}, 400, "Bad Request: can't parse media JSON object"},
		{"garbage album", "sendMediaGroup", params{"chat_id": a, "media": "["}, 400, "Bad Request: can't parse media JSON object"},
		{"album of no list", "sendMediaGroup", params{"chat_id": a, "media": "{}"}, 400, "Bad Request: expected an Array of InputMedia"},
		{"album of one", "sendMediaGroup", params{"chat_id": a, "media": `[{"type":"photo","media":"x"}]`}, 400, "Bad Request: there must be at least 2 messages in an album"},
		{"album of eleven", "sendMediaGroup", params{"chat_id": a, "media": "[1" + strings.Repeat(",1", 10) + "]"}, 400, "Bad Request: too many messages to send as an album"},
		{"album of numbers", "sendMediaGroup", params{"chat_id": a, "media": "[1,2]"}, 400, "Bad Request: can't parse InputMedia: expected an Object"},
		{"animation in album", "sendMediaGroup", params{"chat_id": a, "media": `[{"type":"animation","media":"x"},{}]`}, 400, `Bad Request: can't parse InputMedia: type "animation" can't be used in sendMediaGroup`},
		{"unknown query", "answerCallbackQuery", params{"callback_query_id": "1"}, 400, "Bad Request: query is too old and response timeout expired or query ID is invalid"},
	}
	s := peopled(t, telegramsim.Options{})
	before := s.Sent().Total()
	t.Run("all", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				call(s, tt.method, tt.p).refused(t, tt.code, tt.text)
			})
		}
	})
	if got := s.Sent().Total(); got != before {
		t.Errorf("%d refused calls count as accepted", got-before)
	}
}

func TestSendMessage(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	send := func(p params) message {
		t.Helper()
		p["chat_id"] = "5550001"
		var m message
		call(s, "sendMessage", p).into(t, &m)
		return m
	}
	m := send(params{"text": "  hi \n", "reply_parameters": `{"message_id":1}`, "reply_markup": yes})
	if m.ID != 3 || m.Text != "hi" || m.Date != c.now().Unix() || m.From["id"] != 123456789.0 || m.Chat["type"] != "private" {
		t.Errorf("message %+v", m)
	}
	if m.ReplyTo == nil || m.ReplyTo.Text != "hello" || m.Markup["inline_keyboard"] == nil {
		t.Errorf("reply to %+v, markup %v", m.ReplyTo, m.Markup)
	}
	if m = send(params{"text": "x", "reply_parameters": `{"message_id":3,"chat_id":5550001}`}); m.ReplyTo == nil || m.ReplyTo.ReplyTo != nil {
		t.Errorf("reply to a reply: %+v", m.ReplyTo)
	}
	if m = send(params{"text": "x", "reply_parameters": `{"message_id":99,"allow_sending_without_reply":true}`}); m.ReplyTo != nil {
		t.Errorf("reply to nothing: %+v", m.ReplyTo)
	}
	if m = send(params{"text": strings.Repeat("😀", 2048), "reply_markup": `{"remove_keyboard":true}`}); m.Markup != nil {
		t.Errorf("a reply keyboard became part of the message: %v", m.Markup)
	}
	if m = send(params{"text": " <b>a</b> &lt;", "parse_mode": "HTML"}); m.Text != "a <" || len(m.Entities) != 1 || m.Entities[0]["offset"] != 0.0 {
		t.Errorf("html: %q %v", m.Text, m.Entities)
	}
	if said := say(t, s, "Ann", "next"); said.MessageID != m.ID+1 {
		t.Errorf("her next message has number %d, want %d: both directions share the counter", said.MessageID, m.ID+1)
	}
	sent := s.Sent().After(1, 1, nil)[0]
	sent.Detail = nil
	want := sent
	want.Method, want.Account, want.Chat, want.MessageID, want.Text, want.ReplyTo = "sendMessage", "123456789", "5550001", "3", "hi", "1"
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestEditAndDelete(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	at := params{"chat_id": "5550001", "message_id": "2", "text": "changed", "reply_markup": yes}
	c.add(time.Minute)
	var m message
	call(s, "editMessageText", at).into(t, &m)
	if m.ID != 2 || m.Text != "changed" || m.EditDate != m.Date+60 || m.Markup == nil {
		t.Errorf("edited %+v", m)
	}
	call(s, "editMessageText", at).refused(t, 400, modified)
	delete(at, "reply_markup")
	call(s, "editMessageText", at).into(t, &m) // the keyboard goes: that is a change
	if got := call(s, "deleteMessage", at); string(got.Result) != "true" {
		t.Errorf("deleteMessage = %+v", got)
	}
	call(s, "editMessageText", at).refused(t, 400, "Bad Request: message to edit not found")
	call(s, "deleteMessage", at).refused(t, 400, "Bad Request: message to delete not found")
	c.add(48 * time.Hour)
	call(s, "deleteMessage", params{"chat_id": "5550001", "message_id": "1"}).refused(t, 400, "Bad Request: message can't be deleted")
	methods := []string{}
	for _, v := range s.Sent().After(1, 9, nil) {
		methods = append(methods, v.Method+" "+v.MessageID)
	}
	want := []string{"editMessageText 2", "editMessageText 2", "deleteMessage 2"}
	if diff := cmp.Diff(want, methods); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOldMessagesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{SentSize: 2})
	for _, text := range []string{"1", "2", "3"} {
		say(t, s, "5550001", text)
	}
	reply := func(id string) reply {
		return call(s, "sendMessage", params{"chat_id": "5550001", "text": "x", "reply_to_message_id": id})
	}
	reply("1").refused(t, 400, "Bad Request: message to be replied not found")
	if got := reply("3"); !got.OK {
		t.Errorf("reply to a message still remembered: %+v", got)
	}
}

func TestSendChatAction(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	if got := call(s, "sendChatAction", params{"chat_id": "5550001", "action": "typing"}); string(got.Result) != "true" {
		t.Errorf("sendChatAction = %+v", got)
	}
	if v := s.Sent().Last(1)[0]; v.Method != "sendChatAction" || v.Detail["action"] != "typing" {
		t.Errorf("sent %+v", v)
	}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	call(s, "sendMessage", params{"chat_id": "5550001", "text": "sure?", "reply_markup": yes})
	press := func() string {
		_, id, err := s.Press("", "Ann", 3, "y")
		return must(id, err)(t)
	}
	id := press()
	us := fetch(t, s, params{"offset": "-1"})
	q := us[0].Query
	if q["id"] != id || q["data"] != "y" || q["message"].(map[string]any)["message_id"] != 3.0 || q["from"].(map[string]any)["id"] != ann+0.0 {
		t.Errorf("callback_query %v", q)
	}
	const old = "Bad Request: query is too old and response timeout expired or query ID is invalid"
	call(s, "answerCallbackQuery", params{"callback_query_id": id, "text": strings.Repeat("x", 201)}).refused(t, 400, "Bad Request: MESSAGE_TOO_LONG")
	if got := call(s, "answerCallbackQuery", params{"callback_query_id": id}); string(got.Result) != "true" {
		t.Errorf("answerCallbackQuery = %+v", got)
	}
	call(s, "answerCallbackQuery", params{"callback_query_id": id}).refused(t, 400, old)
	id = press()
	c.add(15*time.Minute + time.Second)
	call(s, "answerCallbackQuery", params{"callback_query_id": id}).refused(t, 400, old)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, telegramsim.Options{Limits: true, Now: c.now})
	send := func(person int64) reply {
		return call(s, "sendMessage", params{"chat_id": itoa(person), "text": "x"})
	}
	for i := range 20 {
		say(t, s, itoa(ann+int64(i)), "hello")
	}
	for range 3 {
		if got := send(ann); !got.OK {
			t.Fatalf("within the burst: %+v", got)
		}
	}
	got := send(ann)
	got.refused(t, 429, "Too Many Requests: retry after 1")
	if got.Parameters.RetryAfter != 1 || got.Header.Get("Retry-After") != "1" {
		t.Errorf("429 with %+v, header %q", got.Parameters, got.Header.Get("Retry-After"))
	}
	c.add(time.Second)
	if got := send(ann); !got.OK {
		t.Errorf("after a second: %+v", got)
	}
	accepted := 0
	for i := range 60 {
		if send(ann + int64(i%20)).OK {
			accepted++
		}
	}
	if accepted != 29 {
		t.Errorf("the bot sent %d more messages in that second, want 29", accepted)
	}
	hook := params{"url": "https://93.184.216.34/x"}
	if got := call(s, "setWebhook", hook); !got.OK {
		t.Fatalf("setWebhook: %+v", got)
	}
	call(s, "setWebhook", hook).refused(t, 429, "Too Many Requests: retry after 1")
}
