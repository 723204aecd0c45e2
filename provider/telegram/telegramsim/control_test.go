package telegramsim_test

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// decode leaves v as it is when r holds no JSON.
func decode(r io.Reader, v any) { _ = json.NewDecoder(r).Decode(v) }

type controlReply struct {
	status int
	out    map[string]any
}

func (c controlReply) num(name string) int64 {
	n, _ := c.out[name].(float64)
	return int64(n)
}

// control makes a control request as curl -d does.
func control(s *telegramsim.Server, method, target, body string) controlReply {
	r := httptest.NewRequest(method, "/sim/telegram"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	simulator.Handler(s).ServeHTTP(w, r)
	got := controlReply{status: w.Code}
	decode(w.Body, &got.out)
	return got
}

func TestControlStory(t *testing.T) {
	t.Parallel()
	s := telegramsim.New(telegramsim.Options{Local: true, Now: newClock().now})
	defer s.Close()
	step := func(method, target, body string, want map[string]any) controlReply {
		t.Helper()
		got := control(s, method, target, body)
		for key, v := range want {
			if diff := cmp.Diff(v, got.out[key]); diff != "" {
				t.Errorf("%s %s %s: %s (-want +got):\n%s", method, target, body, key, diff)
			}
		}
		if got.status != 200 {
			t.Errorf("%s %s %s = %d %v", method, target, body, got.status, got.out)
		}
		return got
	}
	step("POST", "/accounts", "token="+token+"&name=Shop&username=@shop_bot",
		map[string]any{"id": 123456789.0, "token": token, "name": "Shop", "username": "shop_bot", "revoked": false})
	step("POST", "/people", "id=7&first_name=Ann&last_name=Lee&username=annlee",
		map[string]any{"id": 7.0, "first_name": "Ann", "last_name": "Lee", "username": "annlee", "language_code": "en"})
	step("POST", "/say", "text=hello", map[string]any{"account": 123456789.0, "person": 7.0, "chat": 7.0, "message_id": 1.0})
	step("POST", "/start", "person=Ann+Lee&payload=ad7", map[string]any{"message_id": 2.0})
	step("POST", "/edit", "person=@annlee&message_id=1&text=bye", map[string]any{"message_id": 1.0})
	step("POST", "/say", `{"person":"Bob","text":"hi","account":"shop_bot"}`, map[string]any{"message_id": 1.0, "person": ann + 0.0})
	step("POST", "/block", "person=ann", map[string]any{"chat": 7.0})
	step("POST", "/unblock", "person=7", map[string]any{"chat": 7.0})
	step("POST", "/rename", "person=7&first_name=Anna", map[string]any{"first_name": "Anna", "last_name": "Lee"})
	step("POST", "/raw", `{"weird":{"chat":{"id":7}}}`, map[string]any{"chat": 7.0})
	step("POST", "/deactivate", "person=bob", map[string]any{"deactivated": true})
	got := fetch(t, s, nil)
	want := []string{"hello", "/start ad7", "edited bye", "hi", "member", "member", "?"}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	markup := `{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}`
	call(s, "sendMessage", params{"chat_id": "7", "text": "sure?", "reply_markup": markup})
	pressed := step("POST", "/press", "person=anna&message_id=3&data=y", map[string]any{"message_id": 3.0})
	if id, _ := pressed.out["callback_query_id"].(string); id == "" {
		t.Errorf("press = %v, want a callback_query_id", pressed.out)
	}
	sent := step("GET", "/sent?account=123456789", "", map[string]any{"total": 1.0})
	if list, _ := sent.out["sent"].([]any); len(list) != 1 || list[0].(map[string]any)["text"] != "sure?" {
		t.Errorf("sent %v", sent.out)
	}
	if list := step("GET", "/people", "", nil).out["people"].([]any); len(list) != 2 {
		t.Errorf("people %v, want 2", list)
	}
	step("POST", "/revoke", "", map[string]any{"revoked": true})
	if list := step("GET", "/accounts", "", nil).out["accounts"].([]any); len(list) != 1 {
		t.Errorf("accounts %v, want 1", list)
	}
	step("POST", "/reset", "", map[string]any{"ok": true})
	if list := step("GET", "/accounts", "", nil).out["accounts"].([]any); len(list) != 0 {
		t.Errorf("accounts %v after reset", list)
	}
	step("GET", "/sent", "", map[string]any{"total": 0.0, "sent": []any{}})
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		target, body string
		status       int
		want         string
	}{
		{"/accounts", "token=nonsense", 400, "token must look like"},
		{"/accounts", "token=123456789:AAother", 400, "revoke first"},
		{"/people", "id=x", 400, "id must be"}, {"/people", "id=-1", 400, "52 bits"},
		{"/people", "id=4503599627370496", 400, "52 bits"}, {"/people", "id=5550001", 400, "taken"},
		{"/people", "id=123456789", 400, "taken"},
		{"/say", "person=Ann", 400, "text is empty"}, {"/say", "person=Ann&text=+", 400, "text is empty"},
		{"/say", "text=hi", 400, "say who by person"}, {"/say", "person=Ann&text=hi&account=9", 404, "no such account"},
		{"/say", "person=Ann&text=" + strings.Repeat("x", 4097), 400, "4096"},
		{"/say", "person=Ann&text=x&reply_to=99", 404, "reply_to"}, {"/say", "person=Ann&text=x&reply_to=x", 400, "reply_to"},
		{"/say", "person=Eve&text=hi", 400, "POST unblock first"}, {"/say", "person=Old&text=hi", 400, "deactivated"},
		{"/say", "person=123456789&text=hi", 404, "no such person"},
		{"/start", "person=Ann&payload=a+b", 400, "payload"}, {"/start", "person=Eve", 400, "POST unblock first"},
		{"/edit", "person=Ann&message_id=99&text=x", 404, "message_id"}, {"/edit", "person=Ann&message_id=2&text=x", 404, "message_id"},
		{"/edit", "person=Ann&message_id=x&text=x", 400, "message_id"}, {"/edit", "person=Ann&message_id=1", 400, "text"},
		{"/edit", "person=Nobody&message_id=1&text=x", 404, "no such person"}, {"/edit", "person=Eve&message_id=1&text=x", 400, "unblock"},
		{"/press", "person=Ann&message_id=1&data=y", 404, "inline button"}, {"/press", "person=Ann&message_id=2&data=z", 404, "inline button"},
		{"/press", "person=Ann&message_id=2", 404, "inline button"}, {"/press", "person=Ann&message_id=x", 400, "message_id"},
		{"/press", "person=Eve&message_id=2&data=y", 400, "unblock"}, {"/press", "person=Nobody&message_id=2&data=y", 404, "no such person"},
		{"/block", "person=Eve", 400, "already"}, {"/block", "person=Dan", 400, "never written"},
		{"/block", "person=Old", 400, "deactivated"}, {"/block", "person=Nobody", 404, "no such person"},
		{"/unblock", "person=Ann", 400, "has not blocked"}, {"/rename", "person=Nobody", 404, "no such person"},
		{"/deactivate", "person=Nobody", 404, "no such person"}, {"/raw", "x", 400, "JSON object"},
		{"/raw", `{"update_id":"x"}`, 400, "whole number"}, {"/raw", `{"update_id":1}`, 400, "or more while"},
		{"/raw?account=9", `{}`, 404, "no such account"}, {"/revoke", "account=9", 404, "no such account"},
		{"/faults", "kind=html&account=9", 404, "no such account"}, {"/nonsense", "", 404, "POST say"},
	}
	s := newServer(t, telegramsim.Options{})
	must(s.AddPerson(telegramsim.Person{ID: ann, FirstName: "Ann"}))(t)
	must(s.AddPerson(telegramsim.Person{FirstName: "Dan"}))(t)
	for _, name := range []string{"Ann", "Eve", "Old"} {
		say(t, s, name, "hello")
	}
	must(s.Block("", "Eve"))(t)
	must(s.Deactivate("Old"))(t)
	call(s, "sendMessage", params{"chat_id": "5550001", "text": "?", "reply_markup": `{"inline_keyboard":[[{"text":"Y","callback_data":"y"}]]}`})
	for _, tt := range tests {
		t.Run(tt.target+" "+tt.body[:min(len(tt.body), 40)], func(t *testing.T) {
			t.Parallel()
			got := control(s, "POST", tt.target, tt.body)
			if text, _ := got.out["error"].(string); got.status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("%d %v, want %d with %q", got.status, got.out, tt.status, tt.want)
			}
		})
	}
}

