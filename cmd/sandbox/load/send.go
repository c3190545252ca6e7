package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/slack-go/slack"

	"inventbot/bot"
	"inventbot/invent"
	"inventbot/slackui"
)

const (
	settle   = time.Second     // from the start until the memory is measured
	drainFor = time.Minute     // how long, after the last click, to wait for the last card
	ackIn    = 3 * time.Second // how long Slack waits for an acknowledgement
)

// measure starts everything, warms up, sends what the options ask for, ends everything, and returns what it found.
func measure(ctx context.Context, o options, whom subject) (r result, err error) {
	o.warm = max(o.warm, o.people)
	s, err := startSides(ctx, o)
	if err != nil {
		return r, err
	}
	defer s.stop()
	var store *program
	if !o.inProcess {
		if store, err = startRedis(ctx, o.dir); err != nil {
			return r, err
		}
		defer store.kill()
		if err := seedBare(ctx, store.address, o.people); err != nil {
			return r, err
		}
	}
	bot, err := startBot(ctx, o, s, store, whom)
	if err != nil {
		return r, err
	}
	defer bot.kill()
	r.start = bot.took
	nap(settle)
	r.idle, _ = bot.resident()

	total := int(o.rate * o.duration.Seconds())
	c, err := newCrowd(o, s, strings.TrimPrefix(bot.address, "http://"), total)
	if err != nil {
		return r, err
	}
	defer c.close()
	if err := c.warmUp(ctx); err != nil {
		return r, err
	}
	s.slackCalls.Store(0)
	s.inventCalls.Store(0)
	s.wrote.Store(0)
	s.hanging.Store(o.hanging)
	cpu, redisCPU := bot.cpu(), time.Duration(0)
	if store != nil {
		redisCPU = store.cpu()
	}
	all, stolen := processors()
	last := c.send(ctx, o.warm, total, o.rate)
	if !o.hanging {
		c.drain(ctx, last)
	}
	r.cpu = bot.cpu() - cpu
	allThen, stolenThen := processors()
	r.stolen = float64(stolenThen-stolen) / float64(max(allThen-all, 1))
	if store != nil {
		r.redisCPU = store.cpu() - redisCPU
	}
	_, r.peak = bot.resident()
	if o.hanging && whom == theBot {
		if r.waiting, err = bot.waiting(ctx); err != nil {
			return r, err
		}
	}
	c.count(&r, o.warm, last)
	r.slackCalls, r.inventCalls, r.wrote = int(s.slackCalls.Load()), int(s.inventCalls.Load()), int(s.wrote.Load())
	return r, ctx.Err() //nolint:wrapcheck // whoever cancelled it knows why
}

// seedBare writes to Redis, for the bare handler, who is who; the bot finds that out by itself.
func seedBare(ctx context.Context, address string, people int) error {
	rdb := redis.NewClient(&redis.Options{Addr: address})
	defer func() { _ = rdb.Close() }()
	pipe := rdb.Pipeline()
	for n := range people {
		pipe.Set(ctx, "bare:"+userID(n), memberID(n), time.Hour)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("filling Redis: %w", err)
	}
	return nil
}

// crowd is all people who act, and what became of their actions.
type crowd struct {
	o        options
	sides    *sides
	bot      string
	idle     chan *connection
	random   *rand.Rand
	payloads map[string]string // of clicks, by verb
	held     []bool            // by chat: somebody has it, once everything sent is done
	actions  []action
	posts    []atomic.Int64 // by chat: the number, from 1, of the action whose card is expected in the channel; 0: none
	sending  sync.WaitGroup
	landed   atomic.Int64
}

// action is one thing somebody did.
type action struct {
	due       time.Time // when it was to be sent
	late      time.Duration
	acked     time.Duration // after due; zero: it got no 200
	delivered atomic.Int64  // the card came so many nanoseconds after due; 0: none came
	told      atomic.Bool   // the person was told something that is no card
}

func newCrowd(o options, s *sides, bot string, total int) (*crowd, error) {
	c := &crowd{
		o: o, sides: s, bot: bot, idle: make(chan *connection, 1024), payloads: map[string]string{},
		random: rand.New(rand.NewPCG(o.seed, 0)), //nolint:gosec // it must be repeatable
		held:   make([]bool, o.chats), actions: make([]action, o.warm+total), posts: make([]atomic.Int64, o.chats),
	}
	for _, verb := range []string{"take", "release"} {
		var err error
		if c.payloads[verb], err = c.drawClick(verb); err != nil {
			return nil, err
		}
	}
	s.arrived = func(n int, card bool) {
		now := time.Now()
		if n < 0 {
			n = int(c.posts[-1-n].Swap(0)) - 1
		}
		if n < 0 || n >= len(c.actions) {
			return
		}
		a := &c.actions[n]
		if !card {
			a.told.Store(true)
		} else if a.delivered.CompareAndSwap(0, int64(now.Sub(a.due))) {
			c.landed.Add(1)
		}
	}
	return c, nil
}

