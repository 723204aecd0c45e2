package suite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-im/parley/bench/load"
	"github.com/parley-im/parley/bench/sink"
)

// slowBy is how long the slow receiver takes for each event.
const slowBy = 2 * time.Second

// slowReceiver measures what the other companies' receivers get while one of them
// is slow, and while it is not.
func slowReceiver(ctx context.Context, s *suite, kind string) error {
	w, err := s.newWorld(ctx, kind, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	c, err := w.newCrowd(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	// The first run of many new companies is slower than any later one.
	if _, err := c.with(c.quick)(ctx); err != nil {
		return err
	}
	with, without, err := inTurns(ctx, 2*s.Rounds-1, c.with(c.slow), c.with(c.quick))
	if err != nil {
		return err
	}
	rate := func(r *run) float64 { return r.Sink.RPS }
	f := versus("slow", kind, fmt.Sprintf("one of %d is slow: the others get less by", s.Receivers), with, without, rate)
	for i, r := range f.Runs {
		f.Runs[i] = 100 * (1 - r)
	}
	f.Value, f.Unit, f.Target, f.Peak = median(f.Runs), "%", below(5), w.gateway.peak()
	f.Limit = fmt.Sprintf("%.0f/s with it, %.0f/s without", with.median(rate), without.median(rate))
	s.add(f)
	return nil
}

// A crowd is many companies. The receivers of all but the first are the world's
// sink; the first one's is on a sink of its own, slow or quick.
type crowd struct {
	*world
	keys        []string // path and secret of each company's callback
	slow, quick *sinkChild
}

func (w *world) newCrowd(ctx context.Context) (c *crowd, err error) {
	c = &crowd{world: w}
	c.add(w.hook)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.slow, err = w.suite.newSink(ctx, w.suite.scratch, "-latency", slowBy.String()); err != nil {
		return c, err
	}
	if c.quick, err = w.suite.newSink(ctx, w.suite.scratch); err != nil {
		return c, err
	}
	for n := range w.suite.Receivers - 1 {
		if err := c.join(ctx, n+1); err != nil {
			return c, err
		}
	}
	return c, nil
}

// join adds a company with a bot and a receiver.
func (c *crowd) join(ctx context.Context, n int64) error {
	made, err := c.api.call(ctx, "POST", "companies", form("name", fmt.Sprintf("Company %d", n), "webhook_url", fmt.Sprintf("%s/hook%d", c.sink.url, n)))
	if err != nil {
		return err
	}
	h, err := c.connect(ctx, made.Data.ID, botID+n)
	c.add(h)
	return err
}

func (c *crowd) add(h hook) {
	c.keys = append(c.keys, strings.TrimPrefix(h.url, c.gateway.base+"/")+"\t"+h.secret)
}

func (c *crowd) close() {
	for _, k := range []*sinkChild{c.slow, c.quick} {
		if k != nil {
			k.kill()
		}
	}
}

// with runs the same load on all companies while the first one's receiver is this.
func (c *crowd) with(first *sinkChild) func(context.Context) (*run, error) {
	return func(ctx context.Context) (*run, error) {
		if err := c.deliverTo(ctx, c.company, first.url+"/hook0"); err != nil {
			return nil, err
		}
		for _, k := range []*sinkChild{c.sink, first} {
			if err := k.Reset(ctx); err != nil {
				return nil, err
			}
		}
		return c.measure(ctx, first)
	}
}

// measure has everybody write, and counts what the others get: so many in the
// time until the last has arrived.
func (c *crowd) measure(ctx context.Context, first *sinkChild) (*run, error) {
	const chats = 20 // of each company
	each := max(1, c.suite.count(120, chats)/chats) * chats
	want := each * (c.suite.Receivers - 1)
	o := c.callbacks()
	o.URL, o.Keys = c.gateway.base+"/{key}", c.keys
	o.Header = []string{"Content-Type: application/json", secretHeader + "{key2}"}
	o.Conns = chats // divides the chats, so every company gets as much
	o.Chats, o.Count, o.Warmup, o.Duration = chats*c.suite.Receivers, each*c.suite.Receivers, 0, time.Minute
	begun := time.Now()
	r, err := c.load(ctx, fmt.Sprintf("%d companies, one receiver %s", c.suite.Receivers, c.pace(first)), o)
	if err != nil {
		return nil, err
	}
	stats, err := c.sink.awaitArrivals(ctx, 10*time.Second, distinct, want)
	if err != nil {
		return nil, err
	}
	if stats.Webhook.Distinct < want || stats.Webhook.Last == nil {
		return nil, fmt.Errorf("%d of %d events arrived at the other receivers%s", stats.Webhook.Distinct, want, c.lacking(stats, each))
	}
	r.Sink = &load.SinkResult{Complete: true, RPS: float64(want) / stats.Webhook.Last.Sub(begun).Seconds(), Arrivals: &stats.Webhook}
	c.suite.logf("    %.0f/s to the others, p50 %.1f ms, p99 %.1f ms", r.Sink.RPS, r.Sink.P50, r.Sink.P99)
	return r, c.rest(ctx, first, each)
}

// lacking names the receivers that did not get all.
func (c *crowd) lacking(stats *sink.Stats, each int64) string {
	var b strings.Builder
	for n := range c.suite.Receivers - 1 {
		name := fmt.Sprintf("hook%d", n+1)
		if got := stats.Paths[name].Distinct; got < each {
			fmt.Fprintf(&b, "; %s got %d of %d", name, got, each)
		}
	}
	return b.String()
}

// rest gives the first company what it has still to get, by the quick receiver, so
// that none of it goes on during the next run.
func (c *crowd) rest(ctx context.Context, first *sinkChild, each int64) error {
	if first == c.quick {
		_, err := first.awaitArrivals(ctx, 5*time.Second, distinct, each)
		return err
	}
	if err := c.quick.Reset(ctx); err != nil {
		return err
	}
	if err := c.deliverTo(ctx, c.company, c.quick.url+"/hook0"); err != nil {
		return err
	}
	had, err := first.awaitArrivals(ctx, slowBy, distinct, each)
	if err != nil {
		return err
	}
	_, err = c.quick.awaitArrivals(ctx, 5*time.Second, distinct, each-distinct(had))
	return err
}

func distinct(s *sink.Stats) int64 { return s.Webhook.Distinct }

func (c *crowd) pace(first *sinkChild) string {
	if first == c.slow {
		return "takes " + slowBy.String()
	}
	return "as quick as the others"
}
