package bot_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// penguin is a world in which Linus can be a member by an admin's link only. Joan is an admin.
func penguin(t *testing.T, clock *clock) (*world, *cache.Cache) {
	t.Helper()
	w, store := newWorld(t, slacktest.Now(clock.now)), ownStore(t)
	w.serve(clock.drive, func(c *bot.Config) { c.Admins, c.Cache = []string{"UJOAN"}, store })
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.acknowledged(w.joan.Types(w.support, "/invent whoami"))
	w.joan.ExpectPrivate(w.support, "You are")
	return w, store
}

// TestAgreedIsSeenAtOnce: from the yes on, cards name the person instead of a member who isn't on Slack.
func TestAgreedIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := penguin(t, newClock())
	w.has("chat_1", "mem_penguin")
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.ada.ExpectPrivate(w.support, "Penguin", "not on Slack")
	w.acknowledged(w.joan.Types(w.support, "/invent link @linus mem_penguin"))
	w.joan.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")
	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.linus.DM().ExpectUpdate(question, "You are linked to *Penguin*")
	w.joan.ExpectDM("@linus agreed")
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.ada.ExpectPrivate(w.support, "@linus")
}

// TestYesDuringWithdrawal: a yes that is under way while the question is withdrawn makes no link.
func TestYesDuringWithdrawal(t *testing.T) {
	t.Parallel()
	w, store := penguin(t, newClock())
	w.acknowledged(w.joan.Types(w.support, "/invent link @linus mem_penguin"))
	w.joan.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")
	before := len(w.slack.CallsTo("users.lookupByEmail"))
	undo := w.slack.Fault(slacktest.Fault{Method: "users.lookupByEmail", Delay: 2 * time.Second, Times: 1})
	defer undo()
	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.until("his yes is looked at", func() bool { return len(w.slack.CallsTo("users.lookupByEmail")) > before })
	w.acknowledged(w.joan.Types(w.support, "/invent unlink @linus"))
	w.joan.ExpectPrivate(w.support, "The question of whether @linus", "withdrawn", "They have no link")
	w.linus.ExpectPrivate(w.linus.DM(), "no longer counts")
	emptied(t, store)
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.wrote()
}

// TestAgreedAndDied: a process that dies between the link and the words about it leaves a yes that counts.
func TestAgreedAndDied(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.drain = time.Millisecond // of what died nothing ends
	serve := func() { w.serve(func(c *bot.Config) { c.Admins, c.Cache = []string{"UJOAN"}, n.open() }) }
	serve()
	w.acknowledged(w.joan.Types(w.support, "/invent link @linus mem_penguin"))
	w.joan.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")
	emptied(t, store)
	w.slack.Fault(slacktest.Fault{Method: "response_url", Hang: true, Times: 1}) // here it dies
	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.until("he is linked", func() bool {
		_, linked, err := store.HandLink(t.Context(), w.slack.TeamID(), w.linus.ID)
		return linked && err == nil
	})
	serve()
	n.age()
	w.linus.DM().ExpectUpdate(question, "You are linked to *Penguin*")
	w.slack.IgnoreLeftovers() // the one that hung may tell it too
}

// TestAgreedDuringRestart: a yes is told once, though Redis is restarted before the question is dropped.
func TestAgreedDuringRestart(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.serve(func(c *bot.Config) { c.Admins, c.Cache = []string{"UJOAN"}, store })
	w.acknowledged(w.joan.Types(w.support, "/invent link @linus mem_penguin"))
	w.joan.ExpectPrivate(w.support, "I've asked @linus")
	question := w.linus.ExpectDM("Penguin")
	emptied(t, store)
	told := len(w.slack.CallsTo("chat.postMessage"))
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Delay: time.Second, Times: 1})
	w.acknowledged(w.linus.Press(question, "Yes, that's me"))
	w.until("Joan is about to be told", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > told })
	n.kill()
	w.linus.DM().ExpectUpdate(question, "You are linked to *Penguin*")
	w.joan.ExpectDM("@linus agreed")
	w.until("the question can't be dropped", func() bool { return strings.Contains(w.log.String(), "in Redis yet") })
	n.start()
	emptied(t, store) // left-over messages fail the test
	w.until("it is dropped", func() bool {
		_, waits, err := store.Offer(t.Context(), w.slack.TeamID(), w.linus.ID)
		return !waits && err == nil
	})
}

