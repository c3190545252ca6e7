package slacktest_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/slack-go/slack"

	"inventbot/bot/slacktest"
)

// dial opens a connection as a bot does, and reads its hello.
func dial(t *testing.T, w *slacktest.Workspace) (*websocket.Conn, string) {
	t.Helper()
	_, url, err := slack.New("", slack.OptionAPIURL(w.URL()), slack.OptionAppLevelToken(w.AppToken())).StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, resp, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if m := read(t, c); m["type"] != "hello" {
		t.Fatalf("the first message is %v, want hello", m)
	}
	return c, url
}

func read(t *testing.T, c *websocket.Conn) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSocketModeIsStrict(t *testing.T) {
	t.Parallel()
	w := slacktest.New(t, slacktest.SocketMode("xapp-1"), slacktest.AckWithin(500*time.Millisecond))
	ada := w.AddUser(slacktest.User{ID: "UADA", Name: "ada"})
	support := w.AddChannel(slacktest.Channel{ID: "CSUPPORT", Name: "support"})

	w.AllowComplaint("typed")
	if ack := ada.Types(support, "/invent help"); ack.Err != "dispatch_failed" {
		t.Errorf("without a connection: %q, want dispatch_failed", ack.Err)
	}
	w.AllowComplaint("not_allowed_token_type")
	if _, _, err := slack.New("", slack.OptionAPIURL(w.URL()), slack.OptionAppLevelToken(w.Token())).StartSocketModeContext(t.Context()); err == nil {
		t.Error("the bot's token opens a connection")
	}

	c, url := dial(t, w)
	if again, resp, err := websocket.Dial(t.Context(), url, nil); err == nil {
		_ = again.CloseNow()
		t.Error("an address is good for two connections")
	} else if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	// answer acknowledges the next envelope with this payload, so many times, while somebody types.
	answer := func(payload any, times int) *slacktest.Ack {
		done := make(chan *slacktest.Ack, 1)
		go func() { done <- ada.Types(support, "/invent help") }()
		m := read(t, c)
		if m["type"] != "slash_commands" || m["envelope_id"] == "" || m["accepts_response_payload"] != true {
			t.Errorf("the envelope is %v", m)
		}
		text, err := json.Marshal(map[string]any{"envelope_id": m["envelope_id"], "payload": payload})
		if err != nil {
			t.Fatal(err)
		}
		for range times {
			if err := c.Write(t.Context(), websocket.MessageText, text); err != nil {
				t.Fatal(err)
			}
		}
		return <-done
	}
	if ack := answer(map[string]string{"text": "yes"}, 1); ack.Err != "" {
		t.Errorf("an acknowledged command: %q", ack.Err)
	}
	ada.ExpectPrivate(support, "yes")
	w.AllowComplaint("which Slack drops")
	if ack := answer(map[string]string{"text": strings.Repeat("x", 20<<10)}, 1); ack.Err != "operation_timeout" {
		t.Errorf("an acknowledgement that is too large: %q, want operation_timeout", ack.Err)
	}
	w.AllowComplaint("acknowledged before")
	answer(nil, 2)
	answer(nil, 1) // by then the second was heard
	w.RefreshSocket()
	if m := read(t, c); m["type"] != "disconnect" || m["reason"] != "refresh_requested" {
		t.Errorf("asked for another connection with %v", m)
	}
	w.ExpectSockets(0)
	var complained bool
	for _, said := range w.Complaints() {
		complained = complained || strings.Contains(said, "acknowledged before")
	}
	if !complained {
		t.Error("two acknowledgements of one envelope are no complaint")
	}
}
