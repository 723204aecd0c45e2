package janitor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/janitor"
	"github.com/parley-im/parley/store"
)

// A place plays the rows and the blobs of files.
type place struct {
	rows
	files  []store.OldFile
	named  map[string]bool          // blobs that a row names
	ages   map[string]time.Duration // of all blobs
	since  time.Time
	late   string // a blob that gets its row between two looks
	refuse error  // of Delete
	moved  parley.CompanyID
	swept  int
	before time.Time
}

func (p *place) OldFiles(_ context.Context, before time.Time, after store.FileCursor, limit int) ([]store.OldFile, error) {
	p.before = before
	list := slices.DeleteFunc(slices.Clone(p.files), func(f store.OldFile) bool { return f.ID <= after.ID })
	return list[:min(limit, len(list))], nil
}

func key(id parley.AttachmentID) string { return fmt.Sprint("f", int64(id)) }

func (p *place) DropFiles(_ context.Context, company parley.CompanyID, grant parley.Grant, ids []parley.AttachmentID) ([]string, error) {
	if company == p.moved {
		return nil, parley.Errorf(parley.KindConflict, "moved")
	}
	if grant.Shard != company.Shard() {
		return nil, errors.New("the grant of another company")
	}
	var keys []string
	for _, id := range ids {
		keys = append(keys, key(id))
		delete(p.named, key(id))
	}
	p.files = slices.DeleteFunc(p.files, func(f store.OldFile) bool { return slices.Contains(ids, f.ID) })
	return keys, nil
}

func (p *place) NamelessBlobs(_ context.Context, keys []string) ([]string, error) {
	if len(keys) > 500 {
		return nil, errors.New("too many keys at once")
	}
	list := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return p.named[key] })
	if p.late != "" {
		p.named[p.late] = true
	}
	return list, nil
}

func (p *place) BlobsSince(context.Context) (time.Time, error) { return p.since, nil }

func (p *place) Delete(_ context.Context, key string) error {
	if p.refuse != nil {
		return p.refuse
	}
	if p.named[key] {
		return errors.New("a row still names it")
	}
	delete(p.ages, key)
	return nil
}

func (p *place) Walk(_ context.Context, f func(blob.Entry) error) error {
	keys := []string{}
	for key := range p.ages {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := f(blob.Entry{Key: key, ModTime: time.Now().Add(-p.ages[key])}); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) Sweep(_ context.Context, before time.Time) (int, error) {
	p.swept++
	if age := time.Since(before); age < blob.Leftover {
		return 0, fmt.Errorf("uploads of %v ago are not abandoned", age)
	}
	return 0, nil
}

func (p *place) left() []string {
	var keys []string
	for key := range p.ages {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func filesJanitor(p *place, o owned, keep time.Duration, out *bytes.Buffer) *janitor.Janitor {
	return janitor.New(janitor.Config{Store: &p.rows, Grants: o, Log: slog.New(slog.NewTextHandler(out, nil)),
		Keep:  map[store.Kept]time.Duration{store.KeptFiles: keep},
		Files: &janitor.Files{Rows: p, Blobs: p, Ours: func(key string) bool { return key[0] == 'f' }}})
}

// newPlace has n files, one a blob, of the companies 1 and 2 in turns.
func newPlace(n int) *place {
	p := &place{named: map[string]bool{}, ages: map[string]time.Duration{}, since: time.Now().Add(-1000 * time.Hour)}
	for id := parley.AttachmentID(1); int(id) <= n; id++ {
		p.files = append(p.files, store.OldFile{ID: id, Company: parley.CompanyID(2 - id%2), At: time.Now()})
		p.named[key(id)], p.ages[key(id)] = true, time.Hour
	}
	return p
}

// TestOldFiles: files of our companies go, rows before bytes; those that are needed
// and those of others stay.
func TestOldFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(1003) // more than two pages
		p.files[0].Needed = true
		var out bytes.Buffer
		gone, err := filesJanitor(p, owned{1: true}, 3*time.Hour, &out).Clean(t.Context())
		if err != nil || gone[store.KeptFiles] != 501 {
			t.Errorf("%v went, %v; want 501 files", gone, err)
		}
		if age := time.Since(p.before); age < 3*time.Hour || age > 3*time.Hour+time.Minute {
			t.Errorf("old is from %v on", age)
		}
		if left := p.left(); len(left) != 502 || !slices.Contains(left, "f1") || !slices.Contains(left, "f2") || slices.Contains(left, "f3") {
			t.Errorf("%d blobs are left", len(left))
		}
	})
}

