package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	own := parley.Errorf(parley.KindThrottled, "wait")
	leaky := &url.Error{Op: "Post", URL: "https://host" + secretPath, Err: io.ErrUnexpectedEOF}
	_, parse := http.NewRequest("GET", "https://host/%zzSECRETTOKEN", nil)
	tests := []struct {
		name string
		err  error
		want string
		is   error
	}{
		{"url error", leaky, "unexpected EOF", io.ErrUnexpectedEOF},
		{"wrapped", fmt.Errorf("call SECRETTOKEN: %w", leaky), "unexpected EOF", io.ErrUnexpectedEOF},
		{"twice", &url.Error{URL: "SECRETTOKEN", Err: leaky}, "unexpected EOF", io.ErrUnexpectedEOF},
		{"quoted", errors.New(`malformed "SECRET\"TOKEN SECRETTOKEN" and "SECRETTOKEN`), "malformed … and …", nil},
		{"bare URL and path", errors.New("get https://h/SECRETTOKEN of /bot/SECRETTOKEN"), "get … of …", nil},
		{"parse", parse, "invalid URL escape …", nil},
		{"own", &url.Error{URL: "SECRETTOKEN", Err: own}, "wait", own},
		{"context", &url.Error{URL: "SECRETTOKEN", Err: context.Canceled}, "context canceled", context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := fetch.Redact(tt.err)
			if got.Error() != tt.want || tt.is != nil && !errors.Is(got, tt.is) {
				t.Errorf("got %v, want %q", got, tt.want)
			}
			wantQuiet(t, got)
		})
	}
	if fetch.Redact(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestHTTPErrorsRedact(t *testing.T) {
	t.Parallel()
	address := newRawServer(t, func(_ int, c net.Conn) { readRequest(c) })
	_, err := newClient(t, fetch.Options{AllowLoopback: true}).HTTP().Do(post(t, t.Context(), address))
	if err == nil || !strings.Contains(err.Error(), "SECRETTOKEN") {
		t.Fatalf("the standard client's error %v does not need Redact", err)
	}
	wantError(t, fetch.Redact(err), parley.KindUncertain, fetch.CodeNoAnswer)
}

func FuzzRedact(f *testing.F) {
	f.Add("bot1:T", `a \" b`)
	f.Add("", `\`)
	f.Fuzz(func(t *testing.T, path, quoted string) {
		const marker = "SECRETTOKEN"
		u := &url.Error{Op: "Get", URL: "https://h/" + marker + path, Err: fmt.Errorf("malformed %q", marker+quoted+marker)}
		if text := fetch.Redact(fmt.Errorf("call: %w", u)).Error(); strings.Contains(text, marker) {
			t.Errorf("the text shows it: %s", text)
		}
	})
}
