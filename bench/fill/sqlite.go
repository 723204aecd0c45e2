package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// cacheSize is how much of the file is kept in memory, in KiB: a little more than
// all pages of the indexes that rows go to at random, of ten million messages.
// Less would have the same pages written and read again and again.
const cacheSize = 1_500_000

// rowsAtOnce is how many rows one statement has.
const rowsAtOnce = 64

// A sqliteTarget is one transaction on a file that nobody else has open. Nothing
// waits for the disk before the end, and there is no way back.
type sqliteTarget struct {
	path       string
	db         *sql.DB
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func openSQLite(ctx context.Context, path string) (*sqliteTarget, error) {
	q := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "temp_store(MEMORY)", fmt.Sprintf("cache_size(-%d)", cacheSize)}}
	address := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
	t := &sqliteTarget{path: path, statements: map[string]*sql.Stmt{}}
	var err error
	if t.db, err = sql.Open("sqlite", address); err != nil {
		return nil, err
	}
	if t.conn, err = t.db.Conn(ctx); err == nil {
		_, err = t.conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), t.db.Close())
	}
	return t, nil
}

func (t *sqliteTarget) firstID(ctx context.Context) (id int64, err error) {
	err = t.conn.QueryRowContext(ctx, "SELECT next FROM id_block").Scan(&id)
	return id, err
}

func (t *sqliteTarget) add(ctx context.Context, in *table, values []any) error {
	width := len(in.columns)
	for len(values) > 0 {
		n := min(rowsAtOnce, len(values)/width)
		stmt, err := t.insert(ctx, in, n)
		if err != nil {
			return err
		}
		if _, err := stmt.ExecContext(ctx, values[:n*width]...); err != nil {
			return err
		}
		values = values[n*width:]
	}
	return nil
}

// insert returns the statement for n rows of a table.
func (t *sqliteTarget) insert(ctx context.Context, in *table, n int) (*sql.Stmt, error) {
	name := fmt.Sprint(in.name, n)
	if stmt := t.statements[name]; stmt != nil {
		return stmt, nil
	}
	row := "(" + strings.Repeat(",?", len(in.columns))[1:] + ")"
	text := "INSERT INTO " + in.name + " (" + strings.Join(in.columns, ",") + ") VALUES " + strings.Repeat(","+row, n)[1:]
	stmt, err := t.conn.PrepareContext(ctx, text)
	if err == nil {
		t.statements[name] = stmt
	}
	return stmt, err
}

// finish commits, turns the file to write-ahead logging again, and waits for the
// disk once.
func (t *sqliteTarget) finish(ctx context.Context, e end) error {
	for _, s := range []struct {
		text string
		args []any
	}{
		{"UPDATE id_block SET next = ?", []any{e.nextID}},
		{"UPDATE company_log SET seq = ? WHERE company_id = ?", []any{e.seq, int64(e.company)}},
		{"UPDATE endpoint SET cursor = ? WHERE company_id = ?", []any{e.cursor, int64(e.company)}},
		{"COMMIT", nil},
		{"PRAGMA journal_mode = WAL", nil},
	} {
		if _, err := t.conn.ExecContext(ctx, s.text, s.args...); err != nil {
			return fmt.Errorf("%s: %w", s.text, err)
		}
	}
	return synced(t.path)
}

func synced(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (t *sqliteTarget) size(context.Context) (int64, error) {
	info, err := os.Stat(t.path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (t *sqliteTarget) close(context.Context) error {
	for _, stmt := range t.statements {
		_ = stmt.Close() // the connection closes
	}
	return errors.Join(t.conn.Close(), t.db.Close())
}
