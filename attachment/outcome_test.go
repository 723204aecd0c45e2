package attachment

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// TestOutcomeRefused: of two who fetch a file, the loser leaves nothing.
func TestOutcomeRefused(t *testing.T) {
	t.Parallel()
	gone := func(r *rig, o *store.FileOutcome) { delete(r.rows.files, o.File.ID) }
	won := func(r *rig, o *store.FileOutcome) {
		a := r.rows.files[o.File.ID]
		a.State, a.Blob = parley.AttachmentReady, "the-winner"
		r.rows.files[a.ID] = a
	}
	for name, change := range map[string]func(*rig, *store.FileOutcome){"somebody else was faster": won, "the row is gone": gone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.rows.finish = func(o *store.FileOutcome) (bool, error) {
					change(r, o)
					return false, nil
				}
				r.add(parley.Attachment{})
				r.run(t, synctest.Wait)
				if keys := r.blobs.keys(); len(keys) != 0 || len(r.blobs.deleted) != 1 || r.results()["demo lost"] != 1 {
					t.Errorf("blobs %q, deleted %q, observed %v", keys, r.blobs.deleted, r.results())
				}
			})
		})
	}
}

// TestGrantLost: what is not ours any more is left to its owner.
func TestGrantLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			r.grants.lost = true
			return gives("hello")(ctx, a)
		})
		id := r.add(parley.Attachment{})
		r.run(t, synctest.Wait)
		if a := r.file(t, id); a.State != parley.AttachmentPending || len(r.outcomes()) != 0 || len(r.blobs.bytes) != 0 {
			t.Errorf("got %+v, blobs %q", a, r.blobs.keys())
		}
	})
}

// TestOutcomeLost: an outcome that was stored although the answer said otherwise
// keeps its blob; one that the store refuses is left alone for a while.
func TestOutcomeLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.rows.finished = func(*store.FileOutcome) error { return unavailable() }
		id := r.add(parley.Attachment{})
		r.run(t, func() { pass(10 * time.Second) })
		a := r.file(t, id)
		if a.State != parley.AttachmentReady || r.blobs.bytes[a.Blob] == nil || r.results()["demo fetched"] != 1 {
			t.Errorf("got %+v, blobs %q, observed %v", a, r.blobs.keys(), r.results())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.fetches(gives("hello"))
		r.rows.finish = func(*store.FileOutcome) (bool, error) { return true, errPlain }
		r.add(parley.Attachment{})
		r.run(t, func() { pass(time.Hour) })
		if n := r.called(); n < 30 || n > 60 {
			t.Errorf("asked %d times in an hour, want less than once a minute", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.fetches(gives("hello"))
		r.rows.finish = func(*store.FileOutcome) (bool, error) { return true, unavailable() }
		id := r.add(parley.Attachment{})
		r.run(t, func() {
			pass(time.Hour)
			r.rows.mu.Lock()
			r.rows.finish = nil
			r.rows.mu.Unlock()
			pass(10 * time.Second)
		})
		if a := r.file(t, id); a.State != parley.AttachmentReady || r.called() != 1 {
			t.Errorf("database down for an hour: asked %d times, got %+v", r.called(), a)
		}
	})
}

// TestStop: what is under way when we stop is cancelled and stays pending, but an
// outcome on its way is stored.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fetch func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error)
		hang  bool
	}{
		{"in Fetch", func(ctx context.Context, _ *parley.Attachment) (connector.Fetched, error) {
			<-ctx.Done()
			return connector.Fetched{}, fmt.Errorf("fetch: %w", ctx.Err())
		}, false},
		{"in Read", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: newDripper(time.Second, 0)}, nil
		}, false},
		{"in Put", gives("hello"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.fetches(tt.fetch)
				r.blobs.hang = tt.hang
				id, begun := r.add(parley.Attachment{}), time.Now()
				r.run(t, func() { pass(5 * time.Second) })
				if took := time.Since(begun); took > 6*time.Second {
					t.Errorf("the stop took %v", took)
				}
				if a := r.file(t, id); a.State != parley.AttachmentPending || a.Attempt != 0 || len(r.outcomes()) != 0 || r.called() != 1 {
					t.Errorf("got %+v after %d outcomes and %d calls", a, len(r.outcomes()), r.called())
				}
				if r.results()["demo stopped"] != 1 || r.circuit.open {
					t.Errorf("observed %v", r.results())
				}
			})
		})
	}
}

func TestStopWhileCommitting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		tries := 0
		r.rows.finish = func(*store.FileOutcome) (bool, error) {
			tries++
			if tries < 6 {
				return true, unavailable()
			}
			return false, nil
		}
		id := r.add(parley.Attachment{})
		r.run(t, synctest.Wait)
		if a := r.file(t, id); a.State != parley.AttachmentReady {
			t.Errorf("got %+v after %d tries", a, tries)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.rows.finish = func(*store.FileOutcome) (bool, error) { return true, unavailable() }
		id, begun := r.add(parley.Attachment{}), time.Now()
		r.run(t, synctest.Wait)
		if a := r.file(t, id); a.State != parley.AttachmentPending || time.Since(begun) > 6*time.Second {
			t.Errorf("got %+v after %v", a, time.Since(begun))
		}
	})
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.run(t, func() {
			synctest.Wait()
			if err := r.Run(t.Context()); err == nil {
				t.Error("Run ran twice")
			}
		})
	})
}
