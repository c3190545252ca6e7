package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// listedAgain lets minutes pass until the inbox has been listed anew, twice: what the first of them found is noted by then.
func (w *world) listedAgain(c *clock) {
	w.t.Helper()
	for range 2 {
		before := w.listings()
		c.pass(3 * time.Minute)
		w.until("the inbox is listed again", func() bool { return w.listings() > before })
	}
}

// ended waits until a job of the bot's own has ended so: what became of it is noted by then.
func (w *world) ended(verb, chat, outcome string) {
	w.t.Helper()
	line := fmt.Sprintf(`"verb":%q,"chat":%q,"member":"","outcome":%q`, verb, chat, outcome)
	w.until("a job has ended with "+line, func() bool { return strings.Contains(w.log.String(), line) })
}

// quietFor has all handoffs announced in #support, but not in the given time, which begins after a while.
func quietFor(c *clock, begins, lasts time.Duration) bot.Routes {
	at := func(d time.Duration) time.Duration {
		t := c.now().UTC().Add(d)
		return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return bot.Routes{Rules: []bot.Rule{{
		Name: "day", Channel: "CSUPPORT", Quiet: &bot.Quiet{From: at(begins), To: at(begins + lasts), Zone: time.UTC},
	}}}
}

// TestBundleRefused: what waits at the first start is announced as soon as the app is in the channel, once, and counted then.
func TestBundleRefused(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	store := ownStore(t)
	boss := w.boss()
	w.chat("chat_2")
	w.chat("chat_3")
	w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.random.ID}) })
	boss.ExpectDM("#random", "Invite the app there")
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_2"))
	w.ada.ExpectPrivate(w.support, "wasn't announced: the app isn't in the channel")

	w.has("chat_1", "mem_ada")
	w.ada.ExpectDM("This conversation is yours")
	w.listedAgain(clock)
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	clock.pass(11 * time.Minute)
	w.random.ExpectMessage("2 conversations are waiting")
	w.ended("bundle", "", "changed")
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_2"))
	w.ada.ExpectPrivate(w.support, "was announced as one of many")

	// Ordered by another process too, or carried out by one that died before it could end the job: nothing is posted twice.
	order, err := json.Marshal(map[string]any{"intent": map[string]any{
		"v": 1, "verb": "bundle", "team": w.slack.TeamID(), "channel": w.random.ID, "episode": 1, "count": 2, "sent": clock.now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if a, _, err := store.Submit(t.Context(), cache.Job{ID: "again", Lane: "again", At: clock.now(), Body: order}, 100, false); a != cache.Accepted || err != nil {
		t.Fatalf("the same order again: %v, %v", a, err)
	}
	w.ended("bundle", "", "already")
	w.rest()
	clock.pass(31 * 24 * time.Hour)
	w.listedAgain(clock) // left-over messages fail the test
	w.acknowledged(w.ada.Types(w.support, "/invent route chat_2"))
	w.ada.ExpectPrivate(w.support, "was announced as one of many")
}

// TestBundleOfItsOwn: a new bundle isn't taken for one whose conversations are forgotten, while its announcement is known still.
func TestBundleOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := ownStore(t)
	if err := store.SetNotice(t.Context(), w.slack.TeamID(), "bundle 1", w.support.ID, cache.Notice{Episode: 1, TS: "1.1", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
	w.support.ExpectMessage("One conversation is waiting")
}

// TestOrderedTwice: an order that is carried out once more, or too late, posts nothing.
func TestOrderedTwice(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.announcing(func(c *bot.Config) { c.Cache = store })
	w.announced()
	for n, c := range []struct {
		verb    string
		episode int
		holder  string
		outcome string
	}{
		{"announce", 1, "", "already"},
		{"remind", 0, "", "over"}, // of an earlier waiting
		{"remind", 1, "mem_grace", "over"},
		{"remind", 1, "", "changed"},
		{"remind", 1, "", "over"},
	} {
		w.invent.Mute(true) // nothing else follows from it
		w.invent.SetChat("chat_1", func(i *inventtest.Chat) { i.AssigneeID = c.holder })
		order, err := json.Marshal(map[string]any{"intent": map[string]any{
			"v": 1, "verb": c.verb, "team": w.slack.TeamID(), "chat": "chat_1", "channel": w.support.ID, "episode": c.episode, "sent": time.Now(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		before, id := w.outcomes(c.verb, c.outcome), fmt.Sprint("again", n)
		if a, _, err := store.Submit(t.Context(), cache.Job{ID: id, Lane: id, At: time.Now(), Body: order}, 100, false); a != cache.Accepted || err != nil {
			t.Fatalf("the same order again: %v, %v", a, err)
		}
		w.until(c.verb+" ends as "+c.outcome, func() bool { return w.outcomes(c.verb, c.outcome) > before })
	}
	w.support.ExpectMessage("has been waiting for a human since") // once: left-over messages fail the test
}

// TestBundleRefusedUntilNothingWaits: there is nothing left to say then.
func TestBundleRefusedUntilNothingWaits(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	boss := w.boss()
	w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.random.ID}) })
	boss.ExpectDM("#random", "Invite the app there")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
	w.listedAgain(clock)
	w.slack.SetChannel(w.random.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
	clock.pass(11 * time.Minute)
	w.listedAgain(clock)
	w.chat("chat_2") // the only one: left-over messages fail the test
	w.random.ExpectMessage("chat_2")
}

// TestBundledWaitAgain: many that have no card of their own are one message again.
func TestBundledWaitAgain(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	for n := range 7 {
		w.chat(fmt.Sprintf("chat_w%d", n))
	}
	// A channel that is named twice counts once.
	w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID, w.support.ID}) })
	w.support.ExpectMessage("8 conversations are waiting")
	w.waitAgain(clock, 7)
	w.support.ExpectMessage("7 conversations are waiting")
}

