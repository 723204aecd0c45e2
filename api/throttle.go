package api

import (
	"log/slog"
	"sync"
	"time"
)

// warnEvery is how often a failure of one kind is logged: whoever can cause it can
// cause it at speed.
const warnEvery = time.Second

// A throttle lets one line of each kind through in warnEvery, and counts the rest.
// Kinds must be of a closed set: none is ever forgotten. It is safe for concurrent
// use; now must be set.
type throttle struct {
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*throttled
}

type throttled struct {
	last   time.Time
	missed int64 // lines since last
}

// allow reports whether there may be a line, and how many there might have been
// since the one before.
func (t *throttle) allow(kind string) (missed int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	k := t.kinds[kind]
	if k == nil {
		if t.kinds == nil {
			t.kinds = map[string]*throttled{}
		}
		k = &throttled{}
		t.kinds[kind] = k
	}
	if since := now.Sub(k.last); since >= 0 && since < warnEvery {
		k.missed++
		return 0, false
	}
	missed, k.last, k.missed = k.missed, now, 0
	return missed, true
}

// suppressed tells of lines that were left out, if there were any.
func suppressed(missed int64) []slog.Attr {
	if missed == 0 {
		return nil
	}
	return []slog.Attr{slog.Int64("suppressed", missed)}
}
