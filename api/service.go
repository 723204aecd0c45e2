package api

import (
	"net/http"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

// postService sends a service message: the long text, to a phone, over the
// company's WhatsApp. The short one is what other ways of sending would carry.
func (s *Server) postService(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	phone := b.Phone("phone", params.Required())
	b.String("short_text", params.Required(), params.Alias("short_message"), params.Length(0, parley.MaxText))
	long := b.String("long_text", params.Required(), params.Alias("long_message"), params.Length(0, parley.MaxText))
	if err := b.Err(); err != nil {
		return err
	}
	ch, err := s.channelOf(c, "whatsapp")
	if err != nil {
		return err
	}
	return s.acceptFirst(c, ch, &store.Accept{Text: long.Value, Service: true}, phone.Value, func(a store.Accepted) []byte {
		return okBody(48, func(o *jsonout.Object) {
			o.Int("id", int64(a.Job.ID))
			o.Int("company_id", int64(a.Job.Company))
		})
	})
}

// listTemplates lists the templates of a company's WhatsApp Business, or of all
// the user's companies. No provider of this program keeps any yet.
func (s *Server) listTemplates(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	b.Page()
	if err := b.Err(); err != nil {
		return err
	}
	c.send(http.StatusOK, okBody(48, func(o *jsonout.Object) {
		o.Key("waba_templates")
		o.Array(0, nil)
		o.TextOrNull("next_page", "")
	}))
	return nil
}
