package bot_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// scopes are those of manifest.yml; TestManifest keeps them equal.
var scopes = []string{
	"commands", "chat:write", "users:read", "users:read.email",
	"channels:read", "groups:read", "im:read", "mpim:read", "links:read", "links:write",
}

// world is a workspace, an organisation in Invent, and the bot between them.
type world struct {
	t       *testing.T
	slack   *slacktest.Workspace
	invent  *inventtest.Invent
	log     *buffer
	steps   func(step string, j cache.Job) // what is to happen at the steps of an action; nil
	store   *cache.Cache                   // of the bot that was started last
	drain   time.Duration                  // for what is open when a bot is stopped
	support *slacktest.Channel             // the bot is a member
	random  *slacktest.Channel             // the bot isn't

	ada, grace, joan *slacktest.Person // members
	linus            *slacktest.Person // nobody in Invent
}

// newWorld sets up people, channels and one conversation, chat_1, that nobody has. The bot is started by serve.
func newWorld(t *testing.T, opts ...slacktest.Option) *world {
	t.Helper()
	w := &world{t: t, log: &buffer{}, drain: 5 * time.Second}
	w.slack = slacktest.New(t, append([]slacktest.Option{slacktest.Scopes(scopes...), slacktest.Tolerates("Still on it")}, opts...)...)
	w.slack.UnfurlDomains = []string{"useinvent.com"}
	w.invent = inventtest.Start()
	t.Cleanup(w.invent.Close)
	t.Cleanup(func() { w.keepsSecrets("the log", w.log.String()) })
	t.Cleanup(func() {
		for _, c := range w.invent.Complaints() {
			t.Errorf("Invent complains: %s", c)
		}
	})
	add := func(id, name, full string) *slacktest.Person {
		w.invent.AddMember(invent.Member{ID: "mem_" + name, UserID: "usr_" + name, Name: full, Email: name + "@example.com"})
		return w.slack.AddUser(slacktest.User{ID: id, Name: name, RealName: full, Email: strings.ToUpper(name[:1]) + name[1:] + "@Example.com"})
	}
	w.ada, w.grace, w.joan = add("UADA", "ada", "Ada"), add("UGRACE", "grace", "Grace"), add("UJOAN", "joan", "Joan")
	w.linus = w.slack.AddUser(slacktest.User{ID: "ULINUS", Name: "linus", RealName: "Linus", Email: "linus@example.com"})
	w.support = w.slack.AddChannel(slacktest.Channel{ID: "CSUPPORT", Name: "support", BotIsMember: true})
	w.random = w.slack.AddChannel(slacktest.Channel{ID: "CRANDOM", Name: "random"})
	w.chat("chat_1")
	return w
}

// chat adds a conversation that nobody has.
func (w *world) chat(id string) string {
	return w.invent.AddChat(inventtest.Chat{
		ID: id, Customer: "Jane Doe", Channel: "whatsapp_bot", Assistant: "Support Bot", State: invent.Open,
		LastContactMessageAt: time.Now().Add(-time.Minute), Unseen: 3,
	})
}

// has lets a member have the conversation since a while ago.
func (w *world) has(chat, member string) {
	w.invent.SetChat(chat, func(c *inventtest.Chat) {
		c.AssigneeID, c.AssignedAt = member, time.Now().Add(-time.Hour)
	})
}

// serve starts a bot on its own listener and makes it the one that Slack talks to. What it answers ends the bot as
// SIGTERM would; the test's end does that too.
func (w *world) serve(change ...func(*bot.Config)) (address string, stop func()) {
	w.t.Helper()
	team := bot.NewTeam(bot.NewSlack(w.slack.Token(), w.slack.URL()),
		invent.New(invent.Options{URL: w.invent.URL(), Key: w.invent.Key(), Org: "c", Timeout: 2 * time.Second, Wrap: bot.TimeInvent}))
	c := bot.Config{
		Secrets: []string{"old", w.slack.Secret()}, Teams: team.Only, Probe: team,
		ChatURL:   "https://useinvent.com/o/inbox/{chat_id}",
		SlackHost: strings.TrimSuffix(strings.TrimPrefix(w.slack.URL(), "http://"), "/api/"),
		Log:       slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	if c.Cache == nil {
		store, err := cache.OpenInProcess()
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = store.Close() })
		c.Cache = store
	}
	w.store = c.Cache
	b, err := bot.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.steps != nil {
		b.OnStep(w.steps)
	}
	l, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, l, w.drain) }()
	stop = sync.OnceFunc(func() {
		_, metrics := peek(w.t, "http://"+l.Addr().String()+"/metrics")
		w.keepsSecrets("the metrics", metrics)
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("serving ended with %v", err)
		}
	})
	w.t.Cleanup(stop)
	address = "http://" + l.Addr().String()
	w.slack.SetBot(address)
	return address, stop
}

