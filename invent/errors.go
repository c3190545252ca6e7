package invent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Error is what every call fails with. It keeps the status whatever the body was, and holds neither the key nor anything of the body.
// Ask the predicates of this package, not the number.
type Error struct {
	Op         string        // the call, e.g. "assign"
	Status     int           // HTTP status; 0: no answer
	RetryAfter time.Duration // when Invent, or the limiter here, wants the next try; 0: not said
	Err        error         // the cause beyond the status; may be nil

	unsent bool // certainly not a byte of the request left
	final  bool // asking again would give the same
}

var (
	errAnswer   = errors.New("wrong answer") // a success, but not with what the contract says
	errHeldBack = errors.New("held back by the limit for calls")
	errNotJSON  = fmt.Errorf("%w: not JSON", errAnswer)
	errTooLarge = fmt.Errorf("%w: too large", errAnswer)
	errBase     = errors.New("the URL of the API is not a base URL")
	errBroken   = errors.New("broken connection")
)

func (e *Error) Error() string {
	s := "invent: " + e.Op
	if e.Status != 0 {
		s += fmt.Sprintf(": %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause: context.DeadlineExceeded, [ErrID], ...
func (e *Error) Unwrap() error { return e.Err }

// NotFound reports whether Invent has no such thing: no chat with that id (perhaps a newer one, see [Client.Newer]), or no such route.
func NotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

// Refused reports whether Invent does not accept the key.
func Refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// RateLimited reports whether there were too many calls, by Invent's word or the limiter's here.
func RateLimited(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusTooManyRequests
}

// RetryAfter returns how long Invent, or the limiter here, wants no such call, with a 429 or a 5xx; 0: not said, or the call is refused
// for another reason.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && Temporary(err) {
		return e.RetryAfter
	}
	return 0
}

// Temporary reports whether the same call may succeed later: too many calls, 5xx, no answer (timeouts and cancelled contexts
// too), and a success whose body was cut or is no JSON, as proxies send it. JSON of the wrong shape, a body that is too large, a
// redirect and the other 4xx would come again: those are not temporary.
func Temporary(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && !e.final && (e.Status == 0 || e.Status/100 == 2 || e.Status >= 500 ||
		e.Status == http.StatusTooManyRequests)
}

// MayHaveHappened reports, for a call that writes, whether Invent may have carried it out in spite of the error: everything after the
// request may have left, so timeouts, cut answers, 5xx, redirects, and any success with a wrong body. It is false for 4xx (429 too),
// for what was held back here, and where no connection came about. What may have happened is to be settled by reading.
func MayHaveHappened(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && !e.unsent && e.Status/100 != 4
}

// lost makes the error of a call that got no (whole) answer. The causes that are known to be free of content are kept; net/http puts
// parts of a malformed answer into others.
func lost(op string, status int, err error) *Error {
	e := &Error{Op: op, Status: status, Err: errBroken}
	var (
		dial *net.OpError
		cert *tls.CertificateVerificationError
		slow net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		e.Err = context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Err = context.DeadlineExceeded
	case errors.As(err, &dial):
		e.Err = dial
		// The transport tries again on its own only while nothing was written, so a failed dial is the whole story.
		e.unsent = status == 0 && (dial.Op == "dial" || dial.Op == "proxyconnect")
	case errors.As(err, &cert):
		e.Err, e.unsent = cert, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = io.ErrUnexpectedEOF
	case errors.As(err, &slow) && slow.Timeout():
		e.Err = context.DeadlineExceeded
	}
	return e
}
