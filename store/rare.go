package store

import (
	"context"

	"github.com/parley-im/parley"
)

// A rareItem is a write that is not worth batching.
type rareItem struct {
	item
	do func(tx *Tx) error
}

func (tx *Tx) rareAll(items []*rareItem) error { return items[0].do(tx) }

// Tx runs f in a transaction of its own on the company's lane; company 0 is any.
// An error of f rolls everything back and is returned. f must not block.
func (db *DB) Tx(ctx context.Context, company parley.CompanyID, f func(tx *Tx) error) error {
	i := &rareItem{item: item{call: newCall(1)}, do: f}
	if err := db.laneOf(company).submit(func(q *batch) { q.rare = append(q.rare, i) }); err != nil {
		return err
	}
	if err := i.call.wait(ctx); err != nil {
		return err
	}
	return i.err
}

// txResult is Tx for a function with a result. A caller that goes away must not
// read what the writer may just be storing.
func txResult[T any](ctx context.Context, db *DB, company parley.CompanyID, f func(tx *Tx) (T, error)) (T, error) {
	var result T
	err := db.Tx(ctx, company, func(tx *Tx) (err error) {
		if result, err = f(tx); err != nil {
			return err
		}
		return tx.keepResult(ctx, result)
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}
