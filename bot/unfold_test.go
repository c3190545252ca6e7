package bot_test

import (
	"context"
	"strings"
	"testing"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent/inventtest"
)

const link = "https://useinvent.com/o/inbox/"

func TestLinksUnfold(t *testing.T) {
	t.Parallel()
	t.Run("to the card, with the same buttons, which stays true", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		m := w.ada.Says(w.support, "look at "+link+"chat_1?tab=1 please")
		m = w.support.ExpectUnfurl(m, link+"chat_1?tab=1", "Jane Doe", "Nobody", "Take", "Assign…")
		w.acknowledged(w.grace.Clicks(m.Unfurled(link + "chat_1?tab=1")[0]))
		m = w.support.ExpectUnfurl(m, link+"chat_1?tab=1", "@grace", "Take over")
		w.wrote("chat_1 mem_grace")
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 to @ada"))
		late := w.ada.ExpectPrivate(w.support, "Grace has", "Take over")
		w.acknowledged(w.ada.Press(late, "Take over"))
		w.support.ExpectMessage("@ada")
		w.ada.ExpectPrivate(w.support, "Back to Grace")
		w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		w.support.ExpectUnfurl(m, link+"chat_1?tab=1", "@ada")
	})
	t.Run("each once, at most five of a message, and none that isn't ours", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		var text []string
		for _, id := range []string{"chat_1", "chat_1?again", "chat_2", "chat_3", "chat_4", "chat_5", "chat_6", "chat_gone"} {
			if id != "chat_1" && !strings.Contains(id, "?") && id != "chat_gone" {
				w.chat(id)
			}
			text = append(text, link+id)
		}
		text = append(text, "https://evil.example/o/inbox/chat_1", "https://useinvent.com/pricing")
		m := w.ada.Says(w.support, strings.Join(text, " "))
		for _, id := range []string{"chat_1", "chat_2", "chat_3", "chat_4", "chat_5"} {
			w.support.ExpectUnfurl(m, link+id, id)
		}
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_6"))
		w.ada.ExpectPrivate(w.support, "chat_6")
		if n := len(w.slack.CallsTo("chat.unfurl")); n != 5 {
			t.Errorf("chat.unfurl was called %d times, want 5", n)
		}
	})
	t.Run("once for an event that Slack sends again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.slack.UnfurlDomains = nil
		m := w.ada.Says(w.support, link+"chat_1")
		a := w.acknowledged(w.slack.Event(map[string]any{
			"type": "link_shared", "user": "UADA", "channel": m.Channel, "message_ts": m.TS, "links": []any{map[string]any{"url": link + "chat_1"}},
		}))
		w.acknowledged(w.slack.EventAgain(a.EventID, 1, "http_timeout"))
		w.support.ExpectUnfurl(m, link+"chat_1", "Jane Doe")
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1")) // behind both in their lane
		w.ada.ExpectPrivate(w.support, "Nobody")
		if n := len(w.slack.CallsTo("chat.unfurl")); n != 1 {
			t.Errorf("chat.unfurl was called %d times, want once", n)
		}
	})
	t.Run("in a shared channel without the customer's name, and not for strangers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.Shared = true })
		eve := w.slack.AddUser(slacktest.User{ID: "UEVE", Name: "eve", TeamID: "TOTHER", Email: "ada@example.com"})
		eve.Says(w.support, link+"chat_1")
		w.linus.Says(w.support, link+"chat_1")
		m := w.ada.Says(w.support, link+"chat_1")
		m = w.support.ExpectUnfurl(m, link+"chat_1", "customer")
		if strings.Contains(string(m.Unfurls[link+"chat_1"]), "Jane") {
			t.Error("the customer's name is shown to strangers")
		}
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.support.ExpectMessage("customer")
		w.support.ExpectUnfurl(m, link+"chat_1", "@ada")
		if n := len(w.slack.CallsTo("chat.unfurl")); n != 2 {
			t.Errorf("chat.unfurl was called %d times, want twice", n)
		}
	})
	t.Run("silently not at all when Invent doesn't know it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.chat("chat_2")
		w.invent.Supersede("chat_1", "chat_2")
		w.ada.Says(w.support, link+"chat_1")
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1")) // behind it in its lane
		w.ada.ExpectPrivate(w.support, "continues in a newer one")
	})
}

