package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/parley-im/parley"
)

// The polls, which make certain what Wake makes fast.
const (
	readyPoll   = time.Second
	openPoll    = 5 * time.Second
	promotePoll = time.Minute
	sendingPage = 500
)

// watch starts the polls; each ends with ctx.
func (o *Outbox) watch(ctx context.Context) {
	for _, p := range []struct {
		every time.Duration
		name  string
		f     func(context.Context) error
	}{
		{readyPoll, "ready", o.pollReady},
		{openPoll, "sending", o.pollSending},
		{openPoll, "open", o.pollOpen},
		{promotePoll, "promote", o.promote},
	} {
		o.wg.Go(func() { o.repeat(ctx, p.every, p.name, p.f) })
	}
}

func (o *Outbox) repeat(ctx context.Context, every time.Duration, name string, f func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			o.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "outbox poll failed", slog.String("poll", name), slog.Any("err", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// pollReady makes runners look for work that is due.
func (o *Outbox) pollReady(ctx context.Context) error {
	refs, err := o.cfg.Store.ReadyChannels(ctx)
	for _, ref := range refs {
		o.route(ref.Company, ref.ID, mail{kind: mailPoll})
	}
	return err
}

// pollSending finds parts that were claimed and whose deadline has passed. The
// runner knows which of them are its own.
func (o *Outbox) pollSending(ctx context.Context) error {
	for after := parley.JobID(0); ; {
		page, err := o.cfg.Store.SendingWork(ctx, after, sendingPage)
		for i := range page {
			w := page[i]
			after = w.Job.ID
			if grant, mine := o.cfg.Grants.Grant(w.Job.Company); mine && w.Job.Term <= grant.Term && o.cfg.Now().After(w.Job.Deadline) {
				o.route(w.Job.Company, w.Job.Channel, mail{kind: mailAbandoned, work: &w})
			}
		}
		if err != nil || len(page) < sendingPage {
			return err
		}
	}
}

// pollOpen makes runners end what cannot be sent any more: jobs that have
// expired, and those of channels that are gone or have not come back in time.
func (o *Outbox) pollOpen(ctx context.Context) error {
	open, err := o.cfg.Store.OpenChannels(ctx)
	now := o.cfg.Now()
	for _, c := range open {
		expired := !now.Before(c.Oldest.Add(o.cfg.JobExpiry))
		gone := c.State == parley.ChannelDeleted
		late := !c.State.Live() && !now.Before(c.StateAt.Add(o.cfg.ConnectGrace))
		if expired || gone || late {
			o.route(c.Company, c.ID, mail{kind: mailSweep})
		}
	}
	return err
}

func (o *Outbox) promote(ctx context.Context) error {
	work, err := o.cfg.Store.Promote(ctx)
	o.Wake(work)
	return err
}
