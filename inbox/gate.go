package inbox

import (
	"errors"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A gate bounds the callbacks under way, with a share for each channel.
type gate struct {
	*store.Gate[parley.ChannelID]
}

func newGate(items int, bytes int64) gate {
	return gate{store.NewGate[parley.ChannelID](items, bytes)}
}

// enter lets one callback of a size in, or not, at once. leave must be called
// when it is done.
func (g gate) enter(id parley.ChannelID, size int64) (leave func(), ok bool) {
	one := store.Load{Items: 1, Bytes: size}
	if !g.Enter(id, one) {
		return nil, false
	}
	return func() { g.Leave(id, one) }, true
}

// force lets something in that is bounded elsewhere.
func (g gate) force(id parley.ChannelID, size int64) (leave func()) {
	one := store.Load{Items: 1, Bytes: size}
	g.Force(id, one)
	return func() { g.Leave(id, one) }
}

// flooded reports whether an error says only that there is too much. Such a
// callback is counted; a line for each would be a flood of its own.
func flooded(err error) bool {
	return errors.Is(err, errBusy) || errors.Is(err, store.ErrBusy)
}
