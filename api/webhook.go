package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
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
	c.send(http.StatusOK, secretBody(e.Secret))
	return nil
}

func (s *Server) rotateSecret(c *call) error {
	return once(c, func(ctx context.Context) (parley.Secret, error) {
		return s.store.RotateEndpointSecret(ctx, c.company.ID)
	}, secretBody)
}

// secretBody tells the company what its webhooks are signed with.
func secretBody(secret parley.Secret) []byte {
	return okBody(64, func(o *jsonout.Object) { o.Text("secret", secret.Reveal()) })
}

func (s *Server) listLetters(c *call) error {
	return show(c, list[parley.DeadLetter]{
		name: "dead_letters", parent: int64(c.company.ID), size: 320,
		rows: func(ctx context.Context, p store.Page) ([]parley.DeadLetter, error) {
			return s.store.DeadLetters(ctx, c.company.ID, p)
		},
		id:    func(x *parley.DeadLetter) int64 { return x.Seq },
		then:  func(x *parley.DeadLetter) int64 { return int64(x.Endpoint) },
		write: writeLetter,
	})
}

func writeLetter(o *jsonout.Object, x *parley.DeadLetter) {
	kind, event, _ := strings.Cut(string(x.Kind), "/")
	o.Int("event_id", x.Seq)
	o.Int("endpoint_id", int64(x.Endpoint))
	o.Text("type", kind)
	o.TextOrNull("event", event)
	o.Text("reason", x.Reason)
	o.Int("attempts", int64(x.Attempts))
	o.Iso("parked_at", x.ParkedAt)
	o.Int("parked_at_timestamp", x.ParkedAt.Unix())
	o.IsoOrNull("replay_requested_at", x.ReplayAt)
	o.IsoOrNull("replayed_at", x.ReplayedAt)
}

// replayLetters asks for dead letters to be delivered again: those named, or all
// that were not yet; of one endpoint, if it is named.
func (s *Server) replayLetters(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	seqs := b.Ints("event_ids", params.Min(1))
	endpoint := parley.EndpointID(b.Int("endpoint_id", params.Min(1)).Value)
	if err := b.Err(); err != nil {
		return err
	}
	if endpoint != 0 {
		if _, err := s.store.EndpointOf(c.ctx, c.company.ID, endpoint); err != nil {
			return err
		}
	}
	return once(c, func(ctx context.Context) (int64, error) {
		return s.store.Replay(ctx, c.company.ID, endpoint, seqs.Value)
	},
		func(n int64) []byte { return okBody(32, func(o *jsonout.Object) { o.Int("replayed", n) }) })
}
