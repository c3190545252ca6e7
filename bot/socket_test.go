package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/invent"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// connect serves a bot that has no signing secret and connects to Slack itself.
func (w *world) connect(change ...func(*bot.Config)) (address string, stop func()) {
	w.t.Helper()
	address, stop = w.serve(append([]func(*bot.Config){func(c *bot.Config) {
		c.Secrets = nil
		c.Socket = bot.NewSlack(w.slack.Token(), w.slack.URL(), slack.OptionAppLevelToken(w.slack.AppToken()))
	}}, change...)...)
	w.slack.ExpectSockets(2)
	return address, stop
}

func newSocketWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, slacktest.SocketMode("xapp-sandbox-token"))
}

func TestSocketMode(t *testing.T) {
	t.Parallel()
	t.Run("commands and clicks become the same jobs", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		w.connect()
		w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		card := w.support.ExpectMessage("Jane Doe", "@ada")
		w.acknowledged(w.grace.Press(card, "Take over"))
		w.support.ExpectUpdate(card, "@grace")
		w.grace.ExpectPrivate(w.support, "Back to Ada")
		w.ada.ExpectDM("You don't have this conversation any more")
		w.ada.ExpectDM("@grace changed its assignee")
		w.acknowledged(w.grace.Press(card, "Release"))
		w.support.ExpectUpdate(card, "Nobody")
		w.slack.IgnoreLeftovers() // Ada's card, redrawn
		w.wrote("chat_1 mem_ada", "chat_1 mem_grace", "chat_1 -")
		for _, secret := range []string{w.slack.AppToken(), w.slack.Token(), "ticket="} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	t.Run("what is said at once stands in the acknowledgement", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		w.connect()
		w.acknowledged(w.ada.Types(w.support, "/invent help"))
		w.ada.ExpectPrivate(w.support, "/invent take <conversation>")
		if got := len(w.slack.CallsTo("response_url")); got != 0 {
			t.Errorf("%d calls to the response_url, want none", got)
		}
		w.wrote()
	})
	t.Run("events are acknowledged without an answer", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		w.connect()
		w.acknowledged(w.slack.Event(map[string]any{"type": "app_home_opened", "user": "UADA", "tab": "home", "view": map[string]any{"state": map[string]any{"values": []any{}}}}))
		w.ada.ExpectHome("You are *Ada*")
		w.ada.ExpectDM("takes, hands over and releases")
	})
	t.Run("a repeated request is done once", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		w.connect()
		ack := w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
		w.acknowledged(ack.Again())
		w.support.ExpectMessage("@ada")
		w.wrote("chat_1 mem_ada")
	})
	t.Run("what is malformed is not acknowledged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.AckWithin(300*time.Millisecond))
		w.connect()
		if ack := w.slack.Send("/slack/commands", form, []byte("command=/invent")); ack.Err != "operation_timeout" {
			t.Errorf("a command without a team was answered with %d %q, want no acknowledgement", ack.Status, ack.Err)
		}
		w.acknowledged(w.slack.Send("/slack/interactions", form, []byte(`payload={"type":"of_tomorrow"}`)))
		ack := w.acknowledged(w.slack.Send("/slack/options", form, []byte(`payload={"type":"block_suggestion"}`)))
		var answer map[string][]any
		if err := json.Unmarshal(ack.Body, &answer); err != nil || answer["options"] == nil {
			t.Errorf("a question for options was answered with %s", ack.Body)
		}
	})
	t.Run("what is larger than a request over HTTP may be isn't read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.AckWithin(300*time.Millisecond))
		w.connect()
		if ack := w.slack.Send("/slack/commands", form, []byte(commandBody(strings.Repeat("x", 1<<20)))); ack.Err != "operation_timeout" {
			t.Errorf("it was answered with %d %q, want no acknowledgement", ack.Status, ack.Err)
		}
		w.slack.ExpectSockets(2) // the one that it came through is opened anew
	})
	t.Run("an answer that Slack would drop is left out of the acknowledgement", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		w.slack.AllowComplaint("is no JSON") // the select stays empty
		for n := range 100 {
			name := strings.Repeat("<", 60) + fmt.Sprint(n) // six bytes each in JSON
			w.invent.AddMember(invent.Member{ID: fmt.Sprint("mem_", n), Name: name, Email: fmt.Sprintf("%d@example.com", n)})
		}
		w.connect()
		w.acknowledged(w.ada.Press(w.shared("chat_1", "Nobody"), "Assign…"))
		modal := w.ada.ExpectModal("Assign")
		w.until("the members are known", func() bool {
			_, ack := w.ada.Options(modal, "who_pick", "<")
			return len(w.acknowledged(ack).Body) == 0
		})
	})
	t.Run("without a signing secret the routes of Slack's requests refuse everything", func(t *testing.T) {
		t.Parallel()
		w := newSocketWorld(t)
		address, _ := w.connect()
		body := commandBody("take chat_1")
		for _, route := range slackRoutes {
			if got := post(t, address+route, form, body, signed(w.slack.Secret(), body, time.Now())); got != http.StatusUnauthorized {
				t.Errorf("%s answered %d, want 401", route, got)
			}
		}
		w.wrote()
	})
}

