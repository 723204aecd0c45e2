package telegramsim

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-im/parley/simulator"
)

// Options configure a Server. The zero value is a strict cloud server.
type Options struct {
	// Local accepts callback addresses as a self-hosted server does: plain http,
	// any port, loopback and private networks. It also switches off the delays
	// that punish hot polling loops, and changes how malformed tokens are refused.
	Local bool
	// Insecure is a cloud server that takes the callback addresses of a self-hosted
	// one, any port and any host over plain http, and does not punish hot polling
	// loops. Unlike one in local mode it serves downloads and has all its limits.
	Insecure bool
	// Limits enforces the published rates (about 1 message a second to a chat
	// with a burst of 3, 30 a second for a bot, one setWebhook a second). Off by
	// default: the throttle fault covers the rest.
	Limits bool
	// Now is the wall clock; nil means time.Now. Waiting uses real timers.
	Now func() time.Time
	// Log gets one line per callback attempt; nil means none.
	Log *slog.Logger
	// RetryBase is the unit of callback retries: at once, then 2, 4, 8 … of it,
	// and from 64 on a random 60–120 of it. 0 means one second.
	RetryBase time.Duration
	// HTTP makes the callbacks; redirects are never followed. nil means a client
	// with a timeout of 60 s.
	HTTP *http.Client
	// LookupIP resolves callback hosts when neither Local nor Insecure; nil means the system's resolver.
	LookupIP func(ctx context.Context, host string) ([]netip.Addr, error)
	// LogSize bounds the request log; 0 means 10 000.
	LogSize int
	// SentSize bounds the list of accepted messages and, apart from it, the
	// messages that can still be edited or replied to; 0 means 100 000.
	SentSize int
	// QueueSize bounds the undelivered updates of a bot; beyond it people cannot
	// write to it. 0 means 200 000.
	QueueSize int
	// FileSize bounds the bytes of all files; those used longest ago are
	// forgotten. 0 means 256 MiB.
	FileSize int64
	// FirstMessage is the id before the first message of every chat. A simulator
	// that forgets its chats at every start, in front of a gateway that does not,
	// must not give an id twice: it starts behind all former ones.
	FirstMessage int64
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.LookupIP == nil {
		o.LookupIP = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	o.RetryBase = orDefault(o.RetryBase, time.Second)
	o.LogSize = orDefault(o.LogSize, 10_000)
	o.SentSize = orDefault(o.SentSize, 100_000)
	o.FileSize = orDefault(o.FileSize, 256<<20)
	o.QueueSize = orDefault(o.QueueSize, 200_000)
	o.HTTP = callbackClient(o.HTTP)
	return o
}

// lax reports whether any callback address will do and polling may be hot.
func (o Options) lax() bool { return o.Local || o.Insecure }

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// callbackClient is c without redirects, or a client of its own for nil.
func callbackClient(c *http.Client) *http.Client {
	own := http.Client{}
	if c == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.Proxy = 1000, 100, nil
		own = http.Client{Transport: t, Timeout: 60 * time.Second}
	} else {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// A Server is one simulated Bot API server. Make it with New.
type Server struct {
	opts     Options
	faults   simulator.Faults
	log      *simulator.Ring[simulator.Request]
	sent     *simulator.Ring[simulator.Sent]
	messages *messages
	files    *files
	web      webPages
	control  *simulator.Control

	done    chan struct{} // closed by Close
	closing sync.Once
	work    sync.WaitGroup // callback workers and armed retry timers

	mu     sync.RWMutex // guards what follows; never held together with a bot's lock
	bots   map[int64]*bot
	people people
	groups map[int64]*group
	lastID int64 // of bots
}

var _ simulator.Simulator = (*Server)(nil)

// New starts nothing: goroutines exist only while callbacks are being made.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts:     opts,
		log:      simulator.NewRing[simulator.Request](opts.LogSize),
		sent:     simulator.NewRing[simulator.Sent](opts.SentSize),
		messages: newMessages(opts.SentSize),
		files:    newFiles(opts.FileSize),
		done:     make(chan struct{}),
	}
	s.forget()
	s.control = s.newControl()
	return s
}

// Provider returns "telegram".
func (s *Server) Provider() string { return "telegram" }

// Control serves the control verbs listed in the package comment.
func (s *Server) Control() http.Handler { return s.control }

// Faults is the script of faults. Accounts in it are bot ids, chats are chat
// ids, methods are spelled as in the Bot API, events as in an Update.
func (s *Server) Faults() *simulator.Faults { return &s.faults }

// Log is the log of the gateway's requests.
func (s *Server) Log() *simulator.Ring[simulator.Request] { return s.log }

// Sent is what the gateway sent and the server accepted.
func (s *Server) Sent() *simulator.Ring[simulator.Sent] { return s.sent }

// Close ends waiting polls, delays and callbacks, and waits for all goroutines.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.done) })
	s.stopBots()
	s.work.Wait()
	s.opts.HTTP.CloseIdleConnections()
	return nil
}

// Reset forgets bots, people, messages, faults and logs.
func (s *Server) Reset() {
	s.stopBots()
	s.mu.Lock()
	s.forget()
	s.mu.Unlock()
	s.faults.Clear()
	s.messages.reset()
	s.files.reset()
	s.web.reset()
	s.sent.Reset()
	s.log.Reset()
}

// forget makes the maps new. The caller holds the lock, if anyone else can.
func (s *Server) forget() {
	s.bots, s.lastID = make(map[int64]*bot), 7_000_000_000
	s.people = newPeople()
	s.groups = make(map[int64]*group)
}

func (s *Server) stopBots() {
	for _, b := range s.allBots() {
		b.mu.Lock()
		b.stop(errRestart)
		b.mu.Unlock()
	}
}

func (s *Server) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Server) now() time.Time { return s.opts.Now() }
