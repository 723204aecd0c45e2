package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
)

// maxBatch is how many items of one sort a batch takes: enough to share a commit
// among, few enough that it ends in milliseconds.
const maxBatch = 256

// batchTimeout bounds a batch on PostgreSQL, where a network may swallow it.
const batchTimeout = 30 * time.Second

// A call is what one caller waits for: the end of all items it submitted.
type call struct {
	left atomic.Int32
	done chan struct{}
	lane *lane // where its items wait, if they can be taken back; set by submit
}

func newCall(items int) *call {
	c := &call{done: make(chan struct{})}
	c.left.Store(int32(items))
	return c
}

// wait blocks until all items have ended. A caller that goes away earlier learns
// nothing of its items: each that is in a batch by then is committed whole or not
// at all, and what waits of receives and accepts is dropped.
func (c *call) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if c.lane != nil {
			c.lane.forget(c)
		}
		return ctx.Err()
	}
}

// An item is one hot write on its way through the writer.
type item struct {
	call *call
	err  error // why it alone failed
	size int64 // in bytes, as its door has counted it
}

func (i *item) end() {
	if i.call.left.Add(-1) == 0 {
		close(i.call.done)
	}
}

func (i *item) base() *item { return i }

// A batch is what one transaction does. Its sorts are applied in the order of
// the fields, which is the order of their priority.
type batch struct {
	finishes []*finishItem
	claims   []*claimItem
	receives []*receiveItem
	accepts  []*acceptItem
	delivers []*deliverItem
	files    []*fileItem
	rare     []*rareItem // at most one, alone
}

// items calls f for every item.
func (b *batch) items(f func(*item)) {
	each(b.finishes, f)
	each(b.claims, f)
	each(b.receives, f)
	each(b.accepts, f)
	each(b.delivers, f)
	each(b.files, f)
	each(b.rare, f)
}

func each[T interface{ base() *item }](list []T, f func(*item)) {
	for _, i := range list {
		f(i.base())
	}
}

func (b *batch) size() int {
	return len(b.finishes) + len(b.claims) + len(b.receives) + len(b.accepts) + len(b.delivers) + len(b.files) + len(b.rare)
}

// ids returns how many ids the batch may need at most.
func (b *batch) ids() int {
	files := 0
	for _, i := range b.receives {
		files += i.fileCount()
	}
	return files + 4*len(b.finishes) + 4*len(b.receives) + 4*len(b.accepts) + 16*len(b.rare)
}

// singles returns a batch for each item, in the same order.
func (b *batch) singles() []*batch {
	var all []*batch
	for _, i := range b.finishes {
		all = append(all, &batch{finishes: []*finishItem{i}})
	}
	for _, i := range b.claims {
		all = append(all, &batch{claims: []*claimItem{i}})
	}
	for _, i := range b.receives {
		all = append(all, &batch{receives: []*receiveItem{i}})
	}
	for _, i := range b.accepts {
		all = append(all, &batch{accepts: []*acceptItem{i}})
	}
	for _, i := range b.delivers {
		all = append(all, &batch{delivers: []*deliverItem{i}})
	}
	for _, i := range b.files {
		all = append(all, &batch{files: []*fileItem{i}})
	}
	for _, i := range b.rare {
		all = append(all, &batch{rare: []*rareItem{i}})
	}
	return all
}

