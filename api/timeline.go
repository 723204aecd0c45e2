package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/store"
)

type timelineStore interface {
	Timeline(ctx context.Context, company parley.CompanyID, conversation parley.ConversationID, id parley.MessageID) (store.Timeline, error)
}

// A moment is one entry of a timeline.
type moment struct {
	at    time.Time
	what  string
	write func(*jsonout.Object) // the rest; may be nil
}

// showTimeline tells what happened to a message, listed or not.
func (s *Server) showTimeline(c *call) error {
	t, err := s.store.Timeline(c.ctx, c.company.ID, c.conv.ID, parley.MessageID(c.ids[idMessage]))
	if err != nil {
		return err
	}
	entries := moments(&t)
	return c.ok(256+200*len(entries), func(o *jsonout.Object) {
		o.Int("message_id", int64(t.Message.ID))
		o.IntOrNull("job_id", int64(t.Message.Job), t.Message.Job != 0)
		o.IntOrNull("ack", int64(t.Message.Ack), !t.Message.Income)
		o.Key("entries")
		o.Array(len(entries), func(i int) { entries[i].put(o) })
	})
}

func (m *moment) put(o *jsonout.Object) {
	o.Open()
	o.Iso("at", m.at)
	o.Int("at_timestamp", m.at.Unix())
	o.Text("what", m.what)
	if m.write != nil {
		m.write(o)
	}
	o.Close()
}

// moments lists the entries, the oldest first; of the same time in the order in
// which things happen.
func moments(t *store.Timeline) []moment {
	list := begun(t)
	for n := range t.Attempts {
		list = append(list, attempted(&t.Attempts[n])...)
	}
	list = append(list, succeeded(t)...)
	for n := range t.Events {
		list = append(list, happened(&t.Events[n]))
	}
	for n := range t.Webhooks {
		list = append(list, posted(&t.Webhooks[n]))
	}
	slices.SortStableFunc(list, func(a, b moment) int { return a.at.Compare(b.at) })
	return list
}

// begun is how the message came to us.
func begun(t *store.Timeline) []moment {
	if t.Job != nil {
		return []moment{{at: t.Job.CreatedAt, what: "accepted"}}
	}
	at := t.Message.CreatedAt
	if e := announcement(t); e != nil {
		at = e.At
	}
	return []moment{{at: at, what: "received", write: func(o *jsonout.Object) {
		o.Bool("income", t.Message.Income)
		o.Iso("created_at", t.Message.CreatedAt)
	}}}
}

// attempted is a claim, if there was one, and how it ended.
func attempted(a *store.JobAttempt) []moment {
	var list []moment
	if !a.ClaimedAt.IsZero() {
		list = append(list, moment{a.ClaimedAt, "claimed", func(o *jsonout.Object) { o.Int("part", int64(a.Part)+1) }})
	}
	return append(list, moment{a.EndedAt, "answered", func(o *jsonout.Object) {
		o.Text("result", string(a.Result))
		o.Int("part", int64(a.Part)+1)
		textIfAny(o, "kind", string(a.Kind))
		textIfAny(o, "reason", a.Reason)
	}})
}

// succeeded is the newest claim, if its end is not among the attempts, and that
// the messenger took the message.
func succeeded(t *store.Timeline) []moment {
	var list []moment
	ended := func(a store.JobAttempt) bool { return a.ClaimedAt.Equal(t.ClaimedAt) }
	if !t.ClaimedAt.IsZero() && !slices.ContainsFunc(t.Attempts, ended) {
		part := t.Job.Part
		if t.Job.State != parley.JobDelivered && t.Job.State != parley.JobReady {
			part++
		}
		list = append(list, moment{t.ClaimedAt, "claimed", func(o *jsonout.Object) { o.Int("part", int64(max(part, 1))) }})
	}
	at := deliveredAt(t)
	if at.IsZero() {
		return list
	}
	return append(list, moment{at, "answered", func(o *jsonout.Object) {
		o.Text("result", string(store.Delivered))
		textIfAny(o, "provider_id", t.Message.ProviderID)
	}})
}

// deliveredAt is when the messenger took the message; zero if it did not, or if
// that is not known any more.
func deliveredAt(t *store.Timeline) time.Time {
	if t.Job == nil || !t.Delivered {
		return time.Time{}
	}
	if e := announcement(t); e != nil {
		return e.At
	}
	return t.Job.DoneAt
}

// announcement is the event that told of the message, nil if it is not kept.
func announcement(t *store.Timeline) *store.EventDelivery {
	for n := range t.Events {
		if k := t.Events[n].Kind; k == parley.EventMessageNew || k == parley.EventGroupMessageNew {
			return &t.Events[n]
		}
	}
	return nil
}

// happened is an event, and where it is on its way to each endpoint.
func happened(e *store.EventDelivery) moment {
	what := "event"
	if e.Kind == parley.EventMessageAck || e.Kind == parley.EventGroupMessageAck {
		what = "ack"
	}
	return moment{e.At, what, func(o *jsonout.Object) {
		if what == "ack" {
			o.Int("ack", ackOf(e.Body))
		}
		kind, event, _ := strings.Cut(string(e.Kind), "/")
		o.Int("event_id", e.Seq)
		o.Text("type", kind)
		o.TextOrNull("event", event)
		o.Key("webhooks")
		o.Array(len(e.To), func(i int) { putState(o, &e.To[i]) })
	}}
}

// ackOf reads the level out of an ack's body.
func ackOf(body []byte) int64 {
	var b struct {
		Data struct {
			Ack int64 `json:"ack"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &b) // ours, so it is readable
	return b.Data.Ack
}

func putState(o *jsonout.Object, s *store.DeliveryState) {
	o.Open()
	o.Int("endpoint_id", int64(s.Endpoint))
	o.Text("state", string(s.Progress))
	if s.Attempts > 0 {
		o.Int("attempts", int64(s.Attempts))
	}
	if !s.NextAt.IsZero() {
		o.Iso("next_attempt_at", s.NextAt)
	}
	o.Close()
}

// posted is one attempt at a webhook.
func posted(a *parley.Attempt) moment {
	return moment{a.At, "webhook", func(o *jsonout.Object) {
		o.Int("event_id", a.Seq)
		o.Int("endpoint_id", int64(a.Endpoint))
		o.Int("attempt", int64(a.Number))
		o.IntOrNull("status", int64(a.Status), a.Status != 0)
		o.Int("took_ms", a.Took.Milliseconds())
		textIfAny(o, "reason", a.Reason)
	}}
}
