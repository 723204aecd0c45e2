package webhook

import (
	"container/heap"
	"time"

	"github.com/parley-im/parley"
)

// An item is an event with its body in memory.
type item struct {
	seq     int64
	kind    parley.EventKind
	body    []byte
	at      int64 // when it was stored, in unix milliseconds
	message parley.MessageID
}

func newItem(e *parley.Event) item { return item{e.Seq, e.Kind, e.Body, e.At.UnixMilli(), e.Message} }

// A stream is what an owner knows of one stream that has something open.
type stream struct {
	id    parley.StreamID
	after int64  // everything of the stream up to it is delivered or parked
	head  int64  // the next event; only a lower bound while attempt is 0 and queue is empty
	queue []item // the next events, in order; the first is under way while busy
	tail  int64  // events behind the queue, up to this one, are in the log only; 0 is none

	attempt int       // attempts that head has failed
	nextAt  time.Time // when head is due again, if attempt is not 0

	busy    bool               // an attempt is under way
	early   bool               // it came before head was due, so that it spends nothing
	started time.Time          // when it began
	replay  *parley.DeadLetter // not a stream at all, but a dead letter on its way

	covered bool  // a committed row speaks for it; see the package comment
	hasRow  bool  // there is a committed row
	ahead   bool  // drained further than the reader is
	aside   bool  // it is to get a row though nothing failed
	version int64 // raised by every change that must be committed before the next attempt
	saved   int64 // the version that is committed
	queued  int   // changes that wait to be saved
	blocks  int   // of the changes not committed, how many make or move the row
	flying  bool  // a change is being saved

	in *line // where it waits for its turn; nil is nowhere
	at int   // its place there
}

// more reports whether there is, or may be, an event to deliver.
func (s *stream) more() bool { return len(s.queue) > 0 || s.tail > s.after }

// unsaved reports whether its next attempt must wait for a commit.
func (s *stream) unsaved() bool { return s.saved < s.version }

// changes reports whether a save of it is under way or waits.
func (s *stream) changes() bool { return s.flying || s.queued > 0 }

// pop takes the first event off as delivered or parked.
func (s *stream) pop() item {
	it := s.queue[0]
	s.queue[0] = item{}
	s.queue = s.queue[1:]
	s.pass(it.seq)
	if len(s.queue) > 0 {
		s.head = s.queue[0].seq
	}
	return it
}

// pass notes that everything up to an event is settled. What was held against the
// head is not held against what follows it.
func (s *stream) pass(seq int64) {
	s.after, s.head, s.attempt, s.nextAt = seq, seq+1, 0, time.Time{}
}

// row returns the row as it should be now.
func (s *stream) row(endpoint parley.EndpointID, now time.Time) *parley.BlockedStream {
	next := now
	if s.attempt > 0 {
		next = s.nextAt
	}
	return &parley.BlockedStream{Endpoint: endpoint, Stream: s.id, Head: s.head, Attempt: s.attempt, NextAt: next}
}

// A line is a priority queue of streams; a stream is in one line at most. Its
// methods are those of heap.Interface, the others keep the order.
type line struct {
	streams []*stream
	before  func(a, b *stream) bool
}

func oldestFirst(a, b *stream) bool { return a.head < b.head }

func dueFirst(a, b *stream) bool { return a.nextAt.Before(b.nextAt) }

// Len is part of heap.Interface.
func (l *line) Len() int { return len(l.streams) }

// Less is part of heap.Interface.
func (l *line) Less(i, j int) bool { return l.before(l.streams[i], l.streams[j]) }

// Swap is part of heap.Interface.
func (l *line) Swap(i, j int) {
	l.streams[i], l.streams[j] = l.streams[j], l.streams[i]
	l.streams[i].at, l.streams[j].at = i, j
}

// Push is part of heap.Interface.
func (l *line) Push(x any) {
	s := x.(*stream)
	s.in, s.at = l, len(l.streams)
	l.streams = append(l.streams, s)
}

// Pop is part of heap.Interface.
func (l *line) Pop() any {
	last := len(l.streams) - 1
	s := l.streams[last]
	l.streams[last] = nil
	l.streams = l.streams[:last]
	s.in = nil
	return s
}

func (l *line) join(s *stream) { heap.Push(l, s) }

func (l *line) first() *stream { return l.streams[0] }

// leave takes a stream out of the line it is in, if any.
func (s *stream) leave() {
	if s.in != nil {
		heap.Remove(s.in, s.at)
	}
}

func (l *line) reorder() { heap.Init(l) }
