package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A change is something about a stream that is to be committed, with the row as it
// was to be at that moment: a row must never be ahead of the dead letter that it
// follows from. Changes are committed in the order in which they were made.
type change struct {
	stream  *stream               // nil with replay
	version int64                 // of the stream
	block   *parley.BlockedStream // its row; nil is none
	unblock bool                  // its row goes
	attempt *parley.Attempt
	park    *parley.DeadLetter
	settle  int64 // the event that is settled once this is committed; 0 is none
	replay  *store.Replayed
	tries   int
}

// saving is the part of an owner that commits. One Delivery is under way at a time.
type saving struct {
	saves     context.Context
	changes   []change // wait to be saved
	busy      bool
	saved     chan error
	current   change // being saved
	cursor    int64  // being saved; 0 is none
	flushed   int64  // committed
	savedAt   time.Time
	saveAfter time.Time // the store failed
	savePause time.Duration
	asides    int // streams put aside at the end
}

// note remembers a change until it is saved.
func (o *owner) note(c change) {
	if s := c.stream; s != nil {
		o.snapshot(s, &c)
		s.queued++
	}
	o.changes = append(o.changes, c)
}

// snapshot says what the stream's row is to be.
func (o *owner) snapshot(s *stream, c *change) {
	if s.covered && !s.busy && !s.more() && s.after <= o.window.top() {
		s.covered = false // all was delivered or parked
	}
	c.version = s.version
	// Behind a row that is on its way the row cannot go: once committed, it speaks
	// for events that came later than this.
	if s.attempt > 0 || s.covered || s.aside || s.blocks > 0 {
		c.block = s.row(o.id, o.now())
		s.blocks++
	} else {
		c.unblock = s.hasRow || s.changes()
	}
}

// flushAt returns when the cursor is to be committed; zero if it is, or is being.
func (o *owner) flushAt() time.Time {
	if o.busy || o.window.base <= o.flushed {
		return time.Time{}
	}
	pause := flushBusy
	if o.quiet() {
		pause = flushQuiet
	}
	return later(o.savedAt.Add(pause), o.saveAfter)
}

// save commits the next change, and with it the cursor; or the cursor alone, when
// it is time.
func (o *owner) save(now time.Time) {
	if o.busy || now.Before(o.saveAfter) || o.end != goesOn {
		return
	}
	moved := o.window.base > o.flushed
	if len(o.changes) == 0 && (!moved || !o.stopping && o.flushAt().After(now)) {
		return
	}
	d := &store.Delivery{Endpoint: o.id, Company: o.company, Grant: o.grant}
	if o.cursor = 0; moved {
		o.cursor, d.Cursor = o.window.base, o.window.base
	}
	if o.current = (change{}); len(o.changes) > 0 {
		o.current, o.changes = o.changes[0], o.changes[1:]
		o.fillIn(d)
	}
	o.busy = true
	ctx := o.saves
	o.wg.Go(func() { o.saved <- o.commit(ctx, d) })
}

// fillIn adds the current change to a Delivery.
func (o *owner) fillIn(d *store.Delivery) {
	c := &o.current
	d.Attempt, d.Park, d.Replayed, d.Block = c.attempt, c.park, c.replay, c.block
	if s := c.stream; s != nil {
		s.queued--
		s.flying = true
		if c.unblock {
			d.Unblock = s.id
		}
	}
}

func (o *owner) commit(ctx context.Context, d *store.Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return o.d.cfg.Store.Deliver(ctx, d)
}

// committed takes in how a save ended.
func (o *owner) committed(err error) {
	o.busy = false
	now := o.now()
	switch {
	case parley.KindOf(err) == parley.KindConflict:
		o.end = lost
	case err != nil:
		o.unsaved(err, now)
	default:
		o.savePause, o.savedAt = 0, now
		o.flushed = max(o.flushed, o.cursor)
		o.apply()
	}
}

// unsaved puts the change back and waits; repeating a Delivery changes nothing.
func (o *owner) unsaved(err error, now time.Time) {
	o.savePause = min(max(2*o.savePause, pauseFirst), pauseMost)
	o.saveAfter = now.Add(o.savePause)
	if !parley.Interrupted(err) {
		o.d.cfg.Log.Warn("webhook save failed", "endpoint_id", int64(o.id), "company_id", int64(o.company), "kind", string(parley.KindOf(err)), "err", err)
	}
	c := o.current
	if c.stream == nil && c.replay == nil {
		return // only the cursor
	}
	if c.tries++; c.tries == 3 {
		c.attempt = nil // a record for people must not hold up delivery
	}
	if c.stream != nil {
		c.stream.flying = false
		c.stream.queued++
	}
	o.changes = append([]change{c}, o.changes...)
}

// apply draws the conclusions of a commit.
func (o *owner) apply() {
	c := &o.current
	if c.replay != nil {
		o.inReplay = false
	}
	s := c.stream
	if s == nil {
		return
	}
	s.flying = false
	s.saved = max(s.saved, c.version)
	o.window.settle(c.settle)
	switch {
	case c.block != nil:
		s.blocks--
		s.aside, s.covered, s.hasRow = false, true, true
		o.window.settleStream(s.id)
	case c.unblock:
		s.hasRow = false
	}
	o.prober = nil
	o.arrange(s)
}

// noteProgress makes sure that every row is as far as its stream, at the end.
func (o *owner) noteProgress() {
	for _, s := range o.streams {
		if s.hasRow && s.attempt == 0 && s.queued == 0 {
			o.note(change{stream: s})
		}
	}
}

func (o *owner) allSaved() bool {
	return !o.busy && len(o.changes) == 0 && o.window.base <= o.flushed
}
