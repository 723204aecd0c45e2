package attachment

import (
	"cmp"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		id := r.add(parley.Attachment{Kind: parley.FilePhoto, Name: "private.jpg", Type: "image/jpeg", Width: 5, Height: 6, Size: 99})
		r.add(parley.Attachment{Company: 100})
		r.run(t, func() { pass(time.Second) })
		a := r.file(t, id)
		if a.State != parley.AttachmentReady || a.Size != 5 || a.Type != "text/plain" || a.Width != 5 || a.Height != 6 || a.Attempt != 0 {
			t.Errorf("got %+v", a)
		}
		if !strings.HasPrefix(a.Blob, "1-") || string(r.blobs.bytes[a.Blob]) != "hello" || len(r.blobs.bytes) != 1 {
			t.Errorf("blob %q of %q", a.Blob, r.blobs.bytes)
		}
		if g := r.outcomes()[0].Grant; len(r.outcomes()) != 1 || g.Term != 7 {
			t.Errorf("outcomes %+v", r.outcomes())
		}
		if r.results()["demo fetched"] != 1 || r.watcher.size != 5 {
			t.Errorf("observed %v, %d bytes", r.results(), r.watcher.size)
		}
		line := r.log.String()
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, "attachment_id=1") || !strings.Contains(line, "provider=demo") || !strings.Contains(line, "result=fetched") {
			t.Errorf("log: %s", line)
		}
		if strings.Contains(line, "private") || strings.Contains(line, "source-of") || strings.Contains(line, "token") {
			t.Errorf("the log tells too much: %s", line)
		}
	})
}

// TestVerdicts: what each kind of error means, from the client and from Fetch.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	of := func(kind parley.Kind) error { return parley.Errorf(kind, "says who") }
	slow := &parley.Error{Kind: parley.KindThrottled, Message: "wait", RetryAfter: time.Minute}
	for _, tt := range []struct {
		name         string
		client, err  error
		state        parley.AttachmentState
		attempt      int
		after, until time.Duration // of the next try
		reason       string
	}{
		{"unavailable", nil, of(parley.KindUnavailable), parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
		{"throttled", nil, of(parley.KindThrottled), parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
		{"told to wait", nil, slow, parley.AttachmentPending, 1, time.Minute, time.Minute, ""},
		{"uncertain", nil, of(parley.KindUncertain), parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
		{"internal", nil, errPlain, parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
		{"logged out", nil, of(parley.KindLoggedOut), parley.AttachmentPending, 0, time.Second, 1300 * time.Millisecond, ""},
		{"rejected", nil, of(parley.KindRejected), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"not found", nil, of(parley.KindNotFound), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"invalid", nil, of(parley.KindInvalid), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"unsupported", nil, of(parley.KindUnsupported), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"unreachable", nil, of(parley.KindUnreachable), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"forbidden", nil, of(parley.KindForbidden), parley.AttachmentFailed, 0, 0, 0, "says who"},
		{"channel gone", of(parley.KindNotFound), nil, parley.AttachmentFailed, 0, 0, 0, "the channel was deleted"},
		{"channel logged out", of(parley.KindLoggedOut), nil, parley.AttachmentPending, 0, time.Second, 1300 * time.Millisecond, ""},
		{"provider not on offer", of(parley.KindUnsupported), nil, parley.AttachmentPending, 0, time.Second, 1300 * time.Millisecond, ""},
		{"channel cannot be opened", errPlain, nil, parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
		{"channel not known now", of(parley.KindConflict), nil, parley.AttachmentPending, 1, time.Second, 1300 * time.Millisecond, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.fetches(fails(tt.err))
				r.clients.err = func() error { return tt.client }
				begun := time.Now()
				id := r.add(parley.Attachment{})
				r.run(t, synctest.Wait)
				a := r.file(t, id)
				if a.State != tt.state || a.Attempt != tt.attempt || a.Reason != tt.reason || len(r.outcomes()) != 1 || len(r.blobs.bytes) != 0 {
					t.Errorf("got %+v after %d outcomes", a, len(r.outcomes()))
				}
				if wait := a.NextAt.Sub(begun); wait < tt.after || wait > tt.until {
					t.Errorf("waits %v, want %v to %v", wait, tt.after, tt.until)
				}
			})
		})
	}
}

func TestNoFetcher(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.clients.client = mute{r.client}
		id := r.add(parley.Attachment{})
		r.run(t, synctest.Wait)
		if a := r.file(t, id); a.State != parley.AttachmentFailed || a.Reason != "files of this messenger cannot be fetched" {
			t.Errorf("got %+v", a)
		}
	})
}

