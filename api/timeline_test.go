package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// story is a timeline in words: of each entry all but the times.
func story(t *testing.T, r reply) []string {
	t.Helper()
	var all []string
	last := ""
	for _, item := range r.at("data", "entries").([]any) {
		entry := item.(map[string]any)
		if at := fmt.Sprint(entry["at"]); at < last || len(at) != len("2026-01-02T03:04:05.678Z") {
			t.Errorf("%s after %s", at, last)
		} else {
			last = at
		}
		words := []string{fmt.Sprint(entry["what"])}
		for _, key := range []string{"income", "part", "result", "provider_id", "kind", "reason", "ack", "type", "event", "attempt", "status"} {
			if v, ok := entry[key]; ok {
				words = append(words, fmt.Sprint(v))
			}
		}
		for _, w := range asList(entry["webhooks"]) {
			words = append(words, fmt.Sprint(w.(map[string]any)["state"]))
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// claim claims the only open job of WA.
func (n *tenant) claim(t *testing.T) (parley.Grant, *store.Work) {
	t.Helper()
	work := n.open(t, "WA")
	if len(work) == 0 {
		t.Fatal("no open job")
	}
	grant, _ := n.grants(t).Grant(n.company)
	claim := &store.Claim{Job: work[0].Job.ID, Company: n.company, Grant: grant, Deadline: time.Now().Add(time.Minute)}
	if err := n.db.Claim(context.Background(), claim); err != nil {
		t.Fatal(err)
	}
	work[0].Claimed(claim)
	return grant, &work[0]
}

func (n *tenant) ended(t *testing.T, f *store.Finish) {
	t.Helper()
	f.Parts = 1
	if _, err := n.db.Finish(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		n := newGateway(t, db).full(t)
		const path = messagesPath + "/{M}/timeline"
		n.ids["M"] = int64(n.get(t, messagesPath).rows(t, "messages", "external_id")[0].(float64))
		got := n.get(t, path).expect(t, "ok")
		if diff := cmp.Diff([]string{"received true", "event message new"}, story(t, got)); diff != "" || got.at("data", "job_id") != nil || got.at("data", "ack") != nil {
			t.Errorf("received: %s\n%s", got.text, diff)
		}
		url, _ := receiver(t, 200)
		n.put(t, "/p1/companies/{C}", "webhook_url="+url).expect(t, "updated")
		n.post(t, messagesPath, "message=x").expect(t, "ok")
		grant, work := n.claim(t)
		n.ids["M"] = int64(work.Message.ID)
		if diff := cmp.Diff([]string{"accepted", "claimed 1"}, story(t, n.get(t, path).expect(t, "ok"))); diff != "" {
			t.Errorf("under way:\n%s", diff)
		}
		n.ended(t, &store.Finish{Work: work, Grant: grant, Result: store.Retry, Kind: parley.KindThrottled, Reason: "told to wait"})
		grant, work = n.claim(t)
		n.ended(t, &store.Finish{Work: work, Grant: grant, Result: store.Delivered, Sent: connector.Sent{ProviderID: "p1", Ack: parley.AckSent}})
		list, err := db.EventsAfter(ctx, n.company, 0, 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		main, err := db.MainEndpoint(ctx, n.company)
		if err != nil {
			t.Fatal(err)
		}
		d := &store.Delivery{Endpoint: main.ID, Company: n.company, Grant: grant, Cursor: list[len(list)-1].Seq, Attempt: &parley.Attempt{Seq: list[len(list)-2].Seq, Number: 1, Status: 500, Reason: "answered 500"},
			Block: &parley.BlockedStream{Stream: list[len(list)-2].Stream, Head: list[len(list)-2].Seq, Attempt: 1}}
		if err := db.Deliver(ctx, d); err != nil {
			t.Fatal(err)
		}
		_, errs := db.Receive(ctx, &store.Receive{Channel: n.whole(t, "WA"), Event: connector.Event{ID: "p1", Chat: connector.Chat{ID: "79250000001"}, What: connector.Receipt{Ack: parley.AckRead}}})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		got = n.get(t, path).expect(t, "ok")
		want := []string{"accepted", "claimed 1", "answered 1 retry throttled told to wait", "claimed 1", "answered delivered p1",
			"event message new blocked", "event job executed waiting", "webhook answered 500 1 500", "ack 3 message ack waiting"}
		shown := story(t, got)
		if diff := cmp.Diff(want[:3], shown[:3]); diff != "" {
			t.Error(diff)
		}
		// What happens in the same millisecond comes in the order of its sorts.
		sorted := cmp.Transformer("sorted", func(in []string) map[string]int {
			out := map[string]int{}
			for _, s := range in {
				out[s]++
			}
			return out
		})
		if diff := cmp.Diff(want, shown, sorted); diff != "" || got.at("data", "ack") != 3.0 || got.at("data", "message_id") != float64(n.ids["M"]) || got.at("data", "job_id") == nil {
			t.Errorf("in the end: %s\n%s", got.text, diff)
		}
		n.get(t, messagesPath+"/999999999/timeline").expect(t, "404 Message")
		n.ids["OTHER"] = int64(n.hear(t, n.whole(t, "WA"), "79250000002", "2", "Hello"))
		n.get(t, "/p1/companies/{C}/conversations/{OTHER}/messages/{M}/timeline").expect(t, "404 Message")
	})
}
