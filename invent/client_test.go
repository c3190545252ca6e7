package invent_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// start returns a pretended Invent with two members and a conversation, and a client of it. The test fails on any complaint.
func start(t *testing.T, change ...func(*invent.Options)) (*inventtest.Invent, *invent.Client) {
	t.Helper()
	i := inventtest.Start()
	t.Cleanup(func() {
		i.Close()
		for _, c := range i.Complaints() {
			t.Errorf("Invent complains: %s", c)
		}
	})
	i.AddMember(invent.Member{ID: "mem_ada", Email: "ada@team.example", Name: "Ada"})
	i.AddMember(invent.Member{ID: "mem_grace", Email: "grace@team.example", Name: "Grace"})
	i.AddChat(inventtest.Chat{ID: "chat_a", Customer: "Carla", Unseen: 3, CSAT: 4})
	o := invent.Options{URL: i.URL(), Key: i.Key(), Org: "c"}
	for _, f := range change {
		f(&o)
	}
	return i, invent.New(o)
}

// limited answers how long the error of a call that was one too many asks to wait.
func limited(err error) (wait time.Duration, ok bool) {
	return invent.RetryAfter(err), invent.RateLimited(err)
}

func TestAssign(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	i.SetNow(func() time.Time { return at })
	ada, nobody := "mem_ada", "mem_nobody"

	s, err := c.Assign(t.Context(), "chat_a", &ada)
	if err != nil || s.AssignedUser == nil || s.AssignedUser.ID != ada || s.AssignedAt == nil || !s.AssignedAt.Equal(at) {
		t.Fatalf("Assign = %+v, %v; want Ada since %v", s, err, at)
	}
	if _, err = c.Assign(t.Context(), "chat_a", &nobody); err == nil || invent.MayHaveHappened(err) || invent.Temporary(err) {
		t.Errorf("assign to an unknown member: %v; want an error for good", err)
	}
	if _, err = c.Assign(t.Context(), "chat_b", &ada); !invent.NotFound(err) {
		t.Errorf("assign an unknown chat: %v; want not found", err)
	}
	if s, err = c.Assign(t.Context(), "chat_a", nil); err != nil || s.AssignedUser != nil || s.AssignedAt != nil {
		t.Errorf("release = %+v, %v; want nobody", s, err)
	}
	if w := i.Writes(); len(w) != 2 || *w[0].Member != ada || w[1].Member != nil {
		t.Errorf("writes = %+v; want Ada, then nobody", w)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	i.SetChat("chat_a", func(c *inventtest.Chat) {
		c.Memories = []invent.Memory{{Summary: "wants a refund", KeyPoints: []string{"10 EUR"}, SummarizedAt: &at}}
	})
	chat, err := c.Chat(ctx, "chat_a")
	if err != nil || chat.ID != "chat_a" || chat.State.State != invent.Open || chat.State.AdminUnseenCount != 3 || *chat.State.CSATScore != 4 ||
		chat.Customer() != "Carla" || chat.Language() != "en" || chat.State.Assistant.Name != "Shop Assistant" {
		t.Errorf("Chat = %+v, %v", chat, err)
	}
	if m, err := c.Memories(ctx, "chat_a"); err != nil || len(m) != 1 || m[0].KeyPoints[0] != "10 EUR" || m[0].SummarizedAt == nil || !m[0].SummarizedAt.Equal(at) {
		t.Errorf("Memories = %+v, %v", m, err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("Ping = %v", err)
	}
	on, closed := true, invent.Closed
	if chat, err = c.SetState(ctx, "chat_a", invent.StateChange{AIEnabled: &on, State: &closed}); err != nil || !chat.State.AIEnabled || chat.State.State != closed {
		t.Errorf("SetState = %+v, %v; want closed, AI on", chat.State, err)
	}
	if _, err = c.SetState(ctx, "chat_a", invent.StateChange{}); err == nil || invent.MayHaveHappened(err) || invent.Temporary(err) {
		t.Errorf("SetState of nothing: %v; want an error for good", err)
	}
	if id, err := c.Newer(ctx, "chat_a"); err != nil || id != "" {
		t.Errorf("Newer = %q, %v; want none", id, err)
	}
	i.Fault(inventtest.Fault{Body: []byte(`{"newest_chat_id":"chat_a"}`), Times: 1})
	if id, err := c.Newer(ctx, "chat_a"); err != nil || id != "" {
		t.Errorf("Newer = %q, %v; want none: it is the newest itself", id, err)
	}
	i.Fault(inventtest.Fault{Status: 500, Times: 1})
	if id, err := c.Newer(ctx, "chat_a"); id != "" || !invent.Temporary(err) {
		t.Errorf("Newer = %q, %v; want a temporary error, not that there is none", id, err)
	}
	i.Supersede("chat_a", i.AddChat(inventtest.Chat{ID: "chat_new"}))
	if _, err = c.Chat(ctx, "chat_a"); !invent.NotFound(err) {
		t.Errorf("superseded chat: %v; want not found", err)
	}
	if id, err := c.Newer(ctx, "chat_a"); err != nil || id != "chat_new" {
		t.Errorf("Newer = %q, %v; want chat_new", id, err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	for _, id := range []string{"a/b", "a?x=1", "a#b", "a%2Fb", "a b", "a/state/assign", "...", "ü:@&=+$,;", "a;b=c"} {
		i.AddChat(inventtest.Chat{ID: id})
		if chat, err := c.Chat(t.Context(), id); err != nil || chat.ID != id {
			t.Errorf("Chat(%q) = %q, %v", id, chat.ID, err)
		}
		if _, err := c.Assign(t.Context(), id, nil); err != nil {
			t.Errorf("Assign(%q): %v", id, err)
		}
	}
	before := len(i.Requests())
	for _, id := range []string{"", ".", "..", "../orgs/c", "a/../../x", `a\..\b`, "a/.", "a\nb", "a\x00", "a\u0085", "\xff", strings.Repeat("a", 201)} {
		_, err := c.Chat(t.Context(), id)
		_, err2 := c.Assign(t.Context(), "chat_a", &id)
		_, err3 := c.Assign(t.Context(), id, nil)
		for _, err := range []error{err, err2, err3} {
			if !errors.Is(err, invent.ErrID) || invent.MayHaveHappened(err) || invent.Temporary(err) {
				t.Errorf("id %q: %v; want ErrID for good", id, err)
			}
		}
	}
	if n := len(i.Requests()) - before; n != 0 {
		t.Errorf("%d requests were sent for ids that are none", n)
	}
}

func TestPredicates(t *testing.T) {
	t.Parallel()
	type fault = inventtest.Fault
	for name, tc := range map[string]struct {
		fault
		status                                int
		notFound, refused, limited, temp, may bool
	}{
		"400":                   {fault: fault{Status: 400}, status: 400},
		"401":                   {fault: fault{Status: 401}, status: 401, refused: true},
		"403":                   {fault: fault{Status: 403}, status: 403, refused: true},
		"404":                   {fault: fault{Status: 404}, status: 404, notFound: true},
		"410":                   {fault: fault{Status: 410}, status: 410, notFound: true},
		"408":                   {fault: fault{Status: 408}, status: 408},
		"429":                   {fault: fault{Status: 429}, status: 429, limited: true, temp: true},
		"500 after the write":   {fault: fault{Status: 500, AfterWrite: true}, status: 500, temp: true, may: true},
		"502 in HTML":           {fault: fault{Status: 502, HTML: true}, status: 502, temp: true, may: true},
		"302":                   {fault: fault{Status: 302, Location: "/elsewhere"}, status: 302, may: true},
		"200 in HTML":           {fault: fault{HTML: true}, status: 200, temp: true, may: true},
		"200 without a body":    {fault: fault{Body: []byte{}}, status: 200, temp: true, may: true},
		"200 without id":        {fault: fault{Body: []byte(`{"state":"OPEN"}`)}, status: 200, may: true},
		"200 without state":     {fault: fault{Body: []byte(`{"id":"customer@private.example"}`)}, status: 200, may: true},
		"200 of another shape":  {fault: fault{Body: []byte(`{"id":4915100000000}`)}, status: 200, may: true},
		"200 null":              {fault: fault{Body: []byte(`null`)}, status: 200, may: true},
		"200 too large":         {fault: fault{Huge: 5 << 20, AfterWrite: true}, status: 200, may: true},
		"200 cut":               {fault: fault{Cut: true}, status: 200, temp: true, may: true},
		"cut after the write":   {fault: fault{Cut: true, AfterWrite: true}, status: 200, temp: true, may: true},
		"hangs":                 {fault: fault{Hang: true}, temp: true, may: true},
		"hangs after the write": {fault: fault{Hang: true, AfterWrite: true}, temp: true, may: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, c := start(t, func(o *invent.Options) {
				if tc.Hang {
					o.Timeout = 500 * time.Millisecond
				}
			})
			i.Fault(tc.fault)
			ada := "mem_ada"
			_, err := c.Assign(t.Context(), "chat_a", &ada)
			e, ok := errors.AsType[*invent.Error](err)
			if !ok || e.Status != tc.status {
				t.Fatalf("error %v; want status %d", err, tc.status)
			}
			err = fmt.Errorf("wrapped: %w", err)
			got := []bool{invent.NotFound(err), invent.Refused(err), invent.RateLimited(err), invent.Temporary(err), invent.MayHaveHappened(err)}
			if want := []bool{tc.notFound, tc.refused, tc.limited, tc.temp, tc.may}; !slices.Equal(got, want) {
				t.Errorf("%v: not found, refused, limited, temporary, may have happened = %v; want %v", err, got, want)
			}
			if n := len(i.Writes()); (n == 1) != tc.AfterWrite {
				t.Errorf("%d writes", n)
			}
			for _, secret := range []string{i.Key(), "private", "4915100000000", "nginx", "html"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q holds %q", err, secret)
				}
			}
		})
	}
	if x := errors.New("x"); invent.Temporary(nil) || invent.MayHaveHappened(nil) || invent.NotFound(x) || invent.Refused(nil) || invent.RateLimited(x) || invent.RetryAfter(x) != 0 {
		t.Error("a predicate holds for no error of this package")
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err   invent.Error
		words string
		again time.Duration
	}{
		{invent.Error{Op: "assign"}, "invent: assign", 0},
		{invent.Error{Op: "assign", Err: invent.ErrID}, "invent: assign: not an id", 0},
		{invent.Error{Op: "chat", Status: 503, RetryAfter: time.Minute}, "invent: chat: 503 Service Unavailable", time.Minute},
		{invent.Error{Op: "chat", Status: 403, RetryAfter: time.Minute}, "invent: chat: 403 Forbidden", 0},
		{invent.Error{Op: "chat", Status: 200, Err: invent.ErrAnswer}, "invent: chat: 200 OK: wrong answer", 0},
	} {
		if words, again := tc.err.Error(), invent.RetryAfter(&tc.err); words != tc.words || again != tc.again {
			t.Errorf("%q, again after %v; want %q, %v", words, again, tc.words, tc.again)
		}
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = invent.New(invent.Options{URL: "http://" + l.Addr().String(), Org: "c"}).Assign(t.Context(), "chat_a", nil)
	if !invent.Temporary(err) || invent.MayHaveHappened(err) {
		t.Errorf("refused connection: %v; want temporary, and nothing happened", err)
	}
	for _, url := range []string{"", "api", "http://", "http://a b", "http://x/?key=1", "http://x/#key"} {
		err := invent.New(invent.Options{URL: url, Org: "c"}).Ping(t.Context())
		if err == nil || invent.Temporary(err) || invent.MayHaveHappened(err) || !strings.HasPrefix(err.Error(), "invent: ping: ") {
			t.Errorf("URL %q: %v; want an error for good, of a ping", url, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i, c := start(t)
	if _, err := c.Assign(ctx, "chat_a", nil); !errors.Is(err, context.Canceled) || invent.MayHaveHappened(err) || len(i.Requests()) != 0 {
		t.Errorf("cancelled before: %v; want nothing sent", err)
	}
}

// TestLostCalls: of what was not connected nothing was sent, however that failed, and all else may have been carried out. An error's own
// words are kept only where they can hold nothing of an answer.
func TestLostCalls(t *testing.T) {
	t.Parallel()
	op := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	_, slow := (&net.Dialer{Timeout: time.Nanosecond}).DialContext(t.Context(), "tcp", "127.0.0.1:1")
	for name, tc := range map[string]struct {
		err, cause error
		may        bool
	}{
		"refused":                     {op("dial", syscall.ECONNREFUSED), syscall.ECONNREFUSED, false},
		"not connected in time":       {slow, slow, false},
		"refused by a proxy":          {op("proxyconnect", io.EOF), io.EOF, false},
		"another's certificate":       {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, x509.UnknownAuthorityError{}, false},
		"reset":                       {op("read", syscall.ECONNRESET), syscall.ECONNRESET, true},
		"no answer":                   {io.EOF, io.ErrUnexpectedEOF, true},
		"a cut answer":                {fmt.Errorf("HTTP/2: %w", io.ErrUnexpectedEOF), io.ErrUnexpectedEOF, true},
		"no handshake in time":        {os.ErrDeadlineExceeded, context.DeadlineExceeded, true},
		"no answer in time":           {context.DeadlineExceeded, context.DeadlineExceeded, true},
		"given up":                    {fmt.Errorf("customer@private.example: %w", context.Canceled), context.Canceled, true},
		"an answer that is malformed": {errors.New(`malformed HTTP response "customer@private.example"`), invent.ErrBroken, true},
	} {
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(wire(func(*http.Request) (*http.Response, error) { return nil, tc.err }))})
		_, err := c.Assign(t.Context(), "chat_a", nil)
		if e, ok := errors.AsType[*invent.Error](err); !ok || e.Status != 0 || !errors.Is(err, tc.cause) || tc.may != invent.MayHaveHappened(err) || !invent.Temporary(err) {
			t.Errorf("%s: %v (%T); want the cause %v, temporary, and that it may have happened: %v", name, err, e.Err, tc.cause, tc.may)
		}
		if strings.Contains(err.Error(), "private") || errors.Is(err, context.DeadlineExceeded) != errors.Is(tc.cause, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnection: what was connected once is used again, also after a refusal, and by many calls at a time where Invent can.
func TestConnection(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	serve := func(h http.HandlerFunc) *httptest.Server {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				opened.Add(1)
			}
		}
		srv.EnableHTTP2 = true
		t.Cleanup(srv.Close)
		return srv
	}
	plain := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, strings.Repeat("x", 10<<10))
	})
	plain.Start()
	c := invent.New(invent.Options{URL: plain.URL, Org: "c"})
	for range 3 {
		_ = c.Ping(t.Context())
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for 3 calls that were refused; want 1", opened.Load())
	}
	secure := serve(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s; want HTTP/2", r.Proto)
		}
		_, _ = io.WriteString(w, "[]")
	})
	secure.StartTLS()
	trust := func(own http.RoundTripper) http.RoundTripper {
		own.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
		return own
	}
	if err := invent.New(invent.Options{URL: secure.URL, Org: "c", Wrap: trust}).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMalformedAnswersAreNotQuoted(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			_, _ = io.WriteString(conn, "customer@private.example\r\n\r\n")
			_ = conn.Close()
		}
	}()
	_, err = invent.New(invent.Options{URL: "http://" + l.Addr().String(), Org: "c"}).Assign(t.Context(), "chat_a", nil)
	if err == nil || strings.Contains(err.Error(), "private") || !invent.MayHaveHappened(err) || !invent.Temporary(err) {
		t.Errorf("error %v; want one without the answer's words", err)
	}
}

