package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent"
	"inventbot/invent/inventtest"
)

// TestMain lets the test binary be the program itself, so that it can be killed like one.
func TestMain(m *testing.M) {
	if os.Getenv("INVENTBOT_TEST_MAIN") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout))
	}
	// The tests wait more than they work: unless somebody says how many, twice as many run at a time as there are processors.
	if !slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.parallel") }) {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}

// program is a running inventbot.
type program struct {
	cmd     *exec.Cmd
	address string
	output  *output       // stdout, which is the log
	errors  *output       // stderr
	ended   chan error    // how, once
	gone    chan struct{} // closed then
}

// output keeps what the program prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs inventbot with the settings, and waits until it listens.
func start(t *testing.T, settings map[string]string) *program {
	t.Helper()
	return startProgram(t, os.Args[0], settings)
}

// startProgram does the same with another one.
func startProgram(t *testing.T, file string, settings map[string]string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(file), output: &output{}, errors: &output{}, ended: make(chan error, 1), gone: make(chan struct{})}
	p.cmd.Env = []string{"INVENTBOT_TEST_MAIN=1", "ADDR=127.0.0.1:0", "LOG_LEVEL=debug"}
	for k, v := range settings {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = io.MultiWriter(os.Stderr, p.errors)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = p.output.Write(append(lines.Bytes(), '\n'))
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Addr
			}
		}
		_, _ = io.Copy(io.Discard, out)
		p.ended <- p.cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() {
		metrics := p.lastMetrics()
		_ = p.cmd.Process.Kill()
		<-p.gone
		keepsSecrets(t, "stdout", p.output.String(), settings)
		keepsSecrets(t, "stderr", p.errors.String(), settings)
		keepsSecrets(t, "/metrics", metrics, settings)
	})
	select {
	case addr := <-listening:
		p.address = "http://" + addr
	case err := <-p.ended:
		t.Fatalf("inventbot ended with %v: %s", err, p.output)
	case <-time.After(20 * time.Second):
		t.Fatal("inventbot doesn't listen")
	}
	return p
}

// lastMetrics is what /metrics answers before the program is killed; nothing, if it has ended or doesn't answer.
func (p *program) lastMetrics() string {
	client := http.Client{Timeout: 2 * time.Second}
	resp, err := client.Get(p.address + "/metrics")
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// keepsSecrets wants nothing in what a program said in one place that must not be there. Each program that was started is asked at the end.
func keepsSecrets(t *testing.T, place, said string, settings map[string]string) {
	t.Helper()
	secrets := map[string]string{"an e-mail": "@example.com", "a customer's name": "Jane Doe", "a response_url": "/response/"}
	for _, name := range []string{"SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "INVENT_API_KEY"} {
		if value := settings[name]; value != "" {
			secrets[name] = value
		}
	}
	for what, secret := range secrets {
		if i := strings.Index(strings.ToLower(said), strings.ToLower(secret)); i >= 0 {
			t.Errorf("%s holds %s: …%s…", place, what, said[max(0, i-200):min(len(said), i+100)])
		}
	}
}

// world is what a real inventbot is put into.
type world struct {
	slack    *slacktest.Workspace
	invent   *inventtest.Invent
	ada      *slacktest.Person
	support  *slacktest.Channel
	settings map[string]string
}

func newWorld(t *testing.T, opts ...slacktest.Option) *world {
	t.Helper()
	w := &world{
		slack: slacktest.New(t, append([]slacktest.Option{slacktest.Patience(45 * time.Second), slacktest.Tolerates("Still on it"), slacktest.Scopes(
			"commands", "chat:write", "users:read", "users:read.email", "channels:read", "groups:read", "im:read", "mpim:read", "links:read", "links:write")}, opts...)...),
		invent: inventtest.Start(),
	}
	t.Cleanup(w.invent.Close)
	w.invent.AddMember(invent.Member{ID: "mem_ada", Name: "Ada", Email: "ada@example.com"})
	w.invent.AddChat(inventtest.Chat{ID: "chat_1", Customer: "Jane Doe", Channel: "email", State: invent.Open})
	w.ada = w.slack.AddUser(slacktest.User{ID: "UADA", Name: "ada", RealName: "Ada", Email: "ada@example.com"})
	w.support = w.slack.AddChannel(slacktest.Channel{ID: "CSUPPORT", Name: "support", BotIsMember: true})
	w.settings = map[string]string{
		"SLACK_SIGNING_SECRET": w.slack.Secret(), "SLACK_BOT_TOKEN": w.slack.Token(), "SLACK_API_URL": w.slack.URL(),
		"INVENT_API_KEY": w.invent.Key(), "INVENT_API_URL": w.invent.URL(),
	}
	return w
}

// until waits for what Invent sees, at most for 30 s.
func (w *world) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !w.invent.Until(ctx, holds) {
		t.Fatalf("it never came that %s", what)
	}
}

