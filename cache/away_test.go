package cache_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"inventbot/cache"
)

// calls are all that can be asked of a Cache, and how long each may take at most.
var calls = map[string]struct {
	most time.Duration
	call func(context.Context, *cache.Cache) error
}{
	"Ping": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Ping(ctx) }},
	"Inspect": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Inspect(ctx)
		return err
	}},
	"Warm": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Warm(ctx) }},
	"Submit": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Submit(ctx, job("a", "A"), 10, false)
		return err
	}},
	"Submit here": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Submit(ctx, job("a", "A"), 10, true)
		return err
	}},
	"Next": {cache.Patience + 50*time.Millisecond, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Next(ctx, 10, 50*time.Millisecond)
		return err
	}},
	"Reap": {2 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Reap(ctx, 10)
		return err
	}},
	"Done":     {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Done(ctx, job("a", "A").Held("1-1")) }},
	"Withdraw": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Withdraw(ctx, job("a", "A")) }},
	"Keep":     {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Keep(ctx, job("a", "A").Held("1-1")) }},
	"Later":    {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Later(ctx, job("a", "A").Held("1-1"), noon) }},
	"Tick": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Tick(ctx, noon, 100)
		return err
	}},
	"Depth": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Depth(ctx)
		return err
	}},
	"First": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.First(ctx, "A")
		return err
	}},
	"Remaining": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Remaining(ctx)
		return err
	}},
	"Leave": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Leave(ctx) }},
	"Link": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Link(ctx, "T1", "U1")
		return err
	}},
	"SetLink": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetLink(ctx, "T1", "U1", ada) }},
	"Person": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Person(ctx, "T1", "mem_1")
		return err
	}},
	"SetPerson": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		return c.SetPerson(ctx, "T1", cache.Person{User: "U1"}, "mem_1")
	}},
	"Known": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Known(ctx, cache.Question{Team: "T1", Chat: "chat_1", Channel: "C1", User: "U1"})
		return err
	}},
	"Reach": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Reach(ctx, "T1", "C1")
		return err
	}},
	"SetReach": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetReach(ctx, "T1", "C1", cache.Own) }},
	"Remember": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		return remember(ctx, c, "T1", "chat_1", via, card(1))
	}},
	"Forget":   {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Forget(ctx, "T1", "chat_1", card(1)) }},
	"DropLink": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.DropLink(ctx, "T1", "U1", ada) }},
	"HandLinks": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.HandLinks(ctx, "T1")
		return err
	}},
	"HandLink": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.HandLink(ctx, "T1", "U1")
		return err
	}},
	"SetHandLink": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.SetHandLink(ctx, "T1", "U1", hand, offer.ID)
		if errors.Is(err, cache.ErrNoOffer) {
			return nil // Redis said so
		}
		return err
	}},
	"DropHandLink": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.DropHandLink(ctx, "T1", "U1")
		return err
	}},
	"SetOffer": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetOffer(ctx, "T1", "U1", offer) }},
	"Offer": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Offer(ctx, "T1", "U1")
		return err
	}},
	"DropOffer": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.DropOffer(ctx, "T1", "U1", offer.ID) }},
	"Hold": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Hold(ctx, "T1", "U1", json.RawMessage(`{}`), noon)
		return err
	}},
	"Held": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Held(ctx, "T1", "U1", noon)
		return err
	}},
	"DropHeld": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.DropHeld(ctx, "T1", "U1", json.RawMessage(`{}`))
		return err
	}},
	"Tried": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Tried(ctx, "T1")
		return err
	}},
	"Changed": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return addDeed(ctx, c, deed(1, "chat_1")) }},
	"Deeds": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Deeds(ctx, "T1", "chat_1")
		return err
	}},
	"TellOnce": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.TellOnce(ctx, "T1", "key")
		return err
	}},
	"Lead": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Lead(ctx, "T1")
		return err
	}},
	"StepDown": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.StepDown(ctx, "T1") }},
	"Handoffs": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Handoffs(ctx, "T1")
		return err
	}},
	"Notices": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Notices(ctx, "T1")
		return err
	}},
	"SetHandoffs": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		return c.SetHandoffs(ctx, "T1", map[string]cache.Handoff{"chat_1": waits}, []string{"chat_2"})
	}},
	"SetNotice": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetNotice(ctx, "T1", "chat_1", "C1", posted) }},
	"Handoff": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Handoff(ctx, "T1", "chat_1", "C1")
		return err
	}},
	"SetTrouble": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetTrouble(ctx, "T1", "C1", archived) }},
	"Trouble": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Trouble(ctx, "T1", "C1", noon)
		return err
	}},
	"RedrawAt": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		return c.RedrawAt(ctx, "T1", map[string]time.Time{"chat_1": noon})
	}},
	"Redrawn": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Redrawn(ctx, "T1", noon, "chat_1") }},
	"DueRedraws": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.DueRedraws(ctx, "T1", noon, 10)
		return err
	}},
	"Drawn": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Drawn(ctx, "T1", []string{"chat_1"})
		return err
	}},
	"Channels": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Channels(ctx, "T1", []string{"chat_1"})
		return err
	}},
	"Carded": {4 * cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Carded(ctx, "T1", noon, noon)
		return err
	}},
	"Unswept": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Unswept(ctx, "T1", noon, noon, 10)
		return err
	}},
	"Uncard":    {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.Uncard(ctx, "T1", "chat_1") }},
	"TellAgain": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.TellAgain(ctx, "T1", "key") }},
	"KeepNote": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.KeepNote(ctx, "T1", "U1", "a note")
		return err
	}},
	"Note": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Note(ctx, "T1", "U1", "n1")
		return err
	}},
	"DropNote": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.DropNote(ctx, "T1", "U1", "n1") }},
	"SetQuiet": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetQuiet(ctx, "T1", "U1", true) }},
	"Quiet": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Quiet(ctx, "T1", "U1")
		return err
	}},
	"SetHome": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetHome(ctx, "T1", "U1", cache.Home{}) }},
	"Home": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, _, err := c.Home(ctx, "T1", "U1")
		return err
	}},
	"Greeted": {cache.Patience, func(ctx context.Context, c *cache.Cache) error {
		_, err := c.Greeted(ctx, "T1", "U1")
		return err
	}},
	"SetGreeted": {cache.Patience, func(ctx context.Context, c *cache.Cache) error { return c.SetGreeted(ctx, "T1", "U1") }},
}