// TestTooMany: an answer of few bytes, all the fewer when it is compressed, doesn't take all of the memory.
func TestTooMany(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	i.Fault(inventtest.Fault{Body: []byte("[" + strings.Repeat(`{"id":"x"},`, 10_000) + `{"id":"x"}]`)})
	_, members := c.Members(t.Context())
	_, _, inbox := c.Inbox(t.Context(), 1)
	_, memories := c.Memories(t.Context(), "chat_a")
	for what, err := range map[string]error{"members": members, "inbox": inbox, "memories": memories} {
		if !errors.Is(err, invent.ErrAnswer) || invent.Temporary(err) {
			t.Errorf("%s: %v; want a wrong answer", what, err)
		}
	}
	long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		_, _ = io.WriteString(w, "[]")
	}))
	defer long.Close()
	if err := invent.New(invent.Options{URL: long.URL, Org: "c"}).Ping(t.Context()); !invent.Temporary(err) {
		t.Errorf("with headers of 100 KiB: %v; want no answer", err)
	}
}

// TestTooLarge: what may be large is read to its limit, and nothing beyond it.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limit int
		call  func(context.Context, *invent.Client) error
	}{
		"a conversation":      {4 << 20, func(ctx context.Context, c *invent.Client) error { _, err := c.Chat(ctx, "chat_a"); return err }},
		"a page of the inbox": {16 << 20, func(ctx context.Context, c *invent.Client) error { _, _, err := c.Inbox(ctx, 1); return err }},
		"the contract":        {8 << 20, func(ctx context.Context, c *invent.Client) error { _, err := c.Check(ctx); return err }},
	} {
		for _, size := range []int{tc.limit, tc.limit + 1} {
			page := sends(strings.Repeat("x", size)) // is no JSON from the first byte: it is refused at once, for that or for its size
			err := tc.call(t.Context(), invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(page)}))
			if !errors.Is(err, invent.ErrAnswer) || strings.Contains(err.Error(), "too large") != (size > tc.limit) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
		}
	}
}

