package inbox

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// newSite is an inbox on a real database. Its clock is the real one, as the
// store's is.
func newSite(t *testing.T, db *store.DB) (*rig, parley.CompanyID) {
	_, company := storetest.Company(t, db, "ann", "")
	r := newRig(func(c *Config) { c.Store, c.Now = db, time.Now })
	r.clients.ch = storetest.Channel(t, db, company, "bot")
	return r, company
}

// heard returns the texts of the stored messages, in the order of the log.
func heard(t *testing.T, db *store.DB, company parley.CompanyID) string {
	t.Helper()
	events, err := db.EventsAfter(t.Context(), company, 0, 1000, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Kind == parley.EventMessageNew {
			_, rest, _ := strings.Cut(string(e.Body), `"message":"`)
			text, _, _ := strings.Cut(rest, `"`)
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

func TestOnRealStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, company := newSite(t, db)
		for range 2 {
			if w := r.post("m1 garbage poll m2"); w.Code != http.StatusOK {
				t.Fatalf("answer is %d, want 200: %s", w.Code, r.log)
			}
		}
		if err := r.Store(t.Context(), r.clients.ch, "poll", event("m2"), event("m3")); err != nil {
			t.Fatal(err)
		}
		if got, want := heard(t, db, company), "text of m1, [unsupported message: poll], text of m2, text of m3"; got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
		if want := (Counts{Events: 4, Duplicates: 4, Quarantined: 4}); r.Counts() != want {
			t.Errorf("counts are %+v, want %+v", r.Counts(), want)
		}
		rows, err := db.Quarantines(t.Context(), company, store.Page{Limit: 10})
		if err != nil || len(rows) != 4 || rows[0].Reason != "not JSON" || string(rows[0].Body) != "raw garbage" {
			t.Errorf("quarantine is %+v, %v", rows, err)
		}
	})
}

func TestDirtyTextOnRealStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, company := newSite(t, db)
		e := event("m1")
		e.ID, e.From.Name, e.What = dirtyText, dirtyText, connector.Message{Text: dirtyText}
		if err := r.Store(t.Context(), r.clients.ch, "poll", e); err != nil {
			t.Fatal(err)
		}
		if got := heard(t, db, company); got != cleanText {
			t.Errorf("stored %q, want %q", got, cleanText)
		}
	})
}

// Callbacks whose providers hang up at any time are stored whole or not at all,
// and once when they come again.
func TestHangUpsOnRealStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, company := newSite(t, db)
		const callbacks = 40
		var calls sync.WaitGroup
		for n := range callbacks {
			calls.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				calls.Go(cancel) // at any moment
				r.ServeHTTP(httptest.NewRecorder(), request("POST", target, strings.NewReader(body(n))).WithContext(ctx))
			})
		}
		calls.Wait()
		for n := range callbacks {
			if w := r.post(body(n)); w.Code != http.StatusOK {
				t.Errorf("answer is %d, want 200", w.Code)
			}
		}
		got := strings.Split(heard(t, db, company), ", ")
		if len(got) != 2*callbacks {
			t.Errorf("%d messages, want %d", len(got), 2*callbacks)
		}
		for n := 0; n+1 < len(got); n += 2 {
			if strings.TrimSuffix(got[n], "a") != strings.TrimSuffix(got[n+1], "b") {
				t.Errorf("%q is followed by %q, want the callback's other message", got[n], got[n+1])
			}
		}
		if want := int64(2 * callbacks); r.Counts().Events > want {
			t.Errorf("%d counted as stored, want %d at most", r.Counts().Events, want)
		}
	})
}

func body(n int) string { return fmt.Sprintf("m%da m%db", n, n) }

func TestStoppedStore(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	r, _ := newSite(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"m1", "garbage"} {
		if w := r.post(words); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: answer is %d, want 503 with Retry-After", words, w.Code)
		}
	}
}
