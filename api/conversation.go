package api

import (
	"context"
	"net/http"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type conversationStore interface {
	Conversations(ctx context.Context, company parley.CompanyID, p store.Page) ([]parley.Conversation, error)
	Conversation(ctx context.Context, company parley.CompanyID, id parley.ConversationID) (parley.Conversation, error)
	Addressee(ctx context.Context, company parley.CompanyID, id parley.ConversationID) (store.Addressee, error)
	// StartConversation makes a conversation before anything is said in it. One that
	// exists is returned as it is.
	StartConversation(ctx context.Context, ch *parley.Channel, with store.First) (parley.Conversation, error)
	UpdateConversation(ctx context.Context, company parley.CompanyID, id parley.ConversationID, c store.ConversationChange) error
}

// conversationSize is about what a conversation takes as JSON, in bytes.
const conversationSize = 420

// addressee finds the conversation of the path, as far as those need it who write
// into it or list what is in it, and its channel.
func (s *Server) addressee(c *call) error {
	to, err := s.store.Addressee(c.ctx, c.company.ID, parley.ConversationID(c.ids[idConversation]))
	c.conv, c.channel = to.Conversation, to.Channel
	return err
}

// conversation finds the conversation of the path with all that there is to show.
func (s *Server) conversation(c *call) (err error) {
	c.conv, err = s.store.Conversation(c.ctx, c.company.ID, parley.ConversationID(c.ids[idConversation]))
	return err
}

func (s *Server) listConversations(c *call) error {
	return show(c, list[parley.Conversation]{
		name: "conversations", parent: int64(c.company.ID), size: conversationSize,
		rows: func(ctx context.Context, p store.Page) ([]parley.Conversation, error) {
			return s.store.Conversations(ctx, c.company.ID, p)
		},
		id:    func(x *parley.Conversation) int64 { return int64(x.ID) },
		write: writeConversation,
	})
}

func (s *Server) showConversation(c *call) error { return c.conversation() }

// conversation answers with the call's conversation.
func (c *call) conversation() error {
	c.send(http.StatusOK, c.conversationBody())
	return nil
}

func (c *call) conversationBody() []byte {
	return okBody(conversationSize, func(o *jsonout.Object) {
		o.Nested("conversation")
		writeConversation(o, &c.conv)
		o.Close()
	})
}

func (s *Server) noteConversation(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	note := b.String("note", params.Present()).Value
	if err := b.Err(); err != nil {
		return err
	}
	if err := s.store.UpdateConversation(c.ctx, c.company.ID, c.conv.ID, store.ConversationChange{Note: &note}); err != nil {
		return err
	}
	return c.done("updated", 0)
}

// assignConversation notes who is responsible; nobody if nobody is named.
func (s *Server) assignConversation(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	c.conv.Assignee = b.Int("assignee_id", params.Min(1)).Value
	if err := b.Err(); err != nil {
		return err
	}
	if err := s.store.UpdateConversation(c.ctx, c.company.ID, c.conv.ID, store.ConversationChange{Assignee: &c.conv.Assignee}); err != nil {
		return err
	}
	return c.conversation()
}

// toggleConversation sets the flag, or flips it if no value is given.
func (s *Server) toggleConversation(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	c.conv.BitrixBlock = b.Bool("enabled").Or(!c.conv.BitrixBlock)
	if err := b.Err(); err != nil {
		return err
	}
	if err := s.store.UpdateConversation(c.ctx, c.company.ID, c.conv.ID, store.ConversationChange{BitrixBlock: &c.conv.BitrixBlock}); err != nil {
		return err
	}
	return c.conversation()
}

func writeConversation(o *jsonout.Object, v *parley.Conversation) {
	o.Int("external_id", int64(v.ID))
	o.Text("name", firstText(v.Name, v.PublicID))
	o.Int("channel_id", int64(v.Channel))
	o.Text("channel_type", v.Spelling)
	o.Iso("created_at", v.CreatedAt)
	o.Int("created_at_timestamp", v.CreatedAt.Unix())
	o.Text("avatar", firstText(v.AvatarURL, avatarPath))
	o.Text("sender_external_id", v.PublicID)
	o.Raw("meta", "{}")
	o.Unix("last_message_at", v.LastMessage)
	o.Unix("last_income_message_at", v.LastIncome)
	o.Bool("bitrix_block_openlines", v.BitrixBlock)
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