// TestLists: no list is an empty one, and what isn't a list of Invent's is nobody's.
func TestLists(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ wrong, temporary bool }{
		`null`: {}, `[]`: {}, `{}`: {true, false}, `"x"`: {true, false}, `[1]`: {true, false}, `[{"summary":"x"}`: {true, true}, `[{"summary":"x"},{`: {true, true},
	} {
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(sends(body))})
		all, err := c.Memories(t.Context(), "chat_a")
		if errors.Is(err, invent.ErrAnswer) != want.wrong || invent.Temporary(err) != want.temporary || len(all) > 0 && !want.wrong {
			t.Errorf("%s: %v, %v; want a wrong answer: %v, for now: %v", body, all, err, want.wrong, want.temporary)
		}
	}
}

func TestTheKeyGoesNowhereElse(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer other.Close()
	i, c := start(t)
	i.Fault(inventtest.Fault{Status: 307, Location: other.URL})
	_, err := c.Chat(t.Context(), "chat_a")
	_, err2 := c.Assign(t.Context(), "chat_a", nil)
	err3 := c.Listen(t.Context(), func() {})
	if err == nil || err2 == nil || err3 == nil || calls.Load() != 0 {
		t.Errorf("%v, %v, %v; want errors, and no request to the other host (%d)", err, err2, err3, calls.Load())
	}
	open := invent.New(invent.Options{URL: "http://invent.example", Key: "inv_key", Wrap: instead(wire(func(r *http.Request) (*http.Response, error) {
		if key := r.Header.Get("Authorization"); key != "" {
			t.Errorf("the contract is asked for with %q, and needs no key", key)
		}
		if who, what := r.Header.Get("User-Agent"), r.Header.Get("Accept"); who != "inventbot" || what != "application/json" {
			t.Errorf("%q asks for %q, want inventbot to ask for JSON", who, what)
		}
		return answer(200), nil
	}))})
	_, _ = open.Check(t.Context())
}