// TestRequestThatPanics: a bug that a request meets fails that request, over Socket Mode too.
func TestRequestThatPanics(t *testing.T) {
	t.Parallel()
	panics := func(c *bot.Config) {
		teams, met := c.Teams, atomic.Bool{}
		c.Teams = func(ctx context.Context, team, enterprise string) (*bot.Team, error) {
			if !met.Swap(true) {
				panic("a bug")
			}
			return teams(ctx, team, enterprise)
		}
	}
	for name, tc := range map[string]struct {
		world *world
		serve func(*world)
		err   string
	}{
		"HTTP": {newWorld(t), func(w *world) { w.serve(panics) }, "dispatch_failed"},
		"Socket Mode": {
			newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.AckWithin(300*time.Millisecond)),
			func(w *world) { w.connect(panics) }, "operation_timeout",
		},
	} {
		tc.world.slack.AllowComplaint(tc.err)
		tc.serve(tc.world)
		if ack := tc.world.ada.Shortcut(slackui.TakeShortcut); ack.Err != tc.err {
			t.Errorf("%s: the person reads %q, want %q", name, ack.Err, tc.err)
		}
		if !strings.Contains(tc.world.log.String(), `"level":"ERROR","msg":"a request made the bot panic"`) {
			t.Errorf("%s: the log doesn't say so", name)
		}
		tc.world.acknowledged(tc.world.ada.Types(tc.world.support, "/invent help"))
		tc.world.ada.ExpectPrivate(tc.world.support, "What you can type")
	}
}

func TestSocketModeRenewsItsConnections(t *testing.T) {
	t.Parallel()
	w := newSocketWorld(t)
	address, _ := w.connect()
	w.until("it is ready", func() bool {
		resp, err := http.Get(address + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode == http.StatusOK && strings.Contains(string(body), `"socket":"ok"`)
	})
	for range 3 {
		w.slack.RefreshSocket()
		w.acknowledged(w.ada.Types(w.support, "/invent help")) // through the other
		w.ada.ExpectPrivate(w.support, "What you can type")
		w.slack.ExpectSockets(2)
	}
	w.slack.DropSockets()
	w.slack.ExpectSockets(2)
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.support.ExpectMessage("@ada")
}

func TestSocketModeStopsOrderly(t *testing.T) {
	t.Parallel()
	w := newSocketWorld(t)
	_, stop := w.connect()
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 500 * time.Millisecond, Times: 1})
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	w.until("the change is under way", func() bool { return patched(w) > 0 })
	stop()
	w.support.ExpectMessage("@ada") // what only this process knew of was finished
	w.slack.ExpectSockets(0)
	w.wrote("chat_1 mem_ada")
}

// slowly lets requests that ask for a team be answered once goOn is closed; waiting counts those that came.
func slowly(c *bot.Config) (waiting *atomic.Int64, goOn chan struct{}) {
	teams := c.Teams
	waiting, goOn = &atomic.Int64{}, make(chan struct{})
	c.Teams = func(ctx context.Context, team, enterprise string) (*bot.Team, error) {
		waiting.Add(1)
		<-goOn
		return teams(ctx, team, enterprise)
	}
	return waiting, goOn
}

// TestSocketModeAnswersBeforeItStops: what has come through a connection is answered before that is closed, however many there are, also
// what comes while the others are answered.
func TestSocketModeAnswersBeforeItStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.AckWithin(30*time.Second))
	var waiting *atomic.Int64
	var goOn chan struct{}
	address, stop := w.connect(func(c *bot.Config) { waiting, goOn = slowly(c) })
	const requests, late = 20, 2
	acks := make(chan *slacktest.Ack, requests+late)
	for range requests {
		go func() { acks <- w.ada.Shortcut(slackui.TakeShortcut) }()
	}
	w.until("they have come", func() bool { return waiting.Load() == requests })
	stopped := stopping(stop)
	eventually(t, "it stops", func(context.Context) bool {
		status, _ := peek(t, address+"/healthz")
		return status == 0
	})
	for range late {
		go func() { acks <- w.ada.Types(w.support, "/invent help") }()
	}
	time.AfterFunc(time.Second, func() { close(goOn) }) // as long as a request may well take
	for range requests + late {
		w.acknowledged(<-acks)
	}
	<-stopped
	w.slack.ExpectSockets(0)
	w.slack.IgnoreLeftovers() // the windows, and the help
}

