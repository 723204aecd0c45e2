package fetch_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// A ledger counts what arrived, by the X-Number header.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

func newLedger() *ledger { return &ledger{seen: map[string]int{}} }

func (l *ledger) take(r *bufio.Reader) (number string, ok bool) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return "", false
	}
	number = req.Header.Get("X-Number")
	l.mu.Lock()
	l.seen[number]++
	l.mu.Unlock()
	_, err = io.Copy(io.Discard, req.Body)
	return number, err == nil
}

func (l *ledger) count(number string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[number]
}

func numbered(t *testing.T, method, address, number string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Number", number)
	req.Header.Set("Idempotency-Key", number)
	req.Header.Set("X-Idempotency-Key", number)
	return req
}

// TestDoMeetsHangUp sends over kept connections that the server closes right after
// its answer, so that some requests meet a dead connection and some a dying one.
func TestDoMeetsHangUp(t *testing.T) {
	t.Parallel()
	l := newLedger()
	address := "http://" + newRawServer(t, func(_ int, c net.Conn) {
		if _, ok := l.take(bufio.NewReader(c)); ok {
			_, _ = io.WriteString(c, okAnswer)
		}
	})
	c := newClient(t, fetch.Options{AllowLoopback: true})
	for i := range 300 {
		number := fmt.Sprint(i)
		resp, err := c.Do(numbered(t, "POST", address, number, strings.NewReader("hello")))
		if err == nil {
			_, err = fetch.Body(resp, 10)
		}
		least, most := 1, 1
		switch parley.KindOf(err) {
		case parley.KindUncertain:
			least = 0
		case parley.KindUnavailable:
			least, most = 0, 0
		}
		if n := l.count(number); n < least || n > most {
			t.Fatalf("request %d arrived %d times and ended with %v", i, n, err)
		}
	}
}

// TestDoNeverRepeats takes a request on a kept connection and hangs up without an
// answer. net/http by itself would send those with an Idempotency-Key again.
func TestDoNeverRepeats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method string
		body         func() io.Reader
	}{
		{"POST", "POST", func() io.Reader { return strings.NewReader("hello") }},
		{"POST without body", "POST", func() io.Reader { return nil }},
		{"POST with NoBody", "POST", func() io.Reader { return http.NoBody }},
		{"DELETE", "DELETE", func() io.Reader { return nil }},
		{"PATCH", "PATCH", func() io.Reader { return strings.NewReader("hello") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			address := "http://" + newRawServer(t, func(_ int, c net.Conn) {
				r := bufio.NewReader(c)
				for {
					if number, ok := l.take(r); !ok || number == "lost" {
						return
					}
					_, _ = io.WriteString(c, okAnswer)
				}
			})
			c := newClient(t, fetch.Options{AllowLoopback: true})
			resp, err := c.Do(numbered(t, tt.method, address, "first", tt.body()))
			if err != nil {
				t.Fatal(err)
			}
			fetch.Discard(resp)
			_, err = c.Do(numbered(t, tt.method, address, "lost", tt.body()))
			wantError(t, err, parley.KindUncertain, fetch.CodeNoAnswer)
			if n := l.count("lost"); n != 1 {
				t.Errorf("the request arrived %d times, want once", n)
			}
		})
	}
}

func TestDoKeepsHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = fmt.Fprint(w, r.Header.Get("Idempotency-Key"), " ", r.Header.Get("X-Idempotency-Key"), " ", user, ":", password, " ", r.ContentLength)
	}))
	t.Cleanup(s.Close)
	c := newClient(t, fetch.Options{AllowLoopback: true})
	req := numbered(t, "POST", strings.Replace(s.URL, "://", "://ann:word@", 1), "7", nil)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fetch.Body(resp, 100); err != nil || string(got) != "7 7 ann:word 0" {
		t.Errorf("the server saw %q, %v", got, err)
	}
	if req.Header.Get("Idempotency-Key") != "7" {
		t.Error("the caller's request was changed")
	}
}

// Frame types and flags of HTTP/2 as far as the test server speaks it.
// Source: RFC 9113, section 6, read 2026-11.
const (
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	frameGoAway   = 7
)

func writeFrame(w io.Writer, kind byte, stream uint32, payload []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, 0)
	head = binary.BigEndian.AppendUint32(head, stream)
	_, _ = w.Write(append(head, payload...))
}

func readFrame(r io.Reader) (kind byte, stream uint32, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, 0, err
	}
	size := int64(binary.BigEndian.Uint32(head) >> 8)
	_, err = io.CopyN(io.Discard, r, size)
	return head[3], binary.BigEndian.Uint32(head[5:]), err
}

// resetting speaks enough HTTP/2 to answer every request by resetting its stream,
// or, without a code, by going away before it.
func resetting(code uint32, l *ledger) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		if _, err := io.CopyN(io.Discard, c, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		writeFrame(c, frameSettings, 0, nil)
		for {
			kind, stream, err := readFrame(c)
			if err != nil {
				return
			}
			if kind == frameHeaders {
				l.mu.Lock()
				l.seen["request"]++
				l.mu.Unlock()
				if code == 0 {
					writeFrame(c, frameGoAway, 0, make([]byte, 8)) // last stream 0, no error
					return
				}
				writeFrame(c, frameReset, stream, binary.BigEndian.AppendUint32(nil, code))
			}
		}
	}
}

func TestDoMeetsStreamReset(t *testing.T) {
	t.Parallel()
	pki := httptest.NewTLSServer(nil) // lends its certificate
	t.Cleanup(pki.Close)
	tests := []struct {
		name string
		code uint32
		kind parley.Kind
		want string
	}{
		{"going away", 0, parley.KindUnavailable, fetch.CodeNotSent},
		{"protocol error", 1, parley.KindUncertain, fetch.CodeNoAnswer},
		{"internal error", 2, parley.KindUncertain, fetch.CodeNoAnswer},
		{"refused stream", 7, parley.KindUnavailable, fetch.CodeNotSent},
		{"cancel", 8, parley.KindUncertain, fetch.CodeNoAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ledger := newLedger()
			listener := tls.NewListener(inner, &tls.Config{Certificates: pki.TLS.Certificates, NextProtos: []string{"h2"}})
			address := serveRaw(t, listener, resetting(tt.code, ledger))
			roots := pki.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			c := newClient(t, fetch.Options{AllowLoopback: true, RootCAs: roots})
			_, err = c.Do(post2(t, "https://"+address))
			wantError(t, err, tt.kind, tt.want)
			if n := ledger.count("request"); n != 1 {
				t.Errorf("the request arrived %d times, want once", n)
			}
			c.Close()
		})
	}
}
