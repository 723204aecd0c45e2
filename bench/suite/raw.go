package suite

import (
	"context"
	"fmt"
	"slices"

	"github.com/parley-im/parley/bench/limits"
)

// A raw holds what the machine can do.
type raw []limits.Figure

// limits measures the machine, once for a suite.
func (s *suite) limits(ctx context.Context) (raw, error) {
	if s.raw != nil {
		return s.raw, nil
	}
	s.logf("the machine's limits")
	o := limits.Options{Dir: s.scratch, Duration: s.seconds(3), Echo: append(slices.Clone(s.Self), "echo")}
	if s.Postgres != "" {
		database, drop, err := createDatabase(ctx, s.Postgres)
		if err != nil {
			return nil, err
		}
		defer drop()
		o.Postgres = database
	}
	all, err := limits.Measure(ctx, o)
	if err != nil {
		return nil, err
	}
	s.raw = all
	return s.raw, nil
}

// limitFigures prints them all.
func limitFigures(ctx context.Context, s *suite, _ string) error {
	all, err := s.limits(ctx)
	if err != nil {
		return err
	}
	for _, l := range all {
		s.add(Figure{Scenario: "limits", Name: l.Name, Unit: "/s", Value: l.Rate, Limit: fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", l.P50, l.P99)})
	}
	return nil
}

// of returns the figure with this name; 0 if there is none.
func (r raw) of(name string) float64 {
	for _, l := range r {
		if l.Name == name {
			return l.Rate
		}
	}
	return 0
}

// rows are those a second that can be committed, 64 at a time.
func (r raw) rows(kind string) float64 {
	if kind == postgres {
		return r.of(limits.PostgresMany)
	}
	return r.of(limits.SQLiteSome)
}

// share is a rate as a part of a limit; 0 if the limit was not measured.
func share(rate, limit float64) float64 {
	if limit <= 0 {
		return 0
	}
	return rate / limit
}
