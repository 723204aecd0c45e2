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
	frame   int64 // bytes
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
	if c.ask("NOOP"); c.size.Load() < c.limits.back {
		return
	}
	if c.ask("PASSIVE") {
		c.ask("RESTART")
		c.ask("NOOP")
	}
}

// ask runs a checkpoint of some mode, and reports whether all that was in the log
// when it began is copied back by now.
func (c *checkpointer) ask(mode string) bool {
	var busy, frames, copied int64
	err := c.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &copied)
	if err != nil {
		c.log.Warn("checkpoint failed", "mode", mode, "wal_bytes", c.size.Load(), "error", err)
		return false
	}
	c.size.Store(frames * c.frame)
	if copied == frames { // the next write begins anew, if no reader is in the way
		c.size.Store(0)
	}
	return copied == frames
}

// full reports whether the log is too long to take more in.
func (c *checkpointer) full() bool { return c.size.Load() >= c.limits.full }

func (c *checkpointer) stop() { c.stopped.Do(func() { close(c.done) }) }
