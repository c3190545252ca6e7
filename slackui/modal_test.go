package slackui_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"inventbot/bot/slacktest"
	"inventbot/slackui"
)

// choose is the intent of a pressed Assign… button, as long as it can be.
func (n names) choose() slackui.Intent {
	i := n.pressed(slackui.Choose)
	i.Seen, i.Origin, i.ResponseURL = &n.member, &clickedCard, "https://hooks.slack.com/actions/T0TEAM/"+strings.Repeat("x", 150)
	return i
}

func (n names) choice(notOnSlack bool) slackui.Choice {
	return slackui.Choice{Member: n.member, Name: n.holder, Email: n.email, NotOnSlack: notOnSlack}
}

// modals are all that can be opened.
func (n names) modals() map[string]slack.ModalViewRequest {
	here, away := []slackui.Choice{n.choice(false)}, []slackui.Choice{n.choice(true)}
	return map[string]slack.ModalViewRequest{
		"assign":           slackui.AskWhom("/invent", n.choose(), n.conversation(), "", "mem_me", here),
		"assign_held":      slackui.AskWhom("/invent", n.choose(), n.conversation(), n.member, "mem_me", here),
		"assign_held_away": slackui.AskWhom("/invent", n.choose(), n.conversation(), n.member, "mem_me", away),
		"assign_mine":      slackui.AskWhom("/invent", n.choose(), n.conversation(), n.member, n.member, here),
		"assign_unlisted":  slackui.AskWhom("/invent", n.choose(), n.conversation(), "", "mem_me", nil),
		"paste":            slackui.AskWhich(n.choose()),
	}
}

// homes are the states of the Home tab.
func (n names) homes() map[string]slack.HomeTabViewRequest {
	many := n.items()
	for i := range many {
		many[i].Holder.ID = n.member
	}
	team := []slackui.Load{{Holder: n.grace(), Count: 3}, {Holder: slackui.Holder{ID: "x", Name: n.holder}, Count: 7}, {Holder: slackui.Holder{ID: "y"}, Count: 1}}
	for range 30 {
		team = append(team, slackui.Load{Holder: slackui.Holder{ID: "z", Name: n.holder}, Count: 1})
	}
	full := slackui.HomeTab{
		Me: slackui.Me{Member: n.member, Name: n.holder, Role: n.assistant, LinkedBy: "U0ADA", LinkedAt: noon, MayOthers: true}, Listed: true,
		Mine: many, Waiting: many, Team: team, Page: 1, Below: 1,
	}
	left := slackui.HomeTab{
		Command: "/invent", Me: full.Me, Listed: true, Left: n.left(), Team: []slackui.Load{{Holder: n.left()[1].Holder, Count: 3}},
	}
	quiet := slackui.HomeTab{Command: "/invent", Me: full.Me, Quiet: true, Listed: true}
	return map[string]slack.HomeTabViewRequest{
		"full": full.View(), "left": left.View(), "quiet": quiet.View(), "unlisted": slackui.HomeTab{Command: "/invent", Me: full.Me}.View(), "later": slackui.HomeLater(), "stranger": slackui.HomeStranger("/invent", slackui.NotLinked),
	}
}

// picks are the states of the modal that takes a conversation.
func (n names) picks() map[string]slack.ModalViewRequest {
	return map[string]slack.ModalViewRequest{
		"picking": slackui.Picking(), "pick_none": slackui.PickOf(nil, 0, ""), "pick_refused": slackui.PickRefused("/invent", slackui.NotOffered),
		"pick_later": slackui.PickLater(), "pick_buttonless": slackui.PickOf([]slackui.Item{{Chat: n.conversation(), NoAssign: true}}, 0, ""), "pick_second": slackui.PickOf(n.items(), 1, slackui.Late(n.pressed(slackui.Take), n.grace(), n.held(nil).Chat.State, noon).Text),
	}
}

