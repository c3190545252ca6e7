package slackui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"inventbot/invent"
)

// Slack's limits, in characters (docs.slack.dev, Block Kit reference).
const (
	headerLimit = 150
	nameLimit   = 75 // our own limit, for names within a sentence
	textLimit   = 3000
)

// Message is what is sent to Slack: blocks for the eye, and a text that says all that the blocks say,
// since screen readers and notifications use the text only.
type Message struct {
	Text   string        `json:"text"`
	Blocks []slack.Block `json:"blocks,omitempty"`
}

// Holder is the member who has a conversation.
type Holder struct {
	ID         string // as in the conversation's state; buttons carry it
	Name       string // as Invent has it
	User       string // Slack user, when known
	NotOnSlack bool   // Slack said that there is no such person
	Inactive   bool   // a member in Invent, but not active
}

// Card is all that a card shows. One card is the same for all who see it.
type Card struct {
	Chat      invent.Chat
	Holder    *Holder   // nil: nobody
	Via       string    // Slack user who assigned it through the bot; "" when it was done elsewhere
	Waits     time.Time // since when it waits for a human; zero when it doesn't, or that isn't known
	URL       string    // of the conversation in the dashboard; "" when unknown
	Anonymous bool      // leave the customer's name out
	Private   bool      // only one person sees it: offer to share it
	Snapshot  bool      // it stands where the bot can't redraw it
	NoAssign  bool      // Invent's API doesn't offer assigning
	More      More      // what else Invent's API offers
	For       string    // the Slack user it was sent to, and whom it tells whether the conversation is theirs; "" for a card in a channel
}

// Message draws the card, for the first post and for each redraw.
func (c Card) Message() Message {
	state := c.Chat.State
	customer := c.customer()
	facts := c.facts()

	title := wordCardNameless
	if !c.Anonymous {
		title = fmt.Sprintf(wordCardTitle, escape(plain(customer, headerLimit), 5*headerLimit)) // as much of the name as the header shows
	}
	text := []string{title + "."}
	fields := make([]*slack.TextBlockObject, 0, len(facts))
	for _, f := range facts {
		text = append(text, f.name+": "+f.words+".")
		fields = append(fields, mrkdwn("*"+f.name+"*\n"+f.words))
	}
	note := fmt.Sprintf(wordCardID, escape(c.Chat.ID, 200))
	if c.Snapshot {
		note += ". " + wordSnapshot
	}
	text = append(text, note)

	seen := ""
	if u := state.AssignedUser; u != nil {
		seen = u.ID
	}
	v := value{Chat: c.Chat.ID, Seen: &seen, Fixed: c.Snapshot}
	var blocks []slack.Block
	if c.For != "" {
		text = append([]string{c.lead()}, text...)
		blocks = append(blocks, section(c.lead()))
	}
	blocks = append(blocks,
		header(plain(customer, headerLimit)),
		slack.NewSectionBlock(nil, fields, nil),
		slack.NewActionBlock("conversation", c.buttons(v)...),
	)
	if row := c.more(v); len(row) > 0 {
		blocks = append(blocks, slack.NewActionBlock("more", row...))
	}
	return Message{Text: strings.Join(text, " "), Blocks: append(blocks, contextOf(note))}
}

// lead tells the one person who reads the card whether the conversation is theirs, and through whom. It doesn't say who took it from them:
// that was said below the card at the time, and Via may be of a later change.
func (c Card) lead() string {
	mine, others := c.Holder != nil && c.Holder.User == c.For, c.Via != "" && c.Via != c.For
	switch {
	case mine && others:
		return fmt.Sprintf(wordMineBy, mention(c.Via))
	case mine:
		return wordMine
	}
	return wordNotMine
}

type fact struct{ name, words string } // words are mrkdwn, escaped

// facts lists what is known, and invents nothing.
func (c Card) facts() []fact {
	state := c.Chat.State
	var facts []fact
	if Waiting(state) { // comes first: it is why a card is announced, and a notification shows only the beginning
		words := wordForHuman
		if !c.Waits.IsZero() {
			words += fmt.Sprintf(wordForSince, date(c.Waits))
		}
		facts = append(facts, fact{wordWaiting, words})
	}
	if name := channelName(state.IntegrationID); name != "" {
		facts = append(facts, fact{wordChannel, name})
	}
	if a := state.Assistant; a != nil && tame(a.Name) != "" {
		facts = append(facts, fact{wordAssistant, escape(a.Name, nameLimit)})
	}
	facts = append(facts, fact{wordState, stateWords(state)}, fact{wordAssignee, c.assignee()})
	if state.AdminUnseenCount > 0 {
		facts = append(facts, fact{wordUnread, fmt.Sprint(state.AdminUnseenCount)})
	}
	if t := state.LastContactMessageAt; t != nil {
		facts = append(facts, fact{wordLastMessage, date(*t)})
	}
	if t := state.FollowUpAt; t != nil {
		facts = append(facts, fact{wordFollowUp, date(*t)})
	}
	if t := state.MutedUntil; t != nil {
		facts = append(facts, fact{wordMuted, date(*t)})
	}
	if n := state.CSATScore; n != nil {
		facts = append(facts, fact{wordCSAT, fmt.Sprintf(wordOfFive, *n)})
	}
	return facts
}

// Waiting reports whether a conversation waits for a human: it is open, the AI is off, and nobody has it. (Invent's state
// doesn't say who wrote last.)
func Waiting(s invent.ChatState) bool {
	return s.State == invent.Open && !s.AIEnabled && s.AssignedUser == nil
}

