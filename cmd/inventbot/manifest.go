package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"text/template"
)

//go:embed manifest.yml.tmpl
var manifestText string

var manifestTemplate = template.Must(template.New("manifest").Parse(manifestText))

// manifest holds what the Slack app's manifest depends on.
type manifest struct {
	URL      string // public address of the bot, without a slash at the end; empty with Socket
	Command  string // with its slash
	Socket   bool   // the bot connects out instead of being called
	LinkHost string // of the dashboard's links to conversations
}

func (m manifest) write(w io.Writer) error {
	if err := manifestTemplate.Execute(w, m); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// Slack's rule for the name of a command.
var commandName = regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`)

// printManifest is `inventbot manifest`: it prints the manifest to paste into Slack, for one address or for Socket Mode.
func printManifest(args []string, stdout io.Writer) int {
	flags := flag.NewFlagSet("inventbot manifest", flag.ContinueOnError)
	flags.SetOutput(stdout)
	address := flags.String("url", "", "the bot's public `address`, such as https://bot.example.com")
	s, _ := load() // wrong settings don't matter here: what is used of them is checked below
	m := manifest{LinkHost: s.linkHost()}
	flags.StringVar(&m.Command, "command", s.SlackCommand, "the slash `command`; set SLACK_COMMAND to the same")
	flags.BoolVar(&m.Socket, "socket", false, "for Socket Mode: the bot connects out and needs no address")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	u, err := url.Parse(*address)
	switch {
	case flags.NArg() > 0 || m.Socket == (*address != ""):
		_, _ = fmt.Fprintln(stdout, "usage: inventbot manifest (--url https://bot.example.com | --socket) [--command /invent]")
		return 2
	case !commandName.MatchString(m.Command):
		_, _ = fmt.Fprintln(stdout, "--command: a slash, then at most 31 lower-case letters, digits, - and _")
		return 2
	case !m.Socket && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != ""):
		_, _ = fmt.Fprintln(stdout, "--url: Slack calls https:// addresses only, such as https://bot.example.com")
		return 2
	case m.LinkHost == "":
		_, _ = fmt.Fprintln(stdout, "INVENT_CHAT_URL: is not an https:// address, and the manifest needs its host")
		return 2
	case !m.Socket:
		m.URL = strings.TrimRight(u.String(), "/")
	}
	if err := m.write(stdout); err != nil {
		return 1 // there is nowhere to say why
	}
	return 0
}

// linkHost is the host of the dashboard.
func (s *settings) linkHost() string {
	u, err := url.Parse(s.InventChatURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// scope is one scope that the manifest asks for, and the feature that needs it.
type scope struct{ name, feature string }

var scopeLine = regexp.MustCompile(`(?m)^      - ([a-z:.]+) # (.+)$`)

// scopes reads the bot token's scopes from the manifest.
func scopes(command string) []scope {
	var text strings.Builder
	_ = manifest{Command: command, Socket: true}.write(&text) // into memory: it can't fail
	var all []scope
	for _, m := range scopeLine.FindAllStringSubmatch(text.String(), -1) {
		all = append(all, scope{name: m[1], feature: m[2]})
	}
	return all
}
