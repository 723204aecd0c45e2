package telegram

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-im/parley"
)

// A row says what a refusal means. The first row counts whose status equals the
// error code and whose text the description starts with, compared without case
// and after the prefix, such as "Bad Request: ".
type row struct {
	status int
	text   string // lower case; empty matches all
	kind   parley.Kind
	code   string
	say    string // what people read before the description; "Telegram" if empty
}

// Codes that the connector itself acts on.
const (
	codeReplyGone    = "reply_not_found"
	codeTokenUnknown = "token_not_found"
	codePhoto        = "photo_invalid"
	codeVoice        = "voice_forbidden"
	codeQueryExpired = "query_expired"
	codeFileSize     = "file_too_large"
)

const (
	sayToken    = "Telegram refused the bot token"
	sayConflict = "the bot is in use elsewhere: another program polls it, or has set a webhook"
)

// rows is the one place where the provider's refusals get their meaning. Each
// names its source, read 2026-11: "srv" is the Bot API server (its error texts
// for what follows), "doc" the page of the Bot API (the section that follows).
// Order counts: longer texts come before those that begin like them.
var rows = []row{
	// 400: the address.
	{400, "group chat was upgraded to a supergroup chat", parley.KindUnreachable, "migrated", ""}, // doc: ResponseParameters
	{400, "chat not found", parley.KindUnreachable, "chat_not_found", ""},                         // srv: the chat of a call
	{400, "private chat not found", parley.KindUnreachable, "chat_not_found", ""},                 // srv: the chat of a call
	{400, "user not found", parley.KindUnreachable, "chat_not_found", ""},                         // srv: the user of a call
	{400, "chat_id is empty", parley.KindRejected, "chat_id_empty", ""},                           // srv: the chat of a call
	{400, "not enough rights", parley.KindUnreachable, "no_rights", ""},                           // srv: access to a chat
	{400, "chat_write_forbidden", parley.KindUnreachable, "no_rights", ""},                        // srv: server code
	{400, "need administrator rights", parley.KindUnreachable, "no_rights", ""},                   // srv: access to a chat
	// 400: the text.
	{400, "message text is empty", parley.KindRejected, "text_empty", ""},            // srv: sendMessage
	{400, "text must be non-empty", parley.KindRejected, "text_empty", ""},           // srv: sendMessage
	{400, "message is too long", parley.KindRejected, "text_too_long", ""},           // doc: sendMessage
	{400, "message caption is too long", parley.KindRejected, "text_too_long", ""},   // doc: sendPhoto
	{400, "text is too long", parley.KindRejected, "text_too_long", ""},              // srv: parameter over 32768 bytes
	{400, "can't parse entities", parley.KindRejected, "entities", ""},               // doc: formatting options
	{400, "unsupported parse_mode", parley.KindRejected, "entities", ""},             // srv: sendMessage
	{400, "message to be replied not found", parley.KindRejected, codeReplyGone, ""}, // doc: ReplyParameters
	{400, "message thread not found", parley.KindRejected, "thread_not_found", ""},   // srv: sendMessage
	// 400: edits, deletions, buttons.
	{400, "message is not modified", parley.KindRejected, "not_modified", ""},          // srv: editMessageText
	{400, "message to edit not found", parley.KindRejected, "message_not_found", ""},   // srv: the message of a call
	{400, "message can't be edited", parley.KindRejected, "message_fixed", ""},         // srv: editMessageText
	{400, "message to delete not found", parley.KindRejected, "message_not_found", ""}, // srv: the message of a call
	{400, "message can't be deleted", parley.KindRejected, "message_fixed", ""},        // srv: deleteMessage
	{400, "button_data_invalid", parley.KindRejected, "buttons", ""},                   // srv: server code
	{400, "reply markup is too long", parley.KindRejected, "buttons", ""},              // srv: reply_markup
	{400, "can't parse inline keyboard button", parley.KindRejected, "buttons", ""},    // srv: reply_markup
	{400, "query is too old", parley.KindRejected, codeQueryExpired, ""},               // doc: answerCallbackQuery
	{400, "query_id_invalid", parley.KindRejected, codeQueryExpired, ""},               // srv: server code
	{400, "voice_messages_forbidden", parley.KindRejected, codeVoice, ""},              // srv: server code
	// 400: files.
	{400, "wrong http url specified", parley.KindRejected, "file_url", ""},                                        // srv: files by address or id
	{400, "failed to get http url content", parley.KindRejected, "file_url", ""},                                  // srv: server code
	{400, "wrong type of the web page content", parley.KindRejected, "file_url", ""},                              // srv: server code
	{400, "wrong file identifier/http url specified", parley.KindRejected, "file_url", ""},                        // srv: files by address or id
	{400, "wrong remote file identifier specified", parley.KindRejected, "file_id", ""},                           // srv: files by address or id
	{400, "wrong file_id or the file is temporarily unavailable", parley.KindUnavailable, "file_unavailable", ""}, // srv: getFile
	{400, "invalid file_id", parley.KindRejected, "file_id", ""},                                                  // srv: getFile
	{400, "file_id not specified", parley.KindRejected, "file_id", ""},                                            // srv: getFile
	{400, "file is too big", parley.KindRejected, codeFileSize, ""},                                               // doc: getFile
	{400, "file of size", parley.KindRejected, codeFileSize, ""},                                                  // srv: files by upload, such as a photo over 10 MB
	{400, "file must be non-empty", parley.KindRejected, "file_empty", ""},                                        // srv: files by upload
	{400, "there is no photo in the request", parley.KindRejected, "photo_missing", ""},                           // srv: sendPhoto
	{400, "there is no document in the request", parley.KindRejected, "file_missing", ""},                         // srv: sendDocument
	{400, "there is no video in the request", parley.KindRejected, "file_missing", ""},                            // srv: sendVideo
	{400, "there is no animation in the request", parley.KindRejected, "file_missing", ""},                        // srv: sendAnimation
	{400, "there is no audio in the request", parley.KindRejected, "file_missing", ""},                            // srv: sendAudio
	{400, "there is no voice in the request", parley.KindRejected, "file_missing", ""},                            // srv: sendVoice
	{400, "photo_invalid_dimensions", parley.KindRejected, codePhoto, ""},                                         // doc: sendPhoto
	{400, "image_process_failed", parley.KindRejected, codePhoto, ""},                                             // srv: server code
	{400, "photo_save_file_invalid", parley.KindRejected, codePhoto, ""},                                          // srv: server code
	// 400: registration of the callback address.
	{400, "bad webhook: failed to resolve host", parley.KindUnavailable, "webhook_host", ""}, // srv: setWebhook
	{400, "bad webhook", parley.KindRejected, "webhook_refused", ""},                         // doc: setWebhook
	{400, "invalid webhook url specified", parley.KindRejected, "webhook_refused", ""},       // srv: setWebhook
	{400, "secret token", parley.KindRejected, "webhook_secret", ""},                         // doc: setWebhook
	{400, "certificate size is too big", parley.KindRejected, "webhook_refused", ""},         // srv: setWebhook
	// The credentials.
	{400, "logged out", parley.KindLoggedOut, "logged_out", "the bot has left this Bot API server"}, // doc: logOut
	{401, "", parley.KindLoggedOut, "unauthorized", sayToken},                                       // doc: authorizing your bot
	{404, "method not found", parley.KindRejected, "method_not_found", ""},                          // srv: unknown method
	{404, "not found", parley.KindLoggedOut, codeTokenUnknown, sayToken},                            // doc: authorizing your bot
	// 403: the contact or the chat is closed to us.
	{403, "bot was blocked by the user", parley.KindUnreachable, "blocked", ""},                     // srv: access to a chat
	{403, "user is deactivated", parley.KindUnreachable, "deactivated", ""},                         // srv: the user of a call
	{403, "bot can't initiate conversation with a user", parley.KindUnreachable, "not_started", ""}, // doc: bots, privacy of users
	{403, "bot was kicked from", parley.KindUnreachable, "not_member", ""},                          // srv: access to a chat
	{403, "bot is not a member of", parley.KindUnreachable, "not_member", ""},                       // srv: access to a chat
	{403, "the group chat was deleted", parley.KindUnreachable, "chat_deleted", ""},                 // srv: access to a chat
	{403, "the bot can't send messages to the bot", parley.KindUnreachable, "is_bot", ""},           // srv: access to a chat
	{403, "bot can't send messages to bots", parley.KindUnreachable, "is_bot", ""},                  // srv: older wording
	// 409: two that poll, or a poll and a webhook.
	{409, "terminated by other setwebhook", parley.KindUnavailable, "webhook_race", ""},                              // srv: setWebhook
	{409, "can't use getupdates method while webhook is active", parley.KindConflict, "webhook_active", sayConflict}, // srv: getUpdates
	{409, "terminated by setwebhook request", parley.KindConflict, "webhook_active", sayConflict},                    // srv: getUpdates
	{409, "", parley.KindConflict, "other_poller", sayConflict},                                                      // srv: getUpdates
	// The rest is told apart by status alone.
	{413, "", parley.KindRejected, "too_large", "too large for Telegram"},         // srv: HTTP server
	{429, "", parley.KindThrottled, "throttled", ""},                              // doc: ResponseParameters
	{500, "", parley.KindUnavailable, "server_error", "Telegram is out of order"}, // srv: restart
	{502, "", parley.KindUnavailable, "server_error", "Telegram is out of order"}, // srv: front end
	{503, "", parley.KindUnavailable, "server_error", "Telegram is out of order"}, // srv: front end
	{504, "", parley.KindUnavailable, "server_error", "Telegram is out of order"}, // srv: front end
}

