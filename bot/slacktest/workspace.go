// Package slacktest is a pretended Slack workspace, as strict as the real one, for tests and for the sandbox.
//
// It serves the Web API and the response_urls that a bot calls, and sends the bot the signed requests that Slack sends:
// commands, clicks, options, modal submissions, events. A test speaks as people do: [Person.Types] a command, expects a
// card ([Channel.ExpectMessage]), [Person.Clicks] its button, expects its update ([Channel.ExpectUpdate]).
// What Slack would refuse is refused in Slack's words; what a careful bot would not have sent is recorded as a complaint,
// and in a workspace made by [New] a complaint, or a message that nobody expected, fails the test.
//
// What happens to careful bots too is no complaint: a channel the bot is no member of, an archived or unknown channel, a message
// or a person that is gone, a stale hash, a revoked token, a rate limit, a provoked [Fault].
//
// With [SocketMode] the bot is not called: it connects, as to Slack's Socket Mode.
//
// It does not do OAuth, files, reactions, search, scheduled messages, incoming webhooks, or the composer's previews of links. It
// refuses block types that [CheckMessage] doesn't name, although Slack may know them. It keeps everything it was sent until Close.
package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Names that every workspace has.
const (
	botUserID = "U0INVENTBOT"
	botID     = "B0INVENTBOT"
	botName   = "invent"
	appID     = "A0INVENTBOT"
	domain    = "sandbox"
)

// Workspace is one pretended Slack workspace with one installed bot. Its methods may be called from any goroutine, except those
// that expect something: they may end the test with FailNow, and so must run on the test's own goroutine.
type Workspace struct {
	// Escape is should_escape in the manifest: people and channels in a command's text arrive as <@U1|ada> and <#C1|support>.
	// Set it before the first command.
	Escape bool

	// UnfurlDomains are the unfurl_domains of the manifest: the bot is told of links to them. Set it before the first message.
	UnfurlDomains []string

	tb       testing.TB // nil outside tests
	teamID   string
	entID    string
	secret   string
	token    string
	appToken string // empty: no Socket Mode
	now      func() time.Time
	ackLimit time.Duration
	patience time.Duration
	server   *httptest.Server
	client   *http.Client
	done     chan struct{}
	alive    context.Context
	kill     context.CancelFunc
	closing  sync.Once
	watchers sync.WaitGroup

	mu         sync.Mutex // never held while the bot is called
	bot        string
	scopes     map[string]bool
	changed    chan struct{} // closed and replaced at each change that people or tests can see
	lastTS     int64
	users      map[string]*User
	userOrder  []string
	channels   map[string]*Channel
	chanOrder  []string
	dms        map[string]string             // user id → D…
	posts      map[string][]*post            // by channel
	byTS       map[string]map[string]*post   // channel → ts
	hooks      map[string]*hook              // response_urls by their random part
	triggers   map[string]*trigger           // by trigger_id
	views      map[string]*view              // by view id
	modals     map[string][]string           // user id → view ids, the top one last
	homes      map[string]string             // user id → view id
	choices    map[string]map[string]*Choice // view id/action id → what an external select offered last
	events     map[string]map[string]any     // envelopes by event_id
	complaints []string
	allowed    []string
	calls      []Call
	faults     []*armed
	revoked    bool
	limited    bool
	limits     map[string]limit // by method
	buckets    map[string]*bucket
	pauses     map[string]pause
	ignoring   bool
	tolerated  []string
	tickets    map[string]bool // each good for opening one connection
	sockets    []*socket
	envelopes  map[string]*envelope // sent and not acknowledged, by envelope_id
	turn       int                  // which socket is next
}

// Option changes what [Start] and [New] make.
type Option func(*Workspace)

// Team sets the workspace's id; T0SANDBOX by default.
func Team(id string) Option { return func(w *Workspace) { w.teamID = id } }

// Enterprise puts the workspace into an Enterprise Grid organisation.
func Enterprise(id string) Option { return func(w *Workspace) { w.entID = id } }

// Secret sets the signing secret.
func Secret(s string) Option { return func(w *Workspace) { w.secret = s } }

// Scopes sets the token's scopes; by default commands, chat:write, users:read and users:read.email.
func Scopes(scopes ...string) Option {
	return func(w *Workspace) {
		w.scopes = map[string]bool{}
		for _, s := range scopes {
			w.scopes[s] = true
		}
	}
}

// Now sets Slack's clock: for timestamps, signatures, the expiry of trigger_ids and response_urls, and rate limits. How long the bot may
// take to acknowledge, and how long an expectation waits, is always real time.
func Now(now func() time.Time) Option { return func(w *Workspace) { w.now = now } }

// AckWithin sets how long the bot may take to acknowledge; 3 s in Slack and by default.
func AckWithin(d time.Duration) Option { return func(w *Workspace) { w.ackLimit = d } }

