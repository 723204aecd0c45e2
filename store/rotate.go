package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// A sealedRow is one ciphertext in the rows, and where it was sealed for.
type sealedRow struct {
	id    int64
	name  string
	value []byte
	at    seal.Location
}

// A sealedColumn is one place of the schema that holds ciphertexts. Both texts
// have the row's key as $1 and $2.
type sealedColumn struct {
	page string // id, name, company and value of the rows behind a key, in order; the limit is $3
	set  string // to $3 where it is still $4
	at   func(company, id int64, name string) seal.Location
	text bool // the column is text, and holds base64
}

// sealedColumns lists every column that is sealed.
var sealedColumns = []sealedColumn{
	{
		page: "SELECT id, '', company_id, secrets FROM channel WHERE id > $1 AND '' = $2 AND length(secrets) > 0 ORDER BY id LIMIT $3",
		set:  "UPDATE channel SET secrets = $3 WHERE id = $1 AND '' = $2 AND secrets = $4",
		at: func(company, id int64, _ string) seal.Location {
			return channelSecrets(parley.CompanyID(company), parley.ChannelID(id))
		},
	}, {
		page: "SELECT id, '', company_id, secret FROM endpoint WHERE id > $1 AND '' = $2 ORDER BY id LIMIT $3",
		set:  "UPDATE endpoint SET secret = $3 WHERE id = $1 AND '' = $2 AND secret = $4",
		at: func(company, id int64, _ string) seal.Location {
			return endpointSecret(parley.CompanyID(company), parley.EndpointID(id))
		},
	}, {
		page: `SELECT s.channel_id, s.name, c.company_id, s.value FROM session_state s JOIN channel c ON c.id = s.channel_id
			WHERE (s.channel_id, s.name) > ($1, $2) ORDER BY s.channel_id, s.name LIMIT $3`,
		set: "UPDATE session_state SET value = $3 WHERE channel_id = $1 AND name = $2 AND value = $4",
		at: func(company, id int64, name string) seal.Location {
			return sessionState(parley.CompanyID(company), parley.ChannelID(id), name)
		},
	}, {
		page: "SELECT 0, name, 0, value FROM setting WHERE 0 = $1 AND name > $2 AND name LIKE '%" + sharedKeySuffix + "' ORDER BY name LIMIT $3",
		set:  "UPDATE setting SET value = $3 WHERE 0 = $1 AND name = $2 AND value = $4",
		at:   func(_, _ int64, name string) seal.Location { return sharedKey(name) },
		text: true,
	}, {
		page: `SELECT user_id, sealed, 0, answer FROM idempotency WHERE (user_id, sealed) > ($1, $2) AND sealed <> ''
			ORDER BY user_id, sealed LIMIT $3`,
		set: "UPDATE idempotency SET answer = $3 WHERE user_id = $1 AND sealed = $2 AND answer = $4",
		at:  func(_, id int64, name string) seal.Location { return keptAnswer(parley.UserID(id), name) },
	},
}

const (
	resealPage   = 50
	resealPasses = 20
	resealTries  = 5 // of a transaction; each waits for its turn as long as the database lets it
)

// Reseal seals everything that an older key of the keyset has sealed with the
// primary key, a few rows in each transaction, and notes that the database now
// belongs to that key. It returns how many secrets it has sealed anew. A gateway
// may be at work meanwhile: what it changes is left as it wrote it. Stopped
// halfway, it goes on at the next call.
func (db *DB) Reseal(ctx context.Context) (total int64, err error) {
	for range resealPasses {
		n, met, err := db.resealOnce(ctx)
		total += n
		if err != nil {
			return total, err
		}
		if met == 0 { // nothing was left, and nobody has sealed with an old key meanwhile
			return total, db.patient(ctx, func(tx *Tx) error { return tx.set("keyset", db.keys.Primary()) })
		}
	}
	return total, parley.Errorf(parley.KindConflict, "something still seals with an old key: let every node have the new keyset file, and run this again")
}

// resealOnce goes over all columns. It returns how many ciphertexts of old keys
// it met and how many of those it changed.
func (db *DB) resealOnce(ctx context.Context) (changed, met int64, err error) {
	for i := range sealedColumns {
		c := &sealedColumns[i]
		var id int64
		var name string
		for {
			rows, err := db.sealedRows(ctx, c, id, name)
			if err != nil {
				return changed, met, err
			}
			n, of, err := db.resealRows(ctx, c, rows)
			changed, met = changed+n, met+of
			if err != nil {
				return changed, met, err
			}
			if len(rows) < resealPage {
				break
			}
			id, name = rows[len(rows)-1].id, rows[len(rows)-1].name
		}
	}
	return changed, met, nil
}

func (db *DB) sealedRows(ctx context.Context, c *sealedColumn, id int64, name string) ([]sealedRow, error) {
	var rows []sealedRow
	err := db.read(ctx, c.page, []any{id, name, resealPage}, func(scan scanFunc) error {
		var r sealedRow
		var company int64
		var encoded string
		var err error
		if c.text {
			err = scan(&r.id, &r.name, &company, &encoded)
		} else {
			err = scan(&r.id, &r.name, &company, &r.value)
		}
		if err == nil && c.text {
			if r.value, err = base64.StdEncoding.DecodeString(encoded); err != nil {
				err = fmt.Errorf("setting %s: %w", r.name, err)
			}
		}
		r.at = c.at(company, r.id, r.name)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

func (db *DB) resealRows(ctx context.Context, c *sealedColumn, rows []sealedRow) (changed, met int64, err error) {
	type change struct {
		row   sealedRow
		fresh []byte
	}
	var changes []change
	for _, r := range rows {
		fresh, anew, err := db.keys.Reseal(r.value, r.at)
		if err != nil {
			return 0, 0, err
		}
		if anew {
			changes = append(changes, change{r, fresh})
		}
	}
	if len(changes) == 0 {
		return 0, 0, nil
	}
	err = db.patient(ctx, func(tx *Tx) error {
		changed = 0 // a transaction may be run again
		for _, ch := range changes {
			n, err := tx.Exec(c.set, ch.row.id, ch.row.name, c.column(ch.fresh), c.column(ch.row.value))
			if err != nil {
				return err
			}
			changed += n
		}
		return nil
	})
	return changed, int64(len(changes)), err
}

// patient runs a transaction again if a busy gateway has left it no turn.
func (db *DB) patient(ctx context.Context, f func(tx *Tx) error) error {
	var err error
	for range resealTries {
		if err = db.Tx(ctx, 0, f); parley.KindOf(err) != parley.KindUnavailable || ctx.Err() != nil {
			break
		}
	}
	return err
}

// column returns a ciphertext as the column holds it.
func (c *sealedColumn) column(sealed []byte) any {
	if c.text {
		return base64.StdEncoding.EncodeToString(sealed)
	}
	return sealed
}

// NodeAlive returns the name of a node whose heartbeat has not run out, "" if
// there is none. On SQLite, whose only node has no heartbeat, there never is.
func (db *DB) NodeAlive(ctx context.Context) (string, error) {
	var name string
	err := one(ctx, db.backend.reader(), "SELECT name FROM node WHERE expires_at > "+db.dialect.clock()+" ORDER BY beat_at DESC LIMIT 1", nil, &name)
	if noRow(err) {
		return "", nil
	}
	return name, classify(err)
}

// sharedKeySuffix ends the names of settings that are sealed.
const sharedKeySuffix = "key"

func sharedKey(name string) seal.Location {
	return seal.Location{Table: "setting", Row: name, Column: "value"}
}

var errKeyName = errors.New("the name of a shared key ends in " + sharedKeySuffix)
