package invent

import (
	"net/http"
	"strconv"
	"time"
)

// ErrAnswer is errAnswer.
var ErrAnswer = errAnswer

// ErrBroken is errBroken.
var ErrBroken = errBroken

// CloseGate reads an answer that there were too many calls, and returns how long the gate is closed then.
func (c *Client) CloseGate(seconds int) time.Duration {
	_ = c.answered("ping", &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}}})
	return time.Duration(c.gate.Load() - c.now().UnixNano())
}

// SetBeat makes listeners ping more often than a test has patience for.
func (c *Client) SetBeat(d time.Duration) { c.beat = d }
