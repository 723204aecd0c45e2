package params

import (
	"strings"
	"unicode/utf8"
)

// decodeForm reads a query or a urlencoded body. left is what remains of
// MaxParameters. The result is nil if there is no text.
func decodeForm(s string, left *int) (*members, error) {
	if s == "" {
		return nil, nil
	}
	top := &members{}
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if err := top.add(unescape(name), unescape(value), left); err != nil {
			return nil, err
		}
	}
	return top, nil
}

// unescape decodes + and percent escapes. A percent sign without two hex digits
// behind it stands for itself.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func fromHex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// clean removes NUL.
func clean(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "")
}

func spend(left *int) error {
	if *left--; *left < 0 {
		return errTooMany()
	}
	return nil
}

// add puts a text under a name that may be nested. A nameless value is dropped.
func (m *members) add(name, value string, left *int) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return errUTF8()
	}
	name, value = clean(name), clean(value)
	if name == "" {
		return nil
	}
	if err := spend(left); err != nil {
		return err
	}
	head, keys := splitName(name)
	n := m.slot(head)
	for depth := 1; keys != ""; depth++ {
		if depth > MaxDepth {
			return errTooDeep()
		}
		if err := spend(left); err != nil {
			return err
		}
		end := strings.IndexByte(keys, ']')
		key := keys[1:end]
		keys = keys[end+1:]
		if n = n.child(key, keys); n == nil {
			return errShape()
		}
	}
	return n.setText(value)
}

// splitName divides a[b][] into a and [b][]. A name that is not of this form is
// returned whole.
func splitName(name string) (head, keys string) {
	open := strings.IndexByte(name, '[')
	if open <= 0 {
		return name, ""
	}
	for rest := name[open:]; rest != ""; {
		end := strings.IndexAny(rest[1:], "[]") + 1
		if rest[0] != '[' || end == 0 || rest[end] != ']' {
			return name, ""
		}
		rest = rest[end+1:]
	}
	return name[:open], name[open:]
}

// child returns the node below n that a key leads to, or nil if n is already
// something that has no such child. An empty key is the next array element, or
// the last one while it is an object without the key that follows.
func (n *node) child(key, following string) *node {
	if key != "" {
		if n.kind == missing {
			*n = node{kind: object, fields: &members{}}
		}
		if n.kind != object {
			return nil
		}
		return n.fields.slot(key)
	}
	if n.kind == missing {
		n.kind = array
	}
	if n.kind != array {
		return nil
	}
	if last := n.openElement(following); last != nil {
		return last
	}
	n.items = append(n.items, node{})
	return &n.items[len(n.items)-1]
}

func (n *node) openElement(following string) *node {
	end := strings.IndexByte(following, ']')
	if len(n.items) == 0 || end < 2 {
		return nil
	}
	last := &n.items[len(n.items)-1]
	if last.kind != object || last.fields.find(following[1:end]) != nil {
		return nil
	}
	return last
}

func (n *node) setText(value string) error {
	switch n.kind {
	case missing:
		n.kind = text
	case text:
		n.items = append(n.items, node{kind: text, text: n.text})
	default:
		return errShape()
	}
	n.text = value
	return nil
}
