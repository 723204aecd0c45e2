package outbox

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func TestStopLetsSendsFinish(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			return connector.Sent{}, pause(ctx, 10*time.Second)
		}
		w.start()
		id, next := w.accept(1, "hello"), w.accept(1, "and more")
		synctest.Wait()
		begun := time.Now()
		w.end()
		w.want(id, parley.JobDelivered, "")
		w.want(next, parley.JobReady, "")
		w.wantSends(next, 0)
		if d := time.Since(begun); d != 10*time.Second {
			t.Errorf("stopped after %v, want 10s", d)
		}
	})
}

// TestStopCutsOff shows what becomes of a send that takes longer than a stop may.
func TestStopCutsOff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind  parley.Kind
		state parley.JobState
	}{
		{parley.KindUnavailable, parley.JobReady}, // it surely never left
		{parley.KindUncertain, parley.JobSending}, // the next owner looks for proof
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
					<-ctx.Done()
					return connector.Sent{}, &parley.Error{Kind: tc.kind, Err: ctx.Err()}
				}
				w.start()
				id := w.accept(1, "hello")
				w.pass(5 * time.Second)
				begun := time.Now()
				w.end()
				w.want(id, tc.state, "")
				if j := w.mem.job(id); tc.state == parley.JobReady && j.Attempt != 0 {
					t.Errorf("%d attempts spent, want none", j.Attempt)
				}
				if d := time.Since(begun); d != 20*time.Second {
					t.Errorf("stopped after %v, want 20s", d)
				}
			})
		})
	}
}

// TestStopDuringClaim gives back what was claimed and has not left.
func TestStopDuringClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.slow = func(string) time.Duration { return time.Second }
		w.start()
		id := w.accept(1, "hello")
		synctest.Wait()
		w.end()
		w.want(id, parley.JobReady, "")
		w.wantSends(id, 0)
		if j := w.mem.job(id); j.Attempt != 0 {
			t.Errorf("%d attempts spent, want none", j.Attempt)
		}
	})
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.start()
		if err := w.box.Run(t.Context()); err == nil {
			t.Error("a second Run did not fail")
		}
		w.end()
		w.box.Wake([]store.Work{newWork(1, "late")}) // is dropped
		w.box.Changed(testChannel)
		if n := len(w.box.runners); n != 0 && w.prov.looks > 0 {
			t.Errorf("%d runners were started after the end", n)
		}
	})
}

// TestClaimRefused sends nothing that somebody else has claimed.
func TestClaimRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.refuse = func(op string, _ parley.JobID) error {
			if op == "claim" {
				return errConflict
			}
			return nil
		}
		w.start()
		id := w.accept(1, "hello")
		w.pass(time.Minute)
		w.want(id, parley.JobReady, "")
		w.wantSends(id, 0)
	})
}

// TestClaimUnknown has claims whose commit is not known: nothing leaves, and
// what was committed is taken back, unspent.
func TestClaimUnknown(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"not committed": false, "committed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				var claims atomic.Int32
				fail := func(op string, _ parley.JobID) error {
					if op == "claim" && claims.Add(1) <= 2 {
						return errors.New("connection lost")
					}
					return nil
				}
				w.mem.refuse = fail
				if committed {
					w.mem.refuse, w.mem.lie = nil, fail
				}
				w.start()
				id := w.accept(1, "hello")
				synctest.Wait()
				w.wantSends(id, 0)
				w.pass(10 * time.Second)
				w.want(id, parley.JobDelivered, "")
				w.wantSends(id, 1)
				if j := w.mem.job(id); j.Attempt != 1 {
					t.Errorf("%d attempts, want 1", j.Attempt)
				}
			})
		})
	}
}

