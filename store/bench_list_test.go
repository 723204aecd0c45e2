package store_test

import (
	"fmt"
	"testing"

	"github.com/parley-im/parley/store"
)

// BenchmarkMessages lists 100 messages out of many: what a page costs must not
// depend on how many there are.
func BenchmarkMessages(b *testing.B) {
	for _, total := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint("of=", total), func(b *testing.B) {
			w, ids := benchWorld(b, 1)
			// Copies of the one message: through the writer it would take minutes.
			err := w.db.Tx(b.Context(), w.company, func(tx *store.Tx) error {
				_, err := tx.Exec(`WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < $1)
					INSERT INTO message SELECT m.id + 1000000 + more.n, m.company_id, m.channel_id, m.conversation_id, m.contact_id, m.job_id, m.income,
					m.listed, m.ack, m.body, m.provider_id, m.reply_to, m.extra, m.created_at, m.edited_at, m.deleted_at FROM more, message m`, total)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			middle := int64(1_000_000 + total/2)
			b.ResetTimer()
			for n := range b.N {
				p := store.Page{Desc: n%2 == 0, Limit: 100}
				if n%4 > 1 {
					p.After = middle
				}
				list, err := w.db.Messages(b.Context(), ids[0], p)
				if err != nil || len(list) != 100 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
