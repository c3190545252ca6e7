package bot_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"inventbot/bot/slacktest"
	"inventbot/slackui"
)

// webAPI names the methods of Slack's behind those of slack-go that the bot calls.
var webAPI = map[string]string{
	"AuthTestContext": "auth.test", "GetUserInfoContext": "users.info", "GetUserByEmailContext": "users.lookupByEmail",
	"PostMessageContext": "chat.postMessage", "UpdateMessageContext": "chat.update", "PostEphemeralContext": "chat.postEphemeral",
	"GetConversationInfoContext": "conversations.info", "OpenViewContext": "views.open",
	"UnfurlMessageContext": "chat.unfurl", "PublishViewContext": "views.publish", "UpdateViewContext": "views.update",
	"GetUsersPaginated": "users.list",
}

type manifest struct {
	Features struct {
		AppHome struct {
			Home     bool `yaml:"home_tab_enabled"`
			Messages bool `yaml:"messages_tab_enabled"`
			ReadOnly bool `yaml:"messages_tab_read_only_enabled"`
		} `yaml:"app_home"`
		SlashCommands []struct {
			Command      string `yaml:"command"`
			URL          string `yaml:"url"`
			UsageHint    string `yaml:"usage_hint"`
			ShouldEscape bool   `yaml:"should_escape"`
		} `yaml:"slash_commands"`
		Shortcuts []struct {
			Name       string `yaml:"name"`
			Type       string `yaml:"type"`
			CallbackID string `yaml:"callback_id"`
		} `yaml:"shortcuts"`
		UnfurlDomains []string `yaml:"unfurl_domains"`
	} `yaml:"features"`
	OAuth struct {
		Scopes struct {
			Bot  []string `yaml:"bot"`
			User []string `yaml:"user"`
		} `yaml:"scopes"`
	} `yaml:"oauth_config"`
	Settings struct {
		Events struct {
			RequestURL string   `yaml:"request_url"`
			BotEvents  []string `yaml:"bot_events"`
		} `yaml:"event_subscriptions"`
		Interactivity struct {
			Enabled    bool   `yaml:"is_enabled"`
			RequestURL string `yaml:"request_url"`
			OptionsURL string `yaml:"message_menu_options_url"`
		} `yaml:"interactivity"`
	} `yaml:"settings"`
}

// TestManifest keeps the manifest equal to what the bot serves and calls: nothing is missing, and nothing is asked for
// before it is used.
func TestManifest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../manifest.yml")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}

	want := []string{"commands"}
	for _, method := range called(t) {
		scope, known := slacktest.ScopeOf(method)
		if !known {
			t.Errorf("the pretended Slack doesn't know %s", method)
		}
		if scope != "" {
			want = append(want, scope)
		}
		if method == "chat.unfurl" {
			want = append(want, "links:read") // without it there is no event
		}
		if method == "users.info" {
			want = append(want, "users:read.email") // without it there is no e-mail in the answer
		}
		if method == "conversations.info" { // one scope for each kind of channel
			want = append(want, "channels:read", "groups:read", "im:read", "mpim:read")
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := slices.Sorted(slices.Values(m.OAuth.Scopes.Bot))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scopes (-used +asked for):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(scopes)), got); diff != "" {
		t.Errorf("the tests run with other scopes (-tests +manifest):\n%s", diff)
	}
	if len(m.OAuth.Scopes.User) > 0 {
		t.Error("the manifest asks for what isn't used")
	}
	if home := m.Features.AppHome; !home.Home || !home.Messages || !home.ReadOnly {
		t.Errorf("the Home tab is drawn, and nobody reads what is written in the messages tab: %+v", home)
	}
	var shortcuts []string
	for _, s := range m.Features.Shortcuts {
		shortcuts = append(shortcuts, s.CallbackID)
		if (s.CallbackID == slackui.WorkShortcut) != (s.Type == "message") || len(s.Name) > 24 || s.Name == "" {
			t.Errorf("the shortcut %q is a %s shortcut", s.Name, s.Type)
		}
	}
	if diff := cmp.Diff(slackui.Shortcuts(), shortcuts); diff != "" {
		t.Errorf("shortcuts (-understood +offered):\n%s", diff)
	}
	if diff := cmp.Diff(slackui.Events(), m.Settings.Events.BotEvents); diff != "" {
		t.Errorf("events (-understood +asked for):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"useinvent.com"}, m.Features.UnfurlDomains); diff != "" {
		t.Errorf("domains of links (-of INVENT_CHAT_URL +asked for):\n%s", diff)
	}

	if len(m.Features.SlashCommands) != 1 || !m.Settings.Interactivity.Enabled {
		t.Fatal("the manifest wants one command, and interactivity")
	}
	command := m.Features.SlashCommands[0]
	if command.Command != "/invent" || !command.ShouldEscape {
		t.Errorf("the command is %q, escaped: %t", command.Command, command.ShouldEscape)
	}
	for address, route := range map[string]string{command.URL: "/slack/commands", m.Settings.Interactivity.RequestURL: "/slack/interactions", m.Settings.Interactivity.OptionsURL: "/slack/options", m.Settings.Events.RequestURL: "/slack/events"} {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Path != route {
			t.Errorf("%s doesn't lead to %s", address, route)
		}
	}
	var hints []string
	for hint := range strings.SplitSeq(command.UsageHint, "|") {
		hints = append(hints, strings.TrimSpace(hint))
	}
	if diff := cmp.Diff(slackui.Commands(), hints); diff != "" {
		t.Errorf("the usage hint (-understood +hinted):\n%s", diff)
	}
}

// called lists the Web API methods that the bot's source calls.
func called(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`[sS]lack\.([A-Z]\w+(?:Context|Paginated))\(`)
	var methods []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			method, known := webAPI[m[1]]
			if !known {
				t.Errorf("%s calls %s: say in webAPI which method of Slack's that is", file, m[1])
			}
			methods = append(methods, method)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}
