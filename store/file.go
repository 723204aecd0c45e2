package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// attachmentRows are rows of the table attachment to be inserted.
func attachmentRows() table {
	return table{before: `INSERT INTO attachment (id, company_id, channel_id, conversation_id, message_id, kind, name, type, size, width, height,
		external, source, blob, sha256, token, state, reason, attempt, next_at, created_at) `, types: "iiiiitttiiitttttttiii"}
}

func (t *table) attachment(a *parley.Attachment) {
	t.add(int64(a.ID), int64(a.Company), int64(a.Channel), int64(a.Conversation), int64(a.Message), string(a.Kind), a.Name, a.Type, a.Size,
		int64(a.Width), int64(a.Height), a.External, a.Source, a.Blob, a.SHA256, a.Token, string(a.State), a.Reason, int64(a.Attempt),
		millis(a.NextAt), millis(a.CreatedAt))
}

const attachmentColumns = `a.id, a.company_id, a.channel_id, a.conversation_id, a.message_id, a.kind, a.name, a.type, a.size, a.width, a.height,
	a.external, a.source, a.blob, a.sha256, a.token, a.state, a.reason, a.attempt, a.next_at, a.created_at`

// scanAttachment reads one row of attachmentColumns.
func (db *DB) scanAttachment(scan scanFunc, a *parley.Attachment, more ...any) error {
	var next, created int64
	err := scan(append([]any{&a.ID, &a.Company, &a.Channel, &a.Conversation, &a.Message, &a.Kind, &a.Name, &a.Type, &a.Size, &a.Width, &a.Height,
		&a.External, &a.Source, &a.Blob, &a.SHA256, &a.Token, &a.State, &a.Reason, &a.Attempt, &next, &created}, more...)...)
	a.NextAt, a.CreatedAt, a.URL = moment(next), moment(created), db.absolute(a.Path())
	return err
}

// SetBase says what addresses of files begin with, such as https://example.com.
// It is to be called before anything is stored.
func (db *DB) SetBase(url string) { db.base = url }

// absolute makes an address of a path; of none it makes none.
func (db *DB) absolute(path string) string {
	if path == "" {
		return ""
	}
	return db.base + path
}

// newToken makes what nobody can guess.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// fileIDs takes an id for each file.
func (tx *Tx) fileIDs(files []connector.File) []parley.AttachmentID {
	var taken []parley.AttachmentID
	for range files {
		taken = append(taken, parley.AttachmentID(tx.ids.take()))
	}
	return taken
}

// attach makes the attachments of a message that was received, and their rows.
func (tx *Tx) attach(rows *table, v *conv, m *parley.Message, files []connector.File, ids []parley.AttachmentID) {
	for n := range files {
		a := tx.newAttachment(v, ids[n], &files[n])
		a.Message = m.ID
		rows.attachment(&a)
		m.Files = append(m.Files, a)
	}
}

func (tx *Tx) newAttachment(v *conv, id parley.AttachmentID, f *connector.File) parley.Attachment {
	a := parley.Attachment{
		ID: id, Company: v.Company, Channel: v.Channel, Conversation: v.ID,
		Kind: f.Kind, Name: f.Name, Type: f.Type, Size: f.Size, Width: f.Width, Height: f.Height, External: f.ID, Source: f.Source,
		Token: newToken(), State: parley.AttachmentPending, NextAt: tx.now, CreatedAt: tx.now,
	}
	if f.Refused != "" {
		a.State, a.Reason = parley.AttachmentFailed, f.Refused
	} else {
		tx.pending = true
	}
	a.URL = tx.db.absolute(a.Path())
	return a
}

// fillFiles completes the files of messages, of which rows hold only the ids.
func (db *DB) fillFiles(ctx context.Context, q querier, messages []*parley.Message) error {
	var ids []int64
	for _, m := range messages {
		for _, a := range m.Files {
			ids = append(ids, int64(a.ID))
		}
	}
	found, err := db.attachments(ctx, q, ids)
	if err != nil {
		return err
	}
	for _, m := range messages {
		m.Files = whole(m.Files, found)
	}
	return nil
}

