package telegramsim

// A GroupAct is something a person does to a group.
type GroupAct struct {
	Account string // the bot that Said is about; "" means the first one there
	Chat    string // by id, username or title
	Person  string // who does it; "" means the first member
}

// A stage is a group in which somebody does something; its lock is held.
type stage struct {
	s     *Server
	group *group
	by    *person
	bots  []*bot // all that are there, by id
	main  *bot   // the one that Said is about; nil if there is no bot
}

// enter takes the group's lock; the caller calls leave. A person who acts there
// is a member from then on.
func (s *Server) enter(a GroupAct) (*stage, error) {
	g, err := s.findGroup(a.Chat)
	if err != nil {
		return nil, err
	}
	if g.movedTo.Load() != 0 {
		return nil, refuse("the group has become a supergroup; GET groups tells its id")
	}
	p, err := s.actor(g, a.Person)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	if !g.has(p) {
		g.members = append(g.members, p)
	}
	st := &stage{s: s, group: g, by: p}
	if err := st.cast(a.Account); err != nil {
		st.leave()
		return nil, err
	}
	return st, nil
}

func (st *stage) leave() { st.group.mu.Unlock() }

// actor is who acts: the one that is named, or the first member, or the only person.
func (s *Server) actor(g *group, name string) (*person, error) {
	if name == "" {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.members) > 0 {
			return g.members[0], g.members[0].gone()
		}
	}
	p, err := s.meet(name)
	if err != nil {
		return nil, err
	}
	return p, p.gone()
}

// cast finds the bots of the stage.
func (st *stage) cast(account string) error {
	var named *bot
	if account != "" {
		var err error
		if named, err = st.s.findBot(account); err != nil {
			return err
		}
	}
	for _, b := range st.s.allBots() {
		if b.isIn(st.group) {
			st.bots = append(st.bots, b)
			if named == nil && st.main == nil || named == b {
				st.main = b
			}
		}
	}
	for _, b := range st.bots {
		if err := b.hasRoom(); err != nil {
			return err
		}
	}
	if named != nil {
		st.main = named
	}
	return nil
}

func (b *bot) isIn(g *group) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.chats[g.id].in()
}

// in reports whether the bot takes part in a chat.
func (ch *chat) in() bool {
	return ch != nil && (ch.group == nil || ch.status == statusMember || ch.status == statusAdmin)
}

func (b *bot) hasRoom() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room()
}

// play lets every bot hear one line. What it returns is about the main bot.
func (st *stage) play(sp *speech) (Said, error) {
	var out Said
	var ids []int64
	for _, b := range st.bots {
		parts := sp.render(b)
		b.mu.Lock()
		said, err := sp.utter(b, b.chats[st.group.id], parts, ids)
		b.mu.Unlock()
		if err != nil {
			return out, err
		}
		if st.group.kind != chatGroup { // only they number messages for everyone
			ids = said.MessageIDs
			if ids == nil {
				ids = []int64{said.MessageID}
			}
		}
		if b == st.main {
			out = said
		}
	}
	return out, nil
}

// present refuses what nobody would hear.
func (st *stage) present() error {
	if st.main == nil || !st.main.isIn(st.group) {
		return refuse("the bot is not in the chat; POST add first")
	}
	return nil
}

// sayInGroup is Say for a group or channel.
func (s *Server) sayInGroup(l Line) (Said, error) {
	g, err := s.findGroup(l.Chat)
	if err != nil {
		return Said{}, err
	}
	if err := l.fits(g); err != nil {
		return Said{}, err
	}
	if l.Person != "" || g.kind != chatChannel {
		p, err := s.actor(g, l.Person)
		if err != nil {
			return Said{}, err
		}
		l.Person = itoa64(p.id)
	}
	sp, err := s.speech(l, g)
	if err != nil {
		return Said{}, err
	}
	st, err := s.enter(GroupAct{Account: l.Account, Chat: itoa64(g.id), Person: l.Person})
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if err := st.present(); err != nil {
		return Said{}, err
	}
	if l.Topic != 0 && st.group.topics[l.Topic] == nil {
		return Said{}, noSuch("topic is no topic of this chat; POST topic makes one")
	}
	return st.play(sp)
}

