package telegramsim

import (
	"slices"
	"strconv"

	"github.com/parley-im/parley"
)

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// AddToGroup lets a person add the account (or the only bot) to a group, as
// "member" or "administrator"; "" means member, in a channel administrator, the
// only role of bots there. Said is about the bot's my_chat_member update; a
// service message follows it.
func (s *Server) AddToGroup(a GroupAct, role string) (Said, error) {
	return s.setRole(a, role, entryAdded)
}

// CreateGroup is AddGroup with the account (or the only bot) among the first
// members; a.Chat is ignored. Said is as for AddToGroup.
func (s *Server) CreateGroup(d Group, a GroupAct, role string) (Group, Said, error) {
	if _, err := s.findBot(a.Account); err != nil { // before anything is made
		return Group{}, Said{}, err
	}
	if _, err := (&group{kind: d.Type}).role(role); err != nil {
		return Group{}, Said{}, err
	}
	g, err := s.AddGroup(d)
	if err != nil {
		return Group{}, Said{}, err
	}
	a.Chat = itoa64(g.ID)
	said, err := s.setRole(a, role, entryCreated)
	return s.groupOf(g.ID).describe(), said, err
}

// An entry is how a bot gets its role.
type entry int

const (
	entryAdded    entry = iota // to a group that was there
	entryCreated               // with the group
	entryPromoted              // in the group already
)

// Promote changes the role of a bot that is in the group already.
func (s *Server) Promote(a GroupAct, role string) (Said, error) {
	b, err := s.findBot(a.Account)
	if err != nil {
		return Said{}, err
	}
	g, err := s.findGroup(a.Chat)
	if err != nil {
		return Said{}, err
	}
	if !b.isIn(g) {
		return Said{}, refuse("the bot is not in the chat; POST add first")
	}
	return s.setRole(a, role, entryPromoted)
}

func (s *Server) setRole(a GroupAct, role string, how entry) (Said, error) {
	b, err := s.findBot(a.Account)
	if err != nil {
		return Said{}, err
	}
	st, err := s.enter(a)
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if role, err = st.group.role(role); err != nil {
		return Said{}, err
	}
	if b.isIn(st.group) != (how == entryPromoted) {
		return Said{}, refuse("the bot is in the chat already; POST promote changes its role")
	}
	said, err := st.stand(b, role)
	if err != nil || how == entryPromoted || st.group.kind == chatChannel {
		return said, err
	}
	if !slices.Contains(st.bots, b) {
		st.bots = append(st.bots, b)
	}
	_, err = st.notify(func(*bot) service {
		if how == entryCreated && st.group.kind == chatGroup {
			return service{GroupCreated: true}
		}
		return service{NewMembers: []user{*b.user}}
	})
	return said, err
}

// role checks a role and fills in the usual one.
func (g *group) role(role string) (string, error) {
	if role == "" {
		role = statusMember
		if g.kind == chatChannel {
			role = statusAdmin
		}
	}
	switch {
	case role != statusMember && role != statusAdmin:
		return "", refuse("role must be member or administrator")
	case g.kind == chatChannel && role == statusMember:
		return "", refuse("bots are administrators of channels, never just members")
	}
	return role, nil
}

// stand changes what b is in the group and tells it.
func (st *stage) stand(b *bot, status string) (Said, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.room(); err != nil {
		return Said{}, err
	}
	ch := b.chats[st.group.id]
	if ch == nil {
		ch = &chat{group: st.group, status: statusLeft, lastID: st.s.opts.FirstMessage}
		b.chats[st.group.id] = ch
	}
	if ch.status == status {
		return Said{}, refuse("the bot is " + status + " there already")
	}
	was := ch.status
	ch.status = status
	return b.tellMember(ch, st.by, was, status)
}

// Kick removes the account (or the only bot) from a group, for good if banned.
// In a basic group a service message goes before.
func (s *Server) Kick(a GroupAct, banned bool) (Said, error) {
	b, err := s.findBot(a.Account)
	if err != nil {
		return Said{}, err
	}
	st, err := s.enter(a)
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if !b.isIn(st.group) {
		return Said{}, refuse("the bot is not in the chat")
	}
	if st.group.kind == chatGroup {
		if _, err := st.notify(func(*bot) service { return service{LeftMember: b.user} }); err != nil {
			return Said{}, err
		}
	}
	if banned {
		return st.stand(b, statusKicked)
	}
	return st.stand(b, statusLeft)
}

