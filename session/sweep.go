package session

import (
	"context"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

const (
	// sweepEvery is how often the registrations of callbacks are checked, more or
	// less a fifth.
	sweepEvery = 10 * time.Minute
	// sweepStart is how long the first check after a start is put off at most.
	sweepStart = 5 * time.Second
	// sweepPace is the least time between two checks, so that many channels are not
	// checked in a burst.
	sweepPace = 25 * time.Millisecond
	// sweepers is how many checks may be under way at once.
	sweepers = 20
)

// sweep walks over all channels whose provider calls us, again and again, and sees
// to it that it still knows our address.
func (m *Manager) sweep(ctx context.Context) {
	if m.cfg.PublicURL == "" {
		return
	}
	wait := jitter(sweepStart)
	for sleep(ctx, wait) {
		begun := time.Now()
		m.checkAll(ctx)
		wait = max(0, sweepEvery*4/5+jitter(sweepEvery*2/5)-time.Since(begun))
	}
}

// checkAll makes one round and returns when its last check is done.
func (m *Manager) checkAll(ctx context.Context) {
	var checks sync.WaitGroup
	defer checks.Wait()
	places := make(chan struct{}, sweepers)
	m.each(ctx, m.list(live), func(ctx context.Context, ref store.ChannelRef) {
		if m.cfg.Providers[ref.Provider] == nil || !sleep(ctx, sweepPace) {
			return
		}
		places <- struct{}{} // every check ends, by its timeout or with ctx
		checks.Go(func() {
			defer func() { <-places }()
			m.check(ctx, ref)
		})
	})
}

// check registers our address once more; the connector leaves an equal
// registration alone.
func (m *Manager) check(ctx context.Context, ref store.ChannelRef) {
	l, err := m.line(ctx, ref.ID, usable)
	if err != nil {
		m.unopened(ctx, ref, l, err)
		return
	}
	s, ok := m.subscriber(l)
	if !ok {
		if m.mustRun(l) && !m.crew.has(ref.ID) {
			m.dirty.add(ref.ID)
		}
		return
	}
	free, err := m.slot(ctx, ref.Provider)
	if err != nil {
		return
	}
	err = m.subscribe(ctx, l, s)
	free()
	m.checked(ctx, l, err)
}

// unopened deals with a channel that has no client: it may have changed meanwhile,
// or its credentials cannot be right.
func (m *Manager) unopened(ctx context.Context, ref store.ChannelRef, l line, err error) {
	switch {
	case ctx.Err() != nil, parley.KindOf(err) == parley.KindNotFound:
	case parley.KindOf(err) == parley.KindLoggedOut:
		if l.ch.State.Live() {
			m.dirty.add(ref.ID)
		}
	default:
		m.cfg.Log.WarnContext(ctx, "callback registration could not be checked", "provider", ref.Provider,
			"channel_id", int64(ref.ID), "kind", parley.KindOf(err), problem(err))
	}
}

// checked draws the consequences of a check.
func (m *Manager) checked(ctx context.Context, l line, err error) {
	shown := l.ch.Reason
	switch {
	case err == nil:
		m.explain(ctx, l.ch, &shown, "")
	case ctx.Err() == nil:
		m.log(l.ch).WarnContext(ctx, "callback registration could not be checked", "kind", parley.KindOf(err), problem(err))
		m.unregistered(ctx, l, &shown, err)
	}
}

func (m *Manager) unregistered(ctx context.Context, l line, shown *string, err error) {
	switch {
	case parley.KindOf(err) == parley.KindLoggedOut:
		if err := m.LoggedOut(ctx, l.ch.ID, l.ch.Generation, parley.Reason(err)); err != nil {
			m.log(l.ch).WarnContext(ctx, "credentials could not be checked", problem(err))
		}
	default:
		m.explain(ctx, l.ch, shown, "callback registration failed: "+parley.Reason(err))
	}
}
