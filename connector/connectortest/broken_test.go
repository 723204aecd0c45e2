package connectortest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/connector/connectortest"
	"github.com/parley-im/parley/provider/telegram"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
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
	connectortest.Suite{
		Provider: broken{telegram.New(), breaks[how]},
		Simulator: func(log *slog.Logger) simulator.Simulator {
			return telegramsim.New(telegramsim.Options{Local: true, Log: log, RetryBase: time.Millisecond})
		},
		Credentials: func(account connectortest.Answer) map[string]parley.Secret {
			return map[string]parley.Secret{"token": parley.Secret(account["token"])}
		},
		Nobody: "4503599627370495",
		Can: connectortest.Abilities{Verify: true, Callback: true, Poll: true, Replies: true, Edits: true,
			Blocks: true, Starts: true},
		Patience: 5 * time.Second,
	}.Run(t)
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
}

func sends(change func(error) error) func(*client, context.Context, connector.Part) (connector.Sent, error) {
	return func(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
		s, err := c.Client.Send(ctx, p)
		if err != nil {
			err = change(err)
		}
		return s, err
	}
}

func renames(from, to parley.Kind) func(error) error {
	return func(err error) error {
		if parley.KindOf(err) == from {
			return &parley.Error{Kind: to, Message: "renamed", Err: err}
		}
		return err
	}
}

func events(change func(*connector.Event)) func(*client, connector.Callback) ([]connector.Event, error) {
	return func(c *client, cb connector.Callback) ([]connector.Event, error) {
		events, _, err := c.Receiver.Receive(context.Background(), cb)
		for i := range events {
			change(&events[i])
		}
		return events, err
	}
}

const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

func resend(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	s, err := c.Client.Send(ctx, p)
	if parley.KindOf(err) == parley.KindUncertain {
		s, err = c.Client.Send(ctx, p)
	}
	return s, err
}

func believe(c *client, cb connector.Callback) ([]connector.Event, error) {
	cb.Header = cb.Header.Clone()
	if cb.Header == nil {
		cb.Header = map[string][]string{}
	}
	cb.Header.Set(secretHeader, c.ch.Secrets[parley.SecretCallbackToken].Reveal())
	events, _, err := c.Receiver.Receive(context.Background(), cb)
	return events, err
}

func despair(c *client, cb connector.Callback) ([]connector.Event, error) {
	events, _, err := c.Receiver.Receive(context.Background(), cb)
	if err == nil && events[0].What.Kind() == "unknown" {
		err = parley.Errorf(parley.KindInvalid, "this is no update")
	}
	return events, err
}

func shout(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	c.log.Info("sending", "token", c.ch.Secrets["token"].Reveal())
	return c.Client.Send(ctx, p)
}

func tell(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	s, err := c.Client.Send(ctx, p)
	if err != nil {
		err = &parley.Error{Kind: parley.KindOf(err), Message: "POST /bot" + c.ch.Secrets["token"].Reveal()}
	}
	return s, err
}

func twoTimes(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	if s, err := c.Client.Send(ctx, p); err != nil {
		return s, err
	}
	return c.Client.Send(ctx, p)
}

func lose(s connector.Sink, ctx context.Context, events []connector.Event) error {
	_ = s.Emit(ctx, events...)
	return nil
}

func skip(s connector.Sink, ctx context.Context, events []connector.Event) error {
	return s.Emit(ctx, events[len(events)-1:]...)
}

func drop(connector.Sink, context.Context, []connector.Event) error { return nil }

// strict passes over what has something new in it.
func strict(c *client, cb connector.Callback) ([]connector.Event, error) {
	events, _, err := c.Receiver.Receive(context.Background(), cb)
	if strings.Contains(string(cb.Body), "unheard_of") {
		events = nil
	}
	return events, err
}

func alike(e *connector.Event) {
	if kind := e.What.Kind(); kind == "blocked" || kind == "unblocked" {
		e.ID, e.Version = "1", ""
	}
}

func fresh(e *connector.Event)     { e.ID = strconv.FormatInt(rand.Int64(), 10) }
func unversion(e *connector.Event) { e.Version = "" }

func unplaced(e *connector.Event) { e.Chat.ID = "1" }

func quiet(e *connector.Event) {
	if m, is := e.What.(connector.Message); is {
		m.Payload, m.ReplyTo = "", ""
		e.What = m
	}
}

func anyone(a connector.Account, err error) (connector.Account, error) {
	return connector.Account{ID: "1"}, nil
}

func suspicious(a connector.Account, err error) (connector.Account, error) {
	return a, renames(parley.KindUnavailable, parley.KindLoggedOut)(err)
}

func interrupted(_ error, ctx context.Context) error { return ctx.Err() }

