package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

func newChannel(company parley.CompanyID) *parley.Channel {
	return &parley.Channel{Company: company, Provider: "telegram", Spelling: "tg", Settings: map[string]string{"color": "red"},
		Secrets: map[string]parley.Secret{"token": "top-secret-token", parley.SecretCallbackPath: parley.Secret(seal.NewSecretPath())}}
}

func (w *world) create() *parley.Channel {
	w.t.Helper()
	id, err := w.db.CreateChannel(w.t.Context(), newChannel(w.companyWithMore()))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.channel(id)
}

func (w *world) channel(id parley.ChannelID) *parley.Channel {
	w.t.Helper()
	ch, err := w.db.Channel(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return ch
}

func (w *world) move(m store.ChannelMove) bool {
	w.t.Helper()
	m.Company = w.company
	moved, err := w.db.SetChannelState(w.t.Context(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return moved
}

func TestChannelLimit(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, err := w.db.CreateChannel(ctx, newChannel(w.company))
		wantKind(t, "a second channel of the provider", err, parley.KindConflict)
		other := newChannel(w.company)
		other.Provider = "viber"
		if _, err := w.db.CreateChannel(ctx, other); err != nil {
			t.Errorf("a channel of another provider: %v", err)
		}
		_, err = w.db.CreateChannel(ctx, newChannel(1<<50))
		wantKind(t, "no company", err, parley.KindNotFound)
		if err := w.db.DeleteChannel(ctx, w.company, w.ch.ID); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "deleted twice", w.db.DeleteChannel(ctx, w.company, w.ch.ID), parley.KindNotFound)
		if _, err := w.db.CreateChannel(ctx, newChannel(w.company)); err != nil {
			t.Errorf("after the first was deleted: %v", err)
		}
		list, err := w.db.Channels(ctx, w.company, store.Page{Limit: 9})
		if err != nil || len(list) != 2 {
			t.Errorf("listed %+v, %v; want the two that live", list, err)
		}
	})
}

func TestChannelAccount(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		second := w.create()
		m := store.ChannelMove{Channel: second.ID, Company: w.company, To: parley.ChannelEnabled, Account: "100"}
		moved, err := w.db.SetChannelState(t.Context(), m)
		wantKind(t, "an account that is connected", err, parley.KindConflict)
		if ch := w.channel(second.ID); moved || ch.State != parley.ChannelConnecting || ch.Account != "" {
			t.Errorf("the second channel is %s, account %q; want it untouched", ch.State, ch.Account)
		}
		if err := w.db.DeleteChannel(t.Context(), w.company, w.ch.ID); err != nil {
			t.Fatal(err)
		}
		if !w.move(m) {
			t.Error("once the first is deleted, the account is free")
		}
	})
}

// TestChannelMoves walks every pair of states.
func TestChannelMoves(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ch := w.create()
		for _, from := range parley.ChannelStates() {
			if from == parley.ChannelDeleted {
				continue
			}
			for _, to := range parley.ChannelStates() {
				for _, named := range []bool{false, true} {
					w.force(ch.ID, from)
					m := store.ChannelMove{Channel: ch.ID, To: to, Reason: "because"}
					if named {
						m.From = []parley.ChannelState{from}
					}
					want := from == to || from.CanBecome(to)
					if got := w.move(m); got != want {
						t.Errorf("%s to %s, from named %t: moved %t, want %t", from, to, named, got, want)
					}
				}
			}
		}
	})
}

func (w *world) force(id parley.ChannelID, state parley.ChannelState) {
	w.t.Helper()
	err := w.db.Tx(w.t.Context(), w.company, func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE channel SET state = $2, reason = '' WHERE id = $1", int64(id), string(state))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestChannelMove(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		m := store.ChannelMove{Channel: w.ch.ID, Generation: w.ch.Generation, From: []parley.ChannelState{parley.ChannelEnabled},
			To: parley.ChannelOffline, Reason: "phone", Events: []store.ChannelEvent{{Kind: parley.EventSystem, Body: []byte("{}")}}}
		if !w.move(m) || w.log() != "system" {
			t.Errorf("moved, log %q; want the event", w.log())
		}
		if w.move(m) || w.log() != "system" {
			t.Errorf("from another state: moved, log %q", w.log())
		}
		m.From, m.Events = nil, nil
		if w.move(m) {
			t.Error("moved, though nothing changes")
		}
		m.To, m.Generation = parley.ChannelEnabled, w.ch.Generation+1
		if w.move(m) {
			t.Error("moved under another generation")
		}
		m.Generation, m.Company = 0, w.company+1_000_000
		moved, err := w.db.SetChannelState(t.Context(), m)
		if moved || err != nil {
			t.Errorf("another company's channel: %t, %v", moved, err)
		}
		m.Channel = 1 << 50
		if w.move(m) {
			t.Error("moved a channel that is not there")
		}
	})
}

