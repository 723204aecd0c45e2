package render

import (
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
)

// bodySize is a little more than most bodies take.
const bodySize = 640

// An object is a body in the making.
type object struct{ *jsonout.Object }

func body(kind, event string) object {
	o := object{jsonout.New(bodySize)}
	o.Text("type", kind)
	o.Text("event", event)
	return o
}

func (o object) finish() []byte {
	o.Close() // data
	return o.End()
}

// Conversation renders conversation/new or conversation/update (event "new" or
// "update"), and the extensions "blocked" and "unblocked".
func Conversation(event string, c *parley.Conversation) []byte {
	o := body("conversation", event)
	o.Nested("data")
	o.Int("external_id", int64(c.ID))
	o.Text("name", c.Name)
	o.TextOrNull("avatar_url", c.AvatarURL)
	o.Int("channel_id", int64(c.Channel))
	o.Text("channel_type", c.Spelling)
	o.Stamp("created_at", c.CreatedAt)
	o.Int("created_at_timestamp", c.CreatedAt.Unix())
	o.UnixOrNull("last_message_at", c.LastMessage)
	o.UnixOrNull("last_income_message_at", c.LastIncome)
	o.Text("sender_external_id", c.PublicID)
	return o.finish()
}

// MessageNew renders message/new: a message was received, or an own one was
// delivered.
func MessageNew(c *parley.Conversation, m *parley.Message) []byte {
	o := body("message", "new")
	o.Nested("data")
	o.Int("external_id", int64(m.ID))
	o.Text("external_public_id", c.PublicID)
	o.Int("channel_id", int64(c.Channel))
	o.Text("channel_type", c.Spelling)
	o.channel(c)
	o.Int("conversation_id", int64(c.ID))
	o.Text("message", m.Text)
	o.location(m.Location)
	o.Bool("income", m.Income)
	o.Stamp("created_at", m.CreatedAt)
	o.Int("created_at_timestamp", m.CreatedAt.Unix())
	o.Int("ack", int64(m.Ack))
	Attachments(o.Object, m.Files)
	if m.Job != 0 {
		o.Int("job_id", int64(m.Job))
	}
	o.extensions(m)
	return o.finish()
}

func (o object) channel(c *parley.Conversation) {
	o.Nested("channel")
	o.Int("id", int64(c.Channel))
	o.Text("type", c.Spelling)
	o.Close()
}

func (o object) location(l *parley.Location) {
	o.Nested("location")
	if l != nil {
		o.Float("latitude", l.Latitude)
		o.Float("longitude", l.Longitude)
		if l.Name != "" {
			o.Text("name", l.Name)
		}
		if l.Address != "" {
			o.Text("address", l.Address)
		}
	}
	o.Close()
}

// extensions writes the keys beyond the original API that have something to say.
func (o object) extensions(m *parley.Message) {
	if m.ReplyTo != 0 {
		o.Int("reply_to_id", int64(m.ReplyTo))
	}
	if m.Forwarded {
		o.Bool("forwarded", true)
	}
	if m.Payload != "" {
		o.Text("payload", m.Payload)
	}
	if !m.EditedAt.IsZero() {
		o.Int("edited_at_timestamp", m.EditedAt.Unix())
	}
	if !m.DeletedAt.IsZero() {
		o.Int("deleted_at_timestamp", m.DeletedAt.Unix())
	}
}

// MessageChanged renders the extensions message/update and message/delete. An
// update has the location and the attachments only if the message has any.
func MessageChanged(event string, c *parley.Conversation, m *parley.Message) []byte {
	o := body("message", event)
	o.Nested("data")
	o.Int("external_id", int64(m.ID))
	o.channel(c)
	o.Int("conversation_id", int64(c.ID))
	if event == "update" {
		o.content(m)
	}
	o.extensions(m)
	return o.finish()
}

// content writes what the message says now.
func (o object) content(m *parley.Message) {
	o.Text("message", m.Text)
	if m.Location != nil {
		o.location(m.Location)
	}
	if len(m.Files) > 0 {
		Attachments(o.Object, m.Files)
	}
}

// MessageAck renders message/ack: how far an own message got.
func MessageAck(c *parley.Conversation, id parley.MessageID, ack parley.Ack) []byte {
	o := body("message", "ack")
	o.Nested("data")
	o.Int("external_id", int64(id))
	o.channel(c)
	o.Int("conversation_id", int64(c.ID))
	o.Int("ack", int64(ack))
	return o.finish()
}

// JobExecuted renders job/executed: the job ended.
func JobExecuted(j *parley.Job) []byte {
	o := body("job", "executed")
	o.Nested("data")
	o.Int("id", int64(j.ID))
	if j.State == parley.JobDelivered {
		o.Text("result", "DELIVERED")
		o.Int("message_id", int64(j.Message))
	} else {
		o.Text("result", "NOT DELIVERED")
		o.Raw("message_id", "null")
		o.Text("reason", j.Reason)
	}
	o.Int("date", j.DoneAt.Unix())
	return o.finish()
}
