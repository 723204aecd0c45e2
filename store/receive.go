package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// incomeFlush is how often the time of the last received message is written to a
// conversation's row, at most.
const incomeFlush = time.Minute

// A seenKey is the identity of a provider's event within a channel.
type seenKey [16]byte

func keyOf(account, chat, id, kind, version string) (key seenKey) {
	h := sha256.New()
	for _, s := range []string{account, chat, id, kind, version} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	copy(key[:], h.Sum(nil))
	return key
}

// A receiveItem is one event of a provider on its way into the rows.
type receiveItem struct {
	item
	in  *Receive
	out Received

	key     seenKey
	conv    *conv
	target  parley.MessageID // that an edit, delete or reply speaks of
	message parley.MessageID // that a message will have
}

func (i *receiveItem) event() *connector.Event { return &i.in.Event }

// messageKey is the identity that the message the event speaks of was stored under.
func (i *receiveItem) messageKey(id string) seenKey {
	return keyOf(i.in.Channel.Account, i.event().Chat.ID, id, connector.Message{}.Kind(), "")
}

// Receive stores events of providers, in order, each once. It returns when all
// are committed; the second result has an error for each that alone failed. A
// context that ends earlier leaves the outcome unknown to the caller: the errors
// are then the context's.
func (db *DB) Receive(ctx context.Context, in ...*Receive) ([]Received, []error) {
	errs := make([]error, len(in))
	fail := func(err error) ([]Received, []error) {
		for n := range errs {
			errs[n] = err
		}
		return make([]Received, len(in)), errs
	}
	if len(in) == 0 {
		return nil, nil
	}
	if db.check != nil && db.check.full() {
		return fail(errBacklog)
	}
	items := make([]*receiveItem, len(in))
	c := newCall(len(in))
	for n, r := range in {
		items[n] = &receiveItem{item: item{call: c}, in: r}
	}
	// Everything of one call belongs to one channel, and so to one lane.
	err := db.laneOf(in[0].Channel.Company).submit(func(q *batch) { q.receives = append(q.receives, items...) })
	if err == nil {
		err = c.wait(ctx)
	}
	if err != nil {
		return fail(err)
	}
	out := make([]Received, len(in))
	for n, i := range items {
		out[n], errs[n] = i.out, i.err
	}
	return out, errs
}

// receiveAll stores a batch of events.
func (tx *Tx) receiveAll(items []*receiveItem) error {
	for _, i := range items {
		i.out, i.conv, i.target, i.message = Received{}, nil, 0, 0
	}
	items, err := tx.unseen(items)
	if err != nil || len(items) == 0 {
		return err
	}
	r := &receiver{tx: tx, convs: tx.convs(), messages: messageRows()}
	if err := r.prepare(items); err != nil {
		return err
	}
	for _, i := range items {
		if err := r.take(i); err != nil {
			return err
		}
	}
	r.convs.keep()
	if err := r.messages.run(tx, nil); err != nil {
		return err
	}
	for _, update := range r.updates {
		if err := update(); err != nil {
			return err
		}
	}
	return nil
}

