package telegramsim

// original is the message that from_chat_id and message_id name. what is the verb
// of the refusal: copy or forward.
func (c *call) original(what string) (*message, error) {
	from, err := c.within("from_chat_id")
	if err != nil {
		return nil, err
	}
	id := c.clamped("message_id", 0, 0, 1<<31-1)
	if id == 0 {
		return nil, badRequest("message identifier is not specified")
	}
	m := c.messages.get(messageKey{c.bot.user.ID, from.id(), id})
	if m == nil {
		return nil, badRequest("message to " + what + " not found")
	}
	return m, nil
}

// copied is what a copy of a message has: its content without its history.
func (m *message) copied() message {
	return message{Text: m.Text, Entities: m.Entities, content: m.content}
}

// empty reports whether a message has no content, as service messages.
func (m *message) empty() bool { return m.Text == "" && m.right() == "" }

// right is what a message is in a refusal to send it, "" if it is a service message.
func (m *message) right() string {
	for _, k := range []struct {
		there bool
		name  string
	}{
		{m.Text != "", "text messages"}, {m.Photo != nil, "photos"}, {m.Animation != nil, "animations"},
		{m.Document != nil, "documents"}, {m.Voice != nil, "voice notes"}, {m.Audio != nil, "audios"},
		{m.Video != nil, "videos"}, {m.VideoNote != nil, "video notes"}, {m.Sticker != nil, "stickers"},
		{m.Venue != nil, "venues"}, {m.Location != nil, "locations"}, {m.Contact != nil, "contacts"},
		{m.Dice != nil, "dice"}, {m.Poll != nil, "polls"},
	} {
		if k.there {
			return k.name
		}
	}
	return ""
}

// A copyResult is all that copyMessage tells. Source: Bot API, MessageId, read 2026-11.
type copyResult struct {
	MessageID int64 `json:"message_id"`
}

// copyMessage. Source: Bot API, copyMessage, read 2026-11.
func (c *call) copyMessage() (any, error) {
	m, err := c.original("copy")
	if err != nil {
		return nil, err
	}
	if m.empty() {
		return nil, badRequest("message can't be copied")
	}
	d := draft{m.copied(), m.right(), c.detailOf(m)}
	if c.params.Has("caption") && m.captionable() {
		t, err := captionOf(c.params)
		if err != nil {
			return nil, err
		}
		d.Caption, d.CaptionEntities = t.text, t.entities
	}
	sent, err := c.sendOne(d)
	if err != nil {
		return nil, err
	}
	return copyResult{sent.MessageID}, nil
}

// forwardMessage. Source: Bot API, forwardMessage, read 2026-11.
func (c *call) forwardMessage() (any, error) {
	m, err := c.original("forward")
	if err != nil {
		return nil, err
	}
	if m.empty() {
		return nil, badRequest("message can't be forwarded")
	}
	d := draft{m.copied(), m.right(), c.detailOf(m)}
	d.forward = m.forwarded()
	list, err := c.send([]draft{d})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// forwarded says where m comes from: where it was forwarded from itself, or its
// sender. Source: Bot API, MessageOrigin, read 2026-11.
func (m *message) forwarded() forward {
	switch {
	case m.Origin != nil:
		return m.forward
	case m.Chat.Type == chatChannel:
		return forward{Origin: &origin{Type: "channel", Date: m.Date, Chat: m.Chat, MessageID: m.MessageID, Signature: m.Signature},
			ForwardChat: m.Chat, ForwardID: m.MessageID, ForwardSigned: m.Signature, ForwardDate: m.Date}
	case m.SenderChat != nil:
		return forward{Origin: &origin{Type: "chat", Date: m.Date, SenderChat: m.SenderChat, Signature: m.Signature},
			ForwardChat: m.SenderChat, ForwardSigned: m.Signature, ForwardDate: m.Date}
	}
	return forward{Origin: &origin{Type: "user", Date: m.Date, User: m.From}, ForwardFrom: m.From, ForwardDate: m.Date}
}

// detailOf is what tests ask about the file in a message, nil if it has none or
// the file is forgotten.
func (c *call) detailOf(m *message) map[string]any {
	if f := c.bot.file(m.fileID()); f != nil {
		return fileDetail(f)
	}
	return nil
}

// fileID is that of the file in a message, "" if it has none.
func (m *message) fileID() string {
	switch {
	case len(m.Photo) > 0:
		return m.Photo[len(m.Photo)-1].ID
	case m.Document != nil:
		return m.Document.ID
	case m.Voice != nil:
		return m.Voice.ID
	case m.Audio != nil:
		return m.Audio.ID
	case m.Video != nil:
		return m.Video.ID
	case m.VideoNote != nil:
		return m.VideoNote.ID
	case m.Sticker != nil:
		return m.Sticker.ID
	}
	return ""
}
