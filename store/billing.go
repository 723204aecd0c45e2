package store

import (
	"context"
	"time"

	"github.com/parley-im/parley"
)

// A BilledChannel is a channel with what billing says of it and its company.
type BilledChannel struct {
	ID               parley.ChannelID
	Spelling         string
	CreatedAt        time.Time
	Company          parley.CompanyID
	CompanyName      string
	CompanyCreatedAt time.Time
}

// BilledChannels lists up to limit of a user's channels that existed at a time or
// later, deleted ones included, by company and id. It goes on behind the channel
// after; the zero value is the beginning.
func (db *DB) BilledChannels(ctx context.Context, user parley.UserID, since time.Time, after BilledChannel, limit int) ([]BilledChannel, error) {
	list := make([]BilledChannel, 0, limit)
	err := db.read(ctx, `SELECT c.id, c.spelling, c.created_at, o.id, o.name, o.created_at FROM company o
		JOIN channel c ON c.company_id = o.id AND c.id > CASE WHEN o.id = $2 THEN $3 ELSE 0 END
		WHERE o.user_id = $1 AND o.id >= $2 AND (c.deleted_at = 0 OR c.deleted_at >= $4)
		ORDER BY o.id, c.id LIMIT $5`, []any{int64(user), int64(after.Company), int64(after.ID), millis(since), limit}, func(scan scanFunc) error {
		var b BilledChannel
		var created, founded int64
		err := scan(&b.ID, &b.Spelling, &created, &b.Company, &b.CompanyName, &founded)
		b.CreatedAt, b.CompanyCreatedAt = moment(created), moment(founded)
		list = append(list, b)
		return err
	})
	return list, err
}
