package connectortest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

func (s Suite) callbackCases() []check {
	return []check{
		{"texts", true, receiveTexts},
		{"reply", s.Can.Replies, receiveReply},
		{"edits", s.Can.Edits, receiveEdits},
		{"blocks", s.Can.Blocks, receiveBlocks},
		{"start", s.Can.Starts, receiveStart},
		{"twice", true, receiveTwice},
		{"reordered", true, receiveReordered},
		{"wrong secret", true, receiveWrongSecret},
		{"without secret", true, receiveWithoutSecret},
		{"garbage", true, receiveGarbage},
		{"unknown fields", true, receiveUnknownFields},
		{"unknown kind", true, receiveUnknownKind},
		{"store down", true, receiveWhileDown},
		{"subscribe again", true, subscribeAgain},
		{"subscribe elsewhere", true, subscribeElsewhere},
		{"subscribe fails", true, subscribeFails},
		{"unsubscribe", true, unsubscribe},
	}
}

// wants checks an event against what a person did.
func (w *world) wants(e connector.Event, s said, what connector.What) {
	w.Helper()
	if e.ID != s.message || e.Chat.ID != s.chat || e.Chat.Group {
		w.Errorf("event %q in chat %+v, want %q in %q, no group", e.ID, e.Chat, s.message, s.chat)
	}
	if diff := cmp.Diff(what, w.plainWhat(e.What)); diff != "" {
		w.Errorf("event (-want +got):\n%s", diff)
	}
	if s.date != 0 && !e.At.IsZero() && !e.At.Equal(time.Unix(s.date, 0)) {
		w.Errorf("event at %v, want %v", e.At, time.Unix(s.date, 0).UTC())
	}
	if len(e.Raw) == 0 {
		w.Error("event has no raw bytes")
	}
}

func receiveTexts(w *world) {
	r := w.subscribed()
	for i, text := range plain {
		s := w.say("Ann", text)
		e := w.distinct(r.store, i+1)[i]
		got, _ := e.What.(connector.Message)
		w.wants(e, s, connector.Message{Text: text, Payload: got.Payload})
		if e.From.ID == "" || e.From.Name != "Ann" {
			w.Errorf("from %+v, want Ann with an id", e.From)
		}
	}
}

func receiveReply(w *world) {
	r := w.subscribed()
	first := w.say("Ann", "a question")
	w.distinct(r.store, 1)
	sent := w.delivered(w.part(first.chat, "an answer"))
	s := w.act("say", "Ann", "text", "thanks", "reply_to", sent.ProviderID)
	w.wants(w.distinct(r.store, 2)[1], s, connector.Message{Text: "thanks", ReplyTo: sent.ProviderID})
}

// receiveEdits: every edit is one event about the same message.
func receiveEdits(w *world) {
	r := w.subscribed()
	first := w.say("Ann", "helo")
	w.distinct(r.store, 1)
	for i, text := range []string{"hello", "hello!", "hello"} {
		s := w.act("edit", "Ann", "message_id", first.message, "text", text)
		s.message = first.message
		w.wants(w.distinct(r.store, i+2)[i+1], s, connector.Edit{Text: text})
	}
}

// receiveBlocks: each block and each unblock is an event of its own, however fast.
func receiveBlocks(w *world) {
	r := w.subscribed()
	chat := w.say("Ann", "hello").chat
	w.distinct(r.store, 1) // providers need not keep the order of messages and blocks
	for i := range 4 {
		verb, want := "block", connector.What(connector.Blocked{})
		if i%2 == 1 {
			verb, want = "unblock", connector.Unblocked{}
		}
		w.act(verb, "Ann")
		e := w.distinct(r.store, i+2)[i+1]
		if e.What != want || e.Chat.ID != chat || e.From.Name != "Ann" {
			w.Errorf("%s: got %s by %+v in chat %q, want %s by Ann in %q", verb, e.What.Kind(), e.From, e.Chat.ID, want.Kind(), chat)
		}
	}
}

