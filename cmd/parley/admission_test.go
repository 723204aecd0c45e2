package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const (
	floodSize = 2400
	// floodTalks is how many conversations a flood of sends goes to: in one alone
	// each would wait for the one before.
	floodTalks = 50
	// floodPad makes a callback as large as one with a long text is.
	floodPad = 16 << 10
	// atOnce is how many must be refused while commits stall: fewer than are too
	// many, since a stall fails a batch now and then, which makes room.
	atOnce = 500
	// What may wait for the writer, of each sort.
	mostWaiting      = 2048
	mostWaitingBytes = 32 << 20
)

// TestCallbacksOnSlowDisk: while commits stall, most of a flood of callbacks is
// refused without waiting, and another channel is not. What was taken is stored,
// and what was refused is stored when it comes again, once.
func TestCallbacksOnSlowDisk(t *testing.T) { // not beside others: a flood takes the whole machine
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		first, other := newForger(s), s.second()
		s.crm.repeats() // of the last moments, once commits are late
		release := stall(t, s)
		f := newFlood(floodSize, func(n int) (*http.Request, error) { return first.request(floodUpdate(n, 77)) })
		awaitCount(t, "callback refused at once", s.logs.lines, atOnce, flooded)
		s.bounded()
		bystander := newFlood(1, func(int) (*http.Request, error) { return other.request(update(1, "one of another channel")) })
		release()
		if got := bystander.ended(t)[0]; got.status != http.StatusOK {
			t.Errorf("another channel's callback was answered %d", got.status)
		}
		again := f.ended(t)
		for n, a := range again {
			if a.status != http.StatusOK && (a.status != http.StatusServiceUnavailable || a.retry == "") {
				t.Errorf("callback %d was answered %d, Retry-After %q", n, a.status, a.retry)
			}
		}
		wantOnce(t, taken(again), s.stored(1), "answered 200")
		f.repeat(t)
		wantOnce(t, f.texts(), s.stored(1), "sent again")
	})
}

// TestSendsOnSlowDisk is the same of the API, with another company's send.
func TestSendsOnSlowDisk(t *testing.T) { // as above
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		var conversations []int64
		for n := range floodTalks {
			conversations = append(conversations, s.meet(fmt.Sprint("person", n), "hello"))
		}
		other := s.second()
		if _, err := s.tg.Say(telegramsim.Line{Account: otherBot, Person: "ann", Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		var theirs []apiItem
		poll(t, "the other company has a conversation", func() bool {
			theirs = s.api.must("GET", fmt.Sprintf("companies/%d/conversations", other.company)).Conversations
			return len(theirs) == 1
		})
		s.crm.repeats() // of the last moments, once commits are late
		release := stall(t, s)
		f := newFlood(floodSize, func(n int) (*http.Request, error) {
			return s.sending(s.company, conversations[n%floodTalks], floodText(n))
		})
		f.refused(t, atOnce)
		s.bounded()
		bystander := newFlood(1, func(int) (*http.Request, error) {
			return s.sending(other.company, theirs[0].ExternalID, "one of another company")
		})
		release()
		if got := bystander.ended(t)[0]; got.status != http.StatusOK {
			t.Errorf("another company's send was answered %d", got.status)
		}
		sent := await(t, "the other company's message", s.tg.Sent(), 0, func(m simulatorSent) bool { return m.Text == "one of another company" })
		if sent.Method != "sendMessage" {
			t.Errorf("sent: %+v", sent)
		}
		accepted := taken(f.ended(t))
		f.repeat(t)
		awaitCount(t, "message at the messenger", s.tg.Sent(), floodSize+1, func(m simulatorSent) bool { return m.Method == "sendMessage" })
		var at []string
		for chat, texts := range s.tg.chats() {
			at = append(at, texts...)
			if !slices.IsSorted(orders(accepted, texts)) {
				t.Errorf("in chat %s, what was accepted before the rest was sent again came after some of it", chat)
			}
		}
		wantOnce(t, append(f.texts(), "one of another company"), at, "accepted")
	})
}

// orders returns for each of the messenger's texts whether it is of the second
// round, 1, or of the first, 0.
func orders(first []string, at []string) []int {
	known := map[string]bool{"one of another company": true}
	for _, text := range first {
		known[text] = true
	}
	var all []int
	for _, text := range at {
		if text == "one of another company" {
			continue
		}
		all = append(all, map[bool]int{false: 1}[known[text]])
	}
	return all
}

const (
	hangCompanies = 100
	hangTexts     = 300 // to the receiver that hangs: more than it may be given at once
	hangAfter     = 150 // webhooks that it takes, so that it is given as many at once as any
	// mostAtOnce is how many requests one receiver is given at once, and less than
	// the quarter of the pool that slow ones share.
	mostAtOnce = 64
)

// TestReceiverHangs: of a hundred companies' receivers one hangs. The others get
// everything, and it is not given more and more.
func TestReceiverHangs(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", func(c *config) { c.WebhookTimeout = time.Hour })
	h := newHanging(t)
	defer h.end() // before the gateway stops, which would wait
	token := strings.TrimSpace(s.cli("token", "create", "--user", "shop"))
	s.start()
	s.api = &apiClient{t, "http://" + s.listen, token}
	var all []forger
	for n := range hangCompanies {
		all = append(all, s.tenant(n, h.url()))
	}
	slow := all[0]
	for n := range hangTexts {
		slow.wants(http.StatusOK, slow.address, slow.secret, floodUpdate(n, 1000+n))
	}
	signalled(t, "the receiver that hangs", h.hanging)
	for round := range 3 {
		for n, f := range all[1:] {
			f.wants(http.StatusOK, f.address, f.secret, floodUpdate(round, 2000+n))
		}
	}
	for n := range hangCompanies - 1 {
		awaitCount(t, fmt.Sprint("webhook of company ", n+1), h.took, 3, func(k string) bool { return k == fmt.Sprintf("/company/%d message/new", n+1) })
	}
	if most := h.most.Load(); most > mostAtOnce || most < mostAtOnce/4 {
		t.Errorf("the receiver that hangs was given %d webhooks at once, want many, and %d at most", most, mostAtOnce)
	}
}

