package webhook

import (
	"math/rand/v2"
	"time"

	"github.com/parley-im/parley"
)

// The names of the policies that NewPolicy knows.
const (
	// PolicyPact repeats 10 times, 60 s apart, as the Pact API documents it.
	PolicyPact = "pact"
	// PolicyStandard repeats 9 times over about three days with growing delays.
	PolicyStandard = "standard"
)

// Bounds of what an operator may set.
const (
	MinDelay   = 10 * time.Millisecond // the shortest delay between two attempts
	MaxRetries = 1000                  // the most repeats of one event
)

// jitter is how much a delay of the standard policy may grow at random, so that
// events that failed together do not return together.
const jitter = 0.2

// standardDelays are the pauses between attempts; the first attempt is immediate.
// Source: Standard Webhooks specification, "Deliverability and reliability", read 2026-11.
var standardDelays = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// A Policy says when a failed event is tried again, and when no more. Make it
// with NewPolicy; the zero value is not a policy.
type Policy struct {
	set    bool
	delays []time.Duration // after the first, second, … failure; then it is parked
	jitter float64         // a delay grows by up to this share of itself
}

// NewPolicy returns the policy of that name. Where retries or delay is not nil it
// replaces the policy's number of repeats, or every pause of it; more repeats than
// the policy has go on with its last pause. The error is of KindInvalid.
func NewPolicy(name string, retries *int, delay *time.Duration) (Policy, error) {
	p := Policy{set: true}
	switch name {
	case PolicyPact:
		p.delays = repeat(nil, 10, time.Minute)
	case PolicyStandard:
		p.delays, p.jitter = standardDelays, jitter
	default:
		return Policy{}, parley.Errorf(parley.KindInvalid, "webhook-policy must be "+PolicyPact+" or "+PolicyStandard)
	}
	if retries != nil {
		if *retries < 0 || *retries > MaxRetries {
			return Policy{}, parley.Errorf(parley.KindInvalid, "webhook-retries must be 0 to 1000")
		}
		p.delays = repeat(p.delays, *retries, p.delays[len(p.delays)-1])
	}
	if delay != nil {
		if *delay < MinDelay {
			return Policy{}, parley.Errorf(parley.KindInvalid, "webhook-delay must be at least 10ms")
		}
		p.delays = repeat(nil, len(p.delays), *delay)
	}
	return p, nil
}

// repeat returns n delays: as many of those given as there are, then more of last.
func repeat(delays []time.Duration, n int, last time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := copy(out, delays); i < n; i++ {
		out[i] = last
	}
	return out
}

// after returns the pause after the given number of failed attempts, and false
// when there is no further attempt.
func (p *Policy) after(attempts int) (time.Duration, bool) {
	if attempts < 1 || attempts > len(p.delays) {
		return 0, false
	}
	d := p.delays[attempts-1]
	return d + time.Duration(rand.Float64()*p.jitter*float64(d)), true
}

// base returns the pause after that many failures without its random part; 0 when
// there is none.
func (p *Policy) base(attempts int) time.Duration {
	if attempts < 1 || attempts > len(p.delays) {
		return 0
	}
	return p.delays[attempts-1]
}

// longest bounds the pause after that many failures.
func (p *Policy) longest(attempts int) time.Duration {
	return max(time.Duration(float64(p.base(attempts))*(1+p.jitter)), maxRetryAfter)
}
