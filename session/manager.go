package session

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// How often things are looked at. The hook makes changes known at once; the polls
// make them certain, and bring what other nodes changed.
const (
	pollEvery  = time.Second            // connecting and deleted channels, and which shards are ours
	watchEvery = 250 * time.Millisecond // whether workers may still run
	scanEvery  = time.Minute            // all live channels
	pageSize   = 500
)

// spread is how long the starts of many channels are drawn out for, beside the
// bound on handshakes.
const spread = time.Second

// handshakes is how many channels of one provider may be connecting at once.
const handshakes = 20

// rows is what the package needs of the store.
type rows interface {
	reader
	mover
	sessionRows
	Channels(ctx context.Context, company parley.CompanyID, page store.Page) ([]parley.Channel, error)
	ChannelsInState(ctx context.Context, states []parley.ChannelState, after parley.ChannelID, limit int) ([]store.ChannelRef, error)
	Farewells(ctx context.Context, after parley.ChannelID, limit int) ([]store.ChannelRef, error)
	FarewellDone(ctx context.Context, company parley.CompanyID, id parley.ChannelID) error
}

// grants says which companies this node owns.
type grants interface {
	Grant(company parley.CompanyID) (parley.Grant, bool)
	ShardGrant(shard parley.Shard) (parley.Grant, bool)
}

// A Sink stores what a session or a poll heard, and returns once it is stored.
// The source is "session" or "poll". After an error nothing is acknowledged to
// the provider.
type Sink func(ctx context.Context, ch *parley.Channel, source string, events ...connector.Event) error

// A Config is what a Manager works with. All fields without a stated default are
// required.
type Config struct {
	Store     rows
	Grants    grants
	Providers map[string]connector.Provider // those on offer, by canonical name
	HTTP      connector.Doer
	Files     connector.Files              // bytes of what is to be sent
	Base      func(provider string) string // the provider's address, without a trailing slash
	PublicURL string                       // base of callback addresses; empty: what can be polled is polled
	Sink      Sink
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
	Cache     int              // how many clients stay open; 0 is 20000
}

func (c *Config) setDefaults() {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Cache == 0 {
		c.Cache = 20000
	}
}

// A Manager opens clients and keeps channels connected. Its methods are safe for
// concurrent use. Clients are handed out before, while and after Run runs; after
// it, only the end of the process closes them.
type Manager struct {
	cfg      Config
	cache    *cache
	slots    map[string]chan struct{} // free places for handshakes, by provider
	accounts keyed                    // registration and deregistration of one account take turns
	verdicts keyed                    // one look into a channel's credentials at a time
	dirty    dirty
	crew     crew

	mu    sync.Mutex
	polls map[string]bool // by provider: whether its channels need a worker, once one was opened
}

// New returns a Manager. It starts nothing.
func New(cfg Config) *Manager {
	cfg.setDefaults()
	m := &Manager{
		cfg:   cfg,
		cache: newCache(cfg.Cache, cfg.Log),
		slots: make(map[string]chan struct{}, len(cfg.Providers)),
		dirty: dirty{wake: make(chan struct{}, 1), ids: make(map[parley.ChannelID]struct{})},
		crew:  crew{workers: make(map[parley.ChannelID]*worker)},
		polls: make(map[string]bool),
	}
	for name := range cfg.Providers {
		m.slots[name] = make(chan struct{}, handshakes)
	}
	return m
}

// Changed says that a channel's row was created or changed. It does not block.
func (m *Manager) Changed(id parley.ChannelID) {
	m.cache.doubt(id)
	m.dirty.add(id)
}

// Run keeps the channels of owned companies connected until ctx ends, and returns
// nil once all that it started has stopped and all clients are closed. It must be
// called once at most.
func (m *Manager) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { m.watch(ctx) })
	loops.Go(func() { m.sweep(ctx) })
	m.plan(ctx)
	loops.Wait()
	m.crew.running.Wait()
	m.cache.closeAll()
	return nil
}

// plan decides which channels need a worker. It is the only one to start them.
func (m *Manager) plan(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	p := &planner{Manager: m, owned: make(map[parley.Shard]parley.Term)}
	for ctx.Err() == nil {
		p.poll(ctx)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case <-tick.C:
				waiting = false
			case <-m.dirty.wake:
				p.changed(ctx)
			}
		}
	}
}

// watch stops workers whose company is no longer ours. It does no I/O, so that a
// database that hangs does not keep a session running which another node has
// taken over.
func (m *Manager) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.crew.dismiss(m.cfg.Grants)
		}
	}
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err() == nil
}

func (m *Manager) log(ch *parley.Channel) *slog.Logger {
	return m.cfg.Log.With("provider", ch.Provider, "channel_id", int64(ch.ID))
}
