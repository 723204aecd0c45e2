package suite

import (
	"context"
	"fmt"
	"time"
)

// drain measures how fast a backlog goes to one receiver. The receiver holds the
// requests that it has until the backlog is there.
func drain(ctx context.Context, s *suite, kind string) error {
	// Longer than the backlog takes to build: the requests that are held must not
	// fail, or another path would be measured.
	w, err := s.newWorld(ctx, kind, worldOptions{webhook: true, flags: []string{"--webhook-timeout", "10m"}})
	if err != nil {
		return err
	}
	defer w.close()
	var rates []float64
	var cpu, others float64
	events := s.count(40_000, 200)
	for range s.Rounds {
		d, err := w.drainOnce(ctx, events)
		if err != nil {
			return err
		}
		rates, cpu, others = append(rates, d.rate), d.cpu, max(others, d.others)
	}
	s.add(Figure{Scenario: "drain", Database: kind, Name: fmt.Sprintf("%d events to one receiver", events), Unit: "events/s",
		Value: median(rates), Runs: rates, Target: atLeast(3200), CPU: cpu, Others: others, Peak: w.gateway.peak()})
	return nil
}

// A drained backlog.
type drained struct{ rate, cpu, others float64 }

func (w *world) drainOnce(ctx context.Context, events int64) (d drained, err error) {
	if err := w.sink.Reset(ctx); err != nil {
		return d, err
	}
	if err := w.sink.Hold(ctx); err != nil {
		return d, err
	}
	o := w.callbacks()
	o.Warmup, o.Count, o.Duration = 0, events, 2*time.Minute
	if _, err := w.load(ctx, fmt.Sprintf("receive %d events while the receiver holds", events), o); err != nil {
		return d, err
	}
	m, begun := w.watched().Start(), time.Now()
	if err := w.sink.Release(ctx); err != nil {
		return d, err
	}
	stats, err := w.sink.awaitArrivals(ctx, 20*time.Second, distinct, events)
	if err != nil {
		return d, err
	}
	if stats.Webhook.Distinct < events || stats.Drain == nil {
		return d, fmt.Errorf("%d of %d events arrived", stats.Webhook.Distinct, events)
	}
	use := m.Use(events)
	d = drained{cpu: use["gateway"].PerReq, others: othersShare(use["others"].CPU, time.Since(begun))}
	d.rate = stats.Drain.RPS
	w.suite.logf("    drained at %.0f/s, gateway %.0f us, others %.0f %%", d.rate, d.cpu, d.others*100)
	return d, nil
}
