package simulator_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/simulator"
)

// filled makes a ring of the numbers 1 to n.
func filled(size, n int) *simulator.Ring[uint64] {
	r := simulator.NewRing[uint64](size)
	for range n {
		r.Append(func(seq uint64) uint64 { return seq })
	}
	return r
}

func TestRing(t *testing.T) {
	t.Parallel()
	even := func(n uint64) bool { return n%2 == 0 }
	tests := []struct {
		name          string
		size, n, last int
		after         uint64
		limit         int
		keep          func(uint64) bool
		want          []uint64
	}{
		{name: "empty", size: 3, limit: 9, want: []uint64{}},
		{name: "not full", size: 3, n: 2, limit: 9, want: []uint64{1, 2}},
		{name: "forgets the oldest", size: 3, n: 7, limit: 9, want: []uint64{5, 6, 7}},
		{name: "after", size: 5, n: 7, after: 5, limit: 9, want: []uint64{6, 7}},
		{name: "after all", size: 5, n: 7, after: 7, limit: 9, want: []uint64{}},
		{name: "after the future", size: 5, n: 7, after: 70, limit: 9, want: []uint64{}},
		{name: "limit", size: 5, n: 7, limit: 2, want: []uint64{3, 4}},
		{name: "limit counts what is kept", size: 9, n: 9, limit: 2, keep: even, want: []uint64{2, 4}},
		{name: "size below one", size: 0, n: 2, limit: 9, want: []uint64{2}},
		{name: "last", size: 5, n: 7, last: 2, want: []uint64{6, 7}},
		{name: "last of few", size: 5, n: 2, last: 4, want: []uint64{1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := filled(tt.size, tt.n)
			got := r.After(tt.after, tt.limit, tt.keep)
			if tt.last > 0 {
				got = r.Last(tt.last)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := r.Total(); got != uint64(tt.n) {
				t.Errorf("Total = %d, want %d", got, tt.n)
			}
		})
	}
}

func TestRingGrown(t *testing.T) {
	t.Parallel()
	r := filled(2, 3)
	<-r.Grown(2) // closed already, or the test hangs
	c := r.Grown(3)
	select {
	case <-c:
		t.Fatal("Grown(3) is closed with 3 entries")
	default:
	}
	r.Append(func(seq uint64) uint64 { return seq })
	<-c
	r.Reset()
	if got := r.Append(func(seq uint64) uint64 { return seq }); got != 1 {
		t.Errorf("the first number after Reset is %d, want 1", got)
	}
}
