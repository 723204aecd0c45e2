package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// later is when providers stop waiting who wait long enough.
var later = time.Now().Add(time.Hour)

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// due is an event of a provider that waits for the answer.
func due(r *store.Receive, until time.Time) *store.Receive {
	r.Expires = until
	return r
}

// A caller is a sort of call that can be refused, numbered.
type caller func(w *world, n int) error

// receiving returns a caller that receives so many events at once, each with a
// text of a length.
func receiving(events, length int) caller {
	text := strings.Repeat("x", length)
	return func(w *world, n int) error {
		var in []*store.Receive
		for i := range events {
			in = append(in, due(says(w.ch, fmt.Sprint(n%7), fmt.Sprint(n, ".", i), text), later))
		}
		_, errs := w.db.Receive(w.t.Context(), in...)
		return errors.Join(errs...)
	}
}

// accepting returns a caller that sends a text of a length to a conversation.
func accepting(length int) caller {
	text := strings.Repeat("x", length)
	return func(w *world, n int) error {
		_, err := w.db.Accept(w.t.Context(), &store.Accept{Company: w.company, Channel: w.ch, First: &store.First{External: fmt.Sprint("f", n%7)}, Text: text})
		return err
	}
}

// A crowd is callers that wait for a lane that is held.
type crowd struct {
	w     *world
	calls sync.WaitGroup
	mu    sync.Mutex
	errs  []error // of those that waited
}

// try makes a call. It returns the error of one that was refused, nil once it
// waits.
func (c *crowd) try(w *world, do caller, n int) error {
	c.w.t.Helper()
	before, ended := store.QueueLen(w.db, w.company), make(chan error, 1)
	c.calls.Go(func() {
		err := do(w, n)
		ended <- err
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs = append(c.errs, err)
	})
	for store.QueueLen(w.db, w.company) == before {
		select {
		case err := <-ended:
			return err
		default:
			yield()
		}
	}
	return nil
}

// fill makes calls until one is refused, and returns how many wait.
func (c *crowd) fill(w *world, do caller) int {
	c.w.t.Helper()
	for n := 0; ; n++ {
		if err := c.try(w, do, n); err != nil {
			wantBusy(c.w.t, err)
			return n
		}
		if n > store.MaxWaiting {
			c.w.t.Fatal("the queue has no bound")
		}
	}
}

// ended waits for all, and wants those that were not refused to have succeeded.
func (c *crowd) ended(refused int) {
	c.w.t.Helper()
	c.calls.Wait()
	for _, err := range c.errs {
		if err != nil && !errors.Is(err, store.ErrBusy) {
			c.w.t.Errorf("a call that waited: %v", err)
		}
		if err != nil {
			refused--
		}
	}
	if refused != 0 {
		c.w.t.Errorf("%d more were refused than have been so at once", -refused)
	}
}

func wantBusy(t testing.TB, err error) {
	t.Helper()
	e, ok := errors.AsType[*parley.Error](err)
	if !ok || e.Kind != parley.KindUnavailable || e.RetryAfter != time.Second || !strings.Contains(e.Message, "cannot keep up") {
		t.Fatalf("error %#v, want one that says the database cannot keep up, and to come again in a second", err)
	}
}

// beside makes the world of another company on the same lane.
func (w *world) beside() *world {
	w.t.Helper()
	for n := 0; ; n++ {
		_, company := storetest.Company(w.t, w.db, fmt.Sprint("other-", n), "")
		if store.SameLane(w.db, company, w.company) {
			return &world{t: w.t, db: w.db, company: company, ch: storetest.Channel(w.t, w.db, company, fmt.Sprint("20", n))}
		}
	}
}

