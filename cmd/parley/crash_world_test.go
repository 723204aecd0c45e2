package main_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const (
	crashBot    = "1000001:AAbot-of-the-crash-test-0000000000"
	crashPeople = 32
	crashFirst  = 5_550_001 // the first person's id
)

// A crashWorld is everything around the gateway.
type crashWorld struct {
	t       *testing.T
	ctx     context.Context
	rules   *crashCase
	rng     *rand.Rand // of the test's own goroutine
	sim     *telegramsim.Server
	door    *crashDoor
	hooks   *crashReceiver
	flight  crashFlight
	instant crashInstant
	gateway *crashGateway
	api     *crashAPI
	company int64
	channel int64
	chats   []*crashChat

	halt    chan struct{} // closed when the load is to end
	working sync.WaitGroup

	begun, calm time.Time // when the load began, and when the kills ended
	kills, hits int
	struck      crashCount // by all kills
}

// A crashChat is a person's conversation. Its lists belong to the one goroutine
// that adds to them, until the load has ended.
type crashChat struct {
	person int64
	id     int64
	said   []string    // by the person
	posts  []crashPost // accepted from the one client that answers here, in order

	messages []crashMessage // as listed at the end
}

// A crashPost is a message that the API has accepted.
type crashPost struct {
	text    string
	job     int64
	repeats int // with the same key, because the answer was lost
	end     crashJob
}

func newCrashWorld(ctx context.Context, t *testing.T, c *crashCase, binary string, rng *rand.Rand) *crashWorld {
	t.Helper()
	w := &crashWorld{t: t, ctx: ctx, rules: c, rng: rng, halt: make(chan struct{})}
	w.sim = telegramsim.New(telegramsim.Options{
		Local: !c.files, Insecure: c.files, RetryBase: 10 * time.Millisecond, LogSize: 1,
		HTTP: &http.Client{Transport: &crashCallbacks{world: w}, Timeout: time.Minute},
	})
	w.door = &crashDoor{world: w, asked: map[string][]crashAsked{}}
	w.hooks = &crashReceiver{world: w, rng: w.newRand(), first: map[string]*crashHook{}}
	telegram, receiver := httptest.NewServer(w.door), httptest.NewServer(w.hooks)
	w.gateway = w.newGateway(binary, telegram.URL)
	w.instant.kill = func() { w.gateway.kill() }
	t.Cleanup(func() {
		w.report()
		w.gateway.kill()
		w.working.Wait()  // the case's context has ended
		_ = w.sim.Close() // before its server, which waits for what waits in it
		telegram.Close()
		receiver.Close()
	})
	w.hooks.url = receiver.URL + "/webhook"
	return w
}

func (w *crashWorld) newGateway(binary, sim string) *crashGateway {
	dir, database := w.rules.place(w.t)
	g := &crashGateway{
		binary: binary, dir: dir, listen: crashPort(w.t, w.rng), node: "first", logs: w.t.TempDir(), sim: sim, flight: &w.flight,
		place: []string{"--data", dir}, killed: map[int]bool{}, up: make(chan struct{}),
		flags: []string{"--allow-private-targets", "--pace", "off", "--webhook-delay", "50ms", "--send-timeout", "5s", "--takeover-wait", "30s"},
	}
	if database != "" {
		g.place = append(g.place, "--database", database)
	}
	if !w.rules.polled {
		g.flags = append(g.flags, "--public-url", "http://"+g.listen)
	}
	return g
}

func (w *crashWorld) newRand() *rand.Rand {
	return rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64()))
}

// furnish starts the gateway, and makes a company with a bot that everybody knows.
func (w *crashWorld) furnish() {
	w.t.Helper()
	token := w.gateway.command(w.t, "token", "create", "--user", "acme")
	w.api = &crashAPI{gateway: w.gateway, token: token, http: &http.Client{Timeout: time.Minute}}
	w.gateway.start(w.t)
	w.gateway.ready(w.ctx, w.t)
	if _, err := w.sim.AddBot(crashBot, "Shop", "shop_bot"); err != nil {
		w.t.Fatal(err)
	}
	w.company = w.must("GET", "companies", nil).Data.Companies[0].ID
	w.must("PUT", w.path(""), crashForm{"webhook_url": w.hooks.url, "extended_events": "true"})
	if err := w.hooks.trust(w.must("GET", w.path("/webhook_secret"), nil).Data.Secret); err != nil {
		w.t.Fatal(err)
	}
	w.channel = w.must("POST", w.path("/channels"), crashForm{"provider": "telegram", "token": crashBot}).Data.ID
	w.meet()
}

// meet has everybody write once, and finds their conversations.
func (w *crashWorld) meet() {
	w.t.Helper()
	for n := range crashPeople {
		c := &crashChat{person: int64(crashFirst + n)}
		w.chats = append(w.chats, c)
		if err := w.say(c); err != nil {
			w.t.Fatal(err)
		}
	}
	found := map[string]int64{}
	w.waitFor("the conversations", func() string {
		for _, v := range w.must("GET", w.path("/conversations?per=100"), nil).Data.Conversations {
			found[v.Sender] = v.ID
		}
		if len(found) < crashPeople {
			return fmt.Sprintf("%d of %d", len(found), crashPeople)
		}
		return ""
	})
	for _, c := range w.chats {
		c.id = found[strconv.FormatInt(c.person, 10)]
	}
}

// path is one below /p1/, under the company.
func (w *crashWorld) path(format string, args ...any) string {
	return fmt.Sprintf("companies/%d", w.company) + fmt.Sprintf(format, args...)
}

// must makes a call that is answered 200. It is for when nobody kills.
func (w *crashWorld) must(method, path string, form crashForm) crashAnswer {
	w.t.Helper()
	a, err := w.api.call(w.ctx, crashCall{method: method, path: path, form: maps.Clone(form)})
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", method, path, err, w.gateway.tail(w.gateway.run))
	}
	return a
}

// report prints the end of the last log, if the case has failed.
func (w *crashWorld) report() {
	if w.t.Failed() {
		w.t.Logf("process %d, the last, wrote:\n%s", w.gateway.run, w.gateway.tail(w.gateway.run))
	}
}
