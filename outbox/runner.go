package outbox

import (
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A mail is news for a runner.
type mail struct {
	kind mailKind
	work *store.Work // with mailReady and mailAbandoned
}

type mailKind int

const (
	mailReady     mailKind = iota // this job is ready
	mailAbandoned                 // this job is claimed, and past its deadline
	mailPoll                      // some job in the rows is due
	mailSweep                     // some jobs may have to end without being sent
	mailChanged                   // the channel is not what it was
)

// A runner sends the jobs of one channel. All fields but mail and stop belong
// to the goroutine of run.
type runner struct {
	o       *Outbox
	company parley.CompanyID
	grant   parley.Grant // under which the queue was filled
	channel parley.ChannelID
	mail    chan mail     // bounded; what does not fit is dropped
	stop    chan struct{} // closed when nothing new may start
	done    chan outcome  // from attempts
	read    chan reading  // from load and sweep
	broken  string        // the provider whose circuit was told to be open; empty is none

	queue   *queue
	pace    pacer
	health  health
	line    line
	fresh   bool      // line was looked up for the next send
	hold    time.Time // no look-up before
	holds   int       // in a row
	refused int64     // the generation whose credentials were refused, 0 if none

	busy     int  // attempts under way
	reading  bool // rows are read, or swept
	sweeping bool
	outdated bool                  // what is being read must be forgotten
	moved    map[parley.JobID]bool // by attempts that ended during the reading, which may show them as they were
	asked    bool                  // a sweep was asked for
	polled   bool                  // the poll saw work that is due
	stopping bool
	alarm    time.Time // when to look again if nothing happens
	idle     time.Time // since when there was nothing to do; zero if there is
}

const (
	mailbox = 256
	// linger is how long an idle runner stays, so that a conversation does not
	// start one for each message.
	linger = 5 * time.Second
	// How long a channel without a client is left alone: doubling.
	holdMin = time.Second
	holdMax = 15 * time.Second
	forever = time.Hour // as far as a timer is concerned
)

func newRunner(o *Outbox, company parley.CompanyID, grant parley.Grant, channel parley.ChannelID) *runner {
	return &runner{
		o:       o,
		company: company,
		grant:   grant,
		moved:   make(map[parley.JobID]bool),
		channel: channel,
		mail:    make(chan mail, mailbox),
		stop:    make(chan struct{}),
		done:    make(chan outcome),
		read:    make(chan reading),
		queue:   newQueue(o.cfg.Queue),
		pace:    newPacer(&o.cfg),
	}
}

// post never blocks.
func (r *runner) post(m mail) {
	select {
	case r.mail <- m:
	default:
	}
}

// run is the scheduler: it finds whose turn it is, waits for a slot to send it
// in, and meanwhile takes news. It ends when idle, or stopped and done.
func (r *runner) run() {
	timer := time.NewTimer(forever)
	defer timer.Stop()
	defer r.observe(false)
	for stop := r.stop; ; {
		now := r.o.cfg.Now()
		r.alarm = time.Time{}
		next := r.next(now)
		if r.over(now) {
			return
		}
		var slot chan<- struct{}
		if next != nil {
			slot = r.o.slots
		}
		r.choose(next)
		timer.Reset(r.rest(now))
		select {
		case slot <- struct{}{}:
			r.start(next)
		case m := <-r.mail:
			r.take(m)
		case out := <-r.done:
			r.settle(out)
		case got := <-r.read:
			r.learn(got)
		case <-timer.C:
		case <-stop:
			r.stopping, stop = true, nil
		}
	}
}

// choose notes what waits for a slot. What was looked up for it holds only for
// that long; for a doubt nothing was looked up.
func (r *runner) choose(next *item) { r.fresh = next != nil && !next.doubt }

// rest returns how long the runner may sleep.
func (r *runner) rest(now time.Time) time.Duration {
	if len(r.queue.later) > 0 {
		r.wakeAt(r.queue.later[0].due)
	}
	if r.alarm.IsZero() {
		return forever
	}
	return max(0, r.alarm.Sub(now))
}

func (r *runner) wakeAt(at time.Time) {
	if r.alarm.IsZero() || at.Before(r.alarm) {
		r.alarm = at
	}
}

// over reports whether the runner has ended, and takes it out of the routing.
func (r *runner) over(now time.Time) bool {
	if r.busy > 0 || r.reading {
		r.idle = time.Time{}
		return false
	}
	if r.stopping {
		return true
	}
	if len(r.queue.known) > 0 || r.asked || r.polled {
		r.idle = time.Time{}
		return false
	}
	if r.idle.IsZero() {
		r.idle = now
	}
	if now.Before(r.idle.Add(linger)) || !r.pace.rested(now) || !r.health.calm(now) {
		r.wakeAt(now.Add(linger))
		return false
	}
	return r.o.leave(r)
}

// take does what a mail asks for.
func (r *runner) take(m mail) {
	now := r.o.cfg.Now()
	switch m.kind {
	case mailReady:
		r.queue.add(m.work, now)
	case mailAbandoned:
		r.adopt(m.work, now)
	case mailPoll:
		r.polled = true
	case mailSweep:
		r.asked = true
	case mailChanged:
		r.hold, r.holds, r.fresh, r.refused = time.Time{}, 0, false, 0
		r.asked = true // it may be gone, and its jobs with it
	}
}

// adopt takes in a part that nobody works on and that may have arrived.
func (r *runner) adopt(w *store.Work, now time.Time) {
	if r.queue.known[w.Job.ID] == nil {
		r.queue.put(&item{work: w, due: now, doubt: true, foreign: true}, now)
	}
}

// next returns the item whose turn it is, nil if nothing may start now. It
// stays in the queue until start.
func (r *runner) next(now time.Time) *item {
	r.queue.ripen(now)
	if r.stopping || !r.granted() {
		return nil
	}
	r.refill(now)
	if r.busy >= r.o.cfg.ChannelSends {
		return nil
	}
	if it := r.queue.doubts.head(); it != nil {
		return it
	}
	r.sweepIfAsked(now)
	if r.sweeping || !r.queue.waiting() || !r.mayAsk(now) || !r.connect(now) {
		return nil
	}
	return r.turn(now)
}

// granted reports whether the company is ours. What was read under an earlier
// grant is forgotten: another owner may have moved it on meanwhile.
func (r *runner) granted() bool {
	grant, mine := r.o.cfg.Grants.Grant(r.company)
	if !mine || grant != r.grant {
		r.grant = grant
		r.forget()
	}
	return mine
}

func (r *runner) forget() {
	r.queue.clear()
	r.asked, r.polled, r.outdated = false, false, r.reading
	for {
		select {
		case <-r.mail:
		default:
			return
		}
	}
}

// mayAsk reports whether the provider may be asked for anything now.
func (r *runner) mayAsk(now time.Time) bool {
	at, never := r.health.wait(now)
	if d := r.pace.wait(now); d > 0 && at.Before(now.Add(d)) {
		at = now.Add(d)
	}
	if !at.IsZero() {
		r.wakeAt(at)
	}
	return at.IsZero() && !never
}

// turn picks a job by the lanes' shares, and puts off those whose conversation
// has to wait.
func (r *runner) turn(now time.Time) *item {
	allowed := func(lane parley.Lane) bool {
		d := time.Duration(0)
		if lane == parley.LaneFirst {
			d = r.pace.waitFirst(now)
		}
		if d > 0 && r.queue.lane[lane].head() != nil {
			r.wakeAt(now.Add(d))
		}
		return d == 0
	}
	for {
		it := r.queue.peek(allowed)
		if it == nil || it.paced {
			return it
		}
		it.paced = true
		wait := r.pace.chat(now, it.work)
		if wait == 0 {
			return it
		}
		r.queue.postpone(it, now.Add(wait))
	}
}

// start gives an item, and the slot that was just taken, to an attempt.
func (r *runner) start(it *item) {
	now := r.o.cfg.Now()
	r.queue.take(it)
	r.busy++
	r.fresh = false
	a := &attempt{o: r.o, item: it, line: r.line, grant: r.grant}
	if it.doubt {
		r.o.wg.Go(func() { r.done <- a.prove() })
		return
	}
	r.pace.take(now, laneOf(it.work))
	a.probe = r.health.begin()
	r.o.wg.Go(func() { r.done <- a.deliver() })
}

// settle takes the end of an attempt.
func (r *runner) settle(out outcome) {
	<-r.o.slots
	now := r.o.cfg.Now()
	r.busy--
	it := out.item
	r.queue.drop(it)
	if r.reading {
		r.moved[it.work.Job.ID] = true
	}
	r.health.end(now, it.work.Job.Conversation, &out)
	r.observe(r.health.open)
	if out.asked {
		r.judge(&out, now)
	}
	if out.again {
		r.queue.put(it, now)
	}
	for i := range out.next {
		r.follow(it, &out.next[i], now)
	}
	r.pace.sweep(now)
}

// observe tells of the circuit if that is news.
func (r *runner) observe(open bool) {
	switch {
	case open && r.broken == "" && r.line.spec.Name != "":
		r.broken = r.line.spec.Name
		r.o.cfg.Observe.Circuit(r.broken, true)
	case !open && r.broken != "":
		r.o.cfg.Observe.Circuit(r.broken, false)
		r.broken = ""
	}
}

// follow takes what became ready by the end of an attempt. Doubt about a part
// lasts over its attempts.
func (r *runner) follow(it *item, w *store.Work, now time.Time) {
	if w.Job.Channel != r.channel {
		r.o.route(w.Job.Company, w.Job.Channel, mail{kind: mailReady, work: w})
		return
	}
	r.queue.follow(w, now)
	if n := r.queue.known[w.Job.ID]; n != nil && w.Job.ID == it.work.Job.ID && w.Job.Part == it.work.Job.Part {
		n.since = it.since
	}
}
