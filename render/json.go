package render

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// object appends a JSON object to a buffer, key by key. Values are written by
// hand because every stored message passes here, inside the writer's turn.
type object struct {
	buf   []byte
	comma bool
}

func (o *object) open()  { o.buf, o.comma = append(o.buf, '{'), false }
func (o *object) close() { o.buf, o.comma = append(o.buf, '}'), true }

// key writes a key, which must need no escaping.
func (o *object) key(name string) {
	if o.comma {
		o.buf = append(o.buf, ',')
	}
	o.comma = true
	o.buf = append(append(append(o.buf, '"'), name...), '"', ':')
}

func (o *object) text(name, value string) {
	o.key(name)
	o.buf = appendString(o.buf, value)
}

// textOrNull writes null for an empty text.
func (o *object) textOrNull(name, value string) {
	if value == "" {
		o.raw(name, "null")
		return
	}
	o.text(name, value)
}

func (o *object) int(name string, value int64) {
	o.key(name)
	o.buf = strconv.AppendInt(o.buf, value, 10)
}

func (o *object) float(name string, value float64) {
	o.key(name)
	o.buf = strconv.AppendFloat(o.buf, value, 'f', -1, 64)
}

func (o *object) bool(name string, value bool) {
	o.key(name)
	o.buf = strconv.AppendBool(o.buf, value)
}

// raw writes a value that is JSON already.
func (o *object) raw(name, value string) {
	o.key(name)
	o.buf = append(o.buf, value...)
}

// stamp writes a time as webhooks of conversations and messages show it.
func (o *object) stamp(name string, t time.Time) {
	o.key(name)
	o.buf = append(o.buf, '"')
	o.buf = t.UTC().AppendFormat(o.buf, "2006-01-02 15:04:05 UTC")
	o.buf = append(o.buf, '"')
}

// unixOrNull writes seconds, or null for the zero time.
func (o *object) unixOrNull(name string, t time.Time) {
	if t.IsZero() {
		o.raw(name, "null")
		return
	}
	o.int(name, t.Unix())
}

// nested opens an object as the value of a key.
func (o *object) nested(name string) {
	o.key(name)
	o.open()
}

const hex = "0123456789abcdef"

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, width := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && width == 1 {
				buf = append(append(buf, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += width
			continue
		case c < ' ', c == '"', c == '\\':
			buf = appendEscape(append(buf, s[start:i]...), c)
			start = i + 1
		}
		i++
	}
	return append(append(buf, s[start:]...), '"')
}

func appendEscape(buf []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(buf, '\\', c)
	case '\n':
		return append(buf, '\\', 'n')
	case '\r':
		return append(buf, '\\', 'r')
	case '\t':
		return append(buf, '\\', 't')
	}
	return append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
