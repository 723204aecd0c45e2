package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/parley-im/parley"
)

func text(n int64) string { return strconv.FormatInt(n, 10) }

// newWebhookSecret makes a secret in the form of the Standard Webhooks spec.
func newWebhookSecret() parley.Secret {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return parley.Secret("whsec_" + base64.StdEncoding.EncodeToString(b[:]))
}

// EnsureUser returns the user of that name; a new one is created with one
// company of the same name, whose id is then returned too.
func (db *DB) EnsureUser(ctx context.Context, name string) (parley.UserID, parley.CompanyID, error) {
	type ids struct {
		user    parley.UserID
		company parley.CompanyID
	}
	made, err := txResult(ctx, db, 0, func(tx *Tx) (made ids, err error) {
		err = tx.one("SELECT id FROM user_account WHERE name = $1", []any{name}, &made.user)
		if !noRow(err) {
			return made, err
		}
		made.user = parley.UserID(tx.ids.take())
		_, err = tx.Exec("INSERT INTO user_account (id, name, partner, phone, webhook_url, created_at) VALUES ($1, $2, 0, '', '', $3)",
			int64(made.user), name, millis(tx.now))
		if err != nil {
			return made, err
		}
		made.company, err = tx.createCompany(made.user, parley.CompanyChange{Name: &name})
		return made, err
	})
	return made.user, made.company, err
}

// An APIToken is what is known of a token: never the token itself.
type APIToken struct {
	User      parley.UserID
	UserName  string
	Hint      string // its first characters
	CreatedAt time.Time
	RevokedAt time.Time
}

// AddToken stores the hash of a user's new token.
func (db *DB) AddToken(ctx context.Context, user parley.UserID, hash []byte, hint string) error {
	return db.Tx(ctx, 0, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO api_token (hash, user_id, hint, created_at, revoked_at) VALUES ($1, $2, $3, $4, 0)",
			hash, int64(user), hint, millis(tx.now))
		return err
	})
}

// Tokens lists all tokens, the oldest first.
func (db *DB) Tokens(ctx context.Context) ([]APIToken, error) {
	var list []APIToken
	err := db.read(ctx, `SELECT t.user_id, u.name, t.hint, t.created_at, t.revoked_at FROM api_token t JOIN user_account u ON u.id = t.user_id
		ORDER BY t.created_at, t.hint`, nil, func(scan scanFunc) error {
		var t APIToken
		var created, revoked int64
		err := scan(&t.User, &t.UserName, &t.Hint, &created, &revoked)
		t.CreatedAt, t.RevokedAt = moment(created), moment(revoked)
		list = append(list, t)
		return err
	})
	return list, err
}

// RevokeTokens ends the tokens whose hint starts so, or whose hash is given, and
// returns how many.
func (db *DB) RevokeTokens(ctx context.Context, hint string, hash []byte) (int64, error) {
	return txResult(ctx, db, 0, func(tx *Tx) (int64, error) {
		return tx.Exec("UPDATE api_token SET revoked_at = $1 WHERE revoked_at = 0 AND (hint = $2 OR hash = $3)", millis(tx.now), hint, hash)
	})
}

const userColumns = "u.id, u.name, u.partner, u.phone, u.webhook_url, u.channel_price, u.created_at"

// userWhere reads one user; noRow tells that there is none.
func (db *DB) userWhere(ctx context.Context, tables, where string, args ...any) (parley.User, error) {
	var u parley.User
	var partner, created int64
	err := one(ctx, db.backend.reader(), "SELECT "+userColumns+" FROM "+tables+" WHERE "+where, args,
		&u.ID, &u.Name, &partner, &u.Phone, &u.WebhookURL, &u.ChannelPrice, &created)
	u.Partner, u.CreatedAt = partner != 0, moment(created)
	return u, err
}

// UserByToken returns whose token has that hash. KindUnauthorized if nobody's, or
// if it was revoked.
func (db *DB) UserByToken(ctx context.Context, hash []byte) (parley.User, error) {
	u, err := db.userWhere(ctx, "api_token t JOIN user_account u ON u.id = t.user_id", "t.hash = $1 AND t.revoked_at = 0", hash)
	if noRow(err) {
		return u, errToken
	}
	return u, classify(err)
}

var errToken = parley.Errorf(parley.KindUnauthorized, "Invalid API token")

