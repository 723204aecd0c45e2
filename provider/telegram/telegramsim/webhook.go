package telegramsim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// registration is what setWebhook sets.
type registration struct {
	url         string
	secret      string
	ip          string
	max         int
	certificate bool
}

var errOtherSet = &apiError{code: 409, text: "Conflict: terminated by other setWebhook"}

func (c *call) setWebhook() (any, error) {
	address := strings.TrimSpace(c.params.Get("url"))
	if address == "" {
		return c.deleteWebhook()
	}
	turn, err := c.hookTurn()
	if err != nil {
		return nil, err
	}
	set := registration{url: address, secret: c.params.Get("secret_token"), ip: c.params.Get("ip_address"),
		max: int(c.clamped("max_connections", 40, 1, 100))}
	if err := c.checkHook(&set); err != nil {
		return nil, err
	}
	return c.install(set, turn)
}

// hookTurn starts a registration and numbers it.
func (c *call) hookTurn() (int, error) {
	b, now := c.bot, c.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.opts.Limits && now.Sub(b.hookedAt) < time.Second {
		return 0, tooMany(1)
	}
	b.hookedAt = now
	b.hooking++
	return b.hooking, nil
}

func (c *call) install(set registration, turn int) (any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hooking != turn {
		return nil, errOtherSet
	}
	if c.closed() {
		return nil, errRestart
	}
	c.allow()
	if c.params.Bool("drop_pending_updates") {
		b.queue.clear()
	}
	b.killPoll(errPollBySet)
	if b.hook != nil && b.hook.set == set {
		return described{true, "Webhook is already set"}, nil
	}
	b.dropHook()
	b.openHook(set)
	return described{true, "Webhook was set"}, nil
}

func (c *call) deleteWebhook() (any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooking++
	if c.params.Bool("drop_pending_updates") {
		b.queue.clear()
	}
	if b.hook == nil {
		return described{true, "Webhook is already deleted"}, nil
	}
	b.dropHook()
	return described{true, "Webhook was deleted"}, nil
}

func (c *call) getWebhookInfo() (any, error) {
	b := c.bot
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.expire(c.now())
	info := webhookInfo{Pending: b.queue.len(), AllowedUpdates: b.allowed.names()}
	if h := b.hook; h != nil {
		info.URL, info.MaxConnections, info.IPAddress = h.set.url, h.set.max, h.set.ip
		info.Certificate = h.set.certificate
		info.LastErrorMessage = h.lastError
		if !h.lastErrorAt.IsZero() {
			info.LastErrorDate = h.lastErrorAt.Unix()
		}
	}
	return info, nil
}

// Limits of a registration. Source: Bot API, setWebhook, read 2026-11; the
// certificate's from tdlib/telegram-bot-api.
const (
	maxSecret      = 256
	maxCertificate = 3 << 20
)

var secretShape = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// checkHook refuses what the server refuses, and notes address and certificate.
func (c *call) checkHook(set *registration) error {
	if len(set.secret) > maxSecret {
		return badRequest("secret token is too long")
	}
	if !secretShape.MatchString(set.secret) {
		return badRequest("secret token contains unallowed characters")
	}
	if f, ok := c.params.File("certificate"); ok {
		if len(f.Data) > maxCertificate {
			return badRequest(fmt.Sprintf("certificate size is too big (%d bytes)", len(f.Data)))
		}
		set.certificate = true
	}
	u, err := url.Parse(set.url)
	if err != nil || u.Hostname() == "" {
		return badRequest("invalid webhook URL specified")
	}
	if c.opts.lax() {
		return checkLocal(u)
	}
	return c.checkCloud(u, set)
}

func checkLocal(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return badRequest("invalid webhook URL specified")
	}
	return nil
}

// hookPorts are the ports the cloud server calls. Source: Bot API, setWebhook, read 2026-11.
var hookPorts = []string{"", "443", "80", "88", "8443"}

func (c *call) checkCloud(u *url.URL, set *registration) error {
	if u.Scheme != "https" {
		return badRequest("bad webhook: An HTTPS URL must be provided for webhook")
	}
	if !slices.Contains(hookPorts, u.Port()) {
		return badRequest("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
	}
	ip, err := c.resolve(u.Hostname(), set.ip)
	if err != nil {
		return err
	}
	if reserved(ip) {
		return badRequest("bad webhook: IP address " + ip.String() + " is reserved")
	}
	set.ip = ip.String()
	return nil
}

// resolve returns the IPv4 address the server would call.
func (c *call) resolve(host, fixed string) (netip.Addr, error) {
	if fixed != "" {
		host = fixed
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip)
	} else if addrs, err = c.lookup(host); err != nil {
		return netip.Addr{}, err
	}
	for _, ip := range addrs {
		if ip = ip.Unmap(); ip.Is4() {
			return ip, nil
		}
	}
	return netip.Addr{}, badRequest("bad webhook: IPv6-only addresses are not allowed")
}

// lookupTime bounds the resolving of a callback host.
const lookupTime = 5 * time.Second

func (c *call) lookup(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(c.ctx, lookupTime)
	defer cancel()
	addrs, err := c.opts.LookupIP(ctx, host)
	if err != nil || len(addrs) == 0 {
		return nil, badRequest("bad webhook: Failed to resolve host: " + resolveText(err))
	}
	return addrs, nil
}

func resolveText(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "Timeout"
	}
	return "Name or service not known"
}

// shared are the reserved IPv4 networks that package netip has no name for.
// Source: RFC 6890, read 2026-11.
var shared = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
}

func reserved(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return true
	}
	return slices.ContainsFunc(shared, func(p netip.Prefix) bool { return p.Contains(ip) })
}