func TestSlackTakesEveryHomeTab(t *testing.T) {
	t.Parallel()
	for temper, n := range tempers {
		for name, h := range n.homes() {
			for _, complaint := range slacktest.CheckView(encode(t, h)) {
				t.Errorf("%s/%s: %s", name, temper, complaint)
			}
		}
		for name, m := range n.picks() {
			for _, complaint := range slacktest.CheckView(encode(t, m)) {
				t.Errorf("%s/%s: %s", name, temper, complaint)
			}
		}
	}
	golden(t, "homes", ordinary.homes())
	golden(t, "picks", ordinary.picks())
}

// views are the blocks of all that isn't a message, as one message each.
func (n names) views() (all []slackui.Message) {
	for _, h := range n.homes() {
		all = append(all, slackui.Message{Blocks: h.Blocks.BlockSet})
	}
	for _, m := range n.picks() {
		all = append(all, slackui.Message{Blocks: m.Blocks.BlockSet})
	}
	return all
}

func TestSlackTakesEveryModal(t *testing.T) {
	t.Parallel()
	for temper, n := range tempers {
		for name, m := range n.modals() {
			for _, complaint := range slacktest.CheckView(encode(t, m)) {
				t.Errorf("%s/%s: %s", name, temper, complaint)
			}
		}
	}
	golden(t, "modals", ordinary.modals())
}

// submitted is a modal as it comes back, with what was filled in.
func submitted(t *testing.T, m slack.ModalViewRequest, values map[string]any) []byte {
	t.Helper()
	return form(t, map[string]any{
		"type": "view_submission", "trigger_id": "7.8.9", "team": map[string]any{"id": "T0TEAM"}, "user": map[string]any{"id": "U0ADA", "team_id": "T0TEAM"},
		"view": map[string]any{"id": "V0VIEW", "hash": "1.a", "callback_id": m.CallbackID, "private_metadata": m.PrivateMetadata, "state": map[string]any{"values": values}},
	})
}

func form(t *testing.T, payload map[string]any) []byte {
	t.Helper()
	return []byte(url.Values{"payload": {string(encode(t, payload))}}.Encode())
}

func chosen(value, note string) map[string]any {
	return map[string]any{
		"who":  map[string]any{"who_pick": map[string]any{"type": "external_select", "selected_option": map[string]any{"value": value}}},
		"note": map[string]any{"note_text": map[string]any{"type": "plain_text_input", "value": note}},
	}
}

// TestASubmissionWithoutATrigger is known by its view as it was submitted: the same again is the same, and one after a correction isn't.
func TestASubmissionWithoutATrigger(t *testing.T) {
	t.Parallel()
	n := ordinary
	m := slackui.AskWhom("/invent", n.choose(), n.conversation(), "", "mem_me", nil)
	for hash, want := range map[string]string{"1.a": "V0VIEW.1.a", "2.b": "V0VIEW.2.b"} {
		got, err := chatURL.ParseInteraction(form(t, map[string]any{
			"type": "view_submission", "team": map[string]any{"id": "T0TEAM"}, "user": map[string]any{"id": "U0ADA"},
			"view": map[string]any{
				"id": "V0VIEW", "hash": hash, "callback_id": m.CallbackID, "private_metadata": m.PrivateMetadata,
				"state": map[string]any{"values": chosen("me", "")},
			},
		}), noon)
		if err != nil || got == nil || got.Key != want {
			t.Errorf("%+v, %v; want the key %s", got, err, want)
		}
	}
	if got, err := chatURL.ParseInteraction(form(t, map[string]any{
		"type": "view_submission", "team": map[string]any{"id": "T0TEAM"}, "user": map[string]any{"id": "U0ADA"}, "view": map[string]any{"callback_id": m.CallbackID},
	}), noon); !errors.Is(err, slackui.ErrMalformed) {
		t.Errorf("of no view: %+v, %v; want a malformed request", got, err)
	}
}

