package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/invent"
)

// state is how a check ended.
type state string

const (
	good      state = "ok"
	off       state = "off"     // the bot works, except for what the finding says
	bad       state = "fails"   // the bot doesn't work
	unchecked state = "skipped" // the check could not be made
)

// finding is one line of the doctor's report. It holds no secret, no e-mail and no name of a person.
type finding struct {
	Part    string `json:"part"` // settings, redis, slack, invent
	Checked string `json:"checked"`
	State   state  `json:"state"`
	Result  string `json:"result"`
	Mend    string `json:"mend,omitempty"` // the step that puts it right
}

// doctor checks an installation as it is set up, and changes nothing anywhere.
type doctor struct {
	settings settings
	findings []finding
	invent   *invent.Client
	slack    *slack.Client
}

const doctorTime = time.Minute

// printDoctor is `inventbot doctor`: it prints the report and returns 0 if all is well, 1 if the bot works but something is off, 2 if
// it doesn't work or the arguments are wrong.
func printDoctor(ctx context.Context, args []string, stdout io.Writer) int {
	flags := flag.NewFlagSet("inventbot doctor", flag.ContinueOnError)
	flags.SetOutput(stdout)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(stdout, "usage: inventbot doctor [--json]")
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	s, problems := load()
	d := &doctor{settings: s, slack: s.slack(), invent: s.invent()}
	d.examine(ctx, problems)

	code := 0
	for _, f := range d.findings {
		switch f.State {
		case off:
			code = max(code, 1)
		case bad:
			code = 2
		}
	}
	verdict := []string{"All is well.", "The bot works, but something is off.", "The bot doesn't work like this."}[code]
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		_ = e.Encode(struct {
			Verdict  string    `json:"verdict"`
			Code     int       `json:"code"`
			Findings []finding `json:"findings"`
		}{verdict, code, d.findings})
		return code
	}
	for _, f := range d.findings {
		_, _ = fmt.Fprintf(stdout, "%-8s %-9s %s: %s\n", f.State, f.Part, f.Checked, f.Result)
		if f.Mend != "" {
			_, _ = fmt.Fprintf(stdout, "         -> %s\n", f.Mend)
		}
	}
	_, _ = fmt.Fprintln(stdout, verdict)
	return code
}

func (d *doctor) add(part, checked string, s state, result, mend string) {
	d.findings = append(d.findings, finding{Part: part, Checked: checked, State: s, Result: result, Mend: mend})
}

// examine makes all checks, except those that need a setting that is wrong.
func (d *doctor) examine(ctx context.Context, problems []string) {
	wrong := map[string]bool{}
	for _, p := range problems {
		name, what, _ := strings.Cut(p, ": ")
		wrong[name] = true
		d.add("settings", name, bad, what, "set "+name+" as the README's table of settings says")
	}
	if len(problems) == 0 {
		d.add("settings", "form", good, "every setting has a valid form", "")
	}
	if !wrong["REDIS_URL"] {
		d.redis(ctx)
	}
	var emails map[string]bool
	if !wrong["SLACK_BOT_TOKEN"] && !wrong["SLACK_API_URL"] {
		emails = d.workspace(ctx)
		if !wrong["SLACK_SIGNING_SECRET"] && !wrong["SLACK_APP_TOKEN"] && !wrong["PUBLIC_URL"] {
			d.way(ctx)
		}
	}
	if !wrong["INVENT_API_KEY"] && !wrong["INVENT_API_URL"] && !wrong["INVENT_ORG_ID"] {
		d.organisation(ctx, emails)
	}
}

