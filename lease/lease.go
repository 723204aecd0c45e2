package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// Times of a lease. A node must notice that it lost the lease before the row
// expires, so it trusts it for less than it lives.
const (
	life  = 10 * time.Second // of the heartbeat row
	trust = 7 * time.Second  // of a renewal, by our clocks
	renew = 2 * time.Second  // between renewals
	look  = 250 * time.Millisecond
)

// rows is what a lease needs of the store.
type rows interface {
	TakeShards(ctx context.Context, node string, ttl time.Duration) ([]parley.Grant, error)
	Beat(ctx context.Context, node string, ttl time.Duration) error
	Leave(ctx context.Context, node string) error
}

// A Lease is the right of this node to act for the shards it holds.
type Lease struct {
	rows   rows
	node   string
	log    *slog.Logger
	now    func() time.Time
	static bool
	holder func(error) (string, bool)

	mu     sync.RWMutex
	terms  map[parley.Shard]parley.Term
	beaten time.Time // when the last renewal that succeeded was begun
}

// Options says who wants the lease and how long it waits for another holder.
type Options struct {
	Rows   rows
	Node   string
	Wait   time.Duration              // how long to wait for another node to go
	Static bool                       // nobody else can be there: no heartbeat, no expiry
	Holder func(error) (string, bool) // tells from an error which node is in the way
	Log    *slog.Logger
	Now    func() time.Time // nil is time.Now
}

// Take waits until no other node is alive, and takes all shards. After
// Options.Wait it gives up with an error of KindConflict that names the holder.
func Take(ctx context.Context, o Options) (*Lease, error) {
	l := &Lease{rows: o.Rows, node: o.Node, log: o.Log, now: o.Now, static: o.Static, holder: o.Holder}
	if l.now == nil {
		l.now = time.Now
	}
	deadline := l.now().Add(o.Wait)
	told := false
	for {
		begun := l.now()
		grants, err := l.rows.TakeShards(ctx, l.node, l.life())
		if err == nil {
			l.hold(grants, begun)
			return l, nil
		}
		name, held := l.holder(err)
		if !held {
			return nil, fmt.Errorf("take the lease: %w", err)
		}
		if !l.now().Before(deadline) {
			return nil, &parley.Error{Kind: parley.KindConflict, Code: "lease_held",
				Message: fmt.Sprintf("node %s is running on this database; stop it, or start with a longer --takeover-wait", name)}
		}
		if !told {
			l.log.Info("waiting for another node to stop", "node", name, "wait", o.Wait.String())
			told = true
		}
		if err := pause(ctx, look); err != nil {
			return nil, err
		}
	}
}

// life is how long the heartbeat row lasts. A static one is over at once.
func (l *Lease) life() time.Duration {
	if l.static {
		return 0
	}
	return life
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (l *Lease) hold(grants []parley.Grant, begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.terms = map[parley.Shard]parley.Term{}
	for _, g := range grants {
		l.terms[g.Shard] = g.Term
	}
	l.beaten = begun
}

// Grant returns the right to act for a company; false if this node must not.
func (l *Lease) Grant(id parley.CompanyID) (parley.Grant, bool) { return l.ShardGrant(id.Shard()) }

// ShardGrant returns the right to act for the companies of a shard; false if this
// node must not.
func (l *Lease) ShardGrant(s parley.Shard) (parley.Grant, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	term, ok := l.terms[s]
	return parley.Grant{Shard: s, Term: term}, ok && l.trusted()
}

// Held reports whether the lease is trusted now.
func (l *Lease) Held() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.terms != nil && l.trusted()
}

// trusted compares both clocks: the monotonic one stands still while a machine
// sleeps, the wall clock may be set back.
func (l *Lease) trusted() bool {
	if l.static {
		return true
	}
	now := l.now()
	return now.Sub(l.beaten) < trust && now.Round(0).Sub(l.beaten.Round(0)) < trust
}

// Run renews the lease until ctx ends, and then gives it up. Any other return is
// the loss of the lease, an error of KindConflict: nothing may be done any more.
func (l *Lease) Run(ctx context.Context) error {
	if l.static {
		<-ctx.Done()
		return l.leave()
	}
	for {
		if err := pause(ctx, renew); err != nil {
			return l.leave()
		}
		begun := l.now()
		err := l.rows.Beat(ctx, l.node, life)
		switch {
		case ctx.Err() != nil:
			return l.leave()
		case parley.KindOf(err) == parley.KindConflict:
			l.drop()
			return &parley.Error{Kind: parley.KindConflict, Code: "lease_lost", Message: "another node has taken over"}
		case err != nil:
			l.log.Warn("lease not renewed", "error", err)
		default:
			l.beat(begun)
		}
	}
}

func (l *Lease) beat(begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beaten = begun
}

func (l *Lease) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.terms = nil
}

// leave gives the lease up, so that the next node need not wait for its expiry.
func (l *Lease) leave() error {
	l.drop()
	ctx, cancel := context.WithTimeout(context.Background(), renew)
	defer cancel()
	if err := l.rows.Leave(ctx, l.node); err != nil && !errors.Is(err, context.Canceled) {
		l.log.Warn("lease not given up; the next node has to wait for its expiry", "error", err)
	}
	return nil
}
