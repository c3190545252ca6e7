// Package invent is a client of Invent's HTTP API: conversations, their assignees, the members of an organisation and the inbox.
//
// All requests but the WebSocket's handshake take one path through escaping, bearer, rate limit, timeout, size limit and decoding. There is
// one error type, with predicates. The package does not retry, cache, log or decide who may do what, sends nothing to customers, and knows
// nothing of Slack.
package invent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/go-json-experiment/json" // Go's coming encoding/json/v2: decodes an answer in half the time
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"
)

const (
	bodyLimit     = 4 << 20
	inboxLimit    = 16 << 20 // a page is large: each conversation carries its assistant's prompt
	contractLimit = 8 << 20
	pageSize      = 100 // the largest that Invent allows
	maxPages      = 200
	rowsLimit     = 10_000          // of one answer, in case the API ignores paging: an empty row of three bytes takes hundreds in memory
	headerLimit   = 64 << 10        // of an answer
	patience      = time.Second     // the longest that a call waits for the limiter
	defaultPause  = 5 * time.Second // after a 429 that doesn't say how long
	longestPause  = time.Hour
)

// Options says which Invent a client talks to, and as whom.
type Options struct {
	URL       string                                    // base URL, e.g. https://api.useinvent.com; a path in it is kept
	Key       string                                    // sent as the bearer to that URL only: redirects are not followed
	Org       string                                    // organisation id; "c" is the key's own
	PerMinute int                                       // calls a minute, in bursts of a 32nd of it (with 480, no minute has more than 495, even if some arrive late); 0: none
	Timeout   time.Duration                             // of each call, waiting included; 0: 5 s
	Now       func() time.Time                          // nil: time.Now
	Wrap      func(http.RoundTripper) http.RoundTripper // wraps or replaces the transport, e.g. to observe the calls; nil: not
}

// Client talks to Invent with one key. It is safe for concurrent use; all goroutines share its rate limit.
type Client struct {
	base    string
	baseErr error
	bearer  string
	org     string
	http    *http.Client
	timeout time.Duration
	now     func() time.Time
	beat    time.Duration // between pings of a listener
	limit   *rate.Limiter // nil: none
	turns   sync.Mutex
	gate    atomic.Int64 // after a 429 of Invent's: no call before this moment (Unix ns)
}

// New returns a client; it sends nothing. If the URL is unusable, every call returns an error.
func New(o Options) *Client {
	c := &Client{
		base: strings.TrimRight(o.URL, "/"), bearer: "Bearer " + strings.TrimSpace(o.Key), org: o.Org,
		timeout: o.Timeout, now: o.Now, beat: 20 * time.Second,
	}
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		c.baseErr = errBase
	}
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.http = &http.Client{Transport: transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.Wrap != nil {
		c.http.Transport = o.Wrap(c.http.Transport)
	}
	if o.PerMinute > 0 {
		c.limit = rate.NewLimiter(rate.Limit(float64(o.PerMinute)/60), max(1, o.PerMinute/32))
	}
	return c
}

// transport keeps a warm connection for each worker, and pings to notice a dead one (else a dead HTTP/2 connection would be used until TCP
// gives up).
func transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 3 * time.Second,

		MaxResponseHeaderBytes: headerLimit,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// Chat reads one conversation. [NotFound]: there is none with this id, or a newer one has taken its place ([Client.Newer]).
func (c *Client) Chat(ctx context.Context, id string) (Chat, error) {
	return c.chat(ctx, routeChat, id, nil)
}

func (c *Client) chat(ctx context.Context, r Route, id string, in any) (Chat, error) {
	var w wireChat
	if _, err := c.call(ctx, r, id, nil, in, &w); err != nil {
		return Chat{}, err
	}
	if w.ID == "" || w.State.State == "" {
		return Chat{}, wrong(r)
	}
	return w.chat(), nil
}

// Assign gives the conversation to a member, or to nobody (nil), and returns the state that Invent answers. Invent has no
// compare-and-set: it takes the conversation from whoever has it. After an error, [MayHaveHappened] says whether to read the chat to
// find out.
func (c *Client) Assign(ctx context.Context, chat string, member *string) (ChatState, error) {
	if member != nil && checkID(*member) != nil {
		return ChatState{}, &Error{Op: routeAssign.Op, Err: ErrID, unsent: true, final: true}
	}
	in := struct {
		Member *string `json:"member_id"` // the key must be there, also for null
	}{member}
	var w wireState
	if _, err := c.call(ctx, routeAssign, chat, nil, in, &w); err != nil {
		return ChatState{}, err
	}
	if w.ID == "" || w.plainState.State == "" {
		return ChatState{}, wrong(routeAssign)
	}
	return w.state(), nil
}