// stopping has a bot stop beside the test. What it answers is closed when it has.
func stopping(stop func()) <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	return stopped
}

// rest waits until no job runs, so that what the clock does next concerns none that seems to be over: it ends a moment after its words.
// Those that wait for another try go on waiting.
func (w *world) rest() {
	w.t.Helper()
	eventually(w.t, "no job runs", func(ctx context.Context) bool {
		d, err := w.store.Depth(ctx)
		return err == nil && d.Oldest == 0
	})
}

// keepsSecrets wants nothing in a log or in metrics that must not be there. Each test of the bot asks for it at its end.
func (w *world) keepsSecrets(where, text string) {
	w.t.Helper()
	for what, secret := range map[string]string{
		"Slack's token": w.slack.Token(), "the signing secret": w.slack.Secret(), "Invent's key": w.invent.Key(),
		"an e-mail": "@example.com", "a customer's name": "jane doe", "a response_url": "/response/", "a customer's e-mail": inventtest.CustomerEmail,
		"a customer's number": inventtest.CustomerPhone, "an assistant's instructions": inventtest.SecretPrompt,
	} {
		if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
			w.t.Errorf("%s holds %s: …%s…", where, what, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// peek is what an address answers; 0 and "" when it doesn't.
func peek(t *testing.T, address string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	r, err := http.NewRequest(http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// wrote wants exactly these writes at Invent, each "chat member" or "chat -" for nobody.
func (w *world) wrote(want ...string) {
	w.t.Helper()
	got := w.writes()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("Invent was written %q, want %q", got, want)
	}
}

func (w *world) writes() (all []string) {
	for _, r := range w.invent.Writes() {
		member := "-"
		if r.Member != nil {
			member = *r.Member
		}
		all = append(all, r.Chat+" "+member)
	}
	return all
}

// wroteInAnyOrder is wrote for conversations that are independent of each other.
func (w *world) wroteInAnyOrder(want ...string) {
	w.t.Helper()
	got := w.writes()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("Invent was written (-want +got):\n%s", diff)
	}
}

// acknowledged wants Slack's request answered with 200.
func (w *world) acknowledged(a *slacktest.Ack) *slacktest.Ack {
	w.t.Helper()
	if a.Status != 200 || a.Err != "" {
		w.t.Fatalf("the request was answered with %d %q %s", a.Status, a.Err, a.Body)
	}
	return a
}

// buffer is a log that many goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// clock is the bot's clock, moved by hand: it goes as the real one and can be put forward.
type clock struct {
	mu      sync.Mutex
	ahead   time.Duration
	stopped time.Time // zero while it goes
}

func newClock() *clock { return &clock{} }

func (c *clock) drive(config *bot.Config) { config.Now = c.now }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.ahead)
	}
	return time.Now().Add(c.ahead)
}

// stop stops the clock: it goes only by pass from then on.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func member(name string) invent.Member {
	return invent.Member{ID: "mem_" + name, UserID: "usr_" + name, Name: strings.ToUpper(name), Email: name + "@example.com"}
}

// get answers the body of one of the bot's open routes.
func get(t *testing.T, address string) string {
	t.Helper()
	status, body := peek(t, address)
	if status != http.StatusOK {
		t.Fatalf("%s answered %d", address, status)
	}
	return body
}

// passUntil puts the clock forward, step by step, until it holds or ctx ends.
func (c *clock) passUntil(ctx context.Context, step time.Duration, holds func() bool) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for !holds() && ctx.Err() == nil {
		c.pass(step)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
