package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-im/parley/simulator"
)

// TestGracefulStop: what is under way when the gateway is told to stop is
// finished, and nothing is done twice after the next start.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, func(c *config) { c.publicSelf = false })
		ann, bo := s.meet("ann", "hello"), s.meet("Bo", "hello")
		sending, webhook, sent := make(chan struct{}), make(chan struct{}), make(chan struct{})
		isSent, isTold := sync.OnceFunc(func() { close(sending) }), sync.OnceFunc(func() { close(webhook) })
		s.tg.intercept(func(method string) {
			if method == "sendMessage" {
				isSent()
			}
		})
		s.fault(simulator.Fault{Kind: simulator.FaultSlow, Method: "sendMessage", DelayMS: 1500})
		s.crm.answer(func(_ http.ResponseWriter, h hook) int {
			if h.Data.Message == "under way" {
				isTold()
				<-sent
				simulator.Sleep(t.Context(), nil, time.Second) // until well after the outbox has ended
			}
			return http.StatusOK
		})
		job := s.post(ann, "being sent")
		s.say("Bo", "under way")
		signalled(t, "the send", sending)
		signalled(t, "the webhook", webhook)
		http.DefaultClient.CloseIdleConnections() // the stop would wait for some of them
		behind := s.logs.lines.Total()
		s.cancel()
		s.logs.await(t, behind, "msg=stopping")
		s.cancel() // a second time
		await(t, "the send's answer", s.tg.Log(), 0, func(r simulator.Request) bool { return r.Method == "sendMessage" })
		close(sent)
		s.stop()
		_ = s.gateway.close() // once more: it may say that all is closed, and must do no harm
		if got := s.crm.tries("under way"); got != 1 {
			t.Errorf("%d attempts at the webhook, want 1", got)
		}
		s.tg.intercept(nil)
		s.start()
		if got := s.api.must("GET", s.path("/channels/%d/jobs/%d", s.channel, job)); got.State != "delivered" {
			t.Errorf("the job: %+v", got)
		}
		last := s.post(ann, "after the restart")
		s.say("Bo", "after the restart")
		s.crm.awaitSaid(ann, "hello", "being sent", "after the restart")
		s.crm.awaitSaid(bo, "hello", "under way", "after the restart")
		if got := awaitCount(t, "job/executed", s.crm.taken, 2, func(h hook) bool { return h.kind == "job/executed" }); got[0].Data.ID != job || got[1].Data.ID != last {
			t.Errorf("executed: %+v", got)
		}
		if got := s.tg.texts(annID); !slices.Equal(got, []string{"being sent", "after the restart"}) {
			t.Errorf("at the messenger: %q", got)
		}
		if got := s.crm.tries("under way"); got != 1 {
			t.Errorf("%d attempts at the webhook after the restart, want 1", got)
		}
	})
}

// maxIdle is the most memory that an idle gateway may have resident, in KiB.
const maxIdle = 60 << 10

// TestIdleProcess runs the program itself: it is small while idle, and ends by
// SIGTERM without an error.
func TestIdleProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc here")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "parley")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLEY_") })
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	log := bufio.NewScanner(pipe)
	for log.Scan() && !strings.Contains(log.Text(), "msg=ready") {
	}
	address := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(log.Text())
	if address == nil {
		t.Fatalf("it did not get ready: %s", log.Text())
	}
	for range 50 {
		if got := (&apiClient{t: t, base: "http://" + address[1]}).do("GET", "/readyz", nil).status; got != http.StatusOK {
			t.Fatalf("readyz: %d", got)
		}
	}
	resident := residentKiB(t, cmd.Process.Pid)
	t.Logf("idle: %.1f MiB resident", float64(resident)/1024)
	if resident >= maxIdle {
		t.Errorf("idle: %d KiB resident, want less than %d", resident, maxIdle)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var rest []string
	for log.Scan() {
		rest = append(rest, log.Text())
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(strings.Join(rest, "\n"), "msg=stopped") {
		t.Errorf("ended with %v: %q", err, rest)
	}
}

func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmRSS in %s", b)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
