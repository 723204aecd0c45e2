package telegramsim

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-im/parley"
)

// A group is a basic group, a supergroup or a channel. Its lock is taken before
// those of bots, never while one is held.
type group struct {
	id      int64
	kind    string // chatGroup, chatSupergroup or chatChannel
	info    atomic.Pointer[chatInfo]
	photo   atomic.Pointer[[]picture] // in its sizes; nil: none
	last    atomic.Int64              // id of the last message, unless kind is chatGroup
	movedTo atomic.Int64              // the supergroup it became; 0: none

	mu      sync.Mutex // held during everything that people do there
	members []*person
	topics  map[int64]*forumTopic // by id of the message that made them
}

// Group describes a group, supergroup or channel. ID 0 asks for a new one.
type Group struct {
	ID       int64    `json:"id"`
	Type     string   `json:"type"` // group, supergroup or channel; "" means group
	Title    string   `json:"title"`
	Username string   `json:"username,omitempty"` // not for a basic group
	Forum    bool     `json:"is_forum,omitempty"` // supergroups only
	Members  []string `json:"members,omitempty"`  // people by id, username or name; made if unknown
	MovedTo  int64    `json:"migrate_to_chat_id,omitempty"`
}

// superBase is subtracted from the id of every supergroup and channel.
// Source: core.telegram.org/api/bots/ids, read 2026-11.
const superBase = 1_000_000_000_000

// AddGroup makes a group with people but without bots; AddToGroup brings those. An
// empty title is "Group". Errors are of kind parley.KindInvalid or
// parley.KindConflict, or those of making people.
func (s *Server) AddGroup(d Group) (Group, error) {
	if d.Type == "" {
		d.Type = chatGroup
	}
	if d.Title == "" {
		d.Title = "Group"
	}
	d.Username = strings.TrimPrefix(d.Username, "@")
	if err := d.check(); err != nil {
		return Group{}, err
	}
	var members []*person
	for _, name := range d.Members {
		p, err := s.meet(name)
		if err != nil {
			return Group{}, err
		}
		members = append(members, p)
	}
	g, err := s.addGroup(d)
	if err != nil {
		return Group{}, err
	}
	g.mu.Lock()
	g.members = members
	g.mu.Unlock()
	return g.describe(), nil
}

func (d Group) check() error {
	switch {
	case !slices.Contains([]string{chatGroup, chatSupergroup, chatChannel}, d.Type):
		return refuse("type must be group, supergroup or channel")
	case d.Type == chatGroup && (d.Username != "" || d.Forum):
		return refuse("a basic group has neither a username nor topics; make a supergroup")
	case d.Type == chatChannel && d.Forum:
		return refuse("a channel has no topics")
	case d.ID != 0 && (d.ID > 0 || d.Type == chatGroup != (d.ID > -superBase)):
		return refuse("id must be negative, and below -1000000000000 for supergroups and channels only")
	}
	return nil
}

func (s *Server) addGroup(d Group) (*group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.ID == 0 {
		d.ID = s.freeGroup(d.Type)
	}
	if s.groups[d.ID] != nil {
		return nil, parley.Errorf(parley.KindConflict, "the id is taken; leave id out to get a free one")
	}
	g := &group{id: d.ID, kind: d.Type, topics: make(map[int64]*forumTopic)}
	g.last.Store(s.opts.FirstMessage)
	g.info.Store(newGroupInfo(d))
	s.groups[d.ID] = g
	return g, nil
}

// freeGroup is an id that no group has; the caller holds the server's lock.
func (s *Server) freeGroup(kind string) int64 {
	id := int64(-4_100_000_000)
	if kind != chatGroup {
		id = -superBase - 2_100_000_000
	}
	for s.groups[id] != nil {
		id--
	}
	return id
}

func newGroupInfo(d Group) *chatInfo {
	c := &chatInfo{ID: d.ID, Title: d.Title, Username: d.Username, Type: d.Type, IsForum: d.Forum}
	if d.Type == chatGroup {
		c.AllAdmins = new(bool)
	}
	return c
}

func (g *group) describe() Group {
	c := g.info.Load()
	d := Group{ID: c.ID, Type: c.Type, Title: c.Title, Username: c.Username, Forum: c.IsForum, MovedTo: g.movedTo.Load()}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.members {
		d.Members = append(d.Members, strconv.FormatInt(p.id, 10))
	}
	return d
}

// Groups lists all groups, supergroups and channels, newest id first.
func (s *Server) Groups() []Group {
	s.mu.RLock()
	all := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		all = append(all, g)
	}
	s.mu.RUnlock()
	list := []Group{}
	for _, g := range all {
		list = append(list, g.describe())
	}
	slices.SortFunc(list, func(a, b Group) int { return int(b.ID - a.ID) })
	return list
}

// groupOf returns the group with an id, nil if there is none.
func (s *Server) groupOf(id int64) *group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.groups[id]
}

// groupNamed returns the supergroup or channel with a username, without @; nil if there is none.
func (s *Server) groupNamed(username string) *group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.groups {
		if u := g.info.Load().Username; u != "" && strings.EqualFold(u, username) {
			return g
		}
	}
	return nil
}

// findGroup finds a group by id, username or title.
func (s *Server) findGroup(name string) (*group, error) {
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		if g := s.groupOf(id); g != nil {
			return g, nil
		}
	}
	if g := s.groupNamed(strings.TrimPrefix(name, "@")); g != nil {
		return g, nil
	}
	for _, d := range s.Groups() { // in the order of ids, so that the oldest of equal titles is found
		if name != "" && strings.EqualFold(d.Title, name) && d.MovedTo == 0 {
			return s.groupOf(d.ID), nil
		}
	}
	return nil, parley.Errorf(parley.KindNotFound, "no such chat; GET groups lists them, POST groups makes one")
}

func (g *group) has(p *person) bool { return slices.Contains(g.members, p) }

// hearsAll reports whether privacy mode is off for the bot.
func (b *bot) hearsAll() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.readsAll
}

// SetPrivacy switches a bot's privacy mode: on, as every bot begins, it hears
// only part of what is said in groups.
func (s *Server) SetPrivacy(account string, on bool) error {
	b, err := s.findBot(account)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readsAll = !on
	return nil
}
