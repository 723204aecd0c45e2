package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A table finds what a key was resolved to, without a lock once it has been seen.
// The keys must be few. make must be set before it is used.
type table[K comparable, V any] struct {
	make func(K) *V
	mu   sync.Mutex // of writers
	seen atomic.Pointer[map[K]*V]
}

func (t *table[K, V]) get(key K) *V {
	if seen := t.seen.Load(); seen != nil {
		if v := (*seen)[key]; v != nil {
			return v
		}
	}
	return t.add(key)
}

func (t *table[K, V]) add(key K) *V {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[K]*V{}
	if seen := t.seen.Load(); seen != nil {
		if v := (*seen)[key]; v != nil {
			return v
		}
		next = maps.Clone(*seen)
	}
	next[key] = t.make(key)
	t.seen.Store(&next)
	return next[key]
}
