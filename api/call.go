package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

// A call is one request on its way to its answer.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	server  *Server
	started time.Time

	node     *node // nil until the route is known
	endpoint *endpoint
	ids      [idNames]int64

	// What the checks found; zero where the path names none.
	user    parley.User
	token   []byte // hash of the API token; nil if the user is known otherwise
	company parley.Company
	channel *parley.Channel
	conv    parley.Conversation

	set      *params.Set   // nil until it is read
	unread   error         // why it cannot be: a body is there only once
	status   int           // 0 until the answer is written
	err      error         // what it was, if it is a failure
	cut      bool          // the answer broke off: so must the connection
	accepted *parley.Job   // of the message that it made, if somebody traces
	waited   time.Duration // for events, because the client asked for it

	key   *store.Idempotency // nil without one
	begun string             // names it among the requests under way; empty if it is not noted there
	kept  bool               // the answer is kept under it
	held  struct {           // the answer, until it is known that it is kept
		status int
		body   []byte
	}
}

// handle makes the checks and calls the endpoint. The order of the checks is part
// of the API: the first that fails is the answer.
func (s *Server) handle(c *call) error {
	if show := s.public(pathOf(c.r)); show != nil {
		return show(c)
	}
	if first, _, _ := next(pathOf(c.r)); first == "api" {
		return s.handleAccount(c)
	}
	checks := [...]func(*call) error{
		s.route,
		accept,
		s.authenticate,
		s.limit,
		s.access,
		paywall,
		s.target,
	}
	for _, check := range checks {
		if err := check(c); err != nil {
			return err
		}
	}
	return s.perform(c)
}

// public returns what serves a path to everybody, nil if it is not of that kind.
func (s *Server) public(path string) func(*call) error {
	switch first, rest, _ := next(path); {
	case first == "p1":
		return nil
	case first == "avatars" && isAvatar(rest):
		return s.showAvatar
	}
	return document(path)
}

// route finds the endpoint.
func (s *Server) route(c *call) error {
	first, rest, _ := next(pathOf(c.r))
	switch first {
	case "p1":
		c.node = s.root.find(rest, &c.ids)
	case "api":
		c.node = s.account.find(rest, &c.ids)
	}
	if c.node == nil {
		return errNoRoute
	}
	c.endpoint = c.node.methods[c.r.Method]
	if c.endpoint == nil {
		c.w.Header().Set("Allow", c.node.allow)
		return errNotAllowed
	}
	return nil
}

// pattern names the route in logs.
func (c *call) pattern() string {
	if c.node == nil {
		return "none"
	}
	return c.node.route
}

// accept refuses clients that would not take JSON, or whatever else the endpoint
// has.
func accept(c *call) error {
	lines := c.r.Header["Accept"]
	blank := true
	for _, line := range lines {
		for media := range strings.SplitSeq(line, ",") {
			if takesJSON(media) {
				return nil
			}
			blank = blank && strings.TrimSpace(media) == ""
		}
	}
	switch {
	case blank, c.streams():
		return nil
	case c.endpoint.pattern == eventsPattern:
		return errNoMedia
	}
	return errNotAcceptable
}

// takesJSON reports whether a media range covers application/json and is not
// refused by its weight. A bare * is what old Java clients write for */*.
func takesJSON(media string) bool {
	name, weight := mediaRange(media)
	if name != "*/*" && name != "*" && !strings.EqualFold(name, "application/*") && !strings.EqualFold(name, "application/json") {
		return false
	}
	return weight > 0
}

// mediaRange splits an element of an Accept header into its name and its weight,
// which is 1 if there is none that can be read.
func mediaRange(media string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(media, ";")
	for p := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(key), "q") {
			if weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return strings.TrimSpace(name), weight
			}
			break
		}
	}
	return strings.TrimSpace(name), 1
}

type userStore interface {
	UserByToken(ctx context.Context, hash []byte) (parley.User, error)
	UserByAccessToken(ctx context.Context, hash []byte) (parley.User, error)
}

var errNoToken = parley.Errorf(parley.KindUnauthorized, "No token provided")

// authenticate finds the user: by the API token, else by the access token of a
// sign-in. The body is read only if the token can be nowhere
// else, and never if it is a file: uploads have their token outside.
func (s *Server) authenticate(c *call) error {
	token := params.Token(c.r, nil)
	if token == "" && !c.uploads() {
		if set, err := c.parameters(); err == nil {
			token = params.Token(c.r, set)
		}
	}
	return s.userBy(c, token)
}

var errNoCompany = parley.Errorf(parley.KindNotFound, "Company not found")

// access finds the company, which must be the user's.
func (s *Server) access(c *call) error {
	id := c.ids[idCompany]
	if id == 0 {
		return nil
	}
	company, err := s.store.Company(c.ctx, parley.CompanyID(id))
	if err != nil {
		return err
	}
	if company.User != c.user.ID {
		return errNoCompany
	}
	c.company = company
	return nil
}

var errPaywall = parley.Errorf(parley.KindPayment, "Payment required")

// paywall closes everything below a company, but not the company itself, which
// must stay within reach of who pays for it.
func paywall(c *call) error {
	if c.company.Paywall && c.endpoint.pattern != "companies/C" {
		return errPaywall
	}
	return nil
}

// target finds what else the path names.
func (s *Server) target(c *call) error {
	if c.endpoint.target == nil {
		return nil
	}
	return c.endpoint.target(c)
}

// parameters reads the parameters, from wherever they are.
func (c *call) parameters() (*params.Set, error) {
	if c.set == nil && c.unread == nil {
		c.set, c.unread = params.Read(c.r, params.Options{MaxBody: c.server.maxBody})
	}
	return c.set, c.unread
}

// bind reads the parameters and starts to bind them.
func (c *call) bind() (*params.Binder, error) {
	set, err := c.parameters()
	if err != nil {
		return nil, err
	}
	return set.Bind(), nil
}

// send writes the whole answer. An error in writing is the client's loss: what
// was accepted stays accepted.
func (c *call) send(status int, body []byte) {
	if c.key != nil && !c.kept && status == http.StatusOK {
		c.held.status, c.held.body = status, body
		return
	}
	c.status = status
	h := c.w.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

// release writes the answer that was held back.
func (c *call) release() {
	if c.held.status != 0 {
		c.kept = true
		c.send(c.held.status, c.held.body)
	}
}

var (
	contentType = []string{"application/json; charset=utf-8"}
	noStore     = []string{"no-store"}
)

// ok answers {"status":"ok","data":{…}} with what write puts into data.
func (c *call) ok(size int, write func(*jsonout.Object)) error {
	c.send(http.StatusOK, okBody(size, write))
	return nil
}

func okBody(size int, write func(*jsonout.Object)) []byte {
	o := jsonout.New(size + 32)
	o.Text("status", "ok")
	o.Nested("data")
	write(o)
	o.Close()
	return o.End()
}

// done answers with a status word and, if it is not 0, the id of what was made or
// changed.
func (c *call) done(word string, id int64) error {
	c.send(http.StatusOK, doneBody(word, id))
	return nil
}

func doneBody(word string, id int64) []byte {
	o := jsonout.New(64)
	o.Text("status", word)
	if id != 0 {
		o.Nested("data")
		o.Int("external_id", id)
		o.Close()
	}
	return o.End()
}
