package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// shared shows a conversation's card in the support channel, without changing anything.
func (w *world) shared(chat string, shows ...string) *slacktest.Message {
	w.t.Helper()
	w.acknowledged(w.ada.Types(w.support, "/invent show "+chat))
	private := w.ada.ExpectPrivate(w.support, shows...)
	w.acknowledged(w.ada.Press(private, "Share here"))
	card := w.support.ExpectMessage(shows...)
	w.ada.ExpectPrivate(w.support, "Shared")
	return card
}

// offered waits until a search in the open modal finds something: the lists in memory are filled beside the start.
func (w *world) offered(p *slacktest.Person, v *slacktest.View, query string, until func([]slacktest.Choice) bool) []slacktest.Choice {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		all, ack := p.Options(v, "who_pick", query)
		w.acknowledged(ack)
		if until(all) {
			return all
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the select offers %v", names(all))
		}
	}
}

// trigger is a fresh trigger_id of Ada's.
func (w *world) trigger() string {
	w.t.Helper()
	a := w.ada.Types(w.support, "/invent help")
	w.ada.ExpectPrivate(w.support, "What you can type")
	return a.TriggerID
}

func names(all []slacktest.Choice) []string {
	var list []string
	for _, c := range all {
		list = append(list, strings.TrimSuffix(c.Text+": "+c.Description, ": "))
	}
	return list
}

// everybodyKnown waits until the bot has all members and all of Slack's users in memory. Zoe, who isn't on Slack, must be a member from the start.
func (w *world) everybodyKnown(card *slacktest.Message) {
	w.t.Helper()
	w.acknowledged(w.ada.Press(card, "Assign…"))
	w.offered(w.ada, w.ada.ExpectModal("Assign a conversation"), "zoe", func(all []slacktest.Choice) bool {
		return len(all) == 1 && strings.Contains(all[0].Description, "not on Slack")
	})
}

// zoe is a member who isn't on Slack.
var zoe = invent.Member{ID: "mem_zoe", Name: "Zoe", Email: "zoe@example.com"}

func some(all []slacktest.Choice) bool { return len(all) > 0 }

func TestAssignByModal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.AddMember(zoe)
	w.invent.AddMember(invent.Member{ID: "mem_old", Name: "Old", Email: "old@example.com", Status: "INACTIVE"})
	w.serve()
	w.has("chat_1", "mem_joan")
	card := w.shared("chat_1", "@joan")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation", "Hand-over note", "The customer never sees it", "chat_1")
	all := w.offered(w.ada, modal, "", func(all []slacktest.Choice) bool { return len(all) == 5 })
	want := []string{"Me: Ada", "Grace", "Joan", "Zoe: not on Slack — won't be notified here", "Nobody: Unassigned"}
	if diff := cmp.Diff(want, names(all)); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
	for query, want := range map[string][]string{
		"gra": {"Grace"}, "GRACE@EX": {"Grace"}, "me": {"Me: Ada"}, "ada": {"Me: Ada"}, "nob": {"Nobody: Unassigned"}, "xyz": nil, "old": nil,
	} {
		got, _ := w.ada.Options(modal, "who_pick", query)
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("%q finds (-want +got):\n%s", query, diff)
		}
	}
	w.offered(w.ada, modal, "gra", some)
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Grace", "note_text": "She wants <refund> & call\nat 5"}))
	if w.ada.Modal() != nil {
		t.Error("the modal is still open")
	}
	w.support.ExpectUpdate(card, "@grace", "assigned by @ada")
	w.ada.ExpectPrivate(w.support, "Grace has it", "Back to Joan")
	w.grace.ExpectDM("@ada assigned it to you", "Jane Doe", "Release")
	note := w.grace.ExpectDM("a note from @ada", "She wants <refund> & call\nat 5")
	if note.ThreadTS == "" {
		t.Error("the note doesn't stand below the card")
	}
	w.joan.ExpectDM("You don't have this conversation any more")
	w.joan.ExpectDM("@ada changed its assignee")
	w.wrote("chat_1 mem_grace")
	for _, m := range w.slack.Messages(w.support.ID, "") {
		if strings.Contains(m.Text, "refund") {
			t.Errorf("the note is in the channel: %s", m.Text)
		}
	}
	if strings.Contains(w.log.String(), "refund") {
		t.Error("the note is in the log")
	}
}

