package store_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

var allKept = []store.Kept{store.KeptDeadLetters, store.KeptEvents, store.KeptAttempts, store.KeptQuarantine,
	store.KeptIdempotency, store.KeptReceipts, store.KeptEchoes, store.KeptCodes, store.KeptTokens}

// clean deletes one batch of what was made before a time.
func (w *world) clean(sort store.Kept, before time.Time) int64 {
	w.t.Helper()
	company, grant := w.company, w.grant
	if sort.Shared() {
		company, grant = 0, w.sharedGrant()
	}
	n, err := w.db.Clean(w.t.Context(), company, grant, sort, before)
	if err != nil {
		w.t.Fatalf("%s: %v", sort, err)
	}
	return n
}

// sharedGrant is the grant for company 0, under the term that own has taken.
func (w *world) sharedGrant() parley.Grant {
	return parley.Grant{Shard: parley.CompanyID(0).Shard(), Term: w.grant.Term}
}

// cleanAll uses every statement of the clean-up.
func (w *world) cleanAll(before time.Time) {
	w.t.Helper()
	cutoffs := store.Cutoffs{}
	for _, sort := range allKept {
		cutoffs[sort] = before
		w.clean(sort, before)
	}
	w.old(cutoffs)
	if _, err := w.db.Shrink(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// old is what OldRows says of the world's company, in words.
func (w *world) old(before store.Cutoffs) string {
	w.t.Helper()
	list, err := w.db.OldRows(w.t.Context(), before, w.company-1, 1)
	if err != nil || len(list) != 1 || list[0].Company != w.company {
		w.t.Fatalf("old rows %+v, %v", list, err)
	}
	return fmt.Sprint(list[0].Sorts)
}

// bounds is the log from its first to its last number, as events and as the
// counter says.
func (w *world) bounds() string {
	w.t.Helper()
	first, last, err := w.db.LogBounds(w.t.Context(), w.company)
	if err != nil {
		w.t.Fatal(err)
	}
	events, err := w.db.EventsAfter(w.t.Context(), w.company, 0, 10_000, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for n, e := range events {
		if e.Seq != first+int64(n) {
			w.t.Errorf("event %d is at place %d of a log that begins at %d", e.Seq, n, first)
		}
	}
	if got := last - first + 1; got != int64(len(events)) {
		w.t.Errorf("the counter says %d events, there are %d", got, len(events))
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// fillLog makes the log ten events long, each a minute after the one before; the
// first is at when.
func (w *world) fillLog(c *clock) parley.ConversationID {
	w.t.Helper()
	conv := w.talk("1")
	for n := 0; ; n++ {
		last, err := w.db.LastSeq(w.t.Context(), w.company)
		if err != nil {
			w.t.Fatal(err)
		}
		if last == 10 {
			return conv
		}
		c.add(time.Minute)
		receive(w.t, w.db, says(w.ch, "1", fmt.Sprint("n", n), "x"))
	}
}

// eachClock runs f in a fresh world with a clock on each database.
func eachClock(t *testing.T, f func(t *testing.T, w *world, c *clock)) {
	t.Helper()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		c := newClock()
		o.Now = c.now
		f(t, newWorld(t, storetest.Open(t, o)), c)
	})
}

// TestCleanEvents: old events go from the beginning, and only so far that nothing
// is lost that somebody has yet to get.
func TestCleanEvents(t *testing.T) {
	t.Parallel()
	const url = "https://example.com"
	ago := when.Add(time.Hour) // later than all
	parked := func(seq int64) store.Delivery {
		return store.Delivery{Cursor: 10, Park: &parley.DeadLetter{Seq: seq, Reason: "x"}}
	}
	tests := []struct {
		name   string
		url    string
		before time.Time
		do     func(w *world)
		want   string
	}{
		{"all, without an address", "", ago, nil, "11-10"},
		{"none is old", "", when, nil, "1-10"},
		{"no more than are old", url, when.Add(2 * time.Minute), func(w *world) { w.deliver(store.Delivery{Cursor: 10}) }, "young"},
		{"nothing was delivered", url, ago, nil, "1-10"},
		{"up to the cursor", url, ago, func(w *world) { w.deliver(store.Delivery{Cursor: 4}) }, "5-10"},
		{"up to a blocked head", url, ago, func(w *world) {
			w.deliver(store.Delivery{Cursor: 10, Block: &parley.BlockedStream{Stream: 1, Head: 7, NextAt: when}})
			w.deliver(store.Delivery{Block: &parley.BlockedStream{Stream: 2, Head: 3, NextAt: when}})
		}, "3-10"},
		{"a stream that is no longer blocked", url, ago, func(w *world) {
			w.deliver(store.Delivery{Cursor: 10, Block: &parley.BlockedStream{Stream: 1, Head: 7, NextAt: when}})
			w.deliver(store.Delivery{Unblock: 1})
		}, "11-10"},
		{"up to a dead letter", url, ago, func(w *world) { w.deliver(parked(6)) }, "6-10"},
		{"a dead letter that was replayed", url, ago, func(w *world) {
			w.deliver(parked(6))
			w.deliver(parked(8))
			w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 6, OK: true}})
		}, "8-10"},
		{"one that failed its replay", url, ago, func(w *world) {
			w.deliver(parked(6))
			w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 6, Reason: "again"}})
		}, "6-10"},
		{"one that shall be replayed once more", url, ago, func(w *world) {
			w.deliver(parked(6))
			w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 6, OK: true}})
			replay(w.t.(*testing.T), w, []int64{6})
		}, "6-10"},
		{"what was open when the address went", url, ago, func(w *world) {
			w.deliver(store.Delivery{Cursor: 4})
			w.setURL("")
		}, "5-10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachClock(t, func(t *testing.T, w *world, c *clock) {
				w.setURL(tt.url)
				w.fillLog(c)
				if tt.do != nil {
					tt.do(w)
				}
				want := tt.want
				if want == "young" {
					want = w.younger(tt.before)
				}
				w.clean(store.KeptEvents, tt.before)
				if got := w.bounds(); got != want {
					t.Errorf("the log is %s, want %s", got, want)
				}
				if n := w.clean(store.KeptEvents, tt.before); n != 0 {
					t.Errorf("again: %d more went", n)
				}
				receive(t, w.db, says(w.ch, "1", "later", "x"))
				w.bounds()
			})
		})
	}
}

