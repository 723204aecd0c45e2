package telegramsim

import "sync"

type messageKey struct{ bot, chat, id int64 }

// messages remembers the last messages of all chats, so that they can be edited,
// deleted and replied to. Beyond its size the oldest are forgotten.
type messages struct {
	size int

	mu    sync.Mutex
	byKey map[messageKey]*message
	order []messageKey // a ring once full
	next  int
}

func newMessages(size int) *messages {
	m := &messages{size: size}
	m.reset()
	return m
}

func (m *messages) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byKey, m.order, m.next = make(map[messageKey]*message), nil, 0
}

func (m *messages) add(k messageKey, v *message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byKey[k] = v
	if len(m.order) < m.size {
		m.order = append(m.order, k)
		return
	}
	delete(m.byKey, m.order[m.next])
	m.order[m.next] = k
	m.next = (m.next + 1) % m.size
}

func (m *messages) get(k messageKey) *message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byKey[k]
}

// replace puts an edited message in the place of the old one, unless it was forgotten.
func (m *messages) replace(k messageKey, v *message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey[k] != nil {
		m.byKey[k] = v
	}
}

func (m *messages) remove(k messageKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byKey, k)
}
