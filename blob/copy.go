package blob

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/parley-im/parley"
)

// A Copier copies blobs from one directory to another, which takes over its
// identity. On one file system it makes hard links, which take no space: no blob is
// ever changed in place, so a link keeps what it is when the original goes. It is
// not safe for concurrent use.
type Copier struct {
	from, to *directory
	touched  [256]bool // shards of to with names that are not durable yet
}

// NewCopier returns a Copier between two stores. Errors are KindUnsupported unless
// both are directories, and KindConflict if to has another identity than from.
func NewCopier(ctx context.Context, from, to Store) (*Copier, error) {
	source, ok := from.(*directory)
	target, both := to.(*directory)
	if !ok || !both {
		return nil, parley.Errorf(parley.KindUnsupported, "files are copied between directories only")
	}
	id, err := source.ID(ctx)
	if err != nil {
		return nil, err
	}
	has, err := target.readID(ctx)
	if parley.KindOf(err) == parley.KindNotFound {
		has, err = id, target.writeID(id)
	}
	if err == nil && has != id {
		err = parley.Errorf(parley.KindConflict, target.root+" has files of another installation")
	}
	return &Copier{from: source, to: target}, err
}

// Copy copies one blob, of which the size in bytes is known, and reports whether it
// is in the target then. One that is there already is left alone. A blob that is
// missing, or has another size and so is not what was stored, is not copied. Names
// are durable after Close.
func (c *Copier) Copy(ctx context.Context, key string, size int64) (found bool, err error) {
	if found, err := Has(ctx, c.to, key, size); found || err != nil {
		return found, err
	}
	if found, err := Has(ctx, c.from, key, size); !found || err != nil {
		return found, err
	}
	_, _, old := c.from.place(key)
	n, dir, name := c.to.place(key)
	if err := c.to.prepare(n, dir); err != nil {
		return false, diskError("write", err)
	}
	if err := os.Link(old, name); err == nil {
		c.touched[n] = true
		return true, nil
	}
	return c.stream(ctx, key, size) // another file system, or one without links
}

func (c *Copier) stream(ctx context.Context, key string, size int64) (found bool, err error) {
	r, err := c.from.Open(ctx, key)
	if parley.KindOf(err) == parley.KindNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	_, err = c.to.Put(ctx, key, r, size)
	return err == nil, err
}

// Close makes the names of what was copied durable.
func (c *Copier) Close() error {
	for n, touched := range c.touched {
		if !touched {
			continue
		}
		if err := c.to.syncDir(filepath.Join(c.to.root, hex.EncodeToString([]byte{byte(n)}))); err != nil {
			return diskError("write", err)
		}
	}
	return nil
}

// Has reports whether a store has a blob of a size, in bytes.
func Has(ctx context.Context, s Store, key string, size int64) (bool, error) {
	r, err := s.Open(ctx, key)
	if parley.KindOf(err) == parley.KindNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return r.Size() == size, r.Close()
}

// Directory returns the path in a location given to Open, if it is a directory's.
func Directory(location string) (path string, ok bool) {
	_, _, found := strings.Cut(location, "://")
	return location, !found && location != ""
}

// Identity returns the identity of a store that was opened, and makes none:
// KindNotFound if it has none yet.
func Identity(ctx context.Context, s Store) (string, error) {
	return s.(interface {
		readID(ctx context.Context) (string, error)
	}).readID(ctx)
}
