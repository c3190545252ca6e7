package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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

// sides are the pretended Slack and Invent: fast, and true to what the bot reads of them, no more.
type sides struct {
	people, chats int
	hanging       atomic.Bool
	slack, invent string // addresses

	holders     []atomic.Int64 // by chat: the member's number + 1, 0 for nobody
	slackCalls  atomic.Int64
	inventCalls atomic.Int64
	wrote       atomic.Int64
	posted      atomic.Int64
	arrived     func(action int, card bool) // something was said to who asked for this action; -1-n: in public, of chat n

	servers []*http.Server
	serving sync.WaitGroup
}

func startSides(ctx context.Context, o options) (*sides, error) {
	s := &sides{people: o.people, chats: o.chats, holders: make([]atomic.Int64, o.chats), arrived: func(int, bool) {}}
	for _, side := range []struct {
		address *string
		handler http.HandlerFunc
	}{{&s.slack, s.serveSlack}, {&s.invent, s.serveInvent}} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			s.stop()
			return nil, fmt.Errorf("listening: %w", err)
		}
		server := &http.Server{Handler: side.handler, ReadHeaderTimeout: 10 * time.Second}
		s.servers = append(s.servers, server)
		s.serving.Go(func() { _ = server.Serve(l) })
		*side.address = "http://" + l.Addr().String()
	}
	return s, nil
}

func (s *sides) stop() {
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.serving.Wait()
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text) //nolint:gosec // JSON of numbers that we have made, for a program
}

func (s *sides) serveSlack(w http.ResponseWriter, r *http.Request) {
	if click, ok := strings.CutPrefix(r.URL.Path, hookPath); ok {
		n, _ := strconv.Atoi(click)
		body, _ := io.ReadAll(r.Body)
		s.slackCalls.Add(1)
		s.arrived(n, bytes.Contains(body, []byte(`"actions"`)))
		_, _ = io.WriteString(w, "ok")
		return
	}
	switch method := strings.TrimPrefix(r.URL.Path, slackPath); method {
	case "auth.test":
		answer(w, `{"ok":true,"team_id":"`+team+`","user_id":"U0BOT","bot_id":"B0BOT"}`)
	case "users.info":
		answer(w, `{"ok":true,"user":`+s.user(numberOf(r.FormValue("user")))+`}`)
	case "users.list":
		users := make([]string, s.people)
		for n := range users {
			users[n] = s.user(n)
		}
		answer(w, `{"ok":true,"members":[`+strings.Join(users, ",")+`],"response_metadata":{"next_cursor":""}}`)
	case "conversations.info":
		answer(w, `{"ok":true,"channel":{"id":"`+channel+`","name":"load","is_channel":true,"is_member":true}}`)
	case "chat.postMessage", "chat.update", "chat.postEphemeral":
		s.slackCalls.Add(1)
		ts := r.FormValue("ts")
		if ts == "" {
			ts = fmt.Sprintf("1700000001.%06d", s.posted.Add(1))
		}
		if chat := strings.Index(r.FormValue("text"), "chat_"); chat >= 0 && method == "chat.postMessage" {
			s.arrived(-1-numberOf(r.FormValue("text")[chat:chat+len(chatID(0))]), true)
		}
		answer(w, `{"ok":true,"channel":"`+channel+`","ts":"`+ts+`","message_ts":"`+ts+`"}`)
	default:
		answer(w, `{"ok":true}`)
	}
}

func (*sides) user(n int) string {
	return `{"id":"` + userID(n) + `","team_id":"` + team + `","name":"person","is_email_confirmed":true,"profile":{"email":"` + mailOf(n) + `"}}`
}

func (s *sides) serveInvent(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case path[0] == "orgs" && r.URL.Query().Get("take") == "1":
		answer(w, "[]")
		return
	case path[0] == "orgs":
		s.list(w, r)
		return
	case path[0] != "chats" || len(path) < 2:
		http.NotFound(w, r)
		return
	}
	s.inventCalls.Add(1)
	if s.hanging.Load() {
		_, _ = io.Copy(io.Discard, r.Body) // without that the end of the connection isn't noticed
		<-r.Context().Done()
		return
	}
	n := numberOf(path[1])
	if n >= s.chats {
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodGet {
		answer(w, s.chat(n))
		return
	}
	var in struct {
		Member *string `json:"member_id"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.wrote.Add(1)
	holder := int64(0)
	if in.Member != nil {
		holder = int64(numberOf(*in.Member)) + 1
	}
	s.holders[n].Store(holder)
	answer(w, s.state(n))
}

func (s *sides) list(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.FormValue("page"))
	take, _ := strconv.Atoi(r.FormValue("take"))
	rows := []string{}
	for n := (page - 1) * take; n >= 0 && n < min(page*take, s.people); n++ {
		rows = append(rows, fmt.Sprintf(`{"id":%q,"user_id":"usr_%d","name":"Person %d","email":%q,"role":"AGENT","status":"ACTIVE"}`, memberID(n), n, n, mailOf(n)))
	}
	w.Header().Set("Pagination-Count", strconv.Itoa(s.people))
	w.Header().Set("Pagination-Take", strconv.Itoa(take))
	answer(w, "["+strings.Join(rows, ",")+"]")
}

// chat is a conversation with all that Invent sends along, most of which the bot doesn't read.
func (s *sides) chat(n int) string {
	id := chatID(n)
	return `{"id":"` + id + `","title":"","org_id":"org_1","status":"COMPLETED","visibility":"PRIVATE","pinned":false,"created_at":"2024-03-02T11:00:00.000000Z",` +
		`"updated_at":"2024-03-02T11:30:00.000000Z","members":[{"id":"prt_1","role":"ADMIN","user":{"id":"usr_owner","name":"Owner","avatar":null}},` +
		`{"id":"prt_2","role":"MEMBER","contact_channel":{"id":"cch_1","type":"whatsapp_bot","name":"Jane","username":"","email":"jane@example.com",` +
		`"phone":"+15550100","country":"DE","language":"de","ip":"203.0.113.7","agent":"Mozilla/5.0","contact":{"id":"con_1","name":"Jane Doe","blocked":false,"is_admin":false}}}],` +
		`"state":` + s.state(n) + `}`
}

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
		`"tts":{"model":"tts","voice_id":"v"},"knowledge_scope":"all","timezone":"Europe/Berlin","instructions":"` + strings.Repeat("Be kind. ", 60) + `"},` +
		`"follow_up_at":null,"muted_until":null,"last_contact_message_at":"2024-03-02T11:29:00.000000Z","csat_score":null,` + assigned + `}`
}
