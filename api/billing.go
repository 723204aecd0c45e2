package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/store"
)

type billingStore interface {
	BilledChannels(ctx context.Context, user parley.UserID, since time.Time, after store.BilledChannel, limit int) ([]store.BilledChannel, error)
}

var errForbidden = parley.Errorf(parley.KindForbidden, "Forbidden")

const (
	billingPage  = 500         // channels read and written at a time
	billingStall = time.Minute // in which a client has to take a page
)

// showBilling says what the channels cost that existed in the current month, UTC,
// however short. There may be very many, so the answer is written while it is
// read; if that fails in the middle the connection breaks, for half a bill must
// not look like a whole one.
func (s *Server) showBilling(c *call) error {
	if !c.user.Partner {
		return errForbidden
	}
	now := s.now().UTC()
	b := &bill{call: c, control: http.NewResponseController(c.w)}
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for after, more := (store.BilledChannel{}), true; more; {
		page, err := s.store.BilledChannels(c.ctx, c.user.ID, month, after, billingPage)
		if err != nil {
			return b.fail(err)
		}
		if after.ID == 0 {
			b.start(now)
		}
		if more = len(page) == billingPage && c.r.Method != http.MethodHead; more {
			after = page[len(page)-1]
		}
		if err := b.add(page, !more); err != nil {
			return b.fail(err)
		}
	}
	return nil
}

// A bill is an answer that is written bit by bit.
type bill struct {
	call    *call
	control *http.ResponseController
	buf     []byte
	some    bool // a channel was written
	total   int64
}

// start begins the answer; from now on there is no other.
func (b *bill) start(now time.Time) {
	b.call.status = http.StatusOK
	h := b.call.w.Header()
	h["Content-Type"], h["Cache-Control"] = contentType, noStore
	b.buf = fmt.Appendf(b.buf, `{"status":"ok","data":{"date":%d,"details":[`, now.Unix())
}

// add writes a page of channels, and the sum if it is the last.
func (b *bill) add(page []store.BilledChannel, last bool) error {
	for i := range page {
		if b.some {
			b.buf = append(b.buf, ',')
		}
		b.some = true
		b.total += b.call.user.ChannelPrice
		b.buf = append(b.buf, billed(&page[i], b.call.user.ChannelPrice)...)
	}
	if last {
		b.buf = fmt.Appendf(b.buf, `],"total_cost":%d}}`, b.total)
	}
	return b.flush()
}

// flush hands on what was written. A server without time limits has no need of
// this one, so that it cannot be set is no error.
func (b *bill) flush() error {
	_ = b.control.SetWriteDeadline(time.Now().Add(billingStall))
	_, err := b.call.w.Write(b.buf)
	b.buf = b.buf[:0]
	if err == nil {
		err = b.control.Flush()
	}
	_ = b.control.SetWriteDeadline(time.Time{}) // for the next request
	return err
}

// fail breaks the answer off if it has begun.
func (b *bill) fail(err error) error {
	c := b.call
	if c.status == 0 {
		return err
	}
	c.cut, c.status = true, http.StatusInternalServerError
	if c.ctx.Err() != nil {
		c.status = statusGone
	}
	return err
}

func billed(x *store.BilledChannel, cost int64) []byte {
	o := jsonout.New(192)
	o.Nested("channel")
	o.Int("id", int64(x.ID))
	o.Text("type", x.Spelling)
	o.Unix("created", x.CreatedAt)
	o.Close()
	o.Nested("company")
	o.Int("id", int64(x.Company))
	o.Text("name", x.CompanyName)
	o.Unix("created", x.CompanyCreatedAt)
	o.Close()
	o.Int("cost", cost)
	return o.End()
}
