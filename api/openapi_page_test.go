package api

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// served answers a request without a token.
func served(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	testServer().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// TestDocumentPage: the document and its page are public, for GET and HEAD, and
// nothing else is there.
func TestDocumentPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		code int
		kind string
	}{
		{"GET /openapi.yaml", 200, "application/yaml; charset=utf-8"},
		{"GET //openapi.yaml/", 200, "application/yaml; charset=utf-8"},
		{"GET /docs", 200, "text/html"},
		{"GET /docs/", 200, "text/html"},
		{"GET //docs//", 200, "text/html"},
		{"GET /docs/swagger-ui.css", 200, "text/css; charset=utf-8"},
		{"GET /docs/swagger-ui-bundle.js", 200, "application/javascript"},
		{"GET /docs/favicon-32x32.png", 200, "image/png"},
		{"POST /openapi.yaml", 405, "application/json; charset=utf-8"},
		{"POST /docs", 405, "application/json; charset=utf-8"},
		{"DELETE /docs/swagger-ui.css", 405, "application/json; charset=utf-8"},
		{"GET /docs/oauth2-redirect.html", 404, "application/json; charset=utf-8"},
		{"GET /docs/../openapi.yaml", 404, "application/json; charset=utf-8"},
		{"GET /docs/%2e%2e/openapi.yaml", 404, "application/json; charset=utf-8"},
		{"GET /docs/swagger-ui.css/x", 404, "application/json; charset=utf-8"},
		{"GET /openapi.yaml/x", 404, "application/json; charset=utf-8"},
		{"GET /openapi.json", 404, "application/json; charset=utf-8"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.line, " ")
			w := served(method, path)
			if got := w.Header().Get("Content-Type"); w.Code != tt.code || got != tt.kind {
				t.Errorf("got %d %q, want %d %q", w.Code, got, tt.code, tt.kind)
			}
			if mine := testServer().Serves(httptest.NewRequest(method, path, nil)); mine != (tt.code != 404) {
				t.Errorf("Serves: %v", mine)
			}
			if tt.code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
		})
	}
}

// TestDocumentHead: HEAD answers as GET does, without a body.
func TestDocumentHead(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(testServer())
	t.Cleanup(web.Close)
	for _, path := range []string{"/openapi.yaml", "/docs", "/docs/swagger-ui.css"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := direct.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || len(body) != 0 {
			t.Errorf("%s: %d, %d bytes, %v", path, resp.StatusCode, len(body), err)
		}
	}
}

var (
	loaded  = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	outside = regexp.MustCompile(`(?i)(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//`)
)

// TestDocumentOffline: the page loads nothing but its own parts, and is not
// allowed to.
func TestDocumentOffline(t *testing.T) {
	t.Parallel()
	page := served("GET", "/docs")
	html := page.Body.String()
	var got []string
	for _, m := range loaded.FindAllStringSubmatch(html, -1) {
		got = append(got, m[1])
	}
	want := []string{"/docs/swagger-ui.css", "/docs/favicon-32x32.png", "/docs/favicon-16x16.png", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui-standalone-preset.js"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page loads:\n%s", diff)
	}
	if found := outside.FindString(html + served("GET", "/docs/swagger-ui.css").Body.String()); found != "" {
		t.Errorf("the page loads from outside: %s", found)
	}
	for _, path := range want {
		if w := served("GET", path); w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %s", policy, part)
		}
	}
	if strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("the policy %q lets others in", policy)
	}
}

// TestOpenAPI: the caller owns what it gets.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	mine := OpenAPI()
	clear(mine)
	if bytes.Equal(mine, OpenAPI()) || served("GET", "/openapi.yaml").Body.String() != string(OpenAPI()) {
		t.Error("the document was changed from outside")
	}
}
