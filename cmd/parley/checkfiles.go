package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/store"
)

const (
	filesTimeout  = 20 * time.Second // to write, read and delete one file
	sampleFiles   = 200              // newest files that are looked for
	filesProgress = 10_000           // files between two lines of progress
)

// files checks the store of files. Of a database that could not be read known is
// false, and only the store itself is checked.
func (k *checker) files(ctx context.Context, f store.Facts, known bool) {
	const what = "files"
	directory, local := blob.Directory(k.location(k.Data))
	switch _, err := os.Stat(directory); {
	case !local && k.Offline:
		k.say(gradeOK, what, "not asked, as --offline says")
		return
	case local && errors.Is(err, fs.ErrNotExist) && f.Blobs == "":
		k.say(gradeOK, what, "there are none yet; serve makes %s", directory)
		return
	case local && errors.Is(err, fs.ErrNotExist):
		k.say(gradeFail, what, "%s is not there, and the database has files: mount it, or say with --blobs where they are", directory)
		return
	}
	s, err := k.fileStore.open(k.Data)
	if err != nil {
		k.say(gradeFail, what, "%v", err)
		return
	}
	if local {
		k.free(what, directory)
	}
	if k.works(ctx, s, local) && known && k.belongs(ctx, s, f.Blobs) {
		k.missing(ctx, s)
	}
}

// works writes, reads and deletes a file.
func (k *checker) works(ctx context.Context, s blob.Store, local bool) bool {
	ctx, cancel := context.WithTimeout(ctx, filesTimeout)
	defer cancel()
	err := s.Check(ctx)
	advice := "look at the bucket's address, keys and rights: it needs to put, get, list and delete objects"
	if local {
		advice = "give the directory to the user that runs parley, and make room"
	}
	if err != nil {
		k.say(gradeFail, "files", "%s does not keep files: %v; %s", s, err, advice)
		return false
	}
	k.say(gradeOK, "files", "%s keeps, gives back and deletes a file", s)
	return true
}

// belongs compares the identity of the store with the one in the database.
func (k *checker) belongs(ctx context.Context, s blob.Store, want string) bool {
	const what = "files"
	id, err := blob.Identity(ctx, s)
	switch {
	case want == "":
		return false // no gateway has stored a file yet
	case parley.KindOf(err) == parley.KindNotFound:
		k.say(gradeFail, what, "%s is empty, and the database has files: say with --blobs where they are, or restore them from a backup", s)
	case err != nil:
		k.say(gradeFail, what, "%v", err)
	case id != want:
		k.say(gradeFail, what, "%s has the files of another database (%s instead of %s): say with --blobs where this one's are", s, id, want)
	default:
		return true
	}
	return false
}

// missing looks for the bytes of files that the database has.
func (k *checker) missing(ctx context.Context, s blob.Store) {
	const what = "files"
	newest := sampleFiles
	if k.AllFiles {
		newest = 0
	}
	var seen, gone int64
	err := store.EachBlob(ctx, store.Options{Path: k.file(), URL: k.Database}, newest, func(b store.Blob) error {
		if seen++; seen%filesProgress == 0 {
			fmt.Fprintf(k.out.err, "%d files looked at, %d missing or damaged\n", seen, gone)
		}
		ok, err := k.sound(ctx, s, b)
		if !ok && err == nil {
			gone++
		}
		return err
	})
	which := "files"
	if !k.AllFiles {
		which = "newest files (--all-files looks for all)"
	}
	switch {
	case err != nil:
		k.say(gradeFail, what, "after %d files: %v", seen, err)
	case gone > 0:
		k.say(gradeFail, what, "%d of the %d %s are missing or damaged: put them back from a backup (docs/backup.md)", gone, seen, which)
	case k.AllFiles:
		k.say(gradeOK, what, "the bytes of the %d files are there, and are those that were stored", seen)
	default:
		k.say(gradeOK, what, "the bytes of the %d %s are there", seen, which)
	}
}

// sound reports whether a blob is what it should be: by its size, or by all of its
// bytes if every file is looked at.
func (k *checker) sound(ctx context.Context, s blob.Store, b store.Blob) (bool, error) {
	ok, err := blob.Has(ctx, s, b.Key, b.Size)
	sum, unknown := hex.DecodeString(b.SHA256)
	if err != nil || !ok || !k.AllFiles || unknown != nil || len(sum) != sha256.Size {
		return ok, err
	}
	err = blob.Verify(ctx, s, b.Key, blob.Info{Size: b.Size, SHA256: [sha256.Size]byte(sum)})
	if e, damaged := errors.AsType[*parley.Error](err); damaged && (e.Code == blob.CodeCorrupt || e.Kind == parley.KindNotFound) {
		return false, nil
	}
	return err == nil, err
}
