package connectortest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func (s Suite) sendCases() []check {
	return []check{
		{"texts", true, sendTexts},
		{"long text", true, sendLong},
		{"many at once", true, sendMany},
		{"plan", true, planTwice},
		{"location", true, sendLocation},
		{"reply", s.Can.Replies, sendReply},
		{"blocked", s.Can.Blocks, sendBlocked},
		{"stranger", !s.Provider.Spec().FirstWrite, sendStranger},
		{"unknown chat", true, sendNobody},
		{"refused text", true, sendRefused},
	}
}

// plain are texts that must pass both ways byte by byte, whatever markup,
// encoding or template they look like.
var plain = []string{
	"hello",
	"<b>*_[x](https://a.test)_*</b> &amp; & < > \\ ` ~ # + - = | { } . !",
	`"quoted" 'single' {"json":true} %s %20 +`,
	"two\nlines\n\nand a\ttab",
	"Привет, 世界, שלום, 👋🏽, 👨‍👩‍👧, e\u0301",
	"{{.}} ${x} $(x) /start",
}

func (w *world) message(text string) *parley.Message {
	return &parley.Message{ID: parley.MessageID(w.last.Add(1)), Company: 1, Channel: 1, Conversation: 1, Text: text,
		Ack: parley.AckPreparing}
}

// plan splits a message and addresses its parts.
func (w *world) plan(chat string, m *parley.Message) []connector.Part {
	w.Helper()
	parts, err := w.client.Plan(m)
	w.ok("Plan", err)
	for i := range parts {
		parts[i].Chat = chat
	}
	return parts
}

// part is the one part of a short text.
func (w *world) part(chat, text string) connector.Part {
	w.Helper()
	parts := w.plan(chat, w.message(text))
	if len(parts) != 1 {
		w.Fatalf("Plan of a short text: got %d parts, want 1", len(parts))
	}
	return parts[0]
}

func (w *world) send(ctx context.Context, p connector.Part) (connector.Sent, error) {
	s, err := w.client.Send(ctx, p)
	return s, w.seen(err)
}

// delivered sends a part that must get through and checks what is known of it.
func (w *world) delivered(p connector.Part) connector.Sent {
	w.Helper()
	s, err := w.send(w.ctx, p)
	w.ok("Send", err)
	if s.ProviderID == "" || s.Ack < parley.AckSent || s.Chat != "" {
		w.Errorf("Send: got id %q, ack %d, moved to %q, want an id, ack %d or more, not moved", s.ProviderID, s.Ack, s.Chat, parley.AckSent)
	}
	return s
}

func sendTexts(w *world) {
	chat := w.say("Ann", "hello").chat
	for i, text := range plain {
		s := w.delivered(w.part(chat, text))
		list := w.sent()
		if len(list) != i+1 {
			w.Fatalf("the provider accepted %d messages, want %d", len(list), i+1)
		}
		if got := list[i]; got.Text != text || got.Chat != chat || got.MessageID != s.ProviderID {
			w.Errorf("the provider accepted %q in chat %s as %s, want %q in chat %s as %s",
				got.Text, got.Chat, got.MessageID, text, chat, s.ProviderID)
		}
	}
}

func sendLong(w *world) {
	chat := w.say("Ann", "hello").chat
	for name, text := range map[string]string{"words": numbered(parley.MaxText), "wide": strings.Repeat("👋", parley.MaxText)} {
		before := len(w.sent())
		var want, ids []string
		for _, p := range w.plan(chat, w.message(text)) {
			ids = append(ids, w.delivered(p).ProviderID)
			want = append(want, p.Text)
		}
		got := w.sent()[before:]
		if diff := cmp.Diff(want, texts(got)); diff != "" {
			w.Errorf("%s: texts (-planned +accepted):\n%s", name, diff)
		}
		if bare(strings.Join(texts(got), "")) != bare(text) {
			w.Errorf("%s: the parts together do not say the text", name)
		}
		for i := range got {
			if got[i].MessageID != ids[i] {
				w.Errorf("%s: part %d has id %q, want %q", name, i, ids[i], got[i].MessageID)
			}
		}
	}
}

// numbered is a text of words that tell their place, up to limit runes.
func numbered(limit int) string {
	var b strings.Builder
	for i := 0; b.Len() < limit-20; i++ {
		fmt.Fprintf(&b, "word%d ", i)
	}
	return strings.TrimSpace(b.String())
}

func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// sendMany: a client is safe for concurrent use and sends each part once.
func sendMany(w *world) {
	chat := w.say("Ann", "hello").chat
	const n = 20
	var want, got sync.Map
	var all sync.WaitGroup
	for i := range n {
		text := fmt.Sprintf("number %d", i)
		want.Store(text, true)
		p := w.part(chat, text)
		all.Go(func() {
			s, err := w.send(w.ctx, p)
			if err != nil {
				w.Errorf("Send: %v", err)
			}
			got.Store(s.ProviderID, text)
		})
	}
	all.Wait()
	list := w.sent()
	if len(list) != n {
		w.Errorf("the provider accepted %d messages, want %d", len(list), n)
	}
	for _, s := range list {
		if text, _ := got.Load(s.MessageID); text != s.Text {
			w.Errorf("Send returned id %s for %v, but it is of %q", s.MessageID, text, s.Text)
		}
		if _, open := want.LoadAndDelete(s.Text); !open {
			w.Errorf("the provider accepted %q twice or unasked", s.Text)
		}
	}
}

