package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Call is one request to the Web API, or to a response_url, as it came in.
type Call struct {
	Method string            // "chat.postMessage", "response_url"
	Args   map[string]string // without the token; JSON values other than strings stay JSON
	Status int               // of the HTTP answer; 0 until there is one
	Error  string            // Slack's error code in the answer, if any
	At     time.Time         // by the workspace's clock
}

// Calls are all calls so far, in the order in which they came.
func (w *Workspace) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Clone(w.calls)
	for i := range out {
		out[i].Args = maps.Clone(out[i].Args)
	}
	return out
}

// CallsTo are the calls of one method; "response_url" stands for all response_urls.
func (w *Workspace) CallsTo(method string) []Call {
	return slices.DeleteFunc(w.Calls(), func(c Call) bool { return c.Method != method })
}

type args map[string]string

func (a args) yes(key string) bool { return a[key] == "true" || a[key] == "1" }

type reply map[string]any

// refusal is the answer {"ok":false,"error":code}. complaint is "" for what happens to careful bots too.
type refusal struct {
	code      string
	complaint string
	more      map[string]any
}

func refuse(code string) *refusal { return &refusal{code: code} }

func blame(code, format string, a ...any) *refusal {
	return &refusal{code: code, complaint: fmt.Sprintf(format, a...)}
}

// method is one method of the Web API: the scope it needs, how many calls a minute it takes (docs.slack.dev/apis/web-api/rate-limits),
// and what it does, with the mutex held.
type method struct {
	scope string
	tier  int
	do    func(*Workspace, args) (reply, *refusal)
}

var methods = map[string]method{
	"auth.test":           {"", 300, (*Workspace).authTest},
	"chat.postMessage":    {"chat:write", 0, (*Workspace).postMessage}, // one a second per channel instead
	"chat.postEphemeral":  {"chat:write", 100, (*Workspace).postEphemeral},
	"chat.update":         {"chat:write", 50, (*Workspace).update},
	"chat.delete":         {"chat:write", 50, (*Workspace).deleteMessage},
	"chat.unfurl":         {"links:write", 50, (*Workspace).unfurl},
	"conversations.open":  {"im:write", 50, (*Workspace).openConversation},
	"conversations.info":  {"channels:read", 50, (*Workspace).conversationInfo}, // it checks groups:read and im:read itself
	"users.info":          {"users:read", 100, (*Workspace).userInfo},
	"users.list":          {"users:read", 20, (*Workspace).userList},
	"users.lookupByEmail": {"users:read.email", 50, (*Workspace).lookupByEmail},
	"views.open":          {"", 100, (*Workspace).viewsOpen},
	"views.push":          {"", 100, (*Workspace).viewsPush},
	"views.update":        {"", 100, (*Workspace).viewsUpdate},
	"views.publish":       {"", 100, (*Workspace).viewsPublish},

	connectionsOpen: {"", 20, (*Workspace).openSocket}, // called with the app-level token, which has connections:write
}

const connectionsOpen = "apps.connections.open"

// ScopeOf is the scope a method needs, "" for none; ok is false for a method that is not served.
func ScopeOf(name string) (scope string, ok bool) {
	m, ok := methods[name]
	return m.scope, ok
}

const maxCall = 4 << 20

func (w *Workspace) serveAPI(rw http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/api/")
	a, token, bad := readArgs(r)
	key := counted(name, a)
	body, status := w.serve(rw, r, name, a, key, onTheWay, func() (reply, int, int) {
		body, status, retryAfter := w.answer(name, a, token, bad)
		if m, ok := methods[name]; ok {
			rw.Header().Set("X-Accepted-OAuth-Scopes", m.scope)
			rw.Header().Set("X-OAuth-Scopes", strings.Join(slices.Sorted(maps.Keys(w.scopes)), ","))
		}
		return body, status, retryAfter
	})
	if status >= 500 { // Slack's own 5xx come as HTML
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, "<!DOCTYPE html><html><body><h1>Server Error</h1></body></html>")
		return
	}
	answerJSON(rw, status, body)
}

