package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		for _, size := range []int64{0, 1, 64<<10 + 1, blob.PartSize - 1, blob.PartSize, blob.PartSize + 1, 2 * blob.PartSize} {
			key := fmt.Sprint("size-", size)
			data := randomBytes(1, size)
			info := put(t, s, key, data)
			want(t, p.open(t), key, data)
			if err := blob.Verify(t.Context(), s, key, info); err != nil {
				t.Errorf("verify %s: %v", key, err)
			}
			if diff := cmp.Diff(map[string]int64{key: size}, list(t, s)); diff != "" {
				t.Errorf("walk: %s", diff)
			}
			for range 2 {
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("delete %s: %v", key, err)
				}
			}
			wantNone(t, s, key)
			if all := list(t, s); len(all) != 0 {
				t.Errorf("%v is left after deletion", all)
			}
		}
		wantNothingLeft(t, s)
	})
}

// TestStream: 64 MiB go in and out through small buffers. All that is allocated
// meanwhile is counted, so it runs alone and not beside the parallel tests.
func TestStream(t *testing.T) {
	const size = 64 << 20
	for name, fresh := range places {
		t.Run(name, func(t *testing.T) {
			s := fresh(t).open(t)
			var info blob.Info
			in := allocated(func() {
				var err error
				if info, err = s.Put(t.Context(), "large", random(2, size), size); err != nil {
					t.Fatal(err)
				}
			})
			out := allocated(func() {
				if err := blob.Verify(t.Context(), s, "large", info); err != nil {
					t.Fatal(err)
				}
			})
			if info != infoOf(randomBytes(2, size)) {
				t.Errorf("%d bytes were stored, or others", info.Size)
			}
			if in > size/4 || out > size/16 {
				t.Errorf("%d bytes allocated to write and %d to read %d", in, out, size)
			}
		})
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestReplace: who reads while a blob is replaced gets the old bytes or an error,
// and never the new ones for the rest.
func TestReplace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		old, fresh := randomBytes(3, 9<<20), randomBytes(4, 9<<20)
		put(t, s, "k", old)
		r, err := s.Open(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		put(t, s, "k", fresh)
		want(t, s, "k", fresh)
		if _, err := r.Seek(8<<20, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		switch rest, err := io.ReadAll(r); {
		case err != nil:
			wantKind(t, "read what was replaced", err, parley.KindUnavailable, "")
		case !bytes.Equal(rest, old[8<<20:]):
			t.Error("other bytes than those of the blob that was opened")
		}
		put(t, s, "k", nil)
		want(t, s, "k", nil)
	})
}

// putFailures are the ways in which a reader ends and Put must not succeed. limit
// is what Put may take, at least one byte less than there is.
var putFailures = []struct {
	name  string
	limit int64
	end   func(cancel func()) error // what the reader says at the end
	ok    func(err error) bool      // whether Put says the right thing
}{
	{"broken", 100 << 20, func(func()) error { return errBroken }, itself(errBroken)},
	{"cut", 100 << 20, func(func()) error { return io.ErrUnexpectedEOF }, itself(io.ErrUnexpectedEOF)},
	{"of a kind", 100 << 20, func(func()) error { return parley.Errorf(parley.KindThrottled, "wait") }, func(err error) bool {
		return parley.KindOf(err) == parley.KindThrottled
	}},
	{"too large", 0, func(func()) error { return io.EOF }, func(err error) bool {
		e, ok := errors.AsType[*parley.Error](err)
		return ok && e.Kind == parley.KindInvalid && e.Code == blob.CodeTooLarge
	}},
	{"cancelled", 100 << 20, func(cancel func()) error { cancel(); return nil }, parley.Interrupted},
}

var errBroken = errors.New("the provider hung up")

// itself asks for the reader's error without a kind that the store has given it.
func itself(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) && parley.KindOf(err) == parley.KindInternal }
}

// TestPutFails: a reader that breaks, gives too much or is given up changes
// nothing and leaves nothing.
func TestPutFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		put(t, s, "old", []byte("kept"))
		for _, tt := range putFailures {
			for _, size := range []int64{1, blob.PartSize, 11 << 20} {
				for _, key := range []string{"old", "new"} {
					ctx, cancel := context.WithCancel(t.Context())
					r := io.MultiReader(random(5, size), readerFunc(func([]byte) (int, error) { return 0, tt.end(cancel) }))
					info, err := s.Put(ctx, key, r, max(tt.limit, size-1))
					if info != (blob.Info{}) || !tt.ok(err) {
						t.Errorf("%s after %d bytes: got %v, %v", tt.name, size, info, err)
					}
					cancel()
				}
			}
		}
		want(t, s, "old", []byte("kept"))
		wantNone(t, s, "new")
		wantNothingLeft(t, s)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestEndedContext: nothing is done for those who have gone.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		put(t, s, "k", []byte("kept"))
		ctx, cancel := context.WithCancel(t.Context())
		r, err := s.Open(ctx, "k")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cancel()
		_, readErr := r.Read(make([]byte, 1))
		_, putErr := s.Put(ctx, "k", strings.NewReader("x"), 1)
		_, openErr := s.Open(ctx, "k")
		_, idErr := s.ID(ctx)
		walkErr := s.Walk(ctx, func(blob.Entry) error { return nil })
		for what, err := range map[string]error{
			"read": readErr, "put": putErr, "open": openErr, "id": idErr, "walk": walkErr, "delete": s.Delete(ctx, "k"), "check": s.Check(ctx),
		} {
			if !parley.Interrupted(err) {
				t.Errorf("%s: got %v, want a cancellation", what, err)
			}
		}
		late, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		_, err = s.Open(late, "k")
		wantKind(t, "open past the deadline", err, parley.KindUnavailable, "")
		want(t, s, "k", []byte("kept"))
	})
}

