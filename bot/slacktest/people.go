package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// User is what Slack knows about a person. The zero values are those of an ordinary member with a confirmed e-mail.
type User struct {
	ID               string // U… or W…; made up when empty
	Name             string // "ada", as in @ada; the id in small letters when empty
	RealName         string
	Email            string
	EmailUnconfirmed bool
	Guest            bool   // multi-channel guest: is_restricted
	UltraGuest       bool   // single-channel guest: is_restricted and is_ultra_restricted
	Bot              bool   // is_bot
	Deactivated      bool   // deleted
	Stranger         bool   // is_stranger: from another organisation, and in none of the bot's channels
	TeamID           string // a workspace of another organisation (Slack Connect), or another one of this organisation; "": this workspace
	Enterprise       string // the organisation of that TeamID; for people of this workspace it is set from [Enterprise]
	Admin            bool
	Owner            bool
	TZ               string // "Europe/Berlin"; UTC when empty
}

// Person is somebody who can act in the workspace. Its fields are copies, as they were when the Person was returned.
type Person struct {
	ID, Name, RealName, Email string

	w *Workspace
}

// Channel describes a channel to add, and is the handle to one. A handle's fields are copies, as they were when it was returned.
type Channel struct {
	ID          string // C…; made up when empty
	Name        string
	Private     bool
	Archived    bool
	Shared      bool     // with another organisation (Slack Connect)
	Pending     bool     // another organisation is invited, and has not accepted yet
	BotIsMember bool     // else the bot can't post there
	Members     []string // user ids; nil means everybody

	im string // in a direct message with the bot: the other person
	w  *Workspace
}

// AddUser adds a person; it replaces one with the same id.
func (w *Workspace) AddUser(u User) *Person {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.ID == "" {
		u.ID = fmt.Sprintf("U0%08d", len(w.users))
	}
	if u.Name == "" {
		u.Name = strings.ToLower(u.ID)
	}
	if u.RealName == "" {
		u.RealName = u.Name
	}
	if u.TeamID == "" {
		u.TeamID, u.Enterprise = w.teamID, w.entID
	}
	if w.users[u.ID] == nil {
		w.userOrder = append(w.userOrder, u.ID)
	}
	w.users[u.ID] = &u
	w.touch()
	return w.person(&u)
}

func (w *Workspace) person(u *User) *Person {
	return &Person{ID: u.ID, Name: u.Name, RealName: u.RealName, Email: u.Email, w: w}
}

// SetUser changes what Slack knows about a person; an unknown id is ignored. change must not call the workspace.
func (w *Workspace) SetUser(id string, change func(*User)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.users[id]; u != nil {
		change(u)
		w.touch()
	}
}

// Person is the person with this id; nil for an unknown id.
func (w *Workspace) Person(id string) *Person {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.users[id]; u != nil {
		return w.person(u)
	}
	return nil
}

// Users are all users, in the order in which they were added; the bot's own user is first.
func (w *Workspace) Users() []User {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]User, 0, len(w.userOrder))
	for _, id := range w.userOrder {
		out = append(out, *w.users[id])
	}
	return out
}

// AddChannel adds a channel; it replaces one with the same id.
func (w *Workspace) AddChannel(c Channel) *Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addChannel(c)
}

func (w *Workspace) addChannel(c Channel) *Channel {
	if c.ID == "" {
		c.ID = fmt.Sprintf("C0%08d", len(w.channels)+1)
	}
	if c.Name == "" {
		c.Name = strings.ToLower(c.ID)
	}
	c.Members, c.w = slices.Clone(c.Members), w
	if w.channels[c.ID] == nil {
		w.chanOrder = append(w.chanOrder, c.ID)
	}
	w.channels[c.ID] = &c
	w.touch()
	return c.handle()
}

func (c *Channel) handle() *Channel {
	h := *c
	h.Members = slices.Clone(c.Members)
	return &h
}

// SetChannel changes a channel; an unknown id is ignored. change must not call the workspace.
func (w *Workspace) SetChannel(id string, change func(*Channel)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.channels[id]; c != nil {
		change(c)
		w.touch()
	}
}

