package load

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// run is a run in progress.
type run struct {
	Options
	name           string
	start, measure time.Time // measure is when the warm-up ends
	target         template
	parts          []part
}

// Run drives the gateway until the options' count or duration, or ctx, ends it,
// and then waits for the sink.
func Run(ctx context.Context, o Options) (*Result, error) {
	base, err := o.validate()
	if err != nil {
		return nil, err
	}
	if o.Sink != "" {
		if err := CallSink(ctx, o.Sink, http.MethodPost, "/reset", &struct{}{}); err != nil {
			return nil, err
		}
	}
	r := &run{Options: o, name: newRun(), start: time.Now()}
	r.measure = r.start.Add(o.Warmup)
	target := o.URL[strings.Index(o.URL, base.Host)+len(base.Host):]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	r.target, r.parts = parseTemplate(target), o.parts()
	senders := make([]*sender, o.Conns)
	for i := range senders {
		c, err := newClient(base, o.Timeout)
		if err != nil {
			return nil, err
		}
		senders[i] = r.newSender(c, i)
	}

	before, total := r.drive(ctx, senders)
	res := r.result(total)
	if o.Sink != "" {
		if res.Sink, err = r.awaitSink(ctx, total[0].accept); err != nil {
			return nil, err
		}
	}
	res.Proc = o.Pids.since(before, sent(total))
	return res, nil
}

// drive sends everything. It returns the CPU time used when the warm-up ended,
// and what all connections counted of each part.
func (r *run) drive(ctx context.Context, senders []*sender) (map[string]time.Duration, []tally) {
	ctx, cancel := context.WithDeadline(ctx, r.measure.Add(r.Duration))
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() { s.send(ctx) })
	}
	pause(ctx, time.Until(r.measure))
	before := r.Pids.cpu()
	wg.Wait()
	total := make([]tally, len(r.parts))
	for i := range total {
		for _, s := range senders {
			total[i].add(&s.tally[i])
		}
	}
	return before, total
}

// deadPause keeps a connection from spinning on a dead gateway.
const deadPause = 10 * time.Millisecond

// await waits until the request with this number is due and returns when it
// began. A late start caused by slow answers counts as latency; one caused by
// the timer does not.
func (r *run) await(ctx context.Context, seq int64) (began time.Time, ok bool) {
	began = time.Now()
	if r.Rate <= 0 {
		return began, true
	}
	due := r.start.Add(time.Duration(float64(seq) / r.Rate * float64(time.Second)))
	wait := due.Sub(began)
	if wait <= 0 {
		return due, true
	}
	if !pause(ctx, wait) {
		return began, false
	}
	return time.Now(), true
}

// pause waits; it reports whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
