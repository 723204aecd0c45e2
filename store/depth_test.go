package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func TestDepths(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		depths := func(want store.Depths) {
			t.Helper()
			got, err := w.db.Depths(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
		channels := []store.ChannelCount{{Provider: w.ch.Provider, State: w.ch.State, Channels: 1}}
		depths(store.Depths{Channels: channels})
		w.setURL("https://example.com")
		conv := w.talk("1")
		first := w.say(conv, "a")
		w.say(conv, "b")
		w.say(w.talk("2"), "c")
		w.claim(first.ID)
		w.deliver(store.Delivery{Park: &parley.DeadLetter{Seq: 1}})
		w.deliver(store.Delivery{Park: &parley.DeadLetter{Seq: 2}})
		want := store.Depths{Ready: 1, Waiting: 1, Sending: 1, Oldest: w.job(first.ID).CreatedAt, Endpoints: 1, Letters: 2, Channels: channels}
		depths(want)
		replay(t, w, []int64{1})
		w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 1, OK: true}})
		w.deliver(store.Delivery{Cursor: 100})
		want.Letters, want.Endpoints = 1, 0
		depths(want)
		receive(t, w.db, shows(w.ch, "1", "10", photo("p")), shows(w.ch, "1", "11", photo("q")))
		want.Files, want.OldFile = 2, w.dueFiles()[0].CreatedAt
		depths(want)
	})
}

// TestBatchHook: every commit is told, with its size and with times that fit.
func TestBatchHook(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		items := 0
		db.SetHooks(store.Hooks{Batch: func(n int, took, commit time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			items += n
			if took < commit || commit < 0 {
				t.Errorf("batch of %d took %v, its commit %v", n, took, commit)
			}
		}})
		w := newWorld(t, db)
		mu.Lock()
		before := items
		mu.Unlock()
		receive(t, db, says(w.ch, "1", "1", "a"), says(w.ch, "1", "2", "b"), says(w.ch, "2", "1", "c"))
		mu.Lock()
		defer mu.Unlock()
		if items-before != 3 {
			t.Errorf("%d items were told of, want 3", items-before)
		}
	})
}

func TestWALSize(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		db := storetest.Open(t, o)
		newWorld(t, db)
		if o.URL != "" {
			if got := db.WALSize(); got != 0 {
				t.Errorf("on PostgreSQL: %d bytes", got)
			}
			return
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for late := time.Now().Add(30 * time.Second); db.WALSize() == 0; <-tick.C {
			if time.Now().After(late) {
				t.Fatal("the log was never measured")
			}
		}
	})
}