// Patience sets how long an expectation waits before it fails; 10 s by default.
func Patience(d time.Duration) Option { return func(w *Workspace) { w.patience = d } }

// Tolerates makes a message that shows these words no leftover although nobody expected it: for what a bot says only when it is slow.
func Tolerates(words string) Option {
	return func(w *Workspace) { w.tolerated = append(w.tolerated, words) }
}

// Start opens a workspace without a test around it. Expectations that are not met return nil and are recorded as complaints.
// The caller closes it. It panics if there is no free loopback port.
func Start(opts ...Option) *Workspace {
	w := &Workspace{
		Escape:   true,
		teamID:   "T0SANDBOX",
		secret:   "sandbox-signing-secret",
		token:    "xoxb-sandbox-token",
		now:      time.Now,
		ackLimit: 3 * time.Second,
		patience: 10 * time.Second,
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		users:    map[string]*User{},
		channels: map[string]*Channel{},
		dms:      map[string]string{},
		posts:    map[string][]*post{},
		byTS:     map[string]map[string]*post{},
		hooks:    map[string]*hook{},
		triggers: map[string]*trigger{},
		views:    map[string]*view{},
		modals:   map[string][]string{},
		homes:    map[string]string{},
		choices:  map[string]map[string]*Choice{},
		events:   map[string]map[string]any{},
		limits:   map[string]limit{},
		buckets:  map[string]*bucket{},
		pauses:   map[string]pause{},

		tickets: map[string]bool{}, envelopes: map[string]*envelope{},
	}
	Scopes("commands", "chat:write", "users:read", "users:read.email")(w)
	for _, o := range opts {
		o(w)
	}
	w.alive, w.kill = context.WithCancel(context.Background())
	w.users[botUserID] = &User{ID: botUserID, Name: botName, RealName: "Invent", Bot: true, TeamID: w.teamID}
	w.userOrder = append(w.userOrder, botUserID)
	w.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // Slack doesn't follow redirects either
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", w.serveAPI)
	mux.HandleFunc("/response/", w.serveResponseURL)
	mux.HandleFunc("/socket", w.serveSocket)
	w.server = httptest.NewServer(mux)
	return w
}

// New opens a workspace for one test and closes it at the end. Then complaints that were not allowed, and messages or redrawings that
// nobody expected, fail the test. Stop the bot before that, in a t.Cleanup registered after New.
func New(t testing.TB, opts ...Option) *Workspace {
	t.Helper()
	w := Start(opts...)
	w.tb = t
	t.Cleanup(func() {
		w.Close()
		for _, c := range w.unexpectedComplaints() {
			t.Errorf("slack complains: %s", c)
		}
		if t.Failed() {
			return // what is left over after a failure only hides it
		}
		if err := w.ExpectNothing(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// URL is the base of the Web API, with the slash at the end that slack-go wants. response_urls are on the same host.
func (w *Workspace) URL() string { return w.server.URL + "/api/" }

// Secret is what requests to the bot are signed with.
func (w *Workspace) Secret() string { return w.secret }

// AppToken is the app-level token; empty without Socket Mode.
func (w *Workspace) AppToken() string { return w.appToken }

// Token is the bot's token.
func (w *Workspace) Token() string { return w.token }

// TeamID is the workspace's id.
func (w *Workspace) TeamID() string { return w.teamID }

// EnterpriseID is empty unless [Enterprise] was given.
func (w *Workspace) EnterpriseID() string { return w.entID }

// BotUserID is the user that the bot posts as.
func (w *Workspace) BotUserID() string { return botUserID }

// BotID is the bot_id of its messages.
func (w *Workspace) BotID() string { return botID }

// SetBot says where the bot listens, without a path: http://127.0.0.1:8080. Until then, every request to it is a dispatch_failed.
func (w *Workspace) SetBot(url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bot = strings.TrimRight(url, "/")
}

// Close ends the server, requests under way in either direction, and all Watch channels. It may be called more than once.
func (w *Workspace) Close() {
	w.closing.Do(func() {
		w.mu.Lock()
		close(w.done)
		w.mu.Unlock()
		w.kill()
		w.server.CloseClientConnections()
		w.server.Close()
		w.client.CloseIdleConnections()
		w.watchers.Wait()
	})
}

// Complaints are all complaints so far, including the allowed ones.
func (w *Workspace) Complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.complaints)
}

// AllowComplaint keeps complaints that contain this, earlier ones too, from failing the test: for tests that provoke them.
func (w *Workspace) AllowComplaint(substring string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = append(w.allowed, substring)
}

func (w *Workspace) unexpectedComplaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.complaints), func(c string) bool {
		return slices.ContainsFunc(w.allowed, func(a string) bool { return strings.Contains(c, a) })
	})
}

// complain must be called with the mutex held.
func (w *Workspace) complain(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
	w.touch()
}