func (d *doctor) redis(ctx context.Context) {
	const part = "redis"
	if d.settings.RedisURL == "" {
		d.add(part, "REDIS_URL", off, "not set: links made by hand, and work that waits, are lost when the bot stops", "set REDIS_URL to a Redis that keeps its data")
		return
	}
	store, err := cache.Open(d.settings.RedisURL)
	if err != nil {
		d.add(part, "REDIS_URL", bad, err.Error(), "set REDIS_URL to a redis:// or rediss:// URL")
		return
	}
	defer func() { _ = store.Close() }()
	is, err := store.Inspect(ctx)
	if err != nil {
		mend := "start Redis, or correct the host, port and password in REDIS_URL"
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			mend = "use the host name in Redis's certificate in REDIS_URL; if the issuer is your own, set SSL_CERT_FILE to a file with the issuer's certificate"
		}
		d.add(part, "answers", off, "it doesn't: "+err.Error()+"; until it does, a crash of the bot loses what it was doing", mend)
		return
	}
	d.version(is)
	d.persistence(is)
	switch evicts := is.MaxMemory != "0" && is.Eviction != "noeviction"; {
	case is.Eviction == "":
		d.add(part, "eviction", unchecked, "this Redis doesn't say", "")
	case evicts && strings.HasPrefix(is.Eviction, "allkeys"):
		d.add(part, "eviction", off, "maxmemory-policy "+is.Eviction+" may drop waiting work and links made by hand", "set Redis's maxmemory-policy to noeviction")
	case evicts:
		d.add(part, "eviction", off, "maxmemory-policy "+is.Eviction+" may drop cards, and the record of requests that were done", "set Redis's maxmemory-policy to noeviction")
	default:
		d.add(part, "eviction", good, "nothing is dropped", "")
	}
	trip := is.Latency.Round(10 * time.Microsecond).String()
	if is.Latency > 20*time.Millisecond {
		d.add(part, "latency", off, trip+" for a round trip; every click waits for one", "run Redis nearer to the bot")
	} else {
		d.add(part, "latency", good, trip+" for a round trip", "")
	}
}

func (d *doctor) version(is cache.Condition) {
	switch {
	case is.Version == "":
		d.add("redis", "version", unchecked, "this Redis doesn't say", "")
	case !is.Recent():
		d.add("redis", "version", bad, is.Version+" lacks commands that the bot needs", "use Redis "+cache.MinVersion+" or later")
	default:
		d.add("redis", "version", good, is.Version, "")
	}
}

func (d *doctor) persistence(is cache.Condition) {
	const part, checked = "redis", "persistence"
	switch {
	case is.AOF == "":
		d.add(part, checked, unchecked, "this Redis doesn't say", "")
	case is.AOF == "0":
		d.add(part, checked, off, "the append-only file is off: what was acknowledged can be lost when Redis stops", "start Redis with --appendonly yes")
	case is.Fsync == "no":
		d.add(part, checked, off, "the append-only file is on, but appendfsync is no: what was acknowledged can be lost when the machine stops", "set Redis's appendfsync to everysec or always")
	case is.Fsync == "always":
		d.add(part, checked, good, "append-only file, written at once", "")
	default:
		d.add(part, checked, good, "append-only file, written each second", "")
	}
}

const fromAppPage = "copy the Bot User OAuth Token (xoxb-...) from the app's page, OAuth & Permissions, to SLACK_BOT_TOKEN"

// workspace checks the token, its scopes, the clock, the channels for handoffs and ADMINS. It returns the confirmed
// e-mails (case folded) of the workspace's people; nil if Slack doesn't tell them.
func (d *doctor) workspace(ctx context.Context) map[string]bool {
	const part = "slack"
	who, err := d.slack.AuthTestContext(ctx)
	if err != nil {
		d.slackFails("token", bad, err, fromAppPage)
		return nil
	}
	if who.BotID == "" {
		d.add(part, "token", bad, "it belongs to a person, not to a bot", fromAppPage)
		return nil
	}
	d.add(part, "token", good, "accepted, for the workspace "+who.Team+" ("+who.TeamID+")", "")
	d.scopes(who.Header.Get("X-OAuth-Scopes"))
	if at, err := http.ParseTime(who.Header.Get("Date")); err == nil {
		d.clock(time.Since(at))
	}
	d.channels(ctx)
	return d.people(ctx)
}

// vital are the scopes without which nothing works at all.
var vital = []string{"commands", "users:read"}

func (d *doctor) scopes(granted string) {
	const part = "slack"
	if granted == "" {
		d.add(part, "scopes", unchecked, "Slack doesn't say what the token may do", "")
		return
	}
	has := list(granted)
	mend := d.reinstall()
	for _, s := range scopes(d.settings.SlackCommand) {
		switch {
		case slices.Contains(has, s.name):
			d.add(part, "scope "+s.name, good, "granted, for: "+s.feature, "")
		case slices.Contains(vital, s.name):
			d.add(part, "scope "+s.name, bad, "missing, and needed for: "+s.feature, mend)
		default:
			d.add(part, "scope "+s.name, off, "missing, and needed for: "+s.feature, mend)
		}
	}
}

