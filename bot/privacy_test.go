package bot_test

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// hidden wants that the customer's name doesn't stand on a card.
func (w *world) hidden(card *slacktest.Message, name string) {
	w.t.Helper()
	if text := card.Now().Text; strings.Contains(text, name) {
		w.t.Errorf("it reads %q", text)
	}
}

// TestWhoReadsIsNotKnown: where Slack doesn't say who reads a channel, no customer is named.
func TestWhoReadsIsNotKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.Fault(slacktest.Fault{Method: "conversations.info", Error: "missing_scope"})
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.hidden(w.support.ExpectMessage("@ada"), "Jane")
}

// TestToldWhoMayRead: a conversation's card and a note go by direct message to nobody who may not read conversations.
func TestToldWhoMayRead(t *testing.T) {
	t.Parallel()
	t.Run("nothing to a member who isn't active", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.has("chat_1", "mem_grace")
		w.invent.SetMember("mem_grace", func(m *invent.Member) { m.Status = "INACTIVE" })
		w.serve(func(c *bot.Config) { c.Cache = store })
		card := w.shared("chat_1", "Jane Doe")
		w.acknowledged(w.ada.Press(card, "Take over"))
		w.support.ExpectUpdate(card, "@ada")
		emptied(t, store)
	})
	t.Run("nothing to a guest whom an admin linked before; the note goes back", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.invent.AddMember(invent.Member{ID: "mem_penguin", UserID: "usr_penguin", Name: "Penguin", Email: "penguin@other.example"})
		w.serve(func(c *bot.Config) { c.Cache = store })
		w.linkedByHand(store, w.linus, "mem_penguin")
		w.slack.SetUser("ULINUS", func(u *slacktest.User) { u.Guest = true })
		card := w.shared("chat_1", "Nobody")
		w.acknowledged(w.ada.Press(card, "Assign…"))
		modal := w.ada.ExpectModal("Assign a conversation")
		w.offered(w.ada, modal, "penguin", some)
		w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Penguin", "note_text": "some words"}))
		if text := w.support.ExpectUpdate(card, "Penguin").Text; strings.Contains(text, "@linus") {
			t.Errorf("it reads %q", text)
		}
		w.ada.ExpectPrivate(w.support, "could not be delivered", "some words")
		w.ada.ExpectPrivate(w.support, "Penguin has it")
		emptied(t, store)
	})
	t.Run("no note to somebody who became a guest since they were told", func(t *testing.T) {
		t.Parallel()
		clock, store := newClock(), ownStore(t)
		w := newWorld(t, slacktest.Now(clock.now))
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		card := w.shared("chat_1", "Nobody")
		w.assigns(card, "Grace", "", func() {})
		w.grace.ExpectDM("Jane Doe")
		emptied(t, store)
		w.acknowledged(w.joan.Press(card.Now(), "Release"))
		w.support.ExpectUpdate(card, "Nobody")
		emptied(t, store)
		w.slack.SetUser("UGRACE", func(u *slacktest.User) { u.Guest = true })
		clock.pass(61 * time.Minute)
		w.assigns(card.Now(), "Grace", "some words", func() {})
		w.ada.ExpectPrivate(w.support, "could not be delivered", "some words")
		emptied(t, store)
		for _, c := range w.slack.CallsTo("chat.postMessage") {
			if strings.Contains(c.Args["text"], "some words") {
				t.Errorf("%s was sent the note", c.Args["channel"])
			}
		}
		w.slack.IgnoreLeftovers() // whom it concerns is told
	})
	t.Run("an equal e-mail wins over an admin's link", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.invent.AddMember(invent.Member{ID: "mem_penguin", UserID: "usr_penguin", Name: "Penguin", Email: "penguin@example.com"})
		w.serve(func(c *bot.Config) { c.Cache = store })
		penguin := w.slack.AddUser(slacktest.User{ID: "UPENGUIN", Name: "penguin", Email: "penguin@example.com"})
		w.linkedByHand(store, w.joan, "mem_penguin") // long ago
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 penguin@example.com"))
		w.support.ExpectMessage("chat_1", "@penguin")
		penguin.ExpectDM("This conversation is yours")
		w.ada.ExpectPrivate(w.support, "Penguin has it")
		emptied(t, store)
	})
}

// TestCardOfALeaverIsClosed: the card in the direct messages of somebody who may not read conversations any more tells nothing new.
func TestCardOfALeaverIsClosed(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	w.support.ExpectMessage("@grace")
	hers := w.grace.ExpectDM("Jane Doe")
	w.ada.ExpectPrivate(w.support, "Grace has it")
	emptied(t, store)
	w.slack.SetUser("UGRACE", func(u *slacktest.User) { u.Guest = true })
	clock.pass(3 * time.Hour)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Customer, c.Unseen = "Mary New-Name", 77 })
	w.acknowledged(w.joan.Types(w.support, "/invent release chat_1"))
	late := w.joan.ExpectPrivate(w.support, "Grace has had it")
	w.acknowledged(w.joan.Press(late, "Take over"))
	w.grace.DM().ExpectUpdate(hers, "This card is closed", "/invent whoami")
	w.hidden(hers, "Mary")
	emptied(t, store)
	w.slack.IgnoreLeftovers() // the others hear of it
}

