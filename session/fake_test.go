package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// fakeStore keeps channels in memory by the store's rules, and fails on demand.
type fakeStore struct {
	mu       sync.Mutex
	channels map[parley.ChannelID]*parley.Channel
	events   []string // bodies, in order
	moves    []store.ChannelMove
	reads    int
	sets     int           // calls of SetChannelState
	err      error         // what every call fails with
	hang     chan struct{} // while not nil, calls wait for it or for their context
	hook     func(parley.ChannelID)
	state    map[string][]byte
	grant    parley.Grant // of the last session write
}

func newFakeStore() *fakeStore {
	return &fakeStore{channels: make(map[parley.ChannelID]*parley.Channel), state: make(map[string][]byte)}
}

func (s *fakeStore) enter(ctx context.Context) (func(), error) {
	s.mu.Lock()
	if hang := s.hang; hang != nil {
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-hang:
		}
		s.mu.Lock()
	}
	if s.err != nil {
		defer s.mu.Unlock()
		return nil, s.err
	}
	return s.mu.Unlock, nil
}

func copied(ch *parley.Channel) *parley.Channel {
	c := *ch
	c.Secrets = maps.Clone(ch.Secrets)
	return &c
}

func (s *fakeStore) Channel(ctx context.Context, id parley.ChannelID) (*parley.Channel, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s.reads++
	if ch := s.channels[id]; ch != nil {
		return copied(ch), nil
	}
	return nil, parley.Errorf(parley.KindNotFound, "no such channel")
}

func (s *fakeStore) ChannelByCallback(ctx context.Context, path string) (*parley.Channel, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s.reads++
	for _, ch := range s.channels {
		if ch.State != parley.ChannelDeleted && ch.Secrets[parley.SecretCallbackPath].Reveal() == path {
			return copied(ch), nil
		}
	}
	return nil, parley.Errorf(parley.KindNotFound, "no such channel")
}

func (s *fakeStore) sorted(keep func(*parley.Channel) bool, after parley.ChannelID, limit int) []*parley.Channel {
	var out []*parley.Channel
	for _, id := range slices.Sorted(maps.Keys(s.channels)) {
		if ch := s.channels[id]; id > after && len(out) < limit && keep(ch) {
			out = append(out, ch)
		}
	}
	return out
}

func refs(channels []*parley.Channel) []store.ChannelRef {
	var out []store.ChannelRef
	for _, ch := range channels {
		out = append(out, store.ChannelRef{ID: ch.ID, Company: ch.Company, Provider: ch.Provider, State: ch.State, StateAt: ch.StateAt})
	}
	return out
}

func (s *fakeStore) Channels(ctx context.Context, company parley.CompanyID, page store.Page) ([]parley.Channel, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []parley.Channel
	for _, ch := range s.sorted(func(ch *parley.Channel) bool {
		return ch.Company == company && ch.State != parley.ChannelDeleted
	}, parley.ChannelID(page.After), page.Limit) {
		c := *ch
		c.Secrets, c.Account = nil, ""
		out = append(out, c)
	}
	return out, nil
}

func (s *fakeStore) ChannelsInState(ctx context.Context, states []parley.ChannelState, after parley.ChannelID, limit int) ([]store.ChannelRef, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return refs(s.sorted(func(ch *parley.Channel) bool { return slices.Contains(states, ch.State) }, after, limit)), nil
}

func (s *fakeStore) Farewells(ctx context.Context, after parley.ChannelID, limit int) ([]store.ChannelRef, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return refs(s.sorted(func(ch *parley.Channel) bool {
		return ch.State == parley.ChannelDeleted && len(ch.Secrets) > 0
	}, after, limit)), nil
}

func (s *fakeStore) FarewellDone(ctx context.Context, _ parley.CompanyID, id parley.ChannelID) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	s.channels[id].Secrets = nil
	leave()
	return nil
}

func (s *fakeStore) SetChannelState(ctx context.Context, m store.ChannelMove) (bool, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	s.sets++
	moved, err := s.move(m)
	leave()
	if moved {
		s.hook(m.Channel)
	}
	return moved, err
}

