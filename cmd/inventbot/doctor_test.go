package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// report is what doctor --json prints.
type report struct {
	Verdict  string
	Code     int
	Findings []finding
}

// examine runs the doctor twice, for people and for machines, and wants both to be of one mind and to hold no secret.
func (w *world) examine(t *testing.T) report {
	t.Helper()
	text, code := w.run(t, "doctor")
	machine, code2 := w.run(t, "doctor", "--json")
	var r report
	if err := json.Unmarshal(machine, &r); err != nil || code != code2 || r.Code != code {
		t.Fatalf("exit codes %d and %d, %v:\n%s\n%s", code, code2, err, text, machine)
	}
	for _, secret := range []string{
		w.slack.Secret(), w.slack.Token(), w.invent.Key(), "xapp-", "s3cret", "ada@example.com", "grace@example.com", "Grace",
	} {
		if strings.Contains(string(text)+string(machine), secret) {
			t.Errorf("%q is printed:\n%s", secret, text)
		}
	}
	for _, f := range r.Findings {
		if f.Result == "" || (f.State == bad || f.State == off) && f.Mend == "" {
			t.Errorf("a finding without a result, or without the step that mends it: %+v", f)
		}
		if f.Checked == "latency" {
			continue // it was measured twice
		}
		if !strings.Contains(string(text), f.Result) || !strings.Contains(string(text), f.Mend) {
			t.Errorf("people don't read %+v in\n%s", f, text)
		}
	}
	if n := len(w.invent.Writes()); n > 0 {
		t.Errorf("Invent was written %d times", n)
	}
	harmless := []string{"auth.test", "users.list", "apps.connections.open", "conversations.info"}
	for _, c := range w.slack.Calls() {
		if !slices.Contains(harmless, c.Method) {
			t.Errorf("Slack was asked for %s", c.Method)
		}
	}
	return r
}

func (w *world) run(t *testing.T, args ...string) (stdout []byte, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{"INVENTBOT_TEST_MAIN=1"}
	for k, v := range w.settings {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	keepsSecrets(t, "stdout", string(out), w.settings)
	keepsSecrets(t, "stderr", errs.String(), w.settings)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out, exit.ExitCode()
	}
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %s", err, &errs)
	}
	return out, 0
}

// wants fails unless there is a finding of this state with these words.
func (r report) wants(t *testing.T, code int, s state, words ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit code %d, want %d", r.Code, code)
	}
	for _, f := range r.Findings {
		line := f.Part + " " + f.Checked + ": " + f.Result + " -> " + f.Mend
		if f.State == s && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	t.Errorf("nothing is %q with %q:", s, words)
	for _, f := range r.Findings {
		t.Logf("%s %s %s: %s -> %s", f.State, f.Part, f.Checked, f.Result, f.Mend)
	}
}

// well is a world in which all is well, with a bot that serves at PUBLIC_URL.
func well(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.settings["REDIS_URL"] = redis(t)
	served := start(t, w.settings)
	w.settings["PUBLIC_URL"] = served.address
	w.slack.SetBot(served.address)
	return w
}

