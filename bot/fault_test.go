package bot_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

var update = flag.Bool("update", false, "write the table of faults into CONTRIBUTING.md")

// fault is one thing that can go wrong, and what then holds. The table in CONTRIBUTING.md is made of these.
type fault struct {
	name  string
	sees  string             // the person
	after string             // what is in Invent, Slack and Redis
	run   func(t *testing.T) // nil: it is the test that is named
	test  string
}

const (
	asAlways = "the card, as always"
	once     = "one change, one card"
	none     = "no change"
)

var faults = map[string][]fault{
	"Redis": {
		{name: "refuses connections", sees: asAlways, after: once + "; carried out in the process alone, and counted", test: "TestFaultRedisAway"},
		{name: "hangs for 2 s", sees: asAlways, after: once, run: redisHangs},
		{name: "is killed and restarted (AOF) with work in it", sees: asAlways, after: once, run: redisRestarts(false)},
		{name: "is away when a try ends in vain, and restarted (AOF)", sees: asAlways + ", when Redis is back", after: once, run: redisRestarts(true)},
		{name: "fails over to its replica (Sentinel)", sees: asAlways, after: once + ", if the replica had it; what was not copied yet may be lost, and a card drawn in that moment stays as it is until its conversation changes", test: "TestFaultFailover"},
		{name: "is full (OOM)", sees: asAlways, after: once + "; carried out in the process alone", run: redisRefuses("config", "set", "maxmemory", "1")},
		{name: "is a read-only replica", sees: asAlways, after: once + "; carried out in the process alone", run: redisRefuses("replicaof", "127.0.0.1", "1")},
		{name: "has a certificate that isn't trusted (rediss)", sees: asAlways, after: once + "; carried out in the process alone, and the log and the doctor say why", test: "TestFaultRedisCertificate"},
		{name: "cuts the connection in the middle of a reply", sees: asAlways, after: once, run: redisCuts},
	},
	"Invent": {
		{name: "400 to the change", sees: "that Invent refused, and a ref", after: none, run: refusedBy(inventtest.Fault{Method: "PATCH", Status: 400}, "Invent refused this", "ref ")},
		{name: "401", sees: "that the app's key is refused; admins hear it once", after: none, run: keyRefused(401)},
		{name: "403", sees: "that the app's key is refused; admins hear it once", after: none, run: keyRefused(403)},
		{name: "404", sees: "that there is no such conversation", after: none, run: refusedBy(inventtest.Fault{Path: "/chats/chat_1", Status: 404}, "has no conversation", "chat_1")},
		{name: "404 to the change", sees: "that Invent doesn't take the member, and a ref", after: none, run: refusedBy(inventtest.Fault{Method: "PATCH", Status: 404}, "refused to assign it to that member", "ref ")},
		{name: "409", sees: "that Invent refused, and a ref", after: none, run: refusedBy(inventtest.Fault{Method: "PATCH", Status: 409}, "Invent refused this")},
		{name: "JSON of another shape", sees: "that Invent refused, and a ref", after: none, run: refusedBy(inventtest.Fault{Method: "GET", Path: "/chats/", Body: []byte(`{"id":5}`)}, "Invent refused this", "ref ")},
		{name: "JSON of another shape to the change", sees: asAlways, after: once + ": found out by reading", run: mends(inventtest.Fault{Method: "PATCH", AfterWrite: true, Body: []byte(`{"id":5}`), Times: 1})},
		{name: "JSON of another shape to the change, and then no answer", sees: "that it couldn't be found out whether the change was made", after: "one change, no card until one is clicked", run: leftUnsettled},
		{name: "an answer of 50 MB", sees: "that Invent refused, and a ref", after: none + "; 4 MiB of it are read", run: tooMuch},
		{name: "429 with Retry-After", sees: asAlways, after: once + ", after that time", run: limitedFor(429, "1", time.Second)},
		{name: "429 without Retry-After", sees: asAlways, after: once + ", 5 s later", run: limitedFor(429, "", 5*time.Second)},
		{name: "429 to two processes with one queue", sees: asAlways + ", after that time", after: once + " for each request; no process that has met the 429 calls Invent before", run: limitedTwice},
		{name: "500", sees: asAlways, after: once + ", at the next try", run: mends(inventtest.Fault{Method: "PATCH", Status: 500, Times: 1})},
		{name: "503 with Retry-After", sees: asAlways, after: once + ", after that time", run: limitedFor(503, "2", 2*time.Second)},
		{name: "502 with a proxy's page", sees: asAlways, after: once + ", at the next try", run: mends(inventtest.Fault{Method: "GET", Path: "/chats/", Status: 502, HTML: true, Times: 1})},
		{name: "an answer that is cut", sees: asAlways, after: once + ", at the next try", run: mends(inventtest.Fault{Method: "PATCH", Cut: true, Times: 1})},
		{name: "no answer", sees: asAlways, after: once + ", at the next try", run: mends(inventtest.Fault{Method: "GET", Path: "/chats/", Hang: true, Times: 1})},
		{name: "a change that was made though its answer was lost", sees: asAlways, after: once + ": found out by reading", run: losesAnswer},
		{name: "503 for ten minutes", sees: "after 5 s that it takes longer, after 2 min that nothing changed, with *Try again*", after: none, test: "TestFaultInventAway"},
		{name: "a certificate nobody knows", sees: "the same", after: none + ", and the key was not sent", run: deadTLS},
	},
	"Slack": {
		{name: "429 to each method that the bot uses", sees: asAlways + ", after that time", after: once, run: slackFails(func(m string) slacktest.Fault {
			return slacktest.Fault{Method: m, Status: 429, RetryAfter: 1, Times: 1}
		})},
		{name: "500 to each of them", sees: asAlways, after: once, run: slackFails(func(m string) slacktest.Fault { return slacktest.Fault{Method: m, Status: 500, Times: 1} })},
		{name: "40 actions at a time against the limit of each method", sees: asAlways + ", in turn; of a window, that it took too long", after: once + " and one notice each; no call of that method before Retry-After has passed", run: burstsAtLimits},
		{name: "token_revoked", sees: "words by the response_url that the app must be reinstalled", after: none, test: "TestFaultSlackTokenRevoked"},
		{name: "not_in_channel, channel_not_found, is_archived", sees: "the card by the response_url, marked as one that can't be redrawn", after: "one change, no card to redraw", run: noPlace},
		{name: "message_not_found (somebody deleted a card)", sees: asAlways, after: "one change; the deleted card is forgotten", run: cardDeleted},
		{name: "an expired trigger", sees: "that the window took too long; it opens at the next click", after: none + ", the card as it was", run: triggerExpires},
		{name: "a spent response_url", sees: asAlways + ", by chat.update", after: once, run: hookFails(slacktest.Fault{Method: "response_url", Error: "used_url"})},
		{name: "a response_url whose host is dead", sees: asAlways + ", some seconds late, by chat.update; private words by chat.postEphemeral", after: once, run: hookDead},
		{name: "neither a card nor private words are taken where it was asked for", sees: "in a direct message that it was changed", after: "one change, no card", run: nowhereToShow},
		{name: "500 to all that could show the change, for three minutes", sees: asAlways + ", when Slack is back", after: once, run: shownLate},
		{name: "429 before the change, for longer than anybody wants to wait", sees: "that Slack asked to wait for too long and nothing changed, with *Try again*", after: none, run: heldUpTooLong},
	},
	"Requests": {
		{name: "the same request at two replicas at once", sees: asAlways, after: once, run: twiceAtOnce},
		{name: "a replay after 4 minutes", sees: "nothing more", after: once + ": the request is known", run: replays},
		{name: "a replay after 6 minutes, or from the future; forged and truncated signatures", sees: "nothing", after: none + ", 401", test: "TestFaultUnsignedIsRefusedOnEveryRoute"},
		{name: "the clock 4 minutes off", sees: asAlways, after: once, run: clockOff},
		{name: "a person who clicks 100 times", sees: "the card once, and that it is so already", after: once, run: hundredClicks},
		{name: "slow-loris: 200 connections that never end their headers, or their bodies", sees: asAlways, after: "the connections are closed after 5 s, or 10 s", run: slowLoris},
		{name: "10,000 open connections", sees: asAlways, after: once, run: manyConnections},
		{name: "bodies of 10 MiB", sees: "nothing", after: none + ", 413", test: "TestFaultBadRequests"},
		{name: "gzip bombs, rightly signed", sees: "nothing", after: none + ", 400: nothing is decompressed", run: gzipBomb},
		{name: "a full queue", sees: "that too many requests are waiting and nothing changed", after: none + "; it recovers", test: "TestFaultFullQueue"},
	},
	"The process": {
		{name: "kill -9 at each step of an action", sees: asAlways + ", within 30 s", after: "one change; one card, or two if it died between Slack's answer and Redis's; who had it before is told once", run: killedAtEachStep},
		{name: "SIGTERM in the middle of a burst", sees: asAlways, after: "each change once", run: stoppedInABurst},
		{name: "a job that panics each time", sees: "after five tries that the bot failed, and a ref", after: none + "; the job lies in the stream inventbot:{jobs}:aside", run: poison},
		{
			name: "a job that kills its process each time", sees: "after five tries that the bot failed and the change may have been made, and a ref",
			after: "not tried any more; the job lies in the stream inventbot:{jobs}:aside, and what ran beside it is done", run: killsEachTime,
		},
		{name: "a job of a newer version", sees: asAlways + " by the newer process", after: "the older process hands it back untouched", run: newerVersion},
		{name: "an older version is stopped while a newer one has taken over", sees: asAlways, after: "each change once; the older process has handed back what it can't know", test: "TestFaultTwoVersions"},
		{name: "50 people claim one conversation through two replicas", sees: "one the card, 49 who has it", after: "one change", test: "TestFaultRaceOnTwoProcesses"},
	},
}

