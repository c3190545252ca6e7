package bot_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"inventbot/bot"
)

// redirecting is a server that sends everybody elsewhere, and the count of those who went there.
func redirecting(t *testing.T, status int) (address string, went *atomic.Int32) {
	t.Helper()
	went = &atomic.Int32{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { went.Add(1) }))
	t.Cleanup(elsewhere.Close)
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
	t.Cleanup(s.Close)
	return s.URL, went
}

// TestRedirectsAreNotFollowed: an address that is allowed can't send the bot to one that isn't, neither an answer nor a call with the
// bot's token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			address, went := redirecting(t, status)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			err = bot.Respond(t.Context(), u.Host, address+"/response", nil)
			if n := went.Swap(0); err == nil || n > 0 {
				t.Errorf("a response_url: %v, and followed %d times; want an error, and not followed", err, n)
			}
			_, err = bot.NewSlack("xoxb-1", address+"/api/").AuthTestContext(t.Context())
			if n := went.Swap(0); err == nil || n > 0 {
				t.Errorf("a call to Slack: %v, and followed %d times; want an error, and not followed", err, n)
			}
		})
	}
}

// TestLongHeaders: neither an answer nor a call to Slack reads headers without end.
func TestLongHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	t.Cleanup(s.Close)
	if err := bot.Respond(t.Context(), strings.TrimPrefix(s.URL, "http://"), s.URL+"/response", nil); err == nil {
		t.Error("a response_url's answer is taken")
	}
	if _, err := bot.NewSlack("xoxb-1", s.URL+"/api/").AuthTestContext(t.Context()); err == nil {
		t.Error("Slack's answer is taken")
	}
}

// TestResponsesGoToSlackOnly: what is sent to an address reaches the network only if that is one of Slack's.
func TestResponsesGoToSlackOnly(t *testing.T) {
	t.Parallel()
	const own = "127.0.0.1:8081"
	for address, allowed := range map[string]bool{
		"https://hooks.slack.com/commands/1":           true,
		"https://slack.com/api/1":                      true, // the host of SLACK_API_URL when that isn't set
		"https://hooks.slack-gov.com/commands/1":       true,
		"https://HOOKS.SLACK-GOV.COM/commands/1":       true,
		"http://" + own + "/response/1":                true,
		"http://hooks.slack-gov.com/commands/1":        false,
		"https://slack-gov.com.evil.example/":          false,
		"https://evilslack-gov.com/":                   false,
		"https://evil.example/.slack-gov.com":          false,
		"https://evil.example#.slack-gov.com":          false,
		"https://hooks.slack-gov.com@evil.example/":    false,
		"https://me@hooks.slack-gov.com/commands/1":    false,
		"https://hooks.slack-gov.com:x@evil.example/":  false,
		"https://evil.example\\.slack-gov.com/":        false,
		"http://127.0.0.1:8082/response/1":             false,
		"http://169.254.169.254/latest/meta-data/":     false,
		"file:///etc/passwd":                           false,
		"//hooks.slack.com/commands/1":                 false,
		"":                                             false,
		"https://hooks.slack.com.:443@169.254.169.254": false,
	} {
		sent := ""
		err := bot.Respond(t.Context(), own, address, roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r.URL.String()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}))
		if allowed && (err != nil || sent != address) || !allowed && (err == nil || sent != "") {
			t.Errorf("%q: sent to %q, %v; want it allowed: %v", address, sent, err, allowed)
		}
	}
}

// roundTrip stands in the place of the network.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
