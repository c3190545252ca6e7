package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Message is one message as it was drawn at one moment.
type Message struct {
	Channel   string
	TS        string
	ThreadTS  string
	Broadcast bool   // it is in a thread, but shown in the channel too
	User      string // who wrote it: the bot's user id, or a person's
	Text      string // the top-level text: for notifications and screen readers when there are blocks
	Blocks    json.RawMessage
	Ephemeral string // the only person who sees it; empty when all do
	Via       string // chat.postMessage, chat.postEphemeral, response_url, ack, person
	Updated   int    // how often it had been redrawn at this drawing
	Deleted   bool
	Metadata  json.RawMessage
	Unfurls   map[string]json.RawMessage // what chat.unfurl put below it, by URL

	w *Workspace
}

// Button is something in a message or view that a click sends to the bot: a button, or one option of an overflow menu or static select.
type Button struct {
	Label    string
	ActionID string
	BlockID  string
	Value    string
	URL      string
	Style    string   // "primary", "danger" or empty
	Type     string   // button, overflow, static_select
	Confirm  *Confirm // the dialog before the click is sent; nil: none

	option      map[string]any
	channel, ts string
	unfurl      string // the link that unfolded to the card it stands in; "" for none
	viewID      string
}

// Confirm is the text of a confirm dialog.
type Confirm struct{ Title, Text, Confirm, Deny string }

// post is a message as Slack keeps it, with all its drawings.
type post struct {
	channel, ts, thread string
	broadcast           bool
	author, ephemeral   string
	via                 string
	revs                []revision
	seen                int // how many of its drawings a test has expected
	deleted             bool
	unfurls             map[string]json.RawMessage
	unfurlsSeen         map[string]string // the last drawing of each unfurl that a test has expected
}

type revision struct {
	text     string
	blocks   json.RawMessage
	metadata json.RawMessage
}

func (r revision) equal(o revision) bool { return r.text == o.text && bytes.Equal(r.blocks, o.blocks) }

func (q *post) last() revision { return q.revs[len(q.revs)-1] }

// add must be called with the mutex held.
func (w *Workspace) add(q *post) {
	q.ts = w.stamp()
	w.posts[q.channel] = append(w.posts[q.channel], q)
	if w.byTS[q.channel] == nil {
		w.byTS[q.channel] = map[string]*post{}
	}
	w.byTS[q.channel][q.ts] = q
	w.touch()
}

// redraw must be called with the mutex held.
func (w *Workspace) redraw(q *post, r revision) {
	q.revs = append(q.revs, r)
	w.touch()
}

// message is the i-th drawing of a post; -1 is the last. The mutex must be held.
func (w *Workspace) message(q *post, i int) *Message {
	if i < 0 {
		i = len(q.revs) - 1
	}
	r := q.revs[i]
	m := &Message{
		Channel: q.channel, TS: q.ts, ThreadTS: q.thread, Broadcast: q.broadcast, User: q.author, Text: r.text, Blocks: slices.Clone(r.blocks),
		Ephemeral: q.ephemeral, Via: q.via, Updated: i, Deleted: q.deleted, Metadata: slices.Clone(r.metadata), w: w,
	}
	for u, b := range q.unfurls {
		if m.Unfurls == nil {
			m.Unfurls = map[string]json.RawMessage{}
		}
		m.Unfurls[u] = slices.Clone(b)
	}
	return m
}

// messagePayload is the message as payloads to the bot carry it. The mutex must be held.
func (w *Workspace) messagePayload(q *post) map[string]any {
	r := q.last()
	m := map[string]any{"type": "message", "ts": q.ts, "text": r.text, "user": q.author, "team": w.teamID}
	if q.author == botUserID {
		m["bot_id"], m["app_id"] = botID, appID
	}
	if len(r.blocks) > 0 {
		m["blocks"] = withIDs(r.blocks, q.ts)
	}
	if q.thread != "" {
		m["thread_ts"] = q.thread
	} else if w.beganThread(q.channel, q.ts) {
		m["thread_ts"] = q.ts
	}
	if q.broadcast {
		m["subtype"] = "thread_broadcast"
	}
	if len(r.metadata) > 0 {
		m["metadata"] = r.metadata
	}
	if len(q.revs) > 1 {
		m["edited"] = map[string]any{"user": q.author, "ts": q.ts}
	}
	return m
}

