package store

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

// An Idempotency is a client's key for one request, and what was asked under it.
type Idempotency struct {
	User    parley.UserID
	Key     []byte // hash of method, path and key
	Request []byte // hash of the parameters
	Secret  bool   // the answer holds a secret, and is sealed
	Begun   bool   // BeginRequest was told of it
	// Answer renders the answer to be kept, in the transaction of the effect; it may
	// be called again for the same result. With nil the effect keeps nothing.
	Answer func(result any) Answer
}

// An Answer is an HTTP answer that is kept for repeats.
type Answer struct {
	Status  int
	Body    []byte
	Request []byte // hash of the parameters it answered; nil, when it is to be kept, is the key's
}

// A KeptError says that nothing was done, because the key was used before.
type KeptError struct {
	Saved   *Answer // the first answer
	Request []byte  // what was asked now
}

// Error says so.
func (*KeptError) Error() string { return "the request's key was used before" }

type keeping struct{}

// Keeping returns a context under which the first transaction of a single write
// keeps the answer to its result, all or nothing. If the key was used before, the
// write does nothing and fails with a *KeptError. Accept has a field of its own
// for it.
func Keeping(ctx context.Context, k *Idempotency) context.Context {
	if k == nil {
		return ctx
	}
	return context.WithValue(ctx, keeping{}, k)
}

// keepResult keeps the answer about a result if the context asks for it.
func (tx *Tx) keepResult(ctx context.Context, result any) error {
	k, _ := ctx.Value(keeping{}).(*Idempotency)
	if k == nil || k.Answer == nil {
		return nil
	}
	a := k.Answer(result)
	saved, err := tx.keepAnswer(k, a)
	if saved == nil || err != nil {
		return err
	}
	if a.Request == nil {
		a.Request = k.Request
	}
	return &KeptError{Saved: saved, Request: a.Request}
}

// keepAnswer keeps an answer, and ends the request's being under way. If there is
// one already it is returned instead.
func (tx *Tx) keepAnswer(k *Idempotency, a Answer) (*Answer, error) {
	if a.Request == nil {
		a.Request = k.Request
	}
	body, name, err := a.Body, "", error(nil)
	if k.Secret {
		name = hex.EncodeToString(k.Key)
		if body, err = tx.db.keys.Seal(a.Body, keptAnswer(k.User, name)); err != nil {
			return nil, err
		}
	}
	n, err := tx.Exec(`INSERT INTO idempotency (user_id, key, request, status, answer, created_at, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (user_id, key) DO NOTHING`, int64(k.User), k.Key, a.Request, a.Status, body, millis(tx.now), name)
	if err != nil {
		return nil, fmt.Errorf("keep answer: %w", err)
	}
	if n == 0 {
		return tx.db.savedAnswer(tx.ctx, tx.q, k.User, k.Key)
	}
	if !k.Begun {
		return nil, nil
	}
	return nil, tx.endRequest(k.User, k.Key)
}

// keptAnswer is where an answer with a secret in it is sealed for.
func keptAnswer(user parley.UserID, name string) seal.Location {
	return seal.Location{Table: "idempotency", Row: text(int64(user)) + "/" + name, Column: "answer"}
}

// SavedAnswer returns the answer kept under a user's key, nil if there is none.
func (db *DB) SavedAnswer(ctx context.Context, user parley.UserID, key []byte) (*Answer, error) {
	a, err := db.savedAnswer(ctx, db.backend.reader(), user, key)
	return a, classify(err)
}

func (db *DB) savedAnswer(ctx context.Context, q querier, user parley.UserID, key []byte) (*Answer, error) {
	a := &Answer{}
	var sealed string
	err := one(ctx, q, "SELECT request, status, answer, sealed FROM idempotency WHERE user_id = $1 AND key = $2",
		[]any{int64(user), key}, &a.Request, &a.Status, &a.Body, &sealed)
	switch {
	case noRow(err):
		return nil, nil
	case err != nil:
		return nil, err
	case sealed != "":
		a.Body, err = db.keys.Open(a.Body, keptAnswer(user, sealed))
	}
	return a, err
}

// KeepAnswer keeps an answer whose request has had no transaction to keep it in.
// It returns the one that was there before, if there was one.
func (db *DB) KeepAnswer(ctx context.Context, k *Idempotency, a Answer) (*Answer, error) {
	return txResult(ctx, db, 0, func(tx *Tx) (*Answer, error) { return tx.keepAnswer(k, a) })
}

// A Running is a request that has begun and whose answer is not known.
type Running struct {
	Request []byte // hash of its parameters
	Process string // who runs it, or did when it ended
}

// BeginRequest notes that a request whose effect is outside the database is about
// to run in the named process. If its answer is kept, or it runs already, nothing
// changes, and that is returned.
func (db *DB) BeginRequest(ctx context.Context, k *Idempotency, process string) (*Answer, *Running, error) {
	type found struct {
		saved   *Answer
		running *Running
	}
	got, err := txResult(ctx, db, 0, func(tx *Tx) (f found, err error) {
		if f.saved, err = db.savedAnswer(tx.ctx, tx.q, k.User, k.Key); err != nil || f.saved != nil {
			return f, err
		}
		n, err := tx.Exec(`INSERT INTO running_request (user_id, key, request, process, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id, key) DO NOTHING`, int64(k.User), k.Key, k.Request, process, millis(tx.now))
		if err != nil || n == 1 {
			return f, err
		}
		f.running = &Running{}
		return f, tx.one("SELECT request, process FROM running_request WHERE user_id = $1 AND key = $2", []any{int64(k.User), k.Key},
			&f.running.Request, &f.running.Process)
	})
	return got.saved, got.running, err
}

// ForgetRequest notes that a request ended without an answer worth keeping.
func (db *DB) ForgetRequest(ctx context.Context, user parley.UserID, key []byte) error {
	return db.Tx(ctx, 0, func(tx *Tx) error { return tx.endRequest(user, key) })
}

func (tx *Tx) endRequest(user parley.UserID, key []byte) error {
	_, err := tx.Exec("DELETE FROM running_request WHERE user_id = $1 AND key = $2", int64(user), key)
	return err
}
