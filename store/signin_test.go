package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

const annPhone = "79250000001"

var signInLimits = store.SignInLimits{Life: 5 * time.Minute, Guesses: 5, Codes: 3, Window: 10 * time.Minute}

// tokensOf are two tokens that are told apart by a name.
func tokensOf(name string) store.SignInTokens {
	return store.SignInTokens{Access: []byte("access " + name), Refresh: []byte("refresh " + name), AccessLife: time.Hour, RefreshLife: 30 * 24 * time.Hour}
}

// setPhone gives the world's user a phone.
func (w *world) setPhone(phone string) {
	w.t.Helper()
	if err := w.db.SetUser(w.t.Context(), "acme", parley.UserChange{Phone: &phone}); err != nil {
		w.t.Fatal(err)
	}
}

// code asks for a code, and wants an error of that kind.
func (w *world) code(code string, want parley.Kind) {
	w.t.Helper()
	if err := w.db.AddSignInCode(w.t.Context(), w.user, code, signInLimits); parley.KindOf(err) != want {
		w.t.Errorf("code %s: %v, want %q", code, err, want)
	}
}

// guess signs in, and reports whether it was let in.
func (w *world) guess(phone, code, name string) bool {
	w.t.Helper()
	user, err := w.db.SignIn(w.t.Context(), phone, code, signInLimits, tokensOf(name))
	return w.let(user, err)
}

func (w *world) refresh(name, next string) bool {
	w.t.Helper()
	user, err := w.db.RefreshSignIn(w.t.Context(), tokensOf(name).Refresh, tokensOf(next))
	return w.let(user, err)
}

func (w *world) let(user parley.UserID, err error) bool {
	w.t.Helper()
	if err == nil && user == w.user {
		return true
	}
	if parley.KindOf(err) != parley.KindUnauthorized || user != 0 {
		w.t.Errorf("user %d, %v", user, err)
	}
	return false
}

// access reports whether an access token is good.
func (w *world) access(name string) bool {
	w.t.Helper()
	u, err := w.db.UserByAccessToken(w.t.Context(), tokensOf(name).Access)
	return w.let(u.ID, err)
}

// TestSignInCode: the newest code is good once, for its time, and for so many
// guesses.
func TestSignInCode(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setPhone(annPhone)
		if w.guess(annPhone, "111111", "a") {
			t.Error("let in before there was a code")
		}
		w.code("111111", "")
		w.code("222222", "")
		if w.guess(annPhone, "111111", "a") || w.guess("79250000002", "222222", "a") || w.guess("", "222222", "a") {
			t.Error("let in with a former code, or a phone that is nobody's")
		}
		if !w.guess(annPhone, "222222", "b") || w.guess(annPhone, "222222", "c") {
			t.Error("a code is good once")
		}
		if !w.access("b") || w.access("a") || w.access("c") {
			t.Error("the access token of the sign-in, and no other, is good")
		}
		w.code("333333", "")
		w.code("444444", parley.KindThrottled)
		c.add(5*time.Minute - time.Millisecond)
		if !w.guess(annPhone, "333333", "d") {
			t.Error("refused in the last moment")
		}
		c.add(5*time.Minute + 2*time.Millisecond)
		w.code("555555", "")
		c.add(5 * time.Minute)
		if w.guess(annPhone, "555555", "e") {
			t.Error("let in too late")
		}
	})
}

// TestSignInGuesses: after five wrong guesses the right one is refused as well,
// until there is another code.
func TestSignInGuesses(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		w.setPhone(annPhone)
		for code, wrong := range map[string]int{"111111": 4, "222222": 5} {
			w.code(code, "")
			for range wrong {
				if w.guess(annPhone, "000000", "x") {
					t.Fatal("let in by a wrong code")
				}
			}
			if got := w.guess(annPhone, code, code); got != (wrong < 5) {
				t.Errorf("after %d wrong guesses: let in %v", wrong, got)
			}
		}
		rows, err := store.Query(w.db, 1, "SELECT COUNT(*) FROM sign_in_code WHERE id = 0 AND attempts = 0")
		if err != nil || rows[0][0] != "1" {
			t.Errorf("guesses at a user's code were counted as nobody's: %v %v", rows, err)
		}
		w.guess("79250000009", "000000", "x")
		rows, err = store.Query(w.db, 1, "SELECT attempts FROM sign_in_code WHERE id = 0")
		if err != nil || rows[0][0] != "1" {
			t.Errorf("a guess at nobody's phone was not counted: %v %v", rows, err)
		}
	})
}

// TestSignInWindow: there are three codes within ten minutes, wherever these
// begin, also when they are asked for at once.
func TestSignInWindow(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[parley.Kind]int{}
		for n := range 8 {
			wg.Go(func() {
				err := w.db.AddSignInCode(t.Context(), w.user, fmt.Sprint(n), signInLimits)
				mu.Lock()
				defer mu.Unlock()
				got[parley.KindOf(err)]++
			})
		}
		wg.Wait()
		if d := cmp.Diff(map[parley.Kind]int{"": 3, parley.KindThrottled: 5}, got); d != "" {
			t.Error(d)
		}
		c.add(10*time.Minute - time.Second)
		w.code("1", parley.KindThrottled)
		c.add(2 * time.Second)
		w.code("2", "")
	})
}

