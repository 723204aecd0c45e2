package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
	"github.com/parley-im/parley/store/storetest"
)

// patience is how long a test waits for something that must happen.
const patience = 60 * time.Second

// onBoth runs f on each database; the address of SQLite is empty.
func onBoth(t *testing.T, f func(t *testing.T, database string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, storetest.Postgres(t).URL)
	})
}

// await returns the first entry behind a number that keep takes, and waits for it.
func await[T any](t *testing.T, what string, ring *simulator.Ring[T], after uint64, keep func(T) bool) T {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		seen := ring.Total()
		if found := ring.After(after, 1, keep); len(found) > 0 {
			return found[0]
		}
		select {
		case <-ring.Grown(seen):
		case <-late.C:
			t.Fatalf("%s did not come within %v", what, patience)
		}
	}
}

// awaitCount waits for n entries that keep takes.
func awaitCount[T any](t *testing.T, what string, ring *simulator.Ring[T], n int, keep func(T) bool) []T {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		seen := ring.Total()
		found := ring.After(0, n, keep)
		if len(found) >= n {
			return found
		}
		select {
		case <-ring.Grown(seen):
		case <-late.C:
			t.Fatalf("%s: %d of %d came within %v", what, len(found), n, patience)
		}
	}
}

// signalled waits for a channel to be closed.
func signalled(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come within %v", what, patience)
	}
}

// poll asks until the answer is yes, where nothing tells.
func poll(t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ask(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// A host serves a handler at an address that it keeps while it is down.
type host struct {
	t       *testing.T
	handler http.Handler
	address string
	server  *http.Server
	serving sync.WaitGroup
}

func newHost(t *testing.T, h http.Handler) *host {
	t.Helper()
	s := &host{t: t, handler: h, address: "127.0.0.1:0"}
	s.up()
	t.Cleanup(s.down)
	return s
}

func (h *host) url() string { return "http://" + h.address }

func (h *host) up() {
	h.t.Helper()
	l, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.address, h.server = l.Addr().String(), &http.Server{Handler: h.handler, ReadHeaderTimeout: patience}
	server := h.server
	h.serving.Go(func() { _ = server.Serve(l) }) // always ErrServerClosed
}

// down refuses connections and cuts those that are open.
func (h *host) down() {
	_ = h.server.Close()
	h.serving.Wait()
}

// retire is down for those who come: what has been asked is answered first.
func (h *host) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		h.down()
	}
	h.serving.Wait()
}

// A journal keeps log lines and tells when one comes.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines *simulator.Ring[string]
}

