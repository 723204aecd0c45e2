package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// open opens the database for a command. It may be in use by a gateway.
func (p *place) open(ctx context.Context) (*store.DB, error) {
	options, err := p.options(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, options)
}

// with runs f on the database.
func (p *place) with(ctx context.Context, f func(db *store.DB) error) error {
	db, err := p.open(ctx)
	if err != nil {
		return err
	}
	err = f(db)
	if closing := db.Close(); err == nil {
		err = closing
	}
	return err
}

type tokenCommand struct {
	Create tokenCreate `cmd:"" help:"Print a new API token. A new user is created with one company of the same name."`
	List   tokenList   `cmd:"" help:"List tokens by their first characters."`
	Revoke tokenRevoke `cmd:"" help:"Make tokens invalid."`
}

type tokenCreate struct {
	place
	User string `required:"" help:"Whose token it is." placeholder:"NAME"`
}

// hintLength is how much of a token is kept readable: enough to tell tokens
// apart, far too little to guess the rest.
const hintLength = 12

// Run prints the token alone on a line; it can never be shown again.
func (c *tokenCreate) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		token, err := createToken(ctx, db, c.User)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out.out, token)
		return err
	})
}

func createToken(ctx context.Context, db *store.DB, name string) (string, error) {
	user, _, err := db.EnsureUser(ctx, name)
	if err != nil {
		return "", err
	}
	token := seal.NewToken()
	return token, db.AddToken(ctx, user, seal.HashToken(token), token[:hintLength])
}

type tokenList struct{ place }

// Run prints a table.
func (c *tokenList) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		list, err := db.Tokens(ctx)
		if err != nil {
			return err
		}
		return table(out.out, "TOKEN\tUSER\tCREATED\tREVOKED", func(row func(...any)) {
			for _, t := range list {
				row(t.Hint+"…", t.UserName, shown(t.CreatedAt), shown(t.RevokedAt))
			}
		})
	})
}

type tokenRevoke struct {
	place
	Token string `arg:"" help:"The token, or its first characters as list shows them."`
}

// Run says how many it has revoked; none is an error.
func (c *tokenRevoke) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		hint := c.Token
		if len(hint) > hintLength {
			hint = ""
		}
		n, err := db.RevokeTokens(ctx, hint, seal.HashToken(c.Token))
		if err == nil && n == 0 {
			err = parley.Errorf(parley.KindNotFound, "no valid token starts so; see parley token list")
		}
		if err == nil {
			_, err = fmt.Fprintf(out.out, "revoked %d\n", n)
		}
		return err
	})
}

type userCommand struct {
	Set userSet `cmd:"" help:"Change what an operator sets for a user."`
}

type userSet struct {
	place
	Name         string  `arg:"" help:"The user."`
	Partner      *bool   `help:"May read billing." negatable:""`
	Phone        *string `help:"For the v2 sign-in; empty for none."`
	WebhookURL   *string `name:"webhook-url" help:"For the codes of the v2 sign-in; empty for none." placeholder:"URL"`
	ChannelPrice *int64  `help:"What billing says a channel costs a month, in the smallest unit of money." placeholder:"N"`
}

// maxPrice keeps the sum over any number of channels within an integer.
const maxPrice = 1_000_000_000_000

// Run changes the fields given.
func (c *userSet) Run(ctx context.Context) error {
	change, err := c.change()
	if err != nil {
		return err
	}
	return c.with(ctx, func(db *store.DB) error { return db.SetUser(ctx, c.Name, change) })
}

// change judges the fields, and brings the phone into the form in which the API
// looks for it.
func (c *userSet) change() (parley.UserChange, error) {
	change := parley.UserChange{Partner: c.Partner, Phone: c.Phone, WebhookURL: c.WebhookURL, ChannelPrice: c.ChannelPrice}
	if c.Phone != nil && *c.Phone != "" {
		phone, ok := params.ParsePhone(*c.Phone)
		if !ok {
			return change, parley.Errorf(parley.KindInvalid, "--phone: want 10 to 15 digits, country code first")
		}
		change.Phone = &phone
	}
	if c.WebhookURL != nil && *c.WebhookURL != "" && !params.IsURL(*c.WebhookURL) {
		return change, parley.Errorf(parley.KindInvalid, "--webhook-url: want http:// or https:// and a host")
	}
	if c.ChannelPrice != nil && (*c.ChannelPrice < 0 || *c.ChannelPrice > maxPrice) {
		return change, parley.Errorf(parley.KindInvalid, fmt.Sprintf("--channel-price: want 0 to %d", maxPrice))
	}
	return change, nil
}

