package bot_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// homeButton is a button of a view in the section of a conversation.
func homeButton(t *testing.T, v *slacktest.View, label, chat string) *slacktest.Button {
	t.Helper()
	for _, b := range v.Buttons() {
		if b.Label == label && strings.Contains(b.Value, `"`+chat+`"`) {
			return b
		}
	}
	t.Fatalf("the view has no button %q for %s", label, chat)
	return nil
}

func TestHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.has(w.chat("chat_mine"), "mem_ada")
	w.has(w.chat("chat_hers"), "mem_grace")
	w.serve()
	w.listed()
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectDM("takes, hands over and releases", "/invent queue")
	home := w.ada.ExpectHome("My conversations: 1", "Waiting for a human: 1", "@ada: 1", "@grace: 1", "You are *Ada*", "Turn notices off")

	w.acknowledged(w.ada.Clicks(homeButton(t, home, "Take", "chat_1")))
	home = w.ada.ExpectHome("My conversations: 2", "Waiting for a human: 0", "@ada: 2")
	w.acknowledged(w.ada.Clicks(homeButton(t, home, "Release", "chat_mine")))
	home = w.ada.ExpectHome("My conversations: 1", "Waiting for a human: 1")
	w.acknowledged(w.ada.Clicks(homeButton(t, home, "Assign…", "chat_1")))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "grace", some)
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Grace"}))
	w.grace.ExpectDM("@ada assigned it to you")
	w.ada.ExpectDM("Grace has it", "Back to me")
	w.ada.ExpectHome("My conversations: 0", "@grace: 2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_mine")) // elsewhere
	w.support.ExpectMessage("@ada")
	w.ada.ExpectHome("My conversations: 1")
	w.wrote("chat_1 mem_ada", "chat_mine -", "chat_1 mem_grace", "chat_mine mem_ada")
}

// welcomed lets somebody open the app for the first time, once the inbox has been listed.
func (w *world) welcomed(p *slacktest.Person) {
	w.t.Helper()
	w.listed()
	w.acknowledged(p.OpensHome())
	p.ExpectDM("takes, hands over")
}

func TestHomeLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chat("chat_2")
	w.serve()
	w.welcomed(w.ada)
	home := w.ada.ExpectHome("Waiting for a human: 2")
	w.has("chat_1", "mem_grace")
	w.acknowledged(w.ada.Clicks(homeButton(t, home, "Take", "chat_1")))
	late := w.ada.ExpectDM("Grace has had it", "Take over")
	w.ada.ExpectHome("@grace: 1")
	w.acknowledged(w.ada.Press(late, "Take over"))
	w.ada.ExpectHome("My conversations: 1")
	w.has("chat_2", "mem_grace")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_2")) // elsewhere
	w.ada.ExpectHome("My conversations: 1", "Waiting for a human: 0", "@grace: 1")
	w.slack.IgnoreLeftovers() // where her answers go, and what Grace is told
}

// TestHomeSlow: also where there is no response_url, somebody whose click takes long is told.
func TestHomeSlow(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t)
	w.serve(clock.drive)
	w.welcomed(w.ada)
	home := w.ada.ExpectHome("Waiting for a human: 1")
	undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 503})
	w.acknowledged(w.ada.Clicks(homeButton(t, home, "Take", "chat_1")))
	clock.pass(6 * time.Second)
	w.ada.ExpectDM("Still on it")
	undo()
	w.ada.ExpectHome("My conversations: 1")
	w.wrote("chat_1 mem_ada")
	w.slack.IgnoreLeftovers() // where her answer goes
}

// TestHomeLookedAtAgain: a Home tab that somebody else has drawn since it was looked what it is to show isn't put back to that.
func TestHomeLookedAtAgain(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.welcomed(w.ada)
	w.ada.ExpectHome("My conversations: 0")
	emptied(t, store)
	w.slack.Fault(slacktest.Fault{Method: "views.publish", Delay: 2 * time.Second, Times: 1})
	w.acknowledged(w.ada.OpensHome())
	w.until("it is looked at and on its way", func() bool { return len(w.slack.CallsTo("views.publish")) == 2 })
	w.invent.Mute(true) // of which this process hears nothing
	w.has("chat_1", "mem_ada")
	other := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	if _, err := bot.NewSlack(w.slack.Token(), w.slack.URL()).PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: w.ada.ID, View: other}); err != nil {
		t.Fatal(err)
	}
	w.ada.ExpectHome("My conversations: 1")
}

