package store

import (
	"context"
	"slices"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// replyWindow is how long after a contact wrote a message to them counts as a
// reply.
const replyWindow = 24 * time.Hour

// An acceptItem is one message to be sent on its way into the rows.
type acceptItem struct {
	item
	in   *Accept
	out  Accepted
	conv *conv
}

// Accept stores a message and the job of sending it. With an idempotency key
// that was used before, it stores nothing and returns the first answer.
func (db *DB) Accept(ctx context.Context, in *Accept) (Accepted, error) {
	if db.check != nil && db.check.full() {
		return Accepted{}, errBacklog
	}
	i := &acceptItem{item: item{call: newCall(1)}, in: in}
	if err := db.laneOf(in.Company).submit(func(q *batch) { q.accepts = append(q.accepts, i) }); err != nil {
		return Accepted{}, err
	}
	if err := i.call.wait(ctx); err != nil {
		return Accepted{}, err
	}
	return i.out, i.err
}

// acceptAll stores a batch of messages to be sent.
func (tx *Tx) acceptAll(items []*acceptItem) error {
	for _, i := range items {
		i.out, i.conv = Accepted{}, nil
	}
	known := tx.convs()
	if err := tx.acceptConversations(known, items); err != nil {
		return err
	}
	busy, err := tx.busy(items)
	if err != nil {
		return err
	}
	messages, jobs := messageRows(), jobRows()
	for _, i := range items {
		if i.err != nil {
			continue
		}
		i.draft(tx, !busy[i.conv.ID])
		fresh, err := tx.useKey(i)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		busy[i.conv.ID] = true
		tx.enqueue(i, &messages, &jobs)
	}
	known.keep()
	if err := messages.run(tx, nil); err != nil {
		return err
	}
	return jobs.run(tx, nil)
}

// acceptConversations finds the conversations, and creates those of first messages.
func (tx *Tx) acceptConversations(known *convs, items []*acceptItem) error {
	var wanted []parley.ConversationID
	var keys []convKey
	for _, i := range items {
		if i.in.First != nil {
			keys = append(keys, convKey{i.in.Channel.ID, i.in.First.External})
		} else {
			wanted = append(wanted, i.in.Conversation)
		}
	}
	if err := known.loadByID(wanted); err != nil {
		return err
	}
	if err := known.load(keys); err != nil {
		return err
	}
	for _, i := range items {
		if err := tx.acceptConversation(known, i); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) acceptConversation(known *convs, i *acceptItem) (err error) {
	f := i.in.First
	if f == nil {
		if i.conv = known.byID[i.in.Conversation]; i.conv == nil || i.conv.Company != i.in.Company {
			i.conv, i.err = nil, errNoConversation
		}
	} else if i.conv = known.known[convKey{i.in.Channel.ID, f.External}]; i.conv == nil {
		i.conv, err = known.create(i.in.Channel, connector.Chat{ID: f.External}, f.person())
	}
	if i.conv != nil {
		i.out.Known = i.conv.Announced
	}
	return err
}

// busy tells which of the conversations have open jobs. It holds their rows, so
// that two nodes cannot both make a head for the same one.
func (tx *Tx) busy(items []*acceptItem) (map[parley.ConversationID]bool, error) {
	busy := map[parley.ConversationID]bool{}
	var ids []int64
	for _, i := range items {
		if i.conv != nil && !busy[i.conv.ID] {
			busy[i.conv.ID] = true
			ids = append(ids, int64(i.conv.ID))
		}
	}
	clear(busy)
	if err := tx.holdConversations(ids); err != nil {
		return nil, err
	}
	err := lookup(tx.ctx, tx.q, "SELECT DISTINCT conversation_id FROM job WHERE done_at = 0 AND conversation_id IN (%s)", ids, func(scan scanFunc) error {
		var id parley.ConversationID
		err := scan(&id)
		busy[id] = true
		return err
	})
	return busy, err
}

// holdConversations takes rows in the order of ids, so that two transactions
// cannot wait for each other.
func (tx *Tx) holdConversations(ids []int64) error {
	lock := tx.db.dialect.forOrder()
	if lock == "" {
		return nil
	}
	slices.Sort(ids)
	return lookup(tx.ctx, tx.q, "SELECT id FROM conversation WHERE id IN (%s) ORDER BY id"+lock, ids, func(scanFunc) error { return nil })
}

// draft makes the job, whose number the answer needs.
func (i *acceptItem) draft(tx *Tx, head bool) {
	state := parley.JobWaiting
	if head {
		state = parley.JobReady
	}
	i.out.Job = parley.Job{
		ID: parley.JobID(tx.ids.take()), Company: i.conv.Company, Channel: i.conv.Channel, Conversation: i.conv.ID,
		Lane: i.lane(tx.now), State: state, ReadyAt: tx.now, CreatedAt: tx.now,
	}
}

// lane tells replies from the rest.
func (i *acceptItem) lane(now time.Time) parley.Lane {
	last := i.conv.LastIncome
	if i.conv.lastKnown.After(last) {
		last = i.conv.lastKnown
	}
	switch {
	case !i.conv.Announced:
		return parley.LaneFirst
	case now.Sub(last) <= replyWindow:
		return parley.LaneReply
	}
	return parley.LaneBulk
}

// useKey keeps the answer under the client's key. It reports false, with the
// first answer in the item, if the key was used before.
func (tx *Tx) useKey(i *acceptItem) (bool, error) {
	k := i.in.Idempotency
	if k == nil {
		return true, nil
	}
	saved, err := tx.keepAnswer(k, k.Answer(i.out))
	if saved == nil || err != nil {
		return err == nil, err
	}
	i.out = Accepted{Saved: saved}
	return false, nil
}

// enqueue writes the rows, and hands the work over if its turn has come.
func (tx *Tx) enqueue(i *acceptItem, messages, jobs *table) {
	m := parley.Message{
		ID: parley.MessageID(tx.ids.take()), Company: i.conv.Company, Channel: i.conv.Channel, Conversation: i.conv.ID,
		Job: i.out.Job.ID, Text: i.in.Text, Files: i.in.Files, Ack: parley.AckPreparing, CreatedAt: tx.now,
		Template: i.in.Template, Buttons: i.in.Buttons, Service: i.in.Service,
	}
	i.out.Job.Message = m.ID
	messages.message(&m, false)
	jobs.job(&i.out.Job)
	if i.out.Job.State == parley.JobReady {
		tx.ready = append(tx.ready, Work{Job: i.out.Job, Message: m, Chat: i.conv.External, Group: i.conv.Group, Files: i.in.Files})
	}
}
