package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// echo deals with a message that may be our own account's. If it is one that we
// sent there is nothing to store. While a part of the conversation is being sent
// nobody can tell yet, so it waits for the outcome.
func (r *receiver) echo(i *receiveItem, what connector.Message) (kept bool, err error) {
	if i.conv == nil {
		return false, nil
	}
	id, err := r.tx.sentMessage(i.in.Channel.ID, i.conv.ID, i.event().ID)
	if err != nil {
		return false, err
	}
	if id != 0 {
		i.out.Message, i.out.Duplicate = id, true
		return true, nil
	}
	var sending int64
	err = r.tx.one("SELECT COUNT(*) FROM job WHERE conversation_id = $1 AND done_at = 0 AND state = 'sending'", []any{int64(i.conv.ID)}, &sending)
	if err != nil || sending == 0 {
		return false, err
	}
	body, err := json.Marshal(heldEcho{i.message, i.files, what, i.event().ID, millis(i.event().At), i.event().From})
	if err != nil {
		return false, err
	}
	_, err = r.tx.Exec("INSERT INTO echo (id, channel_id, conversation_id, provider_id, event, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
		r.tx.ids.take(), int64(i.in.Channel.ID), int64(i.conv.ID), i.event().ID, body, millis(r.tx.now))
	i.out.Message = i.message
	return true, err
}

// A heldEcho is an own message that waits for an outcome.
type heldEcho struct {
	ID         parley.MessageID
	Files      []parley.AttachmentID
	Message    connector.Message
	ProviderID string
	At         int64
	From       connector.Person
}

// settleEchoes looks at the echoes held for conversations with an outcome: the
// ones that are ours go, the others are stored once nothing is being sent.
func (f *finisher) settleEchoes(done []*finishItem) error {
	var ids []int64
	ours := map[string]bool{}
	for _, i := range done {
		ids = append(ids, int64(i.in.Work.Job.Conversation))
		if i.in.Result == Delivered {
			ours[fmt.Sprint(i.in.Work.Job.Conversation, " ", i.in.Sent.ProviderID)] = true
		}
	}
	type row struct {
		id    int64
		conv  parley.ConversationID
		event []byte
	}
	var held []row
	err := lookup(f.tx.ctx, f.tx.q, "SELECT id, conversation_id, event FROM echo WHERE conversation_id IN (%s) ORDER BY id", ids, func(scan scanFunc) error {
		var r row
		err := scan(&r.id, &r.conv, &r.event)
		held = append(held, r)
		return err
	})
	if err != nil || len(held) == 0 {
		return err
	}
	for _, h := range held {
		var e heldEcho
		if err := json.Unmarshal(h.event, &e); err != nil {
			return err
		}
		if ours[fmt.Sprint(h.conv, " ", e.ProviderID)] {
			err = f.dropEcho(h.id)
		} else {
			err = f.releaseEcho(h.id, h.conv, &e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *finisher) dropEcho(id int64) error {
	_, err := f.tx.Exec("DELETE FROM echo WHERE id = $1", id)
	return err
}

// releaseEcho stores a message that was written by other means.
func (f *finisher) releaseEcho(id int64, conversation parley.ConversationID, e *heldEcho) error {
	var sending int64
	err := f.tx.one("SELECT COUNT(*) FROM job WHERE conversation_id = $1 AND done_at = 0 AND state = 'sending'", []any{int64(conversation)}, &sending)
	if err != nil || sending > 0 {
		return err
	}
	v := f.convs.byID[conversation]
	m := &parley.Message{
		ID: e.ID, Company: v.Company, Channel: v.Channel, Conversation: v.ID, Income: !e.Message.Own, Text: e.Message.Text, Ack: parley.AckSent,
		ProviderID: e.ProviderID, Forwarded: e.Message.Forwarded, Payload: e.Message.Payload, Location: e.Message.Location,
		CreatedAt: f.tx.past(moment(e.At)),
	}
	if m.Income {
		m.Author = publicID(connector.Chat{}, e.From)
	}
	rows := attachmentRows()
	f.tx.attach(&rows, v, m, e.Message.Files, e.Files)
	if err := rows.run(f.tx, nil); err != nil {
		return err
	}
	f.messages.message(m, true)
	f.tx.messageNew(v, m)
	return f.dropEcho(id)
}

// EchoOf looks for proof that an uncertain part arrived: an echo with its text
// that nobody else claimed.
func (db *DB) EchoOf(ctx context.Context, w *Work) (connector.Sent, bool, error) {
	text, files := w.PartText(), len(w.PartFiles())
	var found []heldEcho
	err := db.read(ctx, "SELECT event FROM echo WHERE conversation_id = $1 ORDER BY id", []any{int64(w.Job.Conversation)}, func(scan scanFunc) error {
		var body []byte
		var e heldEcho
		if err := scan(&body); err != nil {
			return err
		}
		err := json.Unmarshal(body, &e)
		found = append(found, e)
		return err
	})
	at := slices.IndexFunc(found, func(e heldEcho) bool {
		return e.Message.Text == text && len(e.Message.Files) == files
	})
	if err != nil || at < 0 {
		return connector.Sent{}, false, err
	}
	return connector.Sent{ProviderID: found[at].ProviderID, Ack: parley.AckSent, At: moment(found[at].At)}, true, nil
}

// receipt raises the ack of an own message, or is kept until the outcome that it
// came before.
func (r *receiver) receipt(i *receiveItem, what connector.Receipt) error {
	e := i.event()
	conversation := parley.ConversationID(0)
	if i.conv != nil {
		conversation = i.conv.ID
	}
	id, err := r.tx.sentMessage(i.in.Channel.ID, conversation, e.ID)
	if err != nil {
		return err
	}
	if id != 0 {
		i.out.Message = id
		return r.tx.raise(r.convs, id, what.Ack, e.From)
	}
	_, err = r.tx.Exec(`INSERT INTO receipt (channel_id, provider_id, conversation_id, ack, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (channel_id, provider_id, conversation_id) DO UPDATE SET ack = `+r.tx.db.dialect.greatest()+`(receipt.ack, excluded.ack)`,
		int64(i.in.Channel.ID), e.ID, int64(conversation), int64(what.Ack), millis(r.tx.now))
	return err
}

// raise lifts a message's ack; a lower or equal one changes nothing.
func (tx *Tx) raise(known *convs, id parley.MessageID, ack parley.Ack, by connector.Person) error {
	var conversation parley.ConversationID
	err := tx.one("UPDATE message SET ack = $2 WHERE id = $1 AND ack < $2 RETURNING conversation_id", []any{int64(id), int64(ack)}, &conversation)
	if noRow(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := known.loadByID([]parley.ConversationID{conversation}); err != nil {
		return err
	}
	v := known.byID[conversation]
	e := parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: id}
	if v.Group {
		e.Kind, e.Body = parley.EventGroupMessageAck, render.GroupMessageAck(&v.Conversation, id, ack, publicID(connector.Chat{}, by), tx.now)
	} else {
		e.Kind, e.Body = parley.EventMessageAck, render.MessageAck(&v.Conversation, id, ack)
	}
	tx.append(e)
	return nil
}
