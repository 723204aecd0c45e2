package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// How an owner spends its time.
const (
	lingerFor   = 5 * time.Second        // idle, before it ends
	flushBusy   = 100 * time.Millisecond // between two cursors
	flushQuiet  = 20 * time.Millisecond  // the same when nothing is under way
	saveLimit   = 5 * time.Second        // for what remains to be committed at the end
	pauseFirst  = 100 * time.Millisecond // after the store failed; doubles
	pauseMost   = 5 * time.Second
	maxSaves    = 64 // changes that wait, before no new attempt begins
	replayEvery = 5 * time.Second
)

// An owner is the goroutine that delivers to one endpoint. Everything but the
// mailbox and the signal belongs to it alone.
type owner struct {
	d       *Deliverer
	company parley.CompanyID
	id      parley.EndpointID
	mail    mailbox
	signal  chan struct{}
	called  bool // guarded by the pool's mu

	grant    parley.Grant
	endpoint parley.Endpoint
	target   *target
	end      ending

	reading
	sending
	saving
	replaying

	idleAt time.Time // when it began to have nothing to do; zero while it has
	timer  *time.Timer
	wg     sync.WaitGroup // of attempts and saves
}

// An ending says whether and how an owner ends.
type ending int

const (
	goesOn  ending = iota
	retired        // nothing to do
	lost           // somebody else is in charge of the rows; they are read again, if they are ours
)

func newOwner(d *Deliverer, company parley.CompanyID, id parley.EndpointID) *owner {
	o := &owner{d: d, company: company, id: id, signal: make(chan struct{}, 1)}
	o.reading = reading{streams: map[parley.StreamID]*stream{}, behind: true}
	o.sending = sending{
		pace:    newPace(startLimit),
		results: make(chan outcome, maxLimit+1),
		ready:   line{before: oldestFirst},
		waiting: line{before: dueFirst},
	}
	o.saving = saving{saved: make(chan error, 1)}
	o.replaying = replaying{look: true}
	return o
}

// poke makes the owner look around. It does not block.
func (o *owner) poke() {
	select {
	case o.signal <- struct{}{}:
	default: // it will look already
	}
}

func (o *owner) hear(events []parley.Event) { o.mail.put(events); o.poke() }

func (o *owner) refresh(ep *parley.Endpoint) { o.mail.refresh(ep); o.poke() }

func (o *owner) change() { o.mail.change(); o.poke() }

// run owns the endpoint until there is nothing to do, it is taken away, or ctx
// ends.
func (o *owner) run(ctx context.Context) {
	defer o.d.remove(o)
	defer o.d.pool.leave(o)
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	saves, cancelSaves := context.WithCancel(context.WithoutCancel(ctx))
	o.requests, o.saves = requests, saves
	defer o.wg.Wait()
	defer cancelSaves()
	defer cancelRequests()
	defer o.letGo()
	if err := o.guard(func() error { return o.live(ctx) }); err != nil && ctx.Err() == nil {
		o.d.cfg.Log.Warn("webhook endpoint starts over", "endpoint_id", int64(o.id), "company_id", int64(o.company), "kind", string(parley.KindOf(err)), "err", err)
		// A pause while it is registered: nobody can start it over at once.
		sleep(ctx, pollEvery)
		return
	}
	if ctx.Err() != nil {
		o.finish(cancelRequests)
	}
}

// guard turns a panic into an error: one endpoint must not end the process.
func (o *owner) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// live reads the rows and delivers. The error is of the rows.
func (o *owner) live(ctx context.Context) error {
	if open, err := o.open(ctx); err != nil || !open {
		return err
	}
	o.timer = time.NewTimer(0)
	defer o.timer.Stop()
	for ctx.Err() == nil {
		o.step(ctx)
		if o.ended() {
			return nil
		}
		o.rest(ctx)
	}
	return nil
}