// TestSocketModeStopsWithoutSlack: no answer that can't be given any more keeps the bot from stopping.
func TestSocketModeStopsWithoutSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.AckWithin(300*time.Millisecond))
	w.slack.AllowComplaint("operation_timeout")
	var waiting *atomic.Int64
	var goOn chan struct{}
	_, stop := w.connect(func(c *bot.Config) { waiting, goOn = slowly(c) })
	const requests = 60 // more than slack-go keeps for later
	var clicks sync.WaitGroup
	for range requests {
		clicks.Go(func() { w.ada.Shortcut(slackui.TakeShortcut) })
	}
	w.until("they have come", func() bool { return waiting.Load() == requests })
	w.slack.Fault(slacktest.Fault{Method: "apps.connections.open", Status: 500})
	w.slack.DropSockets()
	w.slack.ExpectSockets(0)
	close(goOn)
	stop()
	clicks.Wait()
	w.slack.IgnoreLeftovers() // the windows
}

// TestSocketModeComesBack: without a connection the bot isn't ready and says why, and whatever Slack said, it soon tries again.
func TestSocketModeComesBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault slacktest.Fault
		why   string
	}{
		"refused":              {slacktest.Fault{Method: "apps.connections.open", Error: "invalid_auth", Times: 2}, "invalid_auth"},
		"not for some minutes": {slacktest.Fault{Method: "apps.connections.open", Status: http.StatusTooManyRequests, RetryAfter: 300, Times: 2}, "ratelimited"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"), slacktest.Patience(time.Minute))
			w.slack.AllowComplaint("before the time in Retry-After")
			address, _ := w.connect(func(c *bot.Config) { // without the gates that keep such times
				c.Socket = slack.New(w.slack.Token(), slack.OptionAPIURL(w.slack.URL()), slack.OptionAppLevelToken(w.slack.AppToken()))
			})
			w.slack.Fault(c.fault)
			w.slack.DropSockets()
			w.until("it isn't ready and says why", func() bool {
				status, body := peek(t, address+"/readyz")
				return status == http.StatusServiceUnavailable && strings.Contains(body, c.why)
			})
			w.slack.ExpectSockets(2)
			w.until("it is ready", func() bool { return readyz(t.Context(), address) == http.StatusOK })
			w.takes()
		})
	}
}

// TestSocketModeFarewell: for as long as it says that it stops, it does what comes through a connection, as it does what comes over HTTP.
func TestSocketModeFarewell(t *testing.T) {
	t.Parallel()
	w := newSocketWorld(t)
	address, stop := w.connect(func(c *bot.Config) { c.Farewell = time.Second })
	stopped := stopping(stop)
	eventually(t, "it says that it stops", func(ctx context.Context) bool { return readyz(ctx, address) == http.StatusServiceUnavailable })
	w.takes()
	w.slack.ExpectSockets(0)
	if got := readyz(t.Context(), address); got != 0 {
		t.Errorf("the connections are closed, and /readyz answers %d still", got)
	}
	<-stopped
}

// TestSocketModeRefused: without a connection the bot isn't ready, says why, and goes on trying.
func TestSocketModeRefused(t *testing.T) {
	t.Parallel()
	w := newSocketWorld(t)
	w.slack.AllowComplaint("apps.connections.open: invalid_auth")
	address, _ := w.serve(func(c *bot.Config) {
		c.Secrets = nil
		c.Socket = bot.NewSlack(w.slack.Token(), w.slack.URL(), slack.OptionAppLevelToken("xapp-of-another"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for changes := w.slack.Watch(ctx); ; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var state struct{ Socket string }
		err = json.NewDecoder(resp.Body).Decode(&state)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("ready answers %d, %v, want 503", resp.StatusCode, err)
		}
		if strings.Contains(state.Socket, "invalid_auth") {
			break
		}
		select {
		case <-changes:
		case <-time.After(20 * time.Millisecond): // the answer is there before the bot has heard it
		}
	}
	if !strings.Contains(w.log.String(), "Slack can't be reached over Socket Mode") || strings.Contains(w.log.String(), "xapp-of-another") {
		t.Error("the log doesn't say it, or holds the token")
	}
}
