package bot_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent/inventtest"
)

const burst = 40

// atLimit is a world in which one of Slack's methods has a low limit.
type atLimit struct {
	*world
	method string
	clock  *clock
}

// takeEach lets each of them take a conversation, and wants each change and each card once.
func (w *atLimit) takeEach(people []*slacktest.Person, chats []string) {
	w.t.Helper()
	var want []string
	for n, p := range people {
		w.comes(n)
		w.acknowledged(p.Types(w.support, "/invent take "+chats[n]))
		want = append(want, chats[n]+" mem_"+p.Name)
	}
	for n, p := range people {
		w.support.ExpectMessage(chats[n], "@"+p.Name)
	}
	w.wroteInAnyOrder(want...)
	w.passedOnce("chat.postMessage", "text", chats...)
}

// limited begins to count: 12 calls, then two seconds to wait, and so on.
func (w *atLimit) limited() { w.slack.Limit(w.method, 12, 2) }

// asksToWait is for what many ask with one call, which never reaches a limit of many: three calls are answered that Slack wants to be
// asked two seconds later.
func (w *atLimit) asksToWait() {
	w.slack.Fault(slacktest.Fault{Method: w.method, Status: http.StatusTooManyRequests, RetryAfter: 2, Times: 3})
}

// comes is called before the nth action: the last ten come a second after Slack has asked to wait.
func (w *atLimit) comes(n int) {
	if n != burst-10 {
		return
	}
	w.until("Slack asks to wait", func() bool { return w.refused() > 0 })
	w.rest() // no call is on its way
	w.clock.pass(time.Second)
}

