package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// channelSecrets is where a channel's credentials are sealed for.
func channelSecrets(company parley.CompanyID, id parley.ChannelID) seal.Location {
	return seal.Location{Table: "channel", Company: int64(company), Row: text(int64(id)), Column: "secrets"}
}

func (db *DB) sealSecrets(company parley.CompanyID, id parley.ChannelID, secrets map[string]parley.Secret) ([]byte, error) {
	plain := map[string]string{}
	for name, s := range secrets {
		plain[name] = s.Reveal()
	}
	b, _ := json.Marshal(plain) // texts
	return db.keys.Seal(b, channelSecrets(company, id))
}

func (db *DB) openSecrets(company parley.CompanyID, id parley.ChannelID, sealed []byte) (map[string]parley.Secret, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	b, err := db.keys.Open(sealed, channelSecrets(company, id))
	if err != nil {
		return nil, err
	}
	plain := map[string]string{}
	if err := json.Unmarshal(b, &plain); err != nil {
		return nil, err
	}
	secrets := map[string]parley.Secret{}
	for name, s := range plain {
		secrets[name] = parley.Secret(s)
	}
	return secrets, nil
}

// callbackHash is what a callback path is looked up by; empty for a channel that
// has none.
func callbackHash(path string) []byte {
	if path == "" {
		return []byte{}
	}
	return seal.HashToken(path)
}

// CreateChannel stores a channel, in state connecting or whatever ch says, with
// its secrets sealed. KindConflict: the company has as many channels of that
// provider as it may. KindNotFound: there is no such company.
func (db *DB) CreateChannel(ctx context.Context, ch *parley.Channel) (parley.ChannelID, error) {
	return txResult(ctx, db, ch.Company, func(tx *Tx) (parley.ChannelID, error) {
		id := parley.ChannelID(tx.ids.take())
		return id, tx.createChannel(id, ch)
	})
}

func (tx *Tx) createChannel(id parley.ChannelID, ch *parley.Channel) error {
	var most, has int
	err := tx.one("SELECT channels_per_provider FROM company WHERE id = $1"+tx.db.dialect.forUpdate(), []any{int64(ch.Company)}, &most)
	if noRow(err) {
		return parley.Errorf(parley.KindNotFound, "Company not found")
	}
	if err != nil {
		return err
	}
	err = tx.one("SELECT COUNT(*) FROM channel WHERE company_id = $1 AND provider = $2 AND deleted_at = 0", []any{int64(ch.Company), ch.Provider}, &has)
	if err != nil {
		return err
	}
	if has >= most {
		return &parley.Error{Kind: parley.KindConflict, Code: "channel_exists", Message: fmt.Sprintf("channel for provider %s already exists", ch.Spelling)}
	}
	sealed, err := tx.db.sealSecrets(ch.Company, id, ch.Secrets)
	if err != nil {
		return err
	}
	state := ch.State
	if state == "" {
		state = parley.ChannelConnecting
	}
	settings, _ := json.Marshal(ch.Settings) // texts
	_, err = tx.Exec(`INSERT INTO channel (id, company_id, shard, provider, spelling, state, reason, state_at, account, generation, settings,
		secrets, callback_hash, farewell, created_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, '', $7, '', 1, $8, $9, $10, 0, $11, 0)`,
		int64(id), int64(ch.Company), int64(ch.Company.Shard()), ch.Provider, ch.Spelling, string(state), millis(tx.now), string(settings), sealed,
		callbackHash(ch.Secrets[parley.SecretCallbackPath].Reveal()), millis(tx.now))
	tx.channels = append(tx.channels, id)
	return err
}

// UpdateChannel merges settings and secrets into a channel's and lets it connect
// anew. KindNotFound if it is deleted or another company's.
func (db *DB) UpdateChannel(ctx context.Context, company parley.CompanyID, id parley.ChannelID, settings map[string]string, secrets map[string]parley.Secret) error {
	return db.Tx(ctx, company, func(tx *Tx) error {
		ch, err := tx.channel(company, id)
		if err != nil {
			return err
		}
		for name, s := range secrets {
			ch.Secrets[name] = s
		}
		if ch.Settings == nil {
			ch.Settings = map[string]string{}
		}
		for name, s := range settings {
			ch.Settings[name] = s
		}
		sealed, err := db.sealSecrets(ch.Company, id, ch.Secrets)
		if err != nil {
			return err
		}
		merged, _ := json.Marshal(ch.Settings) // texts
		_, err = tx.Exec(`UPDATE channel SET settings = $2, secrets = $3, state = $4, reason = '', state_at = $5, account = '',
			generation = generation + 1, callback_hash = $6 WHERE id = $1`, int64(id), string(merged), sealed, string(parley.ChannelConnecting), millis(tx.now),
			callbackHash(ch.Secrets[parley.SecretCallbackPath].Reveal()))
		tx.channels = append(tx.channels, id)
		return err
	})
}

