package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/simulator"
)

// A scene is a numbered case of the contract that needs the whole gateway.
type scene struct {
	number string
	play   func(t *testing.T, database string)
}

// TestAcceptance plays the cases of the contract that are about more than the
// API: limits, delivery, webhooks and restarts. Package api plays the others.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(operatorScenes(), webhookScenes()) {
		t.Run(s.number, func(t *testing.T) {
			t.Parallel()
			onBoth(t, s.play)
		})
	}
}

func operatorScenes() []scene {
	return []scene{
		{number: "020", play: limited},
		{number: "116", play: sentAndTold},
		{number: "130", play: notDelivered},
		{number: "132", play: billed},
		{number: "134", play: signedIn},
	}
}

// flagged sets flags as on the command line, whatever the fields behind them are
// called.
func flagged(t *testing.T, flags ...string) func(*config) {
	return func(c *config) {
		t.Helper()
		var command struct {
			Serve serveCommand `cmd:""`
		}
		if _, err := kong.Must(&command).Parse(append([]string{"serve"}, flags...)); err != nil {
			t.Fatal(err)
		}
		p := command.Serve.config
		p.place, p.Listen, p.LogLevel = c.place, c.Listen, c.LogLevel
		p.AllowPrivateTargets, p.publicSelf, p.Pace = c.AllowPrivateTargets, c.publicSelf, c.Pace
		p.WebhookDelay, p.WebhookRetries, p.bases, p.getenv = c.WebhookDelay, c.WebhookRetries, c.bases, c.getenv
		*c = p
	}
}

// An errored is the envelope of every failure.
type errored struct {
	Status string   `json:"status"`
	Errors []string `json:"errors"`
}

// refused wants an answer to be a failure with that code, and returns why.
func (r apiReply) refused(t *testing.T, status int) []string {
	t.Helper()
	var e errored
	if err := json.Unmarshal(r.body, &e); err != nil || r.status != status || e.Status != "errored" || len(e.Errors) == 0 {
		t.Fatalf("got %d %s, want E(%d)", r.status, r.body, status)
	}
	return e.Errors
}

// limited sends six messages at once. A slow machine gets several tries, each with
// a token that has not been used: whoever takes a second for them may send more.
func limited(t *testing.T, database string) {
	s := newStage(t, database, flagged(t, "--rate-limit", "v2"))
	conversation := s.meet("ann", "hello")
	for range 20 {
		s.api.token = strings.TrimSpace(s.cli("token", "create", "--user", "shop"))
		answers, took := s.burst(conversation, 6)
		if took >= time.Second {
			continue
		}
		for i, r := range answers[:5] {
			if r.status != http.StatusOK {
				t.Errorf("message %d: %d %s", i+1, r.status, r.body)
			}
		}
		reason := answers[5].refused(t, http.StatusTooManyRequests)
		after := answers[5].header.Get("Retry-After")
		if n, err := strconv.Atoi(after); err != nil || n < 1 || !slices.Equal(reason, []string{"Please wait for " + after + " seconds"}) {
			t.Errorf("Retry-After %q, errors %q", after, reason)
		}
		if r := s.api.do("GET", "/p1/companies", nil); r.status != http.StatusOK {
			t.Errorf("another group of endpoints: %d %s", r.status, r.body)
		}
		return
	}
	t.Error("the machine is too slow to send six messages within a second")
}

// burst posts n messages one after the other.
func (s *stage) burst(conversation int64, n int) ([]apiReply, time.Duration) {
	var answers []apiReply
	begun := time.Now()
	for range n {
		answers = append(answers, s.api.do("POST", "/p1/"+s.path("/conversations/%d/messages", conversation), url.Values{"message": {"hi"}}))
	}
	return answers, time.Since(begun)
}

