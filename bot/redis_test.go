package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// TestFaultRaceOnTwoProcesses: 50 people click Take on one card at the same moment, and a balancer spreads them over two processes on
// one Redis. All saw nobody there, and Invent takes so long for the change that only what is in Redis keeps the others out.
//
// Not in parallel with others: it wants each answer of Redis's within 250 ms, without which a process works alone.
func TestFaultRaceOnTwoProcesses(t *testing.T) {
	n := newNode(t, "--appendfsync", "no")
	w := newWorld(t, slacktest.Patience(30*time.Second))
	replicas := []*child{startChild(t, w, n.url(), ""), startChild(t, w, n.url(), "")}

	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	private := w.ada.ExpectPrivate(w.support, "Nobody")
	w.acknowledged(w.ada.Press(private, "Share here"))
	card := w.support.ExpectMessage("Nobody")
	w.ada.ExpectPrivate(w.support, "Shared")

	people := make([]*slacktest.Person, 50)
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		w.invent.AddMember(member(name))
		people[i] = w.slack.AddUser(slacktest.User{ID: "UP" + fmt.Sprint(i), Name: name, RealName: strings.ToUpper(name), Email: name + "@example.com"})
	}
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 300 * time.Millisecond})
	w.slack.SetBot(balancer(t, replicas))
	before := []int{clicksAt(t, replicas[0]), clicksAt(t, replicas[1])}
	button := card.Button("Take")
	var clicks sync.WaitGroup
	for _, p := range people {
		clicks.Go(func() {
			if a := p.Clicks(button); a.Status != 200 {
				t.Errorf("a click was answered with %d", a.Status)
			}
		})
	}
	clicks.Wait()
	for i, r := range replicas {
		if got := clicksAt(t, r) - before[i]; got != len(people)/2 {
			t.Errorf("process %d got %d clicks, want half of %d", i+1, got, len(people))
		}
		if got := counted(t, r.address, "inventbot_in_process_requests_total"); got > 0 {
			t.Errorf("process %d carried out %d requests past the shared Redis", i+1, got)
		}
	}
	emptied(t, n.open())
	writes := w.invent.Writes()
	if len(writes) != 1 || writes[0].Member == nil {
		t.Fatalf("Invent was written %d times, want once", len(writes))
	}
	winner := strings.TrimPrefix(*writes[0].Member, "mem_")
	for _, p := range people {
		if p.Name != winner {
			late, who := p.ExpectPrivate(w.support, "Take over", "Leave it"), strings.ToUpper(winner)
			if late == nil || !strings.Contains(late.Text, who+" has had it for") && !strings.Contains(late.Text, who+" has just taken it") {
				t.Errorf("%s is told %+v, want that %s has it", p.Name, late, who)
			}
		}
	}
	w.support.ExpectUpdate(card, "@"+winner)
	for _, m := range w.slack.Leftovers() {
		if !strings.Contains(m.Text, "Still on it") { // to those who come last, on a slow machine
			t.Errorf("beside one card and 49 answers: %q", m.Text)
		}
	}
	w.slack.IgnoreLeftovers()
}

// balancer sends requests to each process in turn, and answers its own address.
func balancer(t *testing.T, to []*child) string {
	t.Helper()
	var next atomic.Int64
	s := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		address, err := url.Parse(to[int(next.Add(1))%len(to)].address)
		if err != nil {
			t.Error(err)
			return
		}
		r.SetURL(address)
	}})
	t.Cleanup(s.Close)
	return s.URL
}

// clicksAt counts the clicks that a process has acknowledged.
func clicksAt(t *testing.T, c *child) int {
	t.Helper()
	return counted(t, c.address, `inventbot_requests_total{route="interactions",status="200"}`)
}

func TestFaultRedisAway(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	w := newWorld(t)
	address, _ := w.serve(func(c *bot.Config) { c.Cache = n.open() })
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")

	n.kill()
	ack := w.acknowledged(w.ada.Press(card, "Release"))
	if ack.Took > time.Second {
		t.Errorf("the acknowledgement took %s without Redis", ack.Took)
	}
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.grace.Press(card.Now(), "Take"))
	w.support.ExpectUpdate(card, "@grace")

	n.start()
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.ada.ExpectPrivate(w.support, "@grace")
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_grace")
	if body := get(t, address+"/metrics"); !regexp.MustCompile(`inventbot_in_process_requests_total [23]\n`).MatchString(body) {
		t.Error("the metrics don't count the requests carried out in the process alone")
	}
}

