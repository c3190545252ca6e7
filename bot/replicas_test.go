package bot_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"inventbot/bot"
	"inventbot/bot/slacktest"
	"inventbot/cache"
	"inventbot/invent/inventtest"
	"inventbot/slackui"
)

// node is a redis-server of the test's own, with AOF.
type node struct {
	t       *testing.T
	address string
	port    string
	args    []string
	cmd     *exec.Cmd
	client  *redis.Client
}

// newNode starts a redis-server on a free port of the loopback.
func newNode(t *testing.T, settings ...string) *node {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH")
	}
	port := freePort(t)
	n := &node{t: t, address: "127.0.0.1:" + port, port: port}
	n.args = append([]string{
		"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning",
	}, settings...)
	n.client = redis.NewClient(&redis.Options{Addr: n.address})
	t.Cleanup(func() {
		_ = n.client.Close()
		n.kill()
	})
	n.start()
	return n
}

// start is for one that was killed: what it confirmed is there again.
func (n *node) start() {
	n.t.Helper()
	n.cmd = exec.Command("redis-server", n.args...)
	n.cmd.Stderr = os.Stderr
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, "redis-server answers", func(ctx context.Context) bool { return n.client.Ping(ctx).Err() == nil })
}

func (n *node) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		n.cmd = nil
	}
}

func (n *node) do(args ...any) {
	n.t.Helper()
	if err := n.client.Do(n.t.Context(), args...).Err(); err != nil {
		n.t.Fatalf("%v: %v", args, err)
	}
}

func (n *node) url() string { return "redis://" + n.address }

func (n *node) open() *cache.Cache {
	n.t.Helper()
	store, err := cache.Open(n.url())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = store.Close() })
	return store
}

// spoiling is the Redis behind a proxy that gives one reply in which text stands, the next one after arm, to spoil instead of to
// whoever asked. False from spoil ends the connection.
func (n *node) spoiling(text string, spoil func(conn net.Conn, reply []byte) bool) (store *cache.Cache, arm func()) {
	n.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(n.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	var armed atomic.Bool
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			up, err := (&net.Dialer{}).DialContext(n.t.Context(), "tcp", n.address)
			if err != nil {
				_ = conn.Close()
				return
			}
			go func() { _, _ = io.Copy(up, conn); _ = up.Close() }()
			go func() {
				defer func() { _ = conn.Close() }()
				reply := make([]byte, 64<<10)
				for {
					n, err := up.Read(reply)
					if err != nil {
						return
					}
					if bytes.Contains(reply[:n], []byte(text)) && armed.CompareAndSwap(true, false) {
						if !spoil(conn, reply[:n]) {
							return
						}
						continue
					}
					if _, err := conn.Write(reply[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	store, err = cache.Open("redis://" + l.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = store.Close() })
	return store, func() { armed.Store(true) }
}

// age lets all that is taken be held since so long that its process counts as dead.
func (n *node) age() {
	n.t.Helper()
	const ready, workers = "inventbot:{jobs}:ready", "workers"
	held, err := n.client.XPendingExt(n.t.Context(), &redis.XPendingExtArgs{Stream: ready, Group: workers, Start: "-", End: "+", Count: 1000}).Result()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, h := range held {
		n.do("xclaim", ready, workers, h.Consumer, 0, h.ID, "idle", (cache.TakeOver + time.Second).Milliseconds(), "retrycount", h.RetryCount, "justid")
	}
}

// holds says whether a job of that verb with that conversation is open.
func (n *node) holds(verb slackui.Verb, chat string) bool {
	n.t.Helper()
	jobs, err := n.client.HVals(n.t.Context(), "inventbot:{jobs}:bodies").Result()
	if err != nil {
		n.t.Fatal(err)
	}
	return slices.ContainsFunc(jobs, func(j string) bool {
		return strings.Contains(j, `"verb":"`+string(verb)+`"`) && strings.Contains(j, chat)
	})
}

var (
	firstPort = 10_000 + rand.IntN(10_000) //nolint:gosec // no secret
	ports     atomic.Int32                 // that were tried
)

// freePort answers a port below those that the system gives to whoever asks for any: no connection takes it, also not while its
// redis-server is killed.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(firstPort + int(ports.Add(1)))
		if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
}

// eventually asks again and again until it holds, at most for 30 s.
func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never came that %s", what)
		}
	}
}

// spine is what must work on every kind of Redis: two processes, two people, two conversations, in order.
func spine(t *testing.T, url string) {
	t.Helper()
	w := newWorld(t)
	w.chat("chat_2")
	var addresses []string
	for range 2 {
		store, err := cache.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		address, _ := w.serve(func(c *bot.Config) { c.Cache = store })
		addresses = append(addresses, address)
	}
	say := func(i int, line string) { // to one of the processes
		w.slack.SetBot(addresses[i%len(addresses)])
		w.acknowledged(w.ada.Types(w.support, line))
	}
	say(0, "/invent take chat_1")
	card := w.support.ExpectMessage("chat_1", "@ada")
	w.acknowledged(w.ada.Press(card, "Release"))
	w.support.ExpectUpdate(card, "Nobody")
	want := []string{"chat_1 mem_ada", "chat_1 -"}
	// The people and verbs alternate, the processes too: only the order makes each of them a change.
	for i := range 6 {
		say(i, "/invent take chat_2")
		say(i+1, "/invent release chat_2")
		want = append(want, "chat_2 mem_ada", "chat_2 -")
	}
	for range 6 {
		w.support.ExpectMessage("chat_2", "@ada")
	}
	w.until("all is written", func() bool { return len(w.invent.Writes()) == len(want) })
	w.wrote(want...)
	w.slack.IgnoreLeftovers()
	for _, address := range addresses {
		if body := get(t, address+"/metrics"); !strings.Contains(body, "\ninventbot_in_process_requests_total 0\n") {
			t.Error("requests were carried out past the shared Redis")
		}
	}
}