// TestASubmissionThatCantBeCarriedOut says so, and why.
func TestASubmissionThatCantBeCarriedOut(t *testing.T) {
	t.Parallel()
	const meta = `{"v":1,"chat":"chat_1","seen":""}`
	for name, tc := range map[string]struct {
		meta, who, note string
		want            slackui.Problem
	}{
		"nothing is wrong":                  {meta, "m:mem_grace", "", ""},
		"of nothing":                        {"", "me", "", slackui.OldForm},
		"of another version":                {`{"v":2,"chat":"chat_1","seen":""}`, "me", "", slackui.OldForm},
		"that doesn't say whom it showed":   {`{"v":1,"chat":"chat_1"}`, "me", "", slackui.OldForm},
		"of no conversation":                {`{"v":1,"seen":""}`, "me", "", slackui.OldForm},
		"of the folder above":               {`{"v":1,"chat":"..","seen":""}`, "me", "", slackui.OldForm},
		"whose page is a word":              {`{"v":1,"chat":"chat_1","seen":"","page":"x"}`, "me", "", slackui.OldForm},
		"with nobody chosen":                {meta, "", "", slackui.NoChoice},
		"with a member without id":          {meta, "m:", "", slackui.NoChoice},
		"with a digest of none":             {meta, "d:", "", slackui.NoChoice},
		"with what was never offered":       {meta, "x:mem_grace", "", slackui.NoChoice},
		"with a note to oneself":            {meta, "me", "She waits", slackui.NoteToNobody},
		"with a note to nobody":             {meta, "nobody", "She waits", slackui.NoteToNobody},
		"with a note of white space to one": {meta, "me", " \n", ""},
	} {
		got, err := chatURL.ParseInteraction(submitted(t, slack.ModalViewRequest{CallbackID: string(slackui.AssignForm), PrivateMetadata: tc.meta}, chosen(tc.who, tc.note)), noon)
		if err != nil || got == nil || got.Problem != tc.want || (got.Verb == slackui.Tell) != (tc.want != "") {
			t.Errorf("%s: %+v, %v; want the problem %q", name, got, err, tc.want)
		}
	}
	m := slack.ModalViewRequest{CallbackID: string(slackui.AssignForm), PrivateMetadata: meta}
	if got, err := chatURL.ParseInteraction(submitted(t, m, nil), noon); err != nil || got.Problem != slackui.NoChoice {
		t.Errorf("with nothing filled in: %+v, %v; want that nobody was chosen", got, err)
	}
	m.PrivateMetadata = `{"v":1,"chat":"chat_1","seen":"","list":"home","page":-1,"below":-1}`
	if got, err := chatURL.ParseInteraction(submitted(t, m, chosen("me", "")), noon); err != nil || got.List != slackui.Home || got.Page != 0 || got.Below != 0 {
		t.Errorf("from a page before the first: %+v, %v; want the first", got, err)
	}
	m.PrivateMetadata = `{"v":1,"chat":"chat_1","seen":"","list":"take","page":1}`
	if got, err := chatURL.ParseInteraction(submitted(t, m, chosen("me", "")), noon); err != nil || got.List != "" || got.Page != 0 {
		t.Errorf("from a list that is none: %+v, %v; want no list", got, err)
	}
	for typed, want := range map[string]slackui.Problem{"": slackui.NotAConversation, "#general": slackui.NotAConversation, "https://evil.example/": slackui.ForeignLink, "<" + chatURL.For("chat_12"): slackui.ForeignLink} {
		if got, err := chatURL.ParseInteraction(submitted(t, slackui.AskWhich(slackui.Intent{}), map[string]any{
			"which": map[string]any{"which_text": map[string]any{"type": "plain_text_input", "value": typed}},
		}), noon); err != nil || got.Verb != slackui.Tell || got.Problem != want {
			t.Errorf("%q for a conversation: %+v, %v; want the problem %q", typed, got, err, want)
		}
	}
}

