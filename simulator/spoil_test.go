package simulator_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/simulator"
)

const whole = "0123456789abcdefghij"

// spoiled serves whole under one fault until done is closed.
func spoiled(t *testing.T, f simulator.Fault, done <-chan struct{}) *http.Response {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a, alive := f.Play(simulator.Call{Done: done, Process: func() simulator.Answer {
			return simulator.Answer{Status: 200, Type: "text/plain", Body: []byte(whole),
				Header: http.Header{"Content-Length": {"20"}}}
		}})
		if alive {
			a.Write(w)
		}
	}))
	t.Cleanup(server.Close)
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestSpoiledBodies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give   simulator.Fault
		body   string
		length int64
		cut    bool
		atMin  time.Duration
	}{
		{simulator.Fault{Kind: "short"}, whole[:10], 10, false, 0},
		{simulator.Fault{Kind: "long"}, whole + whole, 40, false, 0},
		{simulator.Fault{Kind: "cut_body"}, whole[:10], 20, true, 0},
		{simulator.Fault{Kind: "trickle", DelayMS: 60}, whole, 20, false, 60 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(string(tt.give.Kind), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			res := spoiled(t, tt.give, nil)
			body, err := io.ReadAll(res.Body)
			if string(body) != tt.body || res.ContentLength != tt.length || res.StatusCode != 200 {
				t.Errorf("got %d %q of %d, want 200 %q of %d", res.StatusCode, body, res.ContentLength, tt.body, tt.length)
			}
			if cut := errors.Is(err, io.ErrUnexpectedEOF); cut != tt.cut || err != nil && !cut {
				t.Errorf("read ended with %v, want cut %t", err, tt.cut)
			}
			if took := time.Since(start); took < tt.atMin {
				t.Errorf("took %v, want at least %v", took, tt.atMin)
			}
		})
	}
}

func TestEndlessBody(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	res := spoiled(t, simulator.Fault{Kind: "endless"}, done)
	head := make([]byte, 1<<20)
	if _, err := io.ReadFull(res.Body, head); err != nil || res.ContentLength != -1 {
		t.Fatalf("a megabyte of length %d: %v, want it whole and no length", res.ContentLength, err)
	}
	if !bytes.HasPrefix(head, []byte(strings.Repeat(whole, 100))) {
		t.Error("the body is not repeated")
	}
	close(done)
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("a body cut by the end of the simulator looks complete")
	}
}

func TestTrickleEndsWithTheSimulator(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	close(done)
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("panic %v, want http.ErrAbortHandler", got)
		}
	}()
	a, _ := (simulator.Fault{Kind: "trickle", DelayMS: 600_000}).Play(simulator.Call{Done: done,
		Process: func() simulator.Answer { return simulator.Answer{Status: 200, Body: []byte(whole)} }})
	a.Write(httptest.NewRecorder())
}
