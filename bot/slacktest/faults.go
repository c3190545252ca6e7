package slacktest

import (
	"math"
	"net/http"
	"slices"
	"time"
)

// Fault is a trouble on purpose. With neither Error nor Status nor Hang it only delays.
type Fault struct {
	Method     string        // of the Web API, "response_url", or "*" for all
	Times      int           // how many calls it meets; 0 means all until it is undone
	Error      string        // answers {"ok":false,"error":…}; for a response_url with status 404 unless Status says another
	Status     int           // the HTTP status, e.g. 500, 429; a Web API Error comes with 200
	RetryAfter int           // seconds, in the header
	Delay      time.Duration // real time before the answer
	Hang       bool          // no answer until the caller gives up
	After      bool          // what was asked for is done all the same, only the answer is lost
}

type armed struct {
	Fault
	left int
}

func (f *armed) fails() bool { return f.Error != "" || f.Status != 0 || f.Hang }

func (f *armed) status() int {
	if f.Status != 0 {
		return f.Status
	}
	return http.StatusOK
}

func (f *armed) body() reply {
	code := f.Error
	if code == "" {
		code = "internal_error"
		if f.Status == http.StatusTooManyRequests {
			code = "ratelimited"
		}
	}
	return reply{"ok": false, "error": code}
}

// Fault arms a fault; of several for one method the first that is not used up is met. What a fault causes is no complaint.
func (w *Workspace) Fault(f Fault) (undo func()) {
	a := &armed{Fault: f, left: f.Times}
	if f.Times == 0 {
		a.left = math.MaxInt
	}
	w.mu.Lock()
	w.faults = append(w.faults, a)
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults = slices.DeleteFunc(w.faults, func(x *armed) bool { return x == a })
	}
}

// strike takes the fault that meets this call, if any. The mutex must be held.
func (w *Workspace) strike(name string) *armed {
	for _, f := range w.faults {
		if f.left > 0 && (f.Method == name || f.Method == "*") {
			f.left--
			return f
		}
	}
	return nil
}

// suffer waits as the fault wants; false means that nobody waits for the answer any more, and nothing is to be done.
func (w *Workspace) suffer(r *http.Request, f *armed) bool {
	if f == nil {
		return true
	}
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return false
		case <-w.done:
			return false
		}
	}
	if f.Hang && !f.After {
		w.hang(r)
		return false
	}
	return true
}

func (w *Workspace) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-w.done:
	}
}

// Revoke makes the token worthless: token_revoked for every method. response_urls still work, as in Slack.
func (w *Workspace) Revoke() { w.setRevoked(true) }

// Restore undoes Revoke.
func (w *Workspace) Restore() { w.setRevoked(false) }

func (w *Workspace) setRevoked(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = yes
}

// SetScopes replaces what the token may do from now on.
func (w *Workspace) SetScopes(scopes ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	Scopes(scopes...)(w)
}

// RateLimits turns Slack's limits on or off; they are off at the start. chat.postMessage: one a second and channel, five at once;
// the others their tier's calls a minute. What is too much gets 429 and Retry-After.
func (w *Workspace) RateLimits(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = on
	clear(w.buckets)
}

// bucket is a token bucket by the workspace's clock.
type bucket struct {
	tokens float64
	last   time.Time
}

// throttle gives the seconds to wait, 0 when the call may pass. The mutex must be held.
func (w *Workspace) throttle(name string, m method, a args) int {
	if !w.limited {
		return 0
	}
	key, size, perSecond := name, float64(m.tier), float64(m.tier)/60
	if name == "chat.postMessage" {
		key, size, perSecond = name+" "+a["channel"], 5, 1
	}
	now := w.now()
	b := w.buckets[key]
	if b == nil {
		b = &bucket{tokens: size, last: now}
		w.buckets[key] = b
	}
	b.tokens = min(size, b.tokens+now.Sub(b.last).Seconds()*perSecond)
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return max(1, int(math.Ceil((1-b.tokens)/perSecond)))
}
