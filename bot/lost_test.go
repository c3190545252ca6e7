package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// busy fills a queue of one job with one that is tried in vain until undo is called.
func (w *world) busy() (undo func()) {
	w.t.Helper()
	w.chat("chat_2")
	undo = w.invent.Fault(inventtest.Fault{Path: "/chats/chat_2", Status: 503})
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_2"))
	w.until("it is tried", func() bool { return len(w.about("chat_2")) > 0 })
	return undo
}

// TestFullQueueLosesNoRedraw: a card that can't be redrawn while the queue is full is redrawn afterwards.
func TestFullQueueLosesNoRedraw(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 1 })
	w.listed()
	card := w.takes()
	emptied(t, store)
	undo := w.busy()
	w.has("chat_1", "mem_grace")
	w.until("the redraw is ordered in vain", func() bool { return strings.Contains(w.log.String(), "what the feed orders waits") })
	undo()
	w.grace.ExpectPrivate(w.support, "Nobody")
	w.support.ExpectUpdate(card, "@grace")
	w.slack.IgnoreLeftovers() // those whom it concerns hear of it
}

// TestPickWhileFull: a window that can't be filled because the queue is full says so.
func TestPickWhileFull(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 1 })
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are *Ada*")
	emptied(t, store)
	undo := w.busy()
	w.acknowledged(w.ada.Shortcut("take_one"))
	w.ada.ExpectModal("oo many requests are waiting")
	undo()
	w.grace.ExpectPrivate(w.support, "Nobody")
}

// TestGreetingHoldsUpNobody: what somebody asks for doesn't wait for the greeting that Slack doesn't take yet.
func TestGreetingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1200, Times: 1})
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("My conversations")
	w.until("the greeting is put off", func() bool { return len(w.slack.CallsTo("chat.postMessage")) == 1 })
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are *Ada*")
}

// TestGreetedAndDied: who was about to be greeted when the process died is greeted by another.
func TestGreetedAndDied(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	w.drain = time.Millisecond // of what died nothing ends
	serve := func() { w.serve(func(c *bot.Config) { c.Cache = n.open() }) }
	serve()
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Hang: true, Times: 1}) // here it dies
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("My conversations")
	w.until("she is about to be greeted", func() bool { return len(w.slack.CallsTo("chat.postMessage")) == 1 })
	serve()
	n.age()
	w.ada.ExpectDM("/invent queue")
}

// TestGreetedLate: what nobody waits for is done also when no process was there for minutes.
func TestGreetedLate(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	i := slackui.Intent{V: slackui.Version, Key: "greet.1", Verb: slackui.Greet, Team: w.slack.TeamID(), User: w.ada.ID, Sent: time.Now().Add(-10 * time.Minute)}
	body, err := json.Marshal(map[string]any{"intent": i})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Submit(t.Context(), cache.Job{ID: i.Key, Lane: i.Key, At: i.Sent, Body: body}, 10, false); err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.ada.ExpectDM("takes, hands over and releases")
}

// TestGreetedWithoutRedis: who opens the app while Redis is away is greeted once it is back.
func TestGreetedWithoutRedis(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	n.kill()
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectHome("My conversations")
	w.until("it was tried in vain", func() bool { return retries(t, address) > 0 })
	n.start()
	w.ada.ExpectDM("/invent queue")
}

// TestNoteWithoutRedis: a note that can't be kept while its sender is asked something goes back to them.
func TestNoteWithoutRedis(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Grace", "Call her", func() {
		w.has("chat_1", "mem_joan")
		n.kill()
	})
	w.ada.ExpectPrivate(w.support, "Joan has had it", "Assign anyway")
	w.ada.ExpectPrivate(w.support, "note", "Call her")
	w.slack.IgnoreLeftovers() // the card may be redrawn, or not
}

// TestAdminsToldLater: admins hear of a trouble of which Slack took no word at first.
func TestAdminsToldLater(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	boss := w.boss()
	w.slack.AddUser(slacktest.User{ID: "UCHIEF", Name: "chief", RealName: "Chief", Email: "chief@example.com", Admin: true})
	w.invent.Fault(inventtest.Fault{Status: 401})
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Hang: true})
	serve := func() { w.serve(func(c *bot.Config) { c.Cache = store }) }
	serve()
	w.until("it was tried in vain", func() bool { return strings.Contains(w.log.String(), "admins could not be told") })
	undo()
	serve() // another process: the first looks again after half a minute
	boss.ExpectDM("Invent refuses this app's API key")
	w.slack.Person("UCHIEF").ExpectDM("Invent refuses this app's API key")
}

