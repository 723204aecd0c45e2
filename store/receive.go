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
const incomeFlush = time.Hour

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
	files   []parley.AttachmentID
}

// fileCount is how many ids of files the event needs.
func (i *receiveItem) fileCount() int {
	switch what := i.event().What.(type) {
	case connector.Message:
		return len(what.Files)
	case connector.Edit:
		return 2 * len(what.Files) // once as an edit, and once if it is of a message that we do not have
	}
	return 0
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
		i.out, i.conv, i.target, i.message, i.files = Received{}, nil, 0, 0, nil
	}
	items, err := tx.unseen(items)
	if err != nil || len(items) == 0 {
		return err
	}
	r := &receiver{tx: tx, convs: tx.convs(), messages: messageRows(), files: attachmentRows()}
	if err := r.prepare(items); err != nil {
		return err
	}
	for _, i := range items {
		if err := r.take(i); err != nil {
			return err
		}
	}
	r.convs.keep()
	for _, rows := range []*table{&r.messages, &r.files} {
		if err := rows.run(tx, nil); err != nil {
			return err
		}
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
		if m, ok := e.What.(connector.Message); ok {
			i.message, i.files = parley.MessageID(tx.ids.take()), tx.fileIDs(m.Files)
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
	files    table
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

// take stores one event.
func (r *receiver) take(i *receiveItem) error {
	e := i.event()
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
	case connector.Moved:
		return r.moved(i, what)
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

// spokesman reports whether a group speaks for itself, as a broadcast channel
// does. Then a message that we sent comes back without a word about whose it is.
func spokesman(e *connector.Event) bool { return e.Chat.Group && e.From.ID == e.Chat.ID }

// message stores a message that was received, or written by the account elsewhere.
func (r *receiver) message(i *receiveItem, what connector.Message) error {
	if what.Own || spokesman(i.event()) {
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
	author, err := r.author(i, what.Own)
	if err != nil {
		return err
	}
	m := &parley.Message{
		ID: i.message, Company: i.conv.Company, Channel: i.conv.Channel, Conversation: i.conv.ID, Income: !what.Own,
		Text: what.Text, Ack: parley.AckSent, ProviderID: i.event().ID, ReplyTo: reply, Forwarded: what.Forwarded,
		Payload: what.Payload, Location: what.Location, CreatedAt: r.tx.past(i.event().At), Contact: author.id, Author: author.public,
	}
	r.tx.attach(&r.files, i.conv, m, what.Files, i.files)
	r.add(i.conv, m)
	i.out.Message = m.ID
	return nil
}

// add writes the row of a message that is listed at once, and its event.
func (r *receiver) add(v *conv, m *parley.Message) {
	r.messages.message(m, true)
	r.tx.messageNew(v, m)
}

// messageNew tells of a message that was received, or delivered.
func (tx *Tx) messageNew(v *conv, m *parley.Message) {
	e := parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: m.ID}
	if v.Group {
		e.Kind, e.Body = parley.EventGroupMessageNew, render.GroupMessageNew(&v.Conversation, m)
	} else {
		e.Kind, e.Body = parley.EventMessageNew, render.MessageNew(&v.Conversation, m)
	}
	tx.append(e)
}

// past returns the provider's time, which never lies in the future.
func (tx *Tx) past(t time.Time) time.Time {
	if t.IsZero() || t.After(tx.now) {
		return tx.now
	}
	return t.UTC()
}
