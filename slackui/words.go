package slackui

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"inventbot/invent"
)

// Every word that people see in Slack stands in this file.

// The card.
const (
	wordCardTitle   = "Conversation with %s"
	wordCardID      = "Conversation `%s`"
	wordSnapshot    = "This card can't be redrawn, because the app isn't in this channel: invite it for cards that stay true."
	wordCustomer    = "a customer"
	wordUnnamed     = "Unnamed"
	wordChannel     = "Channel"
	wordAssistant   = "Assistant"
	wordState       = "State"
	wordAssignee    = "Assignee"
	wordUnread      = "Unread"
	wordLastMessage = "Last customer message"
	wordFollowUp    = "Follow-up"
	wordMuted       = "Muted until"
	wordCSAT        = "CSAT"
	wordOfFive      = "%d of 5"
	wordNobody      = "Nobody"
	wordSomebody    = "Somebody"
	wordNotOnSlack  = "not on Slack"
	wordSince       = ", since %s"
	wordThrough     = ", through %s"
)

// The buttons, and what a screen reader says of them.
const (
	wordTake            = "Take"
	labelTake           = "Take: assign this conversation to me"
	wordTakeOver        = "Take over"
	labelTakeOver       = "Take over: assign this conversation to me instead of its holder"
	wordTakeOverTitle   = "Take over?"
	wordTakeOverConfirm = "%s has this conversation now. It becomes yours."
	wordRelease         = "Release"
	labelRelease        = "Release: nobody has this conversation then"
	wordReleaseTitle    = "Release?"
	wordReleaseConfirm  = "%s has this conversation now. Nobody will have it then."
	wordRefresh         = "Refresh"
	labelRefresh        = "Refresh: draw this card anew"
	wordShare           = "Share here"
	labelShare          = "Share here: post this card for everyone in the channel"
	wordOpen            = "Open in Invent"
	labelOpen           = "Open in Invent: the conversation in the dashboard"
	wordLeave           = "Leave it"
	labelLeave          = "Leave it: change nothing"
	wordAnyway          = "Assign anyway"
	labelAnyway         = "Assign anyway: take it from its holder"
	wordAgain           = "Try again"
	labelAgain          = "Try again: do the same once more"
	wordNewer           = "Show the newer one"
	labelNewer          = "Show the newer conversation with this customer"
	wordCancel          = "Cancel"
)

// Problem is what is wrong with a request, seen before anything was asked of anybody.
type Problem string

// The problems.
const (
	NoConversation   Problem = "no_conversation"
	NotAConversation Problem = "not_a_conversation"
	ForeignLink      Problem = "foreign_link"
	TooManyWords     Problem = "too_many_words"
	NoPerson         Problem = "no_person"
	NotAPerson       Problem = "not_a_person"
	PlainName        Problem = "plain_name"
	OldButton        Problem = "old_button"
)

func problemText(p Problem, command string, verb Verb) string {
	usage := usage(command, verb)
	switch p {
	case NoConversation:
		return "Which conversation? Type its id or paste its link from Invent: " + usage + "."
	case NotAConversation:
		return "That isn't the id of a conversation. Type its id or paste its link from Invent: " + usage + "."
	case ForeignLink:
		return "That link doesn't lead to a conversation in your Invent dashboard. Open the conversation there and copy its address."
	case TooManyWords:
		return "Those are too many words, so nothing was done. It is " + usage + "."
	case NoPerson:
		return "Assign it to whom? Pick a person with @, or type `me` or an e-mail: " + usage + "."
	case NotAPerson:
		return "That isn't a person. Pick one with @, or type `me` or an e-mail: " + usage + "."
	case PlainName:
		return "That name arrived as plain text, and I don't guess who is meant. Type @ and pick the person from Slack's list, or type an e-mail. " +
			"If picking doesn't help: the command's setting “Escape channels, users, and links” is off in the app's configuration."
	case OldButton:
		return "This button is from an older version and can't be read any more. Nothing was changed. Type `" + orCommand(command) + " show` with the conversation's id for a fresh card."
	}
	return "That can't be read. Nothing was changed."
}

func orCommand(command string) string {
	if command == "" {
		return "/invent"
	}
	return escape(command, nameLimit)
}

