package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// close says that the test channel has no client, as package session does.
func (p *provider) close(state parley.ChannelState, reason string) {
	p.set(func() {
		p.channel.State, p.channel.Reason, p.channel.StateAt = state, reason, time.Now()
		p.err = fails(parley.KindLoggedOut, "not enabled")
	})
}

func (p *provider) enable() {
	p.set(func() {
		p.channel.State, p.channel.StateAt, p.err = parley.ChannelEnabled, time.Now(), nil
		p.channel.Generation++
	})
}

func TestLoggedOutThenPairedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		type told struct {
			channel    parley.ChannelID
			generation int64
			reason     string
		}
		var calls []told
		w.cfg.LoggedOut = func(_ context.Context, id parley.ChannelID, generation int64, reason string) {
			calls = append(calls, told{id, generation, reason})
			w.prov.close(parley.ChannelDisabled, reason)
		}
		w.prov.answers(fails(parley.KindLoggedOut, "token revoked"))
		w.start()
		id, next := w.accept(1, "hello"), w.accept(1, "and more")
		w.pass(5 * time.Minute)
		w.wantSends(id, 1)
		w.want(id, parley.JobReady, "")
		if n := w.mem.job(id).Attempt; n != 0 {
			t.Errorf("%d attempts spent, want none", n)
		}
		w.prov.set(func() { w.prov.send = nil })
		w.prov.enable()
		w.box.Changed(testChannel)
		synctest.Wait()
		w.want(id, parley.JobDelivered, "")
		w.want(next, parley.JobDelivered, "")
		if len(calls) != 1 || calls[0] != (told{testChannel, 1, "token revoked"}) {
			t.Errorf("told %v, want once of generation 1", calls)
		}
	})
}

// TestLoggedOutTellsOnce has many sends refused at the same time, and a session
// that does not act on it.
func TestLoggedOutTellsOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		var calls atomic.Int32
		w.cfg.LoggedOut = func(context.Context, parley.ChannelID, int64, string) { calls.Add(1) }
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			_ = pause(ctx, time.Millisecond)
			return connector.Sent{}, fails(parley.KindLoggedOut, "token revoked")
		}
		w.cfg.ChannelSends = 10
		w.start()
		for c := range parley.ConversationID(50) {
			w.accept(1+c, "hello")
		}
		w.pass(500 * time.Millisecond)
		if n := len(w.prov.seen()); calls.Load() != 1 || n != 10 {
			t.Errorf("told %d times after %d sends, want once after 10", calls.Load(), n)
		}
		w.pass(10 * time.Minute)
		if n := len(w.prov.seen()); n > 10*60 {
			t.Errorf("%d sends with credentials that were refused", n)
		}
	})
}

func TestGraceEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		state  parley.ChannelState
		why    string
		reason string
	}{
		{parley.ChannelDisabled, "token revoked", "channel is disabled: token revoked"},
		{parley.ChannelConnecting, "", "channel is connecting"},
		{parley.ChannelQRPending, "", "channel is qr pending"},
	} {
		t.Run(string(tc.state), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.mem.setChannel(testChannel, tc.state)
				w.prov.close(tc.state, tc.why)
				w.start()
				id, next := w.accept(1, "hello"), w.accept(1, "and more")
				w.pass(15*time.Minute - time.Second)
				w.want(id, parley.JobReady, "")
				late := w.accept(2, "hello")
				w.pass(20 * time.Second)
				w.want(id, parley.JobNotDelivered, tc.reason)
				w.want(next, parley.JobNotDelivered, tc.reason)
				w.want(late, parley.JobNotDelivered, tc.reason)
				var order []parley.JobID
				for _, f := range w.mem.finishes {
					if f.Work.Job.Conversation == 1 {
						order = append(order, f.Work.Job.ID)
					}
				}
				if !slices.Equal(order, []parley.JobID{id, next}) {
					t.Errorf("ended in the order %v, want %v", order, []parley.JobID{id, next})
				}
				w.prov.enable()
				w.box.Changed(testChannel)
				good := w.accept(1, "hello")
				synctest.Wait()
				w.want(good, parley.JobDelivered, "")
				w.wantSends(id, 0)
			})
		})
	}
}

// TestDisabledForLong does not let jobs wait for a channel that is long gone.
func TestDisabledForLong(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.setChannel(testChannel, parley.ChannelDisabled)
		w.prov.close(parley.ChannelDisabled, "token revoked")
		w.start()
		w.pass(time.Hour)
		id := w.accept(1, "hello")
		synctest.Wait()
		w.want(id, parley.JobNotDelivered, "channel is disabled: token revoked")
	})
}

// TestGraceEndsBeforeNextTry ends jobs whose next try is far off.
func TestGraceEndsBeforeNextTry(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(throttled(2 * time.Hour))
		w.start()
		id := w.accept(1, "hello")
		synctest.Wait()
		w.prov.close(parley.ChannelDisabled, "")
		w.mem.setChannel(testChannel, parley.ChannelDisabled)
		w.pass(15*time.Minute + openPoll)
		w.want(id, parley.JobNotDelivered, "channel is disabled")
	})
}

