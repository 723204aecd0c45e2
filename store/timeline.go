package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-im/parley"
)

// Where the events about a message are looked for.
const (
	timelineEvents = 2000        // of the conversation, from when the message was made
	timelineSlack  = time.Minute // clocks of nodes differ
)

// A Timeline is what is known of a message's way. What retention has taken is
// missing.
type Timeline struct {
	Message   parley.Message
	Delivered bool        // own ones: the provider has it
	Job       *parley.Job // nil unless it was sent through the API
	ClaimedAt time.Time   // the job's newest claim; zero if there was none
	Attempts  []JobAttempt
	Events    []EventDelivery
	Webhooks  []parley.Attempt
}

// A JobAttempt is one attempt at a part of a job that did not end well.
type JobAttempt struct {
	Number    int    // from 1, over all parts; the last number kept is the newest attempt
	Part      int    // index
	Result    Result // Retry or Failed
	Kind      parley.Kind
	Reason    string
	ClaimedAt time.Time // zero if nothing was claimed
	EndedAt   time.Time
}

// An EventDelivery is an event and how far it got, by endpoint. Endpoints that do
// not want its kind now, or were made later, are left out.
type EventDelivery struct {
	parley.Event
	To []DeliveryState
}

// A DeliveryState is how far an event got on its way to an endpoint.
type DeliveryState struct {
	Endpoint parley.EndpointID
	Progress Progress
	Attempts int       // with Blocked and Parked
	NextAt   time.Time // with Blocked
}

// A Progress says where an event is.
type Progress string

// The closed set of progresses.
const (
	ProgressDelivered Progress = "delivered" // the endpoint has it, maybe by a replay
	ProgressWaiting   Progress = "waiting"   // its turn has not come, or it is under way
	ProgressBlocked   Progress = "blocked"   // it failed, and is tried again
	ProgressParked    Progress = "parked"    // it is a dead letter
)

// Timeline tells a message's way, whether it is listed or not. KindNotFound if it
// is of another conversation. It reads what is committed, in several steps.
func (db *DB) Timeline(ctx context.Context, company parley.CompanyID, conversation parley.ConversationID, id parley.MessageID) (Timeline, error) {
	var t Timeline
	for _, step := range []func() error{
		func() error { return db.timelineMessage(ctx, &t, company, conversation, id) },
		func() error { return db.timelineJob(ctx, &t) },
		func() error { return db.timelineEvents(ctx, &t) },
		func() error { return db.timelineDeliveries(ctx, &t) },
	} {
		if err := step(); err != nil {
			return Timeline{}, err
		}
	}
	return t, nil
}

func (db *DB) timelineMessage(ctx context.Context, t *Timeline, company parley.CompanyID, conversation parley.ConversationID, id parley.MessageID) error {
	found := false
	err := db.read(ctx, "SELECT "+messageColumns+", m.listed FROM message m WHERE m.id = $1 AND m.company_id = $2 AND m.conversation_id = $3",
		[]any{int64(id), int64(company), int64(conversation)}, func(scan scanFunc) error {
			var listed int64
			err := scanMessage(scan, &t.Message, &listed)
			found, t.Delivered = true, listed != 0 && !t.Message.Income
			return err
		})
	if err == nil && !found {
		err = parley.Errorf(parley.KindNotFound, "Message not found")
	}
	return err
}

func (db *DB) timelineJob(ctx context.Context, t *Timeline) error {
	id := int64(t.Message.Job)
	if id == 0 {
		return nil
	}
	err := db.read(ctx, "SELECT "+jobColumns+", j.claimed_at FROM job j WHERE j.id = $1", []any{id}, func(scan scanFunc) error {
		var claimed int64
		t.Job = &parley.Job{}
		err := scanJob(scan, t.Job, &claimed)
		t.ClaimedAt = moment(claimed)
		return err
	})
	if err != nil {
		return err
	}
	return db.read(ctx, `SELECT number, part, result, kind, reason, claimed_at, created_at FROM job_attempt
		WHERE job_id = $1 ORDER BY number`, []any{id}, func(scan scanFunc) error {
		var a JobAttempt
		var claimed, ended int64
		err := scan(&a.Number, &a.Part, &a.Result, &a.Kind, &a.Reason, &claimed, &ended)
		a.ClaimedAt, a.EndedAt = moment(claimed), moment(ended)
		t.Attempts = append(t.Attempts, a)
		return err
	})
}

// timelineEvents finds the events about the message, and that of a job that
// failed, which names no message.
func (db *DB) timelineEvents(ctx context.Context, t *Timeline) error {
	m := &t.Message
	from, err := db.seqSince(ctx, m.Company, m.CreatedAt.Add(-timelineSlack))
	if err != nil {
		return err
	}
	failedAt := int64(-1)
	if t.Job != nil && t.Job.State == parley.JobNotDelivered {
		failedAt = millis(t.Job.DoneAt)
	}
	events, err := db.eventsWhere(ctx, 0, `company_id = $1 AND seq IN (SELECT near.seq FROM (SELECT seq, message_id, kind, created_at FROM event
			WHERE stream = $2 AND company_id = $1 AND seq >= $3 ORDER BY seq LIMIT $4) AS near
			WHERE near.message_id = $5 OR near.kind = 'job/executed' AND near.message_id = 0 AND near.created_at = $6) ORDER BY seq`,
		int64(m.Company), int64(m.Conversation.Stream()), from, timelineEvents, int64(m.ID), failedAt)
	for _, e := range events {
		if e.Message == m.ID || executes(&e, t.Job) {
			t.Events = append(t.Events, EventDelivery{Event: e})
		}
	}
	return err
}

