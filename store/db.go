package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// Options says how to open a database. Keys is required.
type Options struct {
	Path string           // the SQLite file; used if URL is empty
	URL  string           // postgres://…
	Keys *seal.Keyset     // seals secrets at rest
	Log  *slog.Logger     // nil discards
	Now  func() time.Time // nil is time.Now

	wal walLimits // zero is walDefaults
}

// A DB is an open database. Its methods are safe for concurrent use.
type DB struct {
	backend backend
	dialect dialect
	lanes   []*lane
	texts   texts
	convs   convCache
	keys    *seal.Keyset
	log     *slog.Logger
	now     func() time.Time
	hooks   Hooks
	epoch   int64
	base    string        // of addresses of files
	check   *checkpointer // nil on PostgreSQL

	closing sync.Once
	running sync.WaitGroup
}

// Open opens the database, creates it if there is none, and brings its schema up
// to date. It fails if the database was written with another keyset, or by a
// newer program that this one cannot work beside.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{keys: o.Keys, log: o.Log, now: o.Now}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.now == nil {
		db.now = time.Now
	}
	if err := db.connect(ctx, o); err != nil {
		return nil, err
	}
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.backend.close())
	}
	for n := range db.backend.lanes() {
		l := newLane(db, n)
		db.lanes = append(db.lanes, l)
		db.running.Go(l.run)
	}
	if db.check != nil {
		db.running.Go(db.check.run)
	}
	return db, nil
}

func (db *DB) connect(ctx context.Context, o Options) error {
	if o.URL != "" {
		if !strings.HasPrefix(o.URL, "postgres://") && !strings.HasPrefix(o.URL, "postgresql://") {
			return parley.Errorf(parley.KindInvalid, "database: want postgres://user@host/name, or nothing for SQLite")
		}
		b, err := openPostgres(ctx, o.URL)
		if err != nil {
			return err
		}
		db.backend, db.dialect = b, dialectPostgres
		return nil
	}
	b, err := openSQLite(ctx, o.Path)
	if err != nil {
		return err
	}
	db.backend, db.dialect = b, dialectSQLite
	db.check, err = newCheckpointer(ctx, b.path, cmp.Or(o.wal, walDefaults), db.log)
	return err
}

// prepare migrates the schema and reads what is fixed for the life of the process.
func (db *DB) prepare(ctx context.Context) error {
	if err := migrate(ctx, db.backend, db.dialect); err != nil {
		return err
	}
	epoch, err := db.setting(ctx, "epoch", "1")
	if err != nil {
		return err
	}
	if db.epoch, err = strconv.ParseInt(epoch, 10, 64); err != nil {
		return fmt.Errorf("setting epoch: %w", err)
	}
	return db.checkKeys(ctx)
}

// checkKeys refuses a keyset that cannot open what is sealed here.
func (db *DB) checkKeys(ctx context.Context) error {
	stored, err := db.setting(ctx, "keyset", db.keys.Primary())
	if err != nil {
		return err
	}
	for _, f := range db.keys.Fingerprints() {
		if f == stored {
			return nil
		}
	}
	return parley.Errorf(parley.KindInvalid, "the keyset does not belong to this database: it was sealed with key "+stored+
		"; put the keyset file that goes with it in its place")
}

// CheckBlobs refuses a store of files that is not the one that was used first. A
// database that has none yet takes a store that is unused, and no other: its files
// would belong to another database.
func (db *DB) CheckBlobs(ctx context.Context, id string, unused func() (bool, error)) error {
	var stored string
	err := one(ctx, db.backend.reader(), "SELECT value FROM setting WHERE name = $1", []any{blobsSetting}, &stored)
	if noRow(err) {
		ok, err := unused()
		if err != nil {
			return err
		}
		if !ok {
			return errBlobsTaken
		}
	} else if err != nil {
		return classify(err)
	}
	if stored, err = db.setting(ctx, blobsSetting, id); err != nil {
		return err
	}
	if stored != id {
		return parley.Errorf(parley.KindInvalid, "these are not the files of this database, which are in the store with the identity "+stored+
			" (this one has "+id+"); give the right place with --blobs")
	}
	_, err = db.setting(ctx, blobsSince, strconv.FormatInt(millis(db.now()), 10))
	return err
}

