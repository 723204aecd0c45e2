package suite

import (
	"context"
	"fmt"

	"github.com/parley-im/parley/bench/limits"
)

// receive measures callbacks: how many are stored and answered, alone and by many
// connections, and how late under half of that.
func receive(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	many, one, err := w.closedLoops(ctx)
	if err != nil {
		return err
	}
	o := w.callbacks()
	o.Rate = many.rate() / 2
	half, err := w.load(ctx, fmt.Sprintf("open loop at %.0f/s, half of that", o.Rate), o)
	if err != nil {
		return err
	}
	peak := w.gateway.peak()
	return s.receiveFigures(ctx, kind, many, one, half, peak)
}

// closedLoops runs 64 connections and one in turns.
func (w *world) closedLoops(ctx context.Context) (many, one runs, err error) {
	for range w.suite.Rounds {
		for _, side := range []struct {
			conns int
			into  *runs
			long  float64
		}{{64, &many, 8}, {1, &one, 4}} {
			o := w.callbacks()
			o.Conns, o.Warmup, o.Duration = side.conns, w.suite.seconds(1), w.suite.seconds(side.long)
			r, err := w.load(ctx, fmt.Sprintf("receive, %d connections", side.conns), o)
			if err != nil {
				return nil, nil, err
			}
			*side.into = append(*side.into, r)
		}
	}
	return many, one, nil
}

func (s *suite) receiveFigures(ctx context.Context, kind string, many, one runs, half *run, peak float64) error {
	raw, err := s.limits(ctx)
	if err != nil {
		return err
	}
	rows, echo := raw.rows(kind), raw.of(limits.EchoMany)
	f := many.figure("receive", kind, "64 connections", "msg/s", func(r *run) float64 { return r.RPS })
	f.Peak, f.Target = peak, atLeast(5600)
	f.Limit = fmt.Sprintf("echo %.0f/s", echo)
	s.add(f)
	s.add(Figure{Scenario: "receive", Database: kind, Name: "64 connections, of the raw rows", Unit: "ratio", Value: share(many.rate(), rows),
		Others: many.others(), Target: atLeast(0.18), Limit: fmt.Sprintf("rows %.0f/s at 64 a commit", rows)})
	s.add(Figure{Scenario: "receive", Database: kind, Name: "64 connections, of the HTTP echo", Unit: "ratio", Value: share(many.rate(), echo), Others: many.others()})
	f = one.figure("receive", kind, "1 connection", "msg/s", func(r *run) float64 { return r.RPS })
	f.Target, f.Limit = atLeast(1085), fmt.Sprintf("echo %.0f/s", raw.of(limits.EchoOne))
	s.add(f)
	f = runs{half}.figure("receive", kind, "p99 at half of that rate", "ms", func(r *run) float64 { return r.P99 })
	f.Target, f.Limit = below(50), fmt.Sprintf("at %.0f/s, p50 %.1f ms", half.Rate, half.P50)
	s.add(f)
	return nil
}
