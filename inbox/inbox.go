package inbox

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// What a zero Config field stands for.
const (
	defaultItems = 2048
	defaultBytes = 64 << 20
	defaultRows  = 100
	defaultKept  = 8 << 20
)

// rows is what the package needs of the store.
type rows interface {
	// Receive stores events, each once; the second result has an error for each
	// that alone failed.
	Receive(ctx context.Context, items ...*store.Receive) ([]store.Received, []error)
	Quarantine(ctx context.Context, q store.Quarantined) error
}

// clients finds the channel and the open client that a callback address belongs
// to. KindNotFound: there is none.
type clients interface {
	ByCallback(ctx context.Context, provider, path string) (*parley.Channel, connector.Client, connector.Spec, error)
	Client(ctx context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error)
}

// An Observer is told what happens, to measure it. Its methods must not block.
type Observer interface {
	// Callback is told of the answer to a callback; provider is empty unless the
	// address belongs to a channel.
	Callback(provider string, status int, took time.Duration)
	// Received is told how many events of a delivery, more than 0, came to a result:
	// stored, duplicate, ignored, quarantined or dropped.
	Received(provider, result string, events int)
}

// A Delivery is what became of events that a provider told us of at once.
type Delivery struct {
	Source  string // callback, poll or session
	Channel *parley.Channel
	Begun   time.Time // when the callback came, or Store was called
	Took    time.Duration
	Err     error // why the provider has to say it again; nil if it has not

	Events, Duplicates, Quarantined int

	Made    []parley.MessageID // messages that it brought, in their order
	Touched []parley.MessageID // messages that its other events are about
}

// unobserved is nobody.
type unobserved struct{}

func (unobserved) Callback(string, int, time.Duration) {}
func (unobserved) Received(string, string, int)        {}

// A Config is what an Inbox works with. Fields without a stated default are
// required.
type Config struct {
	Store   rows
	Clients clients
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
	Observe Observer         // nil is nobody
	Trace   func(Delivery)   // is told of every delivery of events; nil is nobody. It must not block

	// MaxItems and MaxBytes bound the callbacks under way, by number and by the
	// size of their bodies; 0 is 2048 and 64 MiB. A channel may take three quarters
	// while it is alone, and a quarter otherwise.
	MaxItems int
	MaxBytes int64
	// QuarantineRows and QuarantineBytes bound what a channel may put into
	// quarantine in a minute; 0 is 100 and 8 MiB. Beyond the bytes only the
	// beginning is kept.
	QuarantineRows  int
	QuarantineBytes int64
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = unobserved{}
	}
	if c.MaxItems == 0 {
		c.MaxItems = defaultItems
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultBytes
	}
	if c.QuarantineRows == 0 {
		c.QuarantineRows = defaultRows
	}
	if c.QuarantineBytes == 0 {
		c.QuarantineBytes = defaultKept
	}
}

// Counts are totals since the start.
type Counts struct {
	Events      int64 // stored, without duplicates
	Duplicates  int64
	Quarantined int64
	Ignored     int64 // understood, and of no interest
	Dropped     int64 // not understood, and beyond what quarantine takes
	Refused     int64 // callbacks answered 503
}

// An Inbox is safe for concurrent use.
type Inbox struct {
	cfg      Config
	gate     gate
	garbage  *flood // what connectors did not understand
	failures *flood // what we failed to store

	confirms confirms

	events, duplicates, ignored, quarantined, dropped, refused atomic.Int64
}

// New returns an Inbox. It starts nothing.
func New(cfg Config) *Inbox {
	cfg.setDefaults()
	return &Inbox{
		cfg:      cfg,
		gate:     newGate(cfg.MaxItems, cfg.MaxBytes),
		garbage:  newFlood(cfg.QuarantineRows, cfg.QuarantineBytes),
		failures: newFlood(cfg.QuarantineRows, cfg.QuarantineBytes),
		confirms: newConfirms(),
	}
}

// Counts returns the totals.
func (in *Inbox) Counts() Counts {
	return Counts{
		Events:      in.events.Load(),
		Duplicates:  in.duplicates.Load(),
		Ignored:     in.ignored.Load(),
		Quarantined: in.quarantined.Load(),
		Dropped:     in.dropped.Load(),
		Refused:     in.refused.Load(),
	}
}

// Store stores what a session or a poll heard, and returns once it is committed.
// The channel's Account must be set. After an error nothing may be acknowledged to
// the provider: KindUnavailable, or the context's end. An event that alone cannot
// be stored is quarantined and is no error.
func (in *Inbox) Store(ctx context.Context, ch *parley.Channel, source string, events ...connector.Event) error {
	if len(events) == 0 {
		return nil
	}
	size := int64(0)
	for i := range events {
		size += int64(len(events[i].Raw))
	}
	// A session has at most one call under way and holds its events anyhow, so it is
	// counted but never refused; callbacks yield.
	leave := in.gate.force(ch.ID, size)
	defer leave()
	begun := time.Now()
	t, err := in.keep(ctx, delivery{ch: ch, source: source, events: events})
	in.count(ch.Provider, t)
	in.trace(source, ch, t, err, begun, time.Since(begun))
	in.heard(ctx, ch, source, t, err)
	return err
}

// trace tells of a delivery that had events.
func (in *Inbox) trace(source string, ch *parley.Channel, t tally, err error, begun time.Time, took time.Duration) {
	if in.cfg.Trace == nil || t.events == 0 {
		return
	}
	in.cfg.Trace(Delivery{Source: source, Channel: ch, Begun: begun, Took: took, Err: err, Events: t.events,
		Duplicates: t.duplicates, Quarantined: t.quarantined, Made: t.made, Touched: t.touched})
}

// heard writes a line if something is off.
func (in *Inbox) heard(ctx context.Context, ch *parley.Channel, source string, t tally, err error) {
	if !t.odd() && err == nil {
		return
	}
	attrs := []slog.Attr{slog.String("provider", ch.Provider), slog.Int64("channel_id", int64(ch.ID)),
		slog.String("source", source), t.attr()}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	in.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "received", attrs...)
}

func (in *Inbox) count(provider string, t tally) {
	for _, c := range [...]struct {
		total  *atomic.Int64
		result string
		n      int
	}{
		{&in.events, "stored", t.stored}, {&in.duplicates, "duplicate", t.duplicates}, {&in.ignored, "ignored", t.ignored},
		{&in.quarantined, "quarantined", t.quarantined}, {&in.dropped, "dropped", t.dropped},
	} {
		if c.n > 0 {
			c.total.Add(int64(c.n))
			in.cfg.Observe.Received(provider, c.result, c.n)
		}
	}
}
