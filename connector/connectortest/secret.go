package connectortest

import (
	"context"
	"strconv"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// traces makes every call fail in every way; the search for secrets comes with
// the end of the case, as with every other.
func traces(w *world) {
	m := w.collect()
	for _, fault := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultGarbage,
		simulator.FaultCutBefore, simulator.FaultCutAfter, simulator.FaultThrottle} {
		for _, status := range []int{400, 401, 403, 404, 409, 500} {
			if fault == simulator.FaultStatus || status == 500 {
				w.failAll(m, fault, status)
			}
		}
	}
	w.client = w.reopen("http://127.0.0.1:1") // where nothing listens
	w.everyCall(w.ctx, m, func() {})
	w.client = w.reopen(w.base)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	w.everyCall(ctx, m, func() {})
}

func (w *world) reopen(base string) connector.Client {
	w.Helper()
	c, err := w.suite.Provider.Open(w.ctx, w.channel, w.env(base))
	w.ok("Open", err)
	return c
}

func (w *world) failAll(m material, fault simulator.FaultKind, status int) {
	w.Helper()
	w.everyCall(w.ctx, m, func() {
		w.fault(fault, "status", strconv.Itoa(status), "times", "5")
	})
	w.control("DELETE", "faults", nil)
}

// A material is what the calls of a client are about.
type material struct {
	chat    string
	file    connector.File // the zero value if the client fetches none
	confirm string         // empty if it confirms nothing
}

// collect lets people do what the calls need.
func (w *world) collect() material {
	w.Helper()
	m := material{chat: w.say("Ann", "hello").chat}
	if w.suite.Fetch != nil {
		m.file, _ = w.received()
	}
	if b := w.suite.Buttons; b != nil && b.Answer != "" {
		heard, o := w.listen(), w.offer()
		w.press(o)
		m.confirm = w.pressed(heard, o, 1).Confirm
	}
	w.hush()
	return m
}

// everyCall makes each request that a client can, and notes how it fails.
func (w *world) everyCall(ctx context.Context, m material, before func()) {
	w.Helper()
	for _, call := range append(w.messageCalls(ctx, m), w.channelCalls(ctx)...) {
		before()
		if w.seen(call()) == nil {
			w.Error("a call succeeded in spite of a fault")
		}
	}
}

// messageCalls are those about messages and conversations.
func (w *world) messageCalls(ctx context.Context, m material) []func() error {
	w.Helper()
	calls := []func() error{
		func() error { _, err := w.client.Send(ctx, w.part(m.chat, "hello")); return err },
	}
	if w.suite.Files != nil {
		calls = append(calls, func() error { _, err := w.client.Send(ctx, w.filePart(m.chat, "hello")); return err })
	}
	if c, ok := w.client.(connector.Fetcher); ok {
		calls = append(calls, func() error { _, err := c.Fetch(ctx, attachmentOf(m.file)); return err })
	}
	if c, ok := w.client.(connector.Profiler); ok {
		calls = append(calls, func() error { _, err := c.Profile(ctx, connector.Chat{ID: m.chat}); return err })
	}
	if c, ok := w.client.(connector.Confirmer); ok {
		calls = append(calls, func() error { return c.Confirm(ctx, m.confirm) })
	}
	return calls
}

// channelCalls are those about the channel itself.
func (w *world) channelCalls(ctx context.Context) []func() error {
	var calls []func() error
	if c, ok := w.client.(connector.Verifier); ok {
		calls = append(calls, func() error { _, err := c.Verify(ctx); return err })
	}
	if c, ok := w.client.(connector.Subscriber); ok {
		address := w.base + "/callback/" + w.channel.Secrets[parley.SecretCallbackPath].Reveal()
		token := w.channel.Secrets[parley.SecretCallbackToken]
		calls = append(calls, func() error { return c.Subscribe(ctx, address, token) },
			func() error { return c.Unsubscribe(ctx) })
	}
	return calls
}
