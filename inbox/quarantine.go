package inbox

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// prefixSize is how much is kept of what is too large, in bytes.
const prefixSize = 4 << 10

var errTooManyFailures = parley.Errorf(parley.KindUnavailable, "too many events of the channel cannot be stored")

// quarantine keeps a suspect, within the channel's bounds.
func (in *Inbox) quarantine(ctx context.Context, d *delivery, s suspect, t *tally) error {
	sum := sha256.Sum256(s.raw)
	return in.isolate(ctx, d, s.ours, t, store.Quarantined{Reason: s.reason, Hash: sum[:], Size: int64(len(s.raw)), Body: s.raw})
}

// isolate stores a row of quarantine. Beyond the channel's bounds, what was not
// understood is only counted, and what is our failure is refused.
func (in *Inbox) isolate(ctx context.Context, d *delivery, ours bool, t *tally, q store.Quarantined) error {
	now := in.cfg.Now()
	bound := in.garbage
	if ours {
		bound = in.failures
	}
	keep, verdict := bound.admit(d.ch.ID, len(q.Body), now)
	if verdict == lastStraw {
		in.cfg.Log.WarnContext(ctx, "quarantine is full for this minute", "provider", d.ch.Provider, "channel_id", int64(d.ch.ID))
	}
	switch {
	case verdict != admitted && ours:
		return errTooManyFailures
	case verdict != admitted:
		t.dropped++
		return nil
	}
	q.Company, q.Channel, q.Provider, q.Source = d.ch.Company, d.ch.ID, d.ch.Provider, d.source
	q.Body, q.At = q.Body[:keep], now
	if err := in.cfg.Store.Quarantine(ctx, q); err != nil {
		return &parley.Error{Kind: parley.KindUnavailable, Message: "quarantine is not available", Err: err}
	}
	t.quarantined++
	return nil
}

// A verdict says whether quarantine takes one more.
type verdict int

const (
	admitted  verdict = iota
	lastStraw         // the first of the minute that is refused
	refused
)

// A flood bounds what each channel puts into quarantine in a minute.
type flood struct {
	rows  int
	bytes int64

	mu      sync.Mutex
	windows map[parley.ChannelID]window
}

type window struct {
	minute int64
	rows   int
	bytes  int64
}

// windowsKept is from how many channels on those of past minutes are forgotten.
const windowsKept = 1024

func newFlood(rows int, bytes int64) *flood {
	return &flood{rows: rows, bytes: bytes, windows: make(map[parley.ChannelID]window)}
}

// admit takes one more row of a channel and returns how many bytes of it are kept.
func (f *flood) admit(id parley.ChannelID, size int, now time.Time) (keep int, v verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	minute := now.Unix() / 60
	w := f.windows[id]
	if w.minute != minute {
		f.forget(minute)
		w = window{minute: minute}
	}
	w.rows++
	keep = size
	if w.bytes+int64(size) > f.bytes {
		keep = min(size, prefixSize)
	}
	switch {
	case w.rows <= f.rows:
		w.bytes += int64(keep)
	case w.rows == f.rows+1:
		v = lastStraw
	default:
		v = refused
	}
	f.windows[id] = w
	return keep, v
}

func (f *flood) forget(minute int64) {
	if len(f.windows) < windowsKept {
		return
	}
	for id, w := range f.windows {
		if w.minute != minute {
			delete(f.windows, id)
		}
	}
}
