package main

import (
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/provider/telegram"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// providers lists every network that Parley speaks. A new one is one directory
// under provider/ and one line here.
func providers() []connector.Provider {
	return []connector.Provider{
		telegram.New(),
	}
}

// simulators lists the simulator of every network, in the same order. After is
// the id behind which a fresh simulator starts to count messages.
func simulators(after int64) []simulator.Simulator {
	return []simulator.Simulator{
		telegramsim.New(telegramsim.Options{Insecure: true, FirstMessage: after}),
	}
}

func names(list []connector.Provider) []string {
	var all []string
	for _, p := range list {
		all = append(all, p.Spec().Name)
	}
	return all
}
