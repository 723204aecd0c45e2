package fetch

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/parley-im/parley"
)

// Redact returns err with a text that is fit for logs and for users: without the
// URL that net/http and net/url put into theirs, and without quoted bytes. What
// happened stays recognisable by errors.Is and errors.As, but for *url.Error. A
// *parley.Error inside comes back as it is; nil stays nil.
func Redact(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return e
	}
	return redact(err, nil)
}

// A quiet error shows a cleaned text and lends its cause to Is and As only, so
// that nobody prints the cause by unwrapping.
type quiet struct {
	text  string
	cause error
}

// Error returns the cleaned text.
func (q *quiet) Error() string { return q.text }

// Is reports whether the hidden cause is target.
func (q *quiet) Is(target error) bool { return errors.Is(q.cause, target) }

// As finds target in the hidden cause, unless it would carry a URL.
func (q *quiet) As(target any) bool {
	if _, leaky := target.(**url.Error); leaky {
		return false
	}
	return errors.As(q.cause, target)
}

func redact(err error, secret []string) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok || u.Err == nil {
			break
		}
		err = u.Err
	}
	text := clean(err.Error())
	for _, s := range secret {
		if strings.Contains(text, s) {
			text = "the exchange failed"
		}
	}
	return &quiet{text: text, cause: err}
}

// quoted matches what net/http quotes: bytes of an answer, of a header, of a URL.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*(?:"|\\?$)`)

func clean(text string) string {
	words := strings.Fields(quoted.ReplaceAllString(text, "…"))
	for i, w := range words {
		if strings.Contains(w, "://") || strings.HasPrefix(w, "/") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// secrets lists the parts of a URL that no text may contain.
func secrets(u *url.URL) []string {
	found := []string{u.RawQuery}
	if password, ok := u.User.Password(); ok {
		found = append(found, password)
	}
	found = append(found, u.User.Username())
	found = append(found, strings.Split(u.EscapedPath(), "/")...)
	found = append(found, strings.Split(u.Path, "/")...)
	const shortest = 4 // shorter ones are no secrets and occur in every text
	long := found[:0]
	for _, s := range found {
		if len(s) >= shortest {
			long = append(long, s)
		}
	}
	return long
}
