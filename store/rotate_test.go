package store_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestReseal: after it the old keys are needed for nothing, whatever was sealed,
// and another node that shares the file goes on.
func TestReseal(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		w := newWorld(t, storetest.Open(t, o))
		ctx := t.Context()
		var channels []parley.ChannelID
		for n := range 60 { // more than a page
			_, company := storetest.Company(t, w.db, fmt.Sprint("more", n), "")
			ch := storetest.Channel(t, w.db, company, fmt.Sprint(200+n))
			channels = append(channels, ch.ID)
		}
		for n := range 120 {
			if err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, w.grant, fmt.Sprint("part", n), []byte{byte(n)}); err != nil {
				t.Fatal(err)
			}
		}
		page, err := w.db.SharedKey(ctx, "page_key")
		if err != nil {
			t.Fatal(err)
		}
		hook := w.endpoint().Secret.Reveal()
		key := &store.Idempotency{User: w.user, Key: []byte("key"), Request: []byte("request"), Secret: true}
		if saved, err := w.db.KeepAnswer(ctx, key, store.Answer{Status: 200, Body: []byte("whsec")}); saved != nil || err != nil {
			t.Fatal(saved, err)
		}
		node := storetest.Open(t, o) // before the rotation
		if n, err := w.db.Reseal(ctx); n != 0 || err != nil {
			t.Errorf("without a rotation: resealed %d, %v", n, err)
		}
		if err := o.Keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		// 61 channels, 61 endpoints, 120 parts, 1 key, 1 answer.
		if n, err := w.db.Reseal(ctx); n != 244 || err != nil {
			t.Errorf("resealed %d, %v; want 244", n, err)
		}
		if n, err := w.db.Reseal(ctx); n != 0 || err != nil {
			t.Errorf("again: resealed %d, %v", n, err)
		}
		if err := o.Keys.Forget(); err != nil {
			t.Fatal(err)
		}
		for _, db := range []*store.DB{node, storetest.Open(t, o)} {
			if a, err := db.SavedAnswer(ctx, w.user, key.Key); err != nil || a == nil || string(a.Body) != "whsec" {
				t.Fatalf("kept answer %+v, %v", a, err)
			}
			for _, id := range append(channels, w.ch.ID) {
				if ch, err := db.Channel(ctx, id); err != nil || ch.Secrets["token"].Reveal() == "" {
					t.Fatalf("channel %d: %v", id, err)
				}
			}
			for n := range 120 {
				if got, err := db.SessionState(ctx, w.company, w.ch.ID, fmt.Sprint("part", n)); err != nil || !bytes.Equal(got, []byte{byte(n)}) {
					t.Fatalf("part %d: %v, %v", n, got, err)
				}
			}
			if got, err := db.SharedKey(ctx, "page_key"); err != nil || !bytes.Equal(got, page) {
				t.Errorf("the shared key changed: %v", err)
			}
			e, err := db.MainEndpoint(ctx, w.company)
			if err != nil || e.Secret.Reveal() != hook {
				t.Errorf("the endpoint's secret: %v", err)
			}
		}
		if _, err := w.db.SharedKey(ctx, "unfindable"); err == nil {
			t.Error("a shared key got a name that Reseal does not find")
		}
	})
}

// TestResealBesideWriter: a value that changes during Reseal stays as it was
// written last.
func TestResealBesideWriter(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		w := newWorld(t, storetest.Open(t, o))
		ctx := t.Context()
		save := func(n int) {
			if err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, w.grant, "counter", fmt.Append(nil, n)); err != nil {
				t.Error(err)
			}
		}
		save(0)
		other := o
		var err error
		if other.Keys, err = openedAgain(o); err != nil {
			t.Fatal(err)
		}
		db := storetest.Open(t, other) // as the command in another process
		rotating, stopped := make(chan struct{}), make(chan int)
		go func() { // ends when rotating is closed
			tick := time.NewTicker(10 * time.Millisecond) // without a pause SQLite would give the command no turn
			defer tick.Stop()
			for n := 1; ; n++ {
				select {
				case <-rotating:
					stopped <- n - 1
					return
				case <-tick.C:
					save(n)
				}
			}
		}()
		for range 5 {
			if err := other.Keys.Rotate(); err != nil {
				t.Error(err)
			}
			if _, err := db.Reseal(ctx); err != nil {
				t.Error(err)
			}
		}
		close(rotating)
		want := fmt.Sprint(<-stopped)
		if got, err := w.db.SessionState(ctx, w.company, w.ch.ID, "counter"); err != nil || string(got) != want {
			t.Errorf("counter %s, %v; want %s", got, err, want)
		}
		if save(0); o.Keys.Primary() != other.Keys.Primary() {
			t.Error("the writer did not take over the rotation")
		}
	})
}

// openedAgain reads the keyset's file as another process would.
func openedAgain(o store.Options) (*seal.Keyset, error) { return seal.Open(o.Keys.Path()) }

// TestResealOvertaken: a value that changes between being read and being sealed
// anew is left as it is.
func TestResealOvertaken(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		w := newWorld(t, storetest.Open(t, o))
		save := func(value string) {
			if err := w.db.SaveSessionState(t.Context(), w.company, w.ch.ID, w.grant, "key", []byte(value)); err != nil {
				t.Error(err)
			}
		}
		save("old")
		db := storetest.Open(t, o)
		begun := 0
		store.Watch(db).Begin = func() error {
			if begun++; begun == 3 { // after channels and endpoints
				save("new")
			}
			return nil
		}
		if err := o.Keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Reseal(t.Context()); err != nil || begun < 3 {
			t.Fatalf("%v after %d transactions", err, begun)
		}
		if got, err := w.db.SessionState(t.Context(), w.company, w.ch.ID, "key"); err != nil || string(got) != "new" {
			t.Errorf("got %q, %v; want what was written last", got, err)
		}
	})
}
