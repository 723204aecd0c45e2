package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

const (
	company  parley.CompanyID  = 7
	endpoint parley.EndpointID = 70
	secret                     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var errStore = errors.New("the store is out of order")

// memory is a store in memory that keeps the promises of the real one.
type memory struct {
	mu        sync.Mutex
	term      parley.Term
	endpoints map[parley.EndpointID]*parley.Endpoint
	events    map[parley.CompanyID][]parley.Event // number n at n-1
	blocked   map[parley.EndpointID]map[parley.StreamID]parley.BlockedStream
	letters   []parley.DeadLetter
	attempts  []parley.Attempt

	commit   time.Duration         // how long a Deliver takes
	fault    func(op string) error // fails a call; nil never does
	delivers int
	receiver *receiver // set by start
	wake     func([]parley.Event)
}

func newMemory() *memory {
	return &memory{
		term:      1,
		endpoints: map[parley.EndpointID]*parley.Endpoint{},
		events:    map[parley.CompanyID][]parley.Event{},
		blocked:   map[parley.EndpointID]map[parley.StreamID]parley.BlockedStream{},
	}
}

// Grant gives the current term for every company, until term is 0.
func (m *memory) Grant(c parley.CompanyID) (parley.Grant, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return parley.Grant{Shard: c.Shard(), Term: m.term}, m.term > 0
}

func (m *memory) addEndpoint(id parley.EndpointID, c parley.CompanyID, url string) {
	m.endpoints[id] = &parley.Endpoint{ID: id, Company: c, URL: url, Secret: secret}
	m.blocked[id] = map[parley.StreamID]parley.BlockedStream{}
}

// add stores one event for each stream and tells the listener.
func (m *memory) add(c parley.CompanyID, streams ...parley.StreamID) {
	var fresh []parley.Event
	for _, s := range streams {
		fresh = append(fresh, m.addKind(c, s, parley.EventMessageNew))
	}
	if m.wake != nil {
		m.wake(fresh)
	}
}

func (m *memory) addKind(c parley.CompanyID, s parley.StreamID, kind parley.EventKind) parley.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq := int64(len(m.events[c]) + 1)
	e := parley.Event{Company: c, Seq: seq, Stream: s, Message: parley.MessageID(100 + seq), Kind: kind, At: time.Now(), Body: fmt.Appendf(nil, `{"company":%d,"seq":%d}`, c, seq)}
	m.events[c] = append(m.events[c], e)
	return e
}

func (m *memory) failing(op string) error {
	if m.fault == nil {
		return nil
	}
	return m.fault(op)
}

func (m *memory) LaggingEndpoints(_ context.Context, after parley.EndpointID, limit int) ([]parley.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("LaggingEndpoints"); err != nil {
		return nil, err
	}
	var list []parley.Endpoint
	for _, id := range slices.Sorted(maps.Keys(m.endpoints)) {
		e := m.endpoints[id]
		replay := slices.ContainsFunc(m.letters, func(l parley.DeadLetter) bool { return l.Endpoint == id && !l.ReplayAt.IsZero() })
		lags := e.Cursor < int64(len(m.events[e.Company])) || len(m.blocked[id]) > 0 || replay
		if id > after && e.URL != "" && lags && len(list) < limit {
			list = append(list, *e)
		}
	}
	return list, nil
}

func (m *memory) Endpoint(_ context.Context, id parley.EndpointID) (parley.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("Endpoint"); err != nil {
		return parley.Endpoint{}, err
	}
	if e, ok := m.endpoints[id]; ok {
		return *e, nil
	}
	return parley.Endpoint{}, parley.Errorf(parley.KindNotFound, "Endpoint not found")
}

func (m *memory) EventsAfter(_ context.Context, c parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("EventsAfter"); err != nil {
		return nil, err
	}
	var list []parley.Event
	for _, e := range m.events[c][min(seq, int64(len(m.events[c]))):] {
		if len(list) == limit || len(list) > 0 && maxBytes <= 0 {
			break
		}
		list = append(list, e)
		maxBytes -= len(e.Body)
	}
	return list, nil
}

