package inbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A confirmer is a client that can be told of what was taken.
type confirmer struct {
	*client
	asked chan string
	tell  func() error
}

func (c *confirmer) Confirm(ctx context.Context, id string) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("no deadline")
	}
	c.asked <- id
	return c.tell()
}

func confirming(tell func() error) (*rig, *confirmer) {
	r := newRig(nil)
	c := &confirmer{client: r.client, asked: make(chan string, 2*confirmsAtOnce), tell: tell}
	r.clients.client = c
	return r, c
}

func pressed(id string) connector.Event {
	e := event("press-" + id)
	e.Confirm = id
	return e
}

// TestConfirm: the provider is told after the commit, and not at all without one.
func TestConfirm(t *testing.T) {
	t.Parallel()
	r, c := confirming(func() error { return nil })
	r.store.down = parley.Errorf(parley.KindUnavailable, "disk full")
	if err := r.Store(t.Context(), r.clients.ch, "poll", pressed("1")); err == nil {
		t.Fatal("stored on a full disk")
	}
	r.Wait()
	if len(c.asked) > 0 {
		t.Error("confirmed what was not stored")
	}
	r.store.down = nil
	if err := r.Store(t.Context(), r.clients.ch, "poll", pressed("1"), event("plain")); err != nil {
		t.Fatal(err)
	}
	r.Wait()
	if len(c.asked) != 1 || <-c.asked != "1" {
		t.Error("not confirmed once")
	}
}

// TestConfirmFails: whatever the side call does, the event stays stored and only
// a line tells of it.
func TestConfirmFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		tell func() error
		want string
	}{
		{"refused", func() error { return parley.Errorf(parley.KindRejected, "too old") }, "kind=rejected"},
		{"panics", func() error { panic("the message says: secret") }, "panic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := confirming(tt.tell)
			if err := r.Store(t.Context(), r.clients.ch, "poll", pressed("1")); err != nil {
				t.Error(err)
			}
			r.Wait()
			if log := r.log.String(); !strings.Contains(log, tt.want) || strings.Contains(log, "secret") {
				t.Errorf("log %q, want %q in it", log, tt.want)
			}
		})
	}
}

// TestConfirmBounded: a provider that does not answer costs no more than its
// places, and nobody waits for it.
func TestConfirmBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r, c := confirming(func() error { <-release; return nil })
	events := make([]connector.Event, confirmsAtOnce+5)
	for n := range events {
		events[n] = pressed(strings.Repeat("x", n+1))
	}
	if err := r.Store(t.Context(), r.clients.ch, "poll", events...); err != nil {
		t.Fatal(err)
	}
	close(release)
	r.Wait()
	if got := len(c.asked); got != confirmsAtOnce {
		t.Errorf("%d calls, want %d", got, confirmsAtOnce)
	}
}

// TestIgnored: what is of no interest is counted, and neither stored nor
// quarantined.
func TestIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	e := event("x")
	e.What = connector.Ignored{Reason: "a message was pinned"}
	if err := r.Store(t.Context(), r.clients.ch, "poll", e, event("y")); err != nil {
		t.Fatal(err)
	}
	if got := r.Counts(); got.Ignored != 1 || got.Events != 1 || got.Quarantined != 0 {
		t.Errorf("counts %+v, want one ignored and one stored", got)
	}
}