var usages = map[Verb]string{
	Take:    "take <conversation>",
	Assign:  "assign <conversation> [to] <who>",
	Release: "release <conversation>",
	Show:    "show <conversation>",
}

var explained = map[Verb]string{
	Take:    "assign it to me",
	Assign:  "who = `me`, an @person, or an e-mail",
	Release: "nobody has it then (also: `unassign`)",
	Show:    "a card that only you see (also: `status`)",
}

// usage words how a verb is typed.
func usage(command string, verb Verb) string {
	return "`" + escape(command, nameLimit) + " " + escaper.Replace(usages[verb]) + "`"
}

// help lists what works. Behind an unknown command stands the nearest one.
func help(command, unknown string) *Message {
	var b strings.Builder
	name := escape(command, nameLimit)
	if unknown != "" {
		fmt.Fprintf(&b, "I don't know “%s”.", escape(unknown, 40))
		if near := nearest(unknown); near != "" {
			fmt.Fprintf(&b, " Did you mean `%s %s`?", name, near)
		}
		b.WriteString("\n")
	}
	b.WriteString("What you can type:\n")
	for _, c := range commandWords {
		fmt.Fprintf(&b, "• %s: %s\n", usage(command, c.verb), explained[c.verb])
	}
	fmt.Fprintf(&b, "• `%s help`: this list\n", name)
	b.WriteString("A conversation is its id, or its link pasted from Invent.")
	return say(b.String())
}

// Busy says that the queue is full.
func Busy() Message {
	return *say("Too much is waiting right now, so nothing was changed. Please try again in a minute.")
}

// Cannot says what is wrong with a click.
func Cannot(i Intent) Message { return *say(problemText(i.Problem, i.Command, i.Verb)) }

// Slow says, while it lasts, that an action takes longer.
func Slow() Message {
	return *say("Still on it: Invent hasn't answered yet. Within two minutes I'll tell you how it ended.")
}

// Late says that somebody the person didn't see has the conversation, and offers what can be done about it.
// now is when this is said.
func Late(i Intent, h Holder, state invent.ChatState, now time.Time) Message {
	words := h.name() + " has it."
	if state.AssignedAt != nil {
		words = fmt.Sprintf("%s has had it for %s.", h.name(), lasted(now.Sub(*state.AssignedAt)))
	}
	v := value{Chat: i.Chat, Seen: &h.ID, Origin: i.card()}
	row := []slack.BlockElement{button(Take, wordTakeOver, labelTakeOver, v)}
	switch i.Verb {
	case Release:
		row = append(row, button(Release, wordRelease, labelRelease, v))
	case Assign:
		to := v
		to.To = i.To
		row = append(row, button(Assign, wordAnyway, labelAnyway, to))
	}
	return *say(words+" Nothing was changed.", append(row, button(Leave, wordLeave, labelLeave, v))...)
}

// card answers the card that the intent is about: the clicked one, or the one behind a private message.
func (i Intent) card() *Place {
	if i.Origin != nil || i.Private {
		return i.Origin
	}
	return i.Clicked
}

// Already says that what was asked for is so.
func Already(h *Holder, mine bool) Message {
	switch {
	case h == nil:
		return *say("Nobody has it: there is nothing to release.")
	case mine:
		return *say("It is yours already.")
	}
	return *say(h.name() + " has it already.")
}

// Changed says privately what was done, where the card stands elsewhere.
func Changed(h *Holder, mine bool) Message {
	switch {
	case h == nil:
		return *say("Done: nobody has it now.")
	case mine:
		return *say("Done: it is yours.")
	}
	return *say("Done: " + h.name() + " has it.")
}

// RetiredButton goes with a fresh card where the button can't mean any more what it said.
func RetiredButton() Message {
	return *say("That card was old and nothing was changed. Here is a fresh one.")
}

// Shared says that the card is in the channel now.
func Shared() Message { return *say("Shared in this channel.") }

// Reason is why a person may not act, or why somebody can't be assigned.
type Reason string

