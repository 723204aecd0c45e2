package store

import (
	"encoding/json"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A Receive is one event of a provider, to be stored once.
type Receive struct {
	Channel *parley.Channel // Account must be set
	Event   connector.Event // cleaned: valid UTF-8 without NUL
	Expires time.Time       // dropped before the batch if it is later; zero is never
}

// A Received says what became of a Receive.
type Received struct {
	Duplicate    bool // it was stored before, by whatever way it came
	Conversation parley.ConversationID
	Message      parley.MessageID // 0 if the event made or touched none
}

// An Accept is a message that the API takes for sending.
type Accept struct {
	Company      parley.CompanyID
	Channel      *parley.Channel
	Conversation parley.ConversationID // 0 with First
	First        *First
	Text         string
	Files        []parley.Attachment // uploads of the company
	Template     *parley.Template    // instead of a text
	Buttons      []string
	Service      bool
	Idempotency  *Idempotency // nil without a key
}

// A First is a stranger who is written to before they ever wrote.
type First struct {
	External string // the provider's id of the contact, such as phone digits
	PublicID string
	Name     string
}

func (f *First) person() connector.Person {
	return connector.Person{ID: f.External, PublicID: f.PublicID, Name: f.Name}
}

// An Accepted is the answer to an Accept.
type Accepted struct {
	Job   parley.Job
	Known bool    // the conversation existed and was announced before
	Saved *Answer // the first answer, if the idempotency key was used before; Job is then zero
}

// A Work is a job together with what the outbox needs to do it.
type Work struct {
	Job     parley.Job
	Message parley.Message
	Chat    string // the provider's id of the conversation
	Group   bool
	Plan    []Planned           // the parts, once it is known that there are several
	Files   []parley.Attachment // of the message, and of its plan
}

// A Planned is a part of a message that is sent as several.
type Planned struct {
	Text string              `json:"text,omitempty"`
	File parley.AttachmentID `json:"file,omitempty"` // 0 is none
}

// UnmarshalJSON also reads a bare text, as plans without files were once written.
func (p *Planned) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &p.Text)
	}
	type plain Planned
	return json.Unmarshal(data, (*plain)(p))
}

// A Claim is the intent to send one part. It must be committed before the
// request may leave.
type Claim struct {
	Job      parley.JobID
	Company  parley.CompanyID
	Grant    parley.Grant
	Part     int
	Plan     []Planned // the parts if there are several, else nil
	Deadline time.Time // until then a request may be under way
}

// Claimed notes on the work what the claim has written to its row. Finish needs
// it, to be sure that it ends the same attempt.
func (w *Work) Claimed(c *Claim) {
	w.Job.State, w.Job.Part, w.Job.Term, w.Job.Deadline = parley.JobSending, c.Part, c.Grant.Term, c.Deadline
	w.Job.Attempt++
	w.Job.Crashes++
	if len(c.Plan) > 1 {
		w.Plan = c.Plan
	}
}

// A Result is how one attempt at a part ended.
type Result string

// The closed set of results.
const (
	// Delivered: the provider took the part. After the last part the job ends
	// delivered; otherwise it is ready for the next.
	Delivered Result = "delivered"
	// Failed: it never will be. The job ends not delivered, for Finish.Reason.
	Failed Result = "failed"
	// Retry: it surely did not arrive. The job is ready again at Finish.At.
	Retry Result = "retry"
)

// A Finish is the outcome of an attempt at a part, or the end of a job that was
// never claimed (expired, its channel gone).
type Finish struct {
	Work   *Work // as claimed
	Grant  parley.Grant
	Result Result
	Reason string         // for people, unless Delivered
	Kind   parley.Kind    // of the error, unless Delivered; empty if there was none
	At     time.Time      // when it is due again, with Retry
	Spent  bool           // with Retry: the attempt counts; not so when throttled or shut down
	Crash  bool           // with Retry: nobody knows how the attempt ended; the claim counts as a crash
	Sent   connector.Sent // with Delivered
	Parts  int            // how many parts the plan has, at least 1
}

// A Finished is the state after a Finish.
type Finished struct {
	Job  parley.Job
	Next []Work // jobs that became ready: the next part, or the conversation's next job
}

// A Delivery is a change in the state of one endpoint.
type Delivery struct {
	Endpoint parley.EndpointID
	Company  parley.CompanyID
	Grant    parley.Grant
	Cursor   int64                 // raise the cursor to it; 0 leaves it
	Block    *parley.BlockedStream // insert or replace
	Unblock  parley.StreamID       // remove; 0 is none. Applied after Block
	Park     *parley.DeadLetter    // insert; an earlier one of the same event is replaced
	Attempt  *parley.Attempt       // insert
	Replayed *Replayed             // the outcome of replaying a dead letter
}

// A Replayed is the outcome of one replay of a dead letter.
type Replayed struct {
	Seq    int64
	OK     bool // taken; otherwise it stays a dead letter for Reason
	Reason string
}

// A Quarantined is something a provider said that could not be taken as it is.
type Quarantined struct {
	ID       int64
	Company  parley.CompanyID
	Channel  parley.ChannelID
	Provider string
	Source   string // callback, poll, session
	Reason   string
	Hash     []byte // SHA-256 of the whole
	Size     int64  // of the whole, in bytes
	Body     []byte // the whole, or its beginning
	At       time.Time
}

// Hooks are told of what was committed, so that nobody has to wait for a poll.
// They run on the writer's goroutine: they must not block, and may drop what
// they have no room for, because rows are the truth.
type Hooks struct {
	// Events is given new events of any companies, each company's in order.
	Events func(events []parley.Event)
	// Ready is given work that became ready; due at Work.Job.ReadyAt.
	Ready func(work []Work)
	// Channel says that a channel was created or changed in any way.
	Channel func(id parley.ChannelID)
	// Endpoint says that an endpoint was created or changed in any way but by Deliver.
	Endpoint func(company parley.CompanyID, id parley.EndpointID)
	// Files says that files are to be fetched, or profiles to be asked for.
	Files func()
	// Batch is told of every batch that was committed: how many items it had, how
	// long all of it took, and how long of that the commit itself.
	Batch func(items int, took, commit time.Duration)
}
