package bot_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// TestRefused has one person for each reason: nothing changes, and the words name the next step.
func TestRefused(t *testing.T) {
	t.Parallel()
	person := func(u slacktest.User) slacktest.User {
		u.ID, u.Name, u.RealName = "UX", "x", "X"
		if u.Email == "" {
			u.Email = "x@example.com"
		}
		return u
	}
	member := invent.Member{ID: "mem_x", Name: "X", Email: "x@example.com"}
	for name, c := range map[string]struct {
		user    slacktest.User
		members []invent.Member
		scopes  []string
		fault   *inventtest.Fault
		says    []string
	}{
		"no member has the e-mail":    {user: person(slacktest.User{}), says: []string{"aren't linked", "invite your e-mail", "within an hour"}},
		"two members have the e-mail": {user: person(slacktest.User{}), members: []invent.Member{member, {ID: "mem_y", Email: "X@example.com"}}, says: []string{"Two members"}},
		"an e-mail that only Unicode takes for the same": {
			user: person(slacktest.User{Email: "\u212ait@example.com"}), members: []invent.Member{{ID: "mem_x", Email: "kit@example.com"}}, says: []string{"aren't linked"},
		},
		"the e-mail isn't confirmed": {user: person(slacktest.User{EmailUnconfirmed: true}), members: []invent.Member{member}, says: []string{"isn't confirmed"}},
		"a guest":                    {user: person(slacktest.User{Guest: true}), members: []invent.Member{member}, says: []string{"guest"}},
		"a guest of one channel":     {user: person(slacktest.User{UltraGuest: true}), members: []invent.Member{member}, says: []string{"guest"}},
		"a bot":                      {user: person(slacktest.User{Bot: true}), members: []invent.Member{member}, says: []string{"Bots"}},
		"a stranger":                 {user: person(slacktest.User{Stranger: true, TeamID: "TOTHER"}), members: []invent.Member{member}, says: []string{"another organisation"}},
		"a foreign team":             {user: person(slacktest.User{TeamID: "TOTHER"}), members: []invent.Member{member}, says: []string{"another organisation"}},
		"a deactivated account":      {user: person(slacktest.User{Deactivated: true}), members: []invent.Member{member}, says: []string{"deactivated"}},
		"a member that isn't active": {user: person(slacktest.User{}), members: []invent.Member{{ID: "mem_x", Email: "x@example.com", Status: "INVITED"}}, says: []string{"isn't active"}},
		"the scope for e-mails is missing": {
			user: person(slacktest.User{}), members: []invent.Member{member}, scopes: []string{"commands", "chat:write", "users:read"},
			says: []string{"doesn't show me your e-mail", "users:read.email"},
		},
		"Invent has no list of members": {
			user: person(slacktest.User{}), members: []invent.Member{member},
			fault: &inventtest.Fault{Path: "/members", Status: 404}, says: []string{"list of its members"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.scopes != nil {
				w.slack.SetScopes(c.scopes...)
			}
			for _, m := range c.members {
				w.invent.AddMember(m)
			}
			x := w.slack.AddUser(c.user)
			if c.fault != nil {
				w.invent.Fault(*c.fault) // before the list is read for the first time
			}
			w.serve()
			w.acknowledged(x.Types(w.support, "/invent take chat_1"))
			x.ExpectPrivate(w.support, append(c.says, "Nothing changed")...)
			w.acknowledged(x.Types(w.support, "/invent show chat_1"))
			if m := x.ExpectPrivate(w.support, c.says...); m == nil || strings.Contains(m.Text, "changed") {
				t.Errorf("asked to show it: %+v, want no word of changes", m)
			}
			w.wrote()
		})
	}
}

// TestUnknownToSlack: whoever Slack doesn't know, or doesn't show to the app, is told so.
func TestUnknownToSlack(t *testing.T) {
	t.Parallel()
	for code, says := range map[string]string{
		"user_not_found": "Slack doesn't know you here", "user_not_visible": "Slack doesn't know you here", "missing_scope": "doesn't show me your e-mail",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			w.slack.Fault(slacktest.Fault{Method: "users.info", Error: code})
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			w.ada.ExpectPrivate(w.support, says, "Nothing changed")
			w.wrote()
		})
	}
}

