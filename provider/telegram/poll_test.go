package telegram

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A sink keeps what it is given, after failing as often as errs says.
type sink struct {
	mu     sync.Mutex
	errs   []error
	events []connector.Event
	emits  int
}

func (s *sink) Emit(_ context.Context, events ...connector.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emits++
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return err
	}
	s.events = append(s.events, events...)
	return nil
}

func (s *sink) ids() []string {
	var ids []string
	for _, e := range s.events {
		ids = append(ids, e.ID)
	}
	return ids
}

func polled(body ...string) step { return ok("getUpdates", "["+strings.Join(body, ",")+"]") }

func textUpdate(update, id int) string {
	return fmt.Sprintf(`{"update_id":%d,"message":{"message_id":%d,"from":{"id":5,"first_name":"Ann"},"chat":{"id":5,"type":"private"},"date":1718000000,"text":"hi"}}`, update, id)
}

func refusedStep(method string, status int, description string) step {
	return step{method: method, status: status, body: fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, status, description)}
}

const dead = "Unauthorized"

// poll runs the steps in a time bubble until the token is refused, and returns
// the offsets that were asked for, with the time of each poll.
func poll(t *testing.T, s *sink, steps ...step) (offsets []string, at []time.Duration) {
	t.Helper()
	start := time.Now()
	sc := &script{t: t, steps: append(append([]step{ok("deleteWebhook", "true")}, steps...), refusedStep("getUpdates", 401, dead))}
	c := open(t, envOf(handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at = append(at, time.Since(start))
		sc.ServeHTTP(w, r)
	}))))
	if err := c.Run(t.Context(), s); parley.KindOf(err) != parley.KindLoggedOut {
		t.Errorf("Run: got %v, want kind logged out", err)
	}
	sc.done()
	for i, call := range sc.calls {
		if i == 0 && call != "deleteWebhook {}" {
			t.Errorf("got first call %s, want deleteWebhook without dropping", call)
		}
		if body, is := strings.CutPrefix(call, "getUpdates "); is {
			offsets = append(offsets, strings.TrimSuffix(body, `"limit":100,"timeout":30,"allowed_updates":["message","edited_message","callback_query","my_chat_member","channel_post","edited_channel_post"]}`))
		}
	}
	return offsets, at
}