var kinds = []string{"Redis", "Invent", "Slack", "Requests", "The process"}

func TestFault(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, f := range faults[kind] {
			if f.run == nil {
				continue
			}
			t.Run(kind+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				f.run(t)
			})
		}
	}
}

// TestFaultTable keeps CONTRIBUTING.md equal to what is tested, and the tests that it names in being.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	here, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	ofProgram, err := filepath.Glob("../cmd/inventbot/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range slices.Concat(here, ofProgram) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	var b strings.Builder
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n| %s | the person sees | afterwards |\n|---|---|---|\n", kind)
		for _, f := range faults[kind] {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, f.sees, f.after)
			if f.test != "" && !bytes.Contains(all, []byte("func "+f.test+"(")) {
				t.Errorf("%q is said to be tested by %s, which isn't there", f.name, f.test)
			}
			if (f.run == nil) != strings.HasPrefix(f.test, "TestFault") { // by its name one command finds it
				t.Errorf("%q must be tested either here or by a TestFault, not by %q", f.name, f.test)
			}
		}
	}
	const file, begin, end = "../CONTRIBUTING.md", "<!-- faults -->\n", "\n<!-- /faults -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	have, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("CONTRIBUTING.md has no place for the table, between %s and %s", begin, end)
	}
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+b.String()+end+after), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	case have != b.String():
		t.Error("the table in CONTRIBUTING.md isn't the one of this suite: go test ./bot -run TestFaultTable -update")
	}
}

// takes lets Ada take chat_1, and wants it done once.
func (w *world) takes() *slacktest.Message {
	w.t.Helper()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	w.wrote("chat_1 mem_ada")
	return card
}

// emptied waits until no job is open.
func emptied(t *testing.T, store *cache.Cache) {
	t.Helper()
	eventually(t, "the queue is empty", func(ctx context.Context) bool {
		d, err := store.Depth(ctx)
		return err == nil && d.Open == 0
	})
}

// ownStore is a Redis within the process that the test can look into.
func ownStore(t *testing.T) *cache.Cache {
	t.Helper()
	store, err := cache.OpenInProcess()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func redisHangs(t *testing.T) {
	n, w := newNode(t), newWorld(t)
	store := n.open()
	w.serve(func(c *bot.Config) { c.Cache = store })
	eventually(t, "Redis is used", func(ctx context.Context) bool { return store.Ping(ctx) == nil })
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wake := time.AfterFunc(2*time.Second, func() { _ = n.cmd.Process.Signal(syscall.SIGCONT) })
	defer wake.Stop()
	a := w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	if a.Took > time.Second {
		t.Errorf("the acknowledgement took %s", a.Took)
	}
	w.support.ExpectMessage("@ada")
	emptied(t, store)
	w.wrote("chat_1 mem_ada")
}

// redisRestarts kills Redis during a try, and starts it again before the try ends, or after. The next try is wanted once Redis is back,
// not when the process counts as dead.
func redisRestarts(afterTry bool) func(t *testing.T) {
	return func(t *testing.T) {
		n, w := newNode(t), newWorld(t)
		store := n.open()
		w.serve(func(c *bot.Config) { c.Cache = store })
		undo := w.invent.Fault(hangOn("PATCH"))
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.until("the change is under way", func() bool { return patched(w) > 0 })
		n.kill()
		undo()
		if afterTry {
			eventually(t, "the try has ended", func(context.Context) bool { return strings.Contains(w.log.String(), "could not be given back") })
		}
		n.start()
		w.support.ExpectMessage("@ada")
		emptied(t, store)
		w.wrote("chat_1 mem_ada")
		if afterTry {
			w.slack.IgnoreLeftovers() // "Still on it"
		}
	}
}

// redisRefuses lets Redis answer each write with an error of its own, once the bot is at work.
func redisRefuses(command ...any) func(t *testing.T) {
	return func(t *testing.T) {
		n, w := newNode(t), newWorld(t)
		store, err := cache.Open("redis://" + n.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
		w.takes()
		const alone = "inventbot_in_process_requests_total"
		if got := counted(t, address, alone); got != 0 {
			t.Errorf("%d requests were carried out in the process alone before", got)
		}
		n.do(command...)
		w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
		w.support.ExpectMessage("Nobody")
		w.wrote("chat_1 mem_ada", "chat_1 -")
		if got := counted(t, address, alone); got != 1 {
			t.Errorf("%d requests were carried out in the process alone, want one", got)
		}
		w.slack.IgnoreLeftovers() // whether the older card is redrawn too depends on whether Redis still reads
	}
}

// redisCuts ends the connection in the middle of the reply to a job that is submitted.
func redisCuts(t *testing.T) {
	n, w := newNode(t), newWorld(t)
	cut := make(chan struct{})
	store, arm := n.spoiling("accepted", func(conn net.Conn, reply []byte) bool {
		close(cut)
		_, _ = conn.Write(reply[:len(reply)/2])
		return false
	})
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.takes()
	emptied(t, store)
	arm()
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	<-cut
	w.support.ExpectUpdate(card, "Nobody")
	w.support.ExpectMessage("Nobody")
	emptied(t, store)
	w.wrote("chat_1 mem_ada", "chat_1 -")
}

func refusedBy(f inventtest.Fault, says ...string) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.invent.Fault(f)
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, append(says, "othing changed")...)
		w.wrote()
	}
}