func newJournal() *journal { return &journal{lines: simulator.NewRing[string](100_000)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	for line := range strings.Lines(string(p)) {
		j.lines.Append(func(uint64) string { return strings.TrimSuffix(line, "\n") })
	}
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// await waits for a line with all of these texts, behind so many lines.
func (j *journal) await(t *testing.T, after uint64, texts ...string) string {
	t.Helper()
	return await(t, "the line "+strings.Join(texts, " "), j.lines, after, func(line string) bool { return containsAll(line, texts) })
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

// A stage is a gateway with its whole outside world.
type stage struct {
	t     *testing.T
	place place
	tune  func(*config) // what is not as usual; may be nil
	logs  *journal
	tg    *botAPI
	crm   *crm
	api   *apiClient

	gateway *gateway
	listen  string // the address, once known, so that it survives restarts
	cancel  context.CancelFunc
	ended   chan error

	company, channel int64
}

const (
	stageBot = "7000001:AAstage-bot-secret_half-0123456789"
	annID    = 5550001
)

// newStage starts a gateway for a user with a company, whose events go to s.crm,
// and with a connected bot that Ann knows.
func newStage(t *testing.T, database string, tune func(*config)) *stage {
	t.Helper()
	s := bareStage(t, database, tune)
	s.open()
	s.connect()
	return s
}

// bareStage starts nothing.
func bareStage(t *testing.T, database string, tune func(*config)) *stage {
	t.Helper()
	return bareStageOf(t, database, tune, newBotAPI(t))
}

// bareStageOf is bareStage with a messenger of its own.
func bareStageOf(t *testing.T, database string, tune func(*config), tg *botAPI) *stage {
	t.Helper()
	s := &stage{t: t, place: place{t.TempDir(), database}, tune: tune, logs: newJournal(), tg: tg, crm: newCRM(t), listen: "127.0.0.1:0"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", s.logs)
		}
	})
	if _, err := s.tg.AddBot(stageBot, "Shop", "shop_bot"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tg.AddPerson(telegramsim.Person{ID: annID, FirstName: "Ann", Username: "ann"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// open makes the user, starts the gateway, and has the events sent to the CRM.
func (s *stage) open() {
	s.t.Helper()
	token := strings.TrimSpace(s.cli("token", "create", "--user", "shop"))
	s.start()
	s.api = &apiClient{s.t, "http://" + s.listen, token}
	s.company = s.api.must("GET", "companies").Companies[0].ExternalID
	s.api.must("PUT", s.path(""), "webhook_url", s.crm.url()+"/hook", "extended_events", "true")
	s.crm.trust(s.api.must("GET", s.path("/webhook_secret")).Secret)
}

func (s *stage) connect() {
	s.t.Helper()
	s.channel = s.api.must("POST", s.path("/channels"), "provider", "telegram", "token", stageBot).ExternalID
	if got := s.crm.system("authorized").Data.Details.EntityID; got != s.channel {
		s.t.Fatalf("authorized: channel %d, want %d", got, s.channel)
	}
}

// path is that of the company, below /p1/, with a rest.
func (s *stage) path(format string, args ...any) string {
	return fmt.Sprintf("companies/%d", s.company) + fmt.Sprintf(format, args...)
}

func (s *stage) config() *config {
	c := defaultConfig()
	delay, retries := 20*time.Millisecond, 1000
	c.place, c.Listen, c.LogLevel = s.place, s.listen, "debug"
	c.AllowPrivateTargets, c.publicSelf, c.Pace = true, true, "off"
	c.WebhookDelay, c.WebhookRetries = &delay, &retries
	c.bases, c.getenv = map[string]string{"telegram": s.tg.url()}, func(string) string { return "" }
	if s.tune != nil {
		s.tune(c)
	}
	return c
}

// start starts the gateway; it is stopped at the end of the test at the latest.
func (s *stage) start() {
	s.t.Helper()
	c := s.config()
	ready := make(chan string, 1)
	c.ready = func(address string) { ready <- address }
	ctx, cancel := context.WithCancel(context.Background())
	g, err := newGateway(ctx, c, c.logger(s.logs))
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	s.gateway, s.cancel, s.ended = g, cancel, make(chan error, 1)
	go func() { s.ended <- g.Run(ctx) }() // ends at stop, which the cleanup calls
	s.t.Cleanup(s.stop)
	select {
	case s.listen = <-ready:
	case err := <-s.ended:
		s.t.Fatalf("the gateway ended: %v", err)
	}
}

// stop ends the gateway and waits for it. Once stopped it does nothing.
func (s *stage) stop() {
	s.t.Helper()
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("the gateway ended with %v", err)
		}
	case <-time.After(patience):
		s.t.Errorf("the gateway did not stop within %v", patience)
	}
}

// cli runs a command on the stage's data, which must succeed, and returns what
// it printed.
func (s *stage) cli(args ...string) string {
	s.t.Helper()
	code, out, errs := cliOn(s.place, args...)
	if code != 0 {
		s.t.Fatalf("parley %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// cliOn runs a command on some data.
func cliOn(p place, args ...string) (code int, out, errs string) {
	args = append(args, "--data", p.Data)
	if p.Database != "" {
		args = append(args, "--database", p.Database)
	}
	return cli(args...)
}

func cli(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, console{&o, &e})
	return code, o.String(), e.String()
}

// say lets Ann, or whoever it is, write to the bot.
func (s *stage) say(person, text string) telegramsim.Said {
	s.t.Helper()
	said, err := s.tg.Say(telegramsim.Line{Person: person, Text: text})
	if err != nil {
		s.t.Fatal(err)
	}
	return said
}

// meet lets somebody write for the first time and returns their conversation.
func (s *stage) meet(person, text string) int64 {
	s.t.Helper()
	s.say(person, text)
	conversation := s.crm.next("conversation/new").Data.ExternalID
	if got := s.crm.next("message/new").Data; got.ConversationID != conversation || got.Message != text {
		s.t.Fatalf("first message: %+v", got)
	}
	return conversation
}

// post has the company say something, and returns the job.
func (s *stage) post(conversation int64, text string) int64 {
	s.t.Helper()
	return s.api.must("POST", s.path("/conversations/%d/messages", conversation), "message", text).ID
}

// delivered reads the two events of a job that succeeded.
func (s *stage) delivered(job int64, text string) {
	s.t.Helper()
	m := s.crm.next("message/new").Data
	if m.Message != text || m.JobID != job || m.Income {
		s.t.Fatalf("own message: %+v, want %q of job %d", m, text, job)
	}
	if j := s.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" || j.MessageID != m.ExternalID {
		s.t.Fatalf("executed: %+v, want job %d, message %d", j, job, m.ExternalID)
	}
}

// failed reads the event of a job that failed, and returns why.
func (s *stage) failed(job int64) string {
	s.t.Helper()
	j := s.crm.next("job/executed").Data
	if j.ID != job || j.Result != "NOT DELIVERED" || j.Reason == "" {
		s.t.Fatalf("executed: %+v, want job %d not delivered", j, job)
	}
	return j.Reason
}

// secrets returns the channel's, as they are sealed.
func (s *stage) secrets() map[string]parley.Secret {
	s.t.Helper()
	ch, err := s.gateway.db.Channel(context.Background(), parley.ChannelID(s.channel))
	if err != nil {
		s.t.Fatal(err)
	}
	return ch.Secrets
}

func (s *stage) channelState() apiData {
	s.t.Helper()
	return s.api.must("GET", s.path("/channels/%d", s.channel))
}

func postgresOf(t *testing.T) string {
	t.Helper()
	return storetest.Postgres(t).URL
}
