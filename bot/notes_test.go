package bot_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// assigns lets Ada choose somebody in the Assign… window of a card, and change the world before she sends it with a note.
func (w *world) assigns(card *slacktest.Message, whom, note string, before func()) {
	w.t.Helper()
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, strings.ToLower(whom), some)
	before()
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": whom, "note_text": note}))
}

// TestNoteNeverVanishes: a note reaches whom it is for, or comes back, whatever becomes of the assignment.
func TestNoteNeverVanishes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(w *world)
		ends   func(w *world)
	}{
		"she has it already, of which Slack knows nothing": {
			func(w *world) { w.has("chat_1", "mem_grace") },
			func(w *world) {
				w.ada.ExpectPrivate(w.support, "Grace has it already, and got your note")
				w.grace.ExpectDM("This conversation is yours")
				if m := w.grace.ExpectDM("a note from @ada", "Call her"); m.ThreadTS == "" {
					w.t.Error("the note doesn't stand below the card")
				}
			},
		},
		"somebody gave it to her meanwhile": {
			func(w *world) {
				w.acknowledged(w.joan.Types(w.support, "/invent assign chat_1 @grace"))
				w.support.ExpectMessage("@grace, since", "assigned by @joan")
				w.grace.ExpectDM("This conversation is yours")
				w.joan.ExpectPrivate(w.support, "Grace has it")
			},
			func(w *world) {
				w.ada.ExpectPrivate(w.support, "Grace has it already, and got your note")
				w.grace.ExpectDM("a note from @ada", "Call her")
			},
		},
		"she is no member any more": {
			func(w *world) { w.invent.SetMember("mem_grace", func(m *invent.Member) { m.Status = "INACTIVE" }) },
			func(w *world) {
				w.ada.ExpectPrivate(w.support, "isn't active")
				w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
			},
		},
		"Invent refuses the change": {
			func(w *world) { w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: 400}) },
			func(w *world) {
				w.ada.ExpectPrivate(w.support, "Invent refused this")
				w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
			},
		},
		"somebody else has it, and Invent refuses what she then does all the same": {
			func(w *world) { w.has("chat_1", "mem_joan") },
			func(w *world) {
				late := w.ada.ExpectPrivate(w.support, "Joan has had it")
				w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: 400})
				w.acknowledged(w.ada.Press(late, "Assign anyway"))
				w.ada.ExpectPrivate(w.support, "Invent refused this")
				w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
			},
		},
		"the conversation goes on under another id": {
			func(w *world) { w.invent.Supersede("chat_1", w.chat("chat_2")) },
			func(w *world) {
				w.ada.ExpectPrivate(w.support, "continues in a newer one")
				w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			w := newWorld(t)
			w.serve(clock.drive)
			card := w.shared("chat_1", "Nobody")
			w.assigns(card, "Grace", "Call her", func() { c.before(w); clock.pass(70 * time.Second) })
			c.ends(w)
			w.slack.IgnoreLeftovers() // the first card redrawn, whoever has it
			if strings.Contains(w.log.String(), "Call her") {
				t.Error("the note is in the log")
			}
		})
	}
}

// TestNoteOfWhatCantBeShown: when Slack takes no card of a change for ten minutes, its note goes back: nobody was told of the change.
func TestNoteOfWhatCantBeShown(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Grace", "Call her", func() {
		w.slack.Fault(slacktest.Fault{Method: "response_url", Status: 500})
		w.slack.Fault(slacktest.Fault{Method: "chat.update", Status: 500})
	})
	w.until("it is written", func() bool { return len(w.writes()) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, 30*time.Second, func() bool { return w.outcomes("assign", "unplaced") == 1 })
	w.ada.ExpectPrivate(w.support, "It was changed in Invent")
	w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
}