// The reasons, as they stand in the log too.
const (
	NotLinked     Reason = "not_linked"
	TwoMembers    Reason = "two_members"
	Unconfirmed   Reason = "email_unconfirmed"
	Guest         Reason = "guest"
	Bot           Reason = "bot"
	Deactivated   Reason = "deactivated"
	Outsider      Reason = "outsider"
	Inactive      Reason = "member_inactive"
	EmailHidden   Reason = "email_hidden"
	NoMembersList Reason = "no_members_list"
	UnknownUser   Reason = "unknown_user"
	UnknownTeam   Reason = "unknown_team"
	NoSuchMember  Reason = "no_such_member"
)

// Refused says why nothing was done and what helps. about is the Slack user or the e-mail it concerns when that
// isn't the person who asked.
func Refused(r Reason, about string) Message {
	if about != "" {
		return *say(refusedOther(r, about) + " Nothing was changed.")
	}
	return *say(refusedSelf(r) + " Nothing was changed.")
}

func refusedSelf(r Reason) string {
	switch r {
	case NotLinked:
		return "You aren't linked to a member of your Invent organisation: nobody there has the e-mail of your Slack account. Ask an Invent admin to invite that e-mail, then try again."
	case TwoMembers:
		return "Two members in Invent have your e-mail, so I can't tell which one you are. Ask an Invent admin to remove one of them."
	case Unconfirmed:
		return "Your e-mail in Slack isn't confirmed, so I can't tell who you are in Invent. Confirm it in Slack's account settings, then try again."
	case Guest:
		return "You are a guest in this Slack workspace, and guests can't work on conversations. Ask a colleague who is a full member."
	case Bot:
		return "Bots can't work on conversations."
	case Deactivated:
		return "Your Slack account is deactivated."
	case Outsider, UnknownTeam:
		return "You are from another organisation: only people of the workspace that installed this app can work on its conversations."
	case Inactive:
		return "Your member in Invent isn't active. Ask an Invent admin to activate it, then try again."
	case EmailHidden:
		return "Slack doesn't show me your e-mail, so I can't tell who you are in Invent. Ask a Slack admin to reinstall the app with the scope `users:read.email`."
	case NoMembersList:
		return "Invent doesn't give me the list of its members, so I can't tell who you are there. Ask whoever runs this app to look at its log."
	case UnknownUser:
		return "Slack doesn't know you here, so I can't tell who you are in Invent."
	}
	return "You may not do that."
}

func refusedOther(r Reason, about string) string {
	who := escape(about, 254)
	if userID.MatchString(about) {
		who = mention(about)
	}
	switch r {
	case NotLinked, UnknownUser:
		return who + " isn't linked to a member of your Invent organisation. Ask an Invent admin to invite the e-mail of their Slack account, or name somebody else."
	case NoSuchMember:
		return "No member in Invent has the e-mail " + who + ". Check its spelling, or ask an Invent admin to invite it."
	case TwoMembers:
		return "Two members in Invent have the e-mail of " + who + ", so I can't tell which one is meant. Ask an Invent admin to remove one of them."
	case Unconfirmed:
		return "The e-mail of " + who + " isn't confirmed in Slack, so I can't tell who that is in Invent."
	case Guest:
		return who + " is a guest in this Slack workspace, and guests can't work on conversations. Name somebody else."
	case Bot:
		return who + " is a bot. Name a person."
	case Deactivated:
		return "The Slack account of " + who + " is deactivated. Name somebody else."
	case Outsider:
		return who + " is from another organisation. Name somebody of this workspace."
	case Inactive:
		return "The member of " + who + " in Invent isn't active. Ask an Invent admin to activate it, or name somebody else."
	case EmailHidden:
		return "Slack doesn't show me the e-mail of " + who + ". Type their e-mail instead of the name, or ask a Slack admin to reinstall the app with the scope `users:read.email`."
	case NoMembersList:
		return "Invent doesn't give me the list of its members, so I can't tell who " + who + " is there. Ask whoever runs this app to look at its log."
	}
	return who + " can't have it."
}

// Failure is why an action could not be done, whoever asks.
type Failure string

