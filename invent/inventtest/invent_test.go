package inventtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inventbot/invent"
	"inventbot/invent/inventtest"
)

const chatPath = "/chats/chat_a"

func start(t *testing.T) *inventtest.Invent {
	t.Helper()
	i := inventtest.Start()
	t.Cleanup(i.Close)
	i.AddMember(invent.Member{ID: "mem_ada", UserID: "usr_ada"})
	i.AddMember(invent.Member{ID: "mem_grace"})
	i.AddChat(inventtest.Chat{ID: "chat_a", Customer: "Carla"})
	return i
}

// do sends one call with the right key and returns the status, the headers and the body.
func do(t *testing.T, i *inventtest.Invent, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, i.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+i.Key())
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k := 0; k+1 < len(header); k += 2 {
		req.Header.Set(header[k], header[k+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestComplaints(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		complaint          string // "": none
	}{
		"read":              {"GET", chatPath, "", nil, 200, ""},
		"assign":            {"PATCH", chatPath + "/state/assign", `{"member_id":"mem_ada"}`, nil, 200, ""},
		"release":           {"PATCH", chatPath + "/state/assign", `{"member_id":null}`, nil, 200, ""},
		"unknown chat":      {"GET", "/chats/chat_x", "", nil, 404, ""},
		"unknown member":    {"PATCH", chatPath + "/state/assign", `{"member_id":"mem_x"}`, nil, 400, ""},
		"participant":       {"PATCH", chatPath + "/state/assign", `{"member_id":"prt_1"}`, nil, 400, ""},
		"unknown org":       {"GET", "/orgs/other/members", "", nil, 404, ""},
		"contract":          {"GET", "/openapi.json", "", []string{"Authorization", ""}, 200, ""},
		"no bearer":         {"GET", chatPath, "", []string{"Authorization", ""}, 401, "no bearer"},
		"wrong bearer":      {"GET", chatPath, "", []string{"Authorization", "Bearer x"}, 401, "no bearer"},
		"no member_id":      {"PATCH", chatPath + "/state/assign", `{}`, nil, 400, "empty"},
		"wrong property":    {"PATCH", chatPath + "/state/assign", `{"member":"mem_ada"}`, nil, 400, "unknown property member"},
		"wrong type":        {"PATCH", chatPath + "/state/assign", `{"member_id":1}`, nil, 400, "member_id is no string"},
		"no JSON":           {"PATCH", chatPath + "/state/assign", `member_id=x`, nil, 400, "no object"},
		"form":              {"PATCH", chatPath + "/state/assign", `{"member_id":null}`, []string{"Content-Type", "text/plain"}, 415, "content type"},
		"unknown state":     {"PATCH", chatPath + "/state", `{"state":"DONE"}`, nil, 400, "not allowed"},
		"body on a read":    {"GET", chatPath, `{}`, nil, 400, "a body"},
		"take too large":    {"GET", "/orgs/c/inbox?take=101", "", nil, 400, "out of range"},
		"page 0":            {"GET", "/orgs/c/members?page=0", "", nil, 400, "out of range"},
		"unknown parameter": {"GET", "/orgs/c/inbox?state=OPEN", "", nil, 400, "unknown parameter"},
		"unknown route":     {"GET", "/chats", "", nil, 404, "no such route"},
		"wrong method":      {"PUT", chatPath + "/state/assign", `{}`, nil, 405, "no such route"},
		"dot segment":       {"GET", "/chats/%2e%2e", "", nil, 404, "no such route"},
		"to the customer":   {"POST", chatPath + "/messages", `{"message":[]}`, nil, 400, "customer"},
		"no handshake":      {"GET", "/orgs/c/inbox/ws", "", nil, 426, "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			status, _, body := do(t, i, tc.method, tc.path, tc.body, tc.header...)
			if status != tc.status {
				t.Errorf("status %d, %s; want %d", status, body, tc.status)
			}
			got := strings.Join(i.Complaints(), "; ")
			if (got == "") != (tc.complaint == "") || !strings.Contains(got, tc.complaint) {
				t.Errorf("complaints %q; want %q", got, tc.complaint)
			}
			if status >= 400 && len(i.Writes()) > 0 {
				t.Errorf("refused, and written all the same: %+v", i.Writes())
			}
			if r := i.Requests(); len(r) != 1 || r[0].Method != tc.method || tc.status != 426 && r[0].Status != tc.status {
				t.Errorf("requests = %+v", r)
			}
		})
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	i := start(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	i.SetNow(func() time.Time { return now })
	i.AssignedUserIDs(true)
	i.SetChat("chat_a", func(c *inventtest.Chat) { c.AssigneeID = "mem_ada" })
	_, _, body := do(t, i, "GET", chatPath, "")
	for _, want := range []string{`"assigned_at":"2026-03-01T12:00:00.123456Z"`, `"id":"usr_ada"`, inventtest.SecretPrompt, inventtest.CustomerPhone, inventtest.CustomerEmail, `"csat_score":null`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	i.SetChat("chat_a", func(c *inventtest.Chat) { c.Bare = true })
	_, _, body = do(t, i, "GET", chatPath, "")
	if strings.Contains(body, "assistant_config") || strings.Contains(body, "csat") || !strings.Contains(body, "assigned_user") {
		t.Errorf("bare chat: %s", body)
	}
	i.SetMember("mem_ada", func(m *invent.Member) { m.Status = "SUSPENDED" })
	_, head, body := do(t, i, "GET", "/orgs/org_1/members?page=1&take=1", "")
	if head.Get("Pagination-Count") != "2" || head.Get("Pagination-Take") != "1" || !strings.Contains(body, "SUSPENDED") {
		t.Errorf("members: %v %s", head, body)
	}
	i.AddChat(inventtest.Chat{ID: "chat_mail", Channel: "email"})
	i.SortInbox(func(a, b inventtest.Chat) int { return strings.Compare(a.ID, b.ID) })
	if _, _, body = do(t, i, "GET", "/orgs/c/inbox", ""); strings.Index(body, `"chat_mail"`) < strings.Index(body, `"chat_a"`) {
		t.Errorf("inbox is not sorted: %s", body)
	}
	if _, _, body = do(t, i, "GET", "/orgs/c/inbox?integration_id=email", ""); strings.Contains(body, `"chat_a"`) {
		t.Errorf("inbox is not filtered: %s", body)
	}
}

func TestLeaveOut(t *testing.T) {
	t.Parallel()
	i := start(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	read := func() {
		t.Helper()
		doc.Paths = nil
		_, _, body := do(t, i, "GET", "/openapi.json", "")
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
	}
	read()
	for _, r := range invent.Routes() {
		op := doc.Paths[r.Path][strings.ToLower(r.Method)]
		if op == nil {
			t.Errorf("the contract lacks %s %s", r.Method, r.Path)
		}
		for _, p := range r.Body {
			if !bytes.Contains(op, []byte(`"`+p+`":`)) {
				t.Errorf("the contract of %s %s lacks %s", r.Method, r.Path, p)
			}
		}
	}
	i.LeaveOut("GET /chats/{chat_id}", "PATCH /chats/{chat_id}/state state")
	read()
	if doc.Paths["/chats/{chat_id}"] != nil || bytes.Contains(doc.Paths["/chats/{chat_id}/state"]["patch"], []byte(`"state":`)) {
		t.Errorf("what is left out is in the contract: %s", doc.Paths)
	}
	if status, _, _ := do(t, i, "GET", chatPath, ""); status != 404 || len(i.Complaints()) != 0 {
		t.Errorf("left out route: %d, %v; want 404 without complaint", status, i.Complaints())
	}
	if status, _, _ := do(t, i, "PATCH", chatPath+"/state", `{"state":"CLOSED"}`); status != 400 || len(i.Writes()) != 0 {
		t.Errorf("left out property: %d; want 400", status)
	}
	defer func() {
		if recover() == nil {
			t.Error("a route that never was can be left out")
		}
	}()
	i.LeaveOut("GET /chat")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.Fault(inventtest.Fault{Method: "GET", Path: chatPath + "$", Times: 2, Status: 503, RetryAfter: "3"})
	undo := i.Fault(inventtest.Fault{Path: "/state", AfterWrite: true, Status: 500})
	for _, want := range []int{503, 503, 200} {
		if status, _, _ := do(t, i, "GET", chatPath, ""); status != want {
			t.Errorf("read: %d; want %d", status, want)
		}
	}
	if status, _, _ := do(t, i, "PATCH", chatPath+"/state/assign", `{"member_id":"mem_ada"}`); status != 500 || i.Assignee("chat_a") != "mem_ada" {
		t.Errorf("assign: %d, assignee %q; want 500 and Ada", status, i.Assignee("chat_a"))
	}
	undo()
	undo()
	if status, _, _ := do(t, i, "PATCH", chatPath+"/state/assign", `{"member_id":"mem_grace"}`); status != 200 {
		t.Errorf("undone: %d; want 200", status)
	}
	i.Fault(inventtest.Fault{Delay: time.Millisecond})
	if status, _, _ := do(t, i, "GET", chatPath, ""); status != 200 {
		t.Errorf("late: %d; want 200", status)
	}
	if len(i.Complaints()) != 0 {
		t.Errorf("complaints: %v", i.Complaints())
	}
}

func TestLimitPerMinute(t *testing.T) {
	t.Parallel()
	i := start(t)
	now := time.Now()
	i.SetNow(func() time.Time { return now })
	i.LimitPerMinute(2)
	for _, want := range []int{200, 200, 429} {
		status, head, _ := do(t, i, "GET", chatPath, "")
		if status != want || (status == 429) != (head.Get("Retry-After") == "61") {
			t.Errorf("%d, Retry-After %q; want %d", status, head.Get("Retry-After"), want)
		}
	}
	i.SetNow(func() time.Time { return now.Add(time.Minute) })
	if status, _, _ := do(t, i, "GET", chatPath, ""); status != 200 || len(i.Complaints()) != 1 {
		t.Errorf("a minute later: %d, complaints %v; want 200 and one", status, i.Complaints())
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	i := start(t)
	old := i.Key()
	i.Rotate("new")
	if status, _, _ := do(t, i, "GET", chatPath, "", "Authorization", "Bearer "+old); status != 401 || len(i.Complaints()) != 0 {
		t.Errorf("old key: %d, %v; want 401 without complaint", status, i.Complaints())
	}
	i.ExpectRefusal()
	if status, _, _ := do(t, i, "GET", chatPath, "", "Authorization", "Bearer x"); status != 401 || len(i.Complaints()) != 0 {
		t.Errorf("expected refusal: %d, %v; want 401 without complaint", status, i.Complaints())
	}
}

func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	i := inventtest.Start()
	i.Fault(inventtest.Fault{Hang: true, Path: "/members"})
	i.Fault(inventtest.Fault{Delay: time.Hour, Path: "/inbox$"})
	c := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: "c", Timeout: time.Hour})
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := c.Members(t.Context()); err == nil {
			t.Error("a hanging call was answered")
		}
	})
	calls.Go(func() {
		if _, _, err := c.Inbox(t.Context(), 1); err == nil {
			t.Error("a late call was answered")
		}
	})
	calls.Go(func() { _ = c.Listen(t.Context(), func() {}) })
	i.Until(t.Context(), func() bool { return i.Sockets() == 1 && len(i.Requests()) == 3 })
	i.Close()
	calls.Wait()
	if i.Sockets() != 0 {
		t.Errorf("%d sockets after Close", i.Sockets())
	}
	i.Close()
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := invent.New(invent.Options{URL: i.URL(), Key: i.Key(), Org: "c"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := i.Watch(ctx)
	var people sync.WaitGroup
	for n := range 20 {
		people.Go(func() {
			who := []string{"mem_ada", "mem_grace"}[n%2]
			if _, err := c.Assign(ctx, "chat_a", &who); err != nil {
				t.Error(err)
			}
			i.SetChat("chat_a", func(c *inventtest.Chat) { c.Unseen++ })
			i.Chats()
			i.Members()
			i.Requests()
		})
	}
	people.Wait()
	<-changes
	chat, ok := i.Chat("chat_a")
	w := i.Writes()
	if !ok || chat.Unseen != 20 || len(w) != 20 || *w[19].Member != chat.AssigneeID {
		t.Errorf("%d writes, chat %+v; want 20, and the last one's assignee", len(w), chat)
	}
	if !slices.Equal(i.Complaints(), nil) {
		t.Errorf("complaints: %v", i.Complaints())
	}
}
