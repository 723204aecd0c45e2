package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/parley-im/parley"
)

// SignInLimits say how long a code is good, and how often it can be asked for and
// guessed at.
type SignInLimits struct {
	Life    time.Duration // of a code
	Guesses int           // wrong ones, after which a code is good no more
	Codes   int           // that one user may have within Window
	Window  time.Duration
}

// SignInTokens are the hashes of the two tokens that a sign-in ends with, and how
// long they are good.
type SignInTokens struct {
	Access, Refresh         []byte // SHA-256
	AccessLife, RefreshLife time.Duration
}

// nobodysCode is the row at which guesses are counted that are at no user's code.
const nobodysCode = 0

const (
	tokenAccess  = "access"
	tokenRefresh = "refresh"
)

// UserByPhone returns the user who signs in with a phone. KindNotFound if nobody
// does.
func (db *DB) UserByPhone(ctx context.Context, phone string) (parley.User, error) {
	u, err := db.userWhere(ctx, "user_account u", "u.phone = $1 AND u.phone <> '' ORDER BY u.id LIMIT 1", phone)
	if noRow(err) {
		return u, parley.Errorf(parley.KindNotFound, "User not found")
	}
	return u, classify(err)
}

// AddSignInCode stores a user's new code, salted and hashed, which ends the one
// before. KindThrottled: there were as many as there may be, and nothing changed.
func (db *DB) AddSignInCode(ctx context.Context, user parley.UserID, code string, limits SignInLimits) error {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return db.Tx(ctx, 0, func(tx *Tx) error {
		// The user's row is held, so that two nodes do not count past each other.
		var id int64
		if err := tx.one("SELECT id FROM user_account WHERE id = $1"+db.dialect.forUpdate(), []any{int64(user)}, &id); err != nil {
			return err
		}
		var recent, last int64
		err := tx.one("SELECT COUNT(*), COALESCE(MAX(created_at), 0) FROM sign_in_code WHERE user_id = $1 AND created_at > $2",
			[]any{int64(user), millis(tx.now.Add(-limits.Window))}, &recent, &last)
		if err != nil {
			return err
		}
		if recent >= int64(limits.Codes) {
			return &parley.Error{Kind: parley.KindThrottled, Code: "too_many_codes", Message: "too many codes"}
		}
		at := max(millis(tx.now), last+1) // the newest is the one that counts
		_, err = tx.Exec("INSERT INTO sign_in_code (id, user_id, hash, salt, attempts, created_at, expires_at) VALUES ($1, $2, $3, $4, 0, $5, $6)",
			tx.ids.take(), int64(user), codeHash(salt, code), salt, at, millis(tx.now.Add(limits.Life)))
		return err
	})
}

func codeHash(salt []byte, code string) []byte {
	sum := sha256.Sum256(append(salt[:len(salt):len(salt)], code...))
	return sum[:]
}

// SignIn stores new tokens for the user of a phone, if the code is the newest
// that was sent there, is still good, and was not guessed at too often; it is
// used up by that. KindUnauthorized otherwise, which costs the same whether there
// is such a user or not.
func (db *DB) SignIn(ctx context.Context, phone, code string, limits SignInLimits, next SignInTokens) (parley.UserID, error) {
	user, err := txResult(ctx, db, 0, func(tx *Tx) (parley.UserID, error) {
		user, id, err := tx.guess(phone, code, limits)
		if err != nil {
			return 0, err
		}
		if user == 0 {
			_, err = tx.Exec("UPDATE sign_in_code SET attempts = attempts + 1 WHERE id = $1", id)
			return 0, err
		}
		if _, err = tx.Exec("UPDATE sign_in_code SET expires_at = $2 WHERE id = $1", id, millis(tx.now)); err != nil {
			return 0, err
		}
		return user, tx.addTokens(user, tx.ids.take(), next)
	})
	if err == nil && user == 0 {
		err = parley.Errorf(parley.KindUnauthorized, "Invalid phone or code")
	}
	return user, err
}

