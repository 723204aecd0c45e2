package telegramsim

import (
	"bytes"
	"slices"
	"time"
)

// target is the message that chat_id and message_id name, whether it exists or not.
func (c *call) target() (messageKey, error) {
	id := c.clamped("message_id", 0, 0, 1<<31-1)
	if id == 0 || c.params.Get("chat_id") == "" {
		return messageKey{}, badRequest("message identifier is not specified")
	}
	p, err := c.recipient()
	if err != nil {
		return messageKey{}, err
	}
	return messageKey{c.bot.user.ID, p.id, id}, nil
}

// editMessageText. Source: Bot API, editMessageText, read 2026-11.
func (c *call) editMessageText() (any, error) {
	t, err := styledText(c.params)
	if err != nil {
		return nil, err
	}
	markup, err := c.markup()
	if err != nil {
		return nil, err
	}
	k, err := c.target()
	if err != nil {
		return nil, err
	}
	return c.revise(k, message{Text: t.text, Entities: t.entities, ReplyMarkup: markup})
}

func (c *call) revise(k messageKey, v message) (any, error) {
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	old := c.messages.get(k)
	if old == nil {
		return nil, badRequest("message to edit not found")
	}
	if !old.From.IsBot {
		return nil, badRequest("message can't be edited")
	}
	edited := *old
	edited.Text, edited.Entities, edited.ReplyMarkup = v.Text, v.Entities, v.ReplyMarkup
	if same(old, &edited) {
		return nil, badRequest("message is not modified: specified new message content and reply markup are " +
			"exactly the same as a current content and reply markup of the message")
	}
	now := c.now()
	edited.EditDate = now.Unix()
	c.messages.replace(k, &edited)
	c.record(now, &edited)
	return &edited, nil
}

func same(a, b *message) bool {
	return a.Text == b.Text && bytes.Equal(a.ReplyMarkup, b.ReplyMarkup) &&
		slices.EqualFunc(a.Entities, b.Entities, func(x, y entity) bool {
			return x.Type == y.Type && x.Offset == y.Offset && x.Length == y.Length && x.URL == y.URL
		})
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
	m := c.messages.get(k)
	if m == nil {
		return nil, badRequest("message to delete not found")
	}
	now := c.now()
	if now.Sub(time.Unix(m.Date, 0)) > deleteFor {
		return nil, badRequest("message can't be deleted")
	}
	c.messages.remove(k)
	c.record(now, &message{MessageID: m.MessageID, Chat: m.Chat})
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
