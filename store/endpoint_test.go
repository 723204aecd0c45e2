package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func (w *world) addEndpoint(url string, kinds ...parley.EventKind) parley.Endpoint {
	w.t.Helper()
	e, err := w.db.CreateEndpoint(w.t.Context(), w.company, url, kinds)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// deliverTo is deliver for any endpoint.
func (w *world) deliverTo(id parley.EndpointID, d store.Delivery) error {
	d.Endpoint, d.Company, d.Grant = id, w.company, w.grant
	return w.db.Deliver(w.t.Context(), &d)
}

func TestCreateEndpoint(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.talk("1") // events 1 and 2
		made := w.addEndpoint("https://example.com/b", parley.EventMessageNew, parley.EventSystem)
		got, err := w.db.EndpointOf(ctx, w.company, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := parley.Endpoint{ID: made.ID, Company: w.company, URL: "https://example.com/b", Secret: made.Secret, Extended: true,
			Kinds: []parley.EventKind{parley.EventMessageNew, parley.EventSystem}, Cursor: 2, CreatedAt: made.CreatedAt}
		if diff := cmp.Diff(want, got); diff != "" || made.Secret == w.endpoint().Secret || w.lagging() != 0 {
			t.Errorf("lagging %d, endpoint:\n%s", w.lagging(), diff)
		}
		for n := range store.MaxEndpoints - 2 {
			w.addEndpoint(fmt.Sprint("https://example.com/", n))
		}
		_, err = w.db.CreateEndpoint(ctx, w.company, "https://example.com/c", nil)
		wantKind(t, "one too many", err, parley.KindConflict)
		_, err = w.db.CreateEndpoint(ctx, 1<<50, "https://example.com/c", nil)
		wantKind(t, "no company", err, parley.KindNotFound)
		list, err := w.db.Endpoints(ctx, w.company, store.Page{Limit: 20})
		if err != nil || len(list) != store.MaxEndpoints || !list[0].Main || list[1].Main || list[1].ID != made.ID {
			t.Errorf("%v, %+v", err, list)
		}
		_, err = w.db.EndpointOf(ctx, w.company+1, made.ID)
		wantKind(t, "another company's", err, parley.KindNotFound)
	})
}

func TestUpdateEndpoint(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx, main, url := t.Context(), w.endpoint(), "https://example.com/c"
		made := w.addEndpoint("https://example.com/b")
		w.talk("1")
		kinds, none := []parley.EventKind{parley.EventJobExecuted}, []parley.EventKind{}
		want := made
		for _, step := range []struct {
			change store.EndpointChange
			url    string
			kinds  []parley.EventKind
		}{
			{store.EndpointChange{Kinds: &kinds}, made.URL, kinds},
			{store.EndpointChange{URL: &url}, url, kinds},
			{store.EndpointChange{Kinds: &none}, url, nil},
		} {
			want.URL, want.Kinds = step.url, step.kinds
			shown, err := w.db.UpdateEndpoint(ctx, w.company, made.ID, step.change)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := w.db.Endpoint(ctx, made.ID)
			if diff := cmp.Diff(want, stored); err != nil || diff != "" {
				t.Errorf("%v, stored:\n%s", err, diff)
			}
			if diff := cmp.Diff(want, shown, cmpopts.IgnoreFields(want, "Secret"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("returned:\n%s", diff)
			}
		}
		_, err := w.db.UpdateEndpoint(ctx, w.company, main.ID, store.EndpointChange{URL: &url})
		wantKind(t, "the main one's address", err, parley.KindInvalid)
		_, err = w.db.UpdateEndpoint(ctx, w.company+1, made.ID, store.EndpointChange{Kinds: &kinds})
		wantKind(t, "another company's", err, parley.KindNotFound)
		if _, err = w.db.UpdateEndpoint(ctx, w.company, main.ID, store.EndpointChange{Kinds: &kinds}); err != nil || len(w.endpoint().Kinds) != 1 {
			t.Errorf("%v, the main one's kinds: %v", err, w.endpoint().Kinds)
		}
		secret, err := w.db.RotateSecretOf(ctx, w.company, made.ID)
		if now, _ := w.db.Endpoint(ctx, made.ID); err != nil || now.Secret != secret || secret == made.Secret || w.endpoint().Secret != main.Secret {
			t.Errorf("%v: the secret is not the new one, or the main one's is", err)
		}
		_, err = w.db.RotateSecretOf(ctx, w.company+1, made.ID)
		wantKind(t, "another company's secret", err, parley.KindNotFound)
	})
}

