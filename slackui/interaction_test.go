package slackui_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/invent"
	"inventbot/slackui"
)

// click is the payload of a click on a button, as Slack sends it; change may bend it.
func click(b button, private bool, change func(map[string]any)) map[string]any {
	p := map[string]any{
		"type": "block_actions", "token": "x", "api_app_id": "A0APP", "trigger_id": "7.8.9",
		"user":       map[string]any{"id": "U0ADA", "username": "ada", "name": "ada", "team_id": "T0TEAM"},
		"team":       map[string]any{"id": "T0TEAM", "domain": "team"},
		"enterprise": nil, "is_enterprise_install": false,
		"channel": map[string]any{"id": "C0SUPPORT", "name": "support"},
		"container": map[string]any{
			"type": "message", "message_ts": clickedCard.TS, "channel_id": "C0SUPPORT", "is_ephemeral": private,
		},
		"message":      map[string]any{"type": "message", "ts": clickedCard.TS, "bot_id": "B0BOT", "blocks": []any{}},
		"state":        map[string]any{"values": map[string]any{}},
		"response_url": "https://hooks.slack.com/actions/T0TEAM/1/x",
		"actions": []any{map[string]any{
			"action_id": b.ActionID, "block_id": b.BlockID, "type": "button", "value": b.Value,
			"text": map[string]any{"type": "plain_text", "text": b.Text.Text}, "action_ts": "1772452801.250000",
		}},
	}
	if change != nil {
		change(p)
	}
	return p
}

func body(t testing.TB, payload any) []byte {
	t.Helper()
	return []byte(url.Values{"payload": {string(encode(t, payload))}}.Encode())
}

// clicked is the intent of a click by [click].
func clicked(change func(*slackui.Intent)) *slackui.Intent {
	place := clickedCard
	i := &slackui.Intent{
		V: slackui.Version, Key: "7.8.9", Team: "T0TEAM", User: "U0ADA", Channel: "C0SUPPORT", Clicked: &place,
		ResponseURL: "https://hooks.slack.com/actions/T0TEAM/1/x", Sent: time.Unix(1772452801, 250_000_000),
	}
	if change != nil {
		change(i)
	}
	return i
}

