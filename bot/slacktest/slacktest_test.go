package slacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// clock is a clock that a test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// request is what the bot of these tests got, verified.
type request struct {
	path    string
	form    url.Values
	payload slack.InteractionCallback
	json    map[string]any
	raw     []byte
}

// bot starts a bot that verifies and hands each request to answer.
func bot(t *testing.T, w *Workspace, answer func(http.ResponseWriter, request)) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		ts := r.Header.Get("X-Slack-Request-Timestamp")
		if ts == "" || Sign(w.Secret(), ts, raw) != r.Header.Get("X-Slack-Signature") {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		q := request{path: r.URL.Path, raw: raw}
		if r.Header.Get("Content-Type") == "application/json" {
			_ = json.Unmarshal(raw, &q.json)
		} else {
			q.form, _ = url.ParseQuery(string(raw))
			if p := q.form.Get("payload"); p != "" {
				if err := json.Unmarshal([]byte(p), &q.payload); err != nil {
					t.Errorf("slack-go can't read the payload: %v\n%s", err, p)
				}
				_ = json.Unmarshal([]byte(p), &q.json)
			}
		}
		answer(rw, q)
	}))
	t.Cleanup(srv.Close)
	w.SetBot(srv.URL)
}

func client(w *Workspace) *slack.Client { return slack.New(w.Token(), slack.OptionAPIURL(w.URL())) }

type world struct {
	*Workspace
	ada, grace       *Person
	support, private *Channel
	elsewhere        *Channel // public, without the bot
	clock            *clock
	api              *slack.Client
}

func newWorld(t testing.TB, opts ...Option) *world {
	c := newClock()
	w := New(t, append([]Option{Now(c.Now), Patience(5 * time.Second)}, opts...)...)
	return &world{
		Workspace: w, clock: c, api: client(w),
		ada:       w.AddUser(User{ID: "U1", Name: "ada", Email: "ada@acme.test"}),
		grace:     w.AddUser(User{ID: "U2", Name: "grace", Email: "grace@acme.test"}),
		support:   w.AddChannel(Channel{ID: "C1", Name: "support", BotIsMember: true}),
		private:   w.AddChannel(Channel{ID: "C2", Name: "secret", Private: true, Members: []string{"U1"}}),
		elsewhere: w.AddChannel(Channel{ID: "C3", Name: "random"}),
	}
}

func (w *world) complained(t *testing.T, want ...string) {
	t.Helper()
	got := w.Complaints()
	if len(got) != len(want) {
		t.Fatalf("complaints %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("complaint %q, want %q in it", got[i], want[i])
		}
		w.AllowComplaint(want[i])
	}
}

const card = `[{"type":"section","block_id":"s","text":{"type":"mrkdwn","text":"<@U2> has it &amp; works"}},
{"type":"actions","elements":[{"type":"button","action_id":"take","text":{"type":"plain_text","text":"Take"},"value":"v1","style":"primary"},
{"type":"overflow","action_id":"more","options":[{"text":{"type":"plain_text","text":"Refresh"},"value":"r"}]}]}]`

func blocks(t testing.TB, s string) slack.MsgOption {
	t.Helper()
	var b slack.Blocks
	if err := json.Unmarshal([]byte(s), &b); err != nil {
		t.Fatal(err)
	}
	return slack.MsgOptionBlocks(b.BlockSet...)
}

// call is one Web API call by hand, as a form.
func call(t *testing.T, w *Workspace, method string, form url.Values) (status int, body map[string]any, header http.Header) {
	t.Helper()
	resp, err := http.PostForm(w.URL()+method, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&body)
	return resp.StatusCode, body, resp.Header
}

func respond(t *testing.T, link, contentType, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(link, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(said)
}

func TestSignIsSlacksPublishedExample(t *testing.T) {
	t.Parallel()
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	const want = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	if got := Sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", []byte(body)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestCommandCardClickUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot(t, w.Workspace, func(rw http.ResponseWriter, q request) {
		switch q.path {
		case "/slack/commands":
			if q.form.Get("command") != "/invent" || q.form.Get("text") != "take <@U2|grace>" || q.form.Get("channel_name") != "support" ||
				q.form.Get("team_id") != "T0SANDBOX" || q.form.Get("is_enterprise_install") != "false" || q.form.Get("enterprise_id") != "" {
				t.Errorf("command %v", q.form)
			}
			if _, _, err := w.api.PostMessage("C1", slack.MsgOptionText("Grace has it", false), blocks(t, card)); err != nil {
				t.Error(err)
			}
		case "/slack/interactions":
			p := q.payload
			a := p.ActionCallback.BlockActions[0]
			if p.Type != "block_actions" || p.User.ID != "U1" || p.Team.ID != "T0SANDBOX" || p.Container.IsEphemeral || p.Channel.ID != "C1" ||
				a.ActionID != "take" || a.Value != "v1" || a.BlockID == "" || a.Text.Text != "Take" || p.Message.Text != "Grace has it" ||
				len(p.Message.Blocks.BlockSet) != 2 || p.Message.User != w.BotUserID() {
				t.Errorf("payload %s", q.form.Get("payload"))
			}
			err := slack.PostWebhook(p.ResponseURL, &slack.WebhookMessage{Text: "Ada has it", ReplaceOriginal: true})
			if err != nil {
				t.Error(err)
			}
		}
	})
	if ack := w.ada.Types(w.support, "/invent take @grace"); ack.Err != "" || ack.Status != 200 {
		t.Fatalf("ack %+v", ack)
	}
	m := w.support.ExpectMessage("@grace has it & works", "<@U2>", "Take")
	if strings.Contains(m.Shows(), "Refresh") || m.Text != "Grace has it" || m.Via != "chat.postMessage" {
		t.Errorf("message %+v shows %q", m, m.Shows())
	}
	if m.Button("Refresh") == nil || m.Button("Give up") != nil {
		t.Errorf("buttons %v", m.Buttons())
	}
	w.ada.Clicks(m.Button("Take"))
	if m = w.support.ExpectUpdate(m, "Ada has it"); m.Updated != 1 || m.Buttons() != nil {
		t.Errorf("updated %+v", m)
	}
	if got := w.Messages("C1", "U2"); len(got) != 1 || got[0].Text != "Ada has it" {
		t.Errorf("history %+v", got)
	}
	if c := w.CallsTo("response_url"); len(c) != 1 || c[0].Status != 200 || c[0].Args["replace_original"] != "true" {
		t.Errorf("calls %+v", c)
	}
	for _, c := range w.Calls() {
		if c.Args["token"] != "" {
			t.Errorf("%s keeps the token", c.Method)
		}
	}
}

