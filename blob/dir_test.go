package blob_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

func TestOpenRefusesLocation(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "x")
	for _, location := range []string{"", name, filepath.Join(name, "below"), "ftp://host/x", "http://host/bucket", "\x00"} {
		s, err := blob.Open(location, blob.Options{})
		if s != nil || parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("%q: got %v, %v; want kind invalid", location, s, err)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDirectoryIsPrivate: nobody else on the machine reads what customers wrote.
func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "data", "blobs")
	s := place{location: root}.open(t)
	put(t, s, "k", []byte("x"))
	if _, err := s.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.String() != root {
		t.Errorf("called %q, want %q", s, root)
	}
	count := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		count++
		return err
	})
	if err != nil || count != 5 {
		t.Errorf("%d names, %v; want the root, tmp, a shard, the blob and the identity", count, err)
	}
}

// TestCrash takes a picture of the directory in the middle of a Put, as a crash
// would leave it.
func TestCrash(t *testing.T) {
	t.Parallel()
	root, crashed := t.TempDir(), t.TempDir()
	s := place{location: root}.open(t)
	put(t, s, "k", []byte("old"))
	wrote := false
	r := readerFunc(func(p []byte) (int, error) {
		if !wrote {
			wrote = true
			return copy(p, "ne"), nil
		}
		if err := os.CopyFS(crashed, os.DirFS(root)); err != nil {
			t.Error(err)
		}
		return 0, io.EOF
	})
	if _, err := s.Put(t.Context(), "k", r, 10); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", []byte("ne"))
	leftovers := func() int {
		entries, err := os.ReadDir(filepath.Join(crashed, "tmp"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for _, tt := range []struct {
		age  time.Duration
		left int
	}{{0, 1}, {blob.Leftover - time.Minute, 1}, {blob.Leftover + time.Minute, 0}} {
		p := place{location: crashed, options: blob.Options{Now: func() time.Time { return time.Now().Add(tt.age) }}}
		again := p.open(t)
		want(t, again, "k", []byte("old"))
		if diff := cmp.Diff(map[string]int64{"k": 3}, list(t, again)); diff != "" {
			t.Error(diff)
		}
		if got := leftovers(); got != tt.left {
			t.Errorf("%d leftovers after %v, want %d", got, tt.age, tt.left)
		}
	}
}

// TestSyncs: the bytes are durable before their name is, the name before Put
// returns, and the shard's name too.
func TestSyncs(t *testing.T) {
	t.Parallel()
	p := dirPlace(t)
	s := p.open(t)
	name := blob.FileOf(s, "k")
	var log []string
	blob.SetSync(s, func(f *os.File) error {
		data, err := os.ReadFile(f.Name())
		log = append(log, "file "+string(data)+", named "+exists(name))
		return errors.Join(err, f.Sync())
	}, func(dir string) error {
		rel, err := filepath.Rel(p.location, dir)
		if rel != "." {
			rel = "shard"
		}
		log = append(log, rel+" with shard "+exists(filepath.Dir(name))+", blob "+exists(name)+", identity "+exists(filepath.Join(p.location, blob.IDKey)))
		return err
	})
	put(t, s, "k", []byte("one"))
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", []byte("two"))
	if _, err := s.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range log[4:] {
		if strings.HasPrefix(log[4+n], "file ") && !strings.Contains(log[4+n], "two") {
			log[4+n] = "file identity" // its text is random
		}
	}
	wantLog := []string{
		"file one, named false", ". with shard true, blob false, identity false", "shard with shard true, blob true, identity false",
		"file two, named false", "shard with shard true, blob true, identity false",
		"file identity", ". with shard true, blob true, identity true",
	}
	if diff := cmp.Diff(wantLog, log); diff != "" {
		t.Error(diff)
	}
}

func exists(name string) string {
	if _, err := os.Stat(name); err != nil {
		return "false"
	}
	return "true"
}

// TestSyncFails: what the disk has not confirmed is not stored, and a shard whose
// name is not durable is tried again.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	s := dirPlace(t).open(t)
	failing := errors.New("input/output error")
	good := func(*os.File) error { return nil }
	syncs := 0
	for name, sync := range map[string]struct {
		file func(*os.File) error
		dir  func(string) error
	}{
		"file":      {func(*os.File) error { return failing }, func(string) error { return nil }},
		"directory": {good, func(string) error { syncs++; return failing }},
	} {
		blob.SetSync(s, sync.file, sync.dir)
		_, err := s.Put(t.Context(), "k", strings.NewReader("x"), 1)
		wantKind(t, name, err, parley.KindUnavailable, "")
		wantNone(t, s, "k")
	}
	blob.SetSync(s, good, func(string) error { syncs++; return nil })
	put(t, s, "k", []byte("x"))
	if syncs != 3 {
		t.Errorf("%d directories were synced, want the root twice and the shard", syncs)
	}
	wantNothingLeft(t, s)
}

// TestDirectoryGone: where the disk is not mounted, no blob is missing for good,
// and nothing is written to what is below the mount point.
func TestDirectoryGone(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "blobs")
	s := place{location: root}.open(t)
	put(t, s, "k", []byte("x"))
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	_, putErr := s.Put(t.Context(), "k", strings.NewReader("y"), 1)
	_, openErr := s.Open(t.Context(), "k")
	_, idErr := s.ID(t.Context())
	_, sweepErr := s.Sweep(t.Context(), time.Now())
	for what, err := range map[string]error{
		"put": putErr, "open": openErr, "id": idErr, "sweep": sweepErr, "delete": s.Delete(t.Context(), "k"),
		"walk": s.Walk(t.Context(), func(blob.Entry) error { return nil }), "check": s.Check(t.Context()),
	} {
		wantKind(t, what, err, parley.KindUnavailable, "")
	}
	if entries, err := os.ReadDir(root); len(entries) != 0 || err != nil {
		t.Errorf("%v was written, %v", entries, err)
	}
	if err := errors.Join(os.Remove(root), os.Rename(root+".away", root)); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", []byte("x"))
}

// TestFlippedBit: damage on the disk is found by Verify.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	s := dirPlace(t).open(t)
	data := randomBytes(8, 100<<10)
	info := put(t, s, "k", data)
	data[70<<10] ^= 1
	write(t, blob.FileOf(s, "k"), string(data))
	wantKind(t, "verify", blob.Verify(t.Context(), s, "k", info), parley.KindInternal, blob.CodeCorrupt)
}

