package slackui

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var seeds = []string{
	"", "Jane Doe", "<!channel>", "&amp;", "a&b<c>d", "مريم\u202e", "👩‍🚀👩‍🚀", "\xff\xfe", "\x00\n\u2028", strings.Repeat("&", 300), strings.Repeat("é", 300), " … ",
}

var entity = regexp.MustCompile(`&(amp|lt|gt);`)

func FuzzEscape(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, uint16(i*20))
	}
	f.Fuzz(func(t *testing.T, s string, most uint16) {
		n := int(most%textLimit) + 1
		got := escape(s, n)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > n {
			t.Fatalf("escape(%q, %d) = %q: %d characters", s, n, got, utf8.RuneCountInString(got))
		}
		if bare := entity.ReplaceAllString(got, ""); strings.ContainsAny(bare, "&<>") {
			t.Fatalf("escape(%q, %d) = %q: not escaped, or half an entity", s, n, got)
		}
		harmless(t, got)
		if whole := unescaper.Replace(got); utf8.RuneCountInString(escaper.Replace(tame(s))) <= n && whole != tame(s) {
			t.Fatalf("escape(%q, %d) = %q reads %q, want %q", s, n, got, whole, tame(s))
		} else if cut, ok := strings.CutSuffix(whole, "…"); !strings.HasPrefix(tame(s), whole) && (!ok || !strings.HasPrefix(tame(s), cut)) {
			t.Fatalf("escape(%q, %d) = %q, which isn't its beginning", s, n, got)
		}
	})
}

func FuzzPlain(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, uint16(i*20))
	}
	f.Fuzz(func(t *testing.T, s string, most uint16) {
		n := int(most%textLimit) + 1
		got := plain(s, n)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > n {
			t.Fatalf("plain(%q, %d) = %q: %d characters", s, n, got, utf8.RuneCountInString(got))
		}
		harmless(t, got)
		if cut, ok := strings.CutSuffix(got, "…"); got != tame(s) && (!ok || !strings.HasPrefix(tame(s), cut) || utf8.RuneCountInString(got) != n) {
			t.Fatalf("plain(%q, %d) = %q, which isn't its beginning", s, n, got)
		}
	})
}

func FuzzLines(f *testing.F) {
	for i, s := range seeds {
		f.Add(s+"\n"+s, uint16(i*20))
	}
	f.Fuzz(func(t *testing.T, s string, most uint16) {
		n := int(most%textLimit) + 1
		got := lines(s, n)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > n {
			t.Fatalf("lines(%q, %d) = %q: %d characters", s, n, got, utf8.RuneCountInString(got))
		}
		for line := range strings.SplitSeq(got, "\n") {
			harmless(t, line)
		}
		whole := lines(s, utf8.RuneCountInString(s)+1)
		if cut, ok := strings.CutSuffix(got, "…"); got != whole && (!ok || !strings.HasPrefix(whole, cut) || utf8.RuneCountInString(got) != n) {
			t.Fatalf("lines(%q, %d) = %q, which isn't its beginning", s, n, got)
		}
	})
}

// harmless fails for what would turn or break the line around it.
func harmless(t *testing.T, s string) {
	t.Helper()
	if strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsAny(s, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029") {
		t.Fatalf("%q isn't harmless", s)
	}
}

const fuzzURL = ChatURL("https://useinvent.com/o/inbox/{chat_id}")