// unseen remembers the events and returns those that were new.
func (tx *Tx) unseen(items []*receiveItem) ([]*receiveItem, error) {
	type identity struct {
		channel parley.ChannelID
		key     seenKey
	}
	rows := table{before: "INSERT INTO seen (channel_id, key, message_id) ", types: "ibi",
		after: " ON CONFLICT (channel_id, key) DO NOTHING RETURNING channel_id, key"}
	first := map[identity]*receiveItem{}
	for _, i := range items {
		e := i.event()
		if _, receipt := e.What.(connector.Receipt); receipt {
			continue // acks only rise, so one that comes twice does nothing
		}
		i.key = keyOf(i.in.Channel.Account, e.Chat.ID, e.ID, e.What.Kind(), e.Version)
		at := identity{i.in.Channel.ID, i.key}
		if first[at] != nil {
			continue
		}
		first[at] = i
		if _, ok := e.What.(connector.Message); ok {
			i.message = parley.MessageID(tx.ids.take())
		}
		rows.add(int64(at.channel), at.key[:], int64(i.message))
	}
	fresh := map[identity]bool{}
	err := rows.run(tx, func(scan scanFunc) error {
		var at identity
		var key []byte
		err := scan(&at.channel, &key)
		copy(at.key[:], key)
		fresh[at] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("remember events: %w", err)
	}
	var out []*receiveItem
	for _, i := range items {
		_, receipt := i.event().What.(connector.Receipt)
		at := identity{i.in.Channel.ID, i.key}
		if receipt || (fresh[at] && first[at] == i) {
			out = append(out, i)
			continue
		}
		i.out.Duplicate = true
	}
	return out, nil
}

// A receiver gathers what a batch of received events changes.
type receiver struct {
	tx       *Tx
	convs    *convs
	targets  map[targetKey]parley.MessageID
	messages table
	updates  []func() error // after the messages are in
}

type targetKey struct {
	channel parley.ChannelID
	key     seenKey
}

// prepare loads what the events refer to, in one query of each sort.
func (r *receiver) prepare(items []*receiveItem) error {
	var keys []convKey
	for _, i := range items {
		if chat := i.event().Chat; chat.ID != "" {
			keys = append(keys, convKey{i.in.Channel.ID, chat.ID})
		}
	}
	if err := r.convs.load(keys); err != nil {
		return fmt.Errorf("find conversations: %w", err)
	}
	return r.findTargets(items)
}

// findTargets finds the messages that edits, deletes and replies speak of.
func (r *receiver) findTargets(items []*receiveItem) error {
	wanted := map[parley.ChannelID][][]byte{}
	want := func(i *receiveItem, id string) {
		key := i.messageKey(id)
		wanted[i.in.Channel.ID] = append(wanted[i.in.Channel.ID], key[:])
	}
	for _, i := range items {
		switch what := i.event().What.(type) {
		case connector.Edit, connector.Delete:
			want(i, i.event().ID)
		case connector.Message:
			if what.ReplyTo != "" {
				want(i, what.ReplyTo)
			}
		}
	}
	r.targets = map[targetKey]parley.MessageID{}
	for channel, keys := range wanted {
		text := fmt.Sprintf("SELECT key, message_id FROM seen WHERE channel_id = %d AND key IN (%%s)", channel)
		err := lookup(r.tx.ctx, r.tx.q, text, keys, func(scan scanFunc) error {
			var key []byte
			var id parley.MessageID
			err := scan(&key, &id)
			at := targetKey{channel: channel}
			copy(at.key[:], key)
			r.targets[at] = id
			return err
		})
		if err != nil {
			return fmt.Errorf("find messages: %w", err)
		}
	}
	return nil
}

// targetOf returns the message with the provider's id, received or sent by us; 0
// if we do not have it.
func (r *receiver) targetOf(i *receiveItem, id string) (parley.MessageID, error) {
	if id == "" {
		return 0, nil
	}
	// What we sent comes first: its echo, if one was seen, has made no message.
	if i.conv != nil {
		if m, err := r.tx.sentMessage(i.in.Channel.ID, i.conv.ID, id); m != 0 || err != nil {
			return m, err
		}
	}
	return r.targets[targetKey{i.in.Channel.ID, i.messageKey(id)}], nil
}

// sentMessage finds an own message by the provider's id; 0 if there is none.
// Providers whose ids are unique only within a chat need the conversation.
func (tx *Tx) sentMessage(channel parley.ChannelID, conversation parley.ConversationID, id string) (parley.MessageID, error) {
	var m int64
	err := tx.one(`SELECT id FROM message WHERE channel_id = $1 AND provider_id = $2 AND income = 0 AND provider_id <> ''
		AND (conversation_id = $3 OR $3 = 0) ORDER BY id DESC LIMIT 1`, []any{int64(channel), id, int64(conversation)}, &m)
	if noRow(err) {
		return 0, nil
	}
	return parley.MessageID(m), err
}

var errGroups = parley.Errorf(parley.KindUnsupported, "messages of groups are not carried yet")

// take stores one event.
func (r *receiver) take(i *receiveItem) error {
	e := i.event()
	if e.Chat.Group {
		i.err = errGroups
		return nil
	}
	i.conv = r.convs.known[convKey{i.in.Channel.ID, e.Chat.ID}]
	if i.conv != nil {
		i.out.Conversation = i.conv.ID
	}
	switch what := e.What.(type) {
	case connector.Message:
		return r.message(i, what)
	case connector.Edit:
		return r.edit(i, what)
	case connector.Delete:
		return r.delete(i)
	case connector.Receipt:
		return r.receipt(i, what)
	case connector.Blocked:
		return r.blocked(i, true)
	case connector.Unblocked:
		return r.blocked(i, false)
	case connector.Renamed:
		return r.renamed(i)
	}
	i.err = parley.Errorf(parley.KindUnsupported, "cannot store an event of kind "+e.What.Kind())
	return nil
}

// open makes sure that the event's conversation exists and is announced. Of an
// own message the person is us, and says nothing of the contact.
func (r *receiver) open(i *receiveItem, own bool) error {
	chat, who := i.event().Chat, i.event().From
	if own {
		who = connector.Person{ID: chat.ID}
	}
	i.conv = r.convs.known[convKey{i.in.Channel.ID, chat.ID}] // an earlier item may have made it
	if i.conv == nil {
		v, err := r.convs.create(i.in.Channel, chat, who)
		if err != nil {
			return err
		}
		i.conv = v
	}
	i.out.Conversation = i.conv.ID
	if err := r.convs.rename(i.conv, chat, who); err != nil {
		return err
	}
	return r.convs.announce(i.conv)
}

// message stores a message that was received, or written by the account elsewhere.
func (r *receiver) message(i *receiveItem, what connector.Message) error {
	if what.Own {
		kept, err := r.echo(i, what)
		if err != nil || kept {
			return err
		}
	}
	if err := r.open(i, what.Own); err != nil {
		return err
	}
	if !what.Own {
		if err := r.convs.block(i.conv, false); err != nil {
			return err
		}
		if err := r.convs.heard(i.conv); err != nil {
			return err
		}
	}
	reply, err := r.targetOf(i, what.ReplyTo)
	if err != nil {
		return err
	}
	m := &parley.Message{
		ID: i.message, Company: i.conv.Company, Channel: i.conv.Channel, Conversation: i.conv.ID, Income: !what.Own,
		Text: what.Text, Ack: parley.AckSent, ProviderID: i.event().ID, ReplyTo: reply, Forwarded: what.Forwarded,
		Payload: what.Payload, Location: what.Location, CreatedAt: r.tx.past(i.event().At),
	}
	r.add(i.conv, m)
	i.out.Message = m.ID
	return nil
}

// add writes the row of a message that is listed at once, and its event.
func (r *receiver) add(v *conv, m *parley.Message) {
	r.messages.message(m, true)
	r.tx.append(parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: m.ID,
		Kind: parley.EventMessageNew, Body: render.MessageNew(&v.Conversation, m)})
}

