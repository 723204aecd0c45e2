package limits_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/bench/limits"
)

// TestMain lets the test's own program be the echo.
func TestMain(m *testing.M) {
	if os.Getenv("LIMITS_ECHO") == "" {
		os.Exit(m.Run())
	}
	if err := limits.ServeEcho(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestMeasure: everything is measured, and nothing is left behind.
func TestMeasure(t *testing.T) {
	t.Setenv("LIMITS_ECHO", "1")
	o := limits.Options{Dir: t.TempDir(), Postgres: os.Getenv("PARLEY_TEST_POSTGRES"), Duration: 100 * time.Millisecond, Echo: []string{os.Args[0]}}
	want := []string{limits.EchoOne, limits.EchoMany, limits.SQLiteOne, limits.SQLiteSome, limits.SQLiteMany, limits.Disk}
	if o.Postgres != "" {
		want = append(want, limits.PostgresOne, limits.PostgresMany)
	}
	figures, err := limits.Measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range figures {
		names = append(names, f.Name)
		if f.Rate <= 0 || f.P50 <= 0 || f.P99 < f.P50 {
			t.Errorf("got %+v", f)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
	var text strings.Builder
	limits.Text(&text, figures)
	if got := strings.Count(text.String(), "\n"); got != len(want) || !strings.Contains(text.String(), limits.SQLiteMany) {
		t.Errorf("got:\n%s", &text)
	}
}

// TestMeasureFails: what cannot be measured is named.
func TestMeasureFails(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		o    limits.Options
		want string
	}{
		"no such command": {t.Context(), limits.Options{Echo: []string{"/does/not/exist"}}, limits.EchoOne},
		"silent command":  {t.Context(), limits.Options{Echo: []string{"true"}}, limits.EchoOne},
		"no directory":    {t.Context(), limits.Options{Dir: "/does/not/exist", Duration: 100 * time.Millisecond}, limits.SQLiteOne},
		"cancelled":       {ended, limits.Options{Dir: t.TempDir()}, limits.EchoOne},
	} {
		if _, err := limits.Measure(tt.ctx, tt.o); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
