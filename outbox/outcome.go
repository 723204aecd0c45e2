package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A verdict is what a kind of error means for the part that was sent.
type verdict int

const (
	verdictDoubt verdict = iota // it may have arrived; so for every kind that is not expected
	verdictFail                 // it never will
	verdictWait                 // told to wait; the attempt is not spent
	verdictRetry                // surely not delivered; the attempt is spent
	verdictHold                 // the channel cannot send; the attempt is not spent
)

var verdicts = map[parley.Kind]verdict{
	parley.KindInvalid:     verdictFail,
	parley.KindUnsupported: verdictFail,
	parley.KindRejected:    verdictFail,
	parley.KindUnreachable: verdictFail,
	parley.KindThrottled:   verdictWait,
	parley.KindUnavailable: verdictRetry,
	parley.KindLoggedOut:   verdictHold,
	parley.KindUncertain:   verdictDoubt,
	parley.KindInternal:    verdictDoubt,
}

// The schedule of repeats.
const (
	backOffFirst = time.Second
	backOffMax   = 5 * time.Minute // jitter included
	// throttleWait is for a provider that says wait, but not how long.
	throttleWait = 5 * time.Second
	// The pauses between tries to commit an outcome, and how many there are at
	// least.
	commitRetryMin = 50 * time.Millisecond
	commitRetryMax = 5 * time.Second
	commitTries    = 10
)

// backOff returns how long to wait after the n-th failure in a row, n from 1.
func backOff(n int) time.Duration {
	d := backOffFirst << min(max(n, 1)-1, 20)
	return jitter(min(d, backOffMax*4/5))
}

// jitter lengthens d by up to a quarter.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// conclude turns what Send returned into an outcome, and commits it.
func (a *attempt) conclude(sent connector.Sent, err error) outcome {
	if err == nil {
		return a.finish(&store.Finish{Result: store.Delivered, Sent: sent})
	}
	if parley.Interrupted(err) && a.o.work.Err() != nil { // cut off by our own stop
		return a.interrupted(err)
	}
	now, wait := a.o.cfg.Now(), time.Duration(0)
	if e, ok := errors.AsType[*parley.Error](err); ok {
		wait = max(0, e.RetryAfter)
	}
	switch verdicts[parley.KindOf(err)] {
	case verdictFail:
		return a.end(parley.KindOf(err), parley.Reason(err))
	case verdictWait:
		if wait == 0 {
			wait = throttleWait
		}
		return a.back(now.Add(wait+rand.N(min(wait/4, time.Second)+1)), err)
	case verdictRetry:
		return a.retry(now.Add(max(wait, backOff(a.item.work.Job.Attempt))), err)
	case verdictHold:
		return a.back(now, err)
	}
	return a.doubt(now)
}

// interrupted gives back what surely did not leave. The rest stays claimed, and
// whoever owns the company after its deadline looks for proof.
func (a *attempt) interrupted(err error) outcome {
	if parley.KindOf(err) == parley.KindUnavailable {
		return a.back(a.o.cfg.Now(), err)
	}
	return a.outcome()
}

// back makes the job ready again at a time, as if it had not been tried.
func (a *attempt) back(at time.Time, err error) outcome {
	return a.finish(&store.Finish{Result: store.Retry, At: at, Kind: parley.KindOf(err), Reason: parley.Reason(err)})
}

// retry makes the job ready again at a time; the attempt counts.
func (a *attempt) retry(at time.Time, err error) outcome {
	return a.finish(&store.Finish{Result: store.Retry, At: at, Spent: true, Kind: parley.KindOf(err), Reason: parley.Reason(err)})
}

// end ends the job undelivered. The kind is empty if it was not an error that
// ended it.
func (a *attempt) end(kind parley.Kind, reason string) outcome {
	return a.finish(&store.Finish{Result: store.Failed, Kind: kind, Reason: partReason(a.item.work, reason)})
}

// partReason says which part of several it was, unless it was the first: then
// nothing of the message was sent.
func partReason(w *store.Work, reason string) string {
	if w.Job.Part == 0 {
		return reason
	}
	return fmt.Sprintf("part %d of %d: %s", w.Job.Part+1, max(len(w.Plan), w.Job.Part+1), reason)
}

func (a *attempt) finish(f *store.Finish) outcome {
	f.Work, f.Parts = a.item.work, a.parts
	out := a.outcome()
	out.next, _ = a.o.finish(a.o.commit, a.line.spec.Name, f)
	return out
}

// finish commits an outcome, again and again until it is in the store, refused
// there, or ctx ends. It fills in the grant. If the store takes the outcomes of
// others but not this one, it gives up: the job is then found abandoned.
func (o *Outbox) finish(ctx context.Context, provider string, f *store.Finish) ([]store.Work, bool) {
	f.Parts = max(f.Parts, len(f.Work.Plan), 1)
	stored, pause := o.stored.Load(), commitRetryMin
	for tries := 1; ; tries++ {
		grant, mine := o.cfg.Grants.Grant(f.Work.Job.Company)
		if !mine {
			return nil, false
		}
		f.Grant = grant
		done, err := o.cfg.Store.Finish(ctx, f)
		if err == nil {
			o.stored.Add(1)
			o.observe(provider, &done.Job)
			return done.Next, true
		}
		ended := parley.KindOf(err) == parley.KindConflict // by somebody else, which is no fault
		if !ended {
			o.warn(f.Work, "outcome not stored", err)
		}
		refused := ended || tries >= commitTries && o.stored.Load() > stored
		if refused || !sleep(ctx, pause) {
			return nil, false
		}
		pause = min(2*pause, commitRetryMax)
	}
}

// observe tells of a job that has ended.
func (o *Outbox) observe(provider string, j *parley.Job) {
	if !j.State.Open() {
		o.cfg.Observe.JobEnded(provider, j.State == parley.JobDelivered, o.cfg.Now().Sub(j.CreatedAt))
	}
}

// sleep waits, and reports false once ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
