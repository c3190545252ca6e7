package bot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// announcing serves a bot that announces handoffs in #support, past its first listing.
func (w *world) announcing(change ...func(*bot.Config)) string {
	w.t.Helper()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	address, _ := w.serve(append([]func(*bot.Config){func(c *bot.Config) {
		c.Handoffs = bot.ToChannels([]string{w.support.ID})
	}}, change...)...)
	w.listed()
	return address
}

// announced lets the customer of chat_1 ask for a human, and answers the card by which that is announced, once that is noted.
func (w *world) announced() *slacktest.Message {
	w.t.Helper()
	w.asks("chat_1")
	card := w.support.ExpectMessage("chat_1")
	w.ended("announce", "chat_1", "changed")
	return card
}

// listed waits until the inbox has been listed, and what followed from it is settled.
func (w *world) listed() {
	w.t.Helper()
	w.until("the inbox is listed", func() bool {
		return w.listings() > 0 && w.invent.Sockets() > 0
	})
}

// listings says how often the inbox has been listed.
func (w *world) listings() int { return strings.Count(w.log.String(), "the inbox was listed") }

// until waits for what neither Slack nor Invent shows.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	eventually(w.t, what, func(context.Context) bool { return holds() })
}

// count says how often Invent was asked for a path that ends so.
func (w *world) count(path string) int {
	n := 0
	for _, r := range w.invent.Requests() {
		if strings.HasSuffix(r.Path, path) && r.Status == 200 {
			n++
		}
	}
	return n
}

// asks makes a customer ask for a human.
func (w *world) asks(chat string) {
	w.invent.SetChat(chat, func(c *inventtest.Chat) {
		c.AIEnabled, c.State, c.LastContactMessageAt = false, invent.Open, time.Now()
	})
}

func TestHandoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	w.asks("chat_1")
	card := w.support.ExpectMessage("Jane Doe", "Nobody", "for a human since", "Take")
	w.ended("announce", "chat_1", "changed")

	// Taken in the dashboard, given back there, and resolved: the card says so.
	w.has("chat_1", "mem_grace")
	w.support.ExpectUpdate(card, "@grace", "Release")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID, c.AIEnabled = "", true })
	w.support.ExpectUpdate(card, "Nobody", "AI on")

	// It waits again: announced anew in the card's thread, mentioning nobody, so that it must be seen in the channel.
	w.asks("chat_1")
	again := w.support.ExpectMessage("Jane Doe", "for a human since")
	if again.ThreadTS != card.TS || !again.Broadcast {
		t.Errorf("announced anew in the thread %q, want %q; in the channel: %v", again.ThreadTS, card.TS, again.Broadcast)
	}
	w.acknowledged(w.ada.Press(again, "Take"))
	w.support.ExpectUpdate(again, "@ada")
	w.support.ExpectUpdate(card, "@ada")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
	w.support.ExpectUpdate(card, "Resolved")
	w.support.ExpectUpdate(again, "Resolved")
	w.wrote("chat_1 mem_ada")
	w.slack.IgnoreLeftovers() // since when it waits may be added to the older card
}

// TestChangedWhileAnnounced: what a customer writes, or somebody does, while the card is on its way stands on it at once, not after the
// next listing.
func TestChangedWhileAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Delay: 2 * time.Second, Times: 1})
	w.asks("chat_1")
	w.until("it is being announced", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > 0 })
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Unseen = 77 })
	card := w.support.ExpectMessage("chat_1")
	w.support.ExpectUpdate(card, "*Unread*\n77")
}

func TestFullInboxAtTheFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 13 {
		w.chat(fmt.Sprintf("chat_w%d", i))
	}
	w.serve(func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID}) })
	m := w.support.ExpectMessage("14 conversations are waiting for a human, as of")
	w.acknowledged(w.ada.Press(m, "Show"))
	list := w.ada.ExpectPrivate(w.support, "Waiting for a human: 14", "page 1 of 2")
	w.acknowledged(w.ada.Press(list, "Next"))
	list = w.ada.ExpectPrivate(w.support, "page 2 of 2")
	w.acknowledged(w.ada.Press(list, "Take"))
	w.support.ExpectMessage("@ada")
	w.ada.ExpectPrivate(w.support, "Done: it is yours.", "Waiting for a human: 13")
	w.wrote(w.invent.Writes()[0].Chat + " mem_ada")

	// Afterwards single cards.
	w.chat("chat_new")
	w.support.ExpectMessage("chat_new", "Take")
	// More than five within ten seconds are bundled again.
	w.invent.Mute(true)
	for i := range 6 {
		w.chat(fmt.Sprintf("chat_b%d", i))
	}
	w.invent.Mute(false)
	w.chat("chat_b6")
	w.support.ExpectMessage("conversations are waiting")
}

// TestFiveAtOnce: no more than that within ten seconds get a card each.
func TestFiveAtOnce(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive, func(c *bot.Config) { c.Cache = store })
	clock.stop()
	for n := range 5 {
		w.invent.Mute(n < 4) // the last one's event leads to a listing
		w.chat(fmt.Sprintf("chat_w%d", n))
	}
	clock.pass(2 * time.Second)
	w.support.ExpectMessage("chat_w", "Take")
	w.chat("chat_late")
	clock.pass(2 * time.Second)
	eventually(t, "the sixth is listed", func(ctx context.Context) bool {
		known, _, err := store.Handoffs(ctx, w.slack.TeamID())
		return err == nil && known["chat_late"].Waiting
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, time.Second, func() bool { return w.postedIn(w.support) == 6 })
	for range 4 {
		w.support.ExpectMessage("chat_w", "Take")
	}
	w.support.ExpectMessage("One conversation is waiting")
}

func TestWhichAreHandoffs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	for id, change := range map[string]func(*inventtest.Chat){
		"chat_ai":       func(c *inventtest.Chat) { c.AIEnabled = true },
		"chat_assigned": func(c *inventtest.Chat) { c.AssigneeID = "mem_ada" },
		"chat_resolved": func(c *inventtest.Chat) { c.State = invent.Closed },
		"chat_snoozed":  func(c *inventtest.Chat) { c.State = invent.Snoozed },
		"chat_slack":    func(c *inventtest.Chat) { c.Channel = "slack_bot" },
	} {
		c := inventtest.Chat{ID: id, Customer: "Jane Doe", Channel: "email", State: invent.Open}
		change(&c)
		w.invent.AddChat(c)
	}
	w.chat("chat_waits") // the only one: left-over messages fail the test
	w.support.ExpectMessage("chat_waits")
	w.ada.ExpectDM("This conversation is yours.", "chat_assigned")
}

func TestHandoffsFromSlackWhereWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing(func(c *bot.Config) { c.HandoffSlack = true })
	w.invent.AddChat(inventtest.Chat{ID: "chat_slack", Channel: "slack_bot", State: invent.Open})
	w.support.ExpectMessage("chat_slack", "Slack")
}

func TestNothingIsOfferedThatInventLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox")
	address, _ := w.serve(func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID}) })
	w.until("the contract is read", func() bool { return strings.Contains(w.log.String(), "doesn't offer a route") })
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.ada.ExpectPrivate(w.support, "doesn't list conversations")
	w.acknowledged(w.ada.Types(w.support, "/invent help"))
	w.ada.ExpectPrivate(w.support, "/invent queue`: the conversations that are waiting for a human, and", "(also: `take` alone) _(off:")
	if body := get(t, address+"/readyz"); !strings.Contains(body, "GET /orgs/{org_id}/inbox") {
		t.Errorf("/readyz doesn't say what is off: %s", body)
	}
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
}

func TestChannelTrouble(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	boss := w.boss()
	w.chat("chat_2")
	w.invent.SetChat("chat_2", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.announcing(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.random.ID, w.support.ID}) })
	w.asks("chat_1")
	w.support.ExpectMessage("chat_1") // the other channel has no trouble
	boss.ExpectDM("#random", "Invite the app there")
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
	w.ada.ExpectPrivate(w.support, "HANDOFF_CHANNEL", "#random", "wasn't announced: the app isn't in the channel")
	w.asks("chat_2")
	w.support.ExpectMessage("chat_2") // and admins hear of it once
	w.ended("announce", "chat_2", "changed")
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_2"))
	w.ada.ExpectPrivate(w.support, "In #support it was last announced", "In #random it wasn't announced: the app isn't in the channel")
	if n := w.postedIn(w.random); n != 1 {
		t.Errorf("a channel with trouble was tried %d times within seconds, want once", n)
	}

	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	clock.pass(11 * time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	clock.passUntil(ctx, time.Minute, func() bool { return strings.Count(w.log.String(), `"outcome":"changed"`) >= 4 })
	w.random.ExpectMessage("chat_")
	w.random.ExpectMessage("chat_")
}

