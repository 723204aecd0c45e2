package load_test

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/bench/load"
	"github.com/parley-im/parley/bench/sink"
)

// options send 200 messages of 10 chats to a sink that is its own gateway.
func options(base string) load.Options {
	o := load.Default()
	o.URL, o.Sink, o.Count, o.Conns, o.Chats = base+"/hook/{chat}", base, 200, 4, 10
	o.Duration, o.Wait, o.Timeout = time.Minute, time.Minute, 10*time.Second
	return o
}

func run(t *testing.T, o load.Options) *load.Result {
	t.Helper()
	res, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestEndToEnd: what is sent arrives, once and in order, in a closed and in an
// open loop, however the chats are chosen.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	for _, spread := range []string{load.SpreadUniform, load.SpreadZipf} {
		for _, rate := range []float64{0, 1000} {
			s := sink.New(sink.Options{})
			srv := httptest.NewServer(s)
			defer srv.Close()
			o := options(srv.URL)
			o.Rate, o.Spread = rate, spread
			res := run(t, o)
			if !res.Sink.Complete || res.Requests != 200 || res.Errors+res.Non2xx+res.Refused != 0 || res.Status[200] != 200 {
				t.Errorf("rate %v: got %+v", rate, res)
			}
			if a := s.Stats().Webhook; a.Distinct != 200 || a.Duplicates+a.OutOfOrder+a.Untagged != 0 {
				t.Errorf("rate %v: got %+v", rate, a)
			}
		}
	}
}

// gateway answers as told and keeps every request by connection.
type gateway struct {
	answer http.HandlerFunc
	mu     sync.Mutex
	got    []request
}

type request struct {
	method, path, secret, body, conn string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	g.mu.Lock()
	g.got = append(g.got, request{r.Method, r.URL.Path, r.Header.Get(load.TelegramSecret), string(body), r.RemoteAddr})
	g.mu.Unlock()
	g.answer(w, r)
}

func serve(t *testing.T, answer http.HandlerFunc) (*gateway, load.Options) {
	t.Helper()
	g := &gateway{answer: answer}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	o := options(srv.URL)
	o.Sink = ""
	o.Header = []string{load.TelegramSecret + ": right"}
	return g, o
}

// telegramLike answers as a gateway does.
func telegramLike(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get(load.TelegramSecret) != "right":
		w.WriteHeader(http.StatusUnauthorized)
	case r.ContentLength > load.TelegramLimit:
		w.WriteHeader(http.StatusRequestEntityTooLarge) // with most of the body unread
	}
}

// TestMix: every part is what it says, in its share, and is counted by itself;
// what is valid stays in order.
func TestMix(t *testing.T) {
	t.Parallel()
	g, o := serve(t, telegramLike)
	o.Count, o.Conns = 400, 2
	o.Mix = []load.Part{load.Garbage(.1), load.Duplicates(.1), load.Oversized(.05, load.TelegramLimit), load.Forged(.2, load.TelegramSecret+": wrong")}
	res := run(t, o)

	want := map[string]map[int]int64{"valid": {200: 220}, "garbage": {200: 40}, "duplicate": {200: 40}, "oversized": {413: 20}, "forged": {401: 80}}
	if len(res.Parts) != len(want) {
		t.Fatalf("got %+v", res.Parts)
	}
	for _, p := range res.Parts {
		if p.Errors != 0 || !maps.Equal(p.Status, want[p.Name]) {
			t.Errorf("got %+v, want %v", p, want[p.Name])
		}
	}
	if res.Requests != 220 || res.Errors+res.Non2xx != 0 || res.Failure != "" || res.Status[200] != 220 {
		t.Errorf("got %+v", res)
	}
	g.check(t, 220, 40, 40)
	empty := 0
	for _, r := range g.got {
		if r.body == "" {
			empty++
		}
	}
	if empty != 8 {
		t.Errorf("%d bodies are empty: garbage must be of every kind", empty)
	}
}

