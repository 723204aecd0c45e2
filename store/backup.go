package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// A BackedUp says what a backup holds.
type BackedUp struct {
	Size    int64 // of the database, in bytes
	Missing int64 // blobs that the database names and that are not there
}

// Backup writes a consistent copy of the SQLite file at path to target, which
// must not exist. A gateway may be at work on the database meanwhile; the copy is
// as of one instant after the call began. It appears at target whole and durable,
// or not at all. Its mode is 0600.
//
// file is called for every blob that the copy names, before the copy appears, and
// is to copy it; nil copies none. What it does not find because the gateway has
// deleted it meanwhile is deleted in the copy too.
func Backup(ctx context.Context, path, target string, file BlobFunc) (b BackedUp, err error) {
	if err := vacant(target); err != nil {
		return b, err
	}
	if info, err := os.Stat(path); err != nil {
		return b, fmt.Errorf("read the database: %w", err)
	} else if !info.Mode().IsRegular() {
		return b, parley.Errorf(parley.KindInvalid, path+" is not a file")
	}
	b.Size, err = placed(target, func(temp string) (err error) {
		if err := vacuumInto(ctx, path, temp); err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		if err := intact(ctx, temp); err != nil {
			return err
		}
		if b.Missing, err = copyBlobs(ctx, path, temp, file); err != nil {
			return fmt.Errorf("copy the files: %w", err)
		}
		return nil
	})
	return b, err
}

func vacant(target string) error {
	switch _, err := os.Lstat(target); {
	case err == nil:
		return parley.Errorf(parley.KindConflict, target+" exists already; nothing was written")
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return nil
}

// placed lets fill write a temporary file beside target, makes it durable and
// gives it its name, never replacing another file.
func placed(target string, fill func(temp string) error) (size int64, err error) {
	dir := filepath.Dir(target)
	f, err := os.CreateTemp(dir, ".parley-copy-*")
	if err != nil {
		return 0, err
	}
	temp := f.Name()
	defer func() {
		for _, rest := range []string{"", "-wal", "-shm", "-journal"} {
			_ = os.Remove(temp + rest) // most are not there
		}
	}()
	if err := errors.Join(f.Close(), fill(temp)); err != nil {
		return 0, err
	}
	if size, err = synced(temp); err != nil {
		return 0, err
	}
	if err := os.Link(temp, target); err != nil { // unlike Rename it fails if there is one
		return 0, err
	}
	_, err = synced(dir)
	return size, err
}

// synced makes a file, or the names in a directory, durable.
func synced(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Sync()
}

// plainDSN is the address of an existing file whose journal mode is left alone.
func plainDSN(path, mode string) string {
	q := url.Values{"mode": {mode}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// onFile runs f on one connection to an existing SQLite file.
func onFile(path, mode string, f func(db *sql.DB) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", plainDSN(path, mode))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(f(db), db.Close())
}

func vacuumInto(ctx context.Context, path, temp string) error {
	temp, err := filepath.Abs(temp)
	if err != nil {
		return err
	}
	return onFile(path, "rw", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", temp)
		return err
	})
}

// intact has SQLite check every page and index of a file.
func intact(ctx context.Context, path string) error {
	var found string
	err := onFile(path, "ro", func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found)
	})
	if err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if found != "ok" {
		return parley.Errorf(parley.KindInvalid, "the database is damaged: "+found)
	}
	return nil
}

// A Restored says what a restored database is like.
type Restored struct {
	Epoch   int64 // the new one
	Jobs    int64 // open jobs, which are held
	Missing int64 // blobs that the database names and that are not there
}

// idGap is how far ids jump at a restore, so that what was given out after the
// backup is not given out a second time for something else.
const idGap = 100_000_000

// RestoreOptions says what to restore. All but File and Now must be set.
type RestoreOptions struct {
	Source string           // made by Backup; it is not changed
	Path   string           // where the database goes; must not exist
	Keys   *seal.Keyset     // must be able to open what is sealed in Source
	File   BlobFunc         // called for every blob that Source names, to put it in place; nil does nothing
	Now    func() time.Time // nil is time.Now
}

// Restore checks a backup and puts a copy of it in place, migrated and made a
// database of its own: with an epoch above any that Source can have had, ids
// that go on far behind its own, and its open jobs held until ReleaseJobs or
// FailJobs. Nothing must use Path. It appears whole and durable, or not at all.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	var r Restored
	for _, rest := range []string{"", "-wal", "-shm", "-journal"} { // SQLite would take another database's log for this one's
		if err := vacant(o.Path + rest); err != nil {
			return r, err
		}
	}
	for _, rest := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(o.Source + rest); err == nil && info.Size() > 0 {
			return r, parley.Errorf(parley.KindInvalid, o.Source+" is a database in use, or copied from one: "+filepath.Base(o.Source)+rest+
				" holds a part of it; make a backup with parley backup")
		}
	}
	_, err := placed(o.Path, func(temp string) (err error) {
		if err := copyFile(o.Source, temp); err != nil {
			return fmt.Errorf("read the backup: %w", err)
		}
		if err := genuine(ctx, temp); err != nil {
			return err
		}
		missing, err := copyBlobs(ctx, "", temp, o.File)
		if err != nil {
			return fmt.Errorf("put the files back: %w", err)
		}
		r, err = begin(ctx, temp, o)
		r.Missing = missing
		return err
	})
	return r, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// genuine refuses what is no undamaged database of ours.