// refused is how many calls of the method met the limit.
func (w *atLimit) refused() (n int) {
	for _, c := range w.slack.CallsTo(w.method) {
		if c.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// crowd adds members who are on Slack, each with a conversation that nobody has.
func (w *world) crowd() (people []*slacktest.Person, chats []string) {
	for n := range burst {
		m := member(fmt.Sprintf("p%02d", n))
		w.invent.AddMember(m)
		people = append(people, w.slack.AddUser(slacktest.User{ID: fmt.Sprintf("UP%02d", n), Name: fmt.Sprintf("p%02d", n), Email: m.Email}))
		chats = append(chats, w.chat(fmt.Sprintf("chat_p%02d", n)))
	}
	return people, chats
}

// passedOnce wants one call of the method that was not refused for each of these words, which its arguments hold.
func (w *world) passedOnce(method, arg string, words ...string) {
	w.t.Helper()
	for _, word := range words {
		n := 0
		for _, c := range w.slack.CallsTo(method) {
			slow := strings.HasPrefix(c.Args["text"], "Still on it") // said besides, of what waits for long
			if c.Status == http.StatusOK && c.Error == "" && strings.Contains(c.Args[arg], word) && !slow {
				n++
			}
		}
		if n != 1 {
			w.t.Errorf("%d calls of %s with %s, want one", n, method, word)
		}
	}
}

// bursts are 40 actions at a time against the limit of one method each.
var bursts = map[string]func(w *atLimit){
	"chat.postMessage": func(w *atLimit) {
		_, chats := w.crowd()
		w.serve(w.clock.drive)
		w.limited()
		for n, chat := range chats {
			w.comes(n)
			w.acknowledged(w.ada.Types(w.support, "/invent assign "+chat+" @grace"))
		}
		var want []string
		for _, chat := range chats {
			want = append(want, chat+" mem_grace")
			w.support.ExpectMessage(chat, "@grace")
			w.grace.ExpectDM("@ada assigned it to you", chat)
		}
		w.wroteInAnyOrder(want...)
		for _, where := range []string{w.support.ID, w.grace.ID} {
			posted := map[string]int{}
			for _, c := range w.slack.CallsTo("chat.postMessage") {
				if c.Status == http.StatusOK && c.Args["channel"] == where {
					posted[c.Args["text"]]++
				}
			}
			if len(posted) != burst {
				w.t.Errorf("%d messages in %s, want %d", len(posted), where, burst)
			}
			for text, n := range posted {
				if n != 1 {
					w.t.Errorf("posted %d times in %s: %s", n, where, text)
				}
			}
		}
	},
	"chat.update": func(w *atLimit) {
		_, chats := w.crowd()
		w.serve(w.clock.drive)
		var cards []*slacktest.Message
		var stamps, want []string
		for _, chat := range chats {
			w.acknowledged(w.ada.Types(w.support, "/invent take "+chat))
			card := w.support.ExpectMessage(chat, "@ada")
			cards, stamps = append(cards, card), append(stamps, card.TS)
			want = append(want, chat+" mem_ada", chat+" -")
		}
		w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url"})
		w.invent.Mute(true) // the feed redraws nothing besides
		w.limited()
		for n, card := range cards {
			w.comes(n)
			w.acknowledged(w.ada.Press(card, "Release"))
		}
		for _, card := range cards {
			w.support.ExpectUpdate(card, "Nobody")
		}
		w.wroteInAnyOrder(want...)
		w.passedOnce("chat.update", "ts", stamps...)
	},
	"chat.postEphemeral": func(w *atLimit) {
		_, chats := w.crowd()
		w.serve(w.clock.drive)
		w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url"})
		w.limited()
		for n, chat := range chats {
			w.comes(n)
			w.acknowledged(w.ada.Types(w.support, "/invent show "+chat))
		}
		for _, chat := range chats {
			w.ada.ExpectPrivate(w.support, chat, "Share here")
		}
		w.wrote()
		w.passedOnce("chat.postEphemeral", "text", chats...)
	},
	"chat.unfurl": func(w *atLimit) {
		_, chats := w.crowd()
		w.serve(w.clock.drive)
		w.limited()
		var said []*slacktest.Message
		for n, chat := range chats {
			w.comes(n)
			said = append(said, w.ada.Says(w.support, link+chat))
		}
		for n, chat := range chats {
			w.support.ExpectUnfurl(said[n], link+chat, chat)
		}
		w.wrote()
		w.passedOnce("chat.unfurl", "unfurls", chats...)
	},
	"conversations.info": func(w *atLimit) {
		_, chats := w.crowd()
		w.serve(w.clock.drive)
		w.limited()
		var channels []*slacktest.Channel
		var want []string
		for n, chat := range chats {
			w.comes(n)
			channels = append(channels, w.slack.AddChannel(slacktest.Channel{ID: fmt.Sprintf("CP%02d", n), Name: fmt.Sprintf("p%02d", n), BotIsMember: true}))
			w.acknowledged(w.ada.Types(channels[n], "/invent take "+chat))
			want = append(want, chat+" mem_ada")
		}
		for n, chat := range chats {
			channels[n].ExpectMessage(chat, "@ada", "Jane Doe")
		}
		w.wroteInAnyOrder(want...)
		w.passedOnce("chat.postMessage", "text", chats...)
	},
	"users.info": func(w *atLimit) {
		people, chats := w.crowd()
		w.serve(w.clock.drive)
		w.limited()
		w.takeEach(people, chats)
	},
	// Which workspace this is Slack is asked once for all, and none of them waits in vain.
	"auth.test": func(w *atLimit) {
		_, chats := w.crowd()
		w.asksToWait()
		w.serve(w.clock.drive)
		w.takeEach(slices.Repeat([]*slacktest.Person{w.ada}, len(chats)), chats)
	},
	// One list answers for all whom users.info has no turn for.
	"users.list": func(w *atLimit) {
		people, chats := w.crowd()
		w.asksToWait()
		w.serve(w.clock.drive)
		w.takeEach(people, chats)
	},
	"users.lookupByEmail": func(w *atLimit) {
		people, chats := w.crowd()
		w.serve(w.clock.drive)
		w.limited()
		var want []string
		for n, p := range people {
			w.comes(n)
			w.acknowledged(w.ada.Types(w.support, "/invent assign "+chats[n]+" "+p.Name+"@example.com"))
			want = append(want, chats[n]+" mem_"+p.Name)
		}
		for n, p := range people {
			w.support.ExpectMessage(chats[n], "@"+p.Name)
			p.ExpectDM("@ada assigned it to you", chats[n])
		}
		w.wroteInAnyOrder(want...)
	},
	"views.publish": func(w *atLimit) {
		people, _ := w.crowd()
		w.serve(w.clock.drive)
		w.listed()
		w.limited()
		for n, p := range people {
			w.comes(n)
			w.acknowledged(p.OpensHome())
		}
		var ids []string
		for _, p := range people {
			p.ExpectHome("My conversations")
			ids = append(ids, p.ID)
		}
		w.wrote()
		w.passedOnce("views.publish", "user_id", ids...)
	},
	"views.update": func(w *atLimit) {
		people, _ := w.crowd()
		w.serve(w.clock.drive)
		w.listed()
		w.limited()
		for n, p := range people {
			w.comes(n)
			w.acknowledged(p.Shortcut("take_one"))
		}
		for _, p := range people {
			p.ExpectModal("Jane Doe")
		}
		w.wrote()
	},
	// A window that can't be opened in time is not opened later: the person is told at once.
	"views.open": func(w *atLimit) {
		people, _ := w.crowd()
		w.serve(w.clock.drive)
		w.listed()
		card := w.shared("chat_1", "Nobody")
		w.limited()
		for n, p := range people {
			w.comes(n)
			w.acknowledged(p.Press(card, "Assign…"))
		}
		opened := 0
		for _, p := range people {
			if p.Modal() != nil {
				opened++
				continue
			}
			p.ExpectPrivate(w.support, "three seconds to open", "Nothing changed")
		}
		if opened == 0 || opened == burst {
			w.t.Errorf("%d windows of %d are open", opened, burst)
		}
		w.wrote()
	},
}

// burstsAtLimits lets 40 actions at a time meet the limit of each method. The pretended Slack complains of whoever calls before the time
// is over that it asked for.
func burstsAtLimits(t *testing.T) {
	for method, act := range bursts {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := &atLimit{newWorld(t, slacktest.Patience(60*time.Second), slacktest.Now(clock.now)), method, clock}
			act(w)
			if w.refused() == 0 {
				t.Error("the limit was never met")
			}
			w.slack.IgnoreLeftovers() // "Still on it", undo
		})
	}
}