// tooMuch is an answer that is right but for its length.
func tooMuch(t *testing.T) {
	w := newWorld(t)
	got := &calls{}
	client := invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Wrap: got.wrap})
	team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()), client)
	w.serve(func(c *bot.Config) { c.Teams, c.Probe = team.Only, team })
	w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Huge: 50 << 20})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "Invent refused this", "ref ", "othing changed")
	w.wrote()
	if most := got.largest.Load(); most < 4<<20 || most > 4<<20+1 { // the one byte more tells that it is too much
		t.Errorf("%d bytes of an answer were read, want 4 MiB", most)
	}
}

func mends(f inventtest.Fault) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.invent.Fault(f)
		w.takes()
		w.slack.IgnoreLeftovers() // "Still on it", where it took longer than 5 s
	}
}

// keyRefused lets Invent refuse the key, first for the change alone.
func keyRefused(status int) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t)
		boss, store := w.boss(), ownStore(t)
		undo := w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: status, RetryAfter: "1"}) // by which no key becomes valid
		serve := func() { w.serve(func(c *bot.Config) { c.Cache = store }) }
		serve()
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, "refuses this app's API key")
		undo()
		w.invent.Fault(inventtest.Fault{Status: status})
		serve()
		boss.ExpectDM("Invent refuses this app's API key")
		serve() // a third process
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.ada.ExpectPrivate(w.support, "refuses this app's API key")
		w.wrote()
	}
}

// leftUnsettled takes away Invent once a change was made whose answer can't be read.
func leftUnsettled(t *testing.T) {
	w, clock := newWorld(t), newClock()
	w.serve(clock.drive)
	w.invent.Fault(inventtest.Fault{Method: "PATCH", AfterWrite: true, Body: []byte(`{"id":5}`), Times: 1})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	eventually(t, "the change is made", func(context.Context) bool { return len(w.writes()) == 1 })
	w.invent.Fault(inventtest.Fault{Status: 503})
	clock.pass(3 * time.Minute)
	w.ada.ExpectPrivate(w.support, "couldn't find out whether the change was made", "ref ")
	w.wrote("chat_1 mem_ada")
	w.slack.IgnoreLeftovers() // "Still on it"
}

// hookDead lets response_urls lead nowhere for good.
func hookDead(t *testing.T) {
	w := newWorld(t, slacktest.Patience(45*time.Second))
	w.serve()
	card := w.takes()
	w.slack.Fault(slacktest.Fault{Method: "response_url", Hang: true})
	w.acknowledged(w.ada.Press(card, "Release"))
	w.acknowledged(w.grace.Types(w.support, "/invent whoami"))
	w.support.ExpectUpdate(card, "Nobody")
	w.grace.ExpectPrivate(w.support, "You are *Grace*")
	w.wrote("chat_1 mem_ada", "chat_1 -")
	w.slack.IgnoreLeftovers() // "Still on it"
}

// nowhereToShow takes a conversation where the bot is no member, with a response_url that is spent.
func nowhereToShow(t *testing.T) {
	w := newWorld(t)
	w.serve()
	w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url"})
	w.acknowledged(w.ada.Types(w.random, "/invent take chat_1"))
	w.ada.ExpectDM("It was changed in Invent", "invite me")
	w.wrote("chat_1 mem_ada")
}

// shownLate lets all of Slack fail after the change for longer than anybody would wait for a change.
func shownLate(t *testing.T) {
	t.Run("after a click", func(t *testing.T) {
		t.Parallel()
		w, clock := newWorld(t, slacktest.Patience(30*time.Second)), newClock()
		w.serve(clock.drive)
		card := w.shared("chat_1", "Nobody")
		undo := w.slack.Fault(slacktest.Fault{Method: "*", Status: 500})
		hook := w.slack.Fault(slacktest.Fault{Method: "response_url", Status: 500})
		w.acknowledged(w.ada.Press(card, "Take"))
		eventually(t, "the change is made", func(context.Context) bool { return len(w.writes()) == 1 })
		for range 2 { // it isn't the last try that shows it
			clock.pass(3 * time.Minute)
			tried := len(w.slack.CallsTo("response_url"))
			eventually(t, "it is tried again", func(context.Context) bool { return len(w.slack.CallsTo("response_url")) > tried })
		}
		undo()
		hook()
		clock.pass(time.Minute)
		w.support.ExpectUpdate(card, "@ada")
		w.wrote("chat_1 mem_ada")
		w.slack.IgnoreLeftovers() // "Still on it"
	})
	t.Run("after a command, without any other word", func(t *testing.T) {
		t.Parallel()
		w, clock, store := newWorld(t, slacktest.Patience(30*time.Second)), newClock(), ownStore(t)
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		undo := w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Status: 500})
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		tried := func() int { return len(w.slack.CallsTo("chat.postMessage")) }
		for range 2 {
			before := tried()
			eventually(t, "it is tried", func(context.Context) bool { return tried() > before })
			clock.pass(3 * time.Minute)
		}
		undo()
		w.support.ExpectMessage("@ada")
		emptied(t, store)
		w.wrote("chat_1 mem_ada")
	})
	t.Run("not after ten minutes", func(t *testing.T) {
		t.Parallel()
		w, clock, store := newWorld(t), newClock(), ownStore(t)
		w.serve(clock.drive, func(c *bot.Config) { c.Cache = store })
		card := w.shared("chat_1", "Nobody")
		w.slack.Fault(slacktest.Fault{Method: "*", Status: 500})
		w.slack.Fault(slacktest.Fault{Method: "response_url", Status: 500})
		w.acknowledged(w.ada.Press(card, "Take"))
		eventually(t, "the change is made", func(context.Context) bool { return len(w.writes()) == 1 })
		clock.pass(11 * time.Minute)
		emptied(t, store)
	})
}

// heldUpTooLong lets Slack put off the question who somebody is for longer than anybody wants a conversation.
func heldUpTooLong(t *testing.T) {
	w, clock := newWorld(t), newClock()
	w.serve(clock.drive)
	w.slack.Fault(slacktest.Fault{Method: "users.info", Status: 429, RetryAfter: 300})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	word := w.ada.ExpectPrivate(w.support, "Slack", "asked me to wait for too long", "nothing changed")
	if word.Button("Try again") == nil {
		t.Error("nothing is offered")
	}
	w.wrote()
}

