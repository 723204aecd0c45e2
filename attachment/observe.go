package attachment

import (
	"time"

	"github.com/parley-im/parley"
)

// An Observer is told what happens, to measure it. Its methods must not block.
type Observer interface {
	// Fetched is told of every try at fetching a file: its result is fetched,
	// retry, failed, blob_failed if our own store did not take the bytes, lost if
	// somebody else has dealt with the file or the outcome could not be stored, or
	// stopped. The size is in bytes, 0 unless all of them arrived. The provider is
	// empty if there was no client to ask.
	Fetched(provider, result string, took time.Duration, size int64)
	// Uploaded is told of every upload: stored, or the kind of its error.
	Uploaded(result string)
	// Served is told of every answer to a request for a file.
	Served(status int)
}

// A Fetch is one try at fetching a file, over.
type Fetch struct {
	File     *parley.Attachment // as it was before the try; to be read, and not kept
	Provider string             // empty if there was no client to ask
	Result   string             // as an Observer is told
	Begun    time.Time
	Took     time.Duration
	Size     int64       // in bytes; 0 unless all of them arrived
	Kind     parley.Kind // of the error; "" if there was none
}

// unobserved is nobody.
type unobserved struct{}

func (unobserved) Fetched(string, string, time.Duration, int64) {}
func (unobserved) Uploaded(string)                              {}
func (unobserved) Served(int)                                   {}

// Results of a try at fetching a file, beside those that are stored.
const (
	resultBlob    = "blob_failed"
	resultLost    = "lost"
	resultStopped = "stopped"
)
