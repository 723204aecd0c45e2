package inbox

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

func TestGate(t *testing.T) {
	t.Parallel()
	g := newGate(8, 800)
	leave, ok := g.enter(1, 800)
	if !ok {
		t.Fatal("an empty gate is closed")
	}
	if _, ok := g.enter(2, 800); ok {
		t.Error("more than the whole was let in")
	}
	forced := g.force(2, 800)
	if got, want := g.Total(), (store.Load{Items: 2, Bytes: 1600}); got != want {
		t.Errorf("total is %+v, want %+v", got, want)
	}
	leave()
	forced()
	if got := g.Total(); got != (store.Load{}) {
		t.Errorf("total is %+v after all have left", got)
	}
}

// TestFlooded: a callback that is too much is answered and counted, but has no
// line at the usual level, whoever found it too much.
func TestFlooded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		set   func(r *rig)
		level string
	}{
		{"here", func(r *rig) { r.gate = newGate(1, 1); r.gate.force(r.clients.ch.ID, 1) }, "DEBUG"},
		{"in the store", func(r *rig) { r.store.down = fmt.Errorf("store: %w", store.ErrBusy) }, "DEBUG"},
		{"another reason", func(r *rig) { r.store.down = parley.Errorf(parley.KindUnavailable, "broken") }, "INFO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			tt.set(r)
			w := r.post("m1")
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
				t.Errorf("answer is %d with Retry-After %q, want 503 with 1", w.Code, w.Header().Get("Retry-After"))
			}
			if got := r.Counts().Refused; got != 1 {
				t.Errorf("%d counted as refused, want 1", got)
			}
			if line := r.log.String(); strings.Count(line, "level="+tt.level) != 1 || strings.Count(line, "\n") != 1 {
				t.Errorf("log is %q, want a line at level %s", line, tt.level)
			}
		})
	}
}
