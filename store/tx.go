package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// A Tx is one write transaction. It has one time, and it gathers the events of
// what it does; they get their numbers just before the commit. A Tx belongs to
// the goroutine it was given to.
type Tx struct {
	db  *DB
	q   transaction
	ctx context.Context
	now time.Time
	ids ids

	events    []parley.Event
	ready     []Work
	channels  []parley.ChannelID
	endpoints []endpointRef
	pending   bool     // files to be fetched were added
	committed []func() // run once the commit is certain, on the writer's goroutine
	fenced    map[parley.Grant]bool
}

type endpointRef struct {
	company parley.CompanyID
	id      parley.EndpointID
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	n, err := tx.q.exec(tx.ctx, query, args)
	return n, err
}

// Query runs a statement and calls row for each row of its result.
func (tx *Tx) Query(query string, args []any, row func(scan scanFunc) error) error {
	return tx.q.query(tx.ctx, query, args, row)
}

// one reads a single row; noRow tells that there was none.
func one(ctx context.Context, q querier, query string, args []any, dest ...any) error {
	found := false
	err := q.query(ctx, query, args, func(scan scanFunc) error {
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		return errNoRow
	}
	return err
}

func (tx *Tx) one(query string, args []any, dest ...any) error {
	return one(tx.ctx, tx.q, query, args, dest...)
}

// append puts an event at the end of its company's log.
func (tx *Tx) append(e parley.Event) {
	e.At = tx.now
	tx.events = append(tx.events, e)
}

// maxRows is how many rows one statement carries. Statements come in sizes of
// powers of two, so that few different texts have to be prepared.
const maxRows = 64

// chunks calls f with runs of rows whose lengths are powers of two up to maxRows.
func chunks[T any](rows []T, f func([]T) error) error {
	for len(rows) > 0 {
		n := maxRows
		for n > len(rows) {
			n /= 2
		}
		if err := f(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// A table is a set of rows for one statement: the text before the rows, the
// types of its columns as dialect.values wants them, and the text after.
type table struct {
	before, types, after string
	args                 []any
}

func (t *table) add(args ...any) { t.args = append(t.args, args...) }

// run executes the statement for all rows; row, if not nil, reads what it returns.
func (t *table) run(tx *Tx, row func(scan scanFunc) error) error {
	width := len(t.types)
	rows := slices.Collect(slices.Chunk(t.args, max(width, 1)))
	return chunks(rows, func(some [][]any) error {
		n := len(some)
		text := tx.db.texts.of(t, n, tx.db.dialect)
		args := t.args[:n*width]
		t.args = t.args[n*width:]
		if row != nil {
			return tx.Query(text, args, row)
		}
		_, err := tx.Exec(text, args...)
		return err
	})
}

// placeholders writes "$from, …" for n parameters.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// lookup runs a query with an IN list for all keys; %s in the text is the list.
func lookup[K any](ctx context.Context, q querier, text string, keys []K, row func(scan scanFunc) error) error {
	return chunks(keys, func(some []K) error {
		args := make([]any, len(some))
		for i, k := range some {
			args[i] = k
		}
		return q.query(ctx, fmt.Sprintf(text, placeholders(1, len(some))), args, row)
	})
}

// fence reports whether the shard is still held under the term shown. The row is
// held until the end of the transaction, so that no new owner can start before.
func (tx *Tx) fence(g parley.Grant) (bool, error) {
	if ok, known := tx.fenced[g]; known {
		return ok, nil
	}
	var term int64
	err := tx.one("SELECT term FROM shard WHERE id = $1"+tx.db.dialect.forShare(), []any{int64(g.Shard)}, &term)
	if err != nil && !noRow(err) {
		return false, err
	}
	if tx.fenced == nil {
		tx.fenced = map[parley.Grant]bool{}
	}
	tx.fenced[g] = err == nil && parley.Term(term) == g.Term
	return tx.fenced[g], nil
}

var errFenced = parley.Errorf(parley.KindConflict, "another node owns this company now")

// finish numbers the events and writes them: companies in order of their ids, so
// that two transactions cannot wait for each other.
func (tx *Tx) finish() error {
	if len(tx.events) == 0 {
		return nil
	}
	slices.SortStableFunc(tx.events, func(a, b parley.Event) int { return int(a.Company - b.Company) })
	rows := table{before: "INSERT INTO event (company_id, seq, stream, channel_id, message_id, kind, body, created_at) ", types: "iiiiitbi"}
	for start := 0; start < len(tx.events); {
		end := start + 1
		for end < len(tx.events) && tx.events[end].Company == tx.events[start].Company {
			end++
		}
		if err := tx.number(tx.events[start:end]); err != nil {
			return err
		}
		start = end
	}
	for i := range tx.events {
		e := &tx.events[i]
		rows.add(int64(e.Company), e.Seq, int64(e.Stream), int64(e.Channel), int64(e.Message), string(e.Kind), e.Body, e.At.UnixMilli())
	}
	return rows.run(tx, nil)
}

// number gives one company's events their places in its log.
func (tx *Tx) number(events []parley.Event) error {
	var last int64
	err := tx.one("UPDATE company_log SET seq = seq + $2 WHERE company_id = $1 RETURNING seq",
		[]any{int64(events[0].Company), len(events)}, &last)
	if err != nil {
		return fmt.Errorf("number events of company %d: %w", events[0].Company, err)
	}
	for i := range events {
		events[i].Seq = last - int64(len(events)-1-i)
	}
	return nil
}

// flag turns a bool into a column value.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// millis turns a time into a column value; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// moment turns a column value into a time.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
