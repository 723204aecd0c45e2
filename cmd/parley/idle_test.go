package main_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

var idleChannels = flag.Int("idle-channels", 0, "how many channels TestIdleChannels opens; 0 skips it")

// idleLimit is what 10 000 channels that have had nothing to do since the gateway
// started may take beyond one, in bytes of resident memory.
const idleLimit = 40 << 20

// idleRest is how long a process that has worked is left alone: the runtime
// collects garbage at least every two minutes, and gives memory back in a few more
// seconds.
const idleRest = 150 * time.Second

// An idleWorld is a process of the gateway with very many bots.
type idleWorld struct {
	t       *testing.T
	sim     *telegramsim.Server
	gateway *crashGateway
	api     *crashAPI
	company int64
	bots    []string // tokens of those that are connected
}

// TestIdleChannels measures what channels with callbacks take in memory while
// nothing happens, and once a person has written to each. It is a measurement and
// runs only when asked for:
//
//	go test -run TestIdleChannels -v ./cmd/parley -idle-channels 10000
func TestIdleChannels(t *testing.T) {
	if *idleChannels == 0 {
		t.Skip("a measurement: -idle-channels says how many")
	}
	w := newIdleWorld(t)
	w.connect(1)
	w.restart()
	one := w.resident()
	w.greet()
	greeted := w.resident()
	t.Logf("one channel: %.1f MB, after one message %.1f MB", mb(one), mb(greeted))
	begun := time.Now()
	w.connect(*idleChannels)
	t.Logf("%d more connected in %v, then %.1f MB beyond one", *idleChannels, time.Since(begun).Round(time.Second), mb(w.resident()-one))
	crashPause(t.Context(), nil, idleRest)
	w.logRuntime()
	t.Logf("%.1f MB beyond one some time later; most of it is what the database keeps of its pages after any work", mb(w.resident()-one))
	begun = time.Now()
	w.restart()
	t.Logf("ready again after %v", time.Since(begun).Round(time.Millisecond))
	idle := w.resident()
	w.logRuntime()
	begun = time.Now()
	w.greet()
	t.Logf("a message to each took %v", time.Since(begun).Round(time.Millisecond))
	awake := w.resident()
	w.logRuntime()
	t.Logf("%d channels: %.1f MB beyond one while idle, %.1f MB after a message to each", *idleChannels, mb(idle-one), mb(awake-greeted))
	if limit := int64(idleLimit) * int64(max(*idleChannels, 1000)) / 10_000; idle-one > limit {
		t.Errorf("want at most %.1f MB beyond one", mb(limit))
	}
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func newIdleWorld(t *testing.T) *idleWorld {
	t.Helper()
	w := &idleWorld{t: t, sim: telegramsim.New(telegramsim.Options{Local: true, RetryBase: 10 * time.Millisecond})}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/run/"+strings.Split(r.URL.Path, "/")[2], w.sim).ServeHTTP(rw, r)
	}))
	dir := filepath.Join(t.TempDir(), "data")
	listen := crashPort(t, rand.New(rand.NewPCG(rand.Uint64(), 1)))
	w.gateway = &crashGateway{
		binary: crashBuild(t), dir: dir, listen: listen, node: "idle", logs: t.TempDir(), sim: server.URL, flight: &crashFlight{},
		place: []string{"--data", dir}, killed: map[int]bool{}, up: make(chan struct{}),
		flags: []string{"--allow-private-targets", "--pace", "off", "--public-url", "http://" + listen, "--log-level", "warn"},
	}
	t.Cleanup(func() {
		w.gateway.kill()
		_ = w.sim.Close()
		server.Close()
	})
	token := w.gateway.command(t, "token", "create", "--user", "idle")
	w.api = &crashAPI{gateway: w.gateway, token: token, http: &http.Client{Timeout: time.Minute}}
	w.gateway.start(t)
	w.gateway.ready(t.Context(), t)
	w.company = w.must("GET", "companies", nil).Data.Companies[0].ID
	w.gateway.command(t, "company", "set", strconv.FormatInt(w.company, 10), "--channels-per-provider", strconv.Itoa(*idleChannels+1))
	return w
}

