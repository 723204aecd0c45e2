package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestBilling is case 132: an ordinary user is refused, a partner is told what the
// channels of the month cost.
func TestBilling(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		n := newGateway(t, db, func(c *Config) { c.Now = func() time.Time { return now } }).tenant(t)
		other := n.gateway.tenant(t)
		other.channel(t, "X", "whatsapp")
		n.get(t, "/p1/billing").expect(t, "403 Forbidden")
		yes, price := true, int64(10000)
		n.setUser(t, parley.UserChange{Partner: &yes})
		n.get(t, "/p1/billing").expect(t, "ok")
		n.setUser(t, parley.UserChange{ChannelPrice: &price})
		ids := []float64{float64(n.channel(t, "WA", "whatsapp").ID), float64(n.channel(t, "VK", "vkontakte").ID)}
		n.do(t, request{line: "DELETE " + channelsPath + "/{VK}"}).expect(t, "deleted")
		got := n.get(t, "/p1/billing").expect(t, "ok")
		c, err := db.Company(t.Context(), n.company)
		if err != nil {
			t.Fatal(err)
		}
		line := func(n int, kind string) map[string]any {
			ch, err := db.Channel(t.Context(), parley.ChannelID(ids[n]))
			if err != nil {
				t.Fatal(err)
			}
			return map[string]any{
				"channel": map[string]any{"id": ids[n], "type": kind, "created": float64(ch.CreatedAt.Unix())},
				"company": map[string]any{"id": float64(c.ID), "name": c.Name, "created": float64(c.CreatedAt.Unix())},
				"cost":    10000.0,
			}
		}
		want := map[string]any{"status": "ok", "data": map[string]any{
			"date": float64(now.Unix()), "details": []any{line(0, "whatsapp"), line(1, "vkontakte")}, "total_cost": 20000.0,
		}}
		if d := cmp.Diff(want, got.body); d != "" {
			t.Error(d)
		}
		now = time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		if got := n.get(t, "/p1/billing").expect(t, "ok"); got.at("data", "total_cost") != 10000.0 {
			t.Errorf("in the next month: %s", got.text)
		}
		n.do(t, request{line: "GET /p1/billing?from=x", beyond: true}).expect(t, "ok")
		if got := n.do(t, request{line: "HEAD /p1/billing"}); got.code != http.StatusOK || got.text != "" {
			t.Errorf("HEAD: %d %s", got.code, got.text)
		}
		n.post(t, "/p1/billing", "").expect(t, "405")
	})
}

// A longBill has so many channels, and fails at a page.
type longBill struct {
	*store.DB
	channels int64
	failAt   int // a page, from 0
	pages    int
	largest  int
}

func (b *longBill) UserByToken(ctx context.Context, hash []byte) (parley.User, error) {
	u, err := b.DB.UserByToken(ctx, hash)
	u.Partner, u.ChannelPrice = true, 3
	return u, err
}

func (b *longBill) BilledChannels(_ context.Context, _ parley.UserID, _ time.Time, after store.BilledChannel, limit int) ([]store.BilledChannel, error) {
	if b.pages++; b.pages > b.failAt {
		return nil, errors.New("SQL in row 7")
	}
	var page []store.BilledChannel
	for id := int64(after.ID) + 1; id <= b.channels && len(page) < limit; id++ {
		page = append(page, store.BilledChannel{ID: parley.ChannelID(id), Spelling: "whatsapp", Company: 1, CompanyName: "Ann's \"shop\""})
	}
	b.largest = max(b.largest, len(page))
	return page, nil
}

// TestLongBilling: 10⁵ channels are read and written bit by bit, and add up.
func TestLongBilling(t *testing.T) {
	t.Parallel()
	for _, channels := range []int64{0, 1, billingPage - 1, billingPage, billingPage + 1, 100_000} {
		b := &longBill{DB: openSQLite(t), channels: channels, failAt: 1 << 20}
		n := newGateway(t, b.DB, func(c *Config) { c.Store = b }).tenant(t)
		got := n.get(t, "/p1/billing").expect(t, "ok")
		details, _ := got.at("data", "details").([]any)
		if int64(len(details)) != channels || got.at("data", "total_cost") != float64(3*channels) || b.largest > billingPage {
			t.Errorf("%d channels: %d lines, %v, %d at a time", channels, len(details), got.at("data", "total_cost"), b.largest)
		}
	}
}

// TestBrokenBilling: a bill that cannot be finished does not look like one; one
// that cannot be begun is an error like any other.
func TestBrokenBilling(t *testing.T) {
	t.Parallel()
	b := &longBill{DB: openSQLite(t), channels: 5000}
	n := newGateway(t, b.DB, func(c *Config) { c.Store = b }).tenant(t)
	n.get(t, "/p1/billing").expect(t, "500")
	b.failAt, b.pages = 3, 0
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/p1/billing", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Private-Api-Token", n.token)
	resp, err := direct.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil || json.Valid(text) || len(text) == 0 {
		t.Errorf("%d bytes came, and %v", len(text), err)
	}
	if log := n.log.String(); !strings.Contains(log, "route=/p1/billing status=500") {
		t.Errorf("logged\n%s", log)
	}
}
