package telegramsim

import (
	"context"

	"github.com/parley-im/parley/simulator"
)

func (s *Server) newControl() *simulator.Control {
	c := simulator.NewControl(simulator.Core{Faults: &s.faults, Log: s.log, Sent: s.sent, Done: s.done,
		Account: func(name string) (string, error) {
			b, err := s.findBot(name)
			if err != nil {
				return "", err
			}
			return b.key, nil
		}})
	for pattern, verb := range map[string]func(simulator.Params) (any, error){
		"GET accounts": s.listAccounts, "POST accounts": s.makeAccount,
		"GET people": s.listPeople, "POST people": s.makePerson,
		"POST say": s.say, "POST start": s.start, "POST edit": s.editLine, "POST press": s.press,
		"POST block": s.block, "POST unblock": s.unblock, "POST rename": s.rename,
		"POST deactivate": s.deactivate, "POST raw": s.raw, "POST revoke": s.revoke, "POST reset": s.reset,
		"POST album": s.sayAlbum, "POST move": s.movePlace, "POST expire": s.expire,
		"POST unavailable": s.unavailable, "POST privacy": s.privacy, "POST avatar": s.avatar,
		"GET groups": s.listGroups, "POST groups": s.makeGroup, "POST add": s.addToGroup,
		"POST promote": s.promote, "POST kick": s.kick, "POST join": s.join, "POST leave": s.leaveGroup,
		"POST title": s.setTitle, "POST topic": s.makeTopic, "POST migrate": s.migrateGroup,
		"POST restrict": s.restrict, "POST web": s.publish,
	} {
		c.Handle(pattern, func(_ context.Context, p simulator.Params) (any, error) { return verb(p) })
	}
	for _, kind := range contentVerbs {
		verb := s.sayKind(kind)
		c.Handle("POST "+kind, func(_ context.Context, p simulator.Params) (any, error) { return verb(p) })
	}
	return c
}

func (s *Server) listAccounts(simulator.Params) (any, error) {
	return map[string]any{"accounts": s.Accounts()}, nil
}

func (s *Server) makeAccount(p simulator.Params) (any, error) {
	return s.AddBot(p.Get("token"), p.First("name", "first_name"), p.Get("username"))
}

func (s *Server) listPeople(simulator.Params) (any, error) {
	return map[string]any{"people": s.People()}, nil
}

func (s *Server) makePerson(p simulator.Params) (any, error) {
	id, err := p.Int("id", 0)
	if err != nil {
		return nil, err
	}
	return s.AddPerson(Person{ID: id, FirstName: p.First("first_name", "name"), LastName: p.Get("last_name"),
		Username: p.Get("username"), LanguageCode: p.Get("language_code")})
}

func (s *Server) say(p simulator.Params) (any, error) {
	l, err := lineOf(p)
	if err != nil {
		return nil, err
	}
	return s.Say(l)
}

func (s *Server) start(p simulator.Params) (any, error) {
	return s.Start(p.Get("account"), p.Get("person"), p.Get("payload"))
}

// pressed is Said with the id of the question, a string at Telegram.
type pressed struct {
	Said
	QueryID string `json:"callback_query_id"`
}

func (s *Server) press(p simulator.Params) (any, error) {
	id, err := p.Int("message_id", 0)
	if err != nil {
		return nil, err
	}
	said, query, err := s.Tap(Tap{Account: p.Get("account"), Person: p.Get("person"), Chat: p.Get("chat"), MessageID: id,
		Data: p.Get("data"), Inaccessible: p.Bool("inaccessible"), Inline: p.Bool("inline")})
	return pressed{said, query}, err
}

func (s *Server) block(p simulator.Params) (any, error) {
	return s.Block(p.Get("account"), p.Get("person"))
}

func (s *Server) unblock(p simulator.Params) (any, error) {
	return s.Unblock(p.Get("account"), p.Get("person"))
}

func (s *Server) rename(p simulator.Params) (any, error) {
	return s.Rename(p.Get("person"), p.First("first_name", "name"), p.Get("last_name"), p.Get("username"))
}

func (s *Server) deactivate(p simulator.Params) (any, error) { return s.Deactivate(p.Get("person")) }

func (s *Server) raw(p simulator.Params) (any, error) { return s.Inject(p.Get("account"), p.Body()) }

func (s *Server) revoke(p simulator.Params) (any, error) { return s.Revoke(p.Get("account")) }

func (s *Server) reset(simulator.Params) (any, error) {
	s.Reset()
	return map[string]bool{"ok": true}, nil
}
