package slackui_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/slackui"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares v as JSON with testdata/name.golden.json.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s (go test ./slackui -update writes it anew), want -, got +:\n%s", path, d)
	}
}

func TestCardsLookAsTheyDid(t *testing.T) {
	t.Parallel()
	for name, c := range ordinary.cards() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "card_"+name, c.Message())
		})
	}
	for _, temper := range []string{"longest", "wide", "hostile", "nameless"} {
		t.Run("everything, "+temper, func(t *testing.T) {
			t.Parallel()
			golden(t, "card_everything_"+temper, tempers[temper].cards()["everything"].Message())
		})
	}
}

func TestPrivateMessagesReadAsTheyDid(t *testing.T) {
	t.Parallel()
	golden(t, "messages", ordinary.messages(t))
}

func TestGoldenFilesAreAllInUse(t *testing.T) {
	t.Parallel()
	want := []string{"messages.golden.json", "modals.golden.json", "homes.golden.json", "picks.golden.json"}
	for name := range ordinary.cards() {
		want = append(want, "card_"+name+".golden.json")
	}
	for _, temper := range []string{"longest", "wide", "hostile", "nameless"} {
		want = append(want, "card_everything_"+temper+".golden.json")
	}
	slices.Sort(want)
	paths, err := filepath.Glob("testdata/*.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(paths))
	for i, p := range paths {
		got[i] = filepath.Base(p)
	}
	if d := cmp.Diff(want, got); d != "" && !*update {
		t.Errorf("want -, got +:\n%s", d)
	}
}

func TestSlackTakesEveryMessage(t *testing.T) {
	t.Parallel()
	for name, m := range every(t) {
		for _, complaint := range slacktest.CheckMessage(encode(t, m)) {
			t.Errorf("%s: %s", name, complaint)
		}
		if n := utf8.RuneCountInString(m.Text); n > 4000 && !strings.HasPrefix(name, "note") && !strings.HasPrefix(name, "summary") { // these are never redrawn
			t.Errorf("%s: a text of %d characters, which chat.update refuses; want at most 4000", name, n)
		}
		if !utf8.ValidString(m.Text) {
			t.Errorf("%s: a text that isn't UTF-8: %q", name, m.Text)
		}
	}
}

// TestTheTextSaysAllThatTheBlocksSay stands for people whose screen reader reads only the text.
func TestTheTextSaysAllThatTheBlocksSay(t *testing.T) {
	t.Parallel()
	for name, m := range every(t) {
		shown := texts(t, m)
		if len(shown) == 0 {
			t.Errorf("%s shows nothing", name)
		}
		for _, s := range shown {
			if !strings.Contains(m.Text, s) {
				t.Errorf("%s shows %q; its text lacks it: %q", name, s, m.Text)
			}
		}
	}
	c := ordinary.cards()["everything"].Message()
	for _, s := range []string{
		"Jane Doe", "WhatsApp", "Support Bot", "Snoozed, AI on", "<@U0GRACE>", "since <!date^1772452560^", "assigned by <@U0ADA>", "Unread: 3",
		"<!date^1772449200^{date_short_pretty} at {time}|2026-03-02 11:00 UTC>", "Follow-up: <!date^1772539200^", "Muted until: <!date^1772456400^", "5 of 5", "`chat_1`", "doesn't update by itself",
	} {
		if !strings.Contains(c.Text, s) {
			t.Errorf("the full card's text lacks %q: %q", s, c.Text)
		}
	}
}

// texts are the words that a message's blocks show, as mrkdwn, without the names of buttons.
func texts(t *testing.T, m slackui.Message) []string {
	t.Helper()
	type object struct{ Type, Text string }
	var blocks []struct {
		Type     string
		Text     json.RawMessage
		Fields   []object
		Elements []json.RawMessage
	}
	if err := json.Unmarshal(encode(t, m.Blocks), &blocks); err != nil {
		t.Fatal(err)
	}
	var all []string
	add := func(o object) {
		if o.Type == "plain_text" {
			o.Text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(o.Text)
		}
		if name, words, ok := strings.Cut(o.Text, "*\n"); ok && strings.HasPrefix(name, "*") {
			if strings.TrimSpace(words) == "" {
				t.Errorf("a fact without words: %q", o.Text)
			}
			o.Text = name[1:] + ": " + words
		}
		all = append(all, o.Text)
	}
	for _, b := range blocks {
		var o object
		if b.Text != nil {
			if err := json.Unmarshal(b.Text, &o); err != nil {
				t.Fatal(err)
			}
			add(o)
		}
		for _, f := range b.Fields {
			add(f)
		}
		for _, e := range b.Elements {
			if b.Type == "context" {
				if err := json.Unmarshal(e, &o); err != nil {
					t.Fatal(err)
				}
				add(o)
			}
		}
	}
	return all
}

func TestACard(t *testing.T) {
	t.Parallel()
	t.Run("shared with another organisation never names the customer", func(t *testing.T) {
		t.Parallel()
		for name, c := range ordinary.cards() {
			c.Anonymous = true
			if text := string(encode(t, c.Message())); strings.Contains(text, "Jane") {
				t.Errorf("%s names the customer: %s", name, text)
			}
		}
	})
	t.Run("says that somebody is not on Slack only when Slack said so", func(t *testing.T) {
		t.Parallel()
		for name, c := range ordinary.cards() {
			want := c.Holder != nil && c.Holder.NotOnSlack
			if got := strings.Contains(c.Message().Text, "not on Slack"); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	})
	t.Run("invents nothing that Invent didn't send", func(t *testing.T) {
		t.Parallel()
		got := ordinary.cards()["bare"].Message().Text
		if want := "Conversation with Unnamed. State: AI off. Assignee: Nobody. Conversation `chat_1`"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("leaves out an address that Slack wouldn't take", func(t *testing.T) {
		t.Parallel()
		c := ordinary.free(func(c *slackui.Card) { c.URL = "https://example.com/" + strings.Repeat("x", 3000) })
		for _, b := range buttons(t, c.Message()) {
			if b.ActionID == "open" {
				t.Errorf("a link of %d characters", len(c.URL))
			}
		}
	})
	t.Run("asks before it takes something from somebody, and names whom", func(t *testing.T) {
		t.Parallel()
		for name, c := range ordinary.cards() {
			for _, b := range buttons(t, c.Message()) {
				takes := c.Holder != nil && slices.Contains([]string{"take", "release", "resolve", "to_ai"}, b.ActionID)
				if got := b.Confirm != nil; got != takes {
					t.Errorf("%s, %s: a dialog %v, want %v", name, b.Text.Text, got, takes)
				}
				if takes && c.Holder.Name != "" && !strings.Contains(b.Confirm.Text.Text, c.Holder.Name) {
					t.Errorf("%s, %s: the dialog doesn't name %s: %q", name, b.Text.Text, c.Holder.Name, b.Confirm.Text.Text)
				}
			}
		}
	})
	t.Run("is the same each time it is drawn", func(t *testing.T) {
		t.Parallel()
		for name, c := range hostile.cards() {
			if d := cmp.Diff(string(encode(t, c.Message())), string(encode(t, c.Message()))); d != "" {
				t.Errorf("%s:\n%s", name, d)
			}
		}
	})
	t.Run("offers what its state allows", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string][]string{
			"nobody":      {"Take", "Assign…", "Refresh", "Open in Invent"},
			"held_linked": {"Release", "Take over", "Assign…", "Refresh", "Open in Invent"},
			"private":     {"Take", "Assign…", "Refresh", "Share here", "Open in Invent"},
			"everything":  {"Release", "Take over", "Assign…", "Refresh", "Share here", "Open in Invent", "Resolve", "Pause AI", "Summary"},
			"bare":        {"Take", "Assign…", "Refresh"},

			"resolved":          {"Take", "Assign…", "Refresh", "Open in Invent", "Reopen", "Hand to AI"},
			"resolved_for_good": {"Take", "Assign…", "Refresh", "Open in Invent", "Summary"},
		} {
			var got []string
			for _, b := range buttons(t, ordinary.cards()[name].Message()) {
				got = append(got, b.Text.Text)
				if b.AccessibilityLabel == "" {
					t.Errorf("%s, %s: nothing for a screen reader", name, b.Text.Text)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, want -, got +:\n%s", name, d)
			}
		}
	})
}

// TestAListsButtonsSayWhom: to a screen reader the buttons of a list are all the same but for that.
func TestAListsButtonsSayWhom(t *testing.T) {
	t.Parallel()
	for customer, want := range map[string]string{
		"Jane Doe": "Jane Doe", "": "Unnamed", " \n\u202e": "Unnamed", strings.Repeat("x", 31): strings.Repeat("x", 29) + "…",
	} {
		n := ordinary
		n.customer = customer
		all := buttons(t, slackui.Items(slackui.Queue, []slackui.Item{{Chat: n.conversation(), URL: "https://example.com"}}, 0, ""))
		if len(all) != 4 {
			t.Fatalf("%d buttons, want 4", len(all))
		}
		for _, b := range all {
			if want := b.Text.Text + ": " + want; b.AccessibilityLabel != want {
				t.Errorf("%q: the button %s is labelled %q, want %q", customer, b.Text.Text, b.AccessibilityLabel, want)
			}
		}
	}
}

// TestAButtonIsLabelledWithItsWords: whoever steers by voice says what is written on it (WCAG 2.2, 2.5.3).
func TestAButtonIsLabelledWithItsWords(t *testing.T) {
	t.Parallel()
	all := ordinary.messages(t)
	for name, c := range ordinary.cards() {
		all["card_"+name] = c.Message()
	}
	for name, m := range all {
		for _, b := range buttons(t, m) {
			if words := strings.TrimSuffix(b.Text.Text, "…"); !strings.HasPrefix(b.AccessibilityLabel, words) {
				t.Errorf("%s: the button %q is labelled %q", name, b.Text.Text, b.AccessibilityLabel)
			}
		}
	}
}

func TestChannelsAndStatesHaveNames(t *testing.T) {
	t.Parallel()
	for integration, want := range map[string]string{
		"internal": "Invent", "whatsapp_bot": "WhatsApp", "gmail": "Gmail", "email": "Email", "tiktok_dm": "TikTok", "fax<": "fax&lt;",
	} {
		c := ordinary.free(func(c *slackui.Card) { c.Chat.State.IntegrationID = integration })
		if got := c.Message().Text; !strings.Contains(got, "Channel: "+want+".") {
			t.Errorf("%s: %q lacks %q", integration, got, want)
		}
	}
	for state, want := range map[invent.State]string{
		invent.Open: "State: Open, AI off.", invent.Snoozed: "State: Snoozed, AI off.", invent.Closed: "State: Resolved, AI off.",
		"PARKED": "State: PARKED, AI off.", "": "State: AI off.",
	} {
		c := ordinary.free(func(c *slackui.Card) { c.Chat.State.State = state })
		if got := c.Message().Text; !strings.Contains(got, want) {
			t.Errorf("%q: %q lacks %q", state, got, want)
		}
	}
}

// TestNamesFromRightToLeft don't turn the words of ours behind them: what begins with one begins with a mark first.
func TestNamesFromRightToLeft(t *testing.T) {
	t.Parallel()
	turns := regexp.MustCompile(`^[^\pL\x{200E}]*[\p{Arabic}\p{Hebrew}]`)
	for _, name := range []string{"ليلى حداد", "*דנה*"} {
		n := names{name, name, name, "chat_1", "mem_grace", "grace@example.com"}
		look := func(what, words string) {
			if turns.MatchString(words) {
				t.Errorf("%s: %q", what, words)
			}
		}
		for what, m := range n.messages(t) {
			look(what, m.Text)
			for _, b := range m.Blocks {
				if s, ok := b.(*slack.SectionBlock); ok && s.Text != nil && s.Text.Type == slack.MarkdownType {
					look(what, s.Text.Text)
				}
			}
		}
		for what, c := range n.cards() {
			for _, b := range c.Message().Blocks {
				if row, ok := b.(*slack.ActionBlock); ok {
					for _, e := range row.Elements.ElementSet {
						if e := e.(*slack.ButtonBlockElement); e.Confirm != nil {
							look(what, e.Confirm.Text.Text)
						}
					}
				}
			}
		}
		for what, h := range n.homes() {
			for _, b := range h.Blocks.BlockSet {
				if s, ok := b.(*slack.SectionBlock); ok {
					look(what, s.Text.Text)
				}
			}
		}
	}
}

func TestLateSaysForHowLong(t *testing.T) {
	t.Parallel()
	grace := ordinary.grace()
	for ago, want := range map[time.Duration]string{
		-time.Minute:             "Grace Hopper has had it for less than a second.",
		0:                        "Grace Hopper has had it for less than a second.",
		time.Second - 1:          "Grace Hopper has had it for less than a second.",
		time.Second:              "Grace Hopper has had it for 1 s.",
		4*time.Second + 999*1e6:  "Grace Hopper has had it for 4 s.",
		59 * time.Second:         "Grace Hopper has had it for 59 s.",
		time.Minute:              "Grace Hopper has had it for 1 min.",
		59*time.Minute + 59*1e9:  "Grace Hopper has had it for 59 min.",
		time.Hour:                "Grace Hopper has had it for 1 h.",
		47 * time.Hour:           "Grace Hopper has had it for 47 h.",
		49 * time.Hour:           "Grace Hopper has had it for 2 days.",
		3 * 365 * 24 * time.Hour: "Grace Hopper has had it for 1095 days.",
	} {
		at := noon.Add(-ago)
		got := slackui.Late(ordinary.typed(slackui.Take), grace, invent.ChatState{AssignedAt: &at}, noon).Text
		if want += " Nothing changed."; got != want {
			t.Errorf("%s ago: got %q, want %q", ago, got, want)
		}
	}
}

// TestRefusalsSpeakOfChangesOnlyWhereOneWasAsked: of a look at something nobody wonders whether it changed anything.
func TestRefusalsSpeakOfChangesOnlyWhereOneWasAsked(t *testing.T) {
	t.Parallel()
	for verb, alters := range map[slackui.Verb]bool{
		slackui.Take: true, slackui.Assign: true, slackui.Release: true,
		slackui.Link: true, slackui.Agree: true, slackui.Decline: true, slackui.Unlink: true,
		slackui.Show: false, slackui.Refresh: false, slackui.Share: false, slackui.History: false, slackui.Route: false,
		slackui.Queue: false, slackui.Mine: false, slackui.Whoami: false, slackui.Links: false, "of_tomorrow": false,
	} {
		for _, about := range []string{"", "U0GRACE"} {
			for _, held := range []bool{false, true} {
				got := slackui.Refused("/invent", verb, slackui.NotLinked, about, held).Text
				if strings.Contains(got, "changed") != alters || strings.Contains(got, "within an hour") != held || !strings.HasSuffix(got, ".") || strings.Contains(got, "  ") {
					t.Errorf("%s about %q, held %v: %q", verb, about, held, got)
				}
			}
		}
	}
}

// TestEveryRefusalHelps: each has words of its own, and never the fallback.
func TestEveryRefusalHelps(t *testing.T) {
	t.Parallel()
	ofOneself := []slackui.Reason{slackui.UnknownTeam, slackui.NotAllowed, slackui.NotAdmin, slackui.SelfLink, slackui.OfferGone, slackui.NotOffered, slackui.NoInbox}
	ofOthers := []slackui.Reason{slackui.NoSuchMember, slackui.MemberTaken, slackui.MemberMailed}
	for _, about := range []string{"", "U0GRACE", "grace@example.com"} {
		fallback := slackui.Refused("/invent", slackui.Assign, "of_tomorrow", about, false).Text
		for _, r := range reasons[:len(reasons)-1] {
			got := slackui.Refused("/invent", slackui.Assign, r, about, false).Text
			possible := about == "" && !slices.Contains(ofOthers, r) || about != "" && !slices.Contains(ofOneself, r)
			if possible && got == fallback || !strings.HasSuffix(got, " Nothing changed.") {
				t.Errorf("%s about %q: %q", r, about, got)
			}
			if about == "U0GRACE" && !strings.Contains(got, "<@U0GRACE>") || about != "" && about != "U0GRACE" && !strings.Contains(got, about) {
				t.Errorf("%s about %q doesn't say whom it is about: %q", r, about, got)
			}
			if held := slackui.Refused("/invent", slackui.Assign, r, about, true).Text; !strings.HasPrefix(held, got+" If that is fixed within an hour") {
				t.Errorf("%s about %q, held: %q", r, about, held)
			}
		}
	}
	fallback := slackui.Failed(slackui.BotFailed, ordinary.typed(slackui.Take), "0a1b2c3d", "").Text
	for _, f := range failures[:len(failures)-1] {
		got := slackui.Failed(f, ordinary.typed(slackui.Take), "0a1b2c3d", "").Text
		if got == fallback && f != slackui.BotFailed || !strings.HasSuffix(got, "(ref 0a1b2c3d)") {
			t.Errorf("%s: %q", f, got)
		}
	}
	for _, p := range problems[:len(problems)-1] {
		if got := slackui.Cannot(slackui.Intent{Problem: p, Verb: slackui.Assign, Command: "/support"}).Text; got == "I can't read that. Nothing changed." {
			t.Errorf("%s has no words of its own", p)
		}
	}
}

func encode(t testing.TB, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// button is a button as Slack shows it.
type button struct {
	Type               string
	ActionID           string `json:"action_id"`
	BlockID            string `json:"-"`
	Text               struct{ Text string }
	Value, URL         string
	AccessibilityLabel string `json:"accessibility_label"`
	Confirm            *struct{ Text struct{ Text string } }
}

// buttons are a message's buttons in their order. Any other element that can be used is an error.
func buttons(t testing.TB, m slackui.Message) []button {
	t.Helper()
	var blocks []struct {
		Type      string
		BlockID   string `json:"block_id"`
		Elements  []json.RawMessage
		Accessory json.RawMessage
	}
	if err := json.Unmarshal(encode(t, m.Blocks), &blocks); err != nil {
		t.Fatal(err)
	}
	var all []button
	for _, b := range blocks {
		if b.Accessory != nil {
			t.Fatalf("an accessory that this test can't press: %s", b.Accessory)
		}
		for _, e := range b.Elements {
			if b.Type != "actions" {
				continue
			}
			var one button
			if err := json.Unmarshal(e, &one); err != nil || one.Type != "button" {
				t.Fatalf("an element that this test can't press: %s", e)
			}
			one.BlockID = b.BlockID
			all = append(all, one)
		}
	}
	return all
}

func TestActionIDsDrawnAreThoseRead(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	all := ordinary.views()
	for _, m := range every(t) {
		all = append(all, m)
	}
	for _, m := range all {
		for _, b := range buttons(t, m) {
			action, which, several := strings.Cut(b.ActionID, ":")
			if several && which == "" {
				t.Errorf("an action id that isn't told apart: %q", b.ActionID)
			}
			drawn[action] = true
		}
	}
	if d := cmp.Diff(slackui.ReadActions(), slices.Sorted(maps.Keys(drawn))); d != "" {
		t.Errorf("read -, drawn +:\n%s", d)
	}
}

// TestHistoryOfMembersWithoutAName: a conversation that was assigned wasn't released, whatever the member is called.
func TestHistoryOfMembersWithoutAName(t *testing.T) {
	t.Parallel()
	for verb, want := range map[slackui.Verb]string{
		slackui.Take: "<@U0ADA> assigned it, from Grace to Somebody", slackui.Assign: "<@U0ADA> assigned it, from Grace to Somebody",
		slackui.Release: "<@U0ADA> released it, from Grace to nobody", slackui.Undo: "<@U0ADA> released it, from Grace to nobody",
	} {
		deed := slackui.Deed{User: "U0ADA", Verb: verb, From: "Grace", At: noon}
		if m := slackui.Deeds("chat_1", []slackui.Deed{deed}, 0); !strings.Contains(m.Text, want) {
			t.Errorf("%s: %q, want %q", verb, m.Text, want)
		}
		deed.To = "Joan"
		if m := slackui.Deeds("chat_1", []slackui.Deed{deed}, 0); !strings.Contains(m.Text, "<@U0ADA> assigned it, from Grace to Joan") {
			t.Errorf("%s to somebody with a name: %q", verb, m.Text)
		}
	}
}

// TestARouteSaysWhatItLooksAt: all facts that decide, each with all its values.
func TestARouteSaysWhatItLooksAt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		assistant, kind, language []string
		want                      string
	}{
		{assistant: []string{"Shop", "Support"}, want: "assistant is Shop or Support"},
		{kind: []string{"whatsapp"}, language: []string{"de"}, want: "kind is whatsapp, language is de"},
		{assistant: []string{"Shop"}, kind: []string{"email"}, language: []string{"de", "en"}, want: "assistant is Shop, kind is email, language is de or en"},
	} {
		if got := slackui.WhyRule(tc.assistant, tc.kind, tc.language, true); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

// TestAnAdminsLinkHelpsOnlyWithoutAnEmail: whoever is refused for what they are stays refused, whatever an admin links them to.
func TestAnAdminsLinkHelpsOnlyWithoutAnEmail(t *testing.T) {
	t.Parallel()
	for _, r := range reasons {
		if want := slices.Contains([]slackui.Reason{slackui.NotLinked, slackui.Unconfirmed, slackui.EmailHidden}, r); r.ByHand() != want {
			t.Errorf("%s: a link helps: %v, want %v", r, !want, want)
		}
	}
}

// TestVerbsAreKnown: a verb that this version doesn't take for its own would be left to a newer process for ever.
func TestVerbsAreKnown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("intent.go")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^\t\w+\s+Verb = "(\w+)"`).FindAllStringSubmatch(string(text), -1)
	for _, m := range all {
		if !slackui.Verb(m[1]).Known() {
			t.Errorf("%s isn't known", m[1])
		}
	}
	const newer slackui.Verb = "of_a_newer_version"
	if len(all) < 30 || newer.Known() {
		t.Errorf("%d verbs were found, or one that there isn't is known", len(all))
	}
	if m := slackui.Failed(slackui.NewerVersion, slackui.Intent{Verb: newer, Chat: "chat_1"}, "0a1b2c3d", ""); !strings.Contains(m.Text, "Nothing changed") {
		t.Errorf("of a newer version's verb it says %q", m.Text)
	}
}
