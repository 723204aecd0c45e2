package session

import (
	"context"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const (
	// settle is how long a starting session is counted as a handshake.
	settle = time.Second
	// steady is how long a session must run, or until it hears something, to count
	// as well again. It is more than any provider's longest poll with its timeout.
	steady = 2 * time.Minute
	// patience is how long a live channel may fail before it says so.
	patience = 2 * time.Minute
)

// A trouble is what a worker knows of its channel's failing.
type trouble struct {
	patience time.Duration
	since    time.Time // the first failure since it last went well; zero if it goes well
	shown    *string   // the reason in the row; nil until known
}

// failed counts a failure, and says so in the row once it lasts.
func (m *Manager) failed(ctx context.Context, ch *parley.Channel, t *trouble, err error) {
	now := m.cfg.Now()
	if t.since.IsZero() {
		t.since = now
	}
	if now.Sub(t.since) < t.patience {
		return
	}
	m.explain(ctx, ch, t.row(ch), complaint(err))
}

// recovered forgets the trouble, also in the row.
func (m *Manager) recovered(ctx context.Context, ch *parley.Channel, t *trouble) {
	t.since = time.Time{}
	m.explain(ctx, ch, t.row(ch), "")
}

func (t *trouble) row(ch *parley.Channel) *string {
	if t.shown == nil {
		reason := ch.Reason
		t.shown = &reason
	}
	return t.shown
}

// complaint is the sentence about a channel that does not work just now.
func complaint(err error) string {
	switch parley.KindOf(err) {
	case parley.KindConflict:
		return "the account is used elsewhere: " + parley.Reason(err)
	case parley.KindUnavailable, parley.KindUncertain, parley.KindThrottled:
		return "provider unreachable: " + parley.Reason(err)
	}
	return "the channel does not work: " + parley.Reason(err)
}

// keep runs the channel's session for as long as it is to run, if it must run at
// all. It reports false if the cache let go of the client before it could start.
func (m *Manager) keep(ctx context.Context, l line) bool {
	runner, _ := l.client.(connector.Runner)
	if !m.mustRun(l) {
		return true
	}
	unpin, ok := m.cache.pin(l)
	if !ok {
		return false
	}
	defer unpin()
	retry, t := backoff{longest: longestWait}, trouble{patience: patience}
	for ctx.Err() == nil {
		well, err := m.run(ctx, l, runner, &t)
		if ctx.Err() != nil {
			break
		}
		if well {
			retry.failures = 0
		}
		if m.over(ctx, l, err) {
			break
		}
		m.log(l.ch).WarnContext(ctx, "session broke", "attempt", retry.failures+1, "kind", parley.KindOf(err), problem(err))
		m.failed(ctx, l.ch, &t, err)
		sleep(ctx, retry.next(err))
	}
	return true
}

// over reports whether a session ended for good, because its credentials are refused.
func (m *Manager) over(ctx context.Context, l line, err error) bool {
	if parley.KindOf(err) != parley.KindLoggedOut {
		return false
	}
	refused, err := m.judge(ctx, l, parley.Reason(err))
	if err != nil && !parley.Interrupted(err) {
		m.log(l.ch).WarnContext(ctx, "credentials could not be checked", problem(err))
	}
	return refused
}

// run runs the session once, and reports whether it went well for a while. It holds
// a place among the handshakes while the session settles.
func (m *Manager) run(ctx context.Context, l line, runner connector.Runner, t *trouble) (well bool, err error) {
	free, err := m.slot(ctx, l.ch.Provider)
	if err != nil {
		return false, err
	}
	s := &sink{store: m.cfg.Sink, ch: l.ch, source: "poll", heard: make(chan struct{})}
	if l.spec.Stateful {
		s.source = "session"
	}
	ended := make(chan struct{})
	var attending sync.WaitGroup
	attending.Go(func() {
		settled(free, ended, s.heard)
		if well = fine(ended, s.heard); well {
			m.recovered(ctx, l.ch, t)
		}
	})
	err = safely(func() error { return runner.Run(ctx, s) })
	close(ended)
	attending.Wait()
	return well, err
}

// settled gives the place among the handshakes back when the handshake is over.
func settled(free func(), ended, heard <-chan struct{}) {
	defer free()
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-ended:
	case <-heard:
	case <-timer.C:
	}
}

// fine waits for a session to have gone well, or to have ended.
func fine(ended, heard <-chan struct{}) bool {
	timer := time.NewTimer(steady - settle)
	defer timer.Stop()
	select {
	case <-heard:
		return true
	case <-timer.C:
		return true
	case <-ended:
	}
	select {
	case <-heard:
		return true
	default:
		return false
	}
}

// A sink takes what one run of a session hears.
type sink struct {
	store  Sink
	ch     *parley.Channel
	source string
	once   sync.Once
	heard  chan struct{} // closed once something was stored
}

// Emit returns once the events are stored.
func (s *sink) Emit(ctx context.Context, events ...connector.Event) error {
	err := s.store(ctx, s.ch, s.source, events...)
	if err == nil {
		s.once.Do(func() { close(s.heard) })
	}
	return err
}
