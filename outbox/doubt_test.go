package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func TestDoubtWithKey(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.spec.Keyed = true
		w.prov.answers(fails(parley.KindUncertain, ""), fails(parley.KindInternal, ""))
		w.start()
		id := w.accept(1, "hello")
		w.pass(10 * time.Second)
		w.want(id, parley.JobDelivered, "")
		w.wantSends(id, 3)
		for _, a := range w.prov.of(id) {
			if a.key != "1.0" {
				t.Errorf("got key %q, want the same for each attempt", a.key)
			}
		}
	})
}

// TestDoubtOutlastsKey shows that a key is not used beyond its validity.
func TestDoubtOutlastsKey(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.spec.Keyed = true
		var errs []error
		for range 100 {
			errs = append(errs, fails(parley.KindUncertain, ""))
		}
		w.prov.answers(errs...)
		w.start()
		id := w.accept(1, "hello")
		w.pass(20 * time.Minute)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		seen := w.prov.of(id)
		if d := seen[len(seen)-1].at.Sub(seen[0].at); d < KeyValidity/2 || d > KeyValidity+5*time.Minute {
			t.Errorf("sent again over %v, want no longer than %v and one pause", d, KeyValidity)
		}
	})
}

func TestDoubtWaitsForProof(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.spec.Receipts = true
		w.prov.answers(fails(parley.KindUncertain, ""))
		w.start()
		id := w.accept(1, "hello")
		next := w.accept(1, "and more")
		other := w.accept(2, "hello")
		synctest.Wait()
		w.prov.set(func() { w.prov.send = nil })
		w.pass(59 * time.Second)
		w.want(id, parley.JobSending, "")
		w.wantSends(next, 0)
		w.want(other, parley.JobSending, "")
		w.pass(2 * time.Second)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		w.want(next, parley.JobDelivered, "")
		w.wantSends(id, 1)
	})
}

func TestDoubtProved(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"at once": 0, "later": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.prov.spec.Receipts = true
				w.prov.answers(fails(parley.KindUncertain, ""))
				echo := func() {
					w.mem.mu.Lock()
					defer w.mem.mu.Unlock()
					w.mem.echoes[1] = connector.Sent{ProviderID: "m1"}
				}
				if after == 0 {
					echo()
				}
				w.start()
				id := w.accept(1, "hello")
				w.pass(after)
				echo()
				if after > 0 {
					w.pass(proofMax)
				}
				w.want(id, parley.JobDelivered, "")
				w.wantSends(id, 1)
				last := w.mem.finishes[len(w.mem.finishes)-1]
				if last.Sent.ProviderID != "m1" {
					t.Errorf("got provider id %q, want the echo's", last.Sent.ProviderID)
				}
			})
		})
	}
}

// abandon leaves a job behind as a process does that dies while sending.
func (w *world) abandon(id parley.JobID, term parley.Term, deadline time.Duration, crashes int) {
	w.mem.mu.Lock()
	defer w.mem.mu.Unlock()
	j := &w.mem.jobs[id].Job
	j.State, j.Term, j.Deadline, j.Crashes = parley.JobSending, term, time.Now().Add(deadline), crashes
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		spec     connector.Spec
		crashes  int
		deadline time.Duration
		state    parley.JobState
		reason   string
		sends    int
	}{
		{"no key", connector.Spec{}, 1, 30 * time.Second, parley.JobNotDelivered, parley.UnknownOutcome, 0},
		{"receipts", connector.Spec{Receipts: true}, 1, 30 * time.Second, parley.JobNotDelivered, parley.UnknownOutcome, 0},
		{"key", connector.Spec{Keyed: true}, 1, 30 * time.Second, parley.JobDelivered, "", 1},
		{"key, long ago", connector.Spec{Keyed: true}, 1, -time.Hour, parley.JobNotDelivered, parley.UnknownOutcome, 0},
		{"key, crashes each time", connector.Spec{Keyed: true}, 3, 30 * time.Second, parley.JobNotDelivered, reasonCrashed, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.prov.spec = tc.spec
				id := w.accept(1, "hello")
				next := w.accept(1, "and more")
				w.abandon(id, 1, tc.deadline, tc.crashes)
				w.mem.term = 2
				w.start()
				if tc.deadline > 0 {
					w.pass(tc.deadline - time.Second)
					w.want(id, parley.JobSending, "")
					w.wantSends(next, 0)
				}
				w.pass(2 * time.Minute)
				w.want(id, tc.state, tc.reason)
				w.wantSends(id, tc.sends)
				w.want(next, parley.JobDelivered, "")
			})
		})
	}
}

