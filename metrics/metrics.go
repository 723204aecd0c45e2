package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/parley-im/parley/store"
)

// DepthsEvery is how often the database is asked for what waits, at most, however
// many scrape.
const DepthsEvery = 5 * time.Second

// rows is what the package needs of the store.
type rows interface {
	Depths(ctx context.Context) (store.Depths, error)
	WALSize() int64
	Pressure() store.Pressure
}

// Options says what a Metrics is made of. All but Now must be set.
type Options struct {
	Rows      rows
	Held      func() bool // whether the lease is held
	Providers []string    // the values that label provider may have
	Version   string      // of the program
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
}

// A Metrics has everything that is measured, in a registry of its own. It is what
// the services take as their Observer. It is safe for concurrent use; none of its
// methods but ServeHTTP blocks.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	providers map[string]*provider // fixed once New is done
	other     *provider
	requests  table[request, requestMeters]
	webhooks  webhookMeters
	writer    writerMeters
	files     fileMeters
	streams   prometheus.Gauge
}

// Buckets, in seconds: of what a person waits for, and of what may take a day.
var (
	quick = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	slow  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200}
)

// New returns a Metrics that is ready to be told and scraped. It starts nothing.
func New(o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registerProviders(o.Providers)
	m.registerRequests()
	m.registerStreams()
	m.registerWebhooks()
	m.registerWriter()
	m.registerFiles(o.Providers)
	m.registerProcess(&o)
	m.registry.MustRegister(newDepths(&o), newPressure(o.Rows))
	log := slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: log, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
	return m
}

// ServeHTTP answers a scrape. It blocks while the database is asked, for
// depthsTimeout at most.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	m.handler.ServeHTTP(w, r)
}

// registerProcess registers what is known of the process and its store.
func (m *Metrics) registerProcess(o *Options) {
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "parley_build_info", Help: "Always 1; the labels say what is running.",
			ConstLabels: prometheus.Labels{"version": o.Version, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "parley_lease_held", Help: "1 while this node may act for the companies.",
		}, func() float64 { return flag(o.Held()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "parley_wal_bytes", Help: "Size of SQLite's write-ahead log; 0 on PostgreSQL.",
		}, func() float64 { return float64(o.Rows.WALSize()) }),
	)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) times(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}
