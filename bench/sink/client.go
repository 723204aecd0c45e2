package sink

import (
	"context"
	"net/http"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// Client controls a sink in another process; it is the sink's base address.
type Client string

// Stats asks what has been counted.
func (c Client) Stats(ctx context.Context) (*Stats, error) {
	return c.call(ctx, http.MethodGet, "/stats")
}

// Reset makes the sink forget what has been counted.
func (c Client) Reset(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "/reset")
	return err
}

// Hold makes requests to receivers wait.
func (c Client) Hold(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "/hold")
	return err
}

// Release lets them go.
func (c Client) Release(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "/release")
	return err
}

// poll is how often Await asks.
const poll = 50 * time.Millisecond

// Await asks until enough says so of the counters, and returns them.
func (c Client) Await(ctx context.Context, enough func(*Stats) bool) (*Stats, error) {
	for {
		s, err := c.Stats(ctx)
		if err != nil || enough(s) {
			return s, err
		}
		pause(ctx, poll)
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
	}
}

func (c Client) call(ctx context.Context, method, path string) (*Stats, error) {
	s := &Stats{}
	return s, load.CallSink(ctx, string(c), method, path, s)
}
