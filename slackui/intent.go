// Package slackui is Block Kit both ways: what a person typed or clicked becomes an Intent,
// and what Invent answered becomes a card. All words that people see stand in words.go.
//
// It is pure: no context, no clock, no logger, no network. It does not decide who may do
// what, and it never looks anything up: its callers pass all names and ids in.
package slackui

import "time"

// Version is the version of intents and of button values. A process leaves an intent of a newer version to a
// newer process. A button of another version changes nothing: it gets a fresh card, or words that it is old.
const Version = 1

// Verb is what a person, or the bot itself, wants done.
type Verb string

// The verbs. They stand in jobs and in the log; the words people see are in words.go.
const (
	Take    Verb = "take"     // assign it to me
	Assign  Verb = "assign"   // assign it to Intent.To
	Release Verb = "release"  // assign it to nobody
	Show    Verb = "show"     // a card that only I see
	Refresh Verb = "refresh"  // draw the clicked card anew
	Share   Verb = "share"    // post the card I see for all in the channel
	Leave   Verb = "leave"    // change nothing, and remove the question that was asked
	Tell    Verb = "tell"     // nothing can be done: say Intent.Problem
	Choose  Verb = "choose"   // open the modal in which one chooses whom to assign
	Resolve Verb = "resolve"  // close it
	Reopen  Verb = "reopen"   // open it again
	ToAI    Verb = "to_ai"    // let the AI answer
	PauseAI Verb = "pause_ai" // keep the AI silent
	Summary Verb = "summary"  // show Invent's last summary of it
	Paste   Verb = "paste"    // open the modal that asks for a conversation's id
	Which   Verb = "which"    // ask which of Intent.Chats is meant
	Unfold  Verb = "unfold"   // make a card of the link at Intent.Clicked
	Pick    Verb = "pick"     // open the modal with the conversations that wait
	Fill    Verb = "fill"     // fill the modal of Pick; the bot asks for it when it opens the modal
	Turn    Verb = "turn"     // turn that modal's page
	Home    Verb = "home"     // draw the person's Home tab
	Greet   Verb = "greet"    // welcome somebody who opens the app for the first time
	Hush    Verb = "hush"     // send me no notices
	Tellme  Verb = "tellme"   // send me notices
	Notice  Verb = "notice"   // tell the person who has the conversation now, or had it; asked for by the feed, or after a change
	Undo    Verb = "undo"     // give it back: assign it to Intent.To again, or to nobody

	History Verb = "history"  // what was done through the bot with a conversation
	Whoami  Verb = "whoami"   // which member am I, and why
	Link    Verb = "link"     // ask Intent.Person whether they are the member Intent.To
	Agree   Verb = "link_yes" // that's me
	Decline Verb = "link_no"  // that isn't me
	Unlink  Verb = "unlink"   // drop an admin's link: mine, or Intent.Person's
	Links   Verb = "links"    // who is linked how
	Queue   Verb = "queue"    // the conversations that wait for a human
	Mine    Verb = "mine"     // those that I have
	Route   Verb = "route"    // where a handoff is announced, why, and what became of it
	Resume  Verb = "resume"   // carry out what was refused for want of a link; only the bot itself asks for this

	Redraw   Verb = "redraw"   // redraw the conversation's cards; asked for by the feed
	Announce Verb = "announce" // announce a handoff in Intent.Channel; asked for by the feed
	Bundle   Verb = "bundle"   // announce Intent.Count handoffs in one message; asked for by the feed
	Remind   Verb = "remind"   // remind that a handoff still waits; asked for by the feed
)

// Inner reports whether no person waits for an answer, because nobody asked for this explicitly.
func (v Verb) Inner() bool {
	switch v {
	case Resume, Redraw, Announce, Bundle, Remind, Unfold, Home, Greet, Fill, Notice:
		return true
	}
	return false
}

// Known reports whether this version knows the verb. If not, a newer process wrote it.
func (v Verb) Known() bool {
	switch v {
	case Tell, Which, Turn, Hush, Tellme, Whoami, Links, Queue, Mine:
		return true
	}
	return v.Inner() || v.OfChat() || v.Opens() || v.alters()
}

// Changes reports whether the verb writes to Invent.
func (v Verb) Changes() bool {
	return v == Take || v == Assign || v == Release || v == Undo || v.Sets()
}

// Sets reports whether the verb changes the state of a conversation, not who has it.
func (v Verb) Sets() bool { return v == Resolve || v == Reopen || v == ToAI || v == PauseAI }

// Opens reports whether the verb opens a modal, for which Slack gives three seconds.
func (v Verb) Opens() bool { return v == Choose || v == Paste || v == Pick }