// TestOneAtATimeOfTwoQueues: Redis hangs while Ada's take is under way, so that Grace's is carried out in the process alone. It still
// comes after Ada's, and Grace is asked.
func TestOneAtATimeOfTwoQueues(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	for _, p := range []*slacktest.Person{w.ada, w.grace} { // who they are is known from now on
		w.acknowledged(p.Types(w.support, "/invent show chat_1"))
		p.ExpectPrivate(w.support, "Nobody")
	}
	emptied(t, store)
	undo := w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 1500 * time.Millisecond, Times: 1})
	defer undo()
	w.acknowledged(w.ada.Press(card, "Take"))
	w.until("Ada's is under way", func() bool { return patched(w) > 0 })
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.acknowledged(w.grace.Press(card, "Take"))
	if err := n.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.support.ExpectUpdate(card, "@ada")
	w.grace.ExpectPrivate(w.support, "Take over", "Leave it")
	if got := counted(t, address, "inventbot_in_process_requests_total"); got != 1 {
		t.Errorf("%d requests were carried out in the process alone, want Grace's", got)
	}
	w.wrote("chat_1 mem_ada")
}

// TestInOrderThoughRedisIsBack: what came while Redis was away, and waits for another try, comes before what came after it all the same.
func TestInOrderThoughRedisIsBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	n, w := newNode(t), newWorld(t, slacktest.Now(clock.now))
	store := n.open()
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.ada.ExpectPrivate(w.support, "You are")
	emptied(t, store)
	clock.stop()
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Status: 503, Times: 1})
	n.kill()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.until("it was tried in vain", func() bool { return len(w.about("chat_1")) == 1 })
	n.start()
	w.until("Redis is back", func() bool { return store.Ping(t.Context()) == nil })
	clock.pass(time.Millisecond)
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.until("it waits", func() bool {
		d, err := store.Depth(t.Context())
		return err == nil && d.Open == 1 && d.Waiting == 1 || w.outcomes("release", "already") > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock.passUntil(ctx, time.Second, func() bool {
		return w.outcomes("take", "changed") > 0 && w.outcomes("release", "already")+len(w.writes()) > 1
	})
	w.wrote("chat_1 mem_ada", "chat_1 -")
	w.slack.IgnoreLeftovers() // the two cards
}

// TestStoredTooLateBehindAnother: what waits behind another process's job is withdrawn once it was done by the process alone.
func TestStoredTooLateBehindAnother(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	goOn := make(chan struct{})
	free := sync.OnceFunc(func() { close(goOn) })
	w.steps = func(step string, j cache.Job) {
		if step == bot.Steps[1] && strings.Contains(string(j.Body), w.grace.ID) {
			<-goOn
		}
	}
	other := n.open()
	w.serve(func(c *bot.Config) { c.Cache = other })
	w.listed()
	emptied(t, other)
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_1"))
	store, arm := n.spoiling("accepted", func(net.Conn, []byte) bool { return true })
	w.serve(func(c *bot.Config) { c.Cache = store })
	t.Cleanup(free)
	eventually(t, "Redis is used", func(ctx context.Context) bool { return store.Ping(ctx) == nil })
	arm()
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.ada.ExpectPrivate(w.support, "Nobody")
	eventually(t, "Grace's alone is open", func(ctx context.Context) bool {
		left, err := other.Depth(ctx)
		return err == nil && left.Open == 1
	})
	free()
	w.grace.ExpectPrivate(w.support, "Nobody")
	emptied(t, other)
}

// TestSlowWithoutRedis: who is served by the process alone is told too that it takes longer.
func TestSlowWithoutRedis(t *testing.T) {
	t.Parallel()
	n, w, clock := newNode(t), newWorld(t), newClock()
	w.serve(clock.drive, func(c *bot.Config) { c.Cache = n.open() })
	card := w.takes()
	n.kill()
	undo := w.invent.Fault(inventtest.Fault{Status: 503})
	w.acknowledged(w.ada.Press(card, "Release"))
	clock.pass(6 * time.Second)
	w.ada.ExpectPrivate(w.support, "Still on it")
	undo()
	w.support.ExpectUpdate(card, "Nobody")
	w.wrote("chat_1 mem_ada", "chat_1 -")
}

// TestSlowWhileAllAreBusy: who waits for somebody to do their work is told that it takes longer, before there is somebody.
func TestSlowWhileAllAreBusy(t *testing.T) {
	t.Parallel()
	w, clock := newWorld(t), newClock()
	busy := make(chan struct{})
	w.steps = func(step string, j cache.Job) {
		if step == bot.Steps[1] && strings.Contains(string(j.Body), w.ada.ID) {
			<-busy
		}
	}
	w.serve(clock.drive, func(c *bot.Config) { c.Workers = 1 })
	free := sync.OnceFunc(func() { close(busy) })
	t.Cleanup(free)
	w.chat("chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_2"))
	for begun := time.Now(); time.Since(begun) < 3*time.Second; { // the jobs of the dead are looked for meanwhile
		clock.pass(6 * time.Second)
		w.grace.ExpectPrivate(w.support, "Still on it")
		w.acknowledged(w.grace.Types(w.support, "/invent take chat_2"))
	}
	free()
	w.support.ExpectMessage("@ada")
	w.support.ExpectMessage("@grace")
	w.slack.IgnoreLeftovers()
}