// TestCardStaysOpen: while Slack can't say who somebody is, the card in their direct messages is no leaver's.
func TestCardStaysOpen(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Grace", "", func() {})
	hers := w.grace.ExpectDM("Jane Doe")
	w.acknowledged(w.joan.Types(w.support, "/invent whoami"))
	w.joan.ExpectPrivate(w.support, "You are")
	emptied(t, store)
	link, _, err := store.Link(t.Context(), w.slack.TeamID(), w.grace.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.DropLink(t.Context(), w.slack.TeamID(), w.grace.ID, link); err != nil {
		t.Fatal(err)
	}
	undo := w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 500})
	before := len(w.slack.CallsTo("users.info"))
	w.acknowledged(w.joan.Press(card.Now(), "Take over"))
	w.until("Slack is asked who Grace is", func() bool { return len(w.slack.CallsTo("users.info")) > before })
	undo()
	w.grace.DM().ExpectUpdate(hers, "@joan")
	for _, c := range w.slack.CallsTo("chat.update") {
		if strings.Contains(c.Args["text"], "This card is closed") {
			t.Errorf("she read %q", c.Args["text"])
		}
	}
	w.slack.IgnoreLeftovers() // the others hear of it
}

// TestChannelSharedLater: a customer's name stays out of a channel that other organisations can read, also on a card that was posted before.
func TestChannelSharedLater(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada", "Jane Doe")
	w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.Shared = true })
	// What was known of it is forgotten after a while.
	if err := store.SetReach(t.Context(), w.slack.TeamID(), w.support.ID, cache.ReachUnknown); err != nil {
		t.Fatal(err)
	}
	other := w.slack.AddChannel(slacktest.Channel{ID: "COTHER", Name: "other", BotIsMember: true})
	w.acknowledged(w.ada.Types(other, "/invent release chat_1"))
	other.ExpectMessage("Nobody", "Jane Doe")
	w.support.ExpectUpdate(card, "Nobody", "customer")
	w.hidden(card, "Jane")
}

// TestNameStaysOutOfTheQuestionedCard: a card in a shared channel is redrawn without the customer's name, also when the button was
// pressed in a direct message.
func TestNameStaysOutOfTheQuestionedCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.Shared = true })
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.has("chat_1", "mem_grace")
	// Her private words find no way but a direct message.
	w.slack.Fault(slacktest.Fault{Method: "chat.postEphemeral", Error: "user_not_in_channel"})
	undo := w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url"})
	w.acknowledged(w.ada.Press(card, "Take"))
	late := w.ada.ExpectDM("Grace has had it")
	undo()
	w.support.ExpectUpdate(card, "@grace")
	w.acknowledged(w.ada.Press(late, "Take over"))
	w.support.ExpectUpdate(card, "@ada", "customer")
	w.hidden(card, "Jane")
	w.slack.IgnoreLeftovers()
}

// TestCardBetweenTwoPeople: in the direct messages of two people, one of whom may be from another organisation, no customer is named.
func TestCardBetweenTwoPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := w.slack.AddChannel(slacktest.Channel{ID: "DTWO", Private: true, Shared: true})
	w.serve()
	w.slack.Fault(slacktest.Fault{Method: "conversations.info", Status: 500, Times: 1})
	w.acknowledged(w.ada.Types(two, "/invent take chat_1"))
	card := two.ExpectMessage("@ada", "doesn't update by itself")
	w.hidden(card, "Jane")
	w.acknowledged(w.ada.Press(card, "Release"))
	two.ExpectUpdate(card, "Nobody", "doesn't update by itself")
	w.hidden(card, "Jane")
}

// TestRedisIsToldNothingOfCustomers: of all that is ever written to Redis nothing is a customer's but the ids of conversations, and no
// key is there; what only waiting work needs is gone with it.
func TestRedisIsToldNothingOfCustomers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, w := newNode(t, "--dir", dir, "--rdbcompression", "no"), newWorld(t)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Memories = []invent.Memory{{Summary: "She wants her money back."}} })
	store := n.open()
	w.serve(func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("Jane Doe")
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.ada.ExpectPrivate(w.support, "Jane Doe")
	w.ada.Says(w.support, "https://useinvent.com/o/inbox/chat_1")
	card := w.shared("chat_1", "Jane Doe")
	w.acknowledged(w.ada.Press(card, "Summary"))
	w.ada.ExpectPrivate(w.support, "money back")
	w.assigns(card, "Joan", "Call her before noon", func() { w.has("chat_1", "mem_grace") })
	w.acknowledged(w.ada.Press(w.ada.ExpectPrivate(w.support, "Grace has had it"), "Assign anyway"))
	w.joan.ExpectDM("a note from @ada", "Call her before noon")
	emptied(t, store)
	var left strings.Builder
	for _, key := range n.client.Keys(t.Context(), "*").Val() {
		left.WriteString(n.client.Dump(t.Context(), key).Val())
	}
	if s := left.String(); strings.Contains(s, "noon") || strings.Contains(s, "/response/") || !strings.Contains(s, "assign") {
		t.Error("Redis holds what only waiting work needs, or the test can't read it")
	}
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "fixed within an hour")

	var all []byte
	written := os.DirFS(dir)
	err := fs.WalkDir(written, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(written, path)
		all = append(all, text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		w.slack.Token(), w.slack.Secret(), w.invent.Key(), "jane doe", "money back", inventtest.CustomerEmail, inventtest.CustomerPhone, inventtest.SecretPrompt,
	} {
		if bytes.Contains(bytes.ToLower(all), []byte(strings.ToLower(secret))) {
			t.Errorf("%q was written to Redis", secret)
		}
	}
	if !bytes.Contains(all, []byte("Call her before noon")) {
		t.Error("the test doesn't find what was written to Redis")
	}
	w.slack.IgnoreLeftovers()
}
