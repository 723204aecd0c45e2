package store

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/parley-im/parley"
)

// A dialect is what the two databases spell differently. Everything else is one
// SQL text for both.
type dialect int

const (
	dialectSQLite dialect = iota
	dialectPostgres
)

// ddl turns a migration, written in SQLite's words, into the dialect's.
func (d dialect) ddl(text string) string {
	text = d.only(text)
	if d == dialectSQLite {
		return text
	}
	return strings.NewReplacer("INTEGER", "BIGINT", "BLOB", "BYTEA", ") WITHOUT ROWID;", ");").Replace(text)
}

// only drops what stands between "-- only <other dialect>" and "-- end".
func (d dialect) only(text string) string {
	var kept []string
	skip := false
	for line := range strings.Lines(text) {
		switch word, ok := strings.CutPrefix(strings.TrimSpace(line), "-- only "); {
		case ok:
			skip = word != d.name()
		case strings.TrimSpace(line) == "-- end":
			skip = false
		case !skip:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func (d dialect) name() string {
	if d == dialectPostgres {
		return "postgres"
	}
	return "sqlite"
}

// forShare holds the rows of a SELECT against change until the end of the
// transaction. SQLite's one writer needs no such thing.
func (d dialect) forShare() string {
	if d == dialectPostgres {
		return " FOR SHARE"
	}
	return ""
}

// forUpdate is forShare for rows that will be changed.
func (d dialect) forUpdate() string {
	if d == dialectPostgres {
		return " FOR UPDATE"
	}
	return ""
}

// forOrder holds rows against others who hold them so, but lets rows that refer
// to them be written.
func (d dialect) forOrder() string {
	if d == dialectPostgres {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// clock is the database's own clock in unix milliseconds.
func (d dialect) clock() string {
	if d == dialectPostgres {
		return "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT"
	}
	return "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
}

// greatest is the scalar maximum function.
func (d dialect) greatest() string {
	if d == dialectPostgres {
		return "GREATEST"
	}
	return "MAX"
}

// values writes n rows of parameters after VALUES. The first row is cast to the
// types given, one letter for each column (i: integer, t: text, b: bytes), since
// PostgreSQL cannot guess the types of a list that stands alone.
func (d dialect) values(types string, n int) string {
	var b strings.Builder
	b.WriteString("VALUES ")
	for row := range n {
		if row > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for col := range len(types) {
			if col > 0 {
				b.WriteByte(',')
			}
			d.param(&b, row*len(types)+col+1, types[col], row == 0)
		}
		b.WriteByte(')')
	}
	return b.String()
}

func (d dialect) param(b *strings.Builder, number int, kind byte, cast bool) {
	if d == dialectSQLite {
		b.WriteByte('?') // cheaper to bind than a name
		return
	}
	b.WriteByte('$')
	b.WriteString(strconv.Itoa(number))
	if cast {
		b.WriteString(map[byte]string{'i': "::BIGINT", 't': "::TEXT", 'b': "::BYTEA"}[kind])
	}
}

// classify turns a driver's error into one of our kinds, if it is one of those
// that callers act on.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case unavailable(err), collided(err):
		return &parley.Error{Kind: parley.KindUnavailable, Code: "store", Message: "the database is not available", Err: err}
	}
	return err
}

// unavailable reports whether the database, and not what was asked of it, is at
// fault: nothing was changed, and it may work later.
func unavailable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
			return true
		}
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:2] {
		case "08", "53", "57", "58": // connection, resources, operator intervention, system
			return true
		}
		return e.Code == "25006" // read-only: a standby
	}
	return lostConnection(err)
}

// lostConnection reports whether a PostgreSQL connection broke.
func lostConnection(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) {
		return true
	}
	text := err.Error() // pgconn has no type for these two
	return strings.Contains(text, "conn closed") || strings.Contains(text, "unexpected EOF")
}

// collided reports whether a transaction lost against another one and can be
// run again as it is.
func collided(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40P01" || e.Code == "40001")
}

// duplicated reports whether a unique index refused a row.
func duplicated(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// noRow reports whether a query found nothing.
func noRow(err error) bool { return errors.Is(err, pgx.ErrNoRows) || errors.Is(err, errNoRow) }

var errNoRow = errors.New("no row")
