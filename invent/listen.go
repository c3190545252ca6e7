package invent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Listen connects to the inbox's WebSocket and calls each for every event until the connection ends. It returns why it ended, never nil,
// and does not reconnect. What an event says is not read, for events get lost, repeated and delayed: each only learns that there was one.
// each is called from one goroutine and must return quickly: while it runs, pongs aren't read either, and the connection is soon given up.
// Errors are those of the other calls; a connection that ended has status 0.
func (c *Client) Listen(ctx context.Context, each func()) error {
	r := routeListen
	address, err := c.address(r, c.org)
	if err != nil {
		return &Error{Op: r.Op, Err: err, unsent: true, final: true}
	}
	conn, err := c.dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(bodyLimit)

	var pinger sync.WaitGroup
	defer pinger.Wait()
	beating, stop := context.WithCancel(ctx)
	defer stop()
	pinger.Go(func() { keepAlive(beating, conn, c.beat) })

	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return lost(r.Op, 0, err)
		}
		each()
	}
}

func (c *Client) dial(ctx context.Context, url string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout) // for the handshake only; the connection outlives it
	defer cancel()
	if err := c.admit(ctx, routeListen.Op); err != nil {
		return nil, err
	}
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // a handshake's answer has no body; Dial reads a refusal's whole
		HTTPClient: c.http,
		HTTPHeader: http.Header{"Authorization": {c.bearer}, "User-Agent": {"inventbot"}},
	})
	switch {
	case err == nil:
		return conn, nil
	case resp == nil:
		return nil, lost(routeListen.Op, 0, err)
	case resp.StatusCode/100 <= 2:
		return nil, &Error{Op: routeListen.Op, Status: resp.StatusCode, Err: errAnswer, final: true}
	}
	return nil, c.answered(routeListen.Op, resp)
}

// keepAlive pings until ctx ends, and ends a connection that does not answer.
func keepAlive(ctx context.Context, conn *websocket.Conn, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pong, cancel := context.WithTimeout(ctx, every/2)
		err := conn.Ping(pong)
		cancel()
		if err != nil {
			_ = conn.CloseNow()
			return
		}
	}
}
