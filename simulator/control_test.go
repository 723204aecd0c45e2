package simulator_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// A fake is a simulator with one account "1", also called "bot".
type fake struct {
	name    string
	faults  simulator.Faults
	log     *simulator.Ring[simulator.Request]
	sent    *simulator.Ring[simulator.Sent]
	done    chan struct{}
	control *simulator.Control
}

func newFake(name string) *fake {
	f := &fake{name: name, log: simulator.NewRing[simulator.Request](5), sent: simulator.NewRing[simulator.Sent](5),
		done: make(chan struct{})}
	f.control = simulator.NewControl(simulator.Core{Faults: &f.faults, Log: f.log, Sent: f.sent, Done: f.done,
		Account: func(name string) (string, error) {
			if name == "1" || name == "bot" {
				return "1", nil
			}
			return "", parley.Errorf(parley.KindNotFound, "no such account")
		}})
	f.control.Handle("POST say", func(_ context.Context, p simulator.Params) (any, error) {
		if p.Get("text") == "" {
			return nil, parley.Errorf(parley.KindInternal, "secret")
		}
		return map[string]string{"said": p.Get("text")}, nil
	})
	return f
}

func (f *fake) Provider() string      { return f.name }
func (f *fake) Control() http.Handler { return f.control }
func (f *fake) Close() error          { return nil }
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	simulator.WriteJSON(w, http.StatusOK, map[string]string{"api": r.URL.Path})
}

func (f *fake) accept(account, method string) {
	f.sent.Append(func(seq uint64) simulator.Sent {
		return simulator.Sent{Seq: seq, Account: account, Method: method}
	})
}

func do(h http.Handler, method, target, contentType, body string) (int, map[string]any) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out) // stays nil: the comparison fails then
	return w.Code, out
}

func TestHandlerRoutes(t *testing.T) {
	t.Parallel()
	h := simulator.Handler(newFake("a"))
	tests := []struct {
		method, target, contentType, body string
		status                            int
		want                              string // of the only value, a part
	}{
		{"GET", "/botX/getMe", "", "", 200, "/botX/getMe"},
		{"GET", "/simple", "", "", 200, "/simple"},
		{"POST", "/sim/a/say?text=q", "", "", 200, "q"},
		{"POST", "/sim/a/say", form, "text=hello", 200, "hello"},
		{"POST", "/sim/a/say", form, `{"text":"json as curl -d sends it"}`, 200, "json as curl"},
		{"POST", "/sim/a/say", "application/json", `{"text":"j"}`, 200, "j"},
		{"POST", "/sim/a/say", "", "text=untyped", 200, "untyped"},
		{"POST", "/sim/a/say", form, "text=%zz", 400, "urlencoded"},
		{"POST", "/sim/a/say", "", "", 500, "internal error"},
		{"GET", "/sim/a/say", "", "", 404, "POST say"},
		{"GET", "/sim/a/nonsense", "", "", 404, "GET sent"},
		{"GET", "/sim/b/sent", "", "", 404, "one of: a"},
		{"GET", "/sim/", "", "", 404, "one of: a"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target+" "+tt.body, func(t *testing.T) {
			t.Parallel()
			status, out := do(h, tt.method, tt.target, tt.contentType, tt.body)
			if status != tt.status || len(out) != 1 {
				t.Fatalf("%d %v, want %d and one value", status, out, tt.status)
			}
			for key, v := range out {
				if s, _ := v.(string); !strings.Contains(s, tt.want) {
					t.Errorf("%v, want %q in it", out, tt.want)
				}
				if (key == "error") != (status >= 400) {
					t.Errorf("status %d with key %q", status, key)
				}
			}
		})
	}
}

