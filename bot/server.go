package bot

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"inventbot/cache"
	"inventbot/invent"
	"inventbot/slackui"
)

const bodyLimit = 1 << 20

// answer is what a handler wants said: one wrapper writes it.
type answer struct {
	status int
	text   string // for a sender that isn't Slack
	body   any    // JSON; nil for nothing
}

// acknowledged is an answer without words.
var acknowledged = answer{status: http.StatusOK}

// saying is JSON for Slack.
func saying(body any) answer { return answer{status: http.StatusOK, body: body} }

// bad is for a request that Slack doesn't send.
func bad(why string) answer { return answer{status: http.StatusBadRequest, text: why} }

// private says something to the person in the acknowledgement itself.
func private(m slackui.Message) answer {
	return saying(struct {
		ResponseType string `json:"response_type"`
		slackui.Message
	}{"ephemeral", m})
}

// handler makes the answer to the body of a request that is known to come from Slack, over HTTP or Socket Mode.
type handler func(ctx context.Context, body []byte, sent time.Time) answer

// Handler serves every route of the bot. Without a signing secret, which Socket Mode doesn't need, the routes for Slack's requests refuse
// everything.
func (b *Bot) Handler() http.Handler {
	r := mux.NewRouter()
	form, jsonBody := "application/x-www-form-urlencoded", "application/json"
	r.Handle("/slack/commands", b.slack("commands", form, b.command)).Methods(http.MethodPost)
	r.Handle("/slack/interactions", b.slack("interactions", form, b.interaction)).Methods(http.MethodPost)
	r.Handle("/slack/options", b.slack("options", form, b.options)).Methods(http.MethodPost)
	r.Handle("/slack/events", b.slack("events", jsonBody, b.event)).Methods(http.MethodPost)
	r.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }).Methods(http.MethodGet)
	r.HandleFunc("/readyz", b.ready).Methods(http.MethodGet)
	r.Handle("/metrics", b.metrics.handler()).Methods(http.MethodGet)
	return r
}

// slack wraps a handler of Slack's requests: nothing of a request is looked at before its signature, and
// nothing but the signed bytes after.
func (b *Bot) slack(route, contentType string, handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		a := b.verified(w, r, contentType, handle)
		b.metrics.acknowledged(route, a.status, time.Since(begun))
		write(w, a)
	})
}

func (b *Bot) verified(w http.ResponseWriter, r *http.Request, contentType string, handle handler) answer {
	sent, err := timestamp(r.Header, b.now())
	if err != nil {
		return answer{status: http.StatusUnauthorized}
	}
	var text bytes.Buffer
	text.Grow(int(min(max(r.ContentLength, 0), 16<<10)) + bytes.MinRead) // the claimed length is trusted up to a usual request's size
	share := &share{Reader: http.MaxBytesReader(w, r.Body, bodyLimit), all: &b.bodies}
	defer share.giveBack()
	_, err = text.ReadFrom(share)
	if errors.Is(err, errCrowded) {
		return answer{status: http.StatusServiceUnavailable, text: err.Error()}
	}
	body := text.Bytes()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return answer{status: http.StatusRequestEntityTooLarge, text: "the body is larger than 1 MiB"}
	}
	if err != nil {
		return bad("the body could not be read")
	}
	if verify(b.secrets, r.Header, body) != nil {
		return answer{status: http.StatusUnauthorized}
	}
	if r.URL.Query().Has("payload") {
		return bad("a payload in the address isn't signed: it belongs into the body")
	}
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != contentType {
		return answer{status: http.StatusUnsupportedMediaType, text: "the content type must be " + contentType}
	}
	// Slack may hang up; the request is handled to its end all the same.
	return b.handled(context.WithoutCancel(r.Context()), handle, body, sent)
}

// handled calls the handler. A panic fails this request with a 500, not the process.
func (b *Bot) handled(ctx context.Context, handle handler, body []byte, sent time.Time) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("a request made the bot panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a = answer{status: http.StatusInternalServerError}
		}
	}()
	return handle(ctx, body, sent)
}

const (
	freely = 16 << 10 // bytes of each body that are free: most of Slack's bodies are smaller
	crowd  = 16 << 20 // bytes beyond that which all bodies together may have, until their requests are answered
)

var errCrowded = errors.New("too many large bodies at a time")

// share reads a body. It fails with errCrowded once all bodies together take more than they may.
type share struct {
	io.Reader
	all        *atomic.Int64
	read, held int64
}

// Read implements io.Reader.
func (s *share) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.read += int64(n)
	if more := s.read - freely - s.held; more > 0 {
		s.held += more
		if s.all.Add(more) > crowd {
			return 0, errCrowded
		}
	}
	return n, err //nolint:wrapcheck // a reader hands on what it was given
}

func (s *share) giveBack() { s.all.Add(-s.held) }

