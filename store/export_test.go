package store

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
)

// What the tests of this package see of its inside.

// MaxBatch is maxBatch.
const MaxBatch = maxBatch

// Extensions lists the kinds of event that parkOpen leaves out.
const Extensions = extensions

// A Watcher stands between a DB and its backend: it counts, keeps the texts of
// statements, and can hold or fail commits.
type Watcher struct {
	backend
	Commit func(again func() error) error // nil commits
	Begin  func() error                   // nil begins

	mu     sync.Mutex
	texts  map[string]bool
	rows   int // written in transactions
	writes map[string]int
}

// Watch puts a watcher in. Call it before there is traffic.
func Watch(db *DB) *Watcher {
	w := &Watcher{backend: db.backend, texts: map[string]bool{}, writes: map[string]int{}}
	db.backend = w
	return w
}

// Reset forgets what was counted.
func (w *Watcher) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows, w.writes = 0, map[string]int{}
}

// Rows returns how many rows were written, and by which statements.
func (w *Watcher) Rows() (int, map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows, maps.Clone(w.writes)
}

// Texts returns the texts of all statements so far.
func (w *Watcher) Texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for text := range w.texts {
		all = append(all, text)
	}
	return all
}

func (w *Watcher) note(query string, rows int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts[query] = true
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	if verb == "INSERT" || verb == "UPDATE" || verb == "DELETE" {
		w.rows += int(rows)
		w.writes[strings.Join(strings.Fields(query)[:3], " ")] += int(rows)
	}
}

func (w *Watcher) begin(ctx context.Context, lane int) (transaction, error) {
	if w.Begin != nil {
		if err := w.Begin(); err != nil {
			return nil, err
		}
	}
	tx, err := w.backend.begin(ctx, lane)
	if err != nil {
		return nil, err
	}
	return &watchedTx{watched{tx, w}, tx}, nil
}

func (w *Watcher) reader() querier { return watched{w.backend.reader(), w} }

type watched struct {
	q querier
	w *Watcher
}

func (q watched) exec(ctx context.Context, query string, args []any) (int64, error) {
	n, err := q.q.exec(ctx, query, args)
	q.w.note(query, n)
	return n, err
}

func (q watched) query(ctx context.Context, query string, args []any, row func(scan scanFunc) error) error {
	n := int64(0)
	err := q.q.query(ctx, query, args, func(scan scanFunc) error {
		n++
		return row(scan)
	})
	q.w.note(query, n)
	return err
}

type watchedTx struct {
	watched
	tx transaction
}

func (t *watchedTx) mark(ctx context.Context) (string, error) { return t.tx.mark(ctx) }
func (t *watchedTx) rollback(ctx context.Context) error       { return t.tx.rollback(ctx) }
func (t *watchedTx) commit(ctx context.Context) error {
	if t.w.Commit == nil {
		return t.tx.commit(ctx)
	}
	return t.w.Commit(func() error { return t.tx.commit(ctx) })
}

// Query reads columns of rows as a table of texts, on a reading connection.
func Query(db *DB, columns int, query string, args ...any) (table [][]string, err error) {
	err = db.read(context.Background(), query, args, tableOf(columns, &table))
	return table, err
}

// QueryWriter is Query on the connection that writes.
func QueryWriter(db *DB, columns int, query string, args ...any) (table [][]string, err error) {
	err = db.Tx(context.Background(), 0, func(tx *Tx) error { return tx.Query(query, args, tableOf(columns, &table)) })
	return table, err
}

func tableOf(columns int, table *[][]string) func(scan scanFunc) error {
	return func(scan scanFunc) error {
		values, dest := make([]any, columns), make([]any, columns)
		for n := range values {
			dest[n] = &values[n]
		}
		err := scan(dest...)
		line := make([]string, columns)
		for n, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			line[n] = fmt.Sprint(v)
		}
		*table = append(*table, line)
		return err
	}
}

// WithWAL sets the limits of the write-ahead log, in bytes.
func WithWAL(o Options, back, full int64) Options {
	o.wal = walLimits{back, full}
	return o
}

// WriteBack sets from how many bytes on the log is written back.
func WriteBack(db *DB, bytes int64) {
	db.check.mu.Lock()
	defer db.check.mu.Unlock()
	db.check.limits.back = bytes
}

// Look makes the checkpointer work now, and returns how much the log holds.
func Look(db *DB) int64 {
	db.check.look()
	return db.check.size.Load()
}

// QueueLen returns how many items wait on a company's lane.
func QueueLen(db *DB, company parley.CompanyID) int {
	l := db.laneOf(company)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.size()
}

// Claims claims all in one transaction, and returns the error of each.
func Claims(db *DB, list ...*Claim) []error {
	b := &batch{}
	c := newCall(len(list))
	for _, in := range list {
		b.claims = append(b.claims, &claimItem{item: item{call: c}, in: in})
	}
	return together(db, b, list[0].Company)
}

// Finishes ends all in one transaction, and returns the error of each.
func Finishes(db *DB, list ...*Finish) []error {
	b := &batch{}
	c := newCall(len(list))
	for _, in := range list {
		b.finishes = append(b.finishes, &finishItem{item: item{call: c}, in: in})
	}
	return together(db, b, list[0].Work.Job.Company)
}

// together submits the items of a batch at once, so that the writer takes them as
// one, and waits.
func together(db *DB, b *batch, company parley.CompanyID) []error {
	var errs []error
	_ = db.laneOf(company).submit(func(q *batch) {
		q.finishes = append(q.finishes, b.finishes...)
		q.claims = append(q.claims, b.claims...)
	})
	b.items(func(i *item) {
		<-i.call.done
		errs = append(errs, i.err)
	})
	return errs
}

// MigrateTo brings a database that was not opened yet to a version.
func MigrateTo(ctx context.Context, o Options, version int) error {
	db := &DB{keys: o.Keys}
	if err := db.connect(ctx, o); err != nil {
		return err
	}
	defer db.backend.close()
	all, err := migrations()
	if err != nil {
		return err
	}
	return migrateTo(ctx, db.backend, db.dialect, all[:version])
}

// Latest returns the newest schema version.
func Latest() int {
	all, err := migrations()
	if err != nil {
		panic(err)
	}
	return len(all)
}

// Script runs statements on a database that was not opened yet.
func Script(ctx context.Context, o Options, text string) error {
	db := &DB{keys: o.Keys}
	if err := db.connect(ctx, o); err != nil {
		return err
	}
	defer db.backend.close()
	return db.backend.(scripter).script(ctx, text)
}

// EarlyReceipts returns how many receipts wait for an outcome.
func EarlyReceipts(db *DB) (int, error) {
	rows, err := Query(db, 1, "SELECT provider_id FROM receipt")
	return len(rows), err
}

// Checkpoint empties the write-ahead log.
func Checkpoint(db *DB) {
	_, _ = db.check.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)") // the test sees whether there is space
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// TablesOf returns the tables that a migration makes.
func TablesOf(version int) []string {
	all, err := migrations()
	if err != nil {
		panic(err)
	}
	var tables []string
	for _, m := range createTable.FindAllStringSubmatch(all[version-1].text, -1) {
		tables = append(tables, m[1])
	}
	return tables
}

// Pooled reports whether a pooler stands before the database.
func Pooled(ctx context.Context, url string) (bool, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return false, err
	}
	return pooled(ctx, config)
}
