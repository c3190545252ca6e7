// Package inventtest is a pretended Invent: an HTTP server on the loopback that answers the calls the bot makes as the real one is
// documented to, is strict about what it gets, and records it. Tests and the sandbox run on it; it needs no *testing.T.
//
// It does not imitate what is not documented: assigning changes the assignee and nothing else, an inactive member can be assigned,
// and nobody is notified. Its methods change people and conversations as the dashboard would.
package inventtest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"inventbot/invent"
)

// Secrets that stand in the answers and that a client must never pass on: the assistant's prompt, and how to reach the customer.
const (
	SecretPrompt  = "PROMPT-SECRET"
	CustomerPhone = "+4915100000000"
	CustomerEmail = "customer@private.example"
)

const kept = 10_000 // how many requests, and how many writes, are recorded at most; the oldest go first

// Chat is a conversation as the server holds it. AddChat makes the zero value an open conversation on WhatsApp, without the AI.
type Chat struct {
	ID                   string // default: chat_<n>
	Customer             string // the contact's name; "": unnamed
	Channel              string // integration id; default: whatsapp_bot
	Assistant            string // name; default: Shop Assistant
	Language             string // default: en
	State                invent.State
	AIEnabled            bool
	AssigneeID           string // a member's id; "": nobody
	AssignedAt           time.Time
	LastContactMessageAt time.Time
	FollowUpAt           time.Time
	MutedUntil           time.Time
	Unseen               int
	CSAT                 int
	Memories             []invent.Memory
	CreatedAt, UpdatedAt time.Time // default: now
	Bare                 bool      // answers leave out everything that is optional, except the assignee
	Newer                string    // the id of the chat that has superseded it: see Supersede
}

// Write is a PATCH that was carried out.
type Write struct {
	Chat   string
	Route  string       // "assign" or "state"
	Member *string      // for "assign"
	State  invent.State // for "state"; "": not changed
	AI     *bool        // for "state"; nil: not changed
	At     time.Time
}

// Request is a call that arrived. Status is 0 until it is answered, 101 for a socket.
type Request struct {
	Method, Path, Query string // the path as it was sent, escaped
	Status              int
	At                  time.Time
}

// Invent is the server. All methods can be called at any time from any goroutine, but not from within a change function.
type Invent struct {
	srv  *httptest.Server
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	live sync.WaitGroup // sockets

	mu       sync.Mutex
	key      string
	oldKeys  map[string]bool
	refusals bool // wrong keys are no complaint
	now      func() time.Time
	n        int
	members  []*invent.Member
	chats    []*Chat
	byID     map[string]*Chat
	byUserID bool
	sorting  func(a, b Chat) int
	perMin   int
	arrivals []time.Time
	leftOut  map[string]bool
	faults   []*Fault
	writes   []Write
	requests []*Request
	wrongs   []string
	sockets  map[chan []byte]func() // by the channel of a socket's outgoing messages: how to drop the socket
	mute     bool
	watchers map[chan struct{}]bool
}

// Start starts a server without members and chats. Its key is "inv_test_key", its organisation "org_1", for which "c" stands too.
func Start() *Invent {
	i := &Invent{
		key: "inv_test_key", oldKeys: map[string]bool{}, now: time.Now, byID: map[string]*Chat{}, leftOut: map[string]bool{},
		sockets: map[chan []byte]func(){}, watchers: map[chan struct{}]bool{},
	}
	i.ctx, i.stop = context.WithCancel(context.Background())
	i.srv = httptest.NewServer(i)
	return i
}

// URL returns the base URL.
func (i *Invent) URL() string { return i.srv.URL }

// Key returns the key that is accepted now.
func (i *Invent) Key() string { i.mu.Lock(); defer i.mu.Unlock(); return i.key }

// Close ends the server, every call that hangs, and every socket. All its goroutines are gone when it returns.
func (i *Invent) Close() {
	i.stop()
	i.srv.CloseClientConnections()
	i.srv.Close()
	i.live.Wait()
}

// SetNow makes the server use another clock.
func (i *Invent) SetNow(now func() time.Time) { i.mu.Lock(); i.now = now; i.mu.Unlock() }

