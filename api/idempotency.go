package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type keyStore interface {
	SavedAnswer(ctx context.Context, user parley.UserID, key []byte) (*store.Answer, error)
	KeepAnswer(ctx context.Context, k *store.Idempotency, a store.Answer) (*store.Answer, error)
	BeginRequest(ctx context.Context, k *store.Idempotency, process string) (*store.Answer, *store.Running, error)
	ForgetRequest(ctx context.Context, user parley.UserID, key []byte) error
}

const (
	keyHeader    = "Idempotency-Key"
	replayHeader = "Idempotent-Replay"
	maxKey       = 255 // in code points
)

var (
	errOtherRequest = &parley.Error{Kind: parley.KindConflict, Code: params.CodeInvalid, Message: keyHeader + " is invalid: it was used with other parameters"}
	errUnderWay     = &httpError{http.StatusConflict, "conflict", "the first request under this " + keyHeader + " has not ended yet", time.Second}
	errOutcome      = &httpError{http.StatusConflict, "conflict", "outcome unknown: the first request under this " + keyHeader +
		" was interrupted; look whether it had its effect, and use a new key if it had not", 0}
)

// perform has the endpoint handle the call: under the client's key, if the call is
// a POST that has one.
func (s *Server) perform(c *call) error {
	text := c.r.Header.Get(keyHeader)
	if text == "" || c.endpoint.method != http.MethodPost {
		return c.endpoint.handle(c)
	}
	if utf8.RuneCountInString(text) > maxKey {
		return parley.Errorf(parley.KindInvalid, keyHeader+" is too long (maximum is 255 characters)")
	}
	c.key = &store.Idempotency{User: c.user.ID, Key: c.keyHash(text), Secret: c.endpoint.secret}
	if c.uploads() {
		return s.settle(c, c.endpoint.handle(c)) // what is asked is known once the file was read
	}
	set, err := c.parameters()
	if err != nil {
		return err
	}
	c.key.Request = hash(set.Canonical())
	if done, err := s.begin(c); done || err != nil {
		return err
	}
	defer s.leave(c)
	return s.settle(c, c.endpoint.handle(c))
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

// begin answers a repeat, and reports true if it did. A first request with an
// effect outside the database is noted as being under way: nobody could tell after
// a crash whether it had that effect.
func (s *Server) begin(c *call) (bool, error) {
	k := c.key
	if !c.endpoint.outside {
		saved, err := s.store.SavedAnswer(c.ctx, k.User, k.Key)
		if saved == nil || err != nil {
			return false, err
		}
		return true, c.replay(saved, k.Request)
	}
	saved, running, err := s.store.BeginRequest(c.ctx, k, s.process)
	switch {
	case err != nil:
		return false, err
	case saved != nil:
		return true, c.replay(saved, k.Request)
	case running == nil:
		k.Begun = true
		c.begun = runningKey(k)
		s.running.Store(c.begun, true)
		return false, nil
	case !bytes.Equal(running.Request, k.Request):
		return false, errOtherRequest
	case running.Process == s.process && s.runs(k):
		return false, errUnderWay
	}
	return false, errOutcome
}

func runningKey(k *store.Idempotency) string {
	return string(k.Key) + " " + strconv.FormatInt(int64(k.User), 10)
}

// runs reports whether a request is under way in this process.
func (s *Server) runs(k *store.Idempotency) bool {
	_, ok := s.running.Load(runningKey(k))
	return ok
}

// leave ends what begin began. If neither an answer was kept nor the request
// forgotten, after a panic say, its outcome is unknown from now on.
func (s *Server) leave(c *call) {
	if c.begun != "" {
		s.running.Delete(c.begun)
	}
}

// settle keeps the answer of a call under its key, if its effect has not kept it
// already, and writes it. An answer that says to come again is not kept.
func (s *Server) settle(c *call, err error) error {
	if c.key == nil {
		return err // the call was a repeat
	}
	if kept, ok := errors.AsType[*store.KeptError](err); ok {
		return c.replay(kept.Saved, kept.Request)
	}
	if err == nil && c.kept {
		c.release()
		return nil
	}
	a := store.Answer{Status: c.held.status, Body: c.held.body}
	if err != nil {
		f := failureOf(err)
		a = store.Answer{Status: f.status, Body: f.body()}
	}
	if c.key.Request == nil || a.Status == 0 || a.Status == http.StatusConflict || a.Status == http.StatusTooManyRequests || a.Status >= http.StatusInternalServerError {
		s.forget(c)
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), keepTime)
	defer cancel()
	saved, failed := s.store.KeepAnswer(ctx, c.key, a)
	switch {
	case failed != nil:
		return failed
	case saved != nil:
		return c.replay(saved, c.key.Request)
	case err == nil:
		c.release()
	}
	return err
}

// forget ends a request's being under way. The client may be gone.
func (s *Server) forget(c *call) {
	if !c.key.Begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), keepTime)
	defer cancel()
	if err := s.store.ForgetRequest(ctx, c.key.User, c.key.Key); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "request stays under way", slog.String("route", c.pattern()), slog.String("kind", string(parley.KindOf(err))))
	}
}

// keepTime bounds what is written once the effect is there, even if the client
// has gone.
const keepTime = 5 * time.Second

// replay gives the first answer again, provided that the question is the same.
func (c *call) replay(a *store.Answer, request []byte) error {
	if !bytes.Equal(request, a.Request) {
		return errOtherRequest
	}
	c.key = nil // the answer is nobody's to keep
	c.w.Header().Set(replayHeader, "true")
	c.send(a.Status, a.Body)
	return nil
}

// once has the effect of a POST, which is at most one transaction of the store,
// and answers with what body makes of the result. Under a key the answer is kept in
// that transaction, so body must say the same whenever it is called.
func once[T any](c *call, effect func(context.Context) (T, error), body func(T) []byte) error {
	c.keeps(func(result any) []byte { return body(result.(T)) })
	result, err := effect(store.Keeping(c.ctx, c.key))
	if err != nil {
		return err
	}
	c.kept = c.key != nil
	c.send(http.StatusOK, body(result))
	return nil
}

// keeps says what the answer to the result of the effect will be.
func (c *call) keeps(body func(result any) []byte) {
	if c.key != nil {
		c.key.Answer = func(result any) store.Answer { return store.Answer{Status: http.StatusOK, Body: body(result)} }
	}
}