// TestDeleteEndpoint: what is the endpoint's goes with it, and nothing else; an
// owner that did not hear of it is refused.
func TestDeleteEndpoint(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx, main := t.Context(), w.endpoint()
		made, other := w.addEndpoint("https://example.com/b"), w.addEndpoint("https://example.com/c")
		conv := w.talk("1")
		for _, id := range []parley.EndpointID{made.ID, other.ID} {
			for n := range 3 {
				d := store.Delivery{Block: &parley.BlockedStream{Stream: conv.Stream() + parley.StreamID(n), Head: 1},
					Park: &parley.DeadLetter{Seq: int64(n)}, Attempt: &parley.Attempt{Seq: 1, Number: n}}
				if err := w.deliverTo(id, d); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range store.CleanBatch {
			if err := w.deliverTo(made.ID, store.Delivery{Attempt: &parley.Attempt{Seq: 2, Number: w.rows("webhook_attempt")}}); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, "another company's", w.db.DeleteEndpoint(ctx, w.company+1, made.ID), parley.KindNotFound)
		wantKind(t, "the main one", w.db.DeleteEndpoint(ctx, w.company, main.ID), parley.KindInvalid)
		if err := w.db.DeleteEndpoint(ctx, w.company, made.ID); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"webhook_attempt", "dead_letter", "blocked_stream"} {
			if n := w.rows(table); n != 3 {
				t.Errorf("%d rows in %s, want the other endpoint's 3", n, table)
			}
		}
		_, err := w.db.Endpoint(ctx, made.ID)
		wantKind(t, "read after", err, parley.KindNotFound)
		wantKind(t, "delete again", w.db.DeleteEndpoint(ctx, w.company, made.ID), parley.KindNotFound)
		for name, d := range map[string]store.Delivery{
			"block":   {Cursor: 2, Block: &parley.BlockedStream{Stream: conv.Stream(), Head: 1}},
			"park":    {Cursor: 2, Park: &parley.DeadLetter{Seq: 1}},
			"attempt": {Cursor: 2, Attempt: &parley.Attempt{Seq: 1, Number: 9}},
		} {
			wantKind(t, name, w.deliverTo(made.ID, d), parley.KindConflict)
		}
	})
}

// TestParkWanted: clearing the address parks what the filter lets through.
func TestParkWanted(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		contract := false
		if err := w.db.UpdateCompany(t.Context(), w.company, parley.CompanyChange{ExtendedEvents: &contract}); err != nil {
			t.Fatal(err)
		}
		w.setURL("https://example.com/a")
		kinds := []parley.EventKind{parley.EventMessageNew, parley.EventMessageDelete}
		if _, err := w.db.UpdateEndpoint(t.Context(), w.company, w.endpoint().ID, store.EndpointChange{Kinds: &kinds}); err != nil {
			t.Fatal(err)
		}
		w.talk("1")
		receive(t, w.db, does(w.ch, "1", "hello-1", "", connector.Delete{}), says(w.ch, "1", "2", "x"))
		w.setURL("")
		var got []string
		for _, l := range w.letters() {
			got = append(got, string(l.Kind))
		}
		if diff := cmp.Diff([]string{"message/new", "message/new"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLettersOfSeveral walks dead letters of the same events, a page at a time.
func TestLettersOfSeveral(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		var want []string
		ids := []parley.EndpointID{w.endpoint().ID, w.addEndpoint("https://example.com/b").ID, w.addEndpoint("https://example.com/c").ID}
		for seq := range int64(3) {
			for _, id := range ids {
				if err := w.deliverTo(id, store.Delivery{Park: &parley.DeadLetter{Seq: seq + 1}}); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprint(seq+1, id))
			}
		}
		for _, desc := range []bool{false, true} {
			var got []string
			for p := (store.Page{Limit: 2, Desc: desc}); ; {
				list, err := w.db.DeadLetters(t.Context(), w.company, p)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range list {
					got = append(got, fmt.Sprint(l.Seq, l.Endpoint))
					p.After, p.Then = l.Seq, int64(l.Endpoint)
				}
				if len(list) < p.Limit {
					break
				}
			}
			if desc {
				slices.Reverse(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("desc %v:\n%s", desc, diff)
			}
		}
		if n, err := w.db.Replay(t.Context(), w.company, ids[1], nil); n != 3 || err != nil {
			t.Errorf("replayed %d of one endpoint, %v; want 3", n, err)
		}
	})
}

// TestCleanSeveral: the log stays for the slowest endpoint that has an address.
func TestCleanSeveral(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setURL("https://example.com/a")
		slow := w.addEndpoint("https://example.com/b")
		w.talk("1")
		w.talk("2")
		w.deliver(store.Delivery{Cursor: 4})
		late := time.Now().Add(time.Hour)
		for _, step := range []struct {
			cursor int64
			want   string
		}{{0, "1-4"}, {2, "3-4"}, {4, "5-4"}} {
			if err := w.deliverTo(slow.ID, store.Delivery{Cursor: step.cursor}); err != nil {
				t.Fatal(err)
			}
			w.clean(store.KeptEvents, late)
			if got := w.bounds(); got != step.want {
				t.Errorf("cursor %d: the log is %s, want %s", step.cursor, got, step.want)
			}
		}
	})
}
