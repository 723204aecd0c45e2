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
			b.StopTimer()
			var in []*store.Receive
			for n := range total {
				in = append(in, says(w.ch, "0", fmt.Sprint("m", n), "a message of usual length, as people write"))
				if len(in) == 1000 || n == total-1 {
					receive(b, w.db, in...)
					in = in[:0]
				}
			}
			b.ResetTimer()
			b.StartTimer()
			for n := range b.N {
				list, err := w.db.Messages(b.Context(), ids[0], store.Page{Desc: n%2 == 0, Limit: 100})
				if err != nil || len(list) != 100 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
