package slackui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"inventbot/invent"
)

// Every word that people see in Slack stands in this file.

// The card.
const (
	wordCardTitle    = "Conversation with %s"
	wordCardID       = "Conversation `%s`"
	wordSnapshot     = "This card doesn't update by itself, only when somebody clicks one of its buttons. If the app isn't in this channel, invite it to get cards that stay up to date; if it is, Slack doesn't let it post here: ask a Slack admin."
	wordCustomer     = "A customer"
	wordCardNameless = "A customer's conversation"
	wordWaitingSince = " Waiting since %s."
	wordUnnamed      = "Unnamed"
	wordChannel      = "Channel"
	wordAssistant    = "Assistant"
	wordState        = "State"
	wordAssignee     = "Assignee"
	wordUnread       = "Unread"
	wordLastMessage  = "Last customer message"
	wordFollowUp     = "Follow-up"
	wordMuted        = "Muted until"
	wordCSAT         = "CSAT"
	wordOfFive       = "%d of 5"
	wordWaiting      = "Waiting"
	wordForHuman     = "for a human"
	wordForSince     = " since %s"
	wordNobody       = "Nobody"
	wordSomebody     = "Somebody"
	wordNotOnSlack   = "not on Slack"
	wordSince        = ", since %s"
	wordThrough      = ", assigned by %s"
	wordMine         = "This conversation is yours."
	wordMineBy       = "This conversation is yours: %s assigned it to you."
	wordNotMine      = "You don't have this conversation any more."
)

// label is what stands on a button, and what a screen reader says instead.
type label struct{ text, spoken string }

// The buttons.
var (
	labelTake      = label{"Take", "Take: assign this conversation to me"}
	labelTakeOver  = label{"Take over", "Take over: assign this conversation to me instead of the current assignee"}
	labelRelease   = label{"Release", "Release: unassign this conversation, so that nobody has it"}
	labelRefresh   = label{"Refresh", "Refresh: bring this card up to date"}
	labelShare     = label{"Share here", "Share here: post this card for everyone in the channel"}
	labelOpen      = label{"Open in Invent", "Open in Invent: the conversation in the dashboard"}
	labelLeave     = label{"Leave it", "Leave it: change nothing"}
	labelAnyway    = label{"Assign anyway", "Assign anyway: take it from the current assignee"}
	labelAgain     = label{"Try again", "Try again: do the same once more"}
	labelNewer     = label{"Show the newer one", "Show the newer one: where this conversation continues"}
	labelAgree     = label{"Yes, that's me", "Yes, that's me: link me to this member"}
	labelDecline   = label{"No", "No: that isn't me, don't link me"}
	labelNext      = label{"Next", "Next page"}
	labelChoose    = label{"Assign…", "Assign: choose whom to assign this conversation to"}
	labelResolve   = label{"Resolve", "Resolve: close this conversation"}
	labelReopen    = label{"Reopen", "Reopen: open this conversation again"}
	labelToAI      = label{"Hand to AI", "Hand to AI: let the AI answer this conversation"}
	labelPauseAI   = label{"Pause AI", "Pause AI: stop the AI from answering this conversation"}
	labelSummary   = label{"Summary", "Summary: Invent's latest summary, shown only to me"}
	labelUndo      = label{"Back to %s", "Back to %s: undo"}
	labelBack      = label{"Previous", "Previous page"}
	labelShow      = label{"Show", "Show: the card of this conversation, shown only to me"}
	labelPaste     = label{"Paste an id…", "Paste an id: type or paste the id or link of a conversation"}
	labelHush      = label{"Turn notices off", "Turn notices off: no direct message when a conversation becomes mine"}
	labelTellme    = label{"Turn notices on", "Turn notices on: a direct message when a conversation becomes mine"}
	labelShowQueue = label{labelShow.text, "Show the conversations that are waiting for a human, only to me"}
)

// What the confirm dialogs ask before a button does what it says.
const (
	wordTakeOverTitle   = "Take over?"
	wordTakeOverConfirm = "%s has this conversation now. It will become yours."
	wordReleaseTitle    = "Release?"
	wordReleaseConfirm  = "%s has this conversation now. Afterwards nobody will have it."
	wordCancel          = "Cancel"
	wordResolveTitle    = "Resolve?"
	wordSetConfirm      = "%s has this conversation now."
	wordToAITitle       = "Hand to AI?"
)

// The modals.
const (
	wordAssignTitle      = "Assign a conversation"
	wordAssign           = "Assign"
	wordWhom             = "Assign to"
	wordWhomHint         = "Type part of a name or e-mail to find somebody."
	wordWhomPlaceholder  = "Choose somebody"
	wordMe               = "Me"
	wordUnassigned       = "Unassigned"
	wordNotOnSlackHere   = "not on Slack — won't be notified here"
	wordNote             = "Hand-over note"
	wordNoteHint         = "Goes to the new assignee in a direct message, together with the card. The customer never sees it."
	wordUnlisted         = "Invent hasn't sent me its list of members yet. Search again in a moment, or close this window and type %s."
	wordWhichTitle       = "Find a conversation"
	wordWhich            = "Conversation"
	wordWhichHint        = "Its id, or its link from the dashboard."
	wordWhichPlaceholder = "Paste an id or a link"
	wordNoneFound        = "I found no Invent conversation in that message."
	wordSeveral          = "That message mentions several conversations. Which one do you mean?"
	wordQueueTitle       = "Waiting for a human"
	wordQueueEmpty       = "No conversations are waiting for a human."
	wordMineTitle        = "My conversations"
	wordMineEmpty        = "You have no conversations."
	wordTeamTitle        = "Who has how many"
	wordTeamEmpty        = "Nobody has any conversations."
	wordTeamMore         = "and %d more"
	wordTeamInactive     = ", not active in Invent"
	wordLeftTitle        = "Held by members who aren't active"
	wordLeft             = " %s has it, but isn't active in Invent."
	wordMeTitle          = "You"
	wordNoInbox          = "As far as I know, your Invent's API doesn't list conversations. In any channel, type %s followed by a conversation's id or link."
	wordNoticesOn        = "You get a direct message when somebody assigns a conversation to you, or takes one from you in Slack."
	wordNoticesOff       = "You get no direct message when a conversation becomes yours, unless somebody sends you a note with it."
	wordWhatTitle        = "Invent in Slack"
	wordWhat             = "With this app your team takes, hands over and releases the conversations in Invent's inbox without leaving Slack, and sees who has which."
	wordWelcome          = "Type %s in any channel to see which conversations are waiting for a human."
	wordPickTitle        = "Take a conversation"
	wordLooking          = "Looking for waiting conversations…"
	wordPickLater        = "Invent isn't answering right now. I'll keep trying for a while."
	wordClose            = "Close"
	wordNotAnID          = "That isn't the id of a conversation. Type its id, or paste its link from Invent."
	wordBusy             = "I'm busy: too many requests are waiting right now, so nothing changed. Please try again in a minute."
)

