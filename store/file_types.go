package store

import (
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A FileOutcome is how one try at fetching a file ended.
type FileOutcome struct {
	File   *parley.Attachment // as it was read: pending, at its attempt
	Grant  parley.Grant
	Result FileResult
	Blob   string // with FileFetched: the key of the bytes
	Size   int64  // with FileFetched: how many there are
	SHA256 string // with FileFetched: their hash, in hexadecimal
	Type   string // with FileFetched: the MIME type found; empty leaves it
	Reason string // with FileFailed
	At     time.Time
	Spent  bool // with FileRetry: the attempt counts
}

// A FileResult is how a try at fetching a file ended.
type FileResult string

// The closed set of results.
const (
	FileFetched FileResult = "fetched"
	FileRetry   FileResult = "retry" // at FileOutcome.At
	FileFailed  FileResult = "failed"
)

// A DueProfile is a conversation whose name and picture are to be asked for.
type DueProfile struct {
	Conversation parley.ConversationID
	Company      parley.CompanyID
	Channel      parley.ChannelID
	Chat         connector.Chat
	Tries        int // that failed since the last that did not
	DueAt        time.Time
}

// A ProfileOutcome is what became of asking for a profile.
type ProfileOutcome struct {
	Due   *DueProfile
	Grant parley.Grant
	// Profile is what the provider said; nil if it said nothing of use.
	Profile *connector.Profile
	// Again is when to ask again; zero is not before the contact writes and the
	// last answer is a day old.
	Again time.Time
}
