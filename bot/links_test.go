package bot_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// boss adds an admin of the workspace who is a member too.
func (w *world) boss() *slacktest.Person {
	w.invent.AddMember(invent.Member{ID: "mem_boss", Name: "Boss", Email: "boss@example.com", Role: "ADMIN"})
	return w.slack.AddUser(slacktest.User{ID: "UBOSS", Name: "boss", RealName: "Boss", Email: "boss@example.com", Admin: true})
}

func TestWhoami(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"ADMIN"} })
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are *Ada* in Invent", "mem_ada", "same e-mail", "Agent", "work on the ones you have")
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "aren't linked", "/invent link")
	boss := w.boss()
	w.acknowledged(boss.Types(w.support, "/invent whoami"))
	boss.ExpectPrivate(w.support, "You are *Boss*", "release anybody's")
}

func TestLinkByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	boss := w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})

	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked", "within an hour")
	w.acknowledged(boss.Types(w.support, "/invent link @linus penguin@other.example"))
	boss.ExpectPrivate(w.support, "I've asked @linus", "Penguin")
	question := w.linus.ExpectDM("@boss says", "Penguin", "mem_penguin", "7 days")
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "aren't linked") // nothing counts before the yes
	w.wrote()

	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.linus.DM().ExpectUpdate(question, "You are linked to *Penguin*")
	boss.ExpectDM("@linus agreed")
	w.linus.ExpectPrivate(w.support, "carrying out what you asked for")
	w.support.ExpectMessage("@linus") // the very action
	w.wrote("chat_1 mem_penguin")
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "You are *Penguin*", "@boss linked you")

	w.acknowledged(boss.Types(w.support, "/invent unlink @linus"))
	boss.ExpectPrivate(w.support, "The link that an admin made for @linus is gone")
	w.linus.ExpectDM("@boss dropped your link")
	w.acknowledged(w.linus.Types(w.support, "/invent release chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.wrote("chat_1 mem_penguin")
}

func TestLinkDeclinedOrForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	boss := w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "I've asked @linus")
	first := w.linus.ExpectDM("Penguin")
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "I've asked @linus")
	second := w.linus.ExpectDM("Penguin")
	w.acknowledged(w.linus.Press(first, "Yes, that's me")) // replaced by the second
	w.linus.ExpectPrivate(w.linus.DM(), "replaced by a newer one")
	w.acknowledged(w.linus.Press(second, "No"))
	w.linus.DM().ExpectUpdate(second, "weren't linked")
	boss.ExpectDM("@linus says they aren't *Penguin*")
	w.acknowledged(w.linus.Press(second, "Yes, that's me"))
	w.linus.ExpectPrivate(w.linus.DM(), "was answered")
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
}

func TestLinkRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(c *bot.Config) { c.Admins = []string{"UGRACE"} })
	boss := w.boss()
	w.slack.AddUser(slacktest.User{ID: "UGUEST", Name: "guest", Guest: true, Email: "guest@example.com"})
	w.slack.AddUser(slacktest.User{ID: "URENEE", Name: "renee", Email: "renee@example.com"})
	w.invent.AddMember(invent.Member{ID: "mem_old", Name: "Old", Email: "old@example.com", Status: "INACTIVE"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	chief := w.slack.AddUser(slacktest.User{ID: "UCHIEF", Name: "chief", Email: "chief@example.com", Admin: true}) // no member
	for _, c := range []struct {
		who        *slacktest.Person
		line, says string
	}{
		{w.ada, "link @linus mem_penguin", "Only Slack admins"},
		{w.ada, "unlink @linus", "Only Slack admins"},
		{w.ada, "links", "Only Slack admins"},
		{w.linus, "link @linus mem_penguin", "Only Slack admins"},
		{boss, "link @boss mem_penguin", "You can't link yourself"},
		{boss, "link @linus mem_ada", "That member is linked to @ada already"},
		{boss, "link @grace mem_penguin", "@grace is linked already, by having the same e-mail"},
		{boss, "link @guest mem_penguin", "@guest is a guest"},
		{boss, "link @linus mem_nobody", "No member in Invent has the e-mail or id mem_nobody"},
		{boss, "link @linus old@example.com", "The membership of Old in Invent isn't active"},
		{boss, "unlink @linus", "@linus has no link"},
		{boss, "unlink @ada", "@ada is linked already, by having the same e-mail"},
		{boss, "unlink", "same e-mail"},
		{w.linus, "unlink", "aren't linked"},
		{chief, "unlink @linus", "You aren't linked"},
		{chief, "links", "You aren't linked"},
	} {
		w.acknowledged(c.who.Types(w.support, "/invent "+c.line))
		c.who.ExpectPrivate(w.support, c.says)
	}
	for line, says := range map[string]string{
		"link": "Who do you mean", "link @linus": "Which member", "link linus@example.com mem_penguin": "Pick a person with @",
		"link @linus mem_penguin now": "too many words", "whoami now": "too many words", "unlink mem_penguin": "Pick a person with @",
	} {
		w.acknowledged(boss.Types(w.support, "/invent "+line))
		boss.ExpectPrivate(w.support, says)
	}
	w.slack.Fault(slacktest.Fault{Method: "users.lookupByEmail", Status: 500, Times: 1}) // nothing is allowed because Slack doesn't answer
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_ada"))
	boss.ExpectPrivate(w.support, "That member is linked to @ada already")
	w.acknowledged(w.grace.Types(w.support, "/invent link @linus mem_penguin")) // by ADMINS
	w.grace.ExpectPrivate(w.support, "I've asked @linus")
	w.linus.ExpectDM("Penguin")
	w.acknowledged(w.grace.Types(w.support, "/invent link @renee mem_penguin"))
	w.grace.ExpectPrivate(w.support, "I've asked @renee")
	w.slack.Person("URENEE").ExpectDM("Penguin")
}

// TestLinkWhereMailDoesntCount: whose e-mail doesn't count keeps nobody from being linked to its member: neither somebody else nor themselves.
func TestLinkWhereMailDoesntCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	boss := w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@example.com"})
	w.slack.AddUser(slacktest.User{ID: "UGUEST", Name: "guest", Guest: true, Email: "penguin@example.com"})
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "I've asked @linus")
	w.linus.ExpectDM("Penguin")

	w.invent.AddMember(invent.Member{ID: "mem_renee", Name: "Renee", Email: "renee@example.com"})
	renee := w.slack.AddUser(slacktest.User{ID: "URENEE", Name: "renee", Email: "renee@example.com", EmailUnconfirmed: true})
	w.acknowledged(boss.Types(w.support, "/invent link @renee mem_renee"))
	boss.ExpectPrivate(w.support, "I've asked @renee")
	w.acknowledged(renee.Press(renee.ExpectDM("Renee"), "Yes, that's me"))
	boss.ExpectDM("@renee agreed")
	w.acknowledged(renee.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@renee")
	w.wrote("chat_1 mem_renee")
	w.slack.IgnoreLeftovers() // the question, answered
}