// Problem is what is wrong with a request itself, mostly found without asking Slack or Invent.
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
	NoMember         Problem = "no_member"
	OldButton        Problem = "old_button"
	UndoExpired      Problem = "undo_expired"
	OldForm          Problem = "old_form"
	NoChoice         Problem = "no_choice"
	LongNote         Problem = "long_note"
	NoteToNobody     Problem = "note_to_nobody"
	NoteUnreadable   Problem = "note_unreadable"
	KnownNow         Problem = "known_now"
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
		return "That's too many words, so nothing was done. Type " + usage + "."
	case NoPerson:
		return "Who do you mean? Pick a person with @" + orSo(verb) + ": " + usage + "."
	case NotAPerson:
		return "I can't tell who that is. Pick a person with @" + orSo(verb) + ": " + usage + "."
	case NoMember:
		return "Which member in Invent? Type the member's e-mail or id: " + usage + "."
	case PlainName:
		return "That name arrived as plain text, and I won't guess who you mean. Type @ and pick the person from Slack's list. " +
			"If that doesn't help, ask whoever runs this app to turn on “Escape channels, users, and links” for its command in the app's configuration."
	case OldButton:
		return "This button is from an older version and no longer works. Nothing changed. Type the command again for a fresh one."
	case UndoExpired:
		return "That could only be undone within five minutes. Nothing changed. The card has buttons for what you can do now."
	case OldForm:
		return "This window is from an older version and no longer works. Nothing changed. Close it and open it again."
	case NoChoice:
		return "Choose somebody from the list."
	case LongNote:
		return "The note is too long: at most 2,000 characters."
	case NoteToNobody:
		return "Nobody else would get this note. Remove it, or choose another person."
	case NoteUnreadable:
		return "This person isn't on Slack, so the note can't be delivered. Remove it, or choose somebody who is."
	case KnownNow:
		return "I know who you are in Invent now. Please try again."
	}
	return "I can't read that. Nothing changed."
}

// orSo says how a person can be named other than by @.
func orSo(v Verb) string {
	if v == Assign {
		return ", or type an e-mail or `me`"
	}
	return ""
}

// commands is what can be typed, in the order of help. The first of the words is the command's name, the others are synonyms. help has no
// verb: it is answered at once.
var commands = []struct {
	verb  Verb
	words []string
	usage string
	does  string
}{
	{Take, []string{"take"}, "take <conversation>", "it becomes yours"},
	{Assign, []string{"assign"}, "assign <conversation> [to] <who>", "who = `me`, an @person, or an e-mail"},
	{Release, []string{"release", "unassign"}, "release <conversation>", "nobody has it any more (also: `unassign`)"},
	{Show, []string{"show", "status"}, "show <conversation>", "a card that only you see (also: `status`)"},
	{Queue, []string{"queue"}, "queue", "the conversations that are waiting for a human, and below them those of members who aren't active (also: `take` alone)"},
	{Mine, []string{"mine"}, "mine", "the conversations you have"},
	{History, []string{"history"}, "history <conversation>", "what was done with it from Slack, newest first"},
	{Route, []string{"route"}, "route <conversation>", "where it is announced when it waits for a human, and why"},
	{Whoami, []string{"whoami"}, "whoami", "which member of Invent you are, and what you may do"},
	{Link, []string{"link"}, "link @person <e-mail or member id>", "for admins: ask a person whether they are that member"},
	{Unlink, []string{"unlink"}, "unlink [@person]", "drop a link that an admin made: your own, or for admins anybody's"},
	{Links, []string{"links"}, "links", "for admins: who is linked, how, and what to fix"},
	{"", []string{"help"}, "help", "this list"},
}

// usage shows how to type a verb.
func usage(command string, verb Verb) string {
	for _, c := range commands {
		if c.verb == verb {
			return typed(command, escaper.Replace(c.usage))
		}
	}
	return typed(command, "")
}

// typed shows what to type: the command, and words behind it, which must be escaped already.
func typed(command, words string) string { return "`" + escape(command, nameLimit) + " " + words + "`" }

// help lists all commands, and marks those that are off. unknown, unless it is "", is the word that was typed: it suggests the nearest.
func help(command, unknown string, off []Verb) *Message {
	var b strings.Builder
	if word := escape(unknown, 40); word != "" {
		fmt.Fprintf(&b, "I don't know “%s”.", word)
		if near := nearest(unknown); near != "" {
			fmt.Fprintf(&b, " Did you mean %s?", typed(command, near))
		}
		b.WriteString("\n")
	}
	b.WriteString("What you can type:\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "• %s: %s", usage(command, c.verb), c.does)
		if slices.Contains(off, c.verb) {
			b.WriteString(" _(off: your Invent's API doesn't offer what it needs)_")
		}
		b.WriteString("\n")
	}
	b.WriteString("For `" + escaper.Replace("<conversation>") + "`, type its id or paste its link from Invent. Its card has buttons for more: " + usage(command, Show) + ".")
	m := say(b.String())
	return &m
}

// Busy says that the queue is full.
func Busy() Message { return say(wordBusy) }

// Doubtful says that the queue is full, but that the request may be in it all the same.
func Doubtful() Message {
	return say("I'm busy: too many requests are waiting right now, and I couldn't find out whether yours was accepted. Check before you try again.")
}

// Cannot says what is wrong with a click.
func Cannot(i Intent) Message { return say(problemText(i.Problem, i.Command, i.Verb)) }

// Slow says, while an action is under way, that it takes longer than usual.
func Slow() Message {
	return say("Still on it: this is taking longer than usual. I'll tell you how it ends.")
}

// Late says that the conversation has a holder whom the person hadn't seen there, so nothing changed, and
// offers to go ahead or to leave it. now is when this is said.
func Late(i Intent, h Holder, state invent.ChatState, now time.Time) Message {
	words := h.name() + " has it."
	if state.AssignedAt != nil {
		words = h.name() + " has had it for less than a second."
		if ago := now.Sub(*state.AssignedAt); ago >= time.Second { // else just now, or in the future by another clock
			words = fmt.Sprintf("%s has had it for %s.", h.name(), lasted(ago))
		}
	}
	v := value{Chat: i.Chat, Seen: &h.ID, Origin: i.card()}
	row := []slack.BlockElement{button(Take, labelTakeOver, v)}
	same := map[Verb]label{Release: labelRelease, Resolve: labelResolve, Reopen: labelReopen, ToAI: labelToAI, PauseAI: labelPauseAI}
	if l, found := same[i.Verb]; found {
		row = append(row, button(i.Verb, l, v))
	} else if i.Verb == Assign && i.To.User != i.User { // an assign to oneself is the button Take over
		to := v
		to.To, to.Note = i.To, i.NoteID
		row = append(row, button(Assign, labelAnyway, to))
	}
	return say(begun(words)+" Nothing changed.", append(row, button(Leave, labelLeave, v))...)
}

