package webhook

import (
	"math/bits"
	"time"
)

// How many requests may be under way to one endpoint.
const (
	minLimit   = 1
	startLimit = 4
	maxLimit   = 64
)

// slowAnswer is what an answer may take before it counts as slow.
const slowAnswer = time.Second

// A pace adapts how much an endpoint is given at once, and remembers how its last
// 64 attempts went. Each success allows one more at first, so that the limit
// doubles with every round trip; a failure halves it, once per round trip; from
// there it rises by one per round trip.
type pace struct {
	limit float64
	knee  float64   // below it the limit doubles
	cutAt time.Time // a failure of what started before it does not count again

	slow, bad uint64 // of the last attempts, the latest in the lowest bit
	seen      int    // how many of the bits are in use
}

func newPace(limit float64) pace { return pace{limit: limit, knee: maxLimit} }

// allowed returns how many requests may be under way.
func (p *pace) allowed() int { return int(p.limit) }

// success takes note of an attempt that took as long.
func (p *pace) success(took time.Duration) {
	p.note(took, 0)
	step := 1.0
	if p.limit >= p.knee || took > slowAnswer {
		step = 1 / p.limit
	}
	p.limit = min(p.limit+step, maxLimit)
}

// failure takes note of an attempt that failed. What the receiver says about the
// one event does not slow the others down.
func (p *pace) failure(took time.Duration, started, now time.Time, overload bool) {
	p.note(took, 1)
	if !overload || started.Before(p.cutAt) {
		return
	}
	p.limit = max(p.limit/2, minLimit)
	p.knee, p.cutAt = p.limit, now
}

// restart forgets the limit that failures brought about.
func (p *pace) restart() { p.knee = maxLimit }

func (p *pace) note(took time.Duration, bad uint64) {
	var slow uint64
	if took > slowAnswer {
		slow = 1
	}
	p.slow, p.bad = p.slow<<1|slow, p.bad<<1|bad
	p.seen = min(p.seen+1, 64)
}

// weak reports whether the endpoint is slow (one answer in twenty takes longer
// than slowAnswer) or mostly fails.
func (p *pace) weak() bool {
	return bits.OnesCount64(p.slow)*20 > p.seen || bits.OnesCount64(p.bad)*2 > p.seen
}
