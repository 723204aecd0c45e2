package telegram

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestSpec(t *testing.T) {
	t.Parallel()
	want := connector.Spec{
		Name: "telegram", Title: "Telegram", Fields: []connector.Field{{Name: "token", Secret: true, Required: true}},
		BaseURL: "https://api.telegram.org", BaseEnv: "TELEGRAM_API_URL", MaxBody: 1048576,
		Pace:             connector.Pace{PerSecond: 30, Burst: 30, ChatPerSecond: 1, ChatBurst: 3, GroupPerMin: 20},
		CallbackDeadline: 60 * time.Second,
	}
	if diff := cmp.Diff(want, New().Spec()); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		token string
		want  parley.Kind
	}{
		{testToken, ""},
		{"1:a", ""},
		{"", parley.KindLoggedOut},
		{"123456789", parley.KindLoggedOut},
		{":abc", parley.KindLoggedOut},
		{"0123:abc", parley.KindLoggedOut},
		{"123:", parley.KindLoggedOut},
		{"123:a/b", parley.KindLoggedOut},
		{"123:abc\n", parley.KindLoggedOut},
		{"x123:abc", parley.KindLoggedOut},
		{"12345678901234567:abc", parley.KindLoggedOut},
		{"123:" + strings.Repeat("a", 76), ""},
		{"123:" + strings.Repeat("a", 77), parley.KindLoggedOut},
	}
	for _, tt := range tests {
		ch := &parley.Channel{Secrets: map[string]parley.Secret{"token": parley.Secret(tt.token)}}
		_, err := New().Open(context.Background(), ch, connector.Env{})
		if got := parley.KindOf(err); got != tt.want {
			t.Errorf("Open with token %q: got kind %q, want %q", tt.token, got, tt.want)
		}
		if err != nil && tt.token != "" && strings.Contains(err.Error(), tt.token) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		step step
		want connector.Account
		kind parley.Kind
	}{
		{"good", ok("getMe", `{"id":123456789,"is_bot":true,"first_name":"Shop","username":"shop_bot","can_join_groups":true}`),
			connector.Account{ID: "123456789", Name: "Shop"}, ""},
		{"wrong token", step{method: "getMe", status: 401, body: `{"ok":false,"error_code":401,"description":"Unauthorized"}`}, connector.Account{}, parley.KindLoggedOut},
		{"malformed token", step{method: "getMe", status: 404, body: `{"ok":false,"error_code":404,"description":"Not Found"}`}, connector.Account{}, parley.KindLoggedOut},
		{"wrong address", step{method: "getMe", status: 404, body: `<html>`}, connector.Account{}, parley.KindUnavailable},
		{"nobody", ok("getMe", `{}`), connector.Account{}, parley.KindUnavailable},
		{"nonsense", step{method: "getMe", status: 200, body: `<html>`}, connector.Account{}, parley.KindUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, tt.step)
			got, err := c.Verify(context.Background())
			if got != tt.want || parley.KindOf(err) != tt.kind {
				t.Errorf("got %+v, %v; want %+v and kind %q", got, err, tt.want, tt.kind)
			}
		})
	}
}

func TestReceiveSecret(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		configured parley.Secret
		header     []string
		pass       bool
	}{
		{"right", testCallback, []string{testCallback}, true},
		{"wrong", testCallback, []string{"callback-secret_2"}, false},
		{"prefix", testCallback, []string{testCallback[:5]}, false},
		{"longer", testCallback, []string{testCallback + "x"}, false},
		{"empty", testCallback, []string{""}, false},
		{"missing", testCallback, nil, false},
		{"second", testCallback, []string{"no", testCallback}, false},
		{"none configured, none given", "", nil, false},
		{"none configured, empty given", "", []string{""}, false},
		{"none configured, one given", "", []string{"x"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ch := testChannel()
			ch.Secrets[parley.SecretCallbackToken] = tt.configured
			c, err := New().Open(context.Background(), ch, connector.Env{})
			if err != nil {
				t.Fatal(err)
			}
			cb := connector.Callback{Method: "POST", Header: http.Header{}, Body: []byte(`{"update_id":1,"poll":{}}`)}
			for _, v := range tt.header {
				cb.Header.Add("x-telegram-bot-api-secret-token", v)
			}
			events, _, err := c.(connector.Receiver).Receive(context.Background(), cb)
			if pass := err == nil; pass != tt.pass || (!pass && parley.KindOf(err) != parley.KindUnauthorized) || (len(events) == 1) != pass {
				t.Errorf("got %d events and %v, want pass %t", len(events), err, tt.pass)
			}
		})
	}
}

