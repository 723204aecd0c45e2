package janitor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/janitor"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// rows plays the store: it has so many rows of each sort of each company, and
// keeps what was asked of it.
type rows struct {
	old   map[parley.CompanyID]map[store.Kept]int64
	fail  map[parley.CompanyID]error
	free  int           // how often Shrink has something to do
	takes time.Duration // a batch
	log   []string
	at    []time.Time // of the look at the first page
	cut   store.Cutoffs
	looks []parley.CompanyID
}

func (r *rows) OldRows(_ context.Context, before store.Cutoffs, after parley.CompanyID, limit int) ([]store.OldRows, error) {
	if after == 0 {
		r.at, r.cut = append(r.at, time.Now()), before
	}
	r.looks = append(r.looks, after)
	if err := r.fail[-1]; err != nil {
		return nil, err
	}
	var list []store.OldRows
	for id, sorts := range r.old {
		if id > after {
			o := store.OldRows{Company: id}
			for _, s := range []store.Kept{store.KeptEvents, store.KeptAttempts} {
				if _, ok := sorts[s]; ok {
					o.Sorts = append(o.Sorts, s)
				}
			}
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b store.OldRows) int { return int(a.Company - b.Company) })
	return list[:min(limit, len(list))], nil
}

func (r *rows) Clean(ctx context.Context, company parley.CompanyID, grant parley.Grant, sort store.Kept, before time.Time) (int64, error) {
	<-time.After(r.takes) // of the bubble's clock
	if !before.Equal(r.cut[sort]) || grant.Shard != company.Shard() || ctx.Err() != nil {
		return 0, fmt.Errorf("asked for %s before %v under %v", sort, before, grant)
	}
	if err := r.fail[company]; err != nil {
		return 0, err
	}
	n := min(r.old[company][sort], store.CleanBatch)
	if n > 0 {
		r.old[company][sort] -= n
	}
	r.log = append(r.log, fmt.Sprintf("%d %s %d", company, sort, n))
	return n, nil
}

func (r *rows) Shrink(context.Context) (bool, error) {
	r.free--
	r.log = append(r.log, "shrink")
	return r.free > 0, nil
}

// owned are the companies of this node; nil is all.
type owned map[parley.CompanyID]bool

func (o owned) Grant(id parley.CompanyID) (parley.Grant, bool) {
	return parley.Grant{Shard: id.Shard(), Term: 1}, o == nil || o[id]
}

func new(r *rows, o owned, out *bytes.Buffer) *janitor.Janitor {
	return janitor.New(janitor.Config{Store: r, Grants: o, Log: slog.New(slog.NewTextHandler(out, nil)),
		Keep: map[store.Kept]time.Duration{store.KeptEvents: 30 * 24 * time.Hour, store.KeptAttempts: time.Hour, store.KeptIdempotency: time.Minute,
			store.KeptReceipts: 0}})
}

// TestRun: a few minutes after the start, then hourly, until the context ends.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rows{}
		var out bytes.Buffer
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		if err := new(r, nil, &out).Run(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != 3*time.Hour {
			t.Errorf("stopped %v after the start, want at once when its context ended", took)
		}
		if len(r.at) != 3 {
			t.Fatalf("%d runs in three hours, want 3", len(r.at))
		}
		if d := r.at[0].Sub(begun); d < 3*time.Minute || d >= 5*time.Minute {
			t.Errorf("the first run came after %v", d)
		}
		for n := range 2 {
			if d := r.at[n+1].Sub(r.at[n]); d < time.Hour || d > time.Hour+time.Second {
				t.Errorf("%v between two runs", d)
			}
		}
		if out.Len() > 0 {
			t.Errorf("logged that nothing was done: %s", out.String())
		}
	})
}

