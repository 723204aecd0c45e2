package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A reading is what a runner's helper found in the rows, or did to them.
type reading struct {
	work  []store.Work // that is ready
	more  [lanes]bool  // the lane may hold more than this
	ended []parley.JobID
	swept bool
}

const (
	sweepPage    = 200
	sweepWorkers = 16
	// beyond is how many jobs more than it knows the poll reads for a lane.
	beyond = 64
)

// refill starts reading rows when the poll saw work, or when a lane runs low
// that may have more.
func (r *runner) refill(now time.Time) {
	if r.reading {
		return
	}
	var want [lanes]int
	some := false
	for i := range want {
		if n := r.queue.count[i]; r.queue.lost[i] && n < r.queue.limit/2 {
			want[i], r.queue.lost[i] = r.queue.limit, false
		} else if r.polled && n < r.queue.limit {
			want[i] = min(n+beyond, r.queue.limit)
		}
		some = some || want[i] > 0
	}
	r.polled = false
	if some {
		r.reading = true
		r.o.wg.Go(func() { r.read <- r.load(r.o.work, now, want) })
	}
}

// load reads as much ready work of each lane as is wanted. What it fails to read
// is left to the next poll.
func (r *runner) load(ctx context.Context, now time.Time, want [lanes]int) reading {
	r.o.reads <- struct{}{}
	defer func() { <-r.o.reads }()
	var got reading
	for lane, n := range want {
		if n == 0 {
			continue
		}
		work, err := r.o.cfg.Store.ReadyWork(ctx, r.channel, parley.Lane(lane), now, n)
		if err != nil {
			r.warn(ctx, "ready work not read", err)
			continue
		}
		got.work = append(got.work, work...)
		got.more[lane] = len(work) >= n
	}
	return got
}

func (r *runner) warn(ctx context.Context, text string, err error) {
	if ctx.Err() == nil {
		r.o.cfg.Log.LogAttrs(ctx, slog.LevelWarn, text, slog.Int64("channel_id", int64(r.channel)), slog.Any("err", err))
	}
}

// learn takes what load or sweep found.
func (r *runner) learn(got reading) {
	now := r.o.cfg.Now()
	if got.swept {
		r.sweeping = false
	}
	for i := range got.work {
		if w := &got.work[i]; !r.outdated && !r.moved[w.Job.ID] {
			r.queue.add(w, now)
		}
	}
	clear(r.moved)
	r.reading, r.outdated = false, false
	for i := range r.queue.lost {
		r.queue.lost[i] = r.queue.lost[i] || got.more[i]
	}
	for _, id := range got.ended {
		if it := r.queue.known[id]; it != nil && it.at != placeFlight {
			r.queue.drop(it)
		}
	}
}

// sweepIfAsked ends what the poll found to be over.
func (r *runner) sweepIfAsked(now time.Time) {
	if !r.asked || r.reading {
		return
	}
	r.asked = false
	l := r.o.look(r.o.work, r.channel)
	r.sweep(l.hopeless(now, r.o.cfg.ConnectGrace))
}

// sweep ends open jobs that were not sent: all of them, for a reason, or with an
// empty one those that have expired. While it runs nothing new is started here,
// because a job must not be ended and claimed at the same time.
func (r *runner) sweep(reason string) {
	if r.reading {
		r.asked = true
		return
	}
	r.reading, r.sweeping = true, true
	busy := make(map[parley.ConversationID]bool)
	for _, it := range r.queue.known {
		if it.at == placeFlight || it.doubt {
			busy[it.work.Job.Conversation] = true
		}
	}
	provider := r.line.spec.Name
	r.o.wg.Go(func() {
		s := sweep{r: r, provider: provider, reason: reason, busy: busy}
		s.run(r.o.commit)
		r.read <- reading{swept: true, ended: s.ended, work: s.next}
	})
}

// A sweep is one run through a channel's open jobs.
type sweep struct {
	r        *runner
	provider string // empty if it was not looked up
	reason   string
	busy     map[parley.ConversationID]bool // has a part under way: left for later

	mu    sync.Mutex // guards the rest while workers run
	ended []parley.JobID
	next  []store.Work
}

// run goes on as long as each page ends something, and until the runner stops.
func (s *sweep) run(ctx context.Context) {
	s.r.o.reads <- struct{}{}
	defer func() { <-s.r.o.reads }()
	for more := true; more && !s.stopped(); {
		page, err := s.r.o.cfg.Store.OpenWork(ctx, s.r.channel, sweepPage)
		if err != nil {
			s.r.warn(ctx, "open work not read", err)
			return
		}
		n := len(s.ended)
		s.endAll(ctx, page)
		more = len(page) == sweepPage && len(s.ended) > n
	}
}

func (s *sweep) stopped() bool {
	select {
	case <-s.r.stop:
		return true
	default:
		return false
	}
}

// endAll ends what is over in a page: the conversations at once, each one's jobs
// in order.
func (s *sweep) endAll(ctx context.Context, page []store.Work) {
	byConversation := make(map[parley.ConversationID][]*store.Work)
	for i := range page {
		w := &page[i]
		if w.Job.State == parley.JobSending {
			s.busy[w.Job.Conversation] = true
		}
		byConversation[w.Job.Conversation] = append(byConversation[w.Job.Conversation], w)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	turn := make(chan struct{}, sweepWorkers)
	for c, works := range byConversation {
		if s.busy[c] {
			continue
		}
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			s.endEach(ctx, works)
		})
	}
}

func (s *sweep) endEach(ctx context.Context, works []*store.Work) {
	for _, w := range works {
		reason := s.reason
		if s.r.o.expired(w) {
			reason = reasonExpired
		}
		if reason == "" || s.stopped() {
			return
		}
		next, ok := s.r.o.finish(ctx, s.provider, &store.Finish{Work: w, Result: store.Failed, Reason: partReason(w, reason)})
		if !ok {
			return
		}
		s.mu.Lock()
		s.ended, s.next = append(s.ended, w.Job.ID), append(s.next, next...)
		s.mu.Unlock()
	}
}

const reasonExpired = "expired"

// expired reports whether a job is too old to be sent.
func (o *Outbox) expired(w *store.Work) bool {
	return !o.cfg.Now().Before(w.Job.CreatedAt.Add(o.cfg.JobExpiry))
}
