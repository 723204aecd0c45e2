package api

import (
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

// starters are the providers on which strangers can be written to by address.
var starters = []string{"whatsapp", "telegram_personal"}

// A start is a request to open a conversation.
type start struct {
	provider string
	with     store.First
	text     string // said first; empty if nothing is
}

// createConversation opens a conversation with a stranger, or returns the one
// that there is.
func (s *Server) createConversation(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	in := bindStart(b)
	if err := b.Err(); err != nil {
		return err
	}
	ch, err := s.channelOf(c, in.provider)
	if err != nil {
		return err
	}
	// Once it is there, repeating this does nothing more.
	if c.conv, err = s.store.StartConversation(c.ctx, ch, in.with); err != nil {
		return err
	}
	if in.text == "" {
		return c.conversation()
	}
	return s.accept(c, &store.Accept{Company: c.company.ID, Channel: ch, Conversation: c.conv.ID, Text: in.text},
		func(store.Accepted) []byte { return c.conversationBody() })
}

func bindStart(b *params.Binder) start {
	provider := b.OneOf("provider", starters, params.Required())
	if !provider.Given() {
		return start{}
	}
	in := start{provider: provider.Value}
	rules := []params.Rule{params.Alias("message"), params.Length(0, parley.MaxText)}
	phone := b.Phone("phone", required(in.provider == "whatsapp")...)
	in.with = store.First{External: phone.Value, PublicID: phone.Value, Name: phone.Value}
	if in.provider == "telegram_personal" {
		b.Bool("send_to_crm")
		rules = append(rules, params.Required())
		bindUsername(b, phone, &in.with)
	}
	in.text = b.String("text", rules...).Value
	return in
}

func required(yes bool) []params.Rule {
	if yes {
		return []params.Rule{params.Required()}
	}
	return nil
}

// bindUsername binds the other way to name somebody; exactly one is wanted. As an
// address a username keeps its @, which no phone number has.
func bindUsername(b *params.Binder, phone params.Opt[string], with *store.First) {
	username := b.String("username", params.Alias("nickname"), params.Trim(), params.Length(1, 64))
	name := strings.TrimPrefix(username.Value, "@")
	switch {
	case username.Given() && name == "":
		b.Fail("username", "is invalid")
	case username.Given() && phone.Given():
		b.Fail("username", "is invalid: phone is given as well")
	case username.Given():
		*with = store.First{External: "@" + name, PublicID: name, Name: name}
	case absent(username) && absent(phone):
		b.Fail("phone", "or username is required")
	}
}

// absent reports whether a parameter has no value, and has not failed for it.
func absent[T any](o params.Opt[T]) bool {
	return o.State == params.Missing || o.State == params.Empty
}

// channelOf returns the company's channel of a provider, in whatever state.
func (s *Server) channelOf(c *call, provider string) (*parley.Channel, error) {
	for after := int64(0); ; {
		page, err := s.store.Channels(c.ctx, c.company.ID, store.Page{After: after, Limit: params.MaxPer})
		if err != nil {
			return nil, err
		}
		for i := range page {
			if page[i].Provider == provider {
				return s.store.Channel(c.ctx, page[i].ID)
			}
			after = int64(page[i].ID)
		}
		if len(page) < params.MaxPer {
			return nil, parley.Errorf(parley.KindUnsupported, "provider is invalid: the company has no channel of "+provider)
		}
	}
}
