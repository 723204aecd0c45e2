// Package compare runs the Go benchmarks of the hot paths against those of an
// earlier revision, in turns, so that what the machine does meanwhile meets both
// alike, and lets benchstat tell what has changed and what is noise.
//
// The earlier revision is checked out into a temporary work tree. Test binaries are
// built once for each side and run in the directories that they belong to.
package compare

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// packages returns those with the benchmarks of the hot paths.
func packages() []string {
	return []string{"store", "api", "params", "inbox", "outbox", "webhook", "render", "provider/telegram"}
}

// Options say what is compared.
type Options struct {
	Base     string   // a git revision; empty: the newest tag, or else the commit before HEAD
	Packages []string // directories below the module's; empty: those of the hot paths
	Bench    string   // a regexp, as go test -bench takes it
	Rounds   int      // how often each side runs; benchstat wants six
	Time     string   // of each benchmark, as go test -benchtime takes it
	Progress io.Writer
}

// Run is the command: bench compare.
func Run(args []string) error {
	o := Options{Progress: os.Stderr}
	fs := flag.NewFlagSet("compare", flag.ExitOnError)
	fs.StringVar(&o.Base, "base", "", "git `revision` to compare with (default: the newest tag, else the commit before HEAD)")
	fs.StringVar(&o.Bench, "bench", ".", "benchmarks, a `regexp`")
	fs.IntVar(&o.Rounds, "rounds", 6, "how often each side runs")
	fs.StringVar(&o.Time, "benchtime", "100ms", "`duration` or count of each benchmark")
	if err := fs.Parse(args); err != nil {
		return err
	}
	o.Packages = fs.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	table, err := Compare(ctx, o)
	fmt.Print(table)
	return err
}

// Compare returns benchstat's table.
func Compare(ctx context.Context, o Options) (table string, err error) {
	if len(o.Packages) == 0 {
		o.Packages = packages()
	}
	c := &comparison{Options: o}
	if c.head, err = output(ctx, ".", "git", "rev-parse", "--show-toplevel"); err != nil {
		return "", err
	}
	c.stat = func(ctx context.Context, base, head string) (string, error) {
		return output(ctx, c.head, "go", "tool", "benchstat", "base="+base, "head="+head)
	}
	return c.compare(ctx)
}

func (c *comparison) compare(ctx context.Context) (table string, err error) {
	if c.Base == "" {
		c.Base = c.defaultBase(ctx)
	}
	if c.scratch, err = os.MkdirTemp("", "parley-compare-*"); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.scratch)) }()
	remove, err := c.checkOut(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := c.run(ctx); err != nil {
		return "", err
	}
	return c.stat(ctx, c.base.results, c.tip.results)
}

// A side is one of the two revisions.
type side struct {
	name     string
	dir      string            // of its module
	binaries map[string]string // by package
	results  string            // the file that benchstat reads
}

type comparison struct {
	Options
	head      string // the directory of the module
	scratch   string
	base, tip side
	stat      func(ctx context.Context, base, head string) (table string, err error) // of two files of results
}

// defaultBase is the newest tag that HEAD comes after, or its parent.
func (c *comparison) defaultBase(ctx context.Context) string {
	tag, err := output(ctx, c.head, "git", "describe", "--tags", "--abbrev=0", "HEAD^")
	if err != nil {
		return "HEAD^"
	}
	return tag
}

// checkOut puts the base into a work tree of its own.
func (c *comparison) checkOut(ctx context.Context) (remove func() error, err error) {
	commit, err := output(ctx, c.head, "git", "rev-parse", "--verify", c.Base+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("no such revision to compare with: %w", err)
	}
	dir := filepath.Join(c.scratch, "base")
	if _, err := output(ctx, c.head, "git", "worktree", "add", "--detach", dir, commit); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.Progress, "comparing with %s (%.12s)\n", c.Base, commit)
	c.base = side{name: "base", dir: dir, results: filepath.Join(c.scratch, "base.txt"), binaries: map[string]string{}}
	c.tip = side{name: "head", dir: c.head, results: filepath.Join(c.scratch, "head.txt"), binaries: map[string]string{}}
	return func() error {
		// Also after an interrupt: git would go on listing it.
		_, err := output(context.WithoutCancel(ctx), c.head, "git", "worktree", "remove", "--force", dir)
		return err
	}, nil
}

func (c *comparison) run(ctx context.Context) error {
	for _, s := range []*side{&c.base, &c.tip} {
		for _, p := range c.Packages {
			if err := c.build(ctx, s, p); err != nil {
				return err
			}
		}
	}
	for n := range c.Rounds {
		for _, p := range c.Packages {
			fmt.Fprintf(c.Progress, "round %d of %d: %s\n", n+1, c.Rounds, p)
			for i := range 2 { // every other round begins with the other side
				s := []*side{&c.base, &c.tip}[(i+n)%2]
				if err := c.bench(ctx, s, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// build makes a test binary. A package that the revision has not is left out.
func (c *comparison) build(ctx context.Context, s *side, pkg string) error {
	if _, err := os.Stat(filepath.Join(s.dir, pkg)); err != nil {
		fmt.Fprintf(c.Progress, "%s has no package %s\n", s.name, pkg)
		return nil
	}
	fmt.Fprintf(c.Progress, "building %s of %s\n", pkg, s.name)
	binary := filepath.Join(c.scratch, s.name+"-"+strings.ReplaceAll(pkg, "/", "-"))
	if _, err := output(ctx, s.dir, "go", "test", "-c", "-o", binary, "./"+pkg); err != nil {
		return err
	}
	s.binaries[pkg] = binary
	return nil
}

// bench runs a package's benchmarks once and adds what they print to the side's
// results.
func (c *comparison) bench(ctx context.Context, s *side, pkg string) error {
	binary := s.binaries[pkg]
	if binary == "" {
		return nil
	}
	out, err := output(ctx, filepath.Join(s.dir, pkg), binary,
		"-test.run=^$", "-test.bench="+c.Bench, "-test.benchtime="+c.Time, "-test.benchmem")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(measured(out))
	return errors.Join(err, f.Close())
}

// measured keeps the lines that benchstat reads: what benchmarks log is not for it.
func measured(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out + "\n") {
		word, _, _ := strings.Cut(line, " ")
		if slices.Contains([]string{"goos:", "goarch:", "pkg:", "cpu:"}, word) || strings.HasPrefix(word, "Benchmark") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// output runs a command to its end and returns what it prints.
func output(ctx context.Context, dir string, argv ...string) (string, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, out, &errs)
	}
	return strings.TrimSpace(string(out)), nil
}