// TestNoteOfANewerVersion: where no newer version comes back for what one has begun, the note that came with it goes with the button that
// begins it again.
func TestNoteOfANewerVersion(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w, store := newWorld(t), ownStore(t)
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	body, err := json.Marshal(map[string]any{"intent": slackui.Intent{
		V: slackui.Version + 1, Key: "new.1", Verb: slackui.Assign, Chat: "chat_1", To: &slackui.To{User: "UGRACE"}, Note: "Call her",
		Team: w.slack.TeamID(), User: "UADA", Channel: w.support.ID, Sent: clock.now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Submit(t.Context(), cache.Job{ID: "new.1", Lane: "new.1", At: clock.now(), Body: body}, 10, false); err != nil {
		t.Fatal(err)
	}
	clock.pass(3 * time.Minute)
	w.acknowledged(w.ada.Press(w.ada.ExpectPrivate(w.support, "started by a newer version"), "Try again"))
	w.grace.ExpectDM("This conversation is yours")
	w.grace.ExpectDM("a note from @ada", "Call her")
	emptied(t, store)         // nothing goes on waiting for the newer version
	w.slack.IgnoreLeftovers() // the card, and that it can be undone
}

// TestNoteOfWhatWasHeld: when what somebody was refused for want of a link finds no place in the queue once they are linked, its note comes
// back.
func TestNoteOfWhatWasHeld(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	held, err := json.Marshal(slackui.Intent{
		V: slackui.Version, Key: "held.1", Verb: slackui.Assign, Chat: "chat_1", To: &slackui.To{User: "UGRACE"}, Note: "Call her",
		Team: w.slack.TeamID(), User: "UADA", Channel: w.support.ID, Sent: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Hold(t.Context(), w.slack.TeamID(), "UADA", held, time.Now()); err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 1 })
	w.acknowledged(w.ada.Types(w.support, "/invent whoami")) // which takes the only place
	w.ada.ExpectPrivate(w.support, "othing changed")
	w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
	w.ada.ExpectPrivate(w.support, "You are *Ada*")
	w.wrote()
}

// TestNoteOnce: a job that dies after it delivered a note neither delivers it again nor says that it is gone.
func TestNoteOnce(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]bool{"at once": false, "after a question": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := newWorld(t), ownStore(t)
			var armed, fell atomic.Bool
			w.steps = func(step string, _ cache.Job) {
				if step == "whom it concerns is told" && armed.Load() && fell.CompareAndSwap(false, true) {
					panic("died")
				}
			}
			w.serve(func(c *bot.Config) { c.Cache = store })
			card := w.shared("chat_1", "Nobody")
			armed.Store(!asked)
			w.assigns(card, "Grace", "Call her", func() {
				if asked {
					w.has("chat_1", "mem_joan")
				}
			})
			var kept struct{ Note string }
			if asked {
				question := w.ada.ExpectPrivate(w.support, "Joan has had it", "Assign anyway")
				if err := json.Unmarshal([]byte(question.Button("Assign anyway").Value), &kept); err != nil {
					t.Fatal(err)
				}
				armed.Store(true)
				w.acknowledged(w.ada.Press(question, "Assign anyway"))
			}
			w.grace.ExpectDM("a note from @ada", "Call her")
			emptied(t, store)
			if !fell.Load() {
				t.Fatal("it didn't die")
			}
			if _, found, err := store.Note(t.Context(), w.slack.TeamID(), w.ada.ID, kept.Note); found || err != nil {
				t.Errorf("the delivered note is kept: %v, %v", found, err)
			}
			for _, m := range w.slack.Leftovers() {
				if strings.Contains(m.Text, "note") {
					t.Errorf("%s also reads %q", m.Ephemeral, m.Text)
				}
			}
			w.slack.IgnoreLeftovers()
		})
	}
}

// TestNoteDeliveredAndLost: a note that was delivered doesn't come back because whoever got it has lost the conversation by the next try.
func TestNoteDeliveredAndLost(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	var fell atomic.Bool
	w.steps = func(step string, j cache.Job) {
		if step == "whom it concerns is told" && strings.Contains(string(j.Body), "Call her") && fell.CompareAndSwap(false, true) {
			w.has("chat_1", "mem_joan")
			panic("died")
		}
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Grace", "Call her", func() {})
	w.grace.ExpectDM("a note from @ada", "Call her")
	w.ada.ExpectPrivate(w.support, "somebody has changed it since: now Joan has it")
	emptied(t, store)
	for _, m := range w.slack.Leftovers() {
		if strings.Contains(m.Text, "note") {
			t.Errorf("%s also reads %q", m.Ephemeral, m.Text)
		}
	}
	w.slack.IgnoreLeftovers() // the cards redrawn, and what Joan hears
}

// TestTakenFromOnce: a job that dies after it told from whom the conversation was taken doesn't tell them again.
func TestTakenFromOnce(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	var fell atomic.Bool
	w.steps = func(step string, j cache.Job) {
		if step == "whom it concerns is told" && strings.Contains(string(j.Body), `"take"`) && fell.CompareAndSwap(false, true) {
			panic("died")
		}
	}
	w.has("chat_1", "mem_grace")
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "@grace")
	w.acknowledged(w.ada.Press(card, "Take over"))
	w.grace.ExpectDM("You don't have this conversation any more")
	w.grace.ExpectDM("@ada changed its assignee")
	emptied(t, store)
	if !fell.Load() {
		t.Fatal("it didn't die")
	}
	for _, m := range w.slack.Leftovers() {
		if m.Channel == w.grace.DM().ID && strings.Contains(m.Text, "changed its assignee") {
			t.Errorf("she also reads %q", m.Text)
		}
	}
	w.slack.IgnoreLeftovers() // what Ada reads, and the cards redrawn
}

