package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// An attempt is one turn at an item, in a goroutine of its own. It owns the
// item until its outcome.
type attempt struct {
	o     *Outbox
	item  *item
	line  line
	probe bool

	grant parley.Grant // under which the item was queued
	parts int
	time  time.Duration // that the provider may take for the part
}

// An outcome is how an attempt ended, for the runner.
type outcome struct {
	item  *item
	next  []store.Work // that became ready
	again bool         // the item goes back to the queue, due at item.due
	probe bool         // it was the circuit's probe

	asked      bool        // the provider was asked, and this is what it said:
	kind       parley.Kind // of its error, "" if it took the part
	wait       time.Duration
	generation int64 // of the channel that was used
	reason     string
}

const (
	// claimMargin is how long before the deadline of a claim its request is given
	// up, so that it is over by any clock when the deadline passes.
	claimMargin = 5 * time.Second
	// faultsAllowed is how often a job may fail before its claim by our own fault.
	faultsAllowed = 3
	// uploadRate is how many bytes of a file are taken to leave in a second at
	// least. A slow line must not make a send that goes on look like one that failed.
	uploadRate = 128 << 10
)

// uploadTime returns how much longer than a text a file may take.
func uploadTime(a *parley.Attachment) time.Duration {
	if a == nil {
		return 0
	}
	return time.Duration(a.Size/uploadRate) * time.Second
}

// deliver takes the item's part from plan to outcome.
func (a *attempt) deliver() outcome {
	w := a.item.work
	if a.o.expired(w) {
		return a.end("", reasonExpired)
	}
	part, plan, err := a.plan()
	if err != nil {
		return a.unplanned(err)
	}
	if !a.granted() {
		return a.outcome()
	}
	a.time = a.o.cfg.SendTimeout + uploadTime(part.File)
	deadline, err := a.claim(plan)
	switch {
	case parley.KindOf(err) == parley.KindConflict:
		return a.outcome() // somebody else's by now, or news that was out of date
	case err != nil:
		a.o.warn(w, "claim failed", err)
		return a.back(a.o.cfg.Now().Add(time.Second), err) // it may have been committed all the same
	case a.late(deadline):
		return a.back(a.o.cfg.Now(), errLate)
	}
	return a.send(part, deadline)
}

func (a *attempt) outcome() outcome { return outcome{item: a.item, probe: a.probe} }

// plan returns the part whose turn it is, and the plan of all if there are
// several. A plan that was stored is kept, whatever the client would make of the
// message today.
func (a *attempt) plan() (connector.Part, []store.Planned, error) {
	w := a.item.work
	if a.line.err != nil {
		return connector.Part{}, nil, a.line.err
	}
	parts, err := a.split()
	planned := w.Plan
	if len(planned) == 0 {
		if err != nil {
			return connector.Part{}, nil, err
		}
		planned = plannedOf(parts)
	}
	i, n := w.Job.Part, len(planned)
	if i >= n {
		return connector.Part{}, nil, fmt.Errorf("part %d of a plan of %d", i, n)
	}
	var part connector.Part
	if len(parts) == n {
		part = parts[i]
	}
	part.Message, part.Chat, part.Index, part.Count, part.Text, part.Key = &w.Message, w.Chat, i, n, planned[i].Text, partKey(w)
	if part.File, err = fileOf(w, planned[i].File); err != nil {
		return connector.Part{}, nil, err
	}
	a.parts = n
	if n == 1 {
		planned = nil
	}
	return part, planned, nil
}

func (a *attempt) split() (parts []connector.Part, err error) {
	err = a.o.guard("plan", a.item.work.Job.Channel, func() (err error) {
		parts, err = a.line.client.Plan(&a.item.work.Message)
		return err
	})
	if err == nil && len(parts) == 0 {
		err = errors.New("a plan without parts")
	}
	return parts, err
}

func plannedOf(parts []connector.Part) []store.Planned {
	planned := make([]store.Planned, len(parts))
	for i := range parts {
		planned[i].Text = parts[i].Text
		if parts[i].File != nil {
			planned[i].File = parts[i].File.ID
		}
	}
	return planned
}

var errFileGone = parley.Errorf(parley.KindRejected, "a file of the message is not there any more")

// fileOf returns the file of a planned part, nil if it has none.
func fileOf(w *store.Work, id parley.AttachmentID) (*parley.Attachment, error) {
	if id == 0 {
		return nil, nil
	}
	if a := w.File(id); a != nil {
		return a, nil
	}
	return nil, errFileGone
}

// partKey is stable over the attempts at a part, and different for every part.
func partKey(w *store.Work) string {
	return strconv.FormatInt(int64(w.Job.ID), 10) + "." + strconv.Itoa(w.Job.Part)
}