// planTwice: a plan is the same each time, numbers its parts and makes no request.
func planTwice(w *world) {
	before, m := w.calls.Total(), w.message(numbered(parley.MaxText))
	first, second := w.plan("1", m), w.plan("1", m)
	if diff := cmp.Diff(first, second); diff != "" {
		w.Errorf("Plan is not the same each time:\n%s", diff)
	}
	keys := map[string]bool{}
	for i, p := range append(first, w.part("1", "another")) {
		if i < len(first) && (p.Index != i || p.Count != len(first) || p.Message != m || p.Text == "") {
			w.Errorf("part %d: got index %d, count %d, text of %d bytes, want index %d, count %d, a text and its message",
				i, p.Index, p.Count, len(p.Text), i, len(first))
		}
		if p.Key == "" || keys[p.Key] {
			w.Errorf("part %d has key %q, want one of its own", i, p.Key)
		}
		keys[p.Key] = true
	}
	if got := w.calls.Total(); got != before {
		w.Errorf("Plan made %d requests, want none", got-before)
	}
}

// sendLocation: a place arrives, or Plan says that it cannot be expressed.
func sendLocation(w *world) {
	chat, m := w.say("Ann", "hello").chat, w.message("")
	m.Location = &parley.Location{Latitude: 52.1, Longitude: 4.3, Name: "Cafe"}
	if _, err := w.client.Plan(m); err != nil {
		w.has("Plan of a location", err, parley.KindUnsupported)
		return
	}
	parts := w.plan(chat, m)
	for _, p := range parts {
		w.delivered(p)
	}
	if got := len(w.sent()); got != len(parts) || got == 0 {
		w.Errorf("the provider accepted %d messages, want %d, at least 1", got, len(parts))
	}
}

func sendReply(w *world) {
	first := w.say("Ann", "a question")
	p := w.part(first.chat, "an answer")
	p.Message.ReplyToID = first.message
	w.delivered(p)
	gone := w.part(first.chat, "late answer")
	gone.Message.ReplyToID = "999999"
	w.delivered(gone)
	list := w.sent()
	if len(list) != 2 || list[0].ReplyTo != first.message || list[1].Text != "late answer" {
		w.Errorf("the provider accepted %+v, want a reply to %s and one to a message that is gone", list, first.message)
	}
}

// unreachable sends to a chat that must refuse it.
func (w *world) unreachable(what, chat string) {
	w.Helper()
	before := len(w.sent())
	_, err := w.send(w.ctx, w.part(chat, "anybody there?"))
	w.has("Send to "+what, err, parley.KindUnreachable)
	if got := len(w.sent()); got != before {
		w.Errorf("Send to %s: the provider accepted it", what)
	}
}

func sendBlocked(w *world) {
	chat := w.say("Ann", "hello").chat
	w.act("block", "Ann")
	w.unreachable("someone who blocked us", chat)
	w.act("unblock", "Ann")
	w.delivered(w.part(chat, "welcome back"))
	gone := w.say("Bob", "hello").chat
	w.post("deactivate", values("person", "Bob"))
	w.unreachable("someone who left", gone)
	w.delivered(w.part(chat, "still there"))
}

func sendStranger(w *world) { w.unreachable("a stranger", w.meet("Ann")) }

func sendNobody(w *world) {
	w.unreachable("a chat that does not exist", w.suite.Nobody)
	for _, chat := range []string{"", "no such chat", "\x00", strings.Repeat("9", 400)} {
		_, err := w.send(w.ctx, w.part(chat, "hello"))
		w.has("Send to chat "+chat, err, parley.KindInvalid, parley.KindUnreachable, parley.KindRejected)
	}
}

// sendRefused: what the provider refuses for good is told apart from what may
// work later. A text past its limit is refused everywhere.
func sendRefused(w *world) {
	chat := w.say("Ann", "hello").chat
	p := w.part(chat, "short")
	p.Text = strings.Repeat("a", 300_000)
	_, err := w.send(w.ctx, p)
	w.has("Send of a text that is too long", err, parley.KindRejected, parley.KindInvalid)
	for _, text := range []string{"", " \n "} {
		parts, err := w.client.Plan(w.message(text))
		if err == nil && len(parts) > 0 {
			parts[0].Chat = chat
			_, err = w.send(w.ctx, parts[0])
		}
		w.has("an empty text", err, parley.KindInvalid, parley.KindRejected, parley.KindUnsupported)
	}
	if list := w.sent(); len(list) != 0 {
		w.Errorf("the provider accepted %d messages, want none", len(list))
	}
	w.delivered(w.part(chat, "short"))
}
