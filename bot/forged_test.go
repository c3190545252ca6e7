package bot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent"
)

// forges sends a rightly signed click whose button was never drawn so.
func (w *world) forges(p *slacktest.Person, action, value string) {
	w.t.Helper()
	w.forgesAt(time.Now(), p, action, value)
}

// forgesAt is forges for a click at some time.
func (w *world) forgesAt(at time.Time, p *slacktest.Person, action, value string) {
	w.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "trigger_id": fmt.Sprintf("forged.%s.%d", action, time.Now().UnixNano()),
		"team": map[string]string{"id": w.slack.TeamID()}, "user": map[string]string{"id": p.ID}, "channel": map[string]string{"id": w.support.ID},
		"container": map[string]any{"message_ts": "1.2", "is_ephemeral": true, "channel_id": w.support.ID},
		"actions":   []map[string]string{{"action_id": action, "value": value, "action_ts": fmt.Sprintf("%d.1", at.Unix())}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.acknowledged(w.slack.Send("/slack/interactions", form, []byte(url.Values{"payload": {string(payload)}}.Encode())))
}

// TestUndoGivesBackOnly: whose role doesn't allow to assign to others can undo what was done, and nothing else.
func TestUndoGivesBackOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chat("chat_2")
	w.has("chat_1", "mem_grace")
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	const later = 99999999999
	w.forges(w.ada, "undo", fmt.Sprintf(`{"v":1,"chat":"chat_1","seen":"mem_grace","until":%d}`, later))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")

	card := w.shared("chat_1", "@grace")
	w.acknowledged(w.ada.Press(card, "Take over"))
	w.support.ExpectUpdate(card, "@ada")
	hers := w.grace.ExpectDM("You don't have")
	w.grace.ExpectDM("@ada changed its assignee")
	mine := w.ada.ExpectPrivate(w.support, "It was Grace's before")
	w.forges(w.ada, "undo", fmt.Sprintf(`{"v":1,"chat":"chat_1","seen":"mem_ada","to":{"m":"mem_joan"},"until":%d}`, later))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	const back = `{"v":1,"chat":"chat_1","seen":"mem_ada","to":{"m":"mem_grace"},"until":99999999999}`
	w.forges(w.joan, "undo", back) // it was Ada's deed
	w.joan.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.forgesAt(time.Now().Add(6*time.Minute), w.ada, "undo", back)
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow")
	w.acknowledged(w.ada.Press(mine, "Back to Grace"))
	w.support.ExpectUpdate(card, "@grace")
	w.grace.ExpectDM("@ada assigned this conversation to you")
	w.support.ExpectUpdate(mine, "Grace has it")
	w.grace.DM().ExpectUpdate(hers, "This conversation is yours")
	w.wrote("chat_1 mem_ada", "chat_1 mem_grace")
}

// TestNoteOfAnother: a note that waits for its sender's answer is nobody else's.
func TestNoteOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chat("chat_2")
	w.invent.AddMember(invent.Member{ID: "mem_zoe", Name: "Zoe", Email: "zoe@example.com"}) // not on Slack: a note for her goes back to its sender
	w.serve()
	card := w.shared("chat_1", "Nobody")
	w.assigns(card, "Joan", "Ada's words for Joan", func() { w.has("chat_1", "mem_grace") })
	late := w.ada.ExpectPrivate(w.support, "Grace has had it", "Assign anyway")
	w.support.ExpectUpdate(card, "@grace")
	var v struct{ Note string }
	if err := json.Unmarshal([]byte(late.Button("Assign anyway").Value), &v); err != nil || v.Note == "" {
		t.Fatalf("the button carries the note %q, %v", v.Note, err)
	}
	w.forges(w.grace, "assign", fmt.Sprintf(`{"v":1,"chat":"chat_2","seen":"","to":{"m":"mem_zoe"},"note":%q}`, v.Note))
	if m := w.grace.ExpectPrivate(w.support, "Your note is gone"); strings.Contains(m.Text, "Ada's words") {
		t.Errorf("Grace reads %q", m.Text)
	}
	w.slack.IgnoreLeftovers()
}

// TestLeaveTakesQuestionsAwayOnly: the button that takes a question away takes no card.
func TestLeaveTakesQuestionsAwayOnly(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	stranger := w.slack.AddUser(slacktest.User{ID: "UOUT", Name: "out", TeamID: "TOTHER", Email: "out@other.example"})
	card := w.shared("chat_1", "Nobody")
	leave := *card.Button("Take")
	leave.ActionID = "leave"
	w.acknowledged(stranger.Clicks(&leave))
	emptied(t, store)
	if card.Now().Deleted {
		t.Error("the card is gone")
	}
}

// TestTypedIsNotLogged: what somebody types in the place of an id stands in the log only when it is one.
func TestTypedIsNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slack.Escape = false
	w.serve()
	for _, typed := range []string{"Maria.Lopez@customer.example", "+491701234567"} {
		w.acknowledged(w.ada.Types(w.support, "/invent show "+typed))
		w.ada.ExpectPrivate(w.support, "has no conversation")
		if strings.Contains(w.log.String(), typed) {
			t.Errorf("%s stands in the log", typed)
		}
	}
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.ada.ExpectPrivate(w.support, "Jane Doe")
	w.until("the conversation stands in the log", func() bool { return strings.Contains(w.log.String(), `"verb":"show","chat":"chat_1"`) })
}
