package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func (m *memory) askReplays() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.letters {
		m.letters[i].ReplayAt = time.Now()
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 1)
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 && h.header.Get("Parley-Replay") == "" {
				return reply{status: 410}
			}
			return reply{status: 200}
		})
		d, _ := start(t, m, r, nil)
		m.pass(11 * time.Minute)
		wantParked(t, m, "answered 410", 11)
		m.askReplays()
		d.EndpointChanged(company, endpoint)
		m.pass(100 * time.Millisecond)
		last := r.hits[len(r.hits)-1]
		if last.seq != 1 || last.header.Get("Parley-Replay") != "1" || last.body != r.hits[0].body || last.header.Get("Webhook-Id") != r.hits[0].header.Get("Webhook-Id") {
			t.Errorf("got the replay %+v", last)
		}
		for _, h := range r.hits[:len(r.hits)-1] {
			if h.header.Get("Parley-Replay") != "" {
				t.Errorf("attempt at event %d carries the replay header", h.seq)
			}
		}
		if l := m.letters[0]; l.ReplayedAt.IsZero() || !l.ReplayAt.IsZero() {
			t.Errorf("got dead letter %+v, want it replayed", l)
		}
		m.pass(time.Minute)
		if got := r.seen[1]; got != 12 {
			t.Errorf("got %d attempts, want 11 and a replay", got)
		}
		if n := d.running(); n != 0 {
			t.Errorf("got %d owners afterwards, want none", n)
		}
	})
}

func TestFailedReplaysAreTriedOnceEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		for range 40 {
			m.addKind(company, 1, parley.EventMessageNew)
		}
		m.endpoints[endpoint].Cursor = 40
		for seq := range int64(40) {
			m.letters = append(m.letters, parley.DeadLetter{Endpoint: endpoint, Company: company, Seq: seq + 1, Stream: 1, Reason: "answered 500", Attempts: 11})
		}
		m.letters = append(m.letters, parley.DeadLetter{Endpoint: endpoint, Company: company, Seq: 99, Stream: 1, Reason: "answered 500", Attempts: 11})
		m.askReplays()
		r := newReceiver(func(h hit) reply {
			if h.seq%2 == 0 {
				return reply{status: 502}
			}
			return reply{status: 200}
		})
		start(t, m, r, nil)
		m.pass(time.Minute)
		if len(r.hits) != 40 || len(r.seen) != 40 {
			t.Errorf("got %d attempts at %d events, want 40 at 40", len(r.hits), len(r.seen))
		}
		for _, l := range m.letters {
			reason := map[bool]string{true: "answered 500", false: "answered 502"}[l.Seq%2 == 1]
			if l.Seq == 99 {
				reason = eventGone
			}
			if l.ReplayedAt.IsZero() == (l.Seq%2 == 1 && l.Seq != 99) || l.Reason != reason || !l.ReplayAt.IsZero() {
				t.Errorf("got dead letter %+v", l)
			}
		}
		if len(m.attempts) != 40 || m.attempts[0].Number != 12 {
			t.Errorf("got %d attempt rows, the first %+v, want 40, number 12", len(m.attempts), m.attempts[0])
		}
	})
}

// TestReplayBesideTraffic checks that a busy endpoint replays as well, and that a
// poll is enough to start it.
func TestReplayBesideTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1)
		r := newReceiver(func(hit) reply { return reply{status: 200, after: 100 * time.Millisecond} })
		start(t, m, r, nil)
		m.pass(time.Second)
		m.mu.Lock()
		m.letters = append(m.letters, parley.DeadLetter{Endpoint: endpoint, Company: company, Seq: 1, Stream: 1, Attempts: 11})
		m.mu.Unlock()
		m.askReplays()
		for range 100 {
			for s := range parley.StreamID(100) {
				m.add(company, s+1)
			}
			m.pass(100 * time.Millisecond)
		}
		if got := r.seen[1]; got != 2 {
			t.Errorf("got %d attempts at event 1, want it replayed", got)
		}
	})
}

func TestInterruptedReplayStaysAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.addKind(company, 1, parley.EventMessageNew)
		m.endpoints[endpoint].Cursor = 1
		m.letters = []parley.DeadLetter{{Endpoint: endpoint, Company: company, Seq: 1, Stream: 1, Reason: "answered 500", Attempts: 11}}
		m.askReplays()
		want := m.letters[0]
		r := newReceiver(func(hit) reply { return reply{status: 200, after: 9 * time.Second} })
		_, stop := start(t, m, r, nil)
		m.pass(time.Second)
		stop()
		if len(r.hits) != 1 {
			t.Fatalf("got %d attempts, want 1", len(r.hits))
		}
		if diff := cmp.Diff(want, m.letters[0]); diff != "" {
			t.Errorf("the dead letter changed (-want +got):\n%s", diff)
		}
	})
}
