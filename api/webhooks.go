package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type endpointStore interface {
	Endpoints(ctx context.Context, company parley.CompanyID, p store.Page) ([]parley.Endpoint, error)
	EndpointOf(ctx context.Context, company parley.CompanyID, id parley.EndpointID) (parley.Endpoint, error)
	CreateEndpoint(ctx context.Context, company parley.CompanyID, url string, kinds []parley.EventKind) (parley.Endpoint, error)
	UpdateEndpoint(ctx context.Context, company parley.CompanyID, id parley.EndpointID, c store.EndpointChange) (parley.Endpoint, error)
	DeleteEndpoint(ctx context.Context, company parley.CompanyID, id parley.EndpointID) error
	RotateSecretOf(ctx context.Context, company parley.CompanyID, id parley.EndpointID) (parley.Secret, error)
}

// webhookSize is about what a webhook takes as JSON, in bytes.
const webhookSize = 320

func (s *Server) listWebhooks(c *call) error {
	return show(c, list[parley.Endpoint]{
		name: "webhooks", parent: int64(c.company.ID), size: webhookSize,
		rows: func(ctx context.Context, p store.Page) ([]parley.Endpoint, error) {
			return s.store.Endpoints(ctx, c.company.ID, p)
		},
		id:    func(x *parley.Endpoint) int64 { return int64(x.ID) },
		write: writeWebhook,
	})
}

// webhookID is the id in the path.
func (c *call) webhookID() parley.EndpointID { return parley.EndpointID(c.ids[idEndpoint]) }

func (s *Server) showWebhook(c *call) error {
	e, err := s.store.EndpointOf(c.ctx, c.company.ID, c.webhookID())
	if err != nil {
		return err
	}
	c.send(http.StatusOK, webhookBody("ok", &e))
	return nil
}

func (s *Server) createWebhook(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	url := b.URL("url", params.Required()).Value
	kinds := bindWanted(c, b)
	if err := b.Err(); err != nil {
		return err
	}
	if err := s.testAddress(c, "url", url); err != nil {
		return err
	}
	return once(c, func(ctx context.Context) (parley.Endpoint, error) {
		return s.store.CreateEndpoint(ctx, c.company.ID, url, kinds.Value)
	}, func(e parley.Endpoint) []byte { return webhookBody("created", &e) })
}

func (s *Server) updateWebhook(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	change, err := bindWebhook(c, b)
	if err != nil {
		return err
	}
	if change.URL != nil {
		if err := s.changeableURL(c); err != nil {
			return err
		}
		if err := s.testAddress(c, "url", *change.URL); err != nil {
			return err
		}
	}
	e, err := s.store.UpdateEndpoint(c.ctx, c.company.ID, c.webhookID(), change)
	if err != nil {
		return err
	}
	c.send(http.StatusOK, webhookBody("updated", &e))
	return nil
}

// bindWebhook binds what a webhook is updated with. An address cannot be cleared.
func bindWebhook(c *call, b *params.Binder) (change store.EndpointChange, err error) {
	url := b.URL("url")
	if url.Cleared() {
		b.Fail("url", "is invalid: delete the webhook instead")
	}
	change.URL = given(url)
	if kinds := bindWanted(c, b); kinds.Sent() {
		change.Kinds = &kinds.Value
	}
	if !b.Any() {
		b.Fail("url", "or event_types is required")
	}
	return change, b.Err()
}

// changeableURL refuses to test an address that the store would not take.
func (s *Server) changeableURL(c *call) error {
	e, err := s.store.EndpointOf(c.ctx, c.company.ID, c.webhookID())
	if err == nil && e.Main {
		err = parley.Errorf(parley.KindInvalid, "url cannot be changed here: it is the webhook_url of the company")
	}
	return err
}

func (s *Server) deleteWebhook(c *call) error {
	if err := s.store.DeleteEndpoint(c.ctx, c.company.ID, c.webhookID()); err != nil {
		return err
	}
	return c.done("deleted", 0)
}

func (s *Server) showWebhookSecret(c *call) error {
	e, err := s.store.EndpointOf(c.ctx, c.company.ID, c.webhookID())
	if err != nil {
		return err
	}
	c.send(http.StatusOK, secretBody(e.Secret))
	return nil
}

func (s *Server) rotateWebhookSecret(c *call) error {
	return once(c, func(ctx context.Context) (parley.Secret, error) {
		return s.store.RotateSecretOf(ctx, c.company.ID, c.webhookID())
	}, secretBody)
}

// bindWanted binds the kinds of event that a webhook gets; none are all of them.
func bindWanted(c *call, b *params.Binder) params.Opt[[]parley.EventKind] {
	kinds := bindKinds(b)
	for _, k := range kinds.Value {
		if k.Extension() && !c.company.ExtendedEvents {
			b.Fail(kindsField, fmt.Sprintf("is invalid: %s is an extension, which the company gets only with extended_events", k))
		}
	}
	return kinds
}

const kindsField = "event_types"

// bindKinds binds kinds of event, each once and in the order of parley.EventKinds.
func bindKinds(b *params.Binder) params.Opt[[]parley.EventKind] {
	names := b.Strings(kindsField, params.Trim(), params.Length(0, 64))
	wanted := map[parley.EventKind]bool{}
	known := parley.EventKinds()
	for _, name := range names.Value {
		kind := parley.EventKind(strings.ToLower(name))
		if !slices.Contains(known, kind) {
			b.Fail(kindsField, fmt.Sprintf("is invalid: there is no event type %q", name))
		}
		wanted[kind] = true
	}
	out := params.Opt[[]parley.EventKind]{State: names.State}
	for _, kind := range known {
		if wanted[kind] {
			out.Value = append(out.Value, kind)
		}
	}
	return out
}

// webhookBody is the whole answer about a webhook.
func webhookBody(status string, e *parley.Endpoint) []byte {
	o := jsonout.New(webhookSize)
	o.Text("status", status)
	o.Nested("data")
	writeWebhook(o, e)
	o.Close()
	return o.End()
}

func writeWebhook(o *jsonout.Object, e *parley.Endpoint) {
	o.Int("id", int64(e.ID))
	o.TextOrNull("url", e.URL)
	o.Key("event_types")
	o.Array(len(e.Kinds), func(i int) { o.Value(string(e.Kinds[i])) })
	o.Bool("main", e.Main)
	o.Iso("created_at", e.CreatedAt)
	o.Int("created_at_timestamp", e.CreatedAt.Unix())
}
