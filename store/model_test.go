package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A modelJob is what a job should look like.
type modelJob struct {
	id      parley.JobID
	text    string
	state   parley.JobState
	part    int
	attempt int
	work    *store.Work // as claimed
}

// A modelConv is what a conversation should look like.
type modelConv struct {
	id        parley.ConversationID
	announced bool
	seen      map[string]bool
	jobs      []*modelJob
	texts     []string
	acks      map[string]parley.Ack // of own messages, by the provider's id
	log       []string
}

// A model is a company as it should be, beside the one in the database.
type model struct {
	*world
	convs map[string]*modelConv
	sent  int // numbers the provider's ids
}

var people = []string{"1", "2", "3"}

const maxParts = 3

func (m *model) conv(person string) *modelConv {
	if m.convs[person] == nil {
		m.convs[person] = &modelConv{seen: map[string]bool{}, acks: map[string]parley.Ack{}}
	}
	return m.convs[person]
}

func (v *modelConv) announce() {
	if !v.announced {
		v.announced, v.log = true, append(v.log, "conversation/new")
	}
}

// head returns the oldest open job, nil if there is none.
func (v *modelConv) head() *modelJob {
	i := slices.IndexFunc(v.jobs, func(j *modelJob) bool { return j.state.Open() })
	if i < 0 {
		return nil
	}
	return v.jobs[i]
}

// receive stores a few messages in one call, some of them again.
func (m *model) receive(t *rapid.T) {
	var in []*store.Receive
	for range rapid.IntRange(1, 4).Draw(t, "batch") {
		in = append(in, says(m.ch, rapid.SampledFrom(people).Draw(t, "person"), fmt.Sprint(rapid.IntRange(1, 12).Draw(t, "id")), "r"))
	}
	out, errs := m.db.Receive(m.t.Context(), in...)
	for n, r := range in {
		if errs[n] != nil {
			t.Fatal(errs[n])
		}
		v := m.conv(r.Event.Chat.ID)
		if out[n].Duplicate != v.seen[r.Event.ID] {
			t.Fatalf("message %s of %s: duplicate %t, want %t", r.Event.ID, r.Event.Chat.ID, out[n].Duplicate, v.seen[r.Event.ID])
		}
		if v.seen[r.Event.ID] {
			continue
		}
		v.seen[r.Event.ID] = true
		if v.id != 0 && out[n].Conversation != v.id {
			t.Fatalf("conversation %d, want %d", out[n].Conversation, v.id)
		}
		v.id = out[n].Conversation
		v.announce()
		v.log, v.texts = append(v.log, "message/new"), append(v.texts, "r:1")
	}
}