// TestUnlinkDuringLookUp: whoever is unlinked while he is being looked up doesn't act any more, neither then nor later.
func TestUnlinkDuringLookUp(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w, store := penguin(t, clock)
	w.slack.SetUser("ULINUS", func(u *slacktest.User) { u.EmailUnconfirmed = true })
	w.linkedByHand(store, w.linus, "mem_penguin")
	w.rest()
	clock.pass(50 * time.Minute) // Joan is still known, the list of members is not
	before := len(w.slack.CallsTo("users.info"))
	w.invent.Fault(inventtest.Fault{Path: "/members", Delay: 1800 * time.Millisecond, Times: 1})
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	w.until("he is looked up", func() bool { return len(w.slack.CallsTo("users.info")) > before })
	w.acknowledged(w.joan.Types(w.support, "/invent unlink @linus"))
	w.joan.ExpectPrivate(w.support, "is gone")
	w.linus.ExpectDM("dropped your link")
	w.linus.ExpectPrivate(w.support, "Nothing changed")
	w.rest()
	clock.pass(25 * time.Minute)
	w.acknowledged(w.linus.Types(w.support, "/invent show chat_1"))
	w.linus.ExpectPrivate(w.support, "isn't confirmed")
	w.wrote()
}

// TestLinkThatCountsNoMoreWithoutRedis: who was a member an hour ago, and is none as Slack and Invent say, changes nothing while Redis can't
// tell whether an admin has linked them.
func TestLinkThatCountsNoMoreWithoutRedis(t *testing.T) {
	t.Parallel()
	clock, n := newClock(), newNode(t)
	w, store := newWorld(t, slacktest.Now(clock.now)), n.open()
	var armed atomic.Bool
	address, _ := w.serve(clock.drive, func(c *bot.Config) { c.Cache = store }, w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/members") && armed.CompareAndSwap(true, false) {
				n.kill()
			}
			return next.RoundTrip(r)
		})
	}))
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are *Ada*")
	emptied(t, store)
	w.slack.SetUser("UADA", func(u *slacktest.User) { u.Email = "new@example.com" })
	clock.pass(61 * time.Minute)
	armed.Store(true)
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.until("it was tried in vain", func() bool { return retries(t, address) > 0 })
	n.start()
	w.ada.ExpectPrivate(w.support, "aren't linked")
	w.wrote()
}

// TestHomeAfterUnlink: whoever is unlinked reads no customers on the Home tab any more.
func TestHomeAfterUnlink(t *testing.T) {
	t.Parallel()
	w, store := penguin(t, newClock())
	w.listed()
	w.linkedByHand(store, w.linus, "mem_penguin")
	w.has("chat_1", "mem_penguin")
	w.acknowledged(w.linus.OpensHome())
	w.linus.ExpectHome("Jane Doe")
	emptied(t, store) // that he has opened it is known
	w.acknowledged(w.joan.Types(w.support, "/invent unlink @linus"))
	w.joan.ExpectPrivate(w.support, "is gone")
	w.linus.ExpectHome("aren't linked")
	w.slack.IgnoreLeftovers() // what Linus hears of it
}

