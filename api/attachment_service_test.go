package api

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestUploadService uploads into the service that keeps files in earnest: what is
// whole can be sent, and of what is not no bytes are left.
func TestUploadService(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		blobs, err := blob.Open(t.TempDir(), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		targets, err := fetch.New(fetch.Options{Name: "file_url", AllowLoopback: true})
		if err != nil {
			t.Fatal(err)
		}
		n := newGateway(t, db, func(c *Config) {
			c.Files = attachment.New(attachment.Config{Store: db, Blobs: blobs, Targets: targets, Log: slog.New(slog.DiscardHandler), MaxSize: 1 << 10})
		}).full(t)

		body := multipartOf(part{"file", "../a.ogg", "audio/ogg", "OggS"}, part{field: "push_to_talk", content: "1"})
		for _, cut := range []int{len(body) / 2, len(body) - 4} {
			w := httptest.NewRecorder()
			n.serve(uploadPath, bytes.NewReader(body[:cut]), w)
			read(w).expect(t, "400")
		}
		n.upload(t, part{"file", "a", "", "x"}, part{field: "push_to_talk", content: "maybe"}).expect(t, "400 push_to_talk")
		n.upload(t, part{"file", "a", "", ""}).expect(t, "400 file empty")
		n.upload(t, part{"file", "a", "", string(make([]byte, 1<<10+1))}).expect(t, "400 file 1")
		for path, want := range map[string]string{"/missing": "400 file_url 404", "/empty": "400 file empty", "/large": "400 file"} {
			n.post(t, uploadPath, "file_url="+fileServer(t)+path).expect(t, want)
		}
		if n := blobCount(t, blobs); n != 0 {
			t.Errorf("%d blobs of uploads that were refused", n)
		}

		w := httptest.NewRecorder()
		n.serve(uploadPath, bytes.NewReader(body), w)
		n.ids["F"] = read(w).expect(t, "ok").id(t)
		n.ids["U"] = n.post(t, uploadPath, "file_url="+fileServer(t)+"/a.png").expect(t, "ok").id(t)
		if n := blobCount(t, blobs); n != 2 {
			t.Errorf("%d blobs, want 2", n)
		}
		a, err := db.File(context.Background(), parley.AttachmentID(n.ids["F"]))
		if err != nil || a.Name != "a.ogg" || a.Kind != parley.FileVoice || a.Size != 4 || a.State != parley.AttachmentReady {
			t.Errorf("got %+v, %v", a, err)
		}
		n.post(t, messagesPath, "attachments_ids={F}").expect(t, "ok")
		n.post(t, messagesPath, "attachments_ids={U}").expect(t, "ok")
	})
}

func blobCount(t *testing.T, blobs blob.Store) (count int) {
	t.Helper()
	err := blobs.Walk(context.Background(), func(blob.Entry) error {
		count++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