// lists reports whether the verb names a list with buttons for each conversation.
func (v Verb) lists() bool { return v == Queue || v == Mine || v == Pick || v == Home }

// alters reports whether the verb changes anything at all: in Invent, or who is linked to whom.
func (v Verb) alters() bool {
	switch v {
	case Link, Agree, Decline, Unlink:
		return true
	}
	return v.Changes()
}

// OfChat reports whether a person's request with this verb names a conversation, in Intent.Chat.
func (v Verb) OfChat() bool {
	switch v {
	case Take, Assign, Release, Undo, Resolve, Reopen, ToAI, PauseAI, Summary, Show, Refresh, Share, Leave, Choose, Unfold, History, Route:
		return true
	}
	return false
}

// Intent is one thing that a person asked for, read from nothing but a verified request, or that the bot itself orders.
type Intent struct {
	V           int       `json:"v"`
	Key         string    `json:"key"` // identifies the request: mostly its trigger_id or its event's id. A repeated request has the same
	Verb        Verb      `json:"verb"`
	Chat        string    `json:"chat,omitempty"`
	Chats       []string  `json:"chats,omitempty"`   // with Which: ids that may be conversations
	To          *To       `json:"to,omitempty"`      // whom to assign, or which member to link; with Notice set if Person was given the conversation, nil if it was taken from them
	Person      string    `json:"person,omitempty"`  // the Slack user to link or unlink, or to tell (with Notice); with Unlink, "" is the sender
	Offer       string    `json:"offer,omitempty"`   // which question Agree and Decline answer
	Page        int       `json:"page,omitempty"`    // of a list, from 0
	List        Verb      `json:"list,omitempty"`    // Queue, Mine, Pick or Home, if the clicked button stands in such a list
	Below       int       `json:"below,omitempty"`   // with Home: the page of its second list
	View        string    `json:"view,omitempty"`    // the modal that was clicked, or is to be filled
	Hash        string    `json:"hash,omitempty"`    // of the Home tab, as Slack showed it
	Count       int       `json:"count,omitempty"`   // with Bundle
	Episode     int       `json:"episode,omitempty"` // with Announce and Remind: the handoff's episode; with Bundle: the bundle's number
	Did         Verb      `json:"did,omitempty"`     // with Notice: what Intent.User did with the conversation, which Person still has
	Sweep       bool      `json:"sweep,omitempty"`   // with Redraw: a routine check, without a sign that anything has changed
	Seen        *string   `json:"seen,omitempty"`    // the assignee's id that the clicked message, or the feed's listing, showed; "" for nobody; nil for a command, which saw nothing
	Team        string    `json:"team"`              // where the app is installed; the organisation's id for an org-wide install
	Enterprise  string    `json:"enterprise,omitempty"`
	User        string    `json:"user"`
	Channel     string    `json:"channel,omitempty"`
	Thread      string    `json:"thread,omitempty"`   // the message in whose thread the clicked one stands; "" for the channel itself
	Command     string    `json:"command,omitempty"`  // as it was typed, "/invent"; empty for a click
	Clicked     *Place    `json:"clicked,omitempty"`  // the message that was clicked; nil for a command
	Private     bool      `json:"private,omitempty"`  // the clicked message is one that only this person sees
	Snapshot    bool      `json:"snapshot,omitempty"` // the clicked card can be redrawn only through this click's response_url
	Origin      *Place    `json:"origin,omitempty"`   // the card that the clicked private message is about
	Retired     bool      `json:"retired,omitempty"`  // the button was drawn by a version that is gone
	ResponseURL string    `json:"response_url,omitempty"`
	Sent        time.Time `json:"sent"` // by Slack's clock
	Problem     Problem   `json:"problem,omitempty"`
	Form        Form      `json:"form,omitempty"`    // which modal was submitted; "" for none
	Note        string    `json:"note,omitempty"`    // for the new assignee; a person's words, never to be logged
	NoteID      string    `json:"note_id,omitempty"` // the id under which a note is kept while the sender has a question to answer
}

// Releases reports whether nobody is to have the conversation: a release, or an undo that leads back to nobody.
func (i Intent) Releases() bool { return i.Verb == Release || i.Verb == Undo && i.To == nil }

// Place is where a message stands.
type Place struct {
	Channel string `json:"c"`
	TS      string `json:"t"`
	Link    string `json:"l,omitempty"` // the link in somebody's message that unfolded to the card; "" for a message of the bot's own
}

// To names whom to assign, by exactly one of its fields.
type To struct {
	User   string `json:"u,omitempty"` // Slack user id; the sender's own for "me"
	Email  string `json:"e,omitempty"`
	Member string `json:"m,omitempty"` // Invent member id, or the person's id as an assignee shows it
	Digest string `json:"d,omitempty"` // Digest of an Invent member id
}
