package bot_test

import (
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

func TestMoreThanAssigning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now().Add(-time.Hour)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) {
		c.Memories = []invent.Memory{
			{Summary: "An old summary", SummarizedAt: &time.Time{}},
			{Summary: "She wants her <money> back", KeyPoints: []string{"Order 7 & 8"}, SummarizedAt: &at},
		}
	})
	w.serve()
	w.listed()
	card := w.shared("chat_1", "Open, AI off", "Resolve", "Hand to AI", "Summary")
	w.acknowledged(w.ada.Press(card, "Hand to AI"))
	card = w.support.ExpectUpdate(card, "Open, AI on", "Pause AI")
	w.acknowledged(w.ada.Press(card, "Pause AI"))
	card = w.support.ExpectUpdate(card, "Open, AI off", "Hand to AI")
	w.acknowledged(w.ada.Press(card, "Resolve"))
	card = w.support.ExpectUpdate(card, "Resolved, AI off", "Reopen")
	w.acknowledged(w.ada.Press(card, "Reopen"))
	card = w.support.ExpectUpdate(card, "Open, AI off", "Resolve")
	w.acknowledged(w.ada.Press(card, "Summary"))
	w.ada.ExpectPrivate(w.support, "She wants her <money> back", "• Order 7 & 8")
	w.acknowledged(w.ada.Types(w.support, "/invent history chat_1"))
	w.ada.ExpectPrivate(w.support, "@ada resolved it", "@ada reopened it", "@ada handed it to the AI", "@ada paused the AI")
	if strings.Contains(w.log.String(), "money") {
		t.Error("the summary is in the log")
	}
	w.has("chat_1", "mem_grace")
	w.acknowledged(w.ada.Press(card, "Resolve"))
	late := w.ada.ExpectPrivate(w.support, "Grace has", "Nothing changed", "Resolve")
	w.support.ExpectUpdate(card, "@grace")
	w.acknowledged(w.ada.Press(late, "Resolve"))
	w.ada.ExpectPrivate(w.support, "it is resolved now")
	w.slack.IgnoreLeftovers() // the card, and what Grace is told of the dashboard's change
	if n := len(w.invent.Writes()); n != 5 {
		t.Errorf("Invent was written %d times, want 5", n)
	}
}

// TestColleaguesState: who resolves a colleague's conversation needs the right to, and the colleague hears of it.
func TestColleaguesState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.SetMember("mem_joan", func(m *invent.Member) { m.Role = "MANAGER" })
	w.has("chat_1", "mem_grace")
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	w.listed()
	card := w.shared("chat_1", "@grace")
	w.acknowledged(w.ada.Press(card, "Resolve"))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.acknowledged(w.joan.Press(card, "Resolve"))
	card = w.support.ExpectUpdate(card, "Resolved")
	hers := w.grace.ExpectDM("This conversation is yours", "Resolved")
	if m := w.grace.ExpectDM("@joan resolved this conversation"); m.ThreadTS != hers.TS {
		t.Error("the words don't stand below the card")
	}
	w.acknowledged(w.grace.Press(card, "Reopen")) // her own
	w.support.ExpectUpdate(card, "Open, AI off")
	w.grace.DM().ExpectUpdate(hers, "Open, AI off")
	if n := len(w.invent.Writes()); n != 2 {
		t.Errorf("Invent was written %d times, want 2", n)
	}
}

