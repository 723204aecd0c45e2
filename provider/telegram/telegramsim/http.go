package telegramsim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley/simulator"
)

// maxBody bounds a request to the cloud server, in bytes: the 50 MB a bot may
// upload and some form around it. Source: Bot API, Sending files, read 2026-11.
const maxBody = 51 << 20

// An apiError is a refusal as the Bot API words it.
type apiError struct {
	code       int
	text       string
	retryAfter int   // seconds; 0: not told
	migrateTo  int64 // where the chat is now; 0: not told
}

// Error returns the description.
func (e *apiError) Error() string { return e.text }

var (
	errUnauthorized = &apiError{code: 401, text: "Unauthorized"}
	errNotFound     = &apiError{code: 404, text: "Not Found"}
	errRestart      = &apiError{code: 500, text: "Internal Server Error: restart"}
	errLoggedOut    = &apiError{code: 400, text: "Logged out"}
	errGone         = &apiError{code: 499, text: "the client went away"} // nobody reads it but the log
)

func badRequest(text string) *apiError { return &apiError{code: 400, text: "Bad Request: " + text} }
func forbidden(text string) *apiError  { return &apiError{code: 403, text: "Forbidden: " + text} }

func tooMany(seconds int) *apiError {
	return &apiError{code: 429, text: "Too Many Requests: retry after " + strconv.Itoa(seconds), retryAfter: seconds}
}

// A described result carries a description beside it.
type described struct {
	value any
	text  string
}

// rendered is a result that is JSON already.
type rendered []byte

type envelope struct {
	OK          bool        `json:"ok"`
	Result      any         `json:"result,omitempty"`
	ErrorCode   int         `json:"error_code,omitempty"`
	Description string      `json:"description,omitempty"`
	Parameters  *parameters `json:"parameters,omitempty"`
}

type parameters struct {
	RetryAfter int   `json:"retry_after,omitempty"`
	MigrateTo  int64 `json:"migrate_to_chat_id,omitempty"`
}

// answer puts a method's outcome into the envelope. The HTTP status is the
// error code. Source: Bot API, Making requests, read 2026-11.
func answer(result any, err error) simulator.Answer {
	if err != nil {
		return refusal(err)
	}
	if raw, ok := result.(rendered); ok {
		body := append([]byte(`{"ok":true,"result":`), raw...)
		return simulator.Answer{Status: 200, Body: append(body, '}')}
	}
	e := envelope{OK: true, Result: result}
	if d, ok := result.(described); ok {
		e.Result, e.Description = d.value, d.text
	}
	return marshal(200, e)
}

func refusal(err error) simulator.Answer {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = &apiError{code: 500, text: "Internal Server Error"}
	}
	out := envelope{ErrorCode: e.code, Description: e.text}
	if e.retryAfter != 0 || e.migrateTo != 0 {
		out.Parameters = &parameters{RetryAfter: e.retryAfter, MigrateTo: e.migrateTo}
	}
	a := marshal(e.code, out)
	if e.retryAfter != 0 {
		a.Header = http.Header{"Retry-After": {strconv.Itoa(e.retryAfter)}}
	}
	return a
}

func marshal(status int, e envelope) simulator.Answer {
	body, err := json.Marshal(e)
	if err != nil {
		return simulator.Answer{Status: 500, Body: []byte(`{"ok":false,"error_code":500,"description":"Internal Server Error"}`)}
	}
	return simulator.Answer{Status: status, Body: body}
}

// scripted is the answer of a status or throttle fault in the provider's words.
func scripted(status, retryAfter int) simulator.Answer {
	if retryAfter > 0 && status == http.StatusTooManyRequests {
		return refusal(tooMany(retryAfter))
	}
	return refusal(&apiError{code: status, text: http.StatusText(status), retryAfter: retryAfter})
}

// A request is one call of a method on its way.
type request struct {
	token  string
	method string // canonical spelling if known
	bot    *bot   // nil if the token is unknown
	params simulator.Params
	err    error // why it is refused before its method is looked at
}

