package suite

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// publicURL makes the gateway ask to be called back. It is no address: the suite
// takes the path that was registered and calls where the gateway listens.
const publicURL = "http://gateway.invalid"

// readyPatience is how long a gateway may take to start.
const readyPatience = 2 * time.Minute

// A gateway is the measured process.
type gateway struct {
	*child
	base    string        // http://host:port
	started time.Duration // from the start of the process until it was ready
}

// A place is where a gateway has its data.
type place struct {
	data     string // directory of the keyset, the lock, and the SQLite file
	database string // URL; empty for SQLite
}

func (p place) flags() []string {
	f := []string{"--data", p.data}
	if p.database != "" {
		f = append(f, "--database", p.database)
	}
	return f
}

// kind names the database in the figures.
func (p place) kind() string {
	if p.database != "" {
		return postgres
	}
	return sqlite
}

// newGateway starts the gateway as it is shipped, with every default but the
// pacing towards the messenger, and waits until it is ready.
func (s *suite) newGateway(ctx context.Context, p place, messenger string, flags ...string) (*gateway, error) {
	file := filepath.Join(p.data, "listen")
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	argv := append([]string{s.Parley, "serve", "--listen", "127.0.0.1:0", "--public-url", publicURL, "--pace=off", "--allow-private-targets"}, p.flags()...)
	s.gateways++
	log := filepath.Join(s.scratch, fmt.Sprintf("gateway-%d.log", s.gateways))
	begun := time.Now()
	c, err := spawn("gateway", log, []string{"PARLEY_TELEGRAM_API_URL=" + messenger}, append(argv, flags...)...)
	if err != nil {
		return nil, err
	}
	g := &gateway{child: c}
	if err := c.await(ctx, "the gateway is ready", readyPatience, func() bool { return g.ready(ctx, file) }); err != nil {
		c.kill()
		return nil, err
	}
	g.started = time.Since(begun)
	return g, nil
}

// ready asks the gateway, once it has said where it listens.
func (g *gateway) ready(ctx context.Context, file string) bool {
	b, err := os.ReadFile(file)
	if err != nil || !strings.HasSuffix(string(b), "\n") {
		return false
	}
	g.base = "http://" + strings.TrimSpace(string(b))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // only the status is looked at
	return resp.StatusCode == http.StatusOK
}

// newToken makes a user with a company, and returns a token.
func (s *suite) newToken(ctx context.Context, p place) (string, error) {
	return output(ctx, append([]string{s.Parley, "token", "create", "--user", "bench"}, p.flags()...)...)
}
