package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// reader is how rows of channels are read.
type reader interface {
	Channel(ctx context.Context, id parley.ChannelID) (*parley.Channel, error)
	ChannelByCallback(ctx context.Context, path string) (*parley.Channel, error)
}

// Client returns the channel and its open client, for sending. Both are shared:
// the channel must not be changed, the client not be closed. The error is of
// KindNotFound if there is no such channel or it is deleted; of KindLoggedOut,
// with the channel's reason, if it is not live, also while it is still connecting
// (the channel is then returned beside the error, and its StateAt says since
// when); of KindUnsupported if its provider is not on offer.
func (m *Manager) Client(ctx context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	l, err := m.line(ctx, id, usable)
	return l.ch, l.client, l.spec, err
}

// AnyClient returns the channel's open client, shared as that of Client, in
// whatever state the channel is unless it is deleted: for what is done to link it.
func (m *Manager) AnyClient(ctx context.Context, id parley.ChannelID) (connector.Client, error) {
	l, err := m.line(ctx, id, func(*parley.Channel) error { return nil })
	return l.client, err
}

// ByCallback returns the channel that a callback address belongs to and its open
// client, whatever state the channel is in unless it is deleted. Both are shared.
// The error is of KindNotFound if there is none, and as in Client otherwise.
func (m *Manager) ByCallback(ctx context.Context, provider, path string) (*parley.Channel, connector.Client, connector.Spec, error) {
	l, ok := m.cache.path(provider, path, m.cfg.Now())
	if ok {
		return l.ch, l.client, l.spec, nil
	}
	stamp := m.cache.stamp()
	ch, err := m.cfg.Store.ChannelByCallback(ctx, path)
	switch {
	case err != nil:
		return nil, nil, connector.Spec{}, err
	case ch.Provider != provider:
		return nil, nil, connector.Spec{}, errNoChannel
	}
	l, err = m.admit(ctx, ch, stamp)
	return l.ch, l.client, l.spec, err
}

var errNoChannel = parley.Errorf(parley.KindNotFound, "no such channel")

// usable says why a channel can carry nothing now, or nil.
func usable(ch *parley.Channel) error {
	if ch.State.Live() {
		return nil
	}
	reason := ch.Reason
	if reason == "" {
		reason = "the channel is not connected"
	}
	return &parley.Error{Kind: parley.KindLoggedOut, Code: string(ch.State), Message: reason}
}

// line returns the channel's line if the row passes a check; the row comes back
// beside the check's error.
func (m *Manager) line(ctx context.Context, id parley.ChannelID, check func(*parley.Channel) error) (line, error) {
	if l, ok := m.cache.get(id, m.cfg.Now()); ok {
		return checked(l, check)
	}
	stamp := m.cache.stamp()
	ch, err := m.cfg.Store.Channel(ctx, id)
	if err != nil {
		return line{}, err
	}
	if ch.State == parley.ChannelDeleted {
		m.cache.drop(id)
		return line{}, errNoChannel
	}
	if err := check(ch); err != nil {
		return line{ch: ch}, err
	}
	return m.admit(ctx, ch, stamp)
}

func checked(l line, check func(*parley.Channel) error) (line, error) {
	if err := check(l.ch); err != nil {
		return line{ch: l.ch}, err
	}
	return l, nil
}

// admit returns the line of a row just read, opening the client if need be.
func (m *Manager) admit(ctx context.Context, ch *parley.Channel, stamp uint64) (line, error) {
	if ch.State == parley.ChannelDeleted {
		m.cache.drop(ch.ID)
		return line{}, errNoChannel
	}
	if l, ok := m.cache.renew(ch, stamp, m.cfg.Now()); ok {
		return l, nil
	}
	l, err := m.open(ctx, ch)
	if err != nil {
		return line{ch: ch}, err
	}
	m.learn(l)
	return m.cache.put(l, stamp, m.cfg.Now()), nil
}

// open makes a client, which does no I/O. Two callers may do it at once; the cache
// keeps one client and closes the other.
func (m *Manager) open(ctx context.Context, ch *parley.Channel) (line, error) {
	p, ok := m.cfg.Providers[ch.Provider]
	if !ok {
		return line{}, parley.Errorf(parley.KindUnsupported, "provider not available")
	}
	l := line{ch: ch, spec: p.Spec()}
	err := safely(func() (err error) {
		l.client, err = p.Open(ctx, ch, m.env(ch))
		return err
	})
	if err != nil {
		return line{}, fmt.Errorf("open channel %d: %w", ch.ID, err)
	}
	return l, nil
}

func (m *Manager) env(ch *parley.Channel) connector.Env {
	return connector.Env{
		HTTP:  m.cfg.HTTP,
		Files: m.cfg.Files,
		State: &state{rows: m.cfg.Store, grants: m.cfg.Grants, channel: ch.ID, company: ch.Company},
		Log:   m.log(ch),
		Now:   m.cfg.Now,
		Base:  m.cfg.Base(ch.Provider),
	}
}

// learn remembers whether channels of the provider need a worker, so that a start
// does not have to open them all.
func (m *Manager) learn(l line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.polls[l.ch.Provider] = m.mustRun(l)
}

// subscriber returns the client's way to register our address, if it is to be used.
func (m *Manager) subscriber(l line) (connector.Subscriber, bool) {
	s, ok := l.client.(connector.Subscriber)
	return s, ok && m.cfg.PublicURL != "" && !l.spec.Stateful
}

// mustRun reports whether the client hears of messages only while it is run.
func (m *Manager) mustRun(l line) bool {
	if _, ok := m.subscriber(l); ok {
		return false
	}
	_, ok := l.client.(connector.Runner)
	return ok
}

// address is what the provider shall call.
func (m *Manager) address(ch *parley.Channel) string {
	return m.cfg.PublicURL + "/callbacks/" + pathKey(ch)
}

// A panicError is a connector's panic. What a panic says may hold secrets, unless
// it comes from the runtime; otherwise only its type is told.
type panicError struct {
	value any
	stack []byte
}

// Error names the runtime's error or the type of the value.
func (e *panicError) Error() string {
	if r, ok := e.value.(runtime.Error); ok {
		return "panic: " + r.Error()
	}
	return fmt.Sprintf("panic: %T", e.value)
}

// problem is how an error is logged, with the stack of a panic.
func problem(err error) slog.Attr {
	if p, ok := errors.AsType[*panicError](err); ok {
		return slog.GroupAttrs("", slog.Any("error", err), slog.String("stack", string(p.stack)))
	}
	return slog.Any("error", err)
}

// safely calls a connector and turns its panic into an error.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	return f()
}