func TestARedisThatRefusesConnectionsCostsNoTime(t *testing.T) {
	t.Parallel()
	for name, tc := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := opened(t, "redis://"+freeAddr(t))
			fastest := time.Hour
			for range 5 {
				begun := time.Now()
				err := tc.call(t.Context(), c)
				took := time.Since(begun)
				fastest = min(fastest, took)
				if err == nil || took > 2*cache.Patience {
					t.Errorf("%v after %s, want an error within %s", err, took, cache.Patience)
				}
			}
			if fastest > cache.Patience/5 { // the others may have waited for the processor
				t.Errorf("the fastest call took %s, want well under %s", fastest, cache.Patience)
			}
		})
	}
}

func TestARedisThatRefusesThePassword(t *testing.T) {
	t.Parallel()
	c := inProcess(t)
	c.Mini().RequireAuth("right")
	wrong := opened(t, "redis://:wrong@"+c.Mini().Addr())
	for name, tc := range calls {
		if err := tc.call(t.Context(), wrong); err == nil {
			t.Errorf("%s has no error", name)
		}
	}
}

// silent is the address of somebody who takes connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	gone := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-gone
	})
	go func() {
		defer close(gone)
		var all []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				for _, conn := range all {
					_ = conn.Close()
				}
				return
			}
			all = append(all, conn)
		}
	}()
	return l.Addr().String()
}

// TestARedisThatHangs makes all calls beside each other, each with a Cache of its own: it waits more than it works.
func TestARedisThatHangs(t *testing.T) {
	t.Parallel()
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		addr := silent(t)
		var all sync.WaitGroup
		for name, tc := range calls {
			c := opened(t, "redis://"+addr)
			all.Go(func() { hangs(t, c, name, tc.most, tc.call) })
		}
		all.Wait()
	})
	t.Run("all of a sudden, and comes back", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		w := newWire(t, c)
		var all sync.WaitGroup
		far := map[string]*cache.Cache{}
		for name := range calls {
			far[name] = another(t, c, w.addr)
		}
		w.say.hold()
		for name, tc := range calls {
			all.Go(func() { hangs(t, far[name], name, tc.most, tc.call) })
		}
		all.Wait()
		w.say.release()
		for name, tc := range calls {
			soon(t, name+" works again", func() bool { return tc.call(t.Context(), far[name]) == nil })
		}
	})
}