func (w *idleWorld) must(method, path string, form crashForm) crashAnswer {
	w.t.Helper()
	a, err := w.api.call(w.t.Context(), crashCall{method: method, path: path, form: form})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// connect makes n channels more, and waits until all have their callbacks.
func (w *idleWorld) connect(n int) {
	w.t.Helper()
	fresh := make(chan string, n)
	for range n {
		token := fmt.Sprintf("%d:AAidle-bot-of-the-measurement-0000000", 10_000_000+len(w.bots))
		if _, err := w.sim.AddBot(token, "", ""); err != nil {
			w.t.Fatal(err)
		}
		w.bots = append(w.bots, token)
		fresh <- token
	}
	close(fresh)
	w.together(func() error {
		for token := range fresh {
			call := crashCall{method: "POST", path: fmt.Sprintf("companies/%d/channels", w.company), form: crashForm{"provider": "telegram", "token": token}}
			if _, err := w.api.call(w.t.Context(), call); err != nil {
				return err
			}
		}
		return nil
	})
	w.await("callbacks", func() int {
		open := 0
		for _, a := range w.sim.Accounts() {
			if a.Webhook == "" {
				open++
			}
		}
		return open
	})
}

// together does something in eight places at once.
func (w *idleWorld) together(do func() error) {
	w.t.Helper()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := do(); err != nil {
				w.t.Error(err)
			}
		})
	}
	all.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// await waits until nothing is open any more.
func (w *idleWorld) await(what string, open func() int) {
	w.t.Helper()
	for late := time.Now().Add(10 * time.Minute); ; {
		n := open()
		if n == 0 {
			return
		}
		if time.Now().After(late) {
			w.t.Fatalf("%d %s are still open", n, what)
		}
		crashPause(w.t.Context(), nil, 200*time.Millisecond)
	}
}

func (w *idleWorld) restart() {
	w.t.Helper()
	w.gateway.stop(w.t.Context(), w.t)
	w.gateway.start(w.t)
	w.gateway.ready(w.t.Context(), w.t)
}

// greet has a person write to each bot, and waits until all is stored.
func (w *idleWorld) greet() {
	w.t.Helper()
	turn := make(chan string, len(w.bots))
	for _, token := range w.bots {
		turn <- token
	}
	close(turn)
	w.together(func() error {
		for token := range turn {
			if _, err := w.sim.Say(telegramsim.Line{Account: token, Person: "5550001", Text: "hello"}); err != nil {
				return err
			}
		}
		return nil
	})
	w.await("updates", func() int {
		open := 0
		for _, a := range w.sim.Accounts() {
			open += a.Pending
		}
		return open
	})
}

// resident returns the process's resident memory in bytes, once it has not moved
// by a MiB for ten seconds, a minute at most.
func (w *idleWorld) resident() int64 {
	w.t.Helper()
	last, still := w.residentNow(), 0
	for range 60 {
		crashPause(context.WithoutCancel(w.t.Context()), nil, time.Second)
		now := w.residentNow()
		if still++; max(now-last, last-now) > 1<<20 {
			last, still = now, 0
		}
		if still == 10 {
			break
		}
	}
	return w.residentNow()
}

func (w *idleWorld) residentNow() int64 {
	w.t.Helper()
	w.gateway.mu.Lock()
	pid := w.gateway.cmd.Process.Pid
	w.gateway.mu.Unlock()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		w.t.Skipf("resident memory is read from /proc: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	w.t.Fatal("no VmRSS")
	return 0
}

// logRuntime tells what the process says of its memory and its goroutines.
func (w *idleWorld) logRuntime() {
	w.t.Helper()
	resp, err := w.api.http.Get("http://" + w.gateway.listen + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && idleMetrics[name] {
			w.t.Logf("%s %s", name, value)
		}
	}
}

var idleMetrics = map[string]bool{
	"go_goroutines": true, "go_memstats_heap_inuse_bytes": true, "go_memstats_heap_alloc_bytes": true, "go_memstats_stack_inuse_bytes": true,
	"go_memstats_heap_released_bytes": true, "go_memstats_heap_idle_bytes": true, "process_open_fds": true,
}
