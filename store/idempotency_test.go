package store_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestKeeping: an effect and its answer are stored together, once.
func TestKeeping(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		key := func(request string) *store.Idempotency {
			return &store.Idempotency{User: w.user, Key: []byte("key"), Request: []byte(request), Answer: func(result any) store.Answer {
				return store.Answer{Status: 200, Body: []byte("company")}
			}}
		}
		name := "one"
		create := func(k *store.Idempotency) error {
			_, err := db.CreateCompany(store.Keeping(t.Context(), k), w.user, parley.CompanyChange{Name: &name})
			return err
		}
		if err := create(key("a")); err != nil {
			t.Fatal(err)
		}
		before := companies(t, db, w.user)
		for _, request := range []string{"a", "b"} {
			kept, ok := errors.AsType[*store.KeptError](create(key(request)))
			if !ok || string(kept.Saved.Body) != "company" || string(kept.Saved.Request) != "a" || string(kept.Request) != request {
				t.Errorf("request %s: got %+v", request, kept)
			}
		}
		if got := companies(t, db, w.user); got != before {
			t.Errorf("%d companies, want %d", got, before)
		}
		if err := create(nil); err != nil {
			t.Errorf("without a key: %v", err)
		}
	})
}

func companies(t *testing.T, db *store.DB, user parley.UserID) int {
	t.Helper()
	list, err := db.Companies(t.Context(), user, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestBeginRequest: a request is under way until its answer is kept, it is
// forgotten, or it is too old.
func TestBeginRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		k := &store.Idempotency{User: w.user, Key: []byte("key"), Request: []byte("a")}
		begin := func(process string) (*store.Answer, *store.Running) {
			t.Helper()
			saved, running, err := db.BeginRequest(t.Context(), k, process)
			if err != nil {
				t.Fatal(err)
			}
			return saved, running
		}
		if saved, running := begin("p1"); saved != nil || running != nil {
			t.Fatalf("a new key: %+v, %+v", saved, running)
		}
		if _, running := begin("p2"); running == nil || running.Process != "p1" || !bytes.Equal(running.Request, k.Request) {
			t.Errorf("under way: %+v", running)
		}
		if err := db.ForgetRequest(t.Context(), k.User, k.Key); err != nil {
			t.Fatal(err)
		}
		if _, running := begin("p2"); running != nil {
			t.Errorf("after it was forgotten: %+v", running)
		}
		grant := parley.Grant{Shard: parley.CompanyID(0).Shard(), Term: w.grant.Term}
		if n, err := db.Clean(t.Context(), 0, grant, store.KeptRequests, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Errorf("cleaned %d, %v", n, err)
		}
		if _, running := begin("p3"); running != nil {
			t.Errorf("after it was cleaned: %+v", running)
		}
		k.Begun = true
		if saved, err := db.KeepAnswer(t.Context(), k, store.Answer{Status: 400, Body: []byte("no")}); saved != nil || err != nil {
			t.Fatal(saved, err)
		}
		if saved, running := begin("p4"); saved == nil || saved.Status != 400 || string(saved.Body) != "no" || running != nil {
			t.Errorf("after the answer: %+v, %+v", saved, running)
		}
	})
}
