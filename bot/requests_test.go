package bot_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent/inventtest"
)

var slackRoutes = []string{"/slack/commands", "/slack/interactions", "/slack/options", "/slack/events"}

const form = "application/x-www-form-urlencoded"

// post sends a request as anybody could, with the headers given.
func post(t *testing.T, address, contentType, body string, headers map[string]string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func signed(secret, body string, at time.Time) map[string]string {
	ts := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{"X-Slack-Request-Timestamp": ts, "X-Slack-Signature": slacktest.Sign(secret, ts, []byte(body))}
}

func commandBody(text string) string {
	return url.Values{
		"command": {"/invent"}, "text": {text}, "team_id": {"T0SANDBOX"}, "user_id": {"UADA"}, "channel_id": {"CSUPPORT"}, "trigger_id": {text + ".1"},
	}.Encode()
}

func TestFaultUnsignedIsRefusedOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve()
	now, body := time.Now(), commandBody("take chat_1")
	right := signed(w.slack.Secret(), body, now)
	for name, headers := range map[string]map[string]string{
		"no headers":               {},
		"no signature":             {"X-Slack-Request-Timestamp": right["X-Slack-Request-Timestamp"]},
		"no timestamp":             {"X-Slack-Signature": right["X-Slack-Signature"]},
		"another secret":           signed("another", body, now),
		"the empty secret":         signed("", body, now),
		"another body":             signed(w.slack.Secret(), body+"x", now),
		"six minutes old":          signed(w.slack.Secret(), body, now.Add(-6*time.Minute)),
		"six minutes ahead":        signed(w.slack.Secret(), body, now.Add(6*time.Minute)),
		"a signature cut short":    {"X-Slack-Request-Timestamp": right["X-Slack-Request-Timestamp"], "X-Slack-Signature": right["X-Slack-Signature"][:40]},
		"a signature that isn't":   {"X-Slack-Request-Timestamp": right["X-Slack-Request-Timestamp"], "X-Slack-Signature": "v0=zz"},
		"another version":          {"X-Slack-Request-Timestamp": right["X-Slack-Request-Timestamp"], "X-Slack-Signature": "v1" + right["X-Slack-Signature"][2:]},
		"a timestamp that isn't":   {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": right["X-Slack-Signature"]},
		"a timestamp too large":    {"X-Slack-Request-Timestamp": "99999999999999999999", "X-Slack-Signature": right["X-Slack-Signature"]},
		"another moment's signing": {"X-Slack-Request-Timestamp": strconv.FormatInt(now.Unix()-1, 10), "X-Slack-Signature": right["X-Slack-Signature"]},
	} {
		for _, route := range slackRoutes {
			if got := post(t, address+route, form, body, headers); got != http.StatusUnauthorized {
				t.Errorf("%s, %s: answered %d, want 401", route, name, got)
			}
		}
	}
	w.wrote()
	for _, r := range w.invent.Requests() {
		if strings.Contains(r.Path, "/chats/") {
			t.Errorf("Invent was asked for %s", r.Path)
		}
	}
}

func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve(func(c *bot.Config) { c.Secrets = []string{"new", "old", ""} })
	for secret, want := range map[string]int{"new": 200, "old": 200, "older": 401, "": 401} {
		body := commandBody("help")
		if got := post(t, address+"/slack/commands", form, body, signed(secret, body, time.Now())); got != want {
			t.Errorf("signed with %q: answered %d, want %d", secret, got, want)
		}
	}
}

// TestSlacksExample is the published one (docs.slack.dev, "Verifying requests from Slack"), at its own time.
func TestSlacksExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve(func(c *bot.Config) {
		c.Secrets = []string{"8f742231b10e8888abcd99yyyzzz85a5"}
		c.Now = func() time.Time { return time.Unix(1531420618, 0).Add(time.Minute) }
	})
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	headers := map[string]string{
		"X-Slack-Request-Timestamp": "1531420618",
		"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
	}
	if got := post(t, address+"/slack/commands", form, body, headers); got != http.StatusOK {
		t.Errorf("answered %d, want 200", got)
	}
	if got := post(t, address+"/slack/commands", form, body+"&text=take+chat_1", headers); got != http.StatusUnauthorized {
		t.Errorf("a longer body: answered %d, want 401", got)
	}
}