// redisPort is a free port of the loopback for a redis-server, without which the test is skipped.
func redisPort(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	return port
}

// redis starts a redis-server that keeps what it confirmed, and answers its URL.
func redis(t *testing.T) string {
	t.Helper()
	port := redisPort(t)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url := "redis://127.0.0.1:" + port
	store, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for store.Ping(ctx) != nil {
		if ctx.Err() != nil {
			t.Fatal("redis-server doesn't answer")
		}
	}
	return url
}

// TestKilled kills the process at a step of an action, after its acknowledgement. The next process does what is left,
// and the write happens exactly once.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  inventtest.Fault
		passed func(w *world) bool // the step is reached
	}{
		"before the read": {
			inventtest.Fault{Method: "GET", Path: "/chats/chat_1", Hang: true},
			func(w *world) bool { return asked(w, "GET") },
		},
		"before the write": {
			inventtest.Fault{Method: "PATCH", Path: "/chats/chat_1", Hang: true},
			func(w *world) bool { return asked(w, "PATCH") },
		},
		"between the write and its answer": {
			inventtest.Fault{Method: "PATCH", Path: "/chats/chat_1", AfterWrite: true, Hang: true},
			func(w *world) bool { return len(w.invent.Writes()) == 1 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.settings["REDIS_URL"] = redis(t)
			first := start(t, w.settings)
			w.slack.SetBot(first.address)
			undo := w.invent.Fault(c.fault)
			if a := w.ada.Types(w.support, "/invent take chat_1"); a.Status != 200 {
				t.Fatalf("answered %d", a.Status)
			}
			w.until(t, "the step is reached", func() bool { return c.passed(w) })
			if err := first.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-first.ended
			undo()
			second := start(t, w.settings)
			w.slack.SetBot(second.address)
			w.ada.ExpectPrivate(w.support, "Still on it")
			w.support.ExpectMessage("Jane Doe", "@ada")
			if n := len(w.invent.Writes()); n != 1 {
				t.Errorf("Invent was written %d times, want once", n)
			}
		})
	}
}

// TestLeaderKilled kills the process that announces handoffs, in the middle of listing the inbox. The other one announces what
// waits since then, and nothing twice: left-over messages fail the test.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings["REDIS_URL"], w.settings["HANDOFF_CHANNEL"], w.settings["LOG_LEVEL"] = redis(t), w.support.ID, "debug"
	w.invent.SetChat("chat_1", func(c *inventtest.Chat) { c.AIEnabled = true })
	waits := func(id string) {
		w.invent.AddChat(inventtest.Chat{ID: id, Customer: "Jane Doe", Channel: "email", State: invent.Open})
	}
	leader := start(t, w.settings)
	w.until(t, "the inbox is listed", func() bool { return strings.Contains(leader.output.String(), "the inbox was listed") })
	waits("chat_2")
	w.support.ExpectMessage("chat_2")
	start(t, w.settings)
	listings := func() (n int) {
		for _, r := range w.invent.Requests() {
			if strings.HasSuffix(r.Path, "/inbox") {
				n++
			}
		}
		return n
	}
	before := listings()
	undo := w.invent.Fault(inventtest.Fault{Method: "GET", Path: "/inbox$", Hang: true})
	waits("chat_3")
	w.until(t, "the leader lists again", func() bool { return listings() > before })
	if err := leader.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-leader.ended
	undo()
	w.support.ExpectMessage("chat_3")
	waits("chat_4")
	w.support.ExpectMessage("chat_4")
}