// Not in parallel with others: it wants each answer of Redis's within 250 ms.
func TestOnACluster(t *testing.T) {
	var nodes []*node
	for i := range 3 {
		bus := freePort(t)
		n := newNode(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		n.do("cluster", "addslotsrange", i*16384/3, (i+1)*16384/3-1)
		nodes = append(nodes, n)
		if i > 0 {
			n.do("cluster", "meet", "127.0.0.1", nodes[0].port, nodes[0].busPort(t))
		}
	}
	for _, n := range nodes {
		eventually(t, "the cluster is formed", func(ctx context.Context) bool {
			info, err := n.client.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	spine(t, fmt.Sprintf("redis+cluster://%s?addr=%s", nodes[1].address, nodes[2].address))
}

func (n *node) busPort(t *testing.T) string {
	t.Helper()
	got, err := n.client.ConfigGet(t.Context(), "cluster-port").Result()
	if err != nil {
		t.Fatal(err)
	}
	return got["cluster-port"]
}

// sentinel starts a master, its replica and a Sentinel that watches them, and answers them and their URL.
func sentinel(t *testing.T) (master *node, url string) {
	t.Helper()
	master = newNode(t)
	replica := newNode(t, "--replicaof", "127.0.0.1 "+master.port, "--repl-diskless-sync-delay", "0")
	eventually(t, "the replica follows", func(ctx context.Context) bool {
		info, err := replica.client.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n", master.port)
	if err := os.WriteFile(config, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	watch := newSentinel(t, config)
	eventually(t, "the Sentinel knows the replica", func(ctx context.Context) bool {
		list, err := watch.Do(ctx, "sentinel", "replicas", "main").Slice()
		return err == nil && len(list) == 1
	})
	return master, "redis+sentinel://" + watch.Options().Addr + "/main"
}

func newSentinel(t *testing.T, config string) *redis.Client {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command("redis-server", config, "--sentinel", "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	t.Cleanup(func() {
		_ = client.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "the Sentinel answers", func(ctx context.Context) bool { return client.Ping(ctx).Err() == nil })
	return client
}

// Not in parallel with others, as TestOnACluster.
func TestBehindASentinel(t *testing.T) {
	_, url := sentinel(t)
	spine(t, url)
}

// TestFaultFailover: the master dies with work in it that the replica has. Nothing is lost and nothing done twice.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	master, url := sentinel(t)
	w := newWorld(t, slacktest.Patience(45*time.Second)) // a job that was held meanwhile may have to be taken over
	store, err := cache.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w.serve(func(c *bot.Config) { c.Cache = store })
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_1"))
	card := w.support.ExpectMessage("@ada")

	undo := w.invent.Fault(hangOn("PATCH"))
	w.acknowledged(w.ada.Press(card, "Release"))
	w.until("the change is under way", func() bool { return patched(w) > 1 })
	master.copied()
	master.kill()
	undo()
	w.support.ExpectUpdate(card, "Nobody")
	w.acknowledged(w.grace.Press(card.Now(), "Take")) // by the spare or the new master
	w.support.ExpectUpdate(card, "@grace")
	eventually(t, "the new master is used", func(ctx context.Context) bool { return store.Ping(ctx) == nil })
	w.chat("chat_2")
	w.acknowledged(w.ada.Types(w.support, "/invent take chat_2"))
	w.support.ExpectMessage("chat_2", "@ada")
	eventually(t, "the queue is empty", func(ctx context.Context) bool {
		d, err := store.Depth(ctx)
		return err == nil && d.Open == 0
	})
	w.wrote("chat_1 mem_ada", "chat_1 -", "chat_1 mem_grace", "chat_2 mem_ada")
	w.slack.IgnoreLeftovers()
}

// copied waits until a replica has all that was written.
func (n *node) copied() {
	n.t.Helper()
	conn := n.client.Conn() // WAIT is for what was written by the same connection, and all before it
	defer func() { _ = conn.Close() }()
	eventually(n.t, "what is acknowledged has been copied", func(ctx context.Context) bool {
		if err := conn.Set(ctx, "copied", "", time.Minute).Err(); err != nil {
			n.t.Fatal(err)
		}
		replicas, err := conn.Do(ctx, "wait", 1, 1000).Int()
		return err == nil && replicas > 0
	})
}

func hangOn(method string) inventtest.Fault {
	return inventtest.Fault{Method: method, Path: "/chats/chat_1", Hang: true}
}

func patched(w *world) int {
	n := 0
	for _, r := range w.invent.Requests() {
		if r.Method == "PATCH" {
			n++
		}
	}
	return n
}
