package bot_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first sequence of TestChaos")
	seeds     = flag.Uint64("seeds", 6, "how many sequences TestChaos tries")
)

// TestChaos lets people, the dashboard and troubles act at random on two processes with one queue, and wants the same as each single
// test once all is quiet: each request done once or its person told, nothing both, every card true, the history whole, Redis empty.
// A seed makes the same choices each time; among what they are made depends on the moment.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newChaos(t, seed)
			for range 100 {
				c.acts[c.rnd.IntN(len(c.acts))]()
			}
			c.calms()
			c.judges()
		})
	}
}

// chaos is a world in which anything may happen.
type chaos struct {
	*world
	node  *node
	store *cache.Cache
	rnd   *rand.Rand
	bots  []string
	acts  []func()
	undo  []func()
	asked []*plea

	elsewhereAt map[string]time.Time // when each conversation was changed in the dashboard last

	mu    sync.Mutex
	reads []read // of the conversations, by jobs that change them
}

// plea is what somebody asked for.
type plea struct {
	*slacktest.Ack
	what string
	sent time.Time
}

func (p plea) ref() string {
	sum := sha256.Sum256([]byte(p.TriggerID))
	return hex.EncodeToString(sum[:4])
}

// read is a moment from which on what is written to a conversation is the job's.
type read struct {
	job, chat string
	writes    int // so far
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{node: newNode(t), world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // to be repeated
	c.chat("chat_2")
	c.slack.IgnoreLeftovers()
	c.steps = func(step string, j cache.Job) {
		var w struct {
			Intent struct{ Verb, Chat string }
		}
		if _ = json.Unmarshal(j.Body, &w); step == "the conversation is read" && w.Intent.Verb != "show" && w.Intent.Verb != "refresh" && w.Intent.Verb != "share" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.reads = append(c.reads, read{j.ID, w.Intent.Chat, len(c.writesOf(w.Intent.Chat))})
		}
	}
	for range 2 {
		c.store = c.node.open()
		store := c.store
		address, _ := c.serve(func(config *bot.Config) { config.Cache = store })
		c.bots = append(c.bots, address)
	}
	c.listed()
	c.elsewhereAt = map[string]time.Time{}
	c.acts = []func(){
		c.types, c.types, c.types, c.clicks, c.clicks, c.clicks, c.repeats, c.elsewhere, c.elsewhere, c.harms, func() { emptied(t, c.store) },
	}
	return c
}

func one[T any](c *chaos, all ...T) T { return all[c.rnd.IntN(len(all))] }

func (c *chaos) person() *slacktest.Person { return one(c, c.ada, c.grace, c.joan) }

func (c *chaos) writesOf(chat string) []inventtest.Write {
	return slices.DeleteFunc(c.invent.Writes(), func(w inventtest.Write) bool { return w.Chat != chat })
}

func (c *chaos) asks(what string, do func() *slacktest.Ack) {
	c.slack.SetBot(one(c, c.bots...))
	sent := time.Now()
	c.asked = append(c.asked, &plea{c.acknowledged(do()), what, sent})
}

func (c *chaos) types() {
	ch := c.slack.AddChannel(slacktest.Channel{BotIsMember: true})
	p, line := c.person(), one(c, "take %s", "take %s", "release %s", "assign %s @grace", "assign %s @joan", "show %s")
	line = "/invent " + fmt.Sprintf(line, one(c, "chat_1", "chat_2"))
	c.asks(p.Name+" types "+line, func() *slacktest.Ack { return p.Types(ch, line) })
}

// clicks lets somebody press any of the buttons that they see, but those that open a window.
func (c *chaos) clicks() {
	p := c.person()
	var all []*slacktest.Button
	for _, ch := range c.slack.Channels() {
		for _, m := range c.slack.Messages(ch.ID, p.ID) {
			all = append(all, slices.DeleteFunc(m.Buttons(), func(b *slacktest.Button) bool { return b.URL != "" || b.ActionID == "choose" })...)
		}
	}
	if len(all) > 0 {
		b := one(c, all...)
		c.asks(p.Name+" clicks "+b.Label+" "+b.Value, func() *slacktest.Ack { return p.Clicks(b) })
	}
}

// repeats sends a request once more, to any of the processes.
func (c *chaos) repeats() {
	if len(c.asked) > 0 {
		c.slack.SetBot(one(c, c.bots...))
		c.acknowledged(one(c, c.asked...).Again())
	}
}

// elsewhere changes a conversation in the dashboard.
func (c *chaos) elsewhere() {
	change := one(c,
		func(x *inventtest.Chat) { x.AssigneeID = "mem_ada" }, func(x *inventtest.Chat) { x.AssigneeID = "mem_joan" },
		func(x *inventtest.Chat) { x.AssigneeID = "" }, func(x *inventtest.Chat) { x.AIEnabled = !x.AIEnabled },
		func(x *inventtest.Chat) { x.State = one(c, invent.Open, invent.Closed) })
	chat := one(c, "chat_1", "chat_2")
	c.invent.SetChat(chat, change)
	c.elsewhereAt[chat] = time.Now()
}

