package fill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// idStep is how many ids one value of the sequence stands for.
const idStep = 64

// A postgresTarget copies into all tables at once, each over a connection of its
// own. Foreign keys and the indexes that are no constraints are dropped meanwhile
// and made again in the end, which leaves the indexes a little denser than
// a gateway's.
type postgresTarget struct {
	conn    *pgx.Conn
	dropped []string // what makes again what was dropped, in order
	copies  map[*table]*copying
	working sync.WaitGroup
}

func openPostgres(ctx context.Context, address string) (*postgresTarget, error) {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	t := &postgresTarget{conn: conn, copies: map[*table]*copying{}}
	for _, in := range tables() {
		if err == nil {
			err = t.strip(ctx, in)
		}
	}
	for _, in := range tables() {
		if err == nil {
			err = t.start(ctx, address, in)
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close(ctx))
	}
	return t, nil
}

// strip drops what can be made again faster than kept up to date.
func (t *postgresTarget) strip(ctx context.Context, in *table) error {
	var drop []string
	for _, query := range []string{
		`SELECT format('DROP INDEX %s', x.indexrelid::regclass), pg_get_indexdef(x.indexrelid) FROM pg_index x WHERE x.indrelid = $1::text::regclass
			AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x')) ORDER BY x.indexrelid`,
		`SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname),
			format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
			FROM pg_constraint c WHERE c.conrelid = $1::text::regclass AND c.contype = 'f' ORDER BY c.oid`,
	} {
		rows, err := t.conn.Query(ctx, query, in.name)
		if err != nil {
			return err
		}
		var away, again string
		_, err = pgx.ForEachRow(rows, []any{&away, &again}, func() error {
			drop, t.dropped = append(drop, away), append(t.dropped, again)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the indexes of %s: %w", in.name, err)
		}
	}
	return t.exec(ctx, drop...)
}

func (t *postgresTarget) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := t.conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// A copying is one COPY under way. It is a pgx.CopyFromSource.
type copying struct {
	width int
	in    chan []any // values of several rows
	rest  []any
	row   []any
	done  chan struct{} // closed when the copy has ended
	err   error         // why, once it has
}

// Next waits for a row. It reports false at the end.
func (c *copying) Next() bool {
	for len(c.rest) == 0 {
		more, ok := <-c.in
		if !ok {
			return false
		}
		c.rest = more
	}
	c.row, c.rest = c.rest[:c.width], c.rest[c.width:]
	return true
}

// Values returns the row.
func (c *copying) Values() ([]any, error) { return c.row, nil }

// Err is nil: rows do not fail to come.
func (c *copying) Err() error { return nil }

// start begins a copy into a table.
func (t *postgresTarget) start(ctx context.Context, address string, in *table) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	c := &copying{width: len(in.columns), in: make(chan []any, 4), done: make(chan struct{})}
	t.copies[in] = c
	t.working.Go(func() {
		defer close(c.done)
		_, err := conn.CopyFrom(ctx, pgx.Identifier{in.name}, in.columns, c)
		c.err = errors.Join(err, conn.Close(ctx))
	})
	return nil
}

func (t *postgresTarget) firstID(ctx context.Context) (id int64, err error) {
	err = t.conn.QueryRow(ctx, "SELECT nextval('ids')").Scan(&id)
	return id, err
}

func (t *postgresTarget) add(_ context.Context, in *table, values []any) error {
	if len(values) == 0 {
		return nil
	}
	c := t.copies[in]
	select {
	case c.in <- values:
		return nil
	case <-c.done:
		return c.err
	}
}

// finish ends the copies, makes again what was dropped, and does what autovacuum
// would have done meanwhile.
func (t *postgresTarget) finish(ctx context.Context, e end) error {
	if err := t.endCopies(); err != nil {
		return err
	}
	if err := t.exec(ctx, append([]string{"SET maintenance_work_mem = '256MB'"}, t.dropped...)...); err != nil {
		return err
	}
	err := t.exec(ctx,
		// The next value is the first one of its step behind all ids.
		fmt.Sprintf("SELECT setval('ids', %d, false)", (e.nextID+idStep-2)/idStep*idStep+1),
		fmt.Sprintf("UPDATE company_log SET seq = %d WHERE company_id = %d", e.seq, e.company),
		fmt.Sprintf("UPDATE endpoint SET cursor = %d WHERE company_id = %d", e.cursor, e.company),
		"VACUUM ANALYZE "+strings.Join(names(), ", "))
	// Only some users may do this; for others the server does it in its own time.
	_, _ = t.conn.Exec(ctx, "CHECKPOINT")
	return err
}

func names() (list []string) {
	for _, in := range tables() {
		list = append(list, in.name)
	}
	return list
}

func (t *postgresTarget) endCopies() error {
	var all []error
	for in, c := range t.copies {
		close(c.in)
		<-c.done
		if c.err != nil {
			all = append(all, fmt.Errorf("copy into %s: %w", in.name, c.err))
		}
	}
	clear(t.copies)
	return errors.Join(all...)
}

func (t *postgresTarget) size(ctx context.Context) (n int64, err error) {
	err = t.conn.QueryRow(ctx, `SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::BIGINT FROM pg_class
		WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`).Scan(&n)
	return n, err
}

func (t *postgresTarget) close(ctx context.Context) error {
	for _, c := range t.copies { // after an error
		close(c.in)
	}
	t.working.Wait()
	return t.conn.Close(context.WithoutCancel(ctx))
}
