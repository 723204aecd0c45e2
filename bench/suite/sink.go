package suite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/parley-im/parley/bench/sink"
)

// A sinkChild is the messenger's API and the customer's receiver, in a process of
// its own.
type sinkChild struct {
	*child
	sink.Client
	url string
}

// announced is how a sink says where it listens.
var announced = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

// newSink starts a sink; flags are those of the command.
func (s *suite) newSink(ctx context.Context, dir string, flags ...string) (*sinkChild, error) {
	s.sinks++
	log := filepath.Join(dir, fmt.Sprintf("sink-%d.log", s.sinks))
	argv := append(slices.Clone(s.Self), "sink", "-addr", "127.0.0.1:0")
	c, err := spawn("sink", log, nil, append(argv, flags...)...)
	if err != nil {
		return nil, err
	}
	k := &sinkChild{child: c}
	err = c.await(ctx, "the sink says where it listens", 10*time.Second, func() bool {
		b, _ := os.ReadFile(log)
		k.url = string(announced.Find(b))
		k.Client = sink.Client(k.url)
		return k.url != ""
	})
	if err != nil {
		c.kill()
		return nil, err
	}
	return k, nil
}

// awaitArrivals asks the sink until enough has come, and returns what has come. It gives
// up, without an error, when nothing more comes for so long.
func (k *sinkChild) awaitArrivals(ctx context.Context, quiet time.Duration, count func(*sink.Stats) int64, want int64) (*sink.Stats, error) {
	last, since := int64(-1), time.Now()
	for {
		stats, err := k.Stats(ctx)
		if err != nil {
			return nil, err
		}
		got := count(stats)
		if got != last {
			last, since = got, time.Now()
		}
		if got >= want || time.Since(since) > quiet {
			return stats, nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// sleep waits, unless the suite ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
