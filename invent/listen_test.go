package invent_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"inventbot/invent"
	"inventbot/invent/inventtest"
)

func TestListen(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, ended := make(chan struct{}), make(chan error)
	listen := func() { ended <- c.Listen(ctx, func() { events <- struct{}{} }) }
	go listen()
	if !i.Until(ctx, func() bool { return i.Sockets() == 1 }) {
		t.Fatal("no socket")
	}
	i.SetChat("chat_a", func(c *inventtest.Chat) { c.AssigneeID = "mem_grace" })
	<-events
	for _, half := range []string{"", "{", "null", `{"type":"x"}`, `{"data":{"id":"chat_a"}}`, `"` + strings.Repeat("x", 1<<20) + `"`} {
		i.Send([]byte(half))
		select {
		case <-events: // a trigger, whatever it says
		case err := <-ended:
			t.Fatalf("after %.30q: %v", half, err)
		}
	}
	i.DropSockets()
	if err := <-ended; !invent.Temporary(err) {
		t.Errorf("dropped: %v; want a temporary error", err)
	}
	i.Mute(true)
	go listen()
	if !i.Until(ctx, func() bool { return i.Sockets() == 1 }) {
		t.Fatal("no socket again")
	}
	i.SetChat("chat_a", func(c *inventtest.Chat) { c.AssigneeID = "" }) // lost
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v; want that", err)
	}
}

func TestListenRefused(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	none := func() { t.Error("an event") }
	i.Fault(inventtest.Fault{Status: 403, Times: 1})
	if err := c.Listen(t.Context(), none); !invent.Refused(err) {
		t.Errorf("403: %v; want refused", err)
	}
	i.Fault(inventtest.Fault{Status: 502, HTML: true, Times: 1})
	if err := c.Listen(t.Context(), none); !invent.Temporary(err) {
		t.Errorf("502: %v; want temporary", err)
	}
	i.Fault(inventtest.Fault{HTML: true, Times: 1})
	if err := c.Listen(t.Context(), none); !errors.Is(err, invent.ErrAnswer) || invent.Temporary(err) {
		t.Errorf("200: %v; want a wrong answer", err)
	}
	i.LeaveOut("GET /orgs/{org_id}/inbox/ws")
	if err := c.Listen(t.Context(), none); !invent.NotFound(err) {
		t.Errorf("no such route: %v; want not found", err)
	}
	err := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: ".."}).Listen(t.Context(), none)
	if !errors.Is(err, invent.ErrID) {
		t.Errorf("org ..: %v; want ErrID", err)
	}
}

func TestListenGivesUpASilentConnection(t *testing.T) {
	t.Parallel()
	// A hijacked connection's context ends with the handler only; the base context ends it for the test.
	base, stop := context.WithCancel(t.Context())
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		<-r.Context().Done() // reads nothing, so answers no ping
	}))
	srv.Config.BaseContext = func(net.Listener) context.Context { return base }
	srv.Start()
	defer srv.Close()
	defer stop()
	c := invent.New(invent.Options{URL: srv.URL, Org: "c"})
	c.SetBeat(20 * time.Millisecond)
	if err := c.Listen(t.Context(), func() {}); !invent.Temporary(err) {
		t.Errorf("silent: %v; want a temporary error", err)
	}
}
