package slackui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
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
		Team: form.Get("team_id"), Enterprise: form.Get("enterprise_id"), User: form.Get("user_id"),
		Channel: form.Get("channel_id"), Command: form.Get("command"), ResponseURL: form.Get("response_url"),
	}
	if i.Team == "" {
		i.Team = i.Enterprise
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
	Team        *struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise *struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	User struct {
		ID     string `json:"id"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		MessageTS   string `json:"message_ts"`
		ChannelID   string `json:"channel_id"`
		IsEphemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
		ActionTS string `json:"action_ts"`
	} `json:"actions"`
}

// ParseInteraction reads the body of an interaction: a form with the one field payload. A nil intent
// without an error is one that asks for nothing (a link button, an element of no meaning to us).
func ParseInteraction(body []byte, sent time.Time) (*Intent, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: not a form", ErrMalformed)
	}
	var p payload
	if err := json.Unmarshal([]byte(form.Get("payload")), &p); err != nil {
		return nil, fmt.Errorf("%w: the payload isn't JSON of Slack's", ErrMalformed)
	}
	if p.Type == "" {
		return nil, fmt.Errorf("%w: the payload has no type", ErrMalformed)
	}
	if p.Type != string(slack.InteractionTypeBlockActions) {
		return nil, nil
	}
	i := &Intent{
		V: Version, Key: p.TriggerID, Sent: sent,
		User: p.User.ID, UserTeam: p.User.TeamID, ResponseURL: p.ResponseURL,
		Channel: p.Channel.ID, Private: p.Container.IsEphemeral,
	}
	if p.Enterprise != nil {
		i.Enterprise = p.Enterprise.ID
		i.Team = p.Enterprise.ID
	}
	if p.Team != nil && p.Team.ID != "" {
		i.Team = p.Team.ID
	}
	if i.Channel == "" {
		i.Channel = p.Container.ChannelID
	}
	if i.Team == "" || i.User == "" || i.Key == "" || len(p.Actions) == 0 {
		return nil, fmt.Errorf("%w: a field of the payload is missing", ErrMalformed)
	}
	if p.Container.MessageTS != "" {
		i.Clicked = &Place{Channel: i.Channel, TS: p.Container.MessageTS}
	}
	a := p.Actions[0]
	if t, ok := slackTime(a.ActionTS); ok {
		i.Sent = t
	} else {
		// The header knows whole seconds only: what happened within that second was seen rather than not.
		i.Sent = sent.Add(time.Second)
	}
	action, _, _ := strings.Cut(a.ActionID, ":") // behind it stands which of several buttons of one verb it is
	verb, ok := clickable[action]
	if !ok {
		return nil, nil
	}
	i.Verb = verb
	i.readValue(a.Value)
	return i, nil
}

// AsksForOptions says whether the payload of an interaction is a question for an external select's options. Over HTTP
// those come to an address of their own; over Socket Mode among all other interactions.
func AsksForOptions(payload []byte) bool {
	var p struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(payload, &p) == nil && p.Type == string(slack.InteractionTypeBlockSuggestion)
}

// clickable maps the action ids that cards and private messages draw to what they ask for.
var clickable = map[string]Verb{
	string(Take): Take, string(Assign): Assign, string(Release): Release, string(Show): Show,
	string(Refresh): Refresh, string(Share): Share, string(Leave): Leave,
	string(Agree): Agree, string(Decline): Decline, string(Links): Links, string(History): History,
	string(Queue): Queue, string(Mine): Mine,
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
}

func (v value) String() string {
	v.V = Version
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // \u003c for < would take the longest ids past Slack's 2,000 characters
	_ = e.Encode(v)        // of strings and numbers: it can't fail
	return strings.TrimSpace(b.String())
}

// readValue reads a button's value. One that can't be read any more but names its conversation asks
// for a fresh card instead of for what it once meant.
func (i *Intent) readValue(text string) {
	var v value
	err := json.Unmarshal([]byte(text), &v)
	switch {
	case err != nil, i.Verb.OfChat() && !validChat(v.Chat), !i.Verb.OfChat() && v.V != Version, v.Page < 0:
		i.Verb, i.Problem = Tell, OldButton
		return
	case !i.Verb.OfChat():
		i.Offer, i.Page = v.Offer, v.Page
		return
	}
	i.Chat, i.Page, i.Snapshot = v.Chat, v.Page, v.Fixed
	if v.List == Queue || v.List == Mine {
		i.List = v.List
	}
	if v.V != Version || i.Verb.Changes() && v.Seen == nil || i.Verb == Assign && v.To == nil {
		i.Verb, i.Retired = Refresh, true
		return
	}
	i.Seen, i.Origin = v.Seen, v.Origin
	if i.Verb == Assign {
		i.To = v.To
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
