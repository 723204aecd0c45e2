package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"pgregory.net/rapid"
)

// A node is a process that can die: from then on nothing of it reaches the store
// or the receiver.
type node struct {
	*memory
	customer *receiver
	mu       sync.Mutex
	dead     bool
	lost     func() bool // the next commit happens, and its answer is lost
}

func (n *node) gone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = true
}

func (n *node) Deliver(ctx context.Context, d *store.Delivery) error {
	<-time.After(n.commit)
	n.mu.Lock() // a commit is before the death or after it
	defer n.mu.Unlock()
	if n.dead {
		return errStore
	}
	n.memory.mu.Lock()
	defer n.memory.mu.Unlock()
	if err := n.failing("Deliver"); err != nil {
		return err
	}
	n.apply(d)
	if n.lost() {
		return errStore
	}
	return nil
}

func (n *node) Do(req *http.Request) (*http.Response, error) {
	if n.gone() {
		return nil, errStore
	}
	return n.customer.Do(req)
}

// A trial is one run of the property.
type trial struct {
	t        *rapid.T
	m        *memory
	r        *receiver
	rngMu    sync.Mutex
	rng      *rand.Rand
	node     *node
	stop     func()
	taken    map[int64]bool // by the receiver
	refused  map[int64]int
	failRate map[parley.StreamID]float64
	outage   bool
	storeBad float64
	crashes  int
	retries  int
}

func (w *trial) chance(p float64) bool { return w.below(1000) < int(1000*p) }

func (w *trial) below(n int) int {
	w.rngMu.Lock()
	defer w.rngMu.Unlock()
	return w.rng.IntN(n)
}

// answer decides about a hit, and checks that everything before it in its stream
// is delivered or parked.
func (w *trial) answer(h hit) reply {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	e := w.m.events[company][h.seq-1]
	for _, before := range w.m.events[company][:h.seq-1] {
		parked := slices.ContainsFunc(w.m.letters, func(l parley.DeadLetter) bool { return l.Seq == before.Seq })
		if before.Stream == e.Stream && !w.taken[before.Seq] && !parked {
			w.t.Errorf("event %d was tried while %d of the same stream is open", h.seq, before.Seq)
		}
	}
	a := reply{status: 200, after: time.Duration(w.below(50)) * time.Millisecond}
	if w.chance(0.02) {
		a.after = 3 * time.Second
	}
	if w.outage || w.chance(w.failRate[e.Stream]) {
		a.status = 500
		w.refused[h.seq]++
	} else {
		w.taken[h.seq] = true
	}
	return a
}

func (w *trial) begin() {
	w.node = &node{memory: w.m, customer: w.r, lost: func() bool { return w.chance(w.storeBad / 4) }}
	delay := 500 * time.Millisecond
	policy, err := NewPolicy(PolicyPact, &w.retries, &delay)
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := New(Config{Store: w.node, Grants: w.m, HTTP: w.node, Log: quietLog(), Policy: policy})
	if err != nil {
		w.t.Fatal(err)
	}
	// Small, so that little traffic meets all of them.
	d.bounds = bounds{readEvents: 8, readBytes: 500, drainEvents: 3, readyEnough: 3, window: 24, held: 6, roomy: 150, tight: 60}
	w.m.wake = d.Wake
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Run(ctx) })
	w.stop = func() { cancel(); wg.Wait() }
}

func (w *trial) crash() {
	w.crashes++
	w.node.kill()
	w.stop()
	w.begin()
}

func (w *trial) add(n int) {
	var streams []parley.StreamID
	for range n {
		streams = append(streams, parley.StreamID(1+w.below(6)))
	}
	if w.chance(0.2) { // nobody is told
		for _, s := range streams {
			w.m.addKind(company, s, parley.EventMessageNew)
		}
		return
	}
	w.m.add(company, streams...)
}

func (w *trial) step() {
	switch rapid.IntRange(0, 9).Draw(w.t, "step") {
	case 0, 1, 2:
		w.add(rapid.IntRange(1, 30).Draw(w.t, "events"))
	case 3, 4:
		w.m.pass(time.Duration(rapid.IntRange(1, 3000).Draw(w.t, "ms")) * time.Millisecond)
	case 5:
		w.crash()
	case 6: // a restart in good order, if the store allows
		if w.storeBad > 0 {
			w.crashes++
		}
		w.stop()
		w.begin()
	case 7:
		w.m.mu.Lock()
		w.outage = !w.outage
		w.m.mu.Unlock()
	case 8:
		s := parley.StreamID(rapid.IntRange(1, 6).Draw(w.t, "stream"))
		rate := []float64{0, 0.1, 0.5, 1}[rapid.IntRange(0, 3).Draw(w.t, "rate")]
		w.m.mu.Lock()
		w.failRate[s] = rate
		w.m.mu.Unlock()
	case 9:
		bad := []float64{0, 0.3}[rapid.IntRange(0, 1).Draw(w.t, "store")]
		w.m.mu.Lock()
		w.storeBad = bad
		w.m.mu.Unlock()
	}
}

// heal ends all trouble, waits, and checks that nothing is missing.
func (w *trial) heal() {
	w.m.mu.Lock()
	w.outage, w.storeBad = false, 0
	clear(w.failRate)
	w.m.mu.Unlock()
	w.m.pass(15 * time.Minute)
	w.stop()
	w.m.settled(w.t, endpoint)
	for _, e := range w.m.events[company] {
		parked := slices.ContainsFunc(w.m.letters, func(l parley.DeadLetter) bool { return l.Seq == e.Seq })
		if !w.taken[e.Seq] && !parked {
			w.t.Errorf("event %d was passed over", e.Seq)
		}
		if parked && w.refused[e.Seq] <= w.retries {
			w.t.Errorf("event %d was parked after %d failures, want more than %d", e.Seq, w.refused[e.Seq], w.retries)
		}
		if w.refused[e.Seq] > w.retries+1+w.crashes {
			w.t.Errorf("event %d was tried too often: %d failures", e.Seq, w.refused[e.Seq])
		}
	}
}

// TestNothingIsLostOrReordered runs random traffic with a receiver that fails, a
// store that fails, and a process that dies and restarts.
func TestNothingIsLostOrReordered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			w := &trial{
				t: rt, m: newMemory(), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)),
				taken: map[int64]bool{}, refused: map[int64]int{}, failRate: map[parley.StreamID]float64{},
				retries: rapid.IntRange(0, 4).Draw(rt, "retries"),
			}
			w.r = newReceiver(w.answer)
			w.m.commit = time.Duration(rapid.IntRange(0, 20).Draw(rt, "commit ms")) * time.Millisecond
			w.m.addEndpoint(endpoint, company, "http://example.com/hook")
			w.m.fault = func(op string) error {
				if w.chance(w.storeBad) {
					return fmt.Errorf("%s: %w", op, errStore)
				}
				return nil
			}
			w.begin()
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				w.step()
			}
			w.heal()
			synctest.Wait()
		})
	})
}
