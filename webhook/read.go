package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/parley-im/parley"
)

// bounds say how much an owner reads ahead.
type bounds struct {
	readEvents  int // at once, from the log
	readBytes   int // at once, from the log
	drainEvents int // at once, of one stream
	readyEnough int // streams that can go; no need to read more
	window      int // events between cursor and reader
	held        int // events behind one that takes long, before it gets a row
	roomy       int // bytes of bodies of one owner
	tight       int // the same when all owners together hold too much
}

var defaultBounds = bounds{
	readEvents: 256, readBytes: 256 << 10, drainEvents: 16, readyEnough: 128,
	window: 8192, held: 64, roomy: 512 << 10, tight: 32 << 10,
}

// reading is the part of an owner that knows the log.
type reading struct {
	window      window
	streams     map[parley.StreamID]*stream
	ahead       []*stream // drained further than the reader is
	behind      bool      // the log may have more than the window
	bytes       int       // of bodies in queues
	pausedUntil time.Time // the store failed
	pause       time.Duration
}

// receive takes note of what others say.
func (o *owner) receive(ctx context.Context, l letter) {
	// A poll may have read its row before a change that we know; it is a hint.
	if l.changed || l.fresh != nil && o.differs(l.fresh) {
		if !o.reread(ctx) {
			return
		}
		o.look = true
	}
	if l.fresh != nil && !o.now().Before(o.lookAt) {
		o.look = true
	}
	o.hearAll(l.events)
	o.behind = o.behind || l.behind
}

// reread reads the endpoint's row again. It reports false when the owner cannot
// go on.
func (o *owner) reread(ctx context.Context) bool {
	row, err := o.d.cfg.Store.Endpoint(ctx, o.id)
	if ctx.Err() != nil {
		return false
	}
	if err != nil || !o.accept(&row) {
		o.end = lost
		return false
	}
	return true
}

func (o *owner) differs(ep *parley.Endpoint) bool {
	was := &o.endpoint
	return ep.URL != was.URL || ep.Secret != was.Secret || ep.Extended != was.Extended || !slices.Equal(ep.Kinds, was.Kinds) || ep.Cursor > o.window.base
}

// accept takes over the endpoint's row. It reports false when the row was moved
// by somebody else, or there is nowhere to deliver to.
func (o *owner) accept(ep *parley.Endpoint) bool {
	if ep.URL == "" || ep.Cursor > o.window.base {
		return false
	}
	if o.differs(ep) {
		o.aim(*ep)
	}
	return true
}

// hearAll takes events that came without a read, as long as they follow the window
// and there is room.
func (o *owner) hearAll(events []parley.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq <= o.window.top() {
			continue
		}
		if e.Seq != o.window.top()+1 || o.down || o.window.size() >= o.d.bounds.window || o.bytes > o.budget() {
			o.behind = true
			return
		}
		o.take(e)
	}
	o.overtake()
}

func (o *owner) budget() int {
	if o.d.memory.Load() > o.d.cfg.Memory {
		return o.d.bounds.tight
	}
	return o.d.bounds.roomy
}

// hold counts bytes of bodies, or with a negative number no longer.
func (o *owner) hold(n int) {
	o.bytes += n
	o.d.memory.Add(int64(n))
}

// letGo gives up all memory and all places in the pool, at the end.
func (o *owner) letGo() {
	o.hold(-o.bytes)
	for range o.flights {
		o.d.pool.release(o.weak)
	}
	o.flights = nil
}

// read reads on in the log, if there is use for it.
func (o *owner) read(ctx context.Context, now time.Time) {
	if !o.behind || o.down || now.Before(o.pausedUntil) || o.ready.Len() >= o.d.bounds.readyEnough {
		return
	}
	starving := o.ready.Len() == 0 && len(o.flights) < o.pace.allowed()
	if o.window.size() >= o.d.bounds.window {
		if starving {
			o.putAside(o.streams[o.window.oldest()])
		}
		return
	}
	if o.bytes >= o.budget() && !starving {
		return
	}
	events, err := o.d.cfg.Store.EventsAfter(ctx, o.company, o.window.top(), o.d.bounds.readEvents, o.d.bounds.readBytes)
	if !o.healthy(err, now) {
		return
	}
	o.behind = len(events) > 0
	for i := range events {
		o.take(&events[i])
	}
	o.overtake()
	if o.behind {
		o.poke() // the next read comes after what landed meanwhile
	}
}

// healthy takes note of whether the store could be read, and pauses reads if not.
func (o *owner) healthy(err error, now time.Time) bool {
	if err == nil {
		o.pause = 0
		return true
	}
	o.pause = min(max(2*o.pause, pauseFirst), pauseMost)
	o.pausedUntil = now.Add(o.pause)
	if !parley.Interrupted(err) {
		o.d.cfg.Log.Warn("webhook read failed", "endpoint_id", int64(o.id), "company_id", int64(o.company), "kind", string(parley.KindOf(err)), "err", err)
	}
	return false
}

