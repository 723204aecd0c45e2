package session

import (
	"context"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A duty is what a worker is there for.
type duty int

const (
	idle     duty = iota // no worker
	serve                // take the channel through its handshake, then run it if it must run
	farewell             // tell the provider that the channel is deleted
)

// A worker does one channel's work until it is done or cancelled. All fields but
// rowAt and again are immutable.
type worker struct {
	id         parley.ChannelID
	company    parley.CompanyID
	provider   string
	generation int64
	grant      parley.Grant
	duty       duty
	delay      time.Duration // before it starts
	cancel     context.CancelFunc

	rowAt time.Time // Channel.StateAt of the row that it was last compared with
	again bool      // the channel has to be looked at once it has stopped
}

// A crew is the workers, at most one for each channel.
type crew struct {
	running sync.WaitGroup
	mu      sync.Mutex
	workers map[parley.ChannelID]*worker
}

// hire starts a worker in a goroutine of its own. The channel must have none.
func (c *crew) hire(w *worker, work func(), recheck func(parley.ChannelID)) {
	c.mu.Lock()
	c.workers[w.id] = w
	c.mu.Unlock()
	c.running.Go(func() {
		work()
		c.mu.Lock()
		delete(c.workers, w.id)
		again := w.again
		c.mu.Unlock()
		if again {
			recheck(w.id)
		}
	})
}

// review compares the channel's worker with its row and stops it if it is not
// what the row asks for. It reports whether there is one, stopping or not.
func (c *crew) review(ch *parley.Channel, d duty) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.workers[ch.ID]
	if w == nil {
		return false
	}
	w.rowAt = ch.StateAt
	if w.duty != d || w.generation != ch.Generation {
		w.again = true
		w.cancel()
	}
	return true
}

func (c *crew) stop(id parley.ChannelID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.workers[id]; w != nil {
		w.cancel()
	}
}

// dismiss stops the workers of companies that are not ours any more, or that are
// ours under another term.
func (c *crew) dismiss(g grants) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		if grant, ours := g.Grant(w.company); !ours || grant != w.grant {
			w.again = true
			w.cancel()
		}
	}
}

// has reports whether the channel has a worker.
func (c *crew) has(id parley.ChannelID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers[id] != nil
}

// knows reports whether the channel's worker was compared with this very row.
func (c *crew) knows(ref store.ChannelRef) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.workers[ref.ID]
	return w != nil && w.rowAt.Equal(ref.StateAt)
}

// doubt names the channels that are served and were not seen among those to be served.
func (c *crew) doubt(seen map[parley.ChannelID]bool, add func(parley.ChannelID)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, w := range c.workers {
		if w.duty == serve && !seen[id] {
			add(id)
		}
	}
}

// A dirty collects the channels that have to be looked at. Each is in it once.
type dirty struct {
	wake chan struct{} // has room for one; filled when there is something

	mu  sync.Mutex
	ids map[parley.ChannelID]struct{}
}

// add takes a channel and wakes the loop. It does not block.
func (d *dirty) add(id parley.ChannelID) {
	d.later(id)
	select {
	case d.wake <- struct{}{}:
	default: // it is awake already
	}
}

// later takes a channel for the next time the loop runs anyway.
func (d *dirty) later(id parley.ChannelID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids[id] = struct{}{}
}

func (d *dirty) take() []parley.ChannelID {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]parley.ChannelID, 0, len(d.ids))
	for id := range d.ids {
		ids = append(ids, id)
	}
	clear(d.ids)
	return ids
}

// A keyed is a set of locks by name, whose wait ends with a context.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the name to be free and takes it. The error is the context's.
func (k *keyed) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		mine, others := k.try(name)
		if others == nil {
			return func() { k.unlock(name, mine) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-others:
		}
	}
}

func (k *keyed) try(name string) (mine, others chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held := k.held[name]; held != nil {
		return nil, held
	}
	if k.held == nil {
		k.held = make(map[string]chan struct{})
	}
	mine = make(chan struct{})
	k.held[name] = mine
	return mine, nil
}

func (k *keyed) unlock(name string, mine chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, name)
	close(mine)
}
