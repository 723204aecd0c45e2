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

// A counter is an Observer that counts calls by what they said.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what]++
}

func (c *counter) WebhookAttempted(kind parley.Kind, _ time.Duration) {
	c.add(fmt.Sprintf("attempt %q", kind))
}
func (c *counter) WebhookDelivered(after time.Duration) {
	c.add(fmt.Sprintf("delivered after %v", after.Round(time.Second)))
}
func (c *counter) WebhookParked() { c.add("parked") }

func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://example.com/hook")
		r := newReceiver(func(h hit) reply {
			switch {
			case h.seq == 1:
				return reply{status: 400} // until it is parked
			case h.seq == 2 && h.number == 1:
				return reply{status: 503}
			}
			return reply{status: 200}
		})
		got := &counter{seen: map[string]int{}}
		_, stop := start(t, m, r, func(c *Config) { c.Observe = got })
		m.add(company, 1, 2, 3)
		m.pass(time.Hour)
		stop()
		want := map[string]int{
			`attempt "rejected"`: 11, `attempt "unavailable"`: 1, `attempt ""`: 2,
			"delivered after 0s": 1, "delivered after 1m0s": 1, "parked": 1,
		}
		if d := cmp.Diff(want, got.seen); d != "" {
			t.Error(d)
		}
	})
}
