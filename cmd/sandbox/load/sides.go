package load

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	team      = "T0LOAD"
	channel   = "C0LOAD"
	slackPath = "/api/"
	hookPath  = "/response/"
)

func userID(n int) string    { return fmt.Sprintf("U%06d", n) }
func memberID(n int) string  { return fmt.Sprintf("mem_%06d", n) }
func mailOf(n int) string    { return fmt.Sprintf("person%d@example.com", n) }
func chatID(n int) string    { return fmt.Sprintf("chat_%06d", n) }
func numberOf(id string) int { n, _ := strconv.Atoi(strings.TrimLeft(id, "Uacehmt_")); return n }

// sides are the pretended Slack and Invent. They are fast, and right only in what the bot reads of them.
type sides struct {
	people, chats int
	hanging       atomic.Bool
	slack, invent string // addresses

	holders     []atomic.Int64 // by chat: the member's number + 1, 0 for nobody
	slackCalls  atomic.Int64
	inventCalls atomic.Int64
	wrote       atomic.Int64
	posted      atomic.Int64
	arrived     func(action int, card bool) // called when an action's person gets a message; action is -1-n for a card in the channel, of chat n

	closers []io.Closer // listeners and connections; nil once stopped
	closing sync.Mutex
	serving sync.WaitGroup
}

// call is one request to a pretended side.
type call struct {
	method string
	path   string
	query  url.Values
	body   []byte
	conn   net.Conn
}

// reply is the answer to a call.
type reply struct {
	status int    // 0: 200
	header string // whole lines, each with \r\n
	text   string
}

func startSides(ctx context.Context, o options) (*sides, error) {
	s := &sides{people: o.people, chats: o.chats, holders: make([]atomic.Int64, o.chats), arrived: func(int, bool) {}}
	for _, side := range []struct {
		address *string
		handle  func(call) reply
	}{{&s.slack, s.serveSlack}, {&s.invent, s.serveInvent}} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			s.stop()
			return nil, fmt.Errorf("listening: %w", err)
		}
		s.closing.Lock() // the first side accepts already
		s.closers = append(s.closers, l)
		s.closing.Unlock()
		s.serving.Go(func() { s.accept(l, side.handle) })
		*side.address = "http://" + l.Addr().String()
	}
	return s, nil
}

func (s *sides) stop() {
	s.closing.Lock()
	for _, c := range s.closers {
		_ = c.Close()
	}
	s.closers = nil
	s.closing.Unlock()
	s.serving.Wait()
}

func (s *sides) accept(l net.Listener, handle func(call) reply) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.closing.Lock()
		if s.closers == nil {
			_ = conn.Close()
		} else {
			s.closers = append(s.closers, conn)
			s.serving.Go(func() { serve(conn, handle) })
		}
		s.closing.Unlock()
	}
}

// serve is HTTP/1.1 by hand, to save CPU time as the sender does (see connection): the real Slack and Invent would take none of
// this machine's.
func serve(conn net.Conn, handle func(call) reply) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	var out []byte
	for {
		c, err := readCall(in)
		if err != nil {
			return
		}
		c.conn = conn
		r := handle(c)
		out = fmt.Appendf(out[:0], "HTTP/1.1 %d \r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
			cmp.Or(r.status, http.StatusOK), len(r.text), r.header, r.text)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func readCall(in *bufio.Reader) (call, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return call{}, fmt.Errorf("reading a request: %w", err)
	}
	method, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	path, query, _ := strings.Cut(target, "?")
	c := call{method: method, path: path}
	length := 0
	for {
		header, err := in.ReadSlice('\n')
		if err != nil {
			return c, fmt.Errorf("reading headers: %w", err)
		}
		if len(header) <= len("\r\n") {
			break
		}
		if name, value, _ := bytes.Cut(header, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 || length > 1<<20 {
				return c, errors.New("a body of no known length")
			}
		}
	}
	c.body = make([]byte, length)
	if _, err := io.ReadFull(in, c.body); err != nil {
		return c, fmt.Errorf("reading a body: %w", err)
	}
	if query != "" {
		c.query, _ = url.ParseQuery(query)
	}
	return c, nil
}

func (s *sides) serveSlack(c call) reply {
	if click, ok := strings.CutPrefix(c.path, hookPath); ok {
		n, _ := strconv.Atoi(click)
		s.slackCalls.Add(1)
		s.arrived(n, bytes.Contains(c.body, []byte(`"actions"`)))
		return reply{text: "ok"}
	}
	form, _ := url.ParseQuery(string(c.body))
	switch method := strings.TrimPrefix(c.path, slackPath); method {
	case "auth.test":
		return reply{text: `{"ok":true,"team_id":"` + team + `","user_id":"U0BOT","bot_id":"B0BOT"}`}
	case "users.info":
		return reply{text: `{"ok":true,"user":` + s.user(numberOf(form.Get("user"))) + `}`}
	case "users.list":
		users := make([]string, s.people)
		for n := range users {
			users[n] = s.user(n)
		}
		return reply{text: `{"ok":true,"members":[` + strings.Join(users, ",") + `],"response_metadata":{"next_cursor":""}}`}
	case "conversations.info":
		return reply{text: `{"ok":true,"channel":{"id":"` + channel + `","name":"load","is_channel":true,"is_member":true}}`}
	case "chat.postMessage", "chat.update", "chat.postEphemeral":
		s.slackCalls.Add(1)
		ts, text := form.Get("ts"), form.Get("text")
		if ts == "" {
			ts = fmt.Sprintf("1700000001.%06d", s.posted.Add(1))
		}
		if chat := strings.Index(text, "chat_"); chat >= 0 && method == "chat.postMessage" {
			s.arrived(-1-numberOf(text[chat:chat+len(chatID(0))]), true)
		}
		return reply{text: `{"ok":true,"channel":"` + channel + `","ts":"` + ts + `","message_ts":"` + ts + `"}`}
	}
	return reply{text: `{"ok":true}`}
}

