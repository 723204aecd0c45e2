package telegramsim

import (
	"regexp"
	"strings"

	"github.com/parley-im/parley"
)

// Said tells a test what became of something a person did. Ids are Telegram's.
type Said struct {
	Account    int64   `json:"account"`
	Person     int64   `json:"person"` // 0: nobody in particular
	Chat       int64   `json:"chat"`
	MessageID  int64   `json:"message_id,omitempty"`
	MessageIDs []int64 `json:"message_ids,omitempty"` // of an album
	UpdateID   int64   `json:"update_id"`             // of the first update; 0: the bot does not get any
	Date       int64   `json:"date"`                  // unix seconds
}

// Say lets a person write to a bot, or in a group where all its bots may hear
// it; Said is then about the account, or else the first bot. The first words in a
// private chat count as starting the bot. Its errors are of kind
// parley.KindInvalid, parley.KindNotFound or parley.KindConflict.
func (s *Server) Say(l Line) (Said, error) {
	if err := l.check(); err != nil {
		return Said{}, err
	}
	if l.Chat != "" {
		return s.sayInGroup(l)
	}
	if l.Topic != 0 || l.Anonymous || l.Signature != "" {
		return Said{}, refuse("topic, anonymous and signature have no meaning in a private chat; say where by chat")
	}
	b, err := s.findBot(l.Account)
	if err != nil {
		return Said{}, err
	}
	sp, err := s.speech(l, nil)
	if err != nil {
		return Said{}, err
	}
	parts := sp.render(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.open(sp.by)
	if err != nil {
		return Said{}, err
	}
	return sp.utter(b, ch, parts, nil)
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
	if err := p.gone(); err != nil {
		return err
	}
	if ch := b.chats[p.id]; ch != nil && ch.blocked {
		return refuse("the person has blocked the bot; POST unblock first")
	}
	return b.room()
}

func (p *person) gone() error {
	if p.profile.Load().deactivated {
		return refuse("the person's account is deactivated")
	}
	return nil
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
	case p.gone() != nil:
		return Said{}, p.gone()
	case ch.blocked == blocked && blocked:
		return Said{}, refuse("the person has blocked the bot already")
	case ch.blocked == blocked:
		return Said{}, refuse("the person has not blocked the bot")
	}
	if err := b.room(); err != nil {
		return Said{}, err
	}
	ch.blocked = blocked
	if blocked {
		return b.tellMember(ch, p, statusMember, statusKicked)
	}
	return b.tellMember(ch, p, statusKicked, statusMember)
}

// What a bot is in a chat. Source: Bot API, ChatMember, read 2026-11.
const (
	statusAdmin  = "administrator"
	statusMember = "member"
	statusLeft   = "left"
	statusKicked = "kicked"
)

// tellMember is the update about b's own standing, by p.
// Source: Bot API, ChatMemberUpdated, read 2026-11.
func (b *bot) tellMember(ch *chat, p *person, was, is string) (Said, error) {
	now, prof := b.s.now().Unix(), p.profile.Load()
	u := memberUpdate{Chat: ch.info(), From: &prof.user, Date: now, Old: standing(b.user, was), New: standing(b.user, is)}
	id, err := b.push("my_chat_member", u.Chat.ID, u)
	return Said{Account: b.user.ID, Person: p.id, Chat: u.Chat.ID, UpdateID: id, Date: now}, err
}

func standing(who *user, status string) member {
	m := member{User: who, Status: status}
	if status == statusKicked {
		m.UntilDate = new(int64) // 0: for ever
	}
	return m
}

func noSuch(sentence string) error { return parley.Errorf(parley.KindNotFound, sentence) }
