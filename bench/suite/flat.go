package suite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/parley-im/parley/bench/fill"
	"github.com/parley-im/parley/bench/load"
)

// The histories that are compared: conversations of the long one have ten times as
// many messages, and there are a hundred times as many.
const (
	shortEach = 10 // messages in each conversation
	longEach  = 100
)

// flatLimit is how much longer anything may take.
const flatLimit = 1.3

// flat compares a gateway with a long history with one that has hardly any, both
// running, in turns.
func flat(ctx context.Context, s *suite, kind string) error {
	short, err := s.pastWorld(ctx, kind, past{Messages: s.Short, Conversations: max(1, s.Short/shortEach)})
	if err != nil {
		return err
	}
	defer short.close()
	long, err := s.pastWorld(ctx, kind, past{Messages: s.History, Conversations: max(1, s.History/longEach)})
	if err != nil {
		return err
	}
	defer long.close()
	p := &pair{s, kind, short, long}
	for _, step := range []func(context.Context) error{p.start, p.lists, p.send, p.receive} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pastWorld is a world on a history. The short one, which a run makes longer by its
// size, is a copy; the long one grows by what each run adds.
func (s *suite) pastWorld(ctx context.Context, kind string, p past) (*world, error) {
	data, token, err := s.history(ctx, p)
	if err != nil {
		return nil, err
	}
	remove := func() {}
	if p.Messages == s.Short {
		if data, remove, err = s.copyOf(data); err != nil {
			return nil, err
		}
	}
	w, err := s.newWorld(ctx, kind, worldOptions{place: place{data: data}, token: token})
	if err != nil {
		remove()
		return nil, err
	}
	w.remove = remove
	keys, err := w.api.conversations(ctx, w.company)
	if err != nil {
		w.close()
		return nil, err
	}
	w.keys = shuffled(keys)
	return w, nil
}

// shuffled changes the order, always in the same way, so that a run does not go
// through the database from one end to the other.
func shuffled(keys []string) []string {
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

// contacts are the chat ids of a history's conversations.
func contacts(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.FormatInt(fill.DefaultChatBase+int64(i), 10)
	}
	return shuffled(ids)
}

// A pair of worlds that differ in their history.
type pair struct {
	suite       *suite
	kind        string
	short, long *world
}

// compare adds the figure of one kind of run: how many times as long it takes on
// the long history.
func (p *pair) compare(ctx context.Context, name string, seconds func(*run) float64, do func(context.Context, *world) (*run, error)) error {
	on := func(w *world) func(context.Context) (*run, error) {
		return func(ctx context.Context) (*run, error) { return do(ctx, w) }
	}
	long, short, err := inTurns(ctx, p.suite.Rounds, on(p.long), on(p.short))
	if err != nil {
		return err
	}
	f := versus("flat", p.kind, name, long, short, seconds)
	f.Target, f.Peak, f.CPU = atMost(flatLimit), p.long.gateway.peak(), long.median((*run).cpu)
	f.Limit = fmt.Sprintf("%s ms against %s ms, CPU %.0f us against %.0f us", number(1000*long.median(seconds)), number(1000*short.median(seconds)),
		long.median((*run).cpu), short.median((*run).cpu))
	p.suite.add(f)
	return nil
}

// Seconds for each message, by the rate and by the median.
func byRate(r *run) float64   { return 1 / r.RPS }
func bySink(r *run) float64   { return 1 / r.Sink.RPS }
func byMedian(r *run) float64 { return r.P50 / 1000 }

func (p *pair) receive(ctx context.Context) error {
	return p.compare(ctx, "receive, 64 connections", byRate, func(ctx context.Context, w *world) (*run, error) {
		o := w.callbacks()
		o.Body, o.Keys = strings.ReplaceAll(load.TelegramText, "{chat}", "{key}"), contacts(len(w.keys))
		o.Conns, o.Chats = min(o.Conns, len(w.keys)), int64(len(w.keys))
		o.Warmup, o.Duration = w.suite.seconds(1), w.suite.seconds(4)
		return w.load(ctx, "receive"+w.size(), o)
	})
}

func (p *pair) send(ctx context.Context) error {
	return p.compare(ctx, "send, 64 connections", bySink, func(ctx context.Context, w *world) (*run, error) {
		o := w.posts(w.keys)
		o.Conns, o.Chats = min(o.Conns, len(w.keys)), int64(len(w.keys))
		o.Warmup, o.Duration = 0, w.suite.seconds(4)
		return w.load(ctx, "send"+w.size(), o)
	})
}

// lists reads pages of the same length from both.
func (p *pair) lists(ctx context.Context) error {
	err := p.compare(ctx, "page of 50 conversations, median", byMedian, func(ctx context.Context, w *world) (*run, error) {
		return w.load(ctx, "list conversations"+w.size(), w.gets(fmt.Sprintf("/p1/companies/%d/conversations?per=50&sort_direction=desc", w.company), nil))
	})
	if err != nil {
		return err
	}
	return p.compare(ctx, "page of 10 messages, median", byMedian, func(ctx context.Context, w *world) (*run, error) {
		return w.load(ctx, "list messages"+w.size(), w.gets(w.messages(10), w.keys))
	})
}

func (w *world) size() string { return fmt.Sprintf(", %d conversations", len(w.keys)) }

// start starts both in turns. What a start takes without any history is in both.
func (p *pair) start(ctx context.Context) error {
	return p.compare(ctx, "start until ready", byMedian, func(ctx context.Context, w *world) (*run, error) {
		w.suite.logf("%s: start%s", p.kind, w.size())
		token := w.api.token
		if err := w.stop(); err != nil {
			return nil, err
		}
		r, err := w.timedStart(ctx, token)
		if err != nil {
			return nil, err
		}
		stats, err := w.sink.Stats(ctx)
		if err != nil {
			return nil, err
		}
		w.hook = w.hookAt(stats.Callbacks[botID]) // the same path and secret, at another port
		return r, nil
	})
}
