package slackui

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	v2 "github.com/go-json-experiment/json" // Go's coming encoding/json/v2: a payload is decoded in a third of the time
	"github.com/go-json-experiment/json/jsontext"
	"github.com/slack-go/slack"

	"inventbot/invent"
)

// Form names a modal, as its callback_id does.
type Form string

// The modals.
const (
	AssignForm Form = "assign_form"
	PasteForm  Form = "paste_form"
)

// The fields of the modals, each by its block's id and its element's action id.
const (
	whoBlock, whoAction     = "who", "who_pick"
	noteBlock, noteAction   = "note", "note_text"
	whichBlock, whichAction = "which", "which_text"
)

// noteLimit is how many characters a hand-over note may have.
const noteLimit = 2000

// Slack's limits for the options of a select: their number, and in Socket Mode an answer of 20 KB. optionsBytes is for the people, and
// leaves room for Nobody.
const (
	optionLimit  = 100
	optionsBytes = 18_000
)

// meta is what a modal carries from its opening to its submission: the value of the button that opened it, and where that was. All of it
// is checked again where it is used.
type meta struct {
	value
	Channel     string `json:"channel,omitempty"`
	Clicked     *Place `json:"clicked,omitempty"`
	Private     bool   `json:"private,omitempty"`
	ResponseURL string `json:"answer,omitempty"`
	Thread      string `json:"thread,omitempty"`
}

func (i Intent) meta() string {
	return compact(meta{
		value:   value{V: Version, Chat: i.Chat, Seen: i.Seen, Fixed: i.Snapshot, Origin: i.Origin, List: i.List, Page: i.Page, Below: i.Below},
		Channel: i.Channel, Clicked: i.Clicked, Private: i.Private, ResponseURL: i.ResponseURL, Thread: i.Thread,
	})
}

// Choice is somebody who can be chosen as the assignee.
type Choice struct {
	Member     string // id
	Name       string
	Email      string // searched too, and shown if two people have the same name
	NotOnSlack bool   // Slack said that there is no such person
}

// AskWhom is the modal that asks whom to assign the intent's conversation to. holder and me are ids of members; the holder is preselected,
// if they are among all, who can be chosen. Of chat, perhaps only the id is known.
func AskWhom(command string, i Intent, chat invent.Chat, holder, me string, all []Choice) slack.ModalViewRequest {
	least := 0
	pick := slack.NewOptionsSelectBlockElement(slack.OptTypeExternal, words(wordWhomPlaceholder), whoAction)
	pick.MinQueryLength = &least
	if n := slices.IndexFunc(all, func(c Choice) bool { return c.Member == holder }); n >= 0 { // it must equal the option that Whom offers
		if pick.InitialOption = all[n].option(namesakes(all)[plain(all[n].Name, nameLimit)] > 1); holder == me {
			pick.InitialOption = option("me", wordMe, plain(all[n].Name, nameLimit))
		}
	}
	note := slack.NewPlainTextInputBlockElement(nil, noteAction)
	note.Multiline, note.MaxLength = true, noteLimit
	who := slack.NewInputBlock(whoBlock, words(wordWhom), words(wordWhomHint), pick)
	hint := slack.NewInputBlock(noteBlock, words(wordNote), words(wordNoteHint), note)
	hint.Optional = true
	blocks := []slack.Block{who, hint}
	if len(all) == 0 { // nobody's name is known yet
		blocks = append(blocks, contextOf(fmt.Sprintf(wordUnlisted, typed(command, "assign"))))
	}
	blocks = append(blocks, contextOf(which(chat)))
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: string(AssignForm), PrivateMetadata: i.meta(),
		Title: words(wordAssignTitle), Submit: words(wordAssign), Close: words(wordCancel), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

func option(value, text, description string) *slack.OptionBlockObject {
	o := slack.NewOptionBlockObject(value, words(text), nil)
	if description != "" {
		o.Description = words(description)
	}
	return o
}

// option draws a choice. told says that the e-mail must be shown too, since the name alone doesn't tell who it is.
func (c Choice) option(told bool) *slack.OptionBlockObject {
	name, description := plain(c.Name, nameLimit), ""
	if name == "" {
		name, told = wordUnnamed, true
	}
	if told {
		description = plain(c.Email, nameLimit)
	}
	if c.NotOnSlack {
		description = wordNotOnSlackHere
		if told {
			description = plain(c.Email, nameLimit-utf8.RuneCountInString(", "+wordNotOnSlackHere)) + ", " + wordNotOnSlackHere
		}
	}
	return option(memberValue(c.Member), name, description)
}

// memberValue is a member's id as an option carries it: Slack takes 75 characters; a longer id is replaced by its Digest.
func memberValue(id string) string {
	if v := "m:" + id; len(v) <= 75 {
		return v
	}
	return "d:" + Digest(id)
}

// Digest stands for a member's id that is too long for an option.
func Digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])[:60]
}