func (m *memory) StreamEvents(_ context.Context, c parley.CompanyID, s parley.StreamID, after, upTo int64, limit int) ([]parley.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("StreamEvents"); err != nil {
		return nil, err
	}
	var list []parley.Event
	for _, e := range m.events[c] {
		if e.Stream == s && e.Seq > after && e.Seq <= upTo && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (m *memory) Event(_ context.Context, c parley.CompanyID, seq int64) (parley.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("Event"); err != nil {
		return parley.Event{}, err
	}
	if seq < 1 || seq > int64(len(m.events[c])) {
		return parley.Event{}, parley.Errorf(parley.KindNotFound, "Event not found")
	}
	return m.events[c][seq-1], nil
}

func (m *memory) BlockedStreams(_ context.Context, id parley.EndpointID) ([]parley.BlockedStream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("BlockedStreams"); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(m.blocked[id]), func(a, b parley.BlockedStream) int { return cmp.Compare(a.Head, b.Head) }), nil
}

func (m *memory) Replays(_ context.Context, id parley.EndpointID, limit int) ([]parley.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("Replays"); err != nil {
		return nil, err
	}
	var list []parley.DeadLetter
	for _, l := range m.letters {
		if l.Endpoint == id && !l.ReplayAt.IsZero() && len(list) < limit {
			list = append(list, l)
		}
	}
	return list, nil
}

func (m *memory) Deliver(ctx context.Context, d *store.Delivery) error {
	if m.commit > 0 {
		select {
		case <-time.After(m.commit):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing("Deliver"); err != nil {
		return err
	}
	if d.Grant.Term != m.term {
		return parley.Errorf(parley.KindConflict, "another node owns the company")
	}
	m.delivers++
	if m.endpoints[d.Endpoint] == nil { // it was deleted
		if d.Block != nil || d.Park != nil || d.Attempt != nil {
			return parley.Errorf(parley.KindConflict, "the endpoint was deleted")
		}
		return nil
	}
	m.apply(d)
	return nil
}

func (m *memory) apply(d *store.Delivery) {
	e := m.endpoints[d.Endpoint]
	e.Cursor = max(e.Cursor, d.Cursor)
	if d.Block != nil {
		m.blocked[d.Endpoint][d.Block.Stream] = *d.Block
	}
	delete(m.blocked[d.Endpoint], d.Unblock)
	if d.Park != nil {
		m.letters = slices.DeleteFunc(m.letters, func(l parley.DeadLetter) bool { return l.Endpoint == d.Endpoint && l.Seq == d.Park.Seq })
		m.letters = append(m.letters, *d.Park)
	}
	if d.Attempt != nil {
		m.attempts = append(m.attempts, *d.Attempt)
	}
	if d.Replayed != nil {
		m.applyReplay(d)
	}
}

func (m *memory) applyReplay(d *store.Delivery) {
	for i := range m.letters {
		l := &m.letters[i]
		if l.Endpoint != d.Endpoint || l.Seq != d.Replayed.Seq {
			continue
		}
		l.ReplayAt = time.Time{}
		l.Attempts++
		if d.Replayed.OK {
			l.ReplayedAt = time.Now()
		} else {
			l.Reason = d.Replayed.Reason
		}
	}
}

// A hit is one request as the receiver saw it.
type hit struct {
	at     time.Duration // since the receiver was made
	seq    int64
	number int // of the attempts at this event that the receiver saw
	url    string
	body   string
	header http.Header
}

// A reply is what the receiver does with a hit.
type reply struct {
	status int
	after  time.Duration
	header http.Header
	err    error
}

// A receiver is a doer that answers by a script.
type receiver struct {
	began  time.Time
	script func(h hit) reply

	mu   sync.Mutex
	hits []hit
	seen map[int64]int
	now  int // under way
	most int // were at once
}

func newReceiver(script func(h hit) reply) *receiver {
	return &receiver{began: time.Now(), script: script, seen: map[int64]int{}}
}

func always(status int) func(hit) reply { return func(hit) reply { return reply{status: status} } }

func (r *receiver) Do(req *http.Request) (*http.Response, error) {
	h := r.record(req)
	a := r.script(h)
	if a.after > 0 {
		select {
		case <-time.After(a.after):
		case <-req.Context().Done():
			a.err = &parley.Error{Kind: parley.KindUncertain, Message: "no answer", Err: req.Context().Err()}
		}
	}
	r.mu.Lock()
	r.now--
	r.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader("ok")), Request: req}, nil
}

func (r *receiver) record(req *http.Request) hit {
	body, _ := io.ReadAll(req.Body)
	id := req.Header["Webhook-Id"][0]
	seq, _ := strconv.ParseInt(id[strings.LastIndexByte(id, '_')+1:], 10, 64)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now++
	r.most = max(r.most, r.now)
	r.seen[seq]++
	h := hit{at: time.Since(r.began), seq: seq, number: r.seen[seq], url: req.URL.String(), body: string(body), header: req.Header}
	r.hits = append(r.hits, h)
	return h
}

// at returns when the event was tried.
func (r *receiver) at(seq int64) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []time.Duration
	for _, h := range r.hits {
		if h.seq == seq {
			list = append(list, h.at)
		}
	}
	return list
}

// order returns the events in the order in which they were tried.
func (r *receiver) order() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []int64
	for _, h := range r.hits {
		list = append(list, h.seq)
	}
	return list
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func pact(t testing.TB) Policy { return policyOf(t, PolicyPact) }

func policyOf(t testing.TB, name string) Policy {
	t.Helper()
	p, err := NewPolicy(name, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs a Deliverer and returns it with a function that ends it and waits.
func start(t testing.TB, m *memory, r doer, with func(*Config)) (*Deliverer, func()) {
	t.Helper()
	cfg := Config{Store: m, Grants: m, HTTP: r, Log: quietLog(), Policy: pact(t), Epoch: 3}
	if with != nil {
		with(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.wake = d.Wake
	m.receiver, _ = r.(*receiver)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return d, stop
}

// running returns how many owners there are.
func (d *Deliverer) running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.owners)
}

// pass lets the bubble's clock run on. Between two passes a test may look at the
// store and the receiver without their locks.
func (m *memory) pass(d time.Duration) {
	m.mu.Lock()
	r := m.receiver
	m.mu.Unlock()
	if r != nil {
		_ = r.order() // takes the lock
	}
	<-time.After(d)
	synctest.Wait()
}

// A reporter is what testing.T and rapid.T have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// settled checks that the endpoint has nothing left to deliver.
func (m *memory) settled(t reporter, id parley.EndpointID) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.endpoints[id]
	if want := int64(len(m.events[e.Company])); e.Cursor != want || len(m.blocked[id]) > 0 {
		t.Errorf("got cursor %d and blocked %v, want cursor %d and nothing blocked", e.Cursor, m.blocked[id], want)
	}
}