// check counts messages, repetitions and garbage among what has the right secret
// and was not oversized.
func (g *gateway) check(t *testing.T, valid, repeated, garbage int) {
	t.Helper()
	type place struct {
		run string
		key int64
	}
	count, seen, last := map[string]int{}, map[string]string{}, map[place]int64{}
	for _, r := range g.got {
		tok, ok := load.FindToken([]byte(r.body))
		switch {
		case r.secret != "right" || len(r.body) > 4096:
			continue
		case !ok:
			count["garbage"]++
		case seen[r.body] != "":
			count["repeated"]++
		default:
			count["valid"]++
			p := place{tok.Run, tok.Key}
			if before, ok := last[p]; ok && before >= tok.Seq {
				t.Errorf("chat %d: %d after %d", tok.Key, tok.Seq, before)
			}
			last[p] = tok.Seq
		}
		seen[r.body] = r.conn
	}
	if want := map[string]int{"valid": valid, "repeated": repeated, "garbage": garbage}; !maps.Equal(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
}

// TestDuplicatesWereAccepted: what was not accepted is not repeated, so that a
// repetition is never a message's first arrival.
func TestDuplicatesWereAccepted(t *testing.T) {
	t.Parallel()
	accepted := map[string]bool{}
	var mu sync.Mutex
	turn := 0
	g, o := serve(t, nil)
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body := g.got[len(g.got)-1].body
		if turn++; accepted[body] || turn%3 == 0 {
			accepted[body] = true
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}
	o.Conns, o.Mix = 1, []load.Part{load.Duplicates(.5)}
	res := run(t, o)
	if d := res.Parts[1]; d.Requests < 90 || !maps.Equal(d.Status, map[int]int64{200: d.Requests}) {
		t.Errorf("got %+v", d)
	}
}

// TestKeys: chats have their keys in address, header and body, from the first
// again when they run out.
func TestKeys(t *testing.T) {
	t.Parallel()
	g, o := serve(t, func(http.ResponseWriter, *http.Request) {})
	o.URL = strings.Replace(o.URL, "{chat}", "{key}/{chat}", 1)
	o.Header = []string{load.TelegramSecret + ": {key2}"}
	o.Body = "{key}"
	o.Keys = []string{"a\tsecret-a", "b\tsecret-b", "c\tsecret-c"}
	run(t, o)
	paths := map[string]bool{}
	for _, r := range g.got {
		if r.secret != "secret-"+r.body || !strings.HasPrefix(r.path, "/hook/"+r.body+"/") {
			t.Fatalf("got %+v", r)
		}
		paths[r.path] = true
	}
	if len(paths) != 10 || !paths["/hook/a/1000009"] || !paths["/hook/c/1000008"] {
		t.Errorf("got %v", paths)
	}
}

// TestSpread: uniform takes every chat equally; zipf takes few chats often, and
// many now and then.
func TestSpread(t *testing.T) {
	t.Parallel()
	for spread, ok := range map[string]func(chats, most int) bool{
		load.SpreadUniform: func(chats, most int) bool { return chats == 500 && most == 4 },
		load.SpreadZipf:    func(chats, most int) bool { return chats > 100 && chats < 450 && most > 50 },
	} {
		g, o := serve(t, func(http.ResponseWriter, *http.Request) {})
		o.Chats, o.Count, o.Spread = 500, 2000, spread
		run(t, o)
		count, most := map[string]int{}, 0
		for _, r := range g.got {
			count[r.path]++
			most = max(most, count[r.path])
		}
		if !ok(len(count), most) {
			t.Errorf("%s: %d chats, the most frequent %d times", spread, len(count), most)
		}
	}
}

// TestReads: a GET has no body, and the answers' bytes are counted.
func TestReads(t *testing.T) {
	t.Parallel()
	g, o := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") })
	o.Method, o.Body = http.MethodGet, ""
	res := run(t, o)
	if res.Requests != 200 || res.Bytes != 2000 || g.got[0].method != "GET" || g.got[0].body != "" {
		t.Errorf("got %+v, first request %+v", res, g.got[0])
	}
	conns := map[string]bool{}
	for _, r := range g.got {
		conns[r.conn] = true
	}
	if len(conns) != 4 {
		t.Errorf("%d connections were made instead of 4", len(conns))
	}
}

// TestRefused: a gateway that says when to come again is not broken; one that
// does not is.
func TestRefused(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	turn := 0
	_, o := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch turn++; turn % 4 {
		case 0:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if res := run(t, o); res.Requests != 200 || res.Refused != 100 || res.Non2xx != 50 || res.Failure == "" {
		t.Errorf("got %+v", res)
	}
}

// TestLastOfConnection: a connection that the server closes is not used again.
func TestLastOfConnection(t *testing.T) {
	t.Parallel()
	_, o := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	if res := run(t, o); res.Errors != 0 || res.Status[200] != 200 {
		t.Errorf("got %+v", res)
	}
}

// TestUnreadBody: the answer to a body that is not read is read.
func TestUnreadBody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		<-t.Context().Done()
		conn.Close()
	}()
	o := options("http://" + l.Addr().String())
	o.Sink, o.Count, o.Conns, o.Timeout = "", 1, 1, 5*time.Second
	o.Mix = []load.Part{load.Oversized(1, 64<<20)}
	if p := run(t, o).Parts[1]; p.Errors != 0 || p.Status[413] != 1 {
		t.Errorf("got %+v", p)
	}
}

