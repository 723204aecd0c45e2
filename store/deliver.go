package store

import (
	"context"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// A deliverItem is a change of an endpoint's state on its way into the rows.
type deliverItem struct {
	item
	in *Delivery
}

// Deliver stores how far an endpoint got. KindConflict: another node owns the
// company.
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
		if err := tx.deliverOne(i.in); err != nil {
			return err
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

func (tx *Tx) deliverOne(d *Delivery) error {
	for _, step := range []func(*Delivery) error{tx.block, tx.unblock, tx.park, tx.attempted, tx.replayed} {
		if err := step(d); err != nil {
			return err
		}
	}
	return nil
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

const endpointColumns = "e.id, e.company_id, e.url, e.secret, e.cursor, c.extended_events"

const endpointTables = " FROM endpoint e JOIN company c ON c.id = e.company_id"

// endpointLagging goes behind endpointTables.
const endpointLagging = ` JOIN company_log l ON l.company_id = e.company_id
	WHERE e.url <> '' AND (e.cursor < l.seq
		OR EXISTS (SELECT 1 FROM blocked_stream b WHERE b.endpoint_id = e.id)
		OR EXISTS (SELECT 1 FROM dead_letter d WHERE d.endpoint_id = e.id AND d.replay_at > 0))`

func (db *DB) scanEndpoint(scan scanFunc) (parley.Endpoint, error) {
	var e parley.Endpoint
	var secret []byte
	var extended int64
	if err := scan(&e.ID, &e.Company, &e.URL, &secret, &e.Cursor, &extended); err != nil {
		return e, err
	}
	e.Extended = extended != 0
	plain, err := db.keys.Open(secret, endpointSecret(e.Company, e.ID))
	e.Secret = parley.Secret(plain)
	return e, err
}

// endpointSecret is where an endpoint's secret is sealed for.
func endpointSecret(company parley.CompanyID, id parley.EndpointID) seal.Location {
	return seal.Location{Table: "endpoint", Company: int64(company), Row: text(int64(id)), Column: "secret"}
}

// LaggingEndpoints returns endpoints with an address and something to deliver:
// events past the cursor, blocked streams, or replays. In the order of ids.
func (db *DB) LaggingEndpoints(ctx context.Context, after parley.EndpointID, limit int) ([]parley.Endpoint, error) {
	var list []parley.Endpoint
	err := db.read(ctx, "SELECT "+endpointColumns+endpointTables+endpointLagging+" AND e.id > $1 ORDER BY e.id LIMIT $2", []any{int64(after), limit}, func(scan scanFunc) error {
		e, err := db.scanEndpoint(scan)
		list = append(list, e)
		return err
	})
	return list, err
}

// Endpoint returns an endpoint. KindNotFound if there is none.
func (db *DB) Endpoint(ctx context.Context, id parley.EndpointID) (parley.Endpoint, error) {
	return db.endpointWhere(ctx, "e.id = $1", int64(id))
}

// MainEndpoint returns the endpoint whose address is the company's webhook_url.
func (db *DB) MainEndpoint(ctx context.Context, company parley.CompanyID) (parley.Endpoint, error) {
	return db.endpointWhere(ctx, "e.company_id = $1 AND e.main = 1", int64(company))
}

func (db *DB) endpointWhere(ctx context.Context, where string, arg any) (parley.Endpoint, error) {
	var e parley.Endpoint
	found := false
	err := db.read(ctx, "SELECT "+endpointColumns+endpointTables+" WHERE "+where, []any{arg}, func(scan scanFunc) (err error) {
		found = true
		e, err = db.scanEndpoint(scan)
		return err
	})
	if err == nil && !found {
		err = parley.Errorf(parley.KindNotFound, "Endpoint not found")
	}
	return e, err
}

// BlockedStreams returns an endpoint's blocked streams, the oldest head first.
func (db *DB) BlockedStreams(ctx context.Context, endpoint parley.EndpointID) ([]parley.BlockedStream, error) {
	var list []parley.BlockedStream
	err := db.read(ctx, "SELECT stream, head, attempt, next_at FROM blocked_stream WHERE endpoint_id = $1 ORDER BY head",
		[]any{int64(endpoint)}, func(scan scanFunc) error {
			b := parley.BlockedStream{Endpoint: endpoint}
			var next int64
			err := scan(&b.Stream, &b.Head, &b.Attempt, &next)
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

// DeadLetters lists a company's dead letters by the number of their event.
func (db *DB) DeadLetters(ctx context.Context, company parley.CompanyID, p Page) ([]parley.DeadLetter, error) {
	return db.letters(ctx, "company_id = $3"+p.where("seq"), p.args(int64(company))...)
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

func (tx *Tx) wakeEndpoints(company parley.CompanyID) {
	_ = tx.Query("SELECT id FROM endpoint WHERE company_id = $1", []any{int64(company)}, func(scan scanFunc) error {
		e := endpointRef{company: company}
		err := scan(&e.id)
		tx.endpoints = append(tx.endpoints, e)
		return err
	}) // a poll finds them as well
}

// RotateEndpointSecret replaces the secret that signs the company's deliveries,
// and returns the new one. KindNotFound if there is no such company.
func (db *DB) RotateEndpointSecret(ctx context.Context, company parley.CompanyID) (parley.Secret, error) {
	return txResult(ctx, db, company, func(tx *Tx) (parley.Secret, error) {
		var id parley.EndpointID
		err := tx.one("SELECT id FROM endpoint WHERE company_id = $1 AND main = 1", []any{int64(company)}, &id)
		if noRow(err) {
			return "", parley.Errorf(parley.KindNotFound, "Company not found")
		}
		if err != nil {
			return "", err
		}
		secret := newWebhookSecret()
		sealed, err := db.keys.Seal([]byte(secret.Reveal()), endpointSecret(company, id))
		if err != nil {
			return "", err
		}
		tx.endpoints = append(tx.endpoints, endpointRef{company, id})
		_, err = tx.Exec("UPDATE endpoint SET secret = $2 WHERE id = $1", int64(id), sealed)
		return secret, err
	})
}
