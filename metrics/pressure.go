package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-im/parley/store"
)

// pressure reads what waits for the writer when it is scraped: the writer counts
// it anyhow.
type pressure struct {
	rows                    rows
	waiting, bytes, refused *prometheus.Desc
}

func newPressure(rows rows) *pressure {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"write"}, nil)
	}
	return &pressure{
		rows:    rows,
		waiting: desc("parley_writer_waiting", "Writes that wait for a batch and can be refused."),
		bytes:   desc("parley_writer_waiting_bytes", "What the waiting writes take, in bytes."),
		refused: desc("parley_writer_refused_total", "Calls that were answered 503 because too much waited."),
	}
}

// Describe sends the descriptions.
func (p *pressure) Describe(to chan<- *prometheus.Desc) {
	to <- p.waiting
	to <- p.bytes
	to <- p.refused
}

// Collect sends the numbers.
func (p *pressure) Collect(to chan<- prometheus.Metric) {
	got := p.rows.Pressure()
	send := func(write string, load store.Load, refused int64) {
		to <- prometheus.MustNewConstMetric(p.waiting, prometheus.GaugeValue, float64(load.Items), write)
		to <- prometheus.MustNewConstMetric(p.bytes, prometheus.GaugeValue, float64(load.Bytes), write)
		to <- prometheus.MustNewConstMetric(p.refused, prometheus.CounterValue, float64(refused), write)
	}
	send("receive", got.Receives, got.RefusedReceives)
	send("accept", got.Accepts, got.RefusedAccepts)
}