// TestOutcomeIsKept has a store that fails for a while when the outcome is
// already known.
func TestOutcomeIsKept(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		var up atomic.Bool
		w.mem.refuse = func(op string, _ parley.JobID) error {
			if op == "finish" && !up.Load() {
				return errors.New("database is restarting")
			}
			return nil
		}
		w.start()
		id, next := w.accept(1, "hello"), w.accept(1, "and more")
		w.pass(2 * time.Minute)
		w.want(id, parley.JobSending, "")
		up.Store(true)
		w.pass(10 * time.Second)
		w.want(id, parley.JobDelivered, "")
		w.want(next, parley.JobDelivered, "")
		w.wantSends(id, 1)
	})
}

// TestOutcomeCommittedUnseen has outcomes whose commit is not known: the repeat
// is refused, and the poll finds what comes next.
func TestOutcomeCommittedUnseen(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.lie = func(op string, _ parley.JobID) error {
			if op == "finish" {
				return errors.New("connection lost")
			}
			return nil
		}
		w.start()
		id, next := w.accept(1, "hello"), w.accept(1, "and more")
		w.pass(5 * time.Second)
		w.want(id, parley.JobDelivered, "")
		w.want(next, parley.JobDelivered, "")
		w.wantSends(id, 1)
		w.wantSends(next, 1)
	})
}

// TestSlowClaimIsGivenBack does not send when hardly any time is left to.
func TestSlowClaimIsGivenBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		const slow = 20 * time.Second
		var fast atomic.Bool
		w.mem.slow = func(op string) time.Duration {
			if op == "claim" && !fast.Load() {
				return slow
			}
			return 0
		}
		w.start()
		id := w.accept(1, "hello")
		w.pass(slow - time.Second)
		fast.Store(true)
		w.pass(time.Second)
		w.want(id, parley.JobDelivered, "")
		w.wantSends(id, 1)
		if n := len(w.mem.finishes); n != 2 || w.mem.finishes[0].Result != store.Retry || w.mem.finishes[0].Spent {
			t.Errorf("got %+v, want the first claim given back unspent", w.mem.finishes)
		}
	})
}

// TestWakesLost relies on the polls alone.
func TestWakesLost(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Queue = 32
		var ids []parley.JobID
		for c := range parley.ConversationID(1000) {
			ids = append(ids, w.accept(1+c%500, "hello", inLane(parley.Lane(c%3))))
		}
		w.start()
		w.mem.mu.Lock()
		w.mem.wake = func([]store.Work) {}
		w.mem.mu.Unlock()
		for c := range parley.ConversationID(10) {
			ids = append(ids, w.accept(1+c%500, "hello"))
		}
		w.pass(3 * time.Second)
		for _, id := range ids {
			w.want(id, parley.JobDelivered, "")
			w.wantSends(id, 1)
		}
	})
}

// TestMemoryIsBounded never holds more jobs than it may.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Queue, w.cfg.ChannelSends = 32, 4
		w.start()
		for c := range parley.ConversationID(2000) {
			w.accept(1+c, "hello")
			if r := w.box.runners[testChannel]; c%512 == 511 && r != nil {
				synctest.Wait()
				if n := len(r.queue.known); n > 32+4 {
					t.Errorf("%d jobs in memory, want at most 36", n)
				}
			}
		}
		w.pass(time.Minute)
		if n := len(w.prov.seen()); n != 2000 {
			t.Errorf("got %d sends, want 2000", n)
		}
	})
}

// TestToldTwice ignores news of what is known.
func TestToldTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			return connector.Sent{}, pause(ctx, time.Second)
		}
		w.start()
		id := w.accept(1, "hello")
		again := func() {
			w.mem.mu.Lock()
			work := *w.mem.jobs[id]
			w.mem.mu.Unlock()
			work.Job.State = parley.JobReady
			w.box.Wake([]store.Work{work, work})
		}
		again()
		synctest.Wait()
		again()
		w.pass(2 * time.Second)
		again()
		w.pass(2 * time.Second)
		w.want(id, parley.JobDelivered, "")
		w.wantSends(id, 1)
	})
}