// TestUnlinkDuringFirstHome: whoever is unlinked while their first Home tab is drawn reads no customers on it for long.
func TestUnlinkDuringFirstHome(t *testing.T) {
	t.Parallel()
	w, store := penguin(t, newClock())
	w.listed()
	w.linkedByHand(store, w.linus, "mem_penguin")
	w.has("chat_1", "mem_penguin")
	w.slack.Fault(slacktest.Fault{Method: "views.publish", Delay: 2 * time.Second, Times: 1})
	w.acknowledged(w.linus.OpensHome())
	w.until("it is drawn", func() bool { return len(w.slack.CallsTo("views.publish")) > 0 })
	w.acknowledged(w.joan.Types(w.support, "/invent unlink @linus"))
	w.joan.ExpectPrivate(w.support, "is gone")
	emptied(t, store)
	w.linus.ExpectHome("aren't linked")
	w.slack.IgnoreLeftovers() // what Linus hears of it
}

// TestColdModal: as long as it isn't known who somebody is, the modal tells nothing of the conversation.
func TestColdModal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.Shared = true })
	w.has("chat_1", "mem_grace")
	w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 429, RetryAfter: 30})
	w.serve()
	w.listed()
	card := w.shared("chat_1")
	for _, u := range []slacktest.User{
		{ID: "UOUT", Name: "out", TeamID: "TOTHER", Email: "out@other.example"}, {ID: "UGUEST", Name: "guest", Guest: true, Email: "guest@other.example"},
	} {
		p := w.slack.AddUser(u)
		w.acknowledged(p.Clicks(card.Button("Assign…")))
		if v := string(p.ExpectModal("Assign a conversation").Blocks); strings.Contains(v, "Jane") || strings.Contains(v, "Grace") {
			t.Errorf("%s reads %s", u.Name, v)
		}
	}
}

// TestModalOfTheLinked: a modal shows the conversation to whoever is linked, also where the lists in memory don't know them.
func TestModalOfTheLinked(t *testing.T) {
	t.Parallel()
	t.Run("just now, and listed later", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.listed()
		card := w.shared("chat_1", "Nobody")
		w.until("Slack's users are listed", func() bool { return len(w.slack.CallsTo("users.list")) > 0 })
		w.invent.AddMember(member("eve"))
		eve := w.slack.AddUser(slacktest.User{ID: "UEVE", Name: "eve", Email: "eve@example.com"})
		w.acknowledged(eve.Types(w.support, "/invent whoami"))
		eve.ExpectPrivate(w.support, "You are")
		w.acknowledged(eve.Press(card, "Assign…"))
		if v := string(eve.ExpectModal("Assign a conversation").Blocks); !strings.Contains(v, "Jane") {
			t.Errorf("she reads %s", v)
		}
	})
	t.Run("hours ago, and Slack has listed nobody since the start", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 429, RetryAfter: 30})
		w.serve(func(c *bot.Config) { c.Cache = store })
		w.listed()
		card := w.shared("chat_1", "Nobody")
		emptied(t, store)
		link := cache.Link{Member: "mem_ada", UserID: "usr_ada", Name: "Ada", Email: "ada@example.com", Checked: time.Now().Add(-3 * time.Hour)}
		if err := store.SetLink(t.Context(), w.slack.TeamID(), w.ada.ID, link); err != nil {
			t.Fatal(err)
		}
		w.acknowledged(w.ada.Press(card, "Assign…"))
		if v := string(w.ada.ExpectModal("Assign a conversation").Blocks); !strings.Contains(v, "Jane") {
			t.Errorf("she reads %s", v)
		}
	})
	for name, refuse := range map[string]func(w *world){
		"hours ago, since when Slack lists nobody": func(w *world) { w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 500}) },
		"hours ago, since when Invent lists nobody": func(w *world) {
			w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/members", Status: 500})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, store := newClock(), ownStore(t)
			w := newWorld(t, slacktest.Now(clock.now))
			w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
			w.listed()
			card := w.shared("chat_1", "Nobody")
			listed := func() int { return len(w.slack.CallsTo("users.list")) }
			w.until("all are listed", func() bool { return listed() > 0 && w.count("/members") > 0 })
			emptied(t, store)
			w.invent.AddMember(member("eve"))
			eve := w.slack.AddUser(slacktest.User{ID: "UEVE", Name: "eve", Email: "eve@example.com"})
			link := cache.Link{Member: "mem_eve", UserID: "usr_eve", Name: "Eve", Email: "eve@example.com", Checked: time.Now()}
			if err := store.SetLink(t.Context(), w.slack.TeamID(), eve.ID, link); err != nil {
				t.Fatal(err)
			}
			refuse(w)
			clock.pass(3 * time.Hour)
			for range 2 { // the second when it was tried to list them anew
				before := listed()
				w.acknowledged(eve.Press(card, "Assign…"))
				if v := string(eve.ExpectModal("Assign a conversation").Blocks); !strings.Contains(v, "Jane") {
					t.Errorf("she reads %s", v)
				}
				w.until("Slack is asked for its users", func() bool { return listed() > before })
				clock.pass(10 * time.Minute)
			}
		})
	}
}