func TestKey(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	i.Rotate("inv_other")
	_, err := c.Members(t.Context())
	if !invent.Refused(err) || invent.Temporary(err) {
		t.Errorf("old key: %v; want refused", err)
	}
	if err := invent.New(invent.Options{URL: i.URL() + "/", Key: "inv_other\n", Org: "org_1"}).Ping(t.Context()); err != nil {
		t.Errorf("new key with a line break: %v", err)
	}
	if k, err := c.Check(t.Context()); err != nil || !k.Read {
		t.Errorf("contract: %+v, %v; it needs no key", k, err)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	row := `{"id":"mem_%d","email":"x%[1]d@team.example"}`
	page := func(n int) []byte {
		var rows []string
		for k := range n {
			rows = append(rows, fmt.Sprintf(row, k))
		}
		return []byte("[" + strings.Join(rows, ",") + "]")
	}
	t.Run("come in pages", func(t *testing.T) {
		t.Parallel()
		i, c := start(t)
		for range 198 {
			i.AddMember(invent.Member{})
		}
		all, err := c.Members(t.Context())
		if err != nil || len(all) != 200 || len(i.Requests()) != 2 {
			t.Errorf("%d members with %d calls, %v; want 200 with 2", len(all), len(i.Requests()), err)
		}
		if !all[0].Active() || all[0].Name != "Ada" {
			t.Errorf("first member = %+v", all[0])
		}
	})
	t.Run("without counts a short page ends them", func(t *testing.T) {
		t.Parallel()
		i, c := start(t)
		i.Fault(inventtest.Fault{Body: page(100), Times: 1})
		i.Fault(inventtest.Fault{Body: []byte(`[{"id":"mem_99"},{"id":"mem_last"}]`), Times: 1})
		all, err := c.Members(t.Context())
		if err != nil || len(all) != 101 || len(i.Requests()) != 2 {
			t.Errorf("%d members with %d calls, %v; want 101 with 2, none twice", len(all), len(i.Requests()), err)
		}
	})
	t.Run("come in smaller pages than were asked for", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("page"))
			w.Header().Set("Pagination-Count", "120")
			w.Header().Set("Pagination-Take", "50")
			rows := make([]string, min(50, 120-50*(n-1)))
			for k := range rows {
				rows[k] = fmt.Sprintf(row, 50*(n-1)+k)
			}
			_, _ = io.WriteString(w, "["+strings.Join(rows, ",")+"]")
		}))
		t.Cleanup(srv.Close)
		if all, err := invent.New(invent.Options{URL: srv.URL, Key: "k", Org: "c"}).Members(t.Context()); err != nil || len(all) != 120 {
			t.Errorf("%d members, %v; want 120", len(all), err)
		}
	})
	t.Run("the same page for ever ends", func(t *testing.T) {
		t.Parallel()
		i, c := start(t)
		i.Fault(inventtest.Fault{Body: page(100)})
		all, err := c.Members(t.Context())
		if err != nil || len(all) != 100 || len(i.Requests()) != 2 {
			t.Errorf("%d members with %d calls, %v; want 100 with 2", len(all), len(i.Requests()), err)
		}
	})
	t.Run("half a list is an error", func(t *testing.T) {
		t.Parallel()
		i, c := start(t)
		i.Fault(inventtest.Fault{Body: page(100), Times: 1})
		i.Fault(inventtest.Fault{Status: 500, Times: 1})
		if all, err := c.Members(t.Context()); all != nil || !invent.Temporary(err) {
			t.Errorf("%d members, %v; want none and a temporary error", len(all), err)
		}
		i.Fault(inventtest.Fault{Body: []byte(`[{"id":"a"},{"member":"b"}]`), Times: 1})
		if all, err := c.Members(t.Context()); all != nil || !errors.Is(err, invent.ErrAnswer) {
			t.Errorf("%d members, %v; want a wrong answer", len(all), err)
		}
	})
	t.Run("more than there can be are an error", func(t *testing.T) {
		t.Parallel()
		calls := 0
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
			a := answer(200)
			a.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(page(10_000)), "mem_", fmt.Sprintf("mem_%d_", calls))))
			calls++
			return a, nil
		}))})
		if all, err := c.Members(t.Context()); all != nil || !errors.Is(err, invent.ErrAnswer) || calls > 3 {
			t.Errorf("%d members with %d calls, %v; want a wrong answer", len(all), calls, err)
		}
	})
	t.Run("the route is missing", func(t *testing.T) {
		t.Parallel()
		i, c := start(t)
		i.LeaveOut("GET /orgs/{org_id}/members")
		if _, err := c.Members(t.Context()); !invent.NotFound(err) {
			t.Errorf("%v; want not found", err)
		}
	})
}

