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
	chat := w.say("Ann", "hello").chat
	for _, fault := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultGarbage,
		simulator.FaultCutBefore, simulator.FaultCutAfter, simulator.FaultThrottle} {
		for _, status := range []int{400, 401, 403, 404, 409, 500} {
			if fault == simulator.FaultStatus || status == 500 {
				w.failAll(chat, fault, status)
			}
		}
	}
	w.client = w.reopen("http://127.0.0.1:1") // where nothing listens
	w.everyCall(w.ctx, chat, func() {})
	w.client = w.reopen(w.base)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	w.everyCall(ctx, chat, func() {})
}

func (w *world) reopen(base string) connector.Client {
	w.Helper()
	c, err := w.suite.Provider.Open(w.ctx, w.channel, w.env(base))
	w.ok("Open", err)
	return c
}

func (w *world) failAll(chat string, fault simulator.FaultKind, status int) {
	w.Helper()
	w.everyCall(w.ctx, chat, func() {
		w.fault(fault, "status", strconv.Itoa(status), "times", "5")
	})
	w.control("DELETE", "faults", nil)
}

// everyCall makes each request that a client can, and notes how it fails.
func (w *world) everyCall(ctx context.Context, chat string, before func()) {
	w.Helper()
	calls := []func() error{
		func() error { _, err := w.client.Send(ctx, w.part(chat, "hello")); return err },
	}
	if c, ok := w.client.(connector.Verifier); ok {
		calls = append(calls, func() error { _, err := c.Verify(ctx); return err })
	}
	if c, ok := w.client.(connector.Subscriber); ok {
		address := w.base + "/callback/" + w.channel.Secrets[parley.SecretCallbackPath].Reveal()
		token := w.channel.Secrets[parley.SecretCallbackToken]
		calls = append(calls, func() error { return c.Subscribe(ctx, address, token) },
			func() error { return c.Unsubscribe(ctx) })
	}
	for _, call := range calls {
		before()
		if w.seen(call()) == nil {
			w.Error("a call succeeded in spite of a fault")
		}
	}
}
