package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

func readyWork(id parley.JobID, at time.Time) *store.Work {
	w := newWork(parley.ConversationID(id), "hello")
	w.Job.ID, w.Job.State, w.Job.ReadyAt, w.Job.CreatedAt = id, parley.JobReady, at, at
	return &w
}

func TestQueueLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, tc := range []struct {
		name string
		due  time.Duration
		want int
		lost bool
	}{
		{"due", 0, 10, true},
		{"far", time.Minute, 5, false},
	} {
		q := newQueue(10)
		for id := range parley.JobID(30) {
			q.add(readyWork(1+id, now.Add(tc.due)), now)
		}
		if n := len(q.known); n != tc.want || q.lost[parley.LaneReply] != tc.lost {
			t.Errorf("%s: %d are held, lost %t; want %d, %t", tc.name, n, q.lost[parley.LaneReply], tc.want, tc.lost)
		}
		q.follow(readyWork(100, now), now)
		if q.known[100] == nil {
			t.Errorf("%s: no room for what an attempt made ready", tc.name)
		}
	}
}

func TestQueueUnknownLane(t *testing.T) {
	t.Parallel()
	for _, lane := range []parley.Lane{-1, 3, 99} {
		q := newQueue(10)
		w := readyWork(1, time.Unix(0, 0))
		w.Job.Lane = lane
		q.add(w, time.Unix(1, 0))
		if it := q.lane[parley.LaneBulk].head(); it == nil || it.work != w {
			t.Errorf("lane %d is not served as bulk", lane)
		}
	}
}

// TestQueueSupersedes lets news of a ready job replace what was found abandoned.
func TestQueueSupersedes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	q := newQueue(10)
	q.put(&item{work: readyWork(1, now), due: now.Add(time.Second), doubt: true, foreign: true}, now)
	q.add(readyWork(1, now), now)
	if it := q.known[1]; it == nil || it.doubt || len(q.later) != 0 {
		t.Errorf("got %+v, want the ready job alone", it)
	}
}

// TestOldNews gives a runner readings that are older than what it knows.
func TestOldNews(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := New(Config{})
	for _, tc := range []struct {
		name string
		set  func(r *runner)
		got  reading
		want int
	}{
		{"news", func(*runner) {}, reading{work: []store.Work{*readyWork(1, now)}}, 1},
		{"moved on since", func(r *runner) { r.moved[1] = true }, reading{work: []store.Work{*readyWork(1, now)}}, 0},
		{"under an earlier grant", func(r *runner) { r.outdated = true }, reading{work: []store.Work{*readyWork(1, now)}}, 0},
		{"ended", func(r *runner) { r.queue.add(readyWork(1, now), now) }, reading{ended: []parley.JobID{1}}, 0},
	} {
		r := newRunner(o, testCompany, parley.Grant{}, testChannel)
		r.reading = true
		tc.set(r)
		r.learn(tc.got)
		if n := len(r.queue.known); n != tc.want || r.reading || len(r.moved) > 0 {
			t.Errorf("%s: %d jobs are known, want %d", tc.name, n, tc.want)
		}
	}
}

// TestLeaveWithMail keeps a runner that was written to at the last moment.
func TestLeaveWithMail(t *testing.T) {
	t.Parallel()
	o := New(Config{})
	r := newRunner(o, testCompany, parley.Grant{}, testChannel)
	o.runners[testChannel] = r
	r.post(mail{kind: mailPoll})
	if o.leave(r) {
		t.Error("left with mail in the box")
	}
	<-r.mail
	if !o.leave(r) || o.runners[testChannel] != nil {
		t.Error("did not leave")
	}
}

// TestOverflowDrains reads on from the rows as soon as there is room, without a poll.
func TestOverflowDrains(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Queue = 8
		w.prov.err = fails(parley.KindUnavailable, "not yet")
		w.start()
		w.pass(100 * time.Millisecond)
		for c := range parley.ConversationID(100) {
			w.accept(1+c, "hello")
			synctest.Wait()
		}
		w.prov.set(func() { w.prov.err = nil })
		w.box.Changed(testChannel)
		synctest.Wait()
		if n := len(w.prov.seen()); n != 100 {
			t.Errorf("got %d sends at once, want 100", n)
		}
	})
}

// TestGrantChanges forgets what was queued under an earlier grant: another owner
// has sent the first part meanwhile.
func TestGrantChanges(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.plan = planWords
		w.prov.err = fails(parley.KindUnavailable, "not yet")
		w.start()
		id := w.accept(1, "one two")
		synctest.Wait()
		w.mem.mu.Lock()
		w.mem.term = 3
		work := w.mem.jobs[id]
		work.Plan, work.Job.Part = []store.Planned{{Text: "one"}, {Text: "two"}}, 1
		w.mem.mu.Unlock()
		w.prov.set(func() { w.prov.err = nil })
		w.box.Changed(testChannel)
		w.pass(5 * time.Second)
		w.want(id, parley.JobDelivered, "")
		if got := w.prov.of(id); len(got) != 1 || got[0].part != 1 {
			t.Errorf("got %+v, want part 1 alone", got)
		}
	})
}

// TestCircuitNeedsTwoConversations does not blame a provider for one message.
func TestCircuitNeedsTwoConversations(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var h health
	for range 20 {
		h.end(now, 1, &outcome{asked: true, kind: parley.KindUnavailable})
	}
	if at, never := h.wait(now); !at.IsZero() || never {
		t.Error("one conversation opened the circuit")
	}
	h.end(now, 2, &outcome{asked: true, kind: parley.KindUnavailable})
	if at, _ := h.wait(now); at != now.Add(circuitProbe) {
		t.Errorf("two conversations: next probe at %v", at)
	}
}