func TestControlAccounts(t *testing.T) {
	t.Parallel()
	s := telegramsim.New(telegramsim.Options{})
	defer s.Close()
	if got := control(s, "POST", "/say", "text=hi"); got.status != 404 || !strings.Contains(got.out["error"].(string), "POST accounts") {
		t.Errorf("say without accounts = %+v", got)
	}
	one := control(s, "POST", "/accounts", "")
	made, _ := one.out["token"].(string)
	if id, secret, ok := strings.Cut(made, ":"); !ok || len(secret) != 35 || id == "" {
		t.Errorf("made token %q", made)
	}
	if again := control(s, "POST", "/accounts", "token="+made); again.num("id") != one.num("id") {
		t.Errorf("the same token made another bot: %v %v", one.out, again.out)
	}
	if got := control(s, "POST", "/say", "text=hi"); got.num("account") != one.num("id") {
		t.Errorf("say = %+v, want the only bot and a new person", got)
	}
	control(s, "POST", "/accounts", "")
	if got := control(s, "POST", "/say", "text=hi"); got.status != 400 || !strings.Contains(got.out["error"].(string), "which by account") {
		t.Errorf("say with two accounts = %+v", got)
	}
	if got := control(s, "POST", "/say", "text=hi&account="+made); got.num("account") != one.num("id") {
		t.Errorf("say by token = %+v", got)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{})
	one := say(t, s, "Ann Lee", "hello").Person
	two := must(s.AddPerson(telegramsim.Person{FirstName: "Ann", Username: "Ann2"}))(t).ID
	must(s.Rename("ann2", "Bea", "Ray", "bea"))(t)
	tests := []struct {
		name string
		want int64 // 0: somebody new
	}{
		{"ann lee", one}, {"ANN", one}, {itoa(one), one}, {"bea", two}, {"@Bea", two}, {"Bea Ray", two},
		{itoa(two), two}, {"ann2", 0}, {"Lee", 0}, {"777", 777},
	}
	for _, tt := range tests {
		got := say(t, s, tt.name, "x").Person
		if got != tt.want && (tt.want != 0 || got == one || got == two) {
			t.Errorf("%q is person %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := control(s, "GET", "/people", "").out["people"].([]any); len(got) != 5 {
		t.Errorf("there are %d people, want 5", len(got))
	}
}