// TestChannelTroubleIsToldLater when no admin could be told at once.
func TestChannelTroubleIsToldLater(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	boss := w.boss()
	w.announcing(clock.drive, func(c *bot.Config) { c.Admins, c.Handoffs = []string{"UBOSS"}, bot.ToChannels([]string{w.random.ID}) })
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "not_in_channel"})
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Status: 500})
	w.asks("chat_1")
	w.until("no admin could be told", func() bool { return strings.Contains(w.log.String(), "admins could not be told") })
	w.ended("announce", "chat_1", "not_in_channel")
	clock.pass(11 * time.Minute)
	boss.ExpectDM("#random", "Invite the app there")
}

// TestChannelTroubleIsToldOnce, though one of the admins could not be told.
func TestChannelTroubleIsToldOnce(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	boss := w.boss()
	w.announcing(clock.drive, func(c *bot.Config) {
		c.Admins, c.Handoffs = []string{"UADA", "UBOSS"}, bot.ToChannels([]string{w.random.ID})
	})
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "not_in_channel"})
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Status: 500})
	w.asks("chat_1")
	boss.ExpectDM("#random", "Invite the app there")
	w.ended("announce", "chat_1", "not_in_channel")
	clock.pass(11 * time.Minute)
	w.until("it has failed again", func() bool { return w.outcomes("announce", "not_in_channel") == 2 }) // left-over messages fail the test
}

// TestChannelTroubleIsOver: a channel that had trouble and was mended is told of anew when it has trouble again.
func TestChannelTroubleIsOver(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	boss := w.boss()
	w.announcing(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.random.ID}) })
	w.asks("chat_1")
	boss.ExpectDM("#random", "Invite the app there")
	w.ended("announce", "chat_1", "not_in_channel")
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	clock.pass(11 * time.Minute)
	w.random.ExpectMessage("chat_1")
	w.ended("announce", "chat_1", "changed")
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = false })
	w.chat("chat_2")
	boss.ExpectDM("#random", "Invite the app there")
}

func TestRules(t *testing.T) {
	t.Parallel()
	routes, err := bot.ReadRoutes(strings.NewReader(`
routes:
  - name: German WhatsApp
    kind: whatsapp_bot
    language: [de, at]
    channel: CRANDOM
  - assistant: Night Bot
    channel: CNIGHT
    quiet: {from: "00:00", to: "23:59", zone: UTC}
  - name: rest
    channel: CSUPPORT
`))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	w.slack.AddChannel(slacktest.Channel{ID: "CNIGHT", Name: "night", BotIsMember: true})
	noon := time.Until(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	clock := newClock()
	clock.pass(noon)
	w.announcing(func(c *bot.Config) { c.Handoffs = routes })
	w.invent.AddChat(inventtest.Chat{ID: "chat_de", Channel: "whatsapp_bot", Language: "de", State: invent.Open})
	w.random.ExpectMessage("chat_de")
	w.invent.AddChat(inventtest.Chat{ID: "chat_en", Channel: "whatsapp_bot", Language: "en", State: invent.Open})
	w.support.ExpectMessage("chat_en")
	w.invent.AddChat(inventtest.Chat{ID: "chat_night", Channel: "email", Assistant: "Night Bot", State: invent.Open})
	w.chat("chat_after")
	w.support.ExpectMessage("chat_after")
	for chat, says := range map[string]string{
		"chat_de": "“German WhatsApp” takes this conversation to #random: kind is whatsapp_bot, language is de or at", "chat_en": "“rest” takes this conversation to #support: it takes what no earlier route takes", "chat_night": "quiet time",
	} {
		w.acknowledged(w.ada.Types(w.support, "/invent route "+chat))
		w.ada.ExpectPrivate(w.support, says)
	}
}

func TestRulesAreReadStrictly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, says string }{
		"not YAML":             {"routes: [", "isn't YAML"},
		"nothing":              {"{}", "no routes"},
		"an unknown word":      {"routes: [{chanel: C012}]", "chanel"},
		"no channel":           {"routes: [{kind: email}]", "channel is not"},
		"a name for a channel": {"routes: [{channel: '#support'}]", "channel is not"},
		"half a quiet time":    {"routes: [{channel: C012, quiet: {from: '22:00'}}]", "quiet needs"},
		"an unknown zone":      {"routes: [{channel: C012, quiet: {from: '22:00', to: '07:00', zone: Moon}}]", "quiet needs a zone"},
		"an empty condition":   {"routes: [{channel: C012, kind: ''}]", "line 1: a condition is a word"},
		"a list of lists":      {"routes:\n- {channel: C012, kind: [[email]]}\n- {chanel: C012}", "line 2: a condition is a word"},
		"no value at all":      {"routes:\n- channel: C012\n  kind:\n", "line 3: kind is without a value"},
		"null":                 {"routes:\n- {channel: C012, language: ~}", "language is without a value"},
		"null in a list":       {"routes:\n- {channel: C012, kind: [email, null]}", "an entry of a list is without a value"},
		"no quiet time":        {"routes:\n- channel: C012\n  quiet:", "quiet is without a value"},
		"an empty file":        {"# none yet\n", "no routes"},
		"another form":         {"routes: C012", "line 1: it has a different form"},
		"another form within":  {"routes:\n- C012\n- channel: [C012]", "line 3: it has a different form"},
		"twice":                {"routes: [{channel: C012, channel: C013}]", "already defined"},
		"a second document":    {"routes: [{channel: C012}]\n---\nroutes: [{channel: C013}]", "after its end"},
		"something behind it":  {"routes: [{channel: C012}]\n...\n[", "after its end"},
		"rules behind all":     {"routes: [{channel: C012}, {channel: C013}]", "never reached"},
		"several, all told":    {"routes: [{channel: x}, {channel: y}]", "number 2"},
		"wrong in two ways":    {"routes: [{asistant: A, channel: C012, quiet: {from: '22:00', to: '07:00'}}]", "quiet needs a zone"},
	} {
		_, err := bot.ReadRoutes(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: read with %v, want an error with %q", name, err, c.says)
			continue
		}
		for _, source := range []string{"EOF", "struct", "unmarshal", "yaml:", "bot."} {
			if strings.Contains(err.Error(), source) {
				t.Errorf("%s: %q holds %s, which says nothing to people", name, err, source)
			}
		}
	}
}

func TestReminder(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive, func(c *bot.Config) { c.WaitReminder = 15 * time.Minute })
	w.asks("chat_1")
	card := w.support.ExpectMessage("chat_1")
	clock.pass(16 * time.Minute)
	line := w.support.ExpectMessage("has been waiting for a human since")
	if line.ThreadTS != card.TS || !line.Broadcast {
		t.Error("the reminder isn't in the card's thread, or only there")
	}
	clock.pass(16 * time.Minute)
	before := w.count("/inbox")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, 3*time.Minute, func() bool { return w.count("/inbox") > before+1 }) // once: left-over messages fail the test
}

// TestReminderLater: a reminder that Slack doesn't take at once comes later, and not at all where the app may not post any more.
func TestReminderLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble func(*world)
		outcome string
	}{
		"Slack has no answer": {func(w *world) {
			w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 500, Times: 1})
		}, "changed"},
		"the app was removed from the channel": {func(w *world) {
			w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.BotIsMember = false })
		}, "undelivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.announcing(clock.drive, func(c *bot.Config) { c.WaitReminder = 15 * time.Minute })
			w.announced()
			c.trouble(w)
			clock.pass(16 * time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			clock.passUntil(ctx, time.Second, func() bool { return w.outcomes("remind", c.outcome) > 0 })
			if c.outcome == "changed" {
				w.support.ExpectMessage("has been waiting for a human since")
			}
			w.listedAgain(clock) // once: left-over messages fail the test
			w.rest()
			if n := w.outcomes("remind", c.outcome); n != 1 {
				t.Errorf("%d reminders ended so, want one", n)
			}
		})
	}
}

func TestCardsThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	first := w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	second := w.support.ExpectMessage("@grace")
	w.support.ExpectUpdate(first, "@grace")
	w.ada.ExpectPrivate(w.support, "It was yours before", "Back to me")
	w.grace.ExpectDM("@ada assigned it to you")
	first.Delete()
	w.has("chat_1", "mem_joan")
	w.support.ExpectUpdate(second, "@joan")
	w.has("chat_1", "mem_ada")
	w.support.ExpectUpdate(second, "@ada")
	tried := func() (n int) {
		for _, c := range w.slack.CallsTo("chat.update") {
			if c.Args["ts"] == first.TS && c.Error == "message_not_found" {
				n++
			}
		}
		return n
	}
	w.until("the deleted card is tried", func() bool { return tried() > 0 })
	w.has("chat_1", "mem_joan")
	w.support.ExpectUpdate(second, "@joan")
	if n := tried(); n != 1 {
		t.Errorf("the deleted card was tried %d times, want once", n)
	}
	w.slack.IgnoreLeftovers() // Grace's card, redrawn with each change
}

// TestNewCardBesideStaleOnes: what a new card shows is not taken for what the older ones show.
func TestNewCardBesideStaleOnes(t *testing.T) {
	t.Parallel()
	for name, post := range map[string]func(w *world){
		"shared": func(w *world) {
			w.acknowledged(w.joan.Types(w.random, "/invent show chat_1"))
			w.acknowledged(w.joan.Press(w.joan.ExpectPrivate(w.random, "Resolved"), "Share here"))
			w.random.ExpectMessage("Resolved")
			w.joan.ExpectPrivate(w.random, "Shared")
		},
		"unfolded": func(w *world) {
			w.random.ExpectUnfurl(w.joan.Says(w.random, link+"chat_1"), link+"chat_1", "Resolved")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
			w.serve(clock.drive)
			w.listed()
			card := w.shared("chat_1", "Nobody")
			w.listedAgain(clock)
			w.invent.Mute(true) // the event is lost
			w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
			post(w)
			w.listedAgain(clock)
			w.support.ExpectUpdate(card, "Resolved")
		})
	}
}

// TestAnnouncedAfterAll: an order that ends in vain is given again, long before the hour in which it is known as given has passed.
func TestAnnouncedAfterAll(t *testing.T) {
	t.Parallel()
	t.Run("of_what_somebody_had_for_a_moment", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		var once sync.Once
		w.steps = func(step string, j cache.Job) {
			switch {
			case !strings.HasPrefix(j.ID, "announce/"):
			case step == "taken from the queue":
				once.Do(func() {
					w.invent.Mute(true) // between the listing and the job
					w.has("chat_1", "mem_grace")
				})
			case step == "the job is ended" && w.invent.Assignee("chat_1") != "":
				w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
				w.invent.Mute(false)
			}
		}
		w.announcing(clock.drive)
		w.asks("chat_1")
		w.ended("announce", "chat_1", "over")
		w.listedAgain(clock)
		w.support.ExpectMessage("chat_1", "Take")
	})
	t.Run("of_what_waited_for_its_turn_for_minutes", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		var once sync.Once
		w.steps = func(step string, j cache.Job) {
			if step == "taken from the queue" && strings.HasPrefix(j.ID, "announce/") {
				once.Do(func() { clock.pass(3 * time.Minute) })
			}
		}
		w.announcing(clock.drive)
		w.asks("chat_1")
		w.support.ExpectMessage("chat_1", "Take")
	})
	for name, fault := range map[string]func(w *world){
		"when_Slack_takes_the_token_again": func(w *world) {
			w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "invalid_auth"})
		},
		"when_Invent_takes_the_key_again": func(w *world) {
			w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1$", Times: 1, Status: 403})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t, slacktest.Now(clock.now))
			w.announcing(clock.drive)
			fault(w)
			w.asks("chat_1")
			w.ended("announce", "chat_1", "failed")
			w.listedAgain(clock)
			w.support.ExpectMessage("chat_1", "Take")
		})
	}
	t.Run("but_not_at_each_listing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.announcing()
		w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1$", Status: 403})
		w.asks("chat_1")
		w.ended("announce", "chat_1", "failed")
		for range 3 {
			listed := w.listings()
			w.invent.Send([]byte("{}"))
			w.until("the inbox is listed again", func() bool { return w.listings() > listed })
		}
		if n := w.outcomes("announce", "failed"); n != 1 {
			t.Errorf("it was tried %d times within seconds, want once in a minute", n)
		}
	})
	t.Run("but_not_when_it_panics_each_time", func(t *testing.T) {
		t.Parallel()
		clock, store := newClock(), ownStore(t)
		w := newWorld(t, slacktest.Now(clock.now))
		w.announcing(clock.drive, func(c *bot.Config) { c.Cache = store }, w.wrapped(func(next http.RoundTripper) http.RoundTripper {
			return through(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/chats/chat_1") {
					panic("at each try")
				}
				return next.RoundTrip(r)
			})
		}))
		w.asks("chat_1")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		clock.passUntil(ctx, 10*time.Second, func() bool { return w.outcomes("announce", "failed") > 0 })
		if _, n, err := store.Handoff(t.Context(), w.slack.TeamID(), "chat_1", w.support.ID); n.Tries != 0 || !n.Next.IsZero() || err != nil {
			t.Errorf("it is to be tried again: %+v, %v", n, err)
		}
	})
	t.Run("all_at_once_likewise", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.chat("chat_2")
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "invalid_auth"})
		w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID}) })
		w.ended("bundle", "", "failed")
		w.listedAgain(clock)
		w.support.ExpectMessage("2 conversations are waiting")
	})
	t.Run("a_reminder_likewise", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.announcing(clock.drive, func(c *bot.Config) { c.WaitReminder = 15 * time.Minute })
		w.asks("chat_1")
		w.support.ExpectMessage("chat_1")
		w.ended("announce", "chat_1", "changed")
		w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "invalid_auth"})
		clock.pass(16 * time.Minute)
		w.ended("remind", "chat_1", "failed")
		w.listedAgain(clock)
		w.support.ExpectMessage("has been waiting for a human since")
	})
}

// reads says how often a conversation was read from Invent.
func (w *world) reads() (n int) {
	for _, r := range w.invent.Requests() {
		if r.Method == "GET" && strings.HasPrefix(r.Path, "/chats/") {
			n++
		}
	}
	return n
}

// postedIn says how often it was tried to post in a channel.
func (w *world) postedIn(c *slacktest.Channel) (n int) {
	for _, call := range w.slack.CallsTo("chat.postMessage") {
		if call.Args["channel"] == c.ID {
			n++
		}
	}
	return n
}

// outcomes says how many jobs have ended so.
func (w *world) outcomes(verb, outcome string) (n int) {
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, fmt.Sprintf(`"verb":%q`, verb)) && strings.Contains(line, fmt.Sprintf(`"outcome":%q`, outcome)) {
			n++
		}
	}
	return n
}

// TestOneRedrawASecond: of the cards in one channel that a change makes stale one is redrawn at once, and the next a second later, as Slack
// wants.
func TestOneRedrawASecond(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	first, second, clicked := w.shared("chat_1", "Nobody"), w.shared("chat_1", "Nobody"), w.shared("chat_1", "Nobody")
	clock.stop()
	w.invent.Mute(true) // the feed redraws nothing besides
	w.acknowledged(w.ada.Press(clicked, "Take"))
	w.support.ExpectUpdate(clicked, "@ada")
	redrawn := func() int { return len(w.slack.CallsTo("chat.update")) }
	w.until("one is redrawn", func() bool { return redrawn() > 0 })
	emptied(t, store)
	if n := redrawn(); n != 1 {
		t.Errorf("%d are redrawn at once, want one", n)
	}
	clock.pass(time.Second)
	w.support.ExpectUpdate(first, "@ada")
	w.support.ExpectUpdate(second, "@ada")
	if n := redrawn(); n != 2 {
		t.Errorf("redrawn %d times, want 2", n)
	}
}