var breaks = map[string]breakage{
	"nothing":          {noticed: "send/reply"},
	"spec":             {noticed: "spec/facts", spec: func(s *connector.Spec) { s.MaxBody = 0 }},
	"verifies all":     {noticed: "verify/revoked", verify: anyone},
	"other account":    {noticed: "verify/right", verify: anyone},
	"believes faults":  {noticed: "verify/not known yet", verify: suspicious},
	"changes text":     {noticed: "send/texts", plan: func(p *connector.Part) { p.Text = strings.ToUpper(p.Text) }},
	"cuts text":        {noticed: "send/long text", plan: func(p *connector.Part) { p.Text = p.Text[:len(p.Text)/2] }},
	"one key":          {noticed: "send/plan", plan: func(p *connector.Part) { p.Key = "k" }},
	"no reply":         {noticed: "send/reply", plan: func(p *connector.Part) { p.Index++ }},
	"sends twice":      {noticed: "send/many at once", send: twoTimes},
	"resends":          {noticed: "fault/cut after", send: resend},
	"resends late":     {noticed: "fault/cut before", send: resend},
	"too sure":         {noticed: "fault/cut after", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if late": {noticed: "fault/deadline while late", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if slow": {noticed: "fault/cancelled while slow", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"unsure":           {noticed: "fault/nobody listens", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"unsure at 500":    {noticed: "fault/status 500", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"never began": {noticed: "fault/cancelled before",
		send: sends(func(err error) error { return parley.Errorf(parley.KindOf(err), "cause dropped") })},
	"forgets the wait": {noticed: "fault/throttled",
		send: sends(func(err error) error { return parley.Errorf(parley.KindOf(err), "wait") })},
	"no strangers":  {noticed: "send/stranger", send: sends(renames(parley.KindUnreachable, parley.KindUnavailable))},
	"knows all":     {noticed: "send/unknown chat", send: sends(renames(parley.KindUnreachable, parley.KindUnavailable))},
	"tries on":      {noticed: "send/refused text", send: sends(renames(parley.KindRejected, parley.KindUnavailable))},
	"hears garbage": {noticed: "fault/garbage", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"late login":    {noticed: "poll/revoked before", run: interrupted},
	"gives up":      {noticed: "send/blocked", send: sends(renames(parley.KindUnreachable, parley.KindRejected))},
	"tells secrets": {noticed: "secrets/traces", send: tell},
	"logs secrets":  {noticed: "secrets/traces", send: shout},
	"any secret":    {noticed: "callback/wrong secret", receive: believe},
	"no secret":     {noticed: "callback/without secret", receive: believe},
	"no garbage":    {noticed: "callback/garbage", receive: despair},
	"fresh ids":     {noticed: "callback/twice", receive: events(fresh)},
	"one edit":      {noticed: "callback/edits", receive: events(unversion)},
	"other chat":    {noticed: "callback/texts", receive: events(unplaced)},
	"one block":     {noticed: "callback/blocks", receive: events(alike)},
	"strict":        {noticed: "callback/unknown fields", receive: strict},
	"drops news":    {noticed: "callback/unknown kind", receive: strict},
	"never asks":    {noticed: "callback/subscribe again", join: func() error { return nil }},
	"always sure":   {noticed: "callback/subscribe fails", join: func() error { return nil }},
	"deaf":          {noticed: "poll/texts", emit: drop},
	"no payload":    {noticed: "callback/start", receive: events(quiet)},
	"no parent":     {noticed: "callback/reply", receive: events(quiet)},
	"two versions":  {noticed: "both/same identities", receive: events(unversion)},
	"stays":         {noticed: "callback/unsubscribe", leave: func() error { return nil }},
	"loses":         {noticed: "poll/store down", emit: lose},
	"loses at stop": {noticed: "poll/stopped before storing", emit: lose},
	"skips":         {noticed: "poll/store down", emit: skip},
	"fails at stop": {noticed: "poll/stop", run: interrupted},
	"never ends":    {noticed: "poll/revoked", run: interrupted},
}

type broken struct {
	connector.Provider
	breakage
}

func (b broken) Spec() connector.Spec {
	s := b.Provider.Spec()
	if b.spec != nil {
		b.spec(&s)
	}
	return s
}

func (b broken) Open(ctx context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	c, err := b.Provider.Open(ctx, ch, env)
	if err != nil {
		return nil, err
	}
	return &client{Client: c, Verifier: c.(connector.Verifier), Receiver: c.(connector.Receiver),
		Runner: c.(connector.Runner), Subscriber: c.(connector.Subscriber), how: b.breakage, ch: ch, log: env.Log}, nil
}

type client struct {
	connector.Client
	connector.Verifier
	connector.Receiver
	connector.Runner
	connector.Subscriber
	how breakage
	ch  *parley.Channel
	log *slog.Logger
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
