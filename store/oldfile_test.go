package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// fetched gives the one file that is due its bytes.
func (w *world) fetched(blob string) parley.Attachment {
	w.t.Helper()
	due := w.dueFiles()
	if len(due) != 1 {
		w.t.Fatalf("due files %+v, want one", due)
	}
	if err := w.db.FinishFile(w.t.Context(), &store.FileOutcome{File: &due[0], Grant: w.grant, Result: store.FileFetched, Blob: blob, Size: 1}); err != nil {
		w.t.Fatal(err)
	}
	return due[0]
}

// face gives the conversation a picture, of which the bytes are here.
func (w *world) face(v parley.ConversationID, id string) parley.Attachment {
	w.t.Helper()
	picture := photo(id)
	w.ask(v, &connector.Profile{Name: "Ann", Picture: &picture})
	return w.fetched(id)
}

func (w *world) oldFiles(before time.Time) []store.OldFile {
	w.t.Helper()
	var list []store.OldFile
	for after := (store.FileCursor{}); ; {
		page, err := w.db.OldFiles(w.t.Context(), before, after, 2)
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, page...)
		if len(page) < 2 {
			return list
		}
		after = page[1].Cursor()
	}
}

func (w *world) drop(company parley.CompanyID, ids ...parley.AttachmentID) []string {
	w.t.Helper()
	blobs, err := w.db.DropFiles(w.t.Context(), company, w.grant, ids)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(blobs)
	return blobs
}

// TestOldFiles: files go by age, but for those that somebody still needs; a
// message goes on naming what is deleted.
func TestOldFiles(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v := receive(t, w.db, shows(w.ch, "1", "10", photo("got")))[0].Conversation
		got := w.fetched("got")
		before := w.face(v, "face-1")
		now := w.face(v, "face-2")
		unused, sent := w.upload("unused"), w.upload("sent")
		w.accept(store.Accept{Conversation: v, Text: "see", Files: []parley.Attachment{sent}})
		receive(t, w.db, shows(w.ch, "1", "11", photo("pending"))) // has no bytes to delete
		next := photo("face-3")                                    // known, and not yet shown
		w.ask(v, &connector.Profile{Name: "Ann", Picture: &next})

		if list := w.oldFiles(time.Now().Add(-time.Hour)); len(list) != 0 {
			t.Errorf("young files %+v count as old", list)
		}
		stays, all := map[parley.AttachmentID]bool{}, []parley.AttachmentID{}
		for _, f := range w.oldFiles(time.Now().Add(time.Hour)) {
			stays[f.ID] = f.Needed
			all = append(all, f.ID)
			if f.Company != w.company {
				t.Errorf("file %+v is of another company", f)
			}
		}
		want := map[parley.AttachmentID]bool{got.ID: false, before.ID: false, now.ID: true, unused.ID: false, sent.ID: true}
		if d := cmp.Diff(want, stays); d != "" || !slices.IsSorted(all) {
			t.Errorf("what must stay: %s\norder %v", d, all)
		}
		if blobs := w.drop(w.company, all...); !slices.Equal(blobs, []string{"face-1", "got", "sent", "unused"}) {
			t.Errorf("blobs %q may go; the picture that is shown must not be among them", blobs)
		}
		if blobs := w.drop(w.company, all...); len(blobs) != 0 {
			t.Errorf("blobs %q may go twice", blobs)
		}
		list := w.messages(v)
		if file := list[0].Files[0]; file.ID != got.ID || file.State != parley.AttachmentFailed || file.Reason != parley.ReasonFileDeleted || file.Blob != "" {
			t.Errorf("the message names %+v", file)
		}
		if usable, err := w.db.Files(t.Context(), w.company, []parley.AttachmentID{unused.ID}); err != nil || len(usable) != 0 {
			t.Errorf("a deleted upload can be sent: %+v, %v", usable, err)
		}
		if rest := w.oldFiles(time.Now().Add(time.Hour)); len(rest) != 1 || rest[0].ID != now.ID {
			t.Errorf("left %+v, want the picture that is shown", rest)
		}
	})
}

// TestDropFilesFence: a former owner deletes nothing, and nobody files of others.
func TestDropFilesFence(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		file, old := w.upload("u"), w.grant
		w.own("node-2")
		if _, err := w.db.DropFiles(t.Context(), w.company, old, []parley.AttachmentID{file.ID}); parley.KindOf(err) != parley.KindConflict {
			t.Errorf("under an old term: %v", err)
		}
		other := w.company
		for other.Shard() != w.company.Shard() || other == w.company {
			other++
		}
		if blobs := w.drop(other, file.ID); len(blobs) != 0 {
			t.Errorf("another company's %q", blobs)
		}
		if blobs := w.drop(w.company, file.ID); !slices.Equal(blobs, []string{"u"}) {
			t.Errorf("the owner's %q", blobs)
		}
	})
}

// TestOldFilePlans: files are found by their age and by their blobs, whatever
// else there is.
func TestOldFilePlans(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	watch := store.Watch(db)
	w := newWorld(t, db)
	w.upload("u")
	w.oldFiles(time.Now().Add(time.Hour))
	if _, err := db.NamelessBlobs(t.Context(), []string{"u"}); err != nil {
		t.Fatal(err)
	}
	steps := fmt.Sprint(plans(t, w, watch))
	for _, index := range []string{"attachment_kept", "attachment_blob"} {
		if !strings.Contains(steps, "INDEX "+index) {
			t.Errorf("nothing uses the index %s", index)
		}
	}
}

