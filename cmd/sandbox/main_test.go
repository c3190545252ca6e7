package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs the whole program on a free port. What it answers is the page's address and the exit code, which comes
// when the context or a signal ends the run.
func start(ctx context.Context, t *testing.T) (page string, code <-chan int) {
	t.Helper()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, in)
		_ = in.Close()
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "open "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return address, ended
		}
	}
	t.Fatalf("no address was printed; exit code %d", <-ended)
	return "", nil
}

// open is start for tests that end the run themselves at their end.
func open(t *testing.T) string {
	ctx, cancel := context.WithCancel(context.Background())
	page, code := start(ctx, t)
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != 0 {
			t.Errorf("exit code %d at the end, want 0", c)
		}
	})
	return page
}

func tell(t *testing.T, page, what, body string) answer {
	t.Helper()
	resp, err := http.Post(page+"/api/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); resp.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s %s: status %d, %v", what, body, resp.StatusCode, err)
	}
	return a
}

// watch follows the page's stream until it shows what is wanted.
func watch(t *testing.T, page, as, channel string, wanted func(state) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/api/stream?as="+as+"&channel="+channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var last []byte
	for lines := bufio.NewReader(resp.Body); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("what was wanted was not shown: %v; last was %s", err, last)
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var s state
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if wanted(s) {
			return
		}
		last = data
	}
}

// assigned says whether the state shows that the member has the conversation.
func assigned(chat, member string) func(state) bool {
	return func(s state) bool {
		for _, c := range s.Chats {
			if c.ID == chat {
				return c.AssigneeID == member
			}
		}
		return false
	}
}

func shows(words ...string) func(state) bool {
	return func(s state) bool {
	messages:
		for _, m := range s.Messages {
			for _, w := range words {
				if !strings.Contains(m.Text, w) {
					continue messages
				}
			}
			return true
		}
		return false
	}
}

// Not parallel: the signal ends every run there is.
func TestATakenConversationShowsAsACardAndSIGTERMEndsItCleanly(t *testing.T) {
	page, code := start(context.Background(), t)
	resp, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	html, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(html, []byte(`data-testid="input"`)) {
		t.Fatalf("status %d, %v, the page is %q", resp.StatusCode, err, html)
	}
	if a := tell(t, page, "type", `{"as":"ada","channel":"support","text":"/invent take chat_jane"}`); a.Said != "" {
		t.Errorf("Slack said %q, want nothing", a.Said)
	}
	watch(t, page, "grace", "support", shows("Jane Doe", "Assignee: <@U0ADA>"))
	watch(t, page, "grace", "support", assigned("chat_jane", "mem_ada"))
	watch(t, page, "ada", "support", func(s state) bool {
		if len(s.Complaints) > 0 {
			t.Errorf("complaints about the bot: %q", s.Complaints)
		}
		return true
	})
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if c := <-code; c != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", c)
	}
}

func TestWhoIsToldWhat(t *testing.T) {
	t.Parallel()
	page := open(t)
	for name, c := range map[string]struct {
		as, channel, text string
		said              string   // in the answer
		private           []string // in a message of the bot's
	}{
		"a command of another app is refused": {"ada", "support", "/remind me", "not a valid command", nil},
		"a channel one isn't in is refused":   {"gus", "random", "/invent help", "isn't there", nil},
		"help":                                {"ada", "support", "/invent", "", []string{"/invent take"}},
		"somebody without a member":           {"linus", "support", "/invent take chat_bob", "", []string{"aren't linked"}},
		"a guest":                             {"gus", "support", "/invent take chat_bob", "", []string{"You are a guest"}},
		"somebody of another organisation":    {"olga", "partners", "/invent take chat_bob", "", []string{"another organisation"}},
		"where the bot isn't":                 {"grace", "random", "/invent take chat_layla", "", []string{"ليلى", "doesn't update by itself"}},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"as": c.as, "channel": c.channel, "text": c.text})
			if err != nil {
				t.Fatal(err)
			}
			if a := tell(t, page, "type", string(body)); !strings.Contains(a.Said, c.said) || c.said == "" && a.Said != "" {
				t.Errorf("said %q, want %q", a.Said, c.said)
			}
			if len(c.private) > 0 {
				watch(t, page, c.as, c.channel, shows(c.private...))
			}
		})
	}
	watch(t, page, "ada", "support", assigned("chat_bob", ""))
}

