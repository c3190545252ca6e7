package slackui_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inventbot/slackui"
)

// typedForm is a slash command as Slack sends it.
func typedForm(command, text string) url.Values {
	return url.Values{
		"token": {"x"}, "team_id": {"T0TEAM"}, "team_domain": {"team"}, "channel_id": {"C0SUPPORT"}, "channel_name": {"support"},
		"user_id": {"U0ADA"}, "user_name": {"ada"}, "command": {command}, "text": {text}, "api_app_id": {"A0APP"},
		"is_enterprise_install": {"false"}, "response_url": {"https://hooks.slack.com/commands/T0TEAM/1/x"}, "trigger_id": {"7.8.9"},
	}
}

func parse(t testing.TB, at slackui.ChatURL, command, text string) (*slackui.Intent, *slackui.Message) {
	t.Helper()
	i, m, err := at.ParseCommand([]byte(typedForm(command, text).Encode()), noon)
	if err != nil {
		t.Fatal(err)
	}
	if (i == nil) == (m == nil) {
		t.Fatalf("%q: intent %+v and message %+v, want one of them", text, i, m)
	}
	return i, m
}

// said is the answer to a command that asks for nothing to be done.
func said(t testing.TB, command, text string) *slackui.Message {
	t.Helper()
	_, m := parse(t, chatURL, command, text)
	if m == nil {
		t.Fatalf("%q is a command", text)
	}
	return m
}

