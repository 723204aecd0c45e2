package outbox

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// memory is a store of jobs with the real one's rules: one ready job for each
// conversation, claims and outcomes fenced by state and term. It trusts a claim
// in which part it is, so that a claim from old news shows.
type memory struct {
	t testing.TB

	mu       sync.Mutex
	term     parley.Term
	last     parley.JobID
	jobs     map[parley.JobID]*store.Work
	open     map[parley.ConversationID][]parley.JobID // in order of acceptance
	echoes   map[parley.JobID]connector.Sent
	channels map[parley.ChannelID]store.ChannelRef
	finishes []store.Finish
	wake     func([]store.Work)

	refuse func(op string, job parley.JobID) error // before anything is done
	lie    func(op string, job parley.JobID) error // after it was done
	slow   func(op string) time.Duration
}

func newMemory(t testing.TB) *memory {
	return &memory{
		t: t, term: 1,
		jobs:     make(map[parley.JobID]*store.Work),
		open:     make(map[parley.ConversationID][]parley.JobID),
		echoes:   make(map[parley.JobID]connector.Sent),
		channels: make(map[parley.ChannelID]store.ChannelRef),
		wake:     func([]store.Work) {},
	}
}

// accept stores a job of a conversation, and wakes as the store's hook does.
func (m *memory) accept(w store.Work) parley.JobID {
	m.mu.Lock()
	m.last++
	w.Job.ID, w.Job.State, w.Job.CreatedAt = m.last, parley.JobWaiting, time.Now()
	w.Message.Job, w.Message.Conversation = w.Job.ID, w.Job.Conversation
	m.jobs[w.Job.ID] = &w
	c := w.Job.Conversation
	m.open[c] = append(m.open[c], w.Job.ID)
	if _, ok := m.channels[w.Job.Channel]; !ok {
		m.channels[w.Job.Channel] = store.ChannelRef{ID: w.Job.Channel, Company: w.Job.Company, State: parley.ChannelEnabled, StateAt: time.Now()}
	}
	ready := m.readyHead(c)
	wake := m.wake
	m.mu.Unlock()
	if len(ready) > 0 {
		wake(ready)
	}
	return w.Job.ID
}

// readyHead makes the head of a conversation ready and returns it.
func (m *memory) readyHead(c parley.ConversationID) []store.Work {
	if len(m.open[c]) == 0 {
		return nil
	}
	head := m.jobs[m.open[c][0]]
	if head.Job.State != parley.JobWaiting {
		return nil
	}
	head.Job.State, head.Job.ReadyAt = parley.JobReady, time.Now()
	return []store.Work{*head}
}

func (m *memory) before(op string, job parley.JobID) error {
	if m.slow != nil {
		<-time.After(m.slow(op))
	}
	if m.refuse != nil {
		return m.refuse(op, job)
	}
	return nil
}

func (m *memory) after(op string, job parley.JobID) error {
	if m.lie != nil {
		return m.lie(op, job)
	}
	return nil
}

var errConflict = parley.Errorf(parley.KindConflict, "somebody else's")

func (m *memory) Claim(_ context.Context, c *store.Claim) error {
	if err := m.before("claim", c.Job); err != nil {
		return err
	}
	if err := m.claim(c); err != nil {
		return err
	}
	return m.after("claim", c.Job)
}

func (m *memory) claim(c *store.Claim) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.jobs[c.Job]
	if w == nil || w.Job.State != parley.JobReady || c.Grant.Term != m.term {
		return errConflict
	}
	w.Claimed(c)
	return nil
}

func (m *memory) Finish(_ context.Context, f *store.Finish) (store.Finished, error) {
	if err := m.before("finish", f.Work.Job.ID); err != nil {
		return store.Finished{}, err
	}
	done, wake, err := m.finish(f)
	if err != nil {
		return done, err
	}
	if len(done.Next) > 0 {
		wake(slices.Clone(done.Next))
	}
	return done, m.after("finish", f.Work.Job.ID)
}

func (m *memory) finish(f *store.Finish) (store.Finished, func([]store.Work), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.jobs[f.Work.Job.ID]
	if w == nil || !w.Job.State.Open() || f.Grant.Term != m.term || w.Job.Term != f.Work.Job.Term || w.Job.Crashes != f.Work.Job.Crashes {
		return store.Finished{}, nil, errConflict
	}
	if (w.Job.State == parley.JobSending) != (f.Work.Job.State == parley.JobSending) {
		if f.Result == store.Failed {
			m.t.Errorf("job %d is %s and was ended as if it were %s", w.Job.ID, w.Job.State, f.Work.Job.State)
		}
		return store.Finished{}, nil, errConflict
	}
	m.finishes = append(m.finishes, *f)
	return store.Finished{Job: w.Job, Next: m.applied(w, f)}, m.wake, nil
}

