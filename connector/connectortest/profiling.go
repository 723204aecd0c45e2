package connectortest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// A Profiling says how profiles are played.
type Profiling struct {
	// Picture gives a person a picture, the file, on top of older ones; Remove takes
	// them all. Both get person.
	Picture, Remove Play
	// GroupPicture is Picture for a group, and gets chat, too; nil without groups.
	GroupPicture *Play
	// Nonsense are answers that the provider never gives, in the shape of success.
	Nonsense []string
}

func (s Suite) profileCases() []check {
	if s.Profile == nil {
		return nil
	}
	return []check{
		{"person", true, profilePerson},
		{"group", s.Groups != nil, profileGroup},
		{"unknown", true, profileUnknown},
		{"faults", true, profileFaults},
		{"nonsense", true, profileNonsense},
		{"revoked", s.Can.Verify, profileRevoked},
	}
}

func (w *world) profile(chat connector.Chat) (connector.Profile, error) {
	w.Helper()
	c, ok := w.client.(connector.Profiler)
	if !ok {
		w.Fatal("the client is no connector.Profiler")
	}
	p, err := c.Profile(w.ctx, chat)
	return p, w.seen(err)
}

// pictured checks that a chat has the picture, nil none, and returns its id.
func (w *world) pictured(chat connector.Chat, want *sample) string {
	w.Helper()
	p, err := w.profile(chat)
	w.ok("Profile", err)
	if (p.Picture != nil) != (want != nil) {
		w.Fatalf("Profile: got picture %+v, want one: %t", p.Picture, want != nil)
	}
	if want == nil {
		return ""
	}
	if p.Picture.Kind != parley.FileAvatar || p.Picture.ID == "" || p.Picture.Source == "" {
		w.Errorf("Profile: got picture %+v, want an avatar with id and source", p.Picture)
	}
	if w.suite.Fetch != nil {
		w.fetches(*p.Picture, *want)
	}
	return p.Picture.ID
}

// profilePerson: no picture, one, another, none again.
func profilePerson(w *world) {
	chat := connector.Chat{ID: w.say("Ann", "hello").chat}
	w.pictured(chat, nil)
	var ids []string
	for n := range 2 {
		s := newSample("photo", n)
		w.play(w.suite.Profile.Picture, one(s), "person", "Ann")
		ids = append(ids, w.pictured(chat, &s))
	}
	if ids[0] == ids[1] {
		w.Error("Profile: two pictures have one id")
	}
	w.play(w.suite.Profile.Remove, nil, "person", "Ann")
	w.pictured(chat, nil)
	if p, err := w.profile(chat); err != nil || p.Name != "" && p.Name != "Ann" {
		w.Errorf("Profile: got name %q and error %v, want Ann or none", p.Name, err)
	}
}

func profileGroup(w *world) {
	heard := w.listen()
	chat := connector.Chat{ID: w.group(), Group: true}
	w.sayIn(heard, chat.ID, groupTitle, "Ann", "hello")
	w.pictured(chat, nil)
	s := newSample("photo", 1)
	w.play(*w.suite.Profile.GroupPicture, one(s), "chat", chat.ID, "person", "Ann")
	w.pictured(chat, &s)
	if p, err := w.profile(chat); err != nil || p.Name != groupTitle {
		w.Errorf("Profile of a group: got name %q and error %v, want %q", p.Name, err, groupTitle)
	}
}

// profileUnknown: nobody's profile is an error that says nothing of the channel.
func profileUnknown(w *world) {
	for _, id := range []string{w.suite.Nobody, "", "no such chat", "\x00", strings.Repeat("9", 400)} {
		for _, group := range []bool{false, true} {
			p, err := w.profile(connector.Chat{ID: id, Group: group})
			if err != nil || p.Picture != nil || p.Name != "" {
				w.has("Profile of nobody", err, append(append(later, final...), parley.KindUnreachable)...)
			}
		}
	}
}

func profileFaults(w *world) {
	chat := connector.Chat{ID: w.say("Ann", "hello").chat}
	for _, kind := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultGarbage,
		simulator.FaultCutBefore, simulator.FaultCutAfter, simulator.FaultThrottle} {
		w.fault(kind)
		_, err := w.profile(chat)
		w.has("Profile with fault "+string(kind), err, later...)
	}
	for _, status := range []int{400, 403, 404, 409} {
		w.fault(simulator.FaultStatus, "status", strconv.Itoa(status))
		_, err := w.profile(chat)
		w.has("Profile with status "+strconv.Itoa(status), err, append(append(later, final...), parley.KindUnreachable, parley.KindConflict)...)
	}
	w.control(http.MethodDelete, "faults", nil)
	w.pictured(chat, nil)
}

// profileNonsense: an answer without sense is an error or says nothing. A picture
// that cannot be fetched is none.
func profileNonsense(w *world) {
	chats := []connector.Chat{{ID: w.say("Ann", "hello").chat}}
	if w.suite.Groups != nil {
		chats = append(chats, connector.Chat{ID: w.group(), Group: true})
	}
	for _, answer := range append([]string{"", "null", "[]", "{}", `"x"`, "17", "\x00\xff", "<html></html>", strings.Repeat("[", 20_000)}, w.suite.Profile.Nonsense...) {
		change := func(string, []byte) []byte { return []byte(answer) }
		w.rewrite.Store(&change)
		for _, chat := range chats {
			p, err := w.profile(chat)
			if err != nil {
				w.has("Profile answered by "+strconv.Quote(answer[:min(len(answer), 60)]), err, append(later, final...)...)
			}
			if p.Picture != nil && (p.Picture.ID == "" || p.Picture.Source == "") {
				w.Errorf("Profile answered by %.60q: got picture %+v, want none", answer, p.Picture)
			}
		}
	}
	w.rewrite.Store(nil)
	w.pictured(chats[0], nil)
}

func profileRevoked(w *world) {
	chat := connector.Chat{ID: w.say("Ann", "hello").chat}
	w.post("revoke", values("account", w.account))
	_, err := w.profile(chat)
	w.has("Profile after the credentials were revoked", err, parley.KindLoggedOut)
}