// FuzzCommandLine: whatever is typed is understood whole, or answered with words that Slack takes.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{
		"take chat_1", "assign chat_1 to <@U123|ada>", "assign x me", "release <https://useinvent.com/o/inbox/chat_1|a b>", "show a&amp;b", "help", "tkae", "assign a ada@example.com",
		"assign a <mailto:a@b.c|a@b.c>", "take <!channel>", "take ..", "<@U1>", "link <@U1|a> mem_1", "unlink <@U1>", "whoami", "history chat_1", "take \xff",
	} {
		f.Add(s, "/invent")
	}
	f.Fuzz(func(t *testing.T, text, command string) {
		form := url.Values{"team_id": {"T"}, "user_id": {"U0ADA"}, "channel_id": {"C"}, "trigger_id": {"1"}, "command": {"/" + command}, "text": {text}}
		read, answer, err := fuzzURL.ParseCommand([]byte(form.Encode()), time.Unix(0, 0))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if answer != nil {
			fit(t, *answer)
			return
		}
		i := *read
		if !slices.Contains([]Verb{Take, Assign, Release, Show, History, Route, Queue, Mine, Whoami, Link, Unlink, Links}, i.Verb) || i.Verb.OfChat() != validChat(i.Chat) {
			t.Fatalf("%q: %+v", text, i)
		}
		if (i.Verb == Assign || i.Verb == Link) != (i.To != nil) || (i.Verb == Link) && i.Person == "" {
			t.Fatalf("%q: %+v is for %+v", text, i, i.To)
		}
		if i.To != nil {
			named := 0
			for _, s := range []string{i.To.User, i.To.Email, i.To.Member} {
				if s != "" {
					named++
				}
				if !utf8.ValidString(s) {
					t.Fatalf("%q: not UTF-8: %q", text, s)
				}
			}
			if named != 1 || i.Verb == Assign && i.To.Member != "" || i.Verb == Link && i.To.User != "" {
				t.Fatalf("%q is for %+v", text, i.To)
			}
		}
		if !i.Verb.OfChat() {
			fit(t, Refused("/invent", i.Verb, NoSuchMember, i.about(), false))
			return
		}
		// What it will say of itself fits too, and its buttons come back as they went out.
		h := Holder{ID: "mem_grace", Name: text}
		late := Late(i, h, Card{}.Chat.State, time.Unix(0, 0))
		fit(t, late)
		fit(t, Failed(NotFound, i, "0a1b2c3d", ""))
		fit(t, Refused("/invent", i.Verb, NotLinked, i.about(), true))
		v := value{Chat: i.Chat, Seen: &h.ID, To: i.To}.String()
		if n := utf8.RuneCountInString(v); n > 2000 {
			t.Fatalf("a button's value of %d characters", n)
		}
		back := Intent{Verb: i.Verb}
		back.readValue(v)
		if i.Verb != Assign {
			i.To = nil
		}
		if back.Retired || back.Problem != "" || back.Chat != i.Chat || *back.Seen != h.ID || i.To != nil && *back.To != *i.To {
			t.Fatalf("%+v came back as %+v", i, back)
		}
	})
}

func (i Intent) about() string {
	if i.To == nil {
		return ""
	}
	return i.To.Email + i.To.Member
}

// fit fails for words that Slack wouldn't take, or that weren't escaped.
func fit(t *testing.T, m Message) {
	t.Helper()
	if !utf8.ValidString(m.Text) || utf8.RuneCountInString(m.Text) > textLimit || m.Text == "" {
		t.Fatalf("%d characters: %q", utf8.RuneCountInString(m.Text), m.Text)
	}
	bare := entity.ReplaceAllString(m.Text, "")
	bare = regexp.MustCompile(`<@[UW][A-Z0-9]+>|<!date\^-?\d+\^[^<>|]+\|[^<>|]+>`).ReplaceAllString(bare, "")
	if strings.ContainsAny(bare, "&<>") {
		t.Fatalf("not escaped: %q", m.Text)
	}
}

// FuzzConversationLink: what is read out of a link is an id, and an id's own link leads back to it.
func FuzzConversationLink(f *testing.F) {
	for _, s := range []string{"chat_1", "a/b?c#d%e&f", "https://useinvent.com/o/inbox/chat_1?x#y", "..", "%2e%2e", "a+b", "<>", "ü"} {
		f.Add(s)
	}
	templates := []ChatURL{fuzzURL, "https://support.example.com/app?chat={chat_id}&x=1", "https://a.example/c/{chat_id}/messages", "https://a.example/#/{chat_id}", "no place", ""}
	f.Fuzz(func(t *testing.T, s string) {
		for _, at := range templates {
			if id, ok := at.chat(s); ok && (!validChat(id) || !strings.Contains(string(at), "{chat_id}")) {
				t.Fatalf("%s: %q leads to %q", at, s, id)
			}
			id, problem := at.conversation(s)
			if (problem == "") != (id != "") || problem == "" && !validChat(id) {
				t.Fatalf("%s: %q is %q, %q", at, s, id, problem)
			}
			if !validChat(s) || !strings.Contains(string(at), "{chat_id}") {
				continue
			}
			if id, ok := at.chat(at.For(s)); !ok || id != s {
				t.Fatalf("%s: %q leads to %q, %v", at, at.For(s), id, ok)
			}
			if strings.ContainsFunc(at.For(s), unicode.IsSpace) || strings.ContainsAny(at.For(s), "<>|\"") {
				t.Fatalf("%s: not a link: %q", at, at.For(s))
			}
		}
	})
}

