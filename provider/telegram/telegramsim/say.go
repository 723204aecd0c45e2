package telegramsim

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// Said tells a test what became of something a person did. Ids are Telegram's.
type Said struct {
	Account   int64 `json:"account"`
	Person    int64 `json:"person"`
	Chat      int64 `json:"chat"`
	MessageID int64 `json:"message_id,omitempty"`
	UpdateID  int64 `json:"update_id"` // 0: the bot does not ask for this kind of update
	Date      int64 `json:"date"`      // unix seconds
}

// A Line is what a person writes. An empty Account or Person means the only one.
type Line struct {
	Account string // id, token or username
	Person  string // id, username or name; made if unknown
	Text    string
	ReplyTo int64 // a message of the chat; 0: none
}

// Say lets a person write to a bot; the first time counts as starting it. Its
// errors are of kind parley.KindInvalid, parley.KindNotFound or parley.KindConflict.
func (s *Server) Say(l Line) (Said, error) {
	text := strings.TrimSpace(l.Text)
	if text == "" {
		return Said{}, refuse("text is empty; people cannot send that")
	}
	if units(text) > maxText {
		return Said{}, refuse("text is longer than 4096 UTF-16 code units; a messenger would send it as several messages")
	}
	b, err := s.findBot(l.Account)
	if err != nil {
		return Said{}, err
	}
	p, err := s.meet(l.Person)
	if err != nil {
		return Said{}, err
	}
	return b.hear(p, text, l.ReplyTo)
}

// payloadShape is what a deep link may carry. Source: Telegram, Deep links, read 2026-11.
var payloadShape = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

// Start lets a person press Start, with the payload of a deep link or none.
func (s *Server) Start(account, person, payload string) (Said, error) {
	if !payloadShape.MatchString(payload) {
		return Said{}, refuse("payload must be at most 64 letters, digits, _ or -")
	}
	return s.Say(Line{Account: account, Person: person, Text: strings.TrimSpace("/start " + payload)})
}

// hear stores what p wrote and queues the update.
func (b *bot) hear(p *person, text string, replyTo int64) (Said, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.open(p)
	if err != nil {
		return Said{}, err
	}
	var reply *message
	if replyTo != 0 {
		if reply = b.s.messages.get(messageKey{b.user.ID, p.id, replyTo}); reply == nil {
			return Said{}, parley.Errorf(parley.KindNotFound, "reply_to is no message of this chat")
		}
	}
	ch.lastID++
	prof := p.profile.Load()
	m := &message{MessageID: ch.lastID, From: &prof.user, Chat: &prof.chat, Date: b.s.now().Unix(),
		Text: text, Entities: commands(text), ReplyTo: reply.alone()}
	b.s.messages.add(messageKey{b.user.ID, p.id, m.MessageID}, m)
	return b.tell("message", m)
}

// open returns the chat of p who is about to write, made if need be.
func (b *bot) open(p *person) (*chat, error) {
	if err := b.hears(p); err != nil {
		return nil, err
	}
	ch := b.chats[p.id]
	if ch == nil {
		ch = &chat{person: p, lastID: b.s.opts.FirstMessage}
		b.chats[p.id] = ch
	}
	return ch, nil
}

// Meet makes a person who started the bot some time ago, which is in no update.
// Its errors are those of Say.
func (s *Server) Meet(account, person string) error {
	b, err := s.findBot(account)
	if err != nil {
		return err
	}
	p, err := s.meet(person)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err = b.open(p)
	return err
}

// hears reports why p cannot do anything in the chat with b, if so.
func (b *bot) hears(p *person) error {
	if p.profile.Load().deactivated {
		return refuse("the person's account is deactivated")
	}
	if ch := b.chats[p.id]; ch != nil && ch.blocked {
		return refuse("the person has blocked the bot; POST unblock first")
	}
	return b.room()
}

func (b *bot) tell(kind string, m *message) (Said, error) {
	id, err := b.push(kind, m.Chat.ID, m)
	return Said{Account: b.user.ID, Person: m.Chat.ID, Chat: m.Chat.ID, MessageID: m.MessageID,
		UpdateID: id, Date: max(m.Date, m.EditDate)}, err
}

