package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Result is what a run measured. The figures are those of the valid messages;
// Parts has the others, if the run was a mix.
type Result struct {
	Bench    string        `json:"bench"`
	Label    string        `json:"label,omitempty"`
	Mode     string        `json:"mode"`           // closed or open loop
	Rate     float64       `json:"rate,omitempty"` // asked for, per second, of all parts
	Conns    int           `json:"conns"`
	Chats    int64         `json:"chats"`
	Seconds  float64       `json:"seconds"`
	Requests int64         `json:"requests"`
	RPS      float64       `json:"rps"`
	Errors   int64         `json:"errors"`  // no response
	Non2xx   int64         `json:"non_2xx"` // refused ones left out
	Refused  int64         `json:"refused"` // 429 or 503 with Retry-After; not in the latencies
	Bytes    int64         `json:"bytes"`   // of the bodies of all responses
	Status   map[int]int64 `json:"status"`
	Latencies
	Parts []PartResult       `json:"parts,omitempty"`
	Sink  *SinkResult        `json:"sink,omitempty"`
	Proc  map[string]ProcUse `json:"proc"`

	// Failure is the first request that failed, if any did.
	Failure string `json:"failure,omitempty"`
}

// PartResult is what a run measured of a part of a mix.
type PartResult struct {
	Name     string        `json:"name"`
	Share    float64       `json:"share"`
	Requests int64         `json:"requests"`
	RPS      float64       `json:"rps"`
	Errors   int64         `json:"errors"`
	Refused  int64         `json:"refused"`
	Status   map[int]int64 `json:"status"`
	Latencies
}

func (r *run) result(total []tally) *Result {
	t, last := &total[0], r.measure
	for i := range total {
		if total[i].last.After(last) {
			last = total[i].last
		}
	}
	res := &Result{
		Bench: r.Bench, Label: r.Label, Mode: "closed", Rate: r.Rate, Conns: r.Conns, Chats: r.Chats,
		Seconds:  last.Sub(r.measure).Seconds(),
		Requests: t.requests, Errors: t.errors, Non2xx: t.non2xx, Refused: t.refused, Bytes: t.bytes, Status: t.status,
		Latencies: t.hist.Latencies(),
	}
	res.RPS = perSecond(res.Requests, res.Seconds)
	if r.Rate > 0 {
		res.Mode = "open"
	}
	if t.err != nil {
		res.Failure = t.err.Error()
	}
	if len(total) > 1 {
		for i := range total {
			res.Parts = append(res.Parts, r.parts[i].result(&total[i], res.Seconds))
		}
	}
	return res
}

func (p *part) result(t *tally, seconds float64) PartResult {
	return PartResult{Name: p.name, Share: p.share, Requests: t.requests, RPS: perSecond(t.requests, seconds),
		Errors: t.errors, Refused: t.refused, Status: t.status, Latencies: t.hist.Latencies()}
}

func perSecond(n int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// Text prints the result for people.
func (r *Result) Text(w io.Writer) {
	mode := r.Mode
	if r.Rate > 0 {
		mode += fmt.Sprintf(" at %.0f/s", r.Rate)
	}
	fmt.Fprintf(w, "%s %s: %s, %d connections, %d chats\n", r.Bench, r.Label, mode, r.Conns, r.Chats)
	row(w, "requests", "%d in %.2f s: %.0f/s", r.Requests, r.Seconds, r.RPS)
	row(w, "failures", "%d without response, %d not 2xx, %d refused", r.Errors, r.Non2xx, r.Refused)
	if r.Failure != "" {
		row(w, "first failure", "%s", r.Failure)
	}
	row(w, "latency", "%s", milliseconds(r.Latencies))
	for _, p := range r.Parts {
		row(w, p.Name, "%d, %.0f/s, %s, %s", p.Requests, p.RPS, statuses(p.Status, p.Errors), milliseconds(p.Latencies))
	}
	if s := r.Sink; s != nil {
		row(w, "sink", "%d distinct of %d, %.0f/s, complete %t", s.Distinct, s.Count, s.RPS, s.Complete)
		row(w, "", "%d duplicates, %d out of order, %d refused", s.Duplicates, s.OutOfOrder, s.Refused)
		row(w, "end to end", "%s", milliseconds(s.Latencies))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Proc)) {
		u := r.Proc[name]
		row(w, "proc "+name, "%.1f CPU s, %.0f us/request, RSS %.0f MiB, at most %.0f, tree PSS %.0f MiB", u.CPU, u.PerReq, u.RSS, u.Peak, u.PSS)
	}
}

func row(w io.Writer, name, format string, a ...any) {
	fmt.Fprintf(w, "  %-14s %s\n", name, fmt.Sprintf(format, a...))
}

func milliseconds(l Latencies) string {
	return fmt.Sprintf("p50 %.2f  p95 %.2f  p99 %.2f  max %.2f ms", l.P50, l.P95, l.P99, l.Max)
}

// statuses lists how often each status came, and that none came.
func statuses(status map[int]int64, errors int64) string {
	var list []string
	for _, code := range slices.Sorted(maps.Keys(status)) {
		list = append(list, fmt.Sprintf("%d: %d", code, status[code]))
	}
	if errors > 0 {
		list = append(list, fmt.Sprintf("none: %d", errors))
	}
	return strings.Join(list, ", ")
}