// TestStrangers: what others put into the directory is neither listed nor read.
func TestStrangers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := place{location: root}.open(t)
	put(t, s, "k", []byte("x"))
	shard := filepath.Dir(blob.FileOf(s, "k"))
	write(t, filepath.Join(root, "readme"), "x")
	write(t, filepath.Join(shard, ".hidden"), "x")
	write(t, filepath.Join(shard, misplaced(s, shard)), "x")
	if err := os.MkdirAll(blob.FileOf(s, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"k": 1}, list(t, s)); diff != "" {
		t.Error(diff)
	}
	_, err := s.Open(t.Context(), "folder")
	wantKind(t, "open a folder", err, parley.KindUnavailable, "")
}

// misplaced returns a key that does not belong into a shard.
func misplaced(s blob.Store, shard string) string {
	key := "m"
	for filepath.Dir(blob.FileOf(s, key)) == shard {
		key += "m"
	}
	return key
}

func TestDamagedID(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", strings.Repeat("0", 31), strings.Repeat("0", 34), strings.Repeat("g", 32)} {
		root := t.TempDir()
		write(t, filepath.Join(root, blob.IDKey), text)
		id, err := place{location: root}.open(t).ID(t.Context())
		if id != "" || parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("%q gives %q, %v; want kind invalid", text, id, err)
		}
	}
}

// FuzzKey: whatever is accepted as a key is stored below the root under that name,
// and nowhere else.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"k", "..", "../../etc/passwd", "a\x00", "tmp", blob.IDKey, "A.b-c_d"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		outside := t.TempDir()
		root := filepath.Join(outside, "blobs")
		s := place{location: root}.open(t)
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), 1); err != nil {
			if parley.KindOf(err) != parley.KindInvalid {
				t.Fatal(err)
			}
			return
		}
		want(t, s, key, []byte("x"))
		files := 0
		err := filepath.WalkDir(outside, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files++
				if filepath.Base(name) != key || filepath.Dir(filepath.Dir(name)) != root {
					t.Errorf("%q is in %s", key, name)
				}
			}
			return err
		})
		if err != nil || files != 1 {
			t.Errorf("%d files, %v", files, err)
		}
	})
}
