package store

import (
	"context"

	"github.com/parley-im/parley"
)

// Quarantine keeps what could not be taken, with its bytes.
func (db *DB) Quarantine(ctx context.Context, q Quarantined) error {
	return db.Tx(ctx, q.Company, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO quarantine (id, company_id, channel_id, provider, source, reason, hash, size, body, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, tx.ids.take(), int64(q.Company), int64(q.Channel), q.Provider, q.Source, q.Reason,
			notNull(q.Hash), q.Size, notNull(q.Body), millis(tx.now))
		return err
	})
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Quarantines lists a company's quarantine by id; company 0 is all.
func (db *DB) Quarantines(ctx context.Context, company parley.CompanyID, p Page) ([]Quarantined, error) {
	var list []Quarantined
	of := "company_id = $3"
	if company == 0 {
		of = "$3 = 0"
	}
	err := db.read(ctx, `SELECT id, company_id, channel_id, provider, source, reason, hash, size, body, created_at FROM quarantine
		WHERE `+of+p.where("id"), p.args(int64(company)), func(scan scanFunc) error {
		var q Quarantined
		var at int64
		err := scan(&q.ID, &q.Company, &q.Channel, &q.Provider, &q.Source, &q.Reason, &q.Hash, &q.Size, &q.Body, &at)
		q.At = moment(at)
		list = append(list, q)
		return err
	})
	return list, err
}