func (s *fakeStore) move(m store.ChannelMove) (bool, error) {
	ch := s.channels[m.Channel]
	account := ch.Account
	if m.Account != "" {
		account = m.Account
	}
	if ch.State == m.To && ch.Reason == m.Reason && account == ch.Account && len(m.Events) == 0 || m.Company != ch.Company {
		return false, nil
	}
	if ch.State == parley.ChannelDeleted || ch.Generation != m.Generation || len(m.From) > 0 && !slices.Contains(m.From, ch.State) {
		return false, nil
	}
	if ch.State != m.To && !ch.State.CanBecome(m.To) {
		return false, errors.New("no such move")
	}
	for _, other := range s.channels {
		if m.Account != "" && other != ch && other.State != parley.ChannelDeleted && other.Provider == ch.Provider && other.Account == m.Account {
			return false, parley.Errorf(parley.KindConflict, "account taken")
		}
	}
	if ch.State != m.To {
		ch.StateAt = time.Now()
	}
	ch.State, ch.Reason, ch.Account = m.To, m.Reason, account
	for _, e := range m.Events {
		s.events = append(s.events, string(e.Body))
	}
	s.moves = append(s.moves, m)
	return true, nil
}

func (s *fakeStore) SessionState(_ context.Context, _ parley.CompanyID, _ parley.ChannelID, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[name], nil
}

func (s *fakeStore) SaveSessionState(_ context.Context, _ parley.CompanyID, _ parley.ChannelID, grant parley.Grant, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state[name], s.grant = value, grant
	return nil
}

// change edits a row as the API would.
func (s *fakeStore) change(id parley.ChannelID, f func(*parley.Channel)) {
	s.mu.Lock()
	ch := s.channels[id]
	before := ch.State
	f(ch)
	if ch.State != before {
		ch.StateAt = time.Now()
	}
	s.mu.Unlock()
	s.hook(id)
}

func (s *fakeStore) row(id parley.ChannelID) parley.Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *copied(s.channels[id])
}

// number reads one of the counters.
func (s *fakeStore) number(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

func (s *fakeStore) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *fakeStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// fakeGrants owns what it is told to.
type fakeGrants struct {
	mu   sync.Mutex
	none bool
	term parley.Term
}

func (g *fakeGrants) Grant(company parley.CompanyID) (parley.Grant, bool) {
	return g.ShardGrant(company.Shard())
}

func (g *fakeGrants) ShardGrant(shard parley.Shard) (parley.Grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return parley.Grant{Shard: shard, Term: g.term}, !g.none
}

func (g *fakeGrants) set(owned bool, term parley.Term) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.none, g.term = !owned, term
}

// A script is how a provider behaves, and what was asked of it.
type script struct {
	spec connector.Spec
	make func(c *base) connector.Client // nil: a polled client

	mu      sync.Mutex
	calls   []string
	open    func(ch *parley.Channel) error
	answers map[string]func(ctx context.Context, ch *parley.Channel) error // by call; nil succeeds
	runs    int                                                            // going on
	most    int                                                            // calls of verify going on at once, at most
	now     int
	closed  int
}

func (s *script) Spec() connector.Spec { return s.spec }

func (s *script) Open(_ context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		if err := s.open(ch); err != nil {
			return nil, err
		}
	}
	c := &base{s: s, ch: ch, env: env}
	if s.make == nil {
		return pollClient{c}, nil
	}
	return s.make(c), nil
}

func (s *script) on(call string, answer func(ctx context.Context, ch *parley.Channel) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = make(map[string]func(context.Context, *parley.Channel) error)
	}
	s.answers[call] = answer
}

func (s *script) fails(call string, err error) {
	s.on(call, func(context.Context, *parley.Channel) error { return err })
}

func (s *script) call(ctx context.Context, name string, ch *parley.Channel) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	answer := s.answers[name]
	s.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, ch)
}

func (s *script) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (s *script) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *script) add(n *int, by int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n += by
	return *n
}

// base is a client that sends only.
type base struct {
	s   *script
	ch  *parley.Channel
	env connector.Env
}

