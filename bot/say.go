package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"inventbot/slackui"
)

// hook is what a response_url takes (docs.slack.dev, "Handling user interaction": five times within 30 minutes).
type hook struct {
	ResponseType    string `json:"response_type,omitempty"` // "" is ephemeral to Slack
	ReplaceOriginal bool   `json:"replace_original"`
	DeleteOriginal  bool   `json:"delete_original,omitempty"`
	ThreadTS        string `json:"thread_ts,omitempty"` // in whose thread; "" for the channel itself
	slackui.Message
}

// responses posts to response_urls, and to nowhere else.
type responses struct {
	client *http.Client
	host   string // of an overridden Slack API, allowed too; "" for none
}

func newResponses(host string) *responses {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes = 128, headersMost
	return &responses{client: &http.Client{Transport: timeResponses(transport), CheckRedirect: noRedirect}, host: host}
}

// allowed says whether an address is one of Slack's: a request that names another must not make the bot
// call it.
func (r *responses) allowed(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return false
	}
	if r.host != "" && u.Host == r.host && (u.Scheme == "https" || u.Scheme == "http") {
		return true
	}
	host := strings.ToLower(strings.TrimSuffix(u.Host, ":443"))
	return u.Scheme == "https" && (host == "slack.com" || host == "slack-gov.com" || strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
}

// send posts to a response_url. Its error never holds the address: anybody who knows that can post.
func (r *responses) send(ctx context.Context, to string, h hook) error {
	if to == "" || !r.allowed(to) {
		return &slackError{doing: "answering a request", code: "no_response_url"}
	}
	if h.ResponseType == "" && !h.ReplaceOriginal && !h.DeleteOriginal {
		h.ResponseType = "ephemeral" // Slack's default, made explicit
	}
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	// The client's own timeout would cost a goroutine for each call.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return &slackError{doing: "answering a request", code: "no_response_url"}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return &slackError{doing: "answering a request", retry: true}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return &slackError{
			doing: "answering a request", code: resp.Status,
			retry: resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, after: retryAfter(resp.Header),
		}
	}
	return nil
}

// say tells the person something privately: by the request's response_url, or, if that fails, as sayPast does.
func (b *Bot) say(ctx context.Context, i slackui.Intent, m slackui.Message) error {
	return b.sayIn(ctx, i, false, m)
}

// reply is say, but replaces the private message that was clicked. It never replaces a list: the person goes on working with that.
func (b *Bot) reply(ctx context.Context, i slackui.Intent, m slackui.Message) error {
	return b.sayIn(ctx, i, i.Private && i.List == "", m)
}

// sayIn is say; with place it replaces the message that was clicked, as long as its response_url works.
func (b *Bot) sayIn(ctx context.Context, i slackui.Intent, place bool, m slackui.Message) error {
	h := hook{ReplaceOriginal: place, Message: m}
	if !place {
		h.ThreadTS = i.Thread
	}
	err := b.hooks.send(ctx, i.ResponseURL, h)
	if err == nil {
		return nil
	}
	t, teamErr := b.teams(ctx, i.Team, i.Enterprise)
	if teamErr != nil {
		return err
	}
	if past := b.sayPast(ctx, t, i, m); past == nil || !temporary(err) {
		return past
	}
	return err
}

// sayPast tells somebody something without a response_url: in the channel, or in a direct message where the bot is no member of it.
func (b *Bot) sayPast(ctx context.Context, t *Team, i slackui.Intent, m slackui.Message) error {
	if i.Channel != "" {
		_, err := t.Slack.PostEphemeralContext(ctx, i.Channel, i.User, under(i.Thread, m)...)
		if err = wrapSlack("telling somebody privately", err); err == nil || temporary(err) {
			return err
		}
	}
	return b.dm(ctx, t, i.User, m)
}

// whisper is say for words that nobody waits for: whether they arrive changes nothing about the outcome.
func (b *Bot) whisper(ctx context.Context, i slackui.Intent, m slackui.Message) {
	if err := b.say(ctx, i, m); err != nil {
		b.log.Warn("somebody could not be told", "error", err, "ref", ref(i.Key))
	}
}

// under returns the options for a message in a thread, or with "" in the channel itself.
func under(thread string, m slackui.Message) []slack.MsgOption {
	if thread == "" {
		return options(m)
	}
	return append(options(m), slack.MsgOptionTS(thread))
}

// aloud is under for what the whole channel should see: people who don't follow a thread see nothing of it, so the message is shown in
// the channel too.
func aloud(thread string, m slackui.Message) []slack.MsgOption {
	if thread == "" {
		return options(m)
	}
	return append(under(thread, m), slack.MsgOptionBroadcast())
}

func options(m slackui.Message) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(m.Text, false), slack.MsgOptionBlocks(m.Blocks...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
}

// replace puts other words in the place of a clicked private message.
func (b *Bot) replace(ctx context.Context, i slackui.Intent, m slackui.Message) {
	if err := b.hooks.send(ctx, i.ResponseURL, hook{ReplaceOriginal: true, Message: m}); err != nil {
		b.log.Warn("a private message could not be replaced", "error", err, "ref", ref(i.Key))
	}
}

// dm sends a direct message.
func (b *Bot) dm(ctx context.Context, t *Team, user string, m slackui.Message) error {
	_, _, err := t.Slack.PostMessageContext(ctx, user, options(m)...)
	return wrapSlack("sending a direct message", err)
}