// TestRefusedThoughStored: who could not be served because the process alone could take no more isn't told that nothing changed when
// only Redis's answer was lost: it is carried out from there.
func TestRefusedThoughStored(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store, arm := n.spoiling("accepted", func(net.Conn, []byte) bool { return true })
	w.serve(func(c *bot.Config) { c.Cache, c.Workers = store, 1 })
	w.listed()
	undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 503})
	for i := range 4 {
		chat := w.chat(fmt.Sprintf("chat_%d", 10+i))
		arm()
		w.acknowledged(w.ada.Types(w.support, "/invent take "+chat))
	}
	arm()
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_1"))
	w.grace.ExpectPrivate(w.support, "couldn't find out whether yours was accepted", "chat_1")
	undo()
	for i := range 4 {
		w.support.ExpectMessage(fmt.Sprintf("chat_%d", 10+i), "@ada")
	}
	w.support.ExpectMessage("chat_1", "@grace")
	emptied(t, store)
	w.wroteInAnyOrder("chat_1 mem_grace", "chat_10 mem_ada", "chat_11 mem_ada", "chat_12 mem_ada", "chat_13 mem_ada")
	w.slack.IgnoreLeftovers() // who is slow is told so
}

// TestFullWithoutRedis: a process takes no more upon itself alone than it can do soon.
func TestFullWithoutRedis(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	w.serve(func(c *bot.Config) { c.Cache, c.Workers = n.open(), 1 })
	w.listed()
	undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 503})
	n.kill()
	for i := range 4 {
		w.acknowledged(w.ada.Types(w.support, "/invent take "+w.chat(fmt.Sprintf("chat_%d", 10+i))))
	}
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_1"))
	w.grace.ExpectPrivate(w.support, "I'm busy: too many requests are waiting", "nothing changed")
	undo()
	for i := range 4 {
		w.support.ExpectMessage(fmt.Sprintf("chat_%d", 10+i), "@ada")
	}
	w.slack.IgnoreLeftovers() // "Still on it"
}

// TestRefusedWithoutRedis: what neither Redis nor the process alone could take is done when Slack sends it again.
func TestRefusedWithoutRedis(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.serve(func(c *bot.Config) { c.Cache, c.Queue = store, 1 })
	w.listed()
	emptied(t, store)
	w.slack.AllowComplaint("503")
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Status: 503})
	n.kill()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1")) // all that the process takes
	refused := w.grace.OpensHome()
	if refused.Status != http.StatusServiceUnavailable {
		t.Fatalf("answered %d by a process that is full", refused.Status)
	}
	n.start()
	eventually(t, "it is taken", func(context.Context) bool {
		return w.slack.EventAgain(refused.EventID, 1, "http_error").Status == http.StatusOK
	})
	w.grace.ExpectHome("My conversations")
	undo()
	w.support.ExpectMessage("@ada")
	w.slack.IgnoreLeftovers() // "Still on it"
}

// TestStopEndsInTimeThoughNobodyCanBeTold: more people wait than can be told while Slack hangs.
func TestStopEndsInTimeThoughNobodyCanBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.drain = time.Second
	_, stop := w.serve()
	w.invent.Fault(inventtest.Fault{Status: 503})
	w.slack.Fault(slacktest.Fault{Method: "response_url", Hang: true})
	for i := range 150 {
		w.acknowledged(w.ada.Types(w.support, "/invent take "+w.chat(fmt.Sprintf("chat_%d", 10+i))))
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > w.drain+10*time.Second+4*time.Second { // for what runs, for the words, and for a slow machine
		t.Errorf("it took %s to stop", took)
	}
	w.slack.IgnoreLeftovers()
}

