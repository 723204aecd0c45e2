package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// Clients gives the client to send with.
type Clients interface {
	// Client returns the open client of a channel, or an error whose kind says why
	// there is none: KindLoggedOut, the channel is not enabled (the returned
	// channel, if not nil, says since when and why, and the Spec is the
	// provider's); KindNotFound, it was deleted; KindInternal, it cannot be opened.
	// Any other kind is asked again later. It is called before every send, so an
	// open client must come without I/O.
	Client(ctx context.Context, channel parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error)
}

// rows is what the outbox needs of the store.
type rows interface {
	Claim(ctx context.Context, c *store.Claim) error
	Finish(ctx context.Context, f *store.Finish) (store.Finished, error)
	ReadyChannels(ctx context.Context) ([]store.ChannelRef, error)
	ReadyWork(ctx context.Context, channel parley.ChannelID, lane parley.Lane, dueBefore time.Time, limit int) ([]store.Work, error)
	SendingWork(ctx context.Context, after parley.JobID, limit int) ([]store.Work, error)
	OpenChannels(ctx context.Context) ([]store.OldestWork, error)
	OpenWork(ctx context.Context, channel parley.ChannelID, limit int) ([]store.Work, error)
	Promote(ctx context.Context) ([]store.Work, error)
	EchoOf(ctx context.Context, w *store.Work) (connector.Sent, bool, error)
}

// grants says which companies this node may act for, without blocking.
type grants interface {
	Grant(company parley.CompanyID) (parley.Grant, bool)
}

// An Observer is told what happens, to measure it. Its methods must not block.
type Observer interface {
	// PartSent is told of every request to a provider that was claimed: the kind of
	// its error, "" if the part was taken.
	PartSent(provider string, kind parley.Kind, took time.Duration)
	// JobEnded is told of every job that ended here, and how long after it was
	// accepted. The provider is empty if the job was ended without looking at it.
	JobEnded(provider string, delivered bool, after time.Duration)
	// Circuit is told that a channel's circuit opens, and that it closes.
	Circuit(provider string, open bool)
}

// A Send is one request to a provider, over.
type Send struct {
	Job      *parley.Job // of the part and the attempt; to be read, and not kept
	Provider string
	Begun    time.Time
	Took     time.Duration
	Kind     parley.Kind // of its error, "" if the part was taken
}

// unobserved is nobody.
type unobserved struct{}

func (unobserved) PartSent(string, parley.Kind, time.Duration) {}
func (unobserved) JobEnded(string, bool, time.Duration)        {}
func (unobserved) Circuit(string, bool)                        {}

// Config is what an Outbox is made of. Store, Clients, Grants and Log must be
// set; zero values of the others mean their defaults.
type Config struct {
	Store   rows
	Clients Clients
	Grants  grants
	Log     *slog.Logger
	Now     func() time.Time // time.Now
	Observe Observer         // nobody
	Trace   func(Send)       // is told of every request that was claimed, and must not block; nobody

	// LoggedOut is told that a provider refused the credentials of a generation
	// of a channel. It may block as long as a write to the store takes.
	LoggedOut func(ctx context.Context, channel parley.ChannelID, generation int64, reason string)

	JobExpiry    time.Duration // a job not sent by then ends as expired; 24 h
	ConnectGrace time.Duration // how long jobs wait for a channel that is not enabled; 15 min
	SendTimeout  time.Duration // of one part; 30 s
	StopTimeout  time.Duration // how long sends under way may take once Run's ctx ends; 20 s

	Pace        bool    // obey the pace in the provider's Spec, and the budget below
	FirstPerMin float64 // first messages to strangers, for each channel, with Pace; 20
	FirstBurst  int     // of them; 5

	Sends        int // slots for sending, of all channels together; 1024
	ChannelSends int // of one channel; 256
	Queue        int // jobs in memory, for each channel and lane; 512
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = unobserved{}
	}
	if c.LoggedOut == nil {
		c.LoggedOut = func(context.Context, parley.ChannelID, int64, string) {}
	}
	c.JobExpiry = cmp.Or(c.JobExpiry, 24*time.Hour)
	c.ConnectGrace = cmp.Or(c.ConnectGrace, 15*time.Minute)
	c.SendTimeout = cmp.Or(c.SendTimeout, 30*time.Second)
	c.StopTimeout = cmp.Or(c.StopTimeout, 20*time.Second)
	c.FirstPerMin = cmp.Or(c.FirstPerMin, 20)
	c.FirstBurst = cmp.Or(c.FirstBurst, 5)
	c.Sends = cmp.Or(c.Sends, 1024)
	c.ChannelSends = cmp.Or(c.ChannelSends, 256)
	c.Queue = cmp.Or(c.Queue, 512)
	return c
}

