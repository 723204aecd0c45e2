package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestObserve: every answer is told of, by patterns and known methods alone.
func TestObserve(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	g := newGateway(t, openSQLite(t), func(c *Config) {
		c.Observe = func(method, route string, status int, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			got[fmt.Sprintf("%s %s %d", method, route, status)]++
			if took <= 0 {
				t.Errorf("%s took %v", route, took)
			}
		}
	})
	n := g.tenant(t)
	got = map[string]int{}
	for _, line := range []string{"GET /p1/companies", "GET /p1/companies/987654", "BREW /p1/companies", "GET /p1/pots/secret", "GET /p1/companies/C"} {
		method, path, _ := strings.Cut(line, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, g.url+strings.Replace(path, "/C", fmt.Sprintf("/%d", n.company), 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Private-Api-Token", n.token)
		resp, err := direct.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{
		"GET /p1/companies 200": 1, "GET /p1/companies/C 404": 1, "other /p1/companies 405": 1, "GET none 404": 1, "GET /p1/companies/C 200": 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