// Query is what a person has typed into a select whose options come from the bot.
type Query struct {
	Team, Enterprise, User string
	Text                   string
}

// ParseQuery reads the body of a request for options. The query is nil, without an error, for a select that isn't ours.
func ParseQuery(body []byte) (*Query, error) {
	p, err := readPayload(body)
	if err != nil {
		return nil, err
	}
	if p.Type != "block_suggestion" || p.ActionID != whoAction {
		return nil, nil
	}
	q := &Query{User: p.User.ID, Text: p.Value}
	q.Team, q.Enterprise = p.team()
	if q.Team == "" || q.User == "" {
		return nil, fmt.Errorf("%w: a field of the payload is missing", ErrMalformed)
	}
	return q, nil
}

// Options is the answer to a request for options.
type Options struct {
	Options []*slack.OptionBlockObject `json:"options"`
}

// Whom returns the people that a search finds: the person who asks (me) first, then those on Slack, then the others, each by how well they
// match and then by name; Nobody is last. A search finds a person if each of its words is in the name or the e-mail. The e-mail's domain,
// which most people share, is searched only by words with an @. If Slack's limits are exceeded, the first are offered.
func Whom(q Query, me string, all []Choice) Options {
	found := slices.DeleteFunc(slices.Clone(all), func(c Choice) bool { return c.Member != me && !c.matches(q.Text) })
	slices.SortFunc(found, func(a, b Choice) int {
		return cmp.Or(a.rank(q.Text)-b.rank(q.Text), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Member, b.Member))
	})
	names := namesakes(all)
	answer := Options{Options: []*slack.OptionBlockObject{}}
	room := optionsBytes
	add := func(o *slack.OptionBlockObject) {
		if room -= len(compact(o)); room >= 0 {
			answer.Options = append(answer.Options, o)
		}
	}
	for _, c := range found {
		if c.Member == me && (c.matches(q.Text) || Choice{Name: wordMe}.matches(q.Text)) {
			add(option("me", wordMe, plain(c.Name, nameLimit)))
		}
	}
	for _, c := range found {
		if c.Member != me && len(answer.Options) < optionLimit-1 {
			add(c.option(names[plain(c.Name, nameLimit)] > 1))
		}
	}
	if (Choice{Name: wordNobody, Email: wordUnassigned}).matches(q.Text) {
		answer.Options = append(answer.Options, option("nobody", wordNobody, wordUnassigned))
	}
	return answer
}

// namesakes counts how many people have each name, as it is shown.
func namesakes(all []Choice) map[string]int {
	names := map[string]int{}
	for _, c := range all {
		names[plain(c.Name, nameLimit)]++
	}
	return names
}

func (c Choice) matches(text string) bool {
	name, email := strings.ToLower(c.Name), strings.ToLower(c.Email)
	before, _, _ := strings.Cut(email, "@")
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if !strings.Contains(name, word) && !strings.Contains(before, word) && !(strings.Contains(word, "@") && strings.Contains(email, word)) {
			return false
		}
	}
	return true
}

// rank returns how well a choice matches, 0 best: the name begins with the text, a word of the name does, the text is within the name, or
// anything else (as by e-mail). Whoever isn't on Slack comes after everybody who is.
func (c Choice) rank(text string) (rank int) {
	name, text := strings.ToLower(c.Name), strings.ToLower(strings.TrimSpace(text))
	if c.NotOnSlack {
		rank = 4
	}
	switch {
	case strings.HasPrefix(name, text):
		return rank
	case strings.Contains(" "+name, " "+text):
		return rank + 1
	case strings.Contains(name, text):
		return rank + 2
	}
	return rank + 3
}

// field is what was typed or chosen in one field of a modal.
type field struct {
	Value    string `json:"value"`
	Selected *struct {
		Value string `json:"value"`
	} `json:"selected_option"`
}