// younger is the log that is left if nothing before a time is.
func (w *world) younger(before time.Time) string {
	w.t.Helper()
	events, err := w.db.EventsAfter(w.t.Context(), w.company, 0, 10, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	n := slices.IndexFunc(events, func(e parley.Event) bool { return !e.At.Before(before) })
	if n < 1 {
		w.t.Fatalf("no event is before %v, or all are", before)
	}
	return fmt.Sprintf("%d-10", events[n].Seq)
}

// TestCleanLetters: a replayed dead letter goes with its event, others when they
// are too old themselves, and then they free the log.
func TestCleanLetters(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setURL("https://example.com")
		w.fillLog(c)
		for _, seq := range []int64{2, 5, 9} {
			w.deliver(store.Delivery{Cursor: 10, Park: &parley.DeadLetter{Seq: seq, Reason: "x"}})
			c.add(time.Hour)
		}
		w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 2, OK: true}})
		replay(t, w, []int64{9})
		future := c.now().Add(time.Hour)
		seqs := func() string {
			var all []int64
			for _, l := range w.letters() {
				all = append(all, l.Seq)
			}
			return fmt.Sprint(all)
		}
		step := func(sort store.Kept, before time.Time, count int64, letters, log string) {
			t.Helper()
			if n := w.clean(sort, before); n != count || seqs() != letters || w.bounds() != log {
				t.Errorf("%s: %d went, letters %s, log %s; want %d, %s, %s", sort, n, seqs(), w.bounds(), count, letters, log)
			}
		}
		step(store.KeptEvents, future, 4, "[5 9]", "5-10")
		step(store.KeptDeadLetters, when, 0, "[5 9]", "5-10")
		step(store.KeptDeadLetters, future, 1, "[9]", "5-10")
		step(store.KeptEvents, future, 4, "[9]", "9-10")
		w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 9, OK: true}})
		step(store.KeptEvents, future, 2, "[]", "11-10")
	})
}

// TestCleanBatch: a batch has its bound, and the rest goes in later ones.
func TestCleanBatch(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.talk("1")
		var in []*store.Receive
		for n := range store.CleanBatch + 100 {
			in = append(in, says(w.ch, "1", fmt.Sprint("many", n), "x"))
		}
		receive(t, w.db, in...)
		_, last, err := w.db.LogBounds(t.Context(), w.company)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{store.CleanBatch, last - store.CleanBatch, 0} {
			if n := w.clean(store.KeptEvents, c.now().Add(time.Hour)); n != want {
				t.Errorf("%d events went, want %d", n, want)
			}
			w.bounds()
		}
	})
}