// TestClean: what is done in one run, and in which order.
func TestClean(t *testing.T) {
	t.Parallel()
	gone := parley.Errorf(parley.KindUnavailable, "gone")
	tests := []struct {
		name  string
		rows  rows
		owned owned
		err   bool
		log   string
		gone  map[store.Kept]int64
	}{
		{"nothing", rows{}, nil, false, "0 idempotency 0, shrink", map[store.Kept]int64{}},
		{"in batches", rows{old: map[parley.CompanyID]map[store.Kept]int64{3: {store.KeptEvents: 1100}, 1: {store.KeptEvents: 500, store.KeptAttempts: 7}}},
			nil, false, "1 events 500, 1 events 0, 1 attempts 7, 3 events 500, 3 events 500, 3 events 100, 0 idempotency 0, shrink",
			map[store.Kept]int64{store.KeptEvents: 1600, store.KeptAttempts: 7}},
		{"of no company, and space", rows{free: 3, old: map[parley.CompanyID]map[store.Kept]int64{0: {store.KeptIdempotency: 501, store.KeptReceipts: 9}}},
			nil, false, "0 idempotency 500, 0 idempotency 1, shrink, shrink, shrink", map[store.Kept]int64{store.KeptIdempotency: 501}},
		{"only what is ours", rows{old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 1}, 2: {store.KeptEvents: 2}}},
			owned{2: true}, false, "2 events 2, shrink", map[store.Kept]int64{store.KeptEvents: 2}},
		{"a company that has moved", rows{old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 1}, 2: {store.KeptEvents: 2}},
			fail: map[parley.CompanyID]error{1: parley.Errorf(parley.KindConflict, "moved")}},
			nil, false, "2 events 2, 0 idempotency 0, shrink", map[store.Kept]int64{store.KeptEvents: 2}},
		{"a company that fails", rows{old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 1}, 2: {store.KeptEvents: 2}},
			fail: map[parley.CompanyID]error{1: errors.New("bad")}},
			nil, true, "2 events 2, 0 idempotency 0, shrink", map[store.Kept]int64{store.KeptEvents: 2}},
		{"the database goes", rows{old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 1}, 2: {store.KeptEvents: 2}},
			fail: map[parley.CompanyID]error{2: gone}}, nil, true, "1 events 1", map[store.Kept]int64{store.KeptEvents: 1}},
		{"the database is gone", rows{fail: map[parley.CompanyID]error{-1: gone}}, nil, true, "", map[store.Kept]int64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				got, err := new(&tt.rows, tt.owned, &out).Clean(t.Context())
				if (err != nil) != tt.err {
					t.Errorf("error %v", err)
				}
				for sort, n := range got {
					if n == 0 {
						delete(got, sort)
					}
				}
				if diff := cmp.Diff(tt.gone, got); diff != "" {
					t.Errorf("gone:\n%s", diff)
				}
				if log := strings.Join(tt.rows.log, ", "); log != tt.log {
					t.Errorf("did\n     %s\nwant %s", log, tt.log)
				}
			})
		})
	}
}

// TestPages: companies are looked at a page at a time, each once.
func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rows{old: map[parley.CompanyID]map[store.Kept]int64{}}
		for id := range parley.CompanyID(450) {
			r.old[id+1] = map[store.Kept]int64{store.KeptEvents: 1}
		}
		var out bytes.Buffer
		got, err := new(r, nil, &out).Clean(t.Context())
		if err != nil || got[store.KeptEvents] != 450 {
			t.Errorf("%d events, %v; want one of each company", got[store.KeptEvents], err)
		}
		if diff := cmp.Diff([]parley.CompanyID{0, 200, 400}, r.looks); diff != "" {
			t.Errorf("pages behind:\n%s", diff)
		}
	})
}

// TestCutoffs: ages count from the injected clock, and 0 is for ever.
func TestCutoffs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	r := &rows{}
	j := janitor.New(janitor.Config{Store: r, Grants: owned{}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return at },
		Keep: map[store.Kept]time.Duration{store.KeptEvents: time.Hour, store.KeptDeadLetters: 0}})
	if _, err := j.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.Cutoffs{store.KeptEvents: at.Add(-time.Hour)}, r.cut); diff != "" {
		t.Error(diff)
	}
}

