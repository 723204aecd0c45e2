package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestLogEnds asks for many companies at once, one of which has events and some of
// which do not exist.
func TestLogEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var ask []parley.CompanyID
		want := map[parley.CompanyID]int64{}
		for n := range 5 {
			_, id := storetest.Company(t, db, fmt.Sprint("company ", n), "")
			ask, want[id] = append(ask, id), 0
		}
		ch := storetest.Channel(t, db, ask[2], "one")
		_, errs := db.Receive(t.Context(), &store.Receive{Channel: ch, Event: connector.Event{ID: "1", Chat: connector.Chat{ID: "ann"},
			From: connector.Person{ID: "ann", Name: "Ann"}, What: connector.Message{Text: "x"}}})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		_, last, err := db.LogBounds(t.Context(), ch.Company)
		if err != nil || last == 0 {
			t.Fatalf("%d events, %v", last, err)
		}
		want[ch.Company] = last
		for n := range parley.CompanyID(300) {
			ask = append(ask, 1_000_000+n)
		}
		got, err := db.LogEnds(t.Context(), ask)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		if got, err = db.LogEnds(t.Context(), nil); len(got) != 0 || err != nil {
			t.Errorf("of none: %v %v", got, err)
		}
	})
}