func (c Card) customer() string {
	if c.Anonymous {
		return wordCustomer
	}
	return cmp.Or(tame(c.Chat.Customer()), wordUnnamed)
}

func (c Card) assignee() string {
	if c.Holder == nil {
		return wordNobody
	}
	words := c.Holder.words()
	if c.Holder.NotOnSlack {
		words += " (" + wordNotOnSlack + ")"
	}
	if t := c.Chat.State.AssignedAt; t != nil {
		words += fmt.Sprintf(wordSince, date(*t))
	}
	if c.Via != "" && c.Via != c.Holder.User {
		words += fmt.Sprintf(wordThrough, mention(c.Via))
	}
	return words
}

// words names the holder: a mention when linked, else the name.
func (h *Holder) words() string {
	if h.User != "" {
		return mention(h.User)
	}
	return h.name()
}

// name is the holder's name in mrkdwn, for sentences that only one person reads.
func (h *Holder) name() string {
	if name := escape(h.Name, nameLimit); name != "" || h.User == "" {
		return cmp.Or(name, wordSomebody)
	}
	return mention(h.User)
}

// plain is the holder's name where Slack shows words as they are.
func (h *Holder) plain() string { return cmp.Or(plain(h.Name, nameLimit), wordSomebody) }

// buttons are the two that take a conversation from its holder, each with a confirm dialog.
func (h *Holder) buttons(v value) (release, over *slack.ButtonBlockElement) {
	release, over = button(Release, labelRelease, v), button(Take, labelTakeOver, v)
	release.Confirm = confirm(wordReleaseTitle, fmt.Sprintf(wordReleaseConfirm, h.plain()), labelRelease.text)
	over.Confirm = confirm(wordTakeOverTitle, fmt.Sprintf(wordTakeOverConfirm, h.plain()), labelTakeOver.text)
	return release, over
}

func (c Card) buttons(v value) []slack.BlockElement {
	var row []slack.BlockElement
	switch {
	case c.NoAssign:
	case c.Holder == nil:
		row = append(row, primary(button(Take, labelTake, v)))
	default:
		release, over := c.Holder.buttons(v)
		row = append(row, release, over)
	}
	if !c.NoAssign {
		row = append(row, button(Choose, labelChoose, v))
	}
	row = append(row, button(Refresh, labelRefresh, v))
	if c.Private {
		row = append(row, button(Share, labelShare, v))
	}
	if b := openButton(c.URL); b != nil {
		row = append(row, b)
	}
	return row
}

// More is what Invent's API offers beside assigning.
type More struct{ State, AI, Summary bool }

// more draws the buttons for what Invent's API offers beside assigning. Each names the state it leads to.
func (c Card) more(v value) []slack.BlockElement {
	state := c.Chat.State
	var row []slack.BlockElement
	sure := func(b *slack.ButtonBlockElement, title string) *slack.ButtonBlockElement {
		if c.Holder != nil {
			b.Confirm = confirm(title, fmt.Sprintf(wordSetConfirm, c.Holder.plain()), b.Text.Text)
		}
		return b
	}
	if c.More.State && state.State == invent.Closed {
		row = append(row, button(Reopen, labelReopen, v))
	} else if c.More.State {
		row = append(row, sure(button(Resolve, labelResolve, v), wordResolveTitle))
	}
	if c.More.AI && state.AIEnabled {
		row = append(row, button(PauseAI, labelPauseAI, v))
	} else if c.More.AI {
		row = append(row, sure(button(ToAI, labelToAI, v), wordToAITitle))
	}
	if c.More.Summary {
		row = append(row, button(Summary, labelSummary, v))
	}
	return row
}

// openButton links to the dashboard; nil if the address is unknown or too long for Slack.
func openButton(url string) *slack.ButtonBlockElement {
	if url == "" || len(url) > 3000 {
		return nil
	}
	b := slack.NewButtonBlockElement(openAction, "", words(labelOpen.text))
	b.URL = url
	b.AccessibilityLabel = labelOpen.spoken
	return b
}

func button(verb Verb, l label, v value) *slack.ButtonBlockElement {
	b := slack.NewButtonBlockElement(string(verb), v.String(), words(l.text))
	b.AccessibilityLabel = l.spoken
	return b
}

func primary(b *slack.ButtonBlockElement) *slack.ButtonBlockElement {
	b.Style = slack.StylePrimary
	return b
}

// confirm makes a dialog. Slack shows its words literally, even what looks like mrkdwn.
func confirm(title, text, yes string) *slack.ConfirmationBlockObject {
	return slack.NewConfirmationBlockObject(words(title), words(begun(text)), words(yes), words(wordCancel))
}

// say makes a message of mrkdwn words of ours, with the buttons, if any, below.
func say(words string, buttons ...slack.BlockElement) Message {
	blocks := []slack.Block{section(words)}
	if len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock("answer", buttons...))
	}
	return Message{Text: words, Blocks: blocks}
}

// words is plain text: Slack shows it as it is. Other people's words must be clipped before.
func words(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// mrkdwn is text in which Slack renders mentions, dates and links. Other people's words must be escaped before.
func mrkdwn(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
}

func header(s string) *slack.HeaderBlock { return slack.NewHeaderBlock(words(s)) }

func section(s string) *slack.SectionBlock { return slack.NewSectionBlock(mrkdwn(s), nil, nil) }

func contextOf(s string) *slack.ContextBlock { return slack.NewContextBlock("", mrkdwn(s)) }
