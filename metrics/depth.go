package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// depthsTimeout bounds how long a scrape waits for the database.
const depthsTimeout = 2 * time.Second

// depths reads what waits when it is scraped. If it cannot, it says so and leaves
// the rest out: an old number would look like a fresh one.
type depths struct {
	rows rows
	log  *slog.Logger
	now  func() time.Time

	known                                                    map[string]bool // providers
	readable, jobs, oldest, endpoints, letters, channelsOpen *prometheus.Desc
	files, oldFile                                           *prometheus.Desc

	mu   sync.Mutex // held while reading, so that others wait for the same answer
	at   time.Time  // of the last reading; zero before the first
	last store.Depths
	err  error
}

func newDepths(o *Options) *depths {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	d := &depths{
		rows: o.Rows, log: o.Log, now: o.Now, known: map[string]bool{},
		readable:     desc("parley_depths_readable", "1 if the database could be asked for what waits; else those series are missing."),
		jobs:         desc("parley_jobs", "Jobs that have not ended.", "state"),
		oldest:       desc("parley_oldest_job_age_seconds", "How long ago the oldest job that has not ended was accepted; 0 without one."),
		endpoints:    desc("parley_endpoints_lagging", "Webhook endpoints with something to deliver."),
		letters:      desc("parley_dead_letters", "Dead letters that were not replayed."),
		files:        desc("parley_files_pending", "Files that are still to be fetched from providers."),
		oldFile:      desc("parley_oldest_file_age_seconds", "How long ago the oldest file to be fetched became known; 0 without one."),
		channelsOpen: desc("parley_channels", "Channels that are not deleted.", "provider", "state"),
	}
	for _, name := range o.Providers {
		d.known[name] = true
	}
	return d
}

// Describe sends the descriptions.
func (d *depths) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.readable, d.jobs, d.oldest, d.endpoints, d.letters, d.files, d.oldFile, d.channelsOpen} {
		to <- desc
	}
}

// Collect sends the numbers.
func (d *depths) Collect(to chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	got, err := d.read()
	send(d.readable, flag(err == nil))
	if err != nil {
		return
	}
	send(d.jobs, float64(got.Ready), string(parley.JobReady))
	send(d.jobs, float64(got.Waiting), string(parley.JobWaiting))
	send(d.jobs, float64(got.Sending), string(parley.JobSending))
	send(d.oldest, d.age(got.Oldest))
	send(d.files, float64(got.Files))
	send(d.oldFile, d.age(got.OldFile))
	send(d.endpoints, float64(got.Endpoints))
	send(d.letters, float64(got.Letters))
	for state, n := range d.channels(got.Channels) {
		send(d.channelsOpen, n, state[0], state[1])
	}
}

// age returns how long ago something was, in seconds; 0 of the zero time.
func (d *depths) age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, d.now().Sub(at)).Seconds()
}

// channels adds up by labels: providers that this installation does not offer any
// more are one.
func (d *depths) channels(counts []store.ChannelCount) map[[2]string]float64 {
	sums := map[[2]string]float64{}
	for _, c := range counts {
		name := c.Provider
		if !d.known[name] {
			name = other
		}
		sums[[2]string{name, string(c.State)}] += float64(c.Channels)
	}
	return sums
}

// read returns what is known, which is at most DepthsEvery old.
func (d *depths) read() (store.Depths, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.at.IsZero() || now.Sub(d.at) >= DepthsEvery {
		ctx, cancel := context.WithTimeout(context.Background(), depthsTimeout)
		defer cancel()
		if d.last, d.err = d.rows.Depths(ctx); d.err != nil {
			d.log.Warn("depths not read", "error", d.err)
		}
		d.at = d.now()
	}
	return d.last, d.err
}
