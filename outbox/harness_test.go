package outbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

const (
	testCompany = parley.CompanyID(7)
	testChannel = parley.ChannelID(70)
)

// An arrival is one call of Send, as the provider saw it.
type arrival struct {
	at      time.Time
	channel parley.ChannelID
	conv    parley.ConversationID
	job     parley.JobID
	part    int
	key     string
	text    string
}

// provider is a scripted connector.Client for every channel, and the Clients
// that gives it out.
type provider struct {
	mu       sync.Mutex
	arrivals []arrival
	spec     connector.Spec
	channel  parley.Channel
	err      error // why there is no client
	panics   bool  // in giving one out
	looks    int

	plan func(m *parley.Message) ([]connector.Part, error)
	send func(ctx context.Context, p connector.Part) (connector.Sent, error)
}

func (p *provider) Client(_ context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	if p.panics {
		panic("no")
	}
	ch := p.channel
	ch.ID = id
	if p.err != nil {
		return &ch, nil, p.spec, p.err
	}
	return &ch, p, p.spec, nil
}

func (p *provider) Plan(m *parley.Message) ([]connector.Part, error) {
	if p.plan != nil {
		return p.plan(m)
	}
	return []connector.Part{{Message: m, Count: 1, Text: m.Text}}, nil
}

func (p *provider) Send(ctx context.Context, part connector.Part) (connector.Sent, error) {
	m := part.Message
	p.mu.Lock()
	p.arrivals = append(p.arrivals, arrival{time.Now(), m.Channel, m.Conversation, m.Job, part.Index, part.Key, part.Text})
	p.mu.Unlock()
	if p.send != nil {
		return p.send(ctx, part)
	}
	return connector.Sent{ProviderID: part.Key, Ack: parley.AckSent}, nil
}

func (p *provider) seen() []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]arrival(nil), p.arrivals...)
}

// of returns the arrivals of one job.
func (p *provider) of(job parley.JobID) []arrival {
	var of []arrival
	for _, a := range p.seen() {
		if a.job == job {
			of = append(of, a)
		}
	}
	return of
}

func (p *provider) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// answers makes Send answer each job's calls by the list; after its end all is well.
func (p *provider) answers(errs ...error) {
	var mu sync.Mutex
	calls := make(map[parley.JobID]int)
	p.send = func(_ context.Context, part connector.Part) (connector.Sent, error) {
		mu.Lock()
		defer mu.Unlock()
		n := calls[part.Message.Job]
		calls[part.Message.Job]++
		if n < len(errs) && errs[n] != nil {
			return connector.Sent{}, errs[n]
		}
		return connector.Sent{ProviderID: part.Key, Ack: parley.AckSent}, nil
	}
}

// pause waits as a provider does that takes its time.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return &parley.Error{Kind: parley.KindUncertain, Message: "cut", Err: ctx.Err()}
	}
}

// world is one outbox in a bubble of fake time.
type world struct {
	*testing.T
	mem  *memory
	prov *provider
	cfg  Config
	box  *Outbox
	log  syncBuffer

	stop context.CancelFunc
	done chan struct{}
	past []chan struct{} // of outboxes that were left to themselves
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

// inWorld runs f with an outbox that start has yet to start, in fake time.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, mem: newMemory(t), prov: &provider{spec: connector.Spec{Name: "telegram"}}}
		w.prov.channel = parley.Channel{Company: testCompany, State: parley.ChannelEnabled, Generation: 1, StateAt: time.Now()}
		w.cfg = Config{Store: w.mem, Clients: w.prov, Grants: w.mem, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
		f(w)
		w.end()
	})
}

func (w *world) start() {
	w.box = New(w.cfg)
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.done = stop, make(chan struct{})
	box, done := w.box, w.done
	go func() {
		defer close(done)
		if err := box.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	synctest.Wait() // until it takes mail
	w.mem.mu.Lock()
	w.mem.wake = box.Wake
	w.mem.mu.Unlock()
}

// end stops the outbox and waits for it.
func (w *world) end() {
	if w.stop != nil {
		w.stop()
		<-w.done
		w.stop = nil
	}
	for _, done := range w.past {
		<-done
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// accept stores a message of a conversation of the test channel.
func (w *world) accept(c parley.ConversationID, text string, with ...func(*store.Work)) parley.JobID {
	return w.mem.accept(newWork(c, text, with...))
}

func newWork(c parley.ConversationID, text string, with ...func(*store.Work)) store.Work {
	work := store.Work{
		Job:     parley.Job{Company: testCompany, Channel: testChannel, Conversation: c},
		Message: parley.Message{Company: testCompany, Channel: testChannel, Text: text},
		Chat:    "chat",
	}
	for _, f := range with {
		f(&work)
	}
	return work
}

func inLane(l parley.Lane) func(*store.Work) { return func(w *store.Work) { w.Job.Lane = l } }

func inChannel(id parley.ChannelID) func(*store.Work) {
	return func(w *store.Work) { w.Job.Channel, w.Message.Channel = id, id }
}

// want checks how a job stands.
func (w *world) want(id parley.JobID, state parley.JobState, reason string) {
	w.Helper()
	if j := w.mem.job(id); j.State != state || j.Reason != reason {
		w.Errorf("job %d: got %s %q, want %s %q", id, j.State, j.Reason, state, reason)
	}
}

// wantSends checks how often a job was sent.
func (w *world) wantSends(id parley.JobID, n int) {
	w.Helper()
	if got := len(w.prov.of(id)); got != n {
		w.Errorf("job %d: sent %d times, want %d", id, got, n)
	}
}

func fails(kind parley.Kind, text string) error { return parley.Errorf(kind, text) }

func words(n int) string { return strings.TrimSpace(strings.Repeat("word ", n)) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
