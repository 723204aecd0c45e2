package params

import (
	"encoding/json"
	"net/http"
	"strings"
)

// MaxDepth is how many arrays and objects may lie inside one another below the
// top level, so a name may have that many pairs of brackets.
const MaxDepth = 32

// MaxParameters is how many values one request may hold. Arrays and objects
// count as values; a nested form name counts once for each of its levels.
const MaxParameters = 10_000

// TokenHeader is the header that carries the API token.
const TokenHeader = "X-Private-Api-Token"

// TokenParameter is the parameter that carries the API token if the header does
// not. It takes no part in [Set.Canonical].
const TokenParameter = "private_api_token"

type kind uint8

const (
	missing kind = iota
	null
	text
	number
	boolean
	array
	object
)

// A node is one value. Numbers keep the text they were written with.
type node struct {
	kind   kind
	text   string   // text, number, boolean
	items  []node   // array: its elements; text: the earlier values of a repeated name
	fields *members // object
}

type member struct {
	name string
	node node
}

// members are an object's values by name. A list is faster than a map for the
// few names of an ordinary request; the index keeps a hostile one linear.
type members struct {
	list  []member
	index map[string]int
}

const indexFrom = 16

func (m *members) find(name string) *node {
	if m.index != nil {
		if i, ok := m.index[name]; ok {
			return &m.list[i].node
		}
		return nil
	}
	for i := range m.list {
		if m.list[i].name == name {
			return &m.list[i].node
		}
	}
	return nil
}

// slot returns the node of a name, a missing one if the name is new. It is valid
// until the next new name.
func (m *members) slot(name string) *node {
	if n := m.find(name); n != nil {
		return n
	}
	m.list = append(m.list, member{name: name})
	last := len(m.list) - 1
	switch {
	case m.index != nil:
		m.index[name] = last
	case last >= indexFrom:
		m.index = make(map[string]int, 2*indexFrom)
		for i := range m.list {
			m.index[m.list[i].name] = i
		}
	}
	return &m.list[last].node
}

// under returns m with the names of lower that it lacks. It may change and
// return either; both may be nil.
func (m *members) under(lower *members) *members {
	switch {
	case m == nil || len(m.list) == 0:
		return lower
	case lower == nil:
		return m
	}
	for _, f := range lower.list {
		if n := m.slot(f.name); n.kind == missing {
			*n = f.node
		}
	}
	return m
}

// A Set holds the parameters of one request, or those inside one object
// parameter. It is immutable, so it is safe for concurrent use.
type Set struct {
	top   *members
	token string // from the body alone
	inner bool   // of an object parameter
}

// Has reports whether any of the names is there at all, blank and null included.
func (s *Set) Has(names ...string) bool {
	for _, name := range names {
		if s.top.find(name) != nil {
			return true
		}
	}
	return false
}

// Len returns the number of names at the top level.
func (s *Set) Len() int { return len(s.top.list) }

// Canonical returns all parameters but the API token as a JSON object whose keys
// are sorted, for hashing and for keeping an object parameter as it came. Equal
// requests have equal bytes. Text and number stay different ("1" and 1), numbers
// keep their digits, and a repeated name is an array of its values.
func (s *Set) Canonical() []byte {
	tree := s.top.plain()
	if !s.inner {
		delete(tree, TokenParameter)
	}
	data, err := json.Marshal(tree)
	if err != nil {
		panic("params: canonical form: " + err.Error()) // the tree holds strings, numbers read as JSON, and bools
	}
	return data
}

func (m *members) plain() map[string]any {
	tree := make(map[string]any, len(m.list))
	for i := range m.list {
		tree[m.list[i].name] = m.list[i].node.plain()
	}
	return tree
}

func (n *node) plain() any {
	switch n.kind {
	case text:
		if len(n.items) > 0 {
			return append(plainList(n.items), n.text)
		}
		return n.text
	case number:
		return json.Number(n.text)
	case boolean:
		return n.text == "true"
	case array:
		return plainList(n.items)
	case object:
		return n.fields.plain()
	}
	return nil
}

func plainList(items []node) []any {
	list := make([]any, len(items))
	for i := range items {
		list[i] = items[i].plain()
	}
	return list
}

// scalar returns the text of a text or a number.
func (n *node) scalar() (string, bool) {
	if n == nil {
		return "", false
	}
	return n.text, n.kind == text || n.kind == number
}

// Token returns the API token of a request: from the header, else the query,
// else the body, whichever is the first that is not blank; "" if there is none.
// A nil set leaves the body out, for requests that are judged before their body
// is read; a body above 1 MiB is left out as well.
func Token(r *http.Request, s *Set) string {
	if t := strings.TrimSpace(r.Header.Get(TokenHeader)); t != "" {
		return t
	}
	if t := queryToken(r); t != "" || s == nil {
		return t
	}
	return s.token
}

func queryToken(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	left := MaxParameters
	query, err := decodeForm(r.URL.RawQuery, &left)
	if err != nil {
		return ""
	}
	return query.token()
}

func (m *members) token() string {
	if m == nil {
		return ""
	}
	t, ok := m.find(TokenParameter).scalar()
	if !ok {
		return ""
	}
	return strings.TrimSpace(t)
}
