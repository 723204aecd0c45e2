package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/parley-im/parley/simulator"
)

// A crm is the customer's webhook receiver. It checks of every request what a
// careful customer would, and reports what is wrong as a failure of the test.
type crm struct {
	*host
	t        *testing.T
	attempts *simulator.Ring[hook] // every request but the tests of the address
	taken    *simulator.Ring[hook] // those answered 200
	talked   uint64                // how far next has read
	heard    uint64                // how far system has read

	mu     sync.Mutex
	signed *standardwebhooks.Webhook
	script func(w http.ResponseWriter, h hook) int
	bodies map[string][]byte // by webhook-id
	done   map[string]bool   // ids that were taken
	again  bool              // ids may be taken twice
}

// A hook is one request.
type hook struct {
	n      uint64
	kind   string // such as message/new, or system/disabled
	id     string
	replay bool
	path   string
	parent string   // the traceparent header
	Type   string   `json:"type"`
	Event  string   `json:"event"`
	Data   hookData `json:"data"`
}

// A hookData holds whatever the tests read of data, of any event.
type hookData struct {
	ExternalID     int64  `json:"external_id"`
	ConversationID int64  `json:"conversation_id"`
	ChannelID      int64  `json:"channel_id"`
	Name           string `json:"name"`
	Sender         string `json:"sender_external_id"`
	PublicID       string `json:"external_public_id"`
	Message        string `json:"message"`
	Payload        string `json:"payload"`
	Income         bool   `json:"income"`
	Edited         int64  `json:"edited_at_timestamp"`
	JobID          int64  `json:"job_id"`
	ID             int64  `json:"id"`
	Result         string `json:"result"`
	MessageID      int64  `json:"message_id"`
	Reason         string `json:"reason"`
	Details        struct {
		EntityID int64 `json:"entity_id"`
	} `json:"details"`
}

func newCRM(t *testing.T) *crm {
	t.Helper()
	c := &crm{t: t, attempts: simulator.NewRing[hook](100_000), taken: simulator.NewRing[hook](100_000),
		bodies: map[string][]byte{}, done: map[string]bool{}}
	c.host = newHost(t, c)
	return c
}

// trust sets the secret that everything must be signed with from now on.
func (c *crm) trust(secret string) {
	c.t.Helper()
	signed, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signed = signed
}

// answer sets how requests are answered: with the status that f returns, 0 for
// none, because f has answered. f may block. nil is 200 to all.
func (c *crm) answer(f func(w http.ResponseWriter, h hook) int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = f
}

// ServeHTTP takes one request.
func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway went away
	}
	if err := described(body); err != nil {
		c.t.Errorf("webhook that is not as openapi.yaml has it: %v\n%s", err, body)
	}
	if string(body) == `{"source":"pact.im","operation":"test"}` {
		return
	}
	h, script := c.read(r, body)
	status := http.StatusOK
	if script != nil {
		status = script(w, h)
	}
	if status == http.StatusOK {
		c.take(h)
	}
	if status != 0 {
		w.WriteHeader(status)
	}
}

func (c *crm) read(r *http.Request, body []byte) (hook, func(http.ResponseWriter, hook) int) {
	h := hook{id: r.Header.Get("Webhook-Id"), replay: r.Header.Get("Parley-Replay") != "", path: r.URL.Path, parent: r.Header.Get("Traceparent")}
	if err := json.Unmarshal(body, &h); err != nil {
		c.t.Errorf("webhook that is no JSON: %s", body)
	}
	if h.kind = h.Type + "/" + h.Event; h.Type == "system" {
		h.kind = "system/" + h.Data.Message
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check(r, &h, body)
	c.attempts.Append(func(n uint64) hook { h.n = n; return h })
	return h, c.script
}

// check reports what no request may have. The caller holds the lock.
func (c *crm) check(r *http.Request, h *hook, body []byte) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("webhook %s: %s of %q", h.kind, r.Method, r.Header.Get("Content-Type"))
	}
	if c.signed == nil {
		c.t.Errorf("webhook %s before its secret could be known", h.kind)
	} else if err := c.signed.Verify(body, r.Header); err != nil {
		c.t.Errorf("webhook %s: %v", h.kind, err)
	}
	if first, ok := c.bodies[h.id]; ok && !bytes.Equal(first, body) {
		c.t.Errorf("webhook %s: attempts differ:\n%s\n%s", h.kind, first, body)
	}
	c.bodies[h.id] = body
}

func (c *crm) take(h hook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done[h.id] && !h.replay && !c.again {
		c.t.Errorf("webhook %s %s came again after it was taken", h.kind, h.id)
	}
	c.done[h.id] = true
	c.taken.Append(func(n uint64) hook { h.n = n; return h })
}

// next waits for the next event that was taken and is not about a channel, and
// wants it to be of that kind.
func (c *crm) next(kind string) hook {
	c.t.Helper()
	h := await(c.t, kind, c.taken, c.talked, func(h hook) bool { return h.Type != "system" })
	c.talked = h.n
	if h.kind != kind {
		c.t.Fatalf("got %s %+v, want %s", h.kind, h.Data, kind)
	}
	return h
}

// system waits for the next event about a channel that says message, and passes
// over others.
func (c *crm) system(message string) hook {
	c.t.Helper()
	h := await(c.t, "system "+message, c.taken, c.heard, func(h hook) bool { return h.kind == "system/"+message })
	c.heard = h.n
	return h
}

// said returns the texts of a conversation's messages in the order taken.
func (c *crm) said(conversation int64) []string {
	var all []string
	for _, h := range c.taken.After(0, 100_000, nil) {
		if h.kind == "message/new" && h.Data.ConversationID == conversation {
			all = append(all, h.Data.Message)
		}
	}
	return all
}

// awaitSaid waits for that many messages of a conversation, and wants these.
func (c *crm) awaitSaid(conversation int64, want ...string) {
	c.t.Helper()
	awaitCount(c.t, "message", c.taken, len(want), func(h hook) bool {
		return h.kind == "message/new" && h.Data.ConversationID == conversation
	})
	if got := c.said(conversation); !slices.Equal(got, want) {
		c.t.Fatalf("conversation %d: got %q, want %q", conversation, got, want)
	}
}

// tries returns how often a message with that text was attempted.
func (c *crm) tries(text string) int {
	return len(c.attempts.After(0, 100_000, func(h hook) bool { return h.Data.Message == text }))
}

// awaitTries waits until a message with that text was attempted n times.
func (c *crm) awaitTries(text string, n int) {
	c.t.Helper()
	awaitCount(c.t, "attempt at "+text, c.attempts, n, func(h hook) bool { return h.Data.Message == text })
}
