package slacktest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestCheckBlocks(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("ü", n) }
	section := func(text string) string {
		return fmt.Sprintf(`[{"type":"section","text":{"type":"mrkdwn","text":%q}}]`, text)
	}
	button := func(more string) string {
		return `[{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"B"}` + more + `}]}]`
	}
	repeat := func(n int, one string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
	}
	const (
		plain   = `{"type":"plain_text","text":"x"}`
		option  = `{"text":{"type":"plain_text","text":"x"},"value":"v"}`
		divider = `{"type":"divider"}`
	)
	for _, tc := range []struct {
		name, kind, blocks string
		want               string // empty: nothing is wrong
	}{
		{"a card", "message", card, ""},
		{"50 blocks", "message", repeat(50, divider), ""},
		{"51 blocks", "message", repeat(51, divider), "51 blocks, at most 50"},
		{"100 in a modal", "modal", repeat(100, divider), ""},
		{"101 in the Home tab", "home", repeat(101, divider), "at most 100"},
		{"no array", "message", `{}`, "no JSON array"},
		{"an unknown block", "message", `[{"type":"carousel"}]`, "unknown block type"},
		{"an unknown property", "message", `[{"type":"divider","colour":"red"}]`, `no property "colour"`},
		{"3000 characters, not bytes", "message", section(long(3000)), ""},
		{"3001 characters", "message", section(long(3001)), "3001 characters, at most 3000"},
		{"empty text", "message", section(""), "empty"},
		{"a section of nothing", "message", `[{"type":"section"}]`, "neither text nor fields"},
		{"11 fields", "message", `[{"type":"section","fields":` + repeat(11, plain) + `}]`, "11 elements"},
		{"a long field", "message", `[{"type":"section","fields":[{"type":"plain_text","text":"` + long(2001) + `"}]}]`, "at most 2000"},
		{"a header in mrkdwn", "message", `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "must be plain_text"},
		{"a long header", "message", `[{"type":"header","text":{"type":"plain_text","text":"` + long(151) + `"}}]`, "at most 150"},
		{"11 in a context", "message", `[{"type":"context","elements":` + repeat(11, plain) + `}]`, "11 elements"},
		{"an empty context", "message", `[{"type":"context","elements":[]}]`, "0 elements"},
		{"a button in a context", "message", `[{"type":"context","elements":[{"type":"button"}]}]`, "unknown text type"},
		{"26 actions", "message", `[{"type":"actions","elements":` + repeat(26, `{}`) + `}]`, "26 elements"},
		{"a button", "message", button(`,"value":"` + long(2000) + `","style":"danger","url":"https://a.test/x"`), ""},
		{"a long value", "message", button(`,"value":"` + long(2001) + `"`), "at most 2000"},
		{"a style of its own", "message", button(`,"style":"default"`), "not primary or danger"},
		{"no URL", "message", button(`,"url":"chat_1"`), "not a URL"},
		{"a long URL", "message", button(`,"url":"https://a.test/` + long(3000) + `"`), "at most 3000"},
		{"a long label for screen readers", "message", button(`,"accessibility_label":"` + long(76) + `"`), "at most 75"},
		{"a long label", "message", `[{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"` + long(76) + `"}}]}]`, "at most 75"},
		{"a button without action_id", "message", `[{"type":"actions","elements":[{"type":"button","text":` + plain + `}]}]`, "can't be told apart"},
		{"a confirm dialog", "message", button(`,"confirm":{"title":` + plain + `,"text":` + plain + `,"confirm":` + plain + `,"deny":` + plain + `}`), ""},
		{"a confirm dialog in mrkdwn", "message", button(`,"confirm":{"title":` + plain + `,"text":{"type":"mrkdwn","text":"x"},"confirm":` + plain + `,"deny":` + plain + `}`), "shown as it is"},
		{"half a confirm dialog", "message", button(`,"confirm":{"title":` + plain + `,"text":` + plain + `,"confirm":` + plain + `}`), "deny: missing"},
		{"a long confirm", "message", button(`,"confirm":{"title":{"type":"plain_text","text":"` + long(101) + `"},"text":` + plain + `,"confirm":` + plain + `,"deny":` + plain + `}`), "at most 100"},
		{"an action_id twice", "message", `[{"type":"actions","elements":` + repeat(2, `{"type":"button","action_id":"a","text":`+plain+`}`) + `}]`, "there twice in one block"},
		{"an action_id in two blocks", "message", `[` + button("")[1:len(button(""))-1] + `,` + button("")[1:], ""},
		{"a block_id twice", "message", repeat(2, `{"type":"divider","block_id":"d"}`), "there twice"},
		{"a long block_id", "message", `[{"type":"divider","block_id":"` + long(256) + `"}]`, "at most 255"},
		{"six options in an overflow", "message", `[{"type":"actions","elements":[{"type":"overflow","action_id":"a","options":` + repeat(6, option) + `}]}]`, "6 elements"},
		{"101 options", "message", `[{"type":"actions","elements":[{"type":"static_select","action_id":"a","options":` + repeat(101, option) + `}]}]`, "101 elements"},
		{"an initial option of none", "message", `[{"type":"actions","elements":[{"type":"static_select","action_id":"a","options":[` + option + `],"initial_option":{"text":` + plain + `,"value":"w"}}]}]`, "none of the options"},
		{"an input among actions", "message", `[{"type":"actions","elements":[{"type":"plain_text_input","action_id":"a"}]}]`, "not in a block of type actions"},
		{"an input", "modal", `[{"type":"input","label":` + plain + `,"element":{"type":"plain_text_input","action_id":"a","multiline":true}}]`, ""},
		{"an input without label", "modal", `[{"type":"input","element":{"type":"plain_text_input","action_id":"a"}}]`, "label: missing"},
		{"an image without words", "message", `[{"type":"image","image_url":"https://a.test/x.png"}]`, "alt_text: missing"},
		{"an unknown element", "message", `[{"type":"actions","elements":[{"type":"slider"}]}]`, "unknown element type"},
		{"markdown in a modal", "modal", `[{"type":"markdown","text":"x"}]`, "only in messages"},
		{"not an object", "message", `[1]`, "not an object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want(t, said(checkBlocks(tc.kind, json.RawMessage(tc.blocks))), tc.want)
		})
	}
}

func want(t *testing.T, got []string, one string) {
	t.Helper()
	all := strings.Join(got, "\n")
	if one == "" && len(got) > 0 {
		t.Errorf("refused:\n%s", all)
	}
	if !strings.Contains(all, one) || one != "" && len(got) == 0 {
		t.Errorf("problems %q, want %q", got, one)
	}
}

func TestCheckEscaping(t *testing.T) {
	t.Parallel()
	for text, problem := range map[string]string{
		"plain ünicode 🎉": "",
		"a &amp; b &lt;c&gt; <@U1> <@U1|ada> <#C1|support> <!subteam^S1> <https://a.test/?x=1&amp;y=2|a link> <mailto:a@b.c|a>": "",
		"<!date^1700000000^{date_short_pretty} {time}|then>":                                                                    "",
		"> quoted\n>> more":      "",
		"AT&T":                   "an & that is not escaped",
		"&nbsp;":                 "an & that is not escaped",
		"1 < 2":                  "a < that is not escaped",
		"a -> b":                 "a > that is not escaped",
		"<b>":                    "a < that is not escaped",
		"<javascript:alert|x>":   "a < that is not escaped",
		"<!channel>":             "notifies everybody",
		"hi <!here|here>":        "notifies everybody",
		"<!everyone>":            "notifies everybody",
		"<!date^x^{time}|then>":  "a < that is not escaped",
		"<https://a.test|AT&T>":  "in a label",
		"<@ada>":                 "a < that is not escaped",
		"<@U1|<!channel>>":       "notifies everybody",
		"&lt;!channel&gt; &amp;": "",
	} {
		raw, _ := json.Marshal(map[string]any{"text": text})
		want(t, CheckMessage(raw), problem)
		raw, _ = json.Marshal([]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}}})
		want(t, said(checkBlocks("message", raw)), problem)
		raw, _ = json.Marshal([]any{map[string]any{"type": "section", "text": map[string]any{"type": "plain_text", "text": text}}})
		want(t, said(checkBlocks("message", raw)), "")
	}
}

func TestCheckMessage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ raw, want string }{
		"text":                         {`{"text":"x"}`, ""},
		"text and blocks":              {`{"text":"x","blocks":` + card + `}`, ""},
		"blocks without text":          {`{"blocks":` + card + `}`, "screen readers"},
		"neither":                      {`{"blocks":[]}`, "neither text nor blocks"},
		"40000 characters":             {`{"text":"` + strings.Repeat("ü", 40000) + `"}`, ""},
		"40001 characters":             {`{"text":"` + strings.Repeat("ü", 40001) + `"}`, "at most 40000"},
		"no object":                    {`7`, "message: "},
		"bad blocks in an attachment":  {`{"text":"x","attachments":[{"blocks":[{"type":"x"}]}]}`, "attachments[0].blocks[0]"},
		"escaped once is not too much": {`{"text":"&amp;lt;"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, CheckMessage(json.RawMessage(tc.raw)), tc.want)
		})
	}
}

