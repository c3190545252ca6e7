package bot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
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

// wrapped makes the bot talk to Invent through something.
func (w *world) wrapped(wrap func(http.RoundTripper) http.RoundTripper) func(*bot.Config) {
	return func(c *bot.Config) {
		team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()),
			invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Timeout: 2 * time.Second, Wrap: wrap}))
		c.Teams, c.Probe = team.Only, team
	}
}

// rewrite changes what Invent has answered.
func rewrite(resp *http.Response, change func([]byte) []byte) {
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	text = change(text)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
}

// unresolvedOnly is an inbox that doesn't list resolved conversations.
func unresolvedOnly(next http.RoundTripper) http.RoundTripper {
	return through(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/inbox") {
			return resp, err
		}
		rewrite(resp, func(text []byte) []byte {
			var rows []map[string]any
			_ = json.Unmarshal(text, &rows)
			left := []map[string]any{}
			for _, row := range rows {
				if row["state"].(map[string]any)["state"] != "CLOSED" {
					left = append(left, row)
				}
			}
			text, _ = json.Marshal(left)
			return text
		})
		return resp, nil
	})
}

// TestResolvedAndBack: what was resolved while it waited and is opened again by the customer is announced again, also where the inbox doesn't
// list what is resolved.
func TestResolvedAndBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive, w.wrapped(unresolvedOnly))
	w.asks("chat_1")
	card := w.support.ExpectMessage("Jane Doe", "Nobody", "for a human since", "Take")
	w.ended("announce", "chat_1", "changed")
	w.acknowledged(w.ada.Press(card, "Resolve"))
	w.support.ExpectUpdate(card, "Resolved")
	w.listedAgain(clock)
	clock.pass(24 * time.Hour)
	w.listedAgain(clock)
	w.asks("chat_1") // the customer's reply opens it again
	again := w.support.ExpectMessage("Jane Doe", "for a human since")
	if again.ThreadTS != card.TS {
		t.Error("not in the thread")
	}
	w.slack.IgnoreLeftovers()
}

// TestStateAnswerWithoutAssignee: the assignee is optional in the answer to a change of the state, too.
func TestStateAnswerWithoutAssignee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.has("chat_1", "mem_grace")
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox")
	w.serve()
	w.until("the contract is read", func() bool { return strings.Contains(w.log.String(), "doesn't offer a route") })
	card := w.shared("chat_1", "@grace")
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Path: "/state$", Times: 1, AfterWrite: true, Body: []byte(
		`{"id":"chat_1","title":"","org_id":"org_1","members":[],"status":"COMPLETED","state":{"id":"s","conversation_id":"c","state":"CLOSED","integration_id":"whatsapp_bot","assistant_id":null,"assistant_integration_id":null,"ai_enabled":false,"admin_unseen_count":0,"user_unseen_count":0}}`)})
	w.acknowledged(w.ada.Press(card, "Resolve"))
	if m := w.support.ExpectUpdate(card, "Resolved"); strings.Contains(m.Text, "Nobody") {
		t.Errorf("Grace has it, and the card says: %s", m.Text)
	}
	w.grace.ExpectDM("This conversation is yours", "Resolved")
	w.grace.ExpectDM("@ada resolved this conversation")
}

// TestFeedTroubleOfAFormerLeader: /readyz speaks of the feed's trouble as long as this process follows the inbox.
func TestFeedTroubleOfAFormerLeader(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	w := newWorld(t)
	address, _ := w.serve(func(c *bot.Config) { c.Cache = n.open() })
	w.listed()
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Status: 502})
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Unseen++ })
	w.until("it can't be listed", func() bool { return strings.Contains(get(t, address+"/readyz"), "can't be listed") })
	key := "inventbot:{" + w.slack.TeamID() + "}:leader"
	if err := n.client.Set(t.Context(), key, "another", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	w.until("it leads no more", func() bool { return w.invent.Sockets() == 0 })
	w.until("readyz says nothing of the feed", func() bool { return !strings.Contains(get(t, address+"/readyz"), "can't be listed") })
}

