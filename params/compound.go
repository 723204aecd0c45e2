package params

import (
	"cmp"
	"slices"
	"strings"
)

// Ints binds an array of integers. A single value is an array of one, an object
// is read by its keys, and a JSON text is read as what it says. Rules: Between
// and Min for each element, NaturalKeys.
func (b *Binder) Ints(name string, rules ...Rule) Opt[[]int64] {
	return bind(b, name, &spec{rules: rules, list: true}, listOf(toInt))
}

// Strings binds an array of scalars as their texts, in the same forms as Ints.
// Rules: Length, Trim and NotBlank for each element, NaturalKeys.
func (b *Binder) Strings(name string, rules ...Rule) Opt[[]string] {
	return bind(b, name, &spec{rules: rules, list: true}, listOf(toElement))
}

// Object binds an object, given as such or as a JSON text. The value binds what
// is in it: its failures are added to those of b, with field names such as
// template.id. It is nil unless the object is given.
func (b *Binder) Object(name string, rules ...Rule) Opt[*Binder] {
	fields := bind(b, name, &spec{rules: rules}, toObject)
	if !fields.Given() {
		return Opt[*Binder]{State: fields.State}
	}
	inner := &Binder{
		set:    &Set{top: fields.Value, inner: true},
		prefix: b.prefix + name + ".",
		root:   b.root,
	}
	return Opt[*Binder]{Value: inner, State: Given}
}

func toObject(n *node, _ *spec) (*members, string) {
	if n.kind == text {
		n = n.parsed()
	}
	if n.kind != object {
		return nil, isInvalid
	}
	return n.fields, ""
}

// parsed returns the array or object that a text spells in JSON, or else n. A
// text that breaks the bounds is left a text.
func (n *node) parsed() *node {
	trimmed := strings.TrimSpace(n.text)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' {
		return n
	}
	left := MaxParameters
	if value, ok, err := decodeJSON(trimmed, &left); ok && err == nil {
		return &value
	}
	return n
}

func toElement(n *node, s *spec) (string, string) {
	value, problem := toString(n, s)
	if problem == "" && s.has(ruleNotBlank) && blank(value) {
		problem = isInvalid
	}
	return value, problem
}

func listOf[T any](convert func(*node, *spec) (T, string)) func(*node, *spec) ([]T, string) {
	return func(n *node, s *spec) ([]T, string) {
		items, ok := n.elements(s)
		if !ok {
			return nil, isInvalid
		}
		list := make([]T, len(items))
		for i := range items {
			value, problem := convert(&items[i], s)
			if problem != "" {
				return nil, problem
			}
			list[i] = value
		}
		return list, ""
	}
}

// elements returns n as an array.
func (n *node) elements(s *spec) ([]node, bool) {
	if n.kind == text && len(n.items) == 0 {
		n = n.parsed()
	}
	switch n.kind {
	case array:
		return n.items, true
	case object:
		return n.fields.ordered(s.has(ruleNatural))
	case text:
		return append(slices.Clone(n.items), node{kind: text, text: n.text}), true
	}
	return []node{*n}, true
}

// ordered returns the values of an object in the order of its keys. It fails if a
// key is not a number, unless any is allowed.
func (m *members) ordered(any bool) ([]node, bool) {
	if !any && slices.ContainsFunc(m.list, func(f member) bool { return !digits(f.name) }) {
		return nil, false
	}
	sorted := slices.Clone(m.list)
	slices.SortStableFunc(sorted, func(a, b member) int { return naturally(a.name, b.name) })
	items := make([]node, len(sorted))
	for i := range sorted {
		items[i] = sorted[i].node
	}
	return items, true
}

// naturally compares texts with runs of digits compared as numbers.
func naturally(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a = run(a)
		y, b = run(b)
		c := strings.Compare(x, y)
		if digits(x) && digits(y) {
			c = numerically(x, y)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// run splits off the digits, or the other bytes, that a text begins with.
func run(s string) (head, tail string) {
	i := 1
	for i < len(s) && digits(s[i:i+1]) == digits(s[:1]) {
		i++
	}
	return s[:i], s[i:]
}

func numerically(x, y string) int {
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}