// TestFaultEachMethod: what the bot calls of Slack is what is let fail, and what meets its limit. A response_url is no method and has no
// limit of this kind; apps.connections.open is called by slack-go's own client of Socket Mode, and is refused in TestSocketModeRefused.
func TestFaultEachMethod(t *testing.T) {
	t.Parallel()
	want := called(t)
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(want, "response_url"))), slices.Sorted(maps.Keys(uses))); diff != "" {
		t.Errorf("a failing call (-called by the bot +tested):\n%s", diff)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(bursts))); diff != "" {
		t.Errorf("a limit (-called by the bot +tested):\n%s", diff)
	}
}

// TestSlackInTrouble: what Slack says of a moment's trouble ends no action, whether it is its own or that of too many calls.
func TestSlackInTrouble(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]slacktest.Fault{
		"ratelimited": {}, "rate_limited": {}, "internal_error": {}, "service_unavailable": {}, "fatal_error": {}, "request_timeout": {},
		"team_added_to_org": {}, "a 429 that names no time": {Status: http.StatusTooManyRequests}, "a 503": {Status: http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			if f.Method, f.Times = "users.info", 1; f.Status == 0 {
				f.Error = name
			}
			w.slack.Fault(f)
			w.takes()
		})
	}
}

// TestGates: what Slack asked to wait with isn't sent before its time, and nothing else waits for it.
func TestGates(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	w.slack.IgnoreLeftovers()
	for _, method := range []string{"chat.postMessage", "users.info"} {
		w.slack.Limit(method, 1, 30)
	}
	api := slack.New(w.slack.Token(), slack.OptionAPIURL(w.slack.URL()), slack.OptionHTTPClient(&http.Client{Transport: bot.NewGates(http.DefaultTransport, clock.now)}))
	calls := map[string]func() error{
		"chat.postMessage " + w.support.ID: func() error {
			_, _, err := api.PostMessageContext(t.Context(), w.support.ID, slack.MsgOptionText("x", false))
			return err
		},
		"chat.postMessage " + w.random.ID: func() error {
			_, _, err := api.PostMessageContext(t.Context(), w.random.ID, slack.MsgOptionText("x", false))
			return err
		},
		"users.info": func() error {
			_, err := api.GetUserInfoContext(t.Context(), w.ada.ID)
			return err
		},
		"views.publish": func() error {
			_, err := api.PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: w.ada.ID, View: slack.HomeTabViewRequest{
				Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}},
			}})
			return err
		},
	}
	for n, want := range []struct {
		call  string
		later time.Duration // how much
		wait  time.Duration // that is asked for
		sent  bool
	}{
		{call: "chat.postMessage " + w.support.ID, sent: true},
		{call: "chat.postMessage " + w.support.ID, wait: 30 * time.Second, sent: true},
		{call: "chat.postMessage " + w.support.ID, wait: 30 * time.Second},
		{call: "chat.postMessage " + w.random.ID, sent: true},
		{call: "users.info", sent: true},
		{call: "users.info", later: 10 * time.Second, wait: 30 * time.Second, sent: true},
		{call: "chat.postMessage " + w.support.ID, wait: 20 * time.Second},
		{call: "views.publish", sent: true},
		{call: "chat.postMessage " + w.support.ID, later: 20 * time.Second, sent: true},
		{call: "chat.postMessage " + w.support.ID, wait: 30 * time.Second, sent: true},
		{call: "users.info", wait: 10 * time.Second},
	} {
		clock.pass(want.later)
		before := len(w.slack.Calls())
		err := calls[want.call]()
		limit := &slack.RateLimitedError{}
		if !errors.As(err, &limit) && err != nil {
			t.Fatalf("%d: %s: %v", n, want.call, err)
		}
		if limit.RetryAfter.Round(time.Second) != want.wait {
			t.Errorf("%d: %s: wait for %s, want %s", n, want.call, limit.RetryAfter, want.wait)
		}
		if sent := len(w.slack.Calls()) > before; sent != want.sent {
			t.Errorf("%d: %s: sent: %v", n, want.call, sent)
		}
	}
}

