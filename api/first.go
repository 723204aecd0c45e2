package api

import (
	"context"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

// clients is how clients of channels are had.
type clients interface {
	// Client returns the client of a channel that can carry messages. KindLoggedOut:
	// it cannot now.
	Client(ctx context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error)
	// AnyClient returns the client of a channel in whatever state, to be linked.
	AnyClient(ctx context.Context, id parley.ChannelID) (connector.Client, error)
}

// A first is what a stranger is written.
type first struct {
	phone    string
	text     string
	template *parley.Template
}

// firstMessages say how strangers are written to on the providers that allow it.
var firstMessages = map[string]func(*params.Binder, *first){
	"whatsapp":          bindFirstText,
	"whatsapp_business": bindFirstTemplate,
}

// postFirst writes to somebody by phone, known or not. The channel need not be
// connected: the job tells.
func (s *Server) postFirst(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	bind := firstMessages[c.channel.Provider]
	if bind == nil {
		b.Fail("channel", "is invalid: strangers can be written to on whatsapp and whatsapp_business only")
		return b.Err()
	}
	in := first{phone: b.Phone("phone", params.Required()).Value}
	bind(b, &in)
	if err := b.Err(); err != nil {
		return err
	}
	return s.acceptFirst(c, c.channel, &store.Accept{Text: in.text, Template: in.template}, in.phone,
		func(a store.Accepted) []byte { return jobBody(&a.Job, c.channel.Spelling, a.Known) })
}

// acceptFirst takes a message to a phone number for sending.
func (s *Server) acceptFirst(c *call, ch *parley.Channel, in *store.Accept, phone string, body func(store.Accepted) []byte) error {
	in.Company, in.Channel = c.company.ID, ch
	in.First = &store.First{External: phone, PublicID: phone, Name: phone}
	return s.accept(c, in, body)
}

func bindFirstText(b *params.Binder, in *first) {
	in.text = b.String("message", params.Required(), params.Alias("text"), params.Length(0, parley.MaxText)).Value
}

// Bounds of a template, in code points and parameters. They are ours, and wide: what
// a template takes is for the messenger to say.
const (
	maxTemplateID         = 512
	maxTemplateParameters = 100
	maxTemplateParameter  = 1024
)

// bindFirstTemplate binds a template. Some clients send its parameters as an
// object, and drop them when there are none.
func bindFirstTemplate(b *params.Binder, in *first) {
	template := b.Object("template", params.Required())
	if !template.Given() {
		return
	}
	t := template.Value
	in.template = &parley.Template{
		ID:         t.String("id", params.Required(), params.Length(1, maxTemplateID)).Value,
		Language:   t.String("language_code", params.Required(), params.Length(1, 32)).Value,
		Parameters: t.Strings("parameters", params.NaturalKeys(), params.Length(0, maxTemplateParameter)).Value,
	}
	if len(in.template.Parameters) > maxTemplateParameters {
		t.Fail("parameters", "is invalid: there are more than 100")
	}
}

// finders are the providers that can tell whether a phone number is somebody's.
var finders = []string{"whatsapp", "telegram_personal"}

var errNotConnected = parley.Errorf(parley.KindConflict, "channel is not connected")

// showExists tells whether a phone number can be written to. The messenger is
// asked while the client waits.
func (s *Server) showExists(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	phone := b.Phone("phone", params.Required()).Value
	only(b, c.channel, finders)
	if err := b.Err(); err != nil {
		return err
	}
	finder, err := ableEnabled[connector.Finder](s, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	found, err := finder.Find(ctx, phone)
	if err != nil {
		return asked(c, err)
	}
	o := jsonout.New(32)
	o.Text("status", "ok")
	o.Bool("exists", found)
	return c.bare(o)
}

// ableEnabled returns what the client of the call's channel can do, for channels
// that must be connected for it.
func ableEnabled[T any](s *Server, c *call) (able T, err error) {
	if s.clients == nil {
		return able, errNotOffered
	}
	_, client, _, err := s.clients.Client(c.ctx, c.channel.ID)
	if parley.KindOf(err) == parley.KindLoggedOut {
		err = errNotConnected
	}
	return ability[T](client, err)
}

// ableAny is ableEnabled for channels in whatever state.
func ableAny[T any](s *Server, c *call) (able T, err error) {
	if s.clients == nil {
		return able, errNotOffered
	}
	client, err := s.clients.AnyClient(c.ctx, c.channel.ID)
	return ability[T](client, err)
}

func ability[T any](client connector.Client, err error) (able T, _ error) {
	if err != nil {
		return able, err
	}
	able, ok := client.(T)
	if !ok {
		return able, errNotOffered
	}
	return able, nil
}