// reinstall says how the app gets the scopes that it lacks.
func (d *doctor) reinstall() string {
	return "bring the app's manifest up to date (" + d.manifest() + "), then install the app again"
}

// manifest is the command that prints this bot's manifest.
func (d *doctor) manifest() string {
	if d.settings.SlackAppToken != "" {
		return "inventbot manifest --socket"
	}
	return "inventbot manifest --url " + cmp.Or(d.settings.PublicURL, "https://...")
}

func (d *doctor) clock(ahead time.Duration) {
	const mend = "set this machine's clock by NTP"
	away := ahead.Abs().Round(time.Second)
	switch {
	case away > 5*time.Minute && d.settings.SlackAppToken == "":
		d.add("slack", "clock", bad, "this machine's clock differs from Slack's by "+away.String()+": every signature is refused", mend)
	case away > time.Minute:
		d.add("slack", "clock", off, "this machine's clock differs from Slack's by "+away.String(), mend)
	default:
		d.add("slack", "clock", good, "within a minute of Slack's", "")
	}
}

// channels checks whether the bot is a member of the channels where handoffs are announced.
func (d *doctor) channels(ctx context.Context) {
	var asked []string
	for _, rule := range d.settings.routes.Rules {
		if slices.Contains(asked, rule.Channel) {
			continue
		}
		asked = append(asked, rule.Channel)
		checked := "handoffs in " + rule.Channel
		channel, err := d.slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: rule.Channel})
		said, _ := slackWord(err)
		switch {
		case strings.HasSuffix(said, "missing_scope"):
			d.slackFails(checked, off, err, d.reinstall())
		case err != nil:
			d.slackFails(checked, off, err, "check that the id is right (click on the channel's name, About), and type /invite @Invent there")
		case channel.IsArchived:
			d.add("slack", checked, off, "the channel is archived: handoffs can't be announced there", "unarchive it, or take it out of the settings or the routes")
		case !channel.IsMember:
			d.add("slack", checked, off, "the bot isn't a member: handoffs can't be announced there", "type /invite @Invent there")
		default:
			d.add("slack", checked, good, "the bot is a member, and announces handoffs there", "")
		}
	}
}

func (d *doctor) people(ctx context.Context) map[string]bool {
	users, err := d.slack.GetUsersContext(ctx, slack.GetUsersOptionLimit(1000))
	if err != nil {
		word, _ := slackWord(err)
		d.add("slack", "people", unchecked, "they can't be listed: "+word, "")
		return nil
	}
	var emails map[string]bool // stays nil if nobody has one, which means that the scope users:read.email is missing
	ids := map[string]bool{}
	for i := range users {
		u := &users[i]
		ids[u.ID] = true
		if u.IsBot || u.Profile.Email == "" {
			continue
		}
		if emails == nil {
			emails = map[string]bool{}
		}
		if !u.Deleted && u.IsEmailConfirmed {
			emails[invent.FoldEmail(u.Profile.Email)] = true
		}
	}
	for _, id := range d.settings.admins {
		if !ids[id] {
			d.add("slack", "ADMINS", off, id+" isn't anybody in this workspace", "put the ids of people in this workspace into ADMINS (profile, three dots, Copy member ID)")
		}
	}
	return emails
}

// way checks how Slack's requests reach the bot: by Socket Mode, or at PUBLIC_URL.
func (d *doctor) way(ctx context.Context) {
	const part = "slack"
	switch {
	case d.settings.SlackAppToken != "":
		if _, _, err := d.slack.StartSocketModeContext(ctx); err != nil {
			d.slackFails("Socket Mode", bad, err, "turn Socket Mode on ("+d.manifest()+"), and make an app-level token with connections:write for SLACK_APP_TOKEN")
			return
		}
		d.add(part, "Socket Mode", good, "Slack lets the bot connect", "")
	case d.settings.PublicURL == "":
		d.add(part, "PUBLIC_URL", unchecked, "not set, so it can't be checked whether Slack can reach the bot", "set PUBLIC_URL to the address in the app's request URLs, and start the bot")
	default:
		d.selfRequest(ctx)
	}
}

