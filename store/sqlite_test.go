package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func TestPragmas(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	for pragma, want := range map[string]string{"synchronous": "2", "foreign_keys": "1", "auto_vacuum": "2", "wal_autocheckpoint": "0",
		"journal_mode": "wal", "journal_size_limit": "67108864", "busy_timeout": "5000"} {
		for name, query := range map[string]func(*store.DB, int, string, ...any) ([][]string, error){"writer": store.QueryWriter, "reader": store.Query} {
			got, err := query(db, 1, "PRAGMA "+pragma)
			if err != nil || len(got) != 1 || got[0][0] != want {
				t.Errorf("%s: %s is %v, %v; want %s", name, pragma, got, err, want)
			}
		}
	}
	if got, err := store.Query(db, 1, "PRAGMA query_only"); err != nil || got[0][0] != "1" {
		t.Errorf("a reader may write: %v, %v", got, err)
	}
}

// fill writes about so many bytes of messages.
func fill(t *testing.T, w *world, name string, size int) {
	t.Helper()
	text := strings.Repeat("x", 8<<10)
	var in []*store.Receive
	for n := range size / len(text) {
		in = append(in, says(w.ch, "1", fmt.Sprint(name, n), text))
	}
	receive(t, w.db, in...)
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	o := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, store.WithWAL(o, 64<<10, 1<<20)))
	for n := range 8 {
		fill(t, w, fmt.Sprint(n, " "), 512<<10)
		if size := store.Look(w.db); size != 0 {
			t.Errorf("round %d: the log holds %d bytes after a checkpoint", n, size)
		}
	}
	if info, err := os.Stat(o.Path + "-wal"); err != nil || info.Size() > 2<<20 {
		t.Errorf("the log's file has %v, %v: it did not begin anew", info.Size(), err)
	}
	if err := w.db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(o.Path); err != nil || info.Size() < 4<<20 {
		t.Errorf("the file has %v, %v: the log was not copied into it", info, err)
	}
}

// TestCheckpointHeld has a reader that holds the log open: what would let it grow
// further is refused, outcomes are not, and once the reader is gone all is well.
func TestCheckpointHeld(t *testing.T) {
	t.Parallel()
	o := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, store.WithWAL(o, 64<<10, 1<<20)))
	conv := w.talk("1")
	work := w.claim(w.say(conv, "a").ID)
	reader, err := sql.Open("sqlite", "file:"+o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	tx, err := reader.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM message").Scan(&n); err != nil {
		t.Fatal(err)
	}
	fill(t, w, "held", 2<<20)
	start := time.Now()
	if size := store.Look(w.db); size < 1<<20 {
		t.Fatalf("the log holds %d bytes, though a reader holds it", size)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the writer stood still for %s, waiting for a reader", took)
	}
	_, errs := w.db.Receive(t.Context(), says(w.ch, "1", "late", "x"))
	wantKind(t, "receive", errs[0], parley.KindUnavailable)
	_, err = w.db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "x"})
	wantKind(t, "accept", err, parley.KindUnavailable)
	wantKind(t, "ping", w.db.Ping(t.Context()), parley.KindUnavailable)
	w.finish(work, delivered("p1"))
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if size := store.Look(w.db); size != 0 {
		t.Errorf("the log holds %d bytes once the reader is gone", size)
	}
	receive(t, w.db, says(w.ch, "1", "late", "x"))
}

// TestCheckpointInTheWay has a reader that needs nothing of what is to be copied,
// but keeps the log from beginning anew: what it holds counts all the same.
func TestCheckpointInTheWay(t *testing.T) {
	t.Parallel()
	o := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, store.WithWAL(o, 1<<30, 1<<30)))
	fill(t, w, "before", 512<<10)
	reader, err := sql.Open("sqlite", "file:"+o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	tx, err := reader.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM message").Scan(&n); err != nil {
		t.Fatal(err)
	}
	store.WriteBack(w.db, 64<<10) // not before there is the reader
	for range 2 {
		if size := store.Look(w.db); size < 512<<10 {
			t.Errorf("the log holds %d bytes, though it cannot begin anew", size)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing is written in between
		if size := store.Look(w.db); size != 0 {
			t.Errorf("the log holds %d bytes once the reader has gone", size)
		}
	}
}

// TestPagesFull lets the database reach a limit of pages: the error says that it
// may work later, what was stored stays, and with space it works again.
func TestPagesFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	conv := w.talk("1")
	count, err := store.QueryWriter(w.db, 1, "PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		t.Helper()
		if _, err := store.QueryWriter(w.db, 1, "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit(count[0][0])
	big := says(w.ch, "1", "20", strings.Repeat("x", 1<<20))
	_, errs := w.db.Receive(t.Context(), big, says(w.ch, "1", "21", "b"))
	for _, err := range errs {
		wantKind(t, "full", err, parley.KindUnavailable)
	}
	if got := w.texts(conv); got != "hello:1" {
		t.Errorf("stored %q, want what was before", got)
	}
	limit("1000000")
	out := receive(t, w.db, big, says(w.ch, "1", "21", "b"))
	if out[0].Duplicate || out[1].Duplicate {
		t.Errorf("results %+v: what failed counts as stored", out)
	}
	w.wantLog(heard + " message/new message/new")
}

// TestPrivateFiles: only the owner can read the messages, wherever an operator puts
// the file.
func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	o := storetest.SQLite(t)
	db := storetest.Open(t, o)
	_, company := storetest.Company(t, db, "acme", "")
	receive(t, db, says(storetest.Channel(t, db, company, "1"), "1", "10", "a"))
	for _, name := range []string{o.Path, o.Path + "-wal", o.Path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, mode)
		}
	}
}
