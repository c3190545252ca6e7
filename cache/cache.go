// Package cache keeps everything the bot has in Redis: the jobs that wait, who is
// linked to whom, which cards stand where, and what the feed has announced. Every key
// has one function (keys.go), a prefix and a lifetime.
//
// It knows neither Slack nor Invent: bodies of jobs are opaque to it. It does not
// decide what to do when Redis can't be reached: the call just fails, within 250 ms, or
// within a second if it reads or writes much (2 and 8 s with the in-process Redis).
// These times are for each round trip: see guard.
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

// patience is how long one call to Redis may take, retry included; then it is given up,
// for a click must be acknowledged within three seconds.
const patience = 250 * time.Millisecond

// inProcess is how long one call to the in-process Redis may take: longer, because it is slow only on a busy machine, and
// there is nothing to fall back on.
const inProcess = 2 * time.Second

// go-redis would print errors to stderr, outside the log; its callers get them anyway.
func init() { redis.SetLogger(silent{}) }

type silent struct{}

// Printf implements go-redis's logger.
func (silent) Printf(context.Context, string, ...any) {}

// Cache is one Redis, shared by any number of processes, or one inside this process.
// Its methods may be called concurrently.
type Cache struct {
	rdb       redis.UniversalClient
	patience  time.Duration        // of one call
	cluster   bool                 // Redis may carry out the commands of one pipeline in any order
	consumer  string               // this process's name in the consumer group
	mini      *miniredis.Miniredis // nil for a real Redis
	skew      atomic.Int64         // Redis's clock minus ours, in milliseconds
	skewKnown atomic.Bool
	submits   atomic.Int64 // numbers the calls of Submit: tells go-redis's retry of a call from a second call
	mu        sync.Mutex
	inHand    map[string]struct{} // the stream's entries that this process has got, and not ended or given back yet
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

// drive moves the in-process Redis's clock: without it, its keys would never expire.
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

// InProcess reports whether this is the in-process Redis, whose data ends with the process.
func (c *Cache) InProcess() bool { return c.mini != nil }

// Close closes the connections, and ends the in-process Redis with all it holds.
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

// Warm loads the scripts of clicks and of the feed, creates the consumer group and learns Redis's clock, so that the first
// click and the feed's first round need no extra round trips. If it fails, they just need those.
func (c *Cache) Warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 4*c.patience)
	defer cancel()
	// One by one: in a pipeline, Load would take the answer that hasn't come yet for the script's hash, and every later
	// call would need two round trips.
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

// ErrAway says that Redis was not asked, because the breaker leaves it alone. The text of the last failure stands behind it.
var ErrAway = errors.New("no answer from Redis")

// breaker spares callers the wait for a Redis that is away: after two failures in a row no call is let through for
// a moment, then a few are, to find out whether it is back.
type breaker struct {
	failures atomic.Int32
	until    atomic.Int64 // Unix nanoseconds
	probes   atomic.Int32
	why      atomic.Pointer[string] // the last failure's text; as an error value it could make go-redis retry a call that was refused here
}

const (
	tolerated = 2
	pause     = 500 * time.Millisecond
	probes    = 8
)

// allow returns nil if Redis may be asked now, else ErrAway.
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

// report takes note of how a call ended.
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

// answered reports whether the error is an answer of Redis itself.
func answered(err error) bool {
	var e redis.Error
	return errors.As(err, &e)
}

// failure is the error of every call that Redis didn't answer, or refused.
type failure struct {
	doing string
	err   error
}

// Error says what was being done when it failed.
func (f *failure) Error() string { return f.doing + ": " + f.err.Error() }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// Failed reports whether an error is one of Redis's: it didn't answer, or refused.
func Failed(err error) bool {
	_, is := errors.AsType[*failure](err)
	return is
}

// wrap makes a failure that says what was being done; nil for no error.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{doing, err}
}