// TestInboxWithoutPages: an API that knows no pages, or sends the same one for ever, is not asked a hundred times for each listing.
func TestInboxWithoutPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 99 {
		w.invent.AddChat(inventtest.Chat{ID: fmt.Sprintf("chat_x%d", i), State: invent.Open, AIEnabled: true, Channel: "email"})
	}
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.serve(w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/inbox") {
				q := r.URL.Query()
				q.Set("page", "1")
				r = r.Clone(r.Context())
				r.URL.RawQuery = q.Encode()
			}
			resp, err := next.RoundTrip(r)
			if err == nil {
				resp.Header.Del("Pagination-Count")
				resp.Header.Del("Pagination-Take")
			}
			return resp, err
		})
	}))
	w.listed()
	if got := w.count("/inbox"); got > 10 {
		t.Errorf("one listing of 100 conversations took %d calls", got)
	}
}

// TestInboxWithoutEnd: of an inbox with more pages, and more on each, than there can be no more is listed than the bot keeps.
func TestInboxWithoutEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var more atomic.Int32
	w.serve(w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && strings.HasSuffix(r.URL.Path, "/inbox") {
				page := r.URL.Query().Get("page")
				if page != "1" {
					more.Add(1)
				}
				var rows []string
				for n := range 10_000 {
					rows = append(rows, fmt.Sprintf(`{"id":"chat_%s_%d","state":{"id":"s","state":"OPEN","ai_enabled":true}}`, page, n))
				}
				_ = resp.Body.Close()
				resp.Body = io.NopCloser(strings.NewReader("[" + strings.Join(rows, ",") + "]"))
				resp.Header.Set("Pagination-Count", "1000000")
			}
			return resp, err
		})
	}))
	w.listed()
	if got := more.Load(); got > 0 {
		t.Errorf("%d more pages were asked for", got)
	}
}

// TestNoticedAgainWithoutADate: who gets a conversation back is told, within an hour, by an API that says no assigned_at.
func TestNoticedAgainWithoutADate(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive, w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet || strings.Contains(r.URL.Path, "/ws") {
				return resp, err
			}
			rewrite(resp, func(text []byte) []byte {
				return bytes.ReplaceAll(text, []byte(`"assigned_at"`), []byte(`"assigned_at_x"`))
			})
			return resp, nil
		})
	}))
	set := func(who string) {
		w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled, c.AssigneeID = false, who })
	}
	set("mem_ada")
	hers := w.ada.ExpectDM("This conversation is yours")
	w.listedAgain(clock)
	set("mem_grace")
	w.grace.ExpectDM("This conversation is yours")
	w.ada.DM().ExpectUpdate(hers, "You don't have")
	w.listedAgain(clock)
	set("mem_ada")
	w.ada.ExpectDM("this conversation is yours now")
	w.slack.IgnoreLeftovers()
}

// TestReminderWithoutItsCard: a reminder whose card was deleted stands in the channel itself, and names its conversation.
func TestReminderWithoutItsCard(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive, func(c *bot.Config) { c.WaitReminder = 15 * time.Minute })
	card := w.announced()
	card.Delete()
	clock.pass(16 * time.Minute)
	m := w.support.ExpectMessage("has been waiting for a human since")
	if m.ThreadTS == "" && !strings.Contains(m.Text, "chat_1") {
		t.Errorf("in the channel, of nobody knows which: %q", m.Text)
	}
}

// TestLockedThread: one thread that takes nothing more is no trouble of its channel: the conversation has another from then on.
func TestLockedThread(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.chat("chat_2")
	w.invent.SetChat("chat_2", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.announcing(clock.drive)
	card := w.announced()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.support.ExpectUpdate(card, "AI on")
	w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Times: 1, Error: "restricted_action_thread_locked"})
	w.asks("chat_1")
	w.until("it was tried", func() bool {
		return w.outcomes("announce", "restricted_action_thread_locked")+w.outcomes("announce", "changed") > 1
	})
	other := w.support.ExpectMessage("chat_1", "for a human since")
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.support.ExpectUpdate(other, "AI on")
	w.asks("chat_1")
	if again := w.support.ExpectMessage("chat_1", "for a human since"); other.ThreadTS != "" || again.ThreadTS != other.TS {
		t.Errorf("announced in the thread %q and then in %q, want in none and then in that of %q", other.ThreadTS, again.ThreadTS, other.TS)
	}
	w.asks("chat_2")
	w.support.ExpectMessage("chat_2")
	w.slack.IgnoreLeftovers()
}