// prefixes are what descriptions start with. Source: Bot API server, error
// texts, read 2026-11.
var prefixes = []string{"bad request: ", "unauthorized: ", "forbidden: ", "not found: ", "conflict: ",
	"too many requests: ", "internal server error: "}

// A refusal is what the provider said, as the cause of the error made of it.
type refusal struct {
	status    int
	migrateTo int64 // the chat's new id; 0 if it did not move
	internal  bool  // the description is a bare code of the server, such as MEDIA_EMPTY
}

// codeShape is a description that the server passes on from within, unlike its own
// sentences. Source: Bot API server, error texts, read 2026-11.
var codeShape = regexp.MustCompile(`^(?:Bad Request: )?[A-Z0-9]+(?:_[A-Z0-9]+)+$`)

func (r *refusal) Error() string { return "HTTP " + strconv.Itoa(r.status) }

// refused makes the error for an answer that is no success.
func (c *client) refused(ctx context.Context, m method, r reply, a answer) error {
	if a.ErrorCode != 0 {
		r.status = a.ErrorCode
	}
	found, known := meaning(r.status, a.Description, r.err == nil && a.refuses())
	if !known {
		c.env.Log.WarnContext(ctx, "unknown provider error", "method", m.name, "status", r.status, "kind", string(found.kind))
	}
	return &parley.Error{
		Kind: found.kind, Code: found.code, Message: c.sentence(found.say, a.Description, r.status),
		RetryAfter: wait(found.kind, a, r.header),
		Err:        &refusal{r.status, a.Parameters.MigrateTo, codeShape.MatchString(a.Description)},
	}
}