// limitedFor answers 429 or 503 to a change, with what Retry-After says, and wants the next call after that time and not much later.
func limitedFor(status int, retryAfter string, wait time.Duration) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.invent.Fault(inventtest.Fault{Method: "PATCH", Status: status, RetryAfter: retryAfter, Times: 1})
		w.takes()
		w.slack.IgnoreLeftovers() // "Still on it", where it took longer than 5 s
		var limited time.Time
		for _, r := range w.invent.Requests() {
			switch {
			case r.Status == status:
				limited = r.At
			case limited.IsZero() || !strings.Contains(r.Path, "/chats/chat_1"):
			default:
				if took := r.At.Sub(limited); took < wait || took > wait+5*time.Second {
					t.Errorf("the next call came after %s, want it after %s", took, wait)
				}
				return
			}
		}
		t.Errorf("no call came after the %d", status)
	}
}

// losesAnswer lets Invent make the change, and nobody hear of it.
func losesAnswer(t *testing.T) {
	for name, f := range map[string]inventtest.Fault{
		"cut":   {Method: "PATCH", AfterWrite: true, Cut: true, Times: 1},
		"never": {Method: "PATCH", AfterWrite: true, Hang: true, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mends(f)(t)
		})
	}
}

// limitedTwice lets each of two processes meet one 429, and then sends them more work.
func limitedTwice(t *testing.T) {
	n, w := newNode(t), newWorld(t)
	w.invent.LeaveOut("GET /orgs/{org_id}/inbox") // what follows from it would be tried too
	store, clock := n.open(), newClock()
	var addresses []string
	var met [2]*calls
	for i := range met {
		met[i] = &calls{}
		client := invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Timeout: 2 * time.Second, Now: clock.now, Wrap: met[i].wrap})
		team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()), client)
		address, _ := w.serve(clock.drive, func(c *bot.Config) { c.Cache, c.Teams, c.Probe = n.open(), team.Only, team })
		addresses = append(addresses, address)
	}
	w.takes() // who Ada is is known from now on
	emptied(t, store)
	var chats []string
	take := func() {
		chat := w.chat(fmt.Sprintf("chat_%d", 10+len(chats)))
		chats = append(chats, chat)
		w.slack.SetBot(addresses[len(chats)%2])
		w.acknowledged(w.ada.Types(w.support, "/invent take "+chat))
	}
	tried := func() { // each of them once at least
		t.Helper()
		eventually(t, "each was tried", func(context.Context) bool {
			return retries(t, addresses[0])+retries(t, addresses[1]) >= len(chats)
		})
	}
	undo := w.invent.Fault(inventtest.Fault{Path: "/chats/", Status: 429, RetryAfter: "60"})
	asked := func() (n int) { // not for the bots' own health
		for _, r := range w.invent.Requests() {
			if strings.Contains(r.Path, "/chats/") {
				n++
			}
		}
		return n
	}
	before := asked()
	for (met[0].limited.Load() == 0 || met[1].limited.Load() == 0) && len(chats) < 50 {
		take() // for whoever has waited longer for work
		tried()
	}
	for range 20 {
		take()
	}
	tried()
	clock.pass(50 * time.Second)
	take()
	tried()
	for i := range met {
		if got := met[i].limited.Load(); got != 1 {
			t.Errorf("process %d has met %d answers of 429, want one", i+1, got)
		}
	}
	if got := asked() - before; got != len(met) {
		t.Errorf("Invent was called %d times in the meantime, want %d", got, len(met))
	}
	undo()
	clock.pass(15 * time.Second)
	for _, chat := range chats {
		w.support.ExpectMessage(chat, "@ada")
	}
	emptied(t, store)
	writes := map[string]int{"chat_1": 1}
	for _, write := range w.invent.Writes() {
		writes[write.Chat]++
	}
	for _, chat := range chats {
		if writes[chat] != 1 {
			t.Errorf("%s was written %d times", chat, writes[chat])
		}
	}
	w.slack.IgnoreLeftovers() // "Still on it"
}

// calls counts the answers of 429 that one process gets, and how much of an answer it reads at most.
type calls struct{ limited, largest atomic.Int64 }

func (c *calls) wrap(next http.RoundTripper) http.RoundTripper {
	return through(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			c.limited.Add(1)
		}
		if err == nil {
			resp.Body = &counting{ReadCloser: resp.Body, most: &c.largest}
		}
		return resp, err
	})
}

// counting is the body of an answer.
type counting struct {
	io.ReadCloser
	n    int64
	most *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	for {
		most := c.most.Load()
		if c.n <= most || c.most.CompareAndSwap(most, c.n) {
			return n, err
		}
	}
}

type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// retries is how many tries a bot will repeat.
func retries(t *testing.T, address string) int {
	t.Helper()
	return counted(t, address, "inventbot_retries_total")
}

// counted is the value of a metric, with its labels as they are shown; 0 where there is none.
func counted(t *testing.T, address, metric string) int {
	t.Helper()
	_, rest, found := strings.Cut(get(t, address+"/metrics"), "\n"+metric+" ")
	if !found {
		return 0
	}
	text, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(text, 64) // large ones have an exponent
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func deadTLS(t *testing.T) {
	w := newWorld(t)
	asked := make(chan string, 1)
	dead := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	dead.Config.ErrorLog = log.New(io.Discard, "", 0)
	dead.StartTLS()
	t.Cleanup(dead.Close)
	clock := newClock()
	store := ownStore(t)
	// Who is who is known, since before the certificate went bad.
	if err := store.SetLink(t.Context(), w.slack.TeamID(), w.ada.ID, cache.Link{Member: "mem_ada", UserID: "usr_ada", Checked: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.serve(clock.drive, func(c *bot.Config) {
		c.Cache = store
		team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()), invent.New(invent.Options{URL: dead.URL, Key: "key", Org: "c"}))
		c.Teams, c.Probe = team.Only, team
	})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	clock.pass(6 * time.Second)
	w.ada.ExpectPrivate(w.support, "Still on it", "chat_1")
	clock.pass(2 * time.Minute)
	w.ada.ExpectPrivate(w.support, "nothing changed")
	select {
	case key := <-asked:
		t.Errorf("the server was asked, with %q", key)
	default:
	}
}

// slackFails lets a call of each method fail that the bot uses.
func slackFails(with func(method string) slacktest.Fault) func(t *testing.T) {
	return func(t *testing.T) {
		for method, use := range uses {
			t.Run(method, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, slacktest.Patience(30*time.Second))
				use(w, func() { t.Cleanup(w.slack.Fault(with(method))) })
				if !slices.ContainsFunc(w.slack.CallsTo(method), func(c slacktest.Call) bool { return c.Status >= http.StatusTooManyRequests }) {
					t.Error("no call of it has failed")
				}
				w.slack.IgnoreLeftovers()
			})
		}
	}
}