// TestChangedSince: what was done but could not be shown at once is not mixed up with what others have done since.
func TestChangedSince(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, shows string, before ...func(*world)) (*world, *clock, *slacktest.Message) {
		t.Helper()
		clock := newClock()
		clock.stop() // nothing is tried again before it goes on
		w := newWorld(t, slacktest.Now(clock.now))
		w.invent.SetNow(clock.now)
		for _, f := range before {
			f(w)
		}
		w.serve(clock.drive)
		w.listed()
		card := w.shared("chat_1", shows)
		w.slack.Fault(slacktest.Fault{Method: "chat.update", Status: 500, Times: 1})
		return w, clock, card
	}
	cantShow := func(w *world) { w.slack.Fault(slacktest.Fault{Method: "response_url", Status: 500, Times: 1}) }
	t.Run("assigned to somebody, who lost it", func(t *testing.T) {
		t.Parallel()
		w, clock, card := begin(t, "Nobody")
		w.assigns(card, "Grace", "Call her", func() { cantShow(w) })
		w.until("it is written, and waits to be shown", func() bool { return len(w.writes()) == 1 && len(w.slack.CallsTo("chat.update")) == 1 })
		w.rest()
		clock.pass(time.Millisecond)
		w.acknowledged(w.joan.Types(w.support, "/invent take chat_1"))
		w.acknowledged(w.joan.Press(w.joan.ExpectPrivate(w.support, "Take over"), "Take over"))
		w.joan.ExpectPrivate(w.support, "Done: it is yours")
		w.support.ExpectMessage("@joan, since")
		w.grace.ExpectDM("You don't have this conversation any more") // Joan took it from her
		w.grace.ExpectDM("@joan changed its assignee")
		clock.pass(time.Minute)
		w.support.ExpectUpdate(card, "@joan")
		w.ada.ExpectPrivate(w.support, "somebody has changed it since: now Joan has it")
		w.ada.ExpectPrivate(w.support, "Your note was not delivered", "Call her")
		w.acknowledged(w.ada.Types(w.support, "/invent history chat_1"))
		history := w.ada.ExpectPrivate(w.support, "chat_1").Shows()
		if hers, joans := strings.Index(history, "to Grace"), strings.Index(history, "to Joan"); hers < joans || joans < 0 {
			t.Errorf("the history is %q, want Joan's deed and then Ada's", history)
		}
		w.wrote("chat_1 mem_grace", "chat_1 mem_joan")
	})
	t.Run("taken from somebody, who got it back", func(t *testing.T) {
		t.Parallel()
		w, clock, card := begin(t, "@grace", func(w *world) { w.has("chat_1", "mem_grace") })
		cantShow(w)
		w.invent.Mute(true) // the next listing finds her again, as the last did
		w.acknowledged(w.ada.Press(card, "Take over"))
		w.until("it is written, and waits to be shown", func() bool { return len(w.writes()) == 1 && len(w.slack.CallsTo("chat.update")) == 1 })
		w.rest()
		w.has("chat_1", "mem_grace")
		clock.pass(time.Minute)
		w.support.ExpectUpdate(card, "@grace")
		w.ada.ExpectPrivate(w.support, "somebody has changed it since: now Grace has it")
		w.until("it has ended", func() bool { return w.outcomes("take", "changed") == 1 }) // Grace hears nothing of a loss: left-over messages fail the test
		for _, m := range w.slack.Messages(w.support.ID, w.ada.ID) {
			if strings.Contains(m.Text, "Still on it") {
				t.Errorf("Ada reads %q of what is done", m.Text)
			}
		}
	})
	t.Run("resolved, and opened again", func(t *testing.T) {
		t.Parallel()
		w, clock, card := begin(t, "Nobody")
		cantShow(w)
		w.acknowledged(w.ada.Press(card, "Resolve"))
		w.until("it is written, and waits to be shown", func() bool { return len(w.slack.CallsTo("chat.update")) == 1 })
		w.rest()
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.State = invent.Open })
		clock.pass(time.Minute)
		w.ada.ExpectPrivate(w.support, "That was done, but somebody has changed it since")
	})
}
