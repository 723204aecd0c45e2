package attachment

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// Clients gives the client to fetch with.
type Clients interface {
	// Client returns the open client of a channel, or an error whose kind says why
	// there is none: KindNotFound, it was deleted; KindLoggedOut and
	// KindUnsupported, not now; any other kind is asked again later.
	Client(ctx context.Context, channel parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error)
}

// rows is what a Service needs of the store.
type rows interface {
	DueFiles(ctx context.Context, due time.Time, after store.FileCursor, limit int) ([]parley.Attachment, error)
	FinishFile(ctx context.Context, o *store.FileOutcome) error
	DueProfiles(ctx context.Context, due time.Time, after store.ProfileCursor, limit int) ([]store.DueProfile, error)
	FinishProfile(ctx context.Context, o *store.ProfileOutcome) error
	AddFile(ctx context.Context, a *parley.Attachment) (parley.AttachmentID, error)
	File(ctx context.Context, id parley.AttachmentID) (parley.Attachment, error)
}

// blobs is what a Service needs of the blob store.
type blobs interface {
	Put(ctx context.Context, key string, r io.Reader, max int64) (blob.Info, error)
	Open(ctx context.Context, key string) (blob.Reader, error)
	Delete(ctx context.Context, key string) error
}

// grants says which companies this node may act for, without blocking.
type grants interface {
	Grant(company parley.CompanyID) (parley.Grant, bool)
}

// Config is what a Service is made of. Store, Blobs, Clients, Grants, Targets and
// Log must be set; zero values of the others mean their defaults.
type Config struct {
	Store   rows
	Blobs   blobs
	Clients Clients
	Grants  grants
	Targets connector.Doer // for addresses that customers give: guarded, following at most 3 redirects
	Log     *slog.Logger
	Now     func() time.Time // time.Now
	Observe Observer         // nobody
	Trace   func(Fetch)      // is told of every try at fetching a file, and must not block; nobody

	MaxSize int64 // of a file, in bytes; 64 MiB

	Fetches         int // files under way, of all channels together; 32
	ProviderFetches int // of one provider; half of Fetches
	ChannelFetches  int // of one channel; 4

	Stall        time.Duration // how long a provider may send no byte; 30 s
	FetchTimeout time.Duration // of one fetch as a whole; 10 min
	URLTimeout   time.Duration // of one file_url as a whole; 30 s
	GiveUp       time.Duration // the age at which a file that cannot be had has failed; 24 h
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = unobserved{}
	}
	c.MaxSize = cmp.Or(c.MaxSize, 64<<20)
	c.Fetches = cmp.Or(c.Fetches, 32)
	c.ProviderFetches = cmp.Or(c.ProviderFetches, max(c.Fetches/2, 1))
	c.ChannelFetches = cmp.Or(c.ChannelFetches, 4)
	c.Stall = cmp.Or(c.Stall, 30*time.Second)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 10*time.Minute)
	c.URLTimeout = cmp.Or(c.URLTimeout, 30*time.Second)
	c.GiveUp = cmp.Or(c.GiveUp, 24*time.Hour)
	return c
}

// Bounds of the side calls that ask for profiles.
const (
	profileCalls    = 8
	providerCalls   = 4
	channelCalls    = 1
	profileTimeout  = 30 * time.Second
	lastCommits     = 5 * time.Second // outcomes may still be committed so long after a stop
	filesWaiting    = 64              // files in memory for each channel
	profilesWaiting = 16
)

// A Service fetches files and profiles, takes uploads, and serves files. It is an
// [net/http.Handler] for everything below /files/. Uploads and serving work
// before, while and after Run runs.
type Service struct {
	cfg      Config
	circuit  circuit
	files    *lanes[parley.Attachment]
	profiles *lanes[store.DueProfile]
	wake     chan struct{}
	commit   context.Context // of outcomes; outlives Run's ctx by lastCommits

	mu      sync.Mutex // guards started
	started bool
}

// New returns a Service that fetches nothing until Run.
func New(cfg Config) *Service {
	cfg = cfg.withDefaults()
	s := &Service{cfg: cfg, wake: make(chan struct{}, 1)}
	s.files = newLanes(bounds{cfg.Fetches, cfg.ProviderFetches, cfg.ChannelFetches, filesWaiting}, cfg.Now, s.fetch)
	s.files.gate = func() (probe, pass bool) { return s.circuit.pass(cfg.Now()) }
	s.files.dry = s.Wake
	s.profiles = newLanes(bounds{profileCalls, providerCalls, channelCalls, profilesWaiting}, cfg.Now, s.profile)
	s.profiles.dry = s.Wake
	return s
}

// Wake says that files or profiles became due. It never blocks, may be called at
// any time, and may be forgotten: a poll finds them within a second or two.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // a look is due already
	}
}

// Run fetches until ctx ends, then cancels what is under way, whose rows stay
// pending, and returns nil when every goroutine has ended. It may be called once.
func (s *Service) Run(ctx context.Context) error {
	if !s.start() {
		return errors.New("attachment: Run was called twice")
	}
	commit, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastCommits, giveUp) })()
	s.commit = commit
	s.watch(ctx)
	s.files.wait()
	s.profiles.wait()
	return nil
}

func (s *Service) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.started
	s.started = true
	return first
}