// open reads the rows. It reports false when there is nothing to own.
func (o *owner) open(ctx context.Context) (bool, error) {
	select {
	case o.d.slots <- struct{}{}:
		defer func() { <-o.d.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	grant, ours := o.d.cfg.Grants.Grant(o.company)
	if !ours {
		return false, nil
	}
	// The cursor first: only an owner moves rows, and nobody else owns this one.
	ep, err := o.d.cfg.Store.Endpoint(ctx, o.id)
	if parley.KindOf(err) == parley.KindNotFound {
		o.d.unlearn(o.company, o.id)
		return false, nil
	}
	if err == nil && ep.URL == "" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read endpoint: %w", err)
	}
	rows, err := o.d.cfg.Store.BlockedStreams(ctx, o.id)
	if err != nil {
		return false, fmt.Errorf("read blocked streams: %w", err)
	}
	o.grant = grant
	o.aim(ep)
	o.window.base, o.flushed = ep.Cursor, ep.Cursor
	o.restore(rows)
	return true, nil
}

// restore takes over what is blocked.
func (o *owner) restore(rows []parley.BlockedStream) {
	now := o.now()
	for _, r := range rows {
		s := &stream{id: r.Stream, after: r.Head - 1, head: r.Head, attempt: r.Attempt, covered: true, hasRow: true}
		s.tail = max(o.window.top(), r.Head)
		if s.attempt > 0 {
			// The clock may have been set back since.
			s.nextAt = earlier(r.NextAt, now.Add(o.d.cfg.Policy.longest(r.Attempt)))
			o.blame(s)
		}
		o.streams[s.id] = s
		o.arrange(s)
	}
	if len(o.failing) >= downAfter {
		o.pace = newPace(minLimit)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// aim makes requests go where the endpoint's row says.
func (o *owner) aim(ep parley.Endpoint) {
	moved := o.target != nil && ep.URL != o.endpoint.URL
	o.endpoint, o.target = ep, newTarget(&ep)
	if moved {
		// Another receiver, of which we know nothing bad.
		o.goUp()
		o.pace = newPace(startLimit)
	}
}

func (o *owner) now() time.Time { return o.d.cfg.Now() }

// step does everything that can be done without waiting.
func (o *owner) step(ctx context.Context) {
	if grant, ours := o.d.cfg.Grants.Grant(o.company); !ours || grant != o.grant {
		o.end = lost
		return
	}
	o.receive(ctx, o.mail.take())
	if o.end != goesOn {
		return
	}
	now := o.now()
	o.promote(now)
	o.read(ctx, now)
	o.dispatch(ctx, now)
	o.replay(ctx, now)
	o.d.pool.answered(o)
	o.reclass(now)
	o.unhold(now)
	o.save(now)
}

// ended reports whether the owner is done; it retires when it was idle for long
// enough.
func (o *owner) ended() bool {
	if o.end != goesOn {
		return true
	}
	if !o.idle() {
		o.idleAt = time.Time{}
		return false
	}
	now := o.now()
	if o.idleAt.IsZero() {
		o.idleAt = now
	}
	if now.Sub(o.idleAt) >= lingerFor && o.d.retire(o) {
		o.end = retired
	}
	return o.end != goesOn
}

func (o *owner) idle() bool {
	return o.quiet() && len(o.streams) == 0 && len(o.changes) == 0 && !o.busy && o.window.base <= o.flushed && !o.replaying.open()
}

// quiet reports whether nothing is under way and nothing is about to be.
func (o *owner) quiet() bool {
	return len(o.flights) == 0 && o.ready.Len() == 0 && (!o.behind || o.down)
}

// rest waits until there is something to do, and takes note of what it was.
func (o *owner) rest(ctx context.Context) {
	o.timer.Reset(o.until())
	select {
	case r := <-o.results:
		o.landed(r)
	case err := <-o.saved:
		o.committed(err)
	case <-o.signal:
	case <-o.timer.C:
	case <-ctx.Done():
	}
	for range len(o.results) {
		o.landed(<-o.results)
	}
}

// until returns how long there is nothing to do if nothing happens.
func (o *owner) until() time.Duration {
	now := o.now()
	wake := now.Add(time.Hour)
	soon := func(t time.Time) {
		if t.After(now) {
			wake = earlier(wake, t)
		}
	}
	if !o.idleAt.IsZero() {
		soon(o.idleAt.Add(lingerFor))
	}
	if !o.down && o.waiting.Len() > 0 {
		soon(o.waiting.first().nextAt)
	}
	soon(o.probeAt)
	soon(o.pausedUntil)
	soon(o.saveAfter)
	soon(o.flushAt())
	soon(o.lookAt)
	soon(o.oldestFlight().Add(slowAnswer))
	return wake.Sub(now)
}

// finish ends an owner whose rows are still its own: requests under way get their
// time, then what was achieved is committed.
func (o *owner) finish(cancelRequests context.CancelFunc) {
	_ = o.guard(func() error {
		o.await(o.d.cfg.Grace, func() bool { return len(o.flights) == 0 })
		return nil
	})
	cancelRequests()
	_ = o.guard(func() error {
		o.noteProgress()
		o.await(saveLimit, func() bool { return len(o.flights) == 0 && o.allSaved() && !o.level() })
		return nil
	})
}

// level puts the stream aside because of which a restart would repeat events. It
// reports whether there was one.
func (o *owner) level() bool {
	if o.asides == maxSaves || !o.window.uneven() {
		return false
	}
	o.asides++
	o.putAside(o.streams[o.window.oldest()])
	return len(o.changes) > 0
}

// await goes on saving until done, for as long as given. If the store failed just
// now it is asked again at once: what is not saved by the end was done for nothing.
func (o *owner) await(limit time.Duration, done func() bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	o.saveAfter, o.savePause = time.Time{}, 0
	for {
		o.stopping = true
		o.save(o.now())
		if done() || o.end != goesOn {
			return
		}
		o.save(o.now())
		var again <-chan time.Time
		if pause := o.saveAfter.Sub(o.now()); !o.busy && pause > 0 {
			again = time.After(pause)
		}
		select {
		case r := <-o.results:
			o.landed(r)
		case err := <-o.saved:
			o.committed(err)
		case <-again:
		case <-timer.C:
			return
		}
	}
}
