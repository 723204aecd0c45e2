package limits

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/parley-im/parley/bench/load"
)

// One writer, WAL and every commit durable, as a gateway needs it; a table with a
// unique and two other indexes.
const sqliteSchema = `
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE message (
	id          INTEGER PRIMARY KEY,
	uid         TEXT NOT NULL,
	channel     INTEGER NOT NULL,
	external_id TEXT NOT NULL,
	chat        TEXT NOT NULL,
	direction   INTEGER NOT NULL,
	status      INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	text        TEXT NOT NULL,
	payload     BLOB NOT NULL
);
CREATE UNIQUE INDEX message_external ON message(channel, external_id);
CREATE INDEX message_chat ON message(channel, chat, id);
CREATE INDEX message_pending ON message(status, created);`

const sqliteInsert = `INSERT INTO message
	(uid, channel, external_id, chat, direction, status, created, text, payload)
	VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?)`

func sqlite(batch int) func(context.Context, Options) (Figure, error) {
	return func(ctx context.Context, o Options) (f Figure, err error) {
		dir, err := os.MkdirTemp(o.Dir, "limits-*")
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		db, err := sql.Open("sqlite", filepath.Join(dir, "db"))
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		db.SetMaxOpenConns(1) // the settings are of a connection
		if _, err := db.ExecContext(ctx, sqliteSchema); err != nil {
			return f, err
		}
		return sqliteRows(ctx, db, batch, o.Duration)
	}
}

func sqliteRows(ctx context.Context, db *sql.DB, batch int, d time.Duration) (Figure, error) {
	insert, err := db.PrepareContext(ctx, sqliteInsert)
	if err != nil {
		return Figure{}, err
	}
	defer insert.Close()
	rows, cpu := 0, load.OwnCPU()
	took, h, err := timed(ctx, d, func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		st, now := tx.StmtContext(ctx, insert), time.Now().UnixNano()
		for range batch {
			rows++
			r := newRow(rows)
			if _, err := st.ExecContext(ctx, r.uid, r.channel, r.externalID, r.chat, now, rowText, rowPayload); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	})
	if err != nil {
		return Figure{}, err
	}
	cpu = load.OwnCPU() - cpu
	return Figure{Rate: float64(rows) / took.Seconds(), Latencies: h.Latencies(), CPU: float64(cpu.Microseconds()) / float64(rows)}, nil
}
