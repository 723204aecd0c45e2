package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// scrape asks for the metrics at an address.
func scrape(t *testing.T, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+metricsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestMetrics: what happens in the whole gateway is in /metrics, and nothing
// secret is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		conversation := s.meet("ann", "a text that is nobody's business")
		s.delivered(s.post(conversation, "an answer that is nobody's business"), "an answer that is nobody's business")
		newForger(s).wants(http.StatusUnauthorized, "http://"+s.listen+"/callbacks/telegram/wrong-path", "x", update(1, "forged"))
		s.api.do("GET", "/p1/companies/999999", nil)
		var text string
		want := []string{
			`parley_events_total{provider="telegram",result="stored"} 1`,
			`parley_sends_total{kind="delivered",provider="telegram"} 1`,
			`parley_jobs_ended_total{provider="telegram",result="delivered"} 1`,
			`parley_job_delivery_seconds_count{provider="telegram"} 1`,
			`parley_callbacks_total{outcome="refused",provider="other"} 1`,
			`parley_http_requests_total{method="POST",route="/p1/companies/C/conversations/CV/messages",status="2xx"} 1`,
			`parley_http_requests_total{method="GET",route="/p1/companies/C",status="4xx"} 1`,
			`parley_webhook_attempts_total{outcome="unavailable"} 0`,
			`parley_circuits_open{provider="telegram"} 0`,
			`parley_channels{provider="telegram",state="enabled"} 1`,
			`parley_jobs{state="ready"} 0`, `parley_jobs{state="waiting"} 0`, `parley_jobs{state="sending"} 0`,
			`parley_oldest_job_age_seconds 0`, `parley_dead_letters 0`, `parley_endpoints_lagging 0`,
			`parley_depths_readable 1`, `parley_lease_held 1`,
		}
		poll(t, "a scrape with all of it", func() bool { // the numbers of the database are some seconds old
			var status int
			if status, text = scrape(t, s.listen); status != http.StatusOK {
				t.Fatalf("status %d: %s", status, text)
			}
			return len(missing(text, want)) == 0
		})
		for _, name := range []string{"parley_webhook_delivery_seconds_count ", "parley_writer_batch_items_sum ", "parley_writer_commit_duration_seconds_count ",
			"go_goroutines ", "process_open_fds ", `parley_build_info{`} {
			if !strings.Contains(text, "\n"+name) || strings.Contains(text, "\n"+name+"0\n") {
				t.Errorf("%s is missing or 0", name)
			}
		}
		secrets := []string{"business", s.api.token, stageBot, "stage-bot-secret", "wrong-path", s.crm.url(), "shop", "Ann"}
		for _, secret := range s.secrets() {
			secrets = append(secrets, secret.Reveal())
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in the metrics", secret)
			}
		}
	})
}

// missing returns the lines that a scrape does not have.
func missing(text string, lines []string) (gone []string) {
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			gone = append(gone, line)
		}
	}
	return gone
}

// TestMetricsListen: with an address of their own the metrics are there alone,
// until the gateway has stopped.
func TestMetricsListen(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", func(c *config) { c.MetricsListen = "127.0.0.1:0" })
	s.start()
	own := s.gateway.metrics.listener.Addr().String()
	if status, text := scrape(t, own); status != http.StatusOK || !strings.Contains(text, "\nparley_lease_held 1\n") {
		t.Errorf("at its own address: %d: %s", status, text)
	}
	if status, _ := scrape(t, s.listen); status != http.StatusNotFound {
		t.Errorf("beside the API: %d, want 404", status)
	}
	for _, path := range []string{"/", "/healthz", "/p1/companies"} {
		resp, err := http.Get("http://" + own + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s at the metrics' address: %d, want 404", path, resp.StatusCode)
		}
	}
	s.stop()
	if resp, err := http.Get("http://" + own + metricsPath); err == nil {
		_ = resp.Body.Close()
		t.Error("the metrics are still served after the stop")
	}
}

// TestProfiles: they are for this machine alone, so on no address that others
// reach, and never beside the API.
func TestProfiles(t *testing.T) {
	t.Parallel()
	const path = "/debug/pprof/heap"
	for address, want := range map[string]int{"127.0.0.1:0": http.StatusOK, ":0": http.StatusNotFound} {
		m := &monitor{}
		if err := m.listen(address, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		defer m.listener.Close()
		w := httptest.NewRecorder()
		m.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("at %s: %d, want %d", address, w.Code, want)
		}
	}
}

// TestMetricsListenTaken: the gateway does not start without them, and leaves
// nothing open.
func TestMetricsListenTaken(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", nil)
	c := s.config()
	c.MetricsListen = strings.TrimPrefix(s.crm.url(), "http://")
	if _, err := newGateway(t.Context(), c, c.logger(s.logs)); err == nil || !strings.Contains(err.Error(), "--metrics-listen") {
		t.Fatalf("error %v, want one that names the flag", err)
	}
	s.start() // on the same data
}