func TestSlotsAreBoundedAndFair(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Sends, w.cfg.ChannelSends = 12, 8
		var now, most atomic.Int32
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return connector.Sent{}, pause(ctx, time.Second)
		}
		w.start()
		for c := range parley.ConversationID(400) { // a crowd
			w.accept(1+c, "hello", inChannel(1))
		}
		synctest.Wait()
		if n := now.Load(); n != 8 {
			t.Errorf("%d sends of one channel at once, want 8", n)
		}
		for c := range parley.ConversationID(20) {
			w.accept(1001+c, "hello", inChannel(2))
			w.accept(2001+c, "hello", inChannel(3))
		}
		w.pass(8 * time.Second)
		if n := most.Load(); n != 12 {
			t.Errorf("%d sends at once, want 12", n)
		}
		by := map[parley.ChannelID]int{}
		for _, a := range w.prov.seen() {
			by[a.channel]++
		}
		if by[2] < 20 || by[3] < 20 || by[1] < 40 {
			t.Errorf("got %v sends, want the small channels to be done", by)
		}
	})
}

func TestRunnersLeave(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Pace, w.prov.spec.Pace = true, connector.Pace{PerSecond: 30, Burst: 30, ChatPerSecond: 1, ChatBurst: 2}
		w.start()
		for c := range parley.ConversationID(100) {
			w.accept(1+c, "hello", inChannel(parley.ChannelID(1+c)))
		}
		synctest.Wait()
		w.pass(time.Minute)
		if n := len(w.box.runners); n != 0 {
			t.Errorf("%d runners are left, want none", n)
		}
		w.wantSends(w.accept(1, "hello", inChannel(1)), 0)
		synctest.Wait()
		if n := len(w.prov.seen()); n != 101 {
			t.Errorf("got %d sends, want 101", n)
		}
	})
}

// TestOneOutcomeRefused has a store that takes every outcome but one: it must
// not hold a slot for ever.
func TestOneOutcomeRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.ChannelSends = 1
		w.cfg.Sends = 2
		var bad atomic.Int64
		w.mem.refuse = func(op string, id parley.JobID) error {
			if op == "finish" && int64(id) == bad.Load() {
				return errors.New("constraint failed")
			}
			return nil
		}
		w.start()
		bad.Store(1)
		id := w.accept(1, "hello")
		next := w.accept(2, "hello", inChannel(2))
		w.pass(time.Minute)
		w.want(next, parley.JobDelivered, "")
		other, behind := w.accept(3, "hello", inChannel(2)), w.accept(4, "hello")
		w.pass(time.Minute)
		w.want(other, parley.JobDelivered, "")
		w.want(behind, parley.JobDelivered, "")
		w.want(id, parley.JobSending, "")
		bad.Store(0)
		w.pass(time.Minute)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		w.wantSends(id, 1)
	})
}

// TestRowsUnreadable does not hammer a database that is down.
func TestRowsUnreadable(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Queue = 8
		reads := &failingReads{memory: w.mem}
		w.cfg.Store = reads
		w.start()
		for c := range parley.ConversationID(100) {
			w.accept(1+c, "hello")
		}
		reads.down.Store(true)
		w.pass(time.Minute)
		if n := reads.tries.Load(); n > 61*lanes {
			t.Errorf("%d reads in a minute", n)
		}
		reads.down.Store(false)
		w.pass(5 * time.Second)
		if n := len(w.prov.seen()); n != 100 {
			t.Errorf("got %d sends, want 100", n)
		}
	})
}

type failingReads struct {
	*memory
	down  atomic.Bool
	tries atomic.Int32
}

func (f *failingReads) ReadyWork(ctx context.Context, channel parley.ChannelID, lane parley.Lane, due time.Time, limit int) ([]store.Work, error) {
	if f.down.Load() {
		f.tries.Add(1)
		return nil, errors.New("database is down")
	}
	return f.memory.ReadyWork(ctx, channel, lane, due, limit)
}
