package session

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func refused(message string) error { return parley.Errorf(parley.KindLoggedOut, message) }
func down(message string) error    { return parley.Errorf(parley.KindUnavailable, message) }

func public(c *Config) { c.PublicURL = "https://gate.example/" }

func wantRow(t *testing.T, got parley.Channel, state parley.ChannelState, reason, account string) {
	t.Helper()
	if got.State != state || got.Reason != reason || got.Account != account {
		t.Errorf("channel is %s (%q) of %q, want %s (%q) of %q", got.State, got.Reason, got.Account, state, reason, account)
	}
}

// wantSaid checks the messages of the system events, in order.
func wantSaid(t *testing.T, bodies []string, want ...string) {
	t.Helper()
	var got []string
	for _, b := range bodies {
		_, after, _ := strings.Cut(b, `"message":"`)
		message, _, _ := strings.Cut(after, `"`)
		_, after, _ = strings.Cut(b, `"severity":"`)
		severity, _, _ := strings.Cut(after, `"`)
		got = append(got, message+" "+severity)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("system events (-want +got):\n%s", diff)
	}
}

func TestConnectBySubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		var claimed string
		r.sim.on("subscribe https://gate.example/callbacks/demo/p1 s", func(context.Context, *parley.Channel) error {
			claimed = r.store.row(1).Account
			return nil
		})
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		synctest.Wait()
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
		wantSaid(t, r.store.said(), "authorized information")
		if diff := cmp.Diff([]string{"verify", "subscribe https://gate.example/callbacks/demo/p1 s"}, r.sim.log()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if claimed != "bot-1" {
			t.Errorf("account when subscribing is %q, want it claimed before", claimed)
		}
		if n := r.busy(); n != 0 {
			t.Errorf("%d workers for an idle channel, want 0", n)
		}
	})
}

func TestConnectByPoll(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sim    *script
		change func(*Config)
		source string
	}{
		{"without a public address", &script{make: hooked}, nil, "poll"},
		{"no subscriber", &script{}, public, "poll"},
		{"stateful", &script{make: hooked, spec: connector.Spec{Stateful: true}}, public, "session"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(tt.sim, tt.change)
				r.start(t)
				r.add(1, parley.ChannelConnecting)
				synctest.Wait()
				wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
				wantSaid(t, r.store.said(), "authorized information")
				if diff := cmp.Diff([]string{"verify", "run"}, r.sim.log()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{tt.source + " bot-1 1"}, r.heard); diff != "" {
					t.Errorf("heard (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestConnectRefused(t *testing.T) {
	t.Parallel()
	const subscribe = "subscribe https://gate.example/callbacks/demo/p1 s"
	tests := []struct {
		name    string
		prepare func(*rig)
		reason  string
		account string
	}{
		{"by verify", func(r *rig) { r.sim.fails("verify", refused("the token is refused")) }, "the token is refused", ""},
		{"by subscribe", func(r *rig) { r.sim.fails(subscribe, refused("no such bot")) }, "no such bot", "bot-1"},
		{"by open", func(r *rig) {
			r.sim.open = func(*parley.Channel) error { return refused("not a token") }
		}, "not a token", ""},
		{"account of another channel", func(r *rig) { r.add(2, parley.ChannelEnabled, "1") }, reasonTaken, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{make: hooked}, public)
				tt.prepare(r)
				r.start(t)
				r.add(1, parley.ChannelConnecting)
				advance(3 * time.Second)
				wantRow(t, r.store.row(1), parley.ChannelDisabled, tt.reason, tt.account)
				wantSaid(t, r.store.said(), "disabled critical")
				if tt.reason == reasonTaken && r.sim.count(subscribe) > 0 {
					t.Error("it took the registration of the account's channel")
				}
				if n := r.busy(); n != 0 {
					t.Errorf("%d workers, want 0", n)
				}
			})
		})
	}
}

func TestConnectWhenProviderIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		r.sim.fails("verify", down("no answer"))
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		advance(time.Second / 4)
		if n := r.sim.count("verify"); n != 1 {
			t.Errorf("%d tries at once, want 1", n)
		}
		advance(3 * time.Second)
		wantRow(t, r.store.row(1), parley.ChannelConnecting, "", "")
		advance(time.Minute)
		wantRow(t, r.store.row(1), parley.ChannelConnecting, "provider unreachable: no answer", "")
		before := r.sim.count("verify")
		advance(10 * time.Minute)
		if n := r.sim.count("verify") - before; n < 10 || n > 21 {
			t.Errorf("%d tries in ten minutes, want one each 30 to 60 s", n)
		}
		since := r.store.row(1).StateAt
		r.sim.on("verify", nil)
		advance(time.Minute + time.Second)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
		wantSaid(t, r.store.said(), "authorized information")
		if !r.store.row(1).StateAt.After(since) {
			t.Error("StateAt did not move with the state")
		}
	})
}

func TestConnectObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sim.fails("verify", &parley.Error{Kind: parley.KindThrottled, RetryAfter: 5 * time.Minute})
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		advance(4 * time.Minute)
		if n := r.sim.count("verify"); n != 1 {
			t.Errorf("%d tries, want 1 before the time is over", n)
		}
		advance(90 * time.Second)
		if n := r.sim.count("verify"); n != 2 {
			t.Errorf("%d tries, want 2", n)
		}
	})
}

func TestConnectPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sim.on("verify", func(context.Context, *parley.Channel) error { panic("secret") })
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		advance(time.Second / 4)
		wantRow(t, r.store.row(1), parley.ChannelConnecting, "", "")
		r.sim.on("verify", nil)
		advance(2 * time.Second)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
	})
}

func TestConnectStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		r.sim.on("verify", func(context.Context, *parley.Channel) error {
			r.store.fail(down("database"))
			return nil
		})
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		advance(10 * time.Second)
		r.sim.on("verify", nil)
		r.store.fail(nil)
		wantRow(t, r.store.row(1), parley.ChannelConnecting, "", "")
		advance(time.Minute)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-1")
	})
}

func TestConnectAtMostTwentyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: hooked}, public)
		r.sim.on("verify", func(ctx context.Context, _ *parley.Channel) error {
			sleep(ctx, time.Second)
			return ctx.Err()
		})
		for id := range parley.ChannelID(100) {
			r.add(id+1, parley.ChannelConnecting, "t"+string(rune('a'+id)))
		}
		r.start(t)
		advance(20 * time.Second)
		if r.sim.add(&r.sim.most, 0) != handshakes {
			t.Errorf("%d handshakes at once, want %d", r.sim.add(&r.sim.most, 0), handshakes)
		}
		if n := len(r.store.said()); n != 100 {
			t.Errorf("%d channels enabled, want 100", n)
		}
	})
}

func TestConnectNewCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		synctest.Wait()
		r.store.change(1, func(ch *parley.Channel) {
			ch.Generation, ch.State, ch.Account = 2, parley.ChannelConnecting, ""
			ch.Secrets["token"] = "new"
		})
		synctest.Wait()
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-new")
		if r.sim.add(&r.sim.runs, 0) != 1 || r.sim.add(&r.sim.closed, 0) != 1 {
			t.Errorf("%d sessions run and %d clients closed, want 1 and 1", r.sim.add(&r.sim.runs, 0), r.sim.add(&r.sim.closed, 0))
		}
		if diff := cmp.Diff([]string{"poll bot-1 1", "poll bot-new 1"}, r.heard); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

func TestConnectIgnoresLateVerdict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.sim.on("verify", func(_ context.Context, ch *parley.Channel) error {
			if ch.Generation > 1 {
				return nil
			}
			r.store.change(1, func(ch *parley.Channel) { // new credentials arrive meanwhile
				ch.Generation, ch.Secrets["token"] = 2, "new"
			})
			return refused("old token")
		})
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		advance(2 * time.Second)
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "bot-new")
		wantSaid(t, r.store.said(), "authorized information")
	})
}

func TestLoggedOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		verify     error
		generation int64
		want       parley.ChannelState
		reason     string
		err        parley.Kind
	}{
		{"confirmed", refused("unauthorized"), 1, parley.ChannelDisabled, "unauthorized", ""},
		{"not confirmed", nil, 1, parley.ChannelEnabled, "", ""},
		{"provider down", down("no answer"), 1, parley.ChannelEnabled, "", parley.KindUnavailable},
		{"old credentials", refused("unauthorized"), 0, parley.ChannelEnabled, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{}, nil)
				r.add(1, parley.ChannelEnabled)
				r.start(t)
				advance(2 * time.Second)
				r.sim.fails("verify", tt.verify)
				for range 3 {
					if err := r.LoggedOut(t.Context(), 1, tt.generation, "send was refused"); parley.KindOf(err) != tt.err {
						t.Errorf("error is %v, want kind %q", err, tt.err)
					}
				}
				synctest.Wait()
				wantRow(t, r.store.row(1), tt.want, tt.reason, "bot-1")
				if tt.want == parley.ChannelDisabled {
					wantSaid(t, r.store.said(), "disabled critical")
				} else {
					wantSaid(t, r.store.said())
				}
				if stopped := r.sim.add(&r.sim.runs, 0) == 0; stopped != (tt.want == parley.ChannelDisabled) {
					t.Errorf("session stopped: %v", stopped)
				}
			})
		})
	}
}

type sendOnly struct{ *base }

func TestLoggedOutWithoutVerifier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{make: func(c *base) connector.Client { return sendOnly{c} }}, nil)
		r.start(t)
		r.add(1, parley.ChannelConnecting)
		synctest.Wait()
		wantRow(t, r.store.row(1), parley.ChannelEnabled, "", "channel-1")
		if err := r.LoggedOut(t.Context(), 1, 1, "send was refused"); err != nil {
			t.Fatal(err)
		}
		wantRow(t, r.store.row(1), parley.ChannelDisabled, "send was refused", "channel-1")
	})
}

// A connector that will not open a live channel any more says so to everyone who
// asks; the channel is disabled, whoever notices first.
func TestLiveChannelThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		notice func(t *testing.T, r *rig)
	}{
		{"polled", nil, func(t *testing.T, r *rig) { r.start(t); advance(2 * spread) }},
		{"swept", public, func(t *testing.T, r *rig) {
			r.add(2, parley.ChannelEnabled) // so that the provider is known
			if _, _, _, err := r.Client(t.Context(), 2); err != nil {
				t.Error(err)
			}
			r.start(t)
			advance(sweepStart + 2*spread)
		}},
		{"told", nil, func(t *testing.T, r *rig) {
			if err := r.LoggedOut(t.Context(), 1, 1, "send was refused"); err != nil {
				t.Error(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(&script{make: hooked}, tt.change)
				r.sim.open = func(ch *parley.Channel) error {
					if ch.ID == 1 {
						return refused("not a token")
					}
					return nil
				}
				r.add(1, parley.ChannelEnabled)
				r.dirty.take() // as if it had been so for long
				tt.notice(t, r)
				wantRow(t, r.store.row(1), parley.ChannelDisabled, "not a token", "bot-1")
				wantSaid(t, r.store.said(), "disabled critical")
			})
		})
	}
}
