package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A world is a database with one company, one channel, and a node that owns it.
type world struct {
	t       testing.TB
	db      *store.DB
	user    parley.UserID
	company parley.CompanyID
	ch      *parley.Channel
	grant   parley.Grant
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db}
	w.user, w.company = storetest.Company(t, db, "acme", "")
	w.ch = storetest.Channel(t, db, w.company, "100")
	w.own("node-1")
	return w
}

// own makes a node the owner, under a new term.
func (w *world) own(node string) {
	w.t.Helper()
	list, err := w.db.TakeShards(w.t.Context(), node, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range list {
		if g.Shard == w.company.Shard() {
			w.grant = g
		}
	}
}

// eachWorld runs f in a fresh world on each database.
func eachWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newWorld(t, db)) })
}

// talk makes a conversation with a person by letting them write.
func (w *world) talk(person string) parley.ConversationID {
	w.t.Helper()
	return receive(w.t, w.db, says(w.ch, person, "hello-"+person, "hello"))[0].Conversation
}

func (w *world) accept(a store.Accept) store.Accepted {
	w.t.Helper()
	a.Company, a.Channel = w.company, w.ch
	out, err := w.db.Accept(w.t.Context(), &a)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) say(to parley.ConversationID, text string) parley.Job {
	w.t.Helper()
	return w.accept(store.Accept{Conversation: to, Text: text}).Job
}

