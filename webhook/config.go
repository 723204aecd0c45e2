package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// What a Deliverer does when the Config leaves it open.
const (
	defaultTimeout = 10 * time.Second
	defaultPool    = 512
	defaultMemory  = 64 << 20
	defaultGrace   = 5 * time.Second
	defaultAgent   = "Parley"
)

// rows is what delivery needs of the store.
type rows interface {
	LaggingEndpoints(ctx context.Context, after parley.EndpointID, limit int) ([]parley.Endpoint, error)
	Endpoint(ctx context.Context, id parley.EndpointID) (parley.Endpoint, error)
	EventsAfter(ctx context.Context, company parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, error)
	StreamEvents(ctx context.Context, company parley.CompanyID, stream parley.StreamID, after, upTo int64, limit int) ([]parley.Event, error)
	Event(ctx context.Context, company parley.CompanyID, seq int64) (parley.Event, error)
	BlockedStreams(ctx context.Context, endpoint parley.EndpointID) ([]parley.BlockedStream, error)
	Replays(ctx context.Context, endpoint parley.EndpointID, limit int) ([]parley.DeadLetter, error)
	Deliver(ctx context.Context, d *store.Delivery) error
}

// grants says what this node may act for.
type grants interface {
	Grant(company parley.CompanyID) (parley.Grant, bool)
}

// doer makes HTTP requests. It must not follow redirects and must guard against
// private addresses, because customers choose the URLs.
type doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// An Observer is told what happens, to measure it. Its methods must not block.
type Observer interface {
	// WebhookAttempted is told of every request: the kind of its failure, "" if the
	// event was taken.
	WebhookAttempted(kind parley.Kind, took time.Duration)
	// WebhookDelivered is told how long after it was stored an event was taken,
	// replays left out.
	WebhookDelivered(after time.Duration)
	// WebhookParked is told of every new dead letter.
	WebhookParked()
}

// An Attempt is one request about an event.
type Attempt struct {
	Endpoint parley.EndpointID
	Company  parley.CompanyID
	Seq      int64
	Message  parley.MessageID // 0 if the event is not about one
	Event    parley.EventKind
	Number   int // from 1
	Replay   bool
	Begun    time.Time
}

// A Tracer follows requests. Its methods must not block.
type Tracer interface {
	// Traceparent is asked for the header of that name before a request, "" for
	// none.
	Traceparent(a Attempt) string
	// Attempted is told how the request ended: its status, 0 without an answer, and
	// the kind of its failure, "" if the event was taken.
	Attempted(a Attempt, status int, kind parley.Kind, took time.Duration)
}

// unobserved is nobody.
type unobserved struct{}

func (unobserved) WebhookAttempted(parley.Kind, time.Duration) {}
func (unobserved) WebhookDelivered(time.Duration)              {}
func (unobserved) WebhookParked()                              {}

// A Config is what a Deliverer is made of. Store, Grants, HTTP, Log and Policy are
// needed; the zero value of anything else stands for the default it names.
type Config struct {
	Store  rows
	Grants grants
	HTTP   doer
	Log    *slog.Logger
	Policy Policy           // when a failed event is tried again
	Now    func() time.Time // wall clock; nil is time.Now

	Observe Observer // nil is nobody
	Trace   Tracer   // nil is nobody

	Timeout time.Duration // of one attempt; 0 is 10 s
	Epoch   int64         // of the event log; part of webhook-id
	Pool    int           // requests under way to all endpoints; 0 is 512
	Memory  int64         // bytes of bodies held for all endpoints; 0 is 64 MiB
	Grace   time.Duration // for requests under way when Run is told to end; 0 is 5 s
	Agent   string        // User-Agent; empty is Parley
}

// Validate names the first field that is missing or out of range, as an error of
// KindInvalid.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"Store", c.Store == nil},
		{"Grants", c.Grants == nil},
		{"HTTP", c.HTTP == nil},
		{"Log", c.Log == nil},
		{"Policy", !c.Policy.set},
		{"Timeout", c.Timeout < 0},
		{"Pool", c.Pool < 0},
		{"Memory", c.Memory < 0},
		{"Grace", c.Grace < 0},
	} {
		if f.bad {
			return parley.Errorf(parley.KindInvalid, "webhook: "+f.name+" is missing or out of range")
		}
	}
	return nil
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = unobserved{}
	}
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.Pool, defaultPool)
	setDefault(&c.Memory, defaultMemory)
	setDefault(&c.Grace, defaultGrace)
	setDefault(&c.Agent, defaultAgent)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