// TestTurns: what Slack takes once a second in a channel is read from Invent when it has its turn, once.
func TestTurns(t *testing.T) {
	t.Parallel()
	const many = 4
	inTurn := func(t *testing.T, w *world, c *clock, store *cache.Cache, next func()) {
		t.Helper()
		for n := range many {
			next()
			emptied(t, store)
			if posted := len(w.slack.CallsTo("chat.postMessage")); posted != n+1 {
				t.Fatalf("%d messages were posted when %d had their turn", posted, n+1)
			}
			c.pass(time.Second)
		}
		if n := w.reads(); n != many {
			t.Errorf("conversations were read %d times, want %d", n, many)
		}
	}
	t.Run("of_stale_cards", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		store := ownStore(t)
		for n := range many {
			card := cache.Card{Channel: w.support.ID, TS: fmt.Sprintf("1.%d", n)}
			if err := store.Remember(t.Context(), w.slack.TeamID(), w.chat(fmt.Sprintf("chat_s%d", n)), "stale", cache.Via{}, card); err != nil {
				t.Fatal(err)
			}
		}
		w.serve(func(c *bot.Config) { c.Cache = store })
		w.until("each has been tried", func() bool { return len(w.slack.CallsTo("chat.update")) == many })
		if n := w.reads(); n != many {
			t.Errorf("conversations were read %d times, want %d", n, many)
		}
	})
	t.Run("of_announcements", func(t *testing.T) {
		t.Parallel()
		clock, store := newClock(), ownStore(t)
		w := newWorld(t, slacktest.Now(clock.now))
		for n := range many - 1 {
			w.chat(fmt.Sprintf("chat_w%d", n))
		}
		w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, quietFor(clock, -time.Hour, 3*time.Hour) })
		w.listed()
		clock.stop()
		clock.pass(2 * time.Hour)
		inTurn(t, w, clock, store, func() { w.support.ExpectMessage("Take") })
	})
	t.Run("of_notices", func(t *testing.T) {
		t.Parallel()
		clock, store := newClock(), ownStore(t)
		w := newWorld(t, slacktest.Now(clock.now))
		for n := range many {
			w.chat(fmt.Sprintf("chat_n%d", n))
		}
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		w.listed()
		clock.stop()
		w.invent.Mute(true)
		for n := range many {
			w.invent.SetChat(fmt.Sprintf("chat_n%d", n), func(c *inventtest.Chat) { c.AssigneeID = "mem_grace" })
		}
		w.invent.Mute(false)
		clock.pass(3 * time.Minute)
		inTurn(t, w, clock, store, func() { w.grace.ExpectDM("This conversation is yours") })
	})
	t.Run("of_a_sweep", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		store := ownStore(t)
		w.invent.LeaveOut("GET /orgs/{org_id}/inbox")
		for n := range many {
			card := cache.Card{Channel: w.support.ID, TS: fmt.Sprintf("1.%d", n)}
			if err := store.Remember(t.Context(), w.slack.TeamID(), w.chat(fmt.Sprintf("chat_s%d", n)), "stale", cache.Via{}, card); err != nil {
				t.Fatal(err)
			}
		}
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		w.until("this process leads", func() bool { return strings.Contains(w.log.String(), "the feed") })
		clock.pass(61 * time.Minute)
		w.until("one is compared", func() bool { return w.outcomes("redraw", "shown") == 1 })
		clock.pass(18 * time.Second)
		w.until("the next is compared", func() bool { return w.outcomes("redraw", "shown") == 2 })
	})
}

// TestAnnouncedBesideStaleCards: a handoff is announced at its channel's next turn, however many cards are to be redrawn there, and each
// of these is put off once, not at every beat.
func TestAnnouncedBesideStaleCards(t *testing.T) {
	t.Parallel()
	const many = 15
	w, n := newWorld(t, slacktest.Patience(30*time.Second)), newNode(t)
	p, url := newTap(t, n.address)
	store, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for n := range many {
		id := fmt.Sprintf("chat_s%d", n)
		w.invent.AddChat(inventtest.Chat{ID: id, State: invent.Open, AIEnabled: true})
		card := cache.Card{Channel: w.support.ID, TS: fmt.Sprintf("1.%d", n)}
		if err := store.Remember(t.Context(), w.slack.TeamID(), id, "stale", cache.Via{}, card); err != nil {
			t.Fatal(err)
		}
	}
	w.announcing(func(c *bot.Config) { c.Cache = store })
	redrawn := func() int { return len(w.slack.CallsTo("chat.update")) }
	w.until("redraws have begun", func() bool { return redrawn() > 0 })
	w.asks("chat_1")
	w.support.ExpectMessage("chat_1", "Take")
	if left := many - redrawn(); left < many/2 {
		t.Errorf("%d redraws were left when it was announced, want more", left)
	}
	w.until("each has been tried", func() bool { return w.outcomes("redraw", "shown") == many })
	asked := 0 // for a redraw, in Redis: once, once more when it is put off, and again for the few that something else came before
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.batches {
		if bytes.Contains(b.text, []byte("zadd")) && bytes.Contains(b.text, []byte(":redraws")) {
			asked += bytes.Count(b.text, []byte("chat_s"))
		}
	}
	if asked > 3*many {
		t.Errorf("redraws were asked for %d times, want at most %d", asked, 3*many)
	}
}

// TestTurnIsKept: however often redraws are asked for while they wait for their channel's turns, they come when as many turns have passed.
func TestTurnIsKept(t *testing.T) {
	t.Parallel()
	const many = 5
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	ask := map[string]time.Time{}
	for n := range many {
		id := w.chat(fmt.Sprintf("chat_s%d", n))
		w.shared(id, id)
		ask[id] = time.Time{} // at once
	}
	w.until("each could have had two turns", func() bool {
		if err := store.RedrawAt(t.Context(), w.slack.TeamID(), ask); err != nil {
			t.Fatal(err)
		}
		return w.outcomes("redraw", "shown") > 2*many
	})
	before, begun := w.outcomes("redraw", "shown"), time.Now()
	w.until("they are redrawn", func() bool { return w.outcomes("redraw", "shown") >= before+many })
	if took := time.Since(begun); took > 4*many*time.Second { // on a busy machine
		t.Errorf("%d redraws took %s, want %d s", many, took, many)
	}
	w.slack.IgnoreLeftovers() // since when they wait may be added to the cards
}

// TestNoticeOfTheLatest: whoever loses a conversation before their notice has its turn is not told, which costs nothing.
func TestNoticeOfTheLatest(t *testing.T) {
	t.Parallel()
	const many = 3
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	for n := range many {
		w.chat(fmt.Sprintf("chat_n%d", n))
	}
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.listed()
	clock.stop() // one notice has its turn whenever it passes
	for _, p := range []*slacktest.Person{w.grace, w.joan} {
		w.invent.Mute(true)
		for n := range many {
			w.has(fmt.Sprintf("chat_n%d", n), "mem_"+p.Name)
		}
		w.invent.Mute(false)
		clock.pass(time.Minute)
		p.ExpectDM("This conversation is yours")
	}
	for range many - 1 {
		clock.pass(time.Minute)
		w.joan.ExpectDM("This conversation is yours")
	}
	clock.pass(time.Minute)
	emptied(t, store)
	if n := w.outcomes("notice", "said") + w.outcomes("notice", "already"); n != 1+many {
		t.Errorf("%d notices were sent or looked at, want %d", n, 1+many)
	}
	w.slack.IgnoreLeftovers() // Grace's card, redrawn
}

// TestToldOfTheirs: who was told that a conversation is theirs is not told again, and what is assigned while nobody leads is told.
func TestToldOfTheirs(t *testing.T) {
	t.Parallel()
	t.Run("though_one_listing_is_empty", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		for n := range 110 {
			w.has(w.chat(fmt.Sprintf("chat_h%d", n)), "mem_ada")
		}
		w.serve(clock.drive)
		w.listed()
		w.listedAgain(clock)
		w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Times: 1, Body: []byte("[]")})
		w.listedAgain(clock)
		w.has("chat_h7", "mem_grace") // the only one who is told: left-over messages fail the test
		w.grace.ExpectDM("This conversation is yours")
	})
	t.Run("though_the_lead_changes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		store := ownStore(t)
		w.has("chat_1", "mem_ada")
		with := func(c *bot.Config) { c.Cache = store }
		_, stop := w.serve(with)
		w.listed()
		stop()
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "mem_grace" })
		w.serve(with)
		w.grace.ExpectDM("This conversation is yours")
	})
}