func TestWorkOnThisConversation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says  string
		shows []string
	}{
		"a link":             {"please see " + link + "chat_1, thanks", []string{"Jane Doe", "Share here"}},
		"an id":              {"who looks after chat_1?", []string{"Jane Doe", "Share here"}},
		"an id in backticks": {"it is `chat_1` I think", []string{"Jane Doe"}},
		"one id of two":      {"order_12345 is chat_1", []string{"Jane Doe", "Share here"}},
		"two":                {link + "chat_1 and " + link + "chat_2", []string{"Which one do you mean?", "chat_1", "chat_2", "Show"}},
		"none that is known": {"order_12345 or order_67890", []string{"found no Invent conversation", "Paste an id…"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.slack.UnfurlDomains = nil
			w.serve()
			w.chat("chat_2")
			m := w.grace.Says(w.support, c.says)
			w.acknowledged(w.ada.MessageShortcut("work_on", m))
			w.ada.ExpectPrivate(w.support, c.shows...)
			w.wrote()
		})
	}
	t.Run("a card of the bot's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		card := w.shared("chat_1", "Nobody")
		w.acknowledged(w.grace.MessageShortcut("work_on", card))
		w.grace.ExpectPrivate(w.support, "Jane Doe", "Share here")
	})
	t.Run("none: a field to paste one, whatever Invent does", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		m := w.grace.Says(w.support, "hello there")
		undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Hang: true})
		w.acknowledged(w.ada.MessageShortcut("work_on", m))
		modal := w.ada.ExpectModal("Find a conversation")
		for _, wrong := range []string{"two words", "https://evil.example/chat_1", ".."} {
			w.acknowledged(w.ada.Submits(modal, map[string]any{"which_text": wrong}))
			if got := w.ada.Modal(); got == nil || got.Errors["which"] == "" {
				t.Errorf("%q: the modal says %+v", wrong, got)
			}
		}
		undo()
		w.acknowledged(w.ada.Submits(modal, map[string]any{"which_text": " " + link + "chat_1 "}))
		w.ada.ExpectPrivate(w.support, "Jane Doe", "Share here")
	})
	t.Run("a word that only looks like an id", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		m := w.grace.Says(w.support, "order_12345 is late")
		w.acknowledged(w.ada.MessageShortcut("work_on", m))
		w.ada.ExpectPrivate(w.support, "I found no Invent conversation", "Paste an id")
	})
	t.Run("by somebody nobody knows", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.slack.UnfurlDomains = nil
		w.serve()
		m := w.grace.Says(w.support, link+"chat_1")
		w.acknowledged(w.linus.MessageShortcut("work_on", m))
		w.linus.ExpectPrivate(w.support, "You aren't linked")
	})
}

// TestUnfoldedCardGone: what was done through a card that is there no more is told to whom it concerns, and shown.
func TestUnfoldedCardGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.has("chat_1", "mem_joan")
	m := w.ada.Says(w.support, "look at "+link+"chat_1 please")
	m = w.support.ExpectUnfurl(m, link+"chat_1", "@joan")
	w.slack.Fault(slacktest.Fault{Method: "chat.unfurl", Error: "cannot_unfurl_url"}) // its author has edited it meanwhile
	for _, b := range m.Unfurled(link + "chat_1") {
		if b.Label == "Take over" {
			w.acknowledged(w.grace.Clicks(b))
		}
	}
	w.support.ExpectMessage("@grace, since")
	w.joan.ExpectDM("You don't have this conversation any more")
	w.joan.ExpectDM("@grace changed its assignee")
	w.grace.ExpectPrivate(w.support, "Back to Joan")
	w.wrote("chat_1 mem_grace")
}

// TestCardsBeyondReach: a card is forgotten once Slack has said that its channel is archived, or deleted.
func TestCardsBeyondReach(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.support.ExpectUnfurl(w.ada.Says(w.support, link+"chat_1"), link+"chat_1", "Nobody")
	w.shared("chat_1", "Nobody")
	w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.Archived = true })
	w.slack.Fault(slacktest.Fault{Method: "chat.unfurl", Error: "cannot_find_channel"})
	w.acknowledged(w.ada.Types(w.random, "/invent take chat_1"))
	w.random.ExpectMessage("@ada")
	eventually(t, "no card is remembered", func(ctx context.Context) bool {
		known, err := store.Known(ctx, cache.Question{Team: w.slack.TeamID(), Chat: "chat_1"})
		return err == nil && len(known.Cards) == 0
	})
	if calls := w.slack.CallsTo("chat.update"); len(calls) != 1 || calls[0].Error != "is_inactive" {
		t.Errorf("the card in the archived channel was redrawn so: %+v", calls)
	}
}

// TestNoPlaceForTheCard: where no card can be drawn, the others hear of the change all the same.
func TestNoPlaceForTheCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.has("chat_1", "mem_joan")
	w.serve()
	card := w.shared("chat_1", "@joan")
	w.assigns(card, "Grace", "Call her", func() {
		w.slack.Fault(slacktest.Fault{Method: "chat.update", Error: "cant_update_message"})
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "restricted_action"}) // not those to Grace and Joan
		w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "expired_url"})
	})
	w.grace.ExpectDM("@ada assigned it to you")
	w.grace.ExpectDM("a note from @ada", "Call her") // and so it doesn't go back: left-over messages fail the test
	w.joan.ExpectDM("You don't have this conversation any more")
	w.joan.ExpectDM("@ada changed its assignee")
	w.ada.ExpectPrivate(w.support, "Back to Joan")
	w.ada.ExpectPrivate(w.support, "its card couldn't be shown here")
	w.until("it has ended", func() bool { return w.outcomes("assign", "unplaced") == 1 })
	w.wrote("chat_1 mem_grace")
}

// TestShareTwice: two clicks on the same button post one card.
func TestShareTwice(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	private := w.ada.ExpectPrivate(w.support, "Nobody")
	w.acknowledged(w.ada.Press(private, "Share here"))
	w.acknowledged(w.ada.Press(private, "Share here"))
	w.support.ExpectMessage("Nobody")
	emptied(t, store)
	w.ada.ExpectPrivate(w.support, "Shared in this channel")
	if n := len(w.slack.CallsTo("chat.postMessage")); n != 1 {
		t.Errorf("%d cards were posted", n)
	}
}

// TestUnfoldedWhereInvitedOnly: a link pasted where the bot is no member stays a link.
func TestUnfoldedWhereInvitedOnly(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.ada.Says(w.random, link+"chat_1")
	w.support.ExpectUnfurl(w.ada.Says(w.support, link+"chat_1"), link+"chat_1", "Jane Doe")
	emptied(t, store)
	if n := len(w.slack.CallsTo("chat.unfurl")); n != 1 {
		t.Errorf("%d links became cards, want one", n)
	}
}
