package webhook

import (
	"context"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// replayPage is how many dead letters are looked up at once.
const replayPage = 16

// eventGone is why a dead letter cannot be replayed.
const eventGone = "the event is no longer kept"

// replaying is the part of an owner that delivers dead letters again: one after
// the other, beside the streams and outside of their order.
type replaying struct {
	look     bool      // there may be some to replay
	lookAt   time.Time // a poll makes it look again from then on
	letters  []parley.DeadLetter
	inReplay bool // one is under way, or its outcome is not committed
}

// open reports whether there is, or may be, something to replay.
func (r *replaying) open() bool { return r.look || len(r.letters) > 0 || r.inReplay }

// replay begins the next replay, if there is one and the endpoint is up.
func (o *owner) replay(ctx context.Context, now time.Time) {
	if o.inReplay || o.down || now.Before(o.pausedUntil) {
		return
	}
	if len(o.letters) == 0 && o.look && !o.lookUp(ctx, now) {
		return
	}
	// One more than the streams may have, or they could keep replays out for ever.
	if len(o.letters) > 0 && len(o.flights) <= o.pace.allowed() {
		o.replayNext(ctx, now)
	}
}

func (o *owner) lookUp(ctx context.Context, now time.Time) bool {
	letters, err := o.d.cfg.Store.Replays(ctx, o.id, replayPage)
	if !o.healthy(err, now) {
		return false
	}
	o.letters, o.look = letters, len(letters) > 0
	o.lookAt = now.Add(replayEvery)
	return true
}

func (o *owner) replayNext(ctx context.Context, now time.Time) {
	letter := o.letters[0]
	e, err := o.d.cfg.Store.Event(ctx, o.company, letter.Seq)
	if parley.KindOf(err) == parley.KindNotFound {
		o.letters, o.inReplay = o.letters[1:], true
		o.note(change{replay: &store.Replayed{Seq: letter.Seq, Reason: eventGone}})
		return
	}
	if !o.healthy(err, now) || !o.d.pool.acquire(o, o.weak) {
		return
	}
	s := &stream{id: letter.Stream, busy: true, replay: &letter, attempt: letter.Attempts}
	s.queue = []item{newItem(&e)}
	o.letters, o.inReplay = o.letters[1:], true
	o.fly(s, now)
}

// replayed takes in how a replay ended. It is not repeated: whoever asked for it
// sees the reason, and may ask again.
func (o *owner) replayed(s *stream, r *outcome) {
	if r.interrupted {
		o.inReplay, o.look = false, true
		return
	}
	o.note(change{
		attempt: o.record(s.queue[0], s.attempt+1, r, o.now()),
		replay:  &store.Replayed{Seq: s.replay.Seq, OK: r.ok(), Reason: r.reason},
	})
}
