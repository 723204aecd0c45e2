package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestPassed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pid, count string
		want             int
		bad              string
	}{
		{name: "nothing"},
		{name: "no count", pid: "7"},
		{name: "no process", count: "1"},
		{name: "ours", pid: "7", count: "1", want: 1},
		{name: "none", pid: "7", count: "0"},
		{name: "another process's", pid: "8", count: "1"},
		{name: "another process's, and odd", pid: "8", count: "many"},
		{name: "no number", pid: "seven", count: "1", bad: "LISTEN_PID=seven"},
		{name: "two", pid: "7", count: "2", bad: "LISTEN_FDS=2"},
		{name: "negative", pid: "7", count: "-1", bad: "LISTEN_FDS=-1"},
		{name: "odd count", pid: "7", count: "x", bad: "LISTEN_FDS=x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := passed(c.pid, c.count, 7)
			if got != c.want || (err != nil) != (c.bad != "") || (err != nil && !strings.Contains(err.Error(), c.bad)) {
				t.Errorf("got %d, %v, want %d and an error with %q", got, err, c.want, c.bad)
			}
		})
	}
}

// TestInheritedVariables: whoever they are meant for, a child does not get them.
func TestInheritedVariables(t *testing.T) {
	all := []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
	for pid, wrong := range map[string]bool{"1": false, "x": true} {
		for _, name := range all {
			t.Setenv(name, pid)
		}
		l, err := inherited()
		if l != nil || (err != nil) != wrong {
			t.Errorf("LISTEN_PID=%s: %v, %v", pid, l, err)
		}
		for _, name := range all {
			if value, set := os.LookupEnv(name); set {
				t.Errorf("LISTEN_PID=%s: %s is still %q", pid, name, value)
			}
		}
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	l, err := adopt(descriptor(t, held.(*net.TCPListener)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Addr().String(), held.Addr().String(); got != want {
		t.Errorf("the address is %s, want %s", got, want)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", held.Addr().String())
	if err != nil {
		t.Fatalf("the socket ended with the listener: %v", err)
	}
	_ = c.Close() // it was only to be taken
	file, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close() // the copy stays
	if l, err := adopt(uintptr(fd)); err == nil {
		t.Errorf("a directory was taken as a socket: %v", l)
	}
}

// descriptor returns a copy of the socket's descriptor that nothing else closes.
func descriptor(t *testing.T, l *net.TCPListener) uintptr {
	t.Helper()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return uintptr(fd)
}

// TestRestart runs the program itself, one process after the other.
func TestRestart(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "parley")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Run("inherited socket", func(t *testing.T) { restartInherited(t, program) })
	t.Run("waiting successor", func(t *testing.T) { restartWaiting(t, program) })
}

// A gatewayProcess is `parley serve` with what a service manager gives it.
type gatewayProcess struct {
	cmd    *exec.Cmd
	log    *journal
	states *net.UnixConn // NOTIFY_SOCKET
}

// launch starts the program. With a socket it gets it as a service manager would
// hand it over: the shell becomes the program, so that the process is the one named.
func launch(t *testing.T, program, data string, socket *os.File, args ...string) *gatewayProcess {
	t.Helper()
	address := filepath.Join(t.TempDir(), "notify")
	states, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"serve", "--data", data}, args...)
	cmd := exec.Command(program, args...)
	if socket != nil {
		cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, program}, args...)...)
		cmd.ExtraFiles = []*os.File{socket}
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLEY_") }), "NOTIFY_SOCKET="+address)
	p := &gatewayProcess{cmd: cmd, log: newJournal(), states: states}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = cmd.Process.Kill(), cmd.Wait(), states.Close() })
	return p
}

// await waits until the process tells its service manager a state.
func (p *gatewayProcess) await(t *testing.T, want string) {
	t.Helper()
	if err := p.states.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := p.states.Read(got)
	if err != nil || string(got[:n]) != want {
		t.Fatalf("the service manager was told %q, %v, want %s\n%s", got[:n], err, want, p.log)
	}
}

// stop ends the process as a service manager does.
func (p *gatewayProcess) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, notifyStopping)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v\n%s", err, p.log)
	}
}

// ask makes one request on a connection of its own.
func ask(ctx context.Context, base string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// Load of the restarts on an inherited socket.
const (
	restarts    = 3
	askers      = 4   // ask all the time
	askedAtRest = 100 // asked while no process runs
)

// restartInherited: over restarts, no connection is refused and no request lost.
func restartInherited(t *testing.T, program string) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := held.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = held.Close(), socket.Close() })
	base, data := "http://"+held.Addr().String(), t.TempDir()
	start := func() *gatewayProcess { // the address would be refused: the socket is used instead
		return launch(t, program, data, socket, "--listen", "192.0.2.1:1")
	}
	p := start()
	p.await(t, notifyReady)
	announced(t, filepath.Join(data, "listen"), held.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var asking sync.WaitGroup
	var over atomic.Bool
	var asked atomic.Int64
	for range askers {
		asking.Go(func() {
			for !over.Load() && ctx.Err() == nil {
				if err := ask(ctx, base); err != nil {
					t.Errorf("a request during the restarts: %v", err)
				}
				asked.Add(1)
			}
		})
	}
	for range restarts {
		p.stop(t)
		waiting := askAtRest(ctx, t, base)
		p = start()
		p.await(t, notifyReady)
		waiting.Wait()
		asked.Add(askedAtRest)
	}
	over.Store(true)
	asking.Wait()
	p.stop(t)
	t.Logf("%d requests across %d restarts", asked.Load(), restarts)
}

// askAtRest connects while no process runs, and asks on these connections. They
// can only be served by the next one.
func askAtRest(ctx context.Context, t *testing.T, base string) *sync.WaitGroup {
	t.Helper()
	var waiting, connected sync.WaitGroup
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		defer connected.Done()
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	connected.Add(askedAtRest)
	for range askedAtRest {
		client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
		waiting.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("a request between two processes: %v", err)
				return
			}
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a request between two processes: %s", resp.Status)
			}
			_ = resp.Body.Close() // only the status is looked at
		})
	}
	connected.Wait()
	return &waiting
}

// maxGap is how long nobody may serve while a waiting successor takes over. On an
// idle machine it is about the successor's look at the lock, 0.1 s, and its start.
const maxGap = 15 * time.Second

// restartWaiting: the successor is started first; the gap is measured.
func restartWaiting(t *testing.T, program string) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, data := held.Addr().String(), t.TempDir()
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	first := launch(t, program, data, nil, "--listen", address)
	first.await(t, notifyReady)
	second := launch(t, program, data, nil, "--listen", address, "--takeover-wait", patience.String())
	second.log.await(t, 0, "waiting for another gateway")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	gap, err := measureGap(ctx, "http://"+address)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, first.log, second.log)
	}
	t.Logf("nobody served for %v", gap.Round(time.Millisecond))
	if gap > maxGap {
		t.Errorf("the gap is longer than %v", maxGap)
	}
	second.await(t, notifyReady)
	if err := first.cmd.Wait(); err != nil {
		t.Errorf("the first ended with %v\n%s", err, first.log)
	}
	second.stop(t)
}

// measureGap asks until a request was refused and a later one was served.
func measureGap(ctx context.Context, base string) (time.Duration, error) {
	var refused time.Time
	for ctx.Err() == nil {
		begun := time.Now()
		err := ask(ctx, base)
		switch {
		case err != nil && refused.IsZero():
			refused = begun
		case err == nil && !refused.IsZero():
			return time.Since(refused), nil
		}
	}
	return 0, errors.Join(errors.New("the successor does not serve"), ctx.Err())
}
