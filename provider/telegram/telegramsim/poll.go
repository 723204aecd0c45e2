package telegramsim

import (
	"context"
	"time"

	"github.com/parley-im/parley/simulator"
)

// Source of the sentences and rules: tdlib/telegram-bot-api, read 2026-11.
var (
	errWebhookActive = &apiError{code: 409, text: "Conflict: can't use getUpdates method while webhook is active; " +
		"use deleteWebhook to delete the webhook first"}
	errOtherPoll = &apiError{code: 409, text: "Conflict: terminated by other getUpdates request; " +
		"make sure that only one bot instance is running"}
	errPollBySet = &apiError{code: 409, text: "Conflict: terminated by setWebhook request"}
)

// hotLoop is the span in which the cloud server punishes repetition.
const hotLoop = 3 * time.Second

// A poll is a getUpdates request that waits.
type poll struct {
	woken  chan struct{} // holds one wake-up
	killed chan struct{} // closed after why is set
	why    *apiError
	delay  time.Duration // before the refusal is answered
}

func (p *poll) nudge() {
	select {
	case p.woken <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// killPoll ends the waiting poll, if any; the caller holds the lock.
func (b *bot) killPoll(why *apiError) {
	if b.poll == nil {
		return
	}
	b.poll.why = why
	close(b.poll.killed)
	b.poll = nil
}

// pollHistory is what the cloud server's throttling looks at.
type pollHistory struct {
	offset     int64
	started    time.Time
	conflicted time.Time
}

func (c *call) getUpdates() (any, error) {
	limit := c.clamped("limit", 100, 1, 100)
	timeout := time.Duration(c.clamped("timeout", 0, 0, 50)) * time.Second
	offset, err := c.params.Int("offset", 0)
	if err != nil {
		offset = 0
	}
	p, batch, err := c.openPoll(offset, &limit, &timeout)
	if p == nil || err != nil {
		return batch, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	return c.await(ctx, p, limit)
}

// openPoll confirms, and returns what is there already, or else a registered
// poll to wait for.
func (c *call) openPoll(offset int64, limit *int64, timeout *time.Duration) (*poll, any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hook != nil {
		return nil, nil, errWebhookActive
	}
	if c.closed() {
		return nil, nil, errRestart
	}
	c.allow()
	b.conflict()
	b.throttle(offset, limit, timeout)
	b.queue.expire(c.now())
	b.queue.confirm(offset)
	if batch := b.queue.batch(*limit); batch != nil {
		return nil, batch, nil
	}
	if *timeout == 0 {
		return nil, rendered("[]"), nil
	}
	b.poll = &poll{woken: make(chan struct{}, 1), killed: make(chan struct{})}
	return b.poll, nil, nil
}

// conflict ends the older poll. On the cloud server conflicts that repeat within
// three seconds are answered three seconds late.
func (b *bot) conflict() {
	if b.poll == nil {
		return
	}
	now := b.s.now()
	if !b.s.opts.lax() && now.Sub(b.polled.conflicted) < hotLoop {
		b.poll.delay = hotLoop
	}
	b.polled.conflicted = now
	b.killPoll(errOtherPoll)
}

// throttle slows a loop that repeats its offset: on the cloud server it waits at
// least three seconds for news, and gets one update at a time within half a second.
func (b *bot) throttle(offset int64, limit *int64, timeout *time.Duration) {
	now := b.s.now()
	since := now.Sub(b.polled.started)
	if !b.s.opts.lax() && offset == b.polled.offset {
		if since < hotLoop {
			*timeout = max(*timeout, hotLoop)
		}
		if since < hotLoop/6 {
			*limit = 1
		}
	}
	b.polled.offset, b.polled.started = offset, now
}

func (c *call) await(ctx context.Context, p *poll, limit int64) (any, error) {
	for {
		select {
		case <-p.woken:
		case <-p.killed:
			simulator.Sleep(c.ctx, c.done, p.delay)
			return nil, p.why
		case <-ctx.Done():
		}
		if out, err, over := c.collect(p, limit, ctx.Err() != nil); over {
			return out, err
		}
	}
}

// collect takes what a waiting poll has waited for; over says whether it ends.
func (c *call) collect(p *poll, limit int64, late bool) (out any, err error, over bool) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.poll != p {
		return nil, p.why, true
	}
	if c.ctx.Err() != nil {
		b.poll = nil
		return nil, errGone, true
	}
	b.queue.expire(c.now())
	batch := b.queue.batch(limit)
	if batch == nil && !late {
		return nil, nil, false
	}
	b.poll = nil
	if batch == nil {
		batch = rendered("[]")
	}
	return batch, nil, true
}