// TestSecondYesLoses: two people were asked about one member; only the first yes counts.
func TestSecondYesLoses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	boss := w.boss()
	renee := w.slack.AddUser(slacktest.User{ID: "URENEE", Name: "renee", Email: "renee@example.com"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	for _, p := range []*slacktest.Person{w.linus, renee} {
		w.acknowledged(boss.Types(w.support, "/invent link @"+p.Name+" mem_penguin"))
		boss.ExpectPrivate(w.support, "I've asked")
	}
	q1, q2 := w.linus.ExpectDM("Penguin"), renee.ExpectDM("Penguin")
	w.acknowledged(w.linus.Press(q1, "Yes, that's me"))
	w.linus.DM().ExpectUpdate(q1, "You are linked")
	boss.ExpectDM("@linus agreed")
	w.acknowledged(renee.Press(q2, "Yes, that's me"))
	renee.ExpectPrivate(renee.DM(), "That member is linked to @linus already")
	w.acknowledged(boss.Types(w.support, "/invent link @renee mem_penguin"))
	boss.ExpectPrivate(w.support, "That member is linked to @linus already")
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin")) // once more
	boss.ExpectPrivate(w.support, "I've asked @linus")
	w.linus.ExpectDM("Penguin")
}

// TestTwoYesAtOnce: of two people who say at the same moment that they are one member, one is.
func TestTwoYesAtOnce(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	boss := w.boss()
	renee := w.slack.AddUser(slacktest.User{ID: "URENEE", Name: "renee", Email: "renee@example.com"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	var questions []*slacktest.Message
	for _, p := range []*slacktest.Person{w.linus, renee} {
		w.acknowledged(boss.Types(w.support, "/invent link @"+p.Name+" mem_penguin"))
		boss.ExpectPrivate(w.support, "I've asked")
		questions = append(questions, p.ExpectDM("Penguin"))
	}
	// Both have looked who is linked already before Slack answers who has the member's e-mail.
	w.slack.Fault(slacktest.Fault{Method: "users.lookupByEmail", Delay: 300 * time.Millisecond})
	var yes sync.WaitGroup
	for n, p := range []*slacktest.Person{w.linus, renee} {
		yes.Go(func() { w.acknowledged(p.Press(questions[n], "Yes, that's me")) })
	}
	yes.Wait()
	emptied(t, store)
	all, err := store.HandLinks(t.Context(), w.slack.TeamID())
	if len(all) != 1 || err != nil {
		t.Errorf("linked are %v, %v; want one of the two", all, err)
	}
	if first, second := questions[0].Now().Text, questions[1].Now().Text; strings.Contains(first, "You are linked") == strings.Contains(second, "You are linked") {
		t.Errorf("they read %q and %q, want that one is linked", first, second)
	}
	w.slack.IgnoreLeftovers() // who it is, is left to chance
}

// TestQuestionWithdrawn: a question whether somebody is a member counts no more once an admin has withdrawn it, or who asked is no
// admin any more.
func TestQuestionWithdrawn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change func(w *world) }{
		"by another admin": {func(w *world) {
			w.acknowledged(w.joan.Types(w.support, "/invent unlink @linus"))
			w.joan.ExpectPrivate(w.support, "The question of whether @linus", "withdrawn")
		}},
		"who asked is no admin any more": {func(w *world) {
			w.slack.SetUser("UBOSS", func(u *slacktest.User) { u.Admin = false })
		}},
		"who asked has left": {func(w *world) {
			w.slack.SetUser("UBOSS", func(u *slacktest.User) { u.Deactivated = true })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve(func(c *bot.Config) { c.Admins = []string{"UJOAN"} })
			boss := w.boss()
			w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
			w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
			boss.ExpectPrivate(w.support, "I've asked @linus")
			question := w.linus.ExpectDM("Penguin")
			c.change(w)
			w.acknowledged(w.linus.Press(question, "Yes, that's me"))
			w.linus.ExpectPrivate(w.linus.DM(), "no longer counts")
			w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
			w.linus.ExpectPrivate(w.support, "aren't linked")
		})
	}
}

// TestHeldForAnHour: what somebody was refused for want of a link is carried out if the link comes within an hour of it, and not later,
// however often they try.
func TestHeldForAnHour(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.chat("chat_2")
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	for n, chat := range []string{"chat_1", "chat_2"} {
		w.acknowledged(w.linus.Types(w.support, "/invent take "+chat))
		w.linus.ExpectPrivate(w.support, "aren't linked", "within an hour")
		w.rest()
		clock.pass([]time.Duration{40 * time.Minute, 25 * time.Minute}[n])
	}
	w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "carrying out what you asked for")
	w.support.ExpectMessage("chat_2", "@linus")
	// A look that found no link just before is put off by a minute of the bot's clock.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	clock.passUntil(ctx, 61*time.Second, func() bool {
		d, err := store.Depth(ctx)
		return err == nil && d.Open == 0
	})
	emptied(t, store)
	w.wrote("chat_2 mem_linus")
	w.linus.ExpectPrivate(w.support, "have the same e-mail")
}

// TestHeldThoughSlackIsAway: what is kept for an hour is looked after as long, also when Slack can't say late in it who somebody is.
func TestHeldThoughSlackIsAway(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.slack.AllowComplaint("expired_url") // the bot tries it first
	w.serve(clock.drive)
	clock.stop()
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked", "within an hour")
	w.rest()
	undo := w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 500})
	before := len(w.slack.CallsTo("users.info"))
	clock.pass(55 * time.Minute)
	w.until("it is looked whether he is linked", func() bool { return len(w.slack.CallsTo("users.info")) > before })
	w.rest()
	undo()
	w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
	clock.pass(time.Minute)
	w.linus.ExpectPrivate(w.support, "carrying out what you asked for")
	w.support.ExpectMessage("@linus")
	w.wrote("chat_1 mem_linus")
}

// TestNotHeldWhileFull: who wasn't told that it is kept for an hour isn't surprised by it later.
func TestNotHeldWhileFull(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // what follows from it would fill this queue too
	w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 1 })
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	if s := w.linus.ExpectPrivate(w.support, "aren't linked").Shows(); strings.Contains(s, "within an hour") {
		t.Errorf("he reads %q", s)
	}
	if held, err := store.Held(t.Context(), w.slack.TeamID(), w.linus.ID, time.Now()); len(held) > 0 || err != nil {
		t.Errorf("kept are %s, %v; want nothing", held, err)
	}
}

