package simulator

import (
	"context"
	"net/http"
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
// http.ErrAbortHandler. It blocks for the fault's delay, even when the client
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
	return c.Process(), true
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
