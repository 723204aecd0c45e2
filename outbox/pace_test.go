package outbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func TestBackOffSchedule(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(context.Context, connector.Part) (connector.Sent, error) {
			return connector.Sent{}, fails(parley.KindUnavailable, "down")
		}
		w.start()
		id := w.accept(1, "hello")
		second := w.accept(1, "and more")
		w.pass(25 * time.Hour)
		want := time.Second
		seen := w.prov.of(id)
		for i := range seen[1:] {
			if gap := seen[i+1].at.Sub(seen[i].at); gap < want || gap > want*5/4+2*time.Millisecond {
				t.Fatalf("pause %d: got %v, want %v to a quarter more", i+1, gap, want)
			}
			want = min(2*want, 4*time.Minute)
		}
		if len(seen) < 24*12 {
			t.Errorf("got %d tries in a day, want at least one in 5 min", len(seen))
		}
		w.want(id, parley.JobNotDelivered, "expired")
		w.want(second, parley.JobNotDelivered, "expired")
		if late := w.mem.job(id).DoneAt.Sub(w.mem.job(id).CreatedAt) - 24*time.Hour; late < 0 || late > 10*time.Second {
			t.Errorf("expired %v late", late)
		}
	})
}

func TestRetryAfterOfUnavailable(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(&parley.Error{Kind: parley.KindUnavailable, RetryAfter: time.Minute})
		w.start()
		id := w.accept(1, "hello")
		w.pass(59 * time.Second)
		w.wantSends(id, 1)
		w.pass(2 * time.Second)
		w.wantSends(id, 2)
	})
}

func throttled(d time.Duration) error {
	return &parley.Error{Kind: parley.KindThrottled, RetryAfter: d}
}

func TestThrottledConversation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(throttled(20 * time.Second))
		w.start()
		id := w.accept(1, "hello")
		synctest.Wait()
		w.prov.set(func() { w.prov.send = nil })
		other := w.accept(2, "hello")
		synctest.Wait()
		w.want(other, parley.JobDelivered, "")
		w.pass(19 * time.Second)
		w.wantSends(id, 1)
		w.pass(7 * time.Second)
		w.want(id, parley.JobDelivered, "")
		if n := w.mem.job(id).Attempt; n != 1 {
			t.Errorf("%d attempts spent, want that of the delivery alone", n)
		}
	})
}

func TestThrottledChannel(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(throttled(20 * time.Second))
		w.start()
		for c := range parley.ConversationID(3) {
			w.accept(1+c, "hello")
		}
		synctest.Wait()
		w.prov.set(func() { w.prov.send = nil })
		other := w.accept(9, "hello")
		w.pass(19 * time.Second)
		w.wantSends(other, 0)
		w.pass(2 * time.Second)
		w.wantSends(other, 1)
	})
}

func TestCircuit(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.ChannelSends = 4
		down := func(context.Context, connector.Part) (connector.Sent, error) {
			return connector.Sent{}, fails(parley.KindUnavailable, "down")
		}
		w.prov.send = down
		w.start()
		var ids []parley.JobID
		for c := range parley.ConversationID(100) {
			ids = append(ids, w.accept(1+c, "hello"))
		}
		w.pass(5 * time.Minute)
		seen := w.prov.seen()
		if len(seen) < 12 || len(seen) > 25 {
			t.Errorf("got %d sends to a provider that is down, want some failures and then a probe now and then", len(seen))
		}
		for i := range seen[8:] {
			if i > 0 && seen[8+i].at.Sub(seen[7+i].at) > 31*time.Second {
				t.Errorf("probe %d came after %v", i, seen[8+i].at.Sub(seen[7+i].at))
			}
			if i > 6 && seen[8+i].at.Sub(seen[7+i].at) < 25*time.Second {
				t.Errorf("probe %d came after only %v", i, seen[8+i].at.Sub(seen[7+i].at))
			}
		}
		spent := 0
		for _, id := range ids {
			spent += w.mem.job(id).Attempt
		}
		if spent != len(seen) {
			t.Errorf("%d attempts spent by %d sends", spent, len(seen))
		}
		w.prov.set(func() { w.prov.send = nil })
		w.pass(31 * time.Second)
		if n := len(w.prov.seen()) - len(seen); n < 80 {
			t.Errorf("%d sends soon after the provider came back, want all that were not waiting for their next try", n)
		}
		w.pass(6 * time.Minute)
		for _, id := range ids {
			w.want(id, parley.JobDelivered, "")
		}
	})
}