func (c *base) Plan(m *parley.Message) ([]connector.Part, error) {
	return []connector.Part{{Message: m}}, nil
}

func (c *base) Send(ctx context.Context, _ connector.Part) (connector.Sent, error) {
	return connector.Sent{}, c.s.call(ctx, "send", c.ch)
}

// pollClient can be verified and run; its account is the token's text.
type pollClient struct{ *base }

func (c pollClient) Verify(ctx context.Context) (connector.Account, error) {
	now := c.s.add(&c.s.now, 1)
	c.s.mu.Lock()
	c.s.most = max(c.s.most, now)
	c.s.mu.Unlock()
	defer c.s.add(&c.s.now, -1)
	err := c.s.call(ctx, "verify", c.ch)
	return connector.Account{ID: "bot-" + c.ch.Secrets["token"].Reveal()}, err
}

func (c pollClient) Run(ctx context.Context, sink connector.Sink) error {
	c.s.add(&c.s.runs, 1)
	defer c.s.add(&c.s.runs, -1)
	if err := c.s.call(ctx, "run", c.ch); err != nil {
		return err
	}
	if err := sink.Emit(ctx, connector.Event{ID: "1"}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (c pollClient) Close() error {
	c.s.add(&c.s.closed, 1)
	return nil
}

// hookClient can be subscribed and deregistered, too.
type hookClient struct{ pollClient }

func (c hookClient) Subscribe(ctx context.Context, address string, token parley.Secret) error {
	return c.s.call(ctx, "subscribe "+address+" "+token.Reveal(), c.ch)
}

func (c hookClient) Unsubscribe(ctx context.Context) error {
	return c.s.call(ctx, "unsubscribe", c.ch)
}
func (c hookClient) Deregister(ctx context.Context) error { return c.s.call(ctx, "deregister", c.ch) }

func hooked(c *base) connector.Client { return hookClient{pollClient{c}} }

// A rig is a manager with all around it faked.
type rig struct {
	*Manager
	store  *fakeStore
	grants *fakeGrants
	sim    *script
	cancel context.CancelFunc

	mu     sync.Mutex
	heard  []string // source and event ids, from the sink
	sinkTo func(context.Context) error
}

func newRig(sim *script, change func(*Config)) *rig {
	r := &rig{store: newFakeStore(), grants: &fakeGrants{term: 1}, sim: sim}
	cfg := Config{
		Store: r.store, Grants: r.grants, Providers: map[string]connector.Provider{"demo": sim},
		Base: func(string) string { return "http://demo" }, Sink: r.sink,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	r.Manager = New(cfg)
	r.store.hook = r.Changed
	return r
}

func (r *rig) sink(ctx context.Context, ch *parley.Channel, source string, events ...connector.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sinkTo != nil {
		if err := r.sinkTo(ctx); err != nil {
			return err
		}
	}
	for _, e := range events {
		r.heard = append(r.heard, source+" "+ch.Account+" "+e.ID)
	}
	return nil
}

// start runs the manager until the test ends.
func (r *rig) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
}

// add creates a channel whose callback path is p and its id, and whose token is
// its id unless given.
func (r *rig) add(id parley.ChannelID, state parley.ChannelState, token ...string) {
	name := string(rune('0' + id%10))
	if len(token) > 0 {
		name = token[0]
	}
	ch := &parley.Channel{ID: id, Company: 7, Provider: "demo", State: state, StateAt: time.Now(), Generation: 1,
		Secrets: map[string]parley.Secret{"token": parley.Secret(name),
			parley.SecretCallbackPath:  parley.Secret("p" + string(rune('0'+id%10))),
			parley.SecretCallbackToken: "s"}}
	if state.Live() || state == parley.ChannelDeleted {
		ch.Account = "bot-" + name
	}
	r.store.mu.Lock()
	r.store.channels[id] = ch
	r.store.mu.Unlock()
	r.store.hook(id)
}

// advance lets time pass, and everything settle.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) busy() int {
	r.crew.mu.Lock()
	defer r.crew.mu.Unlock()
	return len(r.crew.workers)
}
