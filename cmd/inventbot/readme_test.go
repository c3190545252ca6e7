package main

import (
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"

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