// TestHomeOfMany stays within Slack's limits, which the pretended Slack checks, and turns the pages of both lists.
func TestHomeOfMany(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	for i := range 500 {
		name := strings.Repeat("&", 300)
		id := w.invent.AddChat(inventtest.Chat{ID: fmt.Sprintf("chat_%03d_%s", i, strings.Repeat("x", 180)), Customer: name, Assistant: name, State: invent.Open})
		if i%2 == 0 {
			w.has(id, "mem_ada")
		}
	}
	for i := range 40 {
		w.invent.AddMember(invent.Member{ID: fmt.Sprint("mem_", i), Name: strings.Repeat("<", 200)})
		w.has(w.chat(fmt.Sprint("chat_of_", i)), fmt.Sprint("mem_", i))
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.welcomed(w.ada)
	home := w.ada.ExpectHome("My conversations: 250 (page 1 of 25)", "Waiting for a human: 251 (page 1 of 26)", "and 21 more")
	var next []*slacktest.Button
	for _, b := range home.Buttons() {
		if b.Label == "Next" {
			next = append(next, b)
		}
	}
	if len(next) != 2 {
		t.Fatalf("%d buttons turn a page, want 2", len(next))
	}
	w.acknowledged(w.ada.Clicks(next[1]))
	home = w.ada.ExpectHome("page 1 of 25", "page 2 of 26")
	w.acknowledged(w.ada.Clicks(home.Button("Next")))
	w.ada.ExpectHome("page 2 of 25", "page 2 of 26")
	emptied(t, store)                                             // which pages she looks at is known
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1")) // elsewhere
	w.support.ExpectMessage("@ada")
	w.ada.ExpectHome("My conversations: 251 (page 2 of 26)", "Waiting for a human: 250 (page 2 of 25)")
}

// TestHomeDrawnMeanwhile: a Home tab that Slack has another drawing of than was known is drawn all the same.
func TestHomeDrawnMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.ada.OpensHome())
	home := w.ada.ExpectHome("You have no conversations", "Take")
	w.ada.ExpectDM("takes, hands over and releases")
	w.slack.Fault(slacktest.Fault{Method: "views.publish", Times: 1, Error: "hash_conflict"})
	w.acknowledged(w.ada.Clicks(home.Button("Take")))
	w.ada.ExpectHome("Release")
	w.wrote("chat_1 mem_ada")
}

func TestHomeOfStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.linus.OpensHome())
	w.linus.ExpectHome("Invent in Slack", "You aren't linked", "/invent link")
	w.linus.ExpectDM("takes, hands over", "You aren't linked")
	w.acknowledged(w.linus.OpensHome())
	w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
	w.acknowledged(w.linus.OpensHome())
	w.linus.ExpectHome("You are *Linus*") // and is greeted once
	w.slack.AddUser(slacktest.User{ID: "UGUEST", Name: "guest", Guest: true, Email: "guest@example.com"})
	guest := w.slack.Person("UGUEST")
	w.acknowledged(guest.OpensHome())
	guest.ExpectHome("guests can't work") // and nothing is sent
}

func TestHomeWithoutAList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox")
	w.serve()
	w.until("the contract is read", func() bool { return strings.Contains(w.log.String(), "doesn't offer a route") })
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("doesn't list conversations", "You are *Ada*", "Turn notices off")
	w.ada.ExpectDM("takes, hands over", "followed by a conversation's id")
	w.acknowledged(w.ada.Shortcut("take_one"))
	w.ada.ExpectModal("Take a conversation", "Invent")
}

func TestNoticesOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.welcomed(w.grace)
	home := w.grace.ExpectHome("Turn notices off")
	w.acknowledged(w.grace.Clicks(home.Button("Turn notices off")))
	home = w.grace.ExpectHome("Turn notices on", "unless somebody sends you a note")
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	card := w.support.ExpectMessage("@grace")
	w.ada.ExpectPrivate(w.support, "Back to nobody")
	w.acknowledged(w.ada.Press(card, "Take over"))
	w.support.ExpectUpdate(card, "@ada")
	w.ada.ExpectPrivate(w.support, "Back to Grace") // and Grace is told neither
	w.acknowledged(w.ada.Press(card.Now(), "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "grace", some)
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Grace", "note_text": "Please"}))
	w.support.ExpectUpdate(card, "@grace")
	w.ada.ExpectPrivate(w.support, "Back to me")
	w.grace.ExpectDM("@ada assigned it to you")
	w.grace.ExpectDM("a note from @ada", "Please")
	w.acknowledged(w.grace.Clicks(home.Button("Turn notices on")))
	w.grace.ExpectHome("Turn notices off")
}

// TestNoticeFromTheDashboard: what is assigned in Invent itself is told too; what was assigned through the bot, once.
func TestNoticeFromTheDashboard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	w.has("chat_1", "mem_grace")
	mine := w.grace.ExpectDM("This conversation is yours.", "Jane Doe")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "mem_joan" })
	w.joan.ExpectDM("This conversation is yours.")
	w.grace.DM().ExpectUpdate(mine, "You don't have this conversation any more.")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID, c.AssignedAt = "mem_grace", time.Now().Add(-time.Minute) })
	w.grace.ExpectDM("@grace, this conversation is yours now.")
	w.slack.IgnoreLeftovers() // both cards, redrawn
}

// TestNoticesOfEach: what was assigned on while its notice could not be sent is told once, to who has it now.
func TestNoticesOfEach(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	w.listed()
	undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 503})
	for _, member := range []string{"mem_grace", "mem_joan"} {
		w.has("chat_1", member)
		w.listedAgain(clock)
	}
	undo()
	clock.pass(15 * time.Minute)
	w.joan.ExpectDM("This conversation is yours.")
	w.ended("notice", "chat_1", "already")
	w.ended("notice", "chat_1", "said")
}

func TestTakeAConversation(t *testing.T) {
	t.Parallel()
	t.Run("from the list that waits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for i := range 11 {
			w.chat(fmt.Sprintf("chat_w%02d", i))
		}
		w.serve()
		w.listed()
		w.acknowledged(w.ada.Shortcut("take_one"))
		modal := w.ada.ExpectModal("Waiting for a human: 12", "page 1 of 2")
		w.acknowledged(w.ada.Clicks(modal.Button("Next")))
		modal = w.ada.ExpectModal("page 2 of 2")
		w.acknowledged(w.ada.Clicks(modal.Button("Take")))
		modal = w.ada.ExpectModal("Done: it is yours.", "Waiting for a human: 11")
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Clicks(modal.Button("Previous")))
		w.ada.ExpectModal("Waiting for a human: 1", "`chat_w00`") // 10 or 11: the list may be 10 s old
		w.slack.IgnoreLeftovers()                                 // Grace is told what was done in the dashboard
	})
	t.Run("somebody else was faster", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.listed()
		w.acknowledged(w.ada.Shortcut("take_one"))
		modal := w.ada.ExpectModal("Waiting for a human: 1", "chat_1")
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Clicks(modal.Button("Take")))
		w.ada.ExpectModal("Grace has had it", "Nothing changed")
		late := w.ada.ExpectDM("Grace has had it", "Leave it")
		w.acknowledged(w.ada.Press(late, "Take over"))
		w.ada.DM().ExpectUpdate(late, "Jane Doe", "@ada")
		w.ada.ExpectPrivate(w.ada.DM(), "it is yours", "Back to Grace")
		w.slack.IgnoreLeftovers() // Grace is told what was done in the dashboard, and by whom it was taken
		w.wrote("chat_1 mem_ada")
	})
	t.Run("opens whatever Invent does", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.serve(clock.drive)
		w.listed()
		undo := w.invent.Fault(inventtest.Fault{Path: "/inbox", Status: 500})
		clock.pass(11 * time.Second)
		w.acknowledged(w.ada.Shortcut("take_one"))
		w.ada.ExpectModal("Invent isn't answering right now")
		undo()
		w.ada.ExpectModal("Waiting for a human: 1")
	})
	t.Run("closed before it is filled: nothing is said", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.listed()
		w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
		w.ada.ExpectPrivate(w.support, "You are *Ada*")
		w.slack.Fault(slacktest.Fault{Method: "views.update", Error: "not_found", Times: 1})
		w.acknowledged(w.ada.Shortcut("take_one"))
		w.until("it has ended", func() bool { return w.outcomes("fill", "closed") == 1 })
	})
	t.Run("not for strangers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.until("Slack's users are listed", func() bool { return len(w.slack.CallsTo("users.list")) > 0 })
		w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
		w.ada.ExpectPrivate(w.support, "You are")
		w.acknowledged(w.linus.Shortcut("take_one"))
		w.until("the stranger reads why", func() bool { return w.linus.Modal() != nil || len(w.slack.Messages(w.linus.DM().ID, "")) > 0 })
		if m := w.linus.Modal(); m != nil { // the list may be on its way still
			w.linus.ExpectModal("You aren't linked")
		} else {
			w.linus.ExpectDM("You aren't linked")
		}
	})
	t.Run("nor before it is known that they are strangers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 500})
		w.serve()
		w.listed()
		w.acknowledged(w.linus.Shortcut("take_one"))
		if m := w.linus.ExpectModal("You aren't linked"); strings.Contains(m.Shows(), "chat_1") {
			t.Errorf("a stranger sees what waits: %s", m.Shows())
		}
		w.until("it has ended", func() bool { return w.outcomes("fill", "not_linked") == 1 })
	})
}

