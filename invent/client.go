// Package invent is a client of Invent's HTTP API: conversations, their assignees, the members of an organisation and the inbox.
//
// There is one request path: escaping, bearer, limit of calls, timeout, limit of size, decoding, and one error type with predicates.
// The package does not retry, cache, log or decide who may do what, sends nothing to customers, and knows nothing of Slack.
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

	v2 "github.com/go-json-experiment/json" // Go's coming encoding/json/v2: an answer is decoded in half the time
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"
)

const (
	bodyLimit     = 4 << 20
	inboxLimit    = 16 << 20 // each of a page's conversations carries its assistant's prompt
	contractLimit = 8 << 20
	pageSize      = 100 // Invent's largest
	maxPages      = 200
	rowsLimit     = 10_000          // of one answer, for an API that doesn't know pages: an empty row of three bytes takes hundreds in memory
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
	PerMinute int                                       // calls a minute, in bursts of a 32nd of it (480 never makes a minute of more than 495, and some calls arrive late); 0: no limit
	Timeout   time.Duration                             // of each call, waiting included; 0: 5 s
	Now       func() time.Time                          // nil: time.Now
	Wrap      func(http.RoundTripper) http.RoundTripper // put around the transport, to see the calls, or in its place; nil: none
}

// Client talks to Invent for one key. It is safe for concurrent use; all goroutines share the limit of calls.
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
	gate    atomic.Int64 // no call before this moment (Unix ns), by Invent's 429
}

// New returns a client; it sends nothing. A URL that is none is reported by every call.
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

// transport keeps a warm connection for each worker, and notices a dead one (an HTTP/2 connection would else be used until TCP gives up).
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
// compare-and-set: it takes the conversation from whoever has it. After an error, [MayHaveHappened] says whether to read and see.
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

// StateChange is what [Client.SetState] changes; nil leaves as it is. State is not documented to be changeable.
type StateChange struct {
	AIEnabled *bool  `json:"ai_enabled,omitempty"`
	State     *State `json:"state,omitempty"`
}

// SetState changes a conversation's state and returns the whole conversation. A change of nothing is an error without a request.
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

// Members returns all members of the organisation, each once, in Invent's order. It is all or an error: who is missing from half a
// list would look like somebody who left.
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
			// The pages move while somebody joins or leaves, so a row can come twice.
			if !seen[m.ID] {
				seen[m.ID] = true
				all = append(all, m)
			}
		}
		if len(all) > maxPages*pageSize {
			break
		}
		// A page without anybody new: an API that does not know pages and sends the same for ever.
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

// more tells from the headers, where Invent sends them, else from a full page, whether a page comes after this one.
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
//nolint:wrapcheck // call words what the decoder says
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

// call is the one way to Invent: id goes into the path, in (nil: no body) as JSON, and the body of a 2xx into out, which is a *[]byte
// for the body as it is. It returns the answer's headers. Every error is an *Error.
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
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10) // read to the end, the connection can be used again
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
		// The decoder's words quote the body: they are not passed on.
		if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return nil, &Error{Op: r.Op, Status: resp.StatusCode, Err: errNotJSON}
		}
		return nil, &Error{Op: r.Op, Status: resp.StatusCode, Err: errAnswer, final: true}
	}
	return resp.Header, nil
}

// address is where a call of the route goes to.
func (c *Client) address(r Route, id string) (string, error) {
	path, err := r.fill(id)
	if err == nil {
		err = c.baseErr
	}
	return c.base + path, err
}

// answered makes the error of an answer that is no success, and closes the gate after a 429.
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

// admit waits for the limiter, at most for patience. What it refuses was not sent; its error says how long to wait.
func (c *Client) admit(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return &Error{Op: op, Err: err, unsent: true}
	}
	if err := c.gated(op); err != nil || c.limit == nil {
		return err
	}
	now := c.now()
	// In one step: a turn is given back whole only while nobody has reserved a later one, else what is refused would use up turns.
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
		return c.gated(op) // it may have closed in the meantime
	case <-ctx.Done():
		turn.CancelAt(c.now())
		return &Error{Op: op, Err: ctx.Err(), unsent: true}
	}
}

// gated is the error of a call that comes while Invent wants none, else nil.
func (c *Client) gated(op string) error {
	if wait := time.Duration(c.gate.Load() - c.now().UnixNano()); wait > 0 {
		return heldBack(op, wait)
	}
	return nil
}

func heldBack(op string, wait time.Duration) error {
	return &Error{Op: op, Status: http.StatusTooManyRequests, RetryAfter: wait, Err: errHeldBack, unsent: true}
}
