package outbox

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A counter is an Observer that counts calls by what they said.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[what] += n
}

func (c *counter) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[what]
}

func (c *counter) PartSent(provider string, kind parley.Kind, took time.Duration) {
	c.add(fmt.Sprintf("%s sent %q in %v", provider, kind, took), 1)
}

func (c *counter) JobEnded(provider string, delivered bool, after time.Duration) {
	c.add(fmt.Sprintf("%s delivered %v after %v", provider, delivered, after), 1)
}

func (c *counter) Circuit(provider string, open bool) {
	if open {
		c.add(provider+" open", 1)
		return
	}
	c.add(provider+" open", -1)
}

func TestObserve(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		got := &counter{}
		w.cfg.Observe = got
		w.prov.send = func(ctx context.Context, p connector.Part) (connector.Sent, error) {
			if p.Text == "bad" {
				return connector.Sent{}, fails(parley.KindRejected, "no")
			}
			return connector.Sent{}, pause(ctx, 20*time.Millisecond)
		}
		w.prov.plan = func(m *parley.Message) ([]connector.Part, error) {
			part := connector.Part{Message: m, Count: 1, Text: m.Text}
			if m.Text == "long" {
				return []connector.Part{part, part}, nil
			}
			return []connector.Part{part}, nil
		}
		w.start()
		w.accept(1, "short")
		w.accept(2, "long")
		w.accept(3, "bad")
		w.pass(time.Second)
		want := map[string]int{
			`telegram sent "" in 20ms`: 3, `telegram sent "rejected" in 0s`: 1,
			`telegram delivered true after 20ms`: 1, `telegram delivered true after 40ms`: 1, `telegram delivered false after 0s`: 1,
		}
		if d := cmp.Diff(want, got.seen); d != "" {
			t.Error(d)
		}
	})
}

// TestObserveCircuit: what was told to be open is told to be closed, also when the
// gateway stops meanwhile.
func TestObserveCircuit(t *testing.T) {
	t.Parallel()
	for _, recovers := range []bool{true, false} {
		inWorld(t, func(w *world) {
			got := &counter{}
			w.cfg.Observe = got
			w.prov.send = func(context.Context, connector.Part) (connector.Sent, error) {
				return connector.Sent{}, fails(parley.KindUnavailable, "down")
			}
			w.start()
			for c := range parley.ConversationID(20) {
				w.accept(1+c, "hello")
			}
			w.pass(time.Minute)
			if n := got.of("telegram open"); n != 1 {
				t.Fatalf("%d circuits open, want 1", n)
			}
			if recovers {
				w.prov.set(func() { w.prov.send = nil })
				w.pass(time.Minute)
			} else {
				w.end()
			}
			if n := got.of("telegram open"); n != 0 {
				t.Errorf("%d circuits open at the end (recovers: %v), want none", n, recovers)
			}
		})
	}
}

// TestObserveExpired: jobs that end without being sent are told of too.
func TestObserveExpired(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		got := &counter{}
		w.cfg.Observe, w.cfg.ConnectGrace = got, time.Minute
		w.prov.err = fails(parley.KindLoggedOut, "logged out")
		w.prov.channel.State = parley.ChannelDisabled
		w.start()
		id := w.accept(1, "hello")
		w.pass(10 * time.Minute)
		if w.mem.job(id).State != parley.JobNotDelivered {
			t.Fatal("the job has not ended")
		}
		n := 0
		for what, times := range got.seen {
			if _, err := fmt.Sscanf(what, "telegram delivered false after"); err == nil {
				n += times
			}
		}
		if n != 1 || len(got.seen) != 1 {
			t.Errorf("told of %v, want one job that was not delivered", got.seen)
		}
	})
}
