package sink

import (
	"context"
	"time"
)

// Hold makes requests to receivers wait, so that a backlog grows. Held already,
// it does nothing.
func (s *Sink) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		s.gate = make(chan struct{})
	}
}

// Release lets them go. What arrives from now on is the drain.
func (s *Sink) Release() {
	before := s.Stats().Webhook.Distinct
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		return
	}
	s.released = &Drain{Released: time.Now(), Distinct: before}
	close(s.gate)
	s.gate = nil
}

// wait waits while requests are held. It reports whether the caller has waited
// too: a message that was given up will come again, and has not arrived.
func (s *Sink) wait(ctx context.Context) bool {
	s.mu.Lock()
	gate := s.gate
	if gate == nil {
		s.mu.Unlock()
		return true
	}
	s.held++
	s.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	return ctx.Err() == nil
}