// TestTellOnceAnswerLost: whoever asks whether a trouble is to be told hears yes once, though the first answer is lost on its way.
func TestTellOnceAnswerLost(t *testing.T) {
	t.Parallel()
	store, arm := newNode(t).spoiling("\r\n", func(net.Conn, []byte) bool { return false })
	if _, err := store.TellOnce(t.Context(), "T1", "another"); err != nil {
		t.Fatal(err)
	}
	arm()
	first, err := store.TellOnce(t.Context(), "T1", "key")
	again, err2 := store.TellOnce(t.Context(), "T1", "key")
	if first == again {
		t.Errorf("told: %v (%v) and %v (%v), want one of them", first, err, again, err2)
	}
}

// TestCardOfARestart: a card that was posted while Redis was restarting is redrawn like any other once Redis is back.
func TestCardOfARestart(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	var once sync.Once
	killed := make(chan struct{})
	w.steps = func(step string, _ cache.Job) {
		if step == "the card is drawn" {
			once.Do(func() { n.kill(); close(killed) })
		}
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	<-killed
	card := w.support.ExpectMessage("@ada")
	w.until("it can't be kept", func() bool { return strings.Contains(w.log.String(), "a change can't be kept yet") })
	n.start()
	emptied(t, store)
	w.has("chat_1", "mem_grace")
	w.support.ExpectUpdate(card, "@grace")
	w.acknowledged(w.ada.Types(w.support, "/invent history chat_1"))
	w.ada.ExpectPrivate(w.support, "@ada", "from nobody to Ada")
	w.slack.IgnoreLeftovers() // those whom it concerns hear of it
}

// TestClickOnAForgottenCard: whatever somebody does with a card that was forgotten, it stays true from then on.
func TestClickOnAForgottenCard(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world) // between the card and the click
		label  string
		says   string // privately; "" for nothing
	}{
		"refreshed":                {nil, "Refresh", ""},
		"released":                 {nil, "Release", ""},
		"too late":                 {func(w *world) { w.has("chat_1", "mem_grace") }, "Release", "Grace has"},
		"theirs already":           {nil, "Take over", "It is yours already"},
		"in that state already":    {func(w *world) { w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed }) }, "Resolve", "it is resolved already"},
		"asked about the customer": {nil, "Summary", "no summary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.has("chat_1", "mem_ada")
			_, stop := w.serve()
			w.listed()
			card := w.shared("chat_1", "@ada")
			stop() // what it knows is gone with it
			if c.change != nil {
				c.change(w)
			}
			store := ownStore(t)
			w.serve(func(c *bot.Config) { c.Cache = store })
			w.until("the inbox is listed anew", func() bool { return w.listings() > 1 })
			w.acknowledged(w.ada.Press(card, c.label))
			if c.says != "" {
				w.ada.ExpectPrivate(w.support, c.says)
			}
			emptied(t, store)
			w.has("chat_1", "mem_joan")
			w.support.ExpectUpdate(card, "@joan")
			w.slack.IgnoreLeftovers() // how it was drawn before, and what whom it concerns is told
		})
	}
}

// TestAnnouncedOnce: a handoff that was announced while Redis was restarting isn't announced again.
func TestAnnouncedOnce(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.announcing(func(c *bot.Config) { c.Cache = store })
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Delay: time.Second, Times: 1})
	defer undo()
	w.asks("chat_1")
	w.until("it is about to be posted", func() bool { return len(w.slack.CallsTo("chat.postMessage")) == 1 })
	n.kill()
	w.support.ExpectMessage("for a human since")
	w.until("it can't be noted", func() bool { return strings.Contains(w.log.String(), "could not be given back in Redis yet") })
	n.start()
	emptied(t, store)
	if all := w.slack.CallsTo("chat.postMessage"); len(all) != 1 {
		t.Errorf("it was announced %d times", len(all))
	}
	w.slack.IgnoreLeftovers() // its card may be redrawn
}