// TestAModalMeansWhatWasChosen for every option that is offered, whatever the ids are like.
func TestAModalMeansWhatWasChosen(t *testing.T) {
	t.Parallel()
	for temper, n := range tempers {
		m := slackui.AskWhom("/invent", n.choose(), n.conversation(), "", "mem_me", []slackui.Choice{n.choice(false)})
		for _, o := range slackui.Whom(slackui.Query{}, "mem_me", []slackui.Choice{{Member: "mem_me", Name: "Ada"}, n.choice(false)}).Options {
			got, err := chatURL.ParseInteraction(submitted(t, m, chosen(o.Value, "")), noon)
			if err != nil {
				t.Fatal(err)
			}
			want := n.choose()
			want.Verb, want.Form, want.Key, want.Sent = slackui.Assign, slackui.AssignForm, "7.8.9", noon.Add(1e9)
			switch {
			case o.Text.Text == "Me":
				want.To = &slackui.To{User: "U0ADA"}
			case o.Text.Text == "Nobody":
				want.Verb = slackui.Release
			case len(n.member) <= 73:
				want.To = &slackui.To{Member: n.member}
			default:
				want.To = &slackui.To{Digest: slackui.Digest(n.member)}
			}
			if d := cmp.Diff(&want, got); d != "" {
				t.Errorf("%s, %s, want -, got +:\n%s", temper, o.Text.Text, d)
			}
		}
		got, err := chatURL.ParseInteraction(submitted(t, slackui.AskWhich(slackui.Intent{ResponseURL: n.choose().ResponseURL}), map[string]any{
			"which": map[string]any{"which_text": map[string]any{"type": "plain_text_input", "value": chatURL.For("chat_7")}},
		}), noon)
		if err != nil || got.Verb != slackui.Show || got.Chat != "chat_7" || got.ResponseURL != n.choose().ResponseURL {
			t.Errorf("%s: pasted a link and got %+v, %v", temper, got, err)
		}
	}
}

// TestALongNote: Slack and the bot count characters, not bytes.
func TestALongNote(t *testing.T) {
	t.Parallel()
	m := slackui.AskWhom("/invent", ordinary.choose(), ordinary.conversation(), "", "", nil)
	for runes, problem := range map[int]slackui.Problem{slackui.NoteLimit: "", slackui.NoteLimit + 1: slackui.LongNote} {
		note := strings.Repeat("я", runes)
		if got, err := chatURL.ParseInteraction(submitted(t, m, chosen("m:mem_grace", note)), noon); err != nil || got.Problem != problem || got.Note != note {
			t.Errorf("a note of %d characters: problem %q, %v; want %q", runes, got.Problem, err, problem)
		}
	}
}

func TestEveryFormProblemStandsAtAField(t *testing.T) {
	t.Parallel()
	for f, m := range map[slackui.Form]slack.ModalViewRequest{
		slackui.AssignForm: slackui.AskWhom("/invent", ordinary.choose(), ordinary.conversation(), "", "", nil), slackui.PasteForm: slackui.AskWhich(ordinary.choose()),
	} {
		fields := map[string]bool{}
		for _, b := range m.Blocks.BlockSet {
			if input, ok := b.(*slack.InputBlock); ok {
				fields[input.BlockID] = true
			}
		}
		asked := []slackui.Problem{slackui.OldForm, slackui.NoChoice, slackui.LongNote, slackui.NoteToNobody, slackui.NoteUnreadable}
		if f == slackui.PasteForm {
			asked = []slackui.Problem{slackui.OldForm, slackui.NotAConversation, slackui.ForeignLink}
		}
		answers := []slackui.Answer{slackui.FormBusy(f)}
		for _, p := range asked {
			answers = append(answers, slackui.FormProblem(f, p))
		}
		for _, r := range reasons {
			answers = append(answers, slackui.FormRefused("/invent", f, r))
		}
		for _, a := range answers {
			for block, words := range a.Errors {
				if !fields[block] || words == "" || strings.ContainsAny(words, "`<") || a.Action != "errors" {
					t.Errorf("%s: %+v", f, a)
				}
			}
		}
	}
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	asked := func(change func(map[string]any)) []byte {
		p := map[string]any{
			"type": "block_suggestion", "action_id": "who_pick", "value": "ada", "user": map[string]any{"id": "U0ADA"},
			"team": map[string]any{"id": "T0TEAM"}, "enterprise": map[string]any{"id": "E0ORG"},
		}
		if change != nil {
			change(p)
		}
		return form(t, p)
	}
	for name, tc := range map[string]struct {
		body []byte
		want *slackui.Query
		bad  bool
	}{
		"for people":         {asked(nil), &slackui.Query{Team: "T0TEAM", Enterprise: "E0ORG", User: "U0ADA", Text: "ada"}, false},
		"in no workspace":    {asked(func(p map[string]any) { delete(p, "team") }), &slackui.Query{Team: "E0ORG", Enterprise: "E0ORG", User: "U0ADA", Text: "ada"}, false},
		"in one without id":  {asked(func(p map[string]any) { p["team"] = map[string]any{"id": ""} }), &slackui.Query{Team: "E0ORG", Enterprise: "E0ORG", User: "U0ADA", Text: "ada"}, false},
		"nowhere":            {asked(func(p map[string]any) { delete(p, "team"); delete(p, "enterprise") }), nil, true},
		"by nobody":          {asked(func(p map[string]any) { delete(p, "user") }), nil, true},
		"for something else": {asked(func(p map[string]any) { p["action_id"] = "which_text" }), nil, false},
		"that is a click":    {asked(func(p map[string]any) { p["type"] = "block_actions" }), nil, false},
		"that is nothing":    {nil, nil, true},
	} {
		got, err := slackui.ParseQuery(tc.body)
		if d := cmp.Diff(tc.want, got); d != "" || errors.Is(err, slackui.ErrMalformed) != tc.bad {
			t.Errorf("%s: %v, want -, got +:\n%s", name, err, d)
		}
	}
}

