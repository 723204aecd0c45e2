package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// How long things are good.
const (
	CodeLife    = 5 * time.Minute
	AccessLife  = time.Hour
	RefreshLife = 30 * 24 * time.Hour
)

// limits are those of the codes of one user.
var limits = store.SignInLimits{Life: CodeLife, Guesses: 5, Codes: 3, Window: 10 * time.Minute}

// Limits of the service as a whole.
const (
	waiting = 256 // phones in the queue
	workers = 4   // so that a receiver that hangs does not hold up everybody
	guesses = 10  // a second, right or wrong
	spare   = 30  // guesses that may come at once
)

// rows is what the service needs of the store.
type rows interface {
	UserByPhone(ctx context.Context, phone string) (parley.User, error)
	AddSignInCode(ctx context.Context, user parley.UserID, code string, limits store.SignInLimits) error
	SignIn(ctx context.Context, phone, code string, limits store.SignInLimits, next store.SignInTokens) (parley.UserID, error)
	RefreshSignIn(ctx context.Context, hash []byte, next store.SignInTokens) (parley.UserID, error)
}

// Config says what a Service works with. Store and Send are required.
type Config struct {
	Store rows

	// Send makes one POST of a JSON body to an address that a user has chosen. It
	// blocks for a time that it bounds itself.
	Send func(ctx context.Context, url string, body []byte) error

	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now; for the limit of guesses
}

// A Service signs users in. It is safe for concurrent use.
type Service struct {
	cfg   Config
	queue chan string // phones
	pace  *rate.Limiter
}

// Tokens are what a sign-in ends with.
type Tokens struct {
	Access  parley.Secret // good for AccessLife
	Refresh parley.Secret // good for RefreshLife, once
}

// New returns a service, which sends codes while it is run.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{cfg: c, queue: make(chan string, waiting), pace: rate.NewLimiter(guesses, spare)}
}

var errFull = &parley.Error{Kind: parley.KindUnavailable, Message: "too many codes are being sent", RetryAfter: 5 * time.Second}

// Verify has a code sent to the user with that phone, if there is one. It does
// not block. KindUnavailable: too many are waiting.
func (s *Service) Verify(phone string) error {
	select {
	case s.queue <- phone:
		return nil
	default:
		return errFull
	}
}

// SignIn exchanges a code for tokens. KindUnauthorized: it is wrong, used, too
// old, or was guessed at too often. KindThrottled: too many guesses are made at
// present.
func (s *Service) SignIn(ctx context.Context, phone, code string) (Tokens, error) {
	if err := s.wait(); err != nil {
		return Tokens{}, err
	}
	t, hashes := newTokens()
	user, err := s.cfg.Store.SignIn(ctx, phone, code, limits, hashes)
	if err != nil {
		return Tokens{}, err
	}
	s.cfg.Log.Info("user signed in", "user_id", int64(user))
	return t, nil
}

// wait takes a guess from the allowance of all, or says how long to wait.
func (s *Service) wait() error {
	now := s.cfg.Now()
	r := s.pace.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	r.CancelAt(now)
	return &parley.Error{Kind: parley.KindThrottled, Message: "too many attempts to sign in", RetryAfter: delay}
}

// Refresh exchanges a refresh token for new tokens. KindUnauthorized: it is
// unknown, too old, or was used, in which case all that came from its sign-in is
// good no more.
func (s *Service) Refresh(ctx context.Context, token string) (Tokens, error) {
	t, hashes := newTokens()
	_, err := s.cfg.Store.RefreshSignIn(ctx, seal.HashToken(token), hashes)
	if err != nil {
		return Tokens{}, err
	}
	return t, nil
}

func newTokens() (Tokens, store.SignInTokens) {
	access, refresh := seal.NewToken(), seal.NewToken()
	return Tokens{Access: parley.Secret(access), Refresh: parley.Secret(refresh)}, store.SignInTokens{
		Access: seal.HashToken(access), Refresh: seal.HashToken(refresh), AccessLife: AccessLife, RefreshLife: RefreshLife,
	}
}

// Run sends codes until ctx ends, and returns nil once nothing is under way. What
// waits then is dropped: its users ask again.
func (s *Service) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case phone := <-s.queue:
					s.send(ctx, phone)
				}
			}
		})
	}
	running.Wait()
	return nil
}

// send makes a code for the user of a phone and sends it. Nothing of the two is
// logged.
func (s *Service) send(ctx context.Context, phone string) {
	begun := time.Now()
	user, err := s.deliver(ctx, phone)
	log := s.cfg.Log.With("user_id", int64(user), "took_ms", time.Since(begun).Milliseconds())
	switch {
	case err == nil:
		log.Info("sign-in code sent")
	case ctx.Err() != nil, user == 0 && parley.KindOf(err) == parley.KindNotFound:
		// Nobody's phone is nothing to tell: anybody may ask for any.
	case parley.KindOf(err) == parley.KindInternal, user == 0:
		log.Warn("sign-in code not made", "error", err)
	default:
		log.Info("sign-in code not sent", "kind", string(parley.KindOf(err)), "code", codeOf(err))
	}
}

// codeOf is what may be logged of why a code was not sent: the reason for people
// names the receiver's host.
func codeOf(err error) string {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return e.Code
	}
	return ""
}

func (s *Service) deliver(ctx context.Context, phone string) (parley.UserID, error) {
	user, err := s.cfg.Store.UserByPhone(ctx, phone)
	if err != nil {
		return 0, err
	}
	if user.WebhookURL == "" {
		return user.ID, &parley.Error{Kind: parley.KindUnsupported, Code: "no_webhook_url", Message: "the user has no webhook address"}
	}
	code, err := newCode()
	if err != nil {
		return user.ID, err
	}
	if err := s.cfg.Store.AddSignInCode(ctx, user.ID, code, limits); err != nil {
		return user.ID, err
	}
	return user.ID, s.cfg.Send(ctx, user.WebhookURL, body(phone, code))
}

// newCode returns six digits, each code as likely as any other.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return fmt.Sprintf("%06d", n.Int64()), nil
}

func body(phone, code string) []byte {
	o := jsonout.New(96)
	o.Text("type", "verification")
	o.Text("event", "code")
	o.Nested("data")
	o.Text("phone", phone)
	o.Text("code", code)
	o.Close()
	return o.End()
}