// StateChange is what [Client.SetState] changes; a nil field stays as it is. That State can be changed is not documented.
type StateChange struct {
	AIEnabled *bool  `json:"ai_enabled,omitempty"`
	State     *State `json:"state,omitempty"`
}

// SetState changes a conversation's state and returns the whole conversation. The zero StateChange is an error, and sends nothing.
func (c *Client) SetState(ctx context.Context, chat string, change StateChange) (Chat, error) {
	if change == (StateChange{}) {
		return Chat{}, &Error{Op: routeState.Op, Err: errors.New("nothing to change"), unsent: true, final: true}
	}
	return c.chat(ctx, routeState, chat, change)
}

// Newer returns the id of the chat that has taken this one's place, "" when none has.
func (c *Client) Newer(ctx context.Context, chat string) (string, error) {
	var w struct {
		ID *string `json:"newest_chat_id"`
	}
	if _, err := c.call(ctx, routeNewer, chat, nil, nil, &w); err != nil {
		return "", err
	}
	if w.ID == nil || *w.ID == chat {
		return "", nil
	}
	return *w.ID, nil
}

// Memories returns what Invent has summarised of a conversation, in Invent's order.
func (c *Client) Memories(ctx context.Context, chat string) ([]Memory, error) {
	var all rows[Memory]
	_, err := c.call(ctx, routeMemories, chat, nil, nil, &all)
	return all, err
}

// Members returns all members of the organisation, each once, in Invent's order. It never returns part of them: whoever is missing would
// look like somebody who has left.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	var all []Member
	seen := map[string]bool{}
	for page := 1; page <= maxPages; page++ {
		var list rows[Member]
		h, err := c.call(ctx, routeMembers, c.org, pages(page, pageSize), nil, &list)
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, m := range list {
			if m.ID == "" {
				return nil, wrong(routeMembers)
			}
			// Rows move between the pages when somebody joins or leaves, so one can come twice.
			if !seen[m.ID] {
				seen[m.ID] = true
				all = append(all, m)
			}
		}
		if len(all) > maxPages*pageSize {
			break
		}
		// A page without anybody new means an API that ignores paging and would send the same for ever.
		if !more(h, page, len(list)) || len(all) == before {
			return all, nil
		}
	}
	return nil, wrong(routeMembers)
}

// Inbox returns one page (from 1) of the organisation's conversations, in no order to rely on, and whether there is another. A row
// without id or state is left out.
func (c *Client) Inbox(ctx context.Context, page int) (chats []Chat, next bool, err error) {
	var list rows[wireChat]
	h, err := c.call(ctx, routeInbox, c.org, pages(page, pageSize), nil, &list)
	if err != nil {
		return nil, false, err
	}
	chats = make([]Chat, 0, len(list))
	for i := range list {
		if list[i].ID != "" && list[i].State.State != "" {
			chats = append(chats, list[i].chat())
		}
	}
	return chats, more(h, page, len(list)), nil
}

// Ping makes the cheapest call that needs the key: nil says that Invent answers and accepts it.
func (c *Client) Ping(ctx context.Context) error {
	r := routeMembers
	r.Op = "ping"
	_, err := c.call(ctx, r, c.org, pages(1, 1), nil, &[]struct{}{})
	return err
}

func pages(page, take int) url.Values {
	return url.Values{"page": {strconv.Itoa(page)}, "take": {strconv.Itoa(take)}}
}

// more reports whether a page comes after this one: by the headers if Invent sends them, else by whether this page is full.
func more(h http.Header, page, rows int) bool {
	take := pageSize
	if n, err := strconv.Atoi(h.Get("Pagination-Take")); err == nil && n > 0 {
		take = n
	}
	if total, err := strconv.Atoi(h.Get("Pagination-Count")); err == nil {
		return rows > 0 && page*take < total
	}
	return rows >= take
}

// rows is a list that an answer holds.
type rows[T any] []T

