package attachment

import (
	"context"
	"log/slog"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// How rows are looked for.
const (
	pollEvery = time.Second
	pollGap   = 50 * time.Millisecond // between two looks at least, however often somebody wakes us
	// pollRest is how many times longer than a look the rest after it is: of a
	// backlog a look reads thousands of rows, and must not take the time of those
	// who make it.
	pollRest = 6
	pageSize = 500
	// freshOverlap is how far before the last look rows still count as fresh: as
	// long as a transaction may take from its beginning to its commit.
	freshOverlap = 5 * time.Second
	roundPages   = 2
)

// watch looks for work until ctx ends.
func (s *Service) watch(ctx context.Context) {
	files := &scanner{page: s.dueFiles}
	profiles := &scanner{page: s.dueProfiles}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		begun := time.Now()
		s.look(ctx, "files", files)
		s.look(ctx, "profiles", profiles)
		rest := min(max(pollGap, pollRest*time.Since(begun)), pollEvery)
		s.files.start(ctx)
		s.profiles.start(ctx)
		sleep(ctx, rest)
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) look(ctx context.Context, what string, c *scanner) {
	if err := c.look(ctx, s.cfg.Now()); err != nil && ctx.Err() == nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "attachment poll failed", slog.String("poll", what), slog.Any("err", err))
	}
}

// A place is one in the order of what is due.
type place struct {
	at time.Time
	id int64
}

// A scanner goes through what is due. Mostly that is one page. Of a backlog it
// reads the oldest, what has just become due, and a stretch further on each time,
// so that a channel with very many rows hides nobody else's for long.
type scanner struct {
	page  func(ctx context.Context, due time.Time, after place) (last place, n int, err error)
	round place     // how far the stretches have come
	fresh time.Time // of the last look
}

func (c *scanner) look(ctx context.Context, now time.Time) error {
	head, n, err := c.page(ctx, now, place{})
	if err != nil {
		return err
	}
	since := c.fresh.Add(-freshOverlap)
	c.fresh = now
	if n < pageSize {
		c.round = place{}
		return nil
	}
	if since.After(head.at) {
		if _, _, err := c.page(ctx, now, place{at: since}); err != nil {
			return err
		}
	}
	return c.goOn(ctx, now, head)
}

// goOn reads the next stretch, and begins anew once there is no more.
func (c *scanner) goOn(ctx context.Context, now time.Time, head place) error {
	if c.round.at.Before(head.at) {
		c.round = head
	}
	for range roundPages {
		last, n, err := c.page(ctx, now, c.round)
		if err != nil {
			return err
		}
		c.round = last
		if n < pageSize {
			c.round = place{}
			return nil
		}
	}
	return nil
}

// dueFiles reads a page of files and lets those that are ours wait for their turn.
func (s *Service) dueFiles(ctx context.Context, due time.Time, after place) (last place, n int, err error) {
	s.files.forget()
	list, err := s.cfg.Store.DueFiles(ctx, due, store.FileCursor{At: after.at, ID: parley.AttachmentID(after.id)}, pageSize)
	for _, a := range list {
		last = place{a.NextAt, int64(a.ID)}
		if _, mine := s.cfg.Grants.Grant(a.Company); mine {
			s.files.offer(task[parley.Attachment]{id: int64(a.ID), channel: a.Channel, what: a})
		}
	}
	return last, len(list), err
}

// dueProfiles does the same with profiles.
func (s *Service) dueProfiles(ctx context.Context, due time.Time, after place) (last place, n int, err error) {
	s.profiles.forget()
	list, err := s.cfg.Store.DueProfiles(ctx, due, store.ProfileCursor{At: after.at, ID: parley.ConversationID(after.id)}, pageSize)
	for _, d := range list {
		last = place{d.DueAt, int64(d.Conversation)}
		if _, mine := s.cfg.Grants.Grant(d.Company); mine {
			s.profiles.offer(task[store.DueProfile]{id: int64(d.Conversation), channel: d.Channel, what: d})
		}
	}
	return last, len(list), err
}
