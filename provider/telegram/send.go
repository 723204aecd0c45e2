package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A request is what one part is sent with. Without a parse_mode nothing in a text
// or a caption is markup. Source: Bot API, sendMessage, read 2026-11.
type request struct {
	Chat  int64            `json:"chat_id"`
	Text  string           `json:"text"` // with a file, its caption
	Reply *replyParameters `json:"reply_parameters,omitempty"`

	file *parley.Attachment // nil for a text
	way  way                // of sending the file
}

// Source: Bot API, ReplyParameters, read 2026-11.
type replyParameters struct {
	MessageID int64 `json:"message_id"`
	// AllowWithout keeps a deleted parent from failing the send.
	AllowWithout bool `json:"allow_sending_without_reply"`
}

// A sentMessage is as much as is read of the message that a send answers. Source:
// Bot API, Message, read 2026-11.
type sentMessage struct {
	MessageID int64 `json:"message_id"`
	Date      int64 `json:"date"` // unix seconds
}

// Send delivers one part. Where the chat has moved, the message replied to is gone,
// or Telegram will not have the file as what it is but as a document, it sends
// again, once for each reason: all these answers say for certain that nothing was
// sent. The bytes of a file are opened anew each time.
func (c *client) Send(ctx context.Context, p connector.Part) (connector.Sent, error) {
	r, err := newRequest(p)
	if err != nil {
		return connector.Sent{}, err
	}
	asked := r.Chat
	m, err := c.submit(ctx, r)
	for r.amend(err, asked) {
		m, err = c.submit(ctx, r)
	}
	if err != nil {
		return connector.Sent{}, err
	}
	return sent(m, asked, r.Chat), nil
}

var errNoID = errors.New("the answer has no message_id")

func (c *client) submit(ctx context.Context, r *request) (m sentMessage, err error) {
	if r.file == nil {
		err = c.call(ctx, sendMessage, r, &m)
	} else {
		err = c.upload(ctx, r.way.method, newForm(r.fields(), r.way.field, r.file), r.file, &m)
	}
	if err == nil && m.MessageID == 0 {
		err = c.unreadable(errNoID)
	}
	return m, err
}

func newRequest(p connector.Part) (*request, error) {
	chat, err := chatID(p.Chat)
	if err != nil {
		return nil, err
	}
	r := &request{Chat: chat, Text: p.Text, Reply: replyTo(p), file: p.File}
	if r.file != nil {
		r.way = wayOf(r.file)
	}
	return r, nil
}

// chatID reads the id of a conversation.
func chatID(text string) (int64, error) {
	chat, err := strconv.ParseInt(text, 10, 64)
	if err != nil || chat == 0 {
		return 0, &parley.Error{Kind: parley.KindInvalid, Code: "chat_id", Message: "the conversation's id is not one of Telegram's"}
	}
	return chat, nil
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

// fields returns the parameters beside the file. What is no scalar is JSON in a
// form, too. Source: Bot API, making requests, read 2026-11.
func (r *request) fields() []field {
	fields := []field{{"chat_id", decimal(r.Chat)}, {"caption", r.Text}}
	if r.Reply != nil {
		text, _ := json.Marshal(r.Reply) // a number and a bool
		fields = append(fields, field{"reply_parameters", string(text)})
	}
	return fields
}

// amend changes a request that was refused into one that may pass, and reports
// whether it could: at most once for each reason.
func (r *request) amend(err error, asked int64) bool {
	e, ok := errors.AsType[*parley.Error](err)
	if !ok {
		return false
	}
	said, _ := errors.AsType[*refusal](err)
	switch {
	case said != nil && said.migrateTo != 0 && r.Chat == asked:
		r.Chat = said.migrateTo
		return r.Chat != asked
	case e.Code == codeReplyGone && r.Reply != nil:
		r.Reply = nil
		return true
	case said != nil && r.file != nil && r.plainer(e, said):
		r.way = asDocument
		return true
	}
	return false
}

// plainer reports whether a file that was refused may pass as a document: a
// picture that the server cannot make a photo of, for which it has many codes, and
// a voice message to somebody who does not want any.
func (r *request) plainer(e *parley.Error, said *refusal) bool {
	switch r.way {
	case asPhoto:
		return e.Code == codePhoto || e.Code == codeFileSize || (e.Kind == parley.KindRejected && said.internal)
	case asVoice:
		return e.Code == codeVoice
	}
	return false
}

// sent reports the id of the message within its chat; the chat itself only if
// it has moved.
func sent(m sentMessage, asked, chat int64) connector.Sent {
	s := connector.Sent{ProviderID: decimal(m.MessageID), Ack: parley.AckSent, At: date(m.Date)}
	if chat != asked {
		s.Chat = decimal(chat)
	}
	return s
}
