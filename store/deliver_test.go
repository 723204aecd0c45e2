package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func (w *world) endpoint() parley.Endpoint {
	w.t.Helper()
	e, err := w.db.MainEndpoint(w.t.Context(), w.company)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) setURL(url string) {
	w.t.Helper()
	if err := w.db.UpdateCompany(w.t.Context(), w.company, parley.CompanyChange{WebhookURL: &url}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deliver(d store.Delivery) {
	w.t.Helper()
	d.Endpoint, d.Company, d.Grant = w.endpoint().ID, w.company, w.grant
	if err := w.db.Deliver(w.t.Context(), &d); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lagging() int {
	w.t.Helper()
	list, err := w.db.LaggingEndpoints(w.t.Context(), 0, 10)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func (w *world) letters() []parley.DeadLetter {
	w.t.Helper()
	list, err := w.db.DeadLetters(w.t.Context(), w.company, store.Page{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) blocked() []parley.BlockedStream {
	w.t.Helper()
	list, err := w.db.BlockedStreams(w.t.Context(), w.endpoint().ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestCursor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, step := range []struct{ cursor, want int64 }{{5, 5}, {3, 5}, {0, 5}, {6, 6}} {
			w.deliver(store.Delivery{Cursor: step.cursor})
			if got := w.endpoint().Cursor; got != step.want {
				t.Errorf("cursor %d after %d, want %d", got, step.cursor, step.want)
			}
		}
		old := w.grant
		w.own("node-1")
		err := w.db.Deliver(t.Context(), &store.Delivery{Endpoint: w.endpoint().ID, Company: w.company, Grant: old, Cursor: 9})
		wantKind(t, "old term", err, parley.KindConflict)
		if got := w.endpoint().Cursor; got != 6 {
			t.Errorf("cursor %d, want 6: an old owner moved it", got)
		}
	})
}

func TestBlockedStreams(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		id := w.endpoint().ID
		one := parley.BlockedStream{Endpoint: id, Stream: 7, Head: 4, Attempt: 1, NextAt: when}
		two := parley.BlockedStream{Endpoint: id, Stream: 8, Head: 2, Attempt: 3, NextAt: when.Add(time.Minute)}
		w.deliver(store.Delivery{Block: &one})
		w.deliver(store.Delivery{Block: &two})
		if diff := cmp.Diff([]parley.BlockedStream{two, one}, w.blocked()); diff != "" {
			t.Errorf("blocked, the oldest head first:\n%s", diff)
		}
		one.Head, one.Attempt = 5, 2
		w.deliver(store.Delivery{Block: &one, Unblock: two.Stream})
		if diff := cmp.Diff([]parley.BlockedStream{one}, w.blocked()); diff != "" {
			t.Errorf("after replacing one and lifting the other:\n%s", diff)
		}
		w.deliver(store.Delivery{Block: &one, Unblock: one.Stream})
		if got := w.blocked(); len(got) != 0 {
			t.Errorf("blocked %+v, want none", got)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setURL("https://example.com/hook")
		conv := w.talk("1")
		w.deliver(store.Delivery{Cursor: 2})
		if w.lagging() != 0 {
			t.Error("an endpoint that has everything lags")
		}
		letter := &parley.DeadLetter{Seq: 2, Stream: conv.Stream(), Kind: parley.EventMessageNew, Reason: "HTTP 500", Attempts: 11}
		w.deliver(store.Delivery{Park: letter, Attempt: &parley.Attempt{Seq: 2, Number: 11, Status: 500, Took: time.Second}})
		if n := replay(t, w, []int64{1, 99}); n != 0 {
			t.Errorf("%d replays of what is not there", n)
		}
		if n := replay(t, w, []int64{2}); n != 1 || w.lagging() != 1 {
			t.Errorf("%d replays, %d lagging; want 1, 1", n, w.lagging())
		}
		list, err := w.db.Replays(t.Context(), w.endpoint().ID, 9)
		if err != nil || len(list) != 1 || list[0].Seq != 2 {
			t.Errorf("replays %+v, %v", list, err)
		}
		w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 2, Reason: "HTTP 502"}})
		if l := w.letters()[0]; l.Reason != "HTTP 502" || l.Attempts != 12 || !l.ReplayAt.IsZero() || !l.ReplayedAt.IsZero() {
			t.Errorf("after a replay that failed: %+v", l)
		}
		if n := replay(t, w, nil); n != 1 {
			t.Errorf("%d replays of all, want 1", n)
		}
		w.deliver(store.Delivery{Replayed: &store.Replayed{Seq: 2, OK: true}})
		if l := w.letters()[0]; l.ReplayedAt.IsZero() || !l.ReplayAt.IsZero() || w.lagging() != 0 {
			t.Errorf("after a replay that succeeded: %+v", l)
		}
		if n := replay(t, w, nil); n != 0 {
			t.Errorf("%d replays, want none: it was taken", n)
		}
		w.deliver(store.Delivery{Park: letter})
		if l := w.letters(); len(l) != 1 || !l[0].ReplayedAt.IsZero() || l[0].Attempts != 11 {
			t.Errorf("parked again: %+v", l)
		}
	})
}

func replay(t *testing.T, w *world, seqs []int64) int64 {
	t.Helper()
	n, err := w.db.Replay(t.Context(), w.company, 0, seqs)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestURL gives a company's endpoint an address, and takes it away.
func TestURL(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1") // events 1 and 2
		if w.lagging() != 0 {
			t.Error("an endpoint without an address lags")
		}
		w.setURL("https://example.com/a")
		if e := w.endpoint(); e.Cursor != 2 || w.lagging() != 0 {
			t.Errorf("first address: cursor %d, want 2: it starts with new events", e.Cursor)
		}
		receive(t, w.db, says(w.ch, "1", "20", "three"), says(w.ch, "2", "21", "five"))
		if w.lagging() != 1 {
			t.Error("an endpoint behind the log does not lag")
		}
		w.deliver(store.Delivery{Cursor: 4, Block: &parley.BlockedStream{Stream: conv.Stream(), Head: 3, Attempt: 1, NextAt: when}})
		w.setURL("https://example.com/b")
		if e := w.endpoint(); e.Cursor != 4 || len(w.blocked()) != 1 || len(w.letters()) != 0 {
			t.Errorf("another address: cursor %d, blocked %v, letters %v; want all as it was", e.Cursor, w.blocked(), w.letters())
		}
		w.setURL("")
		var seqs []int64
		for _, l := range w.letters() {
			seqs = append(seqs, l.Seq)
		}
		if fmt.Sprint(seqs) != "[3 5]" || len(w.blocked()) != 0 || w.endpoint().Cursor != 5 {
			t.Errorf("cleared: parked %v, blocked %v, cursor %d; want [3 5], none, 5", seqs, w.blocked(), w.endpoint().Cursor)
		}
		// A delivery that was under way when the address went.
		w.deliver(store.Delivery{Block: &parley.BlockedStream{Stream: conv.Stream(), Head: 3, Attempt: 2, NextAt: when}})
		w.setURL("https://example.com/c")
		if got := w.blocked(); len(got) != 0 || w.lagging() != 0 {
			t.Errorf("address again: blocked %v; want none, it starts with new events", got)
		}
		if n := replay(t, w, nil); n != 2 || w.lagging() != 1 {
			t.Errorf("%d replays, want 2", n)
		}
	})
}

