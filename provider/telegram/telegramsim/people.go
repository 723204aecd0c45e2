package telegramsim

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/parley-im/parley"
)

// A person's profile is replaced as a whole, so that messages can share it.
type person struct {
	id      int64
	profile atomic.Pointer[profile]
	avatars atomic.Pointer[[][]picture] // profile photos in their sizes, newest first
}

type profile struct {
	user        user
	chat        chatInfo
	deactivated bool
}

// Person describes someone who writes to bots. ID 0 asks for a new one.
type Person struct {
	ID           int64  `json:"id"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
	Deactivated  bool   `json:"deactivated,omitempty"`
}

// maxUserID is the largest user id: they have at most 52 significant bits.
// Source: Bot API, User, read 2026-11.
const maxUserID = 1<<52 - 1

// people finds persons by id and by what they are called. The server's lock guards it.
type people struct {
	byID   map[int64]*person
	byName map[string]*person // lower-case username, first name, full name; the first bearer wins
	lastID int64
}

func newPeople() people {
	return people{byID: make(map[int64]*person), byName: make(map[string]*person), lastID: 5_550_000}
}

func (p *person) describe() Person {
	v := p.profile.Load()
	return Person{ID: p.id, FirstName: v.user.FirstName, LastName: v.user.LastName, Username: v.user.Username,
		LanguageCode: v.user.LanguageCode, Deactivated: v.deactivated}
}

func newProfile(d Person) *profile {
	return &profile{
		user: user{ID: d.ID, FirstName: d.FirstName, LastName: d.LastName, Username: d.Username,
			LanguageCode: d.LanguageCode},
		chat: chatInfo{ID: d.ID, FirstName: d.FirstName, LastName: d.LastName, Username: d.Username,
			Type: "private"},
		deactivated: d.Deactivated,
	}
}

func (d Person) names() []string {
	full := strings.TrimSpace(d.FirstName + " " + d.LastName)
	names := []string{strings.ToLower(d.FirstName), strings.ToLower(full)}
	if d.Username != "" {
		names = append(names, strings.ToLower(d.Username))
	}
	return names
}

// add stores a new person; the caller holds the server's lock and has checked the id.
func (ps *people) add(d Person) *person {
	for d.ID == 0 {
		ps.lastID++
		if ps.byID[ps.lastID] == nil {
			d.ID = ps.lastID
		}
	}
	p := &person{id: d.ID}
	p.profile.Store(newProfile(d))
	ps.byID[d.ID] = p
	ps.index(p, d)
	return p
}

func (ps *people) index(p *person, d Person) {
	for _, n := range d.names() {
		if ps.byName[n] == nil {
			ps.byName[n] = p
		}
	}
}

func (ps *people) unindex(p *person) {
	for _, n := range p.describe().names() {
		if ps.byName[n] == p {
			delete(ps.byName, n)
		}
	}
}

// AddPerson adds someone. An empty first name is "Ann", an empty language "en".
// Errors are of kind parley.KindInvalid or parley.KindConflict.
func (s *Server) AddPerson(d Person) (Person, error) {
	if d.ID < 0 || d.ID > maxUserID {
		return Person{}, refuse("id must be a positive number of at most 52 bits")
	}
	if d.FirstName == "" {
		d.FirstName = "Ann"
	}
	if d.LanguageCode == "" {
		d.LanguageCode = "en"
	}
	d.Username = strings.TrimPrefix(d.Username, "@")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people.byID[d.ID] != nil || s.bots[d.ID] != nil {
		return Person{}, parley.Errorf(parley.KindConflict, "the id is taken; leave id out to get a free one")
	}
	return s.people.add(d).describe(), nil
}

// People lists everyone by id.
func (s *Server) People() []Person {
	s.mu.RLock()
	list := make([]Person, 0, len(s.people.byID))
	for _, p := range s.people.byID {
		list = append(list, p.describe())
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b Person) int { return int(a.ID - b.ID) })
	return list
}

// findPerson returns the person called name: id, username or name. An empty
// name means the only one.
func (s *Server) findPerson(name string) (*person, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.people.find(name); p != nil {
		return p, nil
	}
	if name == "" && len(s.people.byID) > 1 {
		return nil, refuse("there are several people; say who by person")
	}
	return nil, parley.Errorf(parley.KindNotFound, "no such person; GET people lists them, POST people or POST say makes one")
}

func (ps *people) find(name string) *person {
	if name == "" {
		if len(ps.byID) == 1 {
			for _, p := range ps.byID {
				return p
			}
		}
		return nil
	}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil && ps.byID[id] != nil {
		return ps.byID[id]
	}
	return ps.byName[strings.ToLower(strings.TrimPrefix(name, "@"))]
}

// meet is findPerson that makes whoever is not there yet.
func (s *Server) meet(name string) (*person, error) {
	p, err := s.findPerson(name)
	if err == nil || parley.KindOf(err) != parley.KindNotFound {
		return p, err
	}
	d := Person{FirstName: name, LanguageCode: "en"}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		d = Person{ID: id, FirstName: "Person " + name}
	} else if first, last, ok := strings.Cut(name, " "); ok {
		d.FirstName, d.LastName = first, last
	}
	made, err := s.AddPerson(d)
	if parley.KindOf(err) == parley.KindConflict { // two met at once, or the id is a bot's
		return s.findPerson(name)
	}
	if err != nil {
		return nil, err
	}
	return s.findPerson(strconv.FormatInt(made.ID, 10))
}

// Rename changes what a person is called; empty fields stay as they are, and a
// username of "-" is removed. The messages after it carry the new name.
func (s *Server) Rename(name, firstName, lastName, username string) (Person, error) {
	return s.change(name, func(d *Person) {
		if firstName != "" {
			d.FirstName = firstName
		}
		if lastName != "" {
			d.LastName = lastName
		}
		if username != "" {
			d.Username = strings.Trim(username, "@-")
		}
	})
}

// Deactivate deletes a person's account: nothing reaches them and they write
// nothing any more.
func (s *Server) Deactivate(name string) (Person, error) {
	return s.change(name, func(d *Person) { d.Deactivated = true })
}

func (s *Server) change(name string, edit func(*Person)) (Person, error) {
	p, err := s.findPerson(name)
	if err != nil {
		return Person{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := p.describe()
	edit(&d)
	s.people.unindex(p)
	p.profile.Store(newProfile(d))
	s.people.index(p, d)
	return d, nil
}