func TestAssignModalPreselects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.has("chat_1", "mem_grace")
	card := w.shared("chat_1", "@grace")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "", some)
	w.acknowledged(w.ada.Press(card, "Assign…")) // the lists are in memory now
	modal = w.ada.ExpectModal("Assign a conversation", "Grace")
	w.acknowledged(w.ada.Submits(modal, map[string]any{}))
	w.ada.ExpectPrivate(w.support, "Grace has it already")
	w.acknowledged(w.grace.Press(card, "Assign…"))
	modal = w.grace.ExpectModal("Assign a conversation", "Me")
	w.offered(w.grace, modal, "nobody", some)
	w.acknowledged(w.grace.Submits(modal, map[string]any{"who_pick": "Nobody"}))
	w.support.ExpectUpdate(card, "Nobody")
	w.wrote("chat_1 -")
	w.slack.IgnoreLeftovers() // since when it waits may be added to the card
}

// TestAssignModalErrors: what is wrong is said at its field, and nothing is done.
func TestAssignModalErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.AddMember(zoe)
	w.serve()
	w.until("Slack's users are listed", func() bool { return len(w.slack.CallsTo("users.list")) > 0 })
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "", func(all []slacktest.Choice) bool { return len(all) == 5 })
	for name, c := range map[string]struct {
		values      map[string]any
		block, says string
	}{
		"a note to oneself":                {map[string]any{"who_pick": "Me", "note_text": "x"}, "note", "Nobody else would get this note"},
		"a note to nobody":                 {map[string]any{"who_pick": "Nobody", "note_text": "x"}, "note", "Nobody else would get this note"},
		"a note to who isn't on Slack":     {map[string]any{"who_pick": "Zoe", "note_text": "x"}, "note", "isn't on Slack"},
		"a note that is too long by a lot": {map[string]any{"who_pick": "Grace", "note_text": strings.Repeat("ß", 2001)}, "note", "at most 2,000"},
	} {
		w.acknowledged(w.ada.Submits(modal, c.values))
		if got := w.ada.Modal(); got == nil || !strings.Contains(got.Errors[c.block], c.says) {
			t.Errorf("%s: the modal says %+v, want %q at %s", name, got, c.says, c.block)
		}
	}
	w.wrote()
}

