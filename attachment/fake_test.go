package attachment

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// errPlain is an error without a kind.
var errPlain = errors.New("plain")

func unavailable() error { return parley.Errorf(parley.KindUnavailable, "not now") }

// fakeRows keeps rows in memory, by the rules of the store.
type fakeRows struct {
	mu       sync.Mutex
	files    map[parley.AttachmentID]parley.Attachment
	profiles []store.DueProfile
	said     []store.ProfileOutcome
	outcomes []store.FileOutcome
	reads    int // rows of files read

	down     error                                    // of everything
	finish   func(o *store.FileOutcome) (bool, error) // before a file's outcome; true ends it there
	finished func(o *store.FileOutcome) error         // after it is stored
}

func (r *fakeRows) DueFiles(_ context.Context, due time.Time, after store.FileCursor, limit int) ([]parley.Attachment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []parley.Attachment
	for _, a := range r.files {
		if behind := a.NextAt.After(after.At) || a.NextAt.Equal(after.At) && a.ID > after.ID; a.State == parley.AttachmentPending && !a.NextAt.After(due) && behind {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b parley.Attachment) int { return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.ID, b.ID)) })
	list = list[:min(len(list), limit)]
	r.reads += len(list)
	return list, r.down
}

func (r *fakeRows) FinishFile(_ context.Context, o *store.FileOutcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finish != nil {
		if done, err := r.finish(o); done || err != nil {
			return err
		}
	}
	a := r.files[o.File.ID]
	if a.State != parley.AttachmentPending || a.Attempt != o.File.Attempt || !a.NextAt.Equal(o.File.NextAt) {
		return parley.Errorf(parley.KindConflict, "moved")
	}
	switch o.Result {
	case store.FileFetched:
		a.State, a.Blob, a.Size, a.Type = parley.AttachmentReady, o.Blob, o.Size, o.Type
	case store.FileFailed:
		a.State, a.Reason = parley.AttachmentFailed, o.Reason
	default:
		a.NextAt = o.At
		if o.Spent {
			a.Attempt++
		}
	}
	r.files[a.ID] = a
	r.outcomes = append(r.outcomes, *o)
	if r.finished != nil {
		return r.finished(o)
	}
	return nil
}

func (r *fakeRows) DueProfiles(_ context.Context, due time.Time, after store.ProfileCursor, limit int) ([]store.DueProfile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []store.DueProfile
	for _, d := range r.profiles {
		if behind := d.DueAt.After(after.At) || d.DueAt.Equal(after.At) && d.Conversation > after.ID; !d.DueAt.IsZero() && !d.DueAt.After(due) && behind {
			list = append(list, d)
		}
	}
	return list[:min(len(list), limit)], r.down
}

func (r *fakeRows) FinishProfile(_ context.Context, o *store.ProfileOutcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, *o)
	for i := range r.profiles {
		if d := &r.profiles[i]; d.Conversation == o.Due.Conversation {
			d.DueAt = o.Again
			d.Tries++
		}
	}
	return r.down
}

func (r *fakeRows) AddFile(_ context.Context, a *parley.Attachment) (parley.AttachmentID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return 0, r.down
	}
	row := *a
	row.ID, row.Token = parley.AttachmentID(1000+len(r.files)), "uploaded"
	r.files[row.ID] = row
	return row.ID, nil
}

func (r *fakeRows) File(_ context.Context, id parley.AttachmentID) (parley.Attachment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.files[id]
	if !ok && r.down == nil {
		return a, parley.Errorf(parley.KindNotFound, "File not found")
	}
	return a, r.down
}

// fakeBlobs keeps bytes in memory.
type fakeBlobs struct {
	mu      sync.Mutex
	bytes   map[string][]byte
	down    error
	puts    int
	hang    bool // Put waits for the end of its context before it reads
	deleted []string
}

