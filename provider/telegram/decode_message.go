package telegram

import (
	"regexp"
	"strings"

	"github.com/parley-im/parley/connector"
)

// message is a message that somebody wrote, or a note of the server about the chat.
func (d decoder) message(m *message) connector.Event {
	chat, reason := m.place()
	if reason != "" {
		return d.unknown(reason, m.Date)
	}
	s, n := d.saying(m)
	if n.what != nil {
		return d.note(m, chat, n)
	}
	return d.at(m, chat, connector.Message{
		Own: m.From != nil && m.From.ID == d.bot, Text: s.text, ReplyTo: m.replyTo(), Forwarded: m.forwarded(),
		Payload: s.payload, Location: s.location, Files: s.files, Unsupported: s.unsupported,
	})
}

// at is an event about the message m itself.
func (d decoder) at(m *message, chat connector.Chat, what connector.What) connector.Event {
	return connector.Event{ID: decimal(m.MessageID), At: date(m.Date), Chat: chat, From: m.sender(), What: what, Raw: d.raw}
}

// place returns where a message was written, or why it cannot be carried.
func (m *message) place() (connector.Chat, string) {
	if m.MessageID <= 0 {
		return connector.Chat{}, "a message without an id"
	}
	return m.Chat.event()
}

// edit says what a message is now. Its files are all that it has; a caption that
// was taken away is an empty text. Edits in the same second are told apart by the
// update.
func (d decoder) edit(m *message) connector.Event {
	chat, reason := m.place()
	if reason != "" {
		return d.unknown(reason, m.EditDate)
	}
	s, n := d.saying(m)
	switch {
	case n.what != nil:
		return d.unknown("an edit of a message that says nothing", m.EditDate)
	case s.unsupported != "" && s.text == "":
		return d.unknown("an edit of kind "+s.unsupported, m.EditDate)
	}
	e := d.at(m, chat, connector.Edit{Text: s.text, Location: s.location, Files: s.files})
	e.Version, e.At = decimal(m.EditDate)+"-"+decimal(d.update), date(m.EditDate)
	return e
}

// startLink is a start command with the payload of a link, of at most 64
// characters. Source: Bot API, deep linking, read 2026-11.
var startLink = regexp.MustCompile(`^/start(?:@[A-Za-z0-9_]+)? ([A-Za-z0-9_-]{1,64})$`)

func startPayload(text string) string {
	// Most texts are none, and a look is cheaper than a match.
	if !strings.HasPrefix(text, "/start") {
		return ""
	}
	if found := startLink.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