func receiveStart(w *world) {
	r := w.subscribed()
	for i, payload := range []string{"order-42", ""} {
		s := w.act("start", "Ann", "payload", payload)
		e := w.distinct(r.store, i+1)[i]
		got, _ := e.What.(connector.Message)
		if got.Payload != payload || got.Text == "" || e.ID != s.message {
			w.Errorf("start with payload %q: got %+v as %q, want the payload, a text, %q", payload, got, e.ID, s.message)
		}
	}
}

// receiveTwice: a repeated callback is the same event, an equal text is not.
func receiveTwice(w *world) {
	r := w.subscribed()
	w.fault(simulator.FaultTwice)
	w.say("Ann", "again")
	r.next(2)
	w.say("Ann", "again")
	third := w.identity(r.next(3).events[0])
	for _, a := range []attempt{r.next(1), r.next(2)} {
		if got := w.identity(a.events[0]); got == third {
			w.Errorf("two messages have the one identity %+v", got)
		}
	}
	if diff := cmp.Diff(r.next(1).events, r.next(2).events); diff != "" {
		w.Errorf("a repeated callback (-first +second):\n%s", diff)
	}
}

// receiveReordered: what an event says does not depend on what came before it.
func receiveReordered(w *world) {
	r := w.subscribed()
	w.fault(simulator.FaultReorder)
	first := w.say("Ann", "first")
	second := w.say("Ann", "second")
	got := w.distinct(r.store, 2)
	w.wants(got[0], second, connector.Message{Text: "second"})
	w.wants(got[1], first, connector.Message{Text: "first"})
}

// receiveWrongSecret: a forged callback leaves nothing behind, and the real one
// comes through.
func receiveWrongSecret(w *world) {
	r := w.subscribed()
	w.fault(simulator.FaultWrongSecret)
	s := w.say("Ann", "hello")
	forged := r.next(1)
	w.has("Receive with a wrong secret", forged.err, parley.KindUnauthorized)
	if len(forged.events) != 0 {
		w.Errorf("Receive with a wrong secret: got %d events, want none", len(forged.events))
	}
	w.wants(w.distinct(r.store, 1)[0], s, connector.Message{Text: "hello"})
}

// receiveWithoutSecret also tries a channel that has no secret to compare with.
func receiveWithoutSecret(w *world) {
	r := w.subscribed()
	w.say("Ann", "hello")
	bare := r.next(1).callback
	genuine := bare
	bare.Header, bare.Query = nil, nil
	w.unauthorized("without a secret", r.client, bare)
	ch := *w.channel
	ch.Secrets = map[string]parley.Secret{}
	for name, secret := range w.channel.Secrets {
		if name != parley.SecretCallbackToken {
			ch.Secrets[name] = secret
		}
	}
	for what, cb := range map[string]connector.Callback{"genuine": genuine, "bare": bare} {
		w.unauthorized(what+" at a channel without a secret", w.open(&ch).(connector.Receiver), cb)
	}
	w.authenticates(r.client, genuine, bare)
}

// authenticates: who can judge by the header alone comes to the same verdict.
func (w *world) authenticates(c connector.Receiver, genuine, bare connector.Callback) {
	w.Helper()
	if a, can := c.(connector.Authenticator); can {
		w.ok("Authenticate", a.Authenticate(genuine.Header))
		w.has("Authenticate without a secret", a.Authenticate(bare.Header), parley.KindUnauthorized)
	}
}

func (w *world) unauthorized(what string, c connector.Receiver, cb connector.Callback) {
	w.Helper()
	events, _, err := c.Receive(w.ctx, cb)
	w.has("Receive "+what, err, parley.KindUnauthorized)
	if len(events) != 0 {
		w.Errorf("Receive %s: got %d events, want none", what, len(events))
	}
}