// TestBounded fills a lane that is held: what is too much is refused at once, all
// that was let in is stored, and other companies and sorts of work have room.
func TestBounded(t *testing.T) {
	t.Parallel()
	const alone, quarter = store.MaxWaiting * 3 / 4, store.MaxWaiting / 4
	large := store.MaxWaitingBytes/16 - 2<<10 // 12 are three quarters, 4 a quarter
	tests := []struct {
		name          string
		do            caller
		alone, beside int
		other         caller // of the sort that has room
	}{
		{"events", receiving(1, 10), alone, quarter, accepting(10)},
		{"events, many in a call", receiving(128, 10), alone / 128, quarter / 128, accepting(10)},
		{"bytes of events", receiving(1, large), 12, 4, accepting(10)},
		{"sends", accepting(10), alone, quarter, receiving(1, 10)},
		{"bytes of sends", accepting(large), 12, 4, receiving(1, 10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			each := eachWorld
			if strings.HasPrefix(tt.name, "bytes") { // the same on both, but PostgreSQL takes long over 32 MiB
				each = func(t *testing.T, f func(t *testing.T, w *world)) {
					t.Helper()
					f(t, newWorld(t, storetest.Open(t, storetest.SQLite(t))))
				}
			}
			each(t, func(t *testing.T, w *world) {
				other := w.beside()
				conv := w.talk("1")
				job := w.claim(w.say(conv, "before").ID)
				release := holdLane(t, w)
				c := &crowd{w: w}
				if n := c.fill(w, tt.do); n != tt.alone {
					t.Errorf("%d calls wait of a company alone, want %d", n, tt.alone)
				}
				if n := c.fill(other, tt.do); n != tt.beside {
					t.Errorf("%d calls wait of another, want %d", n, tt.beside)
				}
				session := func(w *world, _ int) error {
					_, errs := w.db.Receive(w.t.Context(), says(w.ch, "session", "session", "x"))
					return errs[0]
				}
				outcome := func(w *world, _ int) error {
					_, err := w.db.Finish(w.t.Context(), w.outcome(job, delivered("p1")))
					return err
				}
				rare := func(w *world, _ int) error {
					return w.db.Tx(w.t.Context(), w.company, func(*store.Tx) error { return nil })
				}
				for name, do := range map[string]caller{"the other sort": tt.other, "a session": session, "an outcome": outcome, "a rare write": rare} {
					if err := c.try(w, do, 1_000_000); err != nil {
						t.Errorf("%s beside it: %v", name, err)
					}
				}
				p := w.db.Pressure()
				if p.RefusedReceives+p.RefusedAccepts != 2 || p.Receives.Items+p.Accepts.Items < tt.alone+tt.beside {
					t.Errorf("pressure %+v", p)
				}
				release()
				c.ended(2)
				if p := w.db.Pressure(); p.Receives != (store.Load{}) || p.Accepts != (store.Load{}) {
					t.Errorf("pressure %+v after all has ended", p)
				}
				if err := tt.do(w, 2_000_000); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// TestRefusedIsNotStored: what was refused leaves nothing, and is no duplicate
// when it comes again.
func TestRefusedIsNotStored(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		release := holdLane(t, w)
		c := &crowd{w: w}
		waiting := c.fill(w, receiving(128, 10))
		_, errs := w.db.Receive(t.Context(), due(says(w.ch, "1", "again", "a"), later), due(says(w.ch, "1", "once more", "b"), later))
		for _, err := range errs {
			wantBusy(t, err)
		}
		release()
		c.ended(1)
		if got := strings.Count(w.log(), "message/new"); got != 128*waiting {
			t.Errorf("%d messages stored, want %d", got, 128*waiting)
		}
		for _, out := range receive(t, w.db, says(w.ch, "1", "again", "a"), says(w.ch, "1", "once more", "b")) {
			if out.Duplicate {
				t.Error("what was refused is a duplicate")
			}
		}
	})
}

// TestOutcomesFirst: with full queues before them, outcomes, claims and
// deliveries are in the very next batch.
func TestOutcomesFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		watch := store.Watch(db)
		w := newWorld(t, db)
		conv := w.talk("1")
		job := w.claim(w.say(conv, "a").ID)
		next, claim := w.claimOf(w.say(w.talk("2"), "b").ID)
		endpoint := w.endpoint().ID
		release := holdLane(t, w)
		c := &crowd{w: w}
		c.fill(w, receiving(128, 10))
		for n := range 3 * store.MaxBatch { // one is in the next batch, one in that behind it
			if err := c.try(w, accepting(10), n); err != nil {
				t.Fatal(err)
			}
		}
		do := map[string]func() error{
			"finish": func() error {
				_, err := db.Finish(t.Context(), w.outcome(job, delivered("p1")))
				return err
			},
			"claim": func() error { return db.Claim(t.Context(), claim) },
			"delivery": func() error {
				return db.Deliver(t.Context(), &store.Delivery{Endpoint: endpoint, Company: w.company, Grant: w.grant, Cursor: 1})
			},
		}
		first := make(chan error, len(do))
		for _, f := range do {
			waiting := store.QueueLen(db, w.company)
			go func() { first <- f() }()
			for store.QueueLen(db, w.company) == waiting {
				yield()
			}
		}
		free, n := make(chan struct{}), 0
		open := sync.OnceFunc(func() { close(free) })
		t.Cleanup(open)
		watch.Commit = func(commit func() error) error { // the lane is held: nobody reads it now
			if n++; n > 2 { // the first is of what holds the lane
				<-free
			}
			return commit()
		}
		release()
		for range do {
			select {
			case err := <-first:
				if err != nil {
					t.Errorf("error %v", err)
				}
			case <-time.After(patience):
				t.Fatal("something that ends work is not in the batch that came first")
			}
		}
		if left := db.Pressure(); left.Receives.Items == 0 || left.Accepts.Items == 0 {
			t.Errorf("pressure %+v: nothing waited behind them", left)
		}
		open()
		c.ended(1)
		if got := w.job(next.Job.ID); got.State != parley.JobSending {
			t.Errorf("the claimed job is %s", got.State)
		}
	})
}

// TestAbandoned: what waits of a caller that has gone is dropped, and makes room
// at once.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		release := holdLane(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		gone := make(chan error, 2)
		calls.Go(func() {
			_, errs := w.db.Receive(ctx, says(w.ch, "1", "10", "a"), says(w.ch, "1", "11", "b"))
			gone <- errors.Join(errs...)
		})
		calls.Go(func() {
			_, err := w.db.Accept(ctx, &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "c"})
			gone <- err
		})
		calls.Go(func() {
			if _, errs := w.db.Receive(t.Context(), says(w.ch, "1", "12", "stays")); errs[0] != nil {
				t.Errorf("the one that stays: %v", errs[0])
			}
		})
		for store.QueueLen(w.db, w.company) < 4 {
			yield()
		}
		cancel()
		for range 2 {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the context's", err)
			}
		}
		p := w.db.Pressure()
		if n := store.QueueLen(w.db, w.company); n != 1 || p.Receives.Items != 1 || p.Accepts != (store.Load{}) {
			t.Errorf("%d items wait, pressure %+v; want the one that stays", n, p)
		}
		release()
		calls.Wait()
		w.wantLog("conversation/new message/new message/new")
		if got := w.texts(conv); got != "hello:1 stays:1" {
			t.Errorf("messages %s", got)
		}
		if open, err := w.db.OpenWork(t.Context(), w.ch.ID, 10); err != nil || len(open) != 0 {
			t.Errorf("%d jobs, %v; want none", len(open), err)
		}
	})
}

