package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/store"
)

// keepUploading uploads until stop is closed, and counts.
func (s *stage) keepUploading(stop <-chan struct{}, done *atomic.Int64) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		q := attachment.UploadRequest{Company: parley.CompanyID(s.company), Channel: parley.ChannelID(s.channel), Name: "a.txt"}
		if _, err := s.gateway.files.Upload(s.t.Context(), q, strings.NewReader(fmt.Sprint("upload ", n))); err != nil {
			s.t.Error(err)
			return
		}
		done.Add(1)
	}
}

// keepShowing lets Ann send photos, one after the other is fetched, until stop is
// closed, and counts.
func (s *stage) keepShowing(stop <-chan struct{}, done *atomic.Int64) {
	for n := 0; ; n++ {
		seen := s.logs.lines.Total()
		line := telegramsim.Line{Person: "ann", Text: fmt.Sprint("photo ", n), Content: []telegramsim.Content{{Kind: "photo"}}}
		if _, err := s.tg.Say(line); err != nil {
			s.t.Error(err)
			return
		}
		for len(s.logs.lines.After(seen, 1, func(line string) bool { return strings.Contains(line, "result=fetched") })) == 0 {
			select {
			case <-stop:
				return
			case <-s.logs.lines.Grown(s.logs.lines.Total()):
			}
		}
		done.Add(1)
	}
}

