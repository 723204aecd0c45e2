package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/inbox"
	"github.com/parley-im/parley/janitor"
	"github.com/parley-im/parley/lease"
	"github.com/parley-im/parley/outbox"
	"github.com/parley-im/parley/session"
	"github.com/parley-im/parley/signin"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/stream"
	"github.com/parley-im/parley/webhook"
)

// A gateway is the running program: the services, joined.
type gateway struct {
	config    *config
	log       *slog.Logger
	lock      *lock
	db        *store.DB
	lease     *lease.Lease
	hold      *hold
	listener  *listener
	sessions  *session.Manager
	blobs     blob.Store
	files     *attachment.Service
	inbox     *inbox.Inbox
	outbox    *outbox.Outbox
	deliverer *webhook.Deliverer
	hub       *stream.Hub
	signin    *signin.Service
	api       *api.Server
	server    *http.Server
	drain     *drain
	janitor   *janitor.Janitor
	metrics   *monitor
	traces    tracing
}

// newGateway opens and joins everything. After an error nothing stays open.
func newGateway(ctx context.Context, c *config, log *slog.Logger) (*gateway, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	opened := &gateway{config: c, log: log}
	if err := opened.open(ctx); err != nil {
		return nil, errors.Join(err, opened.close())
	}
	return opened, nil
}

// open fills in everything, in order.
func (g *gateway) open(ctx context.Context) error {
	c := g.config
	options, err := c.options(g.log)
	if err != nil {
		return err
	}
	node := c.node()
	if g.lock, err = takeLock(ctx, c.Data, node, c.TakeoverWait, g.log); err != nil {
		return err
	}
	if g.db, err = store.Open(ctx, options); err != nil {
		return err
	}
	g.lease, err = lease.Take(ctx, lease.Options{Rows: g.db, Node: node, Wait: c.TakeoverWait, Static: c.Database == "", Holder: store.Holder, Log: g.log})
	if err != nil {
		return err
	}
	if g.listener, err = listen(c.Listen, c.Data); err != nil {
		return err
	}
	if c.publicSelf {
		c.PublicURL = "http://" + g.listener.address()
	}
	if err = g.openFiles(ctx); err != nil {
		return err
	}
	if err = g.joinHold(ctx); err != nil {
		return err
	}
	if err = g.joinTraces(ctx, node); err != nil {
		return err
	}
	return g.join(ctx)
}

// join makes the services and tells each of the others.
func (g *gateway) join(ctx context.Context) error {
	offered := g.config.offered()
	outside, targets, err := g.clients(offered)
	if err != nil {
		return err
	}
	g.joinMetrics(offered)
	g.sessions = session.New(session.Config{
		Store: g.db, Grants: g.lease, Providers: offered, HTTP: outside, PublicURL: g.config.PublicURL, Log: g.log,
		Sink: func(ctx context.Context, ch *parley.Channel, source string, events ...connector.Event) error {
			return g.inbox.Store(ctx, ch, source, events...)
		},
		Files: attachment.NewFiles(g.db, g.blobs),
		Base:  func(name string) string { return g.config.base(offered[name].Spec()) },
	})
	g.inbox = inbox.New(inbox.Config{Store: g.db, Clients: g.sessions, Log: g.log, Observe: g.metrics, Trace: g.traces.received})
	g.outbox = outbox.New(outbox.Config{
		Store: g.db, Clients: g.sessions, Grants: g.hold, Log: g.log, JobExpiry: g.config.JobExpiry, ConnectGrace: g.config.ConnectGrace,
		SendTimeout: g.config.SendTimeout, StopTimeout: g.config.StopTimeout, Pace: g.config.Pace == "on", LoggedOut: g.loggedOut,
		Observe: g.metrics, Trace: g.traces.sent,
	})
	if err := g.joinFiles(); err != nil {
		return err
	}
	g.joinJanitor()
	if err := g.joinWebhooks(targets); err != nil {
		return err
	}
	g.hub = stream.New(stream.Config{Store: g.db, Epoch: g.db.Epoch(), Log: g.log})
	g.db.SetHooks(store.Hooks{
		Events:   func(events []parley.Event) { g.deliverer.Wake(events); g.hub.Wake(events) },
		Endpoint: g.deliverer.EndpointChanged, Ready: g.outbox.Wake,
		Channel: func(id parley.ChannelID) { g.sessions.Changed(id); g.outbox.Changed(id) },
		Files:   g.files.Wake,
		Batch:   g.metrics.Batch,
	})
	return g.joinAPI(ctx, offered, targets)
}

// clients makes the two ways out: to providers, whose addresses the operator has
// chosen, and to addresses that customers have chosen.
func (g *gateway) clients(offered map[string]connector.Provider) (outside, targets *fetch.Client, err error) {
	var exempt []string
	for _, p := range offered {
		at, err := fetch.HostPort(g.config.base(p.Spec()))
		if err != nil {
			return nil, nil, fmt.Errorf("address of %s: %w", p.Spec().Name, err)
		}
		exempt = append(exempt, at)
	}
	if outside, err = fetch.New(fetch.Options{Name: "the provider's address", Exempt: exempt}); err != nil {
		return nil, nil, err
	}
	targets, err = fetch.New(fetch.Options{Name: "webhook_url", AllowPrivate: g.config.AllowPrivateTargets, AllowLoopback: g.config.allowLoopback})
	return outside, targets, err
}

