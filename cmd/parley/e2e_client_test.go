package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// A botAPI is the simulated Telegram on a host of its own.
type botAPI struct {
	*telegramsim.Server
	*host
	mu     sync.Mutex
	before func(method string) // runs before a request is answered; may block
}

func newBotAPI(t *testing.T) *botAPI {
	t.Helper()
	return newBotAPIWith(t, telegramsim.Options{Local: true, RetryBase: 10 * time.Millisecond})
}

func newBotAPIWith(t *testing.T, o telegramsim.Options) *botAPI {
	t.Helper()
	b := &botAPI{Server: telegramsim.New(o)}
	t.Cleanup(func() { _ = b.Close() })
	inner := simulator.Handler(b.Server)
	b.host = newHost(t, &switchable{usual: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		before := b.before
		b.mu.Unlock()
		if before != nil {
			before(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		}
		inner.ServeHTTP(w, r)
	})})
	return b
}

// A switchable handler can be replaced while requests come.
type switchable struct {
	usual http.Handler
	to    atomic.Pointer[http.Handler]
}

// ServeHTTP has the present handler answer.
func (s *switchable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if to := s.to.Load(); to != nil {
		(*to).ServeHTTP(w, r)
		return
	}
	s.usual.ServeHTTP(w, r)
}

func (b *botAPI) intercept(f func(method string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// sentAfter waits, by the simulator's own control API, for what was sent next.
func (b *botAPI) sentAfter(t *testing.T, after uint64) simulator.Sent {
	t.Helper()
	r := (&apiClient{t: t, base: b.url()}).do(http.MethodGet, fmt.Sprintf("/sim/telegram/sent?method=sendMessage&limit=1&wait=60&after=%d", after), nil)
	var a struct {
		Sent []simulator.Sent `json:"sent"`
	}
	if err := json.Unmarshal(r.body, &a); err != nil || len(a.Sent) != 1 {
		t.Fatalf("sent: %v %s", err, r.body)
	}
	return a.Sent[0]
}

// requests returns the logged requests of a method.
func (b *botAPI) requests(method string) []simulator.Request {
	return b.Log().After(0, 100_000, func(r simulator.Request) bool { return r.Method == method })
}

// texts returns what was sent to a person, in order.
func (b *botAPI) texts(person int64) []string {
	var all []string
	for _, s := range b.Sent().After(0, 100_000, nil) {
		if s.Method == "sendMessage" && s.Chat == strconv.FormatInt(person, 10) {
			all = append(all, s.Text)
		}
	}
	return all
}

// An apiClient calls the gateway as a customer's program does.
type apiClient struct {
	t           *testing.T
	base, token string
}

type apiReply struct {
	status int
	header http.Header
	body   []byte
}

func (c *apiClient) do(method, path string, form url.Values) apiReply {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.token != "" {
		req.Header.Set("X-Private-Api-Token", c.token)
	}
	return c.send(req)
}

func (c *apiClient) send(req *http.Request) apiReply {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	resp, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := answered(req, resp, body); err != nil {
		c.t.Errorf("answer that is not as openapi.yaml has it: %v\n%s", err, body)
	}
	return apiReply{resp.StatusCode, resp.Header, body}
}

// An apiData holds whatever the tests read of data, of any answer.
type apiData struct {
	ExternalID int64  `json:"external_id"`
	ID         int64  `json:"id"`
	Secret     string `json:"secret"`
	State      string `json:"state"`
	Reason     string `json:"reason"`
	MessageID  int64  `json:"message_id"`
	Replayed   int64  `json:"replayed"`
	Details    *struct {
		Result string `json:"result"`
		Reason string `json:"reason"`
	} `json:"details"`
	Companies     []apiItem `json:"companies"`
	Channels      []apiItem `json:"channels"`
	Conversations []apiItem `json:"conversations"`
	Messages      []apiItem `json:"messages"`
	Quarantine    []struct {
		Source    string `json:"source"`
		Reason    string `json:"reason"`
		SHA256    string `json:"sha256"`
		Size      int64  `json:"size"`
		Body      []byte `json:"body"`
		Truncated bool   `json:"truncated"`
	} `json:"quarantine"`
	DeadLetters []struct {
		EventID    int64   `json:"event_id"`
		Type       string  `json:"type"`
		Event      string  `json:"event"`
		Reason     string  `json:"reason"`
		Attempts   int     `json:"attempts"`
		ReplayedAt *string `json:"replayed_at"`
	} `json:"dead_letters"`
}

type apiItem struct {
	ExternalID int64  `json:"external_id"`
	Name       string `json:"name"`
	Message    string `json:"message"`
	Income     bool   `json:"income"`
	Edited     int64  `json:"edited_at_timestamp"`
}

// must makes a call that succeeds. The path is below /p1/; pairs are names and
// values of the form.
func (c *apiClient) must(method, path string, pairs ...string) apiData {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	if method == http.MethodGet {
		form = nil
	}
	r := c.do(method, "/p1/"+path, form)
	if r.status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	}
	var a struct {
		Data apiData `json:"data"`
	}
	if err := json.Unmarshal(r.body, &a); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
	}
	return a.Data
}
