package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func TestFarewell(t *testing.T) {
	t.Parallel()
	gone := []string{"unsubscribe", "deregister"}
	tests := []struct {
		name    string
		prepare func(*rig)
		after   time.Duration
		want    []string // calls
		secrets bool     // still there
	}{
		{"told", nil, 2 * time.Second, gone, false},
		{"refused credentials", func(r *rig) { r.sim.fails("unsubscribe", refused("401")) }, 2 * time.Second, gone[:1], false},
		{"credentials cannot be right", func(r *rig) {
			r.sim.open = func(*parley.Channel) error { return refused("no token") }
		}, 2 * time.Second, nil, false},
		{"never had the account", func(r *rig) {
			r.store.channels[1].Account = ""
		}, 2 * time.Second, gone[1:], false},
		{"another channel has the account", func(r *rig) {
			r.add(2, parley.ChannelEnabled, "1")
		}, 2 * time.Second, gone[1:], false},
		{"another company's", func(r *rig) { r.grants.set(false, 1) }, time.Hour, nil, true},
		{"first try fails", func(r *rig) {
			tries := 0
			r.sim.on("unsubscribe", func(context.Context, *parley.Channel) error {
				if tries++; tries == 1 {
					return down("502")
				}
				return nil
			})
		}, 4 * time.Second, []string{"unsubscribe", "unsubscribe", "deregister"}, false},
		{"panics", func(r *rig) {
			tries := 0
			r.sim.on("deregister", func(context.Context, *parley.Channel) error {
				if tries++; tries == 1 {
					panic("x")
				}
				return nil
			})
		}, 4 * time.Second, []string{"unsubscribe", "deregister", "unsubscribe", "deregister"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{make: hooked}, nil)
				r.sim.on("run", func(ctx context.Context, _ *parley.Channel) error { <-ctx.Done(); return nil })
				r.add(1, parley.ChannelDeleted)
				if tt.prepare != nil {
					tt.prepare(r)
				}
				r.start(t)
				advance(tt.after)
				var calls []string
				for _, c := range r.sim.log() {
					if c != "run" { // of the other channel
						calls = append(calls, c)
					}
				}
				if diff := cmp.Diff(tt.want, calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if got := len(r.store.row(1).Secrets) > 0; got != tt.secrets {
					t.Errorf("secrets kept: %v, want %v", got, tt.secrets)
				}
				wantSaid(t, r.store.said())
			})
		})
	}
}

func TestFarewellStopsTheSessionFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, nil)
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		advance(spread)
		running := -1
		r.sim.on("unsubscribe", func(context.Context, *parley.Channel) error {
			running = r.sim.add(&r.sim.runs, 0)
			return nil
		})
		r.store.change(1, func(ch *parley.Channel) { ch.State = parley.ChannelDeleted })
		synctest.Wait()
		if running != 0 {
			t.Errorf("%d sessions run during the farewell, want 0", running)
		}
		if n := len(r.store.row(1).Secrets); n != 0 {
			t.Errorf("%d secrets are kept, want 0", n)
		}
		if r.sim.add(&r.sim.closed, 0) != 2 {
			t.Errorf("%d clients closed, want the session's and the farewell's", r.sim.add(&r.sim.closed, 0))
		}
	})
}

func TestFarewellGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, nil)
		r.sim.fails("unsubscribe", down("502"))
		r.add(1, parley.ChannelDeleted)
		r.store.channels[1].StateAt = time.Now().Add(time.Hour - giveUp)
		r.start(t)
		advance(time.Hour - time.Minute)
		if len(r.store.row(1).Secrets) == 0 {
			t.Error("it gave up too early")
		}
		if n := r.sim.count("unsubscribe"); n < 10 || n > 23 {
			t.Errorf("%d tries in an hour, want one each 5 to 10 minutes after the first few", n)
		}
		advance(farewellWait + time.Minute)
		if len(r.store.row(1).Secrets) > 0 {
			t.Error("it did not give up")
		}
		before := r.sim.count("unsubscribe")
		advance(time.Hour)
		if n := r.sim.count("unsubscribe"); n != before {
			t.Errorf("%d tries after it gave up, want 0", n-before)
		}
	})
}

// A new channel of the same account must not lose its registration to the
// farewell of the old one.
func TestFarewellAndNewChannelTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		r.sim.on("unsubscribe", func(ctx context.Context, _ *parley.Channel) error {
			sleep(ctx, 10*time.Second)
			return nil
		})
		r.start(t)
		r.add(1, parley.ChannelDeleted)
		synctest.Wait()
		r.add(2, parley.ChannelConnecting, "1")
		advance(5 * time.Second)
		const subscribe = "subscribe https://gate.example/callbacks/demo/p2 s"
		if r.sim.count(subscribe) != 0 {
			t.Error("the new channel was registered while the old one's registration was being removed")
		}
		advance(6 * time.Second)
		wantRow(t, r.store.row(2), parley.ChannelEnabled, "", "bot-1")
		if calls := r.sim.log(); calls[len(calls)-1] != subscribe && calls[len(calls)-2] != subscribe {
			t.Errorf("calls %v, want the registration after the removal", calls)
		}
	})
}
