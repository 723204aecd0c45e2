package telegramsim

import (
	"encoding/json"
	"reflect"
	"time"
)

// target is the message that chat_id and message_id name, whether it exists or not.
func (c *call) target() (messageKey, error) {
	id := c.clamped("message_id", 0, 0, 1<<31-1)
	if id == 0 || c.params.Get("chat_id") == "" {
		return messageKey{}, badRequest("message identifier is not specified")
	}
	p, err := c.within("chat_id")
	if err != nil {
		return messageKey{}, err
	}
	return messageKey{c.bot.user.ID, p.id(), id}, nil
}

// editMessageText. Source: Bot API, editMessageText, read 2026-11.
func (c *call) editMessageText() (any, error) {
	t, err := styledText(c.params)
	if err != nil {
		return nil, err
	}
	return c.revise(nil, func(m *message) error {
		if m.Text == "" {
			return badRequest("there is no text in the message to edit")
		}
		m.Text, m.Entities = t.text, t.entities
		return nil
	})
}

// editMessageCaption. Source: Bot API, editMessageCaption, read 2026-11.
func (c *call) editMessageCaption() (any, error) {
	t, err := captionOf(c.params)
	if err != nil {
		return nil, err
	}
	return c.revise(nil, func(m *message) error {
		if !m.captionable() {
			return badRequest("there is no caption in the message to edit")
		}
		m.Caption, m.CaptionEntities = t.text, t.entities
		return nil
	})
}

// editMessageMedia. Source: Bot API, editMessageMedia, read 2026-11.
func (c *call) editMessageMedia() (any, error) {
	var in inputMedia
	if given, err := c.params.JSON("media", &in); err != nil || !given {
		return nil, badRequest("can't parse input media JSON object")
	}
	g, err := in.given(false)
	if err != nil {
		return nil, err
	}
	m, err := c.material(g)
	if err != nil {
		return nil, err
	}
	d := c.draft(m)
	return c.revise(d.detail, func(m *message) error { return m.reface(d.message) })
}

// reface puts new media in place of a message's own, or of its text. In an album
// documents and audios stay what they are. Source: Bot API, editMessageMedia, read 2026-11.
func (m *message) reface(with message) error {
	if m.Text == "" && (!m.captionable() || m.Voice != nil) {
		return badRequest("there is no media in the message to edit")
	}
	for _, alone := range []string{"documents", "audios"} {
		if m.MediaGroup != "" && (m.right() == alone) != (with.right() == alone) {
			return badRequest("can't change media type in the album")
		}
	}
	m.Text, m.Entities, m.content = "", nil, with.content
	return nil
}

// revise changes the message that the request names with change, and gives it
// the keyboard of the request.
func (c *call) revise(detail map[string]any, change func(*message) error) (any, error) {
	markup, err := c.markup()
	if err != nil {
		return nil, err
	}
	k, err := c.target()
	if err != nil {
		return nil, err
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	old := c.messages.get(k)
	if old == nil {
		return nil, badRequest("message to edit not found")
	}
	if !c.bot.wrote(old) || old.empty() {
		return nil, badRequest("message can't be edited")
	}
	edited := *old
	edited.ReplyMarkup = markup
	if err := change(&edited); err != nil {
		return nil, err
	}
	if reflect.DeepEqual(old, &edited) {
		return nil, errNotModified
	}
	return c.replace(k, &edited, detail), nil
}

var errNotModified = badRequest("message is not modified: specified new message content and reply markup are " +
	"exactly the same as a current content and reply markup of the message")

// wrote reports whether the bot can edit a message as its own: in a channel that
// is every post.
func (b *bot) wrote(m *message) bool {
	return m.Chat.Type == chatChannel || m.From != nil && m.From.ID == b.user.ID
}

// replace stores an edited message. Only of edits in channels the bot gets an update.
func (c *call) replace(k messageKey, m *message, detail map[string]any) *message {
	now := c.now()
	m.EditDate = now.Unix()
	c.messages.replace(k, m)
	c.record(now, m, detail)
	if m.Chat.Type == chatChannel {
		_, _ = c.bot.push("edited_channel_post", m.Chat.ID, m) // a message always becomes JSON
	}
	return m
}

// deleteFor is how long a message can be deleted.
// Source: Bot API, deleteMessage, read 2026-11.
const deleteFor = 48 * time.Hour

func (c *call) deleteMessage() (any, error) {
	k, err := c.target()
	if err != nil {
		return nil, err
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	if err := c.remove(k); err != nil {
		return nil, err
	}
	return true, nil
}

// remove deletes a message; the caller holds the bot's lock.
func (c *call) remove(k messageKey) error {
	m := c.messages.get(k)
	if m == nil {
		return badRequest("message to delete not found")
	}
	now := c.now()
	if now.Sub(time.Unix(m.Date, 0)) > deleteFor || !c.bot.mayDelete(m) {
		return badRequest("message can't be deleted")
	}
	c.messages.remove(k)
	c.record(now, &message{MessageID: m.MessageID, Chat: m.Chat}, nil)
	return nil
}

// mayDelete reports whether the bot may delete a message at all: its own, what is
// in a private chat, and everything where it is administrator.
// Source: Bot API, deleteMessage, read 2026-11.
func (b *bot) mayDelete(m *message) bool {
	ch := b.chats[m.Chat.ID]
	return m.Chat.Type == chatPrivate || m.From != nil && m.From.ID == b.user.ID ||
		ch != nil && ch.status == statusAdmin
}

// maxDeleted is how many messages can be deleted at once.
// Source: Bot API, deleteMessages, read 2026-11.
const maxDeleted = 100

// deleteMessages deletes what it can and skips the rest.
func (c *call) deleteMessages() (any, error) {
	p, err := c.within("chat_id")
	if err != nil {
		return nil, err
	}
	var ids []json.Number
	switch given, err := c.params.JSON("message_ids", &ids); {
	case err != nil:
		return nil, badRequest("can't parse message identifiers JSON object")
	case !given || len(ids) == 0:
		return nil, badRequest("message identifiers are not specified")
	case len(ids) > maxDeleted:
		return nil, badRequest("too many message identifiers specified")
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	for _, n := range ids {
		id, _ := n.Int64() // what is no whole number names no message
		_ = c.remove(messageKey{c.bot.user.ID, p.id(), id})
	}
	return true, nil
}

// Limits of an answer to a button. answerFor is not published.
const (
	answerFor = 15 * time.Minute
	maxAlert  = 200 // characters. Source: Bot API, answerCallbackQuery, read 2026-11.
)

func (c *call) answerCallbackQuery() (any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	id := c.params.Get("callback_query_id")
	asked, ok := b.queries[id]
	if !ok || c.now().Sub(asked) > answerFor {
		return nil, badRequest("query is too old and response timeout expired or query ID is invalid")
	}
	if units(c.params.Get("text")) > maxAlert {
		return nil, badRequest("MESSAGE_TOO_LONG")
	}
	delete(b.queries, id)
	return true, nil
}
