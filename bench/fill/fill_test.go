package fill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestAsStored: every column of every row is what the store writes when the same
// is received and sent for real, and so is the schema.
func TestAsStored(t *testing.T) {
	t.Parallel()
	each(t, small, func(t *testing.T, o Options, place store.Options) {
		mustFill(t, o)
		filled := raw(t, place)
		// The mirror takes times from the filled one. Telegram's have whole seconds.
		if n := len(column(t, filled, "SELECT id FROM message WHERE income = 1 AND created_at % 1000 <> 0")); n > 0 {
			t.Errorf("%d received messages have a time with milliseconds", n)
		}
		mirror := mirrored(t, o, filled)
		stored := raw(t, mirror)
		want := dumped(t, stored, tablesOf(t, place, filled), place.URL != "")
		for _, in := range tables() {
			if len(want[in.name]) == 0 {
				t.Errorf("the mirror has nothing in %s", in.name)
			}
		}
		compare(t, dumped(t, filled, tablesOf(t, place, filled), place.URL != ""), want)
		if got, want := schemaOf(t, place, filled), schemaOf(t, mirror, stored); got != want {
			t.Errorf("schema:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestGoesOn: a gateway goes on behind the history, knows what it has seen, finds
// the open jobs and delivers the backlog alone.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	each(t, small, func(t *testing.T, o Options, place store.Options) {
		ctx := t.Context()
		r := mustFill(t, o)
		place.Now = func() time.Time { return later.Add(time.Second) }
		db := storetest.Open(t, place)
		ch, err := db.Channel(ctx, r.Channel)
		if err != nil {
			t.Fatal(err)
		}
		last := lastID(t, raw(t, place))
		in := func(id string) *store.Receive {
			external := fmt.Sprint(DefaultChatBase)
			return &store.Receive{Channel: ch, Event: connector.Event{ID: id, At: later, Chat: connector.Chat{ID: external},
				From: connector.Person{ID: external, Name: contactName, Username: userPrefix + external}, What: connector.Message{Text: "again"}}}
		}
		seq, err := db.LastSeq(ctx, r.Company)
		if err != nil {
			t.Fatal(err)
		}
		out, errs := db.Receive(ctx, in("1"), in("1000000"))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if !out[0].Duplicate || out[1].Duplicate {
			t.Errorf("the first message of the history: duplicate %v, want true; a new one: %v", out[0].Duplicate, out[1].Duplicate)
		}
		if int64(out[1].Message) <= last {
			t.Errorf("a new message has id %d, not behind %d", out[1].Message, last)
		}
		fresh, err := db.EventsAfter(ctx, r.Company, seq, 10, 0)
		if err != nil || len(fresh) != 1 || fresh[0].Kind != parley.EventMessageNew {
			t.Errorf("a new message of a known contact made %+v, %v; want message/new alone", fresh, err)
		}
		due, err := db.DueProfiles(ctx, later.Add(time.Hour), store.ProfileCursor{}, 10)
		if err != nil || len(due) > 0 {
			t.Errorf("%d profiles are due, %v", len(due), err)
		}
		lagging, err := db.LaggingEndpoints(ctx, 0, 10)
		if err != nil || len(lagging) != 1 || lagging[0].Cursor != seq-o.Backlog {
			t.Errorf("lagging endpoints: %+v, %v; want one with cursor %d", lagging, err, seq-o.Backlog)
		}
		ready, err := db.ReadyWork(ctx, ch.ID, parley.LaneReply, later, 100)
		open, err2 := db.OpenWork(ctx, ch.ID, 100)
		if errors.Join(err, err2) != nil || len(open) != int(o.Jobs) || len(ready) != int(o.Conversations) {
			t.Errorf("%d open jobs, %d ready, %v; want %d and %d", len(open), len(ready), errors.Join(err, err2), o.Jobs, o.Conversations)
		}
	})
}

func lastID(t *testing.T, db *sql.DB) int64 {
	t.Helper()
	var last int64
	err := db.QueryRowContext(t.Context(), "SELECT MAX(id) FROM (SELECT id FROM message UNION ALL SELECT id FROM job UNION ALL SELECT id FROM contact) AS x").Scan(&last)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// TestNothingOpen: without jobs and backlog nothing waits, whether there is a
// webhook or not.
func TestNothingOpen(t *testing.T) {
	t.Parallel()
	each(t, Options{Messages: 100, Webhook: "http://127.0.0.1:1/"}, func(t *testing.T, o Options, place store.Options) {
		r := mustFill(t, o)
		db := storetest.Open(t, place)
		lagging, err := db.LaggingEndpoints(t.Context(), 0, 10)
		open, err2 := db.OpenWork(t.Context(), r.Channel, 10)
		if errors.Join(err, err2) != nil || len(lagging)+len(open) > 0 {
			t.Errorf("%d lagging endpoints, %d open jobs, %v", len(lagging), len(open), errors.Join(err, err2))
		}
	})
}

// TestSound: the database passes what parley check asks of it, and SQLite's and
// PostgreSQL's own tests.
func TestSound(t *testing.T) {
	t.Parallel()
	each(t, small, func(t *testing.T, o Options, place store.Options) {
		r := mustFill(t, o)
		if place.URL == "" {
			soundSQLite(t, raw(t, place))
		}
		f, err := store.Examine(t.Context(), place)
		if err != nil || f.Version != f.Known || f.Damage != "" || f.Held || f.Keyset != place.Keys.Primary() {
			t.Errorf("examined: %+v, %v", f, err)
		}
		if r.Size == 0 || r.Rows == 0 {
			t.Errorf("result: %+v", r)
		}
	})
}

// soundSQLite is asked first: the store would make good what is amiss.
func soundSQLite(t *testing.T, db *sql.DB) {
	t.Helper()
	for query, want := range map[string]string{"PRAGMA integrity_check": "ok", "PRAGMA foreign_key_check": "", "PRAGMA journal_mode": "wal", "PRAGMA auto_vacuum": "2"} {
		if got := strings.Join(column(t, db, query), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// TestAPI: the token opens the lists, and they read as of a gateway.
func TestAPI(t *testing.T) {
	t.Parallel()
	each(t, Options{Messages: 90, Conversations: 3}, func(t *testing.T, o Options, place store.Options) {
		r := mustFill(t, o)
		server := api.New(api.Config{Store: storetest.Open(t, place)})
		var conversations struct {
			Data struct {
				Conversations []struct {
					ID         int64  `json:"external_id"`
					Sender     string `json:"sender_external_id"`
					LastIncome int64  `json:"last_income_message_at"`
				}
			}
		}
		path := fmt.Sprintf("/p1/companies/%d/conversations", r.Company)
		get(t, server, path, r.Token, &conversations)
		if list := conversations.Data.Conversations; len(list) != 3 || list[0].Sender != "1000000" || later.Unix()-list[0].LastIncome > 24*3600 {
			t.Fatalf("conversations: %+v", list)
		}
		var messages struct {
			Data struct {
				Messages []struct {
					Message string
					Income  bool
				}
			}
		}
		get(t, server, fmt.Sprintf("%s/%d/messages?per=100", path, conversations.Data.Conversations[0].ID), r.Token, &messages)
		income := 0
		for _, m := range messages.Data.Messages {
			if m.Income {
				income++
			}
			if m.Message == "" {
				t.Error("a message without a text")
			}
		}
		if n := len(messages.Data.Messages); n != 30 || income != 15 {
			t.Errorf("%d messages, %d received; want 30 and 15", n, income)
		}
	})
}

func get(t *testing.T, h http.Handler, path, token string, into any) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set("X-Private-Api-Token", token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if err := json.Unmarshal(w.Body.Bytes(), into); w.Code != http.StatusOK || err != nil {
		t.Fatalf("GET %s: %d %s, %v", path, w.Code, w.Body, err)
	}
}

// TestRefused: what cannot be filled.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"no directory", Options{}, "data: want a directory"},
		{"no messages", Options{Data: "x", Messages: -1}, "messages, conversations: want at least 1"},
		{"negative jobs", Options{Data: "x", Jobs: -1}, "jobs, backlog, chat base: want 0 or more"},
		{"only jobs", Options{Data: "x", Messages: 10, Conversations: 5, Jobs: 6}, "messages: want at least 11"},
		{"a backlog for nobody", Options{Data: "x", Backlog: 1}, "backlog: without a webhook there is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Fill(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	each(t, Options{Messages: 10}, func(t *testing.T, o Options, _ store.Options) {
		mustFill(t, o)
		if _, err := Fill(t.Context(), o); err == nil || !strings.Contains(err.Error(), "there is a database already") {
			t.Errorf("a second fill: %v", err)
		}
	})
}

// A brokenTarget takes so many parts, then fails.
type brokenTarget struct {
	target
	left int
	fail func() error
}

func (b *brokenTarget) firstID(context.Context) (int64, error) { return 1, nil }

func (b *brokenTarget) add(context.Context, *table, []any) error {
	if b.left--; b.left < 0 {
		return b.fail()
	}
	return nil
}

// TestInterrupted: an error of the database or an end of the context ends the
// fill, with whoever makes the rows, before it is finished.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for _, tt := range []struct {
		name string
		fail func(cancel context.CancelFunc) error
		want error
	}{
		{"database", func(context.CancelFunc) error { return full }, full},
		{"context", func(cancel context.CancelFunc) error { cancel(); return nil }, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := Options{Data: "x", Messages: 100 * chunkSize}
			o.setDefaults()
			h := newHistory(&o, later)
			h.company, h.channel = 1, &parley.Channel{ID: 2}
			b := &brokenTarget{left: 20, fail: func() error { return tt.fail(cancel) }}
			if _, err := h.fill(ctx, b, time.Now()); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if h.ended() {
				t.Error("the whole history was made all the same")
			}
		})
	}
}