// uses are what people do with a bot so that it calls each method of Slack's. The next call fails once fails is called, and what they want
// comes about all the same.
var uses = map[string]func(w *world, fails func()){
	"chat.postMessage":   (*world).changesCards,
	"chat.update":        (*world).changesCards,
	"conversations.info": (*world).changesCards,
	"response_url":       (*world).changesCards,
	"users.info":         (*world).changesCards,
	"auth.test": func(w *world, fails func()) {
		fails()
		w.serve()
		w.takes()
	},
	// The list is fetched at the start, and answers for a crowd of whom Slack won't say one by one who they are.
	"users.list": func(w *world, fails func()) {
		people, chats := w.crowd()
		fails()
		w.serve()
		var want []string
		for n, p := range people {
			w.acknowledged(p.Types(w.support, "/invent take "+chats[n]))
			want = append(want, chats[n]+" mem_"+p.Name)
		}
		for n, p := range people {
			w.support.ExpectMessage(chats[n], "@"+p.Name)
		}
		w.wroteInAnyOrder(want...)
	},
	"users.lookupByEmail": func(w *world, fails func()) {
		boss := w.boss()
		w.serve()
		w.acknowledged(boss.Types(w.support, "/invent links")) // the list of Slack's users is in memory then, and answers instead
		boss.ExpectPrivate(w.support, "Links between Slack and Invent")
		fails()
		w.acknowledged(w.ada.Types(w.support, "/invent assign chat_1 grace@example.com"))
		w.support.ExpectMessage("@grace")
		w.grace.ExpectDM("@ada assigned it to you")
		w.wrote("chat_1 mem_grace")
	},
	"chat.postEphemeral": func(w *world, fails func()) {
		w.serve()
		w.slack.Fault(slacktest.Fault{Method: "response_url", Error: "used_url"})
		fails()
		w.acknowledged(w.ada.Types(w.support, "/invent show chat_1"))
		w.ada.ExpectPrivate(w.support, "chat_1")
		w.wrote()
	},
	"chat.unfurl": func(w *world, fails func()) {
		w.serve()
		fails()
		w.support.ExpectUnfurl(w.ada.Says(w.support, link+"chat_1"), link+"chat_1", "chat_1")
		w.wrote()
	},
	"views.publish": func(w *world, fails func()) {
		w.serve()
		w.listed()
		fails()
		w.acknowledged(w.ada.OpensHome())
		w.ada.ExpectHome("My conversations")
	},
	"views.update": func(w *world, fails func()) {
		w.serve()
		w.listed()
		fails()
		w.acknowledged(w.ada.Shortcut("take_one"))
		w.ada.ExpectModal("Jane Doe")
	},
	// A window that can't be opened in time is not opened later: the person is told at once, and clicks again.
	"views.open": func(w *world, fails func()) {
		w.serve()
		w.listed()
		card := w.shared("chat_1", "Nobody")
		fails()
		w.acknowledged(w.ada.Press(card, "Assign…"))
		w.ada.ExpectPrivate(w.support, "three seconds to open", "Nothing changed")
		w.until("Slack takes it again", func() bool {
			w.acknowledged(w.ada.Press(card, "Assign…"))
			return w.ada.Modal() != nil
		})
		w.wrote()
	},
}

// changesCards is a command and a click that redraw the cards of one conversation.
func (w *world) changesCards(fails func()) {
	w.serve()
	fails()
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")
	w.acknowledged(w.ada.Press(card, "Release"))
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
	w.support.ExpectUpdate(card, "@ada")
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_ada")
}

func noPlace(t *testing.T) {
	for _, code := range []string{"not_in_channel", "channel_not_found", "is_archived"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve()
			w.slack.Fault(slacktest.Fault{Method: "chat.postMessage", Error: code})
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
			w.support.ExpectMessage("@ada", "doesn't update by itself")
			w.wrote("chat_1 mem_ada")
		})
	}
}

func cardDeleted(t *testing.T) {
	w := newWorld(t)
	w.serve()
	w.takes().Delete()
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	second := w.support.ExpectMessage("Nobody")
	w.acknowledged(w.ada.Press(second, "Take"))
	w.support.ExpectUpdate(second, "@ada")
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_ada")
	if n := len(w.slack.CallsTo("chat.update")); n != 1 {
		t.Errorf("the deleted card was redrawn %d times, want one try", n)
	}
}

func hookFails(f slacktest.Fault) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t, slacktest.Patience(30*time.Second))
		w.serve()
		card := w.takes()
		w.slack.Fault(f)
		w.acknowledged(w.ada.Press(card, "Release"))
		w.support.ExpectUpdate(card, "Nobody")
		w.wrote("chat_1 mem_ada", "chat_1 -")
		w.slack.IgnoreLeftovers()
	}
}

// triggerExpires lets more than three seconds pass between a click and Slack's hearing of the window that it asks for.
func triggerExpires(t *testing.T) {
	clock := newClock()
	w := newWorld(t, slacktest.Now(clock.now))
	w.serve(clock.drive)
	w.listed()
	card := w.shared("chat_1", "Nobody")
	w.slack.AllowComplaint("expired_trigger_id")
	w.slack.AllowComplaint("exchanged_trigger_id")
	w.slack.Fault(slacktest.Fault{Method: "views.open", Delay: time.Second, Times: 1})
	clicked := make(chan *slacktest.Ack, 1)
	go func() { clicked <- w.ada.Press(card, "Assign…") }()
	eventually(t, "the window is on its way", func(context.Context) bool { return len(w.slack.CallsTo("views.open")) > 0 })
	clock.pass(4 * time.Second)
	w.acknowledged(<-clicked)
	if calls := w.slack.CallsTo("views.open"); len(calls) != 1 || calls[0].Error != "expired_trigger_id" {
		t.Errorf("views.open was called so: %+v", calls)
	}
	w.ada.ExpectPrivate(w.support, "three seconds to open", "Nothing changed")
	if w.ada.Modal() != nil {
		t.Error("a window is open")
	}
	again := w.acknowledged(w.ada.Press(card, "Assign…"))
	w.ada.ExpectModal("Assign a conversation")
	w.acknowledged(again.Again()) // its trigger is exchanged by now, and nothing is said of that
	w.wrote()
}

func twiceAtOnce(t *testing.T) {
	n, w := newNode(t), newWorld(t)
	store := n.open()
	first, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	second, _ := w.serve(func(c *bot.Config) { c.Cache = n.open() })
	body := commandBody("take chat_1")
	headers := signed(w.slack.Secret(), body, time.Now())
	var sending sync.WaitGroup
	for _, address := range []string{first, second, first, second} {
		sending.Go(func() {
			if got := post(t, address+"/slack/commands", form, body, headers); got != http.StatusOK {
				t.Errorf("answered %d", got)
			}
		})
	}
	sending.Wait()
	w.support.ExpectMessage("@ada")
	emptied(t, store)
	w.wrote("chat_1 mem_ada")
}

func replays(t *testing.T) {
	w := newWorld(t)
	clock := newClock()
	address, _ := w.serve(clock.drive)
	body := commandBody("take chat_1")
	headers := signed(w.slack.Secret(), body, time.Now())
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 200}, {4 * time.Minute, 200}, {2 * time.Minute, 401}} {
		clock.pass(c.after)
		if got := post(t, address+"/slack/commands", form, body, headers); got != c.want {
			t.Errorf("%s later: answered %d, want %d", c.after, got, c.want)
		}
		if c.after == 0 {
			w.support.ExpectMessage("@ada")
		}
	}
	w.wrote("chat_1 mem_ada")
	if body := get(t, address+"/metrics"); !strings.Contains(body, "\ninventbot_repeated_requests_total 1\n") {
		t.Error("the replay isn't counted")
	}
}

