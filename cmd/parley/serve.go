package main

import "context"

type serveCommand struct{ config }

// Run runs the gateway until it is told to stop.
func (s *serveCommand) Run(ctx context.Context, io console) error {
	g, err := newGateway(ctx, &s.config, s.logger(io.err))
	if err != nil {
		return err
	}
	return g.Run(ctx)
}
