package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// inGroup is something that a member does in a group.
func inGroup(ch *parley.Channel, member, id string, what connector.What) *store.Receive {
	r := does(ch, member, id, "", what)
	r.Event.Chat = connector.Chat{ID: "-100", Group: true, Name: "Team"}
	r.Event.From.PublicID = "public-" + member
	return r
}

func TestGroup(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v := receive(t, w.db, inGroup(w.ch, "1", "10", connector.Message{Text: "a"}))[0].Conversation
		receive(t, w.db, inGroup(w.ch, "1", "11", connector.Message{Text: "b"}), inGroup(w.ch, "2", "12", connector.Message{Text: "c", ReplyTo: "10"}))
		renamed := inGroup(w.ch, "1", "13", connector.Renamed{})
		renamed.Event.Chat.Name = "Crew"
		receive(t, w.db, renamed, inGroup(w.ch, "3", "14", connector.Blocked{}))
		w.wantKinds("group_conversation/new group_conversation_contact/new group_message/new group_message/new " +
			"group_conversation_contact/new group_message/new group_conversation/update conversation/blocked")

		contains(t, w.bodies(parley.EventGroupNew)[0], `"name":"Team"`, `"sender_external_id":"-100"`)
		contains(t, w.bodies(parley.EventGroupUpdate)[0], `"name":"Crew"`)
		contains(t, w.bodies(parley.EventGroupMemberNew)[1], `"external_public_id":"public-2"`)
		contains(t, w.bodies(parley.EventGroupMessageNew)[2], `"external_public_id":"public-2"`, `"ack":0`, `"message":"c"`, `"reply_to_id":`)
		if list, err := w.db.Conversations(t.Context(), w.company, store.Page{Limit: 10}); err != nil || len(list) > 0 {
			t.Errorf("listed %v, %v: groups reach clients by webhook", list, err)
		}
		if got, err := w.db.Conversation(t.Context(), w.company, v); err != nil || !got.Group || got.Name != "Crew" {
			t.Errorf("conversation %+v, %v", got, err)
		}
	})
}

// TestGroupMemberKnown: somebody known from a direct chat is a new member all the
// same, and is one contact.
func TestGroupMemberKnown(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.talk("1")
		receive(t, w.db, inGroup(w.ch, "1", "10", connector.Message{Text: "a"}))
		w.wantKinds("conversation/new message/new group_conversation/new group_conversation_contact/new group_message/new")
		rows, err := store.Query(w.db, 1, "SELECT id FROM contact WHERE external = '1'")
		if err != nil || len(rows) != 1 {
			t.Errorf("%d contacts, %v, want 1", len(rows), err)
		}
	})
}

// TestGroupSend sends into a group, and hears that a member has got it.
func TestGroupSend(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v := receive(t, w.db, inGroup(w.ch, "1", "10", connector.Message{Text: "a"}))[0].Conversation
		w.finish(w.claim(w.say(v, "hello all").ID), delivered("11"))
		receive(t, w.db, inGroup(w.ch, "2", "11", connector.Receipt{Ack: parley.AckRead}))
		if got := kinds(t, w.db, w.company); !strings.HasSuffix(got, "group_message/new group_message/new job/executed group_message/ack") {
			t.Errorf("events %s", got)
		}
		contains(t, w.bodies(parley.EventGroupMessageNew)[1], `"income":false`, `"external_public_id":null`, `"ack":1`, `"job_id":`)
		contains(t, w.bodies(parley.EventGroupMessageAck)[0], `"participant":"public-2"`, `"ack":3`)
	})
}

// TestGroupMoved follows a group to its new id, but never into another conversation.
func TestGroupMoved(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v := receive(t, w.db, inGroup(w.ch, "1", "10", connector.Message{Text: "a"}))[0].Conversation
		receive(t, w.db, inGroup(w.ch, "1", "11", connector.Moved{To: "-200"}))
		after := inGroup(w.ch, "1", "12", connector.Message{Text: "b"})
		after.Event.Chat.ID = "-200"
		if got := receive(t, w.db, after)[0].Conversation; got != v {
			t.Errorf("message after the move is in conversation %d, want %d", got, v)
		}
		other := inGroup(w.ch, "1", "13", connector.Message{Text: "c"})
		other.Event.Chat.ID = "-300"
		apart := receive(t, w.db, other)[0].Conversation
		into := inGroup(w.ch, "1", "14", connector.Moved{To: "-200"})
		into.Event.Chat.ID = "-300"
		receive(t, w.db, into)
		if got := receive(t, w.db, does(w.ch, "-300", "15", "", connector.Message{Text: "d"}))[0].Conversation; got != apart {
			t.Errorf("a conversation moved into another one: %d, want %d", got, apart)
		}
	})
}

