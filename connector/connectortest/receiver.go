package connectortest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// An identity is what an event is stored under once, whatever way it came.
type identity struct{ account, chat, id, kind, version string }

func (w *world) identity(e connector.Event) identity {
	return identity{w.account, e.Chat.ID, e.ID, e.What.Kind(), e.Version}
}

// A store keeps every event that it was given, repetitions included, in order.
// It is a connector.Sink.
type store struct {
	*simulator.Ring[connector.Event]

	mu     sync.Mutex
	fails  int           // times that Emit still fails
	failed chan struct{} // gets one for each Emit that failed; buffered
}

func newStore() *store {
	return &store{Ring: simulator.NewRing[connector.Event](100_000), failed: make(chan struct{}, 1000)}
}

var errStore = errors.New("the store is down")

// Emit fails as often as was asked for, then stores.
func (s *store) Emit(_ context.Context, events ...connector.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		s.failed <- struct{}{}
		return errStore
	}
	s.add(events)
	return nil
}

func (s *store) add(events []connector.Event) {
	for _, e := range events {
		s.Append(func(uint64) connector.Event { return e })
	}
}

func (s *store) all() []connector.Event { return s.After(0, 100_000, nil) }

// distinct waits for n events of different identities and returns them in the
// order in which each came first.
func (w *world) distinct(s *store, n int) []connector.Event {
	w.Helper()
	for {
		total, list := s.Total(), w.unique(s.all())
		if len(list) >= n {
			return list
		}
		await(w, "event", s.Ring, total)
	}
}

// unique leaves out repetitions.
func (w *world) unique(events []connector.Event) []connector.Event {
	known, out := map[identity]bool{}, []connector.Event{}
	for _, e := range events {
		if id := w.identity(e); !known[id] {
			known[id] = true
			out = append(out, e)
		}
	}
	return out
}

// A receiver is the callback route of a gateway: it verifies, decodes, stores and
// then answers.
type receiver struct {
	*store
	world    *world
	client   connector.Receiver
	address  string
	attempts *simulator.Ring[attempt]

	mu   sync.Mutex
	down func(connector.Event) bool // says which events the store refuses; nil none
}

// An attempt is one callback and what Receive made of it.
type attempt struct {
	callback connector.Callback
	events   []connector.Event
	err      error
}

// receiver starts a callback route for the world's client.
func (w *world) receiver() *receiver {
	w.Helper()
	client, ok := w.client.(connector.Receiver)
	if !ok {
		w.Fatal("the client is no connector.Receiver")
	}
	r := &receiver{store: newStore(), world: w, client: client, attempts: simulator.NewRing[attempt](100_000)}
	server := httptest.NewServer(r)
	w.Cleanup(server.Close)
	r.address = server.URL + "/callback/" + w.channel.Secrets[parley.SecretCallbackPath].Reveal()
	return r
}

// ServeHTTP takes one callback.
func (r *receiver) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, r.world.suite.Provider.Spec().MaxBody))
	if err != nil {
		rw.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	cb := connector.Callback{Method: req.Method, Header: req.Header, Query: req.URL.Query(), Body: body}
	events, reply, err := r.client.Receive(req.Context(), cb)
	r.attempts.Append(func(uint64) attempt { return attempt{cb, events, r.world.seen(err)} })
	switch {
	case parley.KindOf(err) == parley.KindUnauthorized:
		rw.WriteHeader(http.StatusUnauthorized)
	case err != nil || !r.keep(events):
		rw.WriteHeader(http.StatusServiceUnavailable)
	default:
		answer(rw, reply)
	}
}

// keep stores the events unless the store is down for one of them.
func (r *receiver) keep(events []connector.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if r.down != nil && r.down(e) {
			return false
		}
	}
	r.add(events)
	return true
}

func (r *receiver) refuse(down func(connector.Event) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func answer(rw http.ResponseWriter, reply connector.Reply) {
	if reply.Type != "" {
		rw.Header().Set("Content-Type", reply.Type)
	}
	if reply.Status != 0 {
		rw.WriteHeader(reply.Status)
	}
	_, _ = rw.Write(reply.Body) // the provider may have hung up
}

func (w *world) subscriber() connector.Subscriber {
	w.Helper()
	s, ok := w.client.(connector.Subscriber)
	if !ok {
		w.Fatal("the client is no connector.Subscriber")
	}
	return s
}

func (w *world) subscribe(r *receiver) {
	w.Helper()
	w.ok("Subscribe", w.subscriber().Subscribe(w.ctx, r.address, w.channel.Secrets[parley.SecretCallbackToken]))
}

// subscribed starts a receiver that the provider calls.
func (w *world) subscribed() *receiver {
	w.Helper()
	r := w.receiver()
	w.subscribe(r)
	return r
}

// next waits for callback number n, from 1, and returns it.
func (r *receiver) next(n uint64) attempt {
	r.world.Helper()
	for r.attempts.Total() < n {
		await(r.world, "callback", r.attempts, n-1)
	}
	return r.attempts.After(n-1, 1, nil)[0]
}
