package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-im/parley"
)

// How a Client talks. Connections are kept so that a busy channel does not pay
// for a handshake per send; they are dropped well before the 60 to 75 s after
// which common servers hang up, because a request that meets a hang-up is
// Uncertain.
const (
	idlePerHost   = 64
	idleTotal     = 1024
	idleTimeout   = 30 * time.Second
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	pingAfter     = 15 * time.Second
	pingTimeout   = 10 * time.Second
	maxHeaderSize = 64 << 10
)

// Options say what a Client may reach. The zero value is a guarded client that
// follows no redirect.
type Options struct {
	// Name is what a refused address is called in the error, such as
	// "webhook_url"; empty means "the address".
	Name string
	// AllowPrivate switches the guard off altogether.
	AllowPrivate bool
	// AllowLoopback lets 127.0.0.0/8 and ::1 through the guard.
	AllowLoopback bool
	// Exempt lists host:port pairs from the operator's settings that the guard
	// lets through whatever they resolve to; see [HostPort]. It belongs to the
	// client for provider calls, never to one that customers' URLs go through.
	Exempt []string
	// Redirects is how many redirects of a GET or HEAD are followed; 0 returns
	// the 3xx answer as it is. Other methods are never redirected.
	Redirects int
	// RootCAs replaces the system's certificate authorities; nil keeps them.
	RootCAs *x509.CertPool
}

// A Client makes HTTP requests within its Options. It keeps connections and is
// safe for concurrent use; make one per purpose, not one per request.
type Client struct {
	http      *http.Client
	transport *http.Transport
}

// New makes a Client. The error names the Exempt entry that is not host:port.
func New(o Options) (*Client, error) {
	g, err := newGuard(o)
	if err != nil {
		return nil, err
	}
	t := newTransport(g, o)
	rt := &exchanger{next: t, name: o.Name}
	return &Client{http: &http.Client{Transport: rt, CheckRedirect: follow(o.Redirects)}, transport: t}, nil
}

func newTransport(g *guard, o Options) *http.Transport {
	t := &http.Transport{
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConns:           idleTotal,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderSize,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if o.AllowPrivate {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
}

// Do sends req and returns the answer, whose body the caller closes or hands to
// [Body] or [Discard]. It blocks until the header arrived, the exchange failed or
// the request's context ended. Every error is a *parley.Error of KindUnavailable,
// KindUncertain or KindInvalid, and its text names no more than the host.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return nil, e
	}
	// What http.Client itself finds wrong, it finds in an answer's redirect.
	return nil, &parley.Error{Kind: parley.KindUncertain, Code: CodeNoAnswer, Message: "the answer makes no sense", Err: Redact(err)}
}

// HTTP returns the same client in the standard library's type, for libraries that
// ask for one. Its errors are *url.Error with the whole URL in their text: pass
// them through [Redact] before anyone reads them.
func (c *Client) HTTP() *http.Client { return c.http }

// Close drops the connections that are idle. Requests under way are not touched.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

func follow(limit int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		first := via[0].Method
		if limit == 0 || first != http.MethodGet && first != http.MethodHead && first != "" {
			return http.ErrUseLastResponse
		}
		if len(via) > limit {
			return &parley.Error{Kind: parley.KindInvalid, Code: CodeRedirects, Message: fmt.Sprintf("more than %d redirects", limit)}
		}
		req.Header.Del("Referer") // it would show the first URL to the second host
		return nil
	}
}
