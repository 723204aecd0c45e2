package telegram

import (
	"bytes"
	"strings"
	"time"

	"github.com/parley-im/parley/connector"
)

// The shapes of the Bot API, as far as they are read; what is not named here is
// passed over. Source: Bot API, available types, read 2026-11.
type (
	update struct {
		ID         *int64        `json:"update_id"`
		Message    *message      `json:"message"`
		Edited     *message      `json:"edited_message"`
		Post       *message      `json:"channel_post"`
		EditedPost *message      `json:"edited_channel_post"`
		Callback   *callback     `json:"callback_query"`
		Member     *memberUpdate `json:"my_chat_member"`
	}

	// A message without what is in it beside text, which is read apart: see contents.
	message struct {
		MessageID  int64     `json:"message_id"`
		From       *user     `json:"from"`
		SenderChat *chat     `json:"sender_chat"` // who really wrote, if a chat did
		Chat       chat      `json:"chat"`
		Date       int64     `json:"date"`
		EditDate   int64     `json:"edit_date"`
		Text       string    `json:"text"`
		Caption    string    `json:"caption"`
		Reply      *parent   `json:"reply_to_message"`
		Markup     *keyboard `json:"reply_markup"`

		// Any of these marks a forward: the first is the current form, the others older.
		Origin          present `json:"forward_origin"`
		ForwardFrom     present `json:"forward_from"`
		ForwardFromChat present `json:"forward_from_chat"`
		ForwardName     present `json:"forward_sender_name"`
		ForwardDate     present `json:"forward_date"`
	}

	parent struct {
		MessageID    int64   `json:"message_id"`
		Chat         chat    `json:"chat"`
		TopicCreated present `json:"forum_topic_created"`
	}

	user struct {
		ID        int64  `json:"id"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Username  string `json:"username"`
	}

	chat struct {
		ID        int64  `json:"id"`
		Type      string `json:"type"`
		Title     string `json:"title"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Username  string `json:"username"`
	}

	callback struct {
		ID      string   `json:"id"`
		From    user     `json:"from"`
		Message *message `json:"message"` // under which the button is; date 0 if it cannot be read any more
		Inline  string   `json:"inline_message_id"`
		Data    string   `json:"data"`
	}

	keyboard struct {
		Rows [][]button `json:"inline_keyboard"`
	}

	button struct {
		Text string `json:"text"`
		Data string `json:"callback_data"`
	}

	memberUpdate struct {
		Chat chat   `json:"chat"`
		From user   `json:"from"`
		Date int64  `json:"date"`
		New  member `json:"new_chat_member"`
	}

	member struct {
		Status   string `json:"status"`
		IsMember bool   `json:"is_member"` // said of the restricted alone, who may have left
	}
)

// present is whether a key is there at all, whatever its value but null.
type present bool

func (p *present) UnmarshalJSON(data []byte) error {
	*p = present(!bytes.Equal(data, []byte("null")))
	return nil
}

const (
	chatPrivate    = "private"
	chatGroup      = "group"
	chatSupergroup = "supergroup"
	chatChannel    = "channel"
)

func (c *chat) private() bool { return c.Type == chatPrivate }

// event returns the chat as the gateway knows it, or why it carries none such.
func (c *chat) event() (connector.Chat, string) {
	switch {
	case c.ID == 0:
		return connector.Chat{}, "no chat"
	case c.private():
		return connector.Chat{ID: decimal(c.ID)}, ""
	case c.Type == chatGroup, c.Type == chatSupergroup, c.Type == chatChannel:
		return connector.Chat{ID: decimal(c.ID), Group: true, Name: strings.TrimSpace(c.Title)}, ""
	}
	return connector.Chat{}, "a chat of type " + word(c.Type)
}

// person returns the one behind a private chat, or the chat that writes as one.
func (c *chat) person() connector.Person {
	name := strings.TrimSpace(c.Title)
	if name == "" {
		name = fullName(c.FirstName, c.LastName)
	}
	return connector.Person{ID: decimal(c.ID), Name: name, Username: c.Username}
}

func (u *user) name() string { return fullName(u.FirstName, u.LastName) }

func (u *user) person() connector.Person {
	return connector.Person{ID: decimal(u.ID), Name: u.name(), Username: u.Username}
}

func fullName(first, last string) string {
	return strings.TrimSpace(strings.TrimSpace(first) + " " + strings.TrimSpace(last))
}

// sender returns who wrote. What is in a channel, the channel has written, whoever
// signed it. Where a chat writes in a group, such as an anonymous administrator,
// From is a placeholder shared by all of them.
func (m *message) sender() connector.Person {
	switch {
	case m.Chat.Type == chatChannel:
		return m.Chat.person()
	case !m.Chat.private() && m.SenderChat != nil && m.SenderChat.ID != 0:
		return m.SenderChat.person()
	case m.From != nil && m.From.ID != 0:
		return m.From.person()
	case m.Chat.private():
		return m.Chat.person()
	}
	return connector.Person{}
}

// replyTo leaves out parents elsewhere, and the service message to which every
// message of a forum topic replies.
func (m *message) replyTo() string {
	r := m.Reply
	if r == nil || r.MessageID == 0 || bool(r.TopicCreated) || (r.Chat.ID != 0 && r.Chat.ID != m.Chat.ID) {
		return ""
	}
	return decimal(r.MessageID)
}

func (m *message) forwarded() bool {
	return bool(m.Origin || m.ForwardFrom || m.ForwardFromChat || m.ForwardName || m.ForwardDate)
}

// title returns what is written on the button that carries data.
func (k *keyboard) title(data string) string {
	if k == nil {
		return ""
	}
	for _, row := range k.Rows {
		for _, b := range row {
			if b.Data == data {
				return b.Text
			}
		}
	}
	return ""
}

const maxDate = 253402300799 // the last second of the year 9999

// date reads unix seconds; what is no sensible date is the zero time.
func date(seconds int64) time.Time {
	if seconds <= 0 || seconds > maxDate {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