// TestMoreTime: what reads or writes much is waited for as long as it may take.
func TestMoreTime(t *testing.T) {
	t.Parallel()
	addr := silent(t)
	for _, name := range []string{"Handoffs", "Notices", "SetHandoffs", "Drawn", "Channels", "Carded"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := opened(t, "redis://"+addr)
			begun := time.Now()
			err := calls[name].call(t.Context(), c)
			if took := time.Since(begun); err == nil || took < 3*cache.Patience {
				t.Errorf("%v after %s, want an error after %s", err, took, 4*cache.Patience)
			}
		})
	}
}

// hangs wants the first calls to end in about their time, and those after two failures at once.
func hangs(t *testing.T, c *cache.Cache, name string, most time.Duration, call func(context.Context, *cache.Cache) error) {
	t.Helper()
	fastest := time.Hour
	for i := range 6 {
		begun := time.Now()
		err := call(t.Context(), c)
		took, limit := time.Since(begun), most+cache.Patience
		if err == nil || took > limit {
			t.Errorf("%s, call %d: %v after %s, want an error within %s", name, i+1, err, took, limit)
		}
		if i >= 2 {
			fastest = min(fastest, took)
		}
	}
	if fastest > cache.Patience/5 { // the others may have waited for the processor
		t.Errorf("%s: the fastest call after two failures took %s, want none of them to wait", name, fastest)
	}
}

func TestAnErrorThatRedisItselfSpeaksIsNoFailureOfRedis(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		for range 5 {
			if err := c.Raw().Do(t.Context(), "NONSENSE").Err(); err == nil {
				t.Fatal("Redis knows NONSENSE")
			}
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAContextThatWasCancelledIsNoFailureOfRedis(t *testing.T) {
	each(t, func(t *testing.T, c *cache.Cache) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 5 {
			if err := c.Ping(ctx); err == nil {
				t.Fatal("no error of a context that has ended")
			}
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://localhost", "rediss://:secret@redis.example:6380/3", "redis://user:secret@localhost:6379",
		"redis+sentinel://user:secret@localhost:26379/main", "rediss+sentinel://localhost/main/2?addr=other:26379&sentinel_password=secret",
		"redis+cluster://:secret@localhost:7000?addr=localhost:7001&addr=localhost:7002", "rediss+cluster://localhost"} {
		c, err := cache.Open(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if c.InProcess() {
			t.Errorf("%s is in this process", url)
		}
		closing(t, c)
	}
	for _, url := range []string{"", "localhost:6379", "redis://", "redis:///0", "redis+cluster://:secret@:7000", "http://:secret@localhost", "redis://:secret@localhost:port", "redis://:secret@localhost/x", "redis://:sec%zzret@localhost",
		"redis+sentinel://:secret@localhost", "redis+sentinel://:secret@localhost/main/x", "redis+cluster://:secret@localhost/1", "redis+cluster://localhost?addr=:secret@x", "redis+cluster://:secret@localhost?addr=:7001",
		"redis+other://:secret@localhost", "redis+://:secret@localhost", "redis+cluster://localhost?secret=1",
		"redis://:secret@localhost:65536", "redis://:secret@localhost:0", "redis+cluster://:secret@localhost:7000?addr=localhost:70000",
		"redis+sentinel://:secret@localhost/main?addr=localhost:port", "redis://:secret@localhost/-1"} {
		if c, err := cache.Open(url); err == nil {
			t.Errorf("%q can be used", url)
			closing(t, c)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ret@") {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
}

// TestParse: everything that a URL says is used for what it is for.
func TestParse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]redis.UniversalOptions{
		"redis://user:word@one:1/3": {Addrs: []string{"one:1"}, Username: "user", Password: "word", DB: 3},
		"redis+sentinel://user:word@one:1/main/2?addr=two:2&addr=three:3&sentinel_username=guard&sentinel_password=other": {
			MasterName: "main", Addrs: []string{"one:1", "two:2", "three:3"}, Username: "user", Password: "word", DB: 2,
			SentinelUsername: "guard", SentinelPassword: "other",
		},
		"redis+cluster://user:word@one?addr=two:2": {IsClusterMode: true, Addrs: []string{"one:6379", "two:2"}, Username: "user", Password: "word"},
	} {
		for scheme, name := range map[string]string{"redis": "", "rediss": "one"} {
			got, err := cache.Parse(scheme + strings.TrimPrefix(url, "redis"))
			fine(t, err)
			if want.MasterName != "" || want.IsClusterMode {
				name = "" // each node's own
			}
			if got.TLSConfig == nil && scheme == "rediss" || got.TLSConfig != nil && (scheme == "redis" || got.TLSConfig.ServerName != name) {
				t.Errorf("%s of %s: it uses TLS with %+v, want the name %q", scheme, url, got.TLSConfig, name)
			}
			got.TLSConfig = nil
			if d := cmp.Diff(want, *got); d != "" {
				t.Errorf("%s: want -, got +:\n%s", url, d)
			}
		}
	}
}

// TestEachNodeProvesItsOwnName: over TLS each node is asked for the certificate of its own name, not for that of the first one named.
func TestEachNodeProvesItsOwnName(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"rediss+cluster://127.0.0.1:1?addr=localhost:", "rediss+sentinel://127.0.0.1:1/main?addr=localhost:"} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 100)
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				asked <- hello.ServerName
				return nil, errors.New("no certificate")
			}})
			fine(t, err)
			node := &http.Server{ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // it answers nobody
			ended := make(chan struct{})
			go func() { defer close(ended); _ = node.Serve(l) }()
			t.Cleanup(func() { _ = node.Close(); <-ended })
			_, port, _ := net.SplitHostPort(l.Addr().String())
			c, err := cache.Open(url + port)
			fine(t, err)
			closing(t, c)
			soon(t, "the second node is called", func() bool { return c.Ping(t.Context()) != nil && len(asked) > 0 })
			if name := <-asked; name != "localhost" {
				t.Errorf("it was asked to be %q, want localhost", name)
			}
		})
	}
}

