package webhook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/webhook"
)

// TestOnce: one POST with the body, and only 200 is good.
func TestOnce(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]parley.Kind{200: "", 201: parley.KindRejected, 302: parley.KindRejected, 404: parley.KindRejected, 429: parley.KindThrottled, 500: parley.KindUnavailable} {
		var got []string
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		defer receiver.Close()
		client, err := fetch.New(fetch.Options{AllowLoopback: true})
		if err != nil {
			t.Fatal(err)
		}
		err = webhook.Once(t.Context(), client, receiver.URL+"/codes", []byte(`{"a":1}`))
		if parley.KindOf(err) != kind {
			t.Errorf("%d: %v, want %q", status, err, kind)
		}
		if len(got) != 1 || got[0] != `POST /codes application/json {"a":1}` {
			t.Errorf("%d: got %q", status, got)
		}
	}
}

// TestOnceRefused: an address that the guard refuses, and one that is none; the
// error says nothing of it.
func TestOnceRefused(t *testing.T) {
	t.Parallel()
	client, err := fetch.New(fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://127.0.0.1:1/SECRET-X", "http://bad host/SECRET-X", "ftp://example.com/SECRET-X"} {
		err := webhook.Once(t.Context(), client, url, nil)
		if parley.KindOf(err) != parley.KindInvalid || strings.Contains(err.Error(), "SECRET-X") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