func TestAcknowledgement(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		answer    func(http.ResponseWriter, *http.Request)
		err       string
		complaint string
		private   string
		public    string
	}{
		{name: "empty", answer: func(http.ResponseWriter, *http.Request) {}},
		{name: "plain words are private", answer: func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") }, private: "hello"},
		{name: "JSON for all", public: "hi", answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"response_type":"in_channel","text":"hi"}`)
		}},
		{name: "JSON without words", complaint: "no_text", answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"ok":true}`)
		}},
		{name: "refused", answer: func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }, err: "dispatch_failed", complaint: "dispatch_failed (status 500"},
		{name: "too late", answer: func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, err: "operation_timeout", complaint: "operation_timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			limit := 5 * time.Second
			if tc.err == "operation_timeout" {
				limit = 30 * time.Millisecond
			}
			w := newWorld(t, AckWithin(limit))
			srv := httptest.NewServer(http.HandlerFunc(tc.answer))
			t.Cleanup(srv.Close)
			w.SetBot(srv.URL + "/")
			ack := w.ada.Types(w.support, "/invent")
			if ack.Err != tc.err {
				t.Errorf("error %q, want %q", ack.Err, tc.err)
			}
			if tc.private != "" {
				if m := w.ada.ExpectPrivate(w.support, tc.private); m.Via != "ack" || ack.Message.TS != m.TS {
					t.Errorf("%+v, %+v", m, ack.Message)
				}
				if got := w.Messages("C1", "U2"); len(got) != 0 {
					t.Errorf("grace sees %+v", got)
				}
			}
			if tc.public != "" {
				m := w.support.ExpectMessage(tc.public)
				_, _, _, err := w.api.UpdateMessage("C1", m.TS, slack.MsgOptionText("new", false))
				if err == nil || err.Error() != "cant_update_message" {
					t.Errorf("update of what came by an acknowledgement: %v", err)
				}
				tc.complaint = "cant_update_message"
			}
			if tc.complaint != "" {
				w.complained(t, tc.complaint)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if ack := w.ada.Types(w.support, "/invent"); ack.Err != "dispatch_failed" {
			t.Errorf("%+v", ack)
		}
		w.complained(t, "dispatch_failed")
	})
}

func TestEscapingOfCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var got string
	bot(t, w.Workspace, func(_ http.ResponseWriter, q request) {
		mu.Lock()
		defer mu.Unlock()
		got = q.form.Get("text")
	})
	for typed, want := range map[string]string{
		"assign c @grace":                "assign c <@U2|grace>",
		"assign c to @grace.":            "assign c to <@U2|grace>.",
		"assign c @nobody":               "assign c @nobody",
		"assign c ada@acme.test":         "assign c ada@acme.test",
		"see #support #secret":           "see <#C1|support> #secret",
		"show https://x.test/o?a=1&b=2":  "show <https://x.test/o?a=1&amp;b=2>",
		"a & b < c > <!channel>":         "a &amp; b &lt; c &gt; &lt;!channel&gt;",
		"   مرحبا 🎉   ":                  "مرحبا 🎉",
		"grace@grace":                    "grace@grace",
		"(@ada)":                         "(<@U1|ada>)",
		"http://a.test @ada https://b.c": "<http://a.test> <@U1|ada> <https://b.c>",
	} {
		w.ada.Types(w.support, "/invent "+typed)
		mu.Lock()
		if got != want {
			t.Errorf("%q arrives as %q, want %q", typed, got, want)
		}
		mu.Unlock()
	}
	w.Escape = false
	w.ada.Types(w.support, "/invent @grace & <x>")
	mu.Lock()
	defer mu.Unlock()
	if got != "@grace & <x>" {
		t.Errorf("without should_escape %q", got)
	}
}