// ways are the routes that the manifest gives Slack, each with a request that makes the bot do nothing.
var ways = []struct{ path, contentType, body string }{
	{"/slack/commands", "application/x-www-form-urlencoded", "ssl_check=1"},
	{"/slack/interactions", "application/x-www-form-urlencoded", `payload={"type":"doctor"}`},
	{"/slack/options", "application/x-www-form-urlencoded", `payload={"type":"doctor"}`},
	{"/slack/events", "application/json", `{"type":"url_verification","challenge":"doctor"}`},
}

// selfRequest sends the requests of ways to the bot's public address, as Slack would, each once correctly signed and once unsigned.
func (d *doctor) selfRequest(ctx context.Context) {
	const part, checked = "slack", "PUBLIC_URL"
	for _, way := range ways {
		what := checked + way.path
		signed, err := d.ask(ctx, way.path, way.contentType, way.body, bot.Sign(d.settings.secrets[0], []byte(way.body), time.Now()))
		if err != nil {
			d.add(part, what, bad, "nothing answers there: "+err.Error(), "start the bot, and point the address at it")
			return
		}
		unsigned, err := d.ask(ctx, way.path, way.contentType, way.body, http.Header{})
		switch {
		case err != nil:
			d.add(part, what, bad, "it answers only now and then: "+err.Error(), "check the proxy in front of the bot")
		case signed == http.StatusOK && unsigned == http.StatusUnauthorized:
			continue
		case signed == http.StatusOK:
			d.add(part, what, bad, fmt.Sprintf("something else answers there: %d to a request that nobody signed", unsigned), "point the address at the bot")
		case signed == http.StatusUnauthorized:
			d.add(part, what, bad, "what answers there refuses this signing secret", "copy the Signing Secret from the app's page, Basic Information, to SLACK_SIGNING_SECRET, and start the bot again; "+
				"if it is right, check that no proxy in front of the bot asks for a login")
		case signed/100 == 3:
			d.add(part, what, bad, fmt.Sprintf("it redirects (%d), and Slack doesn't follow redirects", signed), "set PUBLIC_URL, and the app's request URLs, to where it redirects")
		default:
			d.add(part, what, bad, fmt.Sprintf("it answers %d", signed), "point the address at the bot, for everything under /slack/")
		}
		return
	}
	d.add(part, checked, good, "reaches a bot with this signing secret, which refuses what isn't signed", "")
}

// ask posts to a route of the bot at its public address, and returns the status.
func (d *doctor) ask(ctx context.Context, path, contentType, body string, headers http.Header) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.settings.PublicURL+path, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("asking the bot: %w", err)
	}
	r.Header = headers
	r.Header.Set("Content-Type", contentType)
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := direct.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asking the bot: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, nil
}

// organisation checks the key, what this Invent's API offers, and how many members are on Slack.
func (d *doctor) organisation(ctx context.Context, emails map[string]bool) {
	const part = "invent"
	err := d.invent.Ping(ctx)
	switch {
	case err == nil:
		d.add(part, "key", good, "accepted, for the organisation "+d.settings.InventOrgID, "")
	case invent.Refused(err):
		d.add(part, "key", bad, "Invent refuses it", "make a new key in Invent under Settings > API Keys, and put it into INVENT_API_KEY")
		return
	case invent.NotFound(err):
		d.add(part, "organisation", bad, "Invent lists no members of "+d.settings.InventOrgID+", so nobody can be identified", "set INVENT_ORG_ID to the organisation of the key; c is the key's own")
	default:
		d.add(part, "key", bad, "it can't be tried: "+err.Error(), "check that INVENT_API_URL is right and can be reached from here")
		return
	}
	d.contract(ctx)
	if err == nil {
		d.members(ctx, emails)
	}
}

// need is what the bot needs a route of Invent's for, or a property of its body.
type need struct {
	feature string
	vital   bool // without it nothing works
}

