package sink

import (
	"sync"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// maxSeq bounds the bits kept for a run.
const maxSeq = 1 << 32

// arrivals counts what came to one place: the messenger, or a receiver.
type arrivals struct {
	mu    sync.Mutex
	stats load.Arrivals
	hist  load.Hist
	seen  map[string]*runSeen
}

// runSeen is what came of one run.
type runSeen struct {
	seqs []uint64        // a bit for each
	last map[int64]int64 // the latest message of each chat
}

func (a *arrivals) add(body []byte, refused bool) {
	now := time.Now()
	t, ok := load.FindToken(body)
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.stats
	if refused {
		s.Refused++
		return
	}
	s.Count++
	if s.First == nil {
		s.First = &now
	}
	s.Last = &now
	switch {
	case !ok || t.Seq >= maxSeq:
		s.Untagged++
	case !a.run(t.Run).first(t.Seq):
		s.Duplicates++
	default:
		s.Distinct++
		if !a.run(t.Run).inOrder(t) {
			s.OutOfOrder++
		}
		a.hist.Record(now.Sub(t.Sent))
	}
}

func (a *arrivals) run(name string) *runSeen {
	r := a.seen[name]
	if r == nil {
		if a.seen == nil {
			a.seen = map[string]*runSeen{}
		}
		r = &runSeen{last: map[int64]int64{}}
		a.seen[name] = r
	}
	return r
}

// first reports whether a message is new, and remembers it.
func (r *runSeen) first(seq int64) bool {
	word, bit := seq/64, uint64(1)<<(seq%64)
	if n := word + 1 - int64(len(r.seqs)); n > 0 {
		r.seqs = append(r.seqs, make([]uint64, n)...)
	}
	if r.seqs[word]&bit != 0 {
		return false
	}
	r.seqs[word] |= bit
	return true
}

// inOrder reports whether no later message of the chat came before this one.
func (r *runSeen) inOrder(t load.Token) bool {
	if last, ok := r.last[t.Key]; ok && last > t.Seq {
		return false
	}
	r.last[t.Key] = t.Seq
	return true
}

func (a *arrivals) snapshot() load.Arrivals {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.Latencies = a.hist.Latencies()
	return s
}

// addTo adds the counters to a total that nobody else has.
func (a *arrivals) addTo(total *arrivals) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, s := &total.stats, &a.stats
	t.Count += s.Count
	t.Distinct += s.Distinct
	t.Duplicates += s.Duplicates
	t.OutOfOrder += s.OutOfOrder
	t.Untagged += s.Untagged
	t.Refused += s.Refused
	if t.First == nil || s.First != nil && s.First.Before(*t.First) {
		t.First = s.First
	}
	if t.Last == nil || s.Last != nil && s.Last.After(*t.Last) {
		t.Last = s.Last
	}
	total.hist.Merge(&a.hist)
}