func TestResponseURL(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*world, string) {
		w := newWorld(t)
		bot(t, w.Workspace, func(http.ResponseWriter, request) {})
		return w, w.ada.Types(w.elsewhere, "/invent").ResponseURL
	}
	t.Run("five times, also where the bot is no member", func(t *testing.T) {
		t.Parallel()
		w, link := start(t)
		for range 5 {
			if status, said := respond(t, link, "application/json", `{"text":"x"}`); status != 200 || said != "ok" {
				t.Fatalf("%d %s", status, said)
			}
			w.ada.ExpectPrivate(w.elsewhere, "x")
		}
		if status, said := respond(t, link, "application/json", `{"text":"x"}`); status != 404 || !strings.Contains(said, "used_url") {
			t.Errorf("%d %s", status, said)
		}
		w.complained(t, "used_url")
	})
	t.Run("half an hour", func(t *testing.T) {
		t.Parallel()
		w, link := start(t)
		w.clock.turn(30 * time.Minute)
		if status, _ := respond(t, link, "application/json", `{"text":"x","response_type":"in_channel"}`); status != 200 {
			t.Error(status)
		}
		w.elsewhere.ExpectMessage("x")
		w.clock.turn(time.Second)
		if status, said := respond(t, link, "application/json", `{"text":"x"}`); status != 404 || !strings.Contains(said, "expired_url") {
			t.Errorf("%d %s", status, said)
		}
		w.complained(t, "expired_url")
	})
	for name, tc := range map[string]struct {
		kind, body string
		status     int
		complaint  string
	}{
		"a form":                 {formType, "text=x", 400, "content type"},
		"no object":              {"application/json", "[1]", 400, "no JSON object"},
		"nothing":                {"application/json", "{}", 400, "no_text"},
		"bad blocks":             {"application/json", `{"text":"x","blocks":[{"type":"zzz"}]}`, 400, "unknown block type"},
		"an unknown type":        {"application/json", `{"text":"x","response_type":"all"}`, 400, "response_type all"},
		"delete without a click": {"application/json", `{"delete_original":true}`, 404, "no click"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, link := start(t)
			if status, said := respond(t, link, tc.kind, tc.body); status != tc.status {
				t.Errorf("%d %s, want %d", status, said, tc.status)
			}
			w.complained(t, tc.complaint)
		})
	}
	t.Run("replace without a click posts anew and is blamed", func(t *testing.T) {
		t.Parallel()
		w, link := start(t)
		respond(t, link, "application/json", `{"text":"x","replace_original":true}`)
		w.ada.ExpectPrivate(w.elsewhere, "x")
		w.complained(t, "no click")
	})
	t.Run("a clicked ephemeral is replaced, then deleted", func(t *testing.T) {
		t.Parallel()
		w, link := start(t)
		body := `{"text":"x","blocks":` + card + `}`
		respond(t, link, "application/json", body)
		m := w.ada.ExpectPrivate(w.elsewhere, "has it")
		var seen map[string]any
		bot(t, w.Workspace, func(_ http.ResponseWriter, q request) { seen = q.json })
		ack := w.ada.Press(m, "Take")
		container, _ := seen["container"].(map[string]any)
		if seen["message"] != nil || container["is_ephemeral"] != true || container["message_ts"] != m.TS {
			t.Errorf("payload %v", seen)
		}
		respond(t, ack.ResponseURL, "application/json", `{"text":"y","replace_original":true}`)
		again := w.ada.ExpectPrivate(w.elsewhere, "y")
		if again.TS != m.TS || again.Updated != 1 {
			t.Errorf("replaced %+v", again)
		}
		respond(t, ack.ResponseURL, "application/json", `{"delete_original":true}`)
		w.ada.ExpectPrivateGone(m)
	})
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	const modal = `{"type":"modal","title":{"type":"plain_text","text":"Assign"},"blocks":[{"type":"divider"}]}`
	open := func(t *testing.T, w *world, id string) any {
		_, body, _ := call(t, w.Workspace, "views.open", url.Values{"token": {w.Token()}, "trigger_id": {id}, "view": {modal}})
		return body["error"]
	}
	w := newWorld(t)
	bot(t, w.Workspace, func(http.ResponseWriter, request) {})
	id := w.ada.Types(w.support, "/invent").TriggerID
	w.clock.turn(3 * time.Second)
	if got := open(t, w, id); got != nil {
		t.Errorf("at the last moment: %v", got)
	}
	w.ada.ExpectModal("Assign")
	if w.grace.Modal() != nil {
		t.Error("grace sees ada's modal")
	}
	if got := open(t, w, id); got != "exchanged_trigger_id" {
		t.Errorf("twice: %v", got)
	}
	id = w.ada.Types(w.support, "/invent").TriggerID
	w.clock.turn(3*time.Second + 1)
	if got := open(t, w, id); got != "expired_trigger_id" {
		t.Errorf("late: %v", got)
	}
	if got := open(t, w, "1.2.x"); got != "invalid_trigger_id" {
		t.Errorf("made up: %v", got)
	}
	w.complained(t, "exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id")
}

func TestTokensAndScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Scopes("chat:write", "users:read"))
	tok := w.Token()
	for _, tc := range []struct {
		method string
		form   url.Values
		want   any
	}{
		{"auth.test", url.Values{"token": {tok}}, nil},
		{"auth.test", nil, "not_authed"},
		{"auth.test", url.Values{"token": {"xoxb-other"}}, "invalid_auth"},
		{"users.everything", url.Values{"token": {tok}}, "unknown_method"},
		{"users.lookupByEmail", url.Values{"token": {tok}, "email": {"ada@acme.test"}}, "missing_scope"},
		{"conversations.open", url.Values{"token": {tok}, "users": {"U1"}}, "missing_scope"},
		{"chat.postMessage", url.Values{"token": {tok}, "channel": {"C1"}, "text": {"x"}, "username": {"Boss"}}, "missing_scope"},
		{"users.info", url.Values{"token": {tok}, "user": {"U9"}}, "user_not_found"},
	} {
		status, body, _ := call(t, w.Workspace, tc.method, tc.form)
		if status != 200 || body["error"] != tc.want {
			t.Errorf("%s %v: %d %v, want %v", tc.method, tc.form, status, body, tc.want)
		}
		if tc.want == "missing_scope" && (body["needed"] == nil || body["provided"] != "chat:write,users:read") {
			t.Errorf("%s: %v", tc.method, body)
		}
	}
	w.complained(t, "not_authed", "invalid_auth", "unknown_method", "users:read.email", "im:write", "chat:write.customize")

	u, err := w.api.GetUserInfo("U1")
	if err != nil || u.Profile.Email != "" || !u.IsEmailConfirmed {
		t.Errorf("without users:read.email: %+v, %v", u, err)
	}
	w.SetScopes("channels:read")
	w.SetChannel("C2", func(c *Channel) { c.BotIsMember = true })
	for channel, needed := range map[string]any{"C1": nil, "C2": "groups:read", w.ada.DM().ID: "im:read"} {
		_, body, _ := call(t, w.Workspace, "conversations.info", url.Values{"token": {tok}, "channel": {channel}})
		if body["needed"] != needed {
			t.Errorf("%s: %v, want that %v is needed", channel, body, needed)
		}
	}
	w.AllowComplaint("groups:read")
	w.AllowComplaint("im:read")
	w.SetScopes("users:read", "users:read.email")
	if u, err = w.api.GetUserInfo("U1"); err != nil || u.Profile.Email != "ada@acme.test" {
		t.Errorf("with it: %+v, %v", u, err)
	}
	if u, err = w.api.GetUserByEmail("ADA@acme.test"); err != nil || u.ID != "U1" {
		t.Errorf("by e-mail: %+v, %v", u, err)
	}
	w.Revoke()
	if _, err := w.api.AuthTest(); err == nil || err.Error() != "token_revoked" {
		t.Errorf("revoked: %v", err)
	}
	w.Restore()
	if a, err := w.api.AuthTest(); err != nil || a.UserID != w.BotUserID() || a.TeamID != "T0SANDBOX" {
		t.Errorf("restored: %+v, %v", a, err)
	}
}

func TestKindsOfPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Enterprise("E1"))
	w.AddUser(User{ID: "U5", Name: "guest", UltraGuest: true, EmailUnconfirmed: true})
	w.AddUser(User{ID: "U6", Name: "outsider", Email: "o@other.test", Stranger: true, TeamID: "T9"})
	w.SetUser("U2", func(u *User) { u.Deactivated, u.Owner = true, true })
	guest, _ := w.api.GetUserInfo("U5")
	if !guest.IsRestricted || !guest.IsUltraRestricted || guest.IsEmailConfirmed {
		t.Errorf("guest %+v", guest)
	}
	outsider, _ := w.api.GetUserInfo("U6")
	if !outsider.IsStranger || outsider.TeamID != "T9" || outsider.Profile.Email != "" {
		t.Errorf("outsider %+v", outsider)
	}
	grace, _ := w.api.GetUserInfo("U2")
	if !grace.Deleted || !grace.IsAdmin || grace.Enterprise.EnterpriseID != "E1" {
		t.Errorf("grace %+v", grace)
	}
	all, err := w.api.GetUsers(slack.GetUsersOptionLimit(2))
	if err != nil || len(all) != 5 || all[0].ID != w.BotUserID() || len(w.CallsTo("users.list")) != 3 {
		t.Errorf("list of %d in %d calls: %v", len(all), len(w.CallsTo("users.list")), err)
	}
}

func TestMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.AddChannel(Channel{Name: "old", Archived: true, BotIsMember: true})
	post := func(channel string) string {
		_, _, err := w.api.PostMessage(channel, slack.MsgOptionText("x", false))
		if err != nil {
			return err.Error()
		}
		return ""
	}
	for channel, want := range map[string]string{
		w.elsewhere.ID: "not_in_channel", w.private.ID: "channel_not_found", "C999": "channel_not_found", old.ID: "is_archived", "U999": "channel_not_found",
	} {
		if got := post(channel); got != want {
			t.Errorf("post to %s: %q, want %q", channel, got, want)
		}
	}
	w.complained(t) // none of these is the bot's fault
	w.SetScopes("chat:write", "chat:write.public")
	if got := post(w.elsewhere.ID); got != "" {
		t.Errorf("with chat:write.public: %s", got)
	}
	w.elsewhere.ExpectMessage("x")
	w.SetChannel(w.private.ID, func(c *Channel) { c.BotIsMember = true })
	if got := post(w.private.ID); got != "" {
		t.Errorf("invited: %s", got)
	}
	w.private.ExpectMessage("x")
	if w.Messages(w.private.ID, "U2") != nil {
		t.Error("grace looks into a private channel")
	}
	if _, err := w.api.PostEphemeral(w.private.ID, "U2", slack.MsgOptionText("x", false)); err == nil || err.Error() != "user_not_in_channel" {
		t.Errorf("ephemeral for somebody outside: %v", err)
	}
	if _, err := w.api.PostEphemeral(w.private.ID, "U1", slack.MsgOptionText("pst", false)); err != nil {
		t.Error(err)
	}
	w.ada.ExpectPrivate(w.private, "pst")
	if got := post("#support"); got != "channel_not_found" {
		t.Errorf("by name: %q", got)
	}
	w.complained(t, "ids, not names")
}

func TestDirectMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	channel, ts, err := w.api.PostMessage("U1", slack.MsgOptionText("hello", false))
	if err != nil || !strings.HasPrefix(channel, "D") {
		t.Fatalf("%s %v", channel, err)
	}
	m := w.ada.ExpectDM("hello")
	if m.Channel != channel || w.ada.DM().ID != channel || !w.Channel(channel).IsDM() {
		t.Errorf("%+v", m)
	}
	if _, _, _, err := w.api.UpdateMessage("U1", ts, slack.MsgOptionText("x", false)); err == nil || err.Error() != "channel_not_found" {
		t.Errorf("update by the person's id: %v", err)
	}
	if _, _, _, err := w.api.UpdateMessage(channel, ts, slack.MsgOptionText("bye", false)); err != nil {
		t.Error(err)
	}
	w.ada.DM().ExpectUpdate(m, "bye")
	if w.Messages(channel, "U2") != nil {
		t.Error("grace reads ada's direct messages")
	}
	w.complained(t, "own id (D")
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ts, err := w.api.PostMessage("C1", slack.MsgOptionText("card", false), blocks(t, card))
	if err != nil {
		t.Fatal(err)
	}
	m := w.support.ExpectMessage("has it")
	update := func(ts string, opts ...slack.MsgOption) string {
		_, _, _, err := w.api.UpdateMessage("C1", ts, opts...)
		if err != nil {
			return err.Error()
		}
		return ""
	}
	if got := update(ts, slack.MsgOptionText(strings.Repeat("é", 4000), false)); got != "" {
		t.Errorf("4000 characters: %s", got)
	}
	if m = w.support.ExpectUpdate(m, "éé"); m.Blocks != nil {
		t.Errorf("text without blocks kept the blocks %s", m.Blocks)
	}
	if got := update(ts, slack.MsgOptionText(strings.Repeat("é", 4001), false)); got != "msg_too_long" {
		t.Errorf("4001 characters: %q", got)
	}
	if got := update(ts); got != "no_text" {
		t.Errorf("nothing: %q", got)
	}
	if got := update("1.2", slack.MsgOptionText("x", false)); got != "message_not_found" {
		t.Errorf("unknown ts: %q", got)
	}
	said := w.ada.Says(w.support, "hi")
	if got := update(said.TS, slack.MsgOptionText("x", false)); got != "cant_update_message" {
		t.Errorf("ada's message: %q", got)
	}
	w.complained(t, "msg_too_long", "no_text", "cant_update_message")
	w.Message("C1", ts).Delete()
	if got := update(ts, slack.MsgOptionText("x", false)); got != "message_not_found" {
		t.Errorf("deleted: %q", got)
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const form = `{"type":"modal","callback_id":"assign","private_metadata":"chat_1","title":{"type":"plain_text","text":"Assign"},
	"submit":{"type":"plain_text","text":"Assign"},"blocks":[
	{"type":"input","block_id":"who","label":{"type":"plain_text","text":"Who"},"element":{"type":"external_select","action_id":"member","min_query_length":0}},
	{"type":"input","block_id":"note","optional":true,"label":{"type":"plain_text","text":"Note"},"element":{"type":"plain_text_input","action_id":"text"}}]}`
	var mu sync.Mutex
	answer := `{"response_action":"errors","errors":{"who":"is away"}}`
	bot(t, w.Workspace, func(rw http.ResponseWriter, q request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case q.path == "/slack/options":
			if q.payload.Type != "block_suggestion" || q.payload.Value != "gr" || q.payload.ActionID != "member" || q.payload.View.CallbackID != "assign" {
				t.Errorf("suggestion %s", q.form.Get("payload"))
			}
			_, _ = io.WriteString(rw, `{"options":[{"text":{"type":"plain_text","text":"Grace"},"value":"m2"}]}`)
		case q.payload.Type == "view_submission":
			values := q.payload.View.State.Values
			if values["who"]["member"].SelectedOption.Value != "m2" || values["note"]["text"].Value != "be nice" || q.payload.View.PrivateMetadata != "chat_1" {
				t.Errorf("submission %s", q.form.Get("payload"))
			}
			_, _ = io.WriteString(rw, answer)
		case q.path == "/slack/commands":
			var view slack.ModalViewRequest
			if err := json.Unmarshal([]byte(form), &view); err != nil {
				t.Error(err)
			}
			if _, err := w.api.OpenView(q.form.Get("trigger_id"), view); err != nil {
				t.Error(err)
			}
		case q.path == "/slack/events":
			user := q.json["event"].(map[string]any)["user"].(string)
			view := slack.HomeTabViewRequest{Type: "home", Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", "Welcome", false, false))}}}
			if _, err := w.api.PublishView(user, view, ""); err != nil {
				t.Error(err)
			}
		}
	})
	w.ada.Types(w.support, "/invent")
	v := w.ada.ExpectModal("Who", "Note")
	if v.CallbackID != "assign" || v.PrivateMetadata != "chat_1" || v.Submit != "Assign" {
		t.Errorf("%+v", v)
	}
	offered, _ := w.ada.Options(v, "member", "gr")
	if len(offered) != 1 || offered[0].Text != "Grace" {
		t.Fatalf("offered %+v", offered)
	}
	w.ada.Submits(v, map[string]any{"member": "Grace", "text": "be nice"})
	if got := w.ada.Modal(); got == nil || got.Errors["who"] != "is away" {
		t.Errorf("after errors %+v", got)
	}
	mu.Lock()
	answer = `{"ok":true}`
	mu.Unlock()
	w.ada.Submits(v, map[string]any{"member": "m2", "text": "be nice"})
	if w.ada.Modal() == nil {
		t.Error("ok closed the modal")
	}
	w.complained(t, "stuck")
	mu.Lock()
	answer = ``
	mu.Unlock()
	w.ada.Submits(v, map[string]any{"who": "m2", "note": "be nice"})
	if w.ada.Modal() != nil {
		t.Error("still open")
	}
	if _, err := w.api.UpdateView(slack.ModalViewRequest{}, "", "", v.ID); err == nil || err.Error() != "not_found" {
		t.Errorf("update of a closed modal: %v", err)
	}
	if ack := w.ada.OpensHome(); ack.Err != "" {
		t.Errorf("opening the Home tab: %s", ack.Err)
	}
	if ack := w.ada.OpensHome(); !strings.Contains(string(ack.Request), `"state":{"values":[]}`) {
		t.Errorf("the Home tab that is there is told so: %s", ack.Request)
	}
	home := w.ada.ExpectHome("Welcome")
	if _, err := w.api.PublishView("U1", slack.HomeTabViewRequest{Type: "home"}, "old"); err == nil || err.Error() != "hash_conflict" {
		t.Errorf("stale hash: %v (%s)", err, home.Hash)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var ids []any
	bot(t, w.Workspace, func(_ http.ResponseWriter, q request) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, q.json["event_id"], q.json["type"], q.json["team_id"])
	})
	ack := w.Event(map[string]any{"type": "app_uninstalled"})
	w.EventAgain(ack.EventID, 1, "http_timeout")
	mu.Lock()
	defer mu.Unlock()
	want := []any{ack.EventID, "event_callback", "T0SANDBOX"}
	if !slices.Equal(ids, append(want, want...)) {
		t.Errorf("got %v", ids)
	}
}

func TestForgedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := 0
	bot(t, w.Workspace, func(http.ResponseWriter, request) { n++ })
	ack := w.Send("/slack/interactions", formType, []byte("payload={}"))
	if ack.Status != 200 || n != 1 {
		t.Errorf("signed: %+v, %d", ack, n)
	}
	if again := ack.Again(); again.Status != 200 || n != 2 {
		t.Errorf("again: %+v, %d", again, n)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func() error {
		_, _, err := w.api.PostMessage("C1", slack.MsgOptionText("x", false))
		return err
	}
	undo := w.Fault(Fault{Method: "chat.postMessage", Times: 1, Status: 429, RetryAfter: 7})
	var limited *slack.RateLimitedError
	if err := post(); !asError(err, &limited) || limited.RetryAfter != 7*time.Second {
		t.Errorf("429: %v", err)
	}
	undo()
	w.Fault(Fault{Method: "*", Times: 1, Status: 503})
	var status slack.StatusCodeError
	if err := post(); !asError(err, &status) || status.Code != 503 {
		t.Errorf("503: %v", err)
	}
	undo = w.Fault(Fault{Method: "chat.postMessage", Error: "fatal_error", After: true})
	if err := post(); err == nil || err.Error() != "fatal_error" {
		t.Errorf("fatal_error: %v", err)
	}
	undo()
	w.support.ExpectMessage("x") // done all the same
	w.Fault(Fault{Method: "chat.postMessage", Times: 1, Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, 1)
	watched := w.Watch(t.Context())
	go func() {
		_, _, err := w.api.PostMessageContext(ctx, "C1", slack.MsgOptionText("x", false))
		heard <- err
	}()
	for len(w.CallsTo("chat.postMessage")) < 4 {
		<-watched
	}
	cancel()
	if err := <-heard; err == nil {
		t.Error("a hanging call answered")
	}
	if err := post(); err != nil {
		t.Errorf("after all: %v", err)
	}
	w.support.ExpectMessage("x")
	var got []int
	for _, c := range w.Calls() {
		got = append(got, c.Status)
	}
	if !slices.Equal(got, []int{429, 503, 200, 0, 200}) {
		t.Errorf("statuses %v", got)
	}
}

func asError[T error](err error, to *T) bool {
	return errors.As(err, to)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IgnoreLeftovers()
	w.RateLimits(true)
	post := func() (int, string) {
		status, _, header := call(t, w.Workspace, "chat.postMessage", url.Values{"token": {w.Token()}, "channel": {"C1"}, "text": {"x"}})
		return status, header.Get("Retry-After")
	}
	for i := range 5 {
		if status, _ := post(); status != 200 {
			t.Fatalf("message %d: %d", i, status)
		}
	}
	if status, after := post(); status != 429 || after != "1" {
		t.Errorf("the sixth at once: %d, Retry-After %q", status, after)
	}
	w.clock.turn(time.Second)
	if status, _ := post(); status != 200 {
		t.Errorf("a second later: %d", status)
	}
	w.RateLimits(false)
	if status, _ := post(); status != 200 {
		t.Errorf("switched off: %d", status)
	}
}

// TestCallsThatComeTooSoon: whoever is told to wait and doesn't is complained of, but for what was on its way.
func TestCallsThatComeTooSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IgnoreLeftovers()
	w.AllowComplaint("before the time in Retry-After")
	w.Limit("chat.postMessage", 2, 30)
	post := func(channel string, status, after int) {
		t.Helper()
		got, _, header := call(t, w.Workspace, "chat.postMessage", url.Values{"token": {w.Token()}, "channel": {channel}, "text": {"x"}})
		if said, _ := strconv.Atoi(header.Get("Retry-After")); got != status || said != after {
			t.Errorf("answered %d, Retry-After %d, want %d, %d", got, said, status, after)
		}
	}
	complaints := func(want int) {
		t.Helper()
		if got := w.Complaints(); len(got) != want {
			t.Errorf("complaints %q, want %d", got, want)
		}
	}
	post("C1", 200, 0)
	post("C1", 200, 0)
	post("C1", 429, 30)
	post("C1", 429, 30)
	complaints(0)
	post("C2", 200, 0)
	w.clock.turn(10 * time.Second)
	post("C2", 200, 0)
	complaints(0)
	post("C1", 429, 20)
	complaints(1)
	w.clock.turn(20 * time.Second)
	post("C1", 200, 0)
	post("C1", 200, 0)
	post("C1", 429, 30)
	complaints(1)
}

// recorder is a test that only notes what would have failed it.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	cleanups []func()
	failed   bool
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, s)
}
func (r *recorder) Error(args ...any)            { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)) }
func (r *recorder) Fatalf(f string, args ...any) {
	r.note(fmt.Sprintf(f, args...))
	r.mu.Lock()
	r.failed = true
	r.mu.Unlock()
	runtime.Goexit()
}

