package stream

import (
	"context"
	"fmt"
	"sync"

	"github.com/parley-im/parley"
)

const (
	epoch   = 3
	company = parley.CompanyID(7)
)

func at(seq int64) parley.Cursor { return parley.Cursor{Epoch: epoch, Seq: seq} }

// memory is a log in memory that keeps the promises of the real one.
type memory struct {
	mu    sync.Mutex
	logs  map[parley.CompanyID][]parley.Event // number n at n-1
	first map[parley.CompanyID]int64          // of the oldest kept; 0 is 1
	fail  error
	reads int // of events
}

func newMemory() *memory {
	return &memory{logs: map[parley.CompanyID][]parley.Event{}, first: map[parley.CompanyID]int64{}}
}

func newHub(m *memory) *Hub { return New(Config{Store: m, Epoch: epoch}) }

// commit appends events with bodies of a size, and returns them.
func (m *memory) commit(c parley.CompanyID, n, size int) []parley.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := len(m.logs[c])
	for range n {
		seq := int64(len(m.logs[c]) + 1)
		m.logs[c] = append(m.logs[c], parley.Event{Company: c, Seq: seq, Kind: parley.EventSystem, Body: fmt.Appendf(nil, "%*d", size, seq)})
	}
	return append([]parley.Event(nil), m.logs[c][from:]...)
}

// forget deletes the events below a number.
func (m *memory) forget(c parley.CompanyID, first int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first[c] = first
}

func (m *memory) EventsAfter(_ context.Context, c parley.CompanyID, seq int64, limit, maxBytes int) ([]parley.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.reads++
	var found []parley.Event
	size := 0
	for _, e := range m.logs[c] {
		if e.Seq > seq && e.Seq >= m.first[c] && len(found) < limit && (maxBytes == 0 || size < maxBytes) {
			found, size = append(found, e), size+len(e.Body)
		}
	}
	return found, nil
}

func (m *memory) LogBounds(_ context.Context, c parley.CompanyID) (first, last int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(1, m.first[c]), int64(len(m.logs[c])), m.fail
}

func (m *memory) LogEnds(_ context.Context, companies []parley.CompanyID) (map[parley.CompanyID]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ends := map[parley.CompanyID]int64{}
	for _, c := range companies {
		ends[c] = int64(len(m.logs[c]))
	}
	return ends, m.fail
}

func (m *memory) counted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}