// work reads an open job of the channel.
func (w *world) work(id parley.JobID) *store.Work {
	w.t.Helper()
	list, err := w.db.OpenWork(w.t.Context(), w.ch.ID, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for n := range list {
		if list[n].Job.ID == id {
			return &list[n]
		}
	}
	w.t.Fatalf("job %d is not open", id)
	return nil
}

func (w *world) job(id parley.JobID) parley.Job {
	w.t.Helper()
	j, err := w.db.Job(w.t.Context(), w.company, w.ch.ID, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func (w *world) claimOf(id parley.JobID, plan ...store.Planned) (*store.Work, *store.Claim) {
	w.t.Helper()
	work := w.work(id)
	return work, &store.Claim{Job: id, Company: w.company, Grant: w.grant, Part: work.Job.Part, Plan: plan, Deadline: when.Add(time.Duration(id) * time.Hour)}
}

// texts is a plan of texts alone.
func texts(parts ...string) []store.Planned {
	var plan []store.Planned
	for _, t := range parts {
		plan = append(plan, store.Planned{Text: t})
	}
	return plan
}

// claim claims an open job and returns its work.
func (w *world) claim(id parley.JobID, plan ...string) *store.Work {
	w.t.Helper()
	work, c := w.claimOf(id, texts(plan...)...)
	if err := w.db.Claim(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	work.Claimed(c)
	return work
}

func (w *world) outcome(work *store.Work, f store.Finish) *store.Finish {
	f.Work, f.Grant, f.Parts = work, w.grant, max(1, len(work.Plan))
	return &f
}

func (w *world) finish(work *store.Work, f store.Finish) store.Finished {
	w.t.Helper()
	out, err := w.db.Finish(w.t.Context(), w.outcome(work, f))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func delivered(id string) store.Finish {
	return store.Finish{Result: store.Delivered, Sent: connector.Sent{ProviderID: id, Ack: parley.AckSent}}
}

func failed(reason string) store.Finish { return store.Finish{Result: store.Failed, Reason: reason} }

// log is the kinds of the company's events, without those of the channel's start.
func (w *world) log() string { return kinds(w.t, w.db, w.company) }

func (w *world) wantLog(want string) {
	w.t.Helper()
	if got := w.log(); got != want {
		w.t.Errorf("events\n got %s\nwant %s", got, want)
	}
}

// wantKind fails unless err is of a kind.
func wantKind(t testing.TB, what string, err error, want parley.Kind) {
	t.Helper()
	if got := parley.KindOf(err); got != want {
		t.Errorf("%s: error %v of kind %q, want %q", what, err, got, want)
	}
}

// texts are the listed messages of a conversation, with their acks.
func (w *world) texts(id parley.ConversationID) string {
	w.t.Helper()
	list, err := w.db.Messages(w.t.Context(), id, store.Page{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, m := range list {
		all = append(all, fmt.Sprintf("%s:%d", m.Text, m.Ack))
	}
	return strings.Join(all, " ")
}

const heard = "conversation/new message/new"

func TestJobLife(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		first, second := w.say(conv, "a"), w.say(conv, "b")
		if first.State != parley.JobReady || second.State != parley.JobWaiting {
			t.Fatalf("states %s, %s; want ready, waiting", first.State, second.State)
		}
		if first.Lane != parley.LaneReply {
			t.Errorf("lane %d, want that of replies", first.Lane)
		}
		work := w.claim(first.ID)
		if j := w.job(first.ID); j.State != parley.JobSending || j.Attempt != 1 || j.Crashes != 1 || j.Term != w.grant.Term {
			t.Errorf("claimed job %+v", j)
		}
		if w.texts(conv) != "hello:1" {
			t.Error("an undelivered message is listed")
		}
		out := w.finish(work, delivered("p1"))
		if len(out.Next) != 1 || out.Next[0].Job.ID != second.ID || out.Next[0].Job.State != parley.JobReady || out.Next[0].Chat != "1" {
			t.Fatalf("next %+v, want the second job ready", out.Next)
		}
		if diff := cmp.Diff(w.job(first.ID), withoutDeadline(out.Job)); diff != "" {
			t.Errorf("job in the rows and as returned:\n%s", diff)
		}
		w.finish(w.claim(second.ID), failed("no"))
		if j := w.job(second.ID); j.State != parley.JobNotDelivered || j.Reason != "no" || j.DoneAt.IsZero() {
			t.Errorf("failed job %+v", j)
		}
		w.wantLog(heard + " message/new job/executed job/executed")
		if got, want := w.texts(conv), "hello:1 a:1"; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
		list := events(t, w.db, w.company)
		if body := string(list[3].Body); !strings.Contains(body, fmt.Sprintf(`"message_id":%d`, first.Message)) {
			t.Errorf("job/executed %s lacks the message", body)
		}
		if body := string(list[4].Body); !strings.Contains(body, `"message_id":null,"reason":"no"`) {
			t.Errorf("job/executed %s lacks the reason", body)
		}
	})
}

func withoutDeadline(j parley.Job) parley.Job {
	j.Deadline = j.Deadline.Truncate(time.Millisecond)
	return j
}

func TestParts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job, after := w.say(conv, "one two three"), w.say(conv, "next")
		plan := []string{"one", "two", "three"}
		out := w.finish(w.claim(job.ID, plan...), delivered("p1"))
		if len(out.Next) != 1 || out.Next[0].Job.ID != job.ID || out.Next[0].Job.Part != 1 || out.Next[0].PartText() != "two" {
			t.Fatalf("next %+v, want part 1 of the same job", out.Next)
		}
		if j := w.job(job.ID); j.State != parley.JobReady || j.Attempt != 0 || j.Crashes != 0 {
			t.Errorf("between parts: %+v", j)
		}
		if work := w.work(job.ID); cmp.Diff(work.Plan, texts(plan...)) != "" || work.PartText() != "two" {
			t.Errorf("plan read back %v, text %q", work.Plan, work.PartText())
		}
		out = w.finish(w.claim(job.ID), failed("part 2 of 3: refused"))
		if len(out.Next) != 1 || out.Next[0].Job.ID != after.ID {
			t.Errorf("next %+v, want the next job", out.Next)
		}
		if got, want := w.texts(conv), "hello:1 one:1"; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
		w.wantLog(heard + " message/new job/executed")
	})
}

func TestAllParts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job := w.say(conv, "one two")
		w.finish(w.claim(job.ID, "one", "two"), delivered("p1"))
		out := w.finish(w.claim(job.ID), delivered("p2"))
		if out.Job.State != parley.JobDelivered || len(out.Next) != 0 {
			t.Errorf("after the last part: %+v", out)
		}
		if got, want := w.texts(conv), "hello:1 one:1 two:1"; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
		w.wantLog(heard + " message/new message/new job/executed")
		list := events(t, w.db, w.company)
		if want := fmt.Sprintf(`"message_id":%d`, job.Message); !strings.Contains(string(list[4].Body), want) {
			t.Errorf("job/executed %s: want the first message, %s", list[4].Body, want)
		}
	})
}

func TestRetry(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		job := w.say(w.talk("1"), "a")
		at := when.Add(time.Hour)
		for n, tt := range []struct {
			spent bool
			want  int
		}{{false, 0}, {true, 1}, {false, 1}, {true, 2}} {
			out := w.finish(w.claim(job.ID), store.Finish{Result: store.Retry, At: at, Spent: tt.spent})
			j := w.job(job.ID)
			if j.Attempt != tt.want || j.State != parley.JobReady || !j.ReadyAt.Equal(at) || j.Crashes != 0 {
				t.Errorf("step %d: %+v, want attempt %d, ready at %s", n, j, tt.want, at)
			}
			if len(out.Next) != 1 || out.Next[0].Job.ID != job.ID {
				t.Errorf("step %d: next %+v", n, out.Next)
			}
		}
		w.wantLog(heard)
	})
}