// tried notes that people tried to use the app without being linked.
func (w *world) tried(store *cache.Cache, people ...*slacktest.Person) {
	w.t.Helper()
	for _, p := range people {
		if _, err := store.Hold(w.t.Context(), w.slack.TeamID(), p.ID, []byte("{}"), time.Now().Add(-2*time.Hour)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// linkedByHand links a person as an admin would, without asking.
func (w *world) linkedByHand(store *cache.Cache, p *slacktest.Person, member string) {
	w.t.Helper()
	question := cache.Offer{ID: "q", Member: member, By: "UBOSS"}
	if err := store.SetOffer(w.t.Context(), w.slack.TeamID(), p.ID, question); err != nil {
		w.t.Fatal(err)
	}
	if other, err := store.SetHandLink(w.t.Context(), w.slack.TeamID(), p.ID, cache.HandLink{Member: member, By: "UBOSS", At: time.Now()}, question.ID); other != "" || err != nil {
		w.t.Fatal(other, err)
	}
}

// TestLinkedByMailLater: somebody is invited to Invent after a refusal; the interrupted action is finished without another
// click.
func TestLinkedByMailLater(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"it still makes sense":           func(*world) {},
		"meanwhile somebody else has it": func(w *world) { w.has("chat_1", "mem_grace") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			clock := newClock()
			w.serve(clock.drive)
			w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
			w.linus.ExpectPrivate(w.support, "aren't linked")
			w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
			change(w)
			// The look comes within the minute, when it is due by the bot's clock.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			clock.passUntil(ctx, 61*time.Second, func() bool { return strings.Contains(w.log.String(), `"verb":"resume"`) })
			w.linus.ExpectPrivate(w.support, "carrying out what you asked for")
			if w.invent.Assignee("chat_1") == "mem_grace" {
				w.linus.ExpectPrivate(w.support, "Grace has had it", "Take over")
				w.wrote()
				return
			}
			w.support.ExpectMessage("@linus")
			w.wrote("chat_1 mem_linus")
		})
	}
	t.Run("all that was promised", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.chat("chat_2")
		for _, chat := range []string{"chat_1", "chat_2"} {
			w.acknowledged(w.linus.Types(w.support, "/invent take "+chat))
			w.linus.ExpectPrivate(w.support, "aren't linked", "I'll carry this out without your asking again")
		}
		w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
		w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
		w.support.ExpectMessage("@linus")
		w.support.ExpectMessage("@linus")
		w.wroteInAnyOrder("chat_1 mem_linus", "chat_2 mem_linus")
		w.slack.IgnoreLeftovers() // what he reads meanwhile
	})
}

// TestCommandOfAnotherName: what people are told to type is what they can type.
func TestCommandOfAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	w.serve(func(c *bot.Config) { c.Command = "/support" })
	for _, command := range []string{"/support", "/invent"} { // the app may have two
		w.acknowledged(w.linus.Types(w.support, command+" take chat_1"))
		w.linus.ExpectPrivate(w.support, "type `"+command+" link`")
		w.acknowledged(boss.Types(w.support, command+" links"))
		boss.ExpectPrivate(w.support, command+" link @person")
	}
	w.acknowledged(w.joan.OpensHome())
	w.joan.ExpectDM("Type `/support queue`")
	w.slack.IgnoreLeftovers() // her Home tab
}

// TestLinkWithoutAnEmailScope: where Slack shows no e-mails, an admin's link is what is left.
func TestLinkWithoutAnEmailScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	w.serve()
	w.slack.Fault(slacktest.Fault{Method: "users.lookupByEmail", Error: "missing_scope"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")
	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.linus.DM().ExpectUpdate(question, "You are linked")
	boss.ExpectDM("@linus agreed")
}

// TestSlackForbids: what Slack refuses for good is said, too.
func TestSlackForbids(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	w.serve()
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Error: "messages_tab_disabled"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "Slack refused something that this needs", "doctor", "ref ")
}

// TestInactiveMailWins: an equal e-mail wins over an admin's link also when its member isn't active.
func TestInactiveMailWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	store := ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.invent.SetMember("mem_ada", func(m *invent.Member) { m.Status = "INACTIVE" })
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.acknowledged(boss.Types(w.support, "/invent link @ada mem_penguin"))
	boss.ExpectPrivate(w.support, "isn't active")
	w.linkedByHand(store, w.ada, "mem_penguin")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "isn't active")
	w.wrote()
}

// TestHolderWhoMayNotAct: an assignee whose e-mail in Slack belongs to somebody the bot would refuse is named, but not told, and not
// said to be missing.
func TestHolderWhoMayNotAct(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]slacktest.User{
		"a guest":               {Guest: true},
		"an unconfirmed e-mail": {EmailUnconfirmed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u.ID, u.Name, u.Email = "UZED", "zed", "zed@example.com"
			w.slack.AddUser(u)
			w.invent.AddMember(invent.Member{ID: "mem_zed", UserID: "usr_zed", Name: "Zed", Email: "zed@example.com"})
			w.serve()
			w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 zed@example.com"))
			card := w.support.ExpectMessage("Zed")
			if text := card.Shows(); strings.Contains(text, "not on Slack") || strings.Contains(text, "@zed") {
				t.Errorf("the card says %q", text)
			}
			w.ada.ExpectPrivate(w.support, "Zed has it")
		})
	}
}

