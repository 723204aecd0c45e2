package load

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestResponses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       answer
		bad        bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", answer{status: 200, bytes: 3}, false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", answer{status: 200, bytes: 13}, false},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nabcd", answer{status: 200, bytes: 4, last: true}, false},
		{"close", "HTTP/1.1 413 Too Large\r\nCONNECTION: close\r\nContent-Length: 0\r\n\r\n", answer{status: 413, last: true}, false},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", answer{status: 204}, false},
		{"refused", "HTTP/1.1 503 Busy\r\nretry-after: 1\r\nContent-Length: 0\r\n\r\n", answer{status: 503, retryAfter: true}, false},
		{"after 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", answer{status: 201}, false},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", answer{status: 200, last: true}, false},
		{"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", answer{status: 200}, false},
		{"body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", answer{}, true},
		{"chunk cut short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", answer{}, true},
		{"chunk too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", answer{}, true},
		{"headers cut short", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", answer{}, true},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", answer{}, true},
		{"other protocol", "SSH-2.0-OpenSSH_9.2\r\n", answer{}, true},
	} {
		got, err := readResponse(bufio.NewReader(strings.NewReader(tt.text)))
		if tt.bad != (err != nil) {
			t.Errorf("%s: error %v", tt.name, err)
		} else if !tt.bad && got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// FuzzReadResponse: what both we and net/http can read as HTTP/1.1 means the same
// to both, but for informational responses, which net/http takes for the answer.
func FuzzReadResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nConnection: close\r\n\r\nrest"))
	f.Add([]byte("HTTP/1.0 204 None\nConnection: keep-alive\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readResponse(bufio.NewReader(bytes.NewReader(b)))
		if err != nil || bytes.HasPrefix(b, []byte("HTTP/1.1 1")) || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil {
			return
		}
		if got.status != resp.StatusCode || got.bytes != n {
			t.Fatalf("%q: got %+v, net/http says status %d, %d bytes", b, got, resp.StatusCode, n)
		}
	})
}
