package bot_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/invent"
)

// BenchmarkVerified is what each request costs before it is looked at: the routes, the body and its signature.
func BenchmarkVerified(b *testing.B) {
	store, err := cache.OpenInProcess()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	team := bot.NewTeam(bot.NewSlack("xoxb-none", "http://127.0.0.1:1/"), invent.New(invent.Options{URL: "http://127.0.0.1:1", Org: "c"}))
	served, err := bot.New(bot.Config{Secrets: []string{"secret"}, Teams: team.Only, Probe: team, Cache: store})
	if err != nil {
		b.Fatal(err)
	}
	handler := served.Handler()
	body := "ssl_check=1&text=" + strings.Repeat("x", 4000) // as long as a click on a card
	headers := signed("secret", body, time.Now())
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/slack/commands", strings.NewReader(body))
		r.Header.Set("Content-Type", form)
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("answered %d", w.Code)
		}
	}
}