func TestInbox(t *testing.T) {
	t.Parallel()
	i, c := start(t)
	for range 249 {
		i.AddChat(inventtest.Chat{})
	}
	seen := map[string]bool{}
	for page, next := 1, true; next; page++ {
		var chats []invent.Chat
		var err error
		if chats, next, err = c.Inbox(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		for _, c := range chats {
			seen[c.ID] = true
		}
	}
	if len(seen) != 250 || len(i.Requests()) != 3 {
		t.Errorf("%d chats with %d calls; want 250 with 3", len(seen), len(i.Requests()))
	}
	i.Fault(inventtest.Fault{Body: []byte(`[{"id":"half"},{},{"id":"b","state":{"id":"s","state":"PARKED"}}]`)})
	if chats, next, err := c.Inbox(t.Context(), 1); err != nil || next || len(chats) != 1 || chats[0].State.State != "PARKED" {
		t.Errorf("Inbox = %+v, %v, %v; want the whole row only", chats, next, err)
	}
	empty := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
		return answer(200, "Pagination-Count", "250"), nil
	}))})
	if chats, next, err := empty.Inbox(t.Context(), 1); err != nil || next || len(chats) != 0 {
		t.Errorf("Inbox = %+v, %v, %v; want no page behind an empty one, whatever is counted", chats, next, err)
	}
}

