package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// withEvents starts a gateway that has an event stream.
func withEvents(t *testing.T, db *store.DB, change ...func(*Config)) (*gateway, *stream.Hub) {
	t.Helper()
	hub := stream.New(stream.Config{Store: db, Epoch: db.Epoch()})
	db.SetHooks(store.Hooks{Events: hub.Wake})
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { _ = hub.Run(ctx) })
	g := newGateway(t, db, append([]func(*Config){func(c *Config) { c.Events = hub }}, change...)...)
	t.Cleanup(func() { cancel(); running.Wait() }) // before the server waits for its requests
	return g, hub
}

const eventsPath = "/p1/companies/{C}/events"

// An item is an event as clients see it.
type item struct {
	ID    string          `json:"id"`
	Type  string          `json:"type"`
	Event *string         `json:"event"`
	At    int64           `json:"created_at_timestamp"`
	Body  json.RawMessage `json:"body"`
}

// events asks for a page, which must come.
func (n *tenant) events(t *testing.T, query string) (items []item, next string) {
	t.Helper()
	return n.get(t, eventsPath+"?"+query).expect(t, "ok").page(t)
}

func (r reply) page(t *testing.T) (items []item, next string) {
	t.Helper()
	var page struct {
		Data struct {
			Events []item `json:"events"`
			Next   string `json:"next"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(r.text), &page); err != nil || page.Data.Events == nil {
		t.Fatalf("%v in %s", err, r.text)
	}
	return page.Data.Events, page.Data.Next
}

// blocks lets a contact block the channel, of which only extended companies hear.
func (n *tenant) blocks(t *testing.T, ch *parley.Channel, chat, id string) {
	t.Helper()
	_, errs := n.db.Receive(t.Context(), &store.Receive{Channel: ch, Event: connector.Event{
		ID: id, Chat: connector.Chat{ID: chat}, From: connector.Person{ID: chat, Name: "Ann"}, What: connector.Blocked{},
	}})
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
}

// logged returns the log from its rows.
func (n *tenant) logged(t *testing.T) []parley.Event {
	t.Helper()
	events, err := n.db.EventsAfter(t.Context(), n.company, 0, 10_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func (n *tenant) cursor(seq int64) string {
	return parley.Cursor{Epoch: n.db.Epoch(), Seq: seq}.String()
}

// itemsOf are events as clients must see them.
func (n *tenant) itemsOf(events []parley.Event, keep func(parley.Event) bool) []item {
	items := []item{}
	for _, e := range events {
		if keep != nil && !keep(e) {
			continue
		}
		kind, event, found := strings.Cut(string(e.Kind), "/")
		i := item{ID: n.cursor(e.Seq), Type: kind, At: e.At.Unix(), Body: e.Body}
		if found {
			i.Event = &event
		}
		items = append(items, i)
	}
	return items
}

func plain(e parley.Event) bool { return !e.Kind.Extension() }

// TestEvents reads a log in pages: bodies are those of webhooks to the byte, and
// what is filtered out is passed over.
func TestEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g, _ := withEvents(t, db)
		n := g.tenant(t)
		if items, next := n.events(t, ""); len(items) != 0 || next != n.cursor(0) {
			t.Errorf("of an empty log: %v %s", items, next)
		}
		ch := n.channel(t, "TG", "telegram")
		for i := range 6 {
			n.hear(t, ch, "ann", fmt.Sprint("m", i), "line\r\none \u2028 <&> \"ß😀")
		}
		n.blocks(t, ch, "ann", "b1")
		n.hear(t, ch, "bo", "last", "x")
		all := n.logged(t)
		newest := n.cursor(int64(len(all)))
		want := n.itemsOf(all, plain)
		if len(want) == len(all) || len(want) < 9 {
			t.Fatalf("%d of %d events are no extensions", len(want), len(all))
		}
		if items, next := n.events(t, ""); len(items) != 0 || next != newest {
			t.Errorf("without after: %d %s, want none and %s", len(items), next, newest)
		}
		for _, query := range []string{"after=first", "after=0", "after=" + n.cursor(0) + "&limit=1000&wait=60"} {
			items, next := n.events(t, query)
			if diff := cmp.Diff(want, items); diff != "" || next != newest {
				t.Errorf("%s: next %s, %s", query, next, diff)
			}
		}
		var walked []item
		for after, steps := n.cursor(0), 0; after != newest && steps < 100; steps++ {
			var items []item
			items, after = n.events(t, "limit=2&after="+after)
			if walked = append(walked, items...); len(items) > 2 {
				t.Fatalf("%d events on a page of 2", len(items))
			}
		}
		if diff := cmp.Diff(want, walked); diff != "" {
			t.Errorf("in pages: %s", diff)
		}
		said := n.itemsOf(all, func(e parley.Event) bool { return e.Kind == parley.EventConversationNew })
		for _, query := range []string{"event_types[]=conversation/new&after=0", "event_types=conversation/new&event_types=conversation/blocked&after=0"} {
			items, next := n.events(t, query)
			if diff := cmp.Diff(said, items); diff != "" || next != newest || len(said) != 2 {
				t.Errorf("%s: next %s, %s", query, next, diff)
			}
		}
		items, next := n.events(t, "event_types=conversation/new&limit=1&after=0")
		if len(items) != 1 || next != items[0].ID || next == newest {
			t.Errorf("the first of a kind: %v, next %s", items, next)
		}
		if items, next := n.events(t, "event_types=qr_code/new&after=0"); len(items) != 0 || next != newest {
			t.Errorf("of a kind that never was: %v, next %s", items, next)
		}
		n.put(t, "/p1/companies/{C}", "extended_events=true").expect(t, "updated")
		items, _ = n.events(t, "after=0")
		if diff := cmp.Diff(n.itemsOf(all, nil), items); diff != "" {
			t.Errorf("extended: %s", diff)
		}
		head := n.do(t, request{line: "HEAD " + eventsPath + "?after=" + newest + "&wait=60"})
		if head.code != http.StatusOK || head.text != "" || head.header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("HEAD: %d %q %v", head.code, head.text, head.header)
		}
	})
}

// TestEventsLarge: an answer is bounded by bytes as well, and loses nothing by it.
func TestEventsLarge(t *testing.T) {
	t.Parallel()
	g, _ := withEvents(t, openSQLite(t))
	n := g.tenant(t)
	ch := n.channel(t, "TG", "telegram")
	for i := range 40 {
		n.hear(t, ch, "ann", fmt.Sprint(i), strings.Repeat("x", 60_000))
	}
	items, next := n.events(t, "after=0&limit=1000")
	if len(items) < 5 || len(items) > 30 || next != items[len(items)-1].ID {
		t.Fatalf("%d events, next %s", len(items), next)
	}
	for len(items) < 45 {
		more, after := n.events(t, "limit=1000&after="+next)
		if len(more) == 0 {
			break
		}
		items, next = append(items, more...), after
	}
	want := n.itemsOf(n.logged(t), nil)
	if !slices.EqualFunc(want, items, func(a, b item) bool { return a.ID == b.ID && bytes.Equal(a.Body, b.Body) }) {
		t.Error("what came in parts is not the whole")
	}
}

// TestEventsRefuse: what is wrong is told, in the order of all endpoints.
func TestEventsRefuse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g, _ := withEvents(t, db)
		n := g.tenant(t)
		n.ids["X"] = int64(g.tenant(t).company)
		ch := n.channel(t, "TG", "telegram")
		for i := range 3 {
			n.hear(t, ch, "ann", fmt.Sprint(i), "x")
		}
		const sse = "Accept: text/event-stream"
		last := int64(len(n.logged(t)))
		epoch := db.Epoch()
		for _, try := range []try{
			on("GET "+eventsPath+"?after=x&limit=0&wait=61&event_types=message", "", "400 after limit wait event_types"),
			on("GET "+eventsPath+"?after=", "", "400 after"),
			on("GET "+eventsPath+"?after=-1", "", "400 after"),
			on("GET "+eventsPath+"?limit=1001", "", "400 limit"),
			on("GET "+eventsPath+"?after="+n.cursor(last+1), "", "400 after"),
			on("GET "+eventsPath+"?after=x", "", "400 after").with(sse),
			on("GET "+eventsPath, "", "400 Last-Event-ID").with(sse + "\nLast-Event-ID: x"),
			on("GET "+eventsPath+"?after=first", "", "400 Last-Event-ID").with(sse + "\nLast-Event-ID: " + n.cursor(last+1)),
			on("POST "+eventsPath, "", "405").with("Accept: image/png"),
			on("GET "+eventsPath, "", "406 text/event-stream").with("Accept: image/png\nX-Private-Api-Token: -"),
			on("GET "+eventsPath, "", "406").with(sse + ";q=0"),
			on("GET /p1/companies", "", "406").with(sse),
			on("GET "+eventsPath, "", "401").with(sse + "\nX-Private-Api-Token: -"),
			on("GET /p1/companies/{X}/events", "", "404").with(sse),
			on("GET "+eventsPath+"?after="+fmt.Sprintf("%d.1", epoch+1), "", "410"),
			on("GET "+eventsPath+"?after="+fmt.Sprintf("%d.99", epoch-1), "", "410"),
			on("GET "+eventsPath+"?after="+n.cursor(last), "", "410").with(sse + fmt.Sprintf("\nLast-Event-ID: %d.1", epoch+1)),
		} {
			t.Log(try.line, try.header)
			n.do(t, try.request).expect(t, try.want)
		}
		grant, _ := n.grants(t).Grant(n.company)
		if got, err := db.Clean(t.Context(), n.company, grant, store.KeptEvents, time.Now().Add(time.Hour)); err != nil || got != last {
			t.Fatalf("cleaned %d, %v", got, err)
		}
		gone := n.get(t, eventsPath+"?after="+n.cursor(last-1)).expect(t, "410 first")
		if gone.body["code"] != "gone" || gone.body["first"] != n.cursor(last) {
			t.Errorf("gone: %s", gone.text)
		}
		n.hear(t, ch, "ann", "later", "x")
		for _, after := range []string{"first", n.cursor(last)} {
			if items, _ := n.events(t, "after="+after); len(items) != 1 || items[0].ID != n.cursor(last+1) {
				t.Errorf("behind %s: %v", after, items)
			}
		}
		n.get(t, eventsPath+"?after="+n.cursor(0)).expect(t, "410 first")
	})
	n := newGateway(t, openSQLite(t)).tenant(t)
	n.get(t, eventsPath).expect(t, "400 stream")
}

// TestEventsWait: a request that waits is answered when there is an event for it,
// when its time is over, and when the gateway stops.
func TestEventsWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		observed := make(chan time.Duration, 100)
		g, hub := withEvents(t, db, func(c *Config) {
			c.Observe = func(_, route string, _ int, took time.Duration) {
				if route == "/p1/"+eventsPattern {
					observed <- took
				}
			}
		})
		n := g.tenant(t)
		ch := n.channel(t, "TG", "telegram")
		n.hear(t, ch, "ann", "1", "x")
		seen := int64(len(n.logged(t)))
		begun := time.Now()
		if items, next := n.events(t, "wait=1&after="+n.cursor(seen)); len(items) != 0 || next != n.cursor(seen) || time.Since(begun) < time.Second {
			t.Errorf("got %v %s after %v", items, next, time.Since(begun))
		}
		if took := <-observed; took >= time.Second || took <= 0 {
			t.Errorf("measured %v, with the wait", took)
		}
		waiting := func(query string) chan reply {
			answer := make(chan reply, 1)
			go func() { answer <- n.get(t, eventsPath+"?wait=60&"+query) }() // received by the caller
			return answer
		}
		one := waiting("event_types=message/new&after=" + n.cursor(seen))
		n.blocks(t, ch, "ann", "b")
		n.hear(t, ch, "ann", "2", "wanted")
		items, _ := (<-one).page(t)
		if len(items) != 1 || !strings.Contains(string(items[0].Body), "wanted") {
			t.Errorf("woken with %v", items)
		}
		two := waiting("")
		hub.Stop()
		if items, next := (<-two).expect(t, "ok").page(t); len(items) != 0 || next != n.cursor(int64(len(n.logged(t)))) {
			t.Errorf("at the stop: %v %s", items, next)
		}
		if items, _ := n.events(t, "after=0"); len(items) == 0 {
			t.Error("no events after the stop")
		}
	})
}

// TestStreamsAccept: who gets a stream and who JSON.
func TestStreamsAccept(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"text/event-stream": true, "Text/Event-Stream; charset=utf-8": true, "text/event-stream, */*": true, "application/json, text/event-stream": true,
		"": false, "*/*": false, "application/json": false, "application/json, text/event-stream;q=0.5": false, "text/event-stream;q=0": false, "text/*": false,
	} {
		r := &http.Request{Header: http.Header{"Accept": {accept}}, URL: &url.URL{}}
		c := &call{r: r, endpoint: &endpoint{pattern: eventsPattern}}
		if got := c.streams(); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
