package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/store"
)

// Times of looking for blobs that nobody names.
const (
	orphansEvery = 24 * time.Hour // a walk over all blobs
	orphanAge    = 48 * time.Hour // of a blob whose row may still come: a fetch takes minutes
	// secondLook is how long after the first look the rows are asked again: longer
	// than the pauses between tries to store an outcome.
	secondLook = 30 * time.Second
	orphanPage = 500 // keys asked for at once
)

// orphans are blobs that no row names. They are no rows, but are counted with them.
const orphans store.Kept = "orphan_blobs"

// fileRows is what a janitor needs of the store for files.
type fileRows interface {
	OldFiles(ctx context.Context, before time.Time, after store.FileCursor, limit int) ([]store.OldFile, error)
	DropFiles(ctx context.Context, company parley.CompanyID, grant parley.Grant, ids []parley.AttachmentID) ([]string, error)
	NamelessBlobs(ctx context.Context, keys []string) ([]string, error)
	BlobsSince(ctx context.Context) (time.Time, error)
}

// blobs is what a janitor needs of the store of files.
type blobs interface {
	Delete(ctx context.Context, key string) error
	Walk(ctx context.Context, f func(blob.Entry) error) error
	Sweep(ctx context.Context, before time.Time) (int, error)
}

// Files says where files are.
type Files struct {
	Rows  fileRows
	Blobs blobs
	Ours  func(key string) bool // whether the gateway makes such keys; others are left alone
}

// files deletes the bytes of files that are too old. What goes wrong does not end
// the run: a blob that is left behind is found as an orphan.
func (r *run) files(ctx context.Context) error {
	before := r.before[store.KeptFiles]
	if r.cfg.Files == nil || before.IsZero() {
		return nil
	}
	for after := (store.FileCursor{}); ; {
		list, err := r.cfg.Files.Rows.OldFiles(ctx, before, after, store.CleanBatch)
		if err != nil {
			return r.note(ctx, "look for old files", err)
		}
		for company, ids := range byCompany(list) {
			if err := r.drop(ctx, company, ids); err != nil {
				return r.note(ctx, "delete old files", err)
			}
		}
		if len(list) < store.CleanBatch {
			return nil
		}
		after = list[len(list)-1].Cursor()
	}
}

// byCompany sorts out the files that nobody needs.
func byCompany(list []store.OldFile) map[parley.CompanyID][]parley.AttachmentID {
	ids := map[parley.CompanyID][]parley.AttachmentID{}
	for _, f := range list {
		if !f.Needed {
			ids[f.Company] = append(ids[f.Company], f.ID)
		}
	}
	return ids
}

// drop deletes files of a company, if it is ours: the rows forget the bytes, then
// the bytes go.
func (r *run) drop(ctx context.Context, company parley.CompanyID, ids []parley.AttachmentID) error {
	grant, ours := r.cfg.Grants.Grant(company)
	if !ours {
		return nil
	}
	begun := time.Now()
	keys, err := r.cfg.Files.Rows.DropFiles(ctx, company, grant, ids)
	if parley.KindOf(err) == parley.KindConflict {
		return nil // the company has moved: its new owner cleans it
	}
	if err != nil {
		return err
	}
	r.gone[store.KeptFiles] += int64(len(keys))
	pause(ctx, restAfter(time.Since(begun)))
	for _, key := range keys {
		if err := r.cfg.Files.Blobs.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// note keeps an error for the report. Only the end of ctx ends the run.
func (r *run) note(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.failed = append(r.failed, fmt.Errorf("%s: %w", what, err))
	return nil
}

// orphans deletes blobs that no row names, and what interrupted uploads have left,
// once a day and on one node. Blobs from before this database had this store of
// files stay: their rows may be in another copy of the database.
func (j *Janitor) orphans(ctx context.Context, r *run) error {
	if _, ours := j.cfg.Grants.Grant(0); j.cfg.Files == nil || !ours || j.cfg.Now().Sub(j.swept) < orphansEvery {
		return nil
	}
	if err := r.sweep(ctx); err != nil {
		return r.note(ctx, "look for files that nobody names", err)
	}
	j.swept = j.cfg.Now()
	return nil
}

func (r *run) sweep(ctx context.Context) error {
	f, now := r.cfg.Files, r.cfg.Now()
	since, err := f.Rows.BlobsSince(ctx)
	if err != nil {
		return err
	}
	if _, err := f.Blobs.Sweep(ctx, now.Add(-blob.Leftover)); err != nil {
		return err
	}
	var keys []string
	err = f.Blobs.Walk(ctx, func(e blob.Entry) error {
		if !f.Ours(e.Key) || e.ModTime.After(now.Add(-orphanAge)) || e.ModTime.Before(since) {
			return nil
		}
		if keys = append(keys, e.Key); len(keys) < orphanPage {
			return nil
		}
		err := r.settle(ctx, keys)
		keys = nil
		return err
	})
	if err != nil {
		return err
	}
	return r.settle(ctx, keys)
}

// settle deletes those of the blobs that no row names, now and a while later. A
// row may come late: after the database was away, its writers try again within
// seconds.
func (r *run) settle(ctx context.Context, keys []string) error {
	for _, wait := range []time.Duration{rest, secondLook} {
		if len(keys) == 0 {
			return nil
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		var err error
		if keys, err = r.cfg.Files.Rows.NamelessBlobs(ctx, keys); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if err := r.cfg.Files.Blobs.Delete(ctx, key); err != nil {
			return err
		}
		r.gone[orphans]++
	}
	return nil
}
