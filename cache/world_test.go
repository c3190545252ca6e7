package cache_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inventbot/cache"
)

// each runs a test on a Redis inside this process and on a real one. What either holds in the end must have a lifetime.
func each(t *testing.T, test func(t *testing.T, c *cache.Cache)) {
	t.Helper()
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *cache.Cache{"in process": inProcess, "real": realRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			test(t, c)
			mortal(t, c)
		})
	}
}

// mortal fails for a key without a lifetime that is neither of the queue nor something that only people can say again.
func mortal(t *testing.T, c *cache.Cache) {
	t.Helper()
	keys := c.Raw().Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		key := keys.Val()
		if slices.Contains(cache.QueueKeys, key) || strings.HasPrefix(key, cache.LaneKey("")) ||
			slices.Contains([]string{cache.LinksKey("T1"), cache.QuietKey("T1"), cache.GreetedKey("T1")}, key) {
			continue
		}
		switch ttl, err := c.Raw().PTTL(t.Context(), key).Result(); {
		case err != nil:
			t.Errorf("%s: %v", key, err)
		case ttl <= 0 || ttl > 90*24*time.Hour:
			t.Errorf("%s lives for %s, want an end within 90 days", key, ttl)
		case !strings.HasPrefix(key, "inventbot:"):
			t.Errorf("%s isn't marked as the bot's", key)
		}
	}
	if err := keys.Err(); err != nil {
		t.Error(err)
	}
}

func inProcess(t testing.TB) *cache.Cache {
	t.Helper()
	c, err := cache.OpenInProcess()
	if err != nil {
		t.Fatal(err)
	}
	return warm(t, c)
}

// realRedis is a redis-server of the test's own.
func realRedis(t testing.TB) *cache.Cache {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH")
	}
	for range 5 { // somebody else may take the port first
		addr := freeAddr(t)
		host, port, _ := net.SplitHostPort(addr)
		cmd := exec.CommandContext(t.Context(), "redis-server", "--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, ready := bufio.NewScanner(out), false
		for !ready && lines.Scan() {
			ready = strings.Contains(lines.Text(), "Ready to accept connections")
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, out)
		}()
		t.Cleanup(func() { // the test's context has ended, and the process with it
			<-drained
			_ = cmd.Wait()
		})
		if ready {
			c, err := cache.Open("redis://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			return warm(t, c)
		}
	}
	t.Fatal("no port for redis-server")
	return nil
}

// freeAddr is a loopback address where nobody listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	l := listen(t)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func opened(t testing.TB, url string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	return closing(t, c)
}

// another is a second process on the Redis of c, reached at addr unless that is empty.
func another(t testing.TB, c *cache.Cache, addr string) *cache.Cache {
	t.Helper()
	return warm(t, c.Another(addr))
}