// TestSignInSecrets: neither codes nor tokens can be read in the database.
func TestSignInSecrets(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		w.code("123456", "")
		w.code("123456", "")
		rows, err := store.Query(w.db, 1, "SELECT COUNT(*) FROM (SELECT DISTINCT hash, salt FROM sign_in_code WHERE id <> 0 AND length(salt) = 16 AND length(hash) = 32) AS d")
		if err != nil || rows[0][0] != "2" {
			t.Errorf("the same code twice is stored as %v, %v", rows, err)
		}
		rows, err = store.Query(w.db, 1, "SELECT COUNT(DISTINCT hash) FROM sign_in_code WHERE id <> 0")
		if err != nil || rows[0][0] != "2" {
			t.Errorf("hashes are not salted: %v, %v", rows, err)
		}
	})
}

// TestRefresh: a refresh token is good once; whoever uses it again ends all that
// came from the same sign-in, and nothing else.
func TestRefresh(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setPhone(annPhone)
		w.code("1", "")
		w.guess(annPhone, "1", "a")
		w.code("2", "")
		w.guess(annPhone, "2", "other")
		c.add(time.Hour)
		if w.access("a") {
			t.Error("an access token is good for an hour only")
		}
		c.add(29 * 24 * time.Hour)
		if !w.refresh("a", "b") || !w.access("b") || !w.refresh("b", "c") {
			t.Error("refresh tokens are refused")
		}
		if w.refresh("nobody's", "x") {
			t.Error("a token that is unknown was taken")
		}
		if user, err := w.db.RefreshSignIn(t.Context(), tokensOf("c").Access, tokensOf("x")); w.let(user, err) {
			t.Error("an access token was taken as a refresh token")
		}
		if u, err := w.db.UserByAccessToken(t.Context(), tokensOf("c").Refresh); w.let(u.ID, err) {
			t.Error("a refresh token was taken as an access token")
		}
		if !w.access("b") || !w.access("c") {
			t.Error("what was refused has ended what is good")
		}
		if w.refresh("a", "d") || w.access("b") || w.access("c") || w.access("d") || w.refresh("c", "e") {
			t.Error("the family outlives the second use of a token")
		}
		if !w.refresh("other", "f") {
			t.Error("another sign-in has ended as well")
		}
		c.add(30 * 24 * time.Hour)
		if w.refresh("f", "g") {
			t.Error("a refresh token is good for 30 days only")
		}
	})
}

// TestRefreshAtOnce: of two that use a token at once, one at most goes on.
func TestRefreshAtOnce(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		w.setPhone(annPhone)
		w.code("1", "")
		w.guess(annPhone, "1", "a")
		var wg sync.WaitGroup
		var mu sync.Mutex
		let := 0
		for n := range 4 {
			wg.Go(func() {
				_, err := w.db.RefreshSignIn(t.Context(), tokensOf("a").Refresh, tokensOf(fmt.Sprint(n)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					let++
				}
			})
		}
		wg.Wait()
		if let != 1 {
			t.Errorf("%d were let in", let)
		}
		for n := range 4 {
			if w.access(fmt.Sprint(n)) {
				t.Errorf("token %d is good after the second use", n)
			}
		}
	})
}

// TestPhones: a phone says who signs in, so it is one user's.
func TestPhones(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, _ *clock) {
		ctx := t.Context()
		if _, _, err := w.db.EnsureUser(ctx, "other"); err != nil {
			t.Fatal(err)
		}
		phone, none, url, price, yes := annPhone, "", "https://example.com", int64(7), true
		if _, err := w.db.UserByPhone(ctx, phone); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("nobody's phone: %v", err)
		}
		if _, err := w.db.UserByPhone(ctx, ""); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("no phone: %v", err)
		}
		set := func(name string, c parley.UserChange, want parley.Kind) {
			t.Helper()
			if err := w.db.SetUser(ctx, name, c); parley.KindOf(err) != want {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		set("acme", parley.UserChange{Phone: &phone, WebhookURL: &url, ChannelPrice: &price, Partner: &yes}, "")
		set("acme", parley.UserChange{Phone: &phone}, "")
		set("other", parley.UserChange{Phone: &phone}, parley.KindConflict)
		set("nobody", parley.UserChange{Phone: &none}, parley.KindNotFound)
		got, err := w.db.UserByPhone(ctx, phone)
		want := parley.User{ID: w.user, Name: "acme", Partner: true, Phone: phone, WebhookURL: url, ChannelPrice: 7, CreatedAt: got.CreatedAt}
		if d := cmp.Diff(want, got); err != nil || d != "" || got.CreatedAt.IsZero() {
			t.Errorf("%v %s", err, d)
		}
		set("acme", parley.UserChange{Phone: &none}, "")
		set("other", parley.UserChange{Phone: &phone}, "")
		set("acme", parley.UserChange{Phone: &none}, "")
	})
}

// TestCleanSignIn: what is good for something stays.
func TestCleanSignIn(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, w *world, c *clock) {
		w.setPhone(annPhone)
		w.code("1", "")
		w.guess(annPhone, "1", "a")
		w.code("2", "")
		made := c.now()
		c.add(24 * time.Hour)
		w.code("3", "")
		for _, step := range []struct {
			sort   store.Kept
			before time.Time
			want   int64
		}{
			{store.KeptCodes, made, 0}, {store.KeptCodes, made.Add(time.Second), 2}, {store.KeptCodes, c.now(), 0},
			{store.KeptTokens, made.Add(time.Hour), 0}, {store.KeptTokens, made.Add(time.Hour + 1e6), 1}, {store.KeptTokens, c.now(), 0},
		} {
			if got := w.clean(step.sort, step.before); got != step.want {
				t.Errorf("%s before %v: %d went, want %d", step.sort, step.before, got, step.want)
			}
		}
		if !w.guess(annPhone, "3", "b") || !w.refresh("a", "c") {
			t.Error("what was good has gone")
		}
	})
}
