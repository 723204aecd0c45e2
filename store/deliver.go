package store

import (
	"context"

	"github.com/parley-im/parley"
)

// A deliverItem is a change of an endpoint's state on its way into the rows.
type deliverItem struct {
	item
	in *Delivery
}

// Deliver stores how far an endpoint got. KindConflict: another node owns the
// company, or the endpoint was deleted.
func (db *DB) Deliver(ctx context.Context, in *Delivery) error {
	i := &deliverItem{item: item{call: newCall(1)}, in: in}
	return db.run(ctx, in.Company, &i.item, func(q *batch) { q.delivers = append(q.delivers, i) })
}

// deliverAll stores a batch of deliveries. Cursors, which move all the time, go
// in one statement; what comes of failures is rare.
func (tx *Tx) deliverAll(items []*deliverItem) error {
	newest := map[parley.EndpointID]int64{}
	for _, i := range items {
		ok, err := tx.fence(i.in.Grant)
		if err != nil {
			return err
		}
		if !ok {
			i.err = errFenced
			continue
		}
		if i.err, err = tx.deliverOne(i.in); err != nil {
			return err
		}
		if i.err != nil {
			continue
		}
		newest[i.in.Endpoint] = max(newest[i.in.Endpoint], i.in.Cursor)
	}
	rows := table{before: "UPDATE endpoint SET cursor = v.column2 FROM (", types: "ii",
		after: ") AS v WHERE endpoint.id = v.column1 AND endpoint.cursor < v.column2"}
	for id, cursor := range newest {
		if cursor > 0 {
			rows.add(int64(id), cursor)
		}
	}
	return rows.run(tx, nil)
}

