package webhook

import (
	"sync"

	"github.com/parley-im/parley"
)

// Bounds of what a mailbox holds. What goes beyond them is read from the log.
const (
	mailEvents = 1024
	mailBytes  = 256 << 10
)

// A mailbox is what others leave for an owner. Nobody waits for room in it.
type mailbox struct {
	mu      sync.Mutex
	events  []parley.Event
	bytes   int
	behind  bool             // there may be events that are not in the mailbox
	changed bool             // the endpoint's row, or its replays
	fresh   *parley.Endpoint // the row as a poll found it; nil if none did
}

// A letter is what was in the mailbox.
type letter struct {
	events  []parley.Event
	behind  bool
	changed bool
	fresh   *parley.Endpoint
}

func (m *mailbox) put(events []parley.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range events {
		if m.behind {
			return
		}
		if len(m.events) == mailEvents || m.bytes > mailBytes || events[i].Body == nil {
			m.behind = true
			return
		}
		m.events = append(m.events, events[i])
		m.bytes += len(events[i].Body)
	}
}

func (m *mailbox) refresh(ep *parley.Endpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.behind, m.fresh = true, ep
}

func (m *mailbox) change() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = true
}

// take empties the mailbox.
func (m *mailbox) take() letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := letter{m.events, m.behind, m.changed, m.fresh}
	m.events, m.bytes, m.behind, m.changed, m.fresh = nil, 0, false, false, nil
	return l
}

func (m *mailbox) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events) == 0 && !m.behind && !m.changed && m.fresh == nil
}
