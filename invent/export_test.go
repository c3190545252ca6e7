package invent

import "time"

// SetBeat makes listeners ping more often than a test has patience for.
func (c *Client) SetBeat(d time.Duration) { c.beat = d }
