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

// maxCaption is the longest caption of a file, in UTF-16 code units. Beyond it the
// answer is "message caption is too long". Source: Bot API, sendPhoto, read 2026-11.
const maxCaption = 1024

// Plan splits the text into messages of at most 4096 UTF-16 code units, followed
// by one message for each file. A text of at most 1024 units is instead the caption
// of the file, if there is exactly one. Plan leaves the chat to the caller, who
// knows where the conversation lives. The keys are made of the message's id and the
// part's index.
func (c *client) Plan(m *parley.Message) ([]connector.Part, error) {
	if m.Location != nil {
		return nil, parley.Errorf(parley.KindUnsupported, "a location cannot be sent to Telegram: only text and files can")
	}
	for i := range m.Files {
		if err := c.fits(m.Files[i].Size); err != nil {
			return nil, err
		}
	}
	// Telegram trims texts and then refuses an empty one.
	blank := strings.TrimSpace(m.Text) == ""
	if blank && len(m.Files) == 0 {
		return nil, &parley.Error{Kind: parley.KindInvalid, Code: "text_empty",
			Message: "the text is empty or only white space, which Telegram does not take"}
	}
	return numbered(m, carried(m, blank)), nil
}

// carried returns what the parts carry, in sending order.
func carried(m *parley.Message, blank bool) []connector.Part {
	if len(m.Files) == 1 && !blank && parley.UTF16Len(m.Text) <= maxCaption {
		return []connector.Part{{Text: m.Text, File: &m.Files[0]}}
	}
	var parts []connector.Part
	if !blank {
		for _, text := range connector.Split(m.Text, maxText, parley.UTF16Len) {
			parts = append(parts, connector.Part{Text: text})
		}
	}
	for i := range m.Files {
		parts = append(parts, connector.Part{File: &m.Files[i]})
	}
	return parts
}

func numbered(m *parley.Message, parts []connector.Part) []connector.Part {
	for i := range parts {
		p := &parts[i]
		p.Message, p.Index, p.Count, p.Key = m, i, len(parts), fmt.Sprintf("%d.%d", m.ID, i)
	}
	return parts
}
