package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// TestRetentionDefaults: how long rows are kept without any flag.
func TestRetentionDefaults(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	c := defaultConfig()
	want := map[store.Kept]time.Duration{
		store.KeptEvents: 30 * day, store.KeptAttempts: 7 * day, store.KeptQuarantine: 30 * day, store.KeptDeadLetters: 0,
		store.KeptIdempotency: day, store.KeptRequests: day, store.KeptCodes: time.Hour, store.KeptTokens: time.Hour, store.KeptReceipts: day, store.KeptEchoes: day, store.KeptFiles: 0,
	}
	if diff := cmp.Diff(want, c.keep()); diff != "" {
		t.Error(diff)
	}
	if err := c.validate(); err != nil {
		t.Error(err)
	}
}

// TestRetentionFlags: 0 is for ever, less is refused with the flag's name.
func TestRetentionFlags(t *testing.T) {
	t.Parallel()
	for flag, field := range map[string]func(*config) *time.Duration{
		"--keep-events": func(c *config) *time.Duration { return &c.KeepEvents }, "--keep-attempts": func(c *config) *time.Duration { return &c.KeepAttempts },
		"--keep-quarantine":   func(c *config) *time.Duration { return &c.KeepQuarantine },
		"--keep-dead-letters": func(c *config) *time.Duration { return &c.KeepDeadLetters },
		"--keep-files":        func(c *config) *time.Duration { return &c.KeepFiles },
		"--keep-idempotency":  func(c *config) *time.Duration { return &c.KeepIdempotency },
	} {
		c := defaultConfig()
		*field(c) = 0
		if err := c.validate(); err != nil {
			t.Errorf("%s 0: %v", flag, err)
		}
		*field(c) = -time.Second
		if err := c.validate(); parley.KindOf(err) != parley.KindInvalid || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s -1s: %v, want it refused by name", flag, err)
		}
	}
}

// TestRetention: what was delivered goes from the log, and life goes on.
func TestRetention(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		conversation := s.meet("ann", "hello")
		s.stop()
		s.tune = func(c *config) { c.KeepEvents, c.cleanAfter = time.Millisecond, time.Millisecond }
		behind := s.logs.lines.Total()
		s.start()
		s.logs.await(t, behind, `msg="cleaned up" events=`)
		first, last, err := s.gateway.db.LogBounds(t.Context(), parley.CompanyID(s.company))
		if err != nil || first != last+1 {
			t.Errorf("the log is from %d to %d, %v; want nothing left of it", first, last, err)
		}
		s.say("ann", "again")
		if got := s.crm.next("message/new").Data; got.ConversationID != conversation || got.Message != "again" {
			t.Errorf("after a clean-up: %+v", got)
		}
	})
}
