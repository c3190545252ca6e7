package bot_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// TestMetrics wants names and units as Prometheus has them, and a value for all that is promised.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := ownStore(t)
	address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Status: 503, Times: 1})
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1, Times: 1})
	card := w.takes()
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.support.ExpectMessage("Nobody")
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	// What Linus asked for waits for his being linked.
	eventually(t, "only that waits", func(ctx context.Context) bool {
		d, err := store.Depth(ctx)
		return err == nil && d == (cache.Depth{Open: 1, Waiting: 1})
	})
	// And what Ada asks for is under way.
	w.chat("chat_slow")
	defer w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_slow", Hang: true})()
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_slow"))
	defer w.slack.IgnoreLeftovers() // its card
	body := ""
	eventually(t, "it is of an age", func(context.Context) bool {
		body = get(t, address+"/metrics")
		return regexp.MustCompile(`(?m)^inventbot_queue_oldest_seconds (0\.[1-9]|[1-9])`).MatchString(body) &&
			strings.Contains(body, "\ninventbot_slack_up ") && strings.Contains(body, "\ninventbot_invent_up ")
	})
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "inventbot_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{
		`inventbot_requests_total\{route="commands",status="200"\} 4`,
		`inventbot_acknowledgement_seconds_count\{route="commands"\} 4`,
		`inventbot_action_seconds_count\{outcome="changed",verb="take"\} 1`,
		`inventbot_refusals_total\{reason="not_linked"\} 1`,
		`inventbot_retries_total [1-9]`,
		`inventbot_limited_tries_total\{upstream="slack"\} [1-9]\d*`,
		`inventbot_action_seconds_count\{outcome="changed",verb="release"\} 1`,
		`inventbot_cards_redrawn_total [1-9]\d*`,
		`inventbot_stale_cards_total 0`,
		`inventbot_queue_jobs 2`,
		`inventbot_queue_retry_jobs 1`,
		`inventbot_queue_limit_jobs 10000`,
		`inventbot_ready 1`,
		`inventbot_redis_up 1`,
		`inventbot_slack_up 1`,
		`inventbot_invent_up 1`,
		`inventbot_upstream_seconds_count\{call="assign",status="200",upstream="invent"\} \d+`,
		`inventbot_upstream_seconds_count\{call="chat.postMessage",status="200",upstream="slack"\} \d+`,
		`inventbot_upstream_seconds_count\{call="chat.postMessage",status="429",upstream="slack"\} \d+`,
		`inventbot_upstream_seconds_count\{call="chat",status="503",upstream="invent"\} \d+`,
		`inventbot_build_info\{goversion="go[^"]+",revision="unknown",version="unknown"\} 1`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(body) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(body, "chat_1") || strings.Contains(body, "UADA") {
		t.Error("the metrics name a conversation or a person")
	}
}

// TestNotReady: one side that is away is no reason to send nobody here, both are.
func TestNotReady(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	first := n.open()
	address, stop := w.serve(func(c *bot.Config) { c.Cache = first })
	eventually(t, "it is ready", func(ctx context.Context) bool { return readyz(ctx, address) == http.StatusOK })
	n.kill()
	if got := readyz(t.Context(), address); got != http.StatusOK {
		t.Errorf("without Redis: %d, want 200", got)
	}
	stop()
	w.invent.Fault(inventtest.Fault{Status: 503})
	store, err := cache.Open(n.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	address, _ = w.serve(func(c *bot.Config) { c.Cache = store })
	eventually(t, "it isn't ready without Redis and Invent", func(ctx context.Context) bool {
		return readyz(ctx, address) == http.StatusServiceUnavailable
	})
	for _, want := range []string{"inventbot_ready 0", "inventbot_redis_up 0", "inventbot_invent_up 0"} {
		if !strings.Contains(get(t, address+"/metrics"), "\n"+want+"\n") {
			t.Errorf("the metrics lack %q", want)
		}
	}
	n.start()
	eventually(t, "it is ready with Redis alone", func(ctx context.Context) bool { return readyz(ctx, address) == http.StatusOK })
}

// TestTokenRefused: Slack answers 200 to a token it doesn't take, so that the calls' statuses don't tell.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.Fault(slacktest.Fault{Method: "auth.test", Error: "token_revoked"})
	address, _ := w.serve()
	eventually(t, "the metrics tell that the token is refused", func(context.Context) bool {
		return strings.Contains(get(t, address+"/metrics"), "\ninventbot_slack_up 0\n")
	})
	if body := get(t, address+"/readyz"); !strings.Contains(body, "token_revoked") { // which answers 200: what is asked for is kept
		t.Errorf("/readyz doesn't say that Slack refuses the token: %s", body)
	}
	if !strings.Contains(w.log.String(), "Slack can't be used") {
		t.Error("the log doesn't say that Slack refuses the token")
	}
}