// serve is what calls to the Web API and to response_urls have in common: a call is recorded, meets the faults, is carried out by do with
// the mutex held, and gets Retry-After if it has to wait. key names the limit that it counts towards, grace is for tooSoon.
func (w *Workspace) serve(rw http.ResponseWriter, r *http.Request, name string, a args, key string, grace time.Duration,
	do func() (body reply, status, retryAfter int),
) (body reply, status int) {
	w.mu.Lock()
	at := len(w.calls)
	w.calls = append(w.calls, Call{Method: name, Args: a, At: w.now()})
	fault := w.strike(name)
	w.tooSoon(key, grace)
	w.touch()
	w.mu.Unlock()

	if !w.suffer(r, fault) {
		panic(http.ErrAbortHandler) // hung until the caller or the workspace gave up
	}
	retryAfter := 0
	w.mu.Lock()
	if fault == nil || fault.After || !fault.fails() {
		body, status, retryAfter = do()
	}
	if fault != nil && fault.fails() {
		body, status, retryAfter = fault.body(), fault.status(name), fault.RetryAfter
	}
	if status == http.StatusTooManyRequests && retryAfter > 0 {
		w.toldToWait(key, retryAfter)
	}
	w.calls[at].Status = status
	w.calls[at].Error, _ = body["error"].(string)
	w.touch()
	w.mu.Unlock()
	if fault != nil && fault.Hang {
		w.hang(r)
		panic(http.ErrAbortHandler)
	}
	if retryAfter > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	return body, status
}

func answerJSON(rw http.ResponseWriter, status int, body reply) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(marshal(body))
}

// answer carries out one call. The mutex must be held.
func (w *Workspace) answer(name string, a args, token string, bad *refusal) (body reply, status, retryAfter int) {
	m, known := methods[name]
	var no *refusal
	switch {
	case !known:
		no = blame("unknown_method", "no such method, or none that is pretended here")
	case bad != nil:
		no = bad
	case token == "":
		no = blame("not_authed", "no token")
	case name == connectionsOpen && token == w.token:
		no = blame("not_allowed_token_type", "this wants the app-level token")
	case name == connectionsOpen && token == w.appToken:
	case token != w.token:
		no = blame("invalid_auth", "not this workspace's token")
	case w.revoked:
		no = refuse("token_revoked")
	case m.scope != "" && !w.scopes[m.scope]:
		no = w.missing(m.scope)
	}
	if no == nil {
		if wait := w.throttle(name, m, a); wait > 0 {
			return reply{"ok": false, "error": "ratelimited"}, http.StatusTooManyRequests, wait
		}
		body, no = m.do(w, a)
	}
	if no != nil {
		if no.complaint != "" {
			w.complain("%s: %s: %s", name, no.code, no.complaint)
		}
		body = reply{"ok": false, "error": no.code}
		maps.Copy(body, no.more)
		return body, http.StatusOK, 0
	}
	body["ok"] = true
	return body, http.StatusOK, 0
}

func (w *Workspace) missing(scope string) *refusal {
	provided := strings.Join(slices.Sorted(maps.Keys(w.scopes)), ",")
	no := blame("missing_scope", "needs %s, has %s", scope, provided)
	no.more = map[string]any{"needed": scope, "provided": provided}
	return no
}

// readArgs takes arguments from a form, a JSON object or (GET) the query, and the token from the form or the Authorization header:
// slack-go puts it into the form for chat.* and users.*, into the header for views.*.
func readArgs(r *http.Request) (a args, token string, bad *refusal) {
	a = args{}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxCall+1))
	if err != nil || len(raw) > maxCall {
		return a, "", blame("request_timeout", "a body cut short or over 4 MiB")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method == http.MethodGet:
		for k, v := range r.URL.Query() {
			a[k] = v[0]
		}
	case kind == formType:
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			bad = blame("invalid_form_data", "%v", err)
		}
		for k, v := range form {
			a[k] = v[0]
		}
	case kind == "application/json":
		var body map[string]json.RawMessage
		if err := json.Unmarshal(raw, &body); err != nil && len(raw) > 0 {
			bad = blame("json_not_object", "%v", err)
		}
		a = flatten(body)
	default:
		bad = blame("invalid_post_type", "content type %q", kind)
	}
	if r.URL.Query().Get("token") != "" {
		bad = blame("invalid_auth", "the token is in the URL, where logs keep it")
	}
	token = a["token"]
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = t
	}
	delete(a, "token")
	return a, token, bad
}

func flatten(body map[string]json.RawMessage) args {
	a := args{}
	for k, v := range body {
		var s string
		if json.Unmarshal(v, &s) == nil && string(v) != "null" {
			a[k] = s
		} else if string(v) != "null" {
			a[k] = string(v)
		}
	}
	return a
}

func (w *Workspace) authTest(args) (reply, *refusal) {
	body := reply{
		"url": "https://" + domain + ".slack.com/", "team": "Sandbox", "user": botName, "team_id": w.teamID, "user_id": botUserID,
		"bot_id": botID, "is_enterprise_install": false,
	}
	if w.entID != "" {
		body["enterprise_id"] = w.entID
	}
	return body, nil
}

