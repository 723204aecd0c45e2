package store

import (
	"context"
	"fmt"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// A finishItem is an outcome on its way into the rows.
type finishItem struct {
	item
	in  *Finish
	out Finished
}

// Finish stores the outcome of an attempt, or ends a job that was never claimed:
// ack, provider's id, job and events in one transaction, and what is ready next.
// KindConflict: somebody else ended it, or another node owns the company.
func (db *DB) Finish(ctx context.Context, in *Finish) (Finished, error) {
	i := &finishItem{item: item{call: newCall(1)}, in: in}
	if err := db.laneOf(in.Work.Job.Company).submit(func(q *batch) { q.finishes = append(q.finishes, i) }); err != nil {
		return Finished{}, err
	}
	if err := i.call.wait(ctx); err != nil {
		return Finished{}, err
	}
	return i.out, i.err
}

// A finisher gathers what a batch of outcomes changes.
type finisher struct {
	tx       *Tx
	convs    *convs
	messages table // further parts, and echoes
}

var errEnded = parley.Errorf(parley.KindConflict, "the job was ended by somebody else")

// finishAll stores a batch of outcomes.
func (tx *Tx) finishAll(items []*finishItem) error {
	items, err := tx.endJobs(items)
	if err != nil || len(items) == 0 {
		return err
	}
	f := &finisher{tx: tx, convs: tx.convs(), messages: messageRows()}
	var ids []parley.ConversationID
	for _, i := range items {
		ids = append(ids, i.in.Work.Job.Conversation)
	}
	if err := f.convs.loadByID(ids); err != nil {
		return err
	}
	for _, step := range []func([]*finishItem) error{f.deliver, f.conclude, f.early, f.settleEchoes, f.next, f.tx.recordAttempts} {
		if err := step(items); err != nil {
			return err
		}
	}
	f.convs.keep()
	return f.messages.run(tx, nil)
}

// endJobs moves the jobs and returns the items whose job was still theirs.
func (tx *Tx) endJobs(items []*finishItem) ([]*finishItem, error) {
	rows := table{before: `UPDATE job SET state = v.column2, part = v.column3, attempt = v.column4, crashes = v.column14, reason = v.column5,
		ready_at = v.column6, done_at = v.column7 FROM (`, types: "itiitiiiitiiii", after: `) AS v WHERE job.id = v.column1 AND job.done_at = 0
		AND job.term = v.column8 AND job.crashes = v.column9 AND job.state = v.column10 AND job.part = v.column11 AND job.attempt = v.column12
		AND job.deadline_at = v.column13 RETURNING job.id`}
	first := map[parley.JobID]bool{} // a second outcome of the same job in this batch fails
	for _, i := range items {
		i.out = Finished{}
		ok, err := tx.fence(i.in.Grant)
		if err != nil {
			return nil, err
		}
		if !ok {
			i.err = errFenced
			continue
		}
		was := i.in.Work.Job
		if first[was.ID] {
			i.err = errEnded
			continue
		}
		first[was.ID] = true
		i.out.Job = i.after(tx)
		j := i.out.Job
		rows.add(int64(j.ID), string(j.State), int64(j.Part), int64(j.Attempt), j.Reason, millis(j.ReadyAt), millis(j.DoneAt),
			int64(was.Term), int64(was.Crashes), string(was.State), int64(was.Part), int64(was.Attempt), millis(was.Deadline), int64(j.Crashes))
	}
	ended := map[parley.JobID]bool{}
	err := rows.run(tx, func(scan scanFunc) error {
		var id parley.JobID
		err := scan(&id)
		ended[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end jobs: %w", err)
	}
	var out []*finishItem
	for _, i := range items {
		switch {
		case i.err != nil:
		case !ended[i.out.Job.ID]:
			i.err = errEnded
		default:
			out = append(out, i)
		}
	}
	return out, nil
}

// after returns the job as it will be.
func (i *finishItem) after(tx *Tx) parley.Job {
	j := i.in.Work.Job
	if !i.in.Crash {
		j.Crashes = 0
	}
	switch i.in.Result {
	case Delivered:
		j.Part++
		j.Attempt = 0
		j.State, j.ReadyAt = parley.JobReady, tx.now
		if j.Part >= i.in.Parts {
			j.State, j.DoneAt = parley.JobDelivered, tx.now
		}
	case Failed:
		j.State, j.Reason, j.DoneAt = parley.JobNotDelivered, i.in.Reason, tx.now
	case Retry:
		j.State, j.ReadyAt = parley.JobReady, i.in.At
		if !i.in.Spent {
			j.Attempt = max(0, j.Attempt-1)
		}
	}
	return j
}

// deliver stores the messages that the provider has taken.
func (f *finisher) deliver(items []*finishItem) error {
	rows := table{before: `UPDATE message SET listed = 1, ack = v.column2, provider_id = v.column3, body = v.column4, extra = v.column5 FROM (`, types: "iittt",
		after: ") AS v WHERE message.id = v.column1"}
	for _, i := range items {
		if i.in.Result != Delivered {
			continue
		}
		w := i.in.Work
		v := f.convs.byID[w.Job.Conversation]
		if err := f.convs.announce(v); err != nil {
			return err
		}
		if err := f.convs.relocate(v, i.in.Sent.Chat); err != nil {
			return err
		}
		m := w.Message
		m.Ack, m.ProviderID, m.Job, m.Text = max(i.in.Sent.Ack, parley.AckSent), i.in.Sent.ProviderID, w.Job.ID, w.PartText()
		m.Files = w.PartFiles()
		if w.Job.Part == 0 {
			rows.add(int64(m.ID), int64(m.Ack), m.ProviderID, m.Text, extraOf(&m))
		} else {
			m.ID = parley.MessageID(f.tx.ids.take())
			f.messages.message(&m, true)
		}
		f.tx.messageNew(v, &m)
	}
	return rows.run(f.tx, nil)
}

// PartText returns what the part that is next or under way says.
func (w *Work) PartText() string {
	if w.Job.Part < len(w.Plan) {
		return w.Plan[w.Job.Part].Text
	}
	return w.Message.Text
}

// PartFiles returns the files of the part that is next or under way.
func (w *Work) PartFiles() []parley.Attachment {
	if w.Job.Part >= len(w.Plan) {
		return w.Message.Files
	}
	if a := w.File(w.Plan[w.Job.Part].File); a != nil {
		return []parley.Attachment{*a}
	}
	return nil
}

// File returns one of the work's files, nil if it has none such.
func (w *Work) File(id parley.AttachmentID) *parley.Attachment {
	for n := range w.Files {
		if w.Files[n].ID == id {
			return &w.Files[n]
		}
	}
	return nil
}

// conclude announces the ends of jobs.
func (f *finisher) conclude(items []*finishItem) error {
	for _, i := range items {
		j := &i.out.Job
		if j.State.Open() {
			continue
		}
		message := j.Message
		if j.State == parley.JobNotDelivered {
			message = 0
		}
		v := f.convs.byID[j.Conversation]
		f.event(v, message, parley.EventJobExecuted, render.JobExecuted(j))
		if i.in.Work.Message.Service {
			f.event(v, message, parley.EventService, render.ServiceMessage(j.ID, j.State == parley.JobDelivered, f.tx.now, v.Spelling))
		}
	}
	return nil
}

func (f *finisher) event(v *conv, m parley.MessageID, kind parley.EventKind, body []byte) {
	f.tx.append(parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: m, Kind: kind, Body: body})
}

// A sentKey names an own message by the provider's id.
type sentKey struct {
	conversation parley.ConversationID
	id           string
}

// early applies receipts that came before the outcome they belong to.
func (f *finisher) early(items []*finishItem) error {
	sent := map[parley.ChannelID][]sentKey{}
	for _, i := range items {
		if i.in.Result == Delivered && i.in.Sent.ProviderID != "" {
			j := &i.out.Job
			sent[j.Channel] = append(sent[j.Channel], sentKey{j.Conversation, i.in.Sent.ProviderID})
		}
	}
	for channel, keys := range sent {
		if err := f.earlyOf(channel, keys); err != nil {
			return err
		}
	}
	return nil
}

// earlyOf does it for one channel. A receipt that names no conversation is for
// whichever message has the id.
func (f *finisher) earlyOf(channel parley.ChannelID, sent []sentKey) error {
	ids := make([]string, len(sent))
	for n, k := range sent {
		ids[n] = k.id
	}
	found := map[sentKey]parley.Ack{}
	text := fmt.Sprintf("SELECT conversation_id, provider_id, ack FROM receipt WHERE channel_id = %d AND provider_id IN (%%s)", channel)
	err := lookup(f.tx.ctx, f.tx.q, text, ids, func(scan scanFunc) error {
		var k sentKey
		var ack parley.Ack
		err := scan(&k.conversation, &k.id, &ack)
		found[k] = ack
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range sent {
		for _, at := range []sentKey{k, {0, k.id}} {
			if ack, ok := found[at]; ok {
				if err := f.applyReceipt(channel, k, at, ack); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// applyReceipt raises the message's ack, and drops the receipt kept under at.
func (f *finisher) applyReceipt(channel parley.ChannelID, k, at sentKey, ack parley.Ack) error {
	if err := f.messages.run(f.tx, nil); err != nil { // raise needs the rows of further parts
		return err
	}
	m, err := f.tx.sentMessage(channel, k.conversation, k.id)
	if err != nil {
		return err
	}
	if err := f.tx.raise(f.convs, m, ack, connector.Person{}); err != nil {
		return err
	}
	_, err = f.tx.Exec("DELETE FROM receipt WHERE channel_id = $1 AND provider_id = $2 AND conversation_id = $3", int64(channel), at.id, int64(at.conversation))
	return err
}

// next finds what became ready: the next part, or the conversation's next job.
func (f *finisher) next(items []*finishItem) error {
	byConv := map[parley.ConversationID]*finishItem{}
	var ended []parley.ConversationID
	for _, i := range items {
		if i.out.Job.State.Open() {
			w := *i.in.Work
			w.Job, w.Chat = i.out.Job, f.convs.byID[w.Job.Conversation].External
			i.out.Next = []Work{w}
			continue
		}
		byConv[i.out.Job.Conversation] = i
		ended = append(ended, i.out.Job.Conversation)
	}
	heads, err := f.tx.promote(ended)
	for _, w := range heads {
		i := byConv[w.Job.Conversation]
		i.out.Next = append(i.out.Next, w)
	}
	return err
}
