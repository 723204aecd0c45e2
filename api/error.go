package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
)

// statusGone is logged for a client that went away before its answer.
const statusGone = 499

// retryDefault is what Retry-After says if nobody knows better.
const retryDefault = 2 * time.Second

// A failure is an error as clients see it.
type failure struct {
	status int
	code   string
	errors []string
	retry  time.Duration // 0 without Retry-After
	first  string        // the cursor to go on with; empty without one
}

// An httpError is a failure that only HTTP knows of, and that therefore has no
// kind.
type httpError struct {
	status  int
	code    string
	message string
	retry   time.Duration // 0 without Retry-After
}

func (e *httpError) Error() string { return e.message }

var (
	errNoRoute       = parley.Errorf(parley.KindNotFound, "Not found")
	errNotAllowed    = &httpError{http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed", 0}
	errNotAcceptable = &httpError{http.StatusNotAcceptable, "not_acceptable", "Only application/json can be answered", 0}
	errNoMedia       = &httpError{http.StatusNotAcceptable, "not_acceptable", "Only application/json and text/event-stream can be answered", 0}
)

// answers says what clients are answered for each kind of error. A kind that
// blames the messenger or its account is the request's failure here: the caller
// asked for something that cannot be done now.
var answers = map[parley.Kind]struct {
	status int
	code   string
}{
	parley.KindInvalid:      {http.StatusBadRequest, params.CodeInvalid},
	parley.KindUnauthorized: {http.StatusUnauthorized, "unauthorized"},
	parley.KindPayment:      {http.StatusPaymentRequired, "payment_required"},
	parley.KindForbidden:    {http.StatusForbidden, "forbidden"},
	parley.KindNotFound:     {http.StatusNotFound, "not_found"},
	parley.KindConflict:     {http.StatusBadRequest, params.CodeInvalid},
	parley.KindUnsupported:  {http.StatusBadRequest, params.CodeInvalid},
	parley.KindRejected:     {http.StatusBadRequest, params.CodeInvalid},
	parley.KindUnreachable:  {http.StatusBadRequest, params.CodeInvalid},
	parley.KindLoggedOut:    {http.StatusBadRequest, params.CodeInvalid},
	parley.KindThrottled:    {http.StatusTooManyRequests, "too_many_requests"},
	parley.KindUnavailable:  {http.StatusServiceUnavailable, "unavailable"},
	parley.KindUncertain:    {http.StatusServiceUnavailable, "unavailable"},
	parley.KindInternal:     {http.StatusInternalServerError, "internal_error"},
}

// failureOf is the one place where an error becomes an answer.
func failureOf(err error) failure {
	if e, ok := errors.AsType[*params.Error](err); ok {
		return failure{status: http.StatusBadRequest, code: e.Code, errors: e.Messages}
	}
	if e, ok := errors.AsType[*httpError](err); ok {
		return failure{status: e.status, code: e.code, errors: []string{e.message}, retry: e.retry}
	}
	if e, ok := errors.AsType[*parley.GoneError](err); ok {
		return failure{status: http.StatusGone, code: "gone", errors: []string{"These events are not kept any more: go on from first"}, first: e.First.String()}
	}
	kind := parley.KindOf(err)
	if isContext(err) {
		kind = parley.KindUnavailable // the client is still there, so it is we who stop
	}
	a := answers[kind]
	f := failure{status: a.status, code: a.code, errors: []string{parley.Reason(err)}}
	switch kind {
	case parley.KindInternal:
		f.errors = []string{"Internal Server Error"}
	case parley.KindThrottled:
		f.retry = retryAfter(err)
		f.errors = []string{fmt.Sprintf("Please wait for %d seconds", seconds(f.retry))}
	case parley.KindUnavailable, parley.KindUncertain:
		f.retry = retryAfter(err)
		f.errors = []string{"Service Unavailable"}
	}
	return f
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*parley.Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return retryDefault
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// fail writes the answer to an error. A client that is gone gets none.
func (c *call) fail(err error) {
	c.err = err
	if c.status != 0 {
		return // the answer is out already
	}
	if c.ctx.Err() != nil && isContext(err) {
		// Without an answer package http would say 200 to a client that has only
		// closed its half of the connection.
		c.status, c.cut = statusGone, true
		return
	}
	f := failureOf(err)
	if f.retry > 0 {
		c.w.Header().Set("Retry-After", strconv.FormatInt(seconds(f.retry), 10))
	}
	c.send(f.status, f.body())
}

func (f *failure) body() []byte {
	o := jsonout.New(128)
	o.Text("status", "errored")
	o.Key("errors")
	o.Array(len(f.errors), func(i int) { o.Value(f.errors[i]) })
	o.Text("code", f.code)
	if f.first != "" {
		o.Text("first", f.first)
	}
	return o.End()
}