// TestAnotherPage: what Invent counts decides, else whether the page is full; what is no count decides nothing.
func TestAnotherPage(t *testing.T) {
	t.Parallel()
	const chat = `{"id":"chat_a","state":{"state":"OPEN"}}`
	for _, tc := range []struct {
		rows        int
		take, count string
		want        bool
	}{
		{100, "", "", true}, {99, "", "", false},
		{100, "100", "101", true}, {100, "100", "100", false}, {50, "50", "51", true}, {50, "50", "50", false}, {50, "50", "", true},
		{100, "", "101", true}, {100, "", "100", false}, {100, "100", "many", true}, {99, "100", "many", false},
		{100, "0", "100", false}, {100, "-1", "100", false}, {100, "all", "101", true}, {100, "99999999999999999999", "101", true},
	} {
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
			a := answer(200, "Pagination-Take", tc.take, "Pagination-Count", tc.count)
			a.Body = io.NopCloser(strings.NewReader("[" + chat + strings.Repeat(","+chat, tc.rows-1) + "]"))
			return a, nil
		}))})
		if chats, next, err := c.Inbox(t.Context(), 1); err != nil || len(chats) != tc.rows || next != tc.want {
			t.Errorf("%+v: %d chats, another page: %v, %v", tc, len(chats), next, err)
		}
	}
}

