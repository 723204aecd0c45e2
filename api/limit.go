package api

import (
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// A group is a set of endpoints whose calls count together.
type group int

const (
	groupSend group = iota
	groupUpload
	groupHistory
	groupConversations
	groups // how many there are
)

// An allowance is how many calls there may be within any span of that length.
type allowance struct {
	calls int
	span  time.Duration
}

// profile is what one caller may do: the limits of the messenger API's second
// version. The last allowance of a group is the one over the longest span.
var profile = [groups][]allowance{
	groupSend:          {{5, time.Second}, {30, time.Minute}},
	groupUpload:        {{5, time.Second}, {30, time.Minute}},
	groupHistory:       {{20, time.Minute}},
	groupConversations: {{10, time.Minute}},
}

// limited says which endpoints are in which group. All others are not limited.
var limited = map[string]group{
	"POST companies/C/conversations/CV/messages":             groupSend,
	"POST companies/C/conversations/CV/message":              groupSend,
	"POST companies/C/channels/CH/conversations":             groupSend,
	"POST companies/C/channels/CH":                           groupSend, // the first message, as one SDK spells it
	"POST companies/C/conversations/CV/messages/attachments": groupUpload,
	"GET companies/C/conversations/CV/messages":              groupHistory,
	"GET companies/C/waba_templates":                         groupHistory,
	"GET companies/waba_templates":                           groupHistory,
	"GET companies/C/conversations":                          groupConversations,
	"POST companies/C/conversations":                         groupConversations,
}

// A caller is who is limited in what: a token, or a user who has signed in, whose
// tokens change.
type caller struct {
	token [32]byte
	user  parley.UserID
	group group
}

// limit refuses a call that comes too early. Refused calls do not count.
func (s *Server) limit(c *call) error {
	if s.limiter == nil {
		return nil
	}
	g, ok := limited[c.endpoint.method+" "+c.endpoint.pattern]
	if !ok {
		return nil
	}
	who := caller{group: g}
	if copy(who.token[:], c.token) == 0 {
		who.user = c.user.ID
	}
	if wait := s.limiter.take(who); wait > 0 {
		return &parley.Error{Kind: parley.KindThrottled, Message: "too many requests", RetryAfter: wait}
	}
	return nil
}

// maxCallers bounds the memory of a limiter: about 300 bytes for each.
const maxCallers = 100_000

// A limiter counts calls. It is safe for concurrent use.
type limiter struct {
	now   func() time.Time
	begun time.Time

	mu    sync.Mutex
	known map[caller]*recent
	swept time.Duration // since begun
}

// A recent is when the last calls of a caller were, as many as matter.
type recent struct {
	at   []time.Duration // since the limiter's beginning; a ring, once it is full
	next int             // where the next goes, which is where the oldest is in a full ring
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, begun: now(), known: map[caller]*recent{}}
}

// take counts a call, or says how long to wait for it.
func (l *limiter) take(who caller) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().Sub(l.begun)
	l.sweep(now)
	r := l.known[who]
	if r == nil {
		l.room()
		r = &recent{}
		l.known[who] = r
	}
	allowances := profile[who.group]
	for _, a := range allowances {
		wait = max(wait, r.wait(a, now))
	}
	if wait == 0 {
		r.add(now, allowances[len(allowances)-1].calls)
	}
	return wait
}

// wait is how long it is until the allowance has room for one more.
func (r *recent) wait(a allowance, now time.Duration) time.Duration {
	if len(r.at) < a.calls {
		return 0
	}
	oldest := r.at[(r.next-a.calls+len(r.at))%len(r.at)]
	return max(oldest+a.span-now, 0)
}

// add notes a call; no more than size are kept.
func (r *recent) add(now time.Duration, size int) {
	if len(r.at) < size {
		r.at = append(r.at, now)
		r.next = len(r.at) % size
		return
	}
	r.at[r.next] = now
	r.next = (r.next + 1) % size
}

// last is when the newest call was.
func (r *recent) last() time.Duration { return r.at[(r.next-1+len(r.at))%len(r.at)] }

// sweep forgets, once a minute, who has not called for a minute: no allowance
// reaches back further.
func (l *limiter) sweep(now time.Duration) {
	if now-l.swept < time.Minute {
		return
	}
	l.swept = now
	for who, r := range l.known {
		if now-r.last() >= time.Minute {
			delete(l.known, who)
		}
	}
}

// room makes room for one more caller, by forgetting any other.
func (l *limiter) room() {
	if len(l.known) < maxCallers {
		return
	}
	for who := range l.known {
		delete(l.known, who)
		return
	}
}
