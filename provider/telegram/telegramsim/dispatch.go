package telegramsim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley/simulator"
)

// A webhook makes the callbacks of one registration. Updates of one chat go one
// after the other: the head of a queue is delivered, or retried until it is or
// expires, before the next. Different queues are served in parallel by at most
// max workers, which exist only while there is something to do.
//
// A queue is in exactly one place: idle (not in queues, or holding only an
// update that a reorder fault keeps), in ready, with a worker, or waiting for
// its timer. The bot's lock guards everything here.
type webhook struct {
	bot    *bot
	set    registration
	ctx    context.Context // ends with the registration
	cancel context.CancelFunc
	queues map[lane]*hookQueue
	ready  []*hookQueue
	active int // workers
	closed bool

	lastError   string
	lastErrorAt time.Time
	goneSince   time.Time // of an unbroken row of 410 answers
}

// A lane is what keeps order: a chat's messages and their edits are one, its
// member updates another, and so on.
type lane struct {
	class string
	chat  int64
}

type hookQueue struct {
	lane    lane
	items   []*update
	held    *update // waits for its successor, by a reorder fault
	busy    bool    // ready, with a worker, or waiting
	attempt int     // failures of the head
	timer   *time.Timer
}

// laneOf separates kinds as the server does, so that order between kinds is not
// kept. Source: tdlib/telegram-bot-api, webhook queues, read 2026-11.
func laneOf(u *update) lane {
	class := strings.TrimPrefix(u.kind, "edited_")
	return lane{class: class, chat: u.chat}
}

// openHook starts delivering what is pending; the caller holds the lock.
func (b *bot) openHook(set registration) {
	ctx, cancel := context.WithCancel(context.Background())
	b.hook = &webhook{bot: b, set: set, ctx: ctx, cancel: cancel, queues: make(map[lane]*hookQueue)}
	for e := b.queue.order.Front(); e != nil; e = e.Next() {
		b.hook.add(e.Value.(*update))
	}
}

// dropHook ends the registration, if any; pending updates stay queued. Workers
// end on their own, soon, because their context has ended.
func (b *bot) dropHook() {
	if b.hook == nil {
		return
	}
	b.hook.closed = true
	b.hook.cancel()
	for _, q := range b.hook.queues {
		if q.timer != nil && q.timer.Stop() {
			b.s.work.Done()
		}
	}
	b.hook = nil
}

// add queues an update that has just happened.
func (w *webhook) add(u *update) {
	k := laneOf(u)
	q := w.queues[k]
	if q == nil {
		q = &hookQueue{lane: k}
		w.queues[k] = q
	}
	q.items = append(q.items, u)
	if !q.busy {
		w.enlist(q)
	}
}

// enlist makes a queue ready and sees to it that a worker comes.
func (w *webhook) enlist(q *hookQueue) {
	q.busy = true
	w.ready = append(w.ready, q)
	if w.active < w.set.max {
		w.active++
		w.bot.s.work.Go(w.work)
	}
}

func (w *webhook) work() {
	mu := &w.bot.mu
	mu.Lock()
	defer mu.Unlock()
	for {
		q, u, f := w.pick()
		if q == nil {
			w.active--
			return
		}
		attempt := q.attempt
		mu.Unlock()
		o := w.deliver(u, f, attempt)
		mu.Lock()
		w.settle(q, u, o)
	}
}

// pick returns the next queue with its head, and the fault that meets it.
func (w *webhook) pick() (*hookQueue, *update, simulator.Fault) {
	for len(w.ready) > 0 && !w.closed {
		q := w.ready[0]
		w.ready[0] = nil
		w.ready = w.ready[1:]
		if u, f := w.head(q); u != nil {
			return q, u, f
		}
		w.rest(q)
	}
	return nil, nil, simulator.Fault{}
}

// head drops what was dropped or expired meanwhile and returns the first update
// left, nil if there is none or a fault holds it.
func (w *webhook) head(q *hookQueue) (*update, simulator.Fault) {
	w.bot.queue.expire(w.bot.s.now())
	for len(q.items) > 0 {
		u := q.items[0]
		if u.at == nil {
			q.shift()
			continue
		}
		f := w.fault(q, u)
		if f.Kind != simulator.FaultReorder {
			return u, f
		}
		q.shift()
		u.held, q.held = true, u
	}
	return nil, simulator.Fault{}
}

func (q *hookQueue) shift() {
	q.items[0] = nil
	q.items = q.items[1:]
	q.attempt = 0
}

func (w *webhook) fault(q *hookQueue, u *update) simulator.Fault {
	kinds := []simulator.FaultKind{simulator.FaultTwice, simulator.FaultWrongSecret, simulator.FaultReorder}
	if u.held || q.held != nil {
		kinds = kinds[:2]
	}
	f, _ := w.bot.s.faults.TakeCallback(u.kind, w.bot.key, strconv.FormatInt(u.chat, 10), kinds...)
	return f
}

// rest sets a queue idle.
func (w *webhook) rest(q *hookQueue) {
	q.busy = false
	if q.held == nil {
		delete(w.queues, q.lane)
	}
}

// settle records the outcome of an attempt and decides where the queue goes.
func (w *webhook) settle(q *hookQueue, u *update, o outcome) {
	b := w.bot
	if o.ok {
		b.queue.remove(u)
	}
	if w.closed {
		return
	}
	if !o.ok {
		w.failed(q, o)
		return
	}
	w.goneSince = time.Time{}
	q.shift()
	if q.held != nil {
		q.items = append([]*update{q.held}, q.items...)
		q.held = nil
	}
	if len(q.items) == 0 {
		w.rest(q)
		return
	}
	w.ready = append(w.ready, q) // this worker goes on and will come to it
}

// goneFor is how long a receiver must answer 410 until its webhook is removed.
// Source: tdlib/telegram-bot-api, read 2026-11.
const goneFor = 23 * time.Hour

func (w *webhook) failed(q *hookQueue, o outcome) {
	now := w.bot.s.now()
	w.lastError, w.lastErrorAt = o.text, now
	if o.status != http.StatusGone {
		w.goneSince = time.Time{}
	} else if w.goneSince.IsZero() {
		w.goneSince = now
	} else if now.Sub(w.goneSince) >= goneFor {
		w.bot.dropHook()
		return
	}
	q.attempt++
	delay := w.retryDelay(q.attempt)
	if o.retryAfter > 0 {
		delay = o.retryAfter
	}
	if delay == 0 {
		w.ready = append(w.ready, q)
		return
	}
	w.bot.s.work.Add(1)
	q.timer = time.AfterFunc(delay, func() { w.retry(q) })
}

// retryDelay follows the server's schedule: at once, 2, 4, 8 … 32 units, then a
// random 60–120. Source: tdlib/telegram-bot-api, read 2026-11.
func (w *webhook) retryDelay(failures int) time.Duration {
	unit := w.bot.s.opts.RetryBase
	switch {
	case failures <= 1:
		return 0
	case failures <= 6:
		return unit << (failures - 1)
	}
	return 60*unit + rand.N(60*unit)
}

func (w *webhook) retry(q *hookQueue) {
	defer w.bot.s.work.Done()
	w.bot.mu.Lock()
	defer w.bot.mu.Unlock()
	q.timer = nil
	if !w.closed {
		w.enlist(q)
	}
}
