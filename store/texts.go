package store

import "sync"

// texts keeps the statements that are written for a number of rows.
type texts struct{ known sync.Map }

type textKey struct {
	before, after string
	rows          int
}

func (t *texts) of(s *table, rows int, d dialect) string {
	key := textKey{s.before, s.after, rows}
	if text, ok := t.known.Load(key); ok {
		return text.(string)
	}
	text := s.before + d.values(s.types, rows) + s.after
	t.known.Store(key, text)
	return text
}
