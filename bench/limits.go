package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/parley-im/parley/bench/limits"
)

func measureLimits(args []string) error {
	var o limits.Options
	fs := flag.NewFlagSet("limits", flag.ExitOnError)
	fs.StringVar(&o.Dir, "dir", ".", "directory on the disk to measure")
	fs.StringVar(&o.Postgres, "postgres", "", "`URL` of a PostgreSQL database to measure too, in a table that is dropped again")
	fs.DurationVar(&o.Duration, "d", 5*time.Second, "how long each")
	if err := fs.Parse(args); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Echo = []string{self, "echo"}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	figures, err := limits.Measure(ctx, o)
	if err != nil {
		return err
	}
	line, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n\n", line)
	limits.Text(os.Stdout, figures)
	return nil
}

func echo([]string) error { return limits.ServeEcho(os.Stdin, os.Stdout) }
