package webhook

import (
	"slices"
	"sync"
)

// A pool counts the requests under way to all endpoints. Owners that get none
// wait in line and are poked when it may be their turn. Weak owners (their
// endpoint fails or is slow) hold a quarter together at most.
type pool struct {
	mu       sync.Mutex
	size     int
	used     int
	weakUsed int
	lines    [2][]*owner // who waits: the others, the weak
}

func newPool(size int) *pool { return &pool{size: size} }

func class(weak bool) int {
	if weak {
		return 1
	}
	return 0
}

// acquire takes a place for o, or puts o in line.
func (p *pool) acquire(o *owner, weak bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := &p.lines[class(weak)]
	if p.free(weak) && (len(*line) == 0 || o.called) {
		p.used++
		if weak {
			p.weakUsed++
		}
		return true
	}
	if !slices.Contains(*line, o) {
		*line = append(*line, o)
	}
	return false
}

func (p *pool) free(weak bool) bool {
	return p.used < p.size && (!weak || p.weakUsed < max(p.size/4, 1))
}

// release gives a place back.
func (p *pool) release(weak bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if weak {
		p.weakUsed--
	}
	p.call()
}

// reclass says that the n places of an owner are now held by a weak one, or no
// longer.
func (p *pool) reclass(n int, weak bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !weak {
		n = -n
	}
	p.weakUsed += n
	p.call()
}

// call pokes the first in each line that there is a place for.
func (p *pool) call() {
	for c := range p.lines {
		if len(p.lines[c]) == 0 || !p.free(c == 1) {
			continue
		}
		o := p.lines[c][0]
		p.lines[c] = p.lines[c][1:]
		o.called = true
		o.poke()
	}
}

// answered ends the turn of an owner that was called, whether it took a place or
// not, and calls the next.
func (p *pool) answered(o *owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.called {
		o.called = false
		p.call()
	}
}

// leave takes an owner that ends out of the lines.
func (p *pool) leave(o *owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.lines {
		p.lines[c] = slices.DeleteFunc(p.lines[c], func(x *owner) bool { return x == o })
	}
	if o.called {
		o.called = false
		p.call()
	}
}
