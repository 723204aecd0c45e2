// Package suite measures a whole gateway: the binary as it is shipped, in its own
// process, with all its defaults but the pacing towards the messenger. On its one
// side the generator of package load writes as people do, on both sides a sink
// takes what comes out, and every figure is printed with its target and with what
// the same machine can do at most.
//
// # Figures
//
// A rate is of the messages that were answered 200, in the time from the end of the
// warm-up to the last answer; of deliveries, those that arrived, each counted once,
// from the first request to the last arrival. What is compared with each other is
// run in turns, and the figure is the median of the ratios of the pairs. CPU time
// is the gateway's alone, from the kernel's accounts; the generator, the sink and
// PostgreSQL share the machine with it.
//
// A run is marked when other processes took more than a share of the CPU: then
// nobody can tell what was measured.
//
// # Data
//
// Everything is below one directory, on the disk that is measured. Databases with a
// history are filled once (package fill) and kept there; the rest is removed.
package suite

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// baseDuration is the length of one run from which -d scales all others.
const baseDuration = 10 * time.Second

// Options say what is measured.
type Options struct {
	Parley    string         // the gateway's binary
	Self      []string       // the command bench, whose sink and echo run in processes of their own
	Dir       string         // where all data is, on the disk to be measured
	Postgres  string         // URL of a server on which databases may be made; empty: SQLite alone
	Run       *regexp.Regexp // the scenarios; nil: all
	Duration  time.Duration  // of one run; the others, and what is counted, scale with it
	Rounds    int            // how often what is compared is measured
	Receivers int64          // companies, of which one has a slow receiver
	Short     int64          // messages of the short history, 10 in each conversation
	History   int64          // messages of the long history, 100 in each
	Middle    int64          // messages of the history for pages and starts
	Progress  io.Writer
}

// suite is a suite that runs.
type suite struct {
	Options
	scratch         string // removed in the end
	server          int    // PostgreSQL's process; 0 if unknown
	figures         []Figure
	raw             raw           // the machine's limits, once measured
	peak            float64       // of all gateways, in MiB
	filling         time.Duration // what filling databases took
	sinks, gateways int
	begun           time.Time
}

// Run is the command: bench suite.
func Run(args []string) error {
	o := Options{Progress: os.Stderr, Postgres: os.Getenv("PARLEY_TEST_POSTGRES")}
	fs := flag.NewFlagSet("suite", flag.ExitOnError)
	fs.StringVar(&o.Parley, "parley", "bin/parley", "the gateway's `binary`, as make build writes it")
	fs.StringVar(&o.Dir, "dir", "bench-data", "`directory` for all data, on the disk to be measured; filled databases stay there")
	fs.DurationVar(&o.Duration, "d", baseDuration, "length of one run; what is counted instead scales with it")
	fs.Int64Var(&o.Short, "short", 10_000, "messages of the short history that the long one is compared with, 10 in each conversation")
	fs.Int64Var(&o.History, "history", 10_000_000, "messages of the long history, 100 in each conversation")
	fs.Int64Var(&o.Middle, "middle", 1_000_000, "messages of the history for pages and starts")
	fs.IntVar(&o.Rounds, "rounds", 3, "how often what is compared is measured")
	fs.Int64Var(&o.Receivers, "receivers", 100, "companies, of which one has a slow receiver")
	only := fs.String("run", "", "run only the scenarios whose name matches this `regexp`")
	list := fs.Bool("list", false, "list the scenarios, and do nothing")
	lines := fs.String("json", "", "also write every figure to this `file`, one JSON object a line")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *list {
		return printList(os.Stdout)
	}
	var err error
	if o.Run, err = regexp.Compile(*only); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Self = []string{self}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	figures, err := Measure(ctx, o)
	Print(os.Stdout, figures)
	if *lines != "" {
		err = errors.Join(err, writeLines(*lines, figures))
	}
	return err
}

func printList(w io.Writer) error {
	for _, sc := range scenarios() {
		if _, err := fmt.Fprintf(w, "%-10s %s\n", sc.name, sc.about); err != nil {
			return err
		}
	}
	return nil
}

func writeLines(file string, figures []Figure) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for i := range figures {
		if err := enc.Encode(&figures[i]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// Measure runs the scenarios. The figures that were made before an error are
// returned with it; a scenario that fails does not keep the others from running.
func Measure(ctx context.Context, o Options) ([]Figure, error) {
	s := &suite{Options: o, begun: time.Now()}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	defer os.RemoveAll(s.scratch)
	var failed []error
	for _, sc := range scenarios() {
		if o.Run != nil && !o.Run.MatchString(sc.name) {
			continue
		}
		for _, kind := range sc.databases(s) {
			s.logf("== %s on %s", sc.name, kind)
			if err := sc.run(ctx, s, kind); err != nil {
				failed = append(failed, fmt.Errorf("%s on %s: %w", sc.name, kind, err))
				s.logf("FAILED %v", err)
			}
			if ctx.Err() != nil {
				return s.figures, errors.Join(append(failed, ctx.Err())...)
			}
		}
	}
	s.memory()
	return s.figures, errors.Join(failed...)
}

func (s *suite) prepare(ctx context.Context) error {
	s.Rounds, s.Receivers = max(s.Rounds, 1), max(s.Receivers, 2)
	var err error
	if s.Parley, err = exec.LookPath(s.Parley); err != nil {
		return fmt.Errorf("the gateway's binary: %w; make build writes one", err)
	}
	if s.Parley, err = filepath.Abs(s.Parley); err != nil {
		return err
	}
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	if s.Postgres != "" {
		if s.server, err = serverPID(ctx, s.Postgres); err != nil {
			return err
		}
	}
	s.scratch, err = os.MkdirTemp(s.Dir, "run-*")
	return err
}

func (s *suite) logf(format string, args ...any) {
	fmt.Fprintf(s.Progress, "%5.0fs  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// seconds is so long, scaled.
func (s *suite) seconds(n float64) time.Duration {
	return time.Duration(n * float64(time.Second) * float64(s.Duration) / float64(baseDuration))
}

// count is so many, scaled, and not below a least number.
func (s *suite) count(n, least int64) int64 {
	return max(least, int64(float64(n)*float64(s.Duration)/float64(baseDuration)))
}

func (s *suite) add(f Figure) {
	f.settle()
	s.figures = append(s.figures, f)
	s.logf("    > %s: %s %s %s", f.Name, f.text(), f.Unit, f.verdict())
}

func (s *suite) sawPeak(mb float64) { s.peak = max(s.peak, mb) }

// memory is the figure over all gateways that ran.
func (s *suite) memory() {
	if s.peak > 0 {
		s.add(Figure{Scenario: "memory", Name: "peak of all gateways above", Value: s.peak, Unit: "MiB resident", Target: below(200)})
	}
}
