package telegramsim

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A speech is a line on its way to the bots that hear it.
type speech struct {
	s       *Server
	line    Line
	by      *person // nil: nobody in particular, in a channel
	group   *group  // nil: the private chat
	forward forward
	album   string // media_group_id; "" if it is none
}

// speech finds out who is meant; people who are unknown are made.
func (s *Server) speech(l Line, g *group) (*speech, error) {
	sp := &speech{s: s, line: l, group: g}
	var err error
	if g == nil || g.kind != chatChannel || l.Person != "" {
		if sp.by, err = s.meet(l.Person); err != nil {
			return nil, err
		}
	}
	if len(l.Content) > 1 {
		sp.album = strconv.FormatInt(13_000_000_000_000_000+rand.Int64N(1_000_000_000_000_000), 10)
	}
	if l.Forward != nil {
		sp.forward, err = s.forwarded(*l.Forward)
	}
	return sp, err
}

// forwarded fills both forms. Source: Bot API, MessageOrigin; tdlib/telegram-bot-api
// for the older fields, read 2026-11.
func (s *Server) forwarded(f Forward) (forward, error) {
	if f.Date == 0 {
		f.Date = s.now().Add(-time.Hour).Unix()
	}
	if f.Chat != "" {
		return s.forwardedChat(f)
	}
	if f.From == "" {
		return forward{}, refuse("a forward needs who wrote it: from, or chat")
	}
	if f.Hidden {
		return forward{Origin: &origin{Type: "hidden_user", Date: f.Date, Name: f.From}, ForwardName: f.From, ForwardDate: f.Date}, nil
	}
	p, err := s.meet(f.From)
	if err != nil {
		return forward{}, err
	}
	who := &p.profile.Load().user
	return forward{Origin: &origin{Type: "user", Date: f.Date, User: who}, ForwardFrom: who, ForwardDate: f.Date}, nil
}

func (s *Server) forwardedChat(f Forward) (forward, error) {
	g, err := s.findGroup(f.Chat)
	if err != nil {
		return forward{}, err
	}
	info := g.info.Load()
	out := forward{ForwardChat: info, ForwardSigned: f.Signature, ForwardDate: f.Date}
	if g.kind != chatChannel {
		out.Origin = &origin{Type: "chat", Date: f.Date, SenderChat: info, Signature: f.Signature}
		return out, nil
	}
	out.ForwardID = orElse(f.MessageID, 1)
	out.Origin = &origin{Type: "channel", Date: f.Date, Chat: info, MessageID: out.ForwardID, Signature: f.Signature}
	return out, nil
}

// render makes the contents for one bot, whose lock is not held: one, or one an
// item of an album.
func (sp *speech) render(b *bot) []content {
	if len(sp.line.Content) == 0 {
		return []content{{}}
	}
	parts := make([]content, 0, len(sp.line.Content))
	for i := range sp.line.Content {
		parts = append(parts, sp.line.Content[i].render(b, sp.by))
	}
	return parts
}

// utter stores the messages in b's chat, under ids if they are given, and queues
// what b hears. The caller holds the bot's lock.
func (sp *speech) utter(b *bot, ch *chat, parts []content, ids []int64) (Said, error) {
	base, err := sp.base(b, ch)
	if err != nil {
		return Said{}, err
	}
	said := Said{Account: b.user.ID, Chat: base.Chat.ID, Person: max(base.sender, 0), Date: base.Date}
	for i, part := range parts {
		m := base
		m.content = part
		sp.words(&m, i)
		if m.MessageID = sp.number(ch, ids, i); sp.album != "" {
			said.MessageIDs = append(said.MessageIDs, m.MessageID)
		}
		update, err := b.hear(ch, &m)
		if err != nil {
			return said, err
		}
		if i == 0 {
			said.MessageID, said.UpdateID = m.MessageID, update
		}
	}
	return said, nil
}

func (sp *speech) number(ch *chat, ids []int64, i int) int64 {
	if i < len(ids) {
		return ids[i]
	}
	return ch.next()
}

// base is what all messages of the speech have in common in b's chat.
func (sp *speech) base(b *bot, ch *chat) (message, error) {
	m := message{Chat: ch.info(), Date: sp.s.now().Unix(), forward: sp.forward, MediaGroup: sp.album}
	if m.sender = nobody; sp.by != nil {
		m.sender = sp.by.id
	}
	sp.sign(&m)
	if err := sp.reply(&m, b); err != nil {
		return m, err
	}
	return m, nil
}

