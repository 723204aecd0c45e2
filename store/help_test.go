package store_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/store"
)

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: when} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// holdLane occupies the lane of the world's company, so that what is submitted
// meanwhile makes one batch. release lets it go on, and may be called twice.
func holdLane(t testing.TB, w *world) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	release = func() {
		once.Do(func() { close(free) })
		wg.Wait()
	}
	wg.Go(func() {
		err := w.db.Tx(t.Context(), w.company, func(*store.Tx) error {
			close(held)
			<-free
			return nil
		})
		if err != nil && t.Context().Err() == nil {
			t.Errorf("the transaction that holds the lane: %v", err)
		}
	})
	<-held
	t.Cleanup(release)
	return release
}

// yield lets others run while something is waited for that gives no signal.
func yield() { runtime.Gosched() }