func clockOff(t *testing.T) {
	for _, d := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		w := newWorld(t)
		clock := newClock()
		clock.pass(d)
		w.serve(clock.drive)
		card := w.takes()
		w.acknowledged(w.ada.Press(card, "Release"))
		w.support.ExpectUpdate(card, "Nobody")
	}
}

// mostWords is how many private messages a person who clicks 100 times may get: one answers all clicks that were made before it was
// said, and a busy machine may take several of them.
const mostWords = 10

func hundredClicks(t *testing.T) {
	w := newWorld(t, slacktest.Patience(30*time.Second))
	w.drain = time.Millisecond // all that is open at the end are connections that nothing came through
	store := ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	card := w.shared("chat_1", "Nobody")
	emptied(t, store)
	before := len(w.slack.CallsTo("response_url"))
	var clicks sync.WaitGroup
	for range 100 {
		clicks.Go(func() {
			if a := w.ada.Clicks(card.Button("Take")); a.Status != http.StatusOK {
				t.Errorf("a click was answered with %d", a.Status)
			}
		})
	}
	clicks.Wait()
	w.support.ExpectUpdate(card, "@ada")
	w.ada.ExpectPrivate(w.support, "already")
	emptied(t, store) // all clicks are dealt with: a second change would have been made
	w.wrote("chat_1 mem_ada")
	private := len(w.slack.CallsTo("chat.postEphemeral"))
	for _, c := range w.slack.CallsTo("response_url")[before:] {
		if c.Args["replace_original"] != "true" && !strings.Contains(c.Args["text"], "Still on it") {
			private++
		}
	}
	if private < 1 || private > mostWords {
		t.Errorf("%d private messages, want one at least and %d at most", private, mostWords)
	}
	if posts := len(w.slack.CallsTo("chat.postMessage")); posts != 1 {
		t.Errorf("%d cards, want the one that was clicked", posts)
	}
	w.slack.IgnoreLeftovers()
}

// slowLoris sends requests that never end, a byte a second: of some the headers, of others the body.
func slowLoris(t *testing.T) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for name, c := range map[string]struct {
		begin  string
		closed time.Duration
		late   time.Duration
	}{
		"headers": {"POST /slack/commands HTTP/1.1\r\nHost: x\r\nX-Slow: ", 5 * time.Second, 8 * time.Second},
		// Without a timestamp it would be refused before its body is read.
		"body": {
			"POST /slack/commands HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Slack-Request-Timestamp: " + now + "\r\nX-Slack-Signature: v0=00\r\n\r\n",
			10 * time.Second, 14 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			address, _ := w.serve()
			var conns []net.Conn
			begun := time.Now()
			for range 200 {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if _, err := io.WriteString(conn, c.begin); err != nil {
					t.Fatal(err)
				}
				conns = append(conns, conn)
			}
			dialled := time.Now()
			go func() {
				second := time.NewTicker(time.Second)
				defer second.Stop()
				for t.Context().Err() == nil {
					for _, conn := range conns {
						_, _ = conn.Write([]byte("x"))
					}
					select {
					case <-second.C:
					case <-t.Context().Done():
					}
				}
			}()
			w.takes()
			for n, conn := range conns {
				_ = conn.SetReadDeadline(dialled.Add(c.late))
				if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("connection %d is still open after %s", n, time.Since(dialled))
				}
				if open := time.Since(begun); open < c.closed-time.Second {
					t.Fatalf("connection %d was closed after %s, want it after %s: for its slowness", n, open, c.closed)
				}
			}
		})
	}
}

// manyConnections needs a process of its own on the other side: one process may not have so many files open. Each connection has sent a
// request and could send another, as Slack's do; one that has sent nothing is closed after 5 s.
func manyConnections(t *testing.T) {
	most := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most); err != nil {
		t.Fatal(err)
	}
	want := int(min(10_000, most.Cur/2))
	if want < 10_000 {
		t.Logf("this machine allows a process %d open files: %d connections", most.Cur, want)
	}
	n, w := newNode(t), newWorld(t)
	c := startChild(t, w, n.url(), "")
	address := strings.TrimPrefix(c.address, "http://")
	answer := make([]byte, 1<<10)
	for n := range want {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
		if _, err := conn.Read(answer); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	w.takes()
	if open := counted(t, c.address, "process_open_fds"); open < want {
		t.Errorf("%d connections are open while the command comes, want %d", open, want)
	}
}

