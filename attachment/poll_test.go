package attachment

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A hall counts who is inside, and lets nobody out until it is opened.
type hall struct {
	mu     sync.Mutex
	in     map[string]int
	most   map[string]int
	opened chan struct{}
}

func newHall() *hall {
	return &hall{in: map[string]int{}, most: map[string]int{}, opened: make(chan struct{})}
}

func (h *hall) enter(ctx context.Context, names ...string) error {
	h.count(1, names)
	defer h.count(-1, names)
	select {
	case <-h.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hall) count(n int, names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range append(names, "all") {
		h.in[name] += n
		h.most[name] = max(h.most[name], h.in[name])
	}
}

func (h *hall) inside() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.in)
}

// TestPlaces: no channel takes more than its places, no provider more than half.
func TestPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		h := newHall()
		slow := func(ch parley.ChannelID) string {
			if ch <= 10 {
				return "slow"
			}
			return fmt.Sprint("quick", ch)
		}
		r.clients.provider = slow
		var looked atomic.Int64
		r.clients.err = func() error { looked.Add(1); return nil }
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			if err := h.enter(ctx, slow(a.Channel), fmt.Sprint("channel ", a.Channel)); err != nil {
				return connector.Fetched{}, err
			}
			return gives("hello")(ctx, a)
		})
		for ch := range parley.ChannelID(10) {
			for range 100 {
				r.add(parley.Attachment{Channel: ch + 1})
			}
		}
		for range 10 {
			r.add(parley.Attachment{Channel: 11})
		}
		r.run(t, func() {
			pass(10 * time.Second)
			in := h.inside()
			if in["slow"] != 16 || in["channel 11"] != 4 || in["all"] != 20 {
				t.Errorf("inside: %v", in)
			}
			if n := looked.Load(); n > 100 {
				t.Errorf("%d looks for a client while there is no place", n)
			}
			for ch := range 11 {
				if n := in[fmt.Sprint("channel ", ch+1)]; n > 4 {
					t.Errorf("channel %d has %d places", ch+1, n)
				}
			}
			close(h.opened)
			pass(time.Minute)
		})
		if n := r.results(); h.most["all"] > 32 || n["slow fetched"] != 1000 || n["quick11 fetched"] != 10 || r.called() != 1010 {
			t.Errorf("at most %v; observed %v; %d calls", h.most["all"], n, r.called())
		}
	})
}

// TestPlacesOfAll: with many providers the places of all are the bound.
func TestPlacesOfAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(c *Config) { c.Fetches = 7 })
		h := newHall()
		r.clients.provider = func(ch parley.ChannelID) string { return fmt.Sprint(ch) }
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{}, h.enter(ctx, fmt.Sprint(a.Channel))
		})
		for n := range parley.ChannelID(30) {
			r.add(parley.Attachment{Channel: n + 1})
			r.add(parley.Attachment{Channel: n + 1})
		}
		r.run(t, func() { pass(3 * time.Second) })
		if in := h.most; in["all"] != 7 || in["1"] != 1 || in["7"] != 1 {
			t.Errorf("at most %v; want one of each of 7", in)
		}
	})
}

// TestBacklog: many files of one channel are fetched without pauses, and hide
// nobody else's, wherever those are in the order.
func TestBacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		flood := newHall()
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			if a.Channel == 1 {
				if err := flood.enter(ctx); err != nil {
					return connector.Fetched{}, err
				}
			}
			return gives("hello")(ctx, a)
		})
		const files = 5000
		for n := range files {
			if n == files*3/4 {
				r.add(parley.Attachment{Channel: 2})
			}
			r.add(parley.Attachment{Channel: 1})
		}
		r.run(t, func() {
			pass(10 * time.Second)
			if n := r.results()["demo fetched"]; n != 1 {
				t.Errorf("fetched %d, want the one in the middle", n)
			}
			if r.rowsRead() > 12*2000 {
				t.Errorf("read %d rows in ten seconds", r.rowsRead())
			}
			r.add(parley.Attachment{Channel: 3})
			r.Wake()
			pass(100 * time.Millisecond)
			if n := r.results()["demo fetched"]; n != 2 {
				t.Errorf("the fresh one was not fetched at once: %d", n)
			}
			close(flood.opened)
			pass(30 * time.Second)
		})
		if n := r.results()["demo fetched"]; n != files+2 {
			t.Errorf("fetched %d of %d", n, files+2)
		}
		if len(r.files.known) != 0 || len(r.files.lane) != 0 || len(r.files.order) != 0 || r.files.running != 0 || r.files.provider["demo"] != 0 {
			t.Errorf("left over: %d known, %d lanes, %d in order, %d running", len(r.files.known), len(r.files.lane), len(r.files.order), r.files.running)
		}
	})
}

func TestWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.run(t, func() {
			pass(time.Second + 100*time.Millisecond) // a poll is over, the next is far
			id := r.add(parley.Attachment{})
			for range 10 {
				r.Wake()
			}
			pass(60 * time.Millisecond)
			if a := r.file(t, id); a.State != parley.AttachmentReady {
				t.Errorf("got %+v", a)
			}
		})
	})
}

// TestStoreDown: the poll goes on.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.rows.down = unavailable()
		id := r.add(parley.Attachment{})
		r.run(t, func() {
			pass(3 * time.Second)
			r.rows.mu.Lock()
			r.rows.down = nil
			r.rows.mu.Unlock()
			pass(2 * time.Second)
		})
		if a := r.file(t, id); a.State != parley.AttachmentReady {
			t.Errorf("got %+v", a)
		}
	})
}