// TestHolderIsKept: who has a conversation is asked for once, however often it is shown.
func TestHolderIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.has("chat_1", "mem_grace")
	w.serve()
	for range 2 {
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
		w.ada.ExpectPrivate(w.support, "@grace")
	}
	if n := len(w.slack.CallsTo("users.lookupByEmail")); n != 1 {
		t.Errorf("Slack was asked %d times who has her e-mail, want once", n)
	}
}

// TestHolderInDoubt: who has a conversation is named as far as that is known, and nobody is said to be missing in Slack because that couldn't
// be found out.
func TestHolderInDoubt(t *testing.T) {
	t.Parallel()
	silent := slacktest.Fault{Method: "users.lookupByEmail", Status: 500}
	t.Run("Slack fails, whose users are listed", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.invent.AddMember(zoe)
		w.invent.AddMember(member("x"))
		w.slack.AddUser(slacktest.User{ID: "UX", Name: "x", Email: "x@example.com", Guest: true})
		w.serve(func(c *bot.Config) { c.Cache = store })
		w.everybodyKnown(w.shared("chat_1", "Nobody"))
		w.slack.Fault(silent)
		w.has(w.chat("chat_2"), "mem_grace")
		w.has(w.chat("chat_3"), "mem_x")
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_2"))
		w.ada.ExpectPrivate(w.support, "chat_2", "@grace")
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_3"))
		if text := w.ada.ExpectPrivate(w.support, "chat_3").Shows(); strings.Contains(text, "@x") || strings.Contains(text, "not on Slack") {
			t.Errorf("of a guest's conversation the card says %q", text)
		}
		if _, kept, err := store.Person(t.Context(), w.slack.TeamID(), "mem_grace"); kept || err != nil {
			t.Errorf("what isn't sure is kept: %v, %v", kept, err)
		}
		w.slack.IgnoreLeftovers() // Grace is told
	})
	for name, fault := range map[string]func(w *world, link func()) (undo func()){
		"Slack fails": func(w *world, link func()) func() {
			w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 500})
			undo := w.slack.Fault(silent)
			return func() { undo(); link() }
		},
		"Invent fails, and an admin may have linked them": func(w *world, link func()) func() {
			link()
			return w.invent.Fault(inventtest.Fault{Path: "/members", Status: 503})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWorld(t), ownStore(t)
			w.invent.AddMember(invent.Member{ID: "mem_penguin", UserID: "usr_penguin", Name: "Penguin", Email: "penguin@other.example"})
			w.has("chat_1", "mem_penguin")
			if err := store.SetLink(t.Context(), w.slack.TeamID(), w.ada.ID, cache.Link{Member: "mem_ada", Name: "Ada", Checked: time.Now()}); err != nil {
				t.Fatal(err)
			}
			undo := fault(w, func() { w.linkedByHand(store, w.linus, "mem_penguin") })
			w.serve(func(c *bot.Config) { c.Cache = store })
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			if text := w.ada.ExpectPrivate(w.support, "Penguin").Shows(); strings.Contains(text, "not on Slack") {
				t.Errorf("the card says %q", text)
			}
			undo()
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			w.ada.ExpectPrivate(w.support, "@linus")
			w.slack.IgnoreLeftovers() // Linus may be told
		})
	}
}

// TestLinkIsNoticed: what changes in Slack or Invent is noticed within an hour, and a yes is used as it is till then.
func TestLinkIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world)
		says   string
	}{
		"deactivated in Invent": {func(w *world) { w.invent.SetMember("mem_ada", func(m *invent.Member) { m.Status = "INACTIVE" }) }, "isn't active"},
		"made a guest in Slack": {func(w *world) { w.slack.SetUser("UADA", func(u *slacktest.User) { u.Guest = true }) }, "guest"},
		"another e-mail":        {func(w *world) { w.slack.SetUser("UADA", func(u *slacktest.User) { u.Email = "new@example.com" }) }, "aren't linked"},
		"Slack and Invent away": {func(w *world) {
			w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 500})
			w.invent.Fault(inventtest.Fault{Path: "/members", Status: 500})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.serve(clock.drive)
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			w.ada.ExpectPrivate(w.support, "Nobody")
			c.change(w)
			w.rest()
			clock.pass(61 * time.Minute)
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			if c.says == "" {
				w.ada.ExpectPrivate(w.support, "Nobody")
				return
			}
			w.ada.ExpectPrivate(w.support, c.says)
			w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 500, Times: 1}) // what was so before counts no more
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			w.ada.ExpectPrivate(w.support, c.says)
		})
	}
}