// TestOneKeyAtOnce: of several that write one key, readers see one, whole.
func TestOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		sizes := []int64{10, 300 << 10, 6 << 20, 3}
		put(t, s, "k", bytes.Repeat([]byte{255}, 1000))
		var wg sync.WaitGroup
		for n, size := range sizes {
			wg.Go(func() {
				for range 5 {
					if _, err := s.Put(t.Context(), "k", bytes.NewReader(bytes.Repeat([]byte{byte(n)}, int(size))), size); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range 10 {
					wantWhole(t, s, sizes)
				}
			})
		}
		wg.Wait()
		wantWhole(t, s, sizes)
		wantNothingLeft(t, s)
	})
}

func wantWhole(t *testing.T, s blob.Store, sizes []int64) {
	r, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		if parley.KindOf(err) != parley.KindUnavailable {
			t.Error(err)
		}
		return
	}
	if len(data) == 0 || bytes.Count(data, data[:1]) != len(data) || int64(len(data)) != r.Size() {
		t.Errorf("%d bytes of %d, mixed", len(data), r.Size())
		return
	}
	if n := int(data[0]); n != 255 && int64(len(data)) != sizes[n] {
		t.Errorf("%d bytes of writer %d, want %d", len(data), n, sizes[n])
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", ".", "..", "../x", "a/b", "/etc/passwd", `a\b`, "a\x00b", "a b", "ä", ".hidden", "a\n", "a%2fb", "a:b", blob.IDKey,
		strings.Repeat("k", blob.MaxKey+1), "\xff",
	}
	good := []string{"a", "A", "a..b", "-x", "_", "0", "tmp", "aa", strings.Repeat("k", blob.MaxKey)}
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		id, err := s.ID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range bad {
			_, err := s.Put(t.Context(), key, strings.NewReader("x"), 1)
			wantKind(t, fmt.Sprintf("put %q", key), err, parley.KindInvalid, blob.CodeBadKey)
			_, err = s.Open(t.Context(), key)
			wantKind(t, fmt.Sprintf("open %q", key), err, parley.KindInvalid, blob.CodeBadKey)
			wantKind(t, fmt.Sprintf("delete %q", key), s.Delete(t.Context(), key), parley.KindInvalid, blob.CodeBadKey)
		}
		for _, key := range good {
			put(t, s, key, []byte(key))
		}
		for _, key := range good {
			want(t, s, key, []byte(key))
		}
		if all := list(t, s); len(all) != len(good) {
			t.Errorf("%v are stored, want %v", all, good)
		}
		if again, err := s.ID(t.Context()); again != id || err != nil {
			t.Errorf("the identity is %q, %v; it was %q", again, err, id)
		}
	})
}

// TestWalk: while others write, and f deletes, what was there is met once.
func TestWalk(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		const before = 60
		for n := range before {
			put(t, s, fmt.Sprint("before-", n), []byte("x"))
		}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Put(t.Context(), fmt.Sprint("during-", n), strings.NewReader("y"), 1); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		met := map[string]int{}
		err := s.Walk(t.Context(), func(e blob.Entry) error {
			met[e.Key]++
			return s.Delete(t.Context(), e.Key)
		})
		close(stop)
		<-done
		if err != nil {
			t.Fatal(err)
		}
		for n := range before {
			key := fmt.Sprint("before-", n)
			if met[key] != 1 {
				t.Errorf("%s was met %d times", key, met[key])
			}
			wantNone(t, s, key)
		}
		put(t, s, "a", nil)
		put(t, s, "b", nil)
		halt, calls := errors.New("enough"), 0
		if err := s.Walk(t.Context(), func(blob.Entry) error { calls++; return halt }); err != halt || calls != 1 {
			t.Errorf("got %v after %d calls, want f's own error after one", err, calls)
		}
	})
}

func TestID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		const nodes = 12
		ids := make([]string, nodes)
		var wg sync.WaitGroup
		for n := range nodes {
			wg.Go(func() {
				var err error
				if ids[n], err = p.open(t).ID(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] || len(id) != 32 {
				t.Fatalf("the identities are %v, want one of 32 digits", ids)
			}
		}
		if all := list(t, p.open(t)); len(all) != 0 {
			t.Errorf("the identity counts as a blob: %v", all)
		}
		other, err := dirPlace(t).open(t).ID(t.Context())
		if err != nil || other == ids[0] {
			t.Errorf("another store has the identity %q, %v", other, err)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if all := list(t, s); len(all) != 0 {
			t.Errorf("%v is left", all)
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		info := put(t, s, "k", []byte("original"))
		for _, other := range []string{"0riginal", "original+", "origina", ""} {
			put(t, s, "k", []byte(other))
			wantKind(t, other, blob.Verify(t.Context(), s, "k", info), parley.KindInternal, blob.CodeCorrupt)
		}
		put(t, s, "k", []byte("original"))
		if err := blob.Verify(t.Context(), s, "k", info); err != nil {
			t.Error(err)
		}
		wantKind(t, "none", blob.Verify(t.Context(), s, "none", info), parley.KindNotFound, "")
	})
}