// run runs a test body as the testing package would and gives what failed it.
func (r *recorder) run(body func(w *world)) []string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		body(newWorld(r, Patience(10*time.Millisecond)))
	}()
	<-done
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return r.said
}

func TestWhatFailsATest(t *testing.T) {
	t.Parallel()
	post := func(w *world, text string) string {
		_, ts, _ := w.api.PostMessage("C1", slack.MsgOptionText(text, false))
		return ts
	}
	for _, tc := range []struct {
		name string
		body func(w *world)
		want []string
	}{
		{"nothing", func(*world) {}, nil},
		{"a message nobody expected", func(w *world) { post(w, "stray") }, []string{"left over (not expected): #support, by chat.postMessage", `"stray"`}},
		{"a tolerated one doesn't, what it became does", func(w *world) {
			Tolerates("patience")(w.Workspace)
			post(w, "Some patience")
			_, _, _, _ = w.api.UpdateMessage("C1", post(w, "More patience"), slack.MsgOptionText("done", false))
		}, []string{"left over (not expected)"}},
		{"an expected one doesn't", func(w *world) { post(w, "x"); w.support.ExpectMessage("x") }, nil},
		{"a redrawing nobody expected", func(w *world) {
			ts := post(w, "x")
			w.support.ExpectMessage("x")
			_, _, _, _ = w.api.UpdateMessage("C1", ts, slack.MsgOptionText("y", false))
		}, []string{"left over (redrawn"}},
		{"a redrawing that changes nothing doesn't", func(w *world) {
			ts := post(w, "x")
			w.support.ExpectMessage("x")
			_, _, _, _ = w.api.UpdateMessage("C1", ts, slack.MsgOptionText("x", false))
		}, nil},
		{"drawings that were overtaken don't", func(w *world) {
			ts := post(w, "x")
			_, _, _, _ = w.api.UpdateMessage("C1", ts, slack.MsgOptionText("y", false))
			_, _, _, _ = w.api.UpdateMessage("C1", ts, slack.MsgOptionText("z", false))
			w.support.ExpectUpdate(w.support.ExpectMessage("x"), "z")
		}, nil},
		{"a complaint", func(w *world) { _, _ = w.api.GetEmoji() }, []string{"unknown_method"}},
		{"an allowed complaint doesn't", func(w *world) { w.AllowComplaint("emoji.list"); _, _ = w.api.GetEmoji() }, nil},
		{"a message that doesn't come, told with what there is", func(w *world) {
			post(w, "one thing")
			w.support.ExpectMessage("another")
		}, []string{`A message in #support with ["another"] did not come`, `"one thing"`}},
		{"a private message that is for somebody else", func(w *world) {
			_, _ = w.api.PostEphemeral("C1", "U2", slack.MsgOptionText("pst", false))
			w.ada.ExpectPrivate(w.support, "pst")
		}, []string{"only ada sees", "only for grace"}},
		{"a click on nothing", func(w *world) { w.ada.Clicks(nil) }, []string{"not there"}},
		{"a label that is not there", func(w *world) {
			_, _, _ = w.api.PostMessage("C1", slack.MsgOptionText("x", false), blocks(t, card))
			w.ada.Press(w.support.ExpectMessage(), "Release")
		}, []string{`["Take" "Refresh"]`}},
		{"a click on what is deleted", func(w *world) {
			_, _, _ = w.api.PostMessage("C1", slack.MsgOptionText("x", false), blocks(t, card))
			m := w.support.ExpectMessage()
			m.Delete()
			w.ada.Press(m, "Take")
		}, []string{"deleted"}},
		{"a command where one isn't", func(w *world) { w.grace.Types(w.private, "/invent") }, []string{"not a member"}},
		{"the same words twice need two expectations", func(w *world) {
			post(w, "x")
			post(w, "x")
			w.support.ExpectMessage("x")
		}, []string{"left over"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := (&recorder{}).run(tc.body)
			if tc.want == nil && len(got) > 0 {
				t.Errorf("failed with %q", got)
			}
			if tc.want != nil && len(got) != 1 {
				t.Fatalf("%d failures %q, want one with %q", len(got), got, tc.want)
			}
			for _, s := range tc.want {
				if !strings.Contains(got[0], s) {
					t.Errorf("failed with %q, want %q in it", got[0], s)
				}
			}
		})
	}
}

func TestWithoutATest(t *testing.T) {
	t.Parallel()
	w := Start(Patience(time.Millisecond))
	ch := w.AddChannel(Channel{Name: "support"})
	if m := ch.ExpectMessage("x"); m != nil || len(w.Complaints()) != 1 {
		t.Errorf("%v, %v", m, w.Complaints())
	}
	watched := w.Watch(context.Background())
	w.Close()
	w.Close()
	for range watched { // ends with the workspace
	}
	if _, ok := <-w.Watch(context.Background()); ok {
		t.Error("a closed workspace is watched")
	}
}

func TestManyPeopleAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bot(t, w.Workspace, func(rw http.ResponseWriter, q request) {
		_ = slack.PostWebhook(q.payload.ResponseURL, &slack.WebhookMessage{Text: "no, " + q.payload.User.Name})
	})
	_, _, _ = w.api.PostMessage("C1", slack.MsgOptionText("x", false), blocks(t, card))
	m := w.support.ExpectMessage("has it")
	var all []*Person
	for i := range 50 {
		all = append(all, w.AddUser(User{Name: fmt.Sprintf("p%02d", i)}))
	}
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() { p.Clicks(m.Button("Take")) })
	}
	wg.Wait()
	for _, p := range all {
		p.ExpectPrivate(w.support, "no, "+p.Name)
	}
}