// TestGatesShut: what is on its way to Slack may be answered by another wait, of which the longest counts; and only a 429 is about others.
func TestGatesShut(t *testing.T) {
	t.Parallel()
	type told struct {
		status     int
		retryAfter string
	}
	for name, c := range map[string]struct {
		told []told // in the order of the answers
		want time.Duration
	}{
		"a shorter wait after a longer one": {[]told{{429, "60"}, {429, "30"}}, time.Minute},
		"a longer wait after a shorter one": {[]told{{429, "30"}, {429, "60"}}, time.Minute},
		"no wait that is a number":          {[]told{{429, "soon"}}, 0},
		"maintenance":                       {[]told{{503, "60"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			clock.stop()
			var gates http.RoundTripper
			call := func() error {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://slack.com/api/users.info", http.NoBody)
				resp, err := gates.RoundTrip(r)
				if err == nil {
					_ = resp.Body.Close()
				}
				return err
			}
			left := c.told
			gates = bot.NewGates(through(func(*http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				if len(left) > 0 {
					mine := left[len(left)-1]
					if left = left[:len(left)-1]; len(left) > 0 {
						_ = call() // the others were sent at the same time
					}
					w.Header().Set("Retry-After", mine.retryAfter)
					w.WriteHeader(mine.status)
				}
				return w.Result(), nil
			}), clock.now)
			if err := call(); err != nil {
				t.Fatal(err)
			}
			limit := &slack.RateLimitedError{}
			if err := call(); !errors.As(err, &limit) && err != nil || limit.RetryAfter != c.want {
				t.Errorf("the next call waits for %s, want %s: %v", limit.RetryAfter, c.want, err)
			}
		})
	}
}

// TestNoticesWaitForSlack: whom a change concerns is told once Slack takes it, if it is still so.
func TestNoticesWaitForSlack(t *testing.T) {
	t.Parallel()
	limited := func(t *testing.T, clock *clock) (w *world, card *slacktest.Message) {
		t.Helper()
		w = newWorld(t, slacktest.Now(clock.now))
		w.serve(clock.drive)
		w.has("chat_1", "mem_grace")
		card = w.shared("chat_1", "@grace")
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1, Times: 1})
		w.acknowledged(w.ada.Press(card, "Take over"))
		w.support.ExpectUpdate(card, "@ada")
		w.until("Slack asks to wait", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > 1 })
		return w, card
	}
	t.Run("both who had it and who has it", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w, card := limited(t, clock)
		word := w.ada.ExpectPrivate(w.support, "Back to Grace")
		hers := w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1, Times: 1})
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.support.ExpectUpdate(card, "@grace")
		w.grace.DM().ExpectUpdate(hers, "@ada assigned it to you")
		w.grace.ExpectDM("@ada assigned this conversation to you")
		w.ada.ExpectPrivate(w.support, "Grace has it")
		w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
	})
	t.Run("both from whom it was taken and to whom it was given", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.has("chat_1", "mem_joan")
		w.serve(clock.drive)
		card := w.shared("chat_1", "@joan")
		var undo func()
		w.assigns(card, "Grace", "", func() { undo = w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 500}) })
		w.until("neither can be told", func() bool {
			return slices.ContainsFunc(w.slack.CallsTo("chat.postMessage"), func(c slacktest.Call) bool { return c.Args["channel"] == w.joan.ID })
		})
		undo()
		w.support.ExpectUpdate(card, "@grace")
		w.ada.ExpectPrivate(w.support, "Back to Joan")
		w.grace.ExpectDM("@ada assigned it to you")
		w.joan.ExpectDM("You don't have this conversation any more")
		w.joan.ExpectDM("@ada changed its assignee")
		w.wrote("chat_1 mem_grace")
	})
	t.Run("truly, though it changes in the very moment", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w, card := limited(t, clock)
		word := w.ada.ExpectPrivate(w.support, "Back to Grace")
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Delay: 2 * time.Second, Times: 1})
		w.until("she is being told", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > 2 })
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.support.ExpectUpdate(card, "@grace", "assigned by @ada")
		hers := w.grace.ExpectDM("You don't have")
		w.grace.DM().ExpectUpdate(hers, "@ada assigned it to you")
		w.acknowledged(w.ada.Press(card, "Refresh"))
		w.support.ExpectUpdate(card, "@grace", "assigned by @ada")
		w.slack.IgnoreLeftovers() // the other card in which she reads it, and Ada's words
		w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
	})
	t.Run("not of what has changed meanwhile", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w, card := limited(t, clock)
		word := w.ada.ExpectPrivate(w.support, "Back to Grace")
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.support.ExpectUpdate(card, "@grace")
		w.ada.ExpectPrivate(w.support, "Grace has it")
		w.grace.ExpectDM("@ada assigned it to you")
		w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
	})
}

