package inbox

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// TestTrace: every delivery of events is told of, with the messages that it made
// and touched; what is no delivery is not.
func TestTrace(t *testing.T) {
	t.Parallel()
	var got []Delivery
	r := newRig(func(c *Config) {
		c.Trace = func(d Delivery) {
			if d.Begun.IsZero() || d.Took < 0 || d.Channel == nil {
				t.Errorf("%+v", d)
			}
			got = append(got, d)
		}
	})
	r.store.fail = map[string]error{"bad": parley.Errorf(parley.KindInternal, "a column is missing")}
	r.post("m1 m2 m1 bad garbage")
	r.post("") // quarantined
	r.do(request(http.MethodPost, "/callbacks/stranger/path", nil))
	edit := event("m1")
	edit.What = connector.Edit{Text: "better"}
	if err := r.Store(t.Context(), r.clients.ch, "poll", event("m3"), edit, event("m1")); err != nil {
		t.Fatal(err)
	}
	r.store.down = down()
	r.post("m4")
	want := []Delivery{
		{Source: "callback", Events: 5, Duplicates: 1, Quarantined: 2, Made: []parley.MessageID{1, 2}},
		{Source: "poll", Events: 3, Duplicates: 1, Made: []parley.MessageID{3}, Touched: []parley.MessageID{4}},
		{Source: "callback", Events: 1, Err: r.store.down},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Delivery{}, "Channel", "Begun", "Took"), cmpopts.EquateErrors()); d != "" {
		t.Error(d)
	}
}

// TestTraceTime: the time of a callback begins when it came, and ends with its
// answer.
func TestTraceTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got Delivery
		r := newRig(func(c *Config) { c.Trace = func(d Delivery) { got = d } })
		r.store.wait = func(context.Context) { <-time.After(time.Second) }
		begun := time.Now()
		r.post("m1")
		if !got.Begun.Equal(begun) || got.Took != time.Second {
			t.Errorf("begun %v later, took %v", got.Begun.Sub(begun), got.Took)
		}
		if err := r.Store(t.Context(), r.clients.ch, "poll", event("m2")); err != nil {
			t.Fatal(err)
		}
		if !got.Begun.Equal(begun.Add(time.Second)) || got.Took != time.Second {
			t.Errorf("a poll: begun %v later, took %v", got.Begun.Sub(begun), got.Took)
		}
	})
}
