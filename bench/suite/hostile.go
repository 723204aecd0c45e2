package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// hostile measures what bad input costs those whose input is good.
func hostile(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	if _, err := w.meet(ctx, load.Default().Chats); err != nil {
		return err
	}
	clean := func(ctx context.Context) (*run, error) {
		return w.load(ctx, "receive, all valid", w.mixed())
	}
	mixed := func(ctx context.Context) (*run, error) {
		o := w.mixed()
		o.Mix = []load.Part{load.Garbage(0.10), load.Duplicates(0.10), load.Oversized(0.01, load.TelegramLimit)}
		return w.load(ctx, "receive, 10 % garbage, 10 % duplicates, 1 % oversized", o)
	}
	with, without, err := inTurns(ctx, s.Rounds, mixed, clean)
	if err != nil {
		return err
	}
	f := versus("hostile", kind, "valid messages among bad ones, of their rate alone", with, without, func(r *run) float64 { return r.RPS })
	f.Target, f.Peak = atLeast(0.70), w.gateway.peak()
	f.Limit = fmt.Sprintf("%.0f/s among bad ones, %.0f/s alone", with.rate(), without.rate())
	s.add(f)
	return w.flood(ctx)
}

func (w *world) mixed() load.Options {
	o := w.callbacks()
	o.Warmup, o.Duration = w.suite.seconds(1), w.suite.seconds(5)
	return o
}

// flood measures requests with wrong tokens against those with the right one.
func (w *world) flood(ctx context.Context) error {
	ask := func(label, token string) func(context.Context) (*run, error) {
		return func(ctx context.Context) (*run, error) {
			o := w.gets("/p1/companies", nil)
			o.Header = []string{tokenHeader + ": " + token}
			// The kernel counts CPU time in hundredths of a second.
			o.Conns, o.Warmup, o.Duration = 16, w.suite.seconds(0.5), max(w.suite.seconds(3), 300*time.Millisecond)
			return w.load(ctx, label, o)
		}
	}
	wrong, right, err := inTurns(ctx, w.suite.Rounds, ask("wrong tokens", "no-{seq}-{run}-such-token-of-the-usual-length"), ask("the right token", w.api.token))
	if err != nil {
		return err
	}
	f := versus("hostile", w.place.kind(), "CPU for a wrong token, of that for a valid request", wrong, right, (*run).cpu)
	f.Target, f.Note = below(1), "" // all are refused, as they should be
	f.Limit = fmt.Sprintf("%.0f us against %.0f us", wrong.median((*run).cpu), right.median((*run).cpu))
	w.suite.add(f)
	return nil
}

// gets are options of a run that reads: one connection, one request after another.
func (w *world) gets(path string, keys []string) load.Options {
	o := load.Default()
	o.Bench, o.Method, o.URL, o.Body, o.Keys = "get", "GET", w.gateway.base+path, "", keys
	o.Header = []string{tokenHeader + ": " + w.api.token}
	o.Conns, o.Warmup, o.Duration = 1, w.suite.seconds(0.5), w.suite.seconds(3)
	o.Chats = max(int64(len(keys)), 64)
	return o
}
