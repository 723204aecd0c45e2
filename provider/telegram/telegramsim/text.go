package telegramsim

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-im/parley/simulator"
)

// Limits of a text. Source: Bot API, sendMessage, read 2026-11; the raw limit
// from tdlib/telegram-bot-api.
const (
	maxText    = 4096  // UTF-16 code units after entities parsing
	maxRawText = 32768 // bytes before it
)

// A styled text is what a message shows.
type styled struct {
	text     string
	entities []entity
}

// styledText reads text with parse_mode or entities and checks it.
func styledText(p simulator.Params) (styled, error) {
	raw := p.Get("text")
	switch {
	case raw == "":
		return styled{}, badRequest("message text is empty")
	case !utf8.ValidString(raw):
		return styled{}, badRequest("strings must be encoded in UTF-8")
	case len(raw) > maxRawText:
		return styled{}, badRequest("text is too long")
	}
	t, err := parseText(p, raw)
	if err != nil {
		return styled{}, err
	}
	t = t.trimmed()
	switch {
	case t.text == "":
		return styled{}, badRequest("message text is empty")
	case units(t.text) > maxText:
		return styled{}, badRequest("message is too long")
	}
	return t, nil
}

func parseText(p simulator.Params, raw string) (styled, error) {
	switch strings.ToLower(p.Get("parse_mode")) {
	case "":
		t := styled{text: raw}
		if _, err := p.JSON("entities", &t.entities); err != nil {
			return styled{}, badRequest("can't parse entities: entities must be a JSON array")
		}
		return t, nil
	case "html":
		return parseHTML(raw)
	case "markdown", "markdownv2":
		return styled{}, badRequest("can't parse entities: the simulator reads only HTML and plain text")
	}
	return styled{}, badRequest("unsupported parse_mode")
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