var errBlobsTaken = parley.Errorf(parley.KindInvalid, "this database has no files yet, and there are files of another one: "+
	"is it the right database? If so, give it an empty place with --blobs")

// setting returns a setting, storing the value given if there is none.
func (db *DB) setting(ctx context.Context, name, first string) (string, error) {
	tx, err := db.backend.begin(ctx, 0)
	if err != nil {
		return "", err
	}
	var value string
	_, err = tx.exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", []any{name, first})
	if err == nil {
		err = one(ctx, tx, "SELECT value FROM setting WHERE name = $1", []any{name}, &value)
	}
	if err != nil {
		return "", errors.Join(err, tx.rollback(ctx))
	}
	return value, tx.commit(ctx)
}

// SetHooks says who is told of commits. Call it before there is traffic.
func (db *DB) SetHooks(h Hooks) { db.hooks = h }

// Epoch returns the first half of cursors: a restored database has a new one.
func (db *DB) Epoch() int64 { return db.epoch }

// Ping reports whether the database answers and there is room for more. Its error
// is of KindUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	var n int64
	if err := one(ctx, db.backend.reader(), "SELECT COUNT(*) FROM setting", nil, &n); err != nil {
		return &parley.Error{Kind: parley.KindUnavailable, Message: "the database is not available", Err: err}
	}
	if db.check != nil && db.check.full() {
		return errBacklog
	}
	return nil
}

// errBacklog says that the write-ahead log has grown past its limit, because
// something holds it open; taking more would fill the disk.
var errBacklog = parley.Errorf(parley.KindUnavailable, "the database cannot write back its log; try again later")

// Close finishes what was submitted, stops the writer, and closes the database.
// It may be called more than once.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() {
		for _, l := range db.lanes {
			l.close()
		}
		if db.check != nil {
			db.check.stop()
		}
		db.running.Wait()
		err = db.backend.close()
	})
	return err
}

// read runs a query outside any transaction.
func (db *DB) read(ctx context.Context, query string, args []any, row func(scan scanFunc) error) error {
	return classify(db.backend.reader().query(ctx, query, args, row))
}

// readOne reads one row; KindNotFound if there is none.
func (db *DB) readOne(ctx context.Context, what, query string, args []any, dest ...any) error {
	err := one(ctx, db.backend.reader(), query, args, dest...)
	if noRow(err) {
		return parley.Errorf(parley.KindNotFound, what+" not found")
	}
	return classify(err)
}

// SharedKey returns a random key of 32 bytes that every node knows, making it at
// the first call. It is sealed at rest. The name ends in "key": that is how
// Reseal finds it.
func (db *DB) SharedKey(ctx context.Context, name string) ([]byte, error) {
	if !strings.HasSuffix(name, sharedKeySuffix) {
		return nil, errKeyName
	}
	at := sharedKey(name)
	var fresh [32]byte
	_, _ = rand.Read(fresh[:]) // never fails
	sealed, err := db.keys.Seal(fresh[:], at)
	if err != nil {
		return nil, err
	}
	var stored string
	err = db.Tx(ctx, 0, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, base64.StdEncoding.EncodeToString(sealed))
		if err != nil {
			return err
		}
		return tx.one("SELECT value FROM setting WHERE name = $1", []any{name}, &stored)
	})
	if err != nil {
		return nil, err
	}
	if sealed, err = base64.StdEncoding.DecodeString(stored); err != nil {
		return nil, fmt.Errorf("setting %s: %w", name, err)
	}
	return db.keys.Open(sealed, at)
}
