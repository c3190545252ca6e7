package slackui

import (
	"encoding/json"
	"errors"
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
			fit(t, Refused(i.Verb, NoSuchMember, i.about(), false))
			return
		}
		// What it will say of itself fits too, and its buttons come back as they went out.
		h := Holder{ID: "mem_grace", Name: text}
		late := Late(i, h, Card{}.Chat.State, time.Unix(0, 0))
		fit(t, late)
		fit(t, Failed(NotFound, i, "0a1b2c3d"))
		fit(t, Refused(i.Verb, NotLinked, i.about(), true))
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
			if id, ok := at.chat(s); ok && !validChat(id) {
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
	if !slices.Contains([]Verb{Take, Assign, Release, Show, Refresh, Share, Leave, Tell, History, Route, Queue, Mine, Whoami, Link, Agree, Decline, Unlink, Links}, i.Verb) {
		t.Fatalf("an unknown verb: %+v", i)
	}
	if (i.Verb == Tell) != (i.Problem != "") || i.Verb.OfChat() != validChat(i.Chat) || (i.Verb == Assign || i.Verb == Link) != (i.To != nil) || i.Page < 0 {
		t.Fatalf("it can't be carried out: %+v", i)
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
