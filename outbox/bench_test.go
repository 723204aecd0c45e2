package outbox

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// endless is a store whose conversations never run out of jobs, and which costs
// next to nothing.
type endless struct {
	*memory
	last  atomic.Int64
	left  atomic.Int64
	ended chan struct{}
}

func (e *endless) Claim(context.Context, *store.Claim) error { return nil }

func (e *endless) Finish(_ context.Context, f *store.Finish) (store.Finished, error) {
	if e.left.Add(-1) == 0 {
		close(e.ended)
	}
	if e.left.Load() <= 0 {
		return store.Finished{}, nil
	}
	next := *f.Work
	next.Job.ID, next.Job.State = parley.JobID(e.last.Add(1)), parley.JobReady
	return store.Finished{Next: []store.Work{next}}, nil
}

type nothing struct{ spec connector.Spec }

func (n *nothing) Client(context.Context, parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	return &benchChannel, n, n.spec, nil
}

func (n *nothing) Plan(m *parley.Message) ([]connector.Part, error) {
	return []connector.Part{{Message: m, Text: m.Text}}, nil
}

func (n *nothing) Send(context.Context, connector.Part) (connector.Sent, error) {
	return connector.Sent{ProviderID: "1", Ack: parley.AckSent}, nil
}

var benchChannel = parley.Channel{ID: testChannel, Company: testCompany, State: parley.ChannelEnabled}

// BenchmarkPart measures what one part costs from its turn to the next of its
// conversation, the store and the provider apart.
func BenchmarkPart(b *testing.B) {
	for _, bc := range []struct {
		name          string
		conversations int
		pace          connector.Pace
	}{
		{"1 conversation", 1, connector.Pace{}},
		{"1000 conversations", 1000, connector.Pace{}},
		{"1000 conversations, paced", 1000, connector.Pace{PerSecond: 1e9, Burst: 1e9, ChatPerSecond: 1e9, ChatBurst: 1e9}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			e := &endless{memory: newMemory(b), ended: make(chan struct{})}
			e.last.Store(int64(bc.conversations))
			e.left.Store(int64(b.N))
			box := New(Config{Store: e, Clients: &nothing{connector.Spec{Pace: bc.pace}}, Grants: e.memory, Log: quiet(), Pace: true, Queue: 2000})
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = box.Run(ctx) }()
			for !ready(box) {
				runtime.Gosched()
			}
			b.ResetTimer()
			for c := range parley.ConversationID(bc.conversations) {
				w := newWork(1+c, "hello")
				w.Job.ID, w.Job.State, w.Job.CreatedAt = parley.JobID(1+c), parley.JobReady, time.Now()
				box.Wake([]store.Work{w})
			}
			<-e.ended
			b.StopTimer()
			stop()
			<-ended
		})
	}
}

func ready(o *Outbox) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running
}
