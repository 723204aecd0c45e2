package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/parley-im/parley"
)

// A trace is all that was logged and all errors that were seen, with the secrets
// that must not be in it. It is safe for concurrent use.
type trace struct {
	mu      sync.Mutex
	text    strings.Builder
	secrets []string
}

// Write takes a line of a log.
func (t *trace) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// error takes an error and what it wraps, printed by every verb that shows more.
func (t *trace) error(err error) {
	if err != nil {
		t.note(fmt.Sprintf("%v %+v %#v %q", err, err, err, parley.Reason(err)))
		t.error(errors.Unwrap(err))
	}
}

func (t *trace) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.WriteString(text + "\n")
}

// guard adds the secrets of a channel and their parts. The account's id may be a
// part of a credential and is no secret.
func (t *trace) guard(account string, secrets map[string]parley.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, secret := range secrets {
		for _, p := range parts(secret.Reveal()) {
			if p != account {
				t.secrets = append(t.secrets, p)
			}
		}
	}
}

// least is the length of the shortest part of a secret that is looked for;
// shorter ones occur by chance.
const least = 8

// parts returns a secret, what its punctuation separates, both halves of it, and
// each of these as URLs spell it.
func parts(secret string) []string {
	found := strings.FieldsFunc(secret, func(r rune) bool { return strings.ContainsRune(":/.@=&? ", r) })
	found = append(found, secret)
	for _, p := range found {
		found = append(found, p[:len(p)/2], p[len(p)/2:])
	}
	var long []string
	for _, p := range found {
		if len(p) >= least {
			long = append(long, p, url.QueryEscape(p), url.PathEscape(p))
		}
	}
	return long
}

// leaks returns the secrets that are in the trace.
func (t *trace) leaks() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text.String()
	var found []string
	for _, s := range t.secrets {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}

// searchTraces fails the case if one of its secrets was shown to anybody.
func (w *world) searchTraces() {
	w.ctx = context.WithoutCancel(w.ctx) // it has ended with the case
	for _, verb := range []string{"log?limit=10000", "faults", "sent?limit=10000"} {
		w.trace.note(string(w.control(http.MethodGet, verb, nil)))
	}
	w.trace.note(fmt.Sprintf("%v %+v %#v %s", w.client, w.client, w.client, encoded(w.client)))
	for _, secret := range w.trace.leaks() {
		w.Errorf("a log, an error or the client itself shows the secret %q", secret)
	}
}

// encoded is a client as a careless log line would encode it.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// A state keeps session data in memory.
type state struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// Load returns nil for what was never saved.
func (s *state) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[key], nil
}

// Save never fails.
func (s *state) Save(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string][]byte{}
	}
	s.kept[key] = value
	return nil
}
