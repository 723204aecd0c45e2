package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// send measures messages from the API to the messenger.
func send(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	keys, err := w.meet(ctx, load.Default().Chats)
	if err != nil {
		return err
	}
	var full runs
	for range s.Rounds {
		o := w.posts(keys)
		o.Warmup, o.Duration = 0, s.seconds(6)
		r, err := w.load(ctx, "send, 64 connections", o)
		if err != nil {
			return err
		}
		full = append(full, r)
	}
	f := full.figure("send", kind, "arrived at the messenger, 64 connections", "msg/s", func(r *run) float64 { return r.Sink.RPS })
	f.Target, f.Peak = atLeast(2400), w.gateway.peak()
	f.Limit = fmt.Sprintf("accepted %.0f/s", full.rate())
	s.add(f)
	s.add(full.sum("send", kind, "out of order", func(r *run) float64 { return float64(r.Sink.OutOfOrder) }))
	s.add(full.sum("send", kind, "sent twice", func(r *run) float64 { return float64(r.Sink.Duplicates) }))

	o := w.posts(keys)
	o.Conns, o.Rate, o.Warmup = 16, 20, 0
	paced, err := w.load(ctx, "send, 20 a second", o)
	if err != nil {
		return err
	}
	f = runs{paced}.figure("send", kind, "from request to arrival at 20/s, median", "ms", func(r *run) float64 { return r.Sink.P50 })
	f.Target, f.Limit = below(10), fmt.Sprintf("p99 %.1f ms", paced.Sink.P99)
	s.add(f)
	return slowMessenger(ctx, s, kind)
}

// The messenger that limits what can be sent: a conversation's next message leaves
// after the answer to the one before.
const (
	slowAnswer   = 50 * time.Millisecond
	slowContacts = 10
)

func slowMessenger(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{sink: []string{"-latency", slowAnswer.String()}})
	if err != nil {
		return err
	}
	defer w.close()
	keys, err := w.meet(ctx, slowContacts)
	if err != nil {
		return err
	}
	bound := slowContacts / slowAnswer.Seconds()
	o := w.posts(keys)
	o.Conns, o.Chats, o.Warmup = slowContacts, slowContacts, 0
	o.Count, o.Duration = s.count(int64(bound*10), 100), time.Minute
	r, err := w.load(ctx, fmt.Sprintf("send to %d contacts, the messenger takes %v", slowContacts, slowAnswer), o)
	if err != nil {
		return err
	}
	f := runs{r}.figure("send", kind, "arrived, 10 contacts, messenger of 50 ms", "msg/s", func(r *run) float64 { return r.Sink.RPS })
	f.Limit = fmt.Sprintf("bound %.0f/s, %.0f %% of it", bound, 100*f.Value/bound)
	s.add(f)
	s.add(runs{r}.sum("send", kind, "out of order, messenger of 50 ms", func(r *run) float64 { return float64(r.Sink.OutOfOrder) }))
	return nil
}

// posts are options of a run that plays the company's application.
func (w *world) posts(keys []string) load.Options {
	o := load.Default()
	o.Bench, o.Keys = "outbound", keys
	o.URL = fmt.Sprintf("%s/p1/companies/%d/conversations/{key}/messages", w.gateway.base, w.company)
	o.Header = []string{"Content-Type: application/x-www-form-urlencoded", tokenHeader + ": " + w.api.token}
	o.Body = "message={text}"
	o.Conns, o.Warmup, o.Duration = 64, w.suite.seconds(2), w.suite.seconds(10)
	o.Sink, o.Kind = w.sink.url, load.KindSend
	return o
}
