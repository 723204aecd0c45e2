package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A customer is a receiver over HTTP that answers by a script.
type customer struct {
	server *httptest.Server
	hits   chan hit // every request, once it was answered
	mu     sync.Mutex
	script func(h hit) int // the status
	seen   map[int64]int
}

func newCustomer(t *testing.T, script func(h hit) int) *customer {
	c := &customer{hits: make(chan hit, 10_000), script: script, seen: map[int64]int{}}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *customer) answer(script func(h hit) int) {
	c.mu.Lock()
	c.script = script
	c.mu.Unlock()
}

// ServeHTTP records and answers.
func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id := r.Header.Get("Webhook-Id")
	seq, _ := strconv.ParseInt(id[strings.LastIndexByte(id, '_')+1:], 10, 64)
	c.mu.Lock()
	c.seen[seq]++
	h := hit{seq: seq, number: c.seen[seq], body: string(body), header: r.Header, url: r.URL.Path}
	status := c.script(h)
	c.mu.Unlock()
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
	c.hits <- h
}

// wait returns the next n hits.
func (c *customer) wait(t *testing.T, n int) []hit {
	t.Helper()
	timeout := time.After(30 * time.Second)
	var list []hit
	for len(list) < n {
		select {
		case h := <-c.hits:
			list = append(list, h)
		case <-timeout:
			t.Fatalf("got %d requests, want %d", len(list), n)
		}
	}
	return list
}

// until returns the hits up to the first that satisfies done.
func (c *customer) until(t *testing.T, done func(h hit) bool) []hit {
	t.Helper()
	var list []hit
	for {
		h := c.wait(t, 1)[0]
		if list = append(list, h); done(h) {
			return list
		}
	}
}

// A gateway is a store with a company, whose events go to a customer.
type gateway struct {
	t        *testing.T
	db       *store.DB
	company  parley.CompanyID
	channel  *parley.Channel
	endpoint parley.Endpoint
	grants   storetest.Grants
	policy   Policy
	current  atomic.Pointer[Deliverer]
	messages int
}

func newGateway(t *testing.T, db *store.DB, url string, retries int) *gateway {
	t.Helper()
	g := &gateway{t: t, db: db}
	delay := 20 * time.Millisecond
	var err error
	if g.policy, err = NewPolicy(PolicyPact, &retries, &delay); err != nil {
		t.Fatal(err)
	}
	db.SetHooks(store.Hooks{
		Events: func(events []parley.Event) {
			if d := g.current.Load(); d != nil {
				d.Wake(events)
			}
		},
		Endpoint: func(c parley.CompanyID, id parley.EndpointID) {
			if d := g.current.Load(); d != nil {
				d.EndpointChanged(c, id)
			}
		},
	})
	g.grants = storetest.Own(t, db, "one")
	_, g.company = storetest.Company(t, db, "Ann", url)
	g.channel = storetest.Channel(t, db, g.company, "bot")
	if g.endpoint, err = db.MainEndpoint(t.Context(), g.company); err != nil {
		t.Fatal(err)
	}
	return g
}

