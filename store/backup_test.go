package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// backedUp makes a world on SQLite and returns how it was opened.
func backedUp(t *testing.T) (*world, store.Options) {
	t.Helper()
	o := storetest.SQLite(t)
	return newWorld(t, storetest.Open(t, o)), o
}

func restore(t *testing.T, o store.Options, source string) (store.Restored, store.Options) {
	t.Helper()
	at := store.Options{Path: filepath.Join(t.TempDir(), "parley.db"), Keys: o.Keys}
	r, err := store.Restore(t.Context(), store.RestoreOptions{Source: source, Path: at.Path, Keys: at.Keys})
	if err != nil {
		t.Fatal(err)
	}
	wantAlone(t, at.Path)
	return r, at
}

// wantAlone checks that nothing else is left in a file's directory, and that
// only its owner can read it.
func wantAlone(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want %s alone", entries, err, filepath.Base(file))
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func backup(t *testing.T, path string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "copy.db")
	b, err := store.Backup(t.Context(), path, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(target); err != nil || info.Size() != b.Size || b.Size == 0 {
		t.Errorf("the backup has %v, %v; want %d bytes", info, err, b.Size)
	}
	wantAlone(t, target)
	return target
}

// TestBackupUnderLoad: what was stored before the backup began is in it, whatever
// is stored meanwhile, and nothing is in it by halves.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	const writers = 4
	var stored [writers]atomic.Int64
	warm := make(chan struct{})
	var once sync.Once
	stop := make(chan struct{})
	var wg sync.WaitGroup
	id := func(writer int, n int64) *store.Receive {
		person := fmt.Sprint("p", writer)
		return says(w.ch, person, fmt.Sprint(person, "-", n), strings.Repeat("text ", 200))
	}
	for writer := range writers {
		wg.Go(func() {
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, errs := w.db.Receive(t.Context(), id(writer, n)); errors.Join(errs...) != nil {
					t.Error(errs)
					return
				}
				if stored[writer].Store(n + 1); n == 50 {
					once.Do(func() { close(warm) })
				}
			}
		})
	}
	<-warm
	var before, during [writers]int64
	for n := range before {
		before[n] = stored[n].Load()
	}
	copied := backup(t, o.Path)
	for n := range during {
		during[n] = stored[n].Load()
	}
	close(stop)
	wg.Wait()
	if during == before {
		t.Error("nothing was received during the backup: the test shows nothing")
	}
	_, at := restore(t, o, copied)
	db := storetest.Open(t, at)
	for writer, n := range before {
		for i := range n {
			if got := receive(t, db, id(writer, i))[0]; !got.Duplicate {
				t.Fatalf("message %d of writer %d was stored before the backup, and is not in it", i, writer)
			}
		}
	}
	last, err := db.LastSeq(t.Context(), w.company)
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.EventsAfter(t.Context(), w.company, 0, 1<<20, 0)
	if err != nil || int64(len(events)) != last {
		t.Errorf("%d events, %v; the log counts %d", len(events), err, last)
	}
}