// TestPoisonIsNoCircuit shows that one conversation which always fails does not
// hold up the others.
func TestPoisonIsNoCircuit(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(_ context.Context, p connector.Part) (connector.Sent, error) {
			if p.Message.Conversation == 1 {
				return connector.Sent{}, fails(parley.KindUnavailable, "500")
			}
			return connector.Sent{}, nil
		}
		w.start()
		w.accept(1, "poison")
		w.pass(10 * time.Minute)
		good := w.accept(2, "hello")
		synctest.Wait()
		w.want(good, parley.JobDelivered, "")
	})
}

func TestLanes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.ChannelSends = 1
		w.prov.err = fails(parley.KindUnavailable, "not yet")
		w.start()
		for c := range parley.ConversationID(100) {
			w.accept(1+c, "bulk", inLane(parley.LaneBulk))
			w.accept(1001+c, "reply", inLane(parley.LaneReply))
		}
		synctest.Wait()
		w.prov.set(func() { w.prov.err = nil })
		w.box.Changed(testChannel)
		synctest.Wait()
		bulk := 0
		for i, a := range w.prov.seen() {
			if a.text == "bulk" {
				bulk++
			}
			if i == 99 && bulk != 20 {
				t.Errorf("%d bulk messages among the first 100, want 20", bulk)
			}
		}
		if n := len(w.prov.seen()); n != 200 {
			t.Errorf("got %d sends, want 200", n)
		}
	})
}

func TestFirstMessagesHaveABudget(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cfg.Pace, w.cfg.FirstPerMin, w.cfg.FirstBurst = true, 60, 3
		w.start()
		for c := range parley.ConversationID(100) {
			w.accept(1+c, "first", inLane(parley.LaneFirst))
		}
		reply := w.accept(1000, "reply")
		synctest.Wait()
		w.want(reply, parley.JobDelivered, "")
		if n := len(w.prov.seen()); n != 4 {
			t.Errorf("%d sends at once, want the reply and 3 first messages", n)
		}
		w.pass(10*time.Second + 100*time.Millisecond)
		if n := len(w.prov.seen()); n != 14 {
			t.Errorf("%d sends after 10 s, want 14", n)
		}
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		pace   connector.Pace
		with   func(*store.Work)
		spread int // over so many conversations
		first  int // sends at once
		minute int // and within a minute
	}{
		{"none", connector.Pace{}, func(*store.Work) {}, 1, 200, 200},
		{"channel", connector.Pace{PerSecond: 2, Burst: 5}, func(*store.Work) {}, 200, 5, 125},
		{"conversation", connector.Pace{ChatPerSecond: 1, ChatBurst: 3}, func(*store.Work) {}, 1, 3, 63},
		{"two conversations", connector.Pace{ChatPerSecond: 1, ChatBurst: 3}, func(*store.Work) {}, 2, 6, 126},
		{"group", connector.Pace{ChatPerSecond: 1, ChatBurst: 3, GroupPerMin: 20}, func(w *store.Work) { w.Group = true }, 1, 5, 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.cfg.Pace, w.prov.spec.Pace = true, tc.pace
				w.start()
				for i := range 200 {
					w.accept(parley.ConversationID(1+i%tc.spread), "hello", tc.with)
				}
				w.pass(100 * time.Millisecond)
				if n := len(w.prov.seen()); n != tc.first {
					t.Errorf("%d sends at once, want %d", n, tc.first)
				}
				w.pass(time.Minute)
				if n := len(w.prov.seen()); n < tc.minute*9/10 || n > tc.minute {
					t.Errorf("%d sends in a minute, want %d", n, tc.minute)
				}
			})
		})
	}
}

// TestPacerForgets shows that limiters do not pile up with conversations.
func TestPacerForgets(t *testing.T) {
	t.Parallel()
	p := newPacer(&Config{Pace: true, FirstPerMin: 20, FirstBurst: 5})
	p.set(connector.Pace{ChatPerSecond: 1, ChatBurst: 1})
	now := time.Unix(0, 0)
	for c := range parley.ConversationID(10_000) {
		w := newWork(1+c, "hello")
		p.chat(now, &w)
		now = now.Add(20 * time.Millisecond)
		p.sweep(now)
		if len(p.chats) > 300 {
			t.Fatalf("%d limiters are kept, though only 50 conversations are not at rest", len(p.chats))
		}
	}
	if p.rested(now) {
		t.Error("rested right after a send")
	}
	if !p.rested(now.Add(time.Second)) {
		t.Error("not rested after a second")
	}
}

func TestBackOffBounds(t *testing.T) {
	t.Parallel()
	for n := -1; n < 100; n++ {
		if d := backOff(n); d < time.Second || d > 5*time.Minute {
			t.Errorf("backOff(%d) = %v", n, d)
		}
	}
}
