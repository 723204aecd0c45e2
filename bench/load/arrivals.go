package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Arrivals is what a sink has seen of one kind of message since it was reset.
type Arrivals struct {
	Count      int64      `json:"count"`    // answered 2xx
	Distinct   int64      `json:"distinct"` // by token
	Duplicates int64      `json:"duplicates"`
	OutOfOrder int64      `json:"out_of_order"` // first arrivals after a later message of their chat
	Untagged   int64      `json:"untagged"`     // without a token
	Refused    int64      `json:"refused"`      // answered with the injected error
	First      *time.Time `json:"first,omitempty"`
	Last       *time.Time `json:"last,omitempty"`
	Latencies             // since the generator sent the message
}

// SinkResult is what the sink saw of a run.
type SinkResult struct {
	Complete bool    `json:"complete"` // everything accepted came in time
	RPS      float64 `json:"rps"`      // distinct messages, from the run's start to the last arrival
	*Arrivals
}

// sinkTimeout bounds a request to a sink.
const sinkTimeout = 10 * time.Second

// CallSink makes a request to one of a sink's control paths and decodes the
// answer, its counters. It does so after ctx is done too, because a run that was
// interrupted still wants to know what came.
func CallSink(ctx context.Context, base, method, path string, stats any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sinkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the sink at %s answered %s: is it a sink?", base, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(stats); err != nil {
		return fmt.Errorf("the sink at %s: %w", base, err)
	}
	return nil
}

// sinkPoll is how often the sink is asked whether all has come.
const sinkPoll = 100 * time.Millisecond

// awaitSink waits until the sink has every accepted message.
func (r *run) awaitSink(ctx context.Context, accepted int64) (*SinkResult, error) {
	deadline := time.Now().Add(r.Wait)
	for {
		kinds := map[string]json.RawMessage{}
		if err := CallSink(ctx, r.Sink, http.MethodGet, "/stats", &kinds); err != nil {
			return nil, err
		}
		a := &Arrivals{}
		if err := json.Unmarshal(kinds[r.Kind], a); err != nil {
			return nil, fmt.Errorf("the sink at %s: %w", r.Sink, err)
		}
		complete := a.Distinct >= accepted
		if complete || time.Now().After(deadline) || !pause(ctx, sinkPoll) {
			res := &SinkResult{Complete: complete, Arrivals: a}
			if a.Last != nil {
				res.RPS = float64(a.Distinct) / a.Last.Sub(r.start).Seconds()
			}
			return res, nil
		}
	}
}