// card returns the card that the intent is about, the clicked one or the one behind a private message; nil if it can't be redrawn later.
func (i Intent) card() *Place {
	if i.Origin != nil || i.Private || i.Snapshot {
		return i.Origin
	}
	return i.Clicked
}

// About adds to a private message which conversation it is about, as far as is known; nothing if chat has no id. The customer's name is in
// it, so the message must be for one person only.
func About(chat invent.Chat, m Message) Message {
	if chat.ID == "" {
		return m
	}
	words := which(chat)
	m.Text += " (" + words + ")"
	m.Blocks = append(slices.Clone(m.Blocks), contextOf(words))
	return m
}

// Linked adds a link to the conversation in the dashboard to words that have no place for a button.
func Linked(words, url string) string {
	return words + " <" + escaper.Replace(url) + "|" + labelOpen.text + ">"
}

// which names a conversation: its id, and customer and channel if known.
func which(chat invent.Chat) string {
	words := fmt.Sprintf(wordCardID, escape(chat.ID, 200))
	if name := escape(chat.Customer(), nameLimit); name != "" {
		words += " with " + name
	}
	if name := channelName(chat.State.IntegrationID); name != "" {
		words += ", " + name
	}
	return words
}

// Already says that nothing had to be changed: h (nil: nobody) has it already. noted says that the note that came along was delivered.
func Already(h *Holder, mine, noted bool) Message {
	switch {
	case h == nil:
		return say("Nobody has it: there is nothing to release.")
	case mine:
		return say("It is yours already.")
	case noted:
		return say(begun(h.name()) + " has it already, and got your note.")
	}
	return say(begun(h.name()) + " has it already.")
}

// Back is what a change can be undone to, and until when.
type Back struct {
	Holder *Holder // who had it before; nil: nobody
	Mine   bool    // Holder is the person who made the change
	Until  time.Time
}

// Changed says privately what was done. If back is not nil, it offers to undo it.
func Changed(i Intent, h *Holder, mine bool, back *Back) Message {
	words := "Done: nobody has it now."
	switch {
	case h != nil && mine:
		words = "Done: it is yours."
	case h != nil:
		words = "Done: " + h.name() + " has it."
	}
	if back == nil {
		return say(words)
	}
	now := ""
	if h != nil {
		now = h.ID
	}
	v := value{Chat: i.Chat, Seen: &now, Origin: i.card(), Until: back.Until.Unix()}
	to, before := "nobody", "nobody's"
	if h := back.Holder; h != nil {
		v.To, before = &To{Member: h.ID}, h.name()+"'s"
		switch to = plain(h.Name, 60); {
		case back.Mine:
			to, before = "me", "yours"
		case to == "":
			to = wordSomebody
		}
	}
	return say(words+fmt.Sprintf(" It was %s before, and you can undo this for five minutes.", before),
		button(Undo, label{fmt.Sprintf(labelUndo.text, to), fmt.Sprintf(labelUndo.spoken, to)}, v))
}

// ChangedSince says privately that the request was done, but that somebody changed it again before that could be shown. h has it now; nil:
// nobody.
func ChangedSince(i Intent, h *Holder) Message {
	words := "nobody has it now."
	switch {
	case i.Verb.Sets():
		return say("That was done, but somebody has changed it since.")
	case h != nil && h.User == i.User:
		words = "now it is yours."
	case h != nil:
		words = "now " + h.name() + " has it."
	}
	return say("That was done, but somebody has changed it since: " + words)
}

// YoursAgain tells a person, below the card they already have, that somebody assigned the conversation to them.
func YoursAgain(user, by string) Message {
	return say(fmt.Sprintf("%s, %s assigned this conversation to you.", mention(user), mention(by)))
}

// YoursNow tells a person, below the card they already have, that somebody assigned the conversation to them in Invent.
func YoursNow(user string) Message {
	return say(mention(user) + ", this conversation is yours now.")
}

// Relieved tells a person, below the card they already have, who took the conversation from them.
func Relieved(user, by string) Message {
	return say(fmt.Sprintf("%s, you don't have this conversation any more: %s changed its assignee.", mention(user), mention(by)))
}

// Note shows a hand-over note to the new assignee.
func Note(user, by, note string) Message {
	return quoting(fmt.Sprintf("%s, a note from %s:", mention(user), mention(by)), note)
}

// NoteReturned gives a note back to its sender, because it could not be delivered to h, or there was nobody to deliver it to (h is nil).
func NoteReturned(h *Holder, note string) Message {
	if h == nil {
		return quoting("Your note was not delivered. Here it is:", note)
	}
	if note == "" {
		return say("Your note is gone, because the question went unanswered for too long: " + h.name() + " didn't get it.")
	}
	return quoting("Your note could not be delivered to "+h.name()+". Here it is:", note)
}

// quoting makes a message of words of ours, with somebody's words below, shown literally.
func quoting(ours, theirs string) Message {
	m := say(ours)
	if theirs = lines(theirs, textLimit); theirs != "" {
		m.Text += "\n" + escaper.Replace(theirs)
		m.Blocks = append(m.Blocks, slack.NewSectionBlock(words(theirs), nil, nil))
	}
	return m
}

// setWords has words for the verbs that set a conversation's state: how it is then, what somebody did, and the same for the history.
var setWords = map[Verb]struct{ now, did, deed string }{
	Resolve: {"it is resolved", "resolved this conversation", "resolved it"},
	Reopen:  {"it is open", "opened this conversation again", "reopened it"},
	ToAI:    {"it is with the AI", "handed this conversation to the AI", "handed it to the AI"},
	PauseAI: {"its AI is paused", "paused the AI in this conversation", "paused the AI"},
}

// Set says privately that a conversation is now as was asked for; or, if so, that it was already.
func Set(v Verb, so bool) Message {
	if so {
		return say("Nothing to do: " + setWords[v].now + " already.")
	}
	return say("Done: " + setWords[v].now + " now.")
}

// SetBy tells a person, below the card they already have, what somebody else did with their conversation.
func SetBy(user, by string, v Verb) Message {
	return say(fmt.Sprintf("%s, %s %s. It is still yours.", mention(user), mention(by), setWords[v].did))
}

