package inbox

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley/connector"
)

func TestCallbackFlood(t *testing.T) {
	t.Parallel()
	r := newRig(func(c *Config) { c.QuarantineRows = 3 })
	for range 10 {
		if w := r.post("garbage poll"); w.Code != http.StatusOK {
			t.Fatalf("answer is %d, want 200", w.Code)
		}
	}
	if got := len(r.store.quarantined); got != 3 {
		t.Errorf("%d rows, want 3", got)
	}
	if got := r.Counts().Dropped; got != 17 {
		t.Errorf("%d dropped, want 17", got)
	}
	if got := strings.Count(r.log.String(), "quarantine is full"); got != 1 {
		t.Errorf("told %d times, want once", got)
	}
	r.now = r.now.Add(time.Minute)
	r.post("garbage")
	if got := len(r.store.quarantined); got != 4 {
		t.Errorf("%d rows in the next minute, want 4", got)
	}
}

// What we fail at is never dropped: beyond its own bound it stays with the provider.
func TestCallbackFloodOfFailures(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(r *rig){
		"store":   func(r *rig) { r.store.fail = map[string]error{"m1": errors.New("bad")} },
		"decoder": func(r *rig) { r.client.panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(func(c *Config) { c.QuarantineRows = 3 })
			r.post("garbage garbage garbage garbage") // its bound is full, and not that of failures
			set(r)
			for n := range 5 {
				want := http.StatusOK
				if n >= 3 {
					want = http.StatusServiceUnavailable
				}
				if w := r.post("m1"); w.Code != want {
					t.Errorf("answer %d is %d, want %d", n+1, w.Code, want)
				}
			}
			if got := r.Counts(); got.Dropped != 1 || got.Quarantined != 6 {
				t.Errorf("counts are %+v, want 6 quarantined and only garbage dropped", got)
			}
		})
	}
}

func TestCallbackFloodOfBytes(t *testing.T) {
	t.Parallel()
	r := newRig(func(c *Config) { c.QuarantineBytes = 10_000 })
	events := make([]connector.Event, 3)
	for i := range events {
		events[i] = connector.Event{Raw: bytes.Repeat([]byte("x"), 6000), What: connector.Unknown{Reason: "x"}}
	}
	if err := r.Store(t.Context(), r.clients.ch, "poll", events...); err != nil {
		t.Fatal(err)
	}
	var kept []int
	for _, q := range r.store.quarantined {
		kept = append(kept, len(q.Body))
		if q.Size != 6000 {
			t.Errorf("size is %d, want that of the whole", q.Size)
		}
	}
	if diff := cmp.Diff([]int{6000, prefixSize, prefixSize}, kept); diff != "" {
		t.Errorf("bytes kept (-want +got):\n%s", diff)
	}
}
