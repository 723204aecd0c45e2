package inbox

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/parley-im/parley"
)

func TestStore(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	if err := r.Store(t.Context(), r.clients.ch, "poll", event("m1"), event("garbage"), event("m2"), event("m1")); err != nil {
		t.Fatal(err)
	}
	wantStored(t, r, "m1 m2", "not JSON")
	if q := r.store.quarantined[0]; q.Source != "poll" || string(q.Body) != "raw garbage" {
		t.Errorf("quarantined %+v", q)
	}
	if !r.store.stored[0].Expires.IsZero() {
		t.Error("a poll's events expire")
	}
	if err := r.Store(t.Context(), r.clients.ch, "poll"); err != nil || r.store.calls != 1 {
		t.Errorf("error %v and %d calls for nothing at all, want 1 from before", err, r.store.calls)
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		set  func(r *rig)
		want func(error) bool
	}{
		{"down", t.Context(), func(r *rig) { r.store.down = down() },
			func(err error) bool { return parley.KindOf(err) == parley.KindUnavailable }},
		{"cancelled", gone, func(*rig) {}, parley.Interrupted},
		{"quarantine down", t.Context(), func(r *rig) { r.store.noRoom = errors.New("full") },
			func(err error) bool { return parley.KindOf(err) == parley.KindUnavailable }},
		{"no account", t.Context(), func(r *rig) { r.clients.ch.Account = "" },
			func(err error) bool { return parley.KindOf(err) == parley.KindUnavailable }},
	}
	for _, tt := range tests {
		r := newRig(nil)
		tt.set(r)
		if err := r.Store(tt.ctx, r.clients.ch, "session", event("m1"), event("garbage")); !tt.want(err) {
			t.Errorf("%s: error is %v", tt.name, err)
		}
	}
}

// A session is let in where callbacks are refused, and they see its load.
func TestStoreBesideCallbacks(t *testing.T) {
	t.Parallel()
	r := newRig(func(c *Config) { c.MaxItems = 1 })
	r.store.wait = func(ctx context.Context) {
		r.store.wait = nil
		if w := r.post("m2"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("answer is %d, want 503", w.Code)
		}
		if err := r.Store(ctx, r.clients.ch, "poll", event("m3")); err != nil {
			t.Error(err)
		}
	}
	if err := r.Store(t.Context(), r.clients.ch, "poll", event("m1")); err != nil {
		t.Fatal(err)
	}
	wantStored(t, r, "m3 m1")
}
