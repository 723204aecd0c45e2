package session

import (
	"context"
	"errors"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/render"
	"github.com/parley-im/parley/store"
)

// mover moves a channel's row.
type mover interface {
	SetChannelState(ctx context.Context, move store.ChannelMove) (moved bool, err error)
}

// errSettled says that there is nothing left to do for the row as it was read: it
// was moved, by us or by somebody else.
var errSettled = errors.New("nothing left to do")

// reasonTaken is why a second channel of an account is disabled.
const reasonTaken = "this account is already connected by another channel"

// claim writes whose account the channel is, before anything is registered in the
// account's name: another channel may be using it.
func (m *Manager) claim(ctx context.Context, l line, account string) (line, error) {
	if l.ch.Account == account {
		return l, nil
	}
	err := m.move(ctx, store.ChannelMove{Channel: l.ch.ID, Company: l.ch.Company, Generation: l.ch.Generation, From: connecting,
		To: parley.ChannelConnecting, Reason: l.ch.Reason, Account: account})
	if parley.KindOf(err) == parley.KindConflict {
		return l, m.refuse(ctx, l.ch, reasonTaken)
	}
	if err != nil {
		return l, err
	}
	ch := *l.ch
	ch.Account = account
	l.ch = &ch
	return l, nil
}

// enable makes a connecting channel enabled.
func (m *Manager) enable(ctx context.Context, l line) (line, error) {
	err := m.move(ctx, store.ChannelMove{Channel: l.ch.ID, Company: l.ch.Company, Generation: l.ch.Generation, From: connecting,
		To: parley.ChannelEnabled, Events: m.said(l.ch, "authorized", render.Information)})
	if err != nil {
		return l, err
	}
	ch := *l.ch
	ch.State, ch.Reason = parley.ChannelEnabled, ""
	l.ch = &ch
	m.log(l.ch).InfoContext(ctx, "channel enabled")
	return l, nil
}

// refuse makes a channel disabled, whose credentials are of no use. The error is
// errSettled once it is done.
func (m *Manager) refuse(ctx context.Context, ch *parley.Channel, reason string) error {
	err := m.move(ctx, store.ChannelMove{Channel: ch.ID, Company: ch.Company, Generation: ch.Generation,
		From: []parley.ChannelState{parley.ChannelConnecting, parley.ChannelEnabled, parley.ChannelOffline},
		To:   parley.ChannelDisabled, Reason: reason, Events: m.said(ch, "disabled", render.Critical)})
	if err != nil {
		return err
	}
	m.log(ch).WarnContext(ctx, "channel disabled", "reason", reason)
	return errSettled
}

// explain writes why the channel does not work just now, or, with an empty text,
// that it does. The state stays, and nothing is written if the row says so already.
func (m *Manager) explain(ctx context.Context, ch *parley.Channel, shown *string, reason string) {
	if *shown == reason {
		return
	}
	err := m.move(ctx, store.ChannelMove{Channel: ch.ID, Company: ch.Company, Generation: ch.Generation,
		From: []parley.ChannelState{ch.State}, To: ch.State, Reason: reason})
	switch {
	case unsettled(err) == nil: // or the row is another one now
		*shown = reason
	case !parley.Interrupted(err):
		m.log(ch).WarnContext(ctx, "channel's reason could not be written", problem(err))
	}
}

// move turns a row that was not as expected into errSettled.
func (m *Manager) move(ctx context.Context, move store.ChannelMove) error {
	moved, err := m.cfg.Store.SetChannelState(ctx, move)
	if err == nil && !moved {
		return errSettled
	}
	return err
}

// said is a system event about the channel.
func (m *Manager) said(ch *parley.Channel, message, severity string) []store.ChannelEvent {
	now := m.cfg.Now()
	return []store.ChannelEvent{{Kind: parley.EventSystem, Body: render.System(message, severity, ch.ID, now, now)}}
}