// TestRestoreIsAnother: a restored database has a new epoch each time, goes on
// with ids of its own, keeps its secrets, and leaves the backup as it was.
func TestRestoreIsAnother(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	conversation := w.talk("ann")
	copied := backup(t, o.Path)
	whole, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	lost := w.say(conversation, "after the backup")
	r, at := restore(t, o, copied)
	if now := time.Now().Unix(); r.Epoch <= w.db.Epoch() || r.Epoch < now-60 || r.Epoch > now+60 || r.Jobs != 0 {
		t.Errorf("restored: %+v", r)
	}
	if after, err := os.ReadFile(copied); err != nil || !bytes.Equal(after, whole) {
		t.Errorf("the backup was changed: %v", err)
	}
	db := storetest.Open(t, at)
	if db.Epoch() != r.Epoch {
		t.Errorf("epoch %d, want %d", db.Epoch(), r.Epoch)
	}
	if held, err := db.JobsHeld(t.Context()); held || err != nil {
		t.Errorf("without open jobs: held %v, %v", held, err)
	}
	ch, err := db.Channel(t.Context(), w.ch.ID)
	if err != nil || ch.Secrets["token"].Reveal() != w.ch.Secrets["token"].Reveal() {
		t.Errorf("the channel's secrets: %v", err)
	}
	again := &world{t: t, db: db, user: w.user, company: w.company, ch: ch}
	if job := again.say(conversation, "after the restore"); job.ID < lost.ID+1_000_000 {
		t.Errorf("job %d after the restore; %d was given out before", job.ID, lost.ID)
	}
	second, _ := restore(t, o, backup(t, at.Path))
	if second.Epoch <= r.Epoch || second.Jobs != 1 {
		t.Errorf("restored again: %+v after %+v", second, r)
	}
}

// TestHeldJobs: open jobs are held until they are released or failed; what was
// accepted since is not failed.
func TestHeldJobs(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	ann, bo := w.talk("ann"), w.talk("bo")
	first, second := w.say(ann, "one"), w.say(ann, "two")
	sending := w.say(bo, "three")
	w.claim(sending.ID, "three")
	done := w.say(w.talk("cy"), "four")
	w.finish(w.claim(done.ID), delivered("m4"))
	copied := backup(t, o.Path)

	t.Run("fail", func(t *testing.T) {
		t.Parallel()
		r, at := restore(t, o, copied)
		db := storetest.Open(t, at)
		if held, err := db.JobsHeld(t.Context()); !held || err != nil || r.Jobs != 3 {
			t.Fatalf("held %v, %v; %+v", held, err, r)
		}
		again := &world{t: t, db: db, user: w.user, company: w.company, ch: w.ch}
		again.own("node-2")
		fresh := again.say(ann, "since")
		before := again.log()
		if n, err := db.FailJobs(t.Context(), "no more"); n != 3 || err != nil {
			t.Fatalf("failed %d, %v; want 3", n, err)
		}
		for _, id := range []parley.JobID{first.ID, second.ID, sending.ID} {
			if j := again.job(id); j.State != parley.JobNotDelivered || j.Reason != "no more" {
				t.Errorf("job %d: %+v", id, j)
			}
		}
		if j := again.job(fresh.ID); j.State != parley.JobReady {
			t.Errorf("accepted since: %+v", j)
		}
		if j := again.job(done.ID); j.State != parley.JobDelivered {
			t.Errorf("delivered before: %+v", j)
		}
		if got := strings.TrimPrefix(again.log(), before); strings.Count(got, "job/executed") != 3 {
			t.Errorf("events of the failed jobs: %q", got)
		}
		if held, err := db.JobsHeld(t.Context()); held || err != nil {
			t.Errorf("still held: %v, %v", held, err)
		}
		if _, err := db.FailJobs(t.Context(), "again"); parley.KindOf(err) != parley.KindConflict {
			t.Errorf("failed without a hold: %v", err)
		}
	})
	t.Run("release", func(t *testing.T) {
		t.Parallel()
		_, at := restore(t, o, copied)
		db := storetest.Open(t, at)
		if n, err := db.ReleaseJobs(t.Context()); n != 3 || err != nil {
			t.Errorf("released %d, %v; want 3", n, err)
		}
		if held, err := db.JobsHeld(t.Context()); held || err != nil {
			t.Errorf("still held: %v, %v", held, err)
		}
		if _, err := db.ReleaseJobs(t.Context()); parley.KindOf(err) != parley.KindConflict {
			t.Errorf("released without a hold: %v", err)
		}
	})
}