func TestReceive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, id string
		want           connector.What
	}{
		{"text", `{"update_id":1,"message":{"message_id":8,"from":{"id":5},"chat":{"id":5,"type":"private"},"date":1,"text":"hi"}}`, "8", connector.Message{Text: "hi"}},
		{"garbage", `garbage`, "", connector.Unknown{Reason: "not an update: no readable update_id"}},
		{"new kind", `{"update_id":1,"teleport":{}}`, "1", connector.Unknown{Reason: "an update of kind teleport"}},
	}
	c := open(t, envOf(nil))
	for _, tt := range tests {
		cb := connector.Callback{Header: http.Header{secretHeader: {testCallback}}, Body: []byte(tt.body)}
		events, reply, err := c.Receive(context.Background(), cb)
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: got %d events and %v, want 1", tt.name, len(events), err)
		}
		if diff := cmp.Diff(tt.want, events[0].What); diff != "" || string(events[0].Raw) != tt.body {
			t.Errorf("%s: content (-want +got):\n%s", tt.name, diff)
		}
		if tt.name != "garbage" && events[0].ID != tt.id {
			t.Errorf("%s: got id %s, want %s", tt.name, events[0].ID, tt.id)
		}
		if diff := cmp.Diff(connector.Reply{}, reply); diff != "" {
			t.Errorf("%s: reply (-want +got):\n%s", tt.name, diff)
		}
	}
}

// No way of failing shows the token, in no error of the chain and in no log line.
func TestTokenNeverShows(t *testing.T) {
	t.Parallel()
	leaky := &url.Error{Op: "Post", URL: "https://api.telegram.org/bot" + testToken + "/getMe", Err: errors.New("reset for " + url.QueryEscape(testToken))}
	kinds := map[string]doer{
		"plain transport error": func(*http.Request) (*http.Response, error) { return nil, leaky },
		"kind of transport error": func(*http.Request) (*http.Response, error) {
			return nil, &parley.Error{Kind: parley.KindUncertain, Message: "Post " + leaky.URL, Err: fmt.Errorf("do: %w", leaky)}
		},
		"echoing description": handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"ok":false,"error_code":400,"description":"Bad Request: bad path %s"}`, r.URL.Path)
		})),
		"echoing success": handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"ok":true,"result":{"message_id":"%s"}}`, r.URL.Path)
		})),
		"html": handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = fmt.Fprint(w, "<html>"+r.URL.Path)
		})),
	}
	for name, d := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			c := open(t, connector.Env{HTTP: d, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			_, sendErr := c.Send(context.Background(), part("hi"))
			_, verifyErr := c.Verify(context.Background())
			subErr := c.Subscribe(context.Background(), "https://parley.test/cb", testCallback)
			for _, err := range []error{sendErr, verifyErr, subErr} {
				hides(t, err)
			}
			if text := log.String() + fmt.Sprintf("%+v %#v", c, c); strings.Contains(text, testSecret) {
				t.Errorf("the log or the client shows the token: %s", text)
			}
		})
	}
	t.Run("bad base", func(t *testing.T) {
		t.Parallel()
		c := open(t, connector.Env{Base: "http://bad host\x7f"})
		_, err := c.Verify(context.Background())
		hides(t, err)
	})
}

func hides(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("got no error where one was provoked")
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, testSecret) || strings.Contains(text, "/bot1") {
			t.Errorf("an error shows the token or the address: %s", text)
		}
	}
}

// What is not known is counted by a line of the log, with neither text nor address.
func TestUnknownErrorIsLogged(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprint(w, `{"ok":false,"error_code":418,"description":"I'm a teapot"}`)
	})
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c := open(t, connector.Env{HTTP: server.Client(), Base: server.URL, Log: slog.New(slog.NewTextHandler(log, nil))})
	_, _ = c.Send(context.Background(), part("a very private text"))
	got := log.String()
	for _, want := range []string{`msg="unknown provider error"`, "method=sendMessage", "status=418", "kind=rejected"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %s: %s", want, got)
		}
	}
	if strings.Contains(got, "private") || strings.Contains(got, "5550001") {
		t.Errorf("the log shows text or address: %s", got)
	}
}