// TestAbandonedInBatch: what is in a batch when its caller goes is committed.
func TestAbandonedInBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		watch := store.Watch(db)
		w := newWorld(t, db)
		reached, free := make(chan struct{}), make(chan struct{})
		watch.Commit = func(commit func() error) error {
			reached <- struct{}{}
			<-free
			return commit()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan []error)
		go func() {
			_, errs := db.Receive(ctx, says(w.ch, "1", "10", "a"))
			done <- errs
		}()
		<-reached
		cancel()
		if errs := <-done; !errors.Is(errs[0], context.Canceled) {
			t.Errorf("error %v, want the context's", errs[0])
		}
		go func() { <-reached }() // the commit of the repeat
		close(free)
		if out := receive(t, db, says(w.ch, "1", "10", "a")); !out[0].Duplicate {
			t.Error("what was in the batch is not stored")
		}
	})
}

// TestExpiresWaiting: an event whose provider stops waiting while the event does
// is dropped, and nothing else.
func TestExpiresWaiting(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		db := w.db
		release := holdLane(t, w)
		var calls sync.WaitGroup
		var errs []error
		calls.Go(func() {
			_, errs = db.Receive(t.Context(), due(says(w.ch, "1", "10", "late"), c.now().Add(time.Second)),
				due(says(w.ch, "1", "11", "in time"), c.now().Add(time.Hour)))
		})
		for store.QueueLen(db, w.company) < 2 {
			yield()
		}
		c.add(2 * time.Second)
		release()
		calls.Wait()
		wantKind(t, "late", errs[0], parley.KindUnavailable)
		wantKind(t, "in time", errs[1], "")
		w.wantLog("conversation/new message/new")
		if p := db.Pressure(); p.Receives != (store.Load{}) {
			t.Errorf("pressure %+v", p)
		}
	})
}

// TestRefusalIsTold: the log says that a lane refuses, once a minute.
func TestRefusalIsTold(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	c := newClock()
	o := storetest.SQLite(t)
	o.Now, o.Log = c.now, slog.New(slog.NewTextHandler(&text, nil))
	w := newWorld(t, storetest.Open(t, o))
	release := holdLane(t, w)
	crowd := &crowd{w: w}
	crowd.fill(w, receiving(128, 10))
	for n, want := range []int{1, 1, 2, 2} {
		if got := strings.Count(text.String(), "the database cannot keep up"); got != want {
			t.Errorf("step %d: told %d times, want %d: %s", n, got, want, text.String())
		}
		if n == 1 {
			c.add(store.TellEvery)
		}
		wantBusy(t, receiving(128, 10)(w, 1000+n))
	}
	release()
	crowd.ended(1)
}
