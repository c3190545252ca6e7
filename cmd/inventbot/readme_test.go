package main

import (
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"inventbot/slackui"
)

// TestReadme: the README names every setting with its default, and every command; and no setting that isn't one.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	known := map[string]bool{}
	fields := reflect.TypeFor[settings]()
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		name := tag.Get("envconfig")
		if name == "" {
			continue
		}
		known[name] = true
		line := regexp.MustCompile(`(?m)^\|.*` + "`" + name + "`" + `.*$`).FindString(readme)
		if line == "" && name != "PORT" {
			t.Errorf("the table of settings lacks %s", name)
		}
		if value := tag.Get("default"); !strings.Contains(line, "`"+value+"`") && value != "" && !strings.HasSuffix(name, "_API_URL") {
			t.Errorf("the table of settings doesn't say that the default of %s is %s: %s", name, value, line)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)`").FindAllStringSubmatch(readme, -1) {
		if !known[m[1]] {
			t.Errorf("%s is no setting", m[1])
		}
	}
	for _, c := range slackui.Commands() {
		if !strings.Contains(readme, "/invent "+c) {
			t.Errorf("the command %s is missing", c)
		}
	}
}

// TestReadmeQuotes: what people are said to see when something goes wrong is what the bot says, or Slack.
func TestReadmeQuotes(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	words, err := os.ReadFile("../../slackui/words.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| you see in Slack |")
	slacks := regexp.MustCompile(`^failed with the error|is not a valid command$`)
	quoted := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for _, m := range regexp.MustCompile(`\*([^*]+)\*`).FindAllStringSubmatch(cells[1], -1) {
			if quoted++; !slacks.MatchString(m[1]) && !strings.Contains(string(words), m[1]) {
				t.Errorf("nobody says %q", m[1])
			}
		}
	}
	if quoted < 10 {
		t.Errorf("%d quotes were found, which is too few", quoted)
	}
}

// TestEnvExample: what deploy/.env.example names is a setting, and what a bot needs is in it.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/.env.example")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=$`).FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	known := map[string]bool{"REDIS_PASSWORD": true} // of Compose
	fields := reflect.TypeFor[settings]()
	for i := range fields.NumField() {
		known[fields.Field(i).Tag.Get("envconfig")] = true
	}
	for name := range named {
		if !known[name] {
			t.Errorf("%s is no setting", name)
		}
	}
	for _, name := range []string{"REDIS_URL", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN", "INVENT_API_KEY", "HANDOFF_ROUTES"} {
		if !named[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestReplicasShareTheRate: the replicas under Kubernetes make together as many calls as one process by default.
func TestReplicasShareTheRate(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment struct {
		Spec struct {
			Replicas int `yaml:"replicas"`
			Template struct {
				Spec struct {
					Containers []struct {
						Env []struct {
							Name  string `yaml:"name"`
							Value string `yaml:"value"`
						} `yaml:"env"`
					} `yaml:"containers"`
				} `yaml:"spec"`
			} `yaml:"template"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &deployment); err != nil { // the first document
		t.Fatal(err)
	}
	rate := defaultRate
	for _, env := range deployment.Spec.Template.Spec.Containers[0].Env {
		if env.Name == "INVENT_RATE" {
			rate, _ = strconv.Atoi(env.Value)
		}
	}
	if all := deployment.Spec.Replicas * rate; all != defaultRate {
		t.Errorf("%d replicas make %d calls a minute, want %d", deployment.Spec.Replicas, all, defaultRate)
	}
}

// TestGrace: whatever stops the bot waits for longer than it takes to stop in order.
func TestGrace(t *testing.T) {
	t.Parallel()
	for file, grace := range map[string]string{
		"kubernetes.yaml": `terminationGracePeriodSeconds: (\d+)`, "compose.yml": `stop_grace_period: (\d+)s`, "inventbot.service": `TimeoutStopSec=(\d+)`,
	} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Error(err)
			continue
		}
		seconds := func(expression string) (n time.Duration) {
			if m := regexp.MustCompile(expression).FindSubmatch(text); m != nil {
				n, _ = time.ParseDuration(string(m[1]) + "s")
			}
			return n
		}
		if left := seconds(grace) - seconds(`preStop:\s+sleep: \{seconds: (\d+)\}`); left <= farewell+drain {
			t.Errorf("%s leaves %s, want more than %s", file, left, farewell+drain)
		}
	}
}

// TestDeployed: what is under deploy has what its tools don't ask for: no rights beyond need, Redis that keeps its data, probes, two replicas.
func TestDeployed(t *testing.T) {
	t.Parallel()
	for file, wants := range map[string][]string{
		"Dockerfile":      {"FROM scratch", "USER 65532:65532", `CMD ["/inventbot", "health"]`},
		"compose.yml":     {"read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "--appendonly yes", "requirepass", "- redis:/data"},
		"kubernetes.yaml": {"replicas: 2", "kind: PodDisruptionBudget", "livenessProbe:", "readinessProbe:", "secretRef: {name: inventbot}", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "drop: [ALL]"},
	} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %s", file, want)
			}
		}
	}
}

// TestWorkflows: their actions are pinned by commit, and nothing is allowed to all of their jobs but reading.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS("../../.github/workflows"), "*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile("../../.github/workflows/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, uses := range regexp.MustCompile(`(?m)uses: .*$`).FindAllString(string(text), -1) {
			if !regexp.MustCompile(`@[0-9a-f]{40} `).MatchString(uses) {
				t.Errorf("%s: %s isn't pinned by commit", file, uses)
			}
		}
		if !regexp.MustCompile(`(?m)^permissions:( \{\}|\n  contents: read)$`).Match(text) {
			t.Errorf("%s lets all of its jobs do more than read", file)
		}
	}
}

// TestLinks: what the documents at the root and under deploy link to in the repository is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	for _, file := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md"} {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := fs.Stat(root, path.Join(path.Dir(file), target)); target != "" && err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if anchor != "" && target == "" && !strings.Contains(strings.ToLower(strings.ReplaceAll(string(text), " ", "-")), "#-"+anchor) {
				t.Errorf("%s: no heading is called %s", file, anchor)
			}
		}
	}
}
