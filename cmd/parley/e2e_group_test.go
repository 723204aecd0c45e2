package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// A club is a group with the bot in it, as the tests know it.
type club struct {
	*stage
	chat         int64 // at the messenger
	conversation int64
}

const clubTitle = "Chess club"

// newClub makes a basic group of Ann and Bo, in which Ann writes first.
func newClub(t *testing.T, database string) *club {
	t.Helper()
	c := &club{stage: newCloudStage(t, database, false, nil)}
	if err := c.tg.SetPrivacy("", false); err != nil {
		t.Fatal(err)
	}
	g, _, err := c.tg.CreateGroup(telegramsim.Group{Title: clubTitle, Members: []string{"ann", "bo"}}, telegramsim.GroupAct{Person: "ann"}, "")
	if err != nil {
		t.Fatal(err)
	}
	c.chat = g.ID
	c.says("ann", "hello all")
	fresh := c.crm.next("group_conversation/new")
	c.conversation = fresh.Data.ExternalID
	data := c.crm.data(fresh)
	for _, key := range []string{"created_at", "created_at_timestamp"} {
		if data[key] == nil {
			t.Errorf("group_conversation/new: no %s in %v", key, data)
		}
		delete(data, key)
	}
	want := object{"name": clubTitle, "avatar_url": nil, "channel_id": int64text(c.channel), "external_id": int64text(c.conversation),
		"channel_type": "telegram", "sender_external_id": strconv.FormatInt(c.chat, 10),
		"last_message_at": nil, "last_income_message_at": nil} // nothing of it is told yet
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("group_conversation/new (-want +got):\n%s", diff)
	}
	c.joins(annID)
	c.hears("hello all", strconv.Itoa(annID))
	return c
}

// says lets a member write.
func (c *club) says(person, text string) {
	c.t.Helper()
	c.tell(telegramsim.Line{Person: person, Chat: strconv.FormatInt(c.chat, 10), Text: text})
}

// joins waits for a member who is new to us.
func (c *club) joins(person int64) {
	c.t.Helper()
	got := c.crm.data(c.crm.next("group_conversation_contact/new"))
	if got["conversation_id"] != int64text(c.conversation) || got["contact"].(object)["external_public_id"] != strconv.FormatInt(person, 10) {
		c.t.Errorf("member: %v", got)
	}
}

// hears waits for a message of a member, and wants it as the contract prints it.
func (c *club) hears(text, author string) object {
	c.t.Helper()
	h := c.crm.next("group_message/new")
	data := c.crm.data(h)
	got := object{"message": data["message"], "external_public_id": data["external_public_id"], "income": data["income"], "ack": data["ack"],
		"conversation_id": data["conversation_id"], "location": data["location"], "channel": data["channel"]}
	want := object{"message": text, "external_public_id": author, "income": true, "ack": number("0"), "conversation_id": int64text(c.conversation),
		"location": nil, "channel": object{"id": int64text(c.channel), "type": "telegram"}}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("group_message/new (-want +got):\n%s", diff)
	}
	return data
}

// answers has the company write into the group, and wants it to arrive in a chat.
func (c *club) answers(text string, chat int64) {
	c.t.Helper()
	before := c.tg.Sent().Total()
	job := c.post(c.conversation, text)
	if sent := c.awaitSent(before, "sendMessage"); sent.Chat != strconv.FormatInt(chat, 10) || sent.Text != text {
		c.t.Errorf("sent: %+v, want %q in %d", sent, text, chat)
	}
	m := c.crm.next("group_message/new").Data
	if m.Message != text || m.JobID != job || m.Income || m.ConversationID != c.conversation {
		c.t.Errorf("own message: %+v", m)
	}
	if j := c.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" || j.MessageID != m.ExternalID {
		c.t.Errorf("executed: %+v", j)
	}
}

// TestGroup: what members say comes as the contract's events of groups, answers go
// there, and none of it is among the conversations with people.
func TestGroup(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		c := newClub(t, database)
		bo := c.person("bo")
		c.says("bo", "hi")
		c.joins(bo)
		c.hears("hi", strconv.FormatInt(bo, 10))
		c.says("ann", "again")
		c.hears("again", strconv.Itoa(annID))
		c.answers("welcome", c.chat)
		if got := c.api.must("GET", c.path("/conversations")).Conversations; len(got) != 0 {
			t.Errorf("conversations: %+v", got)
		}
		if got := c.listedTexts(c.conversation); strings.Join(got, ",") != "hello all,hi,again,welcome" && strings.Join(got, ",") != "welcome,again,hi,hello all" {
			t.Errorf("messages: %q", got)
		}
		c.clubFile()
		c.clubRenamed()
	})
}

func (s *stage) person(name string) int64 {
	s.t.Helper()
	for _, p := range s.tg.People() {
		if strings.EqualFold(p.FirstName, name) || strings.EqualFold(p.Username, name) {
			return p.ID
		}
	}
	s.t.Fatalf("nobody is called %s", name)
	return 0
}

