package session

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// giveUp is how long after its deletion a channel's provider is told of it.
const giveUp = 24 * time.Hour

// leave tells the provider that the channel is deleted, until it has heard it or
// it is too late, and then forgets the secrets.
func (m *Manager) leave(ctx context.Context, id parley.ChannelID) {
	retry := backoff{longest: farewellWait}
	for ctx.Err() == nil {
		err := m.farewell(ctx, id)
		if err == nil || ctx.Err() != nil {
			return
		}
		m.cfg.Log.WarnContext(ctx, "farewell failed", "channel_id", int64(id), "attempt", retry.failures+1,
			"kind", parley.KindOf(err), problem(err))
		sleep(ctx, retry.next(err))
	}
}

// farewell makes one try.
func (m *Manager) farewell(ctx context.Context, id parley.ChannelID) error {
	ch, err := m.cfg.Store.Channel(ctx, id)
	switch {
	case parley.KindOf(err) == parley.KindNotFound:
		return nil
	case err != nil:
		return err
	case ch.State != parley.ChannelDeleted || len(ch.Secrets) == 0:
		return nil
	}
	err = m.depart(ctx, ch)
	switch {
	case err == nil, parley.KindOf(err) == parley.KindLoggedOut: // what is refused is not in use
	case ctx.Err() != nil || m.cfg.Now().Sub(ch.StateAt) < giveUp:
		return err
	default:
		m.log(ch).ErrorContext(ctx, "farewell given up: the provider was not told", "kind", parley.KindOf(err), problem(err))
	}
	return m.cfg.Store.FarewellDone(ctx, ch.Company, id)
}

// depart opens a client of its own, because the cache has none for deleted
// channels, and removes what we left at the provider.
func (m *Manager) depart(ctx context.Context, ch *parley.Channel) error {
	l, err := m.open(ctx, ch)
	if err != nil {
		return err
	}
	defer m.cache.close(l.client)
	if s, ok := l.client.(connector.Subscriber); ok {
		if err := m.unsubscribe(ctx, ch, s); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	d, ok := l.client.(connector.Deregisterer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return safely(func() error { return d.Deregister(ctx) })
}

// unsubscribe removes the registration of our address, unless the channel never
// had one, or another channel has the account now: the registration is then its.
func (m *Manager) unsubscribe(ctx context.Context, ch *parley.Channel, s connector.Subscriber) error {
	if ch.Account == "" {
		return nil
	}
	unlock, err := m.accounts.lock(ctx, accountKey(ch))
	if err != nil {
		return err
	}
	defer unlock()
	if taken, err := m.taken(ctx, ch); taken || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return safely(func() error { return s.Unsubscribe(ctx) })
}

// taken reports whether another channel of the company has the deleted one's account.
func (m *Manager) taken(ctx context.Context, gone *parley.Channel) (bool, error) {
	for page := (store.Page{Limit: pageSize}); ; {
		channels, err := m.cfg.Store.Channels(ctx, gone.Company, page)
		if err != nil {
			return false, err
		}
		for i := range channels {
			if taken, err := m.has(ctx, &channels[i], gone); taken || err != nil {
				return taken, err
			}
		}
		if len(channels) < pageSize {
			return false, nil
		}
		page.After = int64(channels[len(channels)-1].ID)
	}
}

// has reports whether a listed channel, which comes without its account, has the
// deleted one's.
func (m *Manager) has(ctx context.Context, listed, gone *parley.Channel) (bool, error) {
	if listed.ID == gone.ID || listed.Provider != gone.Provider || shut(listed.State) {
		return false, nil
	}
	ch, err := m.cfg.Store.Channel(ctx, listed.ID)
	return err == nil && ch.Account == gone.Account && !shut(ch.State), err
}
