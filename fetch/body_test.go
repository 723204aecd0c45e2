package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

func TestBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer string
		want   string
		code   string
		status int
		is     error
	}{
		{"whole", "200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", "", 200, nil},
		{"empty", "204 No Content\r\n\r\n", "", "", 204, nil},
		{"at the limit", "200 OK\r\nContent-Length: 8\r\n\r\n12345678", "12345678", "", 200, nil},
		{"over the limit", "200 OK\r\nContent-Length: 9\r\n\r\n123456789", "12345678", fetch.CodeBodySize, 200, fetch.ErrTooLarge},
		{"over the limit, no length", "502 Bad Gateway\r\n\r\n" + strings.Repeat("x", 100_000), "xxxxxxxx", fetch.CodeBodySize, 502, fetch.ErrTooLarge},
		{"cut", "403 Forbidden\r\nContent-Length: 5\r\n\r\nhel", "hel", fetch.CodeBodyCut, 403, io.ErrUnexpectedEOF},
		{"cut at the limit", "200 OK\r\nContent-Length: 10\r\n\r\n12345678", "12345678", fetch.CodeBodyCut, 200, io.ErrUnexpectedEOF},
		{"cut chunk", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "hel", fetch.CodeBodyCut, 200, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := newRawServer(t, func(_ int, c net.Conn) {
				readRequest(c)
				_, _ = io.WriteString(c, "HTTP/1.1 "+tt.answer)
			})
			resp, err := newClient(t, fetch.Options{AllowLoopback: true}).Do(post(t, t.Context(), address))
			if err != nil {
				t.Fatal(err)
			}
			got, err := fetch.Body(resp, 8)
			if string(got) != tt.want || resp.StatusCode != tt.status {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, tt.status, tt.want)
			}
			wantBodyError(t, err, tt.code, tt.status, tt.is)
		})
	}
}

func wantBodyError(t *testing.T, err error, code string, status int, is error) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	wantError(t, err, parley.KindUncertain, code)
	if b, ok := errors.AsType[*fetch.BodyError](err); !ok || b.Status != status || !errors.Is(err, is) {
		t.Errorf("got %v, want a BodyError of status %d for %v", err, status, is)
	}
	if !strings.Contains(err.Error(), fmt.Sprint(status)) {
		t.Errorf("%v does not name the status %d", err, status)
	}
}

func TestBodyEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address := newRawServer(t, func(_ int, c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
		_, _ = c.Read(make([]byte, 1)) // until the client hangs up
	})
	resp, err := newClient(t, fetch.Options{AllowLoopback: true}).Do(post(t, ctx, address))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = fetch.Body(resp, 100)
	wantBodyError(t, err, fetch.CodeBodyCut, http.StatusOK, context.Canceled)
	if !parley.Interrupted(err) {
		t.Errorf("%v does not count as interrupted", err)
	}
}