// start runs a new Deliverer; the function that it returns ends it and waits.
func (g *gateway) start() func() {
	g.t.Helper()
	d, err := New(Config{
		Store: g.db, Grants: g.grants, HTTP: newClient(g.t, fetch.Options{AllowLoopback: true}),
		Log: quietLog(), Policy: g.policy, Epoch: g.db.Epoch(),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.current.Store(d)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	g.t.Cleanup(stop)
	return stop
}

// say receives a message from each person.
func (g *gateway) say(persons ...string) {
	g.t.Helper()
	var items []*store.Receive
	for _, p := range persons {
		g.messages++
		items = append(items, &store.Receive{Channel: g.channel, Event: connector.Event{
			ID: strconv.Itoa(g.messages), At: time.Now(), Chat: connector.Chat{ID: p},
			From: connector.Person{ID: p, Name: "Ann " + p}, What: connector.Message{Text: "hello"},
		}})
	}
	_, errs := g.db.Receive(g.t.Context(), items...)
	for _, err := range errs {
		if err != nil {
			g.t.Fatal(err)
		}
	}
}

// log returns the company's events.
func (g *gateway) log() []parley.Event {
	g.t.Helper()
	list, err := g.db.EventsAfter(g.t.Context(), g.company, 0, 100_000, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	return list
}

// wantSettled checks that the rows say that nothing is open.
func (g *gateway) wantSettled() {
	g.t.Helper()
	ep, err := g.db.Endpoint(g.t.Context(), g.endpoint.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	last, err := g.db.LastSeq(g.t.Context(), g.company)
	if err != nil {
		g.t.Fatal(err)
	}
	rows, err := g.db.BlockedStreams(g.t.Context(), g.endpoint.ID)
	if err != nil || ep.Cursor != last || len(rows) > 0 {
		g.t.Errorf("got cursor %d of %d, blocked %+v, error %v", ep.Cursor, last, rows, err)
	}
}

func (g *gateway) deadLetters() []parley.DeadLetter {
	g.t.Helper()
	list, err := g.db.DeadLetters(g.t.Context(), g.company, store.Page{Limit: 1000})
	if err != nil {
		g.t.Fatal(err)
	}
	return list
}

// wantDelivered checks that every event was taken, in the order of its stream,
// with its body.
func (g *gateway) wantDelivered(hits []hit, taken func(hit) bool) {
	g.t.Helper()
	last, got := map[parley.StreamID]int64{}, map[int64]bool{}
	events := g.log()
	for _, h := range hits {
		e := events[h.seq-1]
		if h.body != string(e.Body) {
			g.t.Errorf("event %d was sent as %s, want %s", h.seq, h.body, e.Body)
		}
		if !got[h.seq] && h.seq < last[e.Stream] {
			g.t.Errorf("event %d came after %d of the same stream", h.seq, last[e.Stream])
		}
		if taken(h) {
			got[h.seq], last[e.Stream] = true, max(last[e.Stream], h.seq)
		}
	}
	if len(got) != len(events) {
		g.t.Errorf("got %d events, want %d", len(got), len(events))
	}
}

func TestStoreOrderAcrossFailuresAndRestarts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		fails := func(h hit) bool { return h.seq%5 == 0 && h.number <= 2 || h.seq%17 == 3 && h.number == 1 }
		c := newCustomer(t, func(h hit) int {
			if fails(h) {
				return 500
			}
			return 200
		})
		g := newGateway(t, db, c.server.URL, 10)
		var hits []hit
		for range 4 {
			stop := g.start()
			for i := range 40 {
				g.say(fmt.Sprint("person ", i%7), fmt.Sprint("person ", i%3))
			}
			hits = append(hits, c.wait(t, 30)...)
			stop()
		}
		last := int64(len(g.log()))
		stop := g.start()
		taken := map[int64]bool{}
		for _, h := range hits {
			taken[h.seq] = taken[h.seq] || !fails(h)
		}
		hits = append(hits, c.until(t, func(h hit) bool {
			taken[h.seq] = taken[h.seq] || !fails(h)
			n := 0
			for _, ok := range taken {
				if ok {
					n++
				}
			}
			return int64(n) == last
		})...)
		stop()
		g.wantDelivered(hits, func(h hit) bool { return !fails(h) })
		g.wantSettled()
		if n := len(g.deadLetters()); n > 0 {
			t.Errorf("got %d dead letters", n)
		}
		if extra := len(hits) - int(last); extra > int(last) {
			t.Errorf("got %d requests for %d events", len(hits), last)
		}
	})
}

func TestStoreOneBadConversation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCustomer(t, func(h hit) int {
			if strings.Contains(h.body, "Ann bad") {
				return 500
			}
			return 200
		})
		g := newGateway(t, db, c.server.URL, 1000)
		stop := g.start()
		g.say("bad") // its conversation/new fails for ever
		for i := range 50 {
			g.say(fmt.Sprint("person ", i%10), "bad")
		}
		events := g.log()
		bad := events[0].Stream
		others := len(slices.DeleteFunc(slices.Clone(events), func(e parley.Event) bool { return e.Stream == bad }))
		taken := 0
		c.until(t, func(h hit) bool {
			if e := events[h.seq-1]; e.Stream == bad && h.seq != events[0].Seq {
				t.Errorf("event %d overtook the head of its stream", h.seq)
			} else if e.Stream != bad {
				taken++
			}
			return taken == others
		})
		stop()
		rows, err := db.BlockedStreams(t.Context(), g.endpoint.ID)
		if err != nil || len(rows) != 1 || rows[0].Stream != bad || rows[0].Head != events[0].Seq || rows[0].Attempt < 1 {
			t.Errorf("got blocked streams %+v, error %v", rows, err)
		}
		ep, err := db.Endpoint(t.Context(), g.endpoint.ID)
		if err != nil || ep.Cursor != int64(len(events)) {
			t.Errorf("got cursor %d, error %v, want %d", ep.Cursor, err, len(events))
		}
	})
}

