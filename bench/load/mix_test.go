package load

import (
	"math"
	"slices"
	"testing"
)

// TestPicker: shares are exact over any stretch, and what has no share never comes.
func TestPicker(t *testing.T) {
	t.Parallel()
	for _, mix := range [][]Part{
		nil,
		{Garbage(.1), Duplicates(.1), Oversized(.01, 1)},
		{Forged(1, "A: b")},
		{Garbage(.5), Duplicates(.5)},
		{Garbage(.3), Duplicates(.3), Forged(.4, "A: b")},
	} {
		o := Options{Mix: mix}
		parts := o.parts()
		for made := range 3 {
			p := newPicker(parts, made)
			got := make([]float64, len(parts))
			for n := 1; n <= 2000; n++ {
				got[p.next()]++
				for i := range parts {
					if want := parts[i].share * float64(n); math.Abs(got[i]-want) > 2 || parts[i].share == 0 && got[i] > 0 {
						t.Fatalf("%v: %s came %v times of %d", mix, parts[i].name, got[i], n)
					}
				}
			}
		}
	}
}

func TestParseMix(t *testing.T) {
	t.Parallel()
	mix, err := ParseMix("garbage=0.1,duplicate=0.2,oversized=0.01,forged=0.3", "X: wrong")
	if err != nil || len(mix) != 4 {
		t.Fatalf("got %v %v", mix, err)
	}
	if !mix[1].Repeat || mix[2].Pad != TelegramLimit || !slices.Equal(mix[3].Header, []string{"X: wrong"}) {
		t.Errorf("got %+v", mix)
	}
	for _, bad := range []string{"", "garbage", "garbage=x", "garbage=-0.1", "nonsense=0.1", "garbage=0.1,garbage=0.1", "garbage=0.6,forged=0.6", "garbage=NaN"} {
		if _, err := ParseMix(bad, ""); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestHeadersAreReplaced(t *testing.T) {
	t.Parallel()
	got := replaceHeaders([]string{"Content-Type: a", "x-secret: {key2}", "X-Secret-Not: b"}, []string{"X-Secret: wrong"})
	if want := []string{"Content-Type: a", "X-Secret-Not: b", "X-Secret: wrong"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
