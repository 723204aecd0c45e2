package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// testProviders are what the installation of the tests offers: every provider of
// the contract, by a stand-in. The API judges their parameters itself.
func testProviders() map[string]connector.Spec {
	token := []connector.Field{{Name: "token", Secret: true, Required: true}}
	specs := map[string]connector.Spec{}
	for _, k := range contract() {
		strangers := k.name == "whatsapp" || k.name == "whatsapp_business" || k.name == "telegram_personal"
		specs[k.name] = connector.Spec{Name: k.name, Fields: token, FirstWrite: strangers}
	}
	return specs
}

// A gateway is a server over a real database and real HTTP.
type gateway struct {
	db     *store.DB
	server *Server
	url    string
	log    *journal
	files  *files
	owner  sync.Once
	owned  storetest.Grants
}

// openSQLite opens a fresh database, for tests that are not about rows.
func openSQLite(tb testing.TB) *store.DB {
	tb.Helper()
	return storetest.Open(tb, storetest.SQLite(tb))
}

// A journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wideLog is a logger that keeps everything.
func wideLog(j *journal) *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newGateway(tb testing.TB, db *store.DB, change ...func(*Config)) *gateway {
	tb.Helper()
	db.SetBase("https://gateway.example")
	g := &gateway{db: db, log: &journal{}, files: newFiles(db)}
	c := Config{Store: db, Providers: testProviders(), TestWebhook: postTest, PageKey: []byte("a key of the tests"), Log: wideLog(g.log), Files: g.files}
	for _, f := range change {
		f(&c)
	}
	g.server = New(c)
	web := httptest.NewServer(g.server)
	tb.Cleanup(web.Close)
	g.url = web.URL
	return g
}

