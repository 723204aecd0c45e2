package session

import (
	"container/list"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// fresh is for how long a row is trusted without reading it again. The hook tells
// of changes on this node; this is how late those of other nodes are seen.
const fresh = 2 * time.Second

// idleClose is how long a client stays open that nobody asks for. To open it again
// costs no more than reading the row, which happens after such a time in any case.
const idleClose = time.Minute

// A line is an open client together with the row it was last seen to belong to.
// The row is shared and must not be changed.
type line struct {
	ch     *parley.Channel
	client connector.Client
	spec   connector.Spec
}

// An entry is a line in the cache.
type entry struct {
	line
	readAt time.Time // when the row was read; zero if it has changed since
	usedAt time.Time // when it was last asked for
	pins   int       // how many workers use the client
	place  *list.Element
}

// A cache keeps open clients by channel, and the channels' callback paths. It does
// no I/O, and closes clients outside its lock.
type cache struct {
	max int
	log *slog.Logger

	mu      sync.Mutex
	byID    map[parley.ChannelID]*entry
	byPath  map[string]parley.ChannelID // by provider and path
	used    *list.List                  // of *entry, the one used last in front
	changes uint64                      // how many times something was doubted
}

func newCache(max int, log *slog.Logger) *cache {
	return &cache{max: max, log: log, byID: make(map[parley.ChannelID]*entry),
		byPath: make(map[string]parley.ChannelID), used: list.New()}
}

func pathKey(ch *parley.Channel) string {
	return ch.Provider + "/" + ch.Secrets[parley.SecretCallbackPath].Reveal()
}

// get returns a line whose row is fresh.
func (c *cache) get(id parley.ChannelID, now time.Time) (line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(id, now)
}

// path returns a line whose row is fresh by its provider and callback path.
func (c *cache) path(provider, path string, now time.Time) (line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.byPath[provider+"/"+path]
	if !ok {
		return line{}, false
	}
	return c.find(id, now)
}

func (c *cache) find(id parley.ChannelID, now time.Time) (line, bool) {
	e := c.byID[id]
	if e == nil {
		return line{}, false
	}
	if age := now.Sub(e.readAt); age < 0 || age >= fresh {
		return line{}, false
	}
	e.usedAt = now
	c.used.MoveToFront(e.place)
	return e.line, true
}

// stamp is to be taken before a row is read: what is read is fresh only if nothing
// was doubted meanwhile.
func (c *cache) stamp() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// doubt says that a channel's row has changed. It does not block.
func (c *cache) doubt(id parley.ChannelID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if e := c.byID[id]; e != nil {
		e.readAt = time.Time{}
	}
}

// renew gives the channel's open client a newer row of the same generation.
func (c *cache) renew(ch *parley.Channel, stamp uint64, now time.Time) (line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[ch.ID]
	if e == nil || e.ch.Generation != ch.Generation {
		return line{}, false
	}
	c.update(e, ch, stamp, now)
	return e.line, true
}

func (c *cache) update(e *entry, ch *parley.Channel, stamp uint64, now time.Time) {
	c.forgetPath(e)
	e.ch, e.readAt, e.usedAt = ch, now, now
	if stamp != c.changes {
		e.readAt = time.Time{}
	}
	c.byPath[pathKey(ch)] = ch.ID
	c.used.MoveToFront(e.place)
}

func (c *cache) forgetPath(e *entry) {
	if key := pathKey(e.ch); c.byPath[key] == e.ch.ID {
		delete(c.byPath, key)
	}
}

// put keeps a newly opened client and returns the one to use: another one, if it
// was opened meanwhile for the same or a later generation.
func (c *cache) put(l line, stamp uint64, now time.Time) line {
	kept, unused := c.insert(l, stamp, now)
	c.close(unused...)
	return kept
}

func (c *cache) insert(l line, stamp uint64, now time.Time) (kept line, unused []connector.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[l.ch.ID]; e != nil {
		if e.ch.Generation >= l.ch.Generation {
			return e.line, []connector.Client{l.client}
		}
		unused = append(unused, c.remove(e))
	}
	e := &entry{line: l}
	e.place = c.used.PushFront(e)
	c.byID[l.ch.ID] = e
	c.update(e, l.ch, stamp, now)
	e.pins = 1 // not the newcomer
	unused = append(unused, c.evict()...)
	e.pins = 0
	return l, unused
}

// evict makes room. Clients that workers hold stay.
func (c *cache) evict() []connector.Client {
	var out []connector.Client
	for tries := c.used.Len(); len(c.byID) > c.max && tries > 0; tries-- {
		e := c.used.Back().Value.(*entry)
		if e.pins > 0 {
			c.used.MoveToFront(e.place)
			continue
		}
		out = append(out, c.remove(e))
	}
	return out
}

// closeIdle closes the clients that nobody has asked for in a while, and whose
// channels no worker serves. Those are at the end of the list, so that it costs
// nothing while there are none.
func (c *cache) closeIdle(now time.Time) { c.close(c.idle(now)...) }

func (c *cache) idle(now time.Time) []connector.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []connector.Client
	for place := c.used.Back(); place != nil; {
		e := place.Value.(*entry)
		place = place.Prev()
		if now.Sub(e.usedAt) < idleClose {
			break
		}
		if e.pins == 0 {
			out = append(out, c.remove(e))
		}
	}
	return out
}

func (c *cache) remove(e *entry) connector.Client {
	c.forgetPath(e)
	delete(c.byID, e.ch.ID)
	c.used.Remove(e.place)
	return e.client
}

// pin keeps the client of a line open while a worker uses it. It fails if the
// cache has let go of the client meanwhile.
func (c *cache) pin(l line) (unpin func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[l.ch.ID]
	if e == nil || e.client != l.client {
		return nil, false
	}
	e.pins++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.pins--
	}, true
}

// observe takes a row that was read by somebody else: a client of an older
// generation, or of a channel that is disabled or deleted, is closed.
func (c *cache) observe(ch *parley.Channel) {
	c.mu.Lock()
	e := c.byID[ch.ID]
	gone := e != nil && (e.ch.Generation < ch.Generation || shut(ch.State))
	var client connector.Client
	if gone {
		client = c.remove(e)
	}
	c.mu.Unlock()
	if gone {
		c.close(client)
	}
}

// shut reports whether a channel in the state has no use for an open client.
func shut(s parley.ChannelState) bool {
	return s == parley.ChannelDisabled || s == parley.ChannelDeleted
}

// drop closes the channel's client.
func (c *cache) drop(id parley.ChannelID) {
	c.observe(&parley.Channel{ID: id, State: parley.ChannelDeleted})
}

func (c *cache) closeAll() {
	c.mu.Lock()
	var all []connector.Client
	for _, e := range c.byID {
		all = append(all, c.remove(e))
	}
	c.mu.Unlock()
	c.close(all...)
}

func (c *cache) close(clients ...connector.Client) {
	for _, client := range clients {
		closer, ok := client.(io.Closer)
		if !ok {
			continue
		}
		if err := safely(closer.Close); err != nil {
			c.log.Warn("client could not be closed", problem(err))
		}
	}
}