type companyCommand struct {
	Set companySet `cmd:"" help:"Change what an operator sets for a company."`
}

type companySet struct {
	place
	ID                  int64 `arg:"" help:"The company."`
	Paywall             *bool `help:"Answer 402 to every call below the company." negatable:""`
	ChannelsPerProvider *int  `help:"How many channels of one provider it may have." placeholder:"N"`
}

// Run changes the fields given.
func (c *companySet) Run(ctx context.Context) error {
	if c.ChannelsPerProvider != nil && *c.ChannelsPerProvider < 1 {
		return parley.Errorf(parley.KindInvalid, "--channels-per-provider: want at least 1")
	}
	return c.with(ctx, func(db *store.DB) error {
		return db.UpdateCompany(ctx, parley.CompanyID(c.ID), parley.CompanyChange{Paywall: c.Paywall, ChannelsPerProvider: c.ChannelsPerProvider})
	})
}

type deadlettersCommand struct {
	List   deadlettersList   `cmd:"" help:"List a company's dead letters."`
	Replay deadlettersReplay `cmd:"" help:"Try dead letters again."`
}

// listed is the most rows that a listing command prints.
const listed = 1000

type deadlettersList struct {
	place
	Company int64 `required:"" help:"The company." placeholder:"ID"`
}

// Run prints a table, the newest first.
func (c *deadlettersList) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		list, err := db.DeadLetters(ctx, parley.CompanyID(c.Company), store.Page{Desc: true, Limit: listed})
		if err != nil {
			return err
		}
		return table(out.out, "EVENT\tENDPOINT\tKIND\tATTEMPTS\tPARKED\tREPLAYED\tREASON", func(row func(...any)) {
			for _, l := range list {
				row(l.Seq, l.Endpoint, l.Kind, l.Attempts, shown(l.ParkedAt), shown(l.ReplayedAt), l.Reason)
			}
		})
	})
}

type deadlettersReplay struct {
	place
	Company  int64   `required:"" help:"The company." placeholder:"ID"`
	Endpoint int64   `help:"Only this endpoint's; without it those of all." placeholder:"ID"`
	Events   []int64 `arg:"" optional:"" help:"Numbers of events as list shows them; none is all that were not replayed."`
}

// Run says how many it has asked for. A running gateway delivers them.
func (c *deadlettersReplay) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		n, err := db.Replay(ctx, parley.CompanyID(c.Company), parley.EndpointID(c.Endpoint), c.Events)
		if err == nil {
			_, err = fmt.Fprintf(out.out, "replaying %d\n", n)
		}
		return err
	})
}

type quarantineCommand struct {
	List quarantineList `cmd:"" help:"List the quarantine."`
}

type quarantineList struct {
	place
	Company int64 `help:"Only this company's." placeholder:"ID"`
}

// Run prints a table, the newest first.
func (c *quarantineList) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		list, err := db.Quarantines(ctx, parley.CompanyID(c.Company), store.Page{Desc: true, Limit: listed})
		if err != nil {
			return err
		}
		return table(out.out, "ID\tTIME\tCOMPANY\tCHANNEL\tPROVIDER\tSOURCE\tBYTES\tREASON", func(row func(...any)) {
			for _, q := range list {
				row(q.ID, shown(q.At), q.Company, q.Channel, q.Provider, q.Source, q.Size, q.Reason)
			}
		})
	})
}

type migrateCommand struct{ place }

// Run opens the database, which migrates it.
func (c *migrateCommand) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(*store.DB) error {
		_, err := fmt.Fprintln(out.out, "the schema is up to date")
		return err
	})
}

// table prints rows under a header, in columns.
func table(w io.Writer, header string, rows func(row func(...any))) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, header)
	rows(func(cells ...any) {
		for n, cell := range cells {
			if n > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, cell)
		}
		fmt.Fprintln(t)
	})
	return t.Flush()
}

func shown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
