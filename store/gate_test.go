package store_test

import (
	"testing"

	"github.com/parley-im/parley/store"
)

// admitted lets in as many of a size as the gate takes, and returns how many.
func admitted(g *store.Gate[int], who int, l store.Load) int {
	n := 0
	for g.Enter(who, l) {
		n++
	}
	return n
}

func TestGateShares(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		each   store.Load
		alone  int // of the first one
		second int // of another beside it
	}{
		{"by number", store.Load{Items: 1, Bytes: 1}, 6, 2},
		{"by number, several at once", store.Load{Items: 2, Bytes: 1}, 3, 1},
		{"by number, uneven", store.Load{Items: 4, Bytes: 1}, 1, 1},
		{"by bytes", store.Load{Items: 1, Bytes: 200}, 3, 1},
		{"by bytes, uneven", store.Load{Items: 1, Bytes: 120}, 5, 1},
		{"larger than a share", store.Load{Items: 1, Bytes: 700}, 1, 0},
		{"larger than all", store.Load{Items: 1, Bytes: 900}, 1, 0},
		{"more than all", store.Load{Items: 9, Bytes: 1}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := store.NewGate[int](8, 800)
			if n := admitted(g, 1, tt.each); n != tt.alone {
				t.Errorf("%d of one alone, want %d", n, tt.alone)
			}
			if n := admitted(g, 2, tt.each); n != tt.second {
				t.Errorf("%d of a second, want %d", n, tt.second)
			}
			if n := admitted(g, 1, tt.each); n != 0 {
				t.Errorf("%d more of the first, want 0", n)
			}
		})
	}
}

func TestGateIsFair(t *testing.T) {
	t.Parallel()
	g, one := store.NewGate[int](8, 800), store.Load{Items: 1, Bytes: 1}
	g.Enter(1, one)
	g.Enter(2, one)
	for who := 1; who <= 4; who++ {
		before := g.Total().Items
		admitted(g, who, one)
		if got := g.Total().Items - before; got != map[int]int{1: 1, 2: 1, 3: 2, 4: 2}[who] {
			t.Errorf("%d more of number %d, want a quarter of 8 in all", got, who)
		}
	}
	if n := admitted(g, 5, one); n != 0 {
		t.Errorf("%d beyond the whole, want 0", n)
	}
}

func TestGateLeave(t *testing.T) {
	t.Parallel()
	g := store.NewGate[int](8, 800)
	if !g.Enter(1, store.Load{Items: 3, Bytes: 800}) {
		t.Fatal("an empty gate is closed")
	}
	if g.Enter(2, store.Load{Items: 1, Bytes: 800}) {
		t.Error("more than the whole was let in")
	}
	g.Force(2, store.Load{Items: 1, Bytes: 800})
	if got, want := g.Total(), (store.Load{Items: 4, Bytes: 1600}); got != want {
		t.Errorf("total is %+v, want %+v", got, want)
	}
	g.Leave(1, store.Load{Items: 1, Bytes: 300})
	g.Leave(1, store.Load{Items: 2, Bytes: 500})
	g.Leave(2, store.Load{Items: 1, Bytes: 800})
	if got := g.Total(); got != (store.Load{}) {
		t.Errorf("total is %+v after all have left", got)
	}
	if n := admitted(g, 3, store.Load{Items: 1, Bytes: 1}); n != 6 {
		t.Errorf("%d of one who is alone again, want 6", n)
	}
}
