package webhook

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://user:pass@example.com/hook?key=value")
		m.add(company, 1)
		r := newReceiver(func(h hit) reply {
			if h.number < 3 {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		start(t, m, r, func(c *Config) { c.Agent = "Parley/9" })
		m.pass(3 * time.Minute)
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.hits) != 3 {
			t.Fatalf("got %d attempts, want 3", len(r.hits))
		}
		for i, h := range r.hits {
			want := map[string]string{"Content-Type": "application/json", "User-Agent": "Parley/9", "Webhook-Id": "evt_7_3_1", "Parley-Replay": ""}
			for name, value := range want {
				if got := h.header.Get(name); got != value {
					t.Errorf("attempt %d: got %s %q, want %q", i+1, name, got, value)
				}
			}
			if h.body != `{"company":7,"seq":1}` || h.url != "http://user:pass@example.com/hook?key=value" {
				t.Errorf("attempt %d: got body %s for %s", i+1, h.body, h.url)
			}
			// The library looks at the clock, which is a little later by now.
			if err := library.Verify([]byte(h.body), h.header); err != nil {
				t.Errorf("attempt %d: %v", i+1, err)
			}
		}
		if a, b := r.hits[0].header.Get("Webhook-Timestamp"), r.hits[1].header.Get("Webhook-Timestamp"); a == b {
			t.Errorf("two attempts a minute apart carry the same timestamp %s", a)
		}
	})
}

func TestSignatureEqualsTheLibrarys(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	for _, s := range []string{secret, strings.TrimPrefix(secret, secretPrefix), secretPrefix + "AAAA"} {
		library, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		want, err := library.Sign("evt_1_2_3", at, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := sign(signingKey(parley.Secret(s)), "evt_1_2_3", "1700000000", []byte("{}")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := signingKey("not base64!"); string(got) != "not base64!" {
		t.Errorf("got key %q of a secret that is plain text", got)
	}
}

func TestLogTellsNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://user:PASSWORD@example.com/PATH?key=QUERY")
		m.add(company, 1, 2, 3, 4)
		var out bytes.Buffer
		r := newReceiver(func(h hit) reply {
			if h.seq == 4 && h.at > 0 {
				panic("seq PASSWORD")
			}
			if h.at < 50*time.Second {
				return reply{status: 500}
			}
			return reply{status: 200}
		})
		_, stop := start(t, m, r, func(c *Config) {
			c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		m.pass(3 * time.Minute)
		stop()
		for _, s := range []string{"PASSWORD", "PATH", "QUERY", "example.com", "whsec", `"company"`} {
			if strings.Contains(out.String(), s) {
				t.Errorf("the log shows %s", s)
			}
		}
		want := "level=INFO msg=\"webhook attempt\" endpoint_id=70 company_id=7 seq=1 attempt=1 replay=false status=500 kind=unavailable took_ms=0"
		if !strings.Contains(out.String(), want) {
			t.Errorf("got log\n%s\nwant a line\n%s", out.String(), want)
		}
		if lines := strings.Count(out.String(), "webhook attempt\""); lines != len(r.hits) {
			t.Errorf("got %d lines for %d attempts", lines, len(r.hits))
		}
	})
}

func TestInvalidURLFailsEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addEndpoint(endpoint, company, "http://exa mple.com/%zz")
		m.add(company, 1)
		r := newReceiver(always(200))
		start(t, m, r, nil)
		m.pass(11 * time.Minute)
		wantParked(t, m, "the endpoint's URL is not valid", 11)
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"90":                            90 * time.Second,
		"-5":                            0,
		"soon":                          0,
		"1.5":                           0,
		"99999999999999999999":          0,
		"9999999999":                    maxRetryAfter,
		"Tue, 24 Nov 2026 12:02:00 GMT": 2 * time.Minute,
		"Tue, 24 Nov 2026 11:00:00 GMT": 0,
		"Tue, 24 Nov 2027 11:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "90", "-1", "Tue, 24 Nov 2026 12:02:00 GMT", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got := retryAfter(value, time.Now()); got < 0 || got > maxRetryAfter {
			t.Errorf("%q: got %v", value, got)
		}
	})
}

func newClient(t testing.TB, o fetch.Options) *fetch.Client {
	t.Helper()
	o.Name = "webhook_url"
	c, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestTestRequest(t *testing.T) {
	t.Parallel()
	const prefix = "webhook_url did not answer 200 to the test: "
	tests := []struct {
		status int
		want   string
	}{
		{200, ""}, {201, prefix + "201"}, {204, prefix + "204"}, {302, prefix + "302"}, {404, prefix + "404"}, {500, prefix + "500"},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				body, _ := io.ReadAll(r.Body)
				got := []string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("User-Agent"), string(body)}
				want := []string{"POST", "/hook?key=1", "application/json", "Parley", `{"source":"pact.im","operation":"test"}`}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
			}))
			t.Cleanup(s.Close)
			err := Test(t.Context(), newClient(t, fetch.Options{AllowLoopback: true}), s.URL+"/hook?key=1")
			wantInvalid(t, err, tt.want)
			if calls.Load() != 1 {
				t.Errorf("got %d requests, want 1", calls.Load())
			}
		})
	}
}

func wantInvalid(t *testing.T, err error, message string) {
	t.Helper()
	if message == "" {
		if err != nil {
			t.Errorf("got %v", err)
		}
		return
	}
	if parley.KindOf(err) != parley.KindInvalid || parley.Reason(err) != message {
		t.Errorf("got %q of kind %s, want %q", parley.Reason(err), parley.KindOf(err), message)
	}
}

func TestTestRequestThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	client := newClient(t, fetch.Options{AllowLoopback: true})
	wantInvalid(t, Test(t.Context(), client, dead.URL), "webhook_url did not answer 200 to the test: no connection to 127.0.0.1")
	wantInvalid(t, Test(t.Context(), client, "http://exa mple.com"), "webhook_url is not a valid URL")
	wantInvalid(t, Test(t.Context(), client, "ftp://example.com/x"), "the URL needs http or https and a host")
	wantInvalid(t, Test(t.Context(), newClient(t, fetch.Options{}), dead.URL),
		"webhook_url points to a private address; the operator allows it with --allow-private-targets")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Test(ended, client, dead.URL); !parley.Interrupted(err) {
		t.Errorf("got %v of an ended context", err)
	}
}

func TestTestRequestTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := doerFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		began := time.Now()
		wantInvalid(t, Test(t.Context(), hang, "http://example.com"), "webhook_url did not answer 200 to the test: no answer within 10s")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("got %v, want 10s", took)
		}
	})
}

type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(req *http.Request) (*http.Response, error) { return f(req) }