// take puts the log's next event where it belongs.
func (o *owner) take(e *parley.Event) {
	if e.Seq <= o.window.top() {
		return
	}
	if !o.endpoint.Wants(e.Kind) {
		o.window.add(e.Seq, 0)
		return
	}
	s := o.streams[e.Stream]
	if s == nil {
		s = &stream{id: e.Stream, after: e.Seq - 1, head: e.Seq}
		o.streams[s.id] = s
	}
	if s.covered {
		o.window.add(e.Seq, 0)
		s.tail = max(s.tail, e.Seq)
	} else {
		o.window.add(e.Seq, s.id)
		o.enqueue(s, e)
	}
	o.arrange(s)
}

// enqueue keeps the body if the stream could need it soon and there is room.
func (o *owner) enqueue(s *stream, e *parley.Event) {
	if s.tail > s.after || s.attempt > 0 || len(s.queue) > 0 && o.bytes+len(e.Body) > o.budget() {
		s.tail = e.Seq
		return
	}
	s.tail = 0
	o.push(s, e)
}

func (o *owner) push(s *stream, e *parley.Event) {
	if len(s.queue) == 0 {
		if s.attempt > 0 && s.head != e.Seq {
			s.attempt, s.nextAt = 0, time.Time{} // the head is not there any more
		}
		s.head = e.Seq
	}
	s.queue = append(s.queue, newItem(e))
	o.hold(len(e.Body))
}

// unload gives up the bodies of a stream; they are read again.
func (o *owner) unload(s *stream) {
	if len(s.queue) == 0 {
		return
	}
	s.tail = max(s.tail, s.queue[len(s.queue)-1].seq)
	for _, it := range s.queue {
		o.hold(-len(it.body))
	}
	s.queue = nil
}

// fill makes sure that the stream's next event is in memory. It reports false if
// the store failed; without an event left the queue stays empty.
func (o *owner) fill(ctx context.Context, s *stream, now time.Time) bool {
	for o.skip(s); len(s.queue) == 0 && s.tail > s.after; {
		limit := o.d.bounds.drainEvents
		if s.attempt > 0 {
			limit = 1 // it may well fail again
		}
		events, err := o.d.cfg.Store.StreamEvents(ctx, o.company, s.id, s.after, s.tail, limit)
		if !o.healthy(err, now) {
			return false
		}
		o.found(s, events, len(events) < limit)
	}
	return true
}

// skip passes over events that were queued and are not wanted any more.
func (o *owner) skip(s *stream) {
	for len(s.queue) > 0 && !o.endpoint.Wants(s.queue[0].kind) {
		o.window.settle(o.pop(s).seq)
	}
}

func (o *owner) found(s *stream, events []parley.Event, all bool) {
	for i := range events {
		switch e := &events[i]; {
		case o.endpoint.Wants(e.Kind):
			o.push(s, e)
		case len(s.queue) == 0:
			s.pass(e.Seq)
			o.window.settle(e.Seq)
		default:
			o.window.settle(e.Seq) // before those that it follows: nothing of it is open
		}
	}
	if all {
		s.tail = 0
	}
	if s.hasRow && s.attempt == 0 && !s.changes() {
		o.note(change{stream: s}) // so that a crash does not repeat all of a long drain
	}
}

// arrange puts a stream in the line it belongs to, or lets it go if it is done.
func (o *owner) arrange(s *stream) {
	switch {
	case s.busy || s.in != nil || s.unsaved():
	case s.attempt > 0 && s.more():
		o.waiting.join(s)
	case s.more():
		o.ready.join(s)
	default:
		o.part(s)
	}
}

// part ends what is special about a stream that has nothing more, and forgets it.
func (o *owner) part(s *stream) {
	if s.covered && s.after > o.window.top() {
		// The reader has yet to pass what was delivered, or it would queue it again.
		if !s.ahead {
			s.ahead = true
			o.ahead = append(o.ahead, s)
		}
		return
	}
	s.covered, s.attempt = false, 0
	switch {
	case s.changes() || s.aside:
	case s.hasRow:
		o.note(change{stream: s})
	default:
		delete(o.streams, s.id)
	}
}

// overtake looks again at streams that were ahead of the reader.
func (o *owner) overtake() {
	ahead := o.ahead
	o.ahead = nil
	for _, s := range ahead {
		s.ahead = false
		o.arrange(s)
	}
}

// unhold puts the stream aside that has held the cursor for too long, so that a
// crash does not repeat much of what went on beside it.
func (o *owner) unhold(now time.Time) {
	s := o.streams[o.window.oldest()]
	if s == nil || !s.busy || o.window.size() < o.d.bounds.held || s.started.Add(slowAnswer).After(now) {
		return
	}
	o.putAside(s)
}

// putAside gives a stream that holds up the window a row.
func (o *owner) putAside(s *stream) {
	if s == nil || s.aside || s.covered || s.unsaved() {
		return
	}
	s.aside = true
	o.note(change{stream: s})
}