// TestTakeoverOfDeletedChannel has nothing to ask the provider with.
func TestTakeoverOfDeletedChannel(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.spec.Keyed = true
		w.prov.err = fails(parley.KindNotFound, "deleted")
		id := w.accept(1, "hello")
		next := w.accept(1, "and more")
		w.abandon(id, 1, time.Second, 1)
		w.mem.setChannel(testChannel, parley.ChannelDeleted)
		w.start()
		w.pass(30 * time.Second)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		w.want(next, parley.JobNotDelivered, "channel was deleted")
	})
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		id := w.accept(1, "hello")
		ready := w.accept(2, "hello")
		w.abandon(id, 1, time.Second, 1)
		w.mem.term = 0 // grants nothing
		w.start()
		w.pass(time.Hour)
		w.want(id, parley.JobSending, "")
		w.want(ready, parley.JobReady, "")
		if n := w.prov.looks; n != 0 {
			t.Errorf("looked for a client %d times", n)
		}
	})
}

// TestNewerOwner leaves alone what was claimed under a later term than ours.
func TestNewerOwner(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Grants = frozen(1)
		id := w.accept(1, "hello")
		w.abandon(id, 2, time.Second, 1)
		w.start()
		w.pass(time.Minute)
		if n := len(w.mem.finishes); n != 0 || w.prov.looks != 0 || len(w.box.runners) != 0 {
			t.Error("something was done about the job of a newer owner")
		}
		w.want(id, parley.JobSending, "")
	})
}

// TestConfirm looks again at what was found abandoned before it is touched.
func TestConfirm(t *testing.T) {
	t.Parallel()
	deadline := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		change func(*parley.Job)
		want   bool
	}{
		"unchanged":     {func(*parley.Job) {}, true},
		"claimed again": {func(j *parley.Job) { j.Deadline = deadline.Add(time.Second) }, false},
		"next part":     {func(j *parley.Job) { j.Part++ }, false},
		"other term":    {func(j *parley.Job) { j.Term++ }, false},
		"ready":         {func(j *parley.Job) { j.State = parley.JobReady }, false},
		"ended":         {func(j *parley.Job) { j.State = parley.JobDelivered }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(t)
			m.accept(newWork(2, "hello"))
			id := m.accept(newWork(1, "hello"))
			m.accept(newWork(3, "hello"))
			j := &m.jobs[id].Job
			j.State, j.Deadline = parley.JobSending, deadline
			found := *m.jobs[id]
			tc.change(j)
			a := &attempt{o: New(Config{Store: m}), item: &item{work: &found, foreign: true}}
			if got := a.confirm(); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}

// TestGranted compares the grant of the queue with the lease's.
func TestGranted(t *testing.T) {
	t.Parallel()
	a := &attempt{o: New(Config{Grants: frozen(2)}), item: &item{work: readyWork(1, time.Now())}}
	for term, want := range map[parley.Term]bool{1: false, 2: true, 3: false} {
		a.grant = parley.Grant{Shard: testCompany.Shard(), Term: term}
		if got := a.granted(); got != want {
			t.Errorf("term %d: got %t, want %t", term, got, want)
		}
	}
}

// TestLeaseLostMidway claims under one term and finds another when it is done.
func TestLeaseLostMidway(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.mem.slow = func(op string) time.Duration { return time.Second }
		w.start()
		id := w.accept(1, "hello")
		w.pass(1100 * time.Millisecond) // claimed and sent; the outcome is on its way
		w.wantSends(id, 1)
		w.mem.mu.Lock()
		w.mem.term = 2
		w.mem.mu.Unlock()
		w.pass(2 * time.Second)
		w.want(id, parley.JobSending, "")
		w.pass(time.Minute)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		w.wantSends(id, 1)
	})
}

// TestDoubtLooksNothingUp: a client is looked up for a job that is to be sent, also
// if a doubt had its turn just before.
func TestDoubtLooksNothingUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		doubt, ready := w.accept(1, "a"), w.accept(2, "b")
		w.start()
		w.pass(time.Second) // both are sent, and their runner has gone
		w.wantSends(ready, 1)
		grant, _ := w.mem.Grant(testCompany)
		r := newRunner(w.box, testCompany, grant, testChannel)
		now := time.Now()
		work := func(id parley.JobID) *store.Work { v := *w.mem.jobs[id]; return &v }
		r.queue.put(&item{work: work(doubt), due: now, doubt: true}, now)
		r.queue.put(&item{work: work(ready), due: now}, now)
		first := r.next(now)
		if first == nil || !first.doubt || r.line.client != nil {
			t.Fatalf("first is %+v with a client %v, want the doubt, with none looked up", first, r.line.client)
		}
		r.choose(first)
		r.queue.take(first)
		if second := r.next(now); second == nil || second.doubt || r.line.client == nil {
			t.Errorf("second is %+v with a client %v, want the ready job, with one looked up", second, r.line.client)
		}
	})
}
