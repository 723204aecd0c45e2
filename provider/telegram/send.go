package telegram

import (
	"context"
	"errors"
	"strconv"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A textRequest is plain text: without a parse_mode nothing in it is markup.
// Source: Bot API, sendMessage, read 2026-11.
type textRequest struct {
	Chat  int64            `json:"chat_id"`
	Text  string           `json:"text"`
	Reply *replyParameters `json:"reply_parameters,omitempty"`
}

// Source: Bot API, ReplyParameters, read 2026-11.
type replyParameters struct {
	MessageID int64 `json:"message_id"`
	// AllowWithout keeps a deleted parent from failing the send.
	AllowWithout bool `json:"allow_sending_without_reply"`
}

// Send delivers one part with sendMessage. Where the chat has moved or the
// message replied to is gone, it sends again, once for each reason: both answers
// say for certain that nothing was sent.
func (c *client) Send(ctx context.Context, p connector.Part) (connector.Sent, error) {
	req, err := newText(p)
	if err != nil {
		return connector.Sent{}, err
	}
	asked := req.Chat
	m, err := c.sendText(ctx, req)
	for amends := 0; amends < 2 && req.amend(err, asked); amends++ {
		m, err = c.sendText(ctx, req)
	}
	if err != nil {
		return connector.Sent{}, err
	}
	return sent(m, asked, req.Chat), nil
}

func (c *client) sendText(ctx context.Context, req *textRequest) (*message, error) {
	var m message
	if err := c.call(ctx, sendMessage, req, &m); err != nil {
		return nil, err
	}
	if m.MessageID == 0 {
		return nil, c.unreadable(errNoID)
	}
	return &m, nil
}

var errNoID = errors.New("the answer has no message_id")

func newText(p connector.Part) (*textRequest, error) {
	chat, err := strconv.ParseInt(p.Chat, 10, 64)
	if err != nil || chat == 0 {
		return nil, &parley.Error{Kind: parley.KindInvalid, Code: "chat_id", Message: "the conversation's id is not one of Telegram's"}
	}
	return &textRequest{Chat: chat, Text: p.Text, Reply: replyTo(p)}, nil
}

// replyTo returns nil for later parts, which belong to the first, and for ids
// that are not of Telegram's messages, such as that of a pressed button.
func replyTo(p connector.Part) *replyParameters {
	if p.Index > 0 || p.Message == nil {
		return nil
	}
	id, err := strconv.ParseInt(p.Message.ReplyToID, 10, 64)
	if err != nil || id <= 0 {
		return nil
	}
	return &replyParameters{MessageID: id, AllowWithout: true}
}

// amend changes a request that was refused into one that may pass, and reports
// whether it could.
func (r *textRequest) amend(err error, asked int64) bool {
	if said, ok := errors.AsType[*refusal](err); ok && said.migrateTo != 0 && r.Chat == asked {
		r.Chat = said.migrateTo
		return r.Chat != asked
	}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == codeReplyGone && r.Reply != nil {
		r.Reply = nil
		return true
	}
	return false
}

// sent reports the id of the message within its chat; the chat itself only if
// it has moved.
func sent(m *message, asked, chat int64) connector.Sent {
	s := connector.Sent{ProviderID: decimal(m.MessageID), Ack: parley.AckSent, At: date(m.Date)}
	if chat != asked {
		s.Chat = decimal(chat)
	}
	return s
}