// TestSweepAndEnable has the channel come back in the middle of a sweep: nothing
// may be claimed that the sweep is about to end.
func TestSweepAndEnable(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.slow = func(op string) time.Duration {
			if op == "finish" {
				return time.Second
			}
			return 0
		}
		w.prov.close(parley.ChannelDisabled, "")
		w.mem.setChannel(testChannel, parley.ChannelDisabled)
		for range 5 {
			w.accept(1, "hello")
		}
		w.start()
		w.pass(15*time.Minute + 1500*time.Millisecond)
		w.mem.setChannel(testChannel, parley.ChannelEnabled)
		w.prov.enable()
		w.box.Changed(testChannel)
		w.pass(20 * time.Second)
		if n := len(w.prov.seen()); n != 0 {
			t.Errorf("%d jobs were sent that the sweep had read", n)
		}
		for id := range parley.JobID(5) {
			w.want(1+id, parley.JobNotDelivered, "channel is disabled")
		}
	})
}

// TestSweepDuringClaim leaves a conversation alone whose part is being claimed.
func TestSweepDuringClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.slow = func(op string) time.Duration {
			if op == "claim" {
				return 2 * time.Second
			}
			return 0
		}
		w.start()
		id := w.accept(1, "hello")
		w.pass(time.Second)
		w.prov.set(func() { w.prov.err = fails(parley.KindNotFound, "") })
		w.box.route(testCompany, testChannel, mail{kind: mailSweep})
		w.pass(2 * time.Second)
		w.want(id, parley.JobDelivered, "")
	})
}

func TestDeletedChannel(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(fails(parley.KindUnavailable, ""), fails(parley.KindUnavailable, ""), fails(parley.KindUnavailable, ""),
			fails(parley.KindUnavailable, ""), fails(parley.KindUnavailable, ""), fails(parley.KindUnavailable, ""))
		w.start()
		var ids []parley.JobID
		for i := range 500 {
			ids = append(ids, w.accept(parley.ConversationID(1+i%7), "hello"))
		}
		w.pass(20 * time.Second) // most heads wait for their next try
		sends := len(w.prov.seen())
		w.prov.set(func() { w.prov.err = fails(parley.KindNotFound, "") })
		w.mem.setChannel(testChannel, parley.ChannelDeleted)
		w.pass(6 * time.Second)
		for _, id := range ids {
			w.want(id, parley.JobNotDelivered, "channel was deleted")
		}
		if n := len(w.prov.seen()); n != sends {
			t.Errorf("%d sends after it was deleted", n-sends)
		}
	})
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(*provider){
		"error": func(p *provider) { p.err = errors.New("secret") },
		"panic": func(p *provider) { p.panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				broken(w.prov)
				w.start()
				id := w.accept(1, "hello")
				w.pass(2 * time.Second)
				w.want(id, parley.JobReady, "")
				w.pass(10 * time.Second)
				w.want(id, parley.JobNotDelivered, "internal error")
				if strings.Contains(w.log.text(), "secret") {
					t.Errorf("the log tells the error: %s", w.log.text())
				}
			})
		})
	}
}

// TestNoClientForNow waits for as long as jobs live.
func TestNoClientForNow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.err = fails(parley.KindUnavailable, "session is not up")
		w.start()
		id := w.accept(1, "hello")
		w.pass(23 * time.Hour)
		w.want(id, parley.JobReady, "")
		other := w.accept(2, "hello")
		w.pass(61 * time.Minute)
		w.want(id, parley.JobNotDelivered, "expired")
		w.want(other, parley.JobReady, "")
		w.prov.set(func() { w.prov.err = nil })
		w.pass(holdMax)
		w.want(other, parley.JobDelivered, "")
	})
}

// TestExpiryKeepsOrder ends what waits behind a throttled head, in order, and
// leaves what is younger.
func TestExpiryKeepsOrder(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.JobExpiry = time.Hour
		w.prov.answers(throttled(2 * time.Hour))
		w.start()
		first, second := w.accept(1, "hello"), w.accept(1, "and more")
		w.pass(30 * time.Minute)
		young := w.accept(1, "and still more")
		w.prov.set(func() { w.prov.send = nil })
		w.pass(30*time.Minute + openPoll)
		w.want(first, parley.JobNotDelivered, "expired")
		w.want(second, parley.JobNotDelivered, "expired")
		w.want(young, parley.JobDelivered, "")
		if a, b := w.mem.job(first).DoneAt, w.mem.job(second).DoneAt; b.Before(a) {
			t.Errorf("ended at %v, and before that the second at %v", a, b)
		}
		w.wantSends(second, 0)
	})
}

// TestExpiredIsNotSent finds an old job at its turn, before any poll does.
func TestExpiredIsNotSent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		id := w.accept(1, "hello")
		w.pass(25 * time.Hour)
		w.start()
		w.pass(time.Second)
		w.want(id, parley.JobNotDelivered, "expired")
		w.wantSends(id, 0)
	})
}

// TestSweepLeavesWhatIsUnderWay ends no job whose part has left, and none after it.
func TestSweepLeavesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.JobExpiry, w.cfg.SendTimeout = 10*time.Second, time.Minute
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			return connector.Sent{}, pause(ctx, 40*time.Second)
		}
		w.start()
		id, next := w.accept(1, "hello"), w.accept(1, "and more")
		w.pass(35 * time.Second)
		w.want(id, parley.JobSending, "")
		w.want(next, parley.JobWaiting, "")
		w.pass(10 * time.Second)
		w.want(id, parley.JobDelivered, "")
		w.want(next, parley.JobNotDelivered, "expired")
	})
}