// TestColleaguesHearOfEachChange: of a change to the state of their conversation, once, also when Invent's answer was lost and the change
// had to be found out by reading.
func TestColleaguesHearOfEachChange(t *testing.T) {
	t.Parallel()
	for press, c := range map[string]struct {
		state   invent.State
		ai      bool
		becomes string
		reads   string
	}{
		"Resolve":    {invent.Open, false, "Resolved, AI off", "@ada resolved this conversation. It is still yours."},
		"Reopen":     {invent.Closed, false, "Open, AI off", "@ada opened this conversation again. It is still yours."},
		"Hand to AI": {invent.Open, false, "Open, AI on", "@ada handed this conversation to the AI. It is still yours."},
		"Pause AI":   {invent.Open, true, "Open, AI off", "@ada paused the AI in this conversation. It is still yours."},
	} {
		for name, answer := range map[string][]inventtest.Fault{"": nil, ", answered by nothing": {{Method: "PATCH", Path: "/state$", Times: 1, AfterWrite: true, Status: 502}}} {
			t.Run(press+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.invent.SetChat("chat_1", func(x *inventtest.Chat) { x.State, x.AIEnabled = c.state, c.ai })
				w.has("chat_1", "mem_grace")
				w.serve()
				w.listed()
				card := w.shared("chat_1", "@grace", press)
				for _, f := range answer {
					w.invent.Fault(f)
				}
				w.acknowledged(w.ada.Press(card, press))
				w.support.ExpectUpdate(card, "@grace", c.becomes)
				hers := w.grace.ExpectDM("This conversation is yours", c.becomes)
				if m := w.grace.ExpectDM(c.reads); m.ThreadTS != hers.TS {
					t.Error("the words don't stand below the card")
				}
				if n := len(w.invent.Writes()); n != 1 {
					t.Errorf("Invent was written %d times, want once", n)
				}
			})
		}
	}
}

func TestWhatTheAPILacksIsNotDrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("PATCH /chats/{chat_id}/state state", "GET /chats/{chat_id}/memories")
	w.serve()
	w.listed()
	card := w.shared("chat_1", "Hand to AI")
	for _, label := range []string{"Resolve", "Reopen", "Summary"} {
		if card.Button(label) != nil {
			t.Errorf("the card offers %q", label)
		}
	}
}

// TestWithoutAssigning: where Invent's API doesn't let anybody be assigned any more, nothing offers it, and help says so.
func TestWithoutAssigning(t *testing.T) {
	t.Parallel()
	for _, lacks := range []string{"PATCH /chats/{chat_id}/state/assign member_id", "PATCH /chats/{chat_id}/state/assign"} {
		t.Run(lacks, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.invent.LeaveOut(lacks)
			w.serve()
			w.listed()
			card := w.shared("chat_1", "Resolve")
			w.acknowledged(w.ada.Types(w.support, "/invent queue"))
			list := w.ada.ExpectPrivate(w.support, "Waiting for a human")
			for _, m := range []*slacktest.Message{card, list} {
				for _, label := range []string{"Take", "Assign…", "Release"} {
					if m.Button(label) != nil {
						t.Errorf("%q is offered", label)
					}
				}
			}
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			w.ada.ExpectPrivate(w.support, "doesn't offer what this needs")
			w.acknowledged(w.ada.Types(w.support, "/invent help"))
			if help := w.ada.ExpectPrivate(w.support, "What you can type").Shows(); strings.Count(help, "doesn't offer what it needs") != 3 {
				t.Errorf("help says %s", help)
			}
		})
	}
}

// TestWithoutMembers: where Invent's API lists no members, help says of all that is refused for that that it is off.
func TestWithoutMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/members")
	w.serve()
	w.until("the contract is read", func() bool { return strings.Contains(w.log.String(), "doesn't offer a route") })
	w.acknowledged(w.ada.Types(w.support, "/invent help"))
	help := w.ada.ExpectPrivate(w.support, "What you can type").Shows()
	for _, typed := range []string{"take chat_1", "assign chat_1 me", "release chat_1", "show chat_1", "queue", "mine", "history chat_1", "route chat_1", "links"} {
		w.acknowledged(w.ada.Types(w.support, "/invent "+typed))
		w.ada.ExpectPrivate(w.support, "doesn't offer what this needs")
		for line := range strings.Lines(help) {
			if verb, _, _ := strings.Cut(typed, " "); strings.HasPrefix(line, "• `/invent "+verb+"`") || strings.HasPrefix(line, "• `/invent "+verb+" ") {
				if !strings.Contains(line, "(off:") {
					t.Errorf("%q is refused, and help says: %s", typed, line)
				}
			}
		}
	}
}
