package inbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A delivery is what is to be stored together.
type delivery struct {
	ch      *parley.Channel
	source  string // callback, poll or session
	events  []connector.Event
	whole   []byte    // what they were decoded from; nil if the events have it
	expires time.Time // when the provider stops waiting; zero is never
}

// raw returns the bytes that an event came as.
func (d *delivery) raw(e *connector.Event) []byte {
	if e.Raw == nil {
		return d.whole
	}
	return e.Raw
}

// A tally says what became of a delivery.
type tally struct {
	events      int // in the delivery
	stored      int
	duplicates  int
	ignored     int
	quarantined int
	dropped     int

	made, touched []parley.MessageID // if somebody traces
}

// odd reports whether something is worth a line at the usual log level.
func (t tally) odd() bool { return t.quarantined > 0 || t.dropped > 0 }

func (t tally) attr() slog.Attr {
	return slog.GroupAttrs("", slog.Int("events", t.events), slog.Int("duplicates", t.duplicates),
		slog.Int("ignored", t.ignored),
		slog.Int("quarantined", t.quarantined), slog.Int("dropped", t.dropped))
}

// A suspect is something for the quarantine.
type suspect struct {
	raw    []byte
	reason string
	ours   bool // we failed; it may be a fine event
}

var errNoAccount = parley.Errorf(parley.KindUnavailable, "the channel is not connected yet")

// keep stores a delivery: first the events, then what is for the quarantine. After
// an error the provider has to say it all again, and what is stored already will
// be a duplicate.
func (in *Inbox) keep(ctx context.Context, d delivery) (tally, error) {
	t := tally{events: len(d.events)}
	if d.ch.Account == "" {
		return t, errNoAccount
	}
	items, suspects := in.sort(&d, &t)
	failed, err := in.receive(ctx, &d, items, &t)
	if err != nil {
		return t, err
	}
	for _, s := range append(failed, suspects...) {
		if err := in.quarantine(ctx, &d, s, &t); err != nil {
			return t, err
		}
	}
	in.confirm(&d)
	return t, nil
}

// sort cleans the events and tells those to be stored from those to be
// quarantined; some are both.
func (in *Inbox) sort(d *delivery, t *tally) (items []*store.Receive, suspects []suspect) {
	now := in.cfg.Now()
	all := make([]store.Receive, 0, len(d.events))
	items = make([]*store.Receive, 0, len(d.events))
	for i := range d.events {
		all = append(all, store.Receive{Channel: d.ch, Event: d.events[i], Expires: d.expires})
		e := &all[i].Event
		doubt, take := clean(e, now)
		if doubt != "" {
			suspects = append(suspects, suspect{raw: d.raw(e), reason: doubt})
		}
		if !take && doubt == "" {
			t.ignored++
		}
		if take {
			items = append(items, &all[i])
		}
	}
	return items, suspects
}

// receive stores the events. The error says that the store is not available;
// events that it alone could not store come back as suspects.
func (in *Inbox) receive(ctx context.Context, d *delivery, items []*store.Receive, t *tally) (failed []suspect, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	results, errs := in.cfg.Store.Receive(ctx, items...)
	for i, err := range errs {
		switch {
		case err == nil && results[i].Duplicate:
			t.duplicates++
		case err == nil:
			t.stored++
			in.note(&items[i].Event, results[i].Message, t)
		case transient(err):
			return nil, err
		default:
			in.cfg.Log.ErrorContext(ctx, "event could not be stored", "provider", d.ch.Provider,
				"channel_id", int64(d.ch.ID), "kind", parley.KindOf(err), "error", err)
			failed = append(failed, suspect{raw: d.raw(&items[i].Event), ours: true,
				reason: "could not be stored: " + parley.Reason(err)})
		}
	}
	return failed, nil
}

// note remembers the message of an event that was stored, for whoever traces.
func (in *Inbox) note(e *connector.Event, id parley.MessageID, t *tally) {
	if in.cfg.Trace == nil || id == 0 {
		return
	}
	if _, ok := e.What.(connector.Message); ok {
		t.made = append(t.made, id)
		return
	}
	t.touched = append(t.touched, id)
}

// transient reports whether the same may work later, so that it is for the
// provider to come again.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch parley.KindOf(err) {
	case parley.KindUnavailable, parley.KindThrottled, parley.KindUncertain:
		return true
	}
	return false
}
