package load

import (
	"testing"
	"time"
)

func TestHistogramIsWithinTwoPercent(t *testing.T) {
	t.Parallel()
	h := &Hist{}
	for v := 1; v <= 100_000; v++ {
		h.Record(time.Duration(v) * time.Microsecond)
	}
	for _, q := range []float64{.01, .5, .95, .99, 1} {
		want := q * 100_000 * float64(time.Microsecond)
		if got := float64(h.Quantile(q)); got < want || got > want*1.02 {
			t.Errorf("quantile %v: got %v, want %v to 2%% more", q, got, want)
		}
	}
}

func TestBucketsAreContiguous(t *testing.T) {
	t.Parallel()
	for i := range 3000 {
		top := bucketTop(i)
		if bucketOf(top) != i || bucketOf(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which counts in %d, and its successor in %d", i, top, bucketOf(top), bucketOf(top+1))
		}
	}
}
