package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func TestDeliverAtOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.start()
		begun := time.Now()
		var ids []parley.JobID
		for i := range 20 {
			ids = append(ids, w.accept(parley.ConversationID(1+i%4), "hello"))
		}
		synctest.Wait()
		for _, id := range ids {
			w.want(id, parley.JobDelivered, "")
			w.wantSends(id, 1)
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("took %v of waiting, want none", d)
		}
	})
}

func TestOrderInConversation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(ctx context.Context, p connector.Part) (connector.Sent, error) {
			return connector.Sent{}, pause(ctx, time.Duration(1+p.Message.Job%3)*50*time.Millisecond)
		}
		w.start()
		for i := range 200 {
			w.accept(parley.ConversationID(1+i%10), "hello")
		}
		w.pass(20 * 150 * time.Millisecond)
		last := map[parley.ConversationID]parley.JobID{}
		for _, a := range w.prov.seen() {
			if a.job <= last[a.conv] {
				t.Errorf("conversation %d: %d after %d", a.conv, a.job, last[a.conv])
			}
			last[a.conv] = a.job
		}
		if n := len(w.prov.seen()); n != 200 {
			t.Errorf("got %d sends, want 200", n)
		}
	})
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err    error
		state  parley.JobState
		reason string
		sends  int
	}{
		{nil, parley.JobDelivered, "", 1},
		{fails(parley.KindInvalid, "too long"), parley.JobNotDelivered, "too long", 1},
		{fails(parley.KindUnsupported, "no polls"), parley.JobNotDelivered, "no polls", 1},
		{fails(parley.KindRejected, "refused"), parley.JobNotDelivered, "refused", 1},
		{fails(parley.KindUnreachable, "blocked us"), parley.JobNotDelivered, "blocked us", 1},
		{fails(parley.KindThrottled, ""), parley.JobDelivered, "", 2},
		{fails(parley.KindUnavailable, ""), parley.JobDelivered, "", 2},
		{fails(parley.KindLoggedOut, ""), parley.JobDelivered, "", 2},
		{fails(parley.KindUncertain, ""), parley.JobNotDelivered, parley.UnknownOutcome, 1},
		{fails(parley.KindInternal, "secret"), parley.JobNotDelivered, parley.UnknownOutcome, 1},
		{errors.New("plain"), parley.JobNotDelivered, parley.UnknownOutcome, 1},
		{fails(parley.KindConflict, ""), parley.JobNotDelivered, parley.UnknownOutcome, 1},
		{fails(parley.KindNotFound, ""), parley.JobNotDelivered, parley.UnknownOutcome, 1},
	} {
		t.Run(fmt.Sprint(parley.KindOf(tc.err)), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.prov.answers(tc.err)
				w.start()
				id := w.accept(1, "hello")
				next := w.accept(1, "and more")
				w.pass(time.Minute)
				w.want(id, tc.state, tc.reason)
				w.wantSends(id, tc.sends)
				if got := len(w.prov.of(next)); got == 0 {
					t.Error("the next job of the conversation was not sent")
				}
			})
		})
	}
}

func TestPartsResume(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.plan = planWords
		w.prov.answers(nil, fails(parley.KindUnavailable, ""))
		w.start()
		id := w.accept(1, "one two three")
		w.pass(10 * time.Second)
		w.want(id, parley.JobDelivered, "")
		var got []string
		for _, a := range w.prov.of(id) {
			got = append(got, a.text+" "+a.key)
		}
		want := []string{"one 1.0", "two 1.1", "two 1.1", "three 1.2"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestPartRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answers []error
		reason  string
	}{
		{[]error{fails(parley.KindRejected, "refused")}, "refused"},
		{[]error{nil, fails(parley.KindRejected, "refused")}, "part 2 of 3: refused"},
		{[]error{nil, nil, fails(parley.KindUncertain, "")}, "part 3 of 3: " + parley.UnknownOutcome},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.prov.plan = planWords
				w.prov.answers(tc.answers...)
				w.start()
				id := w.accept(1, "one two three")
				w.pass(time.Second)
				w.want(id, parley.JobNotDelivered, tc.reason)
				w.wantSends(id, len(tc.answers))
			})
		})
	}
}