// submission reads a submitted modal; nil for one that isn't ours.
func (t ChatURL) submission(p payload, i *Intent) *Intent {
	i.Form = Form(p.View.CallbackID)
	i.Sent = i.Sent.Add(time.Second) // as with a click that doesn't say when it was
	var m meta
	broken := json.Unmarshal([]byte(p.View.PrivateMetadata), &m) != nil || m.V != Version
	i.Channel, i.Thread, i.ResponseURL = m.Channel, m.Thread, m.ResponseURL
	var values map[string]map[string]field
	_ = json.Unmarshal(p.View.State.Values, &values) // what can't be read was not filled in
	switch {
	case i.Form != AssignForm && i.Form != PasteForm:
		return nil
	case broken, i.Form == AssignForm && (!validChat(m.Chat) || m.Seen == nil):
		i.Verb, i.Problem = Tell, OldForm
	case i.Form == PasteForm:
		i.Verb = Show
		if i.Chat, i.Problem = t.conversation(strings.TrimSpace(values[whichBlock][whichAction].Value)); i.Problem != "" {
			i.Verb = Tell
		}
	default:
		i.Chat, i.Seen, i.Clicked, i.Private, i.Snapshot, i.Origin = m.Chat, m.Seen, m.Clicked, m.Private, m.Fixed, m.Origin
		if m.List.lists() {
			i.List, i.Page, i.Below = m.List, max(0, m.Page), max(0, m.Below)
		}
		i.assignment(values)
	}
	return i
}

// assignment reads, from the submitted modal, whom to assign and the note.
func (i *Intent) assignment(values map[string]map[string]field) {
	i.Note = strings.TrimSpace(values[noteBlock][noteAction].Value)
	chosen := ""
	if s := values[whoBlock][whoAction].Selected; s != nil {
		chosen = s.Value
	}
	kind, id, _ := strings.Cut(chosen, ":")
	i.Verb = Assign
	switch {
	case kind == "me":
		i.To = &To{User: i.User}
	case kind == "nobody":
		i.Verb = Release
	case kind == "m" && id != "":
		i.To = &To{Member: id}
	case kind == "d" && id != "":
		i.To = &To{Digest: id}
	default:
		i.Verb, i.Problem = Tell, NoChoice
		return
	}
	switch {
	case utf8.RuneCountInString(i.Note) > noteLimit:
		i.Verb, i.Problem = Tell, LongNote
	case i.Note != "" && (i.Verb == Release || i.To.User == i.User):
		i.Verb, i.Problem = Tell, NoteToNobody
	}
}

// Answer is the answer to a submitted modal that makes it stay open, with errors at its fields.
type Answer struct {
	Action string            `json:"response_action"`
	Errors map[string]string `json:"errors"`
}

// FormProblem shows what is wrong with a submitted modal, at the field that is wrong.
func FormProblem(f Form, p Problem) Answer {
	switch p {
	case LongNote, NoteToNobody, NoteUnreadable:
		return atField(noteBlock, problemText(p, "", ""))
	case NoConversation, NotAConversation:
		return atField(whichBlock, wordNotAnID)
	}
	return atField(f.first(), problemText(p, "", ""))
}

// FormRefused shows, at the modal's first field, why the person may not do what it asks for.
func FormRefused(command string, f Form, r Reason) Answer {
	return atField(f.first(), refusedSelf(command, r))
}

// FormBusy shows, at the modal's first field, that the queue is full.
func FormBusy(f Form) Answer { return atField(f.first(), wordBusy) }

// first is the first field of a modal: errors about the whole modal are shown there.
func (f Form) first() string {
	if f == PasteForm {
		return whichBlock
	}
	return whoBlock
}

// atField makes an error at a field out of mrkdwn words. Slack shows it literally, so escapes and backquotes are taken out.
func atField(block, mrkdwn string) Answer {
	return Answer{Action: "errors", Errors: map[string]string{block: strings.ReplaceAll(unescaper.Replace(mrkdwn), "`", "")}}
}

// readPayload reads an interaction's body: a form with the one field payload.
func readPayload(body []byte) (p payload, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return p, fmt.Errorf("%w: not a form", ErrMalformed)
	}
	p.text = []byte(form.Get("payload"))
	if err := v2.Unmarshal(p.text, &p, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return p, fmt.Errorf("%w: the payload isn't JSON of Slack's", ErrMalformed)
	}
	if p.Type == "" {
		return p, fmt.Errorf("%w: the payload has no type", ErrMalformed)
	}
	return p, nil
}

// team returns where the app is installed: the workspace, or for an org-wide install the organisation.
func (p payload) team() (team, enterprise string) {
	if p.Enterprise != nil {
		team, enterprise = p.Enterprise.ID, p.Enterprise.ID
	}
	if p.Team != nil && p.Team.ID != "" {
		team = p.Team.ID
	}
	return team, enterprise
}
