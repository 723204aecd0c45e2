package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestClient(t *testing.T) {
	t.Parallel()
	for _, state := range parley.ChannelStates() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			want := parley.KindLoggedOut
			switch state {
			case parley.ChannelEnabled, parley.ChannelOffline:
				want = ""
			case parley.ChannelDeleted:
				want = parley.KindNotFound
			}
			r := newRig(&script{}, nil)
			r.add(1, state)
			r.store.channels[1].Reason = "so it is"
			ch, client, _, err := r.Client(t.Context(), 1)
			if parley.KindOf(err) != want {
				t.Fatalf("error is %v, want kind %q", err, want)
			}
			if (client == nil) != (err != nil) {
				t.Errorf("client is %v with error %v", client, err)
			}
			if want == parley.KindLoggedOut && (parley.Reason(err) != "so it is" || !ch.StateAt.Equal(r.store.row(1).StateAt)) {
				t.Errorf("got %v and %q, want the row and its reason", ch, parley.Reason(err))
			}
		})
	}
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	r := newRig(&script{}, nil)
	r.add(1, parley.ChannelEnabled)
	r.store.channels[1].Provider = "switched off"
	tests := []struct {
		name string
		id   parley.ChannelID
		fail error
		want parley.Kind
	}{
		{"unknown", 9, nil, parley.KindNotFound},
		{"provider not on offer", 1, nil, parley.KindUnsupported},
		{"store down", 1, down("database"), parley.KindUnavailable},
	}
	for _, tt := range tests {
		r.store.fail(tt.fail)
		if _, _, _, err := r.Client(t.Context(), tt.id); parley.KindOf(err) != tt.want {
			t.Errorf("%s: error is %v, want kind %q", tt.name, err, tt.want)
		}
	}
}

func TestClientIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.add(1, parley.ChannelEnabled)
		get := func() (*parley.Channel, connector.Client) {
			ch, client, _, err := r.Client(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return ch, client
		}
		_, first := get()
		_, second := get()
		if first != second || r.store.number(&r.store.reads) != 1 {
			t.Errorf("%d reads for two calls, want 1 and the same client", r.store.number(&r.store.reads))
		}
		advance(fresh)
		if _, c := get(); c != first || r.store.number(&r.store.reads) != 2 {
			t.Errorf("%d reads once the row is old, want 2 and the same client", r.store.number(&r.store.reads))
		}
		r.store.change(1, func(ch *parley.Channel) { ch.Account = "bot-x" })
		if ch, c := get(); c != first || ch.Account != "bot-x" {
			t.Errorf("account %q after a change, want the new one with the same client", ch.Account)
		}
		r.store.change(1, func(ch *parley.Channel) { ch.Generation = 2 })
		if _, c := get(); c == first || r.sim.add(&r.sim.closed, 0) != 1 {
			t.Errorf("%d clients closed after new credentials, want 1 and another client", r.sim.add(&r.sim.closed, 0))
		}
		r.store.change(1, func(ch *parley.Channel) { ch.State = parley.ChannelDeleted })
		if _, _, _, err := r.Client(t.Context(), 1); parley.KindOf(err) != parley.KindNotFound || r.sim.add(&r.sim.closed, 0) != 2 {
			t.Errorf("error %v and %d clients closed after deletion, want not found and 2", err, r.sim.add(&r.sim.closed, 0))
		}
	})
}

// A change that is committed while the old row is on its way must not be missed.
func TestClientChangedWhileRead(t *testing.T) {
	t.Parallel()
	r := newRig(&script{}, nil)
	r.add(1, parley.ChannelEnabled)
	r.sim.open = func(ch *parley.Channel) error {
		if ch.Generation == 1 {
			r.store.change(1, func(ch *parley.Channel) { ch.Generation = 2 })
		}
		return nil
	}
	for _, want := range []int64{1, 2, 2} {
		ch, _, _, err := r.Client(t.Context(), 1)
		if err != nil || ch.Generation != want {
			t.Errorf("got %v, %v, want generation %d", ch, err, want)
		}
	}
}

func TestByCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.add(1, parley.ChannelEnabled)
		r.add(2, parley.ChannelConnecting)
		r.add(3, parley.ChannelDisabled)
		r.add(4, parley.ChannelDeleted)
		tests := []struct {
			provider, path string
			id             parley.ChannelID // 0: not found
		}{
			{"demo", "p1", 1}, {"demo", "p1", 1}, {"demo", "p2", 2}, {"demo", "p3", 3},
			{"demo", "p4", 0}, {"demo", "p5", 0}, {"other", "p1", 0}, {"demo", "", 0},
		}
		for _, tt := range tests {
			ch, client, _, err := r.ByCallback(t.Context(), tt.provider, tt.path)
			if tt.id == 0 {
				if parley.KindOf(err) != parley.KindNotFound {
					t.Errorf("%s/%s: error is %v, want not found", tt.provider, tt.path, err)
				}
				continue
			}
			if err != nil || ch.ID != tt.id || client == nil {
				t.Errorf("%s/%s: got %v, %v, want channel %d", tt.provider, tt.path, ch, err, tt.id)
			}
		}
		reads := r.store.number(&r.store.reads)
		if _, _, _, err := r.ByCallback(t.Context(), "demo", "p1"); err != nil || r.store.number(&r.store.reads) != reads {
			t.Errorf("error %v, %d reads more, want it cached", err, r.store.number(&r.store.reads)-reads)
		}
		r.store.hook = func(parley.ChannelID) {} // another node changes the path
		r.store.change(1, func(ch *parley.Channel) { ch.Secrets[parley.SecretCallbackPath] = "px" })
		advance(fresh)
		if _, _, _, err := r.ByCallback(t.Context(), "demo", "p1"); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("old path: error is %v, want not found", err)
		}
		if _, _, _, err := r.ByCallback(t.Context(), "demo", "px"); err != nil {
			t.Errorf("new path: %v", err)
		}
		if _, _, _, err := r.ByCallback(t.Context(), "demo", "p1"); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("old path once the new one is known: error is %v, want not found", err)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(&script{}, func(c *Config) { c.Cache = 3 })
	get := func(id parley.ChannelID) line {
		l, err := r.line(t.Context(), id, usable)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for id := range parley.ChannelID(5) {
		r.add(id+1, parley.ChannelEnabled)
	}
	unpin, ok := r.cache.pin(get(1))
	if !ok {
		t.Fatal("an open client could not be pinned")
	}
	for id := range parley.ChannelID(5) {
		get(id + 1)
	}
	if n := len(r.cache.byID); n != 3 || r.sim.add(&r.sim.closed, 0) != 2 || len(r.cache.byPath) != 3 || r.cache.used.Len() != 3 {
		t.Errorf("%d clients open, %d closed, %d paths, want 3, 2 and 3", n, r.sim.add(&r.sim.closed, 0), len(r.cache.byPath))
	}
	if r.cache.byID[1] == nil {
		t.Error("a pinned client was let go")
	}
	unpin()
	get(2)
	get(3)
	get(4)
	if r.cache.byID[1] != nil {
		t.Error("a client that nobody uses was kept")
	}
}

// New credentials close the old client, also where nobody asks for the new one.
func TestClientClosedByNewCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.grants.set(false, 0)
		r.add(1, parley.ChannelEnabled)
		r.start(t)
		if _, _, _, err := r.Client(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		r.store.change(1, func(ch *parley.Channel) { ch.Generation, ch.State = 2, parley.ChannelConnecting })
		synctest.Wait()
		if r.sim.add(&r.sim.closed, 0) != 1 {
			t.Errorf("%d clients closed, want 1", r.sim.add(&r.sim.closed, 0))
		}
	})
}

// TestCacheIdle closes what nobody asks for, and leaves what is used or served.
func TestCacheIdle(t *testing.T) {
	t.Parallel()
	sim, start := &script{}, time.Now()
	c := newCache(10, slog.New(slog.DiscardHandler))
	lines := map[parley.ChannelID]line{}
	for id := range parley.ChannelID(3) {
		ch := &parley.Channel{ID: id + 1, Generation: 1}
		lines[ch.ID] = c.put(line{ch: ch, client: pollClient{&base{s: sim, ch: ch}}}, c.stamp(), start)
	}
	unpin, _ := c.pin(lines[1]) // served
	defer unpin()
	c.get(2, start.Add(time.Second)) // asked for later than the others
	c.closeIdle(start.Add(idleClose - time.Second))
	if sim.closed != 0 {
		t.Fatalf("%d clients closed before their time", sim.closed)
	}
	c.closeIdle(start.Add(idleClose))
	if sim.closed != 1 || c.byID[1] == nil || c.byID[2] == nil {
		t.Errorf("%d clients closed, want that of channel 3 alone", sim.closed)
	}
	c.closeIdle(start.Add(time.Hour))
	if sim.closed != 2 || c.byID[1] == nil || len(c.byID) != 1 {
		t.Errorf("%d clients closed and %d open, want all closed but the one that is served", sim.closed, len(c.byID))
	}
}

func TestCachePut(t *testing.T) {
	t.Parallel()
	sim := &script{}
	c := newCache(1, slog.New(slog.DiscardHandler))
	put := func(id parley.ChannelID, generation int64) (given, kept line) {
		ch := &parley.Channel{ID: id, Generation: generation}
		given = line{ch: ch, client: pollClient{&base{s: sim, ch: ch}}}
		return given, c.put(given, c.stamp(), time.Now())
	}
	first, _ := put(1, 2)
	for _, generation := range []int64{1, 2} {
		if _, kept := put(1, generation); kept.client != first.client {
			t.Errorf("generation %d replaced a client of generation 2", generation)
		}
	}
	if sim.closed != 2 {
		t.Errorf("%d clients closed, want the 2 that are not used", sim.closed)
	}
	second, kept := put(1, 3)
	if kept.client != second.client || sim.closed != 3 {
		t.Errorf("%d clients closed, want 3: the one of an older generation, too", sim.closed)
	}
	unpin, ok := c.pin(second)
	if !ok {
		t.Fatal("an open client could not be pinned")
	}
	defer unpin()
	if newcomer, kept := put(2, 1); kept.client != newcomer.client || sim.closed != 3 || c.byID[2] == nil {
		t.Errorf("%d clients closed for a newcomer beside a pinned one, want 3 from before", sim.closed)
	}
	if _, ok := c.pin(first); ok {
		t.Error("a client that is closed was pinned")
	}
}