func TestCheckView(t *testing.T) {
	t.Parallel()
	modal := func(title, more string) string {
		return `{"type":"modal","title":{"type":"plain_text","text":"` + title + `"}` + more + `}`
	}
	const input = `[{"type":"input","label":{"type":"plain_text","text":"x"},"element":{"type":"plain_text_input","action_id":"a"}}]`
	for name, tc := range map[string]struct{ raw, want string }{
		"a modal":                {modal("x", `,"blocks":[]`), ""},
		"a Home tab":             {`{"type":"home","blocks":[]}`, ""},
		"a titled Home tab":      {`{"type":"home","title":{"type":"plain_text","text":"x"},"blocks":[]}`, `no property "title"`},
		"a long title":           {modal(strings.Repeat("x", 25), `,"blocks":[]`), "at most 24"},
		"no blocks":              {modal("x", ``), "blocks: missing"},
		"an input, no submit":    {modal("x", `,"blocks":`+input), "submit: missing"},
		"an input and submit":    {modal("x", `,"submit":{"type":"plain_text","text":"x"},"blocks":`+input), ""},
		"long private_metadata":  {modal("x", `,"blocks":[],"private_metadata":"`+strings.Repeat("x", 3001)+`"`), "at most 3000"},
		"another type":           {`{"type":"dialog"}`, "not modal or home"},
		"no object":              {`[]`, "no JSON object"},
		"what is in its blocks":  {modal("x", `,"blocks":[{"type":"header"}]`), "text: missing"},
		"escaping in its blocks": {modal("x", `,"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"a & b"}}]`), "not escaped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, CheckView(json.RawMessage(tc.raw)), tc.want)
		})
	}
}
