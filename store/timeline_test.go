package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

func (w *world) timeline(conv parley.ConversationID, id parley.MessageID) store.Timeline {
	w.t.Helper()
	tl, err := w.db.Timeline(w.t.Context(), w.company, conv, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return tl
}

// events are the events of a timeline, with their states.
func told(tl store.Timeline) []string {
	var all []string
	for _, e := range tl.Events {
		text := fmt.Sprint(e.Seq, " ", e.Kind)
		for _, s := range e.To {
			text += fmt.Sprint(" ", s.Progress)
		}
		all = append(all, text)
	}
	return all
}

// TestTimeline follows an own message from accept to its receipts.
func TestTimeline(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setURL("https://example.com/a")
		conv := w.talk("1") // events 1 and 2
		other := w.talk("2")
		accepted := c.now()
		job := w.say(conv, "x")
		fresh := w.timeline(conv, job.Message)
		if fresh.Job.State != parley.JobReady || !fresh.ClaimedAt.IsZero() || fresh.Delivered || len(fresh.Events)+len(fresh.Attempts) > 0 {
			t.Errorf("accepted: %+v", fresh)
		}
		c.add(time.Minute)
		throttled := store.Finish{Result: store.Retry, At: c.now(), Kind: parley.KindThrottled, Reason: "told to wait"}
		work := w.claim(job.ID)
		c.add(time.Second)
		w.finish(work, throttled)
		c.add(time.Minute)
		work = w.claim(job.ID)
		if got := w.timeline(conv, job.Message); !got.ClaimedAt.Equal(c.now()) || got.Job.State != parley.JobSending {
			t.Errorf("claimed: %+v", got)
		}
		c.add(time.Second)
		w.finish(work, delivered("p1"))
		w.ack("1", "p1", parley.AckRead)
		got := w.timeline(conv, job.Message)
		want := []store.JobAttempt{{Number: 1, Result: store.Retry, Kind: parley.KindThrottled, Reason: "told to wait",
			ClaimedAt: accepted.Add(time.Minute), EndedAt: accepted.Add(time.Minute + time.Second)}}
		if diff := cmp.Diff(want, got.Attempts); diff != "" {
			t.Errorf("attempts:\n%s", diff)
		}
		if !got.Delivered || got.Message.ProviderID != "p1" || got.Message.Ack != parley.AckRead || !got.Job.DoneAt.Equal(c.now()) || !got.ClaimedAt.Equal(c.now().Add(-time.Second)) {
			t.Errorf("delivered: %+v", got)
		}
		if diff := cmp.Diff([]string{"5 message/new waiting", "6 job/executed waiting", "7 message/ack waiting"}, told(got)); diff != "" {
			t.Errorf("events:\n%s", diff)
		}
		for name, conversation := range map[string]parley.ConversationID{"another conversation": other, "none": 1 << 50} {
			_, err := w.db.Timeline(t.Context(), w.company, conversation, job.Message)
			wantKind(t, name, err, parley.KindNotFound)
		}
		_, err := w.db.Timeline(t.Context(), w.company+1, conv, job.Message)
		wantKind(t, "another company", err, parley.KindNotFound)
	})
}

// TestTimelineWebhooks tells where each event is on its way to each endpoint.
func TestTimelineWebhooks(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setURL("https://example.com/a")
		conv := w.talk("1")
		job := w.say(conv, "x")
		w.finish(w.claim(job.ID), delivered("p1"))
		w.ack("1", "p1", parley.AckRead) // events 3, 4 and 5
		second := w.addEndpoint("https://example.com/b", parley.EventJobExecuted)
		c.add(time.Second)
		w.addEndpoint("https://example.com/c") // after the events
		attempt := parley.Attempt{Seq: 3, Number: 1, Status: 500, Reason: "answered 500", Took: 7 * time.Millisecond}
		steps := []struct {
			name string
			do   store.Delivery
			want []string
		}{
			{"nothing yet", store.Delivery{}, []string{"3 message/new waiting", "4 job/executed waiting delivered", "5 message/ack waiting"}},
			{"failed once", store.Delivery{Cursor: 5, Attempt: &attempt, Block: &parley.BlockedStream{Stream: conv.Stream(), Head: 3, Attempt: 1, NextAt: when}},
				[]string{"3 message/new blocked", "4 job/executed waiting delivered", "5 message/ack waiting"}},
			{"given up", store.Delivery{Park: &parley.DeadLetter{Seq: 3, Attempts: 2}, Block: &parley.BlockedStream{Stream: conv.Stream(), Head: 4}},
				[]string{"3 message/new parked", "4 job/executed waiting delivered", "5 message/ack waiting"}},
			{"went on", store.Delivery{Unblock: conv.Stream()}, []string{"3 message/new parked", "4 job/executed delivered delivered", "5 message/ack delivered"}},
			{"replayed", store.Delivery{Replayed: &store.Replayed{Seq: 3, OK: true}},
				[]string{"3 message/new delivered", "4 job/executed delivered delivered", "5 message/ack delivered"}},
		}
		for _, s := range steps {
			w.deliver(s.do)
			if diff := cmp.Diff(s.want, told(w.timeline(conv, job.Message))); diff != "" {
				t.Errorf("%s:\n%s", s.name, diff)
			}
		}
		attempt.Endpoint, attempt.Company, attempt.At = w.endpoint().ID, w.company, c.now()
		if diff := cmp.Diff([]parley.Attempt{attempt}, w.timeline(conv, job.Message).Webhooks); diff != "" {
			t.Errorf("attempts:\n%s", diff)
		}
		if second.Cursor != 5 {
			t.Errorf("cursor %d", second.Cursor)
		}
	})
}

