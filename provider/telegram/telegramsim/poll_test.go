package telegramsim_test

import (
	"context"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestUpdates(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, telegramsim.Options{Local: true, Now: c.now})
	must(s.AddPerson(telegramsim.Person{ID: ann, FirstName: "Ann", LastName: "Lee", Username: "annlee"}))(t)
	said := must(s.Start("", "Ann", "promo"))(t)
	must(s.Rename("Ann", "Anna", "", "-"))(t)
	must(s.Say(telegramsim.Line{Text: "я /help@shop_bot and a/b", ReplyTo: 1}))(t)
	c.add(time.Minute)
	must(s.Edit("", "", 2, "bye"))(t)
	must(s.Block("", ""))(t)
	got := fetch(t, s, nil)
	if len(got) != 4 || got[0].ID != said.UpdateID {
		t.Fatalf("got %v, first id %d", texts(got), said.UpdateID)
	}
	for i, u := range got {
		if u.ID != said.UpdateID+int64(i) {
			t.Errorf("update %d has id %d, want them to grow by one", i, u.ID)
		}
	}
	if m := got[0].New; m.Text != "/start promo" || m.Entities[0]["type"] != "bot_command" || m.Entities[0]["length"] != 6.0 {
		t.Errorf("start: %+v", m)
	}
	from := map[string]any{"id": 5550001.0, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "username": "annlee", "language_code": "en"}
	chat := map[string]any{"id": 5550001.0, "first_name": "Ann", "last_name": "Lee", "username": "annlee", "type": "private"}
	if diff := cmp.Diff(from, got[0].New.From) + cmp.Diff(chat, got[0].New.Chat); diff != "" {
		t.Errorf("from and chat (-want +got):\n%s", diff)
	}
	m := got[1].New
	if m.From["first_name"] != "Anna" || m.From["username"] != nil || m.ReplyTo == nil || m.ReplyTo.ID != 1 {
		t.Errorf("after the rename: %+v", m)
	}
	if want := []map[string]any{{"type": "bot_command", "offset": 2.0, "length": 14.0}}; !cmp.Equal(want, m.Entities) {
		t.Errorf("entities %v, want %v", m.Entities, want)
	}
	if e := got[2].Edited; e.ID != 2 || e.Text != "bye" || e.EditDate != e.Date+60 {
		t.Errorf("edit: %+v", e)
	}
	old, now := got[3].Member["old_chat_member"].(map[string]any), got[3].Member["new_chat_member"].(map[string]any)
	if old["status"] != "member" || now["status"] != "kicked" || now["until_date"] != 0.0 || now["user"].(map[string]any)["id"] != 123456789.0 {
		t.Errorf("block: %v", got[3].Member)
	}
	must(s.Unblock("", ""))(t)
	back := fetch(t, s, params{"offset": "-1"})[0].Member
	if back["old_chat_member"].(map[string]any)["status"] != "kicked" || back["new_chat_member"].(map[string]any)["status"] != "member" {
		t.Errorf("unblock: %v", back)
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		offset    int64 // relative to the first id if positive
		limit     string
		want      []string
		remaining []string
	}{
		{"none", 0, "", []string{"1", "2", "3", "4"}, []string{"1", "2", "3", "4"}},
		{"limit", 0, "2", []string{"1", "2"}, []string{"1", "2", "3", "4"}},
		{"limit 0 is 1", 0, "0", []string{"1"}, []string{"1", "2", "3", "4"}},
		{"confirms what is below", 3, "", []string{"3", "4"}, []string{"3", "4"}},
		{"confirms all", 5, "", []string{}, []string{}},
		{"negative keeps the newest", -2, "", []string{"3", "4"}, []string{"3", "4"}},
		{"negative beyond all", -9, "1", []string{"1"}, []string{"1", "2", "3", "4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, telegramsim.Options{Local: true})
			first := say(t, s, "Ann", "1").UpdateID
			for _, text := range []string{"2", "3", "4"} {
				say(t, s, "Ann", text)
			}
			offset := tt.offset
			if offset > 0 {
				offset += first - 1
			}
			got := fetch(t, s, params{"offset": itoa(offset), "limit": tt.limit})
			if diff := cmp.Diff(tt.want, texts(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.remaining, texts(fetch(t, s, nil))); diff != "" {
				t.Errorf("remaining (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitIsAtMostHundred(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{Local: true})
	for range 101 {
		say(t, s, "Ann", "x")
	}
	if got := fetch(t, s, params{"limit": "1000"}); len(got) != 100 {
		t.Errorf("got %d updates, want 100", len(got))
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, telegramsim.Options{Local: true, Now: c.now})
	say(t, s, "Ann", "old")
	c.add(time.Second)
	say(t, s, "Ann", "new")
	c.add(24*time.Hour - time.Second)
	if diff := cmp.Diff([]string{"new"}, texts(fetch(t, s, nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAllowedUpdates(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{Local: true})
	story := func(allowed string) []string {
		p := params{"offset": "1000000000000"} // confirms whatever is there
		if allowed != "" {
			p["allowed_updates"] = allowed
		}
		call(s, "getUpdates", p)
		said := say(t, s, "Ann", "hi")
		must(s.Edit("", "", said.MessageID, "ho"))(t)
		must(s.Block("", ""))(t)
		must(s.Unblock("", ""))(t)
		return texts(fetch(t, s, nil))
	}
	info := func() (w struct {
		Allowed []string `json:"allowed_updates"`
	}) {
		call(s, "getWebhookInfo", nil).into(t, &w)
		return w
	}
	all := []string{"hi", "edited ho", "member", "member"}
	tests := []struct {
		name, allowed string
		want          []string
		info          []string
	}{
		{"default", "", all, nil},
		{"two kinds and an unknown one", `["my_chat_member","message","nonsense"]`, []string{"hi", "member", "member"}, []string{"message", "my_chat_member"}},
		{"absent keeps", "", []string{"hi", "member", "member"}, []string{"message", "my_chat_member"}},
		{"unreadable keeps", "nonsense", []string{"hi", "member", "member"}, []string{"message", "my_chat_member"}},
		{"others only", `["callback_query"]`, []string{}, []string{"callback_query"}},
		{"empty is default", `[]`, all, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, story(tt.allowed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.info, info().Allowed); diff != "" {
			t.Errorf("%s, info (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestInject(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{Local: true})
	first := must(s.Inject("", []byte(`{"weird": {"chat":{"id":7}}}`)))(t)
	jump := must(s.Inject("", []byte(`{"weird":{"a":[1, 2]},"update_id":`+itoa(first.UpdateID+500)+`}`)))(t)
	must(s.Inject("", []byte(`{}`)))(t)
	if first.Chat != 7 || jump.UpdateID != first.UpdateID+500 {
		t.Errorf("first %+v, jump %+v", first, jump)
	}
	got := call(s, "getUpdates", nil)
	want := `[{"update_id":` + itoa(first.UpdateID) + `,"weird":{"chat":{"id":7}}},{"weird":{"a":[1,2]},"update_id":` +
		itoa(jump.UpdateID) + `},{"update_id":` + itoa(jump.UpdateID+1) + `}]`
	if string(got.Result) != want {
		t.Errorf("got  %s\nwant %s", got.Result, want)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{Local: true, QueueSize: 2})
	first := say(t, s, "Ann", "1")
	say(t, s, "Ann", "2")
	if _, err := s.Say(telegramsim.Line{Text: "3"}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a third update: %v", err)
	}
	if _, err := s.Inject("", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a third update, injected: %v", err)
	}
	if _, err := s.Block("", "Ann"); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a third update, by blocking: %v", err)
	}
	fetch(t, s, params{"offset": itoa(first.UpdateID + 1)})
	say(t, s, "Ann", "3")
}

// A waiter is a getUpdates under way.
type waiter struct {
	got    chan reply
	cancel context.CancelFunc
	start  time.Time
}

// wait starts a poll and returns once it waits; to be called in a bubble.
func wait(s *telegramsim.Server, query string) *waiter {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waiter{got: make(chan reply, 1), cancel: cancel, start: time.Now()}
	r := httptest.NewRequest("GET", "/bot"+token+"/getUpdates?"+query, nil).WithContext(ctx)
	go func() { w.got <- serve(s, r) }()
	synctest.Wait()
	return w
}

func (w *waiter) end(t *testing.T) (reply, time.Duration) {
	t.Helper()
	r := <-w.got
	w.cancel()
	return r, time.Since(w.start)
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	const other = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
	tests := []struct {
		name  string
		query string
		act   func(*testing.T, *telegramsim.Server) // two seconds into the poll
		took  time.Duration
		want  string // text of the only update, or the refusal
	}{
		{"ends with news", "timeout=30", func(t *testing.T, s *telegramsim.Server) { say(t, s, "Ann", "news") }, 2 * time.Second, "news"},
		{"ends with the time", "timeout=30", func(*testing.T, *telegramsim.Server) {}, 30 * time.Second, ""},
		{"ends after fifty seconds", "timeout=90", func(*testing.T, *telegramsim.Server) {}, 50 * time.Second, ""},
		{"ignores what is not wanted", `timeout=30&allowed_updates=["callback_query"]`, func(t *testing.T, s *telegramsim.Server) { say(t, s, "Ann", "news") }, 30 * time.Second, ""},
		{"killed by another", "timeout=30", func(_ *testing.T, s *telegramsim.Server) { call(s, "getUpdates", nil) }, 2 * time.Second, other},
		{"killed by setWebhook", "timeout=30", func(_ *testing.T, s *telegramsim.Server) {
			call(s, "setWebhook", params{"url": "http://gateway.test/x"})
		}, 2 * time.Second, "Conflict: terminated by setWebhook request"},
		{"killed by revoke", "timeout=30", func(t *testing.T, s *telegramsim.Server) { must(s.Revoke(""))(t) }, 2 * time.Second, "Unauthorized"},
		{"killed by logOut", "timeout=30", func(_ *testing.T, s *telegramsim.Server) { call(s, "logOut", nil) }, 2 * time.Second, "Logged out"},
		{"killed by Close", "timeout=30", func(_ *testing.T, s *telegramsim.Server) { _ = s.Close() }, 2 * time.Second, "Internal Server Error: restart"},
		{"killed by Reset", "timeout=30", func(_ *testing.T, s *telegramsim.Server) { s.Reset() }, 2 * time.Second, "Internal Server Error: restart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, telegramsim.Options{Local: true})
				w := wait(s, tt.query)
				time.AfterFunc(2*time.Second, func() { tt.act(t, s) })
				got, took := w.end(t)
				text := got.Description
				if got.OK {
					var us []update
					got.into(t, &us)
					text = strings.Join(texts(us), " ")
				}
				if text != tt.want || took != tt.took {
					t.Errorf("got %q after %v, want %q after %v", text, took, tt.want, tt.took)
				}
			})
		})
	}
}

func TestPollOfAClientThatWentAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, telegramsim.Options{Local: true})
		w := wait(s, "timeout=30")
		w.cancel()
		if got, _ := w.end(t); got.OK {
			t.Errorf("got %+v", got)
		}
		say(t, s, "Ann", "news")
		if got := texts(fetch(t, s, nil)); !cmp.Equal(got, []string{"news"}) {
			t.Errorf("the next poll gets %v, want news", got)
		}
	})
}

func TestPollRefusedWithWebhook(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{Local: true})
	call(s, "setWebhook", params{"url": "http://gateway.test/x"})
	call(s, "getUpdates", nil).refused(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
	call(s, "setWebhook", params{"url": ""}) // equals deleteWebhook
	if got := call(s, "getUpdates", nil); !got.OK {
		t.Errorf("after deleteWebhook: %+v", got)
	}
}

// The cloud server slows hot loops and repeated conflicts; Local and Insecure do not.
func TestHotLoops(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]telegramsim.Options{"cloud": {}, "local": {Local: true}, "insecure": {Insecure: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, opts)
				slow, batch := 3*time.Second, 1
				if name != "cloud" {
					slow, batch = 0, 2
				}
				fetch(t, s, params{"offset": "5"})
				start := time.Now()
				if fetch(t, s, params{"offset": "5"}); time.Since(start) != slow {
					t.Errorf("the repeated poll took %v, want %v", time.Since(start), slow)
				}
				say(t, s, "Ann", "1")
				say(t, s, "Ann", "2")
				fetch(t, s, params{"offset": "6"})
				if got := fetch(t, s, params{"offset": "6"}); len(got) != batch {
					t.Errorf("repeated at once: %d updates, want %d", len(got), batch)
				}
				fetch(t, s, params{"offset": "1000000000000"})
				older := wait(s, "timeout=30&offset=8")
				newer := wait(s, "timeout=30&offset=9") // the first conflict is answered at once
				if got, took := older.end(t); got.Status != 409 || took != 0 {
					t.Errorf("first conflict: %d after %v", got.Status, took)
				}
				fetch(t, s, nil)
				if got, took := newer.end(t); got.Status != 409 || took != slow {
					t.Errorf("second conflict: %d after %v, want 409 after %v", got.Status, took, slow)
				}
			})
		})
	}
}