var needs = map[string]need{
	"chat":             {"reading a conversation", true},
	"assign":           {"take, assign and release", true},
	"assign.member_id": {"take, assign and release", true},
	"members":          {"telling which Slack user is which member", true},
	"newer":            {"finding a conversation that goes on under another id", false},
	"memories":         {"the summary of a conversation", false},
	"state":            {"changing more of a conversation than its assignee", false},
	"state.ai_enabled": {"turning the AI on and off", false},
	"state.state":      {"resolving and reopening", false},
	"inbox":            {"queue, mine, the lists of the Home tab, announcements of handoffs, and cards redrawn after changes in the dashboard", false},
	"listen":           {"announcing handoffs at once", false},
}

// contract compares what the bot uses with what Invent's own description says the API has.
func (d *doctor) contract(ctx context.Context) {
	const part = "invent"
	k, err := d.invent.Check(ctx)
	if err != nil {
		d.add(part, "contract", off, "Invent's own description (/openapi.json) can't be read ("+err.Error()+"): only what is publicly documented is used", "try again later")
	}
	for _, f := range k.Findings() {
		name, line := f.Op, f.Method+" "+f.Path
		if f.Property != "" {
			name, line = f.Op+"."+f.Property, line+" "+f.Property
		}
		n := needs[name]
		switch {
		case f.Found && k.Read:
			d.add(part, line, good, "found; on: "+n.feature, "")
		case f.Found:
			d.add(part, line, unchecked, "assumed to be there; on: "+n.feature, "")
		case n.vital:
			d.add(part, line, bad, "not found; off: "+n.feature, "check that INVENT_API_URL is Invent's API; if it is, update the bot")
		default:
			d.add(part, line, off, "not found; off: "+n.feature, "wait until Invent offers it: the bot looks every hour, and then turns it on")
		}
	}
}

// members reports how many members there are and how many are on Slack, but never who.
func (d *doctor) members(ctx context.Context, emails map[string]bool) {
	const part, checked = "invent", "members"
	all, err := d.invent.Members(ctx)
	if err != nil {
		d.add(part, checked, bad, "they can't be listed: "+err.Error(), "try again later")
		return
	}
	active, equal, twice := 0, 0, 0
	seen := map[string]int{}
	for _, m := range all {
		email := invent.FoldEmail(m.Email)
		if seen[email]++; email != "" && seen[email] == 2 {
			twice++
		}
		if !m.Active() {
			continue
		}
		active++
		if emails[email] {
			equal++
		}
	}
	if twice > 0 {
		d.add(part, "e-mails", off, fmt.Sprintf("%d belong to more than one member each, and those members can't act", twice), "give every member an e-mail of their own in Invent")
	}
	link := d.settings.SlackCommand + " link @person <e-mail in Invent>"
	switch {
	case emails == nil:
		d.add(part, checked, unchecked, fmt.Sprintf("%d are active; how many of them are on Slack is not known without the e-mails of its users", active), "")
	case active == 0:
		d.add(part, checked, bad, "none is active, and only active members may act", "invite the team to Invent")
	case equal == 0:
		d.add(part, checked, off, fmt.Sprintf("%d are active, and none has the confirmed e-mail of a Slack user", active), "ask an admin to type "+link)
	case equal < active:
		d.add(part, checked, good, fmt.Sprintf("%d are active, %d have the confirmed e-mail of a Slack user", active, equal), "for the others, if they are on Slack: "+link)
	default:
		d.add(part, checked, good, fmt.Sprintf("%d are active, and all have the confirmed e-mail of a Slack user", active), "")
	}
}

// slackFails adds a finding for a failed call to Slack. If Slack answered, it shows only Slack's error code: an error may hold
// more than should be printed. If not, it shows the error, and mend is replaced by a check of SLACK_API_URL.
func (d *doctor) slackFails(checked string, s state, err error, mend string) {
	word, answered := slackWord(err)
	if !answered {
		word += ": " + err.Error()
		mend = "check that SLACK_API_URL is right and can be reached from here"
	}
	d.add("slack", checked, s, word, mend)
}

// slackWord says in words what went wrong with a call to Slack, by Slack's error code if there is one, and whether Slack answered.
func slackWord(err error) (word string, answered bool) {
	var limit *slack.RateLimitedError
	var said slack.SlackErrorResponse
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &limit):
		return "Slack wants fewer requests", true
	case errors.As(err, &said):
		return "Slack says " + said.Err, true
	case errors.As(err, &status):
		return "Slack answers " + status.Status, true
	}
	return "Slack doesn't answer", false
}
