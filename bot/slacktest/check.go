package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// CheckMessage says what is wrong with a message, an object with text, blocks and attachments; nil if nothing is. That is what Slack would
// refuse, and what it would take but a careful bot doesn't send: text that is not escaped, a mention of everybody, blocks without text
// (screen readers read only the text). Lengths are in characters. Limits: https://docs.slack.dev/reference/block-kit.
//
// It knows the blocks actions, context, divider, header, image, input, markdown, rich_text, section and video; any other is a problem.
func CheckMessage(raw json.RawMessage) []string {
	var m struct {
		Text        string          `json:"text"`
		Blocks      json.RawMessage `json:"blocks"`
		Attachments json.RawMessage `json:"attachments"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return []string{"message: " + err.Error()}
	}
	return said(checkContent(m.Text, m.Blocks, m.Attachments, postLimit))
}

// CheckView is CheckMessage for a modal or a Home tab.
func CheckView(raw json.RawMessage) []string { return said(checkView(raw)) }

// problem is one thing that is wrong. code is the error that Slack would answer; "" if Slack would take it.
type problem struct{ path, what, code string }

func (p problem) String() string { return p.path + ": " + p.what }

func said(problems []problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// firstCode is the error that Slack would answer, "" for none.
func firstCode(problems []problem) string {
	for _, p := range problems {
		if p.code != "" {
			return p.code
		}
	}
	return ""
}

func hard(problems []problem) []string {
	return said(slices.DeleteFunc(slices.Clone(problems), func(p problem) bool { return p.code == "" }))
}

func checkContent(text string, blocks, attachments json.RawMessage, limit int) []problem {
	blocks, attachments = normal(blocks), normal(attachments)
	c := &checker{kind: "message"}
	switch {
	case text == "" && blocks == nil && attachments == nil:
		c.bad("text", "no_text", "neither text nor blocks")
	case strings.TrimSpace(text) == "" && blocks != nil:
		c.soft("text", "missing: screen readers read it instead of the blocks")
	}
	if n := utf8.RuneCountInString(text); n > limit {
		c.bad("text", "msg_too_long", "%d characters, at most %d", n, limit)
	}
	c.mrkdwn("text", text)
	if blocks != nil {
		c.problems = append(c.problems, checkBlocks("message", blocks)...)
	}
	if attachments != nil {
		var list []struct {
			Blocks json.RawMessage `json:"blocks"`
		}
		if err := json.Unmarshal(attachments, &list); err != nil {
			c.bad("attachments", "invalid_attachments", "%v", err)
		}
		for i, a := range list {
			if normal(a.Blocks) == nil {
				continue
			}
			for _, p := range checkBlocks("message", a.Blocks) {
				p.path = fmt.Sprintf("attachments[%d].%s", i, p.path)
				c.problems = append(c.problems, p)
			}
		}
	}
	return c.problems
}

func checkView(raw json.RawMessage) []problem {
	c := &checker{}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		c.bad("view", "invalid_arguments", "no JSON object: %.100q", raw)
		return c.problems
	}
	c.kind = str(m, "type")
	c.code = "invalid_arguments" // what views.* answer for all of this
	allowed := "type blocks private_metadata callback_id external_id"
	switch c.kind {
	case "modal":
		allowed += " title close submit clear_on_close notify_on_close submit_disabled"
		c.text("title", m["title"], 24, plainOnly, true)
		c.text("close", m["close"], 24, plainOnly, false)
		c.text("submit", m["submit"], 24, plainOnly, false)
	case "home":
	default:
		c.bad("type", "", "%q, not modal or home", c.kind)
		return c.problems
	}
	c.props("view", m, allowed)
	c.length("private_metadata", m["private_metadata"], 3000, false)
	c.length("callback_id", m["callback_id"], 255, false)
	c.length("external_id", m["external_id"], 255, false)
	if len(raw) > 250_000 {
		c.bad("view", "view_too_large", "%d bytes, at most 250,000", len(raw))
	}
	if _, ok := m["blocks"].([]any); !ok {
		c.bad("blocks", "", "missing")
		return c.problems
	}
	blocks := marshal(m["blocks"])
	for _, p := range checkBlocks(c.kind, blocks) {
		if p.code != "" {
			p.code = c.code
		}
		c.problems = append(c.problems, p)
	}
	if c.kind == "modal" && m["submit"] == nil && bytes.Contains(blocks, []byte(`"type":"input"`)) {
		c.bad("submit", "", "missing, though there is an input")
	}
	return c.problems
}

func checkBlocks(kind string, raw json.RawMessage) []problem {
	c := &checker{kind: kind, blockIDs: map[string]bool{}}
	var list []any
	if err := json.Unmarshal(raw, &list); err != nil {
		c.bad("blocks", "invalid_blocks_format", "no JSON array: %.100q", raw)
		return c.problems
	}
	limit := 100
	if kind == "message" {
		limit = 50
	}
	if len(list) > limit {
		c.bad("blocks", "", "%d blocks, at most %d", len(list), limit)
	}
	for i, b := range list {
		c.block(fmt.Sprintf("blocks[%d]", i), b)
	}
	return c.problems
}

type checker struct {
	kind     string // message, modal, home
	code     string // invalid_blocks when empty
	problems []problem
	blockIDs map[string]bool
	markdown int // characters in markdown blocks so far
}

func (c *checker) bad(path, code, format string, args ...any) {
	if code == "" {
		code = c.code
	}
	if code == "" {
		code = "invalid_blocks"
	}
	c.problems = append(c.problems, problem{path, fmt.Sprintf(format, args...), code})
}

func (c *checker) soft(path, format string, args ...any) {
	c.problems = append(c.problems, problem{path, fmt.Sprintf(format, args...), ""})
}

// props refuses properties that such an object can't have, as Slack does.
func (c *checker) props(path string, m map[string]any, allowed string) {
	have := strings.Fields(allowed)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(have, k) {
			c.bad(path, "", "has no property %q", k)
		}
	}
}

func (c *checker) length(path string, v any, limit int, required bool) string {
	s, ok := v.(string)
	switch {
	case v == nil && !required:
	case !ok:
		c.bad(path, "", "missing, or not a string")
	case s == "" && required:
		c.bad(path, "", "empty")
	case utf8.RuneCountInString(s) > limit:
		c.bad(path, "", "%d characters, at most %d", utf8.RuneCountInString(s), limit)
	}
	return s
}

func (c *checker) link(path string, v any) {
	s := c.length(path, v, 3000, true)
	if s == "" {
		return
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		c.bad(path, "", "not a URL: %.100q", s)
	}
}

// Kinds of text objects.
const (
	plainOnly = iota
	plainOrMrkdwn
)

func (c *checker) text(path string, v any, limit, kind int, required bool) {
	if v == nil {
		if required {
			c.bad(path, "", "missing")
		}
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		c.bad(path, "", "not a text object")
		return
	}
	c.props(path, m, "type text emoji verbatim")
	c.length(path, m["text"], limit, true)
	switch t := str(m, "type"); {
	case t == "plain_text":
		if m["verbatim"] != nil {
			c.soft(path, "verbatim is for mrkdwn")
		}
	case t == "mrkdwn" && kind == plainOrMrkdwn:
		if m["emoji"] != nil {
			c.soft(path, "emoji is for plain_text")
		}
		c.mrkdwn(path, str(m, "text"))
	case t == "mrkdwn":
		c.bad(path, "", "must be plain_text")
	default:
		c.bad(path, "", "unknown text type %q", t)
	}
}

// list returns an array's elements, and records a problem if it is no array or their number is wrong.
func (c *checker) list(path string, v any, least, most int) []any {
	l, ok := v.([]any)
	switch {
	case !ok:
		c.bad(path, "", "missing, or not an array")
	case len(l) < least, len(l) > most:
		c.bad(path, "", "%d elements, not %d to %d", len(l), least, most)
	}
	return l
}

// blockProps are the properties that each type of block may have beside type and block_id.
var blockProps = map[string]string{
	"actions":   "elements",
	"context":   "elements",
	"divider":   "",
	"header":    "text",
	"image":     "image_url slack_file alt_text title",
	"input":     "label element dispatch_action hint optional",
	"markdown":  "text",
	"rich_text": "elements",
	"section":   "text fields accessory expand",
	"video":     "alt_text author_name description provider_icon_url provider_name title title_url thumbnail_url video_url",
}

func (c *checker) block(path string, v any) {
	b, ok := v.(map[string]any)
	if !ok {
		c.bad(path, "", "not an object")
		return
	}
	kind := str(b, "type")
	props, known := blockProps[kind]
	if !known {
		c.bad(path, "", "unknown block type %q", kind)
		return
	}
	path += " " + kind
	c.props(path, b, "type block_id "+props)
	if id := c.length(path+".block_id", b["block_id"], 255, false); id != "" {
		if c.blockIDs[id] {
			c.bad(path+".block_id", "", "%q is there twice", id)
		}
		c.blockIDs[id] = true
	}
	switch kind {
	case "section":
		if b["text"] == nil && b["fields"] == nil {
			c.bad(path, "", "neither text nor fields")
		}
		c.text(path+".text", b["text"], 3000, plainOrMrkdwn, false)
		if b["fields"] != nil {
			for i, f := range c.list(path+".fields", b["fields"], 1, 10) {
				c.text(fmt.Sprintf("%s.fields[%d]", path, i), f, 2000, plainOrMrkdwn, true)
			}
		}
		if b["accessory"] != nil {
			c.element(path+".accessory", b["accessory"], "section", map[string]bool{})
		}
	case "header":
		c.text(path+".text", b["text"], 150, plainOnly, true)
	case "context":
		for i, e := range c.list(path+".elements", b["elements"], 1, 10) {
			at := fmt.Sprintf("%s.elements[%d]", path, i)
			if m, _ := e.(map[string]any); str(m, "type") == "image" {
				c.element(at, e, "context", nil)
			} else {
				c.text(at, e, 3000, plainOrMrkdwn, true)
			}
		}
	case "actions":
		ids := map[string]bool{}
		for i, e := range c.list(path+".elements", b["elements"], 1, 25) {
			c.element(fmt.Sprintf("%s.elements[%d]", path, i), e, "actions", ids)
		}
	case "input":
		c.text(path+".label", b["label"], 2000, plainOnly, true)
		c.text(path+".hint", b["hint"], 2000, plainOnly, false)
		c.element(path+".element", b["element"], "input", map[string]bool{})
	case "image":
		c.image(path, b)
		c.text(path+".title", b["title"], 2000, plainOnly, false)
	case "video":
		c.text(path+".title", b["title"], 200, plainOnly, true)
		c.length(path+".alt_text", b["alt_text"], 2000, true)
		c.link(path+".video_url", b["video_url"])
		c.link(path+".thumbnail_url", b["thumbnail_url"])
	case "markdown":
		if c.kind != "message" {
			c.bad(path, "", "only in messages")
		}
		c.markdown += utf8.RuneCountInString(c.length(path+".text", b["text"], 12000, true))
		if c.markdown > 12000 {
			c.bad(path, "", "over 12000 characters of markdown in one message")
		}
	case "rich_text":
		for i, e := range c.list(path+".elements", b["elements"], 0, 1000) {
			m, _ := e.(map[string]any)
			switch t := str(m, "type"); t {
			case "rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted":
				c.list(fmt.Sprintf("%s.elements[%d].elements", path, i), m["elements"], 0, 1000)
			default:
				c.bad(fmt.Sprintf("%s.elements[%d]", path, i), "", "unknown type %q", t)
			}
		}
	}
}

func (c *checker) image(path string, m map[string]any) {
	c.length(path+".alt_text", m["alt_text"], 2000, true)
	if m["slack_file"] == nil {
		c.link(path+".image_url", m["image_url"])
	} else if m["image_url"] != nil {
		c.bad(path, "", "image_url and slack_file")
	}
}

// elementKind says of a type of element which properties it may have beside type, and in which blocks it may stand.
type elementKind struct{ props, in string }

const (
	everywhere = "section actions input"
	selects    = "action_id placeholder confirm focus_on_load"
	typed      = "action_id placeholder initial_value focus_on_load dispatch_action_config"
)

var elementKinds = map[string]elementKind{
	"button":                     {"action_id text value url style confirm accessibility_label", "section actions"},
	"overflow":                   {"action_id options confirm", "section actions"},
	"image":                      {"image_url slack_file alt_text", "section context"},
	"static_select":              {selects + " options option_groups initial_option", everywhere},
	"external_select":            {selects + " min_query_length initial_option", everywhere},
	"users_select":               {selects + " initial_user", everywhere},
	"channels_select":            {selects + " initial_channel response_url_enabled", everywhere},
	"conversations_select":       {selects + " initial_conversation default_to_current_conversation response_url_enabled filter", everywhere},
	"multi_static_select":        {selects + " options option_groups initial_options max_selected_items", everywhere},
	"multi_external_select":      {selects + " min_query_length initial_options max_selected_items", everywhere},
	"multi_users_select":         {selects + " initial_users max_selected_items", everywhere},
	"multi_channels_select":      {selects + " initial_channels max_selected_items", everywhere},
	"multi_conversations_select": {selects + " initial_conversations max_selected_items default_to_current_conversation filter", everywhere},
	"checkboxes":                 {"action_id options initial_options confirm focus_on_load", everywhere},
	"radio_buttons":              {"action_id options initial_option confirm focus_on_load", everywhere},
	"datepicker":                 {selects + " initial_date", everywhere},
	"timepicker":                 {selects + " initial_time timezone", everywhere},
	"datetimepicker":             {"action_id initial_date_time confirm focus_on_load", "actions input"},
	"plain_text_input":           {typed + " multiline min_length max_length", "input"},
	"email_text_input":           {typed, "input"},
	"url_text_input":             {typed, "input"},
	"number_input":               {typed + " is_decimal_allowed min_value max_value", "input"},
}

// interactive tells the types of elements that have an action_id.
var interactive = func() map[string]bool {
	out := map[string]bool{}
	for k := range elementKinds {
		out[k] = k != "image"
	}
	return out
}()

func (c *checker) element(path string, v any, in string, ids map[string]bool) {
	e, ok := v.(map[string]any)
	if !ok {
		c.bad(path, "", "missing, or not an object")
		return
	}
	kind := str(e, "type")
	k, known := elementKinds[kind]
	if !known {
		c.bad(path, "", "unknown element type %q", kind)
		return
	}
	path += " " + kind
	if !slices.Contains(strings.Fields(k.in), in) {
		c.bad(path, "", "not in a block of type %s", in)
	}
	c.props(path, e, "type "+k.props)
	if interactive[kind] {
		if id := c.length(path+".action_id", e["action_id"], 255, false); id == "" {
			c.soft(path+".action_id", "missing: what comes back can't be told apart")
		} else {
			if ids[id] {
				c.bad(path+".action_id", "", "%q is there twice in one block", id)
			}
			ids[id] = true
		}
	}
	c.confirm(path+".confirm", e["confirm"])
	c.text(path+".placeholder", e["placeholder"], 150, plainOnly, false)
	switch kind {
	case "image":
		c.image(path, e)
	case "button":
		c.text(path+".text", e["text"], 75, plainOnly, true)
		c.length(path+".value", e["value"], 2000, false)
		if _, ok := e["url"]; ok {
			c.link(path+".url", e["url"])
		}
		c.length(path+".accessibility_label", e["accessibility_label"], 75, false)
		if s, ok := e["style"]; ok && s != "primary" && s != "danger" {
			c.bad(path+".style", "", "%v, not primary or danger", s)
		}
	case "overflow":
		c.options(path, e, kind, 5, true)
	case "checkboxes", "radio_buttons":
		c.options(path, e, kind, 10, true)
		c.initial(path, e)
	case "static_select", "multi_static_select":
		c.options(path, e, kind, 100, true)
		c.initial(path, e)
	case "external_select":
		if e["initial_option"] != nil {
			c.option(path+".initial_option", e["initial_option"], kind)
		}
	case "plain_text_input":
		c.length(path+".initial_value", e["initial_value"], 3000, false)
		if n, ok := e["max_length"].(float64); ok && (n < 1 || n > 3000) {
			c.bad(path+".max_length", "", "%v, not 1 to 3000", n)
		}
	}
}

func (c *checker) confirm(path string, v any) {
	if v == nil {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		c.bad(path, "", "not an object")
		return
	}
	c.props(path, m, "title text confirm deny style")
	c.text(path+".title", m["title"], 100, plainOnly, true)
	c.text(path+".text", m["text"], 300, plainOrMrkdwn, true)
	if t, _ := m["text"].(map[string]any); str(t, "type") == "mrkdwn" {
		c.soft(path+".text", "mrkdwn, which is shown as it is here: node-slack-sdk#1612")
	}
	c.text(path+".confirm", m["confirm"], 30, plainOnly, true)
	c.text(path+".deny", m["deny"], 30, plainOnly, true)
}

// options checks options or option_groups. Without some they may be empty, as in an external select's answer.
func (c *checker) options(path string, m map[string]any, kind string, most int, some bool) {
	least := 0
	if some {
		least = 1
	}
	if groups, ok := m["option_groups"]; ok && strings.Contains(kind, "select") {
		if m["options"] != nil {
			c.bad(path, "", "options and option_groups")
		}
		for i, g := range c.list(path+".option_groups", groups, least, 100) {
			at := fmt.Sprintf("%s.option_groups[%d]", path, i)
			group, ok := g.(map[string]any)
			if !ok {
				c.bad(at, "", "not an object")
				continue
			}
			c.text(at+".label", group["label"], 75, plainOnly, true)
			for j, o := range c.list(at+".options", group["options"], 1, 100) {
				c.option(fmt.Sprintf("%s.options[%d]", at, j), o, kind)
			}
		}
		return
	}
	for i, o := range c.list(path+".options", m["options"], least, most) {
		c.option(fmt.Sprintf("%s.options[%d]", path, i), o, kind)
	}
}

func (c *checker) option(path string, v any, kind string) {
	o, ok := v.(map[string]any)
	if !ok {
		c.bad(path, "", "not an object")
		return
	}
	props, texts := "text value description", plainOnly
	if kind == "overflow" {
		props += " url"
		if _, ok := o["url"]; ok {
			c.link(path+".url", o["url"])
		}
	}
	if kind == "checkboxes" || kind == "radio_buttons" {
		texts = plainOrMrkdwn
	}
	c.props(path, o, props)
	c.text(path+".text", o["text"], 75, texts, true)
	c.text(path+".description", o["description"], 75, texts, false)
	c.length(path+".value", o["value"], 75, true)
}

// initial refuses an initial option that isn't among the options.
func (c *checker) initial(path string, e map[string]any) {
	var first []any
	if e["initial_option"] != nil {
		first = append(first, e["initial_option"])
	}
	if l, ok := e["initial_options"].([]any); ok {
		first = append(first, l...)
	}
	for _, f := range first {
		m, _ := f.(map[string]any)
		if !slices.ContainsFunc(optionsOf(e), func(o map[string]any) bool { return bytes.Equal(marshal(o), marshal(m)) }) {
			c.bad(path, "", "the initial option %q is none of the options", str(m, "value"))
		}
	}
}

// What may stand between < and > in mrkdwn: https://docs.slack.dev/messaging/formatting-message-text.
var special = regexp.MustCompile(`^<(@[UW][A-Z0-9]+(\|[^<>]*)?` +
	`|#[CG][A-Z0-9]+(\|[^<>]*)?` +
	`|!subteam\^S[A-Z0-9]+(\|[^<>]*)?` +
	`|!date\^-?\d+\^[^<>|^]+(\^https?://[^<>|]+)?\|[^<>]+` +
	`|https?://[^<>|\s]+(\|[^<>]*)?` +
	`|mailto:[^<>|\s]+(\|[^<>]*)?)>`)

var everybody = regexp.MustCompile(`^<!(channel|here|everyone)(\|[^<>]*)?>`)

// mrkdwn finds text that was not escaped: & < > must be written &amp; &lt; &gt;, except in Slack's own <…> and for a > that starts
// a quoted line.
func (c *checker) mrkdwn(path, s string) {
	start := true // of a line
	for i := 0; i < len(s); {
		rest := s[i:]
		step := 1
		switch s[i] {
		case '&':
			if !strings.HasPrefix(rest, "&amp;") && !strings.HasPrefix(rest, "&lt;") && !strings.HasPrefix(rest, "&gt;") {
				c.soft(path, "an & that is not escaped: %.40q", rest)
			}
		case '<':
			if m := special.FindString(rest); m != "" {
				step = len(m)
				if label := m[strings.IndexByte(m+"|", '|'):]; strings.Contains(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(label), "&") {
					c.soft(path, "an & that is not escaped in a label: %.40q", m)
				}
			} else if m := everybody.FindString(rest); m != "" {
				step = len(m)
				c.soft(path, "notifies everybody: %s", m)
			} else {
				c.soft(path, "a < that is not escaped: %.40q", rest)
			}
		case '>':
			if !start {
				c.soft(path, "a > that is not escaped: %.40q", rest)
			}
		}
		start = s[i] == '\n' || start && (s[i] == ' ' || s[i] == '>')
		i += step
	}
}