func gzipBomb(t *testing.T) {
	w := newWorld(t)
	address, _ := w.serve()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.Copy(z, io.LimitReader(zeros{}, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	headers := signed(w.slack.Secret(), packed.String(), time.Now())
	headers["Content-Encoding"] = "gzip"
	if got := post(t, address+"/slack/commands", form, packed.String(), headers); got != http.StatusBadRequest {
		t.Errorf("answered %d, want 400", got)
	}
	w.takes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// killedAtEachStep lets one process after the other die, each at another step of its own action; the last one does what is left. It
// does so with a command that makes a card, whose job ends with what is kept of the change, and with a click that changes a card,
// another one elsewhere, and whose the conversation is: its job is open until all are told.
func killedAtEachStep(t *testing.T) {
	t.Run("a command", func(t *testing.T) {
		t.Parallel()
		killedAt(t, func(w *world, n int) kill {
			chat := w.chat(fmt.Sprintf("chat_k%d", n))
			return kill{chat: chat, endsBefore: "the card is remembered", act: func() *slacktest.Ack { return w.ada.Types(w.support, "/invent take "+chat) }}
		}, func(w *world, k kill) {
			w.support.ExpectMessage(k.chat, "@ada")
			// Between Slack's answer and Redis's nobody else can know of the card.
			w.posted(k, 1, map[string]int{"the card is drawn": 2})
		})
	})
	t.Run("a click with more to show", func(t *testing.T) {
		t.Parallel()
		killedAt(t, func(w *world, n int) kill {
			chat := w.chat(fmt.Sprintf("chat_k%d", n))
			w.has(chat, "mem_grace")
			elsewhere := w.slack.AddChannel(slacktest.Channel{ID: fmt.Sprintf("CELSE%d", n), Name: fmt.Sprintf("else%d", n), BotIsMember: true})
			w.acknowledged(w.joan.Types(elsewhere, "/invent show "+chat))
			w.acknowledged(w.joan.Press(w.joan.ExpectPrivate(elsewhere, "@grace"), "Share here"))
			other, card := elsewhere.ExpectMessage(chat, "@grace"), w.shared(chat, "@grace")
			return kill{
				chat: chat, endsBefore: "the job is ended", act: func() *slacktest.Ack { return w.ada.Press(card, "Take over") },
				cards: map[*slacktest.Channel]*slacktest.Message{w.support: card, elsewhere: other},
			}
		}, func(w *world, k kill) {
			for channel, card := range k.cards {
				channel.ExpectUpdate(card, "@ada")
			}
			w.posted(k, len(k.cards), nil)
			w.grace.ExpectDM("You don't have", k.chat)
			if n := len(w.posts(k, w.grace.ID)); n > 1 {
				w.t.Errorf("killed when %s: who had it was told %d times", k.step, n)
			}
		})
	})
}

// kill is one process's end, and what it had to do.
type kill struct {
	chat       string
	act        func() *slacktest.Ack
	endsBefore string // the step at which its job is open no more
	cards      map[*slacktest.Channel]*slacktest.Message
	step       string
	at         time.Time
}

// killedAt lets a process die at each step of what was prepared for it, and starts one that wants nothing but that all is done: once, and
// within 30 s.
func killedAt(t *testing.T, prepare func(w *world, n int) kill, want func(w *world, k kill)) {
	n, w := newNode(t), newWorld(t, slacktest.Patience(45*time.Second))
	w.slack.AllowComplaint("dispatch_failed") // by whom it is acknowledged no more
	store := n.open()
	_, stop := w.serve(func(c *bot.Config) { c.Cache = n.open() })
	var kills []kill
	for i, step := range bot.Steps {
		k := prepare(w, i)
		k.step = step
		kills = append(kills, k)
	}
	emptied(t, store)
	stop()
	open := true
	for i := range kills {
		k := &kills[i]
		c := startChild(t, w, n.url(), k.step+"@"+k.chat)
		// Before it is at work it would only store the job, and the next process would die with two.
		w.acknowledged(w.joan.Types(w.support, "/invent show chat_1"))
		w.joan.ExpectPrivate(w.support, "chat_1")
		eventually(t, "nothing else is open in it", func(context.Context) bool { return !n.holds(slackui.Show, "chat_1") })
		if k.step == "it is stored, not acknowledged yet" {
			_ = c.stdin.Close() // without waiting for the acknowledgement
			if a := k.act(); a.Status != 0 {
				t.Errorf("acknowledged with %d by a process that died before", a.Status)
			}
		} else {
			w.acknowledged(k.act())
		}
		c.dies(t)
		k.at = time.Now()
		open = open && k.step != k.endsBefore
		if got := n.holds(slackui.Take, k.chat); got != open {
			t.Errorf("killed when %s: the job is open: %t, want %t", k.step, got, open)
		}
	}
	w.serve(func(c *bot.Config) { c.Cache = store })
	for _, k := range kills {
		want(w, k)
	}
	emptied(t, store)
	for _, k := range kills {
		var writes []time.Time
		for _, write := range w.invent.Writes() {
			if write.Chat == k.chat {
				writes = append(writes, write.At)
			}
		}
		if len(writes) != 1 {
			t.Errorf("killed when %s: %d writes", k.step, len(writes))
		}
		for _, at := range append(writes, w.drawings(k)...) {
			if late := at.Sub(k.at); late > 30*time.Second {
				t.Errorf("killed when %s: something was still done %s later", k.step, late)
			}
		}
	}
	w.slack.IgnoreLeftovers() // "Still on it"
}

// posted wants so many cards in all in the channels, or at most what is excused at that step.
func (w *world) posted(k kill, want int, excused map[string]int) {
	w.t.Helper()
	if n := len(w.posts(k, "C")); n < want || n > max(want, excused[k.step]) {
		w.t.Errorf("killed when %s: %d cards, want %d", k.step, n, want)
	}
}

// posts are the cards of a conversation that were posted to where the id begins like that.
func (w *world) posts(k kill, to string) (all []slacktest.Call) {
	for _, c := range w.slack.CallsTo("chat.postMessage") {
		if strings.Contains(c.Args["text"], k.chat) && strings.HasPrefix(c.Args["channel"], to) {
			all = append(all, c)
		}
	}
	return all
}

// drawings are the moments at which a card of the conversation was drawn or redrawn.
func (w *world) drawings(k kill) (all []time.Time) {
	for _, c := range w.slack.Calls() {
		if strings.Contains(c.Args["text"], k.chat) {
			all = append(all, c.At)
		}
	}
	return all
}

func stoppedInABurst(t *testing.T) {
	n, w := newNode(t), newWorld(t, slacktest.Patience(30*time.Second))
	store := n.open()
	_, stop := w.serve(func(c *bot.Config) { c.Cache = n.open() })
	var want []string
	for n := range 40 {
		want = append(want, w.chat(fmt.Sprintf("chat_%d", n+10)))
	}
	ended := make(chan struct{})
	for n, chat := range want {
		if n == len(want)/2 {
			go func() {
				defer close(ended)
				stop()
			}()
			w.serve(func(c *bot.Config) { c.Cache = store }) // a rolling deployment
		}
		w.acknowledged(w.ada.Types(w.support, "/invent take "+chat))
	}
	<-ended
	emptied(t, store)
	for _, chat := range want {
		w.support.ExpectMessage(chat, "@ada")
	}
	done := map[string]int{}
	for _, write := range w.invent.Writes() {
		done[write.Chat]++
	}
	for _, chat := range want {
		if done[chat] != 1 {
			t.Errorf("%s was written %d times", chat, done[chat])
		}
	}
}

func poison(t *testing.T) {
	w := newWorld(t, slacktest.Patience(30*time.Second))
	tries := 0
	w.steps = func(step string, j cache.Job) {
		if step == "the conversation is read" && bytes.Contains(j.Body, []byte("chat_1")) {
			tries++
			panic("poison")
		}
	}
	store := ownStore(t)
	address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.ada.ExpectPrivate(w.support, "ref ", "othing changed")
	emptied(t, store)
	if tries != 5 {
		t.Errorf("%d tries, want 5", tries)
	}
	aside, err := store.Aside(t.Context())
	if err != nil || len(aside) != 1 || aside[0].Tries != 5 {
		t.Fatalf("set aside: %v, %v", aside, err)
	}
	if bytes.Contains(aside[0].Body, []byte("http")) {
		t.Errorf("what is set aside holds a response_url: %s", aside[0].Body)
	}
	if body := get(t, address+"/metrics"); !strings.Contains(body, "\ninventbot_set_aside_jobs_total 1\n") {
		t.Error("it isn't counted")
	}
	if !strings.Contains(w.log.String(), "a job was set aside") {
		t.Error("the log doesn't say so")
	}
	w.chat("chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_2"))
	w.support.ExpectMessage("chat_2")
	w.wrote("chat_2 mem_ada")
	w.slack.IgnoreLeftovers() // "Still on it"
}

// TestPanicOnceWritten: who is told that it went wrong isn't told that nothing changed.
func TestPanicOnceWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.Patience(30*time.Second))
	w.steps = func(step string, _ cache.Job) {
		if step == "the card is drawn" {
			panic("poison")
		}
	}
	store := ownStore(t)
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AssigneeID = "mem_ada" }) // somebody whom the job knows by name
	w.acknowledged(w.ada.Types(w.support, "/invent release chat_1"))
	w.ada.ExpectPrivate(w.support, "may have been made", "ref ")
	emptied(t, store)
	w.wrote("chat_1 -")
	setAside(t, store, 0)
	w.slack.IgnoreLeftovers() // a card of each try, and "Still on it"
}