// wire answers calls in memory, so that time can be synctest's.
type wire func(*http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// instead puts another transport in the place of the client's own.
func instead(t http.RoundTripper) func(http.RoundTripper) http.RoundTripper {
	return func(http.RoundTripper) http.RoundTripper { return t }
}

func answer(status int, header ...string) *http.Response {
	h := http.Header{}
	for k := 0; k+1 < len(header); k += 2 {
		h.Set(header[k], header[k+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("[]"))}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Time
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 480, Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
			sent = append(sent, time.Now())
			return answer(200), nil
		}))})
		begin := time.Now()
		for time.Since(begin) < 3*time.Minute {
			if err := c.Ping(t.Context()); err != nil {
				t.Fatalf("one after the other: %v", err)
			}
		}
		for k, at := range sent {
			if k+500 < len(sent) && sent[k+500].Sub(at) < time.Minute {
				t.Fatalf("501 calls within %v", sent[k+500].Sub(at))
			}
		}
		if len(sent) < 3*480 {
			t.Errorf("%d calls in 3 minutes; want 480 a minute", len(sent))
		}
	})
	synctest.Test(t, func(t *testing.T) { // the first calls have to connect, and arrive later than they were sent
		var arrived []time.Time
		var mu sync.Mutex
		begin := time.Now()
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 480, Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
			if time.Since(begin) < 500*time.Millisecond {
				time.Sleep(500 * time.Millisecond) //nolint:forbidigo // in a synctest bubble
			}
			mu.Lock()
			defer mu.Unlock()
			arrived = append(arrived, time.Now())
			return answer(200), nil
		}))})
		var calls sync.WaitGroup
		for time.Since(begin) < 2*time.Minute {
			for range 100 {
				calls.Go(func() { _ = c.Ping(t.Context()) }) // most are refused
			}
			time.Sleep(time.Second / 2) //nolint:forbidigo // in a synctest bubble
		}
		calls.Wait()
		slices.SortFunc(arrived, time.Time.Compare)
		for k, at := range arrived {
			if k+500 < len(arrived) && arrived[k+500].Sub(at) < time.Minute {
				t.Fatalf("501 calls arrived within %v", arrived[k+500].Sub(at))
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 480, Wrap: instead(wire(func(*http.Request) (*http.Response, error) { sent.Add(1); return answer(200), nil }))})
		errs := make(chan error, 100)
		begin := time.Now()
		for range 100 {
			go func() { errs <- c.Ping(t.Context()) }()
		}
		synctest.Wait()
		refused := 0
		for len(errs) > 0 {
			if err := <-errs; err != nil {
				refused++
				wait, ok := limited(err)
				if !ok || wait <= time.Second || invent.MayHaveHappened(err) || !invent.Temporary(err) {
					t.Errorf("%v, wait %v; want rate limited for more than a second, nothing happened", err, wait)
				}
			}
		}
		if refused != 77 { // 15 at once, 8 within the second
			t.Errorf("%d refused; want 77 of 100", refused)
		}
		time.Sleep(500 * time.Millisecond) //nolint:forbidigo // in a synctest bubble; what was refused has used up no turn: the next is free in 625 ms
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || invent.MayHaveHappened(err) {
			t.Errorf("context ended in the queue: %v; want deadline exceeded, nothing happened", err)
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Errorf("a call that waited its turn: %v", err)
			}
		}
		if sent.Load() != 23 {
			t.Errorf("%d calls sent; want 23", sent.Load())
		}
		if err := c.Ping(t.Context()); err != nil || time.Since(begin) > 1200*time.Millisecond {
			t.Errorf("%v after %v; want the turn of the call whose context ended, after 1.125 s", err, time.Since(begin))
		}
	})
}

// TestLeastLimit: one call a minute is one, not none and not two.
func TestLeastLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 1, Wrap: instead(wire(func(*http.Request) (*http.Response, error) { return answer(200), nil }))})
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("the first: %v", err)
		}
		if wait, ok := limited(c.Ping(t.Context())); !ok || wait != time.Minute {
			t.Errorf("the second: wait %v, %v; want a minute", wait, ok)
		}
	})
}

