package bot_test

import (
	"strings"
	"testing"
	"time"

	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

func TestTakeReleaseAndAssignByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()

	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("Jane Doe", "WhatsApp", "Support Bot", "Open, AI off", "@ada", "3")
	for _, label := range []string{"Release", "Take over", "Refresh", "Open in Invent"} {
		if card.Button(label) == nil {
			t.Errorf("the card lacks the button %q", label)
		}
	}
	w.acknowledged(w.ada.Press(card, "Release"))
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 to @grace"))
	second := w.support.ExpectMessage("@grace", "assigned by @ada")
	w.ada.ExpectPrivate(w.support, "Grace has it", "Back to nobody")
	mine := w.grace.ExpectDM("@ada assigned it to you", "Jane Doe")
	w.support.ExpectUpdate(card, "@grace")
	w.acknowledged(w.grace.Types(w.support, "/invent release https://useinvent.com/o/inbox/chat_1"))
	w.support.ExpectMessage("Nobody")
	w.support.ExpectUpdate(card, "Nobody")
	w.support.ExpectUpdate(second, "Nobody")
	w.grace.DM().ExpectUpdate(mine, "You don't have this conversation any more.")
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_grace", "chat_1 -")
	w.slack.IgnoreLeftovers() // since when it waits may be added
}

func TestShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.has("chat_1", "mem_grace")

	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	private := w.ada.ExpectPrivate(w.support, "Jane Doe", "@grace")
	w.acknowledged(w.ada.Press(private, "Share here"))
	card := w.support.ExpectMessage("Jane Doe", "@grace")
	w.ada.ExpectPrivate(w.support, "Shared")
	if card.Button("Share here") != nil {
		t.Error("a card that all can see offers to be shared")
	}
	w.wrote()
}

// TestRefresh: with the card that is refreshed every other card of its conversation shows what is so now.
func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // nothing else tells that they are stale
	w.serve()
	first, second := w.shared("chat_1", "Nobody"), w.shared("chat_1", "Nobody")
	w.has("chat_1", "mem_grace")
	w.acknowledged(w.ada.Press(second, "Refresh"))
	w.support.ExpectUpdate(second, "@grace")
	w.support.ExpectUpdate(first, "@grace")
	w.wrote()
}

