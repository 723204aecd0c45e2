package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"

	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/metrics"
)

// metricsPath is where Prometheus asks.
const metricsPath = "/metrics"

// metricsListen says where the metrics are.
type metricsListen struct {
	MetricsListen string `help:"Address of /metrics alone, away from callers; without it, it is served beside the API. On loopback, Go's profiles are there too." placeholder:"HOST:PORT"`
}

// A monitor is the metrics, and the listener of their own if there is one.
type monitor struct {
	*metrics.Metrics
	listener net.Listener // nil: served beside the API
}

// joinMetrics makes what the services tell, so it comes before them.
func (g *gateway) joinMetrics(offered map[string]connector.Provider) {
	g.metrics = &monitor{Metrics: metrics.New(metrics.Options{
		Rows: g.db, Held: g.lease.Held, Providers: slices.Sorted(maps.Keys(offered)), Version: version(), Log: g.log,
	})}
}

// listen takes the address, if it is one of its own.
func (m *monitor) listen(address string, log *slog.Logger) (err error) {
	if address == "" {
		return nil
	}
	if m.listener, err = net.Listen("tcp", address); err != nil {
		return fmt.Errorf("listen for metrics: %w; choose another address with --metrics-listen", err)
	}
	log.Info("metrics", "address", m.listener.Addr().String())
	return nil
}

// shared reports whether the listener of the API serves a path that is ours.
func (m *monitor) shared(path string) bool { return m.listener == nil && path == metricsPath }

// routes is what the listener of its own serves: Go's profiles beside the metrics
// where only this machine can ask, for they tell of the program's inside.
func (m *monitor) routes() http.Handler {
	routes := http.NewServeMux()
	routes.Handle(metricsPath, m)
	if at, ok := m.listener.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		routes.HandleFunc("/debug/pprof/", pprof.Index)
		routes.HandleFunc("/debug/pprof/profile", pprof.Profile)
		routes.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return routes
}

// serve serves the listener of its own, until the function that it returns is
// called, which waits.
func (m *monitor) serve(lost context.CancelCauseFunc) (stop func()) {
	if m.listener == nil {
		return func() {}
	}
	server := newServer(m.routes())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			lost(fmt.Errorf("serve metrics: %w", err))
		}
	})
	return func() {
		_ = server.Close() // a scrape that is cut comes again
		serving.Wait()
	}
}