const (
	postLimit   = 40000 // characters in chat.postMessage and response_urls
	updateLimit = 4000  // in chat.update
)

// content checks and takes text, blocks and metadata from a call.
func (w *Workspace) content(name string, a args, limit int) (revision, *refusal) {
	problems := checkContent(a["text"], json.RawMessage(a["blocks"]), json.RawMessage(a["attachments"]), limit)
	w.grumble(name, problems)
	if code := firstCode(problems); code != "" {
		return revision{}, &refusal{code: code, more: map[string]any{
			"response_metadata": map[string]any{"messages": hard(problems)}}}
	}
	r := revision{text: a["text"], blocks: normal(json.RawMessage(a["blocks"]))}
	if s := a["metadata"]; s != "" && s != "{}" {
		var m struct {
			Type    string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		if err := json.Unmarshal([]byte(s), &m); err != nil || m.Payload == nil && m.Type != "" || m.Type == "" && m.Payload != nil {
			return r, blame("invalid_metadata_format", "metadata needs event_type and event_payload: %.100s", s)
		}
		if m.Type != "" {
			r.metadata = json.RawMessage(s)
		}
	}
	return r, nil
}

// grumble records problems as complaints. The mutex must be held.
func (w *Workspace) grumble(what string, problems []problem) {
	for _, p := range problems {
		if p.code != "" {
			w.complain("%s: %s: %s", what, p.code, p)
		} else {
			w.complain("%s: %s", what, p)
		}
	}
}

// reachable finds a channel the bot may write to; uninvited: also one that it isn't a member of.
func (w *Workspace) reachable(id string, uninvited bool) (*Channel, *refusal) {
	c := w.channels[id]
	switch {
	case id == "":
		return nil, blame("channel_not_found", "no channel given")
	case strings.HasPrefix(id, "#"):
		return nil, blame("channel_not_found", "%s: ids, not names", id)
	case c == nil, c.Private && !c.has(botUserID): // Slack doesn't tell that a private channel exists
		return nil, refuse("channel_not_found")
	case c.Archived:
		return nil, refuse("is_archived")
	case !c.has(botUserID) && !uninvited:
		return nil, refuse("not_in_channel")
	}
	return c, nil
}

func isUserID(id string) bool { return strings.HasPrefix(id, "U") || strings.HasPrefix(id, "W") }

func (w *Workspace) postMessage(a args) (reply, *refusal) {
	for _, k := range []string{"username", "icon_url", "icon_emoji"} {
		if a[k] != "" && !w.scopes["chat:write.customize"] {
			return nil, w.missing("chat:write.customize")
		}
	}
	var c *Channel
	if id := a["channel"]; isUserID(id) {
		u := w.users[id]
		switch {
		case u == nil, u.Deactivated, u.TeamID != w.teamID && !w.sharedWith(id):
			return nil, refuse("channel_not_found")
		case u.Bot:
			return nil, refuse("cannot_dm_bot")
		}
		c = w.openDM(id)
	} else {
		var no *refusal
		if c, no = w.reachable(id, w.scopes["chat:write.public"]); no != nil {
			return nil, no
		}
	}
	r, no := w.content("chat.postMessage", a, postLimit)
	if no != nil {
		return nil, no
	}
	q := &post{channel: c.ID, author: botUserID, via: "chat.postMessage", revs: []revision{r}}
	if ts := a["thread_ts"]; ts != "" {
		if parent := w.byTS[c.ID][ts]; parent != nil && !parent.deleted && parent.ephemeral == "" {
			if parent.thread != "" {
				w.complain("chat.postMessage: thread_ts %s is a reply's, not that of the message that began the thread", ts)
			}
			q.thread, q.broadcast = ts, a.yes("reply_broadcast")
		} // else Slack posts it outside a thread
	}
	w.add(q)
	return reply{"channel": c.ID, "ts": q.ts, "message": w.messagePayload(q)}, nil
}

// sharedWith reports whether a person of another organisation is in a shared channel with the bot.
func (w *Workspace) sharedWith(user string) bool {
	for _, c := range w.channels {
		if c.Shared && c.has(user) && c.has(botUserID) {
			return true
		}
	}
	return false
}

func (w *Workspace) postEphemeral(a args) (reply, *refusal) {
	c, no := w.reachable(a["channel"], false)
	if no != nil {
		return nil, no
	}
	if a["user"] == "" || w.users[a["user"]] == nil {
		return nil, blame("user_not_found", "user %q", a["user"])
	}
	if !c.has(a["user"]) {
		return nil, refuse("user_not_in_channel")
	}
	r, no := w.content("chat.postEphemeral", a, postLimit)
	if no != nil {
		return nil, no
	}
	if ts := a["thread_ts"]; ts != "" && !w.beganThread(c.ID, ts) {
		w.complain("chat.postEphemeral: nobody has replied to %s, and what is private below it isn't shown", ts)
	}
	q := &post{channel: c.ID, author: botUserID, via: "chat.postEphemeral", ephemeral: a["user"], thread: a["thread_ts"], revs: []revision{r}}
	w.add(q)
	return reply{"message_ts": q.ts}, nil
}

// own finds a message of the bot that is to be changed or deleted.
func (w *Workspace) own(a args, denied string) (*post, *refusal) {
	id := a["channel"]
	if isUserID(id) {
		return nil, blame("channel_not_found", "%s is a person: a direct message's own id (D…) is needed", id)
	}
	c, no := w.reachable(id, true)
	if no != nil {
		if no.code == "is_archived" {
			no.code = "is_inactive" // so chat.update calls it
		}
		return nil, no
	}
	q := w.byTS[c.ID][a["ts"]]
	switch {
	case q == nil, q.deleted, q.ephemeral != "": // the Web API doesn't find ephemerals
		return nil, refuse("message_not_found")
	case q.author != botUserID:
		return nil, blame(denied, "the message is %s's", q.author)
	case q.via != "chat.postMessage":
		// bolt-js#2063, java-slack-sdk#951
		return nil, blame(denied, "the message came by %s", q.via)
	}
	return q, nil
}

func (w *Workspace) update(a args) (reply, *refusal) {
	q, no := w.own(a, "cant_update_message")
	if no != nil {
		return nil, no
	}
	_, hasBlocks := a["blocks"]
	if _, hasText := a["text"]; hasBlocks && !hasText {
		w.complain("chat.update: blocks without text keep the old text, which screen readers read")
		a = maps.Clone(a)
		a["text"] = q.last().text
	}
	r, no := w.content("chat.update", a, updateLimit) // if no blocks are given, the old ones are removed
	if no != nil {
		return nil, no
	}
	if r.metadata == nil {
		r.metadata = q.last().metadata
	}
	w.redraw(q, r)
	return reply{"channel": q.channel, "ts": q.ts, "text": r.text, "message": w.messagePayload(q)}, nil
}

func (w *Workspace) deleteMessage(a args) (reply, *refusal) {
	q, no := w.own(a, "cant_delete_message")
	if no != nil {
		return nil, no
	}
	q.deleted = true
	w.touch()
	return reply{"channel": q.channel, "ts": q.ts}, nil
}

func (w *Workspace) unfurl(a args) (reply, *refusal) {
	if a["unfurl_id"] != "" {
		return nil, blame("cannot_unfurl_message", "unfurl_id and source are not pretended here: give channel and ts")
	}
	q, c := w.byTS[a["channel"]][a["ts"]], w.channels[a["channel"]]
	switch {
	case c == nil, c.Private && !c.has(botUserID):
		return nil, refuse("cannot_find_channel")
	case q == nil, q.deleted, q.ephemeral != "":
		return nil, refuse("cannot_find_message")
	}
	var unfurls map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a["unfurls"]), &unfurls); err != nil || len(unfurls) == 0 {
		return nil, blame("missing_unfurls", "unfurls: %.100q", a["unfurls"])
	}
	for link, raw := range unfurls {
		if !strings.Contains(q.last().text, escapeAll(link)) && !strings.Contains(q.last().text, link) {
			return nil, blame("cannot_unfurl_message", "%s is not in the message", link)
		}
		var one struct {
			Text   string          `json:"text"`
			Blocks json.RawMessage `json:"blocks"`
		}
		_ = json.Unmarshal(raw, &one)
		problems := checkBlocks("message", one.Blocks)
		w.grumble("chat.unfurl", problems)
		if firstCode(problems) != "" {
			return nil, refuse("invalid_blocks")
		}
	}
	if q.unfurls == nil {
		q.unfurls = map[string]json.RawMessage{}
	}
	maps.Copy(q.unfurls, unfurls)
	w.touch()
	return reply{}, nil
}