// TestFaultBadRequests are rightly signed and wrong: each gets an answer, and Invent stays as it is.
func TestFaultBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve()
	const json = "application/json"
	block := func(s string) string { return url.Values{"payload": {s}}.Encode() }
	click := `{"type":"block_actions","trigger_id":"1.2","team":{"id":"T0SANDBOX"},"user":{"id":"UADA"},"channel":{"id":"CSUPPORT"},"actions":[{"action_id":"take","value":"{}"}]`
	for name, c := range map[string]struct {
		route, contentType, body string
		want                     int
	}{
		"a form that is broken":                 {"commands", form, "%zz", 400},
		"an empty body":                         {"commands", form, "", 400},
		"a command without its name":            {"commands", form, "text=take&team_id=T&user_id=U&channel_id=C&trigger_id=1", 400},
		"a command without a person":            {"commands", form, "command=/invent&text=take&team_id=T&channel_id=C&trigger_id=1", 400},
		"a command as JSON":                     {"commands", json, `{"command":"/invent"}`, 415},
		"no content type":                       {"commands", "", commandBody("help"), 415},
		"a response_url of somebody else":       {"commands", form, commandBody("take chat_1") + "&response_url=https%3A%2F%2Fevil.example%2Fslack.com", 400},
		"a response_url that ends alike":        {"commands", form, commandBody("take chat_1") + "&response_url=https%3A%2F%2Fevilslack.com%2F", 400},
		"a response_url without TLS":            {"commands", form, commandBody("take chat_1") + "&response_url=http%3A%2F%2Fhooks.slack.com%2F", 400},
		"a response_url with a name in it":      {"commands", form, commandBody("take chat_1") + "&response_url=https%3A%2F%2Fhooks.slack.com%40evil.example%2F", 400},
		"1 MiB":                                 {"commands", form, strings.Repeat("x", 1<<20), 400},
		"a byte more":                           {"commands", form, strings.Repeat("x", 1<<20+1), 413},
		"10 MiB":                                {"commands", form, "text=" + strings.Repeat("x", 10<<20), 413},
		"Slack's certificate check":             {"commands", form, "ssl_check=1", 200},
		"a payload in the address":              {"commands?payload=x", form, commandBody("help"), 400},
		"a click in the address":                {"interactions?payload=" + url.QueryEscape(click+"}"), form, "a=b", 400},
		"a payload that isn't JSON":             {"interactions", form, block("{"), 400},
		"a payload that is null":                {"interactions", form, block("null"), 400},
		"no payload":                            {"interactions", form, "a=b", 400},
		"a payload as JSON":                     {"interactions", json, click + "}", 415},
		"a click without actions":               {"interactions", form, block(`{"type":"block_actions","trigger_id":"1.2","team":{"id":"T"},"user":{"id":"U"}}`), 400},
		"a click on something unknown":          {"interactions", form, block(strings.ReplaceAll(click, `"take"`, `"dance"`) + "}"), 200},
		"a click whose response_url is foreign": {"interactions", form, block(click + `,"response_url":"https://evil.example/"}`), 400},
		"an interaction of another type":        {"interactions", form, block(`{"type":"view_closed"}`), 200},
		"an event that isn't JSON":              {"events", json, "{", 400},
		"an event as a form":                    {"events", form, "a=b", 415},
		"an unknown event":                      {"events", json, `{"type":"event_callback","event_id":"E1","event":{"type":"new_thing"}}`, 200},
		"Slack's check of the address":          {"events", json, `{"type":"url_verification","challenge":"abc"}`, 200},
		"a question for options":                {"options", form, block(`{"type":"block_suggestion"}`), 200},
	} {
		if got := post(t, address+"/slack/"+c.route, c.contentType, c.body, signed(w.slack.Secret(), c.body, time.Now())); got != c.want {
			t.Errorf("%s: answered %d, want %d", name, got, c.want)
		}
	}
	w.wrote()
}