// submits sends a submission of the Assign… window as nobody but a forger would write it.
func (w *world) submits(metadata, choice, note string) *slacktest.Ack {
	w.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"type": "view_submission", "trigger_id": fmt.Sprintf("%d.1", time.Now().UnixNano()), "team": map[string]any{"id": w.slack.TeamID()},
		"user": map[string]any{"id": "UADA"}, "view": map[string]any{
			"callback_id": "assign_form", "private_metadata": metadata,
			"state": map[string]any{"values": map[string]any{
				"who":  map[string]any{"who_pick": map[string]any{"type": "external_select", "selected_option": map[string]any{"value": choice}}},
				"note": map[string]any{"note_text": map[string]any{"type": "plain_text_input", "value": note}},
			}},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.slack.Send("/slack/interactions", form, []byte(url.Values{"payload": {string(payload)}}.Encode()))
}

// TestAssignModalForged: what comes back with a submission is believed no more than a command.
func TestAssignModalForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.shared("chat_1", "Nobody")
	const meta = `{"v":1,"chat":"chat_1","seen":"","channel":"CSUPPORT"}`
	for name, c := range map[string]struct{ metadata, choice, says string }{
		"no metadata":              {"", "me", "older version"},
		"metadata that isn't JSON": {"{", "me", "older version"},
		"no conversation":          {`{"v":1,"seen":""}`, "me", "older version"},
		"the folder above":         {`{"v":1,"chat":"..","seen":""}`, "me", "older version"},
		"seen nothing":             {`{"v":1,"chat":"chat_1"}`, "me", "older version"},
		"another version":          {`{"v":7,"chat":"chat_1","seen":""}`, "me", "older version"},
		"nothing chosen":           {meta, "", "Choose somebody"},
		"an option that isn't":     {meta, "x:mem_ada", "Choose somebody"},
		"nobody in particular":     {meta, "m:", "Choose somebody"},
	} {
		a := w.submits(c.metadata, c.choice, "")
		var answer struct {
			Action string            `json:"response_action"`
			Errors map[string]string `json:"errors"`
		}
		if err := json.Unmarshal(a.Body, &answer); err != nil || a.Status != 200 || answer.Action != "errors" || !strings.Contains(answer.Errors["who"], c.says) {
			t.Errorf("%s: answered %d %s, want %q", name, a.Status, a.Body, c.says)
		}
	}
	if a := w.submits(`{"v":1,"chat":"chat_1","seen":"","answer":"https://evil.example/"}`, "me", ""); a.Status != 400 {
		t.Errorf("a foreign response_url: answered %d, want 400", a.Status)
	}
	for name, c := range map[string]struct{ metadata, choice, says string }{
		"a member of nobody":        {meta, "m:mem_other", "No member in Invent has the e-mail or id mem_other"},
		"a digest of nobody":        {meta, "d:0011", "The person you chose is no longer a member in Invent"},
		"a conversation of nobody":  {`{"v":1,"chat":"chat_other","seen":"","channel":"CSUPPORT"}`, "me", "has no conversation"},
		"an assignee who never was": {`{"v":1,"chat":"chat_2","seen":"mem_joan","channel":"CSUPPORT"}`, "me", "Grace has had it"},
	} {
		if name == "an assignee who never was" {
			w.chat("chat_2")
			w.has("chat_2", "mem_grace")
		}
		if a := w.submits(c.metadata, c.choice, ""); a.Status != 200 || len(a.Body) > 0 {
			t.Errorf("%s: answered %d %s", name, a.Status, a.Body)
		}
		w.ada.ExpectPrivate(w.support, c.says)
	}
	w.wrote()
}

// TestModalOpensWhateverInventDoes: Invent hangs from the start, and then all of a sudden.
func TestModalOpensWhateverInventDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "grace", some)
	undo := w.invent.Fault(inventtest.Fault{Hang: true})
	a := w.acknowledged(w.ada.Press(card, "Assign…"))
	if a.Took > time.Second {
		t.Errorf("the modal took %s", a.Took)
	}
	modal = w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "grace", some)
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Grace"}))
	undo()
	w.support.ExpectUpdate(card, "@grace")
	w.ada.ExpectPrivate(w.support, "Back to nobody")
	w.grace.ExpectDM("assigned it to you")

	cold := newWorld(t)
	undo = cold.invent.Fault(inventtest.Fault{Path: "/members", Hang: true})
	cold.serve()
	cold.acknowledged(cold.slack.Send("/slack/interactions", form, []byte(url.Values{"payload": {`{"type":"block_actions","trigger_id":"` +
		cold.trigger() + `","team":{"id":"T0SANDBOX"},"user":{"id":"UADA"},"channel":{"id":"CSUPPORT"},"actions":[{"action_id":"choose",` +
		`"value":"{\"v\":1,\"chat\":\"chat_1\",\"seen\":\"\"}"}]}`}}.Encode())))
	cold.ada.ExpectModal("Invent hasn't sent me its list of members yet")
	undo()
}

