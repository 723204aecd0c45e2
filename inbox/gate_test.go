package inbox

import (
	"testing"

	"github.com/parley-im/parley"
)

func newGate() *gate {
	return &gate{items: 8, bytes: 800, channels: make(map[parley.ChannelID]load)}
}

// admit lets in as many as it can of a channel and returns how many.
func admit(g *gate, id parley.ChannelID, size int64) int {
	n := 0
	for {
		if _, ok := g.enter(id, size); !ok {
			return n
		}
		n++
	}
}

func TestGateShares(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		size   int64
		alone  int // of the first channel
		second int // of a second one beside it
	}{
		{"by number", 1, 6, 2},
		{"by bytes", 200, 3, 1},
		{"by bytes, uneven", 120, 5, 1},
		{"larger than a share", 700, 1, 0},
		{"larger than all", 900, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			if n := admit(g, 1, tt.size); n != tt.alone {
				t.Errorf("%d of a channel alone, want %d", n, tt.alone)
			}
			if n := admit(g, 2, tt.size); n != tt.second {
				t.Errorf("%d of a second channel, want %d", n, tt.second)
			}
			if n := admit(g, 1, tt.size); n != 0 {
				t.Errorf("%d more of the first channel, want 0", n)
			}
		})
	}
}

func TestGateIsFair(t *testing.T) {
	t.Parallel()
	g := newGate()
	for id := parley.ChannelID(1); id <= 2; id++ {
		g.enter(id, 1)
	}
	for id := parley.ChannelID(1); id <= 4; id++ {
		admit(g, id, 1)
		if n := g.channels[id].items; n != 2 {
			t.Errorf("%d of channel %d, want a quarter of 8", n, id)
		}
	}
	if n := admit(g, 5, 1); n != 0 {
		t.Errorf("%d beyond the whole, want 0", n)
	}
}

func TestGateLeave(t *testing.T) {
	t.Parallel()
	g := newGate()
	leave, ok := g.enter(1, 800)
	if !ok {
		t.Fatal("an empty gate is closed")
	}
	if _, ok := g.enter(2, 800); ok {
		t.Error("more than the whole was let in")
	}
	forced := g.force(2, 800)
	if g.total != (load{2, 1600}) {
		t.Errorf("total is %+v", g.total)
	}
	leave()
	forced()
	if g.total != (load{}) || len(g.channels) != 0 {
		t.Errorf("total is %+v after all have left", g.total)
	}
}
