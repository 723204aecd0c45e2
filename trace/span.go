package trace

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/parley-im/parley"
)

// A Delivery is what a provider told us at once.
type Delivery struct {
	Source   string // callback, poll or session: the span's name
	Provider string
	Company  parley.CompanyID
	Channel  parley.ChannelID
	Begun    time.Time
	Took     time.Duration
	Fault    parley.Kind // why it was not stored; "" if it was

	Events, Duplicates, Quarantined int

	Made    []parley.MessageID // that it brought, each once
	Touched []parley.MessageID // that it has news about
}

// Received tells of a delivery. Each message that it made begins a trace with it,
// and each that it touched has it in the trace there is; all but the first name the
// first as a link. Without a message it is a trace of its own.
func (t *Tracer) Received(d Delivery) {
	s := span{
		name: d.Source, kind: oteltrace.SpanKindServer, begun: d.Begun, took: d.Took, fault: d.Fault,
		facts: append(about(d.Provider, d.Company, d.Channel), attribute.Int("events", d.Events),
			attribute.Int("duplicates", d.Duplicates), attribute.Int("quarantined", d.Quarantined)),
	}
	if d.Source != "callback" {
		s.kind = oteltrace.SpanKindClient // we asked
	}
	places := t.placesOf(&d)
	if len(places) == 0 {
		t.add(anywhere(), &s)
		return
	}
	first := oteltrace.Link{SpanContext: spanContext(places[0].trace, places[0].span)}
	for i, p := range places {
		if i == 1 {
			s.links = []oteltrace.Link{first}
		}
		t.add(p, &s)
	}
}

func (t *Tracer) placesOf(d *Delivery) []place {
	places := make([]place, 0, len(d.Made)+len(d.Touched))
	for _, id := range d.Made {
		places = append(places, t.ofMessage(id))
	}
	for i, id := range d.Touched {
		if !slices.Contains(d.Touched[:i], id) && !slices.Contains(d.Made, id) {
			places = append(places, t.ofMessage(id).below())
		}
	}
	return places
}

// An Accepted is a message that the API took for sending.
type Accepted struct {
	Route   string // as a pattern
	Company parley.CompanyID
	Channel parley.ChannelID
	Message parley.MessageID
	Job     parley.JobID
	Begun   time.Time
	Took    time.Duration
	Parent  string // the request's traceparent header; it becomes a link if it is one
}

// Accepted tells of a message that was accepted, and so begins its trace.
func (t *Tracer) Accepted(a Accepted) {
	s := span{
		name: "accept", kind: oteltrace.SpanKindServer, begun: a.Begun, took: a.Took, links: linkTo(a.Parent),
		facts: append(about("", a.Company, a.Channel), attribute.String("route", a.Route), attribute.Int64("job_id", int64(a.Job))),
	}
	t.add(t.ofMessage(a.Message), &s)
}

// A Send is one try at having a provider take one part of a message.
type Send struct {
	Provider string
	Company  parley.CompanyID
	Channel  parley.ChannelID
	Message  parley.MessageID
	Job      parley.JobID
	Part     int // from 0
	Attempt  int // from 1
	Begun    time.Time
	Took     time.Duration
	Fault    parley.Kind // of the error; "" if the part was taken
}

// Sent tells of a try at sending.
func (t *Tracer) Sent(a Send) {
	s := span{
		name: "send", kind: oteltrace.SpanKindClient, begun: a.Begun, took: a.Took, fault: a.Fault,
		facts: append(about(a.Provider, a.Company, a.Channel), attribute.Int64("job_id", int64(a.Job)),
			attribute.Int("part", a.Part), attribute.Int("attempt", a.Attempt), attribute.String("kind", outcome(a.Fault))),
	}
	t.add(t.ofMessage(a.Message).below(), &s)
}

// outcome names a fault as the log does.
func outcome(fault parley.Kind) string {
	if fault == "" {
		return "delivered"
	}
	return string(fault)
}

// A Webhook is one request about an event to an endpoint.
type Webhook struct {
	Epoch    int64 // of the event log
	Company  parley.CompanyID
	Endpoint parley.EndpointID
	Seq      int64
	Message  parley.MessageID // 0 if the event is not about one
	Event    parley.EventKind
	Attempt  int // from 1
	Replay   bool
	Begun    time.Time

	// What is known only once it is over.
	Took   time.Duration
	Status int         // 0 without an answer
	Fault  parley.Kind // "" if the event was taken
}

// placeOf returns the same for the same attempt, before and after it.
func (t *Tracer) placeOf(w *Webhook) place {
	p := t.ofMessage(w.Message).below()
	if w.Message == 0 {
		p = t.root(aboutEvent, w.Epoch, int64(w.Company), w.Seq).beside()
	}
	sum := t.derive(anAttempt, int64(w.Endpoint), w.Seq, int64(w.Attempt), w.Begun.UnixNano())
	copy(p.span[:], sum[:])
	return p
}

// Traceparent returns the header that tells the receiver the place of a request
// that is about to be made.
// Source: W3C Trace Context, "traceparent Header", read 2026-11.
func (t *Tracer) Traceparent(w Webhook) string {
	p := t.placeOf(&w)
	flags := "00"
	if t.sampled(p.trace) {
		flags = "01"
	}
	return "00-" + p.trace.String() + "-" + p.span.String() + "-" + flags
}

// Attempted tells of a request that is over.
func (t *Tracer) Attempted(w Webhook) {
	s := span{
		name: "webhook", kind: oteltrace.SpanKindClient, begun: w.Begun, took: w.Took, fault: w.Fault,
		facts: []attribute.KeyValue{
			attribute.Int64("company_id", int64(w.Company)), attribute.Int64("endpoint_id", int64(w.Endpoint)), attribute.Int64("seq", w.Seq),
			attribute.String("event", string(w.Event)), attribute.Int("attempt", w.Attempt), attribute.Bool("replay", w.Replay),
			attribute.Int("status", w.Status), attribute.String("kind", outcome(w.Fault)),
		},
	}
	t.add(t.placeOf(&w), &s)
}

// A Fetch is one try at fetching a file.
type Fetch struct {
	Provider string
	Company  parley.CompanyID
	Channel  parley.ChannelID
	File     parley.AttachmentID
	Message  parley.MessageID // 0 if no message brought it
	Attempt  int              // from 1
	Result   string
	Size     int64 // in bytes; 0 unless all of them arrived
	Begun    time.Time
	Took     time.Duration
	Fault    parley.Kind // "" if there was none
}

// Fetched tells of a try at fetching a file.
func (t *Tracer) Fetched(f Fetch) {
	s := span{
		name: "fetch file", kind: oteltrace.SpanKindClient, begun: f.Begun, took: f.Took, fault: f.Fault,
		facts: append(about(f.Provider, f.Company, f.Channel), attribute.Int64("attachment_id", int64(f.File)),
			attribute.Int("attempt", f.Attempt), attribute.String("result", f.Result), attribute.Int64("bytes", f.Size)),
	}
	p := t.ofMessage(f.Message).below()
	if f.Message == 0 {
		p = t.root(aboutFile, int64(f.File)).beside()
	}
	t.add(p, &s)
}

// about returns what most spans say, under the names that the log has.
func about(provider string, company parley.CompanyID, channel parley.ChannelID) []attribute.KeyValue {
	facts := make([]attribute.KeyValue, 0, 8)
	if provider != "" {
		facts = append(facts, attribute.String("provider", provider))
	}
	return append(facts, attribute.Int64("company_id", int64(company)), attribute.Int64("channel_id", int64(channel)))
}
