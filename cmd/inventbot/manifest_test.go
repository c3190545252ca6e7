package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write manifest.yml anew")

// TestManifestYML keeps the manifest of the repository equal to what the program prints for the placeholder address.
func TestManifestYML(t *testing.T) {
	t.Parallel()
	var printed bytes.Buffer
	if code := run(t.Context(), []string{"manifest", "--url", "https://bot.example.com/"}, &printed); code != 0 {
		t.Fatalf("exit code %d: %s", code, &printed)
	}
	const file = "../../manifest.yml"
	if *update {
		if err := os.WriteFile(file, printed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(printed.String(), string(kept)); diff != "" {
		t.Errorf("manifest.yml is not what is printed (go test ./cmd/inventbot -run TestManifestYML -update writes it; -printed +kept):\n%s", diff)
	}
}

// TestManifestFollowsTheDashboard: links of a dashboard of one's own become cards too.
func TestManifestFollowsTheDashboard(t *testing.T) {
	t.Setenv("INVENT_CHAT_URL", "https://desk.example.org:8443/c/{chat_id}")
	if text := printed(t, "--socket"); !strings.Contains(text, "    - desk.example.org #") {
		t.Errorf("the links' host is missing in\n%s", text)
	}
}

// TestManifestWithoutADashboard: an address that is wrong is not a host of nothing.
func TestManifestWithoutADashboard(t *testing.T) {
	for _, wrong := range []string{"inbox/{chat_id}", "https://x y/{chat_id}"} {
		t.Setenv("INVENT_CHAT_URL", wrong)
		var out bytes.Buffer
		if code := run(t.Context(), []string{"manifest", "--socket"}, &out); code != 2 || !strings.HasPrefix(out.String(), "INVENT_CHAT_URL: ") {
			t.Errorf("%s: exit code %d and %q, want 2 and the setting's name", wrong, code, &out)
		}
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	t.Run("another command at another address", func(t *testing.T) {
		t.Parallel()
		text := printed(t, "--url", "https://support.example.org/invent", "--command", "/support")
		for _, want := range []string{
			"command: /support\n", "url: https://support.example.org/invent/slack/commands\n",
			"request_url: https://support.example.org/invent/slack/interactions\n", "socket_mode_enabled: false\n",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
		}
	})
	t.Run("for Socket Mode there is no address", func(t *testing.T) {
		t.Parallel()
		text := printed(t, "--socket")
		if strings.Contains(text, "url:") || !strings.Contains(text, "socket_mode_enabled: true\n") {
			t.Errorf("this is not for Socket Mode:\n%s", text)
		}
	})
	t.Run("what can't be is refused", func(t *testing.T) {
		t.Parallel()
		for _, args := range []string{
			"", "--url http://bot.example.com", "--url bot.example.com", "--url https://", "--url https://u:p@bot.example.com", "--url https://bot.example.com?a=b",
			"--url https://bot.example.com --socket", "--socket --command invent", "--socket --command /Invent", "--socket extra", "--nonsense",
		} {
			var out bytes.Buffer
			if code := run(t.Context(), append([]string{"manifest"}, strings.Fields(args)...), &out); code != 2 || out.Len() == 0 {
				t.Errorf("manifest %s: exit code %d and %q, want 2 and words", args, code, &out)
			}
		}
	})
}

// TestScopes keeps what doctor knows of the manifest's scopes equal to what Slack reads in it.
func TestScopes(t *testing.T) {
	t.Parallel()
	var read struct {
		OAuth struct {
			Scopes struct {
				Bot []string `yaml:"bot"`
			} `yaml:"scopes"`
		} `yaml:"oauth_config"`
	}
	if err := yaml.Unmarshal([]byte(printed(t, "--socket")), &read); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range scopes("/support") {
		names = append(names, s.name)
		// The doctor shows each without the lines above it.
		if s.feature == "" || strings.Contains(s.feature, "{{") || strings.Contains(s.feature, "the same") || strings.HasPrefix(s.feature, "and ") {
			t.Errorf("%s: what it is for is %q, which must say it without the others", s.name, s.feature)
		}
	}
	if diff := cmp.Diff(read.OAuth.Scopes.Bot, names); diff != "" {
		t.Errorf("scopes (-in the manifest +known, with what each is for):\n%s", diff)
	}
}

func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := run(t.Context(), append([]string{"manifest"}, args...), &out); code != 0 {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	var read map[string]any
	if err := yaml.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatalf("no YAML: %v\n%s", err, &out)
	}
	return out.String()
}
