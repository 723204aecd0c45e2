package outbox

import (
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// What is done about a part that may have arrived.
const (
	// KeyValidity is how long after the first doubt a part is sent again under
	// its key. Beyond it the provider might do the same twice; the shortest memory
	// known is about an hour. Source: VK API, messages.send, random_id, read 2026-11.
	KeyValidity = 10 * time.Minute
	// ProofWait is how long an echo or a receipt may still prove that it arrived.
	ProofWait = time.Minute

	proofFirst = 500 * time.Millisecond // until the second look for proof; it doubles
	proofMax   = 8 * time.Second
	// crashesAllowed is how many claims of a part in a row may go without an outcome.
	crashesAllowed = 3
)

// reasonDoubt is why a part is sent again under its key.
const reasonDoubt = "the outcome is not known; the messenger tells a repetition by its key"

const reasonCrashed = "given up after several tries that ended without an outcome, the message may have arrived"

// doubt begins after a send whose outcome is not known. The row stays claimed
// meanwhile: an echo without our key is held back because of that.
func (a *attempt) doubt(now time.Time) outcome {
	a.item.doubt, a.item.watched = true, now
	if a.item.since.IsZero() {
		a.item.since = now
	}
	return a.weigh(a.line.spec)
}

// prove looks again for proof.
func (a *attempt) prove() outcome {
	if a.item.foreign && !a.confirm() {
		return a.outcome()
	}
	a.parts = max(1, len(a.item.work.Plan))
	l := a.o.look(a.o.work, a.item.work.Job.Channel)
	switch l.kind() {
	case "":
	case parley.KindLoggedOut, parley.KindNotFound:
		l.spec.Keyed = false // there is nothing to send it again with
	default:
		return a.lookAgain(proofMax)
	}
	a.line.spec.Name = l.spec.Name // the runner may not have looked it up
	return a.weigh(l.spec)
}

// confirm reads an abandoned part once more: since it was found, it may have
// been finished here.
func (a *attempt) confirm() bool {
	w := a.item.work
	now, err := a.o.cfg.Store.SendingWork(a.o.work, w.Job.ID-1, 1)
	if err != nil || len(now) == 0 {
		return false // the poll finds it again
	}
	a.item.crashed = true
	j := &now[0].Job
	if j.ID != w.Job.ID || j.Part != w.Job.Part || j.Term != w.Job.Term || !j.Deadline.Equal(w.Job.Deadline) {
		return false
	}
	a.item.foreign, a.item.since, a.item.watched = false, w.Job.Deadline, a.o.cfg.Now()
	return true
}

func keyStillValid(since, now time.Time) bool { return now.Before(since.Add(KeyValidity)) }

// weigh decides by what proof there is, and by what the provider can do.
func (a *attempt) weigh(spec connector.Spec) outcome {
	w, now := a.item.work, a.o.cfg.Now()
	sent, arrived, err := a.o.cfg.Store.EchoOf(a.o.work, w)
	switch {
	case err != nil:
		a.o.warn(w, "no look at echoes", err)
		return a.lookAgain(proofMax)
	case arrived:
		return a.finish(&store.Finish{Result: store.Delivered, Sent: sent})
	case spec.Keyed && a.crashes():
		return a.end(parley.KindUncertain, reasonCrashed)
	case spec.Keyed && keyStillValid(a.item.since, now):
		return a.finish(&store.Finish{Result: store.Retry, At: now.Add(backOff(w.Job.Attempt)), Spent: true, Crash: a.item.crashed,
			Kind: parley.KindUncertain, Reason: reasonDoubt})
	case spec.Receipts && a.waited() < ProofWait:
		return a.lookAgain(min(proofFirst<<min(a.item.checks, 10), proofMax, ProofWait-a.waited()))
	}
	return a.end(parley.KindUncertain, parley.UnknownOutcome)
}

// crashes reports whether this part looks like what ends the process each time.
func (a *attempt) crashes() bool {
	return a.item.crashed && a.item.work.Job.Crashes >= crashesAllowed
}

// waited returns for how long proof has been looked for.
func (a *attempt) waited() time.Duration { return a.o.cfg.Now().Sub(a.item.watched) }

// lookAgain puts the item back, to be looked at after a while.
func (a *attempt) lookAgain(after time.Duration) outcome {
	a.item.checks++
	a.item.due = a.o.cfg.Now().Add(after)
	out := a.outcome()
	out.again = true
	return out
}