func (m *model) accept(t *rapid.T) {
	person := rapid.SampledFrom(people).Draw(t, "person")
	v := m.conv(person)
	in := &store.Accept{Company: m.company, Channel: m.ch, Conversation: v.id, Text: fmt.Sprint("j", len(v.jobs))}
	if v.id == 0 {
		in.First = &store.First{External: person, PublicID: person, Name: "Ann " + person}
	}
	out, err := m.db.Accept(m.t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := parley.JobWaiting
	if v.head() == nil {
		want = parley.JobReady
	}
	if out.Job.State != want || out.Known != v.announced {
		t.Fatalf("accepted %+v; want state %s, known %t", out, want, v.announced)
	}
	v.id = out.Job.Conversation
	v.jobs = append(v.jobs, &modelJob{id: out.Job.ID, text: in.Text, state: want})
}

// claim claims any job, which works for a ready one alone.
func (m *model) claim(t *rapid.T) {
	j := m.anyJob(t)
	if j == nil {
		return
	}
	c := &store.Claim{Job: j.id, Company: m.company, Grant: m.grant, Part: j.part, Deadline: when}
	if j.part == 0 {
		for n := range rapid.IntRange(1, maxParts).Draw(t, "parts") {
			c.Plan = append(c.Plan, store.Planned{Text: fmt.Sprint(j.text, ".", n)})
		}
	}
	var work *store.Work
	if j.state == parley.JobReady {
		work = m.work(j.id)
	}
	err := m.db.Claim(m.t.Context(), c)
	if (err == nil) != (j.state == parley.JobReady) {
		t.Fatalf("claim of a job that is %s: %v", j.state, err)
	}
	if err != nil {
		return
	}
	j.state, j.attempt = parley.JobSending, j.attempt+1
	work.Claimed(c)
	j.work = work
}

func (m *model) anyJob(t *rapid.T) *modelJob {
	jobs := m.conv(rapid.SampledFrom(people).Draw(t, "person")).jobs
	if len(jobs) == 0 {
		return nil
	}
	return jobs[rapid.IntRange(0, len(jobs)-1).Draw(t, "job")]
}

// finish ends the attempt of a claimed job, or tries to end one that is not.
func (m *model) finish(t *rapid.T) {
	person := rapid.SampledFrom(people).Draw(t, "person")
	v := m.conv(person)
	j := v.head()
	if j == nil || j.work == nil {
		return
	}
	m.sent++
	f := &store.Finish{Work: j.work, Grant: m.grant, Result: rapid.SampledFrom([]store.Result{store.Delivered, store.Failed, store.Retry}).Draw(t, "result"),
		Reason: "why", At: when, Spent: rapid.Bool().Draw(t, "spent"), Parts: max(1, len(j.work.Plan)),
		Sent: connector.Sent{ProviderID: fmt.Sprint("p", m.sent), Ack: parley.AckSent}}
	_, err := m.db.Finish(m.t.Context(), f)
	if (err == nil) != (j.state == parley.JobSending) {
		t.Fatalf("outcome of a job that is %s: %v", j.state, err)
	}
	if err == nil {
		v.outcome(j, f)
	}
}

// outcome does in the model what Finish does in the rows.
func (v *modelConv) outcome(j *modelJob, f *store.Finish) {
	switch f.Result {
	case store.Delivered:
		v.announce()
		v.log = append(v.log, "message/new")
		v.acks[f.Sent.ProviderID] = parley.AckSent
		v.texts = append(v.texts, j.work.PartText()+" "+f.Sent.ProviderID)
		j.part, j.attempt, j.state = j.part+1, 0, parley.JobReady
		if j.part == f.Parts {
			j.state = parley.JobDelivered
		}
	case store.Failed:
		j.state = parley.JobNotDelivered
	case store.Retry:
		j.state = parley.JobReady
		if !f.Spent {
			j.attempt--
		}
	}
	if j.state.Open() {
		return
	}
	v.log = append(v.log, "job/executed")
	if next := v.head(); next != nil {
		next.state = parley.JobReady
	}
}

// receipt raises, or would lower, the ack of something that was delivered.
func (m *model) receipt(t *rapid.T) {
	person := rapid.SampledFrom(people).Draw(t, "person")
	v := m.conv(person)
	if len(v.acks) == 0 {
		return
	}
	var ids []string
	for id := range v.acks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	id := rapid.SampledFrom(ids).Draw(t, "id")
	ack := parley.Ack(rapid.IntRange(1, 3).Draw(t, "ack"))
	m.ack(person, id, ack)
	if ack > v.acks[id] {
		v.acks[id] = ack
		v.log = append(v.log, "message/ack")
	}
}

// check compares everything.
func (m *model) check(t *rapid.T) {
	logs := map[parley.StreamID][]string{}
	for n, e := range events(m.t, m.db, m.company) {
		if e.Seq != int64(n+1) {
			t.Fatalf("event %d has number %d", n+1, e.Seq)
		}
		logs[e.Stream] = append(logs[e.Stream], string(e.Kind))
	}
	for person, v := range m.convs {
		if v.id == 0 {
			continue
		}
		if got := logs[v.id.Stream()]; !slices.Equal(got, v.log) {
			t.Fatalf("events of %s\n got %v\nwant %v", person, got, v.log)
		}
		m.checkMessages(t, v)
		for _, want := range v.jobs {
			j := m.job(want.id)
			if j.State != want.state || j.Part != want.part || j.Attempt != want.attempt {
				t.Fatalf("job %+v, want %+v", j, want)
			}
		}
	}
}

// checkMessages compares the listed messages: as sets, because a job's message has
// the place of its acceptance.
func (m *model) checkMessages(t *rapid.T, v *modelConv) {
	want := slices.Clone(v.texts)
	for n, text := range want {
		if text, id, own := strings.Cut(text, " "); own {
			want[n] = fmt.Sprintf("%s:%d", text, v.acks[id])
		}
	}
	got := strings.Fields(m.texts(v.id))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("messages\n got %v\nwant %v", got, want)
	}
}

// TestModel runs random sequences of receipts, sends and outcomes against a model
// in memory.
func TestModel(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, base *world) {
		var runs atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			w := *base
			name := fmt.Sprint("model ", runs.Add(1))
			var err error
			if w.company, err = w.db.CreateCompany(t.Context(), w.user, parley.CompanyChange{Name: &name}); err != nil {
				rt.Fatal(err)
			}
			w.ch = storetest.Channel(t, w.db, w.company, name)
			w.grant.Shard = w.company.Shard()
			m := &model{world: &w, convs: map[string]*modelConv{}}
			ops := []func(*rapid.T){m.receive, m.accept, m.claim, m.claim, m.finish, m.finish, m.receipt}
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				ops[rapid.IntRange(0, len(ops)-1).Draw(rt, "op")](rt)
			}
			m.check(rt)
		})
	})
}
