package store_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func (w *world) key(key, request string) *store.Idempotency {
	return &store.Idempotency{User: w.user, Key: []byte(key), Request: []byte(request), Answer: func(r any) store.Answer {
		j := r.(store.Accepted).Job
		return store.Answer{Status: 200, Body: []byte(strconv.FormatInt(int64(j.ID), 10))}
	}}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		first := w.accept(store.Accept{Conversation: conv, Text: "a", Idempotency: w.key("k", "r1")})
		if first.Saved != nil || first.Job.ID == 0 {
			t.Fatalf("first %+v", first)
		}
		want := fmt.Sprint(first.Job.ID)
		for _, request := range []string{"r1", "r2"} {
			out := w.accept(store.Accept{Conversation: conv, Text: "a", Idempotency: w.key("k", request)})
			if out.Saved == nil || string(out.Saved.Body) != want || string(out.Saved.Request) != "r1" || out.Saved.Status != 200 || out.Job.ID != 0 {
				t.Errorf("repeat with %s: %+v, want the answer %s to r1", request, out, want)
			}
		}
		saved, err := w.db.SavedAnswer(t.Context(), w.user, []byte("k"))
		if err != nil || string(saved.Body) != want {
			t.Errorf("saved %+v, %v", saved, err)
		}
		if none, err := w.db.SavedAnswer(t.Context(), w.user+1, []byte("k")); none != nil || err != nil {
			t.Errorf("another user's key: %+v, %v; want none", none, err)
		}
		open, err := w.db.OpenWork(t.Context(), w.ch.ID, 10)
		if err != nil || len(open) != 1 {
			t.Errorf("%d open jobs, %v; want 1", len(open), err)
		}
	})
}

// TestIdempotencyAtOnce repeats a request while the first one is under way: the
// repeats share its batch.
func TestIdempotencyAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		const callers = 20
		conv := w.talk("1")
		release := holdLane(t, w)
		var wg sync.WaitGroup
		results := make(chan store.Accepted, callers)
		for range callers {
			wg.Go(func() {
				out, err := w.db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "a", Idempotency: w.key("k", "r")})
				if err != nil {
					t.Error(err)
				}
				results <- out
			})
		}
		for store.QueueLen(w.db, w.company) < callers {
			yield()
		}
		release()
		wg.Wait()
		close(results)
		fresh := 0
		answers := map[string]bool{}
		for out := range results {
			if out.Saved == nil {
				fresh++
				answers[fmt.Sprint(out.Job.ID)] = true
				continue
			}
			answers[string(out.Saved.Body)] = true
		}
		if fresh != 1 || len(answers) != 1 {
			t.Errorf("%d accepted, answers %v; want one", fresh, answers)
		}
		open, err := w.db.OpenWork(t.Context(), w.ch.ID, 100)
		if err != nil || len(open) != 1 {
			t.Errorf("%d open jobs, %v; want 1", len(open), err)
		}
	})
}