// TestParkExtensions parks only what the endpoint would have been sent.
func TestParkExtensions(t *testing.T) {
	t.Parallel()
	for _, extended := range []bool{false, true} {
		t.Run(fmt.Sprint(extended), func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				if err := w.db.UpdateCompany(t.Context(), w.company, parley.CompanyChange{ExtendedEvents: &extended}); err != nil {
					t.Fatal(err)
				}
				w.setURL("https://example.com/a")
				w.talk("1")
				receive(t, w.db, does(w.ch, "1", "hello-1", "v2", connector.Edit{Text: "b"}), does(w.ch, "1", "u1", "", connector.Blocked{}))
				w.setURL("")
				if got, want := len(w.letters()), map[bool]int{false: 2, true: 4}[extended]; got != want {
					t.Errorf("%d parked, want %d: %+v", got, want, w.letters())
				}
			})
		})
	}
}

// TestExtensions compares the list in SQL with what package parley says.
func TestExtensions(t *testing.T) {
	t.Parallel()
	for _, k := range []parley.EventKind{
		parley.EventConversationNew, parley.EventConversationUpdate, parley.EventConversationBlocked, parley.EventConversationUnblocked,
		parley.EventMessageNew, parley.EventMessageAck, parley.EventMessageUpdate, parley.EventMessageDelete, parley.EventMessageReaction,
		parley.EventJobExecuted, parley.EventQRCode, parley.EventSystem,
	} {
		if got := strings.Contains(store.Extensions, "'"+string(k)+"'"); got != k.Extension() {
			t.Errorf("%s: in the list %t, an extension %t", k, got, k.Extension())
		}
	}
}

func TestRotateEndpointSecret(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		before := w.endpoint().Secret
		secret, err := w.db.RotateEndpointSecret(t.Context(), w.company)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.endpoint().Secret; got != secret || got == before || !strings.HasPrefix(secret.Reveal(), "whsec_") {
			t.Error("the endpoint does not have the new secret")
		}
		secret, err = w.db.RotateEndpointSecret(t.Context(), 1<<50)
		wantKind(t, "no company", err, parley.KindNotFound)
		if secret != "" {
			t.Error("a secret that nobody has")
		}
	})
}
