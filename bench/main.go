// Command bench measures messaging gateways: it plays the messenger that posts
// callbacks, the application that asks for messages to be sent, and (as a sink)
// the messenger's send API and the customer's receiver of webhooks.
//
// It has no knowledge of any particular gateway: addresses, bodies and headers
// are flags, so different gateways are measured by the same generator.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/parley-im/parley/bench/compare"
	"github.com/parley-im/parley/bench/fill"
	"github.com/parley-im/parley/bench/suite"
)

// command is a line of the usage and what it runs.
type command struct {
	name, use string
	run       func(args []string) error
}

// commands are all commands, in the order of the usage. One more is one more line.
func commands() []command {
	return []command{
		{"inbound", "post distinct Telegram messages to a gateway's callback", inbound},
		{"outbound", "post send requests to a gateway's API", outbound},
		{"get", "read from a gateway's API", get},
		{"suite", "measure a whole gateway, every figure with its target", suite.Run},
		{"compare", "compare the Go benchmarks with those of an earlier revision", compare.Run},
		{"fill", "write a history into a new database", fill.Run},
		{"sink", "serve a messenger's send API and a customer's receiver", serveSink},
		{"limits", "measure what the machine can do without any gateway", measureLimits},
		{"echo", "serve the echo that limits asks, until standard input ends", echo},
	}
}

func main() {
	if len(os.Args) < 2 {
		usage(os.Stderr)
		os.Exit(2)
	}
	for _, c := range commands() {
		if c.name != os.Args[1] {
			continue
		}
		if err := c.run(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	usage(os.Stderr)
	os.Exit(2)
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: bench <command> [flags]\n\ncommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.use)
	}
	fmt.Fprint(w, "\n\"bench <command> -h\" lists a command's flags.\n")
}
