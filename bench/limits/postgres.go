package limits

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parley-im/parley/bench/load"
)

const postgresSchema = `
DROP TABLE IF EXISTS parley_bench_limits;
CREATE TABLE parley_bench_limits (
	id          bigserial PRIMARY KEY,
	uid         text NOT NULL,
	channel     int NOT NULL,
	external_id text NOT NULL,
	chat        text NOT NULL,
	direction   smallint NOT NULL,
	status      smallint NOT NULL,
	created     timestamptz NOT NULL,
	text        text NOT NULL,
	payload     bytea NOT NULL
);
CREATE UNIQUE INDEX ON parley_bench_limits(channel, external_id);
CREATE INDEX ON parley_bench_limits(channel, chat, id);
CREATE INDEX ON parley_bench_limits(status, created);`

const postgresDrop = `DROP TABLE parley_bench_limits`

const postgresOne = `INSERT INTO parley_bench_limits
	(uid, channel, external_id, chat, direction, status, created, text, payload)
	VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7)`

// postgresMany takes one array for each column that varies.
const postgresMany = `INSERT INTO parley_bench_limits
	(uid, channel, external_id, chat, direction, status, created, text, payload)
	SELECT u, c, e, h, 0, 0, $5, $6, $7 FROM unnest($1::text[], $2::int[], $3::text[], $4::text[]) AS v(u, c, e, h)`

func postgres(conns, batch int) func(context.Context, Options) (Figure, error) {
	return func(ctx context.Context, o Options) (f Figure, err error) {
		if o.Postgres == "" {
			return f, errLeftOut
		}
		cfg, err := pgxpool.ParseConfig(o.Postgres)
		if err != nil {
			return f, err
		}
		cfg.MaxConns = int32(conns)
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
		pool, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			return f, err
		}
		defer pool.Close()
		if _, err := pool.Exec(ctx, postgresSchema, pgx.QueryExecModeSimpleProtocol); err != nil {
			return f, err
		}
		defer func() {
			_, dropped := pool.Exec(context.WithoutCancel(ctx), postgresDrop)
			err = errors.Join(err, dropped)
		}()
		return postgresRows(ctx, pool, conns, batch, o.Duration)
	}
}

func postgresRows(ctx context.Context, pool *pgxpool.Pool, conns, batch int, d time.Duration) (Figure, error) {
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		all error
		h   load.Hist
		f   Figure
	)
	for w := range conns {
		wg.Go(func() {
			n := 0
			took, mine, err := timed(ctx, d, func() error {
				rows := make([]row, batch)
				for i := range rows {
					rows[i] = newRow(n*conns + w)
					n++
				}
				return insertRows(ctx, pool, rows)
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				all = errors.Join(all, err)
				return
			}
			h.Merge(mine)
			f.Rate += float64(n) / took.Seconds()
		})
	}
	wg.Wait()
	f.Latencies = h.Latencies()
	return f, all
}

func insertRows(ctx context.Context, pool *pgxpool.Pool, rows []row) error {
	if len(rows) == 1 {
		r := rows[0]
		_, err := pool.Exec(ctx, postgresOne, r.uid, r.channel, r.externalID, r.chat, time.Now(), rowText, rowPayload)
		return err
	}
	var uids, externalIDs, chats []string
	var channels []int32
	for _, r := range rows {
		uids, channels = append(uids, r.uid), append(channels, r.channel)
		externalIDs, chats = append(externalIDs, r.externalID), append(chats, r.chat)
	}
	_, err := pool.Exec(ctx, postgresMany, uids, channels, externalIDs, chats, time.Now(), rowText, rowPayload)
	return err
}