// clubFile: files work in groups as they do elsewhere.
func (c *club) clubFile() {
	c.t.Helper()
	picture := jpeg(c.t, 17)
	c.tell(telegramsim.Line{Person: "ann", Chat: strconv.FormatInt(c.chat, 10), Text: "the board", Content: []telegramsim.Content{{Kind: "photo", Data: picture}}})
	a := attachments(c.t, c.hears("the board", strconv.Itoa(annID)), 1)[0]
	c.fileEvent("ready", id(a["external_id"]))
	if got := c.download(a["attachment_url"].(string)); sum(got.body) != sum(picture) {
		c.t.Errorf("file: %d, %d bytes", got.status, len(got.body))
	}
	c.crm.talked = c.crm.taken.Total() // past what told of the file
}

func (c *club) clubRenamed() {
	c.t.Helper()
	if _, err := c.tg.SetTitle(telegramsim.GroupAct{Chat: strconv.FormatInt(c.chat, 10), Person: "ann"}, "Go club"); err != nil {
		c.t.Fatal(err)
	}
	got := c.crm.data(c.crm.next("group_conversation/update"))
	if got["name"] != "Go club" || got["external_id"] != int64text(c.conversation) {
		c.t.Errorf("renamed: %v", got)
	}
}

// TestGroupMigrates: a group that becomes a supergroup stays the conversation that
// it was, whether we hear of it first or find out when we write.
func TestGroupMigrates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault *simulator.Fault
	}{
		{"told", nil},
		{"told in the new group only", &simulator.Fault{Kind: simulator.FaultReorder, Times: 1}}, // the old one's callback waits for another
		{"found out", &simulator.Fault{Kind: simulator.FaultWrongSecret, Times: -1}},             // until we have written
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, database string) { clubMigrates(t, database, c.fault) })
		})
	}
}

func clubMigrates(t *testing.T, database string, fault *simulator.Fault) {
	c := newClub(t, database)
	if fault != nil {
		f := *fault
		if f.Kind == simulator.FaultReorder {
			f.Chat = strconv.FormatInt(c.chat, 10)
		}
		c.fault(f)
	}
	super, err := c.tg.Migrate(telegramsim.GroupAct{Chat: strconv.FormatInt(c.chat, 10), Person: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	c.chat = super.ID
	if fault != nil && fault.Kind == simulator.FaultWrongSecret {
		c.answers("are you still there?", c.chat)
		c.tg.Faults().Clear()
	}
	c.says("ann", "we have moved")
	c.hears("we have moved", strconv.Itoa(annID))
	c.answers("so have we", c.chat)
	shown := c.get(c.path("/conversations/%d", c.conversation))["conversation"].(object)
	if shown["sender_external_id"] == "" || shown["name"] != clubTitle {
		t.Errorf("conversation: %v", shown)
	}
}

// TestGroupKicked: who was thrown out is told so when they write.
func TestGroupKicked(t *testing.T) {
	t.Parallel()
	for _, banned := range []bool{true, false} {
		t.Run(strconv.FormatBool(banned), func(t *testing.T) {
			t.Parallel()
			c := newClub(t, "")
			if _, err := c.tg.Kick(telegramsim.GroupAct{Chat: strconv.FormatInt(c.chat, 10), Person: "ann"}, banned); err != nil {
				t.Fatal(err)
			}
			if got := c.crm.next("conversation/blocked").Data; got.ExternalID != c.conversation {
				t.Errorf("blocked: %+v", got)
			}
			if reason := c.failed(c.post(c.conversation, "why?")); !strings.Contains(strings.ToLower(reason), "group") {
				t.Errorf("reason %q", reason)
			}
			if _, err := c.tg.AddToGroup(telegramsim.GroupAct{Chat: strconv.FormatInt(c.chat, 10), Person: "ann"}, ""); err != nil {
				t.Fatal(err)
			}
			if got := c.crm.next("conversation/unblocked").Data; got.ExternalID != c.conversation {
				t.Errorf("unblocked: %+v", got)
			}
			c.answers("thank you", c.chat)
		})
	}
}

// TestChannelPost: a channel that the bot administers is a group whose posts the
// channel itself writes, and so does an administrator who does not show.
func TestChannelPost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind string
		line telegramsim.Line
	}{
		{"channel", telegramsim.Line{Text: "news"}},
		{"supergroup", telegramsim.Line{Text: "news", Person: "ann", Anonymous: true}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			s := newCloudStage(t, "", false, nil)
			if err := s.tg.SetPrivacy("", false); err != nil {
				t.Fatal(err)
			}
			g, _, err := s.tg.CreateGroup(telegramsim.Group{Title: "News", Type: c.kind, Members: []string{"ann"}}, telegramsim.GroupAct{Person: "ann"}, "")
			if err != nil {
				t.Fatal(err)
			}
			c.line.Chat = strconv.FormatInt(g.ID, 10)
			s.tell(c.line)
			fresh := s.crm.next("group_conversation/new").Data
			s.crm.next("group_conversation_contact/new")
			got := s.crm.data(s.crm.next("group_message/new"))
			if fresh.Name != "News" || got["message"] != "news" || got["external_public_id"] != c.line.Chat || got["income"] != true {
				t.Errorf("conversation %+v, message %v", fresh, got)
			}
		})
	}
}
