package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"

	"github.com/parley-im/parley"
)

// Codes of the errors that a failed exchange ends with.
const (
	CodePrivate   = "private_address"    // Invalid: the guard refused the address
	CodeBadURL    = "bad_url"            // Invalid: no http or https, or no host
	CodeRedirects = "too_many_redirects" // Invalid: the chain is longer than allowed
	CodeDNS       = "dns_failed"         // Unavailable: the name has no address
	CodeDial      = "dial_failed"        // Unavailable: no connection
	CodeTLS       = "tls_failed"         // Unavailable: no TLS session, or a wrong certificate
	CodeNotSent   = "not_sent"           // Unavailable: connected, but nothing was written
	CodeNoAnswer  = "no_answer"          // Uncertain: written, and no answer came
	CodeBodyCut   = "body_cut"           // Uncertain: the header came, the body not to its end
	CodeBodySize  = "body_too_large"     // Uncertain: the body is longer than the limit
)

// An exchanger is the http.RoundTripper under every Client.
type exchanger struct {
	next http.RoundTripper
	name string // what a refused address is called
}

// RoundTrip sends req at most once and says in its error whether it left.
func (x *exchanger) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req); err != nil {
		closeBody(req)
		return nil, err
	}
	body := req.Body
	for {
		resp, v, err := x.try(req, body)
		if err == nil {
			return resp, nil
		}
		again, ok := rewind(req)
		if v.sent || !v.reused || req.Context().Err() != nil || !ok {
			return nil, x.judge(req, v, err)
		}
		body = again
	}
}

func (x *exchanger) try(req *http.Request, body io.ReadCloser) (*http.Response, verdict, error) {
	w := &witness{}
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), w.trace()))
	out.Body = body
	if !safe(req.Method) {
		once(out)
	}
	resp, err := x.next.RoundTrip(out)
	if err != nil {
		v := w.verdict()
		v.sent = v.sent && !unlooked.MatchString(err.Error())
		return nil, v, err
	}
	resp.Request = req
	return resp, verdict{}, nil
}

// once takes from a request what would let net/http repeat it after writing: the
// way to a second body and, where there is no body, the header that net/http reads
// as a permission. The header only changes its spelling, which HTTP ignores.
func once(req *http.Request) {
	req.GetBody = nil
	if req.Body != nil && req.Body != http.NoBody {
		return
	}
	req.Header = req.Header.Clone()
	for canonical, plain := range map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"} {
		if v, ok := req.Header[canonical]; ok {
			delete(req.Header, canonical)
			req.Header[plain] = v
		}
	}
}

func safe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// rewind returns the request's body once more, and whether that is possible.
func rewind(req *http.Request) (io.ReadCloser, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	return body, err == nil
}

// unlooked matches the errors by which an HTTP/2 server says that it has not looked
// at the request: the stream refused, or above the last one that a GOAWAY names.
// net/http hides their types when it may not repeat the request, so their text has
// to do; it holds nothing that the server wrote. Source: RFC 9113, sections 6.8 and
// 8.7, read 2026-11.
var unlooked = regexp.MustCompile(`^http2: Transport: cannot retry err \[(?:` +
	`stream error: stream ID \d+; REFUSED_STREAM; received from peer|` +
	`http2: Transport received Server's graceful shutdown GOAWAY)\]`)

func (x *exchanger) judge(req *http.Request, v verdict, cause error) error {
	host := req.URL.Hostname()
	e := &parley.Error{Kind: parley.KindUnavailable, Err: redact(withContext(req.Context(), cause), secrets(req.URL))}
	switch _, unknown := errors.AsType[*net.DNSError](cause); {
	case v.sent:
		e.Kind, e.Code, e.Message = parley.KindUncertain, CodeNoAnswer, host+" did not answer; the request may have arrived"
	case errors.Is(cause, errPrivate):
		e.Kind, e.Code, e.Message = parley.KindInvalid, CodePrivate, x.private()
	case v.got:
		e.Code, e.Message = CodeNotSent, "the request was not sent to "+host
	case unknown:
		e.Code, e.Message = CodeDNS, "no address was found for "+host
	case v.tls:
		e.Code, e.Message = CodeTLS, "no TLS connection with "+host
	default:
		e.Code, e.Message = CodeDial, "no connection to "+host
	}
	return e
}

func (x *exchanger) private() string {
	name := x.name
	if name == "" {
		name = "the address"
	}
	return name + " points to a private address; the operator allows it with --allow-private-targets"
}

// withContext keeps the end of the caller's context visible where net/http reports
// only its cause, or the connection that broke with it.
func withContext(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

func checkURL(req *http.Request) error {
	if u := req.URL; u != nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return nil
	}
	return &parley.Error{Kind: parley.KindInvalid, Code: CodeBadURL, Message: "the URL needs http or https and a host"}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the contract asks for the close; there is nobody to tell
	}
}
