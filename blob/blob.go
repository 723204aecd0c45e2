package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// Codes of the errors that callers tell apart from others of the same kind.
const (
	CodeTooLarge = "file_too_large" // KindInvalid: the reader gave more than max bytes
	CodeDiskFull = "disk_full"      // KindUnavailable: no space, or the quota is used up
	CodeCorrupt  = "file_corrupt"   // KindInternal: not the bytes that were put
	CodeBadKey   = "bad_key"        // KindInvalid: no key
)

// MaxKey is how long a key may be, in bytes. A key has letters and digits of
// ASCII, dots, underscores and hyphens, and does not start with a dot.
const MaxKey = 128

// Leftover is the age from which what an interrupted Put left behind counts as
// abandoned: no upload takes that long.
const Leftover = 24 * time.Hour

// idKey is the name under which a store keeps its identity. It is no blob's key.
const idKey = "parley-blobs-id"

// A Store keeps blobs by key. It is safe for concurrent use, also by several
// nodes. The errors of its methods are described in the package comment.
type Store interface {
	// Put reads r to its end and keeps what it said under key, in place of what
	// was there. More than max bytes are KindInvalid with CodeTooLarge. An error of
	// r comes back wrapped. It blocks as long as r does.
	Put(ctx context.Context, key string, r io.Reader, max int64) (Info, error)

	// Open returns a blob's bytes. ctx governs the Reader until it is closed. The
	// caller closes it.
	Open(ctx context.Context, key string) (Reader, error)

	// Delete removes a blob. That there is none is no error. After a power loss a
	// blob deleted in a directory may be there again, as an orphan.
	Delete(ctx context.Context, key string) error

	// Walk calls f for every blob, in any order, and stops at the first error,
	// which it returns. Blobs that come or go meanwhile are seen or not. What is
	// not a blob's is passed over. f may use the store.
	Walk(ctx context.Context, f func(Entry) error) error

	// Sweep removes what Puts begun before a time and never ended have left, and
	// returns how many that were. Opening a directory does it with Leftover; in a
	// bucket it is the janitor's work.
	Sweep(ctx context.Context, before time.Time) (int, error)

	// ID returns the identity of the store, which is made when it is first asked
	// for and then stays: 32 hexadecimal digits. Two nodes with different ones do
	// not share their files.
	ID(ctx context.Context) (string, error)

	// Check writes, reads and deletes a small blob.
	Check(ctx context.Context) error

	// String says for people where the blobs are, without secrets.
	String() string
}

// A Reader reads one blob, as it was when it was opened. It fits
// http.ServeContent. Seeking costs nothing until the next Read. It does not verify
// the bytes. After an error Read may be called again and goes on where it was. It
// is not safe for concurrent use.
type Reader interface {
	io.ReadSeekCloser
	Size() int64 // of the whole blob, in bytes
}

// Info says what a blob holds.
type Info struct {
	Size   int64             // in bytes
	SHA256 [sha256.Size]byte // of all bytes
}

// An Entry is a blob met by Walk.
type Entry struct {
	Key     string
	Size    int64     // in bytes
	ModTime time.Time // when it was put, by the clock of the disk or server
}

// Options are the settings of a store that are not part of its location.
type Options struct {
	AccessKey parley.Secret    // needed for a bucket
	SecretKey parley.Secret    // needed for a bucket
	CAFile    string           // PEM file of the authorities that vouch for an https endpoint; empty: the system's
	Now       func() time.Time // nil: time.Now
}

// Open opens the store at location: the path of a directory, which is made when
// it is missing, or
//
//	s3://bucket/prefix?endpoint=https://host:port&region=name
//
// The prefix may be left out, and so may the region, which then is us-east-1. The
// endpoint's scheme decides whether the connection is encrypted. With style=host
// the bucket becomes part of the host name, for servers that need it and are not
// known for it. Opening a bucket makes no request; Check does. Errors are
// KindInvalid.
func Open(location string, o Options) (Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	switch scheme, _, found := strings.Cut(location, "://"); {
	case location == "":
		return nil, parley.Errorf(parley.KindInvalid, "the place for files is empty: give a directory or s3://bucket/prefix?endpoint=https://host")
	case found && scheme == "s3":
		return openBucket(location, o)
	case found:
		return nil, parley.Errorf(parley.KindInvalid, "the place for files is neither a directory nor an s3:// address")
	}
	return openDir(location, o)
}

// Verify reads a blob to its end and compares it with what Put said of it. A
// difference is KindInternal with CodeCorrupt.
func Verify(ctx context.Context, s Store, key string, want Info) error {
	r, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return err
	}
	if n != want.Size || [sha256.Size]byte(h.Sum(nil)) != want.SHA256 {
		return &parley.Error{Kind: parley.KindInternal, Code: CodeCorrupt, Message: "file " + key + " is damaged: it has not the bytes that were stored"}
	}
	return nil
}

// check proves that a store writes, reads, deletes, and tells a missing blob from
// a refusal.
func check(ctx context.Context, s Store) (err error) {
	key := "parley-check-" + randomHex()
	text := strings.NewReader("This file may be deleted.\n")
	info, err := s.Put(ctx, key, text, text.Size())
	if err != nil {
		return err
	}
	if err := errors.Join(Verify(ctx, s, key, info), s.Delete(ctx, key)); err != nil {
		return err
	}
	r, err := s.Open(ctx, key)
	if err == nil {
		r.Close()
		return parley.Errorf(parley.KindUnavailable, "the file store still has a file that it deleted")
	}
	if parley.KindOf(err) != parley.KindNotFound {
		return err
	}
	return nil
}

func validKey(key string) error {
	if key == "" || len(key) > MaxKey || key[0] == '.' || key == idKey || strings.ContainsFunc(key, badRune) {
		return &parley.Error{Kind: parley.KindInvalid, Code: CodeBadKey, Message: "this is no key of a file"}
	}
	return nil
}

func badRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
		return false
	}
	return true
}

// validID returns the identity in what a store has kept.
func validID(text []byte) (string, error) {
	id := strings.TrimSpace(string(text))
	if b, err := hex.DecodeString(id); err != nil || len(b) != 16 {
		return "", parley.Errorf(parley.KindInvalid, idKey+" in the file store is damaged: restore it from a backup")
	}
	return id, nil
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func notFound(cause error) error {
	return &parley.Error{Kind: parley.KindNotFound, Message: "there is no such file", Err: cause}
}

// ended says that a call was given up because its context ended. A deadline is
// the store's slowness; a cancellation is nobody's failure.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &parley.Error{Kind: parley.KindUnavailable, Message: "the file store did not answer in time", Err: ctx.Err()}
	}
	return ctx.Err()
}
