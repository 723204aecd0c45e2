package webhook

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
)

// How a Deliverer looks for work that nobody told it about.
const (
	pollEvery  = time.Second
	pollGap    = 20 * time.Millisecond // between two polls, however many companies ask
	pollPage   = 500
	openAtOnce = 16      // owners that read their rows at the same time
	maxKnown   = 1 << 16 // companies whose endpoints are remembered
)

// A Deliverer delivers the events of the companies that this node owns. Make it
// with New. Its methods are safe for concurrent use.
type Deliverer struct {
	cfg    Config
	bounds bounds
	pool   *pool
	memory atomic.Int64  // bytes of bodies that owners hold
	kick   chan struct{} // asks for a poll
	slots  chan struct{} // openAtOnce

	mu     sync.Mutex
	ctx    context.Context // of Run; nil when it does not run
	owners map[parley.EndpointID]*owner
	known  map[parley.CompanyID][]parley.EndpointID // may be incomplete: polls correct it
	asked  map[parley.CompanyID]bool                // have events, and are not in known
	wg     sync.WaitGroup                           // of owners
}

// New makes a Deliverer. The error is that of Config.Validate.
func New(cfg Config) (*Deliverer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	return &Deliverer{
		cfg:    cfg,
		bounds: defaultBounds,
		pool:   newPool(cfg.Pool),
		kick:   make(chan struct{}, 1),
		slots:  make(chan struct{}, openAtOnce),
		owners: map[parley.EndpointID]*owner{},
		known:  map[parley.CompanyID][]parley.EndpointID{},
		asked:  map[parley.CompanyID]bool{},
	}, nil
}

// Run delivers until ctx ends. Requests under way then get the grace time of the
// Config, what was achieved is committed, and Run returns nil when every goroutine
// has ended. Run is called once at a time.
func (d *Deliverer) Run(ctx context.Context) error {
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	d.watch(ctx)
	d.mu.Lock()
	d.ctx = nil
	d.mu.Unlock()
	d.wg.Wait()
	return nil
}

func (d *Deliverer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		d.poll(ctx)
		if !sleep(ctx, pollGap) {
			return
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
		case <-d.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sleep waits, and reports whether ctx is still on.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// poll finds every endpoint that has something to deliver and is ours.
func (d *Deliverer) poll(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.Error("webhook poll panicked", "panic", fmt.Sprint(p))
		}
	}()
	d.mu.Lock()
	asked := d.asked
	d.asked = map[parley.CompanyID]bool{}
	d.mu.Unlock()
	for after := parley.EndpointID(0); ; {
		page, err := d.cfg.Store.LaggingEndpoints(ctx, after, pollPage)
		if err != nil {
			if ctx.Err() == nil {
				d.cfg.Log.Warn("webhook poll failed", "kind", string(parley.KindOf(err)), "err", err)
			}
			return
		}
		for i := range page {
			after = page[i].ID
			d.lagging(&page[i])
		}
		if len(page) < pollPage {
			break
		}
	}
	d.forget(asked)
}

// lagging wakes the owner of an endpoint that a poll found.
func (d *Deliverer) lagging(ep *parley.Endpoint) {
	if _, ours := d.cfg.Grants.Grant(ep.Company); !ours {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.learn(ep.Company, ep.ID)
	if o := d.owner(ep.Company, ep.ID); o != nil {
		o.refresh(ep)
	}
}

// forget remembers companies without an endpoint, so that their events do not ask
// for a poll each.
func (d *Deliverer) forget(asked map[parley.CompanyID]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for company := range asked {
		if _, ok := d.known[company]; !ok {
			d.known[company] = nil
		}
	}
}

func (d *Deliverer) learn(company parley.CompanyID, id parley.EndpointID) {
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	for _, known := range d.known[company] {
		if known == id {
			return
		}
	}
	d.known[company] = append(d.known[company], id)
}

// unlearn forgets an endpoint that was deleted, so that no event asks for it.
func (d *Deliverer) unlearn(company parley.CompanyID, id parley.EndpointID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.known[company]; ok {
		// A copy: the list may be in use.
		d.known[company] = slices.DeleteFunc(slices.Clone(known), func(k parley.EndpointID) bool { return k == id })
	}
}

// owner returns the running owner of an endpoint, started if need be; nil when
// Run does not run. The caller holds mu.
func (d *Deliverer) owner(company parley.CompanyID, id parley.EndpointID) *owner {
	if d.ctx == nil || d.ctx.Err() != nil {
		return nil
	}
	o, ok := d.owners[id]
	if !ok {
		o = newOwner(d, company, id)
		d.owners[id] = o
		ctx := d.ctx
		d.wg.Go(func() { o.run(ctx) })
	}
	return o
}

// Wake tells of events that were committed, each company's in order. It does not
// block and keeps the bodies, which nobody may change. Events without a body only
// say that there is something to read. What it drops is found by a poll.
func (d *Deliverer) Wake(events []parley.Event) {
	for len(events) > 0 {
		company, n := events[0].Company, 1
		for n < len(events) && events[n].Company == company {
			n++
		}
		if _, ours := d.cfg.Grants.Grant(company); ours {
			d.wake(company, events[:n])
		}
		events = events[n:]
	}
}

func (d *Deliverer) wake(company parley.CompanyID, events []parley.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids, ok := d.known[company]
	if !ok {
		d.asked[company] = true
		d.requestPoll()
	}
	for _, id := range ids {
		if o := d.owner(company, id); o != nil {
			o.hear(events)
		}
	}
}

func (d *Deliverer) requestPoll() {
	select {
	case d.kick <- struct{}{}:
	default: // one is asked for already
	}
}

// EndpointChanged says that an endpoint was created or changed, or that a replay
// was asked for. It does not block.
func (d *Deliverer) EndpointChanged(company parley.CompanyID, id parley.EndpointID) {
	if _, ours := d.cfg.Grants.Grant(company); !ours {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.learn(company, id)
	if o := d.owner(company, id); o != nil {
		o.change()
	}
}

// retire ends an idle owner, unless something arrived for it meanwhile.
func (d *Deliverer) retire(o *owner) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !o.mail.empty() {
		return false
	}
	d.drop(o)
	return true
}

// remove ends an owner whatever arrived for it: a poll finds it again.
func (d *Deliverer) remove(o *owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(o)
}

func (d *Deliverer) drop(o *owner) {
	if d.owners[o.id] == o {
		delete(d.owners, o.id)
	}
}