// applied changes the row and returns what is ready now.
func (m *memory) applied(w *store.Work, f *store.Finish) []store.Work {
	if !f.Crash {
		w.Job.Crashes = 0
	}
	if f.Result == store.Retry {
		w.Job.State, w.Job.ReadyAt = parley.JobReady, f.At
		if !f.Spent {
			w.Job.Attempt--
		}
		return []store.Work{*w}
	}
	if f.Result == store.Delivered && w.Job.Part+1 < f.Parts {
		w.Job.State, w.Job.ReadyAt = parley.JobReady, time.Now()
		w.Job.Part, w.Job.Attempt = w.Job.Part+1, 0
		return []store.Work{*w}
	}
	w.Job.State, w.Job.Reason, w.Job.DoneAt = parley.JobNotDelivered, f.Reason, time.Now()
	if f.Result == store.Delivered {
		w.Job.State = parley.JobDelivered
	}
	c := w.Job.Conversation
	m.open[c] = slices.DeleteFunc(m.open[c], func(id parley.JobID) bool { return id == w.Job.ID })
	return m.readyHead(c)
}

// find returns copies of the open jobs that keep wants, in order of their ids.
func (m *memory) find(limit int, keep func(*parley.Job) bool) []store.Work {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []store.Work
	for _, ids := range m.open {
		for _, id := range ids {
			if w := m.jobs[id]; keep(&w.Job) {
				found = append(found, *w)
			}
		}
	}
	slices.SortFunc(found, func(a, b store.Work) int { return int(a.Job.ID - b.Job.ID) })
	return found[:min(limit, len(found))]
}

func (m *memory) ReadyChannels(context.Context) ([]store.ChannelRef, error) {
	now := time.Now()
	works := m.find(1<<30, func(j *parley.Job) bool { return j.State == parley.JobReady && !j.ReadyAt.After(now) })
	m.mu.Lock()
	defer m.mu.Unlock()
	var refs []store.ChannelRef
	for _, w := range works {
		if ref := m.channels[w.Job.Channel]; !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

func (m *memory) ReadyWork(_ context.Context, channel parley.ChannelID, lane parley.Lane, due time.Time, limit int) ([]store.Work, error) {
	return m.find(limit, func(j *parley.Job) bool {
		return j.Channel == channel && j.Lane == lane && j.State == parley.JobReady && !j.ReadyAt.After(due)
	}), nil
}

func (m *memory) SendingWork(_ context.Context, after parley.JobID, limit int) ([]store.Work, error) {
	return m.find(limit, func(j *parley.Job) bool { return j.ID > after && j.State == parley.JobSending }), nil
}

func (m *memory) OpenChannels(context.Context) ([]store.OldestWork, error) {
	var open []store.OldestWork
	for _, w := range m.find(1<<30, func(*parley.Job) bool { return true }) {
		m.mu.Lock()
		ref := m.channels[w.Job.Channel]
		m.mu.Unlock()
		if !slices.ContainsFunc(open, func(o store.OldestWork) bool { return o.ID == ref.ID }) {
			open = append(open, store.OldestWork{ChannelRef: ref, Oldest: w.Job.CreatedAt})
		}
	}
	return open, nil
}

func (m *memory) OpenWork(_ context.Context, channel parley.ChannelID, limit int) ([]store.Work, error) {
	return m.find(limit, func(j *parley.Job) bool { return j.Channel == channel }), nil
}

func (m *memory) Promote(context.Context) ([]store.Work, error) { return nil, nil }

func (m *memory) EchoOf(_ context.Context, w *store.Work) (connector.Sent, bool, error) {
	if err := m.before("echo", w.Job.ID); err != nil {
		return connector.Sent{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sent, ok := m.echoes[w.Job.ID]
	return sent, ok, nil
}

func (m *memory) job(id parley.JobID) parley.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[id].Job
}

func (m *memory) setChannel(id parley.ChannelID, state parley.ChannelState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := m.channels[id]
	ref.ID, ref.Company, ref.State, ref.StateAt = id, testCompany, state, time.Now()
	m.channels[id] = ref
}

// Grant makes memory the lease as well: it grants its own term.
func (m *memory) Grant(c parley.CompanyID) (parley.Grant, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return parley.Grant{Shard: c.Shard(), Term: m.term}, m.term > 0
}
