package params

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parley-im/parley"
)

// The machine words of an [Error].
const (
	CodeBadRequest = "bad_request"       // the request could not be read
	CodeInvalid    = "validation_failed" // it was read, and some parameters break a rule
)

// An Error says why a request was refused. It unwraps to a *parley.Error of kind
// invalid. Its texts hold no value that the client sent.
type Error struct {
	Code     string   // CodeBadRequest or CodeInvalid
	Messages []string // one sentence for each failing field, in the order of binding; never empty
	Err      error    // the cause, such as a broken connection; may be nil
}

// Error returns all messages.
func (e *Error) Error() string { return strings.Join(e.Messages, "; ") }

// Unwrap returns the same failure as a *parley.Error of kind invalid, with the
// cause below it.
func (e *Error) Unwrap() error {
	return &parley.Error{Kind: parley.KindInvalid, Code: e.Code, Message: e.Error(), Err: e.Err}
}

func refuse(message string) *Error { return &Error{Code: CodeBadRequest, Messages: []string{message}} }

func errTooDeep() error {
	return refuse(fmt.Sprintf("parameters are nested too deeply (maximum is %d levels)", MaxDepth))
}

func errTooMany() error {
	return refuse(fmt.Sprintf("too many parameters (maximum is %d)", MaxParameters))
}

func errShape() error {
	return refuse("one parameter is given both as a value and as an array or object")
}

func errUTF8() error { return refuse("parameters must be valid UTF-8") }

func errTooLarge(limit int64) error {
	return refuse(fmt.Sprintf("request body is too large (maximum is %d bytes)", limit))
}

// broken describes a body that ended early or does not follow its format. An
// Error of this package below it, such as the size limit, says more and stays.
func broken(message string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := refuse(message)
	e.Err = err
	return e
}
