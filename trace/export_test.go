package trace

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/parley-im/parley"
)

// TestAnswers: what may succeed later is tried again, what will not is given up,
// and the log says so once.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		statuses   []int // of the first answers; then 200
		tries, got int
		log        []string
	}{
		{"taken", nil, 1, 1, nil},
		{"busy", []int{503, 429, 502, 504}, 5, 1, nil},
		{"refused", []int{400}, 1, 0, []string{"level=WARN", "not exported", "spans=1", "answered 400"}},
		{"no redirects", []int{307}, 1, 0, []string{"answered 307"}},
		{"internal error", []int{500}, 1, 0, []string{"answered 500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t)
			c.script = func(n int, w http.ResponseWriter) bool {
				if n > len(tt.statuses) {
					return false
				}
				w.Header().Set("Location", c.server.URL+"/elsewhere")
				w.WriteHeader(tt.statuses[n-1])
				return true
			}
			var log bytes.Buffer
			tr := newTracer(t, variables(c), &log)
			begun := strings.Count(log.String(), "\n")
			tr.Sent(Send{Message: 1, Begun: noon})
			flush(t, tr)
			if got := len(c.spans()); got != tt.got || c.asked != tt.tries {
				t.Errorf("%d spans after %d tries, want %d after %d", got, c.asked, tt.got, tt.tries)
			}
			lines := strings.SplitAfter(log.String(), "\n")[begun:]
			if len(tt.log) == 0 != (strings.Join(lines, "") == "") {
				t.Errorf("the log has %q", lines)
			}
			for _, want := range tt.log {
				if !strings.Contains(lines[0], want) {
					t.Errorf("the log has %q, want %q", lines, want)
				}
			}
		})
	}
}

func flush(t *testing.T, tr *Tracer) {
	t.Helper()
	if err := tr.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestLost: the log tells of the first batch that is lost and of the end, not of
// what is between.
func TestLost(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.script = func(n int, w http.ResponseWriter) bool {
		if n == 4 {
			_, _ = io.WriteString(w, `{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}`)
			return true
		}
		if n < 4 {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return n < 4
	}
	var log bytes.Buffer
	tr := newTracer(t, variables(c), &log)
	for range 5 {
		tr.Sent(Send{Message: 1, Begun: noon})
		tr.Sent(Send{Message: 2, Begun: noon})
		flush(t, tr)
	}
	for text, want := range map[string]int{"not exported": 1, "exported again\" lost=6": 1, "refused spans\" spans=2": 1} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is %d times in the log, want %d:\n%s", text, got, want, &log)
		}
	}
}

// TestRetryAfter: a collector that names a time is obeyed, and a stop does not
// wait for it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.script = func(_ int, w http.ResponseWriter) bool {
		w.Header().Set("Retry-After", "1000")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	var log bytes.Buffer
	tr := newTracer(t, variables(c), &log)
	tr.Sent(Send{Message: 1, Begun: noon})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_ = tr.provider.ForceFlush(ctx)
	tr.Sent(Send{Message: 1, Begun: noon})
	begun := time.Now()
	finish(t, tr)
	if took := time.Since(begun); took > 15*time.Second { // half of what a batch may take
		t.Errorf("the stop took %v", took)
	}
	if n := len(c.spans()); n != 0 || c.asked != 2 || !strings.Contains(log.String(), "answered 503") {
		t.Errorf("%d spans, %d tries, log %s", n, c.asked, &log)
	}
}

// TestRequest: plain and compressed requests are what the specification says, at
// the address that it says.
func TestRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		compression, encoding string
	}{{"", "gzip"}, {"gzip", "gzip"}, {"none", ""}} {
		c := newCollector(t)
		paths := make(chan string, 1)
		inner := c.server.Config.Handler
		c.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths <- r.Method + " " + r.URL.Path
			inner.ServeHTTP(w, r)
		})
		tr := newTracer(t, variables(c, "OTEL_EXPORTER_OTLP_COMPRESSION", tt.compression), io.Discard)
		tr.Sent(Send{Message: 1, Begun: noon})
		flush(t, tr)
		if got := <-paths; got != "POST /v1/traces" {
			t.Errorf("asked %s", got)
		}
		if n := len(c.spans()); n != 1 || c.headers.Get("Content-Encoding") != tt.encoding || c.headers.Get("Content-Type") != "application/json" || c.headers.Get("User-Agent") != "Parley/v1" {
			t.Errorf("compression %q: %d spans, headers %v", tt.compression, n, c.headers)
		}
	}
}

// TestCertificate: the authorities of the variable, and they alone, vouch for the
// collector.
func TestCertificate(t *testing.T) {
	t.Parallel()
	c := &collector{t: t}
	c.server = httptest.NewUnstartedServer(c)
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, getenv := range []func(string) string{variables(c), variables(c, "OTEL_EXPORTER_OTLP_CERTIFICATE", file)} {
		tr := newTracer(t, getenv, io.Discard)
		tr.exporter.hurry() // a wrong certificate is tried again as any failure
		tr.Sent(Send{Message: 1, Begun: noon})
		flush(t, tr)
		if n := len(c.spans()); n != i {
			t.Errorf("%d spans came, want %d", n, i)
		}
	}
}

