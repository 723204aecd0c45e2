package trace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collected "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/parley-im/parley"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// tell tells of everything about message 5, and of some things that are not about
// a message.
func tell(t *Tracer) {
	t.Received(Delivery{Source: "callback", Provider: "telegram", Company: 1, Channel: 2, Begun: noon, Took: time.Millisecond,
		Events: 4, Duplicates: 1, Made: []parley.MessageID{5, 6}, Touched: []parley.MessageID{4, 6, 4}})
	t.Sent(Send{Provider: "telegram", Company: 1, Channel: 2, Message: 5, Job: 9, Part: 1, Attempt: 2, Begun: noon, Took: time.Second, Fault: parley.KindThrottled})
	t.Fetched(Fetch{Provider: "telegram", Company: 1, Channel: 2, File: 3, Message: 5, Attempt: 1, Result: "fetched", Size: 99, Begun: noon, Took: time.Second})
	t.Attempted(webhookOf(5))
	t.Attempted(webhookOf(0))
	t.Received(Delivery{Source: "poll", Provider: "telegram", Company: 1, Channel: 2, Begun: noon, Events: 1, Fault: parley.KindUnavailable})
	t.Accepted(Accepted{Route: "/p1/x", Company: 1, Channel: 2, Message: 8, Job: 9, Begun: noon, Took: time.Millisecond,
		Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
}

func webhookOf(m parley.MessageID) Webhook {
	return Webhook{Epoch: 1, Company: 1, Endpoint: 7, Seq: 11, Message: m, Event: "message/new", Attempt: 1, Begun: noon, Took: time.Second, Status: 200}
}

// TestSpans: what is told arrives, with its place and its facts.
func TestSpans(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	tr := newTracer(t, variables(c), io.Discard)
	tell(tr)
	want := tr.Traceparent(webhookOf(5))
	finish(t, tr)
	all := c.spans()
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	if d := cmp.Diff([]string{"callback", "callback", "callback", "send", "fetch file", "webhook", "webhook", "poll", "accept"}, names); d != "" {
		t.Fatal(d)
	}
	first, second, touched, send, file, hook, news, poll, accept := all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7], all[8]
	for _, s := range []*collected.Span{send, file, hook} {
		if id(s.TraceId) != id(first.TraceId) || id(s.ParentSpanId) != id(first.SpanId) {
			t.Errorf("%s is not below the callback of its message", s.Name)
		}
	}
	for _, s := range []*collected.Span{second, touched} {
		if len(s.Links) != 1 || id(s.Links[0].TraceId) != id(first.TraceId) || id(s.Links[0].SpanId) != id(first.SpanId) || id(s.TraceId) == id(first.TraceId) {
			t.Errorf("a further message of the callback has links %v", s.Links)
		}
	}
	for _, s := range []*collected.Span{first, second, news, poll, accept} {
		if len(s.ParentSpanId) != 0 {
			t.Errorf("%s has a parent", s.Name)
		}
	}
	if len(touched.ParentSpanId) == 0 || len(first.Links) != 0 {
		t.Error("news of a message begins its trace, or the first of a callback has a link")
	}
	if got := "00-" + id(hook.TraceId) + "-" + id(hook.SpanId) + "-01"; got != want {
		t.Errorf("the receiver was told %s, the span is %s", want, got)
	}
	if len(accept.Links) != 1 || id(accept.Links[0].TraceId) != "0af7651916cd43dd8448eb211c80319c" || id(accept.Links[0].SpanId) != "b7ad6b7169203331" {
		t.Errorf("the client's trace: %v", accept.Links)
	}
	checkFacts(t, c, all)
}

func checkFacts(t *testing.T, c *collector, all []*collected.Span) {
	t.Helper()
	common := map[string]string{"company_id": "int_value:1", "channel_id": "int_value:2", "provider": `string_value:"telegram"`}
	for i, more := range map[int]map[string]string{
		0: {"events": "int_value:4", "duplicates": "int_value:1", "quarantined": "int_value:0"},
		3: {"job_id": "int_value:9", "part": "int_value:1", "attempt": "int_value:2", "kind": `string_value:"throttled"`},
		4: {"attachment_id": "int_value:3", "attempt": "int_value:1", "bytes": "int_value:99", "result": `string_value:"fetched"`},
	} {
		for k, v := range common {
			more[k] = v
		}
		if d := cmp.Diff(more, facts(all[i])); d != "" {
			t.Errorf("%s: %s", all[i].Name, d)
		}
	}
	want := map[string]string{"company_id": "int_value:1", "endpoint_id": "int_value:7", "seq": "int_value:11", "attempt": "int_value:1", "status": "int_value:200",
		"replay": "bool_value:false", "event": `string_value:"message/new"`, "kind": `string_value:"delivered"`}
	if d := cmp.Diff(want, facts(all[5])); d != "" {
		t.Error(d)
	}
	send := all[3]
	if send.StartTimeUnixNano != uint64(noon.UnixNano()) || send.EndTimeUnixNano != uint64(noon.Add(time.Second).UnixNano()) {
		t.Errorf("send from %d to %d", send.StartTimeUnixNano, send.EndTimeUnixNano)
	}
	if send.Status.GetCode() != collected.Status_STATUS_CODE_ERROR || send.Status.GetMessage() != "throttled" || all[0].Status != nil {
		t.Errorf("status of a failed send %v, of a callback %v", send.Status, all[0].Status)
	}
	if all[0].Kind != collected.Span_SPAN_KIND_SERVER || send.Kind != collected.Span_SPAN_KIND_CLIENT || all[7].Kind != collected.Span_SPAN_KIND_CLIENT {
		t.Errorf("kinds %v, %v, %v", all[0].Kind, send.Kind, all[7].Kind)
	}
	if all[0].Flags != 0x101 || send.Flags != 0x301 {
		t.Errorf("flags %x and %x", all[0].Flags, send.Flags)
	}
	got := map[string]string{}
	for _, a := range c.batches[0].Resource.Attributes {
		got[a.Key] = a.Value.GetStringValue()
	}
	if d := cmp.Diff(map[string]string{"service.name": "parley", "service.version": "v1", "service.instance.id": "node-1"}, got); d != "" {
		t.Error(d)
	}
	if s := c.batches[0].ScopeSpans[0].Scope; s.Name != scope || s.Version != "v1" {
		t.Errorf("scope %v", s)
	}
}

// TestDerived: the same message has the same trace on every node of an
// installation, and another one elsewhere; attempts are told apart.
func TestDerived(t *testing.T) {
	t.Parallel()
	one, two, other := &Tracer{key: testKey}, &Tracer{key: testKey}, &Tracer{key: []byte("other")}
	if one.ofMessage(5) != two.ofMessage(5) {
		t.Error("two nodes disagree about a message")
	}
	seen := map[string]string{}
	again, next, late := webhookOf(5), webhookOf(5), webhookOf(5)
	again.Endpoint, next.Attempt, late.Begun = 8, 2, noon.Add(1)
	for what, p := range map[string]place{
		"a message": one.ofMessage(5), "another": one.ofMessage(6), "elsewhere": other.ofMessage(5), "an event": one.root(aboutEvent, 5), "a file": one.root(aboutFile, 5),
		"anywhere": anywhere(), "anywhere else": anywhere(),
	} {
		if was, ok := seen[p.trace.String()]; ok || !p.trace.IsValid() || !p.span.IsValid() {
			t.Errorf("%s and %s have the same trace %v", what, was, p)
		}
		seen[p.trace.String()] = what
	}
	spans := map[string]bool{}
	for _, w := range []Webhook{webhookOf(5), again, next, late} {
		p := one.placeOf(&w)
		if p != two.placeOf(&w) {
			t.Error("a webhook's place is not the same before and after")
		}
		spans[p.span.String()] = true
	}
	if len(spans) != 4 {
		t.Errorf("4 attempts have %d ids", len(spans))
	}
}

// TestSampled: a trace is exported as a whole or not at all, and receivers are
// told which.
func TestSampled(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	tr := newTracer(t, variables(c, "OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.5"), io.Discard)
	const messages = 200
	want := map[string]int{}
	for m := range parley.MessageID(messages) {
		tr.Accepted(Accepted{Message: m + 1, Begun: noon})
		tr.Sent(Send{Message: m + 1, Begun: noon})
		tr.Attempted(webhookOf(m + 1))
		if parent := tr.Traceparent(webhookOf(m + 1)); strings.HasSuffix(parent, "-01") {
			want[strings.Split(parent, "-")[1]] = 3
		}
	}
	finish(t, tr)
	got := map[string]int{}
	for _, s := range c.spans() {
		got[id(s.TraceId)]++
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(got) < messages/4 || len(got) > messages*3/4 {
		t.Errorf("%d of %d traces are sampled", len(got), messages)
	}
}

// TestOff: without an endpoint nothing is made, and the key is not asked for.
func TestOff(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	for _, getenv := range []func(string) string{
		variables(nil), variables(c, "OTEL_SDK_DISABLED", "true"), variables(c, "OTEL_TRACES_EXPORTER", "none"),
	} {
		tr, err := New(Options{Getenv: getenv, Key: func() ([]byte, error) { return nil, errors.New("asked") }, Log: slog.New(slog.DiscardHandler)})
		if tr != nil || err != nil {
			t.Errorf("got %v, %v", tr, err)
		}
	}
	if _, err := New(Options{Getenv: variables(c), Key: func() ([]byte, error) { return nil, errors.New("asked") }}); err == nil || err.Error() != "asked" {
		t.Errorf("without a key: %v", err)
	}
}

// TestCollectorAway: nobody waits for a collector that does not answer, what waits
// for it is bounded, and the end is not held up.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	reached, release := make(chan struct{}, 100), make(chan struct{})
	c.script = func(int, http.ResponseWriter) bool {
		reached <- struct{}{}
		<-release
		return false
	}
	var log bytes.Buffer
	tr := newTracer(t, variables(c), &log)
	const told = 20_000
	for m := range parley.MessageID(told) {
		tr.Sent(Send{Message: m + 1, Begun: noon})
	}
	<-reached
	close(release)
	finish(t, tr)
	if n := len(c.spans()); n < 2048 || n > 2048+512 {
		t.Errorf("%d of %d spans waited", n, told)
	}
}

// TestShutdownGivesUp: a stop ends with its context, however long the collector
// takes, and leaves nothing behind that says a word.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	release := make(chan struct{})
	c.script = func(int, http.ResponseWriter) bool { <-release; return true }
	defer close(release)
	tr := newTracer(t, variables(c), io.Discard)
	tr.Sent(Send{Message: 1, Begun: noon})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_ = tr.Shutdown(ctx)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it did not give up")
	}
	tell(tr) // after the end: no panic, no block
	select {
	case <-tr.exporter.alive.Done():
	default:
		t.Error("requests under way go on")
	}
}