// TestCrowd: the first clicks of 500 people cost one listing of the members, that of the start included, and no more questions than Slack
// allows.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.RateLimits(true)
	people := make([]*slacktest.Person, 500)
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		w.invent.AddMember(member(name))
		people[i] = w.slack.AddUser(slacktest.User{ID: "UP" + fmt.Sprint(i), Name: name, Email: name + "@example.com"})
		w.chat("chat_" + name)
	}
	w.serve()
	for _, p := range people {
		w.acknowledged(p.Types(w.support, "/invent show chat_"+p.Name))
	}
	for _, p := range people {
		p.ExpectPrivate(w.support, "chat_"+p.Name)
	}
	listings := 0
	for _, r := range w.invent.Requests() {
		if strings.HasSuffix(r.Path, "/members") && strings.Contains(r.Query, "page=1") && strings.Contains(r.Query, "take=100") {
			listings++
		}
	}
	if listings != 1 {
		t.Errorf("the members were listed %d times, want once", listings)
	}
	if n := len(w.slack.CallsTo("users.info")); n > 100 {
		t.Errorf("users.info was called %d times within a minute", n)
	}
	for _, c := range w.slack.Calls() {
		if c.Status == 429 {
			t.Errorf("%s ran into Slack's limit", c.Method)
		}
	}
}

func TestRolesThatMayAssignOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER", "admin"} })
	boss := w.boss()
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.support.ExpectMessage("Nobody")
	w.acknowledged(boss.Types(w.support, "/invent assign chat_1 @grace"))
	w.support.ExpectMessage("@grace")
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.slack.IgnoreLeftovers()
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_grace")
}

func TestGuestsWhereAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(c *bot.Config) { c.AllowGuests = true })
	w.slack.SetUser("UADA", func(u *slacktest.User) { u.Guest = true })
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent history chat_1"))
	w.ada.ExpectPrivate(w.support, "Nothing was done")
	for _, line := range []string{"take chat_1", "assign chat_1 @grace"} {
		w.acknowledged(w.ada.Types(w.support, "/invent "+line))
		w.support.ExpectMessage("chat_1")
	}
	w.chat("chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_2"))
	w.support.ExpectMessage("chat_2")
	w.acknowledged(w.grace.Types(w.support, "/invent history chat_1"))
	m := w.grace.ExpectPrivate(w.support, "@ada assigned it, from Ada to Grace", "@ada assigned it, from nobody to Ada", "#support")
	if first := strings.Index(m.Shows(), "to Grace"); first > strings.Index(m.Shows(), "to Ada") {
		t.Error("the newest change isn't first")
	}
	w.slack.IgnoreLeftovers()
}

func TestLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	boss := w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_old", Name: "Old", Email: "old@example.com", Status: "INACTIVE"})
	for i := range 10 {
		w.invent.AddMember(invent.Member{ID: fmt.Sprintf("mem_%d", i), Name: fmt.Sprintf("Nobody %d", i), Email: fmt.Sprintf("n%d@example.com", i)})
	}
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.acknowledged(boss.Types(w.support, "/invent links"))
	list := boss.ExpectPrivate(w.support, "page 1 of 2", "Old (`mem_old`): not active", "@linus: not linked, but tried", "/invent link", "Nobody 0")
	w.acknowledged(boss.Press(list, "Next"))
	list = boss.ExpectPrivate(w.support, "page 2 of 2", "Ada (`mem_ada`): @ada, by the same e-mail")
	w.acknowledged(boss.Press(list, "Previous"))
	boss.ExpectPrivate(w.support, "page 1 of 2")
}

// TestLockedOut: Invent refuses the key; admins hear of it once, people get honest words, and a key that works again is
// enough.
func TestLockedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	undo := w.invent.Fault(inventtest.Fault{Status: 401})
	address, _ := w.serve()
	boss.ExpectDM("Invent refuses this app's API key", "Settings, API Keys")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	no := w.ada.ExpectPrivate(w.support, "refuses this app's API key")
	if b := no.Button("Open in Invent"); b == nil || b.URL != "https://useinvent.com/o/inbox/chat_1" {
		t.Errorf("it can be done in the dashboard, to which %+v leads", b)
	}
	if body := get(t, address+"/readyz"); !strings.Contains(body, "401") {
		t.Errorf("/readyz doesn't say that Invent refuses the key: %s", body)
	}
	if !strings.Contains(w.log.String(), "Invent can't be used") {
		t.Error("the log doesn't say that Invent refuses the key")
	}
	undo()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
}

