// Package cache keeps everything the bot has in Redis: the jobs that wait, who is
// linked to whom, which cards stand where, and what the feed has announced. Every key
// has one function (keys.go), a prefix and a lifetime.
//
// It knows neither Slack nor Invent: bodies of jobs are opaque to it. It does not
// decide what to do when Redis can't be reached: a call fails then, within 250 ms, or
// within a second where it reads or writes much at a time (2 and 8 s in the in-process
// Redis). The time is that of each round trip: see guard.
package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// patience is how long one call to Redis may take, retry included. A click has three
// seconds for its acknowledgement; what Redis can't do in this time is given up.
const patience = 250 * time.Millisecond

// inProcess is how long one call to the in-process Redis may take: there is nothing else to turn to, so a busy
// machine is waited for.
const inProcess = 2 * time.Second

// go-redis prints what goes wrong to stderr, beside the log; its callers hear of it all the same.
func init() { redis.SetLogger(silent{}) }

type silent struct{}

// Printf implements go-redis's logger.
func (silent) Printf(context.Context, string, ...any) {}

// Cache is one Redis, shared by any number of processes, or one inside this process.
// Its methods may be called concurrently.
type Cache struct {
	rdb       redis.UniversalClient
	patience  time.Duration        // of one call
	cluster   bool                 // the commands of one pipeline may be carried out in any order
	consumer  string               // this process in the consumer group
	mini      *miniredis.Miniredis // nil for a real Redis
	skew      atomic.Int64         // Redis's clock minus ours, in milliseconds
	skewKnown atomic.Bool
	submits   atomic.Int64 // so far: what is sent twice is told from what was asked twice
	mu        sync.Mutex
	inHand    map[string]struct{} // the entries of the stream that this process was handed, knows of, and has not let go of
	stop      chan struct{}       // ends the in-process clock
	stopped   chan struct{}
}

// OpenInProcess starts a Redis inside this process, reachable from nowhere else.
// Everything in it is gone when the process ends.
func OpenInProcess() (*Cache, error) {
	mini := miniredis.NewMiniRedis()
	password := rand.Text()
	mini.RequireAuth(password)
	if err := mini.Start(); err != nil {
		return nil, fmt.Errorf("starting the in-process Redis: %w", err)
	}
	c := connect(&redis.UniversalOptions{Addrs: []string{mini.Addr()}, Password: password}, inProcess)
	c.mini = mini
	c.stop, c.stopped = make(chan struct{}), make(chan struct{})
	go c.drive()
	return c, nil
}

// drive lets time pass in the in-process Redis, whose keys would never expire by themselves.
func (c *Cache) drive() {
	defer close(c.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-c.stop:
			return
		case t := <-tick.C:
			c.mini.FastForward(t.Sub(last))
			last = t
		}
	}
}

// InProcess says whether what is stored here ends with this process.
func (c *Cache) InProcess() bool { return c.mini != nil }

// Close lets go of the connections, and of the in-process Redis with all it holds.
func (c *Cache) Close() error {
	err := c.rdb.Close()
	if c.mini != nil {
		close(c.stop)
		<-c.stopped
		c.mini.Close()
	}
	return wrap("closing Redis", err)
}

// Ping says within 250 ms whether Redis answers.
func (c *Cache) Ping(ctx context.Context) error {
	return wrap("asking Redis", c.rdb.Ping(ctx).Err())
}

// Warm loads the scripts of clicks and of the feed and learns Redis's clock, so that the first click and the feed's
// first round need one round trip for a step like all others. Its failure costs nothing but that.
func (c *Cache) Warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 4*c.patience)
	defer cancel()
	// One by one: in a pipeline go-redis takes the answer that isn't there yet for the script's hash, and each
	// call would be two from then on.
	for _, s := range []*redis.Script{submitScript, reapScript, doneScript, withdrawScript, keepScript, laterScript, tickScript, leaveScript, leadScript, stepDownScript, dueScript, redrawAtScript, redrawnScript} {
		if err := s.Load(ctx, c.rdb).Err(); err != nil {
			return wrap("loading scripts", err)
		}
	}
	if err := c.group(ctx); err != nil {
		return err
	}
	return c.learnClock(ctx)
}

// learnClock measures how far Redis's clock is from ours.
func (c *Cache) learnClock(ctx context.Context) error {
	t, err := c.rdb.Time(ctx).Result()
	if err != nil {
		return wrap("asking Redis for its time", err)
	}
	c.heardClock(t.UnixMilli())
	return nil
}

func (c *Cache) heardClock(redisMillis int64) {
	c.skew.Store(redisMillis - time.Now().UnixMilli())
	c.skewKnown.Store(true)
}

// ErrAway is the answer while Redis is left alone, with the words of the failure before: it was not asked.
var ErrAway = errors.New("no answer from Redis")

// breaker spares everybody the wait for a Redis that is away: after two failures in a row it is left alone
// for a moment, then a few calls may find out whether it is back.
type breaker struct {
	failures atomic.Int32
	until    atomic.Int64 // Unix nanoseconds
	probes   atomic.Int32
	why      atomic.Pointer[string] // the last failure; its words alone, else go-redis would try again what it is refused for
}

const (
	tolerated = 2
	pause     = 500 * time.Millisecond
	probes    = 8
)

// allow says whether Redis may be asked now.
func (b *breaker) allow() error {
	if b.failures.Load() < tolerated {
		return nil
	}
	now, until := time.Now().UnixNano(), b.until.Load()
	if now >= until && b.until.CompareAndSwap(until, now+int64(pause)) {
		b.probes.Store(probes)
	}
	if b.probes.Add(-1) < 0 {
		if why := b.why.Load(); why != nil {
			return fmt.Errorf("%w: %s", ErrAway, *why)
		}
		return ErrAway
	}
	return nil
}

// report hears how a call ended.
func (b *breaker) report(err error) {
	if err == nil || errors.Is(err, redis.Nil) || answered(err) {
		b.failures.Store(0)
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	why := err.Error()
	b.why.Store(&why)
	if b.failures.Add(1) == tolerated {
		b.probes.Store(0)
		b.until.Store(time.Now().Add(pause).UnixNano())
	}
}

// answered says whether Redis itself spoke the error.
func answered(err error) bool {
	var e redis.Error
	return errors.As(err, &e)
}

// failure is the error of a call that Redis didn't answer, or refused.
type failure struct {
	doing string
	err   error
}

// Error says what was being done when it failed.
func (f *failure) Error() string { return f.doing + ": " + f.err.Error() }

// Unwrap answers why.
func (f *failure) Unwrap() error { return f.err }

// Failed says whether Redis was needed for something, and didn't answer, or refused it.
func Failed(err error) bool {
	_, is := errors.AsType[*failure](err)
	return is
}

// wrap says what was being done when it failed; nil for no error.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{doing, err}
}
