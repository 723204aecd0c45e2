package webhook

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func TestAttemptsUseTheCurrentURL(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.addEndpoint(endpoint, company, "http://old.example/hook")
			m.add(company, 1)
			r := newReceiver(always(500))
			d, _ := start(t, m, r, nil)
			m.pass(55 * time.Second)
			m.mu.Lock()
			m.endpoints[endpoint].URL = "http://new.example/hook"
			m.mu.Unlock()
			if told {
				d.EndpointChanged(company, endpoint)
				m.pass(time.Millisecond)
				m.add(company, 2)
			}
			m.pass(10 * time.Second)
			var urls []string
			for _, h := range r.hits {
				urls = append(urls, h.url)
			}
			want := []string{"http://old.example/hook", "http://new.example/hook"}
			if told {
				want = append(want, want[1])
			}
			if diff := cmp.Diff(want, urls); diff != "" {
				t.Errorf("told %t (-want +got):\n%s", told, diff)
			}
		})
	}
}

func TestClearedURLStopsDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 1, 2)
		r := newReceiver(always(500))
		d, _ := start(t, m, r, nil)
		m.pass(time.Second)
		clearURL(m, d)
		m.pass(10 * time.Minute)
		if len(r.hits) != 2 {
			t.Errorf("got %d attempts, want the 2 from before", len(r.hits))
		}
		if len(m.blocked[endpoint]) != 0 {
			t.Errorf("a row came back: %+v", m.blocked)
		}
		if n := d.running(); n != 0 {
			t.Errorf("%d owners are left", n)
		}
		m.mu.Lock()
		m.endpoints[endpoint].URL = "http://example.com/other"
		m.mu.Unlock()
		r.script = always(200)
		d.EndpointChanged(company, endpoint)
		m.pass(time.Second)
		m.add(company, 1)
		m.pass(time.Second)
		if got := r.order()[2:]; !slices.Equal(got, []int64{4}) {
			t.Errorf("with a new URL got events %v, want only the new one", got)
		}
	})
}

// clearURL does what the store does when a company clears its webhook_url: what
// is open is parked.
func clearURL(m *memory, d *Deliverer) {
	m.mu.Lock()
	m.endpoints[endpoint].URL = ""
	m.endpoints[endpoint].Cursor = int64(len(m.events[company]))
	clear(m.blocked[endpoint])
	m.mu.Unlock()
	d.EndpointChanged(company, endpoint)
}

// TestClearedAndSetAtOnce checks that an owner that saw only the end of it does
// not go on with what was parked.
func TestClearedAndSetAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for s := range parley.StreamID(50) {
			m.add(company, s+1)
		}
		r := newReceiver(always(500))
		d, _ := start(t, m, r, nil)
		m.pass(time.Second)
		tried := len(r.hits)
		clearURL(m, d)
		m.mu.Lock()
		m.endpoints[endpoint].URL = "http://example.com/hook"
		m.mu.Unlock()
		r.script = always(200)
		m.pass(5 * time.Minute)
		if len(r.hits) != tried {
			t.Errorf("got %d attempts at what was parked", len(r.hits)-tried)
		}
	})
}

func TestExtensionsOnlyOnRequest(t *testing.T) {
	t.Parallel()
	for _, extended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.addEndpoint(endpoint, company, "http://example.com/hook")
			m.endpoints[endpoint].Extended = extended
			kinds := []parley.EventKind{
				parley.EventMessageNew, parley.EventMessageUpdate, parley.EventMessageReaction,
				parley.EventMessageAck, parley.EventMessageDelete,
			}
			for range 20 {
				for _, k := range kinds {
					m.addKind(company, 1, k)
				}
			}
			r := newReceiver(func(h hit) reply {
				if h.seq == 1 && h.number == 1 {
					return reply{status: 500} // the others come by way of a drain
				}
				return reply{status: 200}
			})
			start(t, m, r, nil)
			m.pass(5 * time.Minute)
			want := 40
			if extended {
				want = 100
			}
			if len(r.seen) != want {
				t.Errorf("extended %t: got %d events, want %d", extended, len(r.seen), want)
			}
			m.settled(t, endpoint)
		})
	}
}

func TestEventThatPanicsIsParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 1, 2)
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 {
				panic("a bad event")
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		m.pass(time.Second)
		wantParked(t, m, "internal error", 1)
		if diff := cmp.Diff(map[int64]int{1: 1, 2: 1, 3: 1}, r.seen); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		m.settled(t, endpoint)
	})
}

func TestStorePanicStartsOver(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"LaggingEndpoints", "Endpoint", "BlockedStreams", "EventsAfter", "StreamEvents", "Deliver"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.addEndpoint(endpoint, company, "http://example.com/hook")
				m.add(company, 1, 1, 2)
				panics := 3
				m.fault = func(called string) error {
					if called == op && panics > 0 {
						panics--
						panic("a bad store")
					}
					return nil
				}
				r := newReceiver(func(h hit) reply {
					if h.seq == 1 && h.number == 1 {
						return reply{status: 500}
					}
					return reply{status: 200}
				})
				start(t, m, r, nil)
				m.pass(3 * time.Minute)
				wantInOrder(t, m, r)
				m.settled(t, endpoint)
				if panics > 0 {
					t.Errorf("%d panics are left", panics)
				}
			})
		})
	}
}

func TestIdleEndpointsCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range parley.EndpointID(50) {
			m.addEndpoint(i+1, parley.CompanyID(i+1), "http://example.com/hook")
			m.add(parley.CompanyID(i+1), 1)
		}
		r := newReceiver(always(200))
		d, _ := start(t, m, r, nil)
		m.pass(time.Second)
		if n := d.running(); n != 50 {
			t.Errorf("got %d owners of active endpoints, want 50", n)
		}
		m.pass(lingerFor + time.Second)
		if n := d.running(); n != 0 {
			t.Errorf("got %d owners of idle endpoints, want none", n)
		}
		if got := d.memory.Load(); got != 0 {
			t.Errorf("got %d bytes accounted for, want none", got)
		}
		began := time.Since(r.began)
		m.add(1, 1)
		m.pass(time.Millisecond)
		if got := r.hits[len(r.hits)-1].at - began; len(r.hits) != 51 || got != 0 {
			t.Errorf("an event woke its endpoint after %v, %d attempts", got, len(r.hits))
		}
	})
}

func TestUnknownEndpointsAreFoundSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		r := newReceiver(always(200))
		start(t, m, r, nil)
		m.pass(500 * time.Millisecond)
		m.mu.Lock()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.mu.Unlock()
		m.add(company, 1)
		m.pass(2 * pollGap)
		if len(r.hits) != 1 {
			t.Errorf("got %d attempts, want 1 at once", len(r.hits))
		}
		m.addKind(company, 1, parley.EventMessageNew) // nobody is told
		m.pass(2 * pollEvery)
		if len(r.hits) != 2 {
			t.Errorf("got %d attempts, want the second by a poll", len(r.hits))
		}
	})
}

// TestCompanyWithoutEndpointAsksOnce checks that its events do not cost a poll each.
func TestCompanyWithoutEndpointAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		polls := 0
		m.fault = func(op string) error {
			if op == "LaggingEndpoints" {
				polls++
			}
			return nil
		}
		start(t, m, newReceiver(always(200)), nil)
		for range 100 {
			m.add(company, 1)
			m.pass(100 * time.Millisecond)
		}
		if polls > 13 {
			t.Errorf("got %d polls in 10 s, want little more than one a second", polls)
		}
	})
}

func TestLeaseIsObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.term = 0
		m.add(company, 1)
		r := newReceiver(always(500))
		d, _ := start(t, m, r, nil)
		d.EndpointChanged(company, endpoint)
		m.pass(time.Minute)
		if len(r.hits) != 0 {
			t.Fatalf("got %d attempts without a lease", len(r.hits))
		}
		setTerm(m, 2)
		m.pass(2 * time.Second)
		if len(r.hits) != 1 {
			t.Fatalf("got %d attempts with a lease, want 1", len(r.hits))
		}
		setTerm(m, 0)
		m.add(company, 2)
		m.pass(10 * time.Minute)
		if len(r.hits) != 1 || d.running() != 0 {
			t.Errorf("got %d attempts and %d owners after the lease, want 1 and none", len(r.hits), d.running())
		}
		// Another node has delivered event 1 meanwhile.
		m.mu.Lock()
		clear(m.blocked[endpoint])
		m.endpoints[endpoint].Cursor = 1
		m.mu.Unlock()
		r.script = always(200)
		setTerm(m, 4)
		m.pass(time.Minute)
		if diff := cmp.Diff([]int64{1, 2}, r.order()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		m.settled(t, endpoint)
	})
}

func setTerm(m *memory, term parley.Term) {
	m.mu.Lock()
	m.term = term
	m.mu.Unlock()
}

// staleGrants says that the first term is still on.
type staleGrants struct{}

func (staleGrants) Grant(c parley.CompanyID) (parley.Grant, bool) {
	return parley.Grant{Shard: c.Shard(), Term: 1}, true
}

func TestOldTermWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2)
		m.term = 2
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		_, stop := start(t, m, r, func(c *Config) { c.Grants = staleGrants{} })
		m.pass(500 * time.Millisecond)
		stop()
		if len(r.hits) == 0 {
			t.Error("nothing was tried")
		}
		if m.endpoints[endpoint].Cursor != 0 || len(m.blocked[endpoint]) > 0 || len(m.attempts) > 0 {
			t.Errorf("an old term wrote: %+v %+v %+v", m.endpoints[endpoint], m.blocked, m.attempts)
		}
	})
}

func TestWakeWithoutBodiesReadsTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1)
		r := newReceiver(always(200))
		d, _ := start(t, m, r, nil)
		m.pass(time.Second + 100*time.Millisecond)
		e := m.addKind(company, 1, parley.EventMessageNew)
		d.Wake([]parley.Event{{Company: company, Seq: e.Seq, Stream: 1}, {Company: company + 1, Seq: 5}})
		m.pass(time.Millisecond)
		if len(r.hits) != 2 || r.hits[1].body != string(e.Body) {
			t.Errorf("got %+v, want event 2 with its body", r.hits)
		}
	})
}

func TestWakeOutsideOfRun(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.addEndpoint(endpoint, company, "http://example.com/hook")
	d, err := New(Config{Store: m, Grants: m, HTTP: newReceiver(always(200)), Log: quietLog(), Policy: pact(t)})
	if err != nil {
		t.Fatal(err)
	}
	m.wake = d.Wake
	d.EndpointChanged(company, endpoint)
	m.add(company, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Run(ctx); err != nil {
		t.Errorf("got %v", err)
	}
	m.add(company, 1)
	d.EndpointChanged(company, endpoint)
	if d.running() != 0 {
		t.Errorf("got %d owners, want none", d.running())
	}
}

// TestWakeStorm checks that hooks from many goroutines neither block nor lose.
func TestWakeStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range parley.EndpointID(8) {
			m.addEndpoint(i+1, parley.CompanyID(i+1), "http://example.com/hook")
		}
		r := newReceiver(func(hit) reply { return reply{status: 200, after: time.Millisecond} })
		start(t, m, r, nil)
		var wg sync.WaitGroup
		for c := range parley.CompanyID(8) {
			wg.Go(func() {
				for i := range 2000 {
					m.add(c+1, parley.StreamID(i%40+1))
				}
			})
		}
		wg.Wait()
		m.pass(time.Minute)
		for id := range m.endpoints {
			m.settled(t, id)
		}
		if len(r.hits) != 16000 {
			t.Errorf("got %d attempts, want 16000", len(r.hits))
		}
	})
}
