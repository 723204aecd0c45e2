package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
)

// Facts are what Examine finds of a database. The zero value is one that is not
// there yet, or empty.
type Facts struct {
	Version    int               // of the schema, 0 if there is none
	Compatible int               // the oldest version whose program can work with it
	Known      int               // the newest version that this program knows
	Keyset     string            // fingerprint of the key that seals, empty if none does yet
	Blobs      string            // identity of the store of files, empty if none was used yet
	Held       bool              // jobs wait for an operator after a restore
	Settings   map[string]string // of the database that bear on durability, by its own names
	Damage     string            // what a check of SQLite's pages found; empty if nothing
	Skew       time.Duration     // how far PostgreSQL's clock is ahead of ours
}

// Examine looks at a database as Open would find it, and changes nothing: it
// neither makes nor migrates one. Options.Keys is not used. On SQLite it reads the whole
// file.
func Examine(ctx context.Context, o Options) (Facts, error) {
	all, err := migrations()
	if err != nil {
		return Facts{}, err
	}
	f := Facts{Known: len(all), Settings: map[string]string{}}
	if o.URL != "" {
		return f, f.postgres(ctx, o.URL)
	}
	if _, err := os.Stat(o.Path); errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	return f, f.sqlite(ctx, o.Path)
}

// A rowScanner is one row of either driver.
type rowScanner interface{ Scan(dest ...any) error }

func (f *Facts) sqlite(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, busyTimeout, "query_only(1)")) // as the gateway's own connections
	if err != nil {
		return err
	}
	defer db.Close()
	row := func(query string) rowScanner { return db.QueryRowContext(ctx, query) }
	for _, name := range []string{"journal_mode", "synchronous"} {
		var value string
		if err := row("PRAGMA " + name).Scan(&value); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		f.Settings[name] = value
	}
	if err := row("PRAGMA quick_check(1)").Scan(&f.Damage); err != nil {
		return fmt.Errorf("check the file: %w", err)
	}
	if f.Damage == "ok" {
		f.Damage = ""
	}
	return f.schema(row, "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('schema_version', 'setting')")
}

func (f *Facts) postgres(ctx context.Context, address string) error {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return parley.Errorf(parley.KindInvalid, "database: want postgres://user@host/name") // the parser's own text may quote a password
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(ctx)
	row := func(query string) rowScanner { return conn.QueryRow(ctx, query) }
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names"} {
		var value string
		if err := row("SELECT current_setting('" + name + "')").Scan(&value); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		f.Settings[name] = value
	}
	var clock int64
	before := time.Now()
	if err := row("SELECT " + dialectPostgres.clock()).Scan(&clock); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	f.Skew = time.UnixMilli(clock).Sub(before.Add(time.Since(before) / 2).Round(0))
	return f.schema(row, "SELECT COUNT(*) FROM (VALUES (to_regclass('schema_version')), (to_regclass('setting'))) AS t (name) WHERE name IS NOT NULL")
}

// schema reads what the tables say, if they are there.
func (f *Facts) schema(row func(query string) rowScanner, tables string) error {
	var n int
	if err := row(tables).Scan(&n); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if n < 2 {
		return nil
	}
	if err := row("SELECT COALESCE(MAX(version), 0), COALESCE(MAX(compatible), 0) FROM schema_version").Scan(&f.Version, &f.Compatible); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	var held int
	err := row("SELECT COALESCE(MAX(CASE WHEN name = 'keyset' THEN value END), ''), COALESCE(MAX(CASE WHEN name = '"+blobsSetting+"' THEN value END), ''), "+
		"COUNT(CASE WHEN name = '"+holdSetting+"' THEN 1 END) FROM setting").Scan(&f.Keyset, &f.Blobs, &held)
	f.Held = held > 0
	return err
}
