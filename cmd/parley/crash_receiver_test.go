package main_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A crashHook is a webhook as it came first.
type crashHook struct {
	id    string
	body  string
	times int
	taken bool // it was answered 200 once

	kind string // such as message/new
	data crashEvent
}

// A crashEvent is what is looked at of a webhook's data.
type crashEvent struct {
	ID           int64  `json:"external_id"`
	Job          int64  `json:"id"` // of job/executed
	Conversation int64  `json:"conversation_id"`
	Text         string `json:"message"`
	Income       bool   `json:"income"`
	OfJob        int64  `json:"job_id"`
	Result       string `json:"result"`
	Message      int64  `json:"message_id"`
	Reason       string `json:"reason"`
}

// A crashReceiver is the customer's: it checks signatures, remembers everything,
// and is out of order now and then.
type crashReceiver struct {
	world *crashWorld
	url   string

	mu       sync.Mutex
	rng      *rand.Rand
	signed   *standardwebhooks.Webhook
	first    map[string]*crashHook // by webhook-id
	order    []*crashHook
	repeats  int // of what was taken before
	refused  int
	problems []string
}

// trust sets the secret that webhooks are signed with.
func (r *crashReceiver) trust(secret string) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signed, err = standardwebhooks.NewWebhook(secret)
	return err
}

// ServeHTTP takes a webhook.
func (r *crashReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	defer under(&r.world.flight.webhooks)()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // half a request of a process that is dead
	}
	r.world.instant.pass(crashWebhookArrived)
	w.WriteHeader(r.take(req.Header, body))
	_ = http.NewResponseController(w).Flush() // a process that is dead needs no answer
	r.world.instant.pass(crashWebhookAnswered)
}

// take remembers a webhook, and returns the status to answer.
func (r *crashReceiver) take(header http.Header, body []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, test := readCrashHook(header.Get("webhook-id"), body)
	if test {
		return http.StatusOK
	}
	if r.signed != nil {
		if err := r.signed.Verify(body, header); err != nil {
			r.problems = append(r.problems, "signature of "+h.body+": "+err.Error())
		}
	}
	h = r.remember(h)
	if r.rng.IntN(25) == 0 {
		r.refused++
		return http.StatusServiceUnavailable
	}
	h.taken = true
	return http.StatusOK
}

func readCrashHook(id string, body []byte) (h *crashHook, test bool) {
	var e struct {
		Type, Event, Operation string
		Data                   crashEvent
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return &crashHook{id: id, body: string(body), kind: "unreadable"}, false
	}
	return &crashHook{id: id, body: string(body), kind: e.Type + "/" + e.Event, data: e.Data}, e.Operation == "test"
}

// remember returns the webhook as it came first.
func (r *crashReceiver) remember(h *crashHook) *crashHook {
	was := r.first[h.id]
	if was == nil {
		r.first[h.id], was = h, h
		r.order = append(r.order, h)
	} else if was.taken {
		r.repeats++
	}
	was.times++
	if was.body != h.body {
		r.problems = append(r.problems, "repeat of "+h.id+" differs:\n"+was.body+"\n"+h.body)
	}
	return was
}

// all returns what has come, in the order in which it came first.
func (r *crashReceiver) all() []*crashHook {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*crashHook, len(r.order))
	for i, h := range r.order {
		copied := *h
		list[i] = &copied
	}
	return list
}
