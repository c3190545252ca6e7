package slackui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// homeTeam is how many people's counts the Home tab shows.
const homeTeam = 20

// HomeTab is what a member's Home tab shows.
type HomeTab struct {
	Me      Me
	Command string // the slash command's name
	Quiet   bool   // wants no notices
	Listed  bool   // Invent's API lists conversations
	Mine    []Item // my conversations
	Waiting []Item // conversations that wait for a human
	Left    []Item // conversations of members who aren't active
	Team    []Load // who has how many conversations
	Page    int    // of Mine
	Below   int    // page of Waiting and Left
}

// Load is how many open conversations somebody has.
type Load struct {
	Holder Holder
	Count  int
}

// View draws the tab.
func (h HomeTab) View() slack.HomeTabViewRequest {
	var blocks []slack.Block
	add := func(b ...slack.Block) { blocks = append(blocks, b...) }
	if h.Listed {
		add(h.list(Mine, wordMineTitle, wordMineEmpty, h.Mine, h.Page)...)
		add(h.list(Queue, wordQueueTitle, wordQueueEmpty, slices.Concat(h.Waiting, h.Left), h.Below)...)
		add(header(wordTeamTitle), section(h.team()))
	} else {
		add(section(fmt.Sprintf(wordNoInbox, typed(h.Command, "show"))))
	}
	add(header(wordMeTitle), section(h.Me.words()))
	notices := button(Hush, labelHush, value{})
	words := wordNoticesOn
	if h.Quiet {
		notices, words = button(Tellme, labelTellme, value{}), wordNoticesOff
	}
	add(section(words), slack.NewActionBlock("notices", notices))
	return homeView(blocks)
}

func homeView(blocks []slack.Block) slack.HomeTabViewRequest {
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
}

// list draws one page of one of the tab's two lists. The buttons carry the pages of both.
func (h HomeTab) list(kind Verb, title, empty string, items []Item, page int) []slack.Block {
	part, page, pages := pageOf(items, page)
	first := inactiveFrom(items)
	blocks := []slack.Block{header(fmt.Sprintf("%s: %d", title, first) + ofPages(page, pages))}
	if first == 0 {
		blocks = append(blocks, section(empty))
	}
	v := value{List: Home, Page: h.Page, Below: h.Below}
	for n, item := range part {
		if n == inactiveFrom(part) {
			blocks = append(blocks, header(fmt.Sprintf("%s: %d", wordLeftTitle, len(items)-first)))
		}
		blocks = append(blocks, item.blocks(kind, fmt.Sprintf("%s %d", kind, n), v)...)
	}
	row := turning(Home, page, pages, func(page int) value {
		if kind == Mine {
			return value{Page: page, Below: h.Below}
		}
		return value{Page: h.Page, Below: page}
	})
	if len(row) > 0 {
		blocks = append(blocks, slack.NewActionBlock(string(kind)+" turn", row...))
	}
	return blocks
}

// team says who has how many conversations, the busiest first.
func (h HomeTab) team() string {
	if len(h.Team) == 0 {
		return wordTeamEmpty
	}
	team := slices.Clone(h.Team)
	slices.SortStableFunc(team, func(a, b Load) int { return b.Count - a.Count })
	var lines []string
	for _, l := range team[:min(homeTeam, len(team))] {
		line := fmt.Sprintf("• %s: %d", l.Holder.words(), l.Count)
		if l.Holder.Inactive {
			line += wordTeamInactive
		}
		lines = append(lines, line)
	}
	if more := len(team) - homeTeam; more > 0 {
		lines = append(lines, fmt.Sprintf(wordTeamMore, more))
	}
	return begun(strings.Join(lines, "\n"))
}

// HomeStranger is the Home tab of somebody who is no member: what this app is, and what to do next.
func HomeStranger(command string, r Reason) slack.HomeTabViewRequest {
	return homeView([]slack.Block{header(wordWhatTitle), section(wordWhat), section(refusedSelf(command, r))})
}

// HomeLater is the Home tab for somebody whose tab was never drawn, while Invent doesn't answer.
func HomeLater() slack.HomeTabViewRequest {
	return homeView([]slack.Block{header(wordWhatTitle), section(wordWhat), section(wordPickLater)})
}