// TestGiveUp: repeats grow rarer, and end after a day with the last reason.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		after  time.Duration // 0 is the default
		reason string
		calls  [2]int // at least and at most
		spent  bool
	}{
		{unavailable(), 0, "given up after 24 h: not now", [2]int{280, 380}, true},
		{parley.Errorf(parley.KindLoggedOut, "logged out"), 2 * time.Hour, "given up after 2 h: logged out", [2]int{30, 60}, false},
		{errPlain, 90 * time.Minute, "given up after 1.5 h: internal error", [2]int{20, 40}, true},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(c *Config) { c.GiveUp = tt.after })
				r.fetches(fails(tt.err))
				id := r.add(parley.Attachment{})
				r.run(t, func() {
					pass(cmp.Or(tt.after, 24*time.Hour) - time.Second)
					if a := r.file(t, id); a.State != parley.AttachmentPending || (a.Attempt > 0) != tt.spent {
						t.Errorf("a second early: %+v", a)
					}
					pass(6 * time.Minute)
				})
				if a := r.file(t, id); a.State != parley.AttachmentFailed || a.Reason != tt.reason {
					t.Errorf("got %+v", a)
				}
				if n := r.called(); n < tt.calls[0] || n > tt.calls[1] {
					t.Errorf("asked %d times, want %v", n, tt.calls)
				}
			})
		})
	}
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 20: 4 * time.Minute, 10_000: 4 * time.Minute} {
		if got := backOff(n); got < want || got > want*5/4 {
			t.Errorf("failure %d: %v, want %v and a little", n, got, want)
		}
	}
	for age, want := range map[time.Duration]time.Duration{-time.Hour: time.Second, 0: time.Second, time.Minute: 15 * time.Second, 24 * time.Hour: 4 * time.Minute} {
		if got := aged(age); got < want || got > want*5/4 {
			t.Errorf("age %v: %v, want %v and a little", age, got, want)
		}
	}
}

// A tape is a body that remembers how much was read, and that it was closed.
type tape struct {
	io.Reader
	read   int
	closed bool
}

func (c *tape) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func (c *tape) Close() error {
	c.closed = true
	return nil
}

// TestLimit: declared sizes are believed when they are too large, and never when
// they are small enough.
func TestLimit(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	for _, tt := range []struct {
		name               string
		message, announced int64
		bytes              int64
		asked              bool
		readMax            int
		state              parley.AttachmentState
	}{
		{"message says too much", limit + 1, 0, 5, false, 0, parley.AttachmentFailed},
		{"answer says too much", 0, limit + 1, 5, true, 0, parley.AttachmentFailed},
		{"says little, sends too much", 5, 5, limit + 1, true, limit + 1, parley.AttachmentFailed},
		{"says nothing, never ends", 0, 0, 1 << 40, true, limit + 1, parley.AttachmentFailed},
		{"exactly the limit", limit, limit, limit, true, limit, parley.AttachmentReady},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(c *Config) { c.MaxSize = limit })
				body := &tape{Reader: io.LimitReader(zeros{}, tt.bytes)}
				r.fetches(func(context.Context, *parley.Attachment) (connector.Fetched, error) {
					return connector.Fetched{Body: body, Size: tt.announced}, nil
				})
				id := r.add(parley.Attachment{Size: tt.message})
				r.run(t, synctest.Wait)
				a := r.file(t, id)
				if a.State != tt.state || (a.State == parley.AttachmentFailed) != (a.Reason == "larger than the limit of 64 KiB") {
					t.Errorf("got %+v", a)
				}
				if asked := r.called() > 0; asked != tt.asked || body.read > tt.readMax || body.closed != tt.asked {
					t.Errorf("asked %v, read %d, closed %v", asked, body.read, body.closed)
				}
				if kept := len(r.blobs.bytes); (kept == 1) != (tt.state == parley.AttachmentReady) {
					t.Errorf("%d blobs", kept)
				}
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A spinner reads nothing, without end.
type spinner struct{}

func (s *spinner) Read([]byte) (int, error) {
	<-time.After(7 * time.Second)
	return 0, nil
}

func (s *spinner) Close() error { return nil }

// TestBadBodies: whatever a provider sends, the try ends in time and is repeated.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fetch func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error)
		code  string
		ends  time.Duration
	}{
		{"stalls at once", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: newDripper(time.Second, 1)}, nil
		}, "file_stalled", 30 * time.Second},
		{"stalls later", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: newDripper(time.Second, 11)}, nil
		}, "file_stalled", 40 * time.Second},
		{"reads of nothing", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: &spinner{}}, nil
		}, "file_stalled", 35 * time.Second},
		{"no answer", func(ctx context.Context, _ *parley.Attachment) (connector.Fetched, error) {
			<-ctx.Done()
			return connector.Fetched{}, &parley.Error{Kind: parley.KindUncertain, Err: ctx.Err()}
		}, "file_stalled", 30 * time.Second},
		{"drips for ever", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: newDripper(29*time.Second, 0)}, nil
		}, "file_too_slow", 10 * time.Minute},
		{"short", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: io.NopCloser(strings.NewReader("abc")), Size: 4}, nil
		}, "file_cut", 0},
		{"broken", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: io.NopCloser(io.MultiReader(strings.NewReader("abc"), broke{}))}, nil
		}, "file_cut", 0},
		{"no body", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{}, nil
		}, "kind=internal", 0},
		{"Fetch panics", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			panic("secret words")
		}, "kind=internal", 0},
		{"Read panics", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: io.NopCloser(panics{})}, nil
		}, "kind=internal", 0},
		{"Read lies", func(context.Context, *parley.Attachment) (connector.Fetched, error) {
			return connector.Fetched{Body: io.NopCloser(liar{})}, nil
		}, "kind=internal", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.fetches(tt.fetch)
				id := r.add(parley.Attachment{})
				r.run(t, func() {
					synctest.Wait()
					if tt.ends > 0 {
						pass(tt.ends - time.Millisecond)
						if n := len(r.outcomes()); n != 0 {
							t.Errorf("%d outcomes early", n)
						}
						pass(time.Millisecond)
					}
					if a := r.file(t, id); a.State != parley.AttachmentPending || a.Attempt != 1 || len(r.outcomes()) != 1 {
						t.Errorf("got %+v, %d outcomes", a, len(r.outcomes()))
					}
				})
				if len(r.blobs.bytes) != 0 || r.circuit.open {
					t.Errorf("%d blobs, circuit %+v", len(r.blobs.bytes), &r.circuit)
				}
				if log := r.log.String(); !strings.Contains(log, tt.code) || strings.Contains(log, "secret words") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

type broke struct{}

func (broke) Read([]byte) (int, error) { return 0, errPlain }

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("secret words") }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

