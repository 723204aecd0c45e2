package suite

import (
	"context"
	"fmt"
)

// The history of a middle-sized installation: every conversation has two pages,
// and one message of a hundred has still to be sent.
const (
	middleEach = 200
	middleJobs = 100
)

func (s *suite) middle() past {
	m := s.Middle
	return past{Messages: m, Conversations: max(1, m/middleEach), Jobs: m / middleJobs}
}

// middleWorld is a world with that history, which may be changed.
func (s *suite) middleWorld(ctx context.Context, kind string) (*world, error) {
	at, token, remove, err := s.middlePlace(ctx, kind)
	if err != nil {
		return nil, err
	}
	w, err := s.newWorld(ctx, kind, worldOptions{place: at, token: token})
	if err != nil {
		remove()
		return nil, err
	}
	w.remove = remove
	return w, nil
}

func (s *suite) middlePlace(ctx context.Context, kind string) (place, string, func(), error) {
	if kind == postgres {
		return s.postgresHistory(ctx, s.middle())
	}
	data, token, err := s.history(ctx, s.middle())
	if err != nil {
		return place{}, "", nil, err
	}
	copied, remove, err := s.copyOf(data)
	return place{data: copied}, token, remove, err
}

// page measures the newest page of any of the conversations.
func page(ctx context.Context, s *suite, kind string) error {
	w, err := s.middleWorld(ctx, kind)
	if err != nil {
		return err
	}
	defer w.close()
	keys, err := w.api.conversations(ctx, w.company)
	if err != nil {
		return err
	}
	r, err := w.load(ctx, "a page of 100 messages", w.gets(w.messages(100), shuffled(keys)))
	if err != nil {
		return err
	}
	f := runs{r}.figure("page", kind, fmt.Sprintf("100 of %d messages, median", s.Middle), "ms", func(r *run) float64 { return r.P50 })
	f.Target, f.Limit = below(5), fmt.Sprintf("p99 %.1f ms, %d bytes each", r.P99, r.Bytes/max(r.Requests, 1))
	s.add(f)
	return nil
}

// messages is the path of a conversation's newest ones.
func (w *world) messages(per int) string {
	return fmt.Sprintf("/p1/companies/%d/conversations/{key}/messages?per=%d&sort_direction=desc", w.company, per)
}
