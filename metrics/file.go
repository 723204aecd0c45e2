package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-im/parley"
)

// fetchResults are the words of package attachment for a try at fetching a file.
var fetchResults = []string{"fetched", "retry", "failed", "blob_failed", "lost", "stopped"}

// servedStatuses are those that a request for a file may be answered with.
var servedStatuses = []int{200, 206, 304, 404, 405, 410, 412, 416, 500, 503}

// A fetchMeter has the series of the files of one provider.
type fetchMeter struct {
	results map[string]prometheus.Counter
	took    prometheus.Observer
	bytes   prometheus.Counter
}

type fileMeters struct {
	fetches map[string]*fetchMeter
	uploads map[string]prometheus.Counter
	served  map[int]prometheus.Counter // 0 is every other status
}

// registerFiles resolves every series, as registerProviders does.
func (m *Metrics) registerFiles(names []string) {
	fetches := m.counters("parley_file_fetches_total", "Tries at fetching a file from a provider, by what became of them.", "provider", "result")
	took := m.times("parley_file_fetch_duration_seconds", "How long tries at fetching a file took.", slow, "provider")
	size := m.counters("parley_file_fetched_bytes_total", "Bytes of the files that were fetched.", "provider")
	uploads := m.counters("parley_file_uploads_total", "Uploads of customers, by the kind of their error, or stored.", "result")
	served := m.counters("parley_file_requests_total", "Requests for a file, by the status of their answer.", "status")
	m.files = fileMeters{fetches: map[string]*fetchMeter{}, uploads: map[string]prometheus.Counter{}, served: map[int]prometheus.Counter{}}
	for _, name := range append([]string{other}, names...) {
		f := &fetchMeter{results: map[string]prometheus.Counter{}, took: took.WithLabelValues(name), bytes: size.WithLabelValues(name)}
		for _, result := range fetchResults {
			f.results[result] = fetches.WithLabelValues(name, result)
		}
		m.files.fetches[name] = f
	}
	m.files.uploads["stored"] = uploads.WithLabelValues("stored")
	for _, kind := range parley.Kinds() {
		m.files.uploads[string(kind)] = uploads.WithLabelValues(string(kind))
	}
	for _, status := range servedStatuses {
		m.files.served[status] = served.WithLabelValues(strconv.Itoa(status))
	}
	m.files.served[0] = served.WithLabelValues(other)
}

// Fetched counts and times a try at fetching a file. The size is in bytes, 0
// unless all of them arrived.
func (m *Metrics) Fetched(provider, result string, took time.Duration, size int64) {
	f := m.files.fetches[provider]
	if f == nil {
		f = m.files.fetches[other]
	}
	if c := f.results[result]; c != nil {
		c.Inc()
	}
	f.took.Observe(took.Seconds())
	f.bytes.Add(float64(size))
}

// Uploaded counts an upload: stored, or the kind of its error.
func (m *Metrics) Uploaded(result string) {
	if c := m.files.uploads[result]; c != nil {
		c.Inc()
	}
}

// Served counts an answer to a request for a file.
func (m *Metrics) Served(status int) {
	c := m.files.served[status]
	if c == nil {
		c = m.files.served[0]
	}
	c.Inc()
}
