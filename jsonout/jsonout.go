// Package jsonout writes JSON objects by hand, key by key, in a fixed order. What
// passes through it is written for every stored message and every page of the
// API, where encoding/json would be a large part of the work. It reads nothing.
package jsonout

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// An Object appends JSON to a buffer, key by key. The caller keeps the order of
// calls right: a key before its value, an end for every beginning.
type Object struct {
	buf   []byte
	comma bool
}

// New opens an object whose text takes about size bytes.
func New(size int) *Object {
	o := &Object{buf: make([]byte, 0, size)}
	o.Open()
	return o
}

// Open begins an object as a value.
func (o *Object) Open() { o.buf, o.comma = append(o.buf, '{'), false }

// Close ends the innermost object.
func (o *Object) Close() { o.buf, o.comma = append(o.buf, '}'), true }

// End closes the outermost object and returns the text.
func (o *Object) End() []byte {
	o.Close()
	return o.buf
}

// Key writes a key, which must need no escaping.
func (o *Object) Key(name string) {
	if o.comma {
		o.buf = append(o.buf, ',')
	}
	o.comma = true
	o.buf = append(append(append(o.buf, '"'), name...), '"', ':')
}

// Value writes a text that is no member of an object.
func (o *Object) Value(s string) { o.buf = AppendString(o.buf, s) }

// Text writes a text.
func (o *Object) Text(name, value string) {
	o.Key(name)
	o.Value(value)
}

// TextOrNull writes null for an empty text.
func (o *Object) TextOrNull(name, value string) {
	if value == "" {
		o.Raw(name, "null")
		return
	}
	o.Text(name, value)
}

// Int writes a whole number.
func (o *Object) Int(name string, value int64) {
	o.Key(name)
	o.buf = strconv.AppendInt(o.buf, value, 10)
}

// IntOrNull writes null unless the value is known.
func (o *Object) IntOrNull(name string, value int64, known bool) {
	if !known {
		o.Raw(name, "null")
		return
	}
	o.Int(name, value)
}

// Float writes a number in plain digits; it must be finite.
func (o *Object) Float(name string, value float64) {
	o.Key(name)
	o.buf = strconv.AppendFloat(o.buf, value, 'f', -1, 64)
}

// Bool writes true or false.
func (o *Object) Bool(name string, value bool) {
	o.Key(name)
	o.buf = strconv.AppendBool(o.buf, value)
}

// Raw writes a value that is JSON already.
func (o *Object) Raw(name, value string) {
	o.Key(name)
	o.buf = append(o.buf, value...)
}

// Iso writes a time as ISO 8601 in UTC with milliseconds.
func (o *Object) Iso(name string, t time.Time) {
	o.Key(name)
	o.buf = append(o.buf, '"')
	o.buf = t.UTC().AppendFormat(o.buf, "2006-01-02T15:04:05.000Z")
	o.buf = append(o.buf, '"')
}

// IsoOrNull writes null for the zero time.
func (o *Object) IsoOrNull(name string, t time.Time) {
	if t.IsZero() {
		o.Raw(name, "null")
		return
	}
	o.Iso(name, t)
}

// Unix writes seconds, 0 for the zero time.
func (o *Object) Unix(name string, t time.Time) {
	if t.IsZero() {
		o.Int(name, 0)
		return
	}
	o.Int(name, t.Unix())
}

// Stamp writes a time as webhooks of conversations and messages show it.
func (o *Object) Stamp(name string, t time.Time) {
	o.Key(name)
	o.buf = append(o.buf, '"')
	o.buf = t.UTC().AppendFormat(o.buf, "2006-01-02 15:04:05 UTC")
	o.buf = append(o.buf, '"')
}

// UnixOrNull writes seconds, or null for the zero time.
func (o *Object) UnixOrNull(name string, t time.Time) {
	if t.IsZero() {
		o.Raw(name, "null")
		return
	}
	o.Int(name, t.Unix())
}

// Nested opens an object as the value of a key.
func (o *Object) Nested(name string) {
	o.Key(name)
	o.Open()
}

// Array writes n elements as the value of the key before it.
func (o *Object) Array(n int, element func(i int)) {
	o.buf = append(o.buf, '[')
	for i := range n {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		element(i)
	}
	o.buf = append(o.buf, ']')
	o.comma = true
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(buf []byte, s string) []byte {
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
