package inbox

import (
	"sync"

	"github.com/parley-im/parley"
)

// A load is what is under way.
type load struct {
	items int
	bytes int64
}

// A gate bounds what is under way, with a share for each channel: three quarters
// while no other is active, so that there is always room for another, and a
// quarter otherwise.
type gate struct {
	items int
	bytes int64

	mu       sync.Mutex
	total    load
	channels map[parley.ChannelID]load // the active ones
}

// enter lets one callback of a size in, or not, at once. leave must be called
// when it is done.
func (g *gate) enter(id parley.ChannelID, size int64) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.channels[id]
	quarters := 3
	if others := len(g.channels) - min(1, of.items); others > 0 {
		quarters = 1
	}
	if !g.fits(of, size, quarters) || !g.fits(g.total, size, 4) {
		return nil, false
	}
	return g.add(id, size), true
}

// force lets something in that is bounded elsewhere.
func (g *gate) force(id parley.ChannelID, size int64) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(id, size)
}

// fits reports whether one more is within so many quarters of the whole. The first
// of a channel always fits its share, or a large callback never would.
func (g *gate) fits(l load, size int64, quarters int) bool {
	if l.items == 0 {
		return true
	}
	return l.items+1 <= max(1, g.items*quarters/4) && l.bytes+size <= g.bytes*int64(quarters)/4
}

func (g *gate) add(id parley.ChannelID, size int64) (leave func()) {
	g.change(id, 1, size)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.change(id, -1, -size)
	}
}

func (g *gate) change(id parley.ChannelID, items int, bytes int64) {
	g.total.items, g.total.bytes = g.total.items+items, g.total.bytes+bytes
	l := g.channels[id]
	l.items, l.bytes = l.items+items, l.bytes+bytes
	if l.items == 0 {
		delete(g.channels, id)
		return
	}
	g.channels[id] = l
}
