package inbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

const (
	prefix = "/callbacks/" // of every callback address

	// maxPath is the longest last element of an address that is looked up.
	maxPath = 256
	// defaultBody is the limit of a callback whose provider states none, in bytes.
	defaultBody = 1 << 20
	// hashed is how much of a body that is too large is read for its hash, in bytes.
	hashed = 64 << 20

	// defaultDeadline is how long a provider waits that does not say.
	defaultDeadline = 10 * time.Second
	// maxMargin is the most that is kept free of it for the way of the answer.
	maxMargin = 2 * time.Second

	retryAfter = "1" // seconds
)

// An outcome is how a callback ended.
type outcome struct {
	tally
	ch     *parley.Channel // nil if the address is unknown
	status int             // 0 is the reply's
	reply  connector.Reply
	err    error // why it ended so, for the log
}

// ServeHTTP answers a callback: /callbacks/{provider}/{secret path}.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	provider, path := address(r.URL.Path)
	o := in.accept(r, provider, path)
	known := "" // anything else is a stranger's text
	if o.ch != nil {
		known = o.ch.Provider
		in.count(known, o.tally)
	}
	status := answer(w, o)
	if status == http.StatusServiceUnavailable {
		in.refused.Add(1)
	}
	took := time.Since(begun)
	in.cfg.Observe.Callback(known, status, took)
	in.trace("callback", o.ch, o.tally, o.err, begun, took)
	in.report(r.Context(), provider, o, status, took)
}

// address takes a callback's address apart; empty texts are no address.
func address(urlPath string) (provider, path string) {
	rest, ok := strings.CutPrefix(urlPath, prefix)
	if !ok {
		return "", ""
	}
	provider, path, _ = strings.Cut(rest, "/")
	if path == "" || len(path) > maxPath || strings.Contains(path, "/") {
		return "", ""
	}
	return provider, path
}

// accept finds out whose callback it is and lets it in.
func (in *Inbox) accept(r *http.Request, provider, path string) outcome {
	if provider == "" {
		return outcome{status: http.StatusUnauthorized}
	}
	ch, client, spec, err := in.cfg.Clients.ByCallback(r.Context(), provider, path)
	if err != nil {
		return outcome{ch: ch, status: unfound(err), err: err}
	}
	receiver, ok := client.(connector.Receiver)
	switch {
	case !ok:
		return outcome{ch: ch, status: http.StatusUnauthorized}
	case r.Method != http.MethodPost && r.Method != http.MethodGet:
		return outcome{ch: ch, status: http.StatusMethodNotAllowed}
	}
	if a, ok := client.(connector.Authenticator); ok {
		if err := a.Authenticate(r.Header); err != nil {
			return outcome{ch: ch, status: http.StatusUnauthorized, err: err}
		}
	}
	if spec.MaxBody == 0 {
		spec.MaxBody = defaultBody
	}
	leave, ok := in.gate.enter(ch.ID, expected(r, spec.MaxBody))
	if !ok {
		return outcome{ch: ch, status: http.StatusServiceUnavailable, err: errBusy}
	}
	defer leave()
	return in.take(r, ch, receiver, spec)
}

var errBusy = parley.Errorf(parley.KindThrottled, "too much is under way")

// unfound is the status when a channel's client cannot be had.
func unfound(err error) int {
	switch parley.KindOf(err) {
	case parley.KindNotFound, parley.KindLoggedOut: // without credentials no secret can be checked
		return http.StatusUnauthorized
	}
	return http.StatusServiceUnavailable
}

// expected is how much memory the body will take at most, in bytes.
func expected(r *http.Request, limit int64) int64 {
	if r.ContentLength < 0 {
		return limit
	}
	return min(r.ContentLength, limit)
}

// take reads, decodes and stores.
func (in *Inbox) take(r *http.Request, ch *parley.Channel, receiver connector.Receiver, spec connector.Spec) outcome {
	wait := spec.CallbackDeadline
	if wait == 0 {
		wait = defaultDeadline
	}
	wait -= min(maxMargin, wait/4)
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	d := delivery{ch: ch, source: "callback", expires: in.cfg.Now().Add(wait)}
	body, err := read(r, spec.MaxBody)
	switch {
	case errors.Is(err, errTooLarge):
		return in.tooLarge(ctx, r, &d, body, spec.MaxBody)
	case err != nil:
		return outcome{ch: ch, status: http.StatusBadRequest, err: err}
	}
	d.whole = body
	var reply connector.Reply
	d.events, reply, err = decode(ctx, receiver, connector.Callback{Method: r.Method, Header: r.Header, Query: query(r), Body: body})
	switch {
	case parley.KindOf(err) == parley.KindUnauthorized:
		return outcome{ch: ch, status: http.StatusUnauthorized, err: err}
	case err != nil:
		return in.undecoded(ctx, &d, err)
	case len(d.events) == 0 && len(body) == 0 && r.Method == http.MethodPost && reply.Status == 0 && reply.Body == nil:
		return in.empty(ctx, &d)
	}
	t, err := in.keep(ctx, d)
	return stored(ch, t, reply, err)
}

