package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collected "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// A collector takes traces, decodes them with the official types, and refuses what
// these do not know.
type collector struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	script  func(n int, w http.ResponseWriter) bool // answers the n-th request itself; nil is never
	asked   int
	headers http.Header // of the last request
	raw     bytes.Buffer
	batches []*collected.ResourceSpans
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

// ServeHTTP takes a batch, unless the script answers.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := plainBody(r)
	if err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	c.asked++
	n, script := c.asked, c.script
	c.headers = r.Header.Clone()
	c.mu.Unlock()
	if script != nil && script(n, w) {
		return
	}
	var data collected.TracesData
	if err := protojson.Unmarshal(text, &data); err != nil {
		c.t.Errorf("not OTLP: %v\n%s", err, text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(text)
	c.batches = append(c.batches, data.ResourceSpans...)
}

func plainBody(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func (c *collector) spans() (all []*collected.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.batches {
		for _, s := range b.ScopeSpans {
			all = append(all, s.Spans...)
		}
	}
	return all
}

// id undoes what protojson does to the ids, which are hexadecimal in OTLP's JSON
// and not base64 as everywhere else.
func id(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// facts are a span's attributes as text.
func facts(s *collected.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes {
		all[a.Key] = strings.ReplaceAll(a.Value.String(), "  ", " ") // the package varies its spaces
	}
	return all
}

var testKey = bytes.Repeat([]byte{7}, 32)

// variables returns an environment with the collector as endpoint and what else
// is said, as pairs of name and value.
func variables(c *collector, pairs ...string) func(string) string {
	env := map[string]string{}
	if c != nil {
		env["OTEL_EXPORTER_OTLP_ENDPOINT"] = c.server.URL
	}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return env[name] }
}

// newTracer returns a Tracer that tries again at once.
func newTracer(t *testing.T, getenv func(string) string, log io.Writer) *Tracer {
	t.Helper()
	tr, err := New(Options{
		Getenv: getenv, Key: func() ([]byte, error) { return testKey, nil }, Version: "v1", Node: "node-1", Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil || tr == nil {
		t.Fatalf("no tracer: %v", err)
	}
	tr.exporter.pause = 1
	t.Cleanup(func() { finish(t, tr) })
	return tr
}

// finish has everything sent.
func finish(t *testing.T, tr *Tracer) {
	t.Helper()
	if err := tr.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
