package suite

import (
	"fmt"
	"slices"
)

// A Figure is one measured value.
type Figure struct {
	Scenario string    `json:"scenario"`
	Name     string    `json:"figure"`
	Database string    `json:"database,omitempty"` // empty: the figure is of no database
	Value    float64   `json:"value"`              // the median of the runs
	Unit     string    `json:"unit"`
	Runs     []float64 `json:"runs,omitempty"` // in the order in which they were made
	Target   *Target   `json:"target,omitempty"`
	Met      *bool     `json:"met,omitempty"`
	Limit    string    `json:"limit,omitempty"`               // what bounds the value, measured in the same run
	CPU      float64   `json:"gateway_cpu_us,omitempty"`      // per message or request
	Peak     float64   `json:"gateway_peak_rss_mb,omitempty"` // MiB
	Others   float64   `json:"others,omitempty"`              // share of the machine's CPU time that other processes took, 0 to 1
	Dirty    bool      `json:"dirty,omitempty"`               // others took too much
	Note     string    `json:"note,omitempty"`
}

// A Target is what a value should be.
type Target struct {
	Op    string  `json:"op"` // ≥, ≤ or <
	Value float64 `json:"value"`
}

func atLeast(v float64) *Target { return &Target{"≥", v} }
func atMost(v float64) *Target  { return &Target{"≤", v} }
func below(v float64) *Target   { return &Target{"<", v} }

func (t *Target) met(v float64) bool {
	switch t.Op {
	case "≥":
		return v >= t.Value
	case "≤":
		return v <= t.Value
	}
	return v < t.Value
}

func (t *Target) String() string {
	if t == nil {
		return ""
	}
	return t.Op + " " + number(t.Value)
}

// others beyond which a run is not to be trusted, as in the comparison with other
// gateways that the targets come from.
const dirtyShare = 0.09

// settle works out what follows from the rest. Targets are for SQLite.
func (f *Figure) settle() {
	f.Dirty = f.Others > dirtyShare
	if f.Database == postgres {
		f.Target = nil
	}
	if f.Target != nil {
		met := f.Target.met(f.Value)
		f.Met = &met
	}
}

// number prints a value with as many digits as a person compares.
func number(v float64) string {
	switch a := max(v, -v); {
	case a >= 100 || a == float64(int64(a)):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// ratios are those of paired runs, a by b. A pair without a divisor has none.
func ratios(a, b []float64) []float64 {
	var r []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			r = append(r, a[i]/b[i])
		}
	}
	return r
}