func (w *world) dueProfiles(in time.Duration) []store.DueProfile {
	w.t.Helper()
	list, err := w.db.DueProfiles(w.t.Context(), time.Now().Add(in), store.ProfileCursor{}, 10)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) profile(d store.DueProfile, o store.ProfileOutcome) {
	w.t.Helper()
	o.Due, o.Grant = &d, w.grant
	if err := w.db.FinishProfile(w.t.Context(), &o); err != nil {
		w.t.Fatal(err)
	}
}

// ask makes the profile due once more, and answers.
func (w *world) ask(v parley.ConversationID, p *connector.Profile) {
	w.t.Helper()
	err := w.db.Tx(w.t.Context(), w.company, func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE conversation SET profile_at = 1 WHERE id = $1", int64(v))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.profile(w.dueProfiles(time.Minute)[0], store.ProfileOutcome{Profile: p})
}

func (w *world) avatar(v parley.ConversationID) string {
	w.t.Helper()
	c, err := w.db.Conversation(w.t.Context(), w.company, v)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.AvatarURL
}

// TestProfile: a new conversation is asked about once; a picture shows when its
// bytes are here, an equal one changes nothing, and one that is gone goes.
func TestProfile(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.db.SetBase(base)
		v := w.talk("1")
		due := w.dueProfiles(time.Minute)
		if len(due) != 1 || due[0].Conversation != v || due[0].Chat.ID != "1" {
			t.Fatalf("due %+v", due)
		}
		picture := photo("face")
		w.profile(due[0], store.ProfileOutcome{Profile: &connector.Profile{Name: "Ann Lee", Picture: &picture}})
		err := w.db.FinishProfile(t.Context(), &store.ProfileOutcome{Due: &due[0], Grant: w.grant, Profile: &connector.Profile{Name: "Old"}})
		if parley.KindOf(err) != parley.KindConflict {
			t.Errorf("a second answer: %v, want a conflict", err)
		}
		if w.avatar(v) != "" || len(w.dueProfiles(time.Hour)) > 0 {
			t.Error("a picture shows before its bytes are here, or the profile is still due")
		}
		file := w.dueFiles()[0]
		if err := w.db.FinishFile(t.Context(), &store.FileOutcome{File: &file, Grant: w.grant, Result: store.FileFetched, Blob: "b", Size: 1}); err != nil {
			t.Fatal(err)
		}
		if got := w.avatar(v); got != base+file.Path() {
			t.Errorf("avatar %q, want the file's address", got)
		}
		w.ask(v, &connector.Profile{Picture: &picture})
		if len(w.dueFiles()) > 0 {
			t.Error("the same picture is fetched again")
		}
		w.ask(v, &connector.Profile{})
		if got := w.avatar(v); got != "" {
			t.Errorf("avatar %q after it was taken away", got)
		}
		w.wantKinds("conversation/new message/new conversation/update conversation/update conversation/update")
		contains(t, w.bodies(parley.EventConversationUpdate)[0], `"name":"Ann Lee"`)
		contains(t, w.bodies(parley.EventConversationUpdate)[1], `"avatar_url":"`+base)
		contains(t, w.bodies(parley.EventConversationUpdate)[2], `"avatar_url":null`)
	})
}

// TestProfileAgain: a try that said nothing is repeated when asked for, and
// counted.
func TestProfileAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.talk("1")
		w.profile(w.dueProfiles(time.Minute)[0], store.ProfileOutcome{Again: time.Now().Add(time.Hour)})
		if len(w.dueProfiles(time.Minute)) > 0 {
			t.Error("due before its time")
		}
		if due := w.dueProfiles(2 * time.Hour); len(due) != 1 || due[0].Tries != 1 {
			t.Errorf("due %+v, want one with a try", due)
		}
	})
}

// TestProfilePictureGoneEarly: a picture that was taken away while its bytes were
// fetched does not show when they come.
func TestProfilePictureGoneEarly(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v, picture := w.talk("1"), photo("face")
		w.profile(w.dueProfiles(time.Minute)[0], store.ProfileOutcome{Profile: &connector.Profile{Picture: &picture}})
		file := w.dueFiles()[0]
		w.ask(v, &connector.Profile{})
		if err := w.db.FinishFile(t.Context(), &store.FileOutcome{File: &file, Grant: w.grant, Result: store.FileFetched, Blob: "b", Size: 1}); err != nil {
			t.Fatal(err)
		}
		if got := w.avatar(v); got != "" {
			t.Errorf("avatar %q, want none", got)
		}
	})
}