// TestStopPaysWhatIsOwed: a job that was done while Redis was away is ended before the process leaves, if Redis is back by then.
func TestStopPaysWhatIsOwed(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	goOn := map[string]chan struct{}{"chat_1": make(chan struct{}), "chat_2": make(chan struct{})}
	var reading atomic.Int64
	w.steps = func(step string, j cache.Job) {
		for chat, c := range goOn {
			if step == "the conversation is read" && strings.Contains(string(j.Body), chat) {
				reading.Add(1)
				<-c
			}
		}
	}
	store := n.open()
	address, stop := w.serve(func(c *bot.Config) { c.Cache = store })
	w.chat("chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_2"))
	eventually(t, "both are at work", func(context.Context) bool { return reading.Load() == 2 })
	stopped := stopping(stop)
	eventually(t, "it stops", func(context.Context) bool {
		status, _ := peek(t, address+"/healthz")
		return status == 0
	})
	n.kill()
	close(goOn["chat_1"])
	w.ada.ExpectPrivate(w.support, "Nobody")
	eventually(t, "the first is done", func(context.Context) bool { return strings.Contains(w.log.String(), "could not be ended in Redis yet") })
	n.start()
	eventually(t, "Redis is used again", func(ctx context.Context) bool { return store.Ping(ctx) == nil })
	close(goOn["chat_2"])
	<-stopped
	if left, err := n.open().Depth(t.Context()); err != nil || left.Open != 0 {
		t.Errorf("%d jobs are left, and %v", left.Open, err)
	}
	w.grace.ExpectPrivate(w.support, "Nobody")
}

// TestChangeOfTheDeadHandedBack: an older version took a job over and handed it back, for it knew nothing of it. The dead process had
// made the change, and that is no reason to say that it was so already.
func TestChangeOfTheDeadHandedBack(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	w.has("chat_1", "mem_ada")
	body, err := json.Marshal(map[string]any{"intent": slackui.Intent{
		V: slackui.Version, Key: "new.1", Verb: slackui.Take, Chat: "chat_1", Team: w.slack.TeamID(), User: w.ada.ID, Channel: w.support.ID, Sent: time.Now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	j := cache.Job{ID: "new.1", Lane: w.slack.TeamID() + "/chat_1", At: time.Now(), Tries: 1, Dead: 1, Body: body}
	if _, _, err := store.Submit(t.Context(), j, 10, false); err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.support.ExpectMessage("@ada")
	w.wrote()
}

// TestChangeOfTheDeadUndone: a change that was made, and is to be shown still, isn't made again where its process died and somebody has
// undone it since.
func TestChangeOfTheDeadUndone(t *testing.T) {
	t.Parallel()
	w, store := newWorld(t), ownStore(t)
	body, err := json.Marshal(map[string]any{"wrote": "done", "intent": slackui.Intent{
		V: slackui.Version, Key: "made.1", Verb: slackui.Take, Chat: "chat_1", Team: w.slack.TeamID(), User: w.ada.ID, Channel: w.support.ID, Sent: time.Now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	j := cache.Job{ID: "made.1", Lane: w.slack.TeamID() + "/chat_1", At: time.Now(), Tries: 2, Dead: 1, Body: body}
	if _, _, err := store.Submit(t.Context(), j, 10, false); err != nil {
		t.Fatal(err)
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.support.ExpectMessage("Nobody")
	w.ada.ExpectPrivate(w.support, "That was done, but somebody has changed it since")
	emptied(t, store)
	w.wrote()
}

// TestInOrderWithoutConversation: one person is answered in order also about no conversation, and where the first must be tried again.
func TestInOrderWithoutConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	w.listed()
	w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 500, Times: 1})
	w.acknowledged(w.ada.Types(w.support, "/invent whoami"))
	w.acknowledged(w.ada.Types(w.support, "/invent queue"))
	second := w.ada.ExpectPrivate(w.support, "Waiting for a human")
	if first := w.ada.ExpectPrivate(w.support, "You are"); first.TS > second.TS {
		t.Error("the second was answered first")
	}
}

// TestRedisAnswersTooLate: what was stored all the same, and is done by the process alone, holds up nobody on that conversation.
func TestRedisAnswersTooLate(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store, arm := n.spoiling("accepted", func(net.Conn, []byte) bool { return true })
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.takes()
	emptied(t, store)
	arm()
	w.acknowledged(w.ada.Press(card, "Release"))
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.grace.Press(card.Now(), "Take"))
	w.support.ExpectUpdate(card, "@grace")
	emptied(t, store)
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_grace")
}

func TestFaultFullQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // what follows from it would fill this queue too
	store := ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache, c.Queue, c.Workers = store, 1, 1 })
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	card := w.ada.ExpectPrivate(w.support, "Nobody")
	emptied(t, store) // the card comes before its job's end
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Hang: true})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.acknowledged(w.grace.Types(w.support, "/invent take chat_1"))
	w.grace.ExpectPrivate(w.support, "I'm busy: too many requests are waiting", "nothing changed")
	w.acknowledged(w.ada.Press(card, "Refresh"))
	w.ada.ExpectPrivate(w.support, "I'm busy: too many requests are waiting", "nothing changed")
	w.slack.AllowComplaint("dispatch_failed")
	if a := w.joan.OpensHome(); a.Status != http.StatusServiceUnavailable { // Slack sends what is refused once more
		t.Errorf("an event was answered %d, want 503", a.Status)
	}
	undo()
	w.support.ExpectMessage("@ada")
	emptied(t, store)
	w.acknowledged(w.grace.Types(w.support, "/invent show chat_1"))
	w.grace.ExpectPrivate(w.support, "@ada")
	w.wrote("chat_1 mem_ada")
}

