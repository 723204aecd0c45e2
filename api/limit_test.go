package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
)

// A hand is a clock that is moved by hand.
type hand struct {
	mu sync.Mutex
	at time.Time
}

func newHand() *hand { return &hand{at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func (h *hand) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hand) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func limitedGateway(t *testing.T) (*gateway, *hand) {
	t.Helper()
	clock := newHand()
	return newGateway(t, openSQLite(t), func(c *Config) { c.Limit, c.Now = true, clock.now }), clock
}

// TestRateLimit is case 020: the sixth send in a second is refused, for as long as
// it says, and for that token alone.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	g, clock := limitedGateway(t)
	n := g.full(t)
	send := func(want string) reply {
		t.Helper()
		return n.post(t, messagesPath, "message=hi").expect(t, want)
	}
	for range 5 {
		send("ok")
		clock.move(100 * time.Millisecond)
	}
	got := send("429 Please wait for 1 seconds")
	if got.header.Get("Retry-After") != "1" || got.at("code") != "too_many_requests" {
		t.Errorf("got %v %s", got.header, got.text)
	}
	n.post(t, onCV+"/message", "message=hi").expect(t, "429")
	n.get(t, messagesPath).expect(t, "ok")
	n.get(t, "/p1/companies/{C}").expect(t, "ok")
	other := g.full(t)
	other.post(t, messagesPath, "message=hi").expect(t, "ok")
	clock.move(500*time.Millisecond - 1)
	send("429")
	clock.move(1)
	send("ok")
	send("429")
}

// TestRateLimitOrder: a call is judged by its token first, and by its limit before
// anything else about it.
func TestRateLimitOrder(t *testing.T) {
	t.Parallel()
	g, _ := limitedGateway(t)
	n := g.full(t)
	for range 10 {
		n.get(t, "/p1/companies/{C}/conversations").expect(t, "ok")
	}
	n.get(t, "/p1/companies/{C}/conversations").expect(t, "429 Please wait for 60 seconds")
	n.get(t, "/p1/companies/999999/conversations").expect(t, "429")
	n.post(t, "/p1/companies/{C}/conversations", "").expect(t, "429")
	n.do(t, request{line: "GET /p1/companies/{C}/conversations", header: badToken}).expect(t, "401")
	n.do(t, request{line: "GET /p1/companies/{C}/conversations", header: "Accept: text/html"}).expect(t, "406")
	n.do(t, request{line: "PUT /p1/companies/{C}/conversations"}).expect(t, "405")
}

// TestRateLimitOff: without the profile nothing is refused.
func TestRateLimitOff(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	for range 40 {
		n.post(t, messagesPath, "message=hi").expect(t, "ok")
	}
}

// TestRateLimitSignedIn: a fresh access token is no fresh allowance.
func TestRateLimitSignedIn(t *testing.T) {
	t.Parallel()
	s := New(Config{Limit: true, Now: newHand().now})
	try := func(token []byte, user parley.UserID) error {
		c := &call{token: token, user: parley.User{ID: user}, endpoint: &endpoint{method: "GET", pattern: "companies/C/conversations"}}
		return s.limit(c)
	}
	for range 10 {
		if err := try(nil, 1); err != nil {
			t.Fatal(err)
		}
	}
	if try(nil, 1) == nil {
		t.Error("the eleventh call of a user who is signed in was let through")
	}
	for _, err := range []error{try(nil, 2), try([]byte(strings.Repeat("a", 32)), 1), try([]byte(strings.Repeat("b", 32)), 1)} {
		if err != nil {
			t.Errorf("another caller: %v", err)
		}
	}
}

// TestLimiter compares what is let through with the limits of each group, over any
// span of time.
func TestLimiter(t *testing.T) {
	t.Parallel()
	for g := range groups {
		for _, step := range []time.Duration{10 * time.Millisecond, 210 * time.Millisecond, 1900 * time.Millisecond, 7 * time.Second} {
			clock := newHand()
			l := newLimiter(clock.now)
			var let []time.Duration
			for at := time.Duration(0); at < 10*time.Minute; at += step {
				wait := l.take(caller{group: g})
				if allowed := fits(let, at, profile[g]); allowed != (wait == 0) {
					t.Fatalf("group %d, every %v, at %v: wait %v, want let through %v", g, step, at, wait, allowed)
				}
				if wait == 0 {
					let = append(let, at)
				} else if !fits(let, at+wait, profile[g]) || fits(let, at+wait-1, profile[g]) {
					t.Fatalf("group %d, every %v, at %v: %v is not how long to wait", g, step, at, wait)
				}
				clock.move(step)
			}
		}
	}
}

// fits reports whether one more call keeps to all allowances.
func fits(let []time.Duration, at time.Duration, allowances []allowance) bool {
	for _, a := range allowances {
		n := 0
		for _, call := range let {
			if at-call < a.span {
				n++
			}
		}
		if n >= a.calls {
			return false
		}
	}
	return true
}

// TestLimiterMemory: who is idle is forgotten, and there are never too many.
func TestLimiterMemory(t *testing.T) {
	t.Parallel()
	clock := newHand()
	l := newLimiter(clock.now)
	for n := range maxCallers + 1000 {
		l.take(caller{user: parley.UserID(n)})
	}
	if len(l.known) != maxCallers {
		t.Errorf("%d callers are known, want %d", len(l.known), maxCallers)
	}
	clock.move(time.Minute - 1)
	l.take(caller{user: -1})
	clock.move(1)
	l.take(caller{user: -2})
	if len(l.known) != 2 {
		t.Errorf("%d callers are known after a minute, want 2", len(l.known))
	}
}

// TestLimiterAtOnce: calls at once are counted one by one.
func TestLimiterAtOnce(t *testing.T) {
	t.Parallel()
	l := newLimiter(newHand().now)
	var wg sync.WaitGroup
	var mu sync.Mutex
	let := 0
	for range 100 {
		wg.Go(func() {
			if l.take(caller{group: groupHistory}) == 0 {
				mu.Lock()
				defer mu.Unlock()
				let++
			}
		})
	}
	wg.Wait()
	if let != 20 {
		t.Errorf("%d were let through, want 20", let)
	}
}

// TestLimitedEndpoints: every endpoint that is there and takes part in a group is
// named as the table of endpoints names it.
func TestLimitedEndpoints(t *testing.T) {
	t.Parallel()
	got := map[group]int{}
	for _, e := range testServer().endpoints() {
		if g, ok := limited[e.method+" "+e.pattern]; ok {
			got[g]++
		}
	}
	for g, least := range map[group]int{groupSend: 2, groupUpload: 1, groupHistory: 1, groupConversations: 2} {
		if got[g] < least {
			t.Errorf("group %d has %d endpoints, want %d at least: %v", g, got[g], least, fmt.Sprint(limited))
		}
	}
}
