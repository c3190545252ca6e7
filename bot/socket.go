package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"inventbot/slackui"
)

const (
	connections = 2                      // Slack renews each now and then; what comes meanwhile goes through the other
	envelopes   = 64                     // answered at a time, for each connection
	ackWithin   = 3 * time.Second        // after which Slack waits no longer
	redial      = 15 * time.Second       // until a connection that Slack refused is tried again
	lastWords   = 250 * time.Millisecond // for acknowledgements to leave: slack-go doesn't say when they have
)

// listen receives Slack's requests over connections of its own (Socket Mode) until ctx ends; then it answers what it has
// received, and hangs up.
func (b *Bot) listen(ctx context.Context) {
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for ctx.Err() == nil {
				b.attend(ctx)
				pauseFor(ctx, redial)
			}
		})
	}
	all.Wait()
}

// attend keeps one connection, renewed whenever Slack wants that. It returns when ctx has ended, or when it is no use to
// try again at once.
func (b *Bot) attend(ctx context.Context) {
	// The connection is kept past ctx until what came through it is answered.
	open, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	client := socketmode.New(b.app, socketmode.OptionReadLimit(bodyLimit))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := client.RunContext(open); open.Err() == nil {
			b.hearSocket(err)
		}
	}()

	var answers sync.WaitGroup
	slots := make(chan struct{}, envelopes)
	up := false
	hear := func(e socketmode.Event) {
		r, was := e.Request, up
		switch e.Type {
		case socketmode.EventTypeHello:
			up = true
		case socketmode.EventTypeConnecting:
			up = false
		case socketmode.EventTypeConnectionError:
			if failed, isOne := e.Data.(*slack.ConnectionErrorEvent); isOne {
				b.hearSocket(failed.ErrorObj)
				if failed.Backoff > redial {
					hangUp() // else slack-go would not try again for minutes after a long outage
				}
			}
		case socketmode.EventTypeErrorBadMessage:
			// slack-go can't parse all that Slack sends, and needn't: the bot's own parsers read it.
			if bad, isOne := e.Data.(*socketmode.ErrorBadMessage); isOne {
				r = &socketmode.Request{}
				_ = json.Unmarshal(bad.Message, r) // what isn't JSON has no type and is dropped below
			}
		}
		if up != was {
			b.health.socket(up)
		}
		if r == nil || r.EnvelopeID == "" {
			return
		}
		slots <- struct{}{}
		answers.Go(func() {
			defer func() { <-slots }()
			b.receive(open, client, r)
		})
	}

	for open.Err() == nil && ctx.Err() == nil {
		select {
		case e := <-client.Events:
			hear(e)
		case <-ended:
			hangUp()
		case <-ctx.Done():
		}
	}
	for begun := time.Now(); ; {
		for len(client.Events) > 0 {
			hear(<-client.Events)
		}
		answers.Wait()
		pauseFor(open, lastWords)
		if len(client.Events) == 0 || time.Since(begun) > ackWithin {
			break // before that Slack has sent more: it doesn't know that we hang up
		}
	}
	hangUp()
	<-ended
}

// hearSocket keeps for /readyz why there is no connection, and logs it when that is news.
func (b *Bot) hearSocket(err error) {
	err = wrapSlack("connecting to Slack", err)
	if b.health.set(&b.health.socketFails, err) && err != nil {
		b.log.Warn("Slack can't be reached over Socket Mode", "error", err)
	}
}

// receive carries out what is in an envelope as if it had come over HTTP. What is not accepted is not acknowledged, and
// Slack tells the person that it failed.
func (b *Bot) receive(ctx context.Context, client *socketmode.Client, r *socketmode.Request) {
	begun := time.Now()
	route, body, handle := b.unwrap(r)
	if handle == nil {
		b.log.Debug("an envelope of a kind that is not known", "type", r.Type)
		return
	}
	a := b.handled(context.WithoutCancel(ctx), handle, body, b.now())
	b.metrics.acknowledged(route, a.status, time.Since(begun))
	if a.status/100 != 2 {
		b.log.Warn("a request over Socket Mode was not accepted", "route", route, "status", a.status, "why", a.text)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	err := client.AckCtx(ctx, r.EnvelopeID, a.body)
	if err != nil && a.body != nil && ctx.Err() == nil {
		// Slack takes 20 KB at most. Without an acknowledgement it would say that what was done has failed.
		b.log.Warn("an immediate answer is too large for Socket Mode", "route", route)
		err = client.AckCtx(ctx, r.EnvelopeID, nil)
	}
	if err != nil {
		b.log.Warn("a request was accepted, but Slack could not be told so", "route", route)
	}
}

// unwrap returns the body that the request in an envelope has over HTTP, and who handles it; a nil handler for an unknown kind.
func (b *Bot) unwrap(r *socketmode.Request) (route string, body []byte, handle handler) {
	switch r.Type {
	case socketmode.RequestTypeSlashCommands:
		var fields map[string]any
		_ = json.Unmarshal(r.Payload, &fields) // what isn't an object has no fields, which the parser refuses
		form := url.Values{}
		for name, value := range fields {
			if value != nil {
				form.Set(name, fmt.Sprint(value))
			}
		}
		return "commands", []byte(form.Encode()), b.command
	case socketmode.RequestTypeInteractive:
		body := []byte(url.Values{"payload": {string(r.Payload)}}.Encode())
		if slackui.AsksForOptions(r.Payload) {
			return "options", body, b.options
		}
		return "interactions", body, b.interaction
	case socketmode.RequestTypeEventsAPI:
		return "events", r.Payload, b.event
	}
	return "", nil, nil
}
