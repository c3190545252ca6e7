package slackui

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

const (
	linksUnfolded = 5   // of one message
	linkLimit     = 500 // bytes of a link that unfolds: the buttons of its card carry it
)

// Event is what the bot reads of an event.
type Event struct {
	Challenge string   // to be sent back when Slack checks the address; "" otherwise
	Intents   []Intent // what the event asks for
}

// The events that are understood, as the manifest names them.
const (
	homeOpened = "app_home_opened"
	linkShared = "link_shared"
)

// Events lists the events that are understood.
func Events() []string { return []string{homeOpened, linkShared} }

// ParseEvent reads the body of an event of Slack's. An event that asks for nothing is empty.
func (t ChatURL) ParseEvent(body []byte) (Event, error) {
	var e struct {
		Type       string          `json:"type"`
		Challenge  string          `json:"challenge"`
		Team       string          `json:"team_id"`
		Enterprise string          `json:"enterprise_id"`
		ID         string          `json:"event_id"`
		At         int64           `json:"event_time"`
		Event      json.RawMessage `json:"event"`
	}
	if json.Unmarshal(body, &e) != nil || e.Type == "" {
		return Event{}, fmt.Errorf("%w: not an event of Slack's", ErrMalformed)
	}
	if e.Type == "url_verification" {
		return Event{Challenge: e.Challenge}, nil
	}
	var inner struct {
		Type    string `json:"type"`
		User    string `json:"user"`
		Channel string `json:"channel"`
		TS      string `json:"message_ts"`
		Source  string `json:"source"`
		Member  *bool  `json:"is_bot_user_member"` // Slack reports links in all channels, also where the bot is no member
		Tab     string `json:"tab"`
		View    struct {
			Hash string `json:"hash"`
		} `json:"view"`
		Links []struct {
			URL string `json:"url"`
		} `json:"links"`
	}
	_ = json.Unmarshal(e.Event, &inner) // what can't be read asks for nothing
	i := Intent{V: Version, Team: cmp.Or(e.Team, e.Enterprise), Enterprise: e.Enterprise, User: inner.User, Channel: inner.Channel, Sent: time.Unix(e.At, 0)}
	if i.Team == "" || i.User == "" || e.ID == "" || e.At < 0 || e.At > 1<<36 {
		return Event{}, nil
	}
	var event Event
	if inner.Type == homeOpened {
		greet, home := i, i
		greet.Verb, greet.Key = Greet, e.ID+".greet"
		home.Verb, home.Key, home.Hash, home.Channel = Home, e.ID+".home", inner.View.Hash, ""
		if event.Intents = []Intent{greet}; inner.Tab == "home" {
			event.Intents = []Intent{home, greet}
		}
	}
	if inner.Type == linkShared && inner.Channel != "" && inner.TS != "" && inner.Source != "composer" &&
		(inner.Member == nil || *inner.Member) {
		seen := map[string]bool{}
		for n, link := range inner.Links {
			chat, ok := t.chat(link.URL)
			if !ok || seen[chat] || len(link.URL) > linkLimit || len(event.Intents) == linksUnfolded {
				continue
			}
			seen[chat] = true
			i := i
			i.Verb, i.Chat, i.Key = Unfold, chat, fmt.Sprintf("%s.%d", e.ID, n)
			i.Clicked = &Place{Channel: inner.Channel, TS: inner.TS, Link: link.URL}
			event.Intents = append(event.Intents, i)
		}
	}
	return event, nil
}