func TestTheInProcessRedis(t *testing.T) {
	t.Parallel()
	t.Run("is open to nobody else", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		if !c.InProcess() {
			t.Error("it doesn't say that it is in this process")
		}
		stranger := redis.NewClient(&redis.Options{Addr: c.Raw().Options().Addr})
		defer func() { _ = stranger.Close() }()
		if err := stranger.Get(t.Context(), "x").Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
			t.Errorf("without the password: %v, want NOAUTH", err)
		}
		if !strings.HasPrefix(c.Raw().Options().Addr, "127.0.0.1:") {
			t.Errorf("it listens on %s", c.Raw().Options().Addr)
		}
	})
	t.Run("lets time pass by itself", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		fine(t, c.Raw().Set(t.Context(), "inventbot:x", "1", 10*time.Millisecond).Err())
		soon(t, "the key is gone", func() bool { return c.Raw().Exists(t.Context(), "inventbot:x").Val() == 0 })
	})
	t.Run("lets time pass no faster than it does", func(t *testing.T) {
		t.Parallel()
		c := inProcess(t)
		begun := time.Now()
		fine(t, c.Raw().Set(t.Context(), "inventbot:x", "1", 3500*time.Millisecond).Err())
		fine(t, c.Raw().Set(t.Context(), "inventbot:y", "1", time.Minute).Err())
		soon(t, "the first key is gone", func() bool { return c.Raw().Exists(t.Context(), "inventbot:x").Val() == 0 })
		left, err := c.Raw().PTTL(t.Context(), "inventbot:y").Result()
		if passed := time.Since(begun); err != nil || time.Minute-left > passed+time.Second { // it passes by the second
			t.Errorf("after %s %s of a minute are left, %v", passed, left, err)
		}
	})
}

// TestErrorsQuoteNothing: what Redis or its client say of a call that went wrong is logged, and so holds nothing of what was to be kept.
func TestErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ says, want string }{
		"a command that this Redis doesn't know": {"-ERR unknown command 'set', with args beginning with: 'a key' 'Call her before noon' \r\n", "unknown command 'set'"},
		"something else than Redis":              {"Call her before noon\r\n", "not Redis's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
					go func() {
						defer func() { _ = conn.Close() }()
						for called := make([]byte, 4096); ; {
							n, err := conn.Read(called)
							if err != nil {
								return
							}
							_, _ = io.WriteString(conn, strings.Repeat(tc.says, strings.Count("\n"+string(called[:n]), "\n*"))) // an answer for each command
						}
					}()
				}
			}()
			c, err := cache.Open("redis://" + l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			_, one := c.KeepNote(t.Context(), "T1", "U1", "Call her before noon")
			_, several := c.Known(t.Context(), cache.Question{Team: "T1", Chat: "chat_1"})
			_, _, _, each := c.Changed(t.Context(), "T1", cache.Change{Chat: "chat_1", Deed: cache.Deed{Chat: "chat_1", User: "U1"}})
			_, _, away := c.Link(t.Context(), "T1", "U1") // by now it is perhaps left alone, and the failure before is told
			for _, err := range []error{one, several, each, away} {
				if err == nil || strings.Contains(err.Error(), "noon") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v; want %q, and nothing of a note", err, tc.want)
				}
			}
		})
	}
}
