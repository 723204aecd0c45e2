package suite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/parley-im/parley/bench/fill"
	"github.com/parley-im/parley/bench/load"
	"github.com/parley-im/parley/bench/sink"
)

// secretHeader repeats the secret that a bot's callback was registered with.
const secretHeader = "X-Telegram-Bot-Api-Secret-Token: "

// botID is the first bot's: the one that the sink and the filled databases know.
const botID = 123456

// A world is a gateway with a sink on both of its sides and a company with a bot.
type world struct {
	suite   *suite
	place   place
	sink    *sinkChild
	gateway *gateway
	api     *api
	flags   []string // of the gateway
	company int64
	hook    hook
	keys    []string // ids of the conversations that there were at the start; filled worlds only
	remove  func()   // what was made for this world
}

// A hook is where a bot's callbacks go.
type hook struct{ url, secret string }

// worldOptions are what is not as usual.
type worldOptions struct {
	webhook bool     // events are delivered to the sink
	flags   []string // of the gateway
	sink    []string // flags of the sink
	place   place    // data that exists; the zero value is for a new place
	token   string   // of the data that exists
}

// newWorld builds a world on a new place of this kind, or on the place given.
// Close ends it.
func (s *suite) newWorld(ctx context.Context, kind string, o worldOptions) (_ *world, err error) {
	w := &world{suite: s, place: o.place, flags: o.flags, remove: func() {}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if o.place.data == "" {
		at, remove, err := s.newPlace(ctx, kind)
		if err != nil {
			return nil, err
		}
		w.place, w.remove = at, remove
	}
	if w.sink, err = s.newSink(ctx, s.scratch, o.sink...); err != nil {
		return nil, err
	}
	if o.token == "" {
		if o.token, err = s.newToken(ctx, w.place); err != nil {
			return nil, err
		}
	}
	if err = w.start(ctx, o.token); err != nil {
		return nil, err
	}
	if w.company, err = w.api.company(ctx); err != nil {
		return nil, err
	}
	if o.webhook {
		if err = w.deliverTo(ctx, w.company, w.sink.url+"/hook"); err != nil {
			return nil, err
		}
	}
	w.hook, err = w.connect(ctx, w.company, botID)
	return w, err
}

// start starts the gateway.
func (w *world) start(ctx context.Context, token string) (err error) {
	w.gateway, err = w.suite.newGateway(ctx, w.place, w.sink.url, w.flags...)
	if err != nil {
		return err
	}
	w.api = newAPI(w.gateway.base, token)
	return nil
}

// stop ends the gateway and remembers how much memory it took.
func (w *world) stop() error {
	if w.gateway == nil {
		return nil
	}
	w.suite.sawPeak(w.gateway.peak())
	err := w.gateway.stop()
	w.gateway = nil
	return err
}

// close ends everything and removes what was made. Gateways that were measured are
// killed: what they had still to do is of no interest.
func (w *world) close() {
	if w.gateway != nil {
		w.suite.sawPeak(w.gateway.peak())
		w.gateway.kill()
		w.gateway = nil
	}
	if w.sink != nil {
		w.sink.kill()
	}
	w.remove()
}

// newPlace makes an empty place on the disk to be measured, or a new database, and
// returns what removes it.
func (s *suite) newPlace(ctx context.Context, kind string) (place, func(), error) {
	data, err := os.MkdirTemp(s.scratch, "data-*")
	if err != nil {
		return place{}, nil, err
	}
	clear := func() { _ = os.RemoveAll(data) } // in the scratch directory, which goes as a whole
	if kind != postgres {
		return place{data: data}, clear, nil
	}
	database, drop, err := createDatabase(ctx, s.Postgres)
	if err != nil {
		return place{}, nil, err
	}
	return place{data, database}, func() { drop(); clear() }, nil
}

func (w *world) deliverTo(ctx context.Context, company int64, address string) error {
	_, err := w.api.call(ctx, http.MethodPut, fmt.Sprintf("companies/%d", company), form("webhook_url", address))
	return err
}

// connect gives a company its bot, or has the bot that it has connect again, and
// returns where to call back, once the gateway has told the messenger.
func (w *world) connect(ctx context.Context, company, bot int64) (hook, error) {
	before, err := w.sink.Stats(ctx)
	if err != nil {
		return hook{}, err
	}
	if err := w.addBot(ctx, company, bot); err != nil {
		return hook{}, err
	}
	var at sink.Callback
	err = w.gateway.await(ctx, "the bot is connected", time.Minute, func() bool {
		stats, err := w.sink.Stats(ctx)
		if err != nil {
			return false
		}
		at = stats.Callbacks[bot]
		return at.URL != "" && at != before.Callbacks[bot]
	})
	return w.hookAt(at), err
}

func (w *world) hookAt(c sink.Callback) hook {
	return hook{strings.Replace(c.URL, publicURL, w.gateway.base, 1), c.SecretToken}
}

// addBot makes the company's channel. If there is one, it is given its token again:
// it gets another secret, and does not wait for its turn to be checked.
func (w *world) addBot(ctx context.Context, company, bot int64) error {
	path := fmt.Sprintf("companies/%d/channels", company)
	had, err := w.api.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if len(had.Data.Channels) > 0 {
		_, err := w.api.call(ctx, http.MethodPut, fmt.Sprintf("%s/%d", path, had.Data.Channels[0].ID), form("token", fill.DefaultBot))
		return err
	}
	token := fmt.Sprintf("%d:bench-bot-with-a-secret-of-usual-length", bot)
	_, err = w.api.call(ctx, http.MethodPost, path, form("provider", "telegram", "token", token))
	return err
}

// A run is one run of the load generator.
type run struct {
	*load.Result
	others float64 // share of the machine's CPU time that nobody we know of took
}

// cpu is the gateway's CPU time for each request, in microseconds.
func (r *run) cpu() float64 { return r.Proc["gateway"].PerReq }

// failed says how many requests were not answered as they should have been.
func (r *run) failed() string {
	if r.Errors+r.Non2xx == 0 && (r.Sink == nil || r.Sink.Complete) {
		return ""
	}
	note := fmt.Sprintf("%d of %d requests failed: %s", r.Errors+r.Non2xx, r.Requests, r.Failure)
	if r.Sink != nil && !r.Sink.Complete {
		note += fmt.Sprintf("; %d arrived", r.Sink.Distinct)
	}
	return note
}

// callbacks are options of a run that plays the messenger.
func (w *world) callbacks() load.Options {
	o := load.Default()
	o.Bench, o.URL = "inbound", w.hook.url
	o.Header = []string{"Content-Type: application/json", secretHeader + w.hook.secret}
	o.Conns, o.Warmup, o.Duration = 64, w.suite.seconds(2), w.suite.seconds(10)
	return o
}

// load runs the generator, with the CPU time of everybody told apart. A time so
// short that nothing was measured in it is doubled.
func (w *world) load(ctx context.Context, label string, o load.Options) (*run, error) {
	o.Label, o.Pids = label, w.watched()
	w.suite.logf("%s: %s", w.place.kind(), label)
	begun := time.Now()
	res, err := load.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := &run{res, othersShare(res.Proc["others"].CPU, time.Since(begun)-o.Warmup)}
	w.suite.logf("    %.0f/s, p50 %.2f ms, p99 %.2f ms, gateway %.0f us, others %.0f %%", r.RPS, r.P50, r.P99, r.cpu(), r.others*100)
	if r.Requests == 0 && r.Failure == "" && o.Duration < 5*time.Second {
		o.Duration *= 2
		return w.load(ctx, label, o)
	}
	if r.Requests == 0 {
		return nil, errors.New(label + ": nothing was measured: " + r.Failure)
	}
	return r, nil
}

// watched are the processes that take part.
func (w *world) watched() load.Watched {
	p := load.Watched{"sink": w.sink.pid()}
	if w.gateway != nil {
		p["gateway"] = w.gateway.pid()
	}
	if w.place.kind() == postgres && w.suite.server != 0 {
		p[postgres] = w.suite.server
	}
	return p
}

// othersShare turns CPU seconds into a share of what the machine had to give.
func othersShare(cpu float64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return max(0, cpu/(took.Seconds()*float64(runtime.NumCPU())))
}

// meet has so many contacts write once, so that there are conversations, and
// returns their ids in the order of the contacts.
func (w *world) meet(ctx context.Context, contacts int64) (keys []string, err error) {
	o := w.callbacks()
	o.Conns = int(min(64, contacts))
	o.Chats, o.Count, o.Warmup, o.Duration = contacts, contacts, 0, time.Minute
	if _, err := w.load(ctx, fmt.Sprintf("%d contacts write for the first time", contacts), o); err != nil {
		return nil, err
	}
	return w.api.conversations(ctx, w.company)
}
