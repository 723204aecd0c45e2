package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
)

// follow reads a company's log from a place to a number, as a client would, and
// reports everything that is lost, repeated or out of order.
func follow(t *testing.T, h *Hub, from, to int64, pause func()) {
	ctx, leave := h.Listen(t.Context(), company)
	defer leave()
	for from < to {
		events, err := h.Read(ctx, company, at(from), 20, 2000)
		if err != nil {
			t.Errorf("behind %d: %v", from, err)
			return
		}
		for _, e := range events {
			if e.Seq != from+1 || strings.TrimSpace(string(e.Body)) != fmt.Sprint(e.Seq) {
				t.Errorf("got %d %s behind %d", e.Seq, e.Body, from)
				return
			}
			from = e.Seq
		}
		if pause(); from == to {
			return
		}
		if err := h.Wait(ctx, company, at(from)); err != nil {
			t.Errorf("wait behind %d: %v", from, err)
			return
		}
	}
}

// TestFollow: readers of every speed get every event once and in order, whatever
// the hook forgets, repeats or tells late.
func TestFollow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			const total = 2001
			rng := rand.New(rand.NewPCG(seed, 1))
			m := newMemory()
			h := newHub(m)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = h.Run(ctx) })
			var readers sync.WaitGroup
			for n := range 12 {
				pace := time.Duration(n*n) * time.Millisecond
				readers.Go(func() { follow(t, h, int64(n%3*10), total, func() { time.Sleep(pace) }) })
			}
			var late []parley.Event
			for done := 0; done < total-1; {
				n := min(1+rng.IntN(40), total-1-done)
				done += n
				events := m.commit(company, n, 30)
				switch rng.IntN(6) {
				case 0: // forgotten
				case 1:
					late = append(late, events...)
				case 2:
					h.Wake(events)
					h.Wake(events[rng.IntN(n):])
				case 3:
					h.Wake(events)
					h.Wake(late)
				default:
					h.Wake(events)
				}
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
			m.commit(company, 1, 30) // forgotten, and none comes after it
			readers.Wait()
			if h.size != 0 || len(h.rooms) != 0 {
				t.Errorf("%d bytes and %d rooms are left", h.size, len(h.rooms))
			}
			cancel()
			running.Wait()
		})
	}
}

// TestMemoryServes: who keeps up is served without a read of rows, and waits
// without one.
func TestMemoryServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		h := newHub(m)
		m.commit(company, 10, 10)
		ctx, leave := h.Listen(t.Context(), company)
		defer leave()
		first, last, err := h.Bounds(ctx, company)
		if err != nil || first != at(0) || last != at(10) {
			t.Fatalf("bounds %v %v %v", first, last, err)
		}
		if events, err := h.Read(ctx, company, last, 5, 0); err != nil || len(events) != 0 {
			t.Fatalf("at the end: %v %v", events, err)
		}
		woken := make(chan error)
		go func() { woken <- h.Wait(ctx, company, last) }() // the select below waits
		synctest.Wait()
		h.Wake(m.commit(company, 3, 10))
		if err := <-woken; err != nil {
			t.Fatal(err)
		}
		events, err := h.Read(ctx, company, last, 2, 0)
		if err != nil || len(events) != 2 || events[1].Seq != 12 {
			t.Errorf("got %v %v", events, err)
		}
		if events, _ = h.Read(ctx, company, last, 5, 15); len(events) != 2 {
			t.Errorf("%d events for 15 bytes, want 2 of 10", len(events))
		}
		if got := m.counted(); got != 0 {
			t.Errorf("%d reads of rows", got)
		}
		if events, err = h.Read(ctx, company, at(4), 100, 0); err != nil || len(events) != 9 || m.counted() != 1 {
			t.Errorf("from before: %d events, %v, %d reads", len(events), err, m.counted())
		}
	})
}

// bytes returns what is kept, and checks the sum.
func (h *Hub) bytes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := 0
	for _, r := range h.rooms {
		for _, e := range r.recent {
			sum += len(e.Body)
		}
	}
	if sum != h.size {
		return -1
	}
	return sum
}

