package webhook

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/parley-im/parley"
)

// downAfter is how many streams must fail, with no success between, for the
// endpoint to be down.
const downAfter = 3

// probeMost is the longest that an endpoint which is down goes without an attempt,
// unless it asked for more by Retry-After.
const probeMost = 5 * time.Minute

// sending is the part of an owner that makes attempts.
type sending struct {
	requests context.Context
	results  chan outcome // has room for every request under way
	flights  []*stream    // with a request under way
	pace     pace
	weak     bool // as the pool knows it

	ready   line // can go; the oldest first
	waiting line // failed and not due

	failing  []parley.StreamID // up to downAfter that failed since the last success
	down     bool
	failedAt time.Time // the last failure
	holdTill time.Time // as asked by Retry-After
	probeAt  time.Time // when the next probe is due; zero is not known
	prober   *stream   // the oldest, while down; nil is not known
	stopping bool      // nothing new is begun
}

// promote lets those go whose time has come.
func (o *owner) promote(now time.Time) {
	if o.down {
		return
	}
	for o.waiting.Len() > 0 && !o.waiting.first().nextAt.After(now) {
		s := o.waiting.first()
		s.leave()
		o.ready.join(s)
	}
}

// dispatch begins as many attempts as it may.
func (o *owner) dispatch(ctx context.Context, now time.Time) {
	if now.Before(o.pausedUntil) {
		return
	}
	if o.down {
		o.probe(ctx, now)
		return
	}
	for o.ready.Len() > 0 && len(o.flights) < o.pace.allowed() && len(o.changes) < maxSaves {
		if !o.launch(ctx, o.ready.first(), now) {
			return
		}
	}
}

// launch begins an attempt at the head of a stream. It reports false if nothing
// more can begin now.
func (o *owner) launch(ctx context.Context, s *stream, now time.Time) bool {
	if !o.fill(ctx, s, now) {
		return false
	}
	if len(s.queue) == 0 {
		s.leave()
		o.arrange(s) // it has nothing left
		return true
	}
	if !o.d.pool.acquire(o, o.weak) {
		return false
	}
	s.leave()
	s.busy, s.early = true, s.attempt > 0 && now.Before(s.nextAt)
	o.fly(s, now)
	return true
}

// fly makes the request of a stream that has a place in the pool.
func (o *owner) fly(s *stream, now time.Time) {
	s.started = now
	o.flights = append(o.flights, s)
	a := &attempt{stream: s, endpoint: o.id, company: o.company, target: o.target, item: s.queue[0], number: s.attempt + 1, replay: s.replay != nil}
	ctx := o.requests
	o.wg.Go(func() { o.results <- o.d.deliver(ctx, a) })
}

// probe tries the oldest event when it is due.
func (o *owner) probe(ctx context.Context, now time.Time) {
	o.probeAt = time.Time{}
	if len(o.flights) > 0 {
		return
	}
	if o.prober == nil {
		o.prober = o.eldest()
	}
	s := o.prober
	if s == nil {
		o.goUp() // everything was parked
		o.poke()
		return
	}
	if s.unsaved() {
		return
	}
	if due := o.probeDue(s); due.After(now) {
		o.probeAt = due
		return
	}
	if o.launch(ctx, s, now) && !s.busy {
		o.prober = nil
		o.poke()
	}
}

// eldest returns the stream with the oldest event, nil if there is none.
func (o *owner) eldest() *stream {
	var eldest *stream
	for _, s := range o.streams {
		if (s.more() || s.unsaved()) && (eldest == nil || s.head < eldest.head) {
			eldest = s
		}
	}
	return eldest
}