// harms lets something go wrong once.
func (c *chaos) harms() {
	one(c,
		func() {
			c.undo = append(c.undo, c.invent.Fault(one(c,
				inventtest.Fault{Method: "PATCH", AfterWrite: true, Status: 500, Times: 1}, inventtest.Fault{Method: "PATCH", AfterWrite: true, Cut: true, Times: 1},
				inventtest.Fault{Method: "PATCH", Status: 500, Times: 1}, inventtest.Fault{Path: "/chats/", Status: 502, HTML: true, Times: 2},
				inventtest.Fault{Method: "PATCH", AfterWrite: true, Hang: true, Times: 1}, inventtest.Fault{Path: "/chats/", Delay: 100 * time.Millisecond, Times: 3})))
		},
		func() {
			c.undo = append(c.undo, c.slack.Fault(slacktest.Fault{
				Method: one(c, "chat.postMessage", "chat.update", "chat.postEphemeral", "response_url", "users.info"), Status: 500, Times: 1 + c.rnd.IntN(2),
			}))
		},
		func() {
			c.undo = append(c.undo, c.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url", Times: 1}))
		},
		func() { c.node.do("client", "kill", "type", "normal", "skipme", "yes") },
	)()
}

// calms ends the troubles, and waits until all is done.
func (c *chaos) calms() {
	c.t.Helper()
	for _, f := range c.undo {
		f()
	}
	emptied(c.t, c.store)
	var untrue []string
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	newClock().passUntil(ctx, 0, func() bool { untrue = c.untrue(); return len(untrue) == 0 })
	for _, card := range untrue {
		c.t.Errorf("a card isn't true: %s", card)
	}
	emptied(c.t, c.store)
}

var chatOf = regexp.MustCompile(`"chat":"([^"]+)"`)

// untrue lists the cards that don't show what is so.
func (c *chaos) untrue() (all []string) {
	for _, ch := range c.slack.Channels() {
		for _, m := range c.slack.Messages(ch.ID, "") {
			refresh := m.Button("Refresh")
			if m.Ephemeral != "" || refresh == nil || m.Button("Share here") != nil {
				continue
			}
			chat, _ := c.invent.Chat(chatOf.FindStringSubmatch(refresh.Value)[1])
			has := map[string]string{"": "Nobody"}[chat.AssigneeID]
			if name, member := strings.CutPrefix(chat.AssigneeID, "mem_"); member {
				has = "@" + name
			}
			state := map[invent.State]string{invent.Open: "Open", invent.Closed: "Resolved"}[chat.State] + map[bool]string{true: ", AI on", false: ", AI off"}[chat.AIEnabled]
			if s := m.Shows(); !strings.Contains(s, "*Assignee*\n"+has) || !strings.Contains(s, state) {
				all = append(all, fmt.Sprintf("in %s, with %s and %s: %q", ch.Name, has, state, s))
			}
		}
	}
	return all
}

// judges compares what became of each request with what was written to Invent, and with what is left.
func (c *chaos) judges() {
	c.t.Helper()
	outcomes, alone := map[string][]string{}, map[string]bool{}
	for l := range strings.Lines(c.log.String()) {
		var line struct{ Msg, Ref, Outcome string }
		if json.Unmarshal([]byte(l), &line) != nil {
			continue
		}
		switch {
		case line.Msg == "action":
			outcomes[line.Ref] = append(outcomes[line.Ref], line.Outcome)
		case strings.Contains(line.Msg, "in this process alone"): // of a repeat the other process knows nothing then
			alone[line.Ref] = true
		}
	}
	wrote, where, writes := map[string]int{}, map[string]string{}, 0
	for _, chat := range []string{"chat_1", "chat_2"} {
		for n := range c.writesOf(chat) {
			writes++
			for _, r := range slices.Backward(c.reads) {
				if r.chat == chat && r.writes <= n {
					wrote[r.job]++
					where[r.job] = chat
					break
				}
			}
		}
	}
	deeds := map[string]int{}
	for _, chat := range []string{"chat_1", "chat_2"} {
		list, err := c.store.Deeds(c.t.Context(), c.slack.TeamID(), chat)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, d := range list {
			deeds[d.Job]++
		}
	}
	for _, p := range c.asked {
		got, n := outcomes[p.ref()], wrote[p.TriggerID]
		unsettled := slices.Contains(got, "unsettled")
		done := slices.Contains(got, "changed")
		switch {
		case alone[p.ref()] && len(got) > 0:
		case len(got) != 1:
			c.t.Errorf("%s: %d outcomes, %q", p.what, len(got), got)
		case n > 1 && c.elsewhereAt[where[p.TriggerID]].Before(p.sent):
			c.t.Errorf("%s: it was written %d times", p.what, n)
		case n > 0 && !done && !unsettled:
			c.t.Errorf("%s: it was done, and told that it is %q", p.what, got)
		case done && deeds[p.TriggerID] != 1:
			c.t.Errorf("%s: it was done and is in the history %d times", p.what, deeds[p.TriggerID])
		}
	}
	for _, key := range c.node.client.Keys(c.t.Context(), "*").Val() {
		kept := slices.ContainsFunc([]string{":ready", ":links", ":quiet", ":greeted"}, func(end string) bool { return strings.HasSuffix(key, end) })
		if life := c.node.client.TTL(c.t.Context(), key).Val(); life < 0 && !kept {
			c.t.Errorf("%s is left in Redis, without a lifetime", key)
		}
	}
	c.t.Logf("%d requests, %d writes, %d deeds", len(c.asked), writes, len(deeds))
}
