package signin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/signin"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

const (
	phone = "79250000001"
	hook  = "https://shop.example/codes?secret=HOOK-X"
)

// A sent is one POST.
type sent struct{ url, body string }

// A world is a service that is run, over a real database.
type world struct {
	t    *testing.T
	db   *store.DB
	user parley.UserID
	*signin.Service
	posts chan sent
	log   *journal
}

// newWorld runs a service for a user with a phone. What send returns is how the
// POST ended; nil takes all.
func newWorld(t *testing.T, db *store.DB, send func(url string) error) *world {
	t.Helper()
	w := &world{t: t, db: db, posts: make(chan sent, 100), log: &journal{}}
	w.user = w.add("acme", phone, hook)
	w.Service = signin.New(signin.Config{
		Store: db, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Send: func(_ context.Context, url string, body []byte) error {
			w.posts <- sent{url, string(body)}
			if send == nil {
				return nil
			}
			return send(url)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func (w *world) add(name, phone, url string) parley.UserID {
	w.t.Helper()
	id, _ := storetest.Company(w.t, w.db, name, "")
	if err := w.db.SetUser(w.t.Context(), name, parley.UserChange{Phone: &phone, WebhookURL: &url}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// code asks for a code and returns it.
func (w *world) code(phone string) string {
	w.t.Helper()
	if err := w.Verify(phone); err != nil {
		w.t.Fatal(err)
	}
	post := w.next()
	var body struct{ Data struct{ Code string } }
	if err := json.Unmarshal([]byte(post.body), &body); err != nil {
		w.t.Fatal(err)
	}
	return body.Data.Code
}

func (w *world) next() sent {
	w.t.Helper()
	select {
	case post := <-w.posts:
		return post
	case <-time.After(time.Minute):
		w.t.Fatal("no code was sent")
		return sent{}
	}
}

// A journal keeps what is logged.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed by the next line; nil if nobody waits
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.grown != nil {
		close(j.grown)
		j.grown = nil
	}
	return j.text.Write(b)
}

// await waits until a text is in the log.
func (j *journal) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		j.mu.Lock()
		found := strings.Contains(j.text.String(), text)
		if j.grown == nil {
			j.grown = make(chan struct{})
		}
		grown := j.grown
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("%s is not in\n%s", text, j)
		}
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestSignIn goes the whole way, and looks for what must not be logged.
func TestSignIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		if err := w.Verify(phone); err != nil {
			t.Fatal(err)
		}
		post := w.next()
		code := regexp.MustCompile(`"code":"(\d{6})"`).FindStringSubmatch(post.body)
		if code == nil {
			t.Fatalf("got %s", post.body)
		}
		want := sent{hook, fmt.Sprintf(`{"type":"verification","event":"code","data":{"phone":"%s","code":"%s"}}`, phone, code[1])}
		if d := cmp.Diff(want, post, cmp.AllowUnexported(sent{})); d != "" {
			t.Error(d)
		}
		first, err := w.SignIn(t.Context(), phone, code[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.SignIn(t.Context(), phone, code[1]); parley.KindOf(err) != parley.KindUnauthorized {
			t.Errorf("the same code again: %v", err)
		}
		second, err := w.Refresh(t.Context(), first.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		for n, token := range []parley.Secret{first.Access, second.Access} {
			if u, err := db.UserByAccessToken(t.Context(), seal.HashToken(token.Reveal())); err != nil || u.ID != w.user {
				t.Errorf("access token %d: user %d, %v", n, u.ID, err)
			}
		}
		if _, err := w.Refresh(t.Context(), first.Refresh.Reveal()); parley.KindOf(err) != parley.KindUnauthorized {
			t.Errorf("the same refresh token again: %v", err)
		}
		if _, err := w.Refresh(t.Context(), second.Refresh.Reveal()); parley.KindOf(err) != parley.KindUnauthorized {
			t.Errorf("the next refresh token after that: %v", err)
		}
		w.quiet(code[1], first.Access.Reveal(), first.Refresh.Reveal(), second.Access.Reveal(), second.Refresh.Reveal())
		if log := w.log.String(); !strings.Contains(log, fmt.Sprintf(`msg="user signed in" user_id=%d`, w.user)) {
			t.Errorf("logged\n%s", log)
		}
	})
}

// quiet wants nothing of what was said to be in the log.
func (w *world) quiet(also ...string) {
	w.t.Helper()
	log := w.log.String()
	for _, said := range append(also, phone, "HOOK-X", "shop.example") {
		if strings.Contains(log, said) {
			w.t.Errorf("%s was logged:\n%s", said, log)
		}
	}
}

// TestWhoGetsACode: only a phone that is somebody's who has an address, and not
// more than three times; Verify says the same to all.
func TestWhoGetsACode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)), func(url string) error {
		if url == "https://away.example" {
			return &parley.Error{Kind: parley.KindUnavailable, Code: "dial", Message: "no connection to away.example", Err: errors.New("dial " + url)}
		}
		return nil
	})
	w.add("mute", "79250000002", "")
	w.add("away", "79250000003", "https://away.example")
	w.add("last", "79250000004", "https://last.example")
	for range 5 {
		for _, p := range []string{phone, "79250000002", "79250000003", "79259999999"} {
			if err := w.Verify(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]int{}
	for range 6 {
		got[w.next().url]++
	}
	if d := cmp.Diff(map[string]int{hook: 3, "https://away.example": 3}, got); d != "" {
		t.Error(d)
	}
	w.code("79250000004")
	if len(w.posts) != 0 {
		t.Errorf("more was sent: %v", <-w.posts)
	}
	for _, code := range []string{"kind=unavailable code=dial", "code=too_many_codes", "code=no_webhook_url"} {
		w.log.await(t, code)
	}
	w.quiet("79250000002", "79250000003", "79259999999", "away.example")
}

// TestNewestCode: a code ends the one before.
func TestNewestCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)), nil)
	first, second := w.code(phone), w.code(phone)
	for first == second { // one time in a million
		second = w.code(phone)
	}
	if _, err := w.SignIn(t.Context(), phone, first); parley.KindOf(err) != parley.KindUnauthorized {
		t.Errorf("the former code: %v", err)
	}
	if _, err := w.SignIn(t.Context(), phone, second); err != nil {
		t.Errorf("the newest code: %v", err)
	}
}

