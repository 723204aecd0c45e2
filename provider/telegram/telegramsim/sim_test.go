package telegramsim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const token = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"

const (
	ann = 5550001
	bob = 5550002
)

type params map[string]string

// A reply is the envelope with its HTTP side.
type reply struct {
	Status      int         `json:"-"`
	Header      http.Header `json:"-"`
	OK          bool
	Result      json.RawMessage
	ErrorCode   int `json:"error_code"`
	Description string
	Parameters  struct {
		RetryAfter int   `json:"retry_after"`
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	}
}

func (r reply) into(t *testing.T, v any) {
	t.Helper()
	reflect.ValueOf(v).Elem().SetZero() // tests decode into one variable again and again
	if !r.OK || json.Unmarshal(r.Result, v) != nil {
		t.Fatalf("got %d %q, result %s", r.Status, r.Description, r.Result)
	}
}

// refused fails unless r is this refusal, with the HTTP status of its code.
func (r reply) refused(t *testing.T, code int, description string) {
	t.Helper()
	if r.OK || r.Status != code || r.ErrorCode != code || r.Description != description {
		t.Errorf("got %d %d %q, want %d %q", r.Status, r.ErrorCode, r.Description, code, description)
	}
}

func newServer(t *testing.T, opts telegramsim.Options) *telegramsim.Server {
	t.Helper()
	s := telegramsim.New(opts)
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.AddBot(token, "Shop", "shop_bot"); err != nil {
		t.Fatal(err)
	}
	return s
}

func serve(h http.Handler, r *http.Request) reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out := reply{Status: w.Code, Header: w.Header()}
	_ = json.Unmarshal(w.Body.Bytes(), &out) // stays empty: every check fails then
	return out
}

// call posts a urlencoded form.
func call(h http.Handler, method string, p params) reply {
	form := url.Values{}
	for k, v := range p {
		form.Set(k, v)
	}
	r := httptest.NewRequest(http.MethodPost, "/bot"+token+"/"+method, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return serve(h, r)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func say(t *testing.T, s *telegramsim.Server, person, text string) telegramsim.Said {
	t.Helper()
	return must(s.Say(telegramsim.Line{Person: person, Text: text}))(t)
}

// An update as a receiver sees it.
type update struct {
	ID     int64          `json:"update_id"`
	New    *message       `json:"message"`
	Edited *message       `json:"edited_message"`
	Member map[string]any `json:"my_chat_member"`
	Query  map[string]any `json:"callback_query"`
	Weird  map[string]any `json:"weird"`
}

type message struct {
	ID       int64 `json:"message_id"`
	Text     string
	Date     int64
	EditDate int64 `json:"edit_date"`
	From     map[string]any
	Chat     map[string]any
	Entities []map[string]any
	ReplyTo  *message       `json:"reply_to_message"`
	Markup   map[string]any `json:"reply_markup"`
}

// text names an update in comparisons.
func (u update) text() string {
	switch {
	case u.New != nil:
		return u.New.Text
	case u.Edited != nil:
		return "edited " + u.Edited.Text
	case u.Member != nil:
		return "member"
	case u.Query != nil:
		return "query"
	}
	return "?"
}

func texts(us []update) []string {
	out := []string{}
	for _, u := range us {
		out = append(out, u.text())
	}
	return out
}

func fetch(t *testing.T, s *telegramsim.Server, p params) []update {
	t.Helper()
	var us []update
	call(s, "getUpdates", p).into(t, &us)
	return us
}

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A callback is one attempt that a receiver saw.
type callback struct {
	update
	at     time.Time
	secret string
	url    string
	kind   string          // Content-Type
	ended  <-chan struct{} // closed when the server gives the attempt up
}

// A receiver is the gateway's side of callbacks, without sockets. status, if
// set, answers the n-th attempt (from 0); 0 means a broken connection.
type receiver struct {
	status func(n int, c callback) int
	header http.Header
	block  func(callback) // runs before the answer

	mu  sync.Mutex
	got []callback
}

func (r *receiver) client() *http.Client { return &http.Client{Transport: r} }

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	c := callback{at: time.Now(), secret: req.Header.Get("X-Telegram-Bot-Api-Secret-Token"),
		url: req.URL.String(), kind: req.Header.Get("Content-Type"), ended: req.Context().Done()}
	if err = errors.Join(err, json.Unmarshal(body, &c.update)); err != nil {
		return nil, err
	}
	r.mu.Lock()
	n, status := len(r.got), http.StatusOK
	r.got = append(r.got, c)
	r.mu.Unlock()
	if r.block != nil {
		r.block(c)
	}
	if r.status != nil {
		status = r.status(n, c)
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Header: r.header.Clone(), Request: req,
		Body: io.NopCloser(bytes.NewReader(nil))}, nil
}

func (r *receiver) seen() []callback {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]callback{}, r.got...)
}

func (r *receiver) texts() []string {
	out := []string{}
	for _, c := range r.seen() {
		out = append(out, c.text())
	}
	return out
}
