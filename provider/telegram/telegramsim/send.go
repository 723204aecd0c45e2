package telegramsim

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-im/parley/simulator"
)

// sendMessage. Source: Bot API, sendMessage, read 2026-11.
func (c *call) sendMessage() (any, error) {
	t, err := styledText(c.params)
	if err != nil {
		return nil, err
	}
	markup, err := c.markup()
	if err != nil {
		return nil, err
	}
	p, err := c.recipient()
	if err != nil {
		return nil, err
	}
	reply, err := c.replyTo(p.id)
	if err != nil {
		return nil, err
	}
	return c.store(p, &message{Text: t.text, Entities: t.entities, ReplyMarkup: markup, ReplyTo: reply})
}

// store gives an outgoing message its number and keeps it.
func (c *call) store(p *person, m *message) (any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.reach(p)
	if err != nil {
		return nil, err
	}
	if err := c.paced(ch); err != nil {
		return nil, err
	}
	now := c.now()
	ch.lastID++
	m.MessageID, m.From, m.Chat, m.Date = ch.lastID, b.user, &p.profile.Load().chat, now.Unix()
	c.messages.add(messageKey{b.user.ID, p.id, m.MessageID}, m)
	c.record(now, m) // under the lock, so that the list has the order of the numbers
	return m, nil
}

// reach returns the chat with p, or why nothing can be sent there; the caller
// holds the lock.
func (b *bot) reach(p *person) (*chat, error) {
	ch := b.chats[p.id]
	switch {
	case p.profile.Load().deactivated:
		return nil, forbidden("user is deactivated")
	case ch == nil:
		return nil, forbidden("bot can't initiate conversation with a user")
	case ch.blocked:
		return nil, forbidden("bot was blocked by the user")
	}
	return ch, nil
}

// paced enforces the published rates when asked to.
// Source: Bots FAQ, My bot is hitting limits, read 2026-11.
func (c *call) paced(ch *chat) error {
	if !c.opts.Limits {
		return nil
	}
	if ch.pace == nil {
		ch.pace = rate.NewLimiter(1, 3)
	}
	now := c.now()
	for _, l := range []*rate.Limiter{ch.pace, c.bot.pace} {
		r := l.ReserveN(now, 1)
		if d := r.DelayFrom(now); d > 0 {
			r.CancelAt(now)
			return tooMany(seconds(d))
		}
	}
	return nil
}

// record notes what was accepted.
func (c *call) record(now time.Time, m *message) {
	s := simulator.Sent{Time: now, Account: c.bot.key, Method: c.name, Text: m.Text, Detail: c.detail(),
		Chat: strconv.FormatInt(m.Chat.ID, 10), MessageID: strconv.FormatInt(m.MessageID, 10)}
	if m.ReplyTo != nil {
		s.ReplyTo = strconv.FormatInt(m.ReplyTo.MessageID, 10)
	}
	c.sent.Append(func(seq uint64) simulator.Sent { s.Seq = seq; return s })
}

// detail keeps the parameters that tests ask about.
func (c *call) detail() map[string]any {
	var out map[string]any
	for _, name := range []string{"parse_mode", "reply_markup", "link_preview_options", "action"} {
		if v := c.params.Get(name); v != "" {
			if out == nil {
				out = make(map[string]any)
			}
			out[name] = v
		}
	}
	return out
}

// replyParameters. Source: Bot API, ReplyParameters, read 2026-11.
type replyParameters struct {
	MessageID int64           `json:"message_id"`
	ChatID    json.RawMessage `json:"chat_id"`
	Lenient   bool            `json:"allow_sending_without_reply"`
}

// replyTo finds the message that is replied to, nil if none is or if it may be missing.
func (c *call) replyTo(chat int64) (*message, error) {
	var r replyParameters
	given, err := c.params.JSON("reply_parameters", &r)
	if err != nil {
		return nil, badRequest("can't parse reply parameters JSON object")
	}
	if !given { // the older pair of parameters still works
		r.MessageID = c.clamped("reply_to_message_id", 0, 0, 1<<31-1)
		r.Lenient = c.params.Bool("allow_sending_without_reply")
	}
	if r.MessageID == 0 {
		return nil, nil
	}
	m := c.messages.get(messageKey{c.bot.user.ID, r.chat(chat), r.MessageID})
	if m == nil && !r.Lenient {
		return nil, badRequest("message to be replied not found")
	}
	return m.alone(), nil
}

// chat is where the message is that is replied to.
func (r replyParameters) chat(fallback int64) int64 {
	text := string(r.ChatID)
	if s, err := strconv.Unquote(text); err == nil {
		text = s
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return id
	}
	return fallback
}

// alone is a message as others quote it: without what it replied to itself.
func (m *message) alone() *message {
	if m == nil || m.ReplyTo == nil {
		return m
	}
	copied := *m
	copied.ReplyTo = nil
	return &copied
}

type inlineKeyboard struct {
	Rows [][]struct {
		Text string `json:"text"`
		Data string `json:"callback_data"`
	} `json:"inline_keyboard"`
}

// maxData is the limit of callback_data, in bytes.
// Source: Bot API, InlineKeyboardButton, read 2026-11.
const maxData = 64

// markup checks reply_markup; only an inline keyboard becomes part of the message.
func (c *call) markup() (json.RawMessage, error) {
	var k inlineKeyboard
	given, err := c.params.JSON("reply_markup", &k)
	if err != nil {
		return nil, badRequest("can't parse reply keyboard markup JSON object")
	}
	for _, row := range k.Rows {
		for _, button := range row {
			if button.Text == "" {
				return nil, badRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
			}
			if len(button.Data) > maxData {
				return nil, badRequest("BUTTON_DATA_INVALID")
			}
		}
	}
	if !given || k.Rows == nil {
		return nil, nil
	}
	return json.RawMessage(c.params.Get("reply_markup")), nil
}

// chatActions. Source: Bot API, sendChatAction, read 2026-11.
var chatActions = []string{
	"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
	"upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}

func (c *call) sendChatAction() (any, error) {
	if !slices.Contains(chatActions, c.params.Get("action")) {
		return nil, badRequest("wrong parameter action in request")
	}
	p, err := c.recipient()
	if err != nil {
		return nil, err
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	if _, err := c.bot.reach(p); err != nil {
		return nil, err
	}
	c.record(c.now(), &message{Chat: &p.profile.Load().chat})
	return true, nil
}
