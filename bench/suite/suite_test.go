package suite

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/bench/limits"
	"github.com/parley-im/parley/bench/sink"
)

// TestMain lets the test binary stand in for the command bench, whose sink and echo
// are processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "sink":
			fatal(serveSink(os.Args[2:]))
		case "echo":
			fatal(limits.ServeEcho(os.Stdin, os.Stdout))
		}
	}
	os.Exit(m.Run())
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveSink(args []string) error {
	var o sink.Options
	fs := flag.NewFlagSet("sink", flag.ContinueOnError)
	addr := fs.String("addr", "", "")
	fs.DurationVar(&o.Latency, "latency", 0, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, sink.New(o))
}

// shipped builds the gateway as make build does.
func shipped(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "parley")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "../../cmd/parley")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// a progress is a log of a test.
type progress struct{ *testing.T }

func (p progress) Write(b []byte) (int, error) {
	p.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// rightlyZero are figures that may be 0.
var rightlyZero = []string{"out of order", "delivered twice", "sent twice", "others get less by", "log within"}

// TestSuite runs every scenario, very short, on a real gateway.
func TestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway and runs it many times")
	}
	dir := t.TempDir()
	figures, err := Measure(t.Context(), Options{
		Parley: shipped(t), Self: []string{os.Args[0]}, Dir: dir, Duration: 200 * time.Millisecond, Progress: progress{t},
		Rounds: 1, Receivers: 3, Middle: 4000, Short: 640, History: 6400,
	})
	if err != nil {
		t.Fatal(err)
	}
	complete(t, figures)
	left, err := filepath.Glob(filepath.Join(dir, "run-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	for _, pid := range children(t) {
		t.Errorf("process %d still runs", pid)
	}
}

// complete reports figures that lack something, and scenarios that lack figures.
func complete(t *testing.T, figures []Figure) {
	t.Helper()
	made := map[string]int{}
	for _, f := range figures {
		made[f.Scenario]++
		if f.Name == "" || f.Unit == "" {
			t.Errorf("not named: %+v", f)
		}
		if f.Value == 0 && !mayBeZero(f.Name) {
			t.Errorf("%s, %s is 0", f.Scenario, f.Name)
		}
		if strings.Contains(f.Note, "failed") {
			t.Errorf("%s, %s: %s", f.Scenario, f.Name, f.Note)
		}
		if f.Unit == "msg/s" && strings.Contains(f.Name, "64 connections") && f.CPU <= 0 {
			t.Errorf("%s, %s: no CPU time", f.Scenario, f.Name)
		}
	}
	for scenario, least := range map[string]int{"limits": 6, "receive": 5, "deliver": 5, "send": 6, "drain": 1, "slow": 1,
		"hostile": 2, "wal": 2, "page": 1, "start": 1, "flat": 5, "memory": 1} {
		if made[scenario] < least {
			t.Errorf("%s made %d figures, want %d", scenario, made[scenario], least)
		}
	}
}

func mayBeZero(name string) bool {
	for _, part := range rightlyZero {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// children are the processes that this one has started and that still run.
func children(t *testing.T) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestNoBinary: what to do is said at once.
func TestNoBinary(t *testing.T) {
	t.Parallel()
	_, err := Measure(t.Context(), Options{Parley: filepath.Join(t.TempDir(), "parley"), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}
