package params

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A State says how a parameter was sent.
type State uint8

// The states of an [Opt].
const (
	Missing State = iota // none of its names is there
	Empty                // null or a blank text
	Given                // it has a value
	Failed               // it breaks a rule; the Binder has the message
)

// An Opt is a bound parameter. Its zero value is a missing one.
type Opt[T any] struct {
	Value T // the zero value unless State is Given
	State State
}

// Given reports whether there is a value.
func (o Opt[T]) Given() bool { return o.State == Given }

// Cleared reports whether the parameter was sent as null or blank, which on an
// update means to clear.
func (o Opt[T]) Cleared() bool { return o.State == Empty }

// Sent reports whether the parameter was there in any form.
func (o Opt[T]) Sent() bool { return o.State != Missing }

// Or returns the value, or other if there is none.
func (o Opt[T]) Or(other T) T {
	if o.State == Given {
		return o.Value
	}
	return other
}

type ruleKind uint8

const (
	ruleRequired ruleKind = iota
	rulePresent
	ruleNotBlank
	ruleTrim
	ruleNatural
	ruleAlias
	ruleLength
	ruleBetween
	ruleMin
)

// A Rule restricts a parameter or says how to find it. Rules that do not apply
// to a type are ignored there; in an array they hold for each element.
type Rule struct {
	kind     ruleKind
	from, to int64
	name     string
}

// Required refuses a parameter that is missing, null or blank.
func Required() Rule { return Rule{kind: ruleRequired} }

// Present refuses a parameter whose name is missing; null and blank pass.
func Present() Rule { return Rule{kind: rulePresent} }

// NotBlank refuses a blank text where a missing parameter or null passes, and
// blank elements of an array.
func NotBlank() Rule { return Rule{kind: ruleNotBlank} }

// Trim cuts white space off both ends of a string before its length is measured.
func Trim() Rule { return Rule{kind: ruleTrim} }

// NaturalKeys lets an object with any keys be read as an array, in their natural
// order (p2 before p10). Without it the keys must be decimal numbers.
func NaturalKeys() Rule { return Rule{kind: ruleNatural} }

// Alias adds another name. The first name that holds a value wins, the names
// being tried in the order of the rules.
func Alias(name string) Rule { return Rule{kind: ruleAlias, name: name} }

// Length bounds a string, in Unicode code points, both ends included.
func Length(from, to int) Rule { return Rule{kind: ruleLength, from: int64(from), to: int64(to)} }

// Between bounds an integer, both ends included.
func Between(from, to int64) Rule { return Rule{kind: ruleBetween, from: from, to: to} }

// Min bounds an integer from below.
func Min(from int64) Rule { return Rule{kind: ruleMin, from: from} }

// A spec is a parameter with its rules.
type spec struct {
	rules   []Rule
	options []string // of OneOf
	list    bool     // a repeated name is an array, and not its last value
}

func (s *spec) has(kind ruleKind) bool {
	return slices.ContainsFunc(s.rules, func(r Rule) bool { return r.kind == kind })
}

func (s *spec) rule(kind ruleKind) (Rule, bool) {
	for _, r := range s.rules {
		if r.kind == kind {
			return r, true
		}
	}
	return Rule{}, false
}

const (
	isInvalid  = "is invalid"
	isRequired = "is required"
)

// invalid is what is wrong with a value of the wrong type.
func (s *spec) invalid() string {
	if len(s.options) > 0 {
		return "must be one of: " + strings.Join(s.options, ", ")
	}
	return isInvalid
}

// absent returns what is wrong with a parameter that has no value, "" if nothing is.
func (s *spec) absent(n *node) string {
	switch {
	case s.has(ruleRequired) && len(s.options) > 0:
		return s.invalid()
	case s.has(ruleRequired), n == nil && s.has(rulePresent):
		return isRequired
	case n != nil && n.kind == text && s.has(ruleNotBlank):
		return isInvalid
	}
	return ""
}

