package connectortest

import (
	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley/connector"
)

// Groups say how the simulator plays groups.
type Groups struct {
	// Before is done first, so that the account hears everything; may be nil.
	Before *Play
	// Make makes a group with the account in it. It gets title, members (names,
	// separated by commas) and person; the id of the group is in the answer, as id.
	Make Play
	// Rename gets chat, person and title.
	Rename Play
	// Remove takes the account out of the group, Return brings it back. Both get
	// chat and person.
	Remove, Return Play
	// Move gives the group another id, which is in the answer, as id. It gets chat
	// and person. Nil if groups keep theirs.
	Move *Play
}

func (s Suite) groupCases() []check {
	return []check{
		{"messages", true, groupMessages},
		{"files", s.features()["document"], groupFiles},
		{"send", true, groupSend},
		{"renamed", true, groupRenamed},
		{"moved", s.Groups != nil && s.Groups.Move != nil, groupMoved},
		{"removed", true, groupRemoved},
	}
}

const groupTitle = "Our <b>orders</b> & 世界"

// group makes one with Ann and Bob in it and returns its chat.
func (w *world) group() string {
	w.Helper()
	if p := w.suite.Groups.Before; p != nil {
		w.play(*p, nil)
	}
	return w.play(w.suite.Groups.Make, nil, "title", groupTitle, "members", "Ann,Bob", "person", "Ann")["id"]
}

// sayIn lets a person write in a group and waits for it.
func (w *world) sayIn(s *store, chat, title, person, text string) connector.Event {
	w.Helper()
	d := w.act("say", person, "chat", chat, "text", text)
	e := w.about(s, said{chat: chat, message: d.message}, "message")
	w.inGroup(e, chat, title, person)
	if diff := cmp.Diff(connector.What(connector.Message{Text: text}), e.What); diff != "" {
		w.Errorf("message in a group (-want +got):\n%s", diff)
	}
	return e
}

func (w *world) inGroup(e connector.Event, chat, title, person string) {
	w.Helper()
	if want := (connector.Chat{ID: chat, Group: true, Name: title}); e.Chat != want {
		w.Errorf("event in %+v, want %+v", e.Chat, want)
	}
	if e.From.ID == "" || e.From.Name != person || len(e.Raw) == 0 {
		w.Errorf("event from %+v with %d raw bytes, want %s with an id, and all bytes", e.From, len(e.Raw), person)
	}
}

// groupMessages: who wrote is told, a group is no direct chat, and what the
// network itself says about it is no message.
func groupMessages(w *world) {
	heard := w.listen()
	chat := w.group()
	ann := w.sayIn(heard, chat, groupTitle, "Ann", plain[1])
	bob := w.sayIn(heard, chat, groupTitle, "Bob", plain[4])
	if ann.From.ID == bob.From.ID {
		w.Errorf("two people have the id %q", ann.From.ID)
	}
	d := w.say("Ann", "just us")
	direct := w.about(heard, d, "message")
	w.wants(direct, d, connector.Message{Text: "just us"})
	if direct.From != ann.From || d.chat == chat {
		w.Errorf("Ann is %+v in the group and %+v in chat %s", ann.From, direct.From, d.chat)
	}
	for _, e := range heard.all() {
		if m, is := e.What.(connector.Message); e.What.Kind() == "unknown" || is && m.Text == "" {
			w.Errorf("making a group came as %+v, want nothing that is stored or quarantined", e.What)
		}
	}
}

func groupFiles(w *world) {
	heard := w.listen()
	chat, s := w.group(), w.saying("document")
	d, file := w.says(s, "Bob", 1, "chat", chat, "caption", "the list")
	e := w.about(heard, said{chat: chat, message: d.message}, "message")
	w.inGroup(e, chat, groupTitle, "Bob")
	if diff := cmp.Diff(connector.What(s.want("the list", file)), w.plainWhat(e.What)); diff != "" {
		w.Errorf("file in a group (-want +got):\n%s", diff)
	}
	if w.suite.Fetch != nil {
		w.fetches(w.fileOf(e), file)
	}
}

func groupSend(w *world) {
	heard := w.listen()
	chat := w.group()
	first := w.sayIn(heard, chat, groupTitle, "Ann", "hello all")
	p := w.part(chat, plain[1])
	if w.suite.Can.Replies {
		p.Message.ReplyToID = first.ID
	}
	s := w.delivered(p)
	list := w.sent()
	if len(list) != 1 || list[0].Chat != chat || list[0].Text != plain[1] || list[0].MessageID != s.ProviderID || list[0].ReplyTo != p.Message.ReplyToID {
		w.Errorf("the provider accepted %+v, want one message in %s as %s", list, chat, s.ProviderID)
	}
}

func groupRenamed(w *world) {
	heard := w.listen()
	chat, title := w.group(), "Nicer & newer"
	w.sayIn(heard, chat, groupTitle, "Ann", "before")
	w.play(w.suite.Groups.Rename, nil, "chat", chat, "person", "Bob", "title", title)
	e := w.first(heard, "the new name", func(e connector.Event) bool { return e.What == connector.What(connector.Renamed{}) })
	w.inGroup(e, chat, title, "Bob")
	w.sayIn(heard, chat, title, "Ann", "after")
}

// groupMoved: the old id leads to the new one, also for what is being sent.
func groupMoved(w *world) {
	heard := w.listen()
	chat := w.group()
	w.sayIn(heard, chat, groupTitle, "Ann", "before")
	to := w.play(*w.suite.Groups.Move, nil, "chat", chat, "person", "Ann")["id"]
	e := w.first(heard, "the move", func(e connector.Event) bool { return e.What.Kind() == "moved" })
	if e.Chat.ID != chat || !e.Chat.Group || e.What != connector.What(connector.Moved{To: to}) {
		w.Errorf("got %+v in %+v, want a move of %s to %s", e.What, e.Chat, chat, to)
	}
	w.sayIn(heard, to, groupTitle, "Bob", "after")
	s, err := w.send(w.ctx, w.part(chat, "to the old place"))
	w.ok("Send to the old id", err)
	if list := w.sent(); s.Chat != to || len(list) != 1 || list[0].Chat != to || list[0].MessageID != s.ProviderID {
		w.Errorf("Send to the old id: got %+v and the provider accepted %+v, want one message in %s", s, list, to)
	}
	if s := w.delivered(w.part(to, "to the new place")); s.ProviderID == "" {
		w.Error("Send to the new id: no id")
	}
}

// groupRemoved: out of the group is blocked, back in is unblocked.
func groupRemoved(w *world) {
	heard := w.listen()
	chat := w.group()
	w.sayIn(heard, chat, groupTitle, "Ann", "before")
	groups := w.suite.Groups
	before := len(w.unique(heard.all()))
	w.play(groups.Remove, nil, "chat", chat, "person", "Ann")
	w.after(heard, before, chat, connector.Blocked{})
	w.unreachable("a group without us", chat)
	before = len(w.unique(heard.all()))
	w.play(groups.Return, nil, "chat", chat, "person", "Ann")
	w.after(heard, before, chat, connector.Unblocked{})
	w.delivered(w.part(chat, "back again"))
	w.sayIn(heard, chat, groupTitle, "Bob", "welcome")
}

// after waits for what happens to a group after the first n events.
func (w *world) after(s *store, n int, chat string, want connector.What) {
	w.Helper()
	w.first(s, want.Kind()+" of the group", func(connector.Event) bool {
		for _, e := range w.unique(s.all())[n:] {
			if e.What == want && e.Chat.ID == chat && e.Chat.Group && e.From.Name == "Ann" {
				return true
			}
		}
		return false
	})
}
