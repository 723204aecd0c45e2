package main_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crashBuild builds the command, once for all cases.
func crashBuild(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "parley")
	args := []string{"build", "-o", binary}
	if crashRace {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// crashPort returns an address that is free, and below those that the operating
// system gives out by itself, so that it stays free while the gateway is dead.
func crashPort(t *testing.T, rng *rand.Rand) string {
	t.Helper()
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rng.IntN(12_000)))
		l, err := net.Listen("tcp", address)
		if err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// A crashGateway is the gateway, one process after the other.
type crashGateway struct {
	binary   string
	dir      string
	listen   string
	node     string
	logs     string        // the directory of what the processes write
	flags    []string      // of serve, but for listen and node
	place    []string      // flags of every command
	starting time.Duration // of all processes together; belongs to the test's goroutine
	sim      string        // address of the simulator; each process has a path of its own there
	flight   *crashFlight

	mu     sync.Mutex
	run    int // number of the process, from 1
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	killed map[int]bool  // by number
	struck crashCount    // what the kill hit
	base   string        // its address, once it is ready
	up     chan struct{} // closed while a process is ready
}

// start starts the next process.
func (g *crashGateway) start(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run++
	out, err := os.Create(g.log(g.run))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() // the process has its own
	args := append([]string{"serve", "--listen", g.listen, "--node", g.node}, g.place...)
	cmd := exec.Command(g.binary, append(args, g.flags...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), fmt.Sprintf("PARLEY_TELEGRAM_API_URL=%s/run/%d", g.sim, g.run))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	g.cmd, g.done = cmd, done
	go func() { // ends with the process; kill and stop wait for it
		_ = cmd.Wait() // read from cmd.ProcessState
		close(done)
	}()
}

func (g *crashGateway) log(run int) string {
	return filepath.Join(g.logs, fmt.Sprintf("%03d.log", run))
}

// kill kills the process, unless that was done, and waits for its end. It returns
// what was under way.
func (g *crashGateway) kill() crashCount {
	g.mu.Lock()
	if g.cmd == nil {
		g.mu.Unlock()
		return crashCount{}
	}
	if !g.killed[g.run] {
		g.killed[g.run] = true
		g.struck = g.flight.now()
		_ = g.cmd.Process.Kill() // it may have ended by itself, which await reports
		g.fall()
	}
	done, struck := g.done, g.struck
	g.mu.Unlock()
	<-done
	return struck
}

// fall has clients wait for the next process.
func (g *crashGateway) fall() {
	select {
	case <-g.up:
		g.up = make(chan struct{})
	default: // they wait already
	}
}

// await returns when the process was killed or time is up.
func (g *crashGateway) await(ctx context.Context, t *testing.T, patience time.Duration) {
	t.Helper()
	g.mu.Lock()
	run, done := g.run, g.done
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-done:
		if !g.wasKilled(run) {
			t.Fatalf("process %d ended by itself: %v\n%s", run, g.cmd.ProcessState, g.tail(run))
		}
	}
}

func (g *crashGateway) wasKilled(run int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.killed[run]
}

// ready waits until the process serves, which it says in a file.
func (g *crashGateway) ready(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for {
		base, ok := g.probe(ctx)
		if ok {
			g.rise(base)
			g.starting += time.Since(begun)
			return
		}
		select {
		case <-tick.C:
		case <-g.done:
			t.Fatalf("process %d ended before it was ready: %v\n%s", g.run, g.cmd.ProcessState, g.tail(g.run))
		case <-ctx.Done():
			t.Fatalf("process %d was not ready in time\n%s", g.run, g.tail(g.run))
		}
	}
}

func (g *crashGateway) probe(ctx context.Context) (base string, ok bool) {
	b, err := os.ReadFile(filepath.Join(g.dir, "listen"))
	if err != nil {
		return "", false
	}
	base = "http://" + strings.TrimSpace(string(b))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return "", false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	_ = resp.Body.Close() // only the status is looked at
	return base, resp.StatusCode == http.StatusOK
}

func (g *crashGateway) rise(base string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.base = base
	select {
	case <-g.up:
	default:
		close(g.up)
	}
}

// serving waits for a process that is ready, and returns its address and number.
func (g *crashGateway) serving(ctx context.Context) (base string, run int, err error) {
	for {
		g.mu.Lock()
		up := g.up
		base, run = g.base, g.run
		g.mu.Unlock()
		select {
		case <-up:
			return base, run, nil
		default:
		}
		select {
		case <-up:
		case <-ctx.Done():
			return "", 0, ctx.Err()
		}
	}
}

// stop ends the process as an operator does, and wants it to end well.
func (g *crashGateway) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop: %v", err)
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		t.Fatalf("process %d did not stop\n%s", g.run, g.tail(g.run))
	}
	if !g.cmd.ProcessState.Success() {
		t.Errorf("process %d: %v\n%s", g.run, g.cmd.ProcessState, g.tail(g.run))
	}
	if _, err := os.Stat(filepath.Join(g.dir, "listen")); err == nil {
		t.Error("a gateway that has stopped still says where it listens")
	}
}

// command runs another command of the binary, and returns what it prints.
func (g *crashGateway) command(t *testing.T, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), g.binary, append(args, g.place...)...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parley %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return strings.TrimSpace(string(out))
}

// tail returns the end of what a process has written.
func (g *crashGateway) tail(run int) string {
	b, err := os.ReadFile(g.log(run))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-8<<10):])
}

// complaints reports what no process may ever write.
func (g *crashGateway) complaints(t *testing.T) {
	t.Helper()
	for run := 1; run <= g.run; run++ {
		b, err := os.ReadFile(g.log(run))
		if err != nil {
			t.Error(err)
		}
		for _, bad := range []string{"DATA RACE", "panic", "fatal error", "level=ERROR"} {
			if at := bytes.Index(b, []byte(bad)); at >= 0 {
				t.Errorf("process %d wrote:\n%s", run, b[max(0, at-200):min(len(b), at+4000)])
				break
			}
		}
	}
}
