package inventtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"inventbot/invent"
)

// call is what a route's handler gets of a request.
type call struct {
	id    string // the path's parameter
	query url.Values
	body  []byte
	head  http.Header // of the answer
}

// route is one row of the API. Its handler runs with the lock held and returns the answer, which is encoded as JSON.
type route struct {
	method, path string
	query, body  []string
	schema       string // of the answer
	handle       func(*Invent, *call) (int, any)
}

func (r route) name() string { return r.method + " " + r.path }

// table is every route that is served; /openapi.json is made from it.
var table = []route{
	{"GET", "/chats/{chat_id}", nil, nil, "Chat", (*Invent).getChat},
	{"PATCH", "/chats/{chat_id}/state", nil, []string{"ai_enabled", "state"}, "Chat", (*Invent).patchState},
	{"PATCH", "/chats/{chat_id}/state/assign", nil, []string{"member_id"}, "ChatState", (*Invent).assign},
	{"GET", "/chats/{chat_id}/state/info", nil, nil, "ChatInfo", (*Invent).info},
	{"GET", "/chats/{chat_id}/memories", nil, nil, "Memories", (*Invent).memories},
	{"GET", "/orgs/{org_id}/members", []string{"page", "take"}, nil, "Members", (*Invent).listMembers},
	{"GET", "/orgs/{org_id}/inbox", []string{"page", "take", "integration_id"}, nil, "Chats", (*Invent).inbox},
	{"GET", socketPath, nil, nil, "Event", nil},
}

const socketPath = "/orgs/{org_id}/inbox/ws"

// ServeHTTP answers as Invent would. Only the server that Start started calls it.
func (i *Invent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body is read first: until then net/http doesn't notice that a client has left.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	rec := &Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery}
	i.mu.Lock()
	rec.At = i.now()
	i.requests = push(i.requests, rec)
	f := i.fault(r)
	i.changed()
	i.mu.Unlock()

	if f != nil && f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-i.ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
	broken := f != nil && !f.onlyLate()
	c := &call{body: body, head: w.Header()}
	var (
		status int
		answer []byte
		socket bool
	)
	i.mu.Lock()
	if !broken || f.AfterWrite || f.Huge > 0 && r.Method == http.MethodGet {
		var v any
		if status, v = i.route(r, c); status == http.StatusSwitchingProtocols {
			socket = true
		} else {
			answer = encode(v)
		}
	}
	if broken {
		status = f.status()
	}
	rec.Status = status
	i.mu.Unlock()

	switch {
	case broken && f.Hang:
		select {
		case <-r.Context().Done():
		case <-i.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case broken:
		f.answer(w, answer)
	case socket:
		i.socket(w, r)
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}
}

// route checks the call against the table and carries it out.
func (i *Invent) route(r *http.Request, c *call) (int, any) {
	if status, answer := i.tooMany(c.head); status != 0 {
		return status, answer
	}
	where := r.Method + " " + r.URL.EscapedPath()
	if where == "GET /openapi.json" {
		return http.StatusOK, i.openAPI()
	}
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || key != i.key {
		if !i.refusals && !i.oldKeys[key] {
			i.complain("%s: no bearer, or a wrong one", where)
		}
		return http.StatusUnauthorized, failure("Unauthorized")
	}
	refuse := func(status int, why string) (int, any) {
		i.complain("%s: %s", where, why)
		return status, failure(why)
	}
	var t *route
	status := http.StatusNotFound
	for n := range table {
		id, ok := match(table[n].path, r.URL.EscapedPath())
		switch {
		case ok && i.leftOut[table[n].name()]: // as if it weren't in the table
		case ok && table[n].method == r.Method:
			t, c.id = &table[n], id
		case ok:
			status = http.StatusMethodNotAllowed
		}
	}
	if t == nil {
		known := slices.ContainsFunc(table, func(t route) bool {
			_, ok := match(t.path, r.URL.EscapedPath())
			return ok && t.method == r.Method
		})
		switch {
		case known: // left out: no complaint, for the client may have had to try
			return status, failure("Not Found")
		case strings.Contains(r.URL.Path, "/messages") && r.Method != http.MethodGet:
			return refuse(http.StatusBadRequest, "this would write to the customer")
		}
		return refuse(status, "no such route")
	}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return refuse(http.StatusBadRequest, "broken query")
	}
	for name := range c.query {
		if !slices.Contains(t.query, name) {
			return refuse(http.StatusBadRequest, "unknown parameter "+name)
		}
	}
	if strings.HasPrefix(t.path, "/orgs/") && c.id != "c" && c.id != "org_1" {
		return http.StatusNotFound, failure("Organization not found")
	}
	if t.body == nil {
		if len(c.body) > 0 {
			return refuse(http.StatusBadRequest, "a body where none belongs")
		}
	} else {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			return refuse(http.StatusUnsupportedMediaType, "content type is not application/json")
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(c.body, &fields) != nil || len(fields) == 0 {
			return refuse(http.StatusBadRequest, "body is no object, or empty")
		}
		for name := range fields {
			if !slices.Contains(t.body, name) || i.leftOut[t.name()+" "+name] {
				return refuse(http.StatusBadRequest, "unknown property "+name)
			}
		}
	}
	if t.handle == nil {
		return http.StatusSwitchingProtocols, nil
	}
	status, answer := t.handle(i, c)
	if why, ok := answer.(failure); ok && status == http.StatusBadRequest && !strings.HasPrefix(string(why), "no such member") {
		i.complain("%s: %s", where, why)
	}
	return status, answer
}

