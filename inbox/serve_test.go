package inbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// unread fails the test if a body is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestCallbackUnauthorized(t *testing.T) {
	t.Parallel()
	forged := func(req *http.Request) *http.Request {
		req.Header.Set("X-Token", "wrong")
		return req
	}
	tests := []struct {
		name string
		req  func(t *testing.T) *http.Request
		set  func(r *rig)
	}{
		{"unknown provider", func(t *testing.T) *http.Request { return request("POST", "/callbacks/x/path", unread{t}) }, nil},
		{"unknown path", func(t *testing.T) *http.Request { return request("POST", "/callbacks/demo/x", unread{t}) }, nil},
		{"no path", func(t *testing.T) *http.Request { return request("POST", "/callbacks/demo/", unread{t}) }, nil},
		{"no provider", func(t *testing.T) *http.Request { return request("POST", "/callbacks//path", unread{t}) }, nil},
		{"more path", func(t *testing.T) *http.Request { return request("POST", target+"/x", unread{t}) }, nil},
		{"elsewhere", func(t *testing.T) *http.Request { return request("POST", "/demo/path", unread{t}) }, nil},
		{"endless path", func(t *testing.T) *http.Request {
			return request("POST", "/callbacks/demo/"+strings.Repeat("x", 300), unread{t})
		}, nil},
		{"wrong secret", func(*testing.T) *http.Request {
			return forged(request("POST", target, strings.NewReader("m1")))
		}, nil},
		{"wrong secret, garbage", func(*testing.T) *http.Request {
			return forged(request("POST", target, strings.NewReader("garbage")))
		}, nil},
		{"wrong secret before the body", func(t *testing.T) *http.Request {
			return forged(request("POST", target, unread{t}))
		}, func(r *rig) { r.clients.client = header{r.client} }},
		{"wrong secret, too large", func(*testing.T) *http.Request {
			return forged(request("POST", target, strings.NewReader(strings.Repeat("x", 1000))))
		}, func(r *rig) { r.clients.client = header{r.client} }},
		{"takes no callbacks", func(t *testing.T) *http.Request { return request("POST", target, unread{t}) },
			func(r *rig) { r.clients.client = sender{r.client} }},
		{"credentials cannot be right", func(t *testing.T) *http.Request { return request("POST", target, unread{t}) },
			func(r *rig) { r.clients.err = parley.Errorf(parley.KindLoggedOut, "no token") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			if tt.set != nil {
				tt.set(r)
			}
			if w := r.do(tt.req(t)); w.Code != http.StatusUnauthorized || w.Body.Len() != 0 {
				t.Errorf("answer is %d %q, want an empty 401", w.Code, w.Body)
			}
			wantStored(t, r, "")
		})
	}
}

func TestCallbackEndlessPathIsNotLookedUp(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.do(request("POST", "/callbacks/demo/"+strings.Repeat("x", maxPath+1), nil))
	if r.clients.asked.Load() != 0 {
		t.Error("it was looked up")
	}
}

func TestCallbackStored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, stored string
		reasons            []string
	}{
		{"one", "m1", "m1", nil},
		{"several, in order", "m1 m3 m2", "m1 m3 m2", nil},
		{"garbage", "garbage", "", []string{"not JSON"}},
		{"unknown without a word", "wholly", "", []string{"not understood"}},
		{"empty", "", "", []string{"an empty callback"}},
		{"nothing to tell", " ", "", nil},
		{"the rest of bad company", "m1 garbage m2 garbage m3", "m1 m2 m3", []string{"not JSON", "not JSON"}},
		{"unsupported", "m1 poll captioned", "m1 poll captioned", []string{"unsupported message: poll", "unsupported message: game"}},
		{"repeated within", "m1 m1", "m1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			for range 2 { // the second time everything but quarantine is a duplicate
				if w := r.post(tt.body); w.Code != http.StatusOK || w.Body.Len() != 0 {
					t.Fatalf("answer is %d %q, want an empty 200", w.Code, w.Body)
				}
			}
			wantStored(t, r, tt.stored, append(tt.reasons, tt.reasons...)...)
			for _, q := range r.store.quarantined {
				sum := sha256.Sum256(q.Body)
				if q.Company != 7 || q.Channel != 5 || q.Provider != "demo" || q.Source != "callback" || !q.At.Equal(now) ||
					q.Size != int64(len(q.Body)) || !bytes.Equal(q.Hash, sum[:]) {
					t.Errorf("quarantined %+v", q)
				}
			}
		})
	}
}

func TestCallbackTextOfUnsupported(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.post("poll captioned")
	want := []connector.What{connector.Message{Text: "[unsupported message: poll]", Unsupported: "poll"},
		connector.Message{Text: "caption", Unsupported: "game"}}
	got := []connector.What{r.store.stored[0].Event.What, r.store.stored[1].Event.What}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if got := string(r.store.quarantined[0].Body); got != "raw poll" {
		t.Errorf("quarantined %q, want the event's own bytes", got)
	}
}

func TestCallbackExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ deadline, want time.Duration }{
		{20 * time.Second, 18 * time.Second}, {4 * time.Second, 3 * time.Second}, {0, 8 * time.Second},
	} {
		r := newRig(nil)
		r.clients.spec.CallbackDeadline = tt.deadline
		r.post("m1")
		if got := r.store.stored[0].Expires.Sub(now); got != tt.want {
			t.Errorf("deadline %v: expires after %v, want %v", tt.deadline, got, tt.want)
		}
	}
}

func TestCallbackReply(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.client.reply = connector.Reply{Status: http.StatusAccepted, Type: "text/plain", Body: []byte("challenge")}
	w := r.do(httptest.NewRequest("GET", target+"?token="+token, nil))
	if w.Code != http.StatusAccepted || w.Body.String() != "challenge" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("answer is %d %q %v, want the reply", w.Code, w.Body, w.Header())
	}
	wantStored(t, r, "")
}

func TestCallbackMethods(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"} {
		r := newRig(nil)
		w := r.do(request(method, target, strings.NewReader("m1")))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, POST" {
			t.Errorf("%s: answer is %d, want 405 with Allow", method, w.Code)
		}
		wantStored(t, r, "")
	}
}

func TestCallbackTooLarge(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 101, 5000, 100_000} {
		body := strings.Repeat("m", size)
		for name, reader := range map[string]io.Reader{"sized": strings.NewReader(body), "chunked": unsized(body)} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				t.Parallel()
				r := newRig(nil)
				r.clients.spec.MaxBody = 100
				w := r.do(request("POST", target, reader))
				if size <= 100 {
					if w.Code != http.StatusOK {
						t.Errorf("answer is %d, want 200", w.Code)
					}
					return
				}
				wantStored(t, r, "", "larger than 100 bytes")
				q, sum := r.store.quarantined[0], sha256.Sum256([]byte(body))
				if w.Code != http.StatusRequestEntityTooLarge || q.Size != int64(size) || !bytes.Equal(q.Hash, sum[:]) {
					t.Errorf("answer is %d, size %d, hash %x, want 413, %d and %x", w.Code, q.Size, q.Hash, size, sum)
				}
				if !strings.HasPrefix(body, string(q.Body)) || len(q.Body) < 100 || len(q.Body) > prefixSize {
					t.Errorf("%d bytes are kept, want the beginning", len(q.Body))
				}
			})
		}
	}
}

func TestCallbackEndless(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ length, size int64 }{{-1, hashed + 1}, {1 << 40, 1 << 40}} {
		r := newRig(nil)
		req := request("POST", target, io.LimitReader(zeroes{}, 1<<40))
		req.ContentLength = tt.length
		if w := r.do(req); w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("answer is %d, want 413", w.Code)
		}
		wantStored(t, r, "", "larger than 100 bytes, and not read to its end")
		if got := r.store.quarantined[0].Size; got != tt.size {
			t.Errorf("size is %d, want %d", got, tt.size)
		}
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

func TestCallbackUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body string
		set  func(r *rig)
	}{
		{"store down", "m1 garbage", func(r *rig) { r.store.down = down() }},
		{"one item expired", "m1", func(r *rig) { r.store.fail = map[string]error{"m1": down()} }},
		{"clients not to be had", "m1", func(r *rig) { r.clients.err = down() }},
		{"client broken", "m1", func(r *rig) { r.clients.err = errors.New("open") }},
		{"provider switched off", "m1", func(r *rig) { r.clients.err = parley.Errorf(parley.KindUnsupported, "off") }},
		{"quarantine down", "garbage", func(r *rig) { r.store.noRoom = errors.New("disk full") }},
		{"no account yet", "m1", func(r *rig) { r.clients.ch.Account = "" }},
		{"admission closed", "m1", func(r *rig) { r.gate = newGate(1, 1); r.gate.force(5, 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			tt.set(r)
			w := r.post(tt.body)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
				t.Errorf("answer is %d with Retry-After %q, want 503 with 1", w.Code, w.Header().Get("Retry-After"))
			}
			wantStored(t, r, "")
			if got := r.Counts().Refused; got != 1 {
				t.Errorf("%d counted as refused, want 1", got)
			}
		})
	}
}

func TestCallbackOneBadEvent(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.store.fail = map[string]error{"m2": errors.New("SQL: secret text"), "m4": parley.Errorf(parley.KindInvalid, "no such thing")}
	if w := r.post("m1 m2 m3 m4 m5"); w.Code != http.StatusOK {
		t.Errorf("answer is %d, want 200", w.Code)
	}
	wantStored(t, r, "m1 m3 m5", "could not be stored: internal error", "could not be stored: no such thing")
	if got := string(r.store.quarantined[0].Body); got != "raw m2" {
		t.Errorf("quarantined %q, want the event's own bytes", got)
	}
	if want := (Counts{Events: 3, Quarantined: 2}); r.Counts() != want {
		t.Errorf("counts are %+v, want %+v", r.Counts(), want)
	}
}

