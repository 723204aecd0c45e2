package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/parley-im/parley"
)

// Migrations are numbered and never change once released. The first line of each
// says its version and the oldest version whose program can still work with it.
//
//go:embed migration/*.sql
var migrationFiles embed.FS

type migration struct {
	version, compatible int
	text                string
}

var migrationHeader = regexp.MustCompile(`^-- v(\d+), compatible with v(\d+) and later`)

// migrations returns all of them, in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migration/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, name := range names { // sorted by Glob
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m := migrationHeader.FindSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%s: no version in the first line", name)
		}
		version, _ := strconv.Atoi(string(m[1]))
		compatible, _ := strconv.Atoi(string(m[2]))
		if version != i+1 {
			return nil, fmt.Errorf("%s: is version %d, want %d", name, version, i+1)
		}
		all = append(all, migration{version, compatible, string(text)})
	}
	return all, nil
}

// A scripter runs several statements as one transaction, one script at a time
// over all nodes.
type scripter interface {
	script(ctx context.Context, text string) error
}

// schemaTable has each version once, so that of several nodes one alone migrates.
const schemaTable = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, compatible INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS schema_version_once ON schema_version (version);`

// migrate brings the schema up to the newest version.
func migrate(ctx context.Context, b backend, d dialect) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return migrateTo(ctx, b, d, all)
}

func migrateTo(ctx context.Context, b backend, d dialect, all []migration) error {
	s := b.(scripter)
	if err := s.script(ctx, schemaTable); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	for {
		version, compatible, err := schemaVersion(ctx, b)
		if err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		if compatible > len(all) {
			return parley.Errorf(parley.KindInvalid, fmt.Sprintf("the database has schema version %d, this program knows %d: install a newer Parley", version, len(all)))
		}
		if version >= len(all) {
			return nil
		}
		m := all[version]
		text := fmt.Sprintf("INSERT INTO schema_version (version, compatible) VALUES (%d, %d);\n", m.version, m.compatible) + d.ddl(m.text)
		if err := s.script(ctx, text); err != nil {
			// Another node may have been quicker; then the version has moved on.
			if now, _, again := schemaVersion(ctx, b); again == nil && now > version {
				continue
			}
			return fmt.Errorf("migrate to schema version %d: %w", m.version, err)
		}
	}
}

func schemaVersion(ctx context.Context, b backend) (version, compatible int, err error) {
	err = one(ctx, b.reader(), "SELECT COALESCE(MAX(version), 0), COALESCE(MAX(compatible), 0) FROM schema_version", nil, &version, &compatible)
	return version, compatible, err
}