func TestWhom(t *testing.T) {
	t.Parallel()
	var all []slackui.Choice
	for i := range 1000 {
		all = append(all, slackui.Choice{Member: fmt.Sprint("mem_", i), Name: fmt.Sprintf("Member %04d", i), Email: fmt.Sprintf("m%d@example.com", i), NotOnSlack: i%2 == 0})
	}
	all = append(all, slackui.Choice{Member: "mem_a", Name: "Sam", Email: "sam@a.example"}, slackui.Choice{Member: "mem_b", Name: "Sam", Email: "sam@b.example", NotOnSlack: true})
	offered := func(query string) []*slack.OptionBlockObject {
		answer := slackui.Whom(slackui.Query{Text: query}, "mem_7", all)
		raw := encode(t, map[string]any{"type": "modal", "title": map[string]any{"type": "plain_text", "text": "x"}, "submit": map[string]any{"type": "plain_text", "text": "x"}, "blocks": []any{map[string]any{
			"type": "input", "label": map[string]any{"type": "plain_text", "text": "x"},
			"element": map[string]any{"type": "static_select", "action_id": "x", "options": answer.Options},
		}}})
		if len(answer.Options) > 0 {
			for _, complaint := range slacktest.CheckView(raw) {
				t.Errorf("%q: %s", query, complaint)
			}
		}
		return answer.Options
	}
	list := offered("")
	if len(list) != 100 || list[0].Text.Text != "Me" || list[99].Text.Text != "Nobody" {
		t.Errorf("%d options from %q to %q, want 100 from Me to Nobody", len(list), list[0].Text.Text, list[len(list)-1].Text.Text)
	}
	for i, c := range all { // everybody can be found
		list := offered(c.Email)
		if i == 7 {
			continue // me
		}
		if len(list) != 1 || !strings.HasSuffix(list[0].Value, c.Member) || (list[0].Description != nil && strings.Contains(list[0].Description.Text, "not on Slack")) != c.NotOnSlack {
			t.Errorf("%s: found %d", c.Email, len(list))
		}
	}
	sams := offered("sam")
	if len(sams) != 2 || sams[0].Description.Text != "sam@a.example" || sams[1].Description.Text != "sam@b.example, not on Slack — won't be notified here" {
		t.Errorf("two of one name can't be told apart: %s", encode(t, sams))
	}
	for temper, n := range tempers {
		raw := encode(t, slackui.Whom(slackui.Query{}, "mem_me", []slackui.Choice{n.choice(true), n.choice(false), {Member: "mem_me", Name: n.holder}}))
		var answer struct{ Options []any }
		if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Options) != 4 {
			t.Errorf("%s: %s", temper, raw)
		}
	}
}