// TestOneOrganisation: in an Enterprise Grid, whoever belongs to another workspace of the organisation is one of its people, and whoever
// belongs to another organisation isn't.
func TestOneOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.Enterprise("EORG"))
	eve := w.slack.AddUser(slacktest.User{ID: "WEVE", Name: "eve", Email: "grace@example.com", TeamID: "TOTHER", Enterprise: "EOTHER"})
	zoe := w.slack.AddUser(slacktest.User{ID: "WZOE", Name: "zoe", Email: "zoe@example.com", TeamID: "TEAST", Enterprise: "EORG"})
	w.invent.AddMember(invent.Member{ID: "mem_zoe", Name: "Zoe", Email: "zoe@example.com"})
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(eve.Press(card, "Take"))
	eve.ExpectPrivate(w.support, "another organisation")
	w.acknowledged(zoe.Press(card, "Assign…"))
	modal := zoe.ExpectModal("Assign a conversation")
	w.offered(zoe, modal, "me", some)
	w.acknowledged(zoe.Submits(modal, map[string]any{"who_pick": "Me"}))
	w.support.ExpectUpdate(card, "@zoe")
	w.wrote("chat_1 mem_zoe")
}

// TestOtherWorkspaces: a process acts for the workspace that its token belongs to, and for the others of that one's organisation.
func TestOtherWorkspaces(t *testing.T) {
	t.Parallel()
	alone, org := newWorld(t), newWorld(t, slacktest.Enterprise("EORG"))
	for _, c := range []struct {
		w                *world
		team, enterprise string
		served           bool
	}{
		{alone, alone.slack.TeamID(), "", true},
		{alone, "TOTHER", "", false},
		{alone, "TOTHER", "EOTHER", false},
		{org, "TEAST", "EORG", true},
		{org, "TEAST", "", false},
		{org, "TOTHER", "EOTHER", false},
	} {
		team := bot.NewTeam(bot.NewSlack(c.w.slack.Token(), c.w.slack.URL()), nil)
		got, err := team.Only(t.Context(), c.team, c.enterprise)
		if served := got == team && err == nil; served != c.served || !served && !errors.Is(err, bot.ErrUnknownTeam) {
			t.Errorf("workspace %q of organisation %q: %v, want it served: %v", c.team, c.enterprise, err, c.served)
		}
	}
}

func TestAssignedPersonRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.AddUser(slacktest.User{ID: "UROBOT", Name: "robot", Bot: true})
	w.slack.AddUser(slacktest.User{ID: "UGUEST", Name: "guest", Guest: true, Email: "guest@example.com"})
	w.slack.AddUser(slacktest.User{ID: "USLACKBOT", Name: "slackbot"}) // of whom Slack says that it is none
	w.serve()
	for line, says := range map[string]string{
		"@linus":             "@linus isn't linked",
		"@robot":             "@robot is a bot",
		"@guest":             "@guest is a guest",
		"@slackbot":          "@slackbot is a bot",
		"nobody@example.com": "No member in Invent has the e-mail or id nobody@example.com",
	} {
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 "+line))
		w.ada.ExpectPrivate(w.support, says, "Nothing changed")
	}
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 GRACE@example.com"))
	w.support.ExpectMessage("@grace")
	w.ada.ExpectPrivate(w.support, "Back to nobody")
	w.grace.ExpectDM("@ada assigned it to you")
	w.wrote("chat_1 mem_grace")
}

// TestFaultInventAway lets the clock run for ten minutes, since nobody waits that long for a test. After two of them it is given up, and
// nothing comes of it any more: not when Invent is still away, and not when it is back.
func TestFaultInventAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault inventtest.Fault
		says  string
	}{
		"it never answers the read":                    {inventtest.Fault{Status: 503}, "didn't answer for two minutes, so nothing changed"},
		"it writes but answers neither write nor read": {inventtest.Fault{Method: "PATCH", AfterWrite: true, Status: 500}, "couldn't find out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.invent.SetNow(clock.now)
			w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // what follows from it would wait in this queue too
			w.chat("chat_2")
			store := ownStore(t)
			w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
			begun := clock.now()
			undo := w.invent.Fault(c.fault)
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			var want []string
			if c.fault.AfterWrite {
				want = []string{"chat_1 mem_ada"}
				w.until("it is written", func() bool { return len(w.invent.Writes()) == 1 })
				undoWrite, undoRead := undo, w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/", Status: 500})
				undo = func() { undoWrite(); undoRead() }
			}
			clock.pass(6 * time.Second)
			w.ada.ExpectPrivate(w.support, "Still on it")
			clock.pass(2 * time.Minute)
			m := w.ada.ExpectPrivate(w.support, c.says)
			emptied(t, store)
			given := len(w.about("chat_1"))
			clock.pass(begun.Add(10 * time.Minute).Sub(clock.now()))
			undo()
			w.acknowledged(w.grace.Types(w.support, "/invent show chat_2"))
			w.grace.ExpectPrivate(w.support, "chat_2")
			emptied(t, store)
			if n := len(w.about("chat_1")) - given; n != 0 {
				t.Errorf("Invent was called %d times after it had been given up", n)
			}
			if err := w.slack.ExpectNothing(); err != nil {
				t.Errorf("after it had been given up: %v", err)
			}
			w.wrote(want...)
			if c.fault.AfterWrite {
				return
			}
			w.acknowledged(w.ada.Press(m, "Try again"))
			w.support.ExpectMessage("@ada")
			w.ada.ExpectPrivate(w.support, "it is yours")
			w.wrote("chat_1 mem_ada")
			if strings.Contains(w.log.String(), "hooks.slack") {
				t.Error("the log names a response_url")
			}
		})
	}
}