// killsEachTime lets five processes die of one job, the first two with another one under way.
func killsEachTime(t *testing.T) {
	n, w := newNode(t), newWorld(t, slacktest.Patience(45*time.Second))
	w.chat("chat_2")
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_2", Hang: true})
	for deaths := range 5 {
		c := startChild(t, w, n.url(), "the conversation is read@chat_1")
		if deaths == 0 {
			w.acknowledged(w.grace.Types(w.support, "/invent take chat_2"))
			w.until("Grace's is at work", func() bool { return asked(w, "/chats/chat_2") })
			w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		}
		c.dies(t)
		n.age()
		if deaths == 0 { // from now on it takes longer than the one that kills
			undo()
			w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/chats/chat_2", Delay: 100 * time.Millisecond})
		}
	}
	w.steps = func(step string, j cache.Job) {
		if step == "it is known who asks" && bytes.Contains(j.Body, []byte("chat_1")) {
			t.Error("it is tried a sixth time")
		}
	}
	store := n.open()
	address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
	w.ada.ExpectPrivate(w.support, "ref ", "may have been made")
	w.support.ExpectMessage("chat_2", "@grace")
	emptied(t, store)
	w.wrote("chat_2 mem_grace")
	setAside(t, store, 5)
	if body := get(t, address+"/metrics"); !strings.Contains(body, "\ninventbot_set_aside_jobs_total 1\n") {
		t.Error("it isn't counted")
	}
	if !strings.Contains(w.log.String(), "a job was set aside") {
		t.Error("the log doesn't say so")
	}
	w.slack.IgnoreLeftovers() // "Still on it"
}

// setAside wants one job to be set aside, which so many processes have died of, and nothing by which somebody could be answered or
// that tells who somebody is.
func setAside(t *testing.T, store *cache.Cache, dead int) {
	t.Helper()
	aside, err := store.Aside(t.Context())
	if err != nil || len(aside) != 1 || aside[0].Dead != dead {
		t.Fatalf("set aside: %v, %v, want one that %d processes died of", aside, err, dead)
	}
	for what, word := range map[string]string{"a response_url": "http", "an e-mail": "@", "a name": `"name"`} {
		if bytes.Contains(aside[0].Body, []byte(word)) {
			t.Errorf("what is set aside holds %s: %s", what, aside[0].Body)
		}
	}
}

// TestTakenOver has the test itself be the processes that die: how often, after how many tries, and how long after the request
// somebody comes who lives.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deaths, tries int
		later         time.Duration
		verb          slackui.Verb
		says          string // privately; "" when it is done
		aside         bool
	}{
		"once, after many tries of another cause": {deaths: 1, tries: 10},
		"four times": {deaths: 4},
		"five times": {deaths: 5, says: "may have been made", aside: true},
		"five times, and it wanted to change nothing":     {deaths: 5, verb: slackui.Show, says: "went wrong", aside: true},
		"six times: even the words were too much":         {deaths: 6, aside: true},
		"once, and too late":                              {deaths: 1, later: 3 * time.Minute, says: "restarted before your request was done"},
		"once, too late, and it wanted to change nothing": {deaths: 1, later: 3 * time.Minute, verb: slackui.Show, says: "answer for two minutes"},
		"twice, and too late":                             {deaths: 2, later: 3 * time.Minute, says: "may have been made", aside: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, w := newNode(t), newWorld(t, slacktest.Patience(45*time.Second))
			store := n.open()
			intent := slackui.Intent{V: slackui.Version, Key: "killer.1", Verb: cmp.Or(c.verb, slackui.Take), Chat: "chat_1", Team: "T0SANDBOX", User: w.ada.ID, Channel: w.support.ID, Sent: time.Now()}
			body, err := json.Marshal(map[string]any{"intent": intent})
			if err != nil {
				t.Fatal(err)
			}
			job := cache.Job{ID: "killer.1", Lane: "T0SANDBOX/chat_1", At: time.Now(), Tries: c.tries, Body: body}
			eventually(t, "it is stored", func(ctx context.Context) bool {
				_, _, err := store.Submit(ctx, job, 10, false)
				return err == nil
			})
			for range c.deaths {
				takenBy(t, n.open(), 0)
				n.age()
			}
			clock := newClock()
			clock.pass(c.later)
			w.serve(clock.drive, func(config *bot.Config) { config.Cache = store })
			done := c.says == "" && !c.aside
			switch {
			case done:
				w.support.ExpectMessage("chat_1", "@ada")
			case c.says != "":
				w.ada.ExpectPrivate(w.support, c.says, "ref ")
			}
			emptied(t, store)
			if c.aside {
				setAside(t, store, c.deaths)
			} else if aside, err := store.Aside(t.Context()); err != nil || len(aside) > 0 {
				t.Errorf("set aside: %v, %v, want nothing", aside, err)
			}
			if done {
				w.wrote("chat_1 mem_ada")
			} else {
				w.wrote()
			}
			// Whether the dead process has written is looked up once more, unless that itself may be what kills.
			if looks := c.deaths == 1 && c.verb == ""; !done && asked(w, "/chats/chat_1") != looks {
				t.Errorf("Invent was asked: %v, want %v", !looks, looks)
			}
		})
	}
}

// takenBy answers the one job that a process is handed which the test itself is. It needs no luck with the 250 ms that Redis has.
func takenBy(t *testing.T, process *cache.Cache, wait time.Duration) (j cache.Job) {
	t.Helper()
	eventually(t, "a job is handed out", func(ctx context.Context) bool {
		list, err := process.Next(ctx, 1, max(wait, time.Millisecond))
		if err != nil || len(list) == 0 {
			list, err = process.Reap(ctx, 1) // of a dead process, or of an answer that was lost
		}
		if err != nil || len(list) == 0 {
			return false
		}
		j = list[0]
		return true
	})
	return j
}

// asked says whether Invent was asked for that path.
func asked(w *world, path string) bool {
	return slices.ContainsFunc(w.invent.Requests(), func(r inventtest.Request) bool { return strings.HasSuffix(r.Path, path) })
}

// newerVersion has the test itself be the process of the newer version.
func newerVersion(t *testing.T) {
	n, w := newNode(t), newWorld(t)
	older, newer := n.open(), n.open()
	_, stop := w.serve(func(c *bot.Config) { c.Cache = older })
	body, err := json.Marshal(map[string]any{"intent": map[string]any{ // of a verb that the older one knows, but may take for something else
		"v": slackui.Version + 1, "key": "new.1", "verb": "take", "chat": "chat_1", "channel": "CSUPPORT", "team": "T0SANDBOX", "user": "UADA", "notes": []int{1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	job := cache.Job{ID: "new.1", Lane: "T0SANDBOX/chat_1", At: time.Now(), Body: body}
	eventually(t, "it is stored", func(ctx context.Context) bool {
		_, _, err := newer.Submit(ctx, job, 10, false)
		return err == nil
	})
	job = takenBy(t, newer, 5*time.Second) // longer than the other waits: who waits longest is served first
	if !bytes.Equal(job.Body, body) {
		t.Errorf("it comes back as %s", job.Body)
	}
	eventually(t, "it is ended", func(ctx context.Context) bool { return newer.Done(ctx, job) == nil })
	stop()
	emptied(t, newer)
	w.wrote()
}