// ServeHTTP serves the Bot API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, filePrefix) {
		s.serveFile(w, r)
		return
	}
	start := s.now()
	q := s.read(r)
	line := simulator.Request{Time: start, Method: q.method, Chat: q.params.Get("chat_id")}
	if q.bot != nil {
		line.Account = q.bot.key
	}
	s.play(w, &line, func() simulator.Answer { return answer(s.call(r.Context(), q)) })
}

// play answers a request, or fails at it as a script wants, and notes it in the
// log. The caller has filled in the line but for what becomes of the request.
func (s *Server) play(w http.ResponseWriter, line *simulator.Request, process func() simulator.Answer) {
	f, hit := s.faults.Take(line.Method, line.Account, line.Chat)
	a, alive := simulator.Answer{}, true
	if hit {
		line.Fault = f.Kind
		a, alive = f.Play(simulator.Call{Process: process, Refuse: scripted, Done: s.done})
	} else {
		a = process()
	}
	line.Status, line.TookMS = a.Status, s.now().Sub(line.Time).Milliseconds()
	if !alive {
		line.Status = 0
	}
	s.log.Append(func(seq uint64) simulator.Request { line.Seq = seq; return *line })
	if !alive {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	a.Write(w)
}

// read takes a request apart; what is wrong with it is left in err.
func (s *Server) read(r *http.Request) request {
	q := request{}
	q.token, q.method, q.err = s.split(r.URL.Path)
	if m, ok := methods[strings.ToLower(q.method)]; ok {
		q.method = m.name
	}
	if q.err != nil {
		return q
	}
	q.bot = s.botOf(q.token)
	var err error
	q.params, err = simulator.Decode(r, s.maxBody())
	switch {
	case errors.Is(err, simulator.ErrTooLarge):
		q.err = errEntityTooLarge
	case err != nil:
		q.err = badRequest("can't parse the request body")
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		q.err = &apiError{code: 405, text: "Method Not Allowed"}
	}
	return q
}

// maxBody is the cloud server's limit, or as much as there is memory for.
func (s *Server) maxBody() int64 {
	if s.opts.Local {
		return max(maxBody, s.opts.FileSize)
	}
	return maxBody
}

// split reads /bot<token>/<method>. A malformed token is 404 on the cloud
// server, 401 with a sentence of its own on a self-hosted one.
func (s *Server) split(path string) (token, method string, err error) {
	rest, ok := strings.CutPrefix(path, "/bot")
	cut := strings.LastIndexByte(rest, '/')
	if !ok || cut < 0 {
		return "", "", errNotFound
	}
	token, method = rest[:cut], rest[cut+1:]
	if tokenShape.MatchString(token) && len(token) <= maxToken {
		return token, method, nil
	}
	if s.opts.Local {
		return "", method, &apiError{code: 401, text: "Unauthorized: invalid token specified"}
	}
	return "", method, errNotFound
}

func (s *Server) botOf(token string) *bot {
	text, _, _ := strings.Cut(token, ":")
	id, _ := strconv.ParseInt(text, 10, 64) // the shape was checked
	s.mu.RLock()
	b := s.bots[id]
	s.mu.RUnlock()
	if b == nil || !b.owns(token) {
		return nil
	}
	return b
}

func (b *bot) owns(token string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.token == token && !b.revoked
}

func (s *Server) call(ctx context.Context, q request) (any, error) {
	if q.err != nil {
		return nil, q.err
	}
	if q.bot == nil || !q.bot.owns(q.token) { // revoked during a delay
		return nil, errUnauthorized
	}
	if q.bot.away() {
		return nil, errLoggedOut
	}
	m, ok := methods[strings.ToLower(q.method)]
	if !ok {
		return nil, &apiError{code: 404, text: "Not Found: method not found"}
	}
	return m.run(&call{Server: s, bot: q.bot, ctx: ctx, name: m.name, params: q.params})
}

// logOutFor is how long a bot that logged out is refused.
// Source: Bot API, logOut, read 2026-11.
const logOutFor = 10 * time.Minute

func (b *bot) away() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.loggedOut.IsZero() && b.s.now().Sub(b.loggedOut) < logOutFor
}