func warm(t testing.TB, c *cache.Cache) *cache.Cache {
	t.Helper()
	closing(t, c)
	if err := c.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func closing(t testing.TB, c *cache.Cache) *cache.Cache {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func job(id, lane string) cache.Job {
	return cache.Job{ID: id, Lane: lane, At: noon, Body: json.RawMessage(fmt.Sprintf("%q", "body of "+id))}
}

func submit(t testing.TB, c *cache.Cache, want cache.Admission, limit int, jobs ...cache.Job) {
	t.Helper()
	for _, j := range jobs {
		if got, _, err := c.Submit(t.Context(), j, limit, false); err != nil || got != want {
			t.Fatalf("submitting %s: %v and %v, want %v", j.ID, got, err, want)
		}
	}
}

// accept submits jobs to a queue that has room.
func accept(t testing.TB, c *cache.Cache, jobs ...cache.Job) {
	t.Helper()
	submit(t, c, cache.Accepted, 1000, jobs...)
}

// next takes what may run, and wants exactly these.
func next(t testing.TB, c *cache.Cache, ids ...string) []cache.Job {
	t.Helper()
	jobs, err := c.Next(t.Context(), 100, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "may run", jobs, ids...)
	return jobs
}

// reap takes over at most n jobs of the dead, and wants exactly these.
func reap(t testing.TB, c *cache.Cache, n int, ids ...string) []cache.Job {
	t.Helper()
	jobs, err := c.Reap(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "are taken over", jobs, ids...)
	return jobs
}

// tick wants exactly these to be overdue.
func tick(t testing.TB, c *cache.Cache, now time.Time, ids ...string) {
	t.Helper()
	jobs, err := c.Tick(t.Context(), now, 100)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "are overdue", jobs, ids...)
}

func want(t testing.TB, what string, jobs []cache.Job, ids ...string) {
	t.Helper()
	var got []string
	for _, j := range jobs {
		got = append(got, j.ID)
	}
	if d := cmp.Diff(ids, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("jobs that %s, want -, got +:\n%s", what, d)
	}
}

func done(t testing.TB, c *cache.Cache, jobs ...cache.Job) {
	t.Helper()
	for _, j := range jobs {
		if err := c.Done(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
}

func later(t testing.TB, c *cache.Cache, j cache.Job, due time.Time) {
	t.Helper()
	if err := c.Later(t.Context(), j, due); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, c *cache.Cache, want int) {
	t.Helper()
	if got, err := c.Depth(t.Context()); err != nil || got.Open != want {
		t.Fatalf("%d jobs are open (%v), want %d", got.Open, err, want)
	}
}

// age lets time pass for the jobs that are held: each has been held for d now.
func age(t testing.TB, c *cache.Cache, d time.Duration) {
	t.Helper()
	held, err := c.Raw().Do(t.Context(), "XPENDING", cache.Ready, cache.Group, "-", "+", 1000).Slice()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range held {
		entry := h.([]any) // id, consumer, idle, deliveries
		err := c.Raw().Do(t.Context(), "XCLAIM", cache.Ready, cache.Group, entry[1], 0, entry[0],
			"IDLE", d.Milliseconds(), "RETRYCOUNT", entry[3], "JUSTID").Err()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wire stands between a Cache and its Redis, and can hold back what passes.
type wire struct {
	addr     string
	ask, say gate        // towards Redis, and back
	answers  chan string // what Redis said, while it is held back
	mu       sync.Mutex
	conns    []net.Conn
}

// gate lets pass or holds.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed: lets pass
}

func (g *gate) pass() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

func newWire(t testing.TB, c *cache.Cache) *wire {
	t.Helper()
	l := listen(t)
	w := &wire{addr: l.Addr().String(), answers: make(chan string, 1000)}
	w.ask.hold()
	w.ask.release()
	w.say.hold()
	w.say.release()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		w.cut()
		all.Wait()
	})
	to := c.Raw().Options().Addr
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, client, server)
			w.mu.Unlock()
			all.Go(func() { w.carry(ctx, client, server, &w.ask, nil) })
			all.Go(func() { w.carry(ctx, server, client, &w.say, w.answers) })
		}
	})
	return w
}

func (w *wire) carry(ctx context.Context, from, to net.Conn, g *gate, heard chan<- string) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return // what has gone out already goes on
		}
		if heard != nil {
			select {
			case heard <- string(buf[:n]):
			default:
			}
		}
		select {
		case <-g.pass():
		case <-ctx.Done():
			return
		}
		_, _ = to.Write(buf[:n]) // whoever asked may have given up
	}
}

// cut ends all connections, and with them what is held back.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		_ = conn.Close()
	}
}

// heard waits for Redis to say something in which text stands.
func (w *wire) heard(t testing.TB, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		select {
		case said := <-w.answers:
			if strings.Contains(said, text) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("Redis never said %q", text)
		}
	}
}

// soon polls for what another process does at its own pace.
func soon(t testing.TB, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !is() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