func TestTake(t *testing.T) {
	t.Parallel()
	t.Run("somebody else has it, and the command didn't see that: nothing changes until it is confirmed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) {
			c.AssigneeID, c.AssignedAt = "mem_grace", time.Now().Add(-4*time.Second)
		})
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		late := w.ada.ExpectPrivate(w.support, "Grace has had it for", "Take over", "Leave it")
		w.wrote()
		w.acknowledged(w.ada.Press(late, "Take over"))
		w.support.ExpectMessage("@ada")
		w.ada.ExpectPrivate(w.support, "it is yours", "Back to Grace")
		w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("leaving it takes the question away", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
		late := w.ada.ExpectPrivate(w.support, "Grace has had it for 1 h", "Release", "Leave it")
		w.acknowledged(w.ada.Press(late, "Leave it"))
		w.ada.ExpectPrivateGone(late)
		w.wrote()
	})
	t.Run("a card that is stale: nothing changes, the card is redrawn, the late one is told", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
		private := w.ada.ExpectPrivate(w.support, "Nobody")
		w.acknowledged(w.ada.Press(private, "Share here"))
		card := w.support.ExpectMessage("Nobody")
		w.ada.ExpectPrivate(w.support, "Shared")
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Press(card, "Take"))
		w.support.ExpectUpdate(card, "@grace", "Take over")
		late := w.ada.ExpectPrivate(w.support, "Grace has had it")
		w.wrote()
		w.acknowledged(w.ada.Press(late, "Take over"))
		w.support.ExpectUpdate(card, "@ada")
		w.ada.ExpectPrivate(w.support, "it is yours", "Back to Grace")
		w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("a card that is stale: the others are redrawn with it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // nobody else sees that they are
		w.serve()
		sales := w.slack.AddChannel(slacktest.Channel{ID: "CSALES", Name: "sales", BotIsMember: true})
		card := w.shared("chat_1", "Nobody")
		w.acknowledged(w.ada.Types(sales, "/invent show chat_1"))
		w.acknowledged(w.ada.Press(w.ada.ExpectPrivate(sales, "Nobody"), "Share here"))
		other := sales.ExpectMessage("Nobody")
		w.ada.ExpectPrivate(sales, "Shared")
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Press(card, "Take"))
		w.support.ExpectUpdate(card, "@grace")
		sales.ExpectUpdate(other, "@grace")
		w.ada.ExpectPrivate(w.support, "Grace has had it")
	})
	t.Run("who lost it and got it again after the click wasn't seen there", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.has("chat_1", "mem_grace")
		card := w.shared("chat_1", "@grace")
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssignedAt = time.Now().Add(time.Minute) })
		w.acknowledged(w.ada.Press(card, "Take over"))
		w.ada.ExpectPrivate(w.support, "Grace has had it", "Take over", "Leave it")
		w.wrote()
		w.slack.IgnoreLeftovers() // the card, by the new time
	})
	t.Run("an answer without the assignee is made good by reading", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.invent.Fault(inventtest.Fault{Method: "PATCH", Times: 1, AfterWrite: true, Body: []byte(`{"id":"state_1","state":"` + invent.Open + `"}`)})
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.support.ExpectMessage("Jane Doe", "@ada")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("what is so already is said privately, without a second card", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.has("chat_1", "mem_ada")
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, "yours already")
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 me"))
		w.ada.ExpectPrivate(w.support, "yours already")
		w.wrote()
	})
	t.Run("an assignee that Invent names by the other id is the same person", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.invent.AssignedUserIDs(true)
		w.serve()
		w.has("chat_1", "mem_ada")
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, "yours already")
		w.wrote()
	})
	t.Run("the same request twice is done once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		a := w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.acknowledged(a.Again())
		w.support.ExpectMessage("@ada")
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1")) // behind both in their lane
		w.ada.ExpectPrivate(w.support, "@ada")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("in a channel without the bot the card is a snapshot that says so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		card := w.snapshot()
		w.acknowledged(w.ada.Press(card, "Release"))
		w.random.ExpectUpdate(card, "Nobody", "doesn't update by itself")
		w.wrote("chat_1 mem_ada", "chat_1 -")
	})
	t.Run("a question about a snapshot doesn't try to redraw it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		card := w.snapshot()
		w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Press(card, "Release"))
		w.random.ExpectUpdate(card, "@grace", "doesn't update by itself")
		late := w.ada.ExpectPrivate(w.random, "Grace has had it")
		w.acknowledged(w.ada.Press(late, "Take over"))
		w.random.ExpectMessage("@ada") // one that can be redrawn
		w.ada.ExpectPrivate(w.random, "it is yours")
		w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		w.wrote("chat_1 mem_ada", "chat_1 mem_ada")
	})
	for with, share := range map[string]func(*slacktest.Channel){
		"strangers":                         func(c *slacktest.Channel) { c.Shared = true },
		"strangers who have not joined yet": func(c *slacktest.Channel) { c.Pending = true },
	} {
		t.Run("in a channel with "+with+" the customer's name is left out", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			w.slack.SetChannel(w.support.ID, share)
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			card := w.support.ExpectMessage("customer")
			if strings.Contains(string(card.Blocks)+card.Text, "Jane") {
				t.Error("the customer's name is shown to strangers")
			}
		})
	}
}

func TestInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 60 * time.Millisecond})
	for _, line := range []string{"take", "release", "take", "release", "take"} {
		w.acknowledged(w.ada.Types(w.support, "/invent "+line+" chat_1"))
	}
	for _, shows := range []string{"@ada", "Nobody", "@ada", "Nobody", "@ada"} {
		w.support.ExpectMessage(shows)
	}
	w.slack.IgnoreLeftovers() // redraws of the earlier cards
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_ada", "chat_1 -", "chat_1 mem_ada")
}

func TestCustomersWordsAreOnlyWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, name := range []string{`<!channel> & <https://evil.example|click>`, "😀 مرحبا \u202Eevil", long, "line\nbreak"} {
		w := newWorld(t)
		w.serve()
		w.invent.AddChat(inventtest.Chat{ID: "chat_2", Customer: name, Assistant: name, Channel: "brand_new_channel", State: "ARCHIVED"})
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_2"))
		w.support.ExpectMessage("brand_new_channel", "ARCHIVED", "@ada") // the pretended Slack complains about everything unescaped or too long
	}
}

func TestSparseConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.invent.AddChat(inventtest.Chat{ID: "chat_2", Bare: true, State: invent.Open, Channel: "email"})
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_2"))
	w.ada.ExpectPrivate(w.support, "Unnamed", "Email", "Nobody")
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.chat("chat_2")
	w.invent.Supersede("chat_1", "chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	m := w.ada.ExpectPrivate(w.support, "continues in a newer one")
	w.acknowledged(w.ada.Press(m, "Show the newer one"))
	w.ada.ExpectPrivate(w.support, "chat_2", "Nobody")
	w.wrote()
}
