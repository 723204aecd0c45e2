package simulator

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A FaultKind says what goes wrong.
type FaultKind string

// The kinds of fault. The first group meets the gateway's calls, the second the
// body of an answer that is right in itself, such as a download, the third the
// callbacks to the gateway.
const (
	FaultStatus    FaultKind = "status"     // Status with the provider's error body; not processed
	FaultHTML      FaultKind = "html"       // 502 with an HTML page; not processed
	FaultGarbage   FaultKind = "garbage"    // 200 with malformed JSON; not processed
	FaultThrottle  FaultKind = "throttle"   // 429 with RetryAfter; not processed
	FaultCutBefore FaultKind = "cut_before" // connection closed, not processed
	FaultCutAfter  FaultKind = "cut_after"  // processed, then connection closed without an answer
	FaultSlow      FaultKind = "slow"       // Delay, then processed and answered
	FaultLate      FaultKind = "late"       // processed at once, answered after Delay

	FaultCutBody FaultKind = "cut_body" // Content-Length is right, the connection is closed after half of the body
	FaultShort   FaultKind = "short"    // half of the body, with the Content-Length of the half
	FaultLong    FaultKind = "long"     // the body twice, with the Content-Length of that
	FaultEndless FaultKind = "endless"  // the body again and again, until the gateway hangs up
	FaultTrickle FaultKind = "trickle"  // the body in pieces, the last of them after Delay

	FaultTwice       FaultKind = "twice"        // a callback that was accepted is made once more
	FaultReorder     FaultKind = "reorder"      // an event waits until the next one of its chat was accepted
	FaultWrongSecret FaultKind = "wrong_secret" // one attempt carries a wrong secret
)

var callFaults = []FaultKind{
	FaultStatus, FaultHTML, FaultGarbage, FaultThrottle, FaultCutBefore, FaultCutAfter, FaultSlow, FaultLate,
	FaultCutBody, FaultShort, FaultLong, FaultEndless, FaultTrickle,
}

var callbackFaults = []FaultKind{FaultTwice, FaultReorder, FaultWrongSecret}

// maxDelay bounds DelayMS: ten minutes.
const maxDelay = 10 * 60 * 1000

// A Fault is one line of the script. Method, Account and Chat narrow it down;
// empty means any. Method is the provider's method name, compared without case;
// for a callback fault it is the kind of event.
type Fault struct {
	ID         int64     `json:"id"`
	Kind       FaultKind `json:"kind"`
	Method     string    `json:"method,omitempty"`
	Account    string    `json:"account,omitempty"`
	Chat       string    `json:"chat,omitempty"`
	Times      int       `json:"times"`                 // how often still; -1 until removed; 0 when added means 1
	DelayMS    int64     `json:"delay_ms,omitempty"`    // milliseconds, for slow, late and trickle; at most ten minutes
	RetryAfter int       `json:"retry_after,omitempty"` // seconds, for throttle; 0 means 1
	Status     int       `json:"status,omitempty"`      // 400–599, for status; 0 means 500
}

// Delay is how long slow, late and trickle take.
func (f Fault) Delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

func (f Fault) matches(method, account, chat string) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, method)) &&
		(f.Account == "" || f.Account == account) &&
		(f.Chat == "" || f.Chat == chat)
}

// checked fills the defaults and refuses what cannot happen.
func (f Fault) checked() (Fault, error) {
	if f.Times == 0 {
		f.Times = 1
	}
	switch {
	case f.Times < -1:
		return f, invalid("times must be a positive number, or -1 for a fault that stays until it is removed")
	case f.DelayMS < 0 || f.DelayMS > maxDelay:
		return f, invalid(fmt.Sprintf("delay_ms must lie between 0 and %d", maxDelay))
	case f.RetryAfter < 0:
		return f, invalid("retry_after must be a number of seconds, 1 or more")
	case !contains(callFaults, f.Kind) && !contains(callbackFaults, f.Kind):
		return f, invalid(fmt.Sprintf("kind must be one of %v %v", callFaults, callbackFaults))
	}
	return f.checkedForKind()
}

func (f Fault) checkedForKind() (Fault, error) {
	switch f.Kind {
	case FaultSlow, FaultLate, FaultTrickle:
		if f.DelayMS == 0 {
			return f, invalid("slow, late and trickle need delay_ms")
		}
	case FaultThrottle:
		f.RetryAfter = max(f.RetryAfter, 1)
	case FaultStatus:
		if f.Status == 0 {
			f.Status = 500
		}
		if f.Status < 400 || f.Status > 599 {
			return f, invalid("status must lie between 400 and 599")
		}
	}
	return f, nil
}

// Faults is the script. The zero value is empty and ready. It is safe for
// concurrent use, and costs one atomic read per call while empty.
type Faults struct {
	active atomic.Int64 // len(list), read without the lock

	mu   sync.Mutex
	list []Fault
	last int64
}

// Add appends a fault and returns it with its id and defaults filled in. Its
// error is of kind parley.KindInvalid.
func (s *Faults) Add(f Fault) (Fault, error) {
	f, err := f.checked()
	if err != nil {
		return Fault{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	f.ID = s.last
	s.list = append(s.list, f)
	s.active.Store(int64(len(s.list)))
	return f, nil
}

// List returns the faults still to come, in the order of adding. The caller
// owns the slice; it is never nil.
func (s *Faults) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault{}, s.list...)
}

// Remove removes one fault and reports whether it was there.
func (s *Faults) Remove(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if s.list[i].ID == id {
			s.drop(i)
			return true
		}
	}
	return false
}

// Clear removes all faults.
func (s *Faults) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
	s.active.Store(0)
}

// Take returns the fault that meets this call and counts it. Faults that are
// counted go before standing ones, so a single failure can be scripted over a
// standing latency; among equals the oldest wins.
func (s *Faults) Take(method, account, chat string) (Fault, bool) {
	return s.take(callFaults, method, account, chat)
}

// TakeCallback returns the fault that meets a callback about event, out of
// kinds, or of all callback kinds if none is given.
func (s *Faults) TakeCallback(event, account, chat string, kinds ...FaultKind) (Fault, bool) {
	if len(kinds) == 0 {
		kinds = callbackFaults
	}
	return s.take(kinds, event, account, chat)
}

func (s *Faults) take(kinds []FaultKind, method, account, chat string) (Fault, bool) {
	if s.active.Load() == 0 {
		return Fault{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(kinds, method, account, chat)
	if i < 0 {
		return Fault{}, false
	}
	f := s.list[i]
	if f.Times > 1 {
		s.list[i].Times--
	} else if f.Times == 1 {
		s.drop(i)
	}
	return f, true
}

func (s *Faults) find(kinds []FaultKind, method, account, chat string) int {
	standing := -1
	for i, f := range s.list {
		if !contains(kinds, f.Kind) || !f.matches(method, account, chat) {
			continue
		}
		if f.Times > 0 {
			return i
		}
		if standing < 0 {
			standing = i
		}
	}
	return standing
}

func (s *Faults) drop(i int) {
	s.list = append(s.list[:i], s.list[i+1:]...)
	s.active.Store(int64(len(s.list)))
}

func contains(kinds []FaultKind, k FaultKind) bool {
	for _, kind := range kinds {
		if kind == k {
			return true
		}
	}
	return false
}
