package telegramsim

import (
	"strconv"
	"strings"
)

// maxAvatars is how many photos of a person are remembered.
const maxAvatars = 100

// SetPhoto gives a person (by id, username or name) a new profile photo, on top
// of the older ones. Its errors are of kind parley.KindInvalid or parley.KindNotFound.
func (s *Server) SetPhoto(name string, data []byte) error {
	sizes, ok := scale(data)
	if !ok {
		return errNoPicture
	}
	p, err := s.findPerson(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := p.photos()
	list := append([][]picture{sizes}, old[:min(len(old), maxAvatars-1)]...)
	p.avatars.Store(&list)
	return nil
}

// ClearPhotos removes all profile photos of a person, or hides them.
func (s *Server) ClearPhotos(name string) error {
	p, err := s.findPerson(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.avatars.Store(nil)
	return nil
}

func (p *person) photos() [][]picture {
	if list := p.avatars.Load(); list != nil {
		return *list
	}
	return nil
}

// getUserProfilePhotos. Source: Bot API, getUserProfilePhotos, read 2026-11.
func (c *call) getUserProfilePhotos() (any, error) {
	text := strings.TrimSpace(c.params.Get("user_id"))
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return nil, badRequest("invalid user_id specified")
	}
	p := c.personKnown(id)
	if p == nil {
		return nil, badRequest("user not found")
	}
	all := p.photos()
	from := min(c.clamped("offset", 0, 0, maxAvatars), int64(len(all)))
	to := min(from+c.clamped("limit", 100, 1, 100), int64(len(all)))
	out := profilePhotos{Total: len(all), Photos: [][]photoSize{}}
	for _, sizes := range all[from:to] {
		out.Photos = append(out.Photos, c.bot.keepSizes(sizes))
	}
	return out, nil
}

// personKnown is the person with an id if the bot has met them: in a private chat or
// in a group.
func (c *call) personKnown(id int64) *person {
	p := c.person(id)
	if p == nil {
		return nil
	}
	c.bot.mu.Lock()
	known := c.bot.chats[id] != nil
	c.bot.mu.Unlock()
	if known {
		return p
	}
	for _, g := range c.bot.ingroups() {
		g.mu.Lock()
		met := g.has(p)
		g.mu.Unlock()
		if met {
			return p
		}
	}
	return nil
}

// ingroups are the groups the bot is or was in.
func (b *bot) ingroups() []*group {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*group
	for _, ch := range b.chats {
		if ch.group != nil {
			list = append(list, ch.group)
		}
	}
	return list
}

// getChat knows only chats in which somebody has written or the bot is.
// Source: Bot API, getChat, read 2026-11.
func (c *call) getChat() (any, error) {
	text := strings.TrimSpace(c.params.Get("chat_id"))
	if text == "" {
		return nil, errChatIDEmpty
	}
	g := c.groupCalled(text)
	if g == nil {
		return c.privateChat(text)
	}
	c.bot.mu.Lock()
	ch := c.bot.chats[g.id]
	c.bot.mu.Unlock()
	if ch == nil && g.info.Load().Username == "" {
		return nil, errChatNotFound
	}
	full := chatFull{chatInfo: *g.info.Load()}
	if sizes := g.photo.Load(); sizes != nil {
		full.Photo = c.bot.chatPhoto(*sizes)
	}
	return full, nil
}

// groupCalled is the group behind a chat_id, nil if it is none.
func (s *Server) groupCalled(chatID string) *group {
	if name, ok := strings.CutPrefix(chatID, "@"); ok {
		return s.groupNamed(name)
	}
	id, err := strconv.ParseInt(chatID, 10, 64)
	if err != nil {
		return nil
	}
	return s.groupOf(id)
}

func (c *call) privateChat(chatID string) (any, error) {
	id, _ := strconv.ParseInt(chatID, 10, 64) // 0 is nobody
	p := c.person(id)
	if p == nil {
		return nil, errChatNotFound
	}
	c.bot.mu.Lock()
	known := c.bot.chats[p.id] != nil
	c.bot.mu.Unlock()
	if !known {
		return nil, errChatNotFound
	}
	full := chatFull{chatInfo: p.profile.Load().chat}
	if all := p.photos(); len(all) > 0 {
		full.Photo = c.bot.chatPhoto(all[0])
	}
	return full, nil
}

// person is the one with an id, nil if there is none.
func (s *Server) person(id int64) *person {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.people.byID[id]
}

// chatPhoto is a picture as chats have it, in two sizes.
func (b *bot) chatPhoto(pictures []picture) *chatPhoto {
	sizes := b.keepSizes(pictures)
	small, big := sizes[0], sizes[len(sizes)-1]
	return &chatPhoto{SmallID: small.ID, SmallUnique: small.Unique, BigID: big.ID, BigUnique: big.Unique}
}