// deliverOne stores what is more than a cursor. The first error is the item's own.
func (tx *Tx) deliverOne(d *Delivery) (refused, err error) {
	if refused, err := tx.deleted(d); refused != nil || err != nil {
		return refused, err
	}
	for _, step := range []func(*Delivery) error{tx.block, tx.unblock, tx.park, tx.attempted, tx.replayed} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

var errDeleted = parley.Errorf(parley.KindConflict, "the endpoint was deleted")

// deleted refuses rows about an endpoint that is not there any more.
func (tx *Tx) deleted(d *Delivery) (refused, err error) {
	if d.Block == nil && d.Park == nil && d.Attempt == nil {
		return nil, nil
	}
	var there int
	err = tx.one("SELECT 1 FROM endpoint WHERE id = $1", []any{int64(d.Endpoint)}, &there)
	if noRow(err) {
		return errDeleted, nil
	}
	return nil, err
}

func (tx *Tx) block(d *Delivery) error {
	b := d.Block
	if b == nil {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO blocked_stream (endpoint_id, stream, head, attempt, next_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (endpoint_id, stream) DO UPDATE SET head = excluded.head, attempt = excluded.attempt, next_at = excluded.next_at`,
		int64(d.Endpoint), int64(b.Stream), b.Head, b.Attempt, millis(b.NextAt))
	return err
}

func (tx *Tx) unblock(d *Delivery) error {
	if d.Unblock == 0 {
		return nil
	}
	_, err := tx.Exec("DELETE FROM blocked_stream WHERE endpoint_id = $1 AND stream = $2", int64(d.Endpoint), int64(d.Unblock))
	return err
}

func (tx *Tx) park(d *Delivery) error {
	l := d.Park
	if l == nil {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO dead_letter (endpoint_id, seq, company_id, stream, kind, reason, attempts, parked_at, replay_at, replayed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0) ON CONFLICT (endpoint_id, seq) DO UPDATE
		SET reason = excluded.reason, attempts = excluded.attempts, parked_at = excluded.parked_at, replay_at = 0, replayed_at = 0`,
		int64(d.Endpoint), l.Seq, int64(d.Company), int64(l.Stream), string(l.Kind), l.Reason, l.Attempts, millis(tx.now))
	return err
}

func (tx *Tx) attempted(d *Delivery) error {
	a := d.Attempt
	if a == nil {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO webhook_attempt (endpoint_id, seq, number, company_id, status, reason, took_ms, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (endpoint_id, seq, number) DO UPDATE
		SET status = excluded.status, reason = excluded.reason, took_ms = excluded.took_ms, created_at = excluded.created_at`,
		int64(d.Endpoint), a.Seq, a.Number, int64(d.Company), a.Status, a.Reason, a.Took.Milliseconds(), millis(tx.now))
	return err
}

func (tx *Tx) replayed(d *Delivery) error {
	r := d.Replayed
	if r == nil {
		return nil
	}
	at := int64(0)
	if r.OK {
		at = millis(tx.now)
	}
	_, err := tx.Exec(`UPDATE dead_letter SET replay_at = 0, replayed_at = $3, reason = CASE WHEN $4 = '' THEN reason ELSE $4 END,
		attempts = attempts + 1 WHERE endpoint_id = $1 AND seq = $2`, int64(d.Endpoint), r.Seq, at, r.Reason)
	return err
}

// BlockedStreams returns an endpoint's blocked streams, the oldest head first.
func (db *DB) BlockedStreams(ctx context.Context, endpoint parley.EndpointID) ([]parley.BlockedStream, error) {
	return db.blockedStreams(ctx, "endpoint_id = $1 ORDER BY head", int64(endpoint))
}

func (db *DB) blockedStreams(ctx context.Context, where string, args ...any) ([]parley.BlockedStream, error) {
	var list []parley.BlockedStream
	err := db.read(ctx, "SELECT endpoint_id, stream, head, attempt, next_at FROM blocked_stream WHERE "+where, args, func(scan scanFunc) error {
		var b parley.BlockedStream
		var next int64
		err := scan(&b.Endpoint, &b.Stream, &b.Head, &b.Attempt, &next)
		b.NextAt = moment(next)
		list = append(list, b)
		return err
	})
	return list, err
}

const letterColumns = "endpoint_id, company_id, seq, stream, kind, reason, attempts, parked_at, replay_at, replayed_at"

func (db *DB) letters(ctx context.Context, where string, args ...any) ([]parley.DeadLetter, error) {
	var list []parley.DeadLetter
	err := db.read(ctx, "SELECT "+letterColumns+" FROM dead_letter WHERE "+where, args, func(scan scanFunc) error {
		var l parley.DeadLetter
		var parked, replay, replayed int64
		err := scan(&l.Endpoint, &l.Company, &l.Seq, &l.Stream, &l.Kind, &l.Reason, &l.Attempts, &parked, &replay, &replayed)
		l.ParkedAt, l.ReplayAt, l.ReplayedAt = moment(parked), moment(replay), moment(replayed)
		list = append(list, l)
		return err
	})
	return list, err
}

// Replays returns an endpoint's dead letters that shall be tried again, the
// oldest first.
func (db *DB) Replays(ctx context.Context, endpoint parley.EndpointID, limit int) ([]parley.DeadLetter, error) {
	return db.letters(ctx, "endpoint_id = $1 AND replay_at > 0 ORDER BY seq LIMIT $2", int64(endpoint), limit)
}

// DeadLetters lists a company's dead letters by the number of their event, and
// those of one event by their endpoint, which is the second key of the page.
func (db *DB) DeadLetters(ctx context.Context, company parley.CompanyID, p Page) ([]parley.DeadLetter, error) {
	return db.letters(ctx, "company_id = $3"+p.whereBoth("seq", "endpoint_id", "$4"), p.args(int64(company), p.Then)...)
}

// Replay asks for dead letters to be tried again: those given, or all that were
// not replayed yet if seqs is nil; of one endpoint, or of all if it is 0. It
// returns how many.
func (db *DB) Replay(ctx context.Context, company parley.CompanyID, endpoint parley.EndpointID, seqs []int64) (int64, error) {
	return txResult(ctx, db, company, func(tx *Tx) (n int64, err error) {
		const update = "UPDATE dead_letter SET replay_at = $1 WHERE company_id = $2 AND (endpoint_id = $3 OR $3 = 0)"
		args := []any{millis(tx.now), int64(company), int64(endpoint)}
		if seqs == nil {
			n, err = tx.Exec(update+" AND replayed_at = 0", args...)
		}
		for _, seq := range seqs {
			done, err := tx.Exec(update+" AND seq = $4", append(args, seq)...)
			if err != nil {
				return 0, err
			}
			n += done
		}
		if err == nil {
			tx.wakeEndpoints(company)
		}
		return n, err
	})
}
