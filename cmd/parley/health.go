package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// healthCommand asks a running gateway how it is. It is for images that have no
// other HTTP client.
type healthCommand struct {
	URL     string        `name:"url" default:"http://127.0.0.1:8080/readyz" help:"What to ask." placeholder:"URL"`
	Timeout time.Duration `default:"5s" help:"How long the gateway may take to answer."`
}

// healthBody is how much of an answer is shown.
const healthBody = 1 << 10

// Run prints the answer; one that is not 200 is an error.
func (h *healthCommand) Run(ctx context.Context, out console) error {
	if h.Timeout <= 0 {
		return parley.Errorf(parley.KindInvalid, "--timeout: want more than 0")
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return parley.Errorf(parley.KindInvalid, "--url: want http://HOST:PORT/readyz")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, healthBody))
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	said := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s: %s", resp.Status, said)
	}
	_, err = fmt.Fprintln(out.out, said)
	return err
}
