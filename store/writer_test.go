package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestTxCallerGone gives up a transaction: what it returns is not what the writer
// may be storing at that moment. The race detector watches.
func TestTxCallerGone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		release := holdLane(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		m := store.ChannelMove{Channel: w.ch.ID, Company: w.company, To: parley.ChannelOffline}
		if moved, err := w.db.SetChannelState(ctx, m); moved || !errors.Is(err, context.Canceled) {
			t.Errorf("moved %t, %v; want the context's error", moved, err)
		}
		if _, err := w.db.RotateEndpointSecret(ctx, w.company); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want the context's", err)
		}
		release()
		if err := w.db.Tx(t.Context(), w.company, func(*store.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if ch := w.channel(w.ch.ID); ch.State != parley.ChannelOffline {
			t.Errorf("the channel is %s: what was submitted must be committed", ch.State)
		}
	})
}

// TestPanic has one item of a batch panic: it fails alone.
func TestPanic(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		release := holdLane(t, w)
		var wg sync.WaitGroup
		errs := make([]error, 5)
		for n := range errs {
			a := &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: fmt.Sprint(n)}
			if n == 2 {
				a.Idempotency = w.key("k", "r")
				a.Idempotency.Answer = func(any) store.Answer { panic("broken renderer") }
			}
			wg.Go(func() { _, errs[n] = w.db.Accept(t.Context(), a) })
		}
		for store.QueueLen(w.db, w.company) < len(errs) {
			yield()
		}
		release()
		wg.Wait()
		for n, err := range errs {
			want := map[bool]parley.Kind{true: parley.KindInternal}[n == 2]
			wantKind(t, fmt.Sprint("item ", n), err, want)
		}
		err := w.db.Tx(t.Context(), w.company, func(*store.Tx) error { panic("broken") })
		wantKind(t, "a transaction", err, parley.KindInternal)
		open, err := w.db.OpenWork(t.Context(), w.ch.ID, 10)
		if err != nil || len(open) != 4 {
			t.Errorf("%d jobs, %v; want the 4 of the items that did not panic", len(open), err)
		}
		heads := 0
		for _, o := range open {
			if o.Job.State == parley.JobReady {
				heads++
			}
		}
		if heads != 1 {
			t.Errorf("%d jobs are ready, want 1", heads)
		}
	})
}

// TestNUL stores a text with a NUL, which PostgreSQL refuses: it fails alone, and
// SQLite returns it as it was.
func TestNUL(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		out, errs := w.db.Receive(t.Context(), says(w.ch, "1", "10", "a"), says(w.ch, "1", "11", "x\x00y"), says(w.ch, "1", "12", "b"))
		if errs[0] != nil || errs[2] != nil {
			t.Fatalf("errors %v: the neighbours failed too", errs)
		}
		want := "a:1 b:1"
		if errs[1] == nil {
			want = "a:1 x\x00y:1 b:1"
		}
		if got := w.texts(out[0].Conversation); got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

// TestStoreThenAnswer holds the commit: until it has happened nobody is told, and
// if it fails nobody is told that it did.
func TestStoreThenAnswer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		watch := store.Watch(db)
		w := newWorld(t, db)
		conv := w.talk("1")
		told := make(chan struct{}, 10)
		db.SetHooks(store.Hooks{Events: func([]parley.Event) { told <- struct{}{} }, Ready: func([]store.Work) { told <- struct{}{} }})
		reached, free := make(chan struct{}), make(chan error)
		watch.Commit = func(commit func() error) error {
			reached <- struct{}{}
			if err := <-free; err != nil {
				return err
			}
			return commit()
		}
		broken := &parley.Error{Kind: parley.KindUnavailable, Message: "broken disk"}
		for _, tt := range []struct {
			name string
			do   func() error
		}{
			{"receive", func() error { _, errs := db.Receive(t.Context(), says(w.ch, "1", "20", "x")); return errs[0] }},
			{"accept", func() error {
				_, err := db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "y"})
				return err
			}},
		} {
			for _, fails := range []error{broken, nil} {
				done := make(chan error, 1)
				go func() { done <- tt.do() }()
				<-reached
				for range 100 {
					yield()
				}
				select {
				case err := <-done:
					t.Fatalf("%s: answered %v before the commit", tt.name, err)
				case <-told:
					t.Fatalf("%s: a hook was told before the commit", tt.name)
				default:
				}
				free <- fails
				if err := <-done; (err == nil) != (fails == nil) {
					t.Errorf("%s: error %v, the commit's was %v", tt.name, err, fails)
				}
				if fails == nil {
					<-told
				} else if len(told) != 0 {
					t.Errorf("%s: a hook was told of what was rolled back", tt.name)
				}
			}
		}
	})
}

// TestManyItems submits more than a batch takes.
func TestManyItems(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		var in []*store.Receive
		for n := range 2*store.MaxBatch + 3 {
			in = append(in, says(w.ch, fmt.Sprint(n%7), fmt.Sprint(n), fmt.Sprint(n)))
		}
		receive(t, w.db, in...)
		if got := strings.Count(w.log(), "message/new"); got != len(in) {
			t.Errorf("%d messages, want %d", got, len(in))
		}
	})
}

// TestClosed submits after Close.
func TestClosed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.db.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		_, errs := w.db.Receive(t.Context(), says(w.ch, "1", "10", "a"))
		wantKind(t, "receive", errs[0], parley.KindUnavailable)
		wantKind(t, "transaction", w.db.Tx(t.Context(), 0, func(*store.Tx) error { return nil }), parley.KindUnavailable)
	})
}