func (b *fakeBlobs) Put(ctx context.Context, key string, r io.Reader, max int64) (blob.Info, error) {
	b.mu.Lock()
	down, hang := b.down, b.hang
	b.puts++
	b.mu.Unlock()
	if hang {
		<-ctx.Done()
		return blob.Info{}, ctx.Err()
	}
	if down != nil {
		return blob.Info{}, down
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return blob.Info{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes[key] = data
	return blob.Info{Size: int64(len(data)), SHA256: sha256.Sum256(data)}, nil
}

// sumOf returns the hash of bytes as rows have it.
func sumOf(data string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(data))) }

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func (b *fakeBlobs) Open(_ context.Context, key string) (blob.Reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.bytes[key]
	switch {
	case b.down != nil:
		return nil, b.down
	case !ok:
		return nil, parley.Errorf(parley.KindNotFound, "there is no such file")
	}
	return memory{bytes.NewReader(data)}, nil
}

func (b *fakeBlobs) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bytes, key)
	b.deleted = append(b.deleted, key)
	return nil
}

// keys returns what is kept.
func (b *fakeBlobs) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for key := range b.bytes {
		list = append(list, key)
	}
	return list
}

// fakeClient is a channel's client.
type fakeClient struct {
	fetch   func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error)
	profile func(ctx context.Context, chat connector.Chat) (connector.Profile, error)
}

func (*fakeClient) Plan(*parley.Message) ([]connector.Part, error) { return nil, nil }
func (*fakeClient) Send(context.Context, connector.Part) (connector.Sent, error) {
	return connector.Sent{}, nil
}

func (c *fakeClient) Fetch(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	return c.fetch(ctx, a)
}

func (c *fakeClient) Profile(ctx context.Context, chat connector.Chat) (connector.Profile, error) {
	return c.profile(ctx, chat)
}

// mute is a client that can only send.
type mute struct{ c *fakeClient }

func (m mute) Plan(p *parley.Message) ([]connector.Part, error) { return m.c.Plan(p) }
func (m mute) Send(ctx context.Context, p connector.Part) (connector.Sent, error) {
	return m.c.Send(ctx, p)
}

// fakeClients has one client for all channels; a channel's provider is demo, or
// named by the test.
type fakeClients struct {
	client   connector.Client
	err      func() error
	provider func(parley.ChannelID) string
}

func (c *fakeClients) Client(_ context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	name := "demo"
	if c.provider != nil {
		name = c.provider(id)
	}
	if c.err != nil {
		if err := c.err(); err != nil {
			return nil, nil, connector.Spec{}, err
		}
	}
	return &parley.Channel{ID: id, Provider: name}, c.client, connector.Spec{Name: name}, nil
}

// fakeGrants own the companies below 100.
type fakeGrants struct{ lost bool }

func (g *fakeGrants) Grant(company parley.CompanyID) (parley.Grant, bool) {
	return parley.Grant{Shard: company.Shard(), Term: 7}, company < 100 && !g.lost
}

// A watcher is an Observer that remembers.
type watcher struct {
	mu      sync.Mutex
	fetched map[string]int
	uploads map[string]int
	served  map[int]int
	size    int64
	signal  chan string // results of fetches; nil for none
}

func (w *watcher) Fetched(provider, result string, took time.Duration, size int64) {
	w.mu.Lock()
	w.fetched[provider+" "+result]++
	w.size += size
	w.mu.Unlock()
	if w.signal != nil {
		w.signal <- result
	}
}

func (w *watcher) Uploaded(result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uploads[result]++
}

func (w *watcher) Served(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served[status]++
}

// A logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A rig is a Service among fakes.
type rig struct {
	*Service
	rows    *fakeRows
	blobs   *fakeBlobs
	clients *fakeClients
	client  *fakeClient
	grants  *fakeGrants
	watcher *watcher
	log     *logbook
	calls   []parley.AttachmentID // of Fetch, in order
	mu      sync.Mutex
}