// probeDue returns when the stream is tried while the endpoint is down: by its own
// schedule, but neither sooner after another failure than the first repeat would
// be, nor much later than probeMost.
func (o *owner) probeDue(s *stream) time.Time {
	due := o.failedAt.Add(o.d.cfg.Policy.base(1))
	if s.attempt > 0 && s.nextAt.After(due) {
		due = s.nextAt
	}
	limit := o.failedAt.Add(max(probeMost, o.d.cfg.Policy.base(1)))
	return later(earlier(due, limit), o.holdTill)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// landed takes in how an attempt ended.
func (o *owner) landed(r outcome) {
	s := r.stream
	o.flights = slices.DeleteFunc(o.flights, func(x *stream) bool { return x == s })
	o.d.pool.release(o.weak)
	o.prober = nil
	now := o.now()
	if !r.interrupted {
		o.log(s, &r)
		o.d.cfg.Observe.WebhookAttempted(r.kind, r.took)
		o.judge(s, &r, now)
	}
	s.busy = false
	switch {
	case s.replay != nil:
		o.replayed(s, &r)
	case r.interrupted:
		o.arrange(s)
	case r.ok():
		o.delivered(s, &r, now)
	case s.early:
		o.unload(s)
		o.arrange(s)
	default:
		o.failed(s, &r, now)
	}
}

// judge draws conclusions about the endpoint.
func (o *owner) judge(s *stream, r *outcome, now time.Time) {
	switch {
	case r.ok():
		o.pace.success(r.took)
		o.failing = o.failing[:0]
		if o.down {
			o.goUp()
		}
	case r.panicked || s.replay != nil:
	default:
		o.pace.failure(r.took, s.started, now, r.overload())
		o.failedAt, o.holdTill = now, now.Add(r.retryAfter)
		o.blame(s)
		if len(o.failing) >= downAfter && !o.down {
			o.goDown()
		}
	}
}

// blame counts a stream among those that fail.
func (o *owner) blame(s *stream) {
	if len(o.failing) < downAfter && !slices.Contains(o.failing, s.id) {
		o.failing = append(o.failing, s.id)
	}
}

// goDown leaves everything where it is but the probe, and gives up its memory.
func (o *owner) goDown() {
	o.down = true
	for _, s := range o.streams {
		if !s.busy {
			o.unload(s)
		}
	}
	o.d.cfg.Log.Warn("webhook endpoint is down", "endpoint_id", int64(o.id), "company_id", int64(o.company))
}

// goUp goes on with everything. What waits by a schedule that has grown long
// need not wait longer than after a first failure.
func (o *owner) goUp() {
	if o.down {
		o.d.cfg.Log.Info("webhook endpoint is up", "endpoint_id", int64(o.id), "company_id", int64(o.company))
	}
	o.down, o.failing, o.prober = false, o.failing[:0], nil
	o.probeAt, o.holdTill = time.Time{}, time.Time{}
	o.pace.restart()
	p := &o.d.cfg.Policy
	for _, s := range o.waiting.streams {
		s.nextAt = earlier(s.nextAt, s.nextAt.Add(p.base(1)-p.base(s.attempt)))
	}
	o.waiting.reorder()
}

// delivered ends an event that was taken.
func (o *owner) delivered(s *stream, r *outcome, now time.Time) {
	number := s.attempt + 1
	it := o.pop(s)
	o.d.cfg.Observe.WebhookDelivered(now.Sub(time.UnixMilli(it.at)))
	o.window.settle(it.seq)
	if number > 1 {
		o.note(change{stream: s, attempt: o.record(it, number, r, now)})
	}
	o.arrange(s)
}

// failed puts the stream's head off, or parks it after the last attempt.
func (o *owner) failed(s *stream, r *outcome, now time.Time) {
	number := s.attempt + 1
	it := s.queue[0]
	pause, again := o.d.cfg.Policy.after(number)
	c := change{stream: s, attempt: o.record(it, number, r, now)}
	if again && !r.panicked {
		o.unload(s)
		s.attempt, s.nextAt = number, now.Add(max(pause, r.retryAfter))
	} else {
		o.pop(s)
		o.d.cfg.Observe.WebhookParked()
		c.settle, c.park = it.seq, o.deadLetter(s, it, number, r, now)
		o.d.cfg.Log.Warn("webhook event parked", "endpoint_id", int64(o.id), "company_id", int64(o.company), "seq", it.seq, "attempt", number)
	}
	s.version++ // the next attempt waits until this is committed
	o.note(c)
}

func (o *owner) pop(s *stream) item {
	it := s.pop()
	o.hold(-len(it.body))
	return it
}

func (o *owner) record(it item, number int, r *outcome, now time.Time) *parley.Attempt {
	return &parley.Attempt{
		Endpoint: o.id, Company: o.company, Seq: it.seq,
		Number: number, Status: r.status, Reason: r.reason, Took: r.took, At: now,
	}
}

func (o *owner) deadLetter(s *stream, it item, attempts int, r *outcome, now time.Time) *parley.DeadLetter {
	return &parley.DeadLetter{
		Endpoint: o.id, Company: o.company, Seq: it.seq, Stream: s.id, Kind: it.kind,
		Reason: r.reason, Attempts: attempts, ParkedAt: now,
	}
}

// reclass tells the pool whether the endpoint is weak now.
func (o *owner) reclass(now time.Time) {
	hanging := len(o.flights) > 0 && !o.oldestFlight().Add(slowAnswer).After(now)
	if weak := o.down || hanging || o.pace.weak(); weak != o.weak {
		o.weak = weak
		o.d.pool.reclass(len(o.flights), weak)
	}
}

// oldestFlight returns when the oldest request under way began; zero without one.
func (o *owner) oldestFlight() time.Time {
	if len(o.flights) == 0 {
		return time.Time{}
	}
	return o.flights[0].started
}

// log writes the line of an attempt.
func (o *owner) log(s *stream, r *outcome) {
	level := slog.LevelInfo
	if r.ok() {
		level = slog.LevelDebug
	}
	if !o.d.cfg.Log.Enabled(o.requests, level) {
		return
	}
	o.d.cfg.Log.LogAttrs(o.requests, level, "webhook attempt",
		slog.Int64("endpoint_id", int64(o.id)), slog.Int64("company_id", int64(o.company)),
		slog.Int64("seq", s.queue[0].seq), slog.Int("attempt", s.attempt+1), slog.Bool("replay", s.replay != nil),
		slog.Int("status", r.status), slog.String("kind", string(r.kind)), slog.Int64("took_ms", r.took.Milliseconds()))
}
