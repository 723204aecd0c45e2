package store

import (
	"context"
	"errors"
	"time"

	"github.com/parley-im/parley"
)

// A NodeError says which other node is alive and holds the shards.
type NodeError struct{ Node string }

// Error names the holder.
func (e *NodeError) Error() string { return "node " + e.Node + " is running on this database" }

// TakeShards makes a node the owner of all shards, under new terms, and lets its
// heartbeat last for ttl. A *NodeError: another node is alive.
func (db *DB) TakeShards(ctx context.Context, node string, ttl time.Duration) ([]parley.Grant, error) {
	return txResult(ctx, db, 0, func(tx *Tx) ([]parley.Grant, error) { return tx.takeShards(node, ttl) })
}

func (tx *Tx) takeShards(node string, ttl time.Duration) ([]parley.Grant, error) {
	if err := tx.makeShards(); err != nil {
		return nil, err
	}
	var other string
	err := tx.one("SELECT name FROM node WHERE name <> $1 AND expires_at > "+tx.db.dialect.clock()+" ORDER BY beat_at DESC LIMIT 1", []any{node}, &other)
	if err == nil {
		return nil, &NodeError{other}
	}
	if !noRow(err) {
		return nil, err
	}
	clock := tx.db.dialect.clock()
	_, err = tx.Exec("INSERT INTO node (name, beat_at, expires_at) VALUES ($1, "+clock+", "+clock+" + CAST($2 AS BIGINT)) "+
		"ON CONFLICT (name) DO UPDATE SET beat_at = excluded.beat_at, expires_at = excluded.expires_at", node, ttl.Milliseconds())
	if err != nil {
		return nil, err
	}
	var grants []parley.Grant
	err = tx.Query("UPDATE shard SET node = $1, term = term + 1 RETURNING id, term", []any{node}, func(scan scanFunc) error {
		var g parley.Grant
		err := scan(&g.Shard, &g.Term)
		grants = append(grants, g)
		return err
	})
	return grants, err
}

// makeShards makes sure that every shard has its row, and holds them.
func (tx *Tx) makeShards() error {
	rows := table{before: "INSERT INTO shard (id, node, term) ", types: "iti", after: " ON CONFLICT (id) DO NOTHING"}
	for n := range parley.Shards {
		rows.add(int64(n), "", int64(0))
	}
	if err := rows.run(tx, nil); err != nil {
		return err
	}
	return tx.Query("SELECT id FROM shard ORDER BY id"+tx.db.dialect.forUpdate(), nil, func(scanFunc) error { return nil })
}

// Beat renews a node's heartbeat for ttl. KindConflict: another node has taken
// the shards.
func (db *DB) Beat(ctx context.Context, node string, ttl time.Duration) error {
	return db.Tx(ctx, 0, func(tx *Tx) error {
		var held int64
		if err := tx.one("SELECT COUNT(*) FROM shard WHERE node = $1", []any{node}, &held); err != nil {
			return err
		}
		if held < parley.Shards {
			return errFenced
		}
		clock := tx.db.dialect.clock()
		_, err := tx.Exec("UPDATE node SET beat_at = "+clock+", expires_at = "+clock+" + CAST($2 AS BIGINT) WHERE name = $1", node, ttl.Milliseconds())
		return err
	})
}

// Leave ends a node's heartbeat, so that another need not wait for its expiry.
func (db *DB) Leave(ctx context.Context, node string) error {
	return db.Tx(ctx, 0, func(tx *Tx) error {
		_, err := tx.Exec("DELETE FROM node WHERE name = $1", node)
		return err
	})
}

// Holder returns the name of the node that a TakeShards error speaks of.
func Holder(err error) (string, bool) {
	e, ok := errors.AsType[*NodeError](err)
	if !ok {
		return "", false
	}
	return e.Node, true
}
