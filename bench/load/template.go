package load

import (
	"strconv"
	"strings"
)

// vars are the values that a template can name.
type vars struct {
	id   int64 // unique over all runs
	chat int64
	key  string // the chat's line of the keys
	unix int64
	tok  Token
	text string // what precedes the token in the message's text
}

// template is a string with {id}, {chat}, {key}, {key2}, {seq}, {run}, {unix} and
// {text} in it. Other braces, such as JSON's, are left as they are.
type template []string // literals at even indexes, names at odd ones

var templateNames = []string{"id", "chat", "key", "key2", "seq", "run", "unix", "text"}

func parseTemplate(s string) template {
	t := template{""}
	for s != "" {
		at, name := -1, ""
		for _, n := range templateNames {
			if i := strings.Index(s, "{"+n+"}"); i >= 0 && (at < 0 || i < at) {
				at, name = i, n
			}
		}
		if at < 0 {
			break
		}
		t[len(t)-1] = s[:at]
		t = append(t, name, "")
		s = s[at+len(name)+2:]
	}
	t[len(t)-1] = s
	return t
}

// names reports whether the template has a value of this name in it.
func (t template) names(name string) bool {
	for i := 1; i < len(t); i += 2 {
		if t[i] == name {
			return true
		}
	}
	return false
}

func (t template) append(b []byte, v *vars) []byte {
	for i, s := range t {
		if i%2 == 0 {
			b = append(b, s...)
		} else {
			b = v.append(b, s)
		}
	}
	return b
}

func (v *vars) append(b []byte, name string) []byte {
	switch name {
	case "id":
		return strconv.AppendInt(b, v.id, 10)
	case "chat":
		return strconv.AppendInt(b, v.chat, 10)
	case "key":
		key, _, _ := strings.Cut(v.key, "\t")
		return append(b, key...)
	case "key2":
		_, key, _ := strings.Cut(v.key, "\t")
		return append(b, key...)
	case "seq":
		return strconv.AppendInt(b, v.tok.Seq, 10)
	case "run":
		return append(b, v.tok.Run...)
	case "unix":
		return strconv.AppendInt(b, v.unix, 10)
	default: // text
		b = append(b, v.text...)
		return v.tok.Append(append(b, ' '))
	}
}
