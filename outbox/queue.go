package outbox

import (
	"container/heap"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// An item is one job in memory.
type item struct {
	work *store.Work
	due  time.Time
	at   place
	pos  int // in the heap, at placeLater

	doubt   bool      // its part may have left; it waits for proof, not for its turn
	foreign bool      // found claimed by nobody here; to be looked at again before it is touched
	crashed bool      // it was found claimed by nobody here
	since   time.Time // when doubt about this part first arose; zero if it never did
	watched time.Time // since when proof is looked for
	checks  int       // for proof, so far
	faults  int       // of ours before the part was claimed, so far
	paced   bool      // its conversation's limiter has been asked
}

// A place is where in a queue an item is.
type place int

const (
	placeNone   place = iota // gone
	placeLane                // due, in turn
	placeLater               // not due yet
	placeFlight              // in the hands of an attempt
)

const lanes = 3

// shares is how many turns a lane has before the others have theirs.
var shares = [lanes]int{parley.LaneReply: 4, parley.LaneBulk: 1, parley.LaneFirst: 1}

// A queue holds a channel's jobs in memory, each once: in its lane when it is
// due, in a heap until then, and as known while an attempt has it.
type queue struct {
	limit  int // of jobs that wait, for each lane
	known  map[parley.JobID]*item
	lane   [lanes]fifo
	doubts fifo
	later  timeline
	count  [lanes]int  // of jobs that wait, due or not
	lost   [lanes]bool // there may be more in the rows than here
	turns  [lanes]int
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, known: make(map[parley.JobID]*item), turns: shares}
}

// laneOf maps a lane that this program does not know to bulk.
func laneOf(w *store.Work) parley.Lane {
	if w.Job.Lane < 0 || w.Job.Lane >= lanes {
		return parley.LaneBulk
	}
	return w.Job.Lane
}

// add takes news of a ready job. What is known already is ignored; what there
// is no room for is dropped, and lost says so.
func (q *queue) add(w *store.Work, now time.Time) {
	lane, far := laneOf(w), w.Job.ReadyAt.After(now)
	if q.count[lane] >= q.limit || far && q.count[lane] >= q.limit/2 {
		q.lost[lane] = q.lost[lane] || !far // what is not due yet the poll finds in time
		return
	}
	q.admit(w, now)
}

// follow takes what an attempt has made ready. There is room for it, because
// the attempt's own job has just gone; only what waits for long may be dropped.
func (q *queue) follow(w *store.Work, now time.Time) {
	if w.Job.ReadyAt.Sub(now) > soon {
		q.add(w, now)
		return
	}
	q.admit(w, now)
}

// soon is what the poll would find too late.
const soon = 2 * time.Second

func (q *queue) admit(w *store.Work, now time.Time) {
	if old := q.known[w.Job.ID]; old != nil {
		if !old.foreign || old.at == placeFlight {
			return
		}
		q.drop(old) // the rows have moved on since it was found abandoned
	}
	q.put(&item{work: w, due: w.Job.ReadyAt}, now)
}

// put places an item by its due time.
func (q *queue) put(it *item, now time.Time) {
	q.known[it.work.Job.ID] = it
	if !it.doubt {
		q.count[laneOf(it.work)]++
	}
	if it.due.After(now) {
		it.at = placeLater
		heap.Push(&q.later, it)
		return
	}
	q.enqueue(it)
}

func (q *queue) enqueue(it *item) {
	it.at = placeLane
	if it.doubt {
		q.doubts.push(it)
		return
	}
	q.lane[laneOf(it.work)].push(it)
}

// ripen moves what is due from the heap to the lanes.
func (q *queue) ripen(now time.Time) {
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		q.enqueue(heap.Pop(&q.later).(*item))
	}
}

// waiting reports whether a job waits for its turn to be sent.
func (q *queue) waiting() bool {
	for i := range q.lane {
		if q.lane[i].head() != nil {
			return true
		}
	}
	return false
}

// peek returns the job whose turn it is among the allowed lanes, nil if there
// is none. It stays where it is.
func (q *queue) peek(allowed func(parley.Lane) bool) *item {
	var late *item
	for i := range parley.Lane(lanes) {
		it := q.lane[i].head()
		if it == nil || !allowed(i) {
			continue
		}
		if q.turns[i] > 0 {
			return it
		}
		if late == nil {
			late = it
		}
	}
	return late
}

// take removes the head of a lane for an attempt; it stays known.
func (q *queue) take(it *item) {
	if it.doubt {
		q.doubts.pop()
	} else {
		lane := laneOf(it.work)
		q.lane[lane].pop()
		q.count[lane]--
		q.spend(lane)
	}
	it.at = placeFlight
}

// spend counts a turn. A lane without turns is served only when no other has
// any to use, and then a new round begins.
func (q *queue) spend(lane parley.Lane) {
	if q.turns[lane] == 0 {
		q.turns = shares
	}
	q.turns[lane]--
}

// postpone moves the head of a lane to the heap.
func (q *queue) postpone(it *item, due time.Time) {
	q.lane[laneOf(it.work)].pop()
	it.due, it.at = due, placeLater
	heap.Push(&q.later, it)
}

// drop forgets an item, wherever it is.
func (q *queue) drop(it *item) {
	if it.at == placeLater {
		heap.Remove(&q.later, it.pos)
	}
	if (it.at == placeLater || it.at == placeLane) && !it.doubt {
		q.count[laneOf(it.work)]--
	}
	it.at = placeNone // a lane skips it
	if q.known[it.work.Job.ID] == it {
		delete(q.known, it.work.Job.ID)
	}
}

// clear forgets what no attempt has.
func (q *queue) clear() {
	for _, it := range q.known {
		if it.at != placeFlight {
			q.drop(it)
		}
	}
}

// A timeline is a heap of items by their due time.
type timeline []*item

func (t timeline) Len() int           { return len(t) }
func (t timeline) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timeline) Swap(i, j int)      { t[i], t[j] = t[j], t[i]; t[i].pos, t[j].pos = i, j }

// Push is for package heap.
func (t *timeline) Push(x any) {
	it := x.(*item)
	it.pos = len(*t)
	*t = append(*t, it)
}

// Pop is for package heap.
func (t *timeline) Pop() any {
	old := *t
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return it
}

// A fifo is a queue of items; those that were dropped are skipped.
type fifo struct {
	items []*item
	first int
}

func (f *fifo) push(it *item) {
	if f.first > len(f.items)/2 {
		n := copy(f.items, f.items[f.first:])
		clear(f.items[n:])
		f.items, f.first = f.items[:n], 0
	}
	f.items = append(f.items, it)
}

// head returns the oldest item, nil if there is none.
func (f *fifo) head() *item {
	for f.first < len(f.items) {
		if it := f.items[f.first]; it.at == placeLane {
			return it
		}
		f.pop()
	}
	return nil
}

func (f *fifo) pop() {
	f.items[f.first] = nil
	f.first++
}