func write(w http.ResponseWriter, a answer) {
	if a.text != "" {
		http.Error(w, a.text, a.status)
		return
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // whoever asked has gone: there is nobody left to tell
}

func (b *Bot) command(ctx context.Context, body []byte, sent time.Time) answer {
	intent, said, err := b.chatURL.ParseCommand(body, sent, b.off()...)
	switch {
	case err != nil:
		return bad(err.Error())
	case said != nil:
		return private(*said)
	case intent == nil:
		return acknowledged
	}
	if intent.ResponseURL != "" && !b.hooks.allowed(intent.ResponseURL) {
		return bad("the response_url doesn't lead to Slack")
	}
	if !b.accept(ctx, *intent) {
		return private(slackui.Busy())
	}
	return acknowledged
}

func (b *Bot) interaction(ctx context.Context, body []byte, sent time.Time) answer {
	intent, err := b.chatURL.ParseInteraction(body, sent)
	switch {
	case err != nil:
		return bad(err.Error())
	case intent == nil:
		return acknowledged
	}
	if intent.ResponseURL != "" && !b.hooks.allowed(intent.ResponseURL) {
		return bad("the response_url doesn't lead to Slack")
	}
	switch {
	case intent.Form != "":
		return b.submitted(ctx, *intent)
	case intent.Verb.Opens():
		return b.open(ctx, *intent)
	}
	return b.queued(ctx, *intent)
}

// queued makes a job of a click.
func (b *Bot) queued(ctx context.Context, i slackui.Intent) answer {
	if !b.accept(ctx, i) {
		// A click's acknowledgement can't carry words, so they are said beside it. If there is no slot for
		// that, a 503 makes Slack show that the click failed.
		if !b.side.try(func() { b.whisper(ctx, i, slackui.Busy()) }) {
			return answer{status: http.StatusServiceUnavailable}
		}
	}
	return acknowledged
}

// off lists what can be typed but not done, because Invent's API doesn't offer it.
func (b *Bot) off() []slackui.Verb {
	var off []slackui.Verb
	if b.probe.contract.Load() == nil {
		return nil // not checked yet: that says nothing
	}
	if !b.probe.has("members") { // without that list nobody is known to be a member
		return []slackui.Verb{
			slackui.Take, slackui.Assign, slackui.Release, slackui.Show, slackui.Queue, slackui.Mine, slackui.History, slackui.Route, slackui.Link, slackui.Links,
		}
	}
	if !b.probe.assigns() {
		off = append(off, slackui.Take, slackui.Assign, slackui.Release)
	}
	if !b.probe.has("chat") {
		off = append(off, slackui.Show, slackui.Route)
	}
	if !b.probe.has("inbox") {
		off = append(off, slackui.Queue, slackui.Mine)
	}
	return off
}

// event makes jobs of what happened in Slack. Slack sends an event again that isn't answered with 200; the jobs that were accepted the
// first time are repeats then.
func (b *Bot) event(ctx context.Context, body []byte, _ time.Time) answer {
	e, err := b.chatURL.ParseEvent(body)
	switch {
	case err != nil:
		return bad(err.Error())
	case e.Challenge != "":
		return saying(map[string]string{"challenge": e.Challenge})
	}
	for _, i := range e.Intents {
		if !b.accept(ctx, i) {
			return answer{status: http.StatusServiceUnavailable}
		}
	}
	return acknowledged
}

// accept makes a job of the intent, once for each request of Slack's: in Redis, or in the spare queue while Redis doesn't answer. False
// means that it was not queued, as far as is known; mostly because the queue is full.
func (b *Bot) accept(ctx context.Context, i slackui.Intent) bool {
	now := b.now()
	home := cmp.Or(i.Enterprise, i.Team) // an organisation's workspaces share their conversations
	j := cache.Job{ID: i.Key, Lane: home + "/" + i.Chat, At: now, Quiet: i.Verb.Inner()}
	switch {
	case i.Verb == slackui.Notice && i.Person != "":
		j.Lane = home + "//" + i.Person + "/notices" // Slack takes one a second, and nobody's click should wait for that
	case i.Chat == "" && i.Verb.Inner():
		j.Lane = home + "//" + i.User + "/" + string(i.Verb) + i.Channel // it may wait or be retried for long, and nothing that a person asks for should wait for that
	case i.Chat == "":
		j.Lane = home + "//" + i.User
	}
	if i.Verb != slackui.Leave && (i.ResponseURL != "" || i.Verb.Changes()) {
		j.Tell = now.Add(patience)
	}
	w := work{Intent: i}
	j.Body = w.encode()
	ctx = context.WithoutCancel(ctx) // Redis has a deadline of its own, and the rest of an action's time may be shorter
	admission, err := b.submit(ctx, b.crew, j, w)
	if err != nil && b.spare != nil {
		admission, err = b.acceptAlone(ctx, j, w, err)
	}
	if err != nil {
		b.log.Error("a request could not be queued", "error", err, "ref", ref(i.Key))
		return false
	}
	if admission == cache.Repeated {
		b.metrics.repeated.Inc()
	}
	return admission != cache.Full
}

// acceptAlone takes a job upon this process alone, which Redis did not take, or may have taken though its answer was lost; why is its
// failure. The person whose job may be in Redis, but finds no room here, is told of the doubt: that counts as accepted.
func (b *Bot) acceptAlone(ctx context.Context, j cache.Job, w work, why error) (cache.Admission, error) {
	i := w.Intent
	if !i.Verb.Inner() {
		b.metrics.spared.Inc()
	}
	b.log.Warn("Redis doesn't answer: this request is carried out in this process alone", "error", why, "ref", ref(i.Key))
	b.useSpare()
	b.spareJobs.Add(1) // before it can have ended
	admission, err := b.submit(ctx, b.spareCrew, j, w)
	if err != nil || admission != cache.Accepted {
		b.spareJobs.Add(-1)
	}
	if err != nil {
		return admission, err
	}
	stored := !errors.Is(why, cache.ErrAway) // perhaps: then only the answer was lost
	switch {
	case admission != cache.Full:
		b.settled.add(j.ID) // should Redis have it too, now or later by a repeat, it is not done twice
		if stored {
			b.settled.withdraw(b.cache, j)
		}
	case stored && !j.Tell.IsZero() && b.side.try(func() { b.whisper(ctx, i, slackui.About(invent.Chat{ID: i.Chat}, slackui.Doubtful())) }):
		admission = cache.Accepted
	}
	return admission, nil
}

// ref is what a person can quote and the log can be searched for.
func ref(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:4])
}
