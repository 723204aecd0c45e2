package store

import (
	"context"

	"github.com/parley-im/parley"
)

const eventColumns = "company_id, seq, stream, channel_id, message_id, kind, body, created_at"

func scanEvent(scan scanFunc) (parley.Event, error) {
	var e parley.Event
	var at int64
	err := scan(&e.Company, &e.Seq, &e.Stream, &e.Channel, &e.Message, &e.Kind, &e.Body, &at)
	e.At = moment(at)
	return e, err
}

func (db *DB) eventsWhere(ctx context.Context, maxBytes int, where string, args ...any) ([]parley.Event, error) {
	var list []parley.Event
	size := 0
	err := db.read(ctx, "SELECT "+eventColumns+" FROM event WHERE "+where, args, func(scan scanFunc) error {
		if maxBytes > 0 && size >= maxBytes {
			return nil // the rows behind the budget are passed over
		}
		e, err := scanEvent(scan)
		size += len(e.Body)
		list = append(list, e)
		return err
	})
	return list, err
}

// EventsAfter returns events of a company's log behind seq, in order: at most
// limit, and no more once their bodies have reached maxBytes (0 is no bound).
func (db *DB) EventsAfter(ctx context.Context, company parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, error) {
	return db.eventsWhere(ctx, maxBytes, "company_id = $1 AND seq > $2 ORDER BY seq LIMIT $3", int64(company), seq, limit)
}

// StreamEvents returns events of one stream with after < seq <= upTo, in order.
func (db *DB) StreamEvents(ctx context.Context, company parley.CompanyID, stream parley.StreamID, after, upTo int64, limit int) ([]parley.Event, error) {
	return db.eventsWhere(ctx, 0, "stream = $1 AND company_id = $2 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5",
		int64(stream), int64(company), after, upTo, limit)
}

// Event returns one event. KindNotFound if retention has taken it.
func (db *DB) Event(ctx context.Context, company parley.CompanyID, seq int64) (parley.Event, error) {
	list, err := db.eventsWhere(ctx, 0, "company_id = $1 AND seq = $2", int64(company), seq)
	if err == nil && len(list) == 0 {
		err = parley.Errorf(parley.KindNotFound, "Event not found")
	}
	if err != nil {
		return parley.Event{}, err
	}
	return list[0], nil
}

// LogBounds returns the numbers of the oldest event kept and of the newest one.
func (db *DB) LogBounds(ctx context.Context, company parley.CompanyID) (first, last int64, err error) {
	err = db.readOne(ctx, "Company", "SELECT first_seq, seq FROM company_log WHERE company_id = $1", []any{int64(company)}, &first, &last)
	return first, last, err
}

// LastSeq returns the number of the newest event, 0 if there is none.
func (db *DB) LastSeq(ctx context.Context, company parley.CompanyID) (int64, error) {
	_, last, err := db.LogBounds(ctx, company)
	return last, err
}

// LogEnds returns the number of the newest event of each of these companies, as
// far as they exist.
func (db *DB) LogEnds(ctx context.Context, companies []parley.CompanyID) (map[parley.CompanyID]int64, error) {
	ids := make([]int64, len(companies))
	for i, company := range companies {
		ids[i] = int64(company)
	}
	ends := make(map[parley.CompanyID]int64, len(ids))
	err := lookup(ctx, db.backend.reader(), "SELECT company_id, seq FROM company_log WHERE company_id IN (%s)", ids, func(scan scanFunc) error {
		var company parley.CompanyID
		var last int64
		err := scan(&company, &last)
		ends[company] = last
		return err
	})
	return ends, classify(err)
}