// TestModalNeverWaitsForSlack: the bot was started anew while a modal was open, and Slack doesn't say which workspace this is.
func TestModalNeverWaitsForSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	undo := w.slack.Fault(slacktest.Fault{Method: "auth.test", Hang: true})
	w.serve()
	options := w.acknowledged(w.slack.Send("/slack/options", form, []byte(url.Values{"payload": {`{"type":"block_suggestion","action_id":"who_pick",` +
		`"value":"gr","user":{"id":"UADA"},"team":{"id":"T0SANDBOX"}}`}}.Encode())))
	submission := w.acknowledged(w.submits(`{"v":1,"chat":"chat_1","seen":"","channel":"CSUPPORT"}`, "me", ""))
	if options.Took > time.Second || submission.Took > time.Second {
		t.Errorf("the options took %s, the submission %s", options.Took, submission.Took)
	}
	undo()
	w.support.ExpectMessage("@ada")
}

// TestSubmittedUnknown: the bot was started anew while a modal was open, and who sends it isn't known yet: the worker finds out.
func TestSubmittedUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.SetMember("mem_ada", func(m *invent.Member) { m.Role = "MANAGER" })
	w.slack.Fault(slacktest.Fault{Method: "users.list", Status: 500})
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	w.listed() // which team this is is known
	w.acknowledged(w.submits(`{"v":1,"chat":"chat_1","seen":"","channel":"CSUPPORT"}`, "m:mem_grace", ""))
	w.support.ExpectMessage("@grace")
	w.ada.ExpectPrivate(w.support, "Back to nobody")
	w.grace.ExpectDM("assigned it to you")
}

func TestModalTooLate(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"its trigger has expired": "expired_trigger_id", "Slack doesn't answer": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			card := w.shared("chat_1", "Nobody")
			w.slack.Fault(slacktest.Fault{Method: "views.open", Error: code, Hang: code == "", Times: 1})
			w.acknowledged(w.ada.Press(card, "Assign…"))
			w.ada.ExpectPrivate(w.support, "three seconds to open", "Nothing changed")
			if w.ada.Modal() != nil {
				t.Error("a modal is open")
			}
			a := w.acknowledged(w.ada.Press(card, "Assign…"))
			w.ada.ExpectModal("Assign a conversation")
			w.slack.AllowComplaint("exchanged_trigger_id")
			w.acknowledged(a.Again()) // a repeat says nothing
		})
	}
	t.Run("but never for whom nobody knows", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		card := w.shared("chat_1", "Nobody")
		w.acknowledged(w.ada.Press(card, "Assign…"))
		w.offered(w.ada, w.ada.ExpectModal("Assign"), "", some)
		w.acknowledged(w.linus.Press(card, "Assign…"))
		w.linus.ExpectPrivate(w.support, "You aren't linked")
		if w.linus.Modal() != nil {
			t.Error("a modal is open for somebody who may not assign")
		}
		w.invent.AddMember(invent.Member{ID: "mem_linus", Name: "Linus", Email: "linus@example.com"})
		w.acknowledged(w.linus.Press(card, "Assign…"))
		w.linus.ExpectPrivate(w.support, "I know who you are in Invent now")
		w.acknowledged(w.linus.Press(card, "Assign…"))
		w.linus.ExpectModal("Assign a conversation")
	})
}

// TestAssignModalLate: the note isn't lost when somebody else was faster, and goes out with the answer to the question.
func TestAssignModalLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Grace", "Call her", func() { w.has("chat_1", "mem_joan") })
	late := w.ada.ExpectPrivate(w.support, "Joan has had it", "Assign anyway")
	w.support.ExpectUpdate(card, "@joan")
	w.wrote()
	w.acknowledged(w.ada.Press(late, "Assign anyway"))
	w.support.ExpectUpdate(card, "@grace")
	w.ada.ExpectPrivate(w.support, "Grace has it", "Back to Joan")
	w.grace.ExpectDM("assigned it to you")
	w.grace.ExpectDM("a note from @ada", "Call her")
	w.joan.ExpectDM("You don't have this conversation any more")
	w.joan.ExpectDM("@ada changed its assignee")
	w.wrote("chat_1 mem_grace")
}

func TestAssignModalForRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "", some)
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Grace"}))
	if got := w.ada.Modal(); got == nil || !strings.Contains(got.Errors["who"], "Your role in Invent") {
		t.Errorf("the modal says %+v", got)
	}
	w.acknowledged(w.ada.Submits(modal, map[string]any{"who_pick": "Me"}))
	w.support.ExpectUpdate(card, "@ada")
	w.wrote("chat_1 mem_ada")
}

func TestUndo(t *testing.T) {
	t.Parallel()
	taken := func(t *testing.T, clock *clock) (*world, *slacktest.Message, *slacktest.Message) {
		t.Helper()
		w, store := newWorld(t, slacktest.Now(clock.now)), ownStore(t)
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		w.has("chat_1", "mem_grace")
		card := w.shared("chat_1", "@grace")
		w.acknowledged(w.ada.Press(card, "Take over"))
		w.support.ExpectUpdate(card, "@ada")
		w.grace.ExpectDM("You don't have this conversation any more")
		w.grace.ExpectDM("@ada changed its assignee")
		word := w.ada.ExpectPrivate(w.support, "it is yours", "It was Grace's before", "Back to Grace")
		emptied(t, store) // nothing takes longer, whatever the clock says next
		return w, card, word
	}
	t.Run("gives it back, and tells both", func(t *testing.T) {
		t.Parallel()
		w, card, word := taken(t, newClock())
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.support.ExpectUpdate(card, "@grace")
		done := w.ada.ExpectPrivate(w.support, "Grace has it")
		if done.Button("Back to me") != nil {
			t.Error("an undo can be undone")
		}
		w.grace.ExpectDM("@ada assigned this conversation to you")
		w.slack.IgnoreLeftovers() // her card, redrawn
		w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
	})
	t.Run("changes nothing when somebody else has it by now", func(t *testing.T) {
		t.Parallel()
		w, card, word := taken(t, newClock())
		w.has("chat_1", "mem_joan")
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.ada.ExpectPrivate(w.support, "Joan has had it", "Nothing changed")
		w.support.ExpectUpdate(card, "@joan")
		w.slack.IgnoreLeftovers() // Grace's card, redrawn
		w.wrote("chat_1 mem_ada")
	})
	t.Run("is over after five minutes", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		w, _, word := taken(t, clock)
		clock.pass(5*time.Minute + 2*time.Second)
		w.acknowledged(w.ada.Press(word, "Back to Grace"))
		w.ada.ExpectPrivate(w.support, "only be undone within five minutes", "Nothing changed")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("returns to nobody", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.invent.AssignedUserIDs(true)
		w.serve()
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
		card := w.support.ExpectMessage("@grace")
		w.grace.ExpectDM("assigned it to you")
		word := w.ada.ExpectPrivate(w.support, "It was nobody's before")
		w.acknowledged(w.ada.Press(word, "Back to nobody"))
		w.ada.ExpectPrivate(w.support, "nobody has it now")
		w.support.ExpectUpdate(card, "Nobody")
		w.grace.ExpectDM("@grace, you don't have this conversation any more: @ada changed its assignee")
		if n := len(w.slack.Messages(w.support.ID, w.joan.ID)); n != 1 {
			t.Errorf("%d messages stand in the channel, want the card alone", n)
		}
		w.slack.IgnoreLeftovers() // her card, redrawn
		w.wrote("chat_1 mem_grace", "chat_1 -")
	})
	t.Run("isn't offered for what concerns nobody else", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.serve()
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		card := w.support.ExpectMessage("@ada")
		w.acknowledged(w.ada.Press(card, "Release"))
		w.support.ExpectUpdate(card, "Nobody") // and nothing is left over
	})
}

