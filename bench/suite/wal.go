package suite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver that the gateway has

	"github.com/parley-im/parley/bench/load"
)

// The write-ahead log cannot be written back past a reader that is still open. The
// gateway tries all the same, from 8 MiB on beside the work and from 64 MiB on with
// the writer standing still, so that the log is short again once the reader has
// gone; from 1 GiB on it takes nothing more in and answers 503, until then. So it
// is bounded by 1 GiB and what the last commits add.
const (
	walBound    = 1<<10 + 64 // MiB, while a reader is open
	walEmptied  = 64         // MiB, soon after
	walPatience = 5 * time.Second
)

func heldReader(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	file := filepath.Join(w.place.data, "parley.db")
	free, err := holdReader(ctx, file)
	if err != nil {
		return err
	}
	defer free()
	most := newGauge(file + "-wal")
	o := w.callbacks()
	o.Warmup = 0
	r, err := w.load(ctx, "receive while a reader is open", o)
	peak := most.stop()
	if err != nil {
		return err
	}
	free()
	after, err := w.emptied(ctx, file+"-wal")
	if err != nil {
		return err
	}
	f := Figure{Scenario: "wal", Database: kind, Name: "log with a reader held open, at most", Unit: "MiB", Value: mib(peak), Target: atMost(walBound), Others: r.others}
	f.Limit = fmt.Sprintf("%d messages meanwhile at %.0f/s, %d refused", r.Requests, r.RPS, r.Refused)
	f.Note = r.failed()
	s.add(f)
	s.add(Figure{Scenario: "wal", Database: kind, Name: "log within 5 s after the reader has gone", Unit: "MiB", Value: mib(after), Target: atMost(walEmptied)})
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// holdReader opens a transaction that reads, until it is freed.
func holdReader(ctx context.Context, file string) (free func(), err error) {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		var n int64
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM message").Scan(&n)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return sync.OnceFunc(func() {
		_ = tx.Rollback() // it has only read
		_ = db.Close()
	}), nil
}

// emptied writes a little, as messages come in at any time, and returns the log's
// size once it is short, or what it is when time is up.
func (w *world) emptied(ctx context.Context, wal string) (int64, error) {
	for late := time.Now().Add(walPatience); ; {
		o := w.callbacks()
		o.Conns, o.Count, o.Warmup, o.Duration = 1, 1, 0, time.Second
		if _, err := load.Run(ctx, o); err != nil {
			return 0, err
		}
		size := fileSize(wal)
		if mib(size) <= walEmptied || time.Now().After(late) {
			return size, ctx.Err()
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func fileSize(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// A gauge watches how large a file becomes.
type gauge struct {
	end  chan struct{}
	most chan int64
}

func newGauge(file string) *gauge {
	g := &gauge{make(chan struct{}), make(chan int64)}
	go func() { // ends at stop
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		most := fileSize(file)
		for {
			select {
			case <-tick.C:
				most = max(most, fileSize(file))
			case <-g.end:
				g.most <- max(most, fileSize(file))
				return
			}
		}
	}()
	return g
}

func (g *gauge) stop() int64 {
	close(g.end)
	return <-g.most
}