func TestClaimConflicts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job, waiting := w.say(conv, "a"), w.say(conv, "b")
		_, c := w.claimOf(job.ID)
		old := *c
		old.Grant.Term--
		wantKind(t, "old term", w.db.Claim(t.Context(), &old), parley.KindConflict)
		unknown := *c
		unknown.Job = 1 << 50
		wantKind(t, "unknown job", w.db.Claim(t.Context(), &unknown), parley.KindConflict)
		ahead := *c
		ahead.Job = waiting.ID
		wantKind(t, "waiting job", w.db.Claim(t.Context(), &ahead), parley.KindConflict)
		second := *c
		second.Deadline = c.Deadline.Add(time.Minute)
		errs := store.Claims(w.db, c, &second)
		wantKind(t, "first of a batch", errs[0], "")
		wantKind(t, "second of a batch", errs[1], parley.KindConflict)
		if j := w.job(job.ID); !j.Deadline.Equal(c.Deadline) || j.Attempt != 1 {
			t.Errorf("job %+v was claimed by the one that was refused", j)
		}
		for range 2 {
			wantKind(t, "later", w.db.Claim(t.Context(), c), parley.KindConflict)
		}
	})
}

func TestFinishConflicts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		work := w.claim(w.say(conv, "a").ID)
		stale := *work
		f := w.outcome(work, delivered("p1"))
		f.Grant.Term--
		_, err := w.db.Finish(t.Context(), f)
		wantKind(t, "old term", err, parley.KindConflict)

		w.finish(work, store.Finish{Result: store.Retry, At: when, Spent: false})
		again, c := w.claimOf(work.Job.ID)
		c.Deadline = c.Deadline.Add(time.Minute)
		if err := w.db.Claim(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		again.Claimed(c)
		_, err = w.db.Finish(t.Context(), w.outcome(&stale, failed("stale")))
		wantKind(t, "attempt before", err, parley.KindConflict)

		errs := store.Finishes(w.db, w.outcome(again, delivered("p1")), w.outcome(again, failed("second")))
		wantKind(t, "first of a batch", errs[0], "")
		wantKind(t, "second of a batch", errs[1], parley.KindConflict)
		if j := w.job(work.Job.ID); j.State != parley.JobDelivered || j.Reason != "" {
			t.Errorf("job %+v, want what the first outcome said", j)
		}
		_, err = w.db.Finish(t.Context(), w.outcome(again, delivered("p1")))
		wantKind(t, "later", err, parley.KindConflict)
		w.wantLog(heard + " message/new job/executed")
	})
}

// TestFinishSpentAttempt refuses the outcome of an attempt that differs from the
// present one in its number alone.
func TestFinishSpentAttempt(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		work := w.claim(w.say(w.talk("1"), "a").ID)
		stale := *work
		w.finish(work, store.Finish{Result: store.Retry, At: when, Spent: true})
		w.claim(work.Job.ID) // the same deadline
		_, err := w.db.Finish(t.Context(), w.outcome(&stale, failed("stale")))
		wantKind(t, "attempt before", err, parley.KindConflict)
	})
}

// TestFinishCrash counts claims that nobody knows the end of; any known outcome
// starts the count anew.
func TestFinishCrash(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		work := w.claim(w.say(w.talk("1"), "a").ID)
		for n := 1; n <= 3; n++ {
			if work.Job.Crashes != n {
				t.Fatalf("crashes %d after claim %d", work.Job.Crashes, n)
			}
			w.finish(work, store.Finish{Result: store.Retry, At: when, Spent: true, Crash: true})
			work = w.claim(work.Job.ID)
		}
		w.finish(work, store.Finish{Result: store.Retry, At: when, Spent: true})
		if work = w.claim(work.Job.ID); work.Job.Crashes != 1 {
			t.Errorf("crashes %d after a known outcome, want 1", work.Job.Crashes)
		}
	})
}

