package simulator

import (
	"sync"
	"time"
)

// A Request is one line of a simulator's log. It never holds a credential.
type Request struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`            // the provider's method name
	Account string    `json:"account,omitempty"` // empty when the credential is unknown
	Chat    string    `json:"chat,omitempty"`
	Status  int       `json:"status"` // HTTP status; 0 when the connection was cut
	TookMS  int64     `json:"took_ms"`
	Fault   FaultKind `json:"fault,omitempty"`
}

// Sent is one thing that the gateway sent and the provider accepted. The ids are
// the provider's, as text.
type Sent struct {
	Seq       uint64         `json:"seq"`
	Time      time.Time      `json:"time"`
	Account   string         `json:"account"`
	Method    string         `json:"method"`
	Chat      string         `json:"chat,omitempty"`
	MessageID string         `json:"message_id,omitempty"`
	Text      string         `json:"text,omitempty"`
	ReplyTo   string         `json:"reply_to,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"` // what only this provider has; nil if nothing
}

// A Ring remembers the last entries in order. Entries are numbered from 1; the
// oldest are forgotten beyond its size. It is safe for concurrent use.
type Ring[T any] struct {
	size uint64

	mu    sync.Mutex
	buf   []T
	total uint64
	grown chan struct{} // made by a waiter, closed by the next Append
}

// NewRing makes a ring that remembers size entries, at least one. Memory is
// taken as it fills.
func NewRing[T any](size int) *Ring[T] { return &Ring[T]{size: uint64(max(size, 1))} }

// Append stores what entry makes of the next number, and returns the number.
// entry runs under the ring's lock.
func (r *Ring[T]) Append(entry func(seq uint64) T) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	v := entry(r.total)
	if uint64(len(r.buf)) < r.size {
		r.buf = append(r.buf, v)
	} else {
		r.buf[(r.total-1)%r.size] = v
	}
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
	return r.total
}

// Total counts all entries ever appended since the last Reset.
func (r *Ring[T]) Total() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// After returns up to limit entries numbered above after that keep accepts,
// oldest first. A nil keep accepts all. The slice is never nil.
func (r *Ring[T]) After(after uint64, limit int, keep func(T) bool) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.after(after, limit, keep)
}

func (r *Ring[T]) after(after uint64, limit int, keep func(T) bool) []T {
	out := []T{}
	for n := max(after, r.total-uint64(len(r.buf))); n < r.total && len(out) < limit; n++ {
		if v := r.buf[n%r.size]; keep == nil || keep(v) {
			out = append(out, v)
		}
	}
	return out
}

// Last returns the newest limit entries, oldest first.
func (r *Ring[T]) Last(limit int) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit = max(min(limit, len(r.buf)), 0)
	return r.after(r.total-uint64(limit), limit, nil)
}

// Grown returns a channel that is closed with the next Append; it is closed already
// if more than seen entries have been appended. Who waits for several looks again.
func (r *Ring[T]) Grown(seen uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total > seen {
		c := make(chan struct{})
		close(c)
		return c
	}
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return r.grown
}

// Reset forgets everything; numbers start at 1 again.
func (r *Ring[T]) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf, r.total = nil, 0
}
