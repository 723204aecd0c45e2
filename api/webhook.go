package api

import (
	"context"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type webhookStore interface {
	MainEndpoint(ctx context.Context, company parley.CompanyID) (parley.Endpoint, error)
	RotateEndpointSecret(ctx context.Context, company parley.CompanyID) (parley.Secret, error)
	DeadLetters(ctx context.Context, company parley.CompanyID, p store.Page) ([]parley.DeadLetter, error)
	Replay(ctx context.Context, company parley.CompanyID, endpoint parley.EndpointID, seqs []int64) (int64, error)
}

func (s *Server) showSecret(c *call) error {
	e, err := s.store.MainEndpoint(c.ctx, c.company.ID)
	if err != nil {
		return err
	}
	return c.secret(e.Secret)
}

func (s *Server) rotateSecret(c *call) error {
	secret, err := s.store.RotateEndpointSecret(c.ctx, c.company.ID)
	if err != nil {
		return err
	}
	return c.secret(secret)
}

// secret tells the company what its webhooks are signed with.
func (c *call) secret(secret parley.Secret) error {
	return c.ok(64, func(o *object) { o.text("secret", secret.Reveal()) })
}

func (s *Server) listLetters(c *call) error {
	return show(c, list[parley.DeadLetter]{
		name: "dead_letters", parent: int64(c.company.ID), size: 320,
		rows: func(ctx context.Context, p store.Page) ([]parley.DeadLetter, error) {
			return s.store.DeadLetters(ctx, c.company.ID, p)
		},
		id:    func(x *parley.DeadLetter) int64 { return x.Seq },
		write: writeLetter,
	})
}

func writeLetter(o *object, x *parley.DeadLetter) {
	kind, event, _ := strings.Cut(string(x.Kind), "/")
	o.int("event_id", x.Seq)
	o.int("endpoint_id", int64(x.Endpoint))
	o.text("type", kind)
	o.textOrNull("event", event)
	o.text("reason", x.Reason)
	o.int("attempts", int64(x.Attempts))
	o.iso("parked_at", x.ParkedAt)
	o.int("parked_at_timestamp", x.ParkedAt.Unix())
	o.isoOrNull("replay_requested_at", x.ReplayAt)
	o.isoOrNull("replayed_at", x.ReplayedAt)
}

// replayLetters asks for dead letters to be delivered again: those named, or all
// that were not yet.
func (s *Server) replayLetters(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	seqs := b.Ints("event_ids", params.Min(1))
	if err := b.Err(); err != nil {
		return err
	}
	n, err := s.store.Replay(c.ctx, c.company.ID, 0, seqs.Value)
	if err != nil {
		return err
	}
	return c.ok(32, func(o *object) { o.int("replayed", n) })
}