// TestStop: what runs is finished, and the rest is done by the process that comes next.
func TestStop(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	w := newWorld(t)
	_, stop := w.serve(func(c *bot.Config) { c.Cache, c.Workers = n.open(), 1 })
	w.chat("chat_2")
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Hang: true})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_2"))
	w.until("one is at work", func() bool { return len(w.about("chat_1")) > 0 })
	stopped := stopping(stop)
	undo()
	<-stopped
	if left, err := n.client.XInfoConsumers(t.Context(), "inventbot:{jobs}:ready", "workers").Result(); err != nil || len(left) > 0 {
		t.Errorf("%v are in the group still, %v", left, err)
	}
	w.serve(func(c *bot.Config) { c.Cache = n.open() })
	w.support.ExpectMessage("chat_1", "@ada")
	w.support.ExpectMessage("chat_2", "@ada")
	if n := len(w.invent.Writes()); n != 2 {
		t.Errorf("Invent was written %d times, want each once", n)
	}
}

// TestStopAlone: what only this process knows of is done before it leaves, also what nobody has begun yet.
func TestStopAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, stop := w.serve(func(c *bot.Config) { c.Workers = 1 })
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Hang: true})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.until("one is at work", func() bool { return len(w.about("chat_1")) > 0 })
	for _, chat := range []string{w.chat("chat_2"), w.chat("chat_3"), w.chat("chat_4")} {
		w.acknowledged(w.ada.Types(w.support, "/invent take "+chat))
	}
	stopped := stopping(stop)
	undo()
	<-stopped
	for n := range 4 {
		w.support.ExpectMessage(fmt.Sprintf("chat_%d", n+1), "@ada")
	}
}

// TestOlderFirst: a request that comes when another process's waits still lets that go first, and neither is taken for the other.
func TestOlderFirst(t *testing.T) {
	t.Parallel()
	n, w := newNode(t), newWorld(t)
	store, other := n.open(), n.open()
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.listed()
	body, err := json.Marshal(map[string]any{"intent": slackui.Intent{
		V: slackui.Version, Key: "older.1", Verb: slackui.Show, Chat: "chat_1", Team: w.slack.TeamID(), User: w.grace.ID, Channel: w.support.ID, Sent: time.Now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is read from the queue for a moment", func(ctx context.Context) bool {
		_ = n.client.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err()
		return strings.Contains(w.log.String(), "the queue can't be read")
	})
	if _, _, err := other.Submit(t.Context(), cache.Job{ID: "older.1", Lane: "older", At: time.Now(), Body: body}, 10, false); err != nil {
		t.Fatal(err)
	}
	w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
	w.grace.ExpectPrivate(w.support, "Nobody")
	w.ada.ExpectPrivate(w.support, "Nobody")
	emptied(t, other)
}
