package parley

import (
	"slices"
	"time"
)

// A JobState is where the work of delivering one message is.
type JobState string

// The closed set of job states.
const (
	// JobWaiting: an older job of the same conversation is open. The outcome of
	// that one, or the owner's poll, moves it on.
	JobWaiting JobState = "waiting"
	// JobReady: the head of its conversation, due at its time. A claim moves it on.
	JobReady JobState = "ready"
	// JobSending: claimed; its request may have left. The outcome moves it on.
	JobSending JobState = "sending"
	// JobDelivered: the provider has it. Final.
	JobDelivered JobState = "delivered"
	// JobNotDelivered: it failed, for a reason. Final.
	JobNotDelivered JobState = "not_delivered"
)

var jobNext = map[JobState][]JobState{
	JobWaiting:      {JobReady, JobNotDelivered},
	JobReady:        {JobSending, JobNotDelivered},
	JobSending:      {JobReady, JobDelivered, JobNotDelivered},
	JobDelivered:    {},
	JobNotDelivered: {},
}

// JobStates lists every state.
func JobStates() []JobState {
	return []JobState{JobWaiting, JobReady, JobSending, JobDelivered, JobNotDelivered}
}

// CanBecome reports whether next may follow s.
func (s JobState) CanBecome(next JobState) bool { return slices.Contains(jobNext[s], next) }

// Open reports whether the job has not ended.
func (s JobState) Open() bool { return len(jobNext[s]) > 0 }

// A Lane is a queue of its own within a channel.
type Lane int

// The lanes, in order of service.
const (
	LaneReply Lane = 0 // to someone who wrote within the last 24 h
	LaneBulk  Lane = 1 // to someone who did not
	LaneFirst Lane = 2 // the first message to a stranger
)

// A Job is the work of delivering one message.
type Job struct {
	ID           JobID
	Company      CompanyID
	Channel      ChannelID
	Conversation ConversationID
	Message      MessageID
	Lane         Lane
	State        JobState
	Part         int       // index of the part that is next or under way
	Attempt      int       // attempts spent on that part
	Crashes      int       // claims of that part that have had no outcome
	Term         Term      // under which it was claimed
	ReadyAt      time.Time // not before
	Deadline     time.Time // of a claim: until then its owner may still be sending
	Reason       string    // why it was not delivered
	CreatedAt    time.Time
	DoneAt       time.Time // zero while open
}

// UnknownOutcome is the reason of a job whose request left without a verdict.
const UnknownOutcome = "outcome unknown: the messenger did not answer, the message may have arrived"