// Channel is the channel with this id; nil for an unknown id. Direct messages are channels too.
func (w *Workspace) Channel(id string) *Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.channels[id]; c != nil {
		return c.handle()
	}
	return nil
}

// Channels are all channels, including direct messages with the bot, in the order in which they were made.
func (w *Workspace) Channels() []Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Channel, 0, len(w.chanOrder))
	for _, id := range w.chanOrder {
		out = append(out, *w.channels[id].handle())
	}
	return out
}

// IsDM reports whether the channel is a direct message between a person and the bot.
func (c *Channel) IsDM() bool { return c.im != "" }

func (c *Channel) has(user string) bool {
	if c.im != "" {
		return user == c.im || user == botUserID
	}
	if user == botUserID {
		return c.BotIsMember
	}
	return c.Members == nil || slices.Contains(c.Members, user)
}

// payloadName is how payloads name a channel: Slack hides the names of private ones.
func (c *Channel) payloadName() string {
	switch {
	case c.im != "":
		return "directmessage"
	case c.Private:
		return "privategroup"
	}
	return c.Name
}

// openDM must be called with the mutex held.
func (w *Workspace) openDM(user string) *Channel {
	if id := w.dms[user]; id != "" {
		return w.channels[id]
	}
	id := "D0" + strings.TrimLeft(user, "UW")
	w.dms[user] = id
	w.addChannel(Channel{ID: id, Name: "directmessage", Private: true, BotIsMember: true, Members: []string{user}, im: user})
	return w.channels[id]
}

// DM is the direct message between the person and the bot.
func (p *Person) DM() *Channel {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.w.openDM(p.ID).handle()
}

// Types lets the person type a line: "/invent take chat_1". A line with a leading slash is sent to the bot as a command, whatever its
// name; any other is an ordinary message (see Says). It returns when the bot has acknowledged, or when Slack has given up.
func (p *Person) Types(ch *Channel, line string) *Ack {
	w := p.w
	w.helper()
	if !strings.HasPrefix(line, "/") {
		return &Ack{Status: http.StatusOK, Message: p.Says(ch, line), w: w}
	}
	w.mu.Lock()
	c := w.channels[ch.ID]
	if c == nil || !c.has(p.ID) {
		w.mu.Unlock()
		w.fail("%s can't type in %s: not a member there", p.Name, ch.Name)
		return &Ack{Err: "channel_not_found", w: w}
	}
	command, text, _ := strings.Cut(line, " ")
	text = strings.TrimSpace(text)
	if w.Escape {
		text = w.escape(text)
	}
	form := url.Values{
		"token":                 {"sandbox-verification-token"},
		"team_id":               {w.teamID},
		"team_domain":           {domain},
		"channel_id":            {c.ID},
		"channel_name":          {c.payloadName()},
		"user_id":               {p.ID},
		"user_name":             {p.Name},
		"command":               {command},
		"text":                  {text},
		"api_app_id":            {appID},
		"is_enterprise_install": {"false"},
		"response_url":          {w.newHook(&hook{channel: c.ID, user: p.ID})},
		"trigger_id":            {w.newTrigger(p.ID)},
	}
	if w.entID != "" {
		form.Set("enterprise_id", w.entID)
		form.Set("enterprise_name", "Sandbox Grid")
	}
	w.mu.Unlock()
	ack := w.sendForm("/slack/commands", form)
	ack.TriggerID, ack.ResponseURL = form.Get("trigger_id"), form.Get("response_url")
	w.must(ack, fmt.Sprintf("%s typed %q", p.Name, line))
	if ack.Err == "" {
		ack.Message = w.showAck(c.ID, p.ID, ack)
	}
	return ack
}

// Says posts an ordinary message of the person. Nobody needs to expect it. If it has links to UnfurlDomains, the bot is told of them,
// in whatever channel, as Slack does; of anything else it isn't told.
func (p *Person) Says(ch *Channel, text string) *Message {
	w := p.w
	w.mu.Lock()
	q := &post{channel: ch.ID, author: p.ID, via: "person", seen: 1}
	q.revs = []revision{{text: w.escape(text)}}
	w.add(q)
	m, told := w.message(q, 0), w.linkShared(q)
	w.mu.Unlock()
	if told != nil {
		w.Event(told)
	}
	return m
}