// meaning finds the row for a refusal. What is not the Bot API's envelope comes
// from something on the way and is believed only where the status is enough.
func meaning(status int, description string, envelope bool) (found row, known bool) {
	if envelope || status >= 500 || status == http.StatusRequestEntityTooLarge || status == http.StatusTooManyRequests {
		for _, r := range rows {
			if r.status == status && strings.HasPrefix(essence(description), r.text) {
				return r, true
			}
		}
	}
	found = row{kind: parley.KindRejected, code: "unknown:" + strconv.Itoa(status)}
	if !envelope || status >= 500 {
		found.kind = parley.KindUnavailable
	}
	return found, false
}

// essence is the part of a description that tells errors apart.
func essence(description string) string {
	text := strings.ToLower(strings.TrimSpace(description))
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(text, p); ok {
			return rest
		}
	}
	return text
}

const maxDescription = 300 // bytes that are shown

// sentence says for people what the provider answered.
func (c *client) sentence(say, description string, status int) string {
	if say == "" {
		say = "Telegram"
	}
	description = c.redact(strings.TrimSpace(strings.ToValidUTF8(description, "\ufffd")))
	if description == "" {
		description = "HTTP status " + strconv.Itoa(status)
	}
	return say + ": " + shorten(description, maxDescription)
}

// shorten cuts a text to at most limit bytes, between runes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

const maxWait = 24 * time.Hour

// wait returns how long a throttled sender has to wait, from the envelope, else
// from the header; 0 if neither says.
func wait(kind parley.Kind, a answer, header http.Header) time.Duration {
	if kind != parley.KindThrottled {
		return 0
	}
	seconds := a.Parameters.RetryAfter
	if seconds <= 0 {
		seconds, _ = strconv.ParseInt(header.Get("Retry-After"), 10, 64)
	}
	return min(max(0, time.Duration(min(seconds, int64(maxWait/time.Second)))*time.Second), maxWait)
}