// touch must be called with the mutex held, after a change.
func (w *Workspace) touch() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// Watch returns a channel that signals changes that people can see; several changes may make one signal. The channel is
// closed when the context or the workspace ends.
func (w *Workspace) Watch(ctx context.Context) <-chan struct{} {
	out := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.changed
	select {
	case <-w.done: // Close may be waiting for the watchers already: start none
		close(out)
		return out
	default:
	}
	w.watchers.Go(func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.done:
				return
			case <-changed:
			}
			w.mu.Lock()
			changed = w.changed
			w.mu.Unlock()
			select {
			case out <- struct{}{}:
			default:
			}
		}
	})
	return out
}

// Sign makes the X-Slack-Signature of a request body: v0= and the hex HMAC-SHA256, by the secret, of "v0:" timestamp ":" body.
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func Sign(secret, ts string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + ts + ":"))
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// Ack is what became of one request to the bot.
type Ack struct {
	Status  int           // 0 when no answer came
	Body    []byte        // at most 1 MiB of it
	Header  http.Header   // of the answer
	Took    time.Duration // until the whole answer was there
	Err     string        // what a person reads in Slack: "" for a 200, "operation_timeout" after 3 s, else "dispatch_failed"
	Message *Message      // the message in a command's answer, if any; ExpectPrivate or ExpectMessage must still expect it

	// What was sent.
	Path        string
	ContentType string
	Request     []byte
	TriggerID   string
	ResponseURL string
	EventID     string

	w *Workspace
}

// Again sends the very same bytes once more, freshly signed, as if the request were repeated on its way. If it is a command, its answer
// is not shown.
func (a *Ack) Again() *Ack {
	return a.w.send(a.Path, a.ContentType, a.Request, nil)
}

// Send posts a correctly signed request with any body: for payloads that somebody who knows the secret made up, or that Slack may send one
// day. A refusal by the bot is no complaint.
func (w *Workspace) Send(path, contentType string, body []byte) *Ack {
	return w.send(path, contentType, body, nil)
}

const formType = "application/x-www-form-urlencoded"

func (w *Workspace) send(path, contentType string, body []byte, extra http.Header) *Ack {
	w.mu.Lock()
	bot := w.bot
	w.mu.Unlock()
	ack := &Ack{Path: path, ContentType: contentType, Request: body, w: w}
	if w.appToken != "" {
		w.sendEnvelope(ack, extra)
		return ack
	}
	ctx, cancel := context.WithTimeout(w.alive, w.ackLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, bot+path, bytes.NewReader(body))
	if err != nil || bot == "" {
		ack.Err = "dispatch_failed"
		return ack
	}
	req.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	req.Header.Set("Content-Type", contentType)
	ts := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", Sign(w.secret, ts, body))
	maps.Copy(req.Header, extra)
	start := time.Now()
	resp, err := w.client.Do(req)
	if err == nil {
		ack.Status, ack.Header = resp.StatusCode, resp.Header
		ack.Body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
	}
	ack.Took = time.Since(start)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		ack.Err = "operation_timeout"
	case err != nil, ack.Status != http.StatusOK:
		ack.Err = "dispatch_failed"
	}
	return ack
}

// must records a complaint if the bot did not acknowledge what a person did.
func (w *Workspace) must(ack *Ack, what string) {
	if ack.Err == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complain("%s: %s (status %d after %v): %.200s", what, ack.Err, ack.Status, ack.Took.Round(time.Millisecond), ack.Body)
}

// sendForm and sendPayload send what people do in its two shapes: a command's fields, and JSON in the field "payload".
func (w *Workspace) sendForm(path string, form url.Values) *Ack {
	return w.send(path, formType, []byte(form.Encode()), nil)
}

func (w *Workspace) sendPayload(path string, payload map[string]any) *Ack {
	ack := w.sendForm(path, url.Values{"payload": {string(marshal(payload))}})
	ack.TriggerID, ack.ResponseURL = str(payload, "trigger_id"), str(payload, "response_url")
	return ack
}

// stamp makes the next message timestamp; no two in a workspace are equal. The mutex must be held.
func (w *Workspace) stamp() string {
	t := max(w.now().UnixMicro(), w.lastTS+1)
	w.lastTS = t
	return fmt.Sprintf("%d.%06d", t/1e6, t%1e6)
}

func random(n int) string { return rand.Text()[:n] }

// trigger is one trigger_id: valid once, for 3 s.
type trigger struct {
	user string
	made time.Time
	used bool
}

// newTrigger must be called with the mutex held.
func (w *Workspace) newTrigger(user string) string {
	id := fmt.Sprintf("%d.%d.%s", w.now().UnixMicro(), len(w.triggers)+1, strings.ToLower(random(26)))
	w.triggers[id] = &trigger{user: user, made: w.now()}
	return id
}
