package webhook

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-im/parley"
)

// instant is a receiver that takes everything at once.
type instant struct {
	taken atomic.Int64
	want  int64
	done  chan struct{}
}

type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

func (r *instant) Do(*http.Request) (*http.Response, error) {
	if r.taken.Add(1) == r.want {
		close(r.done)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: emptyBody{}}, nil
}

func benchmark(b *testing.B, streams int) {
	m := newMemory()
	m.addEndpoint(endpoint, company, "http://example.com/hook")
	r := &instant{want: int64(b.N), done: make(chan struct{})}
	d, err := New(Config{Store: m, Grants: m, HTTP: r, Log: quietLog(), Policy: pact(b)})
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		m.addKind(company, parley.StreamID(i%streams+1), parley.EventMessageNew)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	wg.Go(func() { _ = d.Run(ctx) })
	<-r.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	cancel()
	wg.Wait()
	m.settled(b, endpoint)
}

// BenchmarkDeliver delivers a backlog through one endpoint; HTTP is left out.
func BenchmarkDeliver(b *testing.B) {
	b.Run("1000 streams", func(b *testing.B) { benchmark(b, 1000) })
	b.Run("1 stream", func(b *testing.B) { benchmark(b, 1) })
}

// BenchmarkPrepare makes the request for one attempt, signature and all.
func BenchmarkPrepare(b *testing.B) {
	m := newMemory()
	d, err := New(Config{Store: m, Grants: m, HTTP: &instant{}, Log: quietLog(), Policy: pact(b)})
	if err != nil {
		b.Fatal(err)
	}
	t := newTarget(&parley.Endpoint{URL: "http://example.com/hook", Secret: secret})
	a := &attempt{company: company, target: t, item: item{seq: 1, body: make([]byte, 500)}}
	b.ReportAllocs()
	for b.Loop() {
		_ = d.prepare(b.Context(), t, a)
	}
}
