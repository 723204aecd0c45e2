package telegram

import (
	"fmt"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// maxText is the longest text of one message, in UTF-16 code units, and thereby
// at most 12,288 bytes: below the 32,768 bytes at which the server refuses a
// parameter unseen. Beyond it the answer is "message is too long". Source: Bot
// API, sendMessage, read 2026-11.
const maxText = 4096

// Plan splits the text into messages of at most 4096 UTF-16 code units. It
// leaves the chat to the caller, who knows where the conversation lives. The
// keys are made of the message's id and the part's index.
func (c *client) Plan(m *parley.Message) ([]connector.Part, error) {
	if m.Location != nil {
		return nil, parley.Errorf(parley.KindUnsupported, "a location cannot be sent to Telegram: only text can")
	}
	// Telegram trims texts and then refuses an empty one.
	if strings.TrimSpace(m.Text) == "" {
		return nil, &parley.Error{Kind: parley.KindInvalid, Code: "text_empty",
			Message: "the text is empty or only white space, which Telegram does not take"}
	}
	texts := connector.Split(m.Text, maxText, parley.UTF16Len)
	parts := make([]connector.Part, len(texts))
	for i, text := range texts {
		parts[i] = connector.Part{Message: m, Index: i, Count: len(texts), Text: text, Key: fmt.Sprintf("%d.%d", m.ID, i)}
	}
	return parts, nil
}