// The failures, as they stand in the log too.
const (
	NoAnswer       Failure = "no_answer"       // two minutes passed, nothing was changed
	Unsettled      Failure = "unsettled"       // two minutes passed, and it can't be told whether it was changed
	Stopped        Failure = "stopped"         // the bot was stopped before it came to it
	NotFound       Failure = "not_found"       // no such conversation
	KeyRefused     Failure = "key_refused"     // Invent doesn't take the bot's key
	RefusedByAPI   Failure = "refused_by_api"  // Invent said no to this very request
	SlackRefused   Failure = "slack_refused"   // Slack doesn't take the bot's token
	NewerVersion   Failure = "newer_version"   // a newer process wrote it, and none came
	BotFailed      Failure = "bot_failed"      // our own fault
	MemberNotFound Failure = "member_rejected" // Invent doesn't take the member
)

// Failed says what went wrong and the next step, with the reference that stands in the log.
func Failed(f Failure, i Intent, ref string) Message {
	var words string
	var row []slack.BlockElement
	switch f {
	case NoAnswer:
		words = "Invent didn't answer for two minutes, so nothing was changed."
		row = i.again()
	case Unsettled:
		words = "Invent didn't answer for two minutes, and I couldn't find out whether the change was made. Look before you try again."
		row = []slack.BlockElement{button(Show, wordRefresh, labelRefresh, value{Chat: i.Chat, Origin: i.card()})}
	case Stopped:
		words = "This app was restarted before your request was done. Look before you try again."
		row = i.again()
	case NotFound:
		words = "Invent knows no conversation `" + escape(i.Chat, 200) + "`. Nothing was changed. Check the id, or paste the conversation's link from the dashboard."
	case KeyRefused:
		words = "Invent refuses this app's API key, so nothing was changed. Ask whoever runs this app to set a valid key."
	case SlackRefused:
		words = "Slack refuses this app's token, so I can't tell who you are. Nothing was changed. Ask whoever runs this app to reinstall it."
	case RefusedByAPI:
		words = "Invent refused this change, so nothing was changed. Try it in the dashboard."
	case MemberNotFound:
		words = "Invent refused to assign it to that member, so nothing was changed. Look at the member's role in Invent, or name somebody else."
	case NewerVersion:
		words = "This was begun by a newer version of the app that isn't running any more. Nothing was changed."
		row = i.again()
	default:
		words = "Something in this app went wrong, and nothing was changed. Ask whoever runs it to look into its log."
		row = i.again()
	}
	return *say(words+" (ref "+ref+")", row...)
}

// Newer says that the conversation goes on under another id, and offers that one.
func Newer(i Intent, newer, ref string) Message {
	return *say("This conversation has been superseded by a newer one with the same customer. Nothing was changed. (ref "+ref+")",
		button(Show, wordNewer, labelNewer, value{Chat: newer}))
}

// again offers the same action once more. For a command nobody was seen, so the button has seen nobody.
func (i Intent) again() []slack.BlockElement {
	if i.Chat == "" || clickable[string(i.Verb)] == "" {
		return nil
	}
	nobody := ""
	v := value{Chat: i.Chat, Seen: &nobody, To: i.To, Origin: i.card()}
	if i.Seen != nil {
		v.Seen = i.Seen
	}
	return []slack.BlockElement{button(i.Verb, wordAgain, labelAgain, v)}
}

func stateWords(s invent.ChatState) string {
	words := ""
	switch s.State {
	case invent.Open:
		words = "Open"
	case invent.Snoozed:
		words = "Snoozed"
	case invent.Closed:
		words = "Resolved"
	default:
		words = escape(string(s.State), nameLimit)
	}
	if words != "" {
		words += ", "
	}
	if s.AIEnabled {
		return words + "AI on"
	}
	return words + "AI off"
}

var channelNames = map[string]string{
	"internal": "Invent", "custom": "Custom", "whatsapp_bot": "WhatsApp", "messenger_bot": "Messenger",
	"instagram_dm": "Instagram", "telegram_bot": "Telegram", "gmail": "Gmail", "slack_bot": "Slack",
	"twilio": "Twilio", "telnyx": "Telnyx", "email": "Email", "google_calendar": "Google Calendar", "tiktok_dm": "TikTok",
}

// channelName words where the customer writes; an unknown one is shown as Invent calls it.
func channelName(integration string) string {
	if name, ok := channelNames[integration]; ok {
		return name
	}
	return escape(integration, nameLimit)
}
