package store

import (
	"context"
	"slices"
	"time"

	"github.com/parley-im/parley"
)

// KeptFiles are files: the bytes of attachments. They have their own ways to go,
// see OldFiles; Clean does not take them.
const KeptFiles Kept = "files"

// An OldFile is a file whose bytes we have had long enough.
type OldFile struct {
	ID      parley.AttachmentID
	Company parley.CompanyID
	At      time.Time // when it was made
	Needed  bool      // it must stay: a job will send it, or a conversation shows it
}

// Cursor is the place of the file in the order of OldFiles.
func (f *OldFile) Cursor() FileCursor { return FileCursor{At: f.At, ID: f.ID} }

// notShown is true of an attachment a that is not the picture of a conversation.
const notShown = `NOT (a.kind = 'avatar' AND EXISTS (SELECT 1 FROM conversation v WHERE v.id = a.conversation_id
	AND v.avatar_url LIKE '/files/' || a.id || '-%'))`

// OldFiles returns up to limit files of any company with bytes that were made
// before a time, the oldest first, behind the cursor.
func (db *DB) OldFiles(ctx context.Context, before time.Time, after FileCursor, limit int) ([]OldFile, error) {
	var list []OldFile
	uploads := false
	err := db.read(ctx, "SELECT a.id, a.company_id, a.created_at, a.message_id, CASE WHEN "+notShown+` THEN 0 ELSE 1 END FROM attachment a
		WHERE a.blob <> '' AND a.created_at < $1 AND (a.created_at > $2 OR (a.created_at = $2 AND a.id > $3)) ORDER BY a.created_at, a.id LIMIT $4`,
		[]any{millis(before), millis(after.At), int64(after.ID), limit}, func(scan scanFunc) error {
			var f OldFile
			var at, message, shown int64
			err := scan(&f.ID, &f.Company, &at, &message, &shown)
			f.At, f.Needed = moment(at), shown != 0
			uploads = uploads || message == 0
			list = append(list, f)
			return err
		})
	if err != nil || !uploads {
		return list, err
	}
	open, err := db.openFiles(ctx)
	for n := range list {
		list[n].Needed = list[n].Needed || slices.Contains(open, list[n].ID)
	}
	return list, err
}

// openFiles names the files of jobs that have not ended.
func (db *DB) openFiles(ctx context.Context) ([]parley.AttachmentID, error) {
	var ids []parley.AttachmentID
	err := db.read(ctx, "SELECT "+workColumns+workTables+` WHERE j.done_at = 0 AND (m.extra LIKE '%"files"%' OR j.plan LIKE '%"file"%')`, nil,
		func(scan scanFunc) error {
			w, err := scanWork(scan)
			ids = append(ids, w.fileIDs()...)
			return err
		})
	return ids, err
}

// DropFiles says of a company's files that their bytes are deleted, and returns
// the blobs that nothing names any more, for the caller to delete. Files without
// bytes, and pictures that a conversation shows, are passed over. KindConflict:
// another node owns the company.
func (db *DB) DropFiles(ctx context.Context, company parley.CompanyID, grant parley.Grant, ids []parley.AttachmentID) ([]string, error) {
	return txResult(ctx, db, company, func(tx *Tx) ([]string, error) {
		ok, err := tx.fence(grant)
		switch {
		case err != nil:
			return nil, err
		case !ok || grant.Shard != company.Shard():
			return nil, errFenced
		}
		var blobs []string
		err = chunks(ids, func(some []parley.AttachmentID) error {
			dropped, err := tx.dropFiles(company, some)
			blobs = append(blobs, dropped...)
			return err
		})
		return blobs, err
	})
}

func (tx *Tx) dropFiles(company parley.CompanyID, ids []parley.AttachmentID) (blobs []string, err error) {
	args := []any{int64(company)}
	for _, id := range ids {
		args = append(args, int64(id))
	}
	var found []any
	err = tx.Query(`SELECT a.id, a.blob FROM attachment a WHERE a.company_id = $1 AND a.blob <> '' AND a.id IN (`+placeholders(2, len(ids))+") AND "+notShown,
		args, func(scan scanFunc) error {
			var id int64
			var blob string
			err := scan(&id, &blob)
			found, blobs = append(found, id), append(blobs, blob)
			return err
		})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	args = append([]any{string(parley.AttachmentFailed), parley.ReasonFileDeleted}, found...)
	_, err = tx.Exec("UPDATE attachment SET state = $1, reason = $2, blob = '' WHERE id IN ("+placeholders(3, len(found))+")", args...)
	return blobs, err
}
