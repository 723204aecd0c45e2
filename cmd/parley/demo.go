package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/simulator"
)

type demoCommand struct {
	logging
	Data     string `default:"./parley-demo" help:"Directory of the demo's data; a second start goes on with it." placeholder:"DIR"`
	Database string `help:"postgres://… instead of SQLite in the data directory." placeholder:"URL"`
	Listen   string `default:"127.0.0.1:8080" help:"Address of the gateway; port 0 picks one." placeholder:"HOST:PORT"`
	Sim      string `default:"127.0.0.1:8081" help:"Address of the simulated messengers; port 0 picks one." placeholder:"HOST:PORT"`
}

// What the demo is made of. The bot exists only in the simulator.
const (
	demoUser  = "demo"
	demoBot   = "1000001:AAdemo-bot-of-the-simulator-0000000"
	demoAnn   = 5550001
	demoHello = "Hello! Is my order on its way?"
)

// Run runs the gateway against the simulators until it is told to stop.
func (d *demoCommand) Run(ctx context.Context, out console) error {
	demo := &demo{command: d, out: out}
	return demo.run(ctx)
}

// A demo is the gateway with everything around it.
type demo struct {
	command  *demoCommand
	out      console
	sim      *telegramsim.Server
	server   *simServer
	receiver *receiver
	gateway  *gateway
	token    string
	working  sync.WaitGroup
}

func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := d.simulate(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.stop()) }()
	c := d.config()
	c.ready = func(address string) {
		d.working.Go(func() {
			if err := d.furnish(ctx, "http://"+address); err != nil {
				cancel(fmt.Errorf("furnish the demo: %w", err))
			}
		})
	}
	if d.gateway, err = newGateway(ctx, c, d.command.logger(d.out.err)); err != nil {
		return err
	}
	if d.token, err = d.savedToken(ctx); err != nil {
		return errors.Join(err, d.gateway.close())
	}
	err = d.gateway.Run(ctx)
	d.working.Wait()
	return err
}

// config is serve's, with what the demo needs.
func (d *demo) config() *config {
	c := defaultConfig()
	c.place = place{d.command.Data, d.command.Database}
	c.logging, c.Listen = d.command.logging, d.command.Listen
	c.publicSelf, c.allowLoopback = true, true
	c.bases = map[string]string{d.sim.Provider(): "http://" + d.server.address()}
	return c
}

// simulate starts the messengers, with a bot and a person who know each other.
func (d *demo) simulate() error {
	sims := simulators(messagesSoFar())
	d.sim = sims[0].(*telegramsim.Server)
	d.receiver = &receiver{out: d.out.out}
	mux := http.NewServeMux()
	mux.Handle("POST /receiver", d.receiver)
	mux.Handle("/", simulator.Handler(d.sim))
	var err error
	if d.server, err = serveSimulator(d.command.Sim, mux, d.sim); err != nil {
		return err
	}
	if _, err = d.sim.AddBot(demoBot, "Demo shop", "parley_demo_bot"); err == nil {
		_, err = d.sim.AddPerson(telegramsim.Person{ID: demoAnn, FirstName: "Ann", Username: "ann"})
	}
	return err
}

// savedToken returns the demo's API token: the one in the file, or a new one.
func (d *demo) savedToken(ctx context.Context) (string, error) {
	file := filepath.Join(d.command.Data, "token")
	b, err := os.ReadFile(file)
	if err == nil {
		token := strings.TrimSpace(string(b))
		_, err = d.gateway.db.UserByToken(ctx, seal.HashToken(token))
		if err == nil {
			return token, nil
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) && parley.KindOf(err) != parley.KindUnauthorized {
		return "", err
	}
	token, err := createToken(ctx, d.gateway.db, demoUser)
	if err != nil {
		return "", err
	}
	return token, os.WriteFile(file, []byte(token+"\n"), 0o600)
}

// furnish makes the sample company, channel and conversation, as a client would,
// and prints what to try.
func (d *demo) furnish(ctx context.Context, base string) error {
	client := &demoClient{base: base, token: d.token}
	company, fresh, err := client.company(ctx, "http://"+d.server.address()+"/receiver")
	if err != nil {
		return err
	}
	if err := d.verifyReceiver(ctx, company); err != nil {
		return err
	}
	if fresh {
		err = client.channel(ctx, company, demoBot)
	}
	if err != nil {
		return err
	}
	conversation, err := d.introduce(ctx, client, company)
	if err != nil {
		return err
	}
	return d.print(base, company, conversation)
}

// introduce makes sure that the bot and Ann know each other: at the first start
// she writes, later they do already.
func (d *demo) introduce(ctx context.Context, client *demoClient, company int64) (int64, error) {
	conversation, err := client.conversation(ctx, company)
	if err != nil {
		return 0, err
	}
	person := strconv.FormatInt(demoAnn, 10)
	if conversation != 0 {
		return conversation, d.sim.Meet("", person)
	}
	if _, err := d.sim.Say(telegramsim.Line{Person: person, Text: demoHello}); err != nil {
		return 0, err
	}
	return client.awaitConversation(ctx, company)
}

// verifyReceiver gives the receiver the secret that deliveries are signed with.
func (d *demo) verifyReceiver(ctx context.Context, company int64) error {
	e, err := d.gateway.db.MainEndpoint(ctx, parley.CompanyID(company))
	if err != nil {
		return err
	}
	return d.receiver.verify(e.Secret)
}
