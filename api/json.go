package api

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// An object appends JSON to a buffer, key by key. Answers are written by hand
// because pages of messages are the API's most frequent and largest answers.
type object struct {
	buf   []byte
	comma bool
}

// newObject opens an object whose text takes about size bytes.
func newObject(size int) *object {
	o := &object{buf: make([]byte, 0, size)}
	o.open()
	return o
}

func (o *object) open()  { o.buf, o.comma = append(o.buf, '{'), false }
func (o *object) close() { o.buf, o.comma = append(o.buf, '}'), true }

// end closes the outermost object and returns the text.
func (o *object) end() []byte {
	o.close()
	return o.buf
}

// key writes a key, which must need no escaping.
func (o *object) key(name string) {
	if o.comma {
		o.buf = append(o.buf, ',')
	}
	o.comma = true
	o.buf = append(append(append(o.buf, '"'), name...), '"', ':')
}

// value writes a text that is no member of an object.
func (o *object) value(s string) { o.buf = appendString(o.buf, s) }

func (o *object) text(name, value string) {
	o.key(name)
	o.value(value)
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

// intOrNull writes null unless the value is known.
func (o *object) intOrNull(name string, value int64, known bool) {
	if !known {
		o.raw(name, "null")
		return
	}
	o.int(name, value)
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

// iso writes a time as ISO 8601 in UTC with milliseconds.
func (o *object) iso(name string, t time.Time) {
	o.key(name)
	o.buf = append(o.buf, '"')
	o.buf = t.UTC().AppendFormat(o.buf, "2006-01-02T15:04:05.000Z")
	o.buf = append(o.buf, '"')
}

// isoOrNull writes null for the zero time.
func (o *object) isoOrNull(name string, t time.Time) {
	if t.IsZero() {
		o.raw(name, "null")
		return
	}
	o.iso(name, t)
}

// unix writes seconds, 0 for the zero time.
func (o *object) unix(name string, t time.Time) {
	if t.IsZero() {
		o.int(name, 0)
		return
	}
	o.int(name, t.Unix())
}

// nested opens an object as the value of a key.
func (o *object) nested(name string) {
	o.key(name)
	o.open()
}

// array writes n elements as the value of the key before it.
func (o *object) array(n int, element func(i int)) {
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

const hexDigits = "0123456789abcdef"

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
	return append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
