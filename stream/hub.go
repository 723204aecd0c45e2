package stream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// pollEvery is how long an event may stay unnoticed that the hook did not tell of.
const pollEvery = time.Second

// pollTimeout bounds one look at the rows of all rooms.
const pollTimeout = 10 * time.Second

// rows is what the package needs of *store.DB.
type rows interface {
	EventsAfter(ctx context.Context, company parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, error)
	LogBounds(ctx context.Context, company parley.CompanyID) (first, last int64, err error)
	LogEnds(ctx context.Context, companies []parley.CompanyID) (map[parley.CompanyID]int64, error)
}

// Config says what a Hub reads. Store is required.
type Config struct {
	Store rows
	Epoch int64        // of the event log
	Log   *slog.Logger // nil discards
}

// A Hub serves the readers of all companies. It is safe for concurrent use.
type Hub struct {
	cfg Config
	ctx context.Context // ends at Stop
	end context.CancelFunc

	mu    sync.Mutex // never held over I/O
	rooms map[parley.CompanyID]*room
	size  int // of the bodies in all rooms, in bytes
}

// New returns a Hub. It reads nothing before somebody listens.
func New(c Config) *Hub {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{cfg: c, rooms: map[parley.CompanyID]*room{}}
	h.ctx, h.end = context.WithCancel(context.Background())
	return h
}

// Wake tells of committed events of any companies. It does not block and keeps no
// part of the slice, but the bodies, which nobody may change.
func (h *Hub) Wake(events []parley.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range events {
		r := h.rooms[events[i].Company]
		if r == nil {
			continue
		}
		h.size -= r.size
		r.add(&events[i])
		if h.size+r.size > maxTotalBytes {
			r.forget(len(r.recent))
		}
		h.size += r.size
	}
}

// Run polls until ctx ends, and stops the Hub then. It returns nil.
func (h *Hub) Run(ctx context.Context) error {
	defer h.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := h.poll(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.cfg.Log.Warn("event logs not read", "error", err) // once, until it works again
		}
		failing = err != nil
	}
}

// Stop ends the contexts of all who listen, and of those who will. It may be
// called more than once.
func (h *Hub) Stop() { h.end() }

// poll looks for events that the hook has not told of, and drops what everybody
// has had time to read.
func (h *Hub) poll(ctx context.Context) error {
	companies := h.tidy()
	if len(companies) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	ends, err := h.cfg.Store.LogEnds(ctx, companies)
	for company, last := range ends {
		h.saw(company, last)
	}
	return err
}

// tidy empties the rooms in which nothing was new since the last call, and returns
// all companies with a room.
func (h *Hub) tidy() []parley.CompanyID {
	h.mu.Lock()
	defer h.mu.Unlock()
	companies := make([]parley.CompanyID, 0, len(h.rooms))
	for company, r := range h.rooms {
		companies = append(companies, company)
		if !r.fresh {
			h.size -= r.size
			r.forget(len(r.recent))
		}
		r.fresh = false
	}
	return companies
}

// saw notes how far a company's log goes.
func (h *Hub) saw(company parley.CompanyID, last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[company]; r != nil {
		r.rise(last)
	}
}

// enter counts a listener in.
func (h *Hub) enter(company parley.CompanyID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[company]
	if r == nil {
		r = &room{top: unknown}
		h.rooms[company] = r
	}
	r.listeners++
}

// leave counts a listener out; the last one closes the room.
func (h *Hub) leave(company parley.CompanyID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[company]
	if r.listeners--; r.listeners == 0 {
		h.size -= r.size
		delete(h.rooms, company)
	}
}
