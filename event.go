package parley

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An EventKind names what happened, as the type and event keys of a webhook do,
// joined by a slash.
type EventKind string

// The kinds of event. Those marked as extensions reach only companies that have
// asked for extended events.
const (
	EventConversationNew       EventKind = "conversation/new"
	EventConversationUpdate    EventKind = "conversation/update"
	EventConversationBlocked   EventKind = "conversation/blocked"   // extension
	EventConversationUnblocked EventKind = "conversation/unblocked" // extension
	EventMessageNew            EventKind = "message/new"
	EventMessageAck            EventKind = "message/ack"
	EventMessageUpdate         EventKind = "message/update"    // extension
	EventMessageDelete         EventKind = "message/delete"    // extension
	EventMessageReaction       EventKind = "message/reaction"  // extension
	EventAttachmentReady       EventKind = "attachment/ready"  // extension
	EventAttachmentFailed      EventKind = "attachment/failed" // extension
	EventGroupNew              EventKind = "group_conversation/new"
	EventGroupUpdate           EventKind = "group_conversation/update" // extension
	EventGroupMessageNew       EventKind = "group_message/new"
	EventGroupMessageAck       EventKind = "group_message/ack"
	EventGroupMemberNew        EventKind = "group_conversation_contact/new"
	EventJobExecuted           EventKind = "job/executed"
	EventQRCode                EventKind = "qr_code/new"
	EventSystem                EventKind = "system"
	EventService               EventKind = "service_messages/update"
)

// EventKinds lists every kind.
func EventKinds() []EventKind {
	return []EventKind{
		EventConversationNew, EventConversationUpdate, EventConversationBlocked, EventConversationUnblocked,
		EventMessageNew, EventMessageAck, EventMessageUpdate, EventMessageDelete, EventMessageReaction,
		EventAttachmentReady, EventAttachmentFailed,
		EventGroupNew, EventGroupUpdate, EventGroupMessageNew, EventGroupMessageAck, EventGroupMemberNew,
		EventJobExecuted, EventQRCode, EventSystem, EventService,
	}
}

// Extension reports whether the kind is beyond the contract.
func (k EventKind) Extension() bool {
	switch k {
	case EventConversationBlocked, EventConversationUnblocked, EventMessageUpdate, EventMessageDelete, EventMessageReaction,
		EventAttachmentReady, EventAttachmentFailed, EventGroupUpdate:
		return true
	}
	return false
}

// An Event is a fact that happened, stored once, in order. Its body is rendered
// once, so that every attempt at every receiver is equal to the byte.
type Event struct {
	Company CompanyID
	Seq     int64    // rises by one within a company's log, without gaps
	Stream  StreamID // what it is kept in order with
	Channel ChannelID
	Message MessageID // 0 if it is not about one
	Kind    EventKind
	Body    []byte
	At      time.Time // when it was stored
}

// A Cursor is a place in a company's event log: every event up to Seq is
// behind it. A restored database starts a new epoch.
type Cursor struct {
	Epoch int64
	Seq   int64
}

// String returns the form in which cursors are shown: epoch.seq.
func (c Cursor) String() string { return fmt.Sprintf("%d.%d", c.Epoch, c.Seq) }

// A GoneError says that a cursor cannot be read on from: it is of another epoch,
// or what followed it is not kept any more.
type GoneError struct {
	First Cursor // the first that can be: what follows it is the oldest event kept
}

// Error names the cursor to go on with.
func (e *GoneError) Error() string { return "the first cursor is " + e.First.String() }

// Gone makes the error about a cursor that is gone: it holds a *GoneError.
func Gone(first Cursor) *Error {
	return &Error{Kind: KindNotFound, Message: "the cursor is gone", Err: &GoneError{first}}
}

// ParseCursor reads what String wrote, and nothing else: no sign, no zeros in
// front. The error is of KindInvalid.
func ParseCursor(s string) (Cursor, error) {
	epoch, seq, ok := strings.Cut(s, ".")
	e, err1 := strconv.ParseInt(epoch, 10, 64)
	n, err2 := strconv.ParseInt(seq, 10, 64)
	c := Cursor{e, n}
	if !ok || err1 != nil || err2 != nil || e < 0 || n < 0 || c.String() != s {
		return Cursor{}, Errorf(KindInvalid, "not a cursor: want epoch.seq")
	}
	return c, nil
}
