package main

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"inventbot/bot"
	"inventbot/cache"
)

// settings are read from the environment; the README's table explains each. Those that envconfig reads are
// all strings, because it would stop at the first that doesn't parse. load sets the lower-case fields from them.
type settings struct {
	Addr               string `envconfig:"ADDR"`
	Port               string `envconfig:"PORT"`
	SlackSigningSecret string `envconfig:"SLACK_SIGNING_SECRET"`
	SlackBotToken      string `envconfig:"SLACK_BOT_TOKEN" needed:"true"`
	SlackAppToken      string `envconfig:"SLACK_APP_TOKEN"`
	SlackCommand       string `envconfig:"SLACK_COMMAND" default:"/invent"`
	SlackAPIURL        string `envconfig:"SLACK_API_URL" default:"https://slack.com/api/"`
	InventAPIKey       string `envconfig:"INVENT_API_KEY" needed:"true"`
	InventAPIURL       string `envconfig:"INVENT_API_URL" default:"https://api.useinvent.com"`
	InventOrgID        string `envconfig:"INVENT_ORG_ID" default:"c"`
	InventChatURL      string `envconfig:"INVENT_CHAT_URL" default:"https://useinvent.com/o/inbox/{chat_id}"`
	InventRate         string `envconfig:"INVENT_RATE"`
	RedisURL           string `envconfig:"REDIS_URL"`
	Admins             string `envconfig:"ADMINS"`
	AssignOthers       string `envconfig:"ASSIGN_OTHERS" default:"members"`
	HandoffChannel     string `envconfig:"HANDOFF_CHANNEL"`
	HandoffRoutes      string `envconfig:"HANDOFF_ROUTES"`
	HandoffSlack       string `envconfig:"HANDOFF_SLACK" default:"false"`
	WaitReminder       string `envconfig:"WAIT_REMINDER"`
	AllowGuests        string `envconfig:"ALLOW_GUESTS" default:"false"`
	PublicURL          string `envconfig:"PUBLIC_URL"`
	LogLevel           string `envconfig:"LOG_LEVEL" default:"info"`
	LogFormat          string `envconfig:"LOG_FORMAT" default:"json"`

	secrets   []string
	slackHost string // of SLACK_API_URL; "" for Slack itself
	rate      int
	admins    []string
	roles     []string // the roles that may assign to others; empty: all
	guests    bool
	routes    bot.Routes
	slackToo  bool
	reminder  time.Duration
	level     slog.Level
}

// defaultRate is below the 500 calls a minute that Invent allows from one address.
const defaultRate = 480

// load reads the settings from the process's environment. It returns all problems together, a line for each,
// with the setting's name but not its value, which may be secret. A setting that is empty counts as not set.
func load() (settings, []string) {
	var s settings
	var problems []string
	wrong := func(name, what string) { problems = append(problems, name+": "+what) }
	if err := envconfig.Process("", &s); err != nil {
		wrong("environment", "can't be read")
	}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("envconfig") == "" {
			continue
		}
		value := strings.TrimSpace(v.Field(i).String())
		if value == "" {
			value = tag.Get("default")
		}
		if value == "" && tag.Get("needed") != "" {
			wrong(tag.Get("envconfig"), "is not set, and the bot can't work without it")
		}
		v.Field(i).SetString(value)
	}
	s.check(wrong)
	return s, problems
}

