package store

import (
	"context"
	"time"

	"github.com/parley-im/parley"
)

// Orphan holds an echo that no outcome will settle.
func Orphan(db *DB, channel parley.ChannelID, conversation parley.ConversationID, at time.Time) {
	_ = db.Tx(context.Background(), 0, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO echo (id, channel_id, conversation_id, provider_id, event, created_at) VALUES ($1, $2, $3, 'orphan', $4, $5)",
			tx.ids.take(), int64(channel), int64(conversation), []byte("{}"), millis(at))
		return err
	}) // the test counts
}
