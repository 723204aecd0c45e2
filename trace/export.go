package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// The pauses between tries at sending a batch. How long they go on is up to the
// caller's context: OTEL_BSP_EXPORT_TIMEOUT, 30 s.
const (
	retryFirst = time.Second
	retryMax   = 10 * time.Second
	maxAnswer  = 64 << 10 // bytes of an answer that are read
)

// An exporter sends batches of one Tracer's spans to a collector, as OTLP/HTTP in
// JSON. It is called by one goroutine at a time.
type exporter struct {
	*settings
	http  *fetch.Client
	agent string
	log   *slog.Logger

	patient context.Context // ended: nothing is tried twice
	hurry   context.CancelFunc
	alive   context.Context // ended: requests under way are cut off
	cut     context.CancelFunc

	pause time.Duration // before the second try
	lost  int           // spans since the last batch that was taken
}

var _ sdktrace.SpanExporter = (*exporter)(nil)

func newExporter(s *settings, version string, log *slog.Logger) (*exporter, error) {
	client, err := fetch.New(fetch.Options{Name: "the collector's address", AllowPrivate: true, RootCAs: s.roots}) // the operator chose it
	if err != nil {
		return nil, err
	}
	e := &exporter{settings: s, http: client, agent: "Parley/" + version, log: log, pause: retryFirst}
	e.patient, e.hurry = context.WithCancel(context.Background())
	e.alive, e.cut = context.WithCancel(context.Background())
	return e, nil
}

// ExportSpans sends a batch, and tries again until it is taken, refused, or ctx
// ends. It always returns nil: what failed is in the log.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.alive, cancel)()
	body, err := e.body(spans)
	if err == nil {
		err = e.send(ctx, body)
	}
	e.report(len(spans), err)
	return nil
}

// Shutdown closes connections; no batch is under way when it is called.
func (e *exporter) Shutdown(context.Context) error {
	e.http.Close()
	return nil
}

// body returns a request's body.
func (e *exporter) body(spans []sdktrace.ReadOnlySpan) ([]byte, error) {
	text, err := json.Marshal(encode(spans))
	if err != nil || e.plain {
		return text, err
	}
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Close()
	return small.Bytes(), nil
}

func (e *exporter) send(ctx context.Context, body []byte) error {
	for pause := e.pause; ; pause = min(2*pause, retryMax) {
		wait, err := e.try(ctx, body)
		if err == nil || wait < 0 {
			return err
		}
		t := time.NewTimer(max(wait, pause+rand.N(pause/2+1)))
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
		case <-e.patient.Done():
		}
		t.Stop()
		return err
	}
}

// try makes one request. A wait below 0 says that the same would fail again.
func (e *exporter) try(ctx context.Context, body []byte) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return -1, errors.New("the endpoint is not valid") // the cause would show it
	}
	e.dress(req)
	resp, err := e.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer fetch.Discard(resp)
	return e.judge(resp)
}

func (e *exporter) dress(req *http.Request) {
	req.Header = e.headers.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", e.agent)
	if !e.plain {
		req.Header.Set("Content-Encoding", "gzip")
	}
}

// judge reads an answer.
// Source: OTLP specification, "OTLP/HTTP Response" and "Retryable Response Codes", read 2026-11.
func (e *exporter) judge(resp *http.Response) (wait time.Duration, err error) {
	err = parley.Errorf(parley.KindRejected, "answered "+strconv.Itoa(resp.StatusCode))
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 32) // a date, or nonsense, is our own pace
		return time.Duration(max(0, seconds)) * time.Second, err
	}
	if resp.StatusCode < 200 || resp.StatusCode >= 300 {
		return -1, err
	}
	e.partial(resp)
	return 0, nil
}

// partial tells of spans that the collector did not take out of a batch that it
// took.
func (e *exporter) partial(resp *http.Response) {
	var answer struct {
		Partial struct {
			Rejected json.RawMessage `json:"rejectedSpans"` // a number, or one in a text
		} `json:"partialSuccess"`
	}
	text, err := fetch.Body(resp, maxAnswer)
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return // the status has decided
	}
	if n, err := strconv.ParseInt(string(bytes.Trim(answer.Partial.Rejected, `"`)), 10, 64); err == nil && n > 0 {
		e.log.Warn("the collector refused spans", "spans", n)
	}
}

// report says once that traces are lost, and once that they are not any more.
func (e *exporter) report(spans int, err error) {
	before := e.lost
	switch {
	case err == nil && before > 0:
		e.lost = 0
		e.log.Info("traces are exported again", "lost", before)
	case err != nil:
		e.lost += spans
		if before == 0 {
			e.log.Warn("traces are not exported", "to", e.endpoint.Host, "spans", spans, "error", err)
		}
	}
}
