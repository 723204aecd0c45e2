package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley/bench/load"
	"github.com/parley-im/parley/bench/sink"
)

// startLoaded measures the time from the start of the process until /readyz says
// yes, with work left over.
func startLoaded(ctx context.Context, s *suite, kind string) error {
	var all runs
	p := s.middle()
	for range s.Rounds {
		r, err := s.startOnce(ctx, kind, p.Jobs)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	f := all.figure("start", kind, fmt.Sprintf("until ready, %d messages, %d open jobs", p.Messages, p.Jobs), "s", func(r *run) float64 { return r.P50 / 1000 })
	f.CPU, f.Target = 0, below(2)
	s.add(f)
	return nil
}

func (s *suite) startOnce(ctx context.Context, kind string, jobs int64) (*run, error) {
	at, token, remove, err := s.middlePlace(ctx, kind)
	if err != nil {
		return nil, err
	}
	w := &world{suite: s, place: at, remove: remove}
	defer w.close()
	if w.sink, err = s.newSink(ctx, s.scratch); err != nil {
		return nil, err
	}
	r, err := w.timedStart(ctx, token)
	if err != nil {
		return nil, err
	}
	return r, w.sendsAll(ctx, jobs)
}

// timedStart starts the gateway; the time until it is ready is the run's latency.
func (w *world) timedStart(ctx context.Context, token string) (*run, error) {
	m, begun := w.watched().Start(), time.Now()
	if err := w.start(ctx, token); err != nil {
		return nil, err
	}
	m.Also("gateway", w.gateway.pid())
	use := m.Use(1)
	ready := w.gateway.started
	r := &run{&load.Result{Requests: 1, Latencies: load.Latencies{P50: ready.Seconds() * 1000}, Proc: use},
		othersShare(use["others"].CPU, time.Since(begun))}
	w.suite.logf("    ready after %v, others %.0f %%", ready.Round(time.Millisecond), r.others*100)
	return r, nil
}

// sendsAll makes sure that the jobs were open: all of them are sent now.
func (w *world) sendsAll(ctx context.Context, jobs int64) error {
	stats, err := w.sink.awaitArrivals(ctx, 10*time.Second, func(s *sink.Stats) int64 { return s.Send.Count }, jobs)
	if err == nil && stats.Send.Count < jobs {
		err = fmt.Errorf("%d of %d open jobs were sent after the start", stats.Send.Count, jobs)
	}
	return err
}
