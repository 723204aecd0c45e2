package render

import (
	"encoding/base64"
	"time"

	"github.com/parley-im/parley"
)

// bodySize is a little more than most bodies take.
const bodySize = 640

func body(kind, event string) *object {
	o := &object{buf: make([]byte, 0, bodySize)}
	o.open()
	o.text("type", kind)
	o.text("event", event)
	return o
}

func (o *object) finish() []byte {
	o.close() // data
	o.close()
	return o.buf
}

// Conversation renders conversation/new or conversation/update (event "new" or
// "update"), and the extensions "blocked" and "unblocked".
func Conversation(event string, c *parley.Conversation) []byte {
	o := body("conversation", event)
	o.nested("data")
	o.int("external_id", int64(c.ID))
	o.text("name", c.Name)
	o.textOrNull("avatar_url", c.AvatarURL)
	o.int("channel_id", int64(c.Channel))
	o.text("channel_type", c.Spelling)
	o.stamp("created_at", c.CreatedAt)
	o.int("created_at_timestamp", c.CreatedAt.Unix())
	o.unixOrNull("last_message_at", c.LastMessage)
	o.unixOrNull("last_income_message_at", c.LastIncome)
	o.text("sender_external_id", c.PublicID)
	return o.finish()
}

// MessageNew renders message/new: a message was received, or an own one was
// delivered.
func MessageNew(c *parley.Conversation, m *parley.Message) []byte {
	o := body("message", "new")
	o.nested("data")
	o.int("external_id", int64(m.ID))
	o.text("external_public_id", c.PublicID)
	o.int("channel_id", int64(c.Channel))
	o.text("channel_type", c.Spelling)
	o.channel(c)
	o.int("conversation_id", int64(c.ID))
	o.text("message", m.Text)
	o.location(m.Location)
	o.bool("income", m.Income)
	o.stamp("created_at", m.CreatedAt)
	o.int("created_at_timestamp", m.CreatedAt.Unix())
	o.int("ack", int64(m.Ack))
	o.raw("attachments", "[]")
	if m.Job != 0 {
		o.int("job_id", int64(m.Job))
	}
	o.extensions(m)
	return o.finish()
}

func (o *object) channel(c *parley.Conversation) {
	o.nested("channel")
	o.int("id", int64(c.Channel))
	o.text("type", c.Spelling)
	o.close()
}

func (o *object) location(l *parley.Location) {
	o.nested("location")
	if l != nil {
		o.float("latitude", l.Latitude)
		o.float("longitude", l.Longitude)
		if l.Name != "" {
			o.text("name", l.Name)
		}
		if l.Address != "" {
			o.text("address", l.Address)
		}
	}
	o.close()
}

// extensions writes the keys beyond the original API that have something to say.
func (o *object) extensions(m *parley.Message) {
	if m.ReplyTo != 0 {
		o.int("reply_to_id", int64(m.ReplyTo))
	}
	if m.Forwarded {
		o.bool("forwarded", true)
	}
	if m.Payload != "" {
		o.text("payload", m.Payload)
	}
	if !m.EditedAt.IsZero() {
		o.int("edited_at_timestamp", m.EditedAt.Unix())
	}
	if !m.DeletedAt.IsZero() {
		o.int("deleted_at_timestamp", m.DeletedAt.Unix())
	}
}

// MessageChanged renders the extensions message/update and message/delete.
func MessageChanged(event string, c *parley.Conversation, m *parley.Message) []byte {
	o := body("message", event)
	o.nested("data")
	o.int("external_id", int64(m.ID))
	o.channel(c)
	o.int("conversation_id", int64(c.ID))
	if event == "update" {
		o.text("message", m.Text)
	}
	o.extensions(m)
	return o.finish()
}

// MessageAck renders message/ack: how far an own message got.
func MessageAck(c *parley.Conversation, id parley.MessageID, ack parley.Ack) []byte {
	o := body("message", "ack")
	o.nested("data")
	o.int("external_id", int64(id))
	o.channel(c)
	o.int("conversation_id", int64(c.ID))
	o.int("ack", int64(ack))
	return o.finish()
}

// JobExecuted renders job/executed: the job ended.
func JobExecuted(j *parley.Job) []byte {
	o := body("job", "executed")
	o.nested("data")
	o.int("id", int64(j.ID))
	if j.State == parley.JobDelivered {
		o.text("result", "DELIVERED")
		o.int("message_id", int64(j.Message))
	} else {
		o.text("result", "NOT DELIVERED")
		o.raw("message_id", "null")
		o.text("reason", j.Reason)
	}
	o.int("date", j.DoneAt.Unix())
	return o.finish()
}

// Severities of System.
const (
	Critical    = "critical"
	Information = "information"
)

// System renders a system event about a channel: what happened, when, and when
// we said so.
func System(message, severity string, channel parley.ChannelID, happened, made time.Time) []byte {
	o := &object{buf: make([]byte, 0, bodySize/2)}
	o.open()
	o.text("type", "system")
	o.text("severity", severity)
	o.nested("data")
	o.text("message", message)
	o.stamp("date", happened)
	o.int("date_timestamp", happened.Unix())
	o.int("timestamp", made.Unix())
	o.nested("details")
	o.text("entity", "channel")
	o.int("entity_id", int64(channel))
	o.close()
	return o.finish()
}

// QRCode renders qr_code/new with a PNG.
func QRCode(company parley.CompanyID, channel parley.ChannelID, png []byte) []byte {
	o := body("qr_code", "new")
	o.int("company_id", int64(company))
	o.int("channel_id", int64(channel))
	o.text("data", base64.StdEncoding.EncodeToString(png))
	o.close()
	return o.buf
}
