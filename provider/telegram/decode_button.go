package telegram

import (
	"cmp"

	"github.com/parley-im/parley/connector"
)

// callback is a pressed button: a message of the person that says its title, else
// its data. The time of the press is not told. Whatever comes of it, the button
// shows that it is busy until the press is confirmed.
func (d decoder) callback(c *callback) connector.Event {
	e := d.press(c)
	e.Confirm = c.ID
	return e
}

func (d decoder) press(c *callback) connector.Event {
	if c.ID == "" || c.From.ID == 0 || c.Data == "" {
		return d.unknown("a button without an id, a person or data", 0)
	}
	chat, reason := c.place()
	if reason != "" {
		return d.unknown(reason, 0)
	}
	what := connector.Message{Text: cmp.Or(c.title(), c.Data), Payload: c.Data}
	return connector.Event{ID: "callback:" + c.ID, Chat: chat, From: c.From.person(), What: what, Raw: d.raw}
}

// place returns where a button was pressed. Of one under a message that was sent
// by way of the bot, no chat is told; the person's own with the bot is what is left.
// Source: Bot API, CallbackQuery, read 2026-11.
func (c *callback) place() (connector.Chat, string) {
	switch {
	case c.Message != nil:
		return c.Message.Chat.event()
	case c.Inline != "":
		return connector.Chat{ID: decimal(c.From.ID)}, ""
	}
	return connector.Chat{}, "a button under no message"
}

func (c *callback) title() string {
	if c.Message == nil {
		return ""
	}
	return c.Message.Markup.title(c.Data)
}
