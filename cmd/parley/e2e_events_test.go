package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
	"github.com/parley-im/parley/store"
)

// A follower is a customer's program that follows the events, and comes again with
// the last id that it has seen whenever the stream ends.
type follower struct {
	s     *stage
	url   string // the gateway keeps its address
	token string
	heard *simulator.Ring[followed]
	last  string // id
	opens int
}

// A followed is an event of the stream.
type followed struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

// follow starts a follower, which ends with the test.
func (s *stage) follow() *follower {
	f := &follower{s: s, url: "http://" + s.listen + "/p1/" + s.path("/events?after=first"), token: s.api.token, heard: simulator.NewRing[followed](100_000)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			f.open(ctx)
			simulator.Sleep(ctx, nil, 20*time.Millisecond)
		}
	})
	s.t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

// open reads one stream to its end.
func (f *follower) open(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		f.s.t.Error(err)
		return
	}
	req.Header = http.Header{"Accept": {"text/event-stream"}, "X-Private-Api-Token": {f.token}, "Last-Event-Id": {f.last}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // it is down
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f.s.t.Errorf("stream behind %q: %d", f.last, resp.StatusCode)
		return
	}
	f.opens++
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			f.take(data)
		}
	}
}

func (f *follower) take(data string) {
	var e followed
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return // the end of a line that was cut
	}
	f.last = e.ID
	f.heard.Append(func(uint64) followed { return e })
}

// compare wants everything that is in the log, once and in order.
func (f *follower) compare(log []parley.Event, epoch int64) {
	f.s.t.Helper()
	var want []string
	for _, e := range log {
		want = append(want, fmt.Sprintf("%d.%d %s", epoch, e.Seq, e.Body))
	}
	var got []string
	for _, e := range awaitCount(f.s.t, "event", f.heard, len(want), func(followed) bool { return true }) {
		got = append(got, e.ID+" "+string(e.Body))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.s.t.Errorf("the stream is not the log: %s", diff)
	}
}

func (s *stage) eventLog(db *store.DB) []parley.Event {
	s.t.Helper()
	log, err := db.EventsAfter(s.t.Context(), parley.CompanyID(s.company), 0, 100_000, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return log
}

// TestEventStreamOverRestarts: a stream that comes again behind its last id has
// lost and repeated nothing, and a stop does not wait for those who listen.
func TestEventStreamOverRestarts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		f := s.follow()
		said := 0
		for round := range 3 {
			for range 10 {
				s.say("ann", fmt.Sprint(said))
				said++
			}
			s.awaitFollowed(f, said-5) // some are on their way
			waiting := s.waitForEvents("/events?wait=60&event_types=qr_code/new")
			poll(t, "the stream is open", func() bool {
				_, text := scrape(t, s.listen)
				return strings.Contains(text, "\nparley_event_streams 1\n")
			})
			begun := time.Now()
			s.stop()
			if took := time.Since(begun); took > s.config().StopTimeout/2 || strings.Contains(s.logs.String(), "requests given up") {
				t.Errorf("round %d: the stop took %v", round, took)
			}
			if got := <-waiting; !strings.HasPrefix(got, "200 ") || !strings.Contains(got, `"events":[]`) {
				t.Errorf("who waited got %s", got)
			}
			s.start()
		}
		s.awaitFollowed(f, said)
		f.compare(s.eventLog(s.gateway.db), s.gateway.db.Epoch())
	})
}

// waitForEvents asks for events that do not come. It returns when the request is on
// a connection that the gateway has taken; status and answer come later, or what
// went wrong.
func (s *stage) waitForEvents(path string) <-chan string {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	base, token := "http://"+s.listen+"/p1/", s.api.token
	ask := func(ctx context.Context, path string) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err.Error()
		}
		req.Header.Set("X-Private-Api-Token", token)
		resp, err := client.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(body), " ", err)
	}
	if got := ask(s.t.Context(), "companies"); !strings.HasPrefix(got, "200 ") {
		s.t.Fatal(got)
	}
	sent, answer := make(chan struct{}), make(chan string, 1)
	once := sync.OnceFunc(func() { close(sent) })
	ctx := httptrace.WithClientTrace(s.t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once() }})
	path = s.path("%s", path)
	go func() { // ends with the answer
		defer client.CloseIdleConnections()
		answer <- ask(ctx, path)
	}()
	signalled(s.t, "the request is sent", sent)
	return answer
}

// awaitFollowed waits until so many messages came by the stream.
func (s *stage) awaitFollowed(f *follower, n int) {
	s.t.Helper()
	awaitCount(s.t, "message on the stream", f.heard, n, func(e followed) bool {
		return strings.HasPrefix(string(e.Body), `{"type":"message","event":"new"`)
	})
}

// TestEventStreamOverKills is the same with a process that is killed.
func TestEventStreamOverKills(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	epoch := s.gateway.db.Epoch()
	s.crm.mu.Lock()
	s.crm.again = true // webhooks may be repeated by a kill; the stream is not
	s.crm.mu.Unlock()
	s.stop()
	program := filepath.Join(t.TempDir(), "parley")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	kill := s.process(program)
	f := s.follow()
	said := 0
	for range 3 {
		for range 15 {
			s.say("ann", fmt.Sprint(said))
			said++
		}
		s.awaitFollowed(f, said-10)
		kill()
		kill = s.process(program)
	}
	s.awaitFollowed(f, said)
	kill()
	s.start()
	f.compare(s.eventLog(s.gateway.db), epoch)
}

// process serves the stage's data in a process of its own, until it is killed.
func (s *stage) process(program string) (kill func()) {
	s.t.Helper()
	cmd := exec.Command(program, "serve", "--listen", s.listen, "--data", s.place.Data, "--public-url", "http://"+s.listen, "--allow-private-targets", "--pace", "off")
	cmd.Env = append(os.Environ(), "PARLEY_TELEGRAM_API_URL="+s.tg.url())
	cmd.Stderr = s.logs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	s.t.Cleanup(kill)
	poll(s.t, "the process is ready", func() bool {
		resp, err := http.Get("http://" + s.listen + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return kill
}

// TestEventsAfterRestore: a cursor from before a restore is told where to begin.
func TestEventsAfterRestore(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	s.meet("ann", "hello")
	log := s.eventLog(s.gateway.db)
	old := parley.Cursor{Epoch: s.gateway.db.Epoch(), Seq: log[len(log)-1].Seq}
	target := filepath.Join(t.TempDir(), "backup.db")
	s.cli("backup", target)
	s.moved(target)
	s.start()
	s.api.base = "http://" + s.listen
	first := parley.Cursor{Epoch: s.gateway.db.Epoch()}
	r := s.api.do("GET", "/p1/"+s.path("/events?after=%v", old), nil)
	if want := `"code":"gone","first":"` + first.String() + `"}`; r.status != http.StatusGone || !strings.HasSuffix(string(r.body), want) {
		t.Errorf("behind %v: %d %s, want %s", old, r.status, r.body, want)
	}
	r = s.api.do("GET", "/p1/"+s.path("/events?after=%v", first), nil)
	if r.status != http.StatusOK || !strings.Contains(string(r.body), `"message":"hello"`) {
		t.Errorf("behind %v: %d %s", first, r.status, r.body)
	}
}