// past returns the provider's time, which never lies in the future.
func (tx *Tx) past(t time.Time) time.Time {
	if t.IsZero() || t.After(tx.now) {
		return tx.now
	}
	return t.UTC()
}

// edit replaces the text of a message. One that we do not have is stored as it
// is now, so that nothing said is lost.
func (r *receiver) edit(i *receiveItem, what connector.Edit) error {
	id, err := r.targetOf(i, i.event().ID)
	if err != nil {
		return err
	}
	if id == 0 {
		return r.editOfUnknown(i, what)
	}
	i.out.Message = id
	at := r.tx.past(i.event().At)
	v := i.conv
	r.updates = append(r.updates, func() error {
		n, err := r.tx.Exec("UPDATE message SET body = $2, edited_at = $3 WHERE id = $1 AND edited_at <= $3", int64(id), what.Text, millis(at))
		if err != nil || n == 0 || v == nil {
			return err // a newer edit is in already
		}
		r.changed(v, parley.EventMessageUpdate, "update", &parley.Message{ID: id, Text: what.Text, EditedAt: at})
		return nil
	})
	return nil
}

func (r *receiver) editOfUnknown(i *receiveItem, what connector.Edit) error {
	key := i.messageKey(i.event().ID)
	i.message = parley.MessageID(r.tx.ids.take())
	_, err := r.tx.Exec("INSERT INTO seen (channel_id, key, message_id) VALUES ($1, $2, $3) ON CONFLICT (channel_id, key) DO UPDATE SET message_id = $3",
		int64(i.in.Channel.ID), key[:], int64(i.message))
	if err != nil {
		return err
	}
	r.targets[targetKey{i.in.Channel.ID, key}] = i.message
	return r.message(i, connector.Message{Text: what.Text})
}

func (r *receiver) delete(i *receiveItem) error {
	id, err := r.targetOf(i, i.event().ID)
	if err != nil || id == 0 || i.conv == nil {
		return err
	}
	i.out.Message = id
	at := r.tx.past(i.event().At)
	v := i.conv
	r.updates = append(r.updates, func() error {
		n, err := r.tx.Exec("UPDATE message SET deleted_at = $2 WHERE id = $1 AND deleted_at = 0", int64(id), millis(at))
		if err != nil || n == 0 {
			return err
		}
		r.changed(v, parley.EventMessageDelete, "delete", &parley.Message{ID: id, DeletedAt: at})
		return nil
	})
	return nil
}

func (r *receiver) changed(v *conv, kind parley.EventKind, word string, m *parley.Message) {
	r.tx.append(parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: m.ID,
		Kind: kind, Body: render.MessageChanged(word, &v.Conversation, m)})
}

func (r *receiver) blocked(i *receiveItem, blocked bool) error {
	if i.conv == nil {
		return nil // nobody we know
	}
	return r.convs.block(i.conv, blocked)
}

func (r *receiver) renamed(i *receiveItem) error {
	if i.conv == nil {
		return nil
	}
	return r.convs.rename(i.conv, i.event().Chat, i.event().From)
}