// TestStoredPlanWins shows that a message whose first part has left is not split
// differently by a newer program.
func TestStoredPlanWins(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.start()
		id := w.accept(1, "one two", func(work *store.Work) {
			work.Plan, work.Job.Part = []store.Planned{{Text: "one"}, {Text: "two"}}, 1
		})
		synctest.Wait()
		if got := w.prov.of(id); len(got) != 1 || got[0].text != "two" || got[0].part != 1 {
			t.Errorf("got %+v, want part 1 with its stored text", got)
		}
	})
}

func planWords(m *parley.Message) ([]connector.Part, error) {
	var parts []connector.Part
	for _, word := range strings.Fields(m.Text) {
		parts = append(parts, connector.Part{Text: word})
	}
	return parts, nil
}

func TestPlanFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plan   func(*parley.Message) ([]connector.Part, error)
		reason string
		plans  int
	}{
		"unsupported": {func(*parley.Message) ([]connector.Part, error) { return nil, fails(parley.KindUnsupported, "no polls") }, "no polls", 1},
		"internal":    {func(*parley.Message) ([]connector.Part, error) { return nil, errors.New("secret") }, "internal error", 3},
		"panic":       {func(*parley.Message) ([]connector.Part, error) { panic("secret") }, "internal error", 3},
		"no parts":    {func(*parley.Message) ([]connector.Part, error) { return nil, nil }, "internal error", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				plans := 0
				w.prov.plan = func(m *parley.Message) ([]connector.Part, error) {
					if m.Text == "good" {
						return []connector.Part{{Text: m.Text}}, nil
					}
					plans++
					return tc.plan(m)
				}
				w.start()
				bad, good := w.accept(1, "bad"), w.accept(1, "good")
				w.pass(10 * time.Second)
				w.want(bad, parley.JobNotDelivered, tc.reason)
				w.wantSends(bad, 0)
				w.want(good, parley.JobDelivered, "")
				if plans != tc.plans {
					t.Errorf("planned %d times, want %d", plans, tc.plans)
				}
				if strings.Contains(w.log.text(), "secret") {
					t.Errorf("the log tells the panic's value: %s", w.log.text())
				}
			})
		})
	}
}

func TestSendPanics(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.send = func(context.Context, connector.Part) (connector.Sent, error) { panic("secret") }
		w.start()
		id := w.accept(1, "hello")
		w.pass(time.Second)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		w.wantSends(id, 1)
	})
}

// TestSendTimeLimit shows that a send is over before its claim's deadline.
func TestSendTimeLimit(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		var over time.Time
		w.prov.send = func(ctx context.Context, _ connector.Part) (connector.Sent, error) {
			err := pause(ctx, time.Hour)
			over = time.Now()
			return connector.Sent{}, err
		}
		w.start()
		begun := time.Now()
		id := w.accept(1, "hello")
		synctest.Wait()
		deadline := w.mem.job(id).Deadline
		w.pass(time.Minute)
		w.want(id, parley.JobNotDelivered, parley.UnknownOutcome)
		if d := over.Sub(begun); d != 30*time.Second {
			t.Errorf("given up after %v, want 30s", d)
		}
		if !over.Before(deadline) {
			t.Errorf("over at %v, deadline %v", over, deadline)
		}
	})
}

func TestWideLogLine(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.prov.answers(&parley.Error{Kind: parley.KindUnavailable, Code: "502", Message: "address Ann"})
		w.start()
		w.accept(1, "the text")
		w.pass(5 * time.Second)
		got := w.log.text()
		for _, want := range []string{
			"level=WARN msg=send channel_id=70 provider=telegram job_id=1 part=0 attempt=1 kind=unavailable took_ms=0 code=502\n",
			"level=INFO msg=send channel_id=70 provider=telegram job_id=1 part=0 attempt=2 kind=delivered took_ms=0\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no line %q in:\n%s", want, got)
			}
		}
		if strings.Contains(got, "the text") || strings.Contains(got, "Ann") {
			t.Errorf("the log tells what was said:\n%s", got)
		}
	})
}
