package attachment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// TestTrace: every try at fetching a file is told of, with the message that
// brought it.
func TestTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		start := time.Now()
		r := newRig(func(c *Config) {
			c.Trace = func(f Fetch) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf("%s file %d of message %d attempt %d %s %q %d bytes in %v begun %v", f.Provider, f.File.ID, f.File.Message, f.File.Attempt,
					f.Result, f.Kind, f.Size, f.Took, f.Begun.Sub(start)))
			}
		})
		give := gives("hello")
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			<-time.After(time.Second)
			if a.ID == 2 {
				return connector.Fetched{}, parley.Errorf(parley.KindRejected, "gone")
			}
			return give(ctx, a)
		})
		r.add(parley.Attachment{Message: 41})
		r.add(parley.Attachment{Message: 42})
		r.run(t, func() { pass(2 * time.Second) })
		want := []string{
			`demo file 1 of message 41 attempt 0 fetched "" 5 bytes in 1s begun 0s`,
			`demo file 2 of message 42 attempt 0 failed "rejected" 0 bytes in 1s begun 0s`,
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
