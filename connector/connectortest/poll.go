package connectortest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func (s Suite) pollCases() []check {
	return []check{
		{"texts", true, pollTexts},
		{"store down", true, pollWhileDown},
		{"stopped before storing", true, pollStopped},
		{"stop", true, pollStop},
		{"revoked", true, pollRevoked},
		{"revoked before", true, pollRevokedBefore},
		{"second poller", true, pollTwo},
	}
}

func (s Suite) bothCases() []check {
	return []check{
		{"same identities", true, sameIdentities},
		{"switching", true, switching},
	}
}

// A running is one Run of a client.
type running struct {
	world *world
	stop  context.CancelFunc
	ended chan error
}

// run starts the client's Run in the background. The case ends it by wait.
func (w *world) run(c connector.Client, s connector.Sink) *running {
	w.Helper()
	runner, ok := c.(connector.Runner)
	if !ok {
		w.Fatal("the client is no connector.Runner")
	}
	ctx, stop := context.WithCancel(w.ctx)
	r := &running{w, stop, make(chan error, 1)}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.ended <- runner.Run(ctx, s)
	}()
	w.Cleanup(func() { stop(); <-gone })
	return r
}

// soon is how fast Run has to come back.
const soon = time.Second

// halt stops Run and checks how it comes back.
func (r *running) halt() {
	r.world.Helper()
	start := time.Now()
	r.stop()
	r.world.ok("Run, stopped", r.wait())
	if took := time.Since(start); took > soon {
		r.world.Errorf("Run took %v to stop, want at most %v", took, soon)
	}
}

// wait waits until Run returns by itself.
func (r *running) wait() error {
	r.world.Helper()
	select {
	case err := <-r.ended:
		return r.world.seen(err)
	case <-r.world.ctx.Done():
		r.world.Fatal("Run did not return")
		return nil
	}
}

func pollTexts(w *world) {
	s, before := newStore(), w.say("Ann", "before")
	r := w.run(w.client, s)
	w.wants(w.distinct(s, 1)[0], before, connector.Message{Text: "before"})
	for i, text := range plain {
		done := w.say("Ann", text)
		e := w.distinct(s, i+2)[i+1]
		got, _ := e.What.(connector.Message)
		w.wants(e, done, connector.Message{Text: text, Payload: got.Payload})
	}
	r.halt()
	if got, want := len(s.all()), len(plain)+1; got != want {
		w.Errorf("got %d events of %d messages, want each once", got, want)
	}
}

// pollWhileDown: what was not stored comes again, and before what follows it.
func pollWhileDown(w *world) {
	s := newStore()
	s.fails = 1
	want := []string{"a", "b", "c", "d"}
	for _, text := range want[:3] {
		w.say("Ann", text)
	}
	r := w.run(w.client, s)
	w.tried(s)
	w.say("Ann", want[3])
	if got := heard(w.distinct(s, 4)); !slices.Equal(got, want) {
		w.Errorf("got %q, want %q", got, want)
	}
	r.halt()
}

// tried waits until Emit has failed once more.
func (w *world) tried(s *store) {
	w.Helper()
	select {
	case <-s.failed:
	case <-w.ctx.Done():
		w.Fatal("Run did not try again to store what was not stored")
	}
}

// pollStopped: a node that dies before it has stored leaves all to the next one.
func pollStopped(w *world) {
	want := []string{"a", "b", "c"}
	for _, text := range want {
		w.say("Ann", text)
	}
	dying := newStore()
	dying.fails = 1000
	r := w.run(w.client, dying)
	w.tried(dying)
	w.tried(dying)
	r.halt()
	s := newStore()
	next := w.run(w.open(w.channel), s)
	if got := heard(w.distinct(s, 3)); !slices.Equal(got, want) {
		w.Errorf("got %q, want %q", got, want)
	}
	next.halt()
}

// A hook is a store that tells how many requests had been made when it stored.
type hook struct {
	*store
	calls func() uint64
	made  chan uint64
}

// Emit stores first.
func (h hook) Emit(ctx context.Context, events ...connector.Event) error {
	err := h.store.Emit(ctx, events...)
	h.made <- h.calls()
	return err
}

// pollStop stops a Run that waits for news, and one that has not begun.
func pollStop(w *world) {
	h := hook{newStore(), w.calls.Total, make(chan uint64, 1000)}
	r := w.run(w.client, h)
	w.say("Ann", "hello")
	await(w, "poll", w.calls, <-h.made) // it asks for more, of which there is none
	r.halt()
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	w.ok("Run with an ended context", w.client.(connector.Runner).Run(ctx, h))
}

