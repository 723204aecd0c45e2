package stream

import (
	"context"
	"sync"

	"github.com/parley-im/parley"
)

// Listen opens a company's room: until leave is called, its newest events are kept
// at hand. The context that it returns ends with ctx, at leave, and when the Hub
// stops. Leave may be called more than once.
func (h *Hub) Listen(ctx context.Context, company parley.CompanyID) (listening context.Context, leave context.CancelFunc) {
	h.enter(company)
	listening, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(h.ctx, cancel)
	return listening, sync.OnceFunc(func() {
		unlink()
		cancel()
		h.leave(company)
	})
}

// Bounds returns the first cursor that can be read on from and the newest one. It
// blocks while a row is read. KindNotFound: there is no such company.
func (h *Hub) Bounds(ctx context.Context, company parley.CompanyID) (first, last parley.Cursor, err error) {
	oldest, newest, err := h.cfg.Store.LogBounds(ctx, company)
	if err != nil {
		return first, last, err
	}
	h.saw(company, newest)
	return parley.Cursor{Epoch: h.cfg.Epoch, Seq: oldest - 1}, parley.Cursor{Epoch: h.cfg.Epoch, Seq: newest}, nil
}

var errGap = parley.Errorf(parley.KindInternal, "an event is missing from the log")

// Read returns the events that follow a cursor, in order and without gaps: at most
// limit, and no more once their bodies have reached maxBytes (0 is no bound). None
// means that there are none yet. It blocks while rows are read. The bodies are
// shared. The error holds a *parley.GoneError if the cursor is of another epoch or
// retention has taken what follows it.
func (h *Hub) Read(ctx context.Context, company parley.CompanyID, after parley.Cursor, limit, maxBytes int) ([]parley.Event, error) {
	if after.Epoch == h.cfg.Epoch {
		if events, ok := h.recent(company, after.Seq, limit, maxBytes); ok {
			return events, nil
		}
		events, err := h.cfg.Store.EventsAfter(ctx, company, after.Seq, limit, maxBytes)
		if err != nil || len(events) > 0 && events[0].Seq == after.Seq+1 {
			return events, err
		}
		if len(events) > 0 {
			return nil, h.missing(ctx, company, after, errGap)
		}
	}
	return nil, h.missing(ctx, company, after, nil)
}

// missing says why the event behind a cursor was not found; other is the reason if
// the cursor is good.
func (h *Hub) missing(ctx context.Context, company parley.CompanyID, after parley.Cursor, other error) error {
	first, _, err := h.Bounds(ctx, company)
	switch {
	case err != nil:
		return err
	case after.Epoch != first.Epoch || after.Seq < first.Seq:
		return parley.Gone(first)
	}
	return other
}

func (h *Hub) recent(company parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[company]; r != nil {
		return r.after(seq, limit, maxBytes)
	}
	return nil, false
}

// Wait blocks until there may be an event behind a cursor, of a company that the
// caller listens to, and returns nil; or until ctx ends, and returns its error.
func (h *Hub) Wait(ctx context.Context, company parley.CompanyID, after parley.Cursor) error {
	grown := h.growth(company, after.Seq)
	if err := ctx.Err(); err != nil || grown == nil {
		return err
	}
	select {
	case <-grown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// growth returns what is closed when there is an event behind seq, nil if there is
// one or it is not known.
func (h *Hub) growth(company parley.CompanyID, seq int64) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[company]
	if r == nil || r.top == unknown || r.top > seq {
		return nil
	}
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return r.grown
}
