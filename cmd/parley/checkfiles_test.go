package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/blob"
)

// TestCheckFiles: each thing that can be wrong with the files is told.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, s *stage, c *config, files blob.Store, a parley.Attachment)
		grade grade
		says  string
	}{
		{"nothing", func(*testing.T, *stage, *config, blob.Store, parley.Attachment) {}, gradeOK, "the bytes of the 1 newest files"},
		{"a lost file", func(t *testing.T, _ *stage, _ *config, files blob.Store, a parley.Attachment) {
			if err := files.Delete(t.Context(), a.Blob); err != nil {
				t.Fatal(err)
			}
		}, gradeFail, "1 of the 1 newest files"},
		{"a short file", func(t *testing.T, _ *stage, _ *config, files blob.Store, a parley.Attachment) {
			if _, err := files.Put(t.Context(), a.Blob, strings.NewReader("x"), 10); err != nil {
				t.Fatal(err)
			}
		}, gradeFail, "missing or damaged"},
		{"a directory that is not there", func(_ *testing.T, _ *stage, c *config, _ blob.Store, _ parley.Attachment) {
			c.Blobs = filepath.Join(c.Data, "none")
		}, gradeFail, "mount it"},
		{"an empty directory", func(t *testing.T, _ *stage, c *config, _ blob.Store, _ parley.Attachment) {
			c.Blobs = t.TempDir()
		}, gradeFail, "is empty"},
		{"files of another", func(t *testing.T, _ *stage, c *config, _ blob.Store, _ parley.Attachment) {
			c.Blobs = t.TempDir()
			other, err := blob.Open(c.Blobs, blob.Options{})
			if err == nil {
				_, err = other.ID(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}, gradeFail, "of another database"},
		{"a store that does not work", func(t *testing.T, _ *stage, c *config, files blob.Store, _ parley.Attachment) {
			tmp := filepath.Join(files.String(), "tmp")
			for _, step := range []error{os.Remove(tmp), os.WriteFile(tmp, nil, 0o600)} {
				if step != nil {
					t.Fatal(step)
				}
			}
		}, gradeFail, "cannot be used"},
		{"a bucket that does not answer", func(_ *testing.T, _ *stage, c *config, _ blob.Store, _ parley.Attachment) {
			c.Blobs, c.BucketAccessKey, c.BucketSecretKey = "s3://files?endpoint=http://127.0.0.1:1", "a", "s"
		}, gradeFail, "keys and rights"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, a := withUpload(t, "some bytes")
			s.stop()
			c := s.config()
			tt.spoil(t, s, c, s.gateway.blobs, a)
			printed, err := checked(t, c, false)
			wantLine(t, printed, tt.grade, "files", tt.says)
			if (err != nil) != (tt.grade == gradeFail) {
				t.Errorf("error %v of\n%s", err, printed)
			}
		})
	}
}

// TestCheckAllFiles: a file that was lost long ago is found by looking at all.
func TestCheckAllFiles(t *testing.T) {
	t.Parallel()
	s, lost := withUpload(t, "some bytes")
	for range sampleFiles {
		q := attachment.UploadRequest{Company: parley.CompanyID(s.company), Channel: parley.ChannelID(s.channel)}
		if _, err := s.gateway.files.Upload(t.Context(), q, strings.NewReader("later")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.gateway.blobs.Delete(t.Context(), lost.Blob); err != nil {
		t.Fatal(err)
	}
	for all, want := range map[bool]string{false: "the bytes of the 200 newest files", true: "1 of the 201 files"} {
		out := newJournal()
		err := (&checkCommand{config: *s.config(), Offline: true, AllFiles: all}).Run(t.Context(), console{out, out})
		if (err != nil) != all || !strings.Contains(out.String(), want) {
			t.Errorf("all %v: %v\n%s", all, err, out)
		}
	}
}

// TestCheckDamagedFile: a bit that has turned over is found by looking at all.
func TestCheckDamagedFile(t *testing.T) {
	t.Parallel()
	s, a := withUpload(t, "some bytes")
	if _, err := s.gateway.blobs.Put(t.Context(), a.Blob, strings.NewReader("some bytfs"), 10); err != nil {
		t.Fatal(err)
	}
	for all, want := range map[bool]string{false: "the bytes of the 1 newest files", true: "1 of the 1 files are missing or damaged"} {
		out := newJournal()
		err := (&checkCommand{config: *s.config(), Offline: true, AllFiles: all}).Run(t.Context(), console{out, out})
		if (err != nil) != all || !strings.Contains(out.String(), want) {
			t.Errorf("all %v: %v\n%s", all, err, out)
		}
	}
}

// TestCheckBucketOffline: nobody is called.
func TestCheckBucketOffline(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", nil)
	c := s.config()
	c.Blobs = "s3://files?endpoint=http://127.0.0.1:1"
	printed, err := checked(t, c, true)
	wantLine(t, printed, gradeOK, "files", "--offline")
	if err != nil {
		t.Errorf("%v\n%s", err, printed)
	}
}

// TestKeepFiles: an old file goes, its address says so, and what comes later is
// kept.
func TestKeepFiles(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		a, err := s.gateway.files.Upload(t.Context(), attachment.UploadRequest{Company: parley.CompanyID(s.company), Channel: parley.ChannelID(s.channel)},
			strings.NewReader("old"))
		if err != nil {
			t.Fatal(err)
		}
		if a, err = s.gateway.db.File(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.tune = func(c *config) { c.KeepFiles, c.cleanAfter = time.Millisecond, time.Millisecond }
		behind := s.logs.lines.Total()
		s.start()
		s.logs.await(t, behind, `msg="cleaned up" files=1`)
		if ok, err := blob.Has(t.Context(), s.gateway.blobs, a.Blob, a.Size); ok || err != nil {
			t.Errorf("the bytes are there: %v, %v", ok, err)
		}
		got := s.download(s.public() + a.Path())
		if got.status != 410 || !strings.Contains(string(got.body), "The file was deleted") {
			t.Errorf("its address answers %d %s", got.status, got.body)
		}
	})
}