// TestThreadAfterTrouble: once the app is back in a channel, a conversation that waits again is announced in its card's thread, as ever.
func TestThreadAfterTrouble(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.announcing(clock.drive)
	card := w.announced()
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.support.ExpectUpdate(card, "AI on")
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Error: "not_in_channel"})
	w.asks("chat_1")
	w.ended("announce", "chat_1", "not_in_channel")
	undo()
	clock.pass(11 * time.Minute)
	if again := w.support.ExpectMessage("chat_1"); again.ThreadTS != card.TS {
		t.Errorf("announced anew in the thread %q, want %q", again.ThreadTS, card.TS)
	}
	w.slack.IgnoreLeftovers() // the older card
}

// TestCardTakenInADirectMessage: a card in somebody's direct messages tells nothing new to who may not read conversations any
// more, whoever put it there.
func TestCardTakenInADirectMessage(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.grace.Types(w.grace.DM(), "/invent take chat_1"))
	hers := w.grace.DM().ExpectMessage("Jane Doe")
	emptied(t, store)
	w.slack.SetUser("UGRACE", func(u *slacktest.User) { u.Guest = true })
	clock.pass(3 * time.Hour)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.Customer, c.Unseen = "Mary New-Name", 77 })
	w.acknowledged(w.joan.Types(w.support, "/invent release chat_1"))
	late := w.joan.ExpectPrivate(w.support, "Grace has had it")
	w.acknowledged(w.joan.Press(late, "Take over"))
	w.joan.ExpectPrivate(w.support, "Done")
	emptied(t, store)
	w.hidden(hers, "Mary")
	w.slack.IgnoreLeftovers()
}

// TestResolvedTwice: a conversation that may have been resolved isn't resolved once more when the customer has written since, and so
// opened it again; nor is it said to have been.
func TestResolvedTwice(t *testing.T) {
	t.Parallel()
	w, clock := repliedTo(t, true, "Resolve")
	clock.pass(10 * time.Second)
	w.ada.ExpectPrivate(w.support, "couldn't find out whether the change was made")
	if c, _ := w.invent.Chat("chat_1"); c.State != invent.Open || len(w.invent.Writes()) != 1 {
		t.Errorf("the customer's reply lies in a conversation that is %s, after %d writes", c.State, len(w.invent.Writes()))
	}
}

// TestPausedWhileTheCustomerWrites: what a customer's words can't have undone is done, though Invent's first answer was none.
func TestPausedWhileTheCustomerWrites(t *testing.T) {
	t.Parallel()
	w, clock := repliedTo(t, false, "Pause AI")
	clock.pass(10 * time.Second)
	w.until("the AI is paused", func() bool {
		c, _ := w.invent.Chat("chat_1")
		return !c.AIEnabled
	})
	w.until("it has ended", func() bool { return w.outcomes("pause_ai", "changed") == 1 })
}

// repliedTo presses a button to whose change Invent answers 502, made or not, and lets the customer write before it is tried again: once the
// clock goes on.
func repliedTo(t *testing.T, made bool, label string) (*world, *clock) {
	t.Helper()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	w.serve(clock.drive)
	w.listed()
	card := w.shared("chat_1", "Open, AI on", label)
	clock.stop()
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Path: "/state$", Times: 1, AfterWrite: made, Status: 502})
	w.acknowledged(w.ada.Press(card, label))
	w.until("its answer is none", func() bool {
		return slices.ContainsFunc(w.about("chat_1"), func(r inventtest.Request) bool { return r.Status == 502 })
	})
	w.rest() // it waits for another try
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) {
		c.State, c.LastContactMessageAt, c.Unseen = invent.Open, clock.now().Add(time.Second), 4
	})
	t.Cleanup(w.slack.IgnoreLeftovers) // the feed may redraw the card
	return w, clock
}

// TestLongPrompts: an inbox can be listed though a long prompt stands in each conversation of a page.
func TestLongPrompts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 99 {
		w.invent.AddChat(inventtest.Chat{State: invent.Open, AIEnabled: true, Channel: "email"})
	}
	prompt := bytes.Repeat([]byte("Be kind. "), 5000) // 45 kB
	w.serve(w.wrapped(func(next http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || !strings.HasSuffix(r.URL.Path, "/inbox") {
				return resp, err
			}
			rewrite(resp, func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(inventtest.SecretPrompt), prompt) })
			return resp, nil
		})
	}))
	w.listed()
}