// SetUser changes what an operator sets for a user. KindNotFound if there is no
// user of that name; KindConflict if another user has the phone, which then would
// not say who signs in.
func (db *DB) SetUser(ctx context.Context, name string, c parley.UserChange) error {
	return db.Tx(ctx, 0, func(tx *Tx) error {
		if err := tx.phoneFree(name, c.Phone); err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE user_account SET partner = COALESCE($2, partner), phone = COALESCE($3, phone),
			webhook_url = COALESCE($4, webhook_url), channel_price = COALESCE($5, channel_price) WHERE name = $1`,
			name, flagOrNil(c.Partner), c.Phone, c.WebhookURL, c.ChannelPrice)
		if err == nil && n == 0 {
			err = parley.Errorf(parley.KindNotFound, "User not found")
		}
		return err
	})
}

// phoneFree refuses a phone that somebody else has.
func (tx *Tx) phoneFree(name string, phone *string) error {
	if phone == nil || *phone == "" {
		return nil
	}
	var other string
	err := tx.one("SELECT name FROM user_account WHERE phone = $1 AND phone <> '' AND name <> $2 ORDER BY id LIMIT 1", []any{*phone, name}, &other)
	if noRow(err) {
		return nil
	}
	if err == nil {
		err = parley.Errorf(parley.KindConflict, "phone: user "+other+" has it")
	}
	return err
}

func flagOrNil(b *bool) any {
	if b == nil {
		return nil
	}
	return flag(*b)
}

// CreateCompany stores a company with its log and its endpoint.
func (db *DB) CreateCompany(ctx context.Context, user parley.UserID, c parley.CompanyChange) (parley.CompanyID, error) {
	return txResult(ctx, db, 0, func(tx *Tx) (parley.CompanyID, error) { return tx.createCompany(user, c) })
}

func (tx *Tx) createCompany(user parley.UserID, c parley.CompanyChange) (parley.CompanyID, error) {
	id := parley.CompanyID(tx.ids.take())
	_, err := tx.Exec(`INSERT INTO company (id, user_id, shard, name, phone, description, hidden, paywall, channels_per_provider, extended_events, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 1, $8, $9)`, int64(id), int64(user), int64(id.Shard()), *c.Name, blankIsNull(c.Phone),
		blankIsNull(c.Description), flag(c.Hidden != nil && *c.Hidden), flag(c.ExtendedEvents != nil && *c.ExtendedEvents), millis(tx.now))
	if err != nil {
		return 0, err
	}
	if _, err = tx.Exec("INSERT INTO company_log (company_id, seq, first_seq) VALUES ($1, 0, 1)", int64(id)); err != nil {
		return 0, err
	}
	url := ""
	if c.WebhookURL != nil {
		url = *c.WebhookURL
	}
	return id, tx.insertEndpoint(&parley.Endpoint{Company: id, Main: true, URL: url})
}

func blankIsNull(s *string) any {
	if s == nil || *s == "" {
		return nil
	}
	return *s
}

// UpdateCompany changes the fields given. KindNotFound if there is no such company.
func (db *DB) UpdateCompany(ctx context.Context, id parley.CompanyID, c parley.CompanyChange) error {
	return db.Tx(ctx, id, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE company SET name = COALESCE($2, name), hidden = COALESCE($3, hidden),
			extended_events = COALESCE($4, extended_events), paywall = COALESCE($5, paywall),
			channels_per_provider = COALESCE($6, channels_per_provider) WHERE id = $1`,
			int64(id), c.Name, flagOrNil(c.Hidden), flagOrNil(c.ExtendedEvents), flagOrNil(c.Paywall), c.ChannelsPerProvider)
		if err != nil {
			return err
		}
		if n == 0 {
			return parley.Errorf(parley.KindNotFound, "Company not found")
		}
		if c.Phone != nil {
			if _, err := tx.Exec("UPDATE company SET phone = $2 WHERE id = $1", int64(id), blankIsNull(c.Phone)); err != nil {
				return err
			}
		}
		if c.Description != nil {
			if _, err := tx.Exec("UPDATE company SET description = $2 WHERE id = $1", int64(id), blankIsNull(c.Description)); err != nil {
				return err
			}
		}
		tx.wakeEndpoints(id)
		if c.WebhookURL != nil {
			return tx.setURL(id, *c.WebhookURL)
		}
		return nil
	})
}