// TestFarewell: once it is to stop it says for a while that nobody should be sent here, and does what comes all the same.
func TestFarewell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, stop := w.serve(func(c *bot.Config) { c.Farewell = 3 * time.Second })
	eventually(t, "it is ready", func(ctx context.Context) bool { return readyz(ctx, address) == http.StatusOK })
	stopped := stopping(stop)
	eventually(t, "it says that it stops", func(ctx context.Context) bool { return readyz(ctx, address) == http.StatusServiceUnavailable })
	w.takes()
	<-stopped
	if got := readyz(t.Context(), address); got != 0 {
		t.Errorf("after its end: %d", got)
	}
}

func readyz(ctx context.Context, address string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", http.NoBody)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestAlertsAndDashboardNameWhatIsThere: a name, a label or a value that the bot doesn't count would be silent for ever.
func TestAlertsAndDashboardNameWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve()
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.troubles(address)
	body := ""
	eventually(t, "an action has ended", func(context.Context) bool {
		body = get(t, address+"/metrics")
		return strings.Contains(body, "inventbot_action_seconds_count") && strings.Contains(body, "inventbot_refusals_total") &&
			strings.Contains(body, "\ninventbot_slack_up ") && strings.Contains(body, "\ninventbot_invent_up ")
	})
	offered := map[string][]map[string]string{} // by name: the labels of each series
	for _, m := range regexp.MustCompile(`(?m)^(inventbot_[a-z_]+)(?:\{(.*)\})? `).FindAllStringSubmatch(body, -1) {
		labels := map[string]string{}
		for _, l := range regexp.MustCompile(`([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		offered[m[1]] = append(offered[m[1]], labels)
	}
	named, labels := map[string]bool{}, 0
	for _, file := range []string{"../deploy/alerts.yml", "../deploy/dashboard.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`inventbot_[a-z_]+`).FindAllString(string(text), -1) {
			named[regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*"?expr"?: (.*)$`).FindAllStringSubmatch(string(text), -1) {
			labels += checkLabels(t, strings.ReplaceAll(m[1], `\"`, `"`), offered)
		}
	}
	for name := range named {
		if !strings.Contains(body, "# TYPE "+name+" ") {
			t.Errorf("%s isn't among the metrics", name)
		}
	}
	if len(named) < 15 || labels < 30 {
		t.Errorf("only %d metrics and %d labels are looked at", len(named), labels)
	}
}

// checkLabels wants series with the labels that an expression groups by, and with each value that it picks out, and answers how many
// labels and values it has looked at. Prometheus itself adds instance and job.
func checkLabels(t *testing.T, expr string, offered map[string][]map[string]string) (n int) {
	t.Helper()
	names := regexp.MustCompile(`inventbot_[a-z_]+`).FindAllString(expr, -1)
	for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			for _, name := range names {
				n++
				has := func(s map[string]string) bool { _, ok := s[label]; return ok }
				if label != "instance" && label != "job" && !slices.ContainsFunc(offered[name], has) {
					t.Errorf("%s has no label %s: %s", name, label, expr)
				}
			}
		}
	}
	for _, picked := range regexp.MustCompile(`(inventbot_[a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(expr, -1) {
		exact := map[string]string{}
		matchers := regexp.MustCompile(`([a-z_]+)(=~|=)"([^"]*)"`).FindAllStringSubmatch(picked[2], -1)
		for _, m := range matchers {
			if m[2] == "=" {
				exact[m[1]] = m[3]
			}
		}
		for _, m := range matchers {
			for value := range strings.SplitSeq(m[3], "|") {
				n++
				matches := regexp.MustCompile("^(" + value + ")$").MatchString
				if !slices.ContainsFunc(offered[picked[1]], func(s map[string]string) bool {
					for label, want := range exact {
						if s[label] != want {
							return false
						}
					}
					return matches(s[m[1]])
				}) {
					t.Errorf("%s is never counted with %s %s: %s", picked[1], m[1], value, expr)
				}
			}
		}
	}
	return n
}

// troubles lets all go wrong that an alert is for, so that it is counted.
func (w *world) troubles(address string) {
	w.t.Helper()
	if got := post(w.t, address+"/slack/commands", form, commandBody("help"), nil); got != http.StatusUnauthorized {
		w.t.Errorf("an unsigned request was answered with %d", got)
	}
	client := invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Timeout: 200 * time.Millisecond, Wrap: bot.TimeInvent})
	for _, f := range []inventtest.Fault{{Status: 401}, {Status: 403}, {Status: 500}, {Hang: true}, {Status: 429}} {
		f.Path = "/chats/chat_trouble"
		undo := w.invent.Fault(f)
		if _, err := client.Chat(w.t.Context(), "chat_trouble"); err == nil {
			w.t.Error("Invent answers in spite of a fault")
		}
		undo()
	}
	for _, f := range []slacktest.Fault{{Status: 500}, {Hang: true}, {Status: 429, RetryAfter: 1}} {
		f.Method = "users.info"
		ctx, cancel := context.WithTimeout(w.t.Context(), 200*time.Millisecond)
		undo := w.slack.Fault(f)
		if _, err := bot.NewSlack(w.slack.Token(), w.slack.URL()).GetUserInfoContext(ctx, w.ada.ID); err == nil {
			w.t.Error("Slack answers in spite of a fault")
		}
		undo()
		cancel()
	}
}