// Summarised shows Invent's last summary of a conversation; nil if it has none.
func Summarised(m *invent.Memory) Message {
	if m == nil {
		return say("Invent has no summary of this conversation yet. It makes one every ten messages.")
	}
	text := lines(m.Summary, noteLimit)
	for n, point := range m.KeyPoints {
		if n < 10 {
			text += "\n• " + plain(point, nameLimit)
		}
	}
	head := "Invent's summary (only you see it):"
	if m.SummarizedAt != nil {
		head = "Invent's summary, made " + date(*m.SummarizedAt) + " (only you see it):"
	}
	return quoting(head, text)
}

// RetiredButton goes with a fresh card when a button of an old version was clicked.
func RetiredButton() Message {
	return say("This card is old, here is a fresh one. Nothing changed.")
}

// Shared says that the card is in the channel now.
func Shared() Message { return say("Shared in this channel.") }

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
	NotAllowed    Reason = "not_allowed"      // ASSIGN_OTHERS names other roles
	NotAdmin      Reason = "not_admin"        // neither an admin of the workspace nor in ADMINS
	NotOffered    Reason = "not_offered"      // Invent's API lacks a route
	NoInbox       Reason = "no_inbox"         // Invent's API doesn't list conversations
	MemberTaken   Reason = "member_taken"     // an admin linked somebody else to that member
	MemberMailed  Reason = "member_has_email" // somebody else has that member's e-mail
	SameEmail     Reason = "same_email"       // an equal e-mail links already, and always wins
	NoLink        Reason = "no_link"          // there is no admin's link to drop
	SelfLink      Reason = "self_link"        // admins can't link themselves
	OfferGone     Reason = "offer_gone"       // the question has expired, was answered, withdrawn or replaced, or the asker is no admin any more
)

// Mends reports whether the refused action can become possible later, once the person is linked to an active member.
func (r Reason) Mends() bool {
	switch r {
	case NotLinked, Unconfirmed, EmailHidden, Inactive:
		return true
	}
	return false
}

// ByHand reports whether an admin's link helps against the reason. It doesn't for Inactive: an equal e-mail always wins, even that of a
// member who isn't active.
func (r Reason) ByHand() bool { return r.Mends() && r != Inactive }

// Refused says why nothing was done and what helps. It says that nothing changed only if the verb would have
// changed something. about is the Slack user, e-mail or member's id that the reason concerns, "" for the person who
// asked. held says that the bot will do it later by itself, once the reason is gone.
func Refused(command string, v Verb, r Reason, about string, held bool) Message {
	words := refusedSelf(command, r)
	if about != "" {
		words = refusedOther(command, r, about)
	}
	if v.alters() {
		words += " Nothing changed."
	}
	if held {
		words += " If that is fixed within an hour, I'll carry this out without your asking again."
	}
	return say(words)
}

func refusedSelf(command string, r Reason) string {
	switch r {
	case NotLinked:
		return "You aren't linked to a member of your Invent organisation: nobody there has the e-mail of your Slack account. " +
			"If you are there under another e-mail, ask a Slack admin to type " + typed(command, "link") + " with your name and that e-mail; otherwise ask an Invent admin to invite your e-mail."
	case TwoMembers:
		return "Two members in Invent have your e-mail, so I can't tell which one you are. Ask an Invent admin to remove one of them."
	case Unconfirmed:
		return "Your e-mail in Slack isn't confirmed, so I can't tell who you are in Invent. Confirm it in Slack's account settings."
	case Guest:
		return "You are a guest in this Slack workspace, and guests can't work on conversations. Ask a colleague who is a full member."
	case Bot:
		return "Bots can't work on conversations. Ask a person to do it."
	case Deactivated:
		return "Your Slack account is deactivated. Ask a Slack admin to activate it again."
	case Outsider, UnknownTeam:
		return "You are from another organisation: only people in the workspace that installed this app can work on its conversations. Ask one of them."
	case Inactive:
		return "Your membership in Invent isn't active. Ask an Invent admin to activate it."
	case EmailHidden:
		return "Slack doesn't show me your e-mail, so I can't tell who you are in Invent. Ask a Slack admin to reinstall the app with the scope `users:read.email`."
	case NoMembersList:
		return "Invent doesn't give me the list of its members, so I can't tell who you are there. Ask whoever runs this app to run `inventbot doctor`: it says what is wrong."
	case UnknownUser:
		return "Slack doesn't know you here, so I can't tell who you are in Invent. Ask a Slack admin whether your account belongs to this workspace."
	case NotAllowed:
		return "Your role in Invent doesn't allow you to assign conversations to others, or to release or change theirs; you can take conversations, and work on the ones you have. Ask a colleague whose role does: " +
			typed(command, "whoami") + " shows which roles do."
	case NotOffered:
		return "Your Invent's API doesn't offer what this needs, so it is switched off here. Do it in the dashboard."
	case NoInbox:
		return "As far as I know, your Invent's API doesn't list conversations, so I can't show which are waiting, or whose they are. In any channel, type " + typed(command, "take") +
			" followed by a conversation's id or its link from the dashboard."
	case NotAdmin:
		return "Only Slack admins and owners, and the people named in this app's setting `ADMINS`, can do that. Ask one of them."
	case SameEmail:
		return "You are linked because your accounts in Slack and Invent have the same e-mail. Such a link can't be dropped here; it ends when one of the two e-mails changes."
	case NoLink:
		return "You have no link that was made by an admin, so there is nothing to drop. " + typed(command, "whoami") + " shows who you are."
	case SelfLink:
		return "You can't link yourself. Ask another admin to link you."
	case OfferGone:
		return "This question no longer counts: it has expired, was answered, withdrawn or replaced by a newer one, or the person who asked is no longer an admin. " +
			typed(command, "whoami") + " shows whether you are linked. If you aren't, and there is no newer question, ask an admin to link you again."
	}
	return "You may not do that."
}

// WhomYouChose stands, as Refused's about, for somebody whose name isn't known any more.
const WhomYouChose = "the person you chose"