// executes reports whether the event is the end of the job.
func executes(e *parley.Event, j *parley.Job) bool {
	var body struct {
		Data struct {
			ID parley.JobID `json:"id"`
		} `json:"data"`
	}
	return j != nil && json.Unmarshal(e.Body, &body) == nil && body.Data.ID == j.ID
}

// seqSince returns the number of the first event of a company that is not older
// than at, one behind the newest if there is none. It looks at a few rows only, on
// the understanding that clocks go forward.
func (db *DB) seqSince(ctx context.Context, company parley.CompanyID, at time.Time) (int64, error) {
	low, last, err := db.LogBounds(ctx, company)
	for high := last + 1; err == nil && low < high; {
		middle := low + (high-low)/2
		var created int64
		err = one(ctx, db.backend.reader(), "SELECT created_at FROM event WHERE company_id = $1 AND seq = $2", []any{int64(company), middle}, &created)
		switch {
		case noRow(err): // retention took it meanwhile
			low, err = middle+1, nil
		case created < millis(at):
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, classify(err)
}

// timelineDeliveries finds what became of the events.
func (db *DB) timelineDeliveries(ctx context.Context, t *Timeline) error {
	if len(t.Events) == 0 {
		return nil
	}
	endpoints, err := db.Endpoints(ctx, t.Message.Company, Page{Limit: 2 * MaxEndpoints})
	for n := 0; n < len(endpoints) && err == nil; n++ {
		err = db.timelineEndpoint(ctx, t, &endpoints[n])
	}
	return err
}

func (db *DB) timelineEndpoint(ctx context.Context, t *Timeline, e *parley.Endpoint) error {
	blocked, err := db.blockedStream(ctx, e.ID, t.Message.Conversation.Stream())
	if err != nil {
		return err
	}
	seqs := make([]int64, len(t.Events))
	for n := range t.Events {
		seqs[n] = t.Events[n].Seq
	}
	letters, err := db.lettersOf(ctx, e.ID, seqs)
	if err != nil {
		return err
	}
	for n := range t.Events {
		event := &t.Events[n]
		letter := letters[event.Seq]
		if letter != nil || e.URL != "" && e.Wants(event.Kind) && !event.At.Before(e.CreatedAt) {
			event.To = append(event.To, progress(e, event.Seq, blocked, letter))
		}
	}
	return db.timelineWebhooks(ctx, t, e.ID, seqs)
}

// progress says how far an event got. Blocked and letter are nil if there are none.
func progress(e *parley.Endpoint, seq int64, blocked *parley.BlockedStream, letter *parley.DeadLetter) DeliveryState {
	s := DeliveryState{Endpoint: e.ID, Progress: ProgressDelivered}
	switch {
	case letter != nil && letter.ReplayedAt.IsZero():
		s.Progress, s.Attempts = ProgressParked, letter.Attempts
	case letter != nil:
	case blocked != nil && blocked.Head == seq && blocked.Attempt > 0:
		s.Progress, s.Attempts, s.NextAt = ProgressBlocked, blocked.Attempt, blocked.NextAt
	case blocked != nil && blocked.Head <= seq, seq > e.Cursor:
		s.Progress = ProgressWaiting
	}
	return s
}

// blockedStream returns the row of a stream, nil if there is none.
func (db *DB) blockedStream(ctx context.Context, endpoint parley.EndpointID, stream parley.StreamID) (*parley.BlockedStream, error) {
	list, err := db.blockedStreams(ctx, "endpoint_id = $1 AND stream = $2", int64(endpoint), int64(stream))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// lettersOf returns an endpoint's dead letters of some events, by their numbers.
func (db *DB) lettersOf(ctx context.Context, endpoint parley.EndpointID, seqs []int64) (map[int64]*parley.DeadLetter, error) {
	found := map[int64]*parley.DeadLetter{}
	err := chunks(seqs, func(some []int64) error {
		list, err := db.letters(ctx, "endpoint_id = $1 AND seq IN ("+placeholders(2, len(some))+")", withID(int64(endpoint), some)...)
		for n := range list {
			found[list[n].Seq] = &list[n]
		}
		return err
	})
	return found, err
}

func withID(id int64, more []int64) []any {
	args := []any{id}
	for _, n := range more {
		args = append(args, n)
	}
	return args
}

func (db *DB) timelineWebhooks(ctx context.Context, t *Timeline, endpoint parley.EndpointID, seqs []int64) error {
	return chunks(seqs, func(some []int64) error {
		return db.read(ctx, `SELECT seq, number, status, reason, took_ms, created_at FROM webhook_attempt
			WHERE endpoint_id = $1 AND seq IN (`+placeholders(2, len(some))+`) ORDER BY seq, number`, withID(int64(endpoint), some), func(scan scanFunc) error {
			a := parley.Attempt{Endpoint: endpoint, Company: t.Message.Company}
			var took, at int64
			err := scan(&a.Seq, &a.Number, &a.Status, &a.Reason, &took, &at)
			a.Took, a.At = time.Duration(took)*time.Millisecond, moment(at)
			t.Webhooks = append(t.Webhooks, a)
			return err
		})
	})
}
