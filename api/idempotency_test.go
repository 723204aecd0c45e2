package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// keyed posts under an idempotency key.
func (n *tenant) keyed(tb testing.TB, path, body, key string) reply {
	return n.do(tb, request{line: "POST " + path, body: body, header: "Idempotency-Key: " + key})
}

func replayed(r reply) bool { return r.header.Get("Idempotent-Replay") == "true" }

func TestIdempotency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		first := n.keyed(t, messagesPath, "message=a&send_to_crm=1", "k").expect(t, "ok")
		if replayed(first) {
			t.Error("the first answer says that it is a repeat")
		}
		for _, again := range []request{
			{line: "POST " + messagesPath, body: "send_to_crm=1&message=a"},
			{line: "POST /p1//companies/{C}/conversations/0{CV}/messages/", body: `{"message":"a","send_to_crm":"1"}`},
			{line: "POST " + messagesPath + "?private_api_token={T}", body: "message=a&send_to_crm=1"},
		} {
			again.header = "Idempotency-Key: k"
			if got := n.do(t, again).expect(t, "ok"); got.text != first.text || !replayed(got) {
				t.Errorf("%s: got %s, replay %v", again.line, got.text, replayed(got))
			}
		}
		if got := n.keyed(t, messagesPath, "message=b", "k").expect(t, "400 Idempotency-Key"); replayed(got) {
			t.Error("a refusal says that it is a repeat")
		}
		for what, got := range map[string]reply{
			"another key":  n.keyed(t, messagesPath, "message=a&send_to_crm=1", "K").expect(t, "ok"),
			"another path": n.keyed(t, onCV+"/message", "message=a&send_to_crm=1", "k").expect(t, "ok"),
			"no key":       n.post(t, messagesPath, "message=a&send_to_crm=1").expect(t, "ok"),
		} {
			if replayed(got) || got.text == first.text {
				t.Errorf("%s: got the first answer %s", what, got.text)
			}
		}
		n.keyed(t, messagesPath, "message=a", strings.Repeat("x", 256)).expect(t, "400 Idempotency-Key 255")
		n.keyed(t, messagesPath, "message=a", strings.Repeat("x", 255)).expect(t, "ok")
		if jobs := n.open(t, "WA"); len(jobs) != 5 {
			t.Errorf("got %d jobs, want 5", len(jobs))
		}
		n.do(t, request{line: "DELETE " + channelsPath + "/{WA}"}).expect(t, "deleted")
		if got := n.keyed(t, messagesPath, "message=a&send_to_crm=1", "k").expect(t, "ok"); got.text != first.text {
			t.Errorf("after the channel went: got %s", got.text)
		}
	})
}

// TestIdempotencyOfRefusals checks that a refusal is an answer like another.
func TestIdempotencyOfRefusals(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	first := n.keyed(t, messagesPath, "message=", "k").expect(t, "400 message")
	if again := n.keyed(t, messagesPath, "message=", "k").expect(t, "400 message"); !replayed(again) || again.text != first.text {
		t.Errorf("got %s, replay %v", again.text, replayed(again))
	}
	if got := n.keyed(t, messagesPath, "message=a", "k").expect(t, "400 Idempotency-Key"); replayed(got) {
		t.Error("other parameters were taken for a repeat")
	}
}

// TestIdempotencyRace repeats a request while it runs.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		const racers = 20
		var got [racers]reply
		var run sync.WaitGroup
		for i := range racers {
			run.Go(func() { got[i] = n.keyed(t, messagesPath, "message=a", "k") })
		}
		run.Wait()
		originals := 0
		for _, r := range got {
			if r.code != http.StatusOK || r.text != got[0].text {
				t.Errorf("got %d %s, want %s", r.code, r.text, got[0].text)
			}
			if !replayed(r) {
				originals++
			}
		}
		if jobs := n.open(t, "WA"); len(jobs) != 1 || originals != 1 {
			t.Errorf("got %d jobs and %d first answers, want 1 and 1", len(jobs), originals)
		}
	})
}

// TestRaceWithOtherParameters lets two different requests get to the store under
// one key: both looked before either was stored.
func TestRaceWithOtherParameters(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	blind := &blindStore{DB: db}
	n := newGateway(t, db, func(c *Config) { c.Store = blind }).full(t)
	n.keyed(t, messagesPath, "message=a", "k").expect(t, "ok")
	n.keyed(t, messagesPath, "message=b", "k").expect(t, "400 Idempotency-Key")
	if got := n.keyed(t, messagesPath, "message=a", "k").expect(t, "ok"); !replayed(got) {
		t.Error("a repeat was not recognised by the store")
	}
}

// A blindStore finds no answer before the transaction.
type blindStore struct{ *store.DB }

func (blindStore) SavedAnswer(context.Context, parley.UserID, []byte) (*store.Answer, error) {
	return nil, nil
}

// TestHangUp lets clients go away while their message is accepted: each is stored
// whole or not at all, and a repeat finds out.
func TestHangUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		leaving := &leavingStore{DB: db}
		n := newGateway(t, db, func(c *Config) { c.Store = leaving }).full(t)
		for i := range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			leaving.leave = cancel
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, n.fill(messagesPath), strings.NewReader("message=a"))
			r.Header.Set("X-Private-Api-Token", n.token)
			key := strings.Repeat("k", i+1)
			r.Header.Set("Idempotency-Key", key)
			w := httptest.NewRecorder()
			func() {
				defer func() {
					if p := recover(); p != nil && p != http.ErrAbortHandler { // how a client that is gone gets no answer
						panic(p)
					}
				}()
				n.server.ServeHTTP(w, r)
			}()
			leaving.leave = func() {}
			again := n.keyed(t, messagesPath, "message=a", key).expect(t, "ok")
			if w.Body.Len() > 0 && w.Body.String() != again.text {
				t.Errorf("got %s, and then %s", w.Body, again.text)
			}
			jobs := n.open(t, "WA")
			if len(jobs) != i+1 || jobs[i].Message.Text != "a" || float64(jobs[i].Job.ID) != again.at("data", "id") {
				t.Fatalf("after %d requests and repeats: jobs %+v", i+1, jobs)
			}
		}
	})
}

// A leavingStore has the client go away when its message gets to the store.
type leavingStore struct {
	*store.DB
	leave func()
}

func (l *leavingStore) Accept(ctx context.Context, in *store.Accept) (store.Accepted, error) {
	l.leave()
	return l.DB.Accept(ctx, in)
}