// TestNotedCardStaysTrue: a card in direct messages with a note below it is redrawn too when the conversation is as it was before.
func TestNotedCardStaysTrue(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t)
	w.serve(clock.drive)
	card := w.shared("chat_1", "Nobody")
	for range 2 {
		w.assigns(card.Now(), "Grace", "Call her", func() {})
		w.support.ExpectUpdate(card, "@grace")
		clock.pass(3 * time.Second)
		w.grace.ExpectDM("a note from @ada")
		w.acknowledged(w.joan.Press(card.Now(), "Release"))
		w.support.ExpectUpdate(card, "Nobody")
		w.until("her card shows it", func() bool {
			for _, m := range w.slack.Messages(w.grace.DM().ID, "UGRACE") {
				if m.ThreadTS == "" {
					return strings.Contains(m.Shows(), "Nobody")
				}
			}
			return false
		})
		clock.pass(3 * time.Second)
	}
	w.slack.IgnoreLeftovers() // the private words about each change
}

// TestToldThoughSlackIsSlow: from whom a conversation was taken is told, though the redraws before it took all of the try's time.
func TestToldThoughSlackIsSlow(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.boss()
	w.invent.AddMember(invent.Member{ID: "mem_penguin", Name: "Penguin", Email: "penguin@other.example"})
	w.linkedByHand(store, w.linus, "mem_penguin")
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.acknowledged(w.linus.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@linus")
	for _, id := range []string{"CONE", "CTWO", "CTHREE"} {
		ch := w.slack.AddChannel(slacktest.Channel{ID: id, Name: "in" + id[1:], BotIsMember: true})
		w.acknowledged(w.joan.Types(ch, "/invent show chat_1"))
		w.acknowledged(w.joan.Press(w.joan.ExpectPrivate(ch, "@linus"), "Share here"))
		ch.ExpectMessage("@linus")
	}
	emptied(t, store)
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.update", Delay: 3500 * time.Millisecond})
	w.acknowledged(w.ada.Press(card, "Take over"))
	w.support.ExpectUpdate(card, "@ada")
	emptied(t, store)
	undo()
	w.linus.ExpectDM("You don't have this conversation any more")
	w.slack.IgnoreLeftovers() // the redraws
}

// TestClockBack: a request that came by a clock that is ahead of ours (it was put right meanwhile, or another process took it in) costs
// no more calls than any other.
func TestClockBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	var once sync.Once
	w.steps = func(step string, j cache.Job) {
		if step == "taken from the queue" && strings.HasSuffix(j.Lane, "ULINUS") {
			once.Do(func() { clock.pass(-5 * time.Second) })
		}
	}
	w.serve(clock.drive)
	w.listed()
	before := w.count("/members")
	w.acknowledged(w.linus.Types(w.support, "/invent whoami"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	if n := w.count("/members") - before; n > 4 {
		t.Errorf("Invent was asked for its members %d times for one request", n)
	}
}

// TestUnknownVerb: a verb that this version doesn't know is left to a newer process, and never taken for an assignment.
func TestUnknownVerb(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.drain = time.Millisecond // no newer one comes
	w.serve(func(c *bot.Config) { c.Cache = store })
	given := map[string]time.Time{}
	for n, i := range []slackui.Intent{{Verb: "park", Chat: "chat_1"}, {Verb: "park", Chat: "chat_1", To: &slackui.To{User: "UGRACE"}}, {Verb: "stats"}} {
		i.V, i.Key, i.Team, i.User, i.Channel, i.Sent = slackui.Version, fmt.Sprint("new", n), w.slack.TeamID(), "UADA", w.support.ID, time.Now()
		body, err := json.Marshal(map[string]any{"intent": i})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Submit(t.Context(), cache.Job{ID: i.Key, Lane: i.Key, At: i.Sent, Body: body}, 10, false); err != nil {
			t.Fatal(err)
		}
		given[i.Key] = i.Sent
	}
	w.until("all are given back", func() bool {
		d, err := store.Depth(t.Context())
		return err == nil && d.Waiting == len(given)
	})
	w.wrote()
	w.slack.IgnoreLeftovers() // at its end the process says that it was stopped: its queue ends with it
}

// TestAnswerWithoutAssignee: where Invent's answer to an assign doesn't tell who has it, it is found out by reading, however often that
// takes.
func TestAnswerWithoutAssignee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Path: "/chats/chat_1", AfterWrite: true, Times: 1, Body: []byte(`{"id":"state_1","state":"OPEN","ai_enabled":true}`)})
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Delay: time.Millisecond, Times: 1}) // before the change
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Status: 503, Times: 1})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada", "Release")
	w.wrote("chat_1 mem_ada")
	w.slack.IgnoreLeftovers() // the feed may have been faster, and tell her that it is hers
}

