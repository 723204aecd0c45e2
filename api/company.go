package api

import (
	"context"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type companyStore interface {
	Companies(ctx context.Context, user parley.UserID, p store.Page) ([]parley.Company, error)
	Company(ctx context.Context, id parley.CompanyID) (parley.Company, error)
	CreateCompany(ctx context.Context, user parley.UserID, c parley.CompanyChange) (parley.CompanyID, error)
	UpdateCompany(ctx context.Context, id parley.CompanyID, c parley.CompanyChange) error
}

func (s *Server) listCompanies(c *call) error {
	return show(c, list[parley.Company]{
		name: "companies", size: 160,
		rows: func(ctx context.Context, p store.Page) ([]parley.Company, error) {
			return s.store.Companies(ctx, c.user.ID, p)
		},
		id:    func(x *parley.Company) int64 { return int64(x.ID) },
		write: writeCompany,
	})
}

func (s *Server) showCompany(c *call) error {
	return c.ok(256, func(o *jsonout.Object) { writeCompany(o, &c.company) })
}

func (s *Server) createCompany(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	change := bindCompany(b, params.Required())
	if err := s.judge(c, b, change); err != nil {
		return err
	}
	return once(c, func(ctx context.Context) (parley.CompanyID, error) {
		return s.store.CreateCompany(ctx, c.user.ID, change)
	},
		func(id parley.CompanyID) []byte { return doneBody("created", int64(id)) })
}

func (s *Server) updateCompany(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	change := bindCompany(b, params.NotBlank())
	if !b.Any() {
		b.Fail("name", "or phone, description, webhook_url, hidden, extended_events is required")
	}
	if err := s.judge(c, b, change); err != nil {
		return err
	}
	if err := s.store.UpdateCompany(c.ctx, c.company.ID, change); err != nil {
		return err
	}
	return c.done("updated", int64(c.company.ID))
}

// bindCompany binds what a company is created and updated with. Blank texts
// clear, but for the name, which is under its rule.
func bindCompany(b *params.Binder, name params.Rule) parley.CompanyChange {
	return parley.CompanyChange{
		Name:           given(b.String("name", name, params.Trim(), params.Length(1, 255))),
		Phone:          clearable(b.String("phone")),
		Description:    clearable(b.String("description")),
		WebhookURL:     clearable(b.URL("webhook_url")),
		Hidden:         given(b.Bool("hidden")),
		ExtendedEvents: given(b.Bool("extended_events")),
	}
}

// given returns a parameter that has a value, else nil.
func given[T any](o params.Opt[T]) *T {
	if !o.Given() {
		return nil
	}
	return &o.Value
}

// clearable returns a text that was sent, blank or not, else nil.
func clearable(o params.Opt[string]) *string {
	if o.Cleared() {
		return new(string)
	}
	return given(o)
}

// judge reports the failures of the parameters, and if there are none, tests the
// webhook address. An address that was there before is tested again.
func (s *Server) judge(c *call, b *params.Binder, change parley.CompanyChange) error {
	if err := b.Err(); err != nil || change.WebhookURL == nil || *change.WebhookURL == "" {
		return err
	}
	return s.testAddress(c, "webhook_url", *change.WebhookURL)
}

// testAddress makes the test request to an address that was sent as field.
func (s *Server) testAddress(c *call, field, url string) error {
	err := s.test(c.ctx, url)
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil, parley.KindOf(err) == parley.KindInternal:
		return err
	}
	reason := strings.Replace(parley.Reason(err), "webhook_url", field, 1)
	if !strings.Contains(reason, field) {
		reason = field + " is invalid: " + reason
	}
	return &parley.Error{Kind: parley.KindInvalid, Message: reason, Err: err}
}

func writeCompany(o *jsonout.Object, x *parley.Company) {
	o.Int("external_id", int64(x.ID))
	o.Text("name", x.Name)
	o.TextOrNull("phone", deref(x.Phone))
	o.TextOrNull("description", deref(x.Description))
	o.TextOrNull("webhook_url", x.WebhookURL)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
