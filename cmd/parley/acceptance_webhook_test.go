package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

func webhookScenes() []scene {
	return []scene{
		{number: "135", play: thirdAttempt},
		{number: "136", play: elevenAttempts},
		{number: "137", play: only200},
		{number: "138", play: overRestart},
		{number: "139", play: timesOfEvents},
		{number: "140", play: acksRise},
	}
}

// promptly has webhooks repeated as often as the policy says, but sooner. That it
// is 60 s by itself is told by the defaults, and their clock by package webhook.
func promptly(t *testing.T, delay time.Duration) func(*config) {
	c := defaultConfig()
	if c.WebhookPolicy != "pact" || c.WebhookRetries != nil || c.WebhookDelay != nil {
		t.Errorf("by default webhooks are repeated by %s, %v times, %v apart", c.WebhookPolicy, c.WebhookRetries, c.WebhookDelay)
	}
	return func(c *config) { c.WebhookRetries, c.WebhookDelay = nil, &delay }
}

// A clockwork receiver notes when a message was attempted.
type clockwork struct {
	mu  sync.Mutex
	all []time.Time
}

// answering fails the attempts at a message with a status until so many were made.
func (c *clockwork) answering(text string, status, failures int) func(http.ResponseWriter, hook) int {
	return func(_ http.ResponseWriter, h hook) int {
		if h.Data.Message != text {
			return http.StatusOK
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, time.Now())
		if len(c.all) <= failures {
			return status
		}
		return http.StatusOK
	}
}

// times returns when the attempts were made so far.
func (c *clockwork) times() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.all...)
}

// apart wants n attempts with at least the delay between them.
func (c *clockwork) apart(t *testing.T, n int, delay time.Duration) {
	t.Helper()
	times := c.times()
	if len(times) != n {
		t.Errorf("%d attempts, want %d", len(times), n)
	}
	for i := 1; i < len(times); i++ {
		if gap := times[i].Sub(times[i-1]); gap < delay-delay/10 {
			t.Errorf("attempt %d after %v, want %v", i+1, gap, delay)
		}
	}
}

// heardBehind lets Ann write a text and something after it, and waits for the latter:
// by then the former was delivered or given up.
func (s *stage) heardBehind(text string) {
	s.t.Helper()
	s.say("ann", text)
	s.say("ann", "behind "+text)
	await(s.t, "what is behind", s.crm.taken, 0, func(h hook) bool { return h.Data.Message == "behind "+text })
}

func thirdAttempt(t *testing.T, database string) {
	const delay = 300 * time.Millisecond
	s := newStage(t, database, promptly(t, delay))
	conversation := s.meet("ann", "hello")
	var c clockwork
	s.crm.answer(c.answering("one", http.StatusInternalServerError, 2))
	s.heardBehind("one")
	c.apart(t, 3, delay)
	s.crm.awaitSaid(conversation, "hello", "one", "behind one")
}

func elevenAttempts(t *testing.T, database string) {
	const delay = 40 * time.Millisecond
	s := newStage(t, database, promptly(t, delay))
	conversation := s.meet("ann", "hello")
	var c clockwork
	s.crm.answer(c.answering("one", http.StatusInternalServerError, 1000))
	s.heardBehind("one")
	c.apart(t, 11, delay)
	s.heardBehind("two")
	c.apart(t, 11, delay) // and none since
	s.crm.awaitSaid(conversation, "hello", "behind one", "two", "behind two")
	letters := s.api.must("GET", s.path("/dead_letters")).DeadLetters
	if len(letters) != 1 || letters[0].Attempts != 11 || letters[0].Reason != "answered 500" {
		t.Errorf("dead letters: %+v", letters)
	}
}

func only200(t *testing.T, database string) {
	s := newStage(t, database, promptly(t, 20*time.Millisecond))
	conversation := s.meet("ann", "hello")
	want := []string{"hello"}
	for _, status := range []int{http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusPartialContent} {
		text := http.StatusText(status)
		var c clockwork
		s.crm.answer(c.answering(text, status, 2))
		s.heardBehind(text)
		c.apart(t, 3, 0)
		want = append(want, text, "behind "+text)
	}
	s.crm.awaitSaid(conversation, want...)
}