// TestNobodyWaitsForWhatIsOnlyShown: what Slack doesn't take for long holds up nobody who wants the same conversation changed or shown.
func TestNobodyWaitsForWhatIsOnlyShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault slacktest.Fault
		first func(w *world)
		then  string
		wrote []string
	}{
		"an announcement": {
			slacktest.Fault{Method: "chat.postMessage", Status: 500}, func(w *world) { w.asks("chat_1") },
			"take", []string{"chat_1 mem_grace"},
		},
		"a link that is unfolded": {
			slacktest.Fault{Method: "chat.unfurl", Status: 429, RetryAfter: 600}, func(w *world) { w.ada.Says(w.support, link+"chat_1") },
			"take", []string{"chat_1 mem_grace"},
		},
		"a change that is made": {
			slacktest.Fault{Method: "chat.postMessage", Status: 500},
			func(w *world) { w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 grace@example.com")) },
			"release", []string{"chat_1 mem_grace", "chat_1 -"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.drain = time.Millisecond // what isn't taken stays open
			w.announcing()
			w.slack.Fault(c.fault)
			c.first(w)
			eventually(t, "it is put off", func(context.Context) bool { return len(w.slack.CallsTo(c.fault.Method)) > 0 })
			eventually(t, "it is put off once more", func(context.Context) bool {
				return c.fault.Status == http.StatusTooManyRequests || len(w.slack.CallsTo(c.fault.Method)) > 3
			})
			w.acknowledged(w.grace.Types(w.support, "/invent "+c.then+" chat_1"))
			eventually(t, "it is changed", func(context.Context) bool { return slices.Equal(w.writes(), c.wrote) })
			w.slack.IgnoreLeftovers() // what can be shown
		})
	}
}

