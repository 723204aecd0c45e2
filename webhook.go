package parley

import (
	"slices"
	"time"
)

// An Endpoint is an address of a customer that events are delivered to.
type Endpoint struct {
	ID        EndpointID
	Company   CompanyID
	Main      bool        // its address is the company's webhook_url
	URL       string      // empty: delivers nothing
	Secret    Secret      // signs deliveries
	Extended  bool        // also gets event kinds beyond the contract
	Kinds     []EventKind // gets only these; empty: all
	Cursor    int64       // every event up to it is delivered, parked, or in a blocked stream
	CreatedAt time.Time   // of the main one: since when it has an address
}

// Wants reports whether the endpoint gets events of a kind.
func (e *Endpoint) Wants(k EventKind) bool {
	return (e.Extended || !k.Extension()) && (len(e.Kinds) == 0 || slices.Contains(e.Kinds, k))
}

// A BlockedStream is a stream whose oldest undelivered event failed: what
// follows waits.
type BlockedStream struct {
	Endpoint EndpointID
	Stream   StreamID
	Head     int64     // seq of the event that waits
	Attempt  int       // attempts made at the head
	NextAt   time.Time // when the head is due again
}

// A DeadLetter is an event that an endpoint never took.
type DeadLetter struct {
	Endpoint   EndpointID
	Company    CompanyID
	Seq        int64
	Stream     StreamID
	Kind       EventKind
	Reason     string
	Attempts   int
	ParkedAt   time.Time
	ReplayAt   time.Time // when a replay was asked for; zero if not
	ReplayedAt time.Time // when a replay succeeded; zero if not
}

// An Attempt is one try at a webhook that did not succeed, or that succeeded
// after others had not.
type Attempt struct {
	Endpoint EndpointID
	Company  CompanyID
	Seq      int64
	Number   int
	Status   int // HTTP status; 0 if there was no answer
	Reason   string
	Took     time.Duration
	At       time.Time
}
