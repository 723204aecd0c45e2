// Command parley is the gateway: serve runs it, demo runs it with simulated
// messengers, and the other commands are for operators.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/parley-im/parley"
)

// commands is the command line.
type commands struct {
	Serve       serveCommand       `cmd:"" help:"Run the gateway; creates and migrates its database by itself."`
	Demo        demoCommand        `cmd:"" help:"Run the gateway with simulated messengers, a sample company and a webhook receiver. Needs no account and no network."`
	Simulate    simulateCommand    `cmd:"" help:"Run the simulated messengers alone."`
	Token       tokenCommand       `cmd:"" help:"API tokens."`
	User        userCommand        `cmd:"" help:"Settings of a user."`
	Company     companyCommand     `cmd:"" help:"Settings of a company."`
	Deadletters deadlettersCommand `cmd:"" help:"Webhooks that were never taken."`
	Quarantine  quarantineCommand  `cmd:"" help:"What providers said that could not be taken."`
	Health      healthCommand      `cmd:"" help:"Ask a running gateway whether it is ready; for health checks of containers."`
	Jobs        jobsCommand        `cmd:"" help:"After a restore: what happens to the jobs that were open."`
	Backup      backupCommand      `cmd:"" help:"Write a consistent copy of the SQLite database; a gateway may run meanwhile."`
	Restore     restoreCommand     `cmd:"" help:"Put a backup in place, in a data directory without a database."`
	Keys        keysCommand        `cmd:"" help:"The keys that seal secrets in the database."`
	Check       checkCommand       `cmd:"" help:"Check configuration, data directory, database and surroundings, and say what to do."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the database's schema up to date, and stop."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// console is where a command writes: results to out, logs and progress to err.
type console struct{ out, err io.Writer }

func main() {
	ctx, stop := interruptible()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], console{os.Stdout, os.Stderr}))
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM. The
// second one ends the process at once.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	return ctx, cancel
}

// run parses the arguments and runs the command. It returns the exit code.
func run(ctx context.Context, args []string, io console) (code int) {
	var c commands
	exited := false
	parser, err := kong.New(&c, kong.Name("parley"), kong.Description("A self-hosted messaging gateway: one HTTP API over many messengers."),
		kong.DefaultEnvars("PARLEY"), kong.Writers(io.out, io.err), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(n int) { code, exited = n, true }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(io))
	if err != nil {
		fmt.Fprintln(io.err, "parley:", err)
		return 2
	}
	chosen, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(io.err, "parley:", err)
		return 2
	}
	if err := chosen.Run(); err != nil {
		fmt.Fprintln(io.err, "parley:", sentence(err))
		return 1
	}
	return 0
}

// sentence is what an operator reads. Unlike a caller of the API they also see
// the cause.
func sentence(err error) string {
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Kind == parley.KindInvalid {
		return e.Error()
	}
	return err.Error()
}

type versionCommand struct{}

// Run prints the module's version, or the commit of a build from a checkout.
func (versionCommand) Run(io console) error {
	_, err := fmt.Fprintln(io.out, "parley", version())
	return err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
