package telegramsim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
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
	return c.sendOne(draft{message{Text: t.text, Entities: t.entities}, "text messages", nil})
}

// A draft is a message that is in no chat yet.
type draft struct {
	message
	right  string         // what it is in a refusal: photos
	detail map[string]any // for the list of what was sent; may be nil
}

// sendOne sends a draft with the keyboard that the request gives it.
func (c *call) sendOne(d draft) (*message, error) {
	var err error
	if d.ReplyMarkup, err = c.markup(); err != nil {
		return nil, err
	}
	list, err := c.send([]draft{d})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// send puts drafts into the chat that the request names, all or none.
func (c *call) send(drafts []draft) ([]*message, error) {
	p, err := c.peer("chat_id")
	if err != nil {
		return nil, err
	}
	common, err := c.common(p)
	if err != nil {
		return nil, err
	}
	for i := range drafts {
		d := &drafts[i]
		d.ReplyTo, d.Quote, d.ThreadID, d.InTopic = common.ReplyTo, common.Quote, common.ThreadID, common.InTopic
	}
	return c.store(p, drafts)
}

// common is what all messages of a request share: what they reply to and their topic.
func (c *call) common(p peer) (message, error) {
	reply, quote, err := c.replyTo(p.id())
	if err != nil {
		return message{}, err
	}
	m := message{ReplyTo: reply, Quote: quote, ThreadID: c.clamped("message_thread_id", 0, 0, 1<<31-1)}
	if m.InTopic = m.ThreadID != 0; m.InTopic && !p.hasTopic(m.ThreadID) {
		return message{}, badRequest("message thread not found")
	}
	return m, nil
}

// store gives outgoing messages their numbers and keeps them.
func (c *call) store(p peer, drafts []draft) ([]*message, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.reachFor(p, drafts)
	if err != nil {
		return nil, err
	}
	if err := c.paced(ch, len(drafts)); err != nil {
		return nil, err
	}
	now, out := c.now(), make([]*message, len(drafts))
	for i := range drafts {
		out[i] = &drafts[i].message
		c.place(ch, out[i], now)
		c.record(now, out[i], drafts[i].detail) // under the lock, so that the list has the order of the numbers
	}
	return out, nil
}

// place makes m the chat's next message. Only of what it writes in a channel does
// a bot get an update. Source: tdlib/telegram-bot-api, read 2026-11.
func (c *call) place(ch *chat, m *message, now time.Time) {
	m.MessageID, m.Chat, m.Date = ch.next(), ch.info(), now.Unix()
	channel := m.Chat.Type == chatChannel
	if channel {
		m.SenderChat = m.Chat
	} else {
		m.From = c.bot.user
	}
	c.messages.add(messageKey{c.bot.user.ID, m.Chat.ID, m.MessageID}, m)
	if channel {
		_, _ = c.bot.push("channel_post", m.Chat.ID, m) // a message always becomes JSON
	}
}

// paced enforces the published rates when asked to; n messages count as n.
// Source: Bots FAQ, My bot is hitting limits, read 2026-11.
func (c *call) paced(ch *chat, n int) error {
	if !c.opts.Limits {
		return nil
	}
	if ch.pace == nil {
		ch.pace = rate.NewLimiter(1, 3)
		ch.minute = rate.NewLimiter(rate.Every(time.Minute/groupRate), groupRate)
	}
	limits := []*rate.Limiter{ch.pace, c.bot.pace}
	if ch.group != nil {
		limits = append(limits, ch.minute)
	}
	return take(limits, c.now(), n)
}

// groupRate is how many messages a minute a group takes from a bot.
// Source: Bots FAQ, My bot is hitting limits, read 2026-11.
const groupRate = 20

// take takes n from every limit, or nothing and tells how long to wait. What is
// more than a burst counts as one.
func take(limits []*rate.Limiter, now time.Time, n int) error {
	var taken []*rate.Reservation
	for _, l := range limits {
		r := l.ReserveN(now, min(n, l.Burst()))
		taken = append(taken, r)
		if d := r.DelayFrom(now); d > 0 {
			for _, r := range taken {
				r.CancelAt(now)
			}
			return tooMany(seconds(d))
		}
	}
	return nil
}

// record notes what was accepted.
func (c *call) record(now time.Time, m *message, more map[string]any) {
	s := simulator.Sent{Time: now, Account: c.bot.key, Method: c.name, Text: m.Text, Detail: c.detail(more),
		Chat: strconv.FormatInt(m.Chat.ID, 10), MessageID: strconv.FormatInt(m.MessageID, 10)}
	if s.Text == "" {
		s.Text = m.Caption
	}
	if m.ReplyTo != nil {
		s.ReplyTo = strconv.FormatInt(m.ReplyTo.MessageID, 10)
	}
	c.sent.Append(func(seq uint64) simulator.Sent { s.Seq = seq; return s })
}

// detail is more, with the parameters that tests ask about; nil if there is nothing.
func (c *call) detail(more map[string]any) map[string]any {
	for _, name := range []string{"parse_mode", "reply_markup", "link_preview_options", "action"} {
		if v := c.params.Get(name); v != "" {
			if more == nil {
				more = make(map[string]any)
			}
			more[name] = v
		}
	}
	return more
}

// replyParameters. Source: Bot API, ReplyParameters, read 2026-11.
type replyParameters struct {
	MessageID int64           `json:"message_id"`
	ChatID    json.RawMessage `json:"chat_id"`
	Lenient   bool            `json:"allow_sending_without_reply"`
	Quote     string          `json:"quote"`
}

// replyTo finds the message that is replied to, nil if none is or if it may be
// missing, and the part of it that is quoted.
func (c *call) replyTo(chat int64) (*message, *textQuote, error) {
	var r replyParameters
	given, err := c.params.JSON("reply_parameters", &r)
	if err != nil {
		return nil, nil, badRequest("can't parse reply parameters JSON object")
	}
	if !given { // the older pair of parameters still works
		r.MessageID = c.clamped("reply_to_message_id", 0, 0, 1<<31-1)
		r.Lenient = c.params.Bool("allow_sending_without_reply")
	}
	if r.MessageID == 0 {
		return nil, nil, nil
	}
	m := c.messages.get(messageKey{c.bot.user.ID, r.chat(chat), r.MessageID})
	if m == nil && !r.Lenient {
		return nil, nil, badRequest("message to be replied not found")
	}
	quote, err := m.quoted(r.Quote)
	return m.alone(), quote, err
}

// quoted is a part of the text or caption, which must be there word for word.
func (m *message) quoted(part string) (*textQuote, error) {
	if m == nil || part == "" {
		return nil, nil
	}
	before, _, ok := strings.Cut(m.Text+m.Caption, part)
	if !ok {
		return nil, badRequest("QUOTE_TEXT_INVALID")
	}
	return &textQuote{Text: part, Position: units(before), Manual: true}, nil
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

// chatActions. Source: Bot API, sendChatAction, read 2026-11.
var chatActions = []string{
	"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
	"upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}

func (c *call) sendChatAction() (any, error) {
	if !slices.Contains(chatActions, c.params.Get("action")) {
		return nil, badRequest("wrong parameter action in request")
	}
	p, err := c.peer("chat_id")
	if err != nil {
		return nil, err
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	ch, err := c.bot.reach(p, "text messages")
	if err != nil {
		return nil, err
	}
	c.record(c.now(), &message{Chat: ch.info()}, nil)
	return true, nil
}
