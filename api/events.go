package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
)

// An eventLog is what the API needs to let clients follow a company's events.
type eventLog interface {
	// Listen has the company's newest events kept at hand until leave is called. The
	// context ends with ctx, at leave, and when the gateway stops.
	Listen(ctx context.Context, company parley.CompanyID) (listening context.Context, leave context.CancelFunc)
	// Bounds returns the first cursor that can be read on from, and the newest one.
	Bounds(ctx context.Context, company parley.CompanyID) (first, last parley.Cursor, err error)
	// Read returns the events behind a cursor without gaps, none if there are none
	// yet. The error holds a *parley.GoneError if the cursor is gone.
	Read(ctx context.Context, company parley.CompanyID, after parley.Cursor, limit, maxBytes int) ([]parley.Event, error)
	// Wait blocks until there may be an event behind a cursor, or ctx ends.
	Wait(ctx context.Context, company parley.CompanyID, after parley.Cursor) error
}

// eventsPattern is the one route that can be answered as a stream.
const eventsPattern = "companies/C/events"

// Bounds of an answer and of the work for it.
const (
	defaultEvents = 100
	maxEvents     = 1000
	maxEventBytes = 1 << 20          // bodies of an answer; the last one may go beyond
	maxEventReads = 10               // reads for an answer, however many events are filtered out
	maxWait       = 60               // seconds
	jsonTimeout   = 30 * time.Second // for a client to take an answer
)

// A feed is one client's way through the log.
type feed struct {
	*call
	log    eventLog
	at     parley.Cursor      // everything up to it was read
	kinds  []parley.EventKind // none are all
	field  string             // what says where to begin
	after  func(first, last parley.Cursor) parley.Cursor
	limit  int
	wait   time.Duration
	stream bool
}

var errNoEvents = parley.Errorf(parley.KindUnsupported, "this installation has no event stream")

// listEvents answers with the events behind a cursor, or streams them.
func (s *Server) listEvents(c *call) error {
	if s.events == nil {
		return errNoEvents
	}
	f, err := s.feed(c)
	if err != nil {
		return err
	}
	ctx, leave := s.events.Listen(c.ctx, c.company.ID)
	defer leave()
	if err := f.locate(); err != nil {
		return err
	}
	if f.stream {
		return f.run(ctx)
	}
	return f.poll(ctx)
}

// feed reads the parameters.
func (s *Server) feed(c *call) (*feed, error) {
	b, err := c.bind()
	if err != nil {
		return nil, err
	}
	f := &feed{call: c, log: s.events, stream: c.streams(), kinds: bindKinds(b).Value}
	f.limit = int(b.Int("limit", params.Between(1, maxEvents)).Or(defaultEvents))
	f.wait = time.Duration(b.Int("wait", params.Between(0, maxWait)).Or(0)) * time.Second
	if c.r.Method == http.MethodHead {
		f.wait = 0
	}
	after := b.String("after", params.Trim(), params.NotBlank())
	text, given := after.Value, after.Given()
	f.field = "after"
	if id := strings.TrimSpace(c.r.Header.Get("Last-Event-ID")); f.stream && id != "" {
		f.field, text, given = "Last-Event-ID", id, true
	}
	f.start(b, text, given)
	return f, b.Err()
}

// start binds where to begin: behind a cursor, at the oldest event kept, or, if
// nothing is said, behind the newest.
func (f *feed) start(b *params.Binder, text string, given bool) {
	switch {
	case !given:
		f.after = func(_, last parley.Cursor) parley.Cursor { return last }
	case text == "first", text == "0":
		f.after = func(first, _ parley.Cursor) parley.Cursor { return first }
	default:
		cursor, err := parley.ParseCursor(text)
		if err != nil {
			b.Fail(f.field, "is invalid")
		}
		f.after = func(_, _ parley.Cursor) parley.Cursor { return cursor }
	}
}

// locate finds the place in the log at which to begin.
func (f *feed) locate() error {
	first, last, err := f.log.Bounds(f.ctx, f.company.ID)
	if err != nil {
		return err
	}
	f.at = f.after(first, last)
	switch {
	case f.at.Epoch != first.Epoch, f.at.Seq < first.Seq:
		return parley.Gone(first)
	case f.at.Seq > last.Seq:
		return parley.Errorf(parley.KindInvalid, f.field+" is beyond the newest event")
	}
	return nil
}

// wants reports whether an event is for this client.
func (f *feed) wants(e *parley.Event) bool {
	return (len(f.kinds) == 0 || slices.Contains(f.kinds, e.Kind)) && (f.company.ExtendedEvents || !e.Kind.Extension())
}

// page reads once, and returns up to limit of the events read that are wanted;
// more is false at the end of the log.
func (f *feed) page(ctx context.Context, limit, maxBytes int) (events []parley.Event, more bool, err error) {
	read := limit
	if len(f.kinds) > 0 {
		read = maxEvents
	}
	found, err := f.log.Read(ctx, f.company.ID, f.at, read, maxBytes)
	if err != nil {
		return nil, false, err
	}
	for i := range found {
		if len(events) == limit {
			break
		}
		f.at.Seq = found[i].Seq
		if f.wants(&found[i]) {
			events = append(events, found[i])
		}
	}
	return events, len(found) > 0, nil
}

// gather reads until there is enough for an answer, the log ends, or the client
// would wait too long. An error is told only if nothing was found before it.
func (f *feed) gather() (events []parley.Event, err error) {
	size := 0
	for range maxEventReads {
		found, more, err := f.page(f.ctx, f.limit-len(events), maxEventBytes-size)
		if err != nil && len(events) == 0 {
			return nil, err
		}
		for i := range found {
			size += len(found[i].Body)
		}
		events = append(events, found...)
		if !more || err != nil || len(events) == f.limit || size >= maxEventBytes {
			break
		}
	}
	return events, nil
}

// poll answers once there are events, or the wait is over, or the gateway stops.
func (f *feed) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	for {
		events, err := f.gather()
		if err != nil {
			return err
		}
		if len(events) > 0 || f.await(ctx) != nil {
			return f.answer(events)
		}
	}
}

// await waits for more events, and notes how long.
func (f *feed) await(ctx context.Context) error {
	begun := time.Now()
	defer func() { f.waited += time.Since(begun) }()
	return f.log.Wait(ctx, f.company.ID, f.at)
}

// answer writes a page of events.
func (f *feed) answer(events []parley.Event) error {
	if err := f.ctx.Err(); err != nil {
		return err // nobody is there
	}
	size := 128
	for i := range events {
		size += 128 + len(events[i].Body)
	}
	rc := http.NewResponseController(f.w)
	_ = rc.SetWriteDeadline(time.Now().Add(jsonTimeout))
	err := f.ok(size, func(o *jsonout.Object) {
		o.Key("events")
		o.Array(len(events), func(i int) {
			o.Open()
			f.write(o, &events[i])
			o.Close()
		})
		o.Text("next", f.at.String())
	})
	_ = rc.Flush()                       // within the deadline
	_ = rc.SetWriteDeadline(time.Time{}) // the connection may have further requests
	return err
}

// write writes an event, its body as it goes to webhooks.
func (f *feed) write(o *jsonout.Object, e *parley.Event) {
	kind, event, _ := strings.Cut(string(e.Kind), "/")
	o.Text("id", parley.Cursor{Epoch: f.at.Epoch, Seq: e.Seq}.String())
	o.Text("type", kind)
	o.TextOrNull("event", event)
	o.Int("created_at_timestamp", e.At.Unix())
	o.Raw("body", string(e.Body))
}
