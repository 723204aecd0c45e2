// Package sink stands at the other end of a gateway under load: it is the
// messenger's send API and the customer's receiver of webhooks, and it counts
// what arrives, in what order and how late, by the tokens in the messages.
//
// It keeps a bit for each message of a run and a number for each of its chats.
package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// Options say how the sink answers messages.
type Options struct {
	Latency     time.Duration // delay of every answer
	ErrorRate   float64       // share of messages to refuse, 0 to 1
	ErrorStatus int           // status of a refusal; 0: 500
	// Slow has other delays for some paths, by their first segments, "/r17": of
	// receivers, and of the messenger as "/bot".
	Slow map[string]time.Duration
}

// Stats is what the sink has seen since it was made or reset.
type Stats struct {
	Send    load.Arrivals   `json:"send"`    // messages sent through the messenger's API
	Webhook load.Arrivals   `json:"webhook"` // posts to all receivers
	Paths   map[string]Path `json:"paths"`   // to each, by its path's first segment
	Other   int64           `json:"other"`   // the messenger's other methods
	Holding bool            `json:"holding"`
	Held    int64           `json:"held"` // requests that wait for the release
	Drain   *Drain          `json:"drain,omitempty"`
	// Callbacks are what setWebhook has registered, by the bot's id.
	Callbacks map[int64]Callback `json:"callbacks"`
}

// Path is what came to one receiver.
type Path struct {
	load.Arrivals
	RPS float64 `json:"rps"` // distinct messages, from the first arrival to the last
}

// Drain is what came to all receivers since they were released.
type Drain struct {
	Released time.Time `json:"released"`
	Distinct int64     `json:"distinct"`
	RPS      float64   `json:"rps"` // from the release to the last arrival
}

// Callback is a bot's registered webhook.
type Callback struct {
	URL         string `json:"url"`
	SecretToken string `json:"secret_token"`
}

// Sink is an http.Handler. These paths are its own; any other is a receiver:
//
//	/bot<token>/<method>  the messenger
//	/stats, /reset        the counters
//	/hold, /release       requests to receivers wait between the two; they count
//	                      when they are let go
type Sink struct {
	opts Options
	send *arrivals

	mu            sync.Mutex
	receivers     map[string]*arrivals // by the first segment of the path
	gate          chan struct{}        // closed by the release; nil if nothing is held
	held          int64
	released      *Drain // RPS is not used, Distinct is what had come before
	other, lastID int64
	callbacks     map[int64]Callback
}

// New makes a sink.
func New(o Options) *Sink {
	if o.ErrorStatus == 0 {
		o.ErrorStatus = http.StatusInternalServerError
	}
	return &Sink{opts: o, send: &arrivals{}, receivers: map[string]*arrivals{}}
}

// Stats returns what has been counted.
func (s *Sink) Stats() *Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &Stats{Send: s.send.snapshot(), Paths: map[string]Path{}, Other: s.other,
		Holding: s.gate != nil, Held: s.held, Callbacks: maps.Clone(s.callbacks)}
	total := &arrivals{}
	for path, a := range s.receivers {
		one := a.snapshot()
		st.Paths[path] = Path{one, rate(one.Distinct, one.First, one.Last)}
		a.addTo(total)
	}
	st.Webhook = total.snapshot()
	if s.released != nil {
		d := &Drain{Released: s.released.Released, Distinct: st.Webhook.Distinct - s.released.Distinct}
		d.RPS = rate(d.Distinct, &d.Released, st.Webhook.Last)
		st.Drain = d
	}
	return st
}

func rate(n int64, from, to *time.Time) float64 {
	if from == nil || to == nil || !to.After(*from) {
		return 0
	}
	return float64(n) / to.Sub(*from).Seconds()
}

// Reset forgets what has been counted. Registered callbacks stay, and so does
// a hold.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send, s.receivers = &arrivals{}, map[string]*arrivals{}
	s.other, s.released = 0, nil
}

func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/stats":
	case "/reset":
		s.Reset()
	case "/hold":
		s.Hold()
	case "/release":
		s.Release()
	default:
		s.serve(w, r, body)
		return
	}
	// A caller that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(s.Stats())
}

// serve is the messenger and the receivers.
func (s *Sink) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	if strings.HasPrefix(r.URL.Path, messengerPath) {
		s.telegram(w, r, body)
		return
	}
	if !s.wait(r.Context()) {
		return
	}
	path := firstSegment(r.URL.Path)
	if s.message(w, r, s.receiver(path), path, body) {
		reply(w, `{"ok":true}`)
	}
}

// messengerPath begins the paths of the messenger's methods.
const messengerPath = "/bot"

// firstSegment of "/a/b" is "/a".
func firstSegment(path string) string {
	if i := strings.IndexByte(path[min(1, len(path)):], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}

// maxReceivers bounds the receivers that are told apart. The others are one.
const maxReceivers = 1000

func (s *Sink) receiver(path string) *arrivals {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.receivers[path]
	if a == nil && len(s.receivers) >= maxReceivers {
		path = "others"
		a = s.receivers[path]
	}
	if a == nil {
		a = &arrivals{}
		s.receivers[path] = a
	}
	return a
}

func reply(w io.Writer, format string, a ...any) {
	// A caller that has gone away needs no answer.
	_, _ = fmt.Fprintf(w, format, a...)
}

// message counts one message, and delays or refuses it as asked. It reports
// whether the answer is still to be written.
func (s *Sink) message(w http.ResponseWriter, r *http.Request, a *arrivals, path string, body []byte) bool {
	refuse := s.opts.ErrorRate > 0 && rand.Float64() < s.opts.ErrorRate
	a.add(body, refuse)
	delay, ok := s.opts.Slow[path]
	if !ok {
		delay = s.opts.Latency
	}
	pause(r.Context(), delay)
	if refuse {
		w.WriteHeader(s.opts.ErrorStatus)
		reply(w, `{"ok":false,"error_code":%d,"description":"injected"}`, s.opts.ErrorStatus)
	}
	return !refuse
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
