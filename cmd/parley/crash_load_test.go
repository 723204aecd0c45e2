package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// crashGroups is how many people write at once, and how many clients send. Each
// has conversations of its own.
const crashGroups = 4

// load starts to write and to send, until halt is closed.
func (w *crashWorld) load() {
	w.begun = time.Now()
	for g := range crashGroups {
		var mine []*crashChat
		for n := g; n < len(w.chats); n += crashGroups {
			mine = append(mine, w.chats[n])
		}
		people, client := w.newRand(), w.newRand()
		w.working.Go(func() { w.repeat(people, mine, w.chat) })
		w.working.Go(func() { w.repeat(client, mine, w.post) })
	}
}

// repeat does something for one conversation after another.
func (w *crashWorld) repeat(rng *rand.Rand, mine []*crashChat, do func(*crashChat) error) {
	for crashPause(w.ctx, w.halt, time.Duration(rng.Int64N(int64(120*time.Millisecond)))) {
		if err := do(mine[rng.IntN(len(mine))]); err != nil {
			if w.ctx.Err() == nil {
				w.t.Error(err)
			}
			return
		}
	}
}

// crashBacklog is how many updates may wait at the messenger before people are
// silent for a while: what they say while a gateway is dead must not fill all the
// time of the next one.
const crashBacklog = 64

// chat is say, unless too much waits already.
func (w *crashWorld) chat(c *crashChat) error {
	if w.sim.Accounts()[0].Pending >= crashBacklog {
		return nil
	}
	return w.say(c)
}

// say has a person write to the bot.
func (w *crashWorld) say(c *crashChat) error {
	text := fmt.Sprintf("person %d says %d", c.person, len(c.said)+1)
	if _, err := w.sim.Say(telegramsim.Line{Person: strconv.FormatInt(c.person, 10), Text: text, Content: w.rules.content(text)}); err != nil {
		return err
	}
	c.said = append(c.said, text)
	return nil
}

// post sends a message as a careful client does: it repeats the request, under
// the same key, until there is an answer.
func (w *crashWorld) post(c *crashChat) error {
	p := crashPost{text: fmt.Sprintf("answer %d to %d", len(c.posts)+1, c.person)}
	call := crashCall{method: http.MethodPost, path: w.path("/conversations/%d/messages", c.id), key: p.text, form: crashForm{"message": p.text}}
	if w.rules.files {
		file, err := w.upload(c, p.text)
		if err != nil {
			return err
		}
		call.form["attachments_ids"] = strconv.FormatInt(file, 10)
	}
	for {
		a, err := w.try(call)
		if err == nil {
			p.job = a.Data.Job
			c.posts = append(c.posts, p)
			return nil
		}
		if !errors.Is(err, errCrashLost) {
			return err
		}
		p.repeats++
		if !crashPause(w.ctx, nil, 5*time.Millisecond) {
			return w.ctx.Err()
		}
	}
}

func (w *crashWorld) try(call crashCall) (crashAnswer, error) {
	a, err := w.api.call(w.ctx, call, &w.flight)
	if err == nil {
		w.instant.pass(crashPostAnswered)
	}
	return a, err
}

// errCrashLost is the end of a request whose process was killed.
var errCrashLost = errors.New("no answer: the process was killed")

// A crashAPI calls the gateway that is up, or waits for it.
type crashAPI struct {
	gateway *crashGateway
	token   string
	http    *http.Client
}

type crashForm map[string]string

type crashCall struct {
	method, path string
	key          string // "" for none
	form         crashForm
	file         []byte // uploaded in place of the form
}

// A crashAnswer is what is looked at of any answer.
type crashAnswer struct {
	Data struct {
		ID            int64                   `json:"external_id"`
		Job           int64                   `json:"id"`
		Secret        string                  `json:"secret"`
		State         string                  `json:"state"`
		Message       int64                   `json:"message_id"`
		Details       struct{ Reason string } `json:"details"`
		Companies     []crashItem             `json:"companies"`
		Conversations []crashItem             `json:"conversations"`
		Messages      []crashMessage          `json:"messages"`
		Letters       []json.RawMessage       `json:"dead_letters"`
		Quarantine    []json.RawMessage       `json:"quarantine"`
		Next          string                  `json:"next_page"`
	} `json:"data"`
}

type crashItem struct {
	ID     int64  `json:"external_id"`
	Sender string `json:"sender_external_id"`
}

type crashMessage struct {
	ID     int64       `json:"external_id"`
	Text   string      `json:"message"`
	Income bool        `json:"income"`
	Files  []crashFile `json:"attachments"`
}

// call makes a request once. What is under way is counted in flight, if there is
// one. An error other than errCrashLost is a failure of the gateway.
func (c *crashAPI) call(ctx context.Context, call crashCall, flight ...*crashFlight) (crashAnswer, error) {
	base, run, err := c.gateway.serving(ctx)
	if err != nil {
		return crashAnswer{}, err
	}
	for _, f := range flight {
		defer under(&f.posts)()
	}
	status, body, err := c.exchange(ctx, base, call)
	var a crashAnswer
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	switch {
	case err != nil && c.gateway.wasKilled(run):
		return a, errCrashLost
	case err != nil:
		return a, fmt.Errorf("%s %s: %w", call.method, call.path, err)
	case status != http.StatusOK:
		return a, fmt.Errorf("%s %s: %d %s", call.method, call.path, status, body)
	}
	return a, nil
}

// body returns what the call sends, and of what type that is.
func (c *crashCall) body() (kind string, data io.Reader) {
	if c.file != nil {
		return crashMultipart(c.file)
	}
	form := url.Values{}
	for name, value := range c.form {
		form.Set(name, value)
	}
	return "application/x-www-form-urlencoded", strings.NewReader(form.Encode())
}

func (c *crashAPI) exchange(ctx context.Context, base string, call crashCall) (status int, body []byte, err error) {
	kind, data := call.body()
	req, err := http.NewRequestWithContext(ctx, call.method, base+"/p1/"+call.path, data)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-Private-Api-Token", c.token)
	req.Header.Set("Content-Type", kind)
	if call.key != "" {
		req.Header.Set("Idempotency-Key", call.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