// apply does everything in one transaction.
func (b *batch) apply(tx *Tx) error {
	for _, step := range []func() error{
		func() error { return apply(b.finishes, tx.finishAll) },
		func() error { return apply(b.claims, tx.claimAll) },
		func() error { return apply(b.receives, tx.receiveAll) },
		func() error { return apply(b.accepts, tx.acceptAll) },
		func() error { return apply(b.delivers, tx.deliverAll) },
		func() error { return apply(b.files, tx.finishFiles) },
		func() error { return apply(b.rare, tx.rareAll) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func apply[T any](items []T, f func([]T) error) error {
	if len(items) == 0 {
		return nil
	}
	return f(items)
}

// A lane takes items and commits them, one batch at a time.
type lane struct {
	db     *DB
	number int
	wake   chan struct{}

	mu       sync.Mutex
	queue    batch
	receives door
	accepts  door
	told     time.Time // when the log was last told that it refuses
	hot      bool      // the last turn went to a batch of hot items
	closed   bool
}

// laneOf returns the lane of a company, always the same one.
func (db *DB) laneOf(id parley.CompanyID) *lane {
	return db.lanes[int(id.Shard())%len(db.lanes)]
}

var errClosed = parley.Errorf(parley.KindUnavailable, "the gateway is stopping")

// submit adds the items of one call to the queue, all or none. It does not block.
// It fails once the lane is closed, and with ErrBusy if there is no room for
// receives or accepts; other items are never refused.
func (l *lane) submit(add func(queue *batch)) error {
	tell, err := l.enqueue(add)
	if tell {
		l.db.log.Warn("the database cannot keep up: what is more than it commits is answered 503", "lane", l.number)
	}
	return err
}

// run hands one hot item in and waits until it has ended. The error of ctx leaves
// its outcome unknown to the caller.
func (db *DB) run(ctx context.Context, company parley.CompanyID, i *item, add func(queue *batch)) error {
	if err := db.laneOf(company).submit(add); err != nil {
		return err
	}
	if err := i.call.wait(ctx); err != nil {
		return err
	}
	return i.err
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.wake)
	}
}

// run commits batches until the lane is closed and empty.
func (l *lane) run() {
	for range l.wake {
		l.drain()
	}
	l.drain()
}

func (l *lane) drain() {
	for {
		b := l.next()
		if b.size() == 0 {
			return
		}
		l.process(b)
	}
}

// next takes a batch off the queue. A rare write takes a turn of its own, in
// turn with the hot ones.
func (l *lane) next() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &batch{}
	waiting := l.queue.size()
	if rare := len(l.queue.rare); rare > 0 && (l.hot || rare == waiting) {
		l.hot = false
		b.rare = take(&l.queue.rare, 1)
		return b
	}
	l.hot = true
	b.finishes = take(&l.queue.finishes, maxBatch)
	b.claims = take(&l.queue.claims, maxBatch)
	b.receives = take(&l.queue.receives, maxBatch)
	b.accepts = take(&l.queue.accepts, maxBatch)
	b.delivers = take(&l.queue.delivers, maxBatch)
	b.files = take(&l.queue.files, maxBatch)
	leave(&l.receives, b.receives)
	leave(&l.accepts, b.accepts)
	return b
}

func take[T any](queue *[]T, most int) []T {
	n := min(most, len(*queue))
	taken := (*queue)[:n:n]
	*queue = (*queue)[n:]
	if len(*queue) == 0 {
		*queue = nil
	}
	return taken
}

// process commits a batch, or finds out which of its items cannot be.
func (l *lane) process(b *batch) {
	b.dropExpired(l.db.now())
	err := l.insist(b)
	switch {
	case err == nil:
	case b.size() == 1 || unavailable(err):
		b.items(func(i *item) { i.err = err })
	default:
		l.db.log.Debug("batch failed, trying its items singly", "items", b.size(), "error", err)
		l.processSingly(b)
	}
	b.items(func(i *item) {
		i.err = classify(i.err)
		i.end()
	})
}

// processSingly gives every item a transaction of its own. Once the database is
// gone, the rest need not be tried.
func (l *lane) processSingly(b *batch) {
	var gone error
	for _, s := range b.singles() {
		err := gone
		if err == nil {
			err = l.insist(s)
		}
		if err != nil {
			s.items(func(i *item) { i.err = err })
		}
		if unavailable(err) {
			gone = err
		}
	}
}

// collisions is how often a transaction that lost against another one is run
// again.
const collisions = 3

// insist runs one transaction, and again if another node or lane got in between:
// then it finds what that one has stored.
func (l *lane) insist(b *batch) error {
	err := l.attempt(b)
	for n := 0; n < collisions && (collided(err) || duplicated(err)); n++ {
		err = l.attempt(b)
	}
	return err
}