func (w *Workspace) openConversation(a args) (reply, *refusal) {
	u := w.users[a["users"]]
	switch {
	case a["users"] == "" || strings.Contains(a["users"], ","):
		return nil, blame("users_list_not_supplied", "one user at a time is pretended here, not %q", a["users"])
	case u == nil:
		return nil, refuse("user_not_found")
	case u.Deactivated:
		return nil, refuse("user_disabled")
	case u.Bot:
		return nil, refuse("cannot_dm_bot")
	}
	return reply{"channel": map[string]any{"id": w.openDM(u.ID).ID}}, nil
}

func (w *Workspace) conversationInfo(a args) (reply, *refusal) {
	c := w.channels[a["channel"]]
	if c == nil || c.Private && !c.has(botUserID) {
		return nil, refuse("channel_not_found")
	}
	scope := "channels:read"
	switch {
	case c.im != "":
		scope = "im:read"
	case c.Private:
		scope = "groups:read"
	}
	if !w.scopes[scope] {
		return nil, w.missing(scope)
	}
	return reply{"channel": map[string]any{
		"id": c.ID, "name": c.Name, "is_channel": c.im == "" && !c.Private, "is_group": c.im == "" && c.Private, "is_im": c.im != "",
		"is_private": c.Private, "is_archived": c.Archived, "is_member": c.has(botUserID), "is_ext_shared": c.Shared, "is_shared": c.Shared,
		"is_pending_ext_shared": c.Pending, "context_team_id": w.teamID,
	}}, nil
}