func refusedOther(command string, r Reason, about string) string {
	who := escape(about, 254)
	if userID.MatchString(about) {
		who = mention(about)
	}
	switch r {
	case NotLinked, UnknownUser:
		return who + " isn't linked to a member of your Invent organisation. A Slack admin can fix that with " + typed(command, "link") + ", or you can choose somebody else."
	case NoSuchMember:
		if about == WhomYouChose {
			return "The person you chose is no longer a member in Invent. Choose somebody else."
		}
		return "No member in Invent has the e-mail or id " + who + ". Check its spelling, or ask an Invent admin to invite the person."
	case TwoMembers:
		return "Two members in Invent have the e-mail of " + who + ", so I can't tell which one is meant. Ask an Invent admin to remove one of them."
	case Unconfirmed:
		return "The e-mail of " + who + " isn't confirmed in Slack, so I can't tell who they are in Invent. They can confirm it in Slack's account settings, or you can choose somebody else."
	case Guest:
		return who + " is a guest in this Slack workspace, and guests can't work on conversations. Choose somebody else."
	case Bot:
		return who + " is a bot. Choose a person."
	case Deactivated:
		return "The Slack account of " + who + " is deactivated. Choose somebody else."
	case Outsider:
		return who + " is from another organisation. Choose somebody in this workspace."
	case Inactive:
		return "The membership of " + who + " in Invent isn't active. Ask an Invent admin to activate it, or choose somebody else."
	case EmailHidden:
		return "Slack doesn't show me the e-mail of " + who + ". Type their e-mail instead of the name, or ask a Slack admin to reinstall the app with the scope `users:read.email`."
	case NoMembersList:
		return "Invent doesn't give me the list of its members, so I can't tell who " + who + " is there. Ask whoever runs this app to run `inventbot doctor`: it says what is wrong."
	case MemberTaken:
		return "That member is linked to " + who + " already. Two people can't be one member: unlink " + who + " first, or choose another member."
	case MemberMailed:
		return "That member is linked to " + who + " already: they have the same e-mail, and a matching e-mail always wins. Choose another member."
	case SameEmail:
		return who + " is linked already, by having the same e-mail in Slack and Invent, and a matching e-mail always wins. There is nothing to link or to drop."
	case NoLink:
		return who + " has no link that was made by an admin, so there is nothing to drop. " + typed(command, "links") + " shows who is linked."
	}
	return who + " can't have it."
}

// Me is what whoami says about a person.
type Me struct {
	Member    string // id
	Name      string
	Role      string // as Invent calls it
	LinkedBy  string // Slack user of the admin; "" when linked by equal e-mail
	LinkedAt  time.Time
	MayOthers bool     // may assign to others, and release or change theirs
	Others    []string // the roles that may, as Invent calls them; empty: all
}

// memberName is a member's name in at most n characters; Invent may know none.
func memberName(name string, n int) string { return cmp.Or(escape(name, n), wordUnnamed) }

// Myself says which member a person is, by which rule, and what they may do.
func Myself(m Me) Message { return say(m.words()) }

func (m Me) words() string {
	words := fmt.Sprintf("You are *%s* in Invent (member `%s`)", memberName(m.Name, nameLimit), escape(m.Member, 200))
	if m.LinkedBy == "" {
		words += ": your Slack account and that member have the same e-mail."
	} else {
		words += fmt.Sprintf(": %s linked you %s, and you agreed.", mention(m.LinkedBy), date(m.LinkedAt))
	}
	if role := escape(roleName(m.Role), nameLimit); role != "" {
		words += " Your role is " + role + ", and your membership is active."
	} else {
		words += " Your membership is active."
	}
	if m.MayOthers {
		return words + "\nYou may take conversations, assign them to anybody, and release anybody's."
	}
	roles := make([]string, len(m.Others))
	for n, r := range m.Others {
		roles[n] = roleName(r)
	}
	return words + "\nYou may take conversations and work on the ones you have. Only these roles may assign to others, or release or change theirs: " + strings.Join(roles, ", ") + "."
}

var roleNames = map[string]string{"ADMIN": "Admin", "DEVELOPER": "Developer", "MANAGER": "Manager", "AGENT": "Agent"}

func roleName(role string) string { return cmp.Or(roleNames[role], role) }

// Offer asks a person whether they are the member that an admin says they are.
func Offer(admin, member, name, offer string) Message {
	v := value{Offer: offer}
	return say(fmt.Sprintf("%s says that in Invent you are *%s* (member `%s`). If you agree, you can take, assign and release conversations from Slack, "+
		"and what you do is done as that member. This question expires in 7 days.", mention(admin), memberName(name, nameLimit), escape(member, 200)),
		primary(button(Agree, labelAgree, v)), button(Decline, labelDecline, v))
}

// Offered tells the admin that the person was asked.
func Offered(person, name string) Message {
	return say(fmt.Sprintf("I've asked %s in a direct message whether they are *%s* in Invent. The link counts once they agree, and I'll tell you their answer. The question expires in 7 days.",
		mention(person), memberName(name, nameLimit)))
}

// Agreed replaces the question once the person has said yes.
func Agreed(command, name string) Message {
	return say(fmt.Sprintf("You are linked to *%s* in Invent now. In any channel, type %s to see what you may do, or %s to end the link.",
		memberName(name, nameLimit), typed(command, "whoami"), typed(command, "unlink")))
}

// Declined replaces the question once the person has said no.
func Declined() Message { return say("You weren't linked.") }

// Answered tells the admin what the person said.
func Answered(person, name string, yes bool) Message {
	if yes {
		return say(fmt.Sprintf("%s agreed and is linked to *%s* in Invent now.", mention(person), memberName(name, nameLimit)))
	}
	return say(fmt.Sprintf("%s says they aren't *%s* in Invent, so they weren't linked.", mention(person), memberName(name, nameLimit)))
}

// Unlinked says that an admin's link is gone: person's, or the reader's own if that is "".
func Unlinked(person string) Message {
	if person == "" {
		return say("The link that an admin made for you is gone.")
	}
	return say("The link that an admin made for " + mention(person) + " is gone.")
}

// UnlinkedBy tells a person that an admin dropped their link.
func UnlinkedBy(command, admin string) Message {
	return say(fmt.Sprintf("%s dropped your link to a member in Invent. Type %s in any channel to see who you are in Invent now.", mention(admin), typed(command, "whoami")))
}

// Withdrawn says that the question whether person (the reader, if that is "") is a member is withdrawn.
func Withdrawn(person string) Message {
	if person == "" {
		return say("The question of whether you are a member in Invent is withdrawn. You have no link that was made by an admin.")
	}
	return say("The question of whether " + mention(person) + " is a member in Invent is withdrawn. They have no link that was made by an admin.")
}

// Closed replaces a card in the direct messages of somebody who may not read conversations any more.
func Closed(command string) Message {
	return say("This card is closed: you may no longer see Invent's conversations here. Type `" + command + " whoami` in any channel to see why.")
}

// Resumed tells a person that what they asked for before is carried out now.
func Resumed() Message {
	return say("You can work on conversations now, so I'm carrying out what you asked for before.")
}

// LinkLine is one line of the list of links. Its Kind decides which of the other fields count.
type LinkLine struct {
	Kind   LinkKind
	User   string // Slack user
	Other  string // another Slack user who is the same member
	Member string // id
	Name   string // of the member
	Has    int    // conversations that a member who isn't active has
	By     string // Slack user of the admin
	At     time.Time
}