// TestReceiverHangs: one receiver that does not answer holds up nobody else.
func TestReceiverHangs(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)), func(url string) error {
		if url == hook {
			<-free
		}
		return nil
	})
	defer close(free)
	w.add("other", "79250000002", "https://other.example")
	w.code(phone)
	w.code("79250000002")
}

// TestQueue: it is bounded, and what is too much is refused at once.
func TestQueue(t *testing.T) {
	t.Parallel()
	s := signin.New(signin.Config{})
	for n := range 1000 {
		err := s.Verify(phone)
		if n < 256 && err != nil || n >= 256 && parley.KindOf(err) != parley.KindUnavailable {
			t.Fatalf("phone %d: %v", n, err)
		}
	}
}

// noRows refuses every guess.
type noRows struct{ guesses int }

func (r *noRows) SignIn(context.Context, string, string, store.SignInLimits, store.SignInTokens) (parley.UserID, error) {
	r.guesses++
	return 0, parley.Errorf(parley.KindUnauthorized, "no")
}

func (*noRows) UserByPhone(context.Context, string) (parley.User, error) { panic("not asked for") }

func (*noRows) AddSignInCode(context.Context, parley.UserID, string, store.SignInLimits) error {
	panic("not asked for")
}

func (*noRows) RefreshSignIn(context.Context, []byte, store.SignInTokens) (parley.UserID, error) {
	panic("not asked for")
}

// TestGuesses: all guesses together are limited, and cost nothing beyond that.
func TestGuesses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r := &noRows{}
	s := signin.New(signin.Config{Store: r, Now: func() time.Time { return now }})
	guess := func() *parley.Error {
		_, err := s.SignIn(t.Context(), phone, "000000")
		e, _ := errors.AsType[*parley.Error](err)
		return e
	}
	for range 100 {
		guess()
	}
	if r.guesses != 30 {
		t.Errorf("%d guesses at once, want 30", r.guesses)
	}
	if e := guess(); e.Kind != parley.KindThrottled || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
		t.Errorf("got %+v", e)
	}
	now = now.Add(time.Second)
	for range 100 {
		guess()
	}
	if r.guesses != 40 {
		t.Errorf("%d guesses after a second, want 10 more", r.guesses)
	}
}