// linkShared is the event for a message with links to UnfurlDomains; nil when it has none. The mutex must be held.
func (w *Workspace) linkShared(q *post) map[string]any {
	links := []any{}
	for _, m := range marked.FindAllStringSubmatch(q.last().text, -1) {
		u, err := url.Parse(decoded.Replace(m[1]))
		if err == nil && slices.Contains(w.UnfurlDomains, u.Hostname()) {
			links = append(links, map[string]any{"domain": u.Hostname(), "url": decoded.Replace(m[1])})
		}
	}
	c := w.channels[q.channel]
	if len(links) == 0 || c == nil {
		return nil
	}
	return map[string]any{
		"type": "link_shared", "user": q.author, "channel": q.channel, "message_ts": q.ts, "event_ts": w.stamp(), "links": links,
		"is_bot_user_member": c.has(botUserID), "source": "conversations_history", "unfurl_id": q.channel + "-" + q.ts,
	}
}

var escapable = regexp.MustCompile(`https?://[^\s<>]+|@[a-z0-9][a-z0-9._-]*|#[\p{L}\p{N}_-]+|[&<>]`)

// escape does what Slack does to a command's text when should_escape is on. Names that nobody has stay as they are.
func (w *Workspace) escape(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range escapable.FindAllStringIndex(text, -1) {
		b.WriteString(text[last:at[0]])
		word := text[at[0]:at[1]]
		last = at[1]
		starts := at[0] == 0 || strings.ContainsRune(" \t\n(,;:", rune(text[at[0]-1])) // not the @ of an e-mail
		switch word[0] {
		case 'h':
			b.WriteString("<" + strings.ReplaceAll(word, "&", "&amp;") + ">")
			continue
		case '@':
			name := strings.TrimRight(word[1:], "._-") // as in "@ada."
			if id := w.userNamed(name); id != "" && starts {
				b.WriteString("<@" + id + "|" + name + ">" + word[1+len(name):])
				continue
			}
		case '#':
			if id := w.channelNamed(word[1:]); id != "" && starts {
				b.WriteString("<#" + id + "|" + word[1:] + ">")
				continue
			}
		}
		b.WriteString(escapeAll(word))
	}
	b.WriteString(text[last:])
	return b.String()
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escapeAll(s string) string { return entities.Replace(s) }

func (w *Workspace) userNamed(name string) string {
	for _, id := range w.userOrder {
		if w.users[id].Name == name {
			return id
		}
	}
	return ""
}

func (w *Workspace) channelNamed(name string) string {
	for _, id := range w.chanOrder {
		if c := w.channels[id]; c.Name == name && c.im == "" && !c.Private {
			return id
		}
	}
	return ""
}

// showAck posts the message in the body of a command's acknowledgement, as Slack does: JSON with text or blocks, or plain words.
func (w *Workspace) showAck(channel, user string, ack *Ack) *Message {
	body := strings.TrimSpace(string(ack.Body))
	if body == "" {
		return nil
	}
	var answer struct {
		ResponseType string          `json:"response_type"`
		Text         string          `json:"text"`
		Blocks       json.RawMessage `json:"blocks"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(ack.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(ack.Body, &answer); err != nil {
			w.complain("the answer to a command is no JSON: %v", err)
			return nil
		}
	} else {
		answer.Text = body
	}
	problems := checkContent(answer.Text, answer.Blocks, nil, postLimit)
	w.grumble("the answer to a command", problems)
	if firstCode(problems) != "" {
		return nil
	}
	q := &post{channel: channel, author: botUserID, via: "ack", ephemeral: user}
	if answer.ResponseType == "in_channel" {
		q.ephemeral = ""
	}
	q.revs = []revision{{text: answer.Text, blocks: normal(answer.Blocks)}}
	w.add(q)
	return w.message(q, 0)
}

// Clicks lets the person press a button, or pick an option of an overflow menu or select, and agree to a confirm dialog. A button that
// opens a URL sends the request too, as in Slack. A button of an earlier drawing can be clicked, as on a screen that is slow to redraw. To
// click in a message that is deleted, or that the person can't see, fails the test.
func (p *Person) Clicks(b *Button) *Ack {
	w := p.w
	w.helper()
	if b == nil {
		w.fail("%s clicks a button that is not there", p.Name)
		return &Ack{Err: "no_such_button", w: w}
	}
	w.mu.Lock()
	payload, err := w.blockActions(p, b)
	w.mu.Unlock()
	if err != nil {
		w.fail("%s clicks %q: %v", p.Name, b.Label, err)
		return &Ack{Err: "no_such_button", w: w}
	}
	ack := w.sendPayload("/slack/interactions", payload)
	w.must(ack, fmt.Sprintf("%s clicked %q", p.Name, b.Label))
	return ack
}

// Press is Clicks on the button with this label. If the message has none, it fails and says which labels there are.
func (p *Person) Press(m *Message, label string) *Ack {
	p.w.helper()
	b := m.Button(label)
	if b == nil {
		var have []string
		for _, b := range m.Buttons() {
			have = append(have, b.Label)
		}
		p.w.fail("%s wants to press %q, but there is only %q", p.Name, label, have)
		return &Ack{Err: "no_such_button", w: p.w}
	}
	return p.Clicks(b)
}

// common are the fields of every interaction.
func (w *Workspace) common(kind string, p *Person) map[string]any {
	payload := map[string]any{
		"type":                  kind,
		"token":                 "sandbox-verification-token",
		"api_app_id":            appID,
		"team":                  map[string]any{"id": w.teamID, "domain": domain},
		"enterprise":            nil,
		"is_enterprise_install": false,
		"trigger_id":            w.newTrigger(p.ID),
	}
	user := map[string]any{"id": p.ID, "username": p.Name, "name": p.Name, "team_id": w.teamID}
	if u := w.users[p.ID]; u != nil {
		user["team_id"] = u.TeamID
	}
	payload["user"] = user
	if w.entID != "" {
		payload["enterprise"] = map[string]any{"id": w.entID, "name": "Sandbox Grid"}
	}
	return payload
}

func (w *Workspace) blockActions(p *Person, b *Button) (map[string]any, error) {
	action := map[string]any{
		"type":      b.Type,
		"action_id": b.ActionID,
		"block_id":  b.BlockID,
		"action_ts": w.stamp(),
	}
	switch b.Type {
	case "button":
		action["text"] = map[string]any{"type": "plain_text", "text": b.Label, "emoji": true}
		for k, v := range map[string]string{"value": b.Value, "url": b.URL, "style": b.Style} {
			if v != "" {
				action[k] = v
			}
		}
	default:
		action["selected_option"] = b.option
		if b.Type != "overflow" {
			action["placeholder"] = map[string]any{"type": "plain_text", "text": "Choose", "emoji": true}
		}
	}
	payload := w.common("block_actions", p)
	payload["actions"] = []any{action}
	if b.viewID != "" {
		v := w.views[b.viewID]
		if v == nil || v.user != p.ID {
			return nil, fmt.Errorf("that view is not open")
		}
		payload["container"] = map[string]any{"type": "view", "view_id": v.id}
		payload["view"] = w.viewPayload(v, w.untouched(v))
		return payload, nil
	}
	q := w.byTS[b.channel][b.ts]
	c := w.channels[b.channel]
	switch {
	case q == nil || c == nil:
		return nil, fmt.Errorf("that message is not known")
	case q.deleted:
		return nil, fmt.Errorf("that message is deleted")
	case !c.has(p.ID), q.ephemeral != "" && q.ephemeral != p.ID:
		return nil, fmt.Errorf("%s can't see that message", p.Name)
	}
	container := map[string]any{
		"type": "message", "message_ts": q.ts, "channel_id": q.channel, "is_ephemeral": q.ephemeral != "",
	}
	if q.thread != "" {
		container["thread_ts"] = q.thread
	}
	if b.unfurl != "" {
		container["type"], container["attachment_id"] = "message_attachment", 1
		container["is_app_unfurl"], container["app_unfurl_url"] = true, b.unfurl
	}
	payload["container"] = container
	payload["channel"] = map[string]any{"id": c.ID, "name": c.payloadName()}
	payload["state"] = map[string]any{"values": map[string]any{}}
	from := q
	if b.unfurl != "" {
		from = nil // the message is a person's: response_url can't replace it
	}
	payload["response_url"] = w.newHook(&hook{channel: q.channel, user: p.ID, from: from})
	if q.ephemeral == "" { // Slack doesn't keep ephemerals, so it can't send them
		payload["message"] = w.messagePayload(q)
	}
	return payload, nil
}

// Shortcut runs a global shortcut.
func (p *Person) Shortcut(callbackID string) *Ack {
	return p.shortcut("shortcut", callbackID, nil)
}

// MessageShortcut runs a message shortcut on a message, whoever wrote it.
func (p *Person) MessageShortcut(callbackID string, m *Message) *Ack {
	return p.shortcut("message_action", callbackID, m)
}

func (p *Person) shortcut(kind, callbackID string, m *Message) *Ack {
	w := p.w
	w.helper()
	w.mu.Lock()
	payload := w.common(kind, p)
	payload["callback_id"] = callbackID
	payload["action_ts"] = w.stamp()
	if m != nil {
		q, c := w.byTS[m.Channel][m.TS], w.channels[m.Channel]
		if q == nil || c == nil || q.deleted || q.ephemeral != "" {
			w.mu.Unlock()
			w.fail("%s can't run a shortcut on that message", p.Name)
			return &Ack{Err: "message_not_found", w: w}
		}
		payload["message_ts"] = q.ts
		payload["message"] = w.messagePayload(q)
		payload["channel"] = map[string]any{"id": c.ID, "name": c.payloadName()}
		payload["response_url"] = w.newHook(&hook{channel: c.ID, user: p.ID})
	}
	w.mu.Unlock()
	ack := w.sendPayload("/slack/interactions", payload)
	w.must(ack, fmt.Sprintf("%s ran the shortcut %q", p.Name, callbackID))
	return ack
}

// Event sends an event in the Events API's envelope, with an event_id of its own. It never retries: see EventAgain.
func (w *Workspace) Event(inner map[string]any) *Ack {
	w.mu.Lock()
	id := "Ev" + random(9)
	envelope := map[string]any{
		"token":                 "sandbox-verification-token",
		"team_id":               w.teamID,
		"context_team_id":       w.teamID,
		"context_enterprise_id": nullable(w.entID),
		"api_app_id":            appID,
		"event":                 inner,
		"type":                  "event_callback",
		"event_id":              id,
		"event_time":            w.now().Unix(),
		"is_ext_shared_channel": false,
		"event_context":         "4-" + random(20),
		"authorizations": []any{map[string]any{
			"enterprise_id": nullable(w.entID), "team_id": w.teamID, "user_id": botUserID, "is_bot": true, "is_enterprise_install": false,
		}},
	}
	if w.entID != "" {
		envelope["enterprise_id"] = w.entID
	}
	if c, ok := inner["channel"].(string); ok && w.channels[c] != nil {
		envelope["is_ext_shared_channel"] = w.channels[c].Shared
	}
	w.events[id] = envelope
	w.mu.Unlock()
	return w.sendEvent(envelope, nil)
}

// EventAgain sends an event once more under its old event_id, as Slack does without a 200: at once, after a minute, after five.
// retry counts from 1; reason is "http_timeout", "http_error" or another of Slack's.
func (w *Workspace) EventAgain(eventID string, retry int, reason string) *Ack {
	w.mu.Lock()
	envelope := w.events[eventID]
	w.mu.Unlock()
	return w.sendEvent(envelope, http.Header{
		"X-Slack-Retry-Num": {strconv.Itoa(retry)}, "X-Slack-Retry-Reason": {reason},
	})
}

func (w *Workspace) sendEvent(envelope map[string]any, extra http.Header) *Ack {
	ack := w.send("/slack/events", "application/json", marshal(envelope), extra)
	ack.EventID = str(envelope, "event_id")
	inner, _ := envelope["event"].(map[string]any)
	w.must(ack, fmt.Sprintf("event %v", inner["type"]))
	return ack
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("slacktest: " + err.Error()) // can't be: only values of our own making come here
	}
	return b
}