// TestWorkLists has jobs of all open states in two channels.
func TestWorkLists(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		a, b := w.say(conv, "a"), w.say(conv, "b")
		c := w.say(w.talk("2"), "c")
		stranger := w.accept(store.Accept{First: &store.First{External: "9", PublicID: "9"}, Text: "d"}).Job
		other := *w
		other.ch = storetest.Channel(t, w.db, w.companyWithMore(), "200")
		e := other.say(other.talk("1"), "e")
		w.claim(c.ID)

		ctx, due := t.Context(), time.Now().Add(time.Hour)
		refs, err := w.db.ReadyChannels(ctx)
		if err != nil || len(refs) != 2 || refs[0].ID != w.ch.ID || refs[1].ID != other.ch.ID || refs[0].Company != w.company || refs[0].Provider != "telegram" {
			t.Errorf("ready channels %+v, %v", refs, err)
		}
		ids := func(list []store.Work, err error) []parley.JobID {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
			var all []parley.JobID
			for _, one := range list {
				all = append(all, one.Job.ID)
			}
			return all
		}
		for _, tt := range []struct {
			name string
			got  []parley.JobID
			want []parley.JobID
		}{
			{"ready replies", ids(w.db.ReadyWork(ctx, w.ch.ID, parley.LaneReply, due, 9)), []parley.JobID{a.ID}},
			{"ready first messages", ids(w.db.ReadyWork(ctx, w.ch.ID, parley.LaneFirst, due, 9)), []parley.JobID{stranger.ID}},
			{"ready bulk", ids(w.db.ReadyWork(ctx, w.ch.ID, parley.LaneBulk, due, 9)), nil},
			{"ready, but not due", ids(w.db.ReadyWork(ctx, w.ch.ID, parley.LaneReply, when, 9)), nil},
			{"sending", ids(w.db.SendingWork(ctx, 0, 9)), []parley.JobID{c.ID}},
			{"sending, next page", ids(w.db.SendingWork(ctx, c.ID, 9)), nil},
			{"open", ids(w.db.OpenWork(ctx, w.ch.ID, 9)), []parley.JobID{a.ID, b.ID, c.ID, stranger.ID}},
			{"open, limited", ids(w.db.OpenWork(ctx, w.ch.ID, 2)), []parley.JobID{a.ID, b.ID}},
			{"open of the other", ids(w.db.OpenWork(ctx, other.ch.ID, 9)), []parley.JobID{e.ID}},
		} {
			if !slices.Equal(tt.got, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
			}
		}
		open, err := w.db.OpenChannels(ctx)
		if err != nil || len(open) != 2 || open[0].ID != w.ch.ID || !open[0].Oldest.Equal(a.CreatedAt) || !open[1].Oldest.Equal(e.CreatedAt) {
			t.Errorf("open channels %+v, %v", open, err)
		}
		_, err = w.db.Job(ctx, w.company, other.ch.ID, a.ID)
		wantKind(t, "another channel's job", err, parley.KindNotFound)
	})
}

// companyWithMore lets the company have a second channel of the provider.
func (w *world) companyWithMore() parley.CompanyID {
	w.t.Helper()
	two := 2
	if err := w.db.UpdateCompany(w.t.Context(), w.company, parley.CompanyChange{ChannelsPerProvider: &two}); err != nil {
		w.t.Fatal(err)
	}
	return w.company
}

// TestPromote readies the head of a conversation in which every job waits, and
// leaves alone one whose head is at work.
func TestPromote(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		busy := w.talk("1")
		w.say(busy, "a")
		w.say(busy, "b")
		stuck := w.talk("2")
		head, next := w.say(stuck, "c"), w.say(stuck, "d")
		if list, err := w.db.Promote(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("promoted %+v, %v; want none", list, err)
		}
		err := w.db.Tx(t.Context(), w.company, func(tx *store.Tx) error {
			_, err := tx.Exec("UPDATE job SET state = 'waiting' WHERE id = $1", int64(head.ID))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.db.Promote(t.Context())
		if err != nil || len(list) != 1 || list[0].Job.ID != head.ID || list[0].Job.State != parley.JobReady {
			t.Errorf("promoted %+v, %v; want the head", list, err)
		}
		if j := w.job(next.ID); j.State != parley.JobWaiting {
			t.Errorf("the next job is %s, want waiting", j.State)
		}
	})
}

// TestLanes tells replies from the rest by when the contact last wrote.
func TestLanes(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, clock *clock) {
		conv := w.talk("1")
		if j := w.say(conv, "a"); j.Lane != parley.LaneReply {
			t.Errorf("lane %d right after, want reply", j.Lane)
		}
		clock.add(25 * time.Hour)
		if j := w.say(conv, "b"); j.Lane != parley.LaneBulk {
			t.Errorf("lane %d a day later, want bulk", j.Lane)
		}
		receive(t, w.db, says(w.ch, "1", "11", "again"))
		if j := w.say(conv, "c"); j.Lane != parley.LaneReply {
			t.Errorf("lane %d after they wrote again, want reply", j.Lane)
		}
	})
}

// TestPages walks lists in both directions.
func TestPages(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for n := range 5 {
			receive(t, w.db, says(w.ch, "1", fmt.Sprint(n), fmt.Sprint(n)))
		}
		conv := w.talk("1")
		for _, desc := range []bool{false, true} {
			var got []string
			p := store.Page{Limit: 2, Desc: desc}
			for {
				list, err := w.db.Messages(t.Context(), conv, p)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 0 {
					break
				}
				for _, m := range list {
					got = append(got, m.Text)
				}
				p.After = int64(list[len(list)-1].ID)
			}
			want := []string{"0", "1", "2", "3", "4", "hello"}
			if desc {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("descending %t: got %v, want %v", desc, got, want)
			}
		}
	})
}
