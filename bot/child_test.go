package bot_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"inventbot/bot"
	"inventbot/cache"
	"inventbot/invent"
)

const childMark = "INVENTBOT_TEST_CHILD"

// TestMain lets the test binary be a bot of its own, which can be killed.
func TestMain(m *testing.M) {
	if os.Getenv(childMark) != "" {
		if err := beChild(); err != nil {
			_, _ = fmt.Fprintln(os.Stdout, "failed:", err)
			os.Exit(1)
		}
		return
	}
	// The tests wait more than they work: unless somebody says how many, twice as many run at a time as there are processors.
	if !slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.parallel") }) {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}

// beChild serves until it is killed; by itself, without warning, at the step that the environment names, as in
// "the conversation is read" or, of one conversation only, "the conversation is read@chat_1", but not before dies is called: what
// came in may have to be acknowledged first.
func beChild() error {
	store, err := cache.Open(os.Getenv("REDIS_URL"))
	if err != nil {
		return fmt.Errorf("opening Redis: %w", err)
	}
	team := bot.NewTeam(bot.NewSlack(os.Getenv("SLACK_BOT_TOKEN"), os.Getenv("SLACK_API_URL")),
		invent.New(invent.Options{URL: os.Getenv("INVENT_API_URL"), Key: os.Getenv("INVENT_API_KEY"), Org: "c", Timeout: 2 * time.Second}))
	b, err := bot.New(bot.Config{
		Secrets: []string{os.Getenv("SLACK_SIGNING_SECRET")}, Teams: team.Only, Probe: team, Cache: store,
		ChatURL: "https://useinvent.com/o/inbox/{chat_id}", SlackHost: os.Getenv("SLACK_HOST"),
	})
	if err != nil {
		return fmt.Errorf("making a bot: %w", err)
	}
	dieAt, chat, _ := strings.Cut(os.Getenv("DIE_AT"), "@")
	b.OnStep(func(step string, j cache.Job) {
		if step == dieAt && strings.Contains(string(j.Body), chat) {
			_, _ = os.Stdin.Read(make([]byte, 1))
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	_, _ = fmt.Fprintln(os.Stdout, "listening", l.Addr())
	return b.Serve(context.Background(), l, time.Second)
}

// child is a bot in a process of its own, which dies at a step, if one is named.
type child struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func startChild(t *testing.T, w *world, redisURL, dieAt string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = []string{
		childMark + "=1", "REDIS_URL=" + redisURL, "DIE_AT=" + dieAt,
		"SLACK_BOT_TOKEN=" + w.slack.Token(), "SLACK_API_URL=" + w.slack.URL(), "SLACK_SIGNING_SECRET=" + w.slack.Secret(),
		"SLACK_HOST=" + strings.TrimSuffix(strings.TrimPrefix(w.slack.URL(), "http://"), "/api/"),
		"INVENT_API_URL=" + w.invent.URL(), "INVENT_API_KEY=" + w.invent.Key(),
	}
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = os.Stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "listening ") {
		t.Fatalf("the child said %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the child
	c.address = "http://" + strings.TrimSpace(strings.TrimPrefix(line, "listening "))
	w.slack.SetBot(c.address)
	return c
}

// dies lets the child kill itself at its step, and waits for it.
func (c *child) dies(t *testing.T) {
	t.Helper()
	_ = c.stdin.Close()
	late := time.AfterFunc(30*time.Second, func() { _ = c.cmd.Process.Signal(syscall.SIGTERM) })
	defer late.Stop()
	state, err := c.cmd.Process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if how, ok := state.Sys().(syscall.WaitStatus); !ok || how.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want it killed at its step", state)
	}
}