// UnmarshalJSONFrom reads a list, of rowsLimit rows at most.
//
//nolint:wrapcheck // call replaces what the decoder says
func (l *rows[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return v2.UnmarshalDecode(d, (*[]T)(l)) // null, or an error
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(*l) == rowsLimit {
			return errTooLarge
		}
		*l = append(*l, *new(T))
		if err := v2.UnmarshalDecode(d, &(*l)[len(*l)-1]); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func wrong(r Route) error {
	return &Error{Op: r.Op, Status: http.StatusOK, Err: errAnswer, final: true}
}

// call sends every request to Invent but the WebSocket's handshake (see dial). id goes into the path, in (nil: none) is sent as JSON, and
// the body of a 2xx is decoded into out. If out is a *[]byte, it gets the body as it is, and the key is not sent. call returns the
// answer's headers. Every error is an *Error.
func (c *Client) call(ctx context.Context, r Route, id string, query url.Values, in, out any) (http.Header, error) {
	address, err := c.address(r, id)
	var body io.Reader
	if err == nil && in != nil {
		var b []byte
		b, err = json.Marshal(in)
		body = bytes.NewReader(b)
	}
	if err != nil {
		return nil, &Error{Op: r.Op, Err: err, unsent: true, final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.admit(ctx, r.Op); err != nil {
		return nil, err
	}
	if query != nil {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, body)
	if err != nil {
		return nil, &Error{Op: r.Op, Err: errBase, unsent: true, final: true}
	}
	raw, isRaw := out.(*[]byte)
	limit := int64(bodyLimit)
	if r.Op == routeInbox.Op {
		limit = inboxLimit
	}
	if isRaw {
		limit = contractLimit
	} else {
		req.Header.Set("Authorization", c.bearer)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "inventbot")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, lost(r.Op, 0, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		e := c.answered(r.Op, resp)
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10) // a connection can be reused only if the body was read to its end
		return nil, e
	}
	var buf bytes.Buffer
	buf.Grow(int(min(max(resp.ContentLength, 0), 64<<10)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, lost(r.Op, resp.StatusCode, err)
	case n > limit:
		return nil, &Error{Op: r.Op, Status: resp.StatusCode, Err: errTooLarge, final: true}
	case isRaw:
		*raw = buf.Bytes()
		return resp.Header, nil
	}
	if err := v2.Unmarshal(buf.Bytes(), out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		// The decoder's errors quote the body, so they are not passed on.
		if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return nil, &Error{Op: r.Op, Status: resp.StatusCode, Err: errNotJSON}
		}
		return nil, &Error{Op: r.Op, Status: resp.StatusCode, Err: errAnswer, final: true}
	}
	return resp.Header, nil
}

// address is the URL of a call of the route.
func (c *Client) address(r Route, id string) (string, error) {
	path, err := r.fill(id)
	if err == nil {
		err = c.baseErr
	}
	return c.base + path, err
}

// answered makes the error for an answer that isn't a 2xx; a 429 also closes the gate.
func (c *Client) answered(op string, resp *http.Response) *Error {
	e := &Error{Op: op, Status: resp.StatusCode}
	now := c.now()
	v := resp.Header.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil {
		e.RetryAfter = time.Duration(min(max(s, 1), int(longestPause/time.Second))) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		e.RetryAfter = min(max(t.Sub(now), time.Second), longestPause)
	}
	if e.Status != http.StatusTooManyRequests {
		return e
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = defaultPause
	}
	for until := now.Add(e.RetryAfter).UnixNano(); ; {
		old := c.gate.Load()
		if old >= until || c.gate.CompareAndSwap(old, until) {
			return e
		}
	}
}

// admit refuses a call while the gate is closed, or if the limiter would have it wait longer than patience; else it waits for the limiter.
// A refused call was not sent, and its error says how long to wait.
func (c *Client) admit(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return &Error{Op: op, Err: err, unsent: true}
	}
	if err := c.gated(op); err != nil || c.limit == nil {
		return err
	}
	now := c.now()
	// Reserve and cancel under one lock: a turn is given back whole only if no later one is reserved, else refused calls would use up turns.
	c.turns.Lock()
	turn := c.limit.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > patience {
		turn.CancelAt(now)
	}
	c.turns.Unlock()
	if wait > patience {
		return heldBack(op, wait)
	}
	if wait == 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return c.gated(op) // the gate may have closed in the meantime
	case <-ctx.Done():
		turn.CancelAt(c.now())
		return &Error{Op: op, Err: ctx.Err(), unsent: true}
	}
}

// gated returns an error while the gate is closed, that is while Invent wants no calls; else nil.
func (c *Client) gated(op string) error {
	if wait := time.Duration(c.gate.Load() - c.now().UnixNano()); wait > 0 {
		return heldBack(op, wait)
	}
	return nil
}

func heldBack(op string, wait time.Duration) error {
	return &Error{Op: op, Status: http.StatusTooManyRequests, RetryAfter: wait, Err: errHeldBack, unsent: true}
}