func query(r *http.Request) map[string][]string {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()
}

// stored is the outcome of storing; an error is always one that passes.
func stored(ch *parley.Channel, t tally, reply connector.Reply, err error) outcome {
	o := outcome{ch: ch, tally: t, reply: reply, err: err}
	if err != nil {
		o.status = http.StatusServiceUnavailable
	}
	return o
}

// undecoded quarantines what a connector failed at, although it never should.
func (in *Inbox) undecoded(ctx context.Context, d *delivery, err error) outcome {
	in.cfg.Log.ErrorContext(ctx, "callback could not be decoded", "provider", d.ch.Provider,
		"channel_id", int64(d.ch.ID), "error", err)
	var t tally
	failed := in.quarantine(ctx, d, suspect{raw: d.whole, reason: "could not be decoded", ours: true}, &t)
	return stored(d.ch, t, connector.Reply{}, failed)
}

func (in *Inbox) empty(ctx context.Context, d *delivery) outcome {
	var t tally
	err := in.quarantine(ctx, d, suspect{reason: "an empty callback"}, &t)
	return stored(d.ch, t, connector.Reply{}, err)
}

// tooLarge quarantines the hash, the size and the beginning of a body.
func (in *Inbox) tooLarge(ctx context.Context, r *http.Request, d *delivery, head []byte, limit int64) outcome {
	sum, size, err := digest(io.MultiReader(bytes.NewReader(head), r.Body))
	reason := fmt.Sprintf("larger than %d bytes", limit)
	if err != nil {
		reason += ", and not read to its end"
	}
	var t tally
	err = in.isolate(ctx, d, false, &t, store.Quarantined{Reason: reason, Hash: sum,
		Size: max(size, r.ContentLength), Body: head[:min(len(head), prefixSize)]})
	o := stored(d.ch, t, connector.Reply{}, err)
	if err == nil {
		o.status = http.StatusRequestEntityTooLarge
	}
	return o
}

// digest hashes a body up to a ceiling; the error says that it did not reach the end.
func digest(body io.Reader) (sum []byte, size int64, err error) {
	h := sha256.New()
	size, err = io.CopyN(h, body, hashed+1)
	switch {
	case err == nil:
		err = errTooLarge
	case err == io.EOF:
		err = nil
	}
	return h.Sum(nil), size, err
}

var errTooLarge = errors.New("the body is too large")

// read reads the body. With errTooLarge it returns the beginning.
func read(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		head := make([]byte, min(limit, prefixSize))
		n, err := io.ReadFull(r.Body, head)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			return nil, err
		}
		return head[:n], errTooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return body, errTooLarge
	}
	return body, err
}

// decode has the connector check and decode a callback. A panic is an error.
func decode(ctx context.Context, r connector.Receiver, cb connector.Callback) (events []connector.Event, reply connector.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			events, reply, err = nil, connector.Reply{}, panicked(p)
		}
	}()
	return r.Receive(ctx, cb)
}

// panicked describes a panic. Other than the runtime's, what it says may hold
// secrets.
func panicked(p any) error {
	if r, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic: %w\n%s", r, debug.Stack())
	}
	return fmt.Errorf("panic: %T\n%s", p, debug.Stack())
}

// answer writes the answer and returns its status.
func answer(w http.ResponseWriter, o outcome) int {
	status := o.status
	switch status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, POST")
	case 0:
		status = o.reply.Status
		if o.reply.Type != "" {
			w.Header().Set("Content-Type", o.reply.Type)
		}
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	if o.status == 0 && len(o.reply.Body) > 0 {
		_, _ = w.Write(o.reply.Body) // a provider that went away will come again
	}
	return status
}

// report writes the callback's one line.
func (in *Inbox) report(ctx context.Context, provider string, o outcome, status int, took time.Duration) {
	level := slog.LevelDebug
	if o.ch != nil && !flooded(o.err) && (o.odd() || status >= 400) { // a flood is counted, not told line by line
		level = slog.LevelInfo
	}
	if !in.cfg.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("status", status), slog.Int64("took_ms", took.Milliseconds()), o.attr()}
	if o.ch != nil {
		// Only a known channel's provider: anything else is a stranger's text.
		attrs = append(attrs, slog.String("provider", provider), slog.Int64("channel_id", int64(o.ch.ID)))
	}
	if o.err != nil {
		attrs = append(attrs, slog.String("kind", string(parley.KindOf(o.err))), slog.Any("error", o.err))
	}
	in.cfg.Log.LogAttrs(ctx, level, "callback", attrs...)
}
