package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A block is one of a stream: its lines by field, comments under "".
type block map[string]string

// An sse is the client's end of a stream.
type sse struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Scanner
}

// listen opens a stream, which must come.
func (n *tenant) listen(t *testing.T, query, lastID string) *sse {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+n.fill(eventsPath)+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Private-Api-Token", n.token)
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := direct.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	h := resp.Header
	if resp.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("got %d %v", resp.StatusCode, h)
	}
	s := &sse{t, resp, bufio.NewScanner(resp.Body)}
	s.lines.Buffer(nil, 1<<20)
	return s
}

// block reads up to the next empty line; nil is the end, which must be a clean one.
func (s *sse) block() block {
	s.t.Helper()
	b := block{}
	for s.lines.Scan() {
		if s.lines.Text() == "" {
			return b
		}
		field, value, _ := strings.Cut(s.lines.Text(), ":")
		b[field] = strings.TrimPrefix(value, " ")
	}
	if err := s.lines.Err(); err != nil || len(b) > 0 {
		s.t.Fatalf("the stream was cut: %v %v", err, b)
	}
	return nil
}

// items reads n events.
func (s *sse) items(n int) []item {
	s.t.Helper()
	items := []item{}
	for range n {
		b := s.block()
		var i item
		if err := json.Unmarshal([]byte(b["data"]), &i); err != nil || len(b) != 2 || b["id"] != i.ID {
			s.t.Fatalf("%v: %v", err, b)
		}
		items = append(items, i)
	}
	return items
}

// TestEventStream: what was stored before and after the stream was opened comes in
// order, from where the client says, and the stream ends with the gateway.
func TestEventStream(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		open := make(chan bool, 100)
		g, hub := withEvents(t, db, func(c *Config) { c.Streaming = func(on bool) { open <- on } })
		n := g.tenant(t)
		ch := n.channel(t, "TG", "telegram")
		n.hear(t, ch, "ann", "1", "before\r\n\n")
		n.blocks(t, ch, "ann", "b1")
		before := n.logged(t)
		whole, fresh := n.listen(t, "?after=first", ""), n.listen(t, "?limit=1&wait=1", "")
		back := n.listen(t, "?after=first&event_types=message/new", n.cursor(1))
		for s, id := range map[*sse]string{whole: n.cursor(0), fresh: n.cursor(int64(len(before))), back: n.cursor(1)} {
			if diff := cmp.Diff(block{"retry": "2000", "id": id}, s.block()); diff != "" {
				t.Error(diff)
			}
		}
		for i := range 150 {
			n.hear(t, ch, "ann", fmt.Sprint("later", i), "later")
		}
		all := n.logged(t)
		want := n.itemsOf(all, plain)
		if diff := cmp.Diff(want, whole.items(len(want))); diff != "" {
			t.Error(diff)
		}
		want = n.itemsOf(all[len(before):], plain)
		if diff := cmp.Diff(want, fresh.items(len(want))); diff != "" {
			t.Error(diff)
		}
		want = n.itemsOf(all[1:], func(e parley.Event) bool { return e.Kind == parley.EventMessageNew })
		if diff := cmp.Diff(want, back.items(len(want))); diff != "" {
			t.Error(diff)
		}
		if len(open) != 3 || !<-open || !<-open || !<-open {
			t.Error("three streams were not counted")
		}
		head := n.do(t, request{line: "HEAD " + eventsPath, header: "Accept: text/event-stream"})
		if head.code != http.StatusOK || head.text != "" || head.header.Get("Content-Type") != "text/event-stream" || len(open) != 0 {
			t.Errorf("HEAD: %d %q %v", head.code, head.text, head.header)
		}
		hub.Stop()
		for _, s := range []*sse{whole, fresh, back} {
			if b := s.block(); b != nil {
				t.Errorf("after the stop: %v", b)
			}
			if <-open {
				t.Error("the end of a stream was not counted")
			}
		}
	})
}

// TestStreamOutlivesReadTimeout: the time that a server gives to requests does not
// end a stream.
func TestStreamOutlivesReadTimeout(t *testing.T) {
	t.Parallel()
	var closed atomic.Bool
	g, _ := withEvents(t, openSQLite(t), func(c *Config) {
		c.Streaming = func(open bool) {
			if !open {
				closed.Store(true)
			}
		}
	})
	web := httptest.NewUnstartedServer(g.server)
	web.Config.ReadTimeout, web.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	web.Start()
	t.Cleanup(web.Close)
	g.url = web.URL
	n := g.tenant(t)
	ch := n.channel(t, "TG", "telegram")
	s := n.listen(t, "?after=first", "")
	s.block()
	n.events(t, "event_types=qr_code/new&after=0&wait=2") // as long as the client wants
	if closed.Load() {
		t.Error("the stream was ended")
	}
	n.hear(t, ch, "ann", "1", "x")
	s.items(len(n.logged(t)))
}

// A stuck response is one whose client does not read: a write returns when its
// deadline is over.
type stuck struct {
	paper
	begun    chan struct{} // told of every write
	deadline chan time.Time
}

func (w *stuck) SetWriteDeadline(t time.Time) error {
	select {
	case <-w.deadline: // the one before
	default:
	}
	w.deadline <- t
	return nil
}