// TestListingFailsOnce: beside a socket the inbox is listed every two minutes, but not when a listing has failed.
func TestListingFailsOnce(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	before := w.listings()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Unseen++ }) // an event: the socket is known as open
	w.until("an event has led to a listing", func() bool { return w.listings() > before })
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Times: 1, Status: 502})
	w.asks("chat_1")
	w.until("a listing has failed", func() bool { return strings.Contains(w.log.String(), "the inbox can't be listed") })
	clock.pass(11 * time.Second)
	w.support.ExpectMessage("chat_1")
}

// TestListingWaits: a listing waits for as long as Invent asks, whatever it has that for.
func TestListingWaits(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			clock := newClock() // stands still: what has failed is not listed again
			w := newWorld(t, slacktest.Now(clock.now))
			w.announcing(clock.drive)
			w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Times: 1, Status: status, RetryAfter: "1"})
			w.asks("chat_1")
			w.support.ExpectMessage("chat_1")
		})
	}
}

// TestListingFailsAtALaterPage: what a listing that failed has asked for counts as much as one that didn't: the next one waits as long.
func TestListingFailsAtALaterPage(t *testing.T) {
	t.Parallel()
	const pages = 6 // half a second each
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	for n := range pages * 100 {
		w.chat(fmt.Sprintf("chat_x%d", n))
	}
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Times: pages - 1, Delay: time.Millisecond}) // those pass
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Status: 502})
	asked := func() (n int) {
		for _, r := range w.invent.Requests() {
			if strings.HasSuffix(r.Path, "/inbox") {
				n++
			}
		}
		return n
	}
	clock.stop()
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.until("a listing has failed", func() bool { return asked() == pages && w.invent.Sockets() > 0 })
	clock.pass((pages*1000/2 - 100) * time.Millisecond)
	w.invent.Send([]byte("{}"))
	if err := store.RedrawAt(t.Context(), w.slack.TeamID(), map[string]time.Time{"chat_1": clock.now()}); err != nil {
		t.Fatal(err)
	}
	w.until("the feed goes on", func() bool { return w.outcomes("redraw", "gone") == 1 })
	if n := asked(); n != pages {
		t.Errorf("%d pages were asked for, want %d", n, pages)
	}
	clock.pass(100 * time.Millisecond)
	w.until("the inbox is listed again", func() bool { return asked() > pages })
}

// TestListsBesideASocket: where events come the inbox is listed every two minutes.
func TestListsBesideASocket(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.listed()
	clock.stop()
	before := w.listings()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Unseen++ }) // an event
	clock.pass(2 * time.Second)
	w.until("an event has led to a listing", func() bool { return w.listings() > before })
	before = w.listings()
	clock.pass(115 * time.Second)
	due := map[string]time.Time{"chat_1": clock.now()} // which the feed orders behind a listing that is due
	if err := store.RedrawAt(t.Context(), w.slack.TeamID(), due); err != nil {
		t.Fatal(err)
	}
	w.ended("redraw", "chat_1", "gone")
	if n := w.listings() - before; n != 0 {
		t.Errorf("%d listings within two minutes, want none", n)
	}
	clock.pass(10 * time.Second)
	w.until("it is listed again", func() bool { return w.listings() > before })
}

// pipes takes connections that need no network, so that time goes on in a bubble while nothing comes through them.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours, nil
}

// TestSocketIsOpenedAgain: the inbox's socket is given up after five minutes in which nothing came, and opened again soon; one that is
// refused is asked for less and less often, but once in a minute and a half at least.
func TestSocketIsOpenedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var one sync.Mutex // they come one after the other
		last := time.Now() // when the one before ended
		var pauses []time.Duration
		all := make(pipes)
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { //nolint:gosec // nobody is slow here
			one.Lock()
			defer one.Unlock()
			pauses = append(pauses, time.Since(last))
			defer func() { last = time.Now() }()
			if len(pauses) > 2 {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			conn, err := websocket.Accept(rw, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			heard, gone := time.Now(), conn.CloseRead(context.Background())
			if len(pauses) == 2 {
				<-time.After(4 * time.Minute)
				_ = conn.Write(gone, websocket.MessageText, []byte("{}"))
				heard = time.Now()
			}
			<-gone.Done()
			if quiet := time.Since(heard).Round(time.Second); quiet != 5*time.Minute {
				t.Errorf("it was given up after %s in which nothing came, want five minutes", quiet)
			}
		})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(all) })
		direct := &http.Transport{DialContext: all.dial, DisableKeepAlives: true}
		team := bot.NewTeam(nil, invent.New(invent.Options{
			URL: "http://invent.example", Key: "key", Org: "c", Timeout: 2 * time.Second, Wrap: func(http.RoundTripper) http.RoundTripper { return direct },
		}))
		ctx, cancel := context.WithCancel(t.Context())
		serving.Go(func() { bot.ListenTo(ctx, team) })
		<-time.After(30 * time.Minute)
		cancel()
		_ = server.Close()
		serving.Wait()
		one.Lock()
		defer one.Unlock()
		for n, usual := range []time.Duration{0, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60} {
			if usual *= time.Second; n >= len(pauses) || pauses[n] < usual/2 || pauses[n] > usual*3/2 {
				t.Fatalf("it was opened again after %v, want number %d after about %s", pauses, n, usual)
			}
		}
	})
}

// TestRedrawRunsOutOfTime: what Slack didn't take within a try's time is drawn later.
func TestRedrawRunsOutOfTime(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	w.listed()
	channels := []*slacktest.Channel{w.support}
	for n := range 3 {
		channels = append(channels, w.slack.AddChannel(slacktest.Channel{ID: fmt.Sprintf("CMORE%d", n), Name: fmt.Sprintf("more%d", n), BotIsMember: true}))
	}
	var cards []*slacktest.Message
	for _, c := range channels {
		w.acknowledged(w.ada.Types(c, "/invent show chat_1"))
		w.acknowledged(w.ada.Press(w.ada.ExpectPrivate(c, "Nobody"), "Share here"))
		cards = append(cards, c.ExpectMessage("Nobody"))
		w.ada.ExpectPrivate(c, "Shared")
	}
	mend := w.slack.Fault(slacktest.Fault{Method: "chat.update", Hang: true})
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
	w.ended("redraw", "chat_1", "shown")
	mend()
	for n, c := range cards {
		channels[n].ExpectUpdate(c, "Resolved")
	}
}

// TestReachIsAskedAgain: where Slack fails to say who can read a channel, a customer's name is missing for no longer than that.
func TestReachIsAskedAgain(t *testing.T) {
	t.Parallel()
	unknown := func(w *world, store *cache.Cache) { // after ten minutes
		w.t.Helper()
		if err := store.SetReach(t.Context(), w.slack.TeamID(), w.support.ID, cache.ReachUnknown); err != nil {
			w.t.Fatal(err)
		}
	}
	failsOnce := slacktest.Fault{Method: "conversations.info", Status: 500, Times: 1}
	t.Run("for_a_redraw", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.serve(func(c *bot.Config) { c.Cache = store })
		w.listed()
		card := w.shared("chat_1", "Jane Doe")
		unknown(w, store)
		w.slack.Fault(failsOnce)
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
		w.support.ExpectUpdate(card, "Resolved", "Jane Doe")
		for _, c := range w.slack.CallsTo("chat.update") {
			if !strings.Contains(c.Args["text"], "Jane Doe") {
				t.Errorf("meanwhile it read %q", c.Args["text"])
			}
		}
	})
	t.Run("for_a_stale_card_that_was_clicked", func(t *testing.T) {
		t.Parallel()
		w, store := newWorld(t), ownStore(t)
		w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // nothing else tells that it is stale
		w.serve(func(c *bot.Config) { c.Cache = store })
		card := w.shared("chat_1", "Jane Doe")
		w.has("chat_1", "mem_grace")
		unknown(w, store)
		w.slack.Fault(failsOnce)
		w.acknowledged(w.ada.Press(card, "Take"))
		w.ada.ExpectPrivate(w.support, "Grace has had it")
		w.support.ExpectUpdate(card, "@grace", "Jane Doe")
	})
	t.Run("for_a_new_card_which_waits_for_one_try", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		mend := w.slack.Fault(slacktest.Fault{Method: "conversations.info", Status: 500})
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		card := w.support.ExpectMessage("@ada", "customer")
		before, asked := slices.IndexFunc(w.slack.Calls(), func(c slacktest.Call) bool { return c.Method == "chat.postMessage" }), 0
		for _, c := range w.slack.Calls()[:before] {
			if c.Method == "conversations.info" {
				asked++
			}
		}
		if asked != 2 {
			t.Errorf("Slack was asked %d times before, want twice", asked)
		}
		mend()
		w.support.ExpectUpdate(card, "@ada", "Jane Doe")
	})
}