func TestStoreParkAndReplay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCustomer(t, func(h hit) int { return 302 })
		g := newGateway(t, db, c.server.URL+"/hook", 2)
		stop := g.start()
		g.say("1") // conversation/new, message/new
		n := len(g.log())
		hits := c.wait(t, 3*n)
		stop()
		g.wantSettled()
		letters := g.deadLetters()
		if len(letters) != n || letters[0].Attempts != 3 || letters[0].Reason != "answered 302" {
			t.Errorf("got dead letters %+v, want %d after 3 attempts", letters, n)
		}
		for _, h := range hits {
			if h.url != "/hook" {
				t.Errorf("a redirect to %s was followed", h.url)
			}
		}
		c.answer(func(hit) int { return 200 })
		stop = g.start()
		if asked, err := db.Replay(t.Context(), g.company, 0, nil); err != nil || asked != int64(n) {
			t.Fatalf("asked for %d replays, error %v", asked, err)
		}
		for _, h := range c.wait(t, n) {
			if h.header.Get("Parley-Replay") != "1" {
				t.Errorf("the replay of event %d is not marked", h.seq)
			}
		}
		stop()
		replayed := slices.DeleteFunc(g.deadLetters(), func(l parley.DeadLetter) bool { return l.ReplayedAt.IsZero() })
		if len(replayed) != n {
			t.Errorf("got %d replayed dead letters, want %d", len(replayed), n)
		}
	})
}

func TestStoreChangedAndClearedURL(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		first := newCustomer(t, func(hit) int { return 500 })
		second := newCustomer(t, func(hit) int { return 200 })
		g := newGateway(t, db, first.server.URL, 1000)
		g.start()
		g.say("1")
		first.wait(t, 2)
		set := func(url string) {
			if err := db.UpdateCompany(t.Context(), g.company, parley.CompanyChange{WebhookURL: &url}); err != nil {
				t.Fatal(err)
			}
		}
		set(second.server.URL)
		n := len(g.log())
		second.wait(t, n)
		set(first.server.URL)
		g.say("2")
		first.until(t, func(h hit) bool { return h.seq > int64(n) })
		set("")
		open := len(g.log())
		g.say("3") // nobody is to get it
		set(second.server.URL)
		before := len(g.log())
		g.say("4")
		for _, h := range second.wait(t, len(g.log())-before) {
			if h.seq <= int64(before) {
				t.Errorf("event %d from before the new URL was delivered", h.seq)
			}
		}
		parked := map[int64]bool{}
		for _, l := range g.deadLetters() {
			parked[l.Seq] = true
		}
		for seq := int64(n) + 1; seq <= int64(len(g.log())); seq++ {
			if parked[seq] != (seq <= int64(open)) {
				t.Errorf("event %d, %d are from before the URL went: parked %t", seq, open, parked[seq])
			}
		}
	})
}

func TestStoreSignature(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCustomer(t, func(hit) int { return 200 })
		g := newGateway(t, db, c.server.URL, 10)
		g.start()
		verify := func(secret parley.Secret, h hit) {
			library, err := standardwebhooks.NewWebhook(secret.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			if err := library.Verify([]byte(h.body), h.header); err != nil {
				t.Errorf("event %d: %v", h.seq, err)
			}
			if !json.Valid([]byte(h.body)) {
				t.Errorf("event %d: not JSON: %s", h.seq, h.body)
			}
		}
		g.say("1")
		for _, h := range c.wait(t, len(g.log())) {
			verify(g.endpoint.Secret, h)
		}
	})
}

// TestHostileBody checks that an answer without end neither costs the event nor
// holds up the endpoint.
func TestHostileBody(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 3 {
			close(done)
		}
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096))
		}
	}))
	t.Cleanup(s.Close)
	m := newMemory()
	m.addEndpoint(endpoint, company, s.URL)
	for range 3 {
		m.addKind(company, 1, parley.EventMessageNew)
	}
	_, stop := start(t, m, newClient(t, fetch.Options{AllowLoopback: true}), nil)
	<-done
	stop()
	m.settled(t, endpoint)
	if calls.Load() != 3 {
		t.Errorf("got %d requests, want 3", calls.Load())
	}
}