// TestCleanRows deletes rows of the other sorts by their age: each is made twice,
// a day apart.
func TestCleanRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sort  store.Kept
		table string
		add   func(w *world, n int)
	}{
		{store.KeptAttempts, "webhook_attempt", func(w *world, n int) { w.deliver(store.Delivery{Attempt: &parley.Attempt{Seq: 1, Number: n}}) }},
		{store.KeptAttempts, "job_attempt", func(w *world, n int) {
			job := w.accept(store.Accept{First: &store.First{External: fmt.Sprint(n), PublicID: fmt.Sprint(n)}, Text: "x"}).Job
			w.finish(w.claim(job.ID), store.Finish{Result: store.Retry, At: when})
		}},
		{store.KeptQuarantine, "quarantine", func(w *world, _ int) {
			if err := w.db.Quarantine(w.t.Context(), store.Quarantined{Company: w.company, Channel: w.ch.ID}); err != nil {
				w.t.Fatal(err)
			}
		}},
		{store.KeptDeadLetters, "dead_letter", func(w *world, n int) { w.deliver(store.Delivery{Park: &parley.DeadLetter{Seq: int64(n)}}) }},
		{store.KeptIdempotency, "idempotency", func(w *world, n int) {
			w.accept(store.Accept{First: &store.First{External: fmt.Sprint(n), PublicID: fmt.Sprint(n)}, Text: "x", Idempotency: w.key(fmt.Sprint(n), "r")})
		}},
		{store.KeptReceipts, "receipt", func(w *world, n int) { w.ack("1", fmt.Sprint("unknown", n), parley.AckRead) }},
	}
	for _, tt := range tests {
		t.Run(string(tt.sort)+" "+tt.table, func(t *testing.T) {
			t.Parallel()
			eachClock(t, func(t *testing.T, w *world, c *clock) {
				count := func() int { return w.rows(tt.table) }
				w.talk("1")
				tt.add(w, 1)
				c.add(24 * time.Hour)
				tt.add(w, 2)
				if n := count(); n != 2 {
					t.Fatalf("%d rows to begin with", n)
				}
				for _, step := range []struct {
					before time.Time
					gone   int64
					left   int
				}{{when, 0, 2}, {when.Add(time.Hour), 1, 1}, {when.Add(time.Hour), 0, 1}, {when.Add(48 * time.Hour), 1, 0}} {
					if n := w.clean(tt.sort, step.before); n != step.gone || count() != step.left {
						t.Errorf("before %v: %d went and %d are left, want %d and %d", step.before, n, count(), step.gone, step.left)
					}
				}
			})
		})
	}
}

func (w *world) rows(table string) int {
	w.t.Helper()
	rows, err := store.Query(w.db, 1, "SELECT 1 FROM "+table)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(rows)
}

// TestCleanEchoes: an echo is kept while the part that it may prove is under way.
func TestCleanEchoes(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		conv := w.talk("1")
		work := w.claim(w.say(conv, "a").ID)
		w.echo("1", "e1", "other")
		future := c.now().Add(time.Hour)
		if n := w.clean(store.KeptEchoes, future); n != 0 || w.rows("echo") != 1 {
			t.Errorf("%d echoes went while a part is under way, %d are left", n, w.rows("echo"))
		}
		w.finish(work, store.Finish{Result: store.Retry, At: when})
		store.Orphan(w.db, w.ch.ID, conv, when)
		if n := w.clean(store.KeptEchoes, when); n != 0 {
			t.Errorf("%d echoes went that are not old", n)
		}
		if n := w.clean(store.KeptEchoes, future); n != 1 || w.rows("echo") != 0 {
			t.Errorf("%d echoes went, %d are left; want one and none", n, w.rows("echo"))
		}
	})
}

// TestCleanFence: a former owner deletes nothing, nor does a grant for others.
func TestCleanFence(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.fillLog(c)
		old := w.grant
		w.own("node-1")
		other := parley.Grant{Shard: w.company.Shard() + 1, Term: w.grant.Term}
		for _, sort := range allKept {
			for name, g := range map[string]parley.Grant{"old term": old, "another shard": other, "no grant": {Shard: w.company.Shard()}} {
				_, err := w.db.Clean(t.Context(), w.company, g, sort, c.now().Add(time.Hour))
				wantKind(t, fmt.Sprint(name, " ", sort), err, parley.KindConflict)
			}
		}
		if got := w.bounds(); got != "1-10" {
			t.Errorf("the log is %s", got)
		}
	})
}