// TestUndoAfterResolve: what was done with the conversation beside assigning it takes nothing from the offer to give it back.
func TestUndoAfterResolve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.has("chat_1", "mem_grace")
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	w.listed()
	card := w.shared("chat_1", "@grace")
	w.acknowledged(w.joan.Press(card, "Take over"))
	card = w.support.ExpectUpdate(card, "@joan")
	offer := w.joan.ExpectPrivate(w.support, "It was Grace's before", "Back to Grace")
	w.acknowledged(w.joan.Press(card, "Resolve"))
	w.support.ExpectUpdate(card, "Resolved")
	w.acknowledged(w.joan.Press(offer, "Back to Grace"))
	w.until("it is answered", func() bool { return strings.Contains(w.log.String(), `"verb":"undo"`) })
	if got := w.invent.Assignee("chat_1"); got != "mem_grace" {
		t.Errorf("%s has it, want mem_grace", got)
	}
	w.slack.IgnoreLeftovers()
}

// TestForgottenTogether: what is known of a conversation's announcement is forgotten together with how often it waited: else its next
// waiting is taken for announced.
func TestForgottenTogether(t *testing.T) {
	t.Parallel()
	now := time.Now()
	day := 24 * time.Hour
	name := cache.NoticeName("chat_1", "CSUPPORT")
	got := bot.Forgotten(map[string]cache.Handoff{"chat_1": {Waiting: true, Episode: 1, Since: now.Add(-31 * day)}},
		map[string]cache.Notice{name: {Episode: 1, TS: "1.1", At: now.Add(-20 * day)}}, map[string]bool{}, now)
	if !slices.Contains(got, "chat_1") || !slices.Contains(got, name) {
		t.Errorf("forgotten: %q", got)
	}
}

// TestForgottenApart: what is back after weeks is announced, whatever was known of it.
func TestForgottenApart(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	store := ownStore(t)
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	team := w.slack.TeamID()
	if err := store.SetHandoffs(t.Context(), team, map[string]cache.Handoff{"chat_9": {Waiting: true, Episode: 1, Since: time.Now().Add(-31 * 24 * time.Hour)}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.SetNotice(t.Context(), team, "chat_9", w.support.ID, cache.Notice{Episode: 1, TS: "1.1", At: time.Now().Add(-20 * 24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
	w.listed()
	w.listedAgain(clock)
	w.chat("chat_9") // is back, and waits
	w.support.ExpectMessage("chat_9")
}

// TestChannelNamedLater: where nothing was announced before, what waits when a channel is named is one message.
func TestChannelNamedLater(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	_, stop := w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.listed()
	for i := range 3 { // a few a day, nobody is told
		for k := range 4 {
			w.chat(fmt.Sprintf("chat_%d_%d", i, k))
		}
		w.listedAgain(clock)
	}
	stop()
	w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
	w.until("it is announced", func() bool { return w.outcomes("announce", "changed") > 6 || w.outcomes("bundle", "changed") > 1 })
	if n := w.outcomes("announce", "changed"); n > 5 {
		t.Errorf("%d cards one after the other", n)
	}
	w.slack.IgnoreLeftovers()
}

// TestOrderedBeforeTheLeadChanged: what is to be announced by a card of its own, and waits for Slack while the lead changes, isn't announced
// as one of many as well.
func TestOrderedBeforeTheLeadChanged(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), ownStore(t)
	w := newWorld(t, slacktest.Now(clock.now))
	w.slack.AllowComplaint("Retry-After") // of which the other process knows nothing
	follow := func() (stop func()) {
		_, stop = w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Handoffs = store, bot.ToChannels([]string{w.support.ID}) })
		return stop
	}
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	stop := follow()
	w.listed()
	undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 429, RetryAfter: 600})
	for n, want := range []int{4, 8} {
		for i := range 4 {
			w.chat(fmt.Sprintf("chat_%d_%d", n, i))
		}
		eventually(t, "they are to be announced", func(ctx context.Context) bool {
			d, err := store.Depth(ctx)
			return err == nil && d.Waiting == want
		})
		clock.pass(11 * time.Second)
	}
	stop()
	undo()
	follow()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, time.Minute, func() bool {
		d, err := store.Depth(ctx)
		return err == nil && d == cache.Depth{} && w.outcomes("bundle", "changed") > 0
	})
	w.support.ExpectMessage("8 conversations are waiting for a human") // left-over messages fail the test
}