// TestEveryButtonMeansWhatItSays presses each button of each card and message.
func TestEveryButtonMeansWhatItSays(t *testing.T) {
	t.Parallel()
	verbs := map[string]slackui.Verb{
		"Take": slackui.Take, "Take over": slackui.Take, "Release": slackui.Release, "Refresh": slackui.Refresh, "Share here": slackui.Share,
		"Leave it": slackui.Leave, "Assign anyway": slackui.Assign, "Show the newer one": slackui.Show,
		"Assign…": slackui.Choose, "Resolve": slackui.Resolve, "Reopen": slackui.Reopen, "Hand to AI": slackui.ToAI, "Pause AI": slackui.PauseAI,
		"Summary": slackui.Summary,
	}
	press := func(t *testing.T, name string, b button, private bool, want *slackui.Intent) {
		t.Helper()
		if n := len([]rune(b.Value)); n > 2000 {
			t.Errorf("%s, %s: a value of %d characters", name, b.Text.Text, n)
		}
		got, err := chatURL.ParseInteraction(body(t, click(b, private, nil)), noon)
		if err != nil {
			t.Fatalf("%s, %s: %v", name, b.Text.Text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s, %s, want -, got +:\n%s", name, b.Text.Text, d)
		}
	}
	for temper, n := range tempers {
		for name, c := range n.cards() {
			seen := ""
			if c.Holder != nil {
				seen = n.member
			}
			for _, b := range buttons(t, c.Message()) {
				if b.Text.Text == "Open in Invent" {
					press(t, name+"/"+temper, b, c.Private, nil)
					continue
				}
				press(t, name+"/"+temper, b, c.Private, clicked(func(i *slackui.Intent) {
					i.Verb, i.Chat, i.Seen, i.Private, i.Snapshot = verbs[b.Text.Text], n.chat, &seen, c.Private, c.Snapshot
				}))
			}
		}
		for _, v := range changes {
			for name, i := range map[string]slackui.Intent{"command": n.typed(v), "button": n.pressed(v)} {
				late := slackui.Late(i, n.grace(), n.held(nil).Chat.State, noon)
				failed := slackui.Failed(slackui.NoAnswer, i, "0a1b2c3d", "")
				again := maps.Clone(verbs)
				again["Try again"] = v
				for _, b := range append(buttons(t, late), buttons(t, failed)...) {
					press(t, name+" "+string(v)+"/"+temper, b, true, clicked(func(got *slackui.Intent) {
						got.Verb, got.Chat, got.Private, got.Origin = again[b.Text.Text], n.chat, true, i.Clicked
						seen := n.member // the question names her
						if b.Text.Text == "Try again" && i.Seen == nil {
							seen = ""
						}
						got.Seen = &seen
						if got.Verb == slackui.Assign {
							got.To = i.To
						}
					}))
				}
			}
		}
		for _, b := range buttons(t, slackui.Offer("U0ADA", n.member, n.holder, "q1")) {
			press(t, "offer/"+temper, b, false, clicked(func(i *slackui.Intent) {
				i.Verb, i.Offer = map[string]slackui.Verb{"Yes, that's me": slackui.Agree, "No": slackui.Decline}[b.Text.Text], "q1"
			}))
		}
		for page, turns := range map[int]map[string]int{0: {"Next": 1}, 1: {"Previous": 0, "Next": 2}, 2: {"Previous": 1}, 99: {"Previous": 1}} {
			list := buttons(t, slackui.LinkList("/invent", n.links(), page))
			if len(list) != len(turns) {
				t.Errorf("page %d has %d buttons, want %d", page, len(list), len(turns))
			}
			for _, b := range list {
				press(t, fmt.Sprintf("links, page %d/%s", page, temper), b, true, clicked(func(i *slackui.Intent) {
					i.Verb, i.Page, i.Private = slackui.Links, turns[b.Text.Text], true
				}))
			}
		}
		for _, list := range []slackui.Verb{slackui.Queue, slackui.Mine} {
			for page, turns := range map[int]map[string]int{0: {"Next": 1}, 1: {"Previous": 0, "Next": 2}, 2: {"Previous": 1}} {
				items := 0
				for _, b := range buttons(t, slackui.Items(list, n.items(), page, "")) {
					var meant *slackui.Intent
					switch b.Text.Text {
					case "Take", "Release", "Assign…":
						seen := n.member
						if items%4 > 1 {
							seen = ""
						}
						items++
						meant = clicked(func(i *slackui.Intent) {
							i.Verb, i.Chat, i.Seen, i.Private, i.List, i.Page = verbs[b.Text.Text], n.chat, &seen, true, list, page
						})
					case "Show":
						meant = clicked(func(i *slackui.Intent) {
							i.Verb, i.Chat, i.Private, i.List, i.Page = slackui.Show, n.chat, true, list, page
						})
					case "Next", "Previous":
						meant = clicked(func(i *slackui.Intent) { i.Verb, i.Page, i.Private = list, turns[b.Text.Text], true })
					}
					press(t, fmt.Sprintf("%s, page %d/%s", list, page, temper), b, true, meant)
				}
				if want := map[int]int{0: 20, 1: 20, 2: 2}[page]; items != want {
					t.Errorf("page %d of %s has %d buttons to change something, want %d", page, list, items, want)
				}
			}
		}
		for _, b := range buttons(t, slackui.Items(slackui.Queue, n.left()[1:2], 0, "")) {
			meant := clicked(func(i *slackui.Intent) {
				i.Verb, i.Chat, i.Seen, i.Private, i.List = verbs[b.Text.Text], n.chat, &n.member, true, slackui.Queue
			})
			switch b.Text.Text {
			case "Take over", "Release":
				if b.Confirm == nil {
					t.Errorf("%s/%s: it doesn't ask before it takes the conversation from somebody", b.Text.Text, temper)
				}
			case "Show":
				meant.Verb, meant.Seen = slackui.Show, nil
			case "Open in Invent":
				meant = nil
			}
			press(t, "left/"+temper, b, true, meant)
		}
		for page, turn := range []int{1, 0} {
			for _, b := range buttons(t, slackui.Deeds(n.chat, n.deeds(), page)) {
				press(t, fmt.Sprintf("deeds, page %d/%s", page, temper), b, true, clicked(func(i *slackui.Intent) {
					i.Verb, i.Chat, i.Page, i.Private = slackui.History, n.chat, turn, true
				}))
			}
		}
		for name, m := range map[string]slackui.Message{
			"newer":     slackui.Newer(n.pressed(slackui.Take), n.chat, "0a1b2c3d"),
			"unsettled": slackui.Failed(slackui.Unsettled, n.pressed(slackui.Take), "0a1b2c3d", ""),
		} {
			list := buttons(t, m)
			if len(list) != 1 {
				t.Fatalf("%s has %d buttons, want one", name, len(list))
			}
			press(t, name+"/"+temper, list[0], true, clicked(func(i *slackui.Intent) {
				i.Verb, i.Chat, i.Private = slackui.Show, n.chat, true
				if name == "unsettled" {
					i.Origin = &clickedCard
				}
			}))
		}
	}
}

// TestAPrivateMessageRemembersTheCardItCameFrom through any number of questions.
func TestAPrivateMessageRemembersTheCardItCameFrom(t *testing.T) {
	t.Parallel()
	i := ordinary.pressed(slackui.Release)
	for range 3 {
		b := buttons(t, slackui.Late(i, ordinary.grace(), ordinary.held(nil).Chat.State, noon))[1]
		got, err := chatURL.ParseInteraction(body(t, click(b, true, func(p map[string]any) {
			p["container"].(map[string]any)["message_ts"] = "1772452999.000000"
		})), noon)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&clickedCard, got.Origin); d != "" {
			t.Fatalf("want -, got +:\n%s", d)
		}
		i = *got
	}
}

