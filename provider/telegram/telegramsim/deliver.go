package telegramsim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/parley-im/parley/simulator"
)

// secretHeader proves to the receiver that a callback is ours.
// Source: Bot API, setWebhook, secret_token, read 2026-11.
const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// wrongSecret is what a wrong_secret fault sends in place of the secret.
const wrongSecret = "wrong-secret"

// An outcome is what became of one callback attempt.
type outcome struct {
	ok         bool
	status     int           // 0: no answer
	text       string        // as getWebhookInfo tells it
	retryAfter time.Duration // 0: not asked for
}

// deliver makes one attempt. It blocks until the receiver has answered, the
// client's timeout has passed or the registration has ended.
func (w *webhook) deliver(u *update, f simulator.Fault, attempt int) outcome {
	start := time.Now()
	secret := w.set.secret
	if f.Kind == simulator.FaultWrongSecret {
		secret = wrongSecret
	}
	o := w.post(u.body, secret)
	if o.ok && f.Kind == simulator.FaultTwice {
		w.post(u.body, secret)
	}
	w.bot.s.opts.Log.LogAttrs(w.ctx, slog.LevelDebug, "callback attempt", slog.String("account_id", w.bot.key),
		slog.String("event", u.kind), slog.Int("attempt", attempt+1), slog.Int("status", o.status),
		slog.Int64("took_ms", time.Since(start).Milliseconds()))
	return o
}

func (w *webhook) post(body []byte, secret string) outcome {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.set.url, bytes.NewReader(body))
	if err != nil {
		return outcome{text: "Wrong URL host"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "")
	if secret != "" {
		req.Header.Set(secretHeader, secret)
	}
	res, err := w.bot.s.opts.HTTP.Do(req)
	if err != nil {
		return outcome{text: errorText(err)}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // so that the connection can be used again
	return judge(res)
}

// maxAnswer bounds what is read of a receiver's answer.
const maxAnswer = 64 << 10

// maxRetryAfter is the longest delay a receiver may ask for.
// Source: tdlib/telegram-bot-api, read 2026-11.
const maxRetryAfter = 3600

func judge(res *http.Response) outcome {
	o := outcome{status: res.StatusCode, ok: res.StatusCode/100 == 2}
	if o.ok {
		return o
	}
	o.text = "Wrong response from the webhook: " + strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode)
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 && n <= maxRetryAfter {
		o.retryAfter = time.Duration(n) * time.Second
	}
	return o
}

// errorText names a transport failure without its address.
func errorText(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "Read timeout expired"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Connection refused"
	}
	return "Connection closed"
}