// TestClaimOfAnotherPart refuses news that is out of date: the part was sent.
func TestClaimOfAnotherPart(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		work := w.claim(w.say(w.talk("1"), "a b").ID, "a", "b")
		w.finish(work, store.Finish{Result: store.Delivered, Parts: 2, Sent: connector.Sent{ProviderID: "p1", Ack: parley.AckSent}})
		c := store.Claim{Job: work.Job.ID, Company: w.company, Grant: w.grant, Part: 0, Deadline: when}
		wantKind(t, "part 0 again", w.db.Claim(t.Context(), &c), parley.KindConflict)
		c.Part = 1
		if err := w.db.Claim(t.Context(), &c); err != nil {
			t.Errorf("part 1: %v", err)
		}
	})
}

// TestEndUnclaimed ends jobs that were never claimed, the waiting one first.
func TestEndUnclaimed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		a, b, c := w.say(conv, "a"), w.say(conv, "b"), w.say(conv, "c")
		if out := w.finish(w.work(b.ID), failed("expired")); len(out.Next) != 0 {
			t.Errorf("next %+v, want none: the head is still open", out.Next)
		}
		out := w.finish(w.work(a.ID), failed("expired"))
		if len(out.Next) != 1 || out.Next[0].Job.ID != c.ID {
			t.Errorf("next %+v, want the third", out.Next)
		}
		w.wantLog(heard + " job/executed job/executed")
	})
}

func TestFirstMessage(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		first := &store.First{External: "79", PublicID: "79", Name: "Ann"}
		out := w.accept(store.Accept{First: first, Text: "a"})
		again := w.accept(store.Accept{First: first, Text: "b"})
		if out.Known || again.Known || out.Job.Lane != parley.LaneFirst || again.Job.Conversation != out.Job.Conversation {
			t.Fatalf("accepted %+v and %+v", out, again)
		}
		if again.Job.State != parley.JobWaiting {
			t.Errorf("second job is %s, want waiting", again.Job.State)
		}
		list, err := w.db.Conversations(t.Context(), w.company, store.Page{Limit: 10})
		if err != nil || len(list) != 0 {
			t.Errorf("listed %v, %v; want none before the first delivery", list, err)
		}
		w.finish(w.claim(out.Job.ID), failed("unknown number"))
		w.wantLog("job/executed")
		w.finish(w.claim(again.Job.ID), delivered("p1"))
		w.wantLog("job/executed conversation/new message/new job/executed")
		list, err = w.db.Conversations(t.Context(), w.company, store.Page{Limit: 10})
		if err != nil || len(list) != 1 || list[0].Name != "Ann" || list[0].LastMessage.IsZero() {
			t.Errorf("listed %+v, %v; want the conversation", list, err)
		}
		if third := w.accept(store.Accept{First: first, Text: "c"}); !third.Known || third.Job.Lane != parley.LaneBulk {
			t.Errorf("a third message: %+v, want a known conversation and the bulk lane", third)
		}
	})
}

// TestMoved follows a conversation to the id that the provider has given it.
func TestMoved(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		out := w.accept(store.Accept{First: &store.First{External: "old", PublicID: "79", Name: "Ann"}, Text: "a b"})
		f := delivered("p1")
		f.Sent.Chat = "new"
		done := w.finish(w.claim(out.Job.ID, "a", "b"), f)
		if len(done.Next) != 1 || done.Next[0].Chat != "new" {
			t.Errorf("the next part goes to %+v, want the new id", done.Next)
		}
		w.finish(w.claim(out.Job.ID), delivered("p2"))
		got := receive(t, w.db, says(w.ch, "new", "10", "hi"))
		if got[0].Conversation != out.Job.Conversation {
			t.Errorf("what the new id says is in conversation %d, want %d", got[0].Conversation, out.Job.Conversation)
		}
		ready := make(chan store.Work, 1)
		w.db.SetHooks(store.Hooks{Ready: func(list []store.Work) { ready <- list[0] }})
		w.say(out.Job.Conversation, "c")
		if work := <-ready; work.Chat != "new" {
			t.Errorf("a later message goes to %q, want the new id", work.Chat)
		}
	})
}

func TestAcceptForeign(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		_, other := storetest.Company(t, w.db, "other", "")
		ch := storetest.Channel(t, w.db, other, "200")
		_, err := w.db.Accept(t.Context(), &store.Accept{Company: other, Channel: ch, Conversation: conv, Text: "x"})
		wantKind(t, "another company's conversation", err, parley.KindNotFound)
		_, err = w.db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: 1 << 50, Text: "x"})
		wantKind(t, "no conversation", err, parley.KindNotFound)
	})
}
