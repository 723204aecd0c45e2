package store

import "sync"

// A Load is how much of something is under way, or waits.
type Load struct {
	Items int
	Bytes int64
}

func (l Load) plus(o Load) Load  { return Load{l.Items + o.Items, l.Bytes + o.Bytes} }
func (l Load) minus(o Load) Load { return Load{l.Items - o.Items, l.Bytes - o.Bytes} }

// A Gate bounds what is under way, by number and by bytes, with a share for each
// of those who bring it: three quarters for one who is alone, so that there is
// always room for another, and a quarter otherwise. It is safe for concurrent use,
// and none of its methods blocks.
type Gate[K comparable] struct {
	most Load

	mu    sync.Mutex
	total Load
	of    map[K]Load // of those who have anything under way
}

// NewGate returns a Gate for so many items and bytes, both more than 0.
func NewGate[K comparable](items int, bytes int64) *Gate[K] {
	return &Gate[K]{most: Load{items, bytes}, of: make(map[K]Load)}
}

// Enter lets something in, or not, at once and as a whole. Leave must be called
// with the same when it is done. What comes first always fits a share, and an
// empty gate: otherwise what is large would never get in.
func (g *Gate[K]) Enter(who K, l Load) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	of, active := g.of[who]
	others := len(g.of)
	if active {
		others--
	}
	quarters := 3
	if others > 0 {
		quarters = 1
	}
	if !g.fits(of, l, quarters) || !g.fits(g.total, l, 4) {
		return false
	}
	g.set(who, of.plus(l), g.total.plus(l))
	return true
}

// Force lets in what is bounded elsewhere; others make room for it.
func (g *Gate[K]) Force(who K, l Load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(who, g.of[who].plus(l), g.total.plus(l))
}

// Leave takes out what was let in, or a part of it.
func (g *Gate[K]) Leave(who K, l Load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(who, g.of[who].minus(l), g.total.minus(l))
}

// Total returns all that is under way.
func (g *Gate[K]) Total() Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// fits reports whether more is within so many quarters of the whole.
func (g *Gate[K]) fits(has, more Load, quarters int) bool {
	if has.Items == 0 {
		return true
	}
	sum := has.plus(more)
	return sum.Items <= max(1, g.most.Items*quarters/4) && sum.Bytes <= g.most.Bytes*int64(quarters)/4
}

func (g *Gate[K]) set(who K, of, total Load) {
	g.total = total
	if of.Items == 0 {
		delete(g.of, who)
		return
	}
	g.of[who] = of
}
