package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	base := "http://" + serveCLI(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0").ready(t)
	code, out, errs := cli("health", "--url", base+"/readyz")
	if code != 0 || errs != "" || !strings.Contains(out, `"lease":"ok"`) {
		t.Errorf("a gateway that is ready: %d %q %q", code, out, errs)
	}
	hang := make(chan struct{})
	sick := newHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-hang
		}
		answer(w, http.StatusServiceUnavailable, map[string]string{"lease": "not held"})
	}))
	t.Cleanup(func() { close(hang) }) // before the host is closed
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"not ready", "503 Service Unavailable: {\"lease\":\"not held\"}", []string{"--url", "http://" + sick.address + "/readyz"}},
		{"no answer", "deadline exceeded", []string{"--url", "http://" + sick.address + "/hang", "--timeout", "20ms"}},
		{"nobody", "not healthy", []string{"--url", "http://127.0.0.1:1/readyz"}},
		{"no URL", "--url", []string{"--url", "http://[::1"}},
		{"no time", "--timeout", []string{"--timeout", "0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := cli(append([]string{"health"}, c.args...)...)
			if code != 1 || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("%d %q %q, want %q", code, out, errs, c.want)
			}
		})
	}
}
