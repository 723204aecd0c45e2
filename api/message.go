package api

import (
	"context"
	"net/http"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/render"
	"github.com/parley-im/parley/store"
)

type messageStore interface {
	Messages(ctx context.Context, conversation parley.ConversationID, p store.Page) ([]parley.Message, error)
	Accept(ctx context.Context, in *store.Accept) (store.Accepted, error)
}

func (s *Server) listMessages(c *call) error {
	return show(c, list[parley.Message]{
		name: "messages", parent: int64(c.conv.ID), size: 320,
		rows: func(ctx context.Context, p store.Page) ([]parley.Message, error) {
			return s.store.Messages(ctx, c.conv.ID, p)
		},
		id:    func(x *parley.Message) int64 { return int64(x.ID) },
		write: func(o *jsonout.Object, x *parley.Message) { writeMessage(o, &c.conv, x) },
	})
}

// postMessage takes a message for sending. The answer is the job; what becomes of
// it shows later.
func (s *Server) postMessage(c *call) error {
	in, err := s.sendable(c)
	if err != nil {
		return err
	}
	return s.accept(c, in, func(a store.Accepted) []byte { return jobBody(&a.Job, c.conv.Spelling, true) })
}

// accept stores a message to be sent and answers with what body makes of its job,
// which must be the same whenever it is called.
func (s *Server) accept(c *call, in *store.Accept, body func(store.Accepted) []byte) error {
	c.keeps(func(result any) []byte { return body(result.(store.Accepted)) })
	in.Idempotency = c.key
	out, err := s.store.Accept(c.ctx, in)
	switch {
	case err != nil:
		return err
	case out.Saved != nil:
		return c.replay(out.Saved, c.key.Request)
	}
	c.kept = c.key != nil
	c.note(out.Job)
	c.send(http.StatusOK, body(out))
	return nil
}

var errChannelGone = parley.Errorf(parley.KindConflict, "the conversation's channel was deleted")

// sendable binds the message, and finds the files for it.
func (s *Server) sendable(c *call) (*store.Accept, error) {
	b, err := c.bind()
	if err != nil {
		return nil, err
	}
	in := &store.Accept{Company: c.company.ID, Channel: c.channel, Conversation: c.conv.ID}
	ids := bindMessage(b, c.channel.Provider, in)
	if in.Files, err = s.uploaded(c, b, ids, c.channel.Provider); err != nil {
		return nil, err
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	if c.channel.State == parley.ChannelDeleted {
		return nil, errChannelGone
	}
	return in, nil
}

// bindMessage binds what a message consists of: text, files, or both. It returns
// the ids of the files.
func bindMessage(b *params.Binder, provider string, in *store.Accept) []int64 {
	text := b.String("message", params.Alias("text"), params.Length(0, parley.MaxText))
	files := b.Ints("attachments_ids", params.Alias("attachment_ids"), params.Min(1))
	b.Bool("send_to_crm")
	if absent(text) && files.State != params.Failed && len(files.Value) == 0 {
		b.Fail("message", "is required")
	}
	in.Text, in.Buttons = text.Value, bindInteractive(b, provider, text)
	return files.Value
}

// Bounds of buttons. Source: WhatsApp Business API, reply buttons, read 2026-11.
const (
	maxButtons = 3
	maxButton  = 20 // code points
)

// bindInteractive binds the buttons below a text. Only one provider has them, and
// a message that lost them on the way would be another message.
func bindInteractive(b *params.Binder, provider string, text params.Opt[string]) []string {
	in := b.Object("interactive")
	if !in.Given() {
		return nil
	}
	if provider != "whatsapp_business" {
		b.Fail("interactive", "is invalid: only whatsapp_business has it")
		return nil
	}
	in.Value.OneOf("type", []string{"button"}, params.Required())
	buttons := in.Value.Strings("buttons", params.Required(), params.NotBlank(), params.Length(1, maxButton))
	if buttons.Given() && (len(buttons.Value) < 1 || len(buttons.Value) > maxButtons) {
		in.Value.Fail("buttons", "is invalid: there must be 1 to 3")
	}
	if absent(text) {
		b.Fail("message", "is required: interactive is given")
	}
	return buttons.Value
}

func writeMessage(o *jsonout.Object, v *parley.Conversation, m *parley.Message) {
	o.Int("external_id", int64(m.ID))
	o.Int("channel_id", int64(v.Channel))
	o.Text("channel_type", v.Spelling)
	o.Text("message", m.Text)
	o.Bool("income", m.Income)
	o.Iso("created_at", m.CreatedAt)
	o.Int("created_at_timestamp", m.CreatedAt.Unix())
	render.Attachments(o, m.Files)
	writeExtensions(o, m)
}

// writeExtensions writes the keys beyond the original API that have something to
// say.
func writeExtensions(o *jsonout.Object, m *parley.Message) {
	if l := m.Location; l != nil {
		o.Nested("location")
		o.Float("latitude", l.Latitude)
		o.Float("longitude", l.Longitude)
		textIfAny(o, "name", l.Name)
		textIfAny(o, "address", l.Address)
		o.Close()
	}
	if m.ReplyTo != 0 {
		o.Int("reply_to_id", int64(m.ReplyTo))
	}
	if m.Forwarded {
		o.Bool("forwarded", true)
	}
	textIfAny(o, "payload", m.Payload)
	if !m.EditedAt.IsZero() {
		o.Int("edited_at_timestamp", m.EditedAt.Unix())
	}
	if !m.DeletedAt.IsZero() {
		o.Int("deleted_at_timestamp", m.DeletedAt.Unix())
	}
}

func textIfAny(o *jsonout.Object, name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}
