package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// benchWorld is a world on SQLite with so many conversations.
func benchWorld(b *testing.B, conversations int) (*world, []parley.ConversationID) {
	b.Helper()
	w := newWorld(b, storetest.Open(b, storetest.SQLite(b)))
	var in []*store.Receive
	for n := range conversations {
		in = append(in, says(w.ch, fmt.Sprint(n), "hello", "hello"))
	}
	var ids []parley.ConversationID
	for _, out := range receive(b, w.db, in...) {
		ids = append(ids, out.Conversation)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return w, ids
}

const benchConversations = 1000

func BenchmarkReceive(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			w, _ := benchWorld(b, benchConversations)
			var n atomic.Int64
			together(b, parallel, func() error {
				i := n.Add(1)
				_, errs := w.db.Receive(b.Context(), says(w.ch, fmt.Sprint(i%benchConversations), fmt.Sprint(i), "a message of usual length, as people write"))
				return errs[0]
			})
		})
	}
}

// BenchmarkReceivePhoto is to be compared with BenchmarkReceive: a photo should
// cost no more than 1.3 of a text.
func BenchmarkReceivePhoto(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			w, _ := benchWorld(b, benchConversations)
			var n atomic.Int64
			together(b, parallel, func() error {
				i := n.Add(1)
				_, errs := w.db.Receive(b.Context(), shows(w.ch, fmt.Sprint(i%benchConversations), fmt.Sprint(i), photo(fmt.Sprint(i))))
				return errs[0]
			})
		})
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			w, ids := benchWorld(b, benchConversations)
			var n atomic.Int64
			together(b, parallel, func() error {
				_, err := w.db.Accept(b.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: ids[n.Add(1)%benchConversations], Text: "an answer"})
				return err
			})
		})
	}
}

// BenchmarkClaimFinish sends one message of each conversation after another.
func BenchmarkClaimFinish(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			w, ids := benchWorld(b, benchConversations)
			ready := make(chan store.Work, b.N+benchConversations)
			w.db.SetHooks(store.Hooks{Ready: func(list []store.Work) {
				for _, one := range list {
					ready <- one
				}
			}})
			b.StopTimer()
			var n atomic.Int64
			together(b, b.N, func() error {
				_, err := w.db.Accept(b.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: ids[n.Add(1)%benchConversations], Text: "an answer"})
				return err
			})
			b.StartTimer()
			together(b, parallel, func() error {
				work := <-ready
				c := &store.Claim{Job: work.Job.ID, Company: w.company, Grant: w.grant, Deadline: when}
				if err := w.db.Claim(b.Context(), c); err != nil {
					return err
				}
				work.Claimed(c)
				out, err := w.db.Finish(b.Context(), w.outcome(&work, delivered(fmt.Sprint("p", work.Job.ID))))
				for _, next := range out.Next {
					ready <- next
				}
				return err
			})
		})
	}
}

// together runs f b.N times, so many at once.
func together(b *testing.B, parallel int, f func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, parallel)
	for range parallel {
		go func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range parallel {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}