// about are the calls to Invent about one conversation.
func (w *world) about(chat string) (all []inventtest.Request) {
	for _, r := range w.invent.Requests() {
		if strings.Contains(r.Path, "/chats/"+chat) {
			all = append(all, r)
		}
	}
	return all
}

// TestRefusedAfterDoubt: what Invent refused for good after a try of which nothing is known is told with its reason.
func TestRefusedAfterDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: 502, Times: 1})
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: 403})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "key", "nothing changed")
}

// TestLastLook: when its time is up, one more look tells what became of a write whose answer was lost.
func TestLastLook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrote bool
		ends  func(w *world, clock *clock)
	}{
		"it was made": {true, func(w *world, _ *clock) {
			w.support.ExpectMessage("@ada")
			w.wrote("chat_1 mem_ada")
		}},
		"it was made, and Slack doesn't take its card at once": {true, func(w *world, clock *clock) {
			w.until("Slack was asked", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > 0 })
			w.rest()
			clock.pass(time.Minute)
			w.support.ExpectMessage("@ada")
			w.wrote("chat_1 mem_ada")
		}},
		"it was not": {false, func(w *world, _ *clock) {
			w.ada.ExpectPrivate(w.support, "so nothing changed", "Try again")
			w.wrote()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.invent.SetNow(clock.now)
			w.serve(clock.drive)
			w.invent.Fault(inventtest.Fault{Method: "PATCH", AfterWrite: c.wrote, Status: 500})
			if strings.Contains(name, "Slack") {
				w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 500, Times: 1})
			}
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			asked := func(n int) func() bool { return func() bool { return len(w.about("chat_1")) >= n } }
			w.until("it is written", asked(2))
			undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/", Status: 500})
			clock.pass(100 * time.Second)
			w.until("it is looked at again", asked(len(w.about("chat_1"))+1))
			undo()
			clock.pass(time.Minute)
			c.ends(w, clock)
		})
	}
}

// TestNotWrittenTooLate: what is read in time but would be written too late isn't written.
func TestNotWrittenTooLate(t *testing.T) {
	t.Parallel()
	for _, press := range []string{"Take", "Resolve"} {
		t.Run(press, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.steps = func(step string, j cache.Job) {
				if step == "the conversation is read" && strings.Contains(string(j.Body), `"verb":"`+strings.ToLower(press)+`"`) {
					clock.pass(2 * time.Minute)
				}
			}
			w.serve(clock.drive)
			w.listed()
			card := w.shared("chat_1", "Nobody")
			w.acknowledged(w.ada.Press(card, press))
			w.ada.ExpectPrivate(w.support, "didn't answer for two minutes, so nothing changed")
			if n := len(w.invent.Writes()); n > 0 {
				t.Errorf("Invent was written %d times", n)
			}
		})
	}
}

// TestLongPause: where Invent wants no calls for longer than anybody waits, people hear that, and at once.
func TestLongPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 429, RetryAfter: "600", Times: 1})
	for range 2 { // the second doesn't ask Invent
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, "Invent won't take any more calls from this app for a while, so nothing changed", "Try again")
	}
	if n := len(w.about("chat_1")); n != 1 {
		t.Errorf("Invent was asked %d times", n)
	}
	w.wrote()
}

// TestLongMaintenance: the same where Invent says so with a 503, to this call alone. After a change it is found out first that it wasn't made.
func TestLongMaintenance(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "PATCH"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			w.invent.Fault(inventtest.Fault{Method: method, Path: "/chats/", Status: 503, RetryAfter: "600", Times: 1})
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			w.ada.ExpectPrivate(w.support, "Invent won't take any more calls from this app for a while, so nothing changed", "Try again")
			w.wrote()
			w.takes()
		})
	}
}

// TestReleaseOfWhatIsGone: a release names no member that could be the cause.
func TestReleaseOfWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.has("chat_1", "mem_ada")
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: 404})
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.ada.ExpectPrivate(w.support, "Invent has no conversation", "nothing changed")
	w.wrote()
}
