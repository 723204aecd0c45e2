package session

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/parley-im/parley"
)

// How long to wait between tries.
const (
	firstWait    = time.Second
	longestWait  = time.Minute
	farewellWait = 10 * time.Minute // the longest between farewells: nobody waits for them
	obeyed       = time.Hour        // the longest wait that a provider may ask for
)

// A backoff doubles the wait with each failure up to a ceiling, with jitter.
type backoff struct {
	longest  time.Duration
	failures int
}

// next returns the wait after one more failure: between half of it and the whole,
// and no less than the provider asks for.
func (b *backoff) next(err error) time.Duration {
	wait := b.longest
	if b.failures < 16 { // far beyond any ceiling, and no overflow
		wait = min(wait, firstWait<<b.failures)
	}
	b.failures++
	wait = wait/2 + rand.N(wait/2)
	if e, ok := errors.AsType[*parley.Error](err); ok {
		wait = max(wait, min(e.RetryAfter, obeyed))
	}
	return wait
}