// unplanned ends a job whose message cannot be expressed, and tries again a few
// times if it is our own fault. Nothing was claimed.
func (a *attempt) unplanned(err error) outcome {
	a.log(err, a.o.cfg.Now())
	if verdicts[parley.KindOf(err)] == verdictFail {
		return a.end(parley.KindOf(err), parley.Reason(err))
	}
	if a.item.faults++; a.item.faults >= faultsAllowed {
		return a.end(parley.KindInternal, reasonInternal)
	}
	out := a.outcome()
	out.again, a.item.due, a.item.paced = true, a.o.cfg.Now().Add(backOff(a.item.faults)), false
	return out
}

const reasonInternal = "internal error"

// claim records that the part is about to leave. Without a commit nothing may.
func (a *attempt) claim(plan []store.Planned) (deadline time.Time, err error) {
	w := a.item.work
	deadline = a.o.cfg.Now().Add(a.time + claimMargin)
	c := &store.Claim{Job: w.Job.ID, Company: w.Job.Company, Grant: a.grant, Part: w.Job.Part, Plan: plan, Deadline: deadline}
	err = a.o.cfg.Store.Claim(a.o.work, c)
	w.Claimed(c)
	return deadline, err
}

// errLate is why a part that was claimed goes back without having left.
var errLate = parley.Errorf(parley.KindUnavailable, "it was given back before it left")

// late reports whether the claimed part should not leave: we are stopping, the
// company has gone to another node, or the commit took so long that a request
// would hardly have time to be answered.
func (a *attempt) late(deadline time.Time) bool {
	left := deadline.Sub(a.o.cfg.Now()) - claimMargin
	return !a.granted() || left < a.time/2 || a.o.stopping()
}

// granted reports whether the company is still ours, and has been since the item
// was queued: another owner in between may have moved the job on.
func (a *attempt) granted() bool {
	grant, mine := a.o.cfg.Grants.Grant(a.item.work.Job.Company)
	return mine && grant == a.grant
}

func (o *Outbox) stopping() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.running
}

// send lets the part leave. Its context ends claimMargin before the deadline.
func (a *attempt) send(part connector.Part, deadline time.Time) outcome {
	begun := a.o.cfg.Now()
	ctx, cancel := context.WithTimeout(a.o.work, deadline.Sub(begun)-claimMargin)
	defer cancel()
	var sent connector.Sent
	err := a.o.guard("send", a.item.work.Job.Channel, func() (err error) {
		sent, err = a.line.client.Send(ctx, part)
		return err
	})
	a.log(err, begun)
	took := a.o.cfg.Now().Sub(begun)
	a.o.cfg.Observe.PartSent(a.line.spec.Name, parley.KindOf(err), took)
	if a.o.cfg.Trace != nil {
		a.o.cfg.Trace(Send{Job: &a.item.work.Job, Provider: a.line.spec.Name, Begun: begun, Took: took, Kind: parley.KindOf(err)})
	}
	out := a.conclude(sent, err)
	out.asked, out.kind, out.generation = true, parley.KindOf(err), a.line.generation()
	if e, ok := errors.AsType[*parley.Error](err); ok {
		out.wait, out.reason = cmp.Or(max(0, e.RetryAfter), throttleWait), parley.Reason(err)
	}
	return out
}

// log writes the one line that each attempt leaves.
func (a *attempt) log(err error, begun time.Time) {
	kind, w := parley.KindOf(err), a.item.work
	attrs := []slog.Attr{
		slog.Int64("channel_id", int64(w.Job.Channel)),
		slog.String("provider", a.line.spec.Name),
		slog.Int64("job_id", int64(w.Job.ID)),
		slog.Int("part", w.Job.Part),
		slog.Int("attempt", w.Job.Attempt),
		slog.String("kind", cmp.Or(string(kind), "delivered")),
		slog.Int64("took_ms", a.o.cfg.Now().Sub(begun).Milliseconds()),
	}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	a.o.cfg.Log.LogAttrs(a.o.work, level(kind), "send", attrs...)
}

func level(kind parley.Kind) slog.Level {
	switch kind {
	case parley.KindInvalid:
		return slog.LevelDebug
	case parley.KindUnavailable, parley.KindUncertain, parley.KindLoggedOut:
		return slog.LevelWarn
	case parley.KindInternal:
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (o *Outbox) warn(w *store.Work, text string, err error) {
	o.cfg.Log.LogAttrs(o.work, slog.LevelWarn, text, slog.Int64("channel_id", int64(w.Job.Channel)),
		slog.Int64("job_id", int64(w.Job.ID)), slog.Int("part", w.Job.Part), slog.Any("err", err))
}
