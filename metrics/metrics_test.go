package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

var when = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// A world is a Metrics over a store and a clock of the test's.
type world struct {
	*Metrics
	reads  atomic.Int64
	now    time.Time // changed between scrapes only
	err    error
	held   bool
	depths store.Depths
}

func newWorld() *world {
	w := &world{now: when, held: true, depths: store.Depths{Ready: 3, Waiting: 2, Sending: 1, Oldest: when.Add(-time.Minute), Endpoints: 4, Letters: 5,
		Files: 6, OldFile: when.Add(-2 * time.Minute)}}
	for n, state := range parley.ChannelStates() {
		w.depths.Channels = append(w.depths.Channels, store.ChannelCount{Provider: "telegram", State: state, Channels: int64(n + 1)})
	}
	w.Metrics = New(Options{
		Rows: w, Held: func() bool { return w.held }, Providers: []string{"telegram", "vk"}, Version: "v1.2.3",
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
	})
	return w
}

// Depths counts how often it is asked.
func (w *world) Depths(context.Context) (store.Depths, error) {
	w.reads.Add(1)
	return w.depths, w.err
}

// WALSize is some size.
func (w *world) WALSize() int64 { return 4096 }

// Pressure is some pressure.
func (w *world) Pressure() store.Pressure {
	return store.Pressure{Receives: store.Load{Items: 7, Bytes: 7000}, Accepts: store.Load{Items: 8, Bytes: 8000}, RefusedReceives: 9, RefusedAccepts: 10}
}

// drive uses every Observer, with every value that a label can have.
func (w *world) drive() {
	for _, status := range []int{200, 401, 413, 503} {
		w.Callback("telegram", status, time.Millisecond)
	}
	w.Received("telegram", "stored", 3)
	w.Received("telegram", "duplicate", 2)
	w.Received("telegram", "ignored", 4)
	w.Fetched("telegram", "fetched", 2*time.Second, 1000)
	w.Fetched("telegram", "fetched", time.Second, 24)
	w.Fetched("", "failed", time.Second, 0)
	w.Fetched("telegram", "blob_failed", time.Second, 0)
	w.Uploaded("stored")
	w.Uploaded("invalid")
	for _, status := range []int{200, 206, 206, 404, 418} {
		w.Served(status)
	}
	w.PartSent("telegram", "", 20*time.Millisecond)
	w.PartSent("telegram", parley.KindThrottled, time.Millisecond)
	w.JobEnded("telegram", true, 3*time.Second)
	w.JobEnded("telegram", false, time.Hour)
	w.Circuit("telegram", true)
	w.Circuit("telegram", true)
	w.Circuit("telegram", false)
	w.WebhookAttempted("", time.Millisecond)
	w.WebhookAttempted(parley.KindUnavailable, time.Second)
	w.WebhookDelivered(40 * time.Millisecond)
	w.WebhookParked()
	for _, status := range []int{200, 302, 404, 500} {
		w.Request("GET", "/p1/companies/C", status, 2*time.Millisecond)
	}
	w.Streaming(true)
	w.Streaming(true)
	w.Streaming(false)
	w.Batch(17, 4*time.Millisecond, 3*time.Millisecond)
}

func (w *world) scrape(t *testing.T) string {
	t.Helper()
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(strings.Fields(line)[0], "{")
			t.Errorf("no line %s, but\n%s", line, only(text, name))
		}
	}
}

