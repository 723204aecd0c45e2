package attachment

import (
	"sync"
	"time"
)

// The circuit in front of the blob store.
const (
	probeFirst = time.Second // from the failure to the first probe; it doubles
	probeMax   = time.Minute
)

// A circuit keeps fetches from starting while our own blob store fails: it lets
// one at a time find out. The zero value is closed.
type circuit struct {
	mu      sync.Mutex
	open    bool
	probing bool
	gap     time.Duration
	at      time.Time // of the next probe
}

// pass says whether a fetch may start, and whether it is the probe.
func (c *circuit) pass(now time.Time) (probe, pass bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return false, true
	}
	if c.probing || now.Before(c.at) {
		return false, false
	}
	c.probing = true
	return true, true
}

// good closes the circuit: the store took something.
func (c *circuit) good() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.probing = false, false
}

// bad opens the circuit, or keeps it open for longer if that was the probe. It
// returns how long it is until the next probe, and whether it was closed before.
func (c *circuit) bad(now time.Time, probe bool) (wait time.Duration, opened bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	opened = !c.open
	switch {
	case opened:
		c.open, c.gap, c.at = true, probeFirst, now.Add(probeFirst)
	case probe:
		c.gap = min(2*c.gap, probeMax)
		c.at = now.Add(jitter(c.gap))
	}
	return c.gap, opened
}

// ended is told of the end of every fetch, so that a probe that never came to the
// store makes room for another.
func (c *circuit) ended(probe bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if probe {
		c.probing = false
	}
}
