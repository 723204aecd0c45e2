package store

import (
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// cacheSize is how many conversations one generation of the cache holds; at most
// twice as many are in memory.
const cacheSize = 1 << 16

// A convKey is a conversation's identity at its provider.
type convKey struct {
	channel  parley.ChannelID
	external string
}

// A conv is what the writer remembers of a conversation. It is not changed:
// news make a new one.
type conv struct {
	parley.Conversation
	contact   parley.ContactID
	username  string
	flushed   time.Time // LastIncome as it is in the row
	lastKnown time.Time // LastIncome as we know it here
	profiled  time.Time // when the profile was last asked for
}

// A convCache holds conversations in two generations: when the young one is full
// it becomes the old one, and what is used again moves back. It holds only what
// has been committed, and what never changes or may be stale.
type convCache struct {
	mu         sync.Mutex
	young, old map[convKey]*conv
	byID       map[parley.ConversationID]*conv
	oldByID    map[parley.ConversationID]*conv
}

func (c *convCache) get(key convKey) *conv {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.young[key]; v != nil {
		return v
	}
	v := c.old[key]
	if v != nil {
		c.put(v)
	}
	return v
}

func (c *convCache) getByID(id parley.ConversationID) *conv {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.byID[id]; v != nil {
		return v
	}
	v := c.oldByID[id]
	if v != nil {
		c.put(v)
	}
	return v
}

func (c *convCache) add(v *conv) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(v)
}

func (c *convCache) put(v *conv) {
	if len(c.young) >= cacheSize {
		c.old, c.oldByID = c.young, c.byID
		c.young, c.byID = nil, nil
	}
	if c.young == nil {
		c.young, c.byID = map[convKey]*conv{}, map[parley.ConversationID]*conv{}
	}
	c.young[convKey{v.Channel, v.External}] = v
	c.byID[v.ID] = v
}

// drop forgets a conversation whose row was changed elsewhere.
func (c *convCache) drop(id parley.ConversationID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []map[parley.ConversationID]*conv{c.byID, c.oldByID} {
		if v := m[id]; v != nil {
			delete(m, id)
			delete(c.young, convKey{v.Channel, v.External})
			delete(c.old, convKey{v.Channel, v.External})
		}
	}
}
