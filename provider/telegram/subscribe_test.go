package telegram

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

const (
	hookAddress = "https://parley.test/callbacks/telegram/abc"
	hookRequest = `{"url":"https://parley.test/callbacks/telegram/abc","secret_token":"callback-secret_1","allowed_updates":["message","edited_message","callback_query","my_chat_member","channel_post","edited_channel_post"],"max_connections":40}`
	hookEqual   = `{"url":"https://parley.test/callbacks/telegram/abc","has_custom_certificate":false,"pending_update_count":0,"max_connections":40,"allowed_updates":["my_chat_member","edited_channel_post","message","channel_post","callback_query","edited_message"]}`
)

func TestSubscribe(t *testing.T) {
	t.Parallel()
	set := step{method: "setWebhook", want: hookRequest, status: 200, body: `{"ok":true,"result":true,"description":"Webhook was set"}`}
	info := func(result string) step { s := ok("getWebhookInfo", result); s.want = `{}`; return s }
	tests := []struct {
		name  string
		steps []step // after the first registration
	}{
		{"equal", []step{info(hookEqual)}},
		{"removed", []step{info(`{"url":"","has_custom_certificate":false,"pending_update_count":3}`), set}},
		{"elsewhere", []step{info(strings.Replace(hookEqual, "parley.test", "other.test", 1)), set}},
		{"other kinds", []step{info(strings.Replace(hookEqual, `"my_chat_member",`, "", 1)), set}},
		{"other connections", []step{info(strings.Replace(hookEqual, `:40`, ":1", 1)), set}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, append([]step{set}, tt.steps...)...)
			for range 2 {
				if err := c.Subscribe(context.Background(), hookAddress, testCallback); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Telegram does not show which secret it has, so a new one is set without asking.
func TestSubscribeNewSecret(t *testing.T) {
	t.Parallel()
	set := ok("setWebhook", "true")
	c, s := serve(t, set, set, ok("deleteWebhook", "true"), set)
	for _, token := range []parley.Secret{"one", "two"} {
		if err := c.Subscribe(context.Background(), hookAddress, token); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Unsubscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(context.Background(), hookAddress, "two"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.calls[1], `"secret_token":"two"`) {
		t.Errorf("got second call %s, want the new secret", s.calls[1])
	}
	if diff := cmp.Diff("deleteWebhook {}", s.calls[2]); diff != "" {
		t.Errorf("unsubscribe (-want +got):\n%s", diff)
	}
}

func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	refused := step{method: "setWebhook", status: 400, body: `{"ok":false,"error_code":400,"description":"Bad Request: bad webhook: An HTTPS URL must be provided for webhook"}`}
	c, _ := serve(t, refused, ok("setWebhook", "true"))
	if err := c.Subscribe(context.Background(), hookAddress, "one"); parley.KindOf(err) != parley.KindRejected {
		t.Errorf("got %v, want kind rejected", err)
	}
	// What failed was not set, so it is set again and not compared.
	if err := c.Subscribe(context.Background(), hookAddress, "one"); err != nil {
		t.Error(err)
	}
	for _, bad := range []parley.Secret{"", "a b", "ключ", parley.Secret(strings.Repeat("a", 257))} {
		if err := c.Subscribe(context.Background(), hookAddress, bad); parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("secret %q: got %v, want kind invalid", bad.Reveal(), err)
		}
	}
}