// TestSomeAdminsAreTold: of a workspace with many admins five hear of a trouble, and of those who have left nobody.
func TestSomeAdminsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var admins []*slacktest.Person
	for n := range 7 {
		name := fmt.Sprintf("admin%d", n)
		admins = append(admins, w.slack.AddUser(slacktest.User{ID: fmt.Sprintf("UADMIN%d", n), Name: name, Email: name + "@example.com", Admin: true, Deactivated: n == 0}))
	}
	w.invent.Fault(inventtest.Fault{Status: 401})
	w.serve()
	for _, p := range admins[1:6] {
		p.ExpectDM("Invent refuses this app's API key")
	}
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "refuses this app's API key") // left-over messages to others fail the test
}

func TestFaultSlackTokenRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
	w.slack.Revoke()
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_1"))
	w.grace.ExpectPrivate(w.support, "Slack refuses this app's token")
	w.slack.Restore()
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_1"))
	w.grace.ExpectPrivate(w.support, "@ada")
}

// TestForgedIds: one bot serves two teams; a payload of team B that names things of team A reaches none of them.
func TestForgedIds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := inventtest.Start()
	t.Cleanup(other.Close)
	other.AddMember(invent.Member{ID: "mem_bob", Name: "Bob", Email: "bob@b.example"})
	other.AddChat(inventtest.Chat{ID: "chat_b", Customer: "Bea", State: invent.Open})
	other.AddMember(invent.Member{ID: "mem_carol", Name: "Carol", Email: "carol@b.example"})
	slackB := slacktest.New(t, slacktest.Team("TTEAMB"), slacktest.Secret(w.slack.Secret()), slacktest.Scopes(scopes...))
	bob := slackB.AddUser(slacktest.User{ID: "UBOB", Name: "bob", Email: "bob@b.example"})
	channelB := slackB.AddChannel(slacktest.Channel{ID: "CB", Name: "b", BotIsMember: true})
	b := bot.NewTeam(bot.NewSlack(slackB.Token(), slackB.URL()), invent.New(invent.Options{URL: other.URL(), Key: other.Key(), Org: "c"}))
	store, err := cache.OpenInProcess()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	hostA := strings.TrimSuffix(strings.TrimPrefix(w.slack.URL(), "http://"), "/api/")
	address, _ := w.serve(func(c *bot.Config) {
		a := c.Teams
		c.Cache = store
		c.Teams = func(ctx context.Context, team, enterprise string) (*bot.Team, error) {
			if team == "TTEAMB" {
				return b.Only(ctx, team, enterprise)
			}
			return a(ctx, team, enterprise)
		}
	})
	slackB.SetBot(address)
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	boss := w.boss()
	w.acknowledged(boss.Types(w.support, "/invent link @linus mem_penguin"))
	boss.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")

	forge := func(action, value string) {
		t.Helper()
		payload := fmt.Sprintf(`{"type":"block_actions","trigger_id":"f.%s.%d","team":{"id":"TTEAMB"},"user":{"id":"UBOB","team_id":"TTEAMB"},`+
			`"channel":{"id":"CB"},"container":{"message_ts":"1.2","is_ephemeral":true,"channel_id":"CB"},"response_url":"http://%s/response/none",`+
			`"actions":[{"action_id":%q,"value":%q,"action_ts":"%d.1"}]}`, action, len(value), hostA, action, value, time.Now().Unix())
		ack := slackB.Send("/slack/interactions", form, []byte(url.Values{"payload": {payload}}.Encode()))
		if ack.Status != 200 {
			t.Fatalf("answered %d", ack.Status)
		}
	}
	w.slack.AllowComplaint("response") // the forged response_url leads nowhere
	forge("take", `{"v":1,"chat":"chat_1","seen":""}`)
	bob.ExpectPrivate(channelB, "has no conversation")
	forge("assign", `{"v":1,"chat":"chat_b","seen":"","to":{"m":"mem_ada"}}`)
	bob.ExpectPrivate(channelB, "No member in Invent has the e-mail or id mem_ada")
	offer := question.Button("Yes, that's me").Value
	forge("link_yes", offer)
	bob.ExpectPrivate(channelB, "This question no longer counts")
	for chat, says := range map[string]string{"chat_1": "has no conversation", "chat_b": "No member in Invent has the e-mail or id mem_ada"} {
		payload := fmt.Sprintf(`{"type":"view_submission","trigger_id":"f.%s","team":{"id":"TTEAMB"},"user":{"id":"UBOB"},"view":{"callback_id":"assign_form",`+
			`"private_metadata":%q,"state":{"values":{"who":{"who_pick":{"selected_option":{"value":"m:mem_ada"}}}}}}}`,
			chat, fmt.Sprintf(`{"v":1,"chat":%q,"seen":"","channel":"CB"}`, chat))
		w.acknowledged(slackB.Send("/slack/interactions", form, []byte(url.Values{"payload": {payload}}.Encode())))
		bob.ExpectPrivate(channelB, says)
	}
	w.wrote()
	if n := len(other.Writes()); n != 0 {
		t.Errorf("team B's Invent was written %d times", n)
	}
	w.acknowledged(w.linus.Press(question, "No"))
	w.linus.DM().ExpectUpdate(question, "weren't linked")
	boss.ExpectDM("@linus says they aren't")
}

