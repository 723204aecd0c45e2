package telegram

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const (
	testSecret   = "AAplantedSecretThatMustNeverBeSeen0"
	testToken    = "123456789:" + testSecret
	testCallback = "callback-secret_1"
	testBot      = 123456789
)

// A step is one expected request and its answer. An empty want matches any body.
type step struct {
	method string
	want   string
	status int
	header map[string]string
	body   string
	cut    bool // the connection closes before the announced length
}

func ok(method, result string) step {
	return step{method: method, status: 200, body: `{"ok":true,"result":` + result + `}`}
}

// A script answers requests in order. The last step is repeated if loop is set.
type script struct {
	t     *testing.T
	loop  bool
	mu    sync.Mutex
	steps []step
	calls []string // method and body of each request
}

func (s *script) next() (step, bool) {
	if len(s.steps) == 0 {
		return step{}, false
	}
	st := s.steps[0]
	if !s.loop || len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	return st, true
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	name, good := strings.CutPrefix(r.URL.Path, "/bot"+testToken+"/")
	st, left := s.next()
	s.calls = append(s.calls, name+" "+string(body))
	if !good || !left || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || name != st.method {
		s.t.Errorf("unexpected request %s %s, want method %q", r.Method, name, st.method)
	}
	if st.want != "" && st.want != string(body) {
		s.t.Errorf("%s body (-want +got):\n%s", name, cmp.Diff(st.want, string(body)))
	}
	for k, v := range st.header {
		w.Header().Set(k, v)
	}
	if st.cut {
		w.Header().Set("Content-Length", "1000")
	}
	w.WriteHeader(st.status)
	_, _ = io.WriteString(w, st.body)
}

// done checks that every step was asked for.
func (s *script) done() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loop && len(s.steps) > 0 {
		s.t.Errorf("%d steps were not asked for, first %s", len(s.steps), s.steps[0].method)
	}
}

// serve starts the script over real HTTP and returns a client for it.
func serve(t *testing.T, steps ...step) (*client, *script) {
	t.Helper()
	s := &script{t: t, steps: steps}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(s.done)
	return open(t, connector.Env{HTTP: server.Client(), Base: server.URL}), s
}

// doer runs a handler without a network, for tests in a time bubble.
type doer func(*http.Request) (*http.Response, error)

func (f doer) Do(r *http.Request) (*http.Response, error) { return f(r) }

func handled(h http.Handler) doer {
	return func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, &parley.Error{Kind: parley.KindUnavailable, Err: err}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

func testChannel() *parley.Channel {
	return &parley.Channel{ID: 7, Provider: "telegram", Secrets: map[string]parley.Secret{
		"token": testToken, parley.SecretCallbackToken: testCallback,
	}}
}

func open(t testing.TB, env connector.Env) *client {
	t.Helper()
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Base == "" {
		env.Base = "http://telegram.test"
	}
	c, err := New().Open(context.Background(), testChannel(), env)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return c.(*client)
}

// A buffer is a log that several goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
