package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/store"
)

// maxQuarantined bounds what is shown of one item, in bytes.
const maxQuarantined = 16 << 10

type quarantineStore interface {
	Quarantines(ctx context.Context, company parley.CompanyID, p store.Page) ([]store.Quarantined, error)
}

func (s *Server) listQuarantine(c *call) error {
	return show(c, list[store.Quarantined]{
		name: "quarantine", parent: int64(c.company.ID), size: 1024,
		rows: func(ctx context.Context, p store.Page) ([]store.Quarantined, error) {
			return s.store.Quarantines(ctx, c.company.ID, p)
		},
		id:    func(x *store.Quarantined) int64 { return x.ID },
		write: writeQuarantined,
	})
}

// writeQuarantined shows what a provider said, as it said it. The hash is that of
// the whole, of which body may be only the beginning.
func writeQuarantined(o *jsonout.Object, x *store.Quarantined) {
	shown := x.Body[:min(len(x.Body), maxQuarantined)]
	o.Int("id", x.ID)
	o.IntOrNull("channel_id", int64(x.Channel), x.Channel != 0)
	o.Text("provider", x.Provider)
	o.Text("source", x.Source)
	o.Text("reason", x.Reason)
	o.Text("sha256", hex.EncodeToString(x.Hash))
	o.Int("size", x.Size)
	o.Text("body", base64.StdEncoding.EncodeToString(shown))
	o.Bool("truncated", int64(len(shown)) < x.Size)
	o.Iso("created_at", x.At)
	o.Int("created_at_timestamp", x.At.Unix())
}
