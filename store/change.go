package store

import (
	"slices"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

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
	at, v, files := r.tx.past(i.event().At), i.conv, r.tx.fileIDs(what.Files)
	r.updates = append(r.updates, func() error { return r.rewrite(v, id, what, files, at) })
	return nil
}

// rewrite changes a message, unless a newer edit is in already.
func (r *receiver) rewrite(v *conv, id parley.MessageID, what connector.Edit, files []parley.AttachmentID, at time.Time) error {
	var m parley.Message
	err := r.tx.Query("SELECT "+messageColumns+" FROM message m WHERE m.id = $1 AND m.edited_at <= $2", []any{int64(id), millis(at)},
		func(scan scanFunc) error { return scanMessage(scan, &m) })
	if err != nil || m.ID == 0 {
		return err
	}
	m.Text, m.EditedAt = what.Text, at
	if what.Location != nil {
		m.Location = what.Location
	}
	if err := r.tx.db.fillFiles(r.tx.ctx, r.tx.q, []*parley.Message{&m}); err != nil {
		return err
	}
	if v != nil && len(what.Files) > 0 && !sameFiles(m.Files, what.Files) {
		m.Files = nil
		rows := attachmentRows()
		r.tx.attach(&rows, v, &m, what.Files, files)
		if err := rows.run(r.tx, nil); err != nil {
			return err
		}
	}
	if _, err := r.tx.Exec("UPDATE message SET body = $2, edited_at = $3, extra = $4 WHERE id = $1", int64(id), m.Text, millis(at), extraOf(&m)); err != nil {
		return err
	}
	if v != nil {
		r.changed(v, parley.EventMessageUpdate, "update", &m)
	}
	return nil
}

// sameFiles reports whether an edit left the files as they were.
func sameFiles(have []parley.Attachment, said []connector.File) bool {
	return slices.EqualFunc(have, said, func(a parley.Attachment, f connector.File) bool { return a.External == f.ID })
}

func (r *receiver) editOfUnknown(i *receiveItem, what connector.Edit) error {
	key := i.messageKey(i.event().ID)
	i.message, i.files = parley.MessageID(r.tx.ids.take()), r.tx.fileIDs(what.Files)
	_, err := r.tx.Exec("INSERT INTO seen (channel_id, key, message_id) VALUES ($1, $2, $3) ON CONFLICT (channel_id, key) DO UPDATE SET message_id = $3",
		int64(i.in.Channel.ID), key[:], int64(i.message))
	if err != nil {
		return err
	}
	r.targets[targetKey{i.in.Channel.ID, key}] = i.message
	return r.message(i, connector.Message{Text: what.Text, Location: what.Location, Files: what.Files})
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

// moved follows a conversation to its new id at the provider.
func (r *receiver) moved(i *receiveItem, what connector.Moved) error {
	if i.conv == nil {
		return nil
	}
	return r.convs.relocate(i.conv, what.To)
}
