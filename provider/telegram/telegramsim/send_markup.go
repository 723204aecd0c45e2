package telegramsim

import (
	"encoding/json"
	"fmt"
)

// An inlineKeyboard is what is looked at of one.
type inlineKeyboard struct {
	Rows [][]inlineButton `json:"inline_keyboard"`
}

// An inlineButton must have a text and something to do.
// Source: Bot API, InlineKeyboardButton, read 2026-11.
type inlineButton struct {
	Text  string          `json:"text"`
	Data  string          `json:"callback_data"`
	URL   string          `json:"url"`
	App   json.RawMessage `json:"web_app"`
	Login json.RawMessage `json:"login_url"`
	Query *string         `json:"switch_inline_query"`
	Here  *string         `json:"switch_inline_query_current_chat"`
	Some  json.RawMessage `json:"switch_inline_query_chosen_chat"`
	Copy  json.RawMessage `json:"copy_text"`
	Game  json.RawMessage `json:"callback_game"`
	Pay   bool            `json:"pay"`
}

// A replyKeyboard is one in place of the person's own keys. A key may be a
// string alone.
type replyKeyboard struct {
	Rows [][]json.RawMessage `json:"keyboard"`
}

// Limits of keyboards, in bytes. Source: Bot API, InlineKeyboardButton, read
// 2026-11; the limit of the whole is not published.
const (
	maxData   = 64
	maxMarkup = 10 << 10
)

// markup checks reply_markup; only an inline keyboard becomes part of the message.
func (c *call) markup() (json.RawMessage, error) {
	raw := c.params.Get("reply_markup")
	if raw == "" {
		return nil, nil
	}
	if len(raw) > maxMarkup {
		return nil, badRequest("reply markup is too long")
	}
	var inline inlineKeyboard
	var keys replyKeyboard
	if json.Unmarshal([]byte(raw), &inline) != nil || json.Unmarshal([]byte(raw), &keys) != nil {
		return nil, badRequest("can't parse reply keyboard markup JSON object")
	}
	if err := keys.check(); err != nil {
		return nil, err
	}
	if err := inline.check(); err != nil || inline.Rows == nil {
		return nil, err
	}
	return json.RawMessage(raw), nil
}

func (k inlineKeyboard) check() error {
	for _, row := range k.Rows {
		for _, b := range row {
			if err := b.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func badButton(why string) error { return badRequest("can't parse inline keyboard button: " + why) }

func (b inlineButton) check() error {
	switch {
	case b.Text == "":
		return badButton(`Can't find field "text"`)
	case b.URL != "" && !isAddress(b.URL):
		return badRequest(fmt.Sprintf("inline keyboard button URL '%s' is invalid: Wrong HTTP URL", b.URL))
	case len(b.Data) > maxData:
		return badRequest("BUTTON_DATA_INVALID")
	case b.URL == "" && b.Data == "" && !b.acts():
		return badButton("Text buttons are unallowed in the inline keyboard")
	}
	return nil
}

// acts reports whether a button does something beside url and callback_data.
func (b inlineButton) acts() bool {
	return b.App != nil || b.Login != nil || b.Query != nil || b.Here != nil || b.Some != nil ||
		b.Copy != nil || b.Game != nil || b.Pay
}

func (k replyKeyboard) check() error {
	for _, row := range k.Rows {
		for _, raw := range row {
			var key struct {
				Text string `json:"text"`
			}
			if json.Unmarshal(raw, &key.Text) == nil {
				continue
			}
			if json.Unmarshal(raw, &key) != nil || key.Text == "" {
				return badRequest(`can't parse keyboard button: Can't find field "text"`)
			}
		}
	}
	return nil
}
