package render

import (
	"time"

	"github.com/parley-im/parley"
)

// Bodies about groups have an order of keys and a time format of their own.

// GroupConversation renders group_conversation/new, and the extension
// group_conversation/update (event "new" or "update").
func GroupConversation(event string, c *parley.Conversation) []byte {
	o := body("group_conversation", event)
	o.Nested("data")
	o.Text("name", c.Name)
	o.TextOrNull("avatar_url", c.AvatarURL)
	o.Int("channel_id", int64(c.Channel))
	o.Iso("created_at", c.CreatedAt)
	o.Int("external_id", int64(c.ID))
	o.Text("channel_type", c.Spelling)
	o.UnixOrNull("last_message_at", c.LastMessage)
	o.Text("sender_external_id", c.PublicID)
	o.Int("created_at_timestamp", c.CreatedAt.Unix())
	o.UnixOrNull("last_income_message_at", c.LastIncome)
	return o.finish()
}

// GroupMessageNew renders group_message/new: a member wrote, or an own message
// was delivered. A received one has ack 0, whatever m.Ack says.
func GroupMessageNew(c *parley.Conversation, m *parley.Message) []byte {
	o := body("group_message", "new")
	o.Nested("data")
	ack := m.Ack
	if m.Income {
		ack = parley.AckSending
	}
	o.Int("ack", int64(ack))
	o.Bool("income", m.Income)
	o.channel(c)
	o.Text("message", m.Text)
	if m.Location == nil {
		o.Raw("location", "null")
	} else {
		o.location(m.Location)
	}
	o.groupFacts(c, m)
	o.extensions(m)
	return o.finish()
}

// groupFacts writes what follows the content of a group's message.
func (o object) groupFacts(c *parley.Conversation, m *parley.Message) {
	o.Int("channel_id", int64(c.Channel))
	o.Iso("created_at", m.CreatedAt)
	Attachments(o.Object, m.Files)
	o.Int("external_id", int64(m.ID))
	o.Text("channel_type", c.Spelling)
	o.Int("conversation_id", int64(c.ID))
	o.TextOrNull("external_public_id", m.Author)
	o.Int("created_at_timestamp", m.CreatedAt.Unix())
	o.Int("external_created_at_timestamp", m.CreatedAt.Unix())
	if m.Job != 0 {
		o.Int("job_id", int64(m.Job))
	}
}

// GroupMessageAck renders group_message/ack: how far an own message got, with
// the public id of the member who got it, empty if the messenger does not say.
// There is none for AckPreparing.
func GroupMessageAck(c *parley.Conversation, id parley.MessageID, ack parley.Ack, participant string, at time.Time) []byte {
	o := body("group_message", "ack")
	o.Nested("data")
	o.channel(c)
	o.Int("timestamp", at.Unix())
	o.Int("external_id", int64(id))
	o.TextOrNull("participant", participant)
	o.Int("conversation_id", int64(c.ID))
	o.Raw("external_public_id", "null")
	o.Int("ack", int64(ack))
	return o.finish()
}

// GroupMember renders group_conversation_contact/new: a member, known by their
// public id, wrote for the first time.
func GroupMember(c *parley.Conversation, publicID string, at time.Time) []byte {
	o := body("group_conversation_contact", "new")
	o.Nested("data")
	o.Nested("contact")
	o.Text("external_public_id", publicID)
	o.Close()
	o.Int("channel_id", int64(c.Channel))
	o.Text("channel_type", c.Spelling)
	o.Int("date_timestamp", at.Unix())
	o.Int("conversation_id", int64(c.ID))
	return o.finish()
}
