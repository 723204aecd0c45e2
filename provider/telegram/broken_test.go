package telegram_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/connector/connectortest"
	"github.com/parley-im/parley/provider/telegram"
)

// brokenEnv names the way in which TestBroken breaks the provider, in a process
// whose failure is what TestSuiteFails looks for.
const brokenEnv = "CONNECTORTEST_BROKEN"

// TestSuiteFails breaks a good provider in one way after the other and wants the
// suite to notice, in the case that is about it.
func TestSuiteFails(t *testing.T) {
	t.Parallel()
	if os.Getenv(brokenEnv) != "" {
		t.Skip("this is the broken process")
	}
	if testing.Short() {
		t.Skip("starts a process for each breakage")
	}
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestBroken$/^"+strings.ReplaceAll(b.noticed, "/", "$/^")+"$")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if want := "--- FAIL: TestBroken/" + strings.ReplaceAll(b.noticed, " ", "_"); (err == nil) != (name == "nothing") || err != nil && !strings.Contains(string(out), want) {
				t.Errorf("got error %v, want %q in:\n%s", err, want, out)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	how := os.Getenv(brokenEnv)
	if how == "" {
		t.Skip("only in a process of TestSuiteFails")
	}
	b := breaks[how]
	s := suite(broken{telegram.New(), b, &atomic.Int64{}})
	s.Patience = 5 * time.Second
	if b.suite != nil {
		b.suite(&s)
	}
	s.Run(t)
}

// A breakage replaces some of what a provider does; nil leaves it alone.
type breakage struct {
	noticed string // the case that fails
	spec    func(*connector.Spec)
	plan    func(*connector.Part)
	send    func(*client, context.Context, connector.Part) (connector.Sent, error)
	verify  func(connector.Account, error) (connector.Account, error)
	receive func(*client, connector.Callback) ([]connector.Event, error)
	emit    func(connector.Sink, context.Context, []connector.Event) error
	run     func(error, context.Context) error
	join    func() error
	leave   func() error
	suite   func(*connectortest.Suite)
	files   func(io.ReadCloser) io.ReadCloser
	fetch   func(*client, context.Context, *parley.Attachment) (connector.Fetched, error)
	profile func(connector.Profile, error) (connector.Profile, error)
	confirm func(*client, context.Context, string) error
	trusts  bool // every header
}

type broken struct {
	connector.Provider
	breakage
	opened *atomic.Int64
}

func (b broken) Spec() connector.Spec {
	s := b.Provider.Spec()
	if b.spec != nil {
		b.spec(&s)
	}
	return s
}

func (b broken) Open(ctx context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	if b.files != nil {
		env.Files = shelf{env.Files, b.files}
	}
	c, err := b.Provider.Open(ctx, ch, env)
	if err != nil {
		return nil, err
	}
	return &client{Client: c, Verifier: c.(connector.Verifier), Receiver: c.(connector.Receiver),
		Runner: c.(connector.Runner), Subscriber: c.(connector.Subscriber), Authenticator: c.(connector.Authenticator),
		Fetcher: c.(connector.Fetcher), Profiler: c.(connector.Profiler), Confirmer: c.(connector.Confirmer),
		how: b.breakage, ch: ch, env: env, log: env.Log, number: b.opened.Add(1)}, nil
}

// A shelf changes the files that are sent.
type shelf struct {
	connector.Files
	change func(io.ReadCloser) io.ReadCloser
}

func (s shelf) Open(ctx context.Context, a *parley.Attachment) (io.ReadCloser, int64, error) {
	r, n, err := s.Files.Open(ctx, a)
	if err == nil {
		r = s.change(r)
	}
	return r, n, err
}

type client struct {
	connector.Client
	connector.Verifier
	connector.Receiver
	connector.Runner
	connector.Subscriber
	connector.Authenticator
	connector.Fetcher
	connector.Profiler
	connector.Confirmer
	how    breakage
	ch     *parley.Channel
	env    connector.Env
	log    *slog.Logger
	number int64 // of this client, from 1

	confirmed sync.Map // ids that were confirmed
}

func (c *client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("client")) }

func (c *client) MarshalJSON() ([]byte, error) { return []byte(`"client"`), nil }

func (c *client) Plan(m *parley.Message) ([]connector.Part, error) {
	parts, err := c.Client.Plan(m)
	for i := range parts {
		if c.how.plan != nil {
			c.how.plan(&parts[i])
		}
	}
	return parts, err
}

func (c *client) Send(ctx context.Context, p connector.Part) (connector.Sent, error) {
	if c.how.send != nil {
		return c.how.send(c, ctx, p)
	}
	return c.Client.Send(ctx, p)
}

func (c *client) Verify(ctx context.Context) (connector.Account, error) {
	a, err := c.Verifier.Verify(ctx)
	if c.how.verify != nil {
		return c.how.verify(a, err)
	}
	return a, err
}

func (c *client) Receive(ctx context.Context, cb connector.Callback) ([]connector.Event, connector.Reply, error) {
	if c.how.receive == nil {
		return c.Receiver.Receive(ctx, cb)
	}
	events, err := c.how.receive(c, cb)
	return events, connector.Reply{}, err
}

func (c *client) Authenticate(h http.Header) error {
	if c.how.trusts {
		return nil
	}
	return c.Authenticator.Authenticate(h)
}

func (c *client) Fetch(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	if c.how.fetch != nil {
		return c.how.fetch(c, ctx, a)
	}
	return c.Fetcher.Fetch(ctx, a)
}

func (c *client) Profile(ctx context.Context, chat connector.Chat) (connector.Profile, error) {
	p, err := c.Profiler.Profile(ctx, chat)
	if c.how.profile != nil {
		return c.how.profile(p, err)
	}
	return p, err
}

func (c *client) Confirm(ctx context.Context, id string) error {
	if c.how.confirm != nil {
		return c.how.confirm(c, ctx, id)
	}
	return c.Confirmer.Confirm(ctx, id)
}

func (c *client) Run(ctx context.Context, s connector.Sink) error {
	if c.how.emit != nil {
		s = sink{s, c.how.emit}
	}
	err := c.Runner.Run(ctx, s)
	if c.how.run != nil {
		return c.how.run(err, ctx)
	}
	return err
}

func (c *client) Subscribe(ctx context.Context, address string, token parley.Secret) error {
	if c.how.join != nil {
		return c.how.join()
	}
	return c.Subscriber.Subscribe(ctx, address, token)
}

func (c *client) Unsubscribe(ctx context.Context) error {
	if c.how.leave != nil {
		return c.how.leave()
	}
	return c.Subscriber.Unsubscribe(ctx)
}

type sink struct {
	connector.Sink
	emit func(connector.Sink, context.Context, []connector.Event) error
}

func (s sink) Emit(ctx context.Context, events ...connector.Event) error {
	return s.emit(s.Sink, ctx, events)
}
