package inbox

import (
	"context"
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
	"github.com/parley-im/parley/store"
)

const (
	token  = "right"
	target = "/callbacks/demo/path"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fakeStore stores by the rules: each event once, a context that ended tells
// nothing, one bad event fails alone.
type fakeStore struct {
	mu          sync.Mutex
	stored      []store.Receive
	quarantined []store.Quarantined
	fail        map[string]error // by event id
	down        error            // every Receive
	noRoom      error            // every Quarantine
	wait        func(ctx context.Context)
	calls       int
}

func (s *fakeStore) Receive(ctx context.Context, items ...*store.Receive) ([]store.Received, []error) {
	if s.wait != nil {
		s.wait(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	out, errs := make([]store.Received, len(items)), make([]error, len(items))
	for n, i := range items {
		switch {
		case ctx.Err() != nil:
			errs[n] = ctx.Err()
		case s.down != nil:
			errs[n] = s.down
		case s.fail[i.Event.ID] != nil:
			errs[n] = s.fail[i.Event.ID]
		case s.has(i):
			out[n].Duplicate = true
		default:
			s.stored = append(s.stored, *i)
			out[n].Message = parley.MessageID(len(s.stored))
		}
	}
	return out, errs
}

func (s *fakeStore) has(i *store.Receive) bool {
	return slices.ContainsFunc(s.stored, func(r store.Receive) bool {
		return r.Event.ID == i.Event.ID && r.Event.Chat.ID == i.Event.Chat.ID && r.Event.What.Kind() == i.Event.What.Kind()
	})
}

func (s *fakeStore) Quarantine(ctx context.Context, q store.Quarantined) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.noRoom != nil {
		return s.noRoom
	}
	s.quarantined = append(s.quarantined, q)
	return nil
}

// ids returns the stored events' ids, in order.
func (s *fakeStore) ids() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.stored {
		out = append(out, r.Event.ID)
	}
	return strings.Join(out, " ")
}

// reasons returns why things are in quarantine, in order.
func (s *fakeStore) reasons() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, q := range s.quarantined {
		out = append(out, q.Reason)
	}
	return out
}

// A client's callback body is a list of words: each is the id of a message, or a
// command.
type client struct {
	panics bool
	err    error
	reply  connector.Reply
}

func (*client) Plan(*parley.Message) ([]connector.Part, error) { return nil, nil }
func (*client) Send(context.Context, connector.Part) (connector.Sent, error) {
	return connector.Sent{}, nil
}

func (c *client) Receive(_ context.Context, cb connector.Callback) ([]connector.Event, connector.Reply, error) {
	if cb.Header.Get("X-Token") != token && cb.Query.Get("token") != token {
		return nil, connector.Reply{}, parley.Errorf(parley.KindUnauthorized, "wrong token")
	}
	if c.panics {
		panic("the message says: secret")
	}
	var events []connector.Event
	for word := range strings.FieldsSeq(string(cb.Body)) {
		events = append(events, event(word))
	}
	return events, c.reply, c.err
}

func event(word string) connector.Event {
	e := connector.Event{ID: word, Chat: connector.Chat{ID: "chat"}, From: connector.Person{ID: "ann"}, At: now,
		Raw: []byte("raw " + word), What: connector.Message{Text: "text of " + word}}
	switch word {
	case "garbage":
		e.What = connector.Unknown{Reason: "not JSON"}
	case "poll":
		e.What = connector.Message{Unsupported: "poll"}
	case "captioned":
		e.What = connector.Message{Text: "caption", Unsupported: "game"}
	case "wholly":
		e.Raw, e.What = nil, connector.Unknown{}
	}
	return e
}

// sender is a client that takes no callbacks; header checks the header first.
type (
	sender struct{ connector.Client }
	header struct{ *client }
)

func (header) Authenticate(h http.Header) error {
	if h.Get("X-Token") != token {
		return parley.Errorf(parley.KindUnauthorized, "wrong token")
	}
	return nil
}

// fakeClients knows one address.
type fakeClients struct {
	ch     *parley.Channel
	client connector.Client
	spec   connector.Spec
	err    error
	asked  atomic.Int64
}

func (c *fakeClients) ByCallback(_ context.Context, provider, path string) (*parley.Channel, connector.Client, connector.Spec, error) {
	c.asked.Add(1)
	if c.err != nil {
		return nil, nil, connector.Spec{}, c.err
	}
	if provider+"/"+path != "demo/path" {
		return nil, nil, connector.Spec{}, parley.Errorf(parley.KindNotFound, "no such channel")
	}
	return c.ch, c.client, c.spec, nil
}

func (c *fakeClients) Client(_ context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	if id != c.ch.ID {
		return nil, nil, connector.Spec{}, parley.Errorf(parley.KindNotFound, "no such channel")
	}
	return c.ch, c.client, c.spec, c.err
}

// A rig is an inbox with all around it faked.
type rig struct {
	*Inbox
	store   *fakeStore
	clients *fakeClients
	client  *client
	log     *strings.Builder
	now     time.Time
}

func newRig(change func(*Config)) *rig {
	r := &rig{store: &fakeStore{}, client: &client{}, log: &strings.Builder{}, now: now}
	r.clients = &fakeClients{client: r.client,
		ch:   &parley.Channel{ID: 5, Company: 7, Provider: "demo", State: parley.ChannelEnabled, Account: "bot"},
		spec: connector.Spec{MaxBody: 100, CallbackDeadline: 20 * time.Second}}
	cfg := Config{Store: r.store, Clients: r.clients, Now: func() time.Time { return r.now },
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&cfg)
	}
	r.Inbox = New(cfg)
	return r
}

// post makes a callback with the right token.
func (r *rig) post(body string) *httptest.ResponseRecorder {
	return r.do(request(http.MethodPost, target, strings.NewReader(body)))
}

func (r *rig) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func request(method, url string, body io.Reader) *http.Request {
	req := httptest.NewRequest(method, url, body)
	req.Header.Set("X-Token", token)
	return req
}

// unsized hides a body's length, so that it comes in chunks.
func unsized(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func wantStored(t *testing.T, r *rig, ids string, reasons ...string) {
	t.Helper()
	if got := r.store.ids(); got != ids {
		t.Errorf("stored %q, want %q", got, ids)
	}
	if got := r.store.reasons(); !slices.Equal(got, reasons) {
		t.Errorf("quarantined %q, want %q", got, reasons)
	}
}

func down() error { return parley.Errorf(parley.KindUnavailable, "database") }
