package store

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// walLimits are the sizes of the log, in bytes, from which on something is done.
type walLimits struct {
	passive  int64 // it is copied back beside the work
	truncate int64 // the writer waits until the file is empty
	full     int64 // nothing new is admitted
}

var walDefaults = walLimits{passive: 8 << 20, truncate: 64 << 20, full: 1 << 30}

const (
	walLook = 200 * time.Millisecond
	// walPatience is how long emptying the file waits for readers. The writer
	// stands still meanwhile, so it is tried again later instead.
	walPatience = 20 * time.Millisecond
)

// A checkpointer keeps SQLite's write-ahead log bounded, on a connection of its
// own, instead of in the middle of some unlucky commit.
type checkpointer struct {
	wal     string
	db      *sql.DB
	log     *slog.Logger
	limits  walLimits
	size    atomic.Int64
	done    chan struct{}
	stopped sync.Once
}

func newCheckpointer(path string, limits walLimits, log *slog.Logger) (*checkpointer, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, walPatience))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &checkpointer{wal: path + "-wal", db: db, log: log, limits: limits, done: make(chan struct{})}, nil
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

// look measures the log and writes it back if it has grown.
func (c *checkpointer) look() {
	size := c.measure()
	if size < c.limits.passive {
		return
	}
	mode := "PRAGMA wal_checkpoint(PASSIVE)"
	if size >= c.limits.truncate {
		mode = "PRAGMA wal_checkpoint(TRUNCATE)"
	}
	if _, err := c.db.ExecContext(context.Background(), mode); err != nil {
		c.log.Warn("checkpoint failed", "wal_bytes", size, "error", err)
	}
	c.measure()
}

func (c *checkpointer) measure() int64 {
	info, err := os.Stat(c.wal)
	if err != nil {
		return 0
	}
	c.size.Store(info.Size())
	return info.Size()
}

// full reports whether the log is too long to take more in.
func (c *checkpointer) full() bool { return c.size.Load() >= c.limits.full }

func (c *checkpointer) stop() { c.stopped.Do(func() { close(c.done) }) }