// TestRoleIsNoticed: a role that changes in Invent counts within the hour.
func TestRoleIsNoticed(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.invent.SetMember("mem_ada", func(m *invent.Member) { m.Role = "MANAGER" })
	w.rest()
	clock.pass(61 * time.Minute)
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	w.support.ExpectMessage("@grace")
	w.slack.IgnoreLeftovers() // Grace is told, and Ada may undo it
	w.wrote("chat_1 mem_grace")
}

// TestLinksOfTheRefused: who is refused doesn't stand in the list as linked, and an admin who drops a link doesn't do so behind anybody's back.
func TestLinksOfTheRefused(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.slack.SetUser("ULINUS", func(u *slacktest.User) { u.Guest = true })
	w.slack.SetUser("UGRACE", func(u *slacktest.User) { u.EmailUnconfirmed = true })
	w.slack.SetUser("UJOAN", func(u *slacktest.User) { u.Guest = true })
	w.serve(func(c *bot.Config) { c.Cache = store })
	boss := w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_ada2", Name: "Ada the second", Email: "ADA@example.com"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.linkedByHand(store, w.linus, "mem_penguin")
	w.tried(store, w.linus, w.ada)
	w.acknowledged(boss.Types(w.support, "/invent links"))
	list := boss.ExpectPrivate(w.support, "Ada the second (`mem_ada2`): another member has the same e-mail", "@linus: linked to Penguin", "is a guest")
	for _, refused := range []string{"ada", "grace", "joan"} {
		if strings.Contains(list.Shows(), "@"+refused+", by the same e-mail") {
			t.Errorf("%s, who is refused, stands there as linked", refused)
		}
	}
	if strings.Contains(list.Shows(), "but tried") {
		t.Errorf("somebody stands there twice, since they tried before they were refused: %s", list.Shows())
	}
	w.acknowledged(boss.Types(w.support, "/invent unlink @linus"))
	boss.ExpectPrivate(w.support, "The link that an admin made for @linus is gone")
	w.linus.ExpectDM("@boss dropped your link")
}

// TestLinksByHand: the list tells of the links that admins made, also of those that want mending, and whoever was linked so may end it.
func TestLinksByHand(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	boss := w.boss()
	add := func(name string) *slacktest.Person {
		return w.slack.AddUser(slacktest.User{ID: "U" + strings.ToUpper(name), Name: name, Email: name + "@example.com"})
	}
	w.invent.AddMember(invent.Member{ID: "mem_tux", Name: "Tux", Email: "tux@other.example"})
	w.invent.AddMember(invent.Member{ID: "mem_puffin", Name: "Puffin", Email: "puffin@other.example"})
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@example.com"})
	add("penguin")
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.linkedByHand(store, w.linus, "mem_tux")
	w.linkedByHand(store, add("renee"), "mem_penguin")
	zed := add("zed")
	w.linkedByHand(store, zed, "mem_gone")
	w.linkedByHand(store, w.ada, "mem_puffin") // an equal e-mail wins
	w.tried(store, w.linus, zed, w.ada)
	w.acknowledged(boss.Types(w.support, "/invent links"))
	list := boss.ExpectPrivate(w.support, "Tux (`mem_tux`): @linus, linked by @boss", "Penguin (`mem_penguin`): linked to both @renee and @penguin. Drop one",
		"@zed: linked to `mem_gone`, who is no longer a member. Drop it", "Puffin (`mem_puffin`): nobody")
	if strings.Contains(list.Shows(), "Tux (`mem_tux`): nobody") {
		t.Error("Tux, whom Linus is, stands there as nobody's too")
	}
	if strings.Contains(list.Shows(), "but tried") {
		t.Errorf("somebody stands there twice, since they tried before they were linked: %s", list.Shows())
	}

	w.acknowledged(w.linus.Types(w.support, "/invent unlink"))
	w.linus.ExpectPrivate(w.support, "The link that an admin made for you is gone")
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.wrote()
}
