package telegramsim

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-im/parley/simulator"
)

// Limits of a text. Source: Bot API, sendMessage and sendPhoto, read 2026-11; the
// raw limit from tdlib/telegram-bot-api.
const (
	maxText    = 4096  // UTF-16 code units after entities parsing
	maxCaption = 1024  // of those
	maxRawText = 32768 // bytes before it
)

// A styled text is what a message shows.
type styled struct {
	text     string
	entities []entity
}

// A rawText is a text as a request has it, with how it is to be read.
type rawText struct {
	text, mode string
	entities   string // JSON, "" if none; ignored if there is a mode
}

// styledText reads what must not be empty: the text of a message.
func styledText(p simulator.Params) (styled, error) {
	t, err := rawText{p.Get("text"), p.Get("parse_mode"), p.Get("entities")}.read()
	switch {
	case err != nil:
		return styled{}, err
	case t.text == "":
		return styled{}, badRequest("message text is empty")
	case units(t.text) > maxText:
		return styled{}, badRequest("message is too long")
	}
	return t, nil
}

// captionOf reads the caption among the parameters of a call, which may be empty.
func captionOf(p simulator.Params) (styled, error) {
	return rawText{p.Get("caption"), p.Get("parse_mode"), p.Get("caption_entities")}.caption()
}

func (r rawText) caption() (styled, error) {
	t, err := r.read()
	if err == nil && units(t.text) > maxCaption {
		err = badRequest("message caption is too long")
	}
	return t, err
}

// read parses and trims a text of any length up to the raw limit.
func (r rawText) read() (styled, error) {
	switch {
	case !utf8.ValidString(r.text):
		return styled{}, badRequest("strings must be encoded in UTF-8")
	case len(r.text) > maxRawText:
		return styled{}, badRequest("text is too long")
	}
	t, err := r.parse()
	return t.trimmed(), err
}

func (r rawText) parse() (styled, error) {
	switch strings.ToLower(r.mode) {
	case "":
		return r.plain()
	case "html":
		return parseHTML(r.text)
	case "markdown", "markdownv2":
		return styled{}, badRequest("can't parse entities: the simulator reads only HTML and plain text")
	}
	return styled{}, badRequest("unsupported parse_mode")
}

func (r rawText) plain() (styled, error) {
	var list []entity
	if r.entities != "" && json.Unmarshal([]byte(r.entities), &list) != nil {
		return styled{}, badRequest("can't parse entities: entities must be a JSON array")
	}
	if len(list) == 0 {
		list = nil // so that messages without any are equal
	}
	return styled{r.text, list}, nil
}

// units counts UTF-16 code units, in which Telegram measures texts.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// trimmed is t without space around it; entities move along, and those that
// covered nothing but space are gone.
func (t styled) trimmed() styled {
	left := strings.TrimLeftFunc(t.text, unicode.IsSpace)
	text := strings.TrimRightFunc(left, unicode.IsSpace)
	if text == t.text && len(t.entities) == 0 {
		return t
	}
	shift := units(t.text) - units(left)
	return styled{text: text, entities: clip(t.entities, shift, units(text))}
}

// clip moves entities left by shift and cuts them to a text of length units.
func clip(list []entity, shift, length int) []entity {
	var out []entity
	for _, e := range list {
		start := min(max(e.Offset-shift, 0), length)
		end := min(max(e.Offset+e.Length-shift, 0), length)
		if end > start {
			e.Offset, e.Length = start, end-start
			out = append(out, e)
		}
	}
	return out
}

// maxCommand is the longest bot command. Source: Bot API, BotCommand, read 2026-11.
const maxCommand = 32

// commands finds the bot commands that people write: /word, /word@bot, at the
// start or after a space.
func commands(text string) []entity {
	if !strings.Contains(text, "/") {
		return nil
	}
	var out []entity
	at, start := 0, true
	for i, r := range text {
		if start && r == '/' {
			if n := commandLength(text[i:]); n > 0 {
				out = append(out, entity{Type: "bot_command", Offset: at, Length: n})
			}
		}
		start = unicode.IsSpace(r)
		at += utf16.RuneLen(r)
	}
	return out
}

// commandLength is the length of the command at the start of text, 0 if the
// slash there begins none.
func commandLength(text string) int {
	rest := text[1:]
	n := nameLength(rest)
	if n == 0 || n > maxCommand {
		return 0
	}
	if at, ok := strings.CutPrefix(rest[n:], "@"); ok {
		if m := nameLength(at); m > 0 {
			n += 1 + m
		}
	}
	return 1 + n
}

func nameLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if n < 0 {
		return len(s)
	}
	return n
}
