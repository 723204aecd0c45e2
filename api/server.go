package api

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A Store is what the API needs of *store.DB. Each part is declared where it is
// used.
type Store interface {
	userStore
	billingStore
	companyStore
	channelStore
	conversationStore
	messageStore
	keyStore
	jobStore
	webhookStore
	endpointStore
	timelineStore
	quarantineStore
	fileStore
}

// Config says how a Server works. Store and TestWebhook are required.
type Config struct {
	Store Store

	// Providers are what this installation can connect, by canonical name.
	Providers map[string]connector.Spec

	// Disabled are canonical names of Providers that are not offered all the same.
	Disabled map[string]bool

	// TestWebhook makes the test request to a webhook address. It blocks for 10 s
	// at most. An error of any kind but KindInternal refuses the address; its
	// message is shown to the caller.
	TestWebhook func(ctx context.Context, url string) error

	// Files keeps what is uploaded; with nil, uploads are refused.
	Files fileService

	// Clients asks messengers while a client waits; with nil nothing that needs it is
	// available.
	Clients clients

	// Events is the log that clients follow; with nil, there is no event stream.
	Events eventLog

	// Streaming is told when a stream of events is opened, and when it ends; nil is
	// nobody. It must not block.
	Streaming func(open bool)

	// SignIn signs users in by phone; with nil, nobody can.
	SignIn signInService

	// Limit has the calls of each token limited to what profile v2 allows.
	Limit bool

	// MaxFile is the largest file that Files takes, in bytes. An upload that announces
	// more is refused before any of it has come; with 0, Files alone decides.
	MaxFile int64

	// PageKey authenticates page tokens. All nodes need the same one; a new one
	// makes clients start their walks anew. Empty means a random one.
	PageKey []byte

	// MaxBody limits the body of a request, in bytes; 0 means 1 MiB. Files that are
	// uploaded do not count: Files has a limit of its own.
	MaxBody int64

	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now

	// Observe is told of every answer, to measure it; nil is nobody. How long it
	// took leaves out what the client asked to wait. Method and
	// route are never the client's words: the method is a known one or "other", the
	// route is a pattern of the table or "none". It must not block.
	Observe func(method, route string, status int, took time.Duration)

	// Trace is told of every message that was accepted, repetitions of a request
	// left out; nil is nobody. It must not block.
	Trace func(Accepted)
}

// An Accepted is a message that was taken for sending.
type Accepted struct {
	Job    parley.Job
	Route  string // as a pattern
	Begun  time.Time
	Took   time.Duration
	Parent string // the request's traceparent header: the client's text
}

// A Server is the handler of the API. It is safe for concurrent use.
type Server struct {
	store   Store
	offered map[string]bool
	kinds   map[string]*kind // by every spelling
	names   []string         // every spelling, in the order shown
	specs   map[string]connector.Spec
	files   fileService // nil if there is none
	clients clients     // nil if there is none
	events  eventLog    // nil if there is none
	stream  func(open bool)
	test    func(ctx context.Context, url string) error
	pageKey []byte
	maxBody int64
	log     *slog.Logger
	now     func() time.Time
	observe func(method, route string, status int, took time.Duration)
	trace   func(Accepted)
	maxFile int64         // 0 if it is not known
	root    *node         // of /p1
	account *node         // of /api
	signing signInService // nil if there is none
	limiter *limiter      // nil if nothing is limited
	warned  throttle      // lines about failures of ours
	process string        // names this start among all others
	running sync.Map      // requests under way whose effect is outside the database, as runningKey names them
}

// New returns a Server that is ready for requests.
func New(c Config) *Server {
	s := &Server{store: c.Store, specs: c.Providers, files: c.Files, clients: c.Clients, events: c.Events, stream: c.Streaming, test: c.TestWebhook, pageKey: c.PageKey, maxBody: c.MaxBody, log: c.Log, now: c.Now, observe: c.Observe, trace: c.Trace}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.observe == nil {
		s.observe = func(string, string, int, time.Duration) {}
	}
	if s.stream == nil {
		s.stream = func(bool) {}
	}
	if len(s.pageKey) == 0 {
		s.pageKey = make([]byte, 32)
		_, _ = rand.Read(s.pageKey) // ends the program rather than fail
	}
	s.process = rand.Text()
	s.signing, s.maxFile = c.SignIn, c.MaxFile
	s.warned.now = s.now
	if c.Limit {
		s.limiter = newLimiter(s.now)
	}
	s.offer(c.Providers, c.Disabled)
	s.root = plant("/p1/", s.endpoints())
	s.account = plant("/api/", s.accountEndpoints())
	return s
}