// TestRest: the lane is free for several times as long as a batch takes.
func TestRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ takes, want time.Duration }{
		{0, 50 * time.Millisecond}, {100 * time.Millisecond, 500 * time.Millisecond}, {10 * time.Second, 15 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &rows{takes: tt.takes, old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 10*store.CleanBatch - 1}}}
			var out bytes.Buffer
			begun := time.Now()
			if _, err := new(r, owned{1: true}, &out).Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begun) / 10; got != tt.want {
				t.Errorf("a batch that takes %v: %v for it and the rest after it, want %v", tt.takes, got, tt.want)
			}
		})
	}
}

// TestStop: a context that ends in the middle ends the run, and Run tells what
// was done until then, once.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rows{takes: time.Minute, old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 1e6, store.KeptAttempts: 3}}}
		var out bytes.Buffer
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := new(r, nil, &out).Run(ctx); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d > 11*time.Minute {
			t.Errorf("went on for %v, much longer than its context", d)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), `msg="cleaned up" events=`) {
			t.Errorf("logged %s", out.String())
		}
	})
}

// TestReport: one line says what is gone.
func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rows{takes: time.Second, old: map[parley.CompanyID]map[store.Kept]int64{1: {store.KeptEvents: 5, store.KeptAttempts: 3}, 0: {store.KeptIdempotency: 2}}}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		if err := new(r, nil, &out).Run(ctx); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), `level=INFO msg="cleaned up" events=5 attempts=3 idempotency=2 took_ms=15000`) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("logged %s", out.String())
		}
	})
}

// TestFailureIsReported, and the next run comes all the same.
func TestFailureIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rows{fail: map[parley.CompanyID]error{-1: errors.New("bad")}}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Minute)
		defer cancel()
		if err := new(r, nil, &out).Run(ctx); err != nil {
			t.Error(err)
		}
		if strings.Count(out.String(), "clean-up not finished") != 2 {
			t.Errorf("logged %s; want two failed runs", out.String())
		}
	})
}

// TestStore cleans a real store: what was delivered goes, what was not stays.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		user, delivered := storetest.Company(t, db, "acme", "https://example.com")
		second, url := "second", "https://example.com"
		open, err := db.CreateCompany(t.Context(), user, parley.CompanyChange{Name: &second, WebhookURL: &url})
		if err != nil {
			t.Fatal(err)
		}
		grants := storetest.Own(t, db, "a")
		for _, company := range []parley.CompanyID{delivered, open} {
			news(t, db, storetest.Channel(t, db, company, fmt.Sprint(company)))
		}
		e, err := db.MainEndpoint(t.Context(), delivered)
		if err != nil {
			t.Fatal(err)
		}
		last, err := db.LastSeq(t.Context(), delivered)
		if err != nil {
			t.Fatal(err)
		}
		grant, _ := grants.Grant(delivered)
		if err := db.Deliver(t.Context(), &store.Delivery{Endpoint: e.ID, Company: delivered, Grant: grant, Cursor: last}); err != nil {
			t.Fatal(err)
		}
		j := janitor.New(janitor.Config{Store: db, Grants: grants, Log: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return time.Now().Add(2 * time.Hour) }, Keep: map[store.Kept]time.Duration{store.KeptEvents: time.Hour}})
		gone, err := j.Clean(t.Context())
		if err != nil || gone[store.KeptEvents] != last {
			t.Errorf("%v went, %v; want %d events", gone, err, last)
		}
		for company, want := range map[parley.CompanyID]int64{delivered: last + 1, open: 1} {
			if first, _, err := db.LogBounds(t.Context(), company); err != nil || first != want {
				t.Errorf("the log of company %d begins at %d, %v; want %d", company, first, err, want)
			}
		}
	})
}

// news puts an event into the log of the channel's company.
func news(t *testing.T, db *store.DB, ch *parley.Channel) {
	t.Helper()
	moved, err := db.SetChannelState(t.Context(), store.ChannelMove{Channel: ch.ID, Company: ch.Company, Generation: ch.Generation, To: parley.ChannelDisabled,
		Events: []store.ChannelEvent{{Kind: "system", Body: []byte("{}")}}})
	if err != nil || !moved {
		t.Fatalf("channel moved: %v, %v", moved, err)
	}
}
