package api

import (
	"context"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/signin"
)

// A signInService signs users in by phone.
type signInService interface {
	Verify(phone string) error
	SignIn(ctx context.Context, phone, code string) (signin.Tokens, error)
	Refresh(ctx context.Context, token string) (signin.Tokens, error)
}

// The headers of the sign-in.
const (
	accessHeader       = "X-Api-Token"         // of any call below /p1
	refreshHeader      = "X-Api-Refresh-Token" // of a refresh
	accessGivenHeader  = "Authentication-Token"
	refreshGivenHeader = "Refresh-Token"
)

// accountEndpoints is the table of what is below /api: calls that nobody needs a
// token for, because they lead to one. An Idempotency-Key means nothing here: there
// is no user yet under whom it could be kept.
func (s *Server) accountEndpoints() []endpoint {
	return []endpoint{
		route("POST", "verification", nil, s.verify),
		route("POST", "sign_in", nil, s.signIn),
		route("POST", "refresh_token", nil, s.refreshToken),
	}
}

// handleAccount makes the checks that need no user, and calls the endpoint.
func (s *Server) handleAccount(c *call) error {
	for _, check := range [...]func(*call) error{s.route, accept} {
		if err := check(c); err != nil {
			return err
		}
	}
	if s.signing == nil {
		return errNoSignIn
	}
	return c.endpoint.handle(c)
}

var errNoSignIn = parley.Errorf(parley.KindUnsupported, "this installation has no sign-in")

// verify has a code sent. The answer is the same for every phone.
func (s *Server) verify(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	phone := b.Phone("phone", params.Required())
	b.String("locale", params.Length(0, 255))
	b.String("source", params.Length(0, 255))
	if err := b.Err(); err != nil {
		return err
	}
	if err := s.signing.Verify(phone.Value); err != nil {
		return err
	}
	return c.done("ok", 0)
}

func (s *Server) signIn(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	phone := b.Phone("phone", params.Required())
	code := b.String("code", params.Required(), params.Trim(), params.Length(1, 255))
	if err := b.Err(); err != nil {
		return err
	}
	tokens, err := s.signing.SignIn(c.ctx, phone.Value, code.Value)
	return c.tokens(tokens, err)
}

var errNoRefresh = parley.Errorf(parley.KindUnauthorized, "No refresh token provided")

func (s *Server) refreshToken(c *call) error {
	token := strings.TrimSpace(c.r.Header.Get(refreshHeader))
	if token == "" {
		return errNoRefresh
	}
	tokens, err := s.signing.Refresh(c.ctx, token)
	return c.tokens(tokens, err)
}

// tokens hands out what a sign-in or a refresh has made.
func (c *call) tokens(t signin.Tokens, err error) error {
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set(accessGivenHeader, t.Access.Reveal())
	h.Set(refreshGivenHeader, t.Refresh.Reveal())
	return c.done("ok", 0)
}

// userBy finds whose request it is: by the API token, and if there is none, by the
// access token of a sign-in.
func (s *Server) userBy(c *call, token string) error {
	var err error
	if token != "" {
		c.token = seal.HashToken(token)
		c.user, err = s.store.UserByToken(c.ctx, c.token)
		return err
	}
	token = strings.TrimSpace(c.r.Header.Get(accessHeader))
	if token == "" {
		return errNoToken
	}
	c.user, err = s.store.UserByAccessToken(c.ctx, seal.HashToken(token))
	return err
}
