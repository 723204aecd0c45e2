package webhook

import (
	"slices"

	"github.com/parley-im/parley"
)

// A window is the part of the log between the cursor and the reader. For each
// event in it, it knows the stream that still waits for the event; that is all
// the memory an event needs.
type window struct {
	base int64             // the cursor: every event up to it is settled
	open []parley.StreamID // of events base+1, base+2, …; 0 is settled
	head int               // where in open base+1 is
}

// top returns the number of the last event read.
func (w *window) top() int64 { return w.base + int64(w.size()) }

// size returns how many events it spans.
func (w *window) size() int { return len(w.open) - w.head }

// add appends the event that was read. Numbers left out are settled, and so is
// the event if stream is 0.
func (w *window) add(seq int64, stream parley.StreamID) {
	if w.size() == 0 {
		w.base = seq - 1
	}
	for w.top() < seq-1 {
		w.open = append(w.open, 0)
	}
	w.open = append(w.open, stream)
	w.advance()
}

// settle marks an event as delivered, parked or covered; one outside of the
// window is so already.
func (w *window) settle(seq int64) {
	if i := seq - w.base - 1; i >= 0 && i < int64(w.size()) {
		w.open[w.head+int(i)] = 0
		w.advance()
	}
}

// settleStream marks every event of a stream.
func (w *window) settleStream(id parley.StreamID) {
	for i := w.head; i < len(w.open); i++ {
		if w.open[i] == id {
			w.open[i] = 0
		}
	}
	w.advance()
}

// oldest returns the stream of the oldest event that is not settled; 0 is none.
func (w *window) oldest() parley.StreamID {
	if w.size() == 0 {
		return 0
	}
	return w.open[w.head]
}

// uneven reports whether events behind the oldest open one are settled: a restart
// would repeat them.
func (w *window) uneven() bool { return slices.Contains(w.open[w.head:], 0) }

func (w *window) advance() {
	for w.head < len(w.open) && w.open[w.head] == 0 {
		w.head++
		w.base++
	}
	if w.head == len(w.open) {
		w.open, w.head = w.open[:0], 0
	} else if w.head > 1024 && w.head > len(w.open)/2 {
		n := copy(w.open, w.open[w.head:])
		w.open, w.head = w.open[:n], 0
	}
}