// TestToldOnce: one message for each conversation, redrawn; below it what happens again.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 @grace"))
	w.support.ExpectMessage("@grace")
	w.ada.ExpectPrivate(w.support, "Back to nobody")
	mine := w.grace.ExpectDM("@ada assigned it to you", "Jane Doe")
	w.acknowledged(w.grace.Press(mine, "Release"))
	w.grace.DM().ExpectUpdate(mine, "You don't have this conversation any more.", "Nobody")
	w.acknowledged(w.joan.Types(w.support, "/invent assign chat_1 @grace"))
	w.grace.DM().ExpectUpdate(mine, "@joan assigned it to you")
	below := w.grace.ExpectDM("@joan assigned this conversation to you")
	if below.ThreadTS != mine.TS {
		t.Error("what happens again doesn't stand below the card")
	}
	w.slack.IgnoreLeftovers() // the channel's cards, and Joan's undo
	w.wrote("chat_1 mem_grace", "chat_1 -", "chat_1 mem_grace")
}

// TestOptionsForMembersOnly: who is no member any more is offered nobody, as soon as the lists in memory say so.
func TestOptionsForMembersOnly(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_1")) // her link is known
	w.grace.ExpectPrivate(w.support, "Nobody")
	w.invent.SetMember("mem_grace", func(m *invent.Member) { m.Status = "INACTIVE" })
	w.rest()
	clock.pass(20 * time.Hour)
	w.acknowledged(w.ada.Press(card, "Assign…")) // which has the lists renewed
	modal := w.ada.ExpectModal("Assign a conversation")
	w.offered(w.ada, modal, "", func(all []slacktest.Choice) bool { return len(all) == 3 }) // Ada, Joan, Nobody
	w.until("she is offered nobody", func() bool {
		all, _ := w.grace.Options(modal, "who_pick", "")
		return len(all) == 0
	})
	w.slack.IgnoreLeftovers()
}

// TestModalForMembersOnly: no modal opens for whom the bot would refuse, though a member has their e-mail.
func TestModalForMembersOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.AddMember(zoe)
	w.invent.AddMember(member("x"))
	x := w.slack.AddUser(slacktest.User{ID: "UX", Name: "x", Email: "x@example.com", Guest: true})
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.everybodyKnown(card)
	w.acknowledged(x.Press(card, "Assign…"))
	x.ExpectPrivate(w.support, "guest")
	if x.Modal() != nil {
		t.Error("a modal is open for a guest")
	}
}

// TestModalOfAnUnknownTeam: whose workspace isn't served is told so.
func TestModalOfAnUnknownTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.serve(func(c *bot.Config) {
		c.Teams = func(context.Context, string, string) (*bot.Team, error) { return nil, bot.ErrUnknownTeam }
	})
	w.acknowledged(w.ada.Press(card, "Assign…"))
	w.ada.ExpectPrivate(w.support, "from another organisation")
}

// TestOfferedWithoutEmails: where Slack shows no e-mails, nobody is said to be missing there.
func TestOfferedWithoutEmails(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.slack.SetScopes(slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "users:read.email" })...)
	w.linkedByHand(store, w.ada, "mem_ada")
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	w.acknowledged(w.ada.Press(card, "Assign…"))
	all := w.offered(w.ada, w.ada.ExpectModal("Assign a conversation"), "grace", some)
	if diff := cmp.Diff([]string{"Grace"}, names(all)); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
}

// TestOpenRefused: why no window opened is told as it is.
func TestOpenRefused(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"expired_trigger_id", "three seconds"}, {"invalid_trigger_id", "three seconds"}, {"trigger_expired", "three seconds"},
		{"token_revoked", "Slack refuses this app's token"}, {"account_inactive", "Slack refuses this app's token"},
		{"token_expired", "Slack refuses this app's token"}, {"not_authed", "Slack refuses this app's token"}, {"invalid_arguments", "run `inventbot doctor`"},
	} {
		code, says := c[0], c[1]
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			card := w.shared("chat_1", "Nobody")
			w.slack.Fault(slacktest.Fault{Method: "views.open", Error: code})
			w.acknowledged(w.ada.Press(card, "Assign…"))
			w.ada.ExpectPrivate(w.support, says)
		})
	}
}
