package blob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

// copier returns a store with the blobs a and b, an empty one, and a Copier.
func copier(t *testing.T) (from, to blob.Store, c *blob.Copier) {
	t.Helper()
	from, to = dirPlace(t).open(t), dirPlace(t).open(t)
	put(t, from, "a", []byte("first"))
	put(t, from, "b", []byte("second"))
	c, err := blob.NewCopier(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return from, to, c
}

func copied(t *testing.T, c *blob.Copier, key string, size int64, want bool) {
	t.Helper()
	found, err := c.Copy(t.Context(), key, size)
	if err != nil || found != want {
		t.Errorf("copy %s: %v, %v; want %v", key, found, err, want)
	}
}

// TestCopy: what is there with its size is copied, once, and stays when the
// original changes or goes.
func TestCopy(t *testing.T) {
	t.Parallel()
	from, to, c := copier(t)
	copied(t, c, "a", 5, true)
	copied(t, c, "a", 5, true)
	copied(t, c, "none", 5, false)
	copied(t, c, "b", 7, false) // not what was stored
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	linked(t, blob.FileOf(from, "a"), blob.FileOf(to, "a"))
	put(t, from, "a", []byte("other bytes"))
	want(t, to, "a", []byte("first"))
	if err := from.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	copied(t, c, "a", 5, true) // the target has it
	if d := cmp.Diff(map[string]int64{"a": 5}, list(t, to)); d != "" {
		t.Error(d)
	}
	if one, other := id(t, from), id(t, to); one != other {
		t.Errorf("identities %s and %s", one, other)
	}
}

func linked(t *testing.T, one, other string) {
	t.Helper()
	a, err := os.Stat(one)
	b, err2 := os.Stat(other)
	if errors.Join(err, err2) != nil || !os.SameFile(a, b) {
		t.Errorf("%s and %s are not one file: %v, %v", one, other, err, err2)
	}
}

func id(t *testing.T, s blob.Store) string {
	t.Helper()
	id, err := s.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestCopyReplaces: where a link cannot be made bytes are copied, here because
// a damaged file is in the way.
func TestCopyReplaces(t *testing.T) {
	t.Parallel()
	from, to, c := copier(t)
	put(t, to, "a", []byte("half"))
	copied(t, c, "a", 5, true)
	want(t, to, "a", []byte("first"))
	put(t, from, "a", []byte("later"))
	want(t, to, "a", []byte("first"))
}

func TestCopierRefuses(t *testing.T) {
	t.Parallel()
	from, to := dirPlace(t).open(t), dirPlace(t).open(t)
	id(t, to)
	_, err := blob.NewCopier(t.Context(), from, to)
	wantKind(t, "another identity", err, parley.KindConflict, "")
	bucket, err := blob.Open("s3://bucket?endpoint=http://127.0.0.1:1", blob.Options{AccessKey: "a", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = blob.NewCopier(t.Context(), bucket, to)
	wantKind(t, "from a bucket", err, parley.KindUnsupported, "")
	_, err = blob.NewCopier(t.Context(), from, bucket)
	wantKind(t, "to a bucket", err, parley.KindUnsupported, "")
}

// TestCopyFails: a target that cannot be written is an error, and no blob that is
// missing.
func TestCopyFails(t *testing.T) {
	t.Parallel()
	_, to, c := copier(t)
	blob.SetSync(to, nil, func(string) error { return errors.New("no disk") })
	if found, err := c.Copy(t.Context(), "a", 5); found || parley.KindOf(err) != parley.KindUnavailable {
		t.Errorf("got %v, %v", found, err)
	}
}

// TestIdentity: it is read, and never made.
func TestIdentity(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		_, err := blob.Identity(t.Context(), s)
		wantKind(t, "no identity", err, parley.KindNotFound, "")
		made := id(t, s)
		if got, err := blob.Identity(t.Context(), s); err != nil || got != made {
			t.Errorf("got %q, %v; want %q", got, err, made)
		}
	})
}

func TestHas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		put(t, s, "k", bytes.Repeat([]byte("x"), 9))
		for key, tt := range map[string]struct {
			size int64
			want bool
		}{"k": {9, true}, "none": {9, false}} {
			if got, err := blob.Has(t.Context(), s, key, tt.size); err != nil || got != tt.want {
				t.Errorf("%s: %v, %v", key, got, err)
			}
		}
		if got, err := blob.Has(t.Context(), s, "k", 10); err != nil || got {
			t.Errorf("another size: %v, %v", got, err)
		}
	})
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{"/a/b": "/a/b", "blobs": "blobs", "s3://b?endpoint=x": "", "": ""} {
		if got, ok := blob.Directory(location); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", location, got, ok)
		}
	}
	if p, _ := blob.Directory(filepath.Join("a", "b")); strings.Contains(p, "://") {
		t.Errorf("got %q", p)
	}
}