func pollRevoked(w *world) {
	s := newStore()
	r := w.run(w.client, s)
	w.say("Ann", "hello")
	w.distinct(s, 1)
	w.post("revoke", values("account", w.account))
	w.has("Run after the credentials were revoked", r.wait(), parley.KindLoggedOut)
}

func pollRevokedBefore(w *world) {
	w.post("revoke", values("account", w.account))
	w.has("Run with revoked credentials", w.run(w.client, newStore()).wait(), parley.KindLoggedOut)
}

// pollTwo: two nodes that poll at once, as after a lease was lost, may disturb
// each other and lose nothing; the one that is left goes on.
func pollTwo(w *world) {
	s := newStore()
	first := w.run(w.client, s)
	w.say("Ann", "message 0")
	w.distinct(s, 1)
	before := w.calls.Total()
	second := w.run(w.open(w.channel), s)
	await(w, "request of the second", w.calls, before+1) // it clears the way and polls
	want := []string{"message 0"}
	for i := range 3 {
		want = append(want, fmt.Sprintf("message %d", i+1))
		w.say("Ann", want[i+1])
		w.distinct(s, i+2)
	}
	second.halt()
	want = append(want, "alone")
	w.say("Ann", "alone")
	if diff := cmp.Diff(want, heard(w.distinct(s, len(want)))); diff != "" {
		w.Errorf("texts (-want +got):\n%s", diff)
	}
	first.halt()
}

// A step is one thing a person does, in a case that hears of it both ways.
type step struct {
	needed bool
	do     func(first said)
}

// sameIdentities: an event that was refused as a callback and is then polled is
// the same event, whatever it is.
func sameIdentities(w *world) {
	r, s := w.receiver(), newStore()
	polled := func(e connector.Event) bool { return slices.Contains(w.identities(s.all()), w.identity(e)) }
	r.refuse(func(e connector.Event) bool { return !polled(e) })
	var first said
	can := w.suite.Can
	steps := []step{
		{true, func(said) { first = w.say("Ann", "hello") }},
		{can.Edits, func(f said) { w.act("edit", "Ann", "message_id", f.message, "text", "hello!") }},
		{can.Replies, func(f said) { w.act("say", "Ann", "text", "a reply", "reply_to", f.message) }},
		{can.Starts, func(said) { w.act("start", "Ann", "payload", "order-42") }},
		{w.suite.features()["document"], func(said) { w.says(w.saying("document"), "Ann", 1) }},
		{w.suite.features()["venue"], func(said) { w.says(w.saying("venue"), "Ann", 1) }},
		{can.Blocks, func(said) { w.act("block", "Ann") }},
		{can.Blocks, func(said) { w.act("unblock", "Ann") }},
	}
	n := 0
	for _, st := range steps {
		if st.needed {
			n++
			w.bothWays(r, s, n, func() { st.do(first) })
		}
	}
	if diff := cmp.Diff(w.calledBack(r), w.unique(s.all())); diff != "" {
		w.Errorf("events (-called back +polled):\n%s", diff)
	}
}

// bothWays lets something happen that comes as a callback, which is refused, and
// then by a poll.
func (w *world) bothWays(r *receiver, s *store, n int, do func()) {
	w.Helper()
	w.subscribe(r)
	do()
	for len(w.calledBack(r)) < n {
		await(w, "callback", r.attempts, r.attempts.Total())
	}
	w.ok("Unsubscribe", w.subscriber().Unsubscribe(w.ctx))
	run := w.run(w.client, s)
	w.distinct(s, n)
	run.halt()
}

// calledBack is what was decoded from callbacks, stored or not.
func (w *world) calledBack(r *receiver) []connector.Event {
	var out []connector.Event
	for _, a := range r.attempts.After(0, 100_000, nil) {
		out = append(out, a.events...)
	}
	return w.unique(out)
}

func (w *world) identities(events []connector.Event) []identity {
	var out []identity
	for _, e := range events {
		out = append(out, w.identity(e))
	}
	return out
}

// switching from callbacks to polling and back loses nothing of what is said at
// any moment, and keeps the order.
func switching(w *world) {
	s := newStore()
	r := w.receiver()
	r.store = s
	w.subscribe(r)
	w.say("Ann", "called back")
	w.distinct(s, 1)
	r.refuse(func(connector.Event) bool { return true })
	w.say("Ann", "refused")
	run := w.run(w.client, s)
	w.distinct(s, 2)
	w.say("Ann", "polled")
	w.distinct(s, 3)
	run.halt()
	w.say("Ann", "between")
	r.refuse(nil)
	w.subscribe(r)
	w.say("Ann", "called back again")
	want := []string{"called back", "refused", "polled", "between", "called back again"}
	if diff := cmp.Diff(want, heard(w.distinct(s, len(want)))); diff != "" {
		w.Errorf("texts (-want +got):\n%s", diff)
	}
}
