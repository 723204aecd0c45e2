package stream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
	"github.com/parley-im/parley/stream"
)

// TestStore: readers of a real log, some with and some without the hook, get what
// is in its rows.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const chats, texts = 8, 25
		const total = chats * (texts + 1) // with conversation/new
		h := stream.New(stream.Config{Store: db, Epoch: db.Epoch()})
		db.SetHooks(store.Hooks{Events: func(events []parley.Event) {
			if events[0].Seq%3 != 0 {
				h.Wake(events)
			}
		}})
		_, company := storetest.Company(t, db, "Ann", "")
		ch := storetest.Channel(t, db, company, "one")
		_, last, err := h.Bounds(t.Context(), company)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var running, working sync.WaitGroup
		running.Go(func() { _ = h.Run(ctx) })
		got := make([][]parley.Event, 10)
		for n := range got {
			working.Go(func() { got[n] = gather(t, ctx, h, company, last, total) })
		}
		for chat := range chats {
			working.Go(func() {
				for n := range texts {
					_, errs := db.Receive(ctx, &store.Receive{Channel: ch, Event: connector.Event{ID: fmt.Sprint(chat, "-", n),
						Chat: connector.Chat{ID: fmt.Sprint(chat)}, From: connector.Person{ID: fmt.Sprint(chat), Name: "Ann"}, What: connector.Message{Text: "x"}}})
					if errs[0] != nil {
						t.Error(errs[0])
					}
				}
			})
		}
		working.Wait()
		cancel()
		running.Wait()
		want, err := db.EventsAfter(t.Context(), company, last.Seq, 10_000, 0)
		if err != nil || len(want) != total {
			t.Fatalf("%d events, %v", len(want), err)
		}
		for n := range got {
			if diff := cmp.Diff(numbers(want), numbers(got[n])); diff != "" {
				t.Errorf("reader %d: %s", n, diff)
			}
		}
	})
}

// numbers are what tells events apart.
func numbers(events []parley.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = fmt.Sprint(e.Company, " ", e.Seq, " ", e.Kind, " ", string(e.Body), " ", e.At.UnixMilli())
	}
	return list
}

func gather(t *testing.T, ctx context.Context, h *stream.Hub, company parley.CompanyID, at parley.Cursor, n int) (all []parley.Event) {
	ctx, leave := h.Listen(ctx, company)
	defer leave()
	for len(all) < n {
		events, err := h.Read(ctx, company, at, 7, 0)
		if err != nil {
			t.Error(err)
			return all
		}
		all = append(all, events...)
		if len(events) > 0 {
			at.Seq = events[len(events)-1].Seq
		}
		if len(all) < n && h.Wait(ctx, company, at) != nil {
			t.Errorf("%d of %d events in time", len(all), n)
			return all
		}
	}
	return all
}