// named returns the blobs that a database names.
func named(t *testing.T, file string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := store.EachBlob(t.Context(), store.Options{Path: file}, 0, func(b store.Blob) error {
		sizes[b.Key] = b.Size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestBackupFilesUnderLoad: while files come from customers and from messengers,
// and old ones are deleted, a backup has the bytes of every file that its rows have,
// and so has what is restored from it.
func TestBackupFilesUnderLoad(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", true, nil)
	s.meet("ann", "hello")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var uploads, shown atomic.Int64
	wg.Go(func() { s.keepUploading(stop, &uploads) })
	wg.Go(func() { s.keepShowing(stop, &shown) })
	poll(t, "files of both kinds are there", func() bool { return uploads.Load() >= 20 && shown.Load() >= 3 })

	before := uploads.Load()
	target := filepath.Join(t.TempDir(), "backup.db")
	out := s.cli("backup", target)
	first := s.oldest()
	poll(t, "more came", func() bool { return uploads.Load() > before })
	close(stop)
	wg.Wait()
	s.forget(first) // what goes from the gateway stays in the backup

	sizes := named(t, target)
	if int64(len(sizes)) < before || !strings.Contains(out, fmt.Sprintf("files: %d, ", len(sizes))) || !strings.Contains(out, target+".files") {
		t.Errorf("%d blobs are named after %d uploads; printed\n%s", len(sizes), before, out)
	}
	s.hasAll(target+".files", sizes)
	if out := s.moved(target); !strings.Contains(out, fmt.Sprintf("files: %d, ", len(sizes))) {
		t.Errorf("restore printed %s", out)
	}
	s.hasAll(filepath.Join(s.place.Data, "blobs"), named(t, s.place.file()))
	s.start()
	if r, err := s.gateway.blobs.Open(t.Context(), first.Blob); err != nil {
		t.Errorf("the oldest file: %v", err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// oldest returns the oldest file that may go.
func (s *stage) oldest() parley.Attachment {
	s.t.Helper()
	list, err := s.gateway.db.OldFiles(s.t.Context(), time.Now().Add(time.Hour), store.FileCursor{}, 1)
	if err != nil || len(list) != 1 {
		s.t.Fatalf("old files: %v, %v", list, err)
	}
	a, err := s.gateway.db.File(s.t.Context(), list[0].ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// forget deletes a file as the janitor does.
func (s *stage) forget(a parley.Attachment) {
	s.t.Helper()
	grant, _ := s.gateway.lease.Grant(a.Company)
	keys, err := s.gateway.db.DropFiles(s.t.Context(), a.Company, grant, []parley.AttachmentID{a.ID})
	if err != nil || len(keys) != 1 {
		s.t.Fatalf("dropped %q, %v", keys, err)
	}
	if err := s.gateway.blobs.Delete(s.t.Context(), keys[0]); err != nil {
		s.t.Fatal(err)
	}
}

// hasAll checks that a directory has blobs of these sizes, and only such.
func (s *stage) hasAll(directory string, sizes map[string]int64) {
	s.t.Helper()
	b, err := blob.Open(directory, blob.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	for key, size := range sizes {
		if ok, err := blob.Has(s.t.Context(), b, key, size); !ok || err != nil {
			s.t.Errorf("%s in %s: %v, %v", key, directory, ok, err)
		}
	}
	if err := b.Walk(s.t.Context(), func(e blob.Entry) error {
		if _, ok := sizes[e.Key]; !ok {
			s.t.Errorf("%s has %s, which nothing names", directory, e.Key)
		}
		return nil
	}); err != nil {
		s.t.Error(err)
	}
}

// withUpload is a stage whose gateway has one file.
func withUpload(t *testing.T, text string) (*stage, parley.Attachment) {
	t.Helper()
	s := newStage(t, "", nil)
	a, err := s.gateway.files.Upload(t.Context(), attachment.UploadRequest{Company: parley.CompanyID(s.company), Channel: parley.ChannelID(s.channel)},
		bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

// TestBackupBucket: a bucket is not copied, which is said.
func TestBackupBucket(t *testing.T) {
	t.Parallel()
	s, _ := withUpload(t, "x")
	target := filepath.Join(t.TempDir(), "backup.db")
	bucket := "s3://files/parley?endpoint=https://127.0.0.1:1&region=x"
	if out := s.cli("backup", target, "--blobs", bucket); !strings.Contains(out, "files: 1, not copied; they are in s3://files/parley, and") {
		t.Errorf("printed %s", out)
	}
	if _, err := os.Stat(target + ".files"); !os.IsNotExist(err) {
		t.Errorf("a directory for files: %v", err)
	}
	s.stop()
	fresh := place{Data: t.TempDir()}
	keys, err := os.ReadFile(s.place.keyset())
	if err == nil {
		err = os.WriteFile(fresh.keyset(), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := cliOn(fresh, "restore", target, "--blobs", bucket); code != 0 || !strings.Contains(out, "s3://files/parley") {
		t.Errorf("restore: exit code %d\n%s%s", code, out, errs)
	}
}

// TestBackupLostFile: what is lost is told, and does not keep the rest from being
// backed up.
func TestBackupLostFile(t *testing.T) {
	t.Parallel()
	s, a := withUpload(t, "to be lost")
	if err := s.gateway.blobs.Delete(t.Context(), a.Blob); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "backup.db")
	code, out, errs := cliOn(s.place, "backup", target)
	if code != 0 || !strings.Contains(errs, "warning: 1 files") || !strings.Contains(out, "files: none") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// TestRestoreOverOtherFiles: files of one installation are not mixed with those of
// another.
func TestRestoreOverOtherFiles(t *testing.T) {
	t.Parallel()
	s, _ := withUpload(t, "x")
	dir := t.TempDir()
	target := filepath.Join(dir, "backup.db")
	s.cli("backup", target)
	if got := refused(t, s.place, "backup", filepath.Join(dir, "backup.db")); !strings.Contains(got, "exists already") {
		t.Errorf("over a backup's files: %s", got)
	}
	other, err := blob.Open(filepath.Join(dir, "other"), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := os.Remove(s.place.file()); err != nil {
		t.Fatal(err)
	}
	if got := refused(t, s.place, "restore", target, "--blobs", filepath.Join(dir, "other")); !strings.Contains(got, "of another installation") {
		t.Errorf("over files of another: %s", got)
	}
	if _, err := os.Stat(s.place.file()); !os.IsNotExist(err) {
		t.Errorf("a database was made: %v", err)
	}
}

// TestStartOnOtherFiles: a database that has no files yet does not take over those
// of another one, which it would delete as orphans.
func TestStartOnOtherFiles(t *testing.T) {
	t.Parallel()
	s, _ := withUpload(t, "x")
	s.stop()
	c := s.config()
	c.Blobs = filepath.Join(s.place.Data, "blobs")
	c.Data = t.TempDir()
	if _, err := newGateway(t.Context(), c, c.logger(newJournal())); err == nil || !strings.Contains(err.Error(), "files of another one") {
		t.Errorf("started on the files of another database: %v", err)
	}
}