// TestFilesForEver: without an age no file goes.
func TestFilesForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(3)
		var out bytes.Buffer
		gone, err := filesJanitor(p, nil, 0, &out).Clean(t.Context())
		if err != nil || len(gone) != 0 || len(p.left()) != 3 || !p.before.IsZero() {
			t.Errorf("%v went, %v", gone, err)
		}
	})
}

// TestFilesMoved: a company that has moved is passed over.
func TestFilesMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(4)
		p.moved = 1
		var out bytes.Buffer
		gone, err := filesJanitor(p, nil, time.Hour, &out).Clean(t.Context())
		if err != nil || gone[store.KeptFiles] != 2 {
			t.Errorf("%v went, %v; want those of company 2", gone, err)
		}
	})
}

// TestFilesFail: a store of files that is away is told, and does not keep rows from
// being cleaned.
func TestFilesFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(2)
		p.refuse = parley.Errorf(parley.KindUnavailable, "the bucket is away")
		var out bytes.Buffer
		_, err := filesJanitor(p, nil, time.Hour, &out).Clean(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the bucket is away") || !slices.Contains(p.log, "shrink") {
			t.Errorf("%v, after %q", err, p.log)
		}
	})
}

// TestOrphans: only blobs of ours go that are two days old, came after the
// database, and that no row names at two looks.
func TestOrphans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(1)
		p.ages["f1"] = 500 * time.Hour
		want := []string{"f-before-us", "f-late", "f-young", "f1", "other"}
		for key, age := range map[string]time.Duration{
			"f-orphan": 49 * time.Hour, "f-young": 47 * time.Hour, "f-before-us": 1001 * time.Hour, "f-late": 49 * time.Hour, "other": 500 * time.Hour,
		} {
			p.ages[key] = age
		}
		for n := range 1200 {
			p.ages[fmt.Sprint("f-many-", n)] = 50 * time.Hour
		}
		p.late = "f-late"
		var out bytes.Buffer
		j := filesJanitor(p, nil, 0, &out)
		gone, err := j.Clean(t.Context())
		if err != nil || gone["orphan_blobs"] != 1201 || p.swept != 1 {
			t.Errorf("%v went, %v; leftovers swept %d times", gone, err, p.swept)
		}
		if d := cmp.Diff(want, p.left()); d != "" {
			t.Error(d)
		}
		<-time.After(23 * time.Hour)
		p.late, p.ages["f-next"] = "", 60*time.Hour
		for _, wait := range []time.Duration{0, 2 * time.Hour} {
			<-time.After(wait)
			if gone, err = j.Clean(t.Context()); err != nil {
				t.Error(err)
			}
			if (gone["orphan_blobs"] > 0) != (wait > 0) {
				t.Errorf("after %v more %v went; want one walk a day", wait, gone)
			}
		}
	})
}

// TestOrphansNotOurs: a node without company 0 leaves blobs alone.
func TestOrphansNotOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(0)
		p.ages["f-orphan"] = 90 * time.Hour
		var out bytes.Buffer
		if _, err := filesJanitor(p, owned{1: true}, 0, &out).Clean(t.Context()); err != nil || len(p.left()) != 1 || p.swept != 0 {
			t.Errorf("left %q, %v", p.left(), err)
		}
	})
}

// TestOrphansAgain: a walk that failed is made again an hour later.
func TestOrphansAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(0)
		p.ages["f-orphan"], p.refuse = 90*time.Hour, parley.Errorf(parley.KindUnavailable, "away")
		var out bytes.Buffer
		j := filesJanitor(p, nil, 0, &out)
		if _, err := j.Clean(t.Context()); err == nil {
			t.Error("no error")
		}
		p.refuse = nil
		if gone, err := j.Clean(t.Context()); err != nil || gone["orphan_blobs"] != 1 {
			t.Errorf("%v went, %v", gone, err)
		}
	})
}