// match compares a path, as it was sent, with a pattern of the table, and returns the {parameter}, which is one escaped segment.
func match(pattern, path string) (id string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return "", false
	}
	for n := range want {
		if strings.HasPrefix(want[n], "{") {
			s, err := url.PathUnescape(got[n])
			if err != nil || s == "" || s == "." || s == ".." {
				return "", false
			}
			id = s
		} else if want[n] != got[n] {
			return "", false
		}
	}
	return id, true
}

// tooMany counts the call. Above the limit it returns a 429 and sets Retry-After; else the status is 0.
func (i *Invent) tooMany(head http.Header) (int, any) {
	if i.perMin == 0 {
		return 0, nil
	}
	now := i.now()
	i.arrivals = slices.DeleteFunc(i.arrivals, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(i.arrivals) >= i.perMin {
		i.complain("more than %d calls in a minute", i.perMin)
		wait := i.arrivals[0].Add(time.Minute).Sub(now)
		head.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return http.StatusTooManyRequests, failure("Too Many Requests")
	}
	i.arrivals = append(i.arrivals, now)
	return 0, nil
}

func (i *Invent) current(c *call) *Chat {
	if chat := i.byID[c.id]; chat != nil && chat.Newer == "" {
		return chat
	}
	return nil
}

func (i *Invent) getChat(c *call) (int, any) {
	chat := i.current(c)
	if chat == nil {
		return http.StatusNotFound, failure("Chat not found")
	}
	return http.StatusOK, i.chatJSON(chat)
}

func (i *Invent) assign(c *call) (int, any) {
	var in struct {
		Member *string `json:"member_id"`
	}
	if json.Unmarshal(c.body, &in) != nil {
		return http.StatusBadRequest, failure("member_id is no string and not null")
	}
	chat := i.current(c)
	if chat == nil {
		return http.StatusNotFound, failure("Chat not found")
	}
	now := i.now()
	switch {
	case in.Member == nil:
		chat.AssigneeID, chat.AssignedAt = "", time.Time{}
	case i.member(*in.Member) == nil:
		return http.StatusBadRequest, failure("no such member")
	default:
		chat.AssigneeID, chat.AssignedAt = *in.Member, now
	}
	chat.UpdatedAt = now
	i.writes = push(i.writes, Write{Chat: chat.ID, Route: "assign", Member: in.Member, At: now})
	i.tell(chat)
	return http.StatusOK, i.stateJSON(chat)
}

func (i *Invent) patchState(c *call) (int, any) {
	var in struct {
		AI    *bool         `json:"ai_enabled"`
		State *invent.State `json:"state"`
	}
	if json.Unmarshal(c.body, &in) != nil {
		return http.StatusBadRequest, failure("a property of the wrong type")
	}
	if in.State != nil && !slices.Contains([]invent.State{invent.Open, invent.Snoozed, invent.Closed}, *in.State) {
		return http.StatusBadRequest, failure("a value that is not allowed")
	}
	chat := i.current(c)
	if chat == nil {
		return http.StatusNotFound, failure("Chat not found")
	}
	write := Write{Chat: chat.ID, Route: "state", AI: in.AI, At: i.now()}
	put(&chat.AIEnabled, in.AI)
	put(&chat.State, in.State)
	put(&write.State, in.State)
	chat.UpdatedAt = write.At
	i.writes = push(i.writes, write)
	i.tell(chat)
	return http.StatusOK, i.chatJSON(chat)
}

func (i *Invent) info(c *call) (int, any) {
	chat := i.byID[c.id]
	if chat == nil {
		return http.StatusNotFound, failure("Chat not found")
	}
	newest := chat.Newer
	for hops := 0; hops < 100 && i.byID[newest] != nil && i.byID[newest].Newer != ""; hops++ {
		newest = i.byID[newest].Newer
	}
	return http.StatusOK, object{"newest_chat_id": orNull(newest)}
}

func (i *Invent) memories(c *call) (int, any) {
	chat := i.current(c)
	if chat == nil {
		return http.StatusNotFound, failure("Chat not found")
	}
	return http.StatusOK, append([]invent.Memory{}, chat.Memories...)
}

func (i *Invent) listMembers(c *call) (int, any) {
	return paged(c, i.members, i.memberJSON)
}

func (i *Invent) inbox(c *call) (int, any) {
	var rows []*Chat
	for _, chat := range i.chats {
		if only := c.query.Get("integration_id"); chat.Newer == "" && (only == "" || only == chat.Channel) {
			rows = append(rows, chat)
		}
	}
	slices.SortStableFunc(rows, func(a, b *Chat) int {
		if i.sorting != nil {
			return i.sorting(*a, *b)
		}
		return b.UpdatedAt.Compare(a.UpdatedAt)
	})
	return paged(c, rows, i.chatJSON)
}

// paged answers one page of rows as a bare array, with the counts in the headers.
func paged[T any](c *call, rows []T, row func(T) any) (int, any) {
	number := func(name string, n, most int) int {
		if s := c.query.Get(name); s != "" {
			n, _ = strconv.Atoi(s) // what is no number becomes 0, which is refused below
		}
		if n > most {
			return 0
		}
		return n
	}
	page, take := number("page", 1, 1e6), number("take", 100, 100)
	if page < 1 || take < 1 {
		return http.StatusBadRequest, failure("page or take out of range")
	}
	c.head.Set("Pagination-Count", strconv.Itoa(len(rows)))
	c.head.Set("Pagination-Page", strconv.Itoa(page))
	c.head.Set("Pagination-Take", strconv.Itoa(take))
	all := []any{}
	for _, r := range rows[min((page-1)*take, len(rows)):min(page*take, len(rows))] {
		all = append(all, row(r))
	}
	return http.StatusOK, all
}

// socket sends the events to one listener until it leaves, is dropped, or the server closes.
func (i *Invent) socket(w http.ResponseWriter, r *http.Request) {
	i.live.Add(1)
	defer i.live.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		i.mu.Lock()
		i.complain("GET %s: no WebSocket handshake", r.URL.EscapedPath())
		i.mu.Unlock()
		return
	}
	defer conn.CloseNow()
	ctx, drop := context.WithCancel(conn.CloseRead(i.ctx)) // it answers pings; a client may send no messages
	defer drop()
	ch := make(chan []byte, 1000)
	i.mu.Lock()
	i.sockets[ch] = drop
	i.changed()
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		delete(i.sockets, ch)
		i.changed()
		i.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-ch:
			if conn.Write(ctx, websocket.MessageText, message) != nil {
				return
			}
		}
	}
}

// failure is the body of an error. The shape of Invent's is not documented.
type failure string

func (f failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"message": string(f)})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprint("inventtest: ", err)) // can't be: only values made by this package are encoded
	}
	return b
}

func put[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
