package connectortest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/simulator"
)

// A world is what one case lives in: a simulator with one account, the channel of
// that account, and everything that was logged or said about it.
type world struct {
	*testing.T
	suite   Suite
	ctx     context.Context // ends after Suite.Patience
	base    string          // address of the simulator
	account string          // the provider's id of it
	channel *parley.Channel
	client  connector.Client
	calls   *simulator.Ring[string] // paths of the gateway's requests, as they arrive
	targets *simulator.Ring[string] // the same as they were spelled, with their queries
	shelf   *shelf                  // files to be sent
	heard   *store                  // of listen; nil before
	trace   *trace

	listening *running     // behind heard; nil if callbacks are
	last      atomic.Int64 // message id
	cut       atomic.Int64 // bytes of a body after which the connection breaks; 0 none
	// rewrite changes the provider's answers; nil leaves them.
	rewrite atomic.Pointer[func(path string, answer []byte) []byte]
}

// newWorld also sees to it that the case ends with a search for secrets.
func newWorld(t *testing.T, s Suite) *world {
	ctx, cancel := context.WithTimeout(t.Context(), s.patience())
	t.Cleanup(cancel)
	w := &world{T: t, suite: s, ctx: ctx, trace: &trace{}, shelf: &shelf{},
		calls: simulator.NewRing[string](100_000), targets: simulator.NewRing[string](100_000)}
	w.base = w.serve()
	answer := w.post("accounts", nil)
	w.account = answer["id"]
	w.channel = w.newChannel(w.account, s.Credentials(answer))
	w.client = w.open(w.channel)
	t.Cleanup(w.searchTraces)
	t.Cleanup(func() {
		if n := w.shelf.open(); n != 0 {
			t.Errorf("%d files that were to be sent were not closed", n)
		}
	})
	return w
}

// serve starts the simulator. Clean-up runs backwards: the simulator lets go of
// waiting requests first, then its listener can close.
func (w *world) serve() string {
	sim := w.suite.Simulator(w.logger())
	handler := simulator.Handler(sim)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/sim/") {
			handler.ServeHTTP(rw, r)
			return
		}
		w.arrived(r)
		w.answered(rw, r, handler)
	}))
	w.Cleanup(server.Close)
	w.Cleanup(func() {
		if err := sim.Close(); err != nil {
			w.Errorf("close the simulator: %v", err)
		}
	})
	return server.URL
}

// arrived notes a request once all of it is here: from then on it is carried out
// even if the gateway hangs up.
func (w *world) arrived(r *http.Request) {
	w.targets.Append(func(uint64) string { return r.RequestURI })
	if n := w.cut.Load(); n > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, n) // what is shorter is cut, too
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil {
		w.calls.Append(func(uint64) string { return r.URL.Path })
	}
}

// answered passes a request on, and changes the answer if the case wants that.
func (w *world) answered(rw http.ResponseWriter, r *http.Request, handler http.Handler) {
	change := w.rewrite.Load()
	if change == nil {
		handler.ServeHTTP(rw, r)
		return
	}
	got := httptest.NewRecorder()
	handler.ServeHTTP(got, r)
	for name, values := range got.Header() {
		if name != "Content-Length" {
			rw.Header()[name] = values
		}
	}
	rw.WriteHeader(got.Code)
	_, _ = rw.Write((*change)(r.URL.Path, got.Body.Bytes())) // the gateway may have hung up
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(w.trace, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *world) newChannel(account string, credentials map[string]parley.Secret) *parley.Channel {
	secrets := map[string]parley.Secret{
		parley.SecretCallbackPath:  parley.Secret("path" + rand.Text()),
		parley.SecretCallbackToken: parley.Secret("token" + rand.Text()),
	}
	for name, secret := range credentials {
		secrets[name] = secret
	}
	w.trace.guard(account, secrets)
	return &parley.Channel{ID: 1, Company: 1, Provider: w.suite.Provider.Spec().Name, State: parley.ChannelEnabled,
		Account: account, Generation: 1, Secrets: secrets}
}

// open makes a client with connections of its own, as a node would.
func (w *world) open(ch *parley.Channel) connector.Client {
	w.Helper()
	c, err := w.suite.Provider.Open(w.ctx, ch, w.env(w.base))
	if err != nil {
		w.Fatalf("Open: %v", w.seen(err))
	}
	if c, ok := c.(connector.Closer); ok {
		w.Cleanup(func() { _ = c.Close() }) // what closing must do is the connector's own matter
	}
	return c
}

func (w *world) env(base string) connector.Env {
	w.Helper()
	c, err := fetch.New(fetch.Options{AllowLoopback: true})
	if err != nil {
		w.Fatalf("make a client: %v", err)
	}
	w.Cleanup(c.Close)
	return connector.Env{HTTP: c, State: &state{}, Files: w.shelf, Log: w.logger(), Now: time.Now, Base: base}
}

// seen notes the text of an error for the search, in every form it can be printed.
func (w *world) seen(err error) error {
	w.trace.error(err)
	return err
}

// has fails unless err is of the kind.
func (w *world) has(what string, err error, want ...parley.Kind) {
	w.Helper()
	got := parley.KindOf(w.seen(err))
	for _, kind := range want {
		if got == kind {
			return
		}
	}
	w.Errorf("%s: got error %v of kind %q, want kind %q", what, err, got, want)
}

// ok ends the case unless err is nil.
func (w *world) ok(what string, err error) {
	w.Helper()
	if w.seen(err) != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

// await waits until something is appended beyond the first n.
func await[T any](w *world, what string, r *simulator.Ring[T], n uint64) {
	w.Helper()
	for r.Total() <= n {
		select {
		case <-r.Grown(r.Total()):
		case <-w.ctx.Done():
			w.Fatalf("waited in vain for %s number %d", what, n+1)
		}
	}
}