func genuine(ctx context.Context, path string) error {
	var tables int
	err := onFile(path, "ro", func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('setting', 'id_block', 'schema_version')").Scan(&tables)
	})
	if err != nil || tables != 3 {
		return &parley.Error{Kind: parley.KindInvalid, Message: "this is no backup of Parley's database, or a damaged one", Err: err}
	}
	return intact(ctx, path)
}

// begin opens the copy, which migrates it and compares the keys, and makes it new.
func begin(ctx context.Context, path string, o RestoreOptions) (Restored, error) {
	db, err := Open(ctx, Options{Path: path, Keys: o.Keys, Now: o.Now})
	if err != nil {
		return Restored{}, err
	}
	r, err := txResult(ctx, db, 0, (*Tx).renew)
	if err := errors.Join(err, db.Close()); err != nil {
		return r, err
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return r, errors.New("the restored database could not be closed")
	}
	return r, nil
}

// renew makes the database one that no client can take for the one backed up.
func (tx *Tx) renew() (Restored, error) {
	r := Restored{Epoch: max(tx.db.epoch+1, tx.now.Unix())}
	if err := tx.one("SELECT COUNT(*) FROM job WHERE done_at = 0", nil, &r.Jobs); err != nil {
		return r, err
	}
	var border int64
	if err := tx.one("UPDATE id_block SET next = next + $1 RETURNING next", []any{int64(idGap)}, &border); err != nil {
		return r, err
	}
	if err := tx.set("epoch", strconv.FormatInt(r.Epoch, 10)); err != nil {
		return r, err
	}
	// Blobs may be there whose rows were made after the backup.
	if err := tx.set(blobsSince, strconv.FormatInt(millis(tx.now), 10)); err != nil {
		return r, err
	}
	if r.Jobs == 0 {
		return r, nil
	}
	return r, tx.set(holdSetting, strconv.FormatInt(border, 10))
}

func (tx *Tx) set(name, value string) error {
	_, err := tx.Exec("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// holdSetting is there while jobs wait for an operator. Its value is the border:
// jobs with smaller ids are those that were open in the backup.
const holdSetting = "hold_jobs"

// heldBefore returns the border of a hold; 0 if nothing is held.
func (db *DB) heldBefore(ctx context.Context) (int64, error) {
	var value string
	err := one(ctx, db.backend.reader(), "SELECT value FROM setting WHERE name = $1", []any{holdSetting}, &value)
	if noRow(err) {
		return 0, nil
	}
	if err != nil {
		return 0, classify(err)
	}
	border, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || border < 1 {
		return 0, fmt.Errorf("setting %s: want a number above 0", holdSetting)
	}
	return border, nil
}

// JobsHeld reports whether nothing may be sent until an operator has decided
// about the open jobs of a restored database.
func (db *DB) JobsHeld(ctx context.Context) (bool, error) {
	border, err := db.heldBefore(ctx)
	return border > 0, err
}

var errNoHold = parley.Errorf(parley.KindConflict, "no jobs are held: nothing was restored, or it was decided about them already")

// ReleaseJobs ends the hold: what was held is sent. It returns how many held
// jobs there were. KindConflict if there is no hold.
func (db *DB) ReleaseJobs(ctx context.Context) (int64, error) {
	border, err := db.heldBefore(ctx)
	if err != nil {
		return 0, err
	}
	return txResult(ctx, db, 0, func(tx *Tx) (int64, error) {
		var open int64
		if err := tx.one("SELECT COUNT(*) FROM job WHERE done_at = 0 AND id < $1", []any{border}, &open); err != nil {
			return 0, err
		}
		n, err := tx.Exec("DELETE FROM setting WHERE name = $1", holdSetting)
		if err == nil && n == 0 {
			err = errNoHold
		}
		return open, err
	})
}

const failPage = 100

// FailJobs ends the held jobs undelivered, for a reason that their events tell,
// and then the hold. Jobs accepted since the restore are not touched. It returns
// how many it ended, also beside an error; called again it goes on with the rest.
// KindConflict if there is no hold.
func (db *DB) FailJobs(ctx context.Context, reason string) (int64, error) {
	border, err := db.heldBefore(ctx)
	if err == nil && border == 0 {
		err = errNoHold
	}
	var ended int64
	for err == nil {
		var list []Work
		if list, err = db.works(ctx, "WHERE j.done_at = 0 AND j.id < $1 ORDER BY j.id LIMIT $2", border, failPage); err != nil {
			break
		}
		if len(list) == 0 {
			_, err = db.ReleaseJobs(ctx)
			return ended, err
		}
		var n int64
		n, err = db.failAll(ctx, list, reason)
		ended += n
		if err == nil && n == 0 {
			err = parley.Errorf(parley.KindConflict, "the gateway is starting; try again")
		}
	}
	return ended, err
}

// failAll ends jobs one after the other. Those that changed meanwhile, as by the
// end of the one before in their conversation, are passed over.
func (db *DB) failAll(ctx context.Context, list []Work, reason string) (ended int64, err error) {
	for n := range list {
		w := &list[n]
		grant := parley.Grant{Shard: w.Job.Company.Shard()}
		// Nothing is sent during a hold, so it does no harm to act under the owner's term.
		if err := db.readOne(ctx, "Shard", "SELECT term FROM shard WHERE id = $1", []any{int64(grant.Shard)}, &grant.Term); err != nil {
			return ended, err
		}
		_, err := db.Finish(ctx, &Finish{Work: w, Grant: grant, Result: Failed, Reason: reason, Parts: max(len(w.Plan), 1)})
		switch {
		case err == nil:
			ended++
		case parley.KindOf(err) != parley.KindConflict:
			return ended, err
		}
	}
	return ended, nil
}