// TestTimelineBeforeAddress: an endpoint that has got an address later was never
// sent what is older.
func TestTimelineBeforeAddress(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setURL("https://example.com/a")
		w.setURL("")
		job := w.say(w.talk("1"), "x")
		w.finish(w.claim(job.ID), delivered("p1"))
		c.add(time.Second)
		w.setURL("https://example.com/b")
		if diff := cmp.Diff([]string{"3 message/new", "4 job/executed"}, told(w.timeline(job.Conversation, job.Message))); diff != "" {
			t.Error(diff)
		}
		c.add(time.Second)
		w.setURL("https://example.com/c")
		if got := w.endpoint().CreatedAt; !got.Equal(c.now().Add(-time.Second)) {
			t.Errorf("another address moved created_at to %v", got)
		}
	})
}

// TestTimelineFailed: the end of a job that failed names no message, and is found
// all the same; that of another job is not.
func TestTimelineFailed(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		conv := w.talk("1")
		first, second := w.say(conv, "a"), w.say(conv, "b")
		w.finish(w.work(first.ID), failed("expired"))
		f := failed("blocked")
		f.Kind = parley.KindUnreachable
		w.finish(w.claim(second.ID), f)
		for _, want := range []struct {
			job     parley.Job
			event   string
			kind    parley.Kind
			claimed bool
		}{{first, "3 job/executed", "", false}, {second, "4 job/executed", parley.KindUnreachable, true}} {
			got := w.timeline(conv, want.job.Message)
			if diff := cmp.Diff([]string{want.event}, told(got)); diff != "" {
				t.Errorf("events:\n%s", diff)
			}
			if len(got.Attempts) != 1 || got.Attempts[0].Kind != want.kind || got.Attempts[0].ClaimedAt.IsZero() == want.claimed || got.Attempts[0].Result != store.Failed {
				t.Errorf("attempts: %+v", got.Attempts)
			}
		}
	})
}

// TestTimelineFinds finds the events of messages in the middle of a log, by the
// time when they were made.
func TestTimelineFinds(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		conv := w.talk("1")
		var ids []parley.MessageID
		for n := range 40 {
			c.add(2 * time.Minute)
			said := says(w.ch, "1", fmt.Sprint("n", n), "x")
			said.Event.At = c.now()
			ids = append(ids, receive(t, w.db, said)[0].Message)
			w.talk(fmt.Sprint("other", n))
		}
		for n, id := range ids {
			if diff := cmp.Diff([]string{fmt.Sprint(3+3*n, " message/new")}, told(w.timeline(conv, id))); diff != "" {
				t.Errorf("message %d:\n%s", n, diff)
			}
		}
		w.clean(store.KeptEvents, c.now())
		if got := w.timeline(conv, ids[0]); len(got.Events) != 0 || got.Message.ID != ids[0] {
			t.Errorf("after the clean-up: %+v", got)
		}
	})
}

// TestJobAttemptsAreBounded: a job that is put off for ever does not fill the table.
func TestJobAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		job := w.say(w.talk("1"), "x")
		for n := range 103 {
			w.finish(w.claim(job.ID), store.Finish{Result: store.Retry, At: when, Reason: fmt.Sprint("wait ", n+1)})
		}
		got := w.timeline(job.Conversation, job.Message).Attempts
		if len(got) != 100 || got[98].Reason != "wait 99" || got[99].Reason != "wait 103" {
			t.Errorf("%d attempts, the last two %+v", len(got), got[len(got)-2:])
		}
	})
}