// LinkKind is what a line of the list of links says.
type LinkKind int

// The kinds of lines, in the order of the list.
const (
	LinkedTwice  LinkKind = iota // two Slack users who are the same member
	LinkUnclear                  // two members with one e-mail
	LinkRefused                  // an admin's link of somebody who may not act any more
	LinkBroken                   // an admin's link to a member that is gone
	LinkInactive                 // a member who isn't active
	LinkTried                    // somebody tried to act without being linked to a member
	LinkMissing                  // a member whom nobody is linked to
	LinkedByHand                 // a link made by an admin
	LinkedByMail
)

func (l LinkLine) words(command string) string {
	name := fmt.Sprintf("%s (`%s`)", memberName(l.Name, 60), escape(l.Member, 60))
	drop := typed(command, "unlink @person")
	switch l.Kind {
	case LinkedTwice:
		return fmt.Sprintf("%s: linked to both %s and %s. Drop one: %s", name, mention(l.User), mention(l.Other), drop)
	case LinkUnclear:
		return fmt.Sprintf("%s: another member has the same e-mail, so whoever has it in Slack is refused. Remove one of the two in Invent", name)
	case LinkRefused:
		return fmt.Sprintf("%s: linked to %s, but is a guest, a bot, or gone, so is refused. Drop it: %s", mention(l.User), name, drop)
	case LinkBroken:
		return fmt.Sprintf("%s: linked to `%s`, who is no longer a member. Drop it: %s", mention(l.User), escape(l.Member, 60), drop)
	case LinkInactive:
		words := name + ": not active. Activate the member in Invent"
		if l.Has > 0 {
			words += fmt.Sprintf(". Conversations they still have: %d (%s shows them)", l.Has, typed(command, "queue"))
		}
		return words
	case LinkTried:
		return fmt.Sprintf("%s: not linked, but tried to use this app %s. Link them: %s and the member's e-mail or id", mention(l.User), date(l.At), typed(command, "link @person"))
	case LinkMissing:
		return name + ": nobody is linked. Link somebody: " + typed(command, "link @person "+escape(l.Member, 60))
	case LinkedByHand:
		return fmt.Sprintf("%s: %s, linked by %s %s. Drop it: %s", name, mention(l.User), mention(l.By), date(l.At), drop)
	}
	return fmt.Sprintf("%s: %s, by the same e-mail", name, mention(l.User))
}

// LinkList shows one page of the list of links; a page past the end is the last one.
func LinkList(command string, lines []LinkLine, page int) Message {
	words := make([]string, len(lines))
	for n, l := range lines {
		words[n] = l.words(command)
	}
	return list("Links between Slack and Invent", "Nobody is linked, and nobody has tried to use this app.", words, page, Links, value{})
}

// Deed is one change made through the bot.
type Deed struct {
	User     string // Slack user who made it
	From, To string // the assignees' names as Invent had them; "" for nobody, or for a member without a name
	Verb     Verb
	Channel  string
	At       time.Time
}

// Deeds shows what was done with a conversation, newest first.
func Deeds(chat string, deeds []Deed, page int) Message {
	words := make([]string, len(deeds))
	for n, d := range deeds {
		what := setWords[d.Verb].deed
		switch {
		case what != "":
		case d.To == "" && d.Verb != Take && d.Verb != Assign: // after those, "" means a member without a name
			what = "released it, from " + orNobody(d.From) + " to nobody"
		default:
			what = "assigned it, from " + orNobody(d.From) + " to " + cmp.Or(escape(d.To, nameLimit), wordSomebody)
		}
		words[n] = fmt.Sprintf("%s: %s %s", date(d.At), mention(d.User), what)
		if strings.HasPrefix(d.Channel, "C") {
			words[n] += fmt.Sprintf(", in <#%s>", d.Channel)
		}
	}
	return list("Conversation `"+escape(chat, 200)+"`, newest first", "Nothing was done with conversation `"+escape(chat, 200)+"` from Slack in the last 90 days.", words, page, History, value{Chat: chat})
}

func orNobody(name string) string { return cmp.Or(escape(name, nameLimit), "nobody") }

// list shows one page of lines, each mrkdwn of at most 280 characters, with buttons to turn the page.
func list(title, empty string, lines []string, page int, verb Verb, v value) Message {
	if len(lines) == 0 {
		return say(empty)
	}
	part, page, pages := pageOf(lines, page)
	text := title + ofPages(page, pages)
	for _, l := range part {
		text += "\n• " + l
	}
	return say(text, turning(verb, page, pages, func(page int) value {
		v.Page = page
		return v
	})...)
}

// perPage is how many lines or conversations a page of a list has.
const perPage = 10

// pageOf returns a page of a list, which page that is, and how many there are; a page past the end is the last one.
func pageOf[T any](all []T, page int) (part []T, at, pages int) {
	pages = max(1, (len(all)+perPage-1)/perPage)
	at = max(0, min(page, pages-1))
	return all[at*perPage : min(len(all), (at+1)*perPage)], at, pages
}

// ofPages goes behind a title and says which page it is, if there are several.
func ofPages(page, pages int) string {
	if pages == 1 {
		return ""
	}
	return fmt.Sprintf(" (page %d of %d)", page+1, pages)
}

// turning draws the buttons that turn a list's page, if there are several. to makes a button's value from the page it leads to.
func turning(verb Verb, page, pages int, to func(page int) value) (row []slack.BlockElement) {
	if page > 0 {
		row = append(row, numbered(button(verb, labelBack, to(page-1)), "back"))
	}
	if page < pages-1 {
		row = append(row, numbered(button(verb, labelNext, to(page+1)), "next"))
	}
	return row
}

// Bundled says how many conversations waited when they were counted, instead of a card for each.
func Bundled(count int, counted time.Time) Message {
	words := fmt.Sprintf("%d conversations are waiting for a human", count)
	if count == 1 {
		words = "One conversation is waiting for a human"
	}
	return say(words+", as of "+date(counted)+".", button(Queue, labelShowQueue, value{}))
}

// StillWaiting reminds of a conversation that nobody has taken. since is zero when that isn't known. It names the
// conversation, because Slack shows it outside of the card's thread if the card was deleted.
func StillWaiting(chat string, since time.Time) Message {
	id := " (" + fmt.Sprintf(wordCardID, escape(chat, 200)) + ")"
	if since.IsZero() {
		return say("This conversation is still waiting for a human." + id)
	}
	return say("This conversation has been waiting for a human since " + date(since) + "." + id)
}

