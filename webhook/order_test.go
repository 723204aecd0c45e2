package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// firsts keeps the first time each event was tried successfully, by stream.
func firsts(m *memory, hits []hit, c parley.CompanyID) map[parley.StreamID][]int64 {
	got := map[parley.StreamID][]int64{}
	for _, h := range hits {
		s := m.events[c][h.seq-1].Stream
		if !slices.Contains(got[s], h.seq) {
			got[s] = append(got[s], h.seq)
		}
	}
	return got
}

func TestSuccessorsWaitAndOthersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2, 1, 2, 1)
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 && h.number <= 2 {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		m.pass(30 * time.Second)
		m.add(company, 1, 2) // 6, 7
		m.pass(time.Second)
		if diff := cmp.Diff([]int64{1, 2, 4, 7}, slices.Sorted(slices.Values(r.order()))); diff != "" {
			t.Errorf("while stream 1 fails (-want +got):\n%s", diff)
		}
		if c := m.endpoints[endpoint].Cursor; c != 7 {
			t.Errorf("got cursor %d, want 7: a blocked stream must not hold it", c)
		}
		m.pass(2 * time.Minute)
		m.add(company, 1)
		m.pass(time.Second)
		for seq, want := range map[int64][]time.Duration{1: seconds(0, 60, 120), 3: seconds(120), 5: seconds(120), 6: seconds(120), 8: seconds(151)} {
			if diff := cmp.Diff(want, r.at(seq)); diff != "" {
				t.Errorf("event %d (-want +got):\n%s", seq, diff)
			}
		}
		m.settled(t, endpoint)
	})
}

func TestParkedEventLetsSuccessorsGo(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1} {
		t.Run(fmt.Sprint(retries, " retries"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.addEndpoint(endpoint, company, "http://example.com/hook")
				m.add(company, 1, 1, 1)
				r := newReceiver(func(h hit) reply {
					if h.seq == 2 {
						return reply{status: 400}
					}
					return reply{status: 200}
				})
				start(t, m, r, func(c *Config) { c.Policy, _ = NewPolicy(PolicyPact, &retries, nil) })
				m.pass(5 * time.Minute)
				want := map[int64]int{1: 1, 2: 1 + retries, 3: 1}
				if diff := cmp.Diff(want, r.seen); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
				if len(m.letters) != 1 || m.letters[0].Seq != 2 || m.letters[0].Attempts != 1+retries {
					t.Errorf("got dead letters %+v, want event 2", m.letters)
				}
				m.settled(t, endpoint)
			})
		})
	}
}

func TestOneBadEventLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			if h.seq == 10 {
				return reply{status: 500}
			}
			return reply{status: 200, after: 20 * time.Millisecond}
		})
		start(t, m, r, nil)
		for range 20 { // 1000 events of 50 streams
			for s := range parley.StreamID(50) {
				m.add(company, s+1)
			}
			m.pass(time.Second)
		}
		held := 20 - 1 // of the bad event's stream
		if got := len(r.seen); got != 1000-held {
			t.Errorf("got %d events tried, want all but %d", got, held)
		}
		for _, h := range r.hits {
			if h.number == 1 && h.at > time.Duration((h.seq-1)/50)*time.Second+500*time.Millisecond {
				t.Fatalf("event %d was first tried after %v", h.seq, h.at)
			}
		}
	})
}

func TestDownProbesOnlyTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for s := range parley.StreamID(200) {
			m.add(company, s%100+1)
		}
		down := 5 * time.Minute
		r := newReceiver(nil)
		r.script = func(h hit) reply {
			if h.at < down {
				return reply{status: 503}
			}
			return reply{status: 200}
		}
		start(t, m, r, nil)
		m.pass(2 * time.Second)
		first := len(r.hits)
		if first < downAfter || first > downAfter+startLimit {
			t.Errorf("got %d attempts before it was down, want little more than %d", first, downAfter)
		}
		m.pass(4*time.Minute + 50*time.Second)
		if diff := cmp.Diff(seconds(0, 60, 120, 180, 240), r.at(1)); diff != "" {
			t.Errorf("the oldest event (-want +got):\n%s", diff)
		}
		if got := len(r.hits); got != first+4 {
			t.Errorf("got %d attempts while down, want 4", got-first)
		}
		for _, h := range r.hits {
			if h.seq != 1 && h.number > 1 {
				t.Errorf("event %d was tried again while down", h.seq)
			}
		}
		m.pass(5 * time.Minute)
		if diff := cmp.Diff(seconds(0, 60, 120, 180, 240, 300), r.at(1)); diff != "" {
			t.Errorf("the oldest event (-want +got):\n%s", diff)
		}
		wantInOrder(t, m, r)
		m.settled(t, endpoint)
		if len(m.letters) > 0 {
			t.Errorf("got dead letters %+v", m.letters)
		}
	})
}

