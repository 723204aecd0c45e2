package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
)

// manyEndpoints makes endpoints 1 to n of companies 1 to n, each at its own host.
func manyEndpoints(m *memory, n int) {
	for i := range n {
		m.addEndpoint(parley.EndpointID(i+1), parley.CompanyID(i+1), "http://host"+string(rune('a'+i))+".example/hook")
	}
}

func TestSlowEndpointDoesNotSlowOthers(t *testing.T) {
	t.Parallel()
	for _, answer := range []reply{{status: 200, after: 2 * time.Second}, {status: 200, after: time.Hour}, {status: 503, after: 900 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			manyEndpoints(m, 20)
			r := newReceiver(func(h hit) reply {
				if h.url == "http://hosta.example/hook" {
					return answer
				}
				return reply{status: 200, after: 5 * time.Millisecond}
			})
			d, _ := start(t, m, r, func(c *Config) { c.Pool = 40 })
			for range 50 {
				for c := range parley.CompanyID(20) {
					for s := range parley.StreamID(20) {
						m.addKind(c+1, s+1, parley.EventMessageNew)
					}
				}
			}
			m.pass(20 * time.Second)
			if d.pool.weakUsed > 10 {
				t.Errorf("weak endpoints hold %d places of 40", d.pool.weakUsed)
			}
			for id := range parley.EndpointID(20) {
				if id > 0 {
					m.settled(t, id+1)
				}
			}
		})
	}
}

// TestWeakEndpointsShareAQuarter checks the bound when most endpoints hang.
func TestWeakEndpointsShareAQuarter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		manyEndpoints(m, 20)
		r := newReceiver(func(h hit) reply {
			if h.url != "http://hostt.example/hook" {
				return reply{status: 200, after: 3 * time.Second}
			}
			return reply{status: 200}
		})
		d, _ := start(t, m, r, func(c *Config) { c.Pool = 16 })
		for c := range parley.CompanyID(19) {
			for s := range parley.StreamID(200) {
				m.addKind(c+1, s+1, parley.EventMessageNew)
			}
		}
		m.pass(20 * time.Second)
		if d.pool.weakUsed > 4 || d.pool.used > 5 {
			t.Errorf("hanging endpoints hold %d places, %d in all, want 4 of 16", d.pool.weakUsed, d.pool.used)
		}
		seen := map[string]bool{}
		for _, h := range r.hits {
			seen[h.url] = true
		}
		if len(seen) < 19 {
			t.Errorf("only %d of the hanging endpoints got a turn", len(seen))
		}
		for range 100 {
			m.add(20, 1, 2, 3)
			m.pass(10 * time.Millisecond)
		}
		m.settled(t, 20)
	})
}

func TestConcurrencyRampsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for s := range parley.StreamID(5000) {
			m.addKind(company, s+1, parley.EventMessageNew)
		}
		r := newReceiver(func(hit) reply { return reply{status: 200, after: 10 * time.Millisecond} })
		start(t, m, r, nil)
		m.pass(15 * time.Millisecond)
		if r.most > 2*startLimit {
			t.Errorf("got %d requests at once at first, want no more than %d", r.most, 2*startLimit)
		}
		m.pass(time.Second)
		if r.most != maxLimit {
			t.Errorf("got %d requests at once, want %d in the end", r.most, maxLimit)
		}
		if len(r.hits) != 5000 {
			t.Errorf("got %d events delivered within a second, want all 5000", len(r.hits))
		}
	})
}

func TestOverloadedReceiverIsRelieved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for s := range parley.StreamID(3000) {
			m.addKind(company, s+1, parley.EventMessageNew)
		}
		r := newReceiver(nil)
		r.script = func(hit) reply {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.now > 10 {
				return reply{status: 429, after: 20 * time.Millisecond}
			}
			return reply{status: 200, after: 20 * time.Millisecond}
		}
		start(t, m, r, nil)
		m.pass(30 * time.Minute)
		m.settled(t, endpoint)
		if refused := len(r.hits) - 3000; refused > 600 {
			t.Errorf("got %d refusals for 3000 events", refused)
		}
		if len(m.letters) > 0 {
			t.Errorf("%d events were parked", len(m.letters))
		}
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	p := newPace(startLimit)
	for range 200 {
		p.success(time.Millisecond)
	}
	if p.allowed() != maxLimit || p.weak() {
		t.Errorf("after successes got limit %d, weak %t", p.allowed(), p.weak())
	}
	now := time.Now()
	for range 10 { // of one round trip
		p.failure(time.Millisecond, now.Add(-time.Second), now, true)
	}
	if p.allowed() != maxLimit/2 {
		t.Errorf("after a bad round trip got limit %d, want half", p.allowed())
	}
	p.failure(time.Millisecond, now.Add(time.Second), now.Add(2*time.Second), false)
	if p.allowed() != maxLimit/2 {
		t.Errorf("after a refusal of one event got limit %d, want no change", p.allowed())
	}
	for i := range 40 {
		p.failure(time.Millisecond, now.Add(time.Duration(i+3)*time.Second), now.Add(time.Duration(i+4)*time.Second), true)
	}
	if p.allowed() != minLimit || !p.weak() {
		t.Errorf("after failures got limit %d, weak %t", p.allowed(), p.weak())
	}
	for range 64 {
		p.success(time.Millisecond)
	}
	if got := p.allowed(); got < 5 || got > 16 || p.weak() {
		t.Errorf("above the knee got limit %d, weak %t, want slow growth", got, p.weak())
	}
	for range 3 {
		p.success(2 * time.Second)
	}
	if p.weak() {
		t.Error("3 of 64 slow answers made it weak")
	}
	p.success(2 * time.Second)
	if !p.weak() {
		t.Error("4 of 64 slow answers did not make it weak")
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	p := newPool(8)
	o := func() *owner { return &owner{signal: make(chan struct{}, 1)} }
	poked := func(o *owner) bool {
		select {
		case <-o.signal:
			return true
		default:
			return false
		}
	}
	weak, weak2, good, good2 := o(), o(), o(), o()
	for n := range 3 {
		if got := p.acquire(weak, true); got != (n < 2) {
			t.Fatalf("weak owners must get 2 of 8 places; asked for number %d, got %t", n+1, got)
		}
	}
	for range 6 {
		if !p.acquire(good, false) {
			t.Fatal("the others must get the rest")
		}
	}
	if p.acquire(good, false) || p.acquire(good2, false) || p.acquire(weak2, true) {
		t.Fatal("a place was given twice")
	}
	p.release(false)
	if !poked(good) || poked(good2) || poked(weak) {
		t.Error("the first in line must be called, and nobody else")
	}
	if p.acquire(good2, false) {
		t.Error("a place that somebody was called for was taken by another")
	}
	p.answered(good) // it has no use for it
	if !poked(good2) || !p.acquire(good2, false) {
		t.Error("the next in line must be called")
	}
	p.answered(good2)
	p.reclass(6, true) // now everyone is weak
	p.release(true)
	if poked(weak) || poked(weak2) {
		t.Error("weak owners hold more than a quarter, nobody may be called")
	}
	p.leave(weak)
	for range 6 {
		p.release(true)
	}
	if !poked(weak2) || poked(weak) {
		t.Error("of the weak owners the one that is left must be called")
	}
	p.leave(weak2)
	if p.used != 1 || p.weakUsed != 1 {
		t.Errorf("got %d places used, %d by weak owners, want 1 and 1", p.used, p.weakUsed)
	}
}
