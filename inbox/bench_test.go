package inbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// noStore takes everything.
type noStore struct{ results []store.Received }

func (s noStore) Receive(_ context.Context, items ...*store.Receive) ([]store.Received, []error) {
	return s.results[:len(items)], make([]error, len(items))
}
func (noStore) Quarantine(context.Context, store.Quarantined) error { return nil }

type fixed struct {
	connector.Client
	events []connector.Event
}

func (f fixed) Receive(context.Context, connector.Callback) ([]connector.Event, connector.Reply, error) {
	return f.events, connector.Reply{}, nil
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkServeHTTP(b *testing.B) {
	r := newRig(func(c *Config) {
		c.Log, c.Store = slog.New(slog.DiscardHandler), noStore{make([]store.Received, 8)}
	})
	r.clients.client = fixed{events: []connector.Event{event("m1")}}
	r.clients.spec.MaxBody = 1 << 20
	body := bytes.NewReader(bytes.Repeat([]byte("x"), 600))
	req, w := request("POST", target, body), discard{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = body.Seek(0, io.SeekStart)
		req.ContentLength = body.Size()
		r.ServeHTTP(w, req)
	}
}