// Welcome is said once, when somebody opens the app for the first time. r is why they are no member; "" for a member.
func Welcome(command string, r Reason) Message {
	if r != "" {
		return say(wordWhat + "\n" + refusedSelf(command, r))
	}
	return say(wordWhat + "\n" + fmt.Sprintf(wordWelcome, typed(command, "queue")))
}

// Picking is the modal of the shortcut that takes a conversation, while it isn't known yet what waits.
func Picking() slack.ModalViewRequest { return pickView([]slack.Block{section(wordLooking)}) }

// PickOf is that modal with one page of the conversations that wait. done, unless it is "", is said above them.
func PickOf(items []Item, page int, done string) slack.ModalViewRequest {
	return pickView(Items(Pick, items, page, done).Blocks)
}

// PickRefused is that modal for somebody who may not act, or for whom nothing can be listed: it says why.
func PickRefused(command string, r Reason) slack.ModalViewRequest {
	return pickView([]slack.Block{section(refusedSelf(command, r))})
}

// PickLater is that modal while Invent doesn't answer.
func PickLater() slack.ModalViewRequest { return pickView([]slack.Block{section(wordPickLater)}) }

// PickBusy is that modal when it can't be filled because the queue is full.
func PickBusy() slack.ModalViewRequest { return pickView([]slack.Block{section(wordBusy)}) }

func pickView(blocks []slack.Block) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type: slack.VTModal, Title: words(wordPickTitle), Close: words(wordClose), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// words says in one line which conversation an item is.
func (item Item) words(kind Verb) string {
	state := item.Chat.State
	words := cmp.Or(escape(item.Chat.Customer(), nameLimit), wordUnnamed)
	if channel := channelName(state.IntegrationID); channel != "" {
		words = channel + ": " + words // the name isn't first: one written from right to left would turn the line
	}
	if a := state.Assistant; a != nil && tame(a.Name) != "" {
		words += ", " + escape(a.Name, nameLimit)
	}
	words += ". " + stateWords(state) + "."
	if item.Holder.Inactive {
		words += fmt.Sprintf(wordLeft, item.Holder.name())
	}
	if !item.Waits.IsZero() && kind != Mine {
		words += fmt.Sprintf(wordWaitingSince, date(item.Waits))
	}
	if t := state.LastContactMessageAt; t != nil {
		words += " " + wordLastMessage + ": " + date(*t) + "."
	}
	return words + " `" + escape(item.Chat.ID, 200) + "`"
}

// blocks draws an item in a list of this kind: what it is, and its buttons, if any.
func (item Item) blocks(kind Verb, id string, v value) []slack.Block {
	blocks := []slack.Block{section(item.words(kind))}
	if row := item.buttons(kind, v); len(row) > 0 {
		blocks = append(blocks, slack.NewActionBlock(id, row...))
	}
	return blocks
}

// buttons are those of an item in a list of this kind. A modal has no button that opens another modal, and only lists in a
// channel have one that shows a card there.
func (item Item) buttons(kind Verb, v value) []slack.BlockElement {
	v.Chat, v.Seen = item.Chat.ID, &item.Holder.ID
	customer := cmp.Or(plain(item.Chat.Customer(), 30), wordUnnamed)
	var row []slack.BlockElement
	add := func(b *slack.ButtonBlockElement) { // several have the same label: a screen reader must tell which conversation is meant
		b.AccessibilityLabel = b.Text.Text + ": " + customer
		row = append(row, b)
	}
	switch {
	case item.NoAssign:
	case kind == Mine:
		add(button(Release, labelRelease, v))
	case item.Holder.Inactive:
		release, over := item.Holder.buttons(v)
		add(release)
		add(over)
	default:
		add(primary(button(Take, labelTake, v)))
	}
	if v.List != Pick && !item.NoAssign {
		add(button(Choose, labelChoose, v))
	}
	if v.List == Queue || v.List == Mine {
		add(button(Show, labelShow, value{Chat: item.Chat.ID, List: v.List, Page: v.Page}))
	}
	if b := openButton(item.URL); b != nil {
		add(b)
	}
	return row
}