// TestOldRows names what is old, of every company and in their order.
func TestOldRows(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		second, err := w.db.CreateCompany(t.Context(), w.user, parley.CompanyChange{Name: new("second")})
		if err != nil {
			t.Fatal(err)
		}
		later := when.Add(time.Minute)
		only := func(sorts ...store.Kept) store.Cutoffs {
			cut := store.Cutoffs{}
			for _, s := range sorts {
				cut[s] = later
			}
			return cut
		}
		if got := w.old(only(allKept...)); got != "[]" {
			t.Errorf("nothing is there, and %s is old", got)
		}
		w.talk("1")
		w.deliver(store.Delivery{Park: &parley.DeadLetter{Seq: 1}, Attempt: &parley.Attempt{Seq: 1, Number: 1}})
		if err := w.db.Quarantine(t.Context(), store.Quarantined{Company: w.company, Channel: w.ch.ID}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			cut  store.Cutoffs
			want string
		}{
			{nil, "[]"},
			{only(allKept...), "[dead_letters events attempts quarantine]"},
			{only(store.KeptAttempts), "[attempts]"},
			{only(store.KeptQuarantine), "[quarantine]"},
			{only(store.KeptEvents), "[events]"},
			{only(store.KeptDeadLetters), "[dead_letters]"},
			{store.Cutoffs{store.KeptEvents: when, store.KeptAttempts: when, store.KeptQuarantine: when, store.KeptDeadLetters: when}, "[]"},
		} {
			if got := w.old(tt.cut); got != tt.want {
				t.Errorf("%v: %s, want %s", tt.cut, got, tt.want)
			}
		}
		list, err := w.db.OldRows(t.Context(), only(store.KeptEvents), 0, 10)
		if diff := cmp.Diff([]store.OldRows{{Company: w.company, Sorts: []store.Kept{store.KeptEvents}}, {Company: second}}, list); err != nil || diff != "" {
			t.Errorf("all: %v\n%s", err, diff)
		}
		if list, err = w.db.OldRows(t.Context(), nil, w.company, 1); err != nil || len(list) != 1 || list[0].Company != second {
			t.Errorf("behind the first: %+v, %v", list, err)
		}
		replay(t, w, []int64{1})
		if got := w.old(only(store.KeptDeadLetters)); got != "[]" {
			t.Errorf("a letter that shall be replayed: %s", got)
		}
	})
}

// TestShrink: the file gets smaller once events are gone, in steps.
func TestShrink(t *testing.T) {
	t.Parallel()
	o := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, o))
	fill(t, w, "x", 6<<20)
	receive(t, w.db, does(w.ch, "1", "x1", "v", connector.Edit{Text: strings.Repeat("y", 100)}))
	for w.clean(store.KeptEvents, time.Now().Add(time.Hour)) == store.CleanBatch {
	}
	size := func() int64 {
		store.Checkpoint(w.db)
		info, err := os.Stat(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before, steps := size(), 1
	for ; ; steps++ {
		more, err := w.db.Shrink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	after := size()
	if after > before-4<<20 || steps < 4 {
		t.Errorf("%d bytes became %d in %d steps, want at least 4 MiB less in several", before, after, steps)
	}
	if more, err := w.db.Shrink(t.Context()); more || err != nil || size() != after {
		t.Errorf("another step: %v, %v, %d bytes; want nothing to do", more, err, size())
	}
	if got, err := store.Query(w.db, 1, "PRAGMA integrity_check"); err != nil || got[0][0] != "ok" {
		t.Errorf("integrity: %v, %v", got, err)
	}
}

// TestCleanPlans: what is old, and what has to stay, is found by indexes made for
// it, so that a run costs what it deletes and not what is kept.
func TestCleanPlans(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	watch := store.Watch(db)
	w := newWorld(t, db)
	w.cleanAll(when)
	steps := fmt.Sprint(plans(t, w, watch))
	for _, index := range []string{"echo_age", "receipt_age", "idempotency_age", "quarantine_age", "webhook_attempt_age", "job_attempt_age", "dead_letter_age",
		"dead_letter_kept", "blocked_stream_head"} {
		if !strings.Contains(steps, "INDEX "+index) {
			t.Errorf("nothing uses the index %s", index)
		}
	}
}

// TestCleanClock: an event of a clock that was ahead for a while is not passed
// over, so that there is never a hole.
func TestCleanClock(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.talk("1")
		for n, d := range []time.Duration{24 * time.Hour, -24 * time.Hour, 0} {
			c.add(d)
			receive(t, w.db, says(w.ch, "1", fmt.Sprint("n", n), "x"))
		}
		_, last, err := w.db.LogBounds(t.Context(), w.company)
		if err != nil {
			t.Fatal(err)
		}
		w.clean(store.KeptEvents, when.Add(time.Hour))
		if got, want := w.bounds(), fmt.Sprintf("%d-%d", last-2, last); got != want {
			t.Errorf("the log is %s, want %s: from the one event that looks young", got, want)
		}
	})
}