// TestWaitedBefore: of what waits already when the bot looks for the first time, nobody claims to know since when.
func TestWaitedBefore(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) {
		c.Handoffs, c.WaitReminder = quietFor(clock, -time.Hour, 2*time.Hour), 3*time.Hour
	})
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	if m := w.ada.ExpectPrivate(w.support, "Waiting for a human: 1"); strings.Contains(m.Text, "since") {
		t.Errorf("the list claims since when it waits: %q", m.Text)
	}
	w.rest()
	clock.pass(90 * time.Minute)
	if m := w.support.ExpectMessage("chat_1", "Take"); strings.Contains(m.Text, "for a human since") {
		t.Errorf("its card claims since when it waits: %q", m.Text)
	}
	w.ended("announce", "chat_1", "changed")
	clock.pass(2 * time.Hour)
	if m := w.support.ExpectMessage("is still waiting for a human"); strings.Contains(m.Text, "since") {
		t.Errorf("the reminder claims since when it waits: %q", m.Text)
	}
}

// TestReleaseAnnouncesItself: the card of a release stands in the channel of the handoffs already.
func TestReleaseAnnouncesItself(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "mem_ada" })
	w.ada.ExpectDM("This conversation is yours")
	w.ended("notice", "chat_1", "said")
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	card := w.support.ExpectMessage("Nobody", "Take")
	w.listedAgain(clock) // left-over messages fail the test
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
	w.ada.ExpectPrivate(w.support, "It has been waiting for a human since", "It was last announced")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.support.ExpectUpdate(card, "AI on")
	w.asks("chat_1")
	if again := w.support.ExpectMessage("for a human since"); again.ThreadTS != card.TS {
		t.Errorf("announced anew in the thread %q, want %q", again.ThreadTS, card.TS)
	}
	w.slack.IgnoreLeftovers() // the older card, and Ada's
}

// TestReleasedOnACard: nobody sees that a card is redrawn further up in the channel: what waits since is announced.
func TestReleasedOnACard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "mem_ada" })
	w.ada.ExpectDM("This conversation is yours")
	card := w.shared("chat_1", "@ada")
	w.acknowledged(w.ada.Press(card, "Release"))
	w.support.ExpectUpdate(card, "Nobody")
	w.support.ExpectMessage("chat_1", "for a human since")
	w.slack.IgnoreLeftovers() // the cards redrawn
}

// TestReleasedInAThread: who reads the channel sees no card in a thread of it: what waits since is announced.
func TestReleasedInAThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "mem_ada" })
	w.ada.ExpectDM("This conversation is yours")
	said := w.ada.Says(w.support, "who has time?")
	if _, _, err := bot.NewSlack(w.slack.Token(), w.slack.URL()).PostMessage(w.support.ID, slack.MsgOptionText("for chat_1", false), slack.MsgOptionTS(said.TS)); err != nil {
		t.Fatal(err)
	}
	w.acknowledged(w.ada.MessageShortcut("work_on", w.support.ExpectMessage("for chat_1")))
	w.acknowledged(w.ada.Press(w.ada.ExpectPrivate(w.support, "Jane Doe"), "Release"))
	if card := w.support.ExpectMessage("Nobody"); card.ThreadTS != said.TS {
		t.Errorf("its card stands in the thread %q, want %q", card.ThreadTS, said.TS)
	}
	if m := w.support.ExpectMessage("chat_1", "for a human since"); m.ThreadTS != "" {
		t.Errorf("announced in the thread %q, want the channel", m.ThreadTS)
	}
	w.slack.IgnoreLeftovers() // the cards redrawn, and what Ada reads
}

// TestReleasedWhileWaiting: a conversation that was announced, taken and given back before any listing saw that waits as before; when it
// waits for the next time, that is announced.
func TestReleasedWhileWaiting(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	w.asks("chat_1")
	card := w.support.ExpectMessage("Nobody", "for a human since")
	w.ended("announce", "chat_1", "changed")
	mend := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Status: 502})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.support.ExpectMessage("Nobody")
	mend()
	w.listedAgain(clock)
	w.has("chat_1", "mem_grace")
	w.listedAgain(clock)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
	if again := w.support.ExpectMessage("Nobody", "for a human since"); again.ThreadTS != card.TS {
		t.Errorf("announced anew in the thread %q, want %q", again.ThreadTS, card.TS)
	}
	w.slack.IgnoreLeftovers() // the older cards
}

// TestReleasedAndTakenUnseen: the card of a release announces the waiting that it began, not the next, also when no listing has seen it.
func TestReleasedAndTakenUnseen(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "mem_ada" })
	w.ada.ExpectDM("This conversation is yours")
	w.ended("notice", "chat_1", "said")
	mend := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Status: 502})
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	card := w.support.ExpectMessage("Nobody", "Take")
	w.acknowledged(w.grace.Press(card, "Take"))
	w.support.ExpectUpdate(card, "@grace")
	mend()
	w.listedAgain(clock)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
	if again := w.support.ExpectMessage("Nobody", "for a human since"); again.ThreadTS != card.TS {
		t.Errorf("announced anew in the thread %q, want %q", again.ThreadTS, card.TS)
	}
	w.slack.IgnoreLeftovers() // the older card, and what Ada is told
}

// TestTakenUnseen: the card of what somebody took announces no waiting, also when no listing has seen that they had it.
func TestTakenUnseen(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	mend := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Status: 502})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
	w.until("it has ended", func() bool { return w.outcomes("take", "changed") == 1 })
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "" })
	mend()
	w.listedAgain(clock)
	w.support.ExpectMessage("Nobody", "for a human since")
	w.slack.IgnoreLeftovers() // the first card, redrawn
}

// TestReleasedWhileListed: a listing that began before a release doesn't know of it, and the release's card announces it all the same.
func TestReleasedWhileListed(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	var armed atomic.Bool
	answered, arrives := make(chan struct{}), make(chan struct{})
	slow := func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if strings.HasSuffix(r.URL.Path, "/inbox") && armed.CompareAndSwap(true, false) {
				close(answered)
				<-arrives
			}
			return resp, err
		})
	}
	w.announcing(clock.drive, func(c *bot.Config) {
		team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()),
			invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Timeout: 30 * time.Second, Wrap: slow}))
		c.Teams, c.Probe = team.Only, team
	})
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, "mem_ada" })
	hers := w.ada.ExpectDM("This conversation is yours")
	w.ended("notice", "chat_1", "said")
	armed.Store(true)
	clock.pass(3 * time.Minute)
	<-answered
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.support.ExpectMessage("Nobody", "Take")
	w.ada.DM().ExpectUpdate(hers, "Nobody")
	w.until("it is noted", func() bool { return strings.Contains(w.log.String(), `"verb":"release"`) })
	before := w.listings()
	close(arrives)
	w.until("it has arrived", func() bool { return w.listings() > before })
	w.listedAgain(clock)
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
	w.ada.ExpectPrivate(w.support, "It has been waiting for a human since", "It was last announced")
	if n := w.postedIn(w.support); n != 1 {
		t.Errorf("%d cards in the channel, want one", n)
	}
	w.slack.IgnoreLeftovers() // since when it waits may be added to both cards
}

// TestSweep: nobody said that anything changed, and yet the card becomes true within the hour.
func TestSweep(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox")
	address, _ := w.serve(clock.drive)
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	w.has("chat_1", "mem_grace")
	w.until("this process leads", func() bool { return strings.Contains(w.log.String(), "the feed") })
	w.rest()
	clock.pass(61 * time.Minute)
	w.support.ExpectUpdate(card, "@grace")
	w.until("the stale card is counted", func() bool { return strings.Contains(get(t, address+"/metrics"), "inventbot_stale_cards_total 1") })
}

