package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/store"
)

// filesSuffix is what the directory of a backup's files has behind the name of the
// backup.
const filesSuffix = ".files"

// A fileCopy is the files of a backup on their way, in one direction or the other.
type fileCopy struct {
	copier *blob.Copier // nil if nothing is copied
	found  blob.Store   // where blobs are looked for if nothing is copied; nil is nowhere
	place  string       // of the copies, or of what is not copied
	remove string       // a directory that is removed if the backup fails
	files  int64
	bytes  int64
}

// location is where the files of a data directory are.
func (f *fileStore) location(data string) string {
	return cmp.Or(f.Blobs, filepath.Join(data, "blobs"))
}

// bucket is the place of files without its settings.
func (f *fileStore) bucket() string {
	place, _, _ := strings.Cut(f.Blobs, "?")
	return place
}

// beside prepares to copy the files to a directory beside a backup. A bucket is
// not copied, and a directory that is not there has nothing to copy.
func (f *fileStore) beside(ctx context.Context, data, target string) (*fileCopy, error) {
	directory, ok := blob.Directory(f.location(data))
	if !ok {
		return &fileCopy{place: f.bucket()}, nil
	}
	if _, err := os.Stat(directory); errors.Is(err, fs.ErrNotExist) {
		return &fileCopy{place: directory, found: nowhere{}}, nil
	}
	from, err := f.open(data)
	if err != nil {
		return nil, err
	}
	made := target + filesSuffix
	if err := os.Mkdir(made, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, parley.Errorf(parley.KindConflict, made+" exists already; nothing was written")
	} else if err != nil {
		return nil, fmt.Errorf("make the directory for files: %w", err)
	}
	c := &fileCopy{place: made, remove: made}
	to, err := blob.Open(made, blob.Options{})
	if err == nil {
		c.copier, err = blob.NewCopier(ctx, from, to)
	}
	if err != nil {
		return nil, c.end(err)
	}
	return c, nil
}

// back prepares to copy the files beside a backup to where the gateway has them.
// Without files beside it, those that are in place are looked at.
func (f *fileStore) back(ctx context.Context, data, source string) (*fileCopy, error) {
	made := source + filesSuffix
	_, err := os.Stat(made)
	absent := errors.Is(err, fs.ErrNotExist)
	directory, ok := blob.Directory(f.location(data))
	switch {
	case err != nil && !absent:
		return nil, err
	case !ok && absent:
		return &fileCopy{place: f.bucket()}, nil
	case !ok:
		return nil, parley.Errorf(parley.KindUnsupported, made+" cannot be put into a bucket: restore without --blobs, or take it away to go on with the files that the bucket has")
	}
	to, err := f.open(data)
	if err != nil {
		return nil, err
	}
	if absent {
		return &fileCopy{place: directory, found: to}, nil
	}
	from, err := blob.Open(made, blob.Options{})
	if err != nil {
		return nil, err
	}
	c, err := blob.NewCopier(ctx, from, to)
	return &fileCopy{copier: c, place: directory}, err
}

// nowhere has no blob.
type nowhere struct{ blob.Store }

// Open finds nothing.
func (nowhere) Open(context.Context, string) (blob.Reader, error) {
	return nil, parley.Errorf(parley.KindNotFound, "there is no such file")
}

// copy returns what is done with each blob of the database.
func (c *fileCopy) copy(ctx context.Context) store.BlobFunc {
	return func(key string, size int64) (found bool, err error) {
		switch {
		case c.copier != nil:
			found, err = c.copier.Copy(ctx, key, size)
		case c.found != nil:
			found, err = blob.Has(ctx, c.found, key, size)
		default:
			found = true // in a bucket, which is not asked
		}
		if found {
			c.files++
			c.bytes += size
		}
		return found, err
	}
}

// close makes what was copied durable.
func (c *fileCopy) close() error {
	if c.copier == nil {
		return nil
	}
	return c.copier.Close()
}

// end closes, and removes what was made if err says that the backup failed.
func (c *fileCopy) end(err error) error {
	if err = errors.Join(err, c.close()); err != nil && c.remove != "" {
		return errors.Join(err, os.RemoveAll(c.remove))
	}
	return err
}

// String says for the operator where the files are.
func (c *fileCopy) String() string {
	switch {
	case c.copier == nil && c.found == nil:
		return fmt.Sprintf("files: %d, not copied; they are in %s, and are to be backed up there\n", c.files, c.place)
	case c.files == 0:
		return "files: none\n"
	}
	return fmt.Sprintf("files: %d, %d bytes, in %s\n", c.files, c.bytes, c.place)
}

// lost tells of blobs that the database names and that are nowhere.
func lost(out console, missing int64) error {
	if missing == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out.err, "warning: %d files that the database names were not found, or are damaged; parley check --all-files tells more\n", missing)
	return err
}
