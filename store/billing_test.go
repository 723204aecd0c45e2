package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestBilledChannels: those that exist, or were deleted since, of all companies
// of the user and of no other user, page by page.
func TestBilledChannels(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		ctx := t.Context()
		_, other := storetest.Company(t, w.db, "other", "")
		storetest.Channel(t, w.db, other, "201")
		name := "Second"
		mine, err := w.db.CreateCompany(ctx, w.user, parley.CompanyChange{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		for n, ch := range []*parley.Channel{storetest.Channel(t, w.db, mine, "301"), w.ch} {
			if n == 0 {
				c.add(time.Hour)
			}
			if err := w.db.DeleteChannel(ctx, ch.Company, ch.ID); err != nil {
				t.Fatal(err)
			}
			c.add(time.Hour)
		}
		last := storetest.Channel(t, w.db, w.company, "101")
		for _, limit := range []int{1, 2, 10} {
			for since, want := range map[time.Time]int{when: 3, c.now().Add(-time.Hour): 2, c.now(): 1, c.now().Add(time.Hour): 1} {
				got := billed(t, w, since, limit)
				if len(got) != want || got[want-1].ID != last.ID && got[0].ID != last.ID && got[1].ID != last.ID {
					t.Errorf("since %v by %d: %+v, want %d", since, limit, got, want)
				}
			}
		}
		all := billed(t, w, when, 10)
		want := store.BilledChannel{ID: last.ID, Spelling: last.Provider, CreatedAt: c.now(), Company: w.company, CompanyName: "acme", CompanyCreatedAt: when}
		if i := slices.Index(all, want); i < 0 {
			t.Errorf("%+v is not among %+v", want, all)
		}
	})
}

// billed walks all pages, and wants them to be in order.
func billed(t *testing.T, w *world, since time.Time, limit int) (all []store.BilledChannel) {
	t.Helper()
	var after store.BilledChannel
	for {
		page, err := w.db.BilledChannels(t.Context(), w.user, since, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) < limit {
			break
		}
		after = page[len(page)-1]
	}
	key := func(b store.BilledChannel) string { return fmt.Sprintf("%020d %020d", b.Company, b.ID) }
	if !slices.IsSortedFunc(all, func(a, b store.BilledChannel) int { return strings.Compare(key(a), key(b)) }) {
		t.Errorf("not in order: %s", cmp.Diff(nil, all))
	}
	return all
}

// TestBilledChannelsPlan: a page costs what is on it, whoever else has channels.
func TestBilledChannelsPlan(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	watch := store.Watch(db)
	w := newWorld(t, db)
	billed(t, w, when, 1)
	found := false
	for text, plan := range plans(t, w, watch) {
		if !strings.Contains(text, "c.spelling, c.created_at, o.id") {
			continue
		}
		found = true
		for _, step := range plan {
			if !strings.HasPrefix(step, "SEARCH") {
				t.Errorf("%s\n%s", text, strings.Join(plan, "\n"))
			}
		}
	}
	if !found {
		t.Error("the statement was not seen")
	}
}
