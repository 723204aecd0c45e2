package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkPostMessage sends into many conversations at once, on SQLite.
func BenchmarkPostMessage(b *testing.B) {
	n := newGateway(b, openSQLite(b), func(c *Config) { c.Log = nil }).tenant(b)
	ch := n.channel(b, "WA", "whatsapp")
	var paths []string
	for i := range 64 {
		n.ids["CV"] = int64(n.hear(b, ch, fmt.Sprint("contact ", i), "1", "Hello"))
		paths = append(paths, n.fill(messagesPath))
	}
	var turn atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, paths[turn.Add(1)%int64(len(paths))], strings.NewReader("message=hello"))
			n.answered(b, r)
		}
	})
}

// BenchmarkListMessages reads pages of 50 messages, on SQLite.
func BenchmarkListMessages(b *testing.B) {
	n := newGateway(b, openSQLite(b), func(c *Config) { c.Log = nil }).tenant(b)
	ch := n.channel(b, "WA", "whatsapp")
	for i := range 200 {
		n.ids["CV"] = int64(n.hear(b, ch, "79250000001", fmt.Sprint(i), "Hello, is anybody there?"))
	}
	path := n.fill(messagesPath + "?sort=desc")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.answered(b, httptest.NewRequest(http.MethodGet, path, nil))
		}
	})
}

// BenchmarkRefusal answers requests that stop at the token.
func BenchmarkRefusal(b *testing.B) {
	n := newGateway(b, openSQLite(b), func(c *Config) { c.Log = nil }).tenant(b)
	path := n.fill("/p1/companies/{C}/conversations/1/messages")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		n.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusUnauthorized {
			b.Fatal(w.Code)
		}
	}
}

func (n *tenant) answered(b *testing.B, r *http.Request) {
	r.Header.Set("X-Private-Api-Token", n.token)
	w := httptest.NewRecorder()
	n.server.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Errorf("got %d %s", w.Code, w.Body)
	}
}

// BenchmarkFlood compares what an attacker can send with a request that is in
// order: none of it may cost more.
func BenchmarkFlood(b *testing.B) {
	n := newGateway(b, openSQLite(b), func(c *Config) { c.Log = nil }).tenant(b)
	for _, kind := range []struct {
		name, method, path, token, contentType, body string
		want                                         int
	}{
		{"valid", http.MethodGet, "/p1/companies", n.token, "", "", http.StatusOK},
		{"unauthenticated", http.MethodGet, "/p1/companies", "", "", "", http.StatusUnauthorized},
		{"wrong token", http.MethodGet, "/p1/companies", "wrong", "", "", http.StatusUnauthorized},
		{"unknown path", http.MethodGet, "/p1/companies/1/nothing/2", n.token, "", "", http.StatusNotFound},
		{"wrong method", http.MethodPatch, "/p1/companies", n.token, "", "", http.StatusMethodNotAllowed},
		{"garbage body", http.MethodGet, "/p1/companies", "", "application/json", "\x00{{{[[[\xff", http.StatusUnauthorized},
		{"garbage body with token", http.MethodGet, "/p1/companies", n.token, "application/json", "\x00{{{[[[\xff", http.StatusBadRequest},
	} {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(kind.method, kind.path, strings.NewReader(kind.body))
				if kind.token != "" {
					r.Header.Set("X-Private-Api-Token", kind.token)
				}
				r.Header.Set("Content-Type", kind.contentType)
				w := httptest.NewRecorder()
				n.server.ServeHTTP(w, r)
				if w.Code != kind.want {
					b.Fatalf("got %d %s", w.Code, w.Body)
				}
			}
		})
	}
}
