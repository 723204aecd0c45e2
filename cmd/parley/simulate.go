package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

type simulateCommand struct {
	Listen map[string]string `env:"PARLEY_SIMULATE_LISTEN" default:"telegram=127.0.0.1:8081" help:"Where each simulated messenger listens." placeholder:"NAME=HOST:PORT;…"`
}

// Run serves the simulators until it is told to stop.
func (c *simulateCommand) Run(ctx context.Context, out console) error {
	sims := simulators(messagesSoFar())
	var servers []*simServer
	for _, sim := range sims {
		address, ok := c.Listen[sim.Provider()]
		if !ok {
			continue
		}
		s, err := serveSimulator(address, simulator.Handler(sim), sim)
		if err != nil {
			return errors.Join(err, stopSimulators(servers))
		}
		servers = append(servers, s)
		fmt.Fprintf(out.out, "%s: http://%s  (control: http://%s/sim/%s/)\n", sim.Provider(), s.address(), s.address(), sim.Provider())
		fmt.Fprintf(out.out, "  use it: PARLEY_%s=http://%s parley serve --public-url http://127.0.0.1:8080\n", baseEnv(sim.Provider()), s.address())
	}
	if len(servers) == 0 {
		return parley.Errorf(parley.KindInvalid, "--listen: want names among "+strings.Join(names(providers()), ", "))
	}
	<-ctx.Done()
	return stopSimulators(servers)
}

func baseEnv(provider string) string {
	for _, p := range providers() {
		if p.Spec().Name == provider {
			return p.Spec().BaseEnv
		}
	}
	return ""
}

// firstMoment is when simulators began to number messages by the time.
var firstMoment = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// messagesSoFar returns a number behind the ids of all messages that earlier
// simulators can have given out: they forget, but gateways do not, and real
// messengers never give an id twice.
func messagesSoFar() int64 { return int64(time.Since(firstMoment) / (100 * time.Millisecond)) }

// A simServer serves one simulator.
type simServer struct {
	sim      simulator.Simulator
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

func serveSimulator(address string, h http.Handler, sim simulator.Simulator) (*simServer, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", sim.Provider(), err)
	}
	s := &simServer{sim: sim, listener: l, server: newServer(h)}
	s.serving.Go(func() { _ = s.server.Serve(l) }) // always ErrServerClosed: nobody else closes the listener
	return s, nil
}

func (s *simServer) address() string { return s.listener.Addr().String() }

// stop ends waiting polls first, so that nothing has to be waited for.
func (s *simServer) stop() error {
	err := errors.Join(s.sim.Close(), s.server.Close())
	s.serving.Wait()
	return err
}

func stopSimulators(servers []*simServer) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}