// TestAwaitsSink: the run ends when all that was accepted has come, or after its
// wait.
func TestAwaitsSink(t *testing.T) {
	t.Parallel()
	s := sink.New(sink.Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	g, o := serve(t, nil)
	var forward sync.WaitGroup
	defer forward.Wait()
	g.answer = func(http.ResponseWriter, *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.got)%200 != 0 {
			return
		}
		all := slices.Clone(g.got)
		forward.Go(func() {
			for _, r := range all {
				s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/r", strings.NewReader(r.body)))
			}
		})
	}
	o.Sink = srv.URL
	if res := run(t, o); !res.Sink.Complete || res.Sink.Distinct != 200 || res.Sink.RPS <= 0 {
		t.Errorf("got %+v", res.Sink)
	}
	o.Wait, g.answer = 0, func(http.ResponseWriter, *http.Request) {}
	if res := run(t, o); res.Sink.Complete || res.Sink.Distinct != 0 {
		t.Errorf("nothing came: got %+v", res.Sink)
	}
}

// TestDeadGateway: without answers there are errors, and an end.
func TestDeadGateway(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(nil)
	srv.Close()
	o := options(srv.URL)
	o.Sink, o.Count = "", 8
	if res := run(t, o); res.Errors != 8 || res.Failure == "" {
		t.Errorf("got %+v", res)
	}
}

// TestCutShort: a connection that ends before its answer is an error, and the next
// request has a new one.
func TestCutShort(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	turn := 0
	_, o := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if turn++; turn%10 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	if res := run(t, o); res.Errors != 20 || res.Status[200] != 180 {
		t.Errorf("got %+v", res)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*load.Options){
		"no address":     func(o *load.Options) { o.URL = "/hook" },
		"scheme":         func(o *load.Options) { o.URL = "ftp://127.0.0.1/" },
		"no connections": func(o *load.Options) { o.Conns = 0 },
		"few chats":      func(o *load.Options) { o.Chats = 3 },
		"spread":         func(o *load.Options) { o.Spread = "even" },
		"no keys":        func(o *load.Options) { o.Header = []string{"A: {key2}"} },
		"mix":            func(o *load.Options) { o.Mix = []load.Part{load.Garbage(1.5)} },
		"kind":           func(o *load.Options) { o.Sink, o.Kind = "http://127.0.0.1", "post" },
	} {
		o := options("http://127.0.0.1")
		o.Sink = ""
		spoil(&o)
		if res, err := load.Run(t.Context(), o); err == nil {
			t.Errorf("%s: got %+v", name, res)
		}
	}
}

// TestResult: one line of JSON, and text with the same figures; this process's
// memory is among them.
func TestResult(t *testing.T) {
	t.Parallel()
	_, o := serve(t, telegramLike)
	o.Label, o.Mix, o.Pids = "try", []load.Part{load.Forged(.5, load.TelegramSecret+": wrong")}, load.Watched{}
	if err := o.Pids.Set("self=" + strconv.Itoa(os.Getpid())); err != nil {
		t.Fatal(err)
	}
	res := run(t, o)
	line, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Label string
		Parts []struct{ Status map[string]int }
		Proc  map[string]struct {
			RSS  float64 `json:"rss_mb"`
			Peak float64 `json:"rss_peak_mb"`
		}
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if got.Label != "try" || got.Parts[1].Status["401"] != 100 {
		t.Errorf("got %s", line)
	}
	if p := got.Proc["self"]; hasProc() && (p.RSS <= 0 || p.Peak < p.RSS) {
		t.Errorf("got %s", line)
	}
	var text strings.Builder
	res.Text(&text)
	for _, want := range []string{"try: closed, 4 connections", "401: 100", "200: 100", "proc self"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &text)
		}
	}
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/smaps_rollup")
	return err == nil
}