// exactly wants a call to answer so, with the times and the ids of rows that the
// test does not know left out.
func (s *stage) exactly(method, path string, form url.Values, want object) {
	s.t.Helper()
	r := s.api.do(method, "/p1/"+path, form)
	got := parsed(s.t, r.body)
	if diff := cmp.Diff(object{"status": "ok", "data": want}, got, ignoreCreated); diff != "" || r.status != http.StatusOK {
		s.t.Errorf("%s %s: %d (-want +got):\n%s", method, path, r.status, diff)
	}
}

// ignoreCreated takes any time of this century for created_at.
var ignoreCreated = cmp.FilterPath(func(p cmp.Path) bool {
	key, ok := p.Last().(cmp.MapIndex)
	return ok && key.Key().String() == "created_at"
}, cmp.Comparer(func(a, b any) bool { return isUnix(a) && isUnix(b) }))

func isUnix(v any) bool {
	n, ok := v.(json.Number)
	at, err := n.Int64()
	return ok && err == nil && at > 1_700_000_000 && at < 4_000_000_000
}

// job is how a job of the stage's channel is shown.
func (s *stage) job(id, conversation int64, state string, message, details any) object {
	return object{"id": int64text(id), "company_id": int64text(s.company), "channel": object{"id": int64text(s.channel), "type": "telegram"},
		"state": state, "conversation_id": int64text(conversation), "message_id": message, "details": details, "created_at": number("1800000000")}
}

func sentAndTold(t *testing.T, database string) {
	s := newStage(t, database, nil)
	conversation := s.meet("ann", "hello")
	held := make(chan struct{})
	s.tg.intercept(func(method string) {
		if method == "sendMessage" {
			<-held
		}
	})
	id := s.post(conversation, "hello")
	s.exactly("GET", s.path("/channels/%d/jobs/%d", s.channel, id), nil, s.job(id, conversation, "trying_deliver", nil, nil))
	if got := s.api.must("GET", s.path("/conversations/%d/messages", conversation)).Messages; len(got) != 1 {
		t.Errorf("listed before it was delivered: %+v", got)
	}
	close(held)
	s.delivered(id, "hello")
	listed := s.api.must("GET", s.path("/conversations/%d/messages", conversation)).Messages
	if len(listed) != 2 || listed[1].Message != "hello" || listed[1].Income {
		t.Fatalf("messages: %+v", listed)
	}
	s.exactly("GET", s.path("/channels/%d/jobs/%d", s.channel, id), nil,
		s.job(id, conversation, "delivered", int64text(listed[1].ExternalID), object{"result": "DELIVERED"}))
}

func notDelivered(t *testing.T, database string) {
	s := newStage(t, database, nil)
	s.api.must("PUT", s.path(""), "extended_events", "false")
	conversation := s.meet("ann", "hello")
	if _, err := s.tg.Block("", "ann"); err != nil {
		t.Fatal(err)
	}
	before := s.crm.taken.Total()
	id := s.post(conversation, "are you there?")
	reason := s.failed(id)
	s.exactly("GET", s.path("/channels/%d/jobs/%d", s.channel, id), nil,
		s.job(id, conversation, "not_delivered", nil, object{"result": "NOT DELIVERED", "reason": reason}))
	if _, err := s.tg.Unblock("", "ann"); err != nil {
		t.Fatal(err)
	}
	s.delivered(s.post(conversation, "there you are"), "there you are")
	var kinds []string
	for _, h := range s.crm.taken.After(before, 100, nil) {
		kinds = append(kinds, h.kind)
	}
	if diff := cmp.Diff([]string{"job/executed", "message/new", "job/executed"}, kinds); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
	for _, h := range s.crm.taken.After(before, 1, nil) {
		data := s.crm.data(h)
		if !isUnix(data["date"]) || data["message_id"] != nil || data["reason"] != reason || len(data) != 5 {
			t.Errorf("job/executed: %v", data)
		}
	}
}