// TestSomebodyWasFasterThanTheAnswer: what somebody did is told as what they did, whoever has the conversation by then.
func TestSomebodyWasFasterThanTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if r.Method == http.MethodPatch {
				w.has("chat_1", "mem_grace")
				rewrite(resp, func([]byte) []byte { return []byte(`{"id":"state_1","state":"OPEN","ai_enabled":false}`) })
			}
			return resp, err
		})
	}))
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "somebody has changed it since: now Grace has it")
	w.acknowledged(w.ada.Types(w.support, "/invent history chat_1"))
	w.ada.ExpectPrivate(w.support, "@ada assigned it, from nobody to Ada")
	w.slack.IgnoreLeftovers() // the card, and what the feed tells Grace
}

// TestPickAfterTake: what was taken in the window is shown there at once, from the list that it was taken from.
func TestPickAfterTake(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.chat("chat_2")
	w.serve(clock.drive)
	w.listed()
	w.acknowledged(w.ada.Shortcut("take_one"))
	modal := w.ada.ExpectModal("Waiting for a human: 2", "chat_1")
	clock.pass(2 * time.Second)
	w.invent.Fault(inventtest.Fault{Path: "/inbox", Status: 503})
	w.acknowledged(w.ada.Clicks(modal.Button("Take")))
	modal = w.ada.ExpectModal("Done: it is yours.", "Waiting for a human: 1")
	if !strings.Contains(string(modal.Blocks), "/chat_1|Open in Invent") {
		t.Errorf("nothing leads to what was taken: %s", modal.Blocks)
	}
	w.slack.IgnoreLeftovers() // a card may be drawn
}

// TestBeforeContract: nobody is told what isn't known yet.
func TestBeforeContract(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.invent.Fault(inventtest.Fault{Path: "/openapi.json", Delay: 1500 * time.Millisecond, Times: 1})
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.OpensHome())
	w.ada.ExpectDM("/invent queue")
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.until("that waits, and the Home tab", func() bool {
		d, err := store.Depth(t.Context())
		return err == nil && d.Waiting == 2
	})
	w.ada.ExpectPrivate(w.support, "Waiting for a human")
	w.ada.ExpectHome("My conversations")
}

// TestContractIsReadAgainSoon: one lost answer doesn't switch the queue and more off for long.
func TestContractIsReadAgainSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.Fault(inventtest.Fault{Path: "/openapi.json", Status: 500, Times: 1})
	w.serve()
	eventually(t, "the contract is read", func(context.Context) bool {
		return slices.ContainsFunc(w.invent.Requests(), func(r inventtest.Request) bool { return r.Path == "/openapi.json" && r.Status == http.StatusOK })
	})
}

