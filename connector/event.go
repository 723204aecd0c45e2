package connector

import (
	"time"

	"github.com/parley-im/parley"
)

// An Event is one thing that a provider told us. Its identity, for storing it
// once whatever way it came, is the channel's account, Chat.ID, ID, the kind of
// What, and Version.
type Event struct {
	ID      string    // the provider's id of the message, or of the update if it is about none
	Version string    // tells one edit of the same message from another; empty if there is just one
	At      time.Time // by the provider's clock; zero if it did not say
	Chat    Chat      // the conversation; the zero value if it belongs to none
	From    Person    // who did it; the zero value if nobody did
	What    What
	Confirm string // what the provider wants to be told once the event is stored; see Confirmer
	Raw     []byte // as it came; kept when it has to be quarantined
}

// A Chat is a conversation as the provider knows it.
type Chat struct {
	ID    string
	Group bool
	Name  string // of a group; a direct chat is named after its person
}

// A Person is a contact as the provider knows them.
type Person struct {
	ID       string // empty if unknown
	PublicID string // shown outside as sender_external_id; ID if empty
	Name     string
	Username string // without @
}

// What is the content of an event: one of the types below.
type What interface{ Kind() string }

// A Message was written: by the contact, or by ourselves elsewhere.
type Message struct {
	Own       bool // written by the account itself, by other means than Parley
	Text      string
	ReplyTo   string // the provider's id of the message replied to
	Forwarded bool
	Payload   string // of a button or a start link
	Location  *parley.Location
	Files     []File
	// Unsupported names what was said if we cannot carry it, such as "poll". The
	// raw bytes are then quarantined beside the message.
	Unsupported string
}

// An Edit says what the message Event.ID is now.
type Edit struct {
	Text     string
	Location *parley.Location // nil leaves what there is
	Files    []File           // none leaves what there is
}

// A File is a file on a message, named so that its bytes can be had later.
type File struct {
	Kind   parley.FileKind
	ID     string // tells one file from another, whatever message it is on
	Source string // what Fetcher.Fetch finds it by; only the connector reads it
	Name   string // as the sender gave it, which may be anything; empty if they did not
	Type   string // MIME type as the provider says; empty if it does not
	Size   int64  // in bytes as the provider says; 0 if it does not
	Width  int    // in pixels; 0 if unknown
	Height int
	// Refused says why the bytes can never be had, such as being too large for the
	// provider's own interface. Empty if they can.
	Refused string
}

// A Delete removes the message Event.ID.
type Delete struct{}

// A Receipt raises the ack of the message Event.ID.
type Receipt struct{ Ack parley.Ack }

// Blocked says that the contact will not hear from us any more.
type Blocked struct{}

// Unblocked takes Blocked back.
type Unblocked struct{}

// Renamed says only that the names are those in Event.From, or that of a group
// the one in Event.Chat.
type Renamed struct{}

// Moved says that the conversation Event.Chat goes on under another id.
type Moved struct{ To string }

// Ignored is what is understood and says nothing that anyone would want to know,
// such as that a message was pinned. It is counted, not stored.
type Ignored struct{ Reason string }

// Unknown is what the connector could not understand. It is quarantined.
type Unknown struct{ Reason string }

// Kind returns the constant word for the type, part of an event's identity.
func (Message) Kind() string   { return "message" }
func (Edit) Kind() string      { return "edit" }
func (Delete) Kind() string    { return "delete" }
func (Receipt) Kind() string   { return "receipt" }
func (Blocked) Kind() string   { return "blocked" }
func (Unblocked) Kind() string { return "unblocked" }
func (Renamed) Kind() string   { return "renamed" }
func (Moved) Kind() string     { return "moved" }
func (Ignored) Kind() string   { return "ignored" }
func (Unknown) Kind() string   { return "unknown" }
