package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// TestDiskFull has no room for files: an upload is refused for now and leaves
// nothing, what was received waits, and once there is room both go on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newCloudStage(t, "", false, func(c *config) { c.Blobs = filepath.Join(dir, "blobs") })
	conversation := s.meet("ann", "hello")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	file := bytes.Repeat([]byte("0123456789abcdef"), 2<<20/16)
	large := func() sending {
		return sending{name: "a.bin", mime: "application/octet-stream", body: bytes.NewReader(file)}
	}
	if r := s.upload(conversation, large()); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), dir) {
		t.Errorf("answered %d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.body)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	s.tell(content(telegramsim.Content{Kind: "document", Data: file}))
	a := attachments(t, s.crm.data(s.heard("message/new")), 1)[0]
	s.logs.await(t, 0, "the blob store fails")
	if got := s.download(a["attachment_url"].(string)); got.status != http.StatusServiceUnavailable {
		t.Errorf("meanwhile: %d %s", got.status, got.body)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.fileEvent("ready", id(a["external_id"]))
	if got := s.download(a["attachment_url"].(string)); got.status != http.StatusOK || sum(got.body) != sum(file) {
		t.Errorf("file: %d, %d bytes", got.status, len(got.body))
	}
	s.uploaded(conversation, sending{name: "a.txt", mime: "text/plain", body: strings.NewReader("a file")})
}
