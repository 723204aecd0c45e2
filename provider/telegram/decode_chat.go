package telegram

import (
	"strings"

	"github.com/parley-im/parley/connector"
)

// A note is what a message is that says nothing: a service message, or one that
// is not understood.
type note struct {
	what  connector.What // nil if the message does say something
	title string         // the new one, if what is Renamed
	from  string         // the group's former id, if what is Moved and told in the new one
}

// service is what a service message comes to. That the bot itself joins or leaves
// is told by an update of its own. That a group has become another is told in both
// of them, and updates keep their order within a chat only: the one in the new
// group is what comes before anything that is said there.
// Source: Bot API, Message and Update, read 2026-11.
func (c *contents) service(kind string) note {
	title := strings.TrimSpace(c.NewTitle)
	switch {
	case kind == "new_chat_title" && title != "":
		return note{what: connector.Renamed{}, title: title}
	case kind == "migrate_to_chat_id" && c.MigrateTo != 0:
		return note{what: connector.Moved{To: decimal(c.MigrateTo)}}
	case kind == "migrate_from_chat_id" && c.MigrateFrom != 0:
		return note{what: connector.Moved{}, from: decimal(c.MigrateFrom)}
	case kind == "new_chat_title", kind == "migrate_to_chat_id", kind == "migrate_from_chat_id":
		return note{what: connector.Unknown{Reason: "a service message of kind " + kind + " without a value"}}
	}
	return note{what: connector.Ignored{Reason: "a service message of kind " + kind}}
}

// note makes the event of a note. Only a group has a title and can move. The two
// that tell of one move are one event, which has the new id for its own.
func (d decoder) note(m *message, chat connector.Chat, n note) connector.Event {
	what := n.what
	id := decimal(m.MessageID)
	switch moved := what.(type) {
	case connector.Renamed:
		chat.Name = n.title
	case connector.Moved:
		if n.from != "" {
			moved.To, chat.ID = chat.ID, n.from
		}
		if moved.To == chat.ID {
			return d.unknown("a group that moves to itself", m.Date)
		}
		what, id = moved, moved.To
	default:
		return d.about(what, m.Date)
	}
	if !chat.Group {
		return d.unknown("a service message of groups in a private chat", m.Date)
	}
	e := d.at(m, chat, what)
	e.ID = id
	return e
}

// member tells whether the bot can still write to a person or in a group. Source:
// Bot API, ChatMember, read 2026-11.
func (d decoder) member(m *memberUpdate) connector.Event {
	chat, reason := m.Chat.event()
	if reason != "" {
		return d.unknown(reason, m.Date)
	}
	what := m.New.means(chat.Group)
	if what == nil {
		return d.unknown("a membership of kind "+word(m.New.Status), m.Date)
	}
	who := m.From.person()
	if m.From.ID == 0 {
		who = m.Chat.person()
	}
	return connector.Event{ID: decimal(d.update), Version: decimal(m.Date), At: date(m.Date), Chat: chat, From: who, What: what, Raw: d.raw}
}

// means returns nil for a status that is not known. A private chat has only the
// first and the last one, there meaning that the bot is not blocked, and that it is.
func (m *member) means(group bool) connector.What {
	switch {
	case m.Status == "member":
		return connector.Unblocked{}
	case m.Status == "kicked":
		return connector.Blocked{}
	case !group:
		return nil
	case m.Status == "administrator", m.Status == "restricted" && m.IsMember:
		return connector.Unblocked{}
	case m.Status == "left", m.Status == "restricted":
		return connector.Blocked{}
	}
	return nil
}