func (c *crowd) close() {
	close(c.idle)
	for conn := range c.idle {
		_ = conn.Close()
	}
}

// warmUp lets everybody act at least once, so that links, connections and the runtime are as in a bot that has run for a while. It fails
// unless each change reaches Invent, and each action gets its card.
func (c *crowd) warmUp(ctx context.Context) error {
	last := c.send(ctx, 0, c.o.warm, max(100, float64(c.o.warm)/15))
	c.drain(ctx, last)
	changes := c.o.warm
	if c.o.mix.click+c.o.mix.command == 0 {
		changes = 0
	}
	if cards, writes := int(c.landed.Load()), int(c.sides.wrote.Load()); ctx.Err() == nil && (cards < c.o.warm || writes != changes) {
		return fmt.Errorf("after %d actions to warm up there are %d cards and %d changes", c.o.warm, cards, writes)
	}
	return nil
}

// request is an action's request, ready to be sent.
type request struct {
	action int
	path   string
	body   []byte
	gap    time.Duration // how long after the one before it is due
}

// send sends n actions, numbered from first on, and returns when the last was due. Requests are made ahead of their time,
// so that making them is not measured.
func (c *crowd) send(ctx context.Context, first, n int, rate float64) time.Time {
	requests := make(chan request, 256)
	c.sending.Go(func() {
		defer close(requests)
		for i := range n {
			r := c.make(first + i)
			r.gap = time.Duration(c.random.ExpFloat64() / rate * float64(time.Second))
			select {
			case requests <- r:
			case <-ctx.Done():
				return
			}
		}
	})
	due := time.Now().Add(20 * time.Millisecond)
	for r := range requests {
		due = due.Add(r.gap)
		c.actions[r.action].due = due
		for wait := time.Until(due); wait > 0; wait = time.Until(due) { // a nap may be cut short
			nap(wait)
		}
		c.sending.Go(func() { c.post(ctx, r) })
	}
	c.sending.Wait()
	return due
}

func (c *crowd) post(ctx context.Context, r request) {
	a := &c.actions[r.action]
	a.late = time.Since(a.due)
	conn, err := c.connect(ctx)
	if err != nil {
		return
	}
	status, said, err := conn.post(r)
	if err != nil {
		_ = conn.Close()
		return
	}
	if status == http.StatusOK {
		a.acked = time.Since(a.due)
	}
	if said {
		a.told.Store(true)
	}
	select {
	case c.idle <- conn:
	default:
		_ = conn.Close()
	}
}

// connection is HTTP/1.1 by hand: net/http's client would take more CPU time than the bot takes for an acknowledgement.
type connection struct {
	net.Conn
	answers *bufio.Reader
	request []byte
}

func (c *crowd) connect(ctx context.Context) (*connection, error) {
	select {
	case conn := <-c.idle:
		return conn, nil
	default:
	}
	conn, err := (&net.Dialer{Timeout: ackIn}).DialContext(ctx, "tcp", c.bot)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &connection{Conn: conn, answers: bufio.NewReader(conn)}, nil
}

