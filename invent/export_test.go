package invent

import "time"

// ErrAnswer is errAnswer.
var ErrAnswer = errAnswer

// SetBeat makes listeners ping more often than a test has patience for.
func (c *Client) SetBeat(d time.Duration) { c.beat = d }