func TestDoctorAllIsWell(t *testing.T) {
	t.Parallel()
	w := well(t)
	r := w.examine(t)
	r.wants(t, 0, good, "settings form")
	r.wants(t, 0, good, "redis persistence", "written at once")
	r.wants(t, 0, good, "redis eviction")
	r.wants(t, 0, good, "redis version")
	r.wants(t, 0, good, "redis latency")
	r.wants(t, 0, good, "slack token", "Sandbox")
	r.wants(t, 0, good, "slack scope users:read.email", "e-mail")
	r.wants(t, 0, good, "slack clock")
	r.wants(t, 0, good, "slack PUBLIC_URL", "refuses what isn't signed")
	r.wants(t, 0, good, "invent key")
	r.wants(t, 0, good, "PATCH /chats/{chat_id}/state/assign member_id", "take, assign and release")
	r.wants(t, 0, good, "invent members", "1 are active, and all")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*testing.T, *world)
		code   int
		state  state
		words  []string
	}{
		"nothing is set": {func(_ *testing.T, w *world) { w.settings = nil }, 2, bad, []string{"settings SLACK_BOT_TOKEN", "is not set"}},
		"a setting of the wrong form, the rest is looked at all the same": {
			func(_ *testing.T, w *world) { w.settings["INVENT_ORG_ID"] = "s3cret/" }, 2, good, []string{"slack token"},
		},
		"no Redis": {func(*testing.T, *world) {}, 1, off, []string{"redis REDIS_URL", "lost"}},
		"a Redis that is away": {
			func(_ *testing.T, w *world) { w.settings["REDIS_URL"] = "redis://:s3cret@127.0.0.1:1" }, 1, off, []string{"redis answers"},
		},
		"a token that is no more": {
			func(_ *testing.T, w *world) { w.slack.Revoke() }, 2, bad, []string{"slack token", "token_revoked"},
		},
		"another token": {func(_ *testing.T, w *world) {
			w.slack.AllowComplaint("invalid_auth")
			w.settings["SLACK_BOT_TOKEN"] = "xoxb-s3cret"
		}, 2, bad, []string{"slack token", "invalid_auth"}},
		"a Slack that is away": {
			func(_ *testing.T, w *world) { w.settings["SLACK_API_URL"] = "http://127.0.0.1:1/api/" }, 2, bad, []string{"slack token", "doesn't answer", "connection refused"},
		},
		"a scope that is missing": {func(_ *testing.T, w *world) {
			w.slack.SetScopes("commands", "chat:write", "users:read", "channels:read", "groups:read", "im:read", "mpim:read")
		}, 1, off, []string{"slack scope users:read.email", "missing", "e-mail", "inventbot manifest --url https://..."}},
		"members whose e-mails Slack doesn't show": {func(_ *testing.T, w *world) {
			w.slack.SetScopes("commands", "chat:write", "users:read", "channels:read", "groups:read", "im:read", "mpim:read")
		}, 1, unchecked, []string{"invent members", "not known without the e-mails"}},
		"the command under its own name": {func(_ *testing.T, w *world) {
			w.settings["SLACK_COMMAND"] = "/support"
		}, 1, good, []string{"slack scope commands", "the command /support"}},
		"a scope without which nothing works": {func(_ *testing.T, w *world) {
			w.slack.AllowComplaint("missing_scope")
			w.slack.SetScopes("commands", "chat:write")
		}, 2, bad, []string{"slack scope users:read:", "missing"}},
		"an admin whom nobody knows": {
			func(_ *testing.T, w *world) { w.settings["ADMINS"] = "UADA,UNOBODY" }, 1, off, []string{"slack ADMINS", "UNOBODY"},
		},
		"a channel for handoffs": {
			func(_ *testing.T, w *world) { w.settings["HANDOFF_CHANNEL"] = "CSUPPORT" }, 1, good, []string{"slack handoffs in CSUPPORT"}, // 1: Redis
		},
		"a channel for handoffs without the bot": {func(_ *testing.T, w *world) {
			w.settings["HANDOFF_CHANNEL"] = w.slack.AddChannel(slacktest.Channel{ID: "CRANDOM", Name: "random"}).ID
		}, 1, off, []string{"slack handoffs in CRANDOM", "isn't a member"}},
		"a channel for handoffs that isn't there": {
			func(_ *testing.T, w *world) { w.settings["HANDOFF_CHANNEL"] = "CNOWHERE" }, 1, off, []string{"slack handoffs in CNOWHERE", "channel_not_found"},
		},
		"a channel for handoffs that is archived": {func(_ *testing.T, w *world) {
			w.settings["HANDOFF_CHANNEL"] = w.slack.AddChannel(slacktest.Channel{ID: "COLD", Name: "old", Archived: true, BotIsMember: true}).ID
		}, 1, off, []string{"slack handoffs in COLD", "unarchive"}},
		"a channel for handoffs of which the scopes don't tell": {func(_ *testing.T, w *world) {
			w.slack.AllowComplaint("missing_scope")
			w.slack.SetScopes("commands", "chat:write", "users:read", "users:read.email")
			w.settings["HANDOFF_CHANNEL"] = "CSUPPORT"
		}, 1, off, []string{"slack handoffs in CSUPPORT", "missing_scope", "install the app again"}},
		"no public address": {func(*testing.T, *world) {}, 1, unchecked, []string{"slack PUBLIC_URL", "not set"}},
		"a login before the public address": {
			answers(http.StatusUnauthorized), 2, bad, []string{"slack PUBLIC_URL", "refuses this signing secret", "asks for a login"},
		},
		"nobody at the public address": {
			func(_ *testing.T, w *world) { w.settings["PUBLIC_URL"] = "http://127.0.0.1:1" }, 2, bad, []string{"slack PUBLIC_URL", "nothing answers"},
		},
		"another signing secret at the public address": {func(t *testing.T, w *world) {
			w.settings["PUBLIC_URL"] = start(t, w.settings).address
			w.settings["SLACK_SIGNING_SECRET"] = "s3cret"
		}, 2, bad, []string{"slack PUBLIC_URL", "refuses this signing secret"}},
		"something else at the public address": {
			answers(http.StatusOK), 2, bad, []string{"slack PUBLIC_URL", "something else"},
		},
		"a redirect at the public address": {
			answers(http.StatusMovedPermanently), 2, bad, []string{"slack PUBLIC_URL", "redirects"},
		},
		"another path at the public address": {
			answers(http.StatusNotFound), 2, bad, []string{"slack PUBLIC_URL", "404"},
		},
		"a proxy that leads only a part of Slack's requests to the bot": {func(t *testing.T, w *world) {
			w.settings["PUBLIC_URL"] = start(t, w.settings).address
			behind, err := url.Parse(w.settings["PUBLIC_URL"])
			if err != nil {
				t.Fatal(err)
			}
			proxy := http.NewServeMux()
			proxy.Handle("/slack/commands", httputil.NewSingleHostReverseProxy(behind))
			s := httptest.NewServer(proxy)
			t.Cleanup(s.Close)
			w.settings["PUBLIC_URL"] = s.URL
		}, 2, bad, []string{"slack PUBLIC_URL/slack/interactions", "404", "point the address at the bot"}},
		"a key that Invent refuses": {func(_ *testing.T, w *world) {
			w.settings["INVENT_API_KEY"] = "s3cret"
		}, 2, bad, []string{"invent key", "refuses"}},
		"another organisation": {
			func(_ *testing.T, w *world) { w.settings["INVENT_ORG_ID"] = "org_9" }, 2, bad, []string{"invent organisation", "org_9"},
		},
		"an Invent that is away": {
			func(_ *testing.T, w *world) { w.settings["INVENT_API_URL"] = "http://127.0.0.1:1" }, 2, bad, []string{"invent key", "can't be tried", "connection refused"},
		},
		"an Invent without its description": {func(_ *testing.T, w *world) {
			w.invent.Fault(inventtest.Fault{Path: "/openapi.json", Status: 404})
		}, 1, off, []string{"invent contract", "publicly documented"}},
		"an Invent without the inbox": {
			func(_ *testing.T, w *world) { w.invent.LeaveOut("GET /orgs/{org_id}/inbox") }, 1, off, []string{"/inbox", "not found; off", "looks every hour"},
		},
		"an Invent without the assignment": {
			func(_ *testing.T, w *world) { w.invent.LeaveOut("PATCH /chats/{chat_id}/state/assign") }, 2, bad, []string{"/state/assign", "not found; off"},
		},
		"members who aren't on Slack": {func(_ *testing.T, w *world) {
			w.invent.AddMember(invent.Member{ID: "mem_grace", Name: "Grace", Email: "grace@example.com"})
			w.invent.AddMember(invent.Member{ID: "mem_gone", Name: "Gone", Email: "gone@example.com", Status: "DISABLED"})
			w.settings["SLACK_COMMAND"] = "/support"
		}, 1, good, []string{"invent members", "2 are active, 1 have", "/support link @person"}},
		"members of whom none is on Slack": {func(_ *testing.T, w *world) {
			w.slack.SetUser("UADA", func(u *slacktest.User) { u.EmailUnconfirmed = true })
		}, 1, off, []string{"invent members", "none has"}},
		"two members with one e-mail": {func(_ *testing.T, w *world) {
			w.invent.AddMember(invent.Member{ID: "mem_ada2", Name: "Ada", Email: "ADA@example.com"})
		}, 1, off, []string{"invent e-mails", "1 belong"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.invent.ExpectRefusal()
			c.change(t, w)
			w.examine(t).wants(t, c.code, c.state, c.words...)
		})
	}
}

