package attachment

import (
	"context"
	"io"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// fileRows is what Files needs of the store.
type fileRows interface {
	File(ctx context.Context, id parley.AttachmentID) (parley.Attachment, error)
}

// Files opens the bytes of files that connectors are to send. It is not part of
// Service because a Service needs clients, and clients need Files.
type Files struct {
	rows  fileRows
	blobs blobs
}

var _ connector.Files = (*Files)(nil)

// NewFiles returns Files that looks for rows and bytes in the given stores.
func NewFiles(store fileRows, blobs blobs) *Files { return &Files{rows: store, blobs: blobs} }

// Open returns the bytes of a file, which the caller closes before ctx ends, and
// how many there are. KindUnavailable: they are not here yet, or our store does not
// answer. KindNotFound: they are gone, damaged, or never came.
func (f *Files) Open(ctx context.Context, a *parley.Attachment) (io.ReadCloser, int64, error) {
	key, size := a.Blob, a.Size
	if key == "" {
		row, err := f.rows.File(ctx, a.ID)
		if err == nil {
			err = here(&row)
		}
		if err != nil {
			return nil, 0, err
		}
		key, size = row.Blob, row.Size
	}
	r, err := f.blobs.Open(ctx, key)
	if err != nil {
		return nil, 0, opening(err)
	}
	if r.Size() != size {
		_ = r.Close() // nothing was read
		return nil, 0, errDamaged
	}
	return r, size, nil
}

// errDamaged is of bytes that cannot be those that were stored.
var errDamaged = parley.Errorf(parley.KindNotFound, "the file is damaged: it does not have the size that it was stored with")

// here says why there are no bytes of a file, or nil.
func here(a *parley.Attachment) error {
	switch {
	case a.State == parley.AttachmentPending:
		return parley.Errorf(parley.KindUnavailable, "the file has not been fetched yet")
	case a.State == parley.AttachmentFailed:
		return parley.Errorf(parley.KindNotFound, "the file "+gone(a))
	}
	return nil
}

// gone says what became of a file that has failed.
func gone(a *parley.Attachment) string {
	if a.Reason == parley.ReasonFileDeleted {
		return "was " + a.Reason
	}
	return "could not be fetched: " + a.Reason
}

// opening gives an error of the blob store the kind that it has for a sender:
// whatever is wrong with our store, the file may be sent later.
func opening(err error) error {
	if kind := parley.KindOf(err); kind == parley.KindNotFound || parley.Interrupted(err) {
		return err
	}
	return &parley.Error{Kind: parley.KindUnavailable, Code: "blob_store", Message: "the file cannot be read now", RetryAfter: retryAfter(err), Err: err}
}
