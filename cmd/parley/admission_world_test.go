package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
	"github.com/parley-im/parley/store"
)

type simulatorSent = simulator.Sent

// stall keeps the gateway's commits waiting until release, by another connection
// that holds the lock they need. Reading goes on.
func stall(t *testing.T, s *stage) (release func()) {
	t.Helper()
	if s.place.Database != "" {
		return stallPostgres(t, s.place.Database)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.place.Data, "parley.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return cleanedUp(t, func() {
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK") // closing it does the same
		_ = conn.Close()
		_ = db.Close()
	})
}

func stallPostgres(t *testing.T, address string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(context.Background(), "BEGIN; LOCK TABLE message, seen IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	return cleanedUp(t, func() { _ = conn.Close(context.Background()) })
}

// cleanedUp has f run once, at the end of the test at the latest.
func cleanedUp(t *testing.T, f func()) func() {
	once := sync.OnceFunc(f)
	t.Cleanup(once)
	return once
}

// repeats says that webhooks may be taken twice from now on.
func (c *crm) repeats() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
}

// A floodAnswer is what one request of a flood was answered; the zero value is
// none.
type floodAnswer struct {
	status int
	retry  string // Retry-After
	body   string
	err    error
}

// A flood is many requests at once, each on a connection of its own.
type flood struct {
	make    func(n int) (*http.Request, error)
	client  *http.Client
	calls   sync.WaitGroup
	answers []floodAnswer // by number; read once all have ended
	early   chan floodAnswer
}

// newFlood makes n requests.
func newFlood(n int, request func(n int) (*http.Request, error)) *flood {
	f := &flood{make: request, answers: make([]floodAnswer, n), early: make(chan floodAnswer, n),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 2 * patience}}
	for i := range n {
		f.calls.Go(func() {
			f.answers[i] = f.ask(i)
			f.early <- f.answers[i]
		})
	}
	return f
}

func (f *flood) ask(n int) floodAnswer {
	req, err := f.make(n)
	if err != nil {
		return floodAnswer{err: err}
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return floodAnswer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return floodAnswer{resp.StatusCode, resp.Header.Get("Retry-After"), string(body), err}
}

// refused waits until so many were answered, by the API, that the database cannot
// keep up. One that could not be reached has another Retry-After.
func (f *flood) refused(t *testing.T, n int) {
	t.Helper()
	f.count(t, n, func(a floodAnswer) bool {
		return a.status == http.StatusServiceUnavailable && a.retry == "1" &&
			a.body == `{"status":"errored","errors":["Service Unavailable"],"code":"unavailable"}`
	})
}

func (f *flood) count(t *testing.T, n int, keep func(floodAnswer) bool) {
	t.Helper()
	late, got := time.After(patience), 0
	for seen := 0; got < n; seen++ {
		if seen == len(f.answers) {
			t.Fatalf("%d of all %d were refused at once, want %d", got, seen, n)
		}
		select {
		case a := <-f.early:
			if keep(a) {
				got++
			}
		case <-late:
			t.Fatalf("%d of %d were refused within %v, want %d", got, seen, patience, n)
		}
	}
}

// ended waits for all answers.
func (f *flood) ended(t *testing.T) []floodAnswer {
	t.Helper()
	f.calls.Wait()
	for n, a := range f.answers {
		if a.err != nil {
			t.Errorf("request %d: %v", n, a.err)
		}
	}
	return f.answers
}

// repeat makes those requests again that were not answered 200, until they are,
// some at once.
func (f *flood) repeat(t *testing.T) {
	t.Helper()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(f.answers); n = int(next.Add(1)) - 1 {
				for tries := 0; f.answers[n].status != http.StatusOK; tries++ {
					if tries == 10 {
						t.Errorf("request %d was answered %+v, again and again", n, f.answers[n])
						return
					}
					f.answers[n] = f.ask(n)
				}
			}
		})
	}
	workers.Wait()
}

// texts returns the texts of all.
func (f *flood) texts() (all []string) {
	for n := range f.answers {
		all = append(all, floodText(n))
	}
	return all
}

// chats returns the texts sent to each chat, in order.
func (b *botAPI) chats() map[string][]string {
	all := map[string][]string{}
	for _, m := range b.Sent().After(0, 100_000, nil) {
		if m.Method == "sendMessage" {
			all[m.Chat] = append(all[m.Chat], m.Text)
		}
	}
	return all
}

// messages returns the texts of a conversation.
func (s *stage) messages(conversation int64) (texts []string) {
	s.t.Helper()
	page := store.Page{Limit: 1000}
	for {
		list, err := s.gateway.db.Messages(context.Background(), parley.ConversationID(conversation), page)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(list) == 0 {
			return texts
		}
		for _, m := range list {
			texts = append(texts, m.Text)
		}
		page.After = int64(list[len(list)-1].ID)
	}
}

// A hanging is the receivers of many companies. That of company 0 takes some
// webhooks and then answers none.
type hanging struct {
	*host
	took    *simulator.Ring[string] // path and kind of what was taken
	hanging chan struct{}           // closed once many wait for an answer
	over    chan struct{}           // closed by end
	end     func()                  // lets all go; may be called twice
	taken   atomic.Int64            // by company 0
	now     atomic.Int64            // requests that wait for company 0
	most    atomic.Int64
	many    func()
}

func newHanging(t *testing.T) *hanging {
	t.Helper()
	h := &hanging{took: simulator.NewRing[string](100_000), hanging: make(chan struct{}), over: make(chan struct{})}
	h.many = sync.OnceFunc(func() { close(h.hanging) })
	h.host = newHost(t, h)
	h.end = cleanedUp(t, func() { close(h.over) }) // before the host goes down
	return h
}

// ServeHTTP takes a webhook, or hangs.
func (h *hanging) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || strings.Contains(string(body), `"operation":"test"`) {
		return
	}
	var e struct{ Type, Event string }
	_ = json.Unmarshal(body, &e) // another body is of no kind
	if r.URL.Path == "/company/0" && h.taken.Add(1) > hangAfter {
		h.hang(r)
		return
	}
	h.took.Append(func(uint64) string { return fmt.Sprintf("%s %s/%s", r.URL.Path, e.Type, e.Event) })
}

func (h *hanging) hang(r *http.Request) {
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	if n >= mostAtOnce/4 {
		h.many()
	}
	select {
	case <-h.over:
	case <-r.Context().Done():
	}
}
