package fetch_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// newCounter serves plain HTTP on loopback and counts the connections.
func newCounter(t *testing.T) (port string, opened *atomic.Int64) {
	t.Helper()
	opened = new(atomic.Int64)
	address := newRawServer(t, func(_ int, c net.Conn) {
		opened.Add(1)
		readRequest(c)
		_, _ = io.WriteString(c, okAnswer)
	})
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port, opened
}

func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	port, opened := newCounter(t)
	hosts := []string{
		"127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:10.0.0.1]",
		"[fe80::1]", "[fe80::1%25lo]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "[ff02::1]",
	}
	for _, loopback := range []bool{false, true} {
		c := newClient(t, fetch.Options{Name: "webhook_url", AllowLoopback: loopback})
		for _, host := range hosts {
			if loopback && (strings.Contains(host, "127.") || strings.Contains(host, ":7f00:1]") && !strings.Contains(host, "64:") ||
				strings.HasPrefix(strings.ToLower(host), "localhost") || host == "[::1]") {
				continue
			}
			_, err := c.Do(post(t, t.Context(), host+":"+port))
			wantError(t, err, parley.KindInvalid, fetch.CodePrivate)
			const want = "webhook_url points to a private address; the operator allows it with --allow-private-targets"
			if got := parley.Reason(err); got != want {
				t.Errorf("%s: reason %q, want %q", host, got, want)
			}
		}
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("%d connections reached a refused address", n)
	}
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()
	port, _ := newCounter(t)
	other, _ := newCounter(t)
	tests := []struct {
		name string
		o    fetch.Options
		host string
		want bool
	}{
		{"nothing", fetch.Options{}, "127.0.0.1:" + port, false},
		{"everything", fetch.Options{AllowPrivate: true}, "127.0.0.1:" + port, true},
		{"loopback", fetch.Options{AllowLoopback: true}, "127.0.0.1:" + port, true},
		{"mapped loopback", fetch.Options{AllowLoopback: true}, "[::ffff:127.0.0.1]:" + port, true},
		{"loopback by name", fetch.Options{AllowLoopback: true}, "localhost:" + port, true},
		{"exempt", fetch.Options{Exempt: []string{"127.0.0.1:" + port}}, "127.0.0.1:" + port, true},
		{"exempt, other port", fetch.Options{Exempt: []string{"127.0.0.1:" + port}}, "127.0.0.1:" + other, false},
		{"exempt, other name", fetch.Options{Exempt: []string{"127.0.0.1:" + port}}, "localhost:" + port, false},
		{"exempt, other address", fetch.Options{Exempt: []string{"127.0.0.1:" + port}}, "127.0.0.2:" + port, false},
		{"exempt name", fetch.Options{Exempt: []string{"LocalHost.:" + port}}, "LOCALHOST:" + port, true},
		{"exempt name, its address", fetch.Options{Exempt: []string{"localhost:" + port}}, "127.0.0.1:" + port, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, err := newClient(t, tt.o).Do(post(t, t.Context(), tt.host))
			if !tt.want {
				wantError(t, err, parley.KindInvalid, fetch.CodePrivate)
				if !strings.Contains(parley.Reason(err), "the address points") {
					t.Errorf("reason %q", parley.Reason(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fetch.Body(resp, 10); err != nil || string(got) != "ok" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestNewRefusesExempt(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "example.com", ":80", "example.com:", "http://example.com"} {
		if _, err := fetch.New(fetch.Options{Exempt: []string{entry}}); err == nil {
			t.Errorf("%q was taken for host:port", entry)
		}
	}
}

func TestHostPort(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, want string }{
		{"https://API.Example.com./bot", "api.example.com:443"},
		{"http://127.0.0.1:9001", "127.0.0.1:9001"},
		{"http://[::1]/x", "[::1]:80"},
		{"http://[::ffff:10.0.0.1]:81/x", "10.0.0.1:81"},
		{"ftp://example.com", ""},
		{"/SECRETTOKEN", ""},
		{"http://example.com:SECRETTOKEN/", ""},
		{"http://exa mple/SECRETTOKEN", ""},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			t.Parallel()
			got, err := fetch.HostPort(tt.url)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			wantQuiet(t, err)
		})
	}
}

// newRedirects answers /start with a redirect to target, /loop with one to itself.
func newRedirects(t *testing.T, target string) (address string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		switch r.URL.Path {
		case "/start":
			w.Header().Set("Location", target)
		case "/loop":
			w.Header().Set("Location", "/loop")
		default:
			_, _ = io.WriteString(w, "end, referer "+r.Referer())
			return
		}
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), hits
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	private, opened := newCounter(t)
	tests := []struct {
		name, method, path, target string
		limit                      int
		status                     int
		kind                       parley.Kind
		code                       string
		hits                       int64
	}{
		{"not followed", "GET", "/start", "/end", 0, 307, "", "", 1},
		{"POST not followed", "POST", "/start", "/end", 3, 307, "", "", 1},
		{"followed", "GET", "/start", "/end", 3, 200, "", "", 2},
		{"too many", "GET", "/loop", "", 3, 0, parley.KindInvalid, fetch.CodeRedirects, 4},
		{"to a private address", "GET", "/start", "http://localhost:" + private + secretPath, 3, 0, parley.KindInvalid, fetch.CodePrivate, 1},
		{"to a file", "GET", "/start", "file:///etc/SECRETTOKEN", 3, 0, parley.KindInvalid, fetch.CodeBadURL, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, hits := newRedirects(t, tt.target)
			c := newClient(t, fetch.Options{Exempt: []string{address}, Redirects: tt.limit})
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+address+tt.path+"?QUERYSECRET", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			if tt.code != "" {
				wantError(t, err, tt.kind, tt.code)
			} else {
				wantStatus(t, resp, err, tt.status)
			}
			if n := hits.Load(); n != tt.hits {
				t.Errorf("%d requests, want %d", n, tt.hits)
			}
		})
	}
	t.Cleanup(func() {
		if n := opened.Load(); n != 0 {
			t.Errorf("%d connections reached the private address", n)
		}
	})
}

func wantStatus(t *testing.T, resp *http.Response, err error, want int) {
	t.Helper()
	if err != nil || resp.StatusCode != want {
		t.Fatalf("got %v, %v; want status %d", resp, err, want)
	}
	body, err := fetch.Body(resp, 1000)
	if err != nil || strings.Contains(string(body), "QUERYSECRET") {
		t.Errorf("body %q, %v; want no referer", body, err)
	}
}