func wantInOrder(t *testing.T, m *memory, r *receiver) {
	t.Helper()
	for s, got := range firsts(m, r.hits, company) {
		if !slices.IsSorted(got) {
			t.Errorf("stream %d: got first attempts in the order %v", s, got)
		}
	}
	if len(r.seen) != len(m.events[company]) {
		t.Errorf("got %d events, want %d", len(r.seen), len(m.events[company]))
	}
}

func TestDownIsRememberedByARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for s := range parley.StreamID(50) {
			m.add(company, s+1)
		}
		r := newReceiver(always(500))
		_, stop := start(t, m, r, nil)
		m.pass(90 * time.Second)
		before := len(r.hits)
		for range 3 {
			stop()
			_, stop = start(t, m, r, nil)
			m.pass(time.Second)
		}
		// Each start may find out at the expense of one event.
		if got := len(r.hits) - before; got > 3 {
			t.Errorf("three restarts cost %d attempts, want 3 at most", got)
		}
	})
}

func TestDownParksOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2, 3)
		r := newReceiver(always(500))
		start(t, m, r, nil)
		m.pass(45 * time.Minute)
		if diff := cmp.Diff(map[int64]int{1: 11, 2: 11, 3: 11}, r.seen); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		for i := 1; i < len(r.hits); i++ {
			if gap := r.hits[i].at - r.hits[i-1].at; i >= 3 && gap < time.Minute {
				t.Errorf("attempt %d came %v after the one before, want a minute", i, gap)
			}
		}
		if len(m.letters) != 3 {
			t.Errorf("got %d dead letters, want 3", len(m.letters))
		}
		m.settled(t, endpoint)
		r.script = always(200)
		m.add(company, 9)
		m.pass(time.Second)
		m.settled(t, endpoint)
	})
}

func TestDownOnALongScheduleIsProbedUnspent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2, 3, 4)
		r := newReceiver(nil)
		r.script = func(h hit) reply {
			if h.at < 3*time.Hour {
				return reply{status: 500}
			}
			return reply{status: 200}
		}
		start(t, m, r, func(c *Config) { c.Policy = policyOf(t, PolicyStandard) })
		m.pass(3*time.Hour - time.Minute)
		at := r.at(1)
		for i := 1; i < len(at); i++ {
			if gap := at[i] - at[i-1]; gap > probeMost+time.Minute {
				t.Errorf("got %v without a probe", gap)
			}
		}
		if len(at) > 3*12+6 {
			t.Errorf("got %d probes in three hours, want about one in five minutes", len(at))
		}
		// The fifth is due after 2 h 35 min to 3 h 1 min, by chance.
		if got := m.blocked[endpoint][1].Attempt; got != 4 && got != 5 {
			t.Errorf("got %d attempts spent in three hours, want 4 or 5", got)
		}
		m.pass(10 * time.Minute)
		m.settled(t, endpoint)
		wantInOrder(t, m, r)
	})
}

func TestLongStreamDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for range defaultBounds.window + 500 {
			m.addKind(company, 1, parley.EventMessageNew)
		}
		for s := range parley.StreamID(20) {
			m.addKind(company, s+2, parley.EventMessageNew)
		}
		r := newReceiver(func(hit) reply { return reply{status: 200, after: 10 * time.Millisecond} })
		d, _ := start(t, m, r, nil)
		m.pass(2 * time.Second)
		for s := range int64(20) {
			if seq := int64(defaultBounds.window) + 500 + s + 1; len(r.at(seq)) != 1 {
				t.Errorf("event %d of another stream is not delivered yet", seq)
			}
		}
		if d.memory.Load() > int64(defaultBounds.roomy+defaultBounds.readBytes) {
			t.Errorf("%d bytes of bodies are held", d.memory.Load())
		}
		m.pass(2 * time.Minute)
		wantInOrder(t, m, r)
		if len(r.hits) != defaultBounds.window+520 {
			t.Errorf("got %d attempts, want one for each event", len(r.hits))
		}
		m.settled(t, endpoint)
		m.pass(time.Minute)
		if got := d.memory.Load(); got != 0 {
			t.Errorf("%d bytes are still accounted for", got)
		}
	})
}

