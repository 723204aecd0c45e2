package inbox

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A counter is an Observer that counts calls by what they said.
type counter map[string]int

func (c counter) Callback(provider string, status int, took time.Duration) {
	c[fmt.Sprintf("%q answered %d", provider, status)]++
	if took < 0 {
		c["negative time"]++
	}
}

func (c counter) Received(provider, result string, events int) {
	c[fmt.Sprintf("%q %s", provider, result)] += events
}

func TestObserve(t *testing.T) {
	t.Parallel()
	got := counter{}
	r := newRig(func(c *Config) { c.Observe, c.QuarantineRows = got, 1 })
	r.post("m1 m2 m1 garbage")
	r.post("garbage")
	r.do(request(http.MethodPost, "/callbacks/stranger/path", nil))
	if err := r.Store(t.Context(), r.clients.ch, "poll", event("m3"), event("m1")); err != nil {
		t.Fatal(err)
	}
	r.store.down = down()
	r.post("m4")
	want := counter{
		`"demo" answered 200`: 2, `"" answered 401`: 1, `"demo" answered 503`: 1,
		`"demo" stored`: 3, `"demo" duplicate`: 2, `"demo" quarantined`: 1, `"demo" dropped`: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c := r.Counts(); c.Events != 3 || c.Duplicates != 2 || c.Quarantined != 1 || c.Dropped != 1 || c.Refused != 1 {
		t.Errorf("totals %+v", c)
	}
}