func (*sides) user(n int) string {
	return `{"id":"` + userID(n) + `","team_id":"` + team + `","name":"person","is_email_confirmed":true,"profile":{"email":"` + mailOf(n) + `"}}`
}

func (s *sides) serveInvent(c call) reply {
	path := strings.Split(strings.Trim(c.path, "/"), "/")
	switch {
	case path[0] == "orgs" && c.query.Get("take") == "1":
		return reply{text: "[]"}
	case path[0] == "orgs":
		return s.list(c)
	case path[0] != "chats" || len(path) < 2:
		return reply{status: http.StatusNotFound}
	}
	s.inventCalls.Add(1)
	if s.hanging.Load() {
		_, _ = c.conn.Read(make([]byte, 1)) // until the bot hangs up
		return reply{}
	}
	n := numberOf(path[1])
	if n >= s.chats {
		return reply{status: http.StatusNotFound}
	}
	if c.method == http.MethodGet {
		return reply{text: s.chat(n)}
	}
	var in struct {
		Member *string `json:"member_id"`
	}
	if json.Unmarshal(c.body, &in) != nil {
		return reply{status: http.StatusBadRequest}
	}
	s.wrote.Add(1)
	holder := int64(0)
	if in.Member != nil {
		holder = int64(numberOf(*in.Member)) + 1
	}
	s.holders[n].Store(holder)
	return reply{text: s.state(n)}
}

func (s *sides) list(c call) reply {
	page, _ := strconv.Atoi(c.query.Get("page"))
	take, _ := strconv.Atoi(c.query.Get("take"))
	rows := []string{}
	for n := (page - 1) * take; n >= 0 && n < min(page*take, s.people); n++ {
		rows = append(rows, fmt.Sprintf(`{"id":%q,"user_id":"usr_%d","name":"Person %d","email":%q,"role":"AGENT","status":"ACTIVE"}`, memberID(n), n, n, mailOf(n)))
	}
	return reply{
		header: fmt.Sprintf("Pagination-Count: %d\r\nPagination-Take: %d\r\n", s.people, take),
		text:   "[" + strings.Join(rows, ",") + "]",
	}
}

// chat is a conversation with everything that Invent sends, most of which the bot doesn't read.
func (s *sides) chat(n int) string {
	id := chatID(n)
	return `{"id":"` + id + `","title":"","org_id":"org_1","status":"COMPLETED","visibility":"PRIVATE","pinned":false,"created_at":"2024-03-02T11:00:00.000000Z",` +
		`"updated_at":"2024-03-02T11:30:00.000000Z","members":[{"id":"prt_1","role":"ADMIN","user":{"id":"usr_owner","name":"Owner","avatar":null}},` +
		`{"id":"prt_2","role":"MEMBER","contact_channel":{"id":"cch_1","type":"whatsapp_bot","name":"Jane","username":"","email":"jane@example.com",` +
		`"phone":"+15550100","country":"DE","language":"de","ip":"203.0.113.7","agent":"Mozilla/5.0","contact":{"id":"con_1","name":"Jane Doe","blocked":false,"is_admin":false}}}],` +
		`"state":` + s.state(n) + `}`
}

var instructions = strings.Repeat("Be kind. ", 60)

func (s *sides) state(n int) string {
	assigned := `"assigned_user":null,"assigned_at":null`
	if holder := s.holders[n].Load(); holder > 0 {
		m := int(holder - 1)
		assigned = `"assigned_user":{"id":"` + memberID(m) + `","name":"Person ` + strconv.Itoa(m) + `","email":"` + mailOf(m) +
			`","avatar":null},"assigned_at":"2024-03-02T11:30:00.000000Z"`
	}
	return `{"id":"state_of_` + chatID(n) + `","state":"OPEN","integration_id":"whatsapp_bot","assistant_id":"ast_1","assistant_integration_id":"asi_1",` +
		`"conversation_id":"cnv_1","ai_enabled":true,"admin_unseen_count":3,"user_unseen_count":0,"assistant":{"id":"ast_1","name":"Support Bot","enabled":true,` +
		`"avatar_url":null,"deleted":false,"config":{"conversation":{"welcome_banner":"Hello!","suggested_messages":["Where is my order?"],"enable_auto_csat":true}}},` +
		`"assistant_integration":{"id":"asi_1","enabled":true,"has_connection":true},"assistant_config":{"language":"auto","model":"large","stt":{"model":"stt"},` +
		`"tts":{"model":"tts","voice_id":"v"},"knowledge_scope":"all","timezone":"Europe/Berlin","instructions":"` + instructions + `"},` +
		`"follow_up_at":null,"muted_until":null,"last_contact_message_at":"2024-03-02T11:29:00.000000Z","csat_score":null,` + assigned + `}`
}
