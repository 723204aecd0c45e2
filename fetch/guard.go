package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// errPrivate marks the dial that the guard refused.
var errPrivate = errors.New("the address is not public")

// A guard dials: exempt pairs freely, everything else past the address check.
type guard struct {
	free    *net.Dialer
	checked *net.Dialer
	exempt  map[string]bool
}

func newGuard(o Options) (*guard, error) {
	exempt := make(map[string]bool, len(o.Exempt))
	for _, entry := range o.Exempt {
		host, port, err := net.SplitHostPort(entry)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil {
			return nil, fmt.Errorf("exempt address %q is not host:port", entry)
		}
		exempt[pair(host, port)] = true
	}
	free := &net.Dialer{Timeout: dialTimeout}
	checked := free
	if !o.AllowPrivate {
		checked = &net.Dialer{Timeout: dialTimeout, Control: control(o.AllowLoopback)}
	}
	return &guard{free: free, checked: checked, exempt: exempt}, nil
}

func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := g.checked
	if host, port, err := net.SplitHostPort(address); err == nil && g.exempt[pair(host, port)] {
		d = g.free
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &meteredConn{Conn: c}, nil
}

// control returns the check that runs between the choice of an IP address and the
// connect to it.
func control(loopback bool) func(string, string, syscall.RawConn) error {
	g := ssrf.New(ssrf.WithAnyPort())
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return errPrivate
		}
		ip := ap.Addr().Unmap().WithZone("")
		if loopback && ip.IsLoopback() {
			return nil
		}
		if err := g.SafeAddr(ip); err != nil {
			return fmt.Errorf("%w: %w", errPrivate, err)
		}
		return nil
	}
}

// pair writes host and port the one way in which they are compared.
func pair(host, port string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port)
}

// HostPort returns the host:port that a URL of scheme http or https points to,
// with the scheme's own port if it names none, in the form that Options.Exempt
// takes. The error does not repeat the URL.
func HostPort(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("bad URL: %w", Redact(err))
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" || u.Hostname() == "" {
		return "", errors.New("bad URL: it needs http or https and a host")
	}
	return pair(u.Hostname(), port), nil
}
