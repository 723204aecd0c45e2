package webhook

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

// A follower is a Tracer that gives every attempt a header of its own.
type follower struct {
	mu    sync.Mutex
	ended map[string]string // by header
}

func (f *follower) Traceparent(a Attempt) string {
	if a.Seq == 3 {
		return ""
	}
	return fmt.Sprintf("%d/%d of %d at %d: %s of message %d, replay %v, begun %v", a.Company, a.Seq, a.Number, a.Endpoint, a.Event, a.Message, a.Replay, a.Begun.UnixNano())
}

func (f *follower) Attempted(a Attempt, status int, kind parley.Kind, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended[f.Traceparent(a)] = fmt.Sprintf("%d %q after %v", status, kind, took)
}

// TestTrace: a request carries the header that the Tracer gives for it, and the
// Tracer is told the same of it, and how it ended.
func TestTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			if h.seq == 1 && h.number == 1 {
				return reply{status: 503, after: time.Second}
			}
			return reply{status: 200}
		})
		f := &follower{ended: map[string]string{}}
		_, stop := start(t, m, r, func(c *Config) { c.Trace = f })
		begun := time.Now()
		m.add(company, 1, 2, 3)
		m.pass(time.Hour)
		stop()
		name := func(seq, number int, message int, after time.Duration) string {
			return fmt.Sprintf("%d/%d of %d at %d: message/new of message %d, replay false, begun %v", company, seq, number, endpoint, message, begun.Add(after).UnixNano())
		}
		want := map[string]string{
			name(1, 1, 101, 0): `503 "unavailable" after 1s`, name(1, 2, 101, 61*time.Second): `200 "" after 0s`,
			name(2, 1, 102, 0): `200 "" after 0s`, "": `200 "" after 0s`,
		}
		if d := cmp.Diff(want, f.ended); d != "" {
			t.Error(d)
		}
		for _, h := range r.hits {
			header, set := h.header["Traceparent"]
			if set != (h.seq != 3) || set && want[header[0]] == "" {
				t.Errorf("event %d has the header %q", h.seq, header)
			}
		}
	})
}

// TestTraceInterrupted: what our own end cuts off is no attempt.
func TestTraceInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(hit) reply { return reply{status: 200, after: time.Hour} })
		f := &follower{ended: map[string]string{}}
		_, stop := start(t, m, r, func(c *Config) { c.Trace, c.Timeout = f, 2*time.Hour })
		m.add(company, 1)
		m.pass(time.Second)
		stop()
		if len(r.hits) != 1 || len(f.ended) != 0 {
			t.Errorf("%d requests, told of %v", len(r.hits), f.ended)
		}
	})
}

// TestTraceOff: without a Tracer there is no header.
func TestTraceOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(always(200))
		_, stop := start(t, m, r, nil)
		m.add(company, 1)
		m.pass(time.Minute)
		stop()
		if len(r.hits) != 1 || r.hits[0].header.Get("Traceparent") != "" {
			t.Errorf("%+v", r.hits)
		}
	})
}