func (s *spec) empty(n *node) bool {
	if n.kind == null {
		return true
	}
	return n.kind == text && blank(n.text) && !(s.list && len(n.items) > 0)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// A Binder takes parameters out of a [Set] and collects every failure. It is not
// safe for concurrent use.
type Binder struct {
	set      *Set
	prefix   string // of an object parameter: its name and a dot
	root     *Binder
	any      bool
	failures []failure // at the root
}

type failure struct{ field, message string }

// Bind starts a binding. Several bindings of one set are independent.
func (s *Set) Bind() *Binder {
	b := &Binder{set: s}
	b.root = b
	return b
}

// Set returns the set that is bound; for an object parameter, what is in it.
func (b *Binder) Set() *Set { return b.set }

// Any reports whether at least one of the parameters asked for so far was sent,
// in whatever form. A request to which none is known changes nothing.
func (b *Binder) Any() bool { return b.any }

// Number reports whether a parameter was sent as a number, which JSON alone can
// do: a number has no leading zeros.
func (b *Binder) Number(name string) bool {
	n := b.set.top.find(name)
	return n != nil && n.kind == number
}

// Fail adds a failure of the caller's own, such as Fail("phone", "is taken").
// Each field keeps its first failure only.
func (b *Binder) Fail(field, problem string) {
	field = b.prefix + field
	known := func(f failure) bool { return f.field == field }
	if slices.ContainsFunc(b.root.failures, known) {
		return
	}
	b.root.failures = append(b.root.failures, failure{field, field + " " + problem})
}

// Err returns an *[Error] with all failures so far, those of object parameters
// included, or nil if there are none.
func (b *Binder) Err() error {
	if len(b.root.failures) == 0 {
		return nil
	}
	e := &Error{Code: CodeInvalid}
	for _, f := range b.root.failures {
		e.Messages = append(e.Messages, f.message)
	}
	return e
}

// find returns the parameter under the first of its names that holds a value,
// else under the first that is there, else nil and the main name.
func (b *Binder) find(name string, s *spec) (*node, string) {
	n, field := b.set.top.find(name), name
	for _, r := range s.rules {
		if n != nil && !s.empty(n) {
			break
		}
		if r.kind != ruleAlias {
			continue
		}
		if other := b.set.top.find(r.name); other != nil && (n == nil || !s.empty(other)) {
			n, field = other, r.name
		}
	}
	return n, field
}

// bind finds a parameter and converts it. convert returns what is wrong, or "".
func bind[T any](b *Binder, name string, s *spec, convert func(*node, *spec) (T, string)) Opt[T] {
	n, field := b.find(name, s)
	b.any = b.any || n != nil
	if n == nil || s.empty(n) {
		if problem := s.absent(n); problem != "" {
			b.Fail(name, problem)
			return Opt[T]{State: Failed}
		}
		if n == nil {
			return Opt[T]{}
		}
		return Opt[T]{State: Empty}
	}
	value, problem := convert(n, s)
	if problem != "" {
		b.Fail(field, problem)
		return Opt[T]{State: Failed}
	}
	return Opt[T]{Value: value, State: Given}
}

// length returns what is wrong with the length of a string, "" if nothing is.
func (s *spec) length(value string) string {
	r, ok := s.rule(ruleLength)
	if !ok {
		return ""
	}
	n := int64(utf8.RuneCountInString(value))
	switch {
	case n > r.to:
		return tooLong(r.to)
	case n < r.from:
		return isInvalid
	}
	return ""
}

func tooLong(limit int64) string { return fmt.Sprintf("is too long (maximum is %d characters)", limit) }

// bounds returns what is wrong with the size of an integer, "" if nothing is.
func (s *spec) bounds(value int64) string {
	if r, ok := s.rule(ruleBetween); ok && (value < r.from || value > r.to) {
		return fmt.Sprintf("must be between %d and %d", r.from, r.to)
	}
	if r, ok := s.rule(ruleMin); ok && value < r.from {
		return isInvalid
	}
	return ""
}