// TestForgets: what everybody has had time for does not stay in memory.
func TestForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		h := newHub(m)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }() // received below
		_, leave := h.Listen(ctx, company)
		defer leave()
		h.Wake(m.commit(company, 3, 100))
		if got := h.bytes(); got != 300 {
			t.Errorf("%d bytes", got)
		}
		time.Sleep(2*pollEvery + time.Millisecond)
		if got := h.bytes(); got != 0 {
			t.Errorf("%d bytes after two polls", got)
		}
		h.Wake(m.commit(company, 1, 100))
		if events, err := h.Read(ctx, company, at(3), 5, 0); err != nil || len(events) != 1 || m.counted() != 0 {
			t.Errorf("got %d %v with %d reads", len(events), err, m.counted())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestBounds: memory is bounded for a room and for all of them, and nothing is
// kept of a company that nobody listens to.
func TestBounds(t *testing.T) {
	t.Parallel()
	m := newMemory()
	h := newHub(m)
	h.Wake(m.commit(company, 10, 10))
	if len(h.rooms) != 0 {
		t.Error("a room without listeners")
	}
	const rooms = maxTotalBytes/maxRoomBytes + 20
	var leaves []context.CancelFunc
	for c := range parley.CompanyID(rooms) {
		_, leave := h.Listen(t.Context(), c)
		_, again := h.Listen(t.Context(), c)
		leaves = append(leaves, leave, again, leave)
		for range 10 {
			h.Wake(m.commit(c, 40, 1000)) // more than a room may have
			if r := h.rooms[c]; len(r.recent) > maxRecent || r.size > maxRoomBytes || h.size > maxTotalBytes {
				t.Fatalf("a room of %d events, %d bytes; %d bytes over all", len(r.recent), r.size, h.size)
			}
		}
	}
	if h.size < maxTotalBytes/2 {
		t.Errorf("only %d bytes are used", h.size)
	}
	one, leave := h.Listen(t.Context(), 1_000_000)
	h.Wake(m.commit(1_000_000, maxRecent+1, 1))
	if events, err := h.Read(one, 1_000_000, at(0), 1000, 0); err != nil || len(events) != maxRecent+1 {
		t.Errorf("got %d %v", len(events), err)
	}
	for _, f := range append(leaves, leave) {
		f()
	}
	if h.size != 0 || len(h.rooms) != 0 {
		t.Errorf("%d bytes and %d rooms are left", h.size, len(h.rooms))
	}
}

// TestGone: a cursor that cannot be read on from is never read on from.
func TestGone(t *testing.T) {
	t.Parallel()
	m := newMemory()
	h := newHub(m)
	m.commit(company, 10, 10)
	ctx, leave := h.Listen(t.Context(), company)
	defer leave()
	gone := func(after parley.Cursor, want string) {
		t.Helper()
		events, err := h.Read(ctx, company, after, 5, 0)
		got := ""
		if e, ok := errors.AsType[*parley.GoneError](err); ok {
			got = e.First.String()
		} else if err != nil {
			t.Errorf("behind %v: %v", after, err)
		}
		if got != want || (got != "") == (len(events) > 0) {
			t.Errorf("behind %v: gone from %q with %d events, want %q", after, got, len(events), want)
		}
	}
	gone(at(0), "")
	gone(parley.Cursor{Epoch: epoch - 1, Seq: 5}, "3.0")
	gone(parley.Cursor{Epoch: epoch + 1, Seq: 5}, "3.0")
	m.forget(company, 6)
	gone(at(4), "3.5")
	gone(at(5), "")
	m.forget(company, 11) // all of them
	gone(at(9), "3.10")
	if events, err := h.Read(ctx, company, at(10), 5, 0); err != nil || len(events) != 0 {
		t.Errorf("at the end of an empty log: %v %v", events, err)
	}
}

// TestGapIsNoEvent: a log with a hole is an error, not a jump.
func TestGapIsNoEvent(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.commit(company, 10, 10)
	m.logs[company] = slices.Delete(m.logs[company], 3, 5)
	events, err := newHub(m).Read(t.Context(), company, at(3), 5, 0)
	if parley.KindOf(err) != parley.KindInternal || len(events) != 0 {
		t.Errorf("got %v %v", events, err)
	}
}

// TestStop ends those who wait and those who come later, and reading goes on for
// who has a context of its own.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		h := newHub(m)
		m.commit(company, 1, 10)
		ctx, leave := h.Listen(t.Context(), company)
		defer leave()
		if _, _, err := h.Bounds(ctx, company); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- h.Wait(ctx, company, at(1)) }() // received below
		synctest.Wait()
		h.Stop()
		h.Stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting ended with %v", err)
		}
		if err := h.Wait(ctx, company, at(0)); !errors.Is(err, context.Canceled) {
			t.Errorf("with an event there: %v", err)
		}
		late, leave := h.Listen(t.Context(), company)
		defer leave()
		synctest.Wait()
		if late.Err() == nil {
			t.Error("a late listener may wait")
		}
		if events, err := h.Read(t.Context(), company, at(0), 5, 0); err != nil || len(events) != 1 {
			t.Errorf("got %v %v", events, err)
		}
	})
}

// TestRowsFail: an error of the store reaches the reader, and the poll goes on
// when it is over.
func TestRowsFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		h := newHub(m)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }() // received below
		listening, leave := h.Listen(ctx, company)
		defer leave()
		if _, err := h.Read(listening, company, at(0), 5, 0); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		m.mu.Lock()
		m.fail = broken
		m.mu.Unlock()
		m.commit(company, 1, 10) // the hook does not tell
		time.Sleep(3 * pollEvery)
		if _, _, err := h.Bounds(listening, company); !errors.Is(err, broken) {
			t.Errorf("bounds: %v", err)
		}
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		begun := time.Now()
		if err := h.Wait(listening, company, at(0)); err != nil || time.Since(begun) > pollEvery {
			t.Errorf("woken with %v after %v", err, time.Since(begun))
		}
		cancel()
		<-ended
	})
}
