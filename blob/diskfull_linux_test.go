package blob_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

// TestDiskFull fills a small file system in the middle of a Put: it says so, what
// was there stays, and the space comes back.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := place{location: filepath.Join(dir, "blobs")}.open(t)
	put(t, s, "old", randomBytes(1, 1<<20))
	for _, key := range []string{"old", "new"} {
		info, err := s.Put(t.Context(), key, random(2, 3<<20), 4<<20)
		wantKind(t, "put", err, parley.KindUnavailable, blob.CodeDiskFull)
		if info != (blob.Info{}) || strings.Contains(parley.Reason(err), dir) {
			t.Errorf("got %v, %q", info, parley.Reason(err))
		}
	}
	want(t, s, "old", randomBytes(1, 1<<20))
	wantNone(t, s, "new")
	wantNothingLeft(t, s)
	if err := s.Delete(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "new", randomBytes(3, 3<<19))
}
