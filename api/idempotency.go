package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"unicode/utf8"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type keyStore interface {
	SavedAnswer(ctx context.Context, user parley.UserID, key []byte) (*store.Answer, error)
}

const (
	keyHeader    = "Idempotency-Key"
	replayHeader = "Idempotent-Replay"
	maxKey       = 255 // in code points
)

// A requestKey is a client's name for one request, so that it can be repeated.
type requestKey struct {
	user    parley.UserID
	key     []byte // SHA-256 of method, path and the client's key
	request []byte // SHA-256 of the parameters
}

// repeated returns the request's key, nil if it has none, and the answer that was
// given under it before, nil if there was none. A handler whose effect is one
// transaction calls it first, hands key.keeping to that transaction, and answers
// with replay if it turns out that another got ahead of it.
func (s *Server) repeated(c *call) (*requestKey, *store.Answer, error) {
	key, err := c.requestKey()
	if err != nil || key == nil {
		return nil, nil, err
	}
	saved, err := s.store.SavedAnswer(c.ctx, key.user, key.key)
	return key, saved, err
}

func (c *call) requestKey() (*requestKey, error) {
	text := c.r.Header.Get(keyHeader)
	if text == "" {
		return nil, nil
	}
	if utf8.RuneCountInString(text) > maxKey {
		return nil, parley.Errorf(parley.KindInvalid, keyHeader+" is too long (maximum is 255 characters)")
	}
	set, err := c.parameters()
	if err != nil {
		return nil, err
	}
	return &requestKey{user: c.user.ID, key: c.keyHash(text), request: hash(set.Canonical())}, nil
}

// keyHash names the request under the user: the same path in another spelling is
// the same path.
func (c *call) keyHash(text string) []byte {
	b := append([]byte(c.endpoint.method+" "+c.endpoint.pattern), 0)
	for _, id := range c.ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return hash(append(b, text...))
}

func hash(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// keeping is what the store keeps under the key: the answer about the job as it
// was accepted. It is nil for a nil key.
func (k *requestKey) keeping(render func(parley.Job) []byte) *store.Idempotency {
	if k == nil {
		return nil
	}
	return &store.Idempotency{User: k.user, Key: k.key, Request: k.request, Answer: func(j parley.Job) store.Answer {
		return store.Answer{Status: http.StatusOK, Body: render(j)}
	}}
}

// replay gives the first answer again, provided that the question is the same.
func (c *call) replay(k *requestKey, a *store.Answer) error {
	if !bytes.Equal(k.request, a.Request) {
		return &parley.Error{Kind: parley.KindConflict, Code: params.CodeInvalid, Message: keyHeader + " is invalid: it was used with other parameters"}
	}
	c.w.Header().Set(replayHeader, "true")
	c.send(a.Status, a.Body)
	return nil
}

// once has the effect of a POST, which is at most one transaction of the store,
// and answers with what body makes of the result. Body must say the same whenever
// it is called.
func once[T any](c *call, effect func(context.Context) (T, error), body func(T) []byte) error {
	result, err := effect(c.ctx)
	if err != nil {
		return err
	}
	c.send(http.StatusOK, body(result))
	return nil
}