// answers puts a server at the public address that says the same to everybody.
func answers(status int) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		w.settings["PUBLIC_URL"] = s.URL
	}
}

func TestDoctorSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"))
	delete(w.settings, "SLACK_SIGNING_SECRET")
	w.settings["SLACK_APP_TOKEN"] = w.slack.AppToken()
	w.examine(t).wants(t, 1, good, "slack Socket Mode") // 1: Redis
	w.slack.SetScopes("commands", "chat:write", "users:read")
	w.examine(t).wants(t, 1, off, "slack scope links:read", "inventbot manifest --socket")
	w.slack.AllowComplaint("invalid_auth")
	w.settings["SLACK_APP_TOKEN"] = "xapp-of-another"
	w.examine(t).wants(t, 2, bad, "slack Socket Mode", "invalid_auth")
}

// TestNeeds has words for all that the contract may lack.
func TestNeeds(t *testing.T) {
	t.Parallel()
	n := 0
	for _, f := range (invent.Contract{}).Findings() {
		name := f.Op
		if f.Property != "" {
			name += "." + f.Property
		}
		if needs[name].feature == "" {
			t.Errorf("what %s is for is not said", name)
		}
		n++
	}
	if n != len(needs) {
		t.Errorf("%d are found, %d are said", n, len(needs))
	}
}
