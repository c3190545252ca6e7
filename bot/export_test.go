package bot

import (
	"net/http"
	"time"

	"inventbot/cache"
)

// NewGates holds back calls to Slack by a clock of the test's own.
func NewGates(next http.RoundTripper, now func() time.Time) http.RoundTripper {
	return &gates{RoundTripper: next, now: now}
}

// The steps of an action, in their order.
var Steps = []string{string(taken), string(identified), string(read), string(wrote), string(drawn), string(remembered), string(ended)}

// OnStep lets a test do something at each step of each action of a bot that isn't serving yet.
func (b *Bot) OnStep(do func(step string, j cache.Job)) {
	b.steps = func(s step, j cache.Job) { do(string(s), j) }
}
