package session

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// callTimeout is how long one call of a handshake may take.
const callTimeout = 30 * time.Second

// connectPatience is how long a provider may be out of reach before a channel that
// is connecting says so.
const connectPatience = 10 * time.Second

// work does what a worker was hired for.
func (m *Manager) work(ctx context.Context, w *worker) {
	if !sleep(ctx, w.delay) {
		return
	}
	if w.duty == farewell {
		m.leave(ctx, w.id)
		return
	}
	for {
		l, ok := m.connect(ctx, w)
		if !ok || m.keep(ctx, l) {
			return
		}
	}
}

// connect takes the channel through its handshake until it is live; not ok means
// that it is not to be.
func (m *Manager) connect(ctx context.Context, w *worker) (l line, ok bool) {
	retry, t := backoff{longest: longestWait}, trouble{patience: connectPatience}
	for ctx.Err() == nil {
		l, err := m.attempt(ctx, w)
		if err == nil {
			return l, true
		}
		if ctx.Err() != nil || errors.Is(err, errSettled) {
			break
		}
		m.cfg.Log.WarnContext(ctx, "channel could not connect", "provider", w.provider,
			"channel_id", int64(w.id), "attempt", retry.failures+1, "kind", parley.KindOf(err), problem(err))
		if l.ch != nil {
			m.failed(ctx, l.ch, &t, err)
		}
		sleep(ctx, retry.next(err))
	}
	return line{}, false
}

// attempt makes one try. The error is errSettled if the channel is not to be
// connected, or not by this worker. With other errors the row comes back if it
// could be read.
func (m *Manager) attempt(ctx context.Context, w *worker) (line, error) {
	free, err := m.slot(ctx, w.provider)
	if err != nil {
		return line{}, err
	}
	defer free()
	l, err := m.line(ctx, w.id, func(ch *parley.Channel) error {
		if ch.Generation != w.generation || ch.State != parley.ChannelConnecting && !ch.State.Live() {
			return errSettled
		}
		return nil
	})
	switch {
	case parley.KindOf(err) == parley.KindNotFound:
		return l, errSettled
	case parley.KindOf(err) == parley.KindLoggedOut:
		return l, m.refuse(ctx, l.ch, parley.Reason(err))
	case err != nil || l.ch.State.Live():
		return l, err
	}
	return m.handshake(ctx, l)
}

// slot waits for a free place among the provider's handshakes.
func (m *Manager) slot(ctx context.Context, provider string) (free func(), err error) {
	places := m.slots[provider]
	if places == nil {
		return nil, parley.Errorf(parley.KindUnsupported, "provider not available")
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case places <- struct{}{}:
		return func() { <-places }, nil
	}
}

// handshake verifies the credentials, claims the account, registers our address
// and enables the channel. It can be repeated from the start.
func (m *Manager) handshake(ctx context.Context, l line) (line, error) {
	account, err := m.verify(ctx, l)
	if err == nil {
		l, err = m.claim(ctx, l, account)
	}
	if s, ok := m.subscriber(l); ok && err == nil {
		err = m.subscribe(ctx, l, s)
	}
	switch {
	case parley.KindOf(err) == parley.KindLoggedOut:
		return l, m.refuse(ctx, l.ch, parley.Reason(err))
	case err != nil:
		return l, err
	}
	return m.enable(ctx, l)
}

// verify returns the provider's id of the account. Where a provider cannot say,
// the channel stands for itself.
func (m *Manager) verify(ctx context.Context, l line) (account string, err error) {
	v, ok := l.client.(connector.Verifier)
	if !ok {
		return alone(l.ch), nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = safely(func() error {
		a, err := v.Verify(ctx)
		account = a.ID
		return err
	})
	if account == "" {
		account = alone(l.ch)
	}
	return account, err
}

func alone(ch *parley.Channel) string { return "channel-" + strconv.FormatInt(int64(ch.ID), 10) }

// subscribe makes the provider call us.
func (m *Manager) subscribe(ctx context.Context, l line, s connector.Subscriber) error {
	if l.ch.Secrets[parley.SecretCallbackPath] == "" {
		return parley.Errorf(parley.KindInternal, "the channel has no callback path")
	}
	unlock, err := m.accounts.lock(ctx, accountKey(l.ch))
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return safely(func() error {
		return s.Subscribe(ctx, m.address(l.ch), l.ch.Secrets[parley.SecretCallbackToken])
	})
}

func accountKey(ch *parley.Channel) string { return ch.Provider + "/" + ch.Account }

// LoggedOut is told by whoever met a provider that refuses the channel's
// credentials of that generation. It asks the provider once more, where it can be
// asked, because a single answer may be wrong, and disables the channel for reason
// if the answer is the same. It blocks meanwhile. The error says that the provider
// or the store did not answer; the channel is then as it was.
func (m *Manager) LoggedOut(ctx context.Context, id parley.ChannelID, generation int64, reason string) error {
	unlock, err := m.verdicts.lock(ctx, strconv.FormatInt(int64(id), 10))
	if err != nil {
		return err
	}
	defer unlock()
	l, err := m.line(ctx, id, usable)
	switch {
	case parley.KindOf(err) == parley.KindNotFound, l.ch != nil && (l.ch.Generation != generation || !l.ch.State.Live()):
		return nil
	case parley.KindOf(err) == parley.KindLoggedOut: // the connector itself refuses them
		return unsettled(m.refuse(ctx, l.ch, parley.Reason(err)))
	case err != nil:
		return err
	}
	_, err = m.judge(ctx, l, reason)
	return err
}

// unsettled turns errSettled into nil.
func unsettled(err error) error {
	if errors.Is(err, errSettled) {
		return nil
	}
	return err
}

// judge asks the provider whether the credentials are refused, disables the channel
// if so, and reports whether they are.
func (m *Manager) judge(ctx context.Context, l line, reason string) (refused bool, err error) {
	if _, ok := l.client.(connector.Verifier); ok {
		_, err := m.verify(ctx, l)
		if parley.KindOf(err) != parley.KindLoggedOut {
			return false, err
		}
		reason = parley.Reason(err)
	}
	err = unsettled(m.refuse(ctx, l.ch, reason))
	return err == nil, err
}
