package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-im/parley/bench/sink"
)

// serveSink runs a sink in a process of its own, so that its CPU time is told
// apart from the generator's.
func serveSink(args []string) error {
	var o sink.Options
	fs := flag.NewFlagSet("sink", flag.ExitOnError)
	addr := fs.String("addr", "127.0.0.1:9900", "address to listen on")
	fs.DurationVar(&o.Latency, "latency", 0, "delay of every answer to a message")
	o.Slow = map[string]time.Duration{}
	fs.Func("slow", "`/path=delay` of one receiver, by the path's first segment, or of the messenger as /bot (repeatable)", func(v string) (err error) {
		path, delay, _ := strings.Cut(v, "=")
		o.Slow[path], err = time.ParseDuration(delay)
		return err
	})
	fs.Float64Var(&o.ErrorRate, "error-rate", 0, "share of messages to refuse, 0 to 1")
	fs.IntVar(&o.ErrorStatus, "error-status", http.StatusInternalServerError, "status of a refusal")
	if err := fs.Parse(args); err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := sink.New(o)
	l, err := net.Listen("tcp", *addr) // port 0 picks one
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	fmt.Fprintf(os.Stderr, "sink: http://%s/bot<token>/<method> is the messenger, /stats, /reset, /hold and /release are for control, any other path is a receiver\n", l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s.Stats())
}