func TestMuxServesSeveral(t *testing.T) {
	t.Parallel()
	h := simulator.Mux(newFake("a"), newFake("b"))
	for _, name := range []string{"a", "b"} {
		if status, out := do(h, "POST", "/sim/"+name+"/say?text="+name, "", ""); status != 200 || out["said"] != name {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
}

func TestControlFaults(t *testing.T) {
	t.Parallel()
	f := newFake("a")
	status, out := do(f.control, "POST", "/faults", form, "kind=throttle&account=bot&method=sendMessage&chat=7&times=3&retry_after=5")
	want := map[string]any{"id": 1.0, "kind": "throttle", "account": "1", "method": "sendMessage", "chat": "7",
		"times": 3.0, "retry_after": 5.0}
	if diff := cmp.Diff(want, out); status != 200 || diff != "" {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
	do(f.control, "POST", "/faults", "application/json", `{"kind":"slow","delay_ms":50,"times":-1}`)
	if _, out = do(f.control, "GET", "/faults", "", ""); len(out["faults"].([]any)) != 2 {
		t.Errorf("GET faults = %v, want two", out)
	}
	if status, out = do(f.control, "DELETE", "/faults?id=1", "", ""); status != 200 || len(out["faults"].([]any)) != 1 {
		t.Errorf("DELETE faults?id=1 = %d %v", status, out)
	}
	if got, _ := f.faults.Take("x", "", ""); got.Delay() != 50*time.Millisecond {
		t.Errorf("the standing fault waits %v, want 50ms", got.Delay())
	}
	if status, out = do(f.control, "DELETE", "/faults", "", ""); status != 200 || len(out["faults"].([]any)) != 0 {
		t.Errorf("DELETE faults = %d %v", status, out)
	}
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	f := newFake("a")
	tests := []struct {
		method, target string
		status         int
	}{
		{"POST", "/faults", 400}, {"POST", "/faults?kind=html&times=x", 400}, {"POST", "/faults?kind=html&times=0", 400},
		{"POST", "/faults?kind=html&account=nobody", 404}, {"POST", "/faults?kind=slow&delay_ms=x", 400},
		{"POST", "/faults?kind=throttle&retry_after=x", 400}, {"POST", "/faults?kind=status&status=x", 400},
		{"DELETE", "/faults?id=9", 404}, {"DELETE", "/faults?id=x", 400},
		{"GET", "/sent?after=x", 400}, {"GET", "/sent?after=-1", 400}, {"GET", "/sent?limit=0", 400},
		{"GET", "/sent?limit=10001", 400}, {"GET", "/sent?wait=61", 400}, {"GET", "/sent?wait=-1", 400},
		{"GET", "/sent?wait=x", 400}, {"GET", "/sent?account=nobody", 404}, {"GET", "/log?limit=x", 400},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			t.Parallel()
			status, out := do(f.control, tt.method, tt.target, "", "")
			if text, _ := out["error"].(string); status != tt.status || text == "" {
				t.Errorf("%d %v, want %d and a sentence", status, out, tt.status)
			}
		})
	}
}

// seqs are the numbers of the entries under key.
func seqs(out map[string]any, key string) []float64 {
	got := []float64{}
	for _, v := range out[key].([]any) {
		got = append(got, v.(map[string]any)["seq"].(float64))
	}
	return got
}

func TestControlLists(t *testing.T) {
	t.Parallel()
	f := newFake("a")
	for i := range 7 {
		f.accept([]string{"1", "2"}[i%2], []string{"send", "send", "edit"}[i%3])
		f.log.Append(func(seq uint64) simulator.Request { return simulator.Request{Seq: seq} })
	}
	tests := []struct {
		target, key string
		want        []float64
	}{
		{"/sent", "sent", []float64{3, 4, 5, 6, 7}},
		{"/sent?after=5", "sent", []float64{6, 7}},
		{"/sent?limit=2", "sent", []float64{3, 4}},
		{"/sent?account=bot", "sent", []float64{3, 5, 7}},
		{"/sent?method=EDIT", "sent", []float64{3, 6}},
		{"/log?limit=2", "log", []float64{6, 7}},
		{"/log?limit=2&after=0", "log", []float64{3, 4}},
	}
	for _, tt := range tests {
		status, out := do(f.control, "GET", tt.target, "", "")
		if diff := cmp.Diff(tt.want, seqs(out, tt.key)); status != 200 || diff != "" || out["total"] != 7.0 {
			t.Errorf("%s: %d, total %v (-want +got):\n%s", tt.target, status, out["total"], diff)
		}
	}
}

func TestControlSentWaits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		act  func(*fake)
		took time.Duration
		want []float64
	}{
		{"for something", func(f *fake) { time.AfterFunc(2*time.Second, func() { f.accept("1", "send") }) }, 2 * time.Second, []float64{2}},
		{"past what others sent", func(f *fake) {
			time.AfterFunc(time.Second, func() { f.accept("2", "send") })
			time.AfterFunc(4*time.Second, func() { f.accept("1", "send") })
		}, 4 * time.Second, []float64{3}},
		{"until the time is over", func(*fake) {}, 5 * time.Second, []float64{}},
		{"until the simulator closes", func(f *fake) { time.AfterFunc(time.Second, func() { close(f.done) }) }, time.Second, []float64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a")
				f.accept("1", "send")
				tt.act(f)
				start := time.Now()
				_, out := do(f.control, "GET", "/sent?account=1&after=1&wait=5", "", "")
				if diff := cmp.Diff(tt.want, seqs(out, "sent")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("waited %v, want %v", took, tt.took)
				}
			})
		})
	}
}
