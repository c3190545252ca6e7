package slackui

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// The shortcuts' callback ids, as the manifest names them.
const (
	WorkShortcut = "work_on" // on a message
	TakeShortcut = "take_one"
)

// Shortcuts lists the callback ids that are understood.
func Shortcuts() []string { return []string{WorkShortcut, TakeShortcut} }

// found is how many conversations of one message are looked up at most.
const found = 5

// shortcut reads a shortcut; nil for one that isn't ours.
func (t ChatURL) shortcut(p payload, i *Intent) *Intent {
	switch p.CallbackID {
	case TakeShortcut:
		i.Verb = Pick
	case WorkShortcut:
		ids, linked := t.mentioned(p.message())
		switch {
		case len(ids) == 0:
			i.Verb = Paste
		case len(ids) == 1 && linked:
			i.Verb, i.Chat = Show, ids[0]
		default:
			i.Verb, i.Chats = Which, ids
		}
	default:
		return nil
	}
	return i
}

var (
	address  = regexp.MustCompile(`https?://[^\s<>|]+`)
	codeSpan = regexp.MustCompile("`([^`\\s]+)`")
	idLike   = regexp.MustCompile(`^[\w-]{6,200}$`)
	digit    = regexp.MustCompile(`\d`)
	letter   = regexp.MustCompile(`\pL`)
)

// mentioned finds the conversations that a message may be about: by links to the dashboard (linked), or else by what looks like an id.
// Ids are opaque, so only Invent can tell which of those are conversations.
func (t ChatURL) mentioned(message json.RawMessage) (ids []string, linked bool) {
	var all any
	_ = json.Unmarshal(message, &all) // a message that can't be read mentions nothing
	texts := speech(all, nil)
	add := func(id string) {
		if validChat(id) && !slices.Contains(ids, id) && len(ids) < found {
			ids = append(ids, id)
		}
	}
	for _, text := range texts {
		for _, link := range address.FindAllString(text, -1) {
			if id, ok := t.chat(strings.TrimRight(unescaper.Replace(link), ".,;:!?)")); ok {
				add(id)
			}
		}
	}
	if len(ids) > 0 {
		return ids, true
	}
	for _, text := range texts {
		for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
			add(unescaper.Replace(m[1]))
		}
		for _, word := range token.FindAllString(text, -1) {
			word = strings.Trim(word, ".,;:!?()\"'")
			if idLike.MatchString(word) && digit.MatchString(word) && letter.MatchString(word) {
				add(word)
			}
		}
	}
	return ids, false
}

// speech appends to texts what a part of a message says, and where its links lead.
func speech(v any, texts []string) []string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			texts = speech(x, texts)
		}
	case map[string]any:
		for _, key := range []string{
			"text", "url", "from_url", "original_url", "title_url", "title_link", "author_link", "pretext", "title", "footer", "fallback",
		} {
			if s, ok := v[key].(string); ok {
				texts = append(texts, s)
			}
		}
		if s, ok := v["value"].(string); ok && v["title"] != nil { // a field of an attachment; a button has a value too, but people don't see it
			texts = append(texts, s)
		}
		for _, key := range []string{
			"text", "blocks", "fields", "elements", "accessory", "attachments", "actions", "message_blocks", "message", "rows", "files",
		} {
			texts = speech(v[key], texts)
		}
	}
	return texts
}

// AskWhich is the modal that asks for a conversation's id or link.
func AskWhich(i Intent) slack.ModalViewRequest {
	input := slack.NewPlainTextInputBlockElement(words(wordWhichPlaceholder), whichAction)
	input.MaxLength = 1000
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: string(PasteForm), PrivateMetadata: i.meta(),
		Title: words(wordWhichTitle), Submit: words(labelShow.text), Close: words(wordCancel),
		Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewInputBlock(whichBlock, words(wordWhich), words(wordWhichHint), input)}},
	}
}

// Found asks which of several conversations is meant, or says that there is none.
func Found(cards []Card) Message {
	if len(cards) == 0 {
		return say(wordNoneFound, button(Paste, labelPaste, value{}))
	}
	m := say(wordSeveral)
	for n, c := range cards {
		line := c.line()
		m.Text += "\n" + line
		m.Blocks = append(m.Blocks, section(line),
			slack.NewActionBlock(fmt.Sprintf("found:%d", n), button(Show, labelShow, value{Chat: c.Chat.ID})))
	}
	return m
}

// line says in one line which conversation a card shows.
func (c Card) line() string {
	line := "*" + escape(c.customer(), nameLimit) + "*"
	if name := channelName(c.Chat.State.IntegrationID); name != "" {
		line += ", " + name
	}
	return begun(line) + ", " + stateWords(c.Chat.State) + ", " + c.assignee() + " (`" + escape(c.Chat.ID, 200) + "`)"
}