// TestHangingEventIsPutAside checks that a crash while one event hangs repeats
// little of what was delivered meanwhile.
func TestHangingEventIsPutAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 {
				return reply{status: 200, after: 9 * time.Second}
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		for range 50 {
			m.add(company, 1, 2, 3, 4)
			m.pass(100 * time.Millisecond)
		}
		if got := m.endpoints[endpoint].Cursor; got != 200 {
			t.Errorf("got cursor %d while event 1 hangs, want 200", got)
		}
		m.pass(10 * time.Second)
		wantInOrder(t, m, r)
		if len(r.hits) != 200 {
			t.Errorf("got %d attempts, want 200", len(r.hits))
		}
		m.settled(t, endpoint)
	})
}

func TestStoreFailuresDelayOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		calls := map[string]int{}
		m.fault = func(op string) error {
			if calls[op]++; calls[op]%3 != 0 {
				return errStore
			}
			return nil
		}
		r := newReceiver(func(h hit) reply {
			if h.seq%7 == 0 && h.number < 3 {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		delay := 50 * time.Millisecond
		start(t, m, r, func(c *Config) { c.Policy, _ = NewPolicy(PolicyPact, nil, &delay) })
		for i := range 300 {
			m.addKind(company, parley.StreamID(i%9+1), parley.EventMessageNew)
		}
		m.pass(5 * time.Minute)
		wantInOrder(t, m, r)
		m.settled(t, endpoint)
		for _, op := range []string{"LaggingEndpoints", "Endpoint", "EventsAfter", "StreamEvents", "BlockedStreams", "Deliver"} {
			if calls[op] == 0 {
				t.Errorf("%s was never called", op)
			}
		}
	})
}

func TestUnwritableRowHoldsTheStreamBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 1, 2)
		var mu sync.Mutex
		broken := true
		m.fault = func(op string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == "Deliver" && broken {
				return errStore
			}
			return nil
		}
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		m.pass(10 * time.Minute)
		if diff := cmp.Diff(map[int64]int{1: 1, 3: 1}, r.seen); diff != "" {
			t.Errorf("attempts while nothing can be committed (-want +got):\n%s", diff)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		m.pass(20 * time.Second)
		if got := m.blocked[endpoint][1].Attempt; got < 1 {
			t.Errorf("got %d attempts in the row, want the first one", got)
		}
	})
}

func TestDownObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2, 3, 4)
		r := newReceiver(func(h hit) reply {
			if h.number == 1 {
				return reply{status: 503, header: http.Header{"Retry-After": {"600"}}}
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		m.pass(20 * time.Minute)
		if diff := cmp.Diff(seconds(0, 600), r.at(1)); diff != "" {
			t.Errorf("the oldest event (-want +got):\n%s", diff)
		}
		m.settled(t, endpoint)
	})
}

// TestRestartWithinADrainRepeatsNothing checks that an end in good order leaves
// rows that are up to date.
func TestRestartWithinADrainRepeatsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 && h.number == 1 {
				return reply{status: 500}
			}
			return reply{status: 200, after: time.Second}
		})
		_, stop := start(t, m, r, nil)
		for range 40 {
			m.add(company, 1)
		}
		m.pass(70 * time.Second)
		stop()
		start(t, m, r, nil)
		m.pass(time.Minute)
		m.settled(t, endpoint)
		if len(r.hits) != 41 {
			t.Errorf("got %d attempts, want one for each event and a repeat of the first", len(r.hits))
		}
	})
}

func TestRowFollowsADrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 && h.number == 1 {
				return reply{status: 500}
			}
			return reply{status: 200, after: time.Second}
		})
		start(t, m, r, nil)
		for range 100 {
			m.add(company, 1)
		}
		m.pass(60*time.Second + 50*time.Second)
		if head := m.blocked[endpoint][1].Head; head < 50-int64(2*defaultBounds.drainEvents) {
			t.Errorf("got head %d when 49 events were drained", head)
		}
		m.pass(2 * time.Minute)
		m.settled(t, endpoint)
		wantInOrder(t, m, r)
	})
}

var _ rows = (*store.DB)(nil)