// TestSlowBlobStore: time that our own store takes is not held against the sender.
func TestSlowBlobStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		slow := &slowBlobs{fakeBlobs: r.blobs, pause: time.Minute}
		r.cfg.Blobs = slow
		id := r.add(parley.Attachment{})
		r.run(t, func() { pass(3 * time.Minute) })
		if a := r.file(t, id); a.State != parley.AttachmentReady || len(r.outcomes()) != 1 {
			t.Errorf("got %+v", a)
		}
	})
}

type slowBlobs struct {
	*fakeBlobs
	pause time.Duration
}

func (b *slowBlobs) Put(ctx context.Context, key string, r io.Reader, max int64) (blob.Info, error) {
	return b.fakeBlobs.Put(ctx, key, slowReader{r, b.pause}, max)
}

type slowReader struct {
	r     io.Reader
	pause time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	<-time.After(s.pause)
	return s.r.Read(p)
}

// TestBlobStoreDown: an hour without a blob store costs nobody an attempt, the
// providers few requests, and ends by itself.
func TestBlobStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.fetches(gives("hello"))
		r.blobs.down = errPlain
		const files = 200
		for n := range files {
			r.add(parley.Attachment{Channel: parley.ChannelID(n % 20)})
		}
		r.run(t, func() {
			pass(time.Hour)
			calls := r.called()
			if calls < 40 || calls > 150 {
				t.Errorf("asked %d times in an hour, want one a minute or so", calls)
			}
			for _, o := range r.outcomes() {
				if o.Spent || o.Result != store.FileRetry {
					t.Fatalf("outcome %+v", o)
				}
			}
			r.blobs.mu.Lock()
			r.blobs.down = nil
			r.blobs.mu.Unlock()
			pass(7 * time.Minute)
		})
		if got := r.results()["demo fetched"]; got != files {
			t.Errorf("%d files fetched afterwards, want %d; %v", got, files, r.results())
		}
		if n := strings.Count(r.log.String(), "fetching pauses"); n != 1 {
			t.Errorf("told of it %d times", n)
		}
	})
}

// TestOldFileWaitsForBlobStore: our own store being down never makes a file fail.
func TestOldFileWaitsForBlobStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(c *Config) { c.GiveUp = time.Minute })
		r.blobs.down = errPlain
		id := r.add(parley.Attachment{})
		r.run(t, func() { pass(time.Hour) })
		if a := r.file(t, id); a.State != parley.AttachmentPending || a.Attempt != 0 {
			t.Errorf("got %+v", a)
		}
	})
}

// TestProbeElsewhere: a probe that never comes to the blob store makes room for
// the next.
func TestProbeElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.circuit.bad(time.Now(), false)
		r.fetches(func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			if a.ID == 1 {
				return connector.Fetched{}, parley.Errorf(parley.KindRejected, "no")
			}
			return gives("hello")(ctx, a)
		})
		for range 3 {
			r.add(parley.Attachment{})
		}
		r.run(t, func() { pass(3 * time.Second) })
		if r.results()["demo fetched"] != 2 || r.results()["demo failed"] != 1 {
			t.Errorf("observed %v", r.results())
		}
	})
}