// TestListOrder: in a list who has written longest ago comes first, and of whom that isn't known last.
func TestListOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chats := map[string]time.Duration{"chat_c": 3 * time.Minute, "chat_a": 2 * time.Minute, "chat_1": time.Minute, "chat_0": 0, "chat_b": 0}
	for chat, ago := range chats {
		if chat != "chat_1" {
			w.chat(chat)
		}
		w.invent.SetChat(chat, func(c *inventtest.Chat) {
			if c.LastContactMessageAt = (time.Time{}); ago > 0 {
				c.LastContactMessageAt = time.Now().Add(-ago)
			}
		})
	}
	w.serve()
	w.listed()
	inOrder := func(command, heading string) {
		t.Helper()
		w.acknowledged(w.ada.Types(w.support, command))
		list := w.ada.ExpectPrivate(w.support, heading).Shows()
		got := slices.Compact(regexp.MustCompile("chat_[abc01]").FindAllString(list, -1))
		if want := []string{"chat_c", "chat_a", "chat_1", "chat_0", "chat_b"}; !slices.Equal(got, want) {
			t.Errorf("%s: they stand in the order %v, want %v", command, got, want)
		}
	}
	inOrder("/invent queue", "Waiting for a human: 5")
	for chat := range chats {
		w.has(chat, "mem_ada")
	}
	for range chats {
		w.ada.ExpectDM("This conversation is yours") // so it was listed
	}
	inOrder("/invent mine", "My conversations: 5")
}

// TestLeaver: what a member who isn't active any more still has stands below what waits, and on Home, with the buttons of a colleague's.
func TestLeaver(t *testing.T) {
	t.Parallel()
	for name, userIDs := range map[string]bool{"by the member's id": false, "by the user's id": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.invent.AssignedUserIDs(userIDs)
			w.invent.AddMember(invent.Member{ID: "mem_hedy", Name: "Hedy", Email: "hedy@example.com", Status: "INACTIVE"})
			for n := range 10 { // with chat_1 more than a page
				w.chat(fmt.Sprint("chat_waits_", n))
			}
			w.has(w.chat("chat_2"), "mem_hedy")
			w.has(w.chat("chat_3"), "mem_hedy")
			w.has(w.chat("chat_4"), "mem_hedy")
			w.has(w.chat("chat_over"), "mem_hedy")
			w.invent.SetChat("chat_over", func(c *inventtest.Chat) { c.State = invent.Closed })
			w.serve()
			w.listed()
			boss := w.boss()
			w.acknowledged(boss.Types(w.support, "/invent links"))
			boss.ExpectPrivate(w.support, "Hedy (`mem_hedy`): not active", "Conversations they still have: 3 (`/invent queue` shows them)")
			asked := w.count("/members")

			w.acknowledged(w.ada.Types(w.support, "/invent queue"))
			list := w.ada.ExpectPrivate(w.support, "Waiting for a human: 11", "page 1 of 2")
			if strings.Contains(list.Shows(), "aren't active") {
				t.Errorf("what waits doesn't come first: %s", list.Shows())
			}
			w.acknowledged(w.ada.Press(list, "Next"))
			list = w.ada.ExpectPrivate(w.support, "page 2 of 2", "Held by members who aren't active: 3", "Hedy has it, but isn't active in Invent", "chat_2", "chat_3")
			w.acknowledged(w.ada.Press(list, "Take over"))
			w.support.ExpectMessage("chat_2", "@ada")
			list = w.ada.ExpectPrivate(w.support, "Done: it is yours", "page 2 of 2", "Held by members who aren't active: 2", "chat_3")
			w.has("chat_3", "mem_grace")
			w.grace.ExpectDM("This conversation is yours")
			w.acknowledged(w.ada.Press(list, "Release")) // she saw Hedy there
			w.ada.ExpectPrivate(w.support, "Grace has had it", "Nothing changed")
			w.until("the list is drawn anew", func() bool { return strings.Contains(list.Now().Shows(), "Held by members who aren't active: 1") })

			w.acknowledged(w.joan.OpensHome())
			w.joan.ExpectDM("takes, hands over")
			home := w.joan.ExpectHome("Waiting for a human: 11 (page 1 of 2)", "Hedy: 1, not active in Invent", "@ada: 1")
			w.acknowledged(w.joan.Clicks(home.Button("Next")))
			home = w.joan.ExpectHome("Held by members who aren't active: 1", "chat_4")
			w.acknowledged(w.joan.Clicks(homeButton(t, home, "Release", "chat_4")))
			w.joan.ExpectHome("Waiting for a human: 12 (page 2 of 2)", "chat_4")
			w.wrote("chat_2 mem_ada", "chat_4 -")
			if n := w.count("/members") - asked; n != 0 {
				t.Errorf("the members were listed %d more times", n)
			}
			w.slack.IgnoreLeftovers() // notices
		})
	}
}

