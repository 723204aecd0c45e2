package parley

import (
	"time"
	"unicode/utf16"
)

// MaxText is the longest text that a message may have, in Unicode code points.
const MaxText = 32768

// An Ack is how far a message is known to have got. It only rises.
type Ack int

// The levels of an ack, with the contract's numbers.
const (
	AckPreparing Ack = -1
	AckSending   Ack = 0
	AckSent      Ack = 1
	AckDelivered Ack = 2
	AckRead      Ack = 3
)

// A Location is a place on a message. Name and Address may be empty.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// A Template is a text that the provider keeps and has approved, to be sent by
// name.
type Template struct {
	ID         string   `json:"id"`
	Language   string   `json:"language"`
	Parameters []string `json:"parameters,omitempty"` // what stands for {{1}}, {{2}} and so on
}

// A Message is one thing said, in either direction.
type Message struct {
	ID           MessageID
	Company      CompanyID
	Channel      ChannelID
	Conversation ConversationID
	Job          JobID // 0 unless it was sent through the API
	Income       bool
	Text         string
	Ack          Ack
	ProviderID   string // the provider's id; empty until it is known
	ReplyTo      MessageID
	ReplyToID    string // the provider's id of the message replied to; empty if none
	Forwarded    bool
	Payload      string // of a button or a start link; empty if none
	Location     *Location
	Files        []Attachment
	Template     *Template // sent instead of a text; nil for most
	Buttons      []string  // titles of the buttons below the text
	Service      bool      // a service message: its outcome is told by an event of its own
	Contact      ContactID // who wrote it in a group; 0 if it is known from the conversation
	Author       string    // the public id of who wrote in a group; empty for own messages
	CreatedAt    time.Time
	EditedAt     time.Time // zero if it never was
	DeletedAt    time.Time // zero if it was not
}

// UTF16Len returns the length of s in UTF-16 code units, in which several
// providers count.
func UTF16Len(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