// Rotate changes the key. Calls with the former one get 401, which is no complaint.
func (i *Invent) Rotate(key string) {
	i.mu.Lock()
	i.oldKeys[i.key] = true
	i.key = key
	i.mu.Unlock()
}

// ExpectRefusal makes missing and wrong keys no complaint from now on; they still get 401.
func (i *Invent) ExpectRefusal() { i.mu.Lock(); i.refusals = true; i.mu.Unlock() }

// AssignedUserIDs makes assigned_user.id the member's user id (true) or the member's id (false): the documentation allows both.
func (i *Invent) AssignedUserIDs(userID bool) { i.mu.Lock(); i.byUserID = userID; i.mu.Unlock() }

// SortInbox sets the inbox's order, which is not documented. Without it, the conversation that changed last comes first.
func (i *Invent) SortInbox(compare func(a, b Chat) int) {
	i.mu.Lock()
	i.sorting = compare
	i.mu.Unlock()
}

// LimitPerMinute allows n calls in a sliding minute (0: no limit). Each further call gets 429 with Retry-After, and is a complaint.
func (i *Invent) LimitPerMinute(n int) { i.mu.Lock(); i.perMin, i.arrivals = n, nil; i.mu.Unlock() }

// LeaveOut makes the API lack routes, e.g. "GET /chats/{chat_id}", or properties of a body, e.g. "PATCH /chats/{chat_id}/state state":
// they are refused, and are not in /openapi.json. It panics for a name it doesn't know.
func (i *Invent) LeaveOut(names ...string) {
	for _, name := range names {
		if !slices.ContainsFunc(table, func(r route) bool {
			return name == r.name() || slices.ContainsFunc(r.body, func(p string) bool { return name == r.name()+" "+p })
		}) {
			panic("inventtest: no such route: " + name)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range names {
		i.leftOut[name] = true
	}
}

// AddMember adds a member; empty fields become mem_<n>, usr_<n>, "Member <n>", member<n>@team.example, AGENT, ACTIVE.
func (i *Invent) AddMember(m invent.Member) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
	def(&m.ID, fmt.Sprintf("mem_%d", i.n))
	def(&m.UserID, fmt.Sprintf("usr_%d", i.n))
	def(&m.Name, fmt.Sprintf("Member %d", i.n))
	def(&m.Email, fmt.Sprintf("member%d@team.example", i.n))
	def(&m.Role, "AGENT")
	def(&m.Status, "ACTIVE")
	i.members = append(i.members, &m)
	i.changed()
}

// SetMember changes a member; an unknown id panics.
func (i *Invent) SetMember(id string, change func(*invent.Member)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	m := i.member(id)
	if m == nil {
		panic("inventtest: no such member: " + id)
	}
	change(m)
	i.changed()
}

// Members returns the members.
func (i *Invent) Members() []invent.Member {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []invent.Member
	for _, m := range i.members {
		all = append(all, *m)
	}
	return all
}

// AddChat adds a conversation, tells the sockets, and returns its id. An id that exists panics.
func (i *Invent) AddChat(c Chat) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
	def(&c.ID, fmt.Sprintf("chat_%d", i.n))
	def(&c.Channel, "whatsapp_bot")
	def(&c.Assistant, "Shop Assistant")
	def(&c.Language, "en")
	def(&c.State, invent.Open)
	def(&c.CreatedAt, i.now())
	def(&c.UpdatedAt, c.CreatedAt)
	if c.AssigneeID != "" {
		def(&c.AssignedAt, i.now())
	}
	if i.byID[c.ID] != nil {
		panic("inventtest: chat exists: " + c.ID)
	}
	i.chats = append(i.chats, &c)
	i.byID[c.ID] = &c
	i.tell(&c)
	return c.ID
}

// SetChat changes a conversation as the dashboard would: updated_at becomes now, and so does assigned_at if the assignee changed; the
// sockets are told. An unknown id panics.
func (i *Invent) SetChat(id string, change func(*Chat)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.byID[id]
	if c == nil {
		panic("inventtest: no such chat: " + id)
	}
	was := *c
	change(c)
	c.ID, c.UpdatedAt = id, i.now()
	if c.AssigneeID != was.AssigneeID && c.AssignedAt.Equal(was.AssignedAt) {
		c.AssignedAt = i.now()
	}
	if c.AssigneeID == "" {
		c.AssignedAt = time.Time{}
	}
	i.tell(c)
}