// Serves reports whether the request's path is the API's. Everything else is for
// others to answer.
func (s *Server) Serves(r *http.Request) bool {
	first, _, ok := next(pathOf(r))
	return ok && (first == "p1" || first == "api") || s.public(pathOf(r)) != nil
}

// ServeHTTP answers one request. It blocks until the answer is written; what was
// accepted is stored by then.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, ctx: r.Context(), server: s, started: time.Now()}
	defer s.finish(c)
	err := s.handle(c)
	if err != nil {
		c.fail(err)
	}
}

// finish turns a panic into an answer, and writes the line about the request.
func (s *Server) finish(c *call) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.panicked(c, panicText(p))
		c.fail(parley.Errorf(parley.KindInternal, "panic"))
	}
	s.observe(methodOf(c.r), c.pattern(), c.status, time.Since(c.started)-c.waited)
	if c.accepted != nil {
		s.trace(Accepted{Job: *c.accepted, Route: c.pattern(), Begun: c.started, Took: time.Since(c.started), Parent: c.r.Header.Get("Traceparent")})
	}
	s.report(c)
	if c.cut {
		panic(http.ErrAbortHandler)
	}
}

// note remembers what was accepted, for whoever traces.
func (c *call) note(j parley.Job) {
	if c.server.trace != nil {
		c.accepted = &j
	}
}

// panicked writes a line about a panic, with where it was.
func (s *Server) panicked(c *call, what string) {
	kind := "panic of the program"
	if what == panicValue {
		kind = "panic of a value"
	}
	missed, ok := s.warned.allow(kind)
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("route", c.pattern()), slog.String("panic", what), slog.String("stack", string(debug.Stack()))}
	s.log.LogAttrs(context.WithoutCancel(c.ctx), slog.LevelError, "request panicked", append(attrs, suppressed(missed)...)...)
}

// panicText names a panic without repeating a value that may hold what a client
// sent.
func panicText(p any) string {
	if e, ok := p.(runtime.Error); ok {
		return e.Error()
	}
	return panicValue
}

const panicValue = "not a runtime error"

// report writes one line for each request: paths only as their pattern, and never
// a query, since both may hold what is nobody's business.
func (s *Server) report(c *call) {
	level := slog.LevelDebug
	if c.status >= http.StatusInternalServerError && !errors.Is(c.err, store.ErrBusy) { // the store tells of a flood, once
		level = slog.LevelWarn
	}
	ctx := context.WithoutCancel(c.ctx)
	if !s.log.Enabled(ctx, level) {
		return
	}
	kind, missed := string(parley.KindOf(c.err)), int64(0)
	if level >= slog.LevelWarn {
		var ok bool
		if missed, ok = s.warned.allow(kind); !ok {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("method", methodOf(c.r)), slog.String("route", c.pattern()), slog.Int("status", c.status),
		slog.Int64("took_ms", time.Since(c.started).Milliseconds()),
		slog.Int64("user_id", int64(c.user.ID)), slog.Int64("company_id", int64(c.company.ID)),
	}
	if c.status >= http.StatusInternalServerError && c.err != nil {
		attrs = append(attrs, slog.String("kind", kind), slog.String("error", c.err.Error()))
	}
	attrs = append(attrs, suppressed(missed)...)
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// methodOf returns the method if it is one that exists: clients may write there
// what they like.
func methodOf(r *http.Request) string {
	const known = " GET HEAD POST PUT PATCH DELETE CONNECT OPTIONS TRACE "
	if strings.Contains(known, " "+r.Method+" ") {
		return r.Method
	}
	return "other"
}
