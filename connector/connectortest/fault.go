package connectortest

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

func (s Suite) faultCases() []check {
	cases := []check{
		{"cancelled before", true, cancelledBefore},
		{"nobody listens", true, nobodyListens},
		{"cancelled while slow", true, stopsDuring(simulator.FaultSlow, context.Canceled)},
		{"cancelled while late", true, stopsDuring(simulator.FaultLate, context.Canceled)},
		{"deadline while slow", true, stopsDuring(simulator.FaultSlow, context.DeadlineExceeded)},
		{"deadline while late", true, stopsDuring(simulator.FaultLate, context.DeadlineExceeded)},
	}
	for _, f := range s.callFaults() {
		cases = append(cases, check{f.name, true, f.run})
	}
	return cases
}

// A callFault is one thing that goes wrong with a send, and what it must be
// called.
type callFault struct {
	name     string
	kind     simulator.FaultKind
	params   []string
	want     parley.Kind // empty: it must succeed
	accepted int         // messages at the provider afterwards
	part     func(w *world, chat, text string) connector.Part
}

func (s Suite) callFaults() []callFault {
	faults := []callFault{
		{"throttled", simulator.FaultThrottle, []string{"retry_after", "7"}, parley.KindThrottled, 0, (*world).part},
		{"html", simulator.FaultHTML, nil, s.serverError(), 0, (*world).part},
		{"garbage", simulator.FaultGarbage, nil, parley.KindUncertain, 0, (*world).part},
		{"cut before", simulator.FaultCutBefore, nil, parley.KindUncertain, 0, (*world).part},
		{"cut after", simulator.FaultCutAfter, nil, parley.KindUncertain, 1, (*world).part},
		{"slow", simulator.FaultSlow, []string{"delay_ms", "20"}, "", 1, (*world).part},
		{"late", simulator.FaultLate, []string{"delay_ms", "20"}, "", 1, (*world).part},
	}
	for _, status := range []int{500, 502, 503, 504} {
		code := strconv.Itoa(status)
		faults = append(faults, callFault{"status " + code, simulator.FaultStatus, []string{"status", code}, s.serverError(), 0, (*world).part})
	}
	return faults
}

// run also sends before and after on the same client: a kept connection that
// breaks must not hide what happened, and a failure must leave no trace.
func (f callFault) run(w *world) {
	chat := w.say("Ann", "hello").chat
	w.delivered(w.part(chat, "before"))
	w.fault(f.kind, f.params...)
	_, err := w.send(w.ctx, f.part(w, chat, "meanwhile"))
	w.has("Send", err, f.want)
	if wait := retryAfter(err); f.kind == simulator.FaultThrottle && wait != 7*time.Second {
		w.Errorf("Send: got a wait of %v, want 7s", wait)
	}
	w.delivered(f.part(w, chat, "after"))
	w.once(f.accepted)
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// once checks that the text "meanwhile" was accepted as often as it may have
// been, every other exactly once.
func (w *world) once(meanwhile int) {
	w.Helper()
	count := map[string]int{}
	for _, s := range w.sent() {
		count[s.Text]++
	}
	want := map[string]int{"before": 1, "meanwhile": meanwhile, "after": 1}
	for text, n := range want {
		if count[text] != n {
			w.Errorf("the provider accepted %q %d times, want %d", text, count[text], n)
		}
	}
}

// certainlyNot checks an error that says for certain that nothing was sent.
func (w *world) certainlyNot(err error) {
	w.Helper()
	w.has("Send", err, parley.KindUnavailable)
	if list := w.sent(); len(list) != 0 {
		w.Errorf("the provider accepted %v, want nothing", texts(list))
	}
}

func cancelledBefore(w *world) {
	chat := w.say("Ann", "hello").chat
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	_, err := w.send(ctx, w.part(chat, "meanwhile"))
	w.certainlyNot(err)
	if !parley.Interrupted(err) {
		w.Errorf("Send: got %v, want an error that shows context.Canceled", err)
	}
}

// nobodyListens: a connection that is refused is certain.
func nobodyListens(w *world) {
	chat := w.say("Ann", "hello").chat
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	w.ok("listen", err)
	w.ok("close", closed.Close())
	p := w.part(chat, "meanwhile")
	w.client, err = w.suite.Provider.Open(w.ctx, w.channel, w.env("http://"+closed.Addr().String()))
	w.ok("Open", err)
	_, err = w.send(w.ctx, p)
	w.certainlyNot(err)
}

// stopsDuring ends the context of a Send once the provider has the request. The
// answer is on its way or not, and the error has to say that it cannot know.
func stopsDuring(kind simulator.FaultKind, why error) func(*world) {
	return stops(kind, why, (*world).part)
}

func stops(kind simulator.FaultKind, why error, part func(w *world, chat, text string) connector.Part) func(*world) {
	return func(w *world) {
		chat := w.say("Ann", "hello").chat
		w.delivered(w.part(chat, "before"))
		w.fault(kind, "delay_ms", delayOf(kind))
		ctx, end := ending(w.ctx, why)
		before := w.calls.Total()
		failed := w.sendAside(ctx, part(w, chat, "meanwhile"))
		w.untilTaken(kind, before)
		end()
		err := <-failed
		w.has("Send", err, parley.KindUncertain)
		if parley.Interrupted(err) != (why == context.Canceled) {
			w.Errorf("Send ended by %v: got %v, which parley.Interrupted judges wrongly", why, err)
		}
		w.accepted(1, 20) // a slow one is accepted only now
		w.delivered(w.part(chat, "after"))
		w.once(1)
	}
}

// delayOf is how long the fault lasts: a late answer never comes in time.
func delayOf(kind simulator.FaultKind) string {
	if kind == simulator.FaultLate {
		return "600000"
	}
	return "300"
}

func (w *world) sendAside(ctx context.Context, p connector.Part) <-chan error {
	failed := make(chan error, 1)
	go func() {
		_, err := w.send(ctx, p)
		failed <- err
	}()
	return failed
}

// untilTaken waits until the request is at the provider; a late one, until it was
// accepted too.
func (w *world) untilTaken(kind simulator.FaultKind, before uint64) {
	w.Helper()
	await(w, "request", w.calls, before)
	if kind == simulator.FaultLate && len(w.accepted(1, 20)) != 1 {
		w.Fatal("the provider did not accept the message")
	}
}

// An ended context ends by a signal with the error given, where a deadline would
// need a clock.
type ended struct {
	context.Context
	done chan struct{}
	why  error
}

// ending returns a context and what ends it.
func ending(parent context.Context, why error) (context.Context, func()) {
	e := &ended{parent, make(chan struct{}), why}
	return e, func() { close(e.done) }
}

// Done is closed by the signal alone.
func (e *ended) Done() <-chan struct{} { return e.done }

// Err is nil until the signal.
func (e *ended) Err() error {
	select {
	case <-e.done:
		return e.why
	default:
		return nil
	}
}