// Supersede makes newer the chat in which the conversation of old goes on: old answers 404 and leaves the inbox, its state/info names newer.
func (i *Invent) Supersede(old, newer string) { i.SetChat(old, func(c *Chat) { c.Newer = newer }) }

// Chat returns a conversation; false for an unknown id.
func (i *Invent) Chat(id string) (Chat, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.byID[id]; c != nil {
		return *c, true
	}
	return Chat{}, false
}

// Chats returns all conversations, in the order in which they were added.
func (i *Invent) Chats() []Chat {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []Chat
	for _, c := range i.chats {
		all = append(all, *c)
	}
	return all
}

// Assignee returns the id of the member who has the conversation, "" for nobody.
func (i *Invent) Assignee(chat string) string { c, _ := i.Chat(chat); return c.AssigneeID }

// Writes returns the writes that were carried out, in order.
func (i *Invent) Writes() []Write { i.mu.Lock(); defer i.mu.Unlock(); return slices.Clone(i.writes) }

// Requests returns all calls that arrived, in order, including refused ones and those that met a fault.
func (i *Invent) Requests() []Request {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := make([]Request, len(i.requests))
	for n, r := range i.requests {
		all[n] = *r
	}
	return all
}

// Complaints returns what clients did that they must never do. A test should end without any.
func (i *Invent) Complaints() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.wrongs)
}

// Watch returns a channel that signals, until ctx ends, that something has happened since it was last read: a change, a request, a socket
// that came or went.
func (i *Invent) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	i.mu.Lock()
	i.watchers[ch] = true
	i.mu.Unlock()
	context.AfterFunc(ctx, func() { i.mu.Lock(); delete(i.watchers, ch); i.mu.Unlock() })
	return ch
}

// Until waits until holds returns true, and returns true; or until ctx ends, and returns false. It calls holds at first and after each change.
func (i *Invent) Until(ctx context.Context, holds func() bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for ch := i.Watch(ctx); ; {
		if holds() {
			return true
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return false
		}
	}
}

// Sockets returns how many listen to the inbox.
func (i *Invent) Sockets() int { i.mu.Lock(); defer i.mu.Unlock(); return len(i.sockets) }

// DropSockets breaks every socket, as a network does.
func (i *Invent) DropSockets() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, drop := range i.sockets {
		drop()
	}
}

// Mute makes the server lose the events that it would send to the sockets; the changes themselves happen.
func (i *Invent) Mute(mute bool) { i.mu.Lock(); i.mute = mute; i.mu.Unlock() }

// Send sends a message to every socket, whatever it is: half an event, an old one, one of another kind.
func (i *Invent) Send(message []byte) { i.mu.Lock(); i.send(message); i.mu.Unlock() }

// The functions below must be called with the lock held.

func (i *Invent) send(message []byte) {
	for ch := range i.sockets {
		select {
		case ch <- message:
		default: // a client that doesn't read loses events
		}
	}
}

// tell sends the chat to the sockets and wakes the watchers.
func (i *Invent) tell(c *Chat) {
	if !i.mute && len(i.sockets) > 0 {
		i.send(encode(map[string]any{"type": "chat.updated", "data": i.chatJSON(c)}))
	}
	i.changed()
}

func (i *Invent) changed() {
	for ch := range i.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (i *Invent) member(id string) *invent.Member {
	for _, m := range i.members {
		if m.ID == id {
			return m
		}
	}
	return nil
}

func (i *Invent) complain(format string, args ...any) {
	i.wrongs = append(i.wrongs, fmt.Sprintf(format, args...))
}

// def sets *p to its default if it is the zero value.
func def[T comparable](p *T, to T) {
	var zero T
	if *p == zero {
		*p = to
	}
}

// push appends, and forgets the older half if all is too long.
func push[T any](all []T, one T) []T {
	if len(all) >= kept {
		all = slices.Clone(all[kept/2:])
	}
	return append(all, one)
}