// direct follows no redirects, as the PHP client does not.
var direct = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// postTest does what the gateway does to a webhook address, in its simplest form.
func postTest(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"source":"pact.im","operation":"test"}`))
	if err != nil {
		return err
	}
	resp, err := direct.Do(req)
	if err != nil {
		return parley.Errorf(parley.KindUnavailable, "it cannot be reached")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return parley.Errorf(parley.KindInvalid, fmt.Sprintf("it answered %d", resp.StatusCode))
	}
	return nil
}

// A tenant is a user with a company, and the ids that its requests are about.
type tenant struct {
	*gateway
	token   string
	user    parley.UserID
	company parley.CompanyID
	ids     map[string]int64
}

var tenants atomic.Int64

// tenant makes a user with a company and a token.
func (g *gateway) tenant(tb testing.TB) *tenant {
	tb.Helper()
	ctx := context.Background()
	user, company, err := g.db.EnsureUser(ctx, fmt.Sprintf("user %d", tenants.Add(1)))
	token := seal.NewToken()
	if err == nil {
		err = g.db.AddToken(ctx, user, seal.HashToken(token), token[:10])
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &tenant{gateway: g, token: token, user: user, company: company, ids: map[string]int64{"C": int64(company)}}
}

// channel makes a channel of any provider, offered or not, enabled.
func (n *tenant) channel(tb testing.TB, name, provider string) *parley.Channel {
	tb.Helper()
	ctx := context.Background()
	id, err := n.db.CreateChannel(ctx, &parley.Channel{Company: n.company, Provider: provider, Spelling: provider, Secrets: map[string]parley.Secret{
		"token": "TOKEN-OF-" + parley.Secret(name), parley.SecretCallbackPath: parley.Secret(seal.NewSecretPath()),
	}})
	if err == nil {
		_, err = n.db.SetChannelState(ctx, store.ChannelMove{
			Channel: id, Company: n.company, To: parley.ChannelEnabled, Account: fmt.Sprint("account ", id),
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	ch, err := n.db.Channel(ctx, id)
	if err != nil {
		tb.Fatal(err)
	}
	n.ids[name] = int64(id)
	return ch
}

// hear lets a contact write, and returns the conversation.
func (n *tenant) hear(tb testing.TB, ch *parley.Channel, chat, id, text string) parley.ConversationID {
	tb.Helper()
	got, errs := n.db.Receive(context.Background(), &store.Receive{Channel: ch, Event: connector.Event{
		ID: id, Chat: connector.Chat{ID: chat}, From: connector.Person{ID: chat, Name: "Ann"}, What: connector.Message{Text: text},
	}})
	if errs[0] != nil {
		tb.Fatal(errs[0])
	}
	return got[0].Conversation
}

// full is a tenant with the channels of the acceptance cases and a conversation.
func (g *gateway) full(tb testing.TB) *tenant {
	tb.Helper()
	n := g.tenant(tb)
	for name, provider := range map[string]string{"TG": "telegram", "WB": "whatsapp_business", "TP": "telegram_personal",
		"IG": "instagram", "VK": "vkontakte", "IB": "instagram_business"} {
		n.channel(tb, name, provider)
	}
	n.ids["CV"] = int64(n.hear(tb, n.channel(tb, "WA", "whatsapp"), "79250000001", "1", "Hello"))
	return n
}

// fill replaces {NAME} by the tenant's ids, and {T} by its token.
func (n *tenant) fill(text string) string {
	text = strings.ReplaceAll(text, "{T}", n.token)
	for name, id := range n.ids {
		text = strings.ReplaceAll(text, "{"+name+"}", fmt.Sprint(id))
	}
	return text
}

// A reply is what was answered.
type reply struct {
	code   int
	header http.Header
	text   string
	body   map[string]any // nil if it is no JSON object
}

// A request is one try. Line is "METHOD path"; a body that starts with { is sent
// as JSON and any other as a form, unless Header says otherwise.
type request struct {
	line, body, header string // header: "Name: value" lines; "-" for a name sends none
	beyond             bool   // what it sends is more than openapi.yaml describes
}

func (n *tenant) do(tb testing.TB, q request) reply {
	tb.Helper()
	method, path, _ := strings.Cut(n.fill(q.line), " ")
	req, err := http.NewRequest(method, n.url+path, strings.NewReader(n.fill(q.body)))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("X-Private-Api-Token", n.token)
	if strings.HasPrefix(q.body, "{") {
		req.Header.Set("Content-Type", "application/json")
	} else if q.body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for line := range strings.Lines(q.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(n.fill(line)), ": ")
		req.Header.Del(name)
		if value != "-" {
			req.Header.Set(name, value)
		}
	}
	resp, err := direct.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	got := newReply(resp, text)
	accord(tb, req, n.fill(q.body), q.beyond, got)
	return got
}

func newReply(resp *http.Response, text []byte) reply {
	got := reply{code: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &got.body) // checked where it matters
	return got
}

// get, post and put are short for do.
func (n *tenant) get(tb testing.TB, path string) reply { return n.do(tb, request{line: "GET " + path}) }

func (n *tenant) post(tb testing.TB, path, body string) reply {
	return n.do(tb, request{line: "POST " + path, body: body})
}

func (n *tenant) put(tb testing.TB, path, body string) reply {
	return n.do(tb, request{line: "PUT " + path, body: body})
}

// expect checks an answer. A want of one word is a success with that status; a
// number with words is a failure with that code, whose errors name each word.
func (r reply) expect(tb testing.TB, want string) reply {
	tb.Helper()
	words := strings.Fields(want)
	if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		tb.Errorf("Content-Type: got %q", got)
	}
	if words[0][0] > '9' {
		if r.code != http.StatusOK || r.body["status"] != words[0] {
			tb.Fatalf("got %d %s, want %s", r.code, r.text, want)
		}
		return r
	}
	if fmt.Sprint(r.code) != words[0] || r.body["status"] != "errored" {
		tb.Fatalf("got %d %s, want %s", r.code, r.text, want)
	}
	messages, _ := r.body["errors"].([]any)
	if len(messages) == 0 {
		tb.Fatalf("no errors in %s", r.text)
	}
	for _, word := range words[1:] {
		if !strings.Contains(fmt.Sprint(messages...), word) {
			tb.Errorf("got errors %v, want %s named", messages, word)
		}
	}
	return r
}

// at follows keys into the answer.
func (r reply) at(keys ...string) any {
	var v any = r.body
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// id returns data.external_id.
func (r reply) id(tb testing.TB) int64 {
	tb.Helper()
	f, ok := r.at("data", "external_id").(float64)
	if !ok || f < 1 || f != float64(int64(f)) {
		tb.Fatalf("no external_id in %s", r.text)
	}
	return int64(f)
}

// rows returns one key of each row of a list.
func (r reply) rows(tb testing.TB, list, key string) []any {
	tb.Helper()
	items, ok := r.at("data", list).([]any)
	if !ok {
		tb.Fatalf("no %s in %s", list, r.text)
	}
	values := []any{}
	for _, item := range items {
		values = append(values, item.(map[string]any)[key])
	}
	return values
}

// A try is a request and what must come of it.
type try struct {
	request
	want string
}

// A scene is one numbered case of the contract.
type scene struct {
	number string
	tries  []try                         // on a full tenant
	play   func(t *testing.T, n *tenant) // what is more than a list of tries
	empty  bool                          // the tenant has no channels
}

// TestAcceptance plays the cases of the contract under their numbers.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	sqlite := newGateway(t, openSQLite(t))
	var postgres *gateway
	if storetest.HasPostgres() {
		postgres = newGateway(t, storetest.Open(t, storetest.Postgres(t)))
	}
	for _, s := range slices.Concat(transportScenes(), companyScenes(), pageScenes(), channelScenes(), createScenes(), firstScenes(), codeScenes(),
		startScenes(), conversationScenes(), messageScenes(), restScenes()) {
		t.Run(s.number, func(t *testing.T) {
			t.Run("sqlite", func(t *testing.T) { s.run(t, sqlite) })
			t.Run("postgres", func(t *testing.T) {
				if postgres == nil {
					storetest.Postgres(t) // skips, and says why
				}
				s.run(t, postgres)
			})
		})
	}
}

func (s scene) run(t *testing.T, g *gateway) {
	n := g.tenant(t)
	if !s.empty {
		n = g.full(t)
	}
	for _, try := range s.tries {
		t.Log(try.line, try.body)
		n.do(t, try.request).expect(t, try.want)
	}
	if s.play != nil {
		s.play(t, n)
	}
}

// on makes a try of a line, a body and a want.
func on(line, body, want string) try { return try{request{line: line, body: body}, want} }

// with adds header lines.
func (y try) with(header string) try {
	y.header = header
	return y
}
