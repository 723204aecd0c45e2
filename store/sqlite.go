package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// A reservation takes a block of ids from SQLite's counter. The first is small,
// so that ids stay readable over restarts and commands; it grows with use, so
// that the counter is rarely written.
const (
	firstBlock = 64
	idBlock    = 4096
)

// A sqliteBackend is one file with one writing connection and a pool of readers.
type sqliteBackend struct {
	path   string
	writes *sql.DB
	writer *statements
	reads  *sql.DB
	read   *statements
	ids    idRange
	block  int64 // how many ids the next reservation takes
}

// busyTimeout is how long a statement waits for another process.
const busyTimeout = 5 * time.Second

// sqliteDSN is the address of the file with the pragmas that every connection
// needs, so that none can miss one.
func sqliteDSN(path string, busy time.Duration, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", walFile), "temp_store(MEMORY)", "cache_size(-8192)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

func openSQLite(ctx context.Context, path string) (*sqliteBackend, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if err := private(path); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	b := &sqliteBackend{path: path}
	// auto_vacuum counts only if it is set before the first table.
	if b.writes, err = sql.Open("sqlite", sqliteDSN(path, busyTimeout, "auto_vacuum(INCREMENTAL)", "cache_size(-32768)")); err != nil {
		return nil, err
	}
	b.writes.SetMaxOpenConns(1)
	conn, err := connect(ctx, b.writes)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	b.writer = &statements{db: conn}
	if b.reads, err = sql.Open("sqlite", sqliteDSN(path, busyTimeout, "query_only(1)")); err != nil {
		return nil, err
	}
	b.reads.SetMaxOpenConns(max(4, runtime.NumCPU()))
	b.reads.SetMaxIdleConns(max(4, runtime.NumCPU()))
	b.read = &statements{db: b.reads}
	return b, nil
}

// connect takes the writing connection. A process that turns a new file to WAL
// mode locks others out without their busy timeout, so they come again.
func connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	for until := time.Now().Add(busyTimeout); ; {
		conn, err := db.Conn(ctx)
		if err == nil || !unavailable(err) || time.Now().After(until) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// private makes the file, if there is none, so that only its owner can read it.
// SQLite gives the files beside it the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (b *sqliteBackend) lanes() int      { return 1 }
func (b *sqliteBackend) reader() querier { return b.read }

func (b *sqliteBackend) begin(ctx context.Context, _ int) (transaction, error) {
	if _, err := b.writer.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	return sqliteTx{b.writer}, nil
}

func (b *sqliteBackend) reserve(ctx context.Context, n int) (ids, error) {
	if b.ids.end-b.ids.next < int64(n) {
		b.block = min(max(firstBlock, 2*b.block), idBlock)
		block := max(int64(n), b.block)
		var end int64 // counts only once the statement has ended, and with it its commit
		if err := one(ctx, b.writer, "UPDATE id_block SET next = next + $1 RETURNING next", []any{block}, &end); err != nil {
			return nil, err
		}
		b.ids = idRange{end - block, end}
	}
	r := b.ids
	b.ids.next = b.ids.end
	return ids{r}, nil
}

// unused keeps the rest: with one lane, nobody has taken a later id meanwhile.
func (b *sqliteBackend) unused(rest ids) {
	if len(rest) > 0 {
		b.ids = rest[len(rest)-1]
	}
}

// settled is never asked: a local COMMIT has an answer.
func (b *sqliteBackend) settled(context.Context, string) (bool, error) { return false, nil }

func (b *sqliteBackend) close() error {
	b.writer.close()
	b.read.close()
	if c, ok := b.writer.db.(*sql.Conn); ok {
		_ = c.Close()
	}
	readErr, writeErr := b.reads.Close(), b.writes.Close()
	if writeErr != nil {
		return writeErr
	}
	return readErr
}

type sqliteTx struct{ *statements }

func (t sqliteTx) mark(context.Context) (string, error) { return "", nil }

func (t sqliteTx) commit(ctx context.Context) error {
	_, err := t.exec(ctx, "COMMIT", nil)
	return err
}

func (t sqliteTx) rollback(ctx context.Context) error {
	_, err := t.exec(ctx, "ROLLBACK", nil)
	return err
}

// statements runs prepared statements of one connection or pool. The set of
// texts in the program is small, so they are kept for ever.
type statements struct {
	db interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	mu    sync.RWMutex
	known map[string]*sql.Stmt
}

func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.known[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.known[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.known == nil {
		s.known = map[string]*sql.Stmt{}
	}
	s.known[query] = stmt
	return stmt, nil
}

func (s *statements) exec(ctx context.Context, query string, args []any) (int64, error) {
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *statements) query(ctx context.Context, query string, args []any, row func(scan scanFunc) error) error {
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.known {
		_ = stmt.Close()
	}
	s.known = nil
}

// script runs several statements as one transaction.
func (b *sqliteBackend) script(ctx context.Context, text string) error {
	conn := b.writer.db.(*sql.Conn)
	_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE;\n"+text+"\nCOMMIT;")
	if err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // fails if nothing was begun
	}
	return err
}
