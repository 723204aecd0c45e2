package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/inbox"
	"github.com/parley-im/parley/outbox"
	"github.com/parley-im/parley/trace"
	"github.com/parley-im/parley/webhook"
)

// traceStop bounds how long a stop waits for the collector to take the last spans.
const traceStop = 3 * time.Second

// tracing is what the services are told to trace with. Without traces its hooks
// are nil, and so cost nothing.
type tracing struct {
	tracer *trace.Tracer // nil without traces

	received func(inbox.Delivery)
	sent     func(outbox.Send)
	webhooks webhook.Tracer
	accepted func(api.Accepted)
	fetched  func(attachment.Fetch)
}

// joinTraces makes the hooks, so it comes before the services.
func (g *gateway) joinTraces(ctx context.Context, node string) error {
	getenv := g.config.getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	t, err := trace.New(trace.Options{
		Getenv: getenv, Key: func() ([]byte, error) { return g.db.SharedKey(ctx, "trace_key") }, Version: version(), Node: node, Log: g.log,
	})
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if t != nil {
		g.traces = newTracing(t, g.db.Epoch())
	}
	return nil
}

func newTracing(t *trace.Tracer, epoch int64) tracing {
	return tracing{
		tracer: t,
		received: func(d inbox.Delivery) {
			t.Received(trace.Delivery{Source: d.Source, Provider: d.Channel.Provider, Company: d.Channel.Company, Channel: d.Channel.ID,
				Begun: d.Begun, Took: d.Took, Fault: parley.KindOf(d.Err), Events: d.Events, Duplicates: d.Duplicates, Quarantined: d.Quarantined,
				Made: d.Made, Touched: d.Touched})
		},
		sent: func(s outbox.Send) {
			j := s.Job
			t.Sent(trace.Send{Provider: s.Provider, Company: j.Company, Channel: j.Channel, Message: j.Message, Job: j.ID,
				Part: j.Part, Attempt: j.Attempt, Begun: s.Begun, Took: s.Took, Fault: s.Kind})
		},
		webhooks: tracedWebhooks{t, epoch},
		accepted: func(a api.Accepted) {
			j := &a.Job
			t.Accepted(trace.Accepted{Route: a.Route, Company: j.Company, Channel: j.Channel, Message: j.Message, Job: j.ID,
				Begun: a.Begun, Took: a.Took, Parent: a.Parent})
		},
		fetched: func(f attachment.Fetch) {
			a := f.File
			t.Fetched(trace.Fetch{Provider: f.Provider, Company: a.Company, Channel: a.Channel, File: a.ID, Message: a.Message,
				Attempt: a.Attempt + 1, Result: f.Result, Size: f.Size, Begun: f.Begun, Took: f.Took, Fault: f.Kind})
		},
	}
}

// tracedWebhooks is the webhook.Tracer of an event log.
type tracedWebhooks struct {
	tracer *trace.Tracer
	epoch  int64
}

var _ webhook.Tracer = tracedWebhooks{}

func (w tracedWebhooks) of(a webhook.Attempt) trace.Webhook {
	return trace.Webhook{Epoch: w.epoch, Company: a.Company, Endpoint: a.Endpoint, Seq: a.Seq, Message: a.Message, Event: a.Event,
		Attempt: a.Number, Replay: a.Replay, Begun: a.Begun}
}

// Traceparent returns the place of a request that is about to be made.
func (w tracedWebhooks) Traceparent(a webhook.Attempt) string { return w.tracer.Traceparent(w.of(a)) }

// Attempted traces a request that is over.
func (w tracedWebhooks) Attempted(a webhook.Attempt, status int, kind parley.Kind, took time.Duration) {
	over := w.of(a)
	over.Status, over.Fault, over.Took = status, kind, took
	w.tracer.Attempted(over)
}

// close has the last spans sent, within traceStop.
func (t *tracing) close() {
	if t.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceStop)
	defer cancel()
	_ = t.tracer.Shutdown(ctx) // that the collector is away was logged
}