func asked(w *world, method string) bool {
	for _, r := range w.invent.Requests() {
		if r.Method == method && strings.Contains(r.Path, "/chats/chat_1") {
			return true
		}
	}
	return false
}

func TestStopsOrderly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := start(t, w.settings)
	w.slack.SetBot(p.address)
	w.invent.Fault(inventtest.Fault{Method: "PATCH", Delay: 700 * time.Millisecond})
	w.ada.Types(w.support, "/invent take chat_1")
	w.until(t, "the change is under way", func() bool { return asked(w, "PATCH") })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK // the first other one; 0 when nobody answers any more
	for status == http.StatusOK {
		status = 0
		if resp, err := http.Get(p.address + "/readyz"); err == nil {
			_ = resp.Body.Close()
			status = resp.StatusCode
		}
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("told to stop, /readyz answers %d, want 503", status)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("ended with %v, want exit code 0: %s", err, p.output)
	}
	w.support.ExpectMessage("@ada") // what only this process knew of was finished
	if !strings.Contains(p.output.String(), "REDIS_URL is not set") {
		t.Error("nobody is warned that links and waiting work are lost")
	}
	for _, secret := range []string{w.slack.Token(), w.slack.Secret(), w.invent.Key(), "ada@example.com", "Jane", "/response/"} {
		if strings.Contains(p.output.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestWrongSettings are all reported at once, by name and without their values, with exit code 2.
func TestWrongSettings(t *testing.T) {
	for name, value := range map[string]string{
		"ADDR": "nowhere", "PORT": "", "SLACK_SIGNING_SECRET": ",", "PUBLIC_URL": "bot.example.com", "SLACK_BOT_TOKEN": "", "SLACK_API_URL": "http://slack.example/api/",
		"INVENT_API_KEY": " ", "INVENT_API_URL": "s3cret:", "INVENT_ORG_ID": "a/b", "INVENT_CHAT_URL": "https://example.com/",
		"INVENT_RATE": "-1", "SLACK_COMMAND": "invent", "ADMINS": "ada", "ASSIGN_OTHERS": "everybody", "ALLOW_GUESTS": "some",
		"HANDOFF_CHANNEL": "#support", "HANDOFF_ROUTES": "/nowhere.yml", "HANDOFF_SLACK": "maybe", "WAIT_REMINDER": "soon", "REDIS_URL": "http://:s3cret@127.0.0.1", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
	} {
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	if code := run(t.Context(), nil, &out); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	for _, name := range []string{
		"ADDR", "SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SLACK_API_URL", "INVENT_API_KEY", "INVENT_API_URL", "INVENT_ORG_ID", "PUBLIC_URL",
		"INVENT_CHAT_URL", "INVENT_RATE", "SLACK_COMMAND", "ADMINS", "ASSIGN_OTHERS", "ALLOW_GUESTS",
		"HANDOFF_CHANNEL", "HANDOFF_ROUTES", "HANDOFF_SLACK", "WAIT_REMINDER", "REDIS_URL", "LOG_LEVEL", "LOG_FORMAT",
	} {
		if !strings.Contains("\n"+out.String(), "\n"+name+":") {
			t.Errorf("%s is not reported", name)
		}
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Error("a value is printed")
	}
}

// TestWrongSetting: what is wrong among right settings is reported, each once, and nothing else.
func TestWrongSetting(t *testing.T) {
	routes := filepath.Join(t.TempDir(), "routes.yml")
	if err := os.WriteFile(routes, []byte("routes:\n  - channel: C1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set   map[string]string
		wrong []string
	}{
		{map[string]string{"ASSIGN_OTHERS": ","}, []string{"ASSIGN_OTHERS"}}, // no role is not everybody
		{map[string]string{"ASSIGN_OTHERS": " , ,"}, []string{"ASSIGN_OTHERS"}},
		{map[string]string{"ADDR": "127.0.0.1:0"}, nil},
		{map[string]string{"ADDR": ":99999"}, []string{"ADDR"}},
		{map[string]string{"ADDR": ":-1"}, []string{"ADDR"}},
		{map[string]string{"ADDR": ":0x50"}, []string{"ADDR"}},
		{map[string]string{"ADDR": "127.0.0.1:"}, []string{"ADDR"}},
		{map[string]string{"PORT": "8081"}, nil},
		{map[string]string{"PORT": "99999"}, []string{"PORT"}},
		{map[string]string{"ADDR": ":8080", "PORT": "http"}, []string{"PORT"}},
		{map[string]string{"SLACK_API_URL": "https://slack.example.com/api/?team=1"}, []string{"SLACK_API_URL"}},
		{map[string]string{"INVENT_API_URL": "https://invent.example.com/?"}, []string{"INVENT_API_URL"}},
		{map[string]string{"INVENT_API_URL": "https://invent.example.com#v1"}, []string{"INVENT_API_URL"}},
		{map[string]string{"PUBLIC_URL": "https://bot.example.com?a=b"}, []string{"PUBLIC_URL"}},
		{map[string]string{"INVENT_CHAT_URL": "https://desk.example.com/?tab=inbox#{chat_id}"}, nil},
		{map[string]string{"INVENT_ORG_ID": "."}, []string{"INVENT_ORG_ID"}},
		{map[string]string{"INVENT_ORG_ID": ".."}, []string{"INVENT_ORG_ID"}},
		{map[string]string{"LOG_LEVEL": "INFO+3"}, []string{"LOG_LEVEL"}},
		{map[string]string{"LOG_LEVEL": "Warn"}, nil},
		{map[string]string{"INVENT_ORG_ID": "my org"}, []string{"INVENT_ORG_ID"}},
		{map[string]string{"INVENT_API_URL": "https://user@invent.example.com"}, []string{"INVENT_API_URL"}},
		{map[string]string{"INVENT_API_URL": "http://192.0.2.1"}, []string{"INVENT_API_URL"}},
		{map[string]string{"INVENT_API_URL": "https://invent.example.com:65536"}, []string{"INVENT_API_URL"}},
		{map[string]string{"INVENT_API_URL": "https://invent.example.com:0"}, []string{"INVENT_API_URL"}},
		{map[string]string{"INVENT_API_URL": "http://[::1]:8080"}, nil},
		{map[string]string{"PORT": "0"}, []string{"PORT"}},
		{map[string]string{"ADMINS": "U1, W2"}, nil},
		{map[string]string{"ADMINS": "U1;U2"}, []string{"ADMINS"}},
		{map[string]string{"WAIT_REMINDER": "1m"}, nil},
		{map[string]string{"WAIT_REMINDER": "59s"}, []string{"WAIT_REMINDER"}},
		{map[string]string{"HANDOFF_CHANNEL": "C1", "HANDOFF_ROUTES": routes}, []string{"HANDOFF_ROUTES"}},
		{map[string]string{"HANDOFF_ROUTES": routes}, nil},
		{map[string]string{"SLACK_BOT_TOKEN": "xoxp-1"}, []string{"SLACK_BOT_TOKEN"}},
		{map[string]string{"SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": ""}, nil},
		{map[string]string{"SLACK_BOT_TOKEN": "xapp-1"}, []string{"SLACK_BOT_TOKEN"}},
		{map[string]string{"SLACK_BOT_TOKEN": `"xoxb-1"`, "INVENT_API_KEY": "'k'"}, []string{"SLACK_BOT_TOKEN", "INVENT_API_KEY"}}, //nolint:gosec // no key at all
		{map[string]string{"SLACK_APP_TOKEN": "xoxb-1"}, []string{"SLACK_APP_TOKEN"}},
		{map[string]string{"SLACK_APP_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": ""}, []string{"SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"}},
	} {
		t.Run(fmt.Sprint(c.set), func(t *testing.T) {
			for name, value := range map[string]string{"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN": "t", "INVENT_API_KEY": "k"} {
				t.Setenv(name, value)
			}
			for name, value := range c.set {
				t.Setenv(name, value)
			}
			_, problems := load()
			var wrong []string
			for _, p := range problems {
				name, _, _ := strings.Cut(p, ": ")
				wrong = append(wrong, name)
			}
			if diff := cmp.Diff(c.wrong, wrong); diff != "" {
				t.Errorf("reported (-want +got), with %q:\n%s", problems, diff)
			}
		})
	}
}

// TestSettingsMayBeWrittenAsPeopleDo: with or without a slash at an address's end, and roles in small letters.
func TestSettingsMayBeWrittenAsPeopleDo(t *testing.T) {
	for name, value := range map[string]string{
		"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN": "t", "INVENT_API_KEY": "k", "ASSIGN_OTHERS": "admin, Manager",
		"SLACK_API_URL": "https://slack.example.com/api", "PUBLIC_URL": "https://bot.example.com/",
	} {
		t.Setenv(name, value)
	}
	s, problems := load()
	got := append([]string{s.SlackAPIURL, s.slackHost, s.PublicURL}, s.roles...)
	if diff := cmp.Diff([]string{"https://slack.example.com/api/", "slack.example.com", "https://bot.example.com", "ADMIN", "MANAGER"}, got); diff != "" || len(problems) > 0 {
		t.Errorf("read (-want +got), with %q:\n%s", problems, diff)
	}
	t.Setenv("SLACK_API_URL", "")
	if s, problems = load(); s.slackHost != "" || len(problems) > 0 {
		t.Errorf("beside Slack's own hosts %q may be posted to, with %q; want none", s.slackHost, problems)
	}
}

// TestHandoffChannels: ids may be short, and a channel that is named twice is one.
func TestHandoffChannels(t *testing.T) {
	for name, value := range map[string]string{
		"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN": "t", "INVENT_API_KEY": "k", "HANDOFF_CHANNEL": "C2, C1,C2",
	} {
		t.Setenv(name, value)
	}
	s, problems := load()
	var channels []string
	for _, rule := range s.routes.Rules {
		channels = append(channels, rule.Channel)
	}
	if diff := cmp.Diff([]string{"C1", "C2"}, channels); diff != "" || len(problems) > 0 {
		t.Errorf("announces in (-want +got), with %q:\n%s", problems, diff)
	}
}

// TestSocketMode is a bot that nobody can call: it needs no signing secret, and takes its work through connections of its own.
func TestSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slacktest.SocketMode("xapp-sandbox-token"))
	delete(w.settings, "SLACK_SIGNING_SECRET")
	w.settings["SLACK_APP_TOKEN"] = w.slack.AppToken()
	p := start(t, w.settings)
	w.slack.ExpectSockets(2)
	w.ada.Types(w.support, "/invent take chat_1")
	w.support.ExpectMessage("Jane Doe", "@ada")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("ended with %v, want exit code 0: %s", err, p.output)
	}
	if strings.Contains(p.output.String(), w.slack.AppToken()) {
		t.Error("the log holds the app's token")
	}
}

func TestWrongAppToken(t *testing.T) {
	t.Setenv("SLACK_APP_TOKEN", "xoxb-s3cret")
	var out bytes.Buffer
	code := run(t.Context(), nil, &out)
	if code != 2 || !strings.Contains(out.String(), "SLACK_APP_TOKEN:") || !strings.Contains(out.String(), "SLACK_SIGNING_SECRET:") || strings.Contains(out.String(), "s3cret") {
		t.Errorf("exit code %d and %q, want 2, and both the wrong token, without its value, and the missing secret reported", code, out.String())
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"dance":         {2, "usage"},
		"serve now":     {2, "usage"},
		"version --all": {2, "usage"},
		"help":          {0, "usage"},
		"version":       {0, "inventbot "},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &out); code != want.code || !strings.Contains(out.String(), want.says) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", args, code, out.String(), want.code, want.says)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := start(t, w.settings)
	_, port, _ := strings.Cut(strings.TrimPrefix(p.address, "http://"), ":")
	for addr, want := range map[string]int{":" + port: 0, "0.0.0.0:" + port: 0, "127.0.0.1:" + port: 0, "127.0.0.1:1": 1, "nowhere": 1} {
		var out bytes.Buffer
		if code := printHealth(t.Context(), addr, &out); code != want || out.Len() == 0 {
			t.Errorf("%s: exit code %d and %q, want %d", addr, code, out.String(), want)
		}
	}
}
