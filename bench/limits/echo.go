package limits

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// EchoHandler is the cheapest useful HTTP server: it decodes a JSON body and
// encodes it again.
func EchoHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v map[string]any
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, load.TelegramLimit)).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A caller that has gone away needs no answer.
		_ = json.NewEncoder(w).Encode(v)
	})
}

// ServeEcho serves EchoHandler on a free port of the loopback interface and
// writes its address as a line to out. It ends with in, so that a server whose
// parent has died does not stay.
func ServeEcho(in io.Reader, out io.Writer) error {
	base, stop, err := startEcho()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, base); err != nil {
		return errors.Join(err, stop())
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, stop())
}

func startEcho() (base string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: EchoHandler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	stop = func() error {
		err := srv.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
	return "http://" + l.Addr().String(), stop, nil
}

// startEchoCommand runs an echo in a process of its own.
func startEchoCommand(ctx context.Context, command []string) (base string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(errors.New("the echo's command wrote no address"), err, stop())
	}
	return strings.TrimSpace(line), stop, nil
}

func echo(conns int) func(context.Context, Options) (Figure, error) {
	return func(ctx context.Context, o Options) (Figure, error) {
		start := startEcho
		if o.Echo != nil {
			start = func() (string, func() error, error) { return startEchoCommand(ctx, o.Echo) }
		}
		base, stop, err := start()
		if err != nil {
			return Figure{}, err
		}
		f, err := drive(ctx, base, conns, o.Duration)
		return f, errors.Join(err, stop())
	}
}

// drive sends messages to an echo, as a load run does to a gateway.
func drive(ctx context.Context, base string, conns int, d time.Duration) (Figure, error) {
	o := load.Default()
	o.URL, o.Conns, o.Duration = base+"/hook", conns, d
	o.Header = []string{"Content-Type: application/json"}
	res, err := load.Run(ctx, o)
	switch {
	case err != nil:
		return Figure{}, err
	case res.Failure != "":
		return Figure{}, errors.New(res.Failure)
	case ctx.Err() != nil:
		return Figure{}, ctx.Err()
	case res.Requests == 0:
		return Figure{}, errors.New("no request was answered in time; measure for longer")
	}
	return Figure{Rate: res.RPS, Latencies: res.Latencies}, nil
}
