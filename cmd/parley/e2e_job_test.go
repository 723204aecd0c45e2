package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// TestJob is what the gateway is for: a customer and a company talk.
func TestJob(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name   string
		public bool
	}{{"callbacks", true}, {"polling", false}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, database string) {
				s := newStage(t, database, func(c *config) { c.publicSelf = way.public })
				if got := s.tg.Accounts()[0].Webhook != ""; got != way.public {
					t.Fatalf("callbacks registered: %v, want %v", got, way.public)
				}
				jobDialogue(t, s)
			})
		})
	}
}

func jobDialogue(t *testing.T, s *stage) {
	first := s.say("ann", "Hello! Is my order on its way?")
	conversation := jobFirst(t, s)
	jobReply(t, s, conversation)
	jobLong(t, s, conversation)
	jobEdit(t, s, conversation, first)
	jobStart(t, s)
	jobBlock(t, s, conversation)
	jobRename(t, s, conversation)
	jobRotate(t, s, conversation)
	if state := s.channelState(); state.State != "enabled" || state.Reason != "" {
		t.Errorf("channel: %+v", state)
	}
}

func jobFirst(t *testing.T, s *stage) int64 {
	c := s.crm.next("conversation/new").Data
	if c.Name != "Ann" || c.ChannelID != s.channel || c.Sender != strconv.Itoa(annID) {
		t.Errorf("conversation: %+v", c)
	}
	m := s.crm.next("message/new").Data
	if m.ConversationID != c.ExternalID || m.Message != "Hello! Is my order on its way?" || !m.Income || m.JobID != 0 || m.ChannelID != s.channel {
		t.Errorf("message: %+v", m)
	}
	list := s.api.must("GET", s.path("/conversations")).Conversations
	if len(list) != 1 || list[0].ExternalID != c.ExternalID || list[0].Name != "Ann" {
		t.Errorf("conversations: %+v", list)
	}
	return c.ExternalID
}

func jobReply(t *testing.T, s *stage, conversation int64) {
	const text = "It left this morning <b>& is</b> on its way"
	job := s.post(conversation, text)
	if sent := s.tg.sentAfter(t, 0); sent.Text != text || sent.Chat != strconv.Itoa(annID) || sent.Account != "7000001" {
		t.Errorf("at the messenger: %+v", sent)
	}
	s.delivered(job, text)
	got := s.api.must("GET", s.path("/channels/%d/jobs/%d", s.channel, job))
	if got.State != "delivered" || got.Details == nil || got.Details.Result != "DELIVERED" || got.MessageID == 0 {
		t.Errorf("job: %+v", got)
	}
	messages := s.api.must("GET", s.path("/conversations/%d/messages", conversation)).Messages
	if len(messages) != 2 || !messages[0].Income || messages[1].Income || messages[1].Message != text {
		t.Errorf("messages: %+v", messages)
	}
}

// jobLong sends more than the messenger takes at once.
func jobLong(t *testing.T, s *stage, conversation int64) {
	text := strings.TrimSpace(strings.Repeat("All parts come in order. ", 400))
	before := s.tg.Sent().Total()
	job := s.post(conversation, text)
	var parts []string
	first := int64(0)
	for strings.Join(parts, " ") != text && len(parts) < 10 {
		m := s.crm.next("message/new").Data
		if first == 0 {
			first = m.ExternalID
		}
		if m.JobID != job {
			t.Fatalf("part %d: %+v", len(parts), m)
		}
		parts = append(parts, strings.TrimSpace(m.Message))
	}
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want 3", len(parts))
	}
	if j := s.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" || j.MessageID != first {
		t.Errorf("executed: %+v, want message %d", j, first)
	}
	var sent []string
	for _, p := range s.tg.Sent().After(before, 100, nil) {
		sent = append(sent, strings.TrimSpace(p.Text))
	}
	if !slices.Equal(sent, parts) {
		t.Errorf("the messenger's parts differ from those told")
	}
}

func jobEdit(t *testing.T, s *stage, conversation int64, first telegramsim.Said) {
	if _, err := s.tg.Edit("", "ann", first.MessageID, "Hello! Is order 17 on its way?"); err != nil {
		t.Fatal(err)
	}
	m := s.crm.next("message/update").Data
	if m.Message != "Hello! Is order 17 on its way?" || m.Edited == 0 || m.ConversationID != conversation {
		t.Errorf("edited: %+v", m)
	}
	list := s.api.must("GET", s.path("/conversations/%d/messages", conversation)).Messages
	if list[0].ExternalID != m.ExternalID || list[0].Message != m.Message || list[0].Edited != m.Edited {
		t.Errorf("in the list: %+v", list[0])
	}
}

func jobStart(t *testing.T, s *stage) {
	if _, err := s.tg.Start("", "Zoe", "spring-sale"); err != nil {
		t.Fatal(err)
	}
	c := s.crm.next("conversation/new").Data
	m := s.crm.next("message/new").Data
	if c.Name != "Zoe" || m.Message != "/start spring-sale" || m.Payload != "spring-sale" || m.ConversationID != c.ExternalID {
		t.Errorf("start: %+v %+v", c, m)
	}
}

func jobBlock(t *testing.T, s *stage, conversation int64) {
	if _, err := s.tg.Block("", "ann"); err != nil {
		t.Fatal(err)
	}
	if got := s.crm.next("conversation/blocked").Data.ExternalID; got != conversation {
		t.Errorf("blocked: conversation %d", got)
	}
	if reason := s.failed(s.post(conversation, "Are you there?")); !strings.Contains(reason, "blocked") {
		t.Errorf("reason %q", reason)
	}
	if _, err := s.tg.Unblock("", "ann"); err != nil {
		t.Fatal(err)
	}
	if got := s.crm.next("conversation/unblocked").Data.ExternalID; got != conversation {
		t.Errorf("unblocked: conversation %d", got)
	}
	s.delivered(s.post(conversation, "Good to see you"), "Good to see you")
}

func jobRename(t *testing.T, s *stage, conversation int64) {
	if _, err := s.tg.Rename("ann", "Anna", "", "ann"); err != nil {
		t.Fatal(err)
	}
	s.say("ann", "I married")
	if c := s.crm.next("conversation/update").Data; c.ExternalID != conversation || c.Name != "Anna" {
		t.Errorf("renamed: %+v", c)
	}
	if m := s.crm.next("message/new").Data; m.Message != "I married" {
		t.Errorf("after the new name: %+v", m)
	}
}

// jobRotate changes the secret; the CRM checks every signature.
func jobRotate(t *testing.T, s *stage, conversation int64) {
	old := s.api.must("GET", s.path("/webhook_secret")).Secret
	fresh := s.api.must("POST", s.path("/webhook_secret")).Secret
	if fresh == old || fresh != s.api.must("GET", s.path("/webhook_secret")).Secret {
		t.Fatal("the secret was not rotated")
	}
	s.crm.trust(fresh)
	s.delivered(s.post(conversation, "Signed anew"), "Signed anew")
	s.say("ann", "Thank you")
	s.crm.next("message/new")
}
