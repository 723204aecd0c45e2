package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// stopGrace is how long a child may take to end when it is asked to.
const stopGrace = 40 * time.Second

// A child is a process that the suite has started. Whoever starts one stops it.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file with what it writes
	done chan struct{} // closed when it has ended
}

// spawn starts a process that writes to a file.
func spawn(name, log string, env []string, argv ...string) (*child, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), env...)
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() { // ends with the process; stop and kill wait for it
		_ = cmd.Wait() // read from cmd.ProcessState
		close(c.done)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// peak is the largest resident set so far, in MiB.
func (c *child) peak() float64 { return load.PeakRSS(c.pid()) }

// stop asks the process to end, and ends it if it does not.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		c.kill()
		return fmt.Errorf("%s did not stop within %v", c.name, stopGrace)
	}
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s\n%s", c.name, c.cmd.ProcessState, c.tail())
	}
	return nil
}

// kill ends the process at once.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
}

// tail is the end of what the process has written.
func (c *child) tail() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// await asks until the answer is yes, while the process lives.
func (c *child) await(ctx context.Context, what string, patience time.Duration, ask func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return fmt.Errorf("%s ended before %s: %s\n%s", c.name, what, c.cmd.ProcessState, c.tail())
		case <-late.C:
			return fmt.Errorf("%s: not within %v: %s\n%s", c.name, patience, what, c.tail())
		}
	}
	return nil
}

// output runs a command to its end and returns what it prints.
func output(ctx context.Context, argv ...string) (string, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = &errs
	dieWithParent(cmd)
	out, err := cmd.Output()
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s: %w", strings.Join(argv, " "), err), errors.New(errs.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
