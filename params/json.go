package params

import (
	"encoding/json"
	"strings"
)

// decodeJSON reads a JSON text. ok is false if it is no JSON; err is set if it
// is, but breaks a bound. The UTF-8 of s was checked before.
func decodeJSON(s string, left *int) (n node, ok bool, err error) {
	if !json.Valid([]byte(s)) {
		return node{}, false, nil
	}
	w := walker{s: s, left: left}
	n, err = w.value(0)
	return n, true, err
}

// A walker turns a text that is known to be valid JSON into nodes. encoding/json
// would cost more, lose nothing less, and cannot bound the number of values.
type walker struct {
	s    string
	i    int
	left *int
}

// next skips white space and returns the byte there.
func (w *walker) next() byte {
	for {
		switch c := w.s[w.i]; c {
		case ' ', '\t', '\r', '\n':
			w.i++
		default:
			return c
		}
	}
}

// value reads the value that starts here; depth is that of the value.
func (w *walker) value(depth int) (node, error) {
	if depth > 0 {
		if err := spend(w.left); err != nil {
			return node{}, err
		}
	}
	switch w.next() {
	case '{':
		return w.object(depth)
	case '[':
		return w.array(depth)
	case '"':
		return node{kind: text, text: w.string()}, nil
	case 'n':
		w.word()
		return node{kind: null}, nil
	case 't', 'f':
		return node{kind: boolean, text: w.word()}, nil
	}
	return node{kind: number, text: w.word()}, nil
}

func (w *walker) object(depth int) (node, error) {
	if depth > MaxDepth {
		return node{}, errTooDeep()
	}
	fields := &members{}
	for w.i++; w.next() != '}'; {
		name := w.string()
		w.next()
		w.i++ // colon
		n, err := w.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		*fields.slot(name) = n
		w.comma()
	}
	w.i++
	return node{kind: object, fields: fields}, nil
}

func (w *walker) array(depth int) (node, error) {
	if depth > MaxDepth {
		return node{}, errTooDeep()
	}
	n := node{kind: array}
	for w.i++; w.next() != ']'; {
		item, err := w.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
		w.comma()
	}
	w.i++
	return n, nil
}

func (w *walker) comma() {
	if w.next() == ',' {
		w.i++
	}
}

// string reads the text in quotes that starts here.
func (w *walker) string() string {
	start, escaped := w.i, false
	for w.i++; w.s[w.i] != '"'; w.i++ {
		if w.s[w.i] == '\\' {
			escaped = true
			w.i++
		}
	}
	w.i++
	if !escaped {
		return w.s[start+1 : w.i-1]
	}
	var out string
	if err := json.Unmarshal([]byte(w.s[start:w.i]), &out); err != nil {
		panic("params: valid JSON string refused: " + err.Error()) // the whole text passed json.Valid
	}
	return clean(out)
}

// word reads a number, true, false or null.
func (w *walker) word() string {
	start := w.i
	end := strings.IndexAny(w.s[start:], ",]} \t\r\n")
	if end < 0 {
		end = len(w.s) - start
	}
	w.i += end
	return w.s[start:w.i]
}
