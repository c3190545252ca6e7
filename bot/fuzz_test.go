package bot_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
)

// FuzzSignature: whatever the headers and the body are, nothing but what is rightly signed, now, gets past them. The seal is
// made by slacktest, which knows nothing of the bot's own way to verify.
func FuzzSignature(f *testing.F) {
	const secret = "fuzzed-secret"
	now := time.Unix(1_700_000_000, 0)
	stamp := strconv.FormatInt(now.Unix(), 10)
	body := "ssl_check=1"
	right := slacktest.Sign(secret, stamp, []byte(body))
	for _, seed := range [][3]string{
		{stamp, right, body}, {stamp, strings.ToUpper(right), body}, {stamp, right[:40], body}, {stamp, right + "00", body}, {stamp, "v1" + right[2:], body},
		{stamp, "v0=", body}, {stamp, "", body}, {"", right, body}, {"-1", right, body}, {"99999999999999999999", right, body}, {" " + stamp, right, body},
		{"+" + stamp, right, body}, {"0" + stamp, right, body}, {stamp, right + ", " + right, body}, {stamp, " " + right, body}, {stamp, right, body + "x"},
		{strconv.FormatInt(now.Unix()-301, 10), right, body}, {strconv.FormatInt(now.Unix()+301, 10), right, body},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	store, err := cache.OpenInProcess()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = store.Close() })
	team := bot.NewTeam(bot.NewSlack("xoxb-none", "http://127.0.0.1:1/"), invent.New(invent.Options{URL: "http://127.0.0.1:1", Org: "c"}))
	b, err := bot.New(bot.Config{Secrets: []string{secret}, Teams: team.Only, Probe: team, Cache: store, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	handler := b.Handler()
	f.Fuzz(func(t *testing.T, stamp, signature, body string) {
		// An event of no meaning: what passes is answered with 400, or 200, and nothing is done.
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/slack/events", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header["X-Slack-Request-Timestamp"] = []string{stamp}
		r.Header["X-Slack-Signature"] = []string{signature}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		age := now.Unix() - seconds
		good := err == nil && age <= 300 && age >= -300 && strings.EqualFold(signature, slacktest.Sign(secret, stamp, []byte(body))) && strings.HasPrefix(signature, "v0=")
		if passed := w.Code != http.StatusUnauthorized; passed != good {
			t.Errorf("%q %q %q: answered %d, rightly signed: %v", stamp, signature, body, w.Code, good)
		}
	})
}