func TestShortcutsModalsUponModalsAndClosing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	view := func(title string) url.Values {
		return url.Values{"token": {w.Token()}, "view": {`{"type":"modal","notify_on_close":true,"title":{"type":"plain_text","text":"` + title + `"},"blocks":` + card + `}`}}
	}
	var got []request
	bot(t, w.Workspace, func(_ http.ResponseWriter, q request) { got = append(got, q) })
	open := func(method, title, trigger string) any {
		form := view(title)
		form.Set("trigger_id", trigger)
		_, body, _ := call(t, w.Workspace, method, form)
		return body["error"]
	}
	said := w.ada.Says(w.support, "look at https://x.test/chat_1")
	ack := w.grace.MessageShortcut("work", said)
	if p := got[0].payload; p.Type != "message_action" || p.CallbackID != "work" || p.Message.Text == "" || p.Message.User != "U1" || p.ResponseURL == "" {
		t.Errorf("%s", got[0].raw)
	}
	if err := open("views.open", "One", ack.TriggerID); err != nil {
		t.Fatal(err)
	}
	if err := open("views.push", "Two", w.grace.Shortcut("take").TriggerID); err != nil {
		t.Fatal(err)
	}
	two := w.grace.ExpectModal("Two", "Take")
	ack = w.grace.Clicks(two.Button("Refresh"))
	if p := got[2].payload; p.Container.ViewID != two.ID || p.View.ID != two.ID || p.ActionCallback.BlockActions[0].SelectedOption.Value != "r" || ack.ResponseURL != "" {
		t.Errorf("%s", got[2].raw)
	}
	form := view("Three")
	form.Set("view_id", two.ID)
	form.Set("hash", two.Hash)
	if _, body, _ := call(t, w.Workspace, "views.update", form); body["ok"] != true {
		t.Errorf("update %v", body)
	}
	if _, body, _ := call(t, w.Workspace, "views.update", form); body["error"] != "hash_conflict" {
		t.Errorf("update with the old hash %v", body)
	}
	w.grace.ExpectModal("Three")
	if ack := w.grace.Closes(); ack == nil || got[len(got)-1].payload.Type != "view_closed" {
		t.Errorf("closing was not told: %+v", ack)
	}
	w.grace.ExpectModal("One")
}

func TestUnfoldedLinkAndDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Scopes("chat:write", "links:write", "channels:read", "im:write"))
	said := w.ada.Says(w.support, "see https://x.test/o?c=1&d=2")
	unfurl := func(link string) any {
		raw, _ := json.Marshal(map[string]any{link: map[string]any{"blocks": json.RawMessage(card)}})
		_, body, _ := call(t, w.Workspace, "chat.unfurl", url.Values{"token": {w.Token()}, "channel": {"C1"}, "ts": {said.TS}, "unfurls": {string(raw)}})
		return body["error"]
	}
	if err := unfurl("https://x.test/o?c=1&d=2"); err != nil {
		t.Error(err)
	}
	if said.Now().Unfurls["https://x.test/o?c=1&d=2"] == nil {
		t.Error("not unfolded")
	}
	w.support.ExpectUnfurl(said, "https://x.test/o?c=1&d=2")
	if err := unfurl("https://other.test/"); err != "cannot_unfurl_message" {
		t.Errorf("a link that is not there: %v", err)
	}
	if _, _, err := w.api.DeleteMessage("C1", said.TS); err == nil || err.Error() != "cant_delete_message" {
		t.Errorf("ada's message: %v", err)
	}
	w.complained(t, "not in the message", "U1's")
	private := func() {
		t.Helper()
		if _, err := w.api.PostEphemeral("C1", "U1", slack.MsgOptionText("pst", false), slack.MsgOptionTS(said.TS)); err != nil {
			t.Error(err)
		}
		w.ada.ExpectPrivate(w.support, "pst").Delete()
	}
	private()
	w.complained(t, "not in the message", "U1's", "nobody has replied")
	_, ts, _ := w.api.PostMessage("C1", slack.MsgOptionText("x", false), slack.MsgOptionTS(said.TS), slack.MsgOptionBroadcast())
	private()
	if m := w.support.ExpectMessage("x"); m.ThreadTS != said.TS || !m.Broadcast {
		t.Errorf("thread %q, in the channel: %v", m.ThreadTS, m.Broadcast)
	}
	var began request
	bot(t, w.Workspace, func(_ http.ResponseWriter, q request) { began = q })
	w.ada.MessageShortcut("work", said)
	if got := began.payload.Message.ThreadTimestamp; got != said.TS {
		t.Errorf("the message that began the thread is told to stand in %q, want its own", got)
	}
	if _, _, err := w.api.PostMessage("C1", slack.MsgOptionText("y", false), slack.MsgOptionTS(ts)); err != nil {
		t.Error(err)
	}
	w.support.ExpectMessage("y").Delete()
	w.complained(t, "not in the message", "U1's", "nobody has replied", "is a reply's")
	if _, _, err := w.api.DeleteMessage("C1", ts); err != nil {
		t.Error(err)
	}
	if got := w.Messages("C1", "U1"); len(got) != 1 || w.Message("C1", ts) == nil {
		t.Errorf("history %+v", got)
	}
	c, err := w.api.GetConversationInfo(&slack.GetConversationInfoInput{ChannelID: "C3"})
	if err != nil || c.IsMember || c.Name != "random" {
		t.Errorf("%+v, %v", c, err)
	}
	dm, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U1"}})
	if err != nil || dm.ID != w.ada.DM().ID {
		t.Errorf("%+v, %v", dm, err)
	}
}