// TestSettings: the standard variables are read, and the one that is wrong is
// named without its value.
func TestSettings(t *testing.T) {
	t.Parallel()
	const base = "OTEL_EXPORTER_OTLP_"
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pairs []string
		want  string // of the settings, or the variable that is wrong
	}{
		{[]string{base + "ENDPOINT", "http://a:4318"}, "http://a:4318/v1/traces 10s map[] AlwaysOnSampler []"},
		{[]string{base + "ENDPOINT", "https://a/x/"}, "https://a/x/v1/traces 10s map[] AlwaysOnSampler []"},
		{[]string{base + "TRACES_ENDPOINT", "http://b", base + "ENDPOINT", "nonsense"}, "http://b/ 10s map[] AlwaysOnSampler []"},
		{[]string{base + "TRACES_ENDPOINT", "http://b/in", base + "TIMEOUT", "9", base + "TRACES_TIMEOUT", "250", base + "HEADERS", "a=1, b=x%20y,"}, "http://b/in 250ms map[A:[1] B:[x y]] AlwaysOnSampler []"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_TRACES_SAMPLER", "always_off", "OTEL_SERVICE_NAME", "shop", "OTEL_RESOURCE_ATTRIBUTES", "service.name=no,zone=a%2Cb"},
			"http://a/v1/traces 10s map[] AlwaysOffSampler [{service.name no} {zone a,b} {service.name shop}]"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.25", base + "PROTOCOL", "http/protobuf"}, "http://a/v1/traces 10s map[] TraceIDRatioBased{0.25} []"},
		{[]string{base + "ENDPOINT", "s3cret"}, base + "ENDPOINT:"},
		{[]string{base + "TRACES_ENDPOINT", "ftp://s3cret"}, base + "TRACES_ENDPOINT:"},
		{[]string{base + "ENDPOINT", "http://a", base + "TRACES_HEADERS", "s3cret"}, base + "TRACES_HEADERS:"},
		{[]string{base + "ENDPOINT", "http://a", base + "HEADERS", "a=%s3cret"}, base + "HEADERS:"},
		{[]string{base + "ENDPOINT", "http://a", base + "TIMEOUT", "0"}, base + "TIMEOUT:"},
		{[]string{base + "ENDPOINT", "http://a", base + "PROTOCOL", "grpc"}, base + "PROTOCOL:"},
		{[]string{base + "ENDPOINT", "http://a", base + "COMPRESSION", "zip"}, base + "COMPRESSION:"},
		{[]string{base + "ENDPOINT", "http://a", base + "CERTIFICATE", pem}, base + "CERTIFICATE:"},
		{[]string{base + "ENDPOINT", "http://a", base + "CERTIFICATE", pem + "-missing"}, base + "CERTIFICATE:"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_TRACES_SAMPLER", "jaeger_remote"}, "OTEL_TRACES_SAMPLER:"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "NaN"}, "OTEL_TRACES_SAMPLER_ARG:"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_TRACES_EXPORTER", "zipkin"}, "OTEL_TRACES_EXPORTER:"},
		{[]string{base + "ENDPOINT", "http://a", "OTEL_RESOURCE_ATTRIBUTES", "=x"}, "OTEL_RESOURCE_ATTRIBUTES:"},
	} {
		s, err := readSettings(variables(nil, tt.pairs...))
		if err != nil {
			if !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || parley.KindOf(err) != parley.KindInvalid || s != nil {
				t.Errorf("%q: %v, want %s", tt.pairs, err, tt.want)
			}
			continue
		}
		facts := []string{}
		for _, f := range s.facts {
			facts = append(facts, fmt.Sprintf("{%s %s}", f.Key, f.Value.AsString()))
		}
		if got := fmt.Sprint(s.endpoint, s.timeout, " ", map[string][]string(s.headers), " ", s.sampler.Description(), " ", facts); strings.ReplaceAll(got, "  ", " ") != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.pairs, got, tt.want)
		}
	}
}

// TestOtherValues: an attribute of another type than ours is not lost.
func TestOtherValues(t *testing.T) {
	t.Parallel()
	got := encodeValue(attribute.Float64Value(1.5))
	if got.String == nil || *got.String != "1.5" {
		t.Errorf("got %+v", got)
	}
}

// BenchmarkTraceparent is what a webhook costs more before its request.
func BenchmarkTraceparent(b *testing.B) {
	s, err := readSettings(variables(nil, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"))
	if err != nil {
		b.Fatal(err)
	}
	tr, w := &Tracer{key: testKey, sampler: s.sampler}, webhookOf(5)
	b.ReportAllocs()
	for b.Loop() {
		_ = tr.Traceparent(w)
	}
}