// fits refuses what the type of the chat does not know.
func (l Line) fits(g *group) error {
	switch {
	case l.Anonymous && g.kind != chatSupergroup:
		return refuse("only administrators of a supergroup can be anonymous")
	case l.Topic != 0 && !g.info.Load().IsForum:
		return refuse("the chat has no topics; make a supergroup with forum=true")
	case l.Signature != "" && g.kind != chatChannel && !l.Anonymous:
		return refuse("only posts of a channel and of anonymous administrators are signed")
	}
	return nil
}

// notify lets every bot hear a service message, which may differ by bot.
func (st *stage) notify(notice func(*bot) service) (Said, error) {
	var out Said
	var id int64
	for _, b := range st.bots {
		m := st.service(notice(b))
		said, err := st.tell(b, &m, id)
		if err != nil {
			return out, err
		}
		if st.group.kind != chatGroup {
			id = said.MessageID
		}
		if b == st.main {
			out = said
		}
	}
	return out, nil
}

// service is a message about the group by whoever acts there.
func (st *stage) service(v service) message {
	m := message{Chat: st.group.info.Load(), Date: st.s.now().Unix(), service: v, sender: st.by.id}
	if st.group.kind == chatChannel {
		m.SenderChat = m.Chat
	} else {
		m.From = &st.by.profile.Load().user
	}
	return m
}

// tell gives m a number, or id unless it is 0, and lets b hear it.
func (st *stage) tell(b *bot, m *message, id int64) (Said, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := b.chats[st.group.id]
	if m.MessageID = id; id == 0 {
		m.MessageID = ch.next()
	}
	if m.TopicCreated != nil {
		m.ThreadID, m.InTopic = m.MessageID, true
	}
	update, err := b.hear(ch, m)
	return Said{Account: b.user.ID, Person: max(m.sender, 0), Chat: m.Chat.ID, MessageID: m.MessageID, UpdateID: update, Date: m.Date}, err
}

// SetTitle renames a group. Its errors are those of Say.
func (s *Server) SetTitle(a GroupAct, title string) (Said, error) {
	if title == "" || units(title) > 128 { // Source: Bot API, setChatTitle, read 2026-11
		return Said{}, refuse("title has between 1 and 128 characters")
	}
	st, err := s.enter(a)
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	info := *st.group.info.Load()
	info.Title = title
	st.group.info.Store(&info)
	return st.notify(func(*bot) service { return service{NewTitle: title} })
}

// SetGroupPhoto changes the picture of a group; nil removes it.
func (s *Server) SetGroupPhoto(a GroupAct, data []byte) (Said, error) {
	sizes, ok := scale(data)
	if data != nil && !ok {
		return Said{}, errNoPicture
	}
	st, err := s.enter(a)
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if data != nil {
		st.group.photo.Store(&sizes)
		return st.notify(func(b *bot) service { return service{NewPhoto: b.keepSizes(sizes)} })
	}
	if st.group.photo.Swap(nil) == nil {
		return Said{}, noSuch("the chat has no photo")
	}
	return st.notify(func(*bot) service { return service{PhotoDeleted: true} })
}

// CreateTopic makes a topic in a forum; the message_id of Said is the topic's id.
func (s *Server) CreateTopic(a GroupAct, name string) (Said, error) {
	if name == "" || units(name) > 128 { // Source: Bot API, createForumTopic, read 2026-11
		return Said{}, refuse("name has between 1 and 128 characters")
	}
	st, err := s.enter(a)
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if !st.group.info.Load().IsForum {
		return Said{}, refuse("the chat has no topics; make a supergroup with forum=true")
	}
	if err := st.present(); err != nil {
		return Said{}, err
	}
	topic := &forumTopic{Name: name, Color: 7322096}
	said, err := st.notify(func(*bot) service { return service{TopicCreated: topic} })
	if err == nil {
		st.group.topics[said.MessageID] = topic
	}
	return said, err
}