func billed(t *testing.T, database string) {
	s := newStage(t, database, nil)
	s.api.do("GET", "/p1/billing", nil).refused(t, http.StatusForbidden)
	s.cli("user", "set", "shop", "--partner")
	r := s.api.do("GET", "/p1/billing", nil)
	if r.status != http.StatusOK {
		t.Fatalf("as a partner: %d %s", r.status, r.body)
	}
	data, _ := parsed(t, r.body)["data"].(object)
	details, _ := data["details"].([]any)
	if len(data) != 3 || !isUnix(data["date"]) || data["total_cost"] == nil || len(details) != 1 {
		t.Fatalf("billing: %s", r.body)
	}
	line, _ := details[0].(object)
	channel, _ := line["channel"].(object)
	company, _ := line["company"].(object)
	if len(line) != 3 || line["cost"] != data["total_cost"] || len(channel) != 3 || len(company) != 3 ||
		channel["id"] != int64text(s.channel) || channel["type"] != "telegram" || !isUnix(channel["created"]) ||
		company["id"] != int64text(s.company) || company["name"] != "shop" || !isUnix(company["created"]) {
		t.Errorf("billing: %s", r.body)
	}
	s.cli("user", "set", "shop", "--no-partner")
	s.api.do("GET", "/p1/billing", nil).refused(t, http.StatusForbidden)
}

// A verification is what a user's own webhook is told.
type verification struct {
	Type, Event string
	Data        struct{ Phone, Code string }
}

var sixDigits = regexp.MustCompile(`^\d{6}$`)

func signedIn(t *testing.T, database string) {
	s := newStage(t, database, nil)
	codes := simulator.NewRing[verification](100)
	own := newHost(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var v verification
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			t.Errorf("a code that is no JSON: %v", err)
		}
		codes.Append(func(uint64) verification { return v })
	}))
	const phone = "79250000001"
	s.cli("user", "set", "shop", "--phone", phone, "--webhook-url", own.url())
	v2 := &apiClient{t: t, base: s.api.base}
	if r := v2.do("POST", "/api/verification?locale=ru&source=private_api_v2&phone="+phone, nil); r.status != http.StatusOK || string(r.body) != `{"status":"ok"}` {
		t.Fatalf("verification: %d %s", r.status, r.body)
	}
	v := await(t, "the code", codes, 0, func(v verification) bool { return v.Type == "verification" && v.Event == "code" })
	if v.Data.Phone != phone || !sixDigits.MatchString(v.Data.Code) {
		t.Fatalf("got %+v", v)
	}
	wrong := strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, v.Data.Code)
	v2.do("POST", "/api/sign_in?phone="+phone+"&code="+wrong, nil).refused(t, http.StatusUnauthorized)
	in := v2.do("POST", "/api/sign_in?phone="+phone+"&code="+v.Data.Code, nil)
	_, first := tokensOf(t, in)
	_, second := tokensOf(t, refreshed(t, v2, first))
	if first == second {
		t.Error("the refresh token is the same again")
	}
	refreshed(t, v2, first).refused(t, http.StatusUnauthorized)
	v2.do("POST", "/api/sign_in?phone="+phone+"&code="+v.Data.Code, nil).refused(t, http.StatusUnauthorized)
}

// tokensOf returns the two tokens of a sign-in.
func tokensOf(t *testing.T, r apiReply) (access, refresh string) {
	t.Helper()
	access, refresh = r.header.Get("Authentication-Token"), r.header.Get("Refresh-Token")
	if r.status != http.StatusOK || string(r.body) != `{"status":"ok"}` || access == "" || refresh == "" || access == refresh {
		t.Fatalf("got %d %s, tokens %v and %v", r.status, r.body, access != "", refresh != "")
	}
	return access, refresh
}

// refreshed uses a refresh token.
func refreshed(t *testing.T, c *apiClient, token string) apiReply {
	t.Helper()
	req, err := http.NewRequest("POST", c.base+"/api/refresh_token", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Refresh-Token", token)
	return c.send(req)
}