// guess compares a code with the newest of the phone's user. It returns the
// user, 0 if it is wrong, and the row at which a wrong guess counts.
func (tx *Tx) guess(phone, code string, limits SignInLimits) (user parley.UserID, id int64, err error) {
	var attempts, expires int64
	salt, hash := make([]byte, 16), []byte{}
	err = tx.one(`SELECT id, user_id, salt, hash, attempts, expires_at FROM sign_in_code
		WHERE user_id = (SELECT MIN(id) FROM user_account WHERE phone = $1 AND phone <> '')
		ORDER BY created_at DESC LIMIT 1`+tx.db.dialect.forUpdate(), []any{phone}, &id, &user, &salt, &hash, &attempts, &expires)
	if err != nil && !noRow(err) {
		return 0, 0, err
	}
	if noRow(err) {
		id = nobodysCode
	}
	same := subtle.ConstantTimeCompare(hash, codeHash(salt, code)) == 1
	if !same || attempts >= int64(limits.Guesses) || expires <= millis(tx.now) {
		user = 0
	}
	return user, id, nil
}

func (tx *Tx) addTokens(user parley.UserID, family int64, t SignInTokens) error {
	for _, row := range []struct {
		kind string
		hash []byte
		life time.Duration
	}{{tokenAccess, t.Access, t.AccessLife}, {tokenRefresh, t.Refresh, t.RefreshLife}} {
		_, err := tx.Exec("INSERT INTO sign_in_token (hash, user_id, family, kind, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0)",
			row.hash, int64(user), family, row.kind, millis(tx.now), millis(tx.now.Add(row.life)))
		if err != nil {
			return err
		}
	}
	return nil
}

// UserByAccessToken returns whose access token has that hash. KindUnauthorized if
// nobody's, or if it is good no more.
func (db *DB) UserByAccessToken(ctx context.Context, hash []byte) (parley.User, error) {
	u, err := db.userWhere(ctx, "sign_in_token t JOIN user_account u ON u.id = t.user_id",
		"t.hash = $1 AND t.kind = '"+tokenAccess+"' AND t.expires_at > $2", hash, millis(db.now()))
	if noRow(err) {
		return u, errToken
	}
	return u, classify(err)
}

var errRefresh = parley.Errorf(parley.KindUnauthorized, "Invalid refresh token")

// RefreshSignIn stores new tokens in place of a refresh token, given as its hash,
// and returns whose they are. KindUnauthorized if it is unknown or good no more.
// One that was used before is refused too, and with it goes everything that came
// from the same sign-in: somebody has a copy.
func (db *DB) RefreshSignIn(ctx context.Context, hash []byte, next SignInTokens) (parley.UserID, error) {
	var known int64
	err := one(ctx, db.backend.reader(), "SELECT COUNT(*) FROM sign_in_token WHERE hash = $1 AND kind = '"+tokenRefresh+"'", []any{hash}, &known)
	if err != nil {
		return 0, classify(err)
	}
	if known == 0 {
		return 0, errRefresh // what is made up costs no transaction
	}
	user, err := txResult(ctx, db, 0, func(tx *Tx) (parley.UserID, error) { return tx.refresh(hash, next) })
	if err == nil && user == 0 {
		err = errRefresh
	}
	return user, err
}

// refresh returns the user, or 0 if the token is refused.
func (tx *Tx) refresh(hash []byte, next SignInTokens) (parley.UserID, error) {
	var user parley.UserID
	var family, expires, used int64
	err := tx.one("SELECT user_id, family, expires_at, used_at FROM sign_in_token WHERE hash = $1 AND kind = '"+tokenRefresh+"'"+
		tx.db.dialect.forUpdate(), []any{hash}, &user, &family, &expires, &used)
	switch {
	case noRow(err):
		return 0, nil
	case err != nil:
		return 0, err
	case expires <= millis(tx.now):
		return 0, nil
	case used != 0:
		_, err = tx.Exec("DELETE FROM sign_in_token WHERE family = $1", family)
		return 0, err
	}
	if _, err = tx.Exec("UPDATE sign_in_token SET used_at = $2 WHERE hash = $1", hash, millis(tx.now)); err != nil {
		return 0, err
	}
	return user, tx.addTokens(user, family, next)
}