// Edit lets a person change a message of theirs.
func (s *Server) Edit(account, person string, messageID int64, text string) (Said, error) {
	text = strings.TrimSpace(text)
	if text == "" || units(text) > maxText {
		return Said{}, refuse("text must have between 1 and 4096 UTF-16 code units")
	}
	b, p, err := s.pair(account, person)
	if err != nil {
		return Said{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.hears(p); err != nil {
		return Said{}, err
	}
	k := messageKey{b.user.ID, p.id, messageID}
	m := s.messages.get(k)
	if m == nil || m.From.IsBot {
		return Said{}, parley.Errorf(parley.KindNotFound, "message_id is no message that this person wrote to the bot")
	}
	prof, edited := p.profile.Load(), *m
	edited.From, edited.Chat = &prof.user, &prof.chat
	edited.Text, edited.Entities, edited.EditDate = text, commands(text), s.now().Unix()
	s.messages.replace(k, &edited)
	return b.tell("edited_message", &edited)
}

// pair finds a bot and a person who are there already.
func (s *Server) pair(account, person string) (*bot, *person, error) {
	b, err := s.findBot(account)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.findPerson(person)
	return b, p, err
}

// Press lets a person press the inline button with data under a bot's message.
func (s *Server) Press(account, person string, messageID int64, data string) (Said, string, error) {
	b, p, err := s.pair(account, person)
	if err != nil {
		return Said{}, "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.hears(p); err != nil {
		return Said{}, "", err
	}
	m := s.messages.get(messageKey{b.user.ID, p.id, messageID})
	if !m.offers(data) {
		return Said{}, "", parley.Errorf(parley.KindNotFound, "message_id has no inline button with this callback_data")
	}
	q := callbackQuery{ID: strconv.FormatInt(b.queue.next<<20|p.id&(1<<20-1), 10), From: &p.profile.Load().user,
		Message: m, ChatInstance: strconv.FormatInt(-p.id, 10), Data: data}
	now := s.now()
	b.ask(q.ID, now)
	id, err := b.push("callback_query", p.id, q)
	return Said{Account: b.user.ID, Person: p.id, Chat: p.id, MessageID: messageID, UpdateID: id, Date: now.Unix()}, q.ID, err
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

// Block lets a person block a bot they have written to.
func (s *Server) Block(account, person string) (Said, error) {
	return s.setBlocked(account, person, true)
}

// Unblock takes Block back.
func (s *Server) Unblock(account, person string) (Said, error) {
	return s.setBlocked(account, person, false)
}

func (s *Server) setBlocked(account, person string, blocked bool) (Said, error) {
	b, p, err := s.pair(account, person)
	if err != nil {
		return Said{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := b.chats[p.id]
	switch {
	case ch == nil:
		return Said{}, refuse("the person has never written to the bot; POST say or POST start first")
	case p.profile.Load().deactivated:
		return Said{}, refuse("the person's account is deactivated")
	case ch.blocked == blocked && blocked:
		return Said{}, refuse("the person has blocked the bot already")
	case ch.blocked == blocked:
		return Said{}, refuse("the person has not blocked the bot")
	}
	if err := b.room(); err != nil {
		return Said{}, err
	}
	ch.blocked = blocked
	return b.tellMember(p, blocked)
}

// tellMember is the update about a block. Source: Bot API, ChatMemberUpdated, read 2026-11.
func (b *bot) tellMember(p *person, blocked bool) (Said, error) {
	now, until, prof := b.s.now().Unix(), int64(0), p.profile.Load()
	in, out := member{User: b.user, Status: "member"}, member{User: b.user, Status: "kicked", UntilDate: &until}
	u := memberUpdate{Chat: &prof.chat, From: &prof.user, Date: now, Old: in, New: out}
	if !blocked {
		u.Old, u.New = out, in
	}
	id, err := b.push("my_chat_member", p.id, u)
	return Said{Account: b.user.ID, Person: p.id, Chat: p.id, UpdateID: id, Date: now}, err
}

// Inject queues an update as it is, whatever kind it claims to be, past
// allowed_updates. Without update_id it gets the next one. An update_id of the
// past is accepted only while a webhook is set: a poll could never fetch it.
func (s *Server) Inject(account string, raw []byte) (Said, error) {
	b, err := s.findBot(account)
	if err != nil {
		return Said{}, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return Said{}, refuse("the body must be a JSON object, an Update")
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, raw) // it has just been parsed
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := b.rawUpdate(compact.Bytes(), fields)
	if err != nil {
		return Said{}, err
	}
	b.enqueue(u)
	return Said{Account: b.user.ID, Chat: u.chat, Person: max(u.chat, 0), UpdateID: u.id, Date: s.now().Unix()}, nil
}

func (b *bot) rawUpdate(body []byte, fields map[string]json.RawMessage) (*update, error) {
	u := &update{id: b.queue.next, body: body}
	if id, ok := fields["update_id"]; !ok {
		head := strconv.AppendInt([]byte(`{"update_id":`), u.id, 10)
		if len(fields) > 0 {
			head = append(head, ',')
		}
		u.body = append(head, body[1:]...)
	} else if err := json.Unmarshal(id, &u.id); err != nil {
		return nil, refuse("update_id must be a whole number; leave it out to get the next one")
	}
	if u.id < b.queue.next && b.hook == nil {
		return nil, refuse("update_id must be " + strconv.FormatInt(b.queue.next, 10) + " or more while no webhook is set")
	}
	for kind, event := range fields {
		if kind != "update_id" {
			u.kind, u.chat = kind, chatOf(event)
		}
	}
	return u, b.room()
}

// chatOf finds the chat an event belongs to, 0 if it does not say.
func chatOf(event json.RawMessage) int64 {
	type holder struct {
		ID int64 `json:"id"`
	}
	var e struct {
		Chat    holder `json:"chat"`
		From    holder `json:"from"`
		Message struct {
			Chat holder `json:"chat"`
		} `json:"message"`
	}
	_ = json.Unmarshal(event, &e) // whatever cannot be read stays 0
	for _, id := range []int64{e.Chat.ID, e.Message.Chat.ID, e.From.ID} {
		if id != 0 {
			return id
		}
	}
	return 0
}