// userPayload is a person as users.info shows them; with an e-mail only if the scope users:read.email is there, and never for strangers.
func (w *Workspace) userPayload(u *User) map[string]any {
	profile := map[string]any{
		"real_name": u.RealName, "real_name_normalized": u.RealName, "display_name": u.Name, "display_name_normalized": u.Name,
		"avatar_hash": "g0", "team": u.TeamID, "title": "",
	}
	if w.scopes["users:read.email"] && u.Email != "" && !u.Bot && !u.Stranger {
		profile["email"] = u.Email
	}
	if u.Bot {
		profile["api_app_id"], profile["bot_id"] = appID, botID
	}
	tz := u.TZ
	if tz == "" {
		tz = "Etc/UTC"
	}
	m := map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "real_name": u.RealName, "deleted": u.Deactivated, "tz": tz, "tz_label": tz,
		"profile": profile, "is_admin": u.Admin || u.Owner, "is_owner": u.Owner, "is_primary_owner": false,
		"is_restricted": u.Guest || u.UltraGuest, "is_ultra_restricted": u.UltraGuest, "is_bot": u.Bot, "is_app_user": false,
		"is_email_confirmed": !u.EmailUnconfirmed, "updated": w.now().Unix(),
	}
	if u.Stranger || u.TeamID != w.teamID {
		m["is_stranger"] = u.Stranger
	}
	if u.Enterprise != "" {
		m["enterprise_user"] = map[string]any{"id": u.ID, "enterprise_id": u.Enterprise, "enterprise_name": "Sandbox Grid",
			"is_admin": false, "is_owner": false, "teams": []string{u.TeamID}}
	}
	return m
}

func (w *Workspace) userInfo(a args) (reply, *refusal) {
	u := w.users[a["user"]]
	if u == nil {
		return nil, refuse("user_not_found")
	}
	return reply{"user": w.userPayload(u)}, nil
}

func (w *Workspace) userList(a args) (reply, *refusal) {
	from, _ := strconv.Atoi(a["cursor"])
	n, _ := strconv.Atoi(a["limit"])
	if n < 0 || n > 1000 || from < 0 || from > len(w.userOrder) {
		return nil, blame("invalid_cursor", "cursor %q, limit %q", a["cursor"], a["limit"])
	}
	if n == 0 {
		n = len(w.userOrder)
	}
	to := min(from+n, len(w.userOrder))
	members := []any{}
	for _, id := range w.userOrder[from:to] {
		members = append(members, w.userPayload(w.users[id]))
	}
	next := ""
	if to < len(w.userOrder) {
		next = strconv.Itoa(to)
	}
	return reply{"members": members, "cache_ts": w.now().Unix(), "response_metadata": map[string]any{"next_cursor": next}}, nil
}

func (w *Workspace) lookupByEmail(a args) (reply, *refusal) {
	for _, id := range w.userOrder {
		if u := w.users[id]; u.Email != "" && strings.EqualFold(u.Email, a["email"]) && !u.Deactivated && !u.Bot && !u.Stranger {
			return reply{"user": w.userPayload(u)}, nil
		}
	}
	return nil, refuse("users_not_found")
}
