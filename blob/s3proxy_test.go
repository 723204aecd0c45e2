package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

// A proxy stands before the real server and fails as it is told.
type proxy struct {
	forward *httputil.ReverseProxy

	mu   sync.Mutex
	rule rule
	seen []string // method and query of each request
}

// A rule says what happens to the n-th request, counted from 0 since it was set.
type rule func(n int, w http.ResponseWriter, r *http.Request) (handled bool)

func newProxy(t *testing.T, s server) (*proxy, string) {
	t.Helper()
	target, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return p, front.URL
}

func (p *proxy) set(r rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule, p.seen = r, nil
}

func (p *proxy) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	n, rule := len(p.seen), p.rule
	p.seen = append(p.seen, r.Method+" "+r.URL.RawQuery)
	p.mu.Unlock()
	if rule == nil || !rule(n, w, r) {
		p.forward.ServeHTTP(w, r)
	}
}

func down(int, http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

func slowDown(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, errorXML("SlowDown"))
	return true
}

// behind opens a store on the real server through a proxy.
func behind(t *testing.T) (*proxy, blob.Store) {
	t.Helper()
	s := realServer(t)
	p, endpoint := newProxy(t, s)
	prefix := newPrefix()
	t.Cleanup(func() { s.empty(t, prefix) })
	return p, place{location: s.at(prefix, endpoint), options: s.options()}.open(t)
}

// TestServerDown: while it is down every call says so; when it is back all goes on,
// with the same store.
func TestServerDown(t *testing.T) {
	t.Parallel()
	p, s := behind(t)
	put(t, s, "k", []byte("kept"))
	p.set(down)
	_, putErr := s.Put(t.Context(), "k", strings.NewReader("other"), 10)
	_, openErr := s.Open(t.Context(), "k")
	_, idErr := s.ID(t.Context())
	_, sweepErr := s.Sweep(t.Context(), time.Now())
	for what, err := range map[string]error{
		"put": putErr, "open": openErr, "id": idErr, "sweep": sweepErr, "delete": s.Delete(t.Context(), "k"),
		"walk": s.Walk(t.Context(), func(blob.Entry) error { return nil }), "check": s.Check(t.Context()),
	} {
		wantKind(t, what, err, parley.KindUnavailable, "")
	}
	p.set(nil)
	want(t, s, "k", []byte("kept"))
	put(t, s, "k", []byte("other"))
	want(t, s, "k", []byte("other"))
}

// TestSlowDown: a server that asks for patience once is asked again; one that goes
// on asking is left alone.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	p, s := behind(t)
	p.set(func(n int, w http.ResponseWriter, _ *http.Request) bool { return n == 0 && slowDown(w) })
	put(t, s, "k", []byte("kept"))
	if got := p.requests(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
	p.set(func(_ int, w http.ResponseWriter, _ *http.Request) bool { return slowDown(w) })
	_, err := s.Put(t.Context(), "k", strings.NewReader("x"), 1)
	wantKind(t, "put", err, parley.KindUnavailable, "")
	if got := p.requests(); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
	p.set(nil)
	want(t, s, "k", []byte("kept"))
}

// TestPartFails: a part that is lost once is sent again. When the server stays
// away, nothing is visible, and what it still holds goes with Sweep.
func TestPartFails(t *testing.T) {
	t.Parallel()
	p, s := behind(t)
	data := randomBytes(9, 11<<20)
	put(t, s, "k", []byte("kept"))
	p.set(func(n int, w http.ResponseWriter, r *http.Request) bool { return n == 2 && down(n, w, r) })
	put(t, s, "large", data)
	want(t, s, "large", data)
	p.set(func(n int, w http.ResponseWriter, r *http.Request) bool { return n >= 2 && down(n, w, r) })
	_, err := s.Put(t.Context(), "k", bytes.NewReader(data), 11<<20)
	wantKind(t, "put", err, parley.KindUnavailable, "")
	p.set(nil)
	want(t, s, "k", []byte("kept"))
	for _, tt := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 1}, {time.Now().Add(time.Hour), 0}} {
		if n, err := s.Sweep(t.Context(), tt.before); n != tt.want || err != nil {
			t.Errorf("%d leftovers, %v; want %d", n, err, tt.want)
		}
	}
}

// TestCompleteLost: the answer to the last request is lost. Put says that it does
// not know, the blob is whole, and the same Put works.
func TestCompleteLost(t *testing.T) {
	t.Parallel()
	p, s := behind(t)
	data := randomBytes(10, 6<<20)
	p.set(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.URL.Query().Has("uploads") {
			return false
		}
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	_, err := s.Put(t.Context(), "k", bytes.NewReader(data), 6<<20)
	if err != nil { // some servers take the repeated request for done
		wantKind(t, "put", err, parley.KindUnavailable, "")
	}
	p.set(nil)
	want(t, s, "k", data)
	put(t, s, "k", data)
	wantNothingLeft(t, s)
}

// TestBodyCut: a body that ends early is an error and never an end, and the reader
// can go on from there.
func TestBodyCut(t *testing.T) {
	t.Parallel()
	p, s := behind(t)
	data := randomBytes(11, 3<<20)
	put(t, s, "k", data)
	p.set(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n < 2 {
			p.forward.ServeHTTP(&cutter{ResponseWriter: w, left: 1 << 20}, r)
		}
		return n < 2
	})
	r, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	cuts := 0
	for _, err = io.Copy(&got, r); err != nil && cuts < 10; _, err = io.Copy(&got, r) {
		cuts++
		wantKind(t, "read", err, parley.KindUnavailable, "")
	}
	if cuts != 2 || !bytes.Equal(got.Bytes(), data) {
		t.Errorf("%d bytes after %d cuts, or others; want %d after 2", got.Len(), cuts, len(data))
	}
}