// beganThread says whether somebody has replied to a message. The mutex must be held.
func (w *Workspace) beganThread(channel, ts string) bool {
	return slices.ContainsFunc(w.posts[channel], func(q *post) bool { return q.thread == ts && q.ephemeral == "" && !q.deleted })
}

// normal returns blocks without surrounding space; nil for what means "no blocks".
func normal(blocks json.RawMessage) json.RawMessage {
	s := string(bytes.TrimSpace(blocks))
	if s == "" || s == "null" || s == "[]" {
		return nil
	}
	return json.RawMessage(s)
}

// withIDs gives an id to blocks and elements that have none, as Slack does: the same one each time for one seed.
func withIDs(raw json.RawMessage, seed string) []any {
	var blocks []any
	_ = json.Unmarshal(raw, &blocks)
	for i, b := range blocks {
		block, ok := b.(map[string]any)
		if !ok {
			continue
		}
		if s, _ := block["block_id"].(string); s == "" {
			block["block_id"] = fmt.Sprintf("%s-%d", seed[max(0, len(seed)-4):], i)
		}
		for j, e := range elementsOf(block) {
			if s, _ := e["action_id"].(string); s == "" && interactive[str(e, "type")] {
				e["action_id"] = fmt.Sprintf("%s-%d-%d", seed[max(0, len(seed)-4):], i, j)
			}
		}
	}
	return blocks
}

func elementsOf(block map[string]any) []map[string]any {
	var out []map[string]any
	for _, k := range []string{"accessory", "element"} {
		if e, ok := block[k].(map[string]any); ok {
			out = append(out, e)
		}
	}
	if t := str(block, "type"); t == "actions" || t == "context" {
		list, _ := block["elements"].([]any)
		for _, e := range list {
			if e, ok := e.(map[string]any); ok {
				out = append(out, e)
			}
		}
	}
	return out
}

func str(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// textOf is the text of a text object.
func textOf(v any) string {
	m, _ := v.(map[string]any)
	return str(m, "text")
}

// Buttons are all that can be clicked in the message, from top to bottom.
func (m *Message) Buttons() []*Button {
	if m == nil {
		return nil
	}
	out := buttonsIn(withIDs(m.Blocks, m.TS))
	for _, b := range out {
		b.channel, b.ts = m.Channel, m.TS
	}
	return out
}

// Unfurled are the buttons of the card that a link in the message was unfolded to.
func (m *Message) Unfurled(link string) []*Button {
	if m == nil {
		return nil
	}
	out := buttonsIn(withIDs(unfurlBlocks(m.Unfurls[link]), m.TS))
	for _, b := range out {
		b.channel, b.ts, b.unfurl = m.Channel, m.TS, link
	}
	return out
}

func unfurlBlocks(raw json.RawMessage) json.RawMessage {
	var one struct {
		Blocks json.RawMessage `json:"blocks"`
	}
	_ = json.Unmarshal(raw, &one)
	return one.Blocks
}

// Button is the first one with this label, options of overflow menus and selects included; nil when there is none.
func (m *Message) Button(label string) *Button { return labelled(m.Buttons(), label) }

func labelled(bs []*Button, label string) *Button {
	for _, b := range bs {
		if b.Label == label {
			return b
		}
	}
	return nil
}

func buttonsIn(blocks []any) []*Button {
	var out []*Button
	for _, b := range blocks {
		block, _ := b.(map[string]any)
		for _, e := range elementsOf(block) {
			base := Button{
				Type: str(e, "type"), ActionID: str(e, "action_id"), BlockID: str(block, "block_id"),
				Style: str(e, "style"),
			}
			if c, ok := e["confirm"].(map[string]any); ok {
				base.Confirm = &Confirm{textOf(c["title"]), textOf(c["text"]), textOf(c["confirm"]), textOf(c["deny"])}
			}
			switch base.Type {
			case "button":
				base.Label, base.Value, base.URL = textOf(e["text"]), str(e, "value"), str(e, "url")
				out = append(out, &base)
			case "overflow", "static_select":
				for _, o := range optionsOf(e) {
					one := base
					one.option, one.Label, one.Value, one.URL = o, textOf(o["text"]), str(o, "value"), str(o, "url")
					out = append(out, &one)
				}
			}
		}
	}
	return out
}

// optionsOf are the options of a select, including those in groups.
func optionsOf(e map[string]any) []map[string]any {
	var out []map[string]any
	take := func(v any) {
		list, _ := v.([]any)
		for _, o := range list {
			if o, ok := o.(map[string]any); ok {
				out = append(out, o)
			}
		}
	}
	take(e["options"])
	groups, _ := e["option_groups"].([]any)
	for _, g := range groups {
		if g, ok := g.(map[string]any); ok {
			take(g["options"])
		}
	}
	return out
}

// Shows is all that a person reads in the message without clicking: mentions as @name, links by their label, dates by their fallback,
// the labels of buttons. The top-level text is part of it only if there are no blocks, as in Slack.
func (m *Message) Shows() string {
	if m == nil {
		return ""
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return m.w.shows(m.Text, m.Blocks)
}

func (w *Workspace) shows(text string, blocks json.RawMessage) string {
	if len(normal(blocks)) == 0 {
		return w.plain(text)
	}
	return strings.Join(w.lines(blocks), "\n")
}

// raw is what people read, but with mrkdwn as it was sent.
func raw(text string, blocks json.RawMessage) string {
	if len(normal(blocks)) == 0 {
		return text
	}
	return strings.Join((*Workspace)(nil).lines(blocks), "\n")
}

// lines are the texts in blocks. A nil workspace keeps their mrkdwn as it was sent.
func (w *Workspace) lines(raw json.RawMessage) []string {
	var blocks []any
	_ = json.Unmarshal(raw, &blocks)
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			switch t, s := str(v, "type"), str(v, "text"); {
			case s != "" && (t == "mrkdwn" || t == "markdown"):
				if w != nil {
					s = w.plain(s)
				}
				out = append(out, s)
				return
			case s != "" && (t == "plain_text" || t == "text" || t == "link"):
				out = append(out, s)
				return
			case t == "user":
				id := str(v, "user_id")
				if w != nil {
					id = w.plain("<@" + id + ">")
				}
				out = append(out, id)
				return
			}
			for _, k := range []string{"title", "label", "text", "fields", "elements", "accessory", "element", "hint"} {
				walk(v[k])
			}
			if s := str(v, "initial_value"); s != "" {
				out = append(out, s)
			}
			walk(v["initial_option"])
			if t := str(v, "type"); t == "checkboxes" || t == "radio_buttons" { // unlike a select's, their options are always visible
				walk(v["options"])
			}
		}
	}
	walk(blocks)
	return out
}