func TestMentionedConversations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"see <https://useinvent.com/o/inbox/chat_1>":                                    {"chat_1"},
		"see <https://useinvent.com/o/inbox/chat_1|my chat>, and chat_2":                {"chat_1"},
		"<https://useinvent.com/o/inbox/a> <https://useinvent.com/o/inbox/b?x=1&amp;y>": {"a", "b"},
		"<https://evil.example/o/inbox/chat_1>":                                         nil,
		"Conversation `chat_1`":                                                         {"chat_1"},
		"`Take` it":                                                                     {"Take"},
		"`..` is no id, nor is `" + strings.Repeat("x", 201) + "`":                      nil,
		"chat_1, chat_2; (chat_3)":                                                      {"chat_1", "chat_2", "chat_3"},
		"hello there, call 0151 1234567":                                                nil,
		"a1b2c3 a1b2c3":                                                                 {"a1b2c3"},
		"c_11111 c_22222 c_33333 c_44444 c_55555 c_66666":                               {"c_11111", "c_22222", "c_33333", "c_44444", "c_55555"},
		"": nil,
	} {
		got, err := chatURL.ParseInteraction(form(t, map[string]any{
			"type": "message_action", "callback_id": "work_on", "trigger_id": "7.8.9", "team": map[string]any{"id": "T0TEAM"}, "user": map[string]any{"id": "U0ADA"},
			"channel": map[string]any{"id": "C1"}, "message": map[string]any{"text": text},
		}), noon)
		if err != nil {
			t.Fatal(err)
		}
		found := got.Chats
		if got.Chat != "" {
			found = []string{got.Chat}
		}
		if d := cmp.Diff(want, found); d != "" {
			t.Errorf("%q, want -, got +:\n%s", text, d)
		}
		verb := slackui.Which // of those that Invent knows
		switch {
		case len(want) == 0:
			verb = slackui.Paste
		case len(want) == 1 && strings.Contains(text, "https://useinvent.com"):
			verb = slackui.Show
		}
		if got.Verb != verb {
			t.Errorf("%q asks for %s, want %s", text, got.Verb, verb)
		}
	}
}

