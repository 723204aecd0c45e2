package store

import (
	"context"
)

// A backend is one of the two databases, as far as the rest of the package sees
// it.
type backend interface {
	// begin starts a write transaction on a lane. Nothing else runs on it until
	// the transaction ends.
	begin(ctx context.Context, lane int) (transaction, error)
	// reserve gives out n ids, later ones after earlier ones.
	reserve(ctx context.Context, n int) (ids, error)
	// unused takes back what is left of a reservation, if it can be used later.
	unused(rest ids)
	// settled says whether a transaction whose COMMIT had no answer happened.
	settled(ctx context.Context, mark string) (bool, error)
	reader() querier
	lanes() int
	close() error
}

// A querier runs statements.
type querier interface {
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any, row func(scan scanFunc) error) error
}

// A transaction is a querier whose changes happen together or not at all.
type transaction interface {
	querier
	// mark names the transaction, for settled; empty where it cannot be needed.
	mark(ctx context.Context) (string, error)
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
}

// A scanFunc reads the columns of the present row.
type scanFunc func(dest ...any) error

// An idRange is a run of ids: from next up to, but not including, end.
type idRange struct{ next, end int64 }

// ids are what one transaction may give out, in order.
type ids []idRange

// take gives out the next id. A caller that has reserved too few is a bug.
func (s *ids) take() int64 {
	for (*s)[0].next == (*s)[0].end {
		*s = (*s)[1:]
	}
	(*s)[0].next++
	return (*s)[0].next - 1
}
