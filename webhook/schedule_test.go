package webhook

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func seconds(list ...float64) []time.Duration {
	var out []time.Duration
	for _, s := range list {
		out = append(out, time.Duration(s*float64(time.Second)))
	}
	return out
}

func TestScheduleOfOneEvent(t *testing.T) {
	t.Parallel()
	failing := func(n, status int, header http.Header) func(hit) reply {
		return func(h hit) reply {
			if h.number <= n {
				return reply{status: status, header: header}
			}
			return reply{status: 200}
		}
	}
	elevenMinutes := seconds(0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600)
	after := func(s string) http.Header { return http.Header{"Retry-After": {s}} }
	tests := []struct {
		name   string
		script func(hit) reply
		want   []time.Duration
		parked string // reason; empty if delivered
	}{
		{"taken at once", always(200), seconds(0), ""},
		{"500 twice", failing(2, 500, nil), seconds(0, 60, 120), ""},
		{"always 500", always(500), elevenMinutes, "answered 500"},
		{"always 201", always(201), elevenMinutes, "answered 201"},
		{"always 204", always(204), elevenMinutes, "answered 204"},
		{"always 302", always(302), elevenMinutes, "answered 302"},
		{"ten failures", failing(10, 500, nil), elevenMinutes, ""},
		{"never answers", func(hit) reply { return reply{after: time.Hour} }, seconds(0, 70, 140, 210, 280, 350, 420, 490, 560, 630, 700), "no answer within 10s"},
		{"no connection", func(hit) reply {
			return reply{err: parley.Errorf(parley.KindUnavailable, "no connection to example.com")}
		}, elevenMinutes, "no connection to example.com"},
		{"later on request", failing(1, 503, after("90")), seconds(0, 90), ""},
		{"sooner on request", failing(1, 429, after("5")), seconds(0, 60), ""},
		{"far too late on request", failing(1, 503, after("999999999999")), seconds(0, 3600), ""},
		{"not asked for with 500", failing(1, 500, after("90")), seconds(0, 60), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.addEndpoint(endpoint, company, "http://example.com/hook")
				m.add(company, 1)
				r := newReceiver(tt.script)
				_, stop := start(t, m, r, nil)
				m.pass(2 * time.Hour)
				stop()
				if diff := cmp.Diff(tt.want, r.at(1)); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
				m.settled(t, endpoint)
				wantParked(t, m, tt.parked, len(tt.want))
				wantAttempts(t, m, len(tt.want))
			})
		})
	}
}

func wantParked(t *testing.T, m *memory, reason string, attempts int) {
	t.Helper()
	switch {
	case reason == "" && len(m.letters) == 0:
	case reason != "" && len(m.letters) == 1:
		l := m.letters[0]
		if l.Reason != reason || l.Attempts != attempts || l.Seq != 1 || l.Stream != 1 || l.Kind != parley.EventMessageNew || l.Company != company || l.ParkedAt.IsZero() {
			t.Errorf("got dead letter %+v, want reason %q after %d attempts", l, reason, attempts)
		}
	default:
		t.Errorf("got dead letters %+v, want reason %q", m.letters, reason)
	}
}

// wantAttempts checks that there is a row for each of n attempts, or none for one
// that succeeded at once.
func wantAttempts(t *testing.T, m *memory, n int) {
	t.Helper()
	if n == 1 {
		n = 0
	}
	if len(m.attempts) != n {
		t.Fatalf("got %d attempt rows, want %d: %+v", len(m.attempts), n, m.attempts)
	}
	for i, a := range m.attempts {
		if a.Number != i+1 || a.Seq != 1 || a.Endpoint != endpoint || a.Company != company {
			t.Errorf("got %+v as attempt %d", a, i+1)
		}
	}
}

func TestStandardSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1)
		r := newReceiver(always(500))
		start(t, m, r, func(c *Config) { c.Policy = policyOf(t, PolicyStandard) })
		m.pass(190 * time.Minute)
		at := r.at(1)
		if len(at) != 5 {
			t.Fatalf("got %d attempts in a little over three hours, want 5", len(at))
		}
		for i, want := range standardDelays[:4] {
			if got := at[i+1] - at[i]; got < want || float64(got) > float64(want)*1.2 {
				t.Errorf("pause %d: got %v, want %v and up to a fifth more", i+1, got, want)
			}
		}
	})
}

func TestRestartBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1)
		r := newReceiver(always(500))
		for range 20 {
			_, stop := start(t, m, r, nil)
			m.pass(35 * time.Second)
			stop()
		}
		want := seconds(0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600)
		if diff := cmp.Diff(want, r.at(1)); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		wantParked(t, m, "answered 500", 11)
	})
}

func TestClockSetBackDoesNotStopRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1)
		m.endpoints[endpoint].Cursor = 1
		m.blocked[endpoint][1] = parley.BlockedStream{Endpoint: endpoint, Stream: 1, Head: 1, Attempt: 1, NextAt: time.Now().Add(9999 * time.Hour)}
		r := newReceiver(always(200))
		start(t, m, r, nil)
		m.pass(2 * time.Hour)
		if len(r.hits) != 1 {
			t.Errorf("got %d attempts within two hours, want 1", len(r.hits))
		}
	})
}

// TestStopSaves: what was achieved while the store was away is saved by a stop once
// the store is back, at once, and not delivered again.
func TestStopSaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2)
		away, failures := true, 0
		m.fault = func(op string) error {
			if op == "Deliver" && (away || failures == 0) {
				failures++
				return errStore
			}
			return nil
		}
		r := newReceiver(always(200))
		_, stop := start(t, m, r, nil)
		m.pass(4 * time.Second) // the pauses have grown
		m.mu.Lock()
		away, failures = false, 0 // it fails once more
		m.mu.Unlock()
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
		start(t, m, r, nil)
		m.pass(time.Second)
		if len(r.hits) != 2 {
			t.Errorf("got %d requests, want each event once", len(r.hits))
		}
	})
}

func TestShutdownSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		m.add(company, 1, 2)
		r := newReceiver(func(h hit) reply {
			if h.seq == 2 {
				return reply{status: 200, after: 3 * time.Second}
			}
			return reply{status: 200, after: 9 * time.Second}
		})
		_, stop := start(t, m, r, nil)
		m.pass(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != defaultGrace {
			t.Errorf("got %v for the end, want the grace time %v", took, defaultGrace)
		}
		if len(m.attempts) != 0 || len(m.letters) != 0 || m.blocked[endpoint][1].Attempt != 0 {
			t.Errorf("the interrupted event left %+v %+v %+v", m.attempts, m.letters, m.blocked)
		}
		r2 := newReceiver(always(200))
		start(t, m, r2, nil)
		m.pass(time.Second)
		if diff := cmp.Diff([]int64{1}, r2.order()); diff != "" {
			t.Errorf("after the restart (-want +got):\n%s", diff)
		}
		m.settled(t, endpoint)
	})
}
