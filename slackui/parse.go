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
// Either the intent is to be carried out, or the message is to be said at once (help, or what is wrong
// with the command), or both are nil: there is nothing to do. sent is the request's own timestamp.
// Help says of the verbs that are off why they don't work.
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

// payload is what the bot reads of an interaction; the clicked message's blocks are not: a card is
// drawn from Invent's state, never from an old card.
type payload struct {
	Type        string `json:"type"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	ActionID    string `json:"action_id"` // of a question for options
	Value       string `json:"value"`     // what was typed there
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
		UnfurlURL   string `json:"app_unfurl_url"` // of a card that a link unfolded to
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
		Hash            string `json:"hash"` // another one after each change
		Type            string `json:"type"`
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values json.RawMessage `json:"values"` // an empty list where Slack means an empty object
		} `json:"state"`
	} `json:"view"`

	text []byte // all of it
}

// message answers the message on which a shortcut was called.
func (p payload) message() json.RawMessage {
	var m struct {
		Message json.RawMessage `json:"message"`
	}
	_ = json.Unmarshal(p.text, &m) // it was read once already
	return m.Message
}

// thread answers the message in whose thread the clicked one stands; "" for one that stands in the channel, or in both: few open the
// thread.
func (p payload) thread() string {
	thread := cmp.Or(p.Message.ThreadTS, p.Container.ThreadTS)
	if p.Message.Subtype == "thread_broadcast" || thread == p.Message.TS || thread == p.Container.MessageTS { // or it began the thread
		return ""
	}
	return thread
}

// ParseInteraction reads the body of an interaction: a form with the one field payload. A nil intent
// without an error is one that asks for nothing (a link button, an element of no meaning to us).
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
	if kind == slack.InteractionTypeViewSubmission && i.Key == "" && p.View.ID != "" { // Slack sends one, but doesn't promise it here; a view that was accepted is closed
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
		// The header knows whole seconds only: what happened within that second was seen rather than not.
		i.Sent = i.Sent.Add(time.Second)
	}
	action, _, _ := strings.Cut(a.ActionID, ":") // behind it stands which of several buttons of one verb it is
	if i.Verb = Verb(action); !slices.Contains(clickable, i.Verb) {
		return nil
	}
	i.readValue(a.Value)
	return i
}

// AsksForOptions says whether the payload of an interaction is a question for an external select's options. Over HTTP
// those come to an address of their own; over Socket Mode among all other interactions.
func AsksForOptions(payload []byte) bool {
	var p struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(payload, &p) == nil && p.Type == string(slack.InteractionTypeBlockSuggestion)
}

// clickable are the verbs whose buttons are drawn, on cards, messages, windows and the Home tab; each button's action id is its verb.
var clickable = []Verb{
	Take, Assign, Release, Show, Refresh, Share, Leave, Choose, Undo, Resolve, Reopen, ToAI, PauseAI, Summary, Paste, Turn, Home, Hush, Tellme,
	Agree, Decline, Links, History, Queue, Mine,
}

// openAction is the action id of the link to the dashboard: Slack reports its click, which asks for nothing.
const openAction = "open"

// value is what a button carries: ids, and what the person saw; never more than can be checked.
type value struct {
	V      int     `json:"v"`
	Chat   string  `json:"chat,omitempty"`
	Seen   *string `json:"seen,omitempty"`
	To     *To     `json:"to,omitempty"`
	Origin *Place  `json:"origin,omitempty"`
	List   Verb    `json:"list,omitempty"`
	Fixed  bool    `json:"fixed,omitempty"` // the message stands where the bot can't redraw it
	Offer  string  `json:"offer,omitempty"`
	Page   int     `json:"page,omitempty"`
	Below  int     `json:"below,omitempty"` // page of the Home tab's second list
	Note   string  `json:"note,omitempty"`  // under which a hand-over note is kept
	Until  int64   `json:"until,omitempty"` // Unix seconds after which the button means nothing any more
}

func (v value) String() string {
	v.V = Version
	return compact(v)
}

// compact encodes ids for a place whose characters Slack counts: \u003c for < would take the longest ids past its limits.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of strings and numbers: it can't fail
	return strings.TrimSpace(b.String())
}

// readValue reads a button's value. One that can't be read any more but names its conversation asks
// for a fresh card instead of for what it once meant.
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
		switch i.List { // these are no messages: they are drawn anew as a whole
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

// slackTime reads Slack's seconds with a fraction, as in action_ts.
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
