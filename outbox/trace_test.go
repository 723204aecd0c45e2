package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// TestTrace: every request is told of, with its part, attempt, time and kind; a
// message that never left is not.
func TestTrace(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		var mu sync.Mutex
		var got []string
		start := time.Now()
		w.cfg.Trace = func(s Send) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s %s job %d part %d attempt %d %q begun %v", s.Provider, s.Took, s.Job.ID, s.Job.Part, s.Job.Attempt, s.Kind,
				s.Begun.Sub(start).Truncate(time.Second)))
		}
		tries := 0
		w.prov.send = func(ctx context.Context, p connector.Part) (connector.Sent, error) {
			if tries++; tries == 1 {
				return connector.Sent{}, fails(parley.KindUnavailable, "down")
			}
			return connector.Sent{}, pause(ctx, 20*time.Millisecond)
		}
		w.prov.plan = func(m *parley.Message) ([]connector.Part, error) {
			if m.Text == "bad" {
				return nil, fails(parley.KindInvalid, "no")
			}
			part := connector.Part{Message: m, Count: 1, Text: m.Text}
			return []connector.Part{part, part}, nil
		}
		w.start()
		id := w.accept(1, "long")
		w.accept(2, "bad")
		w.pass(10 * time.Second)
		want := []string{
			fmt.Sprintf(`telegram 0s job %d part 0 attempt 1 "unavailable" begun 0s`, id),
			fmt.Sprintf(`telegram 20ms job %d part 0 attempt 2 "" begun 1s`, id),
			fmt.Sprintf(`telegram 20ms job %d part 1 attempt 1 "" begun 1s`, id),
		}
		mu.Lock()
		defer mu.Unlock()
		if d := cmp.Diff(want, slices.Clone(got)); d != "" {
			t.Error(d)
		}
	})
}
