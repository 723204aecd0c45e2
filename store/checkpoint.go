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

const (
	walPassive  = 8 << 20  // from here on the log is copied back beside the work
	walTruncate = 64 << 20 // from here on the writer waits until the file is empty
	walFull     = 1 << 30  // from here on nothing new is admitted
	walLook     = 200 * time.Millisecond
)

// A checkpointer keeps SQLite's write-ahead log bounded, on a connection of its
// own, instead of in the middle of some unlucky commit.
type checkpointer struct {
	wal     string
	db      *sql.DB
	log     *slog.Logger
	size    atomic.Int64
	done    chan struct{}
	stopped sync.Once
}

func newCheckpointer(path string, log *slog.Logger) (*checkpointer, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &checkpointer{wal: path + "-wal", db: db, log: log, done: make(chan struct{})}, nil
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
	if size < walPassive {
		return
	}
	mode := "PRAGMA wal_checkpoint(PASSIVE)"
	if size >= walTruncate {
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
func (c *checkpointer) full() bool { return c.size.Load() >= walFull }

func (c *checkpointer) stop() { c.stopped.Do(func() { close(c.done) }) }