// receiveUnknownKind: news that the connector has never heard of is quarantined
// and holds nothing up.
func receiveUnknownKind(w *world) {
	r := w.subscribed()
	w.raw(`{"parley_unheard_of":{"text":"x","n":1}}`)
	if e := w.distinct(r.store, 1)[0]; e.What.Kind() != (connector.Unknown{}).Kind() {
		w.Errorf("an unknown kind: got %s, want unknown", e.What.Kind())
	}
	s := w.say("Ann", "hello")
	w.wants(w.distinct(r.store, 2)[1], s, connector.Message{Text: "hello"})
}

// receiveWhileDown: what was not stored was not acknowledged and comes again.
func receiveWhileDown(w *world) {
	r := w.subscribed()
	left := 3
	r.refuse(func(connector.Event) bool { left--; return left >= 0 })
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprintf("message %d", i))
		w.say("Ann", want[i])
	}
	if diff := cmp.Diff(want, heard(w.distinct(r.store, 3))); diff != "" {
		w.Errorf("texts (-want +got):\n%s", diff)
	}
}

// heard are the texts of the messages among events.
func heard(events []connector.Event) []string {
	var out []string
	for _, e := range events {
		if m, ok := e.What.(connector.Message); ok {
			out = append(out, m.Text)
		}
	}
	return out
}

// until waits until a text was heard, and returns all that was.
func (w *world) until(s *store, text string) []string {
	w.Helper()
	for {
		total, got := s.Total(), heard(s.all())
		if slices.Contains(got, text) {
			return got
		}
		await(w, "event, looking for "+text+",", s.Ring, total)
	}
}

// subscribeAgain: repeating it changes nothing, neither from the same client nor
// from one that has just been started: what comes after it comes once.
func subscribeAgain(w *world) {
	r := w.subscribed()
	w.subscribe(r)
	w.say("Ann", "one")
	w.distinct(r.store, 1)
	w.client = w.open(w.channel)
	w.subscribe(r)
	w.subscribe(r)
	w.say("Ann", "two")
	w.until(r.store, "two")
	w.say("Ann", "three")
	got := w.until(r.store, "three")
	if got = slices.DeleteFunc(got, func(s string) bool { return s == "one" }); !slices.Equal(got, []string{"two", "three"}) {
		w.Errorf("got %q, want two and three once", got)
	}
}

// subscribeElsewhere moves the callbacks to another address. A callback that was
// under way may be made again there.
func subscribeElsewhere(w *world) {
	old := w.subscribed()
	w.say("Ann", "one")
	w.distinct(old.store, 1)
	moved := w.subscribed()
	w.say("Ann", "two")
	w.until(moved.store, "two")
	if got := heard(old.all()); slices.Contains(got, "two") {
		w.Errorf("got %q at the old address, want nothing after Subscribe", got)
	}
}

func subscribeFails(w *world) {
	r, token := w.receiver(), w.channel.Secrets[parley.SecretCallbackToken]
	for _, fault := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultCutBefore, simulator.FaultThrottle} {
		w.fault(fault)
		err := w.subscriber().Subscribe(w.ctx, r.address, token)
		w.has("Subscribe with fault "+string(fault), err, parley.KindUnavailable, parley.KindThrottled, parley.KindUncertain)
	}
	w.subscribe(r)
	w.say("Ann", "hello")
	w.distinct(r.store, 1)
	w.post("revoke", values("account", w.account))
	w.client = w.open(w.channel)
	w.has("Subscribe after the credentials were revoked", w.subscriber().Subscribe(w.ctx, r.address, token), parley.KindLoggedOut)
}

// unsubscribe: nothing comes after it, and what was said meanwhile is not lost.
func unsubscribe(w *world) {
	old := w.subscribed()
	w.say("Ann", "before")
	w.distinct(old.store, 1)
	for range 2 {
		w.ok("Unsubscribe", w.subscriber().Unsubscribe(w.ctx))
	}
	var last string
	for i := range 30 { // time enough for a callback that should not be made
		last = fmt.Sprintf("meanwhile %d", i)
		w.say("Ann", last)
	}
	w.until(w.subscribed().store, last)
	if got := w.unique(old.all()); len(got) != 1 {
		w.Errorf("got %q at the old address, want nothing after Unsubscribe", heard(got))
	}
}
