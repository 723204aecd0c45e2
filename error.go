package parley

import (
	"context"
	"errors"
	"time"
)

// A Kind says what an error means for everyone who meets it: the API's answer,
// the outbox's next step, the channel's state. It is the only thing about an
// error that code may branch on.
type Kind string

// The closed set of kinds. A plain error counts as KindInternal.
const (
	KindInvalid      Kind = "invalid"      // the request breaks a rule
	KindUnauthorized Kind = "unauthorized" // no token, or an unknown one
	KindPayment      Kind = "payment"      // the operator has put a paywall on the company
	KindForbidden    Kind = "forbidden"    // known caller, closed door
	KindNotFound     Kind = "not_found"    // no such thing, or somebody else's
	KindConflict     Kind = "conflict"     // the present state does not allow it
	KindUnsupported  Kind = "unsupported"  // this provider cannot express it
	KindRejected     Kind = "rejected"     // the provider refused this message for good
	KindUnreachable  Kind = "unreachable"  // the contact blocked us, left, or is not there
	KindThrottled    Kind = "throttled"    // told to wait; spends no attempt
	KindUnavailable  Kind = "unavailable"  // surely not delivered, may work later
	KindUncertain    Kind = "uncertain"    // it left, and no verdict came back
	KindLoggedOut    Kind = "logged_out"   // credentials are no longer valid
	KindInternal     Kind = "internal"     // our fault; its text never leaves the house
)

// Kinds lists every kind, for tests that must cover them all.
func Kinds() []Kind {
	return []Kind{
		KindInvalid, KindUnauthorized, KindPayment, KindForbidden, KindNotFound, KindConflict, KindUnsupported,
		KindRejected, KindUnreachable, KindThrottled, KindUnavailable, KindUncertain, KindLoggedOut, KindInternal,
	}
}

// An Error is the one error type that crosses package borders.
type Error struct {
	Kind       Kind
	Code       string        // a provider's or our own machine word; may be empty
	Message    string        // a sentence for people; shown to callers unless Kind is KindInternal
	RetryAfter time.Duration // how long to wait at least; 0 if unknown
	Err        error         // the cause; may be nil
}

// Error returns the message, followed by the cause if there is one.
func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = string(e.Kind)
	}
	if e.Err != nil {
		return text + ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind without a cause.
func Errorf(kind Kind, message string) *Error { return &Error{Kind: kind, Message: message} }

// KindOf returns the kind of an error: that of the first *Error in its chain,
// KindInternal for any other error, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// Reason returns the sentence about err that a user may read. The text of an
// internal error stays hidden.
func Reason(err error) string {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok, e.Kind == KindInternal:
		return "internal error"
	case e.Message == "":
		return string(e.Kind)
	}
	return e.Message
}

// Interrupted reports whether err is only our own shutdown or a caller that
// went away, and therefore not a failure of what was attempted.
func Interrupted(err error) bool { return errors.Is(err, context.Canceled) }