var marked = regexp.MustCompile(`<([^<>]*)>`)
var decoded = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

// plain is mrkdwn as a person reads it. The mutex must be held.
func (w *Workspace) plain(s string) string {
	s = marked.ReplaceAllStringFunc(s, func(tag string) string {
		what, label, ok := strings.Cut(tag[1:len(tag)-1], "|")
		switch {
		case strings.HasPrefix(what, "@"):
			if u := w.users[what[1:]]; u != nil {
				return "@" + u.Name
			}
			return what
		case strings.HasPrefix(what, "#"):
			if c := w.channels[what[1:]]; c != nil {
				return "#" + c.Name
			}
			return what
		case ok:
			return label
		case strings.HasPrefix(what, "!"):
			return "@" + what[1:]
		}
		return strings.TrimPrefix(what, "mailto:")
	})
	return decoded.Replace(s)
}

// Messages are those of a channel as one person sees them now, oldest first, without deleted ones and other people's ephemerals. If viewer
// is empty, all ephemerals are included. A person who is not in the channel sees none.
func (w *Workspace) Messages(channel, viewer string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.channels[channel]; c == nil || viewer != "" && !c.has(viewer) {
		return nil
	}
	var out []Message
	for _, q := range w.posts[channel] {
		if !q.deleted && (q.ephemeral == "" || viewer == "" || q.ephemeral == viewer) {
			out = append(out, *w.message(q, -1))
		}
	}
	return out
}

// Message is one message as it is now, even if deleted; nil if there never was one.
func (w *Workspace) Message(channel, ts string) *Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q := w.byTS[channel][ts]; q != nil {
		return w.message(q, -1)
	}
	return nil
}

// Now is the same message as it is drawn now.
func (m *Message) Now() *Message { return m.w.Message(m.Channel, m.TS) }

// Delete deletes the message as a person would in Slack; the bot is not told.
func (m *Message) Delete() {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if q := m.w.byTS[m.Channel][m.TS]; q != nil {
		q.deleted = true
		q.seen = len(q.revs)
		m.w.touch()
	}
}
