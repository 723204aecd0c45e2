package outbox

import (
	"time"

	"github.com/parley-im/parley"
)

// The circuit and the channel-wide wait.
const (
	// circuitFailures in a row, of at least two conversations, open the circuit.
	circuitFailures = 5
	circuitProbe    = time.Second // until the first probe; it doubles
	circuitProbeMax = 30 * time.Second
	// throttledChats told to wait within throttledSpan make the channel wait.
	throttledChats = 3
	throttledSpan  = 10 * time.Second
)

// health is what the answers so far say about a channel's provider. It belongs
// to the channel's runner.
type health struct {
	failures int // sends in a row that found the provider unavailable
	failed   map[parley.ConversationID]bool
	open     bool // the circuit: only probes go out
	probing  bool
	probeAt  time.Time
	probeGap time.Duration

	throttled map[parley.ConversationID]time.Time
	until     time.Time // the whole channel waits
}

// wait returns when the next send may go out, zero for now. With the circuit
// open and a probe under way the answer is never: its outcome will tell.
func (h *health) wait(now time.Time) (at time.Time, never bool) {
	switch {
	case now.Before(h.until):
		return h.until, false
	case h.open && h.probing:
		return time.Time{}, true
	case h.open && now.Before(h.probeAt):
		return h.probeAt, false
	}
	return time.Time{}, false
}

// begin is told of a send, and reports whether it is a probe.
func (h *health) begin() bool {
	h.probing = h.open
	return h.open
}

// end is told that an attempt is over: what the provider said, "" if it was
// never asked or took the part.
func (h *health) end(now time.Time, c parley.ConversationID, out *outcome) {
	if out.probe {
		h.probing = false
	}
	if !out.asked {
		return
	}
	if out.probe {
		h.probeGap = min(2*h.probeGap, circuitProbeMax)
		h.probeAt = now.Add(h.probeGap)
	}
	switch out.kind {
	case parley.KindUnavailable:
		h.fail(now, c)
	case parley.KindUncertain, parley.KindInternal, parley.KindLoggedOut: // says nothing about the provider
	case parley.KindThrottled:
		h.recover()
		h.throttle(now, c, out.wait)
	default:
		h.recover()
	}
}

func (h *health) fail(now time.Time, c parley.ConversationID) {
	if h.failed == nil {
		h.failed = make(map[parley.ConversationID]bool)
	}
	h.failures++
	if len(h.failed) < circuitFailures {
		h.failed[c] = true
	}
	if !h.open && h.failures >= circuitFailures && len(h.failed) > 1 {
		h.open, h.probeGap, h.probeAt = true, circuitProbe, now.Add(circuitProbe)
	}
}

// recover closes the circuit: the provider answers.
func (h *health) recover() {
	h.failures, h.open, h.probing, h.failed = 0, false, false, nil
}

// throttle holds the channel when several conversations are told to wait at
// about the same time: then the limit is the account's, not theirs.
func (h *health) throttle(now time.Time, c parley.ConversationID, wait time.Duration) {
	if h.throttled == nil {
		h.throttled = make(map[parley.ConversationID]time.Time)
	}
	h.throttled[c] = now
	h.forget(now)
	if len(h.throttled) < throttledChats {
		return
	}
	if until := now.Add(wait); until.After(h.until) {
		h.until = until
	}
}

func (h *health) forget(now time.Time) {
	for id, at := range h.throttled {
		if now.Sub(at) > throttledSpan {
			delete(h.throttled, id)
		}
	}
}

// calm reports whether nothing waits for what it knows.
func (h *health) calm(now time.Time) bool {
	h.forget(now)
	return !now.Before(h.until) && !(h.open && now.Before(h.probeAt)) && len(h.throttled) == 0
}