// TestLeaverOfAnother: what somebody who left has isn't everybody's to release, as nobody's is but one's own; and nothing is given back to
// them.
func TestLeaverOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.AddMember(invent.Member{ID: "mem_hedy", Name: "Hedy", Email: "hedy@example.com", Status: "INACTIVE"})
	w.has("chat_1", "mem_hedy")
	w.serve(func(c *bot.Config) { c.AssignOthers = []string{"MANAGER"} })
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	list := w.ada.ExpectPrivate(w.support, "Waiting for a human: 0", "Hedy has it")
	w.acknowledged(w.ada.Press(list, "Release"))
	w.ada.ExpectPrivate(w.support, "Your role in Invent doesn't allow you")
	w.acknowledged(w.ada.Press(list, "Take over"))
	w.support.ExpectMessage("@ada")
	w.ada.ExpectPrivate(w.support, "Done: it is yours", "No conversations are waiting for a human") // no offer to undo it: left-over messages fail the test
	w.wrote("chat_1 mem_ada")
}

// TestLeaverOfToday: who counts as active for what is left of an hour has their own conversations as ever; colleagues see that they left.
func TestLeaverOfToday(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.boss()
	w.has("chat_1", "mem_ada")
	w.serve()
	w.listed()
	w.acknowledged(w.ada.Types(w.support, "/invent mine"))
	w.ada.ExpectPrivate(w.support, "My conversations: 1")
	w.invent.SetMember("mem_ada", func(m *invent.Member) { m.Status = "INACTIVE" })
	w.acknowledged(boss.Types(w.support, "/invent links")) // lists the members anew
	boss.ExpectPrivate(w.support, "Ada (`mem_ada`): not active", "Conversations they still have: 1")
	w.acknowledged(w.ada.Types(w.support, "/invent mine"))
	if list := w.ada.ExpectPrivate(w.support, "My conversations: 1"); strings.Contains(list.Shows(), "active") {
		t.Errorf("her own list says: %s", list.Shows())
	}
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	w.ada.ExpectPrivate(w.support, "No conversations are waiting for a human")
	w.acknowledged(w.grace.Types(w.support, "/invent queue"))
	w.grace.ExpectPrivate(w.support, "Held by members who aren't active: 1", "Ada has it")
}

// TestNoLeaver: only who is among the members, and not active, has left.
func TestNoLeaver(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]string{
		"not in the list": ``,
		"active":          `{"id":"mem_hedy","name":"Hedy","email":"hedy@example.com","status":"ACTIVE"}`,
		"invited again under the same e-mail": `{"id":"mem_hedy","name":"Hedy","email":"hedy@example.com","status":"INACTIVE"},` +
			`{"id":"mem_hedy_2","name":"Hedy","email":"Hedy@example.com","status":"ACTIVE"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.invent.AddMember(invent.Member{ID: "mem_hedy", Name: "Hedy", Email: "hedy@example.com", Status: "INACTIVE"})
			w.has(w.chat("chat_2"), "mem_hedy")
			w.serve(w.wrapped(func(next http.RoundTripper) http.RoundTripper {
				return through(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil && strings.HasSuffix(r.URL.Path, "/members") {
						rewrite(resp, func([]byte) []byte {
							return []byte("[" + strings.TrimSuffix(`{"id":"mem_ada","name":"Ada","email":"ada@example.com","status":"ACTIVE"},`+others, ",") + "]")
						})
					}
					return resp, err
				})
			}))
			w.listed()
			w.acknowledged(w.ada.Types(w.support, "/invent queue"))
			list := w.ada.ExpectPrivate(w.support, "Waiting for a human: 1", "chat_1")
			w.acknowledged(w.ada.OpensHome())
			w.ada.ExpectDM("takes, hands over")
			home := w.ada.ExpectHome("Waiting for a human: 1", "Hedy: 1")
			for _, shows := range []string{list.Shows(), home.Shows()} {
				if strings.Contains(shows, "active in Invent") || strings.Contains(shows, "aren't active") {
					t.Errorf("somebody isn't active: %s", shows)
				}
			}
		})
	}
}