// An Outbox sends the jobs of all companies that this node owns.
type Outbox struct {
	cfg   Config
	slots chan struct{} // one for each send under way
	reads chan struct{} // one for each runner that reads or sweeps rows

	work   context.Context // of claims and sends; outlives Run's ctx by StopTimeout
	commit context.Context // of outcomes; outlives work a little

	stored atomic.Int64 // outcomes, so far

	mu      sync.Mutex // guards the routing below; never held across I/O
	running bool
	runners map[parley.ChannelID]*runner
	wg      sync.WaitGroup
}

// New returns an Outbox that does nothing until Run.
func New(cfg Config) *Outbox {
	cfg = cfg.withDefaults()
	return &Outbox{
		cfg:     cfg,
		slots:   make(chan struct{}, cfg.Sends),
		reads:   make(chan struct{}, concurrentReads),
		runners: make(map[parley.ChannelID]*runner),
	}
}

const (
	concurrentReads = 8
	// lastCommits is how long outcomes may still be committed after the last send
	// has been cut off.
	lastCommits = 5 * time.Second
)

// Run sends until ctx ends, then lets what is under way finish for StopTimeout,
// cuts off the rest, and returns nil when every goroutine has ended. It may be
// called once.
func (o *Outbox) Run(ctx context.Context) error {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	commit, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer cut()
	if !o.open(work, commit) {
		return errors.New("outbox: Run was called twice")
	}
	o.watch(ctx)
	<-ctx.Done()
	o.close()
	defer time.AfterFunc(o.cfg.StopTimeout, cut).Stop()
	defer time.AfterFunc(o.cfg.StopTimeout+lastCommits, giveUp).Stop()
	o.wg.Wait()
	return nil
}

func (o *Outbox) open(work, commit context.Context) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.work != nil {
		return false
	}
	o.work, o.commit, o.running = work, commit, true
	return true
}

// close stops the routing, and so the runners: none starts any more.
func (o *Outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = false
	for _, r := range o.runners {
		close(r.stop)
	}
}

// Wake takes work that became ready. It never blocks, and drops what there is
// no room for: the poll finds it. It is safe to call at any time.
func (o *Outbox) Wake(work []store.Work) {
	for i := range work {
		w := work[i]
		o.route(w.Job.Company, w.Job.Channel, mail{kind: mailReady, work: &w})
	}
}

// Changed says that a channel was created or changed in any way, so that jobs
// which wait for it are looked at now. It never blocks.
func (o *Outbox) Changed(channel parley.ChannelID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.runners[channel]; r != nil {
		r.post(mail{kind: mailChanged})
	}
}

// route hands mail to the channel's runner, which it starts if there is none.
func (o *Outbox) route(company parley.CompanyID, channel parley.ChannelID, m mail) {
	grant, mine := o.cfg.Grants.Grant(company)
	if !mine {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.running {
		return
	}
	r := o.runners[channel]
	if r == nil {
		r = newRunner(o, company, grant, channel)
		o.runners[channel] = r
		o.wg.Go(r.run)
	}
	r.post(m)
}

// leave takes an idle runner out of the routing, unless there is mail for it.
func (o *Outbox) leave(r *runner) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(r.mail) > 0 {
		return false
	}
	delete(o.runners, r.channel)
	return true
}