// TestAPrivateMessageIsNoCard: neither it nor what can be redrawn only by its own click is redrawn after a question.
func TestAPrivateMessageIsNoCard(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*slackui.Intent){
		"a private message": func(i *slackui.Intent) { i.Private = true },
		"a snapshot":        func(i *slackui.Intent) { i.Snapshot = true },
	} {
		i := ordinary.pressed(slackui.Release)
		change(&i)
		for _, b := range buttons(t, slackui.Late(i, ordinary.grace(), invent.ChatState{}, noon)) {
			if got, err := chatURL.ParseInteraction(body(t, click(b, true, nil)), noon); err != nil || got.Origin != nil {
				t.Errorf("%s, %s: %v; the card is %+v, want none", name, b.Text.Text, err, got.Origin)
			}
		}
	}
}

// TestAnUndoIsTriedAgainAsAnAssignment, because its five minutes may be over by then.
func TestAnUndoIsTriedAgainAsAnAssignment(t *testing.T) {
	t.Parallel()
	for want, to := range map[slackui.Verb]*slackui.To{slackui.Assign: {Member: "mem_grace"}, slackui.Release: nil} {
		undo := ordinary.pressed(slackui.Undo)
		undo.To = to
		for _, b := range buttons(t, slackui.Failed(slackui.NoAnswer, undo, "0a1b2c3d", "")) {
			got, err := chatURL.ParseInteraction(body(t, click(b, true, nil)), noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(clicked(func(i *slackui.Intent) {
				i.Verb, i.Chat, i.Seen, i.To, i.Private, i.Origin = want, "chat_1", undo.Seen, to, true, undo.Clicked
			}), got); d != "" {
				t.Errorf("%s, want -, got +:\n%s", b.Text.Text, d)
			}
		}
	}
}

func TestARetiredButton(t *testing.T) {
	t.Parallel()
	seen, nobody := "mem_grace", ""
	fresh := clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Retired = slackui.Refresh, "chat_1", true })
	gone := clicked(func(i *slackui.Intent) { i.Verb, i.Problem = slackui.Tell, slackui.OldButton })
	for name, tc := range map[string]struct {
		action, value string
		want          *slackui.Intent
	}{
		"of today does what it says":                                   {"take", `{"v":1,"chat":"chat_1","seen":"mem_grace"}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Seen = slackui.Take, "chat_1", &seen })},
		"of today with more in it does what it says":                   {"take", `{"v":1,"chat":"chat_1","seen":"mem_grace","mood":[{}]}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Seen = slackui.Take, "chat_1", &seen })},
		"of an older version asks for a fresh card":                    {"take", `{"v":0,"chat":"chat_1","seen":""}`, fresh},
		"without a version asks for a fresh card":                      {"take", `{"chat":"chat_1","seen":""}`, fresh},
		"of a newer version asks for a fresh card":                     {"release", `{"v":2,"chat":"chat_1","seen":""}`, fresh},
		"that takes and doesn't say whom it showed asks for one":       {"take", `{"v":1,"chat":"chat_1"}`, fresh},
		"that takes and showed null asks for one":                      {"take", `{"v":1,"chat":"chat_1","seen":null}`, fresh},
		"that releases and doesn't say whom it showed asks for one":    {"release", `{"v":1,"chat":"chat_1"}`, fresh},
		"that assigns to nobody in particular asks for a fresh card":   {"assign", `{"v":1,"chat":"chat_1","seen":""}`, fresh},
		"that only shows needs no more than the conversation":          {"show", `{"v":1,"chat":"chat_1"}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat = slackui.Show, "chat_1" })},
		"that takes can't name whom":                                   {"take", `{"v":1,"chat":"chat_1","seen":"mem_grace","to":{"e":"x@example.com"}}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Seen = slackui.Take, "chat_1", &seen })},
		"without a value says so":                                      {"take", "", gone},
		"whose value isn't JSON says so":                               {"take", "chat_1", gone},
		"whose value is cut says so":                                   {"take", `{"v":1,"chat":"chat_1","se`, gone},
		"whose value is something else says so":                        {"take", `[1]`, gone},
		"whose value is null says so":                                  {"take", `null`, gone},
		"whose page is a word says so":                                 {"take", `{"v":1,"chat":"chat_1","seen":"","page":"x"}`, gone},
		"whose conversation is a number says so":                       {"take", `{"v":1,"chat":7,"seen":""}`, gone},
		"without a conversation says so":                               {"take", `{"v":1,"seen":""}`, gone},
		"that names the folder above says so":                          {"take", `{"v":1,"chat":"..","seen":""}`, gone},
		"that names a folder says so":                                  {"refresh", `{"v":1,"chat":"."}`, gone},
		"that names a conversation with a line break says so":          {"take", `{"v":1,"chat":"a\nb","seen":""}`, gone},
		"that names a conversation with a space says so":               {"take", `{"v":1,"chat":"a b","seen":""}`, gone},
		"with half a character in its conversation says so":            {"take", `{"v":1,"chat":"a\ud800","seen":""}`, gone},
		"with 2,000 characters that are no JSON says so":               {"take", strings.Repeat("x", 2000), gone},
		"whose conversation has 2,000 characters says so":              {"take", `{"v":1,"chat":"` + strings.Repeat("x", 1970) + `","seen":""}`, gone},
		"with 2,000 brackets says so":                                  {"take", strings.Repeat("[", 2000), gone},
		"to leave it that can't be read says so":                       {"leave", "", gone},
		"that agrees needs no conversation":                            {"link_yes", `{"v":1,"offer":"q1"}`, clicked(func(i *slackui.Intent) { i.Verb, i.Offer = slackui.Agree, "q1" })},
		"that agrees and is of another version says so":                {"link_yes", `{"v":2,"offer":"q1"}`, gone},
		"that declines and can't be read says so":                      {"link_no", "q1", gone},
		"that turns to a page before the first says so":                {"links:back", `{"v":1,"page":-1}`, gone},
		"that turns the second list before its first page says so":     {"home:back", `{"v":1,"below":-1}`, gone},
		"that asks whom to assign and doesn't say whom it showed asks": {"choose", `{"v":1,"chat":"chat_1"}`, fresh},
		"that turns a page of a history turns it":                      {"history:next", `{"v":1,"chat":"chat_1","page":7}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Page = slackui.History, "chat_1", 7 })},
		"to undo works until its last second": {"undo", `{"v":1,"chat":"chat_1","seen":"","to":{"m":"mem_grace"},"until":1772452801}`, clicked(func(i *slackui.Intent) {
			i.Verb, i.Chat, i.Seen, i.To = slackui.Undo, "chat_1", &nobody, &slackui.To{Member: "mem_grace"}
		})},
		"to undo says a second later that it is too late": {"undo", `{"v":1,"chat":"chat_1","seen":"","until":1772452800}`, clicked(func(i *slackui.Intent) {
			i.Verb, i.Problem, i.Chat, i.Seen = slackui.Tell, slackui.UndoExpired, "chat_1", &nobody
		})},
		"that undoes and doesn't say whom it showed asks for one": {"undo", `{"v":1,"chat":"chat_1","until":1772452801}`, fresh},
		"of the Home tab and an older version asks for a fresh tab": {"take", `{"v":0,"chat":"chat_1","list":"home","page":2,"below":1}`, clicked(func(i *slackui.Intent) {
			i.Verb, i.List, i.Page, i.Below, i.Retired = slackui.Home, slackui.Home, 2, 1, true
		})},
		"of the window and an older version asks for a fresh window":   {"take", `{"v":0,"chat":"chat_1","list":"pick","page":2}`, clicked(func(i *slackui.Intent) { i.Verb, i.List, i.Page, i.Retired = slackui.Turn, slackui.Pick, 2, true })},
		"of a list that is none is one of a card":                      {"take", `{"v":1,"chat":"chat_1","seen":"","list":"take","below":1}`, clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Seen = slackui.Take, "chat_1", &nobody })},
		"that resumes is none of ours and asks for nothing":            {"resume", `{"v":1,"chat":"chat_1"}`, nil},
		"of no meaning asks for nothing":                               {"dance", `{"v":1,"chat":"chat_1"}`, nil},
		"that says nothing at all asks for nothing":                    {"", "", nil},
		"that is the link to the dashboard asks for nothing":           {"open", "", nil},
		"with the name of a verb that no button has asks for nothing":  {"tell", `{"v":1,"chat":"chat_1"}`, nil},
		"with an action in capitals is none of ours and asks for nada": {"TAKE", `{"v":1,"chat":"chat_1","seen":""}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := chatURL.ParseInteraction(body(t, click(button{ActionID: tc.action, Value: tc.value}, false, nil)), noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
}

func TestParseInteraction(t *testing.T) {
	t.Parallel()
	take := button{ActionID: "take", Value: `{"v":1,"chat":"chat_1","seen":""}`}
	nobody := ""
	taken := func(change func(*slackui.Intent)) *slackui.Intent {
		i := clicked(func(i *slackui.Intent) { i.Verb, i.Chat, i.Seen = slackui.Take, "chat_1", &nobody })
		if change != nil {
			change(i)
		}
		return i
	}
	without := func(keys ...string) func(map[string]any) {
		return func(p map[string]any) {
			maps.DeleteFunc(p, func(k string, _ any) bool { return slices.Contains(keys, k) })
		}
	}
	set := func(key string, v any) func(map[string]any) { return func(p map[string]any) { p[key] = v } }
	actionTS := func(ts any) func(map[string]any) {
		return func(p map[string]any) { p["actions"].([]any)[0].(map[string]any)["action_ts"] = ts }
	}
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   *slackui.Intent
		bad    bool
	}{
		"reads a click": {nil, taken(nil), false},
		"reads a click of an app that is installed for an organisation": {
			func(p map[string]any) {
				p["team"], p["enterprise"], p["is_enterprise_install"] = nil, map[string]any{"id": "E0ORG", "name": "Org"}, true
			},
			taken(func(i *slackui.Intent) { i.Team, i.Enterprise = "E0ORG", "E0ORG" }), false,
		},
		"reads a click in a workspace of an organisation": {
			set("enterprise", map[string]any{"id": "E0ORG", "name": "Org"}),
			taken(func(i *slackui.Intent) { i.Enterprise = "E0ORG" }), false,
		},
		"reads a click by somebody of another workspace": {
			set("user", map[string]any{"id": "U0EVE", "team_id": "T0OTHER"}),
			taken(func(i *slackui.Intent) { i.User = "U0EVE" }), false,
		},
		"takes the channel from the container where there is no other": {without("channel"), taken(nil), false},
		"takes the card from the message where there is no container":  {without("container"), taken(nil), false},
		"reads a click that is on no message": {
			func(p map[string]any) {
				delete(p, "message")
				p["container"] = map[string]any{"type": "view", "view_id": "V1"}
			}, taken(func(i *slackui.Intent) { i.Clicked = nil }), false,
		},
		"reads a click in a window": {
			func(p map[string]any) {
				delete(p, "message")
				p["container"] = map[string]any{"type": "view", "view_id": "V1"}
				p["view"] = map[string]any{"id": "V1", "type": "modal"}
			}, taken(func(i *slackui.Intent) { i.Clicked, i.View = nil, "V1" }), false,
		},
		"reads a click on the Home tab, which is no window": {
			func(p map[string]any) {
				delete(p, "message")
				p["container"] = map[string]any{"type": "view", "view_id": "V1"}
				p["view"] = map[string]any{"id": "V1", "type": "home"}
			}, taken(func(i *slackui.Intent) { i.Clicked = nil }), false,
		},
		"reads a click on a link's card that began a thread": {
			func(p map[string]any) {
				delete(p, "message")
				p["container"].(map[string]any)["thread_ts"] = clickedCard.TS
			}, taken(nil), false,
		},
		"reads a click on a link's card in a thread": {
			func(p map[string]any) {
				delete(p, "message")
				p["container"].(map[string]any)["thread_ts"] = "1772450000.000100"
			}, taken(func(i *slackui.Intent) { i.Thread = "1772450000.000100" }), false,
		},
		"reads a click on a card in a thread that stands in the channel too": {
			func(p map[string]any) {
				p["container"].(map[string]any)["thread_ts"] = "1772450000.000100"
				m := p["message"].(map[string]any)
				m["thread_ts"], m["subtype"] = "1772450000.000100", "thread_broadcast"
			}, taken(nil), false,
		},
		"reads a click without response_url":       {without("response_url"), taken(func(i *slackui.Intent) { i.ResponseURL = "" }), false},
		"needs nothing that it doesn't use":        {without("token", "message", "state", "api_app_id", "enterprise"), taken(nil), false},
		"takes a click without time for seen":      {actionTS(""), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"takes a click at no time for seen":        {actionTS("soon.250000"), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"takes a click at half a time for seen":    {actionTS("1772452801.2x"), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"takes a click before all time for seen":   {actionTS("-1.5"), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"takes a click after all time for seen":    {actionTS("9223372036854775807.5"), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"takes a click in too many parts for seen": {actionTS("1772452801.1234567890"), taken(func(i *slackui.Intent) { i.Sent = noon.Add(time.Second) }), false},
		"reads a whole second":                     {actionTS("1772452801"), taken(func(i *slackui.Intent) { i.Sent = time.Unix(1772452801, 0) }), false},
		"leaves an unknown modal alone":            {set("type", "view_submission"), nil, false},
		"leaves a closed modal alone":              {set("type", "view_closed"), nil, false},
		"leaves a shortcut alone":                  {set("type", "shortcut"), nil, false},
		"leaves a message's shortcut alone":        {set("type", "message_action"), nil, false},
		"leaves what it never heard of alone":      {set("type", "telepathy"), nil, false},
		"refuses no type":                          {without("type"), nil, true},
		"refuses no user":                          {without("user"), nil, true},
		"refuses a user without id":                {set("user", map[string]any{"team_id": "T0TEAM"}), nil, true},
		"refuses neither team nor organisation":    {set("team", nil), nil, true},
		"refuses no trigger_id":                    {without("trigger_id"), nil, true},
		"refuses no trigger_id, also in a window": {
			func(p map[string]any) {
				delete(p, "trigger_id")
				p["view"] = map[string]any{"id": "V1", "hash": "1.a", "type": "modal"}
			}, nil, true,
		},
		"refuses no actions":               {without("actions"), nil, true},
		"refuses an empty list of actions": {set("actions", []any{}), nil, true},
		"refuses actions that are none":    {set("actions", "take"), nil, true},
		"refuses a team that is a number":  {set("team", 7), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := chatURL.ParseInteraction(body(t, click(take, false, tc.change)), noon)
			if errors.Is(err, slackui.ErrMalformed) != tc.bad || !tc.bad && err != nil {
				t.Fatalf("error %v, want a malformed request: %v", err, tc.bad)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
	payload := string(encode(t, click(take, false, nil)))
	for name, raw := range map[string]string{
		"nothing":                     "",
		"another field":               "body=" + url.QueryEscape(payload),
		"JSON instead of a form":      payload,
		"a broken form":               "payload=%zz",
		"a form with a broken end":    "payload=" + url.QueryEscape(payload) + "&x=%zz",
		"half a payload":              "payload=" + url.QueryEscape(payload[:len(payload)/2]),
		"a payload with a tail":       "payload=" + url.QueryEscape(payload+"x"),
		"a payload that isn't JSON":   "payload=take",
		"a payload that is a list":    "payload=[]",
		"a payload that is null":      "payload=null",
		"an empty payload":            "payload=",
		"an empty payload before one": "payload=&payload=" + url.QueryEscape(payload),
		"a deep payload":              "payload=" + strings.Repeat("[", 20_000),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			if got, err := chatURL.ParseInteraction([]byte(raw), noon); !errors.Is(err, slackui.ErrMalformed) || got != nil {
				t.Errorf("got %+v and %v, want a malformed request", got, err)
			}
		})
	}
}

// TestAnIntentSurvivesItsJob: what a job carries is what was parsed.
func TestAnIntentSurvivesItsJob(t *testing.T) {
	t.Parallel()
	for temper, n := range tempers {
		for _, v := range changes {
			want := n.pressed(v)
			want.Sent, want.Origin, want.Enterprise, want.Private = noon, &clickedCard, "E1", true
			var got slackui.Intent
			if err := json.Unmarshal(encode(t, want), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s %s, want -, got +:\n%s", temper, v, d)
			}
		}
	}
}

func BenchmarkParseInteraction(b *testing.B) {
	raw := body(b, click(button{ActionID: "take", Value: `{"v":1,"chat":"chat_1","seen":""}`}, false, nil))
	b.ReportAllocs()
	for b.Loop() {
		if i, err := chatURL.ParseInteraction(raw, noon); err != nil || i == nil {
			b.Fatal(i, err)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	c := ordinary.cards()["everything"]
	b.ReportAllocs()
	for b.Loop() {
		if len(encode(b, c.Message())) == 0 {
			b.Fatal("nothing")
		}
	}
}
