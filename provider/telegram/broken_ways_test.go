package telegram_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

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
