package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresLanes is how many batches are under way at once. More lanes hide the
// latency of a commit; each costs a connection.
const postgresLanes = 4

// A postgresBackend is a pool of connections. No session state is relied on, so
// a transaction pooler may stand between.
type postgresBackend struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, dsn string) (*postgresBackend, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	if config.MaxConns < postgresLanes+4 {
		config.MaxConns = int32(postgresLanes + max(4, 2*runtime.NumCPU()))
	}
	pooled, err := pooled(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	if pooled && config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &postgresBackend{pool}, nil
}

// pooled reports whether a pooler stands between. It may hand each transaction to
// another server process, which does not know the statements that the one before has
// prepared. It gives itself away by the number of the process: what it told when the
// connection began is its own.
func pooled(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var process uint32
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&process)
	return process != conn.PgConn().PID(), err
}

func (b *postgresBackend) lanes() int      { return postgresLanes }
func (b *postgresBackend) reader() querier { return pgQuerier{b.pool} }

func (b *postgresBackend) begin(ctx context.Context, _ int) (t transaction, err error) {
	err = b.anew(ctx, func() error {
		tx, err := b.pool.BeginTx(ctx, pgx.TxOptions{})
		t = postgresTx{pgQuerier{tx}, tx}
		return err
	})
	return t, err
}

// anew repeats what may be done twice while it meets pooled connections that
// broke while they were idle, as after a restart of the server.
func (b *postgresBackend) anew(ctx context.Context, f func() error) error {
	err := f()
	for n := b.pool.Config().MaxConns; n > 0 && unavailable(err) && ctx.Err() == nil; n-- {
		if _, down := errors.AsType[*pgconn.ConnectError](err); down {
			break
		}
		err = f()
	}
	return err
}

// idStep is how many ids one value of the sequence stands for.
const idStep = 64

func (b *postgresBackend) reserve(ctx context.Context, n int) (ids, error) {
	var taken ids
	err := b.anew(ctx, func() error {
		taken = nil
		return b.reader().query(ctx, "SELECT nextval('ids') FROM generate_series(1, $1)", []any{(n + idStep - 1) / idStep}, func(scan scanFunc) error {
			var first int64
			err := scan(&first)
			taken = append(taken, idRange{first, first + idStep})
			return err
		})
	})
	return taken, err
}

// unused drops the rest: kept for later, it would come out of order with what
// another lane or node has taken meanwhile.
func (b *postgresBackend) unused(ids) {}

// settled asks what became of a transaction. While the server is still at it, it
// is asked again.
func (b *postgresBackend) settled(ctx context.Context, mark string) (bool, error) {
	for {
		var status *string
		err := b.pool.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", mark).Scan(&status)
		if err != nil {
			return false, err
		}
		if status == nil {
			return false, fmt.Errorf("transaction %s is too old to ask about", mark)
		}
		if *status != "in progress" {
			return *status == "committed", nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *postgresBackend) close() error {
	b.pool.Close()
	return nil
}

type postgresTx struct {
	pgQuerier
	tx pgx.Tx
}

func (t postgresTx) mark(ctx context.Context) (string, error) {
	var id uint64
	err := t.tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint").Scan(&id)
	return strconv.FormatUint(id, 10), err
}

func (t postgresTx) commit(ctx context.Context) error   { return t.tx.Commit(ctx) }
func (t postgresTx) rollback(ctx context.Context) error { return t.tx.Rollback(ctx) }

type pgQuerier struct {
	db interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

func (q pgQuerier) exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := q.db.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (q pgQuerier) query(ctx context.Context, query string, args []any, row func(scan scanFunc) error) error {
	rows, err := q.db.Query(ctx, query, args...)
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

// migrationLock is the key under which nodes migrate one after another.
const migrationLock = 7_275_395

// script runs several statements as one transaction.
func (b *postgresBackend) script(ctx context.Context, text string) error {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	lock := fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d);\n", migrationLock)
	if _, err = conn.Conn().PgConn().Exec(ctx, lock+text+"\nCOMMIT;").ReadAll(); err != nil {
		_, _ = conn.Conn().PgConn().Exec(ctx, "ROLLBACK").ReadAll()
	}
	return err
}
