package load

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	secret  = "load-signing-secret"
	startIn = 20 * time.Second // how long a program may take until it can be used
	stopIn  = 30 * time.Second
)

// build builds the inventbot of this source, and returns the binary's path. It must be run within the module.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "inventbot")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "inventbot/cmd/inventbot") //nolint:gosec // our own directory
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")                                         // like images and releases
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building inventbot (or give one with -bin): %w\n%s", err, out)
	}
	return binary, nil
}

// program is a process that the measurement runs.
type program struct {
	cmd     *exec.Cmd
	address string
	took    time.Duration // from its start to its first 200 on /readyz
}

// startRedis starts a redis-server that keeps what it confirmed, by the policy that Redis itself recommends (appendfsync everysec).
func startRedis(ctx context.Context, dir string) (*program, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a port: %w", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	data, err := os.MkdirTemp(dir, "redis")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	p := &program{address: "127.0.0.1:" + port}
	p.cmd = exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", data, //nolint:gosec // our own directory
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning")
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting redis-server (or measure with -in-process): %w", err)
	}
	for end := time.Now().Add(startIn); time.Now().Before(end); nap(5 * time.Millisecond) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.address)
		if err == nil {
			_ = conn.Close()
			return p, nil
		}
	}
	p.stop()
	return nil, errors.New("redis-server doesn't answer")
}

// subject is what is measured.
type subject int

const (
	theBot subject = iota
	theBare
	theBolt
)

//go:embed bolt.js
var boltSource []byte

// startBot starts the inventbot, or what it is compared with (whom), with settings that point to the pretended Slack and Invent, and
// waits until it is ready.
func startBot(ctx context.Context, o options, s *sides, redis *program, whom subject) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, o.binary)} //nolint:gosec // what the caller wants measured
	var more []string
	switch whom {
	case theBare:
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding myself: %w", err)
		}
		p.cmd = exec.CommandContext(ctx, self, "load") //nolint:gosec // ourselves
		more = []string{bareMark + "=1"}
	case theBolt:
		source := filepath.Join(o.dir, "bolt.js")
		if err := os.WriteFile(source, boltSource, 0o600); err != nil {
			return nil, fmt.Errorf("writing Bolt's program: %w", err)
		}
		modules, err := filepath.Abs(filepath.Join(o.bolt, "node_modules"))
		if err != nil {
			return nil, fmt.Errorf("finding Bolt: %w", err)
		}
		if _, err := os.Stat(filepath.Join(modules, "@slack", "bolt")); err != nil {
			return nil, fmt.Errorf("there is no Bolt in %s: run npm install @slack/bolt redis there", o.bolt)
		}
		p.cmd = exec.CommandContext(ctx, "node", source) //nolint:gosec // our own
		more = []string{"NODE_PATH=" + modules, "NODE_ENV=production"}
	case theBot:
	}
	p.cmd.Env = append([]string{
		"ADDR=127.0.0.1:0", "SLACK_SIGNING_SECRET=" + secret, "SLACK_BOT_TOKEN=xoxb-load", "SLACK_API_URL=" + s.slack + slackPath,
		"INVENT_API_KEY=load", "INVENT_API_URL=" + s.invent, "INVENT_RATE=0",
		"GOGC=" + os.Getenv("GOGC"), "GOMEMLIMIT=" + os.Getenv("GOMEMLIMIT"), "GODEBUG=" + os.Getenv("GODEBUG"),
	}, more...)
	if redis != nil {
		p.cmd.Env = append(p.cmd.Env, "REDIS_URL=redis://"+redis.address)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the bot: %w", err)
	}
	var wrong bytes.Buffer
	p.cmd.Stderr = &wrong
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the bot: %w", err)
	}
	listening := make(chan string, 1)
	go func() { // ends with the process, whose stop waits for it
		defer close(listening)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Addr
				_, _ = io.Copy(io.Discard, out)
				return
			}
		}
	}()
	addr, ok := <-listening
	if !ok {
		p.stop()
		return nil, fmt.Errorf("%s ended before it listened: %.1000s", p.cmd, &wrong)
	}
	p.address = "http://" + addr
	for time.Since(begun) < startIn {
		if ready(ctx, p.address) {
			p.took = time.Since(begun)
			return p, nil
		}
		nap(time.Millisecond)
	}
	p.stop()
	return nil, errors.New("the bot doesn't get ready")
}

func ready(ctx context.Context, address string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// waiting is how many jobs are not done yet, as the bot says.
func (p *program) waiting(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.address+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("asking for the metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asking for the metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, found := strings.CutPrefix(lines.Text(), "inventbot_queue_jobs "); found {
			jobs, err := strconv.ParseFloat(n, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the metrics: %w", err)
			}
			return int(jobs), nil
		}
	}
	return 0, errors.New("the metrics don't tell how many jobs wait")
}

// stop asks the process to end, waits for it, and kills it after stopIn.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(stopIn, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	kill.Stop()
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is the processor time the process has used so far. Where there is no /proc it is zero.
func (p *program) cpu() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / 100
}

// resident is the memory the process holds now, and held at most. Where there is no /proc it is zero.
func (p *program) resident() (now, most int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = n << 10
		case "VmHWM:":
			most = n << 10
		}
	}
	return now, most
}

// processors returns the time of all processors so far, in ticks, and how much of it this machine's host gave to other machines. Without
// a /proc both are zero.
func processors() (all, stolen int64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for n, field := range strings.Fields(line) {
		ticks, _ := strconv.ParseInt(field, 10, 64)
		if n >= 1 && n <= 8 { // the fields behind these are counted in them already
			all += ticks
		}
		if n == 8 {
			stolen = ticks
		}
	}
	return all, stolen
}
