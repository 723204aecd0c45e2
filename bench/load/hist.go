package load

import (
	"math/bits"
	"time"
)

// Hist is a log-linear latency histogram: exact below 64 ns, and within 1/64
// (1.6 %) above. It takes constant memory however many values it counts.
type Hist struct {
	counts [59 * 64]uint64
	n      uint64
	max    int64
}

func bucketOf(v int64) int {
	if v < 64 {
		return int(v)
	}
	e := bits.Len64(uint64(v)) - 7
	return e*64 + int(v>>e)
}

// bucketTop is the largest value counted in bucket i.
func bucketTop(i int) int64 {
	if i < 128 {
		return int64(i)
	}
	e := i/64 - 1
	return int64(i%64+64+1)<<e - 1
}

// Record counts one value.
func (h *Hist) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucketOf(v)]++
	h.n++
	h.max = max(h.max, v)
}

// Merge adds what another histogram counted.
func (h *Hist) Merge(o *Hist) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Quantile returns an upper bound for the q-quantile, 0 < q <= 1.
func (h *Hist) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n))
	if float64(rank) < q*float64(h.n) {
		rank++
	}
	var seen uint64
	for i, c := range h.counts {
		seen += c
		if seen >= max(rank, 1) {
			return time.Duration(min(bucketTop(i), h.max))
		}
	}
	return time.Duration(h.max)
}

// Latencies is a histogram's summary in milliseconds.
type Latencies struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Latencies summarises the histogram.
func (h *Hist) Latencies() Latencies {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latencies{ms(h.Quantile(.50)), ms(h.Quantile(.95)), ms(h.Quantile(.99)), ms(time.Duration(h.max))}
}