func TestUpdateChannel(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch := w.create()
		secrets := map[string]parley.Secret{"token": "other", parley.SecretCallbackPath: "new-path"}
		wantKind(t, "another company's", w.db.UpdateChannel(ctx, w.company+1, ch.ID, nil, secrets), parley.KindNotFound)
		if err := w.db.UpdateChannel(ctx, w.company, ch.ID, map[string]string{"size": "big"}, secrets); err != nil {
			t.Fatal(err)
		}
		got := w.channel(ch.ID)
		if got.Generation != ch.Generation+1 || got.State != parley.ChannelConnecting || got.Account != "" {
			t.Errorf("channel %+v", got)
		}
		if got.Secrets["token"] != "other" || got.Settings["color"] != "red" || got.Settings["size"] != "big" {
			t.Error("settings and secrets were not merged")
		}
		for path, want := range map[string]parley.Kind{"new-path": "", ch.Secrets[parley.SecretCallbackPath].Reveal(): parley.KindNotFound} {
			_, err := w.db.ChannelByCallback(ctx, path)
			wantKind(t, "callback of the path", err, want)
		}
		if err := w.db.DeleteChannel(ctx, w.company, ch.ID); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "deleted", w.db.UpdateChannel(ctx, w.company, ch.ID, nil, nil), parley.KindNotFound)
		_, err := w.db.ChannelByCallback(ctx, "new-path")
		wantKind(t, "callback of a deleted channel", err, parley.KindNotFound)
	})
}

// TestSealed looks for secrets in the raw rows, and moves a ciphertext.
func TestSealed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ch := w.create()
		if err := w.db.SaveSessionState(t.Context(), w.company, ch.ID, w.grant, "keys", []byte("top-secret-session")); err != nil {
			t.Fatal(err)
		}
		raw := ""
		for _, q := range []string{"SELECT secrets FROM channel", "SELECT settings FROM channel", "SELECT callback_hash FROM channel",
			"SELECT value FROM session_state", "SELECT secret FROM endpoint"} {
			rows, err := store.Query(w.db, 1, q)
			if err != nil || len(rows) == 0 {
				t.Fatalf("%s: %v, %v", q, rows, err)
			}
			raw += fmt.Sprint(rows)
		}
		for name, secret := range map[string]string{"token": "top-secret-token", "session": "top-secret-session",
			"path": ch.Secrets[parley.SecretCallbackPath].Reveal(), "endpoint": w.endpoint().Secret.Reveal()} {
			if strings.Contains(raw, secret) {
				t.Errorf("the %s is readable in the rows", name)
			}
		}
		err := w.db.Tx(t.Context(), w.company, func(tx *store.Tx) error {
			_, err := tx.Exec("UPDATE channel SET secrets = (SELECT o.secrets FROM channel o WHERE o.id = $1) WHERE id = $2", int64(ch.ID), int64(w.ch.ID))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.Channel(t.Context(), w.ch.ID); err == nil {
			t.Error("a moved ciphertext opens")
		}
	})
}

func TestFarewell(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, w.grant, "keys", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if list, err := w.db.Farewells(ctx, 0, 9); err != nil || len(list) != 0 {
			t.Errorf("farewells %v, %v", list, err)
		}
		if err := w.db.DeleteChannel(ctx, w.company, w.ch.ID); err != nil {
			t.Fatal(err)
		}
		list, err := w.db.Farewells(ctx, 0, 9)
		if err != nil || len(list) != 1 || list[0].ID != w.ch.ID {
			t.Fatalf("farewells %v, %v; want the deleted channel", list, err)
		}
		if ch := w.channel(w.ch.ID); ch.Secrets["token"] == "" || ch.State != parley.ChannelDeleted {
			t.Errorf("the credentials of a deleted channel went before the farewell: %+v", ch)
		}
		if err := w.db.FarewellDone(ctx, w.company, w.ch.ID); err != nil {
			t.Fatal(err)
		}
		if list, err := w.db.Farewells(ctx, 0, 9); err != nil || len(list) != 0 {
			t.Errorf("farewells %v, %v", list, err)
		}
		if ch := w.channel(w.ch.ID); len(ch.Secrets) != 0 {
			t.Error("the credentials are still there")
		}
		if got, err := w.db.SessionState(ctx, w.company, w.ch.ID, "keys"); got != nil || err != nil {
			t.Errorf("session %q, %v; want none", got, err)
		}
	})
}

func TestSessionState(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, value := range []string{"one", "two", ""} {
			if err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, w.grant, "keys", []byte(value)); err != nil {
				t.Fatal(err)
			}
			got, err := w.db.SessionState(ctx, w.company, w.ch.ID, "keys")
			if err != nil || string(got) != value {
				t.Errorf("got %q, %v; want %q", got, err, value)
			}
		}
		old := w.grant
		w.own("node-1")
		err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, old, "keys", []byte("late"))
		wantKind(t, "old term", err, parley.KindConflict)
		if got, err := w.db.SessionState(ctx, w.company, w.ch.ID, "keys"); got != nil || err != nil {
			t.Errorf("session %q, %v: an old owner wrote it", got, err)
		}
	})
}

// TestChannelsInState pages through channels by state.
func TestChannelsInState(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		second := w.create()
		both := []parley.ChannelState{parley.ChannelConnecting, parley.ChannelEnabled}
		for _, tt := range []struct {
			states []parley.ChannelState
			after  parley.ChannelID
			want   int
		}{{both, 0, 2}, {both, w.ch.ID, 1}, {both[:1], 0, 1}, {both, second.ID, 0}} {
			list, err := w.db.ChannelsInState(t.Context(), tt.states, tt.after, 9)
			if err != nil || len(list) != tt.want {
				t.Errorf("%v after %d: %d channels, %v; want %d", tt.states, tt.after, len(list), err, tt.want)
			}
		}
	})
}