// ChannelTrouble tells admins that nothing can be posted in a channel, and what helps. code is Slack's error code.
func ChannelTrouble(channel, code string) Message {
	help := "Check whether the app may post there."
	switch code {
	case "not_in_channel":
		help = "Invite the app there."
	case "channel_not_found":
		help = "If it is private, invite the app there; otherwise its id in the app's settings is wrong."
	case "is_archived":
		help = "Unarchive it, or choose another channel in the app's settings."
	}
	return say(fmt.Sprintf("I can't announce waiting conversations in <#%s> (%s). %s I'll try again every ten minutes, and tell you again in a week if it still doesn't work.",
		channel, escape(code, nameLimit), help))
}

// Item is one conversation of a list.
type Item struct {
	Chat     invent.Chat
	Waits    time.Time // since when it waits; zero when that isn't known
	URL      string
	Holder   Holder // zero: nobody; buttons carry its ID
	NoAssign bool   // Invent's API doesn't offer assigning
}

// Items shows one page of a list: Queue (the conversations that wait, then those of members who aren't active), Pick (only those that
// wait, for the modal) or Mine (those that the person has). done, unless it is "", is said above.
func Items(list Verb, items []Item, page int, done string) Message {
	title, empty, turn := wordQueueTitle, wordQueueEmpty, list
	switch list {
	case Mine:
		title, empty = wordMineTitle, wordMineEmpty
	case Pick:
		turn = Turn
	}
	if len(items) == 0 {
		return say(strings.TrimSpace(done + " " + empty))
	}
	part, page, pages := pageOf(items, page)
	first := inactiveFrom(items)
	head := fmt.Sprintf("*%s: %d*", title, first) + ofPages(page, pages)
	if done != "" {
		head = done + "\n" + head
	}
	m := say(head)
	for n, item := range part {
		if n == inactiveFrom(part) {
			left := fmt.Sprintf("*%s: %d*", wordLeftTitle, len(items)-first)
			m.Text += "\n" + left
			m.Blocks = append(m.Blocks, section(left))
		}
		m.Text += "\n• " + item.words(list)
		m.Blocks = append(m.Blocks, item.blocks(list, fmt.Sprintf("item %d", n), value{List: list, Page: page})...)
	}
	if row := turning(turn, page, pages, func(page int) value { return value{Page: page} }); len(row) > 0 {
		m.Blocks = append(m.Blocks, slack.NewActionBlock("turn", row...))
	}
	return m
}

// inactiveFrom returns the index of the first item whose holder isn't active; the list's length if there is none.
func inactiveFrom(items []Item) int {
	if n := slices.IndexFunc(items, func(i Item) bool { return i.Holder.Inactive }); n >= 0 {
		return n
	}
	return len(items)
}

// numbered makes action ids differ if a message has several buttons of one verb.
func numbered(b *slack.ButtonBlockElement, which string) *slack.ButtonBlockElement {
	b.ActionID += ":" + which
	return b
}

// Told is what /invent route says of a conversation's announcement.
type Told struct {
	Rule     string    // the name of the rule that takes it; "" for none
	Why      string    // which facts of the conversation the rule looked at, in words
	LeftOut  bool      // it isn't announced, because it came from Slack itself
	Unlisted bool      // nothing is announced, because Invent's API doesn't list conversations
	Waiting  bool      // it waits now
	Waits    time.Time // since when; zero when that isn't known
	Fates    []Fate    // one for each channel of the rule
}

// WhyRule says in words which facts of a conversation its rule looked at. For a rule that looks at none, others says whether it takes only
// what the rules before it leave.
func WhyRule(assistant, kind, language []string, others bool) string {
	var facts []string
	add := func(name string, values []string) {
		if len(values) > 0 {
			facts = append(facts, name+" is "+strings.Join(values, " or "))
		}
	}
	add("assistant", assistant)
	add("kind", kind)
	add("language", language)
	switch {
	case len(facts) > 0:
		return strings.Join(facts, ", ")
	case others:
		return "it takes what no earlier route takes"
	}
	return "it takes every conversation"
}

// routeChannels is how many channels of one rule are shown at most: as many as surely fit into a message.
const routeChannels = 8

// Fate is what became of an announcement in one channel.
type Fate struct {
	Channel string
	Posted  time.Time // when it was announced; zero when it wasn't
	Bundled bool      // as one of many
	Not     string    // why it wasn't: Slack's error code, or a word of ours
}

// RouteTold says which rule takes a conversation and why, and what became of its announcement.
func RouteTold(t Told) Message {
	var b strings.Builder
	shown := t.Fates[:min(routeChannels, len(t.Fates))]
	channels := make([]string, len(shown))
	for n, f := range shown {
		channels[n] = "<#" + f.Channel + ">"
	}
	if more := len(t.Fates) - len(shown); more > 0 {
		channels = append(channels, fmt.Sprintf("%d more", more))
	}
	switch {
	case t.LeftOut:
		b.WriteString("This conversation came from Slack, and those aren't announced: that could loop. Whoever runs this app can change that with `HANDOFF_SLACK`.")
	case t.Unlisted:
		b.WriteString("Your Invent's API doesn't list conversations, so I can't tell which are waiting, and none are announced.")
	case t.Rule == "":
		b.WriteString("No route takes this conversation, so it isn't announced when it waits for a human. Whoever runs this app can name a channel with `HANDOFF_CHANNEL` or `HANDOFF_ROUTES`.")
	default:
		fmt.Fprintf(&b, "The route “%s” takes this conversation to %s: %s.", escape(t.Rule, nameLimit), strings.Join(channels, ", "), escape(t.Why, 500))
	}
	switch {
	case !t.Waiting:
		b.WriteString("\nIt isn't waiting for a human now.")
	case t.Waits.IsZero():
		b.WriteString("\nIt is waiting for a human.")
	default:
		fmt.Fprintf(&b, "\nIt has been waiting for a human since %s.", date(t.Waits))
	}
	for n, f := range shown {
		what := f.words()
		switch {
		case what == "" || t.LeftOut && f.Posted.IsZero():
		case len(t.Fates) == 1:
			b.WriteString(" It " + what)
		default:
			fmt.Fprintf(&b, "\n• In %s it %s", channels[n], what)
		}
	}
	return say(b.String())
}

// words says what became of the announcement, to be put behind "it"; "" when nothing is known.
func (f Fate) words() string {
	switch {
	case f.Bundled:
		return "was announced as one of many, without a card of its own."
	case !f.Posted.IsZero():
		return "was last announced " + date(f.Posted) + "."
	case f.Not != "":
		return "wasn't announced: " + escape(notPosted(f.Not), 200) + "."
	}
	return ""
}

func notPosted(why string) string {
	switch why {
	case "not_in_channel":
		return "the app isn't in the channel"
	case "channel_not_found":
		return "the channel doesn't exist, or is private and the app isn't in it"
	case "is_archived":
		return "the channel is archived"
	case "quiet":
		return "it is the route's quiet time, and the announcement comes when that is over"
	case "ratelimited":
		return "Slack asked me to wait"
	}
	return "Slack said " + why
}

