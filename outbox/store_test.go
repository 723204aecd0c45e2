package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A scene is a real database with one channel, and a count of the jobs that end.
type scene struct {
	*testing.T
	db      *store.DB
	channel *parley.Channel
	prov    *provider
	cfg     Config

	mu   sync.Mutex
	box  *Outbox
	left int           // jobs that have yet to end
	done chan struct{} // closed when none is left
}

func newScene(t *testing.T, db *store.DB) *scene {
	_, company := storetest.Company(t, db, "Ann", "")
	s := &scene{T: t, db: db, channel: storetest.Channel(t, db, company, "1001"), done: make(chan struct{})}
	s.prov = &provider{spec: connector.Spec{Name: "telegram"}, channel: *s.channel}
	s.cfg = Config{Store: db, Clients: s.prov, Grants: storetest.Own(t, db, "a"), Log: quiet(), StopTimeout: 10 * time.Millisecond}
	db.SetHooks(store.Hooks{Ready: s.wake, Events: s.count})
	return s
}

func (s *scene) wake(work []store.Work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != nil {
		s.box.Wake(work)
	}
}

func (s *scene) count(events []parley.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if e.Kind != parley.EventJobExecuted {
			continue
		}
		if s.left--; s.left == 0 {
			close(s.done)
		}
	}
}

// start runs an outbox until the end of the test.
func (s *scene) start() {
	box := New(s.cfg)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = box.Run(ctx)
	}()
	s.Cleanup(func() { stop(); <-ended })
	s.mu.Lock()
	s.box = box
	s.mu.Unlock()
}

// accept stores n messages over a number of conversations, in turn.
func (s *scene) accept(n, conversations int) []parley.JobID {
	s.Helper()
	s.mu.Lock()
	s.left = n
	s.mu.Unlock()
	ids := make([]parley.JobID, n)
	var wg sync.WaitGroup
	for c := range conversations {
		wg.Go(func() {
			var conv parley.ConversationID
			for i := c; i < n; i += conversations {
				in := &store.Accept{Company: s.channel.Company, Channel: s.channel, Conversation: conv, Text: fmt.Sprintf("message %d", i)}
				if conv == 0 {
					in.First = &store.First{External: fmt.Sprint(5000 + c), PublicID: fmt.Sprint(5000 + c), Name: "Ann"}
				}
				got, err := s.db.Accept(s.Context(), in)
				if err != nil {
					s.Error(err)
					return
				}
				ids[i], conv = got.Job.ID, got.Job.Conversation
			}
		})
	}
	wg.Wait()
	return ids
}

func (s *scene) wait(d time.Duration) {
	s.Helper()
	select {
	case <-s.done:
	case <-time.After(d):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Fatalf("%d jobs have not ended after %v", s.left, d)
	}
}

func (s *scene) job(id parley.JobID) parley.Job {
	s.Helper()
	j, err := s.db.Job(s.Context(), s.channel.Company, s.channel.ID, id)
	if err != nil {
		s.Fatal(err)
	}
	return j
}

// order checks that what arrived did so in the order of acceptance, and nothing twice.
func (s *scene) order(got *arrivals) {
	s.Helper()
	got.mu.Lock()
	defer got.mu.Unlock()
	for _, wrong := range got.wrong {
		s.Error(wrong)
	}
}

func TestStoreOrderUnderFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newScene(t, db)
		got := newArrivals(false)
		var mu sync.Mutex
		want := map[string]bool{} // keys of the parts that were taken
		s.prov.send = func(_ context.Context, p connector.Part) (connector.Sent, error) {
			switch rand.IntN(100) {
			case 0:
				return connector.Sent{}, fails(parley.KindUnavailable, "down")
			case 1, 2, 3:
				return connector.Sent{}, throttled(10 * time.Millisecond)
			case 4, 5:
				return connector.Sent{}, fails(parley.KindRejected, "refused")
			case 6, 7:
				got.arrive(p)
				return connector.Sent{}, fails(parley.KindUncertain, "")
			}
			got.arrive(p)
			mu.Lock()
			defer mu.Unlock()
			want[p.Key] = true
			return connector.Sent{ProviderID: "m" + p.Key, Ack: parley.AckSent}, nil
		}
		s.start()
		ids := s.accept(1000, 10)
		s.wait(time.Minute)
		s.order(got)
		states := map[string]int{}
		for _, id := range ids {
			j := s.job(id)
			states[string(j.State)+" "+j.Reason]++
			if taken := want[fmt.Sprintf("%d.0", id)]; taken != (j.State == parley.JobDelivered) {
				t.Errorf("job %d is %s; taken by the provider: %t", id, j.State, taken)
			}
		}
		if states["delivered "] < 800 || states["not_delivered refused"] == 0 || states["not_delivered "+parley.UnknownOutcome] == 0 {
			t.Errorf("ended as %v", states)
		}
	})
}

// TestStoreKill abandons an outbox in the middle of its sends and starts another
// under a new term, at a time when the deadlines have passed.
func TestStoreKill(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"no key": false, "key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) { kill(t, db, keyed) })
		})
	}
}

func kill(t *testing.T, db *store.DB, keyed bool) {
	s := newScene(t, db)
	s.prov.spec.Keyed = keyed
	got := newArrivals(keyed)
	stuck := make(chan parley.JobID, 100)
	calls := 0
	s.prov.send = func(ctx context.Context, p connector.Part) (connector.Sent, error) {
		got.arrive(p)
		got.mu.Lock()
		calls++
		n := calls
		got.mu.Unlock()
		if n > 20 { // the answer never comes
			stuck <- p.Message.Job
			<-ctx.Done()
			return connector.Sent{}, fails(parley.KindUncertain, "cut")
		}
		return connector.Sent{ProviderID: "m" + p.Key}, nil
	}
	s.start()
	ids := s.accept(200, 10)
	var lost []parley.JobID
	for range 10 { // one for each conversation
		lost = append(lost, <-stuck)
	}
	s.takeOver(got)
	s.wait(time.Minute)
	s.order(got)
	for _, id := range ids {
		j := s.job(id)
		state, reason := parley.JobDelivered, ""
		if slices.Contains(lost, id) && !keyed {
			state, reason = parley.JobNotDelivered, parley.UnknownOutcome
		}
		if j.State != state || j.Reason != reason {
			t.Errorf("job %d: got %s %q, want %s %q", id, j.State, j.Reason, state, reason)
		}
	}
}

// takeOver starts a second outbox beside the first, which still believes in its term.
func (s *scene) takeOver(got *arrivals) {
	next := &provider{spec: s.prov.spec, channel: s.prov.channel}
	next.send = func(_ context.Context, p connector.Part) (connector.Sent, error) {
		got.arrive(p)
		return connector.Sent{ProviderID: "m" + p.Key}, nil
	}
	s.cfg.Clients, s.cfg.Grants = next, storetest.Own(s, s.db, "b")
	s.cfg.Now = func() time.Time { return time.Now().Add(time.Minute) }
	s.start()
}