// A cutter closes the connection after some bytes of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// TestServerHangs: no call outlasts its context, at whichever request the server
// stops answering.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, blob.Store) error{
		"put":       func(ctx context.Context, s blob.Store) error { return putSize(ctx, s, 10) },
		"put parts": func(ctx context.Context, s blob.Store) error { return putSize(ctx, s, 6<<20) },
		"walk": func(ctx context.Context, s blob.Store) error {
			return s.Walk(ctx, func(blob.Entry) error { return nil })
		},
		"open":   func(ctx context.Context, s blob.Store) error { _, err := s.Open(ctx, "k"); return err },
		"delete": func(ctx context.Context, s blob.Store) error { return s.Delete(ctx, "k") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := behind(t)
			ctx, cancel := context.WithCancel(t.Context())
			after := 0
			if name == "put parts" {
				after = 1 // the upload has begun, so there is something to abort
			}
			p.set(func(n int, _ http.ResponseWriter, r *http.Request) bool {
				if n < after {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client goes
				cancel()
				<-r.Context().Done()
				return true
			})
			if err := call(ctx, s); !parley.Interrupted(err) {
				t.Errorf("got %v, want a cancellation", err)
			}
		})
	}
}

func putSize(ctx context.Context, s blob.Store, size int64) error {
	_, err := s.Put(ctx, "k", random(1, size), size)
	return err
}

// TestWrongSettings: what an operator gets wrong is told as such, also by Open, for
// which a missing bucket must not look like a missing blob.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	good := s.options()
	for name, tt := range map[string]struct {
		bucket string
		o      blob.Options
		says   string
	}{
		"no bucket":  {"nobody-has-this-bucket", good, "bucket"},
		"access key": {s.bucket, blob.Options{AccessKey: "sample-access", SecretKey: good.SecretKey}, "access key"},
		"secret key": {s.bucket, blob.Options{AccessKey: good.AccessKey, SecretKey: "sample-secret"}, "secret key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := s
			other.bucket = tt.bucket
			store := place{location: other.at(newPrefix(), s.endpoint), options: tt.o}.open(t)
			_, openErr := store.Open(t.Context(), "k")
			_, putErr := store.Put(t.Context(), "k", random(1, 10), 10)
			_, partsErr := store.Put(t.Context(), "k", random(1, 6<<20), 6<<20)
			for what, err := range map[string]error{"open": openErr, "put": putErr, "put parts": partsErr, "check": store.Check(t.Context())} {
				wantKind(t, what, err, parley.KindInvalid, "")
				if err == nil || !strings.Contains(parley.Reason(err), tt.says) || strings.Contains(err.Error(), "sample-secret") || strings.Contains(err.Error(), s.secret) {
					t.Errorf("%s: got %v, want a sentence with %q", what, err, tt.says)
				}
			}
		})
	}
}

// TestUnfinishedUpload: what a node left when it died is not visible and goes with
// Sweep; uploads outside the prefix are others' business.
func TestUnfinishedUpload(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	prefix := newPrefix()
	store := place{location: s.at(prefix, s.endpoint), options: s.options()}.open(t)
	c, part := s.client(t), randomBytes(1, blob.PartSize)
	for _, name := range []string{prefix + "/k", prefix + "/below/k", prefix + "-beside/k"} {
		id, err := c.NewMultipartUpload(t.Context(), s.bucket, name, minio.PutObjectOptions{})
		if err == nil {
			_, err = c.PutObjectPart(t.Context(), s.bucket, name, id, 1, bytes.NewReader(part), blob.PartSize, minio.PutObjectPartOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.AbortMultipartUpload(context.Background(), s.bucket, name, id); err != nil && name != prefix+"/k" {
				t.Errorf("%s was swept: %v", name, err)
			}
		})
	}
	wantNone(t, store, "k")
	if all := list(t, store); len(all) != 0 {
		t.Errorf("%v are visible", all)
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("%d uploads were swept too early, %v", n, err)
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d uploads were swept, %v; want 1", n, err)
	}
}

// TestBucketStrangers: what others keep below the prefix is not ours.
func TestBucketStrangers(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	prefix := newPrefix()
	t.Cleanup(func() { s.empty(t, prefix) })
	store := place{location: s.at(prefix, s.endpoint), options: s.options()}.open(t)
	put(t, store, "k", []byte("x"))
	c := s.client(t)
	for _, name := range []string{"/below/k2", "/.hidden", "/a b"} {
		if _, err := c.Client.PutObject(t.Context(), s.bucket, prefix+name, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if all := list(t, store); len(all) != 1 || all["k"] != 1 {
		t.Errorf("%v are listed, want k alone", all)
	}
	halt := errors.New("enough")
	if err := store.Walk(t.Context(), func(blob.Entry) error { return halt }); err != halt {
		t.Errorf("got %v, want f's own error", err)
	}
}
