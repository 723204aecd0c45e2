package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// place says where the data is. Every command that touches it has these flags.
type place struct {
	Data     string `default:"./data" help:"Directory of the SQLite file, the keyset and the lock." placeholder:"DIR"`
	Database string `help:"postgres://… instead of SQLite in the data directory." placeholder:"URL"`
}

func (p *place) keyset() string { return filepath.Join(p.Data, "keyset.json") }

// options returns how to open the database; the keyset is made at the first start.
func (p *place) options(log *slog.Logger) (store.Options, error) {
	if err := os.MkdirAll(p.Data, 0o700); err != nil {
		return store.Options{}, fmt.Errorf("make the data directory: %w", err)
	}
	keys, err := seal.OpenOrCreate(p.keyset())
	if err != nil {
		return store.Options{}, fmt.Errorf("open the keyset: %w", err)
	}
	return store.Options{Path: filepath.Join(p.Data, "parley.db"), URL: p.Database, Keys: keys, Log: log}, nil
}

// logging says how logs look.
type logging struct {
	LogFormat string `default:"text" enum:"text,json" help:"text or json."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
}

func (l *logging) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // one of the four
	o := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// config is everything that serve can be told. Every flag is also an environment
// variable: --some-flag is PARLEY_SOME_FLAG.
type config struct {
	place
	logging
	retention
	metricsListen
	fileStore
	Listen       string        `default:"127.0.0.1:8080" help:"Address of API, callbacks and health checks; port 0 picks one." placeholder:"HOST:PORT"`
	PublicURL    string        `name:"public-url" help:"Base of the callback addresses given to providers. Without it, providers that can be polled are polled." placeholder:"URL"`
	Node         string        `help:"Name of this node in leases (default: host name and a random suffix)." placeholder:"NAME"`
	TakeoverWait time.Duration `default:"10s" help:"How long to wait for another gateway on the same data to stop."`
	StopTimeout  time.Duration `default:"20s" help:"How long a stop may take before what is under way is given up."`

	AllowPrivateTargets bool           `help:"Let webhook_url and file_url reach loopback and private networks."`
	WebhookPolicy       string         `default:"pact" enum:"pact,standard" help:"pact: 10 repeats, 60 s apart; standard: the Standard Webhooks schedule."`
	WebhookRetries      *int           `help:"Repeats of a failed webhook, instead of the policy's." placeholder:"N"`
	WebhookDelay        *time.Duration `help:"Time between repeats, instead of the policy's; at least 10ms." placeholder:"DURATION"`
	WebhookTimeout      time.Duration  `default:"10s" help:"How long a receiver may take to answer."`
	JobExpiry           time.Duration  `default:"24h" help:"A message not sent by then is not delivered."`
	SendTimeout         time.Duration  `default:"30s" help:"How long a messenger may take to answer a send; then the outcome is unknown."`
	ConnectGrace        time.Duration  `default:"15m" help:"How long messages wait for a channel that is connecting or logged out."`
	MaxFile             int64          `default:"64" help:"Largest file that is taken in or sent, in MiB."`
	Pace                string         `default:"on" enum:"on,off" help:"off switches off our own pacing towards providers; their 429 is still obeyed."`
	RateLimit           string         `default:"off" enum:"off,v2" help:"v2 limits the calls of each token: sends and uploads to 5 a second and 30 a minute, lists of messages and templates to 20 a minute, conversations to 10."`
	Disable             []string       `help:"Providers that this installation does not offer." placeholder:"NAME,…"`

	allowLoopback bool                        // the demo's receiver
	publicSelf    bool                        // the public URL is the address listened on
	bases         map[string]string           // provider addresses, by name, before those in the environment
	ready         func(address string)        // called once requests are served
	getenv        func(name string) string    // os.Getenv; replaced in tests
	providers     func() []connector.Provider // providers; replaced in tests
}

// defaultConfig returns what serve has without any flag.
func defaultConfig() *config {
	var c struct {
		Serve serveCommand `cmd:""`
	}
	parser := kong.Must(&c)
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		panic(err) // the defaults are constants of this file
	}
	return &c.Serve.config
}

// validate names the first field that is out of range.
func (c *config) validate() error {
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		return parley.Errorf(parley.KindInvalid, "--public-url: want http:// or https:// and a host")
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"--webhook-timeout", c.WebhookTimeout}, {"--job-expiry", c.JobExpiry}, {"--send-timeout", c.SendTimeout},
		{"--connect-grace", c.ConnectGrace}, {"--stop-timeout", c.StopTimeout},
	} {
		if f.d <= 0 {
			return parley.Errorf(parley.KindInvalid, f.name+": want more than 0")
		}
	}
	if c.MaxFile < 1 {
		return parley.Errorf(parley.KindInvalid, "--max-file: want at least 1")
	}
	known := names(c.all())
	for _, name := range c.Disable {
		if !slices.Contains(known, name) {
			return parley.Errorf(parley.KindInvalid, "--disable: want names among "+strings.Join(known, ", "))
		}
	}
	return c.retention.validate()
}

func (c *config) all() []connector.Provider {
	if c.providers != nil {
		return c.providers()
	}
	return providers()
}

// offered returns the providers of this installation by name.
func (c *config) offered() map[string]connector.Provider {
	offered := map[string]connector.Provider{}
	for _, p := range c.all() {
		if name := p.Spec().Name; !slices.Contains(c.Disable, name) {
			offered[name] = p
		}
	}
	return offered
}

// base returns the address of a provider: from the environment, else the real one.
func (c *config) base(spec connector.Spec) string {
	getenv := c.getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	for _, address := range []string{getenv("PARLEY_" + spec.BaseEnv), c.bases[spec.Name]} {
		if address != "" {
			return strings.TrimRight(address, "/")
		}
	}
	return spec.BaseURL
}

// node returns the node's name.
func (c *config) node() string {
	if c.Node != "" {
		return c.Node
	}
	host, err := os.Hostname()
	if err != nil {
		host = "parley"
	}
	var suffix [4]byte
	_, _ = rand.Read(suffix[:]) // never fails
	return host + "-" + hex.EncodeToString(suffix[:])
}