// TestStrangersCostFewListings: people without a member can't use up Invent's calls.
func TestStrangersCostFewListings(t *testing.T) {
	t.Parallel()
	clock := newClock()
	clock.stop() // each question comes 100 ms after the one before
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	w.listed()
	before := w.count("/members")
	for range 40 {
		clock.pass(100 * time.Millisecond)
		w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
		w.linus.ExpectPrivate(w.support, "aren't linked")
	}
	if n := w.count("/members") - before; n < 2 || n > 20 {
		t.Errorf("40 questions of somebody who isn't linked: %d listings of the members", n)
	}
	many := newWorld(t, slacktest.Now(clock.now))
	for n := range 897 { // with those that are there, nine pages
		many.invent.AddMember(member(fmt.Sprintf("x%d", n)))
	}
	many.serve(clock.drive)
	many.listed()
	before = many.count("/members")
	for range 40 {
		clock.pass(100 * time.Millisecond)
		many.acknowledged(many.linus.Types(many.support, "/invent whoami"))
		many.linus.ExpectPrivate(many.support, "aren't linked")
	}
	if n := many.count("/members") - before; n < 9 || n > 40 {
		t.Errorf("40 questions of somebody who isn't linked, with 900 members: %d calls to list them", n)
	}
}

// TestPastedIsNotLogged: what stands in a pasted link may be anything, until Invent knows it.
func TestPastedIsNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	m := w.linus.Says(w.support, "see https://useinvent.com/o/inbox/Maria.Lopez%40customer.example")
	w.acknowledged(w.ada.MessageShortcut("work_on", m))
	w.ada.ExpectPrivate(w.support, "has no conversation")
	w.until("both have ended", func() bool {
		return w.outcomes("show", "not_found") == 1 && strings.Contains(w.log.String(), `"verb":"unfold"`)
	})
	if strings.Contains(w.log.String(), "Maria") {
		t.Error("the log holds what was pasted")
	}
}

// TestCrowdOfBodies: what nobody has signed yet takes no more memory than it may, and what is usual passes all the same.
func TestCrowdOfBodies(t *testing.T) {
	t.Parallel()
	var all atomic.Int64
	read := func(n int64) (giveBack func(), err error) {
		r, giveBack := bot.Share(strings.NewReader(strings.Repeat("x", int(n))), &all)
		_, err = io.Copy(io.Discard, r)
		return giveBack, err
	}
	first, err := read(bot.Freely + bot.Crowd)
	if err != nil {
		t.Fatalf("one that takes all that there is: %v", err)
	}
	usual, err := read(bot.Freely)
	if err != nil {
		t.Errorf("a usual one: %v", err)
	}
	usual()
	refused, err := read(bot.Freely + 1)
	if !errors.Is(err, bot.ErrCrowded) {
		t.Errorf("one more large one: %v", err)
	}
	refused()
	first()
	if n := all.Load(); n != 0 {
		t.Errorf("%d bytes are held by nobody", n)
	}
}
