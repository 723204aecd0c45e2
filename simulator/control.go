package simulator

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// maxControlBody bounds a control request; raw events may be large on purpose.
const maxControlBody = 64 << 20

// maxList bounds limit of the lists, defaultList is its default.
const (
	maxList     = 10_000
	defaultList = 100
)

// maxWait bounds wait of GET sent.
const maxWait = 60 * time.Second

// A Verb does one thing to the simulated world. What it returns is written as
// JSON; the kind of its error decides the status.
type Verb func(ctx context.Context, p Params) (any, error)

// Core is what the common verbs work on. No field may be nil.
type Core struct {
	Faults *Faults
	Log    *Ring[Request]
	Sent   *Ring[Sent]
	// Account turns what a person calls an account (id, name, credential) into
	// the account's id, as it stands in faults and logs.
	Account func(name string) (string, error)
	// Done is closed when the simulator closes.
	Done <-chan struct{}
}

// Control serves the verbs of one simulator at its root.
type Control struct {
	core  Core
	verbs map[string]Verb
}

// NewControl makes a control API with the common verbs.
func NewControl(core Core) *Control {
	c := &Control{core: core, verbs: make(map[string]Verb)}
	c.Handle("GET sent", c.sent)
	c.Handle("GET log", c.log)
	c.Handle("GET faults", c.faults)
	c.Handle("POST faults", c.addFault)
	c.Handle("DELETE faults", c.removeFaults)
	return c
}

// Handle adds a verb; pattern is a method and a word, such as "POST say". It
// must not be called once the control API is being served.
func (c *Control) Handle(pattern string, v Verb) { c.verbs[pattern] = v }

// ServeHTTP implements http.Handler.
func (c *Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, err := c.do(r)
	if err != nil {
		WriteError(w, err)
		return
	}
	WriteJSON(w, http.StatusOK, v)
}

func (c *Control) do(r *http.Request) (any, error) {
	name := r.Method + " " + strings.Trim(r.URL.Path, "/")
	verb, ok := c.verbs[name]
	if !ok {
		return nil, notFound("no verb " + name + " here; there are: " + strings.Join(c.names(), ", "))
	}
	p, err := decodeLoose(r, maxControlBody)
	if errors.Is(err, ErrTooLarge) {
		return nil, invalid("the request body is larger than 64 MiB")
	}
	if err != nil {
		return nil, err
	}
	return verb(r.Context(), p)
}

func (c *Control) names() []string {
	names := make([]string, 0, len(c.verbs))
	for n := range c.verbs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// page is the range a list request asks for.
type page struct {
	after uint64
	limit int
}

func pageOf(p Params) (page, error) {
	after, err1 := p.Int("after", 0)
	limit, err2 := p.Int("limit", defaultList)
	if err := firstOf(err1, err2); err != nil {
		return page{}, err
	}
	if after < 0 || limit < 1 || limit > maxList {
		return page{}, invalid("after must be 0 or more, limit between 1 and 10000")
	}
	return page{after: uint64(after), limit: int(limit)}, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sent lists what was accepted; with wait it blocks until there is something.
func (c *Control) sent(ctx context.Context, p Params) (any, error) {
	pg, err := pageOf(p)
	if err != nil {
		return nil, err
	}
	keep, err := c.keep(p)
	if err != nil {
		return nil, err
	}
	wait, err := p.Int("wait", 0)
	if err != nil {
		return nil, err
	}
	if wait < 0 || time.Duration(wait) > maxWait/time.Second {
		return nil, invalid("wait must be a number of seconds between 0 and 60")
	}
	list := c.await(ctx, pg, keep, time.Duration(wait)*time.Second)
	return map[string]any{"sent": list, "total": c.core.Sent.Total()}, nil
}

func (c *Control) keep(p Params) (func(Sent) bool, error) {
	account, err := c.account(p)
	if err != nil {
		return nil, err
	}
	method, chat := p.Get("method"), p.Get("chat")
	return func(s Sent) bool {
		return (account == "" || s.Account == account) && (chat == "" || s.Chat == chat) &&
			(method == "" || strings.EqualFold(s.Method, method))
	}, nil
}

func (c *Control) account(p Params) (string, error) {
	name := p.Get("account")
	if name == "" {
		return "", nil
	}
	return c.core.Account(name)
}

func (c *Control) await(ctx context.Context, pg page, keep func(Sent) bool, wait time.Duration) []Sent {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		seen := c.core.Sent.Total()
		list := c.core.Sent.After(pg.after, pg.limit, keep)
		if len(list) > 0 || wait == 0 {
			return list
		}
		select {
		case <-c.core.Sent.Grown(seen):
		case <-deadline.C:
			return list
		case <-ctx.Done():
			return list
		case <-c.core.Done:
			return list
		}
	}
}

// log lists requests: after a number if one is given, else the newest.
func (c *Control) log(_ context.Context, p Params) (any, error) {
	pg, err := pageOf(p)
	if err != nil {
		return nil, err
	}
	list := c.core.Log.Last(pg.limit)
	if p.Has("after") {
		list = c.core.Log.After(pg.after, pg.limit, nil)
	}
	return map[string]any{"log": list, "total": c.core.Log.Total()}, nil
}

func (c *Control) faults(context.Context, Params) (any, error) {
	return map[string]any{"faults": c.core.Faults.List()}, nil
}

func (c *Control) addFault(_ context.Context, p Params) (any, error) {
	f := Fault{Kind: FaultKind(p.Get("kind")), Method: p.Get("method"), Chat: p.Get("chat")}
	times, err1 := p.Int("times", 1)
	delay, err2 := p.Int("delay_ms", 0)
	retry, err3 := p.Int("retry_after", 0)
	status, err4 := p.Int("status", 0)
	account, err5 := c.account(p)
	if err := firstOf(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	if times == 0 {
		return nil, invalid("times must be a positive number, or -1 for a fault that stays until it is removed")
	}
	f.Times, f.DelayMS, f.RetryAfter, f.Status, f.Account = int(times), delay, int(retry), int(status), account
	return c.core.Faults.Add(f)
}

func (c *Control) removeFaults(ctx context.Context, p Params) (any, error) {
	id, err := p.Int("id", 0)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		c.core.Faults.Clear()
	} else if !c.core.Faults.Remove(id) {
		return nil, parley.Errorf(parley.KindNotFound, "no fault has this id; GET faults lists them")
	}
	return c.faults(ctx, p)
}