// groupAnonymousBot stands in for administrators who do not show themselves.
// Source: Bot API, Message, sender_chat, read 2026-11.
var groupAnonymousBot = user{ID: 1087968824, IsBot: true, FirstName: "Group", Username: "GroupAnonymousBot"}

// sign says who writes, as far as the bot may know.
func (sp *speech) sign(m *message) {
	switch {
	case m.Chat.Type == chatChannel:
		m.SenderChat, m.Signature = m.Chat, sp.line.Signature
	case sp.line.Anonymous:
		m.SenderChat, m.From = m.Chat, &groupAnonymousBot
		m.Signature = sp.line.Signature
	default:
		m.From = &sp.by.profile.Load().user
	}
}

// reply finds what is replied to, and the topic.
func (sp *speech) reply(m *message, b *bot) error {
	if sp.line.ReplyTo != 0 {
		r := sp.s.messages.get(messageKey{b.user.ID, m.Chat.ID, sp.line.ReplyTo})
		if r == nil {
			return noSuch("reply_to is no message of this chat")
		}
		m.ReplyTo, m.ThreadID, m.InTopic = r.alone(), r.ThreadID, r.InTopic
	}
	if topic := sp.line.Topic; topic != 0 {
		m.ThreadID, m.InTopic = topic, true
		if m.ReplyTo == nil { // clients see every message of a topic as a reply to its beginning
			m.ReplyTo = sp.s.messages.get(messageKey{b.user.ID, m.Chat.ID, topic}).alone()
		}
	}
	return sp.quote(m)
}

func (sp *speech) quote(m *message) error {
	q := sp.line.Quote
	if q == "" {
		return nil
	}
	if sp.line.ReplyTo == 0 {
		return refuse("quote needs reply_to")
	}
	whole := m.ReplyTo.Text + m.ReplyTo.Caption // a message has only one of them
	at := strings.Index(whole, q)
	if at < 0 {
		return refuse("quote must be a part of the text of reply_to")
	}
	m.Quote = &textQuote{Text: q, Position: units(whole[:at]), Manual: true}
	return nil
}

// words puts the text where it belongs: an album has it on its first item.
func (sp *speech) words(m *message, item int) {
	text := sp.line.Text
	switch {
	case item > 0:
	case len(sp.line.Content) == 0:
		m.Text, m.Entities = text, commands(text)
	default:
		m.Caption, m.CaptionEntities = text, commands(text)
	}
}

// hear stores a message in b's chat and queues the update, if b gets to see it.
func (b *bot) hear(ch *chat, m *message) (int64, error) {
	b.s.messages.add(messageKey{b.user.ID, m.Chat.ID, m.MessageID}, m)
	if !b.catches(ch, m) {
		return 0, nil
	}
	return b.push(postKind(m), m.Chat.ID, m)
}

// postKind is the kind of update that shows a message.
func postKind(m *message) string {
	kind := "message"
	if m.Chat.Type == chatChannel {
		kind = "channel_post"
	}
	if m.EditDate != 0 {
		kind = "edited_" + kind
	}
	return kind
}

// catches reports whether privacy mode lets the bot see a message of a group:
// only commands that may be meant for it, replies to it and service messages.
// Source: Bots FAQ, What messages will my bot get, read 2026-11.
func (b *bot) catches(ch *chat, m *message) bool {
	if ch.group == nil || b.readsAll || ch.status == statusAdmin || m.serves() {
		return true
	}
	if m.ReplyTo != nil && m.ReplyTo.sender == 0 {
		return true
	}
	for _, e := range m.Entities {
		if e.Type == "bot_command" && e.Offset == 0 {
			_, to, addressed := strings.Cut(m.Text[:e.Length], "@") // commands are ASCII
			return !addressed || strings.EqualFold(to, b.user.Username)
		}
	}
	return false
}

// serves reports whether m tells about the chat itself.
func (m *message) serves() bool {
	v := &m.service
	return len(v.NewMembers) > 0 || v.LeftMember != nil || v.NewTitle != "" || len(v.NewPhoto) > 0 ||
		v.PhotoDeleted || v.GroupCreated || v.MigrateTo != 0 || v.MigrateFrom != 0 || v.TopicCreated != nil
}
