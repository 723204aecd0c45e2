package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const (
	// pollTimeout is how long the server may hold a poll open; it allows 50 s.
	// Source: Bot API server, getUpdates, read 2026-11.
	pollTimeout = 30 * time.Second
	// pollLimit is the most updates of one answer. Source: Bot API, getUpdates, read 2026-11.
	pollLimit = 100
	// pollPause is the least time between two polls of which the first was empty,
	// against a server that does not hold them open.
	pollPause = time.Second

	backoffFirst = time.Second
	backoffMax   = time.Minute

	// conflictLimit conflicts, none longer than conflictWindow after the one before,
	// mean that somebody else uses the bot. One or two happen when a channel moves
	// from node to node.
	conflictLimit  = 5
	conflictWindow = 5 * time.Minute
)

type updatesRequest struct {
	Offset  int64    `json:"offset,omitempty"`
	Limit   int      `json:"limit"`
	Timeout int      `json:"timeout"` // seconds
	Allowed []string `json:"allowed_updates"`
}

// Run polls for updates until ctx ends. It first removes a callback address,
// which would refuse the polls, and loses nothing that waits there. A batch is
// confirmed to Telegram by the poll after it, and only once the sink has stored
// it; otherwise the same offset is asked for again. Run comes back early with
// KindLoggedOut when the token is refused, and with KindConflict when the bot is
// polled elsewhere; all other failures it sits out, with growing pauses.
func (c *client) Run(ctx context.Context, sink connector.Sink) error {
	p := poller{client: c, sink: sink}
	for ctx.Err() == nil {
		if err := p.judge(ctx, p.step(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// A poller is the state of one Run, owned by its goroutine.
type poller struct {
	*client
	sink         connector.Sink
	cleared      bool  // there is no callback address
	offset       int64 // of the next poll; 0 is the oldest update that waits
	failures     int   // in a row
	conflicts    int
	lastConflict time.Time
}

func (p *poller) step(ctx context.Context) error {
	if p.cleared {
		return p.poll(ctx)
	}
	err := p.Unsubscribe(ctx)
	p.cleared = err == nil
	return err
}

var errNoProgress = errors.New("the server sent updates that it cannot confirm")

// poll asks once and hands over what came.
func (p *poller) poll(ctx context.Context) error {
	pause := time.After(pollPause)
	var updates []json.RawMessage
	req := updatesRequest{p.offset, pollLimit, int(pollTimeout / time.Second), allowedUpdates}
	if err := p.ask(ctx, getUpdates, req, &updates); err != nil {
		return err
	}
	if len(updates) == 0 {
		rest(ctx, pause)
		return nil
	}
	if err := p.sink.Emit(ctx, p.events(updates)...); err != nil {
		return &sinkError{err}
	}
	return p.advance(updates)
}

// A sinkError is a failure to store, whose kind says nothing about Telegram.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "store updates: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

func (p *poller) events(updates []json.RawMessage) []connector.Event {
	events := make([]connector.Event, len(updates))
	for i, raw := range updates {
		events[i] = p.decode(raw)
	}
	return events
}

// advance moves the offset behind stored updates.
func (p *poller) advance(updates []json.RawMessage) error {
	next := following(p.offset, updates)
	if next == p.offset {
		return &parley.Error{Kind: parley.KindUnavailable, Message: "Telegram sent updates without ids", Err: errNoProgress}
	}
	p.offset = next
	return nil
}

// following returns the offset behind the last update that has an id, whether or
// not that is a greater one: after a week of silence ids start anywhere. If none
// has an id, those n came first of all that wait from the offset on, so that no
// other update is below offset+n.
func following(offset int64, updates []json.RawMessage) int64 {
	for i := len(updates) - 1; i >= 0; i-- {
		if id, ok := updateID(updates[i]); ok {
			return id + 1
		}
	}
	if offset == 0 {
		return 0
	}
	return offset + int64(len(updates))
}

// judge waits out a failure, or returns it if waiting does not help.
func (p *poller) judge(ctx context.Context, err error) error {
	if err == nil {
		p.failures = 0
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	if _, ours := errors.AsType[*sinkError](err); !ours && p.hopeless(err) {
		return err
	}
	p.failures++
	delay := max(backoff(p.failures), retryAfter(err))
	p.env.Log.WarnContext(ctx, "poll failed", "kind", string(parley.KindOf(err)), "attempt", p.failures, "wait_ms", delay.Milliseconds())
	rest(ctx, time.After(delay))
	return nil
}

// hopeless reports whether to leave err to the caller. A callback address that
// somebody has set meanwhile is not removed here, but when the caller runs us
// again: two that undo each other's work should at least do it slowly.
func (p *poller) hopeless(err error) bool {
	said, ok := errors.AsType[*refusal](err)
	if !ok || said.status != http.StatusConflict {
		return parley.KindOf(err) == parley.KindLoggedOut
	}
	now := p.env.Now()
	if now.Sub(p.lastConflict) > conflictWindow {
		p.conflicts = 0
	}
	p.lastConflict = now
	p.conflicts++
	return p.conflicts >= conflictLimit
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// backoff returns the wait after the nth failure in a row: doubling from
// backoffFirst to backoffMax, of which a random half is left out.
func backoff(n int) time.Duration {
	d := backoffMax
	if n < 7 {
		d = min(backoffFirst<<(n-1), backoffMax)
	}
	return d/2 + rand.N(d/2)
}

// rest waits for the timer or the end of ctx.
func rest(ctx context.Context, timer <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-timer:
	}
}