// setURL gives the company's endpoint a new address. What is open when the
// address goes is parked; a first address starts with new events.
func (tx *Tx) setURL(company parley.CompanyID, url string) error {
	var id parley.EndpointID
	var last int64
	err := tx.one(`SELECT e.id, l.seq FROM endpoint e JOIN company_log l ON l.company_id = e.company_id
		WHERE e.company_id = $1 AND e.main = 1`+tx.db.dialect.forUpdate(), []any{int64(company)}, &id, &last)
	if err != nil {
		return err
	}
	e, err := tx.endpointOf(company, id)
	if err != nil {
		return err
	}
	if e.URL != "" && url == "" {
		if err := tx.parkOpen(&e); err != nil {
			return err
		}
	}
	if e.URL == "" || url == "" {
		e.Cursor = last
		// A delivery that was under way may have blocked one since it was parked.
		if _, err := tx.Exec("DELETE FROM blocked_stream WHERE endpoint_id = $1", int64(id)); err != nil {
			return err
		}
	}
	if e.URL == "" && url != "" {
		e.CreatedAt = tx.now // it gets nothing that is older
	}
	_, err = tx.Exec("UPDATE endpoint SET url = $2, cursor = $3, created_at = $4 WHERE id = $1", int64(id), url, e.Cursor, millis(e.CreatedAt))
	return err
}

// parkOpen turns everything that an endpoint would have been sent, and has not
// taken, into dead letters.
func (tx *Tx) parkOpen(e *parley.Endpoint) error {
	args := []any{int64(e.ID), int64(e.Company), e.Cursor, millis(tx.now)}
	wanted := ""
	if n := len(e.Kinds); n > 0 {
		wanted = " AND v.kind IN (" + placeholders(len(args)+1, n) + ")"
		for _, k := range e.Kinds {
			args = append(args, string(k))
		}
	}
	_, err := tx.Exec(`INSERT INTO dead_letter (endpoint_id, seq, company_id, stream, kind, reason, attempts, parked_at, replay_at, replayed_at)
		SELECT CAST($1 AS BIGINT), v.seq, v.company_id, v.stream, v.kind, 'webhook_url was cleared', 0, CAST($4 AS BIGINT), 0, 0 FROM event v
		WHERE v.company_id = $2 AND (v.seq > $3 OR EXISTS (SELECT 1 FROM blocked_stream b
			WHERE b.endpoint_id = $1 AND b.stream = v.stream AND b.head <= v.seq))`+wanted+`
		AND (v.kind NOT IN (`+extensions+`) OR EXISTS (SELECT 1 FROM company c WHERE c.id = $2 AND c.extended_events = 1))
		ON CONFLICT (endpoint_id, seq) DO NOTHING`, args...)
	return err
}

// extensions are the kinds of event that only companies get that have asked for
// them, as parley.EventKind.Extension tells.
const extensions = "'conversation/blocked', 'conversation/unblocked', 'message/update', 'message/delete', 'message/reaction', " +
	"'attachment/ready', 'attachment/failed', 'group_conversation/update'"

const companyColumns = `c.id, c.user_id, c.name, c.phone, c.description, e.url, c.hidden, c.paywall, c.channels_per_provider,
	c.extended_events, c.created_at`

const companyTables = " FROM company c JOIN endpoint e ON e.company_id = c.id AND e.main = 1"

func scanCompany(scan scanFunc, c *parley.Company) error {
	var hidden, paywall, extended, created int64
	err := scan(&c.ID, &c.User, &c.Name, &c.Phone, &c.Description, &c.WebhookURL, &hidden, &paywall, &c.ChannelsPerProvider, &extended, &created)
	c.Hidden, c.Paywall, c.ExtendedEvents, c.CreatedAt = hidden != 0, paywall != 0, extended != 0, moment(created)
	return err
}

// Company returns a company. KindNotFound if there is none.
func (db *DB) Company(ctx context.Context, id parley.CompanyID) (parley.Company, error) {
	var c parley.Company
	found := false
	err := db.read(ctx, "SELECT "+companyColumns+companyTables+" WHERE c.id = $1", []any{int64(id)}, func(scan scanFunc) error {
		found = true
		return scanCompany(scan, &c)
	})
	if err == nil && !found {
		err = parley.Errorf(parley.KindNotFound, "Company not found")
	}
	return c, err
}

// Companies lists a user's companies by id.
func (db *DB) Companies(ctx context.Context, user parley.UserID, p Page) ([]parley.Company, error) {
	var list []parley.Company
	err := db.read(ctx, "SELECT "+companyColumns+companyTables+" WHERE c.user_id = $3"+p.where("c.id"), p.args(int64(user)), func(scan scanFunc) error {
		var c parley.Company
		err := scanCompany(scan, &c)
		list = append(list, c)
		return err
	})
	return list, err
}
