package fill

import (
	"context"
	"errors"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/render"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

const (
	userName = "bench"
	nodeName = "bench-fill"
	provider = "telegram"
	// hintLength is how much of a token is kept readable.
	hintLength = 12
)

// found lets the store make the user, the company and the channel, as they were
// when the history begins.
func (h *history) found(ctx context.Context, o store.Options) error {
	o.Now = func() time.Time { return h.begin }
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	err = h.makeCompany(ctx, db)
	if err == nil {
		err = h.makeChannel(ctx, db)
	}
	if err == nil {
		err = h.own(ctx, db)
	}
	if err == nil {
		h.seq, err = db.LastSeq(ctx, h.company)
	}
	return errors.Join(err, db.Close())
}

func (h *history) makeCompany(ctx context.Context, db *store.DB) error {
	user, company, err := db.EnsureUser(ctx, userName)
	if err != nil {
		return err
	}
	h.company, h.token = company, seal.NewToken()
	if h.o.Webhook != "" {
		if err := db.UpdateCompany(ctx, company, parley.CompanyChange{WebhookURL: &h.o.Webhook}); err != nil {
			return err
		}
	}
	return db.AddToken(ctx, user, seal.HashToken(h.token), h.token[:hintLength])
}

// makeChannel makes a channel that has connected.
func (h *history) makeChannel(ctx context.Context, db *store.DB) error {
	ch := &parley.Channel{Company: h.company, Provider: provider, Spelling: provider, Settings: map[string]string{}, Secrets: map[string]parley.Secret{
		"token":                    parley.Secret(h.o.Bot),
		parley.SecretCallbackPath:  parley.Secret(seal.NewSecretPath()),
		parley.SecretCallbackToken: parley.Secret(seal.NewSecretPath()),
	}}
	id, err := db.CreateChannel(ctx, ch)
	if err != nil {
		return err
	}
	account := h.o.account()
	said := render.System(render.Authorized, render.Severity(render.Authorized), id, h.begin, h.begin)
	_, err = db.SetChannelState(ctx, store.ChannelMove{Channel: id, Company: h.company, To: parley.ChannelEnabled, Account: account,
		Events: []store.ChannelEvent{{Kind: parley.EventSystem, Body: said}}})
	if err != nil {
		return err
	}
	h.channel, err = db.Channel(ctx, id)
	return err
}

// own makes the shards' rows, as the first gateway does that owns them.
func (h *history) own(ctx context.Context, db *store.DB) error {
	grants, err := db.TakeShards(ctx, nodeName, time.Minute)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.Shard == h.company.Shard() {
			h.term = int64(g.Term)
		}
	}
	return db.Leave(ctx, nodeName)
}
