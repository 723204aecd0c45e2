package attachment

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A fetching is one try at fetching a file.
type fetching struct {
	*Service
	turn     *turn[parley.Attachment]
	file     *parley.Attachment
	provider string
	begun    time.Time
	size     int64 // of what is in the blob
}

// errBusy says that all places of the provider are taken.
var errBusy = errors.New("no place")

// A blobError says that our own store did not take the bytes.
type blobError struct{ err error }

// Error says what the store said.
func (e *blobError) Error() string { return "store the bytes: " + e.err.Error() }

// Unwrap returns what the store said.
func (e *blobError) Unwrap() error { return e.err }

// fetch does one try, whatever becomes of it.
func (s *Service) fetch(ctx context.Context, t *turn[parley.Attachment]) {
	defer s.circuit.ended(t.probe)
	if _, mine := s.cfg.Grants.Grant(t.what.Company); !mine {
		return
	}
	f := &fetching{Service: s, turn: t, file: &t.what, begun: s.cfg.Now()}
	o := &store.FileOutcome{File: f.file}
	err := f.bring(ctx, o)
	if err == errBusy {
		return
	}
	result := f.conclude(ctx, o, err)
	f.report(result, o.Reason, err)
}

// bring brings the bytes into a blob, and says in o what they are.
func (f *fetching) bring(ctx context.Context, o *store.FileOutcome) error {
	if f.file.Size > f.cfg.MaxSize {
		return tooLarge(f.cfg.MaxSize)
	}
	client, err := f.client(ctx, f.file.Channel, &f.provider)
	if err != nil {
		return err
	}
	fetcher, ok := client.(connector.Fetcher)
	if !ok {
		return parley.Errorf(parley.KindUnsupported, "files of this messenger cannot be fetched")
	}
	if !f.turn.enter(f.provider) {
		return errBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.cfg.FetchTimeout, errSlow)
	defer cancel()
	return f.stream(ctx, fetcher, o)
}

// stream opens the file at the provider and reads it into a blob.
func (f *fetching) stream(ctx context.Context, c connector.Fetcher, o *store.FileOutcome) error {
	p, end := newPatience(ctx, f.cfg.Stall)
	defer end()
	got, err := f.open(p, c)
	p.timer.Stop()
	if err != nil {
		return err
	}
	body := newSteady(p, got.Body)
	defer body.close()
	if got.Size > f.cfg.MaxSize {
		return tooLarge(f.cfg.MaxSize)
	}
	src := &source{r: body, max: f.cfg.MaxSize, want: got.Size, keep: func([]byte) int { return sniffed }}
	key := newKey(strconv.FormatInt(int64(f.file.ID), 10))
	if err := f.put(ctx, key, src); err != nil {
		return err
	}
	f.size = src.size
	o.Blob, o.Size, o.SHA256, o.Type = key, src.size, src.sum, typeOf(cmp.Or(got.Type, f.file.Type), src.head)
	return nil
}

// open calls Fetch, within the patience.
func (f *fetching) open(p *patience, c connector.Fetcher) (got connector.Fetched, err error) {
	err = f.guard("fetch", f.file.Channel, func() (err error) {
		got, err = c.Fetch(p.ctx, f.file)
		if err == nil && got.Body == nil {
			err = parley.Errorf(parley.KindInternal, "the connector gave no body")
		}
		return err
	})
	return got, p.judge(err)
}

// put stores what a source gives, and tells its failures from the store's.
func (s *Service) put(ctx context.Context, key string, src *source) error {
	info, err := s.cfg.Blobs.Put(ctx, key, src, src.max)
	switch {
	case src.err != nil:
		return src.err
	case err == nil:
		src.sum = hex.EncodeToString(info.SHA256[:])
		return nil
	case context.Cause(ctx) == errSlow: // a store that hangs ends sooner by itself
		return errSlow
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return err
	}
	return &blobError{err}
}

// newKey returns a blob's key that was never used before.
func newKey(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()) }

var ownKey = regexp.MustCompile(`^(?:upload|[0-9]+)-[a-z2-7]{26}$`)

// OwnKey reports whether a key is one that a Service makes.
func OwnKey(key string) bool { return ownKey.MatchString(key) }

// client returns the channel's client, or an error whose kind says what that means
// for the file. It says whose client it is, as soon as that is known.
func (s *Service) client(ctx context.Context, id parley.ChannelID, provider *string) (client connector.Client, err error) {
	err = s.guard("open", id, func() error {
		ch, c, spec, err := s.cfg.Clients.Client(ctx, id)
		if ch != nil {
			*provider = ch.Provider
		}
		client, *provider = c, cmp.Or(spec.Name, *provider)
		return err
	})
	switch parley.KindOf(err) {
	case "", parley.KindLoggedOut, parley.KindInternal:
		return client, err
	case parley.KindNotFound:
		return nil, parley.Errorf(parley.KindRejected, "the channel was deleted")
	case parley.KindUnsupported: // the operator may put it on offer again
		return nil, &parley.Error{Kind: parley.KindLoggedOut, Message: parley.Reason(err), Err: err}
	}
	return nil, &parley.Error{Kind: parley.KindUnavailable, Message: parley.Reason(err), Err: err}
}

// guard turns a panic of a connector into an error of KindInternal. What it
// panicked with is not logged: it may quote a message.
func (s *Service) guard(what string, channel parley.ChannelID, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "connector panicked", slog.String("in", what),
				slog.Int64("channel_id", int64(channel)), slog.String("stack", string(debug.Stack())))
			err = parley.Errorf(parley.KindInternal, what+" panicked")
		}
	}()
	return f()
}
