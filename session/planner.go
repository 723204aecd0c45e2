package session

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

var (
	connecting = []parley.ChannelState{parley.ChannelConnecting}
	live       = []parley.ChannelState{parley.ChannelEnabled, parley.ChannelOffline}
	served     = slices.Concat(connecting, live)
)

// A planner is the state of the loop that starts workers; only that loop touches
// it.
type planner struct {
	*Manager
	owned   map[parley.Shard]parley.Term // the shards that are ours
	scanned time.Time                    // when all live channels were last looked at
}

// changed looks at the channels that the hook named.
func (p *planner) changed(ctx context.Context) {
	for _, id := range p.dirty.take() {
		p.reconcile(ctx, id, 0)
	}
}

// poll looks at everything that may need a worker: few rows each second, and all
// live channels when a shard became ours, and once a minute.
func (p *planner) poll(ctx context.Context) {
	p.changed(ctx)
	p.each(ctx, p.list(connecting), p.notice)
	p.each(ctx, p.cfg.Store.Farewells, p.notice)
	now := p.cfg.Now()
	p.cache.closeIdle(now)
	if age := now.Sub(p.scanned); !p.gained() && age >= 0 && age < scanEvery {
		return
	}
	seen := make(map[parley.ChannelID]bool)
	if p.each(ctx, p.list(served), func(ctx context.Context, ref store.ChannelRef) { p.scan(ctx, ref, seen) }) {
		p.scanned = now
		p.crew.doubt(seen, p.dirty.add)
	} else {
		p.scanned = time.Time{}
	}
}

type lister func(ctx context.Context, after parley.ChannelID, limit int) ([]store.ChannelRef, error)

func (m *Manager) list(states []parley.ChannelState) lister {
	return func(ctx context.Context, after parley.ChannelID, limit int) ([]store.ChannelRef, error) {
		return m.cfg.Store.ChannelsInState(ctx, states, after, limit)
	}
}

// each calls f for every listed channel of a company that is ours, and reports
// whether it got to the end.
func (m *Manager) each(ctx context.Context, list lister, f func(context.Context, store.ChannelRef)) bool {
	for after := parley.ChannelID(0); ; {
		refs, err := list(ctx, after, pageSize)
		if err != nil {
			if !parley.Interrupted(err) {
				m.cfg.Log.WarnContext(ctx, "channels could not be listed", problem(err))
			}
			return false
		}
		for _, ref := range refs {
			if _, ours := m.cfg.Grants.Grant(ref.Company); ours && ctx.Err() == nil {
				f(ctx, ref)
			}
		}
		if len(refs) < pageSize {
			return ctx.Err() == nil
		}
		after = refs[len(refs)-1].ID
	}
}

// gained reports whether a shard is ours, or ours anew, that was not before.
func (p *planner) gained() bool {
	gained := false
	for shard := range parley.Shard(parley.Shards) {
		grant, ours := p.cfg.Grants.ShardGrant(shard)
		term, had := p.owned[shard]
		switch {
		case !ours:
			delete(p.owned, shard)
		case !had || term != grant.Term:
			p.owned[shard], gained = grant.Term, true
		}
	}
	return gained
}

// notice looks at a channel that is connecting or waits for its farewell, unless
// its worker was started for that very row.
func (p *planner) notice(ctx context.Context, ref store.ChannelRef) {
	if !p.crew.knows(ref) {
		p.reconcile(ctx, ref.ID, jitter(spread))
	}
}

// scan looks at a channel without a worker if its provider is one whose channels need a
// worker, or if that is not known yet.
func (p *planner) scan(ctx context.Context, ref store.ChannelRef, seen map[parley.ChannelID]bool) {
	if p.crew.has(ref.ID) {
		seen[ref.ID] = true
		return
	}
	if polls, known := p.needsWorker(ref.Provider); polls || !known {
		p.reconcile(ctx, ref.ID, jitter(spread))
	}
}

func (m *Manager) needsWorker(provider string) (polls, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	polls, known = m.polls[provider]
	return polls, known
}

// reconcile reads a channel's row and starts, stops or leaves its worker.
func (p *planner) reconcile(ctx context.Context, id parley.ChannelID, delay time.Duration) {
	ch, err := p.cfg.Store.Channel(ctx, id)
	switch {
	case parley.KindOf(err) == parley.KindNotFound:
		p.cache.drop(id)
		p.crew.stop(id)
		return
	case err != nil:
		if !parley.Interrupted(err) {
			p.cfg.Log.WarnContext(ctx, "channel could not be read", "channel_id", int64(id), problem(err))
		}
		p.dirty.later(id)
		return
	}
	p.cache.observe(ch)
	grant, ours := p.cfg.Grants.Grant(ch.Company)
	duty := idle
	if ours {
		duty = p.duty(ctx, ch)
	}
	p.assign(ctx, ch, grant, duty, delay)
}

// duty says what a channel needs a worker for.
func (m *Manager) duty(ctx context.Context, ch *parley.Channel) duty {
	_, offered := m.cfg.Providers[ch.Provider]
	switch {
	case ch.State == parley.ChannelDeleted && len(ch.Secrets) > 0:
		return farewell
	case !offered:
		return idle
	case ch.State == parley.ChannelConnecting:
		return serve
	case !ch.State.Live():
		return idle
	}
	l, err := m.admit(ctx, ch, m.cache.stamp())
	switch {
	case parley.KindOf(err) == parley.KindLoggedOut:
		return serve // which disables it
	case err != nil:
		m.log(ch).WarnContext(ctx, "channel could not be opened", problem(err))
		return idle
	case m.mustRun(l):
		return serve
	}
	return idle
}

// assign makes the channel's worker be what the row asks for.
func (m *Manager) assign(ctx context.Context, ch *parley.Channel, grant parley.Grant, d duty, delay time.Duration) {
	busy := m.crew.review(ch, d)
	if busy || d == idle {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{id: ch.ID, company: ch.Company, provider: ch.Provider, generation: ch.Generation,
		grant: grant, duty: d, rowAt: ch.StateAt, delay: delay, cancel: cancel}
	m.crew.hire(w, func() {
		defer cancel()
		m.work(ctx, w)
	}, m.dirty.add)
}

func jitter(most time.Duration) time.Duration { return rand.N(most) }
