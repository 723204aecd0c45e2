package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// walLimits are bytes of frames in the log from which on something is done.
type walLimits struct {
	back int64 // they are copied back, and the log begins anew
	full int64 // nothing new is admitted
}

var walDefaults = walLimits{back: 16 << 20, full: 1 << 30}

const (
	walLook = 200 * time.Millisecond
	// walPatience is how long beginning the log anew waits for readers. The writer
	// stands still meanwhile, so it is tried again later instead.
	walPatience = 20 * time.Millisecond
	// walFile is what the file may keep when the log begins anew: to write over it
	// costs less than to let it grow again. What a reader made it grow beyond that is given back.
	walFile = 64 << 20
)

// A checkpointer keeps SQLite's write-ahead log bounded, on a connection of its
// own, instead of in the middle of some unlucky commit.
type checkpointer struct {
	db      *sql.DB
	log     *slog.Logger
	limits  walLimits
	frame   int64      // bytes
	mu      sync.Mutex // held by look
	over    int64      // frames that the next write goes over, since the log last could begin anew
	size    atomic.Int64
	done    chan struct{}
	stopped sync.Once
}

func newCheckpointer(ctx context.Context, path string, limits walLimits, log *slog.Logger) (*checkpointer, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, walPatience))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	c := &checkpointer{db: db, log: log, limits: limits, done: make(chan struct{})}
	if err := db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&c.frame); err != nil {
		_ = db.Close()
		return nil, err
	}
	c.frame += 24 // a frame's header
	return c, nil
}

func (c *checkpointer) run() {
	defer c.db.Close()
	tick := time.NewTicker(walLook)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
			c.look()
		}
	}
}

// look measures the log. Once it is long it is copied back beside the writer,
// who then has to stand still only for what came meanwhile. If a reader needs
// the log as it is, that is not tried at all.
func (c *checkpointer) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	log, ok := c.ask("NOOP")
	if ok && log.copied == log.frames && log.frames == c.over {
		log.frames = 0 // nothing was written since it could begin anew
	}
	c.size.Store(log.frames * c.frame)
	if !ok || c.size.Load() < c.limits.back {
		return
	}
	if log, ok = c.ask("PASSIVE"); !ok || log.copied < log.frames {
		return
	}
	if log, ok = c.ask("RESTART"); ok && !log.busy {
		c.over = log.frames
		c.size.Store(0)
	}
}

// A walState is what a checkpoint answers.
type walState struct {
	busy           bool  // a reader or the writer was in the way
	frames, copied int64 // in the log, and of them in the database
}

// ask runs a checkpoint of some mode. It reports false if that failed.
func (c *checkpointer) ask(mode string) (s walState, ok bool) {
	err := c.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&s.busy, &s.frames, &s.copied)
	if err != nil {
		c.log.Warn("checkpoint failed", "mode", mode, "wal_bytes", c.size.Load(), "error", err)
	}
	return s, err == nil
}

// full reports whether the log is too long to take more in.
func (c *checkpointer) full() bool { return c.size.Load() >= c.limits.full }

func (c *checkpointer) stop() { c.stopped.Do(func() { close(c.done) }) }
