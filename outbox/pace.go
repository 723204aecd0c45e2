package outbox

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A pacer holds one channel back to the pace of its provider. Its zero value
// holds nothing back. Waiting is never done here: a pacer only says how long.
type pacer struct {
	spec    connector.Pace
	channel *rate.Limiter // nil is unlimited, here and below
	first   *rate.Limiter // first messages to strangers
	chats   map[parley.ConversationID]*rate.Limiter
	swept   int // chats that were left by the last sweep
}

// shortest is the least that a limiter is waited for, so that rounding in it
// cannot make a runner spin.
const shortest = time.Millisecond

func newPacer(cfg *Config) pacer {
	if !cfg.Pace {
		return pacer{}
	}
	return pacer{
		first: rate.NewLimiter(rate.Limit(cfg.FirstPerMin/60), cfg.FirstBurst),
		chats: make(map[parley.ConversationID]*rate.Limiter),
	}
}

// set follows the provider's Spec.
func (p *pacer) set(spec connector.Pace) {
	if p.chats == nil || spec == p.spec {
		return
	}
	p.spec, p.channel = spec, limiter(spec.PerSecond, spec.Burst)
	clear(p.chats)
}

func limiter(perSecond float64, burst int) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, burst))
}

// wait returns how long the channel has to wait for its next send.
func (p *pacer) wait(now time.Time) time.Duration { return waitFor(p.channel, now) }

// waitFirst returns the same for first messages to strangers.
func (p *pacer) waitFirst(now time.Time) time.Duration { return waitFor(p.first, now) }

func waitFor(l *rate.Limiter, now time.Time) time.Duration {
	if l == nil || l.TokensAt(now) >= 1 {
		return 0
	}
	turn := l.ReserveN(now, 1)
	defer turn.CancelAt(now)
	return max(shortest, turn.DelayFrom(now))
}

// take uses up what wait and waitFirst said is there.
func (p *pacer) take(now time.Time, lane parley.Lane) {
	if p.channel != nil {
		p.channel.AllowN(now, 1)
	}
	if p.first != nil && lane == parley.LaneFirst {
		p.first.AllowN(now, 1)
	}
}

// chat takes a turn in the conversation and returns how long it has to wait for it.
func (p *pacer) chat(now time.Time, w *store.Work) time.Duration {
	l := p.limiterOf(w)
	if l == nil {
		return 0
	}
	if d := l.ReserveN(now, 1).DelayFrom(now); d > 0 {
		return max(shortest, d)
	}
	return 0
}

func (p *pacer) limiterOf(w *store.Work) *rate.Limiter {
	if p.chats == nil {
		return nil
	}
	id := w.Job.Conversation
	l := p.chats[id]
	if l != nil {
		return l
	}
	if l = p.newChat(w.Group); l != nil {
		p.chats[id] = l
	}
	return l
}

// newChat returns the limiter of a conversation. A group's allows a quarter of
// a minute's messages at once and the rest evenly, so that no minute sees more.
func (p *pacer) newChat(group bool) *rate.Limiter {
	if n := p.spec.GroupPerMin; group && n > 0 {
		burst := max(1, int(n/4))
		return rate.NewLimiter(rate.Limit(max(n-float64(burst), n/2)/60), burst)
	}
	return limiter(p.spec.ChatPerSecond, p.spec.ChatBurst)
}

// sweep forgets the conversations that may send at their full burst again,
// once their number has doubled. What is kept is under way or waits.
func (p *pacer) sweep(now time.Time) {
	if len(p.chats) < 2*p.swept+64 {
		return
	}
	p.forget(now)
	p.swept = len(p.chats)
}

func (p *pacer) forget(now time.Time) {
	for id, l := range p.chats {
		if full(l, now) {
			delete(p.chats, id)
		}
	}
}

// rested reports whether forgetting the pacer would let nobody go faster.
func (p *pacer) rested(now time.Time) bool {
	p.forget(now)
	return len(p.chats) == 0 && full(p.channel, now) && full(p.first, now)
}

func full(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}
