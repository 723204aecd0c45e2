package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// A method is one call of the Bot API with the bounds of its answer.
type method struct {
	name    string
	limit   int64         // of the answer, in bytes
	timeout time.Duration // of the whole exchange; 0 leaves it to the caller
}

// bound gives ctx the time limit of the method.
func (m method) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, m.timeout)
}

const (
	answerLimit = 1 << 20
	// updatesLimit is for 100 updates, each of which may be as large as a callback
	// in theory and is a few kilobytes in practice.
	updatesLimit = 16 << 20
	callTimeout  = 30 * time.Second
)

// The methods in use. Source: Bot API, available methods, read 2026-11.
var (
	getMe          = method{"getMe", answerLimit, callTimeout}
	sendMessage    = method{"sendMessage", answerLimit, callTimeout}
	setWebhook     = method{"setWebhook", answerLimit, callTimeout}
	deleteWebhook  = method{"deleteWebhook", answerLimit, callTimeout}
	getWebhookInfo = method{"getWebhookInfo", answerLimit, callTimeout}
	getUpdates     = method{"getUpdates", updatesLimit, pollTimeout + 20*time.Second}

	getFile              = method{"getFile", answerLimit, callTimeout}
	getChat              = method{"getChat", answerLimit, callTimeout}
	getUserProfilePhotos = method{"getUserProfilePhotos", answerLimit, callTimeout}
	answerCallbackQuery  = method{"answerCallbackQuery", answerLimit, callTimeout}

	// An upload takes as long as the file is large, which only the caller knows how
	// to bound.
	sendPhoto     = method{"sendPhoto", answerLimit, 0}
	sendVideo     = method{"sendVideo", answerLimit, 0}
	sendAnimation = method{"sendAnimation", answerLimit, 0}
	sendAudio     = method{"sendAudio", answerLimit, 0}
	sendVoice     = method{"sendVoice", answerLimit, 0}
	sendDocument  = method{"sendDocument", answerLimit, 0}
)

// An answer is the envelope of every result and refusal. Source: Bot API,
// making requests and ResponseParameters, read 2026-11.
type answer struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after"` // seconds
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// refuses reports whether the answer is an envelope that says no.
func (a *answer) refuses() bool { return !a.OK && (a.ErrorCode != 0 || a.Description != "") }

// call makes one request of JSON and fills out with its result. Every error is a
// *parley.Error; KindUncertain says that the request may have been carried out.
func (c *client) call(ctx context.Context, m method, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return &parley.Error{Kind: parley.KindInternal, Message: "encode " + m.name, Err: c.redacted(err)}
	}
	return c.post(ctx, m, payload{"application/json", bytes.NewReader(body), int64(len(body))}, out)
}

// A payload is the body of a request.
type payload struct {
	mime string
	body io.Reader
	size int64 // in bytes
}

// post makes one request and fills out with its result, as call does.
func (c *client) post(ctx context.Context, m method, p payload, out any) error {
	ctx, cancel := m.bound(ctx)
	defer cancel()
	req, err := c.request(ctx, http.MethodPost, "/bot"+c.token.Reveal()+"/"+m.name, p.body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", p.mime)
	req.ContentLength = p.size
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return c.transport(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := read(resp.Body, m.limit)
	return c.confirmed(ctx, m, c.judge(ctx, m, reply{resp.StatusCode, resp.Header, data, err}, out))
}

// confirmed asks getMe before it believes a 404 that would end the channel,
// because a wrong path on the way looks the same.
func (c *client) confirmed(ctx context.Context, m method, err error) error {
	e, ok := errors.AsType[*parley.Error](err)
	if !ok || e.Code != codeTokenUnknown || m.name == getMe.name {
		return err
	}
	if _, verdict := c.Verify(ctx); parley.KindOf(verdict) != parley.KindLoggedOut {
		e.Kind = parley.KindUnavailable
	}
	return e
}

// ask is call for what may be repeated without harm.
func (c *client) ask(ctx context.Context, m method, in, out any) error {
	return settled(c.call(ctx, m, in, out))
}

// settled turns the lack of a verdict into a plain failure: for what may be
// repeated without harm, it is simply not known yet.
func settled(err error) error {
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Kind == parley.KindUncertain {
		e.Kind = parley.KindUnavailable
	}
	return err
}

// request keeps the cause of a failure to itself, because it names the address.
func (c *client) request(ctx context.Context, verb, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, verb, c.env.Base+path, body)
	if err != nil {
		return nil, parley.Errorf(parley.KindInternal, "the address of the Bot API is not valid")
	}
	return req, nil
}

// transport passes on the kind of a failed exchange. An error without a kind
// says nothing, so the request may have arrived.
func (c *client) transport(err error) error {
	out := &parley.Error{Kind: parley.KindUncertain, Message: "Telegram did not answer", Err: c.redacted(err)}
	if e, ok := errors.AsType[*parley.Error](err); ok {
		out.Kind, out.Code, out.RetryAfter = e.Kind, e.Code, e.RetryAfter
	}
	return out
}

// A hidden error has the text of another without the token. Of its causes only
// those of package context remain.
type hidden struct {
	text  string
	cause error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.cause }

func (c *client) redacted(err error) error {
	h := &hidden{text: c.redact(err.Error())}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			h.cause = cause
		}
	}
	return h
}

// addressShape is any web address: those of the Bot API hold the token, and that
// of our callbacks is a secret itself.
var addressShape = regexp.MustCompile(`[A-Za-z]+://[^\s"'<>]+`)

// redact hides addresses and the token. The secret half of the token goes last
// and alone, so that no way of escaping the colon matters.
func (c *client) redact(text string) string {
	token := c.token.Reveal()
	_, secret, _ := strings.Cut(token, ":")
	text = addressShape.ReplaceAllString(text, masked)
	return strings.NewReplacer("/bot"+token, masked, token, masked, secret, masked).Replace(text)
}

const masked = "***"

// A reply is an HTTP answer, read as far as it came.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // why the body is not whole
}

var errNoEnvelope = errors.New("the answer says neither yes nor no")

// read takes no more than limit bytes. A longer answer is cut there, and as it
// is JSON it cannot be read then.
func read(r io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, limit))
}

// envelope reads the answer as the Bot API's; r.err says if it is none.
func (r *reply) envelope() (a answer) {
	if r.err == nil {
		r.err = json.Unmarshal(r.body, &a)
	}
	return a
}

// judge turns an answer into a result or an error.
func (c *client) judge(ctx context.Context, m method, r reply, out any) error {
	a := r.envelope()
	success := r.status >= 200 && r.status < 300
	switch {
	case success && r.err != nil:
		return c.unreadable(r.err)
	case success && !a.OK && !a.refuses():
		return c.unreadable(errNoEnvelope)
	case success && a.OK:
		if err := json.Unmarshal(a.Result, out); err != nil {
			return c.unreadable(err)
		}
		return nil
	}
	return c.refused(ctx, m, r, a)
}

// unreadable: the request was taken and most likely carried out, but what came
// back cannot be read.
func (c *client) unreadable(err error) error {
	return &parley.Error{Kind: parley.KindUncertain, Code: "unreadable",
		Message: "Telegram's answer cannot be read", Err: c.redacted(err)}
}