func TestCommandsThatCanBeCarriedOut(t *testing.T) {
	t.Parallel()
	const (
		whiteLabel = slackui.ChatURL("https://support.example.com/app?chat={chat_id}&x=1")
		folder     = slackui.ChatURL("https://support.example.com/c/{chat_id}/messages")
		hash       = slackui.ChatURL("https://support.example.com/#/inbox/{chat_id}")
		page       = slackui.ChatURL("https://support.example.com/inbox/{chat_id}.html")
		plain      = slackui.ChatURL("http://localhost:3000/?conversation={chat_id}")
	)
	me, grace, mail := &slackui.To{User: "U0ADA"}, &slackui.To{User: "U123"}, &slackui.To{Email: "grace@example.com"}
	type want struct {
		Verb   slackui.Verb
		Chat   string
		To     *slackui.To
		Person string
	}
	take := func(chat string) want { return want{Verb: slackui.Take, Chat: chat} }
	for _, tc := range []struct {
		name string
		at   slackui.ChatURL
		text string
		want want
	}{
		{"take", chatURL, "take chat_1", take("chat_1")},
		{"release", chatURL, "release chat_1", want{Verb: slackui.Release, Chat: "chat_1"}},
		{"unassign", chatURL, "unassign chat_1", want{Verb: slackui.Release, Chat: "chat_1"}},
		{"show", chatURL, "show chat_1", want{Verb: slackui.Show, Chat: "chat_1"}},
		{"status", chatURL, "status chat_1", want{Verb: slackui.Show, Chat: "chat_1"}},
		{"assign to me", chatURL, "assign chat_1 me", want{Verb: slackui.Assign, Chat: "chat_1", To: me}},
		{"assign to me, with to", chatURL, "assign chat_1 to me", want{Verb: slackui.Assign, Chat: "chat_1", To: me}},
		{"assign to me, shouted", chatURL, "ASSIGN chat_1 TO ME", want{Verb: slackui.Assign, Chat: "chat_1", To: me}},
		{"assign to somebody", chatURL, "assign chat_1 <@U123|ada>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"assign to somebody, with to", chatURL, "assign chat_1 to <@U123|ada>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"assign to somebody whose name has a space", chatURL, "assign chat_1 to <@U123|Ada Lovelace>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"assign to somebody without a name", chatURL, "assign chat_1 <@U123>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"assign to somebody whose name is empty", chatURL, "assign chat_1 <@U123|>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"assign to somebody of a grid", chatURL, "assign chat_1 <@W123>", want{Verb: slackui.Assign, Chat: "chat_1", To: &slackui.To{User: "W123"}}},
		{"assign to an e-mail", chatURL, "assign chat_1 grace@example.com", want{Verb: slackui.Assign, Chat: "chat_1", To: mail}},
		{"assign to an e-mail that Slack made a link", chatURL, "assign chat_1 to <mailto:grace@example.com|grace@example.com>", want{Verb: slackui.Assign, Chat: "chat_1", To: mail}},
		{"assign to an e-mail that Slack made a bare link", chatURL, "assign chat_1 <mailto:grace@example.com>", want{Verb: slackui.Assign, Chat: "chat_1", To: mail}},
		{"assign to an e-mail with an ampersand", chatURL, "assign chat_1 a&amp;b@example.com", want{Verb: slackui.Assign, Chat: "chat_1", To: &slackui.To{Email: "a&b@example.com"}}},
		{"assign to an e-mail in capitals", chatURL, "assign chat_1 Grace@Example.com", want{Verb: slackui.Assign, Chat: "chat_1", To: &slackui.To{Email: "Grace@Example.com"}}},
		{"take alone", chatURL, "take", want{Verb: slackui.Queue}},
		{"queue", chatURL, "queue", want{Verb: slackui.Queue}},
		{"mine", chatURL, "MINE", want{Verb: slackui.Mine}},
		{"route", chatURL, "route chat_1", want{Verb: slackui.Route, Chat: "chat_1"}},
		{"history", chatURL, "history chat_1", want{Verb: slackui.History, Chat: "chat_1"}},
		{"whoami", chatURL, "WhoAmI", want{Verb: slackui.Whoami}},
		{"links", chatURL, "links", want{Verb: slackui.Links}},
		{"link to an e-mail", chatURL, "link <@U123|ada> <mailto:grace@example.com|grace@example.com>", want{Verb: slackui.Link, To: mail, Person: "U123"}},
		{"link to a member", chatURL, "link <@U123|ada> mem_1", want{Verb: slackui.Link, To: &slackui.To{Member: "mem_1"}, Person: "U123"}},
		{"link to a member named me", chatURL, "link <@U123|ada> me", want{Verb: slackui.Link, To: &slackui.To{Member: "me"}, Person: "U123"}},
		{"link me", chatURL, "link me mem_1", want{Verb: slackui.Link, To: &slackui.To{Member: "mem_1"}, Person: "U0ADA"}},
		{"unlink", chatURL, "unlink", want{Verb: slackui.Unlink}},
		{"unlink me", chatURL, "unlink me", want{Verb: slackui.Unlink, Person: "U0ADA"}},
		{"unlink somebody", chatURL, "unlink <@U123|ada>", want{Verb: slackui.Unlink, Person: "U123"}},
		{"upper case", chatURL, "TAKE Chat_1", take("Chat_1")},
		{"any white space", chatURL, " \t take \u00a0\u3000 chat_1 \r\n", take("chat_1")},

		{"a link", chatURL, "take https://useinvent.com/o/inbox/chat_1", take("chat_1")},
		{"a link that Slack marked", chatURL, "take <https://useinvent.com/o/inbox/chat_1>", take("chat_1")},
		{"a link with a label", chatURL, "take <https://useinvent.com/o/inbox/chat_1|useinvent.com/o/inbox/chat_1>", take("chat_1")},
		{"a link whose label has spaces", chatURL, "take <https://useinvent.com/o/inbox/chat_1|Jane's conversation>", take("chat_1")},
		{"a link whose label lies", chatURL, "take <https://useinvent.com/o/inbox/chat_1|chat_2>", take("chat_1")},
		{"a link with a trailing slash", chatURL, "take https://useinvent.com/o/inbox/chat_1/", take("chat_1")},
		{"a link with a query", chatURL, "take <https://useinvent.com/o/inbox/chat_1?tab=notes&amp;x=1>", take("chat_1")},
		{"a link with a fragment", chatURL, "take <https://useinvent.com/o/inbox/chat_1#m7>", take("chat_1")},
		{"a link to a page below", chatURL, "take <https://useinvent.com/o/inbox/chat_1/notes?x#y>", take("chat_1")},
		{"a link with capitals in its host", chatURL, "take <https://UseInvent.com/o/inbox/Chat_1>", take("Chat_1")},
		{"a link typed without a scheme, of which Slack makes http", chatURL, "take <http://useinvent.com/o/inbox/chat_1|useinvent.com/o/inbox/chat_1>", take("chat_1")},
		{"a link of http, unmarked", chatURL, "take http://useinvent.com/o/inbox/chat_1", take("chat_1")},
		{"a link whose scheme is shouted", chatURL, "take <HTTP://useinvent.com/o/inbox/chat_1>", take("chat_1")},
		{"a link of a dashboard on http", plain, "take <http://localhost:3000/?conversation=chat_1>", take("chat_1")},
		{"a link of https to a dashboard on http", plain, "take <https://localhost:3000/?conversation=chat_1>", take("chat_1")},
		{"a link with what is escaped", chatURL, "take <https://useinvent.com/o/inbox/a%2Fb%3Fc%23d%25e>", take("a/b?c#d%e")},
		{"a link with an umlaut", chatURL, "take <https://useinvent.com/o/inbox/%C3%BC>", take("ü")},
		{"a link with a plus", chatURL, "take <https://useinvent.com/o/inbox/a+b>", take("a+b")},
		{"a link and then a person", chatURL, "assign <https://useinvent.com/o/inbox/chat_1|my chat> to <@U123|ada>", want{Verb: slackui.Assign, Chat: "chat_1", To: grace}},
		{"a link of a dashboard of one's own", whiteLabel, "take <https://support.example.com/app?chat=chat_1&amp;x=1>", take("chat_1")},
		{"the same without what stands behind the id", whiteLabel, "take <https://support.example.com/app?chat=chat_1>", take("chat_1")},
		{"the same with more", whiteLabel, "take <https://support.example.com/app?chat=chat_1&amp;y=2#top>", take("chat_1")},
		{"the same with what is escaped", whiteLabel, "take <https://support.example.com/app?chat=a%26b&amp;x=1>", take("a&b")},
		{"a folder", folder, "take <https://support.example.com/c/chat_1/messages>", take("chat_1")},
		{"another page of the folder", folder, "take <https://support.example.com/c/chat_1/notes>", take("chat_1")},
		{"a page of its own", page, "take <https://support.example.com/inbox/chat_1.html#m7>", take("chat_1")},
		{"a page of its own without what stands behind the id", page, "take <https://support.example.com/inbox/chat_1?x>", take("chat_1")},
		{"a page behind a fragment", hash, "take <https://support.example.com/#/inbox/chat_1>", take("chat_1")},

		{"an id with a slash", chatURL, "take a/b", take("a/b")},
		{"an id with a question mark", chatURL, "take a?b", take("a?b")},
		{"an id with a hash", chatURL, "take a#b", take("a#b")},
		{"an id with a percent sign", chatURL, "take a%2Fb", take("a%2Fb")},
		{"an id with an ampersand", chatURL, "take a&amp;b", take("a&b")},
		{"an id that looks escaped", chatURL, "take a&amp;lt;b", take("a&lt;b")},
		{"an id that goes up", chatURL, "take ../../members", take("../../members")}, // one segment, once it is escaped
		{"an id of the longest", chatURL, "take " + strings.Repeat("x", 200), take(strings.Repeat("x", 200))},
		{"an id that is an emoji", chatURL, "take 🦊", take("🦊")},
		{"an id from right to left", chatURL, "take محادثة", take("محادثة")},
		{"an id named as a command", chatURL, "take help", take("help")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			i, m := parse(t, tc.at, "/invent", tc.text)
			if m != nil {
				t.Fatalf("answered at once: %q", m.Text)
			}
			whole := &slackui.Intent{
				V: slackui.Version, Key: "7.8.9", Verb: tc.want.Verb, Chat: tc.want.Chat, To: tc.want.To, Person: tc.want.Person, Team: "T0TEAM", User: "U0ADA",
				Channel: "C0SUPPORT", Command: "/invent", ResponseURL: "https://hooks.slack.com/commands/T0TEAM/1/x", Sent: noon,
			}
			if d := cmp.Diff(whole, i); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
}

func TestCommandsThatAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	const (
		list     = "What you can type:"
		which    = "Which conversation?"
		noID     = "That isn't the id of a conversation."
		foreign  = "That link doesn't lead to a conversation in your Invent dashboard."
		tooMany  = "That's too many words, so nothing was done."
		whom     = "Who do you mean?"
		nobody   = "I can't tell who that is."
		member   = "Which member in Invent?"
		unpicked = "That name arrived as plain text"
	)
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", list},
		{"white space", " \u00a0\n", list},
		{"help", "help", list},
		{"help, shouted", "HELP me", list},
		{"an emoji", "🦊", "I don't know “🦊”."},
		{"from right to left", "خذ chat_1", "I don't know “خذ”."},
		{"a turn of direction", "\u202ekoob", "I don't know “koob”."},
		{"an angle", "a&lt;b", "I don't know “a&lt;b”."},
		{"a call for everybody", "<!channel>", "I don't know “&lt;!channel&gt;”."},
		{"a very long word", strings.Repeat("x", 3000), "I don't know “" + strings.Repeat("x", 39) + "…”."},
		{"half a character", "\xff\xfe", list},
		{"an id without a command", "chat_1", "I don't know “chat_1”."},

		{"queue of somebody", "queue <@U123|ada>", tooMany},
		{"mine of somebody", "mine <@U123|ada>", tooMany},
		{"route without a conversation", "route", which},
		{"assign without anything", "assign", which},
		{"release without a conversation", "unassign", which},
		{"show without a conversation", "show", which},
		{"a person instead of a conversation", "take <@U123|ada>", noID},
		{"a person before the conversation", "assign <@U123|ada> chat_1", noID},
		{"a plain name instead of a conversation", "take @ada", noID},
		{"a channel instead of a conversation", "take <#C1|general>", noID},
		{"a plain channel instead of a conversation", "take #general", noID},
		{"everybody instead of a conversation", "take <!channel>", noID},
		{"an e-mail instead of a conversation", "take <mailto:ada@example.com|ada@example.com>", noID},
		{"a phone number instead of a conversation", "take <tel:+4930123456|+49 30 123456>", noID},
		{"nothing between the angles", "take <>", noID},
		{"the folder", "take .", noID},
		{"the folder above", "take ..", noID},
		{"an id that is too long", "take " + strings.Repeat("x", 201), noID},
		{"an id with half a character", "take a\xffb", noID},
		{"an id with a control character", "take a\x00b", noID},

		{"a link of another host", "take <https://evil.example/o/inbox/chat_1>", foreign},
		{"a link whose host only begins alike", "take <https://useinvent.com.evil.example/o/inbox/chat_1>", foreign},
		{"a link with a user that looks like the host", "take <https://useinvent.com@evil.example/o/inbox/chat_1>", foreign},
		{"a link whose label is right", "take <https://evil.example/|https://useinvent.com/o/inbox/chat_1>", foreign},
		{"a link to another page", "take <https://useinvent.com/o/settings>", foreign},
		{"a link to the inbox", "take <https://useinvent.com/o/inbox/>", foreign},
		{"a link to nothing but a query", "take <https://useinvent.com/o/inbox/?chat_1>", foreign},
		{"a link to the folder above", "take <https://useinvent.com/o/inbox/..>", foreign},
		{"a link to the folder above, escaped", "take <https://useinvent.com/o/inbox/%2e%2e>", foreign},
		{"a link with a broken escape", "take <https://useinvent.com/o/inbox/a%zz>", foreign},
		{"half a link", "take <https://useinvent.com/o/inbox/chat_12", foreign},
		{"a link with half a character", "take <https://useinvent.com/o/inbox/%ff>", foreign},
		{"a link with an escaped line break", "take <https://useinvent.com/o/inbox/a%0Ab>", foreign},
		{"a link of another scheme", "take ftp://useinvent.com/o/inbox/chat_1", foreign},
		{"a link of http to another host", "take <http://evil.example/o/inbox/chat_1>", foreign},
		{"a link of http whose host only begins alike", "take <http://useinvent.com.evil.example/o/inbox/chat_1>", foreign},
		{"a link of http with a user that looks like the host", "take <http://useinvent.com@evil.example/o/inbox/chat_1>", foreign},
		{"a link of http to another port", "take <http://useinvent.com:8080/o/inbox/chat_1>", foreign},
		{"a link of http to the inbox", "take <http://useinvent.com/o/inbox/>", foreign},
		{"a link that holds the right one", "take <http://evil.example/https://useinvent.com/o/inbox/chat_1>", foreign},
		{"a link of two schemes", "take <http://https://useinvent.com/o/inbox/chat_1>", foreign},
		{"a link without a scheme that holds one", "take useinvent.com/o/inbox/chat_1?x=http://useinvent.com", foreign},
		{"a scheme that only begins alike", "take httpsx://useinvent.com/o/inbox/chat_1", foreign},
		{"a scheme that only ends alike", "take xhttps://useinvent.com/o/inbox/chat_1", foreign},
		{"a script", "take javascript://useinvent.com/o/inbox/chat_1", foreign},

		{"one word too many", "take chat_1 please", tooMany},
		{"three words too many", "release chat_1 as fast as", tooMany},
		{"three words too many after a person", "assign chat_1 to <@U123|ada> and <@U124|grace>", tooMany},
		{"a person's id that no button has room for", "assign chat_1 <@U" + strings.Repeat("1", 3000) + ">", nobody},
		{"a full name", "assign chat_1 to Ada Lovelace", nobody},
		{"a conversation twice", "show chat_1 chat_2", tooMany},

		{"assign without a person", "assign chat_1", whom},
		{"assign to", "assign chat_1 to", whom},
		{"assign to to", "assign chat_1 to to", nobody},
		{"a first name", "assign chat_1 Ada", nobody},
		{"a channel instead of a person", "assign chat_1 <#C1|general>", nobody},
		{"a group instead of a person", "assign chat_1 <!subteam^S1|@support>", nobody},
		{"everybody instead of a person", "assign chat_1 <!channel>", nobody},
		{"a person with a broken id", "assign chat_1 <@u123|ada>", nobody},
		{"an e-mail without a host", "assign chat_1 ada@", nobody},
		{"an e-mail without a dot", "assign chat_1 ada@example", nobody},
		{"an e-mail with two hosts", "assign chat_1 ada@a.b@c.d", nobody},
		{"an e-mail with half a character", "assign chat_1 ada\xff@example.com", nobody},
		{"an e-mail with a control character", "assign chat_1 ada\x01@example.com", nobody},
		{"an e-mail that turns the text", "assign chat_1 ada\u202e@example.com", nobody},
		{"an e-mail that is too long", "assign chat_1 " + strings.Repeat("x", 250) + "@b.cd", nobody},
		{"somebody's web site", "assign chat_1 <https://ada.example|Ada>", nobody},
		{"an emoji instead of a person", "assign chat_1 🦊", nobody},
		{"history without a conversation", "history", which},
		{"whoami of somebody", "whoami <@U123|ada>", tooMany},
		{"links of somebody", "links <@U123|ada>", tooMany},
		{"link without a person", "link", whom},
		{"link of an e-mail without a person", "link ada@example.com mem_1", nobody},
		{"link without a member", "link <@U123|ada>", member},
		{"link to another person", "link <@U123|ada> <@U124|grace>", member},
		{"link to an e-mail without a host", "link <@U123|ada> ada@", member},
		{"link to the folder above", "link <@U123|ada> ..", member},
		{"link to two members", "link <@U123|ada> mem_1 mem_2", tooMany},
		{"link of a name that wasn't escaped", "link @ada mem_1", unpicked},
		{"unlink of an e-mail", "unlink ada@example.com", nobody},
		{"unlink of two", "unlink <@U123|ada> <@U124|grace>", tooMany},
		{"a name that wasn't escaped", "assign chat_1 @ada", unpicked},
		{"a name that wasn't escaped, with to", "assign chat_1 to @ada", unpicked},
		{"a full name that wasn't escaped", "assign chat_1 @ada lovelace", unpicked},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			i, m := parse(t, chatURL, "/support", tc.text)
			if i != nil {
				t.Fatalf("understood as %+v", i)
			}
			if !strings.HasPrefix(m.Text, tc.want) {
				t.Errorf("got %q, want it to begin with %q", m.Text, tc.want)
			}
			if tc.want != foreign && tc.want != unpicked && !strings.Contains(m.Text, "`/support ") {
				t.Errorf("the answer doesn't name the command as it was typed: %q", m.Text)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	t.Run("names each command that works, in the name under which it was asked", func(t *testing.T) {
		t.Parallel()
		text := said(t, "/support", "").Text
		for word := range slackui.CommandWords() {
			if !strings.Contains(text, "`/support "+word+" ") && !strings.Contains(text, "`/support "+word+"`") && !strings.Contains(text, "`"+word+"`") {
				t.Errorf("help doesn't name %s: %q", word, text)
			}
		}
		if strings.Contains(text, "/invent") || !strings.Contains(text, "`/support help`") {
			t.Errorf("help speaks of another command: %q", text)
		}
	})
	t.Run("says of what is off that it is off", func(t *testing.T) {
		t.Parallel()
		_, m, err := chatURL.ParseCommand([]byte(typedForm("/support", "").Encode()), noon, slackui.Assign)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(m.Text) {
			if got, want := strings.Contains(line, "_(off: "), strings.Contains(line, "/support assign "); got != want {
				t.Errorf("%q: off %v, want %v", line, got, want)
			}
		}
	})
	t.Run("names nothing that doesn't work", func(t *testing.T) {
		t.Parallel()
		text := said(t, "/support", "").Text
		for _, word := range []string{"mine", "queue", "whoami", "link", "unlink", "links", "history"} {
			if _, works := slackui.CommandWords()[word]; !works && strings.Contains(text, "/support "+word) {
				t.Errorf("help names %s: %q", word, text)
			}
		}
	})
	t.Run("offers the command that a mistyped one is nearest to", func(t *testing.T) {
		t.Parallel()
		for word, want := range map[string]string{
			"tkae": "take", "tak": "take", "rel": "release", "who": "whoami", "HIST": "history", "TAKEE": "take", "relese": "release", "asign": "assign", "unasign": "unassign", "shwo": "show", "stauts": "status",
			"dance": "", "x": "", "🦊🦊🦊🦊": "", "": "", "releaserelease": "", strings.Repeat("take", 1000): "",
		} {
			if got := slackui.Nearest(word); got != want {
				t.Errorf("%.20q is nearest to %q, want %q", word, got, want)
			}
		}
		if got, want := said(t, "/support", "relese chat_1").Text, "I don't know “relese”. Did you mean `/support release`?\n"; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want it to begin with %q", got, want)
		}
		if got := said(t, "/support", "dance chat_1").Text; strings.Contains(got, "Did you mean") {
			t.Errorf("guesses where nothing is near: %q", got)
		}
	})
	t.Run("escapes the command's own name", func(t *testing.T) {
		t.Parallel()
		if got := said(t, "/<!channel>", "").Text; strings.Contains(got, "<!channel>") {
			t.Errorf("calls everybody: %q", got)
		}
	})
}

func TestParseCommand(t *testing.T) {
	t.Parallel()
	t.Run("answers Slack's check of the certificate with nothing", func(t *testing.T) {
		t.Parallel()
		i, m, err := chatURL.ParseCommand([]byte("ssl_check=1&token=x"), noon)
		if i != nil || m != nil || err != nil {
			t.Errorf("got %v, %v, %v; want nothing", i, m, err)
		}
	})
	t.Run("keys an app that is installed for an organisation by the organisation", func(t *testing.T) {
		t.Parallel()
		form := typedForm("/invent", "take chat_1")
		form.Set("team_id", "")
		form.Set("enterprise_id", "E0ORG")
		i, _, err := chatURL.ParseCommand([]byte(form.Encode()), noon)
		if err != nil || i.Team != "E0ORG" || i.Enterprise != "E0ORG" {
			t.Errorf("got %+v and %v", i, err)
		}
	})
	for _, field := range []string{"command", "team_id", "user_id", "channel_id", "trigger_id"} {
		t.Run("refuses a request without "+field, func(t *testing.T) {
			t.Parallel()
			form := typedForm("/invent", "take chat_1")
			form.Del(field)
			if i, m, err := chatURL.ParseCommand([]byte(form.Encode()), noon); !errors.Is(err, slackui.ErrMalformed) || i != nil || m != nil {
				t.Errorf("got %v, %v, %v; want a malformed request", i, m, err)
			}
		})
	}
	for _, field := range []string{"text", "response_url", "token", "enterprise_id", "user_name"} {
		t.Run("does without "+field, func(t *testing.T) {
			t.Parallel()
			form := typedForm("/invent", "take chat_1")
			form.Del(field)
			if i, m, err := chatURL.ParseCommand([]byte(form.Encode()), noon); err != nil || (i == nil) != (field == "text") || (m == nil) == (field == "text") {
				t.Errorf("got %v, %v, %v", i, m, err)
			}
		})
	}
	for name, raw := range map[string]string{
		"an empty body": "", "a broken form": "command=%zz", "a form with a broken end": typedForm("/invent", "take chat_1").Encode() + "&x=%zz", "JSON": `{"command":"/invent"}`, "semicolons": "a;b=c", "ssl_check of another value": "ssl_check=0",
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			if i, m, err := chatURL.ParseCommand([]byte(raw), noon); !errors.Is(err, slackui.ErrMalformed) || i != nil || m != nil {
				t.Errorf("got %v, %v, %v; want a malformed request", i, m, err)
			}
		})
	}
}

func TestAConversationsLinkLeadsBackToIt(t *testing.T) {
	t.Parallel()
	for _, at := range []slackui.ChatURL{
		chatURL, "https://support.example.com/app?chat={chat_id}&x=1", "https://support.example.com/c/{chat_id}/messages", "https://support.example.com/#/{chat_id}",
		"https://support.example.com/{chat_id}.html",
	} {
		for _, n := range tempers {
			link := at.For(n.chat)
			if u, err := url.Parse(link); err != nil || strings.ContainsAny(link, " <>\"") {
				t.Errorf("%s: %q is no link (%v, %v)", at, link, u, err)
			}
			i, m := parse(t, at, "/invent", "take <"+strings.ReplaceAll(link, "&", "&amp;")+">")
			if m != nil || i.Chat != n.chat {
				t.Errorf("%s: the link of %.30q is read as %+v, %+v", at, n.chat, i, m)
			}
		}
	}
}
