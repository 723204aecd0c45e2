package fetch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/parley-im/parley"
)

// A flaky round tripper fails on a connection once per entry of fails, each a step
// that writes to the connection or not, and then succeeds.
type flaky struct {
	fails  []func(*httptrace.ClientTrace, net.Conn)
	reused bool
	bodies []string
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	f.bodies = append(f.bodies, string(body))
	if len(f.fails) == 0 {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}
	near, far := net.Pipe()
	defer near.Close()
	go func() { _, _ = io.Copy(io.Discard, far) }() // ends with near
	c := &meteredConn{Conn: near}
	trace := httptrace.ContextClientTrace(req.Context())
	trace.GotConn(httptrace.GotConnInfo{Conn: c, Reused: f.reused})
	f.fails[0](trace, c)
	f.fails = f.fails[1:]
	return nil, errors.New("broken")
}

func TestRoundTripRepeatsOnlyWhatNeverLeft(t *testing.T) {
	t.Parallel()
	type step = func(*httptrace.ClientTrace, net.Conn)
	idle := func(*httptrace.ClientTrace, net.Conn) {}
	alert := func(_ *httptrace.ClientTrace, c net.Conn) { _, _ = c.Write([]byte("bye")) }
	begun := func(tr *httptrace.ClientTrace, _ net.Conn) { tr.WroteHeaders() }
	failed := func(tr *httptrace.ClientTrace, c net.Conn) {
		_ = c.(*meteredConn).Conn.Close()
		_, _ = c.Write([]byte("POST"))
		tr.WroteRequest(httptrace.WroteRequestInfo{Err: io.ErrClosedPipe})
	}
	written := func(tr *httptrace.ClientTrace, c net.Conn) {
		tr.WroteHeaderField("Host", []string{"h"})
		_, _ = c.Write([]byte("P"))
	}
	tests := []struct {
		name   string
		fails  []step
		reused bool
		tries  int
		kind   parley.Kind
	}{
		{"dead kept connections", []step{idle, begun, failed, alert}, true, 5, ""},
		{"dead new connection", []step{idle}, false, 1, parley.KindUnavailable},
		{"one byte on a kept connection", []step{written}, true, 1, parley.KindUncertain},
		{"one byte on the second", []step{idle, written}, true, 2, parley.KindUncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &flaky{fails: tt.fails, reused: tt.reused}
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://h/", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&exchanger{next: f}).RoundTrip(req)
			if parley.KindOf(err) != tt.kind || len(f.bodies) != tt.tries {
				t.Errorf("%d tries and %v, want %d and %q", len(f.bodies), err, tt.tries, tt.kind)
			}
			for _, b := range f.bodies {
				if b != "hello" {
					t.Errorf("a try carried %q, want the whole body", b)
				}
			}
		})
	}
}
