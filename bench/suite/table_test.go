package suite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target *Target
		value  float64
		met    bool
	}{
		{atLeast(10), 10, true}, {atLeast(10), 9.99, false}, {atMost(0), 0, true}, {atMost(0), 1, false},
		{below(10), 9.99, true}, {below(10), 10, false},
	} {
		f := Figure{Value: tt.value, Target: tt.target, Database: sqlite}
		if f.settle(); f.Met == nil || *f.Met != tt.met {
			t.Errorf("%v for a target of %v: met %v, want %v", tt.value, tt.target, f.Met, tt.met)
		}
	}
}

func TestTargetsAreForSQLite(t *testing.T) {
	t.Parallel()
	f := Figure{Value: 1, Target: atLeast(10), Database: postgres}
	if f.settle(); f.Target != nil || f.Met != nil {
		t.Errorf("PostgreSQL has the target %v, met %v", f.Target, f.Met)
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	for others, dirty := range map[float64]bool{0: false, 0.09: false, 0.091: true} {
		f := Figure{Others: others}
		if f.settle(); f.Dirty != dirty {
			t.Errorf("others took %v: dirty %v, want %v", others, f.Dirty, dirty)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		given := append([]float64(nil), tt.values...)
		if got := median(tt.values); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.values, got, tt.want)
		}
		if diff := cmp.Diff(given, tt.values); diff != "" {
			t.Errorf("median changed its argument: %s", diff)
		}
	}
}

func TestRatios(t *testing.T) {
	t.Parallel()
	if got := ratios([]float64{2, 9, 6, 1}, []float64{4, 0, 3}); !cmp.Equal(got, []float64{0.5, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 7: "7", 5600.4: "5600", 12.34: "12.3", 1.234: "1.23", 0.0123: "0.012", -31.4: "-31.4"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %q, want %q", v, got, want)
		}
	}
}

// figuresOfBoth are those of a run on both databases, one of them dirty.
func figuresOfBoth() []Figure {
	list := []Figure{
		{Scenario: "limits", Name: "echo", Unit: "/s", Value: 20000},
		{Scenario: "receive", Database: sqlite, Name: "64 connections", Unit: "msg/s", Value: 6000, Target: atLeast(5600), CPU: 150, Peak: 60, Limit: "echo 20000/s"},
		{Scenario: "receive", Database: sqlite, Name: "p99", Unit: "ms", Value: 51, Target: below(50), Others: 0.2},
		{Scenario: "receive", Database: postgres, Name: "64 connections", Unit: "msg/s", Value: 4000, CPU: 250, Peak: 70, Note: "3 of 9 requests failed"},
		{Scenario: "receive", Database: postgres, Name: "p99", Unit: "ms", Value: 40},
	}
	for i := range list {
		list[i].settle()
	}
	return list
}

const tableOfBoth = `figure                   target  SQLite  met  PostgreSQL   CPU us  peak MiB  beside it
limits
  echo, /s                        20000
receive
  64 connections, msg/s  ≥ 5600    6000  yes        4000  150/250     60/70  echo 20000/s
  p99, ms                  < 50   51.0~   NO        40.0

~ other processes took more than 9 % of the CPU: do not trust this one
- receive, 64 connections on postgres: 3 of 9 requests failed

1 of 2 targets met
`

func TestPrint(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	Print(&b, figuresOfBoth())
	want := strings.ReplaceAll(tableOfBoth, "51.0~", "  51~")
	want = strings.ReplaceAll(want, "        40.0", "          40")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "figures.json")
	want := figuresOfBoth()
	if err := writeLines(file, want); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []Figure
	for dec := json.NewDecoder(bytes.NewReader(b)); dec.More(); {
		var f Figure
		if err := dec.Decode(&f); err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := bytes.Count(b, []byte("\n")); n != len(want) {
		t.Errorf("%d lines, want %d", n, len(want))
	}
}
