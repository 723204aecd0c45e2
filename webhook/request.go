package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// maxAnswer is how many bytes of an answer's body are read, so that its
// connection can be used again. A longer one costs the connection.
const maxAnswer = 64 << 10

// maxRetryAfter is the longest that an answer's Retry-After is obeyed.
const maxRetryAfter = time.Hour

// secretPrefix marks a Standard Webhooks secret; base64 follows.
const secretPrefix = "whsec_"

// A target is an endpoint made ready for requests.
type target struct {
	request *http.Request // to be copied: URL and method
	key     []byte
	err     error // the URL is none
}

func newTarget(ep *parley.Endpoint) *target {
	req, err := http.NewRequest(http.MethodPost, ep.URL, nil)
	if err != nil {
		// The cause would show the URL.
		return &target{err: parley.Errorf(parley.KindInvalid, "the endpoint's URL is not valid")}
	}
	return &target{request: req, key: signingKey(ep.Secret)}
}

func signingKey(secret parley.Secret) []byte {
	text := secret.Reveal()
	if key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix)); err == nil {
		return key
	}
	return []byte(text)
}

// sign returns the webhook-signature header.
// Source: Standard Webhooks specification, "Signature scheme", read 2026-11.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+timestamp+".") // a hash takes everything
	_, _ = mac.Write(body)
	var sum [sha256.Size]byte
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(sum[:0]))
}

// prepare makes the request for one attempt.
func (d *Deliverer) prepare(ctx context.Context, t *target, a *attempt) *http.Request {
	req := t.request.WithContext(ctx)
	id := eventID(a.company, d.cfg.Epoch, a.item.seq)
	timestamp := strconv.FormatInt(d.cfg.Now().Unix(), 10)
	values := [...]string{"application/json", d.cfg.Agent, id, timestamp, sign(t.key, id, timestamp, a.item.body), "1"}
	req.Header = http.Header{
		"Content-Type":      values[0:1:1],
		"User-Agent":        values[1:2:2],
		"Webhook-Id":        values[2:3:3],
		"Webhook-Timestamp": values[3:4:4],
		"Webhook-Signature": values[4:5:5],
	}
	if a.replay {
		req.Header["Parley-Replay"] = values[5:6:6]
	}
	if d.cfg.Trace != nil {
		if place := d.cfg.Trace.Traceparent(a.told()); place != "" {
			req.Header["Traceparent"] = []string{place}
		}
	}
	setBody(req, a.item.body)
	return req
}

func eventID(company parley.CompanyID, epoch, seq int64) string {
	id := make([]byte, 0, 48)
	id = strconv.AppendInt(append(id, "evt_"...), int64(company), 10)
	id = strconv.AppendInt(append(id, '_'), epoch, 10)
	id = strconv.AppendInt(append(id, '_'), seq, 10)
	return string(id)
}

func setBody(req *http.Request, body []byte) {
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody() // it has no way to fail
}

// An attempt is one request that is under way for an owner.
type attempt struct {
	stream   *stream
	endpoint parley.EndpointID
	company  parley.CompanyID
	target   *target
	item     item
	number   int // from 1
	replay   bool
	started  time.Time
}

// told is what a Tracer is told of it.
func (a *attempt) told() Attempt {
	return Attempt{Endpoint: a.endpoint, Company: a.company, Seq: a.item.seq, Message: a.item.message, Event: a.item.kind,
		Number: a.number, Replay: a.replay, Begun: a.started}
}

// An outcome is how an attempt ended.
type outcome struct {
	stream      *stream
	status      int         // 0 without an answer
	kind        parley.Kind // of the failure; empty if it was taken
	reason      string      // for people
	retryAfter  time.Duration
	took        time.Duration
	interrupted bool // by our own end: no attempt was made
	panicked    bool // by the event itself
}

// ok reports whether the event was taken.
func (o *outcome) ok() bool { return o.status == http.StatusOK }

// overload reports whether the failure may come from asking too much.
func (o *outcome) overload() bool {
	return o.status == 0 || o.status >= 500 || o.status == http.StatusTooManyRequests || o.status == http.StatusRequestTimeout
}

// deliver makes one attempt and always returns.
func (d *Deliverer) deliver(ctx context.Context, a *attempt) (out outcome) {
	a.started = time.Now()
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.Error("webhook attempt panicked", "company_id", int64(a.company), "seq", a.item.seq, "panic", fmt.Sprintf("%T", p))
			out = outcome{panicked: true, kind: parley.KindInternal, reason: "internal error"}
		}
		out.stream, out.took = a.stream, time.Since(a.started)
		if d.cfg.Trace != nil && !out.interrupted {
			d.cfg.Trace.Attempted(a.told(), out.status, out.kind, out.took)
		}
	}()
	if err := a.target.err; err != nil {
		return outcome{kind: parley.KindOf(err), reason: parley.Reason(err)}
	}
	timed, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	resp, err := d.cfg.HTTP.Do(d.prepare(timed, a.target, a))
	if err != nil {
		return d.noAnswer(ctx, timed, err)
	}
	drain(resp)
	return d.answered(resp)
}

func (d *Deliverer) noAnswer(ctx, timed context.Context, err error) outcome {
	switch {
	case ctx.Err() != nil:
		return outcome{interrupted: true}
	case timed.Err() != nil:
		return outcome{kind: parley.KindUncertain, reason: "no answer within " + d.cfg.Timeout.String()}
	}
	return outcome{kind: parley.KindOf(err), reason: parley.Reason(err)}
}

func (d *Deliverer) answered(resp *http.Response) outcome {
	out := outcome{status: resp.StatusCode}
	if out.ok() {
		return out
	}
	out.kind, out.reason = statusKind(out.status), "answered "+strconv.Itoa(out.status)
	if out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable {
		out.retryAfter = retryAfter(resp.Header.Get("Retry-After"), d.cfg.Now())
	}
	return out
}

func statusKind(status int) parley.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return parley.KindThrottled
	case status >= 500:
		return parley.KindUnavailable
	}
	return parley.KindRejected
}

// retryAfter reads the header's two forms; what it cannot read is 0.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		wait = time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// drain reads what is left of an answer, within limits, and closes it.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status has decided already
	_ = resp.Body.Close()
}
