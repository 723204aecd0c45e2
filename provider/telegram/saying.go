package telegram

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A saying is what a message says, new or edited.
type saying struct {
	text        string
	payload     string
	location    *parley.Location
	files       []connector.File
	unsupported string // the kind of what could not be read; empty if all could
}

// saying reads a message. If it says nothing, the note is what it is instead.
func (d decoder) saying(m *message) (s saying, n note) {
	if m.Text != "" {
		return saying{text: m.Text, payload: startPayload(m.Text)}, note{}
	}
	c := readContents(d.raw)
	if s = c.saying(d.cloud); s.empty() {
		s, n = d.unread(c)
	}
	if m.Caption != "" { // whatever it belongs to, somebody said it
		s.text, n = m.Caption, note{}
	}
	return s, n
}

func (s *saying) empty() bool {
	return s.text == "" && s.payload == "" && s.location == nil && len(s.files) == 0
}

// saying returns the first that can be read of what a message holds, of which
// there is at most one kind. It is empty if nothing can.
func (c *contents) saying(cloud bool) saying {
	if files := c.files(cloud); files != nil {
		return saying{files: files, text: c.Sticker.emoji()}
	}
	if where := c.location(); where != nil {
		return saying{location: where}
	}
	if c.WebApp != nil {
		return saying{text: cmp.Or(c.WebApp.Button, c.WebApp.Data), payload: c.WebApp.Data}
	}
	return saying{text: cmp.Or(c.Contact.line(), c.Poll.lines(), c.Dice.line())}
}

func (m *media) emoji() string {
	if m == nil {
		return ""
	}
	return m.Emoji
}

// line returns "Name, +phone", or the one of both that there is.
func (c *contactCard) line() string {
	if c == nil {
		return ""
	}
	name, phone := oneLine(c.FirstName+" "+c.LastName), oneLine(c.Phone)
	if phone != "" && !strings.HasPrefix(phone, "+") {
		phone = "+" + phone
	}
	if name != "" && phone != "" {
		return name + ", " + phone
	}
	return name + phone
}

// lines returns the question and the options, one a line.
func (p *pollCard) lines() string {
	if p == nil {
		return ""
	}
	lines := []string{oneLine(p.Question)}
	for _, o := range p.Options {
		lines = append(lines, oneLine(o.Text))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// line returns the emoji and the value, which counts from 1. Source: Bot API,
// Dice, read 2026-11.
func (d *dice) line() string {
	if d == nil || oneLine(d.Emoji) == "" || d.Value < 1 {
		return ""
	}
	return oneLine(d.Emoji) + " " + strconv.Itoa(d.Value)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
