package bot

import (
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// gates holds back calls for as long as Slack has asked to wait with them: they fail at once, with the time that is left. Like Slack it
// counts each method by itself, and posts by channel too. It belongs to one workspace, and knows only what this process was told.
type gates struct {
	http.RoundTripper
	now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time // by method, and channel
}

// RoundTrip implements http.RoundTripper. What is held back fails with slack.RateLimitedError.
func (g *gates) RoundTrip(r *http.Request) (*http.Response, error) {
	if left := g.left(r); left > 0 {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &slack.RateLimitedError{RetryAfter: left}
	}
	resp, err := g.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		g.shut(counted(r), retryAfter(resp.Header))
	}
	return resp, err //nolint:wrapcheck // a transport hands on what it was given
}

// retryAfter is how long Slack asks to wait, in whole seconds; 0: it doesn't say.
func retryAfter(h http.Header) time.Duration {
	seconds, _ := strconv.Atoi(h.Get("Retry-After")) // what is no number says nothing
	return time.Duration(max(0, seconds)) * time.Second
}

// left returns how long to wait before this call. It looks into the call (see counted) only while Slack asks to wait with any.
func (g *gates) left(r *http.Request) time.Duration {
	g.mu.Lock()
	open := len(g.until) == 0
	g.mu.Unlock()
	if open {
		return 0
	}
	key, now := counted(r), g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, until := range g.until {
		if !until.After(now) {
			delete(g.until, k)
		}
	}
	return max(0, g.until[key].Sub(now))
}

func (g *gates) shut(key string, wait time.Duration) {
	until := g.now().Add(wait)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until == nil {
		g.until = map[string]time.Time{}
	}
	if until.After(g.until[key]) {
		g.until[key] = until
	}
}

// counted returns what Slack counts a call by: the method, and for a post the channel too.
func counted(r *http.Request) string {
	method := path.Base(r.URL.Path)
	if method != "chat.postMessage" || r.GetBody == nil {
		return method
	}
	body, err := r.GetBody()
	if err != nil {
		return method
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	if err != nil {
		return method
	}
	form, _ := url.ParseQuery(string(text)) // as far as it can be read
	return method + " " + form.Get("channel")
}
