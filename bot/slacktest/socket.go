package slacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// SocketMode turns Socket Mode on: what people do is sent through the connections that the bot opens with this app-level
// token, and nothing to SetBot's address.
func SocketMode(appToken string) Option { return func(w *Workspace) { w.appToken = appToken } }

// ackBytes limits an acknowledgement: Slack drops one of this size or more without a word.
const ackBytes = 20 << 10

// socket is one connection of the bot's.
type socket struct {
	send chan []byte
	gone context.Context // ends with the connection
	drop context.CancelFunc
	old  bool // Slack has asked for a new connection in its place, and sends nothing more here
}

// envelope is a request on its way through a socket.
type envelope struct {
	takesPayload bool
	acked        chan json.RawMessage
}

// openSocket is apps.connections.open: it returns an address that is good for one connection.
func (w *Workspace) openSocket(args) (reply, *refusal) {
	ticket := random(20)
	w.tickets[ticket] = true
	return reply{"url": "ws" + strings.TrimPrefix(w.server.URL, "http") + "/socket?ticket=" + ticket}, nil
}

// Sockets is how many open connections there are that Slack sends to.
func (w *Workspace) Sockets() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.usable())
}

func (w *Workspace) usable() []*socket {
	return slices.DeleteFunc(slices.Clone(w.sockets), func(s *socket) bool { return s.old || s.gone.Err() != nil })
}

// ExpectSockets waits until Sockets is n.
func (w *Workspace) ExpectSockets(n int) {
	w.helper()
	await(w, func() *int {
		if len(w.usable()) == n {
			return &n
		}
		return nil
	}, func() string { return fmt.Sprintf("%d connections are open, want %d", len(w.usable()), n) })
}

// RefreshSocket asks the bot to replace the oldest connection by a new one, as Slack does now and then. Slack sends
// nothing more through the old one.
func (w *Workspace) RefreshSocket() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.usable()[:1] {
		s.old = true
		s.send <- marshal(map[string]any{"type": "disconnect", "reason": "refresh_requested", "debug_info": map[string]any{"host": "sandbox"}})
	}
}

// DropSockets breaks every connection, as a network does.
func (w *Workspace) DropSockets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		s.drop()
	}
}

func (w *Workspace) serveSocket(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	good := w.tickets[ticket]
	delete(w.tickets, ticket)
	w.mu.Unlock()
	if !good {
		http.Error(rw, "no such ticket", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // clients send Slack's own Origin, not this server's
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx, drop := context.WithCancel(w.alive)
	defer drop()
	s := &socket{send: make(chan []byte, 1000), gone: ctx, drop: drop}
	w.mu.Lock()
	s.send <- marshal(map[string]any{
		"type": "hello", "num_connections": len(w.sockets) + 1, "connection_info": map[string]any{"app_id": appID},
		"debug_info": map[string]any{"host": "sandbox", "approximate_connection_time": 18060},
	})
	w.sockets = append(w.sockets, s)
	w.touch()
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sockets = slices.DeleteFunc(w.sockets, func(x *socket) bool { return x == s })
		w.touch()
	}()
	reading := make(chan struct{})
	defer func() {
		_ = conn.CloseNow()
		<-reading
	}()
	go func() {
		defer close(reading)
		defer drop()
		for {
			_, text, err := conn.Read(ctx)
			if err != nil {
				return
			}
			w.acknowledge(text)
		}
	}()
	beat := time.NewTicker(5 * time.Second) // without pings a client takes the connection for dead
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-s.send:
			err = conn.Write(ctx, websocket.MessageText, text)
		case <-beat.C:
			err = conn.Ping(ctx)
		}
		if err != nil {
			return
		}
	}
}

// acknowledge takes an acknowledgement from a socket: {"envelope_id":…,"payload":…}, exactly one for each envelope.
func (w *Workspace) acknowledge(text []byte) {
	var a struct {
		ID      string          `json:"envelope_id"`
		Payload json.RawMessage `json:"payload"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := json.Unmarshal(text, &a); err != nil || a.ID == "" {
		w.complain("socket: what was sent is no acknowledgement")
		return
	}
	if string(a.Payload) == "null" {
		a.Payload = nil
	}
	e := w.envelopes[a.ID]
	switch {
	case len(text) >= ackBytes:
		w.complain("socket: an acknowledgement of %d bytes, which Slack drops", len(text))
		return
	case e == nil:
		w.complain("socket: %s is acknowledged, which nobody sent or which was acknowledged before", a.ID)
		return
	case len(a.Payload) > 0 && !e.takesPayload:
		w.complain("socket: an answer to an event, which takes none")
	}
	delete(w.envelopes, a.ID)
	e.acked <- a.Payload
}

// sendEnvelope is send through a socket: it sends the request in ack, and writes to ack what became of it. An
// acknowledgement counts as a 200 with its payload as the body.
func (w *Workspace) sendEnvelope(ack *Ack, extra http.Header) {
	outer := map[string]any{"envelope_id": random(20), "accepts_response_payload": true}
	form, _ := url.ParseQuery(string(ack.Request))
	switch ack.Path {
	case "/slack/commands":
		fields := map[string]string{}
		for name := range maps.Keys(form) {
			fields[name] = form.Get(name)
		}
		outer["type"], outer["payload"] = "slash_commands", fields
	case "/slack/events":
		outer["type"], outer["payload"], outer["accepts_response_payload"] = "events_api", json.RawMessage(ack.Request), false
		outer["retry_attempt"], _ = strconv.Atoi(extra.Get("X-Slack-Retry-Num"))
		outer["retry_reason"] = extra.Get("X-Slack-Retry-Reason")
	default:
		outer["type"], outer["payload"] = "interactive", json.RawMessage(form.Get("payload"))
	}
	text, err := json.Marshal(outer)
	if err != nil {
		ack.Err = "dispatch_failed" // a payload that isn't JSON can't travel through a socket
		return
	}
	id, _ := outer["envelope_id"].(string)
	takes, _ := outer["accepts_response_payload"].(bool)
	e := &envelope{takesPayload: takes, acked: make(chan json.RawMessage, 1)}
	w.mu.Lock()
	usable := w.usable()
	if len(usable) == 0 {
		w.mu.Unlock()
		ack.Err = "dispatch_failed"
		return
	}
	w.turn++
	s := usable[w.turn%len(usable)]
	w.envelopes[id] = e
	s.send <- text
	w.mu.Unlock()
	start := time.Now()
	timer := time.NewTimer(w.ackLimit)
	defer timer.Stop()
	select {
	case payload := <-e.acked:
		ack.Status, ack.Body, ack.Header = http.StatusOK, payload, http.Header{"Content-Type": {"application/json"}}
	case <-timer.C:
		ack.Err = "operation_timeout"
	case <-w.done:
		ack.Err = "dispatch_failed"
	}
	ack.Took = time.Since(start)
}
