package params

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxURL is the longest URL accepted, in code points.
const maxURL = 2048

// String binds a text; a JSON number counts as its text. Rules: Length, Trim.
func (b *Binder) String(name string, rules ...Rule) Opt[string] {
	return bind(b, name, &spec{rules: rules}, toString)
}

// Int binds a JSON integer or a decimal text. Rules: Between, Min.
func (b *Binder) Int(name string, rules ...Rule) Opt[int64] {
	return bind(b, name, &spec{rules: rules}, toInt)
}

// Bool binds a JSON true, false, 1 or 0, or one of the texts true 1 t yes y on
// and false 0 f no n off in any case.
func (b *Binder) Bool(name string, rules ...Rule) Opt[bool] {
	return bind(b, name, &spec{rules: rules}, toBool)
}

// Time binds Unix seconds, or milliseconds if they have 13 digits, as number or
// text, or an ISO 8601 text; a text without zone is UTC. The value is in UTC and
// between the years 0 and 9999.
func (b *Binder) Time(name string, rules ...Rule) Opt[time.Time] {
	return bind(b, name, &spec{rules: rules}, toTime)
}

// Phone binds a phone number and returns its 10 to 15 digits, country code first.
func (b *Binder) Phone(name string, rules ...Rule) Opt[string] {
	return bind(b, name, &spec{rules: rules}, toPhone)
}

// OneOf binds one of the options, compared without regard to case, and returns
// it as it is spelled in options, which must not be empty.
func (b *Binder) OneOf(name string, options []string, rules ...Rule) Opt[string] {
	return bind(b, name, &spec{rules: rules, options: options}, toOption)
}

// URL binds an absolute http or https URL of at most 2048 characters and returns
// it as sent, but for white space around it.
func (b *Binder) URL(name string, rules ...Rule) Opt[string] {
	return bind(b, name, &spec{rules: rules}, toURL)
}

func toString(n *node, s *spec) (string, string) {
	value, ok := n.scalar()
	if !ok {
		return "", isInvalid
	}
	if s.has(ruleTrim) {
		value = strings.TrimSpace(value)
	}
	return value, s.length(value)
}

// trimmed is the text of a scalar without the white space around it.
func trimmed(n *node) (string, bool) {
	value, ok := n.scalar()
	return strings.TrimSpace(value), ok
}

func toInt(n *node, s *spec) (int64, string) {
	value, ok := trimmed(n)
	if !ok || !digits(strings.TrimPrefix(value, "-")) {
		return 0, isInvalid
	}
	i, err := strconv.ParseInt(value, 10, 64)
	if problem := s.bounds(i); problem != "" { // i is at the end of its range if value is beyond it
		return 0, problem
	}
	if err != nil {
		return 0, isInvalid
	}
	return i, ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func toBool(n *node, _ *spec) (bool, string) {
	if n.kind == boolean {
		return n.text == "true", ""
	}
	value, ok := trimmed(n)
	if !ok {
		return false, isInvalid
	}
	switch strings.ToLower(value) {
	case "true", "1", "t", "yes", "y", "on":
		return true, ""
	case "false", "0", "f", "no", "n", "off":
		return false, ""
	}
	return false, isInvalid
}

// lastSecond is the end of the year 9999, beyond which no time can be written.
const lastSecond = 253402300799

func toTime(n *node, _ *spec) (time.Time, string) {
	value, ok := trimmed(n)
	if !ok {
		return time.Time{}, isInvalid
	}
	t, err := unixTime(value)
	if err != nil {
		t, err = isoTime(value)
	}
	if err != nil {
		return time.Time{}, isInvalid
	}
	return t, ""
}

var errTime = errors.New("no time")

// unixTime reads seconds, with a fraction since Python's clock has one, or 13
// digits of milliseconds.
func unixTime(value string) (time.Time, error) {
	whole, fraction, dotted := strings.Cut(value, ".")
	if !digits(whole) || dotted && !digits(fraction) {
		return time.Time{}, errTime
	}
	i, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err != nil:
		return time.Time{}, err
	case len(whole) == 13 && !dotted:
		return time.UnixMilli(i).UTC(), nil
	case len(whole) == 13 || i > lastSecond:
		return time.Time{}, errTime
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(i, nanos).UTC(), err
}

// isoLayouts are the forms of ISO 8601 that name a day; Go reads a fraction after
// the seconds by itself.
var isoLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04", "2006-01-02",
	"20060102T150405Z07:00", "20060102T150405Z0700", "20060102T150405Z07", "20060102T150405",
}

func isoTime(value string) (time.Time, error) {
	if len(value) > 64 {
		return time.Time{}, errTime
	}
	value = strings.ToUpper(value)
	if len(value) > len("2006-01-02") && value[len("2006-01-02")] == ' ' {
		value = strings.Replace(value, " ", "T", 1)
	}
	// A + of the zone that the client did not escape arrives as a space.
	value = strings.Replace(value, " ", "+", 1)
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, value); err == nil {
			return inYears(t.UTC())
		}
	}
	return time.Time{}, errTime
}

// inYears refuses what only its zone moved out of the four-digit years.
func inYears(t time.Time) (time.Time, error) {
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, errTime
	}
	return t, nil
}

func toPhone(n *node, _ *spec) (string, string) {
	value, ok := n.scalar()
	if !ok || n.kind == number && !digits(value) {
		return "", isInvalid
	}
	if value, ok = ParsePhone(value); !ok {
		return "", isInvalid
	}
	return value, ""
}

// ParsePhone reads a phone number as people write it and returns its 10 to 15
// digits, country code first. It reports whether the text is one.
func ParsePhone(text string) (digitsOnly string, ok bool) {
	text = strings.Map(phoneRune, text)
	text = strings.TrimPrefix(text, "+")
	if len(text) < 10 || len(text) > 15 || text[0] == '0' || !digits(text) {
		return "", false
	}
	return text, true
}

// phoneRune drops what people put between the digits: spaces, dots, hyphens
// (also the two that word processors make) and brackets.
func phoneRune(r rune) rune {
	if strings.ContainsRune(".-\u2010\u2011()[]", r) || unicode.IsSpace(r) {
		return -1
	}
	return r
}

func toOption(n *node, s *spec) (string, string) {
	value, ok := trimmed(n)
	if !ok {
		return "", s.invalid()
	}
	i := slices.IndexFunc(s.options, func(option string) bool { return strings.EqualFold(option, value) })
	if i < 0 {
		return "", s.invalid()
	}
	return s.options[i], ""
}

func toURL(n *node, _ *spec) (string, string) {
	value, ok := trimmed(n)
	if !ok {
		return "", isInvalid
	}
	limit := spec{rules: []Rule{Length(1, maxURL)}}
	if problem := limit.length(value); problem != "" && !strings.ContainsFunc(value, unicode.IsSpace) {
		return "", problem
	}
	if !IsURL(value) {
		return "", isInvalid
	}
	return value, ""
}

// IsURL reports whether a text is an absolute http or https URL of at most 2048
// characters.
func IsURL(text string) bool {
	if strings.ContainsFunc(text, unicode.IsSpace) || utf8.RuneCountInString(text) > maxURL {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && absolute(u)
}

func absolute(u *url.URL) bool {
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
