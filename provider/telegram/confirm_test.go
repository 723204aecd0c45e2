package telegram

import (
	"context"
	"testing"

	"github.com/parley-im/parley"
)

func TestConfirm(t *testing.T) {
	t.Parallel()
	const want = `{"callback_query_id":"4382bfdwdsb323b2d9"}`
	refused := func(status int, body string) step {
		return step{method: "answerCallbackQuery", want: want, status: status, body: body}
	}
	tests := []struct {
		name string
		step step
		kind parley.Kind
	}{
		{"done", refused(200, `{"ok":true,"result":true}`), ""},
		{"too old", refused(400, `{"ok":false,"error_code":400,"description":"Bad Request: query is too old and response timeout expired or query ID is invalid"}`), ""},
		{"too old by code", refused(400, `{"ok":false,"error_code":400,"description":"Bad Request: QUERY_ID_INVALID"}`), ""},
		{"other refusal", refused(400, `{"ok":false,"error_code":400,"description":"Bad Request: no"}`), parley.KindRejected},
		{"throttled", refused(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1"}`), parley.KindThrottled},
		{"nonsense", refused(200, `<html>`), parley.KindUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, tt.step)
			if err := c.Confirm(context.Background(), "4382bfdwdsb323b2d9"); parley.KindOf(err) != tt.kind {
				t.Errorf("got %v, want kind %q", err, tt.kind)
			}
		})
	}
}
