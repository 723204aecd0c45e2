package telegramsim

import "github.com/parley-im/parley/simulator"

func actOf(p simulator.Params) GroupAct {
	return GroupAct{Account: p.Get("account"), Chat: p.Get("chat"), Person: p.Get("person")}
}

func (s *Server) listGroups(simulator.Params) (any, error) {
	return map[string]any{"groups": s.Groups()}, nil
}

// madeGroup is a group with what the bot was told of it.
type madeGroup struct {
	Group
	Said *Said `json:"said,omitempty"` // nil: no bot is there yet
}

// makeGroup also adds the account, or the only bot unless bot=false.
func (s *Server) makeGroup(p simulator.Params) (any, error) {
	r := reader{p: p}
	d := Group{ID: int64(r.int("id")), Type: p.Get("type"), Title: p.Get("title"), Username: p.Get("username"),
		Forum: p.Bool("forum"), Members: r.list("members")}
	if r.err != nil {
		return nil, r.err
	}
	account := p.Get("account")
	if p.Get("bot") == "false" || account == "" && len(s.allBots()) != 1 {
		g, err := s.AddGroup(d)
		return madeGroup{Group: g}, err
	}
	g, said, err := s.CreateGroup(d, GroupAct{Account: account, Person: p.Get("person")}, p.Get("role"))
	if err != nil {
		return nil, err
	}
	return madeGroup{Group: g, Said: &said}, nil
}

func (s *Server) addToGroup(p simulator.Params) (any, error) {
	return s.AddToGroup(actOf(p), p.Get("role"))
}

func (s *Server) promote(p simulator.Params) (any, error) { return s.Promote(actOf(p), p.Get("role")) }

func (s *Server) kick(p simulator.Params) (any, error) {
	return s.Kick(actOf(p), p.Get("banned") != "false")
}

func (s *Server) join(p simulator.Params) (any, error) { return s.Join(actOf(p)) }

func (s *Server) leaveGroup(p simulator.Params) (any, error) { return s.Leave(actOf(p)) }

func (s *Server) setTitle(p simulator.Params) (any, error) {
	return s.SetTitle(actOf(p), p.Get("title"))
}

func (s *Server) makeTopic(p simulator.Params) (any, error) {
	return s.CreateTopic(actOf(p), p.Get("name"))
}

func (s *Server) migrateGroup(p simulator.Params) (any, error) { return s.Migrate(actOf(p)) }

// avatar sets the photo of a person, or of a group; remove=true removes it.
func (s *Server) avatar(p simulator.Params) (any, error) {
	data := kindSamples["photo"].bytes()
	if f, ok := p.File("file"); ok {
		data = f.Data
	}
	if p.Bool("remove") {
		data = nil
	}
	if p.Get("chat") != "" {
		return s.SetGroupPhoto(actOf(p), data)
	}
	if data == nil {
		return done(s.ClearPhotos(p.Get("person")))
	}
	return done(s.SetPhoto(p.Get("person"), data))
}

func (s *Server) expire(p simulator.Params) (any, error) {
	return done(s.ExpireQueries(p.Get("account")))
}

func (s *Server) unavailable(p simulator.Params) (any, error) {
	n, err := p.Int("times", 1)
	if err != nil {
		return nil, err
	}
	return done(s.Unavailable(int(n)))
}

func (s *Server) privacy(p simulator.Params) (any, error) {
	return done(s.SetPrivacy(p.Get("account"), p.Get("on") != "false"))
}

// done is the answer of verbs that have nothing to tell.
func done(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]bool{"ok": true}, nil
}