func TestGate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"seconds":      {[]string{"Retry-After", "7"}, 7 * time.Second},
		"date":         {[]string{"Retry-After", "Sat, 01 Jan 2000 00:00:30 GMT"}, 30 * time.Second}, // synctest's clock begins then
		"past date":    {[]string{"Retry-After", "Fri, 31 Dec 1999 00:00:30 GMT"}, time.Second},
		"zero":         {[]string{"Retry-After", "0"}, time.Second},
		"nothing":      {nil, 5 * time.Second},
		"no number":    {[]string{"Retry-After", "soon"}, 5 * time.Second},
		"a day is cut": {[]string{"Retry-After", "86400"}, time.Hour},
		"so is a date": {[]string{"Retry-After", "Sun, 02 Jan 2000 00:00:00 GMT"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 480, Wrap: instead(wire(func(*http.Request) (*http.Response, error) {
					if sent++; sent == 1 {
						return answer(429, tc.header...), nil
					}
					return answer(200), nil
				}))})
				if wait, ok := limited(c.Ping(t.Context())); !ok || wait != tc.want {
					t.Fatalf("429: wait %v, %v; want %v", wait, ok, tc.want)
				}
				time.Sleep(tc.want - time.Nanosecond) //nolint:forbidigo // in a synctest bubble
				_, err := c.Assign(t.Context(), "chat_a", nil)
				if wait, ok := limited(err); !ok || wait != time.Nanosecond || invent.MayHaveHappened(err) || sent != 1 {
					t.Errorf("behind the gate: %v, wait %v, %d sent; want the rest of the wait and nothing sent", err, wait, sent)
				}
				if wait, ok := limited(c.Listen(t.Context(), nil)); !ok || sent != 1 {
					t.Errorf("listening behind the gate: wait %v, %v; want it held back", wait, ok)
				}
				time.Sleep(time.Nanosecond) //nolint:forbidigo // in a synctest bubble
				if err := c.Ping(t.Context()); err != nil {
					t.Errorf("after the gate: %v", err)
				}
			})
		})
	}
}

// TestGateKeepsTheLongerWait: of two calls that were on their way together, the one that is told to wait for less doesn't open the gate earlier.
func TestGateKeepsTheLongerWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan string)
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Wrap: instead(wire(func(*http.Request) (*http.Response, error) { return answer(429, "Retry-After", <-wait), nil }))})
		errs := make(chan error, 2)
		for range cap(errs) {
			go func() { errs <- c.Ping(t.Context()) }()
		}
		synctest.Wait()
		for _, seconds := range []string{"30", "1"} {
			wait <- seconds
			<-errs
		}
		if left, ok := limited(c.Ping(t.Context())); !ok || left != 30*time.Second {
			t.Errorf("behind the gate: wait %v, %v; want the longer one", left, ok)
		}
	})
}

// TestGateIsClosedByManyAtOnce for as long as each of them asks for, at least: none undoes another.
func TestGateIsClosedByManyAtOnce(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for range 100 {
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Now: func() time.Time { return begin }})
		var seconds atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for s := seconds.Add(1); s <= 3600; s = seconds.Add(1) {
					if closed, want := c.CloseGate(int(s)), time.Duration(s)*time.Second; closed < want {
						t.Errorf("the gate is closed for %v, want %v", closed, want)
					}
				}
			})
		}
		all.Wait()
	}
}

func TestGateClosesWhileWaitingForATurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		release := make(chan struct{})
		c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", PerMinute: 64, Wrap: instead(wire(func(*http.Request) (*http.Response, error) { sent.Add(1); <-release; return answer(429), nil }))})
		errs := make(chan error, 3)
		for range 3 { // two at once, the third in a second
			go func() { errs <- c.Ping(t.Context()) }()
		}
		synctest.Wait()
		close(release)
		for range 3 {
			if wait, ok := limited(<-errs); !ok || wait > 5*time.Second {
				t.Errorf("wait %v, %v; want all rate limited", wait, ok)
			}
		}
		if sent.Load() != 2 {
			t.Errorf("%d sent; want 2: the gate closed while the third waited for its turn", sent.Load())
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for set, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 2 * time.Second: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := invent.New(invent.Options{URL: "http://invent.example", Org: "c", Timeout: set, Wrap: instead(wire(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }))})
			begin := time.Now()
			_, err := c.Assign(t.Context(), "chat_a", nil)
			if !errors.Is(err, context.DeadlineExceeded) || !invent.MayHaveHappened(err) || time.Since(begin) != want {
				t.Errorf("%v after %v; want the deadline after %v, and that it may have happened", err, time.Since(begin), want)
			}
		})
	}
}