// whole replaces attachments of which only the id is known by those found.
func whole(files []parley.Attachment, found map[parley.AttachmentID]*parley.Attachment) []parley.Attachment {
	var list []parley.Attachment
	for _, a := range files {
		if known := found[a.ID]; known != nil {
			list = append(list, *known)
		}
	}
	return list
}

// attachments returns those of the ids that exist.
func (db *DB) attachments(ctx context.Context, q querier, ids []int64) (map[parley.AttachmentID]*parley.Attachment, error) {
	found := make(map[parley.AttachmentID]*parley.Attachment, len(ids))
	err := lookup(ctx, q, "SELECT "+attachmentColumns+" FROM attachment a WHERE a.id IN (%s)", ids, func(scan scanFunc) error {
		a := &parley.Attachment{}
		err := db.scanAttachment(scan, a)
		found[a.ID] = a
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find attachments: %w", err)
	}
	return found, nil
}

// File returns an attachment. KindNotFound if there is none.
func (db *DB) File(ctx context.Context, id parley.AttachmentID) (parley.Attachment, error) {
	found, err := db.attachments(ctx, db.backend.reader(), []int64{int64(id)})
	if err != nil {
		return parley.Attachment{}, classify(err)
	}
	a := found[id]
	if a == nil {
		return parley.Attachment{}, parley.Errorf(parley.KindNotFound, "File not found")
	}
	return *a, nil
}

// Files returns those of the ids that are uploads of the company and were not
// deleted since, in any order.
func (db *DB) Files(ctx context.Context, company parley.CompanyID, ids []parley.AttachmentID) ([]parley.Attachment, error) {
	wanted := make([]int64, len(ids))
	for n, id := range ids {
		wanted[n] = int64(id)
	}
	found, err := db.attachments(ctx, db.backend.reader(), wanted)
	if err != nil {
		return nil, classify(err)
	}
	var list []parley.Attachment
	for _, a := range found {
		if a.Company == company && a.Message == 0 && a.Kind != parley.FileAvatar && a.State == parley.AttachmentReady {
			list = append(list, *a)
		}
	}
	return list, nil
}

// AddFile stores an upload whose bytes are in the blob store, and returns its id.
// The id, the token, the state and the time are made here.
func (db *DB) AddFile(ctx context.Context, a *parley.Attachment) (parley.AttachmentID, error) {
	kept, err := txResult(ctx, db, a.Company, func(tx *Tx) (parley.Attachment, error) {
		row := *a
		row.ID, row.Token, row.State, row.CreatedAt = parley.AttachmentID(tx.ids.take()), newToken(), parley.AttachmentReady, tx.now
		row.Message, row.Reason, row.NextAt = 0, "", time.Time{}
		rows := attachmentRows()
		rows.attachment(&row)
		return row, rows.run(tx, nil)
	})
	return kept.ID, err
}

// A FileCursor is a place in the order of files that are due.
type FileCursor struct {
	At time.Time
	ID parley.AttachmentID
}

// DueFiles returns files of any company that are to be fetched, in the order in
// which they became due, behind the cursor.
func (db *DB) DueFiles(ctx context.Context, due time.Time, after FileCursor, limit int) ([]parley.Attachment, error) {
	var list []parley.Attachment
	err := db.read(ctx, "SELECT "+attachmentColumns+` FROM attachment a WHERE a.state = 'pending' AND a.next_at <= $1
		AND (a.next_at > $2 OR (a.next_at = $2 AND a.id > $3)) ORDER BY a.next_at, a.id LIMIT $4`,
		[]any{millis(due), millis(after.At), int64(after.ID), limit}, func(scan scanFunc) error {
			var a parley.Attachment
			err := db.scanAttachment(scan, &a)
			list = append(list, a)
			return err
		})
	return list, err
}

var errFileMoved = parley.Errorf(parley.KindConflict, "the file was dealt with by somebody else")

// A fileItem is the outcome of a fetch on its way into the rows. It is batched:
// where photos arrive in numbers, so do their bytes.
type fileItem struct {
	item
	in  *FileOutcome
	out parley.Attachment
}

// FinishFile stores the outcome of a try at fetching a file, and tells of the end
// of it. KindConflict: somebody else has dealt with it, or owns the company.
func (db *DB) FinishFile(ctx context.Context, o *FileOutcome) error {
	i := &fileItem{item: item{call: newCall(1)}, in: o}
	return db.run(ctx, o.File.Company, &i.item, func(q *batch) { q.files = append(q.files, i) })
}

// finishFiles stores a batch of outcomes.
func (tx *Tx) finishFiles(items []*fileItem) error {
	rows := table{before: `UPDATE attachment SET state = v.column2, blob = v.column3, size = v.column4, type = v.column5, reason = v.column6,
		attempt = v.column7, next_at = v.column8, sha256 = v.column11 FROM (`, types: "ittittiiiit",
		after: `) AS v WHERE attachment.id = v.column1 AND attachment.state = 'pending' AND attachment.attempt = v.column9
		AND attachment.next_at = v.column10 RETURNING attachment.id`}
	first := map[parley.AttachmentID]bool{} // a second outcome of the same file in this batch fails
	for _, i := range items {
		ok, err := tx.fence(i.in.Grant)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			i.err = errFenced
		case first[i.in.File.ID]:
			i.err = errFileMoved
		default:
			first[i.in.File.ID] = true
			i.out = i.in.after()
			a := &i.out
			rows.add(int64(a.ID), string(a.State), a.Blob, a.Size, a.Type, a.Reason, int64(a.Attempt), millis(a.NextAt),
				int64(i.in.File.Attempt), millis(i.in.File.NextAt), a.SHA256)
		}
	}
	moved := map[parley.AttachmentID]bool{}
	err := rows.run(tx, func(scan scanFunc) error {
		var id parley.AttachmentID
		err := scan(&id)
		moved[id] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("finish files: %w", err)
	}
	return tx.filesEnded(items, moved)
}

// filesEnded tells of those whose row has moved on, and refuses the others.
func (tx *Tx) filesEnded(items []*fileItem, moved map[parley.AttachmentID]bool) error {
	known := tx.convs()
	var ids []parley.ConversationID
	for _, i := range items {
		switch {
		case i.err != nil:
		case !moved[i.in.File.ID]:
			i.err = errFileMoved
		case i.out.State != parley.AttachmentPending:
			ids = append(ids, i.out.Conversation)
		}
	}
	if err := known.loadByID(ids); err != nil {
		return err
	}
	for _, i := range items {
		if i.err != nil || i.out.State == parley.AttachmentPending {
			continue
		}
		i.out.URL = tx.db.absolute(i.out.Path())
		if err := tx.fileEnded(known, &i.out); err != nil {
			return err
		}
	}
	known.keep()
	return nil
}

func orFenced(err error) error {
	if err == nil {
		return errFenced
	}
	return err
}

// after returns the attachment as it will be.
func (o *FileOutcome) after() parley.Attachment {
	a := *o.File
	switch o.Result {
	case FileFetched:
		a.State, a.Blob, a.Size, a.SHA256 = parley.AttachmentReady, o.Blob, o.Size, o.SHA256
		if o.Type != "" {
			a.Type = o.Type
		}
	case FileFailed:
		a.State, a.Reason = parley.AttachmentFailed, o.Reason
	case FileRetry:
		a.NextAt = o.At
		if o.Spent {
			a.Attempt++
		}
	}
	return a
}

// fileEnded tells of a file that is ready or failed: of an avatar with the
// conversation that it shows.
func (tx *Tx) fileEnded(known *convs, a *parley.Attachment) error {
	v := known.byID[a.Conversation]
	switch {
	case v == nil:
		return nil
	case a.Kind != parley.FileAvatar:
		kind, word := parley.EventAttachmentReady, "ready"
		if a.State == parley.AttachmentFailed {
			kind, word = parley.EventAttachmentFailed, "failed"
		}
		tx.append(parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Message: a.Message, Kind: kind,
			Body: render.AttachmentEvent(word, &v.Conversation, a)})
		return nil
	case a.State == parley.AttachmentFailed:
		return nil
	}
	return known.picture(v, a.ID, a.Path())
}