// post sends a signed request; said reports whether the answer has a body.
func (c *connection) post(r request) (status int, said bool, err error) {
	signed := bot.Sign(secret, r.body, time.Now())
	c.request = fmt.Appendf(c.request[:0], "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"X-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: %s\r\nContent-Length: %d\r\n\r\n", r.path,
		signed.Get("X-Slack-Request-Timestamp"), signed.Get("X-Slack-Signature"), len(r.body))
	c.request = append(c.request, r.body...)
	if err := c.SetDeadline(time.Now().Add(ackIn)); err != nil {
		return 0, false, fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := c.Write(c.request); err != nil {
		return 0, false, fmt.Errorf("sending: %w", err)
	}
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, false, fmt.Errorf("reading the answer: %w", err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return 0, false, fmt.Errorf("reading the answer: %w", err)
	}
	return resp.StatusCode, n > 0, nil
}

// drain waits, at most for drainFor, until as many cards have come as actions were due by last.
func (c *crowd) drain(ctx context.Context, last time.Time) {
	sent := int64(0)
	for i := range c.actions {
		if due := c.actions[i].due; !due.IsZero() && !due.After(last) {
			sent++
		}
	}
	for c.landed.Load() < sent && time.Since(last) < drainFor && ctx.Err() == nil {
		nap(2 * time.Millisecond)
	}
}

// count sums up, in r, the actions from first on; last is when the last was due.
func (c *crowd) count(r *result, first int, last time.Time) {
	var acks, cards, late []time.Duration
	for i := range c.actions[first:] {
		a := &c.actions[first+i]
		if a.due.IsZero() {
			continue
		}
		r.sent++
		late = append(late, a.late)
		if a.acked > 0 {
			r.acked++
			acks = append(acks, a.acked)
		}
		d := time.Duration(a.delivered.Load())
		switch {
		case d > 0:
			cards = append(cards, d)
			r.drained = max(r.drained, a.due.Add(d).Sub(last))
		case a.told.Load():
			r.busy++
		default:
			r.lost++
		}
	}
	r.ack, r.delivered, r.late = sorted(acks), sorted(cards), sorted(late)
}

// make makes the request of action n. Each conversation always has the same person, who takes and releases it in turn.
func (c *crowd) make(n int) request {
	chat := n % c.o.chats
	verb, roll := "take", c.random.Float64()*(c.o.mix.click+c.o.mix.command+c.o.mix.show)
	if n < c.o.warm {
		roll = 0
		if c.o.mix.click == 0 {
			roll = c.o.mix.click + c.o.mix.command/2
		}
	}
	if c.held[chat] {
		verb = "release"
	}
	if roll >= c.o.mix.click+c.o.mix.command {
		return c.command(n, chat, "show")
	}
	c.held[chat] = !c.held[chat]
	if roll >= c.o.mix.click {
		c.posts[chat].Store(int64(n) + 1)
		return c.command(n, chat, verb)
	}
	return c.click(n, chat, verb)
}

func (c *crowd) command(n, chat int, verb string) request {
	return request{action: n, path: "/slack/commands", body: []byte(url.Values{
		"token": {"unused"}, "team_id": {team}, "team_domain": {"load"}, "channel_id": {channel}, "channel_name": {"load"},
		"user_id": {userID(chat % c.o.people)}, "user_name": {"person"}, "command": {"/invent"}, "text": {verb + " " + chatID(chat)},
		"api_app_id": {"A0LOAD"}, "is_enterprise_install": {"false"}, "response_url": {c.hook(n)}, "trigger_id": {trigger(n)},
	}.Encode())}
}

func (c *crowd) hook(n int) string { return c.sides.slack + hookPath + strconv.Itoa(n) }

func trigger(n int) string { return fmt.Sprintf("%d.load", n) }

// Stand-ins in the payload that drawClick makes once for each verb. What replaces them needs no escaping.
const (
	anyChat   = "chat_stands_in"
	anyUser   = "Ustandsin"
	anyMember = "mem_stands_in"
	anyAction = "action.stands.in"
)

// click is the request of a click on a button as the bot draws it, with the whole message in the payload, as Slack sends it.
func (c *crowd) click(n, chat int, verb string) request {
	person := chat % c.o.people
	body := strings.NewReplacer(anyChat, chatID(chat), anyUser, userID(person), anyMember, memberID(person), anyAction, strconv.Itoa(n)).Replace(c.payloads[verb])
	return request{action: n, path: "/slack/interactions", body: []byte(body)}
}

// drawClick makes the payload of a click, with stand-ins for what differs from click to click.
func (c *crowd) drawClick(verb string) (string, error) {
	card := slackui.Card{Chat: invent.Chat{ID: anyChat, State: invent.ChatState{
		ID: "state", State: invent.Open, IntegrationID: "whatsapp_bot", Assistant: &invent.Assistant{ID: "ast_1", Name: "Support Bot"},
	}}, URL: "https://useinvent.com/o/inbox/" + anyChat}
	if verb == "release" {
		card.Chat.State.AssignedUser = &invent.AssignedUser{ID: anyMember, Name: anyMember}
		card.Holder = &slackui.Holder{ID: anyMember, User: anyUser}
	}
	message := card.Message()
	ts := "1700000000." + anyChat
	value, err := buttonValue(message, verb)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]string{"id": anyUser, "username": "person", "name": "person", "team_id": team},
		"api_app_id": "A0LOAD", "token": "unused", "trigger_id": anyAction + ".load", "team": map[string]string{"id": team, "domain": "load"},
		"enterprise": nil, "is_enterprise_install": false, "channel": map[string]string{"id": channel, "name": "load"},
		"container":    map[string]any{"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false},
		"message":      map[string]any{"type": "message", "user": "U0BOT", "ts": ts, "app_id": "A0LOAD", "text": message.Text, "blocks": message.Blocks},
		"state":        map[string]any{"values": map[string]any{}},
		"response_url": c.sides.slack + hookPath + anyAction,
		"actions":      []any{map[string]any{"action_id": verb, "block_id": "conversation", "type": "button", "value": value, "action_ts": fmt.Sprintf("%d.000000", time.Now().Unix())}},
	})
	if err != nil {
		return "", fmt.Errorf("drawing a click: %w", err)
	}
	return url.Values{"payload": {string(payload)}}.Encode(), nil
}

func buttonValue(m slackui.Message, verb string) (string, error) {
	for _, block := range m.Blocks {
		row, ok := block.(*slack.ActionBlock)
		if !ok {
			continue
		}
		for _, e := range row.Elements.ElementSet {
			if b, ok := e.(*slack.ButtonBlockElement); ok && b.ActionID == verb {
				return b.Value, nil
			}
		}
	}
	return "", errors.New("the card has no button " + verb)
}
