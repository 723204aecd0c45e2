package session

import (
	"context"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A site is a manager on a real database.
type site struct {
	*Manager
	t       *testing.T
	db      *store.DB
	company parley.CompanyID
	changed chan struct{} // has something when a row may have changed
}

func newSite(t *testing.T, db *store.DB, sim *script, change func(*Config)) *site {
	s := &site{t: t, db: db, changed: make(chan struct{}, 1)}
	db.SetHooks(store.Hooks{Channel: func(id parley.ChannelID) {
		s.Changed(id)
		s.signal()
	}})
	_, s.company = storetest.Company(t, db, "ann", "")
	channels := 9
	if err := db.UpdateCompany(t.Context(), s.company, parley.CompanyChange{ChannelsPerProvider: &channels}); err != nil {
		t.Fatal(err)
	}
	r := newRig(sim, func(c *Config) {
		c.Store, c.Grants = farewells{db, s.signal}, storetest.Own(t, db, "node")
		change(c)
	})
	s.Manager = r.Manager
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// farewells tells when a farewell is done, of which the store's hook does not.
type farewells struct {
	*store.DB
	signal func()
}

func (f farewells) FarewellDone(ctx context.Context, company parley.CompanyID, id parley.ChannelID) error {
	defer f.signal()
	return f.DB.FarewellDone(ctx, company, id)
}

func (s *site) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *site) create(token, path string) parley.ChannelID {
	s.t.Helper()
	id, err := s.db.CreateChannel(s.t.Context(), &parley.Channel{Company: s.company, Provider: "demo", Spelling: "demo",
		Secrets: map[string]parley.Secret{"token": parley.Secret(token), parley.SecretCallbackPath: parley.Secret(path),
			parley.SecretCallbackToken: "s"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// until waits for a channel's row to be as wanted.
func (s *site) until(id parley.ChannelID, what string, ok func(*parley.Channel) bool) {
	s.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		ch, err := s.db.Channel(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		if ok(ch) {
			return
		}
		select {
		case <-s.changed:
		case <-timeout:
			s.t.Fatalf("channel is %s (%q) of %q, want %s", ch.State, ch.Reason, ch.Account, what)
		}
	}
}

func is(state parley.ChannelState, reason, account string) func(*parley.Channel) bool {
	return func(ch *parley.Channel) bool {
		return ch.State == state && ch.Reason == reason && ch.Account == account
	}
}

func (s *site) said() []string {
	s.t.Helper()
	events, err := s.db.EventsAfter(s.t.Context(), s.company, 0, 100, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Kind != parley.EventSystem || e.Stream != e.Channel.Stream() {
			s.t.Errorf("event %+v, want a system event on the channel's stream", e)
		}
		out = append(out, string(e.Body))
	}
	return out
}

func TestOnRealStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sim := &script{make: hooked}
		s := newSite(t, db, sim, public)
		ctx := t.Context()

		first := s.create("t", "pa")
		s.until(first, "enabled", is(parley.ChannelEnabled, "", "bot-t"))
		second := s.create("t", "pb")
		s.until(second, "disabled", is(parley.ChannelDisabled, reasonTaken, ""))
		wantSaid(t, s.said(), "authorized information", "disabled critical")
		if ch, _, _, err := s.ByCallback(ctx, "demo", "pa"); err != nil || ch.ID != first || ch.Account != "bot-t" {
			t.Errorf("by callback: %v, %v", ch, err)
		}

		// New credentials for the second one, and then they are revoked.
		if err := db.UpdateChannel(ctx, s.company, second, nil, map[string]parley.Secret{"token": "u"}); err != nil {
			t.Fatal(err)
		}
		s.until(second, "enabled", is(parley.ChannelEnabled, "", "bot-u"))
		sim.fails("verify", refused("unauthorized"))
		if err := s.LoggedOut(ctx, second, 2, "401"); err != nil {
			t.Fatal(err)
		}
		s.until(second, "disabled", is(parley.ChannelDisabled, "unauthorized", "bot-u"))
		if _, _, _, err := s.Client(ctx, second); parley.KindOf(err) != parley.KindLoggedOut {
			t.Errorf("client of a disabled channel: %v, want logged out", err)
		}

		if err := db.DeleteChannel(ctx, s.company, first); err != nil {
			t.Fatal(err)
		}
		s.until(first, "forgotten", func(ch *parley.Channel) bool { return len(ch.Secrets) == 0 })
		if sim.count("unsubscribe") != 1 || sim.count("deregister") != 1 {
			t.Errorf("calls %v, want one farewell", sim.log())
		}
		if _, _, _, err := s.ByCallback(ctx, "demo", "pa"); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("callback of a deleted channel: %v, want not found", err)
		}
		wantSaid(t, s.said(), "authorized information", "disabled critical", "authorized information", "disabled critical")
	})
}

// The session data of a channel can be written by its owner alone.
func TestStateOnRealStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var env connector.Env
		s := newSite(t, db, &script{make: func(c *base) connector.Client { env = c.env; return sendOnly{c} }}, func(*Config) {})
		id := s.create("t", "pa")
		s.until(id, "enabled", func(ch *parley.Channel) bool { return ch.State == parley.ChannelEnabled })
		ctx := t.Context()
		if err := env.State.Save(ctx, "key", []byte("value")); err != nil {
			t.Fatal(err)
		}
		if got, err := env.State.Load(ctx, "key"); err != nil || string(got) != "value" {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := env.State.Load(ctx, "other"); err != nil || got != nil {
			t.Errorf("got %q, %v for what is not there, want nothing", got, err)
		}
		storetest.Own(t, db, "another node")
		if err := env.State.Save(ctx, "key", []byte("late")); parley.KindOf(err) != parley.KindConflict {
			t.Errorf("error of a write under an old term is %v, want conflict", err)
		}
	})
}