// TestChallenge: Slack takes an address for events once what it has sent there comes back.
func TestChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	ack := w.acknowledged(w.slack.Send("/slack/events", "application/json", []byte(`{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}`)))
	if got := strings.TrimSpace(string(ack.Body)); got != `{"challenge":"3eZbrw1a"}` || ack.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %s as %s, want the challenge as JSON", got, ack.Header.Get("Content-Type"))
	}
}

// TestLargeBodiesInTurn: each large body gives back what it held of the memory for all, whatever became of it.
func TestLargeBodiesInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve()
	body := strings.Repeat("x", 1<<20)
	for n := range 2 * bot.Crowd >> 20 {
		if got := post(t, address+"/slack/commands", form, body, signed("another's", body, time.Now())); got != 401 {
			t.Fatalf("body %d was answered %d, want 401", n, got)
		}
	}
}

// TestSaidAtOnce is what is wrong with a command, said in the acknowledgement itself.
func TestSaidAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	for line, says := range map[string]string{
		"/invent":                          "What you can type",
		"/invent help":                     "/invent take <conversation>",
		"/support":                         "/support assign <conversation> [to] <who>",
		"/invent tkae chat_1":              "Did you mean `/invent take`?",
		"/invent release":                  "Which conversation?",
		"/invent take chat_1 now or never": "too many words",
		"/invent take https://evil.example/chat_1":     "doesn't lead to a conversation",
		"/invent assign chat_1":                        "Who do you mean?",
		"/invent assign chat_1 to somebody":            "I can't tell who that is",
		"/invent assign chat_1 grace@example.com soon": "too many words",
		"/invent take ..":                              "isn't the id",
	} {
		w.acknowledged(w.ada.Types(w.support, line))
		w.ada.ExpectPrivate(w.support, says)
	}
	w.slack.Escape = false
	w.wrote()
	for _, r := range w.invent.Requests() {
		if strings.Contains(r.Path, "/chats/") {
			t.Errorf("Invent was asked for %s by a command that can't be understood", r.Path)
		}
	}
}

// TestStrangeIdsStayWithinTheirRoute: an id is a person's words, and must not lead to another route of Invent's.
func TestStrangeIdsStayWithinTheirRoute(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"chat_1/state/assign", "chat_1?x=1", "chat_1#x", "chat%2F1", "chat_1/../chat_2", "😀", "مرحبا"} {
		w := newWorld(t)
		w.serve()
		w.acknowledged(w.ada.Types(w.support, "/invent take "+id))
		w.ada.ExpectPrivate(w.support, "othing changed")
		w.wrote()
	}
}

func TestPlainNamesAreNotGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.Escape = false
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 to @grace"))
	w.ada.ExpectPrivate(w.support, "arrived as plain text")
	w.wrote()
}

func TestRetiredButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	take := *card.Button("Take over")
	take.Value = `{"v":0,"chat":"chat_1"}`
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
	w.acknowledged(w.grace.Clicks(&take))
	w.support.ExpectUpdate(card, "Nobody")
	w.grace.ExpectPrivate(w.support, "This card is old, here is a fresh one")
	take.Value = `of long ago`
	w.acknowledged(w.grace.Clicks(&take))
	w.grace.ExpectPrivate(w.support, "older version", "Nothing changed")
	w.wrote("chat_1 mem_ada")
}

func TestOpenRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := w.serve()
	for route, want := range map[string]string{"/healthz": "ok", "/readyz": `"redis":"in-process"`, "/metrics": "inventbot_requests_total"} {
		_ = post(t, address+"/slack/commands", form, "", nil)
		if body := get(t, address+route); !strings.Contains(body, want) {
			t.Errorf("%s answered %q, want %q in it", route, body, want)
		}
	}
	for _, route := range slackRoutes {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, address+route, http.NoBody)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s answered %d, want 405", route, resp.StatusCode)
		}
	}
}
