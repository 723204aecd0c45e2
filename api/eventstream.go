package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
)

// How streams behave in time and memory.
const (
	heartbeat     = 15 * time.Second // between two signs of life
	recheckEvery  = time.Minute      // whether the client may still listen
	streamTimeout = 10 * time.Second // for a client to take what was read at once
	stopGrace     = time.Second / 4  // for the same, when the gateway stops
	streamEvents  = 100              // read at once
	streamBytes   = 32 << 10         // bodies of these; the last one may go beyond
)

// streamHello has clients come back after two seconds.
const streamHello = "retry: 2000\n"

// streams reports whether the client asks for a stream where there is one: it must
// name text/event-stream, and not like JSON better.
func (c *call) streams() bool {
	if c.endpoint.pattern != eventsPattern {
		return false
	}
	stream, json := 0.0, 0.0
	for _, line := range c.r.Header["Accept"] {
		for media := range strings.SplitSeq(line, ",") {
			switch name, weight := mediaRange(media); {
			case strings.EqualFold(name, "text/event-stream"):
				stream = max(stream, weight)
			case strings.EqualFold(name, "application/json"):
				json = max(json, weight)
			}
		}
	}
	return stream > 0 && stream >= json
}

// An outlet is the network side of a stream: whoever does not read is cut off.
type outlet struct {
	w       http.ResponseWriter
	control *http.ResponseController
	ctx     context.Context // ends when the gateway stops
	told    parley.Cursor   // the last that was sent
	spoke   time.Time       // when something was sent
}

// open sends the head of a stream. The connection is closed behind it, so that
// its deadlines meet no other request.
func (f *feed) open(ctx context.Context) *outlet {
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h["Cache-Control"] = noStore
	h.Set("X-Accel-Buffering", "no")
	h.Set("Connection", "close")
	f.status = http.StatusOK
	f.w.WriteHeader(http.StatusOK)
	return &outlet{w: f.w, control: http.NewResponseController(f.w), ctx: ctx}
}

// hurry lets what is being written be written for a moment, and no longer.
func (o *outlet) hurry() { _ = o.control.SetWriteDeadline(time.Now().Add(stopGrace)) }

// send writes b, which brings the client to a place in the log, and waits until
// the system has taken it.
func (o *outlet) send(b []byte, at parley.Cursor) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil {
		return err // without it a client that does not read would be kept for ever
	}
	if o.ctx.Err() != nil {
		o.hurry() // the deadline of the stop was overwritten
	}
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	o.told, o.spoke = at, time.Now()
	return o.control.Flush()
}

// run streams until the client leaves or may not listen any more, it falls behind
// retention, or the gateway stops. However it ends, the client may come again with
// the last id it has seen, and is told then what is wrong.
func (f *feed) run(ctx context.Context) error {
	out := f.open(ctx)
	if f.r.Method == http.MethodHead {
		return nil
	}
	f.server.stream(true)
	defer f.server.stream(false)
	begun := time.Now()
	defer func() { f.waited = time.Since(begun) }()
	defer out.hurry() // for the end of the answer
	defer context.AfterFunc(ctx, out.hurry)()
	f.err = f.copy(ctx, out)
	return nil
}

// copy sends events as they come. It returns why it ended.
func (f *feed) copy(ctx context.Context, out *outlet) error {
	if err := out.send(append(position([]byte(streamHello), f.at), '\n'), f.at); err != nil {
		return err
	}
	checked := time.Now()
	for ctx.Err() == nil {
		more, err := f.forward(ctx, out)
		if err == nil && time.Since(checked) >= recheckEvery {
			err, checked = f.allowed(), time.Now()
		}
		if err != nil {
			return err
		}
		if !more {
			f.rest(ctx, out)
		}
	}
	return ctx.Err()
}

// forward sends what a read finds, or a sign of life if it is time for one. More
// is false at the end of the log.
func (f *feed) forward(ctx context.Context, out *outlet) (more bool, err error) {
	events, more, err := f.page(ctx, streamEvents, streamBytes)
	switch {
	case err != nil:
		return false, err
	case len(events) > 0:
		return more, out.send(f.frames(events), parley.Cursor{Epoch: f.at.Epoch, Seq: events[len(events)-1].Seq})
	case time.Since(out.spoke) >= heartbeat:
		return more, out.send(f.sign(out.told), f.at)
	}
	return more, nil
}

// rest waits for events until it is time for a sign of life.
func (f *feed) rest(ctx context.Context, out *outlet) {
	ctx, cancel := context.WithDeadline(ctx, out.spoke.Add(heartbeat))
	defer cancel()
	_ = f.log.Wait(ctx, f.company.ID, f.at) // why it ended does not matter
}

// sign is a sign of life. It moves the client's place on if only events that are
// not for it came since.
func (f *feed) sign(told parley.Cursor) []byte {
	b := []byte(":\n")
	if told != f.at {
		b = position(b, f.at)
	}
	return append(b, '\n')
}

// position appends a line that a client remembers for the next time.
func position(b []byte, at parley.Cursor) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendInt(b, at.Epoch, 10)
	b = strconv.AppendInt(append(b, '.'), at.Seq, 10)
	return append(b, '\n')
}

// frames writes events as the stream has them. The bodies are made by package
// render, which writes no line breaks.
func (f *feed) frames(events []parley.Event) []byte {
	size := 0
	for i := range events {
		size += 160 + len(events[i].Body)
	}
	b := make([]byte, 0, size)
	for i := range events {
		e := &events[i]
		o := jsonout.New(128 + len(e.Body))
		f.write(o, e)
		b = position(b, parley.Cursor{Epoch: f.at.Epoch, Seq: e.Seq})
		b = append(append(append(b, "data: "...), o.End()...), "\n\n"...)
	}
	return b
}

// allowed makes the checks of the request once more.
func (f *feed) allowed() error {
	for _, check := range [...]func(*call) error{f.server.authenticate, f.server.access, paywall} {
		if err := check(f.call); err != nil {
			return err
		}
	}
	return nil
}
