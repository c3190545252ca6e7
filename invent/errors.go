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

// Error is the error of every failed call. It keeps the status whatever the body was, and holds neither the key nor anything of the body.
// Use the predicates of this package instead of comparing Status.
type Error struct {
	Op         string        // the call, e.g. "assign"
	Status     int           // HTTP status; 0: no answer
	RetryAfter time.Duration // how long to wait before the next try, as Invent or the client's own limiter says; 0: not said
	Err        error         // the cause beyond the status; may be nil

	unsent bool // certainly not a byte of the request was sent
	final  bool // another try would fail in the same way
}

var (
	errAnswer   = errors.New("wrong answer") // a success by its status, but not by its body
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

// NotFound reports whether Invent has no such chat (a newer one may have taken its place, see [Client.Newer]), or no such route.
func NotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

// Refused reports whether Invent does not accept the key.
func Refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// RateLimited reports whether there were too many calls, as Invent or the client's own limiter says.
func RateLimited(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusTooManyRequests
}

// RetryAfter returns how long to wait before the same call, as Invent (with a 429 or a 5xx) or the client's own limiter says; 0 when
// neither does, or when waiting wouldn't help.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && Temporary(err) {
		return e.RetryAfter
	}
	return 0
}

// Temporary reports whether the same call may succeed later: after too many calls, a 5xx, no answer (timeouts and cancelled contexts
// too), or a success whose body was cut or isn't JSON, which is mostly a proxy's doing. JSON of the wrong shape, a body that is too
// large, a redirect and the other 4xx would come again, and so are not temporary.
func Temporary(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && !e.final && (e.Status == 0 || e.Status/100 == 2 || e.Status >= 500 ||
		e.Status == http.StatusTooManyRequests)
}

// MayHaveHappened reports, for a call that writes, whether Invent may have carried it out in spite of the error: once the request may
// have left, that is after timeouts, cut answers, 5xx, redirects, and successes with a wrong body. It is false for a 4xx (429 too), for
// a call that was held back here, and if there was no connection. If it is true, read the chat to find out.
func MayHaveHappened(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && !e.unsent && e.Status/100 != 4
}

// lost makes the error of a call that got no answer, or only part of one. It keeps only causes that are known to hold nothing of the
// answer: net/http puts parts of a malformed answer into others.
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
	case errors.As(err, &dial):
		e.Err = dial
		// The transport repeats a call by itself only if nothing was written, so after a failed dial nothing was sent.
		e.unsent = dial.Op == "dial" || dial.Op == "proxyconnect"
	case errors.As(err, &cert):
		e.Err, e.unsent = cert, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = io.ErrUnexpectedEOF
	case errors.As(err, &slow) && slow.Timeout():
		e.Err = context.DeadlineExceeded
	}
	return e
}
