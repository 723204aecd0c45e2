package fetch_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// secretPath stands for a provider's token in a URL, userinfo and query for a
// customer's.
const secretPath = "/bot4711:SECRETTOKEN/sendMessage"

var secretParts = []string{"SECRETTOKEN", "sendMessage", "QUERYSECRET", "USERSECRET"}

func newClient(t *testing.T, o fetch.Options) *fetch.Client {
	t.Helper()
	c, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func post(t *testing.T, ctx context.Context, address string) *http.Request {
	t.Helper()
	u := "http://user:USERSECRET@" + address + secretPath + "?key=QUERYSECRET"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader(`{"text":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// wantError checks kind and code, and that the text gives nothing away.
func wantError(t *testing.T, err error, kind parley.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*parley.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("got %v (%s), want kind %s, code %s", err, parley.KindOf(err), kind, code)
	}
	wantQuiet(t, err)
}

func wantQuiet(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, s := range secretParts {
			if strings.Contains(err.Error(), s) {
				t.Errorf("the error shows %s: %v", s, err)
			}
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			t.Errorf("the error carries a URL: %v", u)
		}
	}
}

// A rawServer accepts connections and hands each to serve, with its number from 1.
type rawServer struct {
	listener net.Listener
	wg       sync.WaitGroup
}

func newRawServer(t *testing.T, serve func(n int, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRaw(t, l, serve)
}

func serveRaw(t *testing.T, l net.Listener, serve func(n int, c net.Conn)) string {
	s := &rawServer{listener: l}
	s.wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer c.Close()
				serve(n, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return l.Addr().String()
}

func readRequest(c net.Conn) bool {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestDoSaysWhetherItLeft(t *testing.T) {
	t.Parallel()
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	tests := []struct {
		name  string
		serve func(n int, c net.Conn)
	}{
		{"cut at once", func(_ int, c net.Conn) { reset(c) }},
		{"cut after the first byte", func(_ int, c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }},
		{"cut after the request", func(_ int, c net.Conn) { readRequest(c) }},
		{"cut within the header", func(_ int, c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
		}},
		{"garbage that echoes", func(_ int, c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "no HTTP: "+secretPath+" QUERYSECRET \"USERSECRET\r\n\r\n")
		}},
		{"endless header", func(_ int, c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: SECRETTOKEN SECRETTOKEN\r\n", 10_000))
		}},
		{"redirect to nonsense", func(_ int, c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://[SECRETTOKEN\r\nContent-Length: 0\r\n\r\n")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, fetch.Options{AllowLoopback: true})
			_, err := c.Do(post(t, t.Context(), newRawServer(t, tt.serve)))
			if tt.name == "cut at once" && parley.KindOf(err) == parley.KindUnavailable {
				wantQuiet(t, err) // the reset outran the write, or even the connect
				return
			}
			wantError(t, err, parley.KindUncertain, fetch.CodeNoAnswer)
		})
	}
}

func TestDoNeverSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := newRawServer(t, func(_ int, c net.Conn) { _, _ = io.WriteString(c, okAnswer) })
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0) // it sees the failed handshake
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		url  string
		kind parley.Kind
		code string
		is   error
	}{
		{"refused dial", t.Context(), "http://" + l.Addr().String() + secretPath, parley.KindUnavailable, fetch.CodeDial, syscall.ECONNREFUSED},
		{"unknown name", t.Context(), "http://no-such-host.invalid" + secretPath, parley.KindUnavailable, fetch.CodeDNS, nil},
		{"no TLS there", t.Context(), "https://" + plain + secretPath, parley.KindUnavailable, fetch.CodeTLS, nil},
		{"unknown authority", t.Context(), tlsServer.URL + secretPath, parley.KindUnavailable, fetch.CodeTLS, nil},
		{"ended context", ended, "http://" + plain + secretPath, parley.KindUnavailable, fetch.CodeDial, context.Canceled},
		{"other scheme", t.Context(), "ftp://" + plain + secretPath, parley.KindInvalid, fetch.CodeBadURL, nil},
		{"no host", t.Context(), "http://:80" + secretPath, parley.KindInvalid, fetch.CodeBadURL, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(tt.ctx, http.MethodPost, tt.url, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = newClient(t, fetch.Options{AllowLoopback: true}).Do(req)
			wantError(t, err, tt.kind, tt.code)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestDoKeepsContextAndCertainty(t *testing.T) {
	t.Parallel()
	cause := errors.New("caller's own cause")
	tests := []struct {
		name string
		end  func(context.Context) (context.Context, func())
		is   error
	}{
		{"cancelled", func(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) }, context.Canceled},
		{"cancelled with a cause", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(cause) }
		}, context.Canceled},
		{"deadline", func(ctx context.Context) (context.Context, func()) {
			d := &deadline{Context: ctx, done: make(chan struct{})}
			return d, func() { close(d.done) }
		}, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, end := tt.end(t.Context())
			address := newRawServer(t, func(_ int, c net.Conn) {
				readRequest(c)
				end()
				_, _ = c.Read(make([]byte, 1)) // until the client hangs up
			})
			_, err := newClient(t, fetch.Options{AllowLoopback: true}).Do(post(t, ctx, address))
			wantError(t, err, parley.KindUncertain, fetch.CodeNoAnswer)
			if !errors.Is(err, tt.is) || parley.Interrupted(err) != (tt.is == context.Canceled) {
				t.Errorf("%v is not %v, or interrupted is wrong", err, tt.is)
			}
		})
	}
}

// A deadline is a context whose deadline passes on a signal rather than by a clock.
type deadline struct {
	context.Context
	done chan struct{}
}

func (d *deadline) Done() <-chan struct{} { return d.done }

func (d *deadline) Err() error {
	select {
	case <-d.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestDoKeepsConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	const parallel = 64
	barrier := newBarrier(parallel)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Together") != "" {
			barrier.wait(r.Context())
		}
		_, _ = io.Copy(w, r.Body)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, fetch.Options{AllowLoopback: true})
	for range 100 {
		exchange(t, c, s.URL, "")
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("100 requests in turn opened %d connections, want 1", n)
	}
	for range 3 {
		var wg sync.WaitGroup
		for range parallel {
			wg.Go(func() { exchange(t, c, s.URL, "yes") })
		}
		wg.Wait()
	}
	if n := opened.Load(); n != parallel {
		t.Errorf("3 times %d requests at once opened %d connections, want %d", parallel, n, parallel)
	}
}

func exchange(t *testing.T, c *fetch.Client, address, together string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("hello"))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("X-Together", together)
	resp, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	if got, err := fetch.Body(resp, 100); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v; want hello", got, err)
	}
}

// A barrier lets callers go on in groups of size.
type barrier struct {
	mu   sync.Mutex
	size int
	in   int
	open chan struct{}
}

func newBarrier(size int) *barrier { return &barrier{size: size, open: make(chan struct{})} }

func (b *barrier) wait(ctx context.Context) {
	b.mu.Lock()
	b.in++
	open := b.open
	if b.in == b.size {
		close(open)
		b.in, b.open = 0, make(chan struct{})
	}
	b.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
	}
}

func TestDoOverHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := newClient(t, fetch.Options{AllowLoopback: true, RootCAs: roots})
	resp, err := c.Do(post2(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fetch.Body(resp, 100); err != nil || string(got) != "HTTP/2.0" {
		t.Errorf("got %q, %v; want HTTP/2.0", got, err)
	}
}

func post2(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+secretPath, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	return req
}
