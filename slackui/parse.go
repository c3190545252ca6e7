package slackui

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// ErrMalformed is wrapped by every error of the parsers: the request isn't one that Slack sends.
var ErrMalformed = errors.New("malformed request")

// ParseCommand reads the body of a slash command (docs.slack.dev: application/x-www-form-urlencoded).
// It returns an intent to carry out, or a message to say at once (help, or what is wrong with the
// command), or neither if there is nothing to do. sent is the request's own timestamp; off are the verbs
// that help marks as switched off.
func (t ChatURL) ParseCommand(body []byte, sent time.Time, off ...Verb) (*Intent, *Message, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: not a form", ErrMalformed)
	}
	if form.Get("ssl_check") == "1" {
		return nil, nil, nil
	}
	i := &Intent{
		V: Version, Key: form.Get("trigger_id"), Sent: sent,
		Team: cmp.Or(form.Get("team_id"), form.Get("enterprise_id")), Enterprise: form.Get("enterprise_id"), User: form.Get("user_id"),
		Channel: form.Get("channel_id"), Command: form.Get("command"), ResponseURL: form.Get("response_url"),
	}
	if i.Command == "" || i.Team == "" || i.User == "" || i.Channel == "" || i.Key == "" {
		return nil, nil, fmt.Errorf("%w: a field of the command is missing", ErrMalformed)
	}
	if answer := t.line(form.Get("text"), i.Command, i, off); answer != nil {
		return nil, answer, nil
	}
	return i, nil, nil
}