// attempt runs one transaction. After an error nothing of it has happened.
func (l *lane) attempt(b *batch) (err error) {
	if b.size() == 0 {
		return nil
	}
	b.items(func(i *item) { i.err = nil })
	ctx, cancel := l.db.batchContext()
	defer cancel()
	begun := time.Now()
	reserved, err := l.reserve(ctx, b.ids())
	if err != nil {
		return err
	}
	q, err := l.db.backend.begin(ctx, l.number)
	if err != nil {
		l.db.backend.unused(reserved)
		return err
	}
	tx := &Tx{db: l.db, q: q, ctx: ctx, now: l.db.now().UTC().Truncate(time.Millisecond), ids: reserved}
	mark, err := tx.build(b)
	if err != nil {
		l.db.backend.unused(reserved)
		_ = q.rollback(ctx) // it fails only where there is nothing left to roll back
		return err
	}
	built := time.Now()
	if err := l.commit(ctx, q, mark); err != nil {
		l.db.backend.unused(tx.ids)
		return err
	}
	if h := l.db.hooks.Batch; h != nil {
		h(b.size(), time.Since(begun), time.Since(built))
	}
	l.db.backend.unused(tx.ids)
	tx.announce()
	return nil
}

func (l *lane) reserve(ctx context.Context, n int) (ids, error) {
	if n == 0 {
		return nil, nil
	}
	return l.db.backend.reserve(ctx, n)
}

// build does the batch's work and the last statements before the commit.
func (tx *Tx) build(b *batch) (mark string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the writer: %v\n%s", p, debug.Stack())
		}
	}()
	if err := b.apply(tx); err != nil {
		return "", err
	}
	if err := tx.finish(); err != nil {
		return "", err
	}
	return tx.q.mark(tx.ctx)
}

// commit commits, and finds out what happened if the answer is lost.
func (l *lane) commit(ctx context.Context, q transaction, mark string) error {
	err := q.commit(ctx)
	if err == nil {
		return nil
	}
	if mark == "" || !unavailable(err) {
		_ = q.rollback(ctx) // as above
		return err
	}
	l.db.log.Warn("connection lost at commit, asking what became of it", "error", err)
	ctx, cancel := l.db.batchContext()
	defer cancel()
	happened, again := l.db.askSettled(ctx, mark)
	if again != nil {
		return errors.Join(err, again)
	}
	if happened {
		return nil
	}
	return err
}

// askSettled asks until the database answers or ctx ends.
func (db *DB) askSettled(ctx context.Context, mark string) (bool, error) {
	for {
		happened, err := db.backend.settled(ctx, mark)
		if err == nil || !unavailable(err) || ctx.Err() != nil {
			return happened, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// batchContext is the writer's own: no caller can cancel a batch. SQLite runs
// without a deadline, since a local file answers or fails.
func (db *DB) batchContext() (context.Context, context.CancelFunc) {
	if db.dialect == dialectSQLite {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), batchTimeout)
}

// announce tells everyone what has been committed.
func (tx *Tx) announce() {
	for _, f := range tx.committed {
		f()
	}
	h := &tx.db.hooks
	if len(tx.events) > 0 && h.Events != nil {
		h.Events(tx.events)
	}
	if len(tx.ready) > 0 && h.Ready != nil {
		h.Ready(tx.ready)
	}
	if tx.pending && h.Files != nil {
		h.Files()
	}
	if h.Channel != nil {
		for _, id := range tx.channels {
			h.Channel(id)
		}
	}
	if h.Endpoint != nil {
		for _, e := range tx.endpoints {
			h.Endpoint(e.company, e.id)
		}
	}
}

var errExpired = parley.Errorf(parley.KindUnavailable, "too late to store it: the provider has stopped waiting")

// dropExpired ends the receive items whose provider no longer waits: it will
// come again, and storing them now would only delay the others.
func (b *batch) dropExpired(now time.Time) {
	b.receives = slices.DeleteFunc(b.receives, func(i *receiveItem) bool {
		late := !i.in.Expires.IsZero() && now.After(i.in.Expires)
		if late {
			i.err = errExpired
			i.end()
		}
		return late
	})
}