func TestABotThatIsAwayIsSaidInSlacksWords(t *testing.T) {
	t.Parallel()
	w := newWorld()
	t.Cleanup(w.invent.Close)
	t.Cleanup(w.slack.Close)
	served := httptest.NewServer(w.handler())
	t.Cleanup(served.Close)
	a := tell(t, served.URL, "type", `{"as":"ada","channel":"support","text":"/invent help"}`)
	if want := "/invent failed with the error “dispatch_failed”"; a.Said != want {
		t.Errorf("said %q, want %q", a.Said, want)
	}
	a = tell(t, served.URL, "click", `{"as":"ada","channel":"support","ts":"1.2","label":"Take"}`)
	if !strings.Contains(a.Said, "Nothing was sent") {
		t.Errorf("a button that is gone: said %q", a.Said)
	}
}

func TestOtherWebsitesCanDoNothing(t *testing.T) {
	t.Parallel()
	page := open(t)
	const body = `{"chat":"chat_jane","assignee":"mem_ada"}`
	for name, c := range map[string]struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		"a form":                   {"/api/chat", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		"another origin":           {"/api/chat", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, http.StatusForbidden},
		"another site":             {"/api/chat", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		"a name that leads here":   {"/api/chat", func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		"reading by such a name":   {"/api/stream?as=ada", func(r *http.Request) { r.Method, r.Host = http.MethodGet, "evil.example" }, http.StatusMisdirectedRequest},
		"an address in the image":  {"/api/chat", func(r *http.Request) { r.Method = http.MethodGet }, http.StatusNotFound},
		"a field that isn't there": {"/api/chat", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"chatt":1}`)); r.ContentLength = -1 }, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+c.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			c.change(req)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("status %d, want %d", resp.StatusCode, c.want)
			}
		})
	}
	watch(t, page, "ada", "support", assigned("chat_jane", ""))
}

func TestArguments(t *testing.T) {
	t.Parallel()
	taken := strings.TrimPrefix(open(t), "http://")
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"help":                       {[]string{"-h"}, 0},
		"a flag that isn't there":    {[]string{"-x"}, 2},
		"a word too many":            {[]string{"serve"}, 2},
		"an address for the world":   {[]string{"-addr", ":0"}, 2},
		"another machine's address":  {[]string{"-addr", "192.0.2.1:0"}, 2},
		"no address":                 {[]string{"-addr", "8333"}, 2},
		"an address that is in use":  {[]string{"-addr", taken}, 1},
		"a context that has ended":   {[]string{"-addr", "127.0.0.1:0"}, 0},
		"the same, by another name":  {[]string{"-addr", "localhost:0"}, 0},
		"the same, with the log too": {[]string{"-v", "-addr", "127.0.0.1:0"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if c.want == 0 {
				cancel()
			}
			defer cancel()
			var out bytes.Buffer
			if got := run(ctx, c.args, &out); got != c.want {
				t.Errorf("run(%q) = %d, want %d; it printed %s", c.args, got, c.want, &out)
			}
		})
	}
}

// TestLoad: what measures the bot works; how fast it is isn't judged here.
func TestLoad(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH")
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"load", "-rate", "50", "-duration", "1s", "-people", "5", "-chats", "50", "-mix", "click=4,command=1,show=1"}, &out)
	said := regexp.MustCompile(`(?m)^sent +(\d+), acknowledged (\d+), told "busy" 0, without a card 0, writes (\d+), jobs left waiting 0$`).FindStringSubmatch(out.String())
	if code != 0 || said == nil || said[1] == "0" || said[1] != said[2] || said[3] == "0" {
		t.Errorf("exit code %d, want 0, and as many actions acknowledged as sent:\n%s", code, out.String())
	}
	if code := run(t.Context(), []string{"load", "-rate", "0"}, &out); code != 2 {
		t.Errorf("exit code %d for no rate, want 2", code)
	}
}
