package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/parley-im/parley"
)

// drainLimit is how many bytes are read off an unwanted body to keep its
// connection; a longer body costs the connection instead.
const drainLimit = 16 << 10

// ErrTooLarge is the cause when a body is longer than its limit.
var ErrTooLarge = errors.New("the body is longer than the limit")

// A BodyError says that an answer's header arrived and its body did not, or not
// to its end. Status is the HTTP status that did arrive.
type BodyError struct {
	Status int
	Err    error // ErrTooLarge, io.ErrUnexpectedEOF, the context's end, or another read error
}

// Error names the status and the cause.
func (e *BodyError) Error() string { return fmt.Sprintf("body of status %d: %v", e.Status, e.Err) }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Err }

// Body reads the whole body of an answer, at most max bytes of it after
// decompression, and closes it. A body that is cut short or longer ends in a
// *parley.Error of KindUncertain whose cause is a *BodyError, together with the
// bytes that did come: the caller who can judge by the status alone may do so.
func Body(resp *http.Response, max int64) ([]byte, error) {
	defer Discard(resp)
	data, err := io.ReadAll(io.LimitReader(resp.Body, max))
	if err != nil {
		return data, bodyError(resp, CodeBodyCut, "the answer broke off", err)
	}
	switch n, err := io.ReadFull(resp.Body, make([]byte, 1)); {
	case n > 0:
		return data, bodyError(resp, CodeBodySize, "the answer is too large", ErrTooLarge)
	case err != io.EOF:
		return data, bodyError(resp, CodeBodyCut, "the answer broke off", err)
	}
	return data, nil
}

// Discard closes the body of an answer, reading the little that is needed to use
// its connection again. It blocks no longer than the request's context.
func Discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // a failed drain only costs the connection
	_ = resp.Body.Close()                              // nothing was promised about a body nobody wants
}

func bodyError(resp *http.Response, code, message string, cause error) error {
	if resp.Request != nil {
		cause = withContext(resp.Request.Context(), cause)
	}
	if cause != ErrTooLarge {
		cause = Redact(cause)
	}
	return &parley.Error{
		Kind: parley.KindUncertain, Code: code, Message: message,
		Err: &BodyError{Status: resp.StatusCode, Err: cause},
	}
}
