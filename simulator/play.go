package simulator

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A Call is one request of the gateway as a fault sees it.
type Call struct {
	// Process does what the provider would do and returns its answer.
	Process func() Answer
	// Refuse makes the provider's error answer for a status; retryAfter is in
	// seconds and 0 unless the gateway is told to wait.
	Refuse func(status, retryAfter int) Answer
	// Done ends delays early, because the simulator closes; a delay that ends so
	// makes the answer 500. May be nil.
	Done <-chan struct{}
}

// Play answers the call as the fault commands. It reports false when the
// connection is to be closed without an answer; the handler then panics with
// http.ErrAbortHandler, as the answer's Write does when the fault cuts the body
// short. It blocks for the fault's delay, even when the client
// has gone: a request that arrived is processed, as at a real provider.
func (f Fault) Play(c Call) (Answer, bool) {
	switch f.Kind {
	case FaultStatus:
		return c.Refuse(f.Status, f.RetryAfter), true
	case FaultThrottle:
		return c.Refuse(http.StatusTooManyRequests, f.RetryAfter), true
	case FaultHTML:
		return Answer{Status: http.StatusBadGateway, Type: "text/html", Body: []byte(badGateway)}, true
	case FaultGarbage:
		return Answer{Status: http.StatusOK, Body: []byte(`{"ok":tru`)}, true
	case FaultCutBefore:
		return Answer{}, false
	case FaultCutAfter:
		c.Process()
		return Answer{}, false
	case FaultSlow:
		if !Sleep(context.Background(), c.Done, f.Delay()) {
			return c.Refuse(http.StatusInternalServerError, 0), true
		}
		return c.Process(), true
	case FaultLate:
		a := c.Process()
		return a, Sleep(context.Background(), c.Done, f.Delay())
	}
	return f.spoil(c), true
}

// spoil processes the call and lets the body of its answer go wrong.
func (f Fault) spoil(c Call) Answer {
	a := c.Process()
	half := len(a.Body) / 2
	switch f.Kind {
	case FaultShort:
		a.Body = a.Body[:half]
	case FaultLong:
		a.Body = append(slices.Clone(a.Body), a.Body...)
	case FaultCutBody:
		a.flow = func(w http.ResponseWriter, body []byte) { cut(w, body[:half]) }
	case FaultEndless:
		a.flow = func(w http.ResponseWriter, body []byte) { repeat(w, body, c.Done) }
	case FaultTrickle:
		a.flow = func(w http.ResponseWriter, body []byte) { trickle(w, body, f.Delay(), c.Done) }
	default:
		return a
	}
	a.Header = a.Header.Clone()
	a.Header.Del("Content-Length")
	if f.Kind != FaultEndless {
		if a.Header == nil {
			a.Header = make(http.Header)
		}
		a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	return a
}

// cut writes what is left of a body and closes the connection.
func cut(w http.ResponseWriter, rest []byte) {
	_, _ = w.Write(rest)
	_ = http.NewResponseController(w).Flush() // what cannot be flushed is cut all the same
	panic(http.ErrAbortHandler)
}

// repeat writes the body until the gateway hangs up.
func repeat(w http.ResponseWriter, body []byte, done <-chan struct{}) {
	if len(body) == 0 {
		body = []byte{'\n'}
	}
	for {
		select {
		case <-done:
			panic(http.ErrAbortHandler)
		default:
		}
		if _, err := w.Write(body); err != nil {
			return
		}
	}
}

// pieces is in how many parts a trickling body comes.
const pieces = 10

// trickle writes the body in pieces spread over d.
func trickle(w http.ResponseWriter, body []byte, d time.Duration, done <-chan struct{}) {
	for i := range pieces {
		if !Sleep(context.Background(), done, d/pieces) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(body[len(body)*i/pieces : len(body)*(i+1)/pieces]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // a recorder in a test may not know how
	}
}

const badGateway = `<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center></body>
</html>
`

// Sleep waits for d and reports true, or false as soon as ctx or done ends. A
// nil done never ends.
func Sleep(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}