func (w *stuck) Write([]byte) (int, error) {
	w.begun <- struct{}{}
	for {
		d := <-w.deadline
		select {
		case w.deadline <- d: // nobody has set another
		default:
		}
		timer := time.NewTimer(min(time.Until(d), 10*time.Millisecond))
		<-timer.C
		if !time.Now().Before(d) {
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// TestSlowReader: who does not read is cut off in the end, and is not waited for
// when the gateway stops.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			q := &quiet{grown: make(chan struct{}), user: 1}
			w := &stuck{paper: paper{header: http.Header{}}, begun: make(chan struct{}, 1), deadline: make(chan time.Time, 1)}
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/p1/companies/7/events", nil)
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("X-Private-Api-Token", seal.NewToken())
			done := make(chan struct{})
			begun := time.Now()
			go func() { // ended below
				defer close(done)
				New(Config{Store: q, Events: q}).ServeHTTP(w, r)
			}()
			<-w.begun
			want := streamTimeout
			if stops {
				stop()
				want = stopGrace
			}
			<-done
			if took := time.Since(begun); took < want || took > want+time.Second/10 {
				t.Errorf("stops %v: it was waited for, %v", stops, took)
			}
		})
	}
}

// A paper is a response that keeps what is written and when.
type paper struct {
	header http.Header
	mu     sync.Mutex
	text   strings.Builder
}

func (p *paper) Header() http.Header                { return p.header }
func (p *paper) WriteHeader(int)                    {}
func (p *paper) FlushError() error                  { return nil }
func (p *paper) SetReadDeadline(time.Time) error    { return nil }
func (p *paper) SetWriteDeadline(t time.Time) error { return nil }

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// take returns what was written since the last call.
func (p *paper) take() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.text.Reset()
	return p.text.String()
}

// A quiet is a log in which nothing happens unless a test says so, and the store
// of who may listen to it.
type quiet struct {
	Store
	mu      sync.Mutex
	events  []parley.Event
	grown   chan struct{}
	user    parley.UserID // of the company
	revoked bool
}

func (q *quiet) UserByToken(context.Context, []byte) (parley.User, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.revoked {
		return parley.User{}, parley.Errorf(parley.KindUnauthorized, "revoked")
	}
	return parley.User{ID: 1}, nil
}

func (q *quiet) Company(_ context.Context, id parley.CompanyID) (parley.Company, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return parley.Company{ID: id, User: q.user}, nil
}

func (q *quiet) Listen(ctx context.Context, _ parley.CompanyID) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func (q *quiet) Bounds(context.Context, parley.CompanyID) (first, last parley.Cursor, err error) {
	return parley.Cursor{Epoch: 1}, parley.Cursor{Epoch: 1}, nil
}

func (q *quiet) Read(_ context.Context, _ parley.CompanyID, after parley.Cursor, _, _ int) ([]parley.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events[after.Seq:], nil
}

func (q *quiet) Wait(ctx context.Context, _ parley.CompanyID, _ parley.Cursor) error {
	select {
	case <-q.grown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *quiet) happen(kind parley.EventKind) {
	q.mu.Lock()
	q.events = append(q.events, parley.Event{Seq: int64(len(q.events) + 1), Kind: kind, Body: []byte("{}")})
	q.mu.Unlock()
	q.grown <- struct{}{}
}

// silent opens a stream of a quiet log; the answer has ended when done is closed.
func silent(t *testing.T) (q *quiet, p *paper, done chan struct{}) {
	q, p, done = &quiet{grown: make(chan struct{}), user: 1}, &paper{header: http.Header{}}, make(chan struct{})
	s := New(Config{Store: q, Events: q})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/p1/companies/7/events", nil)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("X-Private-Api-Token", seal.NewToken())
	go func() { // the caller waits for done
		defer close(done)
		s.ServeHTTP(p, r)
	}()
	if got, want := p.take(), "retry: 2000\nid: 1.0\n\n"; got != want {
		t.Errorf("begins with %q", got)
	}
	return q, p, done
}

// TestSignsOfLife: there is one every 15 s, even if there are events that are not
// for the client, and it moves the client's place on.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, p, done := silent(t)
		for range 3 {
			time.Sleep(heartbeat)
			if got := p.take(); got != ":\n\n" {
				t.Errorf("got %q", got)
			}
		}
		for range 3 {
			q.happen(parley.EventMessageUpdate)
			time.Sleep(heartbeat / 3)
		}
		if got := p.take(); got != ":\nid: 1.3\n\n" {
			t.Errorf("got %q", got)
		}
		q.happen(parley.EventSystem)
		if got := p.take(); !strings.HasPrefix(got, `id: 1.4`+"\n"+`data: {"id":"1.4","type":"system","event":null,`) {
			t.Errorf("got %q", got)
		}
		time.Sleep(heartbeat - time.Millisecond)
		if got := p.take(); got != "" {
			t.Errorf("too early: %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := p.take(); got != ":\n\n" {
			t.Errorf("got %q", got)
		}
		q.mu.Lock()
		q.revoked = true
		q.mu.Unlock()
		<-done
	})
}

// TestStreamIsRechecked: who may not listen any more does not, a minute later.
func TestStreamIsRechecked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*quiet){
		"token":   func(q *quiet) { q.revoked = true },
		"company": func(q *quiet) { q.user = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, _, done := silent(t)
				time.Sleep(10*time.Minute + time.Second)
				select {
				case <-done:
					t.Fatal("it ended without a reason")
				default:
				}
				q.mu.Lock()
				change(q)
				q.mu.Unlock()
				begun := time.Now()
				if <-done; time.Since(begun) > recheckEvery+heartbeat {
					t.Errorf("it ended after %v", time.Since(begun))
				}
			})
		})
	}
}
