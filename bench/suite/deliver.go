package suite

import (
	"context"
	"fmt"

	"github.com/parley-im/parley/bench/load"
)

// deliver measures callbacks whose messages go on to a receiver.
func deliver(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{webhook: true})
	if err != nil {
		return err
	}
	defer w.close()
	if _, err := w.meet(ctx, load.Default().Chats); err != nil {
		return err
	}
	var full runs
	for range s.Rounds {
		o := w.callbacks()
		o.Sink, o.Kind, o.Warmup, o.Duration = w.sink.url, load.KindWebhook, 0, s.seconds(8)
		r, err := w.load(ctx, "receive and deliver, 64 connections", o)
		if err != nil {
			return err
		}
		full = append(full, r)
	}
	f := full.figure("deliver", kind, "received and delivered, 64 connections", "msg/s", func(r *run) float64 { return r.Sink.RPS })
	f.Target, f.Peak = atLeast(3000), w.gateway.peak()
	f.Limit = fmt.Sprintf("received %.0f/s", full.rate())
	s.add(f)
	s.add(full.sum("deliver", kind, "out of order", func(r *run) float64 { return float64(r.Sink.OutOfOrder) }))
	s.add(full.sum("deliver", kind, "delivered twice", func(r *run) float64 { return float64(r.Sink.Duplicates) }))

	o := w.callbacks()
	o.Sink, o.Kind, o.Warmup, o.Rate = w.sink.url, load.KindWebhook, 0, f.Value/2
	half, err := w.load(ctx, fmt.Sprintf("receive and deliver at %.0f/s, half of that", o.Rate), o)
	if err != nil {
		return err
	}
	f = runs{half}.figure("deliver", kind, "from callback to arrival at half of that, median", "ms", func(r *run) float64 { return r.Sink.P50 })
	f.Limit = fmt.Sprintf("at %.0f/s", half.Rate)
	s.add(f)
	s.add(runs{half}.figure("deliver", kind, "from callback to arrival at half of that, p99", "ms", func(r *run) float64 { return r.Sink.P99 }))
	return nil
}