func newRig(change ...func(*Config)) *rig {
	r := &rig{
		rows:    &fakeRows{files: map[parley.AttachmentID]parley.Attachment{}},
		blobs:   &fakeBlobs{bytes: map[string][]byte{}},
		grants:  &fakeGrants{},
		watcher: &watcher{fetched: map[string]int{}, uploads: map[string]int{}, served: map[int]int{}},
		log:     &logbook{},
	}
	r.client = &fakeClient{fetch: gives("hello")}
	r.clients = &fakeClients{client: r.client}
	cfg := Config{
		Store: r.rows, Blobs: r.blobs, Clients: r.clients, Grants: r.grants, Observe: r.watcher,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	r.Service = New(cfg)
	return r
}

// fetches makes the client's Fetch.
func (r *rig) fetches(f func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error)) {
	r.client.fetch = func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
		r.mu.Lock()
		r.calls = append(r.calls, a.ID)
		r.mu.Unlock()
		return f(ctx, a)
	}
}

func (r *rig) called() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// outcomes returns those that were stored.
func (r *rig) outcomes() []store.FileOutcome {
	r.rows.mu.Lock()
	defer r.rows.mu.Unlock()
	return slices.Clone(r.rows.outcomes)
}

// rowsRead returns how many rows of files were read.
func (r *rig) rowsRead() int {
	r.rows.mu.Lock()
	defer r.rows.mu.Unlock()
	return r.rows.reads
}

// results returns what was observed of fetches.
func (r *rig) results() map[string]int {
	r.watcher.mu.Lock()
	defer r.watcher.mu.Unlock()
	return maps.Clone(r.watcher.fetched)
}

// add makes a file that has been pending since now.
func (r *rig) add(a parley.Attachment) parley.AttachmentID {
	r.rows.mu.Lock()
	defer r.rows.mu.Unlock()
	a.ID = cmp.Or(a.ID, parley.AttachmentID(len(r.rows.files)+1))
	a.Company, a.Channel = cmp.Or(a.Company, 1), cmp.Or(a.Channel, 2)
	a.State, a.Token, a.Source = parley.AttachmentPending, "token", "source-of-the-file"
	a.CreatedAt, a.NextAt = time.Now(), time.Now()
	r.rows.files[a.ID] = a
	return a.ID
}

func (r *rig) file(t *testing.T, id parley.AttachmentID) parley.Attachment {
	t.Helper()
	a, err := r.rows.File(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run runs the service for a time of the bubble, then stops it.
func (r *rig) run(t *testing.T, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	during()
	cancel()
	wg.Wait()
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// gives makes a Fetch that returns text.
func gives(text string) func(context.Context, *parley.Attachment) (connector.Fetched, error) {
	return func(context.Context, *parley.Attachment) (connector.Fetched, error) {
		return connector.Fetched{Body: io.NopCloser(bytes.NewReader([]byte(text))), Size: int64(len(text))}, nil
	}
}

// fails makes a Fetch that fails.
func fails(err error) func(context.Context, *parley.Attachment) (connector.Fetched, error) {
	return func(context.Context, *parley.Attachment) (connector.Fetched, error) { return connector.Fetched{}, err }
}

// A dripper is a body that gives a byte now and then; it knows no context, but
// ends when it is closed.
type dripper struct {
	every  time.Duration
	bytes  int // then nothing more comes; 0 is without end
	closed chan struct{}
	once   sync.Once
}

func newDripper(every time.Duration, bytes int) *dripper {
	return &dripper{every: every, bytes: bytes, closed: make(chan struct{})}
}

func (d *dripper) Read(p []byte) (int, error) {
	wait := time.After(d.every)
	if d.bytes == 1 {
		wait = nil
	}
	select {
	case <-d.closed:
		return 0, errPlain
	case <-wait:
		d.bytes = max(d.bytes-1, 0)
		return copy(p, "x"), nil
	}
}

func (d *dripper) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