// payload is what the bot reads of an interaction. The clicked message's blocks aren't among it: a card
// is drawn from Invent's state, never from an old card.
type payload struct {
	Type        string `json:"type"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	ActionID    string `json:"action_id"` // of the select that asks for options
	Value       string `json:"value"`     // what was typed into that select
	Team        *struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise *struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		MessageTS   string `json:"message_ts"`
		ChannelID   string `json:"channel_id"`
		IsEphemeral bool   `json:"is_ephemeral"`
		UnfurlURL   string `json:"app_unfurl_url"` // the link that unfolded to the clicked card
		ThreadTS    string `json:"thread_ts"`
	} `json:"container"`
	Message struct {
		TS       string `json:"ts"`
		ThreadTS string `json:"thread_ts"`
		Subtype  string `json:"subtype"`
	} `json:"message"`
	CallbackID string `json:"callback_id"` // of a shortcut
	Actions    []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
		ActionTS string `json:"action_ts"`
	} `json:"actions"`
	View struct {
		ID              string `json:"id"`
		Hash            string `json:"hash"` // differs after each change
		Type            string `json:"type"`
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values json.RawMessage `json:"values"` // Slack sends an empty list where it means an empty object
		} `json:"state"`
	} `json:"view"`

	text []byte // the whole JSON
}

// message returns the message on which a shortcut was used.
func (p payload) message() json.RawMessage {
	var m struct {
		Message json.RawMessage `json:"message"`
	}
	_ = json.Unmarshal(p.text, &m) // can't fail: it was read once already
	return m.Message
}

// thread returns the ts of the message in whose thread the clicked one stands. It is "" for a message in the channel, and for one that is
// in both, since few people open the thread.
func (p payload) thread() string {
	thread := cmp.Or(p.Message.ThreadTS, p.Container.ThreadTS)
	if p.Message.Subtype == "thread_broadcast" || thread == p.Message.TS || thread == p.Container.MessageTS { // in both, or it began the thread
		return ""
	}
	return thread
}

// ParseInteraction reads the body of an interaction: a form with the one field payload. The intent is
// nil, without an error, if nothing was asked for (a link button, an element that means nothing to us).
func (t ChatURL) ParseInteraction(body []byte, sent time.Time) (*Intent, error) {
	p, err := readPayload(body)
	if err != nil {
		return nil, err
	}
	var read func(payload, *Intent) *Intent
	kind := slack.InteractionType(p.Type)
	switch kind {
	case slack.InteractionTypeBlockActions:
		read = click
	case slack.InteractionTypeViewSubmission:
		read = t.submission
	case slack.InteractionTypeShortcut, slack.InteractionTypeMessageAction:
		read = t.shortcut
	default:
		return nil, nil
	}
	i := &Intent{
		V: Version, Key: p.TriggerID, Sent: sent, User: p.User.ID, ResponseURL: p.ResponseURL,
		Channel: cmp.Or(p.Channel.ID, p.Container.ChannelID), Thread: p.thread(),
	}
	i.Team, i.Enterprise = p.team()
	if kind == slack.InteractionTypeViewSubmission && i.Key == "" && p.View.ID != "" { // Slack sends a trigger_id, but doesn't promise to; view and hash do too, as an accepted view closes
		i.Key = p.View.ID + "." + p.View.Hash
	}
	if i.Team == "" || i.User == "" || i.Key == "" || kind == slack.InteractionTypeBlockActions && len(p.Actions) == 0 {
		return nil, fmt.Errorf("%w: a field of the payload is missing", ErrMalformed)
	}
	return read(p, i), nil
}

// click reads a pressed button.
func click(p payload, i *Intent) *Intent {
	i.Private = p.Container.IsEphemeral
	if p.View.Type == "modal" {
		i.View = p.View.ID
	}
	if ts := cmp.Or(p.Container.MessageTS, p.Message.TS); ts != "" {
		i.Clicked = &Place{Channel: i.Channel, TS: ts, Link: p.Container.UnfurlURL}
	}
	a := p.Actions[0]
	if t, ok := slackTime(a.ActionTS); ok {
		i.Sent = t
	} else {
		// The header has whole seconds only: when in doubt, count what happened within that second as seen.
		i.Sent = i.Sent.Add(time.Second)
	}
	action, _, _ := strings.Cut(a.ActionID, ":") // behind the colon stands which of several buttons of one verb it is
	if i.Verb = Verb(action); !slices.Contains(clickable, i.Verb) {
		return nil
	}
	i.readValue(a.Value)
	return i
}

// AsksForOptions reports whether the payload of an interaction asks for an external select's options. Over HTTP such
// requests have an address of their own; over Socket Mode they come among all other interactions.
func AsksForOptions(payload []byte) bool {
	var p struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(payload, &p) == nil && p.Type == string(slack.InteractionTypeBlockSuggestion)
}

// clickable are the verbs that have buttons, on cards, messages, modals and the Home tab. A button's action id is its verb; several of
// one verb in a message have a colon and a suffix behind it (see numbered).
var clickable = []Verb{
	Take, Assign, Release, Show, Refresh, Share, Leave, Choose, Undo, Resolve, Reopen, ToAI, PauseAI, Summary, Paste, Turn, Home, Hush, Tellme,
	Agree, Decline, Links, History, Queue, Mine,
}

// openAction is the action id of the link to the dashboard. Slack reports clicks on it too; they ask for nothing.
const openAction = "open"

// value is what a button carries: ids, and what the person saw; only what can be checked.
type value struct {
	V      int     `json:"v"`
	Chat   string  `json:"chat,omitempty"`
	Seen   *string `json:"seen,omitempty"`
	To     *To     `json:"to,omitempty"`
	Origin *Place  `json:"origin,omitempty"`
	List   Verb    `json:"list,omitempty"`
	Fixed  bool    `json:"fixed,omitempty"` // the card stands where the bot can't redraw it
	Offer  string  `json:"offer,omitempty"`
	Page   int     `json:"page,omitempty"`
	Below  int     `json:"below,omitempty"` // page of the Home tab's second list
	Note   string  `json:"note,omitempty"`  // the id under which a hand-over note is kept
	Until  int64   `json:"until,omitempty"` // Unix seconds; the button expires then
}

func (v value) String() string {
	v.V = Version
	return compact(v)
}

// compact is json.Marshal without HTML escaping: Slack limits the characters, and \u003c for < could take long ids past the limits.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of strings and numbers: it can't fail
	return strings.TrimSpace(b.String())
}

// readValue reads a button's value. If it can't be understood any more but names a conversation, the
// intent asks for a fresh card instead of what the button once meant.
func (i *Intent) readValue(text string) {
	var v value
	err := json.Unmarshal([]byte(text), &v)
	switch {
	case err != nil, i.Verb.OfChat() && !validChat(v.Chat), !i.Verb.OfChat() && v.V != Version, v.Page < 0, v.Below < 0:
		i.Verb, i.Problem = Tell, OldButton
		return
	case !i.Verb.OfChat():
		i.Offer, i.Page, i.Below = v.Offer, v.Page, v.Below
		return
	}
	i.Chat, i.Page, i.Snapshot = v.Chat, v.Page, v.Fixed
	if v.List.lists() {
		i.List, i.Below = v.List, v.Below
	}
	if v.V != Version || (i.Verb.Changes() || i.Verb == Choose) && v.Seen == nil || i.Verb == Assign && v.To == nil {
		i.Verb, i.Retired = Refresh, true
		switch i.List { // these lists aren't messages: they are redrawn as a whole
		case Home:
			i.Verb, i.Chat = Home, ""
		case Pick:
			i.Verb, i.Chat = Turn, ""
		}
		return
	}
	i.Seen, i.Origin, i.NoteID = v.Seen, v.Origin, v.Note
	if i.Verb == Assign || i.Verb == Undo {
		i.To = v.To
	}
	if i.Verb == Undo && i.Sent.Unix() > v.Until {
		i.Verb, i.Problem = Tell, UndoExpired
	}
}

// slackTime reads a time as Slack writes it: seconds with a fraction, as in action_ts.
func slackTime(s string) (time.Time, bool) {
	seconds, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || sec <= 0 || sec > 1<<36 || len(fraction) > 9 { // a year past 9999 can't be encoded
		return time.Time{}, false
	}
	nano, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(sec, int64(nano)), true
}