// TestListsAfterNothing: a button that changed nothing, because the list was out of date, brings the list up to date.
func TestListsAfterNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change             func(w *world)
		label, chat, shows string
	}{
		"it is mine already": {func(w *world) { w.has("chat_1", "mem_ada") }, "Take", "chat_1", "My conversations: 2"},
		"nobody has it any more": {
			func(w *world) { w.invent.SetChat("chat_mine", func(c *inventtest.Chat) { c.AssigneeID = "" }) },
			"Release", "chat_mine", "My conversations: 0",
		},
		"it is gone": {
			func(w *world) { w.invent.Fault(inventtest.Fault{Path: "/chats/chat_1", Status: 404}) },
			"Take", "chat_1", "Waiting for a human: 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.has(w.chat("chat_mine"), "mem_ada")
			w.serve()
			w.listed()
			w.acknowledged(w.ada.OpensHome())
			home := w.ada.ExpectHome("My conversations: 1", "Waiting for a human: 1")
			c.change(w)
			w.acknowledged(w.ada.Clicks(homeButton(t, home, c.label, c.chat)))
			w.ada.ExpectHome(c.shows)
			w.slack.IgnoreLeftovers() // the words for it
		})
	}
	t.Run("in a private list", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.listed()
		w.acknowledged(w.ada.Types(w.support, "/invent queue"))
		list := w.ada.ExpectPrivate(w.support, "Waiting for a human: 1")
		w.has("chat_1", "mem_grace")
		w.acknowledged(w.ada.Press(list, "Take"))
		w.ada.ExpectPrivate(w.support, "Grace has had it", "Take over")
		w.until("the list is drawn anew", func() bool { return strings.Contains(list.Now().Text, "No conversations are waiting") })
		w.slack.IgnoreLeftovers()
	})
}

// TestRetiredOnHome: a button of a version that is gone draws the Home tab anew.
func TestRetiredOnHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.welcomed(w.ada)
	home := w.ada.ExpectHome("Waiting for a human: 1")
	clicked := homeButton(t, home, "Take", "chat_1")
	clicked.Value = strings.Replace(clicked.Value, `"v":1`, `"v":0`, 1)
	w.acknowledged(w.ada.Clicks(clicked))
	w.until("it is drawn anew", func() bool { return strings.Count(w.log.String(), `"verb":"home"`) == 2 })
	if strings.Contains(w.log.String(), "panicked") {
		t.Error("it panicked")
	}
	w.wrote()
}

// TestFirstHomeLater: who opens the Home tab for the first time while Invent is away reads so.
func TestFirstHomeLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := newClock()
	w.serve(clock.drive)
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are")
	undo := w.invent.Fault(inventtest.Fault{Status: 503})
	clock.pass(time.Minute) // the listing of before is old
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("Invent isn't answering right now")
	undo()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, 5*time.Second, func() bool { return strings.Contains(w.ada.Home().Shows(), "My conversations") })
	w.ada.ExpectHome("My conversations")
	w.slack.IgnoreLeftovers() // the greeting
}
