package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

// running starts a rig with one enabled channel that is polled.
func running(t *testing.T) *rig {
	r := newRig(&script{}, nil)
	r.add(1, parley.ChannelEnabled)
	r.start(t)
	advance(spread)
	if n := r.sim.count("run"); n != 1 {
		t.Fatalf("%d runs after the start, want 1", n)
	}
	return r
}

func TestRunStartsWithoutHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := running(t)
		if diff := cmp.Diff([]string{"run"}, r.sim.log()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if r.store.number(&r.store.sets) != 0 {
			t.Errorf("%d moves, want none", r.store.number(&r.store.sets))
		}
	})
}

func TestRunAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(context.Context, *parley.Channel) error
		reason string
	}{
		{"unavailable", func(context.Context, *parley.Channel) error { return down("502") }, "provider unreachable: 502"},
		{"another poller", func(context.Context, *parley.Channel) error {
			return parley.Errorf(parley.KindConflict, "terminated by other getUpdates")
		}, "the account is used elsewhere: terminated by other getUpdates"},
		{"panic", func(context.Context, *parley.Channel) error { panic("a secret") }, "the channel does not work: internal error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{}, nil)
				r.sim.on("run", tt.answer)
				r.add(1, parley.ChannelEnabled)
				r.start(t)
				advance(90 * time.Second)
				wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
				advance(3 * time.Minute)
				wantRow(t, r.store.row(1), parley.ChannelEnabled, tt.reason, "bot-1")
				sets := r.store.number(&r.store.sets)
				before := r.sim.count("run")
				advance(30 * time.Minute)
				if n := r.sim.count("run") - before; n < 29 || n > 61 {
					t.Errorf("%d runs in half an hour, want one each 30 to 60 s", n)
				}
				if n := r.store.number(&r.store.sets); n != sets {
					t.Errorf("the reason was written %d times more, want 0", n-sets)
				}
				r.sim.on("run", nil)
				advance(time.Minute)
				wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
				wantSaid(t, r.store.said())
			})
		})
	}
}

func TestRunQuickAgainAfterGoingWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		cut := make(chan struct{})
		r.sim.on("run", func(ctx context.Context, _ *parley.Channel) error {
			select {
			case <-ctx.Done():
				return nil
			case <-cut:
				return down("cut")
			}
		})
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		for n := range 10 {
			advance(3 * time.Minute)
			if got := r.sim.count("run"); got != n+1 {
				t.Fatalf("%d runs, want %d", got, n+1)
			}
			cut <- struct{}{}
			advance(firstWait)
			if got := r.sim.count("run"); got != n+2 {
				t.Fatalf("%d runs a second after a session of minutes broke, want %d", got, n+2)
			}
		}
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
	})
}

func TestRunLoggedOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		verify error
		want   parley.ChannelState
		reason string
		runs   int // at least
	}{
		{"confirmed", refused("unauthorized"), parley.ChannelDisabled, "unauthorized", 1},
		{"not confirmed", nil, parley.ChannelEnabled, "", 3},
		{"not known", down("no answer"), parley.ChannelEnabled, "", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{}, nil)
				r.sim.fails("run", refused("401"))
				r.sim.fails("verify", tt.verify)
				r.add(1, parley.ChannelEnabled)
				r.start(t)
				advance(30 * time.Second)
				wantRow(t, r.store.row(1), tt.want, tt.reason, "bot-1")
				n := r.sim.count("run")
				if n < tt.runs || tt.want == parley.ChannelDisabled && n != 1 {
					t.Errorf("%d runs, want %d", n, tt.runs)
				}
				if tt.want == parley.ChannelDisabled {
					wantSaid(t, r.store.said(), "disabled critical")
				}
			})
		})
	}
}

func TestRunSinkFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sinkTo = func(context.Context) error { return down("store") }
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		advance(time.Minute)
		r.mu.Lock()
		heard := len(r.heard)
		r.sinkTo = nil
		r.mu.Unlock()
		if n := r.sim.count("run"); heard != 0 || n > 8 {
			t.Errorf("%d heard in %d runs, want none and ever longer waits", heard, n)
		}
		advance(time.Minute)
		if diff := cmp.Diff([]string{"poll bot-1 1"}, r.heard); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

func TestRunStartsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sim.on("run", func(ctx context.Context, _ *parley.Channel) error {
			<-ctx.Done()
			return ctx.Err()
		})
		for id := range parley.ChannelID(100) {
			r.add(id+1, parley.ChannelEnabled, "t"+string(rune('a'+id)))
		}
		r.start(t)
		advance(settle)
		if n := r.sim.count("run"); n > 2*handshakes {
			t.Errorf("%d sessions started in %v, want no more than %d", n, settle, 2*handshakes)
		}
		advance(100 / handshakes * settle)
		if n := r.sim.count("run"); n != 100 {
			t.Errorf("%d sessions started, want 100", n)
		}
	})
}

func TestOwnership(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := running(t)

		r.grants.set(false, 1)
		advance(watchEvery)
		if n := r.sim.add(&r.sim.runs, 0); n != 0 {
			t.Errorf("%d sessions run after the company was lost, want 0", n)
		}
		r.add(2, parley.ChannelConnecting)
		advance(5 * time.Minute)
		if n := r.sim.count("run") + r.sim.count("verify"); n != 1 {
			t.Errorf("%d calls for a company of another node, want 1 from before", n)
		}

		r.grants.set(true, 2)
		advance(pollEvery + spread)
		if n := r.sim.add(&r.sim.runs, 0); n != 2 {
			t.Errorf("%d sessions run after the company came back, want 2", n)
		}
	})
}

func TestOwnershipNewTermStartsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := running(t)
		r.grants.set(true, 2)
		advance(watchEvery + pollEvery + spread)
		if n, going := r.sim.count("run"), r.sim.add(&r.sim.runs, 0); n != 2 || going != 1 {
			t.Errorf("%d runs, %d going on, want 2 and 1", n, going)
		}
	})
}

func TestOwnershipLostWhileStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := running(t)
		hang := make(chan struct{})
		r.store.mu.Lock()
		r.store.hang = hang
		r.store.mu.Unlock()
		advance(5 * time.Second)
		r.grants.set(false, 1)
		advance(watchEvery)
		if n := r.sim.add(&r.sim.runs, 0); n != 0 {
			t.Errorf("%d sessions run although the company is lost, want 0", n)
		}
		close(hang)
	})
}

func TestStoppedFromElsewhere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*parley.Channel)
	}{
		{"disabled", func(ch *parley.Channel) { ch.State = parley.ChannelDisabled }},
		{"deleted", func(ch *parley.Channel) { ch.State = parley.ChannelDeleted }},
	}
	for _, tt := range tests {
		for _, told := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := running(t)
					if !told { // another node did it
						r.store.hook = func(parley.ChannelID) {}
					}
					r.store.change(1, tt.change)
					if told {
						synctest.Wait()
					} else {
						advance(scanEvery + pollEvery)
					}
					if n := r.sim.add(&r.sim.runs, 0); n != 0 {
						t.Errorf("%d sessions run, want 0", n)
					}
				})
			})
		}
	}
}

func TestScanOpensNoIdleChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		for id := range parley.ChannelID(1200) {
			r.store.channels[id+1] = &parley.Channel{ID: id + 1, Company: 7, Provider: "demo", State: parley.ChannelEnabled,
				Generation: 1, Account: "a"}
		}
		p := &planner{Manager: r.Manager, owned: make(map[parley.Shard]parley.Term)}
		p.poll(t.Context())
		if r.store.number(&r.store.reads) != 1 {
			t.Errorf("%d channels read at the start, want 1 to learn what the provider is", r.store.number(&r.store.reads))
		}
		if n := r.busy(); n != 0 {
			t.Errorf("%d workers, want 0", n)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const subscribe = "subscribe https://gate.example/callbacks/demo/p1 s"
		r := newRig(&script{make: hooked}, public)
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		advance(sweepStart + time.Second)
		if n := r.sim.count(subscribe); n != 1 {
			t.Fatalf("%d registrations after the start, want 1", n)
		}
		advance(time.Hour)
		if n := r.sim.count(subscribe); n < 5 || n > 9 {
			t.Errorf("%d registrations in an hour, want one each 10 minutes", n)
		}
		if n := r.store.number(&r.store.sets); n != 0 {
			t.Errorf("%d moves, want none while all is well", n)
		}

		r.sim.fails(subscribe, parley.Errorf(parley.KindRejected, "bad address"))
		advance(13 * time.Minute)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "callback registration failed: bad address", "bot-1")
		r.sim.on(subscribe, nil)
		advance(13 * time.Minute)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")

		r.sim.fails(subscribe, refused("401"))
		r.sim.fails("verify", refused("unauthorized"))
		advance(13 * time.Minute)
		wantRow(t, r.store.row(1), parley.ChannelDisabled, "unauthorized", "bot-1")
		wantSaid(t, r.store.said(), "disabled critical")
	})
}

func TestSweepIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		for id := range parley.ChannelID(400) {
			r.add(id+1, parley.ChannelEnabled, "t"+string(rune('a'+id)))
		}
		r.start(t)
		advance(sweepStart)
		if n := len(r.sim.log()); n > int(sweepStart/sweepPace) {
			t.Errorf("%d registrations in the first seconds, want them spread", n)
		}
		advance(400 * sweepPace)
		if n := len(r.sim.log()); n != 400 {
			t.Errorf("%d registrations in the first round, want 400", n)
		}
	})
}

func TestSweepOnlyOwned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		r.grants.set(false, 0)
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		advance(time.Hour)
		if calls := r.sim.log(); len(calls) != 0 {
			t.Errorf("calls %v for a channel of another node, want none", calls)
		}
	})
}

// Polling for what changed must not read the rows of channels that did not.
func TestQuietCostsNoReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sim.on("verify", func(context.Context, *parley.Channel) error { return down("no answer") })
		r.add(1, parley.ChannelEnabled)
		r.add(2, parley.ChannelConnecting)
		r.start(t)
		advance(5 * time.Minute)
		reads, tries := r.store.number(&r.store.reads), r.sim.count("verify")
		advance(time.Hour)
		tries = r.sim.count("verify") - tries
		if n := r.store.number(&r.store.reads) - reads; n > tries {
			t.Errorf("%d rows read in a quiet hour, want no more than the %d tries to connect", n, tries)
		}
	})
}

// A change that could not be read at once is looked at again soon.
func TestChangeWhileStoreIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := running(t)
		r.store.fail(down("database"))
		r.store.change(1, func(ch *parley.Channel) { ch.State = parley.ChannelDisabled })
		advance(5 * time.Second)
		if n := r.sim.add(&r.sim.runs, 0); n != 1 {
			t.Errorf("%d sessions run while nobody knows of the change, want 1", n)
		}
		r.store.fail(nil)
		advance(pollEvery)
		if n := r.sim.add(&r.sim.runs, 0); n != 0 {
			t.Errorf("%d sessions run of a disabled channel, want 0", n)
		}
	})
}
