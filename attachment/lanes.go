package attachment

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// bounds say how much may be under way at once, and how much may wait.
type bounds struct{ all, provider, channel, waiting int }

// A task is something to be done for a channel.
type task[T any] struct {
	id      int64 // tells tasks apart
	channel parley.ChannelID
	what    T
}

// lanes give tasks their places: a bounded number over all, for each provider and
// for each channel, the channels taking turns. The lock is never held across I/O.
type lanes[T any] struct {
	bounds bounds
	now    func() time.Time
	gate   func() (probe, pass bool) // asked last before a task starts
	dry    func()                    // told that a channel has done all that waited, and has more
	do     func(ctx context.Context, t *turn[T])

	mu       sync.Mutex
	wg       sync.WaitGroup
	running  int
	provider map[string]int      // tasks that run
	known    map[int64]time.Time // tasks that wait or run, zero; those left alone, until when
	lane     map[parley.ChannelID]*lane[T]
	order    []parley.ChannelID // of those with tasks that wait; the first is next
}

// A lane is what there is of one channel.
type lane[T any] struct {
	provider string // empty until a task has said
	waiting  []task[T]
	running  int
	more     bool // something had no room to wait
}

// A turn is a task that runs.
type turn[T any] struct {
	task[T]
	probe    bool // the gate let it pass to try
	lanes    *lanes[T]
	provider string        // whose place it has taken
	rest     time.Duration // how long to leave it alone afterwards, whoever offers it
}

func newLanes[T any](b bounds, now func() time.Time, do func(context.Context, *turn[T])) *lanes[T] {
	return &lanes[T]{
		bounds: b, now: now, do: do,
		gate: func() (probe, pass bool) { return false, true }, dry: func() {},
		provider: make(map[string]int), known: make(map[int64]time.Time), lane: make(map[parley.ChannelID]*lane[T]),
	}
}

// offer lets a task wait for its turn, unless it is known or its channel has
// enough of them: then it has to be offered again.
func (l *lanes[T]) offer(t task[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, known := l.known[t.id]; known && (until.IsZero() || l.now().Before(until)) {
		return
	}
	c := l.lane[t.channel]
	if c == nil {
		c = &lane[T]{}
		l.lane[t.channel] = c
	}
	if len(c.waiting) >= l.bounds.waiting {
		c.more = true
		return
	}
	if len(c.waiting) == 0 {
		l.order = append(l.order, t.channel)
	}
	c.waiting = append(c.waiting, t)
	l.known[t.id] = time.Time{}
}

// start gives out the places that are free.
func (l *lanes[T]) start(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil && l.running < l.bounds.all {
		n := slices.IndexFunc(l.order, l.free)
		if n < 0 {
			return
		}
		probe, pass := l.gate()
		if !pass {
			return
		}
		l.begin(ctx, n, probe)
	}
}

// free reports whether the channel may have one more task under way.
func (l *lanes[T]) free(id parley.ChannelID) bool {
	c := l.lane[id]
	return c.running < l.bounds.channel && (c.provider == "" || l.provider[c.provider] < l.bounds.provider)
}

// begin starts the first task of the n-th channel in order, which goes to the end.
func (l *lanes[T]) begin(ctx context.Context, n int, probe bool) {
	id := l.order[n]
	c := l.lane[id]
	t := &turn[T]{task: c.waiting[0], probe: probe, lanes: l}
	c.waiting = c.waiting[1:]
	l.order = slices.Delete(l.order, n, n+1)
	if len(c.waiting) > 0 {
		l.order = append(l.order, id)
	}
	c.running++
	l.running++
	l.wg.Go(func() { t.run(ctx) })
}

// run does the task, then gives its place to the next.
func (t *turn[T]) run(ctx context.Context) {
	t.lanes.do(ctx, t)
	if t.lanes.end(t) {
		t.lanes.dry()
	}
	t.lanes.start(ctx)
}

// end gives the place back, and reports whether the channel has run dry.
func (l *lanes[T]) end(t *turn[T]) (dry bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if t.provider != "" {
		l.provider[t.provider]--
	}
	delete(l.known, t.id)
	if t.rest > 0 {
		l.known[t.id] = l.now().Add(t.rest)
	}
	c := l.lane[t.channel]
	c.running--
	if len(c.waiting) > 0 {
		return false
	}
	dry, c.more = c.more, false
	if c.running == 0 {
		delete(l.lane, t.channel)
	}
	return dry
}

// enter takes a place of the provider, now that it is known, and reports false if
// there is none: then the task has to end, to be offered again.
func (t *turn[T]) enter(provider string) bool {
	l := t.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lane[t.channel].provider = provider
	if l.provider[provider] >= l.bounds.provider {
		return false
	}
	l.provider[provider]++
	t.provider = provider
	return true
}

// forget drops what was left alone long enough.
func (l *lanes[T]) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for id, until := range l.known {
		if !until.IsZero() && !now.Before(until) {
			delete(l.known, id)
		}
	}
}

func (l *lanes[T]) wait() { l.wg.Wait() }
