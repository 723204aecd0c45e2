package telegramsim

import "strings"

// Edit lets a person change a text or caption of theirs.
func (s *Server) Edit(account, person string, messageID int64, text string) (Said, error) {
	return s.Amend(messageID, Line{Account: account, Person: person, Text: text})
}

// Amend lets a person change a message of theirs: its text, its caption, or,
// with one piece of content, the file in it, whose caption Text then is. In a
// group the bots that heard it hear of it. Its errors are those of Say, and
// parley.KindNotFound if there is no such message.
func (s *Server) Amend(messageID int64, l Line) (Said, error) {
	if err := l.checkEdit(); err != nil {
		return Said{}, err
	}
	return s.revised(messageID, l, func(b *bot, m *message) error { return l.amend(b, m) })
}

func (l *Line) checkEdit() error {
	if len(l.Content) > 1 {
		return refuse("an edit has one piece of content")
	}
	if len(l.Content) == 1 && albumClass[l.Content[0].Kind] == "" && l.Content[0].Kind != "animation" {
		return refuse("people exchange only photos, videos, animations, documents and audio")
	}
	if len(l.Content) == 0 { // a caption may be taken away; amend knows whether it is one
		l.Text = strings.TrimSpace(l.Text)
		return nil
	}
	return l.check()
}

// amend applies an edit to m, a copy.
func (l *Line) amend(b *bot, m *message) error {
	plain := m.Text != ""
	switch {
	case len(l.Content) == 1 && plain:
		return refuse("a text cannot become a file; only files can be exchanged")
	case len(l.Content) == 1:
		m.content = l.Content[0].render(b, nil)
	case !plain && !m.captionable():
		return refuse("this message has neither text nor caption")
	}
	if plain {
		m.Text, m.Entities = l.Text, commands(l.Text)
		return checkText(l.Text)
	}
	if units(l.Text) > maxCaption {
		return refuse("caption is longer than 1024 UTF-16 code units; people cannot send that")
	}
	m.Caption, m.CaptionEntities = l.Text, commands(l.Text)
	return nil
}

func (m *message) captionable() bool {
	return len(m.Photo) > 0 || m.Document != nil || m.Voice != nil || m.Audio != nil || m.Video != nil || m.Animation != nil
}

// Moves is where a live location is now.
type Moves struct {
	Latitude, Longitude float64
	Heading             int  // degrees; 0: not told
	Stop                bool // ends it: the place stays where it was, and is no longer live
}

// Move lets the sender of a live location move or stop it; the bot gets an
// edited message. Of l, only where and who count.
func (s *Server) Move(messageID int64, l Line, to Moves) (Said, error) {
	c := Content{Kind: "location", Latitude: to.Latitude, Longitude: to.Longitude, Heading: to.Heading, LivePeriod: maxLive}
	if err := c.checkPlace(); err != nil {
		return Said{}, err
	}
	return s.revised(messageID, l, func(_ *bot, m *message) error { return to.apply(m, s.now().Unix()) })
}

func (to Moves) apply(m *message, now int64) error {
	at := m.Location
	if at == nil || at.LivePeriod == 0 || at.LivePeriod != liveForever && now > m.Date+int64(at.LivePeriod) {
		return refuse("the message is no live location, or no longer one")
	}
	moved := *at
	if to.Stop {
		moved.LivePeriod, moved.Heading = 0, 0
	} else {
		moved.Latitude, moved.Longitude, moved.Heading = to.Latitude, to.Longitude, to.Heading
	}
	m.Location = &moved
	return nil
}

// revised makes another version of a message with apply and tells the bots.
func (s *Server) revised(messageID int64, l Line, apply func(*bot, *message) error) (Said, error) {
	if l.Chat != "" {
		return s.changeInGroup(messageID, l, apply)
	}
	b, p, err := s.pair(l.Account, l.Person)
	if err != nil {
		return Said{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.hears(p); err != nil {
		return Said{}, err
	}
	return b.rewrite(b.chats[p.id], messageKey{b.user.ID, p.id, messageID}, p, apply)
}

func (s *Server) changeInGroup(messageID int64, l Line, apply func(*bot, *message) error) (Said, error) {
	st, err := s.enter(GroupAct{Account: l.Account, Chat: l.Chat, Person: l.Person})
	if err != nil {
		return Said{}, err
	}
	defer st.leave()
	if err := st.present(); err != nil {
		return Said{}, err
	}
	if st.group.kind == chatGroup { // each bot has its own numbers there
		st.bots = []*bot{st.main}
	}
	var out Said
	for _, b := range st.bots {
		b.mu.Lock()
		said, err := b.rewrite(b.chats[st.group.id], messageKey{b.user.ID, st.group.id, messageID}, st.by, apply)
		b.mu.Unlock()
		if err != nil && b == st.main {
			return out, err
		}
		if b == st.main {
			out = said
		}
	}
	return out, nil
}

// rewrite replaces a message of p; the caller holds the bot's lock.
func (b *bot) rewrite(ch *chat, k messageKey, p *person, apply func(*bot, *message) error) (Said, error) {
	m := b.s.messages.get(k)
	mine := m != nil && (m.sender == p.id || m.sender == nobody && m.Chat.Type == chatChannel)
	if !mine || m.serves() || m.Origin != nil {
		return Said{}, noSuch("message_id is no message that this person wrote to the bot")
	}
	edited := *m

	if m.From != nil && m.SenderChat == nil {
		edited.From = &p.profile.Load().user
	}
	edited.Chat = ch.info()
	if err := apply(b, &edited); err != nil {
		return Said{}, err
	}
	edited.EditDate = b.s.now().Unix()
	b.s.messages.replace(k, &edited)
	said := Said{Account: b.user.ID, Person: max(m.sender, 0), Chat: k.chat, MessageID: k.id, Date: edited.EditDate}
	if !b.catches(ch, &edited) {
		return said, nil
	}
	var err error
	said.UpdateID, err = b.push(postKind(&edited), k.chat, &edited)
	return said, err
}
