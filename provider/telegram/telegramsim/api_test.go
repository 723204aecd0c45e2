package telegramsim_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path string
		code       int
		text       string
		localCode  int
		localText  string
	}{
		{"wrong secret", "/bot123456789:AAwrong/getMe", 401, "Unauthorized", 401, "Unauthorized"},
		{"unknown bot", "/bot99:AAabcdefghijklmnopqrstuvwxyz0123456/getMe", 401, "Unauthorized", 401, "Unauthorized"},
		{"wrong secret, unknown method", "/bot123456789:AAwrong/nonsense", 401, "Unauthorized", 401, "Unauthorized"},
		{"no colon", "/bot123456789/getMe", 404, "Not Found", 401, "Unauthorized: invalid token specified"},
		{"begins with 0", "/bot0123:AA/getMe", 404, "Not Found", 401, "Unauthorized: invalid token specified"},
		{"too long", "/bot1:" + strings.Repeat("A", 79) + "/getMe", 404, "Not Found", 401, "Unauthorized: invalid token specified"},
		{"slash within", "/bot12:AA/BB/getMe", 404, "Not Found", 401, "Unauthorized: invalid token specified"},
		{"no method", "/bot" + token, 404, "Not Found", 404, "Not Found"},
		{"another path", "/file/" + token + "/a.jpg", 404, "Not Found", 404, "Not Found"},
		{"unknown method", "/bot" + token + "/sendNonsense", 404, "Not Found: method not found", 404, "Not Found: method not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud, local := newServer(t, telegramsim.Options{}), newServer(t, telegramsim.Options{Local: true})
			serve(cloud, httptest.NewRequest("GET", tt.path, nil)).refused(t, tt.code, tt.text)
			serve(local, httptest.NewRequest("GET", tt.path, nil)).refused(t, tt.localCode, tt.localText)
		})
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	for k, v := range map[string]string{"chat_id": "5550001", "text": "hi"} {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, verb, method, query, contentType, body string }{
		{"query", "GET", "sendMessage", "?chat_id=5550001&text=hi", "", ""},
		{"query by post", "POST", "sendMessage", "?chat_id=5550001&text=hi", "", ""},
		{"urlencoded", "POST", "sendMessage", "", "application/x-www-form-urlencoded", "chat_id=5550001&text=hi"},
		{"json", "POST", "sendMessage", "", "application/json", `{"chat_id":5550001,"text":"hi"}`},
		{"multipart", "POST", "sendMessage", "", w.FormDataContentType(), multi.String()},
		{"name in another case", "POST", "SENDMESSAGE", "?chat_id=5550001&text=hi", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, telegramsim.Options{})
			say(t, s, "5550001", "hello")
			r := httptest.NewRequest(tt.verb, "/bot"+token+"/"+tt.method+tt.query, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			var m message
			got := serve(s, r)
			got.into(t, &m)
			if m.Text != "hi" || m.ID != 2 || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("message %+v, type %q", m, got.Header.Get("Content-Type"))
			}
			if sent := s.Sent().After(0, 9, nil); len(sent) != 1 || sent[0].Method != "sendMessage" {
				t.Errorf("sent %+v, want one sendMessage", sent)
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{})
	post := func(verb, contentType, body string) reply {
		r := httptest.NewRequest(verb, "/bot"+token+"/getMe", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return serve(s, r)
	}
	post("POST", "application/json", "{").refused(t, 400, "Bad Request: can't parse the request body")
	post("PUT", "", "").refused(t, 405, "Method Not Allowed")
	post("POST", "text/plain", strings.Repeat("x", 51<<20+1)).refused(t, 413, "Request Entity Too Large")
}

func TestGetMe(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{})
	var got map[string]any
	call(s, "getMe", nil).into(t, &got)
	want := map[string]any{"id": 123456789.0, "is_bot": true, "first_name": "Shop", "username": "shop_bot",
		"can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
		"can_connect_to_business": false, "has_main_web_app": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGetChat(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{})
	must(s.AddPerson(telegramsim.Person{ID: ann, FirstName: "Ann", LastName: "Lee", Username: "@annlee"}))(t)
	call(s, "getChat", params{"chat_id": "5550001"}).refused(t, 400, "Bad Request: chat not found")
	say(t, s, "annlee", "hello")
	var got map[string]any
	call(s, "getChat", params{"chat_id": "5550001"}).into(t, &got)
	want := map[string]any{"id": 5550001.0, "first_name": "Ann", "last_name": "Lee", "username": "annlee", "type": "private"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{})
	must(s.Revoke("shop_bot"))(t)
	call(s, "getMe", nil).refused(t, 401, "Unauthorized")
	call(s, "nonsense", nil).refused(t, 401, "Unauthorized")
	if _, err := s.AddBot(token, "", ""); err == nil {
		t.Error("a revoked token came back to life")
	}
	must(s.AddBot("123456789:AAnew", "", ""))(t)
	call(s, "getMe", nil).refused(t, 401, "Unauthorized")
	if got := serve(s, httptest.NewRequest("GET", "/bot123456789:AAnew/getMe", nil)); !got.OK {
		t.Errorf("the new token: %d %s", got.Status, got.Description)
	}
}

func TestLogOutAndClose(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, telegramsim.Options{Now: c.now})
	early := call(s, "close", nil)
	early.refused(t, 429, "Too Many Requests: retry after 600")
	c.add(10 * time.Minute)
	if got := call(s, "close", nil); string(got.Result) != "true" {
		t.Errorf("close = %+v", got)
	}
	if got := call(s, "logOut", nil); string(got.Result) != "true" {
		t.Errorf("logOut = %+v", got)
	}
	call(s, "getMe", nil).refused(t, 400, "Logged out")
	c.add(10 * time.Minute)
	if got := call(s, "getMe", nil); !got.OK {
		t.Errorf("ten minutes after logOut: %+v", got)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{LogSize: 2})
	call(s, "getme", nil)
	call(s, "sendMessage", params{"chat_id": "1", "text": "x"})
	serve(s, httptest.NewRequest("GET", "/bot1:AA/getMe", nil))
	got := s.Log().Last(9)
	if len(got) != 2 {
		t.Fatalf("a log of size 2 has %d lines", len(got))
	}
	if l := got[0]; l.Method != "sendMessage" || l.Account != "123456789" || l.Chat != "1" || l.Status != 400 {
		t.Errorf("line %+v", l)
	}
	if l := got[1]; l.Method != "getMe" || l.Account != "" || l.Status != 401 {
		t.Errorf("line %+v", l)
	}
}

func TestFaultsOnCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  string
		status int // 0: no answer
		text   string
		kind   string // Content-Type
		sent   uint64
	}{
		{"kind=status", 500, "Internal Server Error", "application/json", 0},
		{"kind=status&status=503", 503, "Service Unavailable", "application/json", 0},
		{"kind=status&status=401", 401, "Unauthorized", "application/json", 0},
		{"kind=throttle&retry_after=14", 429, "Too Many Requests: retry after 14", "application/json", 0},
		{"kind=html", 502, "", "text/html", 0},
		{"kind=garbage", 200, "", "application/json", 0},
		{"kind=cut_before", 0, "", "", 0},
		{"kind=cut_after", 0, "", "", 1},
		{"kind=slow&delay_ms=1", 200, "", "application/json", 1},
		{"kind=late&delay_ms=1", 200, "", "application/json", 1},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, telegramsim.Options{})
			say(t, s, "5550001", "hello")
			if got := control(s, "POST", "/faults?account=shop_bot&chat=5550001&method=sendmessage&"+tt.fault, ""); got.status != 200 {
				t.Fatalf("POST faults: %+v", got)
			}
			srv := httptest.NewServer(s)
			defer srv.Close()
			send := srv.URL + "/bot" + token + "/sendMessage?chat_id=5550001&text=hi"
			status, text, kind := visit(t, send)
			if status != tt.status || text != tt.text || kind != tt.kind {
				t.Errorf("got %d %q %q, want %d %q %q", status, text, kind, tt.status, tt.text, tt.kind)
			}
			if got := s.Sent().Total(); got != tt.sent {
				t.Errorf("accepted %d, want %d", got, tt.sent)
			}
			if l := s.Log().Last(1)[0]; l.Status != tt.status || "kind="+string(l.Fault) != strings.Split(tt.fault, "&")[0] {
				t.Errorf("log line %+v", l)
			}
			if status, _, _ := visit(t, send); status != 200 {
				t.Errorf("the next call got %d, want 200", status)
			}
		})
	}
}

// visit returns status 0 if the connection ends without an answer.
func visit(t *testing.T, url string) (status int, description, contentType string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", ""
	}
	defer res.Body.Close()
	var out struct {
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
	}
	decode(res.Body, &out)
	if res.StatusCode == 429 && (res.Header.Get("Retry-After") != "14" || out.Parameters.RetryAfter != 14) {
		t.Errorf("429 with header %q and parameter %d, want 14", res.Header.Get("Retry-After"), out.Parameters.RetryAfter)
	}
	return res.StatusCode, out.Description, res.Header.Get("Content-Type")
}
