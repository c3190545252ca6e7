package slacktest

import (
	"math"
	"net/http"
	"slices"
	"time"
)

// Fault is a failure on purpose. With neither Error nor Status nor Hang it only delays the answer.
type Fault struct {
	Method     string        // a method of the Web API, "response_url", or "*" for all
	Times      int           // how many calls it meets; 0: all until it is undone
	Error      string        // answers {"ok":false,"error":…}; for a response_url with status 404, unless Status is set
	Status     int           // the HTTP status, e.g. 500, 429; a Web API Error comes with 200
	RetryAfter int           // seconds, in the header
	Delay      time.Duration // real time before the answer
	Hang       bool          // no answer until the caller gives up
	After      bool          // the call is carried out all the same; only its answer is lost
}

type armed struct {
	Fault
	left int
}

func (f *armed) fails() bool { return f.Error != "" || f.Status != 0 || f.Hang }

// status is the HTTP status of the answer to a call: unless it is set, 404 for a response_url and 200 for the Web API.
func (f *armed) status(name string) int {
	switch {
	case f.Status != 0:
		return f.Status
	case name == responseURL:
		return http.StatusNotFound
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

// Fault arms a fault. If several fit a call, it meets the first that isn't used up. What a fault causes is no complaint.
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

// suffer waits as the fault wants. false means that nobody waits for the answer any more, so the call must not be carried out.
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

// SetScopes replaces the token's scopes from now on.
func (w *Workspace) SetScopes(scopes ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	Scopes(scopes...)(w)
}

// RateLimits turns Slack's limits on or off; they are off at the start. chat.postMessage takes one call a second for each channel, with
// bursts of five; the others take their tier's calls a minute. Calls beyond that get 429 and Retry-After.
func (w *Workspace) RateLimits(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = on
	clear(w.buckets)
	clear(w.pauses)
}

// Limit gives one method a limit of its own, however slowly it is called: after so many calls it asks to wait for retryAfter seconds, and
// then takes as many again. chat.postMessage is counted for each channel separately.
func (w *Workspace) Limit(method string, calls, retryAfter int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits[method] = limit{calls, retryAfter}
	clear(w.buckets)
}

// limit is how often a method may be called before a pause of so many seconds.
type limit struct{ calls, retryAfter int }

// bucket is a token bucket by the workspace's clock.
type bucket struct {
	tokens float64
	last   time.Time
}

// counted names the limit that a call counts towards: its method's, or for chat.postMessage its channel's.
func counted(name string, a args) string {
	if name == "chat.postMessage" {
		return name + " " + a["channel"]
	}
	return name
}

// throttle counts a call, and returns how many seconds it must wait; 0 if it may pass. The mutex must be held.
func (w *Workspace) throttle(name string, m method, a args) int {
	own, limited := w.limits[name]
	if !limited && !w.limited {
		return 0
	}
	key, now := counted(name, a), w.now()
	if left := w.pauses[key].until.Sub(now); left > 0 {
		return int(math.Ceil(left.Seconds()))
	}
	size, perSecond := float64(m.tier), float64(m.tier)/60
	switch {
	case limited:
		size, perSecond = float64(own.calls), 0
	case name == "chat.postMessage":
		size, perSecond = 5, 1
	}
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
	if limited {
		delete(w.buckets, key) // it starts full after the pause
		return own.retryAfter
	}
	return max(1, int(math.Ceil((1-b.tokens)/perSecond)))
}

// pause is the wait that a 429 asked for.
type pause struct{ told, until time.Time }

// onTheWay is for how long after a 429 a call may still come that was sent before the 429 was read.
const onTheWay = 900 * time.Millisecond

// tooSoon complains of a call that comes during a pause, except in the first grace of it. The mutex must be held.
func (w *Workspace) tooSoon(key string, grace time.Duration) {
	p, now := w.pauses[key], w.now()
	if now.Sub(p.told) > grace && now.Before(p.until) {
		w.complain("%s: called %s before the time in Retry-After had passed", key, p.until.Sub(now).Round(time.Millisecond))
	}
}

// toldToWait begins a pause after a 429, unless one is under way. The mutex must be held.
func (w *Workspace) toldToWait(key string, seconds int) {
	if now := w.now(); !w.pauses[key].until.After(now) {
		w.pauses[key] = pause{told: now, until: now.Add(time.Duration(seconds) * time.Second)}
	}
}