// only returns the lines that begin so.
func only(text, begin string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestScrape(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.drive()
	text := w.scrape(t)
	wantLines(t, text,
		`parley_callbacks_total{outcome="taken",provider="telegram"} 1`,
		`parley_callbacks_total{outcome="refused",provider="telegram"} 1`,
		`parley_callbacks_total{outcome="too_large",provider="telegram"} 1`,
		`parley_callbacks_total{outcome="busy",provider="telegram"} 1`,
		`parley_callbacks_total{outcome="busy",provider="vk"} 0`,
		`parley_callback_duration_seconds_count{provider="telegram"} 4`,
		`parley_events_total{provider="telegram",result="stored"} 3`,
		`parley_events_total{provider="telegram",result="duplicate"} 2`,
		`parley_events_total{provider="telegram",result="ignored"} 4`,
		`parley_events_total{provider="telegram",result="quarantined"} 0`,
		`parley_file_fetches_total{provider="telegram",result="fetched"} 2`,
		`parley_file_fetches_total{provider="telegram",result="blob_failed"} 1`,
		`parley_file_fetches_total{provider="other",result="failed"} 1`,
		`parley_file_fetches_total{provider="vk",result="retry"} 0`,
		`parley_file_fetch_duration_seconds_count{provider="telegram"} 3`,
		`parley_file_fetch_duration_seconds_bucket{provider="telegram",le="1"} 2`,
		`parley_file_fetched_bytes_total{provider="telegram"} 1024`,
		`parley_file_uploads_total{result="stored"} 1`, `parley_file_uploads_total{result="invalid"} 1`,
		`parley_file_requests_total{status="200"} 1`, `parley_file_requests_total{status="206"} 2`,
		`parley_file_requests_total{status="404"} 1`, `parley_file_requests_total{status="other"} 1`,
		`parley_files_pending 6`, `parley_oldest_file_age_seconds 120`,
		`parley_sends_total{kind="delivered",provider="telegram"} 1`,
		`parley_sends_total{kind="throttled",provider="telegram"} 1`,
		`parley_send_duration_seconds_bucket{provider="telegram",le="0.025"} 2`,
		`parley_send_duration_seconds_bucket{provider="telegram",le="0.01"} 1`,
		`parley_jobs_ended_total{provider="telegram",result="delivered"} 1`,
		`parley_jobs_ended_total{provider="telegram",result="not_delivered"} 1`,
		`parley_job_delivery_seconds_sum{provider="telegram"} 3`,
		`parley_job_delivery_seconds_count{provider="telegram"} 1`,
		`parley_circuits_open{provider="telegram"} 1`,
		`parley_webhook_attempts_total{outcome="delivered"} 1`,
		`parley_webhook_attempts_total{outcome="unavailable"} 1`,
		`parley_webhook_attempt_duration_seconds_count 2`,
		`parley_webhook_delivery_seconds_sum 0.04`,
		`parley_webhook_parked_total 1`,
		`parley_http_requests_total{method="GET",route="/p1/companies/C",status="2xx"} 1`,
		`parley_http_requests_total{method="GET",route="/p1/companies/C",status="5xx"} 1`,
		`parley_http_request_duration_seconds_count{method="GET",route="/p1/companies/C"} 4`,
		`parley_event_streams 1`,
		`parley_writer_batch_items_sum 17`,
		`parley_writer_batch_duration_seconds_sum 0.004`,
		`parley_writer_commit_duration_seconds_sum 0.003`,
		`parley_writer_waiting{write="receive"} 7`, `parley_writer_waiting{write="accept"} 8`,
		`parley_writer_waiting_bytes{write="receive"} 7000`, `parley_writer_waiting_bytes{write="accept"} 8000`,
		`parley_writer_refused_total{write="receive"} 9`, `parley_writer_refused_total{write="accept"} 10`,
		`parley_jobs{state="ready"} 3`, `parley_jobs{state="waiting"} 2`, `parley_jobs{state="sending"} 1`,
		`parley_oldest_job_age_seconds 60`, `parley_endpoints_lagging 4`, `parley_dead_letters 5`,
		`parley_channels{provider="telegram",state="connecting"} 1`,
		`parley_depths_readable 1`, `parley_lease_held 1`, `parley_wal_bytes 4096`,
	)
	for _, begin := range []string{"go_goroutines ", `parley_build_info{goversion="go`} {
		if only(text, begin) == "" {
			t.Errorf("nothing begins with %s", begin)
		}
	}
	w.held = false
	wantLines(t, w.scrape(t), "parley_lease_held 0")
}

// TestStrangeLabels: what is not in a closed set is never a label.
func TestStrangeLabels(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.depths.Channels = []store.ChannelCount{{Provider: "retired", State: parley.ChannelEnabled, Channels: 2}, {Provider: "gone", State: parley.ChannelEnabled, Channels: 3}}
	before := strings.Count(w.scrape(t), "\n")
	for n := range 100 {
		strange := fmt.Sprintf("strange-%d\"\n", n)
		w.Callback(strange, 200, 0)
		w.Received(strange, "stored", 1)
		w.Received("telegram", strange, 1)
		w.PartSent(strange, parley.Kind(strange), 0)
		w.JobEnded(strange, true, 0)
		w.Circuit(strange, true)
		w.WebhookAttempted(parley.Kind(strange), 0)
		w.Request("GET", "none", 1000+n, 0)
		w.Request("GET", "none", -n, 0)
	}
	text := w.scrape(t)
	if strings.Contains(text, "strange") || strings.Contains(text, "retired") {
		t.Error("a label has a value from outside")
	}
	if grown := strings.Count(text, "\n") - before; grown > 30 {
		t.Errorf("%d new series", grown)
	}
	wantLines(t, text,
		`parley_callbacks_total{outcome="taken",provider="other"} 100`,
		`parley_events_total{provider="other",result="stored"} 100`,
		`parley_sends_total{kind="internal",provider="other"} 100`,
		`parley_circuits_open{provider="other"} 100`,
		`parley_webhook_attempts_total{outcome="internal"} 100`,
		`parley_http_requests_total{method="GET",route="none",status="other"} 200`,
		`parley_channels{provider="other",state="enabled"} 5`,
	)
}

// TestDepthsAreCached: however many scrape, the database is asked once in a while.
func TestDepthsAreCached(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var scraping sync.WaitGroup
	for range 4 {
		scraping.Go(func() { w.scrape(t) })
	}
	scraping.Wait()
	w.now = w.now.Add(DepthsEvery - time.Millisecond)
	wantLines(t, w.scrape(t), "parley_oldest_job_age_seconds 64.999")
	if got := w.reads.Load(); got != 1 {
		t.Errorf("read %d times, want once", got)
	}
	w.now, w.depths.Ready, w.depths.Oldest = when.Add(DepthsEvery), 8, time.Time{}
	wantLines(t, w.scrape(t), `parley_jobs{state="ready"} 8`, "parley_oldest_job_age_seconds 0")
	if got := w.reads.Load(); got != 2 {
		t.Errorf("read %d times, want twice", got)
	}
}

// TestDepthsUnreadable: no old number is shown, and the rest is.
func TestDepthsUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.scrape(t)
	w.err, w.now = errors.New("disk on fire"), w.now.Add(time.Hour)
	text := w.scrape(t)
	wantLines(t, text, "parley_depths_readable 0", "parley_lease_held 1")
	for _, name := range []string{"parley_jobs{", "parley_dead_letters", "parley_channels", "parley_oldest", "parley_endpoints"} {
		if lines := only(text, name); lines != "" {
			t.Errorf("still there: %s", lines)
		}
	}
	if strings.Contains(text, "fire") {
		t.Error("the error is shown to whoever scrapes")
	}
	w.err, w.now = nil, w.now.Add(DepthsEvery)
	wantLines(t, w.scrape(t), "parley_depths_readable 1", "parley_dead_letters 5")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest(method, "/metrics", nil))
		if rec.Code != want {
			t.Errorf("%s: %d, want %d", method, rec.Code, want)
		}
	}
}