// flooded reports whether a line is of a callback that was too much.
func flooded(line string) bool {
	return containsAll(line, []string{"msg=callback ", "status=503"}) &&
		(strings.Contains(line, "too much is under way") || strings.Contains(line, "cannot keep up"))
}

// bounded wants no more to wait for the writer than may.
func (s *stage) bounded() {
	s.t.Helper()
	p := s.gateway.db.Pressure()
	if max(p.Receives.Items, p.Accepts.Items) > mostWaiting || max(p.Receives.Bytes, p.Accepts.Bytes) > mostWaitingBytes {
		s.t.Errorf("too much waits for the writer: %+v", p)
	}
}

// wantOnce wants each of the texts to be there once; others may be.
func wantOnce(t *testing.T, want, got []string, what string) {
	t.Helper()
	times := map[string]int{}
	for _, text := range got {
		times[text]++
	}
	wrong := 0
	for _, text := range want {
		if times[text] != 1 {
			wrong++
		}
	}
	if wrong > 0 || len(want) == 0 {
		t.Errorf("of %d that were %s, %d are not there exactly once", len(want), what, wrong)
	}
}

// second makes another company of the same user, with a bot of its own and no
// webhooks.
func (s *stage) second() forger {
	s.t.Helper()
	other := *s
	other.company = s.api.must("POST", "companies", "name", "Second").ExternalID
	if _, err := s.tg.AddBot(otherBot, "Other", "other_bot"); err != nil {
		s.t.Fatal(err)
	}
	return other.connected(otherBot)
}

// tenant makes a company with a bot and a receiver of its own.
func (s *stage) tenant(n int, receiver string) forger {
	s.t.Helper()
	other := *s
	other.company = s.api.must("POST", "companies", "name", fmt.Sprint("Company ", n), "webhook_url", fmt.Sprintf("%s/company/%d", receiver, n)).ExternalID
	bot := fmt.Sprintf("%d:AAstage-bot-of-company-%012d", 8_000_000+n, n)
	if _, err := s.tg.AddBot(bot, "Shop", fmt.Sprintf("shop_%d_bot", n)); err != nil {
		s.t.Fatal(err)
	}
	return other.connected(bot)
}

const otherBot = "7000002:AAother-bot-secret_half-0123456789"

// connected connects a bot to the stage's company, and returns who makes its
// callbacks.
func (s *stage) connected(bot string) forger {
	s.t.Helper()
	s.channel = s.api.must("POST", s.path("/channels"), "provider", "telegram", "token", bot).ExternalID
	poll(s.t, "the bot is connected", func() bool { return s.channelState().State == "enabled" })
	for _, a := range s.tg.Accounts() {
		if a.Token == bot {
			return forger{s, a.Webhook, s.secrets()[parley.SecretCallbackToken].Reveal()}
		}
	}
	s.t.Fatal("the bot has gone")
	return forger{}
}

// request makes a callback without sending it.
func (f forger) request(body []byte) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, f.address, strings.NewReader(string(body)))
	if err == nil {
		req.Header.Set(telegramSecret, f.secret)
	}
	return req, err
}

// sending makes the request to send a text, whose key is the text.
func (s *stage) sending(company, conversation int64, text string) (*http.Request, error) {
	at := fmt.Sprintf("http://%s/p1/companies/%d/conversations/%d/messages", s.listen, company, conversation)
	req, err := http.NewRequest(http.MethodPost, at, strings.NewReader(url.Values{"message": {text}}.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Private-Api-Token", s.api.token)
		req.Header.Set("Idempotency-Key", text)
	}
	return req, err
}

// stored returns the texts of the company's only conversations.
func (s *stage) stored(conversations int) []string {
	s.t.Helper()
	list := s.api.must("GET", s.path("/conversations?per=100")).Conversations
	if len(list) != conversations {
		s.t.Fatalf("%d conversations, want %d", len(list), conversations)
	}
	var texts []string
	for _, c := range list {
		texts = append(texts, s.messages(c.ExternalID)...)
	}
	return texts
}

// floodText is what message n of a flood says.
func floodText(n int) string { return fmt.Sprint("message ", n, " of many") }

// floodUpdate is a message of a flood, from somebody, with much that nobody reads.
func floodUpdate(n, person int) []byte {
	return fmt.Appendf(nil, `{"update_id":%d,"pad":"%s","message":{"message_id":%d,"date":1790000000,"text":%q,
		"from":{"id":%d,"is_bot":false,"first_name":"Bo"},"chat":{"id":%d,"type":"private","first_name":"Bo"}}}`,
		10_000+n, floodPadding, 10_000+n, floodText(n), person, person)
}

var floodPadding = strings.Repeat("x", floodPad)

// taken returns the texts of those that were answered 200.
func taken(all []floodAnswer) (texts []string) {
	for n, a := range all {
		if a.status == http.StatusOK {
			texts = append(texts, floodText(n))
		}
	}
	return texts
}