// TestContractIsReadEachHour: what Invent's API comes to offer, or offers no more, is noticed within the hour.
func TestContractIsReadEachHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		read := 0
		api := func(http.RoundTripper) http.RoundTripper {
			return through(func(*http.Request) (*http.Response, error) {
				read++
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"openapi":"3.1.0","paths":{}}`))}, nil
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour+time.Minute)
		defer cancel()
		bot.CheckContract(ctx, bot.NewTeam(nil, invent.New(invent.Options{URL: "https://api.example", Wrap: api})))
		if read != 3 {
			t.Errorf("it was read %d times within two hours, want at the beginning and twice more", read)
		}
	})
}

// TestSettled: what was dealt with is known for half an hour at least, or among the newest 50,000, and not for ever.
func TestSettled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later  time.Duration
		others int
		known  bool
	}{
		"at once":            {0, 0, true},
		"after half an hour": {30 * time.Minute, 0, true},
		"not after hours":    {2 * time.Hour, 0, false},
		"after 49,000":       {0, 49_000, true},
		"after 51,000":       {0, 51_000, true},
		"not after 101,000":  {0, 101_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if known := bot.Settled(c.later, c.others); known != c.known {
					t.Errorf("it is known: %v, want %v", known, c.known)
				}
			})
		})
	}
}

// TestWithdrawn: what Redis may have stored while it was away it forgets.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	store := ownStore(t)
	var j cache.Job
	for _, id := range []string{"first", "second"} {
		j = cache.Job{ID: id, Lane: "lane", At: time.Now(), Body: json.RawMessage(`{}`)}
		if a, _, err := store.Submit(t.Context(), j, 10, false); a != cache.Accepted || err != nil {
			t.Fatal(a, err)
		}
	}
	bot.Withdraw(t.Context(), store, j)
	if d, err := store.Depth(t.Context()); d.Open != 1 || err != nil {
		t.Errorf("%d jobs are open, %v; want one", d.Open, err)
	}
}

// TestPaid: what Redis was told is forgotten.
func TestPaid(t *testing.T) {
	t.Parallel()
	if bot.KeepsPaid(t.Context()) {
		t.Error("what was owed to Redis stays in memory once it is paid")
	}
}

// TestPaidAsFarAsItComes: what Redis refuses holds up nothing else that is owed, and a Redis that doesn't answer is asked no more.
func TestPaidAsFarAsItComes(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	type pay = func(context.Context) error
	fine := func(context.Context) error { return nil }
	refused := func(context.Context) error { return io.ErrUnexpectedEOF }
	away := func(context.Context) error { return fmt.Errorf("asking: %w", cache.ErrAway) }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		ctx   context.Context //nolint:containedctx // of the case
		debts []pay
		want  [2][]int
	}{
		"all":              {t.Context(), []pay{fine, fine}, [2][]int{{0, 1}, nil}},
		"one is refused":   {t.Context(), []pay{fine, refused, fine}, [2][]int{{0, 1, 2}, {1}}},
		"Redis is away":    {t.Context(), []pay{away, fine}, [2][]int{{0}, {1, 0}}},
		"Redis hangs":      {t.Context(), []pay{hangs, fine}, [2][]int{{0}, {1, 0}}},
		"there is no time": {ended, []pay{fine, fine}, [2][]int{{0}, {1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, bot.Paid(c.ctx, c.debts...)); d != "" {
				t.Errorf("tried, want -, got +:\n%s", d)
			}
		})
	}
	if tried := bot.Paid(t.Context(), slices.Repeat([]pay{fine}, 60_000)...); len(tried[0]) != 50_000 {
		t.Errorf("%d are owed of 60,000, want 50,000", len(tried[0]))
	}
}

// TestReplayAfterRedisIsBack: a request that was carried out while Redis was away isn't once more when Redis is back, also when its queue
// was full in between.
func TestReplayAfterRedisIsBack(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	address, _ := w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 3 })
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are")
	n.kill()
	for range 3 { // from now on Redis is left alone for moments
		w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
		w.ada.ExpectPrivate(w.support, "You are")
	}
	body := commandBody("take chat_1")
	headers := signed(w.slack.Secret(), body, time.Now())
	if got := post(t, address+"/slack/commands", form, body, headers); got != 200 {
		t.Fatal(got)
	}
	w.support.ExpectMessage("@ada")
	n.start()
	w.until("Redis is back", func() bool { return store.Ping(t.Context()) == nil })
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.support.ExpectMessage("Nobody")
	again := func() {
		if got := post(t, address+"/slack/commands", form, body, headers); got != 200 {
			t.Fatal(got)
		}
	}
	emptied(t, store)
	for _, id := range []string{"new0", "new1", "new2"} { // of a newer version: they stay
		if _, _, err := store.Submit(t.Context(), cache.Job{ID: id, Lane: id, At: time.Now(), Body: json.RawMessage(`{"intent":{"v":99}}`)}, 10, false); err != nil {
			t.Fatal(err)
		}
	}
	again()
	eventually(t, "there is room again", func(ctx context.Context) bool {
		n.do("hdel", "inventbot:{jobs}:bodies", "new0", "new1", "new2")
		d, err := store.Depth(ctx)
		return err == nil && d == cache.Depth{}
	})
	again()
	emptied(t, store)
	w.wrote("chat_1 mem_ada", "chat_1 -")
	w.slack.IgnoreLeftovers() // the first card may be redrawn, or not
}

// TestSentDuringARestart: a card that was sent to somebody while Redis was restarting is redrawn too once Redis is back.
func TestSentDuringARestart(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	n.kill()
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	card := w.grace.ExpectDM("This conversation is yours")
	w.until("it can't be kept", func() bool { return strings.Contains(w.log.String(), "a card can't be remembered") })
	n.start()
	w.until("Redis is back", func() bool { return store.Ping(t.Context()) == nil })
	w.has("chat_1", "mem_joan")
	w.grace.DM().ExpectUpdate(card, "You don't have this conversation any more", "@joan")
	w.slack.IgnoreLeftovers() // the other card, and those whom it concerns hear of it
}

// TestRedrawPutOffDuringARestart: a card that Slack didn't redraw at once, while Redis was restarting, is redrawn once Redis is back.
func TestRedrawPutOffDuringARestart(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.steps = func(step string, j cache.Job) {
		if step == "the card is remembered" && strings.Contains(string(j.Body), `"verb":"release"`) {
			n.kill()
		}
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	card := w.takes()
	emptied(t, store)
	other := w.slack.AddChannel(slacktest.Channel{ID: "COTHER", Name: "other", BotIsMember: true})
	w.slack.Fault(slacktest.Fault{Method: "chat.update", Status: 500, Times: 1})
	w.acknowledged(w.ada.Types(other, "/invent release chat_1"))
	other.ExpectMessage("Nobody")
	w.until("the job has ended", func() bool { return strings.Contains(w.log.String(), "could not be ended in Redis yet") })
	n.start()
	w.support.ExpectUpdate(card, "Nobody")
}

// TestDrawnByAnotherMeanwhile: a card that another process drew anew, while this one didn't get to Redis, is drawn by what is true once it
// does, also where that is what this one had drawn.
func TestDrawnByAnotherMeanwhile(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t, slacktest.Patience(30*time.Second)) // until one of them leads again
	n.do("ACL", "SETUSER", "one", "on", ">word", "~*", "&*", "+@all")
	one, err := cache.Open("redis://one:word@" + n.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = one.Close() })
	two := n.open()
	w.serve(func(c *bot.Config) { c.Cache = one })
	w.listed()
	card := w.takes()
	emptied(t, two)
	n.do("ACL", "SETUSER", "one", "off")
	n.do("CLIENT", "KILL", "USER", "one")
	w.acknowledged(w.ada.Press(card, "Release"))
	card = w.support.ExpectUpdate(card, "Nobody")
	w.until("it is owed", func() bool { return strings.Contains(w.log.String(), "a change can't be kept yet") })
	w.serve(func(c *bot.Config) { c.Cache = two })
	w.acknowledged(w.grace.Press(card, "Take"))
	card = w.support.ExpectUpdate(card, "@grace")
	emptied(t, two)
	w.invent.Fault(inventtest.Fault{Path: "/inbox", Status: 503}) // else it is seen at the next listing
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
	n.do("ACL", "SETUSER", "one", "on")
	w.support.ExpectUpdate(card, "Nobody")
}

// TestLostAgainAfterLostAnswer: of a conversation that somebody may have got or resolved, and lost or had opened again before that was
// found out, nobody reads that nothing changed.
func TestLostAgainAfterLostAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ press, wrote, back string }{
		"to another":           {"Take over", "chat_1 mem_ada", "mem_zoe"},
		"to who had it before": {"Take over", "chat_1 mem_ada", "mem_joan"},
		"opened and assigned":  {"Resolve", "chat_1 -", "mem_grace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.invent.AddMember(invent.Member{ID: "mem_zoe", Name: "Zoe", Email: "zoe@example.com"})
			w.serve()
			w.has("chat_1", "mem_joan")
			card := w.shared("chat_1", "@joan")
			w.invent.Fault(inventtest.Fault{Method: "PATCH", AfterWrite: true, Status: 500, Times: 1})
			w.acknowledged(w.ada.Press(card, c.press))
			w.until("it is written", func() bool { return len(w.invent.Writes()) == 1 })
			w.invent.SetChat("chat_1", func(x *inventtest.Chat) { x.State, x.AssigneeID = invent.Open, c.back })
			said := w.ada.ExpectPrivate(w.support, "chat_1")
			if s := said.Shows(); strings.Contains(s, "othing changed") || !strings.Contains(s, "couldn't find out") {
				t.Errorf("she reads %q", s)
			}
			w.until("the log says why", func() bool { return strings.Contains(w.log.String(), "it can't be told whether it was done") })
			w.wrote(c.wrote)
			w.slack.IgnoreLeftovers() // whom it concerns hears of it
		})
	}
}

// snapshot lets Ada take chat_1 where the bot is no member, and answers its card.
func (w *world) snapshot() *slacktest.Message {
	w.t.Helper()
	w.acknowledged(w.ada.Types(w.random, "/invent take chat_1"))
	return w.random.ExpectMessage("@ada", "doesn't update by itself")
}

// TestUndoOnASnapshot: what undoes a change that was asked for on a card that can't be redrawn doesn't try to.
func TestUndoOnASnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	card := w.snapshot()
	w.acknowledged(w.grace.Press(card, "Take over"))
	w.random.ExpectUpdate(card, "@grace")
	w.acknowledged(w.grace.Press(w.grace.ExpectPrivate(w.random, "Back to Ada"), "Back to Ada"))
	w.random.ExpectMessage("@ada", "doesn't update by itself")
	w.wrote("chat_1 mem_ada", "chat_1 mem_grace", "chat_1 mem_ada")
	w.slack.IgnoreLeftovers() // those whom it concerns hear of it
}

// TestClickedWhileRedisPauses: a card in direct messages that is clicked while Redis can't be asked what is known of it stays the card of
// the one to whom it was sent.
func TestClickedWhileRedisPauses(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	var armed atomic.Bool
	w.steps = func(step string, j cache.Job) {
		switch {
		case step == "taken from the queue" && strings.Contains(string(j.Body), "refresh") && armed.CompareAndSwap(true, false):
			_ = n.cmd.Process.Signal(syscall.SIGSTOP)
		case step == "the conversation is read":
			_ = n.cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	card := w.grace.ExpectDM("This conversation is yours")
	emptied(t, store)
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Delay: 1500 * time.Millisecond})
	armed.Store(true)
	w.acknowledged(w.grace.Press(card, "Refresh"))
	emptied(t, store)
	undo()
	if s := card.Now().Shows(); !strings.Contains(s, "This conversation is yours") {
		t.Errorf("her card shows %q", s)
	}
	w.acknowledged(w.joan.Press(w.support.ExpectMessage("@grace"), "Take over"))
	w.grace.DM().ExpectUpdate(card, "You don't have this conversation any more")
	w.slack.IgnoreLeftovers() // the private words about each change
}

// TestSnapshotWithoutResponseURL: a card that can't be redrawn but by a click's response_url isn't where Slack doesn't take that.
func TestSnapshotWithoutResponseURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	card := w.snapshot()
	w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url", Times: 1})
	w.acknowledged(w.grace.Press(card, "Take over"))
	w.random.ExpectMessage("@grace", "doesn't update by itself")
	w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
	w.slack.IgnoreLeftovers() // those whom it concerns hear of it
}

// TestShownAtTheNextTry: a card that Slack doesn't take for a moment is drawn where it belongs a moment later, and nowhere else.
func TestShownAtTheNextTry(t *testing.T) {
	t.Parallel()
	once := slacktest.Fault{Method: "response_url", Status: 500, Times: 1}
	for name, c := range map[string]struct {
		snapshot, clicked bool
		faults            []slacktest.Fault
	}{
		"where the bot is no member":          {true, false, []slacktest.Fault{once}},
		"a snapshot":                          {true, true, []slacktest.Fault{once}},
		"a card that its click alone redraws": {false, true, []slacktest.Fault{once, {Method: "chat.update", Error: "cant_update_message", Times: 1}}},
		"a card whose response_url is spent":  {false, true, []slacktest.Fault{{Method: "response_url", Error: "used_url", Times: 2}, {Method: "chat.update", Status: 500, Times: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWorld(t), ownStore(t)
			w.serve(func(c *bot.Config) { c.Cache = store })
			where := w.support
			if c.snapshot {
				where = w.random
			}
			fails := func() {
				for _, f := range c.faults {
					w.slack.Fault(f)
				}
			}
			if !c.clicked {
				fails()
			}
			w.acknowledged(w.ada.Types(where, "/invent take chat_1"))
			card := where.ExpectMessage("@ada")
			emptied(t, store)
			if c.clicked {
				fails()
				w.acknowledged(w.ada.Press(card, "Release"))
				where.ExpectUpdate(card, "Nobody")
				emptied(t, store)
			}
		})
	}
}
