package stream

import "github.com/parley-im/parley"

// Bounds of what is kept in memory. Beyond them, events are read from rows.
const (
	maxRecent     = 256       // events of a room
	maxRoomBytes  = 256 << 10 // their bodies
	maxTotalBytes = 16 << 20  // of all rooms
)

// unknown is the top of a room before anybody has looked.
const unknown = -1

// A room is a company that somebody listens to.
type room struct {
	listeners int
	top       int64          // number of the newest event that is known to be committed
	recent    []parley.Event // without gaps, the newest last; may end before top
	size      int            // of their bodies, in bytes
	fresh     bool           // recent grew since the last poll
	grown     chan struct{}  // closed when top rises; nil unless somebody waits
}

// add takes an event that was committed. What came before, out of order or twice,
// is passed over: it can be read from rows.
func (r *room) add(e *parley.Event) {
	r.rise(e.Seq)
	if n := len(r.recent); n > 0 {
		switch last := r.recent[n-1].Seq; {
		case e.Seq <= last:
			return
		case e.Seq > last+1:
			r.forget(n)
		}
	}
	r.recent, r.size, r.fresh = append(r.recent, *e), r.size+len(e.Body), true
	drop := 0
	for size := r.size; drop < len(r.recent) && (len(r.recent)-drop > maxRecent || size > maxRoomBytes); drop++ {
		size -= len(r.recent[drop].Body)
	}
	r.forget(drop)
}

// rise notes that an event was committed and wakes who waits for it.
func (r *room) rise(seq int64) {
	if seq <= r.top {
		return
	}
	r.top = seq
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// forget drops the n oldest events.
func (r *room) forget(n int) {
	for i := range n {
		r.size -= len(r.recent[i].Body)
	}
	clear(r.recent[:n]) // the array would keep the bodies
	if r.recent = r.recent[n:]; len(r.recent) == 0 {
		r.recent = nil
	}
}

// after returns a copy of the events behind seq, bounded as in [Hub.Read]; ok is
// false if they must be read from rows.
func (r *room) after(seq int64, limit, maxBytes int) (events []parley.Event, ok bool) {
	if r.top != unknown && seq >= r.top {
		return nil, true
	}
	if len(r.recent) == 0 {
		return nil, false
	}
	from := seq + 1 - r.recent[0].Seq
	if from < 0 || from >= int64(len(r.recent)) {
		return nil, false
	}
	found := r.recent[from:]
	n := 0
	for size := 0; n < min(limit, len(found)) && (maxBytes <= 0 || size < maxBytes); n++ {
		size += len(found[n].Body)
	}
	return append([]parley.Event(nil), found[:n]...), true
}
