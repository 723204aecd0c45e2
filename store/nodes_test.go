package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// twoNodes opens one PostgreSQL database twice.
func twoNodes(t *testing.T) (a, b *world) {
	t.Helper()
	o := storetest.Postgres(t)
	a = newWorld(t, storetest.Open(t, o))
	other := *a
	other.db = storetest.Open(t, o)
	return a, &other
}

// atOnce runs f for both and waits.
func atOnce(a, b *world, f func(w *world)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, w := range []*world{a, b} {
		wg.Go(func() {
			<-start
			f(w)
		})
	}
	close(start)
	wg.Wait()
}

// TestTwoNodesReceive has both nodes hear of the same strangers at once, of the
// same messages and of different ones.
func TestTwoNodesReceive(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	const rounds = 30
	for n := range rounds {
		person := fmt.Sprint("p", n)
		atOnce(a, b, func(w *world) {
			own := fmt.Sprint("of-", w == a)
			for _, id := range []string{own, "same"} { // alone in its batch, so that nobody else makes it run again
				if _, errs := w.db.Receive(t.Context(), says(w.ch, person, id, id)); errs[0] != nil {
					t.Error(errs[0])
				}
			}
		})
	}
	log := a.log()
	if got := strings.Count(log, "conversation/new"); got != rounds {
		t.Errorf("%d conversations are announced, want %d", got, rounds)
	}
	if got := strings.Count(log, "message/new"); got != 3*rounds {
		t.Errorf("%d messages, want %d", got, 3*rounds)
	}
}

// TestTwoNodesAnnounce has a node hear of a conversation that another one has
// announced since it was last read here.
func TestTwoNodesAnnounce(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	first := &store.First{External: "1", PublicID: "1", Name: "Ann 1"}
	job := a.accept(store.Accept{First: first, Text: "a"}).Job
	b.accept(store.Accept{First: first, Text: "b"})
	a.finish(a.claim(job.ID), delivered("p1"))
	receive(t, b.db, says(b.ch, "1", "10", "hi"))
	a.wantLog("conversation/new message/new job/executed message/new")
}

// TestTwoNodesAccept has both nodes accept for the same conversation at once: one
// job leads.
func TestTwoNodesAccept(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	for n := range 30 {
		conv := a.talk(fmt.Sprint(n))
		atOnce(a, b, func(w *world) {
			if _, err := w.db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "x"}); err != nil {
				t.Error(err)
			}
		})
		rows, err := store.Query(a.db, 1, "SELECT state FROM job WHERE conversation_id = $1 ORDER BY state", int64(conv))
		if got := fmt.Sprint(rows); err != nil || got != "[[ready] [waiting]]" {
			t.Fatalf("round %d: jobs %s, %v; want one ready and one waiting", n, got, err)
		}
	}
}

// TestTwoNodesIdempotency repeats one request on both nodes.
func TestTwoNodesIdempotency(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	conv := a.talk("1")
	for n := range 20 {
		key := fmt.Sprint(n)
		atOnce(a, b, func(w *world) {
			w.accept(store.Accept{Conversation: conv, Text: key, Idempotency: w.key(key, "r")})
		})
	}
	open, err := a.db.OpenWork(t.Context(), a.ch.ID, 100)
	if err != nil || len(open) != 20 {
		t.Errorf("%d jobs, %v; want 20", len(open), err)
	}
}

// TestTakeover takes the shards while the former owner claims: once the new owner
// has them, no claim under the old term gets in.
func TestTakeover(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	const jobs = 200
	var ids []parley.JobID
	var in []*store.Receive
	for n := range jobs {
		in = append(in, says(a.ch, fmt.Sprint(n), fmt.Sprint(n), "x"))
	}
	for _, out := range receive(t, a.db, in...) {
		ids = append(ids, a.say(out.Conversation, "y").ID)
	}
	var wg sync.WaitGroup
	started := make(chan struct{}, jobs)
	for _, part := range [][]parley.JobID{ids[:jobs/2], ids[jobs/2:]} {
		wg.Go(func() {
			for _, id := range part {
				err := a.db.Claim(t.Context(), &store.Claim{Job: id, Company: a.company, Grant: a.grant, Deadline: when})
				if k := parley.KindOf(err); k != "" && k != parley.KindConflict {
					t.Error(err)
				}
				started <- struct{}{}
			}
		})
	}
	for range 20 {
		<-started
	}
	list, err := b.db.TakeShards(t.Context(), "node-2", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	claimed := func() string {
		rows, err := store.Query(b.db, 1, "SELECT COUNT(*) FROM job WHERE state = 'sending'")
		if err != nil {
			t.Fatal(err)
		}
		return rows[0][0]
	}
	before := claimed()
	wg.Wait()
	if after := claimed(); after != before {
		t.Errorf("%s claims when the new owner began, %s later", before, after)
	}
	if before == fmt.Sprint(jobs) {
		t.Log("all claims were in before the takeover; the test has shown nothing this time")
	}
	for _, g := range list {
		if g.Shard == b.company.Shard() && g.Term != a.grant.Term+1 {
			t.Errorf("term %d after %d", g.Term, a.grant.Term)
		}
	}
}

// TestShards has nodes come and go.
func TestShards(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		list, err := db.TakeShards(ctx, "node-1", time.Hour)
		if err != nil || len(list) != parley.Shards || list[0].Term != 1 {
			t.Fatalf("%d shards, %v", len(list), err)
		}
		_, err = db.TakeShards(ctx, "node-2", time.Hour)
		if name, ok := store.Holder(err); !ok || name != "node-1" {
			t.Errorf("error %v, want that node-1 is alive", err)
		}
		if err := db.Beat(ctx, "node-1", time.Hour); err != nil {
			t.Error(err)
		}
		wantKind(t, "the beat of one who owns nothing", db.Beat(ctx, "node-2", time.Hour), parley.KindConflict)
		if again, err := db.TakeShards(ctx, "node-1", time.Hour); err != nil || again[0].Term != 2 {
			t.Errorf("taken again by the same node: %v, %v", again[0], err)
		}
		if err := db.Leave(ctx, "node-1"); err != nil {
			t.Error(err)
		}
		if taken, err := db.TakeShards(ctx, "node-2", time.Hour); err != nil || taken[0].Term != 3 {
			t.Errorf("after node-1 left: %v", err)
		}
		wantKind(t, "the beat of a former owner", db.Beat(ctx, "node-1", time.Hour), parley.KindConflict)
		if err := db.Beat(ctx, "node-2", 0); err != nil {
			t.Error(err)
		}
		if _, err := db.TakeShards(ctx, "node-3", time.Hour); err != nil {
			t.Errorf("after node-2's heartbeat expired: %v", err)
		}
	})
}
