package attachment

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// ask makes one profile due, and returns what became of it in an hour.
func (r *rig) ask(t *testing.T, answer func(n int) (connector.Profile, error)) (said []store.ProfileOutcome, calls int) {
	t.Helper()
	r.client.profile = func(_ context.Context, chat connector.Chat) (connector.Profile, error) {
		if chat.ID != "chat" {
			t.Errorf("asked for %q", chat.ID)
		}
		calls++
		return answer(calls)
	}
	r.rows.profiles = []store.DueProfile{
		{Conversation: 5, Company: 1, Channel: 2, Chat: connector.Chat{ID: "chat"}, DueAt: time.Now()},
		{Conversation: 6, Company: 100, Channel: 3, Chat: connector.Chat{ID: "foreign"}, DueAt: time.Now()},
	}
	r.run(t, func() { pass(time.Hour) })
	return r.rows.said, calls
}

func TestProfile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		picture := &connector.File{ID: "p1", Source: "s1", Name: "../me.jpg"}
		said, calls := r.ask(t, func(int) (connector.Profile, error) {
			return connector.Profile{Name: "Ann\x00\xff", Picture: picture}, nil
		})
		if calls != 1 || len(said) != 1 || !said[0].Again.IsZero() || said[0].Due.Conversation != 5 || said[0].Grant.Term != 7 {
			t.Fatalf("asked %d times, said %+v", calls, said)
		}
		want := &connector.Profile{Name: "Ann\ufffd\ufffd", Picture: &connector.File{ID: "p1", Source: "s1", Name: "me.jpg"}}
		if d := cmp.Diff(want, said[0].Profile); d != "" {
			t.Error(d)
		}
		if picture.Name != "../me.jpg" {
			t.Error("the connector's own file was changed")
		}
		if strings.Contains(r.log.String(), "Ann") {
			t.Errorf("log: %s", r.log)
		}
	})
}

// TestProfileFails: three tries at most, and only of what may come right.
func TestProfileFails(t *testing.T) {
	t.Parallel()
	of := func(kind parley.Kind) func(*rig) error {
		return func(*rig) error { return parley.Errorf(kind, "no") }
	}
	for _, tt := range []struct {
		name        string
		err         func(*rig) error
		asked, said int
	}{
		{"unavailable", of(parley.KindUnavailable), 3, 3},
		{"uncertain", of(parley.KindUncertain), 3, 3},
		{"plain", func(*rig) error { return errPlain }, 3, 3},
		{"logged out", of(parley.KindLoggedOut), 3, 3},
		{"panic", func(*rig) error { panic("secret words") }, 3, 3},
		{"rejected", of(parley.KindRejected), 1, 1},
		{"unsupported", of(parley.KindUnsupported), 1, 1},
		{"no profiler", func(r *rig) error { r.clients.client = mute{r.client}; return nil }, 0, 1},
		{"channel gone", func(r *rig) error {
			r.clients.err = func() error { return parley.Errorf(parley.KindNotFound, "") }
			return nil
		}, 0, 1},
		{"channel logged out", func(r *rig) error {
			r.clients.err = func() error { return parley.Errorf(parley.KindLoggedOut, "") }
			return nil
		}, 0, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				if tt.asked == 0 {
					_ = tt.err(r) // changes the rig
				}
				said, calls := r.ask(t, func(int) (connector.Profile, error) { return connector.Profile{}, tt.err(r) })
				if calls != tt.asked || len(said) != tt.said {
					t.Fatalf("asked %d times, said %d things, want %d and %d", calls, len(said), tt.asked, tt.said)
				}
				for n, o := range said {
					if last := n == len(said)-1; o.Profile != nil || o.Again.IsZero() != last {
						t.Errorf("outcome %d: %+v", n, o)
					}
				}
				if strings.Contains(r.log.String(), "secret words") {
					t.Errorf("log: %s", r.log)
				}
			})
		})
	}
}

func TestProfileAgain(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	wait := &parley.Error{Kind: parley.KindThrottled, RetryAfter: time.Hour}
	for _, tt := range []struct {
		tries    int
		err      error
		min, max time.Duration
	}{
		{0, unavailable(), time.Minute, 75 * time.Second}, {1, unavailable(), 2 * time.Minute, 150 * time.Second},
		{0, wait, time.Hour, time.Hour}, {1, fmt.Errorf("wrapped: %w", wait), time.Hour, time.Hour},
	} {
		got := again(&store.DueProfile{Tries: tt.tries}, tt.err, now).Sub(now)
		if got < tt.min || got > tt.max {
			t.Errorf("after %d tries and %v: in %v, want %v to %v", tt.tries, tt.err, got, tt.min, tt.max)
		}
	}
}

// TestProfileHangs: a question that is never answered is given up; a stop spends
// nothing.
func TestProfileHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.client.profile = func(ctx context.Context, _ connector.Chat) (connector.Profile, error) {
			<-ctx.Done()
			return connector.Profile{}, ctx.Err()
		}
		r.rows.profiles = []store.DueProfile{{Conversation: 5, Company: 1, Channel: 2, DueAt: time.Now()}}
		r.run(t, func() { pass(29 * time.Second) })
		if len(r.rows.said) != 0 {
			t.Errorf("a stop said %+v", r.rows.said)
		}
		again := newRig()
		again.client, again.clients.client, again.rows.profiles = r.client, r.client, r.rows.profiles
		again.run(t, func() { pass(30 * time.Second) })
		if len(again.rows.said) != 1 || again.rows.said[0].Again.IsZero() {
			t.Errorf("said %+v", again.rows.said)
		}
	})
}

// TestProfileNotStored: a provider is not asked again and again because our own
// store fails.
func TestProfileNotStored(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]error{"refused": errPlain, "moved": parley.Errorf(parley.KindConflict, "moved")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				calls := 0
				r.client.profile = func(context.Context, connector.Chat) (connector.Profile, error) {
					calls++
					return connector.Profile{Name: "Ann"}, nil
				}
				r.rows.profiles = []store.DueProfile{{Conversation: 5, Company: 1, Channel: 2, DueAt: time.Now()}}
				r.rows.down = nil
				r.Service.cfg.Store = &stubbornRows{r.rows, down}
				r.run(t, func() { pass(10 * time.Minute) })
				if calls < 2 || calls > 11 {
					t.Errorf("asked %d times in ten minutes", calls)
				}
			})
		})
	}
}

type stubbornRows struct {
	*fakeRows
	err error
}

func (r *stubbornRows) FinishProfile(context.Context, *store.ProfileOutcome) error { return r.err }

func TestCleanProfile(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 2000)
	for _, tt := range []struct {
		name     string
		in, want connector.Profile
	}{
		{"nothing", connector.Profile{}, connector.Profile{}},
		{"long name", connector.Profile{Name: "x" + long}, connector.Profile{Name: "x" + long[:1022]}},
		{"bad id", connector.Profile{Picture: &connector.File{ID: "a\x00"}}, connector.Profile{}},
		{"long id", connector.Profile{Picture: &connector.File{ID: long}}, connector.Profile{}},
		{"bad source", connector.Profile{Picture: &connector.File{ID: "a", Source: "\xff"}}, connector.Profile{}},
		{"negative size", connector.Profile{Picture: &connector.File{ID: "a", Size: -1}}, connector.Profile{}},
		{"refused", connector.Profile{Picture: &connector.File{ID: "a", Refused: "n\x00"}}, connector.Profile{Picture: &connector.File{ID: "a", Refused: "n\ufffd"}}},
	} {
		if d := cmp.Diff(&tt.want, cleanProfile(tt.in)); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}