// TestNobodyWaitsBehindWordsThatCannotBeSaid: whoever wants the same conversation has their turn when the time of the first is up, also
// while the first can't be told. Both are told once it goes.
func TestNobodyWaitsBehindWordsThatCannotBeSaid(t *testing.T) {
	t.Parallel()
	w, clock := newWorld(t), newClock()
	var turn atomic.Bool
	w.steps = func(step string, j cache.Job) {
		if step == bot.Steps[1] && strings.Contains(string(j.Body), w.grace.ID) {
			turn.Store(true)
		}
	}
	w.serve(clock.drive)
	w.invent.Fault(inventtest.Fault{Status: 503})
	var undo []func()
	for _, method := range []string{"chat.postEphemeral", "response_url"} {
		undo = append(undo, w.slack.Fault(slacktest.Fault{Method: method, Status: 500}))
	}
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_1"))
	clock.pass(2*time.Minute + time.Second)
	eventually(t, "Grace has her turn", func(context.Context) bool { return turn.Load() })
	clock.pass(3 * time.Minute)
	for _, f := range undo {
		f()
	}
	clock.pass(time.Minute)
	for _, p := range []*slacktest.Person{w.ada, w.grace} {
		p.ExpectPrivate(w.support, "didn't answer for two minutes, so nothing changed")
	}
	w.slack.IgnoreLeftovers() // "Still on it"
}

// TestLooksInTurn: whoever only looks is shown it when Slack has a turn for them, also after two minutes.
func TestLooksInTurn(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"ratelimited", "rate_limited"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w, clock := newWorld(t), newClock()
			w.serve(clock.drive)
			undo := w.slack.Fault(slacktest.Fault{Method: "users.info", Error: code})
			w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
			for range 2 {
				tried := len(w.slack.CallsTo("users.info"))
				eventually(t, "Slack has no turn", func(context.Context) bool { return len(w.slack.CallsTo("users.info")) > tried })
				clock.pass(3 * time.Minute)
			}
			undo()
			w.ada.ExpectPrivate(w.support, "Jane Doe")
		})
	}
}

// TestNoticesWithWords: a card in direct messages whose words Slack didn't take at once gets them later, once.
func TestNoticesWithWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ press, lead, says string }{
		"it was taken from her":           {"Take over", "You don't have this conversation any more", "@ada changed its assignee"},
		"it is hers, and it was resolved": {"Resolve", "This conversation is yours", "@ada resolved this conversation"},
	} {
		taken := slacktest.Fault{Method: "chat.postMessage", Delay: time.Millisecond, Times: 1}
		refused := slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1, Times: 1}
		for what, faults := range map[string][]slacktest.Fault{
			"the card": {refused}, "the words": {taken, refused}, "the card, and then the words": {refused, taken, refused},
		} {
			t.Run(name+", not taken: "+what, func(t *testing.T) {
				t.Parallel()
				clock := newClock()
				w, store := newWorld(t, slacktest.Now(clock.now)), ownStore(t)
				w.has("chat_1", "mem_grace")
				w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
				w.listed()
				card := w.shared("chat_1", "@grace")
				for _, f := range faults {
					w.slack.Fault(f)
				}
				w.acknowledged(w.ada.Press(card, c.press))
				w.until("Slack asks to wait", func() bool {
					return slices.ContainsFunc(w.slack.CallsTo("chat.postMessage"), func(c slacktest.Call) bool { return c.Status == http.StatusTooManyRequests })
				})
				clock.pass(2 * time.Second)
				hers := w.grace.ExpectDM(c.lead)
				if m := w.grace.ExpectDM(c.says); m.ThreadTS != hers.TS {
					t.Error("the words don't stand below the card")
				}
				emptied(t, store)
				for _, m := range w.slack.Leftovers() {
					if m.Channel == w.grace.DM().ID {
						t.Errorf("she also reads %q", m.Text)
					}
				}
				w.slack.IgnoreLeftovers() // what Ada reads, and the card redrawn
			})
		}
	}
}
