// Package limits measures what the machine itself can do, without any gateway:
// requests through net/http, rows made durable by SQLite and PostgreSQL, writes
// made durable by the disk. A gateway's figures mean little without those of the
// same machine at the same time.
package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// Options say what to measure.
type Options struct {
	Dir      string        // on the disk to measure; a directory is made in it, and removed
	Postgres string        // address of a database; without it PostgreSQL is left out
	Duration time.Duration // of each measurement; 0: 5 s
	// Echo is a command that calls ServeEcho. In a process of its own the server's
	// share of the processors is as a gateway's would be. Without it, the server
	// runs in this process, and the figures are others.
	Echo []string
}

// Names of figures.
const (
	EchoOne      = "net/http JSON echo, 1 connection"
	EchoMany     = "net/http JSON echo, 64 connections"
	SQLiteOne    = "SQLite FULL, 1 row per commit"
	SQLiteSome   = "SQLite FULL, 64 rows per commit"
	SQLiteMany   = "SQLite FULL, 256 rows per commit"
	Disk         = "write 4 KiB + fdatasync, growing file"
	PostgresOne  = "PostgreSQL, 1 connection, 1 row"
	PostgresMany = "PostgreSQL, 16 connections, 64 rows"
)

// Figure is one limit.
type Figure struct {
	Name string  `json:"name"`
	Rate float64 `json:"per_s"` // requests, rows or writes
	load.Latencies
	CPU float64 `json:"cpu_us,omitempty"` // of this process for each row; with a server elsewhere it says nothing
}

// Measure measures all limits, one after the other.
func Measure(ctx context.Context, o Options) ([]Figure, error) {
	o.Duration = cmp.Or(o.Duration, 5*time.Second)
	all := []struct {
		name string
		run  func(context.Context, Options) (Figure, error)
	}{
		{EchoOne, echo(1)}, {EchoMany, echo(64)},
		{SQLiteOne, sqlite(1)}, {SQLiteSome, sqlite(64)}, {SQLiteMany, sqlite(256)},
		{Disk, disk},
		{PostgresOne, postgres(1, 1)}, {PostgresMany, postgres(16, 64)},
	}
	var figures []Figure
	for _, m := range all {
		f, err := m.run(ctx, o)
		switch {
		case errors.Is(err, errLeftOut):
			continue
		case err != nil:
			return figures, fmt.Errorf("%s: %w", m.name, err)
		}
		f.Name = m.name
		figures = append(figures, f)
	}
	return figures, nil
}

// errLeftOut is for what was not asked for.
var errLeftOut = errors.New("left out")

// Text prints figures for people.
func Text(w io.Writer, figures []Figure) {
	for _, f := range figures {
		fmt.Fprintf(w, "%-38s %9.0f/s  p50 %.2f  p99 %.2f ms", f.Name, f.Rate, f.P50, f.P99)
		if f.CPU > 0 {
			fmt.Fprintf(w, "  %.0f us of CPU each", f.CPU)
		}
		fmt.Fprintln(w)
	}
}

// timed calls f until the duration is over, and returns how long it took and the
// calls' times.
func timed(ctx context.Context, d time.Duration, f func() error) (time.Duration, *load.Hist, error) {
	h, start := &load.Hist{}, time.Now()
	for last := start; ; {
		if err := errors.Join(ctx.Err(), f()); err != nil {
			return 0, nil, err
		}
		now := time.Now()
		h.Record(now.Sub(last))
		if last = now; now.Sub(start) >= d {
			return now.Sub(start), h, nil
		}
	}
}
