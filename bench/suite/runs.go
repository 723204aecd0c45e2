package suite

import (
	"context"
	"strings"
)

// runs are repetitions of one run.
type runs []*run

func (rs runs) values(of func(*run) float64) []float64 {
	v := make([]float64, len(rs))
	for i, r := range rs {
		v[i] = of(r)
	}
	return v
}

func (rs runs) median(of func(*run) float64) float64 { return median(rs.values(of)) }

func (rs runs) rate() float64 { return rs.median(func(r *run) float64 { return r.RPS }) }

// others is the worst run's.
func (rs runs) others() float64 {
	worst := 0.0
	for _, r := range rs {
		worst = max(worst, r.others)
	}
	return worst
}

func (rs runs) failed() string {
	var notes []string
	for _, r := range rs {
		if n := r.failed(); n != "" {
			notes = append(notes, n)
		}
	}
	return strings.Join(notes, "; ")
}

// figure is the median of a value.
func (rs runs) figure(scenario, kind, name, unit string, of func(*run) float64) Figure {
	return Figure{Scenario: scenario, Database: kind, Name: name, Unit: unit, Value: rs.median(of), Runs: rs.values(of),
		CPU: rs.median((*run).cpu), Others: rs.others(), Note: rs.failed()}
}

// sum is a figure that should be 0 in all runs together.
func (rs runs) sum(scenario, kind, name string, of func(*run) float64) Figure {
	f := Figure{Scenario: scenario, Database: kind, Name: name, Unit: "messages", Target: atMost(0)}
	for _, v := range rs.values(of) {
		f.Value += v
	}
	return f
}

// inTurns makes so many pairs of runs. Every other pair begins with the second, so
// that neither always has the warmer machine.
func inTurns(ctx context.Context, pairs int, first, second func(context.Context) (*run, error)) (a, b runs, err error) {
	sides := [2]struct {
		do   func(context.Context) (*run, error)
		into *runs
	}{{first, &a}, {second, &b}}
	for n := range pairs {
		for i := range sides {
			side := sides[(i+n)%2]
			r, err := side.do(ctx)
			if err != nil {
				return nil, nil, err
			}
			*side.into = append(*side.into, r)
		}
	}
	return a, b, nil
}

// versus is the figure of paired runs: the median of the pairs' ratios.
func versus(scenario, kind, name string, a, b runs, of func(*run) float64) Figure {
	r := ratios(a.values(of), b.values(of))
	return Figure{Scenario: scenario, Database: kind, Name: name, Unit: "ratio", Value: median(r), Runs: r,
		Others: max(a.others(), b.others()), Note: strings.Trim(a.failed()+"; "+b.failed(), "; ")}
}
