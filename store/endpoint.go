package store

import (
	"context"
	"encoding/json"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// MaxEndpoints is how many endpoints a company has at most, its main one included.
const MaxEndpoints = 10

// An EndpointChange is what changes of an endpoint; nil leaves a field.
type EndpointChange struct {
	URL   *string             // not empty; refused for a main endpoint
	Kinds *[]parley.EventKind // empty: all
}

const endpointColumns = "e.id, e.company_id, e.main, e.url, e.secret, e.cursor, e.kinds, e.created_at, c.extended_events"

const endpointTables = " FROM endpoint e JOIN company c ON c.id = e.company_id"

// endpointLagging goes behind endpointTables.
const endpointLagging = ` JOIN company_log l ON l.company_id = e.company_id
	WHERE e.url <> '' AND (e.cursor < l.seq
		OR EXISTS (SELECT 1 FROM blocked_stream b WHERE b.endpoint_id = e.id)
		OR EXISTS (SELECT 1 FROM dead_letter d WHERE d.endpoint_id = e.id AND d.replay_at > 0))`

func (db *DB) scanEndpoint(scan scanFunc) (parley.Endpoint, error) {
	var e parley.Endpoint
	var secret []byte
	var main, created, extended int64
	var kinds string
	if err := scan(&e.ID, &e.Company, &main, &e.URL, &secret, &e.Cursor, &kinds, &created, &extended); err != nil {
		return e, err
	}
	e.Main, e.Extended, e.CreatedAt = main != 0, extended != 0, moment(created)
	var err error
	if e.Kinds, err = kindsOf(kinds); err != nil {
		return e, err
	}
	plain, err := db.keys.Open(secret, endpointSecret(e.Company, e.ID))
	e.Secret = parley.Secret(plain)
	return e, err
}

// kindsOf reads the column kinds, and kindsText writes it.
func kindsOf(column string) (kinds []parley.EventKind, err error) {
	if column != "" {
		err = json.Unmarshal([]byte(column), &kinds)
	}
	return kinds, err
}

func kindsText(kinds []parley.EventKind) string {
	if len(kinds) == 0 {
		return ""
	}
	b, _ := json.Marshal(kinds) // plain data
	return string(b)
}

// endpointSecret is where an endpoint's secret is sealed for.
func endpointSecret(company parley.CompanyID, id parley.EndpointID) seal.Location {
	return seal.Location{Table: "endpoint", Company: int64(company), Row: text(int64(id)), Column: "secret"}
}

func (db *DB) endpoints(ctx context.Context, where string, args ...any) ([]parley.Endpoint, error) {
	var list []parley.Endpoint
	err := db.read(ctx, "SELECT "+endpointColumns+endpointTables+where, args, func(scan scanFunc) error {
		e, err := db.scanEndpoint(scan)
		list = append(list, e)
		return err
	})
	return list, err
}

var errNoEndpoint = parley.Errorf(parley.KindNotFound, "Endpoint not found")

func (db *DB) endpointWhere(ctx context.Context, where string, args ...any) (parley.Endpoint, error) {
	list, err := db.endpoints(ctx, " WHERE "+where, args...)
	if err == nil && len(list) == 0 {
		err = errNoEndpoint
	}
	if err != nil {
		return parley.Endpoint{}, err
	}
	return list[0], nil
}

// LaggingEndpoints returns endpoints with an address and something to deliver:
// events past the cursor, blocked streams, or replays. In the order of ids.
func (db *DB) LaggingEndpoints(ctx context.Context, after parley.EndpointID, limit int) ([]parley.Endpoint, error) {
	return db.endpoints(ctx, endpointLagging+" AND e.id > $1 ORDER BY e.id LIMIT $2", int64(after), limit)
}

// Endpoint returns an endpoint. KindNotFound if there is none.
func (db *DB) Endpoint(ctx context.Context, id parley.EndpointID) (parley.Endpoint, error) {
	return db.endpointWhere(ctx, "e.id = $1", int64(id))
}

// EndpointOf returns an endpoint of a company. KindNotFound if it is another's.
func (db *DB) EndpointOf(ctx context.Context, company parley.CompanyID, id parley.EndpointID) (parley.Endpoint, error) {
	return db.endpointWhere(ctx, "e.id = $1 AND e.company_id = $2", int64(id), int64(company))
}

// MainEndpoint returns the endpoint whose address is the company's webhook_url.
func (db *DB) MainEndpoint(ctx context.Context, company parley.CompanyID) (parley.Endpoint, error) {
	return db.endpointWhere(ctx, "e.company_id = $1 AND e.main = 1", int64(company))
}

// Endpoints lists a company's endpoints by id, the main one included.
func (db *DB) Endpoints(ctx context.Context, company parley.CompanyID, p Page) ([]parley.Endpoint, error) {
	return db.endpoints(ctx, " WHERE e.company_id = $3"+p.where("e.id"), p.args(int64(company))...)
}

// CreateEndpoint adds an endpoint beside the main one; it gets events from now on.
// No kinds are all of them. KindConflict if the company has MaxEndpoints.
func (db *DB) CreateEndpoint(ctx context.Context, company parley.CompanyID, url string, kinds []parley.EventKind) (parley.Endpoint, error) {
	return txResult(ctx, db, company, func(tx *Tx) (parley.Endpoint, error) {
		e := parley.Endpoint{Company: company, URL: url, Kinds: kinds}
		// The lock on the counter also makes two that are created at once count.
		var extended int64
		err := tx.one("SELECT l.seq, c.extended_events FROM company_log l JOIN company c ON c.id = l.company_id WHERE l.company_id = $1"+
			tx.db.dialect.forUpdate(), []any{int64(company)}, &e.Cursor, &extended)
		if noRow(err) {
			err = parley.Errorf(parley.KindNotFound, "Company not found")
		}
		if err != nil {
			return e, err
		}
		e.Extended = extended != 0
		var n int
		if err := tx.one("SELECT COUNT(*) FROM endpoint WHERE company_id = $1", []any{int64(company)}, &n); err != nil {
			return e, err
		}
		if n >= MaxEndpoints {
			return e, parley.Errorf(parley.KindConflict, "the company has as many webhooks as it may have ("+text(MaxEndpoints)+", that of webhook_url included)")
		}
		return e, tx.insertEndpoint(&e)
	})
}

// insertEndpoint stores an endpoint under a new id and with a new secret.
func (tx *Tx) insertEndpoint(e *parley.Endpoint) error {
	e.ID, e.CreatedAt, e.Secret = parley.EndpointID(tx.ids.take()), moment(millis(tx.now)), newWebhookSecret()
	secret, err := tx.db.keys.Seal([]byte(e.Secret.Reveal()), endpointSecret(e.Company, e.ID))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO endpoint (id, company_id, shard, main, url, secret, cursor, kinds, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, int64(e.ID), int64(e.Company), int64(e.Company.Shard()), flag(e.Main), e.URL,
		secret, e.Cursor, kindsText(e.Kinds), millis(tx.now))
	tx.endpoints = append(tx.endpoints, endpointRef{e.Company, e.ID})
	return err
}

// UpdateEndpoint changes the fields given, and returns the endpoint as it is then,
// without its secret. What waits for delivery goes to the new address, and what is
// not wanted any more is passed over. KindNotFound if it is not the company's,
// KindInvalid if the address is that of a main endpoint.
func (db *DB) UpdateEndpoint(ctx context.Context, company parley.CompanyID, id parley.EndpointID, c EndpointChange) (parley.Endpoint, error) {
	return txResult(ctx, db, company, func(tx *Tx) (parley.Endpoint, error) {
		e, err := tx.endpointOf(company, id)
		if err != nil {
			return e, err
		}
		if c.URL != nil {
			if e.Main {
				return e, errMainURL
			}
			e.URL = *c.URL
		}
		if c.Kinds != nil {
			e.Kinds = *c.Kinds
		}
		tx.endpoints = append(tx.endpoints, endpointRef{company, id})
		_, err = tx.Exec("UPDATE endpoint SET url = $2, kinds = $3 WHERE id = $1", int64(id), e.URL, kindsText(e.Kinds))
		return e, err
	})
}

var (
	errMainURL    = parley.Errorf(parley.KindInvalid, "url cannot be changed here: it is the webhook_url of the company")
	errMainDelete = parley.Errorf(parley.KindInvalid, "the main webhook cannot be deleted: clear the webhook_url of the company")
)

// endpointOf reads an endpoint of a company, without its secret, and keeps it from
// being changed until the end of the transaction.
func (tx *Tx) endpointOf(company parley.CompanyID, id parley.EndpointID) (parley.Endpoint, error) {
	e := parley.Endpoint{ID: id, Company: company}
	var main, created, extended int64
	var kinds string
	err := tx.one("SELECT e.main, e.url, e.cursor, e.kinds, e.created_at, c.extended_events"+endpointTables+" WHERE e.id = $1 AND e.company_id = $2"+
		tx.db.dialect.forUpdate(), []any{int64(id), int64(company)}, &main, &e.URL, &e.Cursor, &kinds, &created, &extended)
	if noRow(err) {
		return e, errNoEndpoint
	}
	if err != nil {
		return e, err
	}
	e.Main, e.Extended, e.CreatedAt = main != 0, extended != 0, moment(created)
	e.Kinds, err = kindsOf(kinds)
	return e, err
}

// DeleteEndpoint deletes an endpoint with its blocked streams, dead letters and
// attempts. What is much of it goes before, in transactions of CleanBatch rows; the
// endpoint is there until the last one. KindNotFound if it is not the company's,
// KindInvalid if it is the main one.
func (db *DB) DeleteEndpoint(ctx context.Context, company parley.CompanyID, id parley.EndpointID) error {
	for _, statement := range []string{
		`DELETE FROM webhook_attempt WHERE (endpoint_id, seq, number) IN (SELECT endpoint_id, seq, number FROM webhook_attempt WHERE endpoint_id = $1 LIMIT $2)`,
		`DELETE FROM dead_letter WHERE (endpoint_id, seq) IN (SELECT endpoint_id, seq FROM dead_letter WHERE endpoint_id = $1 LIMIT $2)`,
		`DELETE FROM blocked_stream WHERE (endpoint_id, stream) IN (SELECT endpoint_id, stream FROM blocked_stream WHERE endpoint_id = $1 LIMIT $2)`,
	} {
		for gone := int64(CleanBatch); gone == CleanBatch; {
			var err error
			gone, err = txResult(ctx, db, company, func(tx *Tx) (int64, error) {
				if err := tx.deletable(company, id); err != nil {
					return 0, err
				}
				return tx.Exec(statement, int64(id), CleanBatch)
			})
			if err != nil {
				return err
			}
		}
	}
	return db.Tx(ctx, company, func(tx *Tx) error { return tx.deleteEndpoint(company, id) })
}

func (tx *Tx) deletable(company parley.CompanyID, id parley.EndpointID) error {
	e, err := tx.endpointOf(company, id)
	if err == nil && e.Main {
		err = errMainDelete
	}
	return err
}

// deleteEndpoint deletes the endpoint and what little is left of it.
func (tx *Tx) deleteEndpoint(company parley.CompanyID, id parley.EndpointID) error {
	if err := tx.deletable(company, id); err != nil {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM webhook_attempt WHERE endpoint_id = $1",
		"DELETE FROM dead_letter WHERE endpoint_id = $1",
		"DELETE FROM blocked_stream WHERE endpoint_id = $1",
		"DELETE FROM endpoint WHERE id = $1",
	} {
		if _, err := tx.Exec(statement, int64(id)); err != nil {
			return err
		}
	}
	tx.endpoints = append(tx.endpoints, endpointRef{company, id})
	return nil
}

func (tx *Tx) wakeEndpoints(company parley.CompanyID) {
	_ = tx.Query("SELECT id FROM endpoint WHERE company_id = $1", []any{int64(company)}, func(scan scanFunc) error {
		e := endpointRef{company: company}
		err := scan(&e.id)
		tx.endpoints = append(tx.endpoints, e)
		return err
	}) // a poll finds them as well
}

// RotateEndpointSecret replaces the secret that signs what goes to the company's
// main endpoint, and returns the new one. KindNotFound if there is no such company.
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
		return tx.rotateSecret(company, id)
	})
}

// RotateSecretOf replaces the secret that signs what goes to an endpoint, and
// returns the new one. KindNotFound if it is not the company's.
func (db *DB) RotateSecretOf(ctx context.Context, company parley.CompanyID, id parley.EndpointID) (parley.Secret, error) {
	return txResult(ctx, db, company, func(tx *Tx) (parley.Secret, error) {
		if _, err := tx.endpointOf(company, id); err != nil {
			return "", err
		}
		return tx.rotateSecret(company, id)
	})
}

func (tx *Tx) rotateSecret(company parley.CompanyID, id parley.EndpointID) (parley.Secret, error) {
	secret := newWebhookSecret()
	sealed, err := tx.db.keys.Seal([]byte(secret.Reveal()), endpointSecret(company, id))
	if err != nil {
		return "", err
	}
	tx.endpoints = append(tx.endpoints, endpointRef{company, id})
	_, err = tx.Exec("UPDATE endpoint SET secret = $2 WHERE id = $1", int64(id), sealed)
	return secret, err
}
