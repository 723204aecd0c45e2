package store

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// What may wait in a lane, of receives and of accepts each. The number is some
// batches, a part of a second's work: more would only wait longer than a provider
// or a client does. It is more than a batch even for a quarter.
const (
	maxWaiting      = 2048
	maxWaitingBytes = 32 << 20
)

// retryBusy is when somebody who was refused may come again.
const retryBusy = time.Second

// tellEvery is how often a lane says in the log that it refuses, at most.
const tellEvery = time.Minute

// itemOverhead is what an item takes besides its texts, in bytes.
const itemOverhead = 1 << 10

// ErrBusy refuses a Receive or an Accept, at once: more waits than the database
// commits. Nothing of it was stored.
var ErrBusy = &parley.Error{Kind: parley.KindUnavailable, Code: "busy", RetryAfter: retryBusy,
	Message: "the database cannot keep up; try again later"}

// A Pressure says what waits for the writer and has not begun, over all lanes.
type Pressure struct {
	Receives, Accepts               Load
	RefusedReceives, RefusedAccepts int64 // calls answered with ErrBusy since the start
}

// Pressure returns what waits for the writer. It does not block.
func (db *DB) Pressure() Pressure {
	var p Pressure
	for _, l := range db.lanes {
		p.Receives = p.Receives.plus(l.receives.waiting.Total())
		p.Accepts = p.Accepts.plus(l.accepts.waiting.Total())
		p.RefusedReceives += l.receives.refused.Load()
		p.RefusedAccepts += l.accepts.refused.Load()
	}
	return p
}

// A door is where the items of one sort come into a lane. Sorts that end work have
// none: they are never refused.
type door struct {
	waiting *Gate[parley.CompanyID]
	refused atomic.Int64
}

func newDoor() door {
	return door{waiting: NewGate[parley.CompanyID](maxWaiting, maxWaitingBytes)}
}

func newLane(db *DB, number int) *lane {
	return &lane{db: db, number: number, wake: make(chan struct{}, 1), receives: newDoor(), accepts: newDoor()}
}

func (l *lane) enqueue(add func(queue *batch)) (tell bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, errClosed
	}
	q := &l.queue
	receives, accepts := len(q.receives), len(q.accepts)
	add(q)
	if !admit(l, &l.receives, &q.receives, receives) || !admit(l, &l.accepts, &q.accepts, accepts) {
		return l.tell(l.db.now()), ErrBusy
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return false, nil
}

// A waiter is an item that comes in by a door.
type waiter interface {
	comparable
	base() *item
	company() parley.CompanyID
	bytes() int64
	patient() bool // its caller can do nothing but wait, and has no more of them
}

// admit lets in what was just appended to a queue that had so many items, or takes
// it off again. It is of one call, and so of one company.
func admit[T waiter](l *lane, d *door, queue *[]T, had int) bool {
	fresh := (*queue)[had:]
	if len(fresh) == 0 {
		return true
	}
	sum := Load{Items: len(fresh)}
	for _, i := range fresh {
		b := i.base()
		b.size = i.bytes()
		sum.Bytes += b.size
	}
	first := fresh[0]
	if first.patient() {
		d.waiting.Force(first.company(), sum)
	} else if !d.waiting.Enter(first.company(), sum) {
		d.refused.Add(1)
		clear(fresh)
		*queue = (*queue)[:had]
		return false
	}
	first.base().call.lane = l
	return true
}

// leave says that items have left the queue.
func leave[T waiter](d *door, items []T) {
	for _, i := range items {
		d.waiting.Leave(i.company(), Load{1, i.base().size})
	}
}

// forget takes what still waits of a call out of the queue: its caller has gone,
// and will come again.
func (l *lane) forget(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	forget(&l.receives, &l.queue.receives, c)
	forget(&l.accepts, &l.queue.accepts, c)
}

func forget[T waiter](d *door, queue *[]T, c *call) {
	*queue = slices.DeleteFunc(*queue, func(i T) bool {
		gone := i.base().call == c
		if gone {
			leave(d, []T{i})
		}
		return gone
	})
}

// tell reports whether it is time to say that the lane refuses. The caller holds
// the lock.
func (l *lane) tell(now time.Time) bool {
	if !l.told.IsZero() && now.Sub(l.told) < tellEvery {
		return false
	}
	l.told = now
	return true
}

func (i *receiveItem) company() parley.CompanyID { return i.in.Channel.Company }

// patient tells a session from a callback: it has one call under way, holds its
// events anyhow, and to refuse them would only have it hear them again.
func (i *receiveItem) patient() bool { return i.in.Expires.IsZero() }

func (i *receiveItem) bytes() int64 {
	n := itemOverhead + len(i.in.Event.Raw)
	switch what := i.in.Event.What.(type) {
	case connector.Message:
		n += len(what.Text) + len(what.Payload)
	case connector.Edit:
		n += len(what.Text)
	}
	return int64(n)
}

func (i *acceptItem) company() parley.CompanyID { return i.in.Company }
func (i *acceptItem) patient() bool             { return false }
func (i *acceptItem) bytes() int64              { return int64(itemOverhead + len(i.in.Text)) }