func overRestart(t *testing.T, database string) {
	const delay = 500 * time.Millisecond
	s := newStage(t, database, promptly(t, delay))
	conversation := s.meet("ann", "hello")
	var c clockwork
	s.crm.answer(c.answering("one", http.StatusInternalServerError, 4))
	s.say("ann", "one")
	s.say("ann", "behind one")
	s.crm.awaitTries("one", 2)
	s.stop()
	before := len(c.times())
	if before >= 5 {
		t.Fatal("all attempts were made before the restart")
	}
	s.start()
	s.crm.awaitSaid(conversation, "hello", "one", "behind one")
	c.apart(t, 5, delay)
}

var (
	stampTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`)
	milliTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

// wantTime wants created_at to look so, and to be the instant of its timestamp.
func wantTime(t *testing.T, kind string, data object, looks *regexp.Regexp, layout string) {
	t.Helper()
	text, _ := data["created_at"].(string)
	at, err := time.Parse(layout, text)
	seconds, _ := data["created_at_timestamp"].(json.Number)
	if n, bad := seconds.Int64(); !looks.MatchString(text) || err != nil || bad != nil || n != at.Unix() {
		t.Errorf("%s: created_at %q with timestamp %v", kind, text, seconds)
	}
}

func timesOfEvents(t *testing.T, database string) {
	c := newClub(t, database)
	c.meet("ann", "hello")
	seen := map[string]int{}
	for _, h := range c.crm.taken.After(0, 100, nil) {
		data := c.crm.data(h)
		seen[h.Type]++
		switch h.Type {
		case "conversation", "message":
			wantTime(t, h.kind, data, stampTime, "2006-01-02 15:04:05 UTC")
		case "group_conversation", "group_message":
			wantTime(t, h.kind, data, milliTime, "2006-01-02T15:04:05.000Z")
		case "system":
			if date, _ := data["date"].(string); !stampTime.MatchString(date) || !isUnix(data["date_timestamp"]) || !isUnix(data["timestamp"]) {
				t.Errorf("%s: %v", h.kind, data)
			}
		}
	}
	for _, kind := range []string{"conversation", "message", "group_conversation", "group_message", "system"} {
		if seen[kind] == 0 {
			t.Errorf("no event of %s", kind)
		}
	}
}

// A dovecote is a pigeonry whose pigeons come back and tell how far a message got.
type dovecote struct{ pigeonry }

// Spec is the pigeonry's, with receipts.
func (d dovecote) Spec() connector.Spec {
	spec := d.pigeonry.Spec()
	spec.Name, spec.Aliases, spec.Receipts = "dove", nil, true
	return spec
}

// Open does no I/O.
func (d dovecote) Open(ctx context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	c, err := d.pigeonry.Open(ctx, ch, env)
	if err != nil {
		return nil, err
	}
	return &dove{c.(*pigeon)}, nil
}

// A dove is the client of one dovecote.
type dove struct{ *pigeon }

// Receive also reads receipts.
func (d *dove) Receive(ctx context.Context, cb connector.Callback) ([]connector.Event, connector.Reply, error) {
	events, reply, err := d.pigeon.Receive(ctx, cb)
	var r struct {
		ID, From string
		Receipt  parley.Ack
	}
	if err == nil && json.Unmarshal(cb.Body, &r) == nil && r.Receipt > 0 {
		events = []connector.Event{{ID: r.ID, Chat: connector.Chat{ID: r.From}, What: connector.Receipt{Ack: r.Receipt}, Raw: cb.Body}}
	}
	return events, reply, err
}

// newDovecote is a stage whose channel has receipts, with a way to tell it things.
func newDovecote(t *testing.T, database string) (s *stage, tell func(body string)) {
	t.Helper()
	post := &pigeonPost{simulator.NewRing[pigeonCall](100)}
	place := newHost(t, post)
	s = bareStage(t, database, func(c *config) {
		c.providers = func() []connector.Provider { return append(providers(), dovecote{}) }
		c.bases["dove"] = place.url()
	})
	s.open()
	s.channel = s.api.must("POST", s.path("/channels"), "provider", "dove", "loft", "north", "whistle", "tweet").ExternalID
	s.crm.system("authorized")
	call := await(t, "the subscription", post.calls, 0, func(c pigeonCall) bool { return c.path == "/north/subscribe" }).body
	return s, func(body string) {
		t.Helper()
		if status := pigeonTells(s, call["address"], call["token"], body); status != http.StatusOK {
			t.Fatalf("%s: %d", body, status)
		}
	}
}

// acksRise tells that a message was read, then what is known by that, and looks at
// all that the customer is told of it.
func acksRise(t *testing.T, database string) {
	s, tell := newDovecote(t, database)
	tell(`{"id":"1","from":"ann","name":"Ann","text":"coo"}`)
	conversation := s.crm.next("conversation/new").Data.ExternalID
	s.crm.next("message/new")
	s.delivered(s.post(conversation, "coo coo"), "coo coo")
	for _, receipt := range []string{"3", "2", "3", "1"} {
		tell(`{"id":"p1","from":"ann","receipt":` + receipt + `}`)
	}
	tell(`{"id":"2","from":"ann","text":"over"}`)
	read := s.crm.next("message/ack")
	if ack := s.crm.data(read)["ack"]; ack != number("3") {
		t.Errorf("ack %v, want 3", ack)
	}
	if m := s.crm.next("message/new").Data; m.Message != "over" {
		t.Errorf("got %+v, want what was said after the receipts", m)
	}
}

// TestSequencesWithReceipts: which events come of what happens, and in which
// order, with nothing between, where the messenger tells how far messages get.
func TestSequencesWithReceipts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s, tell := newDovecote(t, database)
		s.api.must("PUT", s.path(""), "extended_events", "false")
		wantKinds(t, s, "a channel is connected", "system/authorized")
		tell(`{"id":"1","from":"ann","name":"Ann","text":"coo"}`)
		wantKinds(t, s, "received from a new contact", "conversation/new", "message/new")
		tell(`{"id":"2","from":"ann","name":"Ann","text":"coo?"}`)
		wantKinds(t, s, "received from a known contact", "message/new")
		conversation := s.api.must("GET", s.path("/conversations")).Conversations[0].ExternalID
		s.post(conversation, "coo coo")
		wantKinds(t, s, "own message", "message/new", "job/executed")
		tell(`{"id":"p1","from":"ann","receipt":2}`)
		tell(`{"id":"p1","from":"ann","receipt":3}`)
		wantKinds(t, s, "its receipts", "message/ack", "message/ack")
		tell(`{"id":"3","from":"ann","name":"Anna","text":"I married"}`)
		wantKinds(t, s, "a new name", "conversation/update", "message/new")
	})
}

// TestSequences: the same of Telegram.
func TestSequences(t *testing.T) {
	t.Parallel()
	onBoth(t, telegramSequences)
}

func telegramSequences(t *testing.T, database string) {
	s := newStage(t, database, nil)
	s.api.must("PUT", s.path(""), "extended_events", "false")
	wantKinds(t, s, "a bot is connected", "system/authorized")
	s.say("ann", "hello")
	wantKinds(t, s, "received from a new contact", "conversation/new", "message/new")
	conversation := s.api.must("GET", s.path("/conversations")).Conversations[0].ExternalID
	first, second := s.post(conversation, "one"), s.post(conversation, "two")
	told := wantKinds(t, s, "two messages of our own", "message/new", "job/executed", "message/new", "job/executed")
	if told[0].JobID != first || told[1].ID != first || told[2].JobID != second || told[3].ID != second {
		t.Errorf("got %+v, want jobs %d and %d", told, first, second)
	}
	if _, err := s.tg.Block("", "ann"); err != nil {
		t.Fatal(err)
	}
	s.post(conversation, "three")
	if told := wantKinds(t, s, "a failure", "job/executed"); told[0].Result != "NOT DELIVERED" {
		t.Errorf("got %+v", told)
	}
}

// wantKinds waits for the next events, and wants them to be of these kinds. That
// nothing came between them and those before is seen by their numbers.
func wantKinds(t *testing.T, s *stage, what string, kinds ...string) []hookData {
	t.Helper()
	var all []hookData
	for _, kind := range kinds {
		h := await(t, kind+": "+what, s.crm.taken, s.crm.talked, nil)
		s.crm.talked = h.n
		if h.kind != kind {
			t.Fatalf("%s: got %s %+v, want %s", what, h.kind, h.Data, kind)
		}
		all = append(all, h.Data)
	}
	return all
}