// If the store fails for now, nothing is quarantined: the provider says it again.
func TestCallbackBadEventAndStoreDown(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.store.fail = map[string]error{"m1": errors.New("bad"), "m2": down()}
	if w := r.post("m1 m2 garbage"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("answer is %d, want 503", w.Code)
	}
	wantStored(t, r, "")
}

func TestCallbackConnectorFails(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*client){
		"panic": func(c *client) { c.panics = true },
		"error": func(c *client) { c.err = errors.New("bug") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			set(r.client)
			if w := r.post("m1"); w.Code != http.StatusOK {
				t.Errorf("answer is %d, want 200", w.Code)
			}
			wantStored(t, r, "", "could not be decoded")
			if got := string(r.store.quarantined[0].Body); got != "m1" {
				t.Errorf("quarantined %q, want the whole callback", got)
			}
			if strings.Contains(r.log.String(), "secret") {
				t.Errorf("the log tells what the panic says: %s", r.log)
			}
		})
	}
}

func TestCallbackLog(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.post("m1 m1 garbage")
	line := r.log.String()
	for _, want := range []string{"level=INFO msg=callback status=200 took_ms=", " events=3 duplicates=1 ignored=0 quarantined=1 dropped=0 provider=demo channel_id=5"} {
		if !strings.Contains(line, want) {
			t.Errorf("log is %q, want %q in it", line, want)
		}
	}
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "text of") {
		t.Errorf("log is %q, want one line without texts", line)
	}
	r.log.Reset()
	r.post("m2")
	if line := r.log.String(); !strings.HasPrefix(line, "time=") || !strings.Contains(line, "level=DEBUG msg=callback") {
		t.Errorf("log is %q, want a line for debugging when all is well", line)
	}
}

// A provider that hangs up before its body is whole has told us nothing.
func TestCallbackCutBody(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	for name, body := range map[string]io.Reader{
		"chunked": io.MultiReader(strings.NewReader("m1 "), failing{}),
		"sized":   strings.NewReader("m1"),
	} {
		req := request("POST", target, body)
		if name == "sized" {
			req.ContentLength = 50
		}
		if w := r.do(req); w.Code != http.StatusBadRequest {
			t.Errorf("%s: answer is %d, want 400", name, w.Code)
		}
	}
	wantStored(t, r, "")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A provider that hangs up while its events are being stored gets no 200, and what
// it says again is stored once.
func TestCallbackHangUp(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	inStore := make(chan struct{})
	r.store.wait = func(ctx context.Context) {
		close(inStore)
		<-ctx.Done()
	}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ServeHTTP(w, req)
		close(served)
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Token: right\r\nContent-Length: 10\r\n\r\nm1 garbage", target); err != nil {
		t.Fatal(err)
	}
	<-inStore
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-served
	wantStored(t, r, "")
	if got := r.gate.Total(); got != (store.Load{}) {
		t.Errorf("%+v is still under way", got)
	}
	if strings.Contains(r.log.String(), "level=ERROR") {
		t.Errorf("the log is %s, want no error for a provider that hung up", r.log)
	}

	r.store.wait = nil
	if w := r.post("m1 garbage"); w.Code != http.StatusOK {
		t.Errorf("answer is %d, want 200", w.Code)
	}
	wantStored(t, r, "m1", "not JSON")
}

func TestCallbackManyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(func(c *Config) {
		c.MaxItems = 8
		c.Log = slog.New(slog.DiscardHandler)
	})
	var inside sync.WaitGroup
	inside.Add(6) // three quarters of eight: the channel is alone
	release := make(chan struct{})
	r.store.wait = func(context.Context) { inside.Done(); <-release }
	var calls sync.WaitGroup
	for n := range 6 {
		calls.Go(func() {
			if w := r.post(fmt.Sprint("m", n)); w.Code != http.StatusOK {
				t.Errorf("answer is %d, want 200", w.Code)
			}
		})
	}
	inside.Wait()
	if w := r.post("m9"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("answer beyond the share is %d, want 503", w.Code)
	}
	close(release)
	calls.Wait()
	r.store.wait = nil
	if w := r.post("m9"); w.Code != http.StatusOK {
		t.Errorf("answer is %d, want 200", w.Code)
	}
	if got := r.gate.Total(); got != (store.Load{}) {
		t.Errorf("%+v is still under way", got)
	}
}

func TestCallbackManyBytesAtOnce(t *testing.T) {
	t.Parallel()
	long := "m2" + strings.Repeat(" ", 60)
	for name, second := range map[string]io.Reader{"sized": strings.NewReader(long), "chunked": unsized("m2")} {
		r := newRig(func(c *Config) { c.MaxBytes = 120 })
		first := "m1" + strings.Repeat(" ", 60)
		r.store.wait = func(context.Context) {
			if w := r.do(request("POST", target, second)); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: answer beyond the bytes is %d, want 503", name, w.Code)
			}
		}
		if w := r.post(first); w.Code != http.StatusOK {
			t.Errorf("%s: answer is %d, want 200", name, w.Code)
		}
		wantStored(t, r, "m1")
	}
}