// TestConcurrent is for the race detector, and loses nothing.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for n := range 50 {
				w.drive()
				w.Request("GET", fmt.Sprintf("/p1/%d", n), 200, 0)
			}
		})
	}
	running.Go(func() { w.scrape(t) })
	running.Wait()
	wantLines(t, w.scrape(t),
		`parley_http_requests_total{method="GET",route="/p1/companies/C",status="2xx"} 400`,
		`parley_http_requests_total{method="GET",route="/p1/49",status="2xx"} 8`,
		`parley_sends_total{kind="delivered",provider="telegram"} 400`)
}

// TestTwo: nothing is shared between two of them.
func TestTwo(t *testing.T) {
	t.Parallel()
	a, b := newWorld(), newWorld()
	a.WebhookParked()
	wantLines(t, b.scrape(t), "parley_webhook_parked_total 0")
}

// observers are the calls on the way of a message.
func (w *world) observers() map[string]func() {
	return map[string]func(){
		"callback": func() { w.Callback("telegram", 200, time.Millisecond) },
		"received": func() { w.Received("telegram", "stored", 1) },
		"part":     func() { w.PartSent("telegram", "", time.Millisecond) },
		"job":      func() { w.JobEnded("telegram", true, time.Second) },
		"webhook":  func() { w.WebhookAttempted("", time.Millisecond); w.WebhookDelivered(time.Second) },
		"request":  func() { w.Request("POST", "/p1/companies/C", 200, time.Millisecond) },
		"batch":    func() { w.Batch(8, time.Millisecond, time.Millisecond) },
	}
}

// TestAllocations cannot be parallel: it counts those of the whole process.
func TestAllocations(t *testing.T) {
	for name, f := range newWorld().observers() {
		if got := testing.AllocsPerRun(1000, f); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func BenchmarkObservers(b *testing.B) {
	for name, f := range newWorld().observers() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkScrape(b *testing.B) {
	w := newWorld()
	w.drive()
	for b.Loop() {
		w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}