// waitAgain lets chat_w0 and so on wait no more, and then again, all at the same listing.
func (w *world) waitAgain(clock *clock, many int) {
	w.t.Helper()
	for _, state := range []invent.State{invent.Snoozed, invent.Open} {
		w.invent.Mute(true)
		for n := range many {
			w.invent.SetChat(fmt.Sprintf("chat_w%d", n), func(c *inventtest.Chat) { c.State = state })
		}
		w.invent.Mute(false)
		w.listedAgain(clock)
	}
}

// TestAnnouncedWaitAgain: many that had a card each are one message, too: the channel sees what is announced anew.
func TestAnnouncedWaitAgain(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	for n := range 6 {
		chat := w.chat(fmt.Sprintf("chat_w%d", n))
		w.support.ExpectMessage(chat)
		w.ended("announce", chat, "changed")
		clock.pass(time.Minute) // not one of many
	}
	w.waitAgain(clock, 6)
	w.support.ExpectMessage("6 conversations are waiting")
	w.slack.IgnoreLeftovers() // the cards redrawn
}

// TestBundleIsCountedAnew where Slack didn't take it for a while.
func TestBundleIsCountedAnew(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.chat("chat_2")
	w.chat("chat_3")
	mend := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 500})
	w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = bot.ToChannels([]string{w.support.ID}) })
	w.until("Slack was asked", func() bool { return len(w.slack.CallsTo("chat.postMessage")) > 0 })
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
	w.listedAgain(clock)
	mend()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	clock.passUntil(ctx, 15*time.Second, func() bool { return strings.Contains(w.log.String(), `"outcome":"changed"`) })
	w.support.ExpectMessage("2 conversations are waiting")
	if strings.Contains(w.log.String(), "nothing can be posted in a channel") {
		t.Error("that Slack had no answer was taken for a trouble of the channel")
	}
}

// TestAnnouncedByAFormerLeader: many that have their cards are not announced again as one of many by the next leader.
func TestAnnouncedByAFormerLeader(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	follow := func() (stop func()) {
		_, stop = w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
		return stop
	}
	stop := follow()
	w.listed()
	for n := range 6 {
		chat := w.chat(fmt.Sprintf("chat_w%d", n))
		w.support.ExpectMessage(chat)
		w.ended("announce", chat, "changed")
		clock.pass(time.Minute) // not one of many
	}
	stop()
	follow()
	w.listedAgain(clock)
	w.rest() // left-over messages fail the test
}

// TestQuietTime: neither many handoffs at once nor a reminder are said in it; what waits still is afterwards.
func TestQuietTime(t *testing.T) {
	t.Parallel()
	t.Run("many_at_once_get_a_card_each_afterwards", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.chat("chat_2")
		w.chat("chat_3")
		w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = quietFor(clock, -time.Hour, 3*time.Hour) })
		w.listed()
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Closed })
		w.listedAgain(clock)
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_1"))
		if m := w.ada.ExpectPrivate(w.support, "isn't waiting for a human now."); strings.Contains(m.Text, "quiet") {
			t.Errorf("it comes afterwards, though it waits no more: %q", m.Text)
		}
		w.acknowledged(w.ada.Types(w.support, "/invent route chat_2"))
		w.ada.ExpectPrivate(w.support, "quiet time")
		if err := w.slack.ExpectNothing(); err != nil {
			t.Errorf("in quiet time: %v", err)
		}
		w.rest()
		clock.pass(2 * time.Hour)
		w.support.ExpectMessage("chat_2", "Take")
		w.support.ExpectMessage("chat_3", "Take")
	})
	t.Run("what_was_refused_before_gets_a_card_each_afterwards", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		boss := w.boss()
		w.chat("chat_2")
		w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.BotIsMember = false })
		w.serve(clock.drive, func(c *bot.Config) { c.Handoffs = quietFor(clock, 5*time.Minute, 3*time.Hour) })
		boss.ExpectDM("#support", "Invite the app there")
		w.slack.SetChannel(w.support.ID, func(c *slacktest.Channel) { c.BotIsMember = true })
		clock.pass(20 * time.Minute)
		w.listedAgain(clock)
		if err := w.slack.ExpectNothing(); err != nil {
			t.Errorf("in quiet time: %v", err)
		}
		clock.pass(3 * time.Hour)
		w.support.ExpectMessage("chat_1", "Take")
		w.support.ExpectMessage("chat_2", "Take")
	})
	t.Run("a_reminder_comes_afterwards", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w := newWorld(t, slacktest.Now(clock.now))
		w.announcing(clock.drive, func(c *bot.Config) {
			c.Handoffs, c.WaitReminder = quietFor(clock, 10*time.Minute, 3*time.Hour), 15*time.Minute
		})
		w.asks("chat_1")
		card := w.support.ExpectMessage("chat_1")
		w.ended("announce", "chat_1", "changed")
		clock.pass(20 * time.Minute)
		w.listedAgain(clock)
		if err := w.slack.ExpectNothing(); err != nil {
			t.Errorf("in quiet time: %v", err)
		}
		clock.pass(3 * time.Hour)
		if line := w.support.ExpectMessage("has been waiting for a human since"); line.ThreadTS != card.TS {
			t.Error("the reminder isn't in the card's thread")
		}
	})
}
