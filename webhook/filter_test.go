package webhook

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

// setKinds changes what the endpoint wants.
func setKinds(m *memory, d *Deliverer, kinds ...parley.EventKind) {
	m.mu.Lock()
	m.endpoints[endpoint].Kinds = kinds
	m.mu.Unlock()
	d.EndpointChanged(company, endpoint)
}

func TestOnlyWantedKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://one.example/hook")
		m.addEndpoint(endpoint+1, company, "http://two.example/hook")
		m.endpoints[endpoint].Kinds = []parley.EventKind{parley.EventMessageAck}
		m.endpoints[endpoint+1].Kinds = []parley.EventKind{parley.EventMessageNew, parley.EventSystem}
		for range 3 {
			for _, k := range []parley.EventKind{parley.EventMessageNew, parley.EventMessageAck, parley.EventJobExecuted, parley.EventSystem} {
				m.addKind(company, 1, k)
			}
		}
		r := newReceiver(always(200))
		start(t, m, r, nil)
		m.pass(2 * time.Second)
		got := map[string][]int64{}
		for _, h := range r.hits {
			got[h.url] = append(got[h.url], h.seq)
		}
		want := map[string][]int64{"http://one.example/hook": {2, 6, 10}, "http://two.example/hook": {1, 4, 5, 8, 9, 12}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		m.settled(t, endpoint)
		m.settled(t, endpoint+1)
	})
}

// TestFilterNarrowed: what waits and is not wanted any more is passed over, whether
// it is queued, blocked or has yet to be read; nothing is repeated.
func TestFilterNarrowed(t *testing.T) {
	t.Parallel()
	for _, failed := range []int{0, 1, 4} { // how many events fail at first; 4 are of 3 streams, so it is down
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.addEndpoint(endpoint, company, "http://example.com/hook")
			kinds := []parley.EventKind{parley.EventMessageNew, parley.EventMessageAck, parley.EventMessageAck, parley.EventJobExecuted}
			for range 10 {
				for n, k := range kinds {
					m.addKind(company, 1, k)
					m.addKind(company, parley.StreamID(2+n%2), k)
				}
			}
			for n := range parley.StreamID(40) { // wait for their turn, and end with what is not wanted
				m.addKind(company, 10+n, parley.EventJobExecuted)
				m.addKind(company, 10+n, parley.EventMessageAck)
			}
			narrowed := false
			r := newReceiver(nil)
			r.script = func(h hit) reply {
				if narrowed {
					return reply{status: 200}
				}
				if int(h.seq) <= failed {
					return reply{status: 500}
				}
				return reply{status: 200, after: 10 * time.Second}
			}
			d, _ := start(t, m, r, nil)
			m.pass(5 * time.Second)
			before := len(r.hits)
			r.mu.Lock()
			narrowed = true
			r.mu.Unlock()
			setKinds(m, d, parley.EventJobExecuted)
			m.pass(10 * time.Minute)
			for _, h := range r.hits[before:] {
				if k := m.events[company][h.seq-1].Kind; k != parley.EventJobExecuted {
					t.Errorf("%d failed: event %d of %s was sent after the change", failed, h.seq, k)
				}
			}
			for _, e := range m.events[company] {
				if n := r.seen[e.Seq]; e.Kind == parley.EventJobExecuted && n != 1 {
					t.Errorf("%d failed: event %d was sent %d times", failed, e.Seq, n)
				}
			}
			for s, got := range firsts(m, r.hits, company) {
				if !slices.IsSorted(got) {
					t.Errorf("stream %d: %v", s, got)
				}
			}
			m.settled(t, endpoint)
			if len(m.letters) > 0 {
				t.Errorf("%d letters", len(m.letters))
			}
		})
	}
}

// TestFilterPassesOverAFailingHead: the attempts at it do not count for what follows.
func TestFilterPassesOverAFailingHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.addKind(company, 1, parley.EventMessageAck)
		m.addKind(company, 1, parley.EventMessageNew)
		r := newReceiver(always(500))
		d, _ := start(t, m, r, nil)
		m.pass(8*time.Minute + time.Second)
		if n := r.seen[1]; n != 9 {
			t.Fatalf("%d attempts at the first, want 9", n)
		}
		setKinds(m, d, parley.EventMessageNew)
		m.pass(20 * time.Minute)
		if r.seen[1] != 9 || r.seen[2] != 11 || len(m.letters) != 1 || m.letters[0].Attempts != 11 {
			t.Errorf("attempts %v, letters %+v; want 9 and 11, one letter", r.seen, m.letters)
		}
		m.settled(t, endpoint)
	})
}

// TestFilterWidened: what becomes wanted comes with new events, in order.
func TestFilterWidened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.endpoints[endpoint].Kinds = []parley.EventKind{parley.EventMessageNew}
		r := newReceiver(always(200))
		d, _ := start(t, m, r, nil)
		add := func() {
			for _, k := range []parley.EventKind{parley.EventMessageNew, parley.EventMessageAck} {
				d.Wake([]parley.Event{m.addKind(company, 1, k)})
			}
			m.pass(2 * time.Second)
		}
		add()
		setKinds(m, d)
		add()
		if diff := cmp.Diff([]int64{1, 3, 4}, r.order()); diff != "" {
			t.Error(diff)
		}
		m.settled(t, endpoint)
	})
}

// TestDeletedEndpoint: its owner stops, and its company's events ask for it no more.
func TestDeletedEndpoint(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.addEndpoint(endpoint, company, "http://example.com/hook")
			m.add(company, 1, 2)
			r := newReceiver(always(500))
			d, _ := start(t, m, r, nil)
			m.pass(time.Second)
			tried := len(r.hits)
			reads := 0
			m.mu.Lock()
			delete(m.endpoints, endpoint)
			delete(m.blocked, endpoint)
			m.fault = func(op string) error {
				if op == "Endpoint" {
					reads++
				}
				return nil
			}
			m.mu.Unlock()
			if told {
				d.EndpointChanged(company, endpoint)
			}
			m.pass(5 * time.Minute)
			for range 20 {
				m.add(company, 1)
				m.pass(10 * time.Second)
			}
			// Not being told it tries each stream once more, and is refused.
			if n := len(r.hits) - tried; told && n > 0 || n > 2 || d.running() != 0 {
				t.Errorf("told %v: %d attempts after the end, %d owners", told, n, d.running())
			}
			if reads > 3 {
				t.Errorf("told %v: its row was looked for %d times", told, reads)
			}
		})
	}
}
