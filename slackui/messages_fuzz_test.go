package slackui_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"inventbot/bot/slacktest"
	"inventbot/slackui"
)

// FuzzMessages: whatever people, customers and conversations are called, Slack takes each card and each message, and finds
// nothing in them that isn't escaped.
func FuzzMessages(f *testing.F) {
	for _, n := range tempers {
		f.Add(n.customer, n.holder, n.assistant, n.chat, n.member, n.email)
	}
	f.Fuzz(func(t *testing.T, customer, holder, assistant, chat, member, email string) {
		n := names{customer, holder, assistant, chat, member, email}
		for _, s := range []*string{&n.customer, &n.holder, &n.assistant, &n.member, &n.email} {
			*s = strings.ToValidUTF8(*s, "\uFFFD") // as decoding JSON does
		}
		if !slackui.ValidChat(chat) || len(n.member) > 255 || len(n.email) > 255 || len(n.customer) > 20_000 {
			return // ids are the bot's own or Invent's; the rest is anybody's
		}
		for name, c := range n.cards() {
			m := c.Message()
			if size := utf8.RuneCountInString(m.Text); size > 4000 {
				t.Errorf("card %s: a text of %d characters, which chat.update refuses", name, size)
			}
			taken(t, "card "+name, m)
		}
		for name, m := range n.messages(t) {
			taken(t, name, m)
		}
	})
}

// taken wants a message that Slack takes and that a careful bot sends.
func taken(t *testing.T, name string, m slackui.Message) {
	t.Helper()
	if !utf8.ValidString(m.Text) {
		t.Errorf("%s: a text that isn't UTF-8: %q", name, m.Text)
	}
	for _, complaint := range slacktest.CheckMessage(encode(t, m)) {
		t.Errorf("%s: %s", name, complaint)
	}
}
