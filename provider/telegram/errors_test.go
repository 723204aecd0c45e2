package telegram

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
)

// refusals are the descriptions of the Bot API with what they must mean.
var refusals = []struct {
	status      int
	description string
	kind        parley.Kind
	code        string
}{
	{400, "Bad Request: chat not found", parley.KindUnreachable, "chat_not_found"},
	{400, "Bad Request: private chat not found", parley.KindUnreachable, "chat_not_found"},
	{400, "Bad Request: user not found", parley.KindUnreachable, "chat_not_found"},
	{400, "Bad Request: chat_id is empty", parley.KindRejected, "chat_id_empty"},
	{400, "Bad Request: message text is empty", parley.KindRejected, "text_empty"},
	{400, "Bad Request: text must be non-empty", parley.KindRejected, "text_empty"},
	{400, "Bad Request: message is too long", parley.KindRejected, "text_too_long"},
	{400, "Bad Request: message caption is too long", parley.KindRejected, "text_too_long"},
	{400, "Bad Request: text is too long", parley.KindRejected, "text_too_long"},
	{400, "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 4", parley.KindRejected, "entities"},
	{400, "Bad Request: unsupported parse_mode", parley.KindRejected, "entities"},
	{400, "Bad Request: message to be replied not found", parley.KindRejected, "reply_not_found"},
	{400, "Bad Request: message thread not found", parley.KindRejected, "thread_not_found"},
	{400, "Bad Request: message is not modified: specified new message content is the same", parley.KindRejected, "not_modified"},
	{400, "Bad Request: message to edit not found", parley.KindRejected, "message_not_found"},
	{400, "Bad Request: message can't be edited", parley.KindRejected, "message_fixed"},
	{400, "Bad Request: message to delete not found", parley.KindRejected, "message_not_found"},
	{400, "Bad Request: message can't be deleted for everyone", parley.KindRejected, "message_fixed"},
	{400, "Bad Request: wrong HTTP URL specified", parley.KindRejected, "file_url"},
	{400, "Bad Request: failed to get HTTP URL content", parley.KindRejected, "file_url"},
	{400, "Bad Request: wrong type of the web page content", parley.KindRejected, "file_url"},
	{400, "Bad Request: wrong file identifier/HTTP URL specified", parley.KindRejected, "file_url"},
	{400, "Bad Request: wrong remote file identifier specified: can't unserialize it", parley.KindRejected, "file_id"},
	{400, "Bad Request: file must be non-empty", parley.KindRejected, "file_empty"},
	{400, "Bad Request: there is no document in the request", parley.KindRejected, "file_missing"},
	{400, "Bad Request: there is no video in the request", parley.KindRejected, "file_missing"},
	{400, "Bad Request: there is no animation in the request", parley.KindRejected, "file_missing"},
	{400, "Bad Request: there is no audio in the request", parley.KindRejected, "file_missing"},
	{400, "Bad Request: there is no voice in the request", parley.KindRejected, "file_missing"},
	{400, "Bad Request: there is no photo in the request", parley.KindRejected, "photo_missing"},
	{400, "Bad Request: wrong file_id or the file is temporarily unavailable", parley.KindUnavailable, "file_unavailable"},
	{400, "Bad Request: invalid file_id", parley.KindRejected, "file_id"},
	{400, "Bad Request: file_id not specified", parley.KindRejected, "file_id"},
	{400, "Bad Request: file is too big", parley.KindRejected, "file_too_large"},
	{400, "Bad Request: file of size 10485839 bytes is too big for a photo; the maximum size is 10485760 bytes", parley.KindRejected, "file_too_large"},
	{400, "Bad Request: PHOTO_INVALID_DIMENSIONS", parley.KindRejected, "photo_invalid"},
	{400, "Bad Request: IMAGE_PROCESS_FAILED", parley.KindRejected, "photo_invalid"},
	{400, "Bad Request: PHOTO_SAVE_FILE_INVALID", parley.KindRejected, "photo_invalid"},
	{400, "Bad Request: VOICE_MESSAGES_FORBIDDEN", parley.KindRejected, "voice_forbidden"},
	{400, "Bad Request: group chat was upgraded to a supergroup chat", parley.KindUnreachable, "migrated"},
	{400, "Bad Request: not enough rights to send text messages to the chat", parley.KindUnreachable, "no_rights"},
	{400, "Bad Request: CHAT_WRITE_FORBIDDEN", parley.KindUnreachable, "no_rights"},
	{400, "Bad Request: need administrator rights in the channel chat", parley.KindUnreachable, "no_rights"},
	{400, "Bad Request: BUTTON_DATA_INVALID", parley.KindRejected, "buttons"},
	{400, "Bad Request: reply markup is too long", parley.KindRejected, "buttons"},
	{400, "Bad Request: can't parse inline keyboard button: text is empty", parley.KindRejected, "buttons"},
	{400, "Bad Request: query is too old and response timeout expired or query ID is invalid", parley.KindRejected, "query_expired"},
	{400, "Bad Request: QUERY_ID_INVALID", parley.KindRejected, "query_expired"},
	{400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known", parley.KindUnavailable, "webhook_host"},
	{400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", parley.KindRejected, "webhook_refused"},
	{400, "Bad Request: bad webhook: IP address 10.0.0.1 is reserved", parley.KindRejected, "webhook_refused"},
	{400, "Bad Request: invalid webhook URL specified", parley.KindRejected, "webhook_refused"},
	{400, "Bad Request: secret token contains unallowed characters", parley.KindRejected, "webhook_secret"},
	{400, "Bad Request: certificate size is too big (4000000 bytes)", parley.KindRejected, "webhook_refused"},
	{400, "Logged out", parley.KindLoggedOut, "logged_out"},
	{401, "Unauthorized", parley.KindLoggedOut, "unauthorized"},
	{401, "Unauthorized: invalid token specified", parley.KindLoggedOut, "unauthorized"},
	{403, "Forbidden: bot was blocked by the user", parley.KindUnreachable, "blocked"},
	{403, "FORBIDDEN: Bot Was Blocked By The User", parley.KindUnreachable, "blocked"},
	{403, "bot was blocked by the user", parley.KindUnreachable, "blocked"},
	{403, "Forbidden: user is deactivated", parley.KindUnreachable, "deactivated"},
	{403, "Forbidden: bot can't initiate conversation with a user", parley.KindUnreachable, "not_started"},
	{403, "Forbidden: bot was kicked from the group chat", parley.KindUnreachable, "not_member"},
	{403, "Forbidden: bot was kicked from the supergroup chat", parley.KindUnreachable, "not_member"},
	{403, "Forbidden: bot is not a member of the channel chat", parley.KindUnreachable, "not_member"},
	{403, "Forbidden: the group chat was deleted", parley.KindUnreachable, "chat_deleted"},
	{403, "Forbidden: the bot can't send messages to the bot", parley.KindUnreachable, "is_bot"},
	{403, "Forbidden: bot can't send messages to bots", parley.KindUnreachable, "is_bot"},
	{404, "Not Found", parley.KindLoggedOut, "token_not_found"},
	{404, "Not Found: method not found", parley.KindRejected, "method_not_found"},
	{409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", parley.KindConflict, "webhook_active"},
	{409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running", parley.KindConflict, "other_poller"},
	{409, "Conflict: terminated by setWebhook request", parley.KindConflict, "webhook_active"},
	{409, "Conflict: terminated by other setWebhook", parley.KindUnavailable, "webhook_race"},
	{413, "Request Entity Too Large", parley.KindRejected, "too_large"},
	{429, "Too Many Requests: retry after 14", parley.KindThrottled, "throttled"},
	{500, "Internal Server Error: restart", parley.KindUnavailable, "server_error"},
	{502, "Bad Gateway", parley.KindUnavailable, "server_error"},
	{503, "Service Unavailable", parley.KindUnavailable, "server_error"},
	{504, "Gateway Timeout", parley.KindUnavailable, "server_error"},
	{400, "Bad Request: SOMETHING_NEW", parley.KindRejected, "unknown:400"},
	{403, "Forbidden: something new", parley.KindRejected, "unknown:403"},
	{404, "Not Found: something new", parley.KindRejected, "unknown:404"},
	{418, "I'm a teapot", parley.KindRejected, "unknown:418"},
	{520, "Unknown Error", parley.KindUnavailable, "unknown:520"},
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals {
		got, known := meaning(tt.status, tt.description, true)
		if got.kind != tt.kind || got.code != tt.code {
			t.Errorf("%d %q: got %s %s, want %s %s", tt.status, tt.description, got.kind, got.code, tt.kind, tt.code)
		}
		if known == strings.HasPrefix(tt.code, "unknown:") {
			t.Errorf("%d %q: got known %t", tt.status, tt.description, known)
		}
	}
}

func TestMeaningCoversRows(t *testing.T) {
	t.Parallel()
	hit := map[row]bool{}
	for _, tt := range refusals {
		found, _ := meaning(tt.status, tt.description, true)
		hit[found] = true
	}
	for _, r := range rows {
		if !hit[r] {
			t.Errorf("no refusal leads to row %d %q", r.status, r.text)
		}
		if r.text != strings.ToLower(r.text) {
			t.Errorf("row %q is not in lower case", r.text)
		}
	}
}

func TestSendError(t *testing.T) {
	t.Parallel()
	const html = "<html><body>Bad things</body></html>"
	tests := []struct {
		name string
		step step
		kind parley.Kind
		code string
		wait time.Duration
	}{
		{"throttled", step{status: 429, body: `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 14","parameters":{"retry_after":14}}`}, parley.KindThrottled, "throttled", 14 * time.Second},
		{"throttled by header", step{status: 429, header: map[string]string{"Retry-After": "7"}, body: html}, parley.KindThrottled, "throttled", 7 * time.Second},
		{"throttled without time", step{status: 429, body: `{"ok":false,"error_code":429,"description":"Too Many Requests"}`}, parley.KindThrottled, "throttled", 0},
		{"throttled for ever", step{status: 429, body: `{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":9223372036854775807}}`}, parley.KindThrottled, "throttled", 24 * time.Hour},
		{"throttled backwards", step{status: 429, body: `{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":-5}}`}, parley.KindThrottled, "throttled", 0},
		{"throttled backwards by header", step{status: 429, header: map[string]string{"Retry-After": "-7"}}, parley.KindThrottled, "throttled", 0},
		{"blocked", step{status: 403, body: `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`}, parley.KindUnreachable, "blocked", 0},
		{"refused with 200", step{status: 200, body: `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`}, parley.KindUnreachable, "blocked", 0},
		{"unauthorized", step{status: 401, body: `{"ok":false,"error_code":401,"description":"Unauthorized"}`}, parley.KindLoggedOut, "unauthorized", 0},
		{"unauthorized by a proxy", step{status: 401, body: html}, parley.KindUnavailable, "unknown:401", 0},
		{"forbidden by a proxy", step{status: 403, body: html}, parley.KindUnavailable, "unknown:403", 0},
		{"redirect", step{status: 304}, parley.KindUnavailable, "unknown:304", 0},
		{"html 502", step{status: 502, body: html}, parley.KindUnavailable, "server_error", 0},
		{"html 413", step{status: 413, body: html}, parley.KindRejected, "too_large", 0},
		{"empty 500", step{status: 500}, parley.KindUnavailable, "server_error", 0},
		{"half a 500", step{status: 500, body: `{"ok":fal`, cut: true}, parley.KindUnavailable, "server_error", 0},
		{"html 200", step{status: 200, body: html}, parley.KindUncertain, "unreadable", 0},
		{"half a 200", step{status: 200, body: `{"ok":true,"result":{"mess`, cut: true}, parley.KindUncertain, "unreadable", 0},
		{"empty 200", step{status: 200}, parley.KindUncertain, "unreadable", 0},
		{"no envelope", step{status: 200, body: `{}`}, parley.KindUncertain, "unreadable", 0},
		{"no result", step{status: 200, body: `{"ok":true}`}, parley.KindUncertain, "unreadable", 0},
		{"no message id", step{status: 200, body: `{"ok":true,"result":{}}`}, parley.KindUncertain, "unreadable", 0},
		{"wrong result", step{status: 200, body: `{"ok":true,"result":true}`}, parley.KindUncertain, "unreadable", 0},
		{"endless 200", step{status: 200, body: `{"ok":true,"result":{"message_id":91,"text":"` + strings.Repeat("x", answerLimit) + `"}}`}, parley.KindUncertain, "unreadable", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.step.method = "sendMessage"
			c, _ := serve(t, tt.step)
			_, err := c.Send(context.Background(), part("hi"))
			e, is := errors.AsType[*parley.Error](err)
			if !is {
				t.Fatalf("got error %v, want a *parley.Error", err)
			}
			if e.Kind != tt.kind || e.Code != tt.code || e.RetryAfter != tt.wait {
				t.Errorf("got %s %s %s, want %s %s %s", e.Kind, e.Code, e.RetryAfter, tt.kind, tt.code, tt.wait)
			}
		})
	}
}

func TestTransportError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want parley.Kind
	}{
		{"never left", &parley.Error{Kind: parley.KindUnavailable, Err: errors.New("refused")}, parley.KindUnavailable},
		{"no verdict", &parley.Error{Kind: parley.KindUncertain, Err: errors.New("reset")}, parley.KindUncertain},
		{"no kind", errors.New("reset"), parley.KindUncertain},
		{"cancelled", &parley.Error{Kind: parley.KindUncertain, Err: context.Canceled}, parley.KindUncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, envOf(doer(func(*http.Request) (*http.Response, error) { return nil, tt.err })))
			_, err := c.Send(context.Background(), part("hi"))
			if parley.KindOf(err) != tt.want || parley.Interrupted(err) != parley.Interrupted(tt.err) {
				t.Errorf("Send: got %v of kind %s, want %s", err, parley.KindOf(err), tt.want)
			}
			if _, err := c.Verify(context.Background()); parley.KindOf(err) != parley.KindUnavailable {
				t.Errorf("Verify: got kind %s, want unavailable, as asking again does no harm", parley.KindOf(err))
			}
		})
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	c := open(t, envOf(nil))
	tests := []struct{ say, description, want string }{
		{"", "Bad Request: chat not found", "Telegram: Bad Request: chat not found"},
		{sayToken, "Unauthorized", "Telegram refused the bot token: Unauthorized"},
		{"", "", "Telegram: HTTP status 418"},
		{"", "a\xffb", "Telegram: a\ufffdb"},
		{"", strings.Repeat("я", 200), "Telegram: " + strings.Repeat("я", 150)},
		{"", "a" + strings.Repeat("я", 200), "Telegram: a" + strings.Repeat("я", 149)},
		{"", "token " + testToken, "Telegram: token ***"},
		{"", "see https://parley.test/secret/path, please", "Telegram: see *** please"},
	}
	for _, tt := range tests {
		if got := c.sentence(tt.say, tt.description, 418); got != tt.want {
			t.Errorf("sentence(%q, %.20q) = %q, want %q", tt.say, tt.description, got, tt.want)
		}
	}
}