func TestNamelessBlobs(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		var keys []string
		for n := range 70 { // more than one chunk
			keys = append(keys, fmt.Sprint("none-", n))
		}
		w.upload("a")
		w.upload("b")
		got, err := w.db.NamelessBlobs(t.Context(), append([]string{"a", "b"}, keys...))
		if err != nil || !slices.Equal(got, keys) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// TestBlobsSince: the time of the first start with a store of files stays, until
// a restore, before which there may be blobs that the restored rows do not name.
func TestBlobsSince(t *testing.T) {
	t.Parallel()
	o, c := storetest.SQLite(t), newClock()
	o.Now = c.now
	db := storetest.Open(t, o)
	if _, err := db.BlobsSince(t.Context()); parley.KindOf(err) != parley.KindNotFound {
		t.Errorf("before the first start: %v", err)
	}
	unused := false
	check := func(id string) error {
		return db.CheckBlobs(t.Context(), id, func() (bool, error) { return unused, nil })
	}
	if err := check("one"); parley.KindOf(err) != parley.KindInvalid || !strings.Contains(err.Error(), "of another one") {
		t.Errorf("files of another database: %v", err)
	}
	unused = true
	if err := check("one"); err != nil {
		t.Fatal(err)
	}
	unused = false
	c.add(time.Hour)
	if err := check("one"); err != nil { // in use, and by this database
		t.Error(err)
	}
	c.add(time.Hour)
	if err := check("other"); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("another store of files: %v", err)
	}
	if at, err := db.BlobsSince(t.Context()); err != nil || !at.Equal(when) {
		t.Errorf("since %v, %v; want %v", at, err, when)
	}
	path := filepath.Join(t.TempDir(), "parley.db")
	if _, err := store.Restore(t.Context(), store.RestoreOptions{Source: backup(t, o.Path), Path: path, Keys: o.Keys, Now: c.now}); err != nil {
		t.Fatal(err)
	}
	o.Path = path
	if at, err := storetest.Open(t, o).BlobsSince(t.Context()); err != nil || !at.Equal(when.Add(2*time.Hour)) {
		t.Errorf("restored: since %v, %v", at, err)
	}
}

// TestEachBlob: what rows name is told, all or the newest.
func TestEachBlob(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		names := func(newest int) (keys []string) {
			err := store.EachBlob(t.Context(), o, newest, func(b store.Blob) error {
				keys = append(keys, fmt.Sprint(b.Key, " ", b.Size))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return keys
		}
		if got := names(0); len(got) != 0 {
			t.Errorf("an empty place has %q", got)
		}
		if o.URL == "" {
			if _, err := os.Stat(o.Path); !os.IsNotExist(err) {
				t.Errorf("the database was made: %v", err)
			}
		}
		w := newWorld(t, storetest.Open(t, o))
		const many = 502 // more than a page
		for n := range many {
			w.upload(fmt.Sprint("u", n))
		}
		if got := names(0); len(got) != many || got[0] != "u0 3" || got[many-1] != fmt.Sprintf("u%d 3", many-1) {
			t.Errorf("all: %d, %q", len(got), got[:min(len(got), 3)])
		}
		if got := names(2); !slices.Equal(got, []string{"u501 3", "u500 3"}) {
			t.Errorf("the newest: %q", got)
		}
	})
}

// TestBackupFiles: every blob is told; what was deleted after the copy was made is
// deleted in the copy, and what is lost is counted.
func TestBackupFiles(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	kept, dropped := w.upload("kept"), w.upload("dropped")
	w.upload("lost")
	target := filepath.Join(t.TempDir(), "copy.db")
	var told []string
	b, err := store.Backup(t.Context(), o.Path, target, func(key string, _ int64) (bool, error) {
		if told = append(told, key); len(told) == 1 {
			w.drop(w.company, dropped.ID)
		}
		return key == "kept", nil
	})
	if err != nil || b.Missing != 1 || !slices.Equal(told, []string{"kept", "dropped", "lost"}) {
		t.Errorf("backup %+v, %v of %q", b, err, told)
	}
	told = nil
	at := store.Options{Path: filepath.Join(t.TempDir(), "parley.db"), Keys: o.Keys}
	r, err := store.Restore(t.Context(), store.RestoreOptions{Source: target, Path: at.Path, Keys: at.Keys, File: func(key string, _ int64) (bool, error) {
		told = append(told, key)
		return key == "kept", nil
	}})
	if err != nil || r.Missing != 1 || !slices.Equal(told, []string{"kept", "lost"}) {
		t.Errorf("restore %+v, %v of %q", r, err, told)
	}
	db := storetest.Open(t, at)
	if a, err := db.File(t.Context(), kept.ID); err != nil || a.State != parley.AttachmentReady {
		t.Errorf("kept: %+v, %v", a, err)
	}
	if a, err := db.File(t.Context(), dropped.ID); err != nil || a.State != parley.AttachmentFailed || a.Reason != parley.ReasonFileDeleted {
		t.Errorf("dropped: %+v, %v", a, err)
	}
}

// TestBackupFileFails: no database appears without its files.
func TestBackupFileFails(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	w.upload("u")
	target := filepath.Join(t.TempDir(), "copy.db")
	broken := func(string, int64) (bool, error) { return false, fmt.Errorf("no space") }
	if _, err := store.Backup(t.Context(), o.Path, target, broken); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("backup: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(target)); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