// LockedOut tells admins, in Slack, that the bot can't work because Invent refuses its key.
func LockedOut() Message {
	return say("Invent refuses this app's API key, so nobody can work on conversations from Slack. Make a new key in Invent under Settings, API Keys, and " +
		"ask whoever runs this app to set it as `INVENT_API_KEY`. I'll tell you again in a week if it still doesn't work.")
}

// Failure is why an action failed, for a reason that has nothing to do with who asked.
type Failure string

// The failures, as they stand in the log too.
const (
	NoAnswer       Failure = "no_answer"       // two minutes passed, nothing changed
	Limited        Failure = "limited"         // Invent, or the bot's own limit for it, takes no more calls for a while
	Unsettled      Failure = "unsettled"       // it couldn't be found out whether the change was made
	Stopped        Failure = "stopped"         // the bot was stopped before it came to it
	NotFound       Failure = "not_found"       // no such conversation
	KeyRefused     Failure = "key_refused"     // Invent doesn't take the bot's key
	RefusedByAPI   Failure = "refused_by_api"  // Invent said no to this very request
	SlackRefused   Failure = "slack_refused"   // Slack doesn't take the bot's token
	SlackForbids   Failure = "slack_forbids"   // Slack said no to something that the action needs
	SlackSilent    Failure = "slack_silent"    // Slack gave no answer in time, nothing changed
	Unplaced       Failure = "unplaced"        // the change was made, but Slack took no card
	NewerVersion   Failure = "newer_version"   // a newer process queued it, and no newer process came to do it
	BotFailed      Failure = "bot_failed"      // our own fault, nothing changed
	Crashed        Failure = "crashed"         // our own fault, and the change may have been made
	MemberNotFound Failure = "member_rejected" // Invent doesn't take the member
	ModalTooLate   Failure = "modal_too_late"  // Slack opened no modal in time
)

// Again reports whether Failed offers to try the same once more, with the note that came along.
func (f Failure) Again() bool {
	switch f {
	case Unsettled, Stopped, NotFound, KeyRefused, RefusedByAPI, SlackRefused, SlackForbids, Unplaced, Crashed, MemberNotFound, ModalTooLate:
		return false
	}
	return true
}

// Failed says what went wrong and the next step, with the reference (ref) that stands in the log. url leads to the conversation in the
// dashboard, where the person can do it instead; "" when there is none.
func Failed(f Failure, i Intent, ref, url string) Message {
	var words string
	var row []slack.BlockElement
	if f == Crashed && !i.Verb.alters() {
		f = BotFailed
	}
	and, unchanged := ", so nothing changed.", " Nothing changed."
	if i.Verb.Known() && !i.Verb.alters() { // such a verb changes nothing anyway
		and, unchanged = ".", ""
	}
	switch f {
	case NoAnswer:
		words = "Invent didn't answer for two minutes" + and
	case Unsettled:
		words = "Invent didn't answer as it should, and I couldn't find out whether the change was made. Check before you try again."
		row = i.look()
	case SlackSilent:
		words = "Slack didn't answer in time, or asked me to wait for too long" + and
	case Unplaced:
		words = "It was changed in Invent, but its card couldn't be shown here. If I'm not in this channel, invite me so that I can post cards."
		row = i.look()
	case Stopped:
		words = "This app was restarted before your request was done. Check before you try again."
		row = i.look()
	case NotFound:
		words = "Invent has no conversation `" + escape(i.Chat, 200) + "`" + and + " Check the id, or paste the conversation's link from the dashboard."
	case KeyRefused:
		words = "Invent refuses this app's API key" + and + " Ask whoever runs this app to set a valid key."
	case SlackRefused:
		words = "Slack refuses this app's token, so I can't tell who you are." + unchanged + " Ask whoever runs this app to reinstall it."
	case SlackForbids:
		words = "Slack refused something that this needs" + and + " Ask whoever runs this app to run `inventbot doctor`: it says what is missing."
	case Limited:
		words = "Invent won't take any more calls from this app for a while" + and + " Try again later, or use the dashboard."
	case RefusedByAPI:
		words = "Invent refused this" + and + " Try it in the dashboard."
	case MemberNotFound:
		words = "Invent refused to assign it to that member, so nothing changed. Check the member's role in Invent, or choose somebody else."
	case Crashed:
		words = "Something in this app went wrong. The change may have been made: check before you try again. Ask whoever runs the app to look in its log."
		row = i.look()
	case ModalTooLate:
		words = "Slack gives a window three seconds to open, and this time it took longer. Nothing changed. Please try again."
	case NewerVersion:
		words = "This was started by a newer version of the app that is no longer running." + unchanged
	default:
		words = "Something in this app went wrong" + and + " Ask whoever runs the app to look in its log."
	}
	if f.Again() {
		if row = i.again(); row == nil && (f == NoAnswer || f == SlackSilent) {
			words += " Try again in a minute."
		}
	}
	if b := openButton(url); b != nil && f != NotFound {
		row = append(row, b)
	}
	return say(words+" (ref "+ref+")", row...)
}

// Newer says that the conversation goes on under another id, and offers that one.
func Newer(i Intent, newer, ref string) Message {
	return say("This conversation continues in a newer one with the same customer. Nothing changed. (ref "+ref+")",
		button(Show, labelNewer, value{Chat: newer}))
}

// look offers to see how the conversation is now.
func (i Intent) look() []slack.BlockElement {
	if i.Chat == "" {
		return nil
	}
	return []slack.BlockElement{button(Show, labelRefresh, value{Chat: i.Chat, Origin: i.card()})}
}

// again offers the same action once more. A command has seen no holder, so its button counts as having seen that nobody has it.
func (i Intent) again() []slack.BlockElement {
	verb := i.Verb
	if verb == Undo { // its five minutes may be over
		if verb = Assign; i.To == nil {
			verb = Release
		}
	}
	if i.Chat == "" || !slices.Contains(clickable, verb) {
		return nil
	}
	nobody := ""
	v := value{Chat: i.Chat, Seen: &nobody, To: i.To, Origin: i.card(), Note: i.NoteID}
	if i.Seen != nil {
		v.Seen = i.Seen
	}
	return []slack.BlockElement{button(verb, labelAgain, v)}
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

// channelName names the channel that the customer writes through; an unknown one keeps Invent's name.
func channelName(integration string) string {
	if name, ok := channelNames[integration]; ok {
		return name
	}
	return escape(integration, nameLimit)
}

// lasted is a duration in words, in its largest unit.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
