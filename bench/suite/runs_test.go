package suite

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/bench/load"
)

func runAt(rps float64) *run { return &run{Result: &load.Result{Requests: 1, RPS: rps}} }

func rps(r *run) float64 { return r.RPS }

func TestInTurns(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	side := func(name string, rates ...float64) func(context.Context) (*run, error) {
		return func(context.Context) (*run, error) {
			order.WriteString(name)
			r := runAt(rates[0])
			rates = rates[1:]
			return r, nil
		}
	}
	a, b, err := inTurns(t.Context(), 3, side("a", 10, 30, 20), side("b", 10, 10, 10))
	if err != nil {
		t.Fatal(err)
	}
	if order.String() != "abbaab" {
		t.Errorf("order %s", &order)
	}
	f := versus("x", sqlite, "y", a, b, rps)
	if f.Value != 2 || !cmp.Equal(f.Runs, []float64{1, 3, 2}) {
		t.Errorf("got %+v", f)
	}
}

func TestInTurnsEndsAtAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	calls := 0
	fails := func(context.Context) (*run, error) { calls++; return nil, broken }
	if _, _, err := inTurns(t.Context(), 3, fails, fails); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestRunsTellTheWorst(t *testing.T) {
	t.Parallel()
	bad := runAt(1)
	bad.others, bad.Errors, bad.Failure = 0.5, 2, "connection refused"
	f := runs{runAt(3), bad, runAt(2)}.figure("x", sqlite, "y", "msg/s", rps)
	if f.Value != 2 || f.Others != 0.5 || !strings.Contains(f.Note, "connection refused") {
		t.Errorf("got %+v", f)
	}
}

// TestIncompleteIsNoted: what did not arrive is told.
func TestIncompleteIsNoted(t *testing.T) {
	t.Parallel()
	r := runAt(1)
	r.Sink = &load.SinkResult{Complete: true, Arrivals: &load.Arrivals{Distinct: 7}}
	if n := r.failed(); n != "" {
		t.Errorf("complete: %q", n)
	}
	r.Sink.Complete = false
	if n := r.failed(); !strings.Contains(n, "7 arrived") {
		t.Errorf("incomplete: %q", n)
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	s := &suite{Options: Options{Duration: 2 * time.Second}}
	if d := s.seconds(5); d != time.Second {
		t.Errorf("5 s became %v", d)
	}
	if n, least := s.count(1000, 10), s.count(1000, 300); n != 200 || least != 300 {
		t.Errorf("1000 became %d, and %d at the least", n, least)
	}
}

func TestOthersShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cpu  float64
		took time.Duration
	}{{-1, time.Second}, {1, 0}} {
		if got := othersShare(tt.cpu, tt.took); got != 0 {
			t.Errorf("%v s in %v: %v", tt.cpu, tt.took, got)
		}
	}
	if got, half := othersShare(1, time.Second), othersShare(0.5, time.Second); got <= 0 || half*2 != got {
		t.Errorf("got %v and %v", got, half)
	}
}

func TestShuffledKeepsAll(t *testing.T) {
	t.Parallel()
	a, b := contacts(1000), contacts(1000)
	if !cmp.Equal(a, b) {
		t.Error("two runs would not go through the conversations in the same order")
	}
	seen := map[string]bool{}
	inPlace := 0
	for i, id := range a {
		seen[id] = true
		if i > 0 && id > a[i-1] {
			inPlace++
		}
	}
	if len(seen) != 1000 || inPlace > 600 || inPlace < 400 {
		t.Errorf("%d contacts, %d in ascending order", len(seen), inPlace)
	}
}

func TestScenariosHaveNames(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^[a-z]+$`)
	seen := map[string]bool{}
	for _, sc := range scenarios() {
		if !shape.MatchString(sc.name) || seen[sc.name] || sc.about == "" || sc.run == nil {
			t.Errorf("scenario %q", sc.name)
		}
		seen[sc.name] = true
	}
	var b strings.Builder
	if err := printList(&b); err != nil || strings.Count(b.String(), "\n") != len(seen) {
		t.Errorf("list: %v\n%s", err, &b)
	}
}