// channel reads a company's live channel inside a transaction, holding its row.
func (tx *Tx) channel(company parley.CompanyID, id parley.ChannelID) (*parley.Channel, error) {
	var ch *parley.Channel
	err := tx.Query("SELECT "+channelColumns+" FROM channel c WHERE c.id = $1 AND c.company_id = $2 AND c.deleted_at = 0"+tx.db.dialect.forUpdate(),
		[]any{int64(id), int64(company)},
		func(scan scanFunc) (err error) {
			ch, err = tx.db.scanChannel(scan)
			return err
		})
	if err == nil && ch == nil {
		err = parley.Errorf(parley.KindNotFound, "Channel not found")
	}
	return ch, err
}

// DeleteChannel frees the channel's slot. Its credentials stay, sealed, until the
// provider was told. KindNotFound if it is deleted already.
func (db *DB) DeleteChannel(ctx context.Context, company parley.CompanyID, id parley.ChannelID) error {
	return db.Tx(ctx, company, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE channel SET state = $2, reason = 'channel was deleted', state_at = $3, deleted_at = $3, farewell = 1,
			generation = generation + 1 WHERE id = $1 AND company_id = $4 AND deleted_at = 0`,
			int64(id), string(parley.ChannelDeleted), millis(tx.now), int64(company))
		if err == nil && n == 0 {
			err = parley.Errorf(parley.KindNotFound, "Channel not found")
		}
		tx.channels = append(tx.channels, id)
		return err
	})
}

const channelColumns = `c.id, c.company_id, c.provider, c.spelling, c.state, c.reason, c.state_at, c.account, c.generation, c.settings,
	c.secrets, c.created_at`

func (db *DB) scanChannel(scan scanFunc) (*parley.Channel, error) {
	ch := &parley.Channel{}
	var stateAt, created int64
	var settings string
	var sealed []byte
	err := scan(&ch.ID, &ch.Company, &ch.Provider, &ch.Spelling, &ch.State, &ch.Reason, &stateAt, &ch.Account, &ch.Generation, &settings, &sealed, &created)
	if err != nil {
		return nil, err
	}
	ch.StateAt, ch.CreatedAt = moment(stateAt), moment(created)
	if err := json.Unmarshal([]byte(settings), &ch.Settings); err != nil {
		return nil, fmt.Errorf("settings of channel %d: %w", ch.ID, err)
	}
	ch.Secrets, err = db.openSecrets(ch.Company, ch.ID, sealed)
	return ch, err
}

func (db *DB) channelWhere(ctx context.Context, where string, arg any) (*parley.Channel, error) {
	var ch *parley.Channel
	err := db.read(ctx, "SELECT "+channelColumns+" FROM channel c WHERE "+where, []any{arg}, func(scan scanFunc) (err error) {
		ch, err = db.scanChannel(scan)
		return err
	})
	if err == nil && ch == nil {
		err = parley.Errorf(parley.KindNotFound, "Channel not found")
	}
	return ch, err
}

// Channel returns a channel, a deleted one too, with its secrets opened. The
// caller owns it.
func (db *DB) Channel(ctx context.Context, id parley.ChannelID) (*parley.Channel, error) {
	return db.channelWhere(ctx, "c.id = $1", int64(id))
}

// ChannelByCallback returns the live channel with that callback path.
func (db *DB) ChannelByCallback(ctx context.Context, path string) (*parley.Channel, error) {
	return db.channelWhere(ctx, "c.deleted_at = 0 AND c.callback_hash = $1 AND length(c.callback_hash) > 0", callbackHash(path))
}

// Channels lists a company's channels by id, without deleted ones and without
// secrets.
func (db *DB) Channels(ctx context.Context, company parley.CompanyID, p Page) ([]parley.Channel, error) {
	var list []parley.Channel
	err := db.read(ctx, "SELECT c.id, c.provider, c.spelling, c.state, c.reason, c.state_at FROM channel c WHERE c.company_id = $3 AND c.deleted_at = 0"+
		p.where("c.id"), p.args(int64(company)), func(scan scanFunc) error {
		ch := parley.Channel{Company: company}
		var at int64
		err := scan(&ch.ID, &ch.Provider, &ch.Spelling, &ch.State, &ch.Reason, &at)
		ch.StateAt = moment(at)
		list = append(list, ch)
		return err
	})
	return list, err
}

// A ChannelMove is a change of a channel's state.
type ChannelMove struct {
	Channel    parley.ChannelID
	Company    parley.CompanyID
	Generation int64                 // the row's must be equal; 0 is any
	From       []parley.ChannelState // the row's must be one of them; empty is any. In either case it must be able to become To
	To         parley.ChannelState
	Reason     string
	Account    string         // set if not empty
	Events     []ChannelEvent // appended to the log if the channel moved
}

// A ChannelEvent is an event of a channel, rendered.
type ChannelEvent struct {
	Kind parley.EventKind
	Body []byte
}

// SetChannelState moves a channel, and appends the events, in one transaction.
// It reports false if the row's generation or state did not fit, or nothing would
// change. KindConflict: the account is already connected by another channel.
func (db *DB) SetChannelState(ctx context.Context, m ChannelMove) (bool, error) {
	return txResult(ctx, db, m.Company, func(tx *Tx) (bool, error) {
		moved, err := tx.moveChannel(m)
		if duplicated(err) {
			err = &parley.Error{Kind: parley.KindConflict, Code: "account_connected", Message: "this account is already connected by another channel"}
		}
		return moved, err
	})
}

func (tx *Tx) moveChannel(m ChannelMove) (bool, error) {
	ch, err := tx.channel(m.Company, m.Channel)
	if parley.KindOf(err) == parley.KindNotFound {
		return false, nil
	}
	if err != nil || !m.fits(ch) {
		return false, err
	}
	account := ch.Account
	if m.Account != "" {
		account = m.Account
	}
	if ch.State == m.To && ch.Reason == m.Reason && account == ch.Account && len(m.Events) == 0 {
		return false, nil
	}
	stateAt := ch.StateAt
	if ch.State != m.To {
		stateAt = tx.now
	}
	_, err = tx.Exec("UPDATE channel SET state = $2, reason = $3, state_at = $4, account = $5 WHERE id = $1",
		int64(m.Channel), string(m.To), m.Reason, millis(stateAt), account)
	if err != nil {
		return false, err
	}
	for _, e := range m.Events {
		tx.append(parley.Event{Company: ch.Company, Stream: ch.ID.Stream(), Channel: ch.ID, Kind: e.Kind, Body: e.Body})
	}
	tx.channels = append(tx.channels, ch.ID)
	return true, nil
}

func (m *ChannelMove) fits(ch *parley.Channel) bool {
	if m.Generation != 0 && m.Generation != ch.Generation {
		return false
	}
	if len(m.From) > 0 && !slices.Contains(m.From, ch.State) {
		return false
	}
	return m.To == ch.State || ch.State.CanBecome(m.To)
}

// ChannelsInState returns live channels in one of the states, in the order of ids.
func (db *DB) ChannelsInState(ctx context.Context, states []parley.ChannelState, after parley.ChannelID, limit int) ([]ChannelRef, error) {
	args := []any{int64(after), limit}
	for _, s := range states {
		args = append(args, string(s))
	}
	return db.refs(ctx, "SELECT "+refColumns+" FROM channel c WHERE c.id > $1 AND c.deleted_at = 0 AND c.state IN ("+placeholders(3, len(states))+
		") ORDER BY c.id LIMIT $2", args...)
}

// Farewells returns deleted channels whose provider has yet to be told.
func (db *DB) Farewells(ctx context.Context, after parley.ChannelID, limit int) ([]ChannelRef, error) {
	return db.refs(ctx, "SELECT "+refColumns+" FROM channel c WHERE c.farewell = 1 AND c.id > $1 ORDER BY c.id LIMIT $2", int64(after), limit)
}

// FarewellDone forgets a deleted channel's credentials and session.
func (db *DB) FarewellDone(ctx context.Context, company parley.CompanyID, id parley.ChannelID) error {
	return db.Tx(ctx, company, func(tx *Tx) error {
		if _, err := tx.Exec("UPDATE channel SET farewell = 0, secrets = $2 WHERE id = $1 AND farewell = 1", int64(id), []byte{}); err != nil {
			return err
		}
		_, err := tx.Exec("DELETE FROM session_state WHERE channel_id = $1", int64(id))
		return err
	})
}

func sessionState(company parley.CompanyID, id parley.ChannelID, name string) seal.Location {
	return seal.Location{Table: "session_state", Company: int64(company), Row: text(int64(id)) + "/" + name, Column: "value"}
}

// SessionState returns what a channel's session stored under a name, nil if
// nothing.
func (db *DB) SessionState(ctx context.Context, company parley.CompanyID, id parley.ChannelID, name string) ([]byte, error) {
	var sealed []byte
	err := one(ctx, db.backend.reader(), "SELECT value FROM session_state WHERE channel_id = $1 AND name = $2", []any{int64(id), name}, &sealed)
	if noRow(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err)
	}
	return db.keys.Open(sealed, sessionState(company, id, name))
}

// SaveSessionState stores session data, sealed; an empty value deletes it.
// KindConflict: another node owns the company.
func (db *DB) SaveSessionState(ctx context.Context, company parley.CompanyID, id parley.ChannelID, grant parley.Grant, name string, value []byte) error {
	sealed, err := db.keys.Seal(value, sessionState(company, id, name))
	if err != nil {
		return err
	}
	return db.Tx(ctx, company, func(tx *Tx) error {
		if ok, err := tx.fence(grant); err != nil || !ok {
			return firstOf(err, errFenced)
		}
		if len(value) == 0 {
			_, err := tx.Exec("DELETE FROM session_state WHERE channel_id = $1 AND name = $2", int64(id), name)
			return err
		}
		_, err := tx.Exec(`INSERT INTO session_state (channel_id, name, value) VALUES ($1, $2, $3)
			ON CONFLICT (channel_id, name) DO UPDATE SET value = excluded.value`, int64(id), name, sealed)
		return err
	})
}

func firstOf(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