func TestRunOffset(t *testing.T) {
	t.Parallel()
	down := errors.New("store is down")
	tests := []struct {
		name  string
		errs  []error
		steps []step
		want  []string // offsets
		ids   []string // of stored events
	}{
		{"advances", nil, []step{polled(textUpdate(10, 1), textUpdate(11, 2)), polled(), polled(textUpdate(12, 3))},
			[]string{`{`, `{"offset":12,`, `{"offset":12,`, `{"offset":13,`}, []string{"1", "2", "3"}},
		{"not stored", []error{down, down}, []step{polled(textUpdate(10, 1)), polled(textUpdate(10, 1)), polled(textUpdate(10, 1), textUpdate(11, 2))},
			[]string{`{`, `{`, `{`, `{"offset":12,`}, []string{"1", "2"}},
		{"not stored later", []error{nil, down}, []step{polled(textUpdate(10, 1)), polled(textUpdate(11, 2)), polled(textUpdate(11, 2))},
			[]string{`{`, `{"offset":11,`, `{"offset":11,`, `{"offset":12,`}, []string{"2"}},
		{"not stored for the owner's sake", []error{parley.Errorf(parley.KindConflict, "another node"), parley.Errorf(parley.KindLoggedOut, "x")},
			[]step{polled(textUpdate(10, 1)), polled(textUpdate(10, 1)), polled(textUpdate(10, 1))},
			[]string{`{`, `{`, `{`, `{"offset":11,`}, []string{"1"}},
		{"ids start anew", nil, []step{polled(textUpdate(900, 1)), polled(textUpdate(5, 2))},
			[]string{`{`, `{"offset":901,`, `{"offset":6,`}, []string{"1", "2"}},
		{"undecodable among others", nil, []step{polled(textUpdate(10, 1), `{"update_id":11,"message":5}`, textUpdate(12, 2))},
			[]string{`{`, `{"offset":13,`}, []string{"1", "11", "2"}},
		{"nameless last", nil, []step{polled(textUpdate(10, 1), `"x"`)},
			[]string{`{`, `{"offset":11,`}, []string{"1", "sha256:ba2df4903a2c14e86dc3bcca58911b44"}},
		{"nameless alone", nil, []step{polled(textUpdate(10, 1)), polled(`"x"`, `"x"`)},
			[]string{`{`, `{"offset":11,`, `{"offset":13,`}, nil},
		{"nameless at first", nil, []step{polled(`"x"`), polled(textUpdate(10, 1))},
			[]string{`{`, `{`, `{"offset":11,`}, nil},
		{"offset ignored", nil, []step{polled(textUpdate(10, 1)), polled(textUpdate(10, 1))},
			[]string{`{`, `{"offset":11,`, `{"offset":11,`}, []string{"1", "1"}},
		{"failures between", nil, []step{
			polled(textUpdate(10, 1)), {method: "getUpdates", status: 502, body: "<html>"}, {method: "getUpdates", status: 200, body: `{"ok":true,"res`},
			refusedStep("getUpdates", 429, "Too Many Requests"), refusedStep("getUpdates", 400, "Bad Request: new"), polled(textUpdate(11, 2)),
		}, []string{`{`, `{"offset":11,`, `{"offset":11,`, `{"offset":11,`, `{"offset":11,`, `{"offset":11,`, `{"offset":12,`}, []string{"1", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &sink{errs: tt.errs}
				got, _ := poll(t, s, tt.steps...)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("offsets (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.ids, s.ids()); tt.ids != nil && diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRunBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps []step
		for range 12 {
			steps = append(steps, step{method: "getUpdates", status: 502, body: "<html>"})
		}
		_, at := poll(t, &sink{}, steps...)
		for i := 2; i < len(at); i++ {
			top := min(time.Second<<(i-2), time.Minute)
			if wait := at[i] - at[i-1]; wait < top/2 || wait > top {
				t.Errorf("wait %d: got %s, want between %s and %s", i-1, wait, top/2, top)
			}
		}
	})
}

// A success makes the next failure the first again.
func TestRunForgetsFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := step{method: "getUpdates", status: 502, body: "<html>"}
		_, at := poll(t, &sink{}, down, down, down, down, polled(textUpdate(10, 1)), down)
		if wait := at[7] - at[6]; wait > time.Second {
			t.Errorf("got a wait of %s after a success, want at most 1s", wait)
		}
	})
}

// A server that sends the same updates again is not asked without pause.
func TestRunPausesWithoutProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same := polled(textUpdate(10, 1))
		_, at := poll(t, &sink{}, same, same, same)
		for i := 3; i < len(at); i++ {
			if wait := at[i] - at[i-1]; wait < time.Second/2 {
				t.Errorf("wait %d: got %s, want a pause", i-1, wait)
			}
		}
	})
}

func TestRunObeysThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttled := step{method: "getUpdates", status: 429, body: `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 300","parameters":{"retry_after":300}}`}
		_, at := poll(t, &sink{}, throttled)
		if wait := at[2] - at[1]; wait != 300*time.Second {
			t.Errorf("got a wait of %s, want 5m0s", wait)
		}
	})
}

// A server that does not hold polls open is not asked without pause.
func TestRunPausesEmptyPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, at := poll(t, &sink{}, polled(), polled(), polled())
		for i := 2; i < len(at); i++ {
			if wait := at[i] - at[i-1]; wait != time.Second {
				t.Errorf("wait %d: got %s, want 1s", i-1, wait)
			}
		}
	})
}

func TestRunStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := &script{t: t, steps: []step{
			{method: "deleteWebhook", want: "{}", status: 502, body: "<html>"},
			ok("deleteWebhook", "true"), polled(), refusedStep("getUpdates", 401, dead),
		}}
		if err := open(t, envOf(handled(sc))).Run(t.Context(), &sink{}); parley.KindOf(err) != parley.KindLoggedOut {
			t.Errorf("got %v, want kind logged out", err)
		}
		sc.done()
	})
}

func TestRunConflict(t *testing.T) {
	t.Parallel()
	for _, description := range []string{
		"Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
		"Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
	} {
		synctest.Test(t, func(t *testing.T) {
			conflict := refusedStep("getUpdates", 409, description)
			steps := []step{ok("deleteWebhook", "true"), conflict, conflict, polled(textUpdate(10, 1)), conflict, conflict, conflict}
			sc, s, start := &script{t: t, steps: steps}, &sink{}, time.Now()
			err := open(t, envOf(handled(sc))).Run(t.Context(), s)
			if parley.KindOf(err) != parley.KindConflict || !strings.Contains(parley.Reason(err), "in use elsewhere") {
				t.Errorf("got %v, want a conflict that says why", err)
			}
			if took := time.Since(start); took < 2*time.Second {
				t.Errorf("five conflicts took %s, want pauses between", took)
			}
			if len(s.events) != 1 {
				t.Errorf("got %d events, want 1", len(s.events))
			}
			sc.done()
		})
	}
}

// Single conflicts, as when a channel changes its node, do not add up for ever.
func TestRunForgetsConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps []step
		for range 2 * conflictLimit {
			steps = append(steps, refusedStep("getUpdates", 409, "Conflict: terminated by other getUpdates request"))
			for range 301 { // each an empty poll of a second
				steps = append(steps, polled())
			}
		}
		poll(t, &sink{}, steps...)
	})
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name string
		http doer
		emit func(context.Context) error
		logs bool // it has failed before
	}{
		{"during a poll", func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "deleteWebhook") {
				return handled(&script{t: t, steps: []step{ok("deleteWebhook", "true")}})(r)
			}
			return nil, &parley.Error{Kind: parley.KindUncertain, Err: waits(r.Context())}
		}, nil, false},
		{"during a pause", func(*http.Request) (*http.Response, error) {
			return nil, parley.Errorf(parley.KindUnavailable, "down")
		}, nil, true},
		{"while storing", handled(&script{t: t, steps: []step{ok("deleteWebhook", "true"), polled(textUpdate(10, 1))}}), waits, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				done, log := make(chan error), &buffer{}
				c := open(t, connector.Env{HTTP: tt.http, Log: slog.New(slog.NewTextHandler(log, nil))})
				go func() { done <- c.Run(ctx, emitFunc(tt.emit)) }()
				synctest.Wait()
				cancel()
				if err := <-done; err != nil {
					t.Errorf("got %v, want nil", err)
				}
				if logged := log.String() != ""; logged != tt.logs {
					t.Errorf("got log %q, want one: %t", log.String(), tt.logs)
				}
			})
		})
	}
}

type emitFunc func(context.Context) error

func (f emitFunc) Emit(ctx context.Context, _ ...connector.Event) error { return f(ctx) }

// A poll may take as long as the server holds it, and no longer than a minute.
func TestRunDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		sc := &script{t: t, steps: []step{ok("deleteWebhook", "true"), refusedStep("getUpdates", 401, dead)}}
		c := open(t, envOf(doer(func(r *http.Request) (*http.Response, error) {
			deadline, _ := r.Context().Deadline()
			left = time.Until(deadline)
			return handled(sc)(r)
		})))
		_ = c.Run(t.Context(), &sink{})
		if left < 45*time.Second || left > 60*time.Second {
			t.Errorf("got a deadline of %s, want 45 to 60 s", left)
		}
	})
}
