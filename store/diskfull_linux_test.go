package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestDiskFull fills a small file system to the last byte: writes fail as
// unavailable, at whatever statement; with space again nothing is missing, and no
// id is given out twice, also not after a restart.
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
	o := store.Options{Path: filepath.Join(dir, "parley.db"), Keys: storetest.Keys(t, t.TempDir())}
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db)
	conv := w.talk("1")
	ballast := filepath.Join(dir, "ballast")
	stored := []string{"hello:1"}
	for round := range 40 {
		eat(t, ballast)
		for n := 0; ; n++ { // the log's file still has pages to write over, so it takes a while
			text := fmt.Sprint(round, "-", n, "-", strings.Repeat("y", 300*(round%5)))
			_, errs := db.Receive(t.Context(), says(w.ch, "1", fmt.Sprint(round, "-", n), text))
			if errs[0] != nil {
				wantKind(t, "full", errs[0], parley.KindUnavailable)
				break
			}
			stored = append(stored, text+":1")
			if n > 500 {
				t.Fatal("the disk does not get full")
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		store.Checkpoint(db)
		text := fmt.Sprint("after ", round)
		receive(t, db, says(w.ch, "1", text, text))
		stored = append(stored, text+":1")
		if len(strings.Join(stored, "")) > 200<<10 {
			break
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w.db = storetest.Open(t, o)
	receive(t, w.db, says(w.ch, "1", "last", "last"))
	if got, want := w.texts(conv), strings.Join(append(stored, "last:1"), " "); got != want {
		t.Errorf("%d bytes are stored, want %d: something is missing or twice", len(got), len(want))
	}
	w.log() // fails if a number is missing
}

// eat writes a file until the disk is full.
func eat(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}