// TestSweepKeepsNothingAlive: comparing a card with the truth doesn't prolong its 30 days, and then it isn't compared any more.
func TestSweepKeepsNothingAlive(t *testing.T) {
	t.Parallel()
	clock := newClock()
	n := newNode(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = n.open() })
	w.listed()
	w.has("chat_1", "mem_grace")
	w.grace.ExpectDM("This conversation is yours")
	w.ended("notice", "chat_1", "said")
	key := func(name string) string { return "inventbot:{" + w.slack.TeamID() + "}:" + name }
	if err := n.client.Expire(t.Context(), key("cards:chat_1"), time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	clock.pass(61 * time.Minute)
	w.until("the card is compared", func() bool { return w.outcomes("redraw", "shown") == 1 })
	if ttl := n.client.TTL(t.Context(), key("cards:chat_1")).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("the card lives for another %s, want the hour that was left", ttl)
	}
	if calls := w.slack.CallsTo("chat.update"); len(calls) > 0 {
		t.Errorf("%d redraws of a card that was as it should be", len(calls))
	}
	reads := w.reads()
	n.client.Del(t.Context(), key("cards:chat_1")) // its time is over
	clock.pass(61 * time.Minute)
	w.until("it is found to be gone", func() bool { return w.outcomes("redraw", "gone") == 1 })
	if left := n.client.ZCard(t.Context(), key("carded")).Val(); left != 0 || w.reads() != reads {
		t.Errorf("%d conversations with cards are left after %d more reads, want none", left, w.reads()-reads)
	}
}

// TestTwoLeaders: the lead is lost while its holder doesn't know it yet, so that two processes follow hundreds of conversations in
// pages, in any order. Each handoff is announced once all the same. (A leader that is killed: TestLeaderKilled of cmd/inventbot.)
func TestTwoLeaders(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	w := newWorld(t, slacktest.Patience(40*time.Second))
	for i := range 600 {
		w.invent.AddChat(inventtest.Chat{ID: fmt.Sprintf("chat_x%d", i), State: invent.Open, AIEnabled: true, Channel: "email"})
	}
	order := 0
	w.invent.SortInbox(func(a, b inventtest.Chat) int {
		order++
		if order%2 == 0 {
			return strings.Compare(a.ID, b.ID)
		}
		return strings.Compare(b.ID, a.ID)
	})
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	handoffs := func(c *bot.Config) {
		c.Cache = n.open()
		c.Handoffs = bot.ToChannels([]string{w.support.ID})
	}
	w.serve(handoffs)
	w.listed()
	w.asks("chat_x3")
	w.support.ExpectMessage("chat_x3")
	if lost, err := n.client.Del(t.Context(), "inventbot:{"+w.slack.TeamID()+"}:leader").Result(); lost != 1 || err != nil {
		t.Fatalf("%d leads were lost, want one: %v", lost, err)
	}
	w.serve(handoffs)
	for _, id := range []string{"chat_x7", "chat_x333", "chat_x500"} {
		w.asks(id)
		w.support.ExpectMessage(id) // in the order in which they ask; left-over messages fail the test
	}
}

func TestMine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent mine"))
	w.ada.ExpectPrivate(w.support, "You have no conversations")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Types(w.support, "/invent mine"))
	list := w.ada.ExpectPrivate(w.support, "My conversations: 1", "Jane Doe")
	w.acknowledged(w.ada.Press(list, "Show"))
	if shown := w.ada.ExpectPrivate(w.support, "@ada", "Share here"); shown.TS == list.TS {
		t.Error("the card stands in the place of the list, which is gone")
	}
	w.acknowledged(w.ada.Press(list, "Release"))
	w.support.ExpectMessage("Nobody")
	w.support.ExpectUpdate(card, "Nobody")
	w.ada.ExpectPrivate(w.support, "Done: nobody has it now.", "You have no conversations")
	w.acknowledged(w.ada.Types(w.support, "/invent take"))
	w.ada.ExpectPrivate(w.support, "Waiting for a human: 1")
	w.acknowledged(w.linus.Types(w.support, "/invent queue"))
	w.linus.ExpectPrivate(w.support, "aren't linked")
	w.slack.IgnoreLeftovers()
}

// TestEventsAreOnlyTriggers: whatever the socket delivers or loses, each handoff is announced once.
func TestEventsAreOnlyTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	for _, half := range []string{``, `{`, `{"data":{"id":"chat_ghost"}}`, `{"type":"x","data":{"id":"chat_ghost","state":{"id":"s","state":"OPEN"}}}`, `[]`, "\x00"} {
		w.invent.Send([]byte(half))
	}
	w.asks("chat_1")
	w.asks("chat_1") // twice, at once
	card := w.support.ExpectMessage("chat_1", "for a human since")

	// The socket breaks, and what happens meanwhile is never told.
	w.invent.Mute(true)
	w.chat("chat_2")
	w.has("chat_1", "mem_grace")
	w.invent.Mute(false)
	w.invent.DropSockets()
	w.support.ExpectMessage("chat_2")
	w.support.ExpectUpdate(card, "@grace")
	w.until("the socket is open again", func() bool { return w.invent.Sockets() > 0 })
	w.chat("chat_3")
	w.support.ExpectMessage("chat_3")
	w.slack.IgnoreLeftovers() // how unread messages are counted up, and what Grace is told
	if n := w.postedIn(w.support); n != 3 {
		t.Errorf("%d messages were posted, want 3", n)
	}
}

func TestLargeInbox(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now), slacktest.Patience(time.Minute)) // with the race detector on a busy machine it takes its time
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	for i := range 5000 {
		w.invent.AddChat(inventtest.Chat{ID: fmt.Sprintf("chat_x%d", i), State: invent.Open, AIEnabled: i%2 == 0, Channel: "email"})
	}
	clock.stop() // however slow the machine is, the listing takes no time
	w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID}) })
	w.support.ExpectMessage("2500 conversations are waiting")
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.ada.ExpectPrivate(w.support, "Waiting for a human: 2500", "page 1 of 250")

	// People's lists cost no more than the feed's own.
	before := w.count("/inbox")
	clock.pass(11 * time.Second)
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.ada.ExpectPrivate(w.support, "Waiting for a human: 2500")
	if n := w.count("/inbox") - before; n != 0 {
		t.Errorf("%d more pages were read, want none", n)
	}
}

// TestListAfterOwnChange: what this process did a while ago doesn't hide what was done in the dashboard since.
func TestListAfterOwnChange(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Types(w.support, "/invent mine"))
	w.ada.ExpectPrivate(w.support, "My conversations: 1")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "mem_grace" })
	w.support.ExpectUpdate(card, "@grace")
	w.grace.ExpectDM("This conversation is yours")
	clock.pass(12 * time.Second)
	w.acknowledged(w.grace.Types(w.support, "/invent mine"))
	w.grace.ExpectPrivate(w.support, "My conversations: 1")
}

// TestOwnChangesOfAMinute: what this process did since the inbox was listed is in people's lists, also when more was done a minute later.
func TestOwnChangesOfAMinute(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.chat("chat_2")
	w.chat("chat_3")
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.invent.Mute(true)
	clock.stop()
	mine := func(says string) {
		t.Helper()
		w.acknowledged(w.ada.Types(w.support, "/invent mine"))
		w.ada.ExpectPrivate(w.support, says)
	}
	for n, pause := range []time.Duration{time.Minute, time.Millisecond, 0} {
		w.acknowledged(w.ada.Types(w.support, fmt.Sprintf("/invent take chat_%d", n+1)))
		w.support.ExpectMessage("@ada")
		emptied(t, store)
		clock.pass(pause)
		if n == 0 {
			mine("My conversations: 1") // listed anew
		}
	}
	mine("My conversations: 3")
}