func FuzzParseInteraction(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", "[]", `{"type":"view_submission"}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":null,"enterprise":{"id":"E"},"actions":[{"action_id":"take","value":"{\"v\":1,\"chat\":\"c\",\"seen\":\"\"}","action_ts":"1.5"}]}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"actions":[{"action_id":"assign","value":"{\"v\":1,\"chat\":\"c\",\"seen\":\"\",\"to\":{\"u\":\"U1\"}}"}]}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"actions":[{"action_id":"take","value":"x","action_ts":"99999999999999"}]}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"view":{"id":"V","type":"modal"},"actions":[{"action_id":"turn:1","value":"{\"v\":1,\"page\":2,\"below\":1}"}]}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"actions":[{"action_id":"undo","action_ts":"1.5","value":"{\"v\":1,\"chat\":\"c\",\"seen\":\"\",\"until\":9}"}]}`,
		`{"type":"block_actions","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"actions":[{"action_id":"resolve","value":"{\"v\":1,\"chat\":\"c\",\"seen\":\"m\",\"list\":\"queue\",\"fixed\":true}"}]}`,
		`{"type":"view_submission","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"view":{"callback_id":"assign_form","private_metadata":"{\"v\":1,\"chat\":\"c\",\"seen\":\"\"}",` +
			`"state":{"values":{"who":{"who_pick":{"selected_option":{"value":"m:mem_1"}}},"note":{"note_text":{"value":"please"}}}}}}`,
		`{"type":"view_submission","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"view":{"callback_id":"paste_form","private_metadata":"{\"v\":1}",` +
			`"state":{"values":{"which":{"which_text":{"value":" chat_1 "}}}}}}`,
		`{"type":"view_submission","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"view":{"callback_id":"assign_form","private_metadata":"{}","state":{"values":[]}}}`,
		`{"type":"shortcut","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"callback_id":"take_one"}`,
		`{"type":"message_action","trigger_id":"1","user":{"id":"U"},"team":{"id":"T"},"callback_id":"work_on","message":{"text":"see chat_1 and <https://useinvent.com/o/inbox/chat_2|it>","blocks":[{"text":{"text":"` + "`chat_3`" + `"}}]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		i, err := fuzzURL.ParseInteraction([]byte(url.Values{"payload": {payload}}.Encode()), time.Unix(1772452800, 0))
		if err != nil {
			if i != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%+v, %v", i, err)
			}
			return
		}
		if i != nil {
			sound(t, i)
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{
		"", "ssl_check=1", "command=/invent&team_id=T&user_id=U&channel_id=C&trigger_id=1&text=take+chat_1", "text=%zz", "a;b",
		"command=/invent&enterprise_id=E&user_id=U&channel_id=C&trigger_id=1&text=assign+x+to+%3C%40U1%7Ca%3E",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		i, m, err := fuzzURL.ParseCommand([]byte(body), time.Unix(1772452800, 0))
		switch {
		case err != nil:
			if i != nil || m != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%+v, %+v, %v", i, m, err)
			}
		case m != nil:
			if i != nil {
				t.Fatalf("%+v and %+v", i, m)
			}
			fit(t, *m)
		case i != nil:
			sound(t, i)
		}
	})
}

// sound fails for an intent that a worker couldn't rely on.
func sound(t *testing.T, i *Intent) {
	t.Helper()
	if i.V != Version || i.Key == "" || i.Team == "" || i.User == "" {
		t.Fatalf("incomplete: %+v", i)
	}
	verbs := append(slices.Clone(clickable), slices.Collect(maps.Values(CommandWords()))...)
	if !slices.Contains(append(verbs, Tell, Paste, Pick, Which, Unfold, Home, Greet), i.Verb) {
		t.Fatalf("an unknown verb: %+v", i)
	}
	if (i.Verb == Tell) != (i.Problem != "") || i.Verb != Tell && i.Verb.OfChat() != validChat(i.Chat) || i.Page < 0 || i.Below < 0 {
		t.Fatalf("it can't be carried out: %+v", i)
	}
	if (i.Verb == Assign || i.Verb == Link) && i.To == nil || i.To != nil && i.Verb != Assign && i.Verb != Link && i.Verb != Undo && i.Verb != Tell {
		t.Fatalf("%s for %+v: %+v", i.Verb, i.To, i)
	}
	if n := len(i.Chats); (i.Verb == Which) != (n > 0) || n > found {
		t.Fatalf("%d conversations: %+v", n, i)
	}
	if i.Command == "" && i.Verb.Changes() && i.Seen == nil {
		t.Fatalf("a click that saw nothing: %+v", i)
	}
	text, err := json.Marshal(i)
	if err != nil {
		t.Fatalf("%+v: %v", i, err)
	}
	var back Intent
	if err := json.Unmarshal(text, &back); err != nil || !back.Sent.Equal(i.Sent) {
		t.Fatalf("%s: %v", text, err)
	}
}

// FuzzParseEvent: an event asks for what can be carried out, for nothing, or is refused.
func FuzzParseEvent(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", "[]", `{"type":"url_verification","challenge":"x"}`, `{"type":"event_callback","event":[]}`,
		`{"type":"event_callback","team_id":"T","event_id":"Ev1","event_time":1772452800,"event":{"type":"app_home_opened","user":"U","tab":"home","view":{"hash":"1.a"}}}`,
		`{"type":"event_callback","team_id":"T","event_id":"Ev1","event_time":99999999999999,"event":{"type":"app_home_opened","user":"U"}}`,
		`{"type":"event_callback","enterprise_id":"E","event_id":"Ev1","event_time":-1,"event":{"type":"app_home_opened","user":"U","tab":"messages"}}`,
		`{"type":"event_callback","team_id":"T","event_id":"Ev1","event_time":1,"event":{"type":"link_shared","user":"U","channel":"C","message_ts":"1.2",` +
			`"links":[{"url":"https://useinvent.com/o/inbox/chat_1"},{"url":"https://useinvent.com/o/inbox/chat_1?x#y"},{"url":"https://example.com/"}]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		e, err := fuzzURL.ParseEvent([]byte(body))
		if err != nil {
			if len(e.Intents) > 0 || e.Challenge != "" || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		keys := map[string]bool{}
		for n := range e.Intents {
			i := &e.Intents[n]
			sound(t, i)
			if keys[i.Key] || !i.Verb.Inner() || len(e.Intents) > linksUnfolded {
				t.Fatalf("%d intents, among them %+v", len(e.Intents), i)
			}
			keys[i.Key] = true
		}
	})
}

// FuzzParseQuery: whatever is searched for, the answer is one that Slack takes.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", `{"type":"block_suggestion","action_id":"other"}`,
		`{"type":"block_suggestion","action_id":"who_pick","value":"Ada <","user":{"id":"U"},"team":{"id":"T"}}`,
		`{"type":"block_suggestion","action_id":"who_pick","value":"","user":{"id":"U"},"team":null,"enterprise":{"id":"E"}}`,
	} {
		f.Add(s, "Ada", "ada@example.com", uint16(3))
		f.Add(s, strings.Repeat("é\"", 200), "", uint16(500))
	}
	f.Fuzz(func(t *testing.T, payload, name, email string, people uint16) {
		q, err := ParseQuery([]byte(url.Values{"payload": {payload}}.Encode()))
		if err != nil || q == nil {
			if q != nil || err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatalf("%+v, %v", q, err)
			}
			return
		}
		all := make([]Choice, people%1000)
		for n := range all {
			all[n] = Choice{Member: strings.Repeat("m", n), Name: name, Email: email, NotOnSlack: n%3 == 0}
		}
		answer := Whom(*q, "mm", all)
		text, err := json.Marshal(answer)
		if err != nil || answer.Options == nil || len(answer.Options) > optionLimit || len(compact(answer)) > 20_000 {
			t.Fatalf("%d options in %d bytes, %v", len(answer.Options), len(text), err)
		}
		for _, o := range answer.Options {
			if n := utf8.RuneCountInString(o.Text.Text); n < 1 || n > 75 || len(o.Value) > 75 || o.Description != nil && utf8.RuneCountInString(o.Description.Text) > 75 {
				t.Fatalf("Slack wouldn't take %q, %q, %+v", o.Value, o.Text.Text, o.Description)
			}
			harmless(t, o.Text.Text)
		}
	})
}