// TestRestorePage: what docs/backup.md has an operator of PostgreSQL run does to
// the database what Restore does on SQLite.
func TestRestorePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "backup.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sql\n")
	script, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/backup.md has no SQL")
	}
	o := storetest.Postgres(t)
	run := func() {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.PgConn().Exec(t.Context(), script).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, storetest.Open(t, o))
	ann := w.talk("ann")
	run()
	db := storetest.Open(t, o)
	if held, err := db.JobsHeld(t.Context()); held || err != nil || db.Epoch() < time.Now().Unix()-60 {
		t.Errorf("without open jobs: held %v, %v; epoch %d", held, err, db.Epoch())
	}
	before := w.say(ann, "open").ID
	run()
	again := &world{t: t, db: storetest.Open(t, o), user: w.user, company: w.company, ch: w.ch}
	if again.db.Epoch() <= db.Epoch() {
		t.Errorf("epoch %d after %d", again.db.Epoch(), db.Epoch())
	}
	if after := again.say(ann, "since").ID; after < before+50_000_000 {
		t.Errorf("job %d after %d", after, before)
	}
	again.own("node-2")
	if n, err := again.db.FailJobs(t.Context(), "no more"); n != 1 || err != nil {
		t.Errorf("failed %d, %v; want 1", n, err)
	}
}

// TestBackupRefuses: nothing is overwritten, and nothing is left behind.
func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	_, o := backedUp(t)
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Backup(t.Context(), o.Path, taken, nil); parley.KindOf(err) != parley.KindConflict {
		t.Errorf("over another file: %v", err)
	}
	if _, err := store.Backup(t.Context(), filepath.Join(dir, "none.db"), filepath.Join(dir, "copy"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no database: %v", err)
	}
	if _, err := store.Backup(t.Context(), taken, filepath.Join(dir, "copy"), nil); err == nil {
		t.Error("what is no database was backed up")
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "precious" {
		t.Errorf("the other file: %q, %v", text, err)
	}
	wantAlone(t, taken)
}

// TestRestoreRefuses: what is damaged, foreign, in use or sealed with other keys
// is not put in place, and a database that is there is not touched.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	w, o := backedUp(t)
	for n := range 200 {
		receive(t, w.db, says(w.ch, "ann", fmt.Sprint("m", n), strings.Repeat("long ", 100)))
	}
	copied := backup(t, o.Path)
	whole, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	for page := 20; page < 30; page++ {
		copy(damaged[page*4096:(page+1)*4096], bytes.Repeat([]byte{0xff}, 4096))
	}
	write := func(data []byte) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "source.db")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, tt := range []struct {
		name, source string
		other        bool
		says         string
	}{
		{"damaged", write(damaged), false, "damaged"},
		{"cut", write(whole[:len(whole)/2]), false, "damaged"},
		{"foreign", write([]byte("some text")), false, "no backup"},
		{"empty", write(nil), false, "no backup"},
		{"in use", o.Path, false, "parley backup"},
		{"other keys", copied, true, "keyset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keys := o.Keys
			if tt.other {
				keys = storetest.Keys(t, t.TempDir())
			}
			at := filepath.Join(t.TempDir(), "parley.db")
			_, err := store.Restore(t.Context(), store.RestoreOptions{Source: tt.source, Path: at, Keys: keys})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
			if entries, _ := os.ReadDir(filepath.Dir(at)); len(entries) != 0 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
	log := filepath.Join(t.TempDir(), "parley.db")
	if err := os.WriteFile(log+"-wal", []byte("of another database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), store.RestoreOptions{Source: copied, Path: log, Keys: o.Keys}); parley.KindOf(err) != parley.KindConflict {
		t.Errorf("beside the log of another database: %v", err)
	}
	at := write([]byte("there before"))
	_, err = store.Restore(t.Context(), store.RestoreOptions{Source: copied, Path: at, Keys: o.Keys})
	if text, _ := os.ReadFile(at); parley.KindOf(err) != parley.KindConflict || string(text) != "there before" {
		t.Errorf("over a database: %v", err)
	}
}