// TestRouteTellsOfWaiting: whether a conversation waits doesn't depend on whether and where that is announced.
func TestRouteTellsOfWaiting(t *testing.T) {
	t.Parallel()
	t.Run("that_is_announced_nowhere", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.listed()
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
		w.ada.ExpectPrivate(w.support, "No route takes this conversation", "It is waiting for a human.") // since when, nobody knows
		w.has("chat_1", "mem_ada")
		w.ada.ExpectDM("This conversation is yours")
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
		w.ada.ExpectPrivate(w.support, "No route takes this conversation", "It isn't waiting for a human now.")
	})
	t.Run("that_came_from_Slack", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.announcing()
		w.invent.AddChat(inventtest.Chat{ID: "chat_slack", Channel: "slack_bot", State: invent.Open})
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_slack"))
		if m := w.ada.ExpectPrivate(w.support, "aren't announced", "HANDOFF_SLACK", "It is waiting for a human."); strings.Contains(m.Text, "takes this conversation to") {
			t.Errorf("it is announced in a channel, too: %q", m.Text)
		}
	})
	t.Run("that_is_announced_in_several_channels", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		boss := w.boss()
		w.announcing(func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID, w.random.ID}) })
		w.asks("chat_1")
		w.support.ExpectMessage("chat_1")
		w.ended("announce", "chat_1", "changed")
		boss.ExpectDM("#random")
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
		w.ada.ExpectPrivate(w.support, "to #support, #random: it takes every conversation", "In #support it was last announced", "In #random it wasn't announced: the app isn't in the channel")
	})
}

// TestRouteTellsOfSlacksLimit: an announcement with which Slack asks to wait is told of as such, until it is made.
func TestRouteTellsOfSlacksLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 1})
	w.asks("chat_1")
	tells := func(what string) {
		w.until("route tells: "+what, func() bool {
			w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
			return strings.Contains(w.ada.ExpectPrivate(w.support, "takes this conversation").Text, what)
		})
	}
	tells("It wasn't announced: Slack asked me to wait.")
	undo()
	w.support.ExpectMessage("chat_1", "Take")
	tells("It was last announced")
}

// TestForgotten: what the inbox has not listed for 30 days is forgotten, also when it waited.
func TestForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old, young := now.Add(-31*24*time.Hour), now.Add(-29*24*time.Hour)
	known := map[string]cache.Handoff{
		"waits": {Waiting: true, Since: old}, "vanished": {Waiting: true, Since: old}, "unlisted": {Waiting: true, Since: young},
		"done": {Since: old}, "back": {Since: old},
	}
	notices := map[string]cache.Notice{}
	for chat := range known {
		notices[cache.NoticeName(chat, "C1")] = cache.Notice{At: old}
	}
	got := bot.Forgotten(known, notices, map[string]bool{"waits": true, "back": true}, now)
	slices.Sort(got)
	want := []string{cache.NoticeName("back", "C1"), cache.NoticeName("done", "C1"), cache.NoticeName("vanished", "C1"), "done", "vanished"}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
}

// TestListLongerThanATry: who has no more time leaves, and finds at the next try what was fetched meanwhile.
func TestListLongerThanATry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l bot.Listing
		fetches := 0
		fetch := func(ctx context.Context) (int, error) {
			fetches++
			select {
			case <-time.After(12 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		asked := time.Now()
		for try, want := range []error{context.DeadlineExceeded, nil} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			got, err := bot.Since(ctx, &l, asked, fetch)
			cancel()
			if !errors.Is(err, want) || err == nil && got != 7 || time.Since(asked) > 10*time.Second+time.Duration(try)*2*time.Second {
				t.Errorf("try %d ended after %s: %d and %v, want %v", try, time.Since(asked), got, err, want)
			}
		}
		if fetches != 1 {
			t.Errorf("%d fetches, want one", fetches)
		}
	})
}

// TestListIsAsOldAsItsBeginning: what came while it was being fetched may be missing in it, and whoever asks for that gets another one.
func TestListIsAsOldAsItsBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l bot.Listing
		fetches := 0
		fetch := func(context.Context) (int, error) {
			fetches++
			nth := fetches
			<-time.After(2 * time.Second)
			return nth, nil
		}
		begun, first := time.Now(), make(chan int)
		go func() {
			got, _ := bot.Since(t.Context(), &l, begun, fetch)
			first <- got
		}()
		<-time.After(time.Second)
		asked := time.Now()
		if got, err := bot.Since(t.Context(), &l, asked, fetch); got != 2 || err != nil {
			t.Errorf("asked in the middle of the first: list %d and %v, want the second", got, err)
		}
		if got := <-first; got != 1 {
			t.Errorf("who asked first got list %d, want the first", got)
		}
	})
}

// TestInThread: what is asked for in a thread is answered in it; at a card that stands in the channel too, as the second announcement of
// a conversation does, in the channel.
func TestInThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.announcing()
	w.asks("chat_1")
	card := w.support.ExpectMessage("Jane Doe", "for a human since")
	w.has("chat_1", "mem_grace")
	w.support.ExpectUpdate(card, "@grace")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID, c.AIEnabled = "", true })
	w.support.ExpectUpdate(card, "Nobody", "AI on")
	w.asks("chat_1")
	again := w.support.ExpectMessage("Jane Doe", "for a human since")
	w.has("chat_1", "mem_grace")
	w.acknowledged(w.ada.Press(again, "Take"))
	if m := w.ada.ExpectPrivate(w.support, "Grace has had it"); m.ThreadTS != "" {
		t.Error("who clicks on the second announcement is answered in its thread, which they may not have opened")
	}

	said := w.ada.Says(w.support, "who has time?")
	if _, _, err := bot.NewSlack(w.slack.Token(), w.slack.URL()).PostMessage(w.support.ID, slack.MsgOptionText("for chat_1", false), slack.MsgOptionTS(said.TS)); err != nil {
		t.Fatal(err)
	}
	w.acknowledged(w.joan.MessageShortcut("work_on", w.support.ExpectMessage("for chat_1")))
	private := w.joan.ExpectPrivate(w.support, "Jane Doe")
	w.acknowledged(w.joan.Press(private, "Share here"))
	w.joan.ExpectPrivate(w.support, "Shared")
	shared := w.support.ExpectMessage("Jane Doe")
	w.has("chat_1", "mem_ada")
	w.acknowledged(w.joan.Press(shared, "Take over"))
	question := w.joan.ExpectPrivate(w.support, "Ada has had it")
	for _, m := range []*slacktest.Message{private, shared, question} {
		if m.ThreadTS != said.TS || m.Broadcast {
			t.Errorf("%q stands in the thread %q, want %q alone", m.Text, m.ThreadTS, said.TS)
		}
	}
	w.acknowledged(w.joan.MessageShortcut("work_on", card))
	if m := w.joan.ExpectPrivate(w.support, "Jane Doe"); m.ThreadTS != "" {
		t.Error("what is asked for at the message that began a thread is answered in the thread")
	}
	w.slack.IgnoreLeftovers() // the cards redrawn
}

// TestInThreadOfDirectMessages: a card that somebody asks for in a thread of their direct messages begins a thread itself, for the words
// that go below it.
func TestInThreadOfDirectMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	dm := w.ada.DM()
	said := w.ada.Says(dm, "which one was it?")
	if _, _, err := bot.NewSlack(w.slack.Token(), w.slack.URL()).PostMessage(dm.ID, slack.MsgOptionText("chat_1", false), slack.MsgOptionTS(said.TS)); err != nil {
		t.Fatal(err)
	}
	w.acknowledged(w.ada.MessageShortcut("work_on", dm.ExpectMessage("chat_1")))
	private := w.ada.ExpectPrivate(dm, "Jane Doe")
	w.acknowledged(w.ada.Press(private, "Take"))
	card := dm.ExpectMessage("This conversation is yours")
	w.ada.ExpectPrivate(dm, "it is yours")
	w.acknowledged(w.grace.Types(w.random, "/invent show chat_1"))
	w.acknowledged(w.grace.Press(w.grace.ExpectPrivate(w.random, "Jane Doe"), "Take over"))
	w.random.ExpectMessage("@grace")
	w.grace.ExpectPrivate(w.random, "Back to Ada")
	dm.ExpectUpdate(card, "You don't have this conversation any more")
	if below := w.ada.ExpectDM("@grace changed its assignee"); private.ThreadTS != said.TS || card.ThreadTS != "" || below.ThreadTS != card.TS {
		t.Errorf("asked for in the thread %q, the card stands in %q and the words in %q; want the card in none and the words below it",
			private.ThreadTS, card.ThreadTS, below.ThreadTS)
	}
}

// TestChangedBackBetweenListings: a card shows what is so, also where the inbox is listed before and after the change that it was drawn
// for, and both times as it was without it.
func TestChangedBackBetweenListings(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	w.invent.Mute(true)
	card := w.takes()
	emptied(t, store)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "" })
	w.invent.Mute(false)
	w.chat("chat_2") // of which an event tells
	w.support.ExpectUpdate(card, "Nobody")
}