func TestParseEvent(t *testing.T) {
	t.Parallel()
	const inbox = "https://useinvent.com/o/inbox/"
	shared := func(links ...string) string {
		return `{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"link_shared","user":"U1","channel":"C1","message_ts":"1.2","is_bot_user_member":true,"links":[{"url":"` +
			strings.Join(links, `"},{"url":"`) + `"}]}}`
	}
	for name, tc := range map[string]struct {
		body string
		want []string // verb chat link
		bad  bool
	}{
		"nothing":            {"", nil, true},
		"a list":             {"[]", nil, true},
		"no type":            {"{}", nil, true},
		"an unknown event":   {`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"x","user":"U1"}}`, nil, false},
		"an event of a list": {`{"type":"event_callback","team_id":"T1","event_id":"E1","event":[]}`, nil, false},
		"a shared link": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"link_shared","user":"U1","channel":"C1","message_ts":"1.2","links":[{"url":"https://useinvent.com/o/inbox/a?b"}]}}`,
			[]string{"unfold a https://useinvent.com/o/inbox/a?b"}, false,
		},
		"a link that is being written": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"link_shared","user":"U1","channel":"COMPOSER","message_ts":"1.2","source":"composer","links":[{"url":"https://useinvent.com/o/inbox/a?b"}]}}`,
			nil, false,
		},
		"a link where the bot is no member": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"link_shared","user":"U1","channel":"C1","message_ts":"1.2","is_bot_user_member":false,"links":[{"url":"https://useinvent.com/o/inbox/a"}]}}`,
			nil, false,
		},
		"a link of the longest, and one longer": {
			shared(inbox+"a?"+strings.Repeat("x", 500-len(inbox)-2), inbox+"c?"+strings.Repeat("x", 500-len(inbox)-1)),
			[]string{"unfold a " + inbox + "a?" + strings.Repeat("x", 500-len(inbox)-2)}, false,
		},
		"seven links, one of them twice": {
			shared(inbox+"a", inbox+"a?x", inbox+"b", inbox+"c", inbox+"d", inbox+"e", inbox+"f"),
			[]string{"unfold a " + inbox + "a", "unfold b " + inbox + "b", "unfold c " + inbox + "c", "unfold d " + inbox + "d", "unfold e " + inbox + "e"}, false,
		},
		"the Home tab": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"app_home_opened","user":"U1","tab":"home"}}`, []string{"home", "greet"}, false,
		},
		"the messages of the app": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"app_home_opened","user":"U1","tab":"messages"}}`, []string{"greet"}, false,
		},
		"links in another event":   {strings.Replace(shared(inbox+"a"), "link_shared", "message", 1), nil, false},
		"a link in no channel":     {strings.Replace(shared(inbox+"a"), `"channel":"C1",`, "", 1), nil, false},
		"a link in no message":     {strings.Replace(shared(inbox+"a"), `"message_ts":"1.2",`, "", 1), nil, false},
		"a link in no team":        {strings.Replace(shared(inbox+"a"), `"team_id":"T1",`, "", 1), nil, false},
		"a link to elsewhere":      {shared("https://example.com/", inbox+"a"), []string{"unfold a " + inbox + "a"}, false},
		"an event at a word":       {strings.Replace(shared(inbox+"a"), `"event_id"`, `"event_time":"soon","event_id"`, 1), nil, true},
		"an event after all time":  {strings.Replace(shared(inbox+"a"), `"event_id"`, `"event_time":99999999999999,"event_id"`, 1), nil, false},
		"an event without an id":   {strings.Replace(shared(inbox+"a"), `"event_id":"E1",`, "", 1), nil, false},
		"an event before all time": {strings.Replace(shared(inbox+"a"), `"event_id"`, `"event_time":-99999999999999,"event_id"`, 1), nil, false},
		"a link by nobody": {
			`{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"link_shared","channel":"C1","message_ts":"1.2","links":[{"url":"https://useinvent.com/o/inbox/a"}]}}`,
			nil, false,
		},
	} {
		e, err := chatURL.ParseEvent([]byte(tc.body))
		if (err != nil) != tc.bad {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, i := range e.Intents {
			words := string(i.Verb)
			if i.Clicked != nil {
				words += " " + i.Chat + " " + i.Clicked.Link
			}
			got = append(got, words)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestNamesThatAreNone: what turns the text around it is left out, a name that leaves no mark is none, a line break is a space, and only what
// is too long is cut.
func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"\u2066Ada\u2069": "Ada", "\u202eAda\u202c": "Ada", "\u202aAda\u202c": "Ada", "\u200b\u3164": "Unnamed", "Ada\u2028Love\u2029lace\n": "Ada Love lace",
		strings.Repeat("é", 75): strings.Repeat("é", 75), strings.Repeat("é", 76): strings.Repeat("é", 74) + "…",
	} {
		list := slackui.Whom(slackui.Query{}, "me", []slackui.Choice{{Member: "mem_1", Name: name, Email: "a@example.com"}}).Options
		if got := list[0].Text.Text; got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
		if mail := list[0].Description; (mail != nil) != (want == "Unnamed") {
			t.Errorf("%q is told by %+v; want the e-mail of somebody without a name, and of nobody else", name, mail)
		}
	}
}

// TestSearchFindsByName: among hundreds whose e-mails have the same end, who is called so is found, and first.
func TestSearchFindsByName(t *testing.T) {
	t.Parallel()
	var all []slackui.Choice
	for i := range 300 {
		all = append(all, slackui.Choice{Member: fmt.Sprint("mem_", i), Name: fmt.Sprintf("Anna %03d", i), Email: fmt.Sprintf("a%d@max-muster.example", i)})
	}
	all = append(all, slackui.Choice{Member: "mem_away", Name: "Max Away", NotOnSlack: true})
	for member, name := range map[string]string{"mem_max": "Max", "mem_zoe": "Zoe Maxwell", "mem_climax": "Climax", "mem_mail": "Ben"} {
		all = append(all, slackui.Choice{Member: member, Name: name, Email: map[bool]string{true: "max.z", false: member}[name == "Ben"] + "@max-muster.example"})
	}
	var got []string
	for _, o := range slackui.Whom(slackui.Query{Text: "max"}, "mem_7", all).Options {
		got = append(got, o.Text.Text)
	}
	if want := []string{"Max", "Zoe Maxwell", "Climax", "Ben", "Max Away"}; !slices.Equal(got, want) {
		t.Errorf("found are %q, want %q", got, want)
	}
	for _, text := range []string{"anna 007", "me", "M"} {
		if first := slackui.Whom(slackui.Query{Text: text}, "mem_7", all).Options[0].Text.Text; first != "Me" {
			t.Errorf("%q finds %s first, want oneself, by one's name or by what one is called there", text, first)
		}
	}
	if n := len(slackui.Whom(slackui.Query{Text: "@max-muster"}, "mem_7", all).Options); n < 50 {
		t.Errorf("by the end of the e-mail %d are found", n)
	}
}

// TestWhoIsChosenFromTheBeginning: Slack takes only what the search would offer, word for word.
func TestWhoIsChosenFromTheBeginning(t *testing.T) {
	t.Parallel()
	all := []slackui.Choice{
		{Member: "a", Name: "Sam", Email: "s1@x.io"}, {Member: "b", Name: "Sam", Email: "s2@x.io", NotOnSlack: true}, {Member: "c", Name: "Ada", Email: "a@x.io"},
	}
	for _, holder := range []string{"a", "b", "c", "gone"} {
		m := slackui.AskWhom("/invent", ordinary.choose(), ordinary.conversation(), holder, "c", all)
		initial := m.Blocks.BlockSet[0].(*slack.InputBlock).Element.(*slack.SelectBlockElement).InitialOption
		offered := slices.ContainsFunc(slackui.Whom(slackui.Query{}, "c", all).Options, func(o *slack.OptionBlockObject) bool { return cmp.Equal(o, initial) })
		if offered != (holder != "gone") || (initial == nil) != (holder == "gone") {
			t.Errorf("for %s %+v is chosen; offered: %v", holder, initial, offered)
		}
	}
}

// TestWhereAMessageSpeaks: other apps write what their messages are about into many places.
func TestWhereAMessageSpeaks(t *testing.T) {
	t.Parallel()
	const l = "https://useinvent.com/o/inbox/chat_1"
	object := func(pairs ...any) map[string]any {
		o := map[string]any{}
		for n := 0; n < len(pairs); n += 2 {
			o[pairs[n].(string)] = pairs[n+1]
		}
		return o
	}
	attached := func(pairs ...any) map[string]any { return object("attachments", []any{object(pairs...)}) }
	for name, m := range map[string]map[string]any{
		"pretext":     attached("pretext", "<"+l+">"),
		"title":       attached("title", "Conversation chat_1"),
		"author_link": attached("author_link", l),
		"footer":      attached("footer", "<"+l+"|open>"),
		"field":       attached("fields", []any{object("title", "Chat", "value", "<"+l+">")}),
		"action":      attached("actions", []any{object("type", "button", "text", "Open", "url", l)}),
		"forwarded":   attached("message_blocks", []any{object("message", object("blocks", []any{object("type", "rich_text", "elements", []any{object("type", "link", "url", l)})}))}),
		"no button":   object("text", l, "blocks", []any{object("type", "actions", "elements", []any{object("type", "button", "value", "https://useinvent.com/o/inbox/chat_2")})}),
		"video":       object("blocks", []any{object("type", "video", "title_url", l)}),
		"table":       object("blocks", []any{object("type", "table", "rows", []any{[]any{object("type", "raw_text", "text", l)}})}),
	} {
		got, err := chatURL.ParseInteraction(form(t, map[string]any{
			"type": "message_action", "callback_id": "work_on", "trigger_id": "7.8.9", "team": map[string]any{"id": "T0TEAM"}, "user": map[string]any{"id": "U0ADA"},
			"channel": map[string]any{"id": "C1"}, "message": m,
		}), noon)
		if err != nil || got.Chat != "chat_1" && !slices.Equal(got.Chats, []string{"chat_1"}) {
			t.Errorf("%s: found are %+v, %v", name, got, err)
		}
	}
}
