package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
)

// NamelessBlobs returns those of the keys that no attachment names.
func (db *DB) NamelessBlobs(ctx context.Context, keys []string) ([]string, error) {
	list, err := nameless(ctx, db.backend.reader(), keys)
	return list, classify(err)
}

func nameless(ctx context.Context, q querier, keys []string) ([]string, error) {
	named := make(map[string]bool, len(keys))
	err := lookup(ctx, q, "SELECT a.blob FROM attachment a WHERE a.blob <> '' AND a.blob IN (%s)", keys, func(scan scanFunc) error {
		var key string
		err := scan(&key)
		named[key] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for blobs: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return named[key] }), nil
}

// blobsSetting is the identity of the store of files, and blobsSince when this
// database and that store came together.
const (
	blobsSetting = "blobs"
	blobsSince   = "blobs_since"
)

// BlobsSince returns since when the store of files is this database's: when
// CheckBlobs first saw it, or when the database was restored. What is older may be
// named by rows that this database does not have.
func (db *DB) BlobsSince(ctx context.Context) (time.Time, error) {
	var text string
	err := db.readOne(ctx, "Setting "+blobsSince, "SELECT value FROM setting WHERE name = $1", []any{blobsSince}, &text)
	if err != nil {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("setting %s: %w", blobsSince, err)
	}
	return moment(ms), nil
}

// A BlobFunc is called with the key and the size, in bytes, of a blob that an
// attachment names. It reports whether there is such a blob.
type BlobFunc func(key string, size int64) (found bool, err error)

// A Blob is what a row says of the bytes of its file.
type Blob struct {
	Key    string
	Size   int64  // in bytes
	SHA256 string // in hexadecimal
}

// EachBlob calls f for blobs that attachments of a database name: of all if newest
// is 0, else of so many that became known last. It opens, makes and changes
// nothing, and calls f between its queries. A database without attachments has
// none.
func EachBlob(ctx context.Context, o Options, newest int, f func(Blob) error) error {
	if o.URL != "" {
		conn, err := pgx.Connect(ctx, o.URL)
		if err != nil {
			return &parley.Error{Kind: parley.KindUnavailable, Message: "the database is not available", Err: err}
		}
		defer conn.Close(ctx)
		return blobsIn(ctx, pgQuerier{conn}, "SELECT COUNT(to_regclass('attachment'))", newest, f)
	}
	if _, err := os.Stat(o.Path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, busyTimeout, "query_only(1)")) // as the gateway's own connections
	if err != nil {
		return err
	}
	defer db.Close()
	return blobsIn(ctx, &statements{db: db}, sqliteHasFiles, newest, f)
}

const sqliteHasFiles = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'attachment'"

func blobsIn(ctx context.Context, q querier, exists string, newest int, f func(Blob) error) error {
	var tables int
	if err := one(ctx, q, exists, nil, &tables); err != nil || tables == 0 {
		return err
	}
	if newest > 0 {
		list, _, err := blobPage(ctx, q, "ORDER BY a.id DESC LIMIT $1", newest)
		return errors.Join(err, eachOf(list, f))
	}
	for after := int64(0); ; {
		list, last, err := blobPage(ctx, q, "AND a.id > $1 ORDER BY a.id LIMIT $2", after, blobPageSize)
		if err := errors.Join(err, eachOf(list, f)); err != nil || len(list) < blobPageSize {
			return err
		}
		after = last
	}
}

const blobPageSize = 500

// blobPage reads rows with a blob, and the id of the last of them.
func blobPage(ctx context.Context, q querier, rest string, args ...any) (list []Blob, last int64, err error) {
	err = q.query(ctx, "SELECT a.id, a.blob, a.size, a.sha256 FROM attachment a WHERE a.blob <> '' "+rest, args, func(scan scanFunc) error {
		var b Blob
		err := scan(&last, &b.Key, &b.Size, &b.SHA256)
		list = append(list, b)
		return err
	})
	return list, last, err
}

func eachOf(list []Blob, f func(Blob) error) error {
	for _, b := range list {
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

// copyBlobs calls file for every blob that a copy of the database names. Where a
// blob is missing because it was deleted after the copy was made, which the live
// database tells, the copy says so too; others are counted.
func copyBlobs(ctx context.Context, live, copied string, file BlobFunc) (missing int64, err error) {
	if file == nil {
		return 0, nil
	}
	var gone []string
	err = onFile(copied, "ro", func(db *sql.DB) error {
		return blobsIn(ctx, &statements{db: db}, sqliteHasFiles, 0, func(b Blob) error {
			found, err := file(b.Key, b.Size)
			if !found {
				gone = append(gone, b.Key)
			}
			return err
		})
	})
	if err != nil || len(gone) == 0 || live == "" {
		return int64(len(gone)), err
	}
	var deleted []string
	if err := onFile(live, "rw", func(db *sql.DB) (err error) {
		deleted, err = nameless(ctx, &statements{db: db}, gone)
		return err
	}); err != nil {
		return 0, err
	}
	err = onFile(copied, "rw", func(db *sql.DB) error { return dropBlobs(ctx, &statements{db: db}, deleted) })
	return int64(len(gone) - len(deleted)), err
}

// dropBlobs says of attachments that their bytes are deleted.
func dropBlobs(ctx context.Context, q querier, keys []string) error {
	return chunks(keys, func(some []string) error {
		args := []any{string(parley.AttachmentFailed), parley.ReasonFileDeleted}
		for _, key := range some {
			args = append(args, key)
		}
		_, err := q.exec(ctx, "UPDATE attachment SET state = $1, reason = $2, blob = '' WHERE blob <> '' AND blob IN ("+placeholders(3, len(some))+")", args)
		return err
	})
}