// Join lets a person enter a group; who is there already gets an error.
func (s *Server) Join(a GroupAct) (Said, error) { return s.move(a, true) }

// Leave lets a person leave a group.
func (s *Server) Leave(a GroupAct) (Said, error) { return s.move(a, false) }

func (s *Server) move(a GroupAct, in bool) (Said, error) {
	g, err := s.findGroup(a.Chat)
	if err != nil {
		return Said{}, err
	}
	p, err := s.meet(a.Person)
	if err != nil {
		return Said{}, err
	}
	if g.inside(p) == in {
		return Said{}, parley.Errorf(parley.KindConflict, "the person is there already, or is gone already")
	}
	a.Person = itoa64(p.id)
	st, err := s.enter(a) // makes p a member
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if !in {
		st.group.members = slices.DeleteFunc(st.group.members, func(m *person) bool { return m == p })
	}
	return st.tellMoved(p, in)
}

func (g *group) inside(p *person) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.has(p)
}

// tellMoved sends the service message, which channels do not have, and the
// chat_member update, which only administrators get.
func (st *stage) tellMoved(p *person, in bool) (Said, error) {
	who := &p.profile.Load().user
	if err := st.tellMember(p, who, in); err != nil || st.group.kind == chatChannel {
		return Said{Person: p.id, Chat: st.group.id, Date: st.s.now().Unix()}, err
	}
	if in {
		return st.notify(func(*bot) service { return service{NewMembers: []user{*who}} })
	}
	return st.notify(func(*bot) service { return service{LeftMember: who} })
}

func (st *stage) tellMember(p *person, who *user, in bool) error {
	u := memberUpdate{Chat: st.group.info.Load(), From: who, Date: st.s.now().Unix(),
		Old: standing(who, statusMember), New: standing(who, statusLeft)}
	if in {
		u.Old, u.New = u.New, u.Old
	}
	for _, b := range st.bots {
		b.mu.Lock()
		var err error
		if b.chats[st.group.id].status == statusAdmin {
			_, err = b.push("chat_member", u.Chat.ID, u)
		}
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Migrate makes a supergroup of a basic group: a new chat with the same title,
// people and bots, a service message in either. It returns the new one.
func (s *Server) Migrate(a GroupAct) (Group, error) {
	st, err := s.enter(a)
	if err != nil {
		return Group{}, err
	}
	defer st.leave()
	if st.group.kind != chatGroup {
		return Group{}, refuse("only a basic group can become a supergroup")
	}
	old := st.group
	g, err := s.addGroup(Group{Type: chatSupergroup, Title: old.info.Load().Title})
	if err != nil {
		return Group{}, err
	}
	g.mu.Lock()
	g.members = slices.Clone(old.members)
	g.mu.Unlock()
	g.photo.Store(old.photo.Load())
	if err := st.migrate(g); err != nil {
		return Group{}, err
	}
	return g.describe(), nil
}

func (st *stage) migrate(to *group) error {
	from := st.group
	if _, err := st.notify(func(*bot) service { return service{MigrateTo: to.id} }); err != nil {
		return err
	}
	from.movedTo.Store(to.id)
	next := &stage{s: st.s, group: to, by: st.by, bots: st.bots}
	var id int64
	for _, b := range st.bots {
		b.adopt(from, to)
		m := next.service(service{MigrateFrom: from.id})
		m.From, m.SenderChat, m.sender = &groupAnonymousBot, m.Chat, nobody
		said, err := next.tell(b, &m, id)
		if err != nil {
			return err
		}
		id = said.MessageID
	}
	return nil
}

// adopt makes b in to what it is in from.
func (b *bot) adopt(from, to *group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chats[to.id] = &chat{group: to, status: b.chats[from.id].status, lastID: b.s.opts.FirstMessage}
}