func TestClientFromManyGoroutines(t *testing.T) {
	t.Parallel()
	r := newRig(&script{}, func(c *Config) { c.Cache = 4 })
	for id := range parley.ChannelID(8) {
		r.add(id+1, parley.ChannelEnabled)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 200 {
				id := parley.ChannelID((n+i)%8 + 1)
				ch, client, _, err := r.Client(t.Context(), id)
				if err != nil || ch.ID != id || client == nil {
					t.Errorf("got %v, %v, want channel %d", ch, err, id)
				}
				if i%17 == 0 {
					r.store.change(id, func(ch *parley.Channel) { ch.Generation++ })
				}
			}
		})
	}
	wg.Wait()
	r.cache.closeAll()
	if len(r.cache.byID)+len(r.cache.byPath)+r.cache.used.Len() != 0 {
		t.Errorf("%d clients and %d paths left", len(r.cache.byID), len(r.cache.byPath))
	}
}

func TestRunClosesClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(&script{}, nil)
		r.add(1, parley.ChannelEnabled)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		advance(2 * time.Second)
		cancel()
		if err := <-done; err != nil || r.sim.add(&r.sim.closed, 0) != 1 || r.sim.add(&r.sim.runs, 0) != 0 || r.busy() != 0 {
			t.Errorf("error %v, %d closed, %d runs going on, want the client closed and nothing left", err, r.sim.add(&r.sim.closed, 0), r.sim.add(&r.sim.runs, 0))
		}
	})
}

func TestEnv(t *testing.T) {
	t.Parallel()
	var env connector.Env
	r := newRig(&script{make: func(c *base) connector.Client { env = c.env; return c }}, nil)
	r.add(1, parley.ChannelEnabled)
	if _, _, _, err := r.Client(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if env.Base != "http://demo" || env.Now == nil || env.Log == nil {
		t.Errorf("env is %+v", env)
	}
	r.grants.set(true, 5)
	if err := env.State.Save(t.Context(), "key", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if want := (parley.Grant{Shard: parley.CompanyID(7).Shard(), Term: 5}); r.store.grant != want {
		t.Errorf("the write named %v, want %v", r.store.grant, want)
	}
	got, err := env.State.Load(t.Context(), "key")
	if diff := cmp.Diff([]byte("v"), got); diff != "" || err != nil {
		t.Errorf("error %v, value (-want +got):\n%s", err, diff)
	}
	r.grants.set(false, 0)
	if err := env.State.Save(t.Context(), "key", nil); parley.KindOf(err) != parley.KindConflict {
		t.Errorf("error of a write without ownership is %v, want conflict", err)
	}
}

func TestPanicTellsNoSecret(t *testing.T) {
	t.Parallel()
	err := safely(func() error { panic("bot123:secret") })
	if got := err.Error(); got != "panic: string" {
		t.Errorf("error is %q, want only the type", got)
	}
	var none []error
	err = safely(func() error { return none[0] })
	if got := err.Error(); !strings.Contains(got, "index out of range") {
		t.Errorf("error is %q, want the runtime's own", got)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{longest: longestWait}
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		want *= time.Second
		if got := b.next(io.EOF); got < want/2 || got > want {
			t.Errorf("wait %d is %v, want between half of %v and the whole", n, got, want)
		}
	}
	b.failures = 1 << 40
	if got := b.next(&parley.Error{RetryAfter: 48 * time.Hour}); got != obeyed {
		t.Errorf("wait is %v, want no more than %v", got, obeyed)
	}
}

func TestKeyedWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	var k keyed
	unlock, err := k.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := k.lock(t.Context(), "b"); err != nil {
		t.Error("another name had to wait")
	} else {
		other()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want the context's", err)
	}
	unlock()
	if unlock, err = k.lock(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	unlock()
	if len(k.held) != 0 {
		t.Errorf("%d names are held, want 0", len(k.held))
	}
}

func BenchmarkClient(b *testing.B) {
	r := newRig(&script{}, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	for id := range parley.ChannelID(100) {
		r.add(id+1, parley.ChannelEnabled, fmt.Sprint(id))
	}
	b.ReportAllocs()
	for id := 0; b.Loop(); id++ {
		if _, _, _, err := r.Client(b.Context(), parley.ChannelID(id%100+1)); err != nil {
			b.Fatal(err)
		}
	}
}