func (g *gateway) joinWebhooks(targets *fetch.Client) (err error) {
	policy, err := webhook.NewPolicy(g.config.WebhookPolicy, g.config.WebhookRetries, g.config.WebhookDelay)
	if err != nil {
		return err
	}
	g.deliverer, err = webhook.New(webhook.Config{
		Store: g.db, Grants: g.lease, HTTP: targets, Log: g.log, Policy: policy, Timeout: g.config.WebhookTimeout, Epoch: g.db.Epoch(),
		Agent: "Parley/" + version(), Observe: g.metrics, Trace: g.traces.webhooks,
	})
	return err
}

func (g *gateway) joinAPI(ctx context.Context, offered map[string]connector.Provider, targets *fetch.Client) error {
	key, err := g.db.SharedKey(ctx, "page_key")
	if err != nil {
		return err
	}
	specs := map[string]connector.Spec{}
	for name, p := range offered {
		specs[name] = p.Spec()
	}
	g.signin = signin.New(signin.Config{Store: g.db, Log: g.log, Send: func(ctx context.Context, url string, body []byte) error {
		return webhook.Once(ctx, targets, url, body)
	}})
	g.api = api.New(api.Config{
		Store: g.db, Files: g.files, Clients: g.sessions, Events: g.hub, Streaming: g.metrics.Streaming, Providers: specs, PageKey: key, Log: g.log, Observe: g.metrics.Request, Trace: g.traces.accepted,
		TestWebhook: func(ctx context.Context, url string) error { return webhook.Test(ctx, targets, url) },
		SignIn:      g.signin, Limit: g.config.RateLimit == "v2", MaxFile: g.config.MaxFile << 20,
	})
	if err := g.metrics.listen(g.config.MetricsListen, g.log); err != nil {
		return err
	}
	g.server = newServer(g.routes())
	g.drain = newDrain(g.server)
	return nil
}

// loggedOut hands the news of refused credentials from the outbox to the sessions.
func (g *gateway) loggedOut(ctx context.Context, id parley.ChannelID, generation int64, reason string) {
	if err := g.sessions.LoggedOut(ctx, id, generation, reason); err != nil {
		g.log.Warn("channel not disabled", "channel_id", id, "error", err)
	}
}

// A part is a service that runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
	stop context.CancelFunc
	done chan struct{}
}

// Run serves until ctx ends or something the gateway cannot do without is lost,
// and stops in order: listener, sessions, outbox, webhooks, lease, database.
func (g *gateway) Run(ctx context.Context) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	parts := []*part{
		{name: "lease", run: g.lease.Run}, {name: "webhooks", run: g.deliverer.Run}, {name: "events", run: g.hub.Run},
		{name: "hold", run: g.hold.Run}, {name: "outbox", run: g.outbox.Run}, {name: "files", run: g.files.Run}, {name: "sessions", run: g.sessions.Run},
		{name: "janitor", run: g.janitor.Run}, {name: "sign-in", run: g.signin.Run},
	}
	defer g.metrics.serve(lost)()
	for _, p := range parts {
		p.start(lost)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := g.server.Serve(g.listener); !errors.Is(err, http.ErrServerClosed) {
			lost(fmt.Errorf("serve: %w", err))
		}
	})
	err := g.listener.announce()
	if err != nil {
		lost(err)
	} else {
		g.notify(notifyReady)
		g.log.Info("ready", "address", g.listener.address(), "version", version())
		if g.config.ready != nil {
			g.config.ready(g.listener.address())
		}
	}
	<-ctx.Done()
	return g.stop(ctx, parts, &serving)
}

func (p *part) start(lost context.CancelCauseFunc) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.done = stop, make(chan struct{})
	go func() { // ends when stop waits for p.done
		defer close(p.done)
		if err := p.run(ctx); err != nil && ctx.Err() == nil {
			lost(fmt.Errorf("%s: %w", p.name, err))
		}
	}()
}

func (g *gateway) stop(ctx context.Context, parts []*part, serving *sync.WaitGroup) error {
	g.log.Info("stopping")
	g.notify(notifyStopping)
	begun := time.Now()
	g.listener.withdraw()
	g.hub.Stop() // those who wait for events would keep the others waiting
	quiet, cancel := context.WithTimeout(context.Background(), g.config.StopTimeout)
	defer cancel()
	if err := g.drain.stop(quiet, g.listener, serving); err != nil {
		g.log.Warn("requests given up", "error", err)
		_ = g.server.Close() // what Shutdown could not end
	}
	for n := len(parts) - 1; n >= 0; n-- {
		parts[n].stop()
		<-parts[n].done
	}
	g.inbox.Wait()
	err := g.close()
	g.log.Info("stopped", "took_ms", time.Since(begun).Milliseconds())
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return err
}

// close closes what newGateway opened, in reverse.
func (g *gateway) close() error {
	var errs []error
	g.traces.close()
	if g.listener != nil && g.server == nil {
		errs = append(errs, g.listener.Close())
	}
	if g.db != nil {
		errs = append(errs, g.db.Close())
	}
	if g.lock != nil {
		errs = append(errs, g.lock.release())
	}
	return errors.Join(errs...)
}