// check reports what is set wrongly and fills in what follows from the settings.
func (s *settings) check(wrong func(name, what string)) {
	if s.Port != "" && !isPort(s.Port) {
		wrong("PORT", "is not a port number from 1 to 65535")
		s.Port = ""
	}
	if s.Addr == "" {
		s.Addr = ":" + cmp.Or(s.Port, "8080")
	}
	if _, port, err := net.SplitHostPort(s.Addr); err != nil {
		wrong("ADDR", "is not host:port, such as :8080")
	} else if port != "0" && !isPort(port) {
		wrong("ADDR", "holds no port number from 0 (any that is free) to 65535")
	}
	for _, key := range []struct{ name, value string }{
		{"SLACK_BOT_TOKEN", s.SlackBotToken}, {"SLACK_APP_TOKEN", s.SlackAppToken},
		{"SLACK_SIGNING_SECRET", s.SlackSigningSecret}, {"INVENT_API_KEY", s.InventAPIKey},
	} {
		if strings.ContainsAny(key.value, "\"'") { // Docker's and Kubernetes' env files keep quotes that a shell would take off
			wrong(key.name, "has quotes in it: write it without them")
		}
	}
	if strings.HasPrefix(s.SlackBotToken, "xapp-") || strings.HasPrefix(s.SlackBotToken, "xoxp-") {
		wrong("SLACK_BOT_TOKEN", "is not a bot's token: those begin with xoxb-")
	}
	s.secrets, s.admins = list(s.SlackSigningSecret), list(s.Admins)
	socket := strings.HasPrefix(s.SlackAppToken, "xapp-")
	if s.SlackAppToken != "" && !socket {
		wrong("SLACK_APP_TOKEN", "is not an app-level token: those begin with xapp-")
	}
	switch {
	case socket: // no secret needed: in Socket Mode nothing is signed
	case s.SlackSigningSecret == "":
		wrong("SLACK_SIGNING_SECRET", "is not set: the bot needs it, or SLACK_APP_TOKEN for Socket Mode")
	case len(s.secrets) == 0:
		wrong("SLACK_SIGNING_SECRET", "holds no secret")
	}
	if u := base("SLACK_API_URL", s.SlackAPIURL, wrong); u != nil && u.Host != "slack.com" {
		s.slackHost = u.Host
	}
	if !strings.HasSuffix(s.SlackAPIURL, "/") {
		s.SlackAPIURL += "/"
	}
	if s.PublicURL != "" {
		base("PUBLIC_URL", s.PublicURL, wrong)
		s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	}
	api := base("INVENT_API_URL", s.InventAPIURL, wrong)
	if strings.ContainsAny(s.InventOrgID, "/?#% ") || s.InventOrgID == "." || s.InventOrgID == ".." {
		wrong("INVENT_ORG_ID", "is not the id of an organisation")
	}
	if before, _, ok := strings.Cut(s.InventChatURL, "{chat_id}"); !ok {
		wrong("INVENT_CHAT_URL", "lacks {chat_id}, where the conversation's id goes")
	} else {
		address("INVENT_CHAT_URL", before, wrong)
	}
	s.rate = defaultRate
	if api != nil && local(api) {
		s.rate = 0
	}
	if s.InventRate != "" {
		n, err := strconv.Atoi(s.InventRate)
		if err != nil || n < 0 {
			wrong("INVENT_RATE", "is not a number of calls a minute (0: no limit)")
		}
		s.rate = n
	}
	if s.RedisURL != "" {
		if store, err := cache.Open(s.RedisURL); err != nil {
			wrong("REDIS_URL", "is "+err.Error())
		} else {
			_ = store.Close() // nothing was sent yet
		}
	}
	if !commandName.MatchString(s.SlackCommand) {
		wrong("SLACK_COMMAND", "is not a slash and at most 31 lower-case letters, digits, - and _")
	}
	if !each(s.admins, slackUser.MatchString) {
		wrong("ADMINS", "is not a list of Slack user ids such as U012ABCDEF")
	}
	if s.AssignOthers != "members" {
		s.roles = list(strings.ToUpper(s.AssignOthers))
		if len(s.roles) == 0 { // an empty list of roles would allow everybody
			wrong("ASSIGN_OTHERS", "names no role")
		}
		if !each(s.roles, func(role string) bool {
			return slices.Contains([]string{"ADMIN", "DEVELOPER", "MANAGER", "AGENT"}, role)
		}) {
			wrong("ASSIGN_OTHERS", "is neither members nor a list of ADMIN, DEVELOPER, MANAGER, AGENT")
		}
	}
	s.checkHandoffs(wrong)
	var err error
	if s.guests, err = strconv.ParseBool(s.AllowGuests); err != nil {
		wrong("ALLOW_GUESTS", "is not true or false")
	}
	if s.level.UnmarshalText([]byte(s.LogLevel)) != nil || strings.ContainsAny(s.LogLevel, "+-") { // slog also reads INFO+2
		wrong("LOG_LEVEL", "is not debug, info, warn or error")
	}
	if s.LogFormat != "json" && s.LogFormat != "text" {
		wrong("LOG_FORMAT", "is not json or text")
	}
}

// checkHandoffs reads where handoffs are announced.
func (s *settings) checkHandoffs(wrong func(name, what string)) {
	channels := list(s.HandoffChannel)
	slices.Sort(channels)
	channels = slices.Compact(channels) // a channel that is named twice gets each announcement once
	if !each(channels, bot.IsChannel) {
		wrong("HANDOFF_CHANNEL", "is not a list of Slack channel ids such as C012ABCDEF")
	}
	s.routes = bot.ToChannels(channels)
	if s.HandoffRoutes != "" {
		if len(channels) > 0 {
			wrong("HANDOFF_ROUTES", "can't be set together with HANDOFF_CHANNEL: make that a route in the file")
		}
		if f, err := os.Open(s.HandoffRoutes); err != nil {
			wrong("HANDOFF_ROUTES", "names a file that can't be opened")
		} else {
			s.routes, err = bot.ReadRoutes(f)
			_ = f.Close() // it was only read
			if err != nil {
				wrong("HANDOFF_ROUTES", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
		}
	}
	var err error
	if s.slackToo, err = strconv.ParseBool(s.HandoffSlack); err != nil {
		wrong("HANDOFF_SLACK", "is not true or false")
	}
	if s.WaitReminder != "" {
		if s.reminder, err = time.ParseDuration(s.WaitReminder); err != nil || s.reminder < time.Minute {
			wrong("WAIT_REMINDER", "is not a duration of at least a minute, such as 15m")
		}
	}
}

var slackUser = regexp.MustCompile(`^[UW][A-Z0-9]+$`)

// list splits a comma-separated setting into its items, without empty ones.
func list(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// each reports whether are is true for all items.
func each(items []string, are func(string) bool) bool {
	return !slices.ContainsFunc(items, func(item string) bool { return !are(item) })
}

// base reads an https address that paths will be appended to; nil, and a problem, if it is none.
func base(name, raw string, wrong func(name, what string)) *url.URL {
	if strings.ContainsAny(raw, "?#") {
		wrong(name, "has a ? or #, after which no path can follow")
		return nil
	}
	return address(name, raw, wrong)
}

// address reads an https address; nil, and a problem, if it is none. Keys are sent to it, so plain http is for this machine only.
func address(name, raw string, wrong func(name, what string)) *url.URL {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Port() != "" && !isPort(u.Port()) || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		wrong(name, "is not an https:// address")
		return nil
	case u.Scheme == "http" && !local(u):
		wrong(name, "must be https:// (http:// is only for an address on this machine)")
		return nil
	}
	return u
}

// isPort reports whether s is a port number from 1 to 65535.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// local reports whether an address is on this machine.
func local(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}