// TestNothingSecret: no header, endpoint or client's text is exported or logged.
func TestNothingSecret(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.script = func(n int, w http.ResponseWriter) bool {
		if n == 1 {
			w.WriteHeader(http.StatusForbidden)
		}
		return n == 1
	}
	var log bytes.Buffer
	env := variables(c, "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20s3cret-token", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		strings.Replace(c.server.URL, "http://", "http://user:s3cret-word@", 1)+"/s3cret-path?s3cret-query=1")
	tr := newTracer(t, env, &log)
	tr.Accepted(Accepted{Message: 1, Begun: noon, Parent: "s3cret-parent"})
	if err := tr.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tell(tr)
	finish(t, tr)
	if n := len(c.spans()); n == 0 || c.headers.Get("Authorization") != "Bearer s3cret-token" {
		t.Fatalf("headers %v, %d spans", c.headers, n)
	}
	if !strings.Contains(log.String(), "traces are not exported") {
		t.Errorf("the failure is not in the log: %s", &log)
	}
	if strings.Contains(log.String()+c.raw.String(), "s3cret") {
		t.Errorf("a secret is out:\n%s\n%s", &log, &c.raw)
	}
}

// TestLink: only a valid header becomes a link.
func TestLink(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	good := []string{"00-" + trace + "-" + span + "-01", "00-" + trace + "-" + span + "-00", "01-" + trace + "-" + span + "-01-more"}
	bad := []string{"", "x", "00-" + trace + "-" + span, "ff-" + trace + "-" + span + "-01", "00-" + trace + "-" + span + "-01-more", "00-" + strings.ToUpper(trace) + "-" + span + "-01",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01", "00-" + trace + "-" + strings.Repeat("0", 16) + "-01", "00-" + trace + "-zz-01", "0-" + trace + "-" + span + "-01",
		"00-" + trace[2:] + "-" + span + "-01", "00-" + trace + "-" + span + "-", "01-" + trace + "-" + span + "-01-" + strings.Repeat("x", 600)}
	for _, h := range slices.Concat(good, bad) {
		if got, want := len(linkTo(h)) == 1, slices.Contains(good, h); got != want {
			t.Errorf("%q is a link: %v", h, got)
		}
	}
}

func FuzzLink(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x")
	f.Fuzz(func(t *testing.T, header string) {
		for _, l := range linkTo(header) {
			sc := l.SpanContext
			if !sc.IsValid() || !strings.Contains(header, sc.TraceID().String()+"-"+sc.SpanID().String()) {
				t.Errorf("%q became %v", header, sc)
			}
		}
	})
}
