package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/api/apitest"
)

var document = sync.OnceValues(func() (*apitest.Document, error) { return apitest.New(api.OpenAPI()) })

// described checks the body of a webhook against the OpenAPI document.
func described(body []byte) error {
	d, err := document()
	if err != nil {
		return err
	}
	return d.Webhook(body)
}

// answered checks an answer of the API against the OpenAPI document; answers to
// other requests are passed over.
func answered(req *http.Request, resp *http.Response, body []byte) error {
	if !strings.HasPrefix(req.URL.Path, "/p1/") && !strings.HasPrefix(req.URL.Path, "/api/") {
		return nil
	}
	d, err := document()
	if err != nil {
		return err
	}
	return d.Answer(apitest.Answer{Method: req.Method, Path: req.URL.Path, Status: resp.StatusCode, Header: resp.Header, Body: body})
}

// TestDocumentServed: the gateway shows the document and its page to everybody,
// without a token.
func TestDocumentServed(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	fetch := func(path string) (string, []byte) {
		t.Helper()
		resp, err := http.Get(s.api.base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		return resp.Header.Get("Content-Type"), text
	}
	if kind, text := fetch("/openapi.yaml"); !strings.HasPrefix(kind, "application/yaml") || !bytes.Equal(text, api.OpenAPI()) {
		t.Errorf("the document: %s, %d bytes", kind, len(text))
	}
	if kind, text := fetch("/docs"); !strings.HasPrefix(kind, "text/html") || !bytes.Contains(text, []byte("/openapi.yaml")) {
		t.Errorf("the page: %s, %.200s", kind, text)
	}
}
